//! The place of the engine: it is there, or away while the store is being opened again.
//!
//! Promises: nobody reads from an engine that was dropped, and two are never open at once.

use std::sync::{PoisonError, RwLock};

use super::Fault;
use super::engine::Engine;

/// Where the engine is.
pub(super) struct Slot {
    engine: RwLock<Option<Box<dyn Engine>>>,
    name: &'static str,
}

impl Slot {
    pub(super) fn new(engine: Box<dyn Engine>) -> Self {
        Self {
            name: engine.name(),
            engine: RwLock::new(Some(engine)),
        }
    }

    /// The name of the engine.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Does `work` with the engine, while nobody takes it away.
    pub(super) fn with<R, E: Into<Fault>>(
        &self,
        work: impl FnOnce(&dyn Engine) -> Result<R, E>,
    ) -> Result<R, Fault> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        match &*engine {
            Some(engine) => work(&**engine).map_err(Into::into),
            None => Err(Fault::Closed("it is being opened again".into())),
        }
    }

    /// Drops the engine, waits until nobody uses it, and puts the one that `make` gives in its place.
    pub(super) fn replace<E: Into<Fault>>(
        &self,
        make: impl FnOnce() -> Result<Box<dyn Engine>, E>,
    ) -> Result<(), Fault> {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock of its file.
        *engine = None;
        *engine = Some(make().map_err(Into::into)?);
        Ok(())
    }
}
