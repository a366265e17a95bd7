//! What a listener is set to, as far as the dialogue shows it.
//!
//! Promises: plain values; the defaults are in `Settings::default`.
//! Standards: RFC 5321 §4.5.3.1; RFC 3207 §4; RFC 6710 §5; RFC 2033 §4; RFC 4954 §3; RFC 9422.

use std::time::Duration;

use serde::Deserialize;

use super::super::line::TEXT_LINE;
use crate::message::Precedence;
use crate::message::envelope::Protection;

/// The settings of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name in greeting and EHLO.
    pub hostname: String,
    /// The largest message, in octets.
    pub size_limit: u64,
    /// The largest message at a precedence that MT-PRIORITY asks for, where it is less than that.
    pub size_limits: Vec<(Precedence, u64)>,
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
    /// What is offered beside PIPELINING, SIZE, 8BITMIME and ENHANCEDSTATUSCODES.
    pub extensions: Vec<Extension>,
    /// The longest time that FUTURERELEASE may ask for.
    pub future_release: Duration,
    /// How a client may log in, once TLS is there; the first is the one we like best.
    pub mechanisms: Vec<Mechanism>,
    /// SMTP, or LMTP with a reply for each recipient.
    pub language: Language,
    /// How the connection begins: `Tls` on a port of implicit TLS (then call
    /// [`super::Session::secured`] before [`super::Session::greeting`]).
    pub protection: Protection,
    /// Who connects here.
    pub role: Role,
}

/// What EHLO may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// RFC 3030: BODY=BINARYMIME; needs `Chunking`.
    BinaryMime,
    /// RFC 3030: BDAT.
    Chunking,
    /// RFC 2852: BY.
    DeliverBy,
    /// RFC 3461: RET, ENVID, NOTIFY, ORCPT.
    Dsn,
    /// RFC 4865: HOLDFOR, HOLDUNTIL.
    FutureRelease,
    /// RFC 9422: says the limits of a session.
    Limits,
    /// RFC 8689: once TLS is there.
    RequireTls,
    /// RFC 6531: addresses and header fields in UTF-8.
    SmtpUtf8,
    /// Postfix's XCLIENT: the client is a proxy that may say for whom it speaks.
    XClient,
}

/// How a client logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// RFC 4422 appendix A: by the client certificate.
    External,
    /// RFC 4616: name and password, inside TLS.
    Plain,
    /// RFC 7677: a proof of the password, without it.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// RFC 7677: the same, bound to this TLS connection.
    #[serde(rename = "scram-sha-256-plus")]
    ScramSha256Plus,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [
        Self::External,
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::Plain,
    ];

    /// The name in SASL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// RFC 2033.
    Lmtp,
    /// RFC 5321.
    Smtp,
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
    /// It, or AUTH, must have said who the client is: 530 without.
    OrLogin,
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
    /// 50 MiB, 1000 recipients, 1000 messages, 10 errors, lines of 998 octets, no TLS, no extension
    /// that the owner must do something for.
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            size_limit: 50 << 20,
            size_limits: Vec::new(),
            line_limit: TEXT_LINE,
            recipients_limit: 1000,
            messages_limit: 1000,
            errors_limit: 10,
            starttls: StartTls::Not,
            require_tls: RequireTls::No,
            client_certificate: ClientCertificate::Asked,
            priority: PriorityOffer::AfterTls,
            extensions: Vec::new(),
            future_release: Duration::from_secs(7 * 86_400),
            mechanisms: Vec::new(),
            language: Language::Smtp,
            protection: Protection::Clear,
            role: Role::Peer,
        }
    }
}
