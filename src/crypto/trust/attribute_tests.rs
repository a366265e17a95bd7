//! Every rule for attribute certificates, with one that keeps it and one that breaks it (RFC 5755 §5).

use der::asn1::Ia5String;
use x509_cert::ext::pkix::name::GeneralName;

use super::tests::now;
use super::*;
use crate::crypto::attribute_certificate::AttributeCertificate;
use crate::crypto::certificate::Extension;
use crate::crypto::keys::Identity;
use crate::crypto::lab::attributes::{AttributeOrder, no_revocation};
use crate::crypto::lab::clearances;
use crate::crypto::lab::{Authority, ListOrder, Request, Usage};
use crate::label::clearance::encode;
use crate::label::{Categories, Clearance, Policies};

const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");

fn held(classes: &[u64]) -> Clearance {
    Clearance {
        policy: POLICY,
        classifications: classes.iter().copied().collect(),
        categories: Categories::default(),
    }
}

/// An attribute authority, two people, and the store that believes all of them.
struct Scene {
    root: Authority,
    giver: Identity,
    anna: Certificate,
    bela: Certificate,
}

impl Scene {
    fn new() -> Self {
        let root = Authority::new("CN=Root,O=Alder", now()).unwrap();
        let issue = |name: &str| {
            let request = Request::new(name, Usage::Sign, now());
            root.issue(request).unwrap()
        };
        Self {
            giver: issue("CN=Attributes,O=Alder"),
            anna: issue("CN=Anna").certificate().clone(),
            bela: issue("CN=Bela").certificate().clone(),
            root,
        }
    }

    fn order(&self) -> AttributeOrder {
        let order = AttributeOrder::new(&self.anna, now()).unwrap();
        order.clearance(&encode(&held(&[1, 2, 3, 4])).unwrap())
    }

    fn store(&self) -> TrustStore {
        let root = self.root.crl(&[], now()).unwrap();
        let lists = vec![RevocationList::from_der(&root).unwrap()];
        TrustStore::new(vec![self.root.certificate().clone()], Vec::new(), lists)
    }

    fn rules(&self) -> AttributeRules {
        AttributeRules {
            authorities: vec![self.giver.certificate().clone()],
            name: "switch.alder.example".into(),
            groups: vec!["alder.example".into()],
        }
    }

    fn judge(&self, order: AttributeOrder) -> Result<Attributed, AttributeProblem> {
        let given = order.sign(&self.giver).unwrap();
        let given = AttributeCertificate::from_der(&given).unwrap();
        let rules = self.rules();
        self.store()
            .validate_attributes(&given, &self.anna, &rules, now())
    }

    fn fault(&self, order: AttributeOrder) -> AttributeFault {
        self.judge(order).unwrap_err().fault
    }
}

#[test]
fn a_good_one_counts_until_the_first_thing_ends() {
    let scene = Scene::new();
    let good = scene
        .judge(scene.order().extension(no_revocation()))
        .unwrap();
    assert_eq!(good.authority.certificates().len(), 2);
    assert!(good.until > now());
    assert!(good.until <= now() + jiff::SignedDuration::from_hours(24 * 7));
}

#[test]
fn one_for_another_holder_does_not_count() {
    let scene = Scene::new();
    let order = scene.order().extension(no_revocation());
    let given = order.sign(&scene.giver).unwrap();
    let given = AttributeCertificate::from_der(&given).unwrap();
    let (store, rules) = (scene.store(), scene.rules());
    let replayed = store.validate_attributes(&given, &scene.bela, &rules, now());
    assert!(matches!(
        replayed.unwrap_err().fault,
        AttributeFault::NotAboutHolder { .. }
    ));
    let own = store.validate_attributes(&given, &scene.anna, &rules, now());
    assert!(own.is_ok());
}

#[test]
fn an_authority_counts_only_when_it_was_named() {
    let scene = Scene::new();
    let order = scene.order().extension(no_revocation());
    let given = order.sign(&scene.giver).unwrap();
    let given = AttributeCertificate::from_der(&given).unwrap();
    let nobody = AttributeRules::default();
    let found = scene
        .store()
        .validate_attributes(&given, &scene.anna, &nobody, now());
    assert!(matches!(
        found.unwrap_err().fault,
        AttributeFault::UnknownAuthority(_)
    ));
    // Another key under the same name.
    let twin = Request::new("CN=Attributes,O=Alder", Usage::Sign, now());
    let twin = scene.root.issue(twin).unwrap();
    let rules = AttributeRules {
        authorities: vec![twin.certificate().clone()],
        ..scene.rules()
    };
    let found = scene
        .store()
        .validate_attributes(&given, &scene.anna, &rules, now());
    assert!(matches!(
        found.unwrap_err().fault,
        AttributeFault::BadSignature(_)
    ));
    // Both keys are named, as in a rollover: the one that signed counts.
    let both = AttributeRules {
        authorities: vec![
            twin.certificate().clone(),
            scene.giver.certificate().clone(),
        ],
        ..scene.rules()
    };
    let found = scene
        .store()
        .validate_attributes(&given, &scene.anna, &both, now());
    assert!(found.is_ok());
}

