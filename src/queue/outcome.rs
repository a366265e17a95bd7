//! What an attempt came to, and what that does to the entry.
//!
//! Promises: who has the message is not sent it again; who cannot get it is named once, in a
//! [`Failure`] for the report; everything of one attempt is one change.

use super::{Claimed, Schedule};
use crate::audit::{Act, Event};
use crate::clock::Timestamp;
use crate::message::EntryId;
use crate::store::{Change, EntryRow, RecipientRow, RecipientState, ReplyRow};

/// What an attempt came to for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop did not take it yet, or could not be asked.
    Deferred(ReplyRow),
    /// The next hop took it.
    Delivered(ReplyRow),
    /// The next hop refused it for good.
    Failed(ReplyRow),
    /// It was not asked: MINIMIZE holds this recipient back.
    HeldBack,
}

/// A recipient who will not get the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who, with the last reply.
    pub recipient: RecipientRow,
    /// Why.
    pub reason: FailureReason,
}

/// Why a recipient will not get the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The life of the entry is over.
    Expired,
    /// The rules of today do not permit it.
    Forbidden,
    /// The next hop refused for good.
    Refused,
    /// An operator removed the entry.
    Removed,
}

/// What is to be committed after an attempt or an act. A report of `failures` goes into the same
/// change, before [`super::Queue::settle`] commits it.
#[derive(Debug)]
pub struct Finished {
    /// The new state and its events.
    pub change: Change,
    /// Who will not get the message.
    pub failures: Vec<Failure>,
    /// Who has it now, each with the reply.
    pub delivered: Vec<RecipientRow>,
    /// Who does not have it yet, when the time has come to tell the sender so.
    pub delayed: Vec<RecipientRow>,
    /// What comes next.
    pub next: Next,
}

/// What comes next for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt at this time.
    Again(Timestamp),
    /// Nothing: it leaves the queue.
    Done,
}

/// The consequences of an attempt: one outcome per recipient, in the order of the row.
pub(super) fn after_attempt(
    claimed: &Claimed,
    outcomes: &[Outcome],
    schedule: &Schedule,
    now: Timestamp,
) -> Finished {
    let row = claimed.row();
    let mut change = Change::new();
    let mut failures = Vec::new();
    let mut delivered = Vec::new();
    let mut remaining = Vec::new();
    let expired = row.expires <= now;
    let mut was_asked = false;
    let mut put_off = None;
    change.as_urgent_as(row.precedence);
    // A recipient that the deliverer did not speak of has not got the message.
    let silence = Outcome::Deferred(ReplyRow {
        by: "switch".into(),
        code: None,
        enhanced: "4.3.0".into(),
        text: "no outcome was recorded".into(),
    });
    let outcomes = outcomes.iter().chain(std::iter::repeat(&silence));
    for (recipient, outcome) in row.recipients.iter().zip(outcomes) {
        let (Outcome::Deferred(reply) | Outcome::Delivered(reply) | Outcome::Failed(reply)) =
            outcome
        else {
            remaining.push(recipient.clone());
            continue;
        };
        was_asked = true;
        let recipient = RecipientRow {
            address: recipient.address.clone(),
            state: RecipientState::Deferred,
            attempts: recipient.attempts.saturating_add(1),
            last_reply: Some(reply.clone()),
        };
        match outcome {
            Outcome::Delivered(_) => {
                change.record(about(Act::Delivered, "switch", row, &recipient, now));
                delivered.push(recipient);
            }
            Outcome::Failed(_) => {
                change.record(about(Act::Failed, "switch", row, &recipient, now));
                failures.push(Failure {
                    recipient,
                    reason: FailureReason::Refused,
                });
            }
            Outcome::Deferred(_) if expired => {
                change.record(about(Act::Expired, "switch", row, &recipient, now));
                failures.push(Failure {
                    recipient,
                    reason: FailureReason::Expired,
                });
            }
            Outcome::Deferred(_) => {
                put_off.get_or_insert_with(|| recipient.clone());
                remaining.push(recipient);
            }
            Outcome::HeldBack => {}
        }
    }
    if remaining.is_empty() {
        change.remove_entry(row.id);
        if failures.is_empty() {
            // Nobody waits for it. A crash before it is kept sends twice, as one that comes before
            // the commit of any outcome does (RFC 1047).
            change.may_wait();
        }
        return Finished {
            change,
            failures,
            delivered,
            delayed: Vec::new(),
            next: Next::Done,
        };
    }
    let attempts = row.attempts.saturating_add(u32::from(was_asked));
    let due = match &put_off {
        // All that is left is held back: to be looked at when the order ends.
        None => now,
        Some(_) => schedule
            .retry(row.id, row.precedence, attempts, now)
            .min(row.expires),
    };
    // A deadline is looked at when it comes, not when the next attempt would have been.
    let due = match row.notice {
        Some(notice) if notice > now => due.min(notice),
        _ => due,
    };
    if let Some(first) = &put_off {
        change.record(
            about(Act::Deferred, "switch", row, first, now)
                .detail("recipients", remaining.len())
                .detail("attempts", attempts)
                .detail("due", due),
        );
    }
    // RFC 3461 §5.2.5; RFC 2852 §4: told once
    let is_late = row.notice.is_some_and(|notice| notice <= now);
    let delayed = if is_late {
        remaining.clone()
    } else {
        Vec::new()
    };
    change.update_entry(EntryRow {
        version: EntryRow::VERSION,
        attempts,
        due,
        recipients: remaining,
        notice: row.notice.filter(|_| !is_late),
        ..row.clone()
    });
    Finished {
        change,
        failures,
        delivered,
        delayed,
        next: Next::Again(due),
    }
}

