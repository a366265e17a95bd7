//! What the directory will be asked for a message, asked ahead under one deadline.
//!
//! Promises: however many recipients there are and however slowly a directory answers, one message
//! waits for it no longer than the configuration says (and the one question that is on its way).
//! What comes is kept there; the steps that need it ask again and do not wait.
//! Refuses nothing: what cannot be told is a fault of ours in the step that needs it.

use std::time::Instant;

use crate::config::{Config, SealProfile};
use crate::crypto::directory::Name;
use crate::decision::Fault;
use crate::message::address::{Address, ReversePath};

/// Those about whom something will be asked.
pub struct Ahead {
    on_record: Vec<Name>,
    belong: Vec<Address>,
}

impl Ahead {
    /// For a message with this envelope: recipients of whom the configuration does not say all, and
    /// everybody where there is a membership list.
    pub fn of(config: &Config, from: &ReversePath, recipients: &[Address]) -> Self {
        let is_open = |recipient: &&Address| {
            let subject = config.subjects.get(recipient);
            subject.is_some_and(|one| one.sources.is_asked())
                || (subject.is_none_or(|one| one.certificate.is_none())
                    && is_enveloped(config, recipient))
        };
        // Whose clearance the directory may state.
        let sender = from.address().filter(|sender| {
            let subject = config.subjects.get(*sender);
            subject.is_some_and(|subject| subject.sources.is_asked())
        });
        let belong = match &config.members {
            Some(_) => from
                .address()
                .into_iter()
                .chain(recipients)
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        Self {
            on_record: recipients
                .iter()
                .filter(is_open)
                .chain(sender)
                .map(Name::mailbox)
                .collect(),
            belong,
        }
    }

    /// Whether nothing will be asked.
    pub fn is_empty(&self) -> bool {
        self.on_record.is_empty() && self.belong.is_empty()
    }

    /// Asks, and waits.
    ///
    /// # Errors
    /// When it takes too long for one message.
    pub fn ask(&self, config: &Config) -> Result<(), Fault> {
        let began = Instant::now();
        let in_time = || {
            if began.elapsed() <= config.directory_time {
                return Ok(());
            }
            let why = "the time for one message is over; it is tried again with what is known now";
            Err(Fault::new("ask the directory for every recipient", why))
        };
        for name in &self.on_record {
            let _ = config.directory.find(name);
            in_time()?;
        }
        for (members, who) in config
            .members
            .iter()
            .flat_map(|m| self.belong.iter().map(move |who| (m, who)))
        {
            let _ = members.is_member(who);
            in_time()?;
        }
        Ok(())
    }
}

/// Whether the link that leads there encrypts for each recipient.
fn is_enveloped(config: &Config, recipient: &Address) -> bool {
    let domain = recipient.domain().to_ascii_lowercase();
    let mut links = config.links.iter();
    links
        .find(|link| link.domains.contains(&domain))
        .is_some_and(|link| matches!(link.seal, SealProfile::Enveloped { .. }))
}
