//! `[store]`: its key (a file, or a credential of the service manager) and its engine.
//!
//! Refuses: two keys, and none; an engine that this program was built without.

use std::path::Path;

use toml::Spanned;

use super::ConfigError;
use super::resolve::Place;
use super::written;
use crate::store::{EngineKind, StoreKey};

/// Where the service manager puts credentials (systemd.exec, `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

impl Place<'_> {
    pub(super) fn engine(
        &self,
        named: Option<&Spanned<written::StoreEngine>>,
    ) -> Result<EngineKind, ConfigError> {
        let Some(named) = named else {
            return Ok(EngineKind::default());
        };
        let engine = match named.get_ref() {
            written::StoreEngine::Redb => EngineKind::Redb,
            written::StoreEngine::Sled => EngineKind::Sled,
        };
        if !engine.is_built() {
            return Err(self.error(
                named.span(),
                "store.engine",
                format!("this program was built without {}", engine.name()),
                "leave the key out, or build with --features sled (README says why it is no default)",
            ));
        }
        Ok(engine)
    }

    pub(super) fn store_key(&self, store: &written::Store) -> Result<StoreKey, ConfigError> {
        match (&store.key, &store.credential) {
            (Some(path), None) => StoreKey::read(&self.path(path.get_ref())).map_err(|error| {
                self.error(
                    path.span(),
                    "store.key",
                    error,
                    "the file holds 32 random octets and only its owner reads it; `ravelin init` makes one",
                )
            }),
            (None, Some(name)) => {
                let folder = std::env::var_os(CREDENTIALS).ok_or_else(|| {
                    self.error(
                        name.span(),
                        "store.credential",
                        "no service manager handed credentials over",
                        "start the switch as a systemd service with LoadCredential= or \
                         LoadCredentialEncrypted=, or name a file with store.key",
                    )
                })?;
                StoreKey::read_credential(Path::new(&folder), name.get_ref()).map_err(|error| {
                    self.error(
                        name.span(),
                        "store.credential",
                        error,
                        "the credential holds 32 random octets; name it as LoadCredential= does",
                    )
                })
            }
            _ => Err(self.whole(
                "store.key",
                "the key of the store is named once",
                "set either store.key or store.credential",
            )),
        }
    }
}
