//! Content for a recipient.
//!
//! Duty: find the recipient that is us, unwrap the content key, decrypt.
//! Promises: once a private key was used every failure is one and the same
//! [`DecryptError::Failed`], after the same steps; no octet of a GCM layer is released before its
//! tag is right.
//! Refuses: PKCS#1 v1.5 key transport, SHA-1 key derivation, tags below sixteen octets, a layer
//! whose recipients are not us.
//! Standards: RFC 5652 section 6; RFC 5083 section 2; RFC 5084; RFC 5753; RFC 3218 section 2.3.

use const_oid::ObjectIdentifier;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::algorithm::{ContentCipher, KeyWrap, Mode, oaep_digest};
use crate::crypto::ber::{Reader, Tag};
use crate::crypto::certificate::PublicKey;
use crate::crypto::keys::{Identity, Secret};
use crate::crypto::provider;

use super::agreement::{derivation_digest, key_encryption_key};
use super::oid;
use super::read::{
    AlgorithmIdentifier, AuthEnvelopedData, CertificateIdentifier, EncryptedContent, EnvelopedData,
    KeyAgreement, KeyTransport, RecipientInfo,
};

/// Private-key operations that one layer may cost.
const MOST_ATTEMPTS: usize = 4;
/// RFC 5084 §3.2 allows 12 to 16 octets. Only the full tag is taken: RFC 8755 §7.
const TAG_LENGTH: u64 = 16;
/// RFC 5084 §3.2: the length when it is not written.
const DEFAULT_TAG_LENGTH: u64 = 12;

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
    /// The content cipher is not known.
    #[error("content cipher {0} is not accepted; ask the sender for AES")]
    UnknownCipher(ObjectIdentifier),
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
    let envelope = envelope.into();
    let content = envelope.content();
    let opening = Opening::of(envelope)?;
    let octets = content.octets.as_deref().ok_or(DecryptError::NotAccepted(
        "the encrypted content is not in it",
    ))?;
    let attempts = attempts(envelope, identities)?;

    let key_length = opening.cipher.key_length();
    // RFC 3218 §2.3: after any failure go on with a random key, so that every failure takes the
    // same way and ends in the same error.
    let mut key = Secret::new(random_key(key_length)?);
    for attempt in attempts {
        if let Some(found) = attempt
            .content_key()
            .filter(|found| found.len() == key_length)
        {
            key = found;
            break;
        }
    }
    opening.open(&key, octets)
}

impl<'a> Envelope<'a> {
    /// The content cipher, for people: its name, or the object identifier of one that is not known.
    pub fn cipher_name(&self) -> String {
        let oid = self.content().algorithm.oid;
        ContentCipher::from_oid(&oid).map_or_else(|| oid.to_string(), |cipher| cipher.name().into())
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

/// How the content is decrypted once its key is there. All of it is public.
struct Opening<'a> {
    cipher: ContentCipher,
    /// Initialisation vector, or nonce.
    start: Vec<u8>,
    authenticated: Vec<u8>,
    tag: &'a [u8],
}

impl<'a> Opening<'a> {
    fn of(envelope: Envelope<'a>) -> Result<Self, DecryptError> {
        let algorithm = &envelope.content().algorithm;
        let cipher = ContentCipher::from_oid(&algorithm.oid)
            .ok_or(DecryptError::UnknownCipher(algorithm.oid))?;
        match (envelope, cipher.mode()) {
            (Envelope::Plain(_), Mode::Cbc) => Ok(Self {
                cipher,
                start: initialisation_vector(algorithm)?,
                authenticated: Vec::new(),
                tag: &[],
            }),
            (Envelope::Authenticated(data), Mode::Gcm) => {
                let (start, tag_length) = gcm_parameters(algorithm)?;
                // RFC 5084 §3.2: the tag has the length that the parameters say.
                if u64::try_from(data.mac.len()) != Ok(tag_length) {
                    return Err(DecryptError::NotAccepted(
                        "the tag has another length than its parameters say",
                    ));
                }
                check_authenticated(data)?;
                // RFC 5083 §2.2: authenticated under the tag SET OF.
                let mut authenticated = data
                    .authenticated_attributes
                    .map(<[u8]>::to_vec)
                    .unwrap_or_default();
                if let Some(first) = authenticated.first_mut() {
                    *first = Tag::SET.0;
                }
                Ok(Self {
                    cipher,
                    start,
                    authenticated,
                    tag: &data.mac,
                })
            }
            // A cipher of the other kind: content made for authentication would be decrypted
            // without it.
            (Envelope::Plain(_), Mode::Gcm) | (Envelope::Authenticated(_), Mode::Cbc) => Err(
                DecryptError::NotAccepted("the cipher does not belong into this kind of layer"),
            ),
        }
    }

