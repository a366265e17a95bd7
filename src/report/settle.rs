//! Whether a report settles what is awaited: by whom, for which message, for which recipient.
//!
//! Promises: a report settles one thing once; a disposition and a receipt are the recipient's own
//! word, a delivery report that of the mail system behind the link that the message took; whatever
//! cannot be told apart settles nothing.
//! Refuses: a report of somebody else, for another message, recipient or sender, a second one.
//! Attacks stopped here: a person behind a border who reports for its mail system; a report that
//! names somebody else's message; a receipt for other content; a report played back.
//! Standards: RFC 3464 §2.2, §2.3; RFC 3461 §6.3; RFC 8098 §3.2; RFC 2634 §2.6.

use super::awaited::{hex, receipt_digest};
use super::heard::{Heard, MailSystem, Quoted, Said};
use crate::clock::Timestamp;
use crate::config::ReportRules;
use crate::message::MessageId;
use crate::message::address::{Address, ReversePath};
use crate::message::domain;
use crate::message::status::{
    Action, DeliveryStatus, Disposition, DispositionStatus, RecipientStatus, TypedAddress,
};
use crate::store::{AskedReport, AwaitedRow, ReportKind, ReportResult, Settled};

/// Why a report settles nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotSettled {
    /// It goes to somebody else than the one who is to be told.
    Addressee,
    /// Who wrote it may not report this.
    Author,
    /// It is settled already.
    Duplicate,
    /// It names another envelope.
    EnvelopeId,
    /// It names another message.
    MessageId,
    /// The message asked for no such report.
    NotAsked,
    /// The receipt is for other content.
    Receipt,
    /// It tells of a recipient whom the message did not have.
    Recipient,
    /// A report of the mail system has the null reverse path.
    Sender,
    /// Nothing that is awaited is named.
    Unknown,
    /// It cannot be read.
    Unreadable,
}

/// What a report does to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The row as it is from now on.
    pub row: AwaitedRow,
    /// The kind of report.
    pub kind: ReportKind,
    /// What it came to; nothing for a delay, which is only noted.
    pub result: Option<ReportResult>,
}

impl NotSettled {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Addressee => "addressee",
            Self::Author => "author",
            Self::Duplicate => "duplicate",
            Self::EnvelopeId => "envelope-id",
            Self::MessageId => "message-id",
            Self::NotAsked => "not-asked",
            Self::Receipt => "receipt",
            Self::Recipient => "recipient",
            Self::Sender => "sender",
            Self::Unknown => "unknown",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What `heard` settles of the rows of one message.
///
/// # Errors
/// Why it settles none of them.
pub fn settle(
    heard: &Heard,
    rows: &[AwaitedRow],
    at: Timestamp,
    rules: &ReportRules,
) -> Result<Vec<Change>, NotSettled> {
    let stamp = Stamp {
        at,
        by: &heard.author,
        report: heard.message,
        rules,
    };
    match &heard.said {
        Said::Delivery { status, message_id } => {
            delivery(heard, status, message_id.as_deref(), rows, &stamp)
        }
        Said::Disposition(status) => disposition(heard, status, rows, &stamp),
        Said::Receipt(quoted) => receipt(heard, quoted, rows, &stamp),
        Said::Unreadable(_) => Err(NotSettled::Unreadable),
    }
}

/// When and on whose word something is settled.
struct Stamp<'a> {
    at: Timestamp,
    by: &'a Address,
    report: MessageId,
    rules: &'a ReportRules,
}

impl Stamp<'_> {
    fn settled(&self, result: ReportResult) -> Settled {
        Settled {
            result,
            at: self.at,
            by: self.by.to_string(),
            report: Some(self.report),
        }
    }

    /// The row with the report of this kind settled.
    fn settle(
        &self,
        row: &AwaitedRow,
        kind: ReportKind,
        result: ReportResult,
    ) -> Result<Change, NotSettled> {
        let mut row = row.clone();
        let report = row.reports.iter_mut().find(|report| report.kind == kind);
        let report = report.ok_or(NotSettled::NotAsked)?;
        if !is_open(report) {
            return Err(NotSettled::Duplicate);
        }
        report.settled = Some(self.settled(result));
        after(&mut row, self.at, self.rules);
        Ok(Change {
            row,
            kind,
            result: Some(result),
        })
    }
}

