//! What the switch tells of itself, to whoever runs it; and being asked to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::{Switch, events};
use crate::audit::{Act, Event};
use crate::config::Holding;
use crate::decision::Fault;
use crate::queue::Queue;
use crate::store::Store;

impl Switch {
    /// What it keeps.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What waits for delivery.
    pub fn entries(&self) -> &Queue {
        &self.queue
    }

    /// The names of the links in the configuration in force.
    pub fn links(&self) -> Vec<String> {
        let config = self.config.snapshot();
        config.links.iter().map(|link| link.name.clone()).collect()
    }

    /// How many sessions are open; `accept` counts them.
    pub fn sessions(&self) -> &Arc<AtomicUsize> {
        &self.sessions
    }

    /// The certificates that it holds or sends to: what each is for, its serial number, and how long it
    /// is still good; less than nothing when it is not.
    pub fn expiries(&self) -> Vec<(String, String, jiff::SignedDuration)> {
        let now = self.now();
        let left = |holding: Holding| {
            let certificate = &holding.certificate;
            let left = certificate.not_after().duration_since(now);
            (holding.purpose.to_string(), certificate.serial_hex(), left)
        };
        let config = self.config.snapshot();
        let mut found: Vec<_> = config.holdings().into_iter().map(left).collect();
        found.sort();
        found.dedup_by(|a, b| (&a.0, &a.1) == (&b.0, &b.1));
        found
    }

    /// Asks the switch to stop: whoever runs it drains and ends it. The first who asks is remembered.
    ///
    /// # Errors
    /// When it cannot be recorded; it stops all the same.
    pub async fn ask_to_stop(&self, actor: &str, reason: Option<&str>) -> Result<(), Fault> {
        let is_first = self.stop.send_if_modified(|asked| {
            let is_first = asked.is_none();
            asked.get_or_insert_with(|| actor.to_owned());
            is_first
        });
        if !is_first {
            return Ok(());
        }
        let event = Event::new(self.now(), Act::Draining, actor);
        self.commit(events::one(match reason {
            Some(reason) => event.detail("reason", reason),
            None => event,
        }))
        .await
    }

    /// Who asked it to stop, if anybody has.
    pub fn stop_asked_by(&self) -> Option<String> {
        self.stop.borrow().clone()
    }

    /// Waits until somebody asks it to stop.
    pub async fn stop_asked(&self) {
        // The sender is our own: it does not go away.
        let _ = self.stop.subscribe().wait_for(Option::is_some).await;
    }
}