    fn open(&self, key: &Secret, octets: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let provider = provider::default();
        match self.cipher.mode() {
            Mode::Cbc => provider.cbc_decrypt(self.cipher, key.as_bytes(), &self.start, octets),
            Mode::Gcm => provider.gcm_open(
                self.cipher,
                key.as_bytes(),
                &self.start,
                &self.authenticated,
                octets,
                self.tag,
            ),
        }
        .map_err(|_| DecryptError::Failed)
    }
}

/// One recipient that is one of the identities, by a method that is accepted.
enum Attempt<'a> {
    Agreement {
        identity: &'a Identity,
        agreement: &'a KeyAgreement<'a>,
        encrypted_key: &'a [u8],
    },
    Transport {
        identity: &'a Identity,
        transport: &'a KeyTransport<'a>,
    },
}

impl Attempt<'_> {
    fn content_key(&self) -> Option<Secret> {
        match self {
            Self::Agreement {
                identity,
                agreement,
                encrypted_key,
            } => agreed_key(identity, agreement, encrypted_key),
            Self::Transport {
                identity,
                transport,
            } => {
                let digest = oaep_digest(&transport.algorithm.to_spki()?).ok()?;
                identity
                    .key()
                    .decrypt_oaep(digest, &transport.encrypted_key)
                    .ok()
            }
        }
    }
}

/// The recipients that are us. Several certificates can have one key identifier, and one identity
/// can be named twice, so there can be several.
fn attempts<'a>(
    envelope: Envelope<'a>,
    identities: &'a [Identity],
) -> Result<Vec<Attempt<'a>>, DecryptError> {
    let mut attempts = Vec::new();
    let mut refused = None;
    for info in envelope.recipients() {
        for identity in identities {
            let is_us = |rid: &CertificateIdentifier<'_>| rid.matches(identity.certificate());
            match info {
                RecipientInfo::KeyTransport(transport) if is_us(&transport.rid) => {
                    match transport_problem(transport) {
                        Some(problem) => refused = Some(problem),
                        None => attempts.push(Attempt::Transport {
                            identity,
                            transport,
                        }),
                    }
                }
                RecipientInfo::KeyAgreement(agreement) => {
                    for key in agreement.keys.iter().filter(|key| is_us(&key.rid)) {
                        match agreement_problem(agreement) {
                            Some(problem) => refused = Some(problem),
                            None => attempts.push(Attempt::Agreement {
                                identity,
                                agreement,
                                encrypted_key: &key.encrypted_key,
                            }),
                        }
                    }
                }
                RecipientInfo::KeyTransport(_) | RecipientInfo::Unsupported { .. } => {}
            }
        }
    }
    attempts.truncate(MOST_ATTEMPTS);
    match (attempts.is_empty(), refused) {
        (false, _) => Ok(attempts),
        (true, Some(problem)) => Err(DecryptError::NotAccepted(problem)),
        (true, None) => Err(DecryptError::NotForUs),
    }
}

