//! Duty: the values of this room: label, clearance, category, kind, privacy mark.
//! Promises: two labels are equal when they mean the same, whatever the order they were written in;
//! at most one category entry per (tag set, kind).
//! Refuses: a second entry for the same (tag set, kind).
//! Standards: RFC 2634 §3.2, RFC 5755 §4.4.6, ACP 145(A) Annex C.

use std::collections::BTreeSet;
use std::fmt;

use const_oid::ObjectIdentifier;
use thiserror::Error;

/// A security label: what the sender says about the content. Not checked against any policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label {
    /// The policy that gives the numbers their meaning. A label without one can only be denied.
    pub policy: Option<ObjectIdentifier>,
    /// The number (lacv) of the classification. A label without one can only be denied.
    ///
    /// 64 bits: RFC 2634 §3.2 (with X.411) ends at 256, and RFC 5755 §4.4.6 grants a classification by its
    /// bit position, so that no clearance can name a number that needs more.
    pub classification: Option<u64>,
    /// Text for people. Never used for access (RFC 2634 §3.3.3).
    pub privacy_mark: Option<PrivacyMark>,
    /// Restrictive, permissive and informative values.
    pub categories: Categories,
}

impl Label {
    /// A label of this policy and classification, without categories.
    pub fn new(policy: ObjectIdentifier, classification: u64) -> Self {
        Self {
            policy: Some(policy),
            classification: Some(classification),
            privacy_mark: None,
            categories: Categories::default(),
        }
    }
}

/// A clearance: what a person, link or domain may see. Classes are a set, not a ceiling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clearance {
    /// The policy that gives the numbers their meaning.
    pub policy: ObjectIdentifier,
    /// The number of each classification that may be read; holes are legal.
    pub classifications: BTreeSet<u64>,
    /// The restrictive and permissive values held.
    pub categories: Categories,
}

impl Clearance {
    /// The clearance that grants nothing.
    pub fn nothing(policy: ObjectIdentifier) -> Self {
        Self {
            policy,
            classifications: BTreeSet::new(),
            categories: Categories::default(),
        }
    }
}

/// The wire kind of a category. A value of one kind never satisfies one of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bit map; the reader must hold every value.
    Restrictive,
    /// Integer set; the reader must hold every value.
    EnumeratedRestrictive,
    /// Bit map; the reader must hold at least one value of the group.
    Permissive,
    /// Integer set; the reader must hold at least one value of the group.
    EnumeratedPermissive,
    /// Tag type 7 as a bit map; no influence on access.
    Informative,
    /// Tag type 7 as an integer set; no influence on access.
    InformativeSet,
}

impl Kind {
    /// Every kind, for tables and tests.
    pub const ALL: [Kind; 6] = [
        Kind::Restrictive,
        Kind::EnumeratedRestrictive,
        Kind::Permissive,
        Kind::EnumeratedPermissive,
        Kind::Informative,
        Kind::InformativeSet,
    ];

    /// Every value must be held.
    pub fn is_restrictive(self) -> bool {
        matches!(self, Kind::Restrictive | Kind::EnumeratedRestrictive)
    }

    /// One value of the group must be held.
    pub fn is_permissive(self) -> bool {
        matches!(self, Kind::Permissive | Kind::EnumeratedPermissive)
    }

    /// For people only.
    pub fn is_informative(self) -> bool {
        matches!(self, Kind::Informative | Kind::InformativeSet)
    }

    /// Carried as a BIT STRING, so that values are bit positions.
    pub fn is_bit_map(self) -> bool {
        matches!(
            self,
            Kind::Restrictive | Kind::Permissive | Kind::Informative
        )
    }

    /// The kind as policies know it: both encodings of tag type 7 are one kind there.
    pub(super) fn meaning(self) -> Kind {
        match self {
            Kind::InformativeSet => Kind::Informative,
            other => other,
        }
    }

