//! Attribute certificates of the lab, right and wrong ones.
//!
//! Promises: it says what was ordered, and nothing is checked: tests need wrong ones too.
//! Standards: RFC 5755 §4.1.

use std::time::Duration;

use der::Encode;
use der::asn1::{Ia5String, ObjectIdentifier};
use jiff::tz::TimeZone;
use x509_cert::ext::pkix::name::GeneralName;

use super::clearances::attribute_der;
use super::{LabError, WEEK, authority_scheme, earlier, later, signed_der, slices};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::{Certificate, Extension};
use crate::crypto::keys::Identity;
use crate::crypto::{provider, tlv};

const NO_REVOCATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.56");
const TARGETS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.55");

/// noRevAvail: no status is ever told.
pub fn no_revocation() -> Extension {
    Extension {
        oid: NO_REVOCATION,
        critical: false,
        value: tlv::NULL.to_vec(),
    }
}

/// An order for one attribute certificate.
#[derive(Clone, Debug)]
pub struct AttributeOrder {
    holder: Vec<u8>,
    serial: u8,
    not_before: Timestamp,
    not_after: Timestamp,
    attributes: Vec<Vec<u8>>,
    extensions: Vec<Extension>,
}

impl AttributeOrder {
    /// About the holder of this certificate (by issuer and serial number), for a week from an hour
    /// before `now`.
    pub fn new(holder: &Certificate, now: Timestamp) -> Result<Self, LabError> {
        let issuer = GeneralName::DirectoryName(holder.issuer_name().clone());
        let names = vec![issuer].to_der()?;
        let serial = tlv::element(tlv::INTEGER, &[holder.serial_bytes()]);
        Ok(Self {
            holder: tlv::element(tlv::CONTEXT_0, &[&names, &serial]),
            serial: 7,
            not_before: earlier(now, Duration::from_secs(3600)),
            not_after: later(now, WEEK),
            attributes: Vec::new(),
            extensions: Vec::new(),
        })
    }

    /// About whoever has this name.
    pub fn named(mut self, name: &GeneralName) -> Result<Self, LabError> {
        self.holder = tlv::element(tlv::CONTEXT_1, &[&name.to_der()?]);
        Ok(self)
    }

    /// About the holder of exactly this certificate, by its digest.
    #[must_use]
    pub fn digest_of(mut self, certificate: &Certificate) -> Self {
        let value = provider::default().digest(Digest::Sha384, &[certificate.der()]);
        self.holder = tlv::element(
            tlv::CONTEXT_2,
            &[
                &[0x0a, 1, 1],
                &Digest::Sha384.algorithm_der(),
                &tlv::element(0x03, &[&[0], &value]),
            ],
        );
        self
    }

    /// With this holder, as it is.
    #[must_use]
    pub fn holder(mut self, holder_der: Vec<u8>) -> Self {
        self.holder = holder_der;
        self
    }

    /// With this clearance.
    #[must_use]
    pub fn clearance(self, clearance_der: &[u8]) -> Self {
        self.attribute(attribute_der(clearance_der))
    }

    /// With one more attribute, as it is.
    #[must_use]
    pub fn attribute(mut self, attribute_der: Vec<u8>) -> Self {
        self.attributes.push(attribute_der);
        self
    }

    /// With this serial number.
    #[must_use]
    pub fn serial(mut self, serial: u8) -> Self {
        self.serial = serial;
        self
    }

    /// Valid between these instants.
    #[must_use]
    pub fn valid(mut self, not_before: Timestamp, not_after: Timestamp) -> Self {
        self.not_before = not_before;
        self.not_after = not_after;
        self
    }

    /// With one more extension, as it is.
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// For this host alone (targetName).
    pub fn target(self, host: &str) -> Result<Self, LabError> {
        let name = GeneralName::DnsName(Ia5String::new(host)?).to_der()?;
        let target = tlv::element(tlv::CONTEXT_0, &[&name]);
        Ok(self.extension(Extension {
            oid: TARGETS,
            critical: true,
            value: tlv::sequence(&[&tlv::sequence(&[&target])]),
        }))
    }

    /// The attribute certificate, signed by this attribute authority.
    // RFC 5755 §4.1
    pub fn sign(&self, authority: &Identity) -> Result<Vec<u8>, LabError> {
        let scheme = authority_scheme(authority.key().public_spki())?;
        let issuer = GeneralName::DirectoryName(authority.certificate().subject_name().clone());
        let issuer = tlv::element(tlv::CONTEXT_0, &[&vec![issuer].to_der()?]);
        let period = tlv::sequence(&[&time_der(self.not_before), &time_der(self.not_after)]);
        let extensions = match self.extensions.is_empty() {
            true => Vec::new(),
            false => Extension::list_der(&self.extensions),
        };
        let tbs = tlv::sequence(&[
            &tlv::integer(1),
            &tlv::sequence(&[&self.holder]),
            &issuer,
            &scheme.algorithm_der(),
            &tlv::integer(u64::from(self.serial)),
            &period,
            &tlv::sequence(&slices(&self.attributes)),
            &extensions,
        ]);
        let signature = authority.key().sign(&scheme, &tbs)?;
        Ok(signed_der(&tbs, &scheme, &signature))
    }
}

// RFC 5755 §4.2.6: always GeneralizedTime
fn time_der(at: Timestamp) -> Vec<u8> {
    let civil = at.to_zoned(TimeZone::UTC);
    let text = civil.strftime("%Y%m%d%H%M%SZ").to_string();
    tlv::element(tlv::GENERALIZED_TIME, &[text.as_bytes()])
}
