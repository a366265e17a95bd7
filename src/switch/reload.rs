//! Another configuration in place of the one in force, while the switch runs.
//!
//! Promises: all or nothing: the new configuration is whole, its policies are signed, newer and pass
//! their cases, and the event that tells of it is on stable storage before it is in force; or the old
//! one stays, and an event says why. Sessions go on; each message is judged under one configuration.
//! Refuses: a change of what cannot change while the switch runs, by name.

use std::fmt::Display;
use std::sync::Arc;

use super::{Switch, events};
use crate::audit::{Act, Event};
use crate::config::{self, Config, ConfigError};
use crate::decision::Fault;
use crate::message::address::Address;
use crate::store::Change;
use crate::tls;

/// Why the configuration in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// We are at fault.
    #[error("{}", .0.chain())]
    Fault(Fault),
    /// The new configuration does not hold together, or changes what cannot change.
    #[error(transparent)]
    Refused(#[from] Box<ConfigError>),
}

impl From<Fault> for ReloadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Switch {
    /// Whether somebody holds a role under the configuration in force.
    pub fn holds(&self, who: &Address, role: &str) -> bool {
        let config = self.config.snapshot();
        let subject = config.subjects.get(who);
        subject.is_some_and(|subject| subject.roles.iter().any(|held| held == role))
    }

    /// Reads the configuration file and all that it names again, and puts it in force. Gives back
    /// what is in force now.
    ///
    /// # Errors
    /// When anything speaks against it; then the one in force stays.
    pub async fn reload(&self, actor: &str) -> Result<Arc<Config>, ReloadError> {
        let _one_at_a_time = self.reloading.lock().await;
        let before = self.config.snapshot();
        let (was, now) = (Arc::clone(&before), self.now());
        let read = tokio::task::spawn_blocking(move || {
            let next = config::load_after(&was.file, &was.policies, now)?;
            changeable(&was, &next)?;
            Ok(next)
        });
        let read: Result<Config, ConfigError> = read
            .await
            .map_err(|error| Fault::new("read the configuration", error))?;
        let mut change = Change::new();
        let read = match read {
            Ok(next) => self
                .remember_policies(&mut change, &next, &[])?
                .map(|()| next)
                .map_err(|older| wrong(&before, "policy".to_owned(), older, "raise its version")),
            Err(error) => Err(error),
        };
        // Nobody accepts a certificate between what the store has now and what is in force then.
        let _no_act_meanwhile = self.desk.lock().await;
        let next = match read {
            Ok(next) => {
                self.remember_certificates(&next)?;
                Arc::new(next)
            }
            Err(error) => {
                let event = Event::new(now, Act::ReloadRefused, actor).detail("why", &error);
                self.commit(events::one(event)).await?;
                return Err(Box::new(error).into());
            }
        };
        change.record(events::with_policies(
            Event::new(now, Act::Reloaded, actor),
            &next,
        ));
        self.commit(change).await?;
        self.config.swap(Arc::clone(&next));
        Ok(next)
    }
}

/// Whether `next` can take the place of `before` without a new start.
fn changeable(before: &Config, next: &Config) -> Result<(), ConfigError> {
    let fixed = before.fixed_differences(next);
    if !fixed.is_empty() {
        return Err(wrong(
            next,
            fixed.join(", "),
            "cannot change while the switch runs; nothing was changed",
            "put the old value back, or stop the switch and start it anew",
        ));
    }
    // Listeners make it anew at their next connection: it must be possible.
    tls::server(next).map(drop).map_err(|error| {
        wrong(
            next,
            "keys.tls".to_owned(),
            error,
            "name a key that signs for TLS, and its certificate",
        )
    })
}

fn wrong(config: &Config, key: String, text: impl Display, remedy: &str) -> ConfigError {
    ConfigError {
        file: config.file.clone(),
        line: None,
        key,
        text: text.to_string(),
        remedy: remedy.to_owned(),
    }
}
