//! Duty: the MISSI (SDN.801) category syntaxes: security tags in labels, privileges in clearances.
//! Promises: the same values as the ACP 145 form of the label or clearance would give; writes DER.
//! Refuses: an enumerated tag whose kind no loaded policy gives, local RBAC labels, a tag without a value,
//! unknown tags.
//! Standards: SDN.801(c), ACP 145(A) Annex C; standards/labels.md sections 3.2 and 3.3.

use std::collections::{BTreeMap, BTreeSet};

use const_oid::ObjectIdentifier;

use super::der::{
    self, BIT_STRING, Element, INTEGER, OBJECT_IDENTIFIER, Reader, SEQUENCE, SET, SyntaxError,
    SyntaxProblem,
};
use super::value::{Categories, Kind};

/// The one category of a MISSI label.
pub(super) const LABEL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.1");
/// The one category of a clearance with MISSI privileges.
pub(super) const PRIVILEGES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.8.2");

/// Says whether the enumerated tags of a tag set are restrictive or permissive: the wire does not.
pub(super) type EnumeratedKind<'a> = dyn Fn(&ObjectIdentifier) -> Option<Kind> + 'a;

/// What the tags say.
#[derive(Debug, Default)]
pub(super) struct Tags {
    pub(super) categories: Categories,
    /// Each security level beside a tag, with its place: it must equal the classification.
    pub(super) levels: Vec<(u64, usize)>,
}

/// Reads StandardSecurityLabel: SET OF NamedTagSet.
pub(super) fn label_tags(
    value: &Element<'_>,
    kind_of: &EnumeratedKind<'_>,
) -> Result<Tags, SyntaxError> {
    let mut tags = Tags::default();
    for_each_set(value, |tag_set, tag| {
        let (kind, values) = match tag.tag {
            0xa1 => (Kind::Restrictive, tags.leveled(&tag, BIT_STRING)?.values()?),
            0xa2 => (
                enumerated(&tag_set, &tag, kind_of)?,
                tags.leveled(&tag, SET)?.values()?,
            ),
            0xa6 => (Kind::Permissive, tags.leveled(&tag, BIT_STRING)?.values()?),
            // EXPLICIT: the tag wraps a whole BIT STRING or SET OF INTEGER.
            0xa7 => {
                let mut inside = tag.inside();
                let form = inside.next("the free form")?;
                inside.finish()?;
                match form.tag {
                    BIT_STRING => (Kind::Informative, form.values()?),
                    _ => {
                        let form = form.expect(SET, "a bit string or a set of integers")?;
                        (Kind::InformativeSet, form.values()?)
                    }
                }
            }
            found => {
                let expected = "a security tag [1], [2], [6] or [7]";
                return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(tag.start));
            }
        };
        if values.is_empty() {
            return Err(SyntaxProblem::EmptyCategory.at(tag.start));
        }
        insert(&mut tags.categories, tag_set, kind, values);
        Ok(())
    })?;
    Ok(tags)
}

/// Reads the privileges of a clearance; a tag without a value grants nothing.
pub(super) fn privileges(
    value: &Element<'_>,
    kind_of: &EnumeratedKind<'_>,
) -> Result<Categories, SyntaxError> {
    let mut categories = Categories::default();
    for_each_set(value, |tag_set, tag| {
        let (kind, values) = match tag.tag {
            0x81 => (Kind::Restrictive, tag.tagged(BIT_STRING).values()?),
            0xa2 => (
                enumerated(&tag_set, &tag, kind_of)?,
                tag.tagged(SET).values()?,
            ),
            0x86 => (Kind::Permissive, tag.tagged(BIT_STRING).values()?),
            found => {
                let expected = "a privilege [1], [2] or [6]";
                return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(tag.start));
            }
        };
        insert(&mut categories, tag_set, kind, values);
        Ok(())
    })?;
    Ok(categories)
}

/// Which of the two syntaxes is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Label,
    Privileges,
}

