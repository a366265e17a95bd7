//! Duty: the ACP 145 security category syntaxes, shared by labels and clearances.
//! Promises: writes DER; reads components in any order of the SET.
//! Refuses: a second category for one (tag set, kind), a category without a value, a bit map kind
//! with an integer set or the reverse. An unknown type is reported, the caller decides.
//! Standards: ACP 145(A) Annex C, RFC 7906 §3, RFC 5755 §4.4.6.

use const_oid::ObjectIdentifier;

use super::der::{
    self, BIT_STRING, Element, OBJECT_IDENTIFIER, SEQUENCE, SET, SyntaxError, SyntaxProblem,
};
use super::missi::{self, EnumeratedKind};
use super::value::{Categories, Category, Kind};

const RESTRICTIVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.3.0");
const ENUMERATED_PERMISSIVE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.3.1");
const PERMISSIVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.3.2");
const INFORMATIVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.3.3");
const ENUMERATED_RESTRICTIVE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.3.4");

/// RFC 2634 §3.2: ub-security-categories.
const CATEGORY_LIMIT: usize = 64;
/// More values than this, over all categories, no real label has.
const VALUE_LIMIT: usize = 65_536;

/// What stood in a SET of categories.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) categories: Categories,
    /// Types that are not known, with the place of each.
    pub(super) unknown: Vec<(ObjectIdentifier, usize)>,
    /// Security levels beside MISSI tags.
    pub(super) levels: Vec<(u64, usize)>,
}

/// What an explicitly present category without a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    /// In a clearance: it grants nothing.
    Grants,
    /// In a label: an error.
    Refused,
}

/// Reads the SET OF SecurityCategory.
pub(super) fn decode(
    set: &Element<'_>,
    empty: Empty,
    kind_of: &EnumeratedKind<'_>,
) -> Result<Found, SyntaxError> {
    let mut found = Found::default();
    let mut seen = 0usize;
    let mut reader = set.inside();
    let mut values = 0usize;
    while !reader.is_empty() {
        let sequence = reader
            .next("a security category")?
            .expect(SEQUENCE, "a security category (SEQUENCE)")?;
        seen = seen.saturating_add(1);
        if seen > CATEGORY_LIMIT {
            return Err(SyntaxProblem::CategoryCount(seen).at(sequence.start));
        }
        let mut inside = sequence.inside();
        // RFC 5755 §4.4.6: type [0] IMPLICIT OBJECT IDENTIFIER, value [1] EXPLICIT ANY.
        let type_ = inside
            .next("the category type")?
            .expect(0x80, "the category type [0]")?
            .object_identifier()?;
        let wrapper = inside
            .next("the category value")?
            .expect(0xa1, "the category value [1]")?;
        inside.finish()?;
        let mut value_reader = wrapper.inside();
        let value = value_reader.next("the category value")?;
        value_reader.finish()?;
        let is_missi = match empty {
            Empty::Refused => type_ == missi::LABEL,
            Empty::Grants => type_ == missi::PRIVILEGES,
        };
        if is_missi {
            // SDN.801: exactly one security category.
            if seen > 1 || !reader.is_empty() {
                return Err(SyntaxProblem::MissiNotAlone.at(sequence.start));
            }
            found.categories = match empty {
                Empty::Refused => {
                    let tags = missi::label_tags(&value, kind_of)?;
                    found.levels = tags.levels;
                    tags.categories
                }
                Empty::Grants => missi::privileges(&value, kind_of)?,
            };
            continue;
        }
        let Some(category) = one(&type_, &value)? else {
            found.unknown.push((type_, sequence.start));
            continue;
        };
        values = values.saturating_add(category.values.len());
        if values > VALUE_LIMIT {
            return Err(SyntaxProblem::TooManyValues.at(sequence.start));
        }
        if category.values.is_empty() && empty == Empty::Refused {
            return Err(SyntaxProblem::EmptyCategory.at(sequence.start));
        }
        // Both encodings of tag type 7 are one type on the wire.
        let other_encoding = match category.kind {
            Kind::Informative => Some(Kind::InformativeSet),
            Kind::InformativeSet => Some(Kind::Informative),
            _ => None,
        };
        if let Some(kind) = other_encoding
            && found.categories.values(&category.tag_set, kind).is_some()
        {
            let duplicate = super::value::DuplicateCategory {
                tag_set: category.tag_set,
                kind: category.kind,
            };
            return Err(SyntaxProblem::from(duplicate).at(sequence.start));
        }
        found
            .categories
            .add(category)
            .map_err(|duplicate| SyntaxProblem::from(duplicate).at(sequence.start))?;
    }
    if seen == 0 {
        return Err(SyntaxProblem::CategoryCount(0).at(set.start));
    }
    Ok(found)
}

