//! Duty: the decision: may the holder of this clearance see what bears this label, at this time?
//! Promises: one total function; every answer has its reasons; a denial lists all of them; the public
//! sentence is one of two and tells nothing of label or clearance.
//! Refuses: anything unknown, missing, expired or contradictory.
//! Standards: SDN.801 and X.841 access control decision function; standards/labels.md sections 6 and 7.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::compiled::{self, Verdict};
use super::policy::{Policies, Policy, PolicyCategory, TagId};
use super::reason::Reason;
use super::validity::{self, Mode, Resolved, category_value, class_value};
use super::value::{Clearance, Kind, Label};

/// What everybody may be told of a permission.
pub const PUBLIC_PERMIT: &str = "the security policy permits this";
/// What everybody may be told of a denial.
pub const PUBLIC_DENY: &str = "the security policy does not permit this";

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// True when access is granted.
    pub permit: bool,
    /// On denial every rule that failed; on permission every rule that held. For officers and audit.
    pub reasons: Vec<Reason>,
    /// The sentence for anybody: it is the same for every denial.
    pub public: &'static str,
}

impl Access {
    pub(super) fn permitted(reasons: Vec<Reason>) -> Self {
        Self {
            permit: true,
            reasons,
            public: PUBLIC_PERMIT,
        }
    }

    /// A denial for these reasons.
    pub fn denied(reasons: Vec<Reason>) -> Self {
        Self {
            permit: false,
            reasons,
            public: PUBLIC_DENY,
        }
    }
}

/// Decides for a label that came in: validity, time window and access, in that order.
///
/// The reasons are built for permissions too, since the audit keeps them; a caller who wants only the
/// verdict takes [`decide`](super::compiled::decide), which allocates nothing.
pub fn authorize(policy: &Policy, label: &Label, clearance: &Clearance, at: Timestamp) -> Access {
    authorize_in(policy, label, clearance, at, Mode::Reception)
}

/// As [`authorize`]; a new label may not have obsolete values.
pub fn authorize_in(
    policy: &Policy,
    label: &Label,
    clearance: &Clearance,
    at: Timestamp,
    mode: Mode,
) -> Access {
    let mut decision = Decision::default();
    let mut resolved = validity::resolve(policy, label, at, mode);
    decision.failed.append(&mut resolved.problems);
    if clearance.policy != policy.oid {
        let text = format!("the clearance is of another policy than {}", policy.name);
        let reason = Reason::new("clearance.policy-mismatch", policy.own_element(), text);
        decision
            .failed
            .push(reason.clearance(clearance.policy.to_string()));
    } else if label.policy == Some(policy.oid) {
        decision.classification(policy, &resolved, clearance);
        decision.categories(policy, &resolved, clearance);
    }
    // Two readings of the same rules, this one with reasons and the one over masks: both must grant.
    let granted = compiled::decide_once(policy, label, clearance, at) == Verdict::Permit;
    // Nothing that holds, nothing granted: an empty list of checks is no permission.
    if granted && decision.failed.is_empty() && !decision.held.is_empty() {
        return Access::permitted(decision.held);
    }
    if decision.failed.is_empty() {
        let text = "no rule grants access";
        decision.failed.push(Reason::new(
            "access.nothing-held",
            policy.own_element(),
            text,
        ));
    }
    Access::denied(decision.failed)
}

/// What a site puts in the place of what is missing; nothing unless it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Counts where there is no label.
    pub label: Option<Label>,
    /// Counts where there is no clearance of the label's policy.
    pub clearance: Option<Clearance>,
}

/// Decides where policy, label or clearance may be missing: what is missing denies.
///
/// `clearances` are all that the party has; the one of the label's policy counts.
pub fn judge(
    policies: &Policies,
    label: Option<&Label>,
    clearances: &[Clearance],
    at: Timestamp,
) -> Access {
    judge_with(policies, label, clearances, &Defaults::default(), at)
}

/// As [`judge`], with what the site puts in the place of what is missing. A label that names no policy is
/// one of the policy that the loaded policies state as their default (defaultSecurityPolicyId). Each default
/// that counted is among the reasons.
pub fn judge_with(
    policies: &Policies,
    label: Option<&Label>,
    clearances: &[Clearance],
    defaults: &Defaults,
    at: Timestamp,
) -> Access {
    let mut used = Vec::new();
    let mut note = |id, policy: &Policy, text: &str| {
        used.push(Reason::new(id, policy.own_element(), text));
    };
    let deny = |id, text: &str| Access::denied(vec![Reason::new(id, "no policy".to_owned(), text)]);
    let Some(given) = label.or(defaults.label.as_ref()) else {
        return deny("label.missing", "there is no security label");
    };
    let own = given.policy.map(|oid| (oid, policies.get(&oid)));
    let (policy, given) = match (own, policies.default_policy()) {
        (Some((_, Some(policy))), _) => (policy, given.clone()),
        (Some((oid, None)), _) => {
            let text = format!("the policy {oid} is not loaded");
            return deny("label.policy-unknown", &text);
        }
        (None, Some(policy)) => {
            let text = "the label names no policy; the policy that is the default counts";
            note("label.policy-default", policy, text);
            let given = Label {
                policy: Some(policy.oid),
                ..given.clone()
            };
            (policy, given)
        }
        (None, None) => return deny("label.policy-missing", "the label names no policy"),
    };
    if label.is_none() {
        let text = "there is no security label; the default label counts";
        note("label.default", policy, text);
    }
    let of_policy = |clearance: &&Clearance| clearance.policy == policy.oid;
    let mut held = clearances.iter().filter(of_policy);
    let denied = |id, text: String| {
        let mut reasons = validity::check(policy, &given, at, Mode::Reception);
        reasons.push(Reason::new(id, policy.own_element(), text));
        Access::denied(reasons)
    };
    let by_default = || defaults.clearance.as_ref().filter(of_policy);
    let clearance = match (held.next(), held.next()) {
        (Some(_), Some(_)) => {
            let text = format!("there are several clearances of the policy {}", policy.name);
            return denied("clearance.ambiguous", text);
        }
        (Some(clearance), None) => clearance,
        (None, _) => {
            let Some(clearance) = by_default() else {
                let text = format!("there is no clearance of the policy {}", policy.name);
                return denied("clearance.missing", text);
            };
            let text = "there is no clearance; the default clearance counts";
            note("clearance.default", policy, text);
            clearance
        }
    };
    let mut access = authorize(policy, &given, clearance, at);
    access.reasons.append(&mut used);
    access
}

