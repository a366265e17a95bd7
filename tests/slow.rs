//! Slow-loris, live: who says an octet now and then, in any place, is ended by us; who is only slow is
//! not; and however many there are, the urgent have their places.

mod support;

use std::time::Duration;

use support::bench::Bench;
use support::wire::Wire;

const MAIL: &str = "MAIL FROM:<drafter@alder.example>";
const READER: &[&str] = &["reader@alder.example"];
/// Short times, though long enough for a client that is not slow on a machine that is; and as many
/// connections as a test wants.
const SHORT: &str = "idle = \"5s\"\nidle-when-crowded = \"5s\"\nhandshake = \"5s\"\n\
                     connections-per-source = 400\nconnections-per-minute = 4000";
const COMMANDS: [&str; 14] = [
    "",
    "EHLO ",
    "HELO ",
    "NOOP ",
    "STARTTLS ",
    "AUTH EXTERNAL ",
    "XCLIENT ADDR=",
    "MAIL FROM:<",
    "RCPT TO:<",
    "DATA ",
    "BDAT ",
    "VRFY ",
    "RSET ",
    "QUIT ",
];

/// The beginning of a command, and no end of it.
fn endless(command: &'static str) -> impl Iterator<Item = u8> {
    command.bytes().chain(std::iter::repeat(b'a'))
}

