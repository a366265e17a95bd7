//! Duty: the several labels of one message as one banner, and what they disagree in.
//! Promises: access is decided over every label by itself ([`authorize_all`]), never over the banner;
//! the banner is never below any of its labels; every disagreement is told.
//! Refuses: no labels at all, labels of different policies, labels that are not valid together.
//! Standards: ADatP-4774.1 (dominant label); standards/labels.md section 10.
//!
//! The standard drops a permissive group that one of the labels lacks, which for access would be a
//! restriction lost. Here the banner keeps the group of the others, and an empty intersection is
//! nobody, not everybody.

use std::collections::BTreeSet;

use jiff::Timestamp;
use thiserror::Error;

use super::access::{Access, authorize};
use super::policy::Policy;
use super::reason::Reason;
use super::validity::{self, Mode};
use super::value::{Category, Clearance, Label};

/// One label for display, over all parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// The label to show.
    pub label: Label,
    /// What the labels disagree in, in sentences; none when all say the same.
    pub disagreements: Vec<String>,
}

/// Why there is no banner.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoBanner {
    /// A permissive group has no value that all labels allow.
    #[error("no value of {0} is in every label: nobody may read the whole")]
    Nobody(String),
    /// There are no labels.
    #[error("there is no label to combine")]
    Nothing,
    /// A label has no classification of the policy, or is of another policy: translate it first.
    #[error("a label is not of the policy {0}; translate it first")]
    OtherPolicy(String),
    /// The labels contradict each other under the policy's rules.
    #[error("the labels are not valid together: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NotValid(Vec<Reason>),
}

/// May the holder see every part? The AND over all labels; no label at all denies.
pub fn authorize_all(
    policy: &Policy,
    labels: &[Label],
    clearance: &Clearance,
    at: Timestamp,
) -> Access {
    let decisions: Vec<Access> = labels
        .iter()
        .map(|label| authorize(policy, label, clearance, at))
        .collect();
    if decisions.is_empty() {
        let text = "there is no security label";
        return Access::denied(vec![Reason::new(
            "label.missing",
            policy.own_element(),
            text,
        )]);
    }
    let denied: Vec<Reason> = decisions
        .iter()
        .filter(|access| !access.permit)
        .flat_map(|access| access.reasons.clone())
        .collect();
    if !denied.is_empty() || decisions.iter().any(|access| !access.permit) {
        return Access::denied(denied);
    }
    let held = decisions.into_iter().flat_map(|access| access.reasons);
    Access::permitted(held.collect())
}

/// The banner over all labels: highest class, all restrictive and informative values, of each
/// permissive group the values that every label with that group has.
///
/// # Errors
/// When there is no label that covers all of them.
pub fn banner(policy: &Policy, labels: &[Label], at: Timestamp) -> Result<Banner, NoBanner> {
    let first = labels.first().ok_or(NoBanner::Nothing)?;
    let mut label = Label::new(policy.oid, 0);
    let mut highest = None;
    for part in labels {
        let class = part.classification.and_then(|value| policy.class_id(value));
        let Some(class) = class.and_then(|id| policy.class(id)) else {
            return Err(NoBanner::OtherPolicy(policy.name.clone()));
        };
        if part.policy != Some(policy.oid) {
            return Err(NoBanner::OtherPolicy(policy.name.clone()));
        }
        if highest.is_none_or(|rank| class.hierarchy > rank) {
            highest = Some(class.hierarchy);
            label.classification = Some(class.value);
        }
    }
    let mut groups: Vec<(super::ObjectIdentifier, super::Kind)> = Vec::new();
    for entry in labels.iter().flat_map(|part| &part.categories) {
        if !entry.kind.is_permissive() {
            for value in &entry.values {
                label.categories.insert(entry.tag_set, entry.kind, *value);
            }
        } else if !groups.contains(&(entry.tag_set, entry.kind)) {
            groups.push((entry.tag_set, entry.kind));
        }
    }
    for (tag_set, kind) in groups {
        let mut common: Option<BTreeSet<u128>> = None;
        for values in labels
            .iter()
            .filter_map(|part| part.categories.values(&tag_set, kind))
        {
            common = Some(match common {
                None => values.clone(),
                Some(before) => before.intersection(values).copied().collect(),
            });
        }
        let common = common.unwrap_or_default();
        if common.is_empty() {
            let set = policy.tag_sets.iter().find(|set| set.oid == tag_set);
            let name = set.map_or_else(|| tag_set.to_string(), |set| set.name.clone());
            return Err(NoBanner::Nobody(name));
        }
        // One entry for each group: it cannot be there yet.
        let _ = label.categories.add(Category::new(tag_set, kind, common));
    }
    // A mark stays only when nobody says another one.
    if labels
        .iter()
        .all(|part| part.privacy_mark == first.privacy_mark)
    {
        label.privacy_mark = first.privacy_mark.clone();
    }
    let problems = validity::check(policy, &label, at, Mode::Reception);
    if !problems.is_empty() {
        return Err(NoBanner::NotValid(problems));
    }
    let disagreements = disagreements(policy, labels);
    Ok(Banner {
        label,
        disagreements,
    })
}

