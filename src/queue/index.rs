//! The queue in memory: which entry goes next. Follows from the store, kept by what it commits.
//!
//! Order: precedence, then the earlier end of life, then arrival.
//! Between next hops, at the same precedence: the one with the fewest deliveries in hand, so that a
//! long queue for one holds up no other.
//! Promises: an entry is in one pair of hands at a time; some slots and some connections to each
//! next hop are kept for Immediate and above, so that no flood of others holds these up.
//! Standards: RFC 6710 §5 (overtaking by priority).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{Limits, NextHops};
use crate::clock::Timestamp;
use crate::message::{EntryId, Precedence};
use crate::store::{Applied, EntryRow, EntryState};

/// What is known of an entry.
#[derive(Clone, Debug)]
struct Item {
    order: Order,
    due: Timestamp,
    next_hop: Arc<str>,
    state: EntryState,
    tried: bool,
}

/// The place of an entry among those that are due.
type Order = (Reverse<Precedence>, Timestamp, Timestamp, EntryId);

/// The entries for one next hop.
#[derive(Debug, Default)]
struct Hop {
    due: BTreeSet<Order>,
    in_flight: usize,
}

/// An entry in somebody's hands.
#[derive(Debug)]
enum Flight {
    /// An operator's: takes no slot.
    Act,
    /// A delivery's.
    Delivery(Arc<str>),
}

/// Why an entry cannot be taken by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    InFlight,
    NotThere,
}

/// All entries, in the orders in which they are asked for.
#[derive(Debug, Default)]
pub(super) struct Index {
    items: HashMap<EntryId, Item>,
    hops: HashMap<Arc<str>, Hop>,
    waiting: BTreeSet<(Timestamp, EntryId)>,
    lives: BTreeSet<(Timestamp, EntryId)>,
    flights: HashMap<EntryId, Flight>,
    deliveries: usize,
    windows: HashMap<Arc<str>, Window>,
    paused: HashSet<String>,
}

/// How many deliveries to one next hop go on at once, in thousandths. It grows by one when as many
/// deliveries as it has room for have reached the next hop, and shrinks alike: one that is away is
/// probed by one delivery at a time, one that is well is not held back.
#[derive(Clone, Copy, Debug)]
struct Window(usize);

impl Window {
    const ONE: usize = 1000;

    fn of(deliveries: usize) -> Self {
        Self(deliveries.saturating_mul(Self::ONE))
    }

    fn after(self, heard: Heard, limits: &Limits) -> Self {
        let step = Self::ONE * Self::ONE / self.0.max(Self::ONE);
        Self(match heard {
            Heard::Nothing => self.0.saturating_sub(step).max(Self::ONE),
            Heard::Reply => self
                .0
                .saturating_add(step)
                .min(Self::of(limits.widest.max(limits.window)).0),
        })
    }
}

/// Whether a next hop answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It could not be asked.
    Nothing,
    /// It said something, be it yes or no.
    Reply,
}

impl Index {
    /// Takes over what a commit did.
    pub(super) fn apply(&mut self, applied: &Applied) {
        match applied {
            Applied::Entry(row) => self.insert(row),
            Applied::EntryGone(id) => self.remove(*id),
            Applied::Paused(rows) => {
                self.paused = rows.iter().map(|row| row.next_hop.clone()).collect();
            }
            Applied::Draft(_) | Applied::DraftGone(_) => {}
        }
    }

    /// Adds an entry or replaces what is known of it.
    pub(super) fn insert(&mut self, row: &EntryRow) {
        self.remove(row.id);
        let hop = self.hops.get_key_value(row.next_hop.as_str());
        let next_hop = hop.map_or_else(
            || row.next_hop.as_str().into(),
            |(name, _)| Arc::clone(name),
        );
        let item = Item {
            order: (Reverse(row.precedence), row.expires, row.arrived, row.id),
            due: row.due,
            next_hop,
            state: row.state,
            tried: row.attempts > 0,
        };
        self.lives.insert((row.expires, row.id));
        self.items.insert(row.id, item);
        self.queue_up(row.id);
    }

