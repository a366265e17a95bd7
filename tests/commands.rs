//! The commands, run as programs: answers, exit codes, and errors that say what would mend them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use ravelin::audit::{Act, Chain, Event, Head};
use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::{Person, submit};
use ravelin::clock::Clock;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::trust::{RevocationCheck, TrustStore};
use ravelin::crypto::{cms, pkcs12};
use ravelin::label::{self, Policy};
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use serde_json::Value;

const ALDER: &[u8] = include_bytes!("../labels/alder.xml");

fn ravelin(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ravelin"));
    command
        .args(arguments)
        .env_remove("RAVELIN_PASSWORD")
        .env_remove("RAVELIN_LOG")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output: Output = ravelin(arguments).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder that `ravelin init` filled.
struct First {
    _folder: tempfile::TempDir,
    dir: PathBuf,
}

impl First {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("first");
        let (code, out, err) = run(&["init", text(&dir)]);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("ravelin serve --config"), "{out}");
        Self {
            _folder: folder,
            dir,
        }
    }

    fn config(&self) -> PathBuf {
        self.dir.join("ravelin.toml")
    }

    /// Replaces `old`, which must be there, and tells on which line it stands.
    fn edit(&self, old: &str, new: &str) -> usize {
        let before = fs::read_to_string(self.config()).unwrap();
        let at = before.find(old).expect("the text to replace");
        fs::write(self.config(), before.replacen(old, new, 1)).unwrap();
        before[..at].matches('\n').count() + 1
    }

    fn check(&self) -> (i32, String, String) {
        run(&["check-config", "--config", text(&self.config())])
    }
}

#[test]
fn what_init_makes_is_a_good_configuration() {
    let first = First::new();
    let (code, out, err) = first.check();
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("switch.alder.example"), "{out}");
    assert!(!out.contains("warning"), "{out}");
    let (code, out, _) = run(&[
        "check-config",
        "--config",
        text(&first.config()),
        "--format",
        "json",
    ]);
    assert_eq!(code, 0);
    let meaning: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(meaning["links"][0]["protocol"], "lmtp");
    assert_eq!(meaning["subjects"].as_array().unwrap().len(), 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for secret in ["store.key", "people/officer.p12", "pki/sign.key.pem"] {
            let mode = fs::metadata(first.dir.join(secret))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{secret}");
        }
    }
}

#[test]
fn init_leaves_a_folder_alone_that_is_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter"), "x").unwrap();
    let (code, _, err) = run(&["init", text(folder.path())]);
    assert_eq!(code, 2);
    assert!(err.contains("not empty") && err.contains("remedy"), "{err}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_configuration_error_names_file_line_key_and_remedy() {
    for (old, new, key) in [
        (
            "size-limit = \"50MiB\"",
            "size-limt = \"50MiB\"",
            "size-limt",
        ),
        ("pki/ca.pem", "pki/none.pem", "trust.anchors"),
        ("\"RESTRICTED\"", "\"RESTRICTET\"", "subject.clearance"),
        ("50MiB", "50 megabytes", "switch.size-limit"),
    ] {
        let first = First::new();
        let line = first.edit(old, new);
        let (code, _, err) = first.check();
        assert_eq!(code, 2, "{err}");
        let place = format!("{}:{line}:", text(&first.config()));
        assert!(err.contains(&place), "{new}: {place} is not in: {err}");
        assert!(err.contains(key), "{new}: {key} is not in: {err}");
        assert!(err.contains("remedy: "), "{new}: {err}");
    }
}

/// A switch that `init` made, running on ports of its own.
struct Serving {
    first: First,
    child: Child,
    submission: String,
    desk: String,
}

