//! THE LINE: takes one received message through every step. Read this first.
//!
//! [`Switch::receive`] is what happens between the final dot and the reply: the message is opened,
//! checked, reviewed and sealed on a crypto thread, then entries (or the draft) and the event that
//! tells of it are committed together, and only then 250 is said. A refusal is 550 with its reason;
//! a fault of ours is 451 and the sender keeps the message.
//!
//! `desk` is the other way into the line: a releasing officer signs a held draft, and the draft goes
//! down the same steps again.

mod desk;
mod events;
mod outbox;
mod operator;
mod permits;
mod policies;
mod reload;
mod upkeep;

use std::sync::Arc;

pub use desk::{DeskError, DraftView};
pub use operator::{NotDone, QueueAct, QueueDone, QueueError};
pub use policies::RolledBack;
pub use reload::ReloadError;
pub use upkeep::BackupError;

use crate::accept::{Answer, Line};
use crate::check;
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, InForce};
use crate::decision::{Fault, Refusal, Stop};
use crate::message::envelope::Peer;
use crate::message::received::Received;
use crate::message::{DraftId, MessageId};
use crate::open::{self, Opener};
use crate::queue::Queue;
use crate::report;
use crate::review::{self, Draft, Released, Review};
use crate::seal::{self, Sealed};
use crate::store::crash::{self, Point};
use crate::store::{Change, Store};
use permits::Permits;

/// One switch: its configuration, its store, and its queue.
pub struct Switch {
    config: InForce,
    clock: Clock,
    store: Store,
    queue: Queue,
    permits: Permits,
    /// One act on drafts at a time: two officers who sign at once are two acts.
    desk: tokio::sync::Mutex<()>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
}

/// What judging a message came to.
enum Judged {
    Held(Box<Draft>, Arc<[u8]>),
    Passed(Box<Released>, Vec<Sealed>),
}

impl Line for Switch {
    async fn receive(&self, received: Received) -> Answer {
        let id = received.id();
        let actor = events::actor(received.peer());
        // One snapshot for the whole message: it is judged under one configuration.
        let config = self.config.snapshot();
        let verdict = self.judge_aside(&config, received).await;
        let change = match &verdict {
            Ok(judged) => self.keep(&config, judged, &actor),
            Err(Stop::Refuse(refusal)) => Ok(events::refused(self.now(), id, &actor, refusal)),
            Err(Stop::Fault(fault)) => Ok(events::fault(self.now(), id, &actor, fault)),
        };
        // Nothing is acknowledged, and no reason told, before it is on stable storage.
        let kept = match change {
            Ok(change) => self.commit(change).await,
            Err(fault) => Err(fault),
        };
        match (verdict, kept) {
            (Ok(_), Ok(())) => {
                crash::here(Point::BeforeReply);
                Answer::Accepted(id)
            }
            (Err(Stop::Refuse(refusal)), Ok(())) => Answer::Refused(refusal),
            (Err(Stop::Fault(fault)), _) | (_, Err(fault)) => Answer::Fault(fault),
        }
    }

    async fn unreadable(&self, id: MessageId, peer: Peer, refusal: Refusal) -> Answer {
        let change = events::refused(self.now(), id, &events::actor(&peer), &refusal);
        match self.commit(change).await {
            Ok(()) => Answer::Refused(Box::new(refusal)),
            Err(fault) => Answer::Fault(fault),
        }
    }
}

impl Switch {
    /// A switch on an open store.
    pub fn new(config: InForce, clock: Clock, store: Store, queue: Queue) -> Self {
        Self {
            config,
            clock,
            store,
            queue,
            permits: Permits::for_this_machine(),
            desk: tokio::sync::Mutex::new(()),
            reloading: tokio::sync::Mutex::new(()),
        }
    }

    /// The steps of the line, one after the other. No input or output, no waiting.
    fn judge(config: &Config, at: Timestamp, received: Received) -> Result<Judged, Stop> {
        let bytes = Arc::clone(received.bytes());
        let opener = Opener::for_peer(config, at, received.peer());
        let opened = open::open(&opener, received)?;
        let cleared = check::check(config, at, opened)?;
        match review::review(config, at, cleared)? {
            Review::Hold(draft) => Ok(Judged::Held(draft, bytes)),
            Review::Release(released) => {
                let sealed = seal::seal(config, at, &released)?;
                Ok(Judged::Passed(released, sealed))
            }
        }
    }

    /// Judges on a crypto thread, under a permit by precedence: a flood of ROUTINE delays no FLASH.
    async fn judge_aside(&self, config: &Arc<Config>, received: Received) -> Result<Judged, Stop> {
        let permit = self.permits.take(permits::urgency(&received)).await;
        let (config, at) = (Arc::clone(config), self.now());
        let judged = tokio::task::spawn_blocking(move || Self::judge(&config, at, received)).await;
        drop(permit);
        judged.unwrap_or_else(|error| Err(Fault::new("judge the message", error).into()))
    }

    /// What is to be kept of a judgement: entries or draft, notices, and the event.
    fn keep(&self, config: &Config, judged: &Judged, actor: &str) -> Result<Change, Fault> {
        let mut change = Change::new();
        match judged {
            Judged::Held(draft, bytes) => {
                let id = DraftId::new(self.clock.fresh_id());
                events::held(&mut change, self.now(), id, draft, actor);
                change.put_draft(desk::row(id, draft)?, Arc::clone(bytes));
                for officer in Self::officers(config, &draft.needs) {
                    self.say(config, &mut change, report::waiting(&officer, id, draft))?;
                }
            }
            Judged::Passed(released, sealed) => {
                events::accepted(config, &mut change, self.now(), released, sealed, actor);
                for sealed in sealed {
                    self.enqueue(&mut change, sealed.clone());
                }
            }
        }
        Ok(change)
    }

    async fn commit(&self, change: Change) -> Result<(), Fault> {
        self.store
            .commit(change)
            .await
            .map(drop)
            .map_err(|error| Fault::new("keep the message", error))
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
