//! Connections that are open between two transactions, kept for a short while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connection::Connection;

/// How long an idle connection is kept for the next message.
const KEPT: Duration = Duration::from_secs(5);

/// Idle connections by link.
#[derive(Default)]
pub(super) struct Pool(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Tells one stay in the pool from another.
    stays: u64,
    idle: HashMap<String, Vec<(u64, Connection)>>,
}

impl Pool {
    /// A connection to the next hop of this link, if one is idle. The last one that came goes first.
    pub fn take(&self, link: &str) -> Option<Connection> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.idle
            .get_mut(link)?
            .pop()
            .map(|(_, connection)| connection)
    }

    /// Keeps a connection for a while, then says goodbye to it.
    pub fn keep(self: &Arc<Self>, link: &str, connection: Option<Connection>) {
        let Some(connection) = connection else { return };
        let stay = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.stays += 1;
            let stay = kept.stays;
            kept.idle
                .entry(link.to_owned())
                .or_default()
                .push((stay, connection));
            stay
        };
        let (pool, link) = (Arc::clone(self), link.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            if let Some(left) = pool.withdraw(&link, stay) {
                left.quit().await;
            }
        });
    }

    /// The connection of this stay, if nobody took it meanwhile.
    fn withdraw(&self, link: &str, stay: u64) -> Option<Connection> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = kept.idle.get_mut(link)?;
        let place = idle.iter().position(|(other, _)| *other == stay)?;
        Some(idle.remove(place).1)
    }
}
