//! The rows of awaited reports, found by what a report names, and by their times.
//!
//! Promises: what is in memory follows from the rows alone, and is read anew after a commit of
//! which nobody knows whether it is on the disk; of a row only digests and times are in memory; one
//! act at a time on the rows of a message.
//! Refuses: to look at more messages for one report than a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::awaited::receipt_digest;
use super::heard::{Heard, Said};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::provider;
use crate::message::MessageId;
use crate::store::{Applied, AwaitedId, AwaitedRow, Fault, Store};

/// So many messages may bear the name that a report gives; of more, nobody knows which it is.
const MOST_NAMESAKES: usize = 16;
/// So many messages can be worked on at the same time.
const TURNS: usize = 64;

/// What is awaited.
pub struct Ledger {
    store: Store,
    index: Arc<Mutex<Index>>,
    turns: Vec<Arc<tokio::sync::Mutex<()>>>,
}

/// The right to change the rows of a message.
pub struct Turn {
    _held: OwnedMutexGuard<()>,
}

/// What a report names a message by: a digest over its kind and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clue([u8; 16]);

/// What is in memory of a row.
struct Brief {
    clues: Vec<Clue>,
    due: Option<Timestamp>,
    forget: Timestamp,
    is_missed: bool,
}

#[derive(Default)]
struct Index {
    /// How many commits had failed when the rows were read; nothing before they were.
    read_after: Option<u64>,
    rows: BTreeMap<AwaitedId, Brief>,
    clues: BTreeSet<(Clue, AwaitedId)>,
    due: BTreeSet<(Timestamp, AwaitedId)>,
    forget: BTreeSet<(Timestamp, AwaitedId)>,
    missed: usize,
}

impl Ledger {
    /// The ledger of a store; its rows are read when they are asked for. From here on it follows every
    /// commit, before whoever comes after it is told of the same: what is handed on is known here first.
    pub fn new(store: Store) -> Self {
        let turns = std::iter::repeat_with(|| Arc::new(tokio::sync::Mutex::new(())));
        let index = Arc::<Mutex<Index>>::default();
        // Not the store itself, which would never close.
        let following = Arc::clone(&index);
        store.observe(move |applied| {
            let mut index = following.lock().unwrap_or_else(PoisonError::into_inner);
            index.apply(applied);
        });
        Self {
            store,
            index,
            turns: turns.take(TURNS).collect(),
        }
    }

    /// Waits until nobody else works on the rows of `message`.
    pub async fn turn(&self, message: MessageId) -> Option<Turn> {
        let turn = self.turns.get(place(message))?;
        let held = Arc::clone(turn).lock_owned().await;
        Some(Turn { _held: held })
    }

    /// Waits until nobody else works on these rows. Turns are taken in one order, and whoever has one
    /// of them waits for no other.
    pub async fn turns(&self, ids: &[AwaitedId]) -> Vec<Turn> {
        let places: BTreeSet<usize> = ids.iter().map(|id| place(id.message())).collect();
        let mut turns = Vec::with_capacity(places.len());
        for turn in places.iter().filter_map(|place| self.turns.get(*place)) {
            let held = Arc::clone(turn).lock_owned().await;
            turns.push(Turn { _held: held });
        }
        turns
    }

    /// The messages that a report may be about, the oldest row first.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn messages(&self, heard: &Heard) -> Result<Vec<MessageId>, Fault> {
        let clues = named(heard);
        let index = self.index()?;
        let mut found = BTreeSet::new();
        for clue in clues {
            for (_, id) in index.clues.range((clue, FIRST)..=(clue, LAST)) {
                found.insert(id.message());
                if found.len() > MOST_NAMESAKES {
                    return Ok(Vec::new());
                }
            }
        }
        drop(index);
        let mut by_age = Vec::new();
        for message in found {
            let accepted = self.rows(message)?.first().map(|row| row.accepted);
            by_age.extend(accepted.map(|accepted| (accepted, message)));
        }
        by_age.sort();
        Ok(by_age.into_iter().map(|(_, message)| message).collect())
    }

    /// Whether anything is known of a message.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn knows(&self, message: MessageId) -> Result<bool, Fault> {
        Ok(!self.ids(message)?.is_empty())
    }

    /// The rows of a message.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn rows(&self, message: MessageId) -> Result<Vec<AwaitedRow>, Fault> {
        self.read(self.ids(message)?)
    }

    /// At most `limit` rows whose reports should have been here by `now`, and nobody was alarmed.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<AwaitedId>, Fault> {
        let index = self.index()?;
        let due = index.due.range(..=(now, LAST)).take(limit);
        Ok(due.map(|(_, id)| *id).collect())
    }

    /// At most `limit` rows whose time is over.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn over(&self, now: Timestamp, limit: usize) -> Result<Vec<AwaitedId>, Fault> {
        let index = self.index()?;
        let over = index.forget.range(..=(now, LAST)).take(limit);
        Ok(over.map(|(_, id)| *id).collect())
    }

    /// One row. One that cannot be read any more stops nothing else: it counts for nothing, and the
    /// next start sets it aside.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn row(&self, id: AwaitedId) -> Result<Option<AwaitedRow>, Fault> {
        let read = match self.store.awaited_row(id) {
            Err(Fault::Damaged { what, text }) => {
                tracing::error!(what, text, "a row is damaged");
                None
            }
            read => read?,
        };
        if read.is_none() {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.remove(id);
        }
        Ok(read)
    }

    /// Every row.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn all(&self) -> Result<Vec<AwaitedRow>, Fault> {
        self.store.awaited()
    }

    /// How many rows there are, and of how many of them a report is missed.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn counts(&self) -> Result<(usize, usize), Fault> {
        let index = self.index()?;
        Ok((index.rows.len(), index.missed))
    }

    fn ids(&self, message: MessageId) -> Result<Vec<AwaitedId>, Fault> {
        let index = self.index()?;
        let from = AwaitedId::first_of(message);
        let of_it = index.rows.range(from..).map(|(id, _)| *id);
        Ok(of_it.take_while(|id| id.message() == message).collect())
    }

    fn read(&self, ids: Vec<AwaitedId>) -> Result<Vec<AwaitedRow>, Fault> {
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.extend(self.row(id)?);
        }
        Ok(rows)
    }

    /// The index, read anew where it may not be what is on the disk.
    fn index(&self) -> Result<MutexGuard<'_, Index>, Fault> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = self.store.failures();
        if index.read_after != Some(failures) {
            *index = Index::default();
            for row in self.store.awaited()? {
                index.insert(row.id(), &row);
            }
            // While it is closed, what was read may still change.
            index.read_after = self.store.closed().is_none().then_some(failures);
        }
        Ok(index)
    }
}

