//! The entries in memory: 64 octets each, found by name or by a small number.
//!
//! Promises: a number stands for one entry until that is taken out; then for another one, perhaps.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::message::{EntryId, MessageId, Precedence};
use crate::store::{EntryBrief, EntryRow, EntryState};

/// Which of the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number(pub(super) u32);

/// The place of an entry in the order: urgency (0 is the most), end of life, arrival, number.
pub(super) type Order = (u8, i64, i64, Number);

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
        (urgency, self.expires, self.arrived, number)
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

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Items {
    all: Vec<Item>,
    free: Vec<Number>,
    names: HashMap<EntryId, Number>,
}

impl Items {
    pub(super) fn reserve(&mut self, count: usize) {
        self.all.reserve_exact(count);
        self.names.reserve(count);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of an entry.
    pub(super) fn number(&self, id: EntryId) -> Option<Number> {
        self.names.get(&id).copied()
    }

    pub(super) fn get(&self, number: Number) -> Option<&Item> {
        let item = self.all.get(usize::try_from(number.0).ok()?)?;
        (item.place != Place::Free).then_some(item)
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut Item> {
        let item = self.all.get_mut(usize::try_from(number.0).ok()?)?;
        (item.place != Place::Free).then_some(item)
    }

    /// Adds an entry, or replaces what is known of it.
    pub(super) fn put(&mut self, item: Item) -> Number {
        let known = self.number(item.id).or_else(|| self.free.pop());
        let number = known.unwrap_or_else(|| {
            // Four thousand million entries do not fit into the memory of any machine.
            Number(u32::try_from(self.all.len()).unwrap_or(u32::MAX))
        });
        self.names.insert(item.id, number);
        match self
            .all
            .get_mut(usize::try_from(number.0).unwrap_or(usize::MAX))
        {
            Some(old) => *old = item,
            None => self.all.push(item),
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
        self.names.remove(&id);
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
