//! Messages of the switch itself: notices to officers, reports to senders.
//!
//! Promises: made of our own words alone; never contains what another message said, beyond the
//! identifiers and addresses that its receiver already knows.

use std::sync::Arc;

use super::Sealed;
use crate::clock::{Timestamp, rfc5322_date};
use crate::config::Config;
use crate::decision::Fault;
use crate::message::address::{Address, ReversePath};
use crate::message::header::Writer;
use crate::message::{MessageId, Precedence};

/// What the switch has to say.
#[derive(Clone, Debug)]
pub struct OwnMessage {
    /// Whom it is for.
    pub to: Address,
    /// One line.
    pub subject: String,
    /// The fields that say what kind of message this is, such as Content-Type.
    pub fields: Vec<(String, String)>,
    /// Lines that end with CRLF.
    pub body: String,
    /// As urgent as the message that it is about.
    pub precedence: Precedence,
}

/// Seals a message of the switch itself; nothing when no link leads to its receiver.
///
/// # Errors
/// A fault when one of its fields cannot be written.
pub fn own(
    config: &Config,
    at: Timestamp,
    id: MessageId,
    message: OwnMessage,
) -> Result<Option<Sealed>, Fault> {
    let domain = message.to.domain().to_ascii_lowercase();
    let Some(link) = config
        .links
        .iter()
        .find(|link| link.domains.contains(&domain))
    else {
        return Ok(None);
    };
    let mut head = Writer::new();
    let mut write = |name: &str, value: &str| {
        head.field(name, value)
            .map(drop)
            .map_err(|error| Fault::new("write a message of our own", error))
    };
    write("From", &config.postmaster.to_string())?;
    write("To", &message.to.to_string())?;
    write("Date", &rfc5322_date(at))?;
    write("Message-ID", &format!("<{id}@{}>", config.name))?;
    write("Subject", &message.subject)?;
    // RFC 3834 §5: nobody answers it automatically
    write("Auto-Submitted", "auto-generated")?;
    write(
        "MMHS-Primary-Precedence",
        &message.precedence.number().to_string(),
    )?;
    write("MIME-Version", "1.0")?;
    for (name, value) in &message.fields {
        write(name, value)?;
    }
    let mut bytes = head.finish();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(message.body.as_bytes());
    Ok(Some(Sealed {
        message: id,
        next_hop: link.name.clone(),
        from: ReversePath::Null,
        recipients: vec![message.to],
        bytes: Arc::from(bytes),
        precedence: message.precedence,
        judged_under: config.judged_under(),
    }))
}
