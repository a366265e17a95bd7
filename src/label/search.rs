//! Duty: finds labels of a policy: one that must have given values and be valid (or readable by a
//! clearance), and all labels in order of size.
//! Promises: the rules are asked of [`validity`] and [`authorize`] themselves, so that an answer here is
//! what the switch will do; "never" is said only after an exact search; a search that reaches its bound
//! says so.
//! Standards: standards/labels.md sections 6, 7 and 15.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;

use super::access::authorize;
use super::policy::{CategoryId, ClassId, Operation, Policy, Requirement};
use super::validity::{self, Mode};
use super::value::{Clearance, Kind, Label};

/// Sets of values that one question may try before it gives up.
pub(super) const TRIES: usize = 4_096;
/// Sets of values that an enumeration may try.
pub(super) const SETS: usize = 20_000;

/// The answer to "is there such a label?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This one, at this time.
    Found(Label, Timestamp),
    /// None, and every possibility was excluded.
    Never,
    /// None within the bound.
    Unknown,
}

impl Answer {
    pub(super) fn label(self) -> Option<Label> {
        match self {
            Answer::Found(label, _) => Some(label),
            Answer::Never | Answer::Unknown => None,
        }
    }
}

/// Times such that a label that is ever valid is valid at one of them.
///
/// Closed intervals have a common point only if the latest of their starts is one; without any start,
/// the earliest of all ends is.
pub(super) fn moments(policies: &[&Policy]) -> Vec<Timestamp> {
    let of_policy = |policy: &&Policy| {
        let categories = policy.categories.iter().map(|category| category.window);
        std::iter::once(policy.window)
            .chain(categories)
            .collect::<Vec<_>>()
    };
    let windows: Vec<_> = policies.iter().flat_map(of_policy).collect();
    let mut times: BTreeSet<Timestamp> = windows
        .iter()
        .filter_map(|window| window.not_before)
        .collect();
    let first_end = windows.iter().filter_map(|window| window.not_after).min();
    times.insert(first_end.unwrap_or(Timestamp::UNIX_EPOCH));
    times.into_iter().collect()
}

/// What a label must have.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// This classification; any when `None`.
    pub(super) class: Option<ClassId>,
    /// These categories, and whatever the policy then demands.
    pub(super) categories: &'a [CategoryId],
    /// A reader who may see it.
    pub(super) reader: Option<&'a Clearance>,
}

/// Finds a small label that has what is wanted and that the policy allows.
pub(super) fn find(policy: &Policy, wanted: Wanted<'_>, moments: &[Timestamp]) -> Answer {
    let mut answer = Answer::Never;
    for class in (0..policy.classes.len()).map(ClassId) {
        if wanted.class.is_some_and(|only| only != class) {
            continue;
        }
        for at in moments {
            let place = Standpoint {
                policy,
                class,
                reader: wanted.reader,
                at: *at,
            };
            match place.complete(wanted.categories) {
                Answer::Never => {}
                Answer::Unknown => answer = Answer::Unknown,
                found @ Answer::Found(..) => return found,
            }
        }
    }
    answer
}

/// The categories that a label can carry in binary form.
pub(super) fn carried(policy: &Policy) -> impl Iterator<Item = CategoryId> {
    (0..policy.categories.len())
        .map(CategoryId)
        .filter(|id| wire(policy, *id).is_some())
}

/// The label of this classification with these categories.
pub(super) fn label_of(
    policy: &Policy,
    class: ClassId,
    categories: impl IntoIterator<Item = CategoryId>,
) -> Label {
    let mut label = Label {
        policy: Some(policy.oid),
        classification: policy.class(class).map(|class| class.value),
        ..Label::default()
    };
    for (tag_set, kind, value) in categories.into_iter().filter_map(|id| wire(policy, id)) {
        label.categories.insert(tag_set, kind, value);
    }
    label
}

/// The policy's own numbers of the label's categories.
pub(super) fn categories_of(policy: &Policy, label: &Label) -> BTreeSet<CategoryId> {
    let values = label.categories.iter().flat_map(|entry| {
        let known = |value: &u128| policy.category_id(&entry.tag_set, entry.kind, *value);
        entry.values.iter().filter_map(known)
    });
    values.collect()
}

