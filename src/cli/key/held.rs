//! `ravelin key list` and `ravelin key expiry`: what is there, and until when.
//!
//! Promises: every certificate and every private key of the files is one row; a key that cannot be
//! opened without a password is a row too. Nothing secret is shown.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::answer::{Answer, Trouble};
use super::super::material::{self, Named};
use super::super::print::{self, Format};
use super::Password;
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::crypto::certificate::{Certificate, KeyUsage, PublicKey};
use crate::crypto::keys::{self, Identity};
use crate::crypto::token::{self, Standing, TokenUri};
use crate::crypto::{pem, pkcs12};

/// Where to look.
#[derive(Args, Debug)]
pub(super) struct Held {
    /// Certificates and keys: PEM, DER or PKCS #12, files or folders; or pkcs11:token=…
    #[arg(value_name = "FILE|DIR", required_unless_present = "config")]
    files: Vec<PathBuf>,
    /// The keys of this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    password: Password,
    /// Judge as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One certificate or key.
#[derive(Clone, Debug, Serialize)]
struct Row {
    file: String,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    algorithm: String,
    key_id: Option<String>,
    usage: Vec<&'static str>,
    emails: Vec<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    /// `yes`, `no`, `token`: it is on one, or `locked`: it is there, and needs a password.
    private: &'static str,
    #[serde(skip)]
    public: Option<PublicKey>,
    #[serde(skip)]
    until: Option<Timestamp>,
}

#[derive(Serialize)]
struct Expiring {
    file: String,
    subject: String,
    serial: String,
    not_after: String,
    days: i64,
    /// 90, 30 or 7; 0 when it has expired; null when it is far.
    warning: Option<i64>,
}

pub(super) fn list(held: &Held) -> Result<Answer, Trouble> {
    let rows = rows(held)?;
    match held.format {
        Format::Json => print::json(&rows)?,
        Format::Table => {
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            let head = ["SUBJECT", "KEY", "USE", "UNTIL", "PRIVATE", "FILE"];
            print::out(&print::columns(&head, &cells))?;
        }
    }
    Ok(Answer::Yes)
}

fn cells(row: &Row) -> Vec<String> {
    vec![
        row.subject.clone().unwrap_or_else(|| "-".to_owned()),
        row.algorithm.clone(),
        row.usage.join(", "),
        row.not_after.clone().unwrap_or_else(|| "-".to_owned()),
        row.private.to_owned(),
        row.file.clone(),
    ]
}

pub(super) fn expiry(held: &Held) -> Result<Answer, Trouble> {
    let at = held.at.unwrap_or_else(|| Clock::system().now());
    let mut found: Vec<Expiring> = rows(held)?
        .into_iter()
        .filter_map(|row| {
            let until = row.until?;
            let (days, warning) = config::warning(at, until);
            Some(Expiring {
                file: row.file,
                subject: row.subject?,
                serial: row.serial?,
                not_after: row.not_after?,
                days,
                warning,
            })
        })
        .collect();
    found.sort_by_key(|one| one.days);
    match held.format {
        Format::Json => print::json(&found)?,
        Format::Table => {
            let cells: Vec<Vec<String>> = found
                .iter()
                .map(|one| {
                    let warning = match one.warning {
                        None => "-".to_owned(),
                        Some(0) => "EXPIRED".to_owned(),
                        Some(days) => format!("within {days} days"),
                    };
                    vec![
                        one.days.to_string(),
                        warning,
                        one.not_after.clone(),
                        one.subject.clone(),
                        one.file.clone(),
                    ]
                })
                .collect();
            let head = ["DAYS", "WARNING", "UNTIL", "SUBJECT", "FILE"];
            print::out(&print::columns(&head, &cells))?;
        }
    }
    Ok(match found.iter().any(|one| one.warning.is_some()) {
        true => Answer::No,
        false => Answer::Yes,
    })
}

fn rows(held: &Held) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    if let Some(file) = &held.config {
        let config = config::load(file)?;
        let named = |name: &str| format!("{}: {name}", file.display());
        for identity in &config.keys.sign {
            rows.push(own(named("keys.sign"), identity));
        }
        for identity in &config.keys.decrypt {
            rows.push(own(named("keys.decrypt"), identity));
        }
        rows.push(own(named("keys.tls"), &config.keys.tls));
    }
    let password = held.password.read()?;
    let password = password.as_ref().map(|password| password.as_str());
    for named in Named::all("FILE", &held.files) {
        if let Some(uri) = named.token()? {
            rows.extend(of_token(&named, &uri, password)?);
            continue;
        }
        for file in named.files()? {
            let found = of_file(&file, password)?;
            if found.is_empty() && !named.path.is_dir() {
                return Err(file.trouble(
                    "holds no certificate and no key that can be read",
                    "give PEM, DER or PKCS #12, and the password",
                ));
            }
            rows.extend(found);
        }
    }
    // A key in a file of its own belongs to the certificates with the same public key.
    let private: Vec<PublicKey> = rows
        .iter()
        .filter(|row| row.subject.is_none())
        .filter_map(|row| row.public.clone())
        .collect();
    for row in &mut rows {
        if row.subject.is_some() && row.public.as_ref().is_some_and(|own| private.contains(own)) {
            row.private = "yes";
        }
    }
    Ok(rows)
}

