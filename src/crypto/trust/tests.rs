//! Every rule of the validator, with a path that keeps it and one that breaks it.

use const_oid::AssociatedOid;
use der::asn1::Ia5String;
use x509_cert::ext::pkix as extension;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{KeyUsages, NameConstraints};

use super::*;
use crate::crypto::algorithm::KeyKind;
use crate::crypto::certificate::Extension;
use crate::crypto::lab::{self, Authority, Request, Usage};
use crate::crypto::provider;

pub(super) fn now() -> Timestamp {
    "2026-11-21T08:30:00Z".parse().unwrap()
}

fn days(count: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * count)
}

pub(super) fn list(authority: &Authority, revoked: &[&Certificate]) -> RevocationList {
    RevocationList::from_der(&authority.crl(revoked, now()).unwrap()).unwrap()
}

/// A store that trusts `root` and has fresh, empty CRLs of these authorities.
pub(super) fn store(root: &Authority, others: &[&Authority]) -> TrustStore {
    let lists = std::iter::once(&root)
        .chain(others)
        .map(|one| list(one, &[]))
        .collect();
    TrustStore::new(vec![root.certificate().clone()], Vec::new(), lists)
}

pub(super) fn signer(authority: &Authority) -> Certificate {
    let request = Request::new("CN=Anna,O=Alder", Usage::Sign, now()).email("anna@alder.example");
    authority.issue(request).unwrap().certificate().clone()
}

pub(super) fn constraints(permitted: Vec<GeneralName>, excluded: Vec<GeneralName>) -> Extension {
    let trees = |names: Vec<GeneralName>| -> Option<Vec<GeneralSubtree>> {
        let trees: Vec<_> = names
            .into_iter()
            .map(|base| GeneralSubtree {
                base,
                minimum: 0,
                maximum: None,
            })
            .collect();
        (!trees.is_empty()).then_some(trees)
    };
    let value = NameConstraints {
        permitted_subtrees: trees(permitted),
        excluded_subtrees: trees(excluded),
    };
    lab::of(true, &value).unwrap()
}

pub(super) fn mailbox(base: &str) -> GeneralName {
    GeneralName::Rfc822Name(Ia5String::new(base).unwrap())
}

/// `below` certified once more by `above`, with one more extension.
pub(super) fn cross(above: &Authority, below: &Authority, more: Option<Extension>) -> Certificate {
    let mut extensions = below.certificate().extensions().to_vec();
    extensions.retain(|item| item.oid != extension::AuthorityKeyIdentifier::OID);
    extensions.extend(more);
    above
        .certify(
            below.certificate().subject_der(),
            below.certificate().spki_der(),
            below.certificate().not_before(),
            below.certificate().not_after(),
            extensions,
        )
        .unwrap()
}

#[test]
fn a_good_path_is_found_with_and_without_intermediates() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = root.subordinate("Middle", Some(0), now()).unwrap();
    let store = store(&root, &[&middle]);
    let direct = signer(&root);
    let path = store.validate(&direct, &[], Purpose::Sign, now()).unwrap();
    assert_eq!(path.certificates().len(), 2);
    assert_eq!(path.anchor(), Some(root.certificate()));
    let end = middle
        .issue(Request::new("Bo", Usage::Sign, now()))
        .unwrap();
    assert!(
        store
            .validate(end.certificate(), &[], Purpose::Sign, now())
            .is_err()
    );
    let path = store
        .validate(end.certificate(), end.chain(), Purpose::Sign, now())
        .unwrap();
    assert_eq!(path.certificates().len(), 3);
    store
        .validate(middle.certificate(), &[], Purpose::Authority, now())
        .unwrap();
}

#[test]
fn validity_has_two_ends_and_includes_them() {
    let root = Authority::new("Root", now()).unwrap();
    // Without any list: one that is out of date would be a reason of its own.
    let store = store(&root, &[])
        .with_lists(Vec::new())
        .with_revocation(RevocationCheck::Optional);
    let end = signer(&root);
    let check = |at| store.validate(&end, &[], Purpose::Sign, at);
    check(end.not_before()).unwrap();
    check(end.not_after()).unwrap();
    let second = jiff::SignedDuration::from_secs(1);
    let late = end.not_after().checked_add(second).unwrap();
    assert!(matches!(check(late), Err(TrustProblem::Expired { .. })));
    let early = end.not_before().checked_sub(second).unwrap();
    assert!(matches!(
        check(early),
        Err(TrustProblem::NotYetValid { .. })
    ));
    let after_root = root.certificate().not_after().checked_add(days(1)).unwrap();
    assert!(matches!(
        check(after_root),
        Err(TrustProblem::Expired { .. })
    ));
}

