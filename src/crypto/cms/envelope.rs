//! Encrypted layers of ours.
//!
//! Duty: EnvelopedData (CBC) and AuthEnvelopedData (GCM) in DER, for recipients with keys on NIST
//! curves or X25519 (one ephemeral key for all recipients of a curve) or with RSA keys.
//! Promises: content key, nonce and ephemeral keys are fresh for each layer; the key that wraps the
//! content key is derived for each recipient and is as strong as the content key; the tag has
//! sixteen octets.
//! Refuses: no recipient; RSA keys below 2048 bits; keys of other kinds; SHA-1; authenticated
//! attributes where the cipher does not authenticate.
//! Standards: RFC 5652 section 6; RFC 5083; RFC 5084; RFC 9709. `recipients` has those of the keys.

mod recipients;

use const_oid::ObjectIdentifier;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::algorithm::{ContentCipher, Digest, Mode};
use crate::crypto::ber::{Node, Tag, set_of};
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Secret;
use crate::crypto::provider::{self, CBC_IV, CryptoError, GCM_NONCE, GCM_TAG};

use super::attribute::AttributeDer;
use super::binding::bound_key;
use super::oid;
use super::sign::{SignerName, content_info};

use recipients::{Kinds, Recipients, recipient_infos};

/// What to encrypt, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeOrder<'a> {
    /// The octets to encrypt.
    pub content: &'a [u8],
    /// What they are: id-data for MIME.
    pub content_type: ObjectIdentifier,
    /// Who can read them: at least one.
    pub recipients: &'a [Certificate],
    /// GCM makes AuthEnvelopedData, CBC makes EnvelopedData.
    pub cipher: ContentCipher,
    /// authAttrs: everybody can read them, and every recipient can tell whether they were changed.
    pub authenticated: &'a [AttributeDer],
}

/// How the keys and the cipher are wrapped up. The default is what every reader of RFC 8551 and RFC
/// 8755 takes.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeSettings<'a> {
    /// How recipients are named.
    pub names: SignerName,
    /// Which form of Diffie-Hellman is written; on curves of prime order they are the same.
    pub agreement: Agreement,
    /// The digest of the key derivation; none for the one of the curve's strength.
    pub derivation: Option<Digest>,
    /// Which key wrap.
    pub wrap: Wrap,
    /// The hash and mask of OAEP: RFC 8755 §5 for the default.
    pub oaep: Digest,
    /// Whether the content key is bound to its cipher.
    pub binding: Binding,
    /// Certificates in originatorInfo.
    pub originator: &'a [Certificate],
    /// unprotectedAttrs or unauthAttrs: anybody can read and change them.
    pub unprotected: &'a [AttributeDer],
}

/// Forms of Diffie-Hellman.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Agreement {
    /// With the cofactor.
    Cofactor,
    /// Without.
    #[default]
    Standard,
}

/// Forms of AES key wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrap {
    /// RFC 5649: with padding.
    Padded,
    /// RFC 3394.
    #[default]
    Plain,
}

/// Whether a content key is bound to its cipher (RFC 9709).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// HKDF with SHA-256 over the cipher's name: for recipients that are known to read it.
    Hkdf,
    /// None: every recipient reads it.
    #[default]
    None,
}

impl Default for EnvelopeSettings<'_> {
    fn default() -> Self {
        Self {
            names: SignerName::default(),
            agreement: Agreement::default(),
            derivation: None,
            wrap: Wrap::default(),
            oaep: Digest::Sha384,
            binding: Binding::default(),
            originator: &[],
            unprotected: &[],
        }
    }
}

/// Why a layer was not made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Authenticated attributes were ordered with a cipher that does not authenticate.
    #[error("authenticated attributes need a GCM cipher")]
    Attributes,
    /// An operation failed.
    #[error("the content could not be encrypted")]
    Crypto(#[from] CryptoError),
    /// Nobody was named to read the content.
    #[error("no recipient was named; name at least one")]
    NoRecipient,
    /// A recipient's key is not one that we encrypt for.
    #[error("cannot encrypt for {subject}: {problem}")]
    Recipient {
        /// Whose certificate.
        subject: String,
        /// What is wrong with its key.
        problem: &'static str,
    },
    /// SHA-1 was asked for.
    #[error("SHA-1 is only read")]
    Weak,
}

