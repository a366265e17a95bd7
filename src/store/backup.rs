//! A copy of the store in one file, made while the switch runs, and the way back.
//!
//! The file is a line `ravelin backup 1`, then records: kind (1 octet), length (4), content. Values
//! stand in it as they stand in the store, sealed; so do body files. The last record is an HMAC over
//! everything before it, under a key derived from the store's.
//! Promises: a backup is the store at one moment; it is on stable storage on return, under its
//! name, whole. A restore is whole or not at all.
//! Refuses: to write over a file; to restore into a folder that holds anything; a backup that was
//! cut, changed, or made under another key.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bodies::{fault, is_name, sync_dir};
use super::database::Database;
use super::engine::{Assurance, LastStop, Table, Write};
use super::sealing::{StoreKey, Tally};
use super::start::{PAGE, bodies_in, pages};
use super::{Change, Fault, Settings, Store};
use crate::audit::{Act, Event};
use crate::clock::Clock;

const HEAD: &[u8] = b"ravelin backup 1\n";
/// No record is longer; a longer one is not ours.
const RECORD_LIMIT: u32 = 64 << 20;
const CHUNK: usize = 1 << 20;
/// So many octets of values are put into one group when they are restored.
const GROUP: usize = 8 << 20;

const END: u8 = 0;
const VALUE: u8 = 1;
const FILE: u8 = 2;
const OCTETS: u8 = 3;

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The file.
    pub file: PathBuf,
    /// Values of all tables.
    pub values: u64,
    /// Body files.
    pub bodies: u64,
    /// The number of the last audit record in it.
    pub records: u64,
}

