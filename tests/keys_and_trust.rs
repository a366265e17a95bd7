//! `ravelin key` and `ravelin trust`, run as programs: files, answers, exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ravelin::clock::Timestamp;
use ravelin::crypto::keys;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::pem;
use ravelin::crypto::pkcs12;
use ravelin::crypto::request::CertificateRequest;
use serde_json::Value;

struct Room {
    _folder: tempfile::TempDir,
    dir: PathBuf,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        Self {
            _folder: folder,
            dir,
        }
    }

    fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        fs::write(self.dir.join(name), octets).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.join(name)).unwrap()
    }

    fn run(&self, arguments: &str) -> (i32, String, String) {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &str, variables: &[(&str, &Path)]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_ravelin"))
            .args(arguments.split(' '))
            .current_dir(&self.dir)
            .env_remove("RAVELIN_PASSWORD")
            .env_remove("CREDENTIALS_DIRECTORY")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    fn json(&self, arguments: &str, code: i32) -> Value {
        let (found, out, err) = self.run(&format!("{arguments} --format json"));
        assert_eq!(found, code, "{arguments}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }
}

fn now() -> Timestamp {
    "2026-11-21T08:30:00Z".parse().unwrap()
}

#[test]
fn a_key_is_made_requested_certified_exported_imported_and_archived() {
    let room = Room::new();
    room.write("secret", "correct horse\n");
    let (code, _, err) = room.run("key generate --kind p384 --out a.key.pem");
    assert_eq!(code, 0, "{err}");
    let mode = fs::metadata(room.dir.join("a.key.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Never over another file.
    let before = room.read("a.key.pem");
    assert_eq!(room.run("key generate --out a.key.pem").0, 2);
    assert_eq!(room.read("a.key.pem"), before);

    let (code, _, err) = room.run(
        "key request --key a.key.pem --subject CN=Anna,O=Alder --email anna@alder.example \
         --usage encrypt --out a.csr",
    );
    assert_eq!(code, 0, "{err}");
    let text = room.read("a.csr");
    let blocks = pem::blocks(&text).unwrap();
    assert_eq!(blocks[0].label, "CERTIFICATE REQUEST");
    let request = CertificateRequest::from_der(&blocks[0].der).unwrap();
    assert_eq!(request.subject(), "CN=Anna,O=Alder");
    let key = keys::key_from_pem(&before, None).unwrap();
    assert_eq!(request.spki_der(), key.public_spki());

    let root = Authority::new("Root", now()).unwrap();
    let certify = |key: &dyn keys::PrivateKey| {
        root.certify(
            request.subject_der(),
            key.public_spki(),
            now(),
            now()
                .checked_add(jiff::SignedDuration::from_hours(24 * 20))
                .unwrap(),
            request.extensions().to_vec(),
        )
        .unwrap()
    };
    let certificate = certify(key.as_ref());
    assert_eq!(certificate.emails(), ["anna@alder.example"]);
    room.write("a.pem", certificate.to_pem());

    // A file needs a password, from a file, the environment or a credential.
    assert_eq!(room.run("key export --out a.p12 a.pem a.key.pem").0, 2);
    let (code, _, err) = room.run("key export --out a.p12 --password-file secret a.pem a.key.pem");
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        pkcs12::read(&room.read("a.p12"), "correct horse")
            .unwrap()
            .len(),
        1
    );
    fs::create_dir(room.dir.join("credentials")).unwrap();
    room.write("credentials/ravelin-password", "correct horse");
    let credentials = room.dir.join("credentials");
    let variables = [("CREDENTIALS_DIRECTORY", credentials.as_path())];
    let (code, _, err) = room.run_with("key import --out back a.p12", &variables);
    assert_eq!(code, 0, "{err}");
    assert_eq!(room.read("back.pem"), certificate.to_pem().as_bytes());
    let back = keys::key_from_pem(&room.read("back.key.pem"), None).unwrap();
    assert_eq!(back.public_spki(), key.public_spki());
    room.write("wrong", "wrong horse");
    assert_eq!(
        room.run("key import --out again --password-file wrong a.p12")
            .0,
        2
    );
    assert!(!room.dir.join("again.pem").exists());

    // Two in the archive, each once; a pair that is none is refused.
    assert_eq!(room.run("key generate --kind p256 --out b.key.pem").0, 0);
    let other = keys::key_from_pem(&room.read("b.key.pem"), None).unwrap();
    room.write("b.pem", certify(other.as_ref()).to_pem());
    let archive = "key archive --archive old.p12 --password-file secret";
    assert_eq!(room.run(&format!("{archive} a.pem b.key.pem")).0, 2);
    for name in ["a", "b"] {
        let (code, _, err) = room.run(&format!("{archive} {name}.pem {name}.key.pem"));
        assert_eq!(code, 0, "{err}");
    }
    assert_eq!(room.run(&format!("{archive} a.pem a.key.pem")).0, 2);
    let kept = pkcs12::read(&room.read("old.p12"), "correct horse").unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].certificate(), &certificate);

    let rows = room.json(
        "key list --password-file secret a.pem a.key.pem b.key.pem old.p12",
        0,
    );
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0]["subject"], "CN=Anna,O=Alder");
    assert_eq!(rows[0]["private"], "yes");
    assert_eq!(rows[0]["usage"], serde_json::json!(["keyAgreement"]));
    assert_eq!(rows[2]["algorithm"], "EC P-256");
}

