//! Duty: the Clearance attribute value, octets to [`Clearance`] and back.
//! Promises: writes the RFC 5755 form as DER; reads that form and the one of RFC 3281.
//! Refuses: a mixture of both, duplicates, trailing octets. Categories of unknown syntax grant
//! nothing and are reported.
//! Standards: RFC 5755 §4.4.6, X.501; RFC 3281 §4.4.6 and X.841 (read only).

use std::collections::BTreeSet;

use const_oid::ObjectIdentifier;

use super::category::{self, Empty, Found, Under};
use super::der::{
    self, BIT_STRING, OBJECT_IDENTIFIER, Reader, SEQUENCE, SET, SyntaxError, SyntaxProblem,
};
use super::missi;
use super::nato::Tolerance;
use super::policy::{Policies, Policy};
use super::value::Clearance;

/// The clearance attribute of X.501.
pub const ATTRIBUTE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.55");

/// The number of "unclassified", the default of the class list.
const UNCLASSIFIED: u64 = 1;

/// A clearance together with what was passed over in reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What is granted.
    pub clearance: Clearance,
    /// Category types that are not known; they grant nothing, and the audit should say so.
    pub ignored: Vec<ObjectIdentifier>,
}

/// Reads a clearance. Categories of unknown syntax grant nothing.
///
/// # Errors
/// When the octets are not exactly one clearance.
pub fn decode(octets: &[u8]) -> Result<Clearance, SyntaxError> {
    decode_with_notes(octets).map(|decoded| decoded.clearance)
}

/// Reads a clearance and says which categories were passed over.
///
/// # Errors
/// When the octets are not exactly one clearance.
pub fn decode_with_notes(octets: &[u8]) -> Result<Decoded, SyntaxError> {
    read(octets, |_| Under::default())
}

/// As [`decode_with_notes`], and with the clearance's policy: it says which kind enumerated MISSI
/// privileges are and what the names of RFC 3114 mean, and its privilegeId says which syntax of categories
/// may stand there.
///
/// # Errors
/// When the octets are not exactly one clearance, or the policy does not settle the kind or names another
/// syntax.
pub fn decode_under(octets: &[u8], policies: &Policies) -> Result<Decoded, SyntaxError> {
    decode_tolerantly(octets, policies, &[])
}

/// As [`decode_under`]; with [`Tolerance::CategorySyntax`] every known syntax of categories is read.
///
/// # Errors
/// As [`decode_under`].
pub fn decode_tolerantly(
    octets: &[u8],
    policies: &Policies,
    tolerances: &[Tolerance],
) -> Result<Decoded, SyntaxError> {
    read(octets, |oid| Under {
        policy: policies.get(oid),
        any_syntax: tolerances.contains(&Tolerance::CategorySyntax),
    })
}

fn read<'p>(
    octets: &[u8],
    under: impl Fn(&ObjectIdentifier) -> Under<'p>,
) -> Result<Decoded, SyntaxError> {
    let sequence = der::whole(octets, SEQUENCE, "a clearance (SEQUENCE)")?;
    let mut reader = sequence.inside();
    let policy = reader.next("the policy identifier")?;
    // RFC 5755 §4.4.6: the first inner tag tells the two forms apart.
    let tags = match policy.tag {
        OBJECT_IDENTIFIER => [BIT_STRING, SET],
        0x80 => [0x81, 0xa2],
        found => {
            let expected = "the policy identifier";
            return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(policy.start));
        }
    };
    let [class_tag, category_tag] = tags;
    let policy = policy.object_identifier()?;
    let mut classifications = BTreeSet::from([UNCLASSIFIED]);
    if reader.peek() == Some(class_tag) {
        classifications = reader.next("the class list")?.bits()?;
    }
    let mut found = Found::default();
    if reader.peek() == Some(category_tag) {
        let set = reader.next("the security categories")?;
        found = category::decode(&set, Empty::Grants, under(&policy))?;
    }
    refuse_rest(&mut reader)?;
    Ok(Decoded {
        clearance: Clearance {
            policy,
            classifications,
            categories: found.categories,
        },
        ignored: found.unknown.into_iter().map(|(type_, _)| type_).collect(),
    })
}