/// How each further label differs from the first.
pub fn disagreements(policy: &Policy, labels: &[Label]) -> Vec<String> {
    let Some((first, rest)) = labels.split_first() else {
        return Vec::new();
    };
    let mut told = Vec::new();
    for (at, other) in rest.iter().enumerate().filter(|(_, other)| *other != first) {
        told.push(format!(
            "label {} is {}, label 1 is {}",
            at.saturating_add(2),
            super::naming::write_label(policy, other),
            super::naming::write_label(policy, first)
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::super::naming;
    use super::*;

    fn alder() -> Policy {
        let text = include_str!("../../labels/alder.xml");
        Policy::from_spif_strictly(text.as_bytes(), "alder.xml").unwrap()
    }

    #[test]
    fn the_banner_is_no_lower_than_any_part_and_access_asks_every_part() {
        let policy = alder();
        let at = Timestamp::UNIX_EPOCH;
        let read = |text: &str| naming::parse_label(&policy, text).unwrap();
        let parts = [
            read("SECRET; Releasable To: ALDER, BIRCH"),
            read("RESTRICTED; Handling: STAFF"),
            read("SECRET; Codeword: ANCHOR; Releasable To: BIRCH"),
        ];
        let banner = banner(&policy, &parts, at).unwrap();
        let wanted = "SECRET; Releasable To: BIRCH; Codeword: ANCHOR; Handling: STAFF";
        assert_eq!(naming::write_label(&policy, &banner.label), wanted);
        assert_eq!(banner.disagreements.len(), 2);
        for (holder, permit) in [
            (
                "RESTRICTED, SECRET; Releasable To: BIRCH; Codeword: ANCHOR",
                true,
            ),
            ("SECRET; Releasable To: BIRCH; Codeword: ANCHOR", false),
            (
                "RESTRICTED, SECRET; Releasable To: ALDER; Codeword: ANCHOR",
                false,
            ),
            ("RESTRICTED, SECRET; Releasable To: BIRCH", false),
        ] {
            let holder = naming::parse_clearance(&policy, holder).unwrap();
            assert_eq!(authorize_all(&policy, &parts, &holder, at).permit, permit);
            assert!(!authorize_all(&policy, &[], &holder, at).permit);
        }
    }

    #[test]
    fn there_is_no_banner() {
        let policy = alder();
        let at = Timestamp::UNIX_EPOCH;
        let read = |text: &str| naming::parse_label(&policy, text).unwrap();
        let of = |texts: &[&str]| {
            let parts: Vec<Label> = texts.iter().map(|text| read(text)).collect();
            banner(&policy, &parts, at)
        };
        assert_eq!(of(&[]), Err(NoBanner::Nothing));
        let nobody = of(&[
            "SECRET; Releasable To: ALDER",
            "SECRET; Releasable To: BIRCH",
        ]);
        assert_eq!(nobody, Err(NoBanner::Nobody("Releasable To".to_owned())));
        let together = of(&["SECRET; Codeword: BEACON", "SECRET; Releasable To: CEDAR"]);
        assert!(matches!(together, Err(NoBanner::NotValid(_))));
        let foreign = Label::new(super::super::ObjectIdentifier::new_unwrap("1.1"), 4);
        let mixed = banner(&policy, &[read("SECRET"), foreign], at);
        assert!(matches!(mixed, Err(NoBanner::OtherPolicy(_))));
        assert!(of(&["SECRET", "SECRET"]).unwrap().disagreements.is_empty());
    }
}
