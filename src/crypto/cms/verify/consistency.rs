//! What the signers of one layer must say alike.
//!
//! Duty: hold the signed attributes of several signers against each other.
//! Promises: only good signatures speak; values are compared octet for octet, so that what might
//! mean the same but is written otherwise counts as different.
//! Standards: RFC 2634 sections 2.2, 2.4.1, 3.1.1, 3.4, 4.1; RFC 3183 section 3.1.2.

use const_oid::ObjectIdentifier;
use thiserror::Error;

use crate::crypto::cms::oid;
use crate::crypto::ess;

use super::SignerReport;

/// What does not go together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Inconsistency {
    /// Two good signers have different values, or one has none.
    #[error("the signers of the layer differ in attribute {0}")]
    Differs(ObjectIdentifier),
    /// Two of a label and its equivalents are of one policy.
    #[error("a label and its equivalents must each be of another policy (RFC 2634 §3.4)")]
    EquivalentLabels,
    /// The attribute may not stand in a signature over this kind of content.
    #[error("attribute {0} may not stand in this layer")]
    NotHere(ObjectIdentifier),
    /// A signature that adds attributes says that it is something else too.
    #[error("a signature of additional attributes must be nothing else (RFC 3183 §3.1.2)")]
    SignatureType,
}

/// Everything that does not go together in a layer with content of this type.
pub fn inconsistencies<'a>(
    content_type: &ObjectIdentifier,
    reports: impl IntoIterator<Item = &'a SignerReport>,
) -> Vec<Inconsistency> {
    let good: Vec<&SignerReport> = reports
        .into_iter()
        .filter(|report| report.is_good())
        .collect();
    let mut found = Vec::new();
    // RFC 2634 §3.1.1, §4.1; RFC 3183 §3.1.2: in every SignerInfo alike, or in none.
    for oid in [
        ess::SECURITY_LABEL,
        ess::ML_EXPANSION_HISTORY,
        ess::SIGNATURE_TYPE,
    ] {
        if differ(good.iter().map(|report| report.value(&oid))) {
            found.push(Inconsistency::Differs(oid));
        }
    }
    // RFC 2634 §2.2: a signer may have no request; those that are there are the same.
    let requests = good
        .iter()
        .filter_map(|report| report.value(&ess::RECEIPT_REQUEST));
    if differ(requests) {
        found.push(Inconsistency::Differs(ess::RECEIPT_REQUEST));
    }
    for report in good {
        found.extend(of_one(content_type, report));
    }
    found.dedup();
    found
}

fn of_one(content_type: &ObjectIdentifier, report: &SignerReport) -> Vec<Inconsistency> {
    let mut found = Vec::new();
    // RFC 2634 §2.4.1: not in a receipt. §2.10: only in a receipt.
    let not_here: &[ObjectIdentifier] = if *content_type == oid::RECEIPT {
        &[ess::RECEIPT_REQUEST, ess::ML_EXPANSION_HISTORY]
    } else {
        &[ess::MESSAGE_SIGNATURE_DIGEST]
    };
    found.extend(
        not_here
            .iter()
            .filter(|oid| report.signed_attribute_types.contains(oid))
            .map(|oid| Inconsistency::NotHere(*oid)),
    );
    if report
        .signature_types
        .contains(&ess::ADDITIONAL_ATTRIBUTES_SIGNATURE)
        && report.signature_types.len() != 1
    {
        found.push(Inconsistency::SignatureType);
    }
    if !equivalents_are_of_other_policies(report) {
        found.push(Inconsistency::EquivalentLabels);
    }
    found
}

// RFC 2634 §3.4: the policies of the label and of all equivalents are distinct.
fn equivalents_are_of_other_policies(report: &SignerReport) -> bool {
    let Some(value) = &report.equivalent_labels_der else {
        return true;
    };
    let Ok(equivalents) = ess::read_equivalent_labels(value) else {
        return false;
    };
    let mut policies = Vec::new();
    for label in report.label_der.as_deref().into_iter().chain(equivalents) {
        match ess::label_policy(label) {
            Ok(policy) if !policies.contains(&policy) => policies.push(policy),
            _ => return false,
        }
    }
    true
}

