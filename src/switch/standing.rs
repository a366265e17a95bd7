//! What the switch tells of itself, to whoever runs it; and being asked to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::{Switch, events};
use crate::audit::{Act, Event};
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

    /// How many sessions are open; `accept` counts them.
    pub fn sessions(&self) -> &Arc<AtomicUsize> {
        &self.sessions
    }

    /// The switch's own certificates by what they are for, and how long each is still good: less than
    /// nothing when it is not.
    pub fn certificates(&self) -> Vec<(String, jiff::SignedDuration)> {
        let config = self.config.snapshot();
        let keys = &config.keys;
        let now = self.now();
        let opened = keys.decrypt.iter().zip(1..);
        let opened = opened.map(|(key, number)| (format!("decrypt-{number}"), key));
        [
            ("sign".to_owned(), &keys.sign),
            ("tls".to_owned(), &keys.tls),
        ]
        .into_iter()
        .chain(opened)
        .map(|(purpose, key)| (purpose, key.certificate().not_after().duration_since(now)))
        .collect()
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
