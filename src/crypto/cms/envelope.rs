//! Encrypted layers of ours.
//!
//! Duty: EnvelopedData (CBC) and AuthEnvelopedData (GCM) in DER, for recipients with keys on NIST
//! curves (one ephemeral key for all recipients of a curve) or with RSA keys.
//! Promises: content key, nonce and ephemeral keys are fresh for each layer; the key that wraps the
//! content key is derived for each recipient and is as strong as the content key; the tag has
//! sixteen octets.
//! Refuses: no recipient; RSA keys below 2048 bits; keys of other kinds; authenticated attributes
//! where the cipher does not authenticate.
//! Standards: RFC 5652 section 6; RFC 5083; RFC 5084; RFC 5753 section 3.1; RFC 3560; RFC 8551
//! section 2.7.

use const_oid::ObjectIdentifier;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::algorithm::{
    ContentCipher, Curve, Digest, KeyDerivation, KeyWrap, Mode, oaep_algorithm_der,
};
use crate::crypto::ber::{Node, Tag, set_of};
use crate::crypto::certificate::{Certificate, PublicKey};
use crate::crypto::provider::{self, CBC_IV, CryptoError, GCM_NONCE, GCM_TAG};

use super::agreement::key_encryption_key;
use super::attribute::AttributeDer;
use super::oid;
use super::sign::content_info;

/// The hash in OAEP. RFC 8755 §5.
const OAEP_DIGEST: Digest = Digest::Sha384;
/// RFC 8551 §4.4
const LEAST_RSA_BITS: usize = 2048;

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
    if order.recipients.is_empty() {
        return Err(EnvelopeError::NoRecipient);
    }
    let mut content_key = Zeroizing::new(vec![0; order.cipher.key_length()]);
    provider::default().random(&mut content_key)?;
    let recipients = recipient_infos(order, &content_key)?;
    match order.cipher.mode() {
        Mode::Cbc => enveloped(order, &content_key, recipients),
        Mode::Gcm => auth_enveloped(order, &content_key, recipients),
    }
}

fn enveloped(
    order: &EnvelopeOrder<'_>,
    content_key: &[u8],
    recipients: Recipients,
) -> Result<Vec<u8>, EnvelopeError> {
    if !order.authenticated.is_empty() {
        return Err(EnvelopeError::Attributes);
    }
    let provider = provider::default();
    let mut iv = [0; CBC_IV];
    provider.random(&mut iv)?;
    let encrypted = provider.cbc_encrypt(order.cipher, content_key, &iv, order.content)?;
    // RFC 5652 §6.1: 0 if every RecipientInfo has version 0, else 2.
    let version = match recipients.kinds {
        Kinds::TransportOnly => 0,
        Kinds::WithAgreement => 2,
    };
    let data = Node::sequence(vec![
        Node::unsigned(version),
        set_of(Tag::SET, recipients.infos),
        encrypted_content_info(order, Node::octet_string(&iv[..]), &encrypted),
    ]);
    Ok(content_info(&oid::ENVELOPED_DATA, data).to_vec())
}

fn auth_enveloped(
    order: &EnvelopeOrder<'_>,
    content_key: &[u8],
    recipients: Recipients,
) -> Result<Vec<u8>, EnvelopeError> {
    let provider = provider::default();
    let mut nonce = [0; GCM_NONCE];
    provider.random(&mut nonce)?;
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
    let sealed = provider.gcm_seal(
        order.cipher,
        content_key,
        &nonce,
        &authenticated,
        order.content,
    )?;
    // RFC 5084 §3.2: the tag's length is written, because the default is 12.
    let parameters = Node::sequence(vec![
        Node::octet_string(&nonce[..]),
        Node::unsigned(u64::try_from(GCM_TAG).unwrap_or(16)),
    ]);
    let mut fields = vec![
        Node::unsigned(0),
        set_of(Tag::SET, recipients.infos),
        encrypted_content_info(order, parameters, &sealed.ciphertext),
    ];
    if let Some(first) = authenticated.first_mut() {
        *first = Tag::context_constructed(1).0;
        fields.push(Node::from(authenticated));
    }
    fields.push(Node::octet_string(&sealed.tag[..]));
    Ok(content_info(&oid::AUTH_ENVELOPED_DATA, Node::sequence(fields)).to_vec())
}

fn encrypted_content_info<'a>(
    order: &EnvelopeOrder<'_>,
    parameters: Node<'a>,
    encrypted: &'a [u8],
) -> Node<'a> {
    Node::sequence(vec![
        Node::oid(&order.content_type),
        Node::sequence(vec![Node::oid(&order.cipher.oid()), parameters]),
        Node::tagged_bytes(Tag::context(0), encrypted),
    ])
}

