//! What becomes of deliveries, and what the switch says of its own accord: queue state, reports and
//! events, in one commit.

use super::Switch;
use crate::audit::{Act, Event};
use crate::config::Config;
use crate::decision::{Fault, Refusal, Stop};
use crate::deliver::Outbox;
use crate::message::MessageId;
use crate::queue::{self, Claimed, Failure, FailureReason, Finished, Outcome};
use crate::report::{self, Undelivered};
use crate::seal::{self, Sealed};
use crate::smtp::dialogue::Onward;
use crate::store::crash::{self, Point};
use crate::store::{Change, EntryRow, ReplyRow};

impl Outbox for Switch {
    async fn attempted(&self, claimed: Claimed, outcomes: Vec<Outcome>, _onward: Onward) {
        crash::here(Point::Delivered);
        let finished = self.queue.finish(&claimed, &outcomes);
        self.settle(claimed, finished).await;
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
        self.settle(claimed, finished).await;
    }

    async fn expired(&self, claimed: Claimed) {
        let finished = self.queue.expire(&claimed);
        self.settle(claimed, finished).await;
    }
}

impl Switch {
    /// Queues a sealed message for its next hop.
    pub(super) fn enqueue(&self, change: &mut Change, sealed: Sealed) {
        queue::put(change, sealed, self.queue.schedule(), &self.clock);
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
    pub(super) async fn settle(&self, claimed: Claimed, finished: Finished) {
        let Finished {
            mut change,
            failures,
            ..
        } = finished;
        if !failures.is_empty() {
            self.report(&mut change, claimed.row(), &failures);
        }
        let entry = claimed.row().id;
        if let Err(fault) = self.queue.settle(claimed, change).await {
            tracing::error!(%entry, %fault, "the outcome of a delivery could not be kept");
        }
    }

    /// Adds the report to the sender, where there is one.
    fn report(&self, change: &mut Change, row: &EntryRow, failures: &[Failure]) {
        let Ok(from) = row.reverse_path() else { return };
        let about = Undelivered {
            message: row.message,
            from,
            precedence: row.precedence,
            arrived: row.arrived,
            recipients: failures.iter().filter_map(undelivered).collect(),
        };
        let id = MessageId::new(self.clock.fresh_id());
        let config = self.config.snapshot();
        let Some(message) = report::undelivered(&config.name, &about, id) else {
            return;
        };
        let to = message.to.clone();
        match self.say(&config, change, message) {
            Ok(()) => change.record(
                Event::new(self.now(), Act::Reported, "switch")
                    .message(row.message)
                    .entry(row.id)
                    .detail("to", to)
                    .detail("failed", about.recipients.len()),
            ),
            Err(fault) => tracing::error!(fault = %fault.chain(), "a report could not be written"),
        }
    }
}

/// One recipient of the report: who, the status, and what was said.
fn undelivered(failure: &Failure) -> Option<(crate::message::address::Address, String, String)> {
    let recipient = failure.recipient.mailbox().ok()?;
    let said = failure.recipient.last_reply.as_ref();
    let text = said.map_or_else(String::new, |reply| match reply.code {
        Some(code) => format!("{code} {}", reply.text),
        None => reply.text.clone(),
    });
    let status = match (failure.reason, said) {
        // RFC 3463 §3.5: X.4.7, delivery time expired
        (FailureReason::Expired, _) => "5.4.7".to_owned(),
        (FailureReason::Refused | FailureReason::Forbidden, Some(reply)) => reply.enhanced.clone(),
        // RFC 3463 §3.1: X.0.0, other status
        (FailureReason::Refused | FailureReason::Forbidden, None) | (FailureReason::Removed, _) => {
            "5.0.0".to_owned()
        }
    };
    Some((recipient, status, text))
}
