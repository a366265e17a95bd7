//! The orders of MINIMIZE: imposed, lifted, ended, and asked for.
//!
//! Promises: an order and the event that tells of it are one commit, kept over a restart; from that
//! moment on no attempt is begun against it; when it is lifted or its time is over, what it held
//! goes on by itself, most urgent first; lives go on meanwhile.

use std::sync::Arc;

use super::{Claimed, Queue};
use crate::audit::{Act, Event};
use crate::check::minimize::{HIGHEST, Traffic, against};
use crate::clock::Timestamp;
use crate::message::Precedence;
use crate::message::address::Address;
use crate::message::military;
use crate::store::{Change, EntryRow, Exempt, Fault, MinimizeAct, MinimizeRow};

/// What an operator orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imposed {
    /// What becomes of the traffic.
    pub act: MinimizeAct,
    /// What is less urgent than this.
    pub below: Precedence,
    /// The area: links, domains, recipients; nothing at all is everywhere.
    pub links: Vec<String>,
    /// Domains, with those under them.
    pub domains: Vec<String>,
    /// Recipients.
    pub addresses: Vec<Address>,
    /// From when on; without it, now.
    pub from: Option<Timestamp>,
    /// Until when; without it, until it is lifted.
    pub until: Option<Timestamp>,
    /// Originators who are exempt.
    pub exempt: Vec<Address>,
    /// Domains whose originators are.
    pub exempt_domains: Vec<String>,
    /// Subject indicator codes that are.
    pub exempt_sics: Vec<String>,
    /// Whether messages are whose originators signed MINIMIZE CONSIDERED.
    pub considered: Exempt,
    /// Why.
    pub reason: String,
}

/// Why an order was not given.
#[derive(Debug, thiserror::Error)]
pub enum MinimizeError {
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// FLASH passes always; below DEFERRED there is nothing.
    #[error(
        "an order speaks of what is below {HIGHEST} at most, and not of what is below DEFERRED"
    )]
    Precedence,
    /// What no message can have does not make it exempt.
    #[error(
        "{0:?} is no subject indicator code: 3 to 8 of A-Z a-z 0-9 space ' ( ) + , - . / : = ?"
    )]
    Subject(String),
    /// It would end before it begins.
    #[error("the order would be over before it begins")]
    Time,
    /// No such order is in force.
    #[error("there is no order {0}")]
    Unknown(u64),
}

/// The orders at one moment.
#[derive(Clone, Debug)]
pub struct InForce {
    /// They, and those that begin later.
    pub orders: Arc<Vec<MinimizeRow>>,
    version: u64,
}

impl InForce {
    /// Which order speaks against a recipient of an entry; one for each, in the order of the row. Of
    /// a recipient whose name cannot be read none does: the attempt tells.
    pub fn against(&self, row: &EntryRow, at: Timestamp) -> Vec<Option<u64>> {
        let recipients = row.recipients.iter();
        recipients
            .map(|recipient| {
                if self.orders.is_empty() {
                    return None;
                }
                let traffic = Traffic {
                    originator: row.originator.as_ref(),
                    considered: row.considered,
                    sics: &row.sics,
                    recipient: &recipient.mailbox().ok()?,
                    link: &row.next_hop,
                    precedence: row.precedence,
                };
                Some(against(&self.orders, at, &traffic)?.number)
            })
            .collect()
    }
}

impl Queue {
    /// The orders of MINIMIZE that are known.
    pub fn minimize(&self) -> InForce {
        let orders = self.order.lock().orders();
        InForce {
            orders: orders.rows,
            version: orders.version,
        }
    }

    /// Gives back an entry all of whose recipients are held back: it waits, without a slot, until the
    /// orders change.
    pub fn park(&self, mut claimed: Claimed, in_force: &InForce) {
        let (id, now) = (claimed.row().id, self.clock.now());
        self.order.lock().park(id, in_force.version, now);
        claimed.hold.is_back = true;
    }