/// All labels up to the bound.
pub(super) struct Labels {
    /// Valid labels with a time when they are, those with few values first.
    pub(super) labels: Vec<(Label, Timestamp)>,
    /// The number of values up to which nothing was left out, when the bound cut the search short.
    pub(super) cut_after: Option<usize>,
}

impl Labels {
    /// What the bound means, in words.
    pub(super) fn bound(values: usize) -> String {
        format!(
            "the search was cut short after {SETS} sets of values: every label with at most {values} \
             chosen values was examined, and of larger ones only some"
        )
    }
}

/// Every valid label of the policy, level by level; each set of values that is not valid by itself is
/// completed with what the policy demands.
pub(super) fn labels(policy: &Policy, moments: &[Timestamp]) -> Labels {
    let mut found = Labels {
        labels: Vec::new(),
        cut_after: None,
    };
    let all: Vec<CategoryId> = carried(policy).collect();
    let mut seen = HashSet::new();
    let mut tried = 0usize;
    let mut level: Vec<(ClassId, Vec<CategoryId>)> = (0..policy.classes.len())
        .map(|class| (ClassId(class), Vec::new()))
        .collect();
    let mut size = 0usize;
    'levels: while !level.is_empty() {
        let mut next = Vec::new();
        for (class, set) in level {
            tried = tried.saturating_add(1);
            if tried > SETS {
                found.cut_after = Some(size.saturating_sub(1));
                break 'levels;
            }
            let mut hopeful = false;
            for at in moments {
                let place = Standpoint {
                    policy,
                    class,
                    reader: None,
                    at: *at,
                };
                let chosen = set.iter().copied().collect();
                if matches!(place.standing(&chosen, &BTreeSet::new()), Standing::Dead) {
                    continue;
                }
                hopeful = true;
                if let Answer::Found(label, at) = place.complete(&set)
                    && seen.insert(label.clone())
                {
                    found.labels.push((label, at));
                }
            }
            // What cannot be mended by adding values stays broken with more of them.
            if hopeful {
                let larger = all
                    .iter()
                    .filter(|id| set.last().is_none_or(|last| last < id));
                // The next level is never larger than what may be tried, and one more to see the cut.
                let room = SETS.saturating_add(1).saturating_sub(next.len());
                next.extend(larger.take(room).map(|id| {
                    let mut set = set.clone();
                    set.push(*id);
                    (class, set)
                }));
            }
        }
        level = next;
        size = size.saturating_add(1);
    }
    let count = |label: &Label| {
        label
            .categories
            .iter()
            .map(|entry| entry.values.len())
            .sum()
    };
    found
        .labels
        .sort_by_key(|(label, _)| -> usize { count(label) });
    found
}

fn wire(policy: &Policy, id: CategoryId) -> Option<(const_oid::ObjectIdentifier, Kind, u128)> {
    let category = policy.category(id)?;
    let tag = policy.tag(category.tag)?;
    let set = policy.tag_sets.get(tag.set)?;
    Some((set.oid, tag.kind?, category.value?))
}

/// One classification at one time, perhaps for one reader.
struct Standpoint<'a> {
    policy: &'a Policy,
    class: ClassId,
    reader: Option<&'a Clearance>,
    at: Timestamp,
}

/// How a set of categories stands to the rules.
enum Standing {
    /// All rules hold.
    Holds,
    /// A rule asks for one of these.
    Lacks(Vec<CategoryId>),
    /// No added value can mend it.
    Dead,
}

