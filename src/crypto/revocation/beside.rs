//! Fetching beside the work: no thread of the reactor and no permit waits for a network.
//!
//! Promises: a question that is under way is not asked a second time, however many wait for its
//! answer; who waits, waits until a moment and not longer; few questions are under way at once, on
//! threads of their own. What is in use is asked for again before it ends.
//! Refuses: more questions than can be waited for.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::fetch::{Key, Missing, Online};
use crate::clock::Timestamp;

/// Questions under way at once.
const AT_ONCE: usize = 16;
/// Questions under way or waiting for their turn.
const MOST: usize = 512;

/// The questions under way.
pub(super) struct Flights {
    under_way: Mutex<HashSet<Key>>,
    turns: Arc<Semaphore>,
    /// Changes whenever a question is settled.
    settled: watch::Sender<u64>,
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            settled: watch::Sender::new(0),
        }
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the place of a question free, and wakes who waits for it, whatever happened.
struct Settling(Arc<Online>, Key);

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.flights.lock().remove(&self.1);
        let count = |settled: &mut u64| *settled = settled.wrapping_add(1);
        self.0.flights.settled.send_modify(count);
    }
}

impl Online {
    /// Has all of this fetched, and waits until one of them is settled (it came, or it cannot be
    /// had), but not beyond `until`. `at` is now. What is not settled goes on being fetched.
    pub async fn bring(self: &Arc<Self>, missing: &[Missing], at: Timestamp, until: Instant) {
        let mut settled = self.flights.settled.subscribe();
        let keys: Vec<Key> = missing.iter().map(Missing::key).collect();
        for (missing, key) in missing.iter().zip(&keys) {
            self.start(missing, key, at);
        }
        loop {
            settled.mark_unchanged();
            if keys.iter().any(|key| !self.flights.lock().contains(key)) {
                return;
            }
            match tokio::time::timeout_at(until, settled.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// Has what is in use asked for again where it ends soon or was asked for longer ago than
    /// `every`. Waits for nothing. How many questions that makes.
    pub fn refresh(self: &Arc<Self>, at: Timestamp, every: Duration) -> usize {
        let mut due = self.lists.due(at, every);
        due.extend(self.answers.due(at, every));
        for missing in &due {
            self.start(missing, &missing.key(), at);
        }
        due.len()
    }

    /// Removes what was kept in the folder and is of no more use.
    pub fn sweep(&self) {
        self.lists.sweep();
        self.answers.sweep();
    }

    fn start(self: &Arc<Self>, missing: &Missing, key: &Key, at: Timestamp) {
        {
            let mut under_way = self.flights.lock();
            if under_way.contains(key) {
                return;
            }
            if under_way.len() >= MOST {
                drop(under_way);
                let reason = format!("{}: too much is being asked already", missing.place());
                return self.fail(missing, reason, at);
            }
            under_way.insert(key.clone());
        }
        let settling = Settling(Arc::clone(self), key.clone());
        let missing = missing.clone();
        tokio::spawn(async move {
            let turns = Arc::clone(&settling.0.flights.turns);
            let Ok(_turn) = turns.acquire().await else {
                return;
            };
            let online = Arc::clone(&settling.0);
            let asked = tokio::task::spawn_blocking(move || online.fetch(&missing, at)).await;
            if let Err(error) = asked {
                tracing::error!(%error, "fetching revocation data broke off");
            }
        });
    }
}
