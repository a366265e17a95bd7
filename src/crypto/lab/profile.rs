//! What the lab's authorities certify: one profile for each kind of holder.
//!
//! Promises: the profile alone says what a key may be used for; what a request asks for beside names
//! counts for nothing. Signing and encrypting are separate certificates (RFC 8603 §5.4).
//! Standards: RFC 5280 §4.2, 3183 §3.1.1 (names of those who act for a domain), 6960 §4.2.2.2,
//! 9598 §3 (SmtpUTF8Mailbox), 5913 §2 (clearance).

use std::net::IpAddr;

use der::asn1::{Ia5String, ObjectIdentifier};
use der::flagset::FlagSet;
use x509_cert::ext::pkix as extension;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AccessDescription, KeyUsages};

use super::exercise::{self, Marked};
use super::{
    Authority, CLIENT, EMAIL_PROTECTION, LabError, SERVER, authority_key_id, clearances, comment,
    general_names, of, subject_key_id,
};
use crate::clock::Timestamp;
use crate::crypto::certificate::{Certificate, Extension, PublicKey};
use crate::crypto::tlv;

/// id-kp-OCSPSigning.
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// id-pkix-ocsp-nocheck.
const NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
/// id-ad-ocsp.
const BY_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// What a key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Receiving enveloped messages.
    Encrypt,
    /// Signing messages.
    Sign,
}

/// Who holds the certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// An authority, with how many more may follow below it.
    Authority(Option<u8>),
    /// Opens what is encrypted for a domain.
    DomainConfidentiality,
    /// Signs for a domain.
    DomainSigning,
    /// Signs OCSP answers for its issuer; its own status is not looked up.
    OcspSigner,
    /// A person: with a signing key also a TLS client.
    Person(Deed),
    /// A role.
    Role(Deed),
    /// A switch: TLS in both directions.
    Switch,
}

/// What is certified.
#[derive(Clone, Debug)]
pub struct Order {
    /// The subject's name in DER.
    pub subject_der: Vec<u8>,
    /// The key, as SubjectPublicKeyInfo.
    pub spki_der: Vec<u8>,
    /// Who holds it.
    pub profile: Profile,
    /// Mail addresses.
    pub emails: Vec<String>,
    /// Host names.
    pub dns_names: Vec<String>,
    /// IP addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until, and never longer than its issuer.
    pub not_after: Timestamp,
    /// Where its CRL is.
    pub crl_urls: Vec<String>,
    /// Where its OCSP responder is.
    pub ocsp_urls: Vec<String>,
    /// A clearance, in DER.
    pub clearance_der: Option<Vec<u8>>,
    /// For an authority: the mail domains it may name; none: all.
    pub permitted_mail: Vec<String>,
}

impl Authority {
    /// Certifies a key under a profile.
    ///
    /// # Errors
    /// A name that cannot be written in a certificate; a failing key.
    pub fn certify_as(&self, order: &Order) -> Result<Certificate, LabError> {
        self.certify(
            &order.subject_der,
            &order.spki_der,
            order.not_before,
            order.not_after.min(self.certificate().not_after()),
            order.extensions(self.spki())?,
        )
    }
}

impl Order {
    fn extensions(&self, issuer_spki: &[u8]) -> Result<Vec<Extension>, LabError> {
        let (authority, path_length) = match self.profile {
            Profile::Authority(length) => (Marked::Authority, length),
            _ => (Marked::EndEntity, None),
        };
        let ca = authority == Marked::Authority;
        let (usage, extended) = self.uses();
        let mut list = vec![
            of(
                ca,
                &extension::BasicConstraints {
                    ca,
                    path_len_constraint: path_length,
                },
            )?,
            of(true, &extension::KeyUsage(usage))?,
            subject_key_id(&self.spki_der)?,
            authority_key_id(issuer_spki)?,
            exercise::mark(authority),
            comment()?,
        ];
        if !extended.is_empty() {
            list.push(of(false, &extension::ExtendedKeyUsage(extended))?);
        }
        if self.profile == Profile::OcspSigner {
            list.push(Extension {
                oid: NO_CHECK,
                critical: false,
                value: tlv::NULL.to_vec(),
            });
        }
        let names = general_names(&self.emails, &self.dns_names, &self.ip_addresses)?;
        if !names.is_empty() {
            list.push(of(false, &extension::SubjectAltName(names))?);
        }
        list.extend(self.places()?);
        if let Some(clearance) = &self.clearance_der {
            list.push(clearances::clearance(clearance));
        }
        if !self.permitted_mail.is_empty() {
            list.push(self.constraints()?);
        }
        Ok(list)
    }

    fn uses(&self) -> (FlagSet<KeyUsages>, Vec<ObjectIdentifier>) {
        let signs = || KeyUsages::DigitalSignature | KeyUsages::NonRepudiation;
        let rsa = matches!(
            PublicKey::from_spki(&self.spki_der),
            Ok(PublicKey::Rsa { .. })
        );
        let opens = || match rsa {
            true => KeyUsages::KeyEncipherment.into(),
            false => KeyUsages::KeyAgreement.into(),
        };
        match self.profile {
            Profile::Authority(_) => (KeyUsages::KeyCertSign | KeyUsages::CRLSign, Vec::new()),
            Profile::DomainConfidentiality
            | Profile::Person(Deed::Encrypt)
            | Profile::Role(Deed::Encrypt) => (opens(), vec![EMAIL_PROTECTION]),
            Profile::DomainSigning | Profile::Role(Deed::Sign) => (signs(), vec![EMAIL_PROTECTION]),
            Profile::OcspSigner => (KeyUsages::DigitalSignature.into(), vec![OCSP_SIGNING]),
            Profile::Person(Deed::Sign) => (signs(), vec![EMAIL_PROTECTION, CLIENT]),
            Profile::Switch => (KeyUsages::DigitalSignature.into(), vec![SERVER, CLIENT]),
        }
    }

    // RFC 5280 §4.2.1.13, §4.2.2.1
    fn places(&self) -> Result<Vec<Extension>, LabError> {
        let mut list = Vec::new();
        if !self.crl_urls.is_empty() {
            let point = extension::crl::dp::DistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(places(&self.crl_urls)?)),
                reasons: None,
                crl_issuer: None,
            };
            list.push(of(false, &extension::CrlDistributionPoints(vec![point]))?);
        }
        if !self.ocsp_urls.is_empty() {
            let responders = places(&self.ocsp_urls)?.into_iter();
            let responders = responders.map(|access_location| AccessDescription {
                access_method: BY_OCSP,
                access_location,
            });
            let syntax = extension::AuthorityInfoAccessSyntax(responders.collect());
            list.push(of(false, &syntax)?);
        }
        Ok(list)
    }

    // RFC 5280 §4.2.1.10: "host" and ".domain" are two things.
    fn constraints(&self) -> Result<Extension, LabError> {
        let mut trees = Vec::new();
        for domain in &self.permitted_mail {
            for base in [domain.clone(), format!(".{domain}")] {
                trees.push(GeneralSubtree {
                    base: GeneralName::Rfc822Name(Ia5String::new(&base)?),
                    minimum: 0,
                    maximum: None,
                });
            }
        }
        of(
            true,
            &extension::NameConstraints {
                permitted_subtrees: Some(trees),
                excluded_subtrees: None,
            },
        )
    }
}

fn places(urls: &[String]) -> Result<Vec<GeneralName>, LabError> {
    urls.iter()
        .map(|url| Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?)))
        .collect()
}
