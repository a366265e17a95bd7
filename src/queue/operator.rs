//! What an operator may do to an entry, each with a reason and an event.
//!
//! Refuses: an entry that is being delivered at this moment; an act that would change nothing.

use std::sync::Arc;

use super::index::NotTaken;
use super::outcome::{event, give_up};
use super::{Claimed, Finished, Hold, Kept, Queue};
use crate::audit::Act;
use crate::message::EntryId;
use crate::store::{Change, Committed, EntryRow, EntryState, Fault};

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
        let hold = self.take_this(id)?;
        let mut row = self.store.entry(id)?.ok_or(OperatorError::NotThere(id))?;
        update(&mut row)?;
        let mut change = Change::new();
        change.record(event(act, actor, &row, self.clock.now()).detail("reason", reason));
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
