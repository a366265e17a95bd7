//! Content for a recipient.
//!
//! Duty: find the recipient that is us, unwrap the content key, decrypt. `attempt` is the way to the
//! key, `opening` the way from the key to the content.
//! Promises: once a private key was used every failure is one and the same
//! [`DecryptError::Failed`], after the same steps; no octet of a GCM layer is released before its
//! tag is right. Only a token that is away is told apart: the sender has no part in that.
//! Refuses: PKCS#1 v1.5 key transport unless it is asked for; ciphers and derivations that no longer
//! protect; a layer whose recipients are not us.
//! Standards: RFC 5652 section 6; RFC 5083 section 2; RFC 3218 section 2.3; RFC 9709.

mod attempt;
mod opening;

use const_oid::ObjectIdentifier;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::algorithm::ContentCipher;
pub use crate::crypto::keys::Pkcs1Transport;
use crate::crypto::keys::{Identity, Secret};
use crate::crypto::{pem, provider};

use super::read::{
    self, AuthEnvelopedData, ContentInfo, EncryptedContent, EnvelopedData, Limits, RecipientInfo,
};

use attempt::{KeyAway, attempts};
use opening::Opening;

/// With what a layer may be opened.
#[derive(Clone, Copy, Default)]
pub struct Keys<'a> {
    /// Private keys, each with its certificate.
    pub identities: &'a [Identity],
    /// Keys that sender and recipient hold beforehand.
    pub shared: &'a [SharedKey],
    /// Passwords that sender and recipient know beforehand.
    pub passwords: &'a [Secret],
    /// Whether PKCS#1 v1.5 key transport is read with every identity; each can say so for itself.
    pub pkcs1: Pkcs1Transport,
}

/// A key that sender and recipient hold beforehand.
#[derive(Clone)]
pub struct SharedKey {
    /// keyIdentifier.
    pub identifier: Vec<u8>,
    /// The key-encryption key.
    pub key: Secret,
}

impl<'a> Keys<'a> {
    /// These private keys and nothing else.
    pub fn of(identities: &'a [Identity]) -> Self {
        Self {
            identities,
            shared: &[],
            passwords: &[],
            pkcs1: Pkcs1Transport::default(),
        }
    }
}

impl<'a, T: AsRef<[Identity]> + ?Sized> From<&'a T> for Keys<'a> {
    fn from(identities: &'a T) -> Self {
        Self::of(identities.as_ref())
    }
}

/// An encrypted layer.
#[derive(Clone, Copy, Debug)]
pub enum Envelope<'a> {
    /// Encrypted only.
    Plain(&'a EnvelopedData<'a>),
    /// Encrypted with authentication.
    Authenticated(&'a AuthEnvelopedData<'a>),
}

impl<'a> From<&'a EnvelopedData<'a>> for Envelope<'a> {
    fn from(data: &'a EnvelopedData<'a>) -> Self {
        Self::Plain(data)
    }
}

impl<'a> From<&'a AuthEnvelopedData<'a>> for Envelope<'a> {
    fn from(data: &'a AuthEnvelopedData<'a>) -> Self {
        Self::Authenticated(data)
    }
}

/// Why there is no content. The first three can be told from the layer alone, without a key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecryptError {
    /// None of the recipients is one of the identities.
    #[error("the content is encrypted for others; ask the sender to encrypt for this switch")]
    NotForUs,
    /// The layer is not of a form that is decrypted here.
    #[error("the encryption is not accepted: {0}")]
    NotAccepted(&'static str),
    /// The content cipher no longer protects.
    #[error("content cipher {0} is too weak; ask the sender for AES")]
    WeakCipher(&'static str),
    /// The content cipher is not known.
    #[error("content cipher {0} is not accepted; ask the sender for AES")]
    UnknownCipher(ObjectIdentifier),
    /// The token with the key for it is away: our own fault.
    #[error("the token with the key for it is away")]
    KeyAway,
    /// Anything else. Which step failed is not said, to nobody.
    #[error("the content could not be decrypted")]
    Failed,
}

/// One recipient, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// How the content key reaches it.
    pub method: Method,
    /// Whom it names, as text; empty for kinds that we do not read.
    pub identifier: String,
}

/// How a content key reaches a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Key agreement, with this algorithm.
    Agreement(ObjectIdentifier),
    /// A key held beforehand, with this key wrap.
    KeyEncryption(ObjectIdentifier),
    /// A password known beforehand.
    Password,
    /// Key transport, with this algorithm.
    Transport(ObjectIdentifier),
    /// Another one.
    Other,
}

