//! Promises of the store, on real files and on engines that fail.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex};

use super::engine::{Pair, Snapshot, Write};
use super::*;
use crate::audit::{Act, Event, verify};
use crate::clock::Timestamp;
use crate::message::{MessageId, Precedence};

mod awaited;
mod large;

/// The default engine; `RAVELIN_TEST_ENGINE=sled` has the same tests run on that one.
pub(super) fn engine_under_test() -> EngineKind {
    let named = std::env::var("RAVELIN_TEST_ENGINE").ok();
    named.map_or_else(EngineKind::default, |name| {
        let mut all = EngineKind::ALL.into_iter();
        all.find(|kind| kind.name() == name && kind.is_built())
            .expect("RAVELIN_TEST_ENGINE names an engine that is built")
    })
}

pub(super) fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.join("store"),
        key: StoreKey::new([1; 32]),
        export: Some(dir.join("audit.jsonl")),
        engine: engine_under_test(),
        assurance: Assurance::Standard,
    }
}

pub(super) fn clock() -> Clock {
    Clock::fixed(Timestamp::from_second(1_795_000_000).unwrap())
}

pub(super) fn open(dir: &Path) -> Store {
    Store::open(settings(dir), clock()).unwrap()
}

pub(super) fn draft(n: u8) -> DraftRow {
    DraftRow {
        id: DraftId::new([n; 16]),
        message: MessageId::new([n; 16]),
        state: DraftState::Submitted,
        submitted_at: Timestamp::UNIX_EPOCH,
        expires: Timestamp::MAX,
        precedence: Precedence::Immediate,
        submitted_by: "drafter".into(),
        payload: vec![n, 0, 255],
        size: 0,
        revision: 0,
    }
}

pub(super) fn entry(n: u8) -> EntryRow {
    EntryRow {
        id: EntryId::new([n; 16]),
        message: MessageId::new([n; 16]),
        next_hop: "birch".into(),
        from: String::new(),
        recipients: Vec::new(),
        precedence: Precedence::Routine,
        arrived: Timestamp::UNIX_EPOCH,
        due: Timestamp::UNIX_EPOCH,
        expires: Timestamp::MAX,
        attempts: 0,
        state: EntryState::Ready,
        judged_under: "1".into(),
        permitted: Permitted::Own,
        version: EntryRow::VERSION,
        terms: Default::default(),
        notice: None,
        overdue: None,
        originator: None,
        considered: Considered::No,
        sics: vec![],
        size: 0,
        revision: 0,
    }
}

fn event(act: Act) -> Event {
    Event::new(Timestamp::UNIX_EPOCH, act, "test")
}

/// A draft with a small body and an entry with a large one.
pub(super) fn fill(n: u8) -> Change {
    let mut change = Change::new();
    change.put_draft(draft(n), vec![n; 1000].into());
    change.put_entry(entry(n), vec![n; 300_000].into());
    change.record(event(Act::Held));
    change.record(event(Act::Queued));
    change
}

pub(super) fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("store/bodies")).unwrap().count()
}

pub(super) fn exported(dir: &Path) -> u64 {
    verify(&std::fs::read(dir.join("audit.jsonl")).unwrap()[..])
        .unwrap()
        .records
}

pub(super) fn check_filled(store: &Store, n: u8) {
    let row = store.draft(DraftId::new([n; 16])).unwrap().unwrap();
    assert_eq!(
        row,
        DraftRow {
            size: 1000,
            revision: 1,
            ..draft(n)
        }
    );
    let row = store.entry(EntryId::new([n; 16])).unwrap().unwrap();
    assert_eq!(
        row,
        EntryRow {
            size: 300_000,
            revision: 1,
            ..entry(n)
        }
    );
    let body = store.draft_body(DraftId::new([n; 16])).unwrap().unwrap();
    assert_eq!(*body, vec![n; 1000]);
    let body = store.entry_body(EntryId::new([n; 16])).unwrap().unwrap();
    assert_eq!(*body, vec![n; 300_000]);
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let committed = store.commit_blocking(fill(1)).unwrap();
    assert_eq!(
        committed,
        Committed {
            sequence: 2,
            group: 1
        }
    );
    check_filled(&store, 1);
    drop(store);
    assert!(!dir.path().join("store/open").exists(), "a clean stop");
    let store = open(dir.path());
    check_filled(&store, 1);
    assert_eq!(store.commit_blocking(fill(2)).unwrap().sequence, 4);
    assert_eq!(
        (
            store.entries().unwrap().len(),
            store.drafts().unwrap().len()
        ),
        (2, 2)
    );
    assert!(store.record(4).unwrap().unwrap().contains("\"queued\""));
    assert_eq!(store.record(5).unwrap(), None);
    assert_eq!(exported(dir.path()), 4);
}

