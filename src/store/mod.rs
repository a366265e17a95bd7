//! Durability: what is kept, and `commit`, which makes state and events durable together.
//!
//! - `change`: what one act changes. `rows`: what is kept; `brief`, `known`, `fresh`: of that, in
//!   memory. `committer`: the one thread that writes, `lanes`: the way there, urgent changes first.
//!   `recover`: how the store comes back after a failed commit; `slot`, `latency`: its engine, its pace.
//! - `awaited`, `certificates`, `entries`, `minimize`: what is kept beside drafts.
//! - `start`: what is checked and mended at start. `sealing`, `bodies`: how values and large bodies
//!   lie on the disk. [`engine`]: what an engine must promise; `redb`: the default one, `sled` the
//!   other; `database`: which of them, and where.
//! - [`examine`], [`backup`], [`upkeep`]: what an operator does to it: check; back up and restore;
//!   compact and rekey. [`crash`]: where a crash test kills the process.
//!
//! Promises: when `commit` returns, the change is on stable storage, whole, with its events in the
//! audit chain; before that, nothing of it is to be seen. Concurrent commits share one sync.
//! Refuses: any work after a commit failed ([`Fault::Closed`]): what is on the disk is then
//! unknown, until the engine was opened again and everything checked. No failed sync is tried again.

mod awaited;
pub mod backup;
mod bodies;
mod brief;
mod certificates;
mod change;
mod committer;
pub mod crash;
mod database;
pub mod disk;
pub mod engine;
mod entries;
pub mod examine;
mod fresh;
mod known;
mod lanes;
mod latency;
mod marker;
mod minimize;
mod progress;
mod recover;
pub mod redb;
mod rows;
mod sealing;
#[cfg(feature = "sled")]
pub mod sled;
mod slot;
mod start;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
pub mod upkeep;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zeroize::Zeroizing;

use bodies::{Bodies, Place};
use committer::{Committer, Job, Prepared};
use disk::{Disk, System};
pub use engine::{Assurance, EngineKind};
use engine::{Engine, EngineFault, LastStop, Table};
pub use entries::{EntryBody, WholeEntry};
use fresh::Fresh;
pub use lanes::Groups;
use latency::Latency;
use marker::Marker;
use sealing::Sealer;
use slot::Slot;
use start::Source;
use tokio::sync::watch;

pub use awaited::{
    AskedReport, AwaitedId, AwaitedRow, Awaiting, NotAnAwaitedId, ReceiptRow, ReportKind,
    ReportResult, Settled,
};
pub use brief::EntryBrief;
pub use certificates::{Acceptance, CertificateRow};
pub use change::Change;
pub use latency::{BOUNDS as LATENCY_BOUNDS, Latencies};
pub use minimize::{Exempt, Minimize, MinimizeAct, MinimizeRow};
pub use rows::{
    Considered, DraftRow, DraftState, EntryRow, EntryState, PausedRow, Permitted, PolicyRow,
    RecipientRow, RecipientState, ReplyRow,
};
pub use sealing::{KeyFileError, StoreKey};

use crate::audit::{Event, Head};
use crate::clock::Clock;
use crate::message::{DraftId, EntryId};

/// The name under which the next hops that are held back are remembered.
const PAUSED: &[u8] = b"paused";
/// The name under which the orders of MINIMIZE are remembered.
const MINIMIZE: &[u8] = b"minimize";
/// The name under which the policies in force are remembered.
const POLICIES: &[u8] = b"policies";

/// Where and how the store lies.
#[derive(Clone)]
pub struct Settings {
    /// The folder; made if it is not there.
    pub dir: PathBuf,
    /// What everything in it is sealed under.
    pub key: StoreKey,
    /// The file that the audit chain is written to, if any.
    pub export: Option<PathBuf>,
    /// Which engine it has.
    pub engine: EngineKind,
    /// How hard the engine works against an attacker who makes it crash.
    pub assurance: Assurance,
}

/// The open store. Cheap to clone; the last clone that goes closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The number of the last audit record after the change.
    pub sequence: u64,
    /// How many changes shared its sync.
    pub group: usize,
}

/// What a commit did to one row, for whoever keeps an index.
#[derive(Clone, Debug)]
pub enum Applied {
    /// What is awaited is as this row says.
    Awaited(Box<AwaitedRow>),
    /// Nothing is awaited there any more.
    AwaitedGone(AwaitedId),
    /// A draft is as this row says.
    Draft(DraftRow),
    /// A draft is gone.
    DraftGone(DraftId),
    /// An entry is as this row says.
    Entry(Box<EntryRow>),
    /// An entry is gone.
    EntryGone(EntryId),
    /// These orders of MINIMIZE are known, and no others.
    Minimize(Vec<MinimizeRow>),
    /// These next hops are held back, and no others.
    Paused(Vec<PausedRow>),
}

