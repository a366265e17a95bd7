//! Invariant 2, the store's half: what was acknowledged is there, whole, after `kill -9` and after a
//! loss of power, whichever engine keeps it.
//!
//! This binary starts itself again as a child that commits, updates and removes drafts from many
//! threads and prints each act after its commit. The parent kills it when it has heard of so many
//! acts, now and then while it opens the store, then opens the store and compares it with what was
//! printed; the same store goes on from round to round.
//! Drafts, because only sealed messages make queue entries; both go the same way through the store.
//! A kill leaves the page cache. So in other rounds the power goes as well: the folder is put back to
//! what was synced (`support/synced.c`), and the same is asked of it; a machine that lies about its
//! syncs is the negative twin. Then syncs fail, the store opens itself again, and the power goes after
//! that. `tests/power.rs` cuts finer, for redb, and has other troubles too.
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
use std::sync::mpsc;
use std::time::{Duration, Instant};

use draft::draft;
use ravelin::audit::{Act, Event, Head, verify, verify_after};
use ravelin::clock::{Clock, Timestamp};
use ravelin::message::DraftId;
use ravelin::store::engine::Assurance;
use ravelin::store::{Change, DraftState, Fault, Settings, Store, StoreKey};
use synced::{Manner, Synced};

const CHILD: &str = "RAVELIN_STORE_CRASH_CHILD";
const READER: &str = "RAVELIN_STORE_CRASH_READER";
/// Has the child make syncs fail.
const FAILING: &str = "RAVELIN_STORE_CRASH_FAILING";
const ROUNDS: usize = 60;
const WRITERS: usize = 8;
/// A child that says nothing for so long hangs: no measure of speed.
const HANGS: Duration = Duration::from_secs(60);
/// So many acknowledged drafts make a test.
const ENOUGH: usize = 100;

/// When a child is killed. Not after a time alone: on a machine with other work it would have done
/// nothing by then.
#[derive(Clone, Copy)]
enum Kill {
    /// When it has spoken of so many acts, and a moment later.
    After(u32),
    /// At some moment from its start on.
    Starting,
}

impl Kill {
    fn of(round: usize) -> Self {
        match round % 5 {
            0 => Self::Starting,
            _ => Self::After(8 + random() % 48),
        }
    }
}

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
    let failing = std::env::var_os(FAILING).and_then(|_| std::env::var_os("SYNCED_FAIL"));
    let failing = failing.map(PathBuf::from);
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (store, failing) = (store.clone(), failing.clone());
            std::thread::spawn(move || write(&store, number, failing.as_deref()))
        })
        .collect();
    writers.into_iter().for_each(|writer| drop(writer.join()));
}

/// One who works, and tells of each act that was committed. Where syncs fail, what came of an act may
/// be unknown; then nothing is told, and the work goes on.
fn write(store: &Store, number: usize, failing: Option<&Path>) {
    let commit = |change| match store.commit_blocking(change) {
        Ok(_) => true,
        Err(fault) => {
            assert!(failing.is_some(), "{fault}");
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    };
    let (mut mine, mut done) = (Vec::new(), 0_u32);
    loop {
        let id = DraftId::new(Clock::system().fresh_id());
        let mut change = Change::new();
        change.put_draft(draft(id), body(id).into());
        change.record(event(Act::Held, id));
        if !commit(change) {
            continue;
        }
        say("put", id);
        mine.push(id);
        done += 1;
        // Not while nothing is committed: the way back is to succeed.
        if let (0, Some(file)) = (number, failing.filter(|_| done % 8 == 4)) {
            std::fs::write(file, b"").unwrap();
        }
        if random().is_multiple_of(3)
            && let Ok(Some(mut row)) = store.draft(id)
        {
            row.state = DraftState::Reviewed;
            let mut change = Change::new();
            change.update_draft(row);
            change.record(event(Act::Reviewed, id));
            if commit(change) {
                say("reviewed", id);
            }
        }
        if mine.len() > 3 {
            let at = usize::try_from(random()).unwrap() % mine.len();
            let id = mine.swap_remove(at);
            say("removing", id);
            let mut change = Change::new();
            change.remove_draft(id);
            change.record(event(Act::Withdrawn, id));
            if commit(change) {
                say("removed", id);
            }
        }
    }
}

/// What the child said of a draft.
#[derive(Default, Clone, Copy, PartialEq)]
struct Told {
    put: bool,
    reviewed: bool,
    removing: bool,
    removed: bool,
}

/// Runs a child, kills it, and returns what it said.
fn run_and_kill(dir: &Path, kill: Kill, environment: &[(&str, PathBuf)]) -> Vec<(DraftId, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, dir)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (heard, acts) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = out.split(b'\n').map_while(Result::ok);
        let lines = lines.filter_map(|line| String::from_utf8(line).ok());
        let told = lines.filter_map(|line| {
            let (act, id) = line.split_once(' ')?;
            let told = (id.parse().ok()?, act.to_owned());
            let _ = heard.send(());
            Some(told)
        });
        told.collect()
    });
    let moment = match kill {
        Kill::After(many) => {
            for _ in 0..many {
                acts.recv_timeout(HANGS).expect("the child goes on");
            }
            Duration::from_micros(u64::from(random() % 4000))
        }
        Kill::Starting => Duration::from_millis(u64::from(random() % 150)),
    };
    std::thread::sleep(moment);
    // On Unix this is SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn rounds() -> usize {
    std::env::var("RAVELIN_CRASH_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap())
}

