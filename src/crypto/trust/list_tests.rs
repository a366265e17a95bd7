//! Every rule about CRLs that goes beyond the simple list, with its negative twin.

use der::Encode;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, IssuingDistributionPoint, Reasons};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use super::tests::now;
use super::*;
use crate::crypto::certificate::Extension;
use crate::crypto::lab::{Authority, ListOrder, Request, Usage};

const HOLD: u8 = 6;
const REMOVE: u8 = 8;
const COMPROMISE: u8 = 1;

fn hours(count: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(count)
}

fn at(offset: i64) -> Timestamp {
    now().checked_add(hours(offset)).unwrap()
}

/// A complete or delta list made `age` hours ago, good for a day from now.
fn order(number: u64, age: i64) -> ListOrder {
    ListOrder::new(number, at(-age), at(24))
}

fn signed(authority: &Authority, order: &ListOrder) -> RevocationList {
    RevocationList::from_der(&authority.sign_list(order).unwrap()).unwrap()
}

fn scope(build: impl FnOnce(&mut IssuingDistributionPoint)) -> Extension {
    let mut scope = IssuingDistributionPoint {
        distribution_point: None,
        only_contains_user_certs: false,
        only_contains_ca_certs: false,
        only_some_reasons: None,
        indirect_crl: false,
        only_contains_attribute_certs: false,
    };
    build(&mut scope);
    Extension {
        oid: "2.5.29.28".parse().unwrap(),
        critical: true,
        value: scope.to_der().unwrap(),
    }
}

fn points(points: Vec<DistributionPoint>) -> Extension {
    Extension {
        oid: "2.5.29.31".parse().unwrap(),
        critical: false,
        value: points.to_der().unwrap(),
    }
}

fn directory(authority: &Authority) -> GeneralName {
    GeneralName::DirectoryName(authority.certificate().subject_name().clone())
}

struct Scene {
    root: Authority,
    end: Certificate,
}

impl Scene {
    fn new(more: Option<Extension>) -> Self {
        let root = Authority::new("Root", now()).unwrap();
        let mut request = Request::new("End", Usage::Sign, now());
        if let Some(more) = more {
            request = request.extension(more);
        }
        let end = root.issue(request).unwrap().certificate().clone();
        Self { root, end }
    }

    fn check(&self, lists: Vec<RevocationList>) -> Result<Path, TrustProblem> {
        self.check_with(Vec::new(), lists)
    }

    fn check_with(
        &self,
        known: Vec<Certificate>,
        lists: Vec<RevocationList>,
    ) -> Result<Path, TrustProblem> {
        TrustStore::new(vec![self.root.certificate().clone()], known, lists).validate(
            &self.end,
            &[],
            Purpose::Sign,
            now(),
        )
    }
}

fn is_revoked(result: Result<Path, TrustProblem>) -> bool {
    matches!(result, Err(TrustProblem::Revoked { .. }))
}

fn is_unknown(result: Result<Path, TrustProblem>) -> bool {
    matches!(result, Err(TrustProblem::RevocationUnknown { .. }))
}

#[test]
fn a_delta_list_adds_and_takes_back() {
    let scene = Scene::new(None);
    let list = |order: &ListOrder| signed(&scene.root, order);
    let empty = list(&order(5, 10));
    let held = list(&order(5, 10).revoke(&scene.end, Some(HOLD)));
    let gone = list(&order(5, 10).revoke(&scene.end, Some(COMPROMISE)));
    let adds = list(&order(6, 1).delta(5).revoke(&scene.end, Some(COMPROMISE)));
    let takes = list(&order(6, 1).delta(5).revoke(&scene.end, Some(REMOVE)));
    scene.check(vec![empty.clone()]).unwrap();
    assert!(is_revoked(scene.check(vec![empty.clone(), adds])));
    assert!(is_revoked(scene.check(vec![held.clone()])));
    scene.check(vec![held.clone(), takes.clone()]).unwrap();
    // Only a hold is taken back.
    assert!(is_revoked(scene.check(vec![gone, takes.clone()])));
    // A delta list alone says nothing, nor does one to a later complete list.
    assert!(is_unknown(scene.check(vec![takes])));
    let later = list(&order(7, 1).delta(6).revoke(&scene.end, Some(REMOVE)));
    assert!(is_revoked(scene.check(vec![held.clone(), later])));
    // Nor one that is out of date.
    let old = ListOrder::new(6, at(-9), at(-8)).delta(5);
    let old = list(&old.revoke(&scene.end, Some(REMOVE)));
    assert!(is_revoked(scene.check(vec![held, old])));
}

