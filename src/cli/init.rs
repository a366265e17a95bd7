//! `ravelin init`: a switch of one domain that starts at once.
//!
//! Duty: makes a folder with configuration, label policy, store key, keys of the switch, two people
//! and a releasing officer, all vouched for by an authority made on the spot.
//! Promises: nothing that exists is overwritten; every secret is readable by its owner only; every
//! certificate says that it is for exercise.
//! Refuses: a folder that is not empty.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::answer::{Answer, Trouble, chain};
use super::print;
use crate::clock::{Clock, Timestamp};
use crate::crypto::algorithm::{Curve, KeyKind};
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, LabError, Request, Usage};
use crate::crypto::{pem, pkcs12};
use crate::store::StoreKey;

/// The label policy that a first switch gets.
const POLICY: &str = include_str!("../../labels/alder.xml");
/// The domain of the exercise.
const DOMAIN: &str = "alder.example";
/// The people.
const PEOPLE: [&str; 3] = ["anna", "bert", "officer"];
/// How long the first revocation list is good: as long as the certificates.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The options of `ravelin init`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ravelin init first\n  \
    ravelin check-config --config first/ravelin.toml\n  ravelin serve --config first/ravelin.toml\n\n\
    The keys are for exercise: they are made on this machine by an authority that keeps no record.")]
pub(super) struct Init {
    /// A folder that is empty or does not exist yet
    dir: PathBuf,
}

pub(super) fn run(init: &Init) -> Result<Answer, Trouble> {
    let dir = &init.dir;
    refuse_what_is_there(dir)?;
    make(dir).map_err(|error| {
        Trouble::Fault(format!("fill {}: {}", dir.display(), chain(error.as_ref())))
    })?;
    print::out(&next(dir))?;
    Ok(Answer::Yes)
}

fn refuse_what_is_there(dir: &Path) -> Result<(), Trouble> {
    let empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => {
            return Err(Trouble::usage(
                format!("{}: {error}", dir.display()),
                "name a folder that is empty or does not exist yet",
            ));
        }
    };
    if empty {
        return Ok(());
    }
    Err(Trouble::usage(
        format!("{} is not empty; nothing was changed", dir.display()),
        "name a folder that is empty or does not exist yet",
    ))
}

fn make(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let now = Clock::system().now();
    for folder in ["", "audit", "labels", "people", "pki"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    public(&dir.join("labels/alder.xml"), POLICY)?;
    public(&dir.join("ravelin.toml"), CONFIGURATION)?;
    StoreKey::create(&dir.join("store.key"))?;

    let authority = Authority::lasting(
        "CN=ALDER Exercise CA,O=ALDER",
        now,
        KeyKind::Ec(Curve::P384),
        YEAR * 10,
    )?;
    let pki = dir.join("pki");
    public(&pki.join("ca.pem"), &authority.certificate().to_pem())?;
    let list = authority.crl_until(&[], now, now.saturating_add(YEAR).unwrap_or(now))?;
    public(&pki.join("ca.crl.pem"), &pem::encode("X509 CRL", &list))?;
    secret(
        &pki.join("ca.key.pem"),
        key_pem(authority.identity())?.as_bytes(),
    )?;
    // RFC 3183 §3.1.1: the names of those who act for a domain
    for (file, local, usage) in [
        ("sign", "domain-signing-authority", Usage::Sign),
        (
            "decrypt",
            "domain-confidentiality-authority",
            Usage::Encrypt,
        ),
    ] {
        keep(&pki, file, &issue(&authority, local, usage, now)?)?;
    }
    let host = format!("switch.{DOMAIN}");
    let request = Request::new(&format!("CN={host},O=ALDER"), Usage::ServerAndClient, now)
        .dns(&host)
        .dns("localhost");
    keep(&pki, "tls", &authority.issue(request)?)?;
    for local in PEOPLE {
        person(dir, &authority, local, now)?;
    }
    public(&dir.join("people/officer.toml"), OFFICER)?;
    Ok(())
}

/// A person's keys, each in a PKCS #12 file under a password of its owner; the switch gets the
/// certificate to encrypt for.
fn person(
    dir: &Path,
    authority: &Authority,
    local: &str,
    now: Timestamp,
) -> Result<(), Box<dyn std::error::Error>> {
    let people = dir.join("people");
    let password = pass_phrase();
    secret(
        &people.join(format!("{local}.password")),
        &Zeroizing::new([password.as_bytes(), b"\n"].concat()),
    )?;
    let sign = issue(authority, local, Usage::SignAndClient, now)?;
    let decrypt = issue(authority, local, Usage::Encrypt, now)?;
    secret(
        &people.join(format!("{local}.p12")),
        &pkcs12::write(&sign, &password)?,
    )?;
    secret(
        &people.join(format!("{local}-decrypt.p12")),
        &pkcs12::write(&decrypt, &password)?,
    )?;
    public(
        &dir.join(format!("pki/{local}-encrypt.pem")),
        &decrypt.certificate().to_pem(),
    )?;
    Ok(())
}

fn issue(
    authority: &Authority,
    local: &str,
    usage: Usage,
    now: Timestamp,
) -> Result<Identity, LabError> {
    let request = Request::new(&format!("CN={local},O=ALDER"), usage, now);
    authority.issue(request.email(&format!("{local}@{DOMAIN}")))
}

/// 128 random bits in hexadecimal digits.
fn pass_phrase() -> String {
    Clock::system()
        .fresh_id()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

fn keep(folder: &Path, name: &str, identity: &Identity) -> Result<(), Box<dyn std::error::Error>> {
    public(
        &folder.join(format!("{name}.pem")),
        &identity.certificate().to_pem(),
    )?;
    secret(
        &folder.join(format!("{name}.key.pem")),
        key_pem(identity)?.as_bytes(),
    )?;
    Ok(())
}

fn key_pem(identity: &Identity) -> Result<zeroize::Zeroizing<String>, &'static str> {
    identity
        .key_to_pem()
        .ok_or("a key that was just made does not leave its place")
}

fn public(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(text.as_bytes())
}

fn secret(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(octets)
}

fn next(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "A switch for {DOMAIN} stands in {dir}. Its keys are for exercise.\n\n\
         Next:\n  \
         ravelin check-config --config {dir}/ravelin.toml\n  \
         ravelin serve --config {dir}/ravelin.toml\n\n\
         People submit on 127.0.0.1:2525 with STARTTLS and their certificate:\n  \
         {dir}/people/anna.p12 and bert.p12, passwords beside them.\n\
         It delivers by LMTP to 127.0.0.1:2424: have your mailbox server listen there.\n\
         SECRET and above waits for the releasing officer:\n  \
         ravelin release list --config {dir}/people/officer.toml\n"
    )
}

