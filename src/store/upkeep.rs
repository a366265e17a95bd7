//! What an operator does to a store that nobody has open: compact it, seal it under another key.
//!
//! Promises: a rekey is whole or not at all: the new database is on stable storage before it takes
//! the place of the old one. Body files keep their own keys, which stand in the rows.
//! Refuses: a store that is in use, one that was never made, another key than it was made with; a
//! rekey while a value cannot be opened (`store check` names it).

use serde::Serialize;

use super::bodies::{fault, sync_dir};
use super::committer::seal_record;
use super::database::Database;
use super::engine::{Assurance, Engine, LastStop, Table, Write};
use super::sealing::{Sealer, StoreKey};
use super::start::{chain_head, check_key, for_each};
use super::{Fault, Settings};
use crate::audit::{Act, Chain, Event};
use crate::clock::Clock;

/// So many values are put into one group.
const GROUP: usize = 1000;

/// The size of the database before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Octets before.
    pub before: u64,
    /// Octets after.
    pub after: u64,
}

/// Gives free space of the database back to the file system.
///
/// # Errors
/// When the store is in use, was never made, or the disk fails.
pub fn compact(settings: &Settings) -> Result<Compacted, Fault> {
    let database = Database::of(settings.engine, &settings.dir)?;
    let mut engine = database.open_existing()?;
    let sealer = Sealer::new(settings.key.clone())?;
    check_key(&*engine, &sealer, &settings.dir.display().to_string())?;
    let before = database.size()?;
    engine.compact()?;
    drop(engine);
    Ok(Compacted {
        before,
        after: database.size()?,
    })
}

/// Seals every value under `new`; returns how many. From then on the store opens with `new` alone.
///
/// # Errors
/// When the store is in use, was never made, a value cannot be opened, or the disk fails; then
/// everything is as it was.
pub fn rekey(settings: &Settings, new: StoreKey, clock: &Clock) -> Result<u64, Fault> {
    let database = Database::of(settings.engine, &settings.dir)?;
    let fresh = database.beside("rekey");
    let old = database.open_existing()?;
    let from = Sealer::new(settings.key.clone())?;
    check_key(&*old, &from, &settings.dir.display().to_string())?;
    // Left by a rekey that did not end.
    fresh.remove()?;
    let moved = reseal(&*old, &from, &fresh, &Sealer::new(new)?, clock).inspect_err(|_| {
        let _ = fresh.remove();
    })?;
    fresh.take_the_place_of(&database, old)?;
    sync_dir(&settings.dir).map_err(|e| fault("sync the folder", &settings.dir, e))?;
    Ok(moved)
}

fn reseal(
    old: &dyn Engine,
    from: &Sealer,
    fresh: &Database,
    to: &Sealer,
    clock: &Clock,
) -> Result<u64, Fault> {
    let new = fresh.open(Assurance::Standard, LastStop::Clean)?;
    let mut moved = 0;
    for table in Table::ALL {
        let mut group = Vec::new();
        for_each(old, table, |pair| {
            let (of, key) = sealed_for(table, &pair.key);
            let value = match from.open(of, key, &pair.value) {
                Some(value) => to.seal(of, key, &value)?,
                // What was set aside may be what nobody can open; it stays as it is.
                None if table == Table::Quarantine => pair.value.clone(),
                None => {
                    return Err(Fault::Damaged {
                        what: format!("a value of the table {}", table.name()),
                        text: "it does not open under the old key; see `ravelin store check`"
                            .into(),
                    });
                }
            };
            moved += 1;
            group.push(Write::Put(table, pair.key.clone(), value));
            if group.len() >= GROUP {
                new.apply(std::mem::take(&mut group))?;
            }
            Ok(())
        })?;
        if !group.is_empty() {
            new.apply(group)?;
        }
    }
    let mut chain = Chain::after(chain_head(&*new, to)?);
    let event = Event::new(clock.now(), Act::Rekeyed, "operator").detail("values", moved);
    new.apply(vec![seal_record(to, &chain.append(&event))?])?;
    Ok(moved)
}

