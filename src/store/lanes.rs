//! Two lanes to the one thread that writes: what is urgent does not wait behind what is not.
//!
//! Promises: a change of Immediate and above goes into the very next group, however many others
//! wait, and shares it with few of them; others go on beside a flood of urgent ones; in each lane
//! the order is that of arrival. A group is bounded in changes and octets, so that the one that is
//! being written when an urgent change comes is over soon.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Store;
use crate::message::Precedence;

/// How many changes go together, in changes and octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// So many share one transaction at most, unless one change alone has more octets.
    pub most: (usize, usize),
    /// So many others go beside urgent changes.
    pub beside: (usize, usize),
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            most: (256, 4 << 20),
            beside: (8, 64 << 10),
        }
    }
}

impl Store {
    /// From now on so many changes share one commit.
    pub fn set_groups(&self, groups: Groups) {
        self.inner.jobs.set_groups(groups);
    }
}

/// Where changes wait for the committer.
pub(super) struct Lanes<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

/// What came of waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<T> {
    /// The lanes are closed and empty.
    Closed,
    /// Changes, at least one.
    Group(Vec<T>),
    /// The time was over.
    Nothing,
}

struct Waiting<T> {
    urgent: VecDeque<(usize, T)>,
    others: VecDeque<(usize, T)>,
    groups: Groups,
    is_open: bool,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                urgent: VecDeque::new(),
                others: VecDeque::new(),
                groups: Groups::default(),
                is_open: true,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Lanes<T> {
    /// Puts `change`, of so many octets, into its lane. Gives it back when nobody will take it.
    pub(super) fn put(&self, precedence: Precedence, octets: usize, change: T) -> Result<(), T> {
        let mut waiting = self.lock();
        if !waiting.is_open {
            return Err(change);
        }
        match precedence >= Precedence::Immediate {
            true => waiting.urgent.push_back((octets, change)),
            false => waiting.others.push_back((octets, change)),
        }
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// From now on so many changes go together.
    pub(super) fn set_groups(&self, groups: Groups) {
        self.lock().groups = groups;
    }

    /// Waits for changes, not longer than `patience` where there is one, and takes the next group.
    pub(super) fn take(&self, patience: Option<Duration>) -> Taken<T> {
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        let mut waiting = self.lock();
        loop {
            let mut group = Vec::new();
            let Groups { most, beside } = waiting.groups;
            draw(&mut waiting.urgent, most, &mut group);
            let room = match group.is_empty() {
                true => most,
                false => beside,
            };
            draw(&mut waiting.others, room, &mut group);
            if !group.is_empty() {
                return Taken::Group(group);
            }
            if !waiting.is_open {
                return Taken::Closed;
            }
            waiting = match until {
                None => self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Taken::Nothing;
                    }
                    let waited = self.changed.wait_timeout(waiting, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Takes nothing more in; what waits is still taken out.
    pub(super) fn close(&self) {
        self.lock().is_open = false;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves the first ones of `lane` to `group`: one in any case, more as far as there is room.
fn draw<T>(
    lane: &mut VecDeque<(usize, T)>,
    (mut changes, mut octets): (usize, usize),
    group: &mut Vec<T>,
) {
    let mut is_first = true;
    while let Some((size, _)) = lane.front()
        && changes > 0
        && (is_first || *size <= octets)
        && let Some((size, change)) = lane.pop_front()
    {
        (changes, octets, is_first) = (changes - 1, octets.saturating_sub(size), false);
        group.push(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<T>(lanes: &Lanes<T>) -> Vec<T> {
        match lanes.take(None) {
            Taken::Group(group) => group,
            Taken::Closed | Taken::Nothing => Vec::new(),
        }
    }

    #[test]
    fn an_urgent_change_waits_behind_no_batch_and_a_flood_of_them_stops_nothing() {
        let lanes = Lanes::default();
        for n in 0..1000 {
            lanes.put(Precedence::Priority, 10, n).unwrap();
        }
        lanes.put(Precedence::Flash, 10, 5000).unwrap();
        lanes.put(Precedence::Immediate, 10, 5001).unwrap();
        let first = taken(&lanes);
        assert_eq!(first, [5000, 5001, 0, 1, 2, 3, 4, 5, 6, 7]);
        let second = taken(&lanes);
        assert_eq!(second, (8..8 + 256).collect::<Vec<_>>());
        for n in 0..300 {
            lanes.put(Precedence::Override, 10, 5000 + n).unwrap();
        }
        let flooded = taken(&lanes);
        assert_eq!(flooded.len(), 256 + 8);
        assert!(flooded.contains(&264), "the others go on");
    }

    #[test]
    fn a_group_is_bounded_in_octets_but_for_one_that_is_larger() {
        let lanes = Lanes::default();
        let (_, octets) = Groups::default().most;
        for size in [octets + 1, octets / 2, octets / 2, 1] {
            lanes.put(Precedence::Routine, size, size).unwrap();
        }
        assert_eq!(taken(&lanes), [octets + 1]);
        assert_eq!(taken(&lanes), [octets / 2, octets / 2]);
        assert_eq!(taken(&lanes), [1]);
    }

    #[test]
    fn groups_are_as_large_as_the_operator_says() {
        let lanes = Lanes::default();
        lanes.set_groups(Groups {
            most: (3, 1000),
            beside: (1, 15),
        });
        for n in 0..5 {
            lanes.put(Precedence::Routine, 10, n).unwrap();
        }
        lanes.put(Precedence::Flash, 10, 9).unwrap();
        assert_eq!(taken(&lanes), [9, 0]);
        assert_eq!(taken(&lanes), [1, 2, 3]);
        assert_eq!(taken(&lanes), [4]);
    }

    #[test]
    fn closed_lanes_take_nothing_in_and_give_out_what_waits() {
        let lanes = Lanes::default();
        lanes.put(Precedence::Routine, 1, "a").unwrap();
        lanes.close();
        assert_eq!(lanes.put(Precedence::Flash, 1, "b"), Err("b"));
        assert_eq!(lanes.take(None), Taken::Group(vec!["a"]));
        assert_eq!(lanes.take(None), Taken::Closed);
        let open = Lanes::<u8>::default();
        assert_eq!(open.take(Some(Duration::ZERO)), Taken::Nothing);
    }
}