/// Writes the one SecurityCategory, without security levels.
pub(super) fn encode(
    categories: &Categories,
    form: Form,
    kind_of: &EnumeratedKind<'_>,
) -> Result<Vec<u8>, SyntaxError> {
    let mut sets: BTreeMap<ObjectIdentifier, Vec<Vec<u8>>> = BTreeMap::new();
    for entry in categories {
        let bits = || der::bit_content(entry.values.iter().copied());
        let set = |tag| der::set_of(tag, der::integers(&entry.values));
        // Restrictive or permissive is not on the wire: the policy must leave no doubt.
        if matches!(
            entry.kind,
            Kind::EnumeratedRestrictive | Kind::EnumeratedPermissive
        ) && kind_of(&entry.tag_set) != Some(entry.kind)
        {
            return Err(SyntaxProblem::UnresolvedKind(entry.tag_set).at(0));
        }
        let tag = match (form, entry.kind) {
            (Form::Label, Kind::Restrictive) => {
                der::element(0xa1, &der::element(BIT_STRING, &bits()?))
            }
            (Form::Label, Kind::Permissive) => {
                der::element(0xa6, &der::element(BIT_STRING, &bits()?))
            }
            (Form::Label, Kind::Informative) => {
                der::element(0xa7, &der::element(BIT_STRING, &bits()?))
            }
            (Form::Label, Kind::InformativeSet) => der::element(0xa7, &set(SET)),
            (Form::Label, _) => der::element(0xa2, &set(SET)),
            (Form::Privileges, Kind::Restrictive) => der::element(0x81, &bits()?),
            (Form::Privileges, Kind::Permissive) => der::element(0x86, &bits()?),
            // No type 7 in clearances; it would grant nothing.
            (Form::Privileges, Kind::Informative | Kind::InformativeSet) => continue,
            (Form::Privileges, _) => set(0xa2),
        };
        sets.entry(entry.tag_set).or_default().push(tag);
    }
    let named = sets
        .into_iter()
        .map(|(tag_set, mut tags)| {
            // By tag number: [1], [2], [6], [7], as the examples have it.
            tags.sort_unstable_by_key(|tag| tag.first().map(|tag| tag & 0x1f));
            let name = der::element(OBJECT_IDENTIFIER, tag_set.as_bytes());
            der::constructed(SEQUENCE, &[name, der::constructed(SEQUENCE, &tags)])
        })
        .collect();
    let type_ = match form {
        Form::Label => LABEL,
        Form::Privileges => PRIVILEGES,
    };
    let parts = [
        der::element(0x80, type_.as_bytes()),
        der::element(0xa1, &der::set_of(SET, named)),
    ];
    Ok(der::constructed(SEQUENCE, &parts))
}

/// Gives each tag of SET OF SEQUENCE { tag set OID, SEQUENCE OF tag }; a tag set may occur once.
fn for_each_set<'a>(
    value: &Element<'a>,
    mut read: impl FnMut(ObjectIdentifier, Element<'a>) -> Result<(), SyntaxError>,
) -> Result<(), SyntaxError> {
    let set = value.expect(SET, "a set of named tag sets")?;
    let mut reader = set.inside();
    let mut seen = BTreeSet::new();
    while !reader.is_empty() {
        let named = reader
            .next("a named tag set")?
            .expect(SEQUENCE, "a named tag set")?;
        let mut inside = named.inside();
        let tag_set = inside
            .next("the tag set name")?
            .expect(OBJECT_IDENTIFIER, "the tag set name")?
            .object_identifier()?;
        if !seen.insert(tag_set) {
            return Err(SyntaxProblem::DuplicateComponent("a tag set").at(named.start));
        }
        let tags = inside
            .next("the tags")?
            .expect(SEQUENCE, "the tags (SEQUENCE)")?;
        inside.finish()?;
        let mut tags: Reader<'a> = tags.inside();
        while !tags.is_empty() {
            read(tag_set, tags.next("a tag")?)?;
        }
    }
    if seen.is_empty() {
        return Err(SyntaxProblem::EmptyCategory.at(set.start));
    }
    Ok(())
}

impl Tags {
    /// The values of IMPLICIT SEQUENCE { securityLevel INTEGER OPTIONAL, values }.
    fn leveled<'a>(&mut self, tag: &Element<'a>, wanted: u8) -> Result<Element<'a>, SyntaxError> {
        let mut inside = tag.inside();
        if inside.peek() == Some(INTEGER) {
            let level = inside.next("the security level")?;
            self.levels.push((level.integer()?, level.start));
        }
        let values = inside
            .next("the values")?
            .expect(wanted, "the values of the tag")?;
        inside.finish()?;
        Ok(values)
    }
}

fn enumerated(
    tag_set: &ObjectIdentifier,
    tag: &Element<'_>,
    kind_of: &EnumeratedKind<'_>,
) -> Result<Kind, SyntaxError> {
    kind_of(tag_set).ok_or_else(|| SyntaxProblem::UnresolvedKind(*tag_set).at(tag.start))
}

