//! Duty: labels and clearances in a policy's dense numbers, and the decision over bit masks.
//! Promises: [`decide`] allocates nothing and says the same as [`authorize`](super::authorize), which
//! gives the reasons; the rules are compiled once, when the policy is loaded.
//! Refuses: what the policy does not know makes a label that nobody may read.
//! Standards: X.841, SDN.801 access control decision function; standards/labels.md sections 6, 7, 15.

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::bits::{Bits, Meeting, Span};
use super::category::{self, CategorySyntax, Empty, Member, Under};
use super::der::{SyntaxError, SyntaxProblem};
use super::ess;
use super::policy::{CategoryId, Group, Operation, Policy, Requirement};
use super::validity::Mode;
use super::value::{Clearance, Kind, Label, PrivacyMark};

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not granted.
    Deny,
    /// Granted.
    Permit,
}

/// A label in the dense numbers of one policy.
#[derive(Clone, Debug)]
pub struct CompiledLabel {
    policy: ObjectIdentifier,
    class: Option<usize>,
    categories: Bits,
    /// Valid but for time windows and obsolete values.
    valid: bool,
    /// Has something that a new label may not have.
    obsolete: bool,
}

/// A clearance in the dense numbers of one policy.
#[derive(Clone, Debug)]
pub struct CompiledClearance {
    policy: ObjectIdentifier,
    classes: Bits,
    categories: Bits,
}

/// The label in the policy's numbers. Allocates nothing while the policy has at most 512 categories.
pub fn label(policy: &Policy, label: &Label) -> CompiledLabel {
    let mut numbers = Numbering::new(policy, label.policy == Some(policy.oid));
    for entry in &label.categories {
        if let Some(at) = numbers.entry(entry.tag_set.as_bytes(), entry.kind) {
            // A set has each value once, so that whether it is new does not matter.
            for value in &entry.values {
                numbers.value(at, *value);
            }
        }
    }
    let mark = label.privacy_mark.as_ref().map(PrivacyMark::text);
    numbers.finish(label.classification, mark)
}

/// The label in the policy's numbers, straight from the octets of an ESSSecurityLabel: no [`Label`] is
/// made, and nothing is allocated where [`label`] allocates nothing. It stands in for
/// [`label`] of [`ess::decode_under`], and no more labels are valid.
///
/// # Errors
/// When the octets are not exactly one label, or a category syntax is not known.
pub fn read(policy: &Policy, octets: &[u8]) -> Result<CompiledLabel, SyntaxError> {
    let found = ess::components(octets)?;
    let own = found
        .policy
        .is_some_and(|element| element.content == policy.oid.as_bytes());
    let mut numbers = Numbering::new(policy, own);
    let under = Under {
        policy: own.then_some(policy),
        any_syntax: false,
    };
    let mut rare = false;
    if let Some(set) = found.categories {
        category::walk(&set, Empty::Refused, |member, start| match member {
            Member::Attributes {
                tag_set,
                kind,
                values,
            } => {
                under.allows(CategorySyntax::Acp145, Empty::Refused, start)?;
                match numbers.first_entry(tag_set.content, kind) {
                    Some(at) => values.each_value(|value| numbers.value(at, value)),
                    // Not a label of this policy; the values must still be well formed.
                    None => values.each_value(|_| true),
                }
            }
            Member::Missi(_) | Member::Names(_) => {
                rare = true;
                Ok(0)
            }
            Member::Unknown(type_) => Err(SyntaxProblem::UnknownCategory(type_).at(start)),
        })?;
    }
    if rare {
        // Levels beside the tags, kinds and names that the policy must settle: the long way.
        return Ok(label(policy, &ess::decode_for(octets, policy)?));
    }
    Ok(numbers.finish(found.classification, found.mark_text()))
}

/// A label on its way into the policy's numbers.
struct Numbering<'a> {
    policy: &'a Policy,
    categories: Bits,
    /// Which entries (tag set and kind) were there: each at most once.
    entries: Bits,
    valid: bool,
}

