//! After a commit failed: the engine is opened again, everything is looked through as at start, and
//! what waits is told what is true.
//!
//! Promises: a failed sync is never simply tried again. The kernel may have forgotten what it could
//! not write, and show it all the same: so the engine first writes anew all that it reads, and only
//! when the disk has taken that it is opened, checked and used. Whether the failed commit happened
//! is then seen, not guessed; whoever was told "no" may have to be told nothing more, and whoever
//! keeps an order of what is queued is told of every row that is not as it last heard.
//! Refuses: to work before the event that tells of it is durable; a change whose body was written
//! before the failure, because the sweep may have taken its file.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::brief::Briefs;
use super::committer::{Committer, Stored, causes};
use super::engine::{Engine, LastStop, Table};
use super::rows::{DraftRow, EntryRow};
use super::start::{check_key, look_through, open_row};
use super::{Applied, Fault, MINIMIZE, Minimize, PAUSED};
use crate::audit::{Act, Event};
use crate::clock::Clock;

/// The wait before the first attempt; it doubles.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

/// What opens the engine, at start and again.
pub(super) type Make =
    Box<dyn Fn(LastStop) -> Result<Box<dyn Engine>, super::engine::EngineFault> + Send>;

/// How the store comes back after a failed commit.
pub(super) struct Recovery {
    /// Nothing: this store is not opened again.
    pub(super) make: Option<Make>,
    pub(super) clock: Clock,
    /// The folder, for messages.
    pub(super) dir: String,
    /// When the next attempt is due.
    due: Option<Instant>,
    wait: Duration,
    failures: u32,
    /// Rows of which the failed commit had something to say.
    uncertain: Vec<Applied>,
}

impl Recovery {
    pub(super) fn new(make: Option<Make>, clock: Clock, dir: String) -> Self {
        Self {
            make,
            clock,
            dir,
            due: None,
            wait: FIRST,
            failures: 0,
            uncertain: Vec::new(),
        }
    }

    /// A commit failed.
    pub(super) fn begin(&mut self, uncertain: Vec<Applied>) {
        self.uncertain.extend(uncertain);
        self.wait = FIRST;
        self.failures = 0;
        self.due = self.make.as_ref().map(|_| Instant::now() + FIRST);
    }

    /// How long until the next attempt; nothing when none is to be made.
    pub(super) fn left(&self) -> Option<Duration> {
        self.due
            .map(|due| due.saturating_duration_since(Instant::now()))
    }
}

impl Committer {
    /// One attempt. When it fails, the next one is due after twice the time.
    pub(super) fn try_to_reopen(&mut self) {
        match self.reopen() {
            Ok(()) => self.recovery.due = None,
            Err(fault) => {
                let recovery = &mut self.recovery;
                recovery.failures = recovery.failures.saturating_add(1);
                recovery.wait = (recovery.wait * 2).min(LONGEST);
                recovery.due = Some(Instant::now() + recovery.wait);
                tracing::error!(
                    fault = causes(&fault),
                    attempts = recovery.failures,
                    next = ?recovery.wait,
                    "the store is still closed: nothing is accepted and nothing delivered"
                );
            }
        }
    }

