//! Promises of the queue, with a clock that stands still.

use super::*;
use crate::message::Precedence;
use crate::message::service::{Asked, DeliverBy, Service, Terms};
use crate::store::engine::Assurance;
use crate::store::{EngineKind, ReplyRow, Settings, StoreKey};

mod clock;
mod long;
mod minimize;
mod windows;

impl Queue {
    fn claim_expired(&self, now: Timestamp) -> Result<Option<Claimed>, Fault> {
        let over = self.claim_over(now)?;
        Ok(over.and_then(|(claimed, over)| (over == Over::Expired).then_some(claimed)))
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    clock: Clock,
    store: Store,
    queue: Queue,
}

fn bench(limits: Limits) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Timestamp::from_second(1_795_000_000).unwrap());
    let store = open_store(dir.path(), &clock);
    let queue = open_queue(&store, limits, &clock);
    Bench {
        _dir: dir,
        clock,
        store,
        queue,
    }
}

fn open_store(dir: &std::path::Path, clock: &Clock) -> Store {
    let settings = Settings {
        dir: dir.to_owned(),
        key: StoreKey::new([3; 32]),
        export: None,
        engine: EngineKind::default(),
        assurance: Assurance::Standard,
    };
    Store::open(settings, clock.clone()).unwrap()
}

fn open_queue(store: &Store, limits: Limits, clock: &Clock) -> Queue {
    Queue::open(store.clone(), Schedule::default(), limits, clock.clone()).unwrap()
}

fn reply(code: u16) -> ReplyRow {
    ReplyRow {
        by: "mx.birch".into(),
        code: Some(code),
        enhanced: format!("{}.0.0", code / 100),
        text: "as told".into(),
    }
}

impl Bench {
    fn put(&self, next_hop: &str, precedence: Precedence) -> EntryId {
        let mut change = Change::new();
        let sealed = Sealed::for_test(next_hop, precedence, b"Subject: x\r\n\r\ntext\r\n");
        let id = put(&mut change, sealed, self.queue.schedule(), &self.clock);
        self.store.commit_blocking(change).unwrap();
        id
    }

    fn claim(&self) -> Option<Claimed> {
        self.queue.claim(self.clock.now(), NextHops::Any).unwrap()
    }

