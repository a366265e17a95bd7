//! What the file means: typed values, every file read, every name resolved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::capacity::Capacity;
use super::listeners::Listener;
use super::party::{MailDomains, Sources, Subject};
use super::reports::ReportRules;
use super::revocation::RevocationData;
use super::{
    Authentication, DomainCertificate, Dscp, HarvestRule, Internet, KeyTransport, LinkProtocol,
    Operation, Recipients, SignedBy, SioLabelRule, TlsNeed,
};
use crate::clock::Timestamp;
use crate::crypto::algorithm::{ContentCipher, RsaPadding};
use crate::crypto::certificate::Certificate;
use crate::crypto::directory::{Directory, Harvested, Members};
use crate::crypto::keys::Identity;
use crate::crypto::trust::{AttributeRules, TrustStore};
use crate::label::marked::Markings;
use crate::label::{Categories, Clearance, Label, ObjectIdentifier, Policies, Policy};
use crate::message::Precedence;
use crate::message::address::Address;
use crate::message::envelope::Identity as Peer;
use crate::message::line::TEXT_LINE;
use crate::message::mime::Transfer;
use crate::message::protection::{Confidentiality, Dialect};
use crate::smtp::sasl::Passwords;
use crate::store::{self, Assurance, EngineKind, StoreKey};

/// A configuration that holds together.
#[derive(Clone)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// The number of its rules; [`Config::judged_under`] shows it.
    pub(super) number: String,
    /// The host name of this switch.
    pub name: String,
    /// Its own mail domains, in lower case.
    pub domains: Vec<String>,
    /// The address that notices and reports come from.
    pub postmaster: Address,
    /// The largest message, in octets.
    pub size_limit: u64,
    /// The largest message at a precedence, in octets, where it is less than that.
    pub size_limits: BTreeMap<Precedence, u64>,
    /// The folder of the store.
    pub store: PathBuf,
    /// The key that seals the store.
    pub store_key: StoreKey,
    /// What its database is kept with.
    pub engine: EngineKind,
    /// How hard the store works against an attacker who makes the switch crash.
    pub assurance: Assurance,
    /// The folder of backups.
    pub backups: Option<PathBuf>,
    /// How next hops are found that no address is written for.
    pub internet: Internet,
    /// The switch's own keys.
    pub keys: Arc<Keys>,
    /// Who vouches for this domain's own people.
    pub trust: Arc<TrustStore>,
    /// What is kept of the passwords of this domain's people.
    pub passwords: Option<Arc<Passwords>>,
    /// Where the trust list comes from; what it says stands in every trust store.
    pub trust_list: Option<ListProvenance>,
    /// How revocation data comes in while the switch runs.
    pub revocation: RevocationData,
    /// The anchors of this domain and of all links, for the TLS handshake.
    pub tls_anchors: Vec<Certificate>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// All label policies; the first is the domain's own.
    pub policies: Arc<Policies>,
    /// Where each of them comes from, in the same order.
    pub provenance: Vec<Provenance>,
    /// How the domain's own policy marks its classifications.
    pub markings: Markings,
    /// What a SIO-Label field under a signature is worth.
    pub sio_label: SioLabelRule,
    /// Mailboxes and roles.
    pub subjects: BTreeMap<Address, Subject>,
    /// Whole domains, by name.
    pub(super) mail_domains: MailDomains,
    /// Whose attribute certificates count.
    pub(super) attribute_rules: AttributeRules,
    /// Where certificates and clearances come from that the configuration does not name.
    pub directory: Arc<dyn Directory>,
    /// For all that the directory is asked for one message.
    pub directory_time: Duration,
    /// Whether signed mail brings certificates.
    pub harvest: Option<Arc<HarvestRule>>,
    /// What it brought.
    pub harvested: Arc<Harvested>,
    /// Who belongs to the community; without it, everybody that the links lead to.
    pub members: Option<Arc<dyn Members>>,
    /// The ways out and in.
    pub links: Vec<Arc<Link>>,
    /// Who signs beside the drafter.
    pub signer_rules: Vec<SignerRule>,
    /// What needs a releasing officer.
    pub release_rules: Vec<ReleaseRule>,
    /// How long a draft waits, by precedence.
    pub draft_life: BTreeMap<Precedence, Duration>,
    /// How long an entry lives, by precedence.
    pub queue_life: BTreeMap<Precedence, Duration>,
    /// The wait before the first retry, by precedence.
    pub queue_retry: BTreeMap<Precedence, Duration>,
    /// When the sender is told that it takes long, by precedence.
    pub queue_notice: BTreeMap<Precedence, Duration>,
    /// When an entry is overdue, by precedence.
    pub queue_overdue: BTreeMap<Precedence, Duration>,
    /// The marks of outgoing packets that are not the usual ones.
    pub queue_dscp: BTreeMap<Precedence, Dscp>,
    /// How long reports are awaited.
    pub reports: ReportRules,
    /// Where the audit chain is exported.
    pub audit: Option<PathBuf>,
    /// How the switch is run.
    pub operation: Operation,
    /// How much is done at once.
    pub capacity: Capacity,
    /// Where releasing officers connect.
    pub admin: Option<SocketAddr>,
}

