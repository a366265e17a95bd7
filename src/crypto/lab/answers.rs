//! OCSP from the other side: a question is read, an answer is made and signed.
//!
//! Promises: the answer repeats the names that it was asked with, and the nonce.
//! Refuses: what is no OCSPRequest, more questions than a few, a nonce beyond RFC 9654. Judges
//! nothing: what the status is, the caller knows. Standards: RFC 6960 §4, 9654 §2.

use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use jiff::tz::TimeZone;
use spki::AlgorithmIdentifierOwned;

use super::{LabError, authority_scheme, signed_der};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::{Certificate, Extension, read_extensions, sequence_of};
use crate::crypto::keys::Identity;
use crate::crypto::revocation::ocsp::{BASIC, NONCE, key_bits};
use crate::crypto::{provider, tlv};

/// Certificates that one request may ask about.
const MOST: usize = 16;
/// Octets of one request.
const LONGEST: usize = 1 << 16;
/// Octets of a nonce (RFC 9654 §2.1).
const LONGEST_NONCE: usize = 128;
const ENUMERATED: u8 = 0x0a;

/// Why octets are no question.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the OCSP request's {0} is malformed")]
pub struct Malformed(&'static str);

/// What is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// About whom.
    pub about: Vec<Asked>,
    nonce: Option<Vec<u8>>,
}

/// One certificate that is asked about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    id_der: Vec<u8>,
    digest: Option<Digest>,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    /// Contents octets of its serial number.
    pub serial: Vec<u8>,
}

/// What is said of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    /// Issued, and not revoked.
    Good,
    /// Since then, for this CRLReason.
    Revoked(Timestamp, u8),
    /// Not issued here.
    Unknown,
}

/// Why there is no answer (OCSPResponseStatus).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// malformedRequest.
    Malformed,
    /// internalError.
    Internal,
    /// unauthorized: not a responder for these certificates.
    Unauthorized,
}

impl Question {
    /// Reads a request; nothing may follow it. A signature on it is not looked at.
    // RFC 6960 §4.1.1
    pub fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        if der.len() > LONGEST {
            return Err(Malformed("length"));
        }
        let whole = sequence_of(der).map_err(at("outer structure"))?;
        let mut outer = SliceReader::new(whole).map_err(at("outer structure"))?;
        let tbs = outer.tlv_bytes().map_err(at("content"))?;
        if !outer.is_finished() {
            outer.tlv_bytes().map_err(at("signature"))?;
        }
        outer.finish().map_err(at("end"))?;
        let content = sequence_of(tbs).map_err(at("content"))?;
        let mut fields = SliceReader::new(content).map_err(at("content"))?;
        for tag in [tlv::CONTEXT_0, tlv::CONTEXT_1] {
            // Version and requestor's name.
            if fields.peek_byte() == Some(tag) {
                fields.tlv_bytes().map_err(at("content"))?;
            }
        }
        let list = fields.tlv_bytes().map_err(at("list"))?;
        let mut list =
            SliceReader::new(sequence_of(list).map_err(at("list"))?).map_err(at("list"))?;
        let mut about = Vec::new();
        while !list.is_finished() {
            if about.len() >= MOST {
                return Err(Malformed("list"));
            }
            about.push(asked(list.tlv_bytes().map_err(at("list"))?)?);
        }
        if about.is_empty() {
            return Err(Malformed("list"));
        }
        let mut nonce = None;
        if fields.peek_byte() == Some(tlv::CONTEXT_2) {
            let wrapped = AnyRef::decode(&mut fields).map_err(at("extensions"))?;
            let extensions = read_extensions(wrapped.value()).map_err(at("extensions"))?;
            for item in extensions {
                if item.oid == NONCE {
                    let octets = <&OctetStringRef>::from_der(&item.value).map_err(at("nonce"))?;
                    nonce = Some(octets.as_bytes().to_vec());
                } else if item.critical {
                    return Err(Malformed("critical extension"));
                }
            }
        }
        fields.finish().map_err(at("content"))?;
        if nonce
            .as_ref()
            .is_some_and(|nonce| !(1..=LONGEST_NONCE).contains(&nonce.len()))
        {
            return Err(Malformed("nonce"));
        }
        Ok(Self { about, nonce })
    }
}