impl Serving {
    fn new() -> Self {
        let first = First::new();
        first.edit("127.0.0.1:2525", "127.0.0.1:0");
        first.edit("127.0.0.1:8443", "127.0.0.1:0");
        let mut child = ravelin(&["serve", "--config", text(&first.config())])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut told = |what: &str| {
            let mut seen = String::new();
            loop {
                let mut line = String::new();
                assert!(
                    log.read_line(&mut line).unwrap() > 0,
                    "no {what} in: {seen}"
                );
                if let Some((_, address)) = line.trim_end().rsplit_once("address=")
                    && line.contains(what)
                {
                    return address.to_owned();
                }
                seen.push_str(&line);
            }
        };
        let submission = told("listener submission is open");
        let desk = told("the desk is open");
        // What is logged later goes nowhere, and a full pipe does not stop the switch.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self {
            first,
            child,
            submission,
            desk,
        }
    }

    /// The officer's program.
    fn release(&self, arguments: &[&str]) -> (i32, String, String) {
        let settings = self.first.dir.join("people/officer.toml");
        let mut all = vec![
            "release",
            "--config",
            text(&settings),
            "--server",
            &self.desk,
        ];
        all.extend_from_slice(arguments);
        run(&all)
    }

    /// Anna writes to Bert.
    fn submit(&self) -> String {
        let people = self.first.dir.join("people");
        let password = fs::read_to_string(people.join("anna.password")).unwrap();
        let identity = |file: &str| {
            let octets = fs::read(people.join(file)).unwrap();
            pkcs12::read(&octets, password.trim()).unwrap().remove(0)
        };
        let anna = Person {
            address: Address::parse("anna@alder.example").unwrap(),
            sign: identity("anna.p12"),
            encrypt: identity("anna-decrypt.p12"),
        };
        let bert = [Address::parse("bert@alder.example").unwrap()];
        let label = label_of("SECRET; Releasable To: ALDER");
        let clock = Clock::system();
        let message = compose(
            &Composition {
                from: &anna.address,
                to: &bert,
                subject: "Convoy",
                text: "The convoy leaves at noon.\r\n",
                precedence: Precedence::Immediate,
                label: Some(&label),
            },
            &anna.sign,
            &clock,
        )
        .unwrap();
        let ca = fs::read(self.first.dir.join("pki/ca.pem")).unwrap();
        let anchors = Certificate::from_pem_many(&ca).unwrap();
        let trust = TrustStore::new(anchors, Vec::new(), Vec::new())
            .with_revocation(RevocationCheck::Optional);
        let to = self.submission.parse().unwrap();
        let host = "switch.alder.example";
        let outcome = tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(submit(to, host, &trust, &anna, &bert, &message, &clock))
            .unwrap();
        format!("{outcome:?}")
    }

    fn drafts(&self) -> Vec<Value> {
        let (code, out, err) = self.release(&["list", "--format", "json"]);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// Stops it as an operator does.
    fn stop(mut self) -> First {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.first
    }
}

/// A label of ALDER in DER.
fn label_of(words: &str) -> Vec<u8> {
    let policy = Policy::from_spif(ALDER, "alder.xml").unwrap();
    label::ess::encode(&label::naming::parse_label(&policy, words).unwrap()).unwrap()
}

#[test]
fn the_switch_that_init_makes_starts_and_stops() {
    let switch = Serving::new();
    let mut socket = BufReader::new(std::net::TcpStream::connect(&switch.submission).unwrap());
    let mut greeting = String::new();
    socket.read_line(&mut greeting).unwrap();
    assert!(
        greeting.starts_with("220 switch.alder.example"),
        "{greeting}"
    );
    drop(socket);
    // The store has one owner.
    let config = switch.first.config();
    let (code, _, err) = run(&["queue", "list", "--config", text(&config)]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("stop the switch first"), "{err}");

    let first = switch.stop();
    let exported = first.dir.join("audit/audit.jsonl");
    let (code, out, _) = run(&["audit", "verify", text(&exported)]);
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = run(&["audit", "show", text(&exported), "--act", "stopped"]);
    assert_eq!(code, 0);
    assert!(out.contains("stopped") && !out.contains("started"), "{out}");
    let (code, out, err) = run(&["queue", "list", "--config", text(&first.config())]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("ENTRY"), "{out}");
    let (code, out, _) = run(&["audit", "export", "--config", text(&first.config())]);
    assert_eq!(code, 0);
    assert_eq!(out, fs::read_to_string(&exported).unwrap());
}

