//! Reports that did not come, and the end of waiting for them. Called at intervals.
//!
//! Promises: of each recipient of a message that a report is missed of, one event and one line to the
//! postmaster, whatever is restarted in between: both are in the commit that says so in the row. A
//! report that comes later settles all the same.
//! Refuses: more in one commit than a bound.

use std::fmt::Write as _;

use super::Switch;
use super::reports::{about, unread};
use crate::audit::{Act, Event};
use crate::decision::Fault;
use crate::message::Precedence;
use crate::report;
use crate::store::{AwaitedRow, Change};

/// So many rows are changed in one commit.
const AT_ONCE: usize = 100;

impl Switch {
    /// Alarms of the reports that should have been here by now. Gives back of how many recipients.
    ///
    /// # Errors
    /// When the store fails; then it is done again.
    pub async fn tell_of_missing_reports(&self) -> Result<usize, Fault> {
        let mut told = 0;
        loop {
            let now = self.now();
            let ids = self.reports.overdue(now, AT_ONCE).map_err(unread)?;
            let turns = self.reports.turns(&ids).await;
            let mut change = Change::new();
            let mut missed = Vec::new();
            for id in &ids {
                let row = self.reports.row(*id).map_err(unread)?;
                // It may be here since.
                let is_due = |row: &AwaitedRow| row.due.is_some_and(|due| due <= now);
                if let Some(row) = row.filter(|row| is_due(row) && row.alarmed.is_none()) {
                    let event = about(Act::ReportOverdue, "switch", &row, now);
                    change.record(described(event, &row));
                    change.as_urgent_as(row.precedence);
                    missed.push(row.clone());
                    change.put_awaited(AwaitedRow {
                        alarmed: Some(now),
                        ..row
                    });
                }
            }
            if missed.is_empty() {
                return Ok(told);
            }
            told += missed.len();
            self.alarm_of_reports(&mut change, &missed);
            self.commit(change).await?;
            drop(turns);
        }
    }

    /// Adds one message to the postmaster, with a line for each. Where it cannot be written, the
    /// chain says it all the same.
    fn alarm_of_reports(&self, change: &mut Change, missed: &[AwaitedRow]) {
        let config = self.config.snapshot();
        let precedence = missed.iter().map(|row| row.precedence).max();
        let mut lines = String::new();
        for row in missed {
            // Writing to a String cannot fail.
            let _ = write!(
                lines,
                "{}  {}  {}  sent {}  {}\r\n",
                row.precedence,
                row.message,
                row.recipient,
                row.sent.unwrap_or(row.accepted),
                kinds(row),
            );
        }
        let notice = report::missing(
            &config.postmaster,
            precedence.unwrap_or(Precedence::Routine),
            missed.len(),
            &lines,
        );
        if let Err(fault) = self.say(&config, change, notice) {
            tracing::error!(fault = %fault.chain(), "the postmaster could not be told");
        }
    }

    /// Forgets what was settled long ago, and what was awaited long enough. Gives back how many rows.
    ///
    /// # Errors
    /// When the store fails; then it is done again.
    pub async fn forget_reports(&self) -> Result<usize, Fault> {
        let mut forgotten = 0;
        loop {
            let now = self.now();
            let ids = self.reports.over(now, AT_ONCE).map_err(unread)?;
            let turns = self.reports.turns(&ids).await;
            let mut change = Change::new();
            let (mut rows, mut missed) = (0, 0);
            for id in &ids {
                let row = self.reports.row(*id).map_err(unread)?;
                if let Some(row) = row.filter(|row| row.forget <= now) {
                    rows += 1;
                    missed += usize::from(row.is_missed());
                    change.remove_awaited(*id);
                }
            }
            if rows == 0 {
                return Ok(forgotten);
            }
            forgotten += rows;
            change.record(
                Event::new(now, Act::ReportsForgotten, "switch")
                    .detail("recipients", rows)
                    .detail("missed", missed),
            );
            self.commit(change).await?;
            drop(turns);
        }
    }
}

fn described(event: Event, row: &AwaitedRow) -> Event {
    let event = event
        .detail("next-hop", &row.next_hop)
        .detail("originator", &row.originator)
        .detail("awaited", kinds(row));
    let event = match row.sent {
        Some(sent) => event.detail("sent", sent),
        None => event,
    };
    match row.due {
        Some(due) => event.detail("due", due),
        None => event,
    }
}

/// The kinds that are missed.
fn kinds(row: &AwaitedRow) -> String {
    let missed = row.reports.iter().filter(|report| report.is_missed());
    let names: Vec<&str> = missed.map(|report| report.kind.name()).collect();
    names.join(", ")
}
