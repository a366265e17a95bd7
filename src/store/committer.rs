//! The one thread that writes: takes what is waiting, one transaction, one sync, then answers all.
//!
//! Promises: no artificial delay (a change that comes alone goes alone), but for one that says that
//! it may wait; a change that conflicts fails alone; events get their place in the chain in commit
//! order.
//! Refuses: everything after the engine failed, until `recover` has opened it again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::bodies::{Bodies, INLINE_LIMIT, Place, Written};
use super::change::{Change, Op};
use super::crash::{self, Point};
use super::engine::{StopOnPanic, Table, Write};
use super::known::Index;
use super::lanes::{Lane, Lanes, Taken};
use super::recover::Recovery;
use super::rows::{DraftRow, EntryRow};
use super::sealing::Sealer;
use super::start::{body_key, draft_name, entry_name};
use super::{Applied, Committed, Fault, MINIMIZE, PAUSED, POLICIES, Shared, awaited, certificates};
use crate::audit::export::Export;
use crate::audit::{Chain, Event, Record};
use crate::message::{EntryId, Precedence};

/// A row as it is kept: with the place of its body.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<R> {
    pub(super) row: R,
    pub(super) body: Place,
}

/// A change whose bodies are sealed; large ones are on the disk already.
pub(super) struct Prepared {
    ops: Vec<PreparedOp>,
    events: Vec<Event>,
    /// How many commits had failed when its bodies began to be written.
    failures: u64,
    pub(super) lane: Lane,
}

enum PreparedOp {
    Body(Op, Body),
    Plain(Op),
}

enum Body {
    File(Place, Written),
    Inline(Vec<u8>),
}

/// A prepared change and whom to tell.
pub(super) struct Job {
    pub(super) prepared: Prepared,
    pub(super) answer: Answer,
    pub(super) begun: Instant,
}

pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) index: Index,
    pub(super) chain: Chain,
    pub(super) export: Option<Exporter>,
    pub(super) recovery: Recovery,
}

/// The exported chain, and where to open it again after a failure.
pub(super) struct Exporter {
    pub(super) path: PathBuf,
    pub(super) file: Option<Export>,
}

impl Change {
    pub(super) fn has_large_body(&self) -> bool {
        self.ops.iter().any(|op| match op {
            Op::PutDraft(_, body) | Op::PutEntry(_, body) => body.len() > INLINE_LIMIT,
            _ => false,
        })
    }
}

impl Prepared {
    /// Seals the bodies and writes the large ones: the work that needs no order, done by callers.
    pub(super) fn new(
        change: Change,
        sealer: &Sealer,
        bodies: &Bodies,
        failures: u64,
    ) -> Result<Self, Fault> {
        let prepare = |mut op: Op| {
            let (name, body, size) = match &mut op {
                Op::PutDraft(row, body) => (draft_name(row.id), Arc::clone(body), &mut row.size),
                Op::PutEntry(row, body) => (entry_name(row.id), Arc::clone(body), &mut row.size),
                _ => return Ok(PreparedOp::Plain(op)),
            };
            *size = u64::try_from(body.len()).unwrap_or(u64::MAX);
            let body = if body.len() > INLINE_LIMIT {
                let (place, written) = bodies.write(&name, &body)?;
                crash::here(Point::BodyWritten);
                Body::File(place, written)
            } else {
                Body::Inline(sealer.seal(Table::Body, &body_key(&name), &body)?)
            };
            Ok(PreparedOp::Body(op, body))
        };
        let lane = match change.urgency() >= Precedence::Immediate {
            true => Lane::Urgent,
            false if change.is_patient() => Lane::Patient,
            false => Lane::Prompt,
        };
        let ops = change
            .ops
            .into_iter()
            .map(prepare)
            .collect::<Result<_, Fault>>()?;
        Ok(Self {
            ops,
            events: change.events,
            failures,
            lane,
        })
    }

    /// About how many octets it adds to a transaction.
    pub(super) fn octets(&self) -> usize {
        const ROW: usize = 1 << 10;
        let bodies = self.ops.iter().map(|op| match op {
            PreparedOp::Body(_, Body::Inline(sealed)) => sealed.len(),
            PreparedOp::Body(..) | PreparedOp::Plain(_) => 0,
        });
        bodies.sum::<usize>() + (self.ops.len() + self.events.len()) * ROW
    }
}

/// What a group of changes comes to.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    records: Vec<Record>,
    events: Vec<Event>,
    applied: Vec<Applied>,
    written: Vec<Written>,
    forgotten: Vec<String>,
    bodies: HashMap<EntryId, Arc<[u8]>>,
}

