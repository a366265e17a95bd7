//! What body files ask of the file system; apart, so that a test can take the power away.
//!
//! Promises, of whoever implements it: what [`NewFile::sync`] returned for is on stable storage under
//! some name, and after [`Disk::sync_dir`] the names in a folder are. Nothing else is promised: not
//! the order of writes, not the order of names.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Files by path.
pub trait Disk: Send + Sync {
    /// Makes a folder, and those above it, if they are not there.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes a file that must not be there yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Everything in a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The length of a file.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait NewFile: Write + Send {
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Disk for System {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(file))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|meta| meta.len())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?;
        names
            .map(|found| Ok(found?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl NewFile for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
