//! One change: the new state and the events that tell of it, committed together or not at all.
//!
//! Promises: a change has no effect before `Store::commit` returned.
//! Refuses (at commit): two operations on one row, an update of a row that is gone or was updated
//! since it was read, a new row with the name of an old one.

use std::sync::Arc;

use super::awaited::{AwaitedId, AwaitedRow};
use super::certificates::CertificateRow;
use super::minimize::Minimize;
use super::rows::{DraftRow, EntryRow, PausedRow, PolicyRow};
use crate::audit::Event;
use crate::message::{DraftId, EntryId, Precedence};

/// State and events of one act.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub(super) ops: Vec<Op>,
    pub(super) events: Vec<Event>,
    urgency: Option<Precedence>,
    is_patient: bool,
}

/// One operation on one row.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Minimize(Minimize),
    PutAwaited(Box<AwaitedRow>),
    PutCertificate(CertificateRow),
    PutDraft(DraftRow, Arc<[u8]>),
    PutEntry(EntryRow, Arc<[u8]>),
    Paused(Vec<PausedRow>),
    Policies(Vec<PolicyRow>),
    QuarantineDraft(DraftId),
    QuarantineEntry(EntryId),
    RemoveAwaited(AwaitedId),
    RemoveCertificate(String),
    RemoveDraft(DraftId),
    RemoveEntry(EntryId),
    UpdateDraft(DraftRow),
    UpdateEntry(EntryRow),
}

impl Op {
    fn is_new(&self) -> bool {
        matches!(self, Self::PutDraft(..) | Self::PutEntry(..))
    }
}

impl Change {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record to the audit chain.
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Says how urgent the change is: of what it is about, the most urgent. Rows say it by themselves.
    pub fn as_urgent_as(&mut self, precedence: Precedence) {
        self.urgency = self.urgency.max(Some(precedence));
    }

    /// Says that nobody waits for the change: it may be made durable a few milliseconds later, with
    /// others. What it said before that is done, whatever becomes of it. New rows have no patience.
    pub fn may_wait(&mut self) {
        self.is_patient = self.ops.iter().all(|op| !op.is_new());
    }

    /// Whether it may be made durable a little later.
    pub(super) fn is_patient(&self) -> bool {
        self.is_patient
    }

    /// How urgent it is.
    pub fn urgency(&self) -> Precedence {
        self.urgency.unwrap_or_default()
    }

    /// The events so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds a draft and its message.
    pub fn put_draft(&mut self, row: DraftRow, body: Arc<[u8]>) {
        self.as_urgent_as(row.precedence);
        self.is_patient = false;
        self.ops.push(Op::PutDraft(row, body));
    }

    /// Replaces a draft's row by one that was made from its last reading; the body stays.
    pub fn update_draft(&mut self, row: DraftRow) {
        self.as_urgent_as(row.precedence);
        self.ops.push(Op::UpdateDraft(row));
    }

    /// Forgets a draft and its message.
    pub fn remove_draft(&mut self, id: DraftId) {
        self.ops.push(Op::RemoveDraft(id));
    }

    /// Sets a draft aside that cannot be read any more. Add the event that says why.
    pub fn quarantine_draft(&mut self, id: DraftId) {
        self.ops.push(Op::QuarantineDraft(id));
    }

    /// Adds a queue entry and its body. Only `queue::put` may call this: it takes what is sealed.
    pub(crate) fn put_entry(&mut self, row: EntryRow, body: Arc<[u8]>) {
        self.as_urgent_as(row.precedence);
        self.is_patient = false;
        self.ops.push(Op::PutEntry(row, body));
    }

    /// Replaces an entry's row by one that was made from its last reading; the body stays.
    pub fn update_entry(&mut self, row: EntryRow) {
        self.as_urgent_as(row.precedence);
        self.ops.push(Op::UpdateEntry(row));
    }

    /// Forgets an entry and its body.
    pub fn remove_entry(&mut self, id: EntryId) {
        self.ops.push(Op::RemoveEntry(id));
    }

    /// Sets an entry aside that cannot be read any more. Add the event that says why.
    pub fn quarantine_entry(&mut self, id: EntryId) {
        self.ops.push(Op::QuarantineEntry(id));
    }

    /// Remembers which label policies are in force, in the place of what was remembered.
    pub fn remember_policies(&mut self, rows: Vec<PolicyRow>) {
        self.ops.push(Op::Policies(rows));
    }

    /// Remembers the orders of MINIMIZE, in the place of what was remembered.
    pub fn remember_minimize(&mut self, orders: Minimize) {
        self.ops.push(Op::Minimize(orders));
    }

    /// Remembers which next hops an operator holds back, in the place of what was remembered.
    pub fn remember_paused(&mut self, rows: Vec<PausedRow>) {
        self.ops.push(Op::Paused(rows));
    }

    /// Adds what is awaited of one recipient of a message, in the place of what was.
    pub fn put_awaited(&mut self, row: AwaitedRow) {
        self.ops.push(Op::PutAwaited(Box::new(row)));
    }

    /// Forgets what was awaited.
    pub fn remove_awaited(&mut self, id: AwaitedId) {
        self.ops.push(Op::RemoveAwaited(id));
    }

    /// Adds a certificate that signed mail brought, in the place of the row of the same name.
    pub fn put_certificate(&mut self, row: CertificateRow) {
        self.ops.push(Op::PutCertificate(row));
    }

    /// Forgets a certificate.
    pub fn remove_certificate(&mut self, id: String) {
        self.ops.push(Op::RemoveCertificate(id));
    }

    /// The certificates that it puts, and the names of those that it removes.
    pub fn certificates(&self) -> (Vec<CertificateRow>, Vec<String>) {
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        for op in &self.ops {
            match op {
                Op::PutCertificate(row) => put.push(row.clone()),
                Op::RemoveCertificate(id) => removed.push(id.clone()),
                _ => {}
            }
        }
        (put, removed)
    }

    /// Takes over everything that `other` holds, after what is already here.
    pub fn append(&mut self, other: Self) {
        self.ops.extend(other.ops);
        self.events.extend(other.events);
        self.urgency = self.urgency.max(other.urgency);
        self.is_patient &= other.is_patient;
    }
}
