//! The rows of certificates that signed mail brought.
//!
//! Promises: a row is sealed as every other value is; one that cannot be read is told in the log and
//! found by nobody.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::change::Op;
use super::engine::{Table, Write};
use super::sealing::Sealer;
use super::{Fault, Store};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::{Certificate, hex};
use crate::crypto::provider;
use crate::message::MessageId;
use crate::message::address::Address;

/// A certificate that signed mail brought: its signer's own, for encryption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    /// Its own name: of this address and this certificate.
    pub id: String,
    /// Whose it is.
    pub address: String,
    /// In PEM.
    pub certificate: String,
    /// When it came.
    pub seen: Timestamp,
    /// The message that brought it.
    pub message: MessageId,
    /// Who accepted it; until then nobody finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

/// That somebody accepted a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// An operator, or `rule`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl CertificateRow {
    /// The name of a row for this address and certificate.
    pub fn id_of(address: &Address, certificate: &Certificate) -> String {
        let parts = [address.key().as_bytes(), &[0], certificate.der()];
        let digest = provider::default().digest(Digest::Sha256, &parts);
        let short = digest.get(..16).unwrap_or(&digest);
        hex(short).to_ascii_lowercase()
    }
}

impl Store {
    /// The certificates that signed mail brought, in no order that means anything.
    pub fn certificates(&self) -> Result<Vec<CertificateRow>, Fault> {
        self.inner
            .all(Table::Certificate, |row: CertificateRow| row)
    }
}

/// What a row is called where two operations on it meet.
pub(super) fn name(op: &Op) -> String {
    match op {
        Op::PutCertificate(row) => format!("certificate {}", row.id),
        Op::RemoveCertificate(id) => format!("certificate {id}"),
        _ => String::new(),
    }
}

/// The writes of an operation.
pub(super) fn stage(sealer: &Sealer, op: Op, writes: &mut Vec<Write>) -> Result<(), Fault> {
    match op {
        Op::PutCertificate(row) => {
            let key = row.id.clone().into_bytes();
            let json = Zeroizing::new(serde_json::to_vec(&row)?);
            let sealed = sealer.seal(Table::Certificate, &key, &json)?;
            writes.push(Write::Put(Table::Certificate, key, sealed));
        }
        Op::RemoveCertificate(id) => {
            writes.push(Write::Remove(Table::Certificate, id.into_bytes()));
        }
        _ => {}
    }
    Ok(())
}
