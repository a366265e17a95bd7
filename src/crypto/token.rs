//! Private keys that stay on a token: PKCS #11 (feature `pkcs11`, in the default).
//!
//! Duty: [`key`] finds a key by its name and gives it back as a [`PrivateKey`]; `module` loads the
//! module and logs in, `session` keeps sessions and replaces lost ones, `signer` is the key itself.
//! Promises: a wrong PIN is said once and never again, so that no token is locked; a token that is
//! away is [`CryptoError::Away`], our fault, and the next use looks for it again.
//! Refuses: a name that fits no key or several; a PIN in a name; keys that ask for a PIN at each use.
//! Standards: PKCS #11 2.40 and 3.0, RFC 7512.

use std::path::PathBuf;
use std::sync::Arc;

use super::algorithm::KeyKind;
use super::certificate::Certificate;
use super::keys::PrivateKey;
#[cfg(doc)]
use super::provider::CryptoError;

#[cfg(feature = "pkcs11")]
mod ecdsa;
#[cfg(feature = "pkcs11")]
mod module;
#[cfg(feature = "pkcs11")]
mod oaep;
#[cfg(feature = "pkcs11")]
mod objects;
#[cfg(feature = "pkcs11")]
mod session;
#[cfg(feature = "pkcs11")]
mod signer;
mod uri;

pub use uri::{TokenUri, UriError, is_token};

/// Why a key on a token cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The token does not answer as it should.
    #[error("the token does not do it: {0}")]
    Away(String),
    /// The key has a form that cannot be used here.
    #[error("the key on the token cannot be used: {0}")]
    Form(&'static str),
    /// The module is not there or does not start.
    #[error("the module {path} cannot be used: {text}")]
    Module {
        /// Which module.
        path: PathBuf,
        /// What it says.
        text: String,
    },
    /// The name fits no key.
    #[error("no private key on the token has this name; `ravelin key list` shows what is there")]
    NoKey,
    /// The name fits no token.
    #[error("no token has this name; is it plugged in, and initialised?")]
    NoToken,
    /// This build has no tokens.
    #[error("this program was built without the feature pkcs11")]
    NotBuilt,
    /// One more wrong PIN could lock the token.
    #[error(
        "the token has seen so many wrong PINs that one more may lock it; log in once with its own \
         program, then start anew"
    )]
    PinAtRisk,
    /// The token wants a PIN and there is none.
    #[error("the token needs a PIN; it comes from a file, the environment or a credential")]
    PinMissing,
    /// The token refused the PIN.
    #[error(
        "the token refused the PIN ({0}); it is not tried again until another one is configured or \
         the program starts anew"
    )]
    PinRefused(String),
    /// The name fits several keys.
    #[error("the name fits several keys on the token; add object= or id=")]
    Several,
}

/// What stands on a token.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The token's own label.
    pub token: String,
    /// The label of the object.
    pub label: String,
    /// Its identifier.
    pub id: Vec<u8>,
    /// SubjectPublicKeyInfo of a private key, where the token tells it.
    pub spki: Option<Vec<u8>>,
    /// The certificate, if it is one.
    pub certificate: Option<Certificate>,
}

/// The private key that `uri` names.
///
/// # Errors
/// When the module, the token or the key is not there, or the PIN is missing or refused.
#[cfg(feature = "pkcs11")]
pub fn key(uri: &TokenUri, pin: Option<&str>) -> Result<Arc<dyn PrivateKey>, TokenError> {
    Ok(Arc::new(signer::TokenKey::find(uri, pin)?))
}

/// The certificates that stand beside the key: with its identifier, or else its label.
///
/// # Errors
/// As [`key`].
#[cfg(feature = "pkcs11")]
pub fn certificates(uri: &TokenUri, pin: Option<&str>) -> Result<Vec<Certificate>, TokenError> {
    let token = module::token(uri, pin)?;
    token.lookup(|session| objects::certificates(session, uri))
}

/// The private keys and certificates on the token that fit the name.
///
/// # Errors
/// As [`key`]; none that fits is an empty list.
#[cfg(feature = "pkcs11")]
pub fn list(uri: &TokenUri, pin: Option<&str>) -> Result<Vec<Standing>, TokenError> {
    let token = module::token(uri, pin)?;
    token.lookup(|session| objects::list(session, uri))
}

/// Makes a key on the token: it never leaves it. The name says its label, and its identifier.
///
/// # Errors
/// As [`key`]; also when a key of that name is there already.
#[cfg(feature = "pkcs11")]
pub fn generate(
    uri: &TokenUri,
    pin: Option<&str>,
    kind: KeyKind,
) -> Result<Arc<dyn PrivateKey>, TokenError> {
    let token = module::token(uri, pin)?;
    token.make(|session| objects::generate(session, uri, kind))?;
    key(uri, pin)
}

/// Without the feature there is no key on any token.
///
/// # Errors
/// Always [`TokenError::NotBuilt`].
#[cfg(not(feature = "pkcs11"))]
pub fn key(_: &TokenUri, _: Option<&str>) -> Result<Arc<dyn PrivateKey>, TokenError> {
    Err(TokenError::NotBuilt)
}

/// Without the feature there is no certificate on any token.
///
/// # Errors
/// Always [`TokenError::NotBuilt`].
#[cfg(not(feature = "pkcs11"))]
pub fn certificates(_: &TokenUri, _: Option<&str>) -> Result<Vec<Certificate>, TokenError> {
    Err(TokenError::NotBuilt)
}

/// Without the feature there is nothing on any token.
///
/// # Errors
/// Always [`TokenError::NotBuilt`].
#[cfg(not(feature = "pkcs11"))]
pub fn list(_: &TokenUri, _: Option<&str>) -> Result<Vec<Standing>, TokenError> {
    Err(TokenError::NotBuilt)
}

/// Without the feature no key is made on any token.
///
/// # Errors
/// Always [`TokenError::NotBuilt`].
#[cfg(not(feature = "pkcs11"))]
pub fn generate(
    _: &TokenUri,
    _: Option<&str>,
    _: KeyKind,
) -> Result<Arc<dyn PrivateKey>, TokenError> {
    Err(TokenError::NotBuilt)
}
