//! Invariant 2, when the power goes: only what was synced is sure to survive, and nothing that was
//! acknowledged is lost. A kill leaves the page cache; this does not.
//!
//! The store works on a machine in memory (`power/machine.rs`): redb over its own backend trait, the
//! body files over `store::disk`. Two threads put, update and remove drafts, small and large, until
//! the power goes at a random step; then the machine starts again and everything is looked at.
//! Drafts, because only sealed messages make queue entries; both go the same way through the store.
//! Negative twins: a machine that says "synced" too early loses, in each of three places.
//! Then trouble without a loss of power: full disk, failing sync, slow disk; and the way back from it
//! (`power/recovery.rs`).
//!
//! `RAVELIN_POWER_ROUNDS=5000 cargo test --release --test power -- --nocapture` runs longer.

#[path = "support/draft.rs"]
mod draft;
#[path = "power/machine.rs"]
mod machine;
#[path = "power/recovery.rs"]
mod recovery;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use draft::draft;
use machine::{Chance, Lie, Machine, Survives, Trouble};
use ravelin::audit::{Act, Event, Head, verify_after};
use ravelin::clock::{Clock, Timestamp};
use ravelin::message::DraftId;
use ravelin::store::engine::{Assurance, EngineKind, LastStop};
use ravelin::store::redb::Redb;
use ravelin::store::{Change, DraftRow, DraftState, Fault, Settings, Store, StoreKey};

const ROUNDS: u64 = 300;
/// After so many rounds a new machine: the chain would only grow.
const ROUNDS_OF_ONE: u64 = 12;

fn rounds() -> u64 {
    std::env::var("RAVELIN_POWER_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap())
}

fn body(id: DraftId) -> Vec<u8> {
    let [a, b, ..] = *id.octets();
    let size = match a % 4 {
        0 => 66_000 + usize::from(b) * 300,
        _ => 100 + usize::from(b) * 20,
    };
    id.octets().iter().copied().cycle().take(size).collect()
}

fn open(machine: &Machine, dir: &Path, assurance: Assurance) -> Result<Store, Fault> {
    let settings = Settings {
        dir: dir.to_owned(),
        key: StoreKey::new([7; 32]),
        export: None,
        engine: EngineKind::Redb,
        assurance,
    };
    let engine = Redb::on(machine.clone(), assurance, LastStop::Unclean)?;
    Store::open_on(
        settings,
        Clock::system(),
        Box::new(engine),
        Arc::new(machine.clone()),
    )
}

/// What is known of a draft: what was begun, and what was acknowledged.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    put: bool,
    reviewed: bool,
    removing: bool,
    removed: bool,
}

/// What was told to those who committed.
#[derive(Default)]
struct Ledger {
    drafts: BTreeMap<DraftId, Known>,
    /// The number of the last audit record that was acknowledged.
    sequence: u64,
}

/// One who commits, until the store does not take it any more or there is enough.
fn work(store: &Store, ledger: &Mutex<Ledger>, acts: u64, mut chance: Chance) {
    let mut mine = Vec::new();
    for _ in 0..acts {
        let id = chance.id();
        ledger.lock().unwrap().drafts.insert(id, Known::default());
        let mut change = Change::new();
        change.put_draft(draft(id), body(id).into());
        change.record(Event::new(Timestamp::now(), Act::Held, "test").draft(id));
        let tell = |known: &dyn Fn(&mut Known), sequence: u64| {
            let mut ledger = ledger.lock().unwrap();
            known(ledger.drafts.get_mut(&id).unwrap());
            ledger.sequence = ledger.sequence.max(sequence);
        };
        let Ok(committed) = store.commit_blocking(change) else {
            return;
        };
        tell(&|known| known.put = true, committed.sequence);
        mine.push(id);
        if chance.below(3) == 0 {
            let Ok(Some(mut row)) = store.draft(id) else {
                return;
            };
            row.state = DraftState::Reviewed;
            let mut change = Change::new();
            change.update_draft(row);
            change.record(Event::new(Timestamp::now(), Act::Reviewed, "test").draft(id));
            let Ok(committed) = store.commit_blocking(change) else {
                return;
            };
            tell(&|known| known.reviewed = true, committed.sequence);
        }
        if mine.len() > 2 {
            let at = usize::try_from(chance.below(mine.len().try_into().unwrap())).unwrap();
            let id = mine.swap_remove(at);
            let know = |known: &dyn Fn(&mut Known)| {
                known(ledger.lock().unwrap().drafts.get_mut(&id).unwrap());
            };
            know(&|known| known.removing = true);
            let mut change = Change::new();
            change.remove_draft(id);
            if store.commit_blocking(change).is_err() {
                return;
            }
            know(&|known| known.removed = true);
        }
    }
}