    /// The name used in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Restrictive => "restrictive",
            Kind::EnumeratedRestrictive => "enumerated-restrictive",
            Kind::Permissive => "permissive",
            Kind::EnumeratedPermissive => "enumerated-permissive",
            Kind::Informative | Kind::InformativeSet => "informative",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The values of one kind in one tag set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category {
    /// The tag set's object identifier.
    pub tag_set: ObjectIdentifier,
    /// The wire kind.
    pub kind: Kind,
    /// The numbers (lacv). X.841 gives them no bound; 128 bits are kept exactly.
    pub values: BTreeSet<u128>,
}

impl Category {
    /// A category with these values.
    pub fn new(
        tag_set: ObjectIdentifier,
        kind: Kind,
        values: impl IntoIterator<Item = u128>,
    ) -> Self {
        Self {
            tag_set,
            kind,
            values: values.into_iter().collect(),
        }
    }
}

/// Categories ordered by tag set and kind, one entry for each such pair, none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Categories(Vec<Category>);

/// A second entry for one (tag set, kind).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("tag set {tag_set} occurs twice with kind {kind}; write its values into one category")]
pub struct DuplicateCategory {
    /// The tag set's object identifier.
    pub tag_set: ObjectIdentifier,
    /// The wire kind.
    pub kind: Kind,
}

impl Categories {
    /// Takes a whole category; an empty one adds nothing.
    ///
    /// # Errors
    /// When this (tag set, kind) is there already.
    pub fn add(&mut self, category: Category) -> Result<(), DuplicateCategory> {
        match self.position(&category.tag_set, category.kind) {
            Ok(_) => Err(DuplicateCategory {
                tag_set: category.tag_set,
                kind: category.kind,
            }),
            Err(_) if category.values.is_empty() => Ok(()),
            Err(at) => {
                self.0.insert(at, category);
                Ok(())
            }
        }
    }

    /// Adds one value, making the entry when it is the first.
    pub fn insert(&mut self, tag_set: ObjectIdentifier, kind: Kind, value: u128) {
        match self.position(&tag_set, kind) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.values.insert(value);
                }
            }
            Err(at) => self.0.insert(at, Category::new(tag_set, kind, [value])),
        }
    }

    /// The values of this tag set and kind, if any.
    pub fn values(&self, tag_set: &ObjectIdentifier, kind: Kind) -> Option<&BTreeSet<u128>> {
        let at = self.position(tag_set, kind).ok()?;
        self.0.get(at).map(|category| &category.values)
    }

    /// True when exactly this value is there.
    pub fn contains(&self, tag_set: &ObjectIdentifier, kind: Kind, value: u128) -> bool {
        self.values(tag_set, kind)
            .is_some_and(|values| values.contains(&value))
    }

    /// Each entry, ordered by tag set and kind.
    pub fn iter(&self) -> std::slice::Iter<'_, Category> {
        self.0.iter()
    }

    /// The number of entries, not of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is no category at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, tag_set: &ObjectIdentifier, kind: Kind) -> Result<usize, usize> {
        self.0
            .binary_search_by(|entry| (&entry.tag_set, entry.kind).cmp(&(tag_set, kind)))
    }
}

impl<'a> IntoIterator for &'a Categories {
    type Item = &'a Category;
    type IntoIter = std::slice::Iter<'a, Category>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Text for people inside a label, with the string type that carried it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PrivacyMark {
    /// PrintableString, 1 to 128 characters.
    Printable(String),
    /// UTF8String, at least one character.
    Utf8(String),
}

impl PrivacyMark {
    /// The text.
    pub fn text(&self) -> &str {
        match self {
            PrivacyMark::Printable(text) | PrivacyMark::Utf8(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(text: &str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(text)
    }

    #[test]
    fn order_of_writing_does_not_matter() {
        let mut one = Categories::default();
        one.insert(oid("1.1.9"), Kind::Permissive, 3);
        one.insert(oid("1.1.8"), Kind::Restrictive, 1);
        one.insert(oid("1.1.9"), Kind::Permissive, 2);
        let mut two = Categories::default();
        two.add(Category::new(oid("1.1.8"), Kind::Restrictive, [1]))
            .unwrap();
        two.add(Category::new(oid("1.1.9"), Kind::Permissive, [2, 3]))
            .unwrap();
        assert_eq!(one, two);
        two.insert(oid("1.1.9"), Kind::Restrictive, 3);
        assert_ne!(one, two);
    }

    #[test]
    fn a_second_entry_is_refused() {
        let mut categories = Categories::default();
        categories
            .add(Category::new(oid("1.1.9"), Kind::Permissive, [2]))
            .unwrap();
        assert!(
            categories
                .add(Category::new(oid("1.1.9"), Kind::Permissive, [3]))
                .is_err()
        );
        assert!(
            categories
                .add(Category::new(oid("1.1.9"), Kind::Restrictive, [3]))
                .is_ok()
        );
    }
}