fn of_token(named: &Named, uri: &TokenUri, password: Option<&str>) -> Result<Vec<Row>, Trouble> {
    let pin = material::pin(uri, password)?;
    let standing = token::list(uri, pin.as_ref().map(|pin| pin.as_str()))
        .map_err(|error| material::key_trouble(named, &error.into()))?;
    let name = |one: &Standing| format!("pkcs11:token={};object={}", one.token, one.label);
    let spki = |one: &Standing| PublicKey::from_spki(one.spki.as_ref()?).ok();
    let keys: Vec<PublicKey> = standing.iter().filter_map(spki).collect();
    Ok(standing
        .iter()
        .map(|one| match &one.certificate {
            Some(certificate) => {
                let private = keys.contains(certificate.public_key());
                of(name(one), certificate, if private { "token" } else { "no" })
            }
            None => bare(name(one), spki(one), "token"),
        })
        .collect())
}

/// A key without a certificate.
fn bare(file: String, public: Option<PublicKey>, private: &'static str) -> Row {
    Row {
        file,
        subject: None,
        issuer: None,
        serial: None,
        algorithm: public
            .as_ref()
            .map_or_else(|| "unknown".to_owned(), PublicKey::name),
        key_id: None,
        usage: Vec::new(),
        emails: Vec::new(),
        not_before: None,
        not_after: None,
        private,
        public,
        until: None,
    }
}

fn of_file(file: &Named, password: Option<&str>) -> Result<Vec<Row>, Trouble> {
    let octets = file.read()?;
    let name = file.path.display().to_string();
    if !keys::is_pem(&octets) {
        if let Ok(certificate) = Certificate::from_der(&octets) {
            return Ok(vec![of(name, &certificate, "no")]);
        }
        let Some(password) = password else {
            return Ok(Vec::new());
        };
        let found = pkcs12::read(&octets, password).unwrap_or_default();
        return Ok(found
            .iter()
            .map(|identity| own(name.clone(), identity))
            .collect());
    }
    let Ok(blocks) = pem::blocks(&octets) else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for block in blocks {
        if block.label == "CERTIFICATE" {
            if let Ok(certificate) = Certificate::from_der(&block.der) {
                rows.push(of(name.clone(), &certificate, "no"));
            }
        } else if block.label.ends_with("PRIVATE KEY") {
            let text = zeroize::Zeroizing::new(pem::encode(&block.label, &block.der));
            let key = keys::key_from_pem(text.as_bytes(), password).ok();
            let public = key.and_then(|key| PublicKey::from_spki(key.public_spki()).ok());
            let private = if public.is_some() { "yes" } else { "locked" };
            rows.push(bare(name.clone(), public, private));
        }
    }
    Ok(rows)
}

fn own(file: String, identity: &Identity) -> Row {
    let private = match identity.pkcs8_der() {
        Some(_) => "yes",
        None => "token",
    };
    of(file, identity.certificate(), private)
}

fn of(file: String, certificate: &Certificate, private: &'static str) -> Row {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02X}")).collect();
    Row {
        file,
        subject: Some(certificate.subject()),
        issuer: Some(certificate.issuer()),
        serial: Some(certificate.serial_hex()),
        algorithm: certificate.public_key().name(),
        key_id: certificate.subject_key_id().map(hex),
        usage: certificate.key_usage().map(uses).unwrap_or_default(),
        emails: certificate.emails(),
        not_before: Some(print::time(certificate.not_before())),
        not_after: Some(print::time(certificate.not_after())),
        private,
        public: Some(certificate.public_key().clone()),
        until: Some(certificate.not_after()),
    }
}

// RFC 5280 §4.2.1.3
fn uses(usage: KeyUsage) -> Vec<&'static str> {
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}