#[test]
fn each_purpose_needs_its_usage() {
    let root = Authority::new("Root", now()).unwrap();
    let store = store(&root, &[]);
    let issue = |usage| {
        let end = root.issue(Request::new("End", usage, now())).unwrap();
        end.certificate().clone()
    };
    let both = issue(Usage::ServerAndClient);
    let (sign, encrypt) = (issue(Usage::Sign), issue(Usage::Encrypt));
    let (server, client) = (issue(Usage::Server), issue(Usage::Client));
    for (certificate, purpose) in [
        (&sign, Purpose::Sign),
        (&encrypt, Purpose::Encrypt),
        (&server, Purpose::Server),
        (&client, Purpose::Client),
        (&both, Purpose::Server),
        (&both, Purpose::Client),
    ] {
        store.validate(certificate, &[], purpose, now()).unwrap();
    }
    for (certificate, purpose) in [(&encrypt, Purpose::Sign), (&sign, Purpose::Encrypt)] {
        let problem = store
            .validate(certificate, &[], purpose, now())
            .unwrap_err();
        assert!(
            matches!(problem, TrustProblem::KeyUsage { .. }),
            "{problem}"
        );
    }
    for (certificate, purpose) in [
        (&server, Purpose::Client),
        (&client, Purpose::Server),
        (&server, Purpose::Sign),
    ] {
        let problem = store
            .validate(certificate, &[], purpose, now())
            .unwrap_err();
        assert!(
            matches!(problem, TrustProblem::ExtendedKeyUsage { .. }),
            "{problem}"
        );
    }
    let problem = store
        .validate(&sign, &[], Purpose::Authority, now())
        .unwrap_err();
    assert!(matches!(problem, TrustProblem::NotAnAuthority { .. }));
}

#[test]
fn an_end_entity_does_not_issue() {
    let root = Authority::new("Root", now()).unwrap();
    let store = store(&root, &[]).with_revocation(RevocationCheck::Optional);
    // "Fake" is an end entity whose key signs a certificate all the same.
    let fake = Authority::new("Fake", now()).unwrap();
    let forged = signer(&fake);
    let as_end_entity = cross_as_end_entity(&root, &fake);
    let problem = store
        .validate(&forged, &[as_end_entity], Purpose::Sign, now())
        .unwrap_err();
    assert!(
        matches!(problem, TrustProblem::NotAnAuthority { .. }),
        "{problem}"
    );
    let as_authority = cross(&root, &fake, None);
    store
        .validate(&forged, &[as_authority], Purpose::Sign, now())
        .unwrap();
}

fn cross_as_end_entity(above: &Authority, below: &Authority) -> Certificate {
    let usage = extension::KeyUsage(KeyUsages::DigitalSignature.into());
    let key_id = below
        .certificate()
        .extension(&extension::SubjectKeyIdentifier::OID);
    above
        .certify(
            below.certificate().subject_der(),
            below.certificate().spki_der(),
            below.certificate().not_before(),
            below.certificate().not_after(),
            vec![lab::of(true, &usage).unwrap(), key_id.unwrap().clone()],
        )
        .unwrap()
}

#[test]
fn path_length_is_counted() {
    let root = Authority::new("Root", now()).unwrap();
    let none_below = root.subordinate("None below", Some(0), now()).unwrap();
    let one_below = root.subordinate("One below", Some(1), now()).unwrap();
    for (upper, good) in [(&none_below, false), (&one_below, true)] {
        let lower = upper.subordinate("Lower", None, now()).unwrap();
        let end = lower
            .issue(Request::new("End", Usage::Sign, now()))
            .unwrap();
        let store = store(&root, &[upper, &lower]);
        let result = store.validate(end.certificate(), end.chain(), Purpose::Sign, now());
        match good {
            true => assert_eq!(result.unwrap().certificates().len(), 4),
            false => assert!(matches!(result, Err(TrustProblem::PathTooLong { .. }))),
        }
    }
}

