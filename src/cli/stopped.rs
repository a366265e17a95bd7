//! The store of a switch that does not run, for commands that read it directly.
//!
//! Refuses: a store that was never made (looking must not make one), and one that is in use.

use std::path::Path;

use super::answer::{Trouble, chain};
use crate::clock::Clock;
use crate::config;
use crate::store::{Fault, Settings, Store};

pub(super) fn store(file: &Path) -> Result<Store, Trouble> {
    let settings = settings(file)?;
    let dir = settings.dir.clone();
    Store::open(settings, Clock::system()).map_err(|error| fault("open", &dir, &error))
}

/// The settings of a store that is there.
pub(super) fn settings(file: &Path) -> Result<Settings, Trouble> {
    let config = config::load(file)?;
    if !config.store.is_dir() {
        return Err(Trouble::usage(
            format!("{}: there is no store yet", config.store.display()),
            "start the switch once with `ravelin serve`",
        ));
    }
    Ok(config.store_settings())
}

/// What a store could not do, and the likeliest remedy.
pub(super) fn fault(attempt: &str, dir: &Path, error: &Fault) -> Trouble {
    Trouble::Fault(format!(
        "{attempt} the store in {}: {}\n  remedy: stop the switch first; only one process may have \
         the store",
        dir.display(),
        chain(error)
    ))
}
