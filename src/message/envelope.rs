//! What SMTP says about a message apart from the message: the envelope, and the peer that spoke.
//!
//! Promises: plain values; what the peer claimed (`helo`, `declared_size`) is kept apart from what
//! was verified (`certificate`, `identity`).
//! Standards: RFC 5321 §2.3.1; RFC 6152, RFC 3030 (BODY); RFC 1870 (SIZE); RFC 6710 (MT-PRIORITY).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::{Address, ReversePath};
use super::service::Service;

/// The envelope of one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The address in `MAIL FROM`.
    pub from: ReversePath,
    /// The addresses in `RCPT TO`, in order, each once.
    pub recipients: Vec<Address>,
    /// The value of `MT-PRIORITY`, -9 to 9, if it was given.
    pub priority: Option<i8>,
    /// The value of `BODY`.
    pub body: Body,
    /// The value of `SIZE`, if it was given.
    pub declared_size: Option<u64>,
    /// What is asked of those who carry it.
    #[serde(default)]
    pub service: Service,
}

// RFC 6152 §2, RFC 3030 §3
/// What the client said of the octets that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// `BODY=7BIT`, or nothing.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
    /// `BODY=BINARYMIME`: parts of the body may be octets without lines.
    BinaryMime,
}

/// Who spoke to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The name by which configuration and events call it: a listener or a link.
    pub name: String,
    /// Where the connection came from.
    pub address: IpAddr,
    /// What it called itself in `EHLO`. A claim, nothing more.
    pub helo: String,
    /// Whether the connection was protected.
    pub protection: Protection,
    /// Its certificate in DER, already verified by `tls`.
    pub certificate: Option<Vec<u8>>,
    /// Who it is, by that certificate and the configuration.
    pub identity: Identity,
}

impl Peer {
    /// Whether it is a subject by a password alone: no certificate said so.
    pub fn is_known_by_password(&self) -> bool {
        matches!(self.identity, Identity::Subject(_)) && self.certificate.is_none()
    }
}

/// Whether a connection is protected by TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// It is not.
    #[default]
    Clear,
    /// It is.
    Tls,
}

/// Who a peer is, as verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// The switch behind the `[[link]]` of this name.
    Link(String),
    /// Nobody that the configuration knows.
    #[default]
    Nobody,
    /// A person or system with this address.
    Subject(Address),
}
