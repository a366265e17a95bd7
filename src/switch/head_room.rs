//! Head-room: one number from 0 to 100 that says how much more the switch can take, and who is not
//! taken any more when it sinks.
//!
//! It is the least of five measures: free space and free files on the disk of the store, memory at
//! hand, how long a commit takes, entries in the queue. Each goes from nothing to all between two
//! bounds of `[head-room]`. Below its own bound a precedence is answered 452: ROUTINE first, FLASH
//! nearly last. A precedence comes back only when there is some more room than its bound, so that
//! the level does not flutter.
//! Promises: nothing that was accepted is dropped; deliveries go on, for they make room.
//! Refuses: nothing for good: who is shed keeps the message and tries again.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Switch, Telling, events, memory};
use crate::audit::{Act, Event};
use crate::config::{HeadRoomRules, Span};
use crate::message::Precedence;

/// So much above its bound a precedence is taken again.
const MARGIN: u8 = 5;

/// What the machine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings {
    /// Octets of the disk that are free.
    pub disk: u64,
    /// Hundredths of its files that are free.
    pub inodes: u64,
    /// Hundredths of the memory that are at hand.
    pub memory: u64,
    /// The longest commit since the last reading.
    pub commit: Duration,
    /// Entries in the queue.
    pub queue: usize,
}

/// How much room there is, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRoom {
    /// From 0 to 100.
    pub percent: u8,
    /// What each measure allows, from 0 to 100.
    pub measures: [(&'static str, u8); 5],
    /// The least urgent precedence that is taken; nothing is, when there is none.
    pub least: Option<Precedence>,
}

impl Default for HeadRoom {
    fn default() -> Self {
        Self {
            percent: 100,
            measures: ["disk", "inodes", "memory", "commit", "queue"].map(|name| (name, 100)),
            least: Some(Precedence::Deferred),
        }
    }
}

impl fmt::Display for HeadRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.least {
            None => f.write_str("nothing is taken"),
            Some(least) => write!(f, "{least} and above is taken"),
        }
    }
}

impl HeadRoom {
    /// Whether a message of this precedence is taken.
    pub fn takes(&self, precedence: Precedence) -> bool {
        self.least.is_some_and(|least| precedence >= least)
    }

    /// What `readings` come to, after it was so `before`.
    pub fn of(rules: &HeadRoomRules, readings: &Readings, before: &Self) -> Self {
        let milliseconds = u64::try_from(readings.commit.as_millis()).unwrap_or(u64::MAX);
        let queue = u64::try_from(readings.queue).unwrap_or(u64::MAX);
        let measures = [
            ("disk", share(rules.disk, readings.disk)),
            ("inodes", share(rules.inodes, readings.inodes)),
            ("memory", share(rules.memory, readings.memory)),
            ("commit", share(rules.commit, milliseconds)),
            ("queue", share(rules.queue, queue)),
        ];
        let percent = measures.iter().map(|(_, share)| *share).min().unwrap_or(0);
        // From the most urgent down, until the first one that there is no room for.
        let least = Precedence::ALL
            .into_iter()
            .rev()
            .take_while(|precedence| {
                let bound = rules.shed.get(precedence).copied().unwrap_or(100);
                let bound = match before.takes(*precedence) {
                    true => bound,
                    false => bound.saturating_add(MARGIN).min(100),
                };
                percent >= bound
            })
            .last();
        Self {
            percent,
            measures,
            least,
        }
    }
}

/// Where `value` lies between nothing and all, in hundredths.
fn share(span: Span, value: u64) -> u8 {
    let (way, whole) = match span.nothing < span.all {
        true => (value.saturating_sub(span.nothing), span.all - span.nothing),
        false => (span.nothing.saturating_sub(value), span.nothing - span.all),
    };
    let hundredths = way.saturating_mul(100).checked_div(whole).unwrap_or(0);
    u8::try_from(hundredths.min(100)).unwrap_or(100)
}

impl Switch {
    /// How much room there is.
    pub fn head_room(&self) -> Arc<HeadRoom> {
        let room = self.head_room.read();
        Arc::clone(&room.unwrap_or_else(PoisonError::into_inner))
    }

