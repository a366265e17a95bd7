//! What an operator does to the queue of the running switch, with a reason.
//!
//! Promises: each entry is an act and an event of its own; what cannot be done to one is told and
//! stops none of the others; a removal is reported to the originator.
//! Refuses: an act without a reason; a way to a link that the sealed layers are not fit for.

use serde::{Deserialize, Serialize};

use super::Switch;
use crate::config::{Config, Link, SealProfile, TlsNeed};
use crate::decision::Fault;
use crate::deliver;
use crate::message::EntryId;
use crate::queue::{
    ANOTHER_NEXT_HOP, Claimed, Cursor, EntryAct, Finished, OperatorError, Page, TOGETHER, Which,
};
use crate::smtp::dialogue::Onward;
use crate::store::{Change, EntryRow, PausedRow};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueAct {
    /// Hold back; for a next hop, also what comes later.
    Hold,
    /// Send over this link instead.
    Redirect(String),
    /// Take out; the originator is told.
    Remove,
    /// Let go on.
    Resume,
    /// Try at once.
    Retry,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDone {
    /// The entries that it was done to.
    pub done: Vec<EntryId>,
    /// Those that it could not be done to, and why.
    pub not_done: Vec<NotDone>,
    /// The next hops that are held back now.
    pub paused: Vec<PausedRow>,
}

/// An entry that an act could not be done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDone {
    /// Which.
    pub entry: EntryId,
    /// Why.
    pub text: String,
}

/// Why nothing was done.
#[derive(Debug)]
pub enum QueueError {
    /// We are at fault.
    Fault(Fault),
    /// No link has this name.
    NoLink(String),
    /// No reason was given.
    NoReason,
}

impl From<crate::store::Fault> for QueueError {
    fn from(fault: crate::store::Fault) -> Self {
        Self::Fault(Fault::new("work on the queue", fault))
    }
}

impl Switch {
    /// A page of what waits, most urgent first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queue(
        &self,
        after: Option<Cursor>,
        next_hop: Option<&str>,
        limit: usize,
    ) -> Result<Page, Fault> {
        self.queue
            .page(after, next_hop, limit)
            .map_err(|error| Fault::new("list the queue", error))
    }

    /// Does `act` to the entries that `which` names.
    ///
    /// # Errors
    /// Without a reason, for an unknown link, and when the store cannot be read.
    pub async fn work_on_queue(
        &self,
        which: &Which,
        act: &QueueAct,
        actor: &str,
        reason: &str,
    ) -> Result<QueueDone, QueueError> {
        if reason.trim().is_empty() {
            return Err(QueueError::NoReason);
        }
        let config = self.config.snapshot();
        if let QueueAct::Redirect(to) = act {
            link(&config, to)?;
        }
        let mut done = QueueDone::default();
        let whole = match (which, act) {
            (Which::NextHop(name), QueueAct::Hold) => {
                link(&config, name)?;
                self.queue.pause(name, actor, reason).await?;
                true
            }
            // Also of a link that the configuration has no more.
            (Which::NextHop(name), QueueAct::Resume) => {
                self.queue.unpause(name, actor, reason).await?;
                true
            }
            _ => false,
        };
        if !whole {
            let ids = self.queue.matching(which)?;
            for (entry, result) in self.act_on(&config, &ids, act, actor, reason).await? {
                match result {
                    Ok(()) => done.done.push(entry),
                    Err(error) => done.not_done.push(NotDone {
                        entry,
                        text: error.to_string(),
                    }),
                }
            }
        }
        done.paused = self.queue.paused()?;
        Ok(done)
    }

    async fn act_on(
        &self,
        config: &Config,
        ids: &[EntryId],
        act: &QueueAct,
        actor: &str,
        reason: &str,
    ) -> Result<Vec<(EntryId, Result<(), OperatorError>)>, crate::store::Fault> {
        let act = match act {
            QueueAct::Hold => EntryAct::Hold,
            QueueAct::Resume => EntryAct::Resume,
            QueueAct::Retry => EntryAct::Retry,
            QueueAct::Redirect(to) => EntryAct::Redirect(to.clone()),
            QueueAct::Remove => return self.remove(ids, actor, reason).await,
        };
        let may = |row: &EntryRow| match &act {
            EntryAct::Redirect(to) => self
                .fits(config, row, to)
                .map_err(|why| OperatorError::NotFit(row.id, why)),
            EntryAct::Hold | EntryAct::Resume | EntryAct::Retry => Ok(()),
        };
        self.queue.act_on(ids, &act, actor, reason, may).await
    }

    /// Takes entries out, many in one commit, each with its events and its report. An entry of which a
    /// report is awaited is a commit of its own.
    async fn remove(
        &self,
        ids: &[EntryId],
        actor: &str,
        reason: &str,
    ) -> Result<Vec<(EntryId, Result<(), OperatorError>)>, crate::store::Fault> {
        let mut done = Vec::with_capacity(ids.len());
        for together in ids.chunks(TOGETHER) {
            let mut change = Change::new();
            let mut taken = Vec::with_capacity(together.len());
            for id in together {
                match self.queue.remove(*id, actor, reason) {
                    // What is awaited of a message is looked at by one act at a time.
                    Ok((claimed, finished)) if self.is_awaited(claimed.row()) => {
                        done.push((*id, self.remove_alone(claimed, finished).await));
                    }
                    Ok((claimed, finished)) => {
                        change.append(self.with_report(&claimed, finished, Onward::Silent));
                        taken.push(claimed.without_message());
                        // A report is signed: others are to come in between.
                        tokio::task::yield_now().await;
                    }
                    Err(OperatorError::Fault(crate::store::Fault::Damaged { .. })) => {
                        done.push((*id, Err(OperatorError::NotThere(*id))));
                    }
                    Err(OperatorError::Fault(fault)) => return Err(fault),
                    Err(no) => done.push((*id, Err(no))),
                }
            }
            if !taken.is_empty() {
                let removed: Vec<_> = taken.iter().map(|entry| (entry.id(), Ok(()))).collect();
                self.queue.settle_all(taken, change).await?;
                done.extend(removed);
            }
        }
        Ok(done)
    }
}