/// How much was committed since the store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Changes.
    pub changes: u64,
    /// Groups of changes; each cost one sync.
    pub groups: u64,
}

/// We are at fault: what was attempted, and on what.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A body file could not be handled.
    #[error("the store cannot {attempt} {path}")]
    Body {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        path: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// A commit failed before: nothing is accepted until the store was opened again.
    #[error("the store is closed since a commit failed ({0}); it opens when its checks pass")]
    Closed(Arc<str>),
    /// The row was changed by somebody else, or is gone, or is there already.
    #[error("{0}; read it again")]
    Conflict(String),
    /// The cryptographic provider failed.
    #[error("the store cannot seal")]
    Cryptography(#[from] crate::crypto::provider::CryptoError),
    /// Something kept cannot be read any more.
    #[error("{what} is damaged: {text}")]
    Damaged {
        /// Which row or body.
        what: String,
        /// What is wrong.
        text: String,
    },
    /// A backup is not whole, or not of this store.
    #[error("the backup {file}: {text}")]
    Backup {
        /// Which file.
        file: String,
        /// What is wrong.
        text: String,
    },
    /// A row cannot be written down.
    #[error("a row has no written form")]
    Form(#[from] serde_json::Error),
    /// The engine failed.
    #[error("the engine of the store failed")]
    Engine(#[from] EngineFault),
    /// The folder was made by another engine than the settings name.
    #[error("{path} was made by another engine than {engine}: set store.engine to that one")]
    OtherEngine {
        /// Its database.
        path: String,
        /// The engine of the settings.
        engine: &'static str,
    },
    /// The key is not the one that the store was made with.
    #[error(
        "the store in {dir} was made with another key: give the key file that it was made with"
    )]
    WrongKey {
        /// The folder.
        dir: String,
    },
}

impl From<Fault> for crate::decision::Fault {
    fn from(fault: Fault) -> Self {
        Self::new("keep the message", fault)
    }
}

impl Store {
    /// Opens or makes the store: recovers, checks, sets aside what cannot be read, completes the
    /// exported audit chain, and starts the committer.
    pub fn open(settings: Settings, clock: Clock) -> Result<Self, Fault> {
        start::open(settings, clock, Source::Default, Arc::new(System))
    }

    /// As [`Store::open`], on another engine and another disk for body files: for the tests of
    /// engines.
    pub fn open_on(
        settings: Settings,
        clock: Clock,
        engine: Box<dyn Engine>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, Fault> {
        start::open(settings, clock, Source::Once(engine), disk)
    }

    /// As [`Store::open_on`], on an engine that `make` opens, at start and again after a commit
    /// failed.
    pub fn open_with(
        settings: Settings,
        clock: Clock,
        make: impl Fn(LastStop) -> Result<Box<dyn Engine>, EngineFault> + Send + 'static,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, Fault> {
        start::open(settings, clock, Source::Made(Box::new(make)), disk)
    }

    /// Makes `change` durable.
    pub async fn commit(&self, change: Change) -> Result<Committed, Fault> {
        let prepared = if change.has_large_body() {
            let inner = Arc::clone(&self.inner);
            match tokio::task::spawn_blocking(move || inner.prepare(change)).await {
                Ok(prepared) => prepared?,
                Err(error) => return Err(Fault::Closed(error.to_string().into())),
            }
        } else {
            self.inner.prepare(change)?
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.inner
            .submit(prepared, move |result| drop(answer.send(result)))?;
        answered.await.unwrap_or_else(|_| Err(self.inner.stopped()))
    }

    /// Makes `change` durable, on a thread that may wait.
    pub fn commit_blocking(&self, change: Change) -> Result<Committed, Fault> {
        let prepared = self.inner.prepare(change)?;
        let (answer, answered) = mpsc::sync_channel(1);
        self.inner
            .submit(prepared, move |result| drop(answer.send(result)))?;
        answered
            .recv()
            .unwrap_or_else(|_| Err(self.inner.stopped()))
    }

    /// Calls `observer` with all that a commit did, after it is durable and before `commit`
    /// returns. It runs on the committer's thread: it must be quick and must not commit.
    pub fn observe(&self, observer: impl Fn(&Applied) + Send + Sync + 'static) {
        let observers = &self.inner.shared.observers;
        let mut observers = observers.write().unwrap_or_else(|e| e.into_inner());
        observers.push(Box::new(observer));
    }

    /// Calls `follower` with every event that a commit made durable, in the order of the chain. It
    /// runs on the committer's thread, as in [`Store::observe`].
    pub fn follow(&self, follower: impl Fn(&Event) + Send + Sync + 'static) {
        let followers = &self.inner.shared.followers;
        let mut followers = followers.write().unwrap_or_else(|e| e.into_inner());
        followers.push(Box::new(follower));
    }

    /// The last record of the audit chain, and whoever waits for the next one.
    pub fn heads(&self) -> watch::Receiver<Head> {
        self.inner.shared.heads.subscribe()
    }

    /// How long commits took since the store was opened.
    pub fn latencies(&self) -> Latencies {
        self.inner.shared.latency.all()
    }

    /// The longest that a commit took since the last call, or goes on already. For one caller.
    pub fn take_longest_commit(&self) -> std::time::Duration {
        self.inner.shared.latency.take_longest()
    }

    /// How often a commit failed and the store was closed since it was opened first.
    pub fn failures(&self) -> u64 {
        self.inner.shared.failures.load(Ordering::SeqCst)
    }

    /// One draft.
    pub fn draft(&self, id: DraftId) -> Result<Option<DraftRow>, Fault> {
        Ok(self.inner.stored_draft(id)?.map(|stored| stored.row))
    }

    /// The message of one draft, as it was received.
    pub fn draft_body(&self, id: DraftId) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let Some(stored) = self.inner.stored_draft(id)? else {
            return Ok(None);
        };
        self.inner
            .body(&start::draft_name(id), &stored.body, stored.row.size)
            .map(Some)
    }

    /// Every draft, in no order that means anything.
    pub fn drafts(&self) -> Result<Vec<DraftRow>, Fault> {
        self.inner
            .all(Table::Draft, |stored: committer::Stored<DraftRow>| {
                stored.row
            })
    }

    /// The label policies that were in force last, and those that were before and are not any more.
    pub fn policies(&self) -> Result<Vec<PolicyRow>, Fault> {
        let stored = self
            .inner
            .stored(Table::Meta, POLICIES, "the memory of policies")?;
        Ok(stored.unwrap_or_default())
    }

    /// The next hops that an operator holds back.
    pub fn paused(&self) -> Result<Vec<PausedRow>, Fault> {
        let stored = self
            .inner
            .stored(Table::Meta, PAUSED, "the memory of paused next hops")?;
        Ok(stored.unwrap_or_default())
    }

    /// The line of one audit record.
    pub fn record(&self, sequence: u64) -> Result<Option<String>, Fault> {
        let shared = &self.inner.shared;
        shared
            .engine
            .with(|engine| start::record(engine, &shared.sealer, sequence))
    }

    /// How many values were set aside because they could not be read; each is an alarm.
    pub fn quarantined(&self) -> Result<usize, Fault> {
        let engine = &self.inner.shared.engine;
        let found = engine.with(|engine| engine.scan(Table::Quarantine, &[], usize::MAX));
        Ok(found?.len())
    }

    /// How much was committed since the store was opened.
    pub fn counts(&self) -> Counts {
        Counts {
            changes: self.inner.shared.changes.load(Ordering::Relaxed),
            groups: self.inner.shared.groups.load(Ordering::Relaxed),
        }
    }

    /// Why nothing is accepted any more, if that is so.
    pub fn closed(&self) -> Option<Arc<str>> {
        self.inner.shared.closed_because()
    }

    /// The name of the engine.
    pub fn engine(&self) -> &'static str {
        self.inner.shared.engine.name()
    }
}

type Observer = Box<dyn Fn(&Applied) + Send + Sync>;
type Follower = Box<dyn Fn(&Event) + Send + Sync>;

/// What the callers and the committer share.
struct Shared {
    engine: Slot,
    sealer: Sealer,
    bodies: Bodies,
    fresh: Fresh,
    observers: RwLock<Vec<Observer>>,
    followers: RwLock<Vec<Follower>>,
    heads: watch::Sender<Head>,
    latency: Latency,
    closed: RwLock<Option<Arc<str>>>,
    /// How often it was closed; a change that was begun before is not taken after.
    failures: AtomicU64,
    /// What opening read, until somebody takes it or a commit makes it old.
    briefs: Mutex<Option<Vec<EntryBrief>>>,
    changes: AtomicU64,
    groups: AtomicU64,
    // Dropped after the engine: see `Marker`.
    marker: Marker,
}

impl Shared {
    /// Why nothing is accepted, if that is so.
    fn closed_because(&self) -> Option<Arc<str>> {
        self.closed
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .clone()
    }

    fn is_closed(&self) -> Fault {
        let why = self.closed_because();
        Fault::Closed(why.unwrap_or_else(|| "the committer has stopped".into()))
    }

    /// First closed, then counted: what was begun under the new count finds it closed.
    fn close(&self, why: Arc<str>) {
        *self.closed.write().unwrap_or_else(|e| e.into_inner()) = Some(why);
        self.failures.fetch_add(1, Ordering::SeqCst);
    }

    fn open(&self) {
        *self.closed.write().unwrap_or_else(|e| e.into_inner()) = None;
    }

    fn tell(&self, applied: &[Applied]) {
        let observers = self.observers.read().unwrap_or_else(|e| e.into_inner());
        for applied in applied {
            observers.iter().for_each(|observer| observer(applied));
        }
    }

    fn report(&self, events: &[Event]) {
        let followers = self.followers.read().unwrap_or_else(|e| e.into_inner());
        for event in events {
            followers.iter().for_each(|follower| follower(event));
        }
    }

    fn take_briefs(&self) -> Option<Vec<EntryBrief>> {
        self.briefs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

struct Inner {
    shared: Arc<Shared>,
    jobs: Arc<lanes::Lanes<Job>>,
    committer: Option<std::thread::JoinHandle<()>>,
}

impl Inner {
    fn start(shared: Arc<Shared>, committer: Committer) -> Result<Self, Fault> {
        let jobs = Arc::new(lanes::Lanes::default());
        let waiting = Arc::clone(&jobs);
        let committer = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || committer.run(&waiting))
            .map_err(|source| Fault::Body {
                attempt: "start the thread of",
                path: "the committer".into(),
                source,
            })?;
        Ok(Self {
            shared,
            jobs,
            committer: Some(committer),
        })
    }

    fn prepare(&self, change: Change) -> Result<Prepared, Fault> {
        let failures = self.shared.failures.load(Ordering::SeqCst);
        if let Some(why) = self.shared.closed_because() {
            return Err(Fault::Closed(why));
        }
        Prepared::new(change, &self.shared.sealer, &self.shared.bodies, failures)
    }

    fn submit(
        &self,
        prepared: Prepared,
        answer: impl FnOnce(Result<Committed, Fault>) + Send + 'static,
    ) -> Result<(), Fault> {
        let (lane, octets) = (prepared.lane, prepared.octets());
        let job = Job {
            prepared,
            answer: Box::new(answer),
            begun: std::time::Instant::now(),
        };
        self.jobs.put(lane, octets, job).map_err(|_| self.stopped())
    }

    fn stopped(&self) -> Fault {
        self.shared.is_closed()
    }

    fn stored_entry(&self, id: EntryId) -> Result<Option<committer::Stored<EntryRow>>, Fault> {
        self.stored(Table::Entry, id.octets(), &format!("entry {id}"))
    }

    fn stored_draft(&self, id: DraftId) -> Result<Option<committer::Stored<DraftRow>>, Fault> {
        self.stored(Table::Draft, id.octets(), &format!("draft {id}"))
    }

    fn stored<T: serde::de::DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
        what: &str,
    ) -> Result<Option<T>, Fault> {
        let Some(sealed) = self.shared.engine.with(|engine| engine.read(table, key))? else {
            return Ok(None);
        };
        let damaged = |text: String| Fault::Damaged {
            what: what.to_owned(),
            text,
        };
        start::open_row(&self.shared.sealer, table, key, &sealed)
            .map(Some)
            .map_err(damaged)
    }

    fn all<T: serde::de::DeserializeOwned, R>(
        &self,
        table: Table,
        row: impl Fn(T) -> R,
    ) -> Result<Vec<R>, Fault> {
        let mut rows = Vec::new();
        let mut visit = |pair: &engine::Pair| {
            match start::open_row(&self.shared.sealer, table, &pair.key, &pair.value) {
                Ok(stored) => rows.push(row(stored)),
                Err(text) => tracing::error!(table = table.name(), text, "a row is damaged"),
            }
            Ok(())
        };
        let engine = &self.shared.engine;
        engine.with(|engine| start::for_each(engine, table, &mut visit))?;
        Ok(rows)
    }

    fn body(&self, name: &str, place: &Place, size: u64) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let Shared {
            engine,
            sealer,
            bodies,
            ..
        } = &*self.shared;
        let place = (place, size);
        let read = engine.with(|engine| start::read_body(engine, sealer, bodies, name, place))?;
        read.map_err(|text| Fault::Damaged {
            what: format!("the body of {name}"),
            text,
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs.close();
        if let Some(committer) = self.committer.take()
            && committer.thread().id() != std::thread::current().id()
        {
            // A committer that panicked has stopped the process already.
            let _ = committer.join();
        }
    }
}
