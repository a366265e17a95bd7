//! `[directory]`: where certificates and clearances come from that the configuration does not name.
//!
//! Promises: files are read whole when the configuration is; what stands in them is part of the
//! number of the rules, so entries are judged again when it changes.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::policies::digest;
use super::resolve::Place;
use crate::crypto::directory::{self, Table};

/// `[directory]`: asked in this order for what no `[[subject]]` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Directory {
    /// LDIF files, PEM certificates, or folders of them.
    #[serde(default)]
    pub files: Vec<Spanned<PathBuf>>,
}

/// What the section means.
pub(super) struct Meant {
    pub directory: Arc<dyn directory::Directory>,
    /// Of all that was read from files.
    pub digest: String,
}

impl Place<'_> {
    pub(super) fn directory(&self, written: &Directory) -> Result<Meant, ConfigError> {
        let mut sources: Vec<Arc<dyn directory::Directory>> = Vec::new();
        let mut digests = String::new();
        for place in &written.files {
            let table = Table::load(&[self.path(place.get_ref())]).map_err(|error| {
                self.error(
                    place.span(),
                    "directory.files",
                    error,
                    "LDIF entries with mail and userCertificate;binary, or PEM certificates",
                )
            })?;
            digests.push_str(table.digest());
            sources.push(Arc::new(table));
        }
        Ok(Meant {
            directory: Arc::new(sources),
            digest: digest(digests.as_bytes()),
        })
    }
}
