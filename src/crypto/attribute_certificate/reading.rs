//! Taking an attribute certificate apart.
//!
//! Promises: what is signed or compared is a copy of the received octets.
//! Refuses: trailing octets, another version than 2, the forms of issuer and holder that RFC 5755
//! forbids, times that are not GeneralizedTime. Standards: RFC 5755 §4.1, §4.2.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::name::Name;

use super::{AttributeCertificateError, Digested, Holder, ObjectDigest, Parsed};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::{read_extensions, read_time, sequence_of};
use crate::crypto::signed::Signed;
use crate::crypto::{clearance, tlv};

/// ENUMERATED.
const ENUMERATED: u8 = 0x0a;
/// BIT STRING.
const BIT_STRING: u8 = 0x03;

// RFC 5755 §4.1
pub(super) fn parse(der: &[u8]) -> Result<Parsed, AttributeCertificateError> {
    let signed = Signed::from_der(der).map_err(|(field, source)| at(field)(source))?;
    let content = sequence_of(signed.content).map_err(at("signed part"))?;
    let mut inner = SliceReader::new(content).map_err(at("signed part"))?;
    // RFC 5755 §4.2.1
    if inner.tlv_bytes().map_err(at("version"))? != [tlv::INTEGER, 1, 1] {
        return Err(profile("is not of version 2"));
    }
    let holder = inner.tlv_bytes().map_err(at("holder"))?;
    let holder = read_holder(holder)?;
    let issuer = AnyRef::decode(&mut inner).map_err(at("issuer"))?;
    let issuer = read_issuer(issuer)?;
    if inner.tlv_bytes().map_err(at("signature algorithm"))? != signed.algorithm {
        return Err(profile("names two different signature algorithms"));
    }
    let serial = AnyRef::decode(&mut inner).map_err(at("serial number"))?;
    serial
        .tag()
        .assert_eq(Tag::Integer)
        .map_err(at("serial number"))?;
    // RFC 5755 §4.2.5: positive, at most 20 octets
    if serial.value().len() > 20 || serial.value().first().is_none_or(|first| *first >= 0x80) {
        return Err(profile("has a serial number that is negative or too long"));
    }
    let (not_before, not_after) = read_validity(inner.tlv_bytes().map_err(at("validity"))?)?;
    let attributes = inner.tlv_bytes().map_err(at("attributes"))?;
    let attributes = clearance::attributes(attributes).map_err(at("attributes"))?;
    for (place, (kind, _)) in attributes.iter().enumerate() {
        // RFC 5755 §4.2.7: each type once
        if attributes
            .iter()
            .take(place)
            .any(|(other, _)| other == kind)
        {
            return Err(profile("has an attribute twice"));
        }
    }
    // RFC 5755 §4.2.8: issuerUniqueID must not be there, and is passed over where it is.
    if inner.peek_byte() == Some(BIT_STRING) {
        inner
            .tlv_bytes()
            .map_err(at("issuer's unique identifier"))?;
    }
    let mut extensions = Vec::new();
    if !inner.is_finished() {
        extensions = read_extensions(inner.tlv_bytes().map_err(at("extensions"))?)?;
    }
    inner.finish().map_err(at("end of the signed part"))?;
    Ok(Parsed {
        der: der.to_vec(),
        tbs: signed.content.to_vec(),
        algorithm: AlgorithmIdentifierOwned::from_der(signed.algorithm)
            .map_err(at("signature algorithm"))?,
        signature: signed.signature.to_vec(),
        serial: serial.value().to_vec(),
        holder,
        issuer,
        not_before,
        not_after,
        attributes,
        extensions,
    })
}

// RFC 5755 §4.2.2
fn read_holder(der: &[u8]) -> Result<Holder, AttributeCertificateError> {
    let content = sequence_of(der).map_err(at("holder"))?;
    let mut fields = SliceReader::new(content).map_err(at("holder"))?;
    let mut holder = Holder::default();
    if fields.peek_byte() == Some(tlv::CONTEXT_0) {
        let base = AnyRef::decode(&mut fields).map_err(at("holder"))?;
        holder.base = Some(read_issuer_serial(base.value())?);
    }
    if fields.peek_byte() == Some(tlv::CONTEXT_1) {
        let names = AnyRef::decode(&mut fields).map_err(at("holder"))?;
        let names = read_names(names.value(), "holder")?;
        holder.names = Some(names);
    }
    if fields.peek_byte() == Some(tlv::CONTEXT_2) {
        let digest = AnyRef::decode(&mut fields).map_err(at("holder"))?;
        holder.digest = Some(read_digest(digest.value())?);
    }
    fields.finish().map_err(at("holder"))?;
    if holder.base.is_none() && holder.names.is_none() && holder.digest.is_none() {
        return Err(profile("names no holder"));
    }
    Ok(holder)
}

