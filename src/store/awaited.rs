//! The rows of what was sent and of which a report is awaited: one for each message and recipient.
//!
//! Promises: a row is sealed as every other value is, and is written in the commit of what it tells
//! of; of a message signed for a receipt only digests are kept. A row that cannot be read is set
//! aside at start and awaits nothing.
//! Standards: RFC 3461; RFC 8098; RFC 2634 section 2.2.2.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::change::Op;
use super::engine::{Table, Write};
use super::sealing::Sealer;
use super::{Applied, Fault, Store};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::provider;
use crate::message::address::Address;
use crate::message::{MessageId, Precedence};

/// The name of a row: of a message and one of its recipients. Rows of one message stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AwaitedId([u8; 32]);

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("64 hexadecimal digits are expected")]
pub struct NotAnAwaitedId;

/// A message that was sent to one recipient, and the reports on it that are awaited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitedRow {
    /// The message as it was received.
    pub message: MessageId,
    /// The recipient.
    pub recipient: Address,
    /// Who wrote it.
    pub originator: Address,
    /// Whom reports of delivery go to: the sender of the envelope.
    pub sender: Address,
    /// How urgent it is for this recipient.
    pub precedence: Precedence,
    /// The link that carries it.
    pub next_hop: String,
    /// Its Message-ID field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// `ENVID`, decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<String>,
    /// `ORCPT`, as it stands in a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_recipient: Option<String>,
    /// When it was taken over.
    pub accepted: Timestamp,
    /// When it was handed to the next hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Timestamp>,
    /// By when the reports are to be here; not set before it was sent, nor where nothing is missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// When its operator was alarmed that they were not: once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarmed: Option<Timestamp>,
    /// When the row is forgotten.
    pub forget: Timestamp,
    /// The reports that were asked for, one of a kind.
    pub reports: Vec<AskedReport>,
}

/// A report that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedReport {
    /// Of which kind.
    pub kind: ReportKind,
    /// Whether it is missed when it does not come.
    pub awaiting: Awaiting,
    /// What a signed receipt must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptRow>,
    /// That a next hop said that it takes long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delayed: Option<Timestamp>,
    /// What it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// A kind of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// A delivery status notification (RFC 3464).
    Delivery,
    /// A message disposition notification (RFC 8098): it was read.
    Disposition,
    /// A signed receipt (RFC 2634).
    Receipt,
}

/// Whether a report is missed when it does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaiting {
    /// It comes in any case.
    Answer,
    /// It comes when something goes wrong: no news is good news.
    Trouble,
}

// RFC 2634 §2.2.2
/// What a signed receipt must say, as digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRow {
    /// signedContentIdentifier, in hexadecimal.
    pub content_identifier: String,
    /// SHA-256 of the Receipt, in hexadecimal.
    pub receipt: String,
    /// By which algorithm the digest of the signed attributes is: its object identifier.
    pub algorithm: String,
    /// The digest of the signed attributes, in hexadecimal.
    pub signature_digest: String,
}

/// What a report came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What it says.
    pub result: ReportResult,
    /// When it was here.
    pub at: Timestamp,
    /// Who says so: the author of the report, or `switch`.
    pub by: String,
    /// The message that brought it; none where the switch itself knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<MessageId>,
}

/// What a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportResult {
    /// It was deleted, read or not.
    Deleted,
    /// It is in the mailbox.
    Delivered,
    /// The recipient does not want to say whether it was read.
    Denied,
    /// It was sent on to somebody else, unread.
    Dispatched,
    /// It was shown.
    Displayed,
    /// The recipient is several others; nothing more is told of them.
    Expanded,
    /// It did not get there.
    Failed,
    /// Something else than a person dealt with it.
    Processed,
    /// The recipient signed for exactly this content.
    Received,
    /// It was handed to where no report will come from.
    Relayed,
}

impl AwaitedId {
    /// No row stands before it.
    pub const FIRST: Self = Self([0; 32]);
    /// No row stands after it.
    pub const LAST: Self = Self([0xff; 32]);

    /// No row of this message stands before it.
    pub fn first_of(message: MessageId) -> Self {
        let mut id = [0; 32];
        id.iter_mut()
            .zip(message.octets())
            .for_each(|(octet, part)| *octet = *part);
        Self(id)
    }

