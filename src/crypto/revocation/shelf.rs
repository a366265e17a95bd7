//! What is kept of what was fetched: in memory, and in a folder for the next start.
//!
//! Promises: one place is asked once a minute at most. What came later takes the place of what was
//! there only when the same key signed both and it is not older; otherwise both are kept, so that
//! nobody on the way can take a good list away by handing out a bad one.
//! Refuses: to grow without end; to judge (that is [`crate::crypto::trust`]'s).

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::RevocationList;
use super::fetch::{Key, Missing};
use super::ocsp::Response;
use crate::clock::Timestamp;

/// Places that are kept in memory.
const MOST_PLACES: usize = 4096;
/// Octets that are kept in memory, as they were handed out.
const MOST_OCTETS: usize = 256 << 20;
/// Files that are kept in the folder.
const MOST_FILES: usize = 4096;
/// How long a place is left alone after it was asked.
const PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// A file that nobody wrote for so long is of no more use.
const FORGOTTEN: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What can be kept: it is signed, and good for a while.
pub(super) trait Said: Clone {
    /// How its files end.
    const ENDING: &'static str;
    fn read(octets: &[u8]) -> Option<Self>;
    fn der(&self) -> &[u8];
    fn made(&self) -> Timestamp;
    fn until(&self) -> Option<Timestamp>;
    /// Whether the key that was found to have signed this one signed the other too.
    fn signed_alike(&self, other: &Self) -> bool;
}

impl Said for RevocationList {
    const ENDING: &'static str = "crl";

    fn read(octets: &[u8]) -> Option<Self> {
        Self::from_der(octets).ok()
    }

    fn der(&self) -> &[u8] {
        self.der()
    }

    fn made(&self) -> Timestamp {
        self.this_update()
    }

    fn until(&self) -> Option<Timestamp> {
        self.next_update()
    }

    fn signed_alike(&self, other: &Self) -> bool {
        self.signed_alike(other)
    }
}

impl Said for Response {
    const ENDING: &'static str = "ocsp";

    fn read(octets: &[u8]) -> Option<Self> {
        Self::from_der(octets).ok()
    }

    fn der(&self) -> &[u8] {
        self.der()
    }

    fn made(&self) -> Timestamp {
        self.produced_at
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until())
    }

    fn signed_alike(&self, other: &Self) -> bool {
        self.signed_alike(other)
    }
}

/// What came from the places that were asked.
pub(super) struct Shelf<T> {
    folder: Option<PathBuf>,
    places: Mutex<HashMap<Key, Place<T>>>,
}

struct Place<T> {
    missing: Missing,
    /// At most two, the newest first.
    items: Vec<T>,
    asked: Option<Timestamp>,
    failure: Option<String>,
    /// Whether somebody wanted it since it was last asked for.
    in_use: bool,
}

