//! The watch over certificates that come to an end.
//!
//! Promises: an event for each certificate when it comes within 90, 30 and 7 days of its end; within
//! 7 days and after its end one a day; the postmaster is told with them, in the same commit. After a
//! new start it is told once more.

use std::collections::BTreeMap;

use super::Switch;
use crate::audit::{Act, Event};
use crate::clock::Timestamp;
use crate::decision::Fault;
use crate::message::Precedence;
use crate::report;
use crate::store::Change;

/// The least time between two events on one certificate at one warning.
const DAY: i64 = 86_400;

/// The last warning of each certificate and purpose, and when it was given.
pub(super) type Told = BTreeMap<(String, [u8; 32]), (i64, Timestamp)>;

impl Switch {
    /// Records what comes to an end and was not told of yet, and tells the postmaster. Gives back of
    /// how many certificates it told.
    ///
    /// # Errors
    /// When the store fails; then it is told again.
    pub async fn tell_of_expiry(&self) -> Result<usize, Fault> {
        let (config, now) = (self.config.snapshot(), self.now());
        let mut told = self.ending.lock().await;
        let mut next = Told::new();
        let mut change = Change::new();
        let (mut lines, mut soonest) = (Vec::new(), i64::MAX);
        for holding in config.holdings() {
            let Some(warning) = holding.warning(now) else {
                continue;
            };
            let key = (holding.purpose.clone(), holding.certificate.fingerprint());
            let last = told.get(&key).copied();
            if !is_due(last, warning, now) {
                next.extend(last.map(|last| (key, last)));
                continue;
            }
            next.insert(key, (warning, now));
            let (days, certificate) = (holding.days_left(now), &holding.certificate);
            change.record(
                Event::new(now, Act::Expiring, "switch")
                    .detail("purpose", &holding.purpose)
                    .detail("subject", certificate.subject())
                    .detail("serial", certificate.serial_hex())
                    .detail("not-after", certificate.not_after())
                    .detail("days", days)
                    .detail("warning", warning),
            );
            lines.push(format!(
                "{days:>5}  {}  {}  {}",
                holding.purpose,
                certificate.serial_hex(),
                certificate.subject()
            ));
            soonest = soonest.min(warning);
        }
        if lines.is_empty() {
            *told = next;
            return Ok(0);
        }
        let precedence = match soonest {
            ..=7 => Precedence::Priority,
            _ => Precedence::Routine,
        };
        let notice = report::expiring(&config.postmaster, precedence, &lines);
        // Where the postmaster cannot be written to, the chain still says it.
        if let Err(fault) = self.say(&config, &mut change, notice) {
            tracing::error!(fault = %fault.chain(), "the postmaster could not be told");
        }
        self.commit(change).await?;
        *told = next;
        Ok(lines.len())
    }
}

/// Whether it is told now: at each new warning, and within 7 days once a day.
fn is_due(last: Option<(i64, Timestamp)>, warning: i64, now: Timestamp) -> bool {
    match last {
        None => true,
        Some((told, _)) if told != warning => true,
        Some((_, at)) => warning <= 7 && now.duration_since(at).as_secs() >= DAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_for_each_warning_and_daily_at_the_end() {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let later = |hours| {
            at.checked_add(jiff::SignedDuration::from_hours(hours))
                .unwrap()
        };
        assert!(is_due(None, 90, at));
        assert!(!is_due(Some((90, at)), 90, later(48)));
        assert!(is_due(Some((90, at)), 30, later(1)));
        assert!(!is_due(Some((30, at)), 30, later(48)));
        for warning in [7, 0] {
            assert!(!is_due(Some((warning, at)), warning, later(23)));
            assert!(is_due(Some((warning, at)), warning, later(24)));
        }
        assert!(is_due(Some((7, at)), 0, later(1)));
        // A reload that brought another certificate back: its warning is another one.
        assert!(is_due(Some((7, at)), 30, later(1)));
    }
}
