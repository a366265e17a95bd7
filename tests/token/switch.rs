//! A switch whose keys are on a token: it works, and without its token it takes nothing.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::config;
use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::cms::envelope::envelope;
use ravelin::message::address::Address;

use super::room::{PIN, Room};

/// Replaces the PEM key of `name` by the one on the token.
fn to_token(room: &Room, dir: &Path, name: &str) {
    let file = dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let from = format!("key = \"../pki/alder/{name}.key.pem\"");
    assert!(text.contains(&from), "{from}");
    let pin = room.dir.join("pin");
    let to = format!(
        "key = \"{}\", password-file = \"{}\"",
        room.uri("border", name),
        pin.display()
    );
    std::fs::write(&file, text.replace(&from, &to)).unwrap();
}

async fn world(room: &Room, names: &[&str]) -> World {
    room.token("border");
    room.secret("pin", PIN);
    let dir = room.dir.join("world");
    let mut world = World::found(&dir, Clock::system(), "").await.unwrap();
    for (name, id) in names.iter().zip([1, 2, 3]) {
        let pem = dir.join(format!("pki/alder/{name}.key.pem"));
        room.import("border", name, id, &pem);
        // From here on the key is on the token alone.
        std::fs::remove_file(pem).unwrap();
        to_token(room, &dir, name);
    }
    world.alder_config = config::load(&dir.join("config/alder.toml")).unwrap();
    world
}

fn to(text: &str) -> Vec<Address> {
    vec![Address::parse(text).unwrap()]
}

/// For BIRCH: signed by the domain on the way out.
async fn send_abroad(world: &World) -> u16 {
    let drafter = world.alder.person("drafter").unwrap();
    let label = world
        .label(
            "RESTRICTED",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let to = to("reader@birch.example");
    let message = world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap();
    let said = world.submit(drafter, &to, &message).await.unwrap();
    said.reply().code
}

/// For ALDER, encrypted for its border.
async fn send_encrypted(world: &World) -> u16 {
    let drafter = world.alder.person("drafter").unwrap();
    let label = world.label("RESTRICTED", &[]).unwrap();
    let to = to("reader@alder.example");
    let inside = world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap();
    let cms = envelope(
        &inside,
        std::slice::from_ref(world.alder.border_certificate()),
        ContentCipher::Aes256Gcm,
    )
    .unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(cms);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let message = format!(
        "From: drafter@alder.example\r\nTo: reader@alder.example\r\n\
         Subject: Passage of the northern strait\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    );
    let said = world
        .submit(drafter, &to, message.as_bytes())
        .await
        .unwrap();
    said.reply().code
}

fn acts(room: &Room, act: &str) -> usize {
    let chain = std::fs::read_to_string(room.dir.join("world/audit/alder.jsonl")).unwrap();
    let act = format!("\"act\":\"{act}\"");
    chain.lines().filter(|line| line.contains(&act)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_signs_decrypts_and_speaks_tls_by_its_token() {
    let name = "switch::a_switch_signs_decrypts_and_speaks_tls_by_its_token";
    let Some(room) = Room::enter(name) else {
        return;
    };
    let mut world = world(&room, &["border-sign", "border-encrypt", "tls"]).await;
    world.wake_birch().await.unwrap();
    world.wake_alder().await.unwrap();
    assert_eq!(send_encrypted(&world).await, 250);
    assert_eq!(send_abroad(&world).await, 250);
    // BIRCH verified the domain's signature and the peer's handshake, and re-encrypted.
    world.birch_mail.wait_for(|_| true).await.unwrap();
    world.alder_mail.wait_for(|_| true).await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_token_a_switch_says_451_and_goes_on_when_it_is_back() {
    let name = "switch::without_its_token_a_switch_says_451_and_goes_on_when_it_is_back";
    let Some(room) = Room::enter(name) else {
        return;
    };
    let mut world = world(&room, &["border-sign", "border-encrypt"]).await;
    world.wake_alder().await.unwrap();
    assert_eq!(send_abroad(&world).await, 250);
    assert_eq!(send_encrypted(&world).await, 250);
    let accepted = acts(&room, "accepted");
    room.pull();
    for _ in 0..2 {
        assert_eq!(send_abroad(&world).await, 451);
        assert_eq!(send_encrypted(&world).await, 451);
    }
    assert_eq!(acts(&room, "accepted"), accepted, "something passed");
    assert_eq!(acts(&room, "refused"), 0, "the message was blamed");
    assert_eq!(acts(&room, "fault"), 4);
    // A configuration that cannot have its keys does not come into force; the old one stays.
    let switch = &world.running().unwrap().switch;
    switch.reload("test").await.map(drop).unwrap_err();
    assert_eq!(acts(&room, "reload-refused"), 1);
    room.plug();
    let mut tries = 0;
    while send_abroad(&world).await != 250 || send_encrypted(&world).await != 250 {
        tries += 1;
        assert!(tries < 100, "the token did not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let switch = &world.running().unwrap().switch;
    switch.reload("test").await.unwrap();
    assert_eq!(send_abroad(&world).await, 250);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_token_is_said_before_the_switch_starts() {
    let name = "switch::what_is_wrong_with_a_token_is_said_before_the_switch_starts";
    let Some(room) = Room::enter(name) else {
        return;
    };
    let world = world(&room, &["border-sign"]).await;
    let file = world.dir.join("config/alder.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let pin = room.dir.join("pin");
    let named = format!("password-file = \"{}\"", pin.display());
    let open = room.dir.join("open-pin");
    std::fs::write(&open, PIN).unwrap();
    let wrong_pin = room.secret("wrong-pin", "0000 0000");
    for (from, to, wanted) in [
        (
            "object=border-sign",
            "object=other".to_owned(),
            "no private key",
        ),
        ("token=border;", "token=other;".to_owned(), "no token"),
        (
            &format!("border-sign?module-path={}", room.module),
            "border-sign?module-path=/nowhere.so".to_owned(),
            "/nowhere.so",
        ),
        (
            &format!("border-sign?module-path={}", room.module),
            "border-sign".to_owned(),
            "names no module",
        ),
        (
            "alder/border-sign.pem",
            "alder/border-encrypt.pem".to_owned(),
            "not the one of the certificate",
        ),
        (&format!(", {named}"), String::new(), "needs a PIN"),
        (
            &named,
            format!("password-file = \"{}\"", open.display()),
            "chmod 600",
        ),
        (
            &named,
            format!("{named}, password-variable = \"NO_SUCH_VARIABLE\""),
            "named twice",
        ),
        (
            &named,
            "password-variable = \"NO_SUCH_VARIABLE\"".to_owned(),
            "NO_SUCH_VARIABLE",
        ),
        (
            &named,
            "password-credential = \"pin\"".to_owned(),
            "no service manager",
        ),
        (
            &named,
            format!("password-file = \"{}\"", wrong_pin.display()),
            "refused the PIN",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&file, good.replace(from, &to)).unwrap();
        let error = config::load(&file).map(drop).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(wanted), "{from} -> {to}: {text}");
        assert!(
            text.contains("alder.toml:") && text.contains("keys.sign"),
            "{text}"
        );
        assert!(!text.contains(PIN) && !text.contains("0000 0000"), "{text}");
    }
    std::fs::write(&file, &good).unwrap();
    config::load(&file).unwrap();
}
