//! CPU permits by precedence: the most urgent waiter gets the next one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::message::Precedence;
use crate::message::military::Military;
use crate::message::received::Received;

/// As many permits as there are cores; a waiter of higher precedence overtakes.
pub(super) struct Permits(Arc<Mutex<State>>);

struct State {
    free: usize,
    arrivals: u64,
    /// Most urgent first, then in order of arrival.
    waiting: BTreeMap<(std::cmp::Reverse<Precedence>, u64), oneshot::Sender<Permit>>,
}

/// The right to one core, given back when dropped.
pub(super) struct Permit(Option<Arc<Mutex<State>>>);

/// How urgent a message says it is, before anything of it is verified: for the order of work alone.
/// The most urgent that anybody says: what is signed and what is not, is found out only then.
pub(super) fn urgency(received: &Received) -> Precedence {
    let military = Military::read(received.headers()).unwrap_or_default();
    let envelope = received.envelope().priority;
    [
        envelope.map(Precedence::from_mt_priority),
        military.primary_precedence,
        military.copy_precedence,
    ]
    .into_iter()
    .flatten()
    .max()
    .unwrap_or_default()
}

impl Permits {
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    pub fn new(free: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free,
            arrivals: 0,
            waiting: BTreeMap::new(),
        })))
    }

    /// Waits until this precedence has its turn.
    pub async fn take(&self, precedence: Precedence) -> Permit {
        let turn = {
            let mut state = lock(&self.0);
            if state.free > 0 {
                state.free -= 1;
                return Permit(Some(Arc::clone(&self.0)));
            }
            state.arrivals += 1;
            let (give, turn) = oneshot::channel();
            let place = (std::cmp::Reverse(precedence), state.arrivals);
            state.waiting.insert(place, give);
            turn
        };
        // The sender lives in the state until it gives; the state lives as long as we do.
        match turn.await {
            Ok(permit) => permit,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(permits) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = lock(&permits);
                match state.waiting.pop_first() {
                    Some((_, next)) => next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            };
            match next.send(Permit(Some(Arc::clone(&permits)))) {
                Ok(()) => return,
                // The waiter went away; its permit must not give itself on in turn.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_most_urgent_waiter_goes_first_and_no_permit_is_lost() {
        let permits = Arc::new(Permits::new(1));
        let first = permits.take(Precedence::Routine).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiters = Vec::new();
        for precedence in [Precedence::Routine, Precedence::Flash, Precedence::Priority] {
            let (permits, order) = (Arc::clone(&permits), Arc::clone(&order));
            waiters.push(tokio::spawn(async move {
                let _permit = permits.take(precedence).await;
                order.lock().unwrap().push(precedence);
            }));
            tokio::task::yield_now().await;
        }
        let gone = tokio::spawn({
            let permits = Arc::clone(&permits);
            async move { drop(permits.take(Precedence::Override).await) }
        });
        tokio::task::yield_now().await;
        gone.abort();
        let _ = gone.await;
        drop(first);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(
            *order.lock().unwrap(),
            [Precedence::Flash, Precedence::Priority, Precedence::Routine]
        );
        drop(permits.take(Precedence::Deferred).await);
    }
}
