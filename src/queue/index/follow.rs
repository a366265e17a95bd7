//! What a step of the clock would do to the order, mended.

use super::super::items::{Place, micros};
use super::super::steps::Step;
use super::Index;
use crate::clock::Clock;

impl Index {
    /// Holds the clock against the time that has passed, and mends what its step would do.
    ///
    /// Set back, it would have every retry wait that much longer; set forward, it would end lives
    /// without another attempt. What a sender asked for, and when lives end, goes by the clock.
    pub(in crate::queue) fn follow(&mut self, clock: &Clock) {
        let Some(step) = self.steps.since_last(clock) else {
            return;
        };
        tracing::warn!(
            ?step,
            "the clock was set; retries go by the time that passes"
        );
        let now = micros(clock.now());
        for number in self.items.numbers() {
            let Some(item) = self.items.get_mut(number) else {
                continue;
            };
            match step {
                Step::Ahead { before } => {
                    if item.expires > before && item.expires <= now {
                        item.tried = false;
                    }
                }
                Step::Back { by } if !item.is_held_by_its_sender() => {
                    let waited = item.place == Place::Waiting;
                    self.with(number, |hop, item| {
                        if waited {
                            hop.take_out(number, item);
                        }
                        item.due = item.due.saturating_sub(by);
                        if waited {
                            hop.put_in(number, item, now);
                        }
                    });
                }
                Step::Back { .. } => {}
            }
        }
        self.release_parked(now);
    }
}