    /// Takes the next entry that is due and may go.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        to: NextHops<'_>,
        limits: &Limits,
    ) -> Option<EntryId> {
        self.promote(now);
        let Self {
            items,
            hops,
            paused,
            windows,
            deliveries,
            ..
        } = self;
        let free = limits.slots.saturating_sub(*deliveries);
        let given_up =
            |order: &Order| order.1 <= now && items.get(&order.3).is_some_and(|i| i.tried);
        let open = hops
            .iter_mut()
            .filter(|(name, _)| to.includes(name) && !paused.contains(&***name));
        let next = open
            .filter_map(|(name, hop)| {
                // What is given up waits in `lives` alone.
                while hop.due.first().is_some_and(given_up) {
                    hop.due.pop_first();
                }
                let order = *hop.due.first()?;
                let kept = if order.0.0 >= Precedence::Immediate {
                    0
                } else {
                    limits.kept_back
                };
                let window = windows
                    .get(name)
                    .map_or(limits.window, |w| w.0 / Window::ONE);
                let window = window.saturating_add(limits.kept_back);
                (free > kept && window.saturating_sub(hop.in_flight) > kept).then_some((
                    order.0,
                    hop.in_flight,
                    order,
                ))
            })
            .min()?
            .2;
        self.take_off(next.3, true);
        Some(next.3)
    }

    /// Takes in what came of a delivery: the window of its next hop grows or shrinks.
    pub(super) fn heard(&mut self, next_hop: &str, heard: Heard, limits: &Limits) {
        let window = self
            .windows
            .entry(next_hop.into())
            .or_insert(Window::of(limits.window));
        *window = window.after(heard, limits);
    }

    /// How many deliveries to a next hop may go on at once.
    pub(super) fn window(&self, next_hop: &str, limits: &Limits) -> usize {
        self.windows
            .get(next_hop)
            .map_or(limits.window, |window| window.0 / Window::ONE)
    }

    /// Takes an entry whose life is over. One that was never tried gets its attempt first.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Option<EntryId> {
        let over = |id: &EntryId| {
            let item = self.items.get(id);
            !self.flights.contains_key(id)
                && item.is_some_and(|item| {
                    let is_held = item.state == EntryState::Held;
                    item.tried || is_held || self.paused.contains(&*item.next_hop)
                })
        };
        let expired = self.lives.range(..=(now, EntryId::new([0xff; 16])));
        let id = expired.map(|(_, id)| *id).find(over)?;
        self.take_off(id, false);
        Some(id)
    }

    /// Takes one entry by its name, for an act of an operator.
    pub(super) fn take_this(&mut self, id: EntryId) -> Result<(), NotTaken> {
        if self.flights.contains_key(&id) {
            return Err(NotTaken::InFlight);
        }
        if !self.items.contains_key(&id) {
            return Err(NotTaken::NotThere);
        }
        self.take_off(id, false);
        Ok(())
    }

    /// Puts an entry back, as it now is, if it still is.
    pub(super) fn give_back(&mut self, id: EntryId) {
        if let Some(Flight::Delivery(name)) = self.flights.remove(&id) {
            self.deliveries = self.deliveries.saturating_sub(1);
            if let Some(hop) = self.hops.get_mut(&name) {
                hop.in_flight = hop.in_flight.saturating_sub(1);
            }
            self.drop_empty(&name);
        }
        self.queue_up(id);
    }

    /// The first moment after `since` at which something becomes due or expires.
    pub(super) fn next_after(&self, since: Timestamp) -> Option<Timestamp> {
        let after = (since, EntryId::new([0xff; 16]));
        let first = |set: &BTreeSet<(Timestamp, EntryId)>| {
            set.range(after..).map(|(at, _)| *at).find(|at| *at > since)
        };
        first(&self.waiting)
            .into_iter()
            .chain(first(&self.lives))
            .min()
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many are being delivered.
    pub(super) fn in_flight(&self) -> usize {
        self.deliveries
    }

    fn remove(&mut self, id: EntryId) {
        let Some(item) = self.items.remove(&id) else {
            return;
        };
        self.lives.remove(&(item.order.1, id));
        self.waiting.remove(&(item.due, id));
        if let Some(hop) = self.hops.get_mut(&item.next_hop) {
            hop.due.remove(&item.order);
        }
        self.drop_empty(&item.next_hop);
    }

    /// Lets an entry wait for its time, unless it is held or in somebody's hands.
    fn queue_up(&mut self, id: EntryId) {
        let Some(item) = self.items.get(&id) else {
            return;
        };
        if item.state == EntryState::Ready && !self.flights.contains_key(&id) {
            self.waiting.insert((item.due, id));
        }
    }

    /// Moves what has become due from waiting to its next hop.
    fn promote(&mut self, now: Timestamp) {
        while let Some(&(due, id)) = self.waiting.first()
            && due <= now
        {
            self.waiting.pop_first();
            if let Some(item) = self.items.get(&id) {
                let hop = self.hops.entry(Arc::clone(&item.next_hop)).or_default();
                hop.due.insert(item.order);
            }
        }
    }

    fn take_off(&mut self, id: EntryId, delivery: bool) {
        let Some(item) = self.items.get(&id) else {
            return;
        };
        self.waiting.remove(&(item.due, id));
        let name = Arc::clone(&item.next_hop);
        if let Some(hop) = self.hops.get_mut(&name) {
            hop.due.remove(&item.order);
            hop.in_flight += usize::from(delivery);
        }
        let flight = if delivery {
            Flight::Delivery(name)
        } else {
            Flight::Act
        };
        self.deliveries += usize::from(delivery);
        self.flights.insert(id, flight);
    }

    fn drop_empty(&mut self, name: &Arc<str>) {
        if self
            .hops
            .get(name)
            .is_some_and(|hop| hop.due.is_empty() && hop.in_flight == 0)
        {
            self.hops.remove(name);
        }
    }
}