impl Committer {
    pub(super) fn run(mut self, waiting: &Lanes<Job>) {
        let _stop = StopOnPanic;
        loop {
            let jobs = match waiting.take(self.recovery.left()) {
                Taken::Group(jobs) => jobs,
                Taken::Nothing => {
                    self.try_to_reopen();
                    continue;
                }
                Taken::Closed => return,
            };
            self.commit(jobs);
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        self.shared.latency.begin();
        let closed = self.shared.closed_because();
        let failures = self.shared.failures.load(Ordering::SeqCst);
        drop(self.shared.take_briefs());
        let mut group = Group::default();
        let mut answers = Vec::new();
        for Job {
            prepared,
            answer,
            begun,
        } in jobs
        {
            if let Some(why) = &closed {
                answer(Err(Fault::Closed(Arc::clone(why))));
                continue;
            }
            if prepared.failures != failures {
                // Its files may have been taken for orphans when the store was opened again.
                drop(prepared);
                answer(Err(Fault::Closed(
                    "the change was begun before that".into(),
                )));
                continue;
            }
            match self.check(&prepared.ops) {
                Err(conflict) => {
                    drop(prepared);
                    answer(Err(conflict));
                }
                Ok(()) => {
                    // A fault of sealing in mid-change leaves the index ahead of the disk.
                    match self.stage(prepared, &mut group) {
                        Ok(()) => answers.push((answer, self.chain.head().sequence, begun)),
                        Err(fault) => {
                            answers.push((answer, 0, begun));
                            return self.close(&fault.to_string(), group, answers);
                        }
                    }
                }
            }
        }
        crash::here(Point::BeforeCommit);
        if !group.writes.is_empty()
            && let Err(fault) = self.apply(&mut group)
        {
            return self.close(&causes(&fault), group, answers);
        }
        crash::here(Point::Committed);
        self.finish(group, answers);
        self.shared.latency.end();
    }

    fn apply(&self, group: &mut Group) -> Result<(), Fault> {
        let writes = std::mem::take(&mut group.writes);
        let applied = self
            .shared
            .engine
            .with(|engine| Ok::<_, Fault>(engine.apply(writes)));
        // As the engine says it, for whoever reads why the store is closed.
        applied?.map_err(Fault::from)
    }

    /// Whether every operation of a change is possible: before any of them has an effect.
    fn check(&self, ops: &[PreparedOp]) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        for op in ops {
            let (PreparedOp::Body(op, _) | PreparedOp::Plain(op)) = op;
            let (drafts, entries) = (&self.index.drafts, &self.index.entries);
            // Whether the row is there, and is that of the revision that is spoken of.
            let (name, known, expected) = match op {
                Op::PutDraft(row, _) => {
                    let known = drafts.is_at(&row.id, row.revision);
                    (draft_name(row.id), known, Expected::None)
                }
                Op::PutEntry(row, _) => {
                    let known = entries.is_at(&row.id, row.revision);
                    (entry_name(row.id), known, Expected::None)
                }
                Op::UpdateDraft(row) => {
                    let known = drafts.is_at(&row.id, row.revision);
                    (draft_name(row.id), known, Expected::Revision)
                }
                Op::UpdateEntry(row) => {
                    let known = entries.is_at(&row.id, row.revision);
                    (entry_name(row.id), known, Expected::Revision)
                }
                // One value, replaced whole: it conflicts only with a second one in the change.
                Op::PutCertificate(_) | Op::RemoveCertificate(_) => {
                    (certificates::name(op), None, Expected::None)
                }
                Op::PutAwaited(_) | Op::RemoveAwaited(_) => {
                    (awaited::name(op), None, Expected::None)
                }
                Op::Minimize(_) => ("minimize".to_owned(), None, Expected::None),
                Op::Paused(_) => ("paused".to_owned(), None, Expected::None),
                Op::Policies(_) => ("policies".to_owned(), None, Expected::None),
                Op::QuarantineDraft(id) | Op::RemoveDraft(id) => {
                    (draft_name(*id), drafts.is_at(id, 0), Expected::Any)
                }
                Op::QuarantineEntry(id) | Op::RemoveEntry(id) => {
                    (entry_name(*id), entries.is_at(id, 0), Expected::Any)
                }
            };
            let conflict = match (expected, known) {
                (Expected::None, Some(_)) => Some("is there already"),
                (Expected::Any | Expected::Revision, None) => Some("is not there any more"),
                (Expected::Revision, Some(false)) => Some("was changed since it was read"),
                _ => None,
            };
            if let Some(conflict) = conflict {
                return Err(Fault::Conflict(format!("{name} {conflict}")));
            }
            if !seen.insert(name.clone()) {
                return Err(Fault::Conflict(format!(
                    "{name} is named twice in one change"
                )));
            }
        }
        Ok(())
    }

