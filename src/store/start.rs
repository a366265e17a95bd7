//! What is checked and mended when the store is opened.
//!
//! Promises: what cannot be read is set aside with an event, never skipped in silence and never a
//! reason to stop; files that no row names are removed with an event; the exported chain is completed.
//! Each entry is opened once; a million of them take seconds. (Small bodies of entries, which are in
//! one commit with their rows, are looked at when the entry is claimed, and by `store check`.)
//! Refuses: to go on with another key than the store was made with, or after an audit record that
//! cannot be read: a chain that went on from there would hide what was lost.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::awaited::AwaitedRow;
use super::bodies::{Bodies, Place, sync_dir};
use super::brief::{Briefs, Kept};
use super::committer::{Committer, Exporter, Stored, quarantine, seal_record};
use super::crash::{self, Point};
use super::database::Database;
use super::disk::Disk;
use super::engine::{Engine, EngineFault, LastStop, Pair, Table, Write};
use super::known::Index;
use super::latency::Latency;
use super::progress::Progress;
use super::recover::{Make, Recovery};
use super::rows::DraftRow;
use super::sealing::Sealer;
use super::slot::Slot;
use super::{Fault, Inner, Marker, Settings, Shared, Store};
use crate::audit::chain::head_of;
use crate::audit::export::{Export, Found};
use crate::audit::{Act, Chain, Event, Head};
use crate::clock::{Clock, Timestamp};
use crate::message::{DraftId, EntryId};

/// The value under this name opens only with the key that the store was made with.
pub(super) const KEY_CHECK: &[u8] = b"key-check";
const KEY_CHECK_TEXT: &[u8] = b"ravelin store 1";
/// So many values are in memory at once.
pub(super) const PAGE: usize = 1000;
const BODIES: &str = "bodies";

/// Where the engine comes from.
pub(super) enum Source {
    /// The default engine, in the folder of the store.
    Default,
    /// Whatever this makes.
    Made(Make),
    /// This one, once.
    Once(Box<dyn Engine>),
}

/// Opens the store; a test may bring its own engine and disk.
pub(super) fn open(
    settings: Settings,
    clock: Clock,
    source: Source,
    disk: Arc<dyn Disk>,
) -> Result<Store, Fault> {
    let Settings {
        dir,
        key,
        export,
        engine: kind,
        assurance,
    } = settings;
    crash::arm();
    let file_fault = |attempt| {
        let path = dir.display().to_string();
        move |source| Fault::Body {
            attempt,
            path,
            source,
        }
    };
    fs::create_dir_all(&dir).map_err(file_fault("make the folder"))?;
    let marker = Marker::at(&dir);
    let last = if marker.exists() {
        LastStop::Unclean
    } else {
        LastStop::Clean
    };
    let (engine, make): (Box<dyn Engine>, Option<Make>) = match source {
        Source::Default => {
            let database = Database::of(kind, &dir)?;
            let make: Make = Box::new(move |last| database.open(assurance, last));
            (make(last)?, Some(make))
        }
        Source::Made(make) => (make(last)?, Some(make)),
        Source::Once(engine) => (engine, None),
    };
    // From here on the store is ours: the engine holds the lock.
    fs::write(&marker, b"").map_err(file_fault("mark the folder"))?;
    let bodies = Bodies::open(bodies_in(&dir), disk)?;
    // The folder itself must be in its own folder after a power cut.
    let parent = dir
        .canonicalize()
        .map(|dir| dir.parent().map(Path::to_owned));
    let parent = parent.map_err(file_fault("find the folder"))?;
    for dir in parent.iter().chain([&dir]) {
        sync_dir(dir).map_err(file_fault("sync the folder"))?;
    }
    let sealer = Sealer::new(key)?;
    check_key(&*engine, &sealer, &dir.display().to_string())?;

    let now = clock.now();
    let mut briefs = Briefs::default();
    let events = Vec::new();
    let (index, mut chain) = look_through(&*engine, &sealer, &bodies, now, (events, &mut briefs))?;
    crash::here(Point::Opening);

    let export = match export {
        None => None,
        Some(path) => {
            let mut lines =
                |sequence| record(&*engine, &sealer, sequence).map_err(std::io::Error::other);
            let fault = |source| Fault::Body {
                attempt: "complete the audit export",
                path: path.display().to_string(),
                source,
            };
            let (mut file, found) = Export::open(&path, &mut lines).map_err(fault)?;
            if let Found::Different { kept_as, text } = found {
                let event = Event::new(now, Act::ExportRepaired, "switch")
                    .detail("kept-as", kept_as.display())
                    .detail("why", text);
                let records = apply(&*engine, &sealer, &mut chain, Vec::new(), &[event])?;
                file.append(&records).map_err(fault)?;
            }
            Some(Exporter {
                path,
                file: Some(file),
            })
        }
    };
    let (heads, _) = tokio::sync::watch::channel(chain.head().clone());
    let shared = Arc::new(Shared {
        engine: Slot::new(engine),
        sealer,
        bodies,
        fresh: Default::default(),
        observers: RwLock::default(),
        followers: RwLock::default(),
        heads,
        latency: Latency::default(),
        closed: RwLock::default(),
        failures: AtomicU64::new(0),
        briefs: Mutex::new(Some(briefs.all)),
        changes: AtomicU64::new(0),
        groups: AtomicU64::new(0),
        marker: Marker {
            path: marker,
            keep: AtomicBool::new(false),
        },
    });
    let committer = Committer {
        shared: Arc::clone(&shared),
        index,
        chain,
        export,
        recovery: Recovery::new(make, clock, dir.display().to_string()),
    };
    Ok(Store {
        inner: Arc::new(Inner::start(shared, committer)?),
    })
}

