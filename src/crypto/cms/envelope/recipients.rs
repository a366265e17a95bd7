//! How the content key reaches each recipient.
//!
//! Promises: ephemeral keys are fresh for each layer and each curve; the key that wraps the content
//! key is derived for each recipient and is as strong as the content key.
//! Refuses: RSA keys below 2048 bits; keys of other kinds.
//! Standards: RFC 5652 section 6.2; RFC 5753 section 3.1; RFC 8418; RFC 3560; RFC 8551 section 2.7.

use crate::crypto::algorithm::{
    Curve, Digest, ID_X25519, KeyDerivation, KeyWrap, oaep_algorithm_der,
};
use crate::crypto::ber::{Node, Tag};
use crate::crypto::certificate::{Certificate, PublicKey};
use crate::crypto::cms::agreement::key_encryption_key;
use crate::crypto::cms::oid;
use crate::crypto::cms::sign::SignerName;
use crate::crypto::keys::Secret;
use crate::crypto::provider::{self, CryptoError};

use super::{Agreement, EnvelopeError, EnvelopeSettings, Wrap};

/// RFC 8551 §4.4
const LEAST_RSA_BITS: usize = 2048;

/// Every RecipientInfo.
pub(super) struct Recipients {
    pub(super) infos: Vec<Vec<u8>>,
    pub(super) kinds: Kinds,
}

/// The recipients whose keys are on one curve, each with its point.
struct CurveMembers<'a> {
    curve: Curve,
    members: Vec<(&'a Certificate, &'a [u8])>,
}

/// What the version of the layer depends on.
pub(super) enum Kinds {
    /// Every RecipientInfo has version 0: key transport by issuer and serial number.
    VersionZero,
    /// There are others.
    Others,
}

/// How one RecipientInfo of key agreement is made.
struct AgreementForm {
    derivation: KeyDerivation,
    /// AlgorithmIdentifier of the ephemeral key, in DER.
    key_algorithm: Vec<u8>,
}

/// The RecipientInfos for these certificates, each once.
pub(super) fn recipient_infos(
    certificates: &[Certificate],
    settings: &EnvelopeSettings<'_>,
    content_key: &[u8],
) -> Result<Recipients, EnvelopeError> {
    let mut recipients = Recipients {
        infos: Vec::new(),
        kinds: Kinds::VersionZero,
    };
    let mut by_curve: Vec<CurveMembers<'_>> = Vec::new();
    let mut montgomery: Vec<(&Certificate, &[u8])> = Vec::new();
    for (index, certificate) in certificates.iter().enumerate() {
        let mut earlier = certificates.iter().take(index);
        if earlier.any(|earlier| earlier == certificate) {
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
                let info = key_transport(certificate, settings, content_key)?;
                recipients.infos.push(info);
                if settings.names == SignerName::SubjectKeyIdentifier {
                    recipients.kinds = Kinds::Others;
                }
            }
            PublicKey::X25519(key) => montgomery.push((certificate, key)),
            PublicKey::Ed25519(_) | PublicKey::Other(_) => {
                return Err(refused(
                    "its key is neither on a curve for agreement nor RSA",
                ));
            }
        }
    }
    for CurveMembers { curve, members } in by_curve {
        let points: Vec<&[u8]> = members.iter().map(|(_, point)| *point).collect();
        let (ephemeral, secrets) = provider::default().agree_ephemeral_each(curve, &points)?;
        let digest = settings.derivation.unwrap_or(curve.digest());
        let form = AgreementForm {
            derivation: match settings.agreement {
                Agreement::Standard => KeyDerivation::X963(digest),
                Agreement::Cofactor => KeyDerivation::X963Cofactor(digest),
            },
            // RFC 5753 §3.1.1: id-ecPublicKey without parameters.
            key_algorithm: Node::sequence(vec![Node::oid(&oid::EC_PUBLIC_KEY)]).to_vec(),
        };
        let agreed = (ephemeral, secrets);
        let info = key_agreement(&form, &members, agreed, settings, content_key)?;
        recipients.infos.push(info);
        recipients.kinds = Kinds::Others;
    }
    if !montgomery.is_empty() {
        let keys: Vec<&[u8]> = montgomery.iter().map(|(_, key)| *key).collect();
        let agreed = provider::default().agree_x25519_each(&keys)?;
        // RFC 8418 §2.1, §3
        let form = AgreementForm {
            derivation: KeyDerivation::Hkdf(settings.derivation.unwrap_or(Digest::Sha256)),
            key_algorithm: Node::sequence(vec![Node::oid(&ID_X25519)]).to_vec(),
        };
        let info = key_agreement(&form, &montgomery, agreed, settings, content_key)?;
        recipients.infos.push(info);
        recipients.kinds = Kinds::Others;
    }
    Ok(recipients)
}

