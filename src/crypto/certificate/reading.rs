//! Taking a certificate apart: from octets to the parts that [`super::Certificate`] shows.
//!
//! Promises: every part that is signed, compared or hashed is a copy of the received octets.
//! Refuses: trailing octets, times in other forms than RFC 5280's, extensions twice.
//! Standards: RFC 5280 §4.1, §4.2.

use const_oid::AssociatedOid;
use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::pkix as extension;
use x509_cert::name::Name;

use super::{BasicConstraints, CertificateError, Extension, KeyUsage, Parsed, PublicKey};
use crate::clock::Timestamp;
use crate::crypto::signed::Signed;
use crate::crypto::tlv;

// RFC 5280 §4.1
pub(super) fn parse(der: &[u8]) -> Result<Parsed, CertificateError> {
    let at = |field| move |source| CertificateError::Malformed { field, source };
    let signed = Signed::from_der(der)
        .map_err(|(field, source)| CertificateError::Malformed { field, source })?;

    let content = sequence_of(signed.content).map_err(at("signed part"))?;
    let mut inner = SliceReader::new(content).map_err(at("signed part"))?;
    if inner.peek_byte() == Some(tlv::CONTEXT_0) {
        inner.tlv_bytes().map_err(at("version"))?;
    }
    let serial = AnyRef::decode(&mut inner).map_err(at("serial number"))?;
    serial
        .tag()
        .assert_eq(Tag::Integer)
        .map_err(at("serial number"))?;
    let inner_algorithm = inner.tlv_bytes().map_err(at("signature algorithm"))?;
    // RFC 5280 §4.1.1.2
    if inner_algorithm != signed.algorithm {
        return Err(CertificateError::TwoAlgorithms);
    }
    let issuer = inner.tlv_bytes().map_err(at("issuer"))?;
    let validity = inner.tlv_bytes().map_err(at("validity"))?;
    let (not_before, not_after) = read_validity(validity).map_err(at("validity"))?;
    let subject = inner.tlv_bytes().map_err(at("subject"))?;
    let spki = inner.tlv_bytes().map_err(at("public key"))?;
    let mut extensions = Vec::new();
    while !inner.is_finished() {
        let field = AnyRef::decode(&mut inner).map_err(at("optional fields"))?;
        // [1] and [2] are unique identifiers, which RFC 5280 tells readers to skip.
        if inner_tag(&field) == 0xa3 {
            extensions = read_extensions(field.value())?;
        }
    }

    let mut parsed = Parsed {
        der: der.to_vec(),
        tbs: signed.content.to_vec(),
        algorithm: AlgorithmIdentifierOwned::from_der(signed.algorithm)
            .map_err(at("signature algorithm"))?,
        signature: signed.signature.to_vec(),
        serial: serial.value().to_vec(),
        issuer: issuer.to_vec(),
        subject: subject.to_vec(),
        subject_name: Name::from_der(subject).map_err(at("subject"))?,
        issuer_name: Name::from_der(issuer).map_err(at("issuer"))?,
        not_before,
        not_after,
        spki: spki.to_vec(),
        public_key: PublicKey::from_spki(spki)?,
        extensions,
        subject_key_id: None,
        authority_key_id: None,
        key_usage: None,
        extended_key_usage: None,
        basic_constraints: None,
        alternative_names: Vec::new(),
    };
    interpret(&mut parsed)?;
    Ok(parsed)
}

