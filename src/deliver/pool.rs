//! Connections that are open between two transactions, kept for a short while.
//!
//! A connection serves only the configuration under which it was opened: another one may ask for
//! another peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use crate::config::Config;

/// How long an idle connection is kept for the next message.
const KEPT: Duration = Duration::from_secs(5);

/// Idle connections by link.
#[derive(Default)]
pub(super) struct Pool(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Tells one stay in the pool from another.
    stays: u64,
    idle: HashMap<String, Vec<Idle>>,
}

/// One idle connection.
struct Idle {
    stay: u64,
    config: Arc<Config>,
    connection: Connection,
}

impl Pool {
    /// A connection to the next hop of this link, if one is idle. The last one that came goes first.
    pub fn take(&self, config: &Arc<Config>, link: &str) -> Option<Connection> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = kept.idle.get_mut(link)?;
        let is_ours = |idle: &Idle| Arc::ptr_eq(&idle.config, config);
        let place = idle.iter().rposition(is_ours)?;
        Some(idle.remove(place).connection)
    }

    /// Keeps a connection for a while, then says goodbye to it.
    pub fn keep(
        self: &Arc<Self>,
        config: &Arc<Config>,
        link: &str,
        connection: Option<Connection>,
    ) {
        let Some(connection) = connection else { return };
        let stay = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.stays += 1;
            let stay = kept.stays;
            kept.idle.entry(link.to_owned()).or_default().push(Idle {
                stay,
                config: Arc::clone(config),
                connection,
            });
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
        let place = idle.iter().position(|idle| idle.stay == stay)?;
        Some(idle.remove(place).connection)
    }
}
