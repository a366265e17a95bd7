//! What can be wrong with a signature, or weak in it.

use const_oid::ObjectIdentifier;
use thiserror::Error;

/// One thing that is wrong or weak.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignatureProblem {
    /// CMSAlgorithmProtection names other algorithms than the SignerInfo does.
    #[error("the protected algorithms are not those of the signature (RFC 6211)")]
    AlgorithmProtection,
    /// The signature is over the DER form of the attributes; what arrived is another form.
    #[error("the signed attributes arrived in another encoding than the one that was signed")]
    AttributesNotDer,
    /// The messageDigest attribute is not the digest of the content.
    #[error("the content is not the one that was signed")]
    ContentDigest,
    /// The content is itself a set of signed attributes: a signature for one thing is offered as a
    /// signature for another.
    #[error("the content is the encoding of signed attributes; a signature is being misused")]
    ContentIsSignedAttributes,
    /// The contentType attribute is not the type of the content.
    #[error("the content-type attribute is not the type of the content (RFC 5652 §5.6)")]
    ContentType,
    /// An attribute cannot be read.
    #[error("attribute {0} cannot be read")]
    Malformed(ObjectIdentifier),
    /// An attribute that must be there is not.
    #[error("attribute {0} is missing")]
    Missing(ObjectIdentifier),
    /// No certificate at hand is the one that the signer names.
    #[error("the signer's certificate is not at hand; the sender can include it")]
    NoCertificate,
    /// A countersignature has an attribute that it may not have.
    #[error("attribute {0} may not stand in a countersignature (RFC 2634 §1.3.4)")]
    NotAllowed(ObjectIdentifier),
    /// The content is in the layer and beside it, or in neither place.
    #[error("the content must be either in the signature or beside it")]
    NotOneContent,
    /// An attribute that has one value has none or several.
    #[error("attribute {0} does not have exactly one value")]
    NotOneValue(ObjectIdentifier),
    /// An attribute occurs more than once.
    #[error("attribute {0} occurs more than once")]
    Repeated(ObjectIdentifier),
    /// The signature does not verify with the signer's certificate.
    #[error("the signature does not verify")]
    Signature,
    /// The signature is bound to another certificate than the one that verifies it.
    #[error("the signature is bound to another certificate (RFC 5035 §2)")]
    SigningCertificate,
    /// More or deeper countersignatures than the limit; those beyond it were not looked at.
    #[error("more countersignatures than the limit")]
    TooManyCountersignatures,
    /// An algorithm that is known, old, and not verified here.
    #[error("{0} is not accepted")]
    NotAccepted(&'static str),
    /// The digest algorithm is not one that we know.
    #[error("digest algorithm {0} is unknown")]
    UnknownDigest(ObjectIdentifier),
    /// The signature algorithm is not one that we know, or does not go with the digest algorithm.
    #[error("signature algorithm {0} is unknown or does not fit the digest algorithm")]
    UnknownScheme(ObjectIdentifier),
    /// The SignerInfo's version does not go with how it names its signer.
    #[error("the version of the SignerInfo does not fit its identifier (RFC 5652 §5.3)")]
    Version,
    /// An algorithm or key that no longer protects.
    #[error("{0} is too weak")]
    WeakAlgorithm(String),
    /// There are no signed attributes: no label, no binding to a certificate, no time.
    #[error("there are no signed attributes")]
    WithoutSignedAttributes,
}

/// Algorithms that are refused by their names.
const OLD: [(ObjectIdentifier, &str); 6] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"), "DSA"),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),
        "DSA with SHA-1",
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.2"),
        "DSA with SHA-256",
    ),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.2.2"), "MD2"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.2.5"), "MD5"),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
        "RSA with MD5",
    ),
];

impl SignatureProblem {
    /// What is to be said of an algorithm that is not verified here: its name, if it has one.
    pub(super) fn unverified(oid: ObjectIdentifier, unknown: fn(ObjectIdentifier) -> Self) -> Self {
        OLD.iter()
            .find(|(old, _)| *old == oid)
            .map_or_else(|| unknown(oid), |(_, name)| Self::NotAccepted(name))
    }

    /// Whether the signature is not good with this problem. The others are weaknesses, on which a
    /// policy decides.
    pub fn breaks(&self) -> bool {
        !matches!(
            self,
            Self::AttributesNotDer
                | Self::Version
                | Self::WeakAlgorithm(_)
                | Self::WithoutSignedAttributes
        )
    }
}