/// Which of the turns is for a message.
fn place(message: MessageId) -> usize {
    let octets = message.octets().iter();
    octets.fold(0_usize, |sum, octet| sum.wrapping_add(usize::from(*octet))) % TURNS
}

const FIRST: AwaitedId = AwaitedId::FIRST;
const LAST: AwaitedId = AwaitedId::LAST;

impl Index {
    fn apply(&mut self, applied: &Applied) {
        match applied {
            Applied::Awaited(row) => {
                self.remove(row.id());
                self.insert(row.id(), row);
            }
            Applied::AwaitedGone(id) => self.remove(*id),
            Applied::Draft(_)
            | Applied::DraftGone(_)
            | Applied::Entry(_)
            | Applied::EntryGone(_)
            | Applied::Minimize(_)
            | Applied::Paused(_) => {}
        }
    }

    fn insert(&mut self, id: AwaitedId, row: &AwaitedRow) {
        let brief = Brief {
            clues: clues(row),
            due: row.due.filter(|_| row.alarmed.is_none()),
            forget: row.forget,
            is_missed: row.is_missed(),
        };
        self.clues
            .extend(brief.clues.iter().map(|clue| (*clue, id)));
        self.due.extend(brief.due.map(|due| (due, id)));
        self.forget.insert((brief.forget, id));
        self.missed += usize::from(brief.is_missed);
        self.rows.insert(id, brief);
    }

    fn remove(&mut self, id: AwaitedId) {
        let Some(brief) = self.rows.remove(&id) else {
            return;
        };
        for clue in brief.clues {
            self.clues.remove(&(clue, id));
        }
        if let Some(due) = brief.due {
            self.due.remove(&(due, id));
        }
        self.forget.remove(&(brief.forget, id));
        self.missed -= usize::from(brief.is_missed);
    }
}

impl Clue {
    fn of(kind: &str, value: &str) -> Self {
        let parts = [kind.as_bytes(), &[0], value.as_bytes()];
        let digest = provider::default().digest(Digest::Sha256, &parts);
        let mut clue = [0; 16];
        clue.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        Self(clue)
    }

    fn envelope(id: &str) -> Self {
        Self::of("envelope", id)
    }

    fn message(id: &str) -> Self {
        Self::of("message", id)
    }

    fn receipt(digest: &str) -> Self {
        Self::of("receipt", digest)
    }
}

/// What a row may be named by.
fn clues(row: &AwaitedRow) -> Vec<Clue> {
    let receipts = row.reports.iter().filter_map(|one| one.receipt.as_ref());
    let receipts = receipts.map(|receipt| Clue::receipt(&receipt.receipt));
    let envelope = row.envelope_id.as_deref().map(Clue::envelope);
    let message = row.message_id.as_deref().map(Clue::message);
    envelope
        .into_iter()
        .chain(message)
        .chain(receipts)
        .collect()
}

/// What a report names.
fn named(heard: &Heard) -> Vec<Clue> {
    match &heard.said {
        Said::Delivery { status, message_id } => {
            let envelope = status.envelope_id.as_deref().map(Clue::envelope);
            let message = message_id.as_deref().map(Clue::message);
            envelope.into_iter().chain(message).collect()
        }
        Said::Disposition(status) => {
            let message = status.message_id.as_deref().map(Clue::message);
            message.into_iter().collect()
        }
        Said::Receipt(quoted) => vec![Clue::receipt(&receipt_digest(&quoted.reference))],
        Said::Unreadable(_) => Vec::new(),
    }
}
