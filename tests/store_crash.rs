//! Invariant 2, the store's half: what was acknowledged is there, whole, after `kill -9` and after a
//! loss of power, whichever engine keeps it.
//!
//! This binary starts itself again as a child that commits, updates and removes drafts from many
//! threads and prints each act after its commit. The parent kills it at a random moment, opens the
//! store and compares it with what was printed; the same store goes on from round to round.
//! Drafts, because only sealed messages make queue entries; both go the same way through the store.
//! A kill leaves the page cache. So in other rounds the power goes as well: the folder is put back to
//! what was synced (`support/synced.c`), and the same is asked of it; a machine that lies about its
//! syncs is the negative twin. `tests/power.rs` cuts finer, for redb, and has other troubles too.
//!
//! `RAVELIN_TEST_ENGINE=sled cargo test --features sled --test store_crash` asks the other engine;
//! `RAVELIN_CRASH_ROUNDS` says how many rounds.

#[path = "support/draft.rs"]
mod draft;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/synced.rs"]
mod synced;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use draft::draft;
use ravelin::audit::{Act, Event, Head, verify, verify_after};
use ravelin::clock::{Clock, Timestamp};
use ravelin::message::DraftId;
use ravelin::store::engine::Assurance;
use ravelin::store::{Change, DraftState, Fault, Settings, Store, StoreKey};
use synced::Synced;

const CHILD: &str = "RAVELIN_STORE_CRASH_CHILD";
const ROUNDS: usize = 60;
const WRITERS: usize = 8;

fn open(dir: &Path) -> Store {
    try_open(dir).expect("the store opens after a crash")
}

fn try_open(dir: &Path) -> Result<Store, Fault> {
    let settings = Settings {
        dir: dir.join("store"),
        key: StoreKey::new([7; 32]),
        export: Some(dir.join("audit.jsonl")),
        engine: engine::under_test(),
        assurance: Assurance::Standard,
    };
    Store::open(settings, Clock::system())
}

fn random() -> u32 {
    let id = Clock::system().fresh_id();
    u32::from_be_bytes([id[0], id[1], id[2], id[3]])
}

/// Small mostly, and sometimes large enough for a file of its own; follows from the name.
fn body(id: DraftId) -> Vec<u8> {
    let [a, b, ..] = *id.octets();
    let size = if a < 24 {
        70_000 + usize::from(b) * 400
    } else {
        500 + usize::from(b) * 20
    };
    id.octets().iter().copied().cycle().take(size).collect()
}

fn event(act: Act, id: DraftId) -> Event {
    Event::new(Timestamp::now(), act, "child").draft(id)
}

fn say(act: &str, id: DraftId) {
    // One write for one line: a torn line is the last one.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{act} {id}\n").as_bytes())
        .and_then(|()| out.flush())
        .unwrap();
}

/// The child: not a test of its own.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open(Path::new(&dir));
    let writer = |store: Store| {
        let mut mine = Vec::new();
        loop {
            let id = DraftId::new(Clock::system().fresh_id());
            let mut change = Change::new();
            change.put_draft(draft(id), body(id).into());
            change.record(event(Act::Held, id));
            store.commit_blocking(change).unwrap();
            say("put", id);
            mine.push(id);
            if random().is_multiple_of(3) {
                let mut row = store.draft(id).unwrap().unwrap();
                row.state = DraftState::Reviewed;
                let mut change = Change::new();
                change.update_draft(row);
                change.record(event(Act::Reviewed, id));
                store.commit_blocking(change).unwrap();
                say("reviewed", id);
            }
            if mine.len() > 3 {
                let at = usize::try_from(random()).unwrap() % mine.len();
                let id = mine.swap_remove(at);
                say("removing", id);
                let mut change = Change::new();
                change.remove_draft(id);
                change.record(event(Act::Withdrawn, id));
                store.commit_blocking(change).unwrap();
                say("removed", id);
            }
        }
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || writer(store))
        })
        .collect();
    writers.into_iter().for_each(|writer| drop(writer.join()));
}

/// What the child said of a draft.
#[derive(Default, Clone, Copy, PartialEq)]
struct Told {
    put: bool,
    reviewed: bool,
    removing: bool,
    removed: bool,
}

/// Runs a child for a random time, kills it, and returns what it said.
fn run_and_kill(dir: &Path, environment: &[(&str, PathBuf)]) -> Vec<(DraftId, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, dir)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let lines = out.split(b'\n').map_while(Result::ok);
        let lines = lines.filter_map(|line| String::from_utf8(line).ok());
        let told = lines.filter_map(|line| {
            let (act, id) = line.split_once(' ')?;
            Some((id.parse().ok()?, act.to_owned()))
        });
        told.collect()
    });
    std::thread::sleep(Duration::from_millis(u64::from(random() % 350)));
    // On Unix this is SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn rounds() -> usize {
    std::env::var("RAVELIN_CRASH_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap())
}

/// What was told and seen over the rounds.
#[derive(Default)]
struct Ledger {
    told: BTreeMap<DraftId, Told>,
    head: Option<Head>,
    held: BTreeSet<DraftId>,
}

impl Ledger {
    /// Takes down what a child said; returns the drafts that it spoke of.
    fn hear(&mut self, said: Vec<(DraftId, String)>) -> BTreeSet<DraftId> {
        let mut touched = BTreeSet::new();
        for (id, act) in said {
            let told = self.told.entry(id).or_default();
            touched.insert(id);
            match act.as_str() {
                "put" => told.put = true,
                "reviewed" => told.reviewed = true,
                "removing" => told.removing = true,
                "removed" => told.removed = true,
                other => panic!("the child said {other:?}"),
            }
        }
        touched
    }

