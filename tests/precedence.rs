//! Precedence acts: for each recipient its own, by what the originator signed.

mod support;

use std::path::Path;
use std::time::Duration;

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use ravelin::queue::Schedule;
use ravelin::store::EntryRow;
use support::written::{Fields, written};

/// What does not happen in this time does not happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// What the drafter of ALDER writes, with these header fields under the signature.
fn composed(world: &World, fields: &[(&str, &str)]) -> Vec<u8> {
    written(world, fields, Fields::Signed)
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// The `queued` events for our own mailboxes: precedence, and to how many.
fn queued(dir: &Path) -> Vec<(String, String)> {
    let chain = std::fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap();
    let events = chain
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events
        .filter(|event| event["act"] == "queued")
        .map(|event| {
            let detail = |name: &str| event["details"][name].as_str().unwrap().to_owned();
            (detail("precedence"), detail("recipients"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn action_and_info_recipients_of_one_link_are_two_entries_by_what_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let to = ["reader", "officer", "drafter"].map(|who| address(&format!("{who}@alder.example")));
    let dual = composed(
        &world,
        &[
            ("To", "reader@alder.example"),
            ("Cc", "officer@alder.example"),
            ("MMHS-Primary-Precedence", "4"),
            ("MMHS-Copy-Precedence", "1"),
        ],
    );
    // The program says MT-PRIORITY=2 in the envelope: it neither lowers the one nor raises the others.
    let outcome = world.submit(drafter, &to, &dual).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
    for _ in 0..2 {
        world.alder_mail.wait_for(|_| true).await.unwrap();
    }
    let both = [("FLASH", "1"), ("ROUTINE", "2")];
    assert_eq!(queued(dir.path()), both.map(|(a, b)| (a.into(), b.into())));

    // The twin: one precedence for all is one entry, whatever the recipients are for.
    let same = composed(
        &world,
        &[
            ("To", "reader@alder.example"),
            ("Cc", "officer@alder.example"),
            ("MMHS-Primary-Precedence", "2"),
            ("MMHS-Copy-Precedence", "2"),
        ],
    );
    let outcome = world.submit(drafter, &to, &same).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
    assert_eq!(
        queued(dir.path()).last(),
        Some(&("PRIORITY".into(), "3".into()))
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_signed_is_as_urgent_as_the_envelope_says_and_no_field_raises_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let to = ["reader", "officer"].map(|who| address(&format!("{who}@alder.example")));
    let fields = [
        ("To", "reader@alder.example"),
        ("Cc", "officer@alder.example"),
        ("MMHS-Primary-Precedence", "4"),
        ("MMHS-Copy-Precedence", "1"),
    ];
    // MT-PRIORITY=2 in the envelope. Signed, FLASH is FLASH; not signed, IMMEDIATE is what it is.
    for (are, action) in [(Fields::Signed, "FLASH"), (Fields::Unsigned, "IMMEDIATE")] {
        let message = written(&world, &fields, are);
        let outcome = world.submit(drafter, &to, &message).await.unwrap();
        assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
        let all = queued(dir.path());
        let last: Vec<_> = all[all.len() - 2..]
            .iter()
            .map(|(p, _)| p.as_str())
            .collect();
        assert_eq!(last, [action, "ROUTINE"]);
    }
    world.end().await;
}

/// ALDER's world whose mailboxes are away, and whose clock stands still.
async fn away(dir: &Path) -> World {
    let clock = Clock::fixed(Timestamp::now());
    let mut world = World::found(dir, clock, "").await.unwrap();
    let config = dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let mailboxes = world.alder_mail.address.to_string();
    assert!(text.contains(&mailboxes), "{text}");
    // Nobody listens at port 1.
    std::fs::write(&config, text.replace(&mailboxes, "127.0.0.1:1")).unwrap();
    world.alder_config = ravelin::config::load(&config).unwrap();
    world.wake_alder().await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_a_lane_of_its_own_with_its_own_retry_notice_alarm_and_life() {
    let dir = tempfile::tempdir().unwrap();
    let world = away(dir.path()).await;
    let (clock, begun) = (world.clock.clone(), world.clock.now());
    let drafter = world.alder.person("drafter").unwrap();
    let to = ["reader", "officer"].map(|who| address(&format!("{who}@alder.example")));
    let dual = composed(
        &world,
        &[
            ("To", "reader@alder.example"),
            ("Cc", "officer@alder.example"),
            ("MMHS-Primary-Precedence", "4"),
            ("MMHS-Copy-Precedence", "1"),
        ],
    );
    let outcome = world.submit(drafter, &to, &dual).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
    let queue = &world.running().unwrap().queue;
    // What the switch says itself has no sender.
    let rows = || -> Vec<EntryRow> {
        let rows = queue.list().unwrap().into_iter();
        rows.filter(|row| !row.from.is_empty()).collect()
    };
    let tried = until("an attempt at each", || {
        let rows = rows();
        rows.iter().all(|row| row.attempts == 1).then_some(rows)
    })
    .await;
    let schedule = Schedule::default();
    let wanted = [
        ("reader@alder.example", Precedence::Flash),
        ("officer@alder.example", Precedence::Routine),
    ];
    assert_eq!(tried.len(), wanted.len());
    for (row, (who, precedence)) in tried.iter().zip(wanted) {
        let names: Vec<_> = row.recipients.iter().map(|r| r.address.as_str()).collect();
        assert_eq!((&*names, row.precedence), (&[who][..], precedence));
        assert_eq!(row.due, schedule.retry(row.id, precedence, 1, begun));
        assert_eq!(row.expires, schedule.expires(precedence, begun));
        assert_eq!(row.notice, schedule.notice(precedence, begun));
        assert_eq!(row.overdue, schedule.overdue(precedence, begun));
    }
    let [flash, copy] = [&tried[0], &tried[1]];
    assert!(flash.due < copy.due && flash.expires < copy.expires);

    // Ten minutes on, the action copy alone is overdue; four hours on, it alone is given up.
    let events = |act: &str| -> Vec<String> {
        let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
        let lines = chain
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let own = lines.filter(|event: &serde_json::Value| {
            event["act"] == act && event["message"] == flash.message.to_string()
        });
        own.map(|event| event["entry"].as_str().unwrap().to_owned())
            .collect()
    };
    let after = async |minutes: u64, act: &str| {
        clock.advance(Duration::from_secs(minutes * 60));
        let once = until(act, || {
            queue.wake();
            let found = events(act);
            (!found.is_empty()).then_some(found)
        });
        assert_eq!(once.await, [flash.id.to_string()], "{act}");
    };
    after(11, "overdue").await;
    after(4 * 60, "expired").await;
    let left = until("the end of the action copy", || {
        let rows = rows();
        (rows.len() == 1).then_some(rows)
    })
    .await;
    assert_eq!(
        (left[0].id, left[0].precedence),
        (copy.id, Precedence::Routine)
    );
    assert_eq!(events("overdue").len(), 1);
    world.end().await;
}