fn no_key_identifier(certificate: &Certificate) -> EnvelopeError {
    EnvelopeError::Recipient {
        subject: certificate.subject(),
        problem: "it has no subject key identifier to be named by",
    }
}

// RFC 5652 §6.2.1, RFC 3560 §2
fn key_transport(
    certificate: &Certificate,
    settings: &EnvelopeSettings<'_>,
    content_key: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let encrypted =
        provider::default().oaep_encrypt(certificate.spki_der(), settings.oaep, content_key)?;
    let (version, rid) = match settings.names {
        SignerName::IssuerAndSerial => (0, Node::from(certificate.issuer_and_serial_der())),
        SignerName::SubjectKeyIdentifier => {
            let identifier = certificate
                .subject_key_id()
                .ok_or_else(|| no_key_identifier(certificate))?;
            (2, Node::tagged_bytes(Tag::context(0), identifier))
        }
    };
    Ok(Node::sequence(vec![
        Node::unsigned(version),
        rid,
        Node::from(oaep_algorithm_der(settings.oaep)),
        Node::octet_string(encrypted),
    ])
    .to_vec())
}

// RFC 5652 §6.2.2, RFC 5753 §3.1.1: one ephemeral key for all recipients of the curve.
fn key_agreement(
    form: &AgreementForm,
    members: &[(&Certificate, &[u8])],
    (ephemeral, secrets): (Vec<u8>, Vec<Secret>),
    settings: &EnvelopeSettings<'_>,
    content_key: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let provider = provider::default();
    // RFC 8551 §2.7: key wrap and content cipher of one strength.
    let wrap = KeyWrap::of_length(content_key.len(), settings.wrap == Wrap::Padded);
    let wrap_algorithm = wrap.algorithm_der();
    if secrets.len() != members.len() {
        return Err(CryptoError::Failed.into());
    }
    let mut keys = Vec::new();
    for ((certificate, _), secret) in members.iter().zip(&secrets) {
        let kek = key_encryption_key(form.derivation, secret, wrap, &wrap_algorithm, None)?;
        let wrapped = provider.wrap_key(wrap, kek.as_bytes(), content_key)?;
        let rid = match settings.names {
            SignerName::IssuerAndSerial => Node::from(certificate.issuer_and_serial_der()),
            // RFC 5652 §6.2.2: [0] IMPLICIT RecipientKeyIdentifier
            SignerName::SubjectKeyIdentifier => {
                let identifier = certificate
                    .subject_key_id()
                    .ok_or_else(|| no_key_identifier(certificate))?;
                Node::tagged(
                    Tag::context_constructed(0),
                    vec![Node::octet_string(identifier)],
                )
            }
        };
        keys.push(Node::sequence(vec![rid, Node::octet_string(wrapped)]));
    }
    // RFC 5753 §3.1.1: originatorKey [1].
    let originator = Node::tagged(
        Tag::context_constructed(1),
        vec![
            Node::encoded(&form.key_algorithm),
            Node::bit_string(&ephemeral),
        ],
    );
    Ok(Node::tagged(
        Tag::context_constructed(1),
        vec![
            Node::unsigned(3),
            Node::explicit(0, originator),
            Node::sequence(vec![
                Node::oid(&form.derivation.oid()),
                Node::encoded(&wrap_algorithm),
            ]),
            Node::sequence(keys),
        ],
    )
    .to_vec())
}
