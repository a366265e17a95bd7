//! Duty: what a policy and a set of clearances say together: labels that nobody reads, clearances that
//! read nothing.
//! Promises: whether some reader exists is an exact search that asks `authorize`; combinations of values
//! are examined smallest first up to a stated bound.
//! Standards: standards/labels.md sections 6 and 7 ("a label nobody can read is legal").

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::access::authorize;
use super::lint::{Finding, Severity, cut_short, lint, sorted, undecided};
use super::policy::{CategoryId, ClassId, Policy};
use super::search::{self, Answer, Labels, Wanted};
use super::validity::{category_value, class_value};
use super::value::{Clearance, Label};

/// Combinations that are listed before the list is cut.
const LISTED: usize = 24;

/// As [`lint`], and what the named clearances can and cannot read.
pub fn lint_with(policy: &Policy, clearances: &[(String, Clearance)]) -> Vec<Finding> {
    let mut found = lint(policy);
    // Without a clearance nobody reads anything, which is no finding about the policy.
    if clearances.is_empty() {
        return found;
    }
    let mut work = Work {
        policy,
        moments: search::moments(&[policy]),
        readers: Vec::new(),
        found: Vec::new(),
    };
    for (name, clearance) in clearances {
        work.clearance(name, clearance);
    }
    work.classifications();
    work.categories();
    work.combinations();
    found.append(&mut work.found);
    sorted(found)
}

struct Work<'a> {
    policy: &'a Policy,
    moments: Vec<Timestamp>,
    /// The clearances of this policy.
    readers: Vec<&'a Clearance>,
    found: Vec<Finding>,
}

/// Whether anybody reads.
enum Readers {
    Some,
    None(Label),
    /// No such label is valid: nothing to read.
    NoLabel,
    Unknown,
}

impl<'a> Work<'a> {
    fn clearance(&mut self, name: &str, clearance: &'a Clearance) {
        let policy = self.policy;
        let own = policy.own_element();
        if clearance.policy != policy.oid {
            let text = format!(
                "the clearance {name} is of the policy {}, so it reads nothing of {}",
                clearance.policy, policy.name
            );
            let id = "clearance.other-policy";
            let finding = Finding::new(id, Severity::Warning, own, text);
            let label = self.any(Wanted::default()).label();
            self.found.push(finding.shown_by(policy, label));
            return;
        }
        self.readers.push(clearance);
        for unknown in unknown_values(policy, clearance) {
            let text =
                format!("the clearance {name} has {unknown}, which the policy does not know");
            let id = "clearance.unknown-value";
            self.found
                .push(Finding::new(id, Severity::Warning, own.clone(), text));
        }
        let wanted = Wanted {
            reader: Some(clearance),
            ..Wanted::default()
        };
        match self.any(wanted) {
            Answer::Found(..) => {}
            Answer::Unknown => {
                let text = undecided(&format!("the clearance {name} reads anything"));
                self.found.push(cut_short(own, text));
            }
            Answer::Never => {
                let text = format!("the clearance {name} reads no valid label at all");
                let id = "clearance.reads-nothing";
                let finding = Finding::new(id, Severity::Warning, own, text);
                let label = self.any(Wanted::default()).label();
                self.found.push(finding.shown_by(policy, label));
            }
        }
    }

    fn any(&self, wanted: Wanted<'_>) -> Answer {
        search::find(self.policy, wanted, &self.moments)
    }

    fn readers(&self, class: Option<ClassId>, categories: &[CategoryId]) -> Readers {
        let wanted = |reader| Wanted {
            class,
            categories,
            reader,
        };
        let mut unknown = false;
        for reader in &self.readers {
            match self.any(wanted(Some(reader))) {
                Answer::Found(..) => return Readers::Some,
                Answer::Never => {}
                Answer::Unknown => unknown = true,
            }
        }
        match self.any(wanted(None)) {
            Answer::Never => Readers::NoLabel,
            Answer::Found(label, _) if !unknown => Readers::None(label),
            Answer::Found(..) | Answer::Unknown => Readers::Unknown,
        }
    }

