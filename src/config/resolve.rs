//! From what stands in the file to what it means.
//!
//! Promises: every error carries the line of the value that is at fault, its key, and the remedy.
//! Label policies are taken over by `policies`, their signatures by `signature`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::meant::{Arrival, Config, Link, ReleaseOwed, SealProfile};
use super::party::Sources;
use super::revocation::fetching;
use super::units::ByteSize;
use super::written::{self, Written};
use super::{ConfigError, Revocation, SealKind, TlsNeed, line_of};
use crate::clock::Timestamp;
use crate::crypto::algorithm::ContentCipher;
use crate::crypto::certificate::Certificate;
use crate::crypto::revocation::fetch::Online;
use crate::crypto::trust::{RevocationCheck, StaleRule, Suite, TrustStore};
use crate::label::marked::Markings;
use crate::label::{Clearance, Policies, Policy, naming};
use crate::message::Precedence;
use crate::message::address::Address;
use crate::message::line::TEXT_LINE;
use crate::store::Assurance;

/// Reads what `written` names and resolves what it refers to.
pub(super) fn resolve(
    file: &Path,
    text: &str,
    written: Written,
    in_force: &Policies,
    now: Timestamp,
) -> Result<Config, ConfigError> {
    let at = Place {
        file,
        text,
        folder: file.parent().unwrap_or(Path::new(".")),
    };
    let authorities = at.certificates("trust.authorities", &written.trust.authorities)?;
    let own = at.trust(
        "trust",
        &written.trust.anchors,
        &written.trust.crls,
        written.trust.revocation,
    )?;
    let suite = written
        .trust
        .suite
        .map_or(Suite::default(), |suite| suite.0);
    let stale = written.trust.stale.map_or(StaleRule::Hold, |rule| rule.0);
    let mut revocation = at.revocation(&written);
    let own = fetching(own, revocation.online.as_ref(), &written.trust.fetch);
    let own = own
        .with_intermediates(authorities)
        .with_stale(stale)
        .with_suite(suite);
    let (list, trust_list) = at.trust_list(&written, &own, now)?.unzip();
    let trust = Arc::new(match list {
        Some(list) => own.with_trust_list(Arc::new(list)),
        None => own,
    });
    let (policies, provenance) = at.policies(&written, &trust, in_force, now)?;
    let policies = Arc::new(policies);
    let policy = policies.iter().next().ok_or_else(|| {
        at.whole(
            "policy",
            "no label policy is named",
            "add a [[policy]] section; the first one is the domain's own",
        )
    })?;
    let mut links: Vec<Arc<Link>> = Vec::new();
    for link in &written.link {
        at.next_hops(link, &written.internet)?;
        let rule = written.trust.revocation;
        let online = revocation.online.as_ref();
        let link = at.link(link, &policies, policy, &trust, rule, online)?;
        if links.iter().any(|other| other.name == link.name) {
            return Err(at.whole(
                &format!("link.{}", link.name),
                "two links have this name",
                "give each link its own name",
            ));
        }
        links.push(Arc::new(link));
    }
    let internet = at.internet(&written, &trust)?;
    let stores = links.iter().map(|link| &link.trust);
    for store in [&trust, &internet.trust].into_iter().chain(stores) {
        revocation.add_files(store);
    }
    let parties = at.parties(&written, &policies)?;
    let directory = at.directory(&written.directory)?;
    let mut tls_anchors = at.certificates("trust.anchors", &written.trust.anchors)?;
    for link in &written.link {
        tls_anchors.extend(at.certificates("link.anchors", &link.anchors)?);
    }
    let release_rules = written
        .review
        .rule
        .iter()
        .map(|rule| at.release_rule(rule, policy, &links))
        .collect::<Result<_, _>>()?;
    let signer_rules = written
        .review
        .signers
        .iter()
        .map(|rule| at.signer_rule(rule, policy, &links))
        .collect::<Result<_, _>>()?;
    let operation = at.operation(&written, &trust)?;
    let passwords = at.passwords(written.trust.passwords.as_ref())?;
    Ok(Config {
        file: file.to_owned(),
        number: super::policies::number(
            &provenance,
            &directory.digest,
            trust_list.as_ref(),
            &parties,
            &links,
        ),
        name: written.switch.name.clone(),
        domains: lower(&written.switch.domains),
        postmaster: at.address("switch.postmaster", &written.switch.postmaster)?,
        size_limit: written.switch.size_limit.0,
        size_limits: written
            .switch
            .size_limits
            .iter()
            .map(|(precedence, limit)| (*precedence, limit.0))
            .collect(),
        store: at.path(written.store.directory.get_ref()),
        store_key: at.store_key(&written.store)?,
        engine: at.engine(written.store.engine.as_ref())?,
        assurance: match written.store.assurance {
            written::StoreAssurance::High => Assurance::High,
            written::StoreAssurance::Standard => Assurance::Standard,
        },
        backups: written
            .store
            .backups
            .as_ref()
            .map(|path| at.path(path.get_ref())),
        keys: Arc::new(at.keys(&written.keys)?),
        internet,
        trust,
        trust_list,
        revocation,
        tls_anchors,
        listeners: written
            .listen
            .iter()
            .map(|listen| at.listener(listen, passwords.as_ref()))
            .collect::<Result<_, _>>()?,
        passwords,
        markings: Markings::of(policy),
        policies: Arc::clone(&policies),
        provenance,
        sio_label: written.policies.sio_label,
        subjects: parties.subjects,
        mail_domains: parties.domains,
        attribute_rules: parties.rules,
        directory: directory.directory,
        members: directory.members,
        directory_time: directory.time,
        harvest: directory.harvest,
        harvested: directory.harvested,
        links,
        signer_rules,
        release_rules,
        draft_life: times(&written.review.life),
        queue_life: times(&written.queue.life),
        queue_retry: times(&written.queue.retry),
        queue_notice: times(&written.queue.notice),
        queue_overdue: times(&written.queue.overdue),
        queue_dscp: written.queue.dscp.iter().copied().collect(),
        reports: at.report_rules(&written.reports)?,
        audit: written
            .audit
            .file
            .as_ref()
            .map(|path| at.path(path.get_ref())),
        operation,
        capacity: at.capacity(&written)?,
        admin: written.admin.as_ref().map(|admin| admin.address),
    })
}

