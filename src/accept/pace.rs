//! How long a peer may take: silence, a command that does not end, content that trickles.
//!
//! Promises: octets alone buy no time: a command must end, and content must come at a least rate.
//! Attack stopped here: slow-loris: an octet now and then that keeps a connection for ever.

use std::time::Duration;

use tokio::time::Instant;

/// Where a peer stands with its time.
pub(super) struct Pace {
    /// Since when the present command, or the present message, is awaited.
    since: Instant,
    /// When the last octets came.
    heard: Instant,
    /// How much content came since.
    content: u64,
    /// The least that must come of it in a second.
    rate: u64,
}

impl Pace {
    /// Time begins; of content so many octets must come in a second.
    pub fn new(now: Instant, rate: u64) -> Self {
        Self {
            since: now,
            heard: now,
            content: 0,
            rate: rate.max(1),
        }
    }

    /// Octets came; content counts for more than the beginning of a command.
    pub fn heard(&mut self, now: Instant, octets: usize, is_content: bool) {
        self.heard = now;
        if is_content {
            let octets = u64::try_from(octets).unwrap_or(u64::MAX);
            self.content = self.content.saturating_add(octets);
        }
    }

    /// When patience ends.
    pub fn deadline(&self, idle: Duration) -> Instant {
        let earned = Duration::from_secs(self.content / self.rate);
        (self.since + idle + earned).min(self.heard + idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[test]
    fn octets_of_a_command_buy_no_time_and_content_must_keep_its_rate() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut pace = Pace::new(began, 1024);
        for seconds in 1..59 {
            pace.heard(after(seconds), 1, false);
        }
        assert_eq!(pace.deadline(IDLE), began + IDLE);
        // A trickle of content is the same; a stream earns its time, and a stop ends it.
        pace.heard(after(59), 1, true);
        assert_eq!(pace.deadline(IDLE), began + IDLE);
        pace.heard(after(59), 10 * 1024, true);
        assert_eq!(pace.deadline(IDLE), began + IDLE + Duration::from_secs(10));
        pace.heard(after(60), 1 << 20, true);
        assert_eq!(pace.deadline(IDLE), after(60) + IDLE);
    }
}
