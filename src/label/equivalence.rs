//! Duty: a label of one policy as the equal label of another, with a trace of every step.
//! Promises: both labels are valid in their policies; nothing is left out or weakened unless an element
//! of the describing policy says discard, and then the trace calls it a downgrade.
//! Refuses: a class or category without an equivalent, a weaker kind, two groups merged into one (an AND
//! that becomes an OR), two inbound meanings of one permissive value, results invalid at the target.
//! Standards: Open XML SPIF 2.1 equivalent* elements; standards/labels.md section 9.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;
use thiserror::Error;

use super::policy::{
    Becomes, CategoryId, Operation, Policy, PolicyCategory, RemoteGroup, RemoteRequirement, TagId,
};
use super::reason::Reason;
use super::validity::{self, Mode, Resolved, category_value, class_value};
use super::value::{Kind, Label};
use super::xml::Place;

/// Which policy describes the translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A remote label becomes a local one; the policy of the result describes it, read backwards.
    Inbound,
    /// A local label becomes a remote one; the policy of the given label describes it.
    Outbound,
}

/// What a step does to the strength of the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Something was added that the target policy demands.
    Adds,
    /// A value that bears on access was discarded because the policy says so.
    Downgrades,
    /// The same meaning in the other policy.
    Keeps,
    /// Something without influence on access was left out.
    LeavesOut,
    /// One permissive value became several: more readers than one value would have.
    Widens,
}

/// One step of a translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was there.
    pub from: String,
    /// What it became; empty when it was left out.
    pub to: String,
    /// The element of the policy that says so.
    pub element: String,
    /// What this does to the label's strength.
    pub effect: Effect,
}

/// A translated label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The label in the target policy.
    pub label: Label,
    /// Each step.
    pub trace: Vec<Step>,
}

impl Translation {
    /// The steps that took something away that bears on access.
    pub fn downgrades(&self) -> impl Iterator<Item = &Step> {
        self.trace
            .iter()
            .filter(|step| step.effect == Effect::Downgrades)
    }
}

/// Why there is no equal label.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the label has no equivalent: {}", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct NotTranslatable {
    /// Every reason.
    pub reasons: Vec<Reason>,
}

/// Translates a label from one policy to another.
///
/// # Errors
/// When the label is not valid in `from`, something in it has no equivalent, or the result is not
/// valid in `to`.
pub fn translate(
    from: &Policy,
    to: &Policy,
    label: &Label,
    direction: Direction,
    at: Timestamp,
) -> Result<Translation, NotTranslatable> {
    let source = validity::resolve(from, label, at, Mode::Reception);
    if !source.problems.is_empty() {
        return Err(NotTranslatable {
            reasons: source.problems,
        });
    }
    let (describing, other) = match direction {
        Direction::Outbound => (from, to),
        Direction::Inbound => (to, from),
    };
    let mut work = Work {
        from,
        to,
        result: Label {
            policy: Some(to.oid),
            ..Label::default()
        },
        trace: Vec::new(),
        failed: Vec::new(),
        groups: BTreeMap::new(),
    };
    if !describing
        .equivalents
        .iter()
        .any(|policy| policy.oid == other.oid)
    {
        let text = format!("{} names no equivalence to {}", describing.name, other.name);
        work.fail(
            "translation.no-policy",
            describing.own_element(),
            text,
            String::new(),
        );
        return Err(NotTranslatable {
            reasons: work.failed,
        });
    }
    match direction {
        Direction::Outbound => work.outbound(&source),
        Direction::Inbound => work.inbound(&source, label),
    }
    work.check_groups();
    work.privacy_mark(label);
    if work.failed.is_empty() {
        // The result is a new label, so that obsolete values are refused too.
        work.failed = validity::check(to, &work.result, at, Mode::Origination);
    }
    if work.failed.is_empty() {
        Ok(Translation {
            label: work.result,
            trace: work.trace,
        })
    } else {
        Err(NotTranslatable {
            reasons: work.failed,
        })
    }
}

/// Where the values of a target's permissive group came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Added,
    Tag(TagId),
}

