//! STEP 6 of the line: keep what was sealed until it is delivered, most urgent first.
//!
//! - [`put`], [`Queue::put`]: the only way into the queue. [`Queue::claim`]: the next entry that may go.
//! - `schedule`: life, retry, notice and alarm by precedence. `outcome`: what an attempt does.
//! - `index`: the order in memory, of `items` in `hop`s with a `window` each. `steps`: a clock that is
//!   set, and what that would do to retries.
//! - `operator`: list, hold, resume, retry now, redirect, remove; hold and resume a whole next hop.
//!   `minimize`: orders that hold less urgent traffic into an area. `census`: how it all stands.
//!
//! Promises: only what was sealed is queued; an entry is in one pair of hands at a time; FLASH
//! overtakes ROUTINE; a claim that is dropped goes back, one that is lost in a crash is due again
//! at start. Between the next hop's 250 and our commit a crash sends twice (the window that RFC
//! 1047 describes): never a loss.

mod census;
#[cfg(test)]
mod crash;
mod hop;
mod index;
mod items;
mod minimize;
mod operator;
mod outcome;
mod schedule;
mod steps;
#[cfg(test)]
mod tests;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use census::{Census, Standing};
pub use index::Over;
pub use minimize::{Imposed, InForce, MinimizeError};
pub use operator::{
    ANOTHER_NEXT_HOP, Cursor, EntryAct, NotACursor, OperatorError, Page, TOGETHER, Which,
};
pub use outcome::{Failure, FailureReason, Finished, Next, Outcome};
pub use schedule::{Pace, Schedule};

use crate::audit::Act;
use crate::clock::{Clock, Timestamp};
use crate::message::EntryId;
use crate::message::address::ReversePath;
use crate::message::service::ByMode;
use crate::seal::Sealed;
use crate::store::{
    Applied, Change, Committed, EntryRow, EntryState, Fault, RecipientRow, RecipientState,
    ReplyRow, Store, WholeEntry,
};
use index::Index;
use window::Heard;

/// Adds a sealed message to `change`: once that is committed, it is in the queue.
pub fn put(change: &mut Change, sealed: Sealed, schedule: &Schedule, clock: &Clock) -> EntryId {
    put_under(change, sealed, schedule, clock, None)
}

/// The same, and the event says which orders of MINIMIZE hold it back from the first.
fn put_under(
    change: &mut Change,
    sealed: Sealed,
    schedule: &Schedule,
    clock: &Clock,
    orders: Option<&InForce>,
) -> EntryId {
    let id = EntryId::new(clock.fresh_id());
    let now = clock.now();
    let terms = sealed.terms().clone();
    // RFC 4865 §4: it waits first, and its life begins then
    let due = terms.service.hold_until.map_or(now, |hold| hold.max(now));
    let precedence = sealed.precedence();
    let expires = schedule.expires(precedence, due);
    let (expires, notice) = match terms.service.deliver_by {
        // RFC 2852 §4: after the deadline it goes back, or the sender is told
        Some(by) if by.mode == ByMode::Return => (expires.min(by.deadline), None),
        Some(by) => (expires, Some(by.deadline.min(expires))),
        None => (expires, schedule.notice(precedence, due)),
    };
    let overdue = schedule.overdue(precedence, due);
    let recipients = sealed.recipients().iter().map(|address| RecipientRow {
        address: address.to_string(),
        state: RecipientState::New,
        attempts: 0,
        last_reply: None,
    });
    let row = EntryRow {
        version: EntryRow::VERSION,
        id,
        message: sealed.message(),
        next_hop: sealed.next_hop().to_owned(),
        from: match sealed.from() {
            ReversePath::Address(address) => address.to_string(),
            ReversePath::Null => String::new(),
        },
        recipients: recipients.collect(),
        precedence: sealed.precedence(),
        arrived: now,
        due,
        expires,
        attempts: 0,
        state: EntryState::Ready,
        judged_under: sealed.judged_under().to_owned(),
        permitted: sealed.permitted().clone(),
        terms,
        notice: notice.filter(|_| *sealed.from() != ReversePath::Null),
        overdue: overdue.filter(|overdue| *overdue < expires),
        originator: sealed.originator().cloned(),
        considered: sealed.considered(),
        sics: sealed.sics().to_vec(),
        size: 0,
        revision: 0,
    };
    let event = outcome::event(Act::Queued, "switch", &row, now)
        .detail("recipients", row.recipients.len())
        .detail("judged-under", &row.judged_under);
    let mut holding: Vec<u64> = orders.map_or_else(Vec::new, |orders| {
        orders.against(&row, now).into_iter().flatten().collect()
    });
    holding.sort_unstable();
    holding.dedup();
    let holding: Vec<String> = holding.iter().map(u64::to_string).collect();
    change.record(match holding.is_empty() {
        true => event,
        false => event.detail("minimize", holding.join(", ")),
    });
    change.put_entry(row, Arc::clone(sealed.bytes()));
    id
}

