//! Being told to stop: who has something in hand finishes it, nobody begins anything new.
//!
//! Promises: whoever holds a [`Draining`] is waited for, up to the patience of who stops; a task
//! that ends, however it ends, is not.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// The end of whoever works.
#[derive(Clone, Debug)]
pub struct Draining {
    begun: watch::Receiver<bool>,
    _at_work: mpsc::Sender<Infallible>,
}

/// The end of whoever stops them.
#[derive(Debug)]
pub struct Drain {
    begin: watch::Sender<bool>,
    ended: mpsc::Receiver<Infallible>,
    keep: Option<mpsc::Sender<Infallible>>,
}

/// Whether all had finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// All had.
    All,
    /// Some had something in hand still.
    Cut,
}

impl Drain {
    /// Nobody is told to stop yet.
    pub fn new() -> Self {
        let (keep, ended) = mpsc::channel(1);
        Self {
            begin: watch::Sender::new(false),
            ended,
            keep: Some(keep),
        }
    }

    /// For somebody who works. Once all were told to stop, it is told so at once.
    pub fn worker(&self) -> Draining {
        let at_work = match &self.keep {
            Some(keep) => keep.clone(),
            // Too late to be waited for.
            None => mpsc::channel(1).0,
        };
        Draining {
            begun: self.begin.subscribe(),
            _at_work: at_work,
        }
    }

    /// Tells all to stop, and waits until they have.
    pub async fn stop(&mut self, patience: Duration) -> Drained {
        self.begin.send_replace(true);
        self.keep = None;
        match tokio::time::timeout(patience, self.ended.recv()).await {
            Ok(_) => Drained::All,
            Err(_) => Drained::Cut,
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Draining {
    /// Whether all are told to stop.
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until all are told to stop.
    pub async fn begun(&self) {
        let mut begun = self.begun.clone();
        if begun.wait_for(|begun| *begun).await.is_err() {
            // Who could stop us is gone without a word: so nobody does.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_something_in_hand_is_waited_for_and_not_for_ever() {
        let mut drain = Drain::new();
        let (quick, stuck) = (drain.worker(), drain.worker());
        assert!(!quick.has_begun());
        let quick = tokio::spawn(async move { quick.begun().await });
        assert_eq!(drain.stop(Duration::from_millis(50)).await, Drained::Cut);
        quick.await.unwrap();
        assert!(stuck.has_begun() && drain.worker().has_begun());
        drop(stuck);
        assert_eq!(drain.stop(Duration::from_secs(60)).await, Drained::All);
    }
}