impl Store {
    /// Copies the store, as it is at one moment, into a new file. Commits go on meanwhile. Blocks.
    ///
    /// # Errors
    /// When the file is there already, or the disk fails; then there is no such file.
    pub fn backup(&self, to: &Path, actor: &str, clock: &Clock) -> Result<Copied, Fault> {
        let shared = &self.inner.shared;
        let unfinished = suffixed(to, "part");
        if to.exists() {
            return Err(wrong(
                to,
                "is there already; a backup is never written over",
            ));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(&unfinished);
        let file = file.map_err(|e| fault("make", &unfinished, e))?;
        let finish = |copied: Copied| {
            fs::rename(&unfinished, to).map_err(|e| fault("rename", &unfinished, e))?;
            sync_dir(folder(to)).map_err(|e| fault("sync the folder", folder(to), e))?;
            let mut change = Change::new();
            change.record(
                Event::new(clock.now(), Act::BackedUp, actor)
                    .detail("file", to.display())
                    .detail("records", copied.records)
                    .detail("values", copied.values)
                    .detail("bodies", copied.bodies),
            );
            self.commit_blocking(change)?;
            Ok(copied)
        };
        // Files first: what a snapshot names was there before it, and stays.
        let pin = shared.bodies.pin();
        let copied = self.copy(file, &unfinished, to);
        drop(pin);
        let result = copied.and_then(finish);
        if result.is_err() {
            // The name was free before; what is left of it is of no use to anybody.
            let _ = fs::remove_file(&unfinished);
        }
        result
    }

    fn copy(&self, file: File, path: &Path, to: &Path) -> Result<Copied, Fault> {
        let shared = &self.inner.shared;
        let failed = |e| fault("write", path, e);
        let mut copied = Copied {
            file: to.to_owned(),
            ..Copied::default()
        };
        let mut out = Out {
            file: BufWriter::new(file),
            tally: shared.sealer.tally(),
        };
        out.file.write_all(HEAD).map_err(failed)?;
        shared.engine.with(|engine| {
            let snapshot = engine.snapshot()?;
            for table in Table::ALL {
                pages(
                    |from| snapshot.scan(table, from, PAGE),
                    |pair| {
                        copied.values += 1;
                        if table == Table::Audit
                            && let Ok(key) = <[u8; 8]>::try_from(pair.key.as_slice())
                        {
                            copied.records = u64::from_be_bytes(key);
                        }
                        let value = value(table, &pair.key, &pair.value);
                        out.record(VALUE, &value).map_err(failed)
                    },
                )?;
            }
            Ok::<_, Fault>(())
        })?;
        for name in shared.bodies.files()? {
            copied.bodies += 1;
            out.record(FILE, name.as_bytes()).map_err(failed)?;
            for chunk in shared.bodies.sealed(&name)?.chunks(CHUNK) {
                out.record(OCTETS, chunk).map_err(failed)?;
            }
        }
        out.end().map_err(failed)?;
        Ok(copied)
    }
}

/// Makes the store that `settings` name from a backup.
///
/// # Errors
/// When the folder holds anything, the backup is not whole or of another key, or the disk fails;
/// then there is no store.
pub fn restore(from: &Path, settings: &Settings, clock: &Clock) -> Result<Copied, Fault> {
    let dir = &settings.dir;
    let is_empty = match fs::read_dir(dir) {
        Ok(mut found) => found.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(fault("read the folder", dir, error)),
    };
    if !is_empty {
        let text = "is not restored into a folder that holds something: move that aside first";
        return Err(wrong(from, format!("{text} ({})", dir.display())));
    }
    let unfinished = suffixed(dir, "restoring");
    if unfinished.exists() {
        // Left by a restore that did not end; nobody ever used it.
        fs::remove_dir_all(&unfinished).map_err(|e| fault("remove", &unfinished, e))?;
    }
    let bodies = bodies_in(&unfinished);
    fs::create_dir_all(&bodies).map_err(|e| fault("make the folder", &bodies, e))?;
    let copied = fill(from, settings, &unfinished, &bodies).inspect_err(|_| {
        let _ = fs::remove_dir_all(&unfinished);
    })?;
    for dir in [&bodies, &unfinished] {
        sync_dir(dir).map_err(|e| fault("sync the folder", dir, e))?;
    }
    if dir.exists() {
        fs::remove_dir(dir).map_err(|e| fault("replace the folder", dir, e))?;
    }
    fs::rename(&unfinished, dir).map_err(|e| fault("rename", &unfinished, e))?;
    sync_dir(folder(dir)).map_err(|e| fault("sync the folder", folder(dir), e))?;
    let store = Store::open(settings.clone(), clock.clone())?;
    let mut change = Change::new();
    change.record(
        Event::new(clock.now(), Act::Restored, "operator")
            .detail("file", from.display())
            .detail("records", copied.records),
    );
    store.commit_blocking(change)?;
    Ok(copied)
}

/// Reads a backup into an unfinished store. What it wrote counts only when this returns `Ok`: the
/// HMAC at the end covers all of it.
fn fill(from: &Path, settings: &Settings, dir: &Path, bodies: &Path) -> Result<Copied, Fault> {
    let mut copied = Copied {
        file: from.to_owned(),
        ..Copied::default()
    };
    let mut source = In::open(from, &settings.key)?;
    let database = Database::of(settings.engine, dir)?;
    let engine = database.open(Assurance::Standard, LastStop::Clean)?;
    let (mut group, mut octets) = (Vec::new(), 0);
    let mut body: Option<(PathBuf, File)> = None;
    let close = |body: Option<(PathBuf, File)>| match body {
        Some((path, file)) => file.sync_all().map_err(|e| fault("sync", &path, e)),
        None => Ok(()),
    };
    loop {
        let (kind, content) = source.record()?;
        match kind {
            VALUE => {
                let parsed = parse(&content).ok_or_else(|| source.malformed())?;
                let (Some(table), key, value) = parsed else {
                    // Of a version that had a table more.
                    continue;
                };
                copied.values += 1;
                if table == Table::Audit
                    && let Ok(key) = <[u8; 8]>::try_from(key)
                {
                    copied.records = u64::from_be_bytes(key);
                }
                octets += content.len();
                group.push(Write::Put(table, key.to_vec(), value.to_vec()));
                if octets > GROUP {
                    engine.apply(std::mem::take(&mut group))?;
                    octets = 0;
                }
            }
            FILE => {
                close(body.take())?;
                let name = std::str::from_utf8(&content).ok();
                let name = name.filter(|name| is_name(name));
                let path = bodies.join(name.ok_or_else(|| source.malformed())?);
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).open(&path);
                let file = file.map_err(|e| fault("make", &path, e))?;
                copied.bodies += 1;
                body = Some((path, file));
            }
            OCTETS => {
                let (path, file) = body.as_mut().ok_or_else(|| source.malformed())?;
                let written = file.write_all(&content);
                written.map_err(|e| fault("write", path, e))?;
            }
            _ => {
                close(body.take())?;
                engine.apply(group)?;
                return Ok(copied);
            }
        }
    }
}

/// A backup that is written.
struct Out {
    file: BufWriter<File>,
    tally: Tally,
}

impl Out {
    fn record(&mut self, kind: u8, content: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        if length > RECORD_LIMIT {
            return Err(std::io::Error::other("a value is too large for a backup"));
        }
        let head = record_head(kind, length);
        self.tally.add(&[&head, content]);
        self.file.write_all(&head)?;
        self.file.write_all(content)
    }