/// What is wrong with a store after all, in words; empty when nothing is.
fn wrong(store: &Store, ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    let rows: BTreeMap<DraftId, DraftRow> = store
        .drafts()
        .unwrap()
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    for (id, known) in &ledger.drafts {
        match rows.get(id) {
            None if known.put && !known.removing => wrong.push(format!("{id} is lost")),
            Some(_) if known.removed => wrong.push(format!("{id} is back")),
            Some(row) if known.reviewed && row.state != DraftState::Reviewed => {
                wrong.push(format!("{id} lost an update"));
            }
            _ => {}
        }
    }
    for id in rows.keys() {
        match store.draft_body(*id) {
            Ok(Some(octets)) if *octets == body(*id) => {}
            other => wrong.push(format!("the body of {id}: {:?}", other.err())),
        }
    }
    if store.quarantined().unwrap() > 0 {
        wrong.push("something was set aside".into());
    }
    let mut head = Head::before_first();
    while let Some(line) = store.record(head.sequence + 1).unwrap() {
        match verify_after(head.clone(), format!("{line}\n").as_bytes()) {
            Ok(summary) => {
                head = Head {
                    sequence: head.sequence + 1,
                    hash: summary.head_hash,
                }
            }
            Err(error) => {
                wrong.push(format!("the chain: {error}"));
                break;
            }
        }
    }
    if head.sequence < ledger.sequence {
        wrong.push(format!(
            "the chain ends at {} and {} was acknowledged",
            head.sequence, ledger.sequence
        ));
    }
    wrong
}

/// What many rounds came to.
#[derive(Debug, Default)]
struct Series {
    rounds: u64,
    /// Rounds in which the power went while somebody worked.
    cut: u64,
    acknowledged: usize,
    /// Rounds after which something was wrong, and what it was first.
    damaged: u64,
    first: Option<String>,
}

/// A machine with an empty store: its making is under another name until it is whole, so no power
/// loss falls into it.
fn fresh(lie: Lie, dir: &Path) -> Machine {
    let machine = Machine::new(lie);
    drop(open(&machine, dir, Assurance::Standard).unwrap());
    machine
}

fn series(rounds: u64, lie: Lie, seed: u64) -> Series {
    let mut chance = Chance::new(seed);
    let mut series = Series::default();
    let dir = tempfile::tempdir().unwrap();
    let (mut machine, mut ledger) = (fresh(lie, dir.path()), Ledger::default());
    while series.rounds < rounds {
        series.rounds += 1;
        let assurance = [Assurance::Standard, Assurance::High][usize::from(chance.below(4) == 0)];
        machine.lose_power_after(chance.below(260));
        let shared = Mutex::new(std::mem::take(&mut ledger));
        // The power may go while the store is opened: then it is opened again after it.
        if let Ok(store) = open(&machine, dir.path(), assurance) {
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    let chance = Chance::new(seed ^ chance.below(u64::MAX >> 34));
                    scope.spawn(|| work(&store, &shared, 12, chance));
                }
            });
        }
        ledger = shared.into_inner().unwrap();
        series.cut += u64::from(machine.is_off());
        let survives = [Survives::Nothing, Survives::ByChance][usize::from(chance.below(2) == 0)];
        // A machine that lies is asked only for what it could have kept: a whole older state.
        let survives = if lie == Lie::None {
            survives
        } else {
            Survives::Nothing
        };
        machine.restart(survives, &mut chance);
        let found = match open(&machine, dir.path(), assurance) {
            Ok(store) => wrong(&store, &ledger),
            Err(fault) => vec![format!("it does not open: {fault:?}")],
        };
        if let Some(first) = found.first() {
            series.damaged += 1;
            let text = || {
                format!(
                    "round {} ({survives:?}, {assurance:?}): {first}",
                    series.rounds
                )
            };
            series.first.get_or_insert_with(text);
        }
        if !found.is_empty() || series.rounds.is_multiple_of(ROUNDS_OF_ONE) {
            let put = ledger.drafts.values().filter(|known| known.put);
            series.acknowledged += put.count();
            (machine, ledger) = (fresh(lie, dir.path()), Ledger::default());
        }
    }
    series.acknowledged += ledger.drafts.values().filter(|known| known.put).count();
    series
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let seed = u64::from(std::process::id());
    let series = series(rounds(), Lie::None, seed);
    eprintln!("seed {seed}: {series:?}");
    assert_eq!(series.damaged, 0, "seed {seed}: {series:?}");
    assert!(series.cut > series.rounds / 2, "{series:?}");
    assert!(series.acknowledged > 500, "{series:?}");
}

