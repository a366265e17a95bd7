//! Who takes part: mailboxes, roles and whole domains, and what speaks for the clearance of each.
//!
//! Promises: what is configured stands here as it was read; what it comes to at an instant, `check`
//! says. Standards: RFC 5755, RFC 5913 (where clearances come from).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Config, Link};
use crate::crypto::attribute_certificate::AttributeCertificate;
use crate::crypto::certificate::Certificate;
use crate::crypto::trust::{AttributeRules, TrustStore};
use crate::label::Clearance;
use crate::message::Precedence;
use crate::message::address::Address;

/// A mailbox or role.
#[derive(Clone)]
pub struct Subject {
    /// Its address.
    pub address: Address,
    /// What the configuration says that it may read.
    pub clearance: Option<Clearance>,
    /// What else may say so.
    pub sources: Sources,
    /// What it may do beside sending.
    pub roles: Vec<String>,
    /// The most urgent precedence that it may ask for.
    pub highest_precedence: Precedence,
    /// The largest message that it hands in, in octets, where that is less than everybody's.
    pub size_limit: Option<u64>,
    /// The certificate to encrypt for.
    pub certificate: Option<Certificate>,
    /// Attribute certificates about the holder of that certificate.
    pub attribute_certificates: Vec<AttributeCertificate>,
    /// Who acts for it; only a role has any.
    pub holders: Vec<Address>,
}

/// What kind of subject an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// One person's, or one program's.
    Mailbox,
    /// Held by several people.
    Role,
}

/// A whole mail domain: its people have no entries of their own.
#[derive(Clone)]
pub struct MailDomain {
    /// Its name, in lower case.
    pub domain: String,
    /// What the configuration says that its people may read.
    pub clearance: Option<Clearance>,
    /// What else may say so.
    pub sources: Sources,
    /// Its certificate.
    pub certificate: Option<Certificate>,
    /// Attribute certificates about the holder of that certificate.
    pub attribute_certificates: Vec<AttributeCertificate>,
}

/// Where a clearance may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClearanceSource {
    /// An attribute certificate (RFC 5755).
    AttributeCertificate,
    /// The clearance attribute of a certificate (RFC 5913 section 2).
    Certificate,
    /// The configuration.
    Configuration,
    /// What the directory has on record.
    Directory,
}

impl ClearanceSource {
    /// Its name, as in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AttributeCertificate => "attribute-certificate",
            Self::Certificate => "certificate",
            Self::Configuration => "configuration",
            Self::Directory => "directory",
        }
    }
}

/// What several sources come to. Never more than each of them that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combination {
    /// What all of them have in common that say something.
    #[default]
    All,
    /// What all of them have in common; one that says nothing leaves nothing.
    Every,
    /// What the first says that says something.
    First,
}

impl Combination {
    /// Its name, as in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Every => "every",
            Self::First => "first",
        }
    }
}

/// Which sources count for a party, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// In this order.
    pub from: Vec<ClearanceSource>,
    /// What several come to.
    pub combination: Combination,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            from: vec![ClearanceSource::Configuration],
            combination: Combination::default(),
        }
    }
}

impl Sources {
    /// Whether more counts than what the configuration states.
    pub fn is_asked(&self) -> bool {
        let states = |source: &ClearanceSource| *source == ClearanceSource::Configuration;
        !self.from.iter().all(states)
    }
}

impl Subject {
    /// What kind of subject it is.
    pub fn kind(&self) -> SubjectKind {
        match self.holders.is_empty() {
            true => SubjectKind::Mailbox,
            false => SubjectKind::Role,
        }
    }

    /// Whether this person acts for the role.
    pub fn is_held_by(&self, person: &Address) -> bool {
        self.holders.contains(person)
    }
}

impl SubjectKind {
    /// Its name, for people and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Role => "role",
        }
    }
}

/// Whole domains, by name.
pub(super) type MailDomains = BTreeMap<String, MailDomain>;

impl Config {
    /// The whole domain that an address belongs to, if there is an entry for it: exactly that one, not
    /// one above.
    pub fn mail_domain(&self, address: &Address) -> Option<&MailDomain> {
        self.mail_domains.get(address.comparable_domain())
    }

    /// All whole domains, by name.
    pub fn mail_domains(&self) -> impl Iterator<Item = &MailDomain> {
        self.mail_domains.values()
    }

    /// The link that leads to an address.
    pub fn link_to(&self, address: &Address) -> Option<&Arc<Link>> {
        let leads = |name: &String| crate::message::domain::same(name, address.domain());
        self.links
            .iter()
            .find(|link| link.domains.iter().any(leads))
    }

    /// Who vouches for the people of an address: the anchors of its own domain's link, or of this
    /// domain.
    pub fn trust_for(&self, address: &Address) -> &TrustStore {
        self.trust_for_domain(address.domain())
    }

    /// As [`Config::trust_for`], for a whole domain.
    pub fn trust_for_domain(&self, domain: &str) -> &TrustStore {
        let mut links = self.links.iter();
        let leads = |link: &&Arc<Link>| {
            let mut names = link.domains.iter();
            names.any(|name| crate::message::domain::same(name, domain))
        };
        links.find(leads).map_or(&self.trust, |link| &link.trust)
    }

    /// Whose attribute certificates count, and what we are called in them.
    pub fn attribute_rules(&self) -> &AttributeRules {
        &self.attribute_rules
    }
}
