//! Certificate revocation lists, as read.
//!
//! Promises: a list is used only by [`super::trust`], after its signature was verified with a key
//! whose right to sign it was shown.
//! Refuses: unknown critical extensions in list or entry. Standards: RFC 5280 §5.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;
use x509_cert::name::Name;

use super::algorithm::SignatureScheme;
use super::certificate::CertificateError;
use super::pem::{self, PemError};
use super::provider;
use crate::clock::Timestamp;

mod beside;
pub mod fetch;
pub mod files;
pub mod http;
pub mod noted;
pub mod ocsp;
mod reading;
pub(crate) mod scope;
mod shelf;
pub mod ways;

use scope::{Point, Scope};

/// certificateHold (RFC 5280 §5.3.1).
const HOLD: u8 = 6;
/// removeFromCRL, in delta CRLs alone.
const REMOVED: u8 = 8;

/// Why a CRL cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RevocationListError {
    /// Its extensions are not right.
    #[error("the CRL's extensions cannot be read")]
    Extensions(#[from] CertificateError),
    /// The structure is wrong; the source says where.
    #[error("the CRL's {field} is malformed")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// The decoder's reason.
        #[source]
        source: der::Error,
    },
    /// The text encoding is wrong.
    #[error("the PEM file is malformed")]
    Pem(#[from] PemError),
    /// RFC 5280 §5.2, §5.3: what is critical and unknown makes the list unusable.
    #[error("the CRL has the critical extension {0}, which is not supported")]
    UnknownCritical(ObjectIdentifier),
}

/// A CRL. Clones share one copy.
#[derive(Clone)]
pub struct RevocationList(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    issuer: Vec<u8>,
    /// The list's issuer, then those of whose certificates an indirect list speaks.
    issuers: Vec<Name>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    number: Option<Vec<u8>>,
    base: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    scope: Scope,
    /// Where its delta lists are.
    freshest: Vec<Point>,
    /// By place of the issuer in `issuers`, and serial number.
    revoked: HashMap<(usize, Vec<u8>), Entry>,
    /// The key that verified this list the last time: a long list is hashed once, not each time.
    verified_by: Mutex<Option<Vec<u8>>>,
}

/// What a list says of one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Since when.
    pub since: Timestamp,
    /// CRLReason.
    pub reason: u8,
}

impl Entry {
    /// On hold: a later list may take it back.
    pub fn is_hold(&self) -> bool {
        self.reason == HOLD
    }

    /// Taken off the complete list that this delta list goes with.
    pub fn is_removal(&self) -> bool {
        self.reason == REMOVED
    }
}

impl RevocationList {
    /// Reads one list; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, RevocationListError> {
        Ok(Self(Arc::new(reading::parse(der)?)))
    }

    /// Every list of a PEM file (`X509 CRL`); other blocks are passed over.
    pub fn from_pem_many(text: &[u8]) -> Result<Vec<Self>, RevocationListError> {
        pem::blocks(text)?
            .iter()
            .filter(|block| block.label == "X509 CRL")
            .map(|block| Self::from_der(&block.der))
            .collect()
    }

    /// The octets as received.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The issuer's name, encoded.
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        self.0.this_update
    }

    /// When it must have been replaced.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.0.next_update
    }

    /// How many certificates it lists.
    pub fn len(&self) -> usize {
        self.0.revoked.len()
    }

    /// Whether it lists none.
    pub fn is_empty(&self) -> bool {
        self.0.revoked.is_empty()
    }

    /// What it says of the certificate with this issuer and serial number (contents octets).
    pub(crate) fn entry(&self, serial: &[u8], is_issuer: impl Fn(&Name) -> bool) -> Option<Entry> {
        let issuers = self.0.issuers.iter().enumerate();
        issuers
            .filter(|(_, name)| is_issuer(name))
            .find_map(|(place, _)| self.0.revoked.get(&(place, serial.to_vec())))
            .copied()
    }

    /// The issuer's name.
    pub(crate) fn issuer_name(&self) -> Option<&Name> {
        self.0.issuers.first()
    }

    /// The issuer's name in the form of RFC 4514.
    pub fn issuer(&self) -> String {
        self.issuer_name().map_or_else(String::new, Name::to_string)
    }

    /// cRLNumber, big-endian without leading zeros.
    pub fn number(&self) -> Option<&[u8]> {
        self.0.number.as_deref()
    }

    /// BaseCRLNumber of a delta list; none for a complete one.
    pub fn base(&self) -> Option<&[u8]> {
        self.0.base.as_deref()
    }

    /// keyIdentifier of authorityKeyIdentifier.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.0.authority_key_id.as_deref()
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Where delta lists that go with it are.
    pub(crate) fn freshest(&self) -> &[Point] {
        &self.0.freshest
    }

    /// How it is signed; none where the algorithm is unknown.
    pub fn signature_scheme(&self) -> Option<SignatureScheme> {
        SignatureScheme::from_algorithm(&self.0.algorithm).ok()
    }

    /// Whether the key in this SubjectPublicKeyInfo signed the list.
    pub fn is_signed_by(&self, spki_der: &[u8]) -> bool {
        let mut known = self
            .0
            .verified_by
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() == Some(spki_der) {
            return true;
        }
        let Some(scheme) = self.signature_scheme() else {
            return false;
        };
        let verified = provider::default()
            .verify(spki_der, &scheme, &self.0.tbs, &self.0.signature)
            .is_ok();
        if verified {
            *known = Some(spki_der.to_vec());
        }
        verified
    }
}

impl RevocationList {
    /// Whether the key that signed this list signed the other too.
    pub(crate) fn signed_alike(&self, other: &Self) -> bool {
        let known = self
            .0
            .verified_by
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        known.is_some_and(|spki| other.is_signed_by(&spki))
    }
}

impl PartialEq for RevocationList {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for RevocationList {}

impl std::fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "RevocationList({} entries, {})",
            self.len(),
            self.this_update()
        )
    }
}
