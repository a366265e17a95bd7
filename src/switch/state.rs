//! What one switch has: its configuration, its store, its queue, and what it remembers between acts.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, RwLock};

use super::permits::Permits;
use super::{HeadRoom, alarms, expiry, harvest, noticed};
use crate::clock::{Clock, Timestamp};
use crate::config::InForce;
use crate::decision::Fault;
use crate::message::Precedence;
use crate::queue::Queue;
use crate::report::Ledger;
use crate::store::{Change, Store};

/// One switch: its configuration, its store, and its queue.
pub struct Switch {
    pub(super) config: InForce,
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) permits: Permits,
    /// What is awaited of what was sent.
    pub(super) reports: Ledger,
    pub(super) told: alarms::Told,
    /// One act on drafts at a time: two officers who sign at once are two acts.
    pub(super) desk: tokio::sync::Mutex<()>,
    /// One reload at a time.
    pub(super) reloading: tokio::sync::Mutex<()>,
    pub(super) head_room: RwLock<Arc<HeadRoom>>,
    /// How many messages were not taken for want of room, by number of precedence.
    pub(super) shed: [AtomicU64; Precedence::ALL.len()],
    /// The number of the record of the last checkpoint; one is made at a time.
    pub(super) checkpointed: tokio::sync::Mutex<u64>,
    pub(super) unwitnessed: AtomicBool,
    /// What was told of certificates that come to an end.
    pub(super) ending: tokio::sync::Mutex<expiry::Told>,
    /// What was told lately of peers that handed nothing in, and of messages that were not taken.
    pub(super) noticed: noticed::Noticed,
    pub(super) told_shed: tokio::sync::Mutex<noticed::ToldShed>,
    pub(super) sessions: Arc<AtomicUsize>,
    /// Who asked the switch to stop.
    pub(super) stop: tokio::sync::watch::Sender<Option<String>>,
}

impl Switch {
    /// Makes `change` durable, and takes over the certificates that it puts.
    pub(super) async fn commit(&self, change: Change) -> Result<(), Fault> {
        let (brought, removed) = change.certificates();
        self.store
            .commit(change)
            .await
            .map_err(|error| Fault::new("keep the message", error))?;
        harvest::after_commit(&self.config.snapshot(), &brought, &removed);
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A switch on an open store.
    pub fn new(config: InForce, clock: Clock, store: Store, queue: Queue) -> Self {
        let capacity = config.snapshot().capacity;
        Self {
            config,
            clock,
            reports: Ledger::new(store.clone()),
            store,
            queue,
            permits: Permits::new(capacity.permits, capacity.reserved_permits),
            told: alarms::Told::default(),
            desk: tokio::sync::Mutex::new(()),
            reloading: tokio::sync::Mutex::new(()),
            head_room: RwLock::default(),
            shed: Default::default(),
            checkpointed: tokio::sync::Mutex::new(0),
            unwitnessed: AtomicBool::new(false),
            ending: tokio::sync::Mutex::default(),
            noticed: noticed::Noticed::default(),
            told_shed: tokio::sync::Mutex::default(),
            sessions: Arc::default(),
            stop: tokio::sync::watch::Sender::new(None),
        }
    }
}
