//! Whether an attribute certificate is good: for this holder, from an authority that was named, now.
//!
//! Promises: only an authority that the operator named speaks, and only with a certificate that is
//! itself good; every check is made at the given instant. Refuses: an authority that is a CA, critical
//! extensions that are not processed here, a target that is not us, a status that is not known.
//! Standards: RFC 5755 §4.3, §4.5, §5, §6.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;

use super::search::Search;
use super::{Path, Purpose, RevocationCheck, StaleRule, TrustProblem, TrustStore, names};
use crate::clock::Timestamp;
use crate::crypto::attribute_certificate::AttributeCertificate;
use crate::crypto::certificate::{BasicConstraints, Certificate, sequence_of};
use crate::crypto::provider;
use crate::crypto::revocation::RevocationList;
use crate::crypto::revocation::scope::{Kinds, Reasons};
use crate::crypto::tlv;

const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const AUTHORITY_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
/// noRevAvail: no status is ever told of it (RFC 5755 §4.3.6).
const NO_REVOCATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.56");
/// targetInformation (RFC 5755 §4.3.2).
const TARGETS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.55");

/// The extensions that are processed here.
const UNDERSTOOD: [ObjectIdentifier; 5] = [
    AUTHORITY_ACCESS,
    AUTHORITY_KEY_ID,
    DISTRIBUTION_POINTS,
    NO_REVOCATION,
    TARGETS,
];

/// Targets of one attribute certificate.
const MOST_TARGETS: usize = 256;

/// Why an attribute certificate does not count. `attribute_certificate` says which one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("attribute certificate {attribute_certificate}: {fault}")]
pub struct AttributeProblem {
    /// Serial number and issuer.
    pub attribute_certificate: String,
    /// What is wrong.
    pub fault: AttributeFault,
}

/// What is wrong with an attribute certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AttributeFault {
    /// The authority's own certificate is not good.
    #[error("{0}")]
    Authority(TrustProblem),
    /// An authority that issues certificates may not issue attributes.
    #[error(
        "its issuer is a CA, or may not sign (RFC 5755 §4.5); use a separate attribute authority"
    )]
    AuthorityProfile,
    /// The named authority's key did not make the signature.
    #[error("its signature is not good (RFC 5755 §5), {0}")]
    BadSignature(String),
    /// Past its end.
    #[error("expired on {0} (RFC 5755 §4.2.6); ask its authority for a new one")]
    Expired(Timestamp),
    /// An extension that is there does not parse, or contradicts another.
    #[error("its extension {0} is malformed (RFC 5755 §4.3)")]
    Extension(ObjectIdentifier),
    /// It is about somebody else.
    #[error("it is not about the holder of {certificate} (RFC 5755 §4.2.2)")]
    NotAboutHolder {
        /// The subject of the certificate it was held against.
        certificate: String,
    },
    /// It is for others.
    #[error("it is targeted at others (RFC 5755 §4.3.2)")]
    NotForUs,
    /// Before its beginning.
    #[error("valid only from {0} (RFC 5755 §4.2.6)")]
    NotYetValid(Timestamp),
    /// The status cannot be learned: our fault.
    #[error("its status is not known, {0} (RFC 5755 §6); bring a CRL of its authority")]
    RevocationUnknown(String),
    /// The list that told the status is out of date, and the rule is to refuse then.
    #[error("its status is not known any more, {0} (RFC 5755 §6); bring a fresh CRL")]
    RevocationStale(String),
    /// Its authority took it back.
    #[error("revoked since {0} (RFC 5755 §6)")]
    Revoked(Timestamp),
    /// Nobody named its issuer as an attribute authority.
    #[error("{0} is not named as an attribute authority (RFC 5755 §5)")]
    UnknownAuthority(String),
    /// Critical, and not understood here.
    #[error("its critical extension {0} is not understood here (RFC 5755 §5)")]
    UnknownCriticalExtension(ObjectIdentifier),
    /// Signed with something that does not count.
    #[error("it is signed with {0}")]
    WeakAlgorithm(String),
}

impl AttributeProblem {
    /// Whether the fault is ours (answer "try again later") rather than the attribute certificate's.
    pub fn is_ours(&self) -> bool {
        match &self.fault {
            AttributeFault::Authority(problem) => problem.is_ours(),
            AttributeFault::RevocationUnknown(_) => true,
            _ => false,
        }
    }
}

