//! How many deliveries to one next hop go on at once: a window that follows what is heard from it.
//!
//! Promises: one that is away is probed by one delivery at a time, one that is well is not held
//! back. (The idea is of Postfix's queue manager.)

use super::Limits;

/// In thousandths of a delivery. It grows by one when as many deliveries as it has room for have
/// reached the next hop, and shrinks alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window(usize);

/// Whether a next hop answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It could not be asked.
    Nothing,
    /// It said something, be it yes or no.
    Reply,
}

impl Window {
    const ONE: usize = 1000;

    /// One with room for so many.
    pub(super) fn of(deliveries: usize) -> Self {
        Self(deliveries.saturating_mul(Self::ONE))
    }

    /// How many it has room for.
    pub(super) fn deliveries(self) -> usize {
        self.0 / Self::ONE
    }

    /// What it is after a delivery.
    pub(super) fn after(self, heard: Heard, limits: &Limits) -> Self {
        let step = Self::ONE * Self::ONE / self.0.max(Self::ONE);
        Self(match heard {
            Heard::Nothing => self.0.saturating_sub(step).max(Self::ONE),
            Heard::Reply => self
                .0
                .saturating_add(step)
                .min(Self::of(limits.widest.max(limits.window)).0),
        })
    }
}