fn interpret(parsed: &mut Parsed) -> Result<(), CertificateError> {
    let at = |field| move |source| CertificateError::Malformed { field, source };
    for item in &parsed.extensions {
        let value = item.value.as_slice();
        match item.oid {
            extension::SubjectKeyIdentifier::OID => {
                let id = extension::SubjectKeyIdentifier::from_der(value)
                    .map_err(at("subjectKeyIdentifier"))?;
                parsed.subject_key_id = Some(id.0.as_bytes().to_vec());
            }
            extension::AuthorityKeyIdentifier::OID => {
                let id = extension::AuthorityKeyIdentifier::from_der(value)
                    .map_err(at("authorityKeyIdentifier"))?;
                parsed.authority_key_id = id.key_identifier.map(|id| id.as_bytes().to_vec());
            }
            KeyUsage::OID => {
                parsed.key_usage = Some(KeyUsage::from_der(value).map_err(at("keyUsage"))?);
            }
            extension::ExtendedKeyUsage::OID => {
                let usage =
                    extension::ExtendedKeyUsage::from_der(value).map_err(at("extendedKeyUsage"))?;
                parsed.extended_key_usage = Some(usage.0);
            }
            extension::BasicConstraints::OID => {
                let constraints =
                    extension::BasicConstraints::from_der(value).map_err(at("basicConstraints"))?;
                parsed.basic_constraints = Some(BasicConstraints {
                    ca: constraints.ca,
                    path_length: constraints.path_len_constraint,
                });
            }
            extension::SubjectAltName::OID => {
                let names =
                    extension::SubjectAltName::from_der(value).map_err(at("subjectAltName"))?;
                parsed.alternative_names = names.0;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Extensions ::= SEQUENCE OF Extension, in a certificate, a CRL or a CRL entry.
pub(crate) fn read_extensions(der: &[u8]) -> Result<Vec<Extension>, CertificateError> {
    let malformed = |source| CertificateError::Malformed {
        field: "extensions",
        source,
    };
    let list = Vec::<x509_cert::ext::Extension>::from_der(der).map_err(malformed)?;
    let mut found: Vec<Extension> = Vec::with_capacity(list.len());
    for item in list {
        // RFC 5280 §4.2
        if found.iter().any(|earlier| earlier.oid == item.extn_id) {
            return Err(CertificateError::RepeatedExtension(item.extn_id));
        }
        found.push(Extension {
            oid: item.extn_id,
            critical: item.critical,
            value: item.extn_value.as_bytes().to_vec(),
        });
    }
    Ok(found)
}

/// UTCTime or GeneralizedTime in the only forms that RFC 5280 §4.1.2.5 allows.
pub(crate) fn read_time(any: AnyRef<'_>) -> der::Result<Timestamp> {
    let error = || der::Error::from(any.tag().value_error());
    let digits = any.value().strip_suffix(b"Z").ok_or_else(error)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(error());
    }
    let text = std::str::from_utf8(digits).map_err(|_| error())?;
    let number = |range| -> der::Result<i16> {
        text.get(range)
            .and_then(|digits: &str| digits.parse().ok())
            .ok_or_else(error)
    };
    let (year, start) = match (any.tag(), text.len()) {
        // RFC 5280 §4.1.2.5.1: two digits, 1950 to 2049.
        (Tag::UtcTime, 12) => {
            let short = number(0..2)?;
            (
                short.saturating_add(if short >= 50 { 1900 } else { 2000 }),
                2usize,
            )
        }
        (Tag::GeneralizedTime, 14) => (number(0..4)?, 4),
        _ => return Err(error()),
    };
    let field = |index: usize| -> der::Result<i8> {
        let from = start.saturating_add(index.saturating_mul(2));
        i8::try_from(number(from..from.saturating_add(2))?).map_err(|_| error())
    };
    let (month, day, hour) = (field(0)?, field(1)?, field(2)?);
    let (minute, second) = (field(3)?, field(4)?);
    let local = DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| error())?;
    // The last day of the year 9999 is past the end of Timestamp, and means "no end".
    Ok(local
        .to_zoned(TimeZone::UTC)
        .map_or(Timestamp::MAX, |zoned| zoned.timestamp()))
}

fn read_validity(der: &[u8]) -> der::Result<(Timestamp, Timestamp)> {
    let mut reader = SliceReader::new(sequence_of(der)?)?;
    let not_before = read_time(AnyRef::decode(&mut reader)?)?;
    let not_after = read_time(AnyRef::decode(&mut reader)?)?;
    reader.finish()?;
    Ok((not_before, not_after))
}

/// The contents of a SEQUENCE that is all of `der`.
pub(crate) fn sequence_of(der: &[u8]) -> der::Result<&[u8]> {
    let any = AnyRef::from_der(der)?;
    any.tag().assert_eq(Tag::Sequence)?;
    Ok(any.value())
}

fn inner_tag(any: &AnyRef<'_>) -> u8 {
    match any.tag() {
        Tag::ContextSpecific {
            constructed: true,
            number,
        } => 0xa0 | u8::try_from(number.value()).unwrap_or(0x1f),
        _ => 0,
    }
}

pub(super) fn bit_length(big_endian: &[u8]) -> usize {
    let mut octets = big_endian.iter().skip_while(|octet| **octet == 0);
    let Some(first) = octets.next() else { return 0 };
    let top = 8usize.saturating_sub(usize::try_from(first.leading_zeros()).unwrap_or(8));
    octets.count().saturating_mul(8).saturating_add(top)
}
