//! A clock that somebody sets: no retry waits longer for it, no entry is given up without an attempt,
//! and what a sender asked for stays.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// ROUTINE, deferred once: its retry is due within six minutes.
fn deferred(bench: &Bench) -> EntryId {
    let id = bench.put("birch", Precedence::Routine);
    let claimed = bench.claim().unwrap();
    assert_eq!(claimed.row().id, id);
    bench.settle(claimed, &[Outcome::Deferred(reply(451))]);
    assert!(bench.claim().is_none(), "not before its time");
    id
}

#[test]
fn set_back_it_delays_no_retry() {
    let bench = bench(Limits::default());
    let id = deferred(&bench);
    let now = bench.clock.now();
    bench.pass(60);
    bench.clock.set(now - 30 * DAY);
    assert!(bench.claim().is_none(), "nor does it hurry one");
    bench.pass(200);
    assert!(bench.claim().is_none());
    bench.pass(100);
    assert_eq!(bench.claim().unwrap().row().id, id);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_in_time_when_it_is_set_back() {
    let bench = bench(Limits::default());
    deferred(&bench);
    let seen = bench.clock.now();
    // Between the last look and the wait.
    bench.clock.set(seen - 30 * DAY);
    let began = tokio::time::Instant::now();
    let woken = async {
        while began.elapsed() < Duration::from_secs(1) {
            // What was committed meanwhile has it look once more, at once.
            bench.queue.wait(seen).await;
        }
    };
    tokio::time::timeout(DAY, woken).await.unwrap();
    let waited = began.elapsed();
    assert!(waited <= Duration::from_secs(330), "{waited:?}");
}

#[test]
fn set_back_while_the_switch_was_down_it_delays_no_retry_by_more_than_the_longest_interval() {
    let bench = bench(Limits::default());
    let id = deferred(&bench);
    let untried = bench.put("cedar", Precedence::Routine);
    bench.clock.set(bench.clock.now() - 30 * DAY);
    let queue = open_queue(&bench.store, Limits::default(), &bench.clock);
    let claim = || queue.claim(bench.clock.now(), NextHops::Any).unwrap();
    let first = claim().unwrap();
    assert_eq!(first.row().id, untried, "what was never tried goes at once");
    assert!(claim().is_none());
    bench.pass(66 * 60);
    assert_eq!(claim().unwrap().row().id, id);
}

#[test]
fn what_its_sender_wants_held_is_held_until_the_clock_says_so() {
    let bench = bench(Limits::default());
    let now = bench.clock.now();
    let hold_until = Some(now + Duration::from_secs(600));
    let id = put_on_terms(
        &bench,
        Service {
            hold_until,
            ..Service::default()
        },
    );
    assert!(bench.claim().is_none());
    bench.clock.set(now - DAY);
    bench.pass(600);
    assert!(bench.claim().is_none(), "its day has not come");
    let queue = open_queue(&bench.store, Limits::default(), &bench.clock);
    let claimed = queue.claim(bench.clock.now(), NextHops::Any).unwrap();
    assert!(claimed.is_none(), "nor after a new start");
    bench.clock.set(now + Duration::from_secs(600));
    assert_eq!(bench.claim().unwrap().row().id, id);
}

#[test]
fn set_forward_it_ends_no_life_without_an_attempt() {
    let bench = bench(Limits::default());
    let id = deferred(&bench);
    let at = bench.clock.now();
    bench.clock.set(at + 30 * DAY);
    let over = bench.queue.claim_over(bench.clock.now()).unwrap();
    assert!(over.is_none(), "it is given up without an attempt");
    let claimed = bench.claim().unwrap();
    assert_eq!(claimed.row().id, id);
    let finished = bench.settle(claimed, &[Outcome::Deferred(reply(451))]);
    assert_eq!(finished.failures[0].reason, FailureReason::Expired);
    assert_eq!(finished.next, Next::Done);
    // The twin: time that has passed does end it.
    let id = deferred(&bench);
    bench.pass(30 * 86_400);
    let (claimed, over) = bench.queue.claim_over(bench.clock.now()).unwrap().unwrap();
    assert_eq!((claimed.row().id, over), (id, Over::Expired));
}
