//! Whom we believe: path validation from a certificate up to a trust anchor.
//!
//! Promises: a path is returned only when every certificate of it passed every check at the given
//! instant; the work is bounded whatever certificates a message brings along.
//! Refuses: unknown critical extensions, SHA-1, RSA below 2048 bits, required policies (not
//! processed here), a status that is unknown (as our fault, not the peer's).
//! Standards: RFC 5280 §6.1, §6.3, 8550 §4, 5937 (an anchor's own constraints count).

use std::collections::HashSet;

use const_oid::AssociatedOid;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix as extension;

use super::algorithm::Digest;
use super::certificate::{BasicConstraints, Certificate, KeyUsage, PublicKey};
use super::provider;
use super::revocation::RevocationList;
use crate::clock::Timestamp;

mod names;
#[cfg(test)]
mod peer_tests;
mod problem;
#[cfg(test)]
mod tests;

pub use problem::TrustProblem;

/// Certificates in a path, anchor and end entity included.
const LONGEST_PATH: usize = 8;
/// Paths looked at for one certificate. More means cross-certificates that serve to keep us busy.
const MOST_PATHS: usize = 32;
/// Steps taken in the search for paths.
const MOST_STEPS: usize = 512;

/// Certificates that came along with a message and are looked at; a bag of more is a burden.
const MOST_EXTRA: usize = 64;

/// id-kp-emailProtection (RFC 5280 §4.2.1.12).
const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
/// id-kp-serverAuth.
const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// id-kp-clientAuth.
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// anyExtendedKeyUsage.
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// What the certificate is about to be used for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// Issuing certificates.
    Authority,
    /// TLS client.
    Client,
    /// Encrypting a message to it.
    Encrypt,
    /// TLS server.
    Server,
    /// Signing a message.
    Sign,
}

/// What happens when no usable CRL speaks for a certificate's issuer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RevocationCheck {
    /// The certificate passes; a usable CRL is still obeyed.
    Optional,
    /// [`TrustProblem::RevocationUnknown`].
    #[default]
    Required,
}

/// Anchors, authorities and CRLs that this switch was configured with.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    anchors: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    lists: Vec<RevocationList>,
    revocation: RevocationCheck,
}

/// A validated path: the end entity first, the anchor last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path(Vec<Certificate>);

impl Path {
    /// End entity first, anchor last.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// The anchor under which the path was found good.
    pub fn anchor(&self) -> Option<&Certificate> {
        self.0.last()
    }
}

impl TrustStore {
    /// With these anchors, known authorities and CRLs; the status of each certificate is required.
    pub fn new(
        anchors: Vec<Certificate>,
        intermediates: Vec<Certificate>,
        lists: Vec<RevocationList>,
    ) -> Self {
        Self {
            anchors,
            intermediates,
            lists,
            revocation: RevocationCheck::Required,
        }
    }

    /// The same store with another rule for unknown status.
    #[must_use]
    pub fn with_revocation(mut self, check: RevocationCheck) -> Self {
        self.revocation = check;
        self
    }

    /// The same store with other CRLs (the old ones are dropped).
    #[must_use]
    pub fn with_lists(mut self, lists: Vec<RevocationList>) -> Self {
        self.lists = lists;
        self
    }

    /// The anchors.
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    /// Looks for a path from `certificate` to an anchor that is good for `purpose` at `at`.
    /// `extra` are certificates that came along with the message; they are believed in nothing.
    pub fn validate(
        &self,
        certificate: &Certificate,
        extra: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<Path, TrustProblem> {
        let mut search = Search {
            store: self,
            extra,
            purpose,
            at,
            steps: 0,
            paths: 0,
            signatures: HashSet::new(),
            worst: None,
        };
        let mut path = vec![certificate.clone()];
        match search.extend(&mut path) {
            Some(good) => Ok(good),
            None => Err(search
                .worst
                .unwrap_or_else(|| TrustProblem::UnknownAuthority {
                    certificate: certificate.subject(),
                    issuer: certificate.issuer(),
                })),
        }
    }
}

/// The search for one path: depth first, nearest anchors first, bounded.
struct Search<'a> {
    store: &'a TrustStore,
    extra: &'a [Certificate],
    purpose: Purpose,
    at: Timestamp,
    steps: usize,
    paths: usize,
    /// Pairs (certificate, issuer's key) whose signature was found good in this search.
    signatures: HashSet<([u8; 32], Vec<u8>)>,
    worst: Option<TrustProblem>,
}