impl<T: Said> Shelf<T> {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            places: Mutex::new(HashMap::new()),
        }
    }

    /// What came from there, from memory or from the folder.
    pub(super) fn at_hand(&self, missing: &Missing) -> Vec<T> {
        let key = missing.key();
        if let Some(place) = self.lock().get_mut(&key) {
            place.in_use = true;
            return place.items.clone();
        }
        let items: Vec<T> = self.on_disk(&key).into_iter().collect();
        let mut places = self.lock();
        make_room(&mut places, &items);
        let place = places.entry(key).or_insert_with(|| Place {
            missing: missing.clone(),
            items,
            asked: None,
            failure: None,
            in_use: true,
        });
        place.items.clone()
    }

    /// Whether the place may be asked now, or why it is left alone.
    pub(super) fn may_ask(&self, missing: &Missing, at: Timestamp) -> Result<(), String> {
        let places = self.lock();
        let Some(place) = places.get(&missing.key()) else {
            return Ok(());
        };
        match place.asked {
            Some(asked) if is_paused(asked, at) => {
                Err(place.failure.clone().unwrap_or_else(|| {
                    format!("what {} handed out does not tell it", missing.place())
                }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Keeps what came, or why nothing came. Whether there is something new.
    pub(super) fn keep(&self, missing: &Missing, got: Result<T, String>, at: Timestamp) -> bool {
        // What is in the folder must be known before it is written over.
        self.at_hand(missing);
        let key = missing.key();
        let mut places = self.lock();
        let Some(place) = places.get_mut(&key) else {
            return false;
        };
        place.asked = Some(at);
        let item = match got {
            Ok(item) => item,
            Err(reason) => {
                tracing::warn!("revocation data: {reason}");
                place.failure = Some(reason);
                return false;
            }
        };
        place.failure = None;
        if place.items.iter().any(|known| known.der() == item.der()) {
            return false;
        }
        place.in_use = false;
        let (is_kept, is_written) = place.take(&item, at);
        let kept = places.remove(&key);
        make_room(&mut places, kept.as_ref().map_or(&[], |place| &place.items));
        places.extend(kept.map(|place| (key.clone(), place)));
        drop(places);
        if is_written {
            self.write(&key, item.der());
        }
        is_kept
    }

    /// What is in use and should be asked for again: soon out of date, or asked for long ago.
    pub(super) fn due(&self, at: Timestamp, every: Duration) -> Vec<Missing> {
        let every = jiff::SignedDuration::try_from(every).unwrap_or(jiff::SignedDuration::MAX);
        let is_due = |place: &&Place<T>| {
            let since = place.asked.map(|asked| at.duration_since(asked));
            let is_paused = place.asked.is_some_and(|asked| is_paused(asked, at));
            let is_old = since.is_none_or(|since| since.is_negative() || since >= every);
            let ends = place.items.iter().any(|item| is_near_its_end(item, at));
            place.in_use && !place.items.is_empty() && !is_paused && (is_old || ends)
        };
        let places = self.lock();
        let due = places.values().filter(is_due);
        due.map(|place| place.missing.clone()).collect()
    }

    /// Removes the files that nobody wrote for months, and the oldest of too many.
    pub(super) fn sweep(&self) {
        let Some(folder) = &self.folder else { return };
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let mut files: Vec<(Duration, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let written = entry.metadata().and_then(|about| about.modified());
            let age = written.ok().and_then(|written| written.elapsed().ok());
            if path.extension().is_some_and(|end| end == T::ENDING) {
                files.push((age.unwrap_or_default(), path));
            }
        }
        files.sort();
        let is_old = |place: usize, age: Duration| place >= MOST_FILES || age > FORGOTTEN;
        for (place, (age, path)) in files.into_iter().enumerate() {
            if is_old(place, age) {
                // One that stays is tried again the next time.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Place<T>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, key: &Key) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{key}.{}", T::ENDING)))
    }

    fn on_disk(&self, key: &Key) -> Option<T> {
        T::read(&std::fs::read(self.file(key)?).ok()?)
    }

    /// Keeps it for the next start. That it cannot be kept is no reason not to use it.
    fn write(&self, key: &Key, der: &[u8]) {
        let Some(file) = self.file(key) else { return };
        if let Err(error) = replace(&file, der) {
            tracing::warn!("keep {}: {error}", file.display());
        }
    }
}

impl<T: Said> Place<T> {
    /// Takes it in. Whether it is kept, and whether it is what the next start should find.
    fn take(&mut self, item: &T, at: Timestamp) -> (bool, bool) {
        let Some(known) = self.items.first() else {
            self.items.push(item.clone());
            return (true, true);
        };
        if known.signed_alike(item) {
            // An older one, handed out again, takes nothing back.
            if item.made() < known.made() {
                return (false, false);
            }
            self.items = vec![item.clone()];
            return (true, true);
        }
        // Another key: a new one of the issuer's, or a stranger's. Who looks at the path will tell.
        let is_current = known.until().is_some_and(|until| at <= until);
        let known = known.clone();
        self.items = match is_current {
            true => vec![known, item.clone()],
            false => vec![item.clone(), known],
        };
        (true, !is_current)
    }
}

impl<T> std::fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shelf({:?})", self.folder)
    }
}

/// Full of places: start anew rather than grow; the folder still has what came.
fn make_room<T: Said>(places: &mut HashMap<Key, Place<T>>, coming: &[T]) {
    let known = places.values().flat_map(|place| &place.items);
    let octets = known.chain(coming).map(|item| item.der().len());
    if places.len() >= MOST_PLACES || octets.sum::<usize>() > MOST_OCTETS {
        places.clear();
    }
}

/// Past three quarters of its time.
fn is_near_its_end(item: &impl Said, at: Timestamp) -> bool {
    let Some(until) = item.until() else {
        return true;
    };
    let life = until.duration_since(item.made());
    let quarter = life.checked_div(4).unwrap_or_default();
    until.saturating_sub(quarter).is_ok_and(|soon| at >= soon)
}

/// Whether what was asked then is left alone now. A clock that was put back starts anew.
pub(super) fn is_paused(asked: Timestamp, at: Timestamp) -> bool {
    let again = asked.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
    asked <= at && at < again
}

/// Beside it first, then in its place: a reader never sees half of it.
fn replace(file: &Path, der: &[u8]) -> std::io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let beside = file.with_extension(format!("{}-{number}.new", std::process::id()));
    let mut new = std::fs::File::create(&beside)?;
    new.write_all(der)?;
    new.sync_all()?;
    std::fs::rename(&beside, file)
}
