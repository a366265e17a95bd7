//! What is kept: one row per queue entry and one per draft.
//!
//! Promises: a row read from an older version is still read (new fields have defaults; `version` says
//! which fields it was written with).
//! Every row carries a revision: an update that was made from an older reading is refused, so that
//! of two acts on the same row at the same time one wins and the other is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::message::address::{Address, AddressError, ReversePath};
use crate::message::service::Terms;
use crate::message::{DraftId, EntryId, MessageId, Precedence};

/// One sealed message for one next hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRow {
    /// Which fields it was written with: [`EntryRow::VERSION`], or 0 before there was a number.
    #[serde(default)]
    pub version: u16,
    /// Its own name.
    pub id: EntryId,
    /// The message as it was received.
    pub message: MessageId,
    /// The name of the link that carries it on.
    pub next_hop: String,
    /// Whom a failure is reported to: a mailbox, or empty for nobody.
    pub from: String,
    /// The recipients who do not have it yet.
    pub recipients: Vec<RecipientRow>,
    /// How urgent it is.
    pub precedence: Precedence,
    /// When it was put into the queue.
    pub arrived: Timestamp,
    /// When the next attempt may begin.
    pub due: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// How many attempts there were.
    pub attempts: u32,
    /// Whether it may go.
    pub state: EntryState,
    /// The number of the rules that judged it.
    pub judged_under: String,
    /// What they permitted it as, for when they change.
    #[serde(default)]
    pub permitted: Permitted,
    /// What the envelope asks of those who carry it.
    #[serde(default, skip_serializing_if = "Terms::is_plain")]
    pub terms: Terms,
    /// When the sender is told that it takes long, if that is still to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Timestamp>,
    /// When its postmaster is alarmed that it is still here, if that is still to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue: Option<Timestamp>,
    /// Who signed it; nobody for the switch's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originator: Option<Address>,
    /// Whether its originator says, under a signature, that MINIMIZE was considered.
    #[serde(default, skip_serializing_if = "Considered::is_no")]
    pub considered: Considered,
    /// The subject indicator codes that its originator signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sics: Vec<String>,
    /// The length of its body in octets.
    pub size: u64,
    /// How often the row was updated; kept by the store.
    pub revision: u64,
}

impl EntryRow {
    /// 1: terms and notice. 2: overdue, originator, considered. 3: sics.
    pub const VERSION: u16 = 3;

    /// `from` as a path.
    pub fn reverse_path(&self) -> Result<ReversePath, AddressError> {
        match self.from.as_str() {
            "" => Ok(ReversePath::Null),
            mailbox => Address::parse(mailbox).map(ReversePath::Address),
        }
    }
}

/// Whether somebody considered that MINIMIZE is in force, and sent a message all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Considered {
    /// Nobody says so.
    #[default]
    No,
    /// The originator does.
    Yes,
}

impl Considered {
    const fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}

/// What an entry was permitted as. Labels are ESSSecurityLabels in DER.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permitted {
    /// A message under a label.
    As {
        /// Its label in the domain's own policy.
        label: Vec<u8>,
        /// What that is called on the far side, where it is called something else.
        crossing: Option<Vec<u8>>,
        /// The labels of what is attached.
        #[serde(default)]
        attached: Vec<Vec<u8>>,
    },
    /// The switch's own words: reports and notices.
    Own,
    /// A row of a version that did not keep it: it cannot be judged again.
    #[default]
    Unknown,
}

/// A next hop that an operator holds back: nothing is delivered there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedRow {
    /// The name of the link.
    pub next_hop: String,
    /// Who holds it back.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// A label policy that was in force: what an older one in its place is told by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// Its object identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Its creation date, as written.
    pub created: Option<String>,
    /// The digest of its file.
    pub digest: String,
}

/// Whether an entry may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// An operator holds it back.
    Held,
    /// It goes when it is due.
    Ready,
}

/// One recipient of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientRow {
    /// The mailbox.
    pub address: String,
    /// What became of the last attempt.
    pub state: RecipientState,
    /// How many attempts were made for this recipient.
    pub attempts: u32,
    /// What the next hop said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reply: Option<ReplyRow>,
}

impl RecipientRow {
    /// `address` as a mailbox.
    pub fn mailbox(&self) -> Result<Address, AddressError> {
        Address::parse(&self.address)
    }
}

/// How far a recipient of an entry is. Who has the message, or never gets it, is not in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientState {
    /// The last attempt failed for now.
    Deferred,
    /// No attempt yet.
    New,
}

/// What a next hop said, or what kept us from asking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyRow {
    /// Who said it: the name or address of the peer, or `switch`.
    pub by: String,
    /// The SMTP reply code; `None` when there was no reply, as without a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The enhanced status code, as `4.4.1`.
    pub enhanced: String,
    /// The text.
    pub text: String,
}

/// One held message and what `review` knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftRow {
    /// Its own name.
    pub id: DraftId,
    /// The message as it was received.
    pub message: MessageId,
    /// How far it is.
    pub state: DraftState,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// How urgent it is.
    pub precedence: Precedence,
    /// Who submitted it.
    pub submitted_by: String,
    /// What only `review` reads and writes.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub payload: Vec<u8>,
    /// The length of its body in octets; set by the store.
    pub size: u64,
    /// How often the row was updated; kept by the store.
    pub revision: u64,
}

/// How far a draft is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DraftState {
    /// Nobody released it in time.
    Expired,
    /// It went on.
    Released,
    /// An officer sent it back.
    Returned,
    /// It has some of the signatures it needs.
    Reviewed,
    /// It has no signature but the drafter's.
    Submitted,
    /// The drafter took it back.
    Withdrawn,
}

impl DraftState {
    /// Whether somebody can still sign it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Reviewed | Self::Submitted)
    }
}

fn to_base64<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD_NO_PAD.encode(octets))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD_NO_PAD
        .decode(text)
        .map_err(serde::de::Error::custom)
}
