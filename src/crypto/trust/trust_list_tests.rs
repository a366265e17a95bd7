//! The trust list: each kind of entry, at each place of a path, with the path that is good without.

use super::tests::{cross, list, now, signer, store};
use super::*;
use crate::crypto::algorithm::{Digest, KeyKind};
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::provider;
use crate::label::Policies;

fn sha256(octets: &[u8]) -> [u8; 32] {
    let digest = provider::default().digest(Digest::Sha256, &[octets]);
    digest.try_into().unwrap()
}

/// Every target that means this certificate.
fn targets(certificate: &Certificate) -> [Target; 3] {
    [
        Target::Certificate(certificate.fingerprint()),
        Target::Key(sha256(certificate.spki_der())),
        Target::KeyIdentifier(certificate.subject_key_id().unwrap().to_vec()),
    ]
}

fn distrusting(target: Target) -> Arc<TrustList> {
    let entry = Distrusted {
        target,
        reason: "its laptop is gone".to_owned(),
        date: now(),
    };
    Arc::new(TrustList::new(7, now(), vec![entry], Vec::new()))
}

fn entry(certificate: &Certificate) -> Trusted {
    Trusted {
        fingerprint: certificate.fingerprint(),
        purposes: vec![Purpose::Sign],
        addresses: vec!["anna@alder.example".to_owned()],
        reason: "exercise".to_owned(),
        date: now(),
        until: None,
    }
}

fn trusting(entry: Trusted) -> Arc<TrustList> {
    Arc::new(TrustList::new(7, now(), Vec::new(), vec![entry]))
}

fn days(count: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * count)
}

#[test]
fn a_distrusted_certificate_spoils_every_path_that_contains_it() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = root.subordinate("Middle", None, now()).unwrap();
    let end = signer(&middle);
    let good = store(&root, &[&middle]).with_intermediates(vec![middle.certificate().clone()]);
    // It is remembered, and all the same gone with the list.
    good.validate(&end, &[], Purpose::Sign, now()).unwrap();
    for at_fault in [&end, middle.certificate(), root.certificate()] {
        for target in targets(at_fault) {
            let store = good.clone().with_trust_list(distrusting(target.clone()));
            for at in [now(), now() - days(1) / 48] {
                let problem = store
                    .validate(&end, &[], Purpose::Sign, at)
                    .expect_err("distrusted");
                let TrustProblem::Distrusted {
                    certificate, since, ..
                } = &problem
                else {
                    panic!("{target:?}: {problem}")
                };
                assert_eq!((certificate, *since), (&at_fault.subject(), now()));
                assert_eq!(problem.id(), "trust.distrusted");
                assert!(problem.to_string().contains("its laptop is gone"));
            }
            // Whatever for.
            for (_, purpose) in Purpose::ALL {
                assert!(store.validate(&end, &[], purpose, now()).is_err());
            }
        }
    }
    // An entry about somebody else changes nothing.
    let other = signer(&middle);
    for target in targets(&other) {
        let store = good.clone().with_trust_list(distrusting(target));
        store.validate(&end, &[], Purpose::Sign, now()).unwrap();
    }
}

#[test]
fn a_distrusted_key_is_distrusted_in_every_certificate() {
    let root = Authority::new("Root", now()).unwrap();
    let middle = root.subordinate("Middle", None, now()).unwrap();
    let again = cross(&root, &middle, None);
    let end = signer(&middle);
    let good = store(&root, &[&middle]).with_intermediates(vec![again.clone()]);
    good.validate(&end, &[], Purpose::Sign, now()).unwrap();
    // The certificate alone: the other one of the same key still makes a path.
    let [one, key, _] = targets(middle.certificate());
    let store = good.clone().with_trust_list(distrusting(one));
    store.validate(&end, &[], Purpose::Sign, now()).unwrap();
    let store = good.clone().with_trust_list(distrusting(key));
    assert!(store.validate(&end, &[], Purpose::Sign, now()).is_err());
    // A bare key as anchor is a key too.
    let usual = provider::default().digest(
        Digest::Sha1,
        &[crate::crypto::revocation::ocsp::key_bits(end.spki_der())],
    );
    let store = good.with_trust_list(distrusting(Target::KeyIdentifier(usual)));
    assert!(store.validate(&end, &[], Purpose::Sign, now()).is_err());
}

#[test]
fn another_path_without_the_distrusted_authority_is_found() {
    let root = Authority::new("Root", now()).unwrap();
    let other = Authority::new("Other root", now()).unwrap();
    let middle = root.subordinate("Middle", None, now()).unwrap();
    let end = signer(&middle);
    let good = TrustStore::new(
        vec![root.certificate().clone(), other.certificate().clone()],
        vec![middle.certificate().clone(), cross(&other, &middle, None)],
        [&root, &other, &middle].map(|one| list(one, &[])).into(),
    );
    let [_, key, _] = targets(root.certificate());
    let store = good.with_trust_list(distrusting(key));
    let path = store.validate(&end, &[], Purpose::Sign, now()).unwrap();
    assert_eq!(path.anchor(), Some(other.certificate()));
}

#[test]
fn a_distrusted_certificate_signs_no_revocation_lists() {
    let root = Authority::new("Root", now()).unwrap();
    let end = signer(&root);
    let signs = root
        .issue(Request::new("CN=Responder", Usage::Sign, now()))
        .unwrap();
    let good = store(&root, &[]);
    good.validate(&end, &[], Purpose::Sign, now()).unwrap();
    let store = good.with_trust_list(distrusting(Target::Certificate(
        signs.certificate().fingerprint(),
    )));
    let problem = store.validate(signs.certificate(), &[], Purpose::RevocationList, now());
    assert!(matches!(problem, Err(TrustProblem::Distrusted { .. })));
    store.validate(&end, &[], Purpose::Sign, now()).unwrap();
}

