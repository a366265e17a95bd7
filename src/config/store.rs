//! `[store]`: its engine and its key: a file or a credential of the service manager; bare, or wrapped
//! up for a key that a token holds.
//!
//! Promises: what is wrapped up is CMS for the certificate of `wrapping-key`, so that any program that
//! writes CMS can make it. Refuses: two keys, and none; an engine that this program was built without.
//! Standards: RFC 5652 §6, RFC 5083.

use toml::Spanned;
use zeroize::Zeroizing;

use super::ConfigError;
use super::resolve::Place;
use super::written;
use crate::crypto::cms::decrypt;
use crate::store::{EngineKind, StoreKey};

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
        match (&store.key, &store.credential, &store.wrapping_key) {
            (Some(path), None, Some(wrapping)) => {
                let octets = self.read("store.key", path)?;
                self.unwrapped(path.span(), &octets, wrapping)
            }
            (None, Some(name), Some(wrapping)) => {
                let path = self.credential("store.credential", name)?;
                let octets = std::fs::read(&path).map_err(|error| {
                    self.error(
                        name.span(),
                        "store.credential",
                        format!("{} cannot be read: {error}", path.display()),
                        "name the credential as LoadCredential= does",
                    )
                })?;
                self.unwrapped(name.span(), &octets, wrapping)
            }
            (Some(path), None, None) => {
                StoreKey::read(&self.path(path.get_ref())).map_err(|error| {
                    self.error(
                        path.span(),
                        "store.key",
                        error,
                        "the file holds 32 random octets and only its owner reads it; `ravelin init` makes one",
                    )
                })
            }
            (None, Some(name), None) => {
                let folder = self.credentials("store.credential", name.span())?;
                StoreKey::read_credential(&folder, name.get_ref()).map_err(|error| {
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

    fn unwrapped(
        &self,
        span: std::ops::Range<usize>,
        octets: &[u8],
        wrapping: &written::KeyFiles,
    ) -> Result<StoreKey, ConfigError> {
        let identities = self.identities("store.wrapping-key", wrapping)?;
        let wrong = |text: String| {
            self.error(
                span.clone(),
                "store.key",
                text,
                "make it with `ravelin key wrap`, for the certificate of store.wrapping-key",
            )
        };
        let key = decrypt::open_object(octets, &identities)
            .map_err(|error| wrong(format!("it cannot be unwrapped: {error}")))?;
        let key = <[u8; 32]>::try_from(key.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| wrong("it has not exactly 32 octets inside".to_owned()))?;
        Ok(StoreKey::new(*key))
    }
}
