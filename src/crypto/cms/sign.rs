//! Signed layers of ours.
//!
//! Duty: SignedData in DER, by one signer or several, with the content inside or beside it.
//! Promises: every signature has signed attributes: contentType, messageDigest, signingTime,
//! signingCertificateV2 and CMSAlgorithmProtection; the content is read once for each digest and
//! copied once.
//! Refuses: no signer; an attribute twice; an attribute of the caller's that is made here.
//! Standards: RFC 5652 section 5; RFC 5035 section 3; RFC 6211; RFC 5754.

use const_oid::ObjectIdentifier;
use thiserror::Error;

use crate::clock::Timestamp;
use crate::crypto::algorithm::{Digest, RsaPadding, SignatureScheme};
use crate::crypto::ber::{Frame, Node, Tag, set_of};
use crate::crypto::certificate::Certificate;
use crate::crypto::ess::{CertificateHash, SigningCertificate};
use crate::crypto::keys::Identity;
use crate::crypto::provider::{self, CryptoError};

use super::attribute::AttributeDer;
use super::oid;
use super::read::CmsError;

/// What to sign, and how.
#[derive(Clone, Copy, Debug)]
pub struct SignOrder<'a> {
    /// The octets to sign.
    pub content: &'a [u8],
    /// What they are: id-data for MIME.
    pub content_type: ObjectIdentifier,
    /// Where they go.
    pub form: Form,
    /// Who signs: at least one.
    pub signers: &'a [Signer<'a>],
    /// When.
    pub signing_time: Timestamp,
    /// Certificates to include beside the signers' own and their chains.
    pub extra_certificates: &'a [Certificate],
}

/// Where the signed octets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Into the layer.
    Attached,
    /// Beside it.
    Detached,
}

/// Who signs, and what the signature says.
#[derive(Clone, Debug)]
pub struct Signer<'a> {
    /// The certificate and its key.
    pub identity: &'a Identity,
    /// Further signed attributes: label, receipt request, signature type.
    pub attributes: Vec<AttributeDer>,
    /// How to sign.
    pub scheme: SignatureScheme,
    /// How the signature names its signer.
    pub name: SignerName,
}

/// How a signature names its signer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignerName {
    /// issuerAndSerialNumber: by the certificate.
    #[default]
    IssuerAndSerial,
    /// subjectKeyIdentifier: by the key, under whatever certificate.
    SubjectKeyIdentifier,
}

/// Why a layer was not signed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignError {
    /// The key did not sign.
    #[error("the key did not sign")]
    Crypto(#[from] CryptoError),
    /// What all signers of a layer must say alike (RFC 2634 section 1.3.4, RFC 3183 section 3.1.2)
    /// would differ.
    #[error("attribute {0} must be the same in every signature of the layer")]
    Differs(ObjectIdentifier),
    /// The layer to which a signature is to be added cannot be read.
    #[error("the signed layer cannot be read")]
    Layer(#[from] CmsError),
    /// The certificate has no identifier of its key.
    #[error(
        "the certificate of {0} has no subject key identifier; name the signer by issuer and serial number"
    )]
    NoKeyIdentifier(String),
    /// Nobody was named to sign.
    #[error("no signer was named; name at least one")]
    NoSigner,
    /// The same attribute twice, or one that is made here.
    #[error("signed attribute {0} would occur twice; leave it out of the order")]
    Repeated(ObjectIdentifier),
    /// The content is in the layer and beside it, or in neither place.
    #[error("the content must be either in the signed layer or beside it")]
    NotOneContent,
    /// A scheme that is only read.
    #[error("{0} is too weak to sign with")]
    Scheme(String),
}

impl<'a> Signer<'a> {
    /// Signs as the identity does unless told otherwise.
    pub fn new(identity: &'a Identity, attributes: Vec<AttributeDer>) -> Self {
        Self {
            identity,
            attributes,
            scheme: identity.default_scheme(),
            name: SignerName::default(),
        }
    }