#[test]
fn an_officer_shows_and_releases_a_draft() {
    let switch = Serving::new();
    assert!(switch.drafts().is_empty());
    let outcome = switch.submit();
    assert!(outcome.contains("250"), "{outcome}");
    let drafts = switch.drafts();
    let id = drafts[0]["id"].as_str().unwrap();

    let (code, out, err) = switch.release(&["show", id]);
    assert_eq!(code, 0, "{out}{err}");
    for part in [
        "ALDER SECRET REL TO ALDER",
        "IMMEDIATE",
        "bert@alder.example",
        "CN=anna,O=ALDER <anna@alder.example>: good",
        "The convoy leaves at noon.",
        "1 x releasing-officer",
    ] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    // Nobody is asked where nobody sits, and nothing is signed without a yes.
    let (code, _, err) = switch.release(&["approve", id]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--yes"), "{err}");
    assert_eq!(switch.drafts().len(), 1);

    let (code, out, err) = switch.release(&["approve", id, "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("the switch says: released"), "{out}");
    assert!(switch.drafts().is_empty());
    let (code, _, err) = switch.release(&["approve", id, "--yes"]);
    assert_eq!(code, 1, "{err}");

    let first = switch.stop();
    let config = first.config();
    let (code, out, _) = run(&["queue", "list", "--config", text(&config)]);
    assert_eq!(code, 0);
    assert!(
        out.contains("bert@alder.example") && out.contains("IMMEDIATE"),
        "{out}"
    );
    let exported = first.dir.join("audit/audit.jsonl");
    let (code, out, _) = run(&["audit", "show", text(&exported), "--act", "released"]);
    assert_eq!(code, 0);
    assert!(out.contains("officer@alder.example"), "{out}");
}

#[test]
fn an_officer_returns_a_draft() {
    let switch = Serving::new();
    switch.submit();
    let id = switch.drafts()[0]["id"].as_str().unwrap().to_owned();
    let (code, out, err) = switch.release(&["return", &id, "--reason", "not today"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(&id), "{out}");
    assert!(switch.drafts().is_empty());
    switch.stop();
}

#[test]
fn who_drafted_a_message_takes_it_back() {
    let switch = Serving::new();
    switch.submit();
    let id = switch.drafts()[0]["id"].as_str().unwrap().to_owned();
    let people = switch.first.dir.join("people");
    let (key, password) = (people.join("anna.p12"), people.join("anna.password"));
    let as_anna = |act: &[&str]| {
        let own = ["--key", text(&key), "--password-file", text(&password)];
        switch.release(&[act, &own].concat())
    };
    let (code, out, err) = as_anna(&["list", "--own", "--format", "json"]);
    assert!(code == 0 && out.contains(&id), "{out}{err}");
    let (code, out, _) = as_anna(&["list", "--format", "json"]);
    assert!(code == 0 && !out.contains(&id), "she is no officer: {out}");
    let withdraw = ["withdraw", &id, "--reason", "overtaken"];
    let (code, _, err) = switch.release(&withdraw);
    assert!(code == 1 && err.contains("unknown-draft"), "{err}");
    assert_eq!(switch.drafts().len(), 1);
    let (code, out, err) = as_anna(&withdraw);
    assert!(code == 0 && out.contains(&id), "{out}{err}");
    assert!(switch.drafts().is_empty());
    switch.stop();
}

#[test]
fn an_officer_signs_nothing_that_does_not_verify_here() {
    let switch = Serving::new();
    switch.submit();
    let id = switch.drafts()[0]["id"].as_str().unwrap().to_owned();
    // Without the policy, this machine cannot say what the label means.
    let birch = switch.first.dir.join("birch.xml");
    fs::write(&birch, include_bytes!("../labels/birch.xml")).unwrap();
    let policy = ["--policy", text(&birch)];
    let (code, out, _) = switch.release(&["approve", &id, "--yes", policy[0], policy[1]]);
    assert_eq!(code, 1);
    assert!(
        out.contains("Not signed") && out.contains("--policy"),
        "{out}"
    );
    // The switch goes by another name.
    let (code, _, err) = switch.release(&["list", "--name", "switch.birch.example"]);
    assert_eq!(code, 3, "{err}");
    // Somebody without the role sees nothing.
    let people = switch.first.dir.join("people");
    let (key, password) = (people.join("bert.p12"), people.join("bert.password"));
    let bert = ["--key", text(&key), "--password-file", text(&password)];
    let mut show = vec!["show", &id];
    show.extend_from_slice(&bert);
    let (code, _, err) = switch.release(&show);
    assert_eq!(code, 1);
    assert!(err.contains("unknown-draft"), "{err}");
    assert_eq!(switch.drafts().len(), 1);
    switch.stop();
}

#[test]
fn the_officers_settings_are_checked_like_a_configuration() {
    let first = First::new();
    let file = first.dir.join("people/officer.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (old, new, what) in [
        ("officer.p12", "nobody.p12", ":6: key: "),
        ("revocation", "revokation", ":9: "),
        ("../pki/ca.pem", "../store.key", ":4: trust: "),
        ("127.0.0.1:8443", "127.0.0.1", "no port"),
    ] {
        fs::write(&file, good.replacen(old, new, 1)).unwrap();
        let (code, _, err) = run(&["release", "list", "--config", text(&file)]);
        assert_eq!(code, 2, "{new}: {err}");
        assert!(
            err.contains(what) && err.contains("remedy: "),
            "{new}: {err}"
        );
    }
    fs::write(&file, &good).unwrap();
    fs::write(first.dir.join("people/officer.password"), "wrong\n").unwrap();
    let (code, _, err) = run(&["release", "list", "--config", text(&file)]);
    assert_eq!(code, 2);
    assert!(
        err.contains("password") && !err.contains("wrong\n"),
        "{err}"
    );
}

#[test]
fn audit_verify_names_the_line_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut chain = Chain::after(Head::before_first());
    let clock = Clock::system();
    let lines: String = (0..5)
        .map(|n| {
            let event = Event::new(clock.now(), Act::Accepted, "peer").detail("n", n);
            format!("{}\n", chain.append(&event).line)
        })
        .collect();
    fs::write(&file, &lines).unwrap();
    let (code, out, _) = run(&["audit", "verify", text(&file)]);
    assert_eq!(code, 0);
    assert!(
        out.contains("5 records") && out.contains(&chain.head().hash),
        "{out}"
    );

    fs::write(&file, lines.replacen("\"n\":\"2\"", "\"n\":\"3\"", 1)).unwrap();
    let (code, out, _) = run(&["audit", "verify", text(&file)]);
    assert_eq!(code, 1);
    assert!(out.contains(":3: not whole"), "{out}");
    let (code, out, _) = run(&["audit", "verify", text(&file), "--format", "json"]);
    assert_eq!(code, 1);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&found["whole"], &found["line"]),
        (&false.into(), &3.into())
    );
    let (code, _, err) = run(&["audit", "show", text(&file)]);
    assert_eq!(code, 1);
    assert!(err.contains("line 3"), "{err}");
    let (code, _, _) = run(&["audit", "verify", "/none/such"]);
    assert_eq!(code, 2);
}

/// A message of a drafter, and everything that it takes to judge it.
struct Letter {
    folder: tempfile::TempDir,
    message: Vec<u8>,
    reader: Identity,
}

impl Letter {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let now = clock.now();
        let authority = Authority::new("CN=Test CA,O=ALDER", now).unwrap();
        let drafter = authority
            .issue(Request::new("CN=Anna,O=ALDER", Usage::Sign, now).email("anna@alder.example"))
            .unwrap();
        let reader = authority
            .issue(Request::new("CN=Bert,O=ALDER", Usage::Encrypt, now).email("b@alder.example"))
            .unwrap();
        let label = label_of("SECRET; Releasable To: BIRCH");
        let message = compose(
            &Composition {
                from: &Address::parse("anna@alder.example").unwrap(),
                to: &[Address::parse("b@alder.example").unwrap()],
                subject: "Convoy",
                text: "The convoy leaves at noon.\r\n",
                precedence: Precedence::Immediate,
                label: Some(&label),
            },
            &drafter,
            &clock,
        )
        .unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("ca.pem"), authority.certificate().to_pem()).unwrap();
        fs::write(path("ca.crl"), authority.crl(&[], now).unwrap()).unwrap();
        fs::write(
            path("revoked.crl"),
            authority.crl(&[drafter.certificate()], now).unwrap(),
        )
        .unwrap();
        fs::write(path("alder.xml"), ALDER).unwrap();
        fs::write(
            path("reader.p12"),
            pkcs12::write(&reader, "open sesame").unwrap(),
        )
        .unwrap();
        fs::write(path("password"), "open sesame\n").unwrap();
        Self {
            folder,
            message,
            reader,
        }
    }

    fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    fn inspect(&self, message: &[u8], more: &[&str]) -> (i32, String, String) {
        let file = self.path("message.eml");
        fs::write(&file, message).unwrap();
        let (ca, policy) = (self.path("ca.pem"), self.path("alder.xml"));
        let mut all = vec!["inspect", &file, "--trust", &ca, "--policy", &policy];
        all.extend_from_slice(more);
        run(&all)
    }

    /// The message in an envelope for the reader.
    fn enveloped(&self) -> Vec<u8> {
        let der = cms::envelope::envelope(
            &self.message,
            &[self.reader.certificate().clone()],
            ravelin::crypto::algorithm::ContentCipher::Aes256Gcm,
        )
        .unwrap();
        let mut out = b"From: anna@alder.example\r\nMIME-Version: 1.0\r\n\
            Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data\r\n\
            Content-Transfer-Encoding: base64\r\n\r\n"
            .to_vec();
        ravelin::message::mime::base64_lines(&der, &mut out);
        out
    }
}

