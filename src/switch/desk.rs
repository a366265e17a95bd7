//! The desk: where releasing officers see held drafts, sign them, or send them back.
//!
//! Promises: an officer sees only drafts that wait for a role of theirs and whose label their own
//! clearance covers; a draft that is signed goes down the whole line again, under today's policy;
//! draft, entries, notices and event change in one commit; a refused signature changes nothing but
//! the audit chain. Who drafted a message may take it back until it is released.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::judging::Judgement;
use super::{Judged, Switch, events};
use crate::audit::{Act, Event};
use crate::check;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::{Fault, Refusal, Stop};
use crate::label;
use crate::message::address::Address;
use crate::message::{DraftId, Precedence};
use crate::report::{self, Closing};
use crate::review::{Draft, Need, Release};
use crate::store::crash::{self, Point};
use crate::store::{Change, DraftRow, DraftState};

/// A draft, as an officer sees it in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DraftView {
    /// Its name.
    pub id: DraftId,
    /// How urgent it is.
    pub precedence: Precedence,
    /// Its label, as people read it.
    pub marking: String,
    /// Who drafted it.
    pub drafter: String,
    /// Whom it is for.
    pub recipients: Vec<String>,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// When it goes back.
    pub expires: Timestamp,
    /// What it needs, and who has signed.
    pub needs: Vec<Need>,
}

/// What the desk answers when it does not do as asked.
#[derive(Debug)]
pub enum DeskError {
    /// We are at fault.
    Fault(Fault),
    /// The act is refused.
    Refused(Box<Refusal>),
    /// There is no such draft for this officer.
    Unknown,
}

