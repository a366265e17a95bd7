//! STEP 8 of the line: what the switch tells people of its own accord.
//!
//! Duty: delivery status notifications ([`report`]), notices about drafts ([`waiting`], [`closed`]) and
//! about certificates ([`expiring`]), alarms ([`overdue`], [`overdue_draft`], [`missing`]). The other way round:
//! which reports are awaited of what was sent ([`awaited`], kept in a [`Ledger`]), what an arriving one
//! says ([`heard`]), and whether it [`settle`]s any of that.
//! Promises: never the body of a message; never an answer to the null reverse path (RFC 5321 section
//! 6.1), so never a report about a report. `seal` signs a report under the label of its message.
//! Standards: RFC 3461, RFC 3464, RFC 6522, RFC 6533, RFC 3834.

mod awaited;
mod dsn;
mod handed;
mod heard;
mod ledger;
mod listing;
mod settle;

pub use awaited::awaited;
pub use dsn::{Action, Reach, Report, Told, report};
pub use handed::{Handed, handed};
pub use heard::{Heard, MailSystem, Quoted, Said, heard};
pub use ledger::{Ledger, Turn};
pub use listing::{
    ListedReport, NotAPlace, Place, Standing, Which as WhichReports, page as listed,
};
pub use settle::{Change, NotSettled, settle};

use crate::message::address::Address;
use crate::message::service::Terms;
use crate::message::{DraftId, Precedence};
use crate::review::Draft;
use crate::seal::OwnMessage;
use crate::store::EntryRow;

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Nobody released it in time.
    Expired,
    /// It was released by these.
    Released(Vec<Address>),
    /// An officer sent it back, and said why.
    Returned {
        /// The officer.
        officer: Address,
        /// The officer's words.
        reason: String,
    },
    /// Who drafted it took it back, and said why.
    Withdrawn(String),
}

/// Tells an officer that a draft waits. It says which and how urgent, not what is in it.
pub fn waiting(officer: &Address, id: DraftId, draft: &Draft) -> OwnMessage {
    OwnMessage {
        to: officer.clone(),
        subject: format!("{} draft {id} waits for release", draft.precedence),
        fields: plain(),
        body: format!(
            "A draft waits for your release.\r\n\r\n\
             draft       {id}\r\n\
             precedence  {}\r\n\
             drafter     {}\r\n\
             recipients  {}\r\n\
             submitted   {}\r\n\
             expires     {}\r\n\r\n\
             Look at it with:  ravelin release show {id}\r\n",
            draft.precedence,
            draft.drafter,
            draft.envelope.recipients.len(),
            draft.submitted,
            draft.expires,
        ),
        precedence: draft.precedence,
        label: None,
        terms: Terms::default(),
    }
}

/// Tells the postmaster of certificates that come to an end: one line for each.
pub fn expiring(postmaster: &Address, precedence: Precedence, lines: &[String]) -> OwnMessage {
    OwnMessage {
        to: postmaster.clone(),
        subject: format!("{} certificates come to their end", lines.len()),
        fields: plain(),
        body: format!(
            "Days left, purpose, serial number, subject:\r\n\r\n{}\r\n\r\n\
             Add successors to the configuration and reload it.\r\n\
             Look at them with:  ravelin key expiry --config ravelin.toml\r\n",
            lines
                .iter()
                .map(|line| one_line(line))
                .collect::<Vec<_>>()
                .join("\r\n"),
        ),
        precedence,
        label: None,
        terms: Terms::default(),
    }
}

