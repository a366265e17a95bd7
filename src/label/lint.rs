//! Duty: what is wrong or odd in a policy beyond what loading refuses, each with a label that shows it.
//! Promises: a finding is what the decision functions really do (the search asks them); "can never be
//! valid" and "nobody can read" are exact within a stated bound, and a bound that was reached is a
//! finding of its own.
//! Refuses: nothing; the policy is not changed.
//! Standards: standards/labels.md sections 5 to 9.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

pub use super::lint_clearances::lint_with;
pub use super::lint_pair::lint_pair;
use super::marking::{Location, marking};
use super::policy::{CategoryId, ClassId, Policy, PolicyCategory};
use super::search::{self, Answer, Labels, TRIES, Wanted};
use super::validity::{self, Mode, category_value, class_value};
use super::value::{Kind, Label};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy says something that cannot be meant.
    Error,
    /// Probably not meant, or dangerous for people.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word for text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable identifier, such as `category.never-valid`.
    pub id: &'static str,
    /// How grave.
    pub severity: Severity,
    /// What was found, for the officer who keeps the policy.
    pub text: String,
    /// The element of the policy: `file:line <element name="...">`.
    pub element: String,
    /// The label that shows it, as people see it.
    pub counterexample: Option<String>,
    /// The same label as a value.
    pub label: Option<Label>,
}

impl Finding {
    pub(super) fn new(
        id: &'static str,
        severity: Severity,
        element: String,
        text: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity,
            text: text.into(),
            element,
            counterexample: None,
            label: None,
        }
    }

    pub(super) fn shown_by(mut self, policy: &Policy, label: Option<Label>) -> Self {
        self.counterexample = label
            .as_ref()
            .map(|label| marking(policy, label, Location::PageBottom, None));
        self.label = label;
        self
    }
}

/// Examines one policy by itself. Findings come grave ones first.
pub fn lint(policy: &Policy) -> Vec<Finding> {
    let mut work = Work::new(policy);
    work.classifications();
    work.categories();
    work.order();
    work.shared_groups();
    work.codes();
    work.syntaxes();
    work.equivalences();
    work.collisions();
    sorted(work.found)
}

pub(super) fn sorted(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| finding.severity);
    found
}

/// The finding that says that a search reached its bound.
pub(super) fn cut_short(element: String, text: String) -> Finding {
    Finding::new("search.cut-short", Severity::Note, element, text)
}

/// The text for a question that was not answered within the bound.
pub(super) fn undecided(what: &str) -> String {
    format!("whether {what} was not decided within {TRIES} tries for each classification")
}

struct Work<'a> {
    policy: &'a Policy,
    moments: Vec<Timestamp>,
    found: Vec<Finding>,
}

