//! Faults, through SMTP: each gives a 4xx to the sender or a retry; none loses a message or lets one
//! pass; one is delivered twice only where its 250 was lost.
//!
//! | what is at fault | what comes of it | test |
//! |---|---|---|
//! | disk full | 451 until there is room; nothing lost, also when the power goes | `operation::faults::a_full_disk_is_451…`; store: `power`, `power::recovery` |
//! | fsync fails | 451 until the disk takes writes; opened anew and checked | `operation::faults::a_sync_that_fails_is_451…`; store: `power`, `power::recovery` |
//! | disk slow | slow; above a bound less is taken (452) | `operation::faults::a_slow_disk_is_only_slow`, `operation::head_room` |
//! | power goes, process is killed | what got its 250 is there | `power`, `store_crash` (redb, sled), `crash`, `queue::crash` |
//! | token away | 451 until it is back | `token::switch::without_its_token_a_switch_says_451…` |
//! | directory away or slow | 451 | `directory::a_directory_that_cannot_tell_or_takes_too_long…`, `…a_clearance_that_the_directory_cannot_tell_now…` |
//! | revocation data away | 451 or as `stale` says | `revocation::a_place_that_answers_badly…` |
//! | scanner away | there is no scanner: nothing is asked of another program before a 250 | none |
//! | clock set forward | 451 (revocation data is old); no life ends without an attempt | `operation::faults::while_the_clock_is_wrong…`, `queue::tests::clock` |
//! | clock set back | nothing passes; no retry waits longer | the same |
//! | next hop refuses connections | retry | here |
//! | next hop silent: connecting | retry after 30 s | none: a loopback address is never silent |
//! | next hop silent: banner, EHLO, MAIL, RCPT, DATA, body, final dot, handshake, LMTP recipient | retry after the time of RFC 5321 §4.5.3.2 | `deliver::connection::stalls` |
//! | next hop drops or lies: connect, banner, EHLO, STARTTLS, handshake, EHLO inside, MAIL, RCPT, DATA, body, final dot, QUIT | retry; twice where the 250 was lost | here |
//! | LMTP next hop, the same, for each recipient | retry of those without 250 | here |
//! | AUTH towards a next hop | not spoken: a certificate says who we are | none |
//! | sender drops at each point | nothing is taken, or all of it | here |
//! | sender silent, slow, or lies in AUTH | 421, 4xx; others go on | `slow`, `operation::stop`, `listeners::idle_strangers…`, `accept::pace`, `login`, `smuggling` |

#[path = "faults/liar.rs"]
mod liar;
mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use liar::{Faces, Kept, Liar, Point, Trick};
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::message::address::Address;
use ravelin::queue::Which;
use ravelin::switch::QueueAct;
use ravelin::tls;
use support::wire::{Tls, Wire};
use tokio_rustls::TlsAcceptor;

/// What takes longer hangs.
const HANGS: Duration = Duration::from_secs(60);
const ALL: [Trick; 8] = [
    Trick::Drops,
    Trick::Closes,
    Trick::NotNow,
    Trick::Babbles,
    Trick::Contradicts,
    Trick::NeverEnds,
    Trick::WrongYes,
    Trick::TalksOn,
];

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < HANGS, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What the drafter writes to these.
fn message(world: &World, to: &[Address]) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let categories = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    let label = world.label("RESTRICTED", &categories).unwrap();
    let composed = world.compose(&drafter.address, to, Some(&label), &drafter.sign);
    composed.unwrap()
}

async fn submit(world: &World, to: &[Address]) {
    let drafter = world.alder.person("drafter").unwrap();
    let message = message(world, to);
    let outcome = world.submit(drafter, to, &message).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
}

fn addresses(all: &[&str]) -> Vec<Address> {
    let all = all.iter().map(|address| Address::parse(address).unwrap());
    all.collect()
}

