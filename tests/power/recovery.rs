//! The way back from a failed commit, without a new start: the store opens again when the disk takes
//! writes, nothing that was acknowledged is lost, also when the power goes afterwards, and whoever
//! follows what is committed is told what is true.

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the engine is told that it is opened after a failure, or thinks that all is well: the
/// negative twin, which believes what the kernel shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Failure,
    Nothing,
}

fn opened(machine: &Machine, dir: &Path, after: After) -> Store {
    let settings = Settings {
        dir: dir.to_owned(),
        key: StoreKey::new([7; 32]),
        export: Some(dir.join("audit.jsonl")),
        engine: EngineKind::Redb,
        assurance: Assurance::Standard,
    };
    let on = machine.clone();
    let make = move |last: LastStop| {
        let last = match (last, after) {
            (LastStop::Failed, After::Failure) => LastStop::Failed,
            _ => LastStop::Unclean,
        };
        let engine = Redb::on(on.clone(), Assurance::Standard, last)?;
        Ok(Box::new(engine) as Box<dyn ravelin::store::engine::Engine>)
    };
    Store::open_with(settings, Clock::system(), make, Arc::new(machine.clone())).unwrap()
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What somebody knows who follows the store: the drafts and their states.
type Followed = Arc<Mutex<BTreeMap<DraftId, DraftState>>>;

fn follow(store: &Store) -> Followed {
    let known = Followed::default();
    let to = Arc::clone(&known);
    store.observe(move |applied| {
        let mut known = to.lock().unwrap();
        match applied {
            ravelin::store::Applied::Draft(row) => drop(known.insert(row.id, row.state)),
            ravelin::store::Applied::DraftGone(id) => drop(known.remove(id)),
            _ => {}
        }
    });
    known
}

/// Into trouble, out of it, on, and then the power goes. What is wrong after all, in words.
fn there_and_back(trouble: Trouble, after: After, seed: u64) -> (bool, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new(Lie::None);
    let ledger = Mutex::new(Ledger::default());
    let store = opened(&machine, dir.path(), after);
    let followed = follow(&store);
    work(&store, &ledger, 5, Chance::new(seed));
    machine.trouble(trouble);
    work(&store, &ledger, 40, Chance::new(seed + 1));
    let was_closed = store.closed().is_some();
    if was_closed {
        // At least one attempt while the trouble lasts: it does not open, and nothing is accepted.
        std::thread::sleep(Duration::from_millis(250));
        let mut change = Change::new();
        change.record(Event::new(Timestamp::now(), Act::Held, "test"));
        if after == After::Failure {
            let refused = store.commit_blocking(change);
            assert!(matches!(refused, Err(Fault::Closed(_))), "{refused:?}");
        }
    }
    machine.trouble(Trouble::None);
    if was_closed {
        wait_for("the store opening again", || store.closed().is_none());
        assert!(store.failures() >= 1);
    }
    let mut found = wrong(&store, &ledger.lock().unwrap());
    work(&store, &ledger, 10, Chance::new(seed + 2));
    found.extend(wrong(&store, &ledger.lock().unwrap()));
    let rows = store.drafts().unwrap().into_iter();
    let rows: BTreeMap<_, _> = rows.map(|row| (row.id, row.state)).collect();
    if rows != *followed.lock().unwrap() {
        found.push("who follows the store knows something else".into());
    }
    if was_closed {
        let exported = std::fs::read(dir.path().join("audit.jsonl")).unwrap();
        let summary = ravelin::audit::verify(&exported[..]);
        if summary.as_ref().map(|summary| summary.records) != Ok(store.heads().borrow().sequence) {
            found.push(format!("the export: {summary:?}"));
        }
        let text = String::from_utf8(exported).unwrap();
        assert_eq!(text.matches("\"act\":\"reopened\"").count(), 1);
    }
    drop(store);
    machine.restart(Survives::Nothing, &mut Chance::new(seed));
    match open(&machine, dir.path(), Assurance::Standard) {
        Ok(store) => found.extend(wrong(&store, &ledger.into_inner().unwrap())),
        Err(fault) => found.push(format!("after the power went it does not open: {fault:?}")),
    }
    (was_closed, found)
}

#[test]
fn after_a_full_disk_the_store_opens_again_by_itself_and_nothing_is_lost() {
    let mut closed = 0;
    for seed in 0..8 {
        let room = usize::try_from(Chance::new(seed + 40).below(600_000)).unwrap();
        let (was, found) = there_and_back(Trouble::Full(room), After::Failure, seed);
        assert_eq!(found, [""; 0], "room for {room}");
        closed += u32::from(was);
    }
    assert!(closed > 2, "the database never met the full disk: {closed}");
}

#[test]
fn after_a_failed_sync_the_store_opens_again_by_itself_and_nothing_is_lost() {
    let mut closed = 0;
    for syncs in 0..8 {
        let (was, found) = there_and_back(Trouble::SyncFails(syncs), After::Failure, syncs.into());
        assert_eq!(found, [""; 0], "after {syncs} syncs");
        closed += u32::from(was);
    }
    assert!(
        closed > 4,
        "the database never met the failing sync: {closed}"
    );
    eprintln!("closed: {closed} of 8");
}

#[test]
fn a_store_that_believes_what_the_kernel_shows_after_a_failed_sync_loses() {
    // Whether something is lost depends on what is written before the store is opened again.
    let damaged = (0..64_u64).any(|seed| {
        let trouble = Trouble::SyncFails(u32::try_from(seed % 12).unwrap());
        let found = std::panic::catch_unwind(|| there_and_back(trouble, After::Nothing, seed + 1));
        found.map_or(true, |(_, found)| !found.is_empty())
    });
    assert!(damaged, "what is written anew is never needed");
}
