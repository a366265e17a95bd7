//! Duty: what changes between two versions of a policy: labels that become valid or invalid, and labels
//! that other people may read.
//! Promises: both versions are asked with [`validity`] and [`authorize`]; all labels of either version up
//! to a stated bound are tried, smallest first; a larger label that only repeats a smaller one's change
//! is not listed; a bound that was reached is the last entry.
//! Standards: standards/labels.md sections 6 and 7.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;

use super::access::authorize;
use super::marking::{Location, marking};
use super::naming;
use super::policy::Policy;
use super::search::{self, Labels};
use super::validity::{self, Mode};
use super::value::{Clearance, Label};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `diff.becomes-invalid`, `diff.becomes-valid`, `diff.decision`, `diff.policy` or `diff.cut-short`.
    pub id: &'static str,
    /// What changes, and for whom.
    pub text: String,
    /// The label, as people see it under the policy that knows it.
    pub counterexample: Option<String>,
    /// The label as a value, with the identifier of the first policy.
    pub label: Option<Label>,
    /// The clearances that may read it under the second policy only.
    pub gains: Vec<String>,
    /// The clearances that may read it under the first policy only.
    pub loses: Vec<String>,
}

/// Compares two policies at a time. The identifiers of the policies may differ; labels and clearances of
/// either are then taken for both.
pub fn diff(
    a: &Policy,
    b: &Policy,
    clearances: &[(String, Clearance)],
    at: Timestamp,
) -> Vec<Change> {
    let mut changes = Vec::new();
    if a.oid != b.oid {
        let text = format!(
            "the policy {} is {}, the policy {} is {}: no label of one is a label of the other; \
             compared by values",
            a.name, a.oid, b.name, b.oid
        );
        changes.push(Change::new("diff.policy", text));
    }
    let (of_a, of_b) = (search::labels(a, &[at]), search::labels(b, &[at]));
    let mut labels: Vec<Label> = Vec::new();
    let mut seen = HashSet::new();
    for (label, _) in of_a.labels.into_iter().chain(of_b.labels) {
        let label = under(a, &label);
        if seen.insert(label.clone()) {
            labels.push(label);
        }
    }
    labels.sort_by_key(size);
    let mut listed: Vec<Change> = Vec::new();
    for label in &labels {
        if let Some(change) = compare(a, b, label, clearances, at)
            && !listed.iter().any(|smaller| smaller.explains(&change))
        {
            listed.push(change);
        }
    }
    changes.append(&mut listed);
    if let Some(values) = of_a.cut_after.into_iter().chain(of_b.cut_after).min() {
        changes.push(Change::new("diff.cut-short", Labels::bound(values)));
    }
    changes
}

impl Change {
    fn new(id: &'static str, text: String) -> Self {
        Self {
            id,
            text,
            counterexample: None,
            label: None,
            gains: Vec::new(),
            loses: Vec::new(),
        }
    }

    /// True when the other change is the same one in a label with more values.
    fn explains(&self, other: &Change) -> bool {
        let within = |few: &[String], many: &[String]| few.iter().all(|name| many.contains(name));
        let (Some(small), Some(large)) = (&self.label, &other.label) else {
            return false;
        };
        self.id == other.id
            && small.classification == large.classification
            && values(small).is_subset(&values(large))
            && within(&other.gains, &self.gains)
            && within(&other.loses, &self.loses)
    }
}

fn compare(
    a: &Policy,
    b: &Policy,
    label: &Label,
    clearances: &[(String, Clearance)],
    at: Timestamp,
) -> Option<Change> {
    let (in_a, in_b) = (under(a, label), under(b, label));
    let problems = |policy, label| validity::check(policy, label, at, Mode::Reception);
    let (before, after) = (problems(a, &in_a), problems(b, &in_b));
    let (mut gains, mut loses) = (Vec::new(), Vec::new());
    for (name, clearance) in clearances {
        let reads = |policy: &Policy, label: &Label| {
            let mut clearance = clearance.clone();
            if clearance.policy == a.oid || clearance.policy == b.oid {
                clearance.policy = policy.oid;
            }
            authorize(policy, label, &clearance, at).permit
        };
        match (reads(a, &in_a), reads(b, &in_b)) {
            (false, true) => gains.push(name.clone()),
            (true, false) => loses.push(name.clone()),
            _ => {}
        }
    }
    let (id, mut text) = match (before.is_empty(), after.is_empty()) {
        (true, false) => ("diff.becomes-invalid", "no longer valid".to_owned()),
        (false, true) => ("diff.becomes-valid", "valid now".to_owned()),
        _ if gains.is_empty() && loses.is_empty() => return None,
        _ => ("diff.decision", "another decision".to_owned()),
    };
    let broken: Vec<&str> = before
        .iter()
        .chain(&after)
        .map(|reason| reason.text.as_str())
        .collect();
    if !broken.is_empty() {
        text.push_str(&format!(" ({})", broken.join("; ")));
    }
    for (word, names) in [
        ("may read it now", &gains),
        ("may not read it any more", &loses),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("; {word}: {}", names.join(", ")));
        }
    }
    let (policy, known) = if before.is_empty() {
        (a, &in_a)
    } else {
        (b, &in_b)
    };
    Some(Change {
        text: format!("{}: {text}", naming::write_label(policy, known)),
        counterexample: Some(marking(policy, known, Location::PageBottom, None)),
        label: Some(label.clone()),
        gains,
        loses,
        ..Change::new(id, String::new())
    })
}

fn under(policy: &Policy, label: &Label) -> Label {
    Label {
        policy: Some(policy.oid),
        ..label.clone()
    }
}

fn size(label: &Label) -> usize {
    label
        .categories
        .iter()
        .map(|entry| entry.values.len())
        .sum()
}

fn values(label: &Label) -> BTreeSet<(const_oid::ObjectIdentifier, super::Kind, u128)> {
    let entries = label.categories.iter();
    entries
        .flat_map(|entry| {
            let each = entry.values.iter();
            each.map(|value| (entry.tag_set, entry.kind, *value))
        })
        .collect()
}
