//! Duty: labels and clearances from the names that people use.
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
