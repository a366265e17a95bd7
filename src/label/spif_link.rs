//! Duty: resolves the references of a SPIF and checks that the policy is consistent.
//! Promises: a linked policy has no dangling name or number.
//! Refuses: duplicate names, numbers, identifiers and colours; references to what is not there; an
//! inbound equivalence with two answers; bit map values above the bit limit.
//! Standards: Open XML SPIF 2.1 (keys and keyrefs), standards/labels.md section 5.2.

use std::collections::{BTreeSet, HashMap};

use const_oid::ObjectIdentifier;

use super::compiled::Masks;
use super::der::BIT_LIMIT;
use super::policy::{CategoryId, ClassId, Group, Policy, Requirement, Warning};
use super::spif::{Draft, Owner};
use super::spif_items::DraftGroup;
use super::value::Kind;
use super::xml::{Place, Problem};

pub(super) fn link(draft: Draft) -> Result<Policy, Problem> {
    let Draft {
        mut policy,
        schema: _,
        class_exclusions,
        requirements,
        excluded_categories,
        excluded_classes,
        required_classes,
    } = draft;
    check_classes(&policy)?;
    check_tag_sets(&policy)?;
    index(&mut policy)?;
    for (owner, draft) in requirements {
        let groups = draft
            .groups
            .into_iter()
            .map(|group| resolve_group(&policy, group))
            .collect::<Result<Vec<_>, _>>()?;
        let requirement = Requirement {
            operation: draft.operation,
            groups,
            place: draft.place,
        };
        match owner {
            Owner::Class(ClassId(at)) => {
                if let Some(class) = policy.classes.get_mut(at) {
                    class.required.push(requirement);
                }
            }
            Owner::Category(CategoryId(at)) => {
                if let Some(category) = policy.categories.get_mut(at) {
                    category.required.push(requirement);
                }
            }
        }
    }
    for (ClassId(at), draft) in class_exclusions {
        let group = resolve_group(&policy, draft)?;
        if let Some(class) = policy.classes.get_mut(at) {
            class.excluded.push(group);
        }
    }
    for (CategoryId(at), draft) in excluded_categories {
        let group = resolve_group(&policy, draft)?;
        if let Some(category) = policy.categories.get_mut(at) {
            category.excluded.push(group);
        }
    }
    for (CategoryId(at), name, place) in excluded_classes {
        let class = resolve_class(&policy, &name, place)?;
        if let Some(category) = policy.categories.get_mut(at)
            && !category.excluded_classes.insert(class)
        {
            let text = format!("the excluded classification {name} is there already");
            return Err(Problem::new(place, text));
        }
    }
    for (CategoryId(at), name, place) in required_classes {
        let class = resolve_class(&policy, &name, place)?;
        if let Some(category) = policy.categories.get_mut(at) {
            category.required_class = Some(class);
        }
    }
    check_inbound(&policy)?;
    warn_of_shared_groups(&mut policy);
    policy.masks = Masks::of(&policy);
    Ok(policy)
}

/// Refuses a key that was there before.
struct Unique<'a, K>(&'a str, HashMap<K, Place>);

impl<'a, K: Eq + std::hash::Hash> Unique<'a, K> {
    fn new(what: &'a str) -> Self {
        Self(what, HashMap::new())
    }

    fn add(&mut self, key: K, shown: &dyn std::fmt::Display, place: Place) -> Result<(), Problem> {
        match self.1.insert(key, place) {
            None => Ok(()),
            Some(first) => {
                let text = format!("the {} {shown} stands already at {first}", self.0);
                Err(Problem::new(place, text))
            }
        }
    }
}

// Names that differ only in case are one name in ADatP-4774 labels.
fn check_classes(policy: &Policy) -> Result<(), Problem> {
    let mut names = Unique::new("classification name");
    let mut values = Unique::new("classification lacv");
    let mut hierarchies = Unique::new("hierarchy");
    let mut colors = Unique::new("colour");
    for class in &policy.classes {
        names.add(class.name.to_ascii_lowercase(), &class.name, class.place)?;
        values.add(class.value, &class.value, class.place)?;
        hierarchies.add(class.hierarchy, &class.hierarchy, class.place)?;
        if let Some(color) = &class.color {
            colors.add(color.to_ascii_lowercase(), color, class.place)?;
        }
        let mut outbound = BTreeSet::new();
        for equivalence in class
            .equivalents
            .iter()
            .filter(|other| other.applied.outbound())
        {
            if !outbound.insert(equivalence.policy) {
                let text = "the classification has two outbound equivalents in one policy";
                return Err(Problem::new(equivalence.place, text));
            }
        }
    }
    Ok(())
}

