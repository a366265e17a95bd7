//! What stands in the file: one struct for each section, in the order of the line.
//!
//! Each default stands beside the field that it fills. Unknown keys are errors.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::directory::Directory;
use super::internet::{Authentication, InternetSection};
use super::listeners::Listen;
use super::operation::{AuditSection, HeadRoomSection, MetricsSection};
use super::party::{ClearanceSource, Combination};
use super::revocation::Fetched;
use super::units::{ByteSize, Life, Stale, SuiteName};
use crate::crypto::algorithm::RsaPadding;
use crate::message::Precedence;
use crate::message::mime::Transfer;
use crate::message::protection::{Confidentiality, Dialect};

mod party;
mod queue;

pub(super) use party::{Subject, Subjects};
pub(super) use queue::Queue;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    pub switch: Switch,
    pub store: Store,
    pub keys: Keys,
    pub trust: Trust,
    #[serde(default)]
    pub revocation: super::revocation::Revocation,
    pub listen: Vec<Spanned<Listen>>,
    #[serde(default)]
    pub policies: Policies,
    pub policy: Vec<Policy>,
    #[serde(default)]
    pub directory: Directory,
    #[serde(default)]
    pub internet: InternetSection,
    #[serde(default)]
    pub subjects: Subjects,
    #[serde(default)]
    pub subject: Vec<Subject>,
    pub link: Vec<Link>,
    #[serde(default)]
    pub review: Review,
    #[serde(default)]
    pub queue: Queue,
    #[serde(default)]
    pub reports: super::reports::ReportsSection,
    #[serde(default)]
    pub audit: AuditSection,
    #[serde(default)]
    pub head_room: HeadRoomSection,
    pub metrics: Option<MetricsSection>,
    pub admin: Option<Admin>,
}

pub(super) fn read(text: &str) -> Result<Written, toml::de::Error> {
    toml::from_str(text)
}

/// `[switch]`: who this switch is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Switch {
    /// The host name that it says in greetings, Received and reports.
    pub name: String,
    /// The mail domains whose people are its subjects.
    pub domains: Vec<String>,
    /// The address that notices and reports come from; its certificate signs them.
    pub postmaster: Spanned<String>,
    /// The largest message that is taken.
    #[serde(default = "fifty_mebibytes")]
    pub size_limit: ByteSize,
    /// The largest message at a precedence, where it is less than that.
    #[serde(default)]
    pub size_limits: Vec<(Precedence, ByteSize)>,
    /// How long sessions and deliveries may go on when the switch stops.
    #[serde(default = "half_a_minute")]
    pub drain: Life,
    /// Messages that are judged at the same time; by itself as many as there are cores.
    pub permits: Option<Spanned<usize>>,
    /// Beside them, for IMMEDIATE and above; by itself half as many.
    pub reserved_permits: Option<Spanned<usize>>,
}

fn half_a_minute() -> Life {
    Life(std::time::Duration::from_secs(30))
}

fn fifty_mebibytes() -> ByteSize {
    ByteSize(50 << 20)
}

/// `[store]`: where it keeps what it has accepted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Store {
    pub directory: Spanned<PathBuf>,
    /// A file with the key that seals everything in the store: 32 random octets.
    pub key: Option<Spanned<PathBuf>>,
    /// In its place, the name of a credential that the service manager hands over.
    pub credential: Option<Spanned<String>>,
    /// What the database is kept with; without it, `redb`.
    pub engine: Option<Spanned<StoreEngine>>,
    /// The key, such as one on a token, for which the key of the store is wrapped up as CMS.
    pub wrapping_key: Option<KeyFiles>,
    #[serde(default)]
    pub assurance: StoreAssurance,
    /// The folder that a running switch writes backups to; without it, it makes none.
    pub backups: Option<Spanned<PathBuf>>,
    /// So many changes and octets share one commit at most; by itself 256 and 4 MiB.
    pub group: Option<(Spanned<usize>, Spanned<ByteSize>)>,
    /// So many others go beside changes of IMMEDIATE and above; by itself 8 and 64 KiB.
    pub beside_urgent: Option<(Spanned<usize>, Spanned<ByteSize>)>,
}

/// What the database is kept with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoreEngine {
    Redb,
    /// Where the program was built with it.
    Sled,
}

