//! The profiles of the lab: each is good for its own purpose, and for no other.

use super::*;
use crate::crypto::trust::{PolicyRules, Purpose, RevocationCheck, TrustStore};

fn now() -> Timestamp {
    "2026-11-21T08:30:00Z".parse().unwrap()
}

fn order(profile: Profile) -> Order {
    let key = provider::default()
        .generate_key(KeyKind::Ec(Curve::P384))
        .unwrap();
    Order {
        subject_der: name_der("CN=Anna,O=Alder").unwrap(),
        spki_der: key.public_spki().to_vec(),
        profile,
        emails: vec!["anna@alder.example".to_owned()],
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        not_before: now(),
        not_after: later(now(), DAY),
        crl_urls: Vec::new(),
        ocsp_urls: Vec::new(),
        clearance_der: None,
        permitted_mail: Vec::new(),
    }
}

fn store(root: &Authority) -> TrustStore {
    TrustStore::new(vec![root.certificate().clone()], Vec::new(), Vec::new())
        .with_revocation(RevocationCheck::Optional)
}

fn root() -> Authority {
    let life = DAY * 365;
    Authority::lasting("Root", now(), KeyKind::Ec(Curve::P384), life).unwrap()
}

#[test]
fn each_profile_is_for_its_purposes_only() {
    let root = root();
    use Purpose::{Authority as Issue, Client, Encrypt, Server, Sign};
    for (profile, good) in [
        (Profile::Authority(Some(0)), &[Issue][..]),
        (Profile::DomainConfidentiality, &[Encrypt]),
        (Profile::DomainSigning, &[Sign]),
        (Profile::OcspSigner, &[]),
        (Profile::Person(Deed::Encrypt), &[Encrypt]),
        (Profile::Person(Deed::Sign), &[Client, Sign]),
        (Profile::Role(Deed::Encrypt), &[Encrypt]),
        (Profile::Role(Deed::Sign), &[Sign]),
        (Profile::Switch, &[Client, Server]),
    ] {
        let certificate = root.certify_as(&order(profile)).unwrap();
        for purpose in [Issue, Client, Encrypt, Server, Sign] {
            let found = store(&root).validate(&certificate, &[], purpose, now());
            // keyUsage of an authority does not speak of the others; its extendedKeyUsage is open.
            assert_eq!(
                found.is_ok(),
                good.contains(&purpose),
                "{profile:?} {purpose:?}: {found:?}"
            );
        }
    }
}

#[test]
fn every_certificate_is_marked_and_outlives_nobody() {
    let root = root();
    let below = root
        .lasting_below("Below", now(), KeyKind::Rsa(3072), DAY * 9999)
        .unwrap();
    let mut long = order(Profile::Person(Deed::Sign));
    long.not_after = later(now(), DAY * 99_999);
    let end = below.certify_as(&long).unwrap();
    assert_eq!(
        below.certificate().not_after(),
        root.certificate().not_after()
    );
    assert_eq!(end.not_after(), root.certificate().not_after());
    for certificate in [root.certificate(), below.certificate(), &end] {
        let policies = certificate.extension(&exercise::POLICIES).unwrap();
        let notice = NOTICE.as_bytes();
        let said = policies.value.windows(notice.len());
        assert!(said.into_iter().any(|window| window == notice));
        // 64 bits of chance and more.
        assert!(certificate.serial_bytes().len() >= 16);
    }
    // The whole path is good for the policy of exercises, and for no other.
    for (policy, good) in [(EXERCISE_POLICY, true), ("1.2.3.4".parse().unwrap(), false)] {
        let rules = PolicyRules {
            acceptable: Some([policy].into()),
            explicit: true,
            ..PolicyRules::default()
        };
        let found = store(&root).with_policies(rules).validate(
            &end,
            &below.chain_below(),
            Purpose::Sign,
            now(),
        );
        assert_eq!(found.is_ok(), good, "{found:?}");
    }
}

#[test]
fn names_beyond_ascii_are_smtp_utf8_mailboxes() {
    let root = root();
    let mut wanted = order(Profile::Person(Deed::Sign));
    wanted.emails = vec![
        "änne@alder.example".to_owned(),
        "bo@alder.example".to_owned(),
    ];
    let certificate = root.certify_as(&wanted).unwrap();
    assert_eq!(certificate.emails(), wanted.emails);
    for wrong in ["anna@älder.example", "änne", "änne@"] {
        wanted.emails = vec![wrong.to_owned()];
        let found = root.certify_as(&wanted);
        assert!(matches!(found, Err(LabError::Mailbox(_))), "{wrong}");
    }
}

#[test]
fn an_authority_names_only_whom_it_may() {
    let root = root();
    let key = provider::default()
        .generate_key(KeyKind::Ec(Curve::P384))
        .unwrap();
    let mut wanted = order(Profile::Authority(None));
    wanted.spki_der = key.public_spki().to_vec();
    wanted.emails.clear();
    wanted.permitted_mail = vec!["alder.example".to_owned()];
    let certificate = root.certify_as(&wanted).unwrap();
    let bounded = Authority::from_identity(Identity::new(certificate, key, Vec::new()).unwrap());
    for (address, good) in [
        ("anna@alder.example", true),
        ("anna@deep.alder.example", true),
        ("anna@birch.example", false),
        ("anna@notalder.example", false),
        ("änne@alder.example", true),
        ("änne@birch.example", false),
    ] {
        let mut wanted = order(Profile::Person(Deed::Sign));
        wanted.emails = vec![address.to_owned()];
        let end = bounded.certify_as(&wanted).unwrap();
        let found = store(&root).validate(&end, &bounded.chain_below(), Purpose::Sign, now());
        assert_eq!(found.is_ok(), good, "{address}: {found:?}");
    }
}
