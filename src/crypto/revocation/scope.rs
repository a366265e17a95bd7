//! What a CRL speaks of, and where a certificate says that its status is told.
//!
//! Promises: two scopes are equal only if every part is; names relative to an issuer are compared
//! in full. Refuses: a scope that contradicts itself. Standards: RFC 5280 §4.2.1.13, §5.2.5.

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, IssuingDistributionPoint};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName, GeneralNames};
use x509_cert::name::Name;

use crate::crypto::certificate::Certificate;

const DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");

/// Points that one certificate may name.
const MOST_POINTS: usize = 32;

/// Reasons for a revocation, as bits of ReasonFlags; `unused` (bit 0) does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Reasons(u16);

impl Reasons {
    pub(crate) const ALL: Self = Self(0x1fe);
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The certificates that a CRL speaks of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kinds {
    All,
    Attribute,
    Authorities,
    Users,
}

/// issuingDistributionPoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Scope {
    pub(crate) names: Option<GeneralNames>,
    pub(crate) kinds: Kinds,
    pub(crate) reasons: Reasons,
    pub(crate) indirect: bool,
}

impl Scope {
    /// Of a CRL without the extension.
    pub(crate) const WHOLE: Self = Self {
        names: None,
        kinds: Kinds::All,
        reasons: Reasons::ALL,
        indirect: false,
    };

    // RFC 5280 §5.2.5
    pub(crate) fn from_der(der: &[u8], issuer: &Name) -> der::Result<Self> {
        let written = IssuingDistributionPoint::from_der(der)?;
        let kinds = match (
            written.only_contains_user_certs,
            written.only_contains_ca_certs,
            written.only_contains_attribute_certs,
        ) {
            (false, false, false) => Kinds::All,
            (true, false, false) => Kinds::Users,
            (false, true, false) => Kinds::Authorities,
            (false, false, true) => Kinds::Attribute,
            _ => return Err(der::Tag::Sequence.value_error().into()),
        };
        Ok(Self {
            names: written
                .distribution_point
                .map(|name| full_names(name, Some(issuer)))
                .transpose()?,
            kinds,
            reasons: match written.only_some_reasons {
                Some(some) => Reasons(some.bits()).and(Reasons::ALL),
                None => Reasons::ALL,
            },
            indirect: written.indirect_crl,
        })
    }
}

/// One place where the status of a certificate is told.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) names: Option<GeneralNames>,
    pub(crate) reasons: Reasons,
    /// Who signs there, when it is not the certificate's issuer.
    pub(crate) issuer: Option<GeneralNames>,
}

impl Point {
    /// The points that the certificate names, then the one that always counts: its issuer.
    // RFC 5280 §4.2.1.13, §6.3.3
    pub(crate) fn of(certificate: &Certificate) -> der::Result<Vec<Self>> {
        let mut points = match certificate.extension(&DISTRIBUTION_POINTS) {
            Some(item) => Self::read(&item.value, certificate.issuer_name())?,
            None => Vec::new(),
        };
        points.push(Self {
            names: Some(vec![GeneralName::DirectoryName(
                certificate.issuer_name().clone(),
            )]),
            reasons: Reasons::ALL,
            issuer: None,
        });
        Ok(points)
    }

    /// The points of cRLDistributionPoints or freshestCRL, in what this issuer signed.
    pub(crate) fn read(der: &[u8], issuer: &Name) -> der::Result<Vec<Self>> {
        let mut points = Vec::new();
        {
            let written = Vec::<DistributionPoint>::from_der(der)?;
            if written.len() > MOST_POINTS {
                return Err(der::Tag::Sequence.value_error().into());
            }
            for point in written {
                let signer = point.crl_issuer.as_ref().and_then(directory_name);
                let relative_to = match &point.crl_issuer {
                    None => Some(issuer),
                    Some(_) => signer,
                };
                points.push(Self {
                    names: point
                        .distribution_point
                        .map(|name| full_names(name, relative_to))
                        .transpose()?,
                    reasons: match point.reasons {
                        Some(some) => Reasons(some.bits()).and(Reasons::ALL),
                        None => Reasons::ALL,
                    },
                    issuer: point.crl_issuer,
                });
            }
        }
        Ok(points)
    }
}

fn directory_name(names: &GeneralNames) -> Option<&Name> {
    names.iter().find_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    })
}

/// In full: a relative name is the issuer's with one more part.
fn full_names(name: DistributionPointName, issuer: Option<&Name>) -> der::Result<GeneralNames> {
    Ok(match name {
        DistributionPointName::FullName(names) => names,
        DistributionPointName::NameRelativeToCRLIssuer(last) => {
            let issuer = issuer.ok_or_else(|| der::Tag::Sequence.value_error())?;
            let mut parts: Vec<_> = issuer.iter_rdn().cloned().collect();
            parts.push(last);
            let der = x509_cert::name::RdnSequence::from(parts).to_der()?;
            vec![GeneralName::DirectoryName(Name::from_der(&der)?)]
        }
    })
}
