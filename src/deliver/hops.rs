//! Where the next hop of a link is: an address, or those that DNS names for a domain.
//!
//! Promises: DNS decides where we knock. Who opens must show the certificate that the link names,
//! under the link's own anchors, or, where the link says so, be vouched for by what the far side
//! publishes and signs. So an answer that somebody forged costs time and never a message.
//! Refuses: a domain that takes no mail, or is not there; a way that leads back to this switch; a host
//! for which nobody vouches.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{Config, Link, MailExchange};
use crate::smtp::Reply;
use crate::tls::Expected;

#[cfg(feature = "internet")]
use super::internet::Internet;

/// A place to connect to.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    /// Host and port, or address and port.
    pub address: String,
    /// The name of the host, with its port, for people and reports.
    pub name: String,
    /// Who must open there; without it, whom the link names.
    pub expected: Option<Arc<Expected>>,
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
    pub async fn hops(
        &self,
        config: &Arc<Config>,
        link: &Link,
        address: &str,
    ) -> Result<Vec<Hop>, NoHop> {
        match MailExchange::of(address) {
            None => Ok(vec![Hop {
                address: address.to_owned(),
                name: address.to_owned(),
                expected: None,
            }]),
            Some(exchange) => self.exchanges(config, link, &exchange).await,
        }
    }

    #[cfg(feature = "internet")]
    async fn exchanges(
        &self,
        config: &Arc<Config>,
        link: &Link,
        exchange: &MailExchange,
    ) -> Result<Vec<Hop>, NoHop> {
        let lot = || self.clock.fresh_id();
        let at = self.clock.now();
        self.internet.hops(config, link, exchange, at, lot).await
    }

    /// A configuration that needs DNS is refused by a build without it.
    #[cfg(not(feature = "internet"))]
    async fn exchanges(
        &self,
        _: &Arc<Config>,
        _: &Link,
        exchange: &MailExchange,
    ) -> Result<Vec<Hop>, NoHop> {
        let text = format!("this build does not look up {}", exchange.domain);
        Err(NoHop::NotNow("4.3.5", text))
    }
}
