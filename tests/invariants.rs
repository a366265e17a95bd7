//! The invariants of the design, each by its name, against a switch that runs.
//!
//! Those that have a file of their own: 1 `tests/compile_fail.rs`, 2 `tests/crash.rs`,
//! 8 `tests/smuggling.rs`.

use std::path::Path;
use std::sync::Arc;

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::ess;
use ravelin::label::{self, Label};
use ravelin::message::address::Address;
use ravelin::message::mime::{Limits, multipart_signed};
use ravelin::open::{self, Facts, Opener, Piece};
use ravelin::smtp::dialogue::Outcome;

/// A world without release rules, with ALDER's switch up.
async fn world(dir: &Path) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    world
}

fn reader() -> Vec<Address> {
    vec![Address::parse("reader@alder.example").unwrap()]
}

fn abroad() -> Vec<Address> {
    vec![Address::parse("reader@birch.example").unwrap()]
}

fn said(outcome: &Outcome) -> String {
    format!("{} {}", outcome.reply().code, outcome.reply().text())
}

/// Submits as ALDER's drafter.
async fn submit(world: &World, to: &[Address], message: &[u8]) -> String {
    let drafter = world.alder.person("drafter").unwrap();
    said(&world.submit(drafter, to, message).await.unwrap())
}

fn written(world: &World, to: &[Address], label: &Label) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    world
        .compose(&drafter.address, to, Some(label), &drafter.sign)
        .unwrap()
}

fn replaced(message: &[u8], from: &str, to: &str, count: usize) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert!(text.contains(from));
    text.replacen(from, to, count).into_bytes()
}

fn facts(world: &World, message: &[u8], keys: &[ravelin::crypto::keys::Identity]) -> Facts {
    let opener = Opener {
        keys: keys.into(),
        trust: &world.alder_config.trust,
        policies: &world.alder_config.policies,
        at: Timestamp::now(),
        limits: Limits::default(),
    };
    let bytes: Arc<[u8]> = message.into();
    open::facts(&opener, Piece::whole(Arc::new(bytes))).unwrap()
}

