//! Certificates that signed mail brings: harvested as candidates, accepted by an operator or a rule.
//!
//! Promises: only a message that passed is looked at, and in it only those who signed it well: their
//! own certificate for encryption (the one that they prefer, RFC 8551 section 2.5.3), good under the
//! same anchors at that moment; one event for each, in the commit of the message. Nothing is found
//! in the directory before it was accepted, and what was accepted is judged anew at each use.
//! Refuses: more candidates than a bound; an act without a reason.
//! Attacks stopped here: a stranger's certificate in somebody's message; mail that changes by itself
//! whom we encrypt for.

use serde::{Deserialize, Serialize};

use super::Switch;
use crate::audit::{Act, Event};
use crate::check::{Cleared, Origin};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::certificate::Certificate;
use crate::crypto::directory::{Attribute, Found, Name, Record, Source};
use crate::decision::Fault;
use crate::message::MessageId;
use crate::message::address::Address;
use crate::open::SignerFacts;
use crate::store::{Acceptance, CertificateRow, Change};

/// Certificates that are kept, accepted or not.
const MOST: usize = 10_000;

/// A certificate that a message brought, and whose it is.
pub(super) struct Brought {
    address: Address,
    certificate: Certificate,
}

/// What an operator does to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateAct {
    /// From now on it is found.
    Accept,
    /// It is forgotten; the next message may bring it again.
    Remove,
}

/// Why nothing was done.
#[derive(Debug)]
pub enum CertificateError {
    /// We are at fault.
    Fault(Fault),
    /// No reason was given.
    NoReason,
    /// No certificate has this identifier.
    Unknown,
}

impl From<Fault> for CertificateError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Switch {
    /// What signed mail brought.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn certificates(&self) -> Result<Vec<CertificateRow>, Fault> {
        let rows = self.store.certificates();
        let mut rows = rows.map_err(|error| Fault::new("read what was harvested", error))?;
        rows.sort_by(|a, b| (&a.address, a.seen).cmp(&(&b.address, b.seen)));
        Ok(rows)
    }

    /// Accepts or forgets a certificate, for a reason.
    ///
    /// # Errors
    /// When there is none, or no reason.
    pub async fn work_on_certificate(
        &self,
        act: CertificateAct,
        id: &str,
        actor: &str,
        reason: &str,
    ) -> Result<CertificateRow, CertificateError> {
        let _one_act = self.desk.lock().await;
        if reason.trim().is_empty() {
            return Err(CertificateError::NoReason);
        }
        let mut rows = self.certificates()?.into_iter();
        let mut row = rows
            .find(|row| row.id == id)
            .ok_or(CertificateError::Unknown)?;
        let mut change = Change::new();
        let told = match act {
            CertificateAct::Accept => {
                row.accepted = Some(Acceptance {
                    by: actor.to_owned(),
                    at: self.now(),
                    reason: reason.to_owned(),
                });
                change.put_certificate(row.clone());
                Act::CertificateAccepted
            }
            CertificateAct::Remove => {
                change.remove_certificate(row.id.clone());
                Act::CertificateRemoved
            }
        };
        let event = Event::new(self.now(), told, actor).detail("reason", reason);
        change.record(about(event, &row));
        self.commit(change).await?;
        Ok(row)
    }

    /// Adds to the change of a message that passed what its signers brought.
    pub(super) fn harvest(
        &self,
        config: &Config,
        change: &mut Change,
        message: MessageId,
        brought: &[Brought],
    ) {
        let Some(rule) = &config.harvest else { return };
        let now = self.now();
        for Brought {
            address,
            certificate,
        } in brought
        {
            let id = CertificateRow::id_of(address, certificate);
            if config.harvested.knows(&id) {
                continue;
            }
            if config.harvested.len() >= MOST {
                tracing::warn!(%address, "no certificate is harvested: {MOST} are kept already");
                return;
            }
            let by_rule = rule.accepts(address).then(|| Acceptance {
                by: "rule".to_owned(),
                at: now,
                reason: "directory.harvest-accept".to_owned(),
            });
            let event = Event::new(now, Act::Harvested, "switch").message(message);
            let row = CertificateRow {
                id,
                address: address.to_string(),
                certificate: certificate.to_pem(),
                seen: now,
                message,
                accepted: by_rule,
            };
            change.record(about(event, &row));
            change.put_certificate(row);
        }
    }

    /// What the store has, for a configuration that comes into force.
    pub(super) fn remember_certificates(&self, config: &Config) -> Result<(), Fault> {
        for row in self.certificates()? {
            take_over(config, &row);
        }
        Ok(())
    }
}

