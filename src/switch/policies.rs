//! Which label policies were in force before: nobody brings an older one back while the switch is down.
//!
//! Promises: version, creation date and digest of every policy that was ever in force are in the store,
//! in one commit with the event that tells of it; a policy that was taken out stays remembered.
//! Refuses, at start and at reload: a policy that is neither the one remembered nor newer, unless an
//! operator names it on the command line; then an event says so.
//! Attack stopped here: while the switch is down, somebody who can write files puts an old policy back,
//! with its old and valid signature. (Somebody who puts an old store back as well is not stopped.)

use super::{Switch, events};
use crate::audit::{Act, Event};
use crate::config::Config;
use crate::decision::Fault;
use crate::label::update::{Age, newer};
use crate::store::{Change, PolicyRow};

/// An older policy in the place of a newer one.
#[derive(Debug, thiserror::Error)]
#[error(
    "the label policy {name} is not the one that was in force, and not newer: {text}; put the newer \
     file back, or, if going back is meant, start with `ravelin serve --accept-older {name}`"
)]
pub struct RolledBack {
    /// The policy's name.
    pub name: String,
    /// What is older, and than what.
    pub text: String,
}

impl Switch {
    /// Begins the work: the policies of the configuration are remembered as those in force. Nothing
    /// may be served before. `accepted` names policies that may be older than they were.
    ///
    /// # Errors
    /// A policy that is older than it was; a fault of the store.
    pub async fn begin(&self, accepted: &[String]) -> Result<(), Fault> {
        let config = self.config.snapshot();
        let mut change = Change::new();
        let event = Event::new(self.now(), Act::Started, &config.name);
        change.record(events::with_policies(event, &config));
        self.remember_policies(&mut change, &config, accepted)?
            .map_err(|older| Fault::new("put the label policies in force", older))?;
        self.commit(change).await
    }

    /// Adds to `change` what is in force with `config`. The inner error says which policy is older.
    pub(super) fn remember_policies(
        &self,
        change: &mut Change,
        config: &Config,
        accepted: &[String],
    ) -> Result<Result<(), RolledBack>, Fault> {
        let mut rows = self
            .store
            .policies()
            .map_err(|error| Fault::new("read which policies were in force", error))?;
        for policy in &config.provenance {
            let row = PolicyRow {
                id: policy.id.to_string(),
                name: policy.name.clone(),
                version: policy.version,
                created: policy.created.clone(),
                digest: policy.digest.clone(),
            };
            let Some(known) = rows.iter_mut().find(|known| known.id == row.id) else {
                rows.push(row);
                continue;
            };
            if known.digest == row.digest {
                continue;
            }
            if let Err(text) = newer(age(known), age(&row)) {
                if !accepted.contains(&row.name) {
                    let name = row.name;
                    return Ok(Err(RolledBack { name, text }));
                }
                let event = Event::new(self.now(), Act::RolledBack, "operator");
                change.record(event.detail("policy", &row.name).detail("why", text));
            }
            *known = row;
        }
        change.remember_policies(rows);
        Ok(Ok(()))
    }
}

fn age(row: &PolicyRow) -> Age<'_> {
    Age {
        version: row.version,
        created: row.created.as_deref(),
    }
}