#[derive(Default)]
struct Decision {
    failed: Vec<Reason>,
    held: Vec<Reason>,
}

impl Decision {
    fn add(&mut self, holds: bool, reason: Reason) {
        if holds {
            self.held.push(reason);
        } else {
            self.failed.push(reason);
        }
    }

    // X.841, SDN.801: membership of the class set, not "less or equal".
    fn classification(&mut self, policy: &Policy, resolved: &Resolved, clearance: &Clearance) {
        let Some(class) = resolved.class.and_then(|id| policy.class(id)) else {
            return;
        };
        let holds = clearance.classifications.contains(&class.value);
        let (id, text) = if holds {
            (
                "access.classification-held",
                format!("{} is cleared", class.name),
            )
        } else {
            (
                "access.classification",
                format!("{} is not cleared", class.name),
            )
        };
        let reason = Reason::new(id, policy.class_element(class), text)
            .label(class_value(class))
            .clearance(classes(policy, &clearance.classifications));
        self.add(holds, reason);
    }

    fn categories(&mut self, policy: &Policy, resolved: &Resolved, clearance: &Clearance) {
        let mut permissive: BTreeMap<TagId, Vec<&PolicyCategory>> = BTreeMap::new();
        for category in resolved
            .categories
            .iter()
            .filter_map(|id| policy.category(*id))
        {
            match policy.tag(category.tag).and_then(|tag| tag.kind) {
                Some(kind) if kind.is_restrictive() => {
                    self.restrictive(policy, category, clearance);
                }
                // One group per tag of the policy: the stricter reading.
                Some(kind) if kind.is_permissive() => {
                    permissive.entry(category.tag).or_default().push(category);
                }
                // Informative values have no influence.
                _ => {}
            }
        }
        for members in permissive.values() {
            self.permissive(policy, members, clearance);
        }
    }

    fn restrictive(&mut self, policy: &Policy, category: &PolicyCategory, clearance: &Clearance) {
        let holds = is_held(policy, category, clearance);
        let (id, text) = if holds {
            (
                "access.restrictive-held",
                format!("{} is held", category.name),
            )
        } else {
            (
                "access.restrictive",
                format!("{} is not held", category.name),
            )
        };
        let reason = Reason::new(id, policy.category_element(category), text)
            .label(category_value(policy, category))
            .clearance(held_values(policy, category, clearance));
        self.add(holds, reason);
    }

    fn permissive(&mut self, policy: &Policy, members: &[&PolicyCategory], clearance: &Clearance) {
        let Some(first) = members.first() else {
            return;
        };
        let Some(tag) = policy.tag(first.tag) else {
            return;
        };
        let holds = members
            .iter()
            .any(|category| is_held(policy, category, clearance));
        let name = policy.tag_name(tag);
        let (id, text) = if holds {
            (
                "access.permissive-held",
                format!("a value of {name} is held"),
            )
        } else {
            ("access.permissive", format!("no value of {name} is held"))
        };
        let values: Vec<String> = members
            .iter()
            .map(|category| category_value(policy, category))
            .collect();
        let reason = Reason::new(id, policy.tag_element(tag), text)
            .label(values.join(", "))
            .clearance(held_values(policy, first, clearance));
        self.add(holds, reason);
    }
}

/// The same tag set, the same wire kind, the same number.
fn is_held(policy: &Policy, category: &PolicyCategory, clearance: &Clearance) -> bool {
    let held = || {
        let tag = policy.tag(category.tag)?;
        let set = policy.tag_sets.get(tag.set)?;
        Some(
            clearance
                .categories
                .contains(&set.oid, tag.kind?, category.value?),
        )
    };
    held().unwrap_or(false)
}

/// What the clearance has in the category's tag set and kind.
fn held_values(policy: &Policy, category: &PolicyCategory, clearance: &Clearance) -> String {
    let values = || {
        let tag = policy.tag(category.tag)?;
        let set = policy.tag_sets.get(tag.set)?;
        let kind: Kind = tag.kind?;
        let values = clearance.categories.values(&set.oid, kind)?;
        let shown = values.iter().map(|value| {
            let known = policy.category_names(&set.oid, kind, *value);
            known.map_or_else(
                || value.to_string(),
                |(_, _, name)| format!("{name} ({value})"),
            )
        });
        Some(shown.collect::<Vec<_>>().join(", "))
    };
    values().unwrap_or_else(|| "none".to_owned())
}

fn classes(policy: &Policy, values: &BTreeSet<u64>) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let shown = values.iter().map(|value| {
        let name = policy.classification_name(*value);
        name.map_or_else(|| value.to_string(), |name| format!("{name} ({value})"))
    });
    shown.collect::<Vec<_>>().join(", ")
}
