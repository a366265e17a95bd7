//! The search for a path: which certificates may stand above one another.
//!
//! Promises: depth first, nearest anchors first; each signature is verified once; the steps, the
//! paths and the signatures of one search are bounded whatever certificates a message brings along.
//! Refuses: the same name with the same key twice in a path (a loop).
//! Standards: RFC 4158 §2.4, RFC 5280 §6.1.3 (a).

use std::collections::HashMap;
use std::sync::Arc;

use super::anchor::Anchor;
use super::{Attempt, Ground, Path, Purpose, TrustProblem, TrustStore, Validated, names};
use crate::clock::Timestamp;
use crate::crypto::algorithm::SignatureScheme;
use crate::crypto::certificate::Certificate;
use crate::crypto::provider;
use crate::crypto::revocation::RevocationList;
use crate::crypto::revocation::fetch::Missing;

/// Certificates in a path, anchor and end entity included.
const LONGEST_PATH: usize = 10;
/// Paths looked at for one certificate. More means cross-certificates that serve to keep us busy.
const MOST_PATHS: usize = 32;
/// Steps taken in the search for paths.
const MOST_STEPS: usize = 512;
/// Signatures verified in one search.
const MOST_SIGNATURES: usize = 256;
/// Certificates that came along with a message and are looked at; a bag of more is a burden.
const MOST_EXTRA: usize = 64;

