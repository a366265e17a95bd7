//! OCSP: a question about one certificate, and the answer as it was read.
//!
//! Promises: an answer is found only for the very certificate and issuer that were asked about,
//! with the digest that the answer names. Judges nothing: who may answer and how fresh an answer
//! is belongs to [`crate::crypto::trust`]. Refuses: unknown critical extensions, other response
//! types, answers without end. Standards: RFC 6960 §4, 9654 §2.

use std::sync::{Arc, Mutex, PoisonError};

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

use crate::clock::Timestamp;
use crate::crypto::algorithm::{Digest, SignatureScheme};
use crate::crypto::certificate::{Certificate, Extension, read_extensions, read_time, sequence_of};
use crate::crypto::provider;
use crate::crypto::tlv;

/// id-pkix-ocsp-basic.
pub(crate) const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
/// id-pkix-ocsp-nonce.
pub(crate) const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");

/// Octets of our nonce (RFC 9654 §2.1: at least 32).
pub const NONCE_LENGTH: usize = 32;
/// Answers in one response, and certificates with it.
const MOST: usize = 64;
/// How long an answer counts that does not say so itself.
const NO_NEXT_UPDATE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// Octets of one response.
const LONGEST: usize = 1 << 20;

const CONTEXT_0_PRIMITIVE: u8 = 0x80;
const CONTEXT_2_PRIMITIVE: u8 = 0x82;

/// Why a response cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResponseError {
    /// The structure is wrong.
    #[error("the OCSP response's {0} is malformed")]
    Malformed(&'static str),
    /// The responder gave no answer.
    #[error("the OCSP responder answers {0}")]
    NotSuccessful(&'static str),
    /// Longer than an answer can be.
    #[error("the OCSP response is too long")]
    TooLong,
    /// What is critical and unknown makes the response unusable.
    #[error("the OCSP response has the critical extension {0}, which is not supported")]
    UnknownCritical(ObjectIdentifier),
    /// Only the basic type is known.
    #[error("the OCSP response is of the unknown type {0}")]
    UnknownType(ObjectIdentifier),
}

/// What a responder says of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Not revoked; not necessarily issued.
    Good,
    /// Revoked since then.
    Revoked(Timestamp),
    /// The responder does not know it.
    Unknown,
}

/// One answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    digest: Option<Digest>,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Vec<u8>,
    /// What is said.
    pub status: Status,
    /// When it was known to be so.
    pub this_update: Timestamp,
    /// When something newer will be known.
    pub next_update: Option<Timestamp>,
}

impl Answer {
    /// Until when it counts.
    // RFC 6960 §4.2.2.1: without nextUpdate something newer is always there
    pub fn until(&self) -> Timestamp {
        let hour = || self.this_update.saturating_add(NO_NEXT_UPDATE);
        self.next_update
            .unwrap_or_else(|| hour().unwrap_or(self.this_update))
    }
}

/// A response, its signature not yet verified.
#[derive(Clone, Debug)]
pub struct Response {
    der: Vec<u8>,
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    responder: Responder,
    /// When it was signed.
    pub produced_at: Timestamp,
    answers: Vec<Answer>,
    nonce: Option<Vec<u8>>,
    certificates: Vec<Certificate>,
    /// The key that verified it the last time; clones share it.
    verified_by: Arc<Mutex<Option<Vec<u8>>>>,
}

/// How the responder calls itself.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Responder {
    KeyHash(Vec<u8>),
    Name(Vec<u8>),
}

