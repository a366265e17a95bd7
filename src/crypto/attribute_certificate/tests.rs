//! The reader of attribute certificates: what RFC 5755 allows, and what it does not.

use der::asn1::Ia5String;

use super::*;
use crate::crypto::lab::attributes::{AttributeOrder, no_revocation};
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::tlv;

fn now() -> Timestamp {
    "2026-11-21T08:30:00Z".parse().unwrap()
}

/// Two people of one authority, and what this order says of the first.
fn made(
    change: impl FnOnce(AttributeOrder, &Certificate) -> AttributeOrder,
) -> (
    Result<AttributeCertificate, AttributeCertificateError>,
    Certificate,
    Certificate,
) {
    let root = Authority::new("CN=Root,O=Alder", now()).unwrap();
    let issue = |name: &str| {
        let request =
            Request::new(name, Usage::Sign, now()).email(&format!("{name}@alder.example"));
        root.issue(request).unwrap()
    };
    let (anna, bela, giver) = (issue("anna"), issue("bela"), issue("attributes"));
    let clearance = [
        0x30, 0x0b, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x81, 0xfd, 0x59, 0x01,
    ];
    let order = AttributeOrder::new(anna.certificate(), now()).unwrap();
    let order = change(order.clearance(&clearance), anna.certificate());
    let octets = order.sign(&giver).unwrap();
    (
        AttributeCertificate::from_der(&octets),
        anna.certificate().clone(),
        bela.certificate().clone(),
    )
}

#[test]
fn what_was_made_is_read_and_names_its_holder_alone() {
    let by_name = |order: AttributeOrder| {
        let name = GeneralName::Rfc822Name(Ia5String::new("anna@alder.example").unwrap());
        order.named(&name).unwrap()
    };
    let by_digest = |order: AttributeOrder, anna: &Certificate| order.digest_of(anna);
    for (read, anna, bela) in [
        made(|order, _| order.extension(no_revocation())),
        made(|order, _| by_name(order)),
        made(by_digest),
    ] {
        let read = read.unwrap();
        assert!(read.is_about(&anna));
        assert!(!read.is_about(&bela));
        assert_eq!(read.serial_hex(), "07");
        assert!(read.issuer().contains("attributes"));
        let found = read.clearance(&Policies::default()).unwrap().unwrap();
        assert_eq!(found.clearance.classifications, [1].into());
        let again = AttributeCertificate::from_file(read.to_pem().as_bytes()).unwrap();
        assert_eq!(again, std::slice::from_ref(&read));
        assert_eq!(AttributeCertificate::from_file(read.der()).unwrap(), again);
    }
}

#[test]
fn every_part_of_the_holder_must_fit() {
    // The serial number of Anna's certificate beside the digest of somebody else's.
    let (read, anna, bela) = made(|order, anna| {
        let base = {
            let issuer = GeneralName::DirectoryName(anna.issuer_name().clone());
            let names = der::Encode::to_der(&vec![issuer]).unwrap();
            let serial = tlv::element(tlv::INTEGER, &[anna.serial_bytes()]);
            tlv::element(tlv::CONTEXT_0, &[&names, &serial])
        };
        let digest = {
            let value = [7u8; 32];
            let algorithm = Digest::Sha256.algorithm_der();
            let value = tlv::element(0x03, &[&[0], &value]);
            tlv::element(tlv::CONTEXT_2, &[&[0x0a, 1, 1], &algorithm, &value])
        };
        order.holder([base, digest].concat())
    });
    let read = read.unwrap();
    assert!(!read.is_about(&anna) && !read.is_about(&bela));
}

#[test]
fn forms_that_the_profile_forbids_are_refused() {
    let empty_name = tlv::element(tlv::CONTEXT_1, &[]);
    let other_object = tlv::element(
        tlv::CONTEXT_2,
        &[
            &[0x0a, 1, 2],
            &Digest::Sha256.algorithm_der(),
            &tlv::element(0x03, &[&[0], &[0; 32]]),
        ],
    );
    let sha1 = tlv::element(
        tlv::CONTEXT_2,
        &[
            &[0x0a, 1, 0],
            &Digest::Sha1.algorithm_der(),
            &tlv::element(0x03, &[&[0], &[0; 20]]),
        ],
    );
    let short = tlv::element(
        tlv::CONTEXT_2,
        &[
            &[0x0a, 1, 0],
            &Digest::Sha256.algorithm_der(),
            &tlv::element(0x03, &[&[0], &[0; 31]]),
        ],
    );
    for (holder, said) in [
        (Vec::new(), "names no holder"),
        (empty_name, "names nobody"),
        (other_object, "no certificate or key"),
        (sha1, "not accepted"),
        (short, "wrong length"),
        (vec![0xa3, 0], "malformed"),
    ] {
        let (read, ..) = made(|order, _| order.holder(holder.clone()));
        let error = read.unwrap_err();
        assert!(error.to_string().contains(said), "{error}, not {said}");
    }
    let twice = |order: AttributeOrder, _: &Certificate| order.clearance(&[0x05, 0]);
    assert!(made(twice).0.unwrap_err().to_string().contains("twice"));
    let repeated = |order: AttributeOrder, _: &Certificate| {
        order.extension(no_revocation()).extension(no_revocation())
    };
    assert!(made(repeated).0.is_err());
}

#[test]
fn octets_that_are_cut_or_changed_are_no_attribute_certificate() {
    let (read, ..) = made(|order, _| order);
    let octets = read.unwrap().der().to_vec();
    for end in 0..octets.len() {
        assert!(
            AttributeCertificate::from_der(&octets[..end]).is_err(),
            "{end}"
        );
    }
    let mut longer = octets.clone();
    longer.push(0);
    assert!(AttributeCertificate::from_der(&longer).is_err());
    // Version 1: INTEGER 1 becomes 0.
    let version = octets
        .windows(3)
        .position(|three| three == [2, 1, 1])
        .unwrap();
    let mut first = octets.clone();
    first[version + 2] = 0;
    let error = AttributeCertificate::from_der(&first).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    // Whatever one octet becomes, the reader answers.
    for place in 0..octets.len() {
        let mut changed = octets.clone();
        changed[place] ^= 0x41;
        let _ = AttributeCertificate::from_der(&changed);
    }
}
