//! What is kept of what was fetched: delta lists, refreshing, forged and old data handed out later.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use der::Encode;
use der::asn1::Ia5String;
use tokio::time::Instant;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use super::online_tests::{
    LIST, RESPONDER, Say, Scene, Table, is_revoked, is_unknown, minutes, response,
};
use super::tests::now;
use super::*;
use crate::crypto::certificate::Extension;
use crate::crypto::lab::{Authority, ListOrder, Request, Usage};
use crate::crypto::revocation::fetch::{Fetch, FetchError};
use crate::crypto::revocation::noted;

const DELTA: &str = "http://crl.example/delta.crl";

/// freshestCRL, for a certificate or a list.
fn freshest() -> Extension {
    let place = GeneralName::UniformResourceIdentifier(Ia5String::new(DELTA).unwrap());
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![place])),
        reasons: None,
        crl_issuer: None,
    };
    Extension {
        oid: "2.5.29.46".parse().unwrap(),
        critical: false,
        value: vec![point].to_der().unwrap(),
    }
}

impl Table {
    fn put(&self, place: &str, list: Vec<u8>) {
        self.lists.lock().unwrap().insert(place.to_owned(), list);
    }

    fn count(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn answers(&self, scene: &Scene, say: Say) {
        let (signer, end) = (scene.root.identity().clone(), scene.end.clone());
        let answer = move |_: &[u8]| response(&signer, signer.certificate(), &end, &say);
        *self.answer.lock().unwrap() = Some(Box::new(answer));
    }
}

fn online(table: &Arc<Table>, folder: Option<&std::path::Path>) -> Arc<Online> {
    let way = Arc::clone(table) as Arc<dyn Fetch>;
    Arc::new(Online::new(way, folder.map(Into::into)))
}

fn check(store: &TrustStore, end: &Certificate, at: Timestamp) -> Result<Path, TrustProblem> {
    store.validate(end, &[], Purpose::Sign, at)
}

#[test]
fn a_delta_list_is_fetched_from_where_certificate_or_list_say() {
    for by_certificate in [true, false] {
        let scene = Scene::new();
        let mut request = Request::new("Fresh", Usage::Sign, now());
        let points = scene.end.extension(&"2.5.29.31".parse().unwrap());
        request = request.extension(points.unwrap().clone());
        let mut complete = ListOrder::new(10, minutes(-60), minutes(600));
        match by_certificate {
            true => request = request.extension(freshest()),
            false => complete = complete.extension(freshest()),
        }
        let end = scene.root.issue(request).unwrap().certificate().clone();
        let table = Arc::new(Table::default());
        table.put(LIST, scene.root.sign_list(&complete).unwrap());
        // The delta list is wanted, and not owed: the complete list is in date.
        let store = scene.store().with_online(online(&table, None));
        check(&store, &end, now()).unwrap();
        assert_eq!(table.count(), 2);
        check(&store, &end, now()).unwrap();
        assert_eq!(table.count(), 2, "asked again at once");
        // What it adds counts, although a good path was remembered.
        let delta = ListOrder::new(11, minutes(-1), minutes(60)).delta(10);
        let adding = delta.clone().revoke(&end, Some(1));
        table.put(DELTA, scene.root.sign_list(&adding).unwrap());
        let problem = check(&store, &end, minutes(2)).unwrap_err();
        assert!(problem.to_string().contains("says the CRL of"), "{problem}");
        assert!(is_revoked(Err(problem)));
        // It makes a complete list new that is out of date.
        let old = minutes(610);
        let newer = ListOrder::new(12, minutes(605), minutes(700)).delta(10);
        table.put(DELTA, scene.root.sign_list(&newer).unwrap());
        let store = scene.store().with_online(online(&table, None));
        let path = check(&store, &end, old).unwrap();
        assert_eq!(path.evidence()[0].next_update, Some(minutes(700)));
        // A stranger's does not count, nor is a place believed that only a stranger's list names.
        let stranger = Authority::new("Root", now()).unwrap();
        table.put(DELTA, stranger.sign_list(&newer).unwrap());
        let store = scene.store().with_online(online(&table, None));
        assert!(is_unknown(check(&store, &end, old)));
        let forged = complete.extension(freshest());
        table.put(LIST, stranger.sign_list(&forged).unwrap());
        let before = table.count();
        let store = scene.store().with_online(online(&table, None));
        assert!(is_unknown(check(&store, &end, now())));
        let asked = table.count() - before;
        assert_eq!(asked, 1 + usize::from(by_certificate));
    }
}

#[test]
fn nobody_on_the_way_takes_a_good_list_away_or_a_revocation_back() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let table = Arc::new(Table::default());
    let root = &scene.root;
    let list = |number, revoked: &[&Certificate], from, to| {
        let mut order = ListOrder::new(number, minutes(from), minutes(to));
        for one in revoked {
            order = order.revoke(one, Some(1));
        }
        order
    };
    table.put(LIST, root.sign_list(&list(5, &[], -10, 600)).unwrap());
    let kept = online(&table, Some(folder.path()));
    let store = scene.store().with_online(Arc::clone(&kept));
    check(&store, &scene.end, now()).unwrap();
    let place = crate::crypto::revocation::fetch::Missing::list(LIST);
    // Garbage, and a forged list that says it were good for ever.
    let stranger = Authority::new("Root", now()).unwrap();
    let forged = stranger.sign_list(&list(99, &[], -1, 6000)).unwrap();
    for (at, handed_out) in [(2, b"<html>no</html>".to_vec()), (4, forged.clone())] {
        table.put(LIST, handed_out);
        kept.fetch(&place, minutes(at));
        check(&store, &scene.end, minutes(at)).unwrap();
        let next_start = scene
            .store()
            .with_online(online(&Arc::default(), Some(folder.path())));
        check(&next_start, &scene.end, minutes(at)).unwrap();
    }
    // The revocation comes, then the older list once more.
    let gone = list(6, &[&scene.end], 5, 600);
    table.put(LIST, root.sign_list(&gone).unwrap());
    kept.fetch(&place, minutes(6));
    assert!(is_revoked(check(&store, &scene.end, minutes(6))));
    table.put(LIST, root.sign_list(&list(5, &[], -10, 600)).unwrap());
    kept.fetch(&place, minutes(8));
    assert!(is_revoked(check(&store, &scene.end, minutes(8))));
    // A forged one where nothing was known tells nothing, and gives way to a good one.
    let table = Arc::new(Table::default());
    table.put(LIST, forged);
    let store = scene.store().with_online(online(&table, None));
    let problem = check(&store, &scene.end, now()).unwrap_err();
    assert!(problem.is_ours(), "{problem}");
    table.put(LIST, root.sign_list(&list(5, &[], -10, 600)).unwrap());
    check(&store, &scene.end, minutes(2)).unwrap();
}

