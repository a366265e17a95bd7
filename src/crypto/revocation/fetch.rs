//! Revocation data from elsewhere: what is missing, the way to it, and one attempt to fetch it.
//!
//! Promises: what was fetched is believed no more than what a file holds; it survives a restart
//! when a folder is given; a place is asked once a minute at most, whatever it answered.
//! Nothing is fetched while a path is looked at: the search tells what it misses, and
//! [`super::beside`] or [`crate::crypto::trust::TrustStore::validate`] fetches it.
//! Standards: RFC 5280 §4.2.1.13, §4.2.2.1, §6.3.3 (a), 6960 §A.1, 9654 §2.1.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::RevocationList;
use super::beside::Flights;
use super::ocsp::{self, NONCE_LENGTH, Response};
use super::shelf::{Shelf, is_paused};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::{Certificate, hex};
use crate::crypto::provider;

/// How long a message waits for all that is fetched for it, if nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(15);

/// Responders that are remembered as not to be reached.
const MOST_DOWN: usize = 1024;

/// Why nothing was fetched.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct FetchError {
    /// The place that was asked.
    pub place: String,
    /// What went wrong.
    pub reason: String,
}

/// A way out: the one thing that a network has to do here. [`super::ways`] has one for each scheme.
pub trait Fetch: Send + Sync {
    /// The octets at this place.
    fn get(&self, place: &str) -> Result<Vec<u8>, FetchError>;

    /// The answer to an OCSP question.
    fn ask(&self, place: &str, question: &[u8]) -> Result<Vec<u8>, FetchError>;

    /// Whether this way leads to such a place at all; nothing is opened to find out.
    fn reaches(&self, _place: &str) -> bool {
        true
    }
}

/// What would tell a status and is not at hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// Where it may be had.
    pub(super) place: String,
    pub(super) what: What,
}

/// What is to be had there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum What {
    /// The answer about this certificate, of this issuer's key.
    Answer(Certificate, Vec<u8>),
    /// A CRL.
    List,
}

/// The name of a [`Missing`], for the memory and for the folder.
pub(super) type Key = String;

impl Missing {
    /// The CRL at this place.
    pub fn list(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            what: What::List,
        }
    }

    /// What the responder at this place says of a certificate.
    pub fn answer(place: &str, certificate: &Certificate, issuer_spki: &[u8]) -> Self {
        Self {
            place: place.to_owned(),
            what: What::Answer(certificate.clone(), issuer_spki.to_vec()),
        }
    }

    /// Where it may be had.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn key(&self) -> Key {
        let digest = |parts: &[&[u8]]| hex(&provider::default().digest(Digest::Sha256, parts));
        match &self.what {
            What::Answer(certificate, issuer) => digest(&[
                self.place.as_bytes(),
                &[0],
                &ocsp::request(certificate, issuer, &[]),
            ]),
            What::List => digest(&[self.place.as_bytes()]),
        }
    }
}

/// A way out, and what came in by it.
pub struct Online {
    way: Arc<dyn Fetch>,
    pub(super) lists: Shelf<RevocationList>,
    pub(super) answers: Shelf<Response>,
    patience: Duration,
    /// Responders that could not be reached, since when, and why: whoever else is asked about there
    /// would wait for nothing.
    down: Mutex<HashMap<String, (Timestamp, String)>>,
    /// Counts what changed, so that nobody goes on with what was concluded before.
    generation: AtomicU64,
    pub(super) flights: Flights,
}

impl Online {
    /// With this way out; what comes in is kept in the folder, if one is given.
    pub fn new(way: Arc<dyn Fetch>, folder: Option<PathBuf>) -> Self {
        Self {
            way,
            lists: Shelf::new(folder.clone()),
            answers: Shelf::new(folder),
            patience: PATIENCE,
            down: Mutex::default(),
            generation: AtomicU64::new(0),
            flights: Flights::default(),
        }
    }

    /// The same, with another time that one message waits in all.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same way out, and nothing that came in by it, nor a folder.
    #[must_use]
    pub fn unkept(&self) -> Self {
        Self::new(Arc::clone(&self.way), None).with_patience(self.patience)
    }

