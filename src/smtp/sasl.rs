//! Logins by password, as an exchange of messages: SCRAM-SHA-256, SCRAM-SHA-256-PLUS and PLAIN.
//!
//! Promises: who is not known is asked the same questions and takes as long as who is; a password
//! that SCRAM proves never comes here.
//! Refuses: to act for somebody else, extensions, another binding than that of this connection.
//! Attack stopped here: somebody in the middle who takes -PLUS out of the offer: a client that could
//! have bound says so ('y'), and where it was offered that is a lie of the way between.
//! Standards: RFC 5802 §5 to §7; RFC 7677; RFC 9266; RFC 4616.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::session::Mechanism;
use crate::crypto::scram::{self, Verifier};
use crate::message::address::Address;

mod passwords;

pub use passwords::{Passwords, PasswordsError};

/// The one binding that is known: RFC 9266, TLS 1.3.
const BINDING: &str = "tls-exporter";
/// The longest nonce of a client.
const NONCE: usize = 128;

/// One login.
pub struct Exchange {
    mechanism: Mechanism,
    /// What this connection has and no other; nothing where -PLUS is not offered.
    binding: Option<Vec<u8>>,
    nonce: String,
    state: State,
}

enum State {
    First,
    Final(Box<First>),
    /// The client is told that the server knows its verifier, and answers with nothing.
    Confirmed(Address),
    Over,
}

/// What was said before the proof.
struct First {
    user: Option<Address>,
    verifier: Verifier,
    /// The header and the binding, as the client must repeat them.
    bound: Vec<u8>,
    nonce: String,
    /// The first message of each side, as they stand under the proof.
    said: String,
}

/// What the server does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Says this and waits for the response.
    Challenge(Vec<u8>),
    /// The client has proven to be this user.
    Known(Address),
    /// It has not. Why, it is not told.
    No,
}

impl Exchange {
    /// A login by `mechanism`; `binding` is there where -PLUS is offered on this connection.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(
        mechanism: Mechanism,
        binding: Option<Vec<u8>>,
    ) -> Result<Self, crate::crypto::provider::CryptoError> {
        Ok(Self::with_nonce(mechanism, binding, scram::nonce()?))
    }

    fn with_nonce(mechanism: Mechanism, binding: Option<Vec<u8>>, nonce: String) -> Self {
        Self {
            mechanism,
            binding,
            nonce,
            state: State::First,
        }
    }

    /// Takes the next response. PLAIN takes as long as the rounds of the verifier take.
    pub fn respond(&mut self, passwords: &Passwords, response: Option<&[u8]>) -> Turn {
        let state = std::mem::replace(&mut self.state, State::Over);
        let turn = match (state, self.mechanism, response) {
            // RFC 4422 §3.3: the client speaks first, and may wait to be asked
            (State::First, _, None) => {
                self.state = State::First;
                Some(Turn::Challenge(Vec::new()))
            }
            (State::First, Mechanism::Plain, Some(response)) => plain(passwords, response),
            (State::First, _, Some(response)) => self.first(passwords, response),
            (State::Final(first), _, Some(response)) => self.proof(&first, response),
            (State::Confirmed(user), _, Some(b"")) => Some(Turn::Known(user)),
            (State::Final(_) | State::Confirmed(_) | State::Over, _, _) => None,
        };
        turn.unwrap_or(Turn::No)
    }

    // RFC 5802 §7: client-first-message
    fn first(&mut self, passwords: &Passwords, response: &[u8]) -> Option<Turn> {
        let text = std::str::from_utf8(response).ok()?;
        let (flag, rest) = text.split_once(',')?;
        let (other, bare) = rest.split_once(',')?;
        let mut attributes = bare.split(',');
        let name = attributes.next()?.strip_prefix("n=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let is_printable = |b: u8| (0x21..=0x7e).contains(&b);
        let fits = (1..=NONCE).contains(&nonce.len()) && nonce.bytes().all(is_printable);
        if !fits || attributes.next().is_some() {
            return None;
        }
        let bound = self.bound(flag, &text[..text.len().checked_sub(bare.len())?])?;
        let name = decoded(name)?;
        // RFC 5802 §5.1: nobody acts for somebody else here
        if !other.is_empty() && decoded(other.strip_prefix("a=")?)? != name {
            return None;
        }
        let (user, verifier) = passwords.of(&name);
        let nonce = format!("{nonce}{}", self.nonce);
        let salt = STANDARD.encode(verifier.salt());
        let challenge = format!("r={nonce},s={salt},i={}", verifier.rounds());
        self.state = State::Final(Box::new(First {
            user,
            verifier,
            bound,
            nonce,
            said: format!("{bare},{challenge}"),
        }));
        Some(Turn::Challenge(challenge.into_bytes()))
    }

    // RFC 5802 §6: what the flag says of binding, held against what was offered
    fn bound(&self, flag: &str, header: &str) -> Option<Vec<u8>> {
        let mut bound = header.as_bytes().to_vec();
        match (flag, self.mechanism, &self.binding) {
            ("n", Mechanism::ScramSha256, _) => Some(bound),
            ("y", Mechanism::ScramSha256, None) => Some(bound),
            (flag, Mechanism::ScramSha256Plus, Some(binding)) => {
                if flag.strip_prefix("p=")? != BINDING {
                    return None;
                }
                bound.extend_from_slice(binding);
                Some(bound)
            }
            _ => None,
        }
    }

    // RFC 5802 §7: client-final-message
    fn proof(&mut self, first: &First, response: &[u8]) -> Option<Turn> {
        let text = std::str::from_utf8(response).ok()?;
        let (unproven, proof) = text.rsplit_once(",p=")?;
        let mut attributes = unproven.split(',');
        let bound = STANDARD
            .decode(attributes.next()?.strip_prefix("c=")?)
            .ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let proof = STANDARD.decode(proof).ok()?;
        if attributes.next().is_some() {
            return None;
        }
        let message = format!("{},{unproven}", first.said);
        // All of it is looked at before the answer.
        let is_bound = scram::is_same(&bound, &first.bound);
        let is_fresh = scram::is_same(nonce.as_bytes(), first.nonce.as_bytes());
        let is_proven = first.verifier.is_proven(message.as_bytes(), &proof);
        let user = first
            .user
            .clone()
            .filter(|_| is_bound && is_fresh && is_proven)?;
        let signature = STANDARD.encode(first.verifier.signature(message.as_bytes()));
        self.state = State::Confirmed(user);
        Some(Turn::Challenge(format!("v={signature}").into_bytes()))
    }
}

// RFC 4616 §2: [authzid] NUL authcid NUL passwd
fn plain(passwords: &Passwords, response: &[u8]) -> Option<Turn> {
    let text = std::str::from_utf8(response).ok()?;
    let parts: Vec<&str> = text.split('\0').collect();
    let [other, name, password] = parts.as_slice() else {
        return None;
    };
    let password = Zeroizing::new((*password).to_owned());
    let (user, verifier) = passwords.of(name);
    let is_password = verifier.is_password(&password);
    let is_own = other.is_empty() || other == name;
    user.filter(|_| is_password && is_own).map(Turn::Known)
}

// RFC 5802 §5.1: "=2C" and "=3D", and no other "="
fn decoded(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut pieces = name.split('=');
    out.push_str(pieces.next()?);
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        out.push(match code {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        out.push_str(rest);
    }
    Some(out)
}

#[cfg(test)]
mod tests;
