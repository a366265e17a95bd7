//! Whom we believe: path validation from a certificate up to a trust anchor.
//!
//! Promises: a path is returned only when every certificate of it passed every check at the given
//! instant; the work is bounded whatever certificates a message brings along.
//! Refuses: unknown critical extensions, what is below the suite's floor, a status that is unknown
//! (as our fault, not the peer's, unless the rule says otherwise).
//! Standards: RFC 5280 §6.1, §6.3, 9618, 8550 §4, 5914, 5937 (an anchor's own constraints count).

use std::sync::Arc;

use der::asn1::ObjectIdentifier;

use super::certificate::Certificate;
use super::revocation::RevocationList;
use super::revocation::fetch::{Missing, Online};
use super::revocation::files::ListFiles;
use super::revocation::noted;
use super::revocation::ocsp::Response;
use crate::clock::Timestamp;

mod anchor;
mod aside;
#[cfg(test)]
mod attribute_tests;
mod attributes;
mod bounds;
mod clearances;
#[cfg(test)]
mod clearance_tests;
#[cfg(test)]
mod kept_tests;
mod list_signer;
mod names;
mod online;
#[cfg(test)]
mod peer_tests;
mod policy;
mod problem;
mod process;
mod remembered;
mod search;
mod status;
mod suite;
mod trust_list;
#[cfg(test)]
mod trust_list_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod anchor_tests;
#[cfg(test)]
mod name_model_tests;
#[cfg(test)]
mod name_tests;
#[cfg(test)]
mod online_tests;
mod usage;

pub use anchor::Anchor;
pub use attributes::{AttributeFault, AttributeProblem, AttributeRules, Attributed};
pub use bounds::Bounds;
pub(super) use names::same_name;
pub use policy::PolicyRules;
pub use problem::TrustProblem;
pub use suite::Suite;
pub use trust_list::{Distrusted, Target, TrustList, Trusted};

use remembered::Remembered;
use search::Search;

/// How often a path is looked at again for what was fetched: each time a further certificate of it.
const MOST_ROUNDS: usize = 16;

/// What the certificate is about to be used for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// Whatever it allows: for looking at certificates, not for deciding.
    Any,
    /// Issuing certificates.
    Authority,
    /// TLS client.
    Client,
    /// Encrypting a message to it.
    Encrypt,
    /// Signing CRLs.
    RevocationList,
    /// TLS server.
    Server,
    /// Signing a message.
    Sign,
}

/// What happens when no usable CRL speaks for a certificate's issuer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RevocationCheck {
    /// The certificate passes if there is no CRL at all; a usable one is still obeyed, and one
    /// that is out of date is not enough.
    Optional,
    /// [`TrustProblem::RevocationUnknown`].
    #[default]
    Required,
}

/// What happens when the CRLs that there are for a certificate are out of date.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum StaleRule {
    /// They count until they are this old, from when they were made; then as with `Hold`.
    AcceptUntil(jiff::SignedDuration),
    /// [`TrustProblem::RevocationUnknown`]: our fault, and the sender may try again.
    #[default]
    Hold,
    /// [`TrustProblem::RevocationStale`]: the message is refused.
    Refuse,
}

/// What is fetched where the store has a way out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asking {
    /// CRLs, from the places that certificates and CRLs name.
    pub lists: bool,
    /// The answers of the OCSP responders that certificates name.
    pub answers: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            lists: true,
            answers: true,
        }
    }
}

/// What a look at a certificate came to, without waiting for anybody.
#[derive(Clone, Debug)]
pub struct Finding {
    /// A good path, or why there is none.
    pub outcome: Result<Path, TrustProblem>,
    /// What to fetch before it is looked at again; nothing: there is no more to learn now.
    pub missing: Vec<Missing>,
}

impl Finding {
    /// Tells whoever judges what this rests on; whether there is somebody.
    fn is_noted(&self) -> bool {
        let told = || match &self.outcome {
            Ok(path) => path.evidence().iter().map(ToString::to_string).collect(),
            Err(problem) if problem.is_of_revocation() => {
                vec![format!("{}: {}", problem.certificate(), problem.fault())]
            }
            Err(_) => Vec::new(),
        };
        noted::note(told, &self.missing)
    }
}

/// Anchors, authorities and CRLs that this switch was configured with, and the rules they go by.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    anchors: Vec<Anchor>,
    anchor_certificates: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    lists: Arc<Vec<RevocationList>>,
    files: Option<Arc<ListFiles>>,
    revocation: RevocationCheck,
    stale: StaleRule,
    suite: Suite,
    policies: PolicyRules,
    responses: Vec<Response>,
    online: Option<Arc<Online>>,
    asking: Asking,
    list: Arc<TrustList>,
    remembered: Arc<Remembered>,
}

/// A validated path: the end entity first, the anchor last. Clones share one copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path(Arc<Validated>);

#[derive(Debug, Eq, PartialEq)]
struct Validated {
    certificates: Vec<Certificate>,
    anchor: Anchor,
    policies: Vec<ObjectIdentifier>,
    evidence: Vec<Evidence>,
    at: Timestamp,
    ground: Ground,
}

