//! Draft and release: nobody releases alone what they drafted, and nothing else counts as a release.

use std::path::Path;

use ravelin::cli::demo::{RELEASE_RULE, World};
use ravelin::clock::Clock;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::ess;
use ravelin::message::DraftId;
use ravelin::message::address::Address;
use ravelin::message::mime::multipart_signed;
use ravelin::open::SignerFacts;
use ravelin::review::Release;
use ravelin::store::Store;

async fn world(dir: &Path, rules: &str) -> World {
    let mut world = World::found(dir, Clock::system(), rules).await.unwrap();
    world.wake_alder().await.unwrap();
    world
}

/// A SECRET message of ALDER's drafter to BIRCH, and the draft that it becomes.
async fn draft(world: &World) -> DraftId {
    let drafter = world.alder.person("drafter").unwrap();
    let to = [Address::parse("reader@birch.example").unwrap()];
    let label = world
        .label(
            "SECRET",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let message = world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap();
    let store = &world.running().unwrap().store;
    let before: Vec<DraftId> = ids(store);
    let outcome = world.submit(drafter, &to, &message).await.unwrap();
    assert_eq!(outcome.reply().code, 250);
    // Names are random: the new one is not the last one.
    let mut after = ids(store);
    after.retain(|id| !before.contains(id));
    after.pop().unwrap()
}

fn ids(store: &Store) -> Vec<DraftId> {
    store.drafts().unwrap().iter().map(|row| row.id).collect()
}

/// What the person with this local part signs over the draft.
async fn signed(world: &World, id: DraftId, local: &str) -> Release {
    let officer = world.desk("officer").unwrap();
    let octets = officer.message(id).await.unwrap();
    let opener = ravelin::open::Opener {
        keys: Default::default(),
        trust: &world.alder_config.trust,
        policies: &world.alder_config.policies,
        at: world.clock.now(),
        limits: ravelin::message::mime::Limits::default(),
    };
    let bytes: std::sync::Arc<[u8]> = octets.as_ref().into();
    let piece = ravelin::open::Piece::whole(std::sync::Arc::new(bytes));
    let facts = ravelin::open::facts(&opener, piece).unwrap();
    let (layer, _) = facts.drafted().unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let signers = facts.layers[layer].signers();
    let is_drafter = |signer: &SignerFacts| signer.is(&drafter.address);
    let index = signers.iter().position(is_drafter).unwrap();
    let desk = world.desk(local).unwrap();
    desk.sign(index, &signers[index].report).unwrap()
}

fn queued_for_birch(world: &World) -> usize {
    let entries = world.running().unwrap().store.entries().unwrap();
    entries
        .iter()
        .filter(|entry| entry.next_hop == "birch")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_releases_and_the_drafter_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), RELEASE_RULE).await;
    let id = draft(&world).await;
    assert_eq!(queued_for_birch(&world), 0);
    let release = signed(&world, id, "officer").await;
    let desk = world.desk("officer").unwrap();
    assert_eq!(desk.approve(id, &release).await.unwrap().state, "released");
    assert_eq!(queued_for_birch(&world), 1);
    assert!(desk.drafts().await.unwrap().is_empty());
    // What is released is no draft any more: nobody signs it twice.
    assert!(desk.approve(id, &release).await.is_err());
    assert_eq!(queued_for_birch(&world), 1);
    let told = |octets: &[u8]| String::from_utf8_lossy(octets).contains("was released");
    let (_, notice) = world.alder_mail.wait_for(told).await.unwrap();
    let notice = String::from_utf8(notice).unwrap();
    assert!(
        notice.contains("Released by officer@alder.example"),
        "{notice}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drafted_it_does_not_release_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), RELEASE_RULE).await;
    let id = draft(&world).await;
    let release = signed(&world, id, "drafter").await;
    let error = world
        .desk("drafter")
        .unwrap()
        .approve(id, &release)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("release.by-drafter"), "{error}");
    // Nor does an officer who hands the drafter's signature in.
    let error = world
        .desk("officer")
        .unwrap()
        .approve(id, &release)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("release.by-drafter"), "{error}");
    assert_eq!(queued_for_birch(&world), 0);
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let refused = chain
        .lines()
        .filter(|line| line.contains("\"act\":\"review-refused\""));
    let refused: Vec<&str> = refused.collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    let reason = "\"decision\":\"release.by-drafter\"";
    assert!(refused.iter().all(|line| line.contains(reason)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_role_neither_sees_nor_releases() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), RELEASE_RULE).await;
    let id = draft(&world).await;
    // Cleared for the label, but no officer.
    let release = signed(&world, id, "reader").await;
    let reader = world.desk("reader").unwrap();
    assert!(reader.drafts().await.unwrap().is_empty());
    let error = reader.message(id).await.unwrap_err();
    assert!(error.to_string().contains("unknown-draft"), "{error}");
    let error = reader.approve(id, &release).await.unwrap_err();
    assert!(error.to_string().contains("unknown-draft"), "{error}");
    let error = world
        .desk("officer")
        .unwrap()
        .approve(id, &release)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("release.not-authorised"),
        "{error}"
    );
    assert_eq!(queued_for_birch(&world), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_over_another_draft_or_a_changed_one_releases_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), RELEASE_RULE).await;
    let (one, other) = (draft(&world).await, draft(&world).await);
    let desk = world.desk("officer").unwrap();
    let release = signed(&world, other, "officer").await;
    let error = desk.approve(one, &release).await.unwrap_err();
    assert!(error.to_string().contains("release.invalid"), "{error}");
    let mut release = signed(&world, one, "officer").await;
    let last = release.signature.len() - 1;
    release.signature[last] ^= 1;
    let error = desk.approve(one, &release).await.unwrap_err();
    assert!(error.to_string().contains("release.invalid"), "{error}");
    release.signature.truncate(40);
    let error = desk.approve(one, &release).await.unwrap_err();
    assert!(error.to_string().contains("release.invalid"), "{error}");
    assert_eq!(desk.drafts().await.unwrap().len(), 2);
    assert_eq!(queued_for_birch(&world), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_officers_are_two_people() {
    let dir = tempfile::tempdir().unwrap();
    let rules = RELEASE_RULE.replace("officers = 1", "officers = 2");
    let world = world(dir.path(), &rules).await;
    let id = draft(&world).await;
    let desk = world.desk("officer").unwrap();
    for _ in 0..2 {
        let release = signed(&world, id, "officer").await;
        let approved = desk.approve(id, &release).await.unwrap();
        assert_eq!(approved.state, "waiting");
        assert_eq!(approved.needs[0].signed, ["officer@alder.example"]);
    }
    assert_eq!(queued_for_birch(&world), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returned_draft_goes_back_with_its_reason_and_not_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), RELEASE_RULE).await;
    let id = draft(&world).await;
    let desk = world.desk("officer").unwrap();
    desk.send_back(id, "name the strait\r\nBcc: everybody")
        .await
        .unwrap();
    assert!(desk.drafts().await.unwrap().is_empty());
    let told = |octets: &[u8]| String::from_utf8_lossy(octets).contains("was returned");
    let (_, notice) = world.alder_mail.wait_for(told).await.unwrap();
    let notice = String::from_utf8(notice).unwrap();
    assert!(
        notice.contains("Returned by officer@alder.example: name the strait"),
        "{notice}"
    );
    assert!(!notice.contains("\r\nBcc:"), "{notice}");
    assert_eq!(queued_for_birch(&world), 0);
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    assert_eq!(chain.matches("\"act\":\"returned\"").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_is_late_alarms_the_postmaster_and_reminds_its_officers_once() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(ravelin::clock::Timestamp::now());
    let rules = World::found(dir.path(), clock.clone(), RELEASE_RULE).await;
    let mut world = rules.unwrap();
    world.wake_alder().await.unwrap();
    let id = draft(&world).await;
    let minutes = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
    let late = || {
        let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
        let lines = chain
            .lines()
            .filter(|line| line.contains("\"act\":\"overdue\"") && line.contains("\"draft\":"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // IMMEDIATE has half an hour. The switch itself looks at intervals, too: once in any case.
    clock.advance(minutes(29));
    let switch = std::sync::Arc::clone(&world.running().unwrap().switch);
    assert_eq!(switch.alarm_of_drafts().await.unwrap(), 0);
    assert!(late().is_empty());
    clock.advance(minutes(2));
    for _ in 0..2 {
        switch.alarm_of_drafts().await.unwrap();
        assert_eq!(late().len(), 1);
    }
    assert!(late()[0].contains(&format!("\"draft\":\"{id}\"")));
    drop(switch);
    // What was on its way to a mailbox when the clock went on may be late, too.
    let subject = "Subject: OVERDUE: IMMEDIATE draft";
    let alarm = |octets: &[u8]| String::from_utf8_lossy(octets).contains(subject);
    let (_, alarm) = world.alder_mail.wait_for(alarm).await.unwrap();
    let alarm = String::from_utf8(alarm).unwrap();
    for part in [
        "Subject: OVERDUE: IMMEDIATE draft waits for release",
        "To: postmaster@alder.example",
        "signed by   0 of 1 x releasing-officer",
        &id.to_string(),
    ] {
        assert!(alarm.contains(part), "no {part} in {alarm}");
    }
    for secret in ["northern", "SECRET", "drafter@"] {
        assert!(!alarm.contains(secret), "{alarm}");
    }
    // The officer was told when it came, and is reminded.
    let told = || {
        let files = world.alder_mail.after(0);
        let texts = files
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap());
        texts
            .filter(|text| text.contains("waits for your release"))
            .count()
    };
    let begun = std::time::Instant::now();
    while told() < 2 {
        assert!(begun.elapsed() < minutes(1), "the officer was not reminded");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // A new start does not tell again; the draft can be released as before.
    world.alder_switch.take().unwrap().stop().await;
    world.wake_alder().await.unwrap();
    let running = world.running().unwrap();
    assert_eq!(running.switch.alarm_of_drafts().await.unwrap(), 0);
    let release = signed(&world, id, "officer").await;
    let desk = world.desk("officer").unwrap();
    assert_eq!(desk.approve(id, &release).await.unwrap().state, "released");
    assert_eq!(queued_for_birch(&world), 1);
    world.end().await;
    assert_eq!(late().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drafted_it_takes_it_back_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), RELEASE_RULE).await;
    let id = draft(&world).await;
    let (drafter, officer) = (
        world.desk("drafter").unwrap(),
        world.desk("officer").unwrap(),
    );
    // The officer may return it, and has no drafts of their own.
    assert!(officer.own_drafts().await.unwrap().is_empty());
    for other in ["officer", "reader", "clerk"] {
        let desk = world.desk(other).unwrap();
        let error = desk.withdraw(id, "mine now").await.unwrap_err();
        assert!(
            error.to_string().contains("unknown-draft"),
            "{other}: {error}"
        );
    }
    let own = drafter.own_drafts().await.unwrap();
    assert_eq!(own.iter().map(|view| view.id).collect::<Vec<_>>(), [id]);
    let release = signed(&world, id, "officer").await;
    drafter.withdraw(id, "overtaken by events").await.unwrap();
    assert!(drafter.own_drafts().await.unwrap().is_empty());
    // A signature that was on its way releases nothing any more.
    let error = officer.approve(id, &release).await.unwrap_err();
    assert!(error.to_string().contains("unknown-draft"), "{error}");
    assert!(drafter.withdraw(id, "again").await.is_err());
    let told = |octets: &[u8]| String::from_utf8_lossy(octets).contains("was withdrawn");
    let (_, notice) = world.alder_mail.wait_for(told).await.unwrap();
    let notice = String::from_utf8(notice).unwrap();
    let said = "Withdrawn by drafter@alder.example: overtaken by events";
    assert!(notice.contains(said), "{notice}");
    assert_eq!(queued_for_birch(&world), 0);
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let events = chain
        .lines()
        .filter(|l| l.contains("\"act\":\"withdrawn\""));
    let events: Vec<&str> = events.collect();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("\"actor\":\"drafter@alder.example\""));
    assert!(events[0].contains(&format!("\"draft\":\"{id}\"")));
    assert!(!chain.contains("\"act\":\"released\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_nobody_releases_expires_by_its_precedence() {
    let dir = tempfile::tempdir().unwrap();
    let rules = format!("\n[review]\nlife = [[\"immediate\", \"0s\"]]\n{RELEASE_RULE}");
    let mut world = world(dir.path(), &rules).await;
    let id = draft(&world).await;
    assert_eq!(
        world
            .running()
            .unwrap()
            .switch
            .expire_drafts()
            .await
            .unwrap(),
        1
    );
    assert!(world.desk("officer").unwrap().draft(id).await.is_err());
    let told = |octets: &[u8]| String::from_utf8_lossy(octets).contains("expired");
    world.alder_mail.wait_for(told).await.unwrap();
    assert_eq!(queued_for_birch(&world), 0);
    world.end().await;
}

const TWO_HANDS: &str = r#"
[[review.signers]]
name = "two-hands"
classifications = ["SECRET"]
role = "releasing-officer"
"#;

/// A SECRET message at home, signed side by side by these people.
fn signed_beside(world: &World, people: &[&str]) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let label = world
        .label("SECRET", &[("Releasable To", "ALDER")])
        .unwrap();
    let label = ravelin::label::ess::encode(&label).unwrap();
    let fields =
        "From: drafter@alder.example\r\nTo: reader@alder.example\r\nSubject: two hands\r\n";
    let part = format!("{fields}Content-Type: text/plain; hp=\"clear\"\r\n\r\nBy two.\r\n");
    let signers: Vec<Signer<'_>> = people
        .iter()
        .map(|local| match *local {
            "drafter" => &drafter.sign,
            other => &world.alder.person(other).unwrap().sign,
        })
        .map(|identity| Signer::new(identity, vec![ess::security_label(&label)]))
        .collect();
    let signature = sign::sign(&SignOrder {
        content: part.as_bytes(),
        content_type: oid::DATA,
        form: Form::Detached,
        signers: &signers,
        signing_time: world.clock.now(),
        extra_certificates: &[],
    })
    .unwrap();
    let body = multipart_signed(part.as_bytes(), "sha-384", &signature).unwrap();
    [format!("{fields}MIME-Version: 1.0\r\n").as_bytes(), &body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_rule_asks_for_two_hands_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), TWO_HANDS).await;
    let to = [Address::parse("reader@alder.example").unwrap()];
    for (people, code) in [
        (&["drafter"][..], 550),
        // Two signatures of one person are one hand, and the reader's has not the role.
        (&["drafter", "drafter"], 550),
        (&["drafter", "reader"], 550),
        (&["drafter", "officer"], 250),
    ] {
        let drafter = world.alder.person("drafter").unwrap();
        let message = signed_beside(&world, people);
        let outcome = world.submit(drafter, &to, &message).await.unwrap();
        let text = outcome.reply().text();
        assert_eq!(outcome.reply().code, code, "{people:?}: {text}");
        assert_eq!(code == 550, text.contains("(signature.missing)"), "{text}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_beside_the_drafter_does_not_release() {
    let dir = tempfile::tempdir().unwrap();
    let rule = RELEASE_RULE.replace("\"birch\"", "\"mailboxes\"");
    let world = world(dir.path(), &rule).await;
    let drafter = world.alder.person("drafter").unwrap();
    let to = [Address::parse("reader@alder.example").unwrap()];
    for (people, releases) in [(&["drafter"][..], true), (&["drafter", "officer"], false)] {
        let store = &world.running().unwrap().store;
        let before = ids(store);
        let message = signed_beside(&world, people);
        let outcome = world.submit(drafter, &to, &message).await.unwrap();
        assert_eq!(outcome.reply().code, 250);
        let mut after = ids(store);
        after.retain(|id| !before.contains(id));
        let id = after.pop().unwrap();
        let release = signed(&world, id, "officer").await;
        let answer = world.desk("officer").unwrap().approve(id, &release).await;
        match answer {
            Ok(approved) => assert!(releases && approved.state == "released"),
            Err(error) => {
                assert!(!releases, "{error}");
                assert!(error.to_string().contains("release.by-drafter"), "{error}");
            }
        }
    }
    world.end().await;
}