    /// How many messages of a precedence were not taken for want of room.
    pub fn shed(&self, precedence: Precedence) -> u64 {
        let counter = self.shed.get(usize::from(precedence.number()));
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    pub(super) fn count_shed(&self, precedence: Precedence) {
        if let Some(counter) = self.shed.get(usize::from(precedence.number())) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes readings in. When others are taken than before, an event tells of it.
    pub async fn measured(&self, readings: &Readings) {
        let rules = self.config.snapshot().operation.head_room.clone();
        let (before, now) = {
            let room = self.head_room.write();
            let mut room = room.unwrap_or_else(PoisonError::into_inner);
            let now = Arc::new(HeadRoom::of(&rules, readings, &room));
            (std::mem::replace(&mut *room, Arc::clone(&now)), now)
        };
        if let Err(fault) = self.tell_of_shed(Telling::Regular).await {
            tracing::error!(fault = %fault.chain(), "what was shed could not be recorded");
        }
        if before.least == now.least {
            return;
        }
        tracing::warn!(percent = now.percent, was = %before, "head-room: {now}");
        let event = Event::new(self.now(), Act::HeadRoom, "switch")
            .detail("percent", now.percent)
            .detail("now", &*now)
            .detail("before", &*before);
        let event = now.measures.iter().fold(event, |event, (name, share)| {
            event.detail(format!("measure-{name}"), share)
        });
        if let Err(fault) = self.commit(events::one(event)).await {
            tracing::error!(fault = %fault.chain(), "a change of head-room could not be recorded");
        }
    }

    /// Reads the machine.
    pub fn readings(&self) -> Readings {
        let (disk, inodes) = disk(&self.config.snapshot().store);
        Readings {
            disk,
            inodes,
            memory: memory::at_hand().unwrap_or(100),
            commit: self.store.take_longest_commit(),
            queue: self.queue.len(),
        }
    }
}

/// Octets of the disk and hundredths of its files that are free. A disk that does not answer has none.
fn disk(store: &Path) -> (u64, u64) {
    let Ok(found) = rustix::fs::statvfs(store) else {
        return (0, 0);
    };
    let of = |free: u64, all: u64| match all {
        // A file system that does not count its files has as many as it wants.
        0 => 100,
        all => free.saturating_mul(100) / all,
    };
    (
        found.f_bavail.saturating_mul(found.f_frsize),
        of(found.f_favail, found.f_files),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Readings {
        Readings {
            disk: 80,
            inodes: 80,
            memory: 80,
            commit: Duration::from_millis(5),
            queue: 10,
        }
    }

    fn of(readings: Readings, before: &HeadRoom) -> HeadRoom {
        let rules = HeadRoomRules {
            disk: Span {
                nothing: 3,
                all: 15,
            },
            ..HeadRoomRules::default()
        };
        HeadRoom::of(&rules, &readings, before)
    }

    #[test]
    fn each_measure_alone_takes_all_room_away() {
        let all = HeadRoom::default();
        assert_eq!(of(good(), &all), all);
        let bad = [
            Readings { disk: 3, ..good() },
            Readings {
                inodes: 0,
                ..good()
            },
            Readings {
                memory: 1,
                ..good()
            },
            Readings {
                commit: Duration::from_secs(60),
                ..good()
            },
            Readings {
                queue: 3_000_000,
                ..good()
            },
        ];
        for (number, readings) in bad.into_iter().enumerate() {
            let room = of(readings, &all);
            assert_eq!((room.percent, room.least), (0, None), "{readings:?}");
            let at: Vec<u8> = room.measures.iter().map(|(_, share)| *share).collect();
            assert_eq!(at.iter().filter(|share| **share == 0).count(), 1, "{at:?}");
            assert_eq!(at[number], 0, "{at:?}");
        }
    }

    #[test]
    fn as_room_sinks_routine_goes_first_and_flash_nearly_last_and_they_come_back_later() {
        // The disk goes from 3 to 15: each is a good eighth of the room.
        let mut room = HeadRoom::default();
        let mut down = Vec::new();
        for disk in (2..=16).rev() {
            room = of(Readings { disk, ..good() }, &room);
            down.push((room.percent, room.least));
        }
        let mut orders: Vec<_> = down.iter().map(|(_, least)| *least).collect();
        orders.dedup();
        let named = |precedence| Some(precedence);
        assert_eq!(
            orders,
            [
                named(Precedence::Deferred),
                named(Precedence::Routine),
                named(Precedence::Priority),
                named(Precedence::Immediate),
                named(Precedence::Flash),
                None,
            ]
        );
        assert!(down.windows(2).all(|pair| pair[1].0 <= pair[0].0));
        // Between the bound and the margin above it stays as it was, from whichever side.
        let at = |percent: u8| {
            let rules = HeadRoomRules {
                disk: Span {
                    nothing: 0,
                    all: 100,
                },
                ..HeadRoomRules::default()
            };
            move |before: &HeadRoom| {
                let disk = percent.into();
                HeadRoom::of(&rules, &Readings { disk, ..good() }, before)
            }
        };
        let shed = at(39)(&HeadRoom::default());
        assert!(!shed.takes(Precedence::Routine) && shed.takes(Precedence::Priority));
        assert!(!at(44)(&shed).takes(Precedence::Routine));
        assert!(at(45)(&shed).takes(Precedence::Routine));
        assert!(at(44)(&HeadRoom::default()).takes(Precedence::Routine));
    }

    #[test]
    fn this_machine_can_be_read() {
        let (disk, inodes) = disk(&std::env::temp_dir());
        assert!(disk > 1 << 20 && inodes <= 100);
        assert_eq!(super::disk(Path::new("/there/is/no/such/disk")), (0, 0));
    }
}