    fn settle(&self, claimed: Claimed, outcomes: &[Outcome]) -> Finished {
        let mut finished = self.queue.finish(&claimed, outcomes);
        let change = std::mem::take(&mut finished.change);
        self.store.commit_blocking(change).unwrap();
        finished
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn last_record(&self) -> String {
        (1..)
            .map_while(|n| self.store.record(n).unwrap())
            .last()
            .unwrap()
    }
}

#[test]
fn flash_overtakes_routine() {
    let bench = bench(Limits::default());
    let routine = bench.put("birch", Precedence::Routine);
    bench.pass(1);
    let later = bench.put("birch", Precedence::Routine);
    let priority = bench.put("alder", Precedence::Priority);
    bench.pass(1);
    let flash = bench.put("birch", Precedence::Flash);
    let order = std::iter::from_fn(|| {
        let claimed = bench.claim()?;
        let id = claimed.row().id;
        bench.settle(claimed, &[Outcome::Delivered(reply(250))]);
        Some(id)
    });
    assert_eq!(order.collect::<Vec<_>>(), [flash, priority, routine, later]);
    assert!(bench.queue.is_empty());
}

#[test]
fn an_entry_is_in_one_pair_of_hands_and_comes_back_when_dropped() {
    let bench = bench(Limits::default());
    let id = bench.put("birch", Precedence::Routine);
    let claimed = bench.claim().unwrap();
    assert_eq!(claimed.body(), b"Subject: x\r\n\r\ntext\r\n");
    assert!(bench.claim().is_none());
    assert_eq!(bench.queue.in_flight(), 1);
    drop(claimed);
    assert_eq!(bench.queue.in_flight(), 0);
    assert_eq!(bench.claim().unwrap().row().id, id);
}

#[test]
fn the_window_of_a_hop_and_the_slots_keep_room_for_immediate() {
    let bench = bench(Limits {
        slots: 4,
        kept_back: 1,
        window: 2,
        widest: 2,
    });
    for _ in 0..9 {
        bench.put("birch", Precedence::Routine);
    }
    let birch = [bench.claim().unwrap(), bench.claim().unwrap()];
    assert!(bench.claim().is_none(), "the window of birch is full");
    let alder = [
        bench.put("alder", Precedence::Routine),
        bench.put("alder", Precedence::Routine),
    ];
    let third = bench.claim().unwrap();
    assert!(alder.contains(&third.row().id));
    assert!(bench.claim().is_none(), "the last slot is kept back");
    let immediate = bench.put("birch", Precedence::Immediate);
    let urgent = bench.claim().unwrap();
    assert_eq!(urgent.row().id, immediate);
    bench.put("alder", Precedence::Flash);
    assert!(bench.claim().is_none(), "no slot is left");
    drop(urgent);
    assert_eq!(bench.claim().unwrap().row().precedence, Precedence::Flash);
    drop(birch);
    let only = bench
        .queue
        .claim(bench.clock.now(), NextHops::Only("alder"))
        .unwrap()
        .unwrap();
    assert_eq!(only.row().next_hop, "alder");
}

/// Puts a FLASH message from a sender who asks for this.
fn put_on_terms(bench: &Bench, service: Service) -> EntryId {
    let from = ReversePath::parse("<a@x.example>").unwrap();
    let terms = Terms {
        priority: None,
        service,
    };
    let sealed = Sealed::for_test("birch", Precedence::Flash, b"A: b\r\n\r\n");
    let mut change = Change::new();
    let sealed = sealed.for_test_from(from, terms);
    let id = put(&mut change, sealed, bench.queue.schedule(), &bench.clock);
    bench.store.commit_blocking(change).unwrap();
    id
}

#[test]
fn what_is_to_be_held_waits_and_lives_from_then_on() {
    let bench = bench(Limits::default());
    let now = bench.clock.now();
    let hold_until = now.checked_add(Duration::from_secs(600)).ok();
    let id = put_on_terms(
        &bench,
        Service {
            hold_until,
            ..Service::default()
        },
    );
    let row = bench.store.entry(id).unwrap().unwrap();
    let life = bench.queue.schedule().pace(Precedence::Flash).life;
    assert_eq!(row.expires, hold_until.unwrap().checked_add(life).unwrap());
    bench.pass(599);
    assert!(bench.claim().is_none());
    bench.pass(1);
    assert!(bench.claim().is_some());
}

#[test]
fn a_deadline_ends_the_life_or_is_told_once() {
    let bench = bench(Limits::default());
    let deadline = bench
        .clock
        .now()
        .checked_add(Duration::from_secs(60))
        .unwrap();
    let by = |mode| Service {
        deliver_by: Some(DeliverBy {
            deadline,
            mode,
            trace: Asked::No,
        }),
        ..Service::default()
    };
    let back = put_on_terms(&bench, by(ByMode::Return));
    assert_eq!(bench.store.entry(back).unwrap().unwrap().expires, deadline);
    let change = {
        let (_claimed, finished) = bench.queue.remove(back, "op", "done with").unwrap();
        finished.change
    };
    bench.store.commit_blocking(change).unwrap();

    let on = put_on_terms(&bench, by(ByMode::Notify));
    let row = bench.store.entry(on).unwrap().unwrap();
    assert!(row.expires > deadline && row.notice == Some(deadline));
    let finished = bench.settle(bench.claim().unwrap(), &[Outcome::Deferred(reply(451))]);
    assert!(finished.delayed.is_empty());
    let Next::Again(due) = finished.next else {
        panic!("it is tried again");
    };
    assert!(due <= deadline);
    bench.pass(60);
    let finished = bench.settle(bench.claim().unwrap(), &[Outcome::Deferred(reply(451))]);
    assert_eq!(finished.delayed.len(), 1);
    assert!(finished.failures.is_empty());
    // Once is enough.
    bench.pass(3600);
    let finished = bench.settle(bench.claim().unwrap(), &[Outcome::Deferred(reply(451))]);
    assert!(finished.delayed.is_empty());
}

#[test]
fn a_row_of_an_older_version_asks_for_nothing() {
    let bench = bench(Limits::default());
    let id = put_on_terms(&bench, Service::default());
    let row = bench.store.entry(id).unwrap().unwrap();
    assert_eq!(row.version, EntryRow::VERSION);
    let mut kept = serde_json::to_value(&row).unwrap();
    let fields = kept.as_object_mut().unwrap();
    fields.remove("version");
    fields.remove("notice");
    fields.remove("terms");
    let old: EntryRow = serde_json::from_value(kept).unwrap();
    assert_eq!((old.version, old.notice), (0, None));
    assert!(old.terms.is_plain());
    assert_eq!(old.recipients, row.recipients);
}

#[test]
fn a_deferred_recipient_is_tried_again_and_a_delivered_one_is_not() {
    let bench = bench(Limits::default());
    let id = bench.put("birch", Precedence::Flash);
    // Two more recipients; `Sealed::for_test` has one.
    let mut row = bench.store.entry(id).unwrap().unwrap();
    for name in ["b", "c"] {
        let address = format!("{name}@test.example");
        row.recipients.push(RecipientRow {
            address,
            ..row.recipients[0].clone()
        });
    }
    let mut change = Change::new();
    change.update_entry(row);
    bench.store.commit_blocking(change).unwrap();

    let outcomes = [
        Outcome::Delivered(reply(250)),
        Outcome::Deferred(reply(451)),
        Outcome::Failed(reply(550)),
    ];
    let finished = bench.settle(bench.claim().unwrap(), &outcomes);
    let Next::Again(due) = finished.next else {
        panic!("one recipient is left")
    };
    assert_eq!(finished.failures.len(), 1);
    assert_eq!(finished.failures[0].recipient.address, "c@test.example");
    assert_eq!(finished.failures[0].reason, FailureReason::Refused);
    assert!(bench.last_record().contains("\"deferred\""));
    assert!(bench.claim().is_none(), "not before its time");
    bench.pass(u64::try_from(due.as_second() - bench.clock.now().as_second() + 1).unwrap());
    let again = bench.claim().unwrap();
    assert_eq!(again.row().attempts, 1);
    assert_eq!(again.row().recipients.len(), 1);
    let left = &again.row().recipients[0];
    assert_eq!(
        (left.address.as_str(), left.attempts),
        ("b@test.example", 1)
    );
    assert_eq!(left.last_reply, Some(reply(451)));
    // An outcome that nobody gave is not a delivery.
    let finished = bench.settle(again, &[]);
    assert!(matches!(finished.next, Next::Again(_)));
    assert_eq!(bench.queue.len(), 1);
}

#[test]
fn an_entry_expires_after_its_life_but_not_untried() {
    let bench = bench(Limits::default());
    let id = bench.put("birch", Precedence::Flash);
    assert!(
        bench
            .queue
            .claim_expired(bench.clock.now())
            .unwrap()
            .is_none()
    );
    bench.pass(4 * 3600 + 1);
    // The switch was down for four hours: the entry gets its attempt.
    assert!(
        bench
            .queue
            .claim_expired(bench.clock.now())
            .unwrap()
            .is_none()
    );
    let late = bench.claim().unwrap();
    let finished = bench.settle(late, &[Outcome::Deferred(reply(421))]);
    assert_eq!(finished.next, Next::Done);
    assert_eq!(finished.failures[0].reason, FailureReason::Expired);
    assert_eq!(bench.store.entry(id).unwrap(), None);

    bench.put("birch", Precedence::Flash);
    let finished = bench.settle(bench.claim().unwrap(), &[Outcome::Deferred(reply(421))]);
    assert!(matches!(finished.next, Next::Again(_)));
    bench.pass(4 * 3600);
    assert!(bench.claim().is_none(), "its life is over");
    let expired = bench
        .queue
        .claim_expired(bench.clock.now())
        .unwrap()
        .unwrap();
    let finished = bench.queue.expire(&expired);
    assert_eq!(finished.failures[0].recipient.last_reply, Some(reply(421)));
    bench.store.commit_blocking(finished.change).unwrap();
    drop(expired);
    assert!(bench.queue.is_empty());
    assert!(bench.last_record().contains("\"expired\""));
}

#[test]
fn the_order_is_rebuilt_from_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Timestamp::from_second(1_795_000_000).unwrap());
    let store = open_store(dir.path(), &clock);
    let mut change = Change::new();
    let ids = [Precedence::Routine, Precedence::Flash, Precedence::Deferred].map(|precedence| {
        let sealed = Sealed::for_test("birch", precedence, b"x\r\n");
        put(&mut change, sealed, &Schedule::default(), &clock)
    });
    store.commit_blocking(change).unwrap();
    drop(store);
    let store = open_store(dir.path(), &clock);
    let queue = open_queue(&store, Limits::default(), &clock);
    let claim = || queue.claim(clock.now(), NextHops::Any).unwrap().unwrap();
    let claimed = [claim(), claim(), claim()];
    assert_eq!(claimed.map(|c| c.row().id), [ids[1], ids[0], ids[2]]);
}