/// Looks through everything that the engine has, mends what can be mended, and tells of it with
/// `events` before.
pub(super) fn look_through(
    engine: &dyn Engine,
    sealer: &Sealer,
    bodies: &Bodies,
    now: Timestamp,
    (mut events, briefs): (Vec<Event>, &mut Briefs),
) -> Result<(Index, Chain), Fault> {
    let mut chain = Chain::after(chain_head(engine, sealer)?);
    let mut found = Findings::default();
    let index = load(engine, sealer, bodies, &mut found, briefs)?;
    let swept = sweep(engine, bodies, &index, &found)?;
    events.extend(found.damaged.iter().map(|(what, text)| {
        Event::new(now, Act::Quarantined, "switch")
            .detail("what", what)
            .detail("why", text)
    }));
    if swept > 0 {
        events.push(Event::new(now, Act::Swept, "switch").detail("files", swept));
    }
    apply(engine, sealer, &mut chain, found.writes, &events)?;
    Ok((index, chain))
}

/// The folder of body files of the store in `dir`.
pub(super) fn bodies_in(dir: &Path) -> PathBuf {
    dir.join(BODIES)
}

/// Reads a body, wherever it is. `Err` says in words for people what is wrong with it.
pub(super) fn read_body(
    engine: &dyn Engine,
    sealer: &Sealer,
    bodies: &Bodies,
    name: &str,
    (place, size): (&Place, u64),
) -> Result<Result<Zeroizing<Vec<u8>>, String>, Fault> {
    Ok(match place {
        Place::File { name, key } => bodies.read(name, key, size),
        Place::Inline => {
            let key = body_key(name);
            match engine.read(Table::Body, &key)? {
                None => Err("it is missing".into()),
                Some(sealed) => sealer
                    .open(Table::Body, &key, &sealed)
                    .filter(|body| u64::try_from(body.len()) == Ok(size))
                    .ok_or_else(|| "it was changed".into()),
            }
        }
    })
}

/// The name of an entry in messages, body keys and file names.
pub(super) fn entry_name(id: EntryId) -> String {
    format!("entry_{id}")
}

/// The name of a draft in messages, body keys and file names.
pub(super) fn draft_name(id: DraftId) -> String {
    format!("draft_{id}")
}

/// The key of a small body.
pub(super) fn body_key(name: &str) -> Vec<u8> {
    name.as_bytes().to_vec()
}

/// The line of one audit record.
pub(super) fn record(
    engine: &dyn Engine,
    sealer: &Sealer,
    sequence: u64,
) -> Result<Option<String>, Fault> {
    let key = sequence.to_be_bytes();
    let Some(sealed) = engine.read(Table::Audit, &key)? else {
        return Ok(None);
    };
    open_record(sealer, &key, &sealed).map(Some)
}

