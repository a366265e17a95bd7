//! What the sender is told, and whether what was asked for travels with the message: a switch that
//! runs, its mailbox server (LMTP without TLS), and a next hop that cannot be reached.

use std::path::Path;
use std::sync::Arc;

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config::{LinkProtocol, TlsNeed};
use ravelin::deliver::{self, NextHop};
use ravelin::label::Label;
use ravelin::message::Precedence;
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::mime::Limits;
use ravelin::message::service::{
    Asked, Notify, OriginalRecipient, RecipientService, Return, Service, Terms,
};
use ravelin::message::xtext::Xtext;
use ravelin::open::{self, Carried, Facts, Opener, Piece};
use ravelin::smtp::dialogue::Transaction;

async fn world(dir: &Path) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    world
}

fn reader() -> Address {
    Address::parse("reader@alder.example").unwrap()
}

fn confidential(world: &World) -> Label {
    let categories = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    world.label("CONFIDENTIAL", &categories).unwrap()
}

/// Submits as ALDER's drafter, from this address and on these terms.
async fn submit(world: &World, from: &str, to: &Address, terms: Terms) -> String {
    let drafter = world.alder.person("drafter").unwrap();
    let label = confidential(world);
    let to = [to.clone()];
    let message = world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap();
    let (address, host) = (world.alder.ports.submission.to_string(), world.alder.host());
    let next_hop = NextHop {
        address: &address,
        protocol: LinkProtocol::Smtp,
        tls: TlsNeed::Required,
        peer: Some(&host),
        trust: &world.alder_config.trust,
        longest_line: 998,
    };
    let transaction = Transaction {
        from: ReversePath::Address(Address::parse(from).unwrap()),
        recipients: to.to_vec(),
        bytes: Arc::from(message),
        precedence: Precedence::Immediate,
        terms,
        at: Timestamp::now(),
    };
    let outcomes = deliver::submit(
        next_hop,
        &drafter.sign,
        "desk",
        Timestamp::now(),
        transaction,
    )
    .await
    .unwrap();
    outcomes[0].1.reply().to_string()
}

fn asking(notify: Option<Notify>, require_tls: Asked) -> Terms {
    let asked = RecipientService {
        notify,
        original: Some(
            OriginalRecipient::parse("rfc822;first+2Bname@alder.example", false).unwrap(),
        ),
    };
    Terms {
        priority: None,
        service: Service {
            envelope_id: Some(Xtext::parse("QQ+2B314").unwrap()),
            returns: Some(Return::Full),
            require_tls,
            recipients: [(reader(), asked)].into(),
            ..Service::default()
        },
    }
}

fn facts(world: &World, message: &[u8]) -> Facts {
    let opener = Opener {
        policies: &world.alder_config.policies,
        keys: Default::default(),
        trust: &world.alder_config.trust,
        at: Timestamp::now(),
        limits: Limits::default(),
    };
    let bytes: Arc<[u8]> = message.into();
    open::facts(&opener, Piece::whole(Arc::new(bytes))).unwrap()
}

fn is_report(octets: &[u8]) -> bool {
    String::from_utf8_lossy(octets).contains("Reporting-MTA:")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_to_be_told_is_told_under_the_label_of_the_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    // The first asks for nothing, and only the second is told of.
    let reply = submit(&world, "drafter@alder.example", &reader(), Terms::default()).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let success = Notify {
        success: Asked::Yes,
        ..Notify::default()
    };
    let terms = asking(Some(success), Asked::No);
    let reply = submit(&world, "drafter@alder.example", &reader(), terms).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let (_, octets) = world.alder_mail.wait_for(is_report).await.unwrap();
    let text = String::from_utf8_lossy(&octets).into_owned();
    for line in [
        "Action: delivered\r\n",
        "Original-Envelope-Id: QQ+314\r\n",
        "Original-Recipient: rfc822;first+name@alder.example\r\n",
        "Final-Recipient: rfc822; reader@alder.example\r\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // RET=FULL was asked for, and the body stays where it is.
    assert!(!text.contains("convoy"), "{text}");
    let report = facts(&world, &octets);
    let signer = &report.layers[0].signers()[0];
    assert!(signer.report.is_good(), "{:?}", signer.report.problems);
    let Carried::Present(label) = &signer.label else {
        panic!("the report has no label");
    };
    assert_eq!(*label, confidential(&world));
    let mail = world.alder_mail.after(0);
    let mut reports = 0;
    for file in mail {
        reports += usize::from(is_report(&std::fs::read(file).unwrap()));
    }
    assert_eq!(reports, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_travel_inside_tls_only_does_not_leave_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    let reply = submit(
        &world,
        "drafter@alder.example",
        &reader(),
        asking(None, Asked::Yes),
    )
    .await;
    assert!(reply.starts_with("250 "), "{reply}");
    // The mailbox server speaks LMTP without TLS.
    let (_, octets) = world.alder_mail.wait_for(is_report).await.unwrap();
    let text = String::from_utf8_lossy(&octets).into_owned();
    assert!(
        text.contains("Action: failed\r\nStatus: 5.7.10\r\n"),
        "{text}"
    );
    // NEVER is never, also of what fails.
    let before = world.alder_mail.count();
    let terms = asking(Some(Notify::default()), Asked::Yes);
    let reply = submit(&world, "drafter@alder.example", &reader(), terms).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let plain = submit(&world, "drafter@alder.example", &reader(), Terms::default()).await;
    assert!(plain.starts_with("250 "), "{plain}");
    let arrived = |octets: &[u8]| !is_report(octets);
    world.alder_mail.wait_for(arrived).await.unwrap();
    assert_eq!(world.alder_mail.count(), before + 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_submits_for_somebody_else_to_be_told() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let reply = submit(&world, "reader@alder.example", &reader(), Terms::default()).await;
    assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    assert!(reply.ends_with("(originator.mismatch)"), "{reply}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_hop_that_is_away_has_an_alternative() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    // A port that nobody listens on any more.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = held.local_addr().unwrap();
    drop(held);
    let file = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let there = format!("address = \"{}\"", world.alder_mail.address);
    assert!(text.contains(&there));
    let text = text.replace(
        &there,
        &format!(
            "address = \"{gone}\"\nalternatives = [\"{}\"]",
            world.alder_mail.address
        ),
    );
    std::fs::write(&file, text).unwrap();
    world.alder_config = ravelin::config::load(&file).unwrap();
    world.wake_alder().await.unwrap();
    let reply = submit(&world, "drafter@alder.example", &reader(), Terms::default()).await;
    assert!(reply.starts_with("250 "), "{reply}");
    world.alder_mail.wait_for(|_| true).await.unwrap();
    world.end().await;
}
