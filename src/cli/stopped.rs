//! The store of a switch that does not run, for commands that read it directly.
//!
//! Refuses: a store that was never made (looking must not make one), and one that is in use.

use std::path::Path;

use super::answer::{Trouble, chain};
use crate::clock::Clock;
use crate::config;
use crate::store::{Assurance, Settings, Store};

pub(super) fn store(file: &Path) -> Result<Store, Trouble> {
    let config = config::load(file)?;
    if !config.store.is_dir() {
        return Err(Trouble::usage(
            format!("{}: there is no store yet", config.store.display()),
            "start the switch once with `ravelin serve`",
        ));
    }
    let settings = Settings {
        dir: config.store.clone(),
        key: config.store_key.clone(),
        export: config.audit.clone(),
        assurance: Assurance::default(),
    };
    Store::open(settings, Clock::system()).map_err(|error| {
        Trouble::Fault(format!(
            "open the store in {}: {}\n  remedy: stop the switch first; only one process may have \
             the store",
            config.store.display(),
            chain(&error)
        ))
    })
}