const CONFIGURATION: &str = r#"# A switch of one domain, made by `ravelin init`. Its keys are for exercise.
# `ravelin check-config --config ravelin.toml` says what this means. Paths are relative to this file.
# README, chapter "Configuration", lists every section and key.

[switch]
name = "switch.alder.example"         # said in greetings, Received and reports
domains = ["alder.example"]           # whose people are the subjects below
postmaster = "postmaster@alder.example"
size-limit = "50MiB"

[store]
directory = "store"                   # made at the first start
key = "store.key"                     # seals everything in the store; keep a copy elsewhere

[keys]                                # the switch's own keys; people's keys stay with people
sign = { certificate = "pki/sign.pem", key = "pki/sign.key.pem" }
decrypt = [{ certificate = "pki/decrypt.pem", key = "pki/decrypt.key.pem" }]
tls = { certificate = "pki/tls.pem", key = "pki/tls.key.pem" }

[trust]                               # who vouches for this domain's own people and machines
anchors = ["pki/ca.pem"]
crls = ["pki/ca.crl.pem"]             # good for a year; then make a new one
revocation = "required"

[[listen]]                            # where people submit
name = "submission"
address = "127.0.0.1:2525"
role = "submission"

[[policy]]                            # the first label policy is the domain's own
file = "labels/alder.xml"

[[subject]]
address = "anna@alder.example"
clearance = { policy = "ALDER", classifications = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"], categories = [["Releasable To", "ALDER"]] }
certificate = "pki/anna-encrypt.pem"

[[subject]]
address = "bert@alder.example"
clearance = { policy = "ALDER", classifications = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"], categories = [["Releasable To", "ALDER"]] }
certificate = "pki/bert-encrypt.pem"

[[subject]]
address = "officer@alder.example"
clearance = { policy = "ALDER", classifications = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP SECRET"], categories = [["Releasable To", "ALDER"], ["Codeword", "ANCHOR"]] }
roles = ["releasing-officer"]
certificate = "pki/officer-encrypt.pem"

[[link]]                              # the domain's own mailbox server
name = "mailboxes"
domains = ["alder.example"]
address = "127.0.0.1:2424"
protocol = "lmtp"
tls = "never"                         # inside this machine only
clearance = { policy = "ALDER", classifications = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP SECRET"], categories = [["Releasable To", "ALDER"], ["Codeword", "ANCHOR"]] }
seal = { profile = "as-received" }

[review]
life = [["flash", "4h"], ["immediate", "12h"], ["routine", "3d"]]

[[review.rule]]                       # what needs a releasing officer
name = "secret"
classifications = ["SECRET", "TOP SECRET"]
role = "releasing-officer"
officers = 1

[queue]
life = [["flash", "4h"], ["routine", "5d"]]

[audit]
file = "audit/audit.jsonl"            # `ravelin audit verify` checks it

[admin]                               # where the releasing officer's program connects
address = "127.0.0.1:8443"
"#;

const OFFICER: &str = r#"# The releasing officer's settings, for `ravelin release --config officer.toml`.
server = "127.0.0.1:8443"
name = "switch.alder.example"
trust = ["../pki/ca.pem"]
crls = ["../pki/ca.crl.pem"]
key = "officer.p12"
password-file = "officer.password"
policies = ["../labels/alder.xml"]
revocation = "required"
"#;
