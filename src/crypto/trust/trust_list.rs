//! The trust list: certificates that are trusted or distrusted by decree, whatever paths say.
//!
//! Promises: what is distrusted (a certificate, a key, an authority, an anchor) spoils every path
//! that contains it, at whatever instant. What is trusted is an end entity's certificate, and a
//! path by itself only for the purposes and addresses that its entry names, while it is valid,
//! above the suite's floor and in no CRL at hand. It gives no clearance.
//! Refuses: to trust what is distrusted, revoked, of unknown status, or an authority by decree; a
//! certificate that names one address more than its entry. Standards: RFC 5280 §6.2.

use std::collections::HashMap;
use std::sync::Arc;

use super::anchor::Anchor;
use super::search::Search;
use super::{Evidence, Ground, Path, Purpose, TrustProblem, Validated, names, usage};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::{BasicConstraints, Certificate, hex};
use crate::crypto::provider;
use crate::crypto::revocation::ocsp::key_bits;

/// Certificates that are trusted or distrusted by decree. The default knows none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrustList {
    number: u64,
    date: Timestamp,
    distrusted: Vec<Distrusted>,
    trusted: Vec<Trusted>,
    by_target: HashMap<Target, usize>,
}

/// What an entry speaks of.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Target {
    /// This very certificate: the SHA-256 over it.
    Certificate([u8; 32]),
    /// This key, whatever certificate carries it: the SHA-256 over SubjectPublicKeyInfo.
    Key([u8; 32]),
    /// Certificates with this subjectKeyIdentifier, and keys whose SHA-1 it is (RFC 5280
    /// §4.2.1.2). The identifier is the issuer's word: another certificate may give the key
    /// another one.
    KeyIdentifier(Vec<u8>),
}

/// Somebody decided not to trust it any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Distrusted {
    /// The certificate or key.
    pub target: Target,
    /// Why, for people.
    pub reason: String,
    /// When that was decided. The entry counts for every instant: what was signed before cannot be
    /// told from what was dated back.
    pub date: Timestamp,
}

/// Somebody decided to trust this certificate of an end entity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trusted {
    /// The SHA-256 over the certificate.
    pub fingerprint: [u8; 32],
    /// What for: signing, encrypting, or both.
    pub purposes: Vec<Purpose>,
    /// Every mail address that the certificate may name.
    pub addresses: Vec<String>,
    /// Why, for people.
    pub reason: String,
    /// When that was decided.
    pub date: Timestamp,
    /// Until when at most; without it, as long as the certificate is valid.
    pub until: Option<Timestamp>,
}

impl Target {
    /// As it is written in the list: kind, and hexadecimal digits.
    pub fn words(&self) -> (&'static str, String) {
        match self {
            Self::Certificate(digest) => ("sha256", hex(digest)),
            Self::Key(digest) => ("spki-sha256", hex(digest)),
            Self::KeyIdentifier(identifier) => ("key-id", hex(identifier)),
        }
    }
}

impl TrustList {
    /// A list with this number, made on this date.
    pub fn new(
        number: u64,
        date: Timestamp,
        distrusted: Vec<Distrusted>,
        trusted: Vec<Trusted>,
    ) -> Self {
        let places = distrusted.iter().enumerate();
        Self {
            number,
            date,
            by_target: places.map(|(at, one)| (one.target.clone(), at)).collect(),
            distrusted,
            trusted,
        }
    }

    /// Its number: a newer list has a higher one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was made.
    pub fn date(&self) -> Timestamp {
        self.date
    }

    /// What is distrusted.
    pub fn distrusted(&self) -> &[Distrusted] {
        &self.distrusted
    }

    /// What is trusted.
    pub fn trusted(&self) -> &[Trusted] {
        &self.trusted
    }

    /// The entry that distrusts this certificate or its key.
    pub fn distrusts(&self, certificate: &Certificate) -> Option<&Distrusted> {
        if self.distrusted.is_empty() {
            return None;
        }
        let found = self.entry(&Target::Certificate(certificate.fingerprint()));
        found.or_else(|| self.distrusts_key(certificate.spki_der(), certificate.subject_key_id()))
    }

    /// The entry that distrusts this key, with the identifier that it goes by.
    fn distrusts_key(&self, spki_der: &[u8], identifier: Option<&[u8]>) -> Option<&Distrusted> {
        if self.distrusted.is_empty() {
            return None;
        }
        let key = Target::Key(digest(Digest::Sha256, spki_der).try_into().ok()?);
        let named = identifier.map(|octets| Target::KeyIdentifier(octets.to_vec()));
        // RFC 5280 §4.2.1.2, method (1)
        let usual = digest(Digest::Sha1, key_bits(spki_der));
        self.entry(&key)
            .or_else(|| self.entry(&named?))
            .or_else(|| self.entry(&Target::KeyIdentifier(usual)))
    }

    fn entry(&self, target: &Target) -> Option<&Distrusted> {
        self.distrusted.get(*self.by_target.get(target)?)
    }