#[test]
fn a_trusted_certificate_is_a_path_for_what_is_named_and_nothing_else() {
    let root = Authority::new("Root", now()).unwrap();
    let stranger = Authority::new("Stranger", now()).unwrap();
    let end = signer(&stranger);
    let store = store(&root, &[]).with_trust_list(trusting(entry(&end)));
    let path = store.validate(&end, &[], Purpose::Sign, now()).unwrap();
    assert_eq!(path.certificates(), std::slice::from_ref(&end));
    assert_eq!(path.evidence()[0].source, "trust list 7");
    // It is cleared for nothing, whatever its certificate says.
    let permitted = path.permitted_clearances(&Policies::default()).unwrap();
    assert_eq!(permitted.clearances(), Some(&[][..]));
    store.validate(&end, &[], Purpose::Any, now()).unwrap();
    let id = |store: &TrustStore, purpose, at| {
        let found = store.validate(&end, &[], purpose, at);
        found.err().map(|problem| problem.id())
    };
    for purpose in [
        Purpose::Authority,
        Purpose::Client,
        Purpose::Encrypt,
        Purpose::RevocationList,
        Purpose::Server,
    ] {
        assert_eq!(id(&store, purpose, now()), Some("trust.not-listed-for"));
    }
    // Another certificate with the same name and the same key.
    let twin = stranger
        .certify(
            end.subject_der(),
            end.spki_der(),
            end.not_before(),
            end.not_after(),
            end.extensions().to_vec(),
        )
        .unwrap();
    let problem = store
        .validate(&twin, &[], Purpose::Sign, now())
        .unwrap_err();
    assert_eq!(problem.id(), "trust.unknown-authority");
    // It vouches for nobody else.
    let below = signer(&stranger);
    assert!(store.validate(&below, &[], Purpose::Sign, now()).is_err());
    // Time.
    let late = end.not_after() + days(1);
    assert_eq!(id(&store, Purpose::Sign, late), Some("trust.expired"));
    let bounded = Trusted {
        until: Some(now()),
        ..entry(&end)
    };
    let bounded = store.clone().with_trust_list(trusting(bounded));
    assert_eq!(id(&bounded, Purpose::Sign, now()), None);
    let after = now() + days(1);
    assert_eq!(
        id(&bounded, Purpose::Sign, after),
        Some("trust.not-listed-for")
    );
    // Addresses.
    for (addresses, wanted) in [
        (&["anna@ALDER.example"][..], None),
        (&["bert@alder.example", "anna@alder.example"], None),
        (&["Anna@alder.example"], Some("trust.not-listed-for")),
        (&[], Some("trust.not-listed-for")),
    ] {
        let other = Trusted {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            ..entry(&end)
        };
        let store = store.clone().with_trust_list(trusting(other));
        assert_eq!(id(&store, Purpose::Sign, now()), wanted, "{addresses:?}");
    }
}

#[test]
fn a_trusted_certificate_below_the_floor_or_of_an_authority_is_refused() {
    let stranger = Authority::new("Stranger", now()).unwrap();
    let request = Request::new("CN=Anna", Usage::Sign, now()).key(KeyKind::Rsa(2048));
    let end = stranger.issue(request).unwrap().certificate().clone();
    let store = TrustStore::default().with_trust_list(trusting(entry(&end)));
    store.validate(&end, &[], Purpose::Sign, now()).unwrap();
    let store = store.with_suite(Suite::Cnsa1);
    let problem = store.validate(&end, &[], Purpose::Sign, now()).unwrap_err();
    assert_eq!(problem.id(), "trust.weak-key");
    let authority = stranger.certificate();
    let store = TrustStore::default().with_trust_list(trusting(entry(authority)));
    let problem = store
        .validate(authority, &[], Purpose::Sign, now())
        .unwrap_err();
    assert_eq!(problem.id(), "trust.not-listed-for");
}

#[test]
fn a_trusted_certificate_that_is_revoked_or_distrusted_stays_so() {
    let stranger = Authority::new("Stranger", now()).unwrap();
    let end = signer(&stranger);
    let trusted = trusting(entry(&end));
    // Its issuer is unknown here, and its list at hand names it.
    let revoked = TrustStore::new(Vec::new(), Vec::new(), vec![list(&stranger, &[&end])]);
    let revoked = revoked.with_trust_list(Arc::clone(&trusted));
    let problem = revoked.validate(&end, &[], Purpose::Sign, now());
    assert!(matches!(problem, Err(TrustProblem::Revoked { .. })));
    let clean = revoked.with_lists(vec![list(&stranger, &[&signer(&stranger)])]);
    clean.validate(&end, &[], Purpose::Sign, now()).unwrap();
    // Its issuer is known here, and so its status must be.
    let known = store(&stranger, &[]).with_lists(vec![list(&stranger, &[&end])]);
    let known = known.with_trust_list(Arc::clone(&trusted));
    let problem = known.validate(&end, &[], Purpose::Sign, now());
    assert!(matches!(problem, Err(TrustProblem::Revoked { .. })));
    let problem = known.with_lists(Vec::new());
    let problem = problem.validate(&end, &[], Purpose::Sign, now());
    assert!(matches!(
        problem,
        Err(TrustProblem::RevocationUnknown { .. })
    ));
    // Both: distrust wins.
    let both = TrustList::new(
        8,
        now(),
        distrusting(Target::Certificate(end.fingerprint()))
            .distrusted()
            .to_vec(),
        vec![entry(&end)],
    );
    let both = clean.with_trust_list(Arc::new(both));
    let problem = both.validate(&end, &[], Purpose::Sign, now());
    assert!(matches!(problem, Err(TrustProblem::Distrusted { .. })));
}
