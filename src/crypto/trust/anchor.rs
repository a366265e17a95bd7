//! Trust anchors: a certificate, or a name and a key with constraints (RFC 5914).
//!
//! Promises: what an anchor's own certificate or its controls say bounds every path below it; a
//! control overrides the extension of the same duty in the certificate.
//! Refuses: an anchor without a name (it cannot head a path), unknown critical extensions (at the
//! path, with their identifier). Standards: RFC 5914 §2, 5937 §3.

use std::collections::BTreeSet;
use std::sync::Arc;

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, Utf8StringRef};
use der::{Decode, Reader, SliceReader};
use x509_cert::ext::pkix::{CertificatePolicies, NameConstraints};
use x509_cert::name::Name;

use super::names::{self, Constraints};
use super::policy::{self, ANY_POLICY, PolicyRules};
use super::{TrustProblem, usage};
use crate::crypto::certificate::{
    Certificate, CertificateError, Extension, PublicKey, hex, read_extensions, sequence_of,
};
use crate::crypto::clearance::CONSTRAINTS;
use crate::crypto::tlv;

/// `[1] IMPLICIT`, `[3] IMPLICIT` constructed; `[2] IMPLICIT`, `[4] IMPLICIT` primitive.
const POLICY_FLAGS: u8 = 0x82;
const NAME_CONSTRAINTS: u8 = 0xa3;
const PATH_LENGTH: u8 = 0x84;
const UTF8_STRING: u8 = 0x0c;

/// A key that is believed, in a name, within bounds. Clones share one copy.
#[derive(Clone, Debug)]
pub struct Anchor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    der: Vec<u8>,
    certificate: Option<Certificate>,
    name: Name,
    spki: Vec<u8>,
    public_key: PublicKey,
    key_id: Option<Vec<u8>>,
    title: Option<String>,
    extensions: Vec<Extension>,
    controls: Controls,
}

/// CertPathControls, without name and certificate.
#[derive(Debug, Default)]
struct Controls {
    policies: Option<BTreeSet<ObjectIdentifier>>,
    /// inhibitPolicyMapping, requireExplicitPolicy, inhibitAnyPolicy.
    flags: Option<[bool; 3]>,
    names: Option<NameConstraints>,
    path_length: Option<usize>,
}

impl From<Certificate> for Anchor {
    fn from(certificate: Certificate) -> Self {
        Self(Arc::new(Inner {
            der: certificate.der().to_vec(),
            name: certificate.subject_name().clone(),
            spki: certificate.spki_der().to_vec(),
            public_key: certificate.public_key().clone(),
            key_id: certificate.subject_key_id().map(<[u8]>::to_vec),
            title: None,
            extensions: Vec::new(),
            controls: Controls::default(),
            certificate: Some(certificate),
        }))
    }
}

