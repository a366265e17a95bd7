//! Reports on what was sent: awaited from the commit of the message on, settled by those who may,
//! missed in time. Two switches that run, with their mailbox servers.

#[path = "awaited/forge.rs"]
mod forge;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forge::{Author, Forge};
use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::crypto::cms::decrypt::Keys;
use ravelin::label::{self, Label};
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::mime::Limits;
use ravelin::message::service::{
    Asked, Notify, OriginalRecipient, RecipientService, Service, Terms,
};
use ravelin::message::xtext::Xtext;
use ravelin::open::{self, Facts, Opener, Piece, SignerFacts};
use ravelin::queue::Which;
use ravelin::store::{AwaitedRow, ReportKind, ReportResult, Settled};
use ravelin::switch::QueueAct;

const ENVELOPE: &str = "QQ+314";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn abroad() -> Address {
    address("reader@birch.example")
}

async fn world(dir: &Path) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    world.wake_birch().await.unwrap();
    world
}

fn confidential(world: &World) -> Label {
    let categories = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    world.label("CONFIDENTIAL", &categories).unwrap()
}

/// NOTIFY=SUCCESS, ENVID and ORCPT for this recipient.
fn asking(recipient: &Address) -> Terms {
    let asked = RecipientService {
        notify: Some(Notify {
            success: Asked::Yes,
            failure: Asked::Yes,
            delay: Asked::No,
        }),
        original: Some(
            OriginalRecipient::parse("rfc822;The+2BReader@birch.example", false).unwrap(),
        ),
    };
    Terms {
        priority: None,
        service: Service {
            envelope_id: Some(Xtext::encode(ENVELOPE).unwrap()),
            recipients: [(recipient.clone(), asked)].into(),
            ..Service::default()
        },
    }
}

/// ALDER's drafter writes; whoever is asked says yes.
async fn send(world: &World, to: &Address, terms: Terms) {
    let drafter = world.alder.person("drafter").unwrap();
    let label = confidential(world);
    let message = world
        .compose(
            &drafter.address,
            std::slice::from_ref(to),
            Some(&label),
            &drafter.sign,
        )
        .unwrap();
    let from = ReversePath::Address(drafter.address.clone());
    let reply = forge::hand_in(
        &world.alder,
        &world.alder_config,
        &drafter.sign,
        from,
        to,
        message,
        terms,
    );
    let reply = reply.await;
    assert!(reply.starts_with("250 "), "{reply}");
}

fn rows(world: &World) -> Vec<AwaitedRow> {
    world.running().unwrap().store.awaited().unwrap()
}

