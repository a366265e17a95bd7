//! A long queue: pages, next hops and messages found in it, alarms, and what is overdue.

use super::super::index::Index;
use super::*;
use crate::message::MessageId;
use crate::store::EntryBrief;

#[test]
fn pages_are_in_the_order_of_delivery_and_leave_nobody_out() {
    let bench = bench(Limits::default());
    let all: Vec<_> = (0..23)
        .map(|n| {
            if n % 5 == 0 {
                bench.pass(1);
            }
            let precedence = Precedence::ALL[n % 6];
            bench.put(if n % 2 == 0 { "birch" } else { "cedar" }, precedence)
        })
        .collect();
    let pages = |next_hop: Option<&str>, limit| {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = bench.queue.page(after, next_hop, limit).unwrap();
            rows.extend(page.rows);
            match page.next {
                // The place of the next page goes through a command line.
                Some(next) => after = Some(next.to_string().parse::<Cursor>().unwrap()),
                None => return rows,
            }
        }
    };
    let whole = pages(None, 100);
    assert_eq!(whole.len(), all.len());
    let order = |row: &EntryRow| (std::cmp::Reverse(row.precedence), row.expires, row.arrived);
    assert!(whole.is_sorted_by_key(order));
    for limit in [1, 2, 7, 22, 23] {
        assert_eq!(pages(None, limit), whole, "{limit}");
    }
    let birch: Vec<_> = whole
        .iter()
        .filter(|row| row.next_hop == "birch")
        .cloned()
        .collect();
    assert_eq!(pages(Some("birch"), 3), birch);
    assert_eq!(pages(Some("nowhere"), 3), []);
    let matching = bench
        .queue
        .matching(&Which::NextHop("birch".into()))
        .unwrap();
    assert_eq!(matching, birch.iter().map(|row| row.id).collect::<Vec<_>>());
    // A page goes on after an entry that is there no more.
    let first = bench.queue.page(None, None, 5).unwrap();
    let (_, finished) = bench
        .queue
        .remove(first.rows[4].id, "operator", "")
        .unwrap();
    bench.store.commit_blocking(finished.change).unwrap();
    let second = bench.queue.page(first.next, None, 5).unwrap();
    assert_eq!(second.rows, whole[5..10]);
    for wrong in ["", "1.2.3", "x.1.1.1", "1.1.1.1.1", "256.1.1.1"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
}

#[test]
fn entries_are_found_by_their_message_and_next_hop_wherever_they_are() {
    let bench = bench(Limits::default());
    let ids: Vec<_> = (0..4)
        .map(|_| bench.put("birch", Precedence::Routine))
        .collect();
    // One is deferred, one is in hands.
    bench.settle(bench.claim().unwrap(), &[Outcome::Deferred(reply(451))]);
    let _claimed = bench.claim().unwrap();
    let mut found = bench
        .queue
        .matching(&Which::NextHop("birch".into()))
        .unwrap();
    found.sort_unstable();
    let mut all = ids;
    all.sort_unstable();
    assert_eq!(found, all);
    let mut found = bench
        .queue
        .matching(&Which::Message(MessageId::new([7; 16])))
        .unwrap();
    found.sort_unstable();
    assert_eq!(found, all);
    let mut near = [7; 16];
    near[15] = 8;
    let none = bench.queue.matching(&Which::Message(MessageId::new(near)));
    assert!(none.unwrap().is_empty(), "the whole name counts");
}

/// ROUTINE for birch, in one commit.
fn put_many(bench: &Bench, count: usize) -> Vec<EntryId> {
    let mut change = Change::new();
    let ids = (0..count).map(|_| {
        let sealed = Sealed::for_test("birch", Precedence::Routine, b"x\r\n");
        put(&mut change, sealed, bench.queue.schedule(), &bench.clock)
    });
    let ids = ids.collect();
    bench.store.commit_blocking(change).unwrap();
    ids
}