struct Recipients {
    infos: Vec<Vec<u8>>,
    kinds: Kinds,
}

/// The recipients whose keys are on one curve, each with its point.
struct CurveMembers<'a> {
    curve: Curve,
    members: Vec<(&'a Certificate, &'a [u8])>,
}

enum Kinds {
    TransportOnly,
    WithAgreement,
}

fn recipient_infos(
    order: &EnvelopeOrder<'_>,
    content_key: &[u8],
) -> Result<Recipients, EnvelopeError> {
    let mut recipients = Recipients {
        infos: Vec::new(),
        kinds: Kinds::TransportOnly,
    };
    let mut by_curve: Vec<CurveMembers<'_>> = Vec::new();
    for (index, certificate) in order.recipients.iter().enumerate() {
        if order
            .recipients
            .iter()
            .take(index)
            .any(|earlier| earlier == certificate)
        {
            continue;
        }
        let refused = |problem| EnvelopeError::Recipient {
            subject: certificate.subject(),
            problem,
        };
        match certificate.public_key() {
            PublicKey::Ec(curve, point) => {
                let member = (certificate, point.as_slice());
                match by_curve.iter_mut().find(|group| group.curve == *curve) {
                    Some(group) => group.members.push(member),
                    None => by_curve.push(CurveMembers {
                        curve: *curve,
                        members: vec![member],
                    }),
                }
            }
            PublicKey::Rsa { bits, .. } if *bits < LEAST_RSA_BITS => {
                return Err(refused("its RSA key has less than 2048 bits"));
            }
            PublicKey::Rsa { .. } => {
                recipients
                    .infos
                    .push(key_transport(certificate, content_key)?);
            }
            PublicKey::Ed25519(_) | PublicKey::X25519(_) | PublicKey::Other(_) => {
                return Err(refused("its key is neither on a NIST curve nor RSA"));
            }
        }
    }
    for CurveMembers { curve, members } in by_curve {
        recipients
            .infos
            .push(key_agreement(curve, &members, content_key)?);
        recipients.kinds = Kinds::WithAgreement;
    }
    Ok(recipients)
}

// RFC 5652 §6.2.1, RFC 3560 §2
fn key_transport(certificate: &Certificate, content_key: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let encrypted =
        provider::default().oaep_encrypt(certificate.spki_der(), OAEP_DIGEST, content_key)?;
    Ok(Node::sequence(vec![
        Node::unsigned(0),
        Node::from(certificate.issuer_and_serial_der()),
        Node::from(oaep_algorithm_der(OAEP_DIGEST)),
        Node::octet_string(encrypted),
    ])
    .to_vec())
}

// RFC 5652 §6.2.2, RFC 5753 §3.1.1: one ephemeral key for all recipients of the curve.
fn key_agreement(
    curve: Curve,
    members: &[(&Certificate, &[u8])],
    content_key: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let provider = provider::default();
    let digest = curve.digest();
    // RFC 8551 §2.7: key wrap and content cipher of one strength.
    let wrap = match content_key.len() {
        16 => KeyWrap::Aes128,
        24 => KeyWrap::Aes192,
        _ => KeyWrap::Aes256,
    };
    let wrap_algorithm = wrap.algorithm_der();
    let points: Vec<&[u8]> = members.iter().map(|(_, point)| *point).collect();
    let (ephemeral, secrets) = provider.agree_ephemeral_each(curve, &points)?;
    if secrets.len() != members.len() {
        return Err(CryptoError::Failed.into());
    }
    let mut keys = Vec::new();
    for ((certificate, _), secret) in members.iter().zip(&secrets) {
        let kek = key_encryption_key(digest, secret, wrap, &wrap_algorithm, None);
        let wrapped = provider.wrap_key(wrap, kek.as_bytes(), content_key)?;
        keys.push(Node::sequence(vec![
            Node::from(certificate.issuer_and_serial_der()),
            Node::octet_string(wrapped),
        ]));
    }
    // RFC 5753 §3.1.1: originatorKey [1], id-ecPublicKey without parameters.
    let originator = Node::tagged(
        Tag::context_constructed(1),
        vec![
            Node::sequence(vec![Node::oid(&oid::EC_PUBLIC_KEY)]),
            Node::bit_string(&ephemeral),
        ],
    );
    Ok(Node::tagged(
        Tag::context_constructed(1),
        vec![
            Node::unsigned(3),
            Node::explicit(0, originator),
            Node::sequence(vec![
                Node::oid(&KeyDerivation::X963(digest).oid()),
                Node::encoded(&wrap_algorithm),
            ]),
            Node::sequence(keys),
        ],
    )
    .to_vec())
}
