//! What an operator may do to an entry, each with a reason and an event.
//!
//! Refuses: an entry that is being delivered at this moment; an act that would change nothing.

use super::index::NotTaken;
use super::items::Order;
use super::outcome::{event, give_up};
use super::{Claimed, Finished, Hold, Queue};
use crate::audit::{Act, Event};
use crate::clock::Timestamp;
use crate::message::{EntryId, MessageId};
use crate::store::{
    Change, EntryBody, EntryRow, EntryState, Fault, PausedRow, Permitted, WholeEntry,
};

/// What an entry was judged under that was given another next hop: no rules that are in force.
pub const ANOTHER_NEXT_HOP: &str = "another next hop";
/// So many entries are acted on in one commit at most.
pub const TOGETHER: usize = 256;

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

/// A place in the list of entries: where a page ends and the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(Order);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        text.parse().map(Self)
    }
}

/// A text that no list gave as the place of its next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not where a page of the queue ends")]
pub struct NotACursor;

/// Some entries, most urgent first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The entries.
    pub rows: Vec<EntryRow>,
    /// Where the next page begins, if there may be more. A page may be short, or empty, and not be
    /// the last.
    pub next: Option<Cursor>,
}

/// What is done to entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryAct {
    /// Held back. Their life goes on: one that is held too long expires.
    Hold,
    /// Given another next hop. They are judged again before they go there, whatever rules they were
    /// judged under; their layers stay. The caller sees to it that these are fit for that link.
    Redirect(String),
    /// Let go on.
    Resume,
    /// Due at once.
    Retry,
}

impl EntryAct {
    const fn event(&self) -> Act {
        match self {
            Self::Hold => Act::Paused,
            Self::Redirect(_) => Act::Redirected,
            Self::Resume => Act::Resumed,
            Self::Retry => Act::RetriedNow,
        }
    }

    fn update(&self, row: &mut EntryRow, now: Timestamp) -> Result<(), OperatorError> {
        let id = row.id;
        match self {
            Self::Hold => {
                already(row.state == EntryState::Held, id, "held")?;
                row.state = EntryState::Held;
            }
            Self::Redirect(to) => {
                already(row.next_hop == *to, id, "on this way")?;
                if !matches!(row.permitted, Permitted::As { .. }) {
                    return Err(OperatorError::NotJudged(id));
                }
                row.next_hop.clone_from(to);
                row.judged_under = ANOTHER_NEXT_HOP.to_owned();
                row.due = now;
            }
            Self::Resume => {
                already(row.state == EntryState::Ready, id, "free to go")?;
                row.state = EntryState::Ready;
            }
            Self::Retry => {
                already(row.due <= now, id, "due")?;
                row.due = now;
            }
        }
        Ok(())
    }
}

