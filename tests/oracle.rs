//! Nobody learns from a reply what was wrong inside an envelope that does not authenticate.

use std::path::Path;

use base64::Engine;
use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config::{Config, KeyTransport};
use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::envelope::envelope;
use ravelin::crypto::cms::read::{ContentInfo, Limits, RecipientInfo, parse};
use ravelin::crypto::keys::{Identity, Pkcs1Transport};
use ravelin::message::address::Address;
use ravelin::message::envelope::{Identity as Party, Peer, Protection};
use ravelin::open::Opener;

const CBC: ContentCipher = ContentCipher::Aes256Cbc;
const GCM: ContentCipher = ContentCipher::Aes256Gcm;
const FAILED: &str = "550 5.7.5 the message could not be decrypted (decryption.failed)\r\n";

async fn world(dir: &Path) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    world
}

fn reader() -> Vec<Address> {
    vec![Address::parse("reader@alder.example").unwrap()]
}

/// What the drafter writes, signed by `signer`.
fn written(world: &World, signer: &Identity) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let label = world.label("SECRET", &[]).unwrap();
    world
        .compose(&drafter.address, &reader(), Some(&label), signer)
        .unwrap()
}

fn sealed(content: &[u8], recipient: &Certificate, cipher: ContentCipher) -> Vec<u8> {
    envelope(content, std::slice::from_ref(recipient), cipher).unwrap()
}

/// A message around this layer, as the drafter sends it.
fn message(cms: &[u8], kind: &str) -> Vec<u8> {
    let text = base64::engine::general_purpose::STANDARD.encode(cms);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "From: drafter@alder.example\r\nTo: reader@alder.example\r\nSubject: Passage of the northern strait\r\n\
         MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type={kind}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

async fn submit(world: &World, cms: &[u8], kind: &str) -> String {
    let drafter = world.alder.person("drafter").unwrap();
    let message = message(cms, kind);
    let outcome = world.submit(drafter, &reader(), &message).await.unwrap();
    // The whole reply, as it stood on the wire.
    String::from_utf8(outcome.reply().to_bytes()).unwrap()
}

/// The layer with `change` applied to its encrypted content.
fn ciphertext_changed(cms: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let octets = match parse(cms, &Limits::default()).unwrap() {
        ContentInfo::Enveloped(data) => data.content.octets.unwrap().to_vec(),
        ContentInfo::AuthEnveloped(data) => data.content.octets.unwrap().to_vec(),
        other => panic!("{other:?}"),
    };
    changed(cms, &octets, change)
}

fn changed(cms: &[u8], part: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let at = cms
        .windows(part.len())
        .position(|window| window == part)
        .unwrap();
    let mut out = cms.to_vec();
    change(&mut out[at..at + part.len()]);
    assert_ne!(out, cms);
    out
}

fn wrapped_key_changed(cms: &[u8]) -> Vec<u8> {
    let ContentInfo::Enveloped(data) = parse(cms, &Limits::default()).unwrap() else {
        panic!("EnvelopedData");
    };
    let RecipientInfo::KeyAgreement(agreement) = &data.recipients[0] else {
        panic!("key agreement");
    };
    let key = agreement.keys[0].encrypted_key.to_vec();
    changed(cms, &key, |octets| octets[5] ^= 1)
}

fn replaced(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert!(text.contains(from));
    text.replace(from, to).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_inside_a_cbc_envelope_has_one_reply() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let ours = world.alder.border_certificate();
    let good = written(&world, &drafter.sign);
    let cms = sealed(&good, ours, CBC);
    let stranger = world.birch.person("reader").unwrap();
    let part = |needle: &[u8]| {
        good.windows(needle.len())
            .position(|w| w == needle)
            .unwrap()
    };
    let (text, body) = (part(b"convoy"), part(b"\r\n\r\n"));
    let of = |content: &[u8]| sealed(content, ours, CBC);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "wrong key",
            sealed(&good, world.birch.border_certificate(), CBC),
        ),
        ("damaged content key", wrapped_key_changed(&cms)),
        (
            "broken padding",
            ciphertext_changed(&cms, |c| {
                let at = c.len() - 17;
                c[at] ^= 0x80;
            }),
        ),
        ("nothing but zeros", ciphertext_changed(&cms, |c| c.fill(0))),
        ("good padding, garbage", of(&[0xfe; 4_000])),
        ("good padding, nothing", of(b"")),
        (
            "header section damaged",
            ciphertext_changed(&cms, |c| c[0] ^= 1),
        ),
        (
            "MIME structure damaged",
            ciphertext_changed(&cms, |c| c[body - 20] ^= 1),
        ),
        (
            "good MIME, bad signature",
            of(&replaced(&good, "convoy", "Convoy")),
        ),
        (
            "ciphertext changed under the text",
            ciphertext_changed(&cms, |c| c[text] ^= 1),
        ),
        (
            "signature part without base64",
            of(&replaced(
                &good,
                "Content-Transfer-Encoding: base64",
                "Content-Transfer-Encoding: x",
            )),
        ),
        (
            "From that is no address",
            of(&replaced(&good, "From: drafter@alder.example", "From: ((")),
        ),
        (
            "military field that is none",
            of(&replaced(
                &good,
                "MMHS-Primary-Precedence: 3",
                "MMHS-Primary-Precedence: x",
            )),
        ),
        (
            "a stranger's signature",
            of(&written(&world, &stranger.sign)),
        ),
        (
            "not signed",
            of(b"From: drafter@alder.example\r\nContent-Type: text/plain\r\n\r\nhello\r\n"),
        ),
        (
            "an envelope in the envelope, damaged",
            of(&message(
                &ciphertext_changed(&cms, |c| c[9] ^= 1),
                "enveloped-data",
            )),
        ),
    ];
    for (case, cms) in &cases {
        assert_eq!(
            submit(&world, cms, "enveloped-data").await,
            FAILED,
            "{case}"
        );
    }
    // The twin: nothing changed.
    let reply = submit(&world, &cms, "enveloped-data").await;
    assert!(reply.starts_with("250 "), "{reply}");

    // With authentication the tag tells damage, and what is inside is the sender's own word.
    let cms = sealed(&good, ours, GCM);
    let damaged = ciphertext_changed(&cms, |c| c[text] ^= 1);
    assert_eq!(submit(&world, &damaged, "authEnveloped-data").await, FAILED);
    let forged = sealed(&replaced(&good, "convoy", "Convoy"), ours, GCM);
    let reply = submit(&world, &forged, "authEnveloped-data").await;
    assert!(reply.ends_with("(signature.invalid)\r\n"), "{reply}");
    let reply = submit(&world, &cms, "authEnveloped-data").await;
    assert!(reply.starts_with("250 "), "{reply}");

    // The chain tells those who may know.
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    assert!(chain.contains("inside a CBC envelope: signature.invalid"));
    world.end().await;
}

