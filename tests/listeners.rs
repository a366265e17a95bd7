//! Listeners of every kind, over real sockets: implicit TLS, LMTP, PROXY, XCLIENT; who gets a place
//! when many want one; how urgent a peer may be.

mod support;

use std::time::Duration;

use ravelin::message::address::Address;
use support::bench::Bench;
use support::wire::{Tls, Wire};

const MAIL: &str = "MAIL FROM:<drafter@alder.example>";
const READER: &[&str] = &["reader@alder.example"];

#[tokio::test(flavor = "multi_thread")]
async fn tls_begins_with_the_connection_and_lmtp_answers_for_each_recipient() {
    let bench = Bench::new(
        &[],
        &[
            "role = \"submission\"\ntls = \"implicit\"",
            "role = \"lmtp\"",
        ],
    )
    .await;
    let drafter = bench.tls(Some("drafter"));
    let message = bench.message(&["reader@alder.example", "clerk@alder.example"]);
    let mut wire = Wire::open(bench.listener(0))
        .await
        .secure(&drafter)
        .await
        .unwrap();
    assert!(wire.hear().await.starts_with("220 "));
    let offered = wire.ask("EHLO client").await;
    assert!(
        !offered.contains("STARTTLS") && offered.contains("REQUIRETLS"),
        "{offered}"
    );
    assert!(
        wire.hand_in(MAIL, READER, &message)
            .await
            .starts_with("250 ")
    );
    // Who speaks SMTP where TLS is awaited gets nothing.
    let mut clear = Wire::open(bench.listener(0)).await;
    clear.send(b"EHLO client\r\n").await;
    assert!(!clear.hear().await.starts_with('2'));

    let mut wire = Wire::open(bench.listener(1)).await;
    assert!(wire.hear().await.contains(" LMTP "));
    assert!(wire.ask("EHLO client").await.starts_with("500 "));
    assert!(wire.ask("LHLO client").await.starts_with("250-"));
    assert!(wire.ask(MAIL).await.starts_with("530 "));
    assert!(wire.ask("STARTTLS").await.starts_with("220 "));
    let mut wire = wire.secure(&drafter).await.unwrap();
    wire.ask("LHLO client").await;
    let both = &["reader@alder.example", "clerk@alder.example"];
    assert!(wire.hand_in(MAIL, both, &message).await.starts_with("250 "));
    assert!(wire.hear().await.starts_with("250 "));
    // One of them may not have it: both are told.
    let secret = {
        let drafter = bench.world.alder.person("drafter").unwrap();
        let to = both.map(|to| Address::parse(to).unwrap());
        let label = bench.world.label("SECRET", &[]).unwrap();
        bench
            .world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
    };
    assert!(
        wire.hand_in(MAIL, both, &secret.unwrap())
            .await
            .starts_with("550 5.7.1 ")
    );
    assert!(wire.hear().await.starts_with("550 5.7.1 "));
    assert!(wire.ask("NOOP").await.starts_with("250 "));
    bench.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_proxy_says_for_whom_it_speaks_and_nobody_else_does() {
    let proxied = "role = \"submission\"\nproxies = [\"127.0.0.1\"]\nconnections-per-source = 1";
    let speaks = "role = \"submission\"\nxclient = [\"127.0.0.1\"]";
    let mut bench = Bench::new(&[], &[proxied, speaks]).await;
    let message = bench.message(READER);

    // PROXY version 1.
    let mut wire = Wire::open(bench.listener(0)).await;
    wire.send(b"PROXY TCP4 192.0.2.77 192.0.2.1 4321 25\r\n")
        .await;
    let mut wire = starttls(wire, &bench.tls(Some("drafter"))).await;
    assert!(
        wire.hand_in(MAIL, READER, &message)
            .await
            .starts_with("250 ")
    );
    bench.came("([192.0.2.77])").await;
    // The client has its one connection; another client has its own, by version 2.
    let mut second = Wire::open(bench.listener(0)).await;
    second
        .send(b"PROXY TCP4 192.0.2.77 192.0.2.1 4322 25\r\n")
        .await;
    assert_eq!(second.hear().await, "");
    let mut two = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    two.extend_from_slice(&[192, 0, 2, 78, 192, 0, 2, 1, 0x10, 0xe1, 0, 25]);
    let mut wire = Wire::open(bench.listener(0)).await;
    wire.send(&two).await;
    let mut wire = starttls(wire, &bench.tls(Some("drafter"))).await;
    assert!(
        wire.hand_in(MAIL, READER, &message)
            .await
            .starts_with("250 ")
    );
    bench.came("([192.0.2.78])").await;
    // A listener behind a proxy takes nothing else; one that is not does not know the word.
    let mut wire = Wire::open(bench.listener(0)).await;
    wire.send(b"EHLO client.example\r\n").await;
    assert_eq!(wire.hear().await, "");
    let mut wire = Wire::open(bench.listener(1)).await;
    wire.hear().await;
    assert!(
        wire.ask("PROXY TCP4 192.0.2.77 192.0.2.1 1 25")
            .await
            .starts_with("500 ")
    );

    // XCLIENT: the address changes, and who is believed does not.
    let (mut wire, offered) = Wire::starttls(bench.listener(1), &bench.tls(Some("drafter"))).await;
    assert!(offered.contains("XCLIENT NAME ADDR"), "{offered}");
    assert!(
        wire.ask("XCLIENT ADDR=192.0.2.79 NAME=far.example")
            .await
            .starts_with("220 ")
    );
    assert!(wire.ask(MAIL).await.starts_with("503 "));
    assert!(!wire.ask("EHLO far.example").await.contains("AUTH"));
    assert!(
        wire.hand_in(MAIL, READER, &message)
            .await
            .starts_with("250 ")
    );
    bench.came("from far.example ([192.0.2.79])").await;
    let (mut wire, offered) = Wire::starttls(bench.listener(1), &bench.tls(None)).await;
    assert!(offered.contains("XCLIENT"));
    assert!(
        wire.ask("XCLIENT ADDR=192.0.2.80")
            .await
            .starts_with("220 ")
    );
    wire.ask("EHLO far.example").await;
    assert!(wire.ask(MAIL).await.starts_with("530 "));
    let submission = bench.world.running().unwrap().listeners[0];
    let (mut wire, offered) = Wire::starttls(submission, &bench.tls(Some("drafter"))).await;
    assert!(!offered.contains("XCLIENT"));
    assert!(
        wire.ask("XCLIENT ADDR=192.0.2.81")
            .await
            .starts_with("550 ")
    );
    bench.world.end().await;
}

/// EHLO, STARTTLS and EHLO on what is open.
async fn starttls(mut wire: Wire, tls: &Tls<'_>) -> Wire {
    assert!(wire.hear().await.starts_with("220 "));
    wire.ask("EHLO client").await;
    assert!(wire.ask("STARTTLS").await.starts_with("220 "));
    let mut wire = wire.secure(tls).await.unwrap();
    assert!(wire.ask("EHLO client").await.starts_with("250-"));
    wire
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_has_so_many_connections() {
    let listener = "role = \"submission\"\nconnections-per-source = 2\nconnections-per-minute = 4";
    let bench = Bench::new(&[], &[listener]).await;
    let open = async || {
        let mut wire = Wire::open(bench.listener(0)).await;
        let said = wire.hear().await;
        (wire, said)
    };
    let (first, said) = open().await;
    assert!(said.starts_with("220 "));
    let (mut second, said) = open().await;
    assert!(said.starts_with("220 "));
    let (mut third, said) = open().await;
    assert!(said.starts_with("421 4.3.2 "), "{said}");
    assert_eq!(third.hear().await, "");
    // Another listener counts for itself; one that ends makes room.
    let submission = bench.world.running().unwrap().listeners[0];
    assert!(
        Wire::open(submission)
            .await
            .hear()
            .await
            .starts_with("220 ")
    );
    assert!(second.ask("QUIT").await.starts_with("221 "));
    drop(first);
    let mut left = 2;
    for _ in 0..200 {
        let (_wire, said) = open().await;
        if said.starts_with("220 ") {
            left -= 1;
        }
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left, 0, "no room was made");
    // Four in this minute were taken.
    let (_, said) = open().await;
    assert!(said.starts_with("421 "), "{said}");
    bench.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_strangers_make_room_and_the_last_places_are_for_the_urgent() {
    let listener = "role = \"submission\"\nconnections = 10\nreserved = 2\nconnections-per-source = 1000\n\
         connections-per-minute = 100000";
    let bench = Bench::new(&[], &[listener]).await;
    let drafter = bench.tls(Some("drafter"));
    let message = bench.message(READER);
    // Forty strangers who say nothing.
    let mut strangers = Vec::new();
    for _ in 0..40 {
        let mut wire = Wire::open(bench.listener(0)).await;
        assert!(wire.hear().await.starts_with("220 "));
        strangers.push(wire);
    }
    let (mut wire, _) = Wire::starttls(bench.listener(0), &drafter).await;
    let flash = format!("{MAIL} MT-PRIORITY=4");
    assert!(
        wire.hand_in(&flash, READER, &message)
            .await
            .starts_with("250 ")
    );
    let mut first = strangers.remove(0);
    assert!(first.hear().await.starts_with("421 4.3.2 "));
    assert_eq!(first.hear().await, "");

    // Eight who have shown who they are: the ninth may hand in what is urgent, and nothing else.
    let mut known = vec![wire];
    while known.len() < 8 {
        known.push(Wire::starttls(bench.listener(0), &drafter).await.0);
    }
    let (mut ninth, _) = Wire::starttls(bench.listener(0), &drafter).await;
    let reply = ninth.ask(&format!("{MAIL} MT-PRIORITY=0")).await;
    assert!(reply.starts_with("421 4.7.15 only IMMEDIATE"), "{reply}");
    assert_eq!(ninth.hear().await, "");
    let (mut ninth, _) = Wire::starttls(bench.listener(0), &drafter).await;
    assert!(
        ninth
            .hand_in(&flash, READER, &message)
            .await
            .starts_with("250 ")
    );
    let (_tenth, _) = Wire::starttls(bench.listener(0), &drafter).await;
    let mut eleventh = Wire::open(bench.listener(0)).await;
    assert!(eleventh.hear().await.starts_with("421 4.3.2 "));
    // Those who were there before keep their places, and a place that is left is anybody's.
    for wire in &mut known {
        assert!(wire.ask("NOOP").await.starts_with("250 "));
    }
    bench.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_more_urgent_than_the_configuration_says() {
    let subject = "address = \"drafter@alder.example\"\n";
    let bench = Bench::new(
        &[
            (subject, "highest-precedence = \"priority\"\n"),
            (
                "postmaster = \"postmaster@alder.example\"\n",
                "size-limits = [[\"priority\", \"2KiB\"]]\n",
            ),
        ],
        &[],
    )
    .await;
    let submission = bench.world.running().unwrap().listeners[0];
    let (mut wire, _) = Wire::starttls(submission, &bench.tls(Some("drafter"))).await;
    let reply = wire.ask(&format!("{MAIL} MT-PRIORITY=6")).await;
    assert!(reply.starts_with("250 2.3.6 "), "{reply}");
    assert!(wire.ask("RSET").await.starts_with("250 "));
    // What the message says of itself is lowered, too, and an event tells of it. IMMEDIATE may be
    // as large as any, but PRIORITY it is now.
    let reply = wire.hand_in(MAIL, READER, &bench.message(READER)).await;
    assert!(reply.starts_with("552 5.7.16 "), "{reply}");
    assert!(
        reply.contains("message.too-large-for-precedence"),
        "{reply}"
    );
    assert!(
        wire.ask(&format!("{MAIL} SIZE=2049 MT-PRIORITY=0"))
            .await
            .starts_with("552 5.7.16 ")
    );
    assert!(
        wire.ask(&format!("{MAIL} SIZE=2049 MT-PRIORITY=-2"))
            .await
            .starts_with("250 ")
    );
    bench.world.end().await;
    let dir = bench.dir.path();
    let chain = std::fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap();
    assert!(chain.contains("too-large-for-precedence"), "{chain}");
}
