//! Bodies too large for the commit: one sealed file each, on stable storage before the commit that
//! names it, removed after the commit that forgets it.
//!
//! Promises: a file has its own random key (kept in the sealed row: when the row goes, the file is
//! unreadable for good); chunk number, last chunk and file name are authenticated, so that no
//! chunk can be changed, moved, dropped or added. A file name is never used twice.
//! Refuses: a file of another length than its row says.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::Fault;
use super::crash::{self, Point};
use super::disk::Disk;
use super::sealing::{CHUNK_OVERHEAD, KEY_OCTETS, fresh_key, open_chunk, seal_chunk};

/// Up to this size a body stands in the commit itself.
pub(super) const INLINE_LIMIT: usize = 64 << 10;
const CHUNK: usize = 64 << 10;
const UNFINISHED: &str = "part";

/// Where the body of a row is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Place {
    /// In a file of its own.
    File {
        name: String,
        /// Base64; cleared when dropped.
        #[serde(serialize_with = "key_to_text", deserialize_with = "key_from_text")]
        key: Zeroizing<String>,
    },
    /// In the table of bodies.
    Inline,
}

/// A file that is on stable storage and that no commit names yet: removed when dropped.
pub(super) struct Written {
    path: Option<PathBuf>,
    disk: Arc<dyn Disk>,
}

impl Written {
    /// A commit names the file now, or may do so.
    pub(super) fn keep(&mut self) {
        self.path = None;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What cannot be removed now is an orphan, removed at the next start.
            let _ = self.disk.remove(&path);
        }
    }
}

/// The folder of body files.
pub(super) struct Bodies {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    pinned: Mutex<Pinned>,
}

/// Who reads the folder as it was, and what is to be removed when nobody does.
#[derive(Default)]
struct Pinned {
    readers: usize,
    forgotten: Vec<String>,
}

/// While it lives, no file is removed.
pub(super) struct Pin<'b>(&'b Bodies);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let forgotten = {
            let mut pinned = self.0.pinned();
            pinned.readers -= 1;
            if pinned.readers > 0 {
                return;
            }
            std::mem::take(&mut pinned.forgotten)
        };
        forgotten.iter().for_each(|name| self.0.remove(name));
    }
}

impl Bodies {
    pub(super) fn open(dir: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, Fault> {
        disk.make_dir(&dir)
            .map_err(|e| fault("make the folder", &dir, e))?;
        Ok(Self {
            dir,
            disk,
            pinned: Mutex::default(),
        })
    }

    /// Keeps every file until the pin is dropped, also those that a commit forgets meanwhile. A
    /// crash in between leaves them to the next start.
    pub(super) fn pin(&self) -> Pin<'_> {
        self.pinned().readers += 1;
        Pin(self)
    }

    fn pinned(&self) -> MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of the finished files.
    pub(super) fn files(&self) -> Result<Vec<String>, Fault> {
        let mut names = self.list()?;
        names.retain(|name| is_name(name));
        names.sort();
        Ok(names)
    }

    /// A file as it lies on the disk, sealed.
    pub(super) fn sealed(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let path = self.dir.join(name);
        self.disk.read(&path).map_err(|e| fault("read", &path, e))
    }

    fn list(&self) -> Result<Vec<String>, Fault> {
        self.disk
            .list(&self.dir)
            .map_err(|e| fault("list the folder", &self.dir, e))
    }

    /// Writes a body; on return it is on stable storage under its final name.
    pub(super) fn write(&self, stem: &str, body: &[u8]) -> Result<(Place, Written), Fault> {
        let key = fresh_key()?;
        let suffix = fresh_key()?;
        let suffix: String = suffix
            .iter()
            .take(8)
            .map(|octet| format!("{octet:02x}"))
            .collect();
        let name = format!("{stem}-{suffix}");
        let unfinished = self.dir.join(format!("{name}.{UNFINISHED}"));
        let path = self.dir.join(&name);
        let mut written = Written {
            path: Some(unfinished.clone()),
            disk: Arc::clone(&self.disk),
        };
        let mut file = self
            .disk
            .create(&unfinished)
            .map_err(|e| fault("make", &unfinished, e))?;
        let count = chunk_count(body.len());
        for (number, chunk) in body.chunks(CHUNK).enumerate() {
            let number = to_u64(number);
            let sealed = seal_chunk(
                &key,
                number,
                &chunk_place(&name, number + 1 == count),
                chunk,
            )?;
            file.write_all(&sealed)
                .map_err(|e| fault("write", &unfinished, e))?;
        }
        crash::here(Point::BodyUnfinished);
        file.sync().map_err(|e| fault("sync", &unfinished, e))?;
        self.disk
            .rename(&unfinished, &path)
            .map_err(|e| fault("rename", &unfinished, e))?;
        written.path = Some(path);
        self.disk
            .sync_dir(&self.dir)
            .map_err(|e| fault("sync the folder", &self.dir, e))?;
        let key = Zeroizing::new(STANDARD_NO_PAD.encode(key.as_slice()));
        Ok((Place::File { name, key }, written))
    }

