//! Private keys, and identities: a certificate with its key and its chain.
//!
//! Promises: secrets are zeroized and have no `Debug`; an [`Identity`] exists only when key and
//! certificate belong together; everything else sees a key only as [`PrivateKey`], so that a
//! token can stand behind it.
//! Refuses: a key of another certificate, keys that can neither sign nor agree nor decrypt here.
//! Standards: RFC 5958, 5915, 8017 A.1.2, 7468.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tagged};
use zeroize::Zeroizing;

use super::algorithm::{Curve, Digest, ID_EC, ID_RSA, SignatureScheme};
use super::certificate::{Certificate, CertificateError, PublicKey, sequence_of};
use super::pbes2::{self, PasswordError};
use super::pem::{self, PemError};
use super::pkcs12::Pkcs12Error;
use super::provider::{self, CryptoError};
use super::tlv;
use super::token::TokenError;

mod source;

pub use source::{Source, identities, is_pem};

/// Octets that are wiped when dropped. Has no `Debug` and does not compare with `==`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A private key: in memory, or behind a token.
pub trait PrivateKey: Send + Sync {
    /// Signs the message (its digest is computed here).
    fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// ECDH with a peer's point; the result is as long as a field element.
    fn agree(&self, peer_point: &[u8]) -> Result<Secret, CryptoError>;

    /// RSAES-OAEP with `digest` for hash and mask, no label. Every failure is the same.
    fn decrypt_oaep(&self, digest: Digest, ciphertext: &[u8]) -> Result<Secret, CryptoError>;

    /// RSAES-PKCS1-v1_5. Whoever calls this must go on alike whether it failed or not (RFC 3218
    /// section 2.3). A key that does not do it says so.
    fn decrypt_pkcs1(&self, _ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::Unsupported("PKCS #1 v1.5 with this key"))
    }

    /// SubjectPublicKeyInfo in DER.
    fn public_spki(&self) -> &[u8];

    /// The key itself as PKCS #8, where it may leave its place. A token says none.
    fn pkcs8(&self) -> Option<Secret> {
        None
    }
}