impl From<Stop> for DeskError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fault(fault) => Self::Fault(fault),
            Stop::Refuse(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<Fault> for DeskError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The row that holds a draft in the store.
pub(super) fn row(id: DraftId, draft: &Draft) -> Result<DraftRow, Fault> {
    Ok(DraftRow {
        id,
        message: draft.message,
        state: DraftState::Submitted,
        submitted_at: draft.submitted,
        expires: draft.expires,
        precedence: draft.precedence,
        submitted_by: draft.drafter.clone(),
        payload: serde_json::to_vec(draft).map_err(|error| Fault::new("write a draft", error))?,
        size: 0,
        revision: 0,
    })
}

impl Switch {
    /// The drafts that wait for a role of this officer, most urgent first.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn drafts(&self, officer: &Address) -> Result<Vec<DraftView>, DeskError> {
        let drafts = self.open_drafts()?.into_iter();
        let seen = drafts.filter(|(_, draft)| self.may_see(officer, draft));
        Ok(in_order(seen.map(|(row, draft)| view(row.id, &draft))))
    }

    /// One draft, with the octets of its message.
    ///
    /// # Errors
    /// When there is no such draft for this officer.
    pub fn draft(&self, officer: &Address, id: DraftId) -> Result<(DraftView, Vec<u8>), DeskError> {
        let (row, draft) = self.seen(officer, id)?;
        Ok((view(row.id, &draft), self.draft_octets(&draft, id)?))
    }

    /// Takes a releasing signature. Tells what the draft still needs: nothing means released.
    ///
    /// # Errors
    /// A refusal when the signature may not release this draft.
    pub async fn approve(
        &self,
        officer: &Address,
        id: DraftId,
        release: Release,
    ) -> Result<Vec<Need>, DeskError> {
        let _one_act = self.desk.lock().await;
        let (row, mut draft) = match self.seen(officer, id) {
            // The drafter may not see own drafts as an officer, but is told why a release fails.
            Err(DeskError::Unknown) => self.own_draft(officer, id)?,
            found => found?,
        };
        draft.collected.push(release);
        let submitted = self.submitted_octets(id)?;
        let config = self.config.snapshot();
        let Judgement { verdict, basis } = match draft.received(&submitted) {
            Ok(received) => self.judge_aside(&config, received).await,
            Err(refusal) => Judgement::at_once(self.now(), refusal.into()),
        };
        // Held until what a report settles is committed.
        let mut turn = None;
        let (change, needs) = match verdict {
            Ok(Judged::Passed(released, sealed, brought, heard)) => {
                let mut change = Change::new();
                let event = Event::new(self.now(), Act::Released, officer.to_string())
                    .message(draft.message)
                    .draft(id);
                change.record(event);
                events::accepted(
                    &config,
                    &mut change,
                    self.now(),
                    &released,
                    &sealed,
                    &basis,
                    &draft.drafter,
                );
                self.harvest(&config, &mut change, draft.message, &brought);
                let hearing = self.hear(&config, heard.as_deref()).await?;
                turn = hearing.turn;
                change.append(hearing.change);
                self.await_reports(&config, &mut change, &released, &sealed)?;
                for sealed in sealed {
                    self.enqueue(&mut change, sealed);
                }
                let closing = Closing::Released(released.authorizing().to_vec());
                self.close(&mut change, id, &draft, &closing)?;
                (change, Vec::new())
            }
            Ok(Judged::Held(now, _)) => {
                draft.needs.clone_from(&now.needs);
                let event = Event::new(self.now(), Act::Reviewed, officer.to_string())
                    .message(draft.message)
                    .draft(id);
                let mut change = events::one(events::with_basis(event, &basis));
                change.update_draft(DraftRow {
                    state: DraftState::Reviewed,
                    payload: serde_json::to_vec(&draft)
                        .map_err(|error| Fault::new("write a draft", error))?,
                    ..row
                });
                (change, now.needs)
            }
            Err(stop) => {
                let event = Event::new(self.now(), Act::ReviewRefused, officer.to_string())
                    .message(draft.message)
                    .draft(id);
                let event = match &stop {
                    Stop::Refuse(refusal) => events::with_refusal(event, refusal),
                    Stop::Fault(fault) => event.detail("fault", fault.chain()),
                };
                let event = events::with_basis(event, &basis);
                self.commit(events::one(event)).await?;
                return Err(stop.into());
            }
        };
        crash::here(Point::ApprovalJudged);
        self.commit(change).await?;
        drop(turn);
        crash::here(Point::ApprovalKept);
        Ok(needs)
    }

    /// Sends a draft back to its drafter.
    ///
    /// # Errors
    /// When there is no such draft for this officer.
    pub async fn send_back(
        &self,
        officer: &Address,
        id: DraftId,
        reason: &str,
    ) -> Result<(), DeskError> {
        let _one_act = self.desk.lock().await;
        let (_, draft) = self.seen(officer, id)?;
        let mut change = events::one(
            Event::new(self.now(), Act::Returned, officer.to_string())
                .message(draft.message)
                .draft(id)
                .detail("reason", reason),
        );
        let closing = Closing::Returned {
            officer: officer.clone(),
            reason: reason.to_owned(),
        };
        self.close(&mut change, id, &draft, &closing)?;
        Ok(self.commit(change).await?)
    }

    /// The drafts of somebody's own that wait, most urgent first.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn own_drafts(&self, drafter: &Address) -> Result<Vec<DraftView>, DeskError> {
        let drafts = self.open_drafts()?.into_iter();
        let own = drafts.filter(|(_, draft)| is_own(drafter, draft));
        Ok(in_order(own.map(|(row, draft)| view(row.id, &draft))))
    }

    /// Takes a draft back, for who drafted it.
    ///
    /// # Errors
    /// When this one has no such draft.
    pub async fn withdraw(
        &self,
        drafter: &Address,
        id: DraftId,
        reason: &str,
    ) -> Result<(), DeskError> {
        let _one_act = self.desk.lock().await;
        let (_, draft) = self.own_draft(drafter, id)?;
        let mut change = events::one(
            Event::new(self.now(), Act::Withdrawn, drafter.to_string())
                .message(draft.message)
                .draft(id)
                .detail("reason", reason),
        );
        let closing = Closing::Withdrawn(reason.to_owned());
        self.close(&mut change, id, &draft, &closing)?;
        Ok(self.commit(change).await?)
    }

    /// Closes the drafts that nobody released in time. Called at intervals.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn expire_drafts(&self) -> Result<usize, DeskError> {
        let _one_act = self.desk.lock().await;
        let now = self.now();
        let mut expired = 0;
        for (row, draft) in self.open_drafts()? {
            if row.expires > now {
                continue;
            }
            let mut change = events::one(
                Event::new(now, Act::Expired, "switch")
                    .message(draft.message)
                    .draft(row.id),
            );
            self.close(&mut change, row.id, &draft, &Closing::Expired)?;
            self.commit(change).await?;
            expired += 1;
        }
        Ok(expired)
    }

    /// The holders of the roles that may still sign.
    pub(super) fn officers(config: &Config, needs: &[Need]) -> Vec<Address> {
        config
            .subjects
            .values()
            .filter(|subject| {
                needs
                    .iter()
                    .any(|need| !need.is_met() && subject.roles.contains(&need.role))
            })
            .map(|subject| subject.address.clone())
            .collect()
    }

    /// Removes a draft and tells its drafter.
    fn close(
        &self,
        change: &mut Change,
        id: DraftId,
        draft: &Draft,
        closing: &Closing,
    ) -> Result<(), Fault> {
        change.remove_draft(id);
        match Address::parse(&draft.drafter) {
            Ok(drafter) => {
                let notice = report::closed(&drafter, id, draft, closing);
                self.say(&self.config.snapshot(), change, notice)
            }
            Err(_) => Ok(()),
        }
    }

    pub(super) fn open_drafts(&self) -> Result<Vec<(DraftRow, Draft)>, Fault> {
        let rows = self
            .store
            .drafts()
            .map_err(|error| Fault::new("read the drafts", error))?;
        rows.into_iter()
            .filter(|row| row.state.is_open())
            .map(|row| Ok((row.clone(), payload(&row)?)))
            .collect()
    }

    fn seen(&self, officer: &Address, id: DraftId) -> Result<(DraftRow, Draft), DeskError> {
        let (row, draft) = self.known(id)?;
        if self.may_see(officer, &draft) {
            Ok((row, draft))
        } else {
            Err(DeskError::Unknown)
        }
    }

    /// A draft of somebody's own, whatever roles they hold.
    fn own_draft(&self, drafter: &Address, id: DraftId) -> Result<(DraftRow, Draft), DeskError> {
        let (row, draft) = self.known(id)?;
        if is_own(drafter, &draft) {
            Ok((row, draft))
        } else {
            Err(DeskError::Unknown)
        }
    }

    fn known(&self, id: DraftId) -> Result<(DraftRow, Draft), DeskError> {
        let row = self
            .store
            .draft(id)
            .map_err(|error| Fault::new("read a draft", error))?
            .filter(|row| row.state.is_open())
            .ok_or(DeskError::Unknown)?;
        let draft = payload(&row)?;
        Ok((row, draft))
    }

    fn may_see(&self, officer: &Address, draft: &Draft) -> bool {
        let config = self.config.snapshot();
        let Some(subject) = config.subjects.get(officer) else {
            return false;
        };
        let asked = draft
            .needs
            .iter()
            .any(|need| subject.roles.contains(&need.role));
        // What is not known now is not seen now.
        let Some(held) = check::clearance::of_subject(&config, subject, self.now()).clearance
        else {
            return false;
        };
        let mut labels = std::iter::once(&draft.label).chain(&draft.attached);
        let cleared = labels.all(|der| {
            label::ess::decode(der).is_ok_and(|label| {
                check::authorize(config.policy(), &label, &held, self.now()).is_ok()
            })
        });
        asked && cleared
    }

    /// The message of a draft with the releasing signatures that it has so far.
    fn draft_octets(&self, draft: &Draft, id: DraftId) -> Result<Vec<u8>, DeskError> {
        let submitted = self.submitted_octets(id)?;
        let received = draft
            .received(&submitted)
            .map_err(|refusal| DeskError::Refused(Box::new(refusal)))?;
        Ok(received.bytes().to_vec())
    }

    fn submitted_octets(&self, id: DraftId) -> Result<Arc<[u8]>, DeskError> {
        let body = self
            .store
            .draft_body(id)
            .map_err(|error| Fault::new("read a draft", error))?
            .ok_or(DeskError::Unknown)?;
        Ok(Arc::from(body.as_slice()))
    }
}

fn payload(row: &DraftRow) -> Result<Draft, Fault> {
    serde_json::from_slice(&row.payload).map_err(|error| Fault::new("read a draft", error))
}

fn is_own(who: &Address, draft: &Draft) -> bool {
    Address::parse(&draft.drafter).is_ok_and(|drafter| drafter == *who)
}

/// Most urgent first, then in the order of submission.
fn in_order(views: impl Iterator<Item = DraftView>) -> Vec<DraftView> {
    let mut views: Vec<DraftView> = views.collect();
    views.sort_by_key(|view| (std::cmp::Reverse(view.precedence), view.submitted));
    views
}

fn view(id: DraftId, draft: &Draft) -> DraftView {
    DraftView {
        id,
        precedence: draft.precedence,
        marking: draft.marking.clone(),
        drafter: draft.drafter.clone(),
        recipients: draft
            .envelope
            .recipients
            .iter()
            .map(ToString::to_string)
            .collect(),
        submitted: draft.submitted,
        expires: draft.expires,
        needs: draft.needs.clone(),
    }
}
