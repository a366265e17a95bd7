//! What is on record of somebody: candidates, and the way to one that may be used.
//!
//! Promises: octets stand as the directory gave them; a certificate is read when it is first wanted.
//! Refuses: more values, or longer ones, than anybody needs; and, for encryption, every certificate
//! that does not bear the recipient's own name, lead to an anchor for that purpose, or stand well
//! with revocation.
//! Standards: RFC 4523 §2, RFC 5755 §4.4.6, RFC 8550 §3, §4.4.2.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::trust::{Purpose, TrustProblem, TrustStore};
use crate::message::address::Address;

/// Values of one attribute.
const MOST_VALUES: usize = 64;
/// Octets of one value.
const LONGEST_VALUE: usize = 64 << 10;

/// Where a record stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// In a file, from this line on.
    File {
        /// The file.
        file: Arc<PathBuf>,
        /// The line, counted from 1.
        line: usize,
    },
    /// In signed mail; accepted by this operator or rule.
    Harvested {
        /// Who accepted it.
        by: String,
    },
    /// In an LDAP directory.
    Ldap {
        /// The server.
        server: Arc<str>,
        /// The entry.
        dn: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Harvested { by } => write!(f, "signed mail, accepted by {by}"),
            Self::Ldap { server, dn } => write!(f, "{server}, entry {dn:?}"),
        }
    }
}

/// The attributes of an entry that count here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attribute {
    /// attributeCertificateAttribute (2.5.4.58): AttributeCertificate in DER.
    AttributeCertificate,
    /// userCertificate, cACertificate: Certificate in DER.
    Certificate,
    /// clearance (2.5.4.55): Clearance in DER.
    Clearance,
}

impl Attribute {
    /// The attribute of this description, whatever its options (`;binary`).
    // RFC 4512 §2.5; RFC 4523 §2
    pub fn named(description: &str) -> Option<Self> {
        let name = description.split(';').next().unwrap_or_default();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("userCertificate") || is("cACertificate") || is("2.5.4.36") || is("2.5.4.37") {
            Some(Self::Certificate)
        } else if is("attributeCertificateAttribute") || is("2.5.4.58") {
            Some(Self::AttributeCertificate)
        } else if is("clearance") || is("2.5.4.55") {
            Some(Self::Clearance)
        } else {
            None
        }
    }
}

/// A record that goes beyond what anybody needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Too many values.
    #[error("an attribute has more than {MOST_VALUES} values")]
    Many,
    /// A value is too long.
    #[error("a value is longer than {LONGEST_VALUE} octets")]
    Long,
}

/// What a directory has on record of one name.
#[derive(Debug)]
pub struct Record {
    source: Source,
    certificate_ders: Box<[Box<[u8]>]>,
    certificates: OnceLock<Box<[Certificate]>>,
    attribute_certificates: Box<[Box<[u8]>]>,
    clearances: Box<[Box<[u8]>]>,
}

/// Why none of a record's certificates is used for a recipient.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotUsable {
    /// There is none.
    #[error("the record ({0}) has no certificate that can be read")]
    None(Source),
    /// Each was looked at; the reasons, one for each.
    #[error("no certificate of the record ({source_of}) may be used: {}", .reasons.join("; "))]
    Each {
        /// Where the record stands.
        source_of: Source,
        /// Subject and reason of each.
        reasons: Vec<String>,
    },
    /// The fault is ours (stale revocation data): the peer may try again.
    #[error("a certificate of the record ({source_of}) cannot be judged now: {problem}")]
    Ours {
        /// Where the record stands.
        source_of: Source,
        /// What stands in the way.
        problem: Box<TrustProblem>,
    },
}