impl Standpoint<'_> {
    /// Exact: each rule that asks for more is met by one of its values, and a branch may not take the
    /// values that an earlier branch tried.
    fn complete(&self, categories: &[CategoryId]) -> Answer {
        let first: BTreeSet<CategoryId> = categories.iter().copied().collect();
        let mut open = vec![(first, BTreeSet::new())];
        let mut tries = 0usize;
        while let Some((set, barred)) = open.pop() {
            tries = tries.saturating_add(1);
            if tries > TRIES {
                return Answer::Unknown;
            }
            match self.standing(&set, &barred) {
                Standing::Holds => {
                    return Answer::Found(label_of(self.policy, self.class, set), self.at);
                }
                Standing::Dead => {}
                Standing::Lacks(options) => {
                    let mut barred = barred;
                    let mut branches = Vec::new();
                    for option in options {
                        let mut set = set.clone();
                        set.insert(option);
                        branches.push((set, barred.clone()));
                        barred.insert(option);
                    }
                    // The first value in the policy's order is tried first.
                    open.extend(branches.into_iter().rev());
                }
            }
        }
        Answer::Never
    }

    fn standing(&self, set: &BTreeSet<CategoryId>, barred: &BTreeSet<CategoryId>) -> Standing {
        let label = label_of(self.policy, self.class, set.iter().copied());
        let reasons = match self.reader {
            None => validity::check(self.policy, &label, self.at, Mode::Reception),
            Some(reader) => {
                let access = authorize(self.policy, &label, reader, self.at);
                if access.permit {
                    return Standing::Holds;
                }
                access.reasons
            }
        };
        if reasons.is_empty() {
            return Standing::Holds;
        }
        let mendable = [
            "label.category-required",
            "label.too-few-values",
            "access.permissive",
        ];
        if reasons.iter().any(|reason| !mendable.contains(&reason.id)) {
            return Standing::Dead;
        }
        let Some(mut options) = self.lacking(set) else {
            return Standing::Dead;
        };
        options.retain(|id| !set.contains(id) && !barred.contains(id));
        options.retain(|id| wire(self.policy, *id).is_some());
        if options.is_empty() {
            return Standing::Dead;
        }
        Standing::Lacks(options)
    }

    /// The values of which the first broken rule wants one more.
    fn lacking(&self, set: &BTreeSet<CategoryId>) -> Option<Vec<CategoryId>> {
        let of_class = self.policy.class(self.class)?.required.iter();
        let present = || set.iter().filter_map(|id| self.policy.category(*id));
        let of_categories = present().flat_map(|category| &category.required);
        if let Some(broken) = of_class.chain(of_categories).find(|rule| !holds(rule, set)) {
            return wanted_by(broken, set);
        }
        let members = |tag: super::policy::TagId| {
            carried(self.policy)
                .filter(move |id| self.policy.category(*id).is_some_and(|one| one.tag == tag))
        };
        let always = self.policy.options.minimum_always;
        let unused = (0..self.policy.tags.len()).map(super::policy::TagId);
        let used = present().map(|category| category.tag);
        for tag in used.chain(unused.filter(|_| always)) {
            let found = self.policy.tag(tag)?;
            let count = members(tag).filter(|id| set.contains(id)).count();
            if u64::try_from(count).is_ok_and(|count| count < found.minimum) {
                return Some(members(tag).collect());
            }
            let held = |id: &CategoryId| {
                let value = wire(self.policy, *id);
                value.is_some_and(|(tag_set, kind, value)| {
                    let holds =
                        |reader: &Clearance| reader.categories.contains(&tag_set, kind, value);
                    self.reader.is_some_and(holds)
                })
            };
            let group = self.reader.is_some() && found.kind.is_some_and(Kind::is_permissive);
            let asked = members(tag).any(|id| set.contains(&id));
            if group && asked && !members(tag).any(|id| set.contains(&id) && held(&id)) {
                return Some(members(tag).filter(held).collect());
            }
        }
        None
    }
}

fn matching(rule: &Requirement, set: &BTreeSet<CategoryId>) -> usize {
    let present = |group: &&super::policy::Group| !group.members.is_disjoint(set);
    rule.groups.iter().filter(present).count()
}

fn holds(rule: &Requirement, set: &BTreeSet<CategoryId>) -> bool {
    rule.operation.holds(matching(rule, set), rule.groups.len())
}

/// `None` when no value can mend the rule.
fn wanted_by(rule: &Requirement, set: &BTreeSet<CategoryId>) -> Option<Vec<CategoryId>> {
    let members = |groups: &[super::policy::Group]| {
        let all: BTreeSet<CategoryId> = groups
            .iter()
            .flat_map(|group| group.members.iter().copied())
            .collect();
        all.into_iter().collect()
    };
    match rule.operation {
        Operation::OnlyOne if matching(rule, set) > 0 => None,
        Operation::OnlyOne | Operation::OneOrMore => Some(members(&rule.groups)),
        Operation::All => {
            let missing = |group: &&super::policy::Group| group.members.is_disjoint(set);
            let first = rule.groups.iter().find(missing)?;
            Some(first.members.iter().copied().collect())
        }
    }
}