// RFC 3464 §4: that a delivery failed does not prove that nobody got the message
/// Whether it can still be settled: the recipient's own word counts after a failure, too.
fn is_open(report: &AskedReport) -> bool {
    match &report.settled {
        None => true,
        Some(settled) => {
            settled.result == ReportResult::Failed && report.kind != ReportKind::Delivery
        }
    }
}

/// Nothing reaches this recipient: nothing more is awaited.
pub(super) fn fail(row: &mut AwaitedRow, settled: &Settled) {
    for report in row.reports.iter_mut().filter(|one| one.settled.is_none()) {
        report.settled = Some(settled.clone());
    }
}

/// Sets the times of a row whose reports changed.
pub(super) fn after(row: &mut AwaitedRow, at: Timestamp, rules: &ReportRules) {
    if !row.is_missed() {
        row.due = None;
    }
    if row.is_settled() {
        row.forget = at.checked_add(rules.kept).unwrap_or(Timestamp::MAX);
    }
}

fn delivery(
    heard: &Heard,
    status: &DeliveryStatus,
    message_id: Option<&str>,
    rows: &[AwaitedRow],
    stamp: &Stamp<'_>,
) -> Result<Vec<Change>, NotSettled> {
    let by = heard.mail_system.as_ref().ok_or(NotSettled::Author)?;
    // RFC 3464 §2: the envelope sender of a report is null
    if heard.from != ReversePath::Null {
        return Err(NotSettled::Sender);
    }
    let mut changes = Vec::new();
    let mut why = NotSettled::Unknown;
    for told in &status.recipients {
        match told_of(heard, by, status, message_id, told, rows, stamp) {
            Ok(change) => changes.push(change),
            Err(not) => why = not,
        }
    }
    // A recipient who stands there twice is told of in two ways.
    let ids: std::collections::BTreeSet<_> = changes.iter().map(|one| one.row.id()).collect();
    match (changes.is_empty(), ids.len() == changes.len()) {
        (true, _) => Err(why),
        (false, true) => Ok(changes),
        (false, false) => Err(NotSettled::Recipient),
    }
}

/// What is told of one recipient.
fn told_of(
    heard: &Heard,
    by: &MailSystem,
    status: &DeliveryStatus,
    message_id: Option<&str>,
    told: &RecipientStatus,
    rows: &[AwaitedRow],
    stamp: &Stamp<'_>,
) -> Result<Change, NotSettled> {
    let row = recipient(told.original.as_ref(), &told.last, rows).ok_or(NotSettled::Recipient)?;
    let behind = |ancestor: &String| domain::is_within(row.recipient.domain(), ancestor);
    if by.link != row.next_hop && !by.domains.iter().any(behind) {
        return Err(NotSettled::Author);
    }
    if !heard.to.contains(&row.sender) {
        return Err(NotSettled::Addressee);
    }
    // RFC 3464 §2.2.1: the originator's own name for the envelope, exactly as it was given
    if status.envelope_id != row.envelope_id {
        return Err(NotSettled::EnvelopeId);
    }
    match (message_id, &row.message_id) {
        (Some(told), Some(sent)) if told == sent => {}
        (None, _) if row.envelope_id.is_some() => {}
        _ => return Err(NotSettled::MessageId),
    }
    let result = match told.action {
        Action::Delayed => return delayed(row, stamp.at),
        Action::Delivered => ReportResult::Delivered,
        Action::Expanded => ReportResult::Expanded,
        Action::Relayed => ReportResult::Relayed,
        Action::Failed => return failed(row, stamp),
    };
    stamp.settle(row, ReportKind::Delivery, result)
}

fn delayed(row: &AwaitedRow, at: Timestamp) -> Result<Change, NotSettled> {
    let mut row = row.clone();
    let report = row
        .reports
        .iter_mut()
        .find(|report| report.kind == ReportKind::Delivery)
        .ok_or(NotSettled::NotAsked)?;
    if report.settled.is_some() || report.delayed.is_some() {
        return Err(NotSettled::Duplicate);
    }
    report.delayed = Some(at);
    Ok(Change {
        row,
        kind: ReportKind::Delivery,
        result: None,
    })
}

