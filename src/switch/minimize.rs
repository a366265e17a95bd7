//! MINIMIZE, as an operator has the running switch impose and lift it.
//!
//! Refuses: an order without a reason; one that names a link which the configuration does not have.

use serde::{Deserialize, Serialize};

use super::{QueueError, Switch};
use crate::clock::Timestamp;
use crate::message::Precedence;
use crate::message::address::Address;
use crate::queue::{Imposed, InForce, MinimizeError};
use crate::store::{Exempt, MinimizeAct, MinimizeRow};

/// An order of MINIMIZE, as it is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MinimizeOrder {
    /// `hold` or `refuse`.
    #[serde(default)]
    pub act: MinimizeAct,
    /// What is less urgent than this.
    pub below: Precedence,
    /// The area: links,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// domains, with those under them,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// recipients. Nothing named is everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// From when on; without it, now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when; without it, until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Originators who are exempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<Address>,
    /// Domains, with those under them, whose originators are exempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt_domains: Vec<String>,
    /// Subject indicator codes: messages are exempt whose originators signed one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt_sics: Vec<String>,
    /// `yes` when a message is exempt whose originator signed MINIMIZE CONSIDERED.
    #[serde(default)]
    pub considered: Exempt,
    /// Why.
    pub reason: String,
}

/// Why an order was not given or lifted.
#[derive(Debug)]
pub enum MinimizeRefused {
    /// The order itself.
    Order(MinimizeError),
    /// What stands around it: no reason, an unknown link.
    Queue(QueueError),
}

impl Switch {
    /// The orders of MINIMIZE that are known: in force, or to begin.
    pub fn minimize(&self) -> Vec<MinimizeRow> {
        self.queue.minimize().orders.to_vec()
    }

    /// The same, to be asked about entries.
    pub fn orders(&self) -> InForce {
        self.queue.minimize()
    }

    /// The time by the clock of the switch.
    pub fn time(&self) -> Timestamp {
        self.now()
    }

    /// Imposes MINIMIZE.
    ///
    /// # Errors
    /// Without a reason, for an unknown link, for an order that holds nothing back, and when the
    /// store fails.
    pub async fn impose_minimize(
        &self,
        order: MinimizeOrder,
        actor: &str,
    ) -> Result<MinimizeRow, MinimizeRefused> {
        if order.reason.trim().is_empty() {
            return Err(MinimizeRefused::Queue(QueueError::NoReason));
        }
        let config = self.config.snapshot();
        for name in &order.links {
            if !config.links.iter().any(|link| link.name == *name) {
                return Err(MinimizeRefused::Queue(QueueError::NoLink(name.clone())));
            }
        }
        let imposed = Imposed {
            act: order.act,
            below: order.below,
            links: order.links,
            domains: order.domains,
            addresses: order.addresses,
            from: order.from,
            until: order.until,
            exempt: order.exempt,
            exempt_domains: order.exempt_domains,
            exempt_sics: order.exempt_sics,
            considered: order.considered,
            reason: order.reason,
        };
        self.queue
            .impose(imposed, actor)
            .await
            .map_err(MinimizeRefused::Order)
    }

    /// Lifts an order of MINIMIZE: what it held goes on.
    ///
    /// # Errors
    /// Without a reason, when there is no such order, and when the store fails.
    pub async fn lift_minimize(
        &self,
        number: u64,
        actor: &str,
        reason: &str,
    ) -> Result<MinimizeRow, MinimizeRefused> {
        if reason.trim().is_empty() {
            return Err(MinimizeRefused::Queue(QueueError::NoReason));
        }
        self.queue
            .lift(number, actor, reason)
            .await
            .map_err(MinimizeRefused::Order)
    }

    /// Forgets orders whose time is over. Called at intervals.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn end_minimize(&self) -> Result<usize, crate::decision::Fault> {
        let ended = self.queue.end_minimize().await;
        ended.map_err(|error| crate::decision::Fault::new("end MINIMIZE", error))
    }
}
