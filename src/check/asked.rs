//! What the directory is asked for a message, asked at once under one deadline.
//!
//! Promises: however many recipients there are and however slowly a directory answers, one message
//! waits for it no longer than the configuration says (and the one question that is on its way).
//! What comes is kept there; the steps that need it ask again and do not wait.
//! Refuses nothing: what cannot be told is a fault of ours in the step that needs it.

use std::time::Instant;

use crate::config::Config;
use crate::crypto::directory::Name;
use crate::decision::Fault;
use crate::message::address::Address;

/// Asks about every recipient of whom the configuration does not say all.
pub(super) fn in_time(config: &Config, recipients: &[Address]) -> Result<(), Fault> {
    let began = Instant::now();
    for recipient in recipients {
        let subject = config.subjects.get(recipient);
        if subject.is_none_or(|subject| subject.certificate.is_none()) {
            let _ = config.directory.find(&Name::mailbox(recipient));
        }
        if let Some(members) = &config.members {
            let _ = members.is_member(recipient);
        }
        if began.elapsed() > config.directory_time {
            let why = "the time for one message is over; it is tried again with what is known now";
            return Err(Fault::new("ask the directory for every recipient", why));
        }
    }
    Ok(())
}
