//! What the switch knows of who was revoked, kept new while it runs.
//!
//! Promises: what was fetched and is in use is asked for again before it ends; CRLs in files are
//! read again when the files change, without a reload, and an event tells of it. Nobody waits for
//! this. What breaks takes nothing away: what was known stays, until it is out of date.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Switch, events};
use crate::audit::{Act, Event};
use crate::crypto::revocation::files::Reread;
use crate::decision::Fault;

/// How often what was fetched is looked through for what ends soon.
const LOOK: Duration = Duration::from_secs(15);
/// How often the folder is swept.
const SWEEP: Duration = Duration::from_secs(24 * 60 * 60);

impl Switch {
    /// Keeps revocation data new until the task is dropped.
    pub async fn keep_revocation_new(self: Arc<Self>) {
        let mut reread = Instant::now();
        let mut swept = None;
        loop {
            let config = self.config.snapshot();
            let data = &config.revocation;
            if let Some(online) = &data.online {
                online.refresh(self.now(), data.refresh);
                if swept.is_none_or(|swept: Instant| swept.elapsed() >= SWEEP) {
                    let online = Arc::clone(online);
                    // Nobody waits for it; one that fails is made again tomorrow.
                    drop(tokio::task::spawn_blocking(move || online.sweep()));
                    swept = Some(Instant::now());
                }
            }
            if reread.elapsed() >= data.reread {
                if let Err(fault) = self.reread_lists().await {
                    tracing::error!(fault = %fault.chain(), "revocation lists were not read again");
                }
                reread = Instant::now();
            }
            tokio::time::sleep(LOOK.min(data.reread)).await;
        }
    }

    /// Reads the files with CRLs again that have changed. What changed.
    ///
    /// # Errors
    /// A fault when the event cannot be kept.
    pub async fn reread_lists(&self) -> Result<Vec<PathBuf>, Fault> {
        let config = self.config.snapshot();
        let files = config.revocation.files.clone();
        let read = move || {
            let mut found = Reread::default();
            for one in &files {
                let mut next = one.reread();
                found.changed.append(&mut next.changed);
                found.problems.append(&mut next.problems);
            }
            found
        };
        let found = tokio::task::spawn_blocking(read).await;
        let found = found.map_err(|error| Fault::new("read revocation lists again", error))?;
        if found == Reread::default() {
            return Ok(found.changed);
        }
        let mut event = Event::new(self.now(), Act::ListsRead, "switch");
        for (number, file) in found.changed.iter().enumerate() {
            event = event.detail(format!("file-{:02}", number + 1), file.display());
        }
        for (number, problem) in found.problems.iter().enumerate() {
            tracing::warn!("{problem}; what it held stays");
            event = event.detail(format!("problem-{:02}", number + 1), problem);
        }
        self.commit(events::one(event)).await?;
        Ok(found.changed)
    }
}
