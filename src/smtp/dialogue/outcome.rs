//! What became of one recipient, and the octets that go out.
//!
//! Promises: an outcome says who decided: the server, or this side.
//! Standards: RFC 5321 §4.2.1, §4.5.3.1.10.

use std::sync::Arc;

use super::super::Reply;
use super::super::reply::Class;

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Try again later.
    Deferred(Cause),
    /// The server has taken the message, with this reply.
    Delivered(Reply),
    /// Never try again.
    Failed(Cause),
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This side, in the words of a reply: a lost connection, a missing extension.
    Local(Reply),
    /// The server, with this reply.
    Peer(Reply),
}

impl Outcome {
    /// The reply, whoever made it.
    pub fn reply(&self) -> &Reply {
        match self {
            Self::Delivered(reply) => reply,
            Self::Deferred(cause) | Self::Failed(cause) => match cause {
                Cause::Local(reply) | Cause::Peer(reply) => reply,
            },
        }
    }

    // RFC 5321 §4.5.3.1.10: the client sends the message again to those whom the server had no room for
    /// Whether the recipient was one too many for one transaction.
    pub fn is_one_too_many(&self) -> bool {
        let Self::Deferred(cause) = self else {
            return false;
        };
        let (Cause::Local(reply) | Cause::Peer(reply)) = cause;
        match (reply.code, reply.enhanced) {
            (452 | 552, Some((_, 5, 3))) => true,
            // Older servers say so without a status.
            (552, None) => true,
            _ => false,
        }
    }

    /// The outcome of a reply that is not the one hoped for.
    pub(super) fn of_refusal(reply: Reply) -> Self {
        match reply.class() {
            Class::No => Self::Failed(Cause::Peer(reply)),
            Class::NotNow => Self::Deferred(Cause::Peer(reply)),
            // 2xx or 3xx where neither means yes: nothing was delivered, so it is tried again; a report
            // on that must not have the status of a success.
            Class::Done | Class::GoOn => {
                let text = format!("the server said {} where that is no answer", reply.code);
                Self::Deferred(Cause::Peer(Reply::new(451, (4, 5, 0), &text)))
            }
        }
    }

    /// The outcome of the reply to a message.
    pub(super) fn of_message(reply: Reply) -> Self {
        match reply.class() {
            Class::Done => Self::Delivered(reply),
            Class::GoOn | Class::NotNow | Class::No => Self::of_refusal(reply),
        }
    }

    // RFC 5321 §4.5.3.1.10: older servers say 552 for "too many recipients"; that is 452
    /// The outcome of a refused RCPT.
    pub(super) fn of_recipient(reply: Reply) -> Self {
        match (reply.code, reply.enhanced) {
            (552, None | Some((5, 5, 3))) => Self::Deferred(Cause::Peer(reply)),
            _ => Self::of_refusal(reply),
        }
    }
}

/// Octets for the connection.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// Commands, or a small or dot-stuffed message.
    Owned(Vec<u8>),
    /// A large message that needs no change.
    Shared(Arc<[u8]>),
}

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}
