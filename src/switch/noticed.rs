//! Peers that handed nothing in: the certificate names nobody, the sender is somebody else's, a login
//! failed, a source came to a limit; and messages that were not taken for want of room.
//!
//! Promises: what a flood leaves is bounded: of each kind so many events in a minute, and of what is
//! shed one. How many were left out stands in the next event: nobody outside fills the chain.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Switch, events};
use crate::accept::Notice;
use crate::audit::{Act, Event};
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::decision::Fault;
use crate::message::Precedence;
use crate::message::envelope::Peer;

/// So many events in [`WINDOW`].
const MOST: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);

/// How many were recorded lately.
#[derive(Debug, Default)]
struct Lately(Mutex<State>);

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

/// How many were recorded lately, of each kind.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    limited: Lately,
    logins: Lately,
    turned_away: Lately,
}

/// What was told of messages that were not taken.
#[derive(Debug, Default)]
pub(super) struct ToldShed {
    at: Option<Timestamp>,
    counts: [u64; Precedence::ALL.len()],
}

impl Switch {
    pub(super) async fn record_notice(&self, notice: Notice) {
        let lately = match notice {
            Notice::Limited { .. } => &self.noticed.limited,
            Notice::LoginFailed { .. } => &self.noticed.logins,
            Notice::TurnedAway { .. } => &self.noticed.turned_away,
        };
        let Some(left_out) = lately.one_more(Instant::now()) else {
            return;
        };
        let now = self.now();
        let event = match notice {
            Notice::Limited {
                listener,
                address,
                limit,
                before,
            } => Event::new(now, Act::Limited, format!("unknown peer {address}"))
                .detail("listener", listener)
                .detail("address", address)
                .detail("limit", limit)
                .detail("times-before", before),
            Notice::LoginFailed { peer, mechanism } => of(
                Event::new(now, Act::LoginFailed, events::actor(&peer)),
                &peer,
            )
            .detail("mechanism", mechanism.name()),
            Notice::TurnedAway { peer, reply } => {
                let (a, b, c) = reply.status();
                let text = format!("{} {a}.{b}.{c} {}", reply.code, reply.text());
                of(
                    Event::new(now, Act::TurnedAway, events::actor(&peer)),
                    &peer,
                )
                .detail("reply", text)
            }
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

    /// Tells how many messages were not taken since this was last told: once in a minute, and when the
    /// switch stops.
    ///
    /// # Errors
    /// When it cannot be recorded. Then the next event tells of these, too.
    pub async fn tell_of_shed(&self, when: Telling) -> Result<(), Fault> {
        let mut told = self.told_shed.lock().await;
        let now = self.now();
        let minute = jiff::SignedDuration::try_from(WINDOW).unwrap_or_default();
        let passed = told.at.map(|at| now.duration_since(at));
        let is_soon = passed.is_some_and(|passed| !passed.is_negative() && passed < minute);
        let counts = Precedence::ALL.map(|precedence| self.shed(precedence));
        if counts == told.counts || (when == Telling::Regular && is_soon) {
            return Ok(());
        }
        let each = Precedence::ALL
            .into_iter()
            .zip(counts.iter().zip(&told.counts));
        let event = each
            .map(|(precedence, (now, before))| (precedence, now.saturating_sub(*before)))
            .filter(|(_, more)| *more > 0)
            .fold(
                Event::new(now, Act::Shed, "switch").detail("now", &*self.head_room()),
                |event, (precedence, more)| {
                    event.detail(precedence.to_string().to_ascii_lowercase(), more)
                },
            );
        self.commit(events::one(event)).await?;
        *told = ToldShed {
            at: Some(now),
            counts,
        };
        Ok(())
    }
}

/// When it is told what was shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Now: the switch stops.
    AtStop,
    /// When the last time was a minute ago.
    Regular,
}

/// Who it was, as far as that is known.
fn of(event: Event, peer: &Peer) -> Event {
    let event = event
        .detail("listener", &peer.name)
        .detail("address", peer.address);
    match peer.certificate.as_deref().map(Certificate::from_der) {
        Some(Ok(shown)) => event.detail("certificate", shown.subject()),
        Some(Err(_)) => event.detail("certificate", "not readable"),
        None => event,
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
