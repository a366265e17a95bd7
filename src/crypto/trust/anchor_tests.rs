//! Anchors with constraints, policies along a path, suites: each rule with its negative twin.

use der::Encode;
use der::asn1::Ia5String;
use x509_cert::ext::pkix::certpolicy::{CertificatePolicies, PolicyInformation};
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use x509_cert::ext::pkix::{
    InhibitAnyPolicy, NameConstraints, PolicyConstraints, PolicyMapping, PolicyMappings,
};

use super::tests::now;
use super::*;
use crate::crypto::algorithm::KeyKind;
use crate::crypto::certificate::Extension;
use crate::crypto::lab::{self, Authority, Request, Usage};
use crate::crypto::tlv;

fn policy(number: u32) -> ObjectIdentifier {
    format!("1.3.6.1.4.1.32473.2.{number}").parse().unwrap()
}

fn any() -> ObjectIdentifier {
    "2.5.29.32.0".parse().unwrap()
}

fn policies(list: &[ObjectIdentifier]) -> Extension {
    let list = list.iter().map(|oid| PolicyInformation {
        policy_identifier: *oid,
        policy_qualifiers: None,
    });
    lab::of(false, &CertificatePolicies(list.collect())).unwrap()
}

fn mapping(pairs: &[(ObjectIdentifier, ObjectIdentifier)]) -> Extension {
    let list = pairs.iter().map(|(issuer, subject)| PolicyMapping {
        issuer_domain_policy: *issuer,
        subject_domain_policy: *subject,
    });
    lab::of(true, &PolicyMappings(list.collect())).unwrap()
}

/// Root, one authority with these extensions, one end entity with these policies.
fn path(authority: Vec<Extension>, end: &[ObjectIdentifier]) -> (TrustStore, Certificate) {
    let root = Authority::new("Root", now()).unwrap();
    let middle = Authority::new("Middle", now()).unwrap();
    let mut extensions = middle.certificate().extensions().to_vec();
    extensions.retain(|item| item.oid.to_string() != "2.5.29.35");
    extensions.extend(authority);
    let own = middle.certificate();
    let cross = root
        .certify(
            own.subject_der(),
            own.spki_der(),
            own.not_before(),
            own.not_after(),
            extensions,
        )
        .unwrap();
    let mut request = Request::new("End", Usage::Sign, now());
    if !end.is_empty() {
        request = request.extension(policies(end));
    }
    let end = middle.issue(request).unwrap().certificate().clone();
    let store = TrustStore::new(vec![root.certificate().clone()], vec![cross], Vec::new())
        .with_revocation(RevocationCheck::Optional);
    (store, end)
}

fn accept(list: &[ObjectIdentifier]) -> PolicyRules {
    PolicyRules {
        acceptable: Some(list.iter().copied().collect()),
        explicit: true,
        ..PolicyRules::default()
    }
}

fn verdict(store: &TrustStore, end: &Certificate) -> Result<Vec<ObjectIdentifier>, &'static str> {
    store
        .validate(end, &[], Purpose::Sign, now())
        .map(|path| path.policies().to_vec())
        .map_err(|problem| problem.id())
}

const REQUIRED: &str = "trust.policy-required";

#[test]
fn policies_are_those_that_every_certificate_has() {
    let (one, two, three) = (policy(1), policy(2), policy(3));
    let explicit = PolicyRules {
        explicit: true,
        ..PolicyRules::default()
    };
    for (above, below, rules, wanted) in [
        (
            &[one, two][..],
            &[two, three][..],
            explicit.clone(),
            Ok(vec![two]),
        ),
        (&[one], &[two], explicit.clone(), Err(REQUIRED)),
        (&[one], &[two], PolicyRules::default(), Ok(vec![])),
        (&[one], &[], explicit.clone(), Err(REQUIRED)),
        (&[any()], &[two], explicit.clone(), Ok(vec![two])),
        (&[one], &[any()], explicit.clone(), Ok(vec![one])),
        (&[any()], &[any()], explicit.clone(), Ok(vec![any()])),
        (&[any()], &[any()], accept(&[three]), Ok(vec![three])),
        (&[one], &[one], accept(&[one]), Ok(vec![one])),
        (&[one], &[one], accept(&[two]), Err(REQUIRED)),
        (
            &[any()],
            &[one],
            PolicyRules {
                inhibit_any: true,
                ..explicit.clone()
            },
            Err(REQUIRED),
        ),
    ] {
        let (store, end) = path(vec![policies(above)], below);
        let found = verdict(&store.with_policies(rules.clone()), &end);
        assert_eq!(found, wanted, "{above:?} {below:?} {rules:?}");
    }
}

