//! What step `accept` hands on: one message as it came, and who brought it.
//!
//! Promises: the bytes have CRLF lines only, no NUL (but for the binary parts of what was announced
//! as BINARYMIME), and a header that can be read; nobody can make a `Received` of other bytes, or
//! change one.
//! Refuses: all else, with the octet where it is wrong.
//! Standards: RFC 5321 §2.3.8; RFC 5322 §2.1.

use std::sync::Arc;

use super::envelope::{Body, Envelope, Peer};
use super::header::{Headers, Limits};
pub use super::line::{LineError, LineProblem};
use super::{MessageId, binary, line};
use crate::clock::Timestamp;

/// A message as received. The first of the step types: `Received`, `Opened`, `Cleared`,
/// `Released`, `Sealed`.
///
/// Clones share what they hold.
#[derive(Clone, Debug)]
pub struct Received(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    id: MessageId,
    at: Timestamp,
    peer: Peer,
    envelope: Envelope,
    bytes: Arc<[u8]>,
    headers: Headers,
    body: usize,
}

impl Received {
    /// Takes a message in, if its lines and its header are in order.
    pub fn new(
        id: MessageId,
        at: Timestamp,
        peer: Peer,
        envelope: Envelope,
        bytes: Arc<[u8]>,
    ) -> Result<Self, LineError> {
        match envelope.body {
            Body::BinaryMime => binary::check(&bytes)?,
            Body::EightBitMime | Body::SevenBit => line::check(&bytes)?,
        }
        let (headers, body) = Headers::parse(&bytes, Limits::default())?;
        Ok(Self(Arc::new(Parts {
            id,
            at,
            peer,
            envelope,
            bytes,
            headers,
            body,
        })))
    }

    /// The switch's own name for the message.
    pub fn id(&self) -> MessageId {
        self.0.id
    }

    /// When its last octet arrived.
    pub fn at(&self) -> Timestamp {
        self.0.at
    }

    /// Who brought it.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Its envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.0.envelope
    }

    /// Its bytes, dots unstuffed, otherwise as they came.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.0.bytes
    }

    /// Its header section; ranges count from the start of `bytes`.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// Where its body begins.
    pub fn body_offset(&self) -> usize {
        self.0.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::address::ReversePath;
    use crate::message::envelope::{Identity, Protection};
    use crate::message::service::Service;

    fn received(bytes: &[u8]) -> Result<Received, LineError> {
        received_as(Body::SevenBit, bytes)
    }

    fn received_as(body: Body, bytes: &[u8]) -> Result<Received, LineError> {
        let peer = Peer {
            name: "test".into(),
            address: [127, 0, 0, 1].into(),
            helo: "x".into(),
            protection: Protection::Clear,
            certificate: None,
            identity: Identity::Nobody,
        };
        let envelope = Envelope {
            from: ReversePath::Null,
            recipients: vec![],
            priority: None,
            body,
            declared_size: None,
            service: Service::default(),
        };
        let at = Timestamp::UNIX_EPOCH;
        Received::new(MessageId::new([1; 16]), at, peer, envelope, bytes.into())
    }

    #[test]
    fn only_messages_in_order_are_taken_in() {
        let good = received(b"Subject: a\r\n\r\nbody\r\n").unwrap();
        assert_eq!(good.headers().first("Subject").unwrap().value(), "a");
        assert_eq!(good.body_offset(), 14);
        let problem = |bytes| received(bytes).unwrap_err().kind;
        assert_eq!(problem(b"A: b\r\n\r\nx\ny"), LineProblem::BareLf);
        assert_eq!(problem(b"A: b\r\n\r\nx\ry"), LineProblem::BareCr);
        assert_eq!(problem(b"A: b\r\n\r\n\0"), LineProblem::Nul);
        assert!(matches!(
            problem(b"no header\r\n\r\n"),
            LineProblem::Header(_)
        ));
    }
    #[test]
    fn binary_octets_are_for_what_was_announced_as_binary() {
        let message = b"Content-Transfer-Encoding: binary\r\n\r\n\n\0\r";
        assert!(received_as(Body::BinaryMime, message).is_ok());
        assert!(received_as(Body::EightBitMime, message).is_err());
        assert!(received_as(Body::BinaryMime, b"A: b\r\n\r\n\n\0\r").is_err());
    }
}