    /// Signs with this scheme: PKCS #1 v1.5, where a link asks for it, is made in no other way.
    #[must_use]
    pub fn with_scheme(mut self, scheme: SignatureScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Signs so where the key is an RSA key; any other key signs as it does.
    #[must_use]
    pub fn with_rsa_padding(mut self, padding: RsaPadding) -> Self {
        self.scheme = match (padding, self.scheme) {
            (RsaPadding::Pkcs1, SignatureScheme::RsaPss { digest, .. }) => {
                SignatureScheme::RsaPkcs1(digest)
            }
            (_, scheme) => scheme,
        };
        self
    }

    /// Names the signer by the key.
    #[must_use]
    pub fn by_key_identifier(mut self) -> Self {
        self.name = SignerName::SubjectKeyIdentifier;
        self
    }

    /// version and sid of the SignerInfo.
    // RFC 5652 §5.3: 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
    fn sid(&self) -> Result<(u64, Node<'_>), SignError> {
        let certificate = self.identity.certificate();
        match self.name {
            SignerName::IssuerAndSerial => Ok((1, Node::from(certificate.issuer_and_serial_der()))),
            SignerName::SubjectKeyIdentifier => certificate
                .subject_key_id()
                .map(|identifier| (3, Node::tagged_bytes(Tag::context(0), identifier)))
                .ok_or_else(|| SignError::NoKeyIdentifier(certificate.subject())),
        }
    }
}

/// A ContentInfo with a SignedData, in DER.
pub fn sign(order: &SignOrder<'_>) -> Result<Vec<u8>, SignError> {
    Ok(layer(order)?.to_vec())
}

/// What stands around the content in [`sign`], so that the caller's copy of it can be the only one.
///
/// # Errors
/// As [`sign`].
pub fn frame(order: &SignOrder<'_>) -> Result<Frame, SignError> {
    Ok(layer(order)?.frame(order.content))
}

fn layer<'a>(order: &SignOrder<'a>) -> Result<Node<'a>, SignError> {
    if order.signers.is_empty() {
        return Err(SignError::NoSigner);
    }
    let mut digests: Vec<(Digest, Vec<u8>)> = Vec::new();
    let mut infos = Vec::new();
    for signer in order.signers {
        let digest = digest_of(&signer.scheme)?;
        let known = digests.iter().find(|(of, _)| *of == digest);
        let content_digest = match known {
            Some((_, value)) => value.clone(),
            None => {
                let value = provider::default().digest(digest, &[order.content]);
                digests.push((digest, value.clone()));
                value
            }
        };
        let mut attributes = vec![AttributeDer::content_type(&order.content_type)];
        attributes.extend(signer.attributes.iter().cloned());
        infos.push(signer_info(
            signer,
            &content_digest,
            order.signing_time,
            attributes,
        )?);
    }

    // RFC 5652 §5.2: without eContent the signature is detached.
    let mut encapsulated = vec![Node::oid(&order.content_type)];
    if order.form == Form::Attached {
        encapsulated.push(Node::explicit(0, Node::octet_string(order.content)));
    }
    // RFC 5652 §5.1: 3 unless the content is id-data and every SignerInfo has version 1.
    let by_key = order
        .signers
        .iter()
        .any(|signer| signer.name == SignerName::SubjectKeyIdentifier);
    let version = if order.content_type == oid::DATA && !by_key {
        1
    } else {
        3
    };
    let signed = Node::sequence(vec![
        Node::unsigned(version),
        set_of(
            Tag::SET,
            digests
                .iter()
                .map(|(digest, _)| digest.algorithm_der())
                .collect(),
        ),
        Node::sequence(encapsulated),
        set_of(Tag::context_constructed(0), bag(order)),
        set_of(Tag::SET, infos),
    ]);
    Ok(content_info(&oid::SIGNED_DATA, signed))
}

/// A ContentInfo with a SignedData that holds this content and no signature: what RFC 3183 section
/// 3 puts around an unsigned message before a domain signs it. It is "unsigned", whoever reads it.
pub fn unsigned(content: &[u8], content_type: &ObjectIdentifier) -> Vec<u8> {
    let encapsulated = vec![
        Node::oid(content_type),
        Node::explicit(0, Node::octet_string(content)),
    ];
    let version = if *content_type == oid::DATA { 1 } else { 3 };
    degenerate(version, encapsulated, Vec::new())
}

/// A ContentInfo with a SignedData that holds certificates and nothing else.
// RFC 8551 §3.8, RFC 5652 §5.2: no signer, and no content.
pub fn certificates_only(certificates: &[Certificate]) -> Vec<u8> {
    let bag = certificates
        .iter()
        .map(|certificate| certificate.der().to_vec())
        .collect();
    degenerate(1, vec![Node::oid(&oid::DATA)], bag)
}

