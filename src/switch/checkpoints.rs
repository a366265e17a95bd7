//! When the switch signs the head of its audit chain, and what its witness remembers.
//!
//! Promises: after so many events, or so long after one, and when the switch stops, a checkpoint is
//! in the chain; the witness, where there is one, has the same head afterwards. A witness that cannot
//! be written is an alarm and stops nothing: the next checkpoint tries again.
//! Refuses: to begin work on a chain that its witness contradicts (an older store was put back),
//! unless an operator accepts that; then the witness is set aside and an event says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Switch, events};
use crate::audit::chain::Head;
use crate::audit::checkpoint::Checkpoint;
use crate::audit::{Act, Event, witness};
use crate::decision::Fault;
use crate::store::Change;

/// How long to wait after a checkpoint that could not be made.
const PAUSE: Duration = Duration::from_secs(5);

/// The chain is not the one that the witness saw.
#[derive(Debug, thiserror::Error)]
#[error(
    "{text}: an older store was put back, or its chain was changed; put the newer one back, or, if \
     going back is meant, start with `ravelin serve --accept-rollback`"
)]
pub struct Contradicted {
    text: String,
}

impl Switch {
    /// Signs the head of the chain, if anything was added since the last time. Gives back the number
    /// of the checkpoint's own record.
    ///
    /// # Errors
    /// When the key does not sign, or the store fails.
    pub async fn checkpoint(&self) -> Result<Option<u64>, Fault> {
        let mut last = self.checkpointed.lock().await;
        let head: Head = self.store.heads().borrow().clone();
        if head.sequence == 0 || head.sequence == *last {
            return Ok(None);
        }
        let (config, at) = (self.config.snapshot(), self.now());
        let signing = Arc::clone(&config);
        let signed = tokio::task::spawn_blocking(move || {
            let key = signing.keys.signer(at)?;
            Checkpoint::sign(key, &signing.name, &head, at)
                .map_err(|error| Fault::new("sign the audit chain", error))
        });
        let point = signed
            .await
            .map_err(|error| Fault::new("sign the audit chain", error))??;
        let committed = self.store.commit(events::one(point.event())).await;
        let committed = committed.map_err(|error| Fault::new("keep a checkpoint", error))?;
        *last = committed.sequence;
        if let Some(path) = config.operation.checkpoints.witness.clone() {
            let shown = path.display().to_string();
            let told = tokio::task::spawn_blocking(move || witness::append(&path, &point)).await;
            let told = told.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            self.unwitnessed.store(told.is_err(), Ordering::Relaxed);
            if let Err(error) = told {
                tracing::error!(path = shown, %error, "the witness could not be told of a checkpoint");
            }
        }
        Ok(Some(committed.sequence))
    }

    /// Makes checkpoints when they are due, until the task is dropped.
    pub async fn keep_checkpoints(self: Arc<Self>) {
        let mut heads = self.store.heads();
        loop {
            let due = self.config.snapshot().operation.checkpoints.clone();
            let since = *self.checkpointed.lock().await;
            let enough = heads.wait_for(|head| head.sequence >= since.saturating_add(due.events));
            // Ends early, or after so long: whether anything was added is seen then.
            let _ = tokio::time::timeout(due.after, enough).await;
            if let Err(fault) = self.checkpoint().await {
                tracing::error!(fault = %fault.chain(), "the audit chain could not be signed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Whether the last checkpoint did not reach its witness.
    pub fn is_unwitnessed(&self) -> bool {
        self.unwitnessed.load(Ordering::Relaxed)
    }

    /// Holds the chain of the store against its witness. Nothing may be served before.
    ///
    /// # Errors
    /// When they contradict each other and that is not `accepted`; when the witness cannot be read.
    pub async fn hold_against_witness(&self, accepted: bool) -> Result<(), Fault> {
        let Some(path) = self.config.snapshot().operation.checkpoints.witness.clone() else {
            return Ok(());
        };
        let attempt = || {
            format!(
                "compare the audit chain with its witness {}",
                path.display()
            )
        };
        let hash = |number| {
            let line = self.store.record(number).map_err(std::io::Error::other)?;
            let head = line
                .map(|line| crate::audit::chain::head_of(&line))
                .transpose();
            let head = head.map_err(std::io::Error::other)?;
            Ok(head.map(|head| head.hash))
        };
        let found = witness::contradiction(&path, hash);
        let found = found.map_err(|error| Fault::new(attempt(), error))?;
        let Some(text) = found else { return Ok(()) };
        if !accepted {
            return Err(Fault::new(attempt(), Contradicted { text }));
        }
        let kept_as =
            set_aside(&path).map_err(|error| Fault::new("set the witness aside", error))?;
        let mut change = Change::new();
        change.record(
            Event::new(self.now(), Act::RolledBack, "operator")
                .detail("witness", kept_as.display())
                .detail("why", text),
        );
        self.commit(change).await
    }
}

/// Renames the file to the first free `<name>.different-<n>`.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".different-{n}"));
        PathBuf::from(name)
    };
    let free = (1..).map(name).find(|name| !name.exists());
    let kept_as = free.ok_or(std::io::ErrorKind::AlreadyExists)?;
    std::fs::rename(path, &kept_as)?;
    Ok(kept_as)
}
