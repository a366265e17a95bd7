//! Who was refused before a message: the certificate names nobody, the sender is somebody else's, the
//! login failed.
//!
//! Promises: a session leaves one such event at most, and all strangers together so many in a minute:
//! nobody outside fills the chain. How many were left out stands in the next event.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Switch, events};
use crate::audit::{Act, Event};
use crate::crypto::certificate::Certificate;
use crate::message::envelope::Peer;
use crate::smtp::reply::Reply;

/// So many events in [`WINDOW`].
const MOST: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);

/// How many were recorded lately.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    recorded: u32,
    left_out: u64,
}

impl Lately {
    /// Whether one more may be recorded at `now`, and how many were left out since the last one.
    fn one_more(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .since
            .is_none_or(|since| now.duration_since(since) >= WINDOW)
        {
            state.since = Some(now);
            state.recorded = 0;
        }
        if state.recorded >= MOST {
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.recorded += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

impl Switch {
    pub(super) async fn note_turned_away(&self, peer: &Peer, reply: &Reply) {
        let Some(left_out) = self.turned_away.one_more(Instant::now()) else {
            return;
        };
        let (a, b, c) = reply.status();
        let event = Event::new(self.now(), Act::TurnedAway, events::actor(peer))
            .detail("listener", &peer.name)
            .detail("address", peer.address)
            .detail(
                "reply",
                format!("{} {a}.{b}.{c} {}", reply.code, reply.text()),
            );
        let event = match peer.certificate.as_deref().map(Certificate::from_der) {
            Some(Ok(shown)) => event.detail("certificate", shown.subject()),
            Some(Err(_)) => event.detail("certificate", "not readable"),
            None => event,
        };
        let event = match left_out {
            0 => event,
            some => event.detail("left-out-before", some),
        };
        if let Err(fault) = self.commit(events::one(event)).await {
            // The peer was refused all the same.
            tracing::error!(fault = %fault.chain(), "a refusal could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_so_many_events_and_the_number_of_the_others() {
        let lately = Lately::default();
        let now = Instant::now();
        for _ in 0..MOST {
            assert_eq!(lately.one_more(now), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(lately.one_more(now), None);
        }
        assert_eq!(lately.one_more(now + WINDOW), Some(500));
        assert_eq!(lately.one_more(now + WINDOW), Some(0));
    }
}
