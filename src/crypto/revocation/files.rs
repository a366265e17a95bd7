//! CRLs from files and folders, read again when they change.
//!
//! Promises: a file that cannot be read, or is half written, takes nothing away: what it held stays
//! until it can be read again, and the problem is told once. A file that leaves a folder takes its
//! lists with it. Refuses: at first reading, a file that is named and holds no list.
//! Standards: RFC 5280 §5.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{RevocationList, RevocationListError};

/// Files that one folder may hold.
const MOST_FILES: usize = 4096;

/// Why a file or folder gives no lists.
#[derive(Debug, thiserror::Error)]
pub enum ListFileError {
    /// It holds none.
    #[error("holds no revocation list")]
    Empty,
    /// It holds something else, or a list that cannot be used.
    #[error("{0}")]
    List(#[from] RevocationListError),
    /// Too many files.
    #[error("holds more than {MOST_FILES} files")]
    Many,
    /// The system says no.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
}

/// What reading again came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reread {
    /// Files that came, changed or went.
    pub changed: Vec<PathBuf>,
    /// What could not be read, and what it held stays.
    pub problems: Vec<String>,
}

/// The lists of some files and folders.
pub struct ListFiles {
    paths: Vec<PathBuf>,
    state: Mutex<State>,
    generation: AtomicU64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Known>,
    lists: Arc<Vec<RevocationList>>,
}

struct Known {
    /// As it was when it was last looked at; none: it was not there.
    stamp: Option<Stamp>,
    lists: Vec<RevocationList>,
}

/// Differs whenever a file was written.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
    inode: u64,
}

impl ListFiles {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// The first path that gives no lists, by its place among `paths`. In a folder, files that hold
    /// none are passed over.
    pub fn open(paths: Vec<PathBuf>) -> Result<Self, (usize, ListFileError)> {
        let mut files = BTreeMap::new();
        for (place, path) in paths.iter().enumerate() {
            let wrong = |error| (place, error);
            for file in expand(path).map_err(wrong)? {
                let stamp = stamp(&file).map_err(|error| (place, error.into()))?;
                let lists = match read(&file) {
                    Ok(lists) => lists,
                    Err(error) if file != *path => {
                        tracing::warn!("{}: {error}; it is passed over", file.display());
                        Vec::new()
                    }
                    Err(error) => return Err((place, error)),
                };
                let stamp = Some(stamp);
                files.insert(file, Known { stamp, lists });
            }
        }
        let lists = Arc::new(all(&files));
        Ok(Self {
            paths,
            state: Mutex::new(State { files, lists }),
            generation: AtomicU64::new(0),
        })
    }

    /// The lists that they hold now.
    pub fn lists(&self) -> Arc<Vec<RevocationList>> {
        Arc::clone(&self.lock().lists)
    }

    /// How often something changed.
    pub(in crate::crypto) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reads again what has changed. Waits for the disk.
    pub fn reread(&self) -> Reread {
        let mut found = Reread::default();
        let mut state = self.lock();
        for path in &self.paths {
            match expand(path) {
                Ok(files) => {
                    let is_gone =
                        |known: &PathBuf| known.parent() == Some(path) && !files.contains(known);
                    let gone: Vec<PathBuf> = state
                        .files
                        .keys()
                        .filter(|file| is_gone(file))
                        .cloned()
                        .collect();
                    for file in gone {
                        state.files.remove(&file);
                        found.changed.push(file);
                    }
                    for file in files {
                        look(&mut state, &file, file != *path, &mut found);
                    }
                }
                Err(error) => {
                    found.problems.push(format!("{}: {error}", path.display()));
                }
            }
        }
        if !found.changed.is_empty() {
            state.lists = Arc::new(all(&state.files));
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ListFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListFiles({:?})", self.paths)
    }
}

/// Takes one file in, if it is not as it was.
fn look(state: &mut State, file: &Path, in_folder: bool, found: &mut Reread) {
    let (stamp, read) = match stamp(file) {
        Ok(stamp) => {
            if state
                .files
                .get(file)
                .is_some_and(|known| known.stamp == Some(stamp))
            {
                return;
            }
            (Some(stamp), read(file))
        }
        Err(error) => (None, Err(error.into())),
    };
    let known = state.files.entry(file.to_owned()).or_insert(Known {
        stamp: None,
        lists: Vec::new(),
    });
    let was_there = known.stamp.is_some();
    known.stamp = stamp;
    match read {
        Ok(lists) => {
            known.lists = lists;
            found.changed.push(file.to_owned());
        }
        // What was never a list is something else that lies in the folder.
        Err(_) if in_folder && known.lists.is_empty() => {}
        // A file that stays away is told of once.
        Err(_) if stamp.is_none() && !was_there => {}
        Err(error) => found.problems.push(format!("{}: {error}", file.display())),
    }
}

/// The file, or the files of the folder, in the order of names.
fn expand(path: &Path) -> Result<Vec<PathBuf>, ListFileError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file.is_file() {
            files.push(file);
        }
        if files.len() > MOST_FILES {
            return Err(ListFileError::Many);
        }
    }
    files.sort();
    Ok(files)
}

