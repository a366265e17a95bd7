//! Why a certificate is not believed: which certificate, which rule, and whose fault.
//!
//! Promises: every problem names the certificate and the section of the standard; only a status
//! that we could not learn counts as ours.
//! Standards: RFC 5280, 8550.

use der::asn1::ObjectIdentifier;

use super::Purpose;
use crate::clock::Timestamp;

/// Why no path was found good. `certificate` is the subject of the one at fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[allow(missing_docs)] // The fields say what their names say.
pub enum TrustProblem {
    /// The issuer's key did not make the signature.
    #[error("certificate of {certificate}: its signature is not good, {reason} (RFC 5280 §6.1.3)")]
    BadSignature { certificate: String, reason: String },
    /// Past its end.
    #[error("certificate of {certificate}: expired on {not_after} (RFC 5280 §4.1.2.5)")]
    Expired {
        certificate: String,
        not_after: Timestamp,
    },
    /// extendedKeyUsage leaves the purpose out.
    #[error(
        "certificate of {certificate}: extendedKeyUsage does not allow it to {} \
         (RFC 5280 §4.2.1.12)", purpose.deed()
    )]
    ExtendedKeyUsage {
        certificate: String,
        purpose: Purpose,
    },
    /// keyUsage leaves the purpose out.
    #[error(
        "certificate of {certificate}: keyUsage does not allow it to {} (RFC 5280 §4.2.1.3)",
        purpose.deed()
    )]
    KeyUsage {
        certificate: String,
        purpose: Purpose,
    },
    /// A name lies outside an authority's constraints, or cannot be compared with them.
    #[error("certificate of {certificate}: {reason} (RFC 5280 §4.2.1.10)")]
    NameNotPermitted { certificate: String, reason: String },
    /// It issued a certificate without being an authority.
    #[error("certificate of {certificate}: it is not an authority (RFC 5280 §4.2.1.9)")]
    NotAnAuthority { certificate: String },
    /// Before its beginning.
    #[error("certificate of {certificate}: valid only from {not_before} (RFC 5280 §4.1.2.5)")]
    NotYetValid {
        certificate: String,
        not_before: Timestamp,
    },
    /// More authorities than one above allows.
    #[error(
        "certificate of {certificate}: an authority above does not allow one more below it \
         (RFC 5280 §4.2.1.9)"
    )]
    PathTooLong { certificate: String },
    /// An authority requires certificate policies, which are not processed here.
    #[error(
        "certificate of {certificate}: requires certificate policies, which are not processed \
         here (RFC 5280 §4.2.1.11)"
    )]
    PolicyRequired { certificate: String },
    /// The status cannot be learned: our fault, so the answer to the peer is temporary.
    #[error(
        "certificate of {certificate}: whether {issuer} revoked it is not known, {reason}; \
         bring a fresh CRL (RFC 5280 §6.3)"
    )]
    RevocationUnknown {
        certificate: String,
        issuer: String,
        reason: String,
    },
    /// Its issuer took it back.
    #[error("certificate of {certificate}: revoked since {since} (RFC 5280 §6.3)")]
    Revoked {
        certificate: String,
        since: Timestamp,
    },
    /// So many cross-certificates that the search was given up.
    #[error("certificate of {certificate}: too many possible paths (RFC 4158 §2.4)")]
    TooManyPaths { certificate: String },
    /// No path leads to an anchor.
    #[error(
        "certificate of {certificate}: no path leads from its issuer {issuer} to a trust anchor \
         (RFC 5280 §6.1)"
    )]
    UnknownAuthority { certificate: String, issuer: String },
    /// Critical, and not understood here.
    #[error(
        "certificate of {certificate}: has the critical extension {extension}, which is not \
         supported (RFC 5280 §4.2)"
    )]
    UnknownCriticalExtension {
        certificate: String,
        extension: ObjectIdentifier,
    },
    /// Signed with something that no longer counts, or is not known.
    #[error("certificate of {certificate}: signed with {algorithm} (RFC 8550 §4.3)")]
    WeakAlgorithm {
        certificate: String,
        algorithm: String,
    },
    /// A key that is too short, or of an unknown kind.
    #[error("certificate of {certificate}: its key is not acceptable, {key} (RFC 8550 §4.3)")]
    WeakKey { certificate: String, key: String },
}

impl TrustProblem {
    /// Whether the fault is ours (answer "try again later") rather than the certificate's.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::RevocationUnknown { .. })
    }

    /// The subject of the certificate at fault.
    pub fn certificate(&self) -> &str {
        match self {
            Self::BadSignature { certificate, .. }
            | Self::Expired { certificate, .. }
            | Self::ExtendedKeyUsage { certificate, .. }
            | Self::KeyUsage { certificate, .. }
            | Self::NameNotPermitted { certificate, .. }
            | Self::NotAnAuthority { certificate }
            | Self::NotYetValid { certificate, .. }
            | Self::PathTooLong { certificate }
            | Self::PolicyRequired { certificate }
            | Self::RevocationUnknown { certificate, .. }
            | Self::Revoked { certificate, .. }
            | Self::TooManyPaths { certificate }
            | Self::UnknownAuthority { certificate, .. }
            | Self::UnknownCriticalExtension { certificate, .. }
            | Self::WeakAlgorithm { certificate, .. }
            | Self::WeakKey { certificate, .. } => certificate,
        }
    }
}

impl Purpose {
    fn deed(self) -> &'static str {
        match self {
            Self::Authority => "issue certificates",
            Self::Client => "act as a TLS client",
            Self::Encrypt => "receive encrypted messages",
            Self::Server => "act as a TLS server",
            Self::Sign => "sign messages",
        }
    }
}
