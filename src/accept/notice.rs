//! What the line is told of peers that hand nothing in: it keeps it, bounded, in the chain.

use std::fmt;
use std::net::IpAddr;

use crate::message::envelope::Peer;
use crate::smtp::Reply;
use crate::smtp::session::Mechanism;

/// Something that an auditor may want to know of a peer.
#[derive(Debug)]
pub enum Notice {
    /// A source came to a limit.
    Limited {
        /// Whose listener it is.
        listener: String,
        /// Where the peer comes from.
        address: IpAddr,
        /// Which limit.
        limit: Limit,
        /// How often the same source came to one since the last such notice.
        before: u64,
    },
    /// A login failed.
    LoginFailed {
        /// Who tried.
        peer: Peer,
        /// How.
        mechanism: Mechanism,
    },
    /// A peer was refused before it handed a message in.
    TurnedAway {
        /// Who it is.
        peer: Peer,
        /// What it was told.
        reply: Reply,
    },
}

/// A limit of one source, or of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many connections at one time.
    Connections,
    /// So long for a handshake, or for the word of a proxy.
    Handshake,
    /// So many failed logins in a while.
    Logins,
    /// So many new connections in a minute.
    NewConnections,
    /// All places of the listener are taken.
    Places,
}

impl fmt::Display for Limit {
    /// The key of the configuration, where it has one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connections => "connections-per-source",
            Self::Handshake => "handshake",
            Self::Logins => "failed-logins",
            Self::NewConnections => "connections-per-minute",
            Self::Places => "connections",
        })
    }
}

/// That a source came to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Which one.
    pub limit: Limit,
    /// Whether somebody is to be told, and how often it came to one since the last time; a source
    /// that goes on trying is told of once in a minute.
    pub told: Option<u64>,
}

impl Hit {
    /// What the line is told, if anything.
    pub fn notice(self, listener: &str, address: IpAddr) -> Option<Notice> {
        self.told.map(|before| Notice::Limited {
            listener: listener.to_owned(),
            address,
            limit: self.limit,
            before,
        })
    }
}