#[test]
fn an_answer_is_kept_until_its_next_update_and_over_a_restart() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let table = Arc::new(Table::default());
    table.answers(&scene, Say::good());
    let asking = Asking {
        lists: false,
        answers: true,
    };
    let start = || {
        let store = scene.store().with_asking(asking);
        store.with_online(online(&table, Some(folder.path())))
    };
    check(&start(), &scene.end, now()).unwrap();
    assert_eq!(table.count(), 1);
    table.answers(&scene, Say::revoked());
    check(&start(), &scene.end, minutes(59)).unwrap();
    assert_eq!(table.count(), 1);
    assert!(is_revoked(check(&start(), &scene.end, minutes(61))));
    assert_eq!(table.count(), 2);
    // Each kind is fetched only where it is wanted.
    let table = Arc::new(Table::default());
    table.answers(&scene, Say::good());
    let lists = Asking {
        lists: true,
        answers: false,
    };
    let store = |asking| {
        let store = scene.store().with_asking(asking);
        store.with_online(online(&table, None))
    };
    assert!(is_unknown(check(&store(lists), &scene.end, now())));
    table.put(LIST, scene.root.crl(&[], now()).unwrap());
    check(&store(lists), &scene.end, now()).unwrap();
    *table.answer.lock().unwrap() = None;
    // A responder that cannot be reached is left alone, whoever is asked about.
    let down = store(asking);
    let before = table.count();
    let request = |name| Request::new(name, Usage::Sign, now());
    let access = scene.end.extension(&"1.3.6.1.5.5.7.1.1".parse().unwrap());
    let other = request("Other").extension(access.unwrap().clone());
    let other = scene.root.issue(other).unwrap().certificate().clone();
    for (end, at, asked) in [(&scene.end, 0, 1), (&other, 0, 1), (&other, 1, 2)] {
        let problem = check(&down, end, minutes(at)).unwrap_err();
        assert!(problem.to_string().contains(RESPONDER), "{problem}");
        assert_eq!(table.count() - before, asked);
    }
}