#[tokio::test]
async fn an_act_on_many_is_few_commits_and_an_event_for_each() {
    let bench = bench(Limits::default());
    let ids = put_many(&bench, 2 * TOGETHER + 88);
    let claimed = bench.claim().unwrap();
    let before = bench.store.counts().changes;
    let done = bench
        .queue
        .act_on(&ids, &EntryAct::Hold, "clerk", "exercise", |_| Ok(()))
        .await
        .unwrap();
    assert_eq!(bench.store.counts().changes - before, 3);
    let (yes, no): (Vec<_>, Vec<_>) = done.iter().partition(|(_, done)| done.is_ok());
    assert_eq!((yes.len(), no.len()), (2 * TOGETHER + 87, 1));
    assert_eq!(no[0].0, claimed.row().id);
    assert!(matches!(no[0].1, Err(OperatorError::InFlight(_))));
    let records = (1..).map_while(|n| bench.store.record(n).unwrap());
    assert_eq!(
        records.filter(|line| line.contains("\"paused\"")).count(),
        2 * TOGETHER + 87
    );
    drop(claimed);
    let claimed = bench.claim();
    assert!(claimed.is_some());
    assert!(bench.claim().is_none(), "the others are held");
}

#[test]
fn an_entry_that_is_overdue_is_told_of_once_wherever_it_is() {
    let bench = bench(Limits::default());
    let id = bench.put("birch", Precedence::Flash);
    assert!(bench.queue.claim_over(bench.clock.now()).unwrap().is_none());
    bench.pass(600);
    let claimed = bench.claim().unwrap();
    // While it is being delivered it is left alone.
    assert!(bench.queue.claim_over(bench.clock.now()).unwrap().is_none());
    bench.settle(claimed, &[Outcome::Deferred(reply(451))]);
    let (claimed, over) = bench.queue.claim_over(bench.clock.now()).unwrap().unwrap();
    assert_eq!((claimed.row().id, over), (id, Over::Overdue));
    let finished = bench.queue.overdue(&claimed);
    assert!(matches!(finished.next, Next::Again(_)));
    bench.store.commit_blocking(finished.change).unwrap();
    drop(claimed);
    let record = bench.last_record();
    assert!(
        record.contains("\"overdue\"") && record.contains("4.0.0 as told"),
        "{record}"
    );
    assert!(
        bench.queue.claim_over(bench.clock.now()).unwrap().is_none(),
        "once"
    );
    bench.pass(3600);
    assert!(bench.claim().is_some(), "it is tried as before");
}

#[tokio::test]
async fn what_waits_behind_a_held_next_hop_is_overdue_too() {
    let bench = bench(Limits::default());
    let id = bench.put("birch", Precedence::Immediate);
    let deferred = bench.put("birch", Precedence::Deferred);
    bench
        .queue
        .pause("birch", "clerk", "exercise")
        .await
        .unwrap();
    bench.pass(30 * 60);
    let (claimed, over) = bench.queue.claim_over(bench.clock.now()).unwrap().unwrap();
    assert_eq!((claimed.row().id, over), (id, Over::Overdue));
    bench.pass(4 * 24 * 3600);
    let all = std::iter::from_fn(|| bench.queue.claim_over(bench.clock.now()).unwrap());
    let late: Vec<_> = all.map(|(c, over)| (c.row().id, over)).take(1).collect();
    assert!(
        !late.iter().any(|(id, _)| *id == deferred),
        "DEFERRED has no such time"
    );
}

#[test]
fn a_hundred_thousand_that_become_due_at_once_hold_up_no_flash() {
    // Here: as many as are moved in a few steps.
    let bench = bench(Limits {
        slots: usize::MAX,
        window: usize::MAX,
        widest: usize::MAX,
        ..Limits::default()
    });
    let many = 4_500;
    let mut change = Change::new();
    for _ in 0..many {
        let service = Service {
            hold_until: bench.clock.now().checked_add(Duration::from_secs(60)).ok(),
            ..Service::default()
        };
        let terms = Terms {
            priority: None,
            service,
        };
        let sealed = Sealed::for_test("birch", Precedence::Routine, b"x\r\n")
            .for_test_from(ReversePath::Null, terms);
        put(&mut change, sealed, bench.queue.schedule(), &bench.clock);
    }
    bench.store.commit_blocking(change).unwrap();
    assert!(bench.claim().is_none());
    bench.pass(60);
    let flash = bench.put("birch", Precedence::Flash);
    assert_eq!(bench.claim().unwrap().row().id, flash);
    // And none of them is forgotten.
    let choose = || {
        let chosen = bench.queue.choose(bench.clock.now(), NextHops::Any);
        chosen.unwrap()
    };
    let chosen: Vec<_> = std::iter::from_fn(choose).collect();
    assert_eq!(chosen.len(), many + 1);
}

