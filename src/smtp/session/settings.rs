//! What a listener is set to, as far as the dialogue shows it.
//!
//! Promises: plain values; the defaults are in `Settings::default`.
//! Standards: RFC 5321 §4.5.3.1; RFC 3207 §4; RFC 6710 §5.

use super::super::line::TEXT_LINE;
use crate::message::envelope::Protection;

/// The settings of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name in greeting and EHLO.
    pub hostname: String,
    /// The largest message, in octets.
    pub size_limit: u64,
    /// The longest line of a message, in octets without CRLF.
    pub line_limit: usize,
    /// The most recipients of one message.
    pub recipients_limit: usize,
    /// The most messages on one connection.
    pub messages_limit: u32,
    /// After so many errors without a message in between the connection is closed.
    pub errors_limit: u32,
    /// Whether STARTTLS is offered.
    pub starttls: StartTls,
    /// Whether MAIL needs TLS.
    pub require_tls: RequireTls,
    /// Whether MAIL needs a verified client certificate.
    pub client_certificate: ClientCertificate,
    /// When MT-PRIORITY is offered.
    pub priority: PriorityOffer,
    /// How the connection begins: `Tls` on a port of implicit TLS (then call
    /// [`super::Session::secured`] before [`super::Session::greeting`]).
    pub protection: Protection,
    /// Who connects here.
    pub role: Role,
}

/// Whether STARTTLS is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTls {
    /// It is not.
    Not,
    /// It is, until TLS is there.
    Offered,
}

/// Whether MAIL needs TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequireTls {
    /// It does not.
    No,
    /// It does: 530 without.
    Yes,
}

/// Whether MAIL needs a verified client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It is asked for in the handshake, and later steps look at it.
    Asked,
    /// It must be there: 530 without. (The handshake itself does not fail: the peer is told why.)
    Required,
}

/// When MT-PRIORITY is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityOffer {
    /// Once TLS is there.
    AfterTls,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Who connects here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// People's mail programs, and systems that submit.
    Client,
    /// Other switches and servers.
    Peer,
}

impl Default for Settings {
    /// 50 MiB, 1000 recipients, 1000 messages, 10 errors, lines of 998 octets, no TLS.
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            size_limit: 50 << 20,
            line_limit: TEXT_LINE,
            recipients_limit: 1000,
            messages_limit: 1000,
            errors_limit: 10,
            starttls: StartTls::Not,
            require_tls: RequireTls::No,
            client_certificate: ClientCertificate::Asked,
            priority: PriorityOffer::AfterTls,
            protection: Protection::Clear,
            role: Role::Peer,
        }
    }
}
