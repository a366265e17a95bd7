//! Paths that were found good, so that a drafter's certificate is not validated for every message.
//!
//! Promises: a path is remembered for one certificate and one purpose, and only between the
//! instants at which nothing in it begins or ends (validity, CRLs); a store with other anchors,
//! lists or rules starts with an empty memory, and so does one that learned something new of who was
//! revoked. Refuses: to remember what was not good (a stranger
//! could fill it), and more than a bounded number. Standards: none; RFC 5280 §6 was applied before.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::{Path, Purpose};
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;

/// Paths kept: some hundred octets each, besides certificates that are shared.
const MOST: usize = 4096;

/// The certificate itself is the key: its octets are compared, so no digest is needed.
type Key = (Certificate, Purpose);

/// The memory of one store. Its clones share it.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// What was known when they were found good.
    generation: u64,
    paths: HashMap<Key, Path>,
    /// In the order in which they came.
    order: VecDeque<Key>,
}

impl Remembered {
    /// The path of this certificate, if it was found good and still is at this instant.
    pub(super) fn recall(
        &self,
        certificate: &Certificate,
        purpose: Purpose,
        at: Timestamp,
        generation: u64,
    ) -> Option<Path> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.generation != generation {
            return None;
        }
        let path = kept.paths.get(&(certificate.clone(), purpose))?;
        let (begin, end) = path.window();
        (begin <= at && at <= end).then(|| path.clone())
    }

    /// Keeps a good path; the oldest makes room.
    pub(super) fn keep(
        &self,
        certificate: &Certificate,
        purpose: Purpose,
        path: &Path,
        generation: u64,
    ) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.generation != generation {
            *kept = Kept {
                generation,
                ..Kept::default()
            };
        }
        let key = (certificate.clone(), purpose);
        if kept.paths.insert(key.clone(), path.clone()).is_some() {
            return;
        }
        kept.order.push_back(key);
        if kept.order.len() > MOST
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.paths.remove(&oldest);
        }
    }
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Remembered({} paths)", kept.paths.len())
    }
}
