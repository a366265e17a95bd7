//! `[revocation]`: how revocation data comes in while the switch runs, beside the files.
//!
//! Promises: nothing is fetched unless `[trust]` or a link says so by name. A link with anchors of
//! its own says so itself: whom it asks, the far side's certificates name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::resolve::Place;
use super::units::Life;
use super::written::Written;
use crate::crypto::revocation::fetch::Online;
use crate::crypto::revocation::files::ListFiles;
use crate::crypto::revocation::ways::Ways;
use crate::crypto::trust::{Asking, TrustStore};

/// What may be fetched.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fetched {
    /// CRLs, and their delta lists, from the places that certificates and CRLs name.
    Crl,
    /// Answers of the OCSP responders that certificates name, where no CRL is to be had.
    Ocsp,
}

/// `[revocation]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Revocation {
    /// The folder that keeps what was fetched over a restart; without it, `revocation` in the folder
    /// of the store.
    pub cache: Option<Spanned<PathBuf>>,
    /// How long one question may take.
    pub time: Life,
    /// How long a message or a peer waits in all for what is fetched for it; then it is judged by
    /// what is there.
    pub wait: Life,
    /// How often what is in use is asked for again, at the latest.
    pub refresh: Life,
    /// How often the files of `crls` are looked at for changes.
    pub reread: Life,
}

impl Default for Revocation {
    fn default() -> Self {
        let seconds = |count| Life(Duration::from_secs(count));
        Self {
            cache: None,
            time: seconds(5),
            wait: seconds(15),
            refresh: seconds(3600),
            reread: seconds(60),
        }
    }
}

/// How revocation data comes in while the switch runs.
#[derive(Clone)]
pub struct RevocationData {
    /// The way out, where anything is fetched. All stores that fetch share it.
    pub online: Option<Arc<Online>>,
    /// The files and folders that CRLs are read from.
    pub files: Vec<Arc<ListFiles>>,
    /// How often what is in use is asked for again, at the latest.
    pub refresh: Duration,
    /// How often the files are looked at.
    pub reread: Duration,
}

impl RevocationData {
    /// Has the files of this store looked after, too.
    pub(super) fn add_files(&mut self, store: &TrustStore) {
        if let Some(files) = store.files()
            && !self.files.iter().any(|known| Arc::ptr_eq(known, files))
        {
            self.files.push(Arc::clone(files));
        }
    }
}

impl Place<'_> {
    /// The way out, if anything is to be fetched, and the times.
    pub(super) fn revocation(&self, written: &Written) -> RevocationData {
        let mut asked = vec![&written.trust.fetch];
        asked.extend(written.link.iter().filter_map(|link| link.fetch.as_ref()));
        let says = &written.revocation;
        let online = || {
            let cache = match &says.cache {
                Some(cache) => self.path(cache.get_ref()),
                None => self
                    .path(written.store.directory.get_ref())
                    .join("revocation"),
            };
            let ways = Arc::new(Ways::of_this_build(says.time.0));
            Arc::new(Online::new(ways, Some(cache)).with_patience(says.wait.0))
        };
        RevocationData {
            online: asked.iter().any(|list| !list.is_empty()).then(online),
            files: Vec::new(),
            refresh: says.refresh.0,
            // A span of nothing would be all the switch does.
            reread: says.reread.0.max(Duration::from_secs(1)),
        }
    }

    /// The files of one store.
    pub(super) fn list_files(
        &self,
        key: &str,
        crls: &[Spanned<PathBuf>],
    ) -> Result<ListFiles, ConfigError> {
        let paths = crls.iter().map(|path| self.path(path.get_ref())).collect();
        ListFiles::open(paths).map_err(|(place, error)| {
            let span = crls.get(place).map_or(0..0, Spanned::span);
            self.error(
                span,
                key,
                error,
                "name files with revocation lists in PEM or DER, or a folder of them; paths are \
                 relative to the configuration file",
            )
        })
    }
}

/// The store, with a way out for what is named; without it, for nothing.
pub(super) fn fetching(
    store: TrustStore,
    online: Option<&Arc<Online>>,
    what: &[Fetched],
) -> TrustStore {
    let asking = Asking {
        lists: what.contains(&Fetched::Crl),
        answers: what.contains(&Fetched::Ocsp),
    };
    match online.filter(|_| !what.is_empty()) {
        Some(online) => store.with_asking(asking).with_online(Arc::clone(online)),
        None => store.without_online(),
    }
}