    fn say(&mut self, id: &'static str, readers: Readers, element: String, shown: &str) {
        match readers {
            Readers::Some | Readers::NoLabel => {}
            Readers::Unknown => {
                let text = undecided(&format!("anybody reads {shown}"));
                self.found.push(cut_short(element, text));
            }
            Readers::None(label) => {
                let text = format!("none of the clearances reads any label with {shown}");
                let finding = Finding::new(id, Severity::Warning, element, text);
                self.found.push(finding.shown_by(self.policy, Some(label)));
            }
        }
    }

    fn classifications(&mut self) {
        let policy = self.policy;
        for (at, class) in policy.classes.iter().enumerate() {
            let readers = self.readers(Some(ClassId(at)), &[]);
            let (element, shown) = (policy.class_element(class), class_value(class));
            self.say("classification.unread", readers, element, &shown);
        }
    }

    fn categories(&mut self) {
        let policy = self.policy;
        for id in search::carried(policy) {
            let Some(category) = policy.category(id) else {
                continue;
            };
            let readers = self.readers(None, &[id]);
            let element = policy.category_element(category);
            let shown = category_value(policy, category);
            self.say("category.unread", readers, element, &shown);
        }
    }

    /// Labels that nobody reads although each value in them has readers.
    fn combinations(&mut self) {
        let policy = self.policy;
        let unread: Vec<&Label> = self
            .found
            .iter()
            .filter(|finding| finding.id == "classification.unread")
            .filter_map(|finding| finding.label.as_ref())
            .collect();
        let classes: BTreeSet<Option<u64>> =
            unread.iter().map(|label| label.classification).collect();
        let mut parts: Vec<BTreeSet<CategoryId>> = search::carried(policy)
            .filter(|id| matches!(self.readers(None, &[*id]), Readers::None(_)))
            .map(|id| BTreeSet::from([id]))
            .collect();
        let all = search::labels(policy, &self.moments);
        let mut combinations: BTreeMap<BTreeSet<CategoryId>, (usize, Label)> = BTreeMap::new();
        for (label, at) in &all.labels {
            let set = search::categories_of(policy, label);
            let read = |reader: &&Clearance| authorize(policy, label, reader, *at).permit;
            if classes.contains(&label.classification) || self.readers.iter().any(read) {
                continue;
            }
            if let Some((more, _)) = combinations.get_mut(&set) {
                *more = more.saturating_add(1);
            } else if !parts.iter().any(|part| part.is_subset(&set)) {
                parts.push(set.clone());
                combinations.insert(set, (0, label.clone()));
            }
        }
        let count = combinations.len();
        let mut combinations: Vec<_> = combinations.into_iter().collect();
        combinations.sort_by_key(|(set, _)| set.len());
        for (set, (more, label)) in combinations.into_iter().take(LISTED) {
            let first = set.first().and_then(|id| policy.category(*id));
            let element = first.map_or_else(
                || policy.own_element(),
                |category| policy.category_element(category),
            );
            let mut text = format!(
                "none of the clearances reads \"{}\"",
                super::naming::write_label(policy, &label)
            );
            if more > 0 {
                text.push_str(&format!(", nor with {more} other classifications"));
            }
            let finding = Finding::new("combination.unread", Severity::Note, element, text);
            self.found.push(finding.shown_by(policy, Some(label)));
        }
        if count > LISTED {
            let text = format!("{count} combinations have no reader; {LISTED} of them are listed");
            self.found.push(cut_short(policy.own_element(), text));
        }
        if let Some(values) = all.cut_after {
            let text = format!("combinations without a reader: {}", Labels::bound(values));
            self.found.push(cut_short(policy.own_element(), text));
        }
    }
}

fn unknown_values(policy: &Policy, clearance: &Clearance) -> Vec<String> {
    let classes = clearance.classifications.iter();
    let mut unknown: Vec<String> = classes
        .filter(|value| policy.class_id(**value).is_none())
        .map(|value| format!("the classification {value}"))
        .collect();
    for entry in &clearance.categories {
        for value in &entry.values {
            if policy
                .category_id(&entry.tag_set, entry.kind, *value)
                .is_none()
            {
                unknown.push(format!(
                    "the category {} {} {value}",
                    entry.tag_set, entry.kind
                ));
            }
        }
    }
    unknown
}