/// Why a key or an identity cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The certificate file is not right.
    #[error("the certificate cannot be read")]
    Certificate(#[from] CertificateError),
    /// The file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The key has a structure that is not PKCS #8, SEC 1 or PKCS #1.
    #[error("the private key is malformed: {0}")]
    Malformed(&'static str),
    /// Key and certificate are not a pair.
    #[error("the private key is not the one of the certificate of {subject}")]
    Mismatch {
        /// Whose certificate.
        subject: String,
    },
    /// The file holds no certificate.
    #[error("no certificate in the file (a PEM block CERTIFICATE is expected), or beside the key")]
    NoCertificate,
    /// The file holds no private key.
    #[error("no private key in the file (a PEM block PRIVATE KEY is expected)")]
    NoKey,
    /// A PKCS #12 file is never without a password.
    #[error("a PKCS #12 file needs its password")]
    NoPassword,
    /// The key is encrypted and the password is missing, wrong, or of no use.
    #[error("the encrypted private key cannot be opened")]
    Password(#[from] PasswordError),
    /// The text encoding is wrong.
    #[error("the PEM file is malformed")]
    Pem(#[from] PemError),
    /// The PKCS #12 file gives no key.
    #[error("the PKCS #12 file cannot be used")]
    Pkcs12(#[source] Box<Pkcs12Error>),
    /// The library does not take the key.
    #[error("the private key is not accepted")]
    Provider(#[from] CryptoError),
    /// The token does not give the key.
    #[error("the key on the token cannot be had")]
    Token(#[from] TokenError),
    /// A file's own error, with the file's name.
    #[error("{path}")]
    In {
        /// Which file.
        path: PathBuf,
        /// What is wrong in it.
        #[source]
        source: Box<KeyError>,
    },
}

/// Whether PKCS#1 v1.5 key transport is read.
// RFC 8551 §6: an automatic gateway is the ideal oracle for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pkcs1Transport {
    /// For a peer that knows nothing better, and is trusted not to try it out.
    Read,
    /// The default.
    #[default]
    Refused,
}

/// A certificate, its private key, and the authorities above it (nearest first).
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    key: Arc<dyn PrivateKey>,
    chain: Vec<Certificate>,
    scheme: SignatureScheme,
    pkcs1: Pkcs1Transport,
}

impl Identity {
    /// Joins key and certificate, after a look whether they are a pair.
    pub fn new(
        certificate: Certificate,
        key: Arc<dyn PrivateKey>,
        chain: Vec<Certificate>,
    ) -> Result<Self, KeyError> {
        // Compared as keys: NULL or absent parameters make no difference.
        if PublicKey::from_spki(key.public_spki())? != *certificate.public_key() {
            return Err(KeyError::Mismatch {
                subject: certificate.subject(),
            });
        }
        let scheme = match certificate.public_key() {
            PublicKey::Ec(curve, _) => SignatureScheme::Ecdsa(curve.digest()),
            PublicKey::Rsa { .. } => SignatureScheme::pss(Digest::Sha384),
            // An X25519 key signs nothing: the scheme is refused by the key itself.
            PublicKey::Ed25519(_) | PublicKey::X25519(_) => SignatureScheme::Ed25519,
            PublicKey::Other(_) => {
                return Err(CryptoError::Unsupported("private keys of this kind").into());
            }
        };
        Ok(Self {
            certificate,
            key,
            chain,
            scheme,
            pkcs1: Pkcs1Transport::default(),
        })
    }

    /// The same, with which PKCS#1 v1.5 key transport is read too.
    #[must_use]
    pub fn reading_pkcs1(mut self) -> Self {
        self.pkcs1 = Pkcs1Transport::Read;
        self
    }

    /// Whether PKCS#1 v1.5 key transport is read with it.
    pub fn pkcs1(&self) -> Pkcs1Transport {
        self.pkcs1
    }

    /// From PEM text: the first certificate is the identity's own, the others are its chain.
    pub fn from_pem(
        certificates: &[u8],
        key: &[u8],
        password: Option<&str>,
    ) -> Result<Self, KeyError> {
        let mut chain = Certificate::from_pem_many(certificates)?;
        if chain.is_empty() {
            return Err(KeyError::NoCertificate);
        }
        let own = chain.remove(0);
        Self::new(own, key_from_pem(key, password)?, chain)
    }

    /// From a PEM file of certificates and a PEM file of the key (they may be one file).
    pub fn load_pem(
        certificates: &Path,
        key: &Path,
        password: Option<&str>,
    ) -> Result<Self, KeyError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map(Zeroizing::new)
                .map_err(|source| KeyError::File {
                    path: path.to_owned(),
                    source,
                })
        };
        let (certificate_text, key_text) = (read(certificates)?, read(key)?);
        Self::from_pem(&certificate_text, &key_text, password).map_err(|error| {
            let about_certificate =
                matches!(error, KeyError::Certificate(_) | KeyError::NoCertificate);
            let path = if about_certificate { certificates } else { key };
            KeyError::In {
                path: path.to_owned(),
                source: Box::new(error),
            }
        })
    }

    /// The identity's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The private key.
    pub fn key(&self) -> &Arc<dyn PrivateKey> {
        &self.key
    }

    /// The authorities above, nearest first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// How this identity signs unless told otherwise: ECDSA with the curve's digest, PSS with
    /// SHA-384, or Ed25519.
    pub fn default_scheme(&self) -> SignatureScheme {
        self.scheme
    }

    /// Signs with the default scheme.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.key.sign(&self.scheme, message)
    }

    /// Own certificate first, then the chain: what TLS sends.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        std::iter::once(&self.certificate)
            .chain(&self.chain)
            .map(|certificate| certificate.der().to_vec())
            .collect()
    }

    /// The key as PKCS #8, where it is a software key.
    pub fn pkcs8_der(&self) -> Option<Secret> {
        self.key.pkcs8()
    }

    /// PEM of the key, where it is a software key.
    pub fn key_to_pem(&self) -> Option<Zeroizing<String>> {
        let key = self.pkcs8_der()?;
        Some(Zeroizing::new(pem::encode("PRIVATE KEY", key.as_bytes())))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.certificate.subject())
    }
}

