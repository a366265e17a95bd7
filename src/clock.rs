//! Time and randomness, given from outside so that tests are repeatable.
//!
//! Promises: no other file of the house asks the machine for the time of day or for an identifier.
//! Keys and nonces are not made here: that is `crypto`'s own randomness.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

pub use jiff::Timestamp;

/// A source of the time of day and of fresh identifiers. Cheap to clone; clones share one source.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed {
        seconds: Arc<AtomicI64>,
        passed: Arc<AtomicU64>,
        next_id: Arc<AtomicU64>,
    },
}

/// What the time that passes is counted from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock {
    /// The machine's own clock and its random number generator.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until it is advanced, with identifiers that count up from 1.
    pub fn fixed(start: Timestamp) -> Self {
        Self(Source::Fixed {
            seconds: Arc::new(AtomicI64::new(start.as_second())),
            passed: Arc::new(AtomicU64::new(0)),
            next_id: Arc::new(AtomicU64::new(1)),
        })
    }

    /// The present time. A fixed clock has a resolution of one second.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Fixed { seconds, .. } => {
                Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// The time that has passed since some moment of this process. Nobody sets it: where it and
    /// [`Clock::now`] disagree, somebody has set the clock.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System => BEGAN.elapsed(),
            Source::Fixed { passed, .. } => Duration::from_secs(passed.load(Ordering::SeqCst)),
        }
    }

    /// Lets time pass on a fixed clock; the system clock does not move for anybody.
    pub fn advance(&self, by: Duration) {
        if let Source::Fixed {
            seconds, passed, ..
        } = &self.0
        {
            passed.fetch_add(by.as_secs(), Ordering::SeqCst);
            let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
            seconds.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Puts a fixed clock at another time, also an earlier one, as when somebody sets the machine's.
    pub fn set(&self, at: Timestamp) {
        if let Source::Fixed { seconds, .. } = &self.0 {
            seconds.store(at.as_second(), Ordering::SeqCst);
        }
    }

    /// Sixteen octets that no earlier call returned: random, or counted up by a fixed clock.
    pub fn fresh_id(&self) -> [u8; 16] {
        match &self.0 {
            Source::System => {
                let mut id = [0; 16];
                // Without randomness no identifier is unique and no key is safe: stop.
                getrandom::fill(&mut id).expect("the operating system gives random octets");
                id
            }
            Source::Fixed { next_id, .. } => {
                let mut id = [0; 16];
                let n = next_id.fetch_add(1, Ordering::SeqCst);
                id[8..].copy_from_slice(&n.to_be_bytes());
                id
            }
        }
    }
}

/// `at` in the form of RFC 5322 section 3.3, always in UTC: `Sat, 21 Nov 2026 08:30:00 +0000`.
pub fn rfc5322_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
