//! Duty: is this label one that the policy allows, now, for reading or for writing?
//! Promises: names every rule that is broken; says nothing about who may read.
//! Refuses: whatever the policy does not know: policy, classification, category, kind.
//! Standards: Open XML SPIF 2.1, X.841; standards/labels.md section 6.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::policy::{
    CategoryId, Class, ClassId, Group, Policy, PolicyCategory, Requirement, TagId,
};
use super::reason::Reason;
use super::value::Label;

/// What the label is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A new label: obsolete values are refused.
    Origination,
    /// A label that came in: obsolete values may stand.
    Reception,
}

/// Every rule that the label breaks; none when it is valid.
pub fn check(policy: &Policy, label: &Label, at: Timestamp, mode: Mode) -> Vec<Reason> {
    resolve(policy, label, at, mode).problems
}

/// The label in the policy's own numbers, and what is wrong with it.
pub(super) struct Resolved {
    pub(super) class: Option<ClassId>,
    pub(super) categories: BTreeSet<CategoryId>,
    pub(super) problems: Vec<Reason>,
}

pub(super) fn resolve(policy: &Policy, label: &Label, at: Timestamp, mode: Mode) -> Resolved {
    let mut resolved = Resolved {
        class: None,
        categories: BTreeSet::new(),
        problems: Vec::new(),
    };
    match label.policy {
        None => {
            let text = "the label names no policy";
            resolved.problem(Reason::new(
                "label.policy-missing",
                policy.own_element(),
                text,
            ));
            return resolved;
        }
        Some(other) if other != policy.oid => {
            let text = format!("the label is of another policy than {}", policy.name);
            let reason = Reason::new("label.policy-mismatch", policy.own_element(), text);
            resolved.problem(reason.label(other.to_string()));
            return resolved;
        }
        Some(_) => {}
    }
    if !policy.window.contains(at) {
        let text = format!("the policy is not in force at {at}");
        resolved.problem(Reason::new(
            "policy.not-in-force",
            policy.own_element(),
            text,
        ));
    }
    resolved.find_class(policy, label, mode);
    resolved.find_categories(policy, label, at, mode);
    resolved.check_categories(policy);
    if let Some(class) = resolved.class.and_then(|id| policy.class(id)) {
        let owner = format!("classification {}", class.name);
        for requirement in &class.required {
            resolved.check_requirement(policy, requirement, &owner);
        }
        // Open XML SPIF 3.0: excludedCategory under a classification.
        for group in &class.excluded {
            if !group.members.is_disjoint(&resolved.categories) {
                let text = format!("{} may not stand with {}", class.name, group.text);
                let element = policy.element(group.place, "excludedCategory", "");
                let reason = Reason::new("label.category-excluded", element, text);
                resolved.problem(reason.label(class_value(class)));
            }
        }
    }
    resolved.check_selection(policy);
    resolved.check_mark(policy, label, mode);
    resolved
}

impl Resolved {
    fn problem(&mut self, reason: Reason) {
        self.problems.push(reason);
    }

    fn find_class(&mut self, policy: &Policy, label: &Label, mode: Mode) {
        let Some(value) = label.classification else {
            let text = "the label has no classification";
            let reason = Reason::new("label.classification-missing", policy.own_element(), text);
            return self.problem(reason);
        };
        let Some(id) = policy.class_id(value) else {
            let text = format!("the policy has no classification {value}");
            let reason = Reason::new("label.classification-unknown", policy.own_element(), text);
            return self.problem(reason.label(value.to_string()));
        };
        self.class = Some(id);
        if let Some(class) = policy.class(id)
            && class.obsolete
            && mode == Mode::Origination
        {
            let text = format!(
                "the classification {} is obsolete; use a current one",
                class.name
            );
            let id = "label.classification-obsolete";
            let reason = Reason::new(id, policy.class_element(class), text);
            self.problem(reason.label(class_value(class)));
        }
    }

    fn find_categories(&mut self, policy: &Policy, label: &Label, at: Timestamp, mode: Mode) {
        for entry in &label.categories {
            for value in &entry.values {
                let found = policy.category_id(&entry.tag_set, entry.kind, *value);
                let Some((id, category)) = found.and_then(|id| Some((id, policy.category(id)?)))
                else {
                    let shown = format!("{} {} {value}", entry.tag_set, entry.kind);
                    let text = format!("the policy has no category {shown}");
                    let reason = Reason::new("label.category-unknown", policy.own_element(), text);
                    self.problem(reason.label(shown));
                    continue;
                };
                self.categories.insert(id);
                if category.obsolete && mode == Mode::Origination {
                    let text = format!("the category {} is obsolete", category.name);
                    self.category_problem(policy, "label.category-obsolete", category, text);
                }
                if !category.window.contains(at) {
                    let text = format!("the category {} is not in force at {at}", category.name);
                    self.category_problem(policy, "label.category-not-in-force", category, text);
                }
            }
        }
    }

