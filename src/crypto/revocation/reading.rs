//! Taking a CRL apart.
//!
//! Promises: what is signed or compared is a copy of the received octets.
//! Refuses: what is critical and unknown, in the list or in an entry; a scope or number that does
//! not parse. Standards: RFC 5280 §5.1, §5.2, §5.3.

use std::collections::HashMap;
use std::sync::Mutex;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::name::Name;

use super::scope::{Point, Scope};
use super::{Entry, Parsed, RevocationListError};
use crate::crypto::certificate::{Extension, read_extensions, read_time, sequence_of};
use crate::crypto::signed::Signed;
use crate::crypto::tlv;

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
const DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const FRESHEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");

/// Issuers that one indirect CRL speaks for.
const MOST_ISSUERS: usize = 1024;

// RFC 5280 §5.1
pub(super) fn parse(der: &[u8]) -> Result<Parsed, RevocationListError> {
    let signed = Signed::from_der(der).map_err(|(field, source)| at(field)(source))?;

    let content = sequence_of(signed.content).map_err(at("signed part"))?;
    let mut inner = SliceReader::new(content).map_err(at("signed part"))?;
    if inner.peek_byte() == Some(tlv::INTEGER) {
        inner.tlv_bytes().map_err(at("version"))?;
    }
    // RFC 5280 §5.1.1.2: the same algorithm in both places.
    if inner.tlv_bytes().map_err(at("signature algorithm"))? != signed.algorithm {
        return Err(at("signature algorithm")(
            Tag::Sequence.value_error().into(),
        ));
    }
    let issuer = inner.tlv_bytes().map_err(at("issuer"))?;
    let issuer_name = Name::from_der(issuer).map_err(at("issuer"))?;
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
    let entries = match inner.peek_byte() {
        Some(tlv::SEQUENCE) => Some(AnyRef::decode(&mut inner).map_err(at("list"))?),
        _ => None,
    };
    let mut parsed = Parsed {
        der: der.to_vec(),
        tbs: signed.content.to_vec(),
        algorithm: AlgorithmIdentifierOwned::from_der(signed.algorithm)
            .map_err(at("signature algorithm"))?,
        signature: signed.signature.to_vec(),
        issuer: issuer.to_vec(),
        issuers: vec![issuer_name],
        this_update,
        next_update,
        number: None,
        base: None,
        authority_key_id: None,
        scope: Scope::WHOLE,
        freshest: Vec::new(),
        revoked: HashMap::new(),
        verified_by: Mutex::new(None),
    };
    if inner.peek_byte() == Some(tlv::CONTEXT_0) {
        let wrapped = AnyRef::decode(&mut inner).map_err(at("extensions"))?;
        read_list_extensions(&mut parsed, &read_extensions(wrapped.value())?)?;
    }
    inner.finish().map_err(at("end of the signed part"))?;
    if let Some(entries) = entries {
        read_entries(&mut parsed, entries.value())?;
    }
    Ok(parsed)
}

// RFC 5280 §5.2
fn read_list_extensions(
    parsed: &mut Parsed,
    extensions: &[Extension],
) -> Result<(), RevocationListError> {
    for item in extensions {
        match item.oid {
            CRL_NUMBER => parsed.number = Some(number(&item.value).map_err(at("number"))?),
            // RFC 5280 §5.2.4
            DELTA => parsed.base = Some(number(&item.value).map_err(at("base number"))?),
            AUTHORITY_KEY_ID => {
                let id = AuthorityKeyIdentifier::from_der(&item.value)
                    .map_err(at("authorityKeyIdentifier"))?;
                parsed.authority_key_id = id.key_identifier.map(|id| id.as_bytes().to_vec());
            }
            DISTRIBUTION_POINT => {
                if let Some(issuer) = parsed.issuers.first() {
                    parsed.scope = Scope::from_der(&item.value, issuer)
                        .map_err(at("issuingDistributionPoint"))?;
                }
            }
            // RFC 5280 §5.2.6: not critical, so one that cannot be read is passed over
            FRESHEST if !item.critical => {
                if let Some(issuer) = parsed.issuers.first() {
                    parsed.freshest = Point::read(&item.value, issuer).unwrap_or_default();
                }
            }
            oid if item.critical => return Err(RevocationListError::UnknownCritical(oid)),
            _ => {}
        }
    }
    Ok(())
}

// RFC 5280 §5.3
fn read_entries(parsed: &mut Parsed, der: &[u8]) -> Result<(), RevocationListError> {
    let mut reader = SliceReader::new(der).map_err(at("list"))?;
    let mut issuer = 0usize;
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
        let mut reason = 0;
        if !fields.is_finished() {
            let extensions = fields.tlv_bytes().map_err(at("entry's extensions"))?;
            for item in read_extensions(extensions)? {
                match item.oid {
                    REASON => reason = read_reason(&item.value).map_err(at("entry's reason"))?,
                    // RFC 5280 §5.3.3: stays for the entries that follow.
                    CERTIFICATE_ISSUER => {
                        issuer = read_issuer(parsed, &item.value)
                            .map_err(at("entry's certificate issuer"))?;
                    }
                    INVALIDITY_DATE => {}
                    oid if item.critical => {
                        return Err(RevocationListError::UnknownCritical(oid));
                    }
                    _ => {}
                }
            }
        }
        fields.finish().map_err(at("entry"))?;
        let key = (issuer, serial.value().to_vec());
        parsed.revoked.insert(key, Entry { since, reason });
    }
    Ok(())
}

fn read_reason(der: &[u8]) -> der::Result<u8> {
    let any = AnyRef::from_der(der)?;
    any.tag().assert_eq(Tag::Enumerated)?;
    match any.value() {
        [code] => Ok(*code),
        _ => Err(Tag::Enumerated.value_error().into()),
    }
}

fn read_issuer(parsed: &mut Parsed, der: &[u8]) -> der::Result<usize> {
    let names = GeneralNames::from_der(der)?;
    let name = names.into_iter().find_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    let error = || der::Error::from(Tag::Sequence.value_error());
    let name = name.ok_or_else(error)?;
    if let Some(known) = parsed.issuers.iter().position(|known| *known == name) {
        return Ok(known);
    }
    if parsed.issuers.len() >= MOST_ISSUERS {
        return Err(error());
    }
    parsed.issuers.push(name);
    Ok(parsed.issuers.len().saturating_sub(1))
}

/// A CRL number without leading zeros, so that shorter is smaller.
// RFC 5280 §5.2.3: up to 20 octets, not negative.
fn number(der: &[u8]) -> der::Result<Vec<u8>> {
    let any = AnyRef::from_der(der)?;
    any.tag().assert_eq(Tag::Integer)?;
    let digits = any.value();
    if digits.len() > 21 || digits.first().is_none_or(|first| *first >= 0x80) {
        return Err(Tag::Integer.value_error().into());
    }
    Ok(digits.iter().copied().skip_while(|o| *o == 0).collect())
}

fn at(field: &'static str) -> impl Fn(der::Error) -> RevocationListError {
    move |source| RevocationListError::Malformed { field, source }
}