    /// Imposes an order.
    ///
    /// # Errors
    /// When it can hold nothing back, or the store fails.
    pub async fn impose(&self, order: Imposed, actor: &str) -> Result<MinimizeRow, MinimizeError> {
        if order.below > HIGHEST || order.below == Precedence::Deferred {
            return Err(MinimizeError::Precedence);
        }
        let is_code = |code: &&String| military::is_subject_indicator(code);
        if let Some(wrong) = order.exempt_sics.iter().find(|code| !is_code(code)) {
            return Err(MinimizeError::Subject(wrong.clone()));
        }
        let _one = self.one_order.lock().await;
        let now = self.clock.now();
        let from = order.from.unwrap_or(now);
        if order.until.is_some_and(|until| until <= from.max(now)) {
            return Err(MinimizeError::Time);
        }
        let lower = |names: Vec<String>| {
            let names = names.iter().map(|name| name.to_ascii_lowercase());
            names.collect::<Vec<_>>()
        };
        let mut kept = self.store.minimize()?;
        kept.last = kept.last.saturating_add(1);
        let row = MinimizeRow {
            number: kept.last,
            act: order.act,
            below: order.below,
            links: order.links,
            domains: lower(order.domains),
            addresses: order.addresses,
            from,
            until: order.until,
            exempt: order.exempt,
            exempt_domains: lower(order.exempt_domains),
            exempt_sics: order.exempt_sics,
            considered: order.considered,
            by: actor.to_owned(),
            since: now,
            reason: order.reason,
        };
        kept.orders.push(row.clone());
        let mut change = Change::new();
        change.as_urgent_as(Precedence::Override);
        change.record(event(Act::MinimizeImposed, actor, &row, now).detail("reason", &row.reason));
        change.remember_minimize(kept);
        self.store.commit(change).await?;
        Ok(row)
    }

    /// Lifts an order. What it held goes on.
    ///
    /// # Errors
    /// When there is no such order, or the store fails.
    pub async fn lift(
        &self,
        number: u64,
        actor: &str,
        reason: &str,
    ) -> Result<MinimizeRow, MinimizeError> {
        let _one = self.one_order.lock().await;
        let mut kept = self.store.minimize()?;
        let place = kept.orders.iter().position(|row| row.number == number);
        let place = place.ok_or(MinimizeError::Unknown(number))?;
        let row = kept.orders.remove(place);
        let mut change = Change::new();
        change.as_urgent_as(Precedence::Override);
        let event = event(Act::MinimizeLifted, actor, &row, self.clock.now());
        change.record(event.detail("reason", reason));
        change.remember_minimize(kept);
        self.store.commit(change).await?;
        Ok(row)
    }

    /// Forgets the orders whose time is over, each with an event. They hold nothing since then.
    /// Called at intervals.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_minimize(&self) -> Result<usize, Fault> {
        let now = self.clock.now();
        let is_over = |row: &MinimizeRow| row.until.is_some_and(|until| until <= now);
        if !self.minimize().orders.iter().any(is_over) {
            return Ok(0);
        }
        let _one = self.one_order.lock().await;
        let mut kept = self.store.minimize()?;
        let (over, orders): (Vec<_>, Vec<_>) = kept.orders.into_iter().partition(is_over);
        kept.orders = orders;
        let mut change = Change::new();
        for row in &over {
            let event = event(Act::MinimizeLifted, "switch", row, now);
            change.record(event.detail("reason", "its time is over"));
        }
        change.remember_minimize(kept);
        self.store.commit(change).await.map(|_| over.len())
    }
}

fn event(act: Act, actor: &str, row: &MinimizeRow, now: Timestamp) -> Event {
    let event = Event::new(now, act, actor)
        .detail("order", row.number)
        .detail(
            "act",
            match row.act {
                MinimizeAct::Hold => "hold",
                MinimizeAct::Refuse => "refuse",
            },
        )
        .detail("below", row.below)
        .detail("from", row.from);
    let addresses: Vec<String> = row.addresses.iter().map(ToString::to_string).collect();
    let exempt: Vec<String> = row.exempt.iter().map(ToString::to_string).collect();
    let until = row.until.map(|until| until.to_string());
    let lists = [
        ("links", row.links.join(", ")),
        ("domains", row.domains.join(", ")),
        ("addresses", addresses.join(", ")),
        ("exempt", exempt.join(", ")),
        ("exempt-domains", row.exempt_domains.join(", ")),
        ("exempt-sics", row.exempt_sics.join(", ")),
        ("until", until.unwrap_or_default()),
    ];
    let said = lists.into_iter().filter(|(_, value)| !value.is_empty());
    let event = said.fold(event, |event, (name, value)| event.detail(name, value));
    match row.considered {
        Exempt::Yes => event.detail("exempt-considered", "yes"),
        Exempt::No => event,
    }
}
