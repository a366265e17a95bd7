//! How long an entry lives, how often it is tried, and who is told of it when, by precedence.
//!
//! Promises: the same entry gets the same times in every run (its jitter follows from its name);
//! no retry later than the longest interval plus its jitter, none after the end of life.

use std::time::Duration;

use super::items::Longest;
use crate::clock::Timestamp;
use crate::message::{EntryId, Precedence};

/// The pace of one precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long an entry is tried before it is given up and reported.
    pub life: Duration,
    /// The time from the first failed attempt to the second; it doubles from there.
    pub first_retry: Duration,
    /// The interval that the doubling ends at.
    pub longest_retry: Duration,
    /// When the sender is told that it takes long; nothing means after a quarter of the life, or when
    /// it is overdue, whichever is earlier.
    pub notice: Option<Duration>,
    /// When it should have been delivered: the postmaster is alarmed; nothing means never.
    pub overdue: Option<Duration>,
}

/// The paces of all precedences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    paces: [Pace; Precedence::ALL.len()],
}

impl Default for Schedule {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let pace = |life, first_retry, overdue| Pace {
            life,
            first_retry: Duration::from_secs(first_retry),
            longest_retry: hours(1),
            notice: None,
            overdue,
        };
        Self {
            paces: Precedence::ALL.map(|precedence| match precedence {
                // Handling times as ACP 121 is publicly described to have them: FLASH 10 minutes,
                // IMMEDIATE 30, PRIORITY 3 hours, ROUTINE 6. For DEFERRED there is none.
                Precedence::Deferred => pace(hours(5 * 24), 600, None),
                Precedence::Routine => pace(hours(3 * 24), 300, Some(hours(6))),
                Precedence::Priority => pace(hours(24), 120, Some(hours(3))),
                Precedence::Immediate => pace(hours(12), 30, Some(minutes(30))),
                Precedence::Flash | Precedence::Override => pace(hours(4), 15, Some(minutes(10))),
            }),
        }
    }
}

impl Schedule {
    /// The pace of a precedence.
    pub const fn pace(&self, precedence: Precedence) -> &Pace {
        let [deferred, routine, priority, immediate, flash, override_] = &self.paces;
        match precedence {
            Precedence::Deferred => deferred,
            Precedence::Routine => routine,
            Precedence::Priority => priority,
            Precedence::Immediate => immediate,
            Precedence::Flash => flash,
            Precedence::Override => override_,
        }
    }

    /// Gives a precedence another pace.
    pub fn set(&mut self, precedence: Precedence, pace: Pace) {
        let place = self
            .paces
            .iter_mut()
            .zip(Precedence::ALL)
            .find(|(_, p)| *p == precedence);
        if let Some((old, _)) = place {
            *old = pace;
        }
    }

    /// When an entry that arrives `at` is given up.
    pub fn expires(&self, precedence: Precedence, at: Timestamp) -> Timestamp {
        later(at, self.pace(precedence).life)
    }

    /// When the sender of an entry that arrives `at` is told that it takes long.
    pub fn notice(&self, precedence: Precedence, at: Timestamp) -> Option<Timestamp> {
        let pace = self.pace(precedence);
        let quarter = pace.life / 4;
        let usual = pace.overdue.map_or(quarter, |overdue| overdue.min(quarter));
        at.checked_add(pace.notice.unwrap_or(usual)).ok()
    }

    /// When the postmaster is alarmed that an entry which arrives `at` is still here.
    pub fn overdue(&self, precedence: Precedence, at: Timestamp) -> Option<Timestamp> {
        let pace = self.pace(precedence);
        let overdue = pace.overdue.filter(|overdue| *overdue < pace.life)?;
        at.checked_add(overdue).ok()
    }

    /// When an entry is due again whose attempt number `attempts` failed `at`, with 10 % jitter to
    /// either side so that what failed together does not come back together.
    pub fn retry(
        &self,
        id: EntryId,
        precedence: Precedence,
        attempts: u32,
        at: Timestamp,
    ) -> Timestamp {
        let pace = self.pace(precedence);
        let doublings = attempts.saturating_sub(1).min(30);
        let interval = pace
            .first_retry
            .saturating_mul(1 << doublings)
            .min(pace.longest_retry);
        let permille = 900 + mix(id, attempts) % 201;
        later(at, interval.saturating_mul(permille) / 1000)
    }
}

impl Schedule {
    /// No retry is later than this after an attempt.
    pub(super) fn longest(&self) -> Longest {
        Longest(self.paces.each_ref().map(|pace| {
            let with_jitter = pace.longest_retry.saturating_mul(11) / 10;
            i64::try_from(with_jitter.as_micros()).unwrap_or(i64::MAX)
        }))
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// FNV-1a: spreads names that differ by one bit over the whole range. Not for secrets.
fn mix(id: EntryId, attempts: u32) -> u32 {
    let octets = id.octets().iter().copied().chain(attempts.to_be_bytes());
    octets.fold(0x811c_9dc5, |hash, octet| {
        (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(schedule: &Schedule, n: u8, precedence: Precedence, attempts: u32) -> i64 {
        let id = EntryId::new([n; 16]);
        schedule
            .retry(id, precedence, attempts, Timestamp::UNIX_EPOCH)
            .as_second()
    }

    #[test]
    fn intervals_double_up_to_an_hour_with_a_tenth_of_jitter() {
        let schedule = Schedule::default();
        for n in 0..100 {
            for (attempts, base) in [
                (1, 300),
                (2, 600),
                (3, 1200),
                (4, 2400),
                (5, 3600),
                (99, 3600),
            ] {
                let found = seconds(&schedule, n, Precedence::Routine, attempts);
                assert!(
                    (base * 9 / 10..=base * 11 / 10).contains(&found),
                    "{attempts}: {found}"
                );
            }
            assert!((13..=16).contains(&seconds(&schedule, n, Precedence::Flash, 1)));
        }
        let spread: std::collections::HashSet<_> = (0..100)
            .map(|n| seconds(&schedule, n, Precedence::Routine, 5))
            .collect();
        assert!(spread.len() > 50, "{spread:?}");
    }

    #[test]
    fn lives_follow_precedence_and_can_be_set() {
        let mut schedule = Schedule::default();
        let hours =
            |schedule: &Schedule, p| schedule.expires(p, Timestamp::UNIX_EPOCH).as_second() / 3600;
        assert_eq!(
            Precedence::ALL.map(|p| hours(&schedule, p)),
            [120, 72, 24, 12, 4, 4]
        );
        let pace = Pace {
            life: Duration::from_secs(7200),
            ..*schedule.pace(Precedence::Flash)
        };
        schedule.set(Precedence::Flash, pace);
        assert_eq!(
            Precedence::ALL.map(|p| hours(&schedule, p)),
            [120, 72, 24, 12, 2, 4]
        );
        let at = Timestamp::UNIX_EPOCH;
        let minutes = |at: Option<Timestamp>| at.map(|at| at.as_second() / 60);
        assert_eq!(
            Precedence::ALL.map(|p| minutes(schedule.overdue(p, at))),
            [None, Some(360), Some(180), Some(30), Some(10), Some(10)]
        );
        // The sender hears no later than the postmaster.
        assert_eq!(
            Precedence::ALL.map(|p| minutes(schedule.notice(p, at))),
            [1800, 360, 180, 30, 10, 10].map(Some)
        );
        let forever = Pace {
            life: Duration::MAX,
            ..pace
        };
        schedule.set(Precedence::Override, forever);
        assert_eq!(
            schedule.expires(Precedence::Override, Timestamp::now()),
            Timestamp::MAX
        );
    }
}