impl Search<'_> {
    fn extend(&mut self, path: &mut Vec<Certificate>) -> Option<Path> {
        self.steps = self.steps.saturating_add(1);
        let top = path.last()?.clone();
        if self.steps > MOST_STEPS || self.paths >= MOST_PATHS {
            self.note(TrustProblem::TooManyPaths {
                certificate: top.subject(),
            });
            return None;
        }
        let store = self.store;
        // The certificate itself, or one above it, is an anchor.
        if store.anchors.contains(&top) {
            self.paths = self.paths.saturating_add(1);
            match self.check(path) {
                Ok(()) => return Some(Path(path.clone())),
                Err(problem) => {
                    self.note(problem);
                    return None;
                }
            }
        }
        if path.len() >= LONGEST_PATH {
            return None;
        }
        let candidates = store
            .anchors
            .iter()
            .chain(&store.intermediates)
            .chain(self.extra.iter().take(MOST_EXTRA));
        for issuer in candidates {
            // The same name with the same key twice is a loop (RFC 4158 §2.4.2).
            let looped = path.iter().any(|passed| {
                passed.subject_der() == issuer.subject_der()
                    && passed.spki_der() == issuer.spki_der()
            });
            if looped || !may_have_issued(issuer, &top) {
                continue;
            }
            path.push(issuer.clone());
            let found = self.extend(path);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Keeps the problem that says most: revoked, then unknown status, then the first met.
    fn note(&mut self, problem: TrustProblem) {
        let rank = |problem: &TrustProblem| match problem {
            TrustProblem::Revoked { .. } => 2,
            TrustProblem::RevocationUnknown { .. } => 1,
            _ => 0,
        };
        let replace = match &self.worst {
            None => true,
            Some(kept) => rank(&problem) > rank(kept),
        };
        if replace {
            self.worst = Some(problem);
        }
    }

    /// All of RFC 5280 §6.1 that applies, from the anchor down to the end entity.
    fn check(&mut self, path: &[Certificate]) -> Result<(), TrustProblem> {
        let mut state = names::Constraints::default();
        let mut authorities_left: Option<usize> = None;
        let last = path.len().saturating_sub(1);
        let mut issuer: Option<&Certificate> = None;
        for (position, certificate) in path.iter().enumerate().rev() {
            self.check_validity(certificate)?;
            check_key(certificate)?;
            check_critical(certificate)?;
            if let Some(issuer) = issuer {
                self.check_signature(certificate, issuer)?;
            }
            let self_issued = certificate.is_self_issued();
            // RFC 5280 §6.1.3 (b), (c): not for self-issued certificates on the way.
            if position != last && (position == 0 || !self_issued) {
                state.check(certificate)?;
            }
            if position == 0 {
                break;
            }
            // What must hold for a certificate that has others below it: RFC 5280 §6.1.4.
            check_authority(certificate)?;
            check_extended(certificate, self.purpose)?;
            if position != last && !self_issued {
                // RFC 5280 §6.1.4 (l)
                authorities_left = match authorities_left {
                    Some(0) => {
                        return Err(TrustProblem::PathTooLong {
                            certificate: certificate.subject(),
                        });
                    }
                    Some(left) => Some(left.saturating_sub(1)),
                    None => None,
                };
            }
            let own = certificate
                .basic_constraints()
                .and_then(|constraints| constraints.path_length);
            if let Some(own) = own.map(usize::from) {
                authorities_left = Some(authorities_left.map_or(own, |left| left.min(own)));
            }
            state.add(certificate)?;
            issuer = Some(certificate);
        }
        let Some(end) = path.first() else {
            return Ok(());
        };
        check_usage(end, self.purpose)?;
        check_extended(end, self.purpose)?;
        // Last, so that "revoked" and "status unknown" are said of paths that are good otherwise.
        for (certificate, issuer) in path.iter().zip(path.iter().skip(1)) {
            self.check_revocation(certificate, issuer)?;
        }
        Ok(())
    }

    // RFC 5280 §6.1.3 (a)(2), bounds included.
    fn check_validity(&self, certificate: &Certificate) -> Result<(), TrustProblem> {
        if self.at < certificate.not_before() {
            return Err(TrustProblem::NotYetValid {
                certificate: certificate.subject(),
                not_before: certificate.not_before(),
            });
        }
        if self.at > certificate.not_after() {
            return Err(TrustProblem::Expired {
                certificate: certificate.subject(),
                not_after: certificate.not_after(),
            });
        }
        Ok(())
    }

    // RFC 5280 §6.1.3 (a)(1)
    fn check_signature(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Result<(), TrustProblem> {
        let scheme =
            certificate
                .signature_scheme()
                .map_err(|error| TrustProblem::WeakAlgorithm {
                    certificate: certificate.subject(),
                    algorithm: error.to_string(),
                })?;
        // RFC 8550 §4.3 and our own floor: no signature over SHA-1.
        if scheme.digest() == Some(Digest::Sha1) {
            return Err(TrustProblem::WeakAlgorithm {
                certificate: certificate.subject(),
                algorithm: scheme.name(),
            });
        }
        let pair = (certificate.fingerprint(), issuer.spki_der().to_vec());
        if self.signatures.contains(&pair) {
            return Ok(());
        }
        provider::default()
            .verify(
                issuer.spki_der(),
                &scheme,
                certificate.tbs_der(),
                certificate.signature(),
            )
            .map_err(|error| TrustProblem::BadSignature {
                certificate: certificate.subject(),
                reason: error.to_string(),
            })?;
        self.signatures.insert(pair);
        Ok(())
    }

    // RFC 5280 §6.3.3, for complete lists by the issuing authority itself.
    fn check_revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Result<(), TrustProblem> {
        let unknown = |reason| TrustProblem::RevocationUnknown {
            certificate: certificate.subject(),
            issuer: issuer.subject(),
            reason,
        };
        let mut stale = None;
        let mut known = false;
        for list in &self.store.lists {
            if list.issuer_der() != issuer.subject_der() || !list.is_signed_by(issuer.spki_der()) {
                continue;
            }
            // RFC 5280 §6.3.3 (f): cRLSign, if keyUsage is there.
            if issuer.key_usage().is_some_and(|usage| !usage.crl_sign()) {
                continue;
            }
            // Revoked is final even in a list that is out of date.
            if let Some(since) = list.revoked_since(certificate.serial_bytes()) {
                return Err(TrustProblem::Revoked {
                    certificate: certificate.subject(),
                    since,
                });
            }
            match list.next_update() {
                Some(_) if self.at < list.this_update() => {
                    stale = Some(format!("its CRL was made later, {}", list.this_update()));
                }
                Some(next) if self.at <= next => known = true,
                Some(next) => stale = Some(format!("its CRL was to be renewed by {next}")),
                None => stale = Some("its CRL does not say until when it is good".to_owned()),
            }
        }
        if known || self.store.revocation == RevocationCheck::Optional {
            return Ok(());
        }
        Err(unknown(
            stale.unwrap_or_else(|| "there is no CRL of it".to_owned()),
        ))
    }
}

/// Name and key identifiers agree (RFC 5280 §6.1.3 (a)(4), §4.2.1.1).
fn may_have_issued(issuer: &Certificate, certificate: &Certificate) -> bool {
    if !names::same_name(issuer.subject_name(), certificate.issuer_name()) {
        return false;
    }
    match (certificate.authority_key_id(), issuer.subject_key_id()) {
        (Some(wanted), Some(offered)) => wanted == offered,
        _ => true,
    }
}

// RFC 8550 §4.3: RSA keys below 2048 bits are not to be believed.
fn check_key(certificate: &Certificate) -> Result<(), TrustProblem> {
    match certificate.public_key() {
        PublicKey::Rsa { bits, .. } if *bits < 2048 => Err(TrustProblem::WeakKey {
            certificate: certificate.subject(),
            key: certificate.public_key().name(),
        }),
        PublicKey::Other(_) => Err(TrustProblem::WeakKey {
            certificate: certificate.subject(),
            key: certificate.public_key().name(),
        }),
        _ => Ok(()),
    }
}

// RFC 5280 §6.1.4 (o), §6.1.5 (f)
fn check_critical(certificate: &Certificate) -> Result<(), TrustProblem> {
    // certificatePolicies, mappings and inhibitAnyPolicy only matter when a policy is required.
    let understood = [
        extension::AuthorityKeyIdentifier::OID,
        extension::BasicConstraints::OID,
        extension::CertificatePolicies::OID,
        extension::ExtendedKeyUsage::OID,
        extension::InhibitAnyPolicy::OID,
        extension::IssuerAltName::OID,
        extension::KeyUsage::OID,
        extension::NameConstraints::OID,
        extension::PolicyConstraints::OID,
        extension::PolicyMappings::OID,
        extension::SubjectAltName::OID,
        extension::SubjectKeyIdentifier::OID,
        extension::CrlDistributionPoints::OID,
    ];
    for item in certificate.extensions() {
        if item.critical && !understood.contains(&item.oid) {
            return Err(TrustProblem::UnknownCriticalExtension {
                certificate: certificate.subject(),
                extension: item.oid,
            });
        }
    }
    // RFC 5280 §4.2.1.11: requireExplicitPolicy calls for policy processing, which is not done.
    if let Some(item) = certificate.extension(&extension::PolicyConstraints::OID) {
        use der::Decode;
        let required = extension::PolicyConstraints::from_der(&item.value)
            .map_or(true, |constraints| {
                constraints.require_explicit_policy.is_some()
            });
        if required {
            return Err(TrustProblem::PolicyRequired {
                certificate: certificate.subject(),
            });
        }
    }
    Ok(())
}

// RFC 5280 §6.1.4 (k), (n)
fn check_authority(certificate: &Certificate) -> Result<(), TrustProblem> {
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

fn check_usage(certificate: &Certificate, purpose: Purpose) -> Result<(), TrustProblem> {
    let permitted = |usage: KeyUsage| match purpose {
        Purpose::Authority => usage.key_cert_sign(),
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
fn check_extended(certificate: &Certificate, purpose: Purpose) -> Result<(), TrustProblem> {
    let wanted = match purpose {
        Purpose::Authority => return Ok(()),
        Purpose::Client => CLIENT,
        // RFC 8550 §4.4.4
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
