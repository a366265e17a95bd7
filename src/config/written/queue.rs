//! `[queue]`: how long and how often delivery is tried, and how much of it at once.

use serde::Deserialize;
use toml::Spanned;

use crate::config::dscp::Dscp;
use crate::config::units::Life;
use crate::message::Precedence;

/// `[queue]`: how long and how often delivery is tried.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct Queue {
    /// How long an entry lives, by precedence.
    #[serde(default)]
    pub life: Vec<(Precedence, Life)>,
    /// The wait before the first retry, by precedence; it doubles, up to an hour.
    #[serde(default)]
    pub retry: Vec<(Precedence, Life)>,
    /// When the sender is told that it takes long, by precedence; by itself after a quarter of the
    /// life, or when it is overdue.
    #[serde(default)]
    pub notice: Vec<(Precedence, Life)>,
    /// When an entry should have been delivered, by precedence: then the postmaster is alarmed. By
    /// itself 10 minutes for FLASH and above, 30 for IMMEDIATE, 3 hours for PRIORITY, 6 for ROUTINE.
    #[serde(default)]
    pub overdue: Vec<(Precedence, Life)>,
    /// The mark (DSCP, 0 to 63) of outgoing packets, by precedence; by itself 32 for OVERRIDE, 24 for
    /// FLASH, 16 for IMMEDIATE, 10 for PRIORITY, 0 for ROUTINE, 1 for DEFERRED.
    #[serde(default)]
    pub dscp: Vec<(Precedence, Dscp)>,
    /// Deliveries at once; by itself 50.
    pub slots: Option<Spanned<usize>>,
    /// So many of the slots, and so many connections to each next hop beyond its window, are kept for
    /// IMMEDIATE and above; by itself 2.
    pub reserved: Option<Spanned<usize>>,
    /// Deliveries to one next hop at once, before anything is known of it; by itself 5.
    pub window: Option<Spanned<usize>>,
    /// What that grows to while the next hop answers; by itself 20. It shrinks to 1 while it does not.
    pub widest: Option<Spanned<usize>>,
}
