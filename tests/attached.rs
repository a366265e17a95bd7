//! A signed message inside another one: its label counts too.

use std::path::Path;

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config;
use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::cms::{envelope, oid};
use ravelin::crypto::ess;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::label::{self, Label};
use ravelin::message::address::Address;
use ravelin::message::mime::{multipart_signed, pkcs7_mime};

const HOME: &str = "reader@alder.example";
const ABROAD: &str = "reader@birch.example";
const RELEASED: [(&str, &str); 2] = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];

async fn world(dir: &Path) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    world
}

fn signature(content: &[u8], form: Form, label: &Label, signer: &Identity) -> Vec<u8> {
    let label = label::ess::encode(label).unwrap();
    sign::sign(&SignOrder {
        content,
        content_type: oid::DATA,
        form,
        signers: &[Signer::new(signer, vec![ess::security_label(&label)])],
        signing_time: Timestamp::now(),
        extra_certificates: &[],
    })
    .unwrap()
}

/// A clear-signed entity.
fn signed(content: &[u8], label: &Label, signer: &Identity) -> Vec<u8> {
    let cms = signature(content, Form::Detached, label, signer);
    multipart_signed(content, "sha-384", &cms).unwrap()
}

/// An entity that carries a whole message.
fn forwarded(message: &[u8]) -> Vec<u8> {
    [b"Content-Type: message/rfc822\r\n\r\n", message].concat()
}

/// A message with a text and these parts, signed by the drafter.
fn around(world: &World, label: &Label, parts: &[Vec<u8>]) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let fields = "From: drafter@alder.example\r\nSubject: forwarded\r\n";
    let head = "Content-Type: multipart/mixed; hp=\"clear\"; boundary=";
    let boundary = format!("outer-{}", parts.iter().map(Vec::len).sum::<usize>());
    let mut content = format!("{fields}{head}\"{boundary}\"\r\n\r\n").into_bytes();
    let text = b"Content-Type: text/plain\r\n\r\nsee below\r\n".to_vec();
    for part in std::iter::once(&text).chain(parts) {
        content.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        content.extend_from_slice(part);
        content.extend_from_slice(b"\r\n");
    }
    content.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut message = format!("{fields}MIME-Version: 1.0\r\n").into_bytes();
    message.extend_from_slice(&signed(&content, label, &drafter.sign));
    message
}