    /// Reads a body of `size` octets. `Err` says in words for people what is wrong with it.
    pub(super) fn read(
        &self,
        name: &str,
        key: &str,
        size: u64,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let key = Zeroizing::new(STANDARD_NO_PAD.decode(key).map_err(|e| e.to_string())?);
        let key: &[u8; KEY_OCTETS] = key
            .as_slice()
            .try_into()
            .map_err(|_| "its key has a wrong length".to_owned())?;
        let sealed = self
            .disk
            .read(&self.dir.join(name))
            .map_err(|e| format!("file {name}: {e}"))?;
        let size = usize::try_from(size).map_err(|e| e.to_string())?;
        let count = chunk_count(size);
        let mut body = Zeroizing::new(Vec::with_capacity(size));
        for (number, chunk) in sealed.chunks(CHUNK + CHUNK_OVERHEAD).enumerate() {
            let number = to_u64(number);
            let chunk = open_chunk(key, number, &chunk_place(name, number + 1 == count), chunk)
                .ok_or_else(|| format!("file {name}: chunk {number} was changed"))?;
            body.extend_from_slice(&chunk);
        }
        if body.len() != size {
            return Err(format!(
                "file {name}: {} octets where {size} are expected",
                body.len()
            ));
        }
        Ok(body)
    }

    /// Whether a file is there and has the length of a sealed body of `size` octets.
    pub(super) fn check(&self, name: &str, size: u64) -> Result<(), String> {
        let expected = size
            + chunk_count(usize::try_from(size).unwrap_or(usize::MAX)) * to_u64(CHUNK_OVERHEAD);
        match self.disk.length(&self.dir.join(name)) {
            Ok(length) if length == expected => Ok(()),
            Ok(length) => Err(format!(
                "file {name}: {length} octets where {expected} are expected"
            )),
            Err(error) => Err(format!("file {name}: {error}")),
        }
    }

    /// Removes a file that no commit names any more.
    pub(super) fn remove(&self, name: &str) {
        {
            let mut pinned = self.pinned();
            if pinned.readers > 0 {
                return pinned.forgotten.push(name.to_owned());
            }
        }
        if let Err(error) = self.disk.remove(&self.dir.join(name)) {
            tracing::warn!(name, %error, "a body file cannot be removed now; the next start does");
        }
    }

    /// Removes every file but those that `keep` names or begins the name of; returns how many.
    pub(super) fn sweep(
        &self,
        keep: &HashSet<String>,
        stems: &HashSet<String>,
    ) -> Result<u64, Fault> {
        let mut removed = 0;
        for name in self.list()? {
            let stem = name.split_once('-').map_or(name.as_str(), |(stem, _)| stem);
            if keep.contains(&name) || stems.contains(stem) {
                continue;
            }
            let path = self.dir.join(&name);
            self.disk
                .remove(&path)
                .map_err(|e| fault("remove", &path, e))?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// Whether this may be the name of a finished body file: no path leads out of the folder.
pub(super) fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !name.is_empty() && name.len() < 200 && name.chars().all(is_letter)
}

fn key_to_text<S: Serializer>(key: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key)
}

fn key_from_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn chunk_count(size: usize) -> u64 {
    to_u64(size.div_ceil(CHUNK))
}

fn chunk_place(name: &str, is_last: bool) -> Vec<u8> {
    let end = if is_last { b"last" } else { b"more" };
    [b"body file\0", name.as_bytes(), &[0], end.as_slice()].concat()
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

pub(super) fn fault(attempt: &'static str, path: &Path, source: io::Error) -> Fault {
    Fault::Body {
        attempt,
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::disk::System;
    use super::*;

    fn parts(place: &Place) -> (&str, &str) {
        match place {
            Place::File { name, key } => (name, key),
            Place::Inline => panic!("it is in a file"),
        }
    }

    #[test]
    fn a_body_is_read_as_written_and_any_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(dir.path().join("bodies"), Arc::new(System)).unwrap();
        for size in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let body: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let (place, mut written) = bodies.write("e1", &body).unwrap();
            written.keep();
            let (name, key) = parts(&place);
            let size = to_u64(size);
            assert_eq!(bodies.read(name, key, size).unwrap().as_slice(), body);
            assert_eq!(bodies.check(name, size), Ok(()));
            assert!(bodies.read(name, key, size + 1).is_err());
            assert!(bodies.check(name, size + 1).is_err());

            let path = bodies.dir.join(name);
            let sealed = fs::read(&path).unwrap();
            // A single octet is in any ciphertext by chance.
            let begin = &body[..body.len().min(64)];
            let stands_there = sealed.windows(begin.len()).any(|w| w == begin);
            assert!(begin.len() == 1 || !stands_there);
            for at in [0, sealed.len() / 2, sealed.len() - 1] {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                fs::write(&path, changed).unwrap();
                assert!(bodies.read(name, key, size).is_err(), "octet {at}");
            }
            if sealed.len() > CHUNK + CHUNK_OVERHEAD {
                fs::write(&path, &sealed[..CHUNK + CHUNK_OVERHEAD]).unwrap();
                assert!(
                    bodies.read(name, key, to_u64(CHUNK)).is_err(),
                    "a dropped end"
                );
            }
        }
    }

    #[test]
    fn what_no_commit_names_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(dir.path().to_owned(), Arc::new(System)).unwrap();
        let write = |stem: &str| {
            let (place, mut written) = bodies.write(stem, b"body").unwrap();
            written.keep();
            parts(&place).0.to_owned()
        };
        drop(bodies.write("e0", b"body").unwrap());
        let (kept, quarantined, orphan) = (write("e1"), write("e2"), write("e3"));
        fs::write(dir.path().join("e4-00.part"), b"torn").unwrap();
        let removed = bodies.sweep(
            &HashSet::from([kept.clone()]),
            &HashSet::from(["e2".to_owned()]),
        );
        assert_eq!(removed.unwrap(), 2);
        assert!(dir.path().join(kept).exists() && dir.path().join(quarantined).exists());
        assert!(!dir.path().join(orphan).exists());
    }
}
