//! Alarms: what the postmaster is told while there is still time to do something about it.
//!
//! Promises: the event of an overdue entry or draft is written in any case, once; the postmaster gets a message
//! about the first one of each precedence for each next hop at once, and then not more than one in
//! ten minutes (an hour below IMMEDIATE): a link that is down for a day does not bury its own news.
//! Who may still release a draft is reminded of it with the alarm.
//! Refuses: to alarm about alarms and other words of the switch itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Switch, events};
use crate::audit::{Act, Event};
use crate::clock::Timestamp;
use crate::decision::Fault;
use crate::message::Precedence;
use crate::report;
use crate::store::{Change, DraftRow, EntryRow, Permitted};

/// When the postmaster was told last, of which precedence and next hop.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<(String, Precedence), Timestamp>>);

impl Told {
    /// Whether it is time to tell again; if so, it counts as told.
    fn is_time(&self, next_hop: &str, precedence: Precedence, now: Timestamp) -> bool {
        let apart = Duration::from_secs(match precedence >= Precedence::Immediate {
            true => 600,
            false => 3600,
        });
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.entry((next_hop.to_owned(), precedence));
        match last {
            std::collections::hash_map::Entry::Occupied(mut last) => {
                // A clock that was set back silences nobody.
                let is_back = now < *last.get();
                let is_time =
                    is_back || last.get().checked_add(apart).is_ok_and(|next| next <= now);
                if is_time {
                    last.insert(now);
                }
                is_time
            }
            std::collections::hash_map::Entry::Vacant(first) => {
                first.insert(now);
                true
            }
        }
    }
}

impl Switch {
    /// Adds the postmaster's notice of an overdue entry, where it is time for one.
    pub(super) fn alarm(&self, change: &mut Change, row: &EntryRow) -> Result<(), Fault> {
        let now = self.now();
        if row.permitted == Permitted::Own || !self.told.is_time(&row.next_hop, row.precedence, now)
        {
            return Ok(());
        }
        let config = self.config.snapshot();
        let waiting = self.queue.waiting_for(&row.next_hop);
        let notice = report::overdue(&config.postmaster, row, waiting);
        self.say(&config, change, notice)
    }

    /// Alarms about the drafts that should have been delivered by now, and wait for release still.
    /// Called at intervals. Gives back of how many it told.
    ///
    /// # Errors
    /// A fault of the store; then it is told again.
    pub async fn alarm_of_drafts(&self) -> Result<usize, Fault> {
        let _one_act = self.desk.lock().await;
        let (config, now) = (self.config.snapshot(), self.now());
        let mut told = 0;
        for (row, mut draft) in self.open_drafts()? {
            let overdue = self.queue.schedule();
            let overdue = overdue.overdue(draft.precedence, draft.submitted);
            if draft.alarmed.is_some() || overdue.is_none_or(|overdue| overdue > now) {
                continue;
            }
            let mut change = events::one(
                Event::new(now, Act::Overdue, "switch")
                    .message(draft.message)
                    .draft(row.id)
                    .detail("precedence", draft.precedence)
                    .detail("arrived", draft.submitted)
                    .detail("recipients", draft.envelope.recipients.len()),
            );
            let mut notices = Vec::new();
            if self.told.is_time("", draft.precedence, now) {
                notices.push(report::overdue_draft(&config.postmaster, row.id, &draft));
            }
            let officers = Self::officers(&config, &draft.needs).into_iter();
            notices.extend(officers.map(|officer| report::waiting(&officer, row.id, &draft)));
            for notice in notices {
                if let Err(fault) = self.say(&config, &mut change, notice) {
                    tracing::error!(fault = %fault.chain(), "an alarm could not be written");
                }
            }
            draft.alarmed = Some(now);
            change.update_draft(DraftRow {
                payload: serde_json::to_vec(&draft)
                    .map_err(|error| Fault::new("write a draft", error))?,
                ..row
            });
            self.commit(change).await?;
            told += 1;
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_a_flood_seldom() {
        let told = Told::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(told.is_time("birch", Precedence::Flash, at(0)));
        assert!(!told.is_time("birch", Precedence::Flash, at(599)));
        assert!(told.is_time("birch", Precedence::Flash, at(600)));
        assert!(told.is_time("birch", Precedence::Routine, at(0)));
        assert!(!told.is_time("birch", Precedence::Routine, at(3599)));
        assert!(told.is_time("cedar", Precedence::Flash, at(1)));
        assert!(told.is_time("birch", Precedence::Flash, at(86_400)));
        assert!(told.is_time("birch", Precedence::Flash, at(0)));
        assert!(!told.is_time("birch", Precedence::Flash, at(1)));
    }
}
