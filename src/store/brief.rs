//! What the queue keeps in memory of an entry: little, for there may be a million of them.
//!
//! Promises: each row is opened once at start, for the store and for the queue; a brief that was
//! handed over is as new as the store at that moment.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;

use super::bodies::Place;
use super::rows::EntryState;
use crate::clock::Timestamp;
use crate::message::{EntryId, MessageId, Precedence};

/// An entry without what is only needed to deliver it.
#[derive(Clone, Debug)]
pub struct EntryBrief {
    /// As in the row.
    pub id: EntryId,
    /// As in the row.
    pub message: MessageId,
    /// As in the row; one text for all entries that have the same.
    pub next_hop: Arc<str>,
    /// As in the row.
    pub precedence: Precedence,
    /// As in the row.
    pub state: EntryState,
    /// Whether there was an attempt.
    pub tried: bool,
    /// As in the row.
    pub arrived: Timestamp,
    /// As in the row.
    pub due: Timestamp,
    /// As in the row.
    pub expires: Timestamp,
    /// As in the row.
    pub overdue: Option<Timestamp>,
}

/// A kept row, as far as it is read at start.
#[derive(Deserialize)]
pub(super) struct Kept<'k> {
    #[serde(borrow)]
    pub(super) row: Row<'k>,
    pub(super) body: Place,
}

#[derive(Deserialize)]
pub(super) struct Row<'k> {
    pub(super) id: EntryId,
    message: MessageId,
    #[serde(borrow)]
    next_hop: Cow<'k, str>,
    precedence: Precedence,
    state: EntryState,
    attempts: u32,
    arrived: Timestamp,
    due: Timestamp,
    expires: Timestamp,
    #[serde(default)]
    overdue: Option<Timestamp>,
    pub(super) size: u64,
    pub(super) revision: u64,
}

/// Makes briefs, and keeps each name of a next hop once.
#[derive(Default)]
pub(super) struct Briefs {
    pub(super) all: Vec<EntryBrief>,
    names: HashSet<Arc<str>>,
}

impl Briefs {
    pub(super) fn add(&mut self, row: &Row<'_>) {
        let next_hop = match self.names.get(&*row.next_hop) {
            Some(name) => Arc::clone(name),
            None => {
                let name: Arc<str> = row.next_hop.as_ref().into();
                self.names.insert(Arc::clone(&name));
                name
            }
        };
        self.all.push(EntryBrief {
            id: row.id,
            message: row.message,
            next_hop,
            precedence: row.precedence,
            state: row.state,
            tried: row.attempts > 0,
            arrived: row.arrived,
            due: row.due,
            expires: row.expires,
            overdue: row.overdue,
        });
    }
}
