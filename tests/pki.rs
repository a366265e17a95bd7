//! `ravelin pki`, run as a program: what it issues, takes back and says, as `trust verify` sees it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::lab::{EXERCISE_POLICY, NOTICE};
use ravelin::crypto::revocation::RevocationList;
use ravelin::crypto::revocation::ocsp::{self, Response, ResponseError, Status};
use serde_json::Value;

struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// A laboratory in the folder `pki`.
    fn new(options: &str) -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        lab.good(&format!("pki init --name O=ALDER{options}"));
        lab
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ravelin"));
        command
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .env_remove("RAVELIN_PASSWORD")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    fn good(&self, arguments: &str) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments}: {out}{err}");
        out
    }

    /// Refused as usage, with a remedy.
    fn refused(&self, arguments: &str, text: &str) {
        let (code, _, err) = self.run(arguments);
        assert!(code == 2 && err.contains(text), "{arguments}: {code} {err}");
        assert!(err.contains("remedy") || err.contains("--help"), "{err}");
    }

    fn person(&self, name: &str, more: &str) -> Certificate {
        self.good(&format!(
            "pki issue --profile person --subject CN={name},O=ALDER --email \
             {name}@alder.example --out {name}{more}"
        ));
        self.certificate(&format!("{name}.pem"))
    }

    fn certificate(&self, name: &str) -> Certificate {
        let text = fs::read(self.at(name)).unwrap();
        Certificate::from_pem_many(&text).unwrap().swap_remove(0)
    }

    fn list(&self, name: &str) -> RevocationList {
        let text = fs::read(self.at(name)).unwrap();
        RevocationList::from_pem_many(&text).unwrap().swap_remove(0)
    }

    /// What `trust verify` says with the newest lists: the id of the reason, or none.
    fn verified(&self, name: &str, purpose: &str) -> Option<String> {
        let arguments = format!(
            "trust verify {name}.pem --anchor pki/authorities/root.pem --crl pki/crl --purpose \
             {purpose} --format json"
        );
        let (_, out, err) = self.run(&arguments);
        let said: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        let id = said["reasons"][0]["id"].as_str();
        id.map(str::to_owned)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_issued_is_good_for_its_purpose_and_says_that_it_is_exercise() {
    let lab = Lab::new("");
    lab.person("anna", "");
    assert_eq!(lab.verified("anna", "sign"), None);
    let wrong = lab.verified("anna", "encrypt");
    assert_eq!(wrong.as_deref(), Some("trust.key-usage"));
    assert_eq!(mode(&lab.at("anna.key.pem")), 0o600);
    for name in ["root", "issuing"] {
        assert_eq!(
            mode(&lab.at(&format!("pki/authorities/{name}.key.pem"))),
            0o600
        );
    }
    lab.good("pki issue --profile domain-signing-authority --domain alder.example --out sign");
    lab.good(
        "pki issue --profile domain-confidentiality-authority --domain alder.example --key \
         rsa3072 --out conf",
    );
    lab.good("pki issue --profile role --for encrypt --subject CN=Duty --email duty@alder.example --out duty");
    lab.good("pki issue --profile switch --subject CN=switch --dns switch.alder.example --ip 127.0.0.1 --out tls");
    assert_eq!(lab.verified("sign", "sign"), None);
    assert_eq!(lab.verified("conf", "encrypt"), None);
    assert_eq!(lab.verified("duty", "encrypt"), None);
    let sign = lab.certificate("sign.pem");
    assert_eq!(sign.emails(), ["domain-signing-authority@alder.example"]);
    assert_eq!(sign.common_names(), ["domain-signing-authority"]);
    let tls = lab.certificate("tls.pem");
    assert_eq!(tls.dns_names(), ["switch.alder.example"]);
    assert_eq!(tls.ip_addresses().len(), 1);
    // What `ravelin init` makes is of the same kind.
    lab.good("init first");
    for name in [
        "anna.pem",
        "first/pki/ca.pem",
        "first/pki/sign.pem",
        "sign.pem",
        "tls.pem",
        "pki/authorities/root.pem",
    ] {
        let certificate = lab.certificate(name);
        let policies = certificate
            .extension(&"2.5.29.32".parse().unwrap())
            .unwrap();
        let has = |octets: &[u8]| policies.value.windows(octets.len()).any(|w| w == octets);
        assert!(
            has(EXERCISE_POLICY.as_bytes()) && has(NOTICE.as_bytes()),
            "{name}"
        );
    }
    // Never twice the same serial number, never over another file.
    assert_ne!(sign.serial_bytes(), tls.serial_bytes());
    lab.refused(
        "pki issue --profile person --subject CN=x --email x@alder.example --out anna",
        "exists",
    );
    lab.refused("pki init --name O=ALDER", "already");
    lab.refused(
        "pki issue --profile person --subject CN=x --out x",
        "no use",
    );
    lab.refused(
        "pki issue --profile domain-signing-authority --out x",
        "which domain",
    );
    lab.refused(
        "pki issue --profile person --subject CN=x --email x@y.example --path-length 1 --out x",
        "for authorities",
    );
    lab.refused(
        "pki issue --issuer nobody --profile switch --subject CN=x --dns x.example --out x",
        "no authority nobody",
    );
    assert!(!lab.at("x.pem").exists() && !lab.at("x.key.pem").exists());
}

#[test]
fn a_request_gives_key_and_names_and_no_rights() {
    let lab = Lab::new("");
    lab.good("key generate --kind p384 --out own.key.pem");
    lab.good(
        "key request --key own.key.pem --subject CN=Anna,O=ALDER --email anna@alder.example \
         --usage encrypt --out own.csr",
    );
    lab.good("pki issue --profile person --for sign --request own.csr --out own");
    let own = lab.certificate("own.pem");
    assert_eq!(own.emails(), ["anna@alder.example"]);
    assert_eq!(own.subject(), "CN=Anna,O=ALDER");
    // Encrypting was asked for, and the profile says sign.
    assert_eq!(lab.verified("own", "sign"), None);
    assert_eq!(
        lab.verified("own", "encrypt").as_deref(),
        Some("trust.key-usage")
    );
    // One octet of the request.
    let text = fs::read_to_string(lab.at("own.csr")).unwrap();
    let mut der = ravelin::crypto::pem::blocks(text.as_bytes()).unwrap()[0]
        .der
        .to_vec();
    let middle = der.len() / 2;
    der[middle] ^= 1;
    fs::write(lab.at("bad.csr"), der).unwrap();
    lab.refused(
        "pki issue --profile person --request bad.csr --out bad",
        "request",
    );
    assert!(!lab.at("bad.pem").exists());
}

#[test]
fn authorities_stand_below_and_beside_one_another() {
    let lab = Lab::new(" --key rsa3072");
    lab.good(
        "pki issue --issuer root --profile ca --subject CN=Deep,O=ALDER --path-length 0 \
         --permit-mail alder.example --authority deep --out deep",
    );
    lab.good("pki crl --issuer deep");
    lab.good("pki crl --issuer root");
    lab.person("anna", " --issuer deep");
    assert_eq!(lab.verified("anna", "sign"), None);
    lab.good(
        "pki issue --issuer deep --profile person --subject CN=Eve --email eve@birch.example --out eve",
    );
    assert_eq!(
        lab.verified("eve", "sign").as_deref(),
        Some("trust.name-not-permitted")
    );
    // A cross-certificate makes the other laboratory's people good here.
    lab.good("pki init --dir far --name O=BIRCH");
    lab.good(
        "pki issue --dir far --profile person --subject CN=Bo --email bo@birch.example --out bo",
    );
    lab.good("pki issue --issuer root --profile ca --cross far/authorities/root.pem --out cross");
    let arguments = "trust verify bo.pem --anchor pki/authorities/root.pem --crl pki/crl far/crl \
                     --purpose sign";
    assert_eq!(lab.run(arguments).0, 1);
    assert_eq!(
        lab.run(&format!("{arguments} --intermediates cross.pem")).0,
        0
    );
}

#[test]
fn revocation_hold_and_release_stand_in_the_lists() {
    let lab = Lab::new("");
    let (anna, bert) = (lab.person("anna", ""), lab.person("bert", ""));
    assert!(lab.list("pki/crl/issuing.crl.pem").is_empty());
    lab.good("pki revoke anna.pem --reason key-compromise --at 2026-01-02T03:04:05Z");
    lab.good(&format!("pki revoke {} --reason hold", bert.serial_hex()));
    // Not in the list yet: it is made on demand.
    assert_eq!(lab.verified("anna", "sign"), None);
    lab.good("pki crl --next-update 2d");
    assert_eq!(
        lab.verified("anna", "sign").as_deref(),
        Some("trust.revoked")
    );
    assert_eq!(
        lab.verified("bert", "sign").as_deref(),
        Some("trust.revoked")
    );
    let list = lab.list("pki/crl/issuing.crl.pem");
    assert_eq!(list.len(), 2);
    let until = list
        .next_update()
        .unwrap()
        .duration_since(list.this_update());
    assert_eq!(until.as_hours(), 48);
    // Final is final; a hold is not.
    lab.refused("pki revoke anna.pem --release", "for good");
    lab.refused("pki revoke anna.pem --reason superseded", "already");
    lab.good("pki revoke bert.pem --release");
    lab.refused("pki revoke bert.pem --release", "not on hold");
    lab.person("carl", "");
    lab.good("pki revoke carl.pem --reason cessation-of-operation");
    // A delta list alone makes the difference.
    lab.good("pki crl --delta --next-update 1d --der --out delta.crl");
    let delta = RevocationList::from_der(&fs::read(lab.at("delta.crl")).unwrap()).unwrap();
    assert_eq!((delta.base(), list.number()), (list.number(), delta.base()));
    assert_eq!(delta.len(), 2);
    assert_eq!(lab.verified("bert", "sign"), None);
    assert_eq!(
        lab.verified("carl", "sign").as_deref(),
        Some("trust.revoked")
    );
    assert_eq!(
        lab.verified("anna", "sign").as_deref(),
        Some("trust.revoked")
    );
    // Numbers only grow.
    lab.good("pki crl");
    let newest = lab.list("pki/crl/issuing.crl.pem");
    assert!(newest.number() > delta.number() && delta.number() > list.number());
    assert_eq!(newest.len(), 2);
    lab.refused("pki revoke 1234", "did not issue");
    lab.refused("pki revoke nowhere.pem", "no serial number");
    lab.refused("pki crl --next-update soon", "unit");
    assert!(anna.serial_bytes() != bert.serial_bytes());
}

fn question(lab: &Lab, name: &str, nonce: &[u8]) -> Vec<u8> {
    let issuer = lab.certificate("pki/authorities/issuing.pem");
    ocsp::request(&lab.certificate(name), issuer.spki_der(), nonce)
}

fn status(lab: &Lab, name: &str, answer: &[u8]) -> Option<Status> {
    let issuer = lab.certificate("pki/authorities/issuing.pem");
    let response = Response::from_der(answer).unwrap();
    let about = response.about(&lab.certificate(name), issuer.spki_der());
    about.map(|answer| answer.status)
}

#[test]
fn ocsp_answers_from_files() {
    let lab = Lab::new("");
    lab.person("anna", "");
    lab.good("pki init --dir other --name O=ALDER");
    let ask = |name: &str, out: &str| {
        fs::write(lab.at("asked"), question(&lab, name, &[7; 32])).unwrap();
        let (code, _, err) = lab.run(&format!("pki ocsp --request asked --out {out}"));
        (code, err, fs::read(lab.at(out)).unwrap_or_default())
    };
    let (code, err, answer) = ask("anna.pem", "one");
    assert_eq!(code, 0, "{err}");
    assert_eq!(status(&lab, "anna.pem", &answer), Some(Status::Good));
    assert_eq!(
        Response::from_der(&answer).unwrap().nonce(),
        Some(&[7; 32][..])
    );
    lab.good("trust verify anna.pem --anchor pki/authorities/root.pem --crl pki/crl/root.crl.pem --ocsp one");
    lab.good("pki revoke anna.pem");
    let (_, _, answer) = ask("anna.pem", "two");
    assert!(matches!(
        status(&lab, "anna.pem", &answer),
        Some(Status::Revoked(_))
    ));
    let verify = "trust verify anna.pem --anchor pki/authorities/root.pem --crl \
                  pki/crl/root.crl.pem --ocsp two";
    assert_eq!(lab.run(verify).0, 1);
    // The issuing authority did not issue itself.
    let (_, _, answer) = ask("pki/authorities/issuing.pem", "three");
    let found = Response::from_der(&answer);
    assert_eq!(
        found.err(),
        Some(ResponseError::NotSuccessful("unauthorized"))
    );
    // A delegated responder.
    lab.good("pki issue --profile ocsp --subject CN=Responder,O=ALDER --out responder");
    lab.person("bert", "");
    fs::write(lab.at("asked"), question(&lab, "bert.pem", &[])).unwrap();
    lab.good(
        "pki ocsp --request asked --out four --signer responder.pem --signer-key responder.key.pem",
    );
    lab.good("trust verify bert.pem --anchor pki/authorities/root.pem --crl pki/crl/root.crl.pem --ocsp four");
    // Octets that are no question.
    fs::write(lab.at("asked"), b"\x30\x03\x02\x01\x00").unwrap();
    assert_eq!(lab.run("pki ocsp --request asked --out five").0, 1);
    let found = Response::from_der(&fs::read(lab.at("five")).unwrap());
    assert_eq!(
        found.err(),
        Some(ResponseError::NotSuccessful("malformedRequest"))
    );
    // Somebody else's signer.
    lab.good("pki issue --dir other --profile ocsp --subject CN=R --out foreign");
    fs::write(lab.at("asked"), question(&lab, "bert.pem", &[])).unwrap();
    let foreign = "--signer foreign.pem --signer-key foreign.key.pem";
    let (_, _, answer) = {
        let found = lab.run(&format!("pki ocsp --request asked --out six {foreign}"));
        (
            found.0,
            found.2,
            fs::read(lab.at("six")).unwrap_or_default(),
        )
    };
    // The names are the same; the key that certified it is not, and `trust verify` sees that.
    if !answer.is_empty() {
        let verify = "trust verify bert.pem --anchor pki/authorities/root.pem --crl \
                      pki/crl/root.crl.pem --ocsp six";
        assert_eq!(lab.run(verify).0, 1);
    }
}

/// Ends what was started.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ocsp_answers_over_http() {
    let lab = Lab::new("");
    lab.person("anna", "");
    let mut command = lab.command("pki ocsp --listen 127.0.0.1:0");
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = String::new();
    let out = running.0.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut said).unwrap();
    let place = said.trim().strip_prefix("listening on http://").unwrap();
    let place = place.trim_end_matches('/').to_owned();
    let ask = |head: &str, body: &[u8]| {
        let mut stream = TcpStream::connect(&place).unwrap();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        answer.split_off(at + 4)
    };
    let asked = question(&lab, "anna.pem", &[9; 32]);
    let answer = ask("POST /", &asked);
    assert_eq!(status(&lab, "anna.pem", &answer), Some(Status::Good));
    // At once, without a new start.
    lab.good("pki revoke anna.pem");
    let answer = ask("POST /", &asked);
    assert!(matches!(
        status(&lab, "anna.pem", &answer),
        Some(Status::Revoked(_))
    ));
    let found = Response::from_der(&ask("POST /", b"nonsense"));
    assert_eq!(
        found.err(),
        Some(ResponseError::NotSuccessful("malformedRequest"))
    );
}

