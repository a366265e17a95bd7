//! Looks through a store that nobody has open, and says what is wrong with it.
//!
//! Promises: every row and every body is opened, every audit record checked against the one before
//! it; nothing is set aside, removed or completed (that is the next start's work). The engine may
//! finish its own recovery.
//! Refuses: a store that is in use, one that was never made, another key.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::awaited::AwaitedRow;
use super::bodies::{Bodies, Place};
use super::committer::Stored;
use super::database::Database;
use super::disk::System;
use super::engine::{Engine, Table};
use super::rows::{DraftRow, EntryRow};
use super::sealing::Sealer;
use super::start::{
    bodies_in, body_key, check_key, check_name, draft_name, entry_name, for_each, name_of,
    open_record, open_row, read_body,
};
use super::{Fault, Marker, Settings};
use crate::audit::{Head, verify, verify_after};

/// What a look through a store came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Queue entries that can be read, with their bodies.
    pub entries: u64,
    /// Drafts that can be read, with their bodies.
    pub drafts: u64,
    /// Rows of awaited reports that can be read.
    pub awaited: u64,
    /// Audit records that are whole.
    pub records: u64,
    /// The hash of the last of them.
    pub head: String,
    /// Values that were set aside earlier.
    pub set_aside: u64,
    /// Body files that no row names; the next start removes them.
    pub orphans: u64,
    /// Whether whoever had the store open last closed it.
    pub closed_cleanly: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which row, body, record or file.
    pub what: String,
    /// What is wrong with it.
    pub text: String,
}

/// Looks through the store that `settings` name.
///
/// # Errors
/// When it cannot be opened at all: it is in use, was never made, or has another key.
pub fn examine(settings: &Settings) -> Result<Examination, Fault> {
    let closed_cleanly = !Marker::at(&settings.dir).exists();
    let engine = Database::of(settings.engine, &settings.dir)?.open_existing()?;
    let engine = &*engine;
    let sealer = Sealer::new(settings.key.clone())?;
    check_key(engine, &sealer, &settings.dir.display().to_string())?;
    let bodies = Bodies::open(bodies_in(&settings.dir), Arc::new(System))?;
    let mut look = Look {
        engine,
        sealer: &sealer,
        bodies: &bodies,
        named: HashSet::new(),
        findings: Vec::new(),
    };
    let entries = look.rows(Table::Entry, |row: &EntryRow| {
        (row.id.octets().to_vec(), entry_name(row.id), row.size)
    })?;
    let drafts = look.rows(Table::Draft, |row: &DraftRow| {
        (row.id.octets().to_vec(), draft_name(row.id), row.size)
    })?;
    let awaited = look.awaited()?;
    look.loose_bodies()?;
    let (records, head) = look.chain()?;
    look.export(settings)?;
    let mut set_aside = 0;
    for_each(engine, Table::Quarantine, |_| {
        set_aside += 1;
        Ok(())
    })?;
    let files = bodies.files()?;
    let orphans = files.iter().filter(|name| !look.named.contains(*name));
    Ok(Examination {
        entries,
        drafts,
        awaited,
        records,
        head,
        set_aside,
        orphans: orphans.count().try_into().unwrap_or(u64::MAX),
        closed_cleanly,
        findings: look.findings,
    })
}