/// Attribute authorities that were named, and what we are called when an attribute certificate is
/// for some only.
#[derive(Clone, Debug, Default)]
pub struct AttributeRules {
    /// Their certificates: each is believed because it was named here, and only while it is good.
    pub authorities: Vec<Certificate>,
    /// Our host name: what targetName has to name.
    pub name: String,
    /// Our domains: what targetGroup has to name.
    pub groups: Vec<String>,
}

/// An attribute certificate that is good.
#[derive(Clone, Debug)]
pub struct Attributed {
    /// The path of its authority.
    pub authority: Path,
    /// Until when it stays good, if nothing new is learned.
    pub until: Timestamp,
}

impl TrustStore {
    /// Whether this attribute certificate counts for the subject at the end of `holder`, at `at`.
    ///
    /// # Errors
    /// The first check that fails, with the section of RFC 5755.
    pub fn validate_attributes(
        &self,
        attributes: &AttributeCertificate,
        holder: &Certificate,
        rules: &AttributeRules,
        at: Timestamp,
    ) -> Result<Attributed, AttributeProblem> {
        let judged = self.judge_attributes(attributes, holder, rules, at);
        judged.map_err(|fault| AttributeProblem {
            attribute_certificate: attributes.name(),
            fault,
        })
    }

    fn judge_attributes(
        &self,
        attributes: &AttributeCertificate,
        holder: &Certificate,
        rules: &AttributeRules,
        at: Timestamp,
    ) -> Result<Attributed, AttributeFault> {
        // RFC 5755 §5, 1: the holder. That its certificate is good, the caller knows.
        if !attributes.is_about(holder) {
            return Err(AttributeFault::NotAboutHolder {
                certificate: holder.subject(),
            });
        }
        let authority = self.authority_of(attributes, rules)?;
        // RFC 5755 §5, 3: directly trusted by configuration, and with a good path all the same
        let path = self
            .validate(authority, &[], Purpose::Any, at)
            .map_err(AttributeFault::Authority)?;
        // RFC 5755 §4.5
        let is_ca = matches!(
            authority.basic_constraints(),
            Some(BasicConstraints { ca: true, .. })
        );
        let may_sign = authority
            .key_usage()
            .is_none_or(|usage| usage.digital_signature() || usage.non_repudiation());
        if is_ca || !may_sign {
            return Err(AttributeFault::AuthorityProfile);
        }
        // RFC 5755 §5, 5: bounds included
        if at < attributes.not_before() {
            return Err(AttributeFault::NotYetValid(attributes.not_before()));
        }
        if at > attributes.not_after() {
            return Err(AttributeFault::Expired(attributes.not_after()));
        }
        // RFC 5755 §5, 7
        let unknown = attributes
            .extensions()
            .iter()
            .find(|item| item.critical && !UNDERSTOOD.contains(&item.oid));
        if let Some(item) = unknown {
            return Err(AttributeFault::UnknownCriticalExtension(item.oid));
        }
        // RFC 5755 §5, 6
        if !is_for(attributes, rules)? {
            return Err(AttributeFault::NotForUs);
        }
        let told_until = self.attribute_status(attributes, authority, at)?;
        let (_, until) = path.window();
        let until = until.min(attributes.not_after()).min(told_until);
        Ok(Attributed {
            authority: path,
            until,
        })
    }

