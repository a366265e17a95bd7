//! One path, from the anchor down to the end entity: every check of RFC 5280 §6.1 but status.
//!
//! Promises: the path is good only if each check of each certificate was; the first that fails is
//! named. Refuses: what any of them refuses. Standards: RFC 5280 §6.1, 5937 §3.

use der::asn1::ObjectIdentifier;

use super::anchor::Anchor;
use super::policy::Policies;
use super::search::Search;
use super::{Purpose, TrustProblem, clearances, names, usage};
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;

impl Search<'_> {
    /// Checks the certificates `below` the anchor, end entity first. With none, the anchor itself
    /// is the end entity. Gives the policies under which the path is valid.
    pub(super) fn process(
        &mut self,
        below: &[Certificate],
        anchor: &Anchor,
    ) -> Result<Vec<ObjectIdentifier>, TrustProblem> {
        self.check_distrust(below, Some(anchor))?;
        let length = below.len();
        let mut rules = self.store.policies.clone();
        anchor.narrow(&mut rules)?;
        let mut policies = Policies::new(&rules, length);
        let mut constraints = names::Constraints::default();
        let mut authorities_left = anchor.path_length();
        let mut issuer_spki = anchor.spki_der();

        // An anchor's certificate is held to what any authority is held to.
        anchor.check_critical()?;
        clearances::check_anchor(anchor)?;
        self.check_key(&anchor.subject(), anchor.public_key())?;
        if let Some(certificate) = anchor.certificate() {
            self.check_validity(certificate)?;
            if below.is_empty() {
                usage::check_usage(certificate, self.purpose)?;
                usage::check_extended(certificate, self.purpose)?;
                return Ok(Vec::new());
            }
            usage::check_authority(certificate)?;
            usage::check_extended(certificate, self.purpose)?;
        }
        anchor.bound(&mut constraints)?;
        if let Some(certificate) = anchor.policy_certificate() {
            policies.begin_below(certificate)?;
        }

        for (position, certificate) in below.iter().enumerate().rev() {
            let last = position == 0;
            let self_issued = names::is_self_issued(certificate);
            self.check_key(&certificate.subject(), certificate.public_key())?;
            // RFC 5280 §6.1.3 (a)
            self.check_signature(certificate, issuer_spki)?;
            self.check_validity(certificate)?;
            // RFC 5280 §6.1.3 (b), (c): not for self-issued certificates on the way.
            if last || !self_issued {
                constraints.check(certificate)?;
            }
            policies.enter(certificate, last, self_issued)?;
            usage::check_critical(certificate)?;
            if last {
                break;
            }
            // What must hold for a certificate that has others below it: RFC 5280 §6.1.4.
            policies.descend(certificate, self_issued)?;
            constraints.add(certificate)?;
            usage::check_authority(certificate)?;
            usage::check_extended(certificate, self.purpose)?;
            clearances::check(certificate)?;
            if !self_issued {
                // RFC 5280 §6.1.4 (l)
                authorities_left = match authorities_left {
                    Some(0) => {
                        return Err(TrustProblem::PathTooLong {
                            certificate: certificate.subject(),
                        });
                    }
                    left => left.map(|left| left.saturating_sub(1)),
                };
            }
            // RFC 5280 §6.1.4 (m)
            let own = certificate
                .basic_constraints()
                .and_then(|constraints| constraints.path_length);
            if let Some(own) = own.map(usize::from) {
                authorities_left = Some(authorities_left.map_or(own, |left| left.min(own)));
            }
            issuer_spki = certificate.spki_der();
        }
        let Some(end) = below.first() else {
            // A bare key without a certificate vouches for nothing by itself.
            return Err(TrustProblem::UnknownAuthority {
                certificate: anchor.subject(),
                issuer: anchor.subject(),
            });
        };
        usage::check_usage(end, self.purpose)?;
        usage::check_extended(end, self.purpose)?;
        policies.finish(end)
    }

    // RFC 5280 §6.1.3 (a)(2), bounds included.
    pub(super) fn check_validity(&self, certificate: &Certificate) -> Result<(), TrustProblem> {
        let at: Timestamp = self.at;
        if at < certificate.not_before() {
            return Err(TrustProblem::NotYetValid {
                certificate: certificate.subject(),
                not_before: certificate.not_before(),
            });
        }
        if at > certificate.not_after() {
            return Err(TrustProblem::Expired {
                certificate: certificate.subject(),
                not_after: certificate.not_after(),
            });
        }
        Ok(())
    }

    pub(super) fn check_key(
        &self,
        subject: &str,
        key: &crate::crypto::certificate::PublicKey,
    ) -> Result<(), TrustProblem> {
        self.store
            .suite
            .check_key(key)
            .map_err(|wanted| TrustProblem::WeakKey {
                certificate: subject.to_owned(),
                key: format!("{}: {wanted}", key.name()),
            })
    }
}

impl Purpose {
    /// Every purpose, as named on the command line.
    pub const ALL: [(&'static str, Self); 6] = [
        ("any", Self::Any),
        ("ca", Self::Authority),
        ("client", Self::Client),
        ("encrypt", Self::Encrypt),
        ("server", Self::Server),
        ("sign", Self::Sign),
    ];
}