    /// Adds a checked change to the group.
    fn stage(&mut self, prepared: Prepared, group: &mut Group) -> Result<(), Fault> {
        for op in prepared.ops {
            let (op, place) = match op {
                PreparedOp::Body(op, Body::File(place, written)) => {
                    group.written.push(written);
                    (op, Some(place))
                }
                PreparedOp::Body(op, Body::Inline(sealed)) => {
                    let key = match &op {
                        Op::PutDraft(row, _) => body_key(&draft_name(row.id)),
                        Op::PutEntry(row, _) => body_key(&entry_name(row.id)),
                        _ => Vec::new(),
                    };
                    group.writes.push(Write::Put(Table::Body, key, sealed));
                    (op, Some(Place::Inline))
                }
                PreparedOp::Plain(op) => (op, None),
            };
            if let Op::PutEntry(row, body) = &op {
                group.bodies.insert(row.id, Arc::clone(body));
            }
            self.stage_op(op, place, group)?;
        }
        for event in &prepared.events {
            let record = self.chain.append(event);
            group
                .writes
                .push(seal_record(&self.shared.sealer, &record)?);
            group.records.push(record);
        }
        group.events.extend(prepared.events);
        Ok(())
    }

    fn stage_op(&mut self, op: Op, place: Option<Place>, group: &mut Group) -> Result<(), Fault> {
        match op {
            Op::PutDraft(row, _) | Op::UpdateDraft(row) => self.stage_draft(row, place, group),
            Op::PutEntry(row, _) | Op::UpdateEntry(row) => self.stage_entry(row, place, group),
            Op::Paused(rows) => {
                self.remember(PAUSED, &rows, group)?;
                group.applied.push(Applied::Paused(rows));
                Ok(())
            }
            Op::Minimize(orders) => {
                self.remember(MINIMIZE, &orders, group)?;
                group.applied.push(Applied::Minimize(orders.orders));
                Ok(())
            }
            Op::Policies(rows) => self.remember(POLICIES, &rows, group),
            op @ (Op::PutCertificate(_) | Op::RemoveCertificate(_)) => {
                certificates::stage(&self.shared.sealer, op, &mut group.writes)
            }
            op @ (Op::PutAwaited(_) | Op::RemoveAwaited(_)) => {
                group.applied.extend(awaited::applied(&op));
                awaited::stage(&self.shared.sealer, op, &mut group.writes)
            }
            Op::RemoveDraft(id) => {
                let body = self.index.drafts.remove(&id);
                group
                    .writes
                    .push(Write::Remove(Table::Draft, id.octets().to_vec()));
                forget(body, &draft_name(id), group);
                group.applied.push(Applied::DraftGone(id));
                Ok(())
            }
            Op::RemoveEntry(id) => {
                let body = self.index.entries.remove(&id);
                group
                    .writes
                    .push(Write::Remove(Table::Entry, id.octets().to_vec()));
                forget(body, &entry_name(id), group);
                group.applied.push(Applied::EntryGone(id));
                Ok(())
            }
            Op::QuarantineDraft(id) => {
                self.index.drafts.remove(&id);
                self.set_aside(Table::Draft, id.octets(), group)?;
                group.applied.push(Applied::DraftGone(id));
                Ok(())
            }
            Op::QuarantineEntry(id) => {
                self.index.entries.remove(&id);
                self.set_aside(Table::Entry, id.octets(), group)?;
                group.applied.push(Applied::EntryGone(id));
                Ok(())
            }
        }
    }

    fn remember(&self, name: &[u8], rows: &impl Serialize, group: &mut Group) -> Result<(), Fault> {
        let json = Zeroizing::new(serde_json::to_vec(rows)?);
        let sealed = self.shared.sealer.seal(Table::Meta, name, &json)?;
        group
            .writes
            .push(Write::Put(Table::Meta, name.to_vec(), sealed));
        Ok(())
    }

    fn stage_draft(
        &mut self,
        mut row: DraftRow,
        place: Option<Place>,
        group: &mut Group,
    ) -> Result<(), Fault> {
        let body = place.unwrap_or_else(|| self.index.drafts.body(&row.id));
        row.revision += 1;
        self.index.drafts.insert(row.id, row.revision, &body);
        let key = row.id.octets().to_vec();
        let stored = Stored { row, body };
        group
            .writes
            .push(seal_row(&self.shared.sealer, Table::Draft, key, &stored)?);
        group.applied.push(Applied::Draft(stored.row));
        Ok(())
    }

    fn stage_entry(
        &mut self,
        mut row: EntryRow,
        place: Option<Place>,
        group: &mut Group,
    ) -> Result<(), Fault> {
        let body = place.unwrap_or_else(|| self.index.entries.body(&row.id));
        row.revision += 1;
        self.index.entries.insert(row.id, row.revision, &body);
        let key = row.id.octets().to_vec();
        let stored = Stored { row, body };
        group
            .writes
            .push(seal_row(&self.shared.sealer, Table::Entry, key, &stored)?);
        group.applied.push(Applied::Entry(Box::new(stored.row)));
        Ok(())
    }