    fn end(mut self) -> std::io::Result<()> {
        let seal = self.tally.total().to_vec();
        let length = u32::try_from(seal.len()).unwrap_or(u32::MAX);
        self.file.write_all(&record_head(END, length))?;
        self.file.write_all(&seal)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

/// A backup that is read.
struct In<'p> {
    path: &'p Path,
    file: BufReader<File>,
    tally: Tally,
}

impl<'p> In<'p> {
    fn open(path: &'p Path, key: &StoreKey) -> Result<Self, Fault> {
        let file = File::open(path).map_err(|e| fault("read", path, e))?;
        let mut source = Self {
            path,
            file: BufReader::new(file),
            tally: Tally::new(key),
        };
        let mut head = [0; HEAD.len()];
        source.exactly(&mut head)?;
        if head != HEAD {
            return Err(wrong(path, "is not a backup of a store"));
        }
        Ok(source)
    }

    /// The next record; the last one only if it confirms all before it and nothing follows.
    fn record(&mut self) -> Result<(u8, Vec<u8>), Fault> {
        let mut head = [0; 5];
        self.exactly(&mut head)?;
        let [kind, a, b, c, d] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        if kind > OCTETS || length > RECORD_LIMIT {
            return Err(self.malformed());
        }
        let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
        self.exactly(&mut content)?;
        if kind != END {
            self.tally.add(&[&head, &content]);
            return Ok((kind, content));
        }
        let follows = self.file.read(&mut [0]);
        let follows = follows.map_err(|e| fault("read", self.path, e))?;
        if !self.tally.is(&content) || follows > 0 {
            return Err(wrong(
                self.path,
                "was changed, or was made under another key",
            ));
        }
        Ok((END, content))
    }

    fn exactly(&mut self, octets: &mut [u8]) -> Result<(), Fault> {
        self.file.read_exact(octets).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                wrong(self.path, "is cut off")
            } else {
                fault("read", self.path, error)
            }
        })
    }

    fn malformed(&self) -> Fault {
        wrong(self.path, "is malformed")
    }
}

fn record_head(kind: u8, length: u32) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [kind, a, b, c, d]
}

