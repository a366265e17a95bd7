//! The default engine: redb 4, one file, one write transaction per group. No other file names it.
//!
//! Promises: what `engine` asks for. The file is checked page by page after an unclean stop,
//! because redb does not check its pages when it reads them (redb issue 1334).
//! Refuses: a file that another process has open, that is of another version, or that fails the
//! check.

use std::path::Path;

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableHandle,
};

use super::engine::{
    Assurance, Engine, EngineFault, LastStop, Pair, Snapshot, StopOnPanic, Table, Write,
};

const NAME: &str = "redb";
/// So much is written anew at once.
const PIECE: usize = 1 << 20;
/// How much of its file it may keep in memory: what memory a long queue takes does not come from
/// here. (redb's own choice is a gibibyte.)
const CACHE: usize = 64 << 20;

/// The open database.
pub struct Redb {
    database: Database,
    assurance: Assurance,
}

impl Redb {
    /// Opens or makes the file.
    pub fn open(path: &Path, assurance: Assurance, last: LastStop) -> Result<Self, EngineFault> {
        let _stop = StopOnPanic;
        if !path.exists() {
            Self::make(path)?;
        }
        let database = Database::builder().set_cache_size(CACHE).create(path);
        let database = database.map_err(|e| fault("open its file", e))?;
        Self::checked(database, assurance, last)
    }

    /// Makes an empty database. redb does not open a file whose making was cut short, so it is made
    /// under another name: a start that was killed leaves nothing that stops the next one.
    fn make(path: &Path) -> Result<(), EngineFault> {
        let unfinished = path.with_extension("new");
        let failed = |e: std::io::Error| fault("make its file", e);
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        drop(Database::create(&unfinished).map_err(|e| fault("make its file", e))?);
        let file = std::fs::File::open(&unfinished).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&unfinished, path).map_err(failed)
    }

    /// Opens or makes a database on another storage than a file: for the tests of engines.
    ///
    /// # Errors
    /// When the storage fails, or holds what is not a database or cannot be repaired.
    pub fn on(
        storage: impl redb::StorageBackend,
        assurance: Assurance,
        last: LastStop,
    ) -> Result<Self, EngineFault> {
        let _stop = StopOnPanic;
        if last == LastStop::Failed {
            write_anew(&storage).map_err(|e| fault("write its storage anew", e))?;
        }
        let database = Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(storage);
        Self::checked(
            database.map_err(|e| fault("open its storage", e))?,
            assurance,
            last,
        )
    }

    fn checked(
        mut database: Database,
        assurance: Assurance,
        last: LastStop,
    ) -> Result<Self, EngineFault> {
        if last != LastStop::Clean {
            // `false` says that something was repaired; what cannot be repaired is an error.
            database
                .check_integrity()
                .map_err(|e| fault("check its file", e))?;
        }
        let engine = Self {
            database,
            assurance,
        };
        engine.apply(Vec::new())?;
        engine.without_old_tables()?;
        Ok(engine)
    }
}

impl Redb {
    /// Takes out the table in which versions before 20261121 repeated the order of the queue.
    fn without_old_tables(&self) -> Result<(), EngineFault> {
        const READY: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(Table::OF_OLD);
        let reading = self.database.begin_read();
        let reading = reading.map_err(|e| fault("begin reading", e))?;
        let tables = reading.list_tables();
        let is_old = tables
            .map_err(|e| fault("list its tables", e))?
            .any(|table| TableHandle::name(&table) == TableHandle::name(&READY));
        drop(reading);
        if !is_old {
            return Ok(());
        }
        let transaction = self.database.begin_write().map_err(|e| fault("begin", e))?;
        let removed = transaction.delete_table(READY);
        removed.map_err(|e| fault("remove a table", e))?;
        transaction.commit().map_err(|e| fault("commit", e))
    }
}

