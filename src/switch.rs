//! THE LINE: takes one received message through every step. Read this first.
//!
//! [`Switch::receive`] is what happens between the final dot and the reply: the message is opened,
//! checked, reviewed and sealed on a crypto thread, then entries (or the draft) and the event that
//! tells of it are committed together, and only then 250 is said. A refusal is 550 with its reason;
//! a fault of ours is 451 and the sender keeps the message.
//!
//! `state` is what a switch has, `judging` takes the steps, `kept` says what of them is kept.
//! `desk` is the other way into the line: a releasing officer signs a held draft, and the draft goes
//! down the same steps again.

mod alarms;
mod checkpoints;
mod desk;
mod events;
mod expiry;
mod harvest;
mod head_room;
mod judging;
mod kept;
mod memory;
mod minimize;
mod missing;
mod noticed;
mod operator;
mod outbox;
mod permits;
mod policies;
mod reload;
mod reports;
mod revocation;
mod standing;
mod state;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub use checkpoints::Contradicted;
pub use desk::{DeskError, DraftView};
pub use harvest::{CertificateAct, CertificateError};
pub use head_room::{HeadRoom, Readings};
pub use minimize::{MinimizeOrder, MinimizeRefused};
pub use noticed::Telling;
pub use operator::{NotDone, QueueAct, QueueDone, QueueError};
pub use policies::RolledBack;
pub use reload::ReloadError;
pub use state::Switch;
pub use upkeep::BackupError;

use crate::accept::{Answer, Line, Notice};
use crate::decision::{Refusal, Stop};
use crate::message::envelope::Peer;
use crate::message::received::Received;
use crate::message::{MessageId, Precedence};
use crate::report::Heard;
use crate::review::{Draft, Released};
use crate::seal::Sealed;
use crate::store::crash::{self, Point};
use harvest::Brought;
use judging::Judgement;

/// What judging a message came to.
enum Judged {
    Held(Box<Draft>, Arc<[u8]>),
    Passed(Box<Released>, Vec<Sealed>, Vec<Brought>, Option<Box<Heard>>),
}

impl Line for Switch {
    async fn noticed(&self, notice: Notice) {
        self.record_notice(notice).await;
    }

    fn sessions(&self) -> &Arc<AtomicUsize> {
        &self.sessions
    }

    fn has_room(&self, priority: Option<i8>) -> bool {
        let room = self.head_room();
        // Without a number a field of the message decides, once it is there.
        let least = priority.map_or(Precedence::Override, Precedence::from_mt_priority);
        let takes = room.takes(least);
        if !takes {
            self.count_shed(priority.map_or(Precedence::default(), |_| least));
        }
        takes
    }

    async fn receive(&self, received: Received) -> Answer {
        // One snapshot for the whole message: it is judged under one configuration.
        let config = self.config.snapshot();
        let urgency = permits::urgency(&config, &received);
        if !self.head_room().takes(urgency) {
            self.count_shed(urgency);
            return Answer::NoRoom;
        }
        let id = received.id();
        let actor = events::actor(received.peer());
        let Judgement { verdict, basis } = self.judge_aside(&config, received).await;
        let mut turn = None;
        let change = match &verdict {
            Ok(judged) => {
                let kept = self.keep(&config, judged, &basis, &actor, &mut turn);
                kept.await
            }
            Err(Stop::Refuse(refusal)) => {
                let refused = events::refused(self.now(), id, &actor, refusal);
                Ok(events::one(events::with_basis(refused, &basis)))
            }
            Err(Stop::Fault(fault)) => {
                let failed = events::fault(self.now(), id, &actor, fault);
                Ok(events::one(events::with_basis(failed, &basis)))
            }
        };
        // Nothing is acknowledged, and no reason told, before it is on stable storage.
        let kept = match change {
            Ok(change) => self.commit(change).await,
            Err(fault) => Err(fault),
        };
        drop(turn);
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
        let event = events::refused(self.now(), id, &events::actor(&peer), &refusal);
        match self.commit(events::one(event)).await {
            Ok(()) => Answer::Refused(Box::new(refusal)),
            Err(fault) => Answer::Fault(fault),
        }
    }
}