#[tokio::test]
async fn an_operator_holds_resumes_retries_and_removes() {
    let bench = bench(Limits::default());
    let id = bench.put("birch", Precedence::Routine);
    let queue = &bench.queue;
    queue.hold(id, "operator", "asked by phone").await.unwrap();
    assert!(bench.last_record().contains("asked by phone"));
    assert!(bench.claim().is_none());
    assert!(matches!(
        queue.hold(id, "o", "").await,
        Err(OperatorError::Already(..))
    ));
    queue.resume(id, "operator", "").await.unwrap();
    assert!(matches!(
        queue.resume(id, "o", "").await,
        Err(OperatorError::Already(..))
    ));

    let claimed = bench.claim().unwrap();
    assert!(matches!(
        queue.hold(id, "o", "").await,
        Err(OperatorError::InFlight(_))
    ));
    assert!(matches!(
        queue.remove(id, "o", ""),
        Err(OperatorError::InFlight(_))
    ));
    let finished = queue.finish(&claimed, &[Outcome::Deferred(reply(451))]);
    queue.settle(claimed, finished.change).await.unwrap();
    assert!(bench.claim().is_none());
    queue.retry_now(id, "operator", "").await.unwrap();
    assert!(matches!(
        queue.retry_now(id, "o", "").await,
        Err(OperatorError::Already(..))
    ));
    drop(bench.claim().unwrap());

    let (claimed, finished) = queue.remove(id, "operator", "wrong address").unwrap();
    assert_eq!(finished.failures[0].reason, FailureReason::Removed);
    queue.settle(claimed, finished.change).await.unwrap();
    assert!(queue.list().unwrap().is_empty() && queue.is_empty());
    assert!(bench.last_record().contains("wrong address"));
    assert!(matches!(
        queue.remove(id, "o", ""),
        Err(OperatorError::NotThere(_))
    ));
}

