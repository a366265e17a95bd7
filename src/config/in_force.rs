//! The configuration in force: one value, swapped whole.
//!
//! Promises: who took a snapshot goes on under it, whatever is swapped in meanwhile: a message is
//! judged under one configuration from its first step to its last.

use std::sync::{Arc, PoisonError, RwLock};

use super::Config;

/// A handle on the configuration in force. Cheap to clone; clones share one configuration.
#[derive(Clone)]
pub struct InForce(Arc<RwLock<Arc<Config>>>);

impl InForce {
    /// With this configuration.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// The configuration as it is now.
    pub fn snapshot(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts `next` in the place of what is in force.
    pub fn swap(&self, next: Arc<Config>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl Config {
    /// The keys of `next` that differ and cannot change while the switch runs.
    pub fn fixed_differences(&self, next: &Self) -> Vec<&'static str> {
        [
            ("switch.name", self.name == next.name),
            ("store.directory", self.store == next.store),
            ("store.key", self.store_key.is(&next.store_key)),
            ("store.engine", self.engine == next.engine),
            ("store.assurance", self.assurance == next.assurance),
            ("listen", self.listeners == next.listeners),
            ("queue.life", self.queue_life == next.queue_life),
            ("queue.retry", self.queue_retry == next.queue_retry),
            ("queue.notice", self.queue_notice == next.queue_notice),
            ("queue.overdue", self.queue_overdue == next.queue_overdue),
            ("audit.file", self.audit == next.audit),
            ("admin.address", self.admin == next.admin),
        ]
        .into_iter()
        .chain(self.operation.fixed_differences(&next.operation))
        .chain(self.capacity.fixed_differences(&next.capacity))
        .filter(|(_, same)| !same)
        .map(|(key, _)| key)
        .collect()
    }
}