#[test]
fn strangers_and_forgers_are_not_believed() {
    let root = Authority::new("Root", now()).unwrap();
    let stranger = Authority::new("Stranger", now()).unwrap();
    let store = store(&root, &[]);
    let end = signer(&stranger);
    let brought = [stranger.certificate().clone()];
    let problem = store
        .validate(&end, &brought, Purpose::Sign, now())
        .unwrap_err();
    assert!(
        matches!(problem, TrustProblem::UnknownAuthority { .. }),
        "{problem}"
    );
    assert!(!problem.is_ours());
    assert_eq!(problem.certificate(), end.subject());

    // The same name as the root, but another key: told apart by key identifier...
    let double = Authority::new("Root", now()).unwrap();
    let forged = signer(&double);
    let problem = store
        .validate(&forged, &[], Purpose::Sign, now())
        .unwrap_err();
    assert!(
        matches!(problem, TrustProblem::UnknownAuthority { .. }),
        "{problem}"
    );
    // ... and by signature where the key identifier is left out.
    let key = provider::default().generate_key(KeyKind::Ec(crate::crypto::algorithm::Curve::P384));
    let forged = double
        .certify(
            &lab::name_der("Eve").unwrap(),
            key.unwrap().public_spki(),
            now().checked_sub(days(1)).unwrap(),
            now().checked_add(days(1)).unwrap(),
            Vec::new(),
        )
        .unwrap();
    let problem = store
        .validate(&forged, &[], Purpose::Sign, now())
        .unwrap_err();
    assert!(
        matches!(problem, TrustProblem::BadSignature { .. }),
        "{problem}"
    );
}

#[test]
fn a_changed_certificate_fails_its_signature() {
    let root = Authority::new("Root", now()).unwrap();
    let end = signer(&root);
    let mut der = end.der().to_vec();
    let at = der.windows(4).position(|four| four == b"anna").unwrap();
    der[at] = b'h';
    let changed = Certificate::from_der(&der).unwrap();
    assert_eq!(changed.emails(), ["hnna@alder.example"]);
    let problem = store(&root, &[])
        .validate(&changed, &[], Purpose::Sign, now())
        .unwrap_err();
    assert!(
        matches!(problem, TrustProblem::BadSignature { .. }),
        "{problem}"
    );
}

#[test]
fn revocation_is_obeyed_and_ignorance_is_ours() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = root.subordinate("Middle", None, now()).unwrap();
    let end = middle
        .issue(Request::new("End", Usage::Sign, now()))
        .unwrap();
    let sibling = middle
        .issue(Request::new("Sibling", Usage::Sign, now()))
        .unwrap();
    let trust = |lists| {
        TrustStore::new(
            vec![root.certificate().clone()],
            vec![middle.certificate().clone()],
            lists,
        )
    };
    let check = |store: &TrustStore, at| store.validate(end.certificate(), &[], Purpose::Sign, at);

    let good = trust(vec![
        list(&root, &[]),
        list(&middle, &[sibling.certificate()]),
    ]);
    check(&good, now()).unwrap();
    let revoked = trust(vec![list(&root, &[]), list(&middle, &[end.certificate()])]);
    assert!(matches!(
        check(&revoked, now()),
        Err(TrustProblem::Revoked { .. })
    ));
    let above = trust(vec![
        list(&root, &[middle.certificate()]),
        list(&middle, &[]),
    ]);
    let problem = check(&above, now()).unwrap_err();
    assert!(
        matches!(&problem, TrustProblem::Revoked { certificate, .. }
        if certificate == "CN=Middle"),
        "{problem}"
    );

    let missing = trust(vec![list(&root, &[])]);
    let problem = check(&missing, now()).unwrap_err();
    assert!(matches!(problem, TrustProblem::RevocationUnknown { .. }));
    assert!(problem.is_ours());
    check(
        &missing.clone().with_revocation(RevocationCheck::Optional),
        now(),
    )
    .unwrap();

    let later = now().checked_add(days(8)).unwrap();
    let problem = check(&good, later).unwrap_err();
    assert!(
        problem.is_ours() && problem.to_string().contains("renewed"),
        "{problem}"
    );
    let earlier = now()
        .checked_sub(jiff::SignedDuration::from_secs(60))
        .unwrap();
    let problem = check(&good, earlier).unwrap_err();
    assert!(
        problem.is_ours() && problem.to_string().contains("later"),
        "{problem}"
    );
    // Revoked stays revoked, in a stale list and where a list is optional.
    assert!(matches!(
        check(&revoked, later),
        Err(TrustProblem::Revoked { .. })
    ));
    let optional = revoked.clone().with_revocation(RevocationCheck::Optional);
    assert!(matches!(
        check(&optional, now()),
        Err(TrustProblem::Revoked { .. })
    ));

    // A list in the authority's name that another key signed counts for nothing.
    let double = Authority::new("Middle", now()).unwrap();
    let forged = trust(vec![list(&root, &[]), list(&double, &[])]);
    assert!(check(&forged, now()).unwrap_err().is_ours());
}

