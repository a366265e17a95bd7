//! Duty: labels and clearances from the names that people use, and back.
//!
//! The text form of a label is `SECRET; Releasable To: ALDER, BIRCH; Codeword: ANCHOR`; in a clearance the
//! first part is a list of classifications, `UNCLASSIFIED..SECRET` (by hierarchy) or `none`.
//! Promises: names match without regard to ASCII case; what comes out uses only values of the policy.
//! Refuses: a name that the policy does not have, or that means two values.
//! Standards: Open XML SPIF 2.1 (names are unique per tag set and presented kind).

use thiserror::Error;

use super::policy::{Policy, Tag};
use super::value::{Categories, Clearance, Kind, Label};

/// A name that does not lead to exactly one value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NamingError {
    /// Several categories of the tag set have this name.
    #[error("{category} means several categories of {tag_set} in the policy {policy}")]
    Ambiguous {
        /// The policy's name.
        policy: String,
        /// The tag set as asked for.
        tag_set: String,
        /// The category as asked for.
        category: String,
    },
    /// Informative categories do not belong in a clearance.
    #[error("{category} of {tag_set} is informative and does not belong in a clearance")]
    Informative {
        /// The tag set as asked for.
        tag_set: String,
        /// The category as asked for.
        category: String,
    },
    /// A part of a text form that is not `TAG SET: CATEGORY, CATEGORY`.
    #[error("\"{0}\" should be written TAG SET: CATEGORY, CATEGORY")]
    Malformed(String),
    /// A range of classifications whose first is above its last.
    #[error("{first} is above {last}; write the lower classification first")]
    Range {
        /// The first classification.
        first: String,
        /// The last classification.
        last: String,
    },
    /// No such category.
    #[error("the policy {policy} has no category {category} in {tag_set}; it has: {known}")]
    UnknownCategory {
        /// The policy's name.
        policy: String,
        /// The tag set as asked for.
        tag_set: String,
        /// The category as asked for.
        category: String,
        /// The names there are.
        known: String,
    },
    /// No such classification.
    #[error("the policy {policy} has no classification {classification}; it has: {known}")]
    UnknownClassification {
        /// The policy's name.
        policy: String,
        /// The classification as asked for.
        classification: String,
        /// The names there are.
        known: String,
    },
    /// No such tag set or tag.
    #[error("the policy {policy} has no tag set {tag_set}; it has: {known}")]
    UnknownTagSet {
        /// The policy's name.
        policy: String,
        /// The tag set as asked for.
        tag_set: String,
        /// The names there are.
        known: String,
    },
}

/// A label of this classification with these (tag set, category) pairs.
///
/// # Errors
/// When a name is unknown or ambiguous.
pub fn label(
    policy: &Policy,
    classification: &str,
    categories: &[(&str, &str)],
) -> Result<Label, NamingError> {
    let mut label = Label::new(policy.oid, class(policy, classification)?);
    for (tag_set, category) in categories {
        add(policy, tag_set, category, &mut label.categories)?;
    }
    Ok(label)
}

/// A clearance for these classifications with these (tag set, category) pairs.
///
/// # Errors
/// When a name is unknown or ambiguous, or a category is informative.
pub fn clearance(
    policy: &Policy,
    classifications: &[&str],
    categories: &[(&str, &str)],
) -> Result<Clearance, NamingError> {
    let mut clearance = Clearance::nothing(policy.oid);
    for name in classifications {
        clearance.classifications.insert(class(policy, name)?);
    }
    for (tag_set, category) in categories {
        let kind = add(policy, tag_set, category, &mut clearance.categories)?;
        if kind.is_informative() {
            let (tag_set, category) = ((*tag_set).to_owned(), (*category).to_owned());
            return Err(NamingError::Informative { tag_set, category });
        }
    }
    Ok(clearance)
}

/// A label from its text form, such as `SECRET; Releasable To: ALDER, BIRCH`.
///
/// # Errors
/// When a name is unknown, or a part is not `TAG SET: CATEGORY, ...`.
pub fn parse_label(policy: &Policy, text: &str) -> Result<Label, NamingError> {
    let (classification, categories) = parts(text)?;
    label(policy, classification, &categories)
}

/// A clearance from its text form, such as `UNCLASSIFIED..SECRET; Releasable To: ALDER`.
///
/// # Errors
/// When a name is unknown, or a part is not `TAG SET: CATEGORY, ...`.
pub fn parse_clearance(policy: &Policy, text: &str) -> Result<Clearance, NamingError> {
    let (list, categories) = parts(text)?;
    let mut names: Vec<&str> = Vec::new();
    if list != "none" {
        for item in list.split(',').map(str::trim) {
            match item.split_once("..") {
                None => names.push(item),
                Some((first, last)) => names.extend(range(policy, first.trim(), last.trim())?),
            }
        }
    }
    clearance(policy, &names, &categories)
}

/// The text form of a label; values that the policy does not have stand as numbers.
pub fn write_label(policy: &Policy, label: &Label) -> String {
    let class = label.classification.map(|value| class_name(policy, value));
    let mut text = class.unwrap_or_else(|| "no classification".to_owned());
    write_categories(policy, &label.categories, &mut text);
    text
}