#[test]
fn a_legacy_file_is_imported_with_a_warning_and_exported_as_a_modern_one() {
    let room = Room::new();
    let root = Authority::new("Root", now()).unwrap();
    let anna = root
        .issue(Request::new("Anna", Usage::Sign, now()))
        .unwrap();
    room.write("c.pem", anna.certificate().to_pem());
    room.write("k.pem", anna.key_to_pem().unwrap().as_str());
    room.write("secret", "correct horse");
    let made = std::process::Command::new("openssl")
        .args(["pkcs12", "-export", "-legacy", "-passout", "file:secret"])
        .args(["-in", "c.pem", "-inkey", "k.pem", "-out", "old.p12"])
        .current_dir(&room.dir)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: openssl is not there to make a legacy file");
        return;
    }
    let (code, _, err) = room.run("key import --out back --password-file secret old.p12");
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("RC2 with 40 bits"), "{err}");
    assert!(err.contains("ravelin key export"), "{err}");
    let pem = anna.certificate().to_pem();
    assert_eq!(room.read("back.pem"), pem.as_bytes());

    // What is written is never so.
    let (code, _, err) = room.run("key export --out new.p12 --password-file secret old.p12");
    assert_eq!(code, 0, "{err}");
    let opened = pkcs12::open(&room.read("new.p12"), "correct horse").unwrap();
    assert_eq!(opened.legacy, None);
    let (code, _, err) = room.run("key import --out again --password-file secret new.p12");
    assert_eq!((code, err.as_str()), (0, ""));
    room.write("wrong", "wrong horse");
    let (code, ..) = room.run("key import --out no --password-file wrong old.p12");
    assert_eq!(code, 2);
    assert!(!room.dir.join("no.pem").exists());
}

#[test]
fn expiry_is_told_by_its_days() {
    let room = Room::new();
    let root = Authority::new("Root", now()).unwrap();
    for days in [5u64, 25, 80, 200] {
        let life = std::time::Duration::from_secs(days * 86_400);
        let request = Request::new(&format!("CN=In {days}"), Usage::Sign, now());
        let end = root.issue(request.valid(now(), life)).unwrap();
        room.write(&format!("{days}.pem"), end.certificate().to_pem());
    }
    let at = "--at 2026-11-21T08:30:00Z";
    let rows = room.json(&format!("key expiry . {at}"), 1);
    let warnings: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["days"].as_i64().unwrap(), row["warning"].as_i64()))
        .collect();
    assert_eq!(
        warnings,
        [(5, Some(7)), (25, Some(30)), (80, Some(90)), (200, None)]
    );
    let rows = room.json("key expiry 5.pem --at 2026-11-27T08:30:00Z", 1);
    assert_eq!(rows[0]["warning"], 0);
    room.json(&format!("key expiry 200.pem {at}"), 0);
    let (code, out, _) = room.run(&format!("key expiry 5.pem {at}"));
    assert!(code == 1 && out.contains("within 7 days"), "{out}");
    assert_eq!(room.run("key expiry nothing.pem").0, 2);
}