/// Opens and reads a row. `Err` says in words for people what is wrong with it.
pub(super) fn open_row<T: DeserializeOwned>(
    sealer: &Sealer,
    table: Table,
    key: &[u8],
    sealed: &[u8],
) -> Result<T, String> {
    let json = sealer.open(table, key, sealed).ok_or("it was changed")?;
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}

/// Calls `visit` with every key and value of a table.
pub(super) fn for_each(
    engine: &dyn Engine,
    table: Table,
    visit: impl FnMut(&Pair) -> Result<(), Fault>,
) -> Result<(), Fault> {
    pages(|from| engine.scan(table, from, PAGE), visit)
}

/// Calls `visit` with all that `scan` gives, page by page.
pub(super) fn pages(
    scan: impl Fn(&[u8]) -> Result<Vec<Pair>, EngineFault>,
    mut visit: impl FnMut(&Pair) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut from = Vec::new();
    loop {
        let page = scan(&from)?;
        page.iter().try_for_each(&mut visit)?;
        match page.last() {
            Some(last) if page.len() == PAGE => {
                from.clone_from(&last.key);
                from.push(0);
            }
            _ => return Ok(()),
        }
    }
}

/// What the look through the tables found.
#[derive(Default)]
struct Findings {
    damaged: Vec<(String, String)>,
    writes: Vec<Write>,
}

/// Whether the key is the one that the store was made with; a new store takes it over.
pub(super) fn check_key(engine: &dyn Engine, sealer: &Sealer, dir: &str) -> Result<(), Fault> {
    match engine.read(Table::Meta, KEY_CHECK)? {
        Some(sealed) => match sealer.open(Table::Meta, KEY_CHECK, &sealed) {
            Some(text) if text.as_slice() == KEY_CHECK_TEXT => Ok(()),
            _ => Err(Fault::WrongKey {
                dir: dir.to_owned(),
            }),
        },
        None => {
            for table in Table::ALL {
                if engine.last(table)?.is_some() {
                    return Err(Fault::WrongKey {
                        dir: dir.to_owned(),
                    });
                }
            }
            let sealed = sealer.seal(Table::Meta, KEY_CHECK, KEY_CHECK_TEXT)?;
            Ok(engine.apply(vec![Write::Put(Table::Meta, KEY_CHECK.to_vec(), sealed)])?)
        }
    }
}

pub(super) fn chain_head(engine: &dyn Engine, sealer: &Sealer) -> Result<Head, Fault> {
    let Some(last) = engine.last(Table::Audit)? else {
        return Ok(Head::before_first());
    };
    let line = open_record(sealer, &last.key, &last.value)?;
    head_of(&line).map_err(|text| Fault::Damaged {
        what: "the last audit record".into(),
        text,
    })
}

pub(super) fn open_record(sealer: &Sealer, key: &[u8], sealed: &[u8]) -> Result<String, Fault> {
    let line = sealer.open(Table::Audit, key, sealed);
    line.and_then(|line| String::from_utf8(line.to_vec()).ok())
        .ok_or_else(|| Fault::Damaged {
            what: format!("the audit record with the key {key:?}"),
            text: "it was changed; put the last backup of the store back".into(),
        })
}

fn load(
    engine: &dyn Engine,
    sealer: &Sealer,
    bodies: &Bodies,
    found: &mut Findings,
    briefs: &mut Briefs,
) -> Result<Index, Fault> {
    let mut index = Index::default();
    let (mut progress, mut revisions) = (Progress::begin(), Vec::new());
    for_each(engine, Table::Entry, |pair| {
        match load_entry(sealer, bodies, pair, &mut index, briefs) {
            Ok(known) => revisions.push(known),
            Err(text) => found.set_aside(Table::Entry, pair, text),
        }
        progress.one_more();
        Ok(())
    })?;
    index.entries.load(revisions);
    for_each(engine, Table::Draft, |pair| {
        let row = open_row::<Stored<DraftRow>>(sealer, Table::Draft, &pair.key, &pair.value);
        let checked = row.and_then(|stored| {
            let row = &stored.row;
            check_name(row.id.octets(), &pair.key)?;
            check_body(engine, bodies, &draft_name(row.id), &stored.body, row.size)?;
            Ok(stored)
        });
        match checked {
            Ok(Stored { row, body }) => {
                index.drafts.insert(row.id, row.revision, &body);
            }
            Err(text) => found.set_aside(Table::Draft, pair, text),
        }
        Ok(())
    })?;
    for_each(engine, Table::Awaited, |pair| {
        let row = open_row::<AwaitedRow>(sealer, Table::Awaited, &pair.key, &pair.value);
        if let Err(text) = row.and_then(|row| check_name(row.id().octets(), &pair.key)) {
            found.set_aside(Table::Awaited, pair, text);
        }
        Ok(())
    })?;
    Ok(index)
}

