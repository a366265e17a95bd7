//! `ravelin check-config`: whether a configuration holds together, and what it means.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::answer::{Answer, Trouble};
use super::print::{self, Format};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Config, LinkProtocol, ListenRole, SealProfile, TlsNeed};
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Identity;
use crate::crypto::trust::{Purpose, TrustStore};
use crate::label::naming;

#[derive(Serialize)]
struct Meaning {
    name: String,
    domains: Vec<String>,
    store: String,
    audit: Option<String>,
    admin: Option<String>,
    policies: Vec<PolicyLine>,
    listeners: Vec<ListenerLine>,
    links: Vec<LinkLine>,
    subjects: Vec<SubjectLine>,
    release_rules: Vec<RuleLine>,
    signer_rules: Vec<SignerRuleLine>,
    /// What holds together and still will not work as it is.
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct SignerRuleLine {
    name: String,
    role: String,
    count: usize,
    links: Vec<String>,
}

#[derive(Serialize)]
struct PolicyLine {
    name: String,
    id: String,
    version: u64,
    digest: String,
    /// The pins of `[policies]` that its signers answer to.
    signed_by: Vec<String>,
}

#[derive(Serialize)]
struct ListenerLine {
    name: String,
    address: String,
    role: &'static str,
}

#[derive(Serialize)]
struct LinkLine {
    name: String,
    domains: Vec<String>,
    address: String,
    protocol: &'static str,
    tls: &'static str,
    seal: &'static str,
    clearance: String,
}

#[derive(Serialize)]
struct SubjectLine {
    address: String,
    kind: &'static str,
    /// As configured; `ravelin subject show` says what is left of it.
    clearance: String,
    sources: Vec<&'static str>,
    roles: Vec<String>,
}

#[derive(Serialize)]
struct RuleLine {
    name: String,
    role: String,
    officers: usize,
    links: Vec<String>,
}

pub(super) fn run(file: &Path, format: Format) -> Result<Answer, Trouble> {
    let config = config::load(file)?;
    let meaning = meaning(&config, Clock::system().now());
    match format {
        Format::Json => print::json(&meaning)?,
        Format::Table => print::out(&table(file, &meaning))?,
    }
    Ok(Answer::Yes)
}

fn meaning(config: &Config, at: Timestamp) -> Meaning {
    let clearance =
        |clearance: &crate::label::Clearance| match config.policies.get(&clearance.policy) {
            Some(policy) => format!(
                "{}: {}",
                policy.name(),
                naming::write_clearance(policy, clearance)
            ),
            None => clearance.policy.to_string(),
        };
    Meaning {
        name: config.name.clone(),
        domains: config.domains.clone(),
        store: config.store.display().to_string(),
        audit: config.audit.as_ref().map(|path| path.display().to_string()),
        admin: config.admin.map(|address| address.to_string()),
        policies: config
            .provenance
            .iter()
            .map(|policy| PolicyLine {
                name: policy.name.clone(),
                id: policy.id.to_string(),
                version: policy.version,
                digest: policy.digest.clone(),
                signed_by: policy.signed_by.clone(),
            })
            .collect(),
        listeners: config
            .listeners
            .iter()
            .map(|listener| ListenerLine {
                name: listener.name.clone(),
                address: listener.address.to_string(),
                role: match listener.role {
                    ListenRole::Lmtp => "lmtp",
                    ListenRole::Relay => "relay",
                    ListenRole::Submission => "submission",
                },
            })
            .collect(),
        links: config
            .links
            .iter()
            .map(|link| LinkLine {
                name: link.name.clone(),
                domains: link.domains.clone(),
                address: link.address.clone(),
                protocol: match link.protocol {
                    LinkProtocol::Lmtp => "lmtp",
                    LinkProtocol::Smtp => "smtp",
                },
                tls: match link.tls {
                    TlsNeed::Implicit => "implicit",
                    TlsNeed::Never => "never",
                    TlsNeed::Required => "required",
                },
                seal: match link.seal {
                    SealProfile::AsReceived => "as-received",
                    SealProfile::Enveloped { .. } => "enveloped",
                    SealProfile::TripleWrap { .. } => "triple-wrap",
                },
                clearance: clearance(&link.clearance),
            })
            .collect(),
        subjects: config
            .subjects
            .values()
            .map(|subject| SubjectLine {
                address: subject.address.to_string(),
                clearance: subject
                    .clearance
                    .as_ref()
                    .map_or_else(String::new, clearance),
                sources: subject.sources.from.iter().map(|one| one.name()).collect(),
                kind: subject.kind().name(),
                roles: subject.roles.clone(),
            })
            .collect(),
        release_rules: config
            .release_rules
            .iter()
            .map(|rule| RuleLine {
                name: rule.name.clone(),
                role: rule.role.clone(),
                officers: rule.officers,
                links: rule.scope.links.clone(),
            })
            .collect(),
        signer_rules: config
            .signer_rules
            .iter()
            .map(|rule| SignerRuleLine {
                name: rule.name.clone(),
                role: rule.role.clone(),
                count: rule.count,
                links: rule.scope.links.clone(),
            })
            .collect(),
        warnings: warnings(config, at),
    }
}

/// Own certificates that nobody would believe today, and roles that nobody holds.
fn warnings(config: &Config, at: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    // Who checks a configuration may be somebody else than who runs the switch: nothing is kept.
    let mut trust = TrustStore::clone(&config.trust);
    if let Some(online) = config.trust.online() {
        trust = trust.with_online(Arc::new(online.unkept()));
    }
    let mut look = |key: &str, certificate: &Certificate, chain: &[Certificate], purpose| {
        if let Err(problem) = trust.validate(certificate, chain, purpose, at) {
            found.push(format!("{key}: {problem}"));
        }
    };
    let mut own = |key: &str, identity: &Identity, purpose| {
        look(key, identity.certificate(), identity.chain(), purpose);
    };
    for key in &config.keys.sign {
        // A successor waits for its day.
        if key.certificate().not_before() <= at {
            own("keys.sign", key, Purpose::Sign);
        }
    }
    own("keys.tls", &config.keys.tls, Purpose::Server);
    for key in &config.keys.decrypt {
        own("keys.decrypt", key, Purpose::Encrypt);
    }
    for subject in config.subjects.values() {
        if let Some(certificate) = &subject.certificate {
            let key = format!("subject {}", subject.address);
            look(&key, certificate, &[], Purpose::Encrypt);
        }
    }
    let asked = config
        .release_rules
        .iter()
        .map(|rule| ("rule", &rule.name, rule.officers, &rule.role));
    let signers = config.signer_rules.iter();
    let signers = signers.map(|rule| ("signers", &rule.name, rule.count, &rule.role));
    for (kind, name, count, role) in asked.chain(signers) {
        let holders = config
            .subjects
            .values()
            .filter(|subject| subject.roles.contains(role))
            .count();
        if holders < count {
            found.push(format!(
                "review.{kind} {name}: needs {count} with the role {role}, and {holders} hold it"
            ));
        }
    }
    found
}

fn table(file: &Path, meaning: &Meaning) -> String {
    let mut text = format!("{}: good\n\n", file.display());
    text.push_str(&print::line(0, "switch", &meaning.name));
    text.push_str(&print::line(0, "domains", &meaning.domains.join(", ")));
    text.push_str(&print::line(0, "store", &meaning.store));
    text.push_str(&print::line(
        0,
        "audit",
        meaning.audit.as_deref().unwrap_or("in the store only"),
    ));
    text.push_str(&print::line(
        0,
        "desk",
        meaning.admin.as_deref().unwrap_or("closed"),
    ));
    for policy in &meaning.policies {
        let signed = match policy.signed_by.as_slice() {
            [] => "not signed by a pinned signer".to_owned(),
            some => format!("signed by {}", some.join(", ")),
        };
        let value = format!(
            "{} version {} ({}), {signed}",
            policy.name, policy.version, policy.id
        );
        text.push_str(&print::line(0, "policy", &value));
    }
    for listener in &meaning.listeners {
        let value = format!("{} {} {}", listener.name, listener.address, listener.role);
        text.push_str(&print::line(0, "listens", &value));
    }
    for rule in &meaning.release_rules {
        let value = format!("{}: {} x {}", rule.name, rule.officers, rule.role);
        text.push_str(&print::line(0, "release", &value));
    }
    for rule in &meaning.signer_rules {
        let value = format!("{}: {} x {}", rule.name, rule.count, rule.role);
        text.push_str(&print::line(0, "signers", &value));
    }
    text.push('\n');
    let links: Vec<Vec<String>> = meaning
        .links
        .iter()
        .map(|link| {
            vec![
                link.name.clone(),
                link.domains.join(", "),
                link.address.clone(),
                format!("{}, TLS {}", link.protocol, link.tls),
                link.seal.to_owned(),
                link.clearance.clone(),
            ]
        })
        .collect();
    let head = [
        "LINK",
        "DOMAINS",
        "ADDRESS",
        "PROTOCOL",
        "SEAL",
        "CLEARANCE",
    ];
    text.push_str(&print::columns(&head, &links));
    text.push('\n');
    let subjects: Vec<Vec<String>> = meaning
        .subjects
        .iter()
        .map(|subject| {
            vec![
                subject.address.clone(),
                subject.roles.join(", "),
                subject.clearance.clone(),
            ]
        })
        .collect();
    text.push_str(&print::columns(
        &["SUBJECT", "ROLES", "CLEARANCE"],
        &subjects,
    ));
    for warning in &meaning.warnings {
        text.push_str(&format!("\nwarning: {}\n", print::clean(warning)));
    }
    text
}