/// Has what waits for a link tried until nothing is left.
async fn drain(world: &World, link: &str) {
    let running = world.running().unwrap();
    let which = Which::NextHop(link.to_owned());
    let begun = Instant::now();
    while !running.queue.is_empty() {
        assert!(begun.elapsed() < HANGS, "it is not delivered");
        // One that is being delivered now is left alone.
        let retried = running
            .switch
            .work_on_queue(&which, &QueueAct::Retry, "test", "test");
        retried.await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How often each recipient has it.
fn copies(kept: &Kept) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for recipient in kept.messages.iter().flat_map(|(_, recipients)| recipients) {
        *copies.entry(recipient.clone()).or_default() += 1;
    }
    copies
}

fn acts(world: &World, act: &str) -> usize {
    let chain = std::fs::read_to_string(world.dir.join("audit/alder.jsonl")).unwrap();
    chain.matches(&format!("\"act\":\"{act}\"")).count()
}

/// One message through one trick; how often each recipient has it after all.
async fn through(
    world: &World,
    liar: &Liar,
    link: &str,
    to: &[Address],
    (point, trick): (Point, Trick),
) -> Vec<usize> {
    liar.play(point, trick);
    submit(world, to).await;
    until(&format!("{point:?} {trick:?}"), || liar.has_played()).await;
    drain(world, link).await;
    let kept = liar.take();
    assert!(!kept.in_the_clear, "{point:?} {trick:?}: MAIL before TLS");
    assert!(kept.is_played);
    let bodies: Vec<_> = kept.messages.iter().map(|(octets, _)| octets).collect();
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{point:?}");
    let copies = copies(&kept);
    assert_eq!(copies.len(), to.len(), "{point:?} {trick:?}: {copies:?}");
    let mut times: Vec<_> = copies.into_values().collect();
    times.sort_unstable();
    times
}

/// Nothing was given up, nobody was told of a failure, and the chain is whole.
fn nothing_was_lost(world: &World, delivered: usize) {
    for act in ["failed", "expired", "quarantined", "reported", "fault"] {
        assert_eq!(acts(world, act), 0, "{act}");
    }
    assert_eq!(acts(world, "delivered"), delivered);
    let chain = std::fs::read(world.dir.join("audit/alder.jsonl")).unwrap();
    ravelin::audit::verify(&chain[..]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_next_hop_does_the_message_arrives_and_twice_only_without_its_250() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let to = addresses(&["reader@birch.example"]);
    // Nobody listens there yet.
    submit(&world, &to).await;
    until("a refused connection", || acts(&world, "deferred") > 0).await;
    let faces = Faces {
        own: TlsAcceptor::from(tls::server(&world.birch_config).unwrap()),
        others: TlsAcceptor::from(tls::server(&world.alder_config).unwrap()),
    };
    let liar = Liar::open(world.birch.ports.relay, Some(faces)).await;
    drain(&world, "birch").await;
    assert_eq!(liar.take().messages.len(), 1);

    let everywhere = [
        Point::Banner,
        Point::Hello,
        Point::StartTls,
        Point::HelloInside,
        Point::Mail,
        Point::Rcpt,
        Point::Data,
        Point::Final,
    ];
    let cells = everywhere
        .into_iter()
        .flat_map(|point| ALL.map(|trick| (point, trick)))
        .chain([
            (Point::Connect, Trick::Drops),
            (Point::Handshake, Trick::Drops),
            (Point::Handshake, Trick::Pretends),
            (Point::Body, Trick::Drops),
            (Point::Quit, Trick::Drops),
        ]);
    let mut count = 1;
    for cell in cells {
        let twice = cell == (Point::Final, Trick::Drops);
        let times = through(&world, &liar, "birch", &to, cell).await;
        assert_eq!(times, [1 + usize::from(twice)], "{cell:?}");
        count += 1;
    }
    nothing_was_lost(&world, count);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_mailbox_server_does_each_recipient_gets_it_and_twice_only_without_its_250() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    let liar = Liar::open(SocketAddr::from(([127, 0, 0, 1], 0)), None).await;
    let file = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let was = format!("\"{}\"", world.alder_mail.address);
    assert!(text.contains(&was), "{text}");
    std::fs::write(&file, text.replace(&was, &format!("\"{}\"", liar.address))).unwrap();
    world.alder_config = ravelin::config::load(&file).unwrap();
    world.wake_alder().await.unwrap();
    let to = addresses(&["reader@alder.example", "officer@alder.example"]);
    let everywhere = [
        Point::Banner,
        Point::Hello,
        Point::Mail,
        Point::Rcpt,
        Point::Data,
        Point::Final,
        Point::FinalOfSecond,
    ];
    // What is said in the clear may come in two pieces: what one that talks on does then is in
    // `tests/dialogues`.
    let tricks = ALL.into_iter().filter(|trick| *trick != Trick::TalksOn);
    let tricks: Vec<_> = tricks.collect();
    let cells = everywhere
        .into_iter()
        .flat_map(|point| tricks.iter().map(move |trick| (point, *trick)))
        .chain([
            (Point::Connect, Trick::Drops),
            (Point::Body, Trick::Drops),
            (Point::Quit, Trick::Drops),
        ]);
    let mut count = 0;
    for cell in cells {
        let is_final = matches!(cell.0, Point::Final | Point::FinalOfSecond);
        let wanted = match is_final && cell.1 == Trick::Drops {
            true => [1, 2],
            false => [1, 1],
        };
        let times = through(&world, &liar, "mailboxes", &to, cell).await;
        assert_eq!(times, wanted, "{cell:?}");
        count += 2;
    }
    nothing_was_lost(&world, count);
    world.end().await;
}

/// How far a sender gets before it hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HangsUp {
    AtOnce,
    AfterBanner,
    AfterHello,
    AfterStartTls,
    AfterHandshake,
    AfterMail,
    AfterRcpt,
    AfterData,
    InTheMessage,
    BeforeTheDot,
    InTheDot,
    /// The message is whole; whoever sent it does not hear the answer.
    AfterTheDot,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_hangs_up_has_handed_in_nothing_or_all_of_it() {
    use HangsUp::{
        AfterBanner, AfterData, AfterHandshake, AfterHello, AfterMail, AfterRcpt, AfterStartTls,
        AfterTheDot, AtOnce, BeforeTheDot, InTheDot, InTheMessage,
    };
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    // BIRCH does not listen: what is taken stays in the queue.
    let to = addresses(&["reader@birch.example"]);
    for when in [
        AtOnce,
        AfterBanner,
        AfterHello,
        AfterStartTls,
        AfterHandshake,
        AfterMail,
        AfterRcpt,
        AfterData,
        InTheMessage,
        BeforeTheDot,
        InTheDot,
    ] {
        hang_up(&world, &to, when).await;
    }
    // The twin. By then nothing of the others was taken, nor is it later: they are gone.
    submit(&world, &to).await;
    assert_eq!(acts(&world, "accepted"), 1);
    hang_up(&world, &to, AfterTheDot).await;
    submit(&world, &to).await;
    let running = world.running().unwrap();
    let switch = Arc::clone(&running.switch);
    let queue = running.queue.clone();
    // A stop waits for whoever is at work.
    world.alder_switch.take().unwrap().stop().await;
    drop(switch);
    let accepted = acts(&world, "accepted");
    assert!((2..=3).contains(&accepted), "{accepted}");
    assert_eq!(queue.len(), accepted, "each is there, and once");
    world.end().await;
}

/// Hands a message in, up to a point.
async fn hang_up(world: &World, to: &[Address], when: HangsUp) {
    let port = world.alder.ports.submission;
    let mut wire = Wire::open(port).await;
    if when == HangsUp::AtOnce {
        return;
    }
    assert!(wire.hear().await.starts_with("220 "));
    if when == HangsUp::AfterBanner {
        return;
    }
    assert!(wire.ask("EHLO client").await.starts_with("250"));
    if when == HangsUp::AfterHello {
        return;
    }
    assert!(wire.ask("STARTTLS").await.starts_with("220"));
    if when == HangsUp::AfterStartTls {
        return;
    }
    let drafter = world.alder.person("drafter").unwrap();
    let (anchor, host) = (support::anchor(&world.dir), world.alder.host());
    let tls = Tls {
        anchor: &anchor,
        host: &host,
        identity: Some(&drafter.sign),
        is_old: false,
    };
    let mut wire = wire.secure(&tls).await.unwrap();
    assert!(wire.ask("EHLO client").await.starts_with("250"));
    let mail = format!("MAIL FROM:<{}>", drafter.address);
    let rcpt = format!("RCPT TO:<{}>", to[0]);
    for (command, reply, point) in [
        (mail.as_str(), "250", HangsUp::AfterMail),
        (rcpt.as_str(), "250", HangsUp::AfterRcpt),
        ("DATA", "354", HangsUp::AfterData),
    ] {
        if when < point {
            return;
        }
        let said = wire.ask(command).await;
        assert!(said.starts_with(reply), "{command}: {said}");
    }
    let text = String::from_utf8(message(world, to)).unwrap();
    let stuffed = text.replace("\r\n.", "\r\n..");
    let octets = stuffed.as_bytes();
    let sent: Vec<u8> = match when {
        HangsUp::InTheMessage => octets[..octets.len() / 2].to_vec(),
        HangsUp::BeforeTheDot => octets.to_vec(),
        HangsUp::InTheDot => [octets, b".\r"].concat(),
        HangsUp::AfterTheDot => [octets, b".\r\n"].concat(),
        _ => return,
    };
    wire.send(&sent).await;
}