/// How hard the store works against an attacker who knows its file and makes the switch crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoreAssurance {
    /// Two-phase commit: several times slower with many sessions.
    High,
    #[default]
    Standard,
}

/// A private key and its certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KeyFiles {
    /// PEM; in PKCS #12, and on a token, it may stand beside the key.
    pub certificate: Option<Spanned<PathBuf>>,
    /// PEM, PKCS #12, or `pkcs11:` and its name on a token (RFC 7512).
    pub key: Spanned<PathBuf>,
    /// The password of the key, or the PIN of the token: the first line of a file,
    pub password_file: Option<Spanned<PathBuf>>,
    /// or a credential of the service manager,
    pub password_credential: Option<Spanned<String>>,
    /// or a variable of the environment.
    pub password_variable: Option<Spanned<String>>,
}

/// One key, or a list of them.
#[derive(Debug)]
pub(super) struct OneOrMore(pub Vec<KeyFiles>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key such as { certificate = …, key = … }, or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore, A::Error> {
                let one = KeyFiles::deserialize(MapAccessDeserializer::new(map))?;
                Ok(OneOrMore(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMore)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `[keys]`: the switch's own keys. People's keys stay with people.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Signs what leaves: domain signatures, outer signatures, reports. Of several the newest valid
    /// one does.
    pub sign: OneOrMore,
    /// Opens what is encrypted for this domain; old keys may stay behind the present one.
    pub decrypt: Vec<KeyFiles>,
    /// Shows this switch to its peers, as server and as client.
    pub tls: KeyFiles,
}

/// `[trust]`: who vouches for this domain's own people and machines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Trust {
    pub anchors: Vec<Spanned<PathBuf>>,
    /// CRLs in PEM or DER: files, or folders of them. They are read again when they change.
    #[serde(default)]
    pub crls: Vec<Spanned<PathBuf>>,
    /// What is fetched where these do not tell a status; nothing unless it is named.
    #[serde(default)]
    pub fetch: Vec<Fetched>,
    #[serde(default)]
    pub revocation: Revocation,
    /// Authorities that may stand between the anchors and everybody else; believed in nothing.
    #[serde(default)]
    pub authorities: Vec<Spanned<PathBuf>>,
    /// What happens when lists are out of date; without it, `hold`: the peer may try again.
    pub stale: Option<Stale>,
    /// The floor under algorithms and keys; without it, `modern`.
    pub suite: Option<SuiteName>,
    /// A file of passwords, made by `ravelin password set`.
    pub passwords: Option<Spanned<PathBuf>>,
    /// Certificates that are trusted or distrusted by decree; it counts on every link.
    pub list: Option<TrustList>,
}

/// `[trust] list`: a signed file of its own; `trust_list` says what stands in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TrustList {
    pub file: Spanned<PathBuf>,
    /// A detached CMS signature over the octets of `file`, DER or PEM.
    pub signature: Spanned<PathBuf>,
    /// Who may sign it, as in `[policies] signers`; at least one.
    pub signers: Spanned<Vec<Spanned<String>>>,
}

/// What is asked of revocation lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocation {
    /// A certificate whose issuer has no list here passes; a stale list never does.
    IfPresent,
    /// Every certificate needs a fresh list of its issuer.
    #[default]
    Required,
}

/// `[[policy]]`: a label policy; the first one is the domain's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Policy {
    pub file: Spanned<PathBuf>,
    /// A detached CMS signature over the octets of `file`, DER or PEM.
    pub signature: Option<Spanned<PathBuf>>,
    /// Its self-test; without the key, the `.cases` file beside it, where there is one.
    pub cases: Option<Spanned<PathBuf>>,
}

/// `[policies]`: what is demanded of every label policy.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Policies {
    /// Who may sign label policies: `sha256:` and the fingerprint of a certificate, `key-id:` and a
    /// subject key identifier, or `role:` and a role of a subject. None named: none need be signed.
    #[serde(default)]
    pub signers: Vec<Spanned<String>>,
    #[serde(default)]
    pub cases: CaseRule,
    #[serde(default)]
    pub sio_label: SioLabelRule,
}

/// What a SIO-Label field under a signature is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SioLabelRule {
    /// It must agree with the label in the signed attributes, and stands for none.
    #[default]
    Compared,
    /// As `compared`, and it stands for a label that is not there.
    Counts,
}