struct Work<'a> {
    from: &'a Policy,
    to: &'a Policy,
    result: Label,
    trace: Vec<Step>,
    failed: Vec<Reason>,
    groups: BTreeMap<TagId, Vec<Origin>>,
}

/// One entry that applies to a category, with its target.
struct Entry {
    place: Place,
    target: Option<(ObjectIdentifier, Kind, u128)>,
}

impl Work<'_> {
    fn fail(&mut self, id: &'static str, element: String, text: String, value: String) {
        self.failed
            .push(Reason::new(id, element, text).label(value));
    }

    fn outbound(&mut self, source: &Resolved) {
        let (from, to) = (self.from, self.to);
        let mut required: Vec<&RemoteRequirement> = Vec::new();
        let policies = from
            .equivalents
            .iter()
            .filter(|policy| policy.oid == to.oid);
        required.extend(policies.flat_map(|policy| &policy.required));
        if let Some(class) = source.class.and_then(|id| from.class(id)) {
            let applies = class
                .equivalents
                .iter()
                .find(|entry| entry.policy == to.oid && entry.applied.outbound());
            match applies {
                Some(entry) => {
                    self.class(class_value(class), entry.value, from, entry.place);
                    required.extend(&entry.required);
                }
                None => self.no_class(from.class_element(class), class_value(class)),
            }
        }
        let mut sets = Vec::new();
        for id in &source.categories {
            let Some(category) = from.category(*id) else {
                continue;
            };
            let entries: Vec<Entry> = category
                .equivalents
                .iter()
                .filter(|entry| entry.policy == to.oid && entry.applied.outbound())
                .map(|entry| Entry {
                    place: entry.place,
                    target: match entry.becomes {
                        Becomes::Category {
                            tag_set,
                            kind,
                            value,
                        } => Some((tag_set, kind, value)),
                        Becomes::Nothing => None,
                    },
                })
                .collect();
            self.category(category, &entries, from);
            if let Some(tag) = from.tag(category.tag)
                && !sets.contains(&tag.set)
            {
                sets.push(tag.set);
            }
        }
        let of_sets = sets.iter().filter_map(|set| from.tag_sets.get(*set));
        let of_sets = of_sets
            .flat_map(|set| &set.equivalents)
            .filter(|set| set.policy == to.oid);
        required.extend(of_sets.flat_map(|set| &set.required));
        for requirement in &required {
            self.add_required(requirement);
        }
        for requirement in &required {
            self.check_required(requirement);
        }
    }

    fn inbound(&mut self, source: &Resolved, label: &Label) {
        let (from, to) = (self.from, self.to);
        if let Some(class) = source.class.and_then(|id| from.class(id)) {
            let applies = to.classes.iter().find_map(|local| {
                let entry = local.equivalents.iter().find(|entry| {
                    entry.policy == from.oid
                        && entry.applied.inbound()
                        && entry.value == class.value
                })?;
                Some((local.value, entry.place))
            });
            match applies {
                Some((value, place)) => self.class(class_value(class), value, to, place),
                None => self.no_class(to.own_element(), class_value(class)),
            }
        }
        for entry in &label.categories {
            for value in &entry.values {
                let found = from.category_id(&entry.tag_set, entry.kind, *value);
                let Some(category) = found.and_then(|id| from.category(id)) else {
                    continue;
                };
                let wanted = Becomes::Category {
                    tag_set: entry.tag_set,
                    kind: entry.kind.meaning(),
                    value: *value,
                };
                let entries: Vec<Entry> = to
                    .categories
                    .iter()
                    .flat_map(|local| local.equivalents.iter().map(move |entry| (local, entry)))
                    .filter(|(_, entry)| {
                        entry.policy == from.oid
                            && entry.applied.inbound()
                            && entry.becomes == wanted
                    })
                    // A local category without a wire form is no target, and no discard either.
                    .filter_map(|(local, entry)| {
                        let target = Some(self.wire_value(local)?);
                        Some(Entry {
                            place: entry.place,
                            target,
                        })
                    })
                    .collect();
                if entries.len() > 1 && entry.kind.is_permissive() {
                    let shown = category_value(from, category);
                    let text = format!("{shown} has several local meanings");
                    self.fail("translation.ambiguous", to.own_element(), text, shown);
                    continue;
                }
                self.category(category, &entries, to);
            }
        }
    }

    fn wire_value(&self, category: &PolicyCategory) -> Option<(ObjectIdentifier, Kind, u128)> {
        let tag = self.to.tag(category.tag)?;
        let set = self.to.tag_sets.get(tag.set)?;
        Some((set.oid, tag.kind?, category.value?))
    }

    fn class(&mut self, shown: String, value: u64, describing: &Policy, place: Place) {
        let element = describing.element(place, "equivalentClassification", "");
        let to = self.to;
        let Some(class) = to.class_id(value).and_then(|id| to.class(id)) else {
            let text = format!("{} has no classification {value}", to.name);
            return self.fail("translation.target-unknown", element, text, shown);
        };
        self.result.classification = Some(value);
        let effect = Effect::Keeps;
        self.trace.push(Step {
            from: shown,
            to: class_value(class),
            element,
            effect,
        });
    }

    fn no_class(&mut self, element: String, shown: String) {
        let text = format!("{shown} has no equivalent in {}", self.to.name);
        self.fail("translation.no-classification", element, text, shown);
    }

    fn category(&mut self, category: &PolicyCategory, entries: &[Entry], describing: &Policy) {
        let (from, to) = (self.from, self.to);
        let shown = category_value(from, category);
        let source_kind = from.tag(category.tag).and_then(|tag| tag.kind);
        let relevant = source_kind.is_none_or(|kind| !kind.is_informative());
        let targets: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((entry.place, entry.target?)))
            .collect();
        if targets.is_empty() {
            let Some(discard) = entries.first() else {
                if !relevant && describing.options.drop_informative {
                    self.trace.push(Step {
                        from: shown,
                        to: String::new(),
                        element: from.category_element(category),
                        effect: Effect::LeavesOut,
                    });
                    return;
                }
                let text = format!("{shown} has no equivalent in {}", to.name);
                let element = from.category_element(category);
                return self.fail("translation.no-category", element, text, shown);
            };
            let element = describing.element(discard.place, "equivalentSecCategoryTag", "");
            let effect = if relevant {
                Effect::Downgrades
            } else {
                Effect::LeavesOut
            };
            self.trace.push(Step {
                from: shown,
                to: String::new(),
                element,
                effect,
            });
            return;
        }
        let mut kinds = Vec::new();
        let mut permissive = 0usize;
        for (place, (tag_set, kind, value)) in targets {
            let element = describing.element(place, "equivalentSecCategoryTag", "");
            let id = to.category_id(&tag_set, kind, value);
            let Some((id, target)) = id.and_then(|id| Some((id, to.category(id)?))) else {
                let text = format!("{} has no category {tag_set} {kind} {value}", to.name);
                self.fail("translation.target-unknown", element, text, shown.clone());
                continue;
            };
            let Some(kind) = self.insert(id, Origin::Tag(category.tag)) else {
                continue;
            };
            kinds.push(kind);
            let mut effect = Effect::Keeps;
            if kind.is_permissive() {
                permissive = permissive.saturating_add(1);
                if permissive > 1 {
                    effect = Effect::Widens;
                }
            }
            let becomes = category_value(to, target);
            self.trace.push(Step {
                from: shown.clone(),
                to: becomes,
                element,
                effect,
            });
        }
        let kept = match source_kind {
            Some(kind) if kind.is_restrictive() => kinds.iter().any(|kind| kind.is_restrictive()),
            Some(kind) if kind.is_permissive() => kinds.iter().any(|kind| !kind.is_informative()),
            _ => true,
        };
        if !kept && !kinds.is_empty() {
            let text = format!("{shown} would become a weaker kind in {}", to.name);
            let element = from.category_element(category);
            self.fail("translation.weaker-kind", element, text, shown);
        }
    }

    fn insert(&mut self, id: CategoryId, origin: Origin) -> Option<Kind> {
        let category = self.to.category(id)?;
        let (tag_set, kind, value) = self.wire_value(category)?;
        self.result.categories.insert(tag_set, kind, value);
        if kind.is_permissive() {
            let origins = self.groups.entry(category.tag).or_default();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        Some(kind)
    }

    /// Two groups in one would let in a reader whom either of them alone keeps out.
    fn check_groups(&mut self) {
        let merged: Vec<TagId> = self
            .groups
            .iter()
            .filter(|(_, origins)| origins.len() > 1)
            .map(|(tag, _)| *tag)
            .collect();
        for tag in merged.into_iter().filter_map(|tag| self.to.tag(tag)) {
            let name = self.to.tag_name(tag).to_owned();
            let text = format!("several groups would become the one group {name}");
            self.fail(
                "translation.and-becomes-or",
                self.to.tag_element(tag),
                text,
                name,
            );
        }
    }

    fn members(&self, group: &RemoteGroup) -> Vec<CategoryId> {
        let to = self.to;
        let is_member = |category: &PolicyCategory| {
            let tag = to.tag(category.tag)?;
            let set = to.tag_sets.get(tag.set)?;
            let same = set.name == group.tag_set
                && tag.kind?.meaning() == group.kind
                && (group.value.is_none() || category.value == group.value);
            same.then_some(())
        };
        to.categories
            .iter()
            .enumerate()
            .filter(|(_, category)| is_member(category).is_some())
            .map(|(at, _)| CategoryId(at))
            .collect()
    }

    fn add_required(&mut self, requirement: &RemoteRequirement) {
        if requirement.operation != Operation::All {
            return;
        }
        let (from, to) = (self.from, self.to);
        for group in requirement
            .groups
            .iter()
            .filter(|group| group.value.is_some())
        {
            for id in self.members(group) {
                let Some(category) = to.category(id) else {
                    continue;
                };
                let present = self
                    .wire_value(category)
                    .is_some_and(|(tag_set, kind, value)| {
                        self.result.categories.contains(&tag_set, kind, value)
                    });
                if present || self.insert(id, Origin::Added).is_none() {
                    continue;
                }
                let element = from.element(requirement.place, "requiredCategory", "");
                let becomes = category_value(to, category);
                let effect = Effect::Adds;
                self.trace.push(Step {
                    from: String::new(),
                    to: becomes,
                    element,
                    effect,
                });
            }
        }
    }

    fn check_required(&mut self, requirement: &RemoteRequirement) {
        let holds = |group: &&RemoteGroup| {
            self.members(group).into_iter().any(|id| {
                let category = self
                    .to
                    .category(id)
                    .and_then(|category| self.wire_value(category));
                category.is_some_and(|(tag_set, kind, value)| {
                    self.result.categories.contains(&tag_set, kind, value)
                })
            })
        };
        let matching = requirement.groups.iter().filter(holds).count();
        if !requirement
            .operation
            .holds(matching, requirement.groups.len())
        {
            let element = self.from.element(requirement.place, "requiredCategory", "");
            let text = format!(
                "the result lacks categories that {} demands here",
                self.from.name
            );
            self.fail("translation.required-missing", element, text, String::new());
        }
    }

    /// Copied only when the target's list has it.
    fn privacy_mark(&mut self, label: &Label) {
        let Some(mark) = &label.privacy_mark else {
            return;
        };
        let known = self.to.privacy_marks.as_ref().is_some_and(|marks| {
            marks
                .iter()
                .any(|known| known.name == mark.text() && !known.obsolete)
        });
        let element = self.to.own_element();
        let from = format!("privacy mark {}", mark.text());
        if known {
            self.result.privacy_mark = Some(mark.clone());
            self.trace.push(Step {
                to: from.clone(),
                from,
                element,
                effect: Effect::Keeps,
            });
        } else {
            self.trace.push(Step {
                from,
                to: String::new(),
                element,
                effect: Effect::LeavesOut,
            });
        }
    }
}