    /// The name of the row of this message and recipient.
    pub fn of(message: MessageId, recipient: &Address) -> Self {
        let digest = provider::default().digest(Digest::Sha256, &[recipient.key().as_bytes()]);
        let mut id = [0; 32];
        let parts = message.octets().iter().chain(&digest);
        id.iter_mut()
            .zip(parts)
            .for_each(|(octet, part)| *octet = *part);
        Self(id)
    }

    /// The octets that it is kept under.
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// The message.
    pub fn message(&self) -> MessageId {
        let mut id = [0; 16];
        id.iter_mut()
            .zip(self.0)
            .for_each(|(octet, part)| *octet = part);
        MessageId::new(id)
    }
}

impl fmt::Display for AwaitedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl FromStr for AwaitedId {
    type Err = NotAnAwaitedId;

    fn from_str(text: &str) -> Result<Self, NotAnAwaitedId> {
        let mut id = [0; 32];
        let digits = text.as_bytes().chunks(2);
        let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        for (octet, pair) in id.iter_mut().zip(digits) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAnAwaitedId)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| NotAnAwaitedId)?;
        }
        is_hex.then_some(Self(id)).ok_or(NotAnAwaitedId)
    }
}

impl AwaitedRow {
    /// Its name.
    pub fn id(&self) -> AwaitedId {
        AwaitedId::of(self.message, &self.recipient)
    }

    /// What was asked of a kind.
    pub fn asked(&self, kind: ReportKind) -> Option<&AskedReport> {
        self.reports.iter().find(|report| report.kind == kind)
    }

    /// Whether a report is still missed.
    pub fn is_missed(&self) -> bool {
        self.reports.iter().any(AskedReport::is_missed)
    }

    /// Whether every report came to something.
    pub fn is_settled(&self) -> bool {
        self.reports.iter().all(|report| report.settled.is_some())
    }
}

impl AskedReport {
    /// Whether it is still missed.
    pub fn is_missed(&self) -> bool {
        self.awaiting == Awaiting::Answer && self.settled.is_none()
    }
}

impl ReportKind {
    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Disposition => "disposition",
            Self::Receipt => "receipt",
        }
    }
}

impl ReportResult {
    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Delivered => "delivered",
            Self::Denied => "denied",
            Self::Dispatched => "dispatched",
            Self::Displayed => "displayed",
            Self::Expanded => "expanded",
            Self::Failed => "failed",
            Self::Processed => "processed",
            Self::Received => "received",
            Self::Relayed => "relayed",
        }
    }
}

impl fmt::Display for ReportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for ReportResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Store {
    /// One row.
    pub fn awaited_row(&self, id: AwaitedId) -> Result<Option<AwaitedRow>, Fault> {
        let what = format!("what is awaited of message {}", id.message());
        self.inner.stored(Table::Awaited, id.octets(), &what)
    }

    /// Every row, the rows of a message side by side.
    pub fn awaited(&self) -> Result<Vec<AwaitedRow>, Fault> {
        self.inner.all(Table::Awaited, |row: AwaitedRow| row)
    }
}

/// What a row is called where two operations on it meet.
pub(super) fn name(op: &Op) -> String {
    let name = |id: AwaitedId| format!("awaited {id}");
    match op {
        Op::PutAwaited(row) => name(row.id()),
        Op::RemoveAwaited(id) => name(*id),
        _ => String::new(),
    }
}

/// What an operation does, for whoever keeps an index.
pub(super) fn applied(op: &Op) -> Option<Applied> {
    match op {
        Op::PutAwaited(row) => Some(Applied::Awaited(row.clone())),
        Op::RemoveAwaited(id) => Some(Applied::AwaitedGone(*id)),
        _ => None,
    }
}

/// The writes of an operation.
pub(super) fn stage(sealer: &Sealer, op: Op, writes: &mut Vec<Write>) -> Result<(), Fault> {
    match op {
        Op::PutAwaited(row) => {
            let key = row.id().octets().to_vec();
            let json = Zeroizing::new(serde_json::to_vec(&row)?);
            let sealed = sealer.seal(Table::Awaited, &key, &json)?;
            writes.push(Write::Put(Table::Awaited, key, sealed));
        }
        Op::RemoveAwaited(id) => {
            writes.push(Write::Remove(Table::Awaited, id.octets().to_vec()));
        }
        _ => {}
    }
    Ok(())
}