/// A place that answers when it is let go, and counts its questions.
#[derive(Default)]
struct Gate {
    table: Table,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn wait(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.opened.wait(open).unwrap();
        }
    }

    fn set_open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Fetch for Gate {
    fn get(&self, place: &str) -> Result<Vec<u8>, FetchError> {
        let got = self.table.get(place);
        self.wait();
        got
    }

    fn ask(&self, place: &str, question: &[u8]) -> Result<Vec<u8>, FetchError> {
        let got = self.table.ask(place, question);
        self.wait();
        got
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_wait_has_it_fetched_beside() {
    let scene = Scene::new();
    let table = Arc::new(Table::default());
    let store = scene.store().with_online(online(&table, None));
    let aside = || store.validate_aside(&scene.end, &[], Purpose::Sign, now());
    let problem = aside().await.unwrap_err();
    assert!(problem.to_string().contains("unreachable"), "{problem}");
    // CRL, then responder; one at a time, each once.
    assert_eq!(table.count(), 2);
    table.put(LIST, scene.root.crl(&[], now()).unwrap());
    let store = scene.store().with_online(online(&table, None));
    let path = store.validate_aside(&scene.end, &[], Purpose::Sign, now());
    assert_eq!(path.await.unwrap().evidence().len(), 1);
    // Whoever notes learns the same, and nothing is fetched within.
    let fresh = scene.store().with_online(online(&table, None));
    let before = table.count();
    let look = |store: &TrustStore| noted::noting(|| check(store, &scene.end, now()));
    let (outcome, noted) = look(&fresh);
    assert!(is_unknown(outcome) && noted.missing.len() == 1);
    assert!(noted.told[0].contains("is not known"), "{noted:?}");
    assert_eq!(table.count(), before);
    for _ in 0..2 {
        let (outcome, noted) = look(&store);
        outcome.unwrap();
        let told = "CN=End: not revoked, says CN=Root, thisUpdate 2026-11-21T08:30:00Z, \
                    nextUpdate 2026-11-28T08:30:00Z";
        assert_eq!(noted.told, [told]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_wait_for_one_question_and_not_beyond_their_time() {
    let scene = Scene::new();
    let gate = Arc::new(Gate::default());
    let list = scene.root.crl(&[], now()).unwrap();
    gate.table.put(LIST, list);
    let way = Arc::clone(&gate) as Arc<dyn Fetch>;
    let online = Arc::new(Online::new(way, None));
    let store = scene.store().with_online(Arc::clone(&online));
    let look = || store.look(&scene.end, &[], Purpose::Sign, now());
    // Looking waits for nobody and asks nobody.
    let found = look();
    assert!(found.outcome.unwrap_err().is_ours());
    assert_eq!((found.missing.len(), gate.table.count()), (1, 0));
    let soon = Instant::now() + Duration::from_millis(50);
    online.bring(&found.missing, now(), soon).await;
    let found = look();
    assert!(found.outcome.is_err() && found.missing.len() == 1);
    let mut waiters = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let online = Arc::clone(&online);
        let missing = found.missing.clone();
        let until = Instant::now() + Duration::from_secs(60);
        waiters.spawn(async move { online.bring(&missing, now(), until).await });
    }
    tokio::task::yield_now().await;
    gate.set_open();
    while let Some(waited) = waiters.join_next().await {
        waited.unwrap();
    }
    assert_eq!(gate.table.count(), 1);
    let found = look();
    found.outcome.unwrap();
    assert!(found.missing.is_empty());
}

#[tokio::test]
async fn what_is_in_use_is_asked_for_again_before_it_ends() {
    let scene = Scene::new();
    let table = Arc::new(Table::default());
    let short = ListOrder::new(1, now(), minutes(80));
    table.put(LIST, scene.root.sign_list(&short).unwrap());
    let online = online(&table, None);
    let store = scene.store().with_online(Arc::clone(&online));
    check(&store, &scene.end, now()).unwrap();
    let day = Duration::from_secs(86_400);
    assert_eq!(online.refresh(minutes(59), day), 0);
    assert_eq!(online.refresh(minutes(30), Duration::from_secs(1800)), 1);
    let next = ListOrder::new(2, minutes(59), minutes(140)).revoke(&scene.end, Some(1));
    table.put(LIST, scene.root.sign_list(&next).unwrap());
    let place = crate::crypto::revocation::fetch::Missing::list(LIST);
    let until = Instant::now() + Duration::from_secs(60);
    online
        .bring(std::slice::from_ref(&place), minutes(32), until)
        .await;
    // Known long before the old list ends, and before the path that was remembered does.
    assert!(is_revoked(check(&store, &scene.end, minutes(61))));
    assert_eq!(online.refresh(minutes(130), day), 1);
    // A place that nobody needs any more is left alone.
    let unused = Arc::new(Online::new(Arc::clone(&table) as Arc<dyn Fetch>, None));
    unused.fetch(&place, now());
    assert_eq!(unused.refresh(minutes(79), day), 0);
}
