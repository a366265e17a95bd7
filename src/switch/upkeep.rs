//! What an operator has the running switch do to its store.

use std::sync::Arc;

use super::Switch;
use crate::decision::Fault;
use crate::store::backup::Copied;

/// Why there is no backup.
#[derive(Debug)]
pub enum BackupError {
    /// We are at fault.
    Fault(Fault),
    /// The configuration names no folder for them.
    NoFolder,
}

impl Switch {
    /// Copies the store, as it is now, into a new file in the folder of backups. Messages are taken
    /// and delivered meanwhile.
    ///
    /// # Errors
    /// When there is no such folder, or the disk fails.
    pub async fn backup(self: &Arc<Self>, actor: &str) -> Result<Copied, BackupError> {
        let folder = self.config.snapshot().backups.clone();
        let folder = folder.ok_or(BackupError::NoFolder)?;
        let file = folder.join(format!(
            "ravelin-{}.backup",
            self.now().strftime("%Y%m%dT%H%M%S%3fZ")
        ));
        let (switch, actor) = (Arc::clone(self), actor.to_owned());
        let copied = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)
                .map_err(|error| Fault::new("make the folder of backups", error))?;
            let copied = switch.store.backup(&file, &actor, &switch.clock);
            copied.map_err(|error| Fault::new("back the store up", error))
        });
        copied
            .await
            .unwrap_or_else(|error| Err(Fault::new("back the store up", error)))
            .map_err(BackupError::Fault)
    }
}