impl Record {
    /// A record from attribute values, in any order.
    ///
    /// # Errors
    /// Too many values, or too long ones.
    pub fn of(source: Source, values: Vec<(Attribute, Vec<u8>)>) -> Result<Self, RecordError> {
        let mut sorted: [Vec<Box<[u8]>>; 3] = Default::default();
        let [certificates, attribute_certificates, clearances] = &mut sorted;
        for (attribute, value) in values {
            if value.len() > LONGEST_VALUE {
                return Err(RecordError::Long);
            }
            let list = match attribute {
                Attribute::AttributeCertificate => &mut *attribute_certificates,
                Attribute::Certificate => &mut *certificates,
                Attribute::Clearance => &mut *clearances,
            };
            if list.len() >= MOST_VALUES {
                return Err(RecordError::Many);
            }
            list.push(value.into());
        }
        let [certificates, attribute_certificates, clearances] = sorted;
        Ok(Self {
            source,
            certificate_ders: certificates.into(),
            certificates: OnceLock::new(),
            attribute_certificates: attribute_certificates.into(),
            clearances: clearances.into(),
        })
    }

    /// Where it stands.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The certificates that can be read; each only a candidate.
    pub fn certificates(&self) -> &[Certificate] {
        self.certificates.get_or_init(|| {
            let ders = self.certificate_ders.iter();
            ders.filter_map(|der| Certificate::from_der(der).ok())
                .collect()
        })
    }

    /// Whether any of them may be meant for encryption: one that cannot be read may be.
    pub fn has_encryption_certificate(&self) -> bool {
        let read = self.certificates();
        let for_encryption = |certificate: &Certificate| {
            let usage = certificate.key_usage();
            usage.is_none_or(|usage| usage.key_encipherment() || usage.key_agreement())
        };
        read.len() != self.certificate_ders.len() || read.iter().any(for_encryption)
    }