fn lower(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

fn times(pairs: &[(Precedence, super::Life)]) -> BTreeMap<Precedence, Duration> {
    pairs
        .iter()
        .map(|(precedence, life)| (*precedence, life.0))
        .collect()
}

/// Where we are: for paths and for errors.
pub(super) struct Place<'a> {
    file: &'a Path,
    text: &'a str,
    folder: &'a Path,
}

impl Place<'_> {
    pub(super) fn error(
        &self,
        span: Range<usize>,
        key: &str,
        text: impl Display,
        remedy: &str,
    ) -> ConfigError {
        ConfigError {
            line: Some(line_of(self.text, span.start)),
            ..self.whole(key, text, remedy)
        }
    }

    pub(super) fn whole(&self, key: &str, text: impl Display, remedy: &str) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            line: None,
            key: key.to_owned(),
            text: text.to_string(),
            remedy: remedy.to_owned(),
        }
    }

    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn read(&self, key: &str, path: &Spanned<PathBuf>) -> Result<Vec<u8>, ConfigError> {
        let full = self.path(path.get_ref());
        std::fs::read(&full).map_err(|error| {
            self.error(
                path.span(),
                key,
                format!("{} cannot be read: {error}", full.display()),
                "paths are relative to the configuration file; check name and permissions",
            )
        })
    }

    pub(super) fn address(
        &self,
        key: &str,
        text: &Spanned<String>,
    ) -> Result<Address, ConfigError> {
        Address::parse(text.get_ref())
            .map_err(|error| self.error(text.span(), key, error, "write it as name@domain"))
    }

    pub(super) fn certificates(
        &self,
        key: &str,
        paths: &[Spanned<PathBuf>],
    ) -> Result<Vec<Certificate>, ConfigError> {
        let mut all = Vec::new();
        for path in paths {
            let found = Certificate::from_pem_many(&self.read(key, path)?).map_err(|error| {
                self.error(path.span(), key, error, "the file holds PEM certificates")
            })?;
            if found.is_empty() {
                return Err(self.error(
                    path.span(),
                    key,
                    "the file holds no certificate",
                    "the file holds PEM certificates",
                ));
            }
            all.extend(found);
        }
        Ok(all)
    }

    pub(super) fn certificate(
        &self,
        key: &str,
        path: &Spanned<PathBuf>,
    ) -> Result<Certificate, ConfigError> {
        let mut found = self.certificates(key, std::slice::from_ref(path))?;
        Ok(found.swap_remove(0))
    }

    pub(super) fn trust(
        &self,
        key: &str,
        anchors: &[Spanned<PathBuf>],
        crls: &[Spanned<PathBuf>],
        rule: Revocation,
    ) -> Result<TrustStore, ConfigError> {
        let anchors = self.certificates(&format!("{key}.anchors"), anchors)?;
        let files = self.list_files(&format!("{key}.crls"), crls)?;
        let rule = match rule {
            Revocation::IfPresent => RevocationCheck::Optional,
            Revocation::Required => RevocationCheck::Required,
        };
        Ok(TrustStore::new(anchors, Vec::new(), Vec::new())
            .with_files(Arc::new(files))
            .with_revocation(rule))
    }

    fn policy_named<'p>(
        &self,
        span: Range<usize>,
        key: &str,
        name: &str,
        policies: &'p Policies,
    ) -> Result<&'p Policy, ConfigError> {
        policies.by_name(name).ok_or_else(|| {
            self.error(
                span,
                key,
                format!("no policy is named {name:?}"),
                "add its file as a [[policy]]",
            )
        })
    }

    pub(super) fn clearance(
        &self,
        key: &str,
        written: &Spanned<written::Clearance>,
        policies: &Policies,
    ) -> Result<Clearance, ConfigError> {
        let words = written.get_ref();
        let policy = self.policy_named(written.span(), key, &words.policy, policies)?;
        let classifications: Vec<&str> = words.classifications.iter().map(String::as_str).collect();
        naming::clearance(policy, &classifications, &pairs(&words.categories)).map_err(|error| {
            self.error(
                written.span(),
                key,
                error,
                "use the names that stand in the policy",
            )
        })
    }

    fn link(
        &self,
        link: &written::Link,
        policies: &Policies,
        own: &Policy,
        own_trust: &Arc<TrustStore>,
        rule: Revocation,
        online: Option<&Arc<Online>>,
    ) -> Result<Link, ConfigError> {
        let key = |part: &str| format!("link.{}.{part}", link.name.get_ref());
        let far = match &link.policy {
            Some(name) => Some(
                self.policy_named(name.span(), &key("policy"), name.get_ref(), policies)?
                    .oid(),
            ),
            None => None,
        };
        let mut trust = if link.anchors.is_empty() {
            Arc::clone(own_trust)
        } else {
            let prefix = format!("link.{}", link.name.get_ref());
            let far = self.trust(&prefix, &link.anchors, &link.crls, rule)?;
            Arc::new(
                far.with_stale(StaleRule::Refuse)
                    .with_suite(own_trust.suite())
                    .with_trust_list(Arc::clone(own_trust.trust_list())),
            )
        };
        if let Some(rule) = link.stale {
            trust = Arc::new(TrustStore::clone(&trust).with_stale(rule.0));
        }
        if let Some(suite) = link.suite {
            trust = Arc::new(TrustStore::clone(&trust).with_suite(suite.0));
        }
        if let Some(what) = &link.fetch {
            trust = Arc::new(fetching(TrustStore::clone(&trust), online, what));
        }
        let is_named = link.peer.is_some() || !link.authentication.is_empty();
        if link.tls != TlsNeed::Never && !is_named {
            return Err(self.error(
                link.name.span(),
                &key("peer"),
                "a link with TLS needs the name of its peer",
                "set peer to the DNS name in the far side's certificate, or tls = \"never\"",
            ));
        }
        let clearance = self.clearance(&key("clearance"), &link.clearance, policies)?;
        if clearance.policy != own.oid() {
            return Err(self.error(
                link.clearance.span(),
                &key("clearance"),
                "a link's clearance is in the words of the domain's own policy",
                "use the policy of the first [[policy]] section",
            ));
        }
        let (must_carry, span) = listed(link.must_carry.as_ref());
        let must_carry = naming::clearance(own, &[], &pairs(must_carry)).map_err(|error| {
            self.error(
                span.clone(),
                &key("must-carry"),
                error,
                "use tag sets and categories of the domain's own policy",
            )
        })?;
        let release = self.classifications(
            link.arrives.release_owed.as_ref(),
            &key("arrives.release-owed"),
            own,
        )?;
        Ok(Link {
            name: link.name.get_ref().clone(),
            domains: lower(&link.domains),
            address: link.address.clone(),
            alternatives: link.alternatives.clone(),
            protocol: link.protocol,
            tls: link.tls,
            peer: link.peer.as_ref().map(|peer| peer.get_ref().clone()),
            authentication: link.authentication.clone(),
            trust,
            clearance,
            sources: self.sources(
                &format!("link.{}", link.name.get_ref()),
                link.clearance_from.as_ref(),
                link.combination,
                &Sources::default(),
            )?,
            must_carry: must_carry.categories,
            policy: far,
            recipients: link.recipients,
            longest_line: match &link.longest_line {
                None => TEXT_LINE,
                Some(line) => {
                    let (least, most) = (ByteSize(998), ByteSize(64 << 10));
                    let line = self.bounded(&key("longest-line"), line, least..=most)?;
                    usize::try_from(line.0).unwrap_or(TEXT_LINE)
                }
            },
            seal: match &link.seal {
                Some(seal) => self.seal(&key("seal"), seal, policies)?,
                None => SealProfile::AsReceived,
            },
            arrival: Arrival {
                signed_by: link.arrives.signed_by,
                release: ReleaseOwed(release),
                header_protection: link.arrives.header_protection.clone(),
                key_transport: link.arrives.key_transport,
                highest_precedence: link
                    .arrives
                    .highest_precedence
                    .unwrap_or(Precedence::Override),
                size_limit: link.arrives.size_limit.map(|limit| limit.0),
            },
        })
    }

    fn seal(
        &self,
        key: &str,
        written: &Spanned<written::Seal>,
        policies: &Policies,
    ) -> Result<SealProfile, ConfigError> {
        let seal = written.get_ref();
        let cipher = match seal.cipher {
            written::Cipher::Aes256Cbc => ContentCipher::Aes256Cbc,
            written::Cipher::Aes256Gcm => ContentCipher::Aes256Gcm,
        };
        match seal.profile {
            SealKind::AsReceived => Ok(SealProfile::AsReceived),
            SealKind::Enveloped => Ok(SealProfile::Enveloped {
                cipher,
                domain_certificate: seal.domain_certificate,
            }),
            SealKind::TripleWrap => {
                let (Some(certificate), Some(label)) = (&seal.certificate, &seal.relay_label)
                else {
                    return Err(self.error(
                        written.span(),
                        key,
                        "a triple wrap needs certificate and relay-label",
                        "name the far domain's certificate, and the label that a relay may see",
                    ));
                };
                let words = label.get_ref();
                let policy = self.policy_named(label.span(), key, &words.policy, policies)?;
                let relay_label =
                    naming::label(policy, &words.classification, &pairs(&words.categories))
                        .map_err(|error| {
                            self.error(
                                label.span(),
                                key,
                                error,
                                "use the names that stand in the policy",
                            )
                        })?;
                Ok(SealProfile::TripleWrap {
                    cipher,
                    certificate: Box::new(self.certificate(key, certificate)?),
                    relay_label: Box::new(relay_label),
                    header_protection: seal.header_protection,
                    confidentiality: seal.header_confidentiality,
                    inner_encoding: seal.inner_encoding,
                    rsa_signatures: seal.rsa_signatures,
                })
            }
        }
    }

    pub(super) fn classifications(
        &self,
        names: Option<&Spanned<Vec<String>>>,
        key: &str,
        policy: &Policy,
    ) -> Result<Vec<u64>, ConfigError> {
        let (names, span) = listed(names);
        let remedy = "use the names that stand in the policy";
        names
            .iter()
            .map(|name| {
                naming::label(policy, name, &[])
                    .map_err(|error| self.error(span.clone(), key, error, remedy))
                    .map(|label| label.classification.unwrap_or_default())
            })
            .collect()
    }
}

/// The items of a list that may be left out, and where it stands.
fn listed<T>(list: Option<&Spanned<Vec<T>>>) -> (&[T], Range<usize>) {
    list.map_or((&[], 0..0), |list| (list.get_ref(), list.span()))
}

fn pairs(written: &[(String, String)]) -> Vec<(&str, &str)> {
    written
        .iter()
        .map(|(tag_set, category)| (tag_set.as_str(), category.as_str()))
        .collect()
}