impl<'a> Numbering<'a> {
    fn new(policy: &'a Policy, own: bool) -> Self {
        Self {
            policy,
            categories: Bits::default(),
            entries: Bits::default(),
            valid: own,
        }
    }

    /// The place of this tag set and kind; none, and an invalid label, when the policy does not have it.
    fn entry(&mut self, tag_set: &[u8], kind: Kind) -> Option<usize> {
        let at = self.policy.masks.entry(tag_set, kind);
        self.valid &= at.is_some();
        at
    }

    /// As [`entry`](Self::entry), and the label is invalid when it was there before.
    fn first_entry(&mut self, tag_set: &[u8], kind: Kind) -> Option<usize> {
        let at = self.entry(tag_set, kind)?;
        let new = !self.entries.contains(at);
        self.entries.insert(at);
        self.valid &= new;
        new.then_some(at)
    }

    /// False when the value was there before.
    fn value(&mut self, entry: usize, value: u128) -> bool {
        let values = self.policy.masks.values.get(entry);
        let Some(number) = values.and_then(|values| values.number(value)) else {
            self.valid = false;
            return true;
        };
        let new = !self.categories.contains(number);
        self.categories.insert(number);
        new
    }

    fn finish(self, classification: Option<u64>, mark: Option<&str>) -> CompiledLabel {
        let masks = &self.policy.masks;
        let class = classification.and_then(|value| masks.class(value));
        let mut compiled = CompiledLabel {
            policy: self.policy.oid,
            class,
            categories: self.categories,
            valid: self.valid,
            obsolete: false,
        };
        let mark_is = |mode| mark.is_none_or(|mark| self.policy.allows_mark(mark, mode));
        let valid = self.valid && mark_is(Mode::Reception);
        let Some(class) = class.filter(|_| valid) else {
            compiled.valid = false;
            return compiled;
        };
        compiled.obsolete = masks.obsolete_classes.contains(class)
            || !masks.obsolete.is_disjoint(&compiled.categories)
            || !mark_is(Mode::Origination);
        compiled.valid = masks.rules_hold(self.policy, class, &compiled.categories);
        compiled
    }
}

/// The clearance in the policy's numbers; what the policy does not know grants nothing.
pub fn clearance(policy: &Policy, clearance: &Clearance) -> CompiledClearance {
    let masks = &policy.masks;
    let mut compiled = CompiledClearance {
        policy: clearance.policy,
        classes: Bits::default(),
        categories: Bits::default(),
    };
    for value in &clearance.classifications {
        if let Some(number) = masks.class(*value) {
            compiled.classes.insert(number);
        }
    }
    for entry in &clearance.categories {
        let at = masks.entry(entry.tag_set.as_bytes(), entry.kind);
        if let Some(values) = at.and_then(|at| masks.values.get(at)) {
            for number in entry
                .values
                .iter()
                .filter_map(|value| values.number(*value))
            {
                compiled.categories.insert(number);
            }
        }
    }
    compiled
}

/// The rules of validity, without reasons.
pub fn is_valid(policy: &Policy, label: &CompiledLabel, at: Timestamp, mode: Mode) -> bool {
    label.valid
        && label.policy == policy.oid
        && policy.window.contains(at)
        && !(mode == Mode::Origination && label.obsolete)
        && policy.masks.in_force(policy, &label.categories, at)
}

/// The decision, without reasons.
#[inline]
pub fn decide(
    policy: &Policy,
    label: &CompiledLabel,
    clearance: &CompiledClearance,
    at: Timestamp,
) -> Verdict {
    let masks = &policy.masks;
    let permitted = label.valid
        && label.policy == policy.oid
        && clearance.policy == policy.oid
        && policy.window.contains(at)
        && label
            .class
            .is_some_and(|class| clearance.classes.contains(class))
        && label
            .categories
            .is_within(&clearance.categories, &masks.restrictive)
        && masks
            .permissive
            .iter()
            .all(|group| group.meets(&label.categories, &clearance.categories) != Meeting::Apart)
        && masks.in_force(policy, &label.categories, at);
    if permitted {
        Verdict::Permit
    } else {
        Verdict::Deny
    }
}