#[test]
fn what_was_removed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(fill(1)).unwrap();
    assert_eq!(files(dir.path()), 1);
    let mut change = Change::new();
    change.remove_draft(DraftId::new([1; 16]));
    change.remove_entry(EntryId::new([1; 16]));
    store.commit_blocking(change).unwrap();
    assert_eq!(files(dir.path()), 0);
    for table in [Table::Body, Table::Draft, Table::Entry] {
        assert_eq!(
            store.inner.shared.engine.with(|e| e.last(table)).unwrap(),
            None,
            "{table:?}"
        );
    }
    assert_eq!(store.entry_body(EntryId::new([1; 16])).unwrap(), None);
}

#[test]
fn a_conflict_fails_alone_and_has_no_effect() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(fill(1)).unwrap();
    let read = store.draft(DraftId::new([1; 16])).unwrap().unwrap();
    let update = |state| {
        let mut change = Change::new();
        change.update_draft(DraftRow {
            state,
            ..read.clone()
        });
        change.record(event(Act::Reviewed));
        change
    };
    store.commit_blocking(update(DraftState::Released)).unwrap();
    let conflict = store
        .commit_blocking(update(DraftState::Returned))
        .unwrap_err();
    assert!(
        matches!(&conflict, Fault::Conflict(text) if text.contains("changed")),
        "{conflict}"
    );
    let row = store.draft(read.id).unwrap().unwrap();
    assert_eq!((row.state, row.revision), (DraftState::Released, 2));
    assert_eq!(*store.draft_body(read.id).unwrap().unwrap(), vec![1; 1000]);

    // The large body of a change that is refused does not stay behind.
    let again = store.commit_blocking(fill(1)).unwrap_err();
    assert!(again.to_string().contains("there already"), "{again}");
    assert_eq!(files(dir.path()), 1);
    let mut twice = Change::new();
    twice.remove_draft(read.id);
    twice.remove_draft(read.id);
    assert!(
        store
            .commit_blocking(twice)
            .unwrap_err()
            .to_string()
            .contains("twice")
    );
    let mut gone = Change::new();
    gone.remove_entry(EntryId::new([9; 16]));
    assert!(
        store
            .commit_blocking(gone)
            .unwrap_err()
            .to_string()
            .contains("not there")
    );
    assert_eq!(exported(dir.path()), 3, "a refused change leaves no event");
}

#[test]
fn another_key_is_refused_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).commit_blocking(fill(1)).unwrap();
    let other = Settings {
        key: StoreKey::new([2; 32]),
        ..settings(dir.path())
    };
    assert!(matches!(
        Store::open(other, clock()),
        Err(Fault::WrongKey { .. })
    ));
    check_filled(&open(dir.path()), 1);
}

#[test]
fn nothing_lies_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let mut change = Change::new();
    change.put_draft(draft(1), b"SECRET-IN-THE-BODY".as_slice().into());
    open(dir.path()).commit_blocking(change).unwrap();
    let mut octets = Vec::new();
    all_octets(&dir.path().join("store"), &mut octets);
    assert!(octets.len() > 400, "{}", octets.len());
    for clear in [&b"SECRET-IN-THE-BODY"[..], b"drafter"] {
        assert!(!octets.windows(clear.len()).any(|window| window == clear));
    }
}

/// The octets of all files below `dir`.
fn all_octets(dir: &Path, octets: &mut Vec<u8>) {
    for found in std::fs::read_dir(dir).unwrap() {
        let path = found.unwrap().path();
        match path.is_dir() {
            true => all_octets(&path, octets),
            false => octets.extend(std::fs::read(path).unwrap()),
        }
    }
}

