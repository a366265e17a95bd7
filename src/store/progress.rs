//! What an operator sees while a store is opened that takes long.
//!
//! Promises: a line before the engine reads its whole file, and one after; one every few seconds
//! while entries are read. A short start is silent.

use std::time::{Duration, Instant};

use super::engine::LastStop;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(5);
/// A smaller file is read before anybody asks.
const LARGE: u64 = 256 << 20;

/// How far a start is.
pub(super) struct Progress {
    begun: Instant,
    next: Duration,
    entries: u64,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            next: EVERY,
            entries: 0,
        }
    }

    /// Another entry was read.
    pub(super) fn one_more(&mut self) {
        self.entries = self.entries.saturating_add(1);
        let elapsed = self.begun.elapsed();
        if elapsed >= self.next {
            self.next = elapsed.saturating_add(EVERY);
            tracing::info!(entries = self.entries, ?elapsed, "the store is being read");
        }
    }
}

/// Runs `open`, in which the engine reads all that it has unless the last stop was a clean one.
pub(super) fn told<T>(octets: u64, last: LastStop, open: impl FnOnce() -> T) -> T {
    let is_long = last != LastStop::Clean && octets >= LARGE;
    if is_long {
        tracing::warn!(
            octets,
            "the last stop was not clean: the database is read from end to end, and nothing accepted \
             until that is done"
        );
    }
    let begun = Instant::now();
    let opened = open();
    if is_long {
        tracing::info!(elapsed = ?begun.elapsed(), "the database was read from end to end");
    }
    opened
}