#[tokio::test]
async fn a_held_entry_expires_too() {
    let bench = bench(Limits::default());
    let id = bench.put("birch", Precedence::Flash);
    bench.queue.hold(id, "operator", "").await.unwrap();
    bench.pass(4 * 3600);
    assert_eq!(
        bench
            .queue
            .claim_expired(bench.clock.now())
            .unwrap()
            .unwrap()
            .row()
            .id,
        id
    );
}

#[tokio::test]
async fn a_waiting_deliverer_wakes_for_a_new_entry_and_for_one_that_is_due() {
    let bench = bench(Limits::default());
    let now = bench.clock.now();
    let woken = tokio::spawn({
        let queue = bench.queue.clone();
        async move { queue.wait(now).await }
    });
    tokio::task::yield_now().await;
    assert!(!woken.is_finished());
    bench.put("birch", Precedence::Routine);
    woken.await.unwrap();
    bench.settle(bench.claim().unwrap(), &[Outcome::Deferred(reply(451))]);
    // The permit of the settled entry.
    bench.queue.wait(now).await;
    bench.pass(400);
    bench.queue.wait(now).await;
    assert!(bench.claim().is_some());
}

#[test]
fn an_entry_that_cannot_be_read_is_set_aside_and_the_next_one_goes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Timestamp::from_second(1_795_000_000).unwrap());
    let store = open_store(dir.path(), &clock);
    let queue = open_queue(&store, Limits::default(), &clock);
    let mut change = Change::new();
    let large = Sealed::for_test("birch", Precedence::Flash, &[b'x'; 100_000]);
    put(&mut change, large, queue.schedule(), &clock);
    let small = Sealed::for_test("birch", Precedence::Routine, b"x\r\n");
    let small = put(&mut change, small, queue.schedule(), &clock);
    store.commit_blocking(change).unwrap();
    let body = std::fs::read_dir(dir.path().join("bodies"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    std::fs::write(body.path(), [0; 100_032]).unwrap();
    let claimed = queue.claim(clock.now(), NextHops::Any).unwrap().unwrap();
    assert_eq!(claimed.row().id, small);
    assert_eq!((store.quarantined().unwrap(), queue.len()), (1, 1));
}

/// Invariant 1: nothing is queued that was not sealed.
#[test]
fn only_put_makes_entries() {
    fn visit(dir: &std::path::Path, callers: &mut Vec<String>) {
        for found in std::fs::read_dir(dir).unwrap() {
            let path = found.unwrap().path();
            if path.is_dir() {
                visit(&path, callers);
            } else if std::fs::read_to_string(&path)
                .unwrap_or_default()
                .contains(".put_entry(")
            {
                callers.push(path.display().to_string().replace('\\', "/"));
            }
        }
    }
    let mut callers = Vec::new();
    visit(
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut callers,
    );
    callers
        .retain(|path| !path.contains("src/store/tests") && !path.ends_with("src/queue/tests.rs"));
    assert_eq!(callers.len(), 1, "{callers:?}");
    assert!(callers[0].ends_with("src/queue/mod.rs"), "{callers:?}");
}

#[tokio::test]
async fn a_next_hop_is_held_back_with_all_that_comes_and_over_a_restart() {
    let bench = bench(Limits::default());
    bench.put("birch", Precedence::Flash);
    let other = bench.put("cedar", Precedence::Deferred);
    let held = bench.queue.pause("birch", "operator", "exercise").await;
    assert!(held.unwrap());
    assert!(
        !bench
            .queue
            .pause("birch", "operator", "again")
            .await
            .unwrap()
    );
    assert!(bench.last_record().contains("\"reason\":\"exercise\""));
    bench.put("birch", Precedence::Override);
    let claimed = bench.claim().unwrap();
    assert_eq!(claimed.row().id, other);
    assert!(bench.claim().is_none());
    drop(claimed);
    let queue = open_queue(&bench.store, Limits::default(), &bench.clock);
    assert_eq!(queue.paused().unwrap()[0].reason, "exercise");
    let claim = |queue: &Queue| queue.claim(bench.clock.now(), NextHops::Only("birch"));
    assert!(claim(&queue).unwrap().is_none());
    // Its life goes on, also when it was never tried.
    let later = bench.clock.now().checked_add(Duration::from_secs(5 * 3600));
    assert!(queue.claim_expired(later.unwrap()).unwrap().is_some());
    assert!(queue.claim_expired(bench.clock.now()).unwrap().is_none());
    assert!(queue.unpause("birch", "operator", "over").await.unwrap());
    assert!(!queue.unpause("birch", "operator", "over").await.unwrap());
    assert!(claim(&queue).unwrap().is_some());
}

#[test]
fn what_is_given_up_is_neither_delivered_nor_in_the_way() {
    let bench = bench(Limits::default());
    let flash: Vec<_> = (0..3)
        .map(|_| bench.put("birch", Precedence::Flash))
        .collect();
    for _ in &flash {
        let claimed = bench.claim().unwrap();
        bench.settle(claimed, &[Outcome::Deferred(reply(451))]);
    }
    bench.pass(5 * 3600);
    let fresh = bench.put("birch", Precedence::Routine);
    assert_eq!(bench.claim().unwrap().row().id, fresh);
    for _ in &flash {
        let expired = bench.queue.claim_expired(bench.clock.now()).unwrap();
        assert!(flash.contains(&expired.as_ref().unwrap().row().id));
        std::mem::forget(expired);
    }
}