/// What a path is good by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ground {
    /// An anchor, and every certificate between.
    Anchor,
    /// The trust list alone.
    Decree,
}

/// What told the status of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// The certificate's subject.
    pub certificate: String,
    /// Who says so: the issuer of the CRL.
    pub source: String,
    /// When it was said.
    pub this_update: Timestamp,
    /// When something newer was to be there, as it says itself.
    pub next_update: Option<Timestamp>,
    /// Until when it counts.
    pub until: Timestamp,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (said, when) = (&self.source, self.this_update);
        write!(
            f,
            "{}: not revoked, says {said}, thisUpdate {when}, ",
            self.certificate
        )?;
        match self.next_update {
            Some(next) => write!(f, "nextUpdate {next}"),
            None => write!(f, "counts until {}", self.until),
        }
    }
}

/// A path that was looked at and is not good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// End entity first, the anchor's certificate last, if it has one.
    pub certificates: Vec<Certificate>,
    /// The anchor.
    pub anchor: Anchor,
    /// Why it is not good.
    pub problem: TrustProblem,
}

impl Path {
    /// End entity first, the anchor's certificate last, if it has one.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0.certificates
    }

    /// The certificate of the anchor under which the path was found good, if it has one.
    pub fn anchor(&self) -> Option<&Certificate> {
        self.0.anchor.certificate()
    }

    /// The anchor under which the path was found good.
    pub fn trust_anchor(&self) -> &Anchor {
        &self.0.anchor
    }

    /// The policies for which it is valid, in the anchor's words.
    pub fn policies(&self) -> &[ObjectIdentifier] {
        &self.0.policies
    }

    /// What told the status of its certificates.
    pub fn evidence(&self) -> &[Evidence] {
        &self.0.evidence
    }

    /// The instant for which it was validated.
    pub fn at(&self) -> Timestamp {
        self.0.at
    }

    /// The instants between which it stays good, if nothing new is learned.
    pub fn window(&self) -> (Timestamp, Timestamp) {
        let certificates = || self.0.certificates.iter();
        let told = || self.0.evidence.iter();
        let begin = certificates().map(Certificate::not_before);
        let begin = begin.chain(told().map(|one| one.this_update)).max();
        let end = certificates().map(Certificate::not_after);
        let end = end.chain(told().map(|one| one.until)).min();
        (begin.unwrap_or(self.0.at), end.unwrap_or(self.0.at))
    }
}

impl TrustStore {
    /// With these anchors, known authorities and CRLs; the status of each certificate is required.
    pub fn new(
        anchors: Vec<Certificate>,
        intermediates: Vec<Certificate>,
        lists: Vec<RevocationList>,
    ) -> Self {
        Self::with_anchors(
            anchors.into_iter().map(Anchor::from).collect(),
            intermediates,
            lists,
        )
    }

    /// As [`TrustStore::new`], with anchors that may be without certificates.
    pub fn with_anchors(
        anchors: Vec<Anchor>,
        intermediates: Vec<Certificate>,
        lists: Vec<RevocationList>,
    ) -> Self {
        Self {
            anchor_certificates: anchors
                .iter()
                .filter_map(|anchor| anchor.certificate().cloned())
                .collect(),
            anchors,
            intermediates,
            lists: Arc::new(lists),
            ..Self::default()
        }
    }

    /// The same store with another rule for unknown status.
    #[must_use]
    pub fn with_revocation(mut self, check: RevocationCheck) -> Self {
        self.revocation = check;
        self.remembered = Arc::default();
        self
    }

    /// The same store with another rule for CRLs that are out of date.
    #[must_use]
    pub fn with_stale(mut self, rule: StaleRule) -> Self {
        self.stale = rule;
        self.remembered = Arc::default();
        self
    }

    /// The same store with another floor under algorithms and keys.
    #[must_use]
    pub fn with_suite(mut self, suite: Suite) -> Self {
        self.suite = suite;
        self.remembered = Arc::default();
        self
    }

    /// The same store with other demands on certificate policies.
    #[must_use]
    pub fn with_policies(mut self, rules: PolicyRules) -> Self {
        self.policies = rules;
        self.remembered = Arc::default();
        self
    }

    /// The same store with these OCSP answers at hand.
    #[must_use]
    pub fn with_responses(mut self, responses: Vec<Response>) -> Self {
        self.responses = responses;
        self.remembered = Arc::default();
        self
    }

    /// The same store with a way out: CRLs and OCSP answers are fetched where a certificate of an
    /// otherwise good path says so, while what is at hand does not tell its status.
    #[must_use]
    pub fn with_online(mut self, online: Arc<Online>) -> Self {
        self.online = Some(online);
        self.remembered = Arc::default();
        self
    }

    /// The same store, in which only this is fetched.
    #[must_use]
    pub fn with_asking(mut self, asking: Asking) -> Self {
        self.asking = asking;
        self.remembered = Arc::default();
        self
    }

    /// The same store without a way out.
    #[must_use]
    pub fn without_online(mut self) -> Self {
        self.online = None;
        self.remembered = Arc::default();
        self
    }

