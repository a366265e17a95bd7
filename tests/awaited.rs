//! Reports on what was sent: awaited from the commit of the message on, settled by those who may,
//! missed in time. Two switches that run, with their mailbox servers.

#[path = "awaited/forge.rs"]
mod forge;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forge::{Author, Forge};
use ravelin::admin::reports::AskedReports;
use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::crypto::cms::decrypt::Keys;
use ravelin::label::{self, Label};
use ravelin::message::Precedence;
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::mime::Limits;
use ravelin::message::service::{
    Asked, Notify, OriginalRecipient, RecipientService, Service, Terms,
};
use ravelin::message::xtext::Xtext;
use ravelin::open::{self, Facts, Opener, Piece, SignerFacts};
use ravelin::queue::Which;
use ravelin::report::Standing;
use ravelin::store::{AwaitedRow, Awaiting, ReportKind, ReportResult, Settled};
use ravelin::switch::QueueAct;

const ENVELOPE: &str = "QQ+314";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn abroad() -> Address {
    address("reader@birch.example")
}

async fn world(dir: &Path) -> World {
    world_at(dir, Clock::system(), "").await
}

/// Both switches under one clock, with a clerk who operates ALDER's, and `rules` in its configuration.
async fn world_at(dir: &Path, clock: Clock, rules: &str) -> World {
    let mut world = World::found(dir, clock, rules).await.unwrap();
    let config = dir.join("config/alder.toml");
    let clerk = "certificate = \"../pki/alder/clerk-encrypt.pem\"\n";
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(clerk), "{text}");
    let text = text.replacen(clerk, &format!("{clerk}roles = [\"operator\"]\n"), 1);
    std::fs::write(&config, text).unwrap();
    world.alder_config = ravelin::config::load(&config).unwrap();
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

/// How many messages to the postmaster tell of reports.
fn notices(world: &World) -> usize {
    let mail = world.alder_mail.after(0);
    let is_one = |file: &std::path::PathBuf| {
        let octets = std::fs::read(file).unwrap();
        String::from_utf8_lossy(&octets).contains("\r\nSubject: OVERDUE: reports on ")
    };
    mail.iter().filter(|file| is_one(file)).count()
}

async fn look(world: &World) {
    let switch = &world.running().unwrap().switch;
    switch.tell_of_missing_reports().await.unwrap();
    switch.forget_reports().await.unwrap();
}

