//! `[reports]`: how long reports on what was sent are awaited.
//!
//! Refuses: a time of nothing, no room for a single row.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::resolve::Place;
use super::units::Life;
use crate::message::Precedence;

/// `[reports]`: until when a report that was asked for is to be here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReportsSection {
    /// How long after a message was handed on its reports are to be here, by precedence; then the
    /// postmaster is alarmed, once. By itself 10 minutes for FLASH and above, 30 for IMMEDIATE, 3 hours
    /// for PRIORITY, 6 for ROUTINE; those of DEFERRED are not missed.
    #[serde(default)]
    pub due: Vec<(Precedence, Life)>,
    /// How long it is remembered what reports came to.
    #[serde(default = "kept")]
    pub kept: Life,
    /// How long reports are awaited at all.
    #[serde(default = "given_up")]
    pub given_up: Life,
    /// So many recipients of messages are remembered; of what goes beyond, no report is missed.
    #[serde(default = "most")]
    pub most: usize,
}

impl Default for ReportsSection {
    fn default() -> Self {
        Self {
            due: Vec::new(),
            kept: kept(),
            given_up: given_up(),
            most: most(),
        }
    }
}

const DAY: u64 = 86_400;

const fn kept() -> Life {
    Life(Duration::from_secs(7 * DAY))
}

const fn given_up() -> Life {
    Life(Duration::from_secs(30 * DAY))
}

const fn most() -> usize {
    100_000
}

/// How long reports on what was sent are awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRules {
    due: BTreeMap<Precedence, Duration>,
    /// How long it is remembered what they came to.
    pub kept: Duration,
    /// How long they are awaited at all.
    pub given_up: Duration,
    /// So many recipients of messages are remembered.
    pub most: usize,
}

impl Default for ReportRules {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            kept: kept().0,
            given_up: given_up().0,
            most: most(),
        }
    }
}

impl ReportRules {
    // Handling times as ACP 121 is publicly described to have them, as for the queue.
    /// How long after a message of this precedence was handed on its reports are to be here; nothing
    /// means that they are not missed.
    pub fn due(&self, precedence: Precedence) -> Option<Duration> {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        let set = self.due.get(&precedence).copied();
        set.or_else(|| match precedence {
            Precedence::Deferred => None,
            Precedence::Routine => minutes(6 * 60),
            Precedence::Priority => minutes(3 * 60),
            Precedence::Immediate => minutes(30),
            Precedence::Flash | Precedence::Override => minutes(10),
        })
    }
}

impl Place<'_> {
    /// What `[reports]` says.
    pub(super) fn report_rules(
        &self,
        written: &ReportsSection,
    ) -> Result<ReportRules, ConfigError> {
        let times = written.due.iter().map(|(_, life)| life.0);
        if times
            .chain([written.kept.0, written.given_up.0])
            .any(|time| time.is_zero())
        {
            let text = "a time of nothing is none";
            return Err(self.whole("reports", text, "give a span such as \"30m\""));
        }
        if written.most == 0 {
            let text = "no report could be awaited";
            return Err(self.whole("reports.most", text, "set most = 100000"));
        }
        let due = written.due.iter().map(|(of, life)| (*of, life.0));
        Ok(ReportRules {
            due: due.collect(),
            kept: written.kept.0,
            given_up: written.given_up.0,
            most: written.most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_urgent_the_sooner_a_report_is_missed() {
        let rules = ReportRules {
            due: [(Precedence::Routine, Duration::from_secs(60))].into(),
            ..ReportRules::default()
        };
        assert_eq!(
            rules.due(Precedence::Routine),
            Some(Duration::from_secs(60))
        );
        assert_eq!(rules.due(Precedence::Deferred), None);
        let urgent: Vec<_> = [
            Precedence::Priority,
            Precedence::Immediate,
            Precedence::Flash,
        ]
        .into_iter()
        .map(|precedence| rules.due(precedence).unwrap().as_secs() / 60)
        .collect();
        assert_eq!(urgent, [180, 30, 10]);
    }
}