#[test]
fn openssl_reads_the_request_and_the_archive() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: openssl is not there to agree");
        return;
    }
    let room = Room::new();
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&room.dir)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    for kind in ["p384", "rsa3072"] {
        assert_eq!(
            room.run(&format!("key generate --kind {kind} --out {kind}.pem"))
                .0,
            0
        );
        let request = format!(
            "key request --key {kind}.pem --subject CN=Switch --dns mx.alder.example --usage tls \
             --out {kind}.csr"
        );
        assert_eq!(room.run(&request).0, 0);
        let (good, text) = openssl(&format!("req -in {kind}.csr -verify -noout -text"));
        assert!(good && text.contains("DNS:mx.alder.example"), "{text}");
        let damaged = room.read(&format!("{kind}.csr"));
        let mut der = pem::blocks(&damaged).unwrap()[0].der.to_vec();
        let last = der.len() - 20;
        der[last] ^= 1;
        room.write("damaged.csr", pem::encode("CERTIFICATE REQUEST", &der));
        let (_, text) = openssl("req -in damaged.csr -verify -noout");
        assert!(text.contains("fail"), "{text}");
    }
}

/// Root, an authority below, an end entity, their lists, as files.
fn pki(room: &Room) -> Authority {
    let root = Authority::new("Root", now()).unwrap();
    let middle = root.subordinate("Middle", Some(0), now()).unwrap();
    let request = Request::new("CN=Anna,O=Alder", Usage::Sign, now()).email("anna@alder.example");
    let end = middle.issue(request).unwrap();
    let gone = middle
        .issue(Request::new("Gone", Usage::Sign, now()))
        .unwrap();
    room.write("root.pem", root.certificate().to_pem());
    room.write("anna.pem", end.certificate().to_pem());
    room.write("gone.pem", gone.certificate().to_pem());
    room.write("anna-and-middle.pem", {
        end.certificate().to_pem() + &middle.certificate().to_pem()
    });
    for folder in ["authorities", "lists"] {
        fs::create_dir(room.dir.join(folder)).unwrap();
    }
    room.write("authorities/middle.crt", middle.certificate().der());
    room.write("lists/root.crl", root.crl(&[], now()).unwrap());
    let list = middle.crl(&[gone.certificate()], now()).unwrap();
    room.write("lists/middle.crl", list);
    root
}

#[test]
fn trust_verify_tells_the_path_or_every_reason() {
    let room = Room::new();
    pki(&room);
    let whole =
        "--anchor root.pem --intermediates authorities --crl lists --at 2026-11-21T09:00:00Z";
    let good = room.json(&format!("trust verify anna.pem {whole} --purpose sign"), 0);
    assert_eq!(good["valid"], true);
    assert_eq!(
        good["path"],
        serde_json::json!(["CN=Anna,O=Alder", "CN=Middle", "CN=Root"])
    );
    assert_eq!(good["revocation"].as_array().unwrap().len(), 2);
    assert_eq!(good["reasons"], serde_json::json!([]));

    let refused = |arguments: &str, id: &str, certificate: &str| {
        let found = room.json(&format!("trust verify {arguments}"), 1);
        assert_eq!(found["valid"], false, "{found}");
        let reason = &found["reasons"][0];
        assert_eq!(reason["id"], id, "{found}");
        assert_eq!(reason["certificate"], certificate, "{found}");
        assert!(
            reason["rule"].as_str().unwrap().starts_with("RFC "),
            "{found}"
        );
        assert!(reason["text"].as_str().unwrap().contains("; "), "{found}");
        found
    };
    let anna = "CN=Anna,O=Alder";
    let found = refused(&format!("gone.pem {whole}"), "trust.revoked", "CN=Gone");
    let tried = &found["tried"][0];
    assert_eq!(tried["path"].as_array().unwrap().len(), 3);
    assert_eq!(tried["reason"]["id"], "trust.revoked");
    refused(
        &format!("anna.pem {whole} --purpose encrypt"),
        "trust.key-usage",
        anna,
    );
    refused(
        &format!("anna.pem {whole} --purpose ca"),
        "trust.not-an-authority",
        anna,
    );
    refused(
        &format!("anna.pem {whole} --explicit-policy"),
        "trust.policy-required",
        "CN=Middle",
    );
    refused(
        "anna.pem --anchor root.pem",
        "trust.unknown-authority",
        anna,
    );
    let later = whole.replace("2026-11-21", "2026-12-21");
    refused(
        &format!("anna.pem {later}"),
        "trust.revocation-unknown",
        anna,
    );
    // What comes along with the certificate may help; without lists status is not looked up.
    room.json(
        "trust verify anna-and-middle.pem --anchor root.pem --at 2026-12-21T09:00:00Z",
        0,
    );
    // The suite.
    room.json(&format!("trust verify anna.pem {whole} --suite cnsa1"), 0);
    // What cannot be read.
    assert_eq!(room.run("trust verify none.pem --anchor root.pem").0, 2);
    room.write("junk", "junk");
    assert_eq!(room.run("trust verify junk --anchor root.pem").0, 2);
    assert_eq!(room.run("trust verify anna.pem --anchor junk").0, 2);
    assert_eq!(
        room.run("trust verify anna.pem --anchor root.pem --crl junk")
            .0,
        2
    );
    let (code, out, _) = room.run(&format!("trust verify anna.pem {whole}"));
    assert!(
        code == 0 && out.contains("CN=Middle") && out.contains("valid at"),
        "{out}"
    );
}