    /// AttributeCertificate, in DER as it stands; nothing of it is verified.
    pub fn attribute_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.attribute_certificates.iter().map(AsRef::as_ref)
    }

    /// Clearance, in DER as it stands. Nobody signed it but the way here.
    pub fn clearances(&self) -> impl Iterator<Item = &[u8]> {
        self.clearances.iter().map(AsRef::as_ref)
    }

    /// The certificate to encrypt for `recipient` with: of those that bear the address, are for
    /// encryption, and are good under `trust` at `at`, the newest.
    ///
    /// # Errors
    /// Why there is none.
    pub fn for_encryption(
        &self,
        recipient: &Address,
        trust: &TrustStore,
        at: Timestamp,
    ) -> Result<Certificate, NotUsable> {
        // RFC 8550 §3: without this, who writes the directory chooses who reads
        let bears = |certificate: &Certificate| {
            let is_recipient =
                |email: String| Address::parse(&email).is_ok_and(|a| a == *recipient);
            certificate.emails().into_iter().any(is_recipient)
        };
        self.for_encryption_to(bears, &format!("it does not bear {recipient}"), trust, at)
    }

    /// As [`Record::for_encryption`], for whoever `bears` says.
    ///
    /// # Errors
    /// Why there is none.
    pub fn for_encryption_to(
        &self,
        bears: impl Fn(&Certificate) -> bool,
        otherwise: &str,
        trust: &TrustStore,
        at: Timestamp,
    ) -> Result<Certificate, NotUsable> {
        let mut newest_first: Vec<&Certificate> = self.certificates().iter().collect();
        newest_first.sort_by_key(|certificate| std::cmp::Reverse(certificate.not_before()));
        let mut reasons = Vec::new();
        let mut ours = None;
        for certificate in newest_first {
            if !bears(certificate) {
                reasons.push(format!("{}: {otherwise}", certificate.subject()));
                continue;
            }
            match trust.validate(certificate, self.certificates(), Purpose::Encrypt, at) {
                Ok(_) => return Ok(certificate.clone()),
                Err(problem) if problem.is_ours() => ours = Some(problem),
                Err(problem) => reasons.push(problem.to_string()),
            }
        }
        let source_of = self.source.clone();
        Err(match ours {
            Some(problem) => NotUsable::Ours {
                source_of,
                problem: Box::new(problem),
            },
            None if reasons.is_empty() => NotUsable::None(source_of),
            None => NotUsable::Each { source_of, reasons },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lab::{Authority, Request, Usage};

    fn source() -> Source {
        Source::Harvested { by: "test".into() }
    }

    #[test]
    fn attributes_are_known_by_name_and_number_whatever_their_options() {
        for description in [
            "userCertificate;binary",
            "usercertificate",
            "2.5.4.37;binary",
        ] {
            assert_eq!(Attribute::named(description), Some(Attribute::Certificate));
        }
        assert_eq!(Attribute::named("clearance"), Some(Attribute::Clearance));
        assert_eq!(Attribute::named("userCertificateX"), None);
        assert_eq!(Attribute::named(""), None);
    }

    #[test]
    fn a_record_is_bounded() {
        let value = (Attribute::Clearance, vec![0; LONGEST_VALUE]);
        assert!(Record::of(source(), vec![value; MOST_VALUES]).is_ok());
        let value = (Attribute::Clearance, vec![0]);
        let many = Record::of(source(), vec![value; MOST_VALUES + 1]);
        assert_eq!(many.unwrap_err(), RecordError::Many);
        let long = (Attribute::Clearance, vec![0; LONGEST_VALUE + 1]);
        let long = Record::of(source(), vec![long]);
        assert_eq!(long.unwrap_err(), RecordError::Long);
    }

    #[test]
    fn a_candidate_is_used_only_for_its_own_name_purpose_and_anchor() {
        let now: Timestamp = "2026-11-21T08:30:00Z".parse().unwrap();
        let authority = Authority::new("Alder", now).unwrap();
        let other = Authority::new("Elsewhere", now).unwrap();
        let issue = |by: &Authority, usage, email| {
            let order = Request::new("Anna", usage, now).email(email);
            let identity = by.issue(order).unwrap();
            (
                Attribute::Certificate,
                identity.certificate().der().to_vec(),
            )
        };
        let lists =
            crate::crypto::revocation::RevocationList::from_der(&authority.crl(&[], now).unwrap());
        let trust = TrustStore::new(
            vec![authority.certificate().clone()],
            Vec::new(),
            vec![lists.unwrap()],
        );
        let anna = Address::parse("Anna@alder.example").unwrap();
        let wrong = vec![
            issue(&authority, Usage::Encrypt, "mallory@alder.example"),
            issue(&other, Usage::Encrypt, "anna@alder.example"),
            issue(&authority, Usage::Sign, "anna@alder.example"),
            (Attribute::Certificate, b"no certificate".to_vec()),
        ];
        let refused = Record::of(source(), wrong.clone()).unwrap();
        assert_eq!(refused.certificates().len(), 3);
        let only = |values: &[(Attribute, Vec<u8>)]| {
            let record = Record::of(source(), values.to_vec()).unwrap();
            record.has_encryption_certificate()
        };
        assert!(only(&wrong[..1]) && !only(&wrong[2..3]) && only(&wrong[3..]) && !only(&[]));
        match refused.for_encryption(&anna, &trust, now) {
            Err(NotUsable::Each { reasons, .. }) => assert_eq!(reasons.len(), 3, "{reasons:?}"),
            other => panic!("{other:?}"),
        }
        let mut with_right = wrong;
        with_right.push(issue(&authority, Usage::Encrypt, "anna@alder.example"));
        let right = Certificate::from_der(&with_right.last().unwrap().1).unwrap();
        let record = Record::of(source(), with_right).unwrap();
        let used = record.for_encryption(&anna, &trust, now).unwrap();
        assert_eq!(used.der(), right.der());
        // Our own trouble is no verdict on the certificate.
        let later = now + jiff::SignedDuration::from_hours(24 * 300);
        let stale = record.for_encryption(&anna, &trust, later);
        assert!(matches!(stale, Err(NotUsable::Ours { .. })), "{stale:?}");
        let empty = Record::of(source(), Vec::new()).unwrap();
        let none = empty.for_encryption(&anna, &trust, now);
        assert!(matches!(none, Err(NotUsable::None(_))));
    }
}
