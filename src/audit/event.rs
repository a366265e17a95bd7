//! One act that the switch, a peer or a person did, with the facts that explain it.
//!
//! Promises: names of acts are stable; a detail is a short text, cut when it is long.
//! Refuses: nothing; an event is never lost for its form.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::{DraftId, EntryId, MessageId};

/// A detail longer than this many octets is cut: a peer must not fill the chain with one reply.
const DETAIL_LIMIT: usize = 2048;

/// One act, as it goes into the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, by the clock of this switch.
    pub at: Timestamp,
    /// What was done.
    pub act: Act,
    /// Who did it: a peer, a subject, an operator, or `switch`.
    pub actor: String,
    /// The message it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The draft it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftId>,
    /// The queue entry it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The stable id of the decision behind it: `pass`, `hold`, or that of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Further facts by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Event {
    /// An act by `actor` at `at`, so far without further facts.
    pub fn new(at: Timestamp, act: Act, actor: impl Into<String>) -> Self {
        Self {
            at,
            act,
            actor: cut(actor.into()),
            message: None,
            draft: None,
            entry: None,
            decision: None,
            details: BTreeMap::new(),
        }
    }

    /// Names the message.
    #[must_use]
    pub fn message(mut self, id: MessageId) -> Self {
        self.message = Some(id);
        self
    }

    /// Names the draft.
    #[must_use]
    pub fn draft(mut self, id: DraftId) -> Self {
        self.draft = Some(id);
        self
    }

    /// Names the queue entry.
    #[must_use]
    pub fn entry(mut self, id: EntryId) -> Self {
        self.entry = Some(id);
        self
    }

    /// Names the decision by its stable id.
    #[must_use]
    pub fn decision(mut self, id: impl Into<String>) -> Self {
        self.decision = Some(cut(id.into()));
        self
    }

    /// Adds one fact that is never cut: a signature of ours, which is nothing when it is not whole.
    #[must_use]
    pub(super) fn whole_detail(mut self, name: &str, value: String) -> Self {
        self.details.insert(name.into(), value);
        self
    }

    /// Adds one fact; a second one of the same name replaces the first.
    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.details.insert(name.into(), cut(value.to_string()));
        self
    }
}

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A message was taken over from a peer.
    Accepted,
    /// A copy of the store was made.
    BackedUp,
    /// An operator accepted a certificate that signed mail brought.
    CertificateAccepted,
    /// An operator removed one.
    CertificateRemoved,
    /// The switch signed the head of the chain.
    Checkpoint,
    /// A next hop did not take a recipient yet; it is tried again.
    Deferred,
    /// A next hop took a recipient.
    Delivered,
    /// The switch was told to stop: it takes nothing new, and what is in hand may end.
    Draining,
    /// A label crossed a border without something that bears on access, as a signed policy says.
    Downgraded,
    /// A draft or an entry reached the end of its life.
    Expired,
    /// A certificate comes to its end, or has.
    Expiring,
    /// The exported chain differed from the store, was set aside and written anew.
    ExportRepaired,
    /// A recipient was refused for good by the next hop.
    Failed,
    /// Something of ours failed: no message is at fault.
    Fault,
    /// Another least precedence is taken from now on: room has grown scarce, or is there again.
    HeadRoom,
    /// An entry may not go any more, by the rules that are in force now.
    Forbidden,
    /// Signed mail brought its signer's certificate for encryption.
    Harvested,
    /// A draft waits for release.
    Held,
    /// A source came to one of its limits: connections, failed logins, time.
    Limited,
    /// Revocation lists were read again, because their files changed.
    ListsRead,
    /// A login failed.
    LoginFailed,
    /// An operator imposed MINIMIZE.
    MinimizeImposed,
    /// An operator lifted MINIMIZE, or its time was over.
    MinimizeLifted,
    /// An entry is still here after the time in which it should have been delivered.
    Overdue,
    /// An operator holds an entry back.
    Paused,
    /// An operator gave an entry another next hop.
    Redirected,
    /// A sealed message was put into the queue for a next hop.
    Queued,
    /// Stored state that cannot be read any more was set aside.
    Quarantined,
    /// A message or an act was refused.
    Refused,
    /// A draft was released.
    Released,
    /// Another configuration was put in force.
    Reloaded,
    /// A new configuration was not put in force.
    ReloadRefused,
    /// The store was sealed under another key.
    Rekeyed,
    /// The store was closed by a failed commit, and was opened again after its checks.
    Reopened,
    /// An operator removed an entry.
    Removed,
    /// A report (DSN, receipt, alarm) was made.
    Reported,
    /// A report arrived and settles what was awaited.
    ReportMatched,
    /// A report arrived and settles nothing.
    ReportNotMatched,
    /// A report that was asked for is not here in time.
    ReportOverdue,
    /// The time is over in which reports are awaited, or what they came to is remembered.
    ReportsForgotten,
    /// So many reports are awaited that none is of this message.
    ReportsNotAwaited,
    /// The store is a copy that was put back: what happened after the copy is not in it.
    Restored,
    /// An operator lets a paused entry go on.
    Resumed,
    /// An operator asked for an attempt at once.
    RetriedNow,
    /// A draft was returned to its drafter.
    Returned,
    /// A draft got one of the signatures it needs.
    Reviewed,
    /// A signature for a draft was not accepted.
    ReviewRefused,
    /// An operator accepted a label policy that is older than the one that was in force.
    RolledBack,
    /// Messages were not taken for want of room: their peers keep them.
    Shed,
    /// The switch began its work.
    Started,
    /// The switch ended its work.
    Stopped,
    /// Files of a body that no commit names were removed.
    Swept,
    /// A peer was refused before it handed a message in.
    TurnedAway,
    /// A drafter took a draft back.
    Withdrawn,
}

