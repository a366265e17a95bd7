//! Duty: ESSSecurityLabel and EquivalentLabels, octets to [`Label`] and back.
//! Promises: writes DER; reads components in any order; `decode(encode(x)) = x`.
//! Refuses: duplicate or unknown components, trailing octets, negative or huge numbers, unknown
//! category syntaxes (such a label cannot be decided), bit maps without a value.
//! Standards: RFC 2634 §3.2 and §3.4, X.841, X.411 (the same octets).

use std::collections::BTreeSet;

use const_oid::ObjectIdentifier;

use super::ber;
use super::category::{self, Empty, Under};
use super::der::{
    self, Element, INTEGER, OBJECT_IDENTIFIER, PRINTABLE_STRING, SEQUENCE, SET, SyntaxError,
    SyntaxProblem, UTF8_STRING,
};
use super::missi;
use super::named;
use super::nato::Tolerance;
use super::policy::{Policies, Policy};
use super::value::{Label, PrivacyMark};

/// Reads a label; the components may stand in any order.
///
/// A label without policy or classification is read: it says something, but only denial can follow.
///
/// # Errors
/// When the octets are not exactly one label, or a category syntax is not known.
pub fn decode(octets: &[u8]) -> Result<Label, SyntaxError> {
    let set = der::whole(octets, SET, "a security label (SET)")?;
    label(&set, |_| Under::default())
}

/// As [`decode`], and with the label's policy: it says which kind enumerated MISSI tags are and what the
/// names of RFC 3114 mean, and its rbacId says which syntax of categories may stand there.
///
/// # Errors
/// As [`decode`], and when the policy does not settle the kind or names another syntax.
pub fn decode_under(octets: &[u8], policies: &Policies) -> Result<Label, SyntaxError> {
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
) -> Result<Label, SyntaxError> {
    let set = der::whole(octets, SET, "a security label (SET)")?;
    label(&set, |oid| Under {
        policy: oid.and_then(|oid| policies.get(&oid)),
        any_syntax: tolerances.contains(&Tolerance::CategorySyntax),
    })
}

/// As [`decode_under`] with one policy, which gives a label of another policy no meaning.
pub(super) fn decode_for(octets: &[u8], policy: &Policy) -> Result<Label, SyntaxError> {
    let set = der::whole(octets, SET, "a security label (SET)")?;
    label(&set, |oid| Under {
        policy: (oid == Some(policy.oid)).then_some(policy),
        any_syntax: false,
    })
}

/// As [`decode_tolerantly`], and accepts lengths that BER allows and DER does not (RFC 7444 has labels
/// so).
///
/// # Errors
/// As [`decode_under`].
pub fn decode_ber(
    octets: &[u8],
    policies: &Policies,
    tolerances: &[Tolerance],
) -> Result<Label, SyntaxError> {
    decode_tolerantly(&ber::definite(octets)?, policies, tolerances)
}

/// Reads a label and refuses every form but the canonical one.
///
/// # Errors
/// As [`decode`], and when the octets are not as [`encode`] writes them.
pub fn decode_der(octets: &[u8]) -> Result<Label, SyntaxError> {
    let label = decode(octets)?;
    if encode(&label)? != octets {
        return Err(SyntaxProblem::NotDer.at(0));
    }
    Ok(label)
}

/// Writes a label as DER.
///
/// # Errors
/// When the label has no policy, a privacy mark outside its type, more than 64 categories, or a bit
/// position above the limit.
pub fn encode(label: &Label) -> Result<Vec<u8>, SyntaxError> {
    write(label, || category::encode(&label.categories))
}

/// Writes a label as DER with its categories in the MISSI (SDN.801) syntax; the policy must settle the
/// kind of every enumerated tag set, since the octets do not say it.
///
/// # Errors
/// As [`encode`], and when the policy leaves the kind open.
pub fn encode_missi(policy: &Policy, label: &Label) -> Result<Vec<u8>, SyntaxError> {
    let kind_of = |tag_set: &ObjectIdentifier| policy.enumerated_kind(tag_set);
    write(label, || {
        missi::encode(&label.categories, missi::Form::Label, &kind_of).map(|one| vec![one])
    })
}

/// Writes a label as DER with its categories as names (RFC 3114).
///
/// # Errors
/// As [`encode`], and when a category has no name of its own in the policy.
pub fn encode_names(policy: &Policy, label: &Label) -> Result<Vec<u8>, SyntaxError> {
    write(label, || {
        named::encode(&label.categories, policy).map(|one| vec![one])
    })
}

