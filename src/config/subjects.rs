//! Taking over `[subjects]` and `[[subject]]`.
//!
//! Promises: every error names line, key and remedy. Refuses: an address or domain twice, a subject
//! that nothing could clear, holders of a role who are not mailboxes of their own, sources that are
//! named twice or that have nothing to read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use super::ConfigError;
use super::party::{ClearanceSource, Combination, MailDomain, MailDomains, Sources, Subject};
use super::resolve::Place;
use super::written::{self, Written};
use crate::crypto::attribute_certificate::AttributeCertificate;
use crate::crypto::certificate::{Certificate, hex};
use crate::crypto::trust::AttributeRules;
use crate::label::Policies;
use crate::message::Precedence;
use crate::message::address::Address;

/// All that `[subjects]` and `[[subject]]` say.
pub(super) struct Parties {
    pub subjects: BTreeMap<Address, Subject>,
    pub domains: MailDomains,
    pub rules: AttributeRules,
}

impl Place<'_> {
    pub(super) fn parties(
        &self,
        written: &Written,
        policies: &Policies,
    ) -> Result<Parties, ConfigError> {
        let usual = self.sources(
            "subjects",
            written.subjects.clearance_from.as_ref(),
            written.subjects.combination,
            &Sources::default(),
        )?;
        let mut parties = Parties {
            subjects: BTreeMap::new(),
            domains: BTreeMap::new(),
            rules: AttributeRules {
                authorities: self.certificates(
                    "subjects.attribute-authorities",
                    &written.subjects.attribute_authorities,
                )?,
                name: written.switch.name.clone(),
                groups: written.switch.domains.clone(),
            },
        };
        for subject in &written.subject {
            self.party(subject, &usual, policies, &mut parties)?;
        }
        for subject in &written.subject {
            self.check_holders(subject, &parties.subjects)?;
        }
        Ok(parties)
    }

    fn party(
        &self,
        subject: &written::Subject,
        usual: &Sources,
        policies: &Policies,
        parties: &mut Parties,
    ) -> Result<(), ConfigError> {
        let twice = |span: Range<usize>, key: &str| {
            let remedy = "one [[subject]] for each address and each domain";
            self.error(span, key, "this stands twice", remedy)
        };
        match (&subject.address, &subject.domain) {
            (Some(address), None) => {
                let resolved = self.subject(subject, address, usual, policies)?;
                let key = resolved.address.clone();
                match parties.subjects.insert(key, resolved) {
                    Some(_) => Err(twice(address.span(), "subject.address")),
                    None => Ok(()),
                }
            }
            (None, Some(domain)) => {
                let resolved = self.mail_domain(subject, domain, usual, policies)?;
                let key = resolved.domain.clone();
                match parties.domains.insert(key, resolved) {
                    Some(_) => Err(twice(domain.span(), "subject.domain")),
                    None => Ok(()),
                }
            }
            (Some(one), Some(_)) => Err(self.error(
                one.span(),
                "subject.address",
                "a subject is an address or a whole domain, not both",
                "write two [[subject]] sections",
            )),
            (None, None) => Err(self.whole(
                "subject.address",
                "a subject has neither address nor domain",
                "set address, or domain for a whole domain",
            )),
        }
    }

    fn subject(
        &self,
        subject: &written::Subject,
        address: &Spanned<String>,
        usual: &Sources,
        policies: &Policies,
    ) -> Result<Subject, ConfigError> {
        let holders = match &subject.holders {
            Some(holders) => self.holders(holders)?,
            None => Vec::new(),
        };
        Ok(Subject {
            address: self.address("subject.address", address)?,
            clearance: self.stated(subject, policies)?,
            sources: self.own_sources(subject, address.span(), usual)?,
            roles: subject.roles.clone(),
            highest_precedence: subject.highest_precedence.unwrap_or(Precedence::Override),
            size_limit: subject.size_limit.map(|limit| limit.0),
            certificate: subject
                .certificate
                .as_ref()
                .map(|path| self.certificate("subject.certificate", path))
                .transpose()?,
            attribute_certificates: self.attribute_certificates(&subject.attribute_certificates)?,
            holders,
        })
    }

    fn mail_domain(
        &self,
        subject: &written::Subject,
        domain: &Spanned<String>,
        usual: &Sources,
        policies: &Policies,
    ) -> Result<MailDomain, ConfigError> {
        let probe = Address::parse(&format!("postmaster@{}", domain.get_ref()));
        let probe = probe.map_err(|error| {
            let remedy = "write a mail domain such as birch.example";
            self.error(domain.span(), "subject.domain", error.kind, remedy)
        })?;
        let is_somebody = subject.holders.is_some()
            || !subject.roles.is_empty()
            || subject.highest_precedence.is_some()
            || subject.size_limit.is_some();
        if is_somebody {
            return Err(self.error(
                domain.span(),
                "subject.domain",
                "a whole domain holds no roles, hands nothing in and is held by nobody",
                "give roles, holders, highest-precedence and size-limit to an address",
            ));
        }
        Ok(MailDomain {
            domain: probe.comparable_domain().to_owned(),
            clearance: self.stated(subject, policies)?,
            sources: self.own_sources(subject, domain.span(), usual)?,
            certificate: subject
                .certificate
                .as_ref()
                .map(|path| self.certificate("subject.certificate", path))
                .transpose()?,
            attribute_certificates: self.attribute_certificates(&subject.attribute_certificates)?,
        })
    }

    fn stated(
        &self,
        subject: &written::Subject,
        policies: &Policies,
    ) -> Result<Option<crate::label::Clearance>, ConfigError> {
        subject
            .clearance
            .as_ref()
            .map(|clearance| self.clearance("subject.clearance", clearance, policies))
            .transpose()
    }

    fn own_sources(
        &self,
        subject: &written::Subject,
        span: Range<usize>,
        usual: &Sources,
    ) -> Result<Sources, ConfigError> {
        let sources = self.sources(
            "subject",
            subject.clearance_from.as_ref(),
            subject.combination,
            usual,
        )?;
        if sources.from == [ClearanceSource::Configuration] && subject.clearance.is_none() {
            return Err(self.error(
                span,
                "subject.clearance",
                "nothing says what this subject is cleared for",
                "set clearance, or name another source in clearance-from",
            ));
        }
        Ok(sources)
    }

    /// Which sources count: what is written here, or else what is usual.
    pub(super) fn sources(
        &self,
        key: &str,
        from: Option<&Spanned<Vec<ClearanceSource>>>,
        combination: Option<Combination>,
        usual: &Sources,
    ) -> Result<Sources, ConfigError> {
        let Some(named) = from else {
            return Ok(Sources {
                combination: combination.unwrap_or(usual.combination),
                ..usual.clone()
            });
        };
        let list = named.get_ref();
        let twice = list
            .iter()
            .enumerate()
            .any(|(place, one)| list.iter().take(place).any(|other| other == one));
        if list.is_empty() || twice {
            return Err(self.error(
                named.span(),
                &format!("{key}.clearance-from"),
                "each source stands there once, and at least one",
                "name configuration, certificate, attribute-certificate, directory",
            ));
        }
        Ok(Sources {
            from: list.clone(),
            combination: combination.unwrap_or(usual.combination),
        })
    }

    fn attribute_certificates(
        &self,
        paths: &[Spanned<PathBuf>],
    ) -> Result<Vec<AttributeCertificate>, ConfigError> {
        const KEY: &str = "subject.attribute-certificates";
        let remedy = "the file holds an attribute certificate, DER or PEM";
        let mut all = Vec::new();
        for path in paths {
            let found = AttributeCertificate::from_file(&self.read(KEY, path)?)
                .map_err(|error| self.error(path.span(), KEY, error, remedy))?;
            if found.is_empty() {
                let text = "the file holds no attribute certificate";
                return Err(self.error(path.span(), KEY, text, remedy));
            }
            all.extend(found);
        }
        Ok(all)
    }

    fn holders(
        &self,
        holders: &Spanned<Vec<Spanned<String>>>,
    ) -> Result<Vec<Address>, ConfigError> {
        const KEY: &str = "subject.holders";
        if holders.get_ref().is_empty() {
            return Err(self.error(
                holders.span(),
                KEY,
                "nobody holds this role",
                "name the mailboxes of those who act for it, or leave holders out",
            ));
        }
        let named = holders.get_ref().iter();
        named.map(|one| self.address(KEY, one)).collect()
    }

    /// Those who act for a role are mailboxes with entries, so that their clearances are known.
    fn check_holders(
        &self,
        subject: &written::Subject,
        subjects: &BTreeMap<Address, Subject>,
    ) -> Result<(), ConfigError> {
        let named = subject.holders.iter();
        for holder in named.flat_map(|holders| holders.get_ref()) {
            let address = self.address("subject.holders", holder)?;
            let known = subjects.get(&address);
            if known.is_none_or(|known| !known.holders.is_empty()) {
                return Err(self.error(
                    holder.span(),
                    "subject.holders",
                    format!("{address} is not a mailbox with a [[subject]] of its own"),
                    "name people; a role is not held by a role",
                ));
            }
        }
        Ok(())
    }
}

impl Parties {
    /// What of them decides whether an entry may go, for the number of the rules.
    pub(super) fn number(&self) -> String {
        let mut rules = format!("{:?}\n", self.rules);
        for subject in self.subjects.values() {
            rules.push_str(&format!(
                "{} {:?} {:?} {:?} {}\n",
                subject.address,
                subject.clearance,
                subject.sources,
                subject.holders,
                shown(
                    subject.certificate.as_ref(),
                    &subject.attribute_certificates
                )
            ));
        }
        for domain in self.domains.values() {
            rules.push_str(&format!(
                "{} {:?} {:?} {}\n",
                domain.domain,
                domain.clearance,
                domain.sources,
                shown(domain.certificate.as_ref(), &domain.attribute_certificates)
            ));
        }
        rules
    }
}

/// Certificates as they count for the number: octet for octet.
fn shown(certificate: Option<&Certificate>, given: &[AttributeCertificate]) -> String {
    let certificate = certificate.map(|one| hex(&one.fingerprint()));
    let given: Vec<String> = given.iter().map(|one| hex(one.der())).collect();
    format!("{certificate:?} {given:?}")
}
