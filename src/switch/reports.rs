//! Reports on what was sent: awaited from the commit of the message on, and settled in the commit of
//! what settles them.
//!
//! Promises: a message and what is awaited of it are kept together, as are a report and what it
//! settles, a hand-over and what follows from it; each is an event. Nothing that arrives is looked
//! at before it passed every check; a report that settles nothing goes its way like any message.

use super::Switch;
use crate::audit::{Act, Event};
use crate::config::Config;
use crate::decision::Fault;
use crate::queue::Finished;
use crate::report::{self, Handed, Heard, NotSettled, Turn};
use crate::review::Released;
use crate::seal::Sealed;
use crate::smtp::dialogue::Onward;
use crate::store::{AwaitedRow, Change, EntryRow};

/// What a report comes to, and the right to say so until that is committed.
#[derive(Default)]
pub(super) struct Hearing {
    pub change: Change,
    pub turn: Option<Turn>,
}

impl Switch {
    /// What is awaited of what was sent: a page of it, most urgent first, then the oldest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn awaited_reports(
        &self,
        which: &report::WhichReports,
        after: Option<report::Place>,
        limit: usize,
    ) -> Result<(Vec<report::ListedReport>, Option<report::Place>), Fault> {
        let rows = self.reports.all().map_err(unread)?;
        Ok(report::listed(rows, which, after, limit, self.now()))
    }

    /// Of how many recipients something is known, and of how many of them a report is missed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn report_counts(&self) -> Result<(usize, usize), Fault> {
        self.reports.counts().map_err(unread)
    }

    /// Adds what is awaited of a message that passes: before its entries, so that nobody is told of
    /// these who does not know of that.
    pub(super) fn await_reports(
        &self,
        config: &Config,
        change: &mut Change,
        released: &Released,
        sealed: &[Sealed],
    ) -> Result<(), Fault> {
        let rules = &config.reports;
        let rows = report::awaited(rules, self.now(), released, sealed);
        if rows.is_empty() {
            return Ok(());
        }
        let (known, _) = self.reports.counts().map_err(unread)?;
        let room = rules.most.saturating_sub(known);
        let beyond = rows.len().saturating_sub(room);
        for row in rows.iter().take(room) {
            change.put_awaited(row.clone());
        }
        if beyond > 0 {
            tracing::error!(
                most = rules.most,
                "reports are not awaited: too many are already"
            );
            let event = Event::new(self.now(), Act::ReportsNotAwaited, "switch")
                .message(released.cleared().opened().received().id())
                .detail("recipients", beyond)
                .detail("most", rules.most);
            change.record(event);
        }
        Ok(())
    }

    /// What an arriving report settles.
    ///
    /// # Errors
    /// A fault of the store.
    pub(super) async fn hear(
        &self,
        config: &Config,
        heard: Option<&Heard>,
    ) -> Result<Hearing, Fault> {
        let Some(heard) = heard else {
            return Ok(Hearing::default());
        };
        let mut why = match &heard.said {
            report::Said::Unreadable(_) => NotSettled::Unreadable,
            _ => NotSettled::Unknown,
        };
        for message in self.reports.messages(heard).map_err(unread)? {
            let turn = self.reports.turn(message).await;
            let rows = self.reports.rows(message).map_err(unread)?;
            match report::settle(heard, &rows, self.now(), &config.reports) {
                Ok(changes) => {
                    let change = self.settled(heard, changes);
                    return Ok(Hearing { change, turn });
                }
                Err(not) => why = not,
            }
        }
        let mut hearing = Hearing::default();
        // What only passes through is for others to match.
        let ours = |domain: &str| config.domains.contains(&domain.to_ascii_lowercase());
        if heard.to.iter().any(|to| ours(to.domain())) {
            let event = Event::new(self.now(), Act::ReportNotMatched, heard.author.to_string())
                .message(heard.message)
                .detail("why", why.name());
            hearing.change.record(match &heard.said {
                report::Said::Unreadable(text) => event.detail("text", text),
                _ => event,
            });
        }
        Ok(hearing)
    }

    fn settled(&self, heard: &Heard, changes: Vec<report::Change>) -> Change {
        let mut change = Change::new();
        for report::Change { row, kind, result } in changes {
            let result = result.map_or("delayed", |result| result.name());
            change.record(
                about(
                    Act::ReportMatched,
                    &heard.author.to_string(),
                    &row,
                    self.now(),
                )
                .detail("kind", kind)
                .detail("result", result)
                .detail("report", heard.message),
            );
            change.as_urgent_as(row.precedence);
            change.put_awaited(row);
        }
        change
    }

    /// Adds what the outcome of an attempt means for what is awaited. The turn is held until the
    /// outcome is committed.
    pub(super) async fn handed(
        &self,
        config: &Config,
        change: &mut Change,
        entry: &EntryRow,
        finished: &Finished,
        onward: Onward,
    ) -> Result<Option<Turn>, Fault> {
        let message = entry.message;
        let nothing = finished.delivered.is_empty() && finished.failures.is_empty();
        if nothing || !self.reports.knows(message).map_err(unread)? {
            return Ok(None);
        }
        let turn = self.reports.turn(message).await;
        let taken = match onward {
            Onward::Delivers => Handed::Delivered,
            Onward::Reports => Handed::Onward,
            Onward::Silent => Handed::Silent,
        };
        let failed = finished.failures.iter().map(|one| &one.recipient);
        let outcomes: Vec<_> = finished
            .delivered
            .iter()
            .map(|recipient| (recipient, taken))
            .chain(failed.map(|recipient| (recipient, Handed::Failed)))
            .collect();
        for row in self.reports.rows(message).map_err(unread)? {
            let is_it = |recipient: &crate::store::RecipientRow| {
                recipient.mailbox().is_ok_and(|one| one == row.recipient)
            };
            let Some((_, how)) = outcomes.iter().find(|(recipient, _)| is_it(recipient)) else {
                continue;
            };
            let rules = &config.reports;
            let row = report::handed(&row, *how, &entry.next_hop, self.now(), rules);
            change.put_awaited(row);
        }
        Ok(turn)
    }
}

/// An event about what is awaited.
pub(super) fn about(act: Act, actor: &str, row: &AwaitedRow, at: crate::clock::Timestamp) -> Event {
    Event::new(at, act, actor)
        .message(row.message)
        .detail("recipient", &row.recipient)
        .detail("precedence", row.precedence)
}

pub(super) fn unread(error: crate::store::Fault) -> Fault {
    Fault::new("read what is awaited", error)
}