impl Switch {
    /// Whether a report is awaited of its message; when that cannot be told, it is taken for so.
    fn is_awaited(&self, row: &EntryRow) -> bool {
        self.reports.knows(row.message).unwrap_or(true)
    }

    async fn remove_alone(
        &self,
        claimed: Claimed,
        finished: Finished,
    ) -> Result<(), OperatorError> {
        let id = claimed.row().id;
        self.settle(claimed, finished, Onward::Silent).await;
        match self.queue.show(id)? {
            None => Ok(()),
            Some(_) => Err(OperatorError::InFlight(id)),
        }
    }

    /// Whether an entry may go over the link `to`: its layers are fit for it, and the rules and
    /// routes in force lead there.
    fn fits(&self, config: &Config, row: &EntryRow, to: &str) -> Result<(), String> {
        let named = |name: &str| config.links.iter().find(|link| link.name == name);
        let (Some(old), Some(new)) = (named(&row.next_hop), named(to)) else {
            return Err("one of the two links is not in the configuration".to_owned());
        };
        layers_fit(old, new)?;
        let there = EntryRow {
            next_hop: to.to_owned(),
            judged_under: ANOTHER_NEXT_HOP.to_owned(),
            ..row.clone()
        };
        deliver::judge_again(config, self.now(), &there).map_err(|stop| stop.to_string())
    }
}

fn link<'c>(config: &'c Config, name: &str) -> Result<&'c Link, QueueError> {
    let found = config.links.iter().find(|link| link.name == name);
    found
        .map(|link| &**link)
        .ok_or_else(|| QueueError::NoLink(name.to_owned()))
}

/// Whether what was sealed for one link may go over another: the layers stay as they are, so the
/// other must ask for the same ones, for the same domain, and must not be less protected.
fn layers_fit(from: &Link, to: &Link) -> Result<(), &'static str> {
    if from.tls != TlsNeed::Never && to.tls == TlsNeed::Never {
        return Err("that link is not encrypted and this one is");
    }
    if from.policy != to.policy {
        return Err("that link leads to another label policy");
    }
    match (&from.seal, &to.seal) {
        (SealProfile::AsReceived, SealProfile::AsReceived)
        | (SealProfile::Enveloped { .. }, SealProfile::Enveloped { .. }) => Ok(()),
        (
            SealProfile::TripleWrap { certificate: a, .. },
            SealProfile::TripleWrap { certificate: b, .. },
        ) if a.der() == b.der() => Ok(()),
        _ => Err("what was sealed for this link is not what that one asks for"),
    }
}
