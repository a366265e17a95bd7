//! Revocation data from elsewhere: CRLs and OCSP answers, and what is kept of them.
//!
//! Promises: what was fetched is believed no more than what a file holds; it survives a restart
//! when a folder is given; a place that does not answer is not asked again for a minute.
//! Refuses: more than a few questions for one certificate; places that are not http.
//! Standards: RFC 5280 §4.2.1.13, §4.2.2.1, §6.3.3 (a), 6960 §A.1.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::RevocationList;
use super::ocsp::{NONCE_LENGTH, Response};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::hex;
use crate::crypto::provider;

/// Places that are kept in memory.
const MOST_PLACES: usize = 1024;
/// How long a place that failed is left alone.
const PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

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

/// A way out, and what came in by it.
pub struct Online {
    fetch: Arc<dyn Fetch>,
    folder: Option<PathBuf>,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Clone)]
enum Kept {
    Failed {
        until: Timestamp,
        reason: String,
    },
    List {
        list: RevocationList,
        asked: Timestamp,
    },
}

impl Kept {
    fn of(list: &RevocationList, asked: Timestamp) -> Self {
        Self::List {
            list: list.clone(),
            asked,
        }
    }
}

impl Online {
    /// With this way out; CRLs are kept in the folder, if one is given.
    pub fn new(fetch: Arc<dyn Fetch>, folder: Option<PathBuf>) -> Self {
        Self {
            fetch,
            folder,
            kept: Mutex::new(HashMap::new()),
        }
    }

    /// The CRL at this place: from memory, from the folder, or fetched when what is there is out
    /// of date. When fetching fails, what is there is given all the same: it may still revoke.
    pub fn list(&self, place: &str, at: Timestamp) -> Result<RevocationList, String> {
        let known = self.known(place);
        let mut old = None;
        match known {
            Some(Kept::List { list, asked }) => {
                // A place whose list is out of date is asked again, but not for every message.
                let again = asked.saturating_add(PAUSE).unwrap_or(asked);
                if is_current(&list, at) || (asked <= at && at < again) {
                    return Ok(list);
                }
                old = Some(list);
            }
            Some(Kept::Failed { until, reason }) if at < until => {
                return self.on_disk(place).ok_or(reason);
            }
            _ => {}
        }
        if old.is_none() {
            old = self.on_disk(place);
            if let Some(list) = old.as_ref().filter(|list| is_current(list, at)) {
                let list = list.clone();
                self.keep(place, Kept::of(&list, at));
                return Ok(list);
            }
        }
        let fetched = self
            .fetch
            .get(place)
            .map_err(|error| error.to_string())
            .and_then(|octets| {
                RevocationList::from_der(&octets)
                    .or_else(|error| {
                        let lists = RevocationList::from_pem_many(&octets).ok();
                        lists.and_then(|mut lists| lists.pop()).ok_or(error)
                    })
                    .map_err(|error| format!("{place}: {error}"))
            });
        match (fetched, old) {
            (Ok(list), _) => {
                self.write(place, list.der());
                self.keep(place, Kept::of(&list, at));
                Ok(list)
            }
            (Err(_), Some(old)) => {
                self.keep(place, Kept::of(&old, at));
                Ok(old)
            }
            (Err(reason), None) => {
                let until = at.saturating_add(PAUSE).unwrap_or(at);
                let failed = Kept::Failed {
                    until,
                    reason: reason.clone(),
                };
                self.keep(place, failed);
                Err(reason)
            }
        }
    }

    /// An OCSP answer to a question with a fresh nonce, and that nonce.
    pub fn answer(
        &self,
        place: &str,
        question: impl Fn(&[u8]) -> Vec<u8>,
        at: Timestamp,
    ) -> Result<(Response, [u8; NONCE_LENGTH]), String> {
        if let Some(Kept::Failed { until, reason }) = self.known(place)
            && at < until
        {
            return Err(reason);
        }
        let mut nonce = [0; NONCE_LENGTH];
        provider::default()
            .random(&mut nonce)
            .map_err(|error| error.to_string())?;
        let answered = self
            .fetch
            .ask(place, &question(&nonce))
            .map_err(|error| error.to_string())
            .and_then(|octets| {
                Response::from_der(&octets).map_err(|error| format!("{place}: {error}"))
            });
        match answered {
            Ok(response) => Ok((response, nonce)),
            Err(reason) => {
                let until = at.saturating_add(PAUSE).unwrap_or(at);
                let failed = Kept::Failed {
                    until,
                    reason: reason.clone(),
                };
                self.keep(place, failed);
                Err(reason)
            }
        }
    }

    fn known(&self, place: &str) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(place).cloned()
    }

    fn keep(&self, place: &str, what: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Full of places: start anew rather than grow; the folder still has the lists.
        if kept.len() >= MOST_PLACES && !kept.contains_key(place) {
            kept.clear();
        }
        kept.insert(place.to_owned(), what);
    }

    fn file(&self, place: &str) -> Option<PathBuf> {
        let name = provider::default().digest(Digest::Sha256, &[place.as_bytes()]);
        Some(self.folder.as_ref()?.join(format!("{}.crl", hex(&name))))
    }

    fn on_disk(&self, place: &str) -> Option<RevocationList> {
        let octets = std::fs::read(self.file(place)?).ok()?;
        RevocationList::from_der(&octets).ok()
    }

    /// Keeps a list for the next start. That it cannot be kept is no reason not to use it.
    fn write(&self, place: &str, der: &[u8]) {
        let Some(file) = self.file(place) else { return };
        if let Err(error) = replace(&file, der) {
            tracing::warn!("keep {}: {error}", file.display());
        }
    }
}

impl std::fmt::Debug for Online {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Online({:?})", self.folder)
    }
}

fn is_current(list: &RevocationList, at: Timestamp) -> bool {
    list.next_update().is_some_and(|next| at <= next)
}

/// Beside it first, then in its place: a reader never sees half of it.
fn replace(file: &Path, der: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension("new");
    let mut new = std::fs::File::create(&beside)?;
    new.write_all(der)?;
    new.sync_all()?;
    std::fs::rename(&beside, file)
}