#[test]
fn a_delta_list_makes_an_old_complete_list_new() {
    let scene = Scene::new(None);
    let stale = signed(&scene.root, &ListOrder::new(5, at(-48), at(-24)));
    let delta = signed(&scene.root, &order(6, 1).delta(5));
    assert!(is_unknown(scene.check(vec![stale.clone()])));
    scene.check(vec![stale, delta]).unwrap();
}

#[test]
fn a_hold_is_over_when_a_newer_list_does_not_have_it() {
    let scene = Scene::new(None);
    let list = |order: &ListOrder| signed(&scene.root, order);
    let held = list(&order(5, 10).revoke(&scene.end, Some(HOLD)));
    let newer = list(&order(6, 1));
    scene.check(vec![held.clone(), newer.clone()]).unwrap();
    scene.check(vec![newer.clone(), held.clone()]).unwrap();
    // A newer list of authorities alone says nothing of an end entity.
    let authorities = scope(|scope| scope.only_contains_ca_certs = true);
    let other = list(&order(6, 1).extension(authorities));
    assert!(is_revoked(scene.check(vec![held, other])));
    // What is no hold stays, whatever a newer list leaves out.
    let gone = list(&order(5, 10).revoke(&scene.end, Some(COMPROMISE)));
    assert!(is_revoked(scene.check(vec![gone, newer])));
}

#[test]
fn a_list_counts_for_the_certificates_in_its_scope() {
    let scene = Scene::new(None);
    for (extension, good) in [
        (scope(|scope| scope.only_contains_user_certs = true), true),
        (scope(|scope| scope.only_contains_ca_certs = true), false),
        (
            scope(|scope| scope.only_contains_attribute_certs = true),
            false,
        ),
    ] {
        let list = signed(&scene.root, &order(1, 1).extension(extension));
        assert_eq!(scene.check(vec![list]).is_ok(), good);
    }
    // A list for one place, and a certificate that names that place, or another.
    let place = |name: &str| {
        let name = der::asn1::Ia5String::new(name).unwrap();
        DistributionPointName::FullName(vec![GeneralName::UniformResourceIdentifier(name)])
    };
    let named = |name: &str| DistributionPoint {
        distribution_point: Some(place(name)),
        reasons: None,
        crl_issuer: None,
    };
    let scene = Scene::new(Some(points(vec![named("http://crl.example/1")])));
    for (name, good) in [
        ("http://crl.example/1", true),
        ("http://crl.example/2", false),
    ] {
        let here = scope(|scope| scope.distribution_point = Some(place(name)));
        let list = signed(&scene.root, &order(1, 1).extension(here));
        assert_eq!(scene.check(vec![list]).is_ok(), good, "{name}");
    }
}

#[test]
fn reasons_must_all_be_covered() {
    let scene = Scene::new(None);
    let some = |reasons: FlagSet<Reasons>| {
        let extension = scope(|scope| scope.only_some_reasons = Some(reasons));
        signed(&scene.root, &order(1, 1).extension(extension))
    };
    let first = some(Reasons::KeyCompromise | Reasons::CaCompromise);
    let rest = some(
        Reasons::AffiliationChanged
            | Reasons::Superseded
            | Reasons::CessationOfOperation
            | Reasons::CertificateHold
            | Reasons::PrivilegeWithdrawn
            | Reasons::AaCompromise,
    );
    assert!(is_unknown(scene.check(vec![first.clone()])));
    assert!(is_unknown(scene.check(vec![rest.clone()])));
    scene.check(vec![first, rest]).unwrap();
}