fn degenerate(version: u64, encapsulated: Vec<Node<'_>>, bag: Vec<Vec<u8>>) -> Vec<u8> {
    let mut fields = vec![
        Node::unsigned(version),
        set_of(Tag::SET, Vec::new()),
        Node::sequence(encapsulated),
    ];
    if !bag.is_empty() {
        fields.push(set_of(Tag::context_constructed(0), bag));
    }
    fields.push(set_of(Tag::SET, Vec::new()));
    content_info(&oid::SIGNED_DATA, Node::sequence(fields)).to_vec()
}

/// A ContentInfo of this type.
pub(super) fn content_info<'a>(content_type: &ObjectIdentifier, content: Node<'a>) -> Node<'a> {
    Node::sequence(vec![Node::oid(content_type), Node::explicit(0, content)])
}

/// A SignerInfo over something with this digest. `attributes` are the signed ones beside those that
/// every signature has.
pub(super) fn signer_info(
    signer: &Signer<'_>,
    content_digest: &[u8],
    signing_time: Timestamp,
    mut attributes: Vec<AttributeDer>,
) -> Result<Vec<u8>, SignError> {
    let (identity, scheme) = (signer.identity, &signer.scheme);
    let digest = digest_of(scheme)?;
    let (version, sid) = signer.sid()?;
    let digest_algorithm = digest.algorithm_der();
    let signature_algorithm = scheme.algorithm_der();
    attributes.push(AttributeDer::message_digest(content_digest));
    attributes.push(AttributeDer::signing_time(signing_time));
    attributes.push(signing_certificate(identity.certificate()));
    attributes.push(algorithm_protection(
        &digest_algorithm,
        &signature_algorithm,
    ));
    for (index, attribute) in attributes.iter().enumerate() {
        let mut earlier = attributes.iter().take(index);
        if earlier.any(|other| other.oid() == attribute.oid()) {
            return Err(SignError::Repeated(attribute.oid()));
        }
    }
    let attributes: Vec<Vec<u8>> = attributes.iter().map(|a| a.der().to_vec()).collect();
    // RFC 5652 §5.4: signed under the tag SET OF, sent under [0].
    let mut encoded = set_of(Tag::SET, attributes).to_vec();
    let signature = identity.key().sign(scheme, &encoded)?;
    if let Some(first) = encoded.first_mut() {
        *first = Tag::context_constructed(0).0;
    }
    Ok(Node::sequence(vec![
        Node::unsigned(version),
        sid,
        Node::from(digest_algorithm),
        Node::from(encoded),
        Node::from(signature_algorithm),
        Node::octet_string(signature),
    ])
    .to_vec())
}

pub(super) fn digest_of(scheme: &SignatureScheme) -> Result<Digest, SignError> {
    match scheme.content_digest() {
        Digest::Sha1 => Err(SignError::Scheme(scheme.name())),
        digest => Ok(digest),
    }
}

// RFC 5035 §4: the signer's certificate only; further entries would limit the path.
fn signing_certificate(certificate: &Certificate) -> AttributeDer {
    let digest = Digest::Sha384;
    SigningCertificate::attribute_v2(&CertificateHash {
        algorithm: digest.oid(),
        hash: provider::default().digest(digest, &[certificate.der()]),
        issuer_and_serial: Some((
            certificate.issuer_der().to_vec(),
            certificate.serial_bytes().to_vec(),
        )),
    })
}

// RFC 6211 §2: SEQUENCE { digestAlgorithm, [1] IMPLICIT signatureAlgorithm }
fn algorithm_protection(digest_algorithm: &[u8], signature_algorithm: &[u8]) -> AttributeDer {
    let mut signature = signature_algorithm.to_vec();
    if let Some(first) = signature.first_mut() {
        *first = Tag::context_constructed(1).0;
    }
    AttributeDer::new(
        oid::ALGORITHM_PROTECTION,
        Node::sequence(vec![Node::encoded(digest_algorithm), Node::from(signature)]),
    )
}

/// Every certificate once.
fn bag(order: &SignOrder<'_>) -> Vec<Vec<u8>> {
    let of_signers = order.signers.iter().flat_map(|signer| {
        std::iter::once(signer.identity.certificate()).chain(signer.identity.chain())
    });
    let mut bag: Vec<Vec<u8>> = of_signers
        .chain(order.extra_certificates)
        .map(|certificate| certificate.der().to_vec())
        .collect();
    bag.sort();
    bag.dedup();
    bag
}