/// What is looked through, and what was found so far.
struct Look<'s> {
    engine: &'s dyn Engine,
    sealer: &'s Sealer,
    bodies: &'s Bodies,
    /// Names of bodies that rows name.
    named: HashSet<String>,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn wrong(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.findings.push(Finding {
            what: what.into(),
            text: text.into(),
        });
    }

    /// Every row of a table and its body; how many are good.
    fn rows<R: serde::de::DeserializeOwned>(
        &mut self,
        table: Table,
        facts: impl Fn(&R) -> (Vec<u8>, String, u64),
    ) -> Result<u64, Fault> {
        let mut good = 0;
        let (engine, sealer, bodies) = (self.engine, self.sealer, self.bodies);
        for_each(engine, table, |pair| {
            let stored: Stored<R> = match open_row(sealer, table, &pair.key, &pair.value) {
                Ok(stored) => stored,
                Err(text) => {
                    self.wrong(name_of(table, &pair.key), text);
                    return Ok(());
                }
            };
            let (id, name, size) = facts(&stored.row);
            if let Err(text) = check_name(&id, &pair.key) {
                self.wrong(name_of(table, &pair.key), text);
                return Ok(());
            }
            let body = read_body(engine, sealer, bodies, &name, (&stored.body, size))?;
            self.named.insert(match stored.body {
                Place::File { name, .. } => name,
                Place::Inline => name.clone(),
            });
            match body {
                Ok(_) => good += 1,
                Err(text) => self.wrong(format!("the body of {name}"), text),
            }
            Ok(())
        })?;
        Ok(good)
    }

    /// Every row of awaited reports; how many are good.
    fn awaited(&mut self) -> Result<u64, Fault> {
        let (mut good, sealer) = (0, self.sealer);
        for_each(self.engine, Table::Awaited, |pair| {
            let row = open_row::<AwaitedRow>(sealer, Table::Awaited, &pair.key, &pair.value);
            match row.and_then(|row| check_name(row.id().octets(), &pair.key)) {
                Ok(()) => good += 1,
                Err(text) => self.wrong(name_of(Table::Awaited, &pair.key), text),
            }
            Ok(())
        })?;
        Ok(good)
    }

    /// Small bodies that no row names.
    fn loose_bodies(&mut self) -> Result<(), Fault> {
        let keys: HashSet<Vec<u8>> = self.named.iter().map(|name| body_key(name)).collect();
        let mut aside = HashSet::new();
        for_each(self.engine, Table::Quarantine, |pair| {
            for table in [Table::Draft, Table::Entry] {
                let key = pair.key.strip_prefix(table.name().as_bytes());
                if let Some(key) = key.and_then(|key| key.strip_prefix(b"/")) {
                    aside.insert(body_key(&name_of(table, key)));
                }
            }
            Ok(())
        })?;
        let mut loose = 0_u64;
        for_each(self.engine, Table::Body, |pair| {
            loose += u64::from(!keys.contains(&pair.key) && !aside.contains(&pair.key));
            Ok(())
        })?;
        if loose > 0 {
            self.wrong("the table of bodies", format!("{loose} are of no row"));
        }
        Ok(())
    }

    /// Every audit record, each bound to the one before it; up to the first that is not.
    fn chain(&mut self) -> Result<(u64, String), Fault> {
        let mut head = Head::before_first();
        let mut broken = None;
        let sealer = self.sealer;
        for_each(self.engine, Table::Audit, |pair| {
            if broken.is_some() {
                return Ok(());
            }
            let checked = open_record(sealer, &pair.key, &pair.value)
                .map_err(|fault| fault.to_string())
                .and_then(|line| {
                    let text = format!("{line}\n");
                    verify_after(head.clone(), text.as_bytes()).map_err(|error| error.text)
                });
            match checked {
                Ok(summary) => {
                    head = Head {
                        sequence: head.sequence + 1,
                        hash: summary.head_hash,
                    };
                    if pair.key != head.sequence.to_be_bytes() {
                        broken = Some((head.sequence, "it has the key of another".to_owned()));
                    }
                }
                Err(text) => broken = Some((head.sequence + 1, text)),
            }
            Ok(())
        })?;
        if let Some((sequence, text)) = broken {
            self.wrong(format!("audit record {sequence}"), text);
        }
        Ok((head.sequence, head.hash))
    }

    /// The exported chain: whole, and no other tale than the store's.
    fn export(&mut self, settings: &Settings) -> Result<(), Fault> {
        let Some(path) = &settings.export else {
            return Ok(());
        };
        let what = format!("the exported chain {}", path.display());
        let found = match std::fs::File::open(path) {
            Ok(file) => verify(std::io::BufReader::new(file)),
            // It is made at the next start.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.wrong(what, error.to_string());
                return Ok(());
            }
        };
        match found {
            Err(error) => self.wrong(what, error.to_string()),
            Ok(summary) if summary.records == 0 => {}
            Ok(summary) => {
                let line = super::start::record(self.engine, self.sealer, summary.records)?;
                let end = format!(",\"hash\":\"{}\"}}", summary.head_hash);
                if !line.is_some_and(|line| line.ends_with(&end)) {
                    let text = format!("record {} is not the one in the store", summary.records);
                    self.wrong(what, text);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Write;
    use super::super::tests::{fill, open, settings, tamper};
    use super::*;

    #[test]
    fn a_good_store_has_no_findings() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        assert!(
            examine(&settings(dir.path())).is_err(),
            "a store that is in use"
        );
        store.commit_blocking(fill(1)).unwrap();
        store.commit_blocking(fill(2)).unwrap();
        drop(store);
        let found = examine(&settings(dir.path())).unwrap();
        assert_eq!((found.entries, found.drafts, found.records), (2, 2, 4));
        assert!(found.closed_cleanly);
        assert_eq!(found.findings, []);
    }

    #[test]
    fn a_store_that_was_never_made_is_not_made_by_looking() {
        let dir = tempfile::tempdir().unwrap();
        assert!(examine(&settings(dir.path())).is_err());
        assert!(!dir.path().join("store").exists());
    }

    #[test]
    fn everything_that_is_wrong_is_named_and_nothing_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        for n in 1..=3 {
            store.commit_blocking(fill(n)).unwrap();
        }
        drop(store);
        tamper(dir.path(), |engine| {
            let entry = engine.scan(Table::Entry, &[], 1).unwrap().remove(0);
            let drafts = engine.scan(Table::Draft, &[], 9).unwrap();
            let body = engine.scan(Table::Body, &[], 1).unwrap().remove(0);
            let record = engine.scan(Table::Audit, &[], 9).unwrap();
            vec![
                Write::Put(Table::Entry, entry.key, b"scratched".to_vec()),
                Write::Remove(Table::Draft, drafts[2].key.clone()),
                Write::Remove(Table::Body, body.key),
                Write::Put(Table::Audit, record[4].key.clone(), record[3].value.clone()),
            ]
        });
        let export = dir.path().join("audit.jsonl");
        let text = std::fs::read_to_string(&export).unwrap();
        std::fs::write(&export, text.replacen("held", "dele", 1)).unwrap();
        for _ in 0..2 {
            let found = examine(&settings(dir.path())).unwrap();
            let what: Vec<_> = found.findings.iter().map(|f| f.what.as_str()).collect();
            assert_eq!(what.len(), 5, "{:#?}", found.findings);
            for (part, at) in [
                ("entry_01", 0),
                ("the body of draft_01", 1),
                ("the table of bodies", 2),
                ("audit record 5", 3),
                ("exported", 4),
            ] {
                assert!(what[at].contains(part), "{part}: {what:?}");
            }
            assert_eq!((found.entries, found.drafts, found.records), (2, 1, 4));
            assert_eq!(found.orphans, 1);
        }
    }
}