/// The first private key of a PEM file.
pub fn key_from_pem(text: &[u8], password: Option<&str>) -> Result<Arc<dyn PrivateKey>, KeyError> {
    for block in pem::blocks(text)? {
        let pkcs8 = match block.label.as_str() {
            "PRIVATE KEY" => block.der,
            "ENCRYPTED PRIVATE KEY" => {
                pbes2::open_pkcs8(&block.der, password.ok_or(PasswordError::Missing)?)?
            }
            "EC PRIVATE KEY" => from_sec1(&block.der)?,
            "RSA PRIVATE KEY" => from_pkcs1(&block.der),
            _ => continue,
        };
        return Ok(provider::default().load_key(&pkcs8)?);
    }
    Err(KeyError::NoKey)
}

/// The kind of an unencrypted PKCS #8 key: its algorithm, and its curve where it has one.
pub(crate) fn pkcs8_kind(der: &[u8]) -> Result<(ObjectIdentifier, Option<Curve>), CryptoError> {
    let key = pkcs8::PrivateKeyInfoRef::from_der(der)
        .map_err(|_| CryptoError::BadKey("is not PKCS #8"))?;
    let curve = key
        .algorithm
        .parameters
        .and_then(|any| any.decode_as::<ObjectIdentifier>().ok())
        .and_then(|oid| Curve::from_oid(&oid));
    Ok((key.algorithm.oid, curve))
}

/// PKCS #8 around the raw key of an algorithm that RFC 8410 names.
// RFC 8410 §7: an OCTET STRING inside the OCTET STRING.
pub(crate) fn plain_pkcs8(oid: &ObjectIdentifier, key: &[u8]) -> Zeroizing<Vec<u8>> {
    let inner = Zeroizing::new(tlv::element(tlv::OCTET_STRING, &[key]));
    wrap_pkcs8(&tlv::sequence(&[&tlv::oid(oid)]), &inner)
}

/// The raw key in what [`plain_pkcs8`] or another program wrote.
pub(crate) fn plain_pkcs8_key(der: &[u8]) -> Result<Secret, CryptoError> {
    let key = pkcs8::PrivateKeyInfoRef::from_der(der)
        .map_err(|_| CryptoError::BadKey("is not PKCS #8"))?;
    let inner = AnyRef::from_der(key.private_key.as_bytes())
        .ok()
        .filter(|inner| inner.tag() == der::Tag::OctetString)
        .ok_or(CryptoError::BadKey("its key is not an octet string"))?;
    Ok(Secret::new(inner.value().to_vec()))
}

fn from_pkcs1(der: &[u8]) -> Zeroizing<Vec<u8>> {
    let algorithm = tlv::sequence(&[&tlv::oid(&ID_RSA), tlv::NULL]);
    wrap_pkcs8(&algorithm, der)
}

// RFC 5915 §3: the curve stands in [0] parameters.
fn from_sec1(der: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let malformed = |_| KeyError::Malformed("it is not an ECPrivateKey of RFC 5915");
    let content = sequence_of(der).map_err(malformed)?;
    let mut reader = SliceReader::new(content).map_err(malformed)?;
    reader.tlv_bytes().map_err(malformed)?;
    reader.tlv_bytes().map_err(malformed)?;
    if reader.peek_byte() != Some(tlv::CONTEXT_0) {
        return Err(KeyError::Malformed("its curve is not named"));
    }
    let parameters = AnyRef::decode(&mut reader).map_err(malformed)?;
    let algorithm = tlv::sequence(&[&tlv::oid(&ID_EC), parameters.value()]);
    Ok(wrap_pkcs8(&algorithm, der))
}

fn wrap_pkcs8(algorithm: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let octets = Zeroizing::new(tlv::element(tlv::OCTET_STRING, &[key]));
    Zeroizing::new(tlv::sequence(&[&tlv::integer(0), algorithm, &octets]))
}

#[cfg(test)]
mod tests;