/// Table, key and value in one record.
fn value(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    let name = table.name().as_bytes();
    let length = |octets: &[u8]| {
        u32::try_from(octets.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes()
    };
    [&length(name)[..], name, &length(key), key, value].concat()
}

/// Table, key and value of a record; no table where that is one that older versions had.
fn parse(record: &[u8]) -> Option<(Option<Table>, &[u8], &[u8])> {
    let counted = |octets: &'_ [u8]| -> Option<(usize, usize)> {
        let length = octets.first_chunk::<4>()?;
        Some((4, usize::try_from(u32::from_be_bytes(*length)).ok()?))
    };
    let (skip, length) = counted(record)?;
    let (name, rest) = record.get(skip..)?.split_at_checked(length)?;
    let (skip, length) = counted(rest)?;
    let (key, value) = rest.get(skip..)?.split_at_checked(length)?;
    let name = std::str::from_utf8(name).ok()?;
    let table = Table::named(name);
    (table.is_some() || Table::was_named(name)).then_some((table, key, value))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn wrong(file: &Path, text: impl Into<String>) -> Fault {
    Fault::Backup {
        file: file.display().to_string(),
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_filled, clock, fill, open, settings};
    use super::*;
    use crate::message::EntryId;
    use crate::store::StoreKey;
    use crate::store::examine::examine;

    #[test]
    fn a_backup_of_a_running_store_is_one_moment_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        for n in 1..=3 {
            store.commit_blocking(fill(n)).unwrap();
        }
        // Commits go on while copies are made, and remove the bodies that these name.
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (store, done) = (store.clone(), std::sync::Arc::clone(&done));
            move || {
                for n in (10..250).cycle() {
                    if done.load(std::sync::atomic::Ordering::SeqCst) {
                        return;
                    }
                    store.commit_blocking(fill(n)).unwrap();
                    let mut change = Change::new();
                    change.remove_entry(EntryId::new([n; 16]));
                    change.remove_draft(crate::message::DraftId::new([n; 16]));
                    store.commit_blocking(change).unwrap();
                }
            }
        });
        for n in 0..5 {
            let file = dir.path().join(format!("backup-{n}"));
            let copied = store.backup(&file, "operator", &clock()).unwrap();
            assert!(copied.records >= 6, "{copied:?}");
            assert!(
                store.backup(&file, "operator", &clock()).is_err(),
                "over it"
            );
            let there = tempfile::tempdir().unwrap();
            let restored = restore(&file, &settings(there.path()), &clock()).unwrap();
            assert_eq!(
                (restored.values, restored.bodies, restored.records),
                (copied.values, copied.bodies, copied.records)
            );
            let found = examine(&settings(there.path())).unwrap();
            assert_eq!(found.findings, [], "{found:?}");
            assert!(found.entries >= 3);
            assert_eq!(found.records - 1, {
                let swept = std::fs::read_to_string(there.path().join("audit.jsonl")).unwrap();
                copied.records + u64::from(swept.contains("\"swept\""))
            });
            let store = open(there.path());
            (1..=3).for_each(|n| check_filled(&store, n));
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        writer.join().unwrap();
        let text = std::fs::read_to_string(dir.path().join("audit.jsonl")).unwrap();
        assert_eq!(text.matches("\"backed-up\"").count(), 5);
        // Nothing that was kept for the copies stays.
        assert_eq!(
            std::fs::read_dir(dir.path().join("store/bodies"))
                .unwrap()
                .count(),
            3
        );
    }

    #[test]
    fn a_backup_that_is_changed_cut_or_of_another_key_makes_no_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.commit_blocking(fill(1)).unwrap();
        let file = dir.path().join("backup");
        store.backup(&file, "operator", &clock()).unwrap();
        let whole = fs::read(&file).unwrap();
        let refused = |octets: &[u8], key: u8| {
            let there = tempfile::tempdir().unwrap();
            let bad = there.path().join("bad");
            fs::write(&bad, octets).unwrap();
            let settings = Settings {
                key: StoreKey::new([key; 32]),
                ..settings(there.path())
            };
            let refused = restore(&bad, &settings, &clock()).is_err();
            let nothing = fs::read_dir(there.path()).unwrap().count() == 1;
            refused && nothing
        };
        assert!(!refused(&whole, 1), "the twin");
        assert!(refused(&whole, 2), "another key");
        for at in (0..whole.len()).step_by(whole.len() / 40) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(refused(&changed, 1), "octet {at}");
            assert!(refused(&whole[..at], 1), "cut at {at}");
        }
        assert!(refused(&[&whole[..], b"more"].concat(), 1));
    }

    /// The same backup as a version with tables more would have made it.
    fn with_table(from: &Path, to: &Path, name: &str) {
        let key = StoreKey::new([1; 32]);
        let mut source = In::open(from, &key).unwrap();
        let mut out = Out {
            file: BufWriter::new(File::create(to).unwrap()),
            tally: Tally::new(&key),
        };
        out.file.write_all(HEAD).unwrap();
        for value in [&b""[..], &[0x5a; 40]] {
            let length = u8::try_from(name.len()).unwrap();
            let octets = [&[0, 0, 0, length], name.as_bytes(), &[0, 0, 0, 1, 7], value];
            out.record(VALUE, &octets.concat()).unwrap();
        }
        loop {
            match source.record().unwrap() {
                (END, _) => return out.end().unwrap(),
                (kind, content) => out.record(kind, &content).unwrap(),
            }
        }
    }

    #[test]
    fn a_backup_of_an_older_version_is_restored_without_the_table_that_is_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.commit_blocking(fill(1)).unwrap();
        let file = dir.path().join("backup");
        let copied = store.backup(&file, "operator", &clock()).unwrap();
        for (name, is_known) in [("ready", true), ("entry2", false)] {
            let old = dir.path().join(name);
            with_table(&file, &old, name);
            let there = tempfile::tempdir().unwrap();
            let restored = restore(&old, &settings(there.path()), &clock());
            assert_eq!(restored.is_ok(), is_known, "{name}: {restored:?}");
            let Ok(restored) = restored else { continue };
            assert_eq!(restored.values, copied.values);
            check_filled(&open(there.path()), 1);
            let found = examine(&settings(there.path()));
            assert_eq!(found.unwrap().findings, []);
        }
    }

    #[test]
    fn a_store_is_never_restored_over() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.commit_blocking(fill(1)).unwrap();
        let file = dir.path().join("backup");
        store.backup(&file, "operator", &clock()).unwrap();
        store.commit_blocking(fill(2)).unwrap();
        drop(store);
        let refused = restore(&file, &settings(dir.path()), &clock()).unwrap_err();
        assert!(refused.to_string().contains("holds something"), "{refused}");
        check_filled(&open(dir.path()), 2);
    }
}
