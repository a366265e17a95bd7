//! How long commits take: for head-room and metrics.
//!
//! Promises: counting costs a commit a few additions; a commit that hangs is seen while it hangs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The upper bounds of the classes, in milliseconds; above the last one there is one more.
pub const BOUNDS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 5000, 20_000];

/// How long changes waited until they were durable, since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// How many fell into each class of [`BOUNDS`], and above the last.
    pub classes: [u64; BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

/// What the committer writes down.
#[derive(Default)]
pub(super) struct Latency {
    classes: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
    /// The longest since somebody last asked, in microseconds.
    longest: AtomicU64,
    /// When the group that is being committed was begun.
    working: Mutex<Option<Instant>>,
}

impl Latency {
    pub(super) fn begin(&self) {
        *self.working.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn end(&self) {
        *self.working.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn observe(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS
            .iter()
            .position(|bound| took <= Duration::from_millis(*bound));
        if let Some(class) = self.classes.get(class.unwrap_or(BOUNDS.len())) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        self.longest.fetch_max(microseconds, Ordering::Relaxed);
    }

    /// The longest since the last call, or the one that goes on, if that is longer already.
    pub(super) fn take_longest(&self) -> Duration {
        let longest = Duration::from_micros(self.longest.swap(0, Ordering::Relaxed));
        let working = *self.working.lock().unwrap_or_else(PoisonError::into_inner);
        longest.max(working.map_or(Duration::ZERO, |begun| begun.elapsed()))
    }

    pub(super) fn all(&self) -> Latencies {
        let mut found = Latencies {
            sum: Duration::from_micros(self.microseconds.load(Ordering::Relaxed)),
            ..Latencies::default()
        };
        for (to, from) in found.classes.iter_mut().zip(&self.classes) {
            *to = from.load(Ordering::Relaxed);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_is_in_one_class_and_the_longest_is_told_once() {
        let latency = Latency::default();
        for milliseconds in [1, 3, 3, 999, 1001, 60_000] {
            latency.observe(Duration::from_millis(milliseconds));
        }
        let all = latency.all();
        assert_eq!(all.classes, [1, 0, 2, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1]);
        assert_eq!(all.sum, Duration::from_millis(62_007));
        assert_eq!(latency.take_longest(), Duration::from_secs(60));
        assert_eq!(latency.take_longest(), Duration::ZERO);
        latency.observe(Duration::from_micros(3));
        assert_eq!(latency.take_longest(), Duration::from_micros(3));
        latency.begin();
        std::thread::sleep(Duration::from_millis(5));
        assert!(latency.take_longest() >= Duration::from_millis(5));
        latency.end();
        assert_eq!(latency.take_longest(), Duration::ZERO);
    }
}