/// PKCS#1 v1.5 key transport is read from a link that says so, and from nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn pkcs1_key_transport_is_read_only_from_a_link_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    let file = dir.path().join("config/birch.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let with = |setting: &str| {
        let text = written.replace("[link.arrives]", &format!("[link.arrives]\n{setting}"));
        assert_ne!(text, written);
        std::fs::write(&file, text).unwrap();
        ravelin::config::load(&file)
    };
    let peer = |identity| Peer {
        name: "submission".into(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        helo: "there".into(),
        protection: Protection::Tls,
        certificate: None,
        identity,
    };
    let read = |config: &Config, identity| {
        let peer = peer(identity);
        let opener = Opener::for_peer(config, Timestamp::now(), &peer);
        assert!(!opener.keys.identities.is_empty());
        opener
            .keys
            .identities
            .iter()
            .all(|key| key.pkcs1() == Pkcs1Transport::Read)
    };
    let config = with("key-transport = \"pkcs1\"").unwrap();
    let with_arrival = config
        .links
        .iter()
        .find(|link| link.arrival.key_transport == KeyTransport::Pkcs1)
        .unwrap();
    assert!(read(&config, Party::Link(with_arrival.name.clone())));
    let somebody = world.birch.person("reader").unwrap().address.clone();
    assert!(!read(&config, Party::Subject(somebody)));
    assert!(!read(&config, Party::Nobody));
    for link in &world.birch_config.links {
        assert!(!read(&world.birch_config, Party::Link(link.name.clone())));
    }
    assert!(with("key-transport = \"raw\"").is_err());
    world.end().await;
}