#[test]
fn unknown_critical_extensions_are_refused() {
    let root = Authority::new("Root", now()).unwrap();
    let store = store(&root, &[]);
    for (critical, good) in [(true, false), (false, true)] {
        let odd = Extension {
            oid: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.7"),
            critical,
            value: vec![5, 0],
        };
        let request = Request::new("End", Usage::Sign, now()).extension(odd);
        let end = root.issue(request).unwrap();
        let result = store.validate(end.certificate(), &[], Purpose::Sign, now());
        assert_eq!(result.is_ok(), good);
        if let Err(problem) = result {
            assert!(matches!(
                problem,
                TrustProblem::UnknownCriticalExtension { .. }
            ));
        }
    }
}

#[test]
fn name_constraints_bound_what_is_below() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = Authority::new("Middle", now()).unwrap();
    let directory =
        |text: &str| GeneralName::DirectoryName(std::str::FromStr::from_str(text).unwrap());
    let end = signer(&middle);
    for (permitted, excluded, good) in [
        (vec![mailbox("alder.example")], vec![], true),
        (vec![mailbox("ALDER.example")], vec![], true),
        (vec![mailbox("anna@alder.example")], vec![], true),
        (
            vec![mailbox("birch.example"), mailbox("alder.example")],
            vec![],
            true,
        ),
        (vec![mailbox("birch.example")], vec![], false),
        (vec![mailbox(".alder.example")], vec![], false),
        (vec![mailbox(".example")], vec![], true),
        (vec![], vec![mailbox("alder.example")], false),
        (vec![], vec![mailbox("birch.example")], true),
        (vec![], vec![mailbox("anna@alder.example")], false),
        (vec![directory("O=Alder")], vec![], true),
        (vec![directory("O=alder")], vec![], true),
        (vec![directory("O=Birch")], vec![], false),
        (vec![], vec![directory("O=Alder")], false),
        (
            vec![GeneralName::DnsName(
                Ia5String::new("birch.example").unwrap(),
            )],
            vec![],
            true,
        ),
    ] {
        let shown = format!("{permitted:?} {excluded:?}");
        let bounded = cross(&root, &middle, Some(constraints(permitted, excluded)));
        let store = store(&root, &[&middle]);
        let result = store.validate(&end, &[bounded], Purpose::Sign, now());
        assert_eq!(result.is_ok(), good, "{shown}: {result:?}");
        if let Err(problem) = result {
            assert!(
                matches!(problem, TrustProblem::NameNotPermitted { .. }),
                "{problem}"
            );
        }
    }
}

#[test]
fn host_and_address_constraints() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = Authority::new("Middle", now()).unwrap();
    let request = Request::new("Relay", Usage::ServerAndClient, now())
        .dns("mx.alder.example")
        .ip("192.0.2.25".parse().unwrap());
    let end = middle.issue(request).unwrap().certificate().clone();
    let host = |base: &str| GeneralName::DnsName(Ia5String::new(base).unwrap());
    let network = |octets: [u8; 8]| {
        GeneralName::IpAddress(der::asn1::OctetString::new(octets.to_vec()).unwrap())
    };
    for (permitted, good) in [
        (host("alder.example"), true),
        (host("mx.alder.example"), true),
        (host("x.alder.example"), false),
        (host("der.example"), false),
        (network([192, 0, 2, 0, 255, 255, 255, 0]), true),
        (network([198, 51, 100, 0, 255, 255, 255, 0]), false),
    ] {
        let bounded = cross(
            &root,
            &middle,
            Some(constraints(vec![permitted.clone()], vec![])),
        );
        let store = store(&root, &[&middle]);
        let result = store.validate(&end, &[bounded], Purpose::Server, now());
        assert_eq!(result.is_ok(), good, "{permitted:?}: {result:?}");
    }
}