async fn said(world: &World, to: &str, message: &[u8]) -> String {
    let drafter = world.alder.person("drafter").unwrap();
    let to = [Address::parse(to).unwrap()];
    let outcome = world.submit(drafter, &to, message).await.unwrap();
    format!("{} {}", outcome.reply().code, outcome.reply().text())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_message_inside_a_restricted_one_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap().sign.clone();
    let elsewhere = Authority::new("CN=Elsewhere", Timestamp::now()).unwrap();
    let request = Request::new("CN=somebody", Usage::Sign, Timestamp::now());
    let stranger = elsewhere.issue(request).unwrap();
    let secret = world.label("SECRET", &[]).unwrap();
    let low = world.label("RESTRICTED", &[]).unwrap();
    let birch = world.alder_config.policies.by_name("BIRCH").unwrap();
    let hidden = label::naming::parse_label(birch, "HIDDEN").unwrap();
    let mut unknown = secret.clone();
    unknown.policy = Some("1.3.6.1.4.1.32473.9".parse().unwrap());
    let text = b"Content-Type: text/plain\r\n\r\nthe convoy\r\n";
    let clear = |label: &Label, signer: &Identity| signed(text, label, signer);
    let opaque = |label: &Label| {
        let cms = signature(text, Form::Attached, label, &drafter);
        pkcs7_mime("signed-data", &cms).unwrap()
    };
    let nested = |label: &Label| forwarded(&around(&world, &low, &[forwarded(&opaque(label))]));
    for (what, outer, part, wanted) in [
        (
            "a part",
            &low,
            clear(&secret, &drafter),
            "(label.disagrees)",
        ),
        ("a part", &secret, clear(&low, &drafter), "250 "),
        ("an opaque part", &low, opaque(&secret), "(label.disagrees)"),
        ("an opaque part", &low, opaque(&low), "250 "),
        (
            "forwarded",
            &low,
            forwarded(&clear(&secret, &drafter)),
            "(label.disagrees)",
        ),
        (
            "forwarded",
            &secret,
            forwarded(&clear(&secret, &drafter)),
            "250 ",
        ),
        (
            "two levels down",
            &low,
            nested(&secret),
            "(label.disagrees)",
        ),
        ("two levels down", &low, nested(&low), "250 "),
        // A label restricts whoever signed it, and permits nothing.
        (
            "a stranger's",
            &low,
            clear(&secret, &stranger),
            "(label.disagrees)",
        ),
        ("a stranger's", &secret, clear(&low, &stranger), "250 "),
        (
            "another policy's",
            &low,
            clear(&hidden, &drafter),
            "(label.disagrees)",
        ),
        (
            "another policy's",
            &secret,
            clear(&hidden, &drafter),
            "250 ",
        ),
        (
            "nobody's policy",
            &secret,
            clear(&unknown, &drafter),
            "(label.policy-unknown)",
        ),
    ] {
        let reply = said(&world, HOME, &around(&world, outer, &[part])).await;
        assert!(reply.contains(wanted), "{what}, {wanted}: {reply}");
    }
    let told = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    assert!(told.contains("label.lower-than-attached"), "{told}");
    let accepted = told.lines().filter(|l| l.contains("\"accepted\""));
    assert!(accepted.filter(|l| l.contains("label.attached")).count() > 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_the_and_over_all_parts() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    // A reader of SECRET alone: classifications are a set, not a ladder.
    let file = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = text
        .split_once("address = \"reader@alder.example\"")
        .unwrap();
    let ladder = "[\"UNCLASSIFIED\", \"RESTRICTED\", \"CONFIDENTIAL\", \"SECRET\"]";
    let after = after.replacen(ladder, "[\"SECRET\"]", 1);
    let text = format!("{before}address = \"reader@alder.example\"{after}");
    std::fs::write(&file, text).unwrap();
    world.alder_config = config::load(&file).unwrap();
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap().sign.clone();
    let secret = world.label("SECRET", &[]).unwrap();
    let low = world.label("RESTRICTED", &[]).unwrap();
    let text = b"Content-Type: text/plain\r\n\r\nthe convoy\r\n";
    for (part, wanted) in [
        (signed(text, &secret, &drafter), "250 "),
        (signed(text, &low, &drafter), "(clearance.insufficient)"),
    ] {
        let reply = said(&world, HOME, &around(&world, &secret, &[part])).await;
        assert!(reply.contains(wanted), "{wanted}: {reply}");
    }
    // Nothing crosses inside another message that would not cross by itself.
    let released = world.label("SECRET", &RELEASED).unwrap();
    for (part, wanted) in [
        (signed(text, &released, &drafter), "250 "),
        (signed(text, &secret, &drafter), "(label.not-releasable)"),
    ] {
        let reply = said(&world, ABROAD, &around(&world, &released, &[part])).await;
        assert!(reply.contains(wanted), "{wanted}: {reply}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_can_be_looked_into_and_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let low = world.label("RESTRICTED", &[]).unwrap();
    let text = b"Content-Type: text/plain\r\n\r\nthe convoy\r\n";
    let sealed = |certificate, cipher| {
        let cms = envelope::envelope(text, std::slice::from_ref(certificate), cipher).unwrap();
        pkcs7_mime("authenveloped-data", &cms).unwrap()
    };
    let part = signed(text, &low, &drafter.sign);
    let mut deep = part.clone();
    for _ in 0..5 {
        deep = forwarded(&around(&world, &low, &[deep]));
    }
    // A signature without content holds nothing that could be read.
    let bare = signature(text, Form::Detached, &low, &drafter.sign);
    let bare = pkcs7_mime("certs-only", &bare).unwrap();
    let (gcm, cbc) = (ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc);
    let theirs = drafter.encrypt.certificate();
    let ours = world.alder.border_certificate();
    for (what, parts, wanted) in [
        (
            "sealed for others",
            vec![sealed(theirs, gcm)],
            "(decryption.failed)",
        ),
        ("sealed for us", vec![sealed(ours, gcm)], "250 "),
        (
            "sealed for us without authentication",
            vec![sealed(ours, cbc)],
            "(decryption.failed)",
        ),
        ("sixteen", vec![part.clone(); 16], "250 "),
        ("seventeen", vec![part; 17], "(message.malformed)"),
        ("too deep", vec![deep], "(message.malformed)"),
        ("no content", vec![bare], "250 "),
    ] {
        let reply = said(&world, HOME, &around(&world, &low, &parts)).await;
        assert!(reply.contains(wanted), "{what}, {wanted}: {reply}");
    }
    world.end().await;
}
