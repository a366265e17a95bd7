//! The rows that are there, as far as the committer must know them: little, for there may be a
//! million of them.
//!
//! Promises: a row is found by its name; what its body's file is called is kept for those alone that
//! have one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::bodies::Place;
use crate::message::{DraftId, EntryId};

/// All rows.
#[derive(Default)]
pub(super) struct Index {
    pub(super) drafts: Rows<DraftId>,
    pub(super) entries: Rows<EntryId>,
}

/// The rows of one kind.
pub(super) struct Rows<I> {
    /// How often each was updated: as much of that number as tells one reading from the next.
    revisions: BTreeMap<I, u32>,
    /// Where the body is, of those that have a file of their own.
    files: HashMap<I, Place>,
}

impl<I> Default for Rows<I> {
    fn default() -> Self {
        Self {
            revisions: BTreeMap::new(),
            files: HashMap::new(),
        }
    }
}

/// Four thousand million updates of one row do not happen between its reading and its next update.
fn short(revision: u64) -> u32 {
    u32::try_from(revision & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

impl<I: Copy + Eq + Hash + Ord> Rows<I> {
    /// A row is there, or is as it now is.
    pub(super) fn insert(&mut self, id: I, revision: u64, body: &Place) {
        self.revisions.insert(id, short(revision));
        match body {
            Place::File { .. } => drop(self.files.insert(id, body.clone())),
            Place::Inline => drop(self.files.remove(&id)),
        }
    }

    /// Takes over what was read at start, in the order of names, with as little memory as there can
    /// be: a tree that is made of a sorted list has full nodes.
    pub(super) fn load(&mut self, sorted: Vec<(I, u64)>) {
        let short = sorted.into_iter().map(|(id, rev)| (id, short(rev)));
        self.revisions = short.collect();
    }

    /// Where the body of a row is whose revision [`Rows::load`] takes over.
    pub(super) fn place(&mut self, id: I, body: Place) {
        if matches!(body, Place::File { .. }) {
            self.files.insert(id, body);
        }
    }

    /// A row is gone; where its body was, if it was there.
    pub(super) fn remove(&mut self, id: &I) -> Option<Place> {
        self.revisions.remove(id)?;
        Some(self.files.remove(id).unwrap_or(Place::Inline))
    }

    /// Whether a row is there, and then whether it is that of this revision.
    pub(super) fn is_at(&self, id: &I, revision: u64) -> Option<bool> {
        self.revisions
            .get(id)
            .map(|known| *known == short(revision))
    }

    /// Where the body of a row is.
    pub(super) fn body(&self, id: &I) -> Place {
        self.files.get(id).cloned().unwrap_or(Place::Inline)
    }

    /// Every body that has a file of its own.
    pub(super) fn files(&self) -> impl Iterator<Item = &Place> {
        self.files.values()
    }

    /// The rows of which one index knows something that the other does not.
    pub(super) fn differing(&self, other: &Self) -> HashSet<I> {
        let all = self.revisions.keys().chain(other.revisions.keys());
        all.filter(|id| self.revisions.get(id) != other.revisions.get(id))
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_known_by_name_and_revision_and_its_file_goes_with_it() {
        let mut rows = Rows::<u32>::default();
        let file = Place::File {
            name: "one".into(),
            key: zeroize::Zeroizing::new(String::new()),
        };
        rows.load(vec![(1, 7), (2, 1)]);
        rows.place(1, file.clone());
        rows.place(2, Place::Inline);
        assert_eq!(
            [1, 2, 3].map(|id| rows.is_at(&id, 7)),
            [Some(true), Some(false), None]
        );
        let mut later = Rows::<u32>::default();
        later.load(vec![(1, 7), (3, 1)]);
        assert_eq!(rows.differing(&later), HashSet::from([2, 3]));
        rows.insert(2, u64::from(u32::MAX) + 2, &file);
        assert_eq!(rows.is_at(&2, u64::from(u32::MAX) + 2), Some(true));
        assert_eq!(rows.is_at(&2, u64::from(u32::MAX) + 1), Some(false));
        assert_eq!(rows.files().count(), 2);
        assert!(matches!(rows.remove(&1), Some(Place::File { .. })));
        assert!(rows.remove(&1).is_none());
        assert!(matches!(rows.body(&1), Place::Inline));
        rows.insert(2, 3, &Place::Inline);
        assert!(matches!(rows.remove(&2), Some(Place::Inline)));
        assert_eq!(rows.files().count(), 0);
    }

    #[test]
    fn a_row_costs_so_many_octets() {
        const MANY: u64 = 100_000;
        let mut rows = Rows::<EntryId>::default();
        let name = |n: u64| EntryId::new(u128::from(n).to_be_bytes());
        let loaded = allocation_counter::measure(|| {
            rows.load((0..MANY).map(|n| (name(n), 1)).collect());
        });
        let each = loaded.bytes_current as f64 / MANY as f64;
        assert!((20.0..25.0).contains(&each), "{each}");
        // One after the other they leave room in the tree.
        let mut rows = Rows::<EntryId>::default();
        let one_by_one = allocation_counter::measure(|| {
            (0..MANY).for_each(|n| rows.insert(name(n), 1, &Place::Inline));
        });
        let each = one_by_one.bytes_current as f64 / MANY as f64;
        assert!((20.0..45.0).contains(&each), "{each}");
    }
}
