//! Certificate revocation lists, as read.
//!
//! Promises: a list is used only by [`super::trust`], after its signature was verified with the
//! key of the very authority that issued the certificate in question.
//! Refuses: unknown critical extensions in list or entry, delta lists, lists of limited scope
//! (issuingDistributionPoint), indirect lists. Standards: RFC 5280 §5.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use spki::AlgorithmIdentifierOwned;

use super::algorithm::{Digest, SignatureScheme};
use super::certificate::{CertificateError, Extension, read_extensions, read_time, sequence_of};
use super::pem::{self, PemError};
use super::{provider, tlv};
use crate::clock::Timestamp;

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");

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
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    revoked: HashMap<Vec<u8>, Timestamp>,
    /// The key that verified this list the last time: a long list is hashed once, not each time.
    verified_by: Mutex<Option<Vec<u8>>>,
}

impl RevocationList {
    /// Reads one list; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, RevocationListError> {
        Ok(Self(Arc::new(parse(der)?)))
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

    /// Since when the certificate with this serial number (contents octets) is revoked.
    pub fn revoked_since(&self, serial: &[u8]) -> Option<Timestamp> {
        self.0.revoked.get(serial).copied()
    }

    /// Whether the key in this SubjectPublicKeyInfo signed the list, with a hash that still counts.
    pub fn is_signed_by(&self, spki_der: &[u8]) -> bool {
        let mut known = self
            .0
            .verified_by
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() == Some(spki_der) {
            return true;
        }
        let Ok(scheme) = SignatureScheme::from_algorithm(&self.0.algorithm) else {
            return false;
        };
        if scheme.digest() == Some(Digest::Sha1) {
            return false;
        }
        let verified = provider::default()
            .verify(spki_der, &scheme, &self.0.tbs, &self.0.signature)
            .is_ok();
        if verified {
            *known = Some(spki_der.to_vec());
        }
        verified
    }
}

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

// RFC 5280 §5.1
fn parse(der: &[u8]) -> Result<Parsed, RevocationListError> {
    let at = |field| move |source| RevocationListError::Malformed { field, source };
    let whole = sequence_of(der).map_err(at("outer structure"))?;
    let mut outer = SliceReader::new(whole).map_err(at("outer structure"))?;
    let tbs = outer.tlv_bytes().map_err(at("signed part"))?;
    let algorithm = outer.tlv_bytes().map_err(at("signature algorithm"))?;
    let signature = BitStringRef::decode(&mut outer).map_err(at("signature"))?;
    outer.finish().map_err(at("end"))?;

    let content = sequence_of(tbs).map_err(at("signed part"))?;
    let mut inner = SliceReader::new(content).map_err(at("signed part"))?;
    if inner.peek_byte() == Some(tlv::INTEGER) {
        inner.tlv_bytes().map_err(at("version"))?;
    }
    // RFC 5280 §5.1.1.2: the same algorithm in both places.
    if inner.tlv_bytes().map_err(at("signature algorithm"))? != algorithm {
        return Err(at("signature algorithm")(
            Tag::Sequence.value_error().into(),
        ));
    }
    let issuer = inner.tlv_bytes().map_err(at("issuer"))?;
    let this_update = AnyRef::decode(&mut inner)
        .and_then(read_time)
        .map_err(at("thisUpdate"))?;
    let next_update = match inner.peek_byte() {
        Some(tlv::UTC_TIME | tlv::GENERALIZED_TIME) => Some(
            AnyRef::decode(&mut inner)
                .and_then(read_time)
                .map_err(at("nextUpdate"))?,
        ),
        _ => None,
    };
    let revoked = match inner.peek_byte() {
        Some(tlv::SEQUENCE) => {
            let list = AnyRef::decode(&mut inner).map_err(at("list"))?;
            read_entries(list.value())?
        }
        _ => HashMap::new(),
    };
    if inner.peek_byte() == Some(tlv::CONTEXT_0) {
        let wrapped = AnyRef::decode(&mut inner).map_err(at("extensions"))?;
        let extensions = read_extensions(wrapped.value())?;
        // RFC 5280 §5.2.4, §5.2.5: these change what the list means, critical or not.
        let scope = |item: &&Extension| item.oid == DISTRIBUTION_POINT || item.oid == DELTA;
        if let Some(item) = extensions.iter().find(scope) {
            return Err(RevocationListError::UnknownCritical(item.oid));
        }
        refuse_critical(&extensions, &[CRL_NUMBER, AUTHORITY_KEY_ID])?;
    }
    inner.finish().map_err(at("end of the signed part"))?;
    Ok(Parsed {
        der: der.to_vec(),
        tbs: tbs.to_vec(),
        algorithm: AlgorithmIdentifierOwned::from_der(algorithm)
            .map_err(at("signature algorithm"))?,
        signature: signature.raw_bytes().to_vec(),
        issuer: issuer.to_vec(),
        this_update,
        next_update,
        revoked,
        verified_by: Mutex::new(None),
    })
}

fn read_entries(der: &[u8]) -> Result<HashMap<Vec<u8>, Timestamp>, RevocationListError> {
    let at = |field| move |source| RevocationListError::Malformed { field, source };
    let mut reader = SliceReader::new(der).map_err(at("list"))?;
    let mut revoked = HashMap::new();
    while !reader.is_finished() {
        let entry = AnyRef::decode(&mut reader).map_err(at("entry"))?;
        let mut fields = SliceReader::new(entry.value()).map_err(at("entry"))?;
        let serial = AnyRef::decode(&mut fields).map_err(at("entry's serial number"))?;
        serial
            .tag()
            .assert_eq(Tag::Integer)
            .map_err(at("entry's serial number"))?;
        let since = AnyRef::decode(&mut fields)
            .and_then(read_time)
            .map_err(at("entry's date"))?;
        if !fields.is_finished() {
            let extensions = fields.tlv_bytes().map_err(at("entry's extensions"))?;
            // RFC 5280 §5.3
            refuse_critical(&read_extensions(extensions)?, &[REASON, INVALIDITY_DATE])?;
        }
        fields.finish().map_err(at("entry"))?;
        revoked.insert(serial.value().to_vec(), since);
    }
    Ok(revoked)
}

fn refuse_critical(
    extensions: &[Extension],
    known: &[ObjectIdentifier],
) -> Result<(), RevocationListError> {
    match extensions
        .iter()
        .find(|item| item.critical && !known.contains(&item.oid))
    {
        Some(item) => Err(RevocationListError::UnknownCritical(item.oid)),
        None => Ok(()),
    }
}
