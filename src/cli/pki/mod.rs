//! `ravelin pki`: a laboratory of authorities for exercises, demonstrations and tests.
//!
//! Promises: every certificate says in its policy that it is for exercise; serial numbers are
//! random; private keys have mode 0600; passwords come from files, the environment or a systemd
//! credential, never from the command line.
//! Refuses: to be an authority in earnest: no registration, no separation of duties, no audit.

mod folder;
mod issue;
mod lists;
mod responder;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use self::folder::Folder;
use super::answer::{Answer, Trouble, chain};
use super::{material, print};
use crate::clock::{Clock, Timestamp};
use crate::crypto::algorithm::{Curve, KeyKind};
use crate::crypto::lab::{Authority, LabError};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The commands of `ravelin pki`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin pki init --dir lab --name O=ALDER && \\\n  ravelin pki issue --dir \
    lab --profile person --subject 'CN=Anna,O=ALDER' \\\n    --email anna@alder.example --out anna\n\n\
    For exercises, demonstrations and tests; every certificate says so in its policy."
)]
pub(super) struct Pki {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make the revocation list of an authority
    Crl(lists::Crl),
    /// Make a root, an authority below it, and their first revocation lists
    Init(Init),
    /// Certify a key: a new one, or that of a request
    Issue(Box<issue::Issue>),
    /// Answer questions about the status of certificates (OCSP)
    Ocsp(responder::Ocsp),
    /// Take a certificate back, hold it, or take it off hold
    Revoke(lists::Revoke),
}

/// Which laboratory.
#[derive(Args, Debug)]
struct Where {
    /// The folder of the laboratory
    #[arg(long, value_name = "DIR", default_value = "pki")]
    dir: PathBuf,
    /// A file with the password of the authorities' keys; otherwise the environment's
    /// RAVELIN_PASSWORD, or the systemd credential ravelin-password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Where {
    fn open(&self) -> Result<Folder, Trouble> {
        Folder::open(&self.dir)
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, Trouble> {
        material::password_of(self.password_file.as_deref())
    }

    fn authority(&self, folder: &Folder, name: &str) -> Result<Authority, Trouble> {
        let password = self.password()?;
        folder.authority(name, password.as_ref().map(|password| password.as_str()))
    }
}

/// The options of `ravelin pki init`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin pki init --dir lab --name O=ALDER --key p384 \\\n    \
    --crl-url http://127.0.0.1:8088/issuing.crl --ocsp-url http://127.0.0.1:8089/"
)]
struct Init {
    #[command(flatten)]
    place: Where,
    /// What the names of the authorities end with, such as O=ALDER
    #[arg(long, value_name = "NAME", default_value = "O=Exercise")]
    name: String,
    #[arg(long, value_enum, default_value_t)]
    key: Kind,
    /// How many days the root is valid; the authority below it half as long
    #[arg(long, value_name = "DAYS", default_value_t = 3650)]
    days: u32,
    /// Where the lists of the issuing authority can be fetched; stands in what it issues
    #[arg(long, value_name = "URL")]
    crl_url: Option<String>,
    /// Where its OCSP responder is
    #[arg(long, value_name = "URL")]
    ocsp_url: Option<String>,
}

/// The kinds of key that can be made.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Kind {
    Ed25519,
    P256,
    #[default]
    P384,
    P521,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

impl Kind {
    fn of(self) -> KeyKind {
        match self {
            Self::Ed25519 => KeyKind::Ed25519,
            Self::P256 => KeyKind::Ec(Curve::P256),
            Self::P384 => KeyKind::Ec(Curve::P384),
            Self::P521 => KeyKind::Ec(Curve::P521),
            Self::Rsa2048 => KeyKind::Rsa(2048),
            Self::Rsa3072 => KeyKind::Rsa(3072),
            Self::Rsa4096 => KeyKind::Rsa(4096),
        }
    }
}

pub(super) fn run(pki: &Pki) -> Result<Answer, Trouble> {
    match &pki.act {
        Act::Crl(crl) => lists::crl(crl),
        Act::Init(order) => init(order),
        Act::Issue(order) => issue::run(order),
        Act::Ocsp(ocsp) => responder::run(ocsp),
        Act::Revoke(revoke) => lists::revoke(revoke),
    }
}

fn init(order: &Init) -> Result<Answer, Trouble> {
    let now = Clock::system().now();
    let password = order.place.password()?;
    let password = password.as_ref().map(|password| password.as_str());
    let mut folder = Folder::create(
        &order.place.dir,
        order.crl_url.clone(),
        order.ocsp_url.clone(),
    )?;
    let kind = order.key.of();
    let life = DAY.saturating_mul(order.days);
    let named = |what: &str| format!("CN=Exercise {what},{}", order.name);
    let root = Authority::lasting(&named("Root CA"), now, kind, life).map_err(failed)?;
    let below = root
        .lasting_below(&named("Issuing CA"), now, kind, life / 2)
        .map_err(failed)?;
    for (name, authority, issuer) in [("root", &root, "root"), ("issuing", &below, "root")] {
        folder.add_authority(name, authority.identity(), password)?;
        folder.add(authority.certificate(), issuer)?;
    }
    for (name, authority) in [("root", &root), ("issuing", &below)] {
        lists::make(
            &mut folder,
            name,
            authority,
            lists::Kind::Complete,
            now,
            DAY * 7,
        )?;
    }
    folder.keep()?;
    let dir = order.place.dir.display();
    print::out(&format!(
        "{dir}: for exercise only\n{dir}/authorities/root.pem is the anchor, \
         {dir}/authorities/issuing.pem issues\n"
    ))?;
    Ok(Answer::Yes)
}

/// A failing laboratory: names come from the command line, everything else is ours.
fn failed(error: LabError) -> Trouble {
    match &error {
        LabError::Encode(_) | LabError::Mailbox(_) | LabError::Name(_) => Trouble::usage(
            chain(&error),
            "write names like CN=Anna Berg,O=Alder, hosts and places in ASCII",
        ),
        _ => Trouble::Fault(chain(&error)),
    }
}

/// Whether two files may be written to; asked before anything is issued.
fn not_there(paths: &[&Path]) -> Result<(), Trouble> {
    match paths.iter().find(|path| path.exists()) {
        Some(path) => Err(Trouble::usage(
            format!("{} exists; nothing was changed", path.display()),
            "name files that do not exist yet with --out",
        )),
        None => Ok(()),
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(jiff::SignedDuration::try_from(by).unwrap_or_default())
        .unwrap_or(at)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(jiff::SignedDuration::try_from(by).unwrap_or_default())
        .unwrap_or(at)
}

/// A life such as `12h` or `7d`.
fn life(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit: 90s, 30m, 12h, 7d".to_owned();
    let (number, seconds) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3_600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => return Err(wrong()),
    };
    let number: u64 = number
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(wrong)?;
    match number.checked_mul(seconds) {
        Some(seconds) if (1..=86_400 * 3_650).contains(&seconds) => {
            Ok(Duration::from_secs(seconds))
        }
        _ => Err(wrong()),
    }
}
