//! Duty: the ACP 145 security category syntaxes, shared by labels and clearances.
//! Promises: writes DER; reads components in any order of the SET; the rules of the syntax stand in
//! [`walk`] alone, whether the values become a label or go straight into masks.
//! Refuses: a second category for one (tag set, kind), a category without a value, a bit map kind
//! with an integer set or the reverse. An unknown type is reported, the caller decides.
//! Standards: ACP 145(A) Annex C, RFC 7906 §3, RFC 5755 §4.4.6.

use const_oid::ObjectIdentifier;

use super::der::{
    self, BIT_STRING, Element, OBJECT_IDENTIFIER, SEQUENCE, SET, SyntaxError, SyntaxProblem,
};
use super::missi;
use super::named;
use super::policy::Policy;
use super::value::{Categories, Category, DuplicateCategory, Kind};

/// The arc of the five types.
const ACP_145: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.3");
/// ADatP-4774.1 §5.24: XML labels, and ACP 145 for binary ones.
const NATO_BINARY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.26.0.4774.5.24.1");
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

/// How the categories of a label or clearance are written in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CategorySyntax {
    /// ACP 145(A), RFC 7906: a type for each kind.
    Acp145,
    /// SDN.801: one category that holds all tags.
    Missi,
    /// RFC 3114: the names of the categories.
    Names,
}

impl CategorySyntax {
    /// The syntax that an rbacId or privilegeId of a policy means; `None` when it names none that is known.
    pub(super) fn of(identifier: &ObjectIdentifier) -> Option<Self> {
        if *identifier == ACP_145 || *identifier == NATO_BINARY {
            return Some(CategorySyntax::Acp145);
        }
        if *identifier == missi::LABEL || *identifier == missi::PRIVILEGES {
            return Some(CategorySyntax::Missi);
        }
        (*identifier == named::NAMES).then_some(CategorySyntax::Names)
    }
}

/// Under which policy octets are read.
#[derive(Clone, Copy, Default)]
pub(super) struct Under<'a> {
    /// It settles what the octets leave open; `None` when nothing is known of it.
    pub(super) policy: Option<&'a Policy>,
    /// A syntax other than the policy's is read too.
    pub(super) any_syntax: bool,
}

impl Under<'_> {
    // standards/labels.md §3.4: the syntax in a label matches the policy's rbacId, in a clearance its
    // privilegeId, unless configured.
    pub(super) fn allows(
        self,
        syntax: CategorySyntax,
        empty: Empty,
        start: usize,
    ) -> Result<(), SyntaxError> {
        let Some(policy) = self.policy.filter(|_| !self.any_syntax) else {
            return Ok(());
        };
        if policy.options.any_category_syntax {
            return Ok(());
        }
        let wanted = match empty {
            Empty::Refused => policy.label_syntax,
            Empty::Grants => policy.clearance_syntax,
        };
        // An identifier that names no syntax stands for the common one; `lint` tells of it.
        if wanted.unwrap_or(CategorySyntax::Acp145) == syntax {
            return Ok(());
        }
        Err(SyntaxProblem::CategorySyntax.at(start))
    }
}

/// One member of the SET as it stands in the octets; what it holds is not yet read.
pub(super) enum Member<'a> {
    /// An ACP 145 category: tag set and attributes.
    Attributes {
        tag_set: Element<'a>,
        kind: Kind,
        values: Element<'a>,
    },
    /// The MISSI category, which holds all tags.
    Missi(Element<'a>),
    /// The names of RFC 3114.
    Names(Element<'a>),
    /// A type that is not known.
    Unknown(ObjectIdentifier),
}

/// Gives each member of the SET OF SecurityCategory with its place. `take` reads the values, each once,
/// and says how many there were.
pub(super) fn walk<'a>(
    set: &Element<'a>,
    empty: Empty,
    mut take: impl FnMut(Member<'a>, usize) -> Result<usize, SyntaxError>,
) -> Result<(), SyntaxError> {
    let (mut seen, mut values) = (0usize, 0usize);
    let mut reader = set.inside();
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
            .expect(0x80, "the category type [0]")?;
        let wrapper = inside
            .next("the category value")?
            .expect(0xa1, "the category value [1]")?;
        inside.finish()?;
        let mut value_reader = wrapper.inside();
        let value = value_reader.next("the category value")?;
        value_reader.finish()?;
        let member = member(&type_, &value, empty)?;
        // SDN.801: exactly one security category. The names of RFC 3114 stand alone too.
        let alone = matches!(member, Member::Missi(_) | Member::Names(_));
        if alone && (seen > 1 || !reader.is_empty()) {
            return Err(SyntaxProblem::MissiNotAlone.at(sequence.start));
        }
        let has_values = matches!(member, Member::Attributes { .. });
        let count = take(member, sequence.start)?;
        values = values.saturating_add(count);
        if values > VALUE_LIMIT {
            return Err(SyntaxProblem::TooManyValues.at(sequence.start));
        }
        if has_values && count == 0 && empty == Empty::Refused {
            return Err(SyntaxProblem::EmptyCategory.at(sequence.start));
        }
    }
    if seen == 0 {
        return Err(SyntaxProblem::CategoryCount(0).at(set.start));
    }
    Ok(())
}

