//! Which label policies and which trust list were in force before: nobody brings an older one back
//! while the switch is down.
//!
//! Promises: version, creation date and digest of every policy that was ever in force are in the store,
//! in one commit with the event that tells of it; a policy that was taken out stays remembered. The
//! trust list is kept in the same way, and cannot be taken out either: distrust would go with it.
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

/// The name under which the trust list is remembered, and named on the command line.
pub const TRUST_LIST: &str = "trust-list";

/// An older policy, or trust list, in the place of a newer one.
#[derive(Debug, thiserror::Error)]
#[error(
    "{what} {name} is not the one that was in force, and not newer: {text}; put the newer \
     file back, or, if going back is meant, start with `ravelin serve --accept-older {name}`"
)]
pub struct RolledBack {
    /// What it is, in words.
    pub what: &'static str,
    /// The policy's name, or [`TRUST_LIST`].
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
        self.remember_certificates(&config)?;
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
        let policies = config.provenance.iter().map(|policy| PolicyRow {
            id: policy.id.to_string(),
            name: policy.name.clone(),
            version: policy.version,
            created: policy.created.clone(),
            digest: policy.digest.clone(),
        });
        let list = config.trust_list.as_ref().map(|list| PolicyRow {
            id: TRUST_LIST.to_owned(),
            name: TRUST_LIST.to_owned(),
            version: list.number,
            created: Some(list.date.strftime("%Y%m%d%H%M%SZ").to_string()),
            digest: list.digest.clone(),
        });
        if list.is_none() && rows.iter().any(|row| row.id == TRUST_LIST) {
            let text = "there is none".to_owned();
            if let Err(older) = self.step_back(change, TRUST_LIST, text, accepted) {
                return Ok(Err(older));
            }
            rows.retain(|row| row.id != TRUST_LIST);
        }
        for row in policies.chain(list) {
            let Some(known) = rows.iter_mut().find(|known| known.id == row.id) else {
                rows.push(row);
                continue;
            };
            if known.digest == row.digest {
                continue;
            }
            if let Err(text) = newer(age(known), age(&row))
                && let Err(older) = self.step_back(change, &row.name, text, accepted)
            {
                return Ok(Err(older));
            }
            *known = row;
        }
        change.remember_policies(rows);
        Ok(Ok(()))
    }

    /// An older one in the place of a newer one: only where an operator named it, and then it is told.
    fn step_back(
        &self,
        change: &mut Change,
        name: &str,
        text: String,
        accepted: &[String],
    ) -> Result<(), RolledBack> {
        if !accepted.iter().any(|one| one == name) {
            return Err(RolledBack {
                what: match name {
                    TRUST_LIST => "the list",
                    _ => "the label policy",
                },
                name: name.to_owned(),
                text,
            });
        }
        let event = Event::new(self.now(), Act::RolledBack, "operator");
        change.record(event.detail("policy", name).detail("why", text));
        Ok(())
    }
}

fn age(row: &PolicyRow) -> Age<'_> {
    Age {
        version: row.version,
        created: row.created.as_deref(),
    }
}
