//! `ravelin trust show`: who is believed, on each link, and how fresh what tells of revocation is.
//!
//! Promises: what is shown is what is in force with this configuration; the JSON is a stable
//! contract (see README). Changes nothing, and fetches nothing.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Trouble};
use super::print::{self, Format};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Config};
use crate::crypto::certificate::{Certificate, hex};
use crate::crypto::revocation::RevocationList;
use crate::crypto::trust::{
    Anchor, Bounds, Purpose, RevocationCheck, StaleRule, TrustList, TrustStore,
};

/// The options of `ravelin trust show`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin trust show --config ravelin.toml --format json\n\n\
    Exit code 0: everything is in date; 1: an anchor, an authority or a list is not."
)]
pub(super) struct Show {
    /// The configuration of the switch
    #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
    config: PathBuf,
    /// Judge dates as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Shown {
    at: String,
    stores: Vec<Store>,
    trust_list: Option<Listed>,
}

/// One set of anchors with its rules, and who goes by it.
#[derive(Serialize)]
struct Store {
    /// `trust`, or the name of a link.
    name: String,
    /// The links that go by it.
    links: Vec<String>,
    suite: &'static str,
    revocation: &'static str,
    stale: String,
    /// What is fetched: `crl`, `ocsp`.
    fetch: Vec<&'static str>,
    anchors: Vec<Believed>,
    authorities: Vec<Believed>,
    crls: Vec<Crl>,
}

#[derive(Serialize)]
struct Believed {
    subject: String,
    sha256: Option<String>,
    key: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    state: &'static str,
    path_length: Option<usize>,
    policies: Vec<String>,
    permitted: Vec<String>,
    excluded: Vec<String>,
}

#[derive(Serialize)]
struct Crl {
    issuer: String,
    number: Option<String>,
    delta: bool,
    entries: usize,
    this_update: String,
    next_update: Option<String>,
    age_seconds: i64,
    state: &'static str,
}

#[derive(Serialize)]
struct Listed {
    number: u64,
    date: String,
    signed_by: Vec<String>,
    distrusted: Vec<DistrustedLine>,
    trusted: Vec<TrustedLine>,
}

#[derive(Serialize)]
struct DistrustedLine {
    kind: &'static str,
    value: String,
    reason: String,
    date: String,
}

#[derive(Serialize)]
struct TrustedLine {
    sha256: String,
    purposes: Vec<&'static str>,
    addresses: Vec<String>,
    reason: String,
    date: String,
    until: Option<String>,
}

pub(super) fn run(show: &Show) -> Result<Answer, Trouble> {
    let config = config::load(&show.config)?;
    let at = show.at.unwrap_or_else(|| Clock::system().now());
    let shown = shown(&config, at);
    match show.format {
        Format::Json => print::json(&shown)?,
        Format::Table => print::out(&drawn(&shown))?,
    }
    let good = |state: &str| state == IN_DATE;
    let in_date = shown.stores.iter().all(|store| {
        let certificates = store.anchors.iter().chain(&store.authorities);
        certificates.map(|one| one.state).all(good) && store.crls.iter().all(|one| good(one.state))
    });
    Ok(match in_date {
        true => Answer::Yes,
        false => Answer::No,
    })
}

/// The word for what counts today.
const IN_DATE: &str = "in date";

fn shown(config: &Config, at: Timestamp) -> Shown {
    let mut stores = vec![store("trust", &config.trust, at)];
    for link in &config.links {
        if Arc::ptr_eq(&link.trust, &config.trust) {
            if let Some(own) = stores.first_mut() {
                own.links.push(link.name.clone());
            }
            continue;
        }
        let mut own = store(&link.name, &link.trust, at);
        own.links.push(link.name.clone());
        stores.push(own);
    }
    let list = config.trust.trust_list();
    let trust_list = config.trust_list.as_ref().map(|known| Listed {
        number: known.number,
        date: print::time(known.date),
        signed_by: known.signed_by.clone(),
        distrusted: distrusted(list),
        trusted: trusted(list),
    });
    Shown {
        at: print::time(at),
        stores,
        trust_list,
    }
}

fn store(name: &str, trust: &TrustStore, at: Timestamp) -> Store {
    Store {
        name: name.to_owned(),
        links: Vec::new(),
        suite: trust.suite().name(),
        revocation: match trust.revocation() {
            RevocationCheck::Optional => "if-present",
            RevocationCheck::Required => "required",
        },
        stale: match trust.stale() {
            StaleRule::AcceptUntil(age) => format!("accept-until {}s", age.as_secs()),
            StaleRule::Hold => "hold".to_owned(),
            StaleRule::Refuse => "refuse".to_owned(),
        },
        fetch: fetched(trust),
        anchors: trust
            .trust_anchors()
            .iter()
            .map(|one| anchor(one, at))
            .collect(),
        authorities: trust
            .authorities()
            .iter()
            .map(|one| believed(one.subject(), Some(one), one.bounds(), at))
            .collect(),
        crls: trust.lists().iter().map(|one| crl(one, at)).collect(),
    }
}

fn fetched(trust: &TrustStore) -> Vec<&'static str> {
    let asking = trust.asking();
    [(asking.lists, "crl"), (asking.answers, "ocsp")]
        .into_iter()
        .filter_map(|(is_asked, name)| is_asked.then_some(name))
        .collect()
}

