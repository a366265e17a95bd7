//! Who may connect: places of a listener, some kept back for the urgent; limits of each source.
//!
//! Promises: strangers never keep a known peer out: where all places are taken, the stranger that
//! came first has to go (it had its time to say who it is). When known peers fill the listener, the
//! reserved places are for IMMEDIATE and above. The table of sources is bounded.
//! Refuses: more connections of one source than it may have, at one time or in a minute; logins of a
//! source that failed too often. Of each such source somebody is told once in a minute.
//! Attacks stopped here: idle connections that fill a listener; slow floods; guessing of passwords.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::notice::{Hit, Limit};
use crate::clock::{Clock, Timestamp};
use crate::config::Listener;

/// The time over which new connections are counted.
const MINUTE: Duration = Duration::from_secs(60);
/// The time over which failed logins are counted.
const FAILURES: Duration = Duration::from_secs(15 * 60);
/// After so many of them within that time, a source has to wait.
const FAILED: usize = 10;
/// So many sources are remembered before those that are at rest are forgotten.
const SOURCES: usize = 20_000;

/// The places of one listener.
#[derive(Clone)]
pub(super) struct Slots(Arc<Mutex<State>>);

struct State {
    clock: Clock,
    places: usize,
    reserved: usize,
    per_source: usize,
    per_minute: usize,
    arrivals: u64,
    /// In the order of their coming.
    held: BTreeMap<u64, Held>,
    /// Those that may be told to go.
    strangers: BTreeSet<u64>,
    /// How many were told.
    leaving: usize,
    sources: HashMap<IpAddr, Source>,
}

struct Held {
    is_leaving: bool,
    /// Told when it has to go.
    leave: Arc<Notify>,
}

/// What is remembered of a source.
struct Source {
    open: usize,
    visits: Count,
    failures: Count,
    /// How often somebody was told that it came to a limit.
    told: Count,
    /// How often it came to one since.
    untold: u64,
}

/// How often something happened since a moment.
struct Count {
    since: Timestamp,
    times: usize,
}

/// Whether a connection gets a place.
pub(super) enum Admission {
    /// It does.
    Place(Place),
    /// All are taken, or this source has enough.
    Refused(Hit),
}

/// Whose limits count for a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nobody's yet: a proxy speaks for others, and will say for whom.
    Later,
    /// Those of the address that it comes from.
    Now,
}

/// A place, given back when dropped.
pub(super) struct Place {
    slots: Slots,
    number: u64,
    source: Option<IpAddr>,
    is_reserved: bool,
    leave: Arc<Notify>,
}

impl Slots {
    /// The places that this listener has.
    pub fn new(listener: &Listener, clock: Clock) -> Self {
        Self(Arc::new(Mutex::new(State {
            clock,
            places: listener.connections,
            reserved: listener.reserved,
            per_source: listener.connections_per_source,
            per_minute: listener.connections_per_minute,
            arrivals: 0,
            held: BTreeMap::new(),
            strangers: BTreeSet::new(),
            leaving: 0,
            sources: HashMap::new(),
        })))
    }

