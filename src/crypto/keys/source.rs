//! Where keys come from: a file in PEM or PKCS #12, or a token.
//!
//! Promises: what a file holds is found by its octets, not by its name; a key never comes without a
//! certificate of its own. Refuses: a token key whose certificate is nowhere.
//! Standards: RFC 7468, 7292, 7512.

use super::{Identity, KeyError};
use crate::crypto::certificate::{Certificate, PublicKey};
use crate::crypto::pkcs12;
use crate::crypto::token::{self, TokenUri};

/// Where a key is.
pub enum Source<'a> {
    /// In the octets of a file: PEM or PKCS #12.
    File(&'a [u8]),
    /// On a token.
    Token(TokenUri),
}

/// Every key of the source with its certificate; `certificates` is the PEM file with that, and its
/// chain, where it is in a file of its own. `password` opens the file, or the token.
///
/// # Errors
/// When anything is missing, malformed or does not belong together.
pub fn identities(
    source: &Source<'_>,
    certificates: Option<&[u8]>,
    password: Option<&str>,
) -> Result<Vec<Identity>, KeyError> {
    match source {
        Source::File(octets) if is_pem(octets) => {
            Identity::from_pem(certificates.unwrap_or(octets), octets, password)
                .map(|identity| vec![identity])
        }
        Source::File(octets) => {
            let password = password.ok_or(KeyError::NoPassword)?;
            pkcs12::read(octets, password).map_err(|error| KeyError::Pkcs12(Box::new(error)))
        }
        Source::Token(uri) => on_token(uri, certificates, password).map(|identity| vec![identity]),
    }
}

/// Whether the octets are PEM.
pub fn is_pem(octets: &[u8]) -> bool {
    octets.windows(11).any(|window| window == b"-----BEGIN ")
}

fn on_token(
    uri: &TokenUri,
    certificates: Option<&[u8]>,
    pin: Option<&str>,
) -> Result<Identity, KeyError> {
    let key = token::key(uri, pin)?;
    let (own, chain) = match certificates {
        Some(text) => {
            let mut chain = Certificate::from_pem_many(text)?;
            if chain.is_empty() {
                return Err(KeyError::NoCertificate);
            }
            (chain.remove(0), chain)
        }
        None => {
            let public = PublicKey::from_spki(key.public_spki())?;
            let own = token::certificates(uri, pin)?
                .into_iter()
                .filter(|certificate| *certificate.public_key() == public)
                .max_by_key(Certificate::not_before)
                .ok_or(KeyError::NoCertificate)?;
            (own, Vec::new())
        }
    };
    Identity::new(own, key, chain)
}
