//! OCSP answers and fetched CRLs: each rule with its negative twin.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use der::asn1::Ia5String;
use der::{Decode, Encode};
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax, ExtendedKeyUsage};

use super::tests::now;
use super::*;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::Extension;
use crate::crypto::keys::Identity;
use crate::crypto::lab::{self, Authority, Request, Usage};
use crate::crypto::provider;
use crate::crypto::revocation::fetch::{Fetch, FetchError};
use crate::crypto::revocation::ocsp::NONCE_LENGTH;
use crate::crypto::tlv;

pub(super) const LIST: &str = "http://crl.example/ca.crl";
pub(super) const RESPONDER: &str = "http://ocsp.example/";

pub(super) fn minutes(count: i64) -> Timestamp {
    now()
        .checked_add(jiff::SignedDuration::from_mins(count))
        .unwrap()
}

fn time(at: Timestamp) -> Vec<u8> {
    let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
    tlv::element(tlv::GENERALIZED_TIME, &[text.as_bytes()])
}

/// What a responder is told to say.
#[derive(Clone)]
pub(super) struct Say {
    pub(super) status: Vec<u8>,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
    pub(super) nonce: Option<Vec<u8>>,
}

impl Say {
    pub(super) fn good() -> Self {
        Self {
            status: vec![0x80, 0],
            this_update: minutes(-5),
            next_update: Some(minutes(60)),
            nonce: None,
        }
    }

    pub(super) fn revoked() -> Self {
        let since = tlv::element(tlv::CONTEXT_1, &[&time(minutes(-60))]);
        Self {
            status: since,
            ..Self::good()
        }
    }
}

/// A response about `certificate`, in the name and by the key of `signer`.
// RFC 6960 §4.2.1
pub(super) fn response(
    signer: &Identity,
    issuer: &Certificate,
    certificate: &Certificate,
    say: &Say,
) -> Vec<u8> {
    let digest = |octets: &[u8]| {
        let hash = provider::default().digest(Digest::Sha256, &[octets]);
        tlv::element(tlv::OCTET_STRING, &[&hash])
    };
    let spki = spki::SubjectPublicKeyInfoRef::from_der(issuer.spki_der()).unwrap();
    let id = tlv::sequence(&[
        &tlv::sequence(&[&tlv::oid(&Digest::Sha256.oid())]),
        &digest(certificate.issuer_der()),
        &digest(spki.subject_public_key.as_bytes().unwrap()),
        &tlv::element(tlv::INTEGER, &[certificate.serial_bytes()]),
    ]);
    let next = say
        .next_update
        .map(|next| tlv::element(tlv::CONTEXT_0, &[&time(next)]))
        .unwrap_or_default();
    let one = tlv::sequence(&[&id, &say.status, &time(say.this_update), &next]);
    let nonce = say.nonce.as_ref().map(|nonce| {
        let nonce = Extension {
            oid: "1.3.6.1.5.5.7.48.1.2".parse().unwrap(),
            critical: false,
            value: tlv::element(tlv::OCTET_STRING, &[nonce]),
        };
        tlv::element(tlv::CONTEXT_1, &[&Extension::list_der(&[nonce])])
    });
    let tbs = tlv::sequence(&[
        &tlv::element(tlv::CONTEXT_1, &[signer.certificate().subject_der()]),
        &time(say.this_update),
        &tlv::sequence(&[&one]),
        &nonce.unwrap_or_default(),
    ]);
    let scheme = signer.default_scheme();
    let signature = signer.sign(&tbs).unwrap();
    let certificates = tlv::sequence(&[signer.certificate().der()]);
    let basic = tlv::sequence(&[
        &tbs,
        &scheme.algorithm_der(),
        &tlv::element(3, &[&[0], &signature]),
        &tlv::element(tlv::CONTEXT_0, &[&certificates]),
    ]);
    let bytes = tlv::sequence(&[
        &tlv::oid(&"1.3.6.1.5.5.7.48.1.1".parse().unwrap()),
        &tlv::element(tlv::OCTET_STRING, &[&basic]),
    ]);
    tlv::sequence(&[&[0x0a, 1, 0], &tlv::element(tlv::CONTEXT_0, &[&bytes])])
}

pub(super) struct Scene {
    pub(super) root: Authority,
    pub(super) end: Certificate,
}

