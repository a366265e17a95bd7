//! The database in the folder of a store: which engine it has, where it lies, how it is opened.
//!
//! Promises: a folder has the database of one engine only; putting one database in the place of
//! another is one step of the file system.
//! Refuses: a folder that holds the database of another engine than the settings name: a store that
//! was made anew beside it would look like an empty queue.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::engine::{Assurance, Engine, EngineFault, EngineKind, LastStop};
use super::redb::Redb;
#[cfg(feature = "sled")]
use super::sled::Sled;
use super::{Fault, bodies::fault, progress};

/// So much is written anew at once.
const PIECE: usize = 1 << 20;

/// One database.
pub(super) struct Database {
    kind: EngineKind,
    path: PathBuf,
}

impl Database {
    /// The one of the store in `dir`.
    ///
    /// # Errors
    /// When the folder holds the database of another engine.
    pub(super) fn of(kind: EngineKind, dir: &Path) -> Result<Self, Fault> {
        for other in EngineKind::ALL.into_iter().filter(|other| *other != kind) {
            let path = dir.join(file_name(other));
            if path.exists() {
                return Err(Fault::OtherEngine {
                    path: path.display().to_string(),
                    engine: kind.name(),
                });
            }
        }
        Ok(Self {
            kind,
            path: dir.join(file_name(kind)),
        })
    }

    /// A second one beside it.
    pub(super) fn beside(&self, suffix: &str) -> Self {
        Self {
            kind: self.kind,
            path: self.path.with_extension(suffix),
        }
    }

    /// Opens or makes it.
    pub(super) fn open(
        &self,
        assurance: Assurance,
        last: LastStop,
    ) -> Result<Box<dyn Engine>, EngineFault> {
        if last == LastStop::Failed {
            write_anew(&self.path).map_err(|source| EngineFault {
                engine: self.kind.name(),
                attempt: "write its file anew",
                source: source.into(),
            })?;
        }
        let octets = size(&self.path).unwrap_or(0);
        progress::told(octets, last, || self.open_checked(assurance, last))
    }

    fn open_checked(
        &self,
        assurance: Assurance,
        last: LastStop,
    ) -> Result<Box<dyn Engine>, EngineFault> {
        match self.kind {
            EngineKind::Redb => Ok(Box::new(Redb::open(&self.path, assurance, last)?)),
            #[cfg(feature = "sled")]
            EngineKind::Sled => Ok(Box::new(Sled::open(&self.path)?)),
            #[cfg(not(feature = "sled"))]
            EngineKind::Sled => Err(EngineFault {
                engine: "sled",
                attempt: "open its folder",
                source: "this program was built without it (cargo build --features sled)".into(),
            }),
        }
    }

    /// Opens one that must be there already, and has it check itself.
    pub(super) fn open_existing(&self) -> Result<Box<dyn Engine>, Fault> {
        fs::metadata(&self.path).map_err(|source| fault("find", &self.path, source))?;
        Ok(self.open(Assurance::Standard, LastStop::Unclean)?)
    }

    /// Its size on the disk, in octets.
    pub(super) fn size(&self) -> Result<u64, Fault> {
        size(&self.path).map_err(|source| fault("measure", &self.path, source))
    }

    /// Removes it, if it is there.
    pub(super) fn remove(&self) -> Result<(), Fault> {
        remove(&self.path).map_err(|source| fault("remove", &self.path, source))
    }

    /// Gives it the place of `old`, which goes. The caller syncs the folder.
    pub(super) fn take_the_place_of(&self, old: &Self, open: Box<dyn Engine>) -> Result<(), Fault> {
        let failed = |source| fault("rename", &self.path, source);
        match self.kind {
            EngineKind::Redb => fs::rename(&self.path, &old.path).map_err(failed),
            EngineKind::Sled => {
                // When it closes, it writes under its own path: not after that is another's.
                drop(open);
                rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &self.path,
                    rustix::fs::CWD,
                    &old.path,
                    rustix::fs::RenameFlags::EXCHANGE,
                )
                .map_err(|error| failed(error.into()))?;
                self.remove()
            }
        }
    }
}

const fn file_name(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Redb => "ravelin.redb",
        EngineKind::Sled => "ravelin.sled",
    }
}

/// Writes everything that can be read, in its place, and syncs. After a sync that failed the kernel
/// shows what it never wrote, and the next sync says nothing of it; what is written anew is asked of
/// the disk again. A loss of power in between leaves what the failed sync left.
fn write_anew(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        for found in fs::read_dir(path)? {
            write_anew(&found?.path())?;
        }
        return super::bodies::sync_dir(path);
    }
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut buffer, at)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            return file.sync_all();
        };
        file.write_all_at(piece, at)?;
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

fn size(path: &Path) -> io::Result<u64> {
    let meta = fs::metadata(path)?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut sum = 0u64;
    for found in fs::read_dir(path)? {
        sum = sum.saturating_add(size(&found?.path())?);
    }
    Ok(sum)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