fn anchor(anchor: &Anchor, at: Timestamp) -> Believed {
    believed(anchor.subject(), anchor.certificate(), anchor.bounds(), at)
}

fn believed(
    subject: String,
    certificate: Option<&Certificate>,
    bounds: Bounds,
    at: Timestamp,
) -> Believed {
    let time = |time: fn(&Certificate) -> Timestamp| certificate.map(time).map(print::time);
    Believed {
        subject,
        sha256: certificate.map(|one| hex(&one.fingerprint()).to_ascii_lowercase()),
        key: certificate.map(|one| one.public_key().name()),
        not_before: time(Certificate::not_before),
        not_after: time(Certificate::not_after),
        state: match certificate {
            Some(one) if at < one.not_before() => "not yet",
            Some(one) if at > one.not_after() => "expired",
            _ => IN_DATE,
        },
        path_length: bounds.path_length,
        policies: bounds.policies,
        permitted: bounds.permitted,
        excluded: bounds.excluded,
    }
}

fn crl(list: &RevocationList, at: Timestamp) -> Crl {
    Crl {
        issuer: list.issuer(),
        number: list.number().map(hex),
        delta: list.base().is_some(),
        entries: list.len(),
        this_update: print::time(list.this_update()),
        next_update: list.next_update().map(print::time),
        age_seconds: at.duration_since(list.this_update()).as_secs(),
        state: match list.next_update() {
            _ if at < list.this_update() => "not yet",
            Some(next) if at <= next => IN_DATE,
            _ => "stale",
        },
    }
}

fn distrusted(list: &TrustList) -> Vec<DistrustedLine> {
    let lines = list.distrusted().iter().map(|entry| {
        let (kind, value) = entry.target.words();
        DistrustedLine {
            kind,
            value: value.to_ascii_lowercase(),
            reason: entry.reason.clone(),
            date: print::time(entry.date),
        }
    });
    lines.collect()
}

fn trusted(list: &TrustList) -> Vec<TrustedLine> {
    let named = |purpose: &Purpose| {
        let known = Purpose::ALL.iter().find(|(_, one)| one == purpose);
        known.map(|(name, _)| *name)
    };
    let lines = list.trusted().iter().map(|entry| TrustedLine {
        sha256: hex(&entry.fingerprint).to_ascii_lowercase(),
        purposes: entry.purposes.iter().filter_map(named).collect(),
        addresses: entry.addresses.clone(),
        reason: entry.reason.clone(),
        date: print::time(entry.date),
        until: entry.until.map(print::time),
    });
    lines.collect()
}

fn drawn(shown: &Shown) -> String {
    let mut text = String::new();
    for store in &shown.stores {
        text += &print::line(0, "store", &store.name);
        text += &print::line(2, "links", &store.links.join(", "));
        let rules = format!(
            "suite {}, revocation {}, stale {}, fetch {}",
            store.suite,
            store.revocation,
            store.stale,
            match store.fetch.is_empty() {
                true => "nothing".to_owned(),
                false => store.fetch.join(" and "),
            }
        );
        text += &print::line(2, "rules", &rules);
        for one in &store.anchors {
            text += &certificate_lines("anchor", one);
        }
        for one in &store.authorities {
            text += &certificate_lines("authority", one);
        }
        for one in &store.crls {
            let kind = if one.delta { "delta CRL" } else { "CRL" };
            let number = one.number.as_deref().unwrap_or("none");
            let next = one.next_update.as_deref().unwrap_or("never");
            let value = format!(
                "{}, number {number}, {} entries, of {}, next {next}: {}",
                one.issuer, one.entries, one.this_update, one.state
            );
            text += &print::line(2, kind, &value);
        }
    }
    let Some(list) = &shown.trust_list else {
        return text + &print::line(0, "trust list", "none");
    };
    let value = format!(
        "number {} of {}, signed by {}",
        list.number,
        list.date,
        list.signed_by.join(", ")
    );
    text += &print::line(0, "trust list", &value);
    for one in &list.distrusted {
        let value = format!("{} {}: {} ({})", one.kind, one.value, one.reason, one.date);
        text += &print::line(2, "distrusted", &value);
    }
    for one in &list.trusted {
        let until = one.until.as_deref().unwrap_or("it expires");
        let value = format!(
            "sha256 {}: to {} for {}, until {until}: {} ({})",
            one.sha256,
            one.purposes.join(" and "),
            one.addresses.join(", "),
            one.reason,
            one.date
        );
        text += &print::line(2, "trusted", &value);
    }
    text
}

fn certificate_lines(name: &str, one: &Believed) -> String {
    let until = one.not_after.as_deref().unwrap_or("no certificate");
    let key = one.key.as_deref().unwrap_or("bare key");
    let mut text = print::line(
        2,
        name,
        &format!("{}, {key}, until {until}: {}", one.subject, one.state),
    );
    if let Some(length) = one.path_length {
        text += &print::line(4, "path length", &length.to_string());
    }
    for (name, values) in [
        ("policy", &one.policies),
        ("permitted", &one.permitted),
        ("excluded", &one.excluded),
    ] {
        for value in values {
            text += &print::line(4, name, value);
        }
    }
    text
}
