//! How the queue stands, counted for who watches it: by next hop, by precedence, by age.
//!
//! Promises: nothing more is kept in memory for it; it is counted when it is asked for, a few
//! thousand entries at a time, so that no claim waits for a census of a million.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Queue;
use super::items::{Place, timestamp};
use crate::clock::Timestamp;
use crate::message::Precedence;
use crate::store::EntryState;

/// So many entries are looked at before others have their turn.
const PART: usize = 4096;

/// How the queue stood when it was counted. What came or went meanwhile may be in it or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Each next hop that was heard of since the start.
    pub next_hops: BTreeMap<Arc<str>, Standing>,
    /// When the oldest entry of each precedence came, by number of precedence.
    pub oldest: [Option<Timestamp>; Precedence::ALL.len()],
}

/// How one next hop stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Entries, by number of precedence.
    pub entries: [usize; Precedence::ALL.len()],
    /// Those of them that an operator holds back, one by one or with all of the next hop.
    pub held: usize,
    /// Those that MINIMIZE holds back.
    pub minimized: usize,
    /// Deliveries that go on.
    pub in_flight: usize,
    /// How many may go on at once.
    pub window: usize,
}

impl Queue {
    /// Counts what there is.
    pub fn census(&self) -> Census {
        let mut standings: Vec<(Arc<str>, Standing, bool)> = Vec::new();
        let mut oldest = [None; Precedence::ALL.len()];
        let mut from = 0;
        loop {
            let order = self.order.lock();
            for number in standings.len().. {
                let Some(hop) = order.next_hop(number, &self.limits) else {
                    break;
                };
                let standing = Standing {
                    in_flight: hop.in_flight,
                    window: hop.window,
                    ..Standing::default()
                };
                standings.push((Arc::clone(hop.name), standing, hop.paused));
            }
            let part = order.part(from, PART);
            for item in part.iter().filter(|item| item.place != Place::Free) {
                let hop = usize::try_from(item.hop).ok();
                let Some((_, standing, paused)) = hop.and_then(|hop| standings.get_mut(hop)) else {
                    continue;
                };
                let place = usize::from(item.precedence.number());
                if let Some(entries) = standing.entries.get_mut(place) {
                    *entries += 1;
                }
                standing.held += usize::from(*paused || item.state == EntryState::Held);
                standing.minimized += usize::from(item.place == Place::Parked);
                if let Some(first) = oldest.get_mut(place) {
                    *first = Some(first.map_or(item.arrived, |first: i64| first.min(item.arrived)));
                }
            }
            if part.len() < PART {
                break;
            }
            from += PART;
        }
        let named = standings.into_iter();
        Census {
            next_hops: named.map(|(name, standing, _)| (name, standing)).collect(),
            oldest: oldest.map(|first| first.map(timestamp)),
        }
    }
}
