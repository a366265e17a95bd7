//! Who may sign a CRL: the issuer of the certificate, or another key under the same anchor.
//!
//! Promises: a key that is not the issuer's own has a path of its own to the same anchor, with
//! cRLSign, and its own status is looked up too. Refuses: a key that would vouch for itself, unless
//! its issuer said so in its certificate (cRLIssuer); more than a few candidates or steps away.
//! Standards: RFC 5280 §6.3.3 (f), (g).

use super::anchor::Anchor;
use super::search::Search;
use super::{Purpose, names};
use crate::crypto::certificate::{Certificate, KeyUsage};
use crate::crypto::revocation::RevocationList;
use crate::crypto::revocation::scope::Point;

/// Signers of CRLs whose own status is told by CRLs of other signers.
const MOST_STEPS: usize = 3;
/// Keys tried on one list, besides the issuer's own.
const MOST_CANDIDATES: usize = 8;

impl Search<'_> {
    /// Whether the list is signed by somebody who may. `issuer` is the certificate above in the
    /// path; without it, the anchor.
    pub(super) fn may_sign(
        &mut self,
        list: &RevocationList,
        point: &Point,
        issuer: Option<&Certificate>,
        path: &[Certificate],
        anchor: &Anchor,
    ) -> Result<(), String> {
        let (Some(name), Some(scheme)) = (list.issuer_name(), list.signature_scheme()) else {
            return Err("its CRL is signed with an unknown algorithm".to_owned());
        };
        if let Err(wanted) = self.store.suite.check_signature(&scheme) {
            return Err(format!(
                "its CRL is signed with {}: {wanted}",
                scheme.name()
            ));
        }
        // The key right above, which the path has already shown good.
        let (above, usage, spki) = match issuer {
            Some(issuer) => (issuer.subject_name(), issuer.key_usage(), issuer.spki_der()),
            None => {
                let usage = anchor.certificate().and_then(Certificate::key_usage);
                (anchor.name(), usage, anchor.spki_der())
            }
        };
        let own = names::same_name(above, name);
        if own && may_sign_lists(usage) && list.is_signed_by(spki) {
            return Ok(());
        }
        if names::same_name(anchor.name(), name)
            && may_sign_lists(anchor.certificate().and_then(Certificate::key_usage))
            && list.is_signed_by(anchor.spki_der())
        {
            return Ok(());
        }
        // PKITS 4.14.30: a signer of CRLs whose own certificate names it as the one that tells its
        // status. Its issuer wanted that; its path is being looked at just now.
        if point.issuer.is_some()
            && self
                .pending
                .last()
                .is_some_and(|signer| self.may_be_signer(signer, list))
        {
            return Ok(());
        }
        let known = (list.clone(), anchor.clone());
        if let Some((_, found)) = self.signers.iter().find(|(key, _)| *key == known) {
            return found.clone();
        }
        let found = self.another_may_sign(list, path, anchor);
        self.signers.push((known, found.clone()));
        found
    }

    fn another_may_sign(
        &mut self,
        list: &RevocationList,
        path: &[Certificate],
        anchor: &Anchor,
    ) -> Result<(), String> {
        let unknown = || "its CRL is not signed by a key that may (RFC 5280 §6.3.3 (f))".to_owned();
        let Some(name) = list.issuer_name() else {
            return Err(unknown());
        };
        let store = self.store;
        let candidates: Vec<Certificate> = store
            .intermediates
            .iter()
            .chain(path)
            .chain(self.extra)
            .filter(|one| names::same_name(one.subject_name(), name) && fits(one, list))
            .take(MOST_CANDIDATES)
            .cloned()
            .collect();
        let mut reason = None;
        for candidate in candidates {
            if !list.is_signed_by(candidate.spki_der()) {
                continue;
            }
            // Its own status would be told by the list that it signs.
            if self.pending.contains(&candidate) || self.pending.len() >= MOST_STEPS {
                continue;
            }
            let mut search = Search::new(store, self.extra, Purpose::RevocationList, self.at);
            search.only = Some(anchor);
            search.asking = self.asking;
            search.pending = self.pending.clone();
            search.pending.push(candidate.clone());
            let found = search.run(&candidate);
            self.missing.append(&mut search.missing);
            self.may_change |= search.may_change;
            match found {
                Ok(_) => return Ok(()),
                Err(problem) => {
                    reason.get_or_insert(format!("the signer of its CRL is not good: {problem}"));
                }
            }
        }
        Err(reason.unwrap_or_else(unknown))
    }

    fn may_be_signer(&self, signer: &Certificate, list: &RevocationList) -> bool {
        list.issuer_name()
            .is_some_and(|name| names::same_name(signer.subject_name(), name))
            && fits(signer, list)
            && list.is_signed_by(signer.spki_der())
    }
}

/// Whether the certificate may sign lists, and has the key that the list names.
fn fits(signer: &Certificate, list: &RevocationList) -> bool {
    may_sign_lists(signer.key_usage())
        && match (list.authority_key_id(), signer.subject_key_id()) {
            (Some(wanted), Some(offered)) => wanted == offered,
            _ => true,
        }
}

// RFC 5280 §6.3.3 (f): cRLSign, if keyUsage is there.
fn may_sign_lists(usage: Option<KeyUsage>) -> bool {
    usage.is_none_or(|usage| usage.crl_sign())
}