    fn trusts(&self, certificate: &Certificate) -> Option<&Trusted> {
        if self.trusted.is_empty() {
            return None;
        }
        let own = certificate.fingerprint();
        self.trusted.iter().find(|entry| entry.fingerprint == own)
    }
}

impl Trusted {
    /// Whether it covers every address of the certificate, for this purpose; or why not.
    fn covers(&self, certificate: &Certificate, purpose: Purpose) -> Result<(), String> {
        if purpose != Purpose::Any && !self.purposes.contains(&purpose) {
            let deed = purpose.deed();
            return Err(format!("the trust list does not trust it to {deed}"));
        }
        let named = |address: &String| self.addresses.iter().any(|one| same_mailbox(one, address));
        match certificate.emails().iter().find(|address| !named(address)) {
            Some(address) => Err(format!(
                "it names {address}, for which the trust list does not trust it"
            )),
            None => Ok(()),
        }
    }
}

impl Search<'_> {
    /// Refuses what the trust list distrusts.
    // RFC 5280 §6.2: whoever relies on a path may limit further which are good.
    pub(super) fn check_distrust(
        &self,
        below: &[Certificate],
        anchor: Option<&Anchor>,
    ) -> Result<(), TrustProblem> {
        let list = &self.store.list;
        let refuse = |certificate, entry: &Distrusted| TrustProblem::Distrusted {
            certificate,
            since: entry.date,
            reason: entry.reason.clone(),
        };
        for certificate in below {
            if let Some(entry) = list.distrusts(certificate) {
                return Err(refuse(certificate.subject(), entry));
            }
        }
        let Some(anchor) = anchor else {
            return Ok(());
        };
        let entry = match anchor.certificate() {
            Some(certificate) => list.distrusts(certificate),
            None => None,
        };
        let entry = entry.or_else(|| list.distrusts_key(anchor.spki_der(), anchor.key_id()));
        entry.map_or(Ok(()), |entry| Err(refuse(anchor.subject(), entry)))
    }

    /// A path by decree, where there is no other; `problem` says why there is none.
    pub(super) fn by_decree(
        &self,
        certificate: &Certificate,
        problem: TrustProblem,
    ) -> Result<Path, TrustProblem> {
        let list = &self.store.list;
        let Some(entry) = list.trusts(certificate) else {
            return Err(problem);
        };
        // Unknown is not "not revoked": where somebody can tell the status, it must be told.
        if matches!(
            problem,
            TrustProblem::Distrusted { .. }
                | TrustProblem::RevocationStale { .. }
                | TrustProblem::RevocationUnknown { .. }
                | TrustProblem::Revoked { .. }
        ) {
            return Err(problem);
        }
        self.check_alone(certificate, entry)?;
        let source = format!("trust list {}", list.number);
        Ok(Path(Arc::new(Validated {
            certificates: vec![certificate.clone()],
            anchor: certificate.clone().into(),
            policies: Vec::new(),
            evidence: vec![Evidence {
                certificate: certificate.subject(),
                source,
                this_update: list.date.min(self.at),
                next_update: None,
                until: entry.until.unwrap_or(certificate.not_after()),
            }],
            at: self.at,
            ground: Ground::Decree,
        })))
    }

    /// What must hold for a certificate that is a path by itself.
    fn check_alone(&self, certificate: &Certificate, entry: &Trusted) -> Result<(), TrustProblem> {
        let refuse = |reason| TrustProblem::NotListedFor {
            certificate: certificate.subject(),
            reason,
        };
        entry.covers(certificate, self.purpose).map_err(refuse)?;
        if entry.until.is_some_and(|until| self.at > until) {
            return Err(refuse("the trust list trusted it until then".to_owned()));
        }
        if matches!(
            certificate.basic_constraints(),
            Some(BasicConstraints { ca: true, .. })
        ) {
            return Err(refuse("an authority is not trusted by decree".to_owned()));
        }
        self.check_validity(certificate)?;
        self.check_key(&certificate.subject(), certificate.public_key())?;
        self.check_scheme(certificate)?;
        usage::check_critical(certificate)?;
        usage::check_usage(certificate, self.purpose)?;
        usage::check_extended(certificate, self.purpose)?;
        // Nobody vouches for whoever signed the list; an entry in it is doubt enough.
        let is_issuer = |name: &_| names::same_name(name, certificate.issuer_name());
        for list in self.store.lists.iter() {
            let entry = list.entry(certificate.serial_bytes(), is_issuer);
            if let Some(entry) = entry.filter(|entry| !entry.is_removal()) {
                return Err(TrustProblem::Revoked {
                    certificate: certificate.subject(),
                    since: entry.since,
                    by: list.issuer(),
                });
            }
        }
        Ok(())
    }
}

/// The same mailbox: the local part octet for octet, the domain in letters of either case.
fn same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((local, domain)), Some((other_local, other_domain))) => {
            local == other_local && domain.eq_ignore_ascii_case(other_domain)
        }
        _ => false,
    }
}

fn digest(digest: Digest, octets: &[u8]) -> Vec<u8> {
    provider::default().digest(digest, &[octets])
}