#[test]
fn required_policies_are_refused_rather_than_ignored() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = Authority::new("Middle", now()).unwrap();
    let value = extension::PolicyConstraints {
        require_explicit_policy: Some(0),
        inhibit_policy_mapping: None,
    };
    let bounded = cross(&root, &middle, Some(lab::of(true, &value).unwrap()));
    let end = signer(&middle);
    let result = store(&root, &[&middle]).validate(&end, &[bounded], Purpose::Sign, now());
    assert!(matches!(result, Err(TrustProblem::PolicyRequired { .. })));
}

#[test]
fn short_rsa_keys_are_weak_and_long_ones_pass() {
    let root = Authority::with_key("Root", now(), KeyKind::Rsa(3072)).unwrap();
    let store = store(&root, &[]);
    let request = Request::new("End", Usage::Encrypt, now()).key(KeyKind::Rsa(2048));
    let end = root.issue(request).unwrap();
    store
        .validate(end.certificate(), &[], Purpose::Encrypt, now())
        .unwrap();

    // An RSA public key whose modulus has 1024 bits.
    let modulus = [&[0u8, 0xc1][..], &[0x35; 127]].concat();
    let tlv = crate::crypto::tlv::element(2, &[&modulus]);
    let pkcs1 = crate::crypto::tlv::sequence(&[&tlv, &[2, 3, 1, 0, 1]]);
    let spki = crate::crypto::algorithm::rsa_public_key_der(&pkcs1);
    let weak = root
        .certify(
            &lab::name_der("Weak").unwrap(),
            &spki,
            now().checked_sub(days(1)).unwrap(),
            now().checked_add(days(1)).unwrap(),
            Vec::new(),
        )
        .unwrap();
    let problem = store
        .validate(&weak, &[], Purpose::Sign, now())
        .unwrap_err();
    assert!(matches!(problem, TrustProblem::WeakKey { .. }), "{problem}");
}

#[test]
fn a_path_that_is_known_twice_is_looked_at_once() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = root.subordinate("Middle", None, now()).unwrap();
    let end = signer(&middle);
    let known = middle.certificate().clone();
    let lists = vec![list(&root, &[]), list(&middle, &[&end])];
    let anchors = vec![root.certificate().clone()];
    let store = TrustStore::new(anchors, vec![known.clone()], lists);
    let brought = [known.clone(), known];
    let (found, tried) = store.examine(&end, &brought, Purpose::Sign, now());
    assert!(matches!(found, Err(TrustProblem::Revoked { .. })));
    assert_eq!(tried.len(), 1);
}

#[test]
fn cross_certificates_in_a_circle_end() {
    // Eight authorities that all certified each other, and none of them is the anchor.
    let root = Authority::new("Root", now()).unwrap();
    let ring: Vec<_> = (0..8)
        .map(|number| Authority::new(&format!("Ring {number}"), now()).unwrap())
        .collect();
    let mut brought = Vec::new();
    for above in &ring {
        for below in &ring {
            if above.certificate() != below.certificate() {
                brought.push(cross(above, below, None));
            }
        }
    }
    let end = signer(&ring[0]);
    let store = store(&root, &[]).with_revocation(RevocationCheck::Optional);
    let problem = store
        .validate(&end, &brought, Purpose::Sign, now())
        .unwrap_err();
    assert!(
        matches!(
            problem,
            TrustProblem::TooManyPaths { .. } | TrustProblem::UnknownAuthority { .. }
        ),
        "{problem}"
    );
    // One way out of a small circle is found.
    let two = [
        cross(&ring[0], &ring[1], None),
        cross(&ring[1], &ring[0], None),
    ];
    let out = cross(&root, &ring[1], None);
    let brought: Vec<_> = two.into_iter().chain([out]).collect();
    let path = store
        .validate(&end, &brought, Purpose::Sign, now())
        .unwrap();
    assert_eq!(path.certificates().len(), 4);
}