    /// The named authority whose key signed it.
    // RFC 5755 §5, 2
    fn authority_of<'r>(
        &self,
        attributes: &AttributeCertificate,
        rules: &'r AttributeRules,
    ) -> Result<&'r Certificate, AttributeFault> {
        let weak = AttributeFault::WeakAlgorithm;
        let scheme = attributes
            .signature_scheme()
            .map_err(|error| weak(error.to_string()))?;
        self.suite()
            .check_signature(&scheme)
            .map_err(|wanted| weak(format!("{}: {wanted}", scheme.name())))?;
        let mut wrong = AttributeFault::UnknownAuthority(attributes.issuer());
        for authority in &rules.authorities {
            if !names::same_name(authority.subject_name(), attributes.issuer_name()) {
                continue;
            }
            let verified = provider::default().verify(
                authority.spki_der(),
                &scheme,
                attributes.tbs_der(),
                attributes.signature(),
            );
            match verified {
                Ok(()) => return Ok(authority),
                Err(error) => wrong = AttributeFault::BadSignature(error.to_string()),
            }
        }
        Err(wrong)
    }

    /// Until when its status is known to be good.
    // RFC 5755 §6
    fn attribute_status(
        &self,
        attributes: &AttributeCertificate,
        authority: &Certificate,
        at: Timestamp,
    ) -> Result<Timestamp, AttributeFault> {
        if let Some(extension) = attributes.extension(&NO_REVOCATION) {
            // RFC 5755 §4.3.6: NULL, and never beside a place where the status is told
            let contradicted = attributes.extension(&DISTRIBUTION_POINTS).is_some();
            return match extension.value == tlv::NULL && !contradicted {
                true => Ok(Timestamp::MAX),
                false => Err(AttributeFault::Extension(NO_REVOCATION)),
            };
        }
        let search = Search::new(self, &[], Purpose::RevocationList, at);
        let mut stale = None;
        for list in self.lists_of(authority) {
            let is_issuer = |name: &_| names::same_name(name, attributes.issuer_name());
            let entry = list.entry(attributes.serial_bytes(), is_issuer);
            if let Some(entry) = entry.filter(|entry| !entry.is_removal()) {
                return Err(AttributeFault::Revoked(entry.since));
            }
            match search.in_date(list) {
                Ok(until) => return Ok(until),
                Err(reason) => {
                    stale.get_or_insert(reason);
                }
            }
        }
        match (stale, self.stale, self.revocation) {
            (Some(reason), StaleRule::Refuse, _) => Err(AttributeFault::RevocationStale(reason)),
            (Some(reason), _, _) => Err(AttributeFault::RevocationUnknown(reason)),
            (None, _, RevocationCheck::Optional) => Ok(Timestamp::MAX),
            (None, _, RevocationCheck::Required) => Err(AttributeFault::RevocationUnknown(
                "there is no CRL of its authority".to_owned(),
            )),
        }
    }

    /// The complete lists that the authority itself signed and that speak of attribute certificates,
    /// the newest first. Lists of other signers do not count for them.
    fn lists_of(&self, authority: &Certificate) -> Vec<&RevocationList> {
        let speaks = |list: &&RevocationList| {
            let scope = list.scope();
            let by = list
                .issuer_name()
                .is_some_and(|name| names::same_name(name, authority.subject_name()));
            let accepted = list
                .signature_scheme()
                .is_some_and(|scheme| self.suite().check_signature(&scheme).is_ok());
            by && accepted
                && matches!(scope.kinds, Kinds::All | Kinds::Attribute)
                && scope.reasons == Reasons::ALL
                && list.base().is_none()
                && authority.key_usage().is_none_or(|usage| usage.crl_sign())
                && list.is_signed_by(authority.spki_der())
        };
        let mut lists: Vec<&RevocationList> = self.lists.iter().filter(speaks).collect();
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update()));
        lists
    }
}

/// Whether it is for us: without targets, for everybody; with them, one has to name us.
// RFC 5755 §4.3.2
fn is_for(
    attributes: &AttributeCertificate,
    rules: &AttributeRules,
) -> Result<bool, AttributeFault> {
    let Some(extension) = attributes.extension(&TARGETS) else {
        return Ok(true);
    };
    let read = || -> der::Result<bool> {
        let mut ours = false;
        let mut seen = 0usize;
        let mut all = SliceReader::new(sequence_of(&extension.value)?)?;
        while !all.is_finished() {
            let mut targets = SliceReader::new(sequence_of(all.tlv_bytes()?)?)?;
            while !targets.is_finished() {
                seen = seen.saturating_add(1);
                if seen > MOST_TARGETS {
                    return Err(Tag::Sequence.value_error().into());
                }
                ours |= names_us(AnyRef::decode(&mut targets)?, rules)?;
            }
        }
        Ok(ours)
    };
    read().map_err(|_| AttributeFault::Extension(TARGETS))
}

/// `targetName [0]` or `targetGroup [1]`, both a GeneralName under an explicit tag.
fn names_us(target: AnyRef<'_>, rules: &AttributeRules) -> der::Result<bool> {
    let Tag::ContextSpecific {
        constructed: true,
        number,
    } = target.tag()
    else {
        return Err(target.tag().value_error().into());
    };
    let is = |name: &str| match GeneralName::from_der(target.value()) {
        Ok(GeneralName::DnsName(target)) => Ok(target.as_str().eq_ignore_ascii_case(name)),
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    match number.value() {
        0 => is(&rules.name),
        1 => rules
            .groups
            .iter()
            .try_fold(false, |ours, group| Ok(ours | is(group)?)),
        // targetCert: RFC 5755 §4.3.2 says it is not used.
        _ => Ok(false),
    }
}
