//! The commands with keys on a token: made, requested, listed, used; and the key of a store.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use ravelin::cli::demo::{RELEASE_RULE, World};
use ravelin::clock::{Clock, Timestamp};
use ravelin::config;
use ravelin::crypto::lab::Authority;
use ravelin::crypto::pem;
use ravelin::crypto::request::CertificateRequest;
use ravelin::message::address::Address;
use serde_json::Value;

use super::room::{PIN, Room};

/// Runs the program in the folder; its PIN comes from the environment.
fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(arguments)
        .current_dir(dir)
        .env("RAVELIN_PASSWORD", PIN)
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn good(dir: &Path, arguments: &[&str]) -> String {
    let said = run(dir, arguments);
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{arguments:?}: {err}");
    assert!(!err.contains(PIN), "{err}");
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn a_key_is_made_requested_listed_and_used_on_a_token() {
    let name = "commands::a_key_is_made_requested_listed_and_used_on_a_token";
    let Some(room) = Room::enter(name) else {
        return;
    };
    room.token("border");
    let dir = &room.dir;
    let uri = room.uri("border", "sign");
    good(dir, &["key", "generate", "--kind", "p384", "--out", &uri]);
    // Not twice, and not without its PIN.
    assert_eq!(
        run(dir, &["key", "generate", "--out", &uri]).status.code(),
        Some(2)
    );
    let gone = room.uri("other", "sign");
    assert_eq!(run(dir, &["key", "list", &gone]).status.code(), Some(3));
    good(
        dir,
        &[
            "key",
            "request",
            "--key",
            &uri,
            "--subject",
            "CN=Anna,O=Alder",
            "--email",
            "anna@alder.example",
            "--out",
            "a.csr",
        ],
    );
    let text = std::fs::read(dir.join("a.csr")).unwrap();
    let request = CertificateRequest::from_der(&pem::blocks(&text).unwrap()[0].der).unwrap();
    let now = Timestamp::now();
    let root = Authority::new("Root", now).unwrap();
    let certificate = root
        .certify(
            request.subject_der(),
            request.spki_der(),
            now,
            now.checked_add(jiff::SignedDuration::from_hours(240))
                .unwrap(),
            request.extensions().to_vec(),
        )
        .unwrap();
    std::fs::write(dir.join("a.pem"), certificate.to_pem()).unwrap();
    std::fs::write(dir.join("root.pem"), root.certificate().to_pem()).unwrap();
    let rows: Value =
        serde_json::from_str(&good(dir, &["key", "list", &uri, "--format", "json"])).unwrap();
    assert_eq!(rows[0]["private"], "token");
    assert_eq!(rows[0]["algorithm"], "EC P-384");
    // It stays there.
    let said = run(dir, &["key", "export", "--out", "a.p12", "a.pem", &uri]);
    assert_eq!(said.status.code(), Some(2));
    assert!(!dir.join("a.p12").exists());

    std::fs::write(
        dir.join("letter.eml"),
        "From: anna@alder.example\r\nTo: bob@alder.example\r\nSubject: Strait\r\n\r\nLights.\r\n",
    )
    .unwrap();
    let signer = ["--signer", &uri, "--cert", "a.pem"];
    let seal = ["seal", "letter.eml", "--profile", "clear-signed"];
    good(
        dir,
        &[&seal[..], &signer, &["--out", "signed.eml"]].concat(),
    );
    good(
        dir,
        &[
            &["countersign", "signed.eml"],
            &signer[..],
            &["--out", "both.eml"],
        ]
        .concat(),
    );
    let seen: Value = serde_json::from_slice(
        &run(
            dir,
            &[
                "inspect", "both.eml", "--trust", "root.pem", "--format", "json",
            ],
        )
        .stdout,
    )
    .unwrap();
    let signer = &seen["layers"][0]["signers"][0];
    assert_eq!(signer["valid"], true, "{seen}");
    assert_eq!(signer["countersigners"][0]["valid"], true, "{seen}");

    // A key to decrypt with, RSA: OAEP is taken off here, where the token cannot.
    let open = room.uri("border", "open");
    good(
        dir,
        &["key", "generate", "--kind", "rsa3072", "--out", &open],
    );
    let asked = [
        "key",
        "request",
        "--key",
        &open,
        "--subject",
        "CN=Bob",
        "--usage",
        "encrypt",
        "--out",
        "b.csr",
    ];
    good(dir, &asked);
    let text = std::fs::read(dir.join("b.csr")).unwrap();
    let request = CertificateRequest::from_der(&pem::blocks(&text).unwrap()[0].der).unwrap();
    let certificate = root
        .certify(
            request.subject_der(),
            request.spki_der(),
            now,
            now.checked_add(jiff::SignedDuration::from_hours(240))
                .unwrap(),
            request.extensions().to_vec(),
        )
        .unwrap();
    std::fs::write(dir.join("b.pem"), certificate.to_pem()).unwrap();
    let enveloped = [
        "seal",
        "signed.eml",
        "--profile",
        "enveloped",
        "--recipient",
        "b.pem",
        "--out",
        "sealed.eml",
    ];
    good(dir, &enveloped);
    let keys = [
        "--key", &open, "--cert", "b.pem", "--layer", "0", "--out", "back.eml",
    ];
    good(dir, &[&["open", "sealed.eml"], &keys[..]].concat());
    let back = std::fs::read_to_string(dir.join("back.eml")).unwrap();
    assert!(back.contains("Lights."), "{back}");
    // Away is our fault, not the message's.
    room.pull();
    std::fs::remove_file(dir.join("back.eml")).unwrap();
    let said = run(dir, &[&["open", "sealed.eml"], &keys[..]].concat());
    assert_eq!(said.status.code(), Some(3));
    assert!(!dir.join("back.eml").exists());
}

#[test]
fn the_key_of_a_store_is_unwrapped_by_a_token() {
    let name = "commands::the_key_of_a_store_is_unwrapped_by_a_token";
    let Some(room) = Room::enter(name) else {
        return;
    };
    room.token("border");
    room.secret("pin", PIN);
    let dir = room.dir.join("world");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime
        .block_on(World::found(&dir, Clock::system(), ""))
        .unwrap();
    let pki = dir.join("pki/alder");
    room.import("border", "wrap", 1, &pki.join("border-encrypt.key.pem"));
    let wrap = |recipient: &str, out: &str| {
        good(
            &pki,
            &["key", "wrap", "store.key", "--for", recipient, "--out", out],
        )
    };
    wrap("border-encrypt.pem", "store.key.p7m");
    wrap("reader-encrypt.pem", "other.p7m");
    let wrapped = std::fs::read(pki.join("store.key.p7m")).unwrap();
    let bare = std::fs::read(pki.join("store.key")).unwrap();
    assert!(!wrapped.windows(32).any(|window| window == bare));
    let file = dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let from = "key = \"../pki/alder/store.key\"";
    assert!(text.contains(from));
    let with = |name: &str, object: &str| {
        let to = format!(
            "key = \"../pki/alder/{name}\"\nwrapping-key = {{ key = \"{}\", certificate = \
             \"../pki/alder/border-encrypt.pem\", password-file = \"{}\" }}",
            room.uri("border", object),
            room.dir.join("pin").display()
        );
        std::fs::write(&file, text.replace(from, &to)).unwrap();
        config::load(&file)
    };
    let loaded = with("store.key.p7m", "wrap").unwrap();
    assert!(loaded.store_key.is(&world.alder_config.store_key));
    for (name, object, wanted) in [
        ("other.p7m", "wrap", "for others"),
        ("store.key", "wrap", "no enveloped CMS object"),
        ("store.key.p7m", "none", "no private key"),
    ] {
        let error = with(name, object).map(drop).unwrap_err().to_string();
        assert!(
            error.contains(wanted) && error.contains("store."),
            "{error}"
        );
    }
    std::fs::write(pki.join("short"), [1; 31]).unwrap();
    let said = run(
        &pki,
        &[
            "key",
            "wrap",
            "short",
            "--for",
            "border-encrypt.pem",
            "--out",
            "x",
        ],
    );
    assert_eq!(said.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_releases_with_a_token() {
    let name = "commands::an_officer_releases_with_a_token";
    let Some(room) = Room::enter(name) else {
        return;
    };
    room.token("card");
    let dir = room.dir.join("world");
    let mut world = World::found(&dir, Clock::system(), RELEASE_RULE)
        .await
        .unwrap();
    world.wake_alder().await.unwrap();
    let pki = dir.join("pki/alder");
    room.import("card", "officer", 1, &pki.join("officer.key.pem"));
    let drafter = world.alder.person("drafter").unwrap();
    let label = world
        .label(
            "SECRET",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let to = [Address::parse("reader@birch.example").unwrap()];
    let message = world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap();
    let said = world.submit(drafter, &to, &message).await.unwrap();
    assert_eq!(said.reply().code, 250);
    let settings = format!(
        "server = \"{}\"\nname = \"{}\"\ntrust = [\"ca.pem\"]\ncrls = [\"ca.crl.pem\"]\n\
         key = \"{}\"\ncertificate = \"officer.pem\"\npolicies = [\"../../config/alder.xml\"]\n",
        world.alder.ports.desk,
        world.alder.host(),
        room.uri("card", "officer"),
    );
    std::fs::write(pki.join("officer.toml"), settings).unwrap();
    let release = |act: Vec<String>| {
        let pki = pki.clone();
        tokio::task::spawn_blocking(move || {
            let act: Vec<&str> = act.iter().map(String::as_str).collect();
            good(
                &pki,
                &[&["release"], &act[..], &["--config", "officer.toml"]].concat(),
            )
        })
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let list = release(words("list --format json")).await.unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let id = list[0]["id"].as_str().unwrap();
    release(words(&format!("approve {id} --yes")))
        .await
        .unwrap();
    let chain = std::fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap();
    assert!(chain.contains("\"act\":\"released\""), "{chain}");
    world.end().await;
}
