//! Duty: the category syntax of RFC 3114: texts, each the name of a category of the policy.
//! Promises: the same values as the ACP 145 form; writes DER, names in the policy's order.
//! Refuses: a text that is not the name of exactly one category; texts without the policy that lists them.
//! Standards: RFC 3114 §2.1.3 (SecurityCategoryValues ::= SEQUENCE OF UTF8String).

use const_oid::ObjectIdentifier;

use super::category::Empty;
use super::der::{self, Element, SEQUENCE, SyntaxError, SyntaxProblem, UTF8_STRING};
use super::policy::Policy;
use super::value::{Categories, Kind};

/// id-tsp-TEST-Whirlpool-Categories, which RFC 3114 gives to this syntax.
pub(super) const NAMES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.7.4");

/// Reads the texts into values of the policy.
pub(super) fn read(
    value: &Element<'_>,
    policy: &Policy,
    empty: Empty,
    into: &mut Categories,
) -> Result<(), SyntaxError> {
    let sequence = value.expect(SEQUENCE, "category names (SEQUENCE)")?;
    let mut reader = sequence.inside();
    if reader.is_empty() && empty == Empty::Refused {
        return Err(SyntaxProblem::EmptyCategory.at(sequence.start));
    }
    while !reader.is_empty() {
        let element = reader
            .next("a category name")?
            .expect(UTF8_STRING, "a category name")?;
        let name = std::str::from_utf8(element.content).unwrap_or_default();
        match find(policy, name) {
            Some((tag_set, kind, value)) => into.insert(tag_set, kind, value),
            // In a clearance an unknown category grants nothing.
            None if empty == Empty::Grants => {}
            None => return Err(SyntaxProblem::CategoryName.at(element.start)),
        }
    }
    Ok(())
}

/// Writes the one SecurityCategory.
pub(super) fn encode(categories: &Categories, policy: &Policy) -> Result<Vec<u8>, SyntaxError> {
    let mut names = Vec::new();
    for entry in categories {
        for value in &entry.values {
            let known = policy.category_names(&entry.tag_set, entry.kind, *value);
            let name = known.map(|(_, _, name)| name).filter(|name| {
                find(policy, name) == Some((entry.tag_set, entry.kind.meaning(), *value))
            });
            let name = name.ok_or(SyntaxProblem::CategoryName.at(0))?;
            names.push(der::element(UTF8_STRING, name.as_bytes()));
        }
    }
    let parts = [
        der::element(0x80, NAMES.as_bytes()),
        der::element(0xa1, &der::constructed(SEQUENCE, &names)),
    ];
    Ok(der::constructed(SEQUENCE, &parts))
}

/// The one category with this name.
fn find(policy: &Policy, name: &str) -> Option<(ObjectIdentifier, Kind, u128)> {
    let mut found = policy.categories.iter().filter(|one| one.name == name);
    let category = found.next().filter(|_| found.next().is_none())?;
    let tag = policy.tag(category.tag)?;
    let set = policy.tag_sets.get(tag.set)?;
    Some((set.oid, tag.kind?, category.value?))
}