/// The entry should have been delivered by now: its postmaster is alarmed, and its sender told that
/// it takes long, if that is still to be done.
pub(super) fn overdue(row: &EntryRow, now: Timestamp) -> Finished {
    let mut change = Change::new();
    let last = row.recipients.iter().find_map(|r| r.last_reply.as_ref());
    let event = event(Act::Overdue, "switch", row, now)
        .detail("precedence", row.precedence)
        .detail("arrived", row.arrived)
        .detail("recipients", row.recipients.len())
        .detail("attempts", row.attempts);
    change.record(match last {
        Some(reply) => event.detail("reply", format!("{} {}", reply.enhanced, reply.text)),
        None => event,
    });
    let is_late = row.notice.is_some_and(|notice| notice <= now);
    change.update_entry(EntryRow {
        version: EntryRow::VERSION,
        overdue: None,
        notice: row.notice.filter(|_| !is_late),
        ..row.clone()
    });
    Finished {
        change,
        failures: Vec::new(),
        delivered: Vec::new(),
        delayed: match is_late {
            true => row.recipients.clone(),
            false => Vec::new(),
        },
        next: Next::Again(row.due),
    }
}

/// The entry leaves the queue, and nobody in it gets the message.
pub(super) fn give_up(
    row: &EntryRow,
    act: Act,
    actor: &str,
    why: Option<&str>,
    now: Timestamp,
) -> Finished {
    let reason = if act == Act::Removed {
        FailureReason::Removed
    } else {
        FailureReason::Expired
    };
    let mut change = Change::new();
    change.as_urgent_as(row.precedence);
    for recipient in &row.recipients {
        let event = about(act, actor, row, recipient, now);
        change.record(match why {
            Some(why) => event.detail("reason", why),
            None => event,
        });
    }
    let failures = row
        .recipients
        .iter()
        .map(|r| Failure {
            recipient: r.clone(),
            reason,
        })
        .collect();
    change.remove_entry(row.id);
    Finished {
        change,
        failures,
        delivered: Vec::new(),
        delayed: Vec::new(),
        next: Next::Done,
    }
}

/// The entry leaves the queue, because the rules of today do not permit it: nobody in it gets the
/// message.
pub(super) fn forbid(
    row: &EntryRow,
    reply: &ReplyRow,
    grounds: &[String],
    now: Timestamp,
) -> Finished {
    let mut change = Change::new();
    change.as_urgent_as(row.precedence);
    let mut failures = Vec::new();
    for recipient in &row.recipients {
        let recipient = RecipientRow {
            last_reply: Some(reply.clone()),
            ..recipient.clone()
        };
        let mut event = about(Act::Forbidden, "switch", row, &recipient, now)
            .detail("judged-under", &row.judged_under);
        for (index, ground) in grounds.iter().enumerate() {
            event = event.detail(format!("ground-{:02}", index.saturating_add(1)), ground);
        }
        change.record(event);
        failures.push(Failure {
            recipient,
            reason: FailureReason::Forbidden,
        });
    }
    change.remove_entry(row.id);
    Finished {
        change,
        failures,
        delivered: Vec::new(),
        delayed: Vec::new(),
        next: Next::Done,
    }
}

/// An event about an entry.
pub(super) fn event(act: Act, actor: &str, row: &EntryRow, now: Timestamp) -> Event {
    let id: EntryId = row.id;
    Event::new(now, act, actor)
        .message(row.message)
        .entry(id)
        .detail("next-hop", &row.next_hop)
        .detail("precedence", row.precedence)
}

fn about(act: Act, actor: &str, row: &EntryRow, recipient: &RecipientRow, now: Timestamp) -> Event {
    let event = event(act, actor, row, now).detail("recipient", &recipient.address);
    match &recipient.last_reply {
        None => event,
        Some(reply) => {
            let code = reply
                .code
                .map_or_else(|| "-".to_owned(), |code| code.to_string());
            event
                .detail("reply", format!("{code} {} {}", reply.enhanced, reply.text))
                .detail("by", &reply.by)
        }
    }
}
