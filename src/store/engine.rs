//! What a storage engine must promise, whatever it is: redb, sled, or PostgreSQL beside them.
//!
//! An engine sees octets only: every value was sealed before it got here, and every key holds no
//! more than what an engine may order by (identifier, number).
//!
//! An engine promises: [`Engine::apply`] is atomic, and when it returns `Ok` everything in it is
//! on stable storage; reads see applied writes at once; `scan` gives ascending order of keys.
//! The store promises: one `apply` at a time, from one thread; after a failed `apply` no other, until
//! the engine was dropped and opened anew.
//!
//! PostgreSQL fits: one table (number of table, key, value) with the first two as its primary key;
//! `apply` is one transaction under `synchronous_commit=on`, whose lost answer is a failed apply
//! (the store is closed and opened anew, and sees what is true); `scan` orders by key (`bytea` orders
//! as octets do); a snapshot is a `REPEATABLE READ READ ONLY` transaction. That one process has the
//! store alone, as redb's lock says, would be a row with an owner and an epoch which every `apply`
//! confirms in its own transaction.

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Number (8 octets) to a line of the audit chain.
    Audit,
    /// Message and digest of a recipient (32 octets) to the reports that are awaited.
    Awaited,
    /// Kind and identifier (17 octets) to a small body.
    Body,
    /// Identifier to a certificate that signed mail brought.
    Certificate,
    /// Identifier to a held message.
    Draft,
    /// Identifier to a sealed message for one next hop.
    Entry,
    /// Name to a value of the store itself.
    Meta,
    /// Table number and key to a value that could not be read any more.
    Quarantine,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Audit,
        Self::Awaited,
        Self::Body,
        Self::Certificate,
        Self::Draft,
        Self::Entry,
        Self::Meta,
        Self::Quarantine,
    ];

    /// The table of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Whether older stores had a table of that name, which no version needs any more: stores lose it
    /// when they are opened, backups when they are restored.
    pub fn was_named(name: &str) -> bool {
        name == Self::OF_OLD
    }

    /// Before 20261121: the order of the entries that were ready, repeated from their rows.
    pub(super) const OF_OLD: &str = "ready";

    /// Its name inside an engine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Awaited => "awaited",
            Self::Body => "body",
            Self::Certificate => "certificate",
            Self::Draft => "draft",
            Self::Entry => "entry",
            Self::Meta => "meta",
            Self::Quarantine => "quarantine",
        }
    }
}

/// One write of an atomic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Makes or replaces a value.
    Put(Table, Vec<u8>, Vec<u8>),
    /// Removes a value; nothing happens if there is none.
    Remove(Table, Vec<u8>),
}

impl Write {
    /// The table that it writes to.
    pub const fn table(&self) -> Table {
        match self {
            Self::Put(table, ..) | Self::Remove(table, _) => *table,
        }
    }
}

/// A storage engine.
pub trait Engine: Send + Sync {
    /// What it is, for people.
    fn name(&self) -> &'static str;

    /// All of `writes` or nothing, on stable storage on return.
    fn apply(&self, writes: Vec<Write>) -> Result<(), EngineFault>;

    /// One value.
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault>;

    /// Whether there is a value.
    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, EngineFault>;

    /// At most `limit` keys and values with keys from `from` on, in ascending order.
    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault>;

    /// The last key of a table and its value.
    fn last(&self, table: Table) -> Result<Option<Pair>, EngineFault>;

    /// What it holds at this moment, to be read while `apply` goes on. An engine that keeps no
    /// versions may let `apply` wait until the snapshot is dropped.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, EngineFault>;

    /// Gives free space back to the file system, where the engine can.
    fn compact(&mut self) -> Result<(), EngineFault>;
}

/// What an engine held at one moment.
pub trait Snapshot {
    /// As [`Engine::scan`].
    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Pair>, EngineFault>;
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// How hard an engine works to survive an attacker who knows its file and makes it crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assurance {
    /// Two-phase commit and quick repair: several times slower with many writers.
    High,
    /// One-phase commit.
    #[default]
    Standard,
}

/// The engines that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// redb 4: the default.
    #[default]
    Redb,
    /// sled 0.34, where the program was built with it (feature `sled`).
    Sled,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Redb, Self::Sled];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        }
    }

    /// Whether this program was built with it.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Redb => true,
            Self::Sled => cfg!(feature = "sled"),
        }
    }
}

/// How the last process that had the store open ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStop {
    /// It closed the store.
    Clean,
    /// It goes on, and a commit of its failed: what can be read may not be on the disk. The engine
    /// writes it all anew before it believes any of it, and checks itself.
    Failed,
    /// It did not: the engine checks itself before it is used.
    Unclean,
}

/// The engine cannot do its work.
#[derive(Debug, thiserror::Error)]
#[error("{engine} cannot {attempt}")]
pub struct EngineFault {
    /// Which engine.
    pub engine: &'static str,
    /// What was attempted.
    pub attempt: &'static str,
    /// Its own words.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// While it lives, a panic of the thread stops the whole process: what an engine that panicked has
/// in memory is not to be trusted, and its file is whole up to the last commit.
pub struct StopOnPanic;

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ravelin: the store panicked; the process stops so that nothing is lost");
            std::process::abort();
        }
    }
}
