//! What every engine must do, asked of each that was built.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backup::restore;
use super::database::Database;
use super::engine::{Assurance, Engine, EngineKind, LastStop, Pair, Table, Write};
use super::tests::{check_filled, clock, fill, settings};
use super::{Fault, Settings, Store};

fn each(test: impl Fn(&Database, &Path)) {
    let built = EngineKind::ALL.into_iter().filter(|kind| kind.is_built());
    for kind in built {
        eprintln!("engine {}", kind.name());
        let dir = tempfile::tempdir().unwrap();
        test(&Database::of(kind, dir.path()).unwrap(), dir.path());
    }
}

fn open(database: &Database) -> Box<dyn Engine> {
    database.open(Assurance::Standard, LastStop::Clean).unwrap()
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Write {
    Write::Put(table, key.to_vec(), value.to_vec())
}

fn remove(table: Table, key: &[u8]) -> Write {
    Write::Remove(table, key.to_vec())
}

fn keys(pairs: Vec<Pair>) -> Vec<Vec<u8>> {
    pairs.into_iter().map(|pair| pair.key).collect()
}

#[test]
fn keys_come_in_order_and_tables_are_apart() {
    each(|database, _| {
        let engine = open(database);
        let all = [&b"\x01b"[..], b"\x01", b"\xff\xff", b"", b"\x01a"];
        engine
            .apply(all.iter().map(|key| put(Table::Entry, key, key)).collect())
            .unwrap();
        engine.apply(vec![put(Table::Meta, b"m", b"")]).unwrap();
        let sorted = [&b""[..], b"\x01", b"\x01a", b"\x01b", b"\xff\xff"];
        let found = engine.scan(Table::Entry, b"", 9).unwrap();
        assert!(found.iter().all(|pair| pair.key == pair.value));
        assert_eq!(keys(found), sorted);
        let some = engine.scan(Table::Entry, b"\x01a", 2).unwrap();
        assert_eq!(keys(some), sorted[2..4]);
        let last = engine.last(Table::Entry).unwrap().unwrap();
        assert_eq!(last.key, b"\xff\xff");
        assert_eq!(engine.last(Table::Quarantine).unwrap(), None);
        assert_eq!(engine.read(Table::Quarantine, b"m").unwrap(), None);
        assert!(engine.contains(Table::Meta, b"m").unwrap());
        assert!(!engine.contains(Table::Entry, b"m").unwrap());
    });
}

#[test]
fn of_two_writes_in_a_group_the_later_counts() {
    each(|database, _| {
        let engine = open(database);
        let twice = vec![
            put(Table::Meta, b"a", b"1"),
            remove(Table::Meta, b"a"),
            put(Table::Meta, b"b", b"1"),
            put(Table::Meta, b"b", b"2"),
            remove(Table::Meta, b"never"),
        ];
        engine.apply(twice).unwrap();
        assert_eq!(engine.read(Table::Meta, b"a").unwrap(), None);
        assert_eq!(engine.read(Table::Meta, b"b").unwrap().unwrap(), b"2");
    });
}

#[test]
fn values_of_every_length_come_back_whole_and_go_whole() {
    each(|database, _| {
        let lengths = [0, 1, 4093, 4094, 4095, 4096, 8190, 8191, 70_000, 1 << 20];
        let value = |length: usize| vec![u8::try_from(length % 251).unwrap(); length];
        let key = |n: usize| [7, u8::try_from(n).unwrap()];
        let engine = open(database);
        let all = lengths.iter().enumerate();
        let writes = all
            .clone()
            .map(|(n, length)| put(Table::Body, &key(n), &value(*length)));
        engine.apply(writes.collect()).unwrap();
        drop(engine);
        let engine = open(database);
        for (n, length) in all {
            let found = engine.read(Table::Body, &key(n)).unwrap().unwrap();
            assert!(found == value(*length), "{length}");
        }
        // A shorter value leaves nothing of the longer one.
        let last = lengths.len() - 1;
        engine
            .apply(vec![put(Table::Body, &key(last), b"short")])
            .unwrap();
        let found = engine.scan(Table::Body, &key(last), 9).unwrap();
        assert_eq!((found.len(), found[0].value.as_slice()), (1, &b"short"[..]));
        let writes = (0..lengths.len()).map(|n| remove(Table::Body, &key(n)));
        engine.apply(writes.collect()).unwrap();
        assert_eq!(engine.scan(Table::Body, b"", 99).unwrap(), []);
        assert_eq!(engine.last(Table::Body).unwrap(), None);
    });
}

#[test]
fn a_reader_sees_a_group_whole_or_not_at_all() {
    each(|database, _| {
        let engine: Arc<dyn Engine> = open(database).into();
        let done = Arc::new(AtomicBool::new(false));
        let writer = {
            let (engine, done) = (Arc::clone(&engine), Arc::clone(&done));
            std::thread::spawn(move || {
                for round in 0..60u8 {
                    let value = vec![round; 9000];
                    let group = [b"a", b"b"].map(|key| put(Table::Body, key, &value));
                    engine.apply(group.to_vec()).unwrap();
                }
                done.store(true, Ordering::SeqCst);
            })
        };
        while !done.load(Ordering::SeqCst) {
            let snapshot = engine.snapshot().unwrap();
            let found = snapshot.scan(Table::Body, b"", 9).unwrap();
            let rounds: Vec<u8> = found.iter().map(|pair| pair.value[0]).collect();
            assert!(matches!(rounds[..], [] | [_, _]), "{rounds:?}");
            assert!(
                rounds.windows(2).all(|pair| pair[0] == pair[1]),
                "{rounds:?}"
            );
            let whole = |pair: &Pair| pair.value.iter().all(|octet| *octet == pair.value[0]);
            assert!(found.iter().all(whole));
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_database_that_is_open_elsewhere_or_scratched_is_refused() {
    each(|database, dir| {
        let engine = open(database);
        engine.apply(vec![put(Table::Meta, b"a", b"1")]).unwrap();
        let second = database.open(Assurance::Standard, LastStop::Clean);
        assert!(second.is_err());
        drop(engine);
        assert!(database.size().unwrap() > 0);
        for found in std::fs::read_dir(dir).unwrap() {
            let path = found.unwrap().path();
            let path = if path.is_dir() {
                path.join("conf")
            } else {
                path
            };
            std::fs::write(path, [0x55; 8192]).unwrap();
        }
        assert!(
            database
                .open(Assurance::Standard, LastStop::Unclean)
                .is_err()
        );
    });
}

#[test]
fn a_backup_goes_from_each_engine_to_each() {
    let built = || EngineKind::ALL.into_iter().filter(|kind| kind.is_built());
    for (from, to) in built().flat_map(|from| built().map(move |to| (from, to))) {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str, engine| Settings {
            dir: dir.path().join(name),
            export: None,
            engine,
            ..settings(dir.path())
        };
        let store = Store::open(of("old", from), clock()).unwrap();
        for n in 1..=3 {
            store.commit_blocking(fill(n)).unwrap();
        }
        let file = dir.path().join("backup");
        store.backup(&file, "test", &clock()).unwrap();
        restore(&file, &of("new", to), &clock()).unwrap();
        let store = Store::open(of("new", to), clock()).unwrap();
        (1..=3).for_each(|n| check_filled(&store, n));
    }
}

#[test]
fn a_store_of_one_engine_is_not_made_anew_by_another() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(settings(dir.path()), clock()).unwrap());
    let kind = settings(dir.path()).engine;
    let other = EngineKind::ALL.into_iter().find(|other| *other != kind);
    let settings = Settings {
        engine: other.unwrap(),
        ..settings(dir.path())
    };
    let refused = Store::open(settings, clock()).err().unwrap();
    assert!(matches!(refused, Fault::OtherEngine { .. }), "{refused}");
}
