//! The entries for one next hop: which may go, which wait, which are held.
//!
//! Promises: what becomes due is moved a few at a time, so that a hundred thousand that become due
//! at once hold up no claim.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::items::{Item, Items, Number, Order, Place};
use super::window::Window;

/// So many entries become due in one step.
const STEP: usize = 2000;

/// One next hop. It stays known when it has no entries.
#[derive(Debug)]
pub(super) struct Hop {
    pub name: Arc<str>,
    pub due: BTreeSet<Order>,
    pub waiting: BTreeSet<(i64, Number)>,
    pub aside: BTreeSet<Number>,
    /// What MINIMIZE holds back.
    pub parked: BTreeSet<Order>,
    /// What it held back until now, to be looked at again.
    pub freed: BTreeSet<Order>,
    /// What was freed last: it may be overdue again.
    pub unparked: Vec<Number>,
    pub in_flight: usize,
    pub count: usize,
    pub window: Option<Window>,
    pub paused: bool,
}

impl Hop {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            due: BTreeSet::new(),
            waiting: BTreeSet::new(),
            aside: BTreeSet::new(),
            parked: BTreeSet::new(),
            freed: BTreeSet::new(),
            unparked: Vec::new(),
            in_flight: 0,
            count: 0,
            window: None,
            paused: false,
        }
    }

    /// Takes an entry out of where it waits.
    pub(super) fn take_out(&mut self, number: Number, item: &mut Item) {
        let order = item.order(number);
        match item.place {
            Place::Aside => drop(self.aside.remove(&number)),
            Place::Due => drop(self.due.remove(&order)),
            Place::Parked => {
                let _ = self.parked.remove(&order) || self.freed.remove(&order);
            }
            Place::Waiting => drop(self.waiting.remove(&(item.due, number))),
            Place::Free | Place::Hands => {}
        }
        item.place = Place::Hands;
    }

    /// Puts an entry that is in nobody's hands where it belongs.
    pub(super) fn put_in(&mut self, number: Number, item: &mut Item, now: i64) {
        use crate::store::EntryState::{Held, Ready};
        item.place = match item.state {
            Held => {
                self.aside.insert(number);
                Place::Aside
            }
            Ready if item.parked => {
                self.parked.insert(item.order(number));
                Place::Parked
            }
            // At once: it must not wait behind those that become due a few at a time.
            Ready if item.due <= now => {
                self.due.insert(item.order(number));
                Place::Due
            }
            Ready => {
                self.waiting.insert((item.due, number));
                Place::Waiting
            }
        };
    }

    /// The most urgent one that may go.
    pub(super) fn first(&mut self, items: &mut Items, now: i64) -> Option<Order> {
        loop {
            let moved = self.promote(items, now);
            while let Some(&order) = self.due.first() {
                let number = order.number();
                let Some(item) = items.get_mut(number) else {
                    self.due.remove(&order);
                    continue;
                };
                if item.expires > now || !item.tried {
                    return Some(order);
                }
                // What is given up is taken by its end of life alone.
                self.take_out(number, item);
                self.aside.insert(number);
                item.place = Place::Aside;
            }
            if moved == 0 {
                return None;
            }
        }
    }

    /// Every entry, in no order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Number> {
        let orders = [&self.due, &self.parked, &self.freed].into_iter().flatten();
        let waiting = self.waiting.iter().map(|(_, number)| *number);
        orders
            .map(|order| order.number())
            .chain(waiting)
            .chain(self.aside.iter().copied())
    }

    /// Moves some of what has become due, and of what MINIMIZE holds back no longer. How many.
    fn promote(&mut self, items: &mut Items, now: i64) -> usize {
        let mut moved = 0;
        while moved < STEP
            && let Some(&(due, number)) = self.waiting.first()
            && due <= now
        {
            self.waiting.pop_first();
            moved += 1;
            if let Some(item) = items.get_mut(number) {
                item.place = Place::Hands;
                self.put_in(number, item, now);
            }
        }
        while moved < STEP
            && let Some(order) = self.freed.pop_first()
        {
            moved += 1;
            let number = order.number();
            if let Some(item) = items.get_mut(number) {
                item.place = Place::Hands;
                item.parked = false;
                self.unparked.push(number);
                self.put_in(number, item, now);
            }
        }
        moved
    }
}
