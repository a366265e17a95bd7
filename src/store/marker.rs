//! The mark of a store that is open.
//!
//! Promises: it is there while a process has the store, and goes with it; one that is found at start
//! tells of an unclean stop.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that is there while the store is open: found at start, it tells of an unclean stop.
pub(super) struct Marker {
    pub(super) path: PathBuf,
    pub(super) keep: AtomicBool,
}

impl Marker {
    pub(super) const NAME: &'static str = "open";

    pub(super) fn at(dir: &Path) -> PathBuf {
        dir.join(Self::NAME)
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed) {
            // If it stays, the next start does one check more.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
