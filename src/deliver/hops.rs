//! Where the next hop of a link is: an address, or those that DNS names for a domain.
//!
//! Promises: what DNS says decides where we knock and nothing else: who opens must show the
//! certificate that the link names, under the link's own anchors. So an answer that somebody forged
//! costs time and never a message, and there is nothing to downgrade.
//! Refuses: a domain that takes no mail, or is not there; a way that leads back to this switch.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{Config, MailExchange};
use crate::smtp::Reply;

#[cfg(feature = "internet")]
use super::internet::Internet;

/// A place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Host and port, or address and port.
    pub address: String,
    /// The name of the host, with its port, for people and reports.
    pub name: String,
}

/// Why there is no place to connect to.
#[derive(Debug)]
pub(super) enum NoHop {
    /// There never will be.
    #[cfg_attr(
        not(feature = "internet"),
        expect(dead_code, reason = "only DNS says that there is no such domain")
    )]
    Never(Reply),
    /// There is none now: an enhanced code, and why.
    NotNow(&'static str, String),
}

/// Finds the places of next hops.
pub(super) struct Finder {
    clock: Clock,
    #[cfg(feature = "internet")]
    internet: Internet,
}

impl Finder {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            #[cfg(feature = "internet")]
            internet: Internet::default(),
        }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The places behind an address of the configuration, in the order in which to try them.
    pub async fn hops(&self, config: &Arc<Config>, address: &str) -> Result<Vec<Hop>, NoHop> {
        match MailExchange::of(address) {
            None => Ok(vec![Hop {
                address: address.to_owned(),
                name: address.to_owned(),
            }]),
            Some(exchange) => self.exchanges(config, &exchange).await,
        }
    }

    #[cfg(feature = "internet")]
    async fn exchanges(
        &self,
        config: &Arc<Config>,
        exchange: &MailExchange,
    ) -> Result<Vec<Hop>, NoHop> {
        self.internet.hops(config, &self.clock, exchange).await
    }

    /// A configuration that needs DNS is refused by a build without it.
    #[cfg(not(feature = "internet"))]
    async fn exchanges(&self, _: &Arc<Config>, exchange: &MailExchange) -> Result<Vec<Hop>, NoHop> {
        let text = format!("this build does not look up {}", exchange.domain);
        Err(NoHop::NotNow("4.3.5", text))
    }
}