fn check_tag_sets(policy: &Policy) -> Result<(), Problem> {
    let mut names = Unique::new("tag set name");
    let mut oids = Unique::new("tag set identifier");
    for set in &policy.tag_sets {
        names.add(set.name.to_ascii_lowercase(), &set.name, set.place)?;
        oids.add(set.oid, &set.oid, set.place)?;
    }
    // The encoding of tag type 7 is one per tag set: a label has one such category per set.
    let mut encodings: HashMap<usize, Kind> = HashMap::new();
    for tag in &policy.tags {
        if let Some(kind) = tag.kind.filter(|kind| kind.is_informative())
            && *encodings.entry(tag.set).or_insert(kind) != kind
        {
            let text = "a tag set may have one tag7Encoding only";
            return Err(Problem::new(tag.place, text));
        }
    }
    Ok(())
}

fn index(policy: &mut Policy) -> Result<(), Problem> {
    for (at, class) in policy.classes.iter().enumerate() {
        policy.class_by_value.insert(class.value, ClassId(at));
    }
    let mut values = Unique::new("lacv");
    let mut names = Unique::new("category name");
    let mut by_value = HashMap::new();
    for (at, category) in policy.categories.iter().enumerate() {
        let Some(tag) = policy.tag(category.tag) else {
            continue;
        };
        let Some(set) = policy.tag_sets.get(tag.set) else {
            continue;
        };
        let Some(kind) = tag.kind else { continue };
        let presented = (kind.is_restrictive(), kind.is_permissive());
        let name = (tag.set, presented, category.name.to_ascii_lowercase());
        names.add(name, &category.name, category.place)?;
        let Some(value) = category.value else {
            continue;
        };
        if kind.is_bit_map() && value > u128::from(BIT_LIMIT) {
            let text = format!("the lacv {value} is above {BIT_LIMIT}, the highest bit position");
            return Err(Problem::new(category.place, text));
        }
        values.add((tag.set, kind.meaning(), value), &value, category.place)?;
        by_value.insert((set.oid, kind.meaning(), value), CategoryId(at));
    }
    policy.category_by_value = by_value;
    Ok(())
}

fn resolve_class(policy: &Policy, name: &str, place: Place) -> Result<ClassId, Problem> {
    let found = policy.classes.iter().position(|class| class.name == name);
    found.map(ClassId).ok_or_else(|| {
        Problem::new(
            place,
            format!("\"{name}\" is no classification of this file"),
        )
    })
}

fn resolve_group(policy: &Policy, group: DraftGroup) -> Result<Group, Problem> {
    let DraftGroup {
        tag_set,
        kind,
        value,
        place,
    } = group;
    let Some(set) = policy.tag_sets.iter().position(|set| set.name == tag_set) else {
        let text = format!("tagSetRef=\"{tag_set}\" names no tag set of this file");
        return Err(Problem::new(place, text));
    };
    let members: BTreeSet<CategoryId> = policy
        .categories
        .iter()
        .enumerate()
        .filter(|(_, category)| {
            let tag = policy.tag(category.tag);
            tag.is_some_and(|tag| tag.set == set && tag.kind.map(Kind::meaning) == Some(kind))
                && (value.is_none() || category.value == value)
        })
        .map(|(at, _)| CategoryId(at))
        .collect();
    let shown = value.map_or("all".to_owned(), |value| value.to_string());
    let text = format!("{tag_set} {kind} {shown}");
    if members.is_empty() {
        return Err(Problem::new(place, format!("no category is \"{text}\"")));
    }
    Ok(Group {
        members,
        text,
        place,
    })
}

// standards/labels.md §9: more than one inbound classification is an error at load.
fn check_inbound(policy: &Policy) -> Result<(), Problem> {
    let mut inbound: Unique<'_, (ObjectIdentifier, u64)> = Unique::new("inbound equivalent of");
    for class in &policy.classes {
        for equivalence in class
            .equivalents
            .iter()
            .filter(|other| other.applied.inbound())
        {
            let key = (equivalence.policy, equivalence.value);
            inbound.add(key, &equivalence.value, equivalence.place)?;
        }
    }
    Ok(())
}

/// Two permissive tags of one kind in one set share one entry on the wire; each is a group here.
fn warn_of_shared_groups(policy: &mut Policy) {
    let mut seen = BTreeSet::new();
    let mut warnings = Vec::new();
    for tag in &policy.tags {
        if let Some(kind) = tag.kind.filter(|kind| kind.is_permissive())
            && !seen.insert((tag.set, kind))
        {
            let text = "the tag set has a second permissive tag of one kind: a reader needs one \
                value of each tag that the label uses";
            warnings.push(Warning {
                place: tag.place,
                text: text.to_owned(),
            });
        }
    }
    policy.warnings.extend(warnings);
}