impl Engine for Redb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), EngineFault> {
        let _stop = StopOnPanic;
        let mut transaction = self.database.begin_write().map_err(|e| fault("begin", e))?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|e| fault("ask for durability", e))?;
        if self.assurance == Assurance::High {
            transaction.set_two_phase_commit(true);
            transaction.set_quick_repair(true);
        }
        for table in Table::ALL {
            // An empty group makes the tables.
            if !writes.is_empty() && !writes.iter().any(|write| write.table() == table) {
                continue;
            }
            let mut open = transaction
                .open_table(definition(table))
                .map_err(|e| fault("open a table", e))?;
            for write in &writes {
                match write {
                    Write::Put(of, key, value) if *of == table => {
                        open.insert(key.as_slice(), value.as_slice())
                            .map_err(|e| fault("write a value", e))?;
                    }
                    Write::Remove(of, key) if *of == table => {
                        open.remove(key.as_slice())
                            .map_err(|e| fault("remove a value", e))?;
                    }
                    _ => {}
                }
            }
        }
        transaction.commit().map_err(|e| fault("commit", e))
    }

    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault> {
        let _stop = StopOnPanic;
        let transaction = self
            .database
            .begin_read()
            .map_err(|e| fault("begin reading", e))?;
        let open = transaction
            .open_table(definition(table))
            .map_err(|e| fault("open a table", e))?;
        let value = open.get(key).map_err(|e| fault("read a value", e))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, EngineFault> {
        let _stop = StopOnPanic;
        let transaction = self
            .database
            .begin_read()
            .map_err(|e| fault("begin reading", e))?;
        let open = transaction
            .open_table(definition(table))
            .map_err(|e| fault("open a table", e))?;
        Ok(open
            .get(key)
            .map_err(|e| fault("read a value", e))?
            .is_some())
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault> {
        self.snapshot()?.scan(table, from, limit)
    }

    fn last(&self, table: Table) -> Result<Option<Pair>, EngineFault> {
        let _stop = StopOnPanic;
        let transaction = self
            .database
            .begin_read()
            .map_err(|e| fault("begin reading", e))?;
        let open = transaction
            .open_table(definition(table))
            .map_err(|e| fault("open a table", e))?;
        let last = open.last().map_err(|e| fault("read the last value", e))?;
        Ok(last.map(|(key, value)| Pair {
            key: key.value().to_vec(),
            value: value.value().to_vec(),
        }))
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, EngineFault> {
        let _stop = StopOnPanic;
        let transaction = self.database.begin_read();
        Ok(Box::new(Moment(
            transaction.map_err(|e| fault("begin reading", e))?,
        )))
    }

    fn compact(&mut self) -> Result<(), EngineFault> {
        let _stop = StopOnPanic;
        // `false` says that there is nothing left to gain.
        let compacted = self.database.compact();
        compacted.map(drop).map_err(|e| fault("compact", e))
    }
}

/// As `database` does it with files, on another storage.
fn write_anew(storage: &impl redb::StorageBackend) -> std::io::Result<()> {
    let length = storage.len()?;
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < length {
        let left = usize::try_from(length - at).unwrap_or(usize::MAX);
        let piece = buffer.get_mut(..left.min(PIECE)).unwrap_or_default();
        storage.read(at, piece)?;
        storage.write(at, piece)?;
        at += u64::try_from(piece.len()).unwrap_or(u64::MAX);
    }
    storage.sync_data()
}

/// A read transaction: redb keeps the pages that it sees until it is dropped.
struct Moment(ReadTransaction);

impl Snapshot for Moment {
    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault> {
        let _stop = StopOnPanic;
        let open = self
            .0
            .open_table(definition(table))
            .map_err(|e| fault("open a table", e))?;
        let range = open.range(from..).map_err(|e| fault("read a range", e))?;
        range
            .take(limit)
            .map(|found| {
                let (key, value) = found.map_err(|e| fault("read a range", e))?;
                Ok(Pair {
                    key: key.value().to_vec(),
                    value: value.value().to_vec(),
                })
            })
            .collect()
    }
}

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
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

    fn put(table: Table, key: &[u8], value: &[u8]) -> Write {
        Write::Put(table, key.to_vec(), value.to_vec())
    }

    #[test]
    fn it_keeps_order_and_survives_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redb");
        let engine = Redb::open(&path, Assurance::High, LastStop::Clean).unwrap();
        engine
            .apply(vec![
                put(Table::Entry, b"b", b""),
                put(Table::Entry, b"a", b"1"),
            ])
            .unwrap();
        engine
            .apply(vec![
                put(Table::Entry, b"c", b"3"),
                Write::Remove(Table::Entry, b"b".to_vec()),
            ])
            .unwrap();
        drop(engine);
        let engine = Redb::open(&path, Assurance::Standard, LastStop::Unclean).unwrap();
        let keys = |pairs: Vec<Pair>| pairs.into_iter().map(|p| p.key).collect::<Vec<_>>();
        assert_eq!(
            keys(engine.scan(Table::Entry, b"", 9).unwrap()),
            [b"a", b"c"]
        );
        assert_eq!(keys(engine.scan(Table::Entry, b"b", 1).unwrap()), [b"c"]);
        assert_eq!(engine.last(Table::Entry).unwrap().unwrap().value, b"3");
        assert_eq!(engine.read(Table::Entry, b"b").unwrap(), None);
        assert_eq!(engine.read(Table::Draft, b"a").unwrap(), None);
        assert_eq!(engine.last(Table::Draft).unwrap(), None);
    }

    #[test]
    fn a_snapshot_does_not_change_and_compacting_gives_space_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redb");
        let mut engine = Redb::open(&path, Assurance::Standard, LastStop::Clean).unwrap();
        let many = (0..2000u32).map(|n| put(Table::Body, &n.to_be_bytes(), &[7; 2000]));
        engine.apply(many.collect()).unwrap();
        let snapshot = engine.snapshot().unwrap();
        let all = (0..2000u32).map(|n| Write::Remove(Table::Body, n.to_be_bytes().to_vec()));
        engine.apply(all.collect()).unwrap();
        assert_eq!(snapshot.scan(Table::Body, b"", 9999).unwrap().len(), 2000);
        assert_eq!(engine.scan(Table::Body, b"", 9999).unwrap().len(), 0);
        drop(snapshot);
        let size = || std::fs::metadata(&path).unwrap().len();
        let before = size();
        engine.compact().unwrap();
        assert!(size() < before / 4, "{before} -> {}", size());
        engine.apply(vec![put(Table::Draft, b"a", b"1")]).unwrap();
    }

    #[test]
    fn a_file_whose_making_was_cut_short_stops_no_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redb");
        std::fs::write(dir.path().join("redb.new"), [0; 4096]).unwrap();
        let engine = Redb::open(&path, Assurance::Standard, LastStop::Unclean).unwrap();
        engine.apply(vec![put(Table::Draft, b"a", b"1")]).unwrap();
        drop(engine);
        assert!(!dir.path().join("redb.new").exists());
        // The twin: what has the name of the database and is none is not written over.
        std::fs::write(&path, [0; 4096]).unwrap();
        assert!(Redb::open(&path, Assurance::Standard, LastStop::Unclean).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), [0; 4096]);
    }

    #[test]
    fn a_file_that_is_open_elsewhere_or_foreign_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redb");
        let engine = Redb::open(&path, Assurance::Standard, LastStop::Clean).unwrap();
        let second = Redb::open(&path, Assurance::Standard, LastStop::Clean);
        assert!(second.is_err_and(|e| e.attempt == "open its file"));
        drop(engine);
        std::fs::write(&path, [0x55; 8192]).unwrap();
        assert!(Redb::open(&path, Assurance::Standard, LastStop::Clean).is_err());
    }

    /// As versions before 20261121 left it: with a table more, some of whose values were sealed.
    fn with_old_table(path: &Path) {
        let database = Database::builder().create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let ready = TableDefinition::<&[u8], &[u8]>::new("ready");
            let mut open = transaction.open_table(ready).unwrap();
            for n in 0..2500u32 {
                let value = [0x5a; 40];
                let value = if n.is_multiple_of(2) {
                    &[][..]
                } else {
                    &value[..]
                };
                open.insert(&n.to_be_bytes()[..], value).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    fn has_old_table(path: &Path) -> bool {
        let database = Database::builder().create(path).unwrap();
        let reading = database.begin_read().unwrap();
        let mut names = reading.list_tables().unwrap();
        names.any(|table| TableHandle::name(&table) == "ready")
    }

    #[test]
    fn a_store_of_an_older_version_opens_and_goes_under_another_key() {
        use super::super::tests::{check_filled, clock, fill, settings};
        use super::super::{EngineKind, Settings, Store, StoreKey, examine, upkeep};
        type Act = fn(&Settings);
        let open: Act = |settings| drop(Store::open(settings.clone(), clock()).unwrap());
        let check: Act = |settings| {
            assert_eq!(examine::examine(settings).unwrap().findings, []);
        };
        let rekey: Act = |settings| {
            let key = StoreKey::new([9; 32]);
            upkeep::rekey(settings, key, &clock()).unwrap();
        };
        let compact: Act = |settings| assert!(upkeep::compact(settings).unwrap().after > 0);
        for (act, key) in [(open, 1), (check, 1), (compact, 1), (rekey, 9)] {
            let dir = tempfile::tempdir().unwrap();
            let settings = Settings {
                engine: EngineKind::Redb,
                ..settings(dir.path())
            };
            let store = Store::open(settings.clone(), clock()).unwrap();
            for n in 1..=3 {
                store.commit_blocking(fill(n)).unwrap();
            }
            drop(store);
            let path = settings.dir.join("ravelin.redb");
            with_old_table(&path);
            assert!(has_old_table(&path));
            act(&settings);
            assert!(!has_old_table(&path));
            let settings = Settings {
                key: StoreKey::new([key; 32]),
                ..settings
            };
            let store = Store::open(settings.clone(), clock()).unwrap();
            (1..=3).for_each(|n| check_filled(&store, n));
            drop(store);
            assert_eq!(examine::examine(&settings).unwrap().findings, []);
        }
    }
}
