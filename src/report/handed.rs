//! What the switch itself knows of what is awaited: handed on, delivered, or not.
//!
//! Promises: from the hand-over on a report is missed when its time is over, not before: until then
//! the queue alarms. What a report said already stays as it is.
//! Standards: RFC 3461 §5.2.

use super::settle::{after, fail};
use crate::clock::Timestamp;
use crate::config::ReportRules;
use crate::store::{AwaitedRow, ReportKind, ReportResult, Settled};

/// What became of a recipient here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// It is in the mailbox.
    Delivered,
    /// It will not get the message.
    Failed,
    /// It was handed to a next hop that reports.
    Onward,
    /// It was handed to a next hop that does not report.
    Silent,
}

/// The row after that.
pub fn handed(
    row: &AwaitedRow,
    how: Handed,
    next_hop: &str,
    at: Timestamp,
    rules: &ReportRules,
) -> AwaitedRow {
    let mut row = row.clone();
    let settled = |result| Settled {
        result,
        at,
        by: "switch".to_owned(),
        report: None,
    };
    let result = match how {
        Handed::Failed => {
            fail(&mut row, &settled(ReportResult::Failed));
            after(&mut row, at, rules);
            return row;
        }
        Handed::Delivered => Some(ReportResult::Delivered),
        Handed::Silent => Some(ReportResult::Relayed),
        Handed::Onward => None,
    };
    let delivery = row
        .reports
        .iter_mut()
        .find(|one| one.kind == ReportKind::Delivery && one.settled.is_none());
    if let (Some(delivery), Some(result)) = (delivery, result) {
        delivery.settled = Some(settled(result));
    }
    next_hop.clone_into(&mut row.next_hop);
    // Handed on twice, after a crash: the first time counts.
    if row.sent.is_none() {
        row.sent = Some(at);
        row.due = rules
            .due(row.precedence)
            .and_then(|due| at.checked_add(due).ok());
        row.forget = at.checked_add(rules.given_up).unwrap_or(Timestamp::MAX);
    }
    after(&mut row, at, rules);
    row
}