impl Config {
    /// The domain's own policy. A configuration has at least one: `resolve` sees to it.
    pub fn policy(&self) -> &Policy {
        self.policies
            .iter()
            .next()
            .expect("a resolved configuration names a policy")
    }

    /// The largest message at a precedence, in octets.
    pub fn size_limit_at(&self, precedence: Precedence) -> u64 {
        let limit = self.size_limits.get(&precedence).copied();
        limit.unwrap_or(u64::MAX).min(self.size_limit)
    }

    /// The most urgent precedence that this peer may ask for.
    pub fn highest_precedence(&self, peer: &Peer) -> Precedence {
        let highest = match peer {
            Peer::Link(name) => {
                let link = self.links.iter().find(|link| link.name == *name);
                link.map(|link| link.arrival.highest_precedence)
            }
            Peer::Nobody => None,
            Peer::Subject(address) => {
                let subject = self.subjects.get(address);
                subject.map(|subject| subject.highest_precedence)
            }
        };
        highest.unwrap_or(Precedence::Deferred)
    }

    /// The largest message that this peer may hand in, in octets.
    pub fn size_limit_of(&self, peer: &Peer) -> u64 {
        let own = match peer {
            Peer::Link(name) => {
                let link = self.links.iter().find(|link| link.name == *name);
                link.and_then(|link| link.arrival.size_limit)
            }
            Peer::Nobody => None,
            Peer::Subject(address) => {
                let subject = self.subjects.get(address);
                subject.and_then(|subject| subject.size_limit)
            }
        };
        own.unwrap_or(u64::MAX).min(self.size_limit)
    }

    /// The longest line that this peer may send, in octets without its end.
    pub fn longest_line_of(&self, peer: &Peer) -> usize {
        let link = match peer {
            Peer::Link(name) => self.links.iter().find(|link| link.name == *name),
            Peer::Nobody | Peer::Subject(_) => None,
        };
        link.map_or(TEXT_LINE, |link| link.longest_line)
    }

    /// Where and how its store lies.
    pub fn store_settings(&self) -> store::Settings {
        store::Settings {
            dir: self.store.clone(),
            key: self.store_key.clone(),
            export: self.audit.clone(),
            engine: self.engine,
            assurance: self.assurance,
        }
    }

    /// The mark of outgoing packets of this precedence.
    pub fn dscp(&self, precedence: Precedence) -> Dscp {
        let set = self.queue_dscp.get(&precedence).copied();
        set.unwrap_or_else(|| Dscp::of(precedence))
    }

    /// Whether a pinned signer has signed this policy.
    pub fn is_signed(&self, policy: &Policy) -> bool {
        self.provenance
            .iter()
            .any(|known| known.id == policy.oid() && !known.signed_by.is_empty())
    }

    /// The number of the rules: names and versions of all label policies, and a digest over all that
    /// decides whether an entry may go: policies, subjects, links.
    pub fn judged_under(&self) -> &str {
        &self.number
    }
}

/// Where a label policy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Its object identifier.
    pub id: ObjectIdentifier,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Its creation date, as it is written there.
    pub created: Option<String>,
    /// The SHA-384 of its file, in hexadecimal.
    pub digest: String,
    /// The pins of those who signed it; none when nobody did who is pinned.
    pub signed_by: Vec<String>,
}

/// Where the trust list comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListProvenance {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub date: Timestamp,
    /// The SHA-384 of its file, in hexadecimal.
    pub digest: String,
    /// The pins of those who signed it.
    pub signed_by: Vec<String>,
}

