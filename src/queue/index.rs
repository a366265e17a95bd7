//! The queue in memory: which entry goes next. Follows from the store, kept by what it commits.
//!
//! Order: precedence, then the earlier end of life, then arrival.
//! Between next hops, at the same precedence: the one with the fewest deliveries in hand, so that a
//! long queue for one holds up no other.
//! Promises: an entry is in one pair of hands at a time; some slots and some connections to each
//! next hop are kept for Immediate and above, so that no flood of others holds these up; a claim
//! takes as long among a million entries as among a thousand.
//! Standards: RFC 6710 §5 (overtaking by priority).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::hop::Hop;
use super::items::{Item, Items, Longest, Number, Order, Place, micros, timestamp};
use super::steps::Steps;
use super::window::{Heard, Window};
use super::{Limits, NextHops};
use crate::clock::Timestamp;
use crate::message::{EntryId, MessageId, Precedence};
use crate::store::{Applied, EntryBrief, EntryRow, EntryState, MinimizeRow};

mod follow;

/// An entry in somebody's hands.
#[derive(Clone, Copy, Debug)]
enum Flight {
    /// An operator's: takes no slot.
    Act,
    /// A delivery's, to this next hop.
    Delivery(u32),
}

/// Why an entry cannot be taken by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    InFlight,
    NotThere,
}

/// Which time of an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The end of its life.
    Expired,
    /// That by which it should have been delivered.
    Overdue,
}

/// All entries, in the orders in which they are asked for.
#[derive(Debug, Default)]
pub(super) struct Index {
    items: Items,
    /// All of them, in the order of the list.
    listed: BTreeSet<Order>,
    hops: Vec<Hop>,
    names: HashMap<Arc<str>, u32>,
    /// Ends of lives, and times at which entries are overdue.
    watched: BTreeSet<(i64, Number)>,
    flights: HashMap<EntryId, Flight>,
    deliveries: usize,
    minimize: Orders,
    longest: Longest,
    steps: Steps,
}

/// What is told of a next hop.
pub(super) struct NextHop<'i> {
    pub name: &'i Arc<str>,
    pub paused: bool,
    pub in_flight: usize,
    /// How many deliveries may go on at once.
    pub window: usize,
}

/// What is read at start for one next hop.
#[derive(Default)]
struct Loaded {
    due: Vec<Order>,
    waiting: Vec<(i64, Number)>,
}

/// The orders of MINIMIZE that are known, and how often they changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    pub rows: Arc<Vec<MinimizeRow>>,
    pub version: u64,
    /// When the next of them begins or ends.
    next: Option<i64>,
}

impl Index {
    /// An empty one; no wait from one attempt to the next is longer than `longest`.
    pub(super) fn new(longest: Longest) -> Self {
        Self {
            longest,
            ..Self::default()
        }
    }

    /// Takes over what the store read at start.
    pub(super) fn load(&mut self, briefs: Vec<EntryBrief>, now: Timestamp) {
        let now = micros(now);
        self.items.reserve(briefs.len());
        let (mut listed, mut watched) = (Vec::new(), Vec::new());
        let mut parts: HashMap<u32, Loaded> = HashMap::new();
        for brief in briefs {
            let hop = self.hop(&brief.next_hop);
            let mut item = Item::of_brief(&brief, hop);
            item.bound_wait(now, &self.longest);
            let known = self.items.number(item.id);
            if known.is_some() {
                continue;
            }
            item.watched = true;
            let (at, ready, due) = (item.watched_at(), item.state == EntryState::Ready, item.due);
            item.place = match (ready, due <= now) {
                (true, true) => Place::Due,
                (true, false) => Place::Waiting,
                (false, _) => Place::Hands,
            };
            let number = self.items.put(item.clone());
            let order = item.order(number);
            let part = parts.entry(hop).or_default();
            match item.place {
                Place::Due => part.due.push(order),
                Place::Waiting => part.waiting.push((due, number)),
                _ => self.with(number, |hop, item| hop.put_in(number, item, now)),
            }
            listed.push(order);
            watched.push((at, number));
            if let Some(hop) = self.hop_mut(hop) {
                hop.count += 1;
            }
        }
        // From sorted lists, whose nodes are full: as little memory as there can be.
        self.listed = listed
            .into_iter()
            .chain(std::mem::take(&mut self.listed))
            .collect();
        self.watched = watched
            .into_iter()
            .chain(std::mem::take(&mut self.watched))
            .collect();
        for (hop, part) in parts {
            if let Some(hop) = self.hop_mut(hop) {
                let before = (
                    std::mem::take(&mut hop.due),
                    std::mem::take(&mut hop.waiting),
                );
                hop.due = part.due.into_iter().chain(before.0).collect();
                hop.waiting = part.waiting.into_iter().chain(before.1).collect();
            }
        }
    }