/// Whether a label policy must bring its cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CaseRule {
    /// They are run when they are there.
    #[default]
    IfPresent,
    /// A policy without cases is refused.
    Required,
}

/// A clearance in words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Clearance {
    pub policy: String,
    pub classifications: Vec<String>,
    /// Pairs of tag set and category.
    #[serde(default)]
    pub categories: Vec<(String, String)>,
}

/// A label in words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Label {
    pub policy: String,
    pub classification: String,
    #[serde(default)]
    pub categories: Vec<(String, String)>,
}

/// `[[link]]`: the way to a next hop, and what may go and come there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Link {
    pub name: Spanned<String>,
    /// The domains behind it.
    pub domains: Vec<String>,
    /// Host and port of the next hop; or `mx:` and the domain whose mail hosts DNS names.
    pub address: String,
    /// Further hosts and ports of the same peer, asked in turn where the one before cannot be
    /// reached.
    #[serde(default)]
    pub alternatives: Vec<String>,
    #[serde(default)]
    pub protocol: LinkProtocol,
    #[serde(default)]
    pub tls: TlsNeed,
    /// The DNS name in the far side's certificate, as server and as client.
    pub peer: Option<Spanned<String>>,
    /// What the far side publishes of its hosts, and must hold beside `peer`, or in place of it.
    #[serde(default)]
    pub authentication: Vec<Authentication>,
    /// The anchors that vouch for the far side; without them, those of `[trust]`.
    #[serde(default)]
    pub anchors: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    pub crls: Vec<Spanned<PathBuf>>,
    /// As in `[trust]`, for this link; without it, nothing, or with the anchors of `[trust]` what
    /// that says.
    pub fetch: Option<Vec<Fetched>>,
    /// As in `[trust]`, for this link; without it, `refuse`, or with the anchors of `[trust]` its
    /// rule.
    pub stale: Option<Stale>,
    /// As in `[trust]`, for this link; without it, that one.
    pub suite: Option<SuiteName>,
    /// What may pass the link, either way, in the words of the domain's own policy.
    pub clearance: Spanned<Clearance>,
    /// What else limits it, as in `[subjects]`; without it, the configuration alone.
    pub clearance_from: Option<Spanned<Vec<ClearanceSource>>>,
    pub combination: Option<Combination>,
    /// Tag set and category that a label must name before it may leave here.
    pub must_carry: Option<Spanned<Vec<(String, String)>>>,
    /// The label policy of the far side, when it is not ours.
    pub policy: Option<Spanned<String>>,
    #[serde(default)]
    pub recipients: Recipients,
    /// The longest line of a message, without its end, that comes from the far side and goes there;
    /// without it, 998 octets.
    pub longest_line: Option<Spanned<ByteSize>>,
    pub seal: Option<Spanned<Seal>>,
    #[serde(default)]
    pub arrives: Arrives,
}

/// How the next hop is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkProtocol {
    /// RFC 2033: a mailbox server.
    Lmtp,
    /// RFC 5321: another switch.
    #[default]
    Smtp,
}

/// Whether the link is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsNeed {
    /// TLS from the first octet (RFC 8314), both sides with certificates.
    Implicit,
    /// Inside one machine or one protected network only.
    Never,
    /// STARTTLS, both sides with certificates, or nothing is sent.
    #[default]
    Required,
}

/// Which recipients behind a link may be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipients {
    /// Anybody there; the link's clearance stands for theirs.
    Any,
    /// Only those with a `[[subject]]` of their own.
    #[default]
    Listed,
}

/// How a message is sealed for a link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Seal {
    #[serde(default)]
    pub profile: SealKind,
    #[serde(default)]
    pub cipher: Cipher,
    /// The certificate of the far domain, for a triple wrap.
    pub certificate: Option<Spanned<PathBuf>>,
    /// The label of the encrypted object, which a relay may see.
    pub relay_label: Option<Spanned<Label>>,
    /// How a triple wrap puts header fields under the domain signature.
    #[serde(default = "rfc9788")]
    pub header_protection: Dialect,
    /// What of them stands outside: `baseline` hides the subject, `shy` also names and time zone.
    #[serde(default)]
    pub header_confidentiality: Confidentiality,
    /// How the layers inside a triple wrap are encoded; `binary` costs a third less in each, and not
    /// every program takes it.
    #[serde(default)]
    pub inner_encoding: Transfer,
    /// How an RSA key of this switch signs a triple wrap.
    #[serde(default)]
    pub rsa_signatures: RsaPadding,
    /// Whether an envelope may be for a recipient's domain.
    #[serde(default)]
    pub domain_certificate: DomainCertificate,
}

