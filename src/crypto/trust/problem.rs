//! Why a certificate is not believed: which certificate, which rule, and whose fault.
//!
//! Promises: every problem names the certificate, the section of the standard and what would mend
//! it; only a status that we could not learn counts as ours.
//! Standards: RFC 5280, 8550.

use der::asn1::ObjectIdentifier;

use super::Purpose;
use crate::clock::Timestamp;

/// Why no path was found good. `certificate` is the subject of the one at fault.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)] // The fields say what their names say.
pub enum TrustProblem {
    /// An authority's constraints on clearances cannot be read.
    BadClearanceConstraints { certificate: String, reason: String },
    /// Its policies, mappings or constraints on them are not right.
    BadPolicies { certificate: String, reason: String },
    /// The issuer's key did not make the signature.
    BadSignature { certificate: String, reason: String },
    /// The trust list distrusts it, or its key.
    Distrusted {
        certificate: String,
        since: Timestamp,
        reason: String,
    },
    /// Past its end.
    Expired {
        certificate: String,
        not_after: Timestamp,
    },
    /// extendedKeyUsage leaves the purpose out.
    ExtendedKeyUsage {
        certificate: String,
        purpose: Purpose,
    },
    /// keyUsage leaves the purpose out.
    KeyUsage {
        certificate: String,
        purpose: Purpose,
    },
    /// A name lies outside an authority's constraints, or cannot be compared with them.
    NameNotPermitted { certificate: String, reason: String },
    /// It issued a certificate without being an authority.
    NotAnAuthority { certificate: String },
    /// The trust list trusts it, but not for this.
    NotListedFor { certificate: String, reason: String },
    /// Before its beginning.
    NotYetValid {
        certificate: String,
        not_before: Timestamp,
    },
    /// More authorities than one above allows.
    PathTooLong { certificate: String },
    /// A certificate policy is required, and the path is valid for none that is acceptable.
    PolicyRequired { certificate: String },
    /// The status was known once, what told it is out of date, and the rule is to refuse then.
    RevocationStale {
        certificate: String,
        issuer: String,
        reason: String,
    },
    /// The status cannot be learned: our fault, so the answer to the peer is temporary.
    RevocationUnknown {
        certificate: String,
        issuer: String,
        reason: String,
    },
    /// Its issuer took it back.
    Revoked {
        certificate: String,
        since: Timestamp,
        by: String,
    },
    /// So many cross-certificates that the search was given up.
    TooManyPaths { certificate: String },
    /// No path leads to an anchor.
    UnknownAuthority { certificate: String, issuer: String },
    /// Critical, and not understood here.
    UnknownCriticalExtension {
        certificate: String,
        extension: ObjectIdentifier,
    },
    /// Signed with something that no longer counts, or is not known.
    WeakAlgorithm {
        certificate: String,
        algorithm: String,
    },
    /// A key that is too short, or of an unknown kind.
    WeakKey { certificate: String, key: String },
}

/// One row of the table: stable id, rule, what would mend it.
struct Row {
    id: &'static str,
    rule: &'static str,
    remedy: &'static str,
}

