//! What was put into the queue lately: whoever delivers it need not read from the disk what the
//! switch has just written there.
//!
//! Promises: nothing is here that is not durable; what is here is what the store holds, row and body;
//! so many octets and no more, the oldest go first. Each entry is given out once: an attempt after
//! the first reads from the disk, as does every attempt after a restart.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Applied;
use super::rows::EntryRow;
use crate::message::EntryId;

/// So many octets of bodies are kept.
const OCTETS: usize = 8 << 20;

/// Entries that were committed a moment ago.
#[derive(Default)]
pub(super) struct Fresh(Mutex<Lately>);

#[derive(Default)]
struct Lately {
    entries: HashMap<EntryId, (EntryRow, Arc<[u8]>)>,
    /// In the order in which they came; some are gone already.
    order: VecDeque<EntryId>,
    octets: usize,
}

impl Fresh {
    /// Takes in what has just become durable, with the bodies of entries that are new.
    pub(super) fn follow(&self, applied: &[Applied], mut bodies: HashMap<EntryId, Arc<[u8]>>) {
        let mut lately = self.lock();
        for applied in applied {
            match applied {
                Applied::Entry(row) => match bodies.remove(&row.id) {
                    Some(body) => lately.keep(EntryRow::clone(row), body),
                    None => drop(lately.remove(row.id)),
                },
                Applied::EntryGone(id) => drop(lately.remove(*id)),
                _ => {}
            }
        }
    }

    /// Gives an entry out, if it is here.
    pub(super) fn take(&self, id: EntryId) -> Option<(EntryRow, Arc<[u8]>)> {
        self.lock().remove(id)
    }

    /// Forgets everything: what is true is on the disk.
    pub(super) fn clear(&self) {
        *self.lock() = Lately::default();
    }

    fn lock(&self) -> MutexGuard<'_, Lately> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lately {
    fn keep(&mut self, row: EntryRow, body: Arc<[u8]>) {
        if body.len() > OCTETS {
            return;
        }
        self.octets += body.len();
        self.order.push_back(row.id);
        self.entries.insert(row.id, (row, body));
        while self.octets > OCTETS
            && let Some(oldest) = self.order.pop_front()
        {
            self.remove(oldest);
        }
        // Most are taken soon, and in about the order in which they came.
        while let Some(first) = self.order.front()
            && !self.entries.contains_key(first)
        {
            self.order.pop_front();
        }
    }

    fn remove(&mut self, id: EntryId) -> Option<(EntryRow, Arc<[u8]>)> {
        let found = self.entries.remove(&id)?;
        self.octets -= found.1.len();
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;

    fn put(fresh: &Fresh, n: u8, octets: usize) {
        let row = entry(n);
        let bodies = HashMap::from([(row.id, vec![n; octets].into())]);
        fresh.follow(&[Applied::Entry(Box::new(row))], bodies);
    }

    #[test]
    fn an_entry_is_given_out_once_and_not_after_it_changed() {
        let fresh = Fresh::default();
        put(&fresh, 1, 10);
        let (row, body) = fresh.take(entry(1).id).unwrap();
        assert_eq!((row, &*body), (entry(1), &[1; 10][..]));
        assert!(fresh.take(entry(1).id).is_none());
        for change in [
            Applied::Entry(Box::new(entry(2))),
            Applied::EntryGone(entry(2).id),
        ] {
            put(&fresh, 2, 10);
            put(&fresh, 3, 10);
            fresh.follow(&[change], HashMap::new());
            assert!(fresh.take(entry(2).id).is_none());
            assert!(fresh.take(entry(3).id).is_some(), "the others stay");
        }
        put(&fresh, 4, 10);
        fresh.clear();
        assert!(fresh.take(entry(4).id).is_none());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_octets() {
        let fresh = Fresh::default();
        for n in 1..=5 {
            put(&fresh, n, OCTETS / 4);
        }
        put(&fresh, 6, OCTETS + 1);
        let is_there = |n| fresh.take(entry(n).id).is_some();
        assert_eq!([1, 2, 5, 6].map(is_there), [false, true, true, false]);
        assert_eq!(fresh.lock().octets, OCTETS / 2);
        // What was taken is not remembered for ever.
        put(&fresh, 7, 1);
        assert!(fresh.lock().order.len() <= 6);
    }
}