fn insert(
    categories: &mut Categories,
    tag_set: ObjectIdentifier,
    kind: Kind,
    values: BTreeSet<u128>,
) {
    for value in values {
        categories.insert(tag_set, kind, value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{clearance, ess};
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    /// A label of class 3 with one MISSI category that has this value.
    fn label(value: &str) -> Result<super::super::Label, SyntaxError> {
        let size = |hex: &str, more: usize| format!("{:02x}", hex.len() / 2 + more);
        let category = format!("8009608648016502010801a1{}{value}", size(value, 0));
        let set = format!("30{}{category}", size(&category, 0));
        ess::decode(&octets(&format!(
            "31{}02010306012931{}{set}",
            size(&set, 8),
            size(&set, 0)
        )))
    }

    #[test]
    fn tags_with_and_without_level() {
        let bare = label("310e300c060229093006a10403020780").unwrap();
        let tag_set = ObjectIdentifier::new_unwrap("1.1.9");
        assert!(bare.categories.contains(&tag_set, Kind::Restrictive, 0));
        let leveled = label("3111300f060229093009a10702010303020780").unwrap();
        assert_eq!(leveled, bare);
        let other = label("3111300f060229093009a10702010403020780").unwrap_err();
        assert_eq!(other.problem, SyntaxProblem::SecurityLevel(4));
    }

    #[test]
    fn what_is_refused() {
        let tag_set = ObjectIdentifier::new_unwrap("1.1.9");
        for (value, problem) in [
            (
                "310f300d060229093007a2053103020105",
                SyntaxProblem::UnresolvedKind(tag_set),
            ),
            (
                "310d300b060229093005a103030100",
                SyntaxProblem::EmptyCategory,
            ),
            ("3100", SyntaxProblem::EmptyCategory),
            (
                "30050601293100",
                SyntaxProblem::UnexpectedTag {
                    expected: "a set of named tag sets",
                    found: 0x30,
                },
            ),
            (
                "310e300c060229093006a50403020780",
                SyntaxProblem::UnexpectedTag {
                    expected: "a security tag [1], [2], [6] or [7]",
                    found: 0xa5,
                },
            ),
        ] {
            assert_eq!(label(value).unwrap_err().problem, problem, "{value}");
        }
    }

    #[test]
    fn the_published_example_is_written() {
        let tag_set = ObjectIdentifier::new_unwrap("1.1.9");
        let mut categories = Categories::default();
        for (kind, value) in [
            (Kind::Restrictive, 0),
            (Kind::EnumeratedRestrictive, 5),
            (Kind::Permissive, 9),
            (Kind::Informative, 2),
        ] {
            categories.insert(tag_set, kind, value);
        }
        let kind_of = |_: &ObjectIdentifier| Some(Kind::EnumeratedRestrictive);
        assert_eq!(
            encode(&categories, Form::Label, &kind_of).unwrap(),
            octets(
                "30318009608648016502010801a1243122302006022909301aa10403020780a2053103020105a6050303060040a70403020520"
            )
        );
        let kind_of = |_: &ObjectIdentifier| Some(Kind::EnumeratedPermissive);
        assert!(encode(&categories, Form::Label, &kind_of).is_err());
    }

    #[test]
    fn a_missi_category_stands_alone() {
        let alone =
            "3127020103060129311f301d8009608648016502010801a110310e300c060229093006a10403020780";
        assert!(ess::decode(&octets(alone)).is_ok());
        let beside = "31410201030601293139301d8009608648016502010801a110310e300c060229093006a104030207803018800a60864801650201080302a10a30080602290903020780";
        let error = ess::decode(&octets(beside)).unwrap_err();
        assert_eq!(error.problem, SyntaxProblem::MissiNotAlone);
    }

    #[test]
    fn privileges_without_policy() {
        let hex = "3029060129030204703120301e8009608648016502010802a111310f300d06022909300781020640860100";
        let clearance = clearance::decode(&octets(hex)).unwrap();
        let tag_set = ObjectIdentifier::new_unwrap("1.1.9");
        assert!(
            clearance
                .categories
                .contains(&tag_set, Kind::Restrictive, 1)
        );
        // The permissive privilege is empty and grants nothing.
        assert_eq!(clearance.categories.len(), 1);
        let malformed =
            "302806012903020470311f301d8009608648016502010802a110310e300c060229093006810206408600";
        let error = clearance::decode(&octets(malformed)).unwrap_err();
        assert_eq!(error.problem, SyntaxProblem::BitString);
    }
}