/// Whether an envelope may be for a recipient's domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainCertificate {
    /// Only for the recipient's own certificate.
    #[default]
    Never,
    /// For the domain's (RFC 3183) where no certificate of the recipient is on record.
    WhereMissing,
}

const fn rfc9788() -> Dialect {
    Dialect::Rfc9788
}

/// The layers that a link's messages get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealKind {
    /// The originator's layers, untouched; an envelope for this domain is taken off.
    #[default]
    AsReceived,
    /// Encrypted for each recipient's own certificate.
    Enveloped,
    /// Domain signature, envelope for the far domain, outer signature.
    TripleWrap,
}

/// The content cipher of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Cipher {
    /// EnvelopedData: what mail programs of today open.
    #[serde(rename = "aes-256-cbc")]
    Aes256Cbc,
    /// AuthEnvelopedData: damage is found before a byte is released.
    #[default]
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
}

/// What a message that arrives over a link must bring.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Arrives {
    #[serde(default)]
    pub signed_by: SignedBy,
    /// Classifications (of our own policy) from which on the origin owes a release.
    pub release_owed: Option<Spanned<Vec<String>>>,
    /// How its header fields may be put under a signature.
    #[serde(default = "all_dialects")]
    pub header_protection: Vec<Dialect>,
    /// Which RSA key transport is read.
    #[serde(default)]
    pub key_transport: KeyTransport,
    /// The most urgent precedence that a message over the link may ask for; without it, any.
    pub highest_precedence: Option<Precedence>,
    /// The largest message that comes over the link, where that is less than `switch.size-limit`.
    pub size_limit: Option<ByteSize>,
}

/// Which RSA key transport is read from a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyTransport {
    /// RSAES-OAEP.
    #[default]
    Oaep,
    /// RSAES-PKCS1-v1_5 too: for a far side that knows nothing better.
    Pkcs1,
}

impl Default for Arrives {
    fn default() -> Self {
        Self {
            signed_by: SignedBy::default(),
            release_owed: None,
            header_protection: all_dialects(),
            key_transport: KeyTransport::default(),
            highest_precedence: None,
            size_limit: None,
        }
    }
}

fn all_dialects() -> Vec<Dialect> {
    Dialect::ALL.into()
}

/// Whose signature a link's messages must have outermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedBy {
    /// The far domain's, under the address that `peer` names.
    #[default]
    Domain,
    /// The originator's own.
    Originator,
}

/// `[review]`: what needs a releasing officer.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Review {
    #[serde(default)]
    pub rule: Vec<ReleaseRule>,
    #[serde(default)]
    pub signers: Vec<SignerRule>,
    /// How long a draft waits, by precedence; what is not named waits as the queue does.
    #[serde(default)]
    pub life: Vec<(Precedence, Life)>,
}

/// `[[review.rule]]`: labels and links that need releasing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReleaseRule {
    pub name: String,
    /// Classifications of the domain's own policy; none named means all.
    pub classifications: Option<Spanned<Vec<String>>>,
    /// Links; none named means all.
    pub links: Option<Spanned<Vec<String>>>,
    /// The role that releases.
    pub role: String,
    /// How many different holders of the role must sign.
    #[serde(default = "one")]
    pub officers: usize,
}

/// `[[review.signers]]`: labels and links for which more must sign than the drafter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SignerRule {
    pub name: String,
    /// Classifications of the domain's own policy; none named means all.
    pub classifications: Option<Spanned<Vec<String>>>,
    /// Links; none named means all.
    pub links: Option<Spanned<Vec<String>>>,
    /// The role whose holders sign, side by side with the drafter.
    pub role: String,
    /// How many different holders of the role must sign.
    #[serde(default = "one")]
    pub count: usize,
}

const fn one() -> usize {
    1
}

/// `[admin]`: where releasing officers' programs connect, with their certificates.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Admin {
    pub address: SocketAddr,
}