/// As many rounds as were asked for; a slow machine may do fewer, but enough.
fn go_on(done: usize, began: Instant, ledger: &Ledger) -> bool {
    let in_time = rounds() > ROUNDS || began.elapsed() < Duration::from_secs(90);
    done < rounds() && (in_time || ledger.acknowledged() <= ENOUGH)
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
    while go_on(done, began, &ledger) {
        done += 1;
        let touched = ledger.hear(run_and_kill(dir, Kill::of(done), &[]));
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
    while go_on(done, began, &ledger) {
        done += 1;
        let said = run_and_kill(&dir, Kill::of(done), &machine.environment(Manner::Honest));
        let touched = ledger.hear(said);
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
        let said = run_and_kill(&dir, Kill::After(40), &machine.environment(Manner::Lies));
        ledger.hear(said);
        machine.start_again();
        ledger.acknowledged() > 0 && ledger.check(&dir, None).is_err()
    });
    assert!(found_out);
}

/// What a process has in its environment.
struct Environment(Vec<(&'static str, PathBuf)>);

/// A machine with a store, and what a child needs that makes its syncs fail.
fn failing_machine(scratch: &Path, manner: Manner) -> Option<(PathBuf, Synced, Environment)> {
    let dir = scratch.join("machine");
    let machine = Synced::watch(&dir, scratch)?;
    drop(open(&dir));
    machine.all_is_synced();
    let mut environment = machine.environment(manner).to_vec();
    environment.push((FAILING, PathBuf::from("1")));
    Some((dir, machine, Environment(environment)))
}

/// More than is done before the first failure.
fn beyond_failures() -> Kill {
    Kill::After(60 + random() % 60)
}

#[test]
fn nothing_acknowledged_is_lost_when_syncs_fail_and_then_the_power_goes() {
    let scratch = tempfile::tempdir().unwrap();
    let Some((dir, machine, environment)) = failing_machine(scratch.path(), Manner::Honest) else {
        return;
    };
    let mut ledger = Ledger::default();
    let many = (rounds() / 5).max(8);
    for round in 1..=many {
        let touched = ledger.hear(run_and_kill(&dir, beyond_failures(), &environment.0));
        machine.start_again();
        let touched = (round < many).then_some(&touched);
        assert_eq!(ledger.check(&dir, touched), Ok(()), "round {round}");
        machine.all_is_synced();
    }
    let chain = std::fs::read_to_string(dir.join("audit.jsonl")).unwrap();
    let reopened = chain.matches("\"act\":\"reopened\"").count();
    eprintln!(
        "{}: {many} rounds with failing syncs, {} drafts acknowledged, none lost, opened again \
         {reopened} times",
        engine::under_test().name(),
        ledger.acknowledged()
    );
    assert!(reopened > 0, "no commit met a failing sync");
}

/// The twin: on a machine on which writing anew does not help, something is missing.
#[test]
fn what_a_failed_sync_forgot_is_missing_unless_it_is_written_again() {
    let found_out = (0..8).any(|_| {
        let scratch = tempfile::tempdir().unwrap();
        let forgets = failing_machine(scratch.path(), Manner::Forgets);
        let Some((dir, machine, environment)) = forgets else {
            return true;
        };
        let mut ledger = Ledger::default();
        ledger.hear(run_and_kill(&dir, beyond_failures(), &environment.0));
        machine.start_again();
        !has_all(&dir, &ledger)
    });
    assert!(found_out);
}

/// Whether another process finds everything that was acknowledged: an engine may stop the process
/// that opens what is damaged.
fn has_all(dir: &Path, ledger: &Ledger) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "reader", "--nocapture"])
        .env(READER, dir)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let found: BTreeSet<&str> = text.lines().collect();
    let mut told = ledger.told.iter();
    output.status.success()
        && told.all(|(id, told)| {
            !told.put || told.removing || found.contains(format!("row {id}").as_str())
        })
}

/// What opens a store for `has_all`: not a test of its own.
#[test]
fn reader() {
    let Some(dir) = std::env::var_os(READER) else {
        return;
    };
    let store = open(Path::new(&dir));
    for row in store.drafts().unwrap() {
        let found = store.draft_body(row.id).unwrap();
        assert_eq!(found.unwrap().as_slice(), body(row.id));
        say("row", row.id);
    }
}

fn finish(dir: &Path, ledger: &Ledger, rounds: usize, began: Instant) {
    let whole = verify(&std::fs::read(dir.join("audit.jsonl")).unwrap()[..]).unwrap();
    let head = ledger.head.as_ref().unwrap();
    assert_eq!(
        (whole.records, whole.head_hash),
        (head.sequence, head.hash.clone())
    );
    let acts = ledger.acknowledged();
    assert!(acts > ENOUGH, "the child did something: {acts}");
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