    /// Holds the store against what was said. `Err` says what is lost or torn.
    fn check(&mut self, dir: &Path, touched: Option<&BTreeSet<DraftId>>) -> Result<(), String> {
        let store = try_open(dir).map_err(|fault| format!("it does not open: {fault}"))?;
        ensure(store.quarantined().unwrap() == 0, || {
            "rows set aside".into()
        })?;
        let head = self.head.clone().unwrap_or_else(Head::before_first);
        self.head = Some(check_chain(dir, &store, head, &mut self.held)?);
        let rows: BTreeMap<_, _> = store
            .drafts()
            .unwrap()
            .into_iter()
            .map(|row| (row.id, row))
            .collect();
        for (id, told) in &self.told {
            match rows.get(id) {
                None => ensure(told.removing, || format!("draft {id} is lost"))?,
                Some(row) => {
                    ensure(!told.removed, || format!("draft {id} is back"))?;
                    let reviewed = !told.reviewed || row.state == DraftState::Reviewed;
                    ensure(reviewed, || format!("{row:?} is an old one"))?;
                }
            }
            ensure(self.held.contains(id), || {
                format!("draft {id} has no event")
            })?;
        }
        for id in rows.keys() {
            // All or nothing, also for what was not acknowledged. Earlier rounds: at the end.
            let now = touched.is_none_or(|touched| touched.contains(id));
            if now || !self.told.contains_key(id) {
                let found = store.draft_body(*id).map_err(|fault| fault.to_string())?;
                let whole = found.is_some_and(|found| *found == body(*id));
                ensure(whole, || format!("the body of draft {id} is torn"))?;
            }
            ensure(self.held.contains(id), || {
                format!("draft {id} has no event")
            })?;
        }
        Ok(())
    }

    fn acknowledged(&self) -> usize {
        self.told.values().filter(|told| told.put).count()
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let began = Instant::now();
    let mut ledger = Ledger::default();
    let mut done = 0;
    while done < rounds() && (rounds() > ROUNDS || began.elapsed() < Duration::from_secs(90)) {
        done += 1;
        let touched = ledger.hear(run_and_kill(dir, &[]));
        let touched = (done < rounds()).then_some(&touched);
        let found = ledger.check(dir, touched);
        assert_eq!(found, Ok(()), "round {done}");
    }
    finish(dir, &ledger, done, began);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("machine");
    let Some(machine) = Synced::watch(&dir, scratch.path()) else {
        return;
    };
    let began = Instant::now();
    let mut ledger = Ledger::default();
    let mut done = 0;
    while done < rounds() && (rounds() > ROUNDS || began.elapsed() < Duration::from_secs(90)) {
        done += 1;
        let touched = ledger.hear(run_and_kill(&dir, &machine.environment(false)));
        machine.start_again();
        let touched = (done < rounds()).then_some(&touched);
        let found = ledger.check(&dir, touched);
        assert_eq!(found, Ok(()), "round {done}");
        machine.all_is_synced();
    }
    finish(&dir, &ledger, done, began);
}

/// The twin: where syncs are lies, it is seen.
#[test]
fn a_machine_that_lies_about_its_syncs_is_found_out() {
    let found_out = (0..20).any(|_| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("machine");
        let Some(machine) = Synced::watch(&dir, scratch.path()) else {
            return true;
        };
        // A store that is there already: only what comes is at stake.
        drop(open(&dir));
        machine.all_is_synced();
        let mut ledger = Ledger::default();
        ledger.hear(run_and_kill(&dir, &machine.environment(true)));
        machine.start_again();
        ledger.acknowledged() > 0 && ledger.check(&dir, None).is_err()
    });
    assert!(found_out);
}

fn finish(dir: &Path, ledger: &Ledger, rounds: usize, began: Instant) {
    let whole = verify(&std::fs::read(dir.join("audit.jsonl")).unwrap()[..]).unwrap();
    let head = ledger.head.as_ref().unwrap();
    assert_eq!(
        (whole.records, whole.head_hash),
        (head.sequence, head.hash.clone())
    );
    let acts = ledger.acknowledged();
    assert!(acts > 100, "the child did something: {acts}");
    eprintln!(
        "{}: {rounds} rounds, {acts} drafts acknowledged, none lost, {} records, {:?}",
        engine::under_test().name(),
        whole.records,
        began.elapsed()
    );
}

/// Checks the part of the export that is new, against the chain and against the store.
fn check_chain(
    dir: &Path,
    store: &Store,
    head: Head,
    held: &mut BTreeSet<DraftId>,
) -> Result<Head, String> {
    let text = std::fs::read_to_string(dir.join("audit.jsonl")).unwrap();
    let whole = text.is_empty() || text.ends_with('\n');
    ensure(whole, || "a torn line stayed".into())?;
    let done = usize::try_from(head.sequence).unwrap();
    let mut new = String::new();
    let mut sequence = head.sequence;
    for line in text.lines().skip(done) {
        sequence += 1;
        let kept = store.record(sequence).unwrap();
        ensure(kept.as_deref() == Some(line), || {
            format!("record {sequence} differs")
        })?;
        new.push_str(line);
        new.push('\n');
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        if json["act"] == "held" {
            held.insert(json["draft"].as_str().unwrap().parse().unwrap());
        }
    }
    let behind = store.record(sequence + 1).unwrap();
    ensure(behind.is_none(), || "the export is behind the store".into())?;
    let summary = verify_after(head, new.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Head {
        sequence,
        hash: summary.head_hash,
    })
}
