//! The entries in memory: 64 octets each, found by name or by a small number.
//!
//! Promises: a number stands for one entry until that is taken out; then for another one, perhaps.
//! Names are kept once, in the entries; the table that finds them has numbers only.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

use hashbrown::HashTable;

use super::operator::NotACursor;
use crate::clock::Timestamp;
use crate::message::{EntryId, MessageId, Precedence};
use crate::store::{EntryBrief, EntryRow, EntryState};

/// Which of the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number(pub(super) u32);

/// The place of an entry in the order: urgency (0 is the most), end of life, arrival, number; the
/// times in milliseconds. One number, because several trees hold it for each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order(u128);

impl Order {
    /// So many bits are a time: enough for two thousand years from 1970, and later is then.
    const TIME: u32 = 46;
    const LATEST: u64 = (1 << Self::TIME) - 1;
    const NUMBER: u32 = u32::BITS;
    const URGENCY: u32 = Self::NUMBER + 2 * Self::TIME;

    fn of(urgency: u8, expires: u64, arrived: u64, number: Number) -> Self {
        let time = |milliseconds: u64| u128::from(milliseconds.min(Self::LATEST));
        Self(
            u128::from(urgency) << Self::URGENCY
                | time(expires) << (Self::NUMBER + Self::TIME)
                | time(arrived) << Self::NUMBER
                | u128::from(number.0),
        )
    }

    fn part(self, from: u32, bits: u32) -> u64 {
        u64::try_from(self.0 >> from & ((1 << bits) - 1)).unwrap_or(u64::MAX)
    }

    /// How urgent it is; 0 is the most.
    pub(super) fn urgency(self) -> u8 {
        u8::try_from(self.part(Self::URGENCY, u128::BITS - Self::URGENCY)).unwrap_or(u8::MAX)
    }

    /// Which entry.
    pub(super) fn number(self) -> Number {
        Number(u32::try_from(self.part(0, Self::NUMBER)).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expires = self.part(Self::NUMBER + Self::TIME, Self::TIME);
        let arrived = self.part(Self::NUMBER, Self::TIME);
        let number = self.number().0;
        write!(f, "{}.{expires}.{arrived}.{number}", self.urgency())
    }
}

impl FromStr for Order {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let mut parts = text.splitn(4, '.');
        let mut part = || parts.next().ok_or(NotACursor);
        let urgency: u8 = part()?.parse().map_err(|_| NotACursor)?;
        let expires = part()?.parse().map_err(|_| NotACursor)?;
        let arrived = part()?.parse().map_err(|_| NotACursor)?;
        let number = Number(part()?.parse().map_err(|_| NotACursor)?);
        match urgency <= Precedence::Override.number() {
            true => Ok(Self::of(urgency, expires, arrived, number)),
            false => Err(NotACursor),
        }
    }
}

/// Where an entry waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Held, or given up.
    Aside,
    /// Among those that may go.
    Due,
    /// In somebody's hands, or nowhere yet.
    Hands,
    /// Held back by MINIMIZE.
    Parked,
    /// Its number is free.
    Free,
    /// For its time.
    Waiting,
}

/// What is known of an entry. Times are microseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub id: EntryId,
    pub expires: i64,
    pub arrived: i64,
    pub due: i64,
    /// When it is overdue; `i64::MAX` when nobody is to be told.
    pub overdue: i64,
    /// The first octets of the message's name.
    message: u32,
    /// Which next hop.
    pub hop: u32,
    pub precedence: Precedence,
    pub state: EntryState,
    pub tried: bool,
    pub place: Place,
    /// Whether its next time is among those that are watched.
    pub watched: bool,
    /// Whether MINIMIZE holds it back.
    pub parked: bool,
}

/// A time as it is compared here.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The time that is compared as `micros`: no later than it, by less than a microsecond.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

fn first_octets(id: MessageId) -> u32 {
    let [a, b, c, d, ..] = *id.octets();
    u32::from_be_bytes([a, b, c, d])
}

impl Item {
    /// From its row.
    pub(super) fn of_row(row: &EntryRow, hop: u32) -> Self {
        Self {
            id: row.id,
            expires: micros(row.expires),
            arrived: micros(row.arrived),
            due: micros(row.due),
            overdue: row.overdue.map_or(i64::MAX, micros),
            message: first_octets(row.message),
            hop,
            precedence: row.precedence,
            state: row.state,
            tried: row.attempts > 0,
            place: Place::Hands,
            watched: false,
            parked: false,
        }
    }

    /// From what the store read at start.
    pub(super) fn of_brief(brief: &EntryBrief, hop: u32) -> Self {
        Self {
            id: brief.id,
            expires: micros(brief.expires),
            arrived: micros(brief.arrived),
            due: micros(brief.due),
            overdue: brief.overdue.map_or(i64::MAX, micros),
            message: first_octets(brief.message),
            hop,
            precedence: brief.precedence,
            state: brief.state,
            tried: brief.tried,
            place: Place::Hands,
            watched: false,
            parked: false,
        }
    }