fn transport_problem(transport: &KeyTransport<'_>) -> Option<&'static str> {
    // RFC 8551 §6: an automatic gateway is the ideal oracle for PKCS#1 v1.5.
    if transport.algorithm.oid == oid::RSA_ENCRYPTION {
        return Some("its key was transported with PKCS#1 v1.5; ask the sender for OAEP");
    }
    match transport
        .algorithm
        .to_spki()
        .map(|algorithm| oaep_digest(&algorithm))
    {
        Some(Ok(_)) => None,
        _ => Some("its key transport is not OAEP with one hash"),
    }
}

fn agreement_problem(agreement: &KeyAgreement<'_>) -> Option<&'static str> {
    if derivation_digest(&agreement.algorithm.oid).is_none() {
        return Some("its key agreement is not ECDH with SHA-2");
    }
    let wrap = &agreement.wrap;
    // RFC 3565 §2.3.2: parameters absent; some senders write NULL.
    if KeyWrap::from_oid(&wrap.oid).is_none() || wrap.parameters_but_null().is_some() {
        return Some("its key wrap is not that of AES");
    }
    if agreement.originator.algorithm.oid != oid::EC_PUBLIC_KEY {
        return Some("the originator's key is not on a named curve");
    }
    None
}

fn agreed_key(
    identity: &Identity,
    agreement: &KeyAgreement<'_>,
    encrypted_key: &[u8],
) -> Option<Secret> {
    let PublicKey::Ec(curve, _) = identity.certificate().public_key() else {
        return None;
    };
    // RFC 5753 §7.1.2: absent, NULL, or the name of the curve; a described curve never.
    if let Some(parameters) = &agreement.originator.algorithm.parameters
        && !parameters.is_null()
        && parameters.decode_as::<ObjectIdentifier>().ok() != Some(curve.oid())
    {
        return None;
    }
    let digest = derivation_digest(&agreement.algorithm.oid)?;
    let wrap = KeyWrap::from_oid(&agreement.wrap.oid)?;
    let point = agreement.originator.public_key.as_bytes()?;
    let secret = identity.key().agree(point).ok()?;
    let kek = key_encryption_key(
        digest,
        &secret,
        wrap,
        agreement.wrap.raw,
        agreement.user_keying_material.as_deref(),
    );
    provider::default()
        .unwrap_key(wrap, kek.as_bytes(), encrypted_key)
        .ok()
}

fn initialisation_vector(algorithm: &AlgorithmIdentifier<'_>) -> Result<Vec<u8>, DecryptError> {
    // RFC 3565 §2.2: the parameters are the vector.
    const WRONG: DecryptError = DecryptError::NotAccepted("its initialisation vector is missing");
    let parameters = algorithm.parameters.ok_or(WRONG)?;
    let mut reader = Reader::new(parameters, Default::default());
    let vector = reader
        .expect_string(Tag::OCTET_STRING)
        .and_then(|element| element.octets())
        .map_err(|_| WRONG)?;
    if vector.len() != provider::CBC_IV {
        return Err(WRONG);
    }
    Ok(vector.into_owned())
}

/// Nonce and length of the tag.
fn gcm_parameters(algorithm: &AlgorithmIdentifier<'_>) -> Result<(Vec<u8>, u64), DecryptError> {
    const WRONG: DecryptError = DecryptError::NotAccepted("its GCM parameters are not right");
    let parameters = algorithm.parameters.ok_or(WRONG)?;
    let read = || {
        let mut outer = Reader::new(parameters, Default::default());
        let mut fields = outer.sequence()?;
        let nonce = fields
            .expect_string(Tag::OCTET_STRING)?
            .octets()?
            .into_owned();
        let length = match fields.optional(Tag::INTEGER)? {
            Some(length) => length.unsigned()?,
            None => DEFAULT_TAG_LENGTH,
        };
        fields.finish()?;
        Ok::<_, crate::crypto::ber::BerError>((nonce, length))
    };
    match read() {
        Ok((nonce, TAG_LENGTH)) => Ok((nonce, TAG_LENGTH)),
        Ok(_) => Err(DecryptError::NotAccepted(
            "its tag is shorter than 16 octets",
        )),
        Err(_) => Err(WRONG),
    }
}

// RFC 5083 §2.1: content-type must be among the authenticated attributes unless the content is
// id-data, and it must be the type of the content.
fn check_authenticated(data: &AuthEnvelopedData<'_>) -> Result<(), DecryptError> {
    let mut types = data
        .authenticated
        .iter()
        .filter(|attribute| attribute.oid == oid::CONTENT_TYPE);
    let fits = match (types.next(), types.next()) {
        (None, _) => data.content.content_type == oid::DATA,
        (Some(attribute), None) => attribute.only_value().is_some_and(|value| {
            let mut reader = Reader::new(value, Default::default());
            reader
                .oid()
                .is_ok_and(|oid| oid == data.content.content_type)
        }),
        (Some(_), Some(_)) => false,
    };
    match fits {
        true => Ok(()),
        false => Err(DecryptError::NotAccepted(
            "its content-type attribute is not the type of the content",
        )),
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