/// The place that a value was sealed for: what was set aside, for the one that it had before.
fn sealed_for(table: Table, key: &[u8]) -> (Table, &[u8]) {
    let before = (table == Table::Quarantine).then(|| {
        let at = key.iter().position(|&octet| octet == b'/')?;
        let (name, rest) = key.split_at_checked(at)?;
        let table = Table::named(std::str::from_utf8(name).ok()?)?;
        Some((table, rest.get(1..)?))
    });
    before.flatten().unwrap_or((table, key))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{
        check_filled, clock, engine_under_test, fill, open, settings, tamper,
    };
    use super::*;
    use crate::message::{DraftId, EntryId};
    use crate::store::examine::examine;
    use crate::store::{Change, EngineKind, Store};

    fn with_key(dir: &Path, key: u8) -> Settings {
        Settings {
            key: StoreKey::new([key; 32]),
            ..settings(dir)
        }
    }

    #[test]
    fn after_a_rekey_the_new_key_opens_all_and_the_old_one_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        for n in 1..=3 {
            store.commit_blocking(fill(n)).unwrap();
        }
        let mut change = Change::new();
        change.quarantine_entry(EntryId::new([3; 16]));
        store.commit_blocking(change).unwrap();
        let new = StoreKey::new([9; 32]);
        assert!(
            rekey(&settings(dir.path()), new.clone(), &clock()).is_err(),
            "a store that is in use"
        );
        drop(store);
        assert!(
            rekey(&with_key(dir.path(), 2), new.clone(), &clock()).is_err(),
            "from another key"
        );
        rekey(&settings(dir.path()), new, &clock()).unwrap();
        assert!(matches!(
            Store::open(settings(dir.path()), clock()),
            Err(Fault::WrongKey { .. })
        ));
        let found = examine(&with_key(dir.path(), 9)).unwrap();
        assert_eq!(found.findings, []);
        assert_eq!((found.entries, found.drafts, found.set_aside), (2, 3, 1));
        let store = Store::open(with_key(dir.path(), 9), clock()).unwrap();
        (1..=2).for_each(|n| check_filled(&store, n));
        let text = std::fs::read_to_string(dir.path().join("audit.jsonl")).unwrap();
        assert_eq!(text.matches("\"rekeyed\"").count(), 1);
    }

    #[test]
    fn a_value_that_does_not_open_stops_a_rekey_and_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).commit_blocking(fill(1)).unwrap();
        tamper(dir.path(), |engine| {
            let row = engine.scan(Table::Draft, &[], 1).unwrap().remove(0);
            vec![Write::Put(Table::Draft, row.key, b"scratched".to_vec())]
        });
        let refused = rekey(&settings(dir.path()), StoreKey::new([9; 32]), &clock()).unwrap_err();
        assert!(refused.to_string().contains("draft"), "{refused}");
        assert!(!dir.path().join("store/ravelin.rekey").exists());
        assert_eq!(open(dir.path()).entries().unwrap().len(), 1);
    }

    fn large(n: u8) -> DraftId {
        let mut id = [0xee; 16];
        id[0] = n;
        DraftId::new(id)
    }

    #[test]
    fn a_compacted_store_is_smaller_and_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        for n in 0..200 {
            let mut change = fill(n);
            change.put_draft(
                crate::store::DraftRow {
                    id: large(n),
                    ..super::super::tests::draft(n)
                },
                vec![n; 60_000].into(),
            );
            store.commit_blocking(change).unwrap();
        }
        for n in 2..200 {
            let mut change = Change::new();
            change.remove_draft(large(n));
            store.commit_blocking(change).unwrap();
        }
        drop(store);
        let sizes = compact(&settings(dir.path())).unwrap();
        match engine_under_test() {
            EngineKind::Redb => assert!(sizes.after < sizes.before / 2, "{sizes:?}"),
            // It reuses space by itself, and its log does not shrink.
            EngineKind::Sled => assert!(sizes.after <= sizes.before, "{sizes:?}"),
        }
        check_filled(&open(dir.path()), 1);
        assert!(compact(&with_key(dir.path(), 2)).is_err());
    }
}