#[test]
fn inspect_shows_every_layer_of_a_good_message() {
    let letter = Letter::new();
    let crl = letter.path("ca.crl");
    let (code, out, err) = letter.inspect(&letter.message, &["--crl", &crl]);
    assert_eq!(code, 0, "{out}{err}");
    for part in [
        "signed, clear",
        "CN=Anna,O=ALDER <anna@alder.example>: good",
        "SECRET REL TO BIRCH",
        "IMMEDIATE",
        "The convoy leaves at noon.",
    ] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    let (code, out, _) = letter.inspect(&letter.message, &["--crl", &crl, "--format", "json"]);
    assert_eq!(code, 0);
    let view: Value = serde_json::from_str(&out).unwrap();
    let signer = &view["layers"][0]["signers"][0];
    assert_eq!(view["layers"][0]["kind"], "signed");
    assert_eq!(signer["valid"], true);
    assert_eq!(signer["email"], "anna@alder.example");
    assert_eq!(signer["algorithm"], "ECDSA with SHA-384");
    assert_eq!(signer["receipt_request"]["to"][0], "anna@alder.example");
    assert_eq!(view["layers"][1]["kind"], "header-protection");
    assert_eq!(view["labels"][0]["marking"], "ALDER SECRET REL TO BIRCH");
    assert_eq!(view["headers"]["conflicts"].as_array().unwrap().len(), 0);
    assert_eq!(view["text"]["subject"], "Convoy");
}

