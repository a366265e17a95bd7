//! What is not delivered in its time: an event each, one alarm to the postmaster, a metric.

use super::metrics::{page_with, value};
use super::*;

const RULES: &str =
    "[queue]\noverdue = [[\"flash\", \"1s\"]]\n[metrics]\naddress = \"127.0.0.1:0\"\n";
const BIRCH: &str = "reader@birch.example";

/// The events of an act, as JSON.
fn events(dir: &Path, act: &str) -> Vec<serde_json::Value> {
    let chain = std::fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap();
    let events = chain.lines().map(|l| serde_json::from_str(l).unwrap());
    events
        .filter(|event: &serde_json::Value| event["act"] == act)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flash_that_is_late_alarms_the_postmaster_once_and_is_an_event_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut world = world(dir, "", RULES).await;
    // BIRCH is away, and so are the mailboxes at first: the alarm must wait for them, too.
    world.wake_alder().await.unwrap();
    let running = world.running().unwrap();
    let (queue, metrics) = (running.queue.clone(), running.metrics.unwrap());
    queue.pause("mailboxes", "clerk", "exercise").await.unwrap();
    let late = |next_hop: &str| {
        let events = events(dir, "overdue").into_iter();
        events
            .filter(|event| event["details"]["next-hop"] == next_hop)
            .collect::<Vec<_>>()
    };
    for expected in 1..=2 {
        let (code, text) = send(&world, BIRCH, Precedence::Flash).await;
        assert_eq!(code, 250, "{text}");
        // The negative twin: it has six hours.
        let (code, text) = send(&world, BIRCH, Precedence::Routine).await;
        assert_eq!(code, 250, "{text}");
        until("an event", || {
            (late("birch").len() == expected).then_some(())
        })
        .await;
    }
    for event in late("birch") {
        assert_eq!(event["details"]["precedence"], "FLASH");
        assert_eq!(event["actor"], "switch");
    }
    // Alarm and delay reports are late themselves, behind mailboxes that are held: events, and no
    // alarm about an alarm. One alarm for both messages, two reports to their sender.
    until("events about our own words", || {
        (late("mailboxes").len() == 3).then_some(())
    })
    .await;
    let own = queue.list().unwrap().into_iter();
    let own: Vec<_> = own.filter(|row| row.next_hop == "mailboxes").collect();
    let to = |who: &str| {
        let whom = own.iter().flat_map(|row| &row.recipients);
        whom.filter(|recipient| recipient.address == who).count()
    };
    assert_eq!(own.len(), 3);
    assert_eq!(to("postmaster@alder.example"), 1);
    assert_eq!(to("drafter@alder.example"), 2);
    let series = "ravelin_overdue_total{next_hop=\"birch\",precedence=\"FLASH\"} 2\n";
    let page = page_with(metrics, &[series]).await;
    assert!(!page.contains("ravelin_overdue_total{next_hop=\"birch\",precedence=\"ROUTINE\"}"));
    let age = "ravelin_queue_oldest_seconds{precedence=\"FLASH\"}";
    assert!(value(&page, age) >= 1.0, "{page}");

    queue.unpause("mailboxes", "clerk", "over").await.unwrap();
    until("the mailboxes", || {
        (world.alder_mail.count() == 3).then_some(())
    })
    .await;
    let alarms: Vec<String> = world
        .alder_mail
        .after(0)
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .filter(|text| text.contains("Subject: OVERDUE"))
        .collect();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    let entry = late("birch")[0]["entry"].as_str().unwrap().to_owned();
    for part in [
        "Subject: OVERDUE: FLASH for birch",
        "To: postmaster@alder.example",
        &entry,
    ] {
        assert!(alarms[0].contains(part), "no {part} in {}", alarms[0]);
    }
    for secret in [SUBJECT, "northern", "CONFIDENTIAL", "drafter@"] {
        assert!(!alarms[0].contains(secret), "{}", alarms[0]);
    }
    // Told once of each, also after a new start: the entries are still there.
    assert_eq!(events(dir, "reported").len(), 2);
    drop(queue);
    world.alder_switch.take().unwrap().stop().await;
    world.wake_alder().await.unwrap();
    let queue = world.running().unwrap().queue.clone();
    assert!(queue.claim_over(Clock::system().now()).unwrap().is_none());
    assert_eq!(queue.list().unwrap().len(), 4);
    world.end().await;
    assert_eq!(late("birch").len(), 2);
}
