//! Invariant 2, the queue's half: an entry is there until it is delivered, through `kill -9`.
//!
//! As in `tests/store_crash.rs` the test binary starts itself again as a child and kills it; here,
//! inside the library, because only code of `seal` makes what `put` takes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::message::Precedence;
use crate::store::engine::Assurance;
use crate::store::{EngineKind, ReplyRow, Settings, StoreKey};

const CHILD: &str = "RAVELIN_QUEUE_CRASH_CHILD";
const ROUNDS: usize = 20;

fn open(dir: &Path) -> (Store, Queue) {
    let settings = Settings {
        dir: dir.to_owned(),
        key: StoreKey::new([7; 32]),
        export: None,
        engine: EngineKind::default(),
        assurance: Assurance::Standard,
    };
    let store = Store::open(settings, Clock::system()).unwrap();
    let limits = Limits {
        slots: usize::MAX,
        kept_back: 0,
        window: usize::MAX,
        widest: usize::MAX,
    };
    let queue = Queue::open(store.clone(), Schedule::default(), limits, Clock::system());
    (store, queue.unwrap())
}

fn say(act: &str, id: EntryId) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{act} {id}\n").as_bytes())
        .and_then(|()| out.flush())
        .unwrap();
}

/// Puts an entry, and attempts the next one, for ever.
fn work(store: &Store, queue: &Queue) {
    let reply = ReplyRow {
        by: "peer".into(),
        code: Some(250),
        enhanced: "2.0.0".into(),
        text: String::new(),
    };
    loop {
        let random = Clock::system().fresh_id();
        let size = if random[0] < 20 { 90_000 } else { 2000 };
        let sealed = Sealed::for_test("birch", Precedence::Routine, &vec![random[1]; size]);
        let mut change = Change::new();
        let id = put(&mut change, sealed, queue.schedule(), &Clock::system());
        store.commit_blocking(change).unwrap();
        say("put", id);
        if random[2].is_multiple_of(2)
            && let Some(claimed) = queue.claim(Timestamp::now(), NextHops::Any).unwrap()
        {
            let id = claimed.row().id;
            let outcome = if random[3].is_multiple_of(2) {
                say("delivering", id);
                Outcome::Delivered(reply.clone())
            } else {
                Outcome::Deferred(reply.clone())
            };
            let finished = queue.finish(&claimed, &[outcome]);
            store.commit_blocking(finished.change).unwrap();
            if finished.next == Next::Done {
                say("delivered", id);
            }
        }
    }
}

/// The child: not a test of its own.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let (store, queue) = open(Path::new(&dir));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| work(&store, &queue));
        }
    });
}

#[test]
fn nothing_queued_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut told: BTreeMap<EntryId, BTreeSet<String>> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "queue::crash::child", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (begins, begun) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            let lines = lines.inspect(|line| {
                if line.starts_with("put ") {
                    let _ = begins.send(());
                }
            });
            lines
                .filter_map(|line| {
                    let (act, id) = line.split_once(' ')?;
                    Some((id.parse::<EntryId>().ok()?, act.to_owned()))
                })
                .collect::<Vec<_>>()
        });
        // Killed while it works, however slow the machine is; now and then while it starts.
        if !round.is_multiple_of(5) {
            begun.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        let random = u64::from(Clock::system().fresh_id()[0]);
        std::thread::sleep(Duration::from_millis(random));
        child.kill().unwrap();
        child.wait().unwrap();
        for (id, act) in reader.join().unwrap() {
            told.entry(id).or_default().insert(act);
        }

        let (store, queue) = open(dir.path());
        assert_eq!(store.quarantined().unwrap(), 0, "round {round}");
        let rows: BTreeSet<_> = store.entries().unwrap().iter().map(|row| row.id).collect();
        for (id, acts) in &told {
            if acts.contains("delivered") {
                assert!(!rows.contains(id), "entry {id} would be sent again");
            } else if !acts.contains("delivering") {
                assert!(rows.contains(id), "entry {id} is lost in round {round}");
            }
        }
        // What was in hands at the kill is in the queue again; each is claimed whole and once.
        let later = Timestamp::now() + Duration::from_secs(3600);
        let mut claimed = Vec::new();
        while let Some(next) = queue.claim(later, NextHops::Any).unwrap() {
            assert_eq!(u64::try_from(next.body().len()).unwrap(), next.row().size);
            assert!(next.body().iter().all(|octet| *octet == next.body()[0]));
            claimed.push(next);
        }
        assert_eq!(
            claimed.iter().map(|c| c.row().id).collect::<BTreeSet<_>>(),
            rows
        );
        assert_eq!(claimed.len(), rows.len());
    }
    let delivered = told
        .values()
        .filter(|acts| acts.contains("delivered"))
        .count();
    assert!(
        delivered > 0 && told.len() >= ROUNDS / 2,
        "{delivered} of {} delivered",
        told.len()
    );
}