#[test]
fn mappings_and_constraints_are_obeyed() {
    let (one, two) = (policy(1), policy(2));
    let maps = || vec![policies(&[one]), mapping(&[(one, two)])];
    let (store, end) = path(maps(), &[two]);
    assert_eq!(
        verdict(&store.clone().with_policies(accept(&[one])), &end),
        Ok(vec![one])
    );
    assert_eq!(
        verdict(&store.clone().with_policies(accept(&[two])), &end),
        Err(REQUIRED)
    );
    let inhibited = PolicyRules {
        inhibit_mapping: true,
        ..accept(&[one])
    };
    assert_eq!(
        verdict(&store.with_policies(inhibited), &end),
        Err(REQUIRED)
    );
    // What was mapped away is not there any more under its old name.
    let (store, end) = path(maps(), &[one]);
    assert_eq!(
        verdict(&store.with_policies(accept(&[one])), &end),
        Err(REQUIRED)
    );
    for pair in [(any(), one), (one, any())] {
        let (store, end) = path(vec![policies(&[one]), mapping(&[pair])], &[one]);
        assert_eq!(verdict(&store, &end), Err("trust.bad-policies"));
    }
    let demand = |skip| {
        lab::of(
            true,
            &PolicyConstraints {
                require_explicit_policy: Some(skip),
                inhibit_policy_mapping: None,
            },
        )
        .unwrap()
    };
    for (skip, good) in [(0, false), (1, false), (2, true)] {
        let (store, end) = path(vec![policies(&[one]), demand(skip)], &[]);
        assert_eq!(verdict(&store, &end).is_ok(), good, "{skip}");
    }
    for (skip, good) in [(0, false), (1, true)] {
        let inhibit = lab::of(true, &InhibitAnyPolicy(skip)).unwrap();
        let (store, end) = path(vec![policies(&[one]), inhibit], &[any()]);
        let store = store.with_policies(accept(&[one]));
        assert_eq!(verdict(&store, &end).is_ok(), good, "{skip}");
    }
    let twice = policies(&[one, one]);
    let (store, end) = path(vec![twice], &[one]);
    assert_eq!(verdict(&store, &end), Err("trust.bad-policies"));
}

/// TrustAnchorInfo with the root's key, and these controls after the name.
fn info(root: &Certificate, controls: &[&[u8]], more: &[&[u8]]) -> Vec<u8> {
    let mut parts = vec![root.subject_der()];
    parts.extend(controls);
    let path = tlv::sequence(&parts);
    let key_id = tlv::element(tlv::OCTET_STRING, &[root.subject_key_id().unwrap()]);
    let title = tlv::element(0x0c, &[b"Alder root"]);
    let mut parts: Vec<&[u8]> = vec![root.spki_der(), &key_id, &title, &path];
    parts.extend(more);
    tlv::sequence(&parts)
}

fn retagged(tag: u8, value: &impl Encode) -> Vec<u8> {
    let mut der = value.to_der().unwrap();
    der[0] = tag;
    der
}

