//! What becomes of deliveries, and what the switch says of its own accord: queue state, reports and
//! events, in one commit.

use super::Switch;
use crate::audit::{Act, Event};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::{Fault, Refusal, Stop};
use crate::deliver::Outbox;
use crate::message::MessageId;
use crate::message::service::ByMode;
use crate::queue::{Claimed, Failure, FailureReason, Finished, Outcome};
use crate::report::{self, Action, Reach, Report, Told};
use crate::seal::{self, Sealed};
use crate::smtp::dialogue::Onward;
use crate::store::crash::{self, Point};
use crate::store::{Change, EntryRow, Permitted, RecipientRow, ReplyRow};

impl Outbox for Switch {
    async fn attempted(&self, claimed: Claimed, outcomes: Vec<Outcome>, onward: Onward) {
        crash::here(Point::Delivered);
        let finished = self.queue.finish(&claimed, &outcomes);
        self.settle(claimed, finished, onward).await;
    }

    async fn forbidden(&self, claimed: Claimed, refusal: Refusal) {
        let (class, subject, detail) = refusal.reason.enhanced();
        let reply = ReplyRow {
            by: "switch".into(),
            code: Some(refusal.reason.code()),
            enhanced: format!("{class}.{subject}.{detail}"),
            text: refusal.to_string(),
        };
        let grounds: Vec<String> = refusal.grounds.iter().map(ToString::to_string).collect();
        let finished = self.queue.forbid(&claimed, &reply, &grounds);
        self.settle(claimed, finished, Onward::Silent).await;
    }

    async fn expired(&self, claimed: Claimed) {
        let finished = self.queue.expire(&claimed);
        self.settle(claimed, finished, Onward::Silent).await;
    }

    async fn overdue(&self, claimed: Claimed) {
        let mut finished = self.queue.overdue(&claimed);
        if let Err(fault) = self.alarm(&mut finished.change, claimed.row()) {
            tracing::error!(fault = %fault.chain(), "an alarm could not be written");
        }
        self.settle(claimed, finished, Onward::Silent).await;
    }
}

impl Switch {
    /// Queues a sealed message for its next hop.
    pub(super) fn enqueue(&self, change: &mut Change, sealed: Sealed) {
        self.queue.put(change, sealed);
    }

    /// Queues a message of the switch itself.
    pub(super) fn say(
        &self,
        config: &Config,
        change: &mut Change,
        message: seal::OwnMessage,
    ) -> Result<(), Fault> {
        let id = MessageId::new(self.clock.fresh_id());
        match seal::own(config, self.now(), id, message) {
            Ok(Some(sealed)) => self.enqueue(change, sealed),
            Ok(None) => {}
            Err(Stop::Fault(fault)) => return Err(fault),
            Err(Stop::Refuse(refusal)) => {
                return Err(Fault::new(
                    "protect a message of our own",
                    refusal.to_string(),
                ));
            }
        }
        Ok(())
    }

    /// Commits an outcome with its report. When that fails the entry stays as it was, and is
    /// delivered again: twice is the lesser evil.
    pub(super) async fn settle(&self, claimed: Claimed, finished: Finished, onward: Onward) {
        let config = self.config.snapshot();
        let mut change = Change::new();
        let handed = self.handed(&config, &mut change, claimed.row(), &finished, onward);
        let turn = handed.await.unwrap_or_else(|fault| {
            tracing::error!(fault = %fault.chain(), "what is awaited could not be read");
            None
        });
        change.append(self.with_report(&claimed, finished, onward));
        let entry = claimed.row().id;
        if let Err(fault) = self.queue.settle(claimed, change).await {
            tracing::error!(%entry, %fault, "the outcome of a delivery could not be kept");
        }
        drop(turn);
    }

    /// What is to be committed of an outcome, with the report to the sender, where there is one.
    pub(super) fn with_report(
        &self,
        claimed: &Claimed,
        finished: Finished,
        onward: Onward,
    ) -> Change {
        let told = told(claimed.row(), &finished, onward);
        let mut change = finished.change;
        if !told.is_empty() {
            self.report(&mut change, claimed, told);
        }
        change
    }

