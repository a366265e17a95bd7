//! Invariant 2, the store's half: what was acknowledged is there, whole, after `kill -9`.
//!
//! This binary starts itself again as a child that commits, updates and removes drafts from many
//! threads and prints each act after its commit. The parent kills it at a random moment, opens the
//! store and compares it with what was printed; the same store goes on from round to round.
//! Drafts, because only sealed messages make queue entries; both go the same way through the store.
//! A kill leaves the page cache: this says nothing of power loss.

#[path = "support/draft.rs"]
mod draft;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use draft::draft;
use ravelin::audit::{Act, Event, Head, verify, verify_after};
use ravelin::clock::{Clock, Timestamp};
use ravelin::message::DraftId;
use ravelin::store::engine::Assurance;
use ravelin::store::{Change, DraftState, Settings, Store, StoreKey};

const CHILD: &str = "RAVELIN_STORE_CRASH_CHILD";
const ROUNDS: usize = 60;
const WRITERS: usize = 8;

fn open(dir: &Path) -> Store {
    let settings = Settings {
        dir: dir.join("store"),
        key: StoreKey::new([7; 32]),
        export: Some(dir.join("audit.jsonl")),
        assurance: Assurance::Standard,
    };
    Store::open(settings, Clock::system()).expect("the store opens after a crash")
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
fn run_and_kill(dir: &Path) -> Vec<(DraftId, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, dir)
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

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let began = Instant::now();
    let mut told: BTreeMap<DraftId, Told> = BTreeMap::new();
    let mut head = Head::before_first();
    let mut held = BTreeSet::new();
    let mut rounds = 0;
    while rounds < ROUNDS && began.elapsed() < Duration::from_secs(90) {
        rounds += 1;
        let said = run_and_kill(dir);
        let mut touched = BTreeSet::new();
        for (id, act) in said {
            let told = told.entry(id).or_default();
            touched.insert(id);
            match act.as_str() {
                "put" => told.put = true,
                "reviewed" => told.reviewed = true,
                "removing" => told.removing = true,
                "removed" => told.removed = true,
                other => panic!("the child said {other:?}"),
            }
        }
        let store = open(dir);
        assert_eq!(store.quarantined().unwrap(), 0, "round {rounds}");
        head = check_chain(dir, &store, head, &mut held);
        let rows: BTreeMap<_, _> = store
            .drafts()
            .unwrap()
            .into_iter()
            .map(|row| (row.id, row))
            .collect();
        for (id, told) in &told {
            match rows.get(id) {
                None => assert!(told.removing, "draft {id} is lost in round {rounds}"),
                Some(row) => {
                    assert!(!told.removed, "draft {id} is back in round {rounds}");
                    assert!(
                        !told.reviewed || row.state == DraftState::Reviewed,
                        "{row:?}"
                    );
                }
            }
            assert!(held.contains(id), "draft {id} has no event");
        }
        for id in rows.keys() {
            // All or nothing, also for what was not acknowledged. Earlier rounds: at the end.
            if rounds == ROUNDS || touched.contains(id) || !told.contains_key(id) {
                assert_eq!(
                    *store.draft_body(*id).unwrap().unwrap(),
                    body(*id),
                    "draft {id}"
                );
            }
            assert!(held.contains(id), "draft {id} has no event");
        }
    }
    let whole = verify(&std::fs::read(dir.join("audit.jsonl")).unwrap()[..]).unwrap();
    assert_eq!((whole.records, whole.head_hash), (head.sequence, head.hash));
    let acts = told.values().filter(|told| told.put).count();
    assert!(acts > 100, "the child did something: {acts}");
    eprintln!(
        "{rounds} rounds, {acts} drafts acknowledged, {} records, {:?}",
        whole.records,
        began.elapsed()
    );
}

/// Checks the part of the export that is new, against the chain and against the store.
fn check_chain(dir: &Path, store: &Store, head: Head, held: &mut BTreeSet<DraftId>) -> Head {
    let text = std::fs::read_to_string(dir.join("audit.jsonl")).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "a torn line stayed"
    );
    let done = usize::try_from(head.sequence).unwrap();
    let mut new = String::new();
    let mut sequence = head.sequence;
    for line in text.lines().skip(done) {
        sequence += 1;
        assert_eq!(store.record(sequence).unwrap().as_deref(), Some(line));
        new.push_str(line);
        new.push('\n');
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        if json["act"] == "held" {
            held.insert(json["draft"].as_str().unwrap().parse().unwrap());
        }
    }
    assert_eq!(
        store.record(sequence + 1).unwrap(),
        None,
        "the export is behind the store"
    );
    let summary = verify_after(head, new.as_bytes()).unwrap();
    Head {
        sequence,
        hash: summary.head_hash,
    }
}
