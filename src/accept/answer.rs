//! What the line answers, and how SMTP says it.

use crate::decision::{Fault, Refusal};
use crate::message::MessageId;
use crate::smtp::reply::Reply;

/// What the line says to the final dot.
#[derive(Debug)]
pub enum Answer {
    /// It is durable.
    Accepted(MessageId),
    /// We are at fault; the peer keeps it.
    Fault(Fault),
    /// There is no room for a message of this precedence; the peer keeps it.
    NoRoom,
    /// It is at fault.
    Refused(Box<Refusal>),
}

impl Answer {
    /// The reply on the wire: 250, 451 or the refusal's own code.
    pub fn reply(&self) -> Reply {
        match self {
            Self::Accepted(id) => Reply::new(250, (2, 0, 0), &format!("{id} kept")),
            // Which fault it was is for our log and audit, not for the peer.
            Self::Fault(_) => Reply::new(
                451,
                (4, 3, 0),
                "the switch cannot take the message now; try again later",
            ),
            // RFC 3463 §3.4: X.3.1, mail system full
            Self::NoRoom => Reply::new(
                452,
                (4, 3, 1),
                "no room for a message of this precedence now; try again later",
            ),
            Self::Refused(refusal) => Reply::new(
                refusal.reason.code(),
                refusal.reason.enhanced(),
                &refusal.to_string(),
            ),
        }
    }
}