    fn reopen(&mut self) -> Result<(), Fault> {
        let shared = Arc::clone(&self.shared);
        let Some(make) = &self.recovery.make else {
            return Err(self.shared.is_closed());
        };
        shared.engine.replace(|| make(LastStop::Failed))?;
        let why = shared.closed_because().unwrap_or_default();
        let event = Event::new(self.recovery.clock.now(), Act::Reopened, "switch")
            .detail("why", why)
            .detail("attempts", self.recovery.failures.saturating_add(1));
        let now = self.recovery.clock.now();
        let dir = &self.recovery.dir;
        let (index, chain) = shared.engine.with(|engine| {
            check_key(engine, &shared.sealer, dir)?;
            let found = (vec![event], &mut Briefs::default());
            look_through(engine, &shared.sealer, &shared.bodies, now, found)
        })?;
        let mut entries = self.index.entries.differing(&index.entries);
        let mut drafts = self.index.drafts.differing(&index.drafts);
        for applied in &self.recovery.uncertain {
            match applied {
                Applied::Draft(row) => drop(drafts.insert(row.id)),
                Applied::DraftGone(id) => drop(drafts.insert(*id)),
                Applied::Entry(row) => drop(entries.insert(row.id)),
                Applied::EntryGone(id) => drop(entries.insert(*id)),
                // Whoever has an index of those reads them anew.
                Applied::Awaited(_) | Applied::AwaitedGone(_) => {}
                Applied::Minimize(_) | Applied::Paused(_) => {}
            }
        }
        let news = shared.engine.with(|engine| {
            let mut news = Vec::new();
            for id in entries {
                let key = id.octets();
                let row = row::<EntryRow>(engine, &shared, Table::Entry, key)?;
                news.push(row.map_or(Applied::EntryGone(id), |row| Applied::Entry(Box::new(row))));
            }
            for id in drafts {
                let row = row::<DraftRow>(engine, &shared, Table::Draft, id.octets())?;
                news.push(row.map_or(Applied::DraftGone(id), Applied::Draft));
            }
            if let Some(sealed) = engine.read(Table::Meta, PAUSED)? {
                let paused = open_row(&shared.sealer, Table::Meta, PAUSED, &sealed);
                news.extend(paused.ok().map(Applied::Paused));
            }
            if let Some(sealed) = engine.read(Table::Meta, MINIMIZE)? {
                let kept = open_row::<Minimize>(&shared.sealer, Table::Meta, MINIMIZE, &sealed);
                news.extend(kept.ok().map(|kept| Applied::Minimize(kept.orders)));
            }
            Ok::<_, Fault>(news)
        })?;
        // From here on nothing can fail.
        self.index = index;
        self.chain = chain;
        self.recovery.uncertain.clear();
        if let Some(export) = &mut self.export {
            // What it lacks comes from the store.
            export.file = None;
            export.append(&[], &shared);
        }
        shared.tell(&news);
        shared.heads.send_replace(self.chain.head().clone());
        shared.marker.keep.store(false, Ordering::Relaxed);
        shared.open();
        tracing::warn!("the store was opened again after a failed commit, and everything checked");
        Ok(())
    }
}

fn row<R: serde::de::DeserializeOwned>(
    engine: &dyn Engine,
    shared: &super::Shared,
    table: Table,
    key: &[u8],
) -> Result<Option<R>, Fault> {
    let Some(sealed) = engine.read(table, key)? else {
        return Ok(None);
    };
    let stored = open_row::<Stored<R>>(&shared.sealer, table, key, &sealed);
    // It was read a moment ago: whoever cannot be read was set aside, and is not in the index.
    Ok(stored.ok().map(|stored| stored.row))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc;

    use super::super::disk::System;
    use super::super::engine::Engine;
    use super::super::tests::{Fake, check_filled, clock, exported, files, fill, settings, small};
    use super::super::{Fault, Store};

    #[test]
    fn a_body_that_was_written_before_a_failure_is_not_taken_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::default();
        let fail = Arc::clone(&fake.fail);
        let make = move |_| Ok(Box::new(fake.clone()) as Box<dyn Engine>);
        let store =
            Store::open_with(settings(dir.path()), clock(), make, Arc::new(System)).unwrap();
        let before = store.inner.prepare(fill(1)).unwrap();
        fail.store(true, Ordering::SeqCst);
        assert!(store.commit_blocking(small(2)).is_err());
        fail.store(false, Ordering::SeqCst);
        while store.closed().is_some() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(files(dir.path()), 0, "its file was an orphan");
        let (answer, answered) = mpsc::sync_channel(1);
        let submit = store
            .inner
            .submit(before, move |result| drop(answer.send(result)));
        submit.unwrap();
        let refused = answered.recv().unwrap();
        assert!(matches!(refused, Err(Fault::Closed(_))), "{refused:?}");
        // And what is begun now is taken.
        store.commit_blocking(fill(3)).unwrap();
        check_filled(&store, 3);
        assert_eq!((store.failures(), store.entries().unwrap().len()), (1, 1));
        let text = std::fs::read_to_string(dir.path().join("audit.jsonl")).unwrap();
        assert_eq!(text.matches("\"reopened\"").count(), 1, "{text}");
        assert_eq!(store.heads().borrow().sequence, exported(dir.path()));
    }
}