/// Compiles both sides and decides: still without allocation, for labels that are seen once.
pub fn decide_once(policy: &Policy, given: &Label, holder: &Clearance, at: Timestamp) -> Verdict {
    decide(
        policy,
        &label(policy, given),
        &clearance(policy, holder),
        at,
    )
}

/// The rules of one policy over dense numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Masks {
    /// (lacv, number), ordered.
    classes: Vec<(u128, usize)>,
    /// Ordered by tag set and kind.
    values: Vec<Values>,
    pub(super) restrictive: Bits,
    /// One group for each permissive tag.
    pub(super) permissive: Vec<Span>,
    obsolete: Bits,
    obsolete_classes: Bits,
    /// Categories with a window of their own.
    timed: Bits,
    any_timed: bool,
    /// Categories that have rules.
    ruled: Bits,
    rules: Vec<Rule>,
    class_required: Vec<Vec<Wanted>>,
    class_excluded: Vec<Bits>,
    /// Tags that bound the number of their values.
    selections: Vec<(Span, u64, Option<u64>)>,
}

#[derive(Clone, Debug)]
struct Values {
    tag_set: ObjectIdentifier,
    kind: Kind,
    /// (lacv, number), ordered.
    numbers: Vec<(u128, usize)>,
}

impl Values {
    fn number(&self, value: u128) -> Option<usize> {
        find(&self.numbers, value)
    }
}

#[derive(Clone, Debug, Default)]
struct Rule {
    classes_out: Bits,
    class_wanted: Option<usize>,
    out: Bits,
    wanted: Vec<Wanted>,
}

/// One requirement: an operation over groups.
#[derive(Clone, Debug)]
struct Wanted {
    operation: Operation,
    groups: Vec<Bits>,
}

impl Masks {
    /// Compiles the rules of a policy whose references are resolved.
    pub(super) fn of(policy: &Policy) -> Self {
        let mut masks = Self::default();
        for (at, class) in policy.classes.iter().enumerate() {
            masks.classes.push((class.value.into(), at));
            if class.obsolete {
                masks.obsolete_classes.insert(at);
            }
            let wanted = class.required.iter().map(wanted).collect();
            masks.class_required.push(wanted);
            let members = |group: &Group| group.members.iter().map(|one| one.0).collect::<Vec<_>>();
            masks
                .class_excluded
                .push(class.excluded.iter().flat_map(members).collect());
        }
        masks.classes.sort_unstable();
        let mut by_tag = vec![Bits::default(); policy.tags.len()];
        for (at, category) in policy.categories.iter().enumerate() {
            if let Some(members) = by_tag.get_mut(category.tag.0) {
                members.insert(at);
            }
            let kind = policy.tag(category.tag).and_then(|tag| tag.kind);
            if kind.is_some_and(Kind::is_restrictive) {
                masks.restrictive.insert(at);
            }
            if category.obsolete {
                masks.obsolete.insert(at);
            }
            if category.window.not_before.is_some() || category.window.not_after.is_some() {
                masks.timed.insert(at);
                masks.any_timed = true;
            }
            let rule = Rule {
                classes_out: category
                    .excluded_classes
                    .iter()
                    .map(|class| class.0)
                    .collect(),
                class_wanted: category.required_class.map(|class| class.0),
                out: category
                    .excluded
                    .iter()
                    .flat_map(|group| group.members.iter().map(|member| member.0))
                    .collect(),
                wanted: category.required.iter().map(wanted).collect(),
            };
            let ruled = !rule.classes_out.is_empty()
                || rule.class_wanted.is_some()
                || !rule.out.is_empty()
                || !rule.wanted.is_empty();
            if ruled {
                masks.ruled.insert(at);
            }
            masks.rules.push(rule);
        }
        for (tag, members) in policy.tags.iter().zip(&by_tag) {
            if tag.kind.is_some_and(Kind::is_permissive) {
                masks.permissive.push(Span::of(members));
            }
            if tag.minimum > 0 || tag.maximum.is_some() {
                masks
                    .selections
                    .push((Span::of(members), tag.minimum, tag.maximum));
            }
        }
        masks.index(policy);
        masks
    }