impl<'a> Work<'a> {
    fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            moments: search::moments(&[policy]),
            found: Vec::new(),
        }
    }

    fn find(&self, class: Option<ClassId>, categories: &[CategoryId]) -> Answer {
        let wanted = Wanted {
            class,
            categories,
            reader: None,
        };
        search::find(self.policy, wanted, &self.moments)
    }

    fn classifications(&mut self) {
        let policy = self.policy;
        for (at, class) in policy.classes.iter().enumerate() {
            let id = ClassId(at);
            let element = policy.class_element(class);
            match self.find(Some(id), &[]) {
                Answer::Found(..) => {}
                Answer::Unknown => {
                    let text = undecided(&format!("{} can be valid", class.name));
                    self.found.push(cut_short(element, text));
                }
                Answer::Never => {
                    let label = search::label_of(policy, id, []);
                    let text = format!(
                        "no label of {} is valid: {}",
                        class_value(class),
                        self.why(&label)
                    );
                    let finding =
                        Finding::new("classification.never-valid", Severity::Error, element, text);
                    self.found.push(finding.shown_by(policy, Some(label)));
                }
            }
        }
    }

    fn categories(&mut self) {
        let policy = self.policy;
        for id in search::carried(policy) {
            let Some(category) = policy.category(id) else {
                continue;
            };
            let element = policy.category_element(category);
            match self.find(None, &[id]) {
                Answer::Found(..) => {}
                Answer::Unknown => {
                    let text = undecided(&format!("{} can be valid", category.name));
                    self.found.push(cut_short(element, text));
                }
                Answer::Never => {
                    let label = self.least_broken(id);
                    let text = format!(
                        "no label with {} is valid: {}",
                        category_value(policy, category),
                        self.why(&label)
                    );
                    let finding =
                        Finding::new("category.never-valid", Severity::Error, element, text);
                    self.found.push(finding.shown_by(policy, Some(label)));
                }
            }
        }
    }

    /// The label with this category of the classification that breaks the fewest rules.
    fn least_broken(&self, id: CategoryId) -> Label {
        let classes = (0..self.policy.classes.len()).map(ClassId);
        let labels = classes.map(|class| search::label_of(self.policy, class, [id]));
        labels
            .min_by_key(|label| self.problems(label).len())
            .unwrap_or_default()
    }

    fn problems(&self, label: &Label) -> Vec<super::reason::Reason> {
        let each = self
            .moments
            .iter()
            .map(|at| validity::check(self.policy, label, *at, Mode::Reception));
        each.min_by_key(Vec::len).unwrap_or_default()
    }

    fn why(&self, label: &Label) -> String {
        let problems = self.problems(label);
        let texts: Vec<String> = problems.into_iter().map(|problem| problem.text).collect();
        texts.join("; ")
    }

    /// Classifications whose numbers run against their order.
    fn order(&mut self) {
        let policy = self.policy;
        let mut classes: Vec<_> = policy.classes.iter().enumerate().collect();
        classes.sort_by_key(|(_, class)| class.hierarchy);
        let mut highest = None;
        for (at, class) in classes {
            match highest {
                Some((value, name)) if class.value < value => {
                    let text = format!(
                        "{} stands above {name} by hierarchy, but its lacv {} is below {value}: \
                         software that compares numbers takes it for the lower one",
                        class.name, class.value
                    );
                    let element = policy.class_element(class);
                    let label = self.find(Some(ClassId(at)), &[]).label();
                    let finding =
                        Finding::new("hierarchy.inverted", Severity::Warning, element, text);
                    self.found.push(finding.shown_by(policy, label));
                }
                _ => highest = Some((class.value, class.name.as_str())),
            }
        }
    }

    /// The one set of values on the wire is several groups here; other software sees one.
    fn shared_groups(&mut self) {
        let policy = self.policy;
        let mut first_of: HashMap<(usize, Kind), usize> = HashMap::new();
        for (at, tag) in policy.tags.iter().enumerate() {
            let Some(kind) = tag.kind.filter(|kind| kind.is_permissive()) else {
                continue;
            };
            let Some(first) = first_of.get(&(tag.set, kind)).copied() else {
                first_of.insert((tag.set, kind), at);
                continue;
            };
            let of_tag = |tag: usize| {
                search::carried(policy)
                    .filter(move |id| policy.category(*id).is_some_and(|one| one.tag.0 == tag))
            };
            let pairs = of_tag(first).flat_map(|one| of_tag(at).map(move |two| [one, two]));
            let label = pairs
                .take(TRIES)
                .find_map(|pair| self.find(None, &pair).label());
            let text = format!(
                "the tag set has a second {kind} tag: a reader needs one value of each tag that the \
                 label uses, but software that judges by tag set is content with one of both"
            );
            let element = policy.tag_element(tag);
            let finding = Finding::new("tag.permissive-twice", Severity::Warning, element, text);
            self.found.push(finding.shown_by(policy, label));
        }
    }

    /// Codes and names that mean two things within one tag set.
    fn codes(&mut self) {
        let policy = self.policy;
        let mut values: BTreeMap<(usize, u128), &PolicyCategory> = BTreeMap::new();
        let mut names: BTreeMap<(usize, String), &PolicyCategory> = BTreeMap::new();
        let mut enumerated: BTreeMap<usize, Kind> = BTreeMap::new();
        for id in search::carried(policy) {
            let Some(category) = policy.category(id) else {
                continue;
            };
            let Some(tag) = policy.tag(category.tag) else {
                continue;
            };
            let (Some(kind), Some(value)) = (tag.kind, category.value) else {
                continue;
            };
            let mut say = |id_of_finding, text: String| {
                let label = self.find(None, &[id]).label();
                let element = policy.category_element(category);
                let finding = Finding::new(id_of_finding, Severity::Warning, element, text);
                self.found.push(finding.shown_by(policy, label));
            };
            if let Some(other) = values.insert((tag.set, value), category) {
                let text = format!(
                    "{} and {} have one code in one tag set; only the kind tells them apart",
                    category_value(policy, other),
                    category_value(policy, category)
                );
                say("code.duplicate", text);
            }
            let name = (tag.set, category.name.to_ascii_lowercase());
            if let Some(other) = names.insert(name, category) {
                let text = format!(
                    "{} and {} have one name in one tag set; a label written in names cannot say \
                     which is meant",
                    category_value(policy, other),
                    category_value(policy, category)
                );
                say("name.ambiguous", text);
            }
            let is_enumerated = matches!(
                kind,
                Kind::EnumeratedRestrictive | Kind::EnumeratedPermissive
            );
            // SDN.801: the enumerated tag does not say on the wire which of the two it is.
            if is_enumerated && *enumerated.entry(tag.set).or_insert(kind) != kind {
                let text = format!(
                    "the tag set of {} has enumerated tags of both kinds; a MISSI label cannot tell \
                     them apart",
                    category_value(policy, category)
                );
                enumerated.insert(tag.set, kind);
                say("code.enumerated-both", text);
            }
        }
    }

    /// Identifiers of category syntaxes that mean none: labels are then read as ACP 145.
    fn syntaxes(&mut self) {
        let policy = self.policy;
        let named = [
            ("rbacId", policy.label_syntax),
            ("privilegeId", policy.clearance_syntax),
        ];
        for (name, syntax) in named {
            if syntax.is_some() {
                continue;
            }
            let text = format!(
                "{name} names no category syntax that is known; ACP 145 (2.16.840.1.101.2.1.8.3) is taken"
            );
            let element = policy.own_element();
            let label = self.find(None, &[]).label();
            let finding = Finding::new("syntax.unknown", Severity::Warning, element, text);
            self.found.push(finding.shown_by(policy, label));
        }
    }

    /// References that lead nowhere although each name resolves.
    fn equivalences(&mut self) {
        let policy = self.policy;
        for other in &policy.equivalents {
            let mut classes = policy.classes.iter().flat_map(|class| &class.equivalents);
            if classes.any(|entry| entry.policy == other.oid) {
                continue;
            }
            let text = format!(
                "no classification has an equivalent in {}: nothing can be translated",
                other.name
            );
            let element = policy.own_element();
            let label = self.find(None, &[]).label();
            let id = "equivalence.no-classification";
            let finding = Finding::new(id, Severity::Error, element, text);
            self.found.push(finding.shown_by(policy, label));
        }
    }

    /// Two labels with different readers that look alike at the top and the bottom of a page.
    fn collisions(&mut self) {
        let policy = self.policy;
        let all = search::labels(policy, &self.moments);
        let mut banners: HashMap<[String; 2], Vec<&Label>> = HashMap::new();
        let mut reported = BTreeSet::new();
        for (label, _) in &all.labels {
            let banner = [Location::PageTop, Location::PageBottom]
                .map(|location| marking(policy, label, location, None));
            let alike = banners.entry(banner).or_default();
            if alike.iter().any(|other| same_access(other, label)) {
                continue;
            }
            if let Some(other) = alike.first() {
                let (one, two) = (
                    search::categories_of(policy, other),
                    search::categories_of(policy, label),
                );
                let difference: Vec<CategoryId> = one.symmetric_difference(&two).copied().collect();
                let classes = (other.classification != label.classification)
                    .then_some((other.classification, label.classification));
                // A pair that differs in the same way, with more values around it, is no news.
                if reported.insert((classes, difference.clone())) {
                    self.collision(other, label, &difference);
                }
            }
            alike.push(label);
        }
        if let Some(values) = all.cut_after {
            let text = format!("marking collisions: {}", Labels::bound(values));
            self.found.push(cut_short(policy.own_element(), text));
        }
    }

    fn collision(&mut self, one: &Label, two: &Label, difference: &[CategoryId]) {
        let policy = self.policy;
        let text = format!(
            "the labels \"{}\" and \"{}\" have different readers and the same marking",
            super::naming::write_label(policy, one),
            super::naming::write_label(policy, two)
        );
        let class = two.classification.and_then(|value| policy.class_id(value));
        let element = match difference.first().and_then(|id| policy.category(*id)) {
            Some(category) => policy.category_element(category),
            None => class
                .and_then(|id| policy.class(id))
                .map_or_else(|| policy.own_element(), |class| policy.class_element(class)),
        };
        let finding = Finding::new("marking.collision", Severity::Warning, element, text);
        self.found.push(finding.shown_by(policy, Some(two.clone())));
    }
}

/// True when the labels differ at most in what has no influence on access.
fn same_access(one: &Label, two: &Label) -> bool {
    let relevant = |label: &Label| {
        let entries = label.categories.iter();
        entries
            .filter(|entry| !entry.kind.is_informative())
            .cloned()
            .collect::<Vec<_>>()
    };
    one.classification == two.classification && relevant(one) == relevant(two)
}