#[test]
fn an_anchor_is_a_key_within_bounds() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = root.subordinate("Middle", None, now()).unwrap();
    let request = Request::new("End", Usage::Sign, now()).email("anna@alder.example");
    let end = middle
        .issue(request.extension(policies(&[policy(1)])))
        .unwrap();
    let check = |der: &[u8]| {
        let anchor = Anchor::from_der(der).unwrap();
        assert_eq!(anchor.der(), der);
        TrustStore::with_anchors(vec![anchor], Vec::new(), Vec::new())
            .with_revocation(RevocationCheck::Optional)
            .validate(end.certificate(), end.chain(), Purpose::Sign, now())
            .map_err(|problem| problem.id())
    };
    let own = root.certificate();
    let path = check(&info(own, &[], &[])).unwrap();
    assert_eq!(path.certificates().len(), 2);
    assert!(path.anchor().is_none());
    // As the choice of RFC 5914 §3, and with its certificate.
    check(&tlv::element(tlv::CONTEXT_2, &[&info(own, &[], &[])])).unwrap();
    let mut embedded = own.der().to_vec();
    embedded[0] = tlv::CONTEXT_0;
    assert_eq!(
        check(&info(own, &[&embedded], &[]))
            .unwrap()
            .certificates()
            .len(),
        3
    );
    assert_eq!(check(own.der()).unwrap().certificates().len(), 3);

    let length = |length: u8| vec![0x84, 1, length];
    check(&info(own, &[&length(1)], &[])).unwrap();
    assert_eq!(
        check(&info(own, &[&length(0)], &[])),
        Err("trust.path-too-long")
    );
    let names = |base: &str| {
        let base = GeneralName::Rfc822Name(Ia5String::new(base).unwrap());
        let tree = GeneralSubtree {
            base,
            minimum: 0,
            maximum: None,
        };
        let value = NameConstraints {
            permitted_subtrees: Some(vec![tree]),
            excluded_subtrees: None,
        };
        retagged(0xa3, &value)
    };
    check(&info(own, &[&names("alder.example")], &[])).unwrap();
    assert_eq!(
        check(&info(own, &[&names("birch.example")], &[])),
        Err("trust.name-not-permitted")
    );
    // requireExplicitPolicy, and no policy in the authority's certificate.
    assert_eq!(
        check(&info(own, &[&[0x82, 2, 6, 0x40]], &[])),
        Err(REQUIRED)
    );
    check(&info(own, &[&[0x82, 2, 7, 0x80]], &[])).unwrap();

    // A critical extension of the anchor that nobody knows.
    for (critical, good) in [(&[1u8, 1, 0xff][..], false), (&[], true)] {
        let oid = tlv::oid(&"1.3.6.1.4.1.32473.7".parse().unwrap());
        let odd = tlv::sequence(&[&oid, critical, &[4, 2, 5, 0]]);
        let wrapped = tlv::element(tlv::CONTEXT_1, &[&tlv::sequence(&[&odd])]);
        let found = check(&info(own, &[], &[&wrapped]));
        assert_eq!(found.is_ok(), good, "{found:?}");
    }
    // Without path controls it is for no path.
    let key_id = tlv::element(tlv::OCTET_STRING, &[&[1; 20]]);
    assert!(Anchor::from_der(&tlv::sequence(&[own.spki_der(), &key_id])).is_err());
    // Another key of the same name is not it.
    let double = Authority::new("Root", now()).unwrap();
    assert!(check(&info(double.certificate(), &[], &[])).is_err());
}

#[test]
fn the_suite_is_held_against_every_certificate() {
    for (kind, cnsa1, modern) in [
        (
            KeyKind::Ec(crate::crypto::algorithm::Curve::P384),
            true,
            true,
        ),
        (
            KeyKind::Ec(crate::crypto::algorithm::Curve::P256),
            false,
            true,
        ),
        (KeyKind::Rsa(3072), true, true),
        (KeyKind::Rsa(2048), false, true),
    ] {
        let root = Authority::new("Root", now()).unwrap();
        let end = root
            .issue(Request::new("End", Usage::Sign, now()).key(kind))
            .unwrap();
        let other = Authority::with_key("Other root", now(), kind).unwrap();
        let below = other
            .issue(Request::new("Below", Usage::Sign, now()))
            .unwrap();
        let anchors = vec![root.certificate().clone(), other.certificate().clone()];
        let store = TrustStore::new(anchors, Vec::new(), Vec::new())
            .with_revocation(RevocationCheck::Optional);
        for (suite, good) in [
            (Suite::Cnsa1, cnsa1),
            (Suite::Modern, modern),
            (Suite::LegacyRead, true),
        ] {
            let store = store.clone().with_suite(suite);
            for certificate in [end.certificate(), below.certificate()] {
                let found = store.validate(certificate, &[], Purpose::Sign, now());
                assert_eq!(found.is_ok(), good, "{kind:?} {suite:?}");
                if let Err(problem) = found {
                    assert!(problem.id().starts_with("trust.weak-"), "{problem}");
                }
            }
        }
    }
}

#[test]
fn every_problem_says_which_certificate_which_rule_and_what_would_mend_it() {
    let (store, end) = path(vec![policies(&[policy(1)])], &[]);
    let problem = store
        .with_policies(accept(&[policy(1)]))
        .validate(&end, &[], Purpose::Sign, now())
        .unwrap_err();
    let text = problem.to_string();
    assert!(
        text.contains("CN=End") && text.contains(problem.rule()),
        "{text}"
    );
    assert!(
        text.ends_with(problem.remedy()) && !problem.remedy().is_empty(),
        "{text}"
    );
}
