//! Rows of awaited reports, on every engine that was built: kept, copied, sealed anew, looked through.

use super::super::backup::restore;
use super::super::examine::examine;
use super::super::upkeep::rekey;
use super::super::{AskedReport, AwaitedRow, Awaiting, ReportKind};
use super::*;
use crate::message::address::Address;

fn row(n: u8, recipient: &str) -> AwaitedRow {
    AwaitedRow {
        message: MessageId::new([n; 16]),
        recipient: Address::parse(recipient).unwrap(),
        originator: Address::parse("a@alder.example").unwrap(),
        sender: Address::parse("a@alder.example").unwrap(),
        precedence: Precedence::Flash,
        next_hop: "birch".into(),
        message_id: Some("<confidential@alder.example>".into()),
        envelope_id: None,
        original_recipient: None,
        accepted: Timestamp::UNIX_EPOCH,
        sent: None,
        due: None,
        alarmed: None,
        forget: Timestamp::MAX,
        reports: vec![AskedReport {
            kind: ReportKind::Delivery,
            awaiting: Awaiting::Answer,
            receipt: None,
            delayed: None,
            settled: None,
        }],
    }
}

fn rows() -> [AwaitedRow; 3] {
    [
        row(1, "one@birch.example"),
        row(1, "two@birch.example"),
        row(2, "one@birch.example"),
    ]
}

fn put(rows: &[AwaitedRow]) -> Change {
    let mut change = Change::new();
    rows.iter().for_each(|row| change.put_awaited(row.clone()));
    change.record(event(Act::Accepted));
    change
}

fn sorted(store: &Store) -> Vec<AwaitedRow> {
    let mut rows = store.awaited().unwrap();
    rows.sort_by_key(AwaitedRow::id);
    rows
}

fn expected() -> Vec<AwaitedRow> {
    let mut rows = rows().to_vec();
    rows.sort_by_key(AwaitedRow::id);
    rows
}

#[test]
fn what_is_awaited_is_there_after_reopening_a_copy_and_another_key() {
    for engine in EngineKind::ALL.into_iter().filter(|kind| kind.is_built()) {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            engine,
            ..settings(dir.path())
        };
        let store = Store::open(settings.clone(), clock()).unwrap();
        store.commit_blocking(put(&rows())).unwrap();
        assert_eq!(sorted(&store), expected());
        let one = store.awaited_row(rows()[1].id()).unwrap();
        assert_eq!(one, Some(rows()[1].clone()));
        let copy = dir.path().join("copy");
        store.backup(&copy, "test", &clock()).unwrap();
        drop(store);

        let back = Settings {
            dir: dir.path().join("back"),
            export: None,
            ..settings.clone()
        };
        restore(&copy, &back, &clock()).unwrap();
        let store = Store::open(back, clock()).unwrap();
        assert_eq!(sorted(&store), expected());
        drop(store);

        rekey(&settings, StoreKey::new([2; 32]), &clock()).unwrap();
        let settings = Settings {
            key: StoreKey::new([2; 32]),
            ..settings
        };
        let found = examine(&settings).unwrap();
        assert_eq!((found.awaited, found.findings), (3, vec![]));
        let store = Store::open(settings, clock()).unwrap();
        assert_eq!(sorted(&store), expected());
        let mut change = Change::new();
        change.remove_awaited(rows()[0].id());
        store.commit_blocking(change).unwrap();
        assert_eq!(sorted(&store).len(), 2);
    }
}

#[test]
fn rows_that_were_swapped_or_scratched_are_named_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(put(&rows())).unwrap();
    drop(store);
    tamper(dir.path(), |engine| {
        let found = engine.scan(Table::Awaited, &[], 9).unwrap();
        assert_eq!(found.len(), 3);
        vec![
            Write::Put(Table::Awaited, found[0].key.clone(), found[1].value.clone()),
            Write::Put(Table::Awaited, found[2].key.clone(), b"scratched".to_vec()),
        ]
    });
    let found = examine(&settings(dir.path())).unwrap();
    assert_eq!((found.awaited, found.findings.len()), (1, 2));
    assert!(found.findings[0].what.starts_with("awaited"), "{found:?}");
    let store = open(dir.path());
    assert_eq!(
        (store.awaited().unwrap().len(), store.quarantined().unwrap()),
        (1, 2)
    );
    let text = std::fs::read_to_string(dir.path().join("audit.jsonl")).unwrap();
    assert_eq!(text.matches("\"quarantined\"").count(), 2);
}

#[test]
fn a_row_that_a_change_names_twice_is_a_conflict_and_nothing_of_it_lies_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let twice = [rows()[0].clone(), rows()[0].clone()];
    let refused = store.commit_blocking(put(&twice));
    assert!(matches!(refused, Err(Fault::Conflict(_))), "{refused:?}");
    store.commit_blocking(put(&rows())).unwrap();
    drop(store);
    for file in std::fs::read_dir(dir.path().join("store")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let octets = std::fs::read(path).unwrap();
            assert!(memchr::memmem::find(&octets, b"confidential").is_none());
        }
    }
}
