//! What a configuration holds that comes to an end: certificates, and how long they last.
//!
//! Duty: [`Config::holdings`] lists them for the watch of `serve`, for metrics and for `ravelin key`;
//! [`warning`] is the one rule of when to warn. Promises: whole days that are left, rounded down;
//! 30 days and one second is not within 30 days.

use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;

use super::{Config, SealProfile};

/// Days before the end at which a warning is given; the shortest that applies counts.
pub const WARNINGS: [i64; 3] = [7, 30, 90];

/// A certificate of a configuration, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The key of the configuration that names it, such as `keys.sign`.
    pub purpose: String,
    /// The certificate.
    pub certificate: Certificate,
}

impl Holding {
    /// Whole days until its end; below zero when that is past.
    pub fn days_left(&self, at: Timestamp) -> i64 {
        warning(at, self.certificate.not_after()).0
    }

    /// 90, 30 or 7 when its end is within so many days, 0 when it is past, else nothing.
    pub fn warning(&self, at: Timestamp) -> Option<i64> {
        warning(at, self.certificate.not_after()).1
    }
}

/// Whole days that are left, and the warning that goes with them.
pub fn warning(at: Timestamp, until: Timestamp) -> (i64, Option<i64>) {
    let left = until.duration_since(at);
    let days = left.as_secs().div_euclid(86_400);
    if left.is_negative() {
        return (days, Some(0));
    }
    let within = |days: &&i64| left <= jiff::SignedDuration::from_hours(days.saturating_mul(24));
    (days, WARNINGS.iter().find(within).copied())
}

impl Config {
    /// Every certificate that the configuration names: own keys with their chains, anchors, those of
    /// far domains and of subjects. One that is named twice for one purpose stands once.
    pub fn holdings(&self) -> Vec<Holding> {
        let mut all: Vec<Holding> = Vec::new();
        let mut add = |purpose: &str, certificate: &Certificate| {
            let holding = Holding {
                purpose: purpose.to_owned(),
                certificate: certificate.clone(),
            };
            if !all.contains(&holding) {
                all.push(holding);
            }
        };
        let keys = &self.keys;
        let own = [("keys.sign", &keys.sign), ("keys.decrypt", &keys.decrypt)];
        for (purpose, identities) in own {
            for identity in identities {
                add(purpose, identity.certificate());
            }
        }
        add("keys.tls", keys.tls.certificate());
        for anchor in self.trust.anchors() {
            add("trust.anchors", anchor);
        }
        for link in &self.links {
            let own = self.trust.anchors();
            for anchor in link.trust.anchors().iter().filter(|a| !own.contains(a)) {
                add(&format!("link.{}.anchors", link.name), anchor);
            }
            if let SealProfile::TripleWrap { certificate, .. } = &link.seal {
                add(&format!("link.{}.seal.certificate", link.name), certificate);
            }
        }
        for subject in self.subjects.values() {
            if let Some(certificate) = &subject.certificate {
                add(&format!("subject {}", subject.address), certificate);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_come_at_90_30_and_7_days() {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let day = 24 * 3600;
        for (seconds, days, wanted) in [
            (91 * day, 91, None),
            (90 * day + 1, 90, None),
            (90 * day, 90, Some(90)),
            (30 * day + 1, 30, Some(90)),
            (30 * day, 30, Some(30)),
            (7 * day, 7, Some(7)),
            (1, 0, Some(7)),
            (0, 0, Some(7)),
            (-1, -1, Some(0)),
            (-2 * day, -2, Some(0)),
        ] {
            let until = at
                .checked_add(jiff::SignedDuration::from_secs(seconds))
                .unwrap();
            assert_eq!(warning(at, until), (days, wanted), "{seconds}");
        }
    }
}
