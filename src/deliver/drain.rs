//! Being told to stop: who has something in hand finishes it, nobody begins anything new.
//!
//! Promises: whoever holds a [`Draining`] is waited for, up to the patience of who stops; a task
//! that ends, however it ends, is not. Who delivers may be told in two steps: that it begins, and,
//! when nothing more can come, that this is the end.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// The end of whoever works.
#[derive(Clone, Debug)]
pub struct Draining {
    told: watch::Receiver<Told>,
    _at_work: mpsc::Sender<Infallible>,
}

/// What those who work were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    /// To begin nothing that can wait.
    Begun,
    /// That nothing comes any more.
    Last,
}

/// The end of whoever stops them.
#[derive(Debug)]
pub struct Drain {
    tell: watch::Sender<Told>,
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
            tell: watch::Sender::new(Told::Nothing),
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
            told: self.tell.subscribe(),
            _at_work: at_work,
        }
    }

    /// Tells all that it begins, and does not wait.
    pub fn begin(&self) {
        self.tell.send_if_modified(|told| {
            let is_first = *told == Told::Nothing;
            *told = Told::Begun.max(*told);
            is_first
        });
    }

    /// Tells all to stop, and waits until they have.
    pub async fn stop(&mut self, patience: Duration) -> Drained {
        self.tell.send_replace(Told::Last);
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
        *self.told.borrow() >= Told::Begun
    }

    /// Whether nothing comes any more.
    pub fn is_last(&self) -> bool {
        *self.told.borrow() == Told::Last
    }

    /// Waits until all are told to stop.
    pub async fn begun(&self) {
        self.reached(Told::Begun).await;
    }

    /// Waits until all are told that nothing comes any more.
    pub async fn last(&self) {
        self.reached(Told::Last).await;
    }

    async fn reached(&self, step: Told) {
        let mut told = self.told.clone();
        if told.wait_for(|told| *told >= step).await.is_err() {
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

    #[tokio::test]
    async fn the_end_comes_after_the_beginning_and_never_goes_back() {
        let mut drain = Drain::new();
        let worker = drain.worker();
        drain.begin();
        worker.begun().await;
        assert!(worker.has_begun() && !worker.is_last());
        let ended = tokio::spawn(async move {
            worker.last().await;
            worker.is_last()
        });
        assert_eq!(drain.stop(Duration::from_secs(60)).await, Drained::All);
        assert!(ended.await.unwrap());
        drain.begin();
        assert!(drain.worker().is_last());
    }
}