/// How much is delivered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deliveries in all.
    pub slots: usize,
    /// So many of the slots, and so many connections to each next hop beyond the window, are for
    /// Immediate and above.
    pub kept_back: usize,
    /// Deliveries to one next hop, before anything is known of it.
    pub window: usize,
    /// What that grows to while the next hop answers; it shrinks to 1 while it does not.
    pub widest: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: 50,
            kept_back: 2,
            window: 5,
            widest: 20,
        }
    }
}

/// Which next hops an entry is claimed for.
#[derive(Clone, Copy, Debug)]
pub enum NextHops<'a> {
    /// All of them.
    Any,
    /// This one.
    Only(&'a str),
}

impl NextHops<'_> {
    fn includes(self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => only == name,
        }
    }
}

/// The queue. Cheap to clone; clones share one order.
#[derive(Clone)]
pub struct Queue {
    store: Store,
    schedule: Arc<Schedule>,
    limits: Limits,
    clock: Clock,
    order: Arc<Ordering>,
    /// One change of the orders of MINIMIZE, or of what is held back, at a time.
    one_order: Arc<tokio::sync::Mutex<()>>,
}

/// The order in memory, and who waits for a change of it.
struct Ordering {
    index: Mutex<Index>,
    changed: Notify,
    clock: Clock,
}

impl Ordering {
    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Puts what the store holds in order. From here on the order follows every commit.
    pub fn open(
        store: Store,
        schedule: Schedule,
        limits: Limits,
        clock: Clock,
    ) -> Result<Self, Fault> {
        let order = Arc::new(Ordering {
            index: Mutex::new(Index::new(schedule.longest())),
            changed: Notify::new(),
            clock: clock.clone(),
        });
        {
            // Commits that come while we read wait at this lock and are applied after it.
            let mut index = order.lock();
            let observed = Arc::clone(&order);
            store.observe(move |applied| {
                let now = observed.clock.now();
                observed.lock().apply(applied, now);
                if !matches!(
                    applied,
                    Applied::Awaited(_)
                        | Applied::AwaitedGone(_)
                        | Applied::Draft(_)
                        | Applied::DraftGone(_)
                ) {
                    observed.changed.notify_one();
                }
            });
            let now = clock.now();
            index.load(store.briefs()?, now);
            index.apply(&Applied::Paused(store.paused()?), now);
            index.apply(&Applied::Minimize(store.minimize()?.orders), now);
        }
        Ok(Self {
            store,
            schedule: Arc::new(schedule),
            limits,
            clock,
            order,
            one_order: Arc::default(),
        })
    }

    /// Adds a sealed message to `change`, as [`put`] does, under the orders of MINIMIZE that are known.
    pub fn put(&self, change: &mut Change, sealed: Sealed) -> EntryId {
        let orders = self.minimize();
        put_under(change, sealed, &self.schedule, &self.clock, Some(&orders))
    }

    /// The lives and intervals that this queue goes by.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.order.lock().len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many deliveries to a next hop may go on at once, by what was heard from it so far.
    pub fn window(&self, next_hop: &str) -> usize {
        self.order.lock().window(next_hop, &self.limits)
    }

    /// How many entries there are for a next hop.
    pub fn waiting_for(&self, next_hop: &str) -> usize {
        self.order.lock().count(next_hop)
    }

    /// How many entries are being delivered.
    pub fn in_flight(&self) -> usize {
        self.order.lock().in_flight()
    }