/// A question about one certificate, with a nonce.
// RFC 6960 §4.1.1
pub fn request(certificate: &Certificate, issuer_spki: &[u8], nonce: &[u8]) -> Vec<u8> {
    // RFC 6960 §4.3, RFC 5019 §2.1.1: SHA-1 is the digest that every responder can look up by; it
    // protects nothing here.
    let digest = Digest::Sha1;
    let id = tlv::sequence(&[
        &tlv::sequence(&[&tlv::oid(&digest.oid()), tlv::NULL]),
        &tlv::element(
            tlv::OCTET_STRING,
            &[&hash(digest, certificate.issuer_der())],
        ),
        &tlv::element(tlv::OCTET_STRING, &[&hash(digest, key_bits(issuer_spki))]),
        &tlv::element(tlv::INTEGER, &[certificate.serial_bytes()]),
    ]);
    let list = tlv::sequence(&[&tlv::sequence(&[&id])]);
    let extensions = match nonce.is_empty() {
        true => Vec::new(),
        false => {
            let nonce = Extension {
                oid: NONCE,
                critical: false,
                value: tlv::element(tlv::OCTET_STRING, &[nonce]),
            };
            tlv::element(tlv::CONTEXT_2, &[&Extension::list_der(&[nonce])])
        }
    };
    tlv::sequence(&[&tlv::sequence(&[&list, &extensions])])
}

impl Response {
    /// Reads a response; nothing may follow it.
    // RFC 6960 §4.2.1
    pub fn from_der(der: &[u8]) -> Result<Self, ResponseError> {
        if der.len() > LONGEST {
            return Err(ResponseError::TooLong);
        }
        let content = sequence_of(der).map_err(at("outer structure"))?;
        let mut outer = SliceReader::new(content).map_err(at("outer structure"))?;
        let status = AnyRef::decode(&mut outer).map_err(at("status"))?;
        match (status.tag(), status.value()) {
            (Tag::Enumerated, [0]) => {}
            (Tag::Enumerated, [1]) => return Err(ResponseError::NotSuccessful("malformedRequest")),
            (Tag::Enumerated, [2]) => return Err(ResponseError::NotSuccessful("internalError")),
            (Tag::Enumerated, [3]) => return Err(ResponseError::NotSuccessful("tryLater")),
            (Tag::Enumerated, [5]) => return Err(ResponseError::NotSuccessful("sigRequired")),
            (Tag::Enumerated, [6]) => return Err(ResponseError::NotSuccessful("unauthorized")),
            _ => return Err(ResponseError::Malformed("status")),
        }
        let wrapped = AnyRef::decode(&mut outer).map_err(at("response bytes"))?;
        outer.finish().map_err(at("end"))?;
        let bytes = sequence_of(wrapped.value()).map_err(at("response bytes"))?;
        let mut bytes = SliceReader::new(bytes).map_err(at("response bytes"))?;
        let kind = ObjectIdentifier::decode(&mut bytes).map_err(at("response type"))?;
        if kind != BASIC {
            return Err(ResponseError::UnknownType(kind));
        }
        let basic = <&OctetStringRef>::decode(&mut bytes).map_err(at("response"))?;
        bytes.finish().map_err(at("response bytes"))?;
        let response = basic_response(basic.as_bytes())?;
        Ok(Self {
            der: der.to_vec(),
            ..response
        })
    }

    /// The answer about this certificate, if there is one.
    // RFC 6960 §3.2 (1)
    pub fn about(&self, certificate: &Certificate, issuer_spki: &[u8]) -> Option<&Answer> {
        self.answers.iter().find(|answer| {
            let Some(digest) = answer.digest else {
                return false;
            };
            answer.serial == certificate.serial_bytes()
                && answer.issuer_name_hash == hash(digest, certificate.issuer_der())
                && answer.issuer_key_hash == hash(digest, key_bits(issuer_spki))
        })
    }

    /// The nonce that came back.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// The certificates that came along.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Whether the responder calls itself by this name and key.
    // RFC 6960 §4.2.1: KeyHash is SHA-1 over the public key.
    pub fn is_from(&self, subject_der: &[u8], spki: &[u8]) -> bool {
        match &self.responder {
            Responder::KeyHash(own) => *own == hash(Digest::Sha1, key_bits(spki)),
            Responder::Name(own) => own == subject_der,
        }
    }

    /// How it is signed; none where the algorithm is unknown.
    pub fn signature_scheme(&self) -> Option<SignatureScheme> {
        SignatureScheme::from_algorithm(&self.algorithm).ok()
    }

    /// The octets as received.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Until when all of it counts.
    pub fn until(&self) -> Timestamp {
        let ends = self.answers.iter().map(Answer::until);
        ends.min().unwrap_or(self.produced_at)
    }