#[test]
fn an_indirect_list_needs_the_issuers_word() {
    let plain = Scene::new(None);
    let signer = plain.root.subordinate("CRL signer", None, now()).unwrap();
    let delegated = |scene_root: &Authority| {
        let point = DistributionPoint {
            distribution_point: None,
            reasons: None,
            crl_issuer: Some(vec![directory(&signer)]),
        };
        let request = Request::new("End", Usage::Sign, now()).extension(points(vec![point]));
        scene_root.issue(request).unwrap().certificate().clone()
    };
    let scene = Scene {
        end: delegated(&plain.root),
        root: plain.root,
    };
    let indirect = || {
        order(1, 1)
            .indirect()
            .extension(scope(|s| s.indirect_crl = true))
    };
    let known = || vec![signer.certificate().clone()];
    // The signer's own status is told by the root.
    let of_signer = || {
        let authorities = scope(|scope| scope.only_contains_ca_certs = true);
        signed(&scene.root, &order(9, 1).extension(authorities))
    };
    let list = signed(&signer, &indirect());
    scene
        .check_with(known(), vec![list.clone(), of_signer()])
        .unwrap();
    // Without the certificate of the signer, without its status, or when it is revoked: unknown.
    assert!(is_unknown(scene.check(vec![list.clone(), of_signer()])));
    assert!(is_unknown(scene.check_with(known(), vec![list.clone()])));
    let revoked = signed(
        &scene.root,
        &order(9, 1)
            .revoke(signer.certificate(), None)
            .extension(scope(|scope| scope.only_contains_ca_certs = true)),
    );
    assert!(is_unknown(scene.check_with(known(), vec![list, revoked])));
    // Not marked as indirect: it speaks only of what its signer issued.
    let direct = signed(&signer, &order(1, 1));
    assert!(is_unknown(
        scene.check_with(known(), vec![direct, of_signer()])
    ));
    // An entry counts for the issuer that it names.
    let gone = signed(&signer, &indirect().revoke(&scene.end, None));
    assert!(is_revoked(
        scene.check_with(known(), vec![gone, of_signer()])
    ));
    // A certificate that does not name the signer is not covered.
    let other = scene
        .root
        .issue(Request::new("Other", Usage::Sign, now()))
        .unwrap();
    let other = Scene {
        end: other.certificate().clone(),
        root: scene.root,
    };
    let authorities = scope(|scope| scope.only_contains_ca_certs = true);
    let of_signer = signed(&other.root, &order(9, 1).extension(authorities));
    let list = signed(&signer, &indirect());
    assert!(is_unknown(other.check_with(known(), vec![list, of_signer])));
}

#[test]
fn the_rule_for_stale_lists_is_the_one_that_is_set() {
    let scene = Scene::new(None);
    let stale = signed(&scene.root, &ListOrder::new(5, at(-48), at(-24)));
    let check = |rule, lists: Vec<RevocationList>| {
        TrustStore::new(vec![scene.root.certificate().clone()], Vec::new(), lists)
            .with_stale(rule)
            .validate(&scene.end, &[], Purpose::Sign, now())
    };
    let held = check(StaleRule::Hold, vec![stale.clone()]).unwrap_err();
    assert!(
        held.is_ours() && held.to_string().contains("renewed"),
        "{held}"
    );
    let refused = check(StaleRule::Refuse, vec![stale.clone()]).unwrap_err();
    assert!(!refused.is_ours(), "{refused}");
    assert_eq!(refused.id(), "trust.revocation-stale");
    // No list at all is our own omission, whatever the rule.
    assert!(check(StaleRule::Refuse, Vec::new()).unwrap_err().is_ours());
    let path = check(StaleRule::AcceptUntil(hours(49)), vec![stale.clone()]).unwrap();
    assert_eq!(path.window().1, at(1));
    assert!(
        check(StaleRule::AcceptUntil(hours(47)), vec![stale])
            .unwrap_err()
            .is_ours()
    );
    let gone = ListOrder::new(5, at(-48), at(-24)).revoke(&scene.end, None);
    let gone = signed(&scene.root, &gone);
    assert!(is_revoked(check(
        StaleRule::AcceptUntil(hours(49)),
        vec![gone]
    )));
}

#[test]
fn what_is_remembered_ends_with_what_it_rests_on() {
    let scene = Scene::new(None);
    let anchors = vec![scene.root.certificate().clone()];
    let good = signed(&scene.root, &order(1, 0));
    let store = TrustStore::new(anchors, Vec::new(), vec![good]);
    let check = |store: &TrustStore, at| store.validate(&scene.end, &[], Purpose::Sign, at);
    let first = check(&store, now()).unwrap();
    assert_eq!(first.evidence().len(), 1);
    // From memory: as it was found then.
    assert_eq!(check(&store, at(23)).unwrap().at(), now());
    assert!(check(&store, at(25)).unwrap_err().is_ours());
    assert!(check(&store, at(-1)).unwrap_err().is_ours());
    // Another purpose is another question.
    assert!(
        store
            .validate(&scene.end, &[], Purpose::Encrypt, now())
            .is_err()
    );
    // New lists, new memory.
    let gone = signed(&scene.root, &order(2, 0).revoke(&scene.end, None));
    assert!(is_revoked(check(
        &store.clone().with_lists(vec![gone]),
        now()
    )));
    let (outcome, tried) = store.examine(&scene.end, &[], Purpose::Encrypt, now());
    assert_eq!(tried.len(), 1);
    assert_eq!(outcome.unwrap_err(), tried[0].problem);
}