fn stamp(file: &Path) -> std::io::Result<Stamp> {
    let about = std::fs::metadata(file)?;
    Ok(Stamp {
        modified: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
        size: about.size(),
        inode: about.ino(),
    })
}

/// The lists of one file, in PEM or DER.
fn read(file: &Path) -> Result<Vec<RevocationList>, ListFileError> {
    let octets = std::fs::read(file)?;
    let is_pem = octets.windows(11).any(|window| window == b"-----BEGIN ");
    let lists = match is_pem {
        true => RevocationList::from_pem_many(&octets)?,
        false => vec![RevocationList::from_der(&octets)?],
    };
    match lists.is_empty() {
        true => Err(ListFileError::Empty),
        false => Ok(lists),
    }
}

fn all(files: &BTreeMap<PathBuf, Known>) -> Vec<RevocationList> {
    let lists = files.values().flat_map(|known| &known.lists);
    lists.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::crypto::lab::Authority;
    use crate::crypto::pem;

    fn now() -> Timestamp {
        "2026-11-21T08:30:00Z".parse().unwrap()
    }

    #[test]
    fn what_changes_is_read_again_and_what_breaks_takes_nothing_away() {
        let folder = tempfile::tempdir().unwrap();
        let lists = folder.path().join("lists");
        std::fs::create_dir(&lists).unwrap();
        let authority = Authority::new("Root", now()).unwrap();
        let list = || authority.crl(&[], now()).unwrap();
        let (named, first) = (folder.path().join("own.pem"), lists.join("a.crl"));
        std::fs::write(&named, authority.crl_pem(&[], now()).unwrap()).unwrap();
        std::fs::write(&first, list()).unwrap();
        std::fs::write(lists.join("README"), "no list").unwrap();
        let files = ListFiles::open(vec![named.clone(), lists.clone()]).unwrap();
        assert_eq!(files.lists().len(), 2);
        assert_eq!(files.reread(), Reread::default());
        assert_eq!(files.generation(), 0);
        // Another one comes; one is written anew, in the other form.
        let second = lists.join("b.crl");
        std::fs::write(&second, pem::encode("X509 CRL", &list())).unwrap();
        let newer = list();
        std::fs::write(&first, &newer).unwrap();
        assert_eq!(files.reread().changed, [first.clone(), second.clone()]);
        assert_eq!((files.lists().len(), files.generation()), (3, 1));
        assert!(files.lists().iter().any(|list| list.der() == newer));
        // Half of one, an empty one, none: told once, and what was there stays.
        for spoil in [&newer[..newer.len() / 2], b""] {
            std::fs::write(&first, spoil).unwrap();
            let found = files.reread();
            assert_eq!((found.changed.len(), found.problems.len()), (0, 1));
            assert_eq!(files.reread(), Reread::default());
            assert_eq!(files.lists().len(), 3);
        }
        std::fs::remove_file(&named).unwrap();
        assert_eq!(files.reread().problems.len(), 1);
        assert_eq!(files.reread(), Reread::default());
        assert_eq!((files.lists().len(), files.generation()), (3, 1));
        std::fs::write(&named, authority.crl_pem(&[], now()).unwrap()).unwrap();
        assert_eq!(files.reread().changed, [named]);
        // What leaves the folder is gone.
        std::fs::remove_file(&second).unwrap();
        assert_eq!(files.reread().changed, [second]);
        assert_eq!((files.lists().len(), files.generation()), (2, 3));
    }

    #[test]
    fn a_file_that_is_named_holds_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.pem");
        let open = || ListFiles::open(vec![folder.path().into(), file.clone()]);
        let (place, error) = open().unwrap_err();
        assert!(place == 1 && matches!(error, ListFileError::Read(_)));
        for wrong in ["", "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"] {
            std::fs::write(&file, wrong).unwrap();
            assert_eq!(open().unwrap_err().0, 1);
        }
        // A folder may be empty: lists come later.
        std::fs::remove_file(&file).unwrap();
        let files = ListFiles::open(vec![folder.path().into()]).unwrap();
        assert!(files.lists().is_empty());
    }
}