    /// The next entry that is due and may go, if slots and window allow it. Works in memory alone:
    /// what was chosen is then read by [`Queue::read`], on a thread that may wait.
    pub fn choose(&self, now: Timestamp, to: NextHops<'_>) -> Result<Option<Chosen>, Fault> {
        let chosen = self.take(|index| Some((index.take(now, to, &self.limits)?, ())))?;
        Ok(chosen.map(|(chosen, ())| chosen))
    }

    /// The same, of IMMEDIATE and above alone.
    pub fn choose_urgent(&self, now: Timestamp) -> Result<Option<Chosen>, Fault> {
        let chosen = self.take(|index| Some((index.take_urgent(now, &self.limits)?, ())))?;
        Ok(chosen.map(|(chosen, ())| chosen))
    }

    /// An entry whose life is over or that is overdue: once read, pass it to [`Queue::expire`] or
    /// [`Queue::overdue`]. Needs no slot.
    pub fn choose_over(&self, now: Timestamp) -> Result<Option<(Chosen, Over)>, Fault> {
        self.take(|index| index.take_over(now))
    }

    /// A chosen entry that was put into the queue a moment ago: there is nothing to read. Any other
    /// is given back.
    pub fn at_hand(&self, chosen: Chosen) -> Result<Claimed, Chosen> {
        match self.store.take_fresh(chosen.0.id) {
            Some(kept) => Ok(Claimed {
                kept,
                hold: chosen.0,
            }),
            None => Err(chosen),
        }
    }

    /// Reads a chosen entry from the disk. Nothing when it is there no more: one that cannot be
    /// read is set aside with an event.
    pub fn read(&self, chosen: Chosen) -> Result<Option<Claimed>, Unread> {
        let Chosen(hold) = chosen;
        let id = hold.id;
        let set_aside = match self.store.entry_whole(id) {
            Ok(Some(kept)) => return Ok(Some(Claimed { kept, hold })),
            Ok(None) => {
                let now = self.clock.now();
                self.order.lock().apply(&Applied::EntryGone(id), now);
                Ok(())
            }
            Err(Fault::Damaged { what, text }) => {
                let event = crate::audit::Event::new(self.clock.now(), Act::Quarantined, "switch");
                let mut change = Change::new();
                change.quarantine_entry(id);
                change.record(event.entry(id).detail("what", what).detail("why", text));
                self.store.commit_blocking(change).map(drop)
            }
            Err(fault) => Err(fault),
        };
        match set_aside {
            Ok(()) => Ok(None),
            Err(fault) => Err(Unread { fault, _hold: hold }),
        }
    }

    /// Chooses and reads: the next entry that is due, may go, and can be read.
    pub fn claim(&self, now: Timestamp, to: NextHops<'_>) -> Result<Option<Claimed>, Fault> {
        while let Some(chosen) = self.choose(now, to)? {
            if let Some(claimed) = self.read(chosen)? {
                return Ok(Some(claimed));
            }
        }
        Ok(None)
    }

    /// Chooses and reads an entry whose life is over, or that is overdue.
    pub fn claim_over(&self, now: Timestamp) -> Result<Option<(Claimed, Over)>, Fault> {
        while let Some((chosen, over)) = self.choose_over(now)? {
            if let Some(claimed) = self.read(chosen)? {
                return Ok(Some((claimed, over)));
            }
        }
        Ok(None)
    }

    /// What an attempt leads to: one outcome per recipient of the claimed row, in its order.
    pub fn finish(&self, claimed: &Claimed, outcomes: &[Outcome]) -> Finished {
        let is_reply = |outcome: &Outcome| match outcome {
            Outcome::Deferred(reply) => reply.code.is_some(),
            Outcome::Delivered(_) | Outcome::Failed(_) => true,
            Outcome::HeldBack => false,
        };
        let heard = match outcomes.iter().any(is_reply) {
            true => Heard::Reply,
            false => Heard::Nothing,
        };
        let next_hop = &claimed.row().next_hop;
        self.order.lock().heard(next_hop, heard, &self.limits);
        outcome::after_attempt(claimed, outcomes, &self.schedule, self.clock.now())
    }

    /// Gives up an entry whose life is over.
    pub fn expire(&self, claimed: &Claimed) -> Finished {
        outcome::give_up(
            claimed.row(),
            Act::Expired,
            "switch",
            None,
            self.clock.now(),
        )
    }