/// Takes over what a commit kept.
pub(super) fn after_commit(config: &Config, rows: &[CertificateRow], removed: &[String]) {
    for row in rows {
        take_over(config, row);
    }
    for id in removed {
        config.harvested.remove(id);
    }
}

fn take_over(config: &Config, row: &CertificateRow) {
    let read = Certificate::from_pem_many(row.certificate.as_bytes());
    let certificate = read.ok().and_then(|all| all.into_iter().next());
    if let (Some(certificate), Ok(address)) = (certificate, Address::parse(&row.address)) {
        let by = row.accepted.as_ref().map(|accepted| accepted.by.as_str());
        let der = certificate.der();
        config.harvested.put(&row.id, &address, der, by);
    }
}

fn about(event: Event, row: &CertificateRow) -> Event {
    let event = event
        .detail("certificate", &row.id)
        .detail("address", &row.address);
    match &row.accepted {
        Some(accepted) => event.detail("accepted-by", &accepted.by),
        None => event,
    }
}

/// The certificates for encryption of those who wrote the message, each with the address; none where
/// nothing is harvested. This may ask the directory.
pub(super) fn brought(config: &Config, at: Timestamp, cleared: &Cleared) -> Vec<Brought> {
    let trust = match cleared.origin() {
        Origin::Link(link) => &link.trust,
        Origin::Subject(_) => &config.trust,
    };
    let (Some(_), Some((_, signed))) = (&config.harvest, cleared.opened().facts().drafted()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for signer in cleared.drafters().filter(|signer| signer.is_good()) {
        let values = candidates(signer, &signed.certificates)
            .map(|certificate| (Attribute::Certificate, certificate.der().to_vec()));
        let source = Source::Harvested { by: String::new() };
        let Ok(record) = Record::of(source, values.collect()) else {
            continue;
        };
        for address in signer.addresses() {
            match record.for_encryption(&address, trust, at) {
                Ok(certificate) if !is_known(config, &address, &certificate) => {
                    found.push(Brought {
                        address,
                        certificate,
                    });
                }
                _ => {}
            }
        }
    }
    found
}

/// Which of the certificates that came along may be the signer's own for encryption.
fn candidates<'a>(
    signer: &'a SignerFacts,
    certificates: &'a [Certificate],
) -> impl Iterator<Item = &'a Certificate> {
    // RFC 8551 §2.5.3: what is preferred must be used
    let preferred = signer.report.encryption_key_preference();
    let own = signer.report.certificate.iter();
    own.chain(certificates).filter(move |certificate| {
        preferred
            .as_ref()
            .is_none_or(|preferred| preferred.matches(certificate))
    })
}

/// Whether the configuration, or what it names, tells it already.
fn is_known(config: &Config, address: &Address, certificate: &Certificate) -> bool {
    let subject = config.subjects.get(address);
    if subject.is_some_and(|subject| subject.certificate.as_ref() == Some(certificate)) {
        return true;
    }
    match config.directory.find(&Name::mailbox(address)) {
        Found::Known(record) => record.certificates().contains(certificate),
        Found::Unavailable(_) | Found::Unknown => false,
    }
}