fn differ<'a, T: PartialEq + 'a>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.any(|value| first.as_ref() != Some(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::crypto::cms::attribute::AttributeDer;
    use crate::crypto::cms::read::{ContentInfo, Limits, parse};
    use crate::crypto::cms::sign::{Form, SignOrder, Signer, sign};
    use crate::crypto::cms::verify;
    use crate::crypto::keys::Identity;
    use crate::crypto::lab::{Authority, Request, Usage};

    const LABEL: [u8; 8] = [0x31, 6, 2, 1, 3, 6, 1, 0x29];
    const SAME_POLICY: [u8; 8] = [0x31, 6, 2, 1, 4, 6, 1, 0x29];
    const OTHER_POLICY: [u8; 8] = [0x31, 6, 2, 1, 3, 6, 1, 0x2a];

    fn found(
        people: &[Identity; 2],
        content_type: ObjectIdentifier,
        attributes: [Vec<AttributeDer>; 2],
    ) -> Vec<Inconsistency> {
        let [first, second] = attributes;
        let cms = sign(&SignOrder {
            content: b"content",
            content_type,
            form: Form::Attached,
            signers: &[
                Signer::new(&people[0], first),
                Signer::new(&people[1], second),
            ],
            signing_time: Timestamp::now(),
            extra_certificates: &[],
        })
        .unwrap();
        let ContentInfo::Signed(signed) = parse(&cms, &Limits::default()).unwrap() else {
            panic!("SignedData");
        };
        let reports = verify::verify(&signed, None, &verify::certificates(&signed));
        assert!(reports.iter().all(SignerReport::is_good), "{reports:?}");
        let found = inconsistencies(&content_type, &reports);
        // A signature that is not good has nothing to say.
        let mut damaged = reports;
        damaged[0]
            .problems
            .push(verify::SignatureProblem::Signature);
        damaged.truncate(1);
        assert_eq!(inconsistencies(&content_type, &damaged), []);
        found
    }

    #[test]
    fn what_signers_must_say_alike_is_held_against_each_other() {
        let now = Timestamp::now();
        let authority = Authority::new("Test", now).unwrap();
        let issue = |name| {
            authority
                .issue(Request::new(name, Usage::Sign, now))
                .unwrap()
        };
        let people = [issue("Alice"), issue("Bob")];
        let check = |first: Vec<AttributeDer>, second: Vec<AttributeDer>| {
            found(&people, oid::DATA, [first, second])
        };
        let label = || ess::security_label(&LABEL);
        let differs = |oid| vec![Inconsistency::Differs(oid)];
        assert_eq!(check(vec![label()], vec![label()]), []);
        assert_eq!(check(vec![], vec![]), []);
        let other = || ess::security_label(&OTHER_POLICY);
        assert_eq!(
            check(vec![label()], vec![other()]),
            differs(ess::SECURITY_LABEL)
        );
        assert_eq!(check(vec![label()], vec![]), differs(ess::SECURITY_LABEL));

        let types = |types: &[_]| vec![ess::signature_type(types)];
        let (domain, adding) = (ess::DOMAIN_SIGNATURE, ess::ADDITIONAL_ATTRIBUTES_SIGNATURE);
        assert_eq!(check(types(&[domain]), types(&[domain])), []);
        assert_eq!(
            check(types(&[domain]), types(&[ess::REVIEW_SIGNATURE])),
            differs(ess::SIGNATURE_TYPE)
        );
        assert_eq!(check(types(&[adding]), types(&[adding])), []);
        assert_eq!(
            check(types(&[adding, domain]), types(&[adding, domain])),
            [Inconsistency::SignatureType]
        );

        let request = |id: &[u8]| {
            let to = vec![vec![ess::GeneralName::Email("a@x.test".into())]];
            let (content_identifier, from) = (id.to_vec(), ess::ReceiptsFrom::All);
            let request = ess::ReceiptRequest {
                content_identifier,
                from,
                to,
            };
            vec![request.attribute()]
        };
        assert_eq!(check(request(b"1"), request(b"1")), []);
        assert_eq!(check(request(b"1"), vec![]), []);
        assert_eq!(
            check(request(b"1"), request(b"2")),
            differs(ess::RECEIPT_REQUEST)
        );

        let with = |equivalents: &[&[u8]]| {
            vec![label(), ess::equivalent_labels(equivalents.iter().copied())]
        };
        assert_eq!(check(with(&[&OTHER_POLICY]), with(&[&OTHER_POLICY])), []);
        for wrong in [&[&SAME_POLICY[..]][..], &[&OTHER_POLICY, &OTHER_POLICY]] {
            assert_eq!(
                check(with(wrong), with(wrong)),
                [Inconsistency::EquivalentLabels]
            );
        }

        let quoted = || vec![ess::message_signature_digest(&[7; 48])];
        assert_eq!(
            check(quoted(), quoted()),
            [Inconsistency::NotHere(ess::MESSAGE_SIGNATURE_DIGEST)]
        );
        assert_eq!(found(&people, oid::RECEIPT, [quoted(), quoted()]), []);
        assert_eq!(
            found(&people, oid::RECEIPT, [request(b"1"), request(b"1")]),
            [Inconsistency::NotHere(ess::RECEIPT_REQUEST)]
        );
    }
}
