//! The engine sled 0.34, one folder. No other file names it. Why it is not the default stands in
//! README: its own flush is no sync, and what is larger than a quarter of a segment is never synced.
//!
//! Promises: what `engine` asks for, by three rails: after each flush its log is synced here; no value
//! is longer than [`PIECE`], so that a leaf of sixteen stays below the size at which it writes blobs;
//! and a group counts only while there is no blob.
//! Refuses: to acknowledge a group when a blob has come all the same; a folder that another process
//! has open, or that sled cannot read: then the way back is `ravelin store restore`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::bodies::sync_dir;
use super::engine::{Engine, EngineFault, Pair, Snapshot, StopOnPanic, Table, Write};

const NAME: &str = "sled";
/// The log, in the folder of the database.
const LOG: &str = "db";
/// Where it would put what is too large for its log.
const BLOBS: &str = "blobs";
/// Octets of the longest value that sled gets.
const PIECE: usize = 4096;
/// Octets before the first piece of a value: how many pieces follow elsewhere.
const COUNT: usize = 2;
/// First octet of the keys of further pieces; the tables have smaller ones.
const FURTHER: u8 = 0x80;
/// First octet of the keys of a table of older stores: no other is ever given it.
const OF_OLD: u8 = 7;
/// What it keeps in memory, in octets.
const CACHE: u64 = 64 << 20;

/// The open database.
pub struct Sled {
    database: sled::Db,
    log: File,
    blobs: PathBuf,
    /// sled keeps no versions: whoever looks at a moment holds the next group up.
    gate: RwLock<()>,
}

impl Sled {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// When it cannot be opened; the words say how to go on.
    pub fn open(path: &Path) -> Result<Self, EngineFault> {
        let config = sled::Config::new()
            .path(path)
            .mode(sled::Mode::HighThroughput)
            .cache_capacity(CACHE)
            .flush_every_ms(None);
        // A damaged folder makes sled panic: before anything is in memory that is an error.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        let database = match opened {
            Ok(Ok(database)) => database,
            Ok(Err(error)) => return Err(fault("open its folder", error)),
            Err(_) => {
                let text = "it is damaged; restore the store from a backup";
                return Err(fault("open its folder", text));
            }
        };
        let log = File::open(path.join(LOG)).map_err(|e| fault("open its log", e))?;
        let engine = Self {
            database,
            log,
            blobs: path.join(BLOBS),
            gate: RwLock::default(),
        };
        engine.without_old_table()?;
        engine.apply(Vec::new())?;
        for dir in [Some(path), path.parent()].into_iter().flatten() {
            sync_dir(dir).map_err(|e| fault("sync its folder", e))?;
        }
        Ok(engine)
    }

    /// Takes out what versions before 20261121 repeated of the order of the queue: short keys, with
    /// nothing behind them. What was taken out is on the disk with the next group.
    fn without_old_table(&self) -> Result<(), EngineFault> {
        for found in self.database.scan_prefix([OF_OLD]).keys() {
            let key = found.map_err(|e| fault("read an old table", e))?;
            let removed = self.database.remove(key);
            removed.map_err(|e| fault("remove an old table", e))?;
        }
        Ok(())
    }

    /// How many pieces of the value stand elsewhere; none when there is no value.
    fn further(&self, table: Table, key: &[u8]) -> Result<u16, EngineFault> {
        let head = self
            .database
            .get(head_key(table, key))
            .map_err(|e| fault("read a value", e))?;
        head.map_or(Ok(0), |head| Ok(split(&head)?.0))
    }

    /// The whole value of which this is the head.
    fn whole(&self, table: Table, key: &[u8], head: &[u8]) -> Result<Vec<u8>, EngineFault> {
        let (further, first) = split(head)?;
        let mut value = first.to_vec();
        for number in 0..further {
            let piece = self
                .database
                .get(piece_key(table, key, number))
                .map_err(|e| fault("read a value", e))?
                .ok_or_else(|| fault("read a value", "a piece of it is missing"))?;
            value.extend_from_slice(&piece);
        }
        Ok(value)
    }

    fn pairs(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault> {
        let end = [number(table) + 1];
        let range = head_key(table, from)..end.to_vec();
        self.database
            .range(range)
            .take(limit)
            .map(|found| {
                let (key, head) = found.map_err(|e| fault("read a range", e))?;
                let key = key.get(1..).unwrap_or_default().to_vec();
                let value = self.whole(table, &key, &head)?;
                Ok(Pair { key, value })
            })
            .collect()
    }
}