fn failed(row: &AwaitedRow, stamp: &Stamp<'_>) -> Result<Change, NotSettled> {
    let mut row = row.clone();
    let delivery = row.asked(ReportKind::Delivery);
    let is_told = match delivery {
        Some(delivery) => delivery.settled.is_some(),
        None => row.is_settled(),
    };
    if is_told {
        return Err(NotSettled::Duplicate);
    }
    fail(&mut row, &stamp.settled(ReportResult::Failed));
    after(&mut row, stamp.at, stamp.rules);
    Ok(Change {
        row,
        kind: ReportKind::Delivery,
        result: Some(ReportResult::Failed),
    })
}

// RFC 3461 §6.3: Original-Recipient is the ORCPT of the message, or stands for its recipient
/// The one row that is told of.
fn recipient<'r>(
    original: Option<&TypedAddress>,
    last: &TypedAddress,
    rows: &'r [AwaitedRow],
) -> Option<&'r AwaitedRow> {
    let is_last = |row: &&AwaitedRow| last.mailbox().as_ref() == Some(&row.recipient);
    let Some(original) = original else {
        return rows.iter().find(is_last);
    };
    let named: Vec<&AwaitedRow> = rows
        .iter()
        .filter(|row| is_original(original, row))
        .collect();
    match named.as_slice() {
        [one] => Some(one),
        // Two recipients under one name: the report must say which.
        several => several.iter().copied().find(is_last),
    }
}

fn is_original(told: &TypedAddress, row: &AwaitedRow) -> bool {
    match &row.original_recipient {
        None => told.mailbox().as_ref() == Some(&row.recipient),
        Some(asked) => asked.split_once(';').is_some_and(|(kind, text)| {
            kind.eq_ignore_ascii_case(&told.kind) && text.trim() == told.text
        }),
    }
}

fn disposition(
    heard: &Heard,
    status: &DispositionStatus,
    rows: &[AwaitedRow],
    stamp: &Stamp<'_>,
) -> Result<Vec<Change>, NotSettled> {
    let row = own_row(heard, rows)?;
    // RFC 8098 §3.2.5: the message is named; without that, nobody knows which it was
    if status.message_id.is_none() || status.message_id != row.message_id {
        return Err(NotSettled::MessageId);
    }
    if recipient(status.original.as_ref(), &status.last, rows).map(AwaitedRow::id) != Some(row.id())
    {
        return Err(NotSettled::Recipient);
    }
    let result = match status.disposition {
        Disposition::Deleted => ReportResult::Deleted,
        Disposition::Denied => ReportResult::Denied,
        Disposition::Dispatched => ReportResult::Dispatched,
        Disposition::Displayed => ReportResult::Displayed,
        Disposition::Failed => ReportResult::Failed,
        Disposition::Processed => ReportResult::Processed,
    };
    Ok(vec![stamp.settle(row, ReportKind::Disposition, result)?])
}

// RFC 2634 §2.6: content and signature of the original, and the digest of what was signed
fn receipt(
    heard: &Heard,
    quoted: &Quoted,
    rows: &[AwaitedRow],
    stamp: &Stamp<'_>,
) -> Result<Vec<Change>, NotSettled> {
    // Not in the RFC: that whoever receipts was written to.
    let row = own_row(heard, rows)?;
    let asked = row.asked(ReportKind::Receipt).ok_or(NotSettled::NotAsked)?;
    let expected = asked.receipt.as_ref().ok_or(NotSettled::NotAsked)?;
    let quotes = |digest: &Option<Vec<u8>>| {
        digest.as_ref().map(|digest| hex(digest)).as_ref() == Some(&expected.signature_digest)
    };
    let is_for_it = expected.receipt == receipt_digest(&quoted.reference)
        && !quoted.digests.is_empty()
        && quoted.digests.iter().all(quotes);
    match is_for_it {
        true => Ok(vec![stamp.settle(
            row,
            ReportKind::Receipt,
            ReportResult::Received,
        )?]),
        false => Err(NotSettled::Receipt),
    }
}

/// The row of the one who wrote the report.
fn own_row<'r>(heard: &Heard, rows: &'r [AwaitedRow]) -> Result<&'r AwaitedRow, NotSettled> {
    let own = rows.iter().find(|row| row.recipient == heard.author);
    own.ok_or(NotSettled::Author)
}

#[cfg(test)]
mod tests;