/// Writes a clearance as DER, in the form of RFC 5755.
///
/// # Errors
/// When a bit position is above the limit or there are more than 64 categories.
pub fn encode(clearance: &Clearance) -> Result<Vec<u8>, SyntaxError> {
    write(clearance, || category::encode(&clearance.categories))
}

/// Writes a clearance as DER with its categories as MISSI (SDN.801) privileges.
///
/// # Errors
/// As [`encode`], and when the policy leaves the kind of an enumerated tag set open.
pub fn encode_missi(policy: &Policy, clearance: &Clearance) -> Result<Vec<u8>, SyntaxError> {
    let kind_of = |tag_set: &ObjectIdentifier| policy.enumerated_kind(tag_set);
    write(clearance, || {
        let form = missi::Form::Privileges;
        missi::encode(&clearance.categories, form, &kind_of).map(|one| vec![one])
    })
}

fn write(
    clearance: &Clearance,
    categories: impl FnOnce() -> Result<Vec<Vec<u8>>, SyntaxError>,
) -> Result<Vec<u8>, SyntaxError> {
    let mut parts = vec![der::element(OBJECT_IDENTIFIER, clearance.policy.as_bytes())];
    // X.690 §11.5: a value equal to its default is left out.
    if clearance.classifications != BTreeSet::from([UNCLASSIFIED]) {
        let classes = clearance
            .classifications
            .iter()
            .map(|value| u128::from(*value));
        let content = der::bit_content(classes)?;
        parts.push(der::element(BIT_STRING, &content));
    }
    if !clearance.categories.is_empty() {
        parts.push(der::set_of(SET, categories()?));
    }
    Ok(der::constructed(SEQUENCE, &parts))
}

fn refuse_rest(reader: &mut Reader<'_>) -> Result<(), SyntaxError> {
    if reader.is_empty() {
        return Ok(());
    }
    let element = reader.next("the end of the clearance")?;
    let problem = match element.tag {
        BIT_STRING | SET | 0x81 | 0xa2 => SyntaxProblem::MixedTagging,
        found => SyntaxProblem::UnexpectedTag {
            expected: "class list or security categories",
            found,
        },
    };
    Err(problem.at(element.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn class_lists() {
        for (hex, classes) in [
            ("300706012903020470", vec![1, 2, 3]),
            ("3003060129", vec![1]),
            ("3006060129030100", vec![]),
        ] {
            let clearance = decode(&octets(hex)).unwrap();
            assert_eq!(
                clearance.classifications,
                classes.into_iter().collect(),
                "{hex}"
            );
            assert_eq!(encode(&clearance).unwrap(), octets(hex));
        }
    }

    #[test]
    fn both_taggings_mean_the_same() {
        let new = "302306012903020470311a3018800a60864801650201080302a10a300806022909030205a0";
        let old = "302380012981020470a21a3018800a60864801650201080302a10a300806022909030205a0";
        let clearance = decode(&octets(new)).unwrap();
        assert_eq!(clearance, decode(&octets(old)).unwrap());
        assert_eq!(encode(&clearance).unwrap(), octets(new));
        let mixed = "302306012981020470a21a3018800a60864801650201080302a10a300806022909030205a0";
        assert_eq!(
            decode(&octets(mixed)).unwrap_err().problem,
            SyntaxProblem::MixedTagging
        );
    }

    #[test]
    fn unknown_categories_grant_nothing_and_are_named() {
        let hex = "301f060129311a3018800a60864801650201080363a10a300806022909030205a0";
        let decoded = decode_with_notes(&octets(hex)).unwrap();
        assert!(decoded.clearance.categories.is_empty());
        assert_eq!(decoded.ignored.len(), 1);
    }

    #[test]
    fn what_is_refused() {
        for hex in [
            "",
            "3000",
            "3003060129ff",
            "30060601290302",
            "300a06012903020470030204",
        ] {
            assert!(decode(&octets(hex)).is_err(), "{hex}");
        }
    }
}
