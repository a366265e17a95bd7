//! TLSA records: what they say of a server's certificate. No DNS here: whoever asks has validated.
//!
//! Promises: only what RFC 7672 lets SMTP use counts: DANE-TA(2) and DANE-EE(3), the whole
//! certificate or its key, exact or by SHA-256 or SHA-512; of several digests of one kind the strongest
//! (RFC 7671 §9). The end entity of DANE-EE needs neither name nor date; below DANE-TA the path is
//! validated by our own trust store, with the record's certificate as its only anchor, and the name
//! must be one of those that were asked for.
//! Refuses: a certificate that no usable record speaks for.
//! Standards: RFC 6698 §2.1; RFC 7671 §5, §9; RFC 7672 §3.1, §3.2.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use super::read;
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::Certificate;
use crate::crypto::provider;
use crate::crypto::trust::{Purpose, RevocationCheck, Suite, TrustStore};

/// Records of one host that are looked at.
const RECORDS: usize = 32;
/// Certificates of a chain that may be the anchor.
const CHAIN: usize = 16;

/// Which certificate of the chain a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    /// DANE-EE(3): the server's own.
    EndEntity,
    /// DANE-TA(2): that of an authority above it.
    TrustAnchor,
}

/// What of it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selector {
    /// Cert(0).
    Certificate,
    /// SPKI(1).
    PublicKey,
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Matching {
    /// Full(0).
    Exact,
    /// SHA2-256(1).
    Sha256,
    /// SHA2-512(2).
    Sha512,
}

/// A usable TLSA record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Association {
    usage: Usage,
    selector: Selector,
    matching: Matching,
    octets: Vec<u8>,
}

/// The usable TLSA records of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Associations(Vec<Association>);

/// No usable record speaks for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DaneProblem {
    /// None matches.
    #[error("no TLSA record speaks for the certificate of the server")]
    NoMatch,
    /// An anchor matches, and the path from it is not good, or leads to another name.
    #[error("a TLSA record names an authority, but {0}")]
    Path(String),
}

impl Association {
    // RFC 7672 §3.1.3: PKIX-TA(0) and PKIX-EE(1) are not usable; RFC 7671 §4: nor what is malformed
    fn read(usage: u8, selector: u8, matching: u8, octets: &[u8]) -> Option<Self> {
        let usage = match usage {
            2 => Usage::TrustAnchor,
            3 => Usage::EndEntity,
            _ => return None,
        };
        let selector = match selector {
            0 => Selector::Certificate,
            1 => Selector::PublicKey,
            _ => return None,
        };
        let matching = match (matching, octets.len()) {
            (0, 1..) => Matching::Exact,
            (1, 32) => Matching::Sha256,
            (2, 64) => Matching::Sha512,
            _ => return None,
        };
        Some(Self {
            usage,
            selector,
            matching,
            octets: octets.to_vec(),
        })
    }

    fn matches(&self, certificate: &Certificate) -> bool {
        let selected = match self.selector {
            Selector::Certificate => certificate.der(),
            Selector::PublicKey => certificate.spki_der(),
        };
        let digest = |digest| provider::default().digest(digest, &[selected]);
        match self.matching {
            Matching::Exact => self.octets == selected,
            Matching::Sha256 => self.octets == digest(Digest::Sha256),
            Matching::Sha512 => self.octets == digest(Digest::Sha512),
        }
    }

    fn is_kin(&self, other: &Self) -> bool {
        (self.usage, self.selector) == (other.usage, other.selector)
    }
}

impl Associations {
    /// Those of these records (usage, selector, matching type, octets) that are usable.
    pub fn usable<'a>(records: impl IntoIterator<Item = (u8, u8, u8, &'a [u8])>) -> Self {
        let records = records.into_iter().take(RECORDS);
        let mut all: Vec<Association> = records
            .filter_map(|(usage, selector, matching, octets)| {
                Association::read(usage, selector, matching, octets)
            })
            .collect();
        // RFC 7671 §9: of several digests only the strongest counts
        let known = all.clone();
        all.retain(|one| {
            one.matching == Matching::Exact
                || !known
                    .iter()
                    .any(|other| one.is_kin(other) && other.matching > one.matching)
        });
        Self(all)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them speaks for the server that showed this chain. `names` are those that the
    /// certificate may have below DANE-TA; `suite` is the floor under its path.
    ///
    /// # Errors
    /// Why none does.
    pub fn vouch(
        &self,
        chain: &[CertificateDer<'_>],
        names: &[String],
        suite: Suite,
        at: Timestamp,
    ) -> Result<(), DaneProblem> {
        let certificates = read(chain);
        let (Some(der), Some((own, above))) = (chain.first(), certificates.split_first()) else {
            return Err(DaneProblem::NoMatch);
        };
        // What cannot be read is not what was shown.
        if own.der() != der.as_ref() {
            return Err(DaneProblem::NoMatch);
        }
        let of_usage = |usage| self.0.iter().filter(move |one| one.usage == usage);
        // RFC 7672 §3.1.1: neither names nor dates count
        if of_usage(Usage::EndEntity).any(|one| one.matches(own)) {
            return Ok(());
        }
        let mut problem = DaneProblem::NoMatch;
        for anchor in self.anchors(above) {
            let store = TrustStore::new(vec![anchor], Vec::new(), Vec::new())
                .with_revocation(RevocationCheck::Optional)
                .with_suite(suite);
            match store.validate(own, above, Purpose::Server, at) {
                Err(error) => problem = DaneProblem::Path(error.to_string()),
                Ok(_) if is_named(der, names) => return Ok(()),
                Ok(_) => {
                    let text = format!("the certificate is for none of {}", names.join(", "));
                    problem = DaneProblem::Path(text);
                }
            }
        }
        Err(problem)
    }

    // RFC 7672 §3.1.2: in the chain, or in the record itself
    /// The certificates that DANE-TA records name.
    fn anchors(&self, above: &[Certificate]) -> Vec<Certificate> {
        let records = || self.0.iter().filter(|one| one.usage == Usage::TrustAnchor);
        let shown = above.iter().take(CHAIN);
        let mut anchors: Vec<Certificate> = shown
            .filter(|certificate| records().any(|one| one.matches(certificate)))
            .cloned()
            .collect();
        let whole = (Selector::Certificate, Matching::Exact);
        let told = records().filter(|one| (one.selector, one.matching) == whole);
        anchors.extend(told.filter_map(|one| Certificate::from_der(&one.octets).ok()));
        anchors
    }
}

// RFC 7672 §3.2.2, §3.2.3: wildcards as the whole leftmost label
/// Whether a certificate is for one of these names.
pub(super) fn is_named(der: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok(certificate) = ParsedCertificate::try_from(der) else {
        return false;
    };
    names.iter().any(|name| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
    })
}

#[cfg(test)]
mod tests;