impl Scene {
    /// The end entity names a CRL and a responder.
    pub(super) fn new() -> Self {
        let root = Authority::new("Root", now()).unwrap();
        let place = |text| GeneralName::UniformResourceIdentifier(Ia5String::new(text).unwrap());
        let access = AccessDescription {
            access_method: "1.3.6.1.5.5.7.48.1".parse().unwrap(),
            access_location: place(RESPONDER),
        };
        let point = DistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![place(LIST)])),
            reasons: None,
            crl_issuer: None,
        };
        let request = Request::new("End", Usage::Sign, now())
            .extension(lab::of(false, &AuthorityInfoAccessSyntax(vec![access])).unwrap())
            .extension(Extension {
                oid: "2.5.29.31".parse().unwrap(),
                critical: false,
                value: vec![point].to_der().unwrap(),
            });
        let end = root.issue(request).unwrap().certificate().clone();
        Self { root, end }
    }

    pub(super) fn store(&self) -> TrustStore {
        TrustStore::new(
            vec![self.root.certificate().clone()],
            Vec::new(),
            Vec::new(),
        )
    }

    /// With one answer at hand.
    fn check(&self, signer: &Identity, say: &Say) -> Result<Path, TrustProblem> {
        let der = response(signer, self.root.certificate(), &self.end, say);
        self.store()
            .with_responses(vec![Response::from_der(&der).unwrap()])
            .validate(&self.end, &[], Purpose::Sign, now())
    }

    /// A responder with its own certificate.
    fn responder(&self, authority: &Authority, usage: &str, no_check: bool) -> Identity {
        let mut request = Request::new("Responder", Usage::Client, now());
        if no_check {
            request = request.extension(Extension {
                oid: "1.3.6.1.5.5.7.48.1.5".parse().unwrap(),
                critical: false,
                value: vec![5, 0],
            });
        }
        let made = authority.issue(request).unwrap();
        // The same certificate with another extendedKeyUsage.
        let mut extensions = made.certificate().extensions().to_vec();
        extensions.retain(|item| item.oid.to_string() != "2.5.29.37");
        let usage = ExtendedKeyUsage(vec![usage.parse().unwrap()]);
        extensions.push(lab::of(false, &usage).unwrap());
        let own = made.certificate();
        let certificate = authority
            .certify(
                own.subject_der(),
                own.spki_der(),
                own.not_before(),
                own.not_after(),
                extensions,
            )
            .unwrap();
        Identity::new(certificate, Arc::clone(made.key()), Vec::new()).unwrap()
    }
}

pub(super) fn is_unknown(result: Result<Path, TrustProblem>) -> bool {
    matches!(result, Err(TrustProblem::RevocationUnknown { .. }))
}

pub(super) fn is_revoked(result: Result<Path, TrustProblem>) -> bool {
    matches!(result, Err(TrustProblem::Revoked { .. }))
}

#[test]
fn an_answer_of_the_issuer_counts_while_it_is_fresh() {
    let scene = Scene::new();
    let root = scene.root.identity();
    let path = scene.check(root, &Say::good()).unwrap();
    assert_eq!(path.window().1, minutes(60));
    assert!(path.evidence()[0].source.contains("OCSP"));
    assert!(is_revoked(scene.check(root, &Say::revoked())));
    let unknown = Say {
        status: vec![0x82, 0],
        ..Say::good()
    };
    assert!(is_unknown(scene.check(root, &unknown)));
    for (this_update, next_update, good) in [
        (-5, Some(0), true),
        (-5, Some(-1), false),
        (4, Some(60), true),
        (6, Some(60), false),
        (-59, None, true),
        (-61, None, false),
    ] {
        let say = Say {
            this_update: minutes(this_update),
            next_update: next_update.map(minutes),
            ..Say::good()
        };
        let found = scene.check(root, &say);
        assert_eq!(found.is_ok(), good, "{this_update} {next_update:?}");
        assert!(good || is_unknown(found));
    }
    // Revoked stays revoked.
    let old = Say {
        next_update: Some(minutes(-4)),
        ..Say::revoked()
    };
    assert!(is_revoked(scene.check(root, &old)));
    // An answer about another certificate, or by another key of the same name.
    let other = scene
        .root
        .issue(Request::new("Other", Usage::Sign, now()))
        .unwrap();
    let der = response(
        root,
        scene.root.certificate(),
        other.certificate(),
        &Say::good(),
    );
    let store = scene
        .store()
        .with_responses(vec![Response::from_der(&der).unwrap()]);
    assert!(is_unknown(store.validate(
        &scene.end,
        &[],
        Purpose::Sign,
        now()
    )));
    let double = Authority::new("Root", now()).unwrap();
    assert!(is_unknown(scene.check(double.identity(), &Say::good())));
    let der = response(root, scene.root.certificate(), &scene.end, &Say::good());
    for at in (0..der.len()).step_by(11) {
        let mut changed = der.clone();
        changed[at] ^= 4;
        let Ok(response) = Response::from_der(&changed) else {
            continue;
        };
        let store = scene.store().with_responses(vec![response]);
        let found = store.validate(&scene.end, &[], Purpose::Sign, now());
        // The certificate that came along is not signed by the response.
        let in_certificates = at + scene.root.certificate().der().len() >= der.len();
        assert!(in_certificates || is_unknown(found), "octet {at}");
    }
}