/// The switch's own keys.
pub struct Keys {
    /// Sign what leaves; [`Keys::signer`] says which of them does.
    pub sign: Vec<Identity>,
    /// Open what is encrypted for this domain.
    pub decrypt: Vec<Identity>,
    /// The same, for links whose far side knows nothing better than PKCS#1 v1.5 key transport.
    pub decrypt_pkcs1: Vec<Identity>,
    /// Shows this switch to its peers.
    pub tls: Identity,
}

/// The way to a next hop, and what may go and come there.
pub struct Link {
    /// Its name.
    pub name: String,
    /// The domains behind it, in lower case.
    pub domains: Vec<String>,
    /// Host and port of the next hop, or `mx:` and a domain.
    pub address: String,
    /// Further ones of the same peer, asked in turn.
    pub alternatives: Vec<String>,
    /// SMTP or LMTP.
    pub protocol: LinkProtocol,
    /// Whether it is encrypted.
    pub tls: TlsNeed,
    /// The DNS name in the far side's certificate.
    pub peer: Option<String>,
    /// What else may vouch for its hosts.
    pub authentication: Vec<Authentication>,
    /// Who vouches for the far side's people and machines.
    pub trust: Arc<TrustStore>,
    /// What may pass, either way, under the domain's own policy.
    pub clearance: Clearance,
    /// What else may say so.
    pub sources: Sources,
    /// What a label must name before it may leave here.
    pub must_carry: Categories,
    /// The far side's policy, when it is not ours.
    pub policy: Option<ObjectIdentifier>,
    /// Which recipients may be written to.
    pub recipients: Recipients,
    /// The longest line, in octets without its end, either way.
    pub longest_line: usize,
    /// How messages are sealed for it.
    pub seal: SealProfile,
    /// What a message that arrives over it must bring.
    pub arrival: Arrival,
}

impl Link {
    /// The certificate of the far domain, if messages are sealed for it.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.seal {
            SealProfile::TripleWrap { certificate, .. } => Some(certificate),
            SealProfile::AsReceived | SealProfile::Enveloped { .. } => None,
        }
    }
}

/// How messages are sealed for a link, with what that takes.
pub enum SealProfile {
    /// The originator's layers, untouched.
    AsReceived,
    /// Encrypted for each recipient.
    Enveloped {
        /// The content cipher.
        cipher: ContentCipher,
        /// Whether it may be for a recipient's domain.
        domain_certificate: DomainCertificate,
    },
    /// Domain signature, envelope for the far domain, outer signature.
    TripleWrap {
        /// The content cipher.
        cipher: ContentCipher,
        /// The far domain's certificate.
        certificate: Box<Certificate>,
        /// The label of the encrypted object.
        relay_label: Box<Label>,
        /// How header fields are put under the domain signature.
        header_protection: Dialect,
        /// What of them stands outside.
        confidentiality: Confidentiality,
        /// How the layers inside the outermost are encoded.
        inner_encoding: Transfer,
        /// How an RSA key signs.
        rsa_signatures: RsaPadding,
    },
}

/// What a message that arrives over a link must bring.
pub struct Arrival {
    /// Whose signature must be outermost.
    pub signed_by: SignedBy,
    /// Which labels owe a release.
    pub release: ReleaseOwed,
    /// How its header fields may be put under a signature.
    pub header_protection: Vec<Dialect>,
    /// Which RSA key transport is read.
    pub key_transport: KeyTransport,
    /// The most urgent precedence that it may ask for.
    pub highest_precedence: Precedence,
    /// The largest message, in octets, where that is less than everybody's.
    pub size_limit: Option<u64>,
}

/// The classifications, of the domain's own policy, for which the origin owes a release.
pub struct ReleaseOwed(pub Vec<u64>);

/// What a rule of `[review]` speaks of.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The classifications; empty means all.
    pub classifications: Vec<u64>,
    /// The links; empty means all.
    pub links: Vec<String>,
}

/// A `[[review.signers]]`: whose signatures stand beside the drafter's.
#[derive(Clone, Debug)]
pub struct SignerRule {
    /// Its name, for the explanation.
    pub name: String,
    /// What it speaks of.
    pub scope: Scope,
    /// The role that signs.
    pub role: String,
    /// How many holders of the role.
    pub count: usize,
}

/// A `[[review.rule]]`: who releases.
#[derive(Clone, Debug)]
pub struct ReleaseRule {
    /// Its name, for the explanation.
    pub name: String,
    /// What it speaks of.
    pub scope: Scope,
    /// The role that releases.
    pub role: String,
    /// How many holders of the role.
    pub officers: usize,
}
