//! CRLs of the lab, of every kind: complete and delta, of limited scope, indirect.
//!
//! Promises: the list says what was ordered, and nothing is checked: tests need wrong lists too.
//! Standards: RFC 5280 §5.

use der::Encode;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::GeneralName;

use super::{
    Authority, LabError, authority_key_id, authority_scheme, signed_der, slices, time_der,
};
use crate::clock::Timestamp;
use crate::crypto::certificate::{Certificate, Extension};
use crate::crypto::keys::Identity;
use crate::crypto::tlv;

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");

/// An order for one CRL.
#[derive(Clone, Debug)]
pub struct ListOrder {
    number: u64,
    this_update: Timestamp,
    next_update: Timestamp,
    entries: Vec<(Certificate, Option<u8>)>,
    serials: Vec<Vec<u8>>,
    /// Serial number, since when, and why.
    stated: Vec<(Vec<u8>, Timestamp, Option<u8>)>,
    indirect: bool,
    extensions: Vec<Extension>,
}

impl ListOrder {
    /// A complete list without entries.
    pub fn new(number: u64, this_update: Timestamp, next_update: Timestamp) -> Self {
        Self {
            number,
            this_update,
            next_update,
            entries: Vec::new(),
            serials: Vec::new(),
            stated: Vec::new(),
            indirect: false,
            extensions: Vec::new(),
        }
    }

    /// With this certificate, and this CRLReason.
    #[must_use]
    pub fn revoke(mut self, certificate: &Certificate, reason: Option<u8>) -> Self {
        self.entries.push((certificate.clone(), reason));
        self
    }

    /// With this serial number (contents octets): of an attribute certificate.
    #[must_use]
    pub fn revoke_serial(mut self, serial: &[u8]) -> Self {
        self.serials.push(serial.to_vec());
        self
    }

    /// With this serial number (contents octets), since then, and this CRLReason.
    #[must_use]
    pub fn revoke_since(mut self, serial: &[u8], since: Timestamp, reason: Option<u8>) -> Self {
        self.stated.push((serial.to_vec(), since, reason));
        self
    }

    /// A delta list to the complete list with this number and later ones.
    #[must_use]
    pub fn delta(self, base: u64) -> Self {
        self.extension(Extension {
            oid: DELTA,
            critical: true,
            value: tlv::integer(base),
        })
    }

    /// Each entry names its certificate's issuer.
    #[must_use]
    pub fn indirect(mut self) -> Self {
        self.indirect = true;
        self
    }

    /// With one more extension, as it is.
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    fn entry(&self, certificate: &Certificate, reason: Option<u8>) -> Result<Vec<u8>, LabError> {
        let serial = tlv::element(tlv::INTEGER, &[certificate.serial_bytes()]);
        let mut extensions = Vec::new();
        if let Some(reason) = reason {
            extensions.push(reason_code(reason));
        }
        if self.indirect {
            let name = GeneralName::DirectoryName(certificate.issuer_name().clone());
            extensions.push(Extension {
                oid: CERTIFICATE_ISSUER,
                critical: true,
                value: vec![name].to_der()?,
            });
        }
        // RFC 5280 §5.1.2.6: absent when there is nothing to say.
        let extensions = match extensions.is_empty() {
            true => Vec::new(),
            false => Extension::list_der(&extensions),
        };
        Ok(tlv::sequence(&[
            &serial,
            &time_der(self.this_update),
            &extensions,
        ]))
    }
}

impl Authority {
    /// A CRL as ordered, signed by this authority.
    pub fn sign_list(&self, order: &ListOrder) -> Result<Vec<u8>, LabError> {
        order.sign(self.identity())
    }
}

impl ListOrder {
    /// A CRL as ordered, signed by this key.
    // RFC 5280 §5.1
    pub fn sign(&self, signer: &Identity) -> Result<Vec<u8>, LabError> {
        let spki = signer.key().public_spki();
        let scheme = authority_scheme(spki)?;
        let mut entries: Vec<Vec<u8>> = self
            .entries
            .iter()
            .map(|(certificate, reason)| self.entry(certificate, *reason))
            .collect::<Result<_, _>>()?;
        entries.extend(self.serials.iter().map(|serial| {
            let serial = tlv::element(tlv::INTEGER, &[serial]);
            tlv::sequence(&[&serial, &time_der(self.this_update)])
        }));
        entries.extend(self.stated.iter().map(|(serial, since, reason)| {
            let serial = tlv::element(tlv::INTEGER, &[serial]);
            let reason = reason.map(|code| Extension::list_der(&[reason_code(code)]));
            let reason = reason.unwrap_or_default();
            tlv::sequence(&[&serial, &time_der(*since), &reason])
        }));
        // RFC 5280 §5.1.2.6: absent when there is nothing to list.
        let list = match entries.is_empty() {
            true => Vec::new(),
            false => tlv::sequence(&slices(&entries)),
        };
        let mut extensions = vec![
            authority_key_id(spki)?,
            Extension {
                oid: CRL_NUMBER,
                critical: false,
                value: tlv::integer(self.number),
            },
        ];
        extensions.extend(self.extensions.iter().cloned());
        let tbs = tlv::sequence(&[
            &tlv::integer(1),
            &scheme.algorithm_der(),
            signer.certificate().subject_der(),
            &time_der(self.this_update),
            &time_der(self.next_update),
            &list,
            &tlv::element(tlv::CONTEXT_0, &[&Extension::list_der(&extensions)]),
        ]);
        let signature = signer.key().sign(&scheme, &tbs)?;
        Ok(signed_der(&tbs, &scheme, &signature))
    }
}

// RFC 5280 §5.3.1
fn reason_code(code: u8) -> Extension {
    Extension {
        oid: REASON,
        critical: false,
        value: tlv::element(0x0a, &[&[code]]),
    }
}
