//! Windows with feedback, and fairness between next hops.

use super::*;

fn silence() -> Outcome {
    Outcome::Deferred(ReplyRow {
        code: None,
        ..reply(400)
    })
}

#[test]
fn a_window_grows_while_the_next_hop_answers_and_shrinks_while_it_does_not() {
    let bench = bench(Limits::default());
    for _ in 0..400 {
        bench.put("birch", Precedence::Routine);
    }
    let attempt = |outcome: Outcome| {
        let claimed = bench.claim().unwrap();
        bench.settle(claimed, &[outcome]);
        bench.queue.window("birch")
    };
    assert_eq!(bench.queue.window("birch"), 5);
    let widths: Vec<_> = (0..12).map(|_| attempt(silence())).collect();
    assert!(widths.is_sorted_by(|a, b| a >= b), "{widths:?}");
    assert_eq!(widths.last(), Some(&1), "a probe is always let through");
    assert_eq!(
        bench.queue.window("alder"),
        5,
        "no link's trouble is another's"
    );
    // A refusal is an answer too.
    let widths = (0..250).map(|n| match n % 3 {
        0 => attempt(Outcome::Failed(reply(550))),
        1 => attempt(Outcome::Deferred(reply(451))),
        _ => attempt(Outcome::Delivered(reply(250))),
    });
    let widths: Vec<_> = widths.collect();
    assert!(widths.is_sorted(), "{widths:?}");
    assert_eq!(widths.last(), Some(&20));
}

#[test]
fn a_long_queue_for_one_next_hop_holds_up_no_other() {
    let limits = Limits {
        slots: 10,
        kept_back: 0,
        window: 8,
        widest: 8,
    };
    let bench = bench(limits);
    for _ in 0..100 {
        bench.put("birch", Precedence::Routine);
    }
    bench.pass(60);
    for _ in 0..4 {
        bench.put("cedar", Precedence::Routine);
    }
    let claimed: Vec<_> = std::iter::from_fn(|| bench.claim()).collect();
    let of = |name: &str| claimed.iter().filter(|c| c.row().next_hop == name).count();
    assert_eq!((of("birch"), of("cedar")), (6, 4));
    drop(claimed);
    // Urgency goes before fairness.
    let flash: Vec<_> = (0..3)
        .map(|_| bench.put("birch", Precedence::Flash))
        .collect();
    for _ in 0..3 {
        let claimed = bench.claim().unwrap();
        assert!(flash.contains(&claimed.row().id));
        std::mem::forget(claimed);
    }
}