/// Encrypts MIME for these recipients.
pub fn envelope(
    content: &[u8],
    recipients: &[Certificate],
    cipher: ContentCipher,
) -> Result<Vec<u8>, EnvelopeError> {
    seal(&EnvelopeOrder {
        content,
        content_type: oid::DATA,
        recipients,
        cipher,
        authenticated: &[],
    })
}

/// A ContentInfo with EnvelopedData or AuthEnvelopedData, in DER.
pub fn seal(order: &EnvelopeOrder<'_>) -> Result<Vec<u8>, EnvelopeError> {
    seal_with(order, &EnvelopeSettings::default())
}

/// As [`seal`], with settings.
pub fn seal_with(
    order: &EnvelopeOrder<'_>,
    settings: &EnvelopeSettings<'_>,
) -> Result<Vec<u8>, EnvelopeError> {
    made(order, settings, order.content.to_vec())
}

/// Encrypts MIME for these recipients in the vector that it is in: for large content.
///
/// # Errors
/// As [`envelope`].
pub fn envelope_in_place(
    content: Vec<u8>,
    recipients: &[Certificate],
    cipher: ContentCipher,
) -> Result<Vec<u8>, EnvelopeError> {
    let order = EnvelopeOrder {
        content: &[],
        content_type: oid::DATA,
        recipients,
        cipher,
        authenticated: &[],
    };
    made(&order, &EnvelopeSettings::default(), content)
}

/// The layer around `content`, whatever content the order has.
fn made(
    order: &EnvelopeOrder<'_>,
    settings: &EnvelopeSettings<'_>,
    content: Vec<u8>,
) -> Result<Vec<u8>, EnvelopeError> {
    if order.recipients.is_empty() {
        return Err(EnvelopeError::NoRecipient);
    }
    if [Some(settings.oaep), settings.derivation].contains(&Some(Digest::Sha1)) {
        return Err(EnvelopeError::Weak);
    }
    let mut content_key = Zeroizing::new(vec![0; order.cipher.key_length()]);
    provider::default().random(&mut content_key)?;
    let recipients = recipient_infos(order.recipients, settings, &content_key)?;
    let start_length = match order.cipher.mode() {
        Mode::Cbc => CBC_IV,
        Mode::Gcm => GCM_NONCE,
    };
    let mut start = vec![0; start_length];
    provider::default().random(&mut start)?;
    let cipher = cipher_algorithm(order.cipher, &start);
    let (content_key, cipher) = match settings.binding {
        Binding::None => (Secret::new(content_key.to_vec()), cipher),
        Binding::Hkdf => {
            let travelling = Secret::new(content_key.to_vec());
            let key = bound_key(&travelling, &cipher, order.cipher.key_length())?;
            let named = Node::sequence(vec![
                Node::oid(&oid::CEK_HKDF_SHA256),
                Node::encoded(&cipher),
            ]);
            (key, named.to_vec())
        }
    };
    let layer = Layer {
        order,
        settings,
        content_key,
        start,
        cipher,
        recipients,
    };
    match order.cipher.mode() {
        Mode::Cbc => enveloped(layer, content),
        Mode::Gcm => auth_enveloped(layer, content),
    }
}

/// A layer before its content is encrypted.
struct Layer<'a> {
    order: &'a EnvelopeOrder<'a>,
    settings: &'a EnvelopeSettings<'a>,
    content_key: Secret,
    start: Vec<u8>,
    /// contentEncryptionAlgorithm.
    cipher: Vec<u8>,
    recipients: Recipients,
}

fn cipher_algorithm(cipher: ContentCipher, start: &[u8]) -> Vec<u8> {
    let parameters = match cipher.mode() {
        Mode::Cbc => Node::octet_string(start),
        // RFC 5084 §3.2: the tag's length is written, because the default is 12.
        Mode::Gcm => Node::sequence(vec![
            Node::octet_string(start),
            Node::unsigned(u64::try_from(GCM_TAG).unwrap_or(16)),
        ]),
    };
    Node::sequence(vec![Node::oid(&cipher.oid()), parameters]).to_vec()
}

