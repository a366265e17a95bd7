//! The label policies of a configuration: read, verified, tested, and only then taken over.
//!
//! Promises: policies come into force through `label::update` alone, at start and at reload: all or
//! nothing, signed where signers are pinned, never older than those in force, their own cases passed.
//! Refuses: a policy that nobody signed who is pinned; a signature that is named and does not verify.
//! A policy's cases carry no signature: they can keep a policy out of force and grant nothing.

use std::sync::Arc;

use toml::Spanned;

use super::ConfigError;
use super::meant::{Link, ListProvenance, Provenance};
use super::resolve::Place;
use super::signature::Signed;
use super::subjects::Parties;
use super::written::{self, CaseRule, Written};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::hex;
use crate::crypto::provider;
use crate::crypto::trust::TrustStore;
use crate::label::Policies;
use crate::label::update::{self, CaseFile, Cases, Demands, Source, UpdateError};

/// The key that pins the signers of policies.
const SIGNERS: &str = "policies.signers";

impl Place<'_> {
    /// The policies that `written` names, and where each comes from.
    pub(super) fn policies(
        &self,
        written: &Written,
        trust: &TrustStore,
        in_force: &Policies,
        now: Timestamp,
    ) -> Result<(Policies, Vec<Provenance>), ConfigError> {
        let pins = self.pins(SIGNERS, &written.policies.signers, written)?;
        let mut sources = Vec::with_capacity(written.policy.len());
        for policy in &written.policy {
            let octets = self.read("policy.file", &policy.file)?;
            let signed = Signed {
                what: "label policy",
                key: "policy.signature",
                signers: SIGNERS,
                file: &policy.file,
                signature: policy.signature.as_ref(),
            };
            sources.push(Source {
                file: policy.file.get_ref().display().to_string(),
                signed_by: self.signed_by(&signed, &octets, &pins, trust, now)?,
                cases: self.cases(policy)?,
                octets,
            });
        }
        let demands = Demands {
            signers: pins.names(),
            cases: match written.policies.cases {
                CaseRule::IfPresent => Cases::IfPresent,
                CaseRule::Required => Cases::Required,
            },
        };
        let policies = update::next(in_force, &sources, &demands, now)
            .map_err(|error| self.not_taken_over(error, written, &sources))?;
        let provenance = policies
            .iter()
            .zip(sources)
            .map(|(policy, source)| Provenance {
                id: policy.oid(),
                name: policy.name().to_owned(),
                version: policy.version(),
                created: policy.created().map(str::to_owned),
                digest: digest(&source.octets),
                signed_by: source.signed_by,
            })
            .collect();
        Ok((policies, provenance))
    }

    /// The cases that are named, or those beside the policy.
    fn cases(&self, policy: &written::Policy) -> Result<Option<CaseFile>, ConfigError> {
        let beside = Spanned::new(
            policy.file.span(),
            policy.file.get_ref().with_extension("cases"),
        );
        let file = match &policy.cases {
            Some(named) => named,
            None if self.path(beside.get_ref()).exists() => &beside,
            None => return Ok(None),
        };
        let text = String::from_utf8(self.read("policy.cases", file)?).map_err(|_| {
            self.error(
                file.span(),
                "policy.cases",
                format!("{} is not text", file.get_ref().display()),
                "cases are lines of UTF-8 text; src/label/cases.rs describes them",
            )
        })?;
        Ok(Some(CaseFile {
            file: file.get_ref().display().to_string(),
            text,
        }))
    }

    /// Why a set is not taken over, at the line of the policy that is at fault.
    fn not_taken_over(
        &self,
        error: UpdateError,
        written: &Written,
        sources: &[Source],
    ) -> ConfigError {
        let (at_fault, key, remedy) = match &error {
            UpdateError::Case { file, .. } => (
                Some(file),
                "policy.cases",
                "mend the policy or the case, whichever is wrong",
            ),
            UpdateError::Conflict(conflict) => (
                Some(&conflict.second),
                "policy.file",
                "name each policy only once",
            ),
            UpdateError::Missing { .. } => (
                None,
                "policy",
                "put its [[policy]] back; a policy is taken out of force by a new start",
            ),
            UpdateError::Policy(error) => (
                Some(&error.file),
                "policy.file",
                "mend the policy file at the place that is named",
            ),
            UpdateError::RollBack { file, .. } => (
                Some(file),
                "policy.file",
                "a changed policy has a higher version and a later creationDate",
            ),
            UpdateError::Unsigned { file, .. } => (
                Some(file),
                "policy.signature",
                "name the signature of one of [policies] signers",
            ),
        };
        let is_at_fault = |source: &&Source| {
            at_fault.is_some_and(|file| {
                source.file == *file || source.cases.as_ref().is_some_and(|c| c.file == *file)
            })
        };
        let place = sources.iter().position(|source| is_at_fault(&source));
        match place.and_then(|place| written.policy.get(place)) {
            Some(policy) => self.error(policy.file.span(), key, error, remedy),
            None => self.whole(key, error, remedy),
        }
    }
}

/// The number of the rules that decide whether an entry may go.
pub(super) fn number(
    policies: &[Provenance],
    directory: &str,
    list: Option<&ListProvenance>,
    parties: &Parties,
    links: &[Arc<Link>],
) -> String {
    let mut rules = format!("{directory}\n");
    for policy in policies {
        rules.push_str(&format!("{} {:?}\n", policy.digest, policy.signed_by));
    }
    if let Some(list) = list {
        rules.push_str(&format!(
            "trust list {} {:?}\n",
            list.digest, list.signed_by
        ));
    }
    rules.push_str(&parties.number());
    for link in links {
        rules.push_str(&format!(
            "{} {:?} {:?} {:?} {:?} {:?} {:?}\n",
            link.name,
            link.domains,
            link.clearance,
            link.sources,
            link.must_carry,
            link.policy,
            link.recipients
        ));
    }
    let mut number: Vec<String> = policies
        .iter()
        .map(|policy| format!("{}:{}", policy.name, policy.version))
        .collect();
    number.extend(
        digest(rules.as_bytes())
            .get(..16)
            .map(|digits| format!("#{digits}")),
    );
    number.join(" ")
}

/// The SHA-384 of a file, in hexadecimal.
pub(super) fn digest(octets: &[u8]) -> String {
    hex(&provider::default().digest(Digest::Sha384, &[octets])).to_ascii_lowercase()
}