impl Queue {
    /// At most `limit` entries after `after`: most urgent first, then by end of life and arrival, as
    /// they are delivered. With a next hop, only its own.
    pub fn page(
        &self,
        after: Option<Cursor>,
        next_hop: Option<&str>,
        limit: usize,
    ) -> Result<Page, Fault> {
        let after = after.map(|cursor| cursor.0);
        let (ids, next) = self.order.lock().page(after, next_hop, limit);
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            // One that cannot be read is set aside when it is claimed; it hides no other.
            match self.store.entry(id) {
                Ok(row) => rows.extend(row),
                Err(Fault::Damaged { what, text }) => tracing::error!(what, text, "not listed"),
                Err(fault) => return Err(fault),
            }
        }
        Ok(Page {
            rows,
            next: next.map(Cursor),
        })
    }

    /// All entries, as [`Queue::page`] gives them.
    pub fn list(&self) -> Result<Vec<EntryRow>, Fault> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(after, None, 1000)?;
            all.extend(page.rows);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// One entry.
    pub fn show(&self, id: EntryId) -> Result<Option<EntryRow>, Fault> {
        self.store.entry(id)
    }

    /// Holds an entry back.
    pub async fn hold(&self, id: EntryId, actor: &str, reason: &str) -> Result<(), OperatorError> {
        self.act(id, &EntryAct::Hold, actor, reason).await
    }

    /// Lets a held entry go on.
    pub async fn resume(
        &self,
        id: EntryId,
        actor: &str,
        reason: &str,
    ) -> Result<(), OperatorError> {
        self.act(id, &EntryAct::Resume, actor, reason).await
    }

    /// Makes an entry due at once.
    pub async fn retry_now(
        &self,
        id: EntryId,
        actor: &str,
        reason: &str,
    ) -> Result<(), OperatorError> {
        self.act(id, &EntryAct::Retry, actor, reason).await
    }

    /// Gives an entry another next hop.
    pub async fn redirect(
        &self,
        id: EntryId,
        to: &str,
        actor: &str,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let act = EntryAct::Redirect(to.to_owned());
        self.act(id, &act, actor, reason).await
    }

    async fn act(
        &self,
        id: EntryId,
        act: &EntryAct,
        actor: &str,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let done = self.act_on(&[id], act, actor, reason, |_| Ok(())).await?;
        done.into_iter().next().map_or(Ok(()), |(_, done)| done)
    }

    /// Does `act` to entries, in one commit for many of them, each with an event of its own. `may`
    /// says whether it may be done to one. What cannot be done to one stops none of the others.
    pub async fn act_on(
        &self,
        ids: &[EntryId],
        act: &EntryAct,
        actor: &str,
        reason: &str,
        may: impl Fn(&EntryRow) -> Result<(), OperatorError>,
    ) -> Result<Vec<(EntryId, Result<(), OperatorError>)>, Fault> {
        let mut done = Vec::with_capacity(ids.len());
        for together in ids.chunks(TOGETHER) {
            let mut change = Change::new();
            let mut holds = Vec::with_capacity(together.len());
            for id in together {
                let planned = self.plan(*id, act, actor, reason, &may, &mut change);
                match planned {
                    Ok(hold) => holds.push(hold),
                    Err(OperatorError::Fault(Fault::Damaged { .. })) => {
                        done.push((*id, Err(OperatorError::NotThere(*id))));
                    }
                    Err(OperatorError::Fault(fault)) => return Err(fault),
                    Err(no) => done.push((*id, Err(no))),
                }
            }
            if !holds.is_empty() {
                self.store.commit(change).await?;
                done.extend(holds.iter().map(|hold| (hold.id, Ok(()))));
            }
        }
        Ok(done)
    }

    /// Takes an entry into hands and adds the act to the change.
    fn plan(
        &self,
        id: EntryId,
        act: &EntryAct,
        actor: &str,
        reason: &str,
        may: impl Fn(&EntryRow) -> Result<(), OperatorError>,
        change: &mut Change,
    ) -> Result<Hold, OperatorError> {
        let hold = self.take_this(id)?;
        let mut row = self.store.entry(id)?.ok_or(OperatorError::NotThere(id))?;
        may(&row)?;
        let now = self.clock.now();
        let told = event(act.event(), actor, &row, now).detail("reason", reason);
        act.update(&mut row, now)?;
        change.record(match act {
            EntryAct::Redirect(to) => told.detail("to", to),
            EntryAct::Hold | EntryAct::Resume | EntryAct::Retry => told,
        });
        change.update_entry(row);
        Ok(hold)
    }

    /// The entries that an act is for, most urgent first.
    pub fn matching(&self, which: &Which) -> Result<Vec<EntryId>, Fault> {
        match which {
            Which::Entry(id) => Ok(vec![*id]),
            Which::NextHop(name) => Ok(self.order.lock().of_hop(name)),
            Which::Message(message) => {
                let maybe = self.order.lock().maybe_of(*message);
                let mut found = Vec::new();
                for id in maybe {
                    if self
                        .store
                        .entry(id)?
                        .is_some_and(|row| row.message == *message)
                    {
                        found.push(id);
                    }
                }
                Ok(found)
            }
        }
    }

    /// The next hops that are held back.
    pub fn paused(&self) -> Result<Vec<PausedRow>, Fault> {
        self.store.paused()
    }

    /// Holds back everything for a next hop, also what comes later; kept over a restart. What is
    /// being delivered goes on, lives go on.
    pub async fn pause(&self, next_hop: &str, actor: &str, reason: &str) -> Result<bool, Fault> {
        let _one = self.one_order.lock().await;
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
        let _one = self.one_order.lock().await;
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

    /// Prepares the removal of an entry; [`Queue::settle_all`] does it. Between the two the caller
    /// adds the report for the originator.
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
        let body = EntryBody::Read(body);
        Ok((
            Claimed {
                kept: WholeEntry { row, body },
                hold,
            },
            finished,
        ))
    }

    fn take_this(&self, id: EntryId) -> Result<Hold, OperatorError> {
        self.order.lock().take_this(id).map_err(|why| match why {
            NotTaken::InFlight => OperatorError::InFlight(id),
            NotTaken::NotThere => OperatorError::NotThere(id),
        })?;
        Ok(self.holding(id))
    }
}

fn already(is_so: bool, id: EntryId, what: &'static str) -> Result<(), OperatorError> {
    if is_so {
        Err(OperatorError::Already(id, what))
    } else {
        Ok(())
    }
}