    fn index(&mut self, policy: &Policy) {
        for ((tag_set, kind, value), CategoryId(number)) in &policy.category_by_value {
            let key = (tag_set, *kind);
            let at = self
                .values
                .binary_search_by(|entry| (&entry.tag_set, entry.kind).cmp(&key));
            match at {
                Ok(at) => {
                    if let Some(entry) = self.values.get_mut(at) {
                        entry.numbers.push((*value, *number));
                    }
                }
                Err(at) => self.values.insert(
                    at,
                    Values {
                        tag_set: *tag_set,
                        kind: *kind,
                        numbers: vec![(*value, *number)],
                    },
                ),
            }
        }
        for entry in &mut self.values {
            entry.numbers.sort_unstable();
        }
    }

    fn class(&self, value: u64) -> Option<usize> {
        find(&self.classes, value.into())
    }

    /// The place in `values`; the tag set by the content octets of its identifier.
    #[inline]
    fn entry(&self, tag_set: &[u8], kind: Kind) -> Option<usize> {
        let kind = kind.meaning();
        // Few tag sets: looking at each is faster than halving.
        self.values
            .iter()
            .position(|entry| entry.kind == kind && entry.tag_set.as_bytes() == tag_set)
    }

    fn rules_hold(&self, policy: &Policy, class: usize, present: &Bits) -> bool {
        let ruled = present.iter().filter(|number| self.ruled.contains(*number));
        let each = ruled
            .filter_map(|number| self.rules.get(number))
            .all(|rule| {
                !rule.classes_out.contains(class)
                    && rule.class_wanted.is_none_or(|wanted| wanted == class)
                    && rule.out.is_disjoint(present)
                    && rule.wanted.iter().all(|wanted| wanted.holds(present))
            });
        let of_class = self.class_required.get(class);
        let out = self.class_excluded.get(class);
        each && out.is_some_and(|out| out.is_disjoint(present))
            && of_class.is_some_and(|all| all.iter().all(|wanted| wanted.holds(present)))
            && self.selections.iter().all(|(span, minimum, maximum)| {
                let count = span.count(present);
                let unused = count == 0 && !policy.options.minimum_always;
                unused || (count >= *minimum && maximum.is_none_or(|maximum| count <= maximum))
            })
    }

    #[inline]
    fn in_force(&self, policy: &Policy, present: &Bits, at: Timestamp) -> bool {
        if !self.any_timed || self.timed.is_disjoint(present) {
            return true;
        }
        present
            .iter()
            .filter_map(|number| policy.category(CategoryId(number)))
            .all(|category| category.window.contains(at))
    }
}

impl Wanted {
    fn holds(&self, present: &Bits) -> bool {
        let matching = self
            .groups
            .iter()
            .filter(|group| !group.is_disjoint(present))
            .count();
        self.operation.holds(matching, self.groups.len())
    }
}

fn wanted(requirement: &Requirement) -> Wanted {
    let members = |group: &Group| group.members.iter().map(|member| member.0).collect();
    Wanted {
        operation: requirement.operation,
        groups: requirement.groups.iter().map(members).collect(),
    }
}

fn find(sorted: &[(u128, usize)], value: u128) -> Option<usize> {
    let at = sorted
        .binary_search_by_key(&value, |(value, _)| *value)
        .ok()?;
    sorted.get(at).map(|(_, number)| *number)
}
