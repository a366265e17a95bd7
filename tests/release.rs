//! Draft and release: nobody releases alone what they drafted, and nothing else counts as a release.

use std::path::Path;

use ravelin::cli::demo::{RELEASE_RULE, World};
use ravelin::clock::Clock;
use ravelin::message::DraftId;
use ravelin::message::address::Address;
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
        keys: &[],
        trust: &world.alder_config.trust,
        policies: &world.alder_config.policies,
        at: world.clock.now(),
        limits: ravelin::message::mime::Limits::default(),
    };
    let bytes: std::sync::Arc<[u8]> = octets.as_ref().into();
    let piece = ravelin::open::Piece::whole(std::sync::Arc::new(bytes));
    let facts = ravelin::open::facts(&opener, piece).unwrap();
    let (layer, _) = facts.drafted().unwrap();
    let drafter = &facts.layers[layer].signers()[0].report;
    world.desk(local).unwrap().sign(0, drafter).unwrap()
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