/// Reads one value; `None` when the type is not one of ACP 145.
fn one(type_: &ObjectIdentifier, value: &Element<'_>) -> Result<Option<Category>, SyntaxError> {
    let bit_kind = match *type_ {
        RESTRICTIVE => Some(Kind::Restrictive),
        PERMISSIVE => Some(Kind::Permissive),
        INFORMATIVE => Some(Kind::Informative),
        _ => None,
    };
    let set_kind = match *type_ {
        ENUMERATED_RESTRICTIVE => Some(Kind::EnumeratedRestrictive),
        ENUMERATED_PERMISSIVE => Some(Kind::EnumeratedPermissive),
        INFORMATIVE => Some(Kind::InformativeSet),
        _ => None,
    };
    if bit_kind.is_none() && set_kind.is_none() {
        return Ok(None);
    }
    let value = value.expect(SEQUENCE, "tag name and attributes (SEQUENCE)")?;
    let mut inside = value.inside();
    let tag_set = inside
        .next("the tag name")?
        .expect(OBJECT_IDENTIFIER, "the tag name")?
        .object_identifier()?;
    let attributes = inside.next("the attributes")?;
    inside.finish()?;
    let (kind, values) = match (attributes.tag, bit_kind, set_kind) {
        (BIT_STRING, Some(kind), _) => (kind, attributes.bits()?),
        (SET, _, Some(kind)) => (kind, attributes.integers()?),
        (found, Some(_), _) => {
            let expected = "a bit string of attributes";
            return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(attributes.start));
        }
        (found, None, _) => {
            let expected = "a set of integers";
            return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(attributes.start));
        }
    };
    Ok(Some(Category {
        tag_set,
        kind,
        values,
    }))
}

/// Writes the members of the SET OF SecurityCategory, not yet ordered.
pub(super) fn encode(categories: &Categories) -> Result<Vec<Vec<u8>>, SyntaxError> {
    if categories.len() > CATEGORY_LIMIT {
        return Err(SyntaxProblem::CategoryCount(categories.len()).at(0));
    }
    categories.iter().map(encode_one).collect()
}

fn encode_one(category: &Category) -> Result<Vec<u8>, SyntaxError> {
    let (type_, attributes) = match category.kind {
        Kind::Restrictive => (RESTRICTIVE, bits(category)?),
        Kind::Permissive => (PERMISSIVE, bits(category)?),
        Kind::Informative => (INFORMATIVE, bits(category)?),
        Kind::EnumeratedRestrictive => (ENUMERATED_RESTRICTIVE, integers(category)),
        Kind::EnumeratedPermissive => (ENUMERATED_PERMISSIVE, integers(category)),
        Kind::InformativeSet => (INFORMATIVE, integers(category)),
    };
    let tag_name = der::element(OBJECT_IDENTIFIER, category.tag_set.as_bytes());
    let value = der::constructed(SEQUENCE, &[tag_name, attributes]);
    let parts = [
        der::element(0x80, type_.as_bytes()),
        der::element(0xa1, &value),
    ];
    Ok(der::constructed(SEQUENCE, &parts))
}

fn bits(category: &Category) -> Result<Vec<u8>, SyntaxError> {
    Ok(der::element(
        BIT_STRING,
        &der::bit_content(&category.values)?,
    ))
}

fn integers(category: &Category) -> Vec<u8> {
    der::set_of(SET, der::integers(&category.values))
}
