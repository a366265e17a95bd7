//! The key of the store: a file, or a credential of the service manager.
//!
//! Refuses: both, and neither.

use std::path::Path;

use super::ConfigError;
use super::resolve::Place;
use super::written;
use crate::store::StoreKey;

/// Where the service manager puts credentials (systemd.exec, `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

impl Place<'_> {
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
