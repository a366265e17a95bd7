//! What is kept of a judgement, in one commit.

use std::sync::Arc;

use super::judging::Basis;
use super::{Judged, Switch, desk, events};
use crate::config::Config;
use crate::decision::Fault;
use crate::message::DraftId;
use crate::report::{self, Turn};
use crate::store::Change;

impl Switch {
    /// What is to be kept of a judgement: entries or draft, notices, and the event. `turn` is held
    /// until that is committed: what a report settles nobody else changes meanwhile.
    pub(super) async fn keep(
        &self,
        config: &Config,
        judged: &Judged,
        basis: &Basis,
        actor: &str,
        turn: &mut Option<Turn>,
    ) -> Result<Change, Fault> {
        let mut change = Change::new();
        match judged {
            Judged::Held(draft, bytes) => {
                let id = DraftId::new(self.clock.fresh_id());
                let held = events::held(self.now(), id, draft, actor);
                change.record(events::with_basis(held, basis));
                change.put_draft(desk::row(id, draft)?, Arc::clone(bytes));
                for officer in Self::officers(config, &draft.needs) {
                    self.say(config, &mut change, report::waiting(&officer, id, draft))?;
                }
            }
            Judged::Passed(released, sealed, brought, heard) => {
                events::accepted(
                    config,
                    &mut change,
                    self.now(),
                    released,
                    sealed,
                    basis,
                    actor,
                );
                let id = released.cleared().opened().received().id();
                self.harvest(config, &mut change, id, brought);
                let hearing = self.hear(config, heard.as_deref()).await?;
                *turn = hearing.turn;
                change.append(hearing.change);
                self.await_reports(config, &mut change, released, sealed)?;
                for sealed in sealed {
                    self.enqueue(&mut change, sealed.clone());
                }
            }
        }
        Ok(change)
    }
}