    /// Adds the report to the sender, where there is one.
    fn report(&self, change: &mut Change, claimed: &Claimed, told: Vec<Told>) {
        let row = claimed.row();
        let Ok(from) = row.reverse_path() else { return };
        let config = self.config.snapshot();
        let domain = from
            .address()
            .map(|from| from.domain().to_ascii_lowercase());
        let about = Report {
            message: row.message,
            entry: row.id,
            from,
            precedence: row.precedence,
            arrived: row.arrived,
            terms: &row.terms,
            label: match &row.permitted {
                Permitted::As { label, .. } => Some(label.clone()),
                Permitted::Own | Permitted::Unknown => None,
            },
            octets: claimed.body(),
            reach: match domain.is_some_and(|domain| config.domains.contains(&domain)) {
                true => Reach::Home,
                false => Reach::Abroad,
            },
            recipients: told,
        };
        let id = MessageId::new(self.clock.fresh_id());
        let Some(message) = report::report(&config.name, &about, id) else {
            return;
        };
        let to = message.to.clone();
        let count = |action| {
            about
                .recipients
                .iter()
                .filter(|told| told.action == action)
                .count()
        };
        match self.say(&config, change, message) {
            Ok(()) => {
                let event = Event::new(self.now(), Act::Reported, "switch")
                    .message(row.message)
                    .entry(row.id)
                    .detail("to", to);
                let actions = [
                    Action::Failed,
                    Action::Delayed,
                    Action::Relayed,
                    Action::Delivered,
                ];
                let event = actions
                    .into_iter()
                    .filter(|action| count(*action) > 0)
                    .fold(event, |event, action| {
                        event.detail(action.name(), count(action))
                    });
                change.record(event);
            }
            Err(fault) => tracing::error!(fault = %fault.chain(), "a report could not be written"),
        }
    }
}

/// What the sender wants to know of an outcome.
fn told(row: &EntryRow, finished: &Finished, onward: Onward) -> Vec<Told> {
    let failed = finished.failures.iter().filter_map(undelivered);
    // RFC 2852 §4: who asked for a notice at the deadline gets it, whatever NOTIFY says
    let deadline = row.terms.service.deliver_by;
    let is_due = deadline.is_some_and(|by| by.mode == ByMode::Notify);
    let delayed = finished.delayed.iter().filter_map(|recipient| {
        // RFC 3463 §3.5: X.4.7, delivery time expired; X.4.1, no answer
        let status = if is_due { "4.4.7" } else { "4.4.1" };
        one(recipient, Action::Delayed, status, Some(row.expires))
    });
    // RFC 3461 §5.2.2; RFC 2852 §4 (T: a report of each relay)
    let is_traced = deadline.is_some_and(|by| by.trace.is_yes());
    let arrived = match onward {
        Onward::Delivers => Some(Action::Delivered),
        Onward::Silent => Some(Action::Relayed),
        Onward::Reports => is_traced.then_some(Action::Relayed),
    };
    let delivered = finished
        .delivered
        .iter()
        .filter_map(|recipient| one(recipient, arrived?, "2.0.0", None));
    let is_wanted = |told: &Told| {
        told.action
            .is_wanted(&row.terms.service.of(&told.recipient))
            || (told.action == Action::Relayed && is_traced)
            || (told.action == Action::Delayed && is_due)
    };
    failed
        .chain(delayed)
        .chain(delivered)
        .filter(is_wanted)
        .collect()
}

/// What is told of one recipient.
fn one(
    recipient: &RecipientRow,
    action: Action,
    status: &str,
    until: Option<Timestamp>,
) -> Option<Told> {
    let said = recipient.last_reply.as_ref();
    let text = said.map_or_else(String::new, |reply| match reply.code {
        Some(code) => format!("{code} {}", reply.text),
        None => reply.text.clone(),
    });
    Some(Told {
        recipient: recipient.mailbox().ok()?,
        action,
        status: status.to_owned(),
        by: said
            .map(|reply| reply.by.clone())
            .filter(|by| by != "switch"),
        text,
        until,
    })
}

/// What is told of a recipient who will not get the message.
fn undelivered(failure: &Failure) -> Option<Told> {
    let said = failure.recipient.last_reply.as_ref();
    let status = match (failure.reason, said) {
        // RFC 3463 §3.5: X.4.7, delivery time expired
        (FailureReason::Expired, _) => "5.4.7",
        (FailureReason::Refused | FailureReason::Forbidden, Some(reply)) => &reply.enhanced,
        // RFC 3463 §3.1: X.0.0, other status
        (FailureReason::Refused | FailureReason::Forbidden, None) | (FailureReason::Removed, _) => {
            "5.0.0"
        }
    };
    one(&failure.recipient, Action::Failed, status, None)
}