async fn is_ended(mut wire: Wire, octets: impl Iterator<Item = u8>, what: &str) {
    let said = wire.dribble(octets).await;
    assert!(said.starts_with("421 4.4.2 "), "{what}: {said}");
    assert_eq!(wire.hear().await, "", "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_must_end_in_the_clear_and_inside_tls() {
    let listener = format!("role = \"submission\"\n{SHORT}");
    let bench = Bench::new(&[], &[&listener]).await;
    let mut all = Vec::new();
    for command in COMMANDS {
        let mut wire = Wire::open(bench.listener(0)).await;
        assert!(wire.hear().await.starts_with("220 "));
        all.push(tokio::spawn(is_ended(wire, endless(command), command)));
    }
    for command in COMMANDS {
        let (wire, _) = Wire::starttls(bench.listener(0), &bench.tls(Some("drafter"))).await;
        all.push(tokio::spawn(is_ended(wire, endless(command), command)));
    }
    for one in all {
        one.await.unwrap();
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_and_logins_must_come_on() {
    let listener = format!(
        "role = \"submission\"\n{SHORT}\nlogins = [\"external\", \"scram-sha-256\", \"plain\"]"
    );
    // A file of passwords without anybody in it.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passwords");
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(["password", "set", "drafter@alder.example", "--file"])
        .arg(&file)
        .arg("--password-file")
        .arg({
            let secret = dir.path().join("secret");
            std::fs::write(&secret, "correct horse battery").unwrap();
            secret
        })
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let passwords = format!("passwords = {file:?}\n");
    let bench = Bench::new(&[("[trust]\n", &passwords)], &[&listener]).await;
    let mut all = Vec::new();
    let wire = async |person| {
        let tls = bench.tls(person);
        Wire::starttls(bench.listener(0), &tls).await.0
    };
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        let mut one = wire(None).await;
        let asked = one.ask(&format!("AUTH {mechanism}")).await;
        assert!(asked.starts_with("334 "), "{asked}");
        all.push(tokio::spawn(is_ended(one, endless(""), mechanism)));
    }
    let mut one = wire(Some("drafter")).await;
    assert!(one.ask("AUTH EXTERNAL").await.starts_with("334 "));
    all.push(tokio::spawn(is_ended(one, endless(""), "EXTERNAL")));
    for way in ["DATA", "BDAT 100000 LAST", "BDAT 100000"] {
        let mut one = wire(Some("drafter")).await;
        assert!(one.ask(MAIL).await.starts_with("250 "));
        assert!(
            one.ask("RCPT TO:<reader@alder.example>")
                .await
                .starts_with("250 ")
        );
        match way {
            "DATA" => assert!(one.ask(way).await.starts_with("354 ")),
            _ => one.send(format!("{way}\r\n").as_bytes()).await,
        }
        // Whole lines, too: what counts is how much comes.
        let lines = b"A: b\r\n".iter().copied().cycle();
        all.push(tokio::spawn(is_ended(one, lines, way)));
    }
    for one in all {
        one.await.unwrap();
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_must_end_and_an_event_tells_of_one_that_did_not() {
    let starttls = format!("role = \"submission\"\n{SHORT}");
    let implicit = format!("role = \"submission\"\ntls = \"implicit\"\n{SHORT}");
    let proxied = format!("role = \"submission\"\nproxies = [\"127.0.0.1\"]\n{SHORT}");
    let bench = Bench::new(&[], &[&starttls, &implicit, &proxied]).await;
    // The head of a ClientHello of 512 octets.
    let hello = || {
        let head = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        head.into_iter().chain(std::iter::repeat_n(0x20, 400))
    };
    let mut wire = Wire::open(bench.listener(0)).await;
    assert!(wire.hear().await.starts_with("220 "));
    wire.ask("EHLO client").await;
    assert!(wire.ask("STARTTLS").await.starts_with("220 "));
    assert_eq!(wire.dribble(hello()).await, "");
    let mut wire = Wire::open(bench.listener(1)).await;
    assert_eq!(wire.dribble(hello()).await, "");
    let mut wire = Wire::open(bench.listener(2)).await;
    assert_eq!(wire.dribble(b"PROXY TCP4 192.0".iter().copied()).await, "");
    // The twin: one that ends leaves nothing.
    let (mut wire, _) = Wire::starttls(bench.listener(0), &bench.tls(Some("drafter"))).await;
    assert!(wire.ask("QUIT").await.starts_with("221 "));
    let told = bench.end().await.told("limited");
    let of = |listener: &str| {
        let listener = format!("\"listener\":\"{listener}\"");
        told.iter().filter(|line| line.contains(&listener)).count()
    };
    assert_eq!(
        (of("more-0"), of("more-1"), of("more-2")),
        (1, 1, 1),
        "{told:?}"
    );
    assert!(
        told.iter()
            .all(|line| line.contains("\"limit\":\"handshake\"")),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_and_idle_ones_sooner_when_there_are_many() {
    let ends = "role = \"submission\"\nsession = \"1s\"";
    let crowded = "role = \"submission\"\nidle-when-crowded = \"1s\"\nconnections = 10\n\
                   connections-per-source = 50";
    let bench = Bench::new(&[], &[ends, crowded]).await;
    // However busy.
    let mut wire = Wire::open(bench.listener(0)).await;
    assert!(wire.hear().await.starts_with("220 "));
    let last = loop {
        let said = wire.ask("NOOP").await;
        if !said.starts_with("250 ") {
            break said;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(last.starts_with("421 4.4.2 the session"), "{last}");
    // Nine of ten that say nothing: one of them has to go long before its minute.
    let mut silent = Vec::new();
    for _ in 0..9 {
        let mut wire = Wire::open(bench.listener(1)).await;
        assert!(wire.hear().await.starts_with("220 "));
        silent.push(wire);
    }
    let mut told = tokio::task::JoinSet::new();
    for mut wire in silent {
        told.spawn(async move { wire.dribble(std::iter::empty()).await });
    }
    let first = told.join_next().await.unwrap().unwrap();
    assert!(first.starts_with("421 4.4.2 "), "{first}");
    drop(told);
    bench.end().await;
}

/// Who is slow and goes on is not ended, where the operator gives time.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_only_slow_is_served() {
    let patient = "role = \"submission\"\nidle = \"10m\"\nleast-rate = \"1B\"\nhandshake = \"10m\"";
    let bench = Bench::new(&[], &[patient]).await;
    let (mut wire, _) = Wire::starttls(bench.listener(0), &bench.tls(Some("drafter"))).await;
    let command = format!("{MAIL}\r\n");
    assert!(wire.dribble(command.bytes()).await.starts_with("250 "));
    assert!(
        wire.ask("RCPT TO:<reader@alder.example>")
            .await
            .starts_with("250 ")
    );
    assert!(wire.ask("DATA").await.starts_with("354 "));
    let message = bench.message(READER);
    let (slowly, rest) = message.split_at(60);
    for octet in slowly {
        wire.send(&[*octet]).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wire.send(rest).await;
    assert!(wire.ask(".").await.starts_with("250 "));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_ones_take_no_place_that_is_kept_for_the_urgent() {
    // Nobody is ended by time here.
    let listener = "role = \"submission\"\nconnections = 10\nreserved = 2\nconnections-per-source = 50\n\
                    idle = \"60m\"\nidle-when-crowded = \"60m\"";
    let bench = Bench::new(&[], &[listener]).await;
    let drafter = bench.tls(Some("drafter"));
    let message = bench.message(READER);
    let (routine, flash) = (
        format!("{MAIL} MT-PRIORITY=-2"),
        format!("{MAIL} MT-PRIORITY=4"),
    );
    // Known peers, in all the places that are anybody's, each in the middle of a message.
    let mut slow = Vec::new();
    for _ in 0..8 {
        let (mut wire, _) = Wire::starttls(bench.listener(0), &drafter).await;
        assert!(wire.ask(&routine).await.starts_with("250 "));
        assert!(
            wire.ask("RCPT TO:<reader@alder.example>")
                .await
                .starts_with("250 ")
        );
        assert!(wire.ask("DATA").await.starts_with("354 "));
        slow.push(tokio::spawn(async move {
            wire.dribble(b"A: b\r\n".iter().copied().cycle()).await
        }));
    }
    let (mut wire, _) = Wire::starttls(bench.listener(0), &drafter).await;
    assert!(
        wire.hand_in(&flash, READER, &message)
            .await
            .starts_with("250 ")
    );
    assert!(wire.ask(&routine).await.starts_with("421 4.7.15 "));
    // When they are gone, a place is anybody's again.
    for one in &slow {
        one.abort();
    }
    for one in slow {
        assert!(one.await.unwrap_err().is_cancelled());
    }
    let said = loop {
        let (mut wire, _) = Wire::starttls(bench.listener(0), &drafter).await;
        let said = wire.ask(&routine).await;
        if !said.starts_with("421 ") {
            break said;
        }
    };
    assert!(said.starts_with("250 "), "{said}");
    bench.end().await;
}