#[test]
fn inspect_opens_an_envelope_with_the_right_key_only() {
    let letter = Letter::new();
    let message = letter.enveloped();
    let (key, password) = (letter.path("reader.p12"), letter.path("password"));
    let (code, out, err) = letter.inspect(&message, &["--key", &key, "--password-file", &password]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("auth-enveloped: AES-256-GCM"), "{out}");
    assert!(
        out.contains("CN=Anna,O=ALDER <anna@alder.example>: good"),
        "{out}"
    );
    let (code, out, _) = letter.inspect(&message, &[]);
    assert_eq!(code, 1);
    assert!(
        out.contains("envelope.closed") && !out.contains("convoy"),
        "{out}"
    );
    let (code, _, err) = letter.inspect(&message, &["--key", &key]);
    assert_eq!(code, 2);
    assert!(err.contains("--password-file"), "{err}");
}

#[test]
fn inspect_says_no_to_what_is_not_good() {
    let letter = Letter::new();
    let flipped = String::from_utf8(letter.message.clone()).unwrap();
    let flipped = flipped.replace("at noon", "at moon");
    let (code, out, _) = letter.inspect(flipped.as_bytes(), &["--format", "json"]);
    assert_eq!(code, 1, "{out}");
    let view: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(view["good"], false);
    assert_eq!(view["layers"][0]["signers"][0]["valid"], false);

    let other = String::from_utf8(letter.message.clone()).unwrap();
    let other = other.replacen("Subject: Convoy", "Subject: Picnic", 1);
    let (code, out, _) = letter.inspect(other.as_bytes(), &[]);
    assert_eq!(code, 1);
    assert!(out.contains("header.conflict"), "{out}");

    let revoked = letter.path("revoked.crl");
    let (code, out, _) = letter.inspect(&letter.message, &["--crl", &revoked]);
    assert_eq!(code, 1);
    assert!(out.contains("revoked since"), "{out}");

    let (code, out, _) = letter.inspect(&letter.message, &["--at", "2001-01-01T00:00:00Z"]);
    assert_eq!(code, 1);
    assert!(out.contains("valid only from"), "{out}");

    let file = letter.path("message.eml");
    let (code, out, _) = run(&["inspect", &file]);
    assert_eq!(code, 1);
    assert!(out.contains("no path leads"), "{out}");

    let (code, out, _) = letter.inspect(b"From: a@x\r\nSubject: y\r\n\r\nplain\r\n", &[]);
    assert_eq!(code, 1);
    assert!(out.contains("signature.missing"), "{out}");
}