/// Takes over one entry, if its row can be read: its name and its revision.
fn load_entry(
    sealer: &Sealer,
    bodies: &Bodies,
    pair: &Pair,
    index: &mut Index,
    briefs: &mut Briefs,
) -> Result<(EntryId, u64), String> {
    let json = sealer
        .open(Table::Entry, &pair.key, &pair.value)
        .ok_or("it was changed")?;
    let Kept { row, body } = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    check_name(row.id.octets(), &pair.key)?;
    if let Place::File { name, .. } = &body {
        bodies.check(name, row.size)?;
    }
    briefs.add(&row);
    let known = (row.id, row.revision);
    index.entries.place(row.id, body);
    Ok(known)
}

impl Findings {
    fn set_aside(&mut self, table: Table, pair: &Pair, text: String) {
        let name = name_of(table, &pair.key);
        tracing::error!(name, text, "stored state cannot be read and is set aside");
        self.damaged.push((name, text));
        self.writes
            .extend(quarantine(table, &pair.key, pair.value.clone()));
    }
}

pub(super) fn name_of(table: Table, key: &[u8]) -> String {
    match <[u8; 16]>::try_from(key) {
        Ok(id) if table == Table::Draft => draft_name(DraftId::new(id)),
        Ok(id) => entry_name(EntryId::new(id)),
        Err(_) => format!("{} {key:?}", table.name()),
    }
}

pub(super) fn check_name(id: &[u8], key: &[u8]) -> Result<(), String> {
    if id == key {
        Ok(())
    } else {
        Err("it has the name of another row".into())
    }
}

fn check_body(
    engine: &dyn Engine,
    bodies: &Bodies,
    name: &str,
    place: &Place,
    size: u64,
) -> Result<(), String> {
    match place {
        Place::File { name, .. } => bodies.check(name, size),
        Place::Inline => match engine.contains(Table::Body, &body_key(name)) {
            Ok(true) => Ok(()),
            Ok(false) => Err("its body is missing".into()),
            Err(fault) => Err(fault.to_string()),
        },
    }
}

fn sweep(
    engine: &dyn Engine,
    bodies: &Bodies,
    index: &Index,
    found: &Findings,
) -> Result<u64, Fault> {
    let files = index.entries.files().chain(index.drafts.files());
    let named = files.filter_map(|file| match file {
        Place::File { name, .. } => Some(name.clone()),
        Place::Inline => None,
    });
    // The body of a row that was set aside stays, for whoever can still read the row.
    let mut stems: HashSet<String> = found.damaged.iter().map(|(name, _)| name.clone()).collect();
    for_each(engine, Table::Quarantine, |pair| {
        for table in [Table::Draft, Table::Entry] {
            let key = pair.key.strip_prefix(table.name().as_bytes());
            if let Some(key) = key.and_then(|key| key.strip_prefix(b"/")) {
                stems.insert(name_of(table, key));
            }
        }
        Ok(())
    })?;
    bodies.sweep(&named.collect(), &stems)
}

fn apply(
    engine: &dyn Engine,
    sealer: &Sealer,
    chain: &mut Chain,
    mut writes: Vec<Write>,
    events: &[Event],
) -> Result<Vec<crate::audit::Record>, Fault> {
    let records: Vec<_> = events.iter().map(|event| chain.append(event)).collect();
    for record in &records {
        writes.push(seal_record(sealer, record)?);
    }
    if !writes.is_empty() {
        engine.apply(writes)?;
    }
    Ok(records)
}