#[test]
fn a_store_that_acknowledges_before_the_sync_loses() {
    for lie in [Lie::Database, Lie::Bodies, Lie::Names] {
        let series = series(25, lie, 1);
        eprintln!("{lie:?}: {series:?}");
        assert!(series.damaged > 0, "{lie:?} was not seen: {series:?}");
    }
}

/// Works until the trouble shows, restarts, and gives back how much was acknowledged before.
fn through(trouble: Trouble, chance: &mut Chance) -> (usize, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new(Lie::None);
    let ledger = Mutex::new(Ledger::default());
    let store = open(&machine, dir.path(), Assurance::Standard).unwrap();
    work(&store, &ledger, 5, Chance::new(1));
    machine.trouble(trouble);
    work(&store, &ledger, 40, Chance::new(2));
    let closed = store.closed().map(|why| why.to_string());
    if closed.is_some() {
        // What is on the disk is not known: nothing is accepted, also when there is room again.
        machine.trouble(Trouble::None);
        let mut change = Change::new();
        change.record(Event::new(Timestamp::now(), Act::Held, "test"));
        assert!(matches!(
            store.commit_blocking(change),
            Err(Fault::Closed(_))
        ));
    }
    drop(store);
    // With and without a loss of power.
    if chance.below(2) == 0 {
        machine.restart(Survives::ByChance, chance);
    }
    machine.trouble(Trouble::None);
    let store = open(&machine, dir.path(), Assurance::Standard).unwrap();
    let ledger = ledger.into_inner().unwrap();
    assert_eq!(wrong(&store, &ledger), [""; 0], "{trouble:?}");
    let put = ledger.drafts.values().filter(|known| known.put);
    (put.count(), closed)
}

#[test]
fn a_full_disk_is_a_fault_and_loses_nothing() {
    let mut chance = Chance::new(3);
    let mut closed = 0;
    for _ in 0..20 {
        let room = usize::try_from(chance.below(900_000)).unwrap();
        let (acknowledged, why) = through(Trouble::Full(room), &mut chance);
        assert!((5..=45).contains(&acknowledged), "{acknowledged}");
        closed += usize::from(why.is_some());
    }
    assert!(closed > 0, "the database never met the full disk");
}

#[test]
fn a_failed_sync_closes_the_store_and_is_never_tried_again() {
    let mut chance = Chance::new(4);
    let mut closed = 0;
    for syncs in 0..20 {
        let (acknowledged, why) = through(Trouble::SyncFails(syncs), &mut chance);
        assert!((5..45).contains(&acknowledged), "{acknowledged}");
        closed += usize::from(why.is_some());
    }
    assert!(
        closed > 10,
        "the database never met the failing sync: {closed}"
    );
}

#[test]
fn a_slow_disk_is_only_slow() {
    let slow = Trouble::Slow(Duration::from_millis(3));
    let (acknowledged, why) = through(slow, &mut Chance::new(5));
    assert_eq!((acknowledged, why), (45, None));
}