    fn set_aside(&self, table: Table, key: &[u8], group: &mut Group) -> Result<(), Fault> {
        if let Some(value) = self.shared.engine.with(|engine| engine.read(table, key))? {
            group.writes.extend(quarantine(table, key, value));
        }
        Ok(())
    }

    /// After the commit: files, export, observers, answers; in this order.
    fn finish(&mut self, mut group: Group, answers: Vec<(Answer, u64, Instant)>) {
        group.written.iter_mut().for_each(Written::keep);
        group
            .forgotten
            .iter()
            .for_each(|name| self.shared.bodies.remove(name));
        self.shared
            .changes
            .fetch_add(u64::try_from(answers.len()).unwrap_or(0), Ordering::Relaxed);
        self.shared
            .groups
            .fetch_add(u64::from(!answers.is_empty()), Ordering::Relaxed);
        if let Some(export) = &mut self.export {
            export.append(&group.records, &self.shared);
        }
        crash::here(Point::Exported);
        self.shared.fresh.follow(&group.applied, group.bodies);
        self.shared.tell(&group.applied);
        self.shared.report(&group.events);
        if !group.records.is_empty() {
            self.shared.heads.send_replace(self.chain.head().clone());
        }
        let group = answers.len();
        for (answer, sequence, begun) in answers {
            self.shared.latency.observe(begun.elapsed());
            answer(Ok(Committed { sequence, group }));
        }
    }

    /// The engine failed: whether the group is on the disk is unknown, so its files stay, and
    /// whoever opens the store next, this process or another, sees what is true.
    fn close(&mut self, why: &str, mut group: Group, answers: Vec<(Answer, u64, Instant)>) {
        tracing::error!(
            why,
            "a commit failed: the store is closed, nothing is accepted"
        );
        let why: Arc<str> = why.into();
        self.shared.close(Arc::clone(&why));
        self.shared.fresh.clear();
        self.shared.marker.keep.store(true, Ordering::Relaxed);
        self.shared.latency.end();
        group.written.iter_mut().for_each(Written::keep);
        self.recovery.begin(std::mem::take(&mut group.applied));
        for (answer, ..) in answers {
            answer(Err(Fault::Closed(Arc::clone(&why))));
        }
    }
}

/// Whom to tell what a commit came to.
type Answer = Box<dyn FnOnce(Result<Committed, Fault>) + Send>;

enum Expected {
    Any,
    None,
    Revision,
}

impl Exporter {
    /// The store has the records already: a failure here is caught up later and stops nothing.
    pub(super) fn append(&mut self, records: &[Record], shared: &Shared) {
        let result = match &mut self.file {
            Some(file) => file.append(records),
            None => self.reopen(shared),
        };
        if let Err(error) = result {
            tracing::error!(path = %self.path.display(), %error, "the audit export is behind");
            self.file = None;
        }
    }

    fn reopen(&mut self, shared: &Shared) -> std::io::Result<()> {
        let mut lines = |sequence| {
            let line = shared
                .engine
                .with(|engine| super::start::record(engine, &shared.sealer, sequence));
            line.map_err(std::io::Error::other)
        };
        let (file, found) = Export::open(&self.path, &mut lines)?;
        tracing::warn!(path = %self.path.display(), ?found, "the audit export was opened again");
        self.file = Some(file);
        Ok(())
    }
}

/// A fault with everything behind it, in one line.
pub(super) fn causes(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn forget(body: Option<Place>, name: &str, group: &mut Group) {
    match body {
        None => {}
        Some(Place::File { name, .. }) => group.forgotten.push(name),
        Some(Place::Inline) => group
            .writes
            .push(Write::Remove(Table::Body, body_key(name))),
    }
}

/// Moves a value aside, as it is: somebody with the right tools may still read it.
pub(super) fn quarantine(table: Table, key: &[u8], value: Vec<u8>) -> [Write; 2] {
    let aside = [table.name().as_bytes(), b"/", key].concat();
    [
        Write::Put(Table::Quarantine, aside, value),
        Write::Remove(table, key.to_vec()),
    ]
}

pub(super) fn seal_record(sealer: &Sealer, record: &Record) -> Result<Write, Fault> {
    let key = record.sequence.to_be_bytes();
    let sealed = sealer.seal(Table::Audit, &key, record.line.as_bytes())?;
    Ok(Write::Put(Table::Audit, key.to_vec(), sealed))
}

fn seal_row<R: Serialize>(
    sealer: &Sealer,
    table: Table,
    key: Vec<u8>,
    stored: &Stored<R>,
) -> Result<Write, Fault> {
    let json = Zeroizing::new(serde_json::to_vec(stored)?);
    let sealed = sealer.seal(table, &key, &json)?;
    Ok(Write::Put(table, key, sealed))
}