/// The search for one path.
pub(super) struct Search<'a> {
    pub(super) store: &'a TrustStore,
    pub(super) extra: &'a [Certificate],
    pub(super) purpose: Purpose,
    pub(super) at: Timestamp,
    /// Only paths to this anchor count.
    pub(super) only: Option<&'a Anchor>,
    /// Signers of CRLs whose status is being looked up: none of them vouches for itself.
    pub(super) pending: Vec<Certificate>,
    /// What was found of the signers of lists, under an anchor.
    pub(super) signers: Vec<((RevocationList, Anchor), Result<(), String>)>,
    /// The status of an OCSP responder is being looked up: not by OCSP again.
    pub(super) asking: bool,
    /// The CRLs that are at hand.
    pub(super) lists: Arc<Vec<RevocationList>>,
    /// What would have to be fetched to know more.
    pub(super) missing: Vec<Missing>,
    /// What could not be had now may be there soon: a status, or a delta list.
    pub(super) may_change: bool,
    steps: usize,
    /// What was found of a certificate (by its digest) under an issuer's key.
    signatures: HashMap<([u8; 32], Vec<u8>), Result<(), TrustProblem>>,
    pub(super) tried: Vec<Attempt>,
    worst: Option<TrustProblem>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        store: &'a TrustStore,
        extra: &'a [Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Self {
        Self {
            store,
            extra,
            purpose,
            at,
            only: None,
            pending: Vec::new(),
            asking: false,
            lists: store.lists(),
            missing: Vec::new(),
            may_change: false,
            signers: Vec::new(),
            steps: 0,
            signatures: HashMap::new(),
            tried: Vec::new(),
            worst: None,
        }
    }

    /// The first good path from `certificate` to an anchor; without one, what the trust list says.
    pub(super) fn find(&mut self, certificate: &Certificate) -> Result<Path, TrustProblem> {
        self.run(certificate)
            .or_else(|problem| self.by_decree(certificate, problem))
    }

    /// The first good path from `certificate` to an anchor.
    pub(super) fn run(&mut self, certificate: &Certificate) -> Result<Path, TrustProblem> {
        let mut path = vec![certificate.clone()];
        self.check_distrust(&path, None)?;
        match self.extend(&mut path) {
            Some(good) => Ok(good),
            None => Err(self
                .worst
                .take()
                .unwrap_or_else(|| TrustProblem::UnknownAuthority {
                    certificate: certificate.subject(),
                    issuer: certificate.issuer(),
                })),
        }
    }

    fn extend(&mut self, path: &mut Vec<Certificate>) -> Option<Path> {
        self.steps = self.steps.saturating_add(1);
        let top = path.last()?.clone();
        if self.steps > MOST_STEPS
            || self.tried.len() >= MOST_PATHS
            || self.signatures.len() >= MOST_SIGNATURES
        {
            self.note(TrustProblem::TooManyPaths {
                certificate: top.subject(),
            });
            return None;
        }
        let store = self.store;
        let anchors = store
            .anchors
            .iter()
            .filter(|anchor| self.only.is_none_or(|only| only == *anchor));
        let anchors: Vec<&Anchor> = anchors.collect();
        // The certificate itself is an anchor.
        let itself = anchors.iter().find(|one| one.certificate() == Some(&top));
        if let Some(anchor) = itself {
            let below = path.len().saturating_sub(1);
            return self.attempt(path.get(..below)?, anchor);
        }
        if path.len() >= LONGEST_PATH {
            return None;
        }
        for anchor in anchors {
            if anchor.may_have_issued(&top) && self.signed(&top, anchor.spki_der()) {
                let found = self.attempt(path, anchor);
                if found.is_some() {
                    return found;
                }
            }
        }
        let candidates = store
            .intermediates
            .iter()
            .chain(self.extra.iter().take(MOST_EXTRA));
        // A message often brings what the store has too: one path is looked at once.
        let mut looked_at: Vec<&Certificate> = Vec::new();
        for issuer in candidates {
            // The same name with the same key twice is a loop (RFC 4158 §2.4.2).
            let looped = path.iter().any(|passed| {
                passed.spki_der() == issuer.spki_der()
                    && names::same_name(passed.subject_name(), issuer.subject_name())
            });
            let is_anchor = store
                .anchors
                .iter()
                .any(|anchor| anchor.certificate() == Some(issuer));
            if looped
                || is_anchor
                || !may_have_issued(issuer, &top)
                || looked_at.contains(&issuer)
                || !self.signed(&top, issuer.spki_der())
            {
                continue;
            }
            looked_at.push(issuer);
            path.push(issuer.clone());
            let found = self.extend(path);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Checks a whole path and keeps what came of it.
    fn attempt(&mut self, below: &[Certificate], anchor: &Anchor) -> Option<Path> {
        let missed = self.missing.len();
        self.may_change = false;
        let result = self
            .process(below, anchor)
            .and_then(|policies| Ok((policies, self.check_status(below, anchor)?)));
        let mut certificates = below.to_vec();
        certificates.extend(anchor.certificate().cloned());
        match result {
            Ok((policies, evidence)) => {
                // What other paths missed matters no more.
                self.missing.drain(..missed);
                Some(Path(Arc::new(Validated {
                    certificates,
                    anchor: anchor.clone(),
                    policies,
                    evidence,
                    at: self.at,
                    ground: Ground::Anchor,
                })))
            }
            Err(problem) => {
                self.tried.push(Attempt {
                    certificates,
                    anchor: anchor.clone(),
                    problem: problem.clone(),
                });
                self.note(problem);
                None
            }
        }
    }

    /// Whether the issuer's key made the signature. Noted if not: with no other path that is why.
    fn signed(&mut self, certificate: &Certificate, spki_der: &[u8]) -> bool {
        match self.check_signature(certificate, spki_der) {
            Ok(()) => true,
            Err(problem) => {
                self.note(problem);
                false
            }
        }
    }

    // RFC 5280 §6.1.3 (a)(1)
    pub(super) fn check_signature(
        &mut self,
        certificate: &Certificate,
        spki_der: &[u8],
    ) -> Result<(), TrustProblem> {
        let pair = (certificate.fingerprint(), spki_der.to_vec());
        if let Some(known) = self.signatures.get(&pair) {
            return known.clone();
        }
        let found = self.verify(certificate, spki_der);
        self.signatures.insert(pair, found.clone());
        found
    }

    fn verify(&self, certificate: &Certificate, spki_der: &[u8]) -> Result<(), TrustProblem> {
        let scheme = self.check_scheme(certificate)?;
        provider::default()
            .verify(
                spki_der,
                &scheme,
                certificate.tbs_der(),
                certificate.signature(),
            )
            .map_err(|error| TrustProblem::BadSignature {
                certificate: certificate.subject(),
                reason: error.to_string(),
            })
    }

    /// How the certificate is signed, if the suite takes that.
    pub(super) fn check_scheme(
        &self,
        certificate: &Certificate,
    ) -> Result<SignatureScheme, TrustProblem> {
        let weak = |algorithm| TrustProblem::WeakAlgorithm {
            certificate: certificate.subject(),
            algorithm,
        };
        let scheme = certificate
            .signature_scheme()
            .map_err(|error| weak(error.to_string()))?;
        self.store
            .suite
            .check_signature(&scheme)
            .map_err(|wanted| weak(format!("{}: {wanted}", scheme.name())))?;
        Ok(scheme)
    }

    /// Keeps the problem that says most: distrusted, revoked, unknown status, of a whole path, the first met.
    fn note(&mut self, problem: TrustProblem) {
        let rank = |problem: &TrustProblem| match problem {
            TrustProblem::Distrusted { .. } => 4,
            TrustProblem::Revoked { .. } => 3,
            TrustProblem::RevocationUnknown { .. } | TrustProblem::RevocationStale { .. } => 2,
            TrustProblem::BadSignature { .. } | TrustProblem::TooManyPaths { .. } => 0,
            _ => 1,
        };
        if self
            .worst
            .as_ref()
            .is_none_or(|kept| rank(&problem) > rank(kept))
        {
            self.worst = Some(problem);
        }
    }
}

/// Name and key identifiers agree (RFC 5280 §6.1.3 (a)(4), §4.2.1.1).
pub(super) fn may_have_issued(issuer: &Certificate, certificate: &Certificate) -> bool {
    if !names::same_name(issuer.subject_name(), certificate.issuer_name()) {
        return false;
    }
    match (certificate.authority_key_id(), issuer.subject_key_id()) {
        (Some(wanted), Some(offered)) => wanted == offered,
        _ => true,
    }
}