/// Everybody for whom the layer is encrypted.
pub fn recipients(envelope: Envelope<'_>) -> Vec<Recipient> {
    let mut list = Vec::new();
    for info in envelope.recipients() {
        match info {
            RecipientInfo::KeyTransport(transport) => list.push(Recipient {
                method: Method::Transport(transport.algorithm.oid),
                identifier: transport.rid.to_string(),
            }),
            RecipientInfo::KeyAgreement(agreement) => {
                list.extend(agreement.keys.iter().map(|key| Recipient {
                    method: Method::Agreement(agreement.algorithm.oid),
                    identifier: key.rid.to_string(),
                }));
            }
            RecipientInfo::KeyEncryption(shared) => list.push(Recipient {
                method: Method::KeyEncryption(shared.algorithm.oid),
                identifier: crate::crypto::certificate::hex(&shared.identifier),
            }),
            RecipientInfo::Password(_) => list.push(Recipient {
                method: Method::Password,
                identifier: String::new(),
            }),
            RecipientInfo::Unsupported { .. } => list.push(Recipient {
                method: Method::Other,
                identifier: String::new(),
            }),
        }
    }
    list
}

/// The content, for the first of these identities that is a recipient and can have it.
pub fn decrypt<'a>(
    envelope: impl Into<Envelope<'a>>,
    identities: &[Identity],
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    decrypt_with(envelope, &Keys::of(identities))
}

/// As [`decrypt`], with keys of every kind.
pub fn decrypt_with<'a>(
    envelope: impl Into<Envelope<'a>>,
    keys: &Keys<'_>,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let envelope = envelope.into();
    let content = envelope.content();
    let opening = Opening::of(envelope)?;
    let octets = content.octets.as_deref().ok_or(DecryptError::NotAccepted(
        "the encrypted content is not in it",
    ))?;
    let attempts = attempts(envelope, keys)?;

    let key_length = opening.key_length();
    // RFC 3218 §2.3: after any failure go on with a random key, so that every failure takes the
    // same way and ends in the same error. Every attempt is made, whether or not one succeeded.
    let mut key = Secret::new(random_key(key_length)?);
    let (mut found_one, mut one_away) = (false, false);
    for attempt in attempts.iter().rev() {
        match attempt.content_key() {
            Ok(Some(found)) if found.len() == key_length => {
                key = found;
                found_one = true;
            }
            Ok(_) => {}
            Err(KeyAway) => one_away = true,
        }
    }
    if one_away && !found_one {
        return Err(DecryptError::KeyAway);
    }
    match opening.open(&key, octets) {
        Err(DecryptError::Failed) if one_away => Err(DecryptError::KeyAway),
        opened => opened,
    }
}

/// The content of an object that stands by itself, in DER, BER or PEM, for one of these identities.
pub fn open_object(
    octets: &[u8],
    identities: &[Identity],
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    const NO_ENVELOPE: DecryptError = DecryptError::NotAccepted("it is no enveloped CMS object");
    let block = pem::blocks(octets)
        .ok()
        .and_then(|blocks| blocks.into_iter().next());
    let cms = block.as_ref().map_or(octets, |block| &block.der);
    match read::parse(cms, &Limits::default()).map_err(|_| NO_ENVELOPE)? {
        ContentInfo::AuthEnveloped(layer) => decrypt(&layer, identities),
        ContentInfo::Enveloped(layer) => decrypt(&layer, identities),
        _ => Err(NO_ENVELOPE),
    }
}

impl<'a> Envelope<'a> {
    /// The content cipher, for people: its name, or the object identifier of one that is not known.
    pub fn cipher_name(&self) -> String {
        let oid = opening::cipher_oid(&self.content().algorithm);
        match (ContentCipher::from_oid(&oid), opening::weak_cipher(&oid)) {
            (Some(cipher), _) => cipher.name().into(),
            (None, Some(weak)) => weak.into(),
            (None, None) => oid.to_string(),
        }
    }

    fn recipients(&self) -> &'a [RecipientInfo<'a>] {
        match self {
            Self::Plain(data) => &data.recipients,
            Self::Authenticated(data) => &data.recipients,
        }
    }

    fn content(&self) -> &'a EncryptedContent<'a> {
        match self {
            Self::Plain(data) => &data.content,
            Self::Authenticated(data) => &data.content,
        }
    }
}

fn random_key(length: usize) -> Result<Vec<u8>, DecryptError> {
    let mut key = vec![0; length];
    provider::default()
        .random(&mut key)
        .map_err(|_| DecryptError::Failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