    /// Gives a connection from `address` a place.
    pub fn admit(&self, address: IpAddr, counted: Counted) -> Admission {
        let mut state = self.lock();
        let source = of(address);
        let counts = counted == Counted::Now;
        if counts && let Err(hit) = state.visit(source) {
            return Admission::Refused(hit);
        }
        let taken = state.taken();
        let is_reserved = if taken < state.places.saturating_sub(state.reserved) || state.evict() {
            false
        } else if taken < state.places {
            true
        } else {
            if counts {
                state.left(source);
            }
            let known = counts.then_some(source);
            return Admission::Refused(state.hit(known, Limit::Places));
        };
        state.arrivals += 1;
        let (number, leave) = (state.arrivals, Arc::new(Notify::new()));
        state.held.insert(
            number,
            Held {
                is_leaving: false,
                leave: Arc::clone(&leave),
            },
        );
        state.strangers.insert(number);
        Admission::Place(Place {
            slots: self.clone(),
            number,
            source: counts.then_some(source),
            is_reserved,
            leave,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn taken(&self) -> usize {
        self.held.len().saturating_sub(self.leaving)
    }

    /// Has the stranger that came first go, if there is one.
    fn evict(&mut self) -> bool {
        let Some(held) = self
            .strangers
            .pop_first()
            .and_then(|first| self.held.get_mut(&first))
        else {
            return false;
        };
        held.is_leaving = true;
        held.leave.notify_one();
        self.leaving += 1;
        true
    }

    /// Counts a connection of a source, if it may have one more.
    fn visit(&mut self, address: IpAddr) -> Result<(), Hit> {
        let now = self.clock.now();
        if self.sources.len() >= SOURCES {
            self.sources.retain(|_, source| !source.is_at_rest(now));
        }
        let (per_source, per_minute) = (self.per_source, self.per_minute);
        let source = self.sources.entry(address).or_insert_with(|| Source {
            open: 0,
            visits: Count::new(now),
            failures: Count::new(now),
            told: Count::new(now),
            untold: 0,
        });
        let limit = match (source.open, source.visits.within(MINUTE, now)) {
            (open, _) if open >= per_source => Limit::Connections,
            (_, visits) if visits >= per_minute => Limit::NewConnections,
            _ => {
                source.open += 1;
                source.visits.times += 1;
                return Ok(());
            }
        };
        Err(self.hit(Some(address), limit))
    }

    /// A source came to a limit: whether somebody is to be told. One that nobody counts is told of each
    /// time.
    fn hit(&mut self, source: Option<IpAddr>, limit: Limit) -> Hit {
        let now = self.clock.now();
        let source = source.and_then(|source| self.sources.get_mut(&source));
        let told = source.map_or(Some(0), |source| source.tell(now));
        Hit { limit, told }
    }

    fn left(&mut self, address: IpAddr) {
        if let Some(source) = self.sources.get_mut(&address) {
            source.open = source.open.saturating_sub(1);
        }
    }
}

impl Source {
    fn is_at_rest(&mut self, now: Timestamp) -> bool {
        self.open == 0
            && self.visits.within(MINUTE, now) == 0
            && self.failures.within(FAILURES, now) == 0
            && self.told.within(MINUTE, now) == 0
    }

    /// Once in a minute, how often nobody was told since the last time.
    fn tell(&mut self, now: Timestamp) -> Option<u64> {
        if self.told.within(MINUTE, now) > 0 {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told.times += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

impl Count {
    fn new(since: Timestamp) -> Self {
        Self { since, times: 0 }
    }

    /// How often it happened in the present stretch of time.
    fn within(&mut self, time: Duration, now: Timestamp) -> usize {
        // A clock that was set back begins a new one, too.
        let passed = Duration::try_from(now.duration_since(self.since));
        if passed.map_or(true, |passed| passed >= time) {
            *self = Self::new(now);
        }
        self.times
    }
}

impl Place {
    /// The connection speaks for this address from now on, unless that has enough already.
    pub fn speaks_for(&mut self, address: IpAddr) -> Result<(), Hit> {
        let source = of(address);
        let mut state = self.slots.lock();
        if let Some(before) = self.source.take() {
            state.left(before);
        }
        state.visit(source)?;
        self.source = Some(source);
        Ok(())
    }

    /// Its source came to a limit.
    pub fn hit(&self, limit: Limit) -> Hit {
        self.slots.lock().hit(self.source, limit)
    }

    /// The peer has shown who it is: no other takes its place.
    pub fn is_known(&self) {
        self.slots.lock().strangers.remove(&self.number);
    }

    /// Whether only IMMEDIATE and above may use it now.
    pub fn is_for_the_urgent(&self) -> bool {
        let state = self.slots.lock();
        self.is_reserved && state.taken() > state.places.saturating_sub(state.reserved)
    }

    /// Whether nine tenths of the places are taken.
    pub fn is_crowded(&self) -> bool {
        let state = self.slots.lock();
        state.taken() >= state.places.saturating_sub(state.places / 10)
    }

    /// Resolves when the place is needed for somebody else.
    pub async fn is_needed(&self) {
        self.leave.notified().await;
    }

    /// Whether the source may try to log in.
    pub fn may_log_in(&self) -> bool {
        let mut state = self.slots.lock();
        let now = state.clock.now();
        let source = self
            .source
            .and_then(|source| state.sources.get_mut(&source));
        source.is_none_or(|source| source.failures.within(FAILURES, now) < FAILED)
    }

    /// Counts a login that failed.
    pub fn login_failed(&self) {
        let mut state = self.slots.lock();
        let now = state.clock.now();
        let source = self
            .source
            .and_then(|source| state.sources.get_mut(&source));
        if let Some(source) = source {
            source.failures.within(FAILURES, now);
            source.failures.times += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.strangers.remove(&self.number);
        let held = state.held.remove(&self.number);
        if held.is_some_and(|held| held.is_leaving) {
            state.leaving = state.leaving.saturating_sub(1);
        }
        if let Some(source) = self.source {
            state.left(source);
        }
    }
}

/// The source that an address counts for: a /64 is one customer.
fn of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let net = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(net))
        }
    }
}

#[cfg(test)]
mod tests;