impl Engine for Sled {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), EngineFault> {
        let _stop = StopOnPanic;
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        // Of two writes to one key the later counts.
        let mut last: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>> = BTreeMap::new();
        for write in writes {
            match write {
                Write::Put(table, key, value) => last.insert((table, key), Some(value)),
                Write::Remove(table, key) => last.insert((table, key), None),
            };
        }
        let mut batch = sled::Batch::default();
        for ((table, key), value) in &last {
            let before = self.further(*table, key)?;
            let mut now = 0;
            if let Some(value) = value {
                let (first, rest) = value.split_at(value.len().min(PIECE - COUNT));
                for piece in rest.chunks(PIECE) {
                    batch.insert(piece_key(*table, key, now), piece);
                    now = now
                        .checked_add(1)
                        .ok_or_else(|| fault("write a value", "it is longer than 256 MiB"))?;
                }
                let head = [&now.to_be_bytes()[..], first].concat();
                batch.insert(head_key(*table, key), head);
            } else {
                batch.remove(head_key(*table, key));
            }
            for number in now..before {
                batch.remove(piece_key(*table, key, number));
            }
        }
        self.database
            .apply_batch(batch)
            .map_err(|e| fault("write a group", e))?;
        self.database.flush().map_err(|e| fault("flush", e))?;
        // Its flush is sync_file_range, which is no promise (storage.md section 2).
        self.log.sync_data().map_err(|e| fault("sync its log", e))?;
        match fs::read_dir(&self.blobs).map(|mut found| found.next().is_some()) {
            Ok(true) => Err(fault("commit", "it made a blob, which it does not sync")),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(fault("look for blobs", error))
            }
            _ => Ok(()),
        }
    }

    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault> {
        let _stop = StopOnPanic;
        // A value of several pieces is read between groups.
        let _moment = self.snapshot_gate();
        let head = self
            .database
            .get(head_key(table, key))
            .map_err(|e| fault("read a value", e))?;
        head.map(|head| self.whole(table, key, &head)).transpose()
    }

    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, EngineFault> {
        let _stop = StopOnPanic;
        self.database
            .contains_key(head_key(table, key))
            .map_err(|e| fault("read a value", e))
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault> {
        self.snapshot()?.scan(table, from, limit)
    }

    fn last(&self, table: Table) -> Result<Option<Pair>, EngineFault> {
        let _stop = StopOnPanic;
        let _moment = self.snapshot_gate();
        let range = head_key(table, &[])..vec![number(table) + 1];
        let Some(found) = self.database.range(range).next_back() else {
            return Ok(None);
        };
        let (key, head) = found.map_err(|e| fault("read the last value", e))?;
        let key = key.get(1..).unwrap_or_default().to_vec();
        let value = self.whole(table, &key, &head)?;
        Ok(Some(Pair { key, value }))
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, EngineFault> {
        Ok(Box::new(Moment {
            engine: self,
            _gate: self.snapshot_gate(),
        }))
    }

    /// It gives space back as it goes.
    fn compact(&mut self) -> Result<(), EngineFault> {
        Ok(())
    }
}

impl Sled {
    fn snapshot_gate(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it holds while no group can come.
struct Moment<'e> {
    engine: &'e Sled,
    _gate: RwLockReadGuard<'e, ()>,
}

impl Snapshot for Moment<'_> {
    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault> {
        let _stop = StopOnPanic;
        self.engine.pairs(table, from, limit)
    }
}

/// The octet that a table's keys begin with. It is on the disk: never changed.
const fn number(table: Table) -> u8 {
    match table {
        Table::Audit => 1,
        Table::Body => 2,
        Table::Draft => 3,
        Table::Entry => 4,
        Table::Meta => 5,
        Table::Quarantine => 6,
        Table::Certificate => OF_OLD + 1,
        Table::Awaited => OF_OLD + 2,
    }
}

fn head_key(table: Table, key: &[u8]) -> Vec<u8> {
    [&[number(table)], key].concat()
}

/// The length of `key` stands before it, so that no two keys have a piece in common.
fn piece_key(table: Table, key: &[u8], piece: u16) -> Vec<u8> {
    let length = u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes();
    [
        &[FURTHER | number(table)],
        &length[..],
        key,
        &piece.to_be_bytes(),
    ]
    .concat()
}

/// The number of further pieces, and the first one.
fn split(head: &[u8]) -> Result<(u16, &[u8]), EngineFault> {
    let (count, first) = head
        .split_first_chunk::<COUNT>()
        .ok_or_else(|| fault("read a value", "it is shorter than any that was written"))?;
    Ok((u16::from_be_bytes(*count), first))
}

fn fault(
    attempt: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EngineFault {
    EngineFault {
        engine: NAME,
        attempt,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_repeated_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sled");
        let engine = Sled::open(&path).unwrap();
        let put = |table, key: &[u8]| Write::Put(table, key.to_vec(), vec![1; 9000]);
        let kept = vec![put(Table::Quarantine, b"a"), put(Table::Certificate, b"b")];
        engine.apply(kept).unwrap();
        for n in 0..100 {
            engine.database.insert([OF_OLD, n], &[0, 0]).unwrap();
        }
        engine.apply(Vec::new()).unwrap();
        drop(engine);
        for _ in 0..2 {
            let engine = Sled::open(&path).unwrap();
            assert_eq!(engine.database.scan_prefix([OF_OLD]).count(), 0);
            for (table, key) in [(Table::Quarantine, b"a"), (Table::Certificate, b"b")] {
                let value = engine.read(table, key).unwrap();
                assert_eq!(value, Some(vec![1; 9000]));
            }
        }
    }
}