fn enveloped(layer: Layer<'_>, content: Vec<u8>) -> Result<Vec<u8>, EnvelopeError> {
    let Layer {
        order, settings, ..
    } = layer;
    if !order.authenticated.is_empty() {
        return Err(EnvelopeError::Attributes);
    }
    let encrypted = provider::default().cbc_encrypt_owned(
        order.cipher,
        layer.content_key.as_bytes(),
        &layer.start,
        content,
    )?;
    // RFC 5652 §6.1: 0 if there is neither originatorInfo nor unprotectedAttrs and every
    // RecipientInfo has version 0, else 2.
    let plain = settings.originator.is_empty() && settings.unprotected.is_empty();
    let version = match layer.recipients.kinds {
        Kinds::VersionZero if plain => 0,
        _ => 2,
    };
    let mut fields = vec![Node::unsigned(version)];
    fields.extend(originator_info(settings));
    fields.push(set_of(Tag::SET, layer.recipients.infos));
    fields.push(encrypted_content_info(order, &layer.cipher, &encrypted));
    fields.extend(attributes_anybody_may_change(settings, 1));
    let frame = content_info(&oid::ENVELOPED_DATA, Node::sequence(fields)).frame(&encrypted);
    Ok(frame.around(encrypted))
}

// RFC 5652 §6.1
fn originator_info<'a>(settings: &EnvelopeSettings<'_>) -> Option<Node<'a>> {
    let bag: Vec<Vec<u8>> = settings
        .originator
        .iter()
        .map(|certificate| certificate.der().to_vec())
        .collect();
    (!bag.is_empty()).then(|| {
        Node::tagged(
            Tag::context_constructed(0),
            vec![set_of(Tag::context_constructed(0), bag)],
        )
    })
}

fn attributes_anybody_may_change<'a>(
    settings: &EnvelopeSettings<'_>,
    number: u8,
) -> Option<Node<'a>> {
    let attributes: Vec<Vec<u8>> = settings
        .unprotected
        .iter()
        .map(|attribute| attribute.der().to_vec())
        .collect();
    (!attributes.is_empty()).then(|| set_of(Tag::context_constructed(number), attributes))
}

fn auth_enveloped(layer: Layer<'_>, content: Vec<u8>) -> Result<Vec<u8>, EnvelopeError> {
    let Layer {
        order, settings, ..
    } = layer;
    let mut attributes: Vec<Vec<u8>> = order
        .authenticated
        .iter()
        .map(|attribute| attribute.der().to_vec())
        .collect();
    // RFC 5083 §2.1: content-type must be there when the content is not id-data.
    if order.content_type != oid::DATA || !attributes.is_empty() {
        attributes.push(
            AttributeDer::content_type(&order.content_type)
                .der()
                .to_vec(),
        );
    }
    // RFC 5083 §2.2: authenticated under the tag SET OF, sent under [1]; nothing when absent.
    let mut authenticated = match attributes.is_empty() {
        true => Vec::new(),
        false => set_of(Tag::SET, attributes).to_vec(),
    };
    let sealed = provider::default().gcm_seal_owned(
        order.cipher,
        layer.content_key.as_bytes(),
        &layer.start,
        &authenticated,
        content,
    )?;
    let mut fields = vec![Node::unsigned(0)];
    fields.extend(originator_info(settings));
    fields.push(set_of(Tag::SET, layer.recipients.infos));
    fields.push(encrypted_content_info(
        order,
        &layer.cipher,
        &sealed.ciphertext,
    ));
    if let Some(first) = authenticated.first_mut() {
        *first = Tag::context_constructed(1).0;
        fields.push(Node::from(authenticated));
    }
    fields.push(Node::octet_string(&sealed.tag[..]));
    fields.extend(attributes_anybody_may_change(settings, 2));
    let whole = content_info(&oid::AUTH_ENVELOPED_DATA, Node::sequence(fields));
    let frame = whole.frame(&sealed.ciphertext);
    Ok(frame.around(sealed.ciphertext))
}

fn encrypted_content_info<'a>(
    order: &EnvelopeOrder<'_>,
    cipher: &'a [u8],
    encrypted: &'a [u8],
) -> Node<'a> {
    Node::sequence(vec![
        Node::oid(&order.content_type),
        Node::encoded(cipher),
        Node::tagged_bytes(Tag::context(0), encrypted),
    ])
}

#[cfg(test)]
mod tests;