/// Tells the drafter what became of a draft.
pub fn closed(drafter: &Address, id: DraftId, draft: &Draft, closing: &Closing) -> OwnMessage {
    let (what, detail) = match closing {
        Closing::Expired => (
            "expired",
            "Nobody released it in time; it was not sent.".to_owned(),
        ),
        Closing::Released(officers) => (
            "was released",
            format!(
                "Released by {}.",
                officers
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ),
        Closing::Returned { officer, reason } => (
            "was returned",
            format!("Returned by {officer}: {}", one_line(reason)),
        ),
        Closing::Withdrawn(reason) => (
            "was withdrawn",
            format!("Withdrawn by {drafter}: {}", one_line(reason)),
        ),
    };
    OwnMessage {
        to: drafter.clone(),
        subject: format!("Draft {id} {what}"),
        fields: plain(),
        body: format!(
            "{detail}\r\n\r\n\
             draft       {id}\r\n\
             message     {}\r\n\
             submitted   {}\r\n",
            draft.message, draft.submitted,
        ),
        precedence: draft.precedence,
        label: None,
        terms: Terms::default(),
    }
}

/// Tells the postmaster that an entry should have been delivered by now. It says which, how urgent
/// and what stands in the way, not what is in it.
pub fn overdue(postmaster: &Address, row: &EntryRow, waiting: usize) -> OwnMessage {
    let last = row.recipients.iter().find_map(|r| r.last_reply.as_ref());
    let last = last.map_or_else(
        || "there was none".to_owned(),
        |reply| one_line(&format!("{} ({})", reply.text, reply.by)),
    );
    OwnMessage {
        to: postmaster.clone(),
        subject: format!(
            "OVERDUE: {} for {}",
            row.precedence,
            one_line(&row.next_hop)
        ),
        fields: plain(),
        body: format!(
            "A message should have been delivered by now, and is still in the queue.\r\n\r\n\
             entry       {}\r\n\
             message     {}\r\n\
             precedence  {}\r\n\
             next hop    {}\r\n\
             recipients  {}\r\n\
             arrived     {}\r\n\
             expires     {}\r\n\
             attempts    {}\r\n\
             last reply  {last}\r\n\r\n\
             Entries that wait for this next hop: {waiting}\r\n\r\n\
             Look at them with:  ravelin queue list --next-hop {}\r\n",
            row.id,
            row.message,
            row.precedence,
            one_line(&row.next_hop),
            row.recipients.len(),
            row.arrived,
            row.expires,
            row.attempts,
            one_line(&row.next_hop),
        ),
        precedence: row.precedence,
        label: None,
        terms: Terms::default(),
    }
}

/// Tells the postmaster that a draft should have been delivered by now and waits for release still. It
/// says which, how urgent and who is missing, not what is in it.
pub fn overdue_draft(postmaster: &Address, id: DraftId, draft: &Draft) -> OwnMessage {
    let missing = draft.needs.iter().filter(|need| !need.is_met());
    let missing: Vec<String> = missing
        .map(|need| {
            let (officers, signed) = (need.officers, need.signed.len());
            format!("{signed} of {officers} x {}", one_line(&need.role))
        })
        .collect();
    OwnMessage {
        to: postmaster.clone(),
        subject: format!("OVERDUE: {} draft waits for release", draft.precedence),
        fields: plain(),
        body: format!(
            "A message should have been delivered by now, and waits for its release.\r\n\r\n\
             draft       {id}\r\n\
             message     {}\r\n\
             precedence  {}\r\n\
             recipients  {}\r\n\
             submitted   {}\r\n\
             expires     {}\r\n\
             signed by   {}\r\n\r\n\
             Those who may release it were reminded.\r\n",
            draft.message,
            draft.precedence,
            draft.envelope.recipients.len(),
            draft.submitted,
            draft.expires,
            missing.join(", "),
        ),
        precedence: draft.precedence,
        label: None,
        terms: Terms::default(),
    }
}

/// Tells the postmaster of reports that were asked for and are not here in time: a line for each
/// recipient. It says which and how urgent, not what was in it.
pub fn missing(
    postmaster: &Address,
    precedence: Precedence,
    recipients: usize,
    lines: &str,
) -> OwnMessage {
    OwnMessage {
        to: postmaster.clone(),
        subject: format!("OVERDUE: reports on {precedence}, of {recipients} recipients"),
        fields: plain(),
        body: format!(
            "These were sent on, and what was asked for did not come back in time:\r\n\r\n\
             {lines}\r\n\
             That no report came proves nothing: ask the recipient by another way.\r\n\
             Look at them with:  ravelin reports list --overdue --desk operator.toml\r\n"
        ),
        precedence,
        label: None,
        terms: Terms::default(),
    }
}

fn plain() -> Vec<(String, String)> {
    vec![
        ("Content-Type".into(), "text/plain; charset=utf-8".into()),
        ("Content-Transfer-Encoding".into(), "8bit".into()),
    ]
}

/// People's words on one line, without control characters.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(400)
        .collect()
}