#[test]
fn a_changed_octet_breaks_the_signature() {
    let scene = Scene::new();
    let mut octets = scene
        .order()
        .extension(no_revocation())
        .sign(&scene.giver)
        .unwrap();
    // The class list: another clearance.
    let at = octets
        .windows(4)
        .position(|four| four == [0x03, 0x02, 0x03, 0x78])
        .unwrap();
    octets[at + 3] = 0x70;
    let changed = AttributeCertificate::from_der(&octets).unwrap();
    let found = scene
        .store()
        .validate_attributes(&changed, &scene.anna, &scene.rules(), now());
    assert!(matches!(
        found.unwrap_err().fault,
        AttributeFault::BadSignature(_)
    ));
}

#[test]
fn a_certification_authority_gives_no_attributes() {
    let scene = Scene::new();
    let order = scene.order().extension(no_revocation());
    let given = order.sign(scene.root.identity()).unwrap();
    let given = AttributeCertificate::from_der(&given).unwrap();
    let rules = AttributeRules {
        authorities: vec![scene.root.certificate().clone()],
        ..scene.rules()
    };
    let found = scene
        .store()
        .validate_attributes(&given, &scene.anna, &rules, now());
    assert_eq!(found.unwrap_err().fault, AttributeFault::AuthorityProfile);
}

#[test]
fn an_authority_that_is_revoked_gives_nothing() {
    let scene = Scene::new();
    let order = scene.order().extension(no_revocation());
    let given = order.sign(&scene.giver).unwrap();
    let given = AttributeCertificate::from_der(&given).unwrap();
    let crl = scene.root.crl(&[scene.giver.certificate()], now()).unwrap();
    let store = scene
        .store()
        .with_lists(vec![RevocationList::from_der(&crl).unwrap()]);
    let found = store.validate_attributes(&given, &scene.anna, &scene.rules(), now());
    let problem = found.unwrap_err();
    assert!(matches!(
        problem.fault,
        AttributeFault::Authority(TrustProblem::Revoked { .. })
    ));
    assert!(!problem.is_ours());
}

#[test]
fn its_days_count_bounds_included() {
    let scene = Scene::new();
    let hour = jiff::SignedDuration::from_hours(1);
    let order = |from, to| scene.order().extension(no_revocation()).valid(from, to);
    assert!(scene.judge(order(now(), now())).is_ok());
    assert!(matches!(
        scene.fault(order(now() - hour, now() - hour)),
        AttributeFault::Expired(_)
    ));
    assert!(matches!(
        scene.fault(order(now() + hour, now() + hour)),
        AttributeFault::NotYetValid(_)
    ));
}

#[test]
fn an_unknown_critical_extension_is_refused_and_one_that_is_not_critical_is_passed_over() {
    let scene = Scene::new();
    let extension = |critical| Extension {
        oid: ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.4"),
        critical,
        value: vec![0x04, 1, 9],
    };
    let order = |critical| {
        let order = scene.order().extension(no_revocation());
        order.extension(extension(critical))
    };
    assert!(matches!(
        scene.fault(order(true)),
        AttributeFault::UnknownCriticalExtension(_)
    ));
    assert!(scene.judge(order(false)).is_ok());
}

#[test]
fn a_target_must_be_us() {
    let scene = Scene::new();
    let order = |host: &str| {
        let order = scene.order().extension(no_revocation());
        order.target(host).unwrap()
    };
    assert!(scene.judge(order("Switch.Alder.example")).is_ok());
    assert_eq!(
        scene.fault(order("switch.birch.example")),
        AttributeFault::NotForUs
    );
    let malformed = scene.order().extension(Extension {
        oid: ObjectIdentifier::new_unwrap("2.5.29.55"),
        critical: true,
        value: vec![0x30, 0x03, 0x30, 0x01, 0x05],
    });
    assert!(matches!(
        scene.fault(malformed.extension(no_revocation())),
        AttributeFault::Extension(_)
    ));
}

