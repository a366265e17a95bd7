//! What a certificate may be used for: authority, keyUsage, extendedKeyUsage, critical extensions.
//!
//! Promises: an extension that bounds the use and is there is obeyed; one that is absent does not
//! bound. Refuses: critical extensions that are not processed here.
//! Standards: RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.12, §6.1.4 (k) to (o), 8550 §4.4.

use const_oid::AssociatedOid;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix as extension;

use super::{Purpose, TrustProblem};
use crate::crypto::certificate::{BasicConstraints, Certificate, KeyUsage, PublicKey};
use crate::crypto::clearance::CONSTRAINTS;

/// id-kp-emailProtection (RFC 5280 §4.2.1.12).
const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
/// id-kp-serverAuth.
const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// id-kp-clientAuth.
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// anyExtendedKeyUsage.
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The extensions that path validation processes, and those that bind nobody.
const UNDERSTOOD: [ObjectIdentifier; 15] = [
    CONSTRAINTS,
    extension::AuthorityKeyIdentifier::OID,
    extension::BasicConstraints::OID,
    extension::CertificatePolicies::OID,
    extension::CrlDistributionPoints::OID,
    extension::ExtendedKeyUsage::OID,
    extension::FreshestCrl::OID,
    extension::InhibitAnyPolicy::OID,
    extension::IssuerAltName::OID,
    extension::KeyUsage::OID,
    extension::NameConstraints::OID,
    extension::PolicyConstraints::OID,
    extension::PolicyMappings::OID,
    extension::SubjectAltName::OID,
    extension::SubjectKeyIdentifier::OID,
];

// RFC 5280 §6.1.4 (o), §6.1.5 (f)
pub(super) fn check_critical(certificate: &Certificate) -> Result<(), TrustProblem> {
    let unknown = certificate
        .extensions()
        .iter()
        .find(|item| item.critical && !UNDERSTOOD.contains(&item.oid));
    match unknown {
        Some(item) => Err(TrustProblem::UnknownCriticalExtension {
            certificate: certificate.subject(),
            extension: item.oid,
        }),
        None => Ok(()),
    }
}

// RFC 5280 §6.1.4 (k), (n)
pub(super) fn check_authority(certificate: &Certificate) -> Result<(), TrustProblem> {
    let is_authority = matches!(
        certificate.basic_constraints(),
        Some(BasicConstraints { ca: true, .. })
    );
    let may_sign = certificate
        .key_usage()
        .is_none_or(|usage| usage.key_cert_sign());
    if is_authority && may_sign {
        return Ok(());
    }
    Err(TrustProblem::NotAnAuthority {
        certificate: certificate.subject(),
    })
}

pub(super) fn check_usage(certificate: &Certificate, purpose: Purpose) -> Result<(), TrustProblem> {
    let permitted = |usage: KeyUsage| match purpose {
        Purpose::Any => true,
        Purpose::Authority => usage.key_cert_sign(),
        // RFC 5280 §6.3.3 (f)
        Purpose::RevocationList => usage.crl_sign(),
        // RFC 8550 §4.4.2
        Purpose::Sign => usage.digital_signature() || usage.non_repudiation(),
        Purpose::Client | Purpose::Server => usage.digital_signature(),
        Purpose::Encrypt => match certificate.public_key() {
            // RFC 5753 §5; RFC 4055 §1.2
            PublicKey::Ec(..) | PublicKey::X25519(_) => usage.key_agreement(),
            _ => usage.key_encipherment(),
        },
    };
    if purpose == Purpose::Authority {
        check_authority(certificate)?;
    }
    match certificate.key_usage() {
        Some(usage) if !permitted(usage) => Err(TrustProblem::KeyUsage {
            certificate: certificate.subject(),
            purpose,
        }),
        _ => Ok(()),
    }
}

// RFC 5280 §4.2.1.12; an authority's list bounds what is below it, as is the practice.
pub(super) fn check_extended(
    certificate: &Certificate,
    purpose: Purpose,
) -> Result<(), TrustProblem> {
    let wanted = match purpose {
        Purpose::Any | Purpose::Authority | Purpose::RevocationList => return Ok(()),
        Purpose::Client => CLIENT,
        // RFC 8550 §4.4.4: emailProtection, or anyExtendedKeyUsage, which stands for all.
        Purpose::Encrypt | Purpose::Sign => EMAIL_PROTECTION,
        Purpose::Server => SERVER,
    };
    match certificate.extended_key_usage() {
        Some(list) if !list.contains(&wanted) && !list.contains(&ANY_USAGE) => {
            Err(TrustProblem::ExtendedKeyUsage {
                certificate: certificate.subject(),
                purpose,
            })
        }
        _ => Ok(()),
    }
}