    /// How long one message, or one peer, waits in all for what is fetched for it.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The CRLs that came from this place, whether in date or not: an old one may still revoke.
    pub(in crate::crypto) fn lists_of(&self, missing: &Missing) -> Vec<RevocationList> {
        self.lists.at_hand(missing)
    }

    /// The OCSP answers that came for this question.
    pub(in crate::crypto) fn answers_to(&self, missing: &Missing) -> Vec<Response> {
        self.answers.at_hand(missing)
    }

    /// Whether to ask there now is of use; if not, why: what went wrong the last time.
    pub(in crate::crypto) fn may_ask(
        &self,
        missing: &Missing,
        at: Timestamp,
    ) -> Result<(), String> {
        if !self.way.reaches(&missing.place) {
            let error = match missing.what {
                What::Answer(..) => self.way.ask(&missing.place, &[]).err(),
                What::List => self.way.get(&missing.place).err(),
            };
            return Err(error.map_or_else(|| missing.place.clone(), |error| error.to_string()));
        }
        match missing.what {
            What::Answer(..) => {
                self.answers.may_ask(missing, at)?;
                let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
                match down.get(&missing.place) {
                    Some((since, reason)) if is_paused(*since, at) => Err(reason.clone()),
                    Some(_) | None => Ok(()),
                }
            }
            What::List => self.lists.may_ask(missing, at),
        }
    }

    /// How often something new came in.
    pub(in crate::crypto) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Asks there, and keeps what comes. Waits for the network, as long as the way out allows;
    /// within a minute after the last question nothing is asked.
    pub fn fetch(&self, missing: &Missing, at: Timestamp) {
        if self.may_ask(missing, at).is_err() {
            return;
        }
        let is_new = match &missing.what {
            What::Answer(certificate, issuer) => {
                let answer = self.asked(&missing.place, certificate, issuer, at);
                self.answers.keep(missing, answer, at)
            }
            What::List => {
                let got = self.way.get(&missing.place);
                let list = got
                    .map_err(|error| error.to_string())
                    .and_then(|octets| read_list(&missing.place, &octets));
                self.lists.keep(missing, list, at)
            }
        };
        if is_new {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// An OCSP answer to a question with a fresh nonce.
    fn asked(
        &self,
        place: &str,
        certificate: &Certificate,
        issuer_spki: &[u8],
        at: Timestamp,
    ) -> Result<Response, String> {
        let mut nonce = [0; NONCE_LENGTH];
        provider::default()
            .random(&mut nonce)
            .map_err(|error| error.to_string())?;
        let question = ocsp::request(certificate, issuer_spki, &nonce);
        let octets = self.way.ask(place, &question);
        let octets = octets.map_err(|error| self.is_down(place, &error, at))?;
        let response = Response::from_der(&octets).map_err(|error| format!("{place}: {error}"))?;
        match response.nonce() {
            // RFC 9654 §2.1: a precomputed answer has none; another one is not for us.
            Some(back) if back != nonce => Err(format!(
                "{place} answered with another nonce (RFC 9654 §2.1)"
            )),
            Some(_) | None => Ok(response),
        }
    }

    /// Notes that a responder could not be reached.
    fn is_down(&self, place: &str, error: &FetchError, at: Timestamp) -> String {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.retain(|_, (since, _)| is_paused(*since, at));
        if down.len() < MOST_DOWN {
            down.insert(place.to_owned(), (at, error.to_string()));
        }
        error.to_string()
    }

    /// Notes that this could not be asked at all.
    pub(super) fn fail(&self, missing: &Missing, reason: String, at: Timestamp) {
        match missing.what {
            What::Answer(..) => self.answers.keep(missing, Err(reason), at),
            What::List => self.lists.keep(missing, Err(reason), at),
        };
    }
}

/// A list in DER, as it should be (RFC 5280 §4.2.1.13), or in PEM, as some hand it out.
fn read_list(place: &str, octets: &[u8]) -> Result<RevocationList, String> {
    RevocationList::from_der(octets)
        .or_else(|error| {
            let lists = RevocationList::from_pem_many(octets).ok();
            lists.and_then(|mut lists| lists.pop()).ok_or(error)
        })
        .map_err(|error| format!("{place}: {error}"))
}

impl std::fmt::Debug for Online {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Online({:?}, {:?})", self.lists, self.answers)
    }
}