#[test]
fn without_no_rev_avail_its_status_must_be_known() {
    // The authority signs its own lists: it needs cRLSign, or no keyUsage at all.
    let scene = Scene::new();
    let key = scene.giver.key().public_spki().to_vec();
    let name = scene.giver.certificate().subject_der().to_vec();
    let year = jiff::SignedDuration::from_hours(24 * 365);
    let bare = scene
        .root
        .certify(&name, &key, now() - year, now() + year, Vec::new())
        .unwrap();
    let rules = AttributeRules {
        authorities: vec![bare],
        ..scene.rules()
    };
    let given = scene.order().sign(&scene.giver).unwrap();
    let given = AttributeCertificate::from_der(&given).unwrap();
    let judge = |store: TrustStore| {
        store
            .validate_attributes(&given, &scene.anna, &rules, now())
            .map_err(|problem| problem.fault)
    };
    let unknown = judge(scene.store());
    assert!(matches!(unknown, Err(AttributeFault::RevocationUnknown(_))));
    assert!(judge(scene.store().with_revocation(RevocationCheck::Optional)).is_ok());
    // A list by the authority itself, empty, and one that takes the attribute certificate back.
    let hour = jiff::SignedDuration::from_hours(1);
    let order = ListOrder::new(1, now() - hour, now() + hour);
    let empty = scene.giver_list(&order);
    let lists = |one: RevocationList| {
        let root = scene.root.crl(&[], now()).unwrap();
        vec![RevocationList::from_der(&root).unwrap(), one]
    };
    let good = judge(scene.store().with_lists(lists(empty))).unwrap();
    assert_eq!(good.until, now() + hour);
    let revoking = scene.giver_list(&order.clone().revoke_serial(&[7]));
    let revoked = judge(scene.store().with_lists(lists(revoking)));
    assert!(matches!(revoked, Err(AttributeFault::Revoked(_))));
    let old = ListOrder::new(1, now() - year, now() - hour);
    let old = lists(scene.giver_list(&old));
    let stale = judge(scene.store().with_lists(old.clone()));
    assert!(matches!(stale, Err(AttributeFault::RevocationUnknown(_))));
    let refused = judge(scene.store().with_lists(old).with_stale(StaleRule::Refuse));
    assert!(matches!(refused, Err(AttributeFault::RevocationStale(_))));
}

impl Scene {
    fn giver_list(&self, order: &ListOrder) -> RevocationList {
        let der = order.sign(&self.giver).unwrap();
        RevocationList::from_der(&der).unwrap()
    }
}

#[test]
fn a_weak_signature_does_not_count() {
    let scene = Scene::new();
    let given = scene.order().extension(no_revocation());
    let given = given.sign(&scene.giver).unwrap();
    let given = AttributeCertificate::from_der(&given).unwrap();
    // P-384 with SHA-384 is good under every suite; P-256 with SHA-256 is not good under CNSA.
    let strict = scene.store().with_suite(Suite::Cnsa1);
    assert!(
        strict
            .validate_attributes(&given, &scene.anna, &scene.rules(), now())
            .is_ok()
    );
    let small = Request::new("CN=Small", Usage::Sign, now()).key(
        crate::crypto::algorithm::KeyKind::Ec(crate::crypto::algorithm::Curve::P256),
    );
    let small = scene.root.issue(small).unwrap();
    let order = scene.order().extension(no_revocation());
    let given = AttributeCertificate::from_der(&order.sign(&small).unwrap()).unwrap();
    let rules = AttributeRules {
        authorities: vec![small.certificate().clone()],
        ..scene.rules()
    };
    let found = strict.validate_attributes(&given, &scene.anna, &rules, now());
    assert!(matches!(
        found.unwrap_err().fault,
        AttributeFault::WeakAlgorithm(_)
    ));
}

#[test]
fn the_constraints_of_the_attribute_authority_count() {
    let scene = Scene::new();
    let limit = clearances::constraints(false, &[&encode(&held(&[1, 2])).unwrap()]);
    let giver = Request::new("CN=Narrow", Usage::Sign, now()).extension(limit);
    let giver = scene.root.issue(giver).unwrap();
    let order = scene.order().extension(no_revocation());
    let given = AttributeCertificate::from_der(&order.sign(&giver).unwrap()).unwrap();
    let rules = AttributeRules {
        authorities: vec![giver.certificate().clone()],
        ..scene.rules()
    };
    let good = scene
        .store()
        .validate_attributes(&given, &scene.anna, &rules, now())
        .unwrap();
    let policies = Policies::default();
    let own = given.clearance(&policies).unwrap().unwrap().clearance;
    let permitted = good.authority.permitted_in_attributes(&policies).unwrap();
    let limited = permitted.effective(&own);
    assert_eq!(limited.clearance, Some(held(&[1, 2])));
    assert_eq!(limited.by, ["CN=Narrow"]);
}

#[test]
fn a_holder_named_otherwise_than_by_certificate() {
    let scene = Scene::new();
    let name = GeneralName::Rfc822Name(Ia5String::new("anna@alder.example").unwrap());
    let order = scene.order().extension(no_revocation()).named(&name);
    // Anna's certificate here has no mail address.
    assert!(matches!(
        scene.fault(order.unwrap()),
        AttributeFault::NotAboutHolder { .. }
    ));
    let subject = GeneralName::DirectoryName(scene.anna.subject_name().clone());
    let order = scene.order().extension(no_revocation()).named(&subject);
    assert!(scene.judge(order.unwrap()).is_ok());
}