/// Looks until the chain has so many records of an act: a row can be read a moment before it is known
/// to be due.
async fn look_for(world: &World, act: &str, count: usize) -> Vec<String> {
    for _ in 0..1500 {
        look(world).await;
        let lines = told(world, act);
        if lines.len() >= count {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{act} {:?}", told(world, act));
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_report_is_an_alarm_once_whatever_is_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Timestamp::now());
    let mut world = world_at(dir.path(), clock.clone(), "").await;
    at_birch(&world, QueueAct::Hold).await;
    send(&world, &abroad(), asking(&abroad())).await;
    row_that(&world, |row| row.sent.is_some()).await;
    clock.advance(29 * MINUTE);
    look(&world).await;
    assert_eq!(told(&world, "report-overdue"), Vec::<String>::new());

    clock.advance(MINUTE);
    let alarms = look_for(&world, "report-overdue", 1).await;
    for part in [
        "reader@birch.example",
        "IMMEDIATE",
        "\"awaited\":\"delivery, receipt\"",
        "\"next-hop\":\"birch\"",
    ] {
        assert!(alarms[0].contains(part), "{part} in {alarms:?}");
    }
    let is_notice = |octets: &[u8]| String::from_utf8_lossy(octets).contains("OVERDUE: reports");
    let (_, octets) = world.alder_mail.wait_for(is_notice).await.unwrap();
    let text = String::from_utf8_lossy(&octets).into_owned();
    let row = rows(&world).remove(0);
    assert!(
        text.contains(&format!("IMMEDIATE  {}  reader@birch.example", row.message)),
        "{text}"
    );
    assert!(text.contains("To: postmaster@alder.example"), "{text}");
    assert!(!text.contains("Passage"), "{text}");
    assert_eq!(row.alarmed, Some(clock.now()));

    clock.advance(MINUTE);
    look(&world).await;
    world.alder_switch.take().unwrap().stop().await;
    world.wake_alder().await.unwrap();
    look(&world).await;
    assert_eq!(told(&world, "report-overdue").len(), 1);
    assert_eq!(rows(&world), [row]);

    // Late, and welcome: it settles all the same.
    at_birch(&world, QueueAct::Resume).await;
    let row = row_that(&world, |row| settled(row, ReportKind::Delivery).is_some()).await;
    assert!(row.alarmed.is_some() && row.is_missed());
    clock.advance(60 * MINUTE);
    look(&world).await;
    assert_eq!(
        (told(&world, "report-overdue").len(), notices(&world)),
        (1, 1)
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_answer_that_was_asked_for_is_missed_and_nothing_is_kept_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Timestamp::now());
    let rules = "\n[reports]\nkept = \"2d\"\ngiven-up = \"10d\"\ndue = [[\"immediate\", \"5m\"]]\n";
    let world = world_at(dir.path(), clock.clone(), rules).await;
    let drafter = world.alder.person("drafter").unwrap();
    let label = label::ess::encode(&confidential(&world)).unwrap();
    let home = address("reader@alder.example");
    let submit = async |id: &str, more: &str, terms: Terms| {
        let head = format!(
            "From: drafter@alder.example\r\nTo: reader@alder.example\r\nSubject: Passage\r\n\
             Date: {}\r\nMessage-ID: <{id}@alder.example>\r\nMMHS-Primary-Precedence: 3\r\n{more}",
            ravelin::clock::rfc5322_date(Timestamp::now())
        );
        let entity = "Content-Type: text/plain; hp=\"clear\"\r\n\r\nAt first light.\r\n";
        let message = forge::signed(&head, &drafter.sign, entity, &label);
        let from = ReversePath::Address(drafter.address.clone());
        let (alder, config) = (&world.alder, &world.alder_config);
        let reply = forge::hand_in(alder, config, &drafter.sign, from, &home, message, terms);
        let reply = reply.await;
        assert!(reply.starts_with("250 "), "{reply}");
    };
    // Nobody asks for anything: there is no row.
    submit("one", "", Terms::default()).await;
    assert_eq!(rows(&world), []);
    // Only what goes wrong is to be told; and it is delivered.
    let mut trouble = asking(&home);
    let asked = trouble.service.recipients.get_mut(&home).unwrap();
    asked.notify = Some(Notify {
        failure: Asked::Yes,
        ..Notify::default()
    });
    submit("two", "", trouble).await;
    let row = row_that(&world, AwaitedRow::is_settled).await;
    assert_eq!(
        (row.asked(ReportKind::Delivery).unwrap().awaiting, row.due),
        (Awaiting::Trouble, None)
    );
    clock.advance(5 * MINUTE);
    look(&world).await;
    assert_eq!(told(&world, "report-overdue"), Vec::<String>::new());
    clock.advance(2 * 24 * 60 * MINUTE);
    let forgotten = look_for(&world, "reports-forgotten", 1).await;
    assert!(forgotten[0].contains("\"missed\":\"0\""), "{forgotten:?}");
    assert_eq!(rows(&world), []);

    // A read report is asked for, and does not come.
    let to = "Disposition-Notification-To: drafter@alder.example\r\n";
    submit("three", to, Terms::default()).await;
    row_that(&world, |row| row.sent.is_some()).await;
    clock.advance(4 * MINUTE);
    look(&world).await;
    assert_eq!(told(&world, "report-overdue").len(), 0);
    clock.advance(MINUTE);
    assert_eq!(look_for(&world, "report-overdue", 1).await.len(), 1);
    clock.advance(10 * 24 * 60 * MINUTE);
    let forgotten = look_for(&world, "reports-forgotten", 2).await;
    assert_eq!(rows(&world), []);
    assert!(forgotten[1].contains("\"missed\":\"1\""), "{forgotten:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lists_what_is_awaited_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Timestamp::now());
    let world = world_at(dir.path(), clock.clone(), "\n[reports]\nmost = 3\n").await;
    let home = address("reader@alder.example");
    for _ in 0..3 {
        send(&world, &home, asking(&home)).await;
    }
    // There is room for three.
    send(&world, &home, asking(&home)).await;
    let told = told_of(&world, "reports-not-awaited", 1).await;
    assert!(told[0].contains("\"recipients\":\"1\""), "{told:?}");
    for _ in 0..1500 {
        if rows(&world).iter().all(|row| row.sent.is_some()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let all = AskedReports::default();
    let refused = world.desk("drafter").unwrap().reports(&all, None).await;
    assert!(
        refused
            .err()
            .unwrap()
            .to_string()
            .contains("(role.missing)")
    );
    let clerk = world.desk("clerk").unwrap();
    let (listed, next) = clerk.reports(&all, None).await.unwrap();
    assert_eq!((listed.len(), next), (3, None));
    assert!(
        listed.iter().all(|one| one.state == Standing::Awaited),
        "{listed:#?}"
    );
    // Page by page it is the same.
    let pages = AskedReports {
        limit: Some(1),
        ..all.clone()
    };
    assert_eq!(clerk.reports(&pages, None).await.unwrap().0, listed);
    let (first, next) = clerk.reports(&all, Some(1)).await.unwrap();
    assert_eq!(first, listed[..1]);
    let rest = AskedReports {
        after: next,
        ..all.clone()
    };
    assert_eq!(clerk.reports(&rest, None).await.unwrap().0, listed[1..]);
    let lost = AskedReports {
        after: Some("3.x.y".into()),
        ..all.clone()
    };
    let error = clerk.reports(&lost, None).await.err().unwrap().to_string();
    assert!(error.contains("not a place"), "{error}");

    let overdue = AskedReports {
        overdue: true,
        ..all.clone()
    };
    assert_eq!(clerk.reports(&overdue, None).await.unwrap().0, []);
    clock.advance(30 * MINUTE);
    assert_eq!(clerk.reports(&overdue, None).await.unwrap().0.len(), 3);
    for (precedence, count) in [(Precedence::Immediate, 3), (Precedence::Flash, 0)] {
        let of = AskedReports {
            precedence: Some(precedence),
            message: None,
            ..all.clone()
        };
        assert_eq!(clerk.reports(&of, None).await.unwrap().0.len(), count);
    }
    let message = listed[0].row.message;
    world.end().await;

    // And of the switch that is stopped.
    let config = dir.path().join("config/alder.toml");
    let ravelin = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ravelin"))
            .args(["reports", "list", "--config", config.to_str().unwrap()])
            .args(arguments)
            .env_remove("RAVELIN_LOG")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = ravelin(&["--message", &message.to_string()]);
    let [head, line] = table.lines().collect::<Vec<_>>()[..] else {
        panic!("{table}");
    };
    assert!(head.starts_with("MESSAGE"), "{head}");
    for part in [&*message.to_string(), "IMMEDIATE", "delivered", "awaited"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let json: serde_json::Value = serde_json::from_str(&ravelin(&["--format", "json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
    assert_eq!(json[0]["reports"][0]["settled"]["result"], "delivered");
    assert_eq!(json[0]["recipient"], "reader@alder.example");
}
