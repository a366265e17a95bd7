//! What a server keeps of a password, and what is proven with it: SCRAM with SHA-256.
//!
//! Promises: with what is kept here nobody logs in, anywhere; a comparison takes the same time
//! wherever the difference is; for a name without a password there is a decoy that looks the same
//! from outside, every time, and that no password fits.
//! Refuses: fewer than 4096 rounds, salts under 8 octets, passwords that SASLprep does not take.
//! Standards: RFC 5802 §2.2, §3; RFC 7677 §4; RFC 5803 §2 (how it is written); RFC 4013.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::algorithm::Digest;
use super::keys::Secret;
use super::provider::{self, CryptoError};

/// The rounds of a verifier that is made here: what a client computes at each login.
pub const ROUNDS: u32 = 100_000;
/// Octets of a salt that is made here.
pub const SALT: usize = 16;
/// Octets of a digest, a key, a proof.
const LENGTH: usize = 32;
// RFC 7677 §4
const FEWEST_ROUNDS: u32 = 4096;
const MOST_ROUNDS: u32 = 10_000_000;
const NAME: &str = "SCRAM-SHA-256";

/// What a server keeps of one password.
#[derive(Clone)]
pub struct Verifier {
    rounds: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Secret,
}

/// Why there is no verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The cryptographic operation failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// SASLprep forbids a character, or nothing is left.
    #[error("a password has no control characters, no unassigned ones, and is not empty")]
    Password,
    /// The written form.
    #[error("not SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY")]
    Written,
}

impl Verifier {
    /// What is kept of a new password, under a fresh salt.
    ///
    /// # Errors
    /// When SASLprep does not take the password, or there is no randomness.
    pub fn new(password: &str) -> Result<Self, ScramError> {
        let mut salt = vec![0; SALT];
        provider::default().random(&mut salt)?;
        Self::of(password, &salt, ROUNDS)
    }

    // RFC 5802 §3: SaltedPassword, ClientKey, StoredKey, ServerKey
    /// What is kept of this password with this salt and so many rounds.
    ///
    /// # Errors
    /// When SASLprep does not take the password.
    pub fn of(password: &str, salt: &[u8], rounds: u32) -> Result<Self, ScramError> {
        let password = prepared(password)?;
        let provider = provider::default();
        let salted = provider.pbkdf2(Digest::Sha256, password.as_bytes(), salt, rounds, LENGTH)?;
        let hmac = |text: &[u8]| provider.hmac(Digest::Sha256, salted.as_bytes(), &[text]);
        let client_key = Zeroizing::new(hmac(b"Client Key"));
        Ok(Self {
            rounds,
            salt: salt.to_vec(),
            stored_key: provider.digest(Digest::Sha256, &[&client_key]),
            server_key: Secret::new(hmac(b"Server Key")),
        })
    }

    // RFC 5802 §9: who asks for a name that is not there must not learn it
    /// Something that looks like the verifier of `name`, the same at each call with one `secret`.
    pub fn decoy(secret: &Secret, name: &str, rounds: u32) -> Self {
        let made = |what: &[u8]| {
            let name = name.as_bytes();
            provider::default().hmac(Digest::Sha256, secret.as_bytes(), &[what, b"\0", name])
        };
        let mut salt = made(b"salt");
        salt.truncate(SALT);
        Self {
            rounds,
            salt,
            // Nobody knows octets whose digest this is.
            stored_key: made(b"stored key"),
            server_key: Secret::new(made(b"server key")),
        }
    }

    // RFC 5803 §2
    /// Reads the written form.
    ///
    /// # Errors
    /// When it is none, or asks for too few rounds.
    pub fn parse(text: &str) -> Result<Self, ScramError> {
        let parts: Vec<&str> = text.split('$').collect();
        let [NAME, first, second] = parts.as_slice() else {
            return Err(ScramError::Written);
        };
        let pair = |text: &str| {
            let (one, other) = text.split_once(':')?;
            Some((one.to_owned(), other.to_owned()))
        };
        let ((rounds, salt), (stored, server)) =
            pair(first).zip(pair(second)).ok_or(ScramError::Written)?;
        let octets = |text: &str| STANDARD.decode(text).map_err(|_| ScramError::Written);
        let (rounds, salt) = (
            rounds.parse().map_err(|_| ScramError::Written)?,
            octets(&salt)?,
        );
        let (stored_key, server_key) = (octets(&stored)?, octets(&server)?);
        let is_whole = (FEWEST_ROUNDS..=MOST_ROUNDS).contains(&rounds)
            && (8..=64).contains(&salt.len())
            && stored_key.len() == LENGTH
            && server_key.len() == LENGTH;
        match is_whole {
            true => Ok(Self {
                rounds,
                salt,
                stored_key,
                server_key: Secret::new(server_key),
            }),
            false => Err(ScramError::Written),
        }
    }