fn asked(der: &[u8]) -> Result<Asked, Malformed> {
    let request = sequence_of(der).map_err(at("list"))?;
    let mut request = SliceReader::new(request).map_err(at("list"))?;
    let id_der = request.tlv_bytes().map_err(at("certificate id"))?;
    if !request.is_finished() {
        request.tlv_bytes().map_err(at("single extensions"))?;
    }
    request.finish().map_err(at("list"))?;
    let id = sequence_of(id_der).map_err(at("certificate id"))?;
    let mut id = SliceReader::new(id).map_err(at("certificate id"))?;
    let algorithm = AlgorithmIdentifierOwned::decode(&mut id).map_err(at("certificate id"))?;
    let name = <&OctetStringRef>::decode(&mut id).map_err(at("certificate id"))?;
    let key = <&OctetStringRef>::decode(&mut id).map_err(at("certificate id"))?;
    let serial = AnyRef::decode(&mut id).map_err(at("certificate id"))?;
    let is_integer = serial.tag().assert_eq(Tag::Integer);
    is_integer.map_err(|_| Malformed("certificate id"))?;
    id.finish().map_err(at("certificate id"))?;
    Ok(Asked {
        id_der: id_der.to_vec(),
        digest: Digest::from_algorithm(&algorithm).ok(),
        issuer_name_hash: name.as_bytes().to_vec(),
        issuer_key_hash: key.as_bytes().to_vec(),
        serial: serial.value().to_vec(),
    })
}

impl Asked {
    /// Whether this authority is the issuer that was meant.
    pub fn is_of(&self, issuer: &Certificate) -> bool {
        let Some(digest) = self.digest else {
            return false;
        };
        let hash = |octets| provider::default().digest(digest, &[octets]);
        self.issuer_name_hash == hash(issuer.subject_der())
            && self.issuer_key_hash == hash(key_bits(issuer.spki_der()))
    }
}

/// An answer for each certificate that was asked about, signed. A delegated responder shows its
/// certificate.
// RFC 6960 §4.2.1
pub fn answer(
    question: &Question,
    said: impl Fn(&Asked) -> Said,
    responder: &Identity,
    now: Timestamp,
    next_update: Timestamp,
) -> Result<Vec<u8>, LabError> {
    let spki = responder.key().public_spki();
    let scheme = authority_scheme(spki)?;
    let single = |asked: &Asked| {
        let status = match said(asked) {
            Said::Good => tlv::element(0x80, &[]),
            Said::Revoked(since, reason) => {
                let reason = tlv::element(ENUMERATED, &[&[reason]]);
                let reason = tlv::element(tlv::CONTEXT_0, &[&reason]);
                tlv::element(tlv::CONTEXT_1, &[&generalized(since), &reason])
            }
            Said::Unknown => tlv::element(0x82, &[]),
        };
        tlv::sequence(&[
            &asked.id_der,
            &status,
            &generalized(now),
            &tlv::element(tlv::CONTEXT_0, &[&generalized(next_update)]),
        ])
    };
    let singles: Vec<Vec<u8>> = question.about.iter().map(single).collect();
    let key_hash = provider::default().digest(Digest::Sha1, &[key_bits(spki)]);
    let by_key = tlv::element(tlv::OCTET_STRING, &[&key_hash]);
    let extensions = match &question.nonce {
        Some(nonce) => {
            let nonce = Extension {
                oid: NONCE,
                critical: false,
                value: tlv::element(tlv::OCTET_STRING, &[nonce]),
            };
            tlv::element(tlv::CONTEXT_1, &[&Extension::list_der(&[nonce])])
        }
        None => Vec::new(),
    };
    let tbs = tlv::sequence(&[
        &tlv::element(tlv::CONTEXT_2, &[&by_key]),
        &generalized(now),
        &tlv::sequence(&super::slices(&singles)),
        &extensions,
    ]);
    let signature = responder.key().sign(&scheme, &tbs)?;
    let certificates = tlv::sequence(&[responder.certificate().der()]);
    let certificates = tlv::element(tlv::CONTEXT_0, &[&certificates]);
    let basic = sequence_of(&signed_der(&tbs, &scheme, &signature))
        .map(|content| tlv::sequence(&[content, &certificates]))?;
    let bytes = tlv::sequence(&[
        &tlv::oid(&BASIC),
        &tlv::element(tlv::OCTET_STRING, &[&basic]),
    ]);
    Ok(tlv::sequence(&[
        &tlv::element(ENUMERATED, &[&[0]]),
        &tlv::element(tlv::CONTEXT_0, &[&bytes]),
    ]))
}

/// That there is no answer, and why.
pub fn failure(why: Failure) -> Vec<u8> {
    let code = match why {
        Failure::Malformed => 1,
        Failure::Internal => 2,
        Failure::Unauthorized => 6,
    };
    tlv::sequence(&[&tlv::element(ENUMERATED, &[&[code]])])
}

// RFC 6960 §4.2.1: GeneralizedTime, whatever the year.
fn generalized(at: Timestamp) -> Vec<u8> {
    let text = at
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d%H%M%SZ")
        .to_string();
    tlv::element(tlv::GENERALIZED_TIME, &[text.as_bytes()])
}

fn at<E>(field: &'static str) -> impl Fn(E) -> Malformed {
    move |_| Malformed(field)
}