    /// Whether the key in this SubjectPublicKeyInfo signed it.
    pub fn is_signed_by(&self, spki: &[u8]) -> bool {
        let lock = || {
            let known = self.verified_by.lock();
            known.unwrap_or_else(PoisonError::into_inner)
        };
        if lock().as_deref() == Some(spki) {
            return true;
        }
        let verified = self.signature_scheme().is_some_and(|scheme| {
            provider::default()
                .verify(spki, &scheme, &self.tbs, &self.signature)
                .is_ok()
        });
        if verified {
            *lock() = Some(spki.to_vec());
        }
        verified
    }

    /// Whether the key that was found to have signed this one signed the other too.
    pub(super) fn signed_alike(&self, other: &Self) -> bool {
        let known = self.verified_by.lock();
        let known = known.unwrap_or_else(PoisonError::into_inner).clone();
        known.is_some_and(|spki| other.is_signed_by(&spki))
    }
}

// RFC 6960 §4.2.1
fn basic_response(der: &[u8]) -> Result<Response, ResponseError> {
    let content = sequence_of(der).map_err(at("response"))?;
    let mut outer = SliceReader::new(content).map_err(at("response"))?;
    let tbs = outer.tlv_bytes().map_err(at("signed part"))?;
    let algorithm = AlgorithmIdentifierOwned::decode(&mut outer).map_err(at("algorithm"))?;
    let signature = BitStringRef::decode(&mut outer).map_err(at("signature"))?;
    let signature = signature
        .as_bytes()
        .ok_or(ResponseError::Malformed("signature"))?;
    let mut certificates = Vec::new();
    if outer.peek_byte() == Some(tlv::CONTEXT_0) {
        let wrapped = AnyRef::decode(&mut outer).map_err(at("certificates"))?;
        let list = sequence_of(wrapped.value()).map_err(at("certificates"))?;
        let mut list = SliceReader::new(list).map_err(at("certificates"))?;
        while !list.is_finished() && certificates.len() < MOST {
            let certificate = list.tlv_bytes().map_err(at("certificates"))?;
            // One that cannot be read is of no help, and of no harm.
            certificates.extend(Certificate::from_der(certificate).ok());
        }
    }
    outer.finish().map_err(at("end"))?;

    let content = sequence_of(tbs).map_err(at("signed part"))?;
    let mut inner = SliceReader::new(content).map_err(at("signed part"))?;
    if inner.peek_byte() == Some(tlv::CONTEXT_0) {
        inner.tlv_bytes().map_err(at("version"))?;
    }
    let tag = inner.peek_byte();
    let named = AnyRef::decode(&mut inner).map_err(at("responder"))?;
    let responder = match tag {
        Some(tlv::CONTEXT_1) => Responder::Name(named.value().to_vec()),
        Some(tlv::CONTEXT_2) => {
            let hash = <&OctetStringRef>::from_der(named.value()).map_err(at("responder"))?;
            Responder::KeyHash(hash.as_bytes().to_vec())
        }
        _ => return Err(ResponseError::Malformed("responder")),
    };
    let produced_at = time(&mut inner, "time of signing")?;
    let list = AnyRef::decode(&mut inner).map_err(at("list"))?;
    list.tag().assert_eq(Tag::Sequence).map_err(at("list"))?;
    let mut nonce = None;
    if inner.peek_byte() == Some(tlv::CONTEXT_1) {
        let wrapped = AnyRef::decode(&mut inner).map_err(at("extensions"))?;
        let extensions = read_extensions(wrapped.value()).map_err(at("extensions"))?;
        for item in extensions {
            if item.oid == NONCE {
                // RFC 9654 §2.1: an OCTET STRING in the OCTET STRING.
                let octets = <&OctetStringRef>::from_der(&item.value).map_err(at("nonce"))?;
                nonce = Some(octets.as_bytes().to_vec());
            } else if item.critical {
                return Err(ResponseError::UnknownCritical(item.oid));
            }
        }
    }
    inner.finish().map_err(at("end of the signed part"))?;
    Ok(Response {
        der: Vec::new(),
        tbs: tbs.to_vec(),
        algorithm,
        signature: signature.to_vec(),
        responder,
        produced_at,
        answers: answers(list.value())?,
        nonce,
        certificates,
        verified_by: Arc::default(),
    })
}

