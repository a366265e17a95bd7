//! The file of passwords: for each user what a server keeps, and a secret for the decoys.
//!
//! ```text
//! decoy BASE64
//! drafter@alder.example SCRAM-SHA-256$100000:SALT$STOREDKEY:SERVERKEY
//! ```
//!
//! Promises: it comes back as it was written, in the order of the users.
//! Refuses: a file without the secret, a user twice, a line that is neither.
//! Standards: RFC 5803 §2.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::keys::Secret;
use crate::crypto::provider::{self, CryptoError};
use crate::crypto::scram::{ROUNDS, ScramError, Verifier};
use crate::message::address::Address;

const HEAD: &str =
    "# Passwords of Ravelin, made by `ravelin password set`. Keep it as a key is kept.\n";
const DECOY: &str = "decoy";
/// Octets of the secret.
const SECRET: usize = 32;

/// What is kept of the passwords of all users.
#[derive(Clone)]
pub struct Passwords {
    secret: Secret,
    users: BTreeMap<Address, Verifier>,
}

/// Why a file of passwords is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordsError {
    /// A line that is neither a user nor the secret.
    #[error("line {0} is not ADDRESS SCRAM-SHA-256$…")]
    Line(usize),
    /// The line of the secret is missing.
    #[error("the line `decoy` is missing")]
    NoDecoy,
    /// A user, or the secret, stands twice.
    #[error("line {0} says again what stands above")]
    Twice(usize),
}

impl Passwords {
    /// A file of no users.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new() -> Result<Self, CryptoError> {
        let mut secret = vec![0; SECRET];
        provider::default().random(&mut secret)?;
        Ok(Self {
            secret: Secret::new(secret),
            users: BTreeMap::new(),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Which line is wrong, or what is missing.
    pub fn parse(text: &str) -> Result<Self, PasswordsError> {
        let (mut secret, mut users) = (None, BTreeMap::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || PasswordsError::Line(number);
            let (name, value) = line.split_once(' ').ok_or_else(wrong)?;
            let is_new = if name == DECOY {
                let octets = STANDARD.decode(value).map_err(|_| wrong())?;
                if octets.len() != SECRET {
                    return Err(wrong());
                }
                secret.replace(Secret::new(octets)).is_none()
            } else {
                let user = Address::parse(name).map_err(|_| wrong())?;
                let verifier = Verifier::parse(value).map_err(|_| wrong())?;
                users.insert(user, verifier).is_none()
            };
            if !is_new {
                return Err(PasswordsError::Twice(number));
            }
        }
        secret
            .map(|secret| Self { secret, users })
            .ok_or(PasswordsError::NoDecoy)
    }

    /// The file.
    pub fn written(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(HEAD.to_owned());
        let secret = Zeroizing::new(STANDARD.encode(self.secret.as_bytes()));
        for part in [DECOY, " ", &secret, "\n"] {
            text.push_str(part);
        }
        for (user, verifier) in &self.users {
            for part in [&*user.to_string(), " ", &verifier.written(), "\n"] {
                text.push_str(part);
            }
        }
        text
    }

    /// Gives a user a password, in place of the one before.
    ///
    /// # Errors
    /// When SASLprep does not take it, or there is no randomness.
    pub fn set(&mut self, user: Address, password: &str) -> Result<(), ScramError> {
        self.users.insert(user, Verifier::new(password)?);
        Ok(())
    }

    /// Takes a user's password away; nothing when there was none.
    pub fn remove(&mut self, user: &Address) -> Option<()> {
        self.users.remove(user).map(drop)
    }

    /// Who has a password.
    pub fn users(&self) -> impl Iterator<Item = &Address> {
        self.users.keys()
    }

    /// What is kept of this user's password; of who has none, a decoy and nobody.
    pub fn of(&self, name: &str) -> (Option<Address>, Verifier) {
        let decoy = Verifier::decoy(&self.secret, name, ROUNDS);
        let user = Address::parse(name).ok();
        let known = user.and_then(|user| self.users.get_key_value(&user));
        match known {
            Some((user, verifier)) => (Some(user.clone()), verifier.clone()),
            None => (None, decoy),
        }
    }
}
