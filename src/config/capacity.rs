//! How much is done at once, and what of it is kept for IMMEDIATE and above: CPU permits, deliveries,
//! connections to one next hop, changes that share a commit. (Places of a listener: `listeners`.)
//!
//! Promises: every number has a default and bounds; the urgent have at least one of everything that
//! is kept, and everybody else at least one of everything.
//! Refuses: numbers outside their bounds, more kept than there is, at the line where they stand.
//! Standards: RFC 6710 §5 (overtaking by priority).

use std::fmt::Display;
use std::num::NonZero;
use std::ops::RangeInclusive;

use toml::Spanned;

use super::ConfigError;
use super::resolve::Place;
use super::units::ByteSize;
use super::written::Written;
use crate::store::Groups;

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Messages that are judged at the same time; by itself as many as there are cores.
    pub permits: usize,
    /// Beside them, for IMMEDIATE and above; by itself half as many.
    pub reserved_permits: usize,
    /// Deliveries.
    pub deliveries: Deliveries,
    /// Changes that share one commit.
    pub groups: Groups,
}

/// How much is delivered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deliveries {
    /// In all.
    pub slots: usize,
    /// So many of the slots, and so many connections to each next hop beyond its window, are for
    /// IMMEDIATE and above.
    pub reserved: usize,
    /// To one next hop, before anything is known of it.
    pub window: usize,
    /// What that grows to while the next hop answers.
    pub widest: usize,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self {
            slots: 50,
            reserved: 2,
            window: 5,
            widest: 20,
        }
    }
}

impl Capacity {
    /// The keys that differ and cannot change while the switch runs.
    pub(super) fn fixed_differences(&self, next: &Self) -> [(&'static str, bool); 4] {
        [
            ("switch.permits", self.permits == next.permits),
            (
                "switch.reserved-permits",
                self.reserved_permits == next.reserved_permits,
            ),
            (
                "queue.slots, queue.reserved, queue.window, queue.widest",
                self.deliveries == next.deliveries,
            ),
            (
                "store.group, store.beside-urgent",
                self.groups == next.groups,
            ),
        ]
    }
}

/// What a number may be.
const COUNT: RangeInclusive<usize> = 1..=1000;
/// What the octets of a commit may be: one large body would be more than a group in any case.
const OCTETS: RangeInclusive<u64> = 4 << 10..=64 << 20;

impl Place<'_> {
    pub(super) fn capacity(&self, written: &Written) -> Result<Capacity, ConfigError> {
        let (switch, queue, store) = (&written.switch, &written.queue, &written.store);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let permits = self.within("switch.permits", switch.permits.as_ref(), cores, COUNT)?;
        let reserved_permits = self.within(
            "switch.reserved-permits",
            switch.reserved_permits.as_ref(),
            permits.div_ceil(2),
            COUNT,
        )?;
        let usual = Deliveries::default();
        let slots = self.within(
            "queue.slots",
            queue.slots.as_ref(),
            usual.slots,
            2..=*COUNT.end(),
        )?;
        let most = slots.saturating_sub(1);
        let reserved = queue.reserved.as_ref();
        let reserved = self.within(
            "queue.reserved",
            reserved,
            usual.reserved.min(most),
            1..=most,
        )?;
        let window = self.within("queue.window", queue.window.as_ref(), usual.window, COUNT)?;
        let widest = queue.widest.as_ref();
        let widest = self.within(
            "queue.widest",
            widest,
            usual.widest.max(window),
            window..=*COUNT.end(),
        )?;
        let usual = Groups::default();
        Ok(Capacity {
            permits,
            reserved_permits,
            deliveries: Deliveries {
                slots,
                reserved,
                window,
                widest,
            },
            groups: Groups {
                most: self.group("store.group", store.group.as_ref(), usual.most)?,
                beside: self.group(
                    "store.beside-urgent",
                    store.beside_urgent.as_ref(),
                    usual.beside,
                )?,
            },
        })
    }

    /// Changes and octets.
    fn group(
        &self,
        key: &str,
        written: Option<&(Spanned<usize>, Spanned<ByteSize>)>,
        usual: (usize, usize),
    ) -> Result<(usize, usize), ConfigError> {
        let Some((changes, octets)) = written else {
            return Ok(usual);
        };
        let octets = self.bounded(
            key,
            octets,
            ByteSize(*OCTETS.start())..=ByteSize(*OCTETS.end()),
        );
        let octets = usize::try_from(octets?.0).unwrap_or(usize::MAX);
        Ok((*self.bounded(key, changes, COUNT)?, octets))
    }

    /// A number that may be left out.
    pub(super) fn within(
        &self,
        key: &str,
        written: Option<&Spanned<usize>>,
        usual: usize,
        bounds: RangeInclusive<usize>,
    ) -> Result<usize, ConfigError> {
        written.map_or(Ok(usual), |value| self.bounded(key, value, bounds).copied())
    }

    /// A value between two others.
    pub(super) fn bounded<'v, T: PartialOrd + Display>(
        &self,
        key: &str,
        value: &'v Spanned<T>,
        bounds: RangeInclusive<T>,
    ) -> Result<&'v T, ConfigError> {
        let found = value.get_ref();
        match bounds.contains(found) {
            true => Ok(found),
            false => Err(self.error(
                value.span(),
                key,
                format!("{found} is outside its bounds"),
                &format!("write a value from {} to {}", bounds.start(), bounds.end()),
            )),
        }
    }
}