    /// Takes over what a commit did.
    pub(super) fn apply(&mut self, applied: &Applied, now: Timestamp) {
        match applied {
            Applied::Entry(row) => self.insert(row, now),
            Applied::EntryGone(id) => self.remove(*id),
            Applied::Minimize(rows) => self.minimize(rows.clone(), now),
            Applied::Paused(rows) => {
                let names: Vec<&str> = rows.iter().map(|row| row.next_hop.as_str()).collect();
                for name in &names {
                    self.hop(name);
                }
                for number in 0..self.hops.len() {
                    let Some(hop) = self.hops.get_mut(number) else {
                        continue;
                    };
                    let was = std::mem::replace(&mut hop.paused, names.contains(&&*hop.name));
                    if hop.paused && !was {
                        // Those whose life was over, but who were to get an attempt first.
                        let all: Vec<Number> = hop.numbers().collect();
                        all.into_iter().for_each(|number| self.watch(number));
                    }
                }
            }
            Applied::Awaited(_)
            | Applied::AwaitedGone(_)
            | Applied::Draft(_)
            | Applied::DraftGone(_) => {}
        }
    }

    /// Adds an entry or replaces what is known of it.
    pub(super) fn insert(&mut self, row: &EntryRow, now: Timestamp) {
        if let Some(number) = self.items.number(row.id) {
            self.detach(number);
        }
        let hop = self.hop(&row.next_hop);
        let mut item = Item::of_row(row, hop);
        item.bound_wait(micros(now), &self.longest);
        let number = self.items.put(item);
        self.with(number, |hop, _| hop.count += 1);
        if let Some(item) = self.items.get(number) {
            self.listed.insert(item.order(number));
        }
        self.watch(number);
        self.queue_up(number, micros(now));
    }

