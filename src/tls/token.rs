//! TLS with a key that stays on a token: the handshake's signature is made there.
//!
//! Promises: only schemes that the key can do are offered. Standards: RFC 8446 §4.2.3, RFC 5246 §7.4.1.4.1.

use std::sync::Arc;

use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use crate::crypto::algorithm::{Curve, Digest, SignatureScheme as Scheme};
use crate::crypto::certificate::PublicKey;
use crate::crypto::keys::{Identity, PrivateKey};

/// A key that signs handshakes.
pub(super) struct Held {
    key: Arc<dyn PrivateKey>,
    schemes: Vec<(SignatureScheme, Scheme)>,
    algorithm: SignatureAlgorithm,
}

impl Held {
    /// Nothing when the key cannot sign for TLS.
    pub fn new(identity: &Identity) -> Option<Self> {
        let rsa = |digest, pss, pkcs1| {
            [
                (pss, Scheme::pss(digest)),
                (pkcs1, Scheme::RsaPkcs1(digest)),
            ]
        };
        let (algorithm, schemes) = match identity.certificate().public_key() {
            PublicKey::Ec(curve, _) => {
                let name = match curve {
                    Curve::P256 => SignatureScheme::ECDSA_NISTP256_SHA256,
                    Curve::P384 => SignatureScheme::ECDSA_NISTP384_SHA384,
                    Curve::P521 => SignatureScheme::ECDSA_NISTP521_SHA512,
                };
                let scheme = Scheme::Ecdsa(curve.digest());
                (SignatureAlgorithm::ECDSA, vec![(name, scheme)])
            }
            PublicKey::Rsa { .. } => {
                use SignatureScheme as Name;
                let schemes = [
                    rsa(Digest::Sha384, Name::RSA_PSS_SHA384, Name::RSA_PKCS1_SHA384),
                    rsa(Digest::Sha512, Name::RSA_PSS_SHA512, Name::RSA_PKCS1_SHA512),
                    rsa(Digest::Sha256, Name::RSA_PSS_SHA256, Name::RSA_PKCS1_SHA256),
                ];
                (SignatureAlgorithm::RSA, schemes.concat())
            }
            _ => return None,
        };
        Some(Self {
            key: Arc::clone(identity.key()),
            schemes,
            algorithm,
        })
    }
}

impl SigningKey for Held {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let (name, scheme) = self
            .schemes
            .iter()
            .find(|(name, _)| offered.contains(name))?;
        Some(Box::new(Once {
            key: Arc::clone(&self.key),
            name: *name,
            scheme: *scheme,
        }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// The key and the scheme of one handshake.
struct Once {
    key: Arc<dyn PrivateKey>,
    name: SignatureScheme,
    scheme: Scheme,
}

impl Signer for Once {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.key
            .sign(&self.scheme, message)
            .map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.name
    }
}

/// The key is not shown.
impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

/// The key is not shown.
impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Once({:?})", self.name)
    }
}