    /// The same store with the CRLs of these files, as they are read again.
    #[must_use]
    pub fn with_files(mut self, files: Arc<ListFiles>) -> Self {
        self.files = Some(files);
        self.remembered = Arc::default();
        self
    }

    /// What is fetched; nothing without a way out.
    pub fn asking(&self) -> Asking {
        match self.online {
            Some(_) => self.asking,
            None => Asking {
                lists: false,
                answers: false,
            },
        }
    }

    /// The files that its CRLs are read from, if they are.
    pub fn files(&self) -> Option<&Arc<ListFiles>> {
        self.files.as_ref()
    }

    /// The way out, if there is one.
    pub fn online(&self) -> Option<&Arc<Online>> {
        self.online.as_ref()
    }

    /// The CRLs at hand.
    pub fn lists(&self) -> Arc<Vec<RevocationList>> {
        match &self.files {
            Some(files) => files.lists(),
            None => Arc::clone(&self.lists),
        }
    }

    /// Grows whenever something new is known of who was revoked.
    fn generation(&self) -> u64 {
        let fetched = self.online.as_ref().map_or(0, |online| online.generation());
        let read = self.files.as_ref().map_or(0, |files| files.generation());
        // Neither ever shrinks, so that the sum grows with each of them.
        fetched.wrapping_add(read)
    }

    /// The same store with other known authorities.
    #[must_use]
    pub fn with_intermediates(mut self, known: Vec<Certificate>) -> Self {
        self.intermediates = known;
        self.remembered = Arc::default();
        self
    }

    /// The same store with another trust list.
    #[must_use]
    pub fn with_trust_list(mut self, list: Arc<TrustList>) -> Self {
        self.list = list;
        self.remembered = Arc::default();
        self
    }

    /// The trust list; without one, a list that knows nothing.
    pub fn trust_list(&self) -> &Arc<TrustList> {
        &self.list
    }

    /// The floor under algorithms and keys.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The same store with other CRLs (the old ones are dropped).
    #[must_use]
    pub fn with_lists(mut self, lists: Vec<RevocationList>) -> Self {
        self.lists = Arc::new(lists);
        self.files = None;
        self.remembered = Arc::default();
        self
    }

    /// The anchors.
    pub fn trust_anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// The known authorities.
    pub fn authorities(&self) -> &[Certificate] {
        &self.intermediates
    }

    /// The rule for unknown status.
    pub fn revocation(&self) -> RevocationCheck {
        self.revocation
    }

    /// The rule for CRLs that are out of date.
    pub fn stale(&self) -> StaleRule {
        self.stale
    }

    /// The certificates of the anchors.
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchor_certificates
    }

    /// Looks for a path from `certificate` to an anchor that is good for `purpose` at `at`.
    /// `extra` are certificates that came along with the message; they are believed in nothing.
    /// A path that was found good is remembered as long as nothing in it begins or ends. Where the
    /// store has a way out, this waits for the network, as long as the way out allows; within
    /// [`noted::noting`] it waits for nothing, and what is missing is noted.
    pub fn validate(
        &self,
        certificate: &Certificate,
        extra: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<Path, TrustProblem> {
        for _ in 0..MOST_ROUNDS {
            let found = self.look(certificate, extra, purpose, at);
            if found.is_noted() || found.missing.is_empty() {
                return found.outcome;
            }
            self.fetch(&found.missing, at);
        }
        self.look(certificate, extra, purpose, at).outcome
    }

    /// As [`TrustStore::validate`], without waiting for anybody: what would have to be fetched is
    /// told instead.
    pub fn look(
        &self,
        certificate: &Certificate,
        extra: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> Finding {
        let generation = self.generation();
        let known = self.remembered.recall(certificate, purpose, at, generation);
        if let Some(path) = known {
            return Finding {
                outcome: Ok(path),
                missing: Vec::new(),
            };
        }
        let mut search = Search::new(self, extra, purpose, at);
        let outcome = search.find(certificate);
        let may_change = search.may_change && self.online.is_some();
        if let Ok(path) = &outcome
            && !may_change
        {
            self.remembered.keep(certificate, purpose, path, generation);
        }
        Finding {
            outcome,
            missing: search.missing,
        }
    }

    fn fetch(&self, missing: &[Missing], at: Timestamp) {
        if let Some(online) = &self.online {
            for one in missing {
                online.fetch(one, at);
            }
        }
    }

    /// As [`TrustStore::validate`], from the beginning, with every path that was looked at before and why it failed.
    pub fn examine(
        &self,
        certificate: &Certificate,
        extra: &[Certificate],
        purpose: Purpose,
        at: Timestamp,
    ) -> (Result<Path, TrustProblem>, Vec<Attempt>) {
        let mut search = Search::new(self, extra, purpose, at);
        let mut outcome = search.find(certificate);
        for _ in 0..MOST_ROUNDS {
            if search.missing.is_empty() {
                break;
            }
            self.fetch(&search.missing, at);
            search = Search::new(self, extra, purpose, at);
            outcome = search.find(certificate);
        }
        (outcome, search.tried)
    }
}