#[test]
fn a_responder_answers_only_where_the_issuer_said_so() {
    const OCSP: &str = "1.3.6.1.5.5.7.3.9";
    const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
    let scene = Scene::new();
    let root = &scene.root;
    let middle = root.subordinate("Middle", None, now()).unwrap();
    let double = Authority::new("Root", now()).unwrap();
    scene
        .check(&scene.responder(root, OCSP, true), &Say::good())
        .unwrap();
    assert!(is_revoked(
        scene.check(&scene.responder(root, OCSP, true), &Say::revoked())
    ));
    for wrong in [
        scene.responder(root, CLIENT, true),
        scene.responder(&middle, OCSP, true),
        scene.responder(&double, OCSP, true),
        scene.responder(root, OCSP, false),
    ] {
        assert!(is_unknown(scene.check(&wrong, &Say::good())));
        // Nor is it believed in what it takes back.
        assert!(is_unknown(scene.check(&wrong, &Say::revoked())));
    }
}

/// From a question to the answer of a responder.
type Answering = dyn Fn(&[u8]) -> Vec<u8> + Send;

/// Answers from a table, and counts the questions.
#[derive(Default)]
pub(super) struct Table {
    pub(super) lists: Mutex<HashMap<String, Vec<u8>>>,
    pub(super) answer: Mutex<Option<Box<Answering>>>,
    pub(super) asked: AtomicUsize,
}

impl Fetch for Table {
    fn get(&self, place: &str) -> Result<Vec<u8>, FetchError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let lists = self.lists.lock().unwrap();
        lists.get(place).cloned().ok_or_else(|| FetchError {
            place: place.to_owned(),
            reason: "unreachable".to_owned(),
        })
    }

    fn ask(&self, place: &str, question: &[u8]) -> Result<Vec<u8>, FetchError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answer.lock().unwrap();
        match answer.as_ref() {
            Some(answer) => Ok(answer(question)),
            None => Err(FetchError {
                place: place.to_owned(),
                reason: "unreachable".to_owned(),
            }),
        }
    }
}

#[test]
fn a_list_is_fetched_once_and_survives_a_restart() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let table = Arc::new(Table::default());
    let start = || {
        let online = Online::new(
            Arc::clone(&table) as Arc<dyn Fetch>,
            Some(folder.path().into()),
        );
        scene.store().with_online(Arc::new(online))
    };
    let check = |store: &TrustStore, at| store.validate(&scene.end, &[], Purpose::Sign, at);
    // Unreachable: our fault, and the place is left alone for a minute.
    let store = start();
    let problem = check(&store, now()).unwrap_err();
    assert!(
        problem.is_ours() && problem.to_string().contains("unreachable"),
        "{problem}"
    );
    let asked = table.asked.load(Ordering::Relaxed);
    check(&store, now()).unwrap_err();
    assert_eq!(table.asked.load(Ordering::Relaxed), asked);
    table
        .lists
        .lock()
        .unwrap()
        .insert(LIST.to_owned(), scene.root.crl(&[], now()).unwrap());
    check(&store, minutes(2)).unwrap();
    let asked = table.asked.load(Ordering::Relaxed);
    // Another start, and nobody to ask.
    table.lists.lock().unwrap().clear();
    check(&start(), minutes(3)).unwrap();
    assert_eq!(table.asked.load(Ordering::Relaxed), asked);
    // Out of date: asked again, and what comes is obeyed.
    let later = minutes(8 * 24 * 60);
    assert!(check(&start(), later).unwrap_err().is_ours());
    let gone = scene.root.crl(&[&scene.end], later).unwrap();
    table.lists.lock().unwrap().insert(LIST.to_owned(), gone);
    assert!(is_revoked(check(&start(), later)));
    // Without a way out nothing is fetched, and a path that is not good fetches nothing.
    assert!(is_unknown(check(&scene.store(), now())));
    let asked = table.asked.load(Ordering::Relaxed);
    let stranger = Scene::new();
    start()
        .validate(
            &stranger.end,
            &[stranger.root.certificate().clone()],
            Purpose::Sign,
            now(),
        )
        .unwrap_err();
    start()
        .validate(&scene.end, &[], Purpose::Encrypt, now())
        .unwrap_err();
    assert_eq!(table.asked.load(Ordering::Relaxed), asked);
}

#[test]
fn a_responder_is_asked_with_a_nonce_and_must_give_it_back_or_none() {
    let scene = Scene::new();
    let root = Arc::new(scene.root.identity().clone());
    let (issuer, end) = (scene.root.certificate().clone(), scene.end.clone());
    let check = |nonce: fn(Vec<u8>) -> Option<Vec<u8>>| {
        let table = Table::default();
        let (root, issuer, end) = (Arc::clone(&root), issuer.clone(), end.clone());
        *table.answer.lock().unwrap() = Some(Box::new(move |question| {
            let sent = question[question.len() - NONCE_LENGTH..].to_vec();
            let say = Say {
                nonce: nonce(sent),
                ..Say::good()
            };
            response(&root, &issuer, &end, &say)
        }));
        let online = Online::new(Arc::new(table), None);
        scene
            .store()
            .with_online(Arc::new(online))
            .validate(&scene.end, &[], Purpose::Sign, now())
    };
    check(Some).unwrap();
    check(|_| None).unwrap();
    let problem = check(|_| Some(vec![7; NONCE_LENGTH])).unwrap_err();
    assert!(problem.is_ours(), "{problem}");
}