    /// The written form; it belongs into a file that only its owner reads.
    pub fn written(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{NAME}${}:{}${}:{}",
            self.rounds,
            STANDARD.encode(&self.salt),
            STANDARD.encode(&self.stored_key),
            STANDARD.encode(self.server_key.as_bytes())
        ))
    }

    /// How many rounds the client computes.
    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The salt, for the client.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    // RFC 5802 §3: H(ClientProof XOR ClientSignature) is StoredKey
    /// Whether who made this proof knows the password.
    pub fn is_proven(&self, message: &[u8], proof: &[u8]) -> bool {
        let provider = provider::default();
        let signature = provider.hmac(Digest::Sha256, &self.stored_key, &[message]);
        let client_key: Zeroizing<Vec<u8>> = Zeroizing::new(
            proof
                .iter()
                .zip(&signature)
                .map(|(one, other)| one ^ other)
                .collect(),
        );
        let found = provider.digest(Digest::Sha256, &[&client_key]);
        let is_same = verify_slices_are_equal(&found, &self.stored_key).is_ok();
        is_same && proof.len() == LENGTH
    }

    /// By which the client sees that this server knows its verifier.
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        provider::default().hmac(Digest::Sha256, self.server_key.as_bytes(), &[message])
    }

    /// Whether this is the password. It takes as long as the rounds take.
    pub fn is_password(&self, password: &str) -> bool {
        // What SASLprep does not take is no password, and must not be found out by its speed.
        let (password, is_one) = match prepared(password) {
            Ok(password) => (password, true),
            Err(_) => (Zeroizing::new("x".to_owned()), false),
        };
        let found = Self::of(&password, &self.salt, self.rounds);
        let is_same = found.is_ok_and(|found| {
            verify_slices_are_equal(&found.stored_key, &self.stored_key).is_ok()
        });
        is_same && is_one
    }
}

/// Whether two names or bindings are the same, in the same time wherever they differ.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// A fresh nonce, printable.
///
/// # Errors
/// When there is no randomness.
pub fn nonce() -> Result<String, CryptoError> {
    let mut octets = [0; 18];
    provider::default().random(&mut octets)?;
    Ok(STANDARD.encode(octets))
}

// RFC 5802 §2.2: SASLprep, as a stored string
fn prepared(password: &str) -> Result<Zeroizing<String>, ScramError> {
    let prepared = stringprep::saslprep(password).map_err(|_| ScramError::Password)?;
    match prepared.is_empty() {
        true => Err(ScramError::Password),
        false => Ok(Zeroizing::new(prepared.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7677 §3
    const MESSAGE: &str = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn pencil() -> Verifier {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        Verifier::of("pencil", &salt, 4096).unwrap()
    }

    #[test]
    fn the_published_exchange_is_proven_and_no_other() {
        let (verifier, proof) = (pencil(), STANDARD.decode(PROOF).unwrap());
        assert!(verifier.is_proven(MESSAGE.as_bytes(), &proof));
        assert_eq!(
            STANDARD.encode(verifier.signature(MESSAGE.as_bytes())),
            SIGNATURE
        );
        assert!(!verifier.is_proven(MESSAGE.replace("biws", "eSws").as_bytes(), &proof));
        for at in 0..proof.len() {
            let mut other = proof.clone();
            other[at] ^= 1;
            assert!(!verifier.is_proven(MESSAGE.as_bytes(), &other));
            assert!(!verifier.is_proven(MESSAGE.as_bytes(), &proof[..at]));
        }
        let mut longer = proof;
        longer.push(0);
        assert!(!verifier.is_proven(MESSAGE.as_bytes(), &longer));
    }

    #[test]
    fn the_written_form_comes_back_and_nothing_else_is_read() {
        let verifier = pencil();
        let written = verifier.written();
        let read = Verifier::parse(&written).unwrap();
        assert_eq!(*read.written(), *written);
        assert!(read.is_password("pencil") && !read.is_password("Pencil"));
        assert!(!written.contains("pencil"));
        for wrong in [
            written.replace("256", "1"),
            written.replace("4096", "4095"),
            written.replace("4096", "99999999"),
            written.replace("4096:", "4096"),
            written.replace('=', ""),
            format!("{}$", *written),
            String::new(),
        ] {
            assert!(Verifier::parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_prepared() {
        // RFC 4013 §3: soft hyphen goes, compatibility forms are one, controls are refused.
        let kept = Verifier::of("I\u{ad}X", &[1; 16], 4096).unwrap();
        assert!(kept.is_password("IX") && kept.is_password("\u{2168}"));
        assert!(!kept.is_password("ix") && !kept.is_password("IX\u{7}"));
        assert_eq!(Verifier::new("").err(), Some(ScramError::Password));
        assert_eq!(Verifier::new("a\u{7}").err(), Some(ScramError::Password));
        assert_ne!(
            Verifier::new("a").unwrap().salt(),
            Verifier::new("a").unwrap().salt()
        );
    }

    #[test]
    fn a_decoy_is_the_same_each_time_and_another_for_each_name() {
        let secret = Secret::new(vec![7; 32]);
        let decoy = |name| Verifier::decoy(&secret, name, 4096);
        assert_eq!(decoy("a@x").salt(), decoy("a@x").salt());
        assert_ne!(decoy("a@x").salt(), decoy("b@x").salt());
        assert_eq!(decoy("a@x").salt().len(), SALT);
        assert!(!decoy("a@x").is_password("a@x"));
        let other = Secret::new(vec![8; 32]);
        assert_ne!(
            decoy("a@x").salt(),
            Verifier::decoy(&other, "a@x", 4096).salt()
        );
    }
}
