//! Validation for those who may not wait: on a thread of its own, and what is missing is fetched
//! beside it.
//!
//! Promises: the reactor's thread that asks is never blocked by disk, network or signatures of a
//! store with a way out; the whole takes no longer than the store's patience and one more look.
//! Refuses: to take a look that broke off for an answer.

use tokio::time::Instant;

use super::{Finding, Path, Purpose, TrustProblem, TrustStore};
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;

impl TrustStore {
    /// As [`TrustStore::validate`], for asynchronous callers. `at` is the time when this begins.
    ///
    /// # Errors
    /// As [`TrustStore::validate`].
    pub async fn validate_aside(
        &self,
        certificate: &Certificate,
        extra: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<Path, TrustProblem> {
        let Some(online) = self.online() else {
            return self.look(certificate, extra, purpose, at).outcome;
        };
        let began = Instant::now();
        let until = began.checked_add(online.patience()).unwrap_or(began);
        loop {
            let now = at.saturating_add(began.elapsed()).unwrap_or(at);
            let found = self.look_aside(certificate, extra, purpose, now).await;
            if found.missing.is_empty() || Instant::now() >= until {
                return found.outcome;
            }
            online.bring(&found.missing, now, until).await;
        }
    }

    async fn look_aside(
        &self,
        certificate: &Certificate,
        extra: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Finding {
        let (store, own, along) = (self.clone(), certificate.clone(), extra.to_vec());
        let look = move || store.look(&own, &along, purpose, at);
        let looked = tokio::task::spawn_blocking(look).await;
        looked.unwrap_or_else(|error| Finding {
            outcome: Err(TrustProblem::RevocationUnknown {
                certificate: certificate.subject(),
                issuer: certificate.issuer(),
                reason: format!("looking it up broke off, {error}"),
            }),
            missing: Vec::new(),
        })
    }
}