impl Act {
    /// Its stable name, as the chain has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::BackedUp => "backed-up",
            Self::CertificateAccepted => "certificate-accepted",
            Self::CertificateRemoved => "certificate-removed",
            Self::Checkpoint => "checkpoint",
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::Downgraded => "downgraded",
            Self::Draining => "draining",
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::ExportRepaired => "export-repaired",
            Self::Failed => "failed",
            Self::Fault => "fault",
            Self::HeadRoom => "head-room",
            Self::Forbidden => "forbidden",
            Self::Harvested => "harvested",
            Self::Held => "held",
            Self::Limited => "limited",
            Self::ListsRead => "lists-read",
            Self::LoginFailed => "login-failed",
            Self::MinimizeImposed => "minimize-imposed",
            Self::MinimizeLifted => "minimize-lifted",
            Self::Overdue => "overdue",
            Self::Paused => "paused",
            Self::Redirected => "redirected",
            Self::Queued => "queued",
            Self::Quarantined => "quarantined",
            Self::Refused => "refused",
            Self::Released => "released",
            Self::Reloaded => "reloaded",
            Self::ReloadRefused => "reload-refused",
            Self::Rekeyed => "rekeyed",
            Self::Reopened => "reopened",
            Self::Removed => "removed",
            Self::Reported => "reported",
            Self::ReportMatched => "report-matched",
            Self::ReportNotMatched => "report-not-matched",
            Self::ReportOverdue => "report-overdue",
            Self::ReportsForgotten => "reports-forgotten",
            Self::ReportsNotAwaited => "reports-not-awaited",
            Self::Restored => "restored",
            Self::Resumed => "resumed",
            Self::RetriedNow => "retried-now",
            Self::Returned => "returned",
            Self::Reviewed => "reviewed",
            Self::ReviewRefused => "review-refused",
            Self::RolledBack => "rolled-back",
            Self::Shed => "shed",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Swept => "swept",
            Self::TurnedAway => "turned-away",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn cut(mut text: String) -> String {
    if text.len() > DETAIL_LIMIT {
        let end = (0..=DETAIL_LIMIT).rev().find(|&n| text.is_char_boundary(n));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_act_is_its_form_in_json() {
        for act in [
            Act::Accepted,
            Act::ExportRepaired,
            Act::RetriedNow,
            Act::Checkpoint,
            Act::HeadRoom,
            Act::TurnedAway,
            Act::Reopened,
            Act::ReviewRefused,
            Act::ReloadRefused,
            Act::CertificateAccepted,
            Act::Harvested,
            Act::Forbidden,
            Act::Limited,
            Act::LoginFailed,
            Act::Shed,
            Act::MinimizeImposed,
            Act::MinimizeLifted,
            Act::ReportMatched,
            Act::ReportNotMatched,
            Act::ReportOverdue,
            Act::ReportsForgotten,
            Act::ReportsNotAwaited,
        ] {
            let json = serde_json::to_string(&act).unwrap();
            assert_eq!(json, format!("\"{act}\""));
        }
    }

    #[test]
    fn long_details_are_cut_between_characters() {
        let event = Event::new(Timestamp::UNIX_EPOCH, Act::Failed, "switch")
            .detail("reply", "ü".repeat(5000))
            .detail("short", "ü");
        assert!(event.details["reply"].len() <= DETAIL_LIMIT + '…'.len_utf8());
        assert!(event.details["reply"].ends_with("ü…"));
        assert_eq!(event.details["short"], "ü");
    }
}
