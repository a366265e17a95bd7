//! What the chain tells of peers that hand nothing in, and of messages that were not taken; and that no
//! flood of them fills it.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ravelin::cli::serve::{self, Start};
use ravelin::clock::Clock;
use ravelin::switch::Readings;
use support::bench::Bench;
use support::wire::Wire;

const MAIL: &str = "MAIL FROM:<drafter@alder.example>";
const READER: &[&str] = &["reader@alder.example"];
const PASSWORD: &str = "correct horse battery";

/// A switch whose second further listener takes passwords.
async fn bench(listener: &str) -> (Bench, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (file, secret) = (dir.path().join("passwords"), dir.path().join("secret"));
    std::fs::write(&secret, PASSWORD).unwrap();
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(["password", "set", "drafter@alder.example", "--file"])
        .arg(&file)
        .arg("--password-file")
        .arg(&secret)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let passwords = format!("passwords = {file:?}\n");
    let logins = "role = \"submission\"\n\
                  logins = [\"external\", \"scram-sha-256-plus\", \"scram-sha-256\", \"plain\"]";
    let bench = Bench::new(&[("[trust]\n", &passwords)], &[listener, logins]).await;
    (bench, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_login_that_failed_is_an_event_whatever_the_mechanism() {
    let (bench, _passwords) = bench("role = \"relay\"").await;
    let to = bench.listener(1);
    let user = "drafter@alder.example";
    let plain = |password: &str| STANDARD.encode(format!("\0{user}\0{password}"));
    let external = |who: &str| format!("AUTH EXTERNAL {}", STANDARD.encode(who));

    // Good ones first, of each mechanism: none of them leaves such an event.
    let (mut wire, _) = Wire::starttls(to, &bench.tls(Some("drafter"))).await;
    assert!(wire.ask(&external(user)).await.starts_with("235 "));
    let (mut wire, _) = Wire::starttls(to, &bench.tls(None)).await;
    let good = wire.scram("SCRAM-SHA-256", "n,,", user, PASSWORD).await;
    assert!(good.starts_with("235 "), "{good}");
    let (mut wire, _) = Wire::starttls(to, &bench.tls(None)).await;
    let plus = "SCRAM-SHA-256-PLUS";
    let good = wire.scram(plus, "p=tls-exporter,,", user, PASSWORD).await;
    assert!(good.starts_with("235 "), "{good}");
    let (mut wire, _) = Wire::starttls(to, &bench.tls(None)).await;
    let good = wire.ask(&format!("AUTH PLAIN {}", plain(PASSWORD))).await;
    assert!(good.starts_with("235 "), "{good}");

    // Somebody else's name beside one's own certificate, twice in a session: two events.
    let (mut wire, _) = Wire::starttls(to, &bench.tls(Some("drafter"))).await;
    for _ in 0..2 {
        let said = wire.ask(&external("reader@alder.example")).await;
        assert!(said.starts_with("535 5.7.8 "), "{said}");
    }
    let (mut wire, _) = Wire::starttls(to, &bench.tls(None)).await;
    let no = "535 5.7.8 ";
    let said = wire.scram("SCRAM-SHA-256", "n,,", user, "wrong").await;
    assert!(said.starts_with(no), "{said}");
    let said = wire.scram(plus, "p=tls-exporter,,", user, "wrong").await;
    assert!(said.starts_with(no), "{said}");
    let (mut wire, _) = Wire::starttls(to, &bench.tls(None)).await;
    let said = wire.ask(&format!("AUTH PLAIN {}", plain("wrong"))).await;
    assert!(said.starts_with(no), "{said}");

    let chain = bench.end().await;
    let told = chain.told("login-failed");
    let by = |mechanism: &str| {
        let mechanism = format!("\"mechanism\":\"{mechanism}\"");
        told.iter().filter(|line| line.contains(&mechanism)).count()
    };
    let counts = ["EXTERNAL", "SCRAM-SHA-256", plus, "PLAIN"].map(by);
    assert_eq!((counts, told.len()), ([2, 1, 1, 1], 5), "{told:?}");
    // Who tried, as far as that is known, and from where; no password, no name that was claimed.
    for line in &told {
        assert!(line.contains("\"address\":\"127.0.0.1\""), "{line}");
        assert!(line.contains("\"listener\":\"more-1\""), "{line}");
        assert!(
            !line.contains("wrong") && !line.contains("reader@"),
            "{line}"
        );
    }
    assert!(
        told[0].contains("\"actor\":\"drafter@alder.example\""),
        "{}",
        told[0]
    );
    assert!(chain.told("turned-away").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_at_a_limit_is_an_event_and_a_flood_of_it_is_one_more() {
    let (bench, _passwords) = bench("role = \"relay\"\nconnections-per-source = 2").await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::open(bench.listener(0)).await;
        assert!(wire.hear().await.starts_with("220 "));
        held.push(wire);
    }
    for _ in 0..50 {
        let mut wire = Wire::open(bench.listener(0)).await;
        assert!(wire.hear().await.starts_with("421 4.3.2 "));
    }
    // Ten logins that fail, and one that has to wait: on another listener, which counts for itself.
    for _ in 0..5 {
        let (mut wire, _) = Wire::starttls(bench.listener(1), &bench.tls(None)).await;
        for _ in 0..2 {
            let plain = STANDARD.encode("\0drafter@alder.example\0no");
            let said = wire.ask(&format!("AUTH PLAIN {plain}")).await;
            assert!(said.starts_with("535 "), "{said}");
        }
    }
    let (mut wire, _) = Wire::starttls(bench.listener(1), &bench.tls(None)).await;
    assert!(wire.ask("AUTH PLAIN").await.starts_with("454 4.7.0 "));
    drop(held);
    let chain = bench.end().await;
    let told = chain.told("limited");
    let of = |limit: &str| {
        let limit = format!("\"limit\":\"{limit}\"");
        told.iter().filter(|line| line.contains(&limit)).count()
    };
    // One of the fifty, and as many more as whole minutes went by.
    let counts = (of("connections-per-source"), of("failed-logins"));
    assert!((1..50).contains(&counts.0) && counts.1 == 1, "{told:?}");
    assert_eq!(told.len(), counts.0 + counts.1, "{told:?}");
    assert!(
        told.iter()
            .all(|line| line.contains("\"address\":\"127.0.0.1\""))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_limits_nothing_is_told() {
    let (bench, _passwords) = bench("role = \"relay\"\nconnections-per-source = 2").await;
    for _ in 0..2 {
        let mut wire = Wire::open(bench.listener(0)).await;
        assert!(wire.hear().await.starts_with("220 "));
        assert!(wire.ask("QUIT").await.starts_with("221 "));
        assert_eq!(wire.hear().await, "");
    }
    let chain = bench.end().await;
    for act in ["limited", "login-failed", "shed", "turned-away"] {
        assert!(chain.told(act).is_empty(), "{act}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_for_want_of_room_is_counted_and_told_of() {
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let dir = tempfile::tempdir().unwrap();
    let mut world = support::world(dir.path(), &[], "").await;
    let reads = Arc::clone(&free);
    let readings = move || Readings {
        disk: reads.load(Ordering::SeqCst),
        inodes: 100,
        memory: 100,
        commit: std::time::Duration::ZERO,
        queue: 0,
    };
    let how = Start {
        readings: Some(Box::new(readings)),
        ..Start::default()
    };
    let config = world.alder_config.clone();
    world.alder_switch = Some(serve::start_as(config, Clock::system(), how).await.unwrap());
    let bench = Bench::of(world, dir);
    let (mut wire, _) = Wire::starttls(
        bench.world.alder.ports.submission,
        &bench.tls(Some("drafter")),
    )
    .await;
    let message = bench.message(READER);
    let routine = format!("{MAIL} MT-PRIORITY=-2");
    assert!(
        wire.hand_in(&routine, READER, &message)
            .await
            .starts_with("250 ")
    );
    // No room at all: everything is shed, at MAIL or after the message.
    free.store(0, Ordering::SeqCst);
    let switch = Arc::clone(&bench.world.running().unwrap().switch);
    while switch.head_room().least.is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for _ in 0..200 {
        assert!(wire.ask(&routine).await.starts_with("452 4.3.1 "));
    }
    assert!(
        wire.ask(&format!("{MAIL} MT-PRIORITY=4"))
            .await
            .starts_with("452 ")
    );
    drop(wire);
    let chain = bench.end().await;
    let told = chain.told("shed");
    // One at once, one at the stop, and as many more as whole minutes went by.
    assert!((1..10).contains(&told.len()), "{told:?}");
    let sum = |word: &str| -> u64 {
        let number = |line: &String| {
            let (_, rest) = line.split_once(&format!("\"{word}\":\""))?;
            rest.split_once('"')?.0.parse::<u64>().ok()
        };
        told.iter().filter_map(number).sum()
    };
    assert_eq!(
        (sum("routine"), sum("flash"), sum("priority")),
        (200, 1, 0),
        "{told:?}"
    );
    assert_eq!(chain.told("accepted").len(), 1);
}
