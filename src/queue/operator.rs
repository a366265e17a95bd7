//! What an operator may do to an entry, each with a reason and an event.
//!
//! Refuses: an entry that is being delivered at this moment; an act that would change nothing.

use std::sync::Arc;

use super::index::NotTaken;
use super::outcome::{event, give_up};
use super::{Claimed, Finished, Hold, Kept, Queue};
use crate::audit::{Act, Event};
use crate::message::{EntryId, MessageId};
use crate::store::{Change, Committed, EntryRow, EntryState, Fault, PausedRow, Permitted};

/// What an entry was judged under that was given another next hop: no rules that are in force.
pub const ANOTHER_NEXT_HOP: &str = "another next hop";

/// Which entries an act is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One entry.
    Entry(EntryId),
    /// All entries of a message.
    Message(MessageId),
    /// All entries for a next hop.
    NextHop(String),
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// It would change nothing.
    #[error("entry {0} is {1} already")]
    Already(EntryId, &'static str),
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Somebody has it in hands.
    #[error("entry {0} is being delivered now; try again when the attempt is over")]
    InFlight(EntryId),
    /// The layers that it is sealed in are not fit for the other link.
    #[error("entry {0} cannot go that way: {1}")]
    NotFit(EntryId, String),
    /// What it was permitted as is not known, or it is the switch's own words.
    #[error("entry {0} cannot be judged for another next hop")]
    NotJudged(EntryId),
    /// It was delivered, removed, or never was.
    #[error("there is no entry {0} in the queue")]
    NotThere(EntryId),
}

impl Queue {
    /// All entries: most urgent first, then by end of life and arrival, as they are delivered.
    pub fn list(&self) -> Result<Vec<EntryRow>, Fault> {
        let mut rows = self.store.entries()?;
        rows.sort_by_key(|row| {
            (
                std::cmp::Reverse(row.precedence),
                row.expires,
                row.arrived,
                row.id,
            )
        });
        Ok(rows)
    }

    /// One entry.
    pub fn show(&self, id: EntryId) -> Result<Option<EntryRow>, Fault> {
        self.store.entry(id)
    }

    /// Holds an entry back. Its life goes on: one that is held too long expires.
    pub async fn hold(
        &self,
        id: EntryId,
        actor: &str,
        reason: &str,
    ) -> Result<Committed, OperatorError> {
        self.act(id, Act::Paused, actor, reason, |row| {
            already(row.state == EntryState::Held, id, "held")?;
            row.state = EntryState::Held;
            Ok(())
        })
        .await
    }

    /// Lets a held entry go on.
    pub async fn resume(
        &self,
        id: EntryId,
        actor: &str,
        reason: &str,
    ) -> Result<Committed, OperatorError> {
        self.act(id, Act::Resumed, actor, reason, |row| {
            already(row.state == EntryState::Ready, id, "free to go")?;
            row.state = EntryState::Ready;
            Ok(())
        })
        .await
    }

    /// Makes an entry due at once.
    pub async fn retry_now(
        &self,
        id: EntryId,
        actor: &str,
        reason: &str,
    ) -> Result<Committed, OperatorError> {
        let now = self.clock.now();
        self.act(id, Act::RetriedNow, actor, reason, |row| {
            already(row.due <= now, id, "due")?;
            row.due = now;
            Ok(())
        })
        .await
    }

    /// Gives an entry another next hop. It is judged again before it goes there, whatever rules it
    /// was judged under; its layers stay. The caller sees to it that they are fit for that link.
    pub async fn redirect(
        &self,
        id: EntryId,
        to: &str,
        actor: &str,
        reason: &str,
    ) -> Result<Committed, OperatorError> {
        let now = self.clock.now();
        let update = |row: &mut EntryRow| {
            already(row.next_hop == to, id, "on this way")?;
            if !matches!(row.permitted, Permitted::As { .. }) {
                return Err(OperatorError::NotJudged(id));
            }
            row.next_hop = to.to_owned();
            row.judged_under = ANOTHER_NEXT_HOP.to_owned();
            row.due = now;
            Ok(())
        };
        self.act_told(id, Act::Redirected, actor, reason, Some(to), update)
            .await
    }

    /// The entries that an act is for, most urgent first.
    pub fn matching(&self, which: &Which) -> Result<Vec<EntryId>, Fault> {
        let is_one = |row: &EntryRow| match which {
            Which::Entry(id) => row.id == *id,
            Which::Message(id) => row.message == *id,
            Which::NextHop(name) => row.next_hop == *name,
        };
        if let Which::Entry(id) = which {
            return Ok(vec![*id]);
        }
        let rows = self.list()?;
        Ok(rows
            .iter()
            .filter(|row| is_one(row))
            .map(|r| r.id)
            .collect())
    }