impl TrustProblem {
    /// Whether the fault is ours (answer "try again later") rather than the certificate's.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::RevocationUnknown { .. })
    }

    /// Whether it is about what was learned, or not learned, of a revocation.
    pub fn is_of_revocation(&self) -> bool {
        matches!(
            self,
            Self::RevocationStale { .. } | Self::RevocationUnknown { .. } | Self::Revoked { .. }
        )
    }

    /// A stable name for programs.
    pub fn id(&self) -> &'static str {
        self.row().id
    }

    /// The section of the standard that the certificate does not keep.
    pub fn rule(&self) -> &'static str {
        self.row().rule
    }

    /// What would mend it.
    pub fn remedy(&self) -> &'static str {
        self.row().remedy
    }

    /// The subject of the certificate at fault.
    pub fn certificate(&self) -> &str {
        match self {
            Self::BadClearanceConstraints { certificate, .. }
            | Self::BadPolicies { certificate, .. }
            | Self::BadSignature { certificate, .. }
            | Self::Distrusted { certificate, .. }
            | Self::Expired { certificate, .. }
            | Self::ExtendedKeyUsage { certificate, .. }
            | Self::KeyUsage { certificate, .. }
            | Self::NameNotPermitted { certificate, .. }
            | Self::NotAnAuthority { certificate }
            | Self::NotListedFor { certificate, .. }
            | Self::NotYetValid { certificate, .. }
            | Self::PathTooLong { certificate }
            | Self::PolicyRequired { certificate }
            | Self::RevocationStale { certificate, .. }
            | Self::RevocationUnknown { certificate, .. }
            | Self::Revoked { certificate, .. }
            | Self::TooManyPaths { certificate }
            | Self::UnknownAuthority { certificate, .. }
            | Self::UnknownCriticalExtension { certificate, .. }
            | Self::WeakAlgorithm { certificate, .. }
            | Self::WeakKey { certificate, .. } => certificate,
        }
    }

    /// What is wrong, without certificate, rule and remedy.
    pub fn fault(&self) -> String {
        match self {
            Self::BadClearanceConstraints { reason, .. }
            | Self::BadPolicies { reason, .. }
            | Self::NameNotPermitted { reason, .. }
            | Self::NotListedFor { reason, .. } => reason.clone(),
            Self::BadSignature { reason, .. } => format!("its signature is not good, {reason}"),
            Self::Distrusted { since, reason, .. } => {
                format!("the trust list distrusts it since {since}: {reason}")
            }
            Self::Expired { not_after, .. } => format!("expired on {not_after}"),
            Self::ExtendedKeyUsage { purpose, .. } => {
                format!("extendedKeyUsage does not allow it to {}", purpose.deed())
            }
            Self::KeyUsage { purpose, .. } => {
                format!("keyUsage does not allow it to {}", purpose.deed())
            }
            Self::NotAnAuthority { .. } => "it is not an authority".to_owned(),
            Self::NotYetValid { not_before, .. } => format!("valid only from {not_before}"),
            Self::PathTooLong { .. } => {
                "an authority above does not allow one more below it".to_owned()
            }
            Self::PolicyRequired { .. } => {
                "the path is not valid for an acceptable certificate policy, and one is required"
                    .to_owned()
            }
            Self::RevocationStale { issuer, reason, .. }
            | Self::RevocationUnknown { issuer, reason, .. } => {
                format!("whether {issuer} revoked it is not known, {reason}")
            }
            Self::Revoked { since, by, .. } => format!("revoked since {since}, says {by}"),
            Self::TooManyPaths { .. } => "too many possible paths".to_owned(),
            Self::UnknownAuthority { issuer, .. } => {
                format!("no path leads from its issuer {issuer} to a trust anchor")
            }
            Self::UnknownCriticalExtension { extension, .. } => {
                format!("has the critical extension {extension}, which is not supported")
            }
            Self::WeakAlgorithm { algorithm, .. } => format!("signed with {algorithm}"),
            Self::WeakKey { key, .. } => format!("its key is not acceptable, {key}"),
        }
    }

    fn row(&self) -> Row {
        let row = |id, rule, remedy| Row { id, rule, remedy };
        match self {
            Self::BadClearanceConstraints { .. } => row(
                "trust.bad-clearance-constraints",
                "RFC 5913 §3",
                "its authority needs a certificate whose constraints name each policy once",
            ),
            Self::BadPolicies { .. } => row(
                "trust.bad-policies",
                "RFC 5280 §4.2.1.4",
                "its issuer must issue it anew",
            ),
            Self::BadSignature { .. } => row(
                "trust.bad-signature",
                "RFC 5280 §6.1.3",
                "get the certificate again from its owner, unchanged",
            ),
            Self::Distrusted { .. } => row(
                "trust.distrusted",
                "RFC 5280 §6.2",
                "use another certificate and key; only a newer trust list takes the entry back",
            ),
            Self::Expired { .. } => row(
                "trust.expired",
                "RFC 5280 §4.1.2.5",
                "its owner needs a new certificate",
            ),
            Self::ExtendedKeyUsage { .. } => row(
                "trust.extended-key-usage",
                "RFC 5280 §4.2.1.12",
                "use a certificate that was issued for this",
            ),
            Self::KeyUsage { .. } => row(
                "trust.key-usage",
                "RFC 5280 §4.2.1.3",
                "use a certificate that was issued for this",
            ),
            Self::NameNotPermitted { .. } => row(
                "trust.name-not-permitted",
                "RFC 5280 §4.2.1.10",
                "its authority must name within its bounds, or have them widened",
            ),
            Self::NotAnAuthority { .. } => row(
                "trust.not-an-authority",
                "RFC 5280 §4.2.1.9",
                "the certificate below it needs another issuer",
            ),
            Self::NotListedFor { .. } => row(
                "trust.not-listed-for",
                "RFC 5280 §6.2",
                "have the trust list name this purpose and every address, or use a certificate \
                 under an anchor",
            ),
            Self::NotYetValid { .. } => row(
                "trust.not-yet-valid",
                "RFC 5280 §4.1.2.5",
                "wait, or compare the clocks",
            ),
            Self::PathTooLong { .. } => row(
                "trust.path-too-long",
                "RFC 5280 §4.2.1.9",
                "bring a shorter path, such as a cross-certificate",
            ),
            Self::PolicyRequired { .. } => row(
                "trust.policy-required",
                "RFC 5280 §4.2.1.11",
                "use a certificate issued under an acceptable policy, or accept its policy",
            ),
            Self::RevocationStale { .. } => row(
                "trust.revocation-stale",
                "RFC 5280 §6.3",
                "put a CRL in date of its issuer among the files, or let it be fetched; the rule for \
                 what is out of date is `stale`",
            ),
            Self::RevocationUnknown { .. } => row(
                "trust.revocation-unknown",
                "RFC 5280 §6.3",
                "put a CRL in date, signed by its issuer, among the files, or let CRL or OCSP answer be \
                 fetched from where the certificate says",
            ),
            Self::Revoked { .. } => row(
                "trust.revoked",
                "RFC 5280 §6.3",
                "its owner needs a new certificate; if only held, its issuer may take that back in a \
                 newer list",
            ),
            Self::TooManyPaths { .. } => row(
                "trust.too-many-paths",
                "RFC 4158 §2.4",
                "send fewer cross-certificates along, or configure the authorities",
            ),
            Self::UnknownAuthority { .. } => row(
                "trust.unknown-authority",
                "RFC 5280 §6.1",
                "send the authorities' certificates along, or configure them or an anchor",
            ),
            Self::UnknownCriticalExtension { .. } => row(
                "trust.unknown-critical-extension",
                "RFC 5280 §4.2",
                "use a certificate without it",
            ),
            Self::WeakAlgorithm { .. } => row(
                "trust.weak-algorithm",
                "RFC 8550 §4.3",
                "its issuer must sign it anew with an algorithm of the suite",
            ),
            Self::WeakKey { .. } => row(
                "trust.weak-key",
                "RFC 8550 §4.3",
                "its owner needs a key of the suite",
            ),
        }
    }
}

impl std::error::Error for TrustProblem {}

impl std::fmt::Display for TrustProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "certificate of {}: {} ({}); {}",
            self.certificate(),
            self.fault(),
            self.rule(),
            self.remedy()
        )
    }
}

impl Purpose {
    pub(super) fn deed(self) -> &'static str {
        match self {
            Self::Authority => "issue certificates",
            Self::Any => "do anything",
            Self::Client => "act as a TLS client",
            Self::RevocationList => "sign revocation lists",
            Self::Encrypt => "receive encrypted messages",
            Self::Server => "act as a TLS server",
            Self::Sign => "sign messages",
        }
    }
}