#[test]
fn inspect_cannot_read_garbage() {
    let letter = Letter::new();
    for garbage in [&b"\x00\x01\x02garbage"[..], b"no header at all\r\n"] {
        let (code, _, err) = letter.inspect(garbage, &[]);
        assert_eq!(code, 2, "{err}");
        assert!(
            err.contains("message.eml") && err.contains("remedy"),
            "{err}"
        );
    }
    let cut = letter.message.len() / 2;
    let (code, _, err) = letter.inspect(&letter.message[..cut], &[]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn inspect_reads_the_standard_input() {
    let letter = Letter::new();
    let mut inspect = ravelin(&["inspect", "-", "--trust", &letter.path("ca.pem")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    inspect
        .stdin
        .take()
        .unwrap()
        .write_all(&letter.message)
        .unwrap();
    assert_eq!(inspect.wait().unwrap().code(), Some(0));
}

#[test]
fn help_of_every_command_has_an_example() {
    let commands: [&[&str]; 18] = [
        &[],
        &["audit"],
        &["audit", "export"],
        &["audit", "show"],
        &["audit", "verify"],
        &["check-config"],
        &["demo"],
        &["init"],
        &["inspect"],
        &["queue"],
        &["queue", "list"],
        &["release"],
        &["release", "approve"],
        &["release", "list"],
        &["release", "return"],
        &["release", "show"],
        &["release", "withdraw"],
        &["serve"],
    ];
    for command in commands {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let (code, out, _) = run(&arguments);
        assert_eq!(code, 0);
        assert!(out.contains("Example"), "{command:?}: {out}");
    }
}

#[test]
fn usage_errors_are_told_apart_from_a_no() {
    assert_eq!(run(&["nonsense"]).0, 2);
    assert_eq!(run(&["audit", "verify"]).0, 2);
    assert_eq!(run(&["check-config", "--config", "/none/such.toml"]).0, 2);
    let (code, _, err) = run(&["release", "list"]);
    assert_eq!(code, 2);
    assert!(err.contains("--server"), "{err}");
}
