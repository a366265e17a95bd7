//! Whether the certificate of a far domain may be encrypted for today.
//!
//! Promises: nothing is encrypted for a key that is revoked, distrusted, expired or for other use,
//! whoever put it into the configuration. Refuses: what the trust store of the link refuses; a
//! status that is not known is our fault, and the sender may try again.
//! Standards: RFC 8550 §4 (path validation for encrypting too).

use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::trust::{Purpose, TrustStore};
use crate::decision::{Fault, Reason, Refusal, Stop};

/// Stops the message unless `certificate`, the one of `whose`, may be encrypted for.
// RFC 8550 §4: sending agents validate too
pub(super) fn check(
    trust: &TrustStore,
    certificate: &Certificate,
    whose: &str,
    at: Timestamp,
) -> Result<(), Stop> {
    match trust.validate(certificate, &[], Purpose::Encrypt, at) {
        Ok(_) => Ok(()),
        Err(problem) if problem.is_ours() => {
            Err(Fault::new("judge the certificate to encrypt for", problem).into())
        }
        Err(problem) => Err(Refusal::because(
            Reason::SealImpossible,
            format!("the certificate to encrypt for {whose}: {problem}"),
        )
        .into()),
    }
}
