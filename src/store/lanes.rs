//! Three lanes to the one thread that writes: what is urgent does not wait behind what is not, and
//! what nobody waits for goes with the others.
//!
//! Promises: a change of Immediate and above goes into the very next group, however many others
//! wait, and shares it with few of them; others go on beside a flood of urgent ones; in each lane
//! the order is that of arrival. A patient change waits for company, but never longer than
//! [`PATIENCE`]. A group is bounded in changes and octets, so that the one that is being written when
//! an urgent change comes is over soon.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Store;

/// How many changes of one lane go together, in changes and octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// So many share one transaction at most, unless one change alone has more octets.
    pub most: (usize, usize),
    /// So many of each other lane go beside urgent changes.
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

/// So long a patient change waits for others to share a sync with.
const PATIENCE: Duration = Duration::from_millis(3);
/// So many patient changes are company enough for each other.
const COMPANY: usize = 8;

/// Which lane a change goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Before all others.
    Urgent,
    /// As soon as it can.
    Prompt,
    /// With others, or a little later.
    Patient,
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
    prompt: VecDeque<(usize, T)>,
    patient: VecDeque<(usize, T)>,
    /// When the first patient change has waited long enough.
    at_last: Option<Instant>,
    groups: Groups,
    is_open: bool,
}

impl<T> Waiting<T> {
    /// Whether the patient ones have waited long enough, or are enough.
    fn is_time(&self, now: Instant) -> bool {
        let is_late = self.at_last.is_some_and(|at| at <= now);
        is_late || self.patient.len() >= COMPANY || !self.is_open
    }

    /// The next group; empty when there is none yet.
    fn group(&mut self, now: Instant) -> Vec<T> {
        let mut group = Vec::new();
        let Groups { most, beside } = self.groups;
        draw(&mut self.urgent, most, &mut group);
        let room = match group.is_empty() {
            true => most,
            false => beside,
        };
        draw(&mut self.prompt, room, &mut group);
        // Each lane has room of its own: no flood in one stops another.
        if !group.is_empty() || self.is_time(now) {
            draw(&mut self.patient, room, &mut group);
        }
        if self.patient.is_empty() {
            self.at_last = None;
        }
        group
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                urgent: VecDeque::new(),
                prompt: VecDeque::new(),
                patient: VecDeque::new(),
                at_last: None,
                groups: Groups::default(),
                is_open: true,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Lanes<T> {
    /// Puts `change`, of so many octets, into its lane. Gives it back when nobody will take it.
    pub(super) fn put(&self, lane: Lane, octets: usize, change: T) -> Result<(), T> {
        let mut waiting = self.lock();
        if !waiting.is_open {
            return Err(change);
        }
        let is_news = match lane {
            Lane::Urgent => {
                waiting.urgent.push_back((octets, change));
                true
            }
            Lane::Prompt => {
                waiting.prompt.push_back((octets, change));
                true
            }
            Lane::Patient => {
                waiting.patient.push_back((octets, change));
                let is_first = waiting.at_last.is_none();
                if is_first {
                    waiting.at_last = Instant::now().checked_add(PATIENCE);
                }
                is_first || waiting.patient.len() == COMPANY
            }
        };
        drop(waiting);
        if is_news {
            self.changed.notify_one();
        }
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
            let now = Instant::now();
            let group = waiting.group(now);
            if !group.is_empty() {
                return Taken::Group(group);
            }
            if !waiting.is_open {
                return Taken::Closed;
            }
            if until.is_some_and(|until| until <= now) {
                return Taken::Nothing;
            }
            waiting = match until.into_iter().chain(waiting.at_last).min() {
                None => self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let left = next.saturating_duration_since(now);
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
            lanes.put(Lane::Prompt, 10, n).unwrap();
        }
        lanes.put(Lane::Urgent, 10, 5000).unwrap();
        lanes.put(Lane::Urgent, 10, 5001).unwrap();
        let first = taken(&lanes);
        assert_eq!(first, [5000, 5001, 0, 1, 2, 3, 4, 5, 6, 7]);
        let second = taken(&lanes);
        assert_eq!(second, (8..8 + 256).collect::<Vec<_>>());
        for n in 0..300 {
            lanes.put(Lane::Urgent, 10, 5000 + n).unwrap();
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
            lanes.put(Lane::Prompt, size, size).unwrap();
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
            lanes.put(Lane::Prompt, 10, n).unwrap();
        }
        lanes.put(Lane::Urgent, 10, 9).unwrap();
        assert_eq!(taken(&lanes), [9, 0]);
        assert_eq!(taken(&lanes), [1, 2, 3]);
        assert_eq!(taken(&lanes), [4]);
    }

    #[test]
    fn closed_lanes_take_nothing_in_and_give_out_what_waits() {
        let lanes = Lanes::default();
        lanes.put(Lane::Prompt, 1, "a").unwrap();
        lanes.close();
        assert_eq!(lanes.put(Lane::Urgent, 1, "b"), Err("b"));
        assert_eq!(lanes.take(None), Taken::Group(vec!["a"]));
        assert_eq!(lanes.take(None), Taken::Closed);
        let open = Lanes::<u8>::default();
        assert_eq!(open.take(Some(Duration::ZERO)), Taken::Nothing);
    }

    #[test]
    fn a_patient_change_goes_with_others_or_in_company_or_when_it_has_waited() {
        // With others, after them.
        let lanes = Lanes::default();
        lanes.put(Lane::Patient, 1, 1).unwrap();
        lanes.put(Lane::Prompt, 1, 2).unwrap();
        assert_eq!(taken(&lanes), [2, 1]);
        lanes.put(Lane::Patient, 1, 3).unwrap();
        lanes.put(Lane::Urgent, 1, 4).unwrap();
        assert_eq!(taken(&lanes), [4, 3]);
        // In company, and none before.
        let now = Instant::now();
        let mut waiting = Waiting {
            urgent: VecDeque::new(),
            prompt: VecDeque::new(),
            patient: VecDeque::from([(1, 0)]),
            at_last: now.checked_add(PATIENCE),
            groups: Groups::default(),
            is_open: true,
        };
        assert!(waiting.group(now).is_empty());
        waiting.patient.extend((1..COMPANY).map(|n| (1, n)));
        assert_eq!(waiting.group(now).len(), COMPANY);
        assert_eq!(waiting.at_last, None, "the next one waits anew");
        // Alone, when its time has come; at once, when nothing more comes.
        let lanes = Lanes::default();
        let began = Instant::now();
        lanes.put(Lane::Patient, 1, 5).unwrap();
        assert_eq!(taken(&lanes), [5]);
        assert!(began.elapsed() >= PATIENCE);
        waiting.patient.push_back((1, 6));
        waiting.at_last = now.checked_add(Duration::from_secs(1000));
        assert!(waiting.group(now).is_empty());
        waiting.is_open = false;
        assert_eq!(waiting.group(now), [6]);
    }

    #[test]
    fn no_flood_of_prompt_changes_holds_up_a_patient_one() {
        let lanes = Lanes::default();
        lanes.put(Lane::Patient, 1, 9999).unwrap();
        for n in 0..1000 {
            lanes.put(Lane::Prompt, 4 << 20, n).unwrap();
        }
        assert_eq!(taken(&lanes), [0, 9999]);
    }
}
