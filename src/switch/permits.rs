//! CPU permits by precedence: the most urgent waiter gets the next one.
//!
//! Promises: some are kept for Immediate and above: when every core judges a large ROUTINE message,
//! an urgent one begins at once beside them, and the system shares the cores.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::config::Config;
use crate::message::Precedence;
use crate::message::military::Military;
use crate::message::received::Received;

/// By default as many permits as there are cores, and half as many for urgent messages alone; a waiter
/// of higher precedence overtakes.
pub(super) struct Permits(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Beside them, for Immediate and above.
    kept: usize,
    arrivals: u64,
    /// Most urgent first, then in order of arrival.
    waiting: BTreeMap<(std::cmp::Reverse<Precedence>, u64), oneshot::Sender<Permit>>,
}

/// The right to one core, given back when dropped.
pub(super) struct Permit(Option<(Arc<Mutex<State>>, Kind)>);

/// Whom a permit may be given on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Anybody.
    Free,
    /// Immediate and above.
    Kept,
}

fn is_urgent(precedence: Precedence) -> bool {
    precedence >= Precedence::Immediate
}

/// How urgent a message says it is, before anything of it is verified: for the order of work alone.
/// The most urgent that anybody says, as far as the peer may be: what is signed and what is not, is
/// found out only then.
pub(super) fn urgency(config: &Config, received: &Received) -> Precedence {
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
    .min(config.highest_precedence(&received.peer().identity))
}

impl Permits {
    /// So many for anybody, and so many beside them.
    pub fn new(free: usize, kept: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free,
            kept,
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
                return Permit(Some((Arc::clone(&self.0), Kind::Free)));
            }
            if is_urgent(precedence) && state.kept > 0 {
                state.kept -= 1;
                return Permit(Some((Arc::clone(&self.0), Kind::Kept)));
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
        let Some((permits, kind)) = self.0.take() else {
            return;
        };
        loop {
            let next = {
                let mut state = lock(&permits);
                let first = state.waiting.first_entry();
                let first = first.filter(|first| kind == Kind::Free || is_urgent(first.key().0.0));
                match first {
                    Some(first) => first.remove(),
                    None => {
                        match kind {
                            Kind::Free => state.free += 1,
                            Kind::Kept => state.kept += 1,
                        }
                        return;
                    }
                }
            };
            match next.send(Permit(Some((Arc::clone(&permits), kind)))) {
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
        let permits = Arc::new(Permits::new(1, 0));
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

    #[tokio::test]
    async fn what_is_kept_is_for_the_urgent_alone() {
        let permits = Permits::new(1, 1);
        let routine = permits.take(Precedence::Routine).await;
        let waits = async |permits: &Permits, precedence| {
            let soon = std::time::Duration::from_millis(10);
            tokio::time::timeout(soon, permits.take(precedence)).await
        };
        assert!(waits(&permits, Precedence::Priority).await.is_err());
        let flash = waits(&permits, Precedence::Immediate).await.unwrap();
        assert!(waits(&permits, Precedence::Flash).await.is_err(), "no more");
        drop(flash);
        assert!(
            waits(&permits, Precedence::Priority).await.is_err(),
            "it is kept again, not given on"
        );
        let flash = waits(&permits, Precedence::Flash).await.unwrap();
        drop(routine);
        drop(waits(&permits, Precedence::Deferred).await.unwrap());
        drop(flash);
        let state = lock(&permits.0);
        assert_eq!((state.free, state.kept), (1, 1));
    }
}