#[test]
fn trust_verify_obeys_a_trust_list() {
    let room = Room::new();
    let authority = pki(&room);
    let request = Request::new("CN=Anna", Usage::Sign, now()).email("anna@alder.example");
    let anna = authority.issue(request).unwrap().certificate().clone();
    room.write("listed.pem", anna.to_pem());
    let digits: String = anna
        .fingerprint()
        .iter()
        .map(|o| format!("{o:02x}"))
        .collect();
    let head = "number = 1\ndate = \"2026-11-20T00:00:00Z\"\n";
    let why = "reason = \"lost\"\ndate = \"2026-11-20T00:00:00Z\"\n";
    let verify = "trust verify listed.pem --at 2026-11-21T08:30:00Z --purpose sign --anchor";
    room.write(
        "list.toml",
        format!("{head}[[distrusted]]\nsha256 = \"{digits}\"\n{why}"),
    );
    assert_eq!(room.json(&format!("{verify} root.pem"), 0)["valid"], true);
    let said = room.json(&format!("{verify} root.pem --trust-list list.toml"), 1);
    let reason = &said["reasons"][0];
    assert_eq!(reason["id"], "trust.distrusted");
    assert!(reason["text"].as_str().unwrap().contains("lost"), "{said}");
    // Trusted, under an anchor that did not issue it.
    let other = Authority::new("Other", now()).unwrap();
    room.write("other.pem", other.certificate().to_pem());
    room.write(
        "list.toml",
        format!(
            "{head}[[trusted]]\nsha256 = \"{digits}\"\npurposes = [\"sign\"]\naddresses = \
             [\"anna@alder.example\"]\n{why}"
        ),
    );
    room.json(&format!("{verify} other.pem"), 1);
    let said = room.json(&format!("{verify} other.pem --trust-list list.toml"), 0);
    assert_eq!(said["revocation"][0]["source"], "trust list 1");
    // A list that cannot be read is no list, with the line that is wrong.
    room.write("list.toml", format!("{head}colour = 1\n"));
    let (code, _, err) = room.run(&format!("{verify} root.pem --trust-list list.toml"));
    assert!(code == 2 && err.contains("list.toml:3"), "{err}");
}

#[test]
fn trust_show_tells_who_is_believed() {
    let room = Room::new();
    let (code, _, err) = room.run("init first");
    assert_eq!(code, 0, "{err}");
    let said = room.json("trust show --config first/ravelin.toml", 0);
    let store = &said["stores"][0];
    assert_eq!(
        (&store["name"], &store["suite"]),
        (&"trust".into(), &"modern".into())
    );
    assert_eq!(store["links"][0], "mailboxes");
    assert_eq!(
        (&store["revocation"], &store["stale"]),
        (&"required".into(), &"hold".into())
    );
    let anchor = &store["anchors"][0];
    assert_eq!(anchor["subject"], "CN=ALDER Exercise CA,O=ALDER");
    assert_eq!(
        (&anchor["state"], &anchor["key"]),
        (&"in date".into(), &"EC P-384".into())
    );
    assert_eq!(store["crls"][0]["state"], "in date");
    assert_eq!(said["trust_list"], Value::Null);
    // Two years on, list and people are out of date.
    let late = "trust show --config first/ravelin.toml --at 2028-11-21T00:00:00Z";
    let said = room.json(late, 1);
    assert_eq!(said["stores"][0]["crls"][0]["state"], "stale");
    assert!(
        said["stores"][0]["crls"][0]["age_seconds"]
            .as_i64()
            .unwrap()
            > 365 * 86400
    );
    let (code, out, _) = room.run("trust show --config first/ravelin.toml");
    assert!(
        code == 0 && out.contains("anchor") && out.contains("trust list"),
        "{out}"
    );
    assert_eq!(room.run("trust show --config nowhere.toml").0, 2);
}
