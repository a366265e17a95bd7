//! A long queue: what opening hands over, and what overtakes it on the way to the disk.

use super::*;

#[test]
fn what_opening_read_is_handed_over_once_and_only_while_it_is_true() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 1..=2 {
        store.commit_blocking(fill(n)).unwrap();
    }
    drop(store);
    let ids = |store: &Store| {
        let mut ids: Vec<_> = store.briefs().unwrap().iter().map(|b| b.id).collect();
        ids.sort_unstable();
        ids
    };
    let (first, second) = (EntryId::new([1; 16]), EntryId::new([2; 16]));
    let store = open(dir.path());
    assert_eq!(ids(&store), [first, second]);
    let mut change = Change::new();
    change.remove_entry(first);
    store.commit_blocking(change).unwrap();
    assert_eq!(ids(&store), [second]);
    drop(store);
    // The twin: a commit before anybody asks.
    let store = open(dir.path());
    let mut change = Change::new();
    change.remove_entry(second);
    store.commit_blocking(change).unwrap();
    assert!(ids(&store).is_empty());
}

#[test]
fn an_urgent_change_is_in_the_next_group_whatever_waits() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    let gate = Arc::clone(&fake.gate);
    let store = Store::open_on(
        settings(dir.path()),
        clock(),
        Box::new(fake),
        Arc::new(System),
    )
    .unwrap();
    set(&gate, true);
    let done = Arc::new(Mutex::new(Vec::new()));
    let put = |n: u8, precedence| {
        let mut change = Change::new();
        let row = EntryRow {
            precedence,
            ..entry(n)
        };
        change.put_entry(row, vec![n].into());
        let done = Arc::clone(&done);
        let prepared = store.inner.prepare(change).unwrap();
        let told = move |result: Result<Committed, Fault>| {
            done.lock().unwrap().push((n, result.unwrap().group));
        };
        store.inner.submit(prepared, told).unwrap();
    };
    put(0, Precedence::Routine);
    // The committer is at the gate with the first one.
    while store.inner.shared.sealer.sealed() < 3 {
        std::thread::yield_now();
    }
    for n in 1..=200 {
        put(n, Precedence::Routine);
    }
    put(255, Precedence::Flash);
    set(&gate, false);
    store.commit_blocking(Change::new()).unwrap();
    let done = done.lock().unwrap();
    let place = done.iter().position(|(n, _)| *n == 255).unwrap();
    assert!(place <= 1 + 8, "at place {place} of {}", done.len());
    assert_eq!(done.len(), 202);
}