fn member<'a>(
    type_: &Element<'a>,
    value: &Element<'a>,
    empty: Empty,
) -> Result<Member<'a>, SyntaxError> {
    let missi = match empty {
        Empty::Refused => missi::LABEL,
        Empty::Grants => missi::PRIVILEGES,
    };
    let (bit_kind, set_kind) = match type_.content.strip_prefix(ACP_145.as_bytes()) {
        Some([0]) => (Some(Kind::Restrictive), None),
        Some([1]) => (None, Some(Kind::EnumeratedPermissive)),
        Some([2]) => (Some(Kind::Permissive), None),
        Some([3]) => (Some(Kind::Informative), Some(Kind::InformativeSet)),
        Some([4]) => (None, Some(Kind::EnumeratedRestrictive)),
        _ if type_.content == missi.as_bytes() => return Ok(Member::Missi(*value)),
        _ if type_.content == named::NAMES.as_bytes() => return Ok(Member::Names(*value)),
        _ => return Ok(Member::Unknown(type_.object_identifier()?)),
    };
    let value = value.expect(SEQUENCE, "tag name and attributes (SEQUENCE)")?;
    let mut inside = value.inside();
    let tag_set = inside
        .next("the tag name")?
        .expect(OBJECT_IDENTIFIER, "the tag name")?;
    let values = inside.next("the attributes")?;
    inside.finish()?;
    let kind = match (values.tag, bit_kind, set_kind) {
        (BIT_STRING, Some(kind), _) | (SET, _, Some(kind)) => kind,
        (found, Some(_), _) => {
            let expected = "a bit string of attributes";
            return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(values.start));
        }
        (found, None, _) => {
            let expected = "a set of integers";
            return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(values.start));
        }
    };
    Ok(Member::Attributes {
        tag_set,
        kind,
        values,
    })
}

/// Reads the SET OF SecurityCategory.
pub(super) fn decode(
    set: &Element<'_>,
    empty: Empty,
    under: Under<'_>,
) -> Result<Found, SyntaxError> {
    let mut found = Found::default();
    let kind_of = |tag_set: &ObjectIdentifier| under.policy?.enumerated_kind(tag_set);
    walk(set, empty, |member, start| {
        match member {
            Member::Attributes {
                tag_set,
                kind,
                values,
            } => {
                under.allows(CategorySyntax::Acp145, empty, start)?;
                let category = Category {
                    tag_set: tag_set.object_identifier()?,
                    kind,
                    values: values.values()?,
                };
                let count = category.values.len();
                return found.add(category, start).map(|()| count);
            }
            Member::Missi(value) => {
                under.allows(CategorySyntax::Missi, empty, start)?;
                found.categories = match empty {
                    Empty::Refused => {
                        let tags = missi::label_tags(&value, &kind_of)?;
                        found.levels = tags.levels;
                        tags.categories
                    }
                    Empty::Grants => missi::privileges(&value, &kind_of)?,
                };
            }
            Member::Names(value) => match under.policy {
                Some(policy) => {
                    under.allows(CategorySyntax::Names, empty, start)?;
                    named::read(&value, policy, empty, &mut found.categories)?;
                }
                None => found.unknown.push((named::NAMES, start)),
            },
            Member::Unknown(type_) => found.unknown.push((type_, start)),
        }
        Ok(0)
    })?;
    Ok(found)
}

impl Found {
    fn add(&mut self, category: Category, start: usize) -> Result<(), SyntaxError> {
        // Both encodings of tag type 7 are one type on the wire.
        let other_encoding = match category.kind {
            Kind::Informative => Some(Kind::InformativeSet),
            Kind::InformativeSet => Some(Kind::Informative),
            _ => None,
        };
        if let Some(kind) = other_encoding
            && self.categories.values(&category.tag_set, kind).is_some()
        {
            let duplicate = DuplicateCategory {
                tag_set: category.tag_set,
                kind: category.kind,
            };
            return Err(SyntaxProblem::from(duplicate).at(start));
        }
        self.categories
            .add(category)
            .map_err(|duplicate| SyntaxProblem::from(duplicate).at(start))
    }
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
        &der::bit_content(category.values.iter().copied())?,
    ))
}

fn integers(category: &Category) -> Vec<u8> {
    der::set_of(SET, der::integers(&category.values))
}