#[tokio::test]
async fn a_census_counts_by_next_hop_precedence_and_age_what_there_is_and_no_more() {
    let bench = bench(Limits::default());
    assert_eq!(bench.queue.census(), Census::default());
    // More than is looked at in one go, and some of it gone again.
    let first = bench.clock.now();
    let gone: Vec<_> = (0..30)
        .map(|_| bench.put("birch", Precedence::Routine))
        .collect();
    for id in gone {
        let claimed = bench
            .queue
            .claim(bench.clock.now(), NextHops::Any)
            .unwrap()
            .unwrap();
        assert_eq!(claimed.row().id, id);
        bench.settle(claimed, &[Outcome::Delivered(reply(250))]);
    }
    bench.pass(60);
    let second = bench.clock.now();
    let held = bench.put("birch", Precedence::Routine);
    bench.queue.hold(held, "clerk", "").await.unwrap();
    bench.pass(60);
    let mut change = Change::new();
    for _ in 0..5_000 {
        let sealed = Sealed::for_test("cedar", Precedence::Flash, b"x\r\n");
        put(&mut change, sealed, bench.queue.schedule(), &bench.clock);
    }
    bench.store.commit_blocking(change).unwrap();
    bench.put("birch", Precedence::Routine);
    let claimed = bench
        .queue
        .claim(bench.clock.now(), NextHops::Only("cedar"));
    let claimed = claimed.unwrap().unwrap();
    let census = bench.queue.census();
    let [birch, cedar] = ["birch", "cedar"].map(|name| census.next_hops[name]);
    assert_eq!(census.next_hops.len(), 2);
    assert_eq!((birch.entries, birch.held), ([0, 2, 0, 0, 0, 0], 1));
    assert_eq!((cedar.entries, cedar.held), ([0, 0, 0, 0, 5_000, 0], 0));
    assert_eq!((birch.in_flight, cedar.in_flight), (0, 1));
    // BIRCH answered thirty times; of CEDAR nothing was heard.
    assert!(birch.window > cedar.window, "{birch:?} {cedar:?}");
    let none = None;
    let oldest = [
        none,
        Some(second),
        none,
        none,
        Some(bench.clock.now()),
        none,
    ];
    assert_eq!(census.oldest, oldest);
    assert!(first < second);
    drop(claimed);

    bench
        .queue
        .pause("cedar", "clerk", "exercise")
        .await
        .unwrap();
    let now = bench.queue.census();
    assert_eq!(now.next_hops["cedar"].held, 5_000);
    assert_eq!(now.next_hops["birch"].minimized, 0);
}

/// The store's own memory of an entry is measured in `store::known`; the benchmark adds all up.
#[test]
fn an_entry_costs_so_many_octets() {
    const MANY: usize = 100_000;
    let now = Timestamp::from_second(1_795_000_000).unwrap();
    let expires = now + Duration::from_secs(86_400);
    let next_hop: Arc<str> = "birch".into();
    let brief = |n: usize| EntryBrief {
        id: EntryId::new((n as u128).to_be_bytes()),
        message: MessageId::new([7; 16]),
        next_hop: Arc::clone(&next_hop),
        precedence: Precedence::ALL[n % 3],
        state: EntryState::Ready,
        tried: n.is_multiple_of(4),
        arrived: now,
        due: now + Duration::from_secs(if n.is_multiple_of(2) { 600 } else { 0 }),
        expires,
        overdue: None,
    };
    let mut index = Index::default();
    let cost = allocation_counter::measure(|| {
        // What is read at start is made and dropped in here.
        index.load((0..MANY).map(brief).collect(), now);
    });
    assert_eq!(index.len(), MANY);
    let each = cost.bytes_current as f64 / MANY as f64;
    eprintln!("{each:.1} octets an entry");
    // 64 its item, 6 its place in the table of names, 18 in each of three trees.
    assert!((100.0..135.0).contains(&each), "{each}");
}
