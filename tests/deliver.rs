//! What a next hop may do, and what the switch makes of it.

mod support;

use std::time::Duration;

use ravelin::audit::Act;
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::message::address::Address;
use ravelin::smtp::dialogue::Outcome;
use ravelin::smtp::session::{Extension, Settings};
use support::sink::{Keep, Sink};

/// A next hop says 421 to MAIL when it has had enough on one connection, as our own switch does after
/// 1000 messages. That says nothing of the message: it goes over another connection, at once.
#[tokio::test(flavor = "multi_thread")]
async fn enough_messages_on_one_connection_delays_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    let settings = Settings {
        messages_limit: 2,
        ..Settings::default()
    };
    let relay = world.birch.ports.relay;
    let sink = Sink::with(settings, &world.birch_config, relay, Keep::Count)
        .await
        .unwrap();
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let to = [Address::parse("reader@birch.example").unwrap()];
    let label = world
        .label(
            "SECRET",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    for count in 1..=7 {
        let message = world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        let outcome = world.submit(drafter, &to, &message).await.unwrap();
        assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
        // One after the other, so that each one finds the connection of the one before.
        let arrived = async {
            while sink.count() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let hangs = Duration::from_secs(20);
        let arrived = tokio::time::timeout(hangs, arrived).await;
        arrived.unwrap_or_else(|_| panic!("message {count} was put off"));
    }
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let deferred = format!("\"act\":\"{}\"", Act::Deferred.name());
    assert!(!chain.contains(&deferred), "{chain}");
}

/// A next hop takes so many recipients of one message, says so in LIMITS or not at all: the others get
/// the message at once, in further transactions; nobody waits for a retry.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_recipients_for_one_transaction_delay_none() {
    let dir = tempfile::tempdir().unwrap();
    let clearance = "clearance = { policy = \"ALDER\", classifications = [\"RESTRICTED\"] }";
    let mut rest = String::new();
    let mut sinks = Vec::new();
    for (name, extensions) in [("told", vec![Extension::Limits]), ("mute", Vec::new())] {
        let settings = Settings {
            recipients_limit: 2,
            extensions,
            ..Settings::default()
        };
        let sink = Sink::limited(settings).await.unwrap();
        rest.push_str(&format!(
            "\n[[link]]\nname = \"{name}\"\ndomains = [\"{name}.example\"]\naddress = \"{}\"\n\
             tls = \"never\"\nrecipients = \"any\"\n{clearance}\n",
            sink.address()
        ));
        sinks.push((name, sink));
    }
    let mut world = support::world(dir.path(), &[], &rest).await;
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let label = world.label("RESTRICTED", &[]).unwrap();
    for (name, sink) in &sinks {
        let to: Vec<Address> = (1..=5)
            .map(|n| Address::parse(&format!("reader-{n}@{name}.example")).unwrap())
            .collect();
        let message = world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        let outcome = world.submit(drafter, &to, &message).await.unwrap();
        assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
        let arrived = async {
            while sink.count() < 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_secs(30), arrived).await;
        arrived.unwrap_or_else(|_| panic!("{name}: some were put off"));
        let empty = async {
            while !world.running().unwrap().queue.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let empty = tokio::time::timeout(Duration::from_secs(30), empty).await;
        empty.unwrap_or_else(|_| panic!("{name}: some wait"));
        assert_eq!(sink.count(), 3, "{name}: two, two and one");
    }
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    assert!(!chain.contains("\"act\":\"deferred\""), "{chain}");
    assert_eq!(chain.matches("\"act\":\"delivered\"").count(), 10);
}