    /// Alarms about an entry that should have been delivered by now.
    pub fn overdue(&self, claimed: &Claimed) -> Finished {
        outcome::overdue(claimed.row(), self.clock.now())
    }

    /// Gives up an entry that may not go any more: `reply` is what the originator is told,
    /// `grounds` are for the audit.
    pub fn forbid(&self, claimed: &Claimed, reply: &ReplyRow, grounds: &[String]) -> Finished {
        outcome::forbid(claimed.row(), reply, grounds, self.clock.now())
    }

    /// Commits what [`Queue::finish`], [`Queue::expire`], [`Queue::forbid`] or [`Queue::remove`] led to (and the
    /// report that was added to it), and only then lets go of the entry.
    pub async fn settle(&self, claimed: Claimed, change: Change) -> Result<Committed, Fault> {
        let committed = self.store.commit(change).await;
        drop(claimed);
        committed
    }

    /// As [`Queue::settle`], of many entries in one commit.
    pub async fn settle_all(
        &self,
        together: Vec<InHands>,
        change: Change,
    ) -> Result<Committed, Fault> {
        let committed = self.store.commit(change).await;
        drop(together);
        committed
    }

    /// Has whoever waits look again.
    pub fn wake(&self) {
        self.order.changed.notify_one();
    }

    /// Waits until there may be something to claim that a claim at `since` did not see.
    pub async fn wait(&self, since: Timestamp) {
        let next = {
            let mut index = self.order.lock();
            // Set back since then, the clock shows less than `since`, and so do the times in the index.
            index.follow(&self.clock);
            index.next_after(since.min(self.clock.now()))
        };
        let changed = self.order.changed.notified();
        match next {
            None => changed.await,
            Some(next) => {
                let left = next.duration_since(self.clock.now());
                let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
                // Ends early as well as late: the caller claims again and comes back.
                let _ = tokio::time::timeout(left, changed).await;
            }
        }
    }

    fn take<T>(
        &self,
        next: impl Fn(&mut Index) -> Option<(EntryId, T)>,
    ) -> Result<Option<(Chosen, T)>, Fault> {
        if let Some(why) = self.store.closed() {
            // What is delivered now could not be recorded, and would be delivered again.
            return Err(Fault::Closed(why));
        }
        let mut index = self.order.lock();
        index.follow(&self.clock);
        let chosen = next(&mut index);
        drop(index);
        Ok(chosen.map(|(id, why)| (Chosen(self.holding(id)), why)))
    }

    fn holding(&self, id: EntryId) -> Hold {
        Hold {
            id,
            order: Arc::clone(&self.order),
            is_back: false,
        }
    }
}

/// An entry that was chosen for delivery and not read yet. Dropped, it goes back into the queue.
pub struct Chosen(Hold);

/// Why a chosen entry could not be read: a fault of ours. Dropped, the entry goes back into the
/// queue, to be chosen again at once: pause before that.
pub struct Unread {
    /// What failed.
    pub fault: Fault,
    _hold: Hold,
}

impl From<Unread> for Fault {
    fn from(unread: Unread) -> Self {
        unread.fault
    }
}

/// An entry in the hands of one deliverer. Dropped, it goes back into the queue as it then is.
pub struct Claimed {
    kept: WholeEntry,
    hold: Hold,
}

impl Claimed {
    /// What is known of the entry.
    pub fn row(&self) -> &EntryRow {
        &self.kept.row
    }

    /// The message as it goes on the wire: CRLF lines, not dot-stuffed.
    pub fn body(&self) -> &[u8] {
        self.kept.body.octets()
    }

    /// The same, for somebody who keeps it.
    pub fn shared_body(&self) -> Arc<[u8]> {
        self.kept.body.shared()
    }

    /// Keeps the entry in hands, and lets go of what was read of it.
    pub fn without_message(self) -> InHands {
        InHands(self.hold)
    }
}

/// An entry in hands, without its message. Dropped, it goes back into the queue as it then is.
pub struct InHands(Hold);

impl InHands {
    /// Which entry.
    pub fn id(&self) -> EntryId {
        self.0.id
    }
}

struct Hold {
    id: EntryId,
    order: Arc<Ordering>,
    /// Whether it was given back already.
    is_back: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.is_back {
            let now = self.order.clock.now();
            self.order.lock().give_back(self.id, now);
        }
        self.order.changed.notify_one();
    }
}
