//! What the audit chain has told since the switch began: counters, made of events and of nothing else.
//!
//! Promises: a counter and the chain never disagree: an event is counted after it is durable, once.
//! The values of labels come from tables and the configuration, never from a message or a peer, so that
//! nobody outside makes the number of series grow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::{Act, Event};
use crate::store::Store;

/// A counter: its name, its help, and which details of the event are its labels.
struct Counter {
    name: &'static str,
    help: &'static str,
    act: Act,
    labels: &'static [(&'static str, Label)],
}

/// Where the value of a label comes from.
#[derive(Clone, Copy)]
enum Label {
    Decision,
    Detail(&'static str),
}

const PRECEDENCE: (&str, Label) = ("precedence", Label::Detail("precedence"));
const NEXT_HOP: (&str, Label) = ("next_hop", Label::Detail("next-hop"));

const COUNTERS: [Counter; 17] = [
    Counter {
        name: "ravelin_messages_accepted_total",
        help: "Messages taken over and passed.",
        act: Act::Accepted,
        labels: &[PRECEDENCE],
    },
    Counter {
        name: "ravelin_messages_refused_total",
        help: "Messages refused, by the stable id of the reason.",
        act: Act::Refused,
        labels: &[("reason", Label::Decision)],
    },
    Counter {
        name: "ravelin_messages_held_total",
        help: "Messages that waited for release.",
        act: Act::Held,
        labels: &[PRECEDENCE],
    },
    Counter {
        name: "ravelin_drafts_released_total",
        help: "Drafts that were released.",
        act: Act::Released,
        labels: &[],
    },
    Counter {
        name: "ravelin_drafts_returned_total",
        help: "Drafts that an officer sent back.",
        act: Act::Returned,
        labels: &[],
    },
    Counter {
        name: "ravelin_drafts_withdrawn_total",
        help: "Drafts that were taken back by who drafted them.",
        act: Act::Withdrawn,
        labels: &[],
    },
    Counter {
        name: "ravelin_recipients_delivered_total",
        help: "Recipients whose next hop took the message.",
        act: Act::Delivered,
        labels: &[NEXT_HOP, PRECEDENCE],
    },
    Counter {
        name: "ravelin_recipients_failed_total",
        help: "Recipients refused for good by the next hop.",
        act: Act::Failed,
        labels: &[NEXT_HOP],
    },
    Counter {
        name: "ravelin_deliveries_deferred_total",
        help: "Attempts after which somebody is still to be delivered to.",
        act: Act::Deferred,
        labels: &[NEXT_HOP],
    },
    Counter {
        name: "ravelin_overdue_total",
        help: "Entries that were still here after the time in which they should have been delivered.",
        act: Act::Overdue,
        labels: &[NEXT_HOP, PRECEDENCE],
    },
    Counter {
        name: "ravelin_turned_away_total",
        help: "Sessions that were refused before a message.",
        act: Act::TurnedAway,
        labels: &[],
    },
    Counter {
        name: "ravelin_expired_total",
        help: "Recipients and drafts whose time was over.",
        act: Act::Expired,
        labels: &[],
    },
    Counter {
        name: "ravelin_reports_matched_total",
        help: "Reports that settled what was awaited, by kind and result.",
        act: Act::ReportMatched,
        labels: &[
            ("kind", Label::Detail("kind")),
            ("result", Label::Detail("result")),
        ],
    },
    Counter {
        name: "ravelin_reports_not_matched_total",
        help: "Reports that settled nothing, by the reason.",
        act: Act::ReportNotMatched,
        labels: &[("why", Label::Detail("why"))],
    },
    Counter {
        name: "ravelin_reports_overdue_total",
        help: "Recipients whose reports were not here in time.",
        act: Act::ReportOverdue,
        labels: &[PRECEDENCE],
    },
    Counter {
        name: "ravelin_faults_total",
        help: "Messages that could not be taken through a fault of ours.",
        act: Act::Fault,
        labels: &[],
    },
    Counter {
        name: "ravelin_reopened_total",
        help: "How often the store was opened again after a failed commit.",
        act: Act::Reopened,
        labels: &[],
    },
];

/// Label names and values.
type Labels = Vec<(&'static str, String)>;

/// The counters of one switch. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    series: BTreeMap<(usize, Labels), u64>,
    acts: BTreeMap<&'static str, u64>,
}

/// One counter with all its series.
pub(super) struct Family {
    pub name: &'static str,
    pub help: &'static str,
    pub series: Vec<(Labels, u64)>,
}

impl Tally {
    /// Counts from now on what `store` makes durable.
    pub fn of(store: &Store) -> Self {
        let tally = Self::default();
        let counting = tally.clone();
        store.follow(move |event| counting.count(event));
        tally
    }

    fn count(&self, event: &Event) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.acts.entry(event.act.name()).or_default() += 1;
        for (number, counter) in COUNTERS.iter().enumerate() {
            if counter.act != event.act {
                continue;
            }
            let labels = counter.labels.iter().map(|(name, from)| {
                let value = match from {
                    Label::Decision => event.decision.as_ref(),
                    Label::Detail(detail) => event.details.get(*detail),
                };
                (*name, value.cloned().unwrap_or_default())
            });
            *counts.series.entry((number, labels.collect())).or_default() += 1;
        }
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut families: Vec<Family> = COUNTERS
            .iter()
            .enumerate()
            .map(|(number, counter)| {
                let own = counts.series.iter().filter(|((of, _), _)| *of == number);
                let mut series: Vec<_> = own.map(|((_, l), n)| (l.clone(), *n)).collect();
                if series.is_empty() && counter.labels.is_empty() {
                    series.push((Vec::new(), 0));
                }
                Family {
                    name: counter.name,
                    help: counter.help,
                    series,
                }
            })
            .collect();
        families.push(Family {
            name: "ravelin_events_total",
            help: "Events of the audit chain, by act.",
            series: counts
                .acts
                .iter()
                .map(|(act, count)| (vec![("act", (*act).to_owned())], *count))
                .collect(),
        });
        families
    }
}