impl Anchor {
    /// Reads a certificate, a TrustAnchorInfo, or the choice of either (RFC 5914 §3).
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        match der.first() {
            Some(&tlv::CONTEXT_2) => {
                let inner = AnyRef::from_der(der).map_err(at("outer structure"))?;
                Self::from_info(inner.value(), der)
            }
            _ => match Certificate::from_der(der) {
                Ok(certificate) => Ok(certificate.into()),
                Err(error) => Self::from_info(der, der).map_err(|_| error),
            },
        }
    }

    // RFC 5914 §2
    fn from_info(info: &[u8], der: &[u8]) -> Result<Self, CertificateError> {
        let content = sequence_of(info).map_err(at("outer structure"))?;
        let mut fields = SliceReader::new(content).map_err(at("outer structure"))?;
        if fields.peek_byte() == Some(tlv::INTEGER) {
            fields.tlv_bytes().map_err(at("version"))?;
        }
        let spki = fields.tlv_bytes().map_err(at("public key"))?;
        let key_id = <&OctetStringRef>::decode(&mut fields).map_err(at("key identifier"))?;
        let title = match fields.peek_byte() {
            Some(UTF8_STRING) => {
                let title = Utf8StringRef::decode(&mut fields).map_err(at("title"))?;
                Some(title.as_str().to_owned())
            }
            _ => None,
        };
        // RFC 5914 §2.5: without certPath it is not for certification paths.
        let path = fields.tlv_bytes().map_err(at("path controls"))?;
        let mut extensions = Vec::new();
        if fields.peek_byte() == Some(tlv::CONTEXT_1) {
            let wrapped = AnyRef::decode(&mut fields).map_err(at("extensions"))?;
            extensions = read_extensions(wrapped.value())?;
        }
        if !fields.is_finished() {
            fields.tlv_bytes().map_err(at("language of the title"))?;
        }
        fields.finish().map_err(at("end"))?;
        let (name, certificate, controls) = read_controls(path)?;
        Ok(Self(Arc::new(Inner {
            der: der.to_vec(),
            certificate,
            name,
            spki: spki.to_vec(),
            public_key: PublicKey::from_spki(spki)?,
            key_id: Some(key_id.as_bytes().to_vec()),
            title,
            extensions,
            controls,
        })))
    }

    /// The octets as received.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Its certificate, if it has one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.0.certificate.as_ref()
    }

    /// Its name in the form of RFC 4514.
    pub fn subject(&self) -> String {
        self.0.name.to_string()
    }

    /// What people call it, or its name and key identifier.
    pub fn title(&self) -> String {
        let key = self.0.key_id.as_deref().map_or_else(String::new, hex);
        self.0
            .title
            .clone()
            .unwrap_or_else(|| format!("{} (key {key})", self.0.name))
    }

    pub(super) fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    pub(super) fn name(&self) -> &Name {
        &self.0.name
    }

    pub(super) fn key_id(&self) -> Option<&[u8]> {
        self.0.key_id.as_deref()
    }

    /// Extensions that stand beside its certificate.
    pub(super) fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    pub(super) fn may_have_issued(&self, certificate: &Certificate) -> bool {
        names::same_name(&self.0.name, certificate.issuer_name())
            && match (certificate.authority_key_id(), self.key_id()) {
                (Some(wanted), Some(offered)) => wanted == offered,
                _ => true,
            }
    }

    // RFC 5937 §3.1: an unknown critical extension of the anchor refuses every path below it.
    pub(super) fn check_critical(&self) -> Result<(), TrustProblem> {
        if let Some(certificate) = self.certificate() {
            usage::check_critical(certificate)?;
        }
        let unknown = |item: &&Extension| item.critical && item.oid != CONSTRAINTS;
        match self.0.extensions.iter().find(unknown) {
            Some(item) => Err(TrustProblem::UnknownCriticalExtension {
                certificate: self.subject(),
                extension: item.oid,
            }),
            None => Ok(()),
        }
    }

    // RFC 5937 §3.2: the acceptable policies are the intersection, the flags are joined.
    pub(super) fn narrow(&self, rules: &mut PolicyRules) -> Result<(), TrustProblem> {
        let controls = &self.0.controls;
        match (&controls.policies, self.certificate()) {
            (Some(own), _) => rules.narrow((!own.contains(&ANY_POLICY)).then_some(own)),
            (None, Some(certificate)) => rules.narrow(policy::named(certificate)?.as_ref()),
            (None, None) => {}
        }
        if let Some([inhibit_mapping, explicit, inhibit_any]) = controls.flags {
            rules.inhibit_mapping |= inhibit_mapping;
            rules.explicit |= explicit;
            rules.inhibit_any |= inhibit_any;
        }
        Ok(())
    }

    /// The certificate whose policyConstraints and inhibitAnyPolicy count, if no flags override.
    pub(super) fn policy_certificate(&self) -> Option<&Certificate> {
        match self.0.controls.flags {
            Some(_) => None,
            None => self.certificate(),
        }
    }

    // RFC 5937 §3.2: permitted names are intersected, excluded ones joined.
    pub(super) fn bound(&self, constraints: &mut Constraints) -> Result<(), TrustProblem> {
        match (&self.0.controls.names, self.certificate()) {
            (Some(own), _) => {
                constraints
                    .include(own.clone())
                    .map_err(|reason| TrustProblem::NameNotPermitted {
                        certificate: self.subject(),
                        reason: reason.to_owned(),
                    })
            }
            (None, Some(certificate)) => constraints.add(certificate),
            (None, None) => Ok(()),
        }
    }

    /// The policies that its controls name.
    pub(super) fn own_policies(&self) -> Option<&BTreeSet<ObjectIdentifier>> {
        self.0.controls.policies.as_ref()
    }

    /// The name constraints of its controls.
    pub(super) fn own_names(&self) -> Option<&NameConstraints> {
        self.0.controls.names.as_ref()
    }

    /// How many authorities may stand below it.
    pub(super) fn path_length(&self) -> Option<usize> {
        self.0.controls.path_length.or_else(|| {
            let own = self.certificate()?.basic_constraints()?;
            own.path_length.map(usize::from)
        })
    }
}

impl PartialEq for Anchor {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Anchor {}

fn at(field: &'static str) -> impl Fn(der::Error) -> CertificateError {
    move |source| CertificateError::Malformed { field, source }
}

// RFC 5914 §2.5
fn read_controls(der: &[u8]) -> Result<(Name, Option<Certificate>, Controls), CertificateError> {
    let content = sequence_of(der).map_err(at("path controls"))?;
    let mut fields = SliceReader::new(content).map_err(at("path controls"))?;
    let name = fields.tlv_bytes().map_err(at("anchor's name"))?;
    let name = Name::from_der(name).map_err(at("anchor's name"))?;
    if name.is_empty() {
        return Err(at("anchor's name")(der::Tag::Sequence.value_error().into()));
    }
    let mut certificate = None;
    let mut controls = Controls::default();
    while let Some(tag) = fields.peek_byte() {
        let field = fields.tlv_bytes().map_err(at("path controls"))?;
        match tag {
            tlv::CONTEXT_0 => {
                certificate = Some(Certificate::from_der(&retag(field, tlv::SEQUENCE))?);
            }
            tlv::CONTEXT_1 => {
                let set = CertificatePolicies::from_der(&retag(field, tlv::SEQUENCE))
                    .map_err(at("policy set"))?;
                let named = set.0.iter().map(|item| item.policy_identifier);
                controls.policies = Some(named.collect());
            }
            POLICY_FLAGS => {
                let bits = retag(field, 0x03);
                let bits = der::asn1::BitStringRef::from_der(&bits).map_err(at("policy flags"))?;
                let mut flags = bits.bits();
                controls.flags = Some([(); 3].map(|()| flags.next().unwrap_or(false)));
            }
            NAME_CONSTRAINTS => {
                let own = NameConstraints::from_der(&retag(field, tlv::SEQUENCE));
                controls.names = Some(own.map_err(at("name constraints"))?);
            }
            PATH_LENGTH => {
                let length = u32::from_der(&retag(field, tlv::INTEGER));
                let length = length.map_err(at("path length"))?;
                controls.path_length = Some(usize::try_from(length).unwrap_or(usize::MAX));
            }
            _ => {
                return Err(at("path controls")(der::Tag::Sequence.value_error().into()));
            }
        }
    }
    Ok((name, certificate, controls))
}

/// An element with an implicit tag, under the tag of its type.
fn retag(element: &[u8], tag: u8) -> Vec<u8> {
    let mut out = element.to_vec();
    if let Some(first) = out.first_mut() {
        *first = tag;
    }
    out
}