    fn category_problem(
        &mut self,
        policy: &Policy,
        id: &'static str,
        category: &PolicyCategory,
        text: String,
    ) {
        let reason = Reason::new(id, policy.category_element(category), text);
        self.problem(reason.label(category_value(policy, category)));
    }

    fn check_categories(&mut self, policy: &Policy) {
        let class_name = |id: ClassId| {
            policy
                .class(id)
                .map(|class| class.name.as_str())
                .unwrap_or_default()
        };
        for id in self.categories.clone() {
            let Some(category) = policy.category(id) else {
                continue;
            };
            let name = &category.name;
            if let Some(class) = self.class {
                if category.excluded_classes.contains(&class) {
                    let text = format!("{name} may not stand with {}", class_name(class));
                    self.category_problem(policy, "label.class-excluded", category, text);
                }
                if let Some(wanted) = category.required_class
                    && wanted != class
                {
                    let text = format!(
                        "{name} needs the classification {}, not {}",
                        class_name(wanted),
                        class_name(class)
                    );
                    self.category_problem(policy, "label.class-required", category, text);
                }
            }
            for group in &category.excluded {
                if !group.members.is_disjoint(&self.categories) {
                    let text = format!("{name} may not stand with {}", group.text);
                    let element = policy.element(group.place, "excludedCategory", "");
                    let reason = Reason::new("label.category-excluded", element, text);
                    self.problem(reason.label(category_value(policy, category)));
                }
            }
            let owner = format!("category {name}");
            for requirement in &category.required {
                self.check_requirement(policy, requirement, &owner);
            }
        }
    }

    fn check_requirement(&mut self, policy: &Policy, requirement: &Requirement, owner: &str) {
        let matches = |group: &&Group| !group.members.is_disjoint(&self.categories);
        let matching = requirement.groups.iter().filter(matches).count();
        if requirement
            .operation
            .holds(matching, requirement.groups.len())
        {
            return;
        }
        let wanted: Vec<&str> = requirement
            .groups
            .iter()
            .map(|group| group.text.as_str())
            .collect();
        let quantity = match requirement.operation {
            super::policy::Operation::OnlyOne => "exactly one",
            super::policy::Operation::OneOrMore => "at least one",
            super::policy::Operation::All => "all",
        };
        let text = format!("the {owner} needs {quantity} of: {}", wanted.join("; "));
        let element = policy.element(requirement.place, "requiredCategory", "");
        let reason = Reason::new("label.category-required", element, text);
        self.problem(reason.label(format!("{matching} present")));
    }

    fn check_selection(&mut self, policy: &Policy) {
        let mut counts: BTreeMap<TagId, u64> = BTreeMap::new();
        // standards/labels.md §6.6: that an unused tag must be used is the site's choice.
        if policy.options.minimum_always {
            counts.extend((0..policy.tags.len()).map(|tag| (TagId(tag), 0)));
        }
        for category in self.categories.iter().filter_map(|id| policy.category(*id)) {
            let count = counts.entry(category.tag).or_default();
            *count = count.saturating_add(1);
        }
        for (id, count) in counts {
            let Some(tag) = policy.tag(id) else { continue };
            let name = policy.tag_name(tag);
            let (id, text) = if tag.maximum.is_some_and(|maximum| count > maximum) {
                let maximum = tag.maximum.unwrap_or_default();
                (
                    "label.too-many-values",
                    format!("{name} may have at most {maximum} values"),
                )
            } else if count < tag.minimum {
                let minimum = tag.minimum;
                (
                    "label.too-few-values",
                    format!("{name} must have at least {minimum} values"),
                )
            } else {
                continue;
            };
            let reason = Reason::new(id, policy.tag_element(tag), text);
            self.problem(reason.label(format!("{count} values")));
        }
    }

    // standards/labels.md §6.7.
    fn check_mark(&mut self, policy: &Policy, label: &Label, mode: Mode) {
        let Some(mark) = &label.privacy_mark else {
            return;
        };
        if !policy.allows_mark(mark.text(), mode) {
            let text = format!(
                "the policy does not list the privacy mark \"{}\"",
                mark.text()
            );
            let reason = Reason::new("label.privacy-mark", policy.own_element(), text);
            self.problem(reason.label(mark.text()));
        }
    }
}

/// `SECRET (4)`.
pub(super) fn class_value(class: &Class) -> String {
    format!("{} ({})", class.name, class.value)
}

/// `Codeword restrictive BEACON (1)`.
pub(super) fn category_value(policy: &Policy, category: &PolicyCategory) -> String {
    let tag = policy.tag(category.tag);
    let set = tag.and_then(|tag| policy.tag_sets.get(tag.set));
    let set = set.map(|set| set.name.as_str()).unwrap_or_default();
    let kind = tag
        .and_then(|tag| tag.kind)
        .map(|kind| kind.name())
        .unwrap_or_default();
    let value = category
        .value
        .map(|value| value.to_string())
        .unwrap_or_default();
    format!("{set} {kind} {} ({value})", category.name)
}