/// Waits until the one row is as wanted.
async fn row_that(world: &World, is_it: impl Fn(&AwaitedRow) -> bool) -> AwaitedRow {
    for _ in 0..1500 {
        let rows = rows(world);
        if let [row] = rows.as_slice()
            && is_it(row)
        {
            return row.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still {:#?}", rows(world));
}

fn settled(row: &AwaitedRow, kind: ReportKind) -> Option<&Settled> {
    row.asked(kind).unwrap().settled.as_ref()
}

/// The lines of ALDER's exported chain with this act.
fn told(world: &World, act: &str) -> Vec<String> {
    let chain = std::fs::read_to_string(world.dir.join("audit/alder.jsonl")).unwrap();
    let is_it = |line: &&str| line.contains(&format!("\"act\":\"{act}\""));
    chain.lines().filter(is_it).map(str::to_owned).collect()
}

async fn told_of(world: &World, act: &str, count: usize) -> Vec<String> {
    for _ in 0..1500 {
        let lines = told(world, act);
        if lines.len() >= count {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{act} {:?}", told(world, act));
}

/// Has BIRCH's switch keep what is for its mailboxes, or let it go.
async fn at_birch(world: &World, act: QueueAct) {
    let switch = &world.birch_switch.as_ref().unwrap().switch;
    let which = Which::NextHop("mailboxes".into());
    switch
        .work_on_queue(&which, &act, "operator", "a test")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_settles_what_was_sent_before_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    at_birch(&world, QueueAct::Hold).await;
    send(&world, &abroad(), asking(&abroad())).await;
    let row = row_that(&world, |row| row.sent.is_some()).await;
    assert_eq!(row.recipient, abroad());
    assert_eq!(row.sender, address("drafter@alder.example"));
    assert_eq!(row.next_hop, "birch");
    assert_eq!(row.envelope_id.as_deref(), Some(ENVELOPE));
    assert_eq!(
        row.original_recipient.as_deref(),
        Some("rfc822;The+Reader@birch.example")
    );
    assert_eq!(settled(&row, ReportKind::Delivery), None);
    let sent = row.sent.unwrap();
    assert_eq!(row.due, sent.checked_add(Duration::from_secs(1800)).ok());

    world.alder_switch.take().unwrap().stop().await;
    world.wake_alder().await.unwrap();
    assert_eq!(rows(&world), [row]);
    at_birch(&world, QueueAct::Resume).await;
    let row = row_that(&world, |row| settled(row, ReportKind::Delivery).is_some()).await;
    let by = settled(&row, ReportKind::Delivery).unwrap();
    assert_eq!(by.result, ReportResult::Delivered);
    assert_eq!(by.by, "domain-signing-authority@birch.example");
    let matched = told_of(&world, "report-matched", 1).await;
    let report = by.report.unwrap().to_string();
    for part in [
        &report,
        "\"kind\":\"delivery\"",
        "\"result\":\"delivered\"",
        &row.message.to_string(),
    ] {
        assert!(matched[0].contains(part), "{part} in {matched:?}");
    }
    assert_eq!(matched.len(), 1);
    assert_eq!(told(&world, "report-not-matched"), Vec::<String>::new());
    // And the originator has it all the same.
    world
        .alder_mail
        .wait_for(|octets| octets.len() > 100)
        .await
        .unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_switch_knows_itself_is_settled_with_the_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let home = address("reader@alder.example");
    send(&world, &home, asking(&home)).await;
    let row = row_that(&world, |row| row.sent.is_some()).await;
    let by = settled(&row, ReportKind::Delivery).unwrap();
    assert_eq!(
        (by.result, &*by.by, by.report),
        (ReportResult::Delivered, "switch", None)
    );
    // The receipt that the message asks for is still missed.
    assert_eq!(settled(&row, ReportKind::Receipt), None);
    assert!(row.is_missed() && row.due.is_some());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_handed_on_leaves_nothing_to_be_missed() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let home = address("reader@alder.example");
    let mut terms = asking(&home);
    // The mailbox server speaks LMTP without TLS.
    terms.service.require_tls = Asked::Yes;
    send(&world, &home, terms).await;
    let row = row_that(&world, AwaitedRow::is_settled).await;
    for kind in [ReportKind::Delivery, ReportKind::Receipt] {
        let by = settled(&row, kind).unwrap();
        assert_eq!((by.result, &*by.by), (ReportResult::Failed, "switch"));
    }
    assert_eq!((row.sent, row.due), (None, None));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_a_person_forges_or_that_comes_twice_settles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    at_birch(&world, QueueAct::Hold).await;
    send(&world, &abroad(), asking(&abroad())).await;
    let row = row_that(&world, |row| row.sent.is_some()).await;
    let forge = Forge::of(&world);

    // BIRCH's own reader says that the mailbox has it, over BIRCH's border.
    let reader = world.birch.person("reader").unwrap();
    let report = forge.delivery(&row, "delivered");
    let reply = forge
        .by_way_of_birch(&world, &reader.address, &reader.sign, report.clone())
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let told = told_of(&world, "report-not-matched", 1).await;
    assert!(told[0].contains("\"why\":\"author\""), "{told:?}");

    // The mail system itself, but of another message, for another recipient, or not as one reports.
    let border = forge.border(&world);
    for (count, (from, to, why)) in [
        ("Message-ID: <", "Message-ID: <other", "message-id"),
        (ENVELOPE, "QQ-315", "envelope-id"),
        ("The+Reader", "Another", "recipient"),
        ("Action: delivered", "Action: imagined", "unreadable"),
    ]
    .into_iter()
    .enumerate()
    {
        let changed = report.replace(from, to);
        assert_ne!(changed, report);
        let reply = forge
            .over_the_border(&world, &border, changed, ReversePath::Null)
            .await;
        assert!(reply.starts_with("250 "), "{reply}");
        let told = told_of(&world, "report-not-matched", count + 2).await;
        assert!(
            told[count + 1].contains(&format!("\"why\":\"{why}\"")),
            "{why}: {told:?}"
        );
    }
    let from = ReversePath::Address(border.address.clone());
    let reply = forge
        .over_the_border(&world, &border, report.clone(), from)
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let told = told_of(&world, "report-not-matched", 6).await;
    assert!(told[5].contains("\"why\":\"sender\""), "{told:?}");
    assert_eq!(rows(&world), std::slice::from_ref(&row));

    // Nobody signed it: it does not even pass.
    let reply = forge.unsigned(&world, &border, report.clone()).await;
    assert!(
        reply.starts_with("550 5.7.") && reply.contains("signature.missing"),
        "{reply}"
    );
    assert_eq!(rows(&world), [row]);

    // As it should be, it settles, once.
    for _ in 0..2 {
        let reply = forge
            .over_the_border(&world, &border, report.clone(), ReversePath::Null)
            .await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let told = told_of(&world, "report-not-matched", 7).await;
    assert!(told[6].contains("\"why\":\"duplicate\""), "{told:?}");
    assert_eq!(told_of(&world, "report-matched", 1).await.len(), 1);
    let row = row_that(&world, |row| settled(row, ReportKind::Delivery).is_some()).await;
    assert_eq!(
        settled(&row, ReportKind::Delivery).unwrap().result,
        ReportResult::Delivered
    );
    world.end().await;
}

/// What BIRCH's reader finds in the message that came.
fn opened(world: &World, octets: &[u8]) -> Facts {
    let keys = [world.birch.person("reader").unwrap().encrypt.clone()];
    let opener = Opener {
        policies: &world.birch_config.policies,
        keys: Keys::of(&keys),
        trust: &world.birch_config.links[1].trust,
        at: Timestamp::now(),
        limits: Limits::default(),
    };
    let bytes: Arc<[u8]> = octets.into();
    open::facts(&opener, Piece::whole(Arc::new(bytes))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_report_settles_for_the_reader_alone() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let head = format!(
        "From: drafter@alder.example\r\nTo: reader@birch.example\r\n\
         Subject: Passage\r\nDate: {}\r\nMessage-ID: <passage@alder.example>\r\n\
         MMHS-Primary-Precedence: 3\r\nDisposition-Notification-To: drafter@alder.example\r\n",
        ravelin::clock::rfc5322_date(Timestamp::now())
    );
    let label = label::ess::encode(&confidential(&world)).unwrap();
    let entity = "Content-Type: text/plain; hp=\"clear\"\r\n\r\nAt first light.\r\n";
    let message = forge::signed(&head, &drafter.sign, entity, &label);
    let from = ReversePath::Address(drafter.address.clone());
    let (alder, config) = (&world.alder, &world.alder_config);
    let terms = asking(&abroad());
    let reply = forge::hand_in(
        alder,
        config,
        &drafter.sign,
        from,
        &abroad(),
        message,
        terms,
    )
    .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let row = row_that(&world, |row| settled(row, ReportKind::Delivery).is_some()).await;
    assert_eq!(settled(&row, ReportKind::Disposition), None);
    assert!(row.is_missed());

    let forge = Forge::of(&world);
    let report = forge.disposition(&row, "displayed");
    // The mail system says nothing of what people read.
    let border = forge.border(&world);
    let reply = forge
        .over_the_border(&world, &border, report.clone(), ReversePath::Null)
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let told = told_of(&world, "report-not-matched", 1).await;
    assert!(told[0].contains("\"why\":\"author\""), "{told:?}");
    // Nor does the reader of another message.
    let reader = world.birch.person("reader").unwrap();
    let other = report.replace("<passage@", "<other@");
    let reply = forge
        .by_way_of_birch(&world, &reader.address, &reader.sign, other)
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let told = told_of(&world, "report-not-matched", 2).await;
    assert!(told[1].contains("\"why\":\"unknown\""), "{told:?}");
    assert_eq!(rows(&world), [row]);

    let reply = forge
        .by_way_of_birch(&world, &reader.address, &reader.sign, report)
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let row = row_that(&world, AwaitedRow::is_settled).await;
    let by = settled(&row, ReportKind::Disposition).unwrap();
    assert_eq!(
        (by.result, &*by.by),
        (ReportResult::Displayed, "reader@birch.example")
    );
    assert_eq!(row.due, None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_receipt_settles_for_exactly_this_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    send(&world, &abroad(), asking(&abroad())).await;
    let first = row_that(&world, |row| settled(row, ReportKind::Delivery).is_some()).await;
    let (_, octets) = world
        .birch_mail
        .wait_for(|octets| !octets.is_empty())
        .await
        .unwrap();
    let facts = opened(&world, &octets);
    let mut signers = facts.layers.iter().flat_map(|layer| layer.signers());
    let asks = |signer: &&SignerFacts| signer.report.receipt_request_der.is_some();
    let original = &signers.find(asks).unwrap().report;
    let forge = Forge::of(&world);
    let reader = world.birch.person("reader").unwrap();
    let reader = Author {
        address: reader.address.clone(),
        sign: reader.sign.clone(),
    };

    // For a signature that the message does not have.
    let mut other = original.clone();
    other.signature[10] ^= 1;
    let message = forge.receipt(&reader, &other);
    let reply = forge
        .message_by_way_of_birch(&world, &reader, message)
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let told = told_of(&world, "report-not-matched", 1).await;
    assert!(told[0].contains("\"why\":\"unknown\""), "{told:?}");
    // For the signature, but not for what it signs.
    let mut other = original.clone();
    other.message_signature_digest.as_mut().unwrap()[0] ^= 1;
    let message = forge.receipt(&reader, &other);
    let reply = forge
        .message_by_way_of_birch(&world, &reader, message)
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let told = told_of(&world, "report-not-matched", 2).await;
    assert!(told[1].contains("\"why\":\"receipt\""), "{told:?}");
    assert_eq!(rows(&world), [first]);

    let message = forge.receipt(&reader, original);
    let reply = forge
        .message_by_way_of_birch(&world, &reader, message.clone())
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let row = row_that(&world, AwaitedRow::is_settled).await;
    let by = settled(&row, ReportKind::Receipt).unwrap();
    assert_eq!(
        (by.result, &*by.by),
        (ReportResult::Received, "reader@birch.example")
    );
    // Played back, it says nothing new.
    let reply = forge
        .message_by_way_of_birch(&world, &reader, message)
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    let told = told_of(&world, "report-not-matched", 3).await;
    assert!(told[2].contains("\"why\":\"duplicate\""), "{told:?}");
    world.end().await;
}
