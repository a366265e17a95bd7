//! STEP 2 of the line: walk the S/MIME layers, verify, decrypt, collect facts.
//!
//! Duty: [`open`] turns what was received into what it says: layers from the outside in, every
//! signer with a verdict, labels, protected header fields. It decides nothing: `check` does.
//! Promises: never changes a byte; nothing is re-encoded; depth, sizes and counts are bounded;
//! every cause of a failed decryption looks the same.
//! Standards: RFC 5652, RFC 5083, RFC 8551, RFC 2634 section 1.1, RFC 9788.

mod attached;
mod facts;
mod piece;
mod protected;
mod walk;

pub use facts::{
    Carried, EnvelopeFacts, Facts, Layer, LayerKind, SignedFacts, SignedForm, SignerFacts,
};
pub use piece::Piece;
pub use protected::{Conflict, Protected, Protection};

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::config::{Config, KeyTransport};
use crate::crypto::cms::decrypt::Keys;
use crate::crypto::trust::TrustStore;
use crate::decision::{Fault, Reason, Refusal, Stop};
use crate::label::Policies;
use crate::message::envelope::{Identity, Peer};
use crate::message::mime::Limits;
use crate::message::received::Received;
use walk::WalkError;

/// What opening takes: our keys, and who vouches for the signers.
pub struct Opener<'a> {
    /// Keys that may open an envelope.
    pub keys: Keys<'a>,
    /// Who vouches for signers and countersigners.
    pub trust: &'a TrustStore,
    /// The label policies under which labels are read: they say which syntax of categories may stand
    /// there and what its names mean. A label of another policy is read as far as its syntax tells.
    pub policies: &'a Policies,
    /// The time of the decision.
    pub at: Timestamp,
    /// How deep and how many.
    pub limits: Limits,
}

impl<'a> Opener<'a> {
    /// With the switch's own keys, and the anchors that vouch for the peer's side: a link's own for
    /// what comes over it, the domain's for everything else.
    pub fn for_peer(config: &'a Config, at: Timestamp, peer: &Peer) -> Self {
        let link = match &peer.identity {
            Identity::Link(name) => config.links.iter().find(|link| link.name == *name),
            Identity::Nobody | Identity::Subject(_) => None,
        };
        Self {
            // RFC 8551 §6: PKCS#1 v1.5 only from a link that says so
            keys: Keys::of(match link.map(|link| link.arrival.key_transport) {
                Some(KeyTransport::Pkcs1) => &config.keys.decrypt_pkcs1,
                Some(KeyTransport::Oaep) | None => &config.keys.decrypt,
            }),
            trust: link.map_or(&config.trust, |link| &link.trust),
            policies: &config.policies,
            at,
            limits: Limits::default(),
        }
    }
}

/// A message whose layers are known. Made only by [`open`].
pub struct Opened {
    received: Received,
    facts: Facts,
}

impl Opened {
    /// The message as it came.
    pub const fn received(&self) -> &Received {
        &self.received
    }

    /// What it says.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Opens what was received, as far as our keys reach.
///
/// # Errors
/// A refusal when the message or a layer of it cannot be read at all; a fault when the token with the
/// key is away. An envelope that none of our keys opens is a fact, not an error.
pub fn open(opener: &Opener<'_>, received: Received) -> Result<Opened, Stop> {
    let facts = facts(opener, Piece::whole(Arc::new(Arc::clone(received.bytes()))))?;
    Ok(Opened { received, facts })
}

/// The facts of a whole message that no peer handed in: for `inspect` and for releasing officers.
///
/// # Errors
/// As [`open`].
pub fn facts(opener: &Opener<'_>, message: Piece) -> Result<Facts, Stop> {
    walk::walk(opener, message).map_err(stop)
}

/// The facts of a CMS object that stands by itself, in DER or BER: for commands on files.
///
/// # Errors
/// As [`open`].
pub fn cms_facts(opener: &Opener<'_>, cms: Piece) -> Result<Facts, Stop> {
    walk::walk_cms(opener, cms).map_err(stop)
}

/// A token that is away is our fault; everything else is the message's.
fn stop(error: WalkError) -> Stop {
    match error {
        WalkError::KeyAway { .. } => Fault::new("open the message", error).into(),
        _ => Refusal::because(Reason::MessageMalformed, error.to_string()).into(),
    }
}