fn chain(world: &World, nation: &str) -> String {
    std::fs::read_to_string(world.dir.join(format!("audit/{nation}.jsonl"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_value_and_a_fault_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    // Our own revocation list has run out: that is our fault, and the peer keeps the message.
    let now = Timestamp::now();
    let long_ago = now - std::time::Duration::from_secs(90 * 86_400);
    let stale = world
        .alder
        .authority
        .crl_until(
            &[],
            long_ago,
            long_ago + std::time::Duration::from_secs(86_400),
        )
        .unwrap();
    let pem = ravelin::crypto::pem::encode("X509 CRL", &stale);
    std::fs::write(dir.path().join("pki/alder/ca.crl.pem"), pem).unwrap();
    world.alder_config = ravelin::config::load(&dir.path().join("config/alder.toml")).unwrap();
    world.wake_alder().await.unwrap();
    let label = world.label("SECRET", &[]).unwrap();
    let message = written(&world, &reader(), &label);
    // The drafter's own program asks for no list, so that it speaks to the switch at all.
    let trusting = ravelin::crypto::trust::TrustStore::new(
        vec![world.alder.authority.certificate().clone()],
        Vec::new(),
        Vec::new(),
    )
    .with_revocation(ravelin::crypto::trust::RevocationCheck::Optional);
    let drafter = world.alder.person("drafter").unwrap();
    let outcome = ravelin::cli::demo::submit(
        world.alder.ports.submission,
        &world.alder.host(),
        &trusting,
        drafter,
        &reader(),
        &message,
        &world.clock,
    )
    .await
    .unwrap();
    assert!(said(&outcome).starts_with("451 "), "{}", said(&outcome));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_means_no() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let to = reader();
    let mut label = world.label("SECRET", &[]).unwrap();
    label.policy = Some("1.3.6.1.4.1.32473.9".parse().unwrap());
    let reply = submit(&world, &to, &written(&world, &to, &label)).await;
    assert!(reply.ends_with("(label.policy-unknown)"), "{reply}");

    let mut label = world.label("SECRET", &[]).unwrap();
    label.classification = Some(77);
    let reply = submit(&world, &to, &written(&world, &to, &label)).await;
    assert!(reply.ends_with("(label.invalid)"), "{reply}");

    let mut label = world.label("SECRET", &[]).unwrap();
    label.classification = None;
    let reply = submit(&world, &to, &written(&world, &to, &label)).await;
    assert!(reply.ends_with("(label.invalid)"), "{reply}");

    let nobody = [Address::parse("nobody@alder.example").unwrap()];
    let label = world.label("SECRET", &[]).unwrap();
    let reply = submit(&world, &nobody, &written(&world, &nobody, &label)).await;
    assert!(
        reply.contains("<nobody@alder.example> (recipient.unknown)"),
        "{reply}"
    );

    let nowhere = [Address::parse("reader@cedar.example").unwrap()];
    let reply = submit(&world, &nowhere, &written(&world, &nowhere, &label)).await;
    assert!(reply.ends_with("(recipient.unknown)"), "{reply}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_explains_itself_and_every_act_leaves_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    let clerk = [Address::parse("clerk@alder.example").unwrap()];
    let label = world.label("SECRET", &[]).unwrap();
    let reply = submit(&world, &clerk, &written(&world, &clerk, &label)).await;
    // The wire tells neither the label nor the clearance; the chain tells both.
    assert!(
        reply.ends_with("<clerk@alder.example> (clearance.insufficient)"),
        "{reply}"
    );
    assert!(
        !reply.contains("SECRET") && !reply.contains("RESTRICTED"),
        "{reply}"
    );
    let told = chain(&world, "alder");
    let line = told.lines().last().unwrap();
    for part in [
        "recipient clerk@alder.example",
        "SECRET",
        "RESTRICTED",
        "alder.xml:",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }

    let to = reader();
    let reply = submit(&world, &to, &written(&world, &to, &label)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let id = reply.split(' ').nth(1).unwrap().to_owned();
    world
        .alder_mail
        .wait_for(|octets| octets.windows(6).any(|window| window == b"convoy"))
        .await
        .unwrap();
    world.end().await;
    let told = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    for act in ["accepted", "queued", "delivered"] {
        let has = told
            .lines()
            .any(|line| line.contains(&format!("\"act\":\"{act}\"")) && line.contains(&id));
        assert!(has, "no {act} for {id} in\n{told}");
    }
    // The last word but the checkpoint that signs it.
    let acts: Vec<&str> = told.lines().rev().take(2).collect();
    assert!(acts[0].contains("\"act\":\"checkpoint\""), "{acts:?}");
    assert!(acts[1].contains("\"act\":\"stopped\""), "{acts:?}");
}

/// What a drafter signs is what both readers verify, whatever its octets look like.
#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_that_were_signed_are_never_re_encoded() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    world.wake_birch().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let to: Vec<Address> = [reader(), abroad()].concat();
    // Odd folding, trailing blanks, tabs, a lone dot, no last line end: all of it is signed.
    let part = b"Content-Type:text/plain;\r\n\tcharset=us-ascii\r\nX-Odd:   a  b \t\r\n\r\n\
        . dot\r\n..\r\n.\r\ntrailing blanks   \t\r\n\r\n\r\nno end";
    let label = world
        .label(
            "CONFIDENTIAL",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let label = label::ess::encode(&label).unwrap();
    let signature = sign::sign(&SignOrder {
        content: part,
        content_type: oid::DATA,
        form: Form::Detached,
        signers: &[Signer::new(
            &drafter.sign,
            vec![ess::security_label(&label)],
        )],
        signing_time: Timestamp::now(),
        extra_certificates: &[],
    })
    .unwrap();
    let mut message = format!(
        "From: {}\r\nTo: reader@alder.example,\r\n   reader@birch.example\r\nSubject:  odd\r\n\
         Bcc: hidden@alder.example\r\nMIME-Version: 1.0\r\n",
        drafter.address
    )
    .into_bytes();
    message.extend_from_slice(&multipart_signed(part, "sha-384", &signature).unwrap());
    let reply = submit(&world, &to, &message).await;
    assert!(reply.starts_with("250 "), "{reply}");

    let signed = |octets: &[u8]| octets.windows(6).any(|window| window == b"pkcs7-");
    let (_, at_alder) = world.alder_mail.wait_for(signed).await.unwrap();
    let (_, at_birch) = world.birch_mail.wait_for(signed).await.unwrap();
    let birch_reader = world.birch.person("reader").unwrap();
    for (message, keys) in [
        (&at_alder, &[][..]),
        (&at_birch, std::slice::from_ref(&birch_reader.encrypt)),
    ] {
        let facts = facts(&world, message, keys);
        assert_eq!(facts.payload.bytes(), part);
        assert!(
            facts
                .layers
                .iter()
                .flat_map(|layer| layer.signers())
                .all(|signer| signer.is_good())
        );
        assert!(
            !String::from_utf8_lossy(message).contains("hidden@"),
            "a blind recipient shows"
        );
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plaintext_at_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::raise(dir.path(), Clock::system()).await.unwrap();
    // One draft that is held, and one entry whose next hop is away: both stay in the store.
    let label = world
        .label(
            "SECRET",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let reply = submit(&world, &abroad(), &written(&world, &abroad(), &label)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let low = world
        .label(
            "RESTRICTED",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let reply = submit(&world, &abroad(), &written(&world, &abroad(), &low)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    world.alder_mail.wait_for(|_| true).await.unwrap();
    world.end().await;
    let mut seen = 0;
    let mut folders = vec![dir.path().join("store")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let octets = std::fs::read(&path).unwrap();
            seen += octets.len();
            for secret in [
                "convoy",
                "northern strait",
                "reader@birch.example",
                "BEGIN CERT",
            ] {
                let found = octets
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} stands in {}", path.display());
            }
        }
    }
    assert!(seen > 10_000, "the store was not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_field_that_contradicts_the_signed_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let to = reader();
    let label = world.label("SECRET", &[]).unwrap();
    let message = written(&world, &to, &label);
    for (from, wrong) in [
        (
            "Subject: Passage of the northern",
            "Subject: Passage of the southern",
        ),
        ("MMHS-Primary-Precedence: 3", "MMHS-Primary-Precedence: 5"),
        ("To: reader@alder.example", "To: clerk@alder.example"),
    ] {
        let reply = submit(&world, &to, &replaced(&message, from, wrong, 1)).await;
        assert!(reply.ends_with("(header.conflict)"), "{wrong}: {reply}");
    }
    let reply = submit(&world, &to, &message).await;
    assert!(reply.starts_with("250 "), "{reply}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_originator_is_the_one_who_signed_and_the_one_who_submits() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let (drafter, other) = (
        world.alder.person("drafter").unwrap(),
        world.alder.person("reader").unwrap(),
    );
    let to = reader();
    let label = world.label("SECRET", &[]).unwrap();
    // In another's name, with the own signature.
    let message = world
        .compose(&other.address, &to, Some(&label), &drafter.sign)
        .unwrap();
    let reply = submit(&world, &to, &message).await;
    assert!(reply.ends_with("(originator.mismatch)"), "{reply}");
    // Another's signed message, handed in by somebody who did not sign it.
    let message = world
        .compose(&other.address, &to, Some(&label), &other.sign)
        .unwrap();
    let reply = submit(&world, &to, &message).await;
    assert!(reply.ends_with("(originator.mismatch)"), "{reply}");
    let outcome = world.submit(other, &to, &message).await.unwrap();
    assert!(said(&outcome).starts_with("250 "), "{}", said(&outcome));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_does_not_name_the_far_side_stays_at_home() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let to = abroad();
    // A permissive group that is absent restricts nobody: the link asks for it by name.
    let label = world.label("SECRET", &[]).unwrap();
    let reply = submit(&world, &to, &written(&world, &to, &label)).await;
    assert!(reply.ends_with("(label.not-releasable)"), "{reply}");
    world.end().await;
}

/// BIRCH owes nobody trust: what ALDER's switch let out without a release, BIRCH's refuses, and
/// ALDER's drafter is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_the_release_it_owes_is_refused_at_the_border() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    world.wake_birch().await.unwrap();
    let label = world
        .label(
            "SECRET",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let reply = submit(&world, &abroad(), &written(&world, &abroad(), &label)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let report = |octets: &[u8]| {
        let text = String::from_utf8_lossy(octets);
        text.contains("report-type=delivery-status")
    };
    let (_, octets) = world.alder_mail.wait_for(report).await.unwrap();
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("To: drafter@alder.example"), "{text}");
    assert!(text.contains("Action: failed\r\nStatus: 5.7.1"), "{text}");
    assert!(text.contains("(release.missing)"), "{text}");
    assert!(
        !text.contains("convoy") && !text.contains("SECRET"),
        "{text}"
    );
    assert!(chain(&world, "birch").contains("\"decision\":\"release.missing\""));
    world.end().await;
}

/// A report crosses the border wrapped like everything else, and its origin is verified.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_behind_the_border_comes_back_as_a_report_of_that_domain() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    // BIRCH's mailbox server refuses everybody.
    let file = dir.path().join("config/birch.toml");
    let refusing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap().replace(
        &world.birch_mail.address.to_string(),
        &refusing.local_addr().unwrap().to_string(),
    );
    std::fs::write(&file, text).unwrap();
    world.birch_config = ravelin::config::load(&file).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = refusing.accept().await {
            use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 mailbox LMTP\r\n").await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let reply = match line.get(..4) {
                    Some("RCPT") => "550 5.2.1 this mailbox is closed\r\n",
                    _ => "250 2.0.0 well\r\n",
                };
                stream.write_all(reply.as_bytes()).await.unwrap();
                line.clear();
            }
        }
    });
    world.wake_birch().await.unwrap();
    let label = world
        .label(
            "CONFIDENTIAL",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let reply = submit(&world, &abroad(), &written(&world, &abroad(), &label)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let wrapped = |octets: &[u8]| String::from_utf8_lossy(octets).contains("pkcs7-mime");
    let (_, octets) = world.alder_mail.wait_for(wrapped).await.unwrap();
    let report = facts(&world, &octets, &[]);
    let signer = &report.layers[0].signers()[0];
    assert!(signer.report.is_good(), "{:?}", signer.report.problems);
    assert!(
        signer.name().contains("domain-signing-authority"),
        "{}",
        signer.name()
    );
    let text = String::from_utf8_lossy(report.payload.bytes()).into_owned();
    assert!(
        text.contains("Reporting-MTA: dns; switch.birch.example"),
        "{text}"
    );
    assert!(
        text.contains("Final-Recipient: rfc822; reader@birch.example"),
        "{text}"
    );
    assert!(
        !text.contains("convoy") && !text.contains("PROTECTED"),
        "{text}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_nobody_gave_is_not_shown_to_readers() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    let label = world.label("SECRET", &[]).unwrap();
    let message = written(&world, &reader(), &label);
    let claimed = "MMHS-Authorizing-Users: officer@alder.example\r\nMIME-Version: 1.0";
    let forged = replaced(&message, "MIME-Version: 1.0", claimed, 1);
    let reply = submit(&world, &reader(), &forged).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let (_, octets) = world.alder_mail.wait_for(|_| true).await.unwrap();
    let text = String::from_utf8_lossy(&octets);
    assert!(!text.contains("Authorizing-Users"), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_a_certificate_of_ours_hands_nothing_in() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let now = Timestamp::now();
    let drafter = world.alder.person("drafter").unwrap();
    let elsewhere = ravelin::crypto::lab::Authority::new("CN=Elsewhere", now).unwrap();
    let stranger = elsewhere
        .issue(
            ravelin::crypto::lab::Request::new(
                "CN=drafter",
                ravelin::crypto::lab::Usage::SignAndClient,
                now,
            )
            .email("drafter@alder.example"),
        )
        .unwrap();
    let person = ravelin::cli::demo::Person {
        address: drafter.address.clone(),
        sign: stranger.clone(),
        encrypt: stranger,
    };
    let label = world.label("SECRET", &[]).unwrap();
    let message = written(&world, &reader(), &label);
    let outcome = world.submit(&person, &reader(), &message).await.unwrap();
    assert!(
        said(&outcome).ends_with("(peer.unknown)"),
        "{}",
        said(&outcome)
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_messages_cost_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let label = world.label("SECRET", &[]).unwrap();
    let label = label::ess::encode(&label).unwrap();
    let mut entity = b"Content-Type: text/plain; charset=us-ascii\r\n\r\ndeep inside\r\n".to_vec();
    for _ in 0..9 {
        let cms = sign::sign(&SignOrder {
            content: &entity,
            content_type: oid::DATA,
            form: Form::Attached,
            signers: &[Signer::new(
                &drafter.sign,
                vec![ess::security_label(&label)],
            )],
            signing_time: Timestamp::now(),
            extra_certificates: &[],
        })
        .unwrap();
        entity = ravelin::message::mime::pkcs7_mime("signed-data", &cms).unwrap();
    }
    let mut message = format!(
        "From: {}\r\nTo: reader@alder.example\r\nSubject: deep\r\nMIME-Version: 1.0\r\n",
        drafter.address
    )
    .into_bytes();
    message.extend_from_slice(&entity);
    let reply = submit(&world, &reader(), &message).await;
    assert!(reply.starts_with("550 "), "{reply}");
    assert!(reply.contains("(message."), "{reply}");
    world.end().await;
}