    /// The next hops that are held back.
    pub fn paused(&self) -> Result<Vec<PausedRow>, Fault> {
        self.store.paused()
    }

    /// Holds back everything for a next hop, also what comes later; kept over a restart. What is
    /// being delivered goes on, lives go on.
    pub async fn pause(&self, next_hop: &str, actor: &str, reason: &str) -> Result<bool, Fault> {
        let mut rows = self.store.paused()?;
        if rows.iter().any(|row| row.next_hop == next_hop) {
            return Ok(false);
        }
        let now = self.clock.now();
        rows.push(PausedRow {
            next_hop: next_hop.to_owned(),
            by: actor.to_owned(),
            since: now,
            reason: reason.to_owned(),
        });
        self.remember(rows, Act::Paused, next_hop, actor, reason)
            .await
    }

    /// Lets everything for a next hop go on.
    pub async fn unpause(&self, next_hop: &str, actor: &str, reason: &str) -> Result<bool, Fault> {
        let mut rows = self.store.paused()?;
        let before = rows.len();
        rows.retain(|row| row.next_hop != next_hop);
        if rows.len() == before {
            return Ok(false);
        }
        self.remember(rows, Act::Resumed, next_hop, actor, reason)
            .await
    }

    async fn remember(
        &self,
        rows: Vec<PausedRow>,
        act: Act,
        next_hop: &str,
        actor: &str,
        reason: &str,
    ) -> Result<bool, Fault> {
        let event = Event::new(self.clock.now(), act, actor)
            .detail("next-hop", next_hop)
            .detail("reason", reason);
        let mut change = Change::new();
        change.remember_paused(rows);
        change.record(event);
        self.store.commit(change).await.map(|_| true)
    }

    /// Prepares the removal of an entry; [`Queue::settle`] does it. Between the two the caller adds
    /// the report for the originator.
    pub fn remove(
        &self,
        id: EntryId,
        actor: &str,
        reason: &str,
    ) -> Result<(Claimed, Finished), OperatorError> {
        let hold = self.take_this(id)?;
        let row = self.store.entry(id)?.ok_or(OperatorError::NotThere(id))?;
        let finished = give_up(&row, Act::Removed, actor, Some(reason), self.clock.now());
        // The header for the report; a body that cannot be read does not keep an entry in the queue.
        let body = self.store.entry_body(id).ok().flatten().unwrap_or_default();
        Ok((
            Claimed {
                kept: Kept { row, body },
                _hold: hold,
            },
            finished,
        ))
    }

    async fn act(
        &self,
        id: EntryId,
        act: Act,
        actor: &str,
        reason: &str,
        update: impl FnOnce(&mut EntryRow) -> Result<(), OperatorError>,
    ) -> Result<Committed, OperatorError> {
        self.act_told(id, act, actor, reason, None, update).await
    }

    async fn act_told(
        &self,
        id: EntryId,
        act: Act,
        actor: &str,
        reason: &str,
        to: Option<&str>,
        update: impl FnOnce(&mut EntryRow) -> Result<(), OperatorError>,
    ) -> Result<Committed, OperatorError> {
        let hold = self.take_this(id)?;
        let mut row = self.store.entry(id)?.ok_or(OperatorError::NotThere(id))?;
        let told = event(act, actor, &row, self.clock.now()).detail("reason", reason);
        update(&mut row)?;
        let mut change = Change::new();
        change.record(match to {
            Some(to) => told.detail("to", to),
            None => told,
        });
        change.update_entry(row);
        let committed = self.store.commit(change).await?;
        drop(hold);
        Ok(committed)
    }

    fn take_this(&self, id: EntryId) -> Result<Hold, OperatorError> {
        self.order.lock().take_this(id).map_err(|why| match why {
            NotTaken::InFlight => OperatorError::InFlight(id),
            NotTaken::NotThere => OperatorError::NotThere(id),
        })?;
        Ok(Hold {
            id,
            order: Arc::clone(&self.order),
        })
    }
}

fn already(is_so: bool, id: EntryId, what: &'static str) -> Result<(), OperatorError> {
    if is_so {
        Err(OperatorError::Already(id, what))
    } else {
        Ok(())
    }
}