/// The text form of a clearance; values that the policy does not have stand as numbers.
pub fn write_clearance(policy: &Policy, clearance: &Clearance) -> String {
    let names = clearance
        .classifications
        .iter()
        .map(|value| class_name(policy, *value));
    let mut text = names.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        text.push_str("none");
    }
    write_categories(policy, &clearance.categories, &mut text);
    text
}

fn class_name(policy: &Policy, value: u64) -> String {
    policy
        .classification_name(value)
        .map_or_else(|| format!("?{value}"), str::to_owned)
}

fn write_categories(policy: &Policy, categories: &Categories, text: &mut String) {
    for entry in categories {
        let set = policy.tag_sets.iter().find(|set| set.oid == entry.tag_set);
        let set = set.map_or_else(
            || format!("?{} {}", entry.tag_set, entry.kind),
            |set| set.name.clone(),
        );
        let values = entry.values.iter().map(|value| {
            let names = policy.category_names(&entry.tag_set, entry.kind, *value);
            names.map_or_else(|| format!("?{value}"), |(_, _, name)| name.to_owned())
        });
        text.push_str(&format!(
            "; {set}: {}",
            values.collect::<Vec<_>>().join(", ")
        ));
    }
}

fn range<'a>(policy: &'a Policy, first: &str, last: &str) -> Result<Vec<&'a str>, NamingError> {
    let rank = |name: &str| {
        let id = policy.class_id(class(policy, name)?);
        Ok(id
            .and_then(|id| policy.class(id))
            .map(|class| class.hierarchy)
            .unwrap_or_default())
    };
    let (low, high) = (rank(first)?, rank(last)?);
    if low > high {
        return Err(NamingError::Range {
            first: first.to_owned(),
            last: last.to_owned(),
        });
    }
    let within = policy
        .classes
        .iter()
        .filter(|class| (low..=high).contains(&class.hierarchy));
    Ok(within.map(|class| class.name.as_str()).collect())
}

/// The first part, and the (tag set, category) pairs of the others.
type Parts<'a> = (&'a str, Vec<(&'a str, &'a str)>);

fn parts(text: &str) -> Result<Parts<'_>, NamingError> {
    let mut parts = text.split(';').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let mut categories = Vec::new();
    for part in parts {
        let Some((tag_set, names)) = part.split_once(':') else {
            return Err(NamingError::Malformed(part.to_owned()));
        };
        categories.extend(names.split(',').map(|name| (tag_set.trim(), name.trim())));
    }
    Ok((first, categories))
}

fn class(policy: &Policy, name: &str) -> Result<u64, NamingError> {
    let found = policy
        .classes
        .iter()
        .find(|class| class.name.eq_ignore_ascii_case(name.trim()));
    found
        .map(|class| class.value)
        .ok_or_else(|| NamingError::UnknownClassification {
            policy: policy.name.clone(),
            classification: name.to_owned(),
            known: list(policy.classes.iter().map(|class| class.name.as_str())),
        })
}

/// Adds one category, whose tag set may be named by its own name or by that of a tag in it.
fn add(
    policy: &Policy,
    tag_set: &str,
    category: &str,
    into: &mut Categories,
) -> Result<Kind, NamingError> {
    let (tag_set, category) = (tag_set.trim(), category.trim());
    let set_named = |tag: &Tag| {
        policy
            .tag_sets
            .get(tag.set)
            .is_some_and(|set| set.name.eq_ignore_ascii_case(tag_set))
    };
    let tag_named = |tag: &Tag| {
        tag.name
            .as_deref()
            .is_some_and(|name| name.eq_ignore_ascii_case(tag_set))
    };
    let by_set = policy.tags.iter().any(set_named);
    let wanted = |tag: &Tag| {
        if by_set {
            set_named(tag)
        } else {
            tag_named(tag)
        }
    };
    if !policy.tags.iter().any(wanted) {
        return Err(NamingError::UnknownTagSet {
            policy: policy.name.clone(),
            tag_set: tag_set.to_owned(),
            known: list(policy.tag_sets.iter().map(|set| set.name.as_str())),
        });
    }
    let candidates = || {
        policy.categories.iter().filter_map(|category| {
            let tag = policy.tag(category.tag).filter(|tag| wanted(tag))?;
            let set = policy.tag_sets.get(tag.set)?;
            Some((set.oid, tag.kind?, category.value?, category.name.as_str()))
        })
    };
    let mut found = candidates().filter(|(_, _, _, name)| name.eq_ignore_ascii_case(category));
    let Some((oid, kind, value, _)) = found.next() else {
        return Err(NamingError::UnknownCategory {
            policy: policy.name.clone(),
            tag_set: tag_set.to_owned(),
            category: category.to_owned(),
            known: list(candidates().map(|(_, _, _, name)| name)),
        });
    };
    if found.next().is_some() {
        return Err(NamingError::Ambiguous {
            policy: policy.name.clone(),
            tag_set: tag_set.to_owned(),
            category: category.to_owned(),
        });
    }
    into.insert(oid, kind, value);
    Ok(kind)
}

/// The first names, so that the error stays readable with a policy of hundreds of categories.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.take(13).collect();
    if names.len() == 13 {
        names.pop();
        names.push("...");
    }
    names.join(", ")
}