fn write(
    label: &Label,
    categories: impl FnOnce() -> Result<Vec<Vec<u8>>, SyntaxError>,
) -> Result<Vec<u8>, SyntaxError> {
    // RFC 2634 §3.2: the policy identifier is mandatory.
    let policy = label
        .policy
        .ok_or(SyntaxProblem::Missing("the policy identifier").at(0))?;
    let mut parts = Vec::with_capacity(4);
    // X.690 §10.3: the components of a SET stand in the order of their tags:
    // INTEGER 2, OBJECT IDENTIFIER 6, UTF8String 12, SET 17, PrintableString 19.
    if let Some(classification) = label.classification {
        parts.push(der::integer(classification.into()));
    }
    parts.push(der::element(OBJECT_IDENTIFIER, policy.as_bytes()));
    if let Some(PrivacyMark::Utf8(text)) = &label.privacy_mark {
        if text.is_empty() {
            return Err(SyntaxProblem::PrivacyMark.at(0));
        }
        parts.push(der::element(UTF8_STRING, text.as_bytes()));
    }
    if !label.categories.is_empty() {
        parts.push(der::set_of(SET, categories()?));
    }
    if let Some(PrivacyMark::Printable(text)) = &label.privacy_mark {
        if !is_printable_mark(text.as_bytes()) {
            return Err(SyntaxProblem::PrivacyMark.at(0));
        }
        parts.push(der::element(PRINTABLE_STRING, text.as_bytes()));
    }
    Ok(der::constructed(SET, &parts))
}

/// Reads EquivalentLabels. RFC 2634 §3.4: the policies are all different.
///
/// # Errors
/// When the octets are not exactly one such sequence, a label has no policy, or two have the same.
pub fn decode_equivalent_labels(octets: &[u8]) -> Result<Vec<Label>, SyntaxError> {
    let sequence = der::whole(octets, SEQUENCE, "equivalent labels (SEQUENCE)")?;
    let mut reader = sequence.inside();
    let mut labels = Vec::new();
    let mut policies = BTreeSet::new();
    while !reader.is_empty() {
        let element = reader
            .next("a security label")?
            .expect(SET, "a security label (SET)")?;
        let label = label(&element, |_| Under::default())?;
        let policy = label
            .policy
            .ok_or(SyntaxProblem::Missing("the policy identifier").at(element.start))?;
        if !policies.insert(policy) {
            return Err(SyntaxProblem::DuplicateComponent("a policy").at(element.start));
        }
        labels.push(label);
    }
    if labels.is_empty() {
        return Err(SyntaxProblem::Missing("an equivalent label").at(sequence.start));
    }
    Ok(labels)
}

/// Writes EquivalentLabels as DER.
///
/// # Errors
/// As [`encode`], and when there is no label or two of one policy.
pub fn encode_equivalent_labels(labels: &[Label]) -> Result<Vec<u8>, SyntaxError> {
    let parts = labels.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let octets = der::constructed(SEQUENCE, &parts);
    decode_equivalent_labels(&octets)?;
    Ok(octets)
}

/// The components of a label where they stand in its octets; the categories are not yet read.
pub(super) struct Components<'a> {
    pub(super) classification: Option<u64>,
    pub(super) policy: Option<Element<'a>>,
    mark: Option<(u8, &'a str)>,
    pub(super) categories: Option<Element<'a>>,
}

impl<'a> Components<'a> {
    /// The text of the privacy mark.
    pub(super) fn mark_text(&self) -> Option<&'a str> {
        self.mark.map(|(_, text)| text)
    }
}

/// Finds the components of the label that fills all octets.
pub(super) fn components(octets: &[u8]) -> Result<Components<'_>, SyntaxError> {
    split(&der::whole(octets, SET, "a security label (SET)")?)
}

fn split<'a>(set: &Element<'a>) -> Result<Components<'a>, SyntaxError> {
    let mut found = Components {
        classification: None,
        policy: None,
        mark: None,
        categories: None,
    };
    let mut reader = set.inside();
    if reader.is_empty() {
        return Err(SyntaxProblem::Missing("every component of the label").at(set.start));
    }
    while !reader.is_empty() {
        let element = reader.next("a label component")?;
        let (what, twice) = match element.tag {
            INTEGER => {
                let before = found.classification.replace(element.integer()?);
                ("the classification", before.is_some())
            }
            OBJECT_IDENTIFIER => {
                let before = found.policy.replace(element);
                ("the policy identifier", before.is_some())
            }
            UTF8_STRING | PRINTABLE_STRING => {
                let before = found.mark.replace((element.tag, mark_text(&element)?));
                ("the privacy mark", before.is_some())
            }
            SET => {
                let before = found.categories.replace(element);
                ("the set of categories", before.is_some())
            }
            found => {
                let expected = "policy, classification, privacy mark or categories";
                return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(element.start));
            }
        };
        if twice {
            return Err(SyntaxProblem::DuplicateComponent(what).at(element.start));
        }
    }
    Ok(found)
}

fn label<'p>(
    set: &Element<'_>,
    under: impl Fn(Option<ObjectIdentifier>) -> Under<'p>,
) -> Result<Label, SyntaxError> {
    let found = split(set)?;
    let mut label = Label {
        policy: match found.policy {
            Some(element) => Some(element.object_identifier()?),
            None => None,
        },
        classification: found.classification,
        privacy_mark: found.mark.map(|(tag, text)| match tag {
            UTF8_STRING => PrivacyMark::Utf8(text.to_owned()),
            _ => PrivacyMark::Printable(text.to_owned()),
        }),
        ..Label::default()
    };
    // Last, because the policy may stand after them.
    if let Some(element) = found.categories {
        let found = category::decode(&element, Empty::Refused, under(label.policy))?;
        if let Some((type_, position)) = found.unknown.first() {
            return Err(SyntaxProblem::UnknownCategory(*type_).at(*position));
        }
        // SDN.801: a security level equals the label's classification.
        for (level, position) in found.levels {
            if label.classification != Some(level) {
                return Err(SyntaxProblem::SecurityLevel(level).at(position));
            }
        }
        label.categories = found.categories;
    }
    Ok(label)
}