fn answers(der: &[u8]) -> Result<Vec<Answer>, ResponseError> {
    let mut list = SliceReader::new(der).map_err(at("list"))?;
    let mut found = Vec::new();
    while !list.is_finished() {
        if found.len() >= MOST {
            return Err(ResponseError::Malformed("list"));
        }
        let one = AnyRef::decode(&mut list).map_err(at("answer"))?;
        let mut fields = SliceReader::new(one.value()).map_err(at("answer"))?;
        let id = fields.tlv_bytes().map_err(at("answer"))?;
        let id = sequence_of(id).map_err(at("certificate id"))?;
        let mut id = SliceReader::new(id).map_err(at("certificate id"))?;
        let algorithm = AlgorithmIdentifierOwned::decode(&mut id).map_err(at("certificate id"))?;
        let name = <&OctetStringRef>::decode(&mut id).map_err(at("certificate id"))?;
        let key = <&OctetStringRef>::decode(&mut id).map_err(at("certificate id"))?;
        let serial = AnyRef::decode(&mut id).map_err(at("certificate id"))?;
        id.finish().map_err(at("certificate id"))?;
        let tag = fields.peek_byte();
        let value = AnyRef::decode(&mut fields).map_err(at("status"))?;
        let status = match tag {
            Some(CONTEXT_0_PRIMITIVE) => Status::Good,
            Some(tlv::CONTEXT_1) => {
                let mut info = SliceReader::new(value.value()).map_err(at("status"))?;
                Status::Revoked(time(&mut info, "time of revocation")?)
            }
            Some(CONTEXT_2_PRIMITIVE) => Status::Unknown,
            _ => return Err(ResponseError::Malformed("status")),
        };
        let this_update = time(&mut fields, "thisUpdate")?;
        let mut next_update = None;
        if fields.peek_byte() == Some(tlv::CONTEXT_0) {
            let wrapped = AnyRef::decode(&mut fields).map_err(at("nextUpdate"))?;
            let mut inner = SliceReader::new(wrapped.value()).map_err(at("nextUpdate"))?;
            next_update = Some(time(&mut inner, "nextUpdate")?);
        }
        if fields.peek_byte() == Some(tlv::CONTEXT_1) {
            let wrapped = AnyRef::decode(&mut fields).map_err(at("extensions"))?;
            let extensions = read_extensions(wrapped.value()).map_err(at("extensions"))?;
            if let Some(item) = extensions.iter().find(|item| item.critical) {
                return Err(ResponseError::UnknownCritical(item.oid));
            }
        }
        fields.finish().map_err(at("answer"))?;
        found.push(Answer {
            digest: Digest::from_algorithm(&algorithm).ok(),
            issuer_name_hash: name.as_bytes().to_vec(),
            issuer_key_hash: key.as_bytes().to_vec(),
            serial: serial.value().to_vec(),
            status,
            this_update,
            next_update,
        });
    }
    Ok(found)
}

fn time(reader: &mut SliceReader<'_>, field: &'static str) -> Result<Timestamp, ResponseError> {
    AnyRef::decode(reader)
        .and_then(read_time)
        .map_err(|_| ResponseError::Malformed(field))
}

fn at<E>(field: &'static str) -> impl Fn(E) -> ResponseError {
    move |_| ResponseError::Malformed(field)
}

fn hash(digest: Digest, octets: &[u8]) -> Vec<u8> {
    provider::default().digest(digest, &[octets])
}

/// The public key alone: what stands in the BIT STRING.
pub(crate) fn key_bits(spki: &[u8]) -> &[u8] {
    SubjectPublicKeyInfoRef::from_der(spki)
        .ok()
        .and_then(|spki| spki.subject_public_key.as_bytes())
        .unwrap_or_default()
}