/// Changes the engine behind the store's back.
pub(super) fn tamper(dir: &Path, change: impl FnOnce(&dyn Engine) -> Vec<Write>) {
    let database = database::Database::of(engine_under_test(), &dir.join("store")).unwrap();
    let engine = database.open(Assurance::Standard, engine::LastStop::Clean);
    let engine = engine.unwrap();
    let writes = change(&*engine);
    engine.apply(writes).unwrap();
}

#[test]
fn swapped_rows_are_set_aside_with_an_event_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 1..=3 {
        store.commit_blocking(fill(n)).unwrap();
    }
    drop(store);
    tamper(dir.path(), |engine| {
        let rows = engine.scan(Table::Entry, &[], 2).unwrap();
        vec![
            Write::Put(Table::Entry, rows[0].key.clone(), rows[1].value.clone()),
            Write::Put(Table::Entry, rows[1].key.clone(), rows[0].value.clone()),
            Write::Remove(Table::Body, body_key_of_draft(2)),
        ]
    });
    let store = open(dir.path());
    assert_eq!(store.entries().unwrap().len(), 1);
    assert_eq!(store.drafts().unwrap().len(), 2);
    assert_eq!(store.quarantined().unwrap(), 3);
    check_filled(&store, 3);
    assert_eq!(
        files(dir.path()),
        3,
        "the bodies of what was set aside stay"
    );
    assert_eq!(exported(dir.path()), 6 + 3);
    assert!(store.record(9).unwrap().unwrap().contains("quarantined"));
    drop(store);
    // The next start finds nothing new, and still keeps the bodies.
    let store = open(dir.path());
    assert_eq!((store.quarantined().unwrap(), files(dir.path())), (3, 3));
    assert_eq!(exported(dir.path()), 9);
}

fn body_key_of_draft(n: u8) -> Vec<u8> {
    start::body_key(&start::draft_name(DraftId::new([n; 16])))
}

#[test]
fn a_damaged_or_missing_body_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(fill(1)).unwrap();
    let found = std::fs::read_dir(dir.path().join("store/bodies"))
        .unwrap()
        .next();
    let path = found.unwrap().unwrap().path();
    let mut octets = std::fs::read(&path).unwrap();
    octets[70_000] ^= 1;
    std::fs::write(&path, octets).unwrap();
    let fault = store.entry_body(EntryId::new([1; 16])).unwrap_err();
    assert!(fault.to_string().contains("chunk 1 was changed"), "{fault}");
    drop(store);
    std::fs::remove_file(path).unwrap();
    let store = open(dir.path());
    assert_eq!(
        (store.quarantined().unwrap(), store.entries().unwrap().len()),
        (1, 0)
    );
}

#[test]
fn orphans_are_swept_with_an_event() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).commit_blocking(fill(1)).unwrap();
    let orphan = dir.path().join("store/bodies/entry_00-11.part");
    std::fs::write(&orphan, b"torn").unwrap();
    let store = open(dir.path());
    assert!(!orphan.exists());
    assert!(store.record(3).unwrap().unwrap().contains("swept"));
    check_filled(&store, 1);
}

/// Table and key.
type Key = (Table, Vec<u8>);

/// An engine in memory whose commits can be held up and made to fail.
#[derive(Clone, Default)]
pub(super) struct Fake {
    tables: Arc<Mutex<HashMap<Key, Vec<u8>>>>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    pub(super) fail: Arc<AtomicBool>,
}

