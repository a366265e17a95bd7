//! The orders of MINIMIZE as they are kept.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::Precedence;
use crate::message::address::Address;

/// An operator's order that less urgent traffic into an area is held or refused for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MinimizeRow {
    /// Its number, never given twice.
    pub number: u64,
    /// What becomes of the traffic.
    pub act: MinimizeAct,
    /// What is less urgent than this.
    pub below: Precedence,
    /// The area: these links,
    #[serde(default)]
    pub links: Vec<String>,
    /// these domains and those under them, in lower case,
    #[serde(default)]
    pub domains: Vec<String>,
    /// and these recipients. Nothing named at all is everywhere.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// From when on.
    pub from: Timestamp,
    /// Until when; without it, until it is lifted.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Originators who are exempt, as they signed.
    #[serde(default)]
    pub exempt: Vec<Address>,
    /// Domains, and those under them, whose originators are exempt, in lower case.
    #[serde(default)]
    pub exempt_domains: Vec<String>,
    /// Subject indicator codes: a message is exempt whose originator signed one of them.
    #[serde(default)]
    pub exempt_sics: Vec<String>,
    /// Whether a message is exempt whose originator signed MINIMIZE CONSIDERED.
    #[serde(default)]
    pub considered: Exempt,
    /// Who imposed it.
    pub by: String,
    /// When.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// What becomes of traffic that an order speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MinimizeAct {
    /// It is taken, and waits until the order ends.
    #[default]
    Hold,
    /// It is refused; what was taken before waits.
    Refuse,
}

/// Whether something is exempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exempt {
    /// It is not.
    #[default]
    No,
    /// It is.
    Yes,
}

/// All orders, and the last number that was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minimize {
    /// The last number.
    pub last: u64,
    /// The orders that were neither lifted nor have ended.
    pub orders: Vec<MinimizeRow>,
}
