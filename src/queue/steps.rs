//! Steps of the machine's clock: somebody has set it, beside the time that passed.
//!
//! Duty: sees a step, by holding the clock against the time that has passed.
//! Promises: a clock that is led slowly to the right time (as a time service does it) makes no step;
//! a process that was not let run makes none.

use std::time::Duration;

use super::items::micros;
use crate::clock::Clock;

/// What is less is no step. The shortest wait of a queue is longer.
const LEAST: i64 = 2_000_000;
/// Two looks at the time that are further apart say nothing of what lies between them.
const APART: Duration = Duration::from_millis(200);

/// A step. Times are microseconds, since 1970 or long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The clock was set forward; until then it would have shown this.
    Ahead { before: i64 },
    /// The clock was set back by so much.
    Back { by: i64 },
}

/// What the clock showed when it was looked at last, and the time that had passed.
#[derive(Debug, Default)]
pub(super) struct Steps {
    last: Option<(i64, Duration)>,
}

impl Steps {
    /// The step that the clock made since this was asked last, if it made one.
    pub(super) fn since_last(&mut self, clock: &Clock) -> Option<Step> {
        let passed = clock.elapsed();
        let shows = micros(clock.now());
        // Whoever was not let run in between sees a difference that is none.
        if clock.elapsed().saturating_sub(passed) > APART {
            return None;
        }
        let (showed, had_passed) = self.last.replace((shows, passed))?;
        let between = passed.saturating_sub(had_passed).as_micros();
        let before = showed.saturating_add(i64::try_from(between).unwrap_or(i64::MAX));
        let by = before.saturating_sub(shows);
        match by {
            LEAST.. => Some(Step::Back { by }),
            _ if by <= -LEAST => Some(Step::Ahead { before }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn time_that_passes_is_no_step_and_a_clock_that_is_set_makes_one() {
        let start = Timestamp::from_second(1_795_000_000).unwrap();
        let clock = Clock::fixed(start);
        let mut steps = Steps::default();
        assert_eq!(steps.since_last(&clock), None, "the first look");
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(steps.since_last(&clock), None);
        clock.set(start);
        let by = 86_400_000_000;
        assert_eq!(steps.since_last(&clock), Some(Step::Back { by }));
        assert_eq!(steps.since_last(&clock), None, "once");
        clock.set(start + Duration::from_secs(1));
        assert_eq!(steps.since_last(&clock), None, "too small");
        clock.advance(Duration::from_secs(5));
        clock.set(start + Duration::from_secs(60));
        let before = micros(start + Duration::from_secs(6));
        assert_eq!(steps.since_last(&clock), Some(Step::Ahead { before }));
    }
}