impl Engine for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), EngineFault> {
        let (shut, changed) = &*self.gate;
        drop(
            changed
                .wait_while(shut.lock().unwrap(), |shut| *shut)
                .unwrap(),
        );
        if self.fail.load(Ordering::SeqCst) {
            let source = "no space left".into();
            return Err(EngineFault {
                engine: "fake",
                attempt: "commit",
                source,
            });
        }
        let mut tables = self.tables.lock().unwrap();
        for write in writes {
            match write {
                Write::Put(table, key, value) => drop(tables.insert((table, key), value)),
                Write::Remove(table, key) => drop(tables.remove(&(table, key))),
            }
        }
        Ok(())
    }

    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault> {
        Ok(self
            .tables
            .lock()
            .unwrap()
            .get(&(table, key.to_vec()))
            .cloned())
    }

    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, EngineFault> {
        Ok(self.read(table, key)?.is_some())
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault> {
        let tables = self.tables.lock().unwrap();
        let found = tables
            .iter()
            .filter(|((of, key), _)| *of == table && key.as_slice() >= from);
        let mut pairs: Vec<_> = found
            .map(|((_, key), value)| Pair {
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        pairs.sort_by(|a, b| a.key.cmp(&b.key));
        pairs.truncate(limit);
        Ok(pairs)
    }

    fn last(&self, table: Table) -> Result<Option<Pair>, EngineFault> {
        Ok(Engine::scan(self, table, &[], usize::MAX)?.pop())
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, EngineFault> {
        let tables = self.tables.lock().unwrap().clone();
        Ok(Box::new(Self {
            tables: Arc::new(Mutex::new(tables)),
            ..Self::default()
        }))
    }

    fn compact(&mut self) -> Result<(), EngineFault> {
        Ok(())
    }
}

impl Snapshot for Fake {
    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault> {
        Engine::scan(self, table, from, limit)
    }
}

fn set(gate: &(Mutex<bool>, Condvar), shut: bool) {
    *gate.0.lock().unwrap() = shut;
    gate.1.notify_all();
}

pub(super) fn small(n: u8) -> Change {
    let mut change = Change::new();
    change.put_draft(draft(n), vec![n].into());
    change.record(event(Act::Held));
    change
}

#[tokio::test]
async fn waiting_changes_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    let gate = Arc::clone(&fake.gate);
    let store = start::open(
        settings(dir.path()),
        clock(),
        start::Source::Once(Box::new(fake)),
        Arc::new(System),
    )
    .unwrap();
    set(&gate, true);
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.commit(small(0)).await }
    });
    // Wait until the committer is at the gate with the first change.
    while store.inner.shared.sealer.sealed() < 4 {
        tokio::task::yield_now().await;
    }
    let rest: Vec<_> = (1..=200)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(small(n)).await })
        })
        .collect();
    // Each body is sealed just before its change is handed over.
    while store.inner.shared.sealer.sealed() < 4 + 200 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    set(&gate, false);
    assert_eq!(first.await.unwrap().unwrap().group, 1);
    for task in rest {
        task.await.unwrap().unwrap();
    }
    let counts = store.counts();
    assert_eq!(counts.changes, 201);
    assert!(counts.groups <= 4, "{counts:?}");
    assert_eq!(exported(dir.path()), 201);
}

#[test]
fn a_failed_commit_closes_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    let fail = Arc::clone(&fake.fail);
    let store = start::open(
        settings(dir.path()),
        clock(),
        start::Source::Once(Box::new(fake)),
        Arc::new(System),
    )
    .unwrap();
    store.commit_blocking(fill(1)).unwrap();
    fail.store(true, Ordering::SeqCst);
    let fault = store.commit_blocking(fill(2)).unwrap_err();
    assert!(fault.to_string().contains("no space left"), "{fault}");
    fail.store(false, Ordering::SeqCst);
    assert!(matches!(
        store.commit_blocking(small(3)),
        Err(Fault::Closed(_))
    ));
    assert!(store.closed().is_some());
    assert_eq!(
        files(dir.path()),
        2,
        "whether the commit is on the disk is not known: keep its body"
    );
    assert_eq!(exported(dir.path()), 2);
    check_filled(&store, 1);
    drop(store);
    assert!(
        dir.path().join("store/open").exists(),
        "the next start checks"
    );
}

#[test]
fn observers_see_what_is_durable_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let seen = Arc::new(Mutex::new(Vec::new()));
    store.observe({
        let seen = Arc::clone(&seen);
        move |applied| seen.lock().unwrap().push(format!("{applied:?}"))
    });
    store.commit_blocking(fill(1)).unwrap();
    let mut change = Change::new();
    change.quarantine_entry(EntryId::new([1; 16]));
    store.commit_blocking(change).unwrap();
    let seen = seen.lock().unwrap();
    let starts: Vec<_> = seen
        .iter()
        .map(|text| text.split('(').next().unwrap())
        .collect();
    assert_eq!(starts, ["Draft", "Entry", "EntryGone"]);
    assert_eq!(
        (store.quarantined().unwrap(), store.entries().unwrap().len()),
        (1, 0)
    );
}
