//! MINIMIZE: what an order holds back, and that it goes on when the order ends.

use super::*;
use crate::message::address::Address;
use crate::store::{Exempt, MinimizeAct};

fn order(below: Precedence) -> Imposed {
    Imposed {
        act: MinimizeAct::Hold,
        below,
        links: vec!["birch".into()],
        domains: vec![],
        addresses: vec![],
        from: None,
        until: None,
        exempt: vec![],
        exempt_domains: vec![],
        exempt_sics: vec![],
        considered: Exempt::No,
        reason: "operation".into(),
    }
}

/// Claims as the deliverer does: what an order speaks against in all its recipients is parked.
fn claim(queue: &Queue, clock: &Clock) -> Option<EntryId> {
    loop {
        let claimed = queue.claim(clock.now(), NextHops::Any).unwrap()?;
        let minimize = queue.minimize();
        let against = minimize.against(claimed.row(), clock.now());
        if !against.iter().all(Option::is_some) {
            return Some(claimed.row().id);
        }
        queue.park(claimed, &minimize);
    }
}

#[tokio::test]
async fn an_order_holds_what_is_less_urgent_and_all_of_it_goes_on_when_it_is_lifted() {
    let bench = bench(Limits::default());
    let (queue, clock) = (&bench.queue, &bench.clock);
    let routine = bench.put("birch", Precedence::Routine);
    let imposed = queue.impose(order(Precedence::Immediate), "clerk").await;
    let imposed = imposed.unwrap();
    let record = bench.last_record();
    assert!(
        record.contains("minimize-imposed") && record.contains("operation"),
        "{record}"
    );
    let priority = bench.put("birch", Precedence::Priority);
    assert_eq!(claim(queue, clock), None);
    assert_eq!((queue.in_flight(), queue.len()), (0, 2), "it takes no slot");
    let flash = bench.put("birch", Precedence::Flash);
    assert_eq!(claim(queue, clock), Some(flash));
    let elsewhere = bench.put("cedar", Precedence::Deferred);
    assert_eq!(claim(queue, clock), Some(flash));
    queue.hold(flash, "clerk", "").await.unwrap();
    assert_eq!(claim(queue, clock), Some(elsewhere));

    // It survives a restart, also in what it holds.
    let again = open_queue(&bench.store, Limits::default(), clock);
    assert_eq!(again.minimize().orders.len(), 1);
    assert_eq!(claim(&again, clock), Some(elsewhere));

    let lifted = queue.lift(imposed.number, "clerk", "over").await.unwrap();
    assert_eq!(lifted, imposed);
    assert!(bench.last_record().contains("minimize-lifted"));
    for queue in [queue, &again] {
        assert_eq!(claim(queue, clock), Some(priority), "most urgent first");
    }
    queue.hold(priority, "clerk", "").await.unwrap();
    assert_eq!(claim(queue, clock), Some(routine));
    assert!(matches!(
        queue.lift(imposed.number, "clerk", "twice").await,
        Err(MinimizeError::Unknown(1))
    ));
    let second = queue.impose(order(Precedence::Immediate), "clerk").await;
    assert_eq!(second.unwrap().number, 2, "a number is not given twice");
}

#[tokio::test]
async fn an_order_begins_and_ends_by_itself() {
    let bench = bench(Limits::default());
    let (queue, clock) = (&bench.queue, &bench.clock);
    let at = |seconds: u64| {
        clock
            .now()
            .checked_add(Duration::from_secs(seconds))
            .unwrap()
    };
    let timed = Imposed {
        from: Some(at(100)),
        until: Some(at(200)),
        ..order(Precedence::Flash)
    };
    queue.impose(timed, "clerk").await.unwrap();
    let id = bench.put("birch", Precedence::Immediate);
    assert_eq!(claim(queue, clock), Some(id), "it has not begun");
    bench.pass(100);
    assert_eq!(claim(queue, clock), None);
    assert_eq!(queue.end_minimize().await.unwrap(), 0);
    // Whoever waits is woken when it ends.
    let since = clock.now();
    bench.pass(100);
    queue.wait(since).await;
    assert_eq!(claim(queue, clock), Some(id));
    assert_eq!(queue.end_minimize().await.unwrap(), 1);
    assert!(bench.last_record().contains("its time is over"));
    assert!(queue.minimize().orders.is_empty());
}

#[tokio::test]
async fn an_order_that_holds_nothing_back_is_not_given() {
    let bench = bench(Limits::default());
    for below in [Precedence::Deferred, Precedence::Override] {
        let refused = bench.queue.impose(order(below), "clerk").await;
        assert!(matches!(refused, Err(MinimizeError::Precedence)), "{below}");
    }
    for wrong in ["AB", "ABCDEFGHI", "A;BC", "", "MÉD"] {
        let no_code = Imposed {
            exempt_sics: vec!["MED".into(), wrong.into()],
            ..order(Precedence::Flash)
        };
        let refused = bench.queue.impose(no_code, "clerk").await;
        assert!(matches!(refused, Err(MinimizeError::Subject(_))), "{wrong}");
    }
    let over = Imposed {
        until: Some(bench.clock.now()),
        ..order(Precedence::Flash)
    };
    let refused = bench.queue.impose(over, "clerk").await;
    assert!(matches!(refused, Err(MinimizeError::Time)));
    assert!(bench.queue.minimize().orders.is_empty());
}

#[tokio::test]
async fn what_an_order_holds_expires_and_raises_no_alarm() {
    let bench = bench(Limits::default());
    let (queue, clock) = (&bench.queue, &bench.clock);
    queue
        .impose(order(Precedence::Flash), "clerk")
        .await
        .unwrap();
    let id = bench.put("birch", Precedence::Immediate);
    assert_eq!(claim(queue, clock), None);
    bench.pass(3600);
    assert!(queue.claim_over(clock.now()).unwrap().is_none());
    bench.pass(12 * 3600);
    let (claimed, over) = queue.claim_over(clock.now()).unwrap().unwrap();
    assert_eq!((claimed.row().id, over), (id, Over::Expired));
}

#[tokio::test]
async fn a_recipient_outside_the_area_gets_the_message_and_the_other_waits() {
    let bench = bench(Limits::default());
    let (queue, clock) = (&bench.queue, &bench.clock);
    let one = Imposed {
        links: vec![],
        addresses: vec![Address::parse("b@test.example").unwrap()],
        ..order(Precedence::Flash)
    };
    let number = queue.impose(one, "clerk").await.unwrap().number;
    let sealed = Sealed::for_test("birch", Precedence::Routine, b"x\r\n");
    let both = ["a@test.example", "b@test.example"].map(|a| Address::parse(a).unwrap());
    let mut change = Change::new();
    let id = put(
        &mut change,
        sealed.for_test_to(both.to_vec()),
        queue.schedule(),
        clock,
    );
    bench.store.commit_blocking(change).unwrap();
    let claimed = bench.claim().unwrap();
    let against = queue.minimize().against(claimed.row(), clock.now());
    assert_eq!(against, [None, Some(number)]);
    let finished = bench.settle(
        claimed,
        &[Outcome::Delivered(reply(250)), Outcome::HeldBack],
    );
    assert_eq!(finished.delivered.len(), 1);
    assert_eq!(claim(queue, clock), None, "what is left is held back");
    let row = bench.store.entry(id).unwrap().unwrap();
    assert_eq!(row.recipients.len(), 1);
    assert_eq!((row.recipients[0].attempts, row.attempts), (0, 1));
    queue.lift(number, "clerk", "over").await.unwrap();
    assert_eq!(claim(queue, clock), Some(id));
}