fn mark_text<'a>(element: &Element<'a>) -> Result<&'a str, SyntaxError> {
    let wrong = || SyntaxProblem::PrivacyMark.at(element.content_start);
    let text = std::str::from_utf8(element.content).map_err(|_| wrong())?;
    let fits = match element.tag {
        UTF8_STRING => !text.is_empty(),
        _ => is_printable_mark(element.content),
    };
    if fits { Ok(text) } else { Err(wrong()) }
}

// X.680 §41.4: the characters of PrintableString. RFC 2634 §3.2: 1 to 128 of them.
fn is_printable_mark(octets: &[u8]) -> bool {
    let printable = |octet: &u8| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(octet);
    (1..=128).contains(&octets.len()) && octets.iter().all(printable)
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn canonical_examples() {
        for hex in [
            "3106020103060129",
            "312d0201030601290c0945594553204f4e4c59311a3018800a60864801650201080302a10a30080602290903020780",
            "312d020103060129311a3018800a60864801650201080302a10a30080602290903020780130945594553204f4e4c59",
            "312902010406052b1a010301311d301b800a60864801650201080300a10d300b06052b1a01040103020640",
            "313702010206052b1a010301312b3029800a60864801650201080301a11b301906052b1a010402311002020188020202f402020324020203e9",
        ] {
            let label = decode_der(&octets(hex)).unwrap();
            assert_eq!(encode(&label).unwrap(), octets(hex));
        }
    }

    #[test]
    fn any_order_is_read_but_is_not_der() {
        let written = octets("3106060129020103");
        assert_eq!(decode(&written), decode(&octets("3106020103060129")));
        assert_eq!(
            decode_der(&written).unwrap_err().problem,
            SyntaxProblem::NotDer
        );
    }

    #[test]
    fn five_kinds_of_one_tag_set() {
        let tag_set = ObjectIdentifier::new_unwrap("1.1.9");
        let mut label = Label::new(ObjectIdentifier::new_unwrap("1.1"), 3);
        for (position, kind) in Kind::ALL.into_iter().enumerate() {
            if kind != Kind::InformativeSet {
                label
                    .categories
                    .insert(tag_set, kind, u128::try_from(position).unwrap() * 100);
            }
        }
        assert_eq!(decode_der(&encode(&label).unwrap()).unwrap(), label);
    }

    #[test]
    fn both_encodings_of_tag_type_7_at_once_are_refused() {
        let tag_set = ObjectIdentifier::new_unwrap("1.1.9");
        let mut label = Label::new(ObjectIdentifier::new_unwrap("1.1"), 3);
        label.categories.insert(tag_set, Kind::Informative, 1);
        assert!(decode(&encode(&label).unwrap()).is_ok());
        label.categories.insert(tag_set, Kind::InformativeSet, 1);
        assert!(decode(&encode(&label).unwrap()).is_err());
    }

    #[test]
    fn what_is_refused() {
        for (hex, problem) in [
            ("", SyntaxProblem::Empty),
            (
                "3100",
                SyntaxProblem::Missing("every component of the label"),
            ),
            (
                "3109020103020104060129",
                SyntaxProblem::DuplicateComponent("the classification"),
            ),
            ("31060201ff060129", SyntaxProblem::Negative),
            ("3106020103060129dead", SyntaxProblem::Trailing),
            ("31800201030601290000", SyntaxProblem::Length),
            ("31080201030601293100", SyntaxProblem::CategoryCount(0)),
            ("31080201030601290c00", SyntaxProblem::PrivacyMark),
            ("31090201030601291301ff", SyntaxProblem::PrivacyMark),
            ("3109020103060129130140", SyntaxProblem::PrivacyMark),
            ("3108020103060129", SyntaxProblem::EndsEarly),
            (
                "31080201030601290500",
                SyntaxProblem::UnexpectedTag {
                    expected: "policy, classification, privacy mark or categories",
                    found: 5,
                },
            ),
        ] {
            assert_eq!(decode(&octets(hex)).unwrap_err().problem, problem, "{hex}");
        }
    }

    #[test]
    fn equivalent_labels_have_different_policies() {
        let written = octets("30103106020103060129310602010406012a");
        let labels = decode_equivalent_labels(&written).unwrap();
        assert_eq!(labels.len(), 2);
        assert_eq!(encode_equivalent_labels(&labels).unwrap(), written);
        let twice = octets("301031060201030601293106020104060129");
        assert!(decode_equivalent_labels(&twice).is_err());
        assert!(decode_equivalent_labels(&octets("3000")).is_err());
    }
}
