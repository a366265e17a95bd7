//! What the store tells of queue entries, and of the orders that hold them back.
//!
//! Promises: what cannot be read is told as damaged, each by itself; nothing is changed.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::brief::{Briefs, EntryBrief, Kept};
use super::committer::Stored;
use super::engine::{Pair, Table};
use super::minimize::Minimize;
use super::rows::EntryRow;
use super::{Fault, MINIMIZE, Store, start};
use crate::message::EntryId;

/// An entry with its body.
pub struct WholeEntry {
    /// What is known of it.
    pub row: EntryRow,
    /// What is to go on the wire.
    pub body: EntryBody,
}

/// The body of an entry: CRLF lines, not dot-stuffed.
pub enum EntryBody {
    /// As it was put into the queue a moment ago.
    Fresh(Arc<[u8]>),
    /// Read from the disk.
    Read(Zeroizing<Vec<u8>>),
}

impl EntryBody {
    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Fresh(octets) => octets,
            Self::Read(octets) => octets,
        }
    }

    /// Its octets, for somebody who keeps them.
    pub fn shared(&self) -> Arc<[u8]> {
        match self {
            Self::Fresh(octets) => Arc::clone(octets),
            Self::Read(octets) => Arc::from(octets.as_slice()),
        }
    }
}

impl Store {
    /// One entry.
    pub fn entry(&self, id: EntryId) -> Result<Option<EntryRow>, Fault> {
        Ok(self.inner.stored_entry(id)?.map(|stored| stored.row))
    }

    /// The body of one entry: what is to go on the wire.
    pub fn entry_body(&self, id: EntryId) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let Some(stored) = self.inner.stored_entry(id)? else {
            return Ok(None);
        };
        self.inner
            .body(&start::entry_name(id), &stored.body, stored.row.size)
            .map(Some)
    }

    /// One entry and its body.
    pub fn entry_whole(&self, id: EntryId) -> Result<Option<WholeEntry>, Fault> {
        let Some(Stored { row, body }) = self.inner.stored_entry(id)? else {
            return Ok(None);
        };
        let name = start::entry_name(id);
        let body = EntryBody::Read(self.inner.body(&name, &body, row.size)?);
        Ok(Some(WholeEntry { row, body }))
    }

    /// One entry and its body, if it was put into the queue a moment ago and nobody took it so since.
    pub fn take_fresh(&self, id: EntryId) -> Option<WholeEntry> {
        let (row, body) = self.inner.shared.fresh.take(id)?;
        let body = EntryBody::Fresh(body);
        Some(WholeEntry { row, body })
    }

    /// Every entry, in no order that means anything.
    pub fn entries(&self) -> Result<Vec<EntryRow>, Fault> {
        self.inner
            .all(Table::Entry, |stored: Stored<EntryRow>| stored.row)
    }

    /// Every entry in brief, in no order that means anything. The first call after opening, before
    /// any commit, is given what opening read; any other reads all rows.
    pub fn briefs(&self) -> Result<Vec<EntryBrief>, Fault> {
        if let Some(briefs) = self.inner.shared.take_briefs() {
            return Ok(briefs);
        }
        let mut briefs = Briefs::default();
        let shared = &*self.inner.shared;
        let mut visit = |pair: &Pair| {
            let json = shared.sealer.open(Table::Entry, &pair.key, &pair.value);
            let kept = json.as_ref().ok_or_else(|| "it was changed".to_owned());
            let kept = kept.and_then(|json| {
                serde_json::from_slice::<Kept<'_>>(json).map_err(|error| error.to_string())
            });
            match kept {
                Ok(kept) => briefs.add(&kept.row),
                Err(text) => tracing::error!(text, "a row of the table entry is damaged"),
            }
            Ok(())
        };
        shared
            .engine
            .with(|engine| start::for_each(engine, Table::Entry, &mut visit))?;
        Ok(briefs.all)
    }

    /// The orders of MINIMIZE.
    pub fn minimize(&self) -> Result<Minimize, Fault> {
        let stored = self
            .inner
            .stored(Table::Meta, MINIMIZE, "the memory of MINIMIZE")?;
        Ok(stored.unwrap_or_default())
    }
}