#[test]
fn passwords_come_from_files_and_a_fault_leaves_the_record() {
    let lab = Lab {
        folder: tempfile::tempdir().unwrap(),
    };
    fs::write(lab.at("secret"), "correct horse\n").unwrap();
    fs::write(lab.at("wrong"), "battery staple\n").unwrap();
    lab.good("pki init --password-file secret");
    let key = fs::read_to_string(lab.at("pki/authorities/root.key.pem")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let issue = "pki issue --profile person --subject CN=Anna --email anna@alder.example --out a";
    lab.refused(issue, "the key of issuing");
    lab.refused(
        &format!("{issue} --password-file wrong"),
        "the key of issuing",
    );
    lab.good(&format!(
        "{issue} --password-file secret --p12 --key-password-file secret"
    ));
    assert_eq!(mode(&lab.at("a.p12")), 0o600);
    lab.good("key list a.p12 --password-file secret");
    // A record that is no record is an error, and stays as it is.
    fs::write(lab.at("pki/pki.json"), "{\"version\":9}").unwrap();
    lab.refused("pki crl --password-file secret", "pki.json");
    assert_eq!(
        fs::read(lab.at("pki/pki.json")).unwrap(),
        b"{\"version\":9}"
    );
    lab.refused("pki crl --dir nowhere", "no laboratory");
}

#[test]
fn a_clearance_stands_in_the_certificate() {
    let lab = Lab::new("");
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("labels/alder.xml");
    let policy = policy.display();
    lab.person(
        "anna",
        &format!(" --clearance UNCLASSIFIED..SECRET --policy {policy}"),
    );
    let attribute = lab.certificate("anna.pem");
    let attribute = attribute.extension(&"2.5.29.9".parse().unwrap()).unwrap();
    // id-at-clearance
    assert!(
        attribute
            .value
            .windows(5)
            .any(|w| w == [6, 3, 0x55, 4, 0x37])
    );
    assert_eq!(lab.verified("anna", "sign"), None);
    lab.refused(
        &format!("pki issue --profile person --subject CN=x --email x@y.example --clearance HIGH --policy {policy} --out x"),
        "--clearance",
    );
}