/// IssuerSerial without its outer tag.
fn read_issuer_serial(content: &[u8]) -> Result<(Name, Vec<u8>), AttributeCertificateError> {
    let mut fields = SliceReader::new(content).map_err(at("holder"))?;
    let issuer = fields.tlv_bytes().map_err(at("holder's issuer"))?;
    let issuer = GeneralNames::from_der(issuer).map_err(at("holder's issuer"))?;
    let serial = AnyRef::decode(&mut fields).map_err(at("holder's serial number"))?;
    serial
        .tag()
        .assert_eq(Tag::Integer)
        .map_err(at("holder's serial number"))?;
    if !fields.is_finished() {
        return Err(profile("has a holder with an issuerUID"));
    }
    Ok((one_name(issuer)?, serial.value().to_vec()))
}

/// ObjectDigestInfo without its outer tag.
// RFC 5755 §7.3
fn read_digest(content: &[u8]) -> Result<ObjectDigest, AttributeCertificateError> {
    let mut fields = SliceReader::new(content).map_err(at("holder's digest"))?;
    let of = match fields.tlv_bytes().map_err(at("holder's digest"))? {
        [ENUMERATED, 1, 0] => Digested::PublicKey,
        [ENUMERATED, 1, 1] => Digested::Certificate,
        _ => {
            return Err(profile(
                "has a digest of something that is no certificate or key",
            ));
        }
    };
    let algorithm = fields.tlv_bytes().map_err(at("holder's digest"))?;
    let algorithm = AlgorithmIdentifierOwned::from_der(algorithm)
        .ok()
        .and_then(|algorithm| Digest::from_algorithm(&algorithm).ok())
        .filter(|digest| *digest != Digest::Sha1)
        .ok_or_else(|| profile("names its holder by a digest that is not accepted"))?;
    let value = BitStringRef::decode(&mut fields).map_err(at("holder's digest"))?;
    fields.finish().map_err(at("holder's digest"))?;
    let value = value
        .as_bytes()
        .filter(|value| value.len() == algorithm.length())
        .ok_or_else(|| profile("has a digest of a wrong length"))?;
    Ok(ObjectDigest {
        of,
        algorithm,
        value: value.to_vec(),
    })
}

// RFC 5755 §4.2.3: v2Form with one name in issuerName, and nothing else
fn read_issuer(choice: AnyRef<'_>) -> Result<Name, AttributeCertificateError> {
    let is_second_form = matches!(
        choice.tag(),
        Tag::ContextSpecific { constructed: true, number } if number.value() == 0
    );
    if !is_second_form {
        return Err(profile("names its issuer in the form of version 1"));
    }
    let mut fields = SliceReader::new(choice.value()).map_err(at("issuer"))?;
    let names = fields.tlv_bytes().map_err(at("issuer"))?;
    let names = GeneralNames::from_der(names).map_err(at("issuer"))?;
    if !fields.is_finished() {
        return Err(profile("names its issuer by more than its name"));
    }
    one_name(names)
}

/// The one distinguished name, which is not empty.
fn one_name(mut names: GeneralNames) -> Result<Name, AttributeCertificateError> {
    match (names.pop(), names.is_empty()) {
        (Some(GeneralName::DirectoryName(name)), true) if !name.is_empty() => Ok(name),
        _ => Err(profile(
            "names an issuer otherwise than by one distinguished name",
        )),
    }
}

/// GeneralNames without their outer tag.
fn read_names(
    content: &[u8],
    field: &'static str,
) -> Result<GeneralNames, AttributeCertificateError> {
    let names = GeneralNames::from_der(&tlv::sequence(&[content])).map_err(at(field))?;
    match names.is_empty() {
        true => Err(profile("names nobody as its holder")),
        false => Ok(names),
    }
}

// RFC 5755 §4.2.6
fn read_validity(der: &[u8]) -> Result<(Timestamp, Timestamp), AttributeCertificateError> {
    let read = || {
        let mut reader = SliceReader::new(sequence_of(der)?)?;
        let mut time = || {
            let any = AnyRef::decode(&mut reader)?;
            any.tag().assert_eq(Tag::GeneralizedTime)?;
            read_time(any)
        };
        let period = (time()?, time()?);
        reader.finish()?;
        der::Result::Ok(period)
    };
    read().map_err(at("validity"))
}

fn profile(problem: &'static str) -> AttributeCertificateError {
    AttributeCertificateError::Profile(problem)
}

fn at(field: &'static str) -> impl Fn(der::Error) -> AttributeCertificateError {
    move |source| AttributeCertificateError::Malformed { field, source }
}
