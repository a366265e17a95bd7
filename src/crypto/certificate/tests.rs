//! Certificates of the lab, of RFC 9216, and damaged ones.

use std::net::IpAddr;

use der::asn1::{Any, ObjectIdentifier, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::OtherName;

use super::*;
use crate::crypto::algorithm::KeyKind;
use crate::crypto::lab::{self, Authority, Request, Usage};

fn now() -> Timestamp {
    "2026-11-21T08:30:00Z".parse().unwrap()
}

#[test]
fn a_certificate_says_what_was_ordered() {
    let root = Authority::new("CN=Root,O=Alder", now()).unwrap();
    let order = Request::new("CN=Anna Berg,O=Alder", Usage::ServerAndClient, now())
        .email("anna@alder.example")
        .dns("mx.alder.example")
        .ip("192.0.2.25".parse().unwrap())
        .ip("2001:db8::25".parse().unwrap());
    let certificate = root.issue(order).unwrap().certificate().clone();
    assert_eq!(certificate.subject(), "CN=Anna Berg,O=Alder");
    assert_eq!(certificate.issuer(), "CN=Root,O=Alder");
    assert_eq!(certificate.issuer_der(), root.certificate().subject_der());
    assert_eq!(certificate.emails(), ["anna@alder.example"]);
    assert_eq!(certificate.dns_names(), ["mx.alder.example"]);
    let addresses: [IpAddr; 2] = [
        "192.0.2.25".parse().unwrap(),
        "2001:db8::25".parse().unwrap(),
    ];
    assert_eq!(certificate.ip_addresses(), addresses);
    assert_eq!(certificate.not_before().to_string(), "2026-11-21T07:30:00Z");
    assert_eq!(certificate.not_after().to_string(), "2027-11-21T07:30:00Z");
    assert!(certificate.key_usage().unwrap().digital_signature());
    assert!(!certificate.key_usage().unwrap().key_agreement());
    assert_eq!(certificate.extended_key_usage().unwrap().len(), 2);
    assert_eq!(certificate.basic_constraints().map(|it| it.ca), Some(false));
    assert_eq!(
        certificate.authority_key_id(),
        root.certificate().subject_key_id()
    );
    assert!(
        matches!(certificate.public_key(), PublicKey::Ec(Curve::P384, point) if point.len() == 97)
    );
    assert_eq!(
        certificate.signature_scheme(),
        Ok(SignatureScheme::Ecdsa(Digest::Sha384))
    );
    assert_eq!(certificate.serial_hex().len(), 32);
    assert!(!certificate.is_self_issued() && root.certificate().is_self_issued());
    let comment = |item: &Extension| item.value.windows(13).any(|text| text == b"demonstration");
    assert!(certificate.extensions().iter().any(comment));
    let pem = certificate.to_pem() + &root.certificate().to_pem();
    let both = Certificate::from_pem_many(pem.as_bytes()).unwrap();
    assert_eq!(both, [certificate, root.certificate().clone()]);
}

#[test]
fn issuer_and_serial_are_the_received_octets() {
    let root = Authority::new("Root", now()).unwrap();
    let certificate = root.certificate();
    let der = certificate.issuer_and_serial_der();
    let content = sequence_of(&der).unwrap();
    let rest = content.strip_prefix(certificate.issuer_der()).unwrap();
    assert_eq!(rest[..2], [2, 16]);
    assert_eq!(&rest[2..], certificate.serial_bytes());
}

#[test]
fn rsa_keys_have_their_length() {
    let root = Authority::with_key("Root", now(), KeyKind::Rsa(3072)).unwrap();
    let key = root.certificate().public_key();
    assert!(
        matches!(key, PublicKey::Rsa { bits: 3072, .. }),
        "{}",
        key.name()
    );
    assert_eq!(
        root.certificate().signature_scheme(),
        Ok(SignatureScheme::RsaPkcs1(Digest::Sha384))
    );
}

#[test]
fn addresses_beyond_ascii_and_in_the_subject_are_found() {
    let root = Authority::new("Root", now()).unwrap();
    // RFC 9598 §3, the example of appendix B.
    let mailbox = "\u{8001}\u{5e2b}@example.com";
    let value = Any::encode_from(&Utf8StringRef::new(mailbox).unwrap()).unwrap();
    let type_id = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");
    let names = SubjectAltName(vec![GeneralName::OtherName(OtherName { type_id, value })]);
    let order = Request::new(
        "CN=Old,1.2.840.113549.1.9.1=#160C6F6C644078792E6578616D65",
        Usage::Sign,
        now(),
    )
    .extension(lab::of(false, &names).unwrap());
    match root.issue(order) {
        Ok(identity) => {
            assert_eq!(identity.certificate().emails(), [mailbox, "old@xy.exame"]);
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let root = Authority::new("Root", now()).unwrap();
    let der = root.certificate().der();
    for length in 0..der.len() {
        assert!(Certificate::from_der(&der[..length]).is_err());
    }
    let longer = [der, &[0]].concat();
    assert!(Certificate::from_der(&longer).is_err());
    for position in 0..der.len() {
        for value in [0x00, 0x80, 0xff, der[position] ^ 1] {
            let mut damaged = der.to_vec();
            damaged[position] = value;
            // Many changes leave a readable certificate: its signature is trust's affair.
            if let Ok(read) = Certificate::from_der(&damaged) {
                let _ = (read.subject(), read.emails(), read.signature_scheme());
            }
        }
    }
}

#[test]
fn an_extension_twice_is_refused() {
    let root = Authority::new("Root", now()).unwrap();
    let odd = Extension {
        oid: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.7"),
        critical: false,
        value: vec![5, 0],
    };
    let once = Request::new("Once", Usage::Sign, now()).extension(odd.clone());
    let twice = once.clone().extension(odd);
    root.issue(once).unwrap();
    assert!(matches!(
        root.issue(twice),
        Err(lab::LabError::Certificate(
            CertificateError::RepeatedExtension(_)
        ))
    ));
}

#[test]
fn times_are_read_in_their_two_forms_only() {
    let read = |tag: u8, text: &str| {
        let der = tlv::element(tag, &[text.as_bytes()]);
        der::asn1::AnyRef::from_der(&der)
            .and_then(read_time)
            .map(|at| at.to_string())
            .ok()
    };
    let same = |text: &str| Some(text.to_owned());
    assert_eq!(
        read(tlv::UTC_TIME, "261121083000Z"),
        same("2026-11-21T08:30:00Z")
    );
    assert_eq!(
        read(tlv::UTC_TIME, "500101000000Z"),
        same("1950-01-01T00:00:00Z")
    );
    assert_eq!(
        read(tlv::UTC_TIME, "491231235959Z"),
        same("2049-12-31T23:59:59Z")
    );
    assert_eq!(
        read(tlv::GENERALIZED_TIME, "20500101000000Z"),
        same("2050-01-01T00:00:00Z")
    );
    assert_eq!(
        read(tlv::GENERALIZED_TIME, "99991231235959Z"),
        Some(Timestamp::MAX.to_string())
    );
    for (tag, text) in [
        (tlv::UTC_TIME, "2611210830Z"),
        (tlv::UTC_TIME, "261121083000"),
        (tlv::UTC_TIME, "261121083000+0100"),
        (tlv::UTC_TIME, "26112108300xZ"),
        (tlv::UTC_TIME, "261321083000Z"),
        (tlv::UTC_TIME, "20261121083000Z"),
        (tlv::GENERALIZED_TIME, "20261121083000.5Z"),
        (tlv::GENERALIZED_TIME, "261121083000Z"),
        (tlv::OCTET_STRING, "261121083000Z"),
    ] {
        assert_eq!(read(tag, text), None, "{text}");
    }
}

#[test]
fn a_signature_has_one_form() {
    let now = "2026-11-21T08:30:00Z".parse().unwrap();
    // The last bit of some signature is zero, so that one unused bit is good BER.
    let (der, changed) = (0..64)
        .find_map(|_| {
            let root = crate::crypto::lab::Authority::new("Root", now).unwrap();
            let der = root.certificate().der().to_vec();
            let length = root.certificate().signature().len();
            let mut changed = der.clone();
            changed[der.len() - length - 1] = 1;
            (der[der.len() - 1] & 1 == 0).then_some((der, changed))
        })
        .unwrap();
    let signature = |der: &[u8]| Certificate::from_der(der).unwrap().signature().len();
    assert!(signature(&der) > 0);
    assert_eq!(signature(&changed), 0);
}
