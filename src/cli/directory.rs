//! `ravelin directory`: what the directory of a configuration has on record of a name, and what of it
//! would be used; the certificates that signed mail brought, and an operator's word on them.
//!
//! Promises: the same questions in the same bounds as the switch asks; the JSON is a stable contract
//! (see README). Only a running switch changes anything.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::answer::{Answer, Trouble, chain};
use super::desk::refused;
use super::officer::Settings;
use super::print::{self, Format};
use super::stopped;
use crate::admin::directory::CertificateOrder;
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Config};
use crate::crypto::certificate::{Certificate, hex};
use crate::crypto::directory::{Found, Name, Record};
use crate::crypto::trust::{Purpose, TrustStore};
use crate::message::address::Address;
use crate::store::CertificateRow;

/// The options of `ravelin directory`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin directory show anna@alder.example --config ravelin.toml"
)]
pub(super) struct Directory {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Let a certificate that signed mail brought be found from now on
    #[command(
        after_help = "Example:\n  ravelin directory accept ID --reason \"told by telephone\" \
        --desk operator.toml"
    )]
    Accept(Target),
    /// List what signed mail brought: of a running switch with --desk, of a stopped one without
    #[command(
        after_help = "Examples:\n  ravelin directory list --desk operator.toml\n  \
        ravelin directory list --config ravelin.toml --format json"
    )]
    List {
        /// The configuration of a switch that is stopped
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        /// The operator's settings, to ask a running switch
        #[arg(long, value_name = "FILE")]
        desk: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Forget a certificate that signed mail brought, accepted or not
    #[command(
        after_help = "Example:\n  ravelin directory remove ID --reason \"left the service\" \
        --desk operator.toml"
    )]
    Remove(Target),
    /// Show what is on record of a name, whether it belongs, and which certificate would be used
    #[command(
        after_help = "Examples:\n  ravelin directory show anna@alder.example --format json\n  \
        ravelin directory show @birch.example\n\n\
        Exit code 0: on record; 1: not on record; 3: the directory cannot tell now."
    )]
    Show {
        /// A mailbox, `@` and a domain, or `role:` and the name of a role
        name: String,
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Which certificate, by whom, and why.
#[derive(Args, Debug)]
struct Target {
    /// The certificate, as `list` names it
    id: String,
    /// The operator's settings, as officer.toml; the key is of a subject with the role operator
    #[arg(long, value_name = "FILE")]
    desk: PathBuf,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    found: &'static str,
    /// Why the directory cannot tell.
    reason: Option<String>,
    source: Option<String>,
    /// Whether it belongs to the community; null without a membership list.
    member: Option<bool>,
    certificates: Vec<CertificateLine>,
    clearances: Vec<String>,
    attribute_certificates: usize,
}

#[derive(Serialize)]
struct CertificateLine {
    subject: String,
    serial: String,
    sha256: String,
    emails: Vec<String>,
    not_after: String,
    /// Whether it may be encrypted for, for this name.
    usable: bool,
    reason: Option<String>,
}

pub(super) async fn run(directory: &Directory) -> Result<Answer, Trouble> {
    match &directory.act {
        Act::Accept(target) => work("accept", target).await,
        Act::List {
            config,
            desk,
            format,
        } => list(config, desk.as_deref(), *format).await,
        Act::Remove(target) => work("remove", target).await,
        Act::Show {
            name,
            config,
            format,
        } => show(name, &config::load(config)?, *format),
    }
}

async fn work(act: &str, target: &Target) -> Result<Answer, Trouble> {
    let operator = Settings::of(&target.desk).officer()?;
    let order = CertificateOrder {
        id: target.id.clone(),
        reason: target.reason.clone(),
    };
    match operator.desk.work_on_certificate(act, &order).await {
        Ok(row) => tell(&[row], target.format),
        Err(error) => refused(error),
    }
}

async fn list(config: &Path, desk: Option<&Path>, format: Format) -> Result<Answer, Trouble> {
    let rows = match desk {
        Some(desk) => match Settings::of(desk).officer()?.desk.certificates().await {
            Ok(rows) => rows,
            Err(error) => return refused(error),
        },
        None => {
            let rows = stopped::store(config)?.certificates();
            rows.map_err(|error| Trouble::Fault(chain(&error)))?
        }
    };
    tell(&rows, format)
}

fn tell(rows: &[CertificateRow], format: Format) -> Result<Answer, Trouble> {
    match format {
        Format::Json => print::json(&rows)?,
        Format::Table => {
            let head = [
                "CERTIFICATE",
                "ADDRESS",
                "SUBJECT",
                "UNTIL",
                "SEEN",
                "ACCEPTED BY",
            ];
            let cells: Vec<_> = rows.iter().map(cells).collect();
            print::out(&print::columns(&head, &cells))?;
        }
    }
    Ok(Answer::Yes)
}

fn cells(row: &CertificateRow) -> Vec<String> {
    let read = Certificate::from_pem_many(row.certificate.as_bytes());
    let certificate = read.ok().and_then(|all| all.into_iter().next());
    let (subject, until) = certificate.map_or_else(Default::default, |certificate| {
        (certificate.subject(), print::time(certificate.not_after()))
    });
    let accepted = row.accepted.as_ref();
    vec![
        row.id.clone(),
        row.address.clone(),
        subject,
        until,
        print::time(row.seen),
        accepted.map_or_else(|| "nobody".to_owned(), |accepted| accepted.by.clone()),
    ]
}

fn show(text: &str, config: &Config, format: Format) -> Result<Answer, Trouble> {
    let (name, address) = named(text)?;
    let member = match (&config.members, &address) {
        (Some(members), Some(address)) => {
            let told = members.is_member(address);
            Some(told.map_err(|why| Trouble::Fault(format!("ask who belongs: {why}")))?)
        }
        _ => None,
    };
    let mut shown = Shown {
        name: name.to_string(),
        found: "unknown",
        reason: None,
        source: None,
        member,
        certificates: Vec::new(),
        clearances: Vec::new(),
        attribute_certificates: 0,
    };
    match config.directory.find(&name) {
        Found::Known(record) => {
            shown.found = "known";
            shown.source = Some(record.source().to_string());
            shown.certificates = certificates(config, &record, address.as_ref());
            shown.clearances = record.clearances().map(hex).collect();
            shown.attribute_certificates = record.attribute_certificates().count();
        }
        Found::Unavailable(reason) => {
            shown.found = "unavailable";
            shown.reason = Some(reason);
        }
        Found::Unknown => {}
    }
    match format {
        Format::Json => print::json(&shown)?,
        Format::Table => print::out(&table(&shown))?,
    }
    match (shown.found, shown.reason) {
        ("known", _) => Ok(Answer::Yes),
        (_, Some(reason)) => Err(Trouble::Fault(format!("ask the directory: {reason}"))),
        _ => Ok(Answer::No),
    }
}

fn named(text: &str) -> Result<(Name, Option<Address>), Trouble> {
    if let Some(role) = text.strip_prefix("role:") {
        return Ok((Name::role(role), None));
    }
    if let Some(domain) = text.strip_prefix('@') {
        return Ok((Name::domain(domain), None));
    }
    let remedy = "write name@domain, @domain or role:NAME";
    let address = Address::parse(text).map_err(|error| Trouble::usage(error, remedy))?;
    Ok((Name::mailbox(&address), Some(address)))
}

fn certificates(
    config: &Config,
    record: &Record,
    address: Option<&Address>,
) -> Vec<CertificateLine> {
    let at = Clock::system().now();
    let domain = address.map(|address| address.domain().to_ascii_lowercase());
    let leads_there = |domain: &String| {
        let mut links = config.links.iter();
        links.find(|link| link.domains.contains(domain))
    };
    // Judged as the link judges that leads to the name.
    let link = domain.as_ref().and_then(leads_there);
    let trust = link.map_or(&config.trust, |link| &link.trust);
    let line = |certificate: &Certificate| {
        let reason = against(certificate, record, address, trust, at);
        CertificateLine {
            subject: certificate.subject(),
            serial: certificate.serial_hex(),
            sha256: hex(&certificate.fingerprint()),
            emails: certificate.emails(),
            not_after: certificate.not_after().to_string(),
            usable: reason.is_none(),
            reason,
        }
    };
    record.certificates().iter().map(line).collect()
}

/// What speaks against encrypting for it.
fn against(
    certificate: &Certificate,
    record: &Record,
    address: Option<&Address>,
    trust: &TrustStore,
    at: Timestamp,
) -> Option<String> {
    let bears = |address: &Address| {
        let mut emails = certificate.emails().into_iter();
        emails.any(|email| Address::parse(&email).is_ok_and(|email| email == *address))
    };
    if let Some(address) = address.filter(|address| !bears(address)) {
        return Some(format!("it does not bear {address}"));
    }
    let judged = trust.validate(certificate, record.certificates(), Purpose::Encrypt, at);
    judged.err().map(|problem| problem.to_string())
}

fn table(shown: &Shown) -> String {
    let mut text = print::line(0, "name", &shown.name);
    text.push_str(&print::line(0, "found", shown.found));
    for (key, value) in [("source", &shown.source), ("reason", &shown.reason)] {
        if let Some(value) = value {
            text.push_str(&print::line(0, key, value));
        }
    }
    if let Some(member) = shown.member {
        let says = if member { "yes" } else { "no" };
        text.push_str(&print::line(0, "member", says));
    }
    for certificate in &shown.certificates {
        let verdict = match &certificate.reason {
            None => "may be used".to_owned(),
            Some(reason) => format!("not used: {reason}"),
        };
        let value = format!(
            "{} (serial {}), until {}: {verdict}",
            certificate.subject, certificate.serial, certificate.not_after
        );
        text.push_str(&print::line(0, "certificate", &value));
    }
    for clearance in &shown.clearances {
        text.push_str(&print::line(0, "clearance", clearance));
    }
    text
}