    /// Takes the next entry that is due and may go.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        to: NextHops<'_>,
        limits: &Limits,
    ) -> Option<EntryId> {
        self.take_within(LEAST, now, to, limits)
    }

    /// The same, of Immediate and above alone.
    pub(super) fn take_urgent(&mut self, now: Timestamp, limits: &Limits) -> Option<EntryId> {
        self.take_within(URGENT, now, NextHops::Any, limits)
    }

    fn take_within(
        &mut self,
        least: u8,
        now: Timestamp,
        to: NextHops<'_>,
        limits: &Limits,
    ) -> Option<EntryId> {
        let now = micros(now);
        self.free_parked(now);
        let free = limits.slots.saturating_sub(self.deliveries);
        let mut best: Option<(u8, usize, Order)> = None;
        let mut unparked = Vec::new();
        for hop in &mut self.hops {
            if hop.paused || !to.includes(&hop.name) {
                continue;
            }
            let first = hop.first(&mut self.items, now);
            unparked.append(&mut hop.unparked);
            let Some(order) = first else { continue };
            let kept = match order.urgency() <= URGENT {
                true => 0,
                false => limits.kept_back,
            };
            let window = hop.window.map_or(limits.window, Window::deliveries);
            let room = window
                .saturating_add(limits.kept_back)
                .saturating_sub(hop.in_flight);
            let candidate = (order.urgency(), hop.in_flight, order);
            let may = order.urgency() <= least && free > kept && room > kept;
            if may && best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        for number in unparked {
            self.unwatch(number);
            self.watch(number);
        }
        self.take_off(best?.2.number(), true)
    }

    /// Takes in what came of a delivery: the window of its next hop grows or shrinks.
    pub(super) fn heard(&mut self, next_hop: &str, heard: Heard, limits: &Limits) {
        let number = self.hop(next_hop);
        if let Some(hop) = self.hop_mut(number) {
            let window = hop.window.unwrap_or(Window::of(limits.window));
            hop.window = Some(window.after(heard, limits));
        }
    }

    /// How many deliveries to a next hop may go on at once.
    pub(super) fn window(&self, next_hop: &str, limits: &Limits) -> usize {
        let hop = self.names.get(next_hop).and_then(|n| self.hop_at(*n));
        hop.and_then(|hop| hop.window)
            .map_or(limits.window, Window::deliveries)
    }

    /// Takes an entry whose life is over, or that is overdue. One whose life is over and that was
    /// never tried gets its attempt first.
    pub(super) fn take_over(&mut self, now: Timestamp) -> Option<(EntryId, Over)> {
        let now = micros(now);
        while let Some(&(at, number)) = self.watched.first()
            && at <= now
        {
            self.watched.pop_first();
            let Some(item) = self.items.get_mut(number) else {
                continue;
            };
            item.watched = false;
            let (hop, over) = (item.hop, item.expires <= now);
            let (id, tried, is_aside) = (item.id, item.tried, item.state == EntryState::Held);
            let is_parked = item.parked;
            // It is watched again when it is given back.
            if self.flights.contains_key(&id) {
                continue;
            }
            let is_paused = self.hop_at(hop).is_some_and(|hop| hop.paused);
            match over {
                true if tried || is_aside || is_parked || is_paused => {
                    return Some((self.take_off(number, false)?, Over::Expired));
                }
                // An attempt, or a pause of its next hop, has it looked at again.
                true => {}
                false if is_parked => self.watch(number),
                false => return Some((self.take_off(number, false)?, Over::Overdue)),
            }
        }
        None
    }

    /// Takes one entry by its name, for an act of an operator.
    pub(super) fn take_this(&mut self, id: EntryId) -> Result<(), NotTaken> {
        if self.flights.contains_key(&id) {
            return Err(NotTaken::InFlight);
        }
        let number = self.items.number(id).ok_or(NotTaken::NotThere)?;
        self.take_off(number, false)
            .map(drop)
            .ok_or(NotTaken::NotThere)
    }

    /// Puts an entry back, as it now is, if it still is.
    pub(super) fn give_back(&mut self, id: EntryId, now: Timestamp) {
        if let Some(Flight::Delivery(hop)) = self.flights.remove(&id) {
            self.deliveries = self.deliveries.saturating_sub(1);
            if let Some(hop) = self.hop_mut(hop) {
                hop.in_flight = hop.in_flight.saturating_sub(1);
            }
        }
        if let Some(number) = self.items.number(id) {
            self.queue_up(number, micros(now));
            self.watch(number);
        }
    }

    /// Gives an entry back that waits until the orders of MINIMIZE change, unless they did since
    /// `version`.
    pub(super) fn park(&mut self, id: EntryId, version: u64, now: Timestamp) {
        let number = self.items.number(id);
        if self.minimize.version == version
            && let Some(item) = number.and_then(|n| self.items.get_mut(n))
        {
            item.parked = true;
        }
        self.give_back(id, now);
    }

    /// The orders of MINIMIZE.
    pub(super) fn orders(&self) -> Orders {
        self.minimize.clone()
    }

    /// The first moment after `since` at which something becomes due, expires, or is overdue.
    pub(super) fn next_after(&self, since: Timestamp) -> Option<Timestamp> {
        let since = micros(since);
        let after = |set: &BTreeSet<(i64, Number)>| {
            let later = set.range((since.saturating_add(1), Number(0))..).next();
            later.map(|(at, _)| *at)
        };
        let waiting = self.hops.iter().filter(|hop| !hop.paused);
        waiting
            .filter_map(|hop| after(&hop.waiting))
            .chain(after(&self.watched))
            .chain(self.minimize.next.filter(|next| *next > since))
            .min()
            .map(timestamp)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many there are for a next hop.
    pub(super) fn count(&self, next_hop: &str) -> usize {
        let hop = self.names.get(next_hop).and_then(|n| self.hop_at(*n));
        hop.map_or(0, |hop| hop.count)
    }

    /// How many are being delivered.
    pub(super) fn in_flight(&self) -> usize {
        self.deliveries
    }

    /// The next hop of this number, if there are so many.
    pub(super) fn next_hop(&self, number: usize, limits: &Limits) -> Option<NextHop<'_>> {
        let hop = self.hops.get(number)?;
        Some(NextHop {
            name: &hop.name,
            paused: hop.paused,
            in_flight: hop.in_flight,
            window: hop.window.map_or(limits.window, Window::deliveries),
        })
    }

    /// At most `count` places from this one on, free ones too.
    pub(super) fn part(&self, from: usize, count: usize) -> &[Item] {
        self.items.part(from, count)
    }

    /// At most `limit` entries after `after`, most urgent first, and the place of the last that was
    /// looked at, if there may be more. With a next hop, only its own: then a page may be short.
    pub(super) fn page(
        &self,
        after: Option<Order>,
        next_hop: Option<&str>,
        limit: usize,
    ) -> (Vec<EntryId>, Option<Order>) {
        /// So many are looked at for one page.
        const LOOKED_AT: usize = 50_000;
        let wanted = match next_hop.map(|name| self.names.get(name)) {
            None => None,
            Some(Some(hop)) => Some(*hop),
            Some(None) => return (Vec::new(), None),
        };
        let from = match after {
            Some(order) => std::ops::Bound::Excluded(order),
            None => std::ops::Bound::Unbounded,
        };
        let (mut found, mut last) = (Vec::new(), None);
        let mut orders = self.listed.range((from, std::ops::Bound::Unbounded));
        for order in orders.by_ref().take(LOOKED_AT) {
            last = Some(*order);
            let item = self.items.get(order.number());
            if let Some(item) = item.filter(|item| wanted.is_none_or(|hop| item.hop == hop)) {
                found.push(item.id);
            }
            if found.len() >= limit {
                break;
            }
        }
        let more = orders.next().is_some();
        (found, last.filter(|_| more))
    }

    /// The entries for a next hop, most urgent first.
    pub(super) fn of_hop(&self, next_hop: &str) -> Vec<EntryId> {
        let Some(&number) = self.names.get(next_hop) else {
            return Vec::new();
        };
        let hop = self.hop_at(number);
        let waiting = hop.into_iter().flat_map(Hop::numbers);
        let in_hands = self.flights.keys().filter_map(|id| self.items.number(*id));
        let items = waiting.chain(in_hands).filter_map(|n| {
            let item = self.items.get(n).filter(|item| item.hop == number)?;
            Some((item.order(n), item.id))
        });
        let mut found: Vec<_> = items.collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Entries that may be of a message: their rows tell.
    pub(super) fn maybe_of(&self, message: MessageId) -> Vec<EntryId> {
        self.items.maybe_of(message).map(|item| item.id).collect()
    }

    fn remove(&mut self, id: EntryId) {
        if let Some(number) = self.items.number(id) {
            self.detach(number);
            self.items.remove(number);
        }
    }

    /// Takes an entry out of every order; what is known of it stays.
    fn detach(&mut self, number: Number) {
        self.unwatch(number);
        self.with(number, |hop, item| {
            hop.take_out(number, item);
            hop.count = hop.count.saturating_sub(1);
        });
        if let Some(item) = self.items.get(number) {
            self.listed.remove(&item.order(number));
        }
    }

    /// Lets an entry wait for its time, unless it is in somebody's hands.
    fn queue_up(&mut self, number: Number, now: i64) {
        let in_hands =
            |item: &Item| item.place != Place::Hands || self.flights.contains_key(&item.id);
        if self.items.get(number).is_none_or(in_hands) {
            return;
        }
        self.with(number, |hop, item| hop.put_in(number, item, now));
    }

    fn take_off(&mut self, number: Number, delivery: bool) -> Option<EntryId> {
        let item = self.items.get(number)?;
        let (id, hop) = (item.id, item.hop);
        self.with(number, |hop, item| {
            hop.take_out(number, item);
            hop.in_flight += usize::from(delivery);
        });
        self.deliveries += usize::from(delivery);
        let flight = match delivery {
            true => Flight::Delivery(hop),
            false => Flight::Act,
        };
        self.flights.insert(id, flight);
        Some(id)
    }

    fn watch(&mut self, number: Number) {
        if let Some(item) = self.items.get_mut(number)
            && !item.watched
        {
            item.watched = true;
            self.watched.insert((item.watched_at(), number));
        }
    }

    fn unwatch(&mut self, number: Number) {
        let Some(item) = self.items.get_mut(number) else {
            return;
        };
        if std::mem::take(&mut item.watched) {
            // It may have been parked or freed since.
            self.watched.remove(&(item.expires, number));
            self.watched
                .remove(&(item.expires.min(item.overdue), number));
        }
    }

    fn minimize(&mut self, rows: Vec<MinimizeRow>, now: Timestamp) {
        self.minimize.rows = Arc::new(rows);
        self.release_parked(micros(now));
    }

    /// What MINIMIZE holds back is looked at again when an order begins or ends.
    fn free_parked(&mut self, now: i64) {
        if self.minimize.next.is_some_and(|next| next <= now) {
            self.release_parked(now);
        }
    }

    fn release_parked(&mut self, now: i64) {
        self.minimize.version += 1;
        let times = self.minimize.rows.iter();
        let times = times.flat_map(|row| [Some(row.from), row.until]);
        let times = times.flatten().map(micros);
        self.minimize.next = times.filter(|at| *at > now).min();
        for hop in &mut self.hops {
            hop.freed.append(&mut hop.parked);
        }
    }

    fn hop(&mut self, name: &str) -> u32 {
        if let Some(known) = self.names.get(name) {
            return *known;
        }
        let hop = Hop::new(name);
        let number = u32::try_from(self.hops.len()).unwrap_or(u32::MAX);
        self.names.insert(Arc::clone(&hop.name), number);
        self.hops.push(hop);
        number
    }

    fn hop_at(&self, number: u32) -> Option<&Hop> {
        self.hops.get(usize::try_from(number).ok()?)
    }

    fn hop_mut(&mut self, number: u32) -> Option<&mut Hop> {
        self.hops.get_mut(usize::try_from(number).ok()?)
    }

    /// Works on an entry and its next hop.
    fn with(&mut self, number: Number, work: impl FnOnce(&mut Hop, &mut Item)) {
        if let Some(item) = self.items.get_mut(number)
            && let Ok(hop) = usize::try_from(item.hop)
            && let Some(hop) = self.hops.get_mut(hop)
        {
            work(hop, item);
        }
    }
}

/// That of the least urgent precedence.
const LEAST: u8 = Precedence::Override as u8;
/// The least urgency that slots and connections are kept for.
const URGENT: u8 = Precedence::Override as u8 - Precedence::Immediate as u8;