    /// Its place in the order.
    pub(super) fn order(&self, number: Number) -> Order {
        let urgency = Precedence::Override.number() - self.precedence.number();
        let milliseconds = |micros: i64| u64::try_from(micros / 1000).unwrap_or(0);
        let (expires, arrived) = (milliseconds(self.expires), milliseconds(self.arrived));
        Order::of(urgency, expires, arrived, number)
    }

    /// Whether it waits, or has waited, because its sender asked for it.
    pub(super) fn is_held_by_its_sender(&self) -> bool {
        !self.tried && self.due > self.arrived
    }

    /// Takes away what of its wait cannot be meant: no retry is later than the longest interval of
    /// its precedence from now, and what was never tried waits for nothing but what its sender
    /// asked for. A clock that was set back since it was written would have it wait that much more.
    pub(super) fn bound_wait(&mut self, now: i64, longest: &Longest) {
        if self.tried {
            self.due = self
                .due
                .min(now.saturating_add(longest.of(self.precedence)));
        } else if !self.is_held_by_its_sender() {
            self.due = self.due.min(now);
        }
    }

    /// When somebody must look at it, beside its attempts.
    pub(super) fn watched_at(&self) -> i64 {
        match self.parked {
            // Whoever imposed MINIMIZE knows that it waits.
            true => self.expires,
            false => self.expires.min(self.overdue),
        }
    }
}

/// The longest wait from one attempt to the next, by precedence, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Longest(pub(super) [i64; Precedence::ALL.len()]);

impl Default for Longest {
    fn default() -> Self {
        Self([i64::MAX; Precedence::ALL.len()])
    }
}

impl Longest {
    fn of(&self, precedence: Precedence) -> i64 {
        let all = Precedence::ALL.iter().zip(self.0);
        let mut own = all.filter(|(of, _)| **of == precedence);
        own.next().map_or(i64::MAX, |(_, longest)| longest)
    }
}

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Items {
    all: Vec<Item>,
    free: Vec<Number>,
    names: HashTable<Number>,
    hash: RandomState,
}

impl Items {
    pub(super) fn reserve(&mut self, count: usize) {
        self.all.reserve_exact(count);
        let (all, hash) = (&self.all, &self.hash);
        self.names
            .reserve(count, |number| hash_of(all, hash, *number));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of an entry.
    pub(super) fn number(&self, id: EntryId) -> Option<Number> {
        let is_it = |number: &Number| at(&self.all, *number).is_some_and(|item| item.id == id);
        self.names.find(self.hash.hash_one(id), is_it).copied()
    }

    /// Every number that is an entry's, or was one's.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Number> + use<> {
        (0..u32::try_from(self.all.len()).unwrap_or(u32::MAX)).map(Number)
    }

    pub(super) fn get(&self, number: Number) -> Option<&Item> {
        at(&self.all, number).filter(|item| item.place != Place::Free)
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut Item> {
        let item = self.all.get_mut(usize::try_from(number.0).ok()?)?;
        (item.place != Place::Free).then_some(item)
    }

    /// Adds an entry, or replaces what is known of it.
    pub(super) fn put(&mut self, item: Item) -> Number {
        let known = self.number(item.id);
        let hashed = self.hash.hash_one(item.id);
        let number = known.or_else(|| self.free.pop()).unwrap_or_else(|| {
            // Four thousand million entries do not fit into the memory of any machine.
            Number(u32::try_from(self.all.len()).unwrap_or(u32::MAX))
        });
        match self
            .all
            .get_mut(usize::try_from(number.0).unwrap_or(usize::MAX))
        {
            Some(old) => *old = item,
            None => self.all.push(item),
        }
        if known.is_none() {
            let (all, hash) = (&self.all, &self.hash);
            let hash_of = |number: &Number| hash_of(all, hash, *number);
            self.names.insert_unique(hashed, number, hash_of);
        }
        number
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, number: Number) {
        let Some(item) = self.get_mut(number) else {
            return;
        };
        item.place = Place::Free;
        let id = item.id;
        let hashed = self.hash.hash_one(id);
        if let Ok(found) = self.names.find_entry(hashed, |found| *found == number) {
            found.remove();
        }
        self.free.push(number);
    }

    /// At most `count` of the places from this one on, free ones too; fewer at the end.
    pub(super) fn part(&self, from: usize, count: usize) -> &[Item] {
        let to = from.saturating_add(count).min(self.all.len());
        self.all.get(from..to).unwrap_or_default()
    }

    /// The entries that may be of a message: its row tells.
    pub(super) fn maybe_of(&self, message: MessageId) -> impl Iterator<Item = &Item> {
        let wanted = first_octets(message);
        self.all
            .iter()
            .filter(move |item| item.message == wanted && item.place != Place::Free)
    }
}

fn at(all: &[Item], number: Number) -> Option<&Item> {
    all.get(usize::try_from(number.0).ok()?)
}

/// Every number in the table is an entry's.
fn hash_of(all: &[Item], hash: &RandomState, number: Number) -> u64 {
    at(all, number).map_or(0, |item| hash.hash_one(item.id))
}
