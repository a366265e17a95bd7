//! Next hops that DNS names, behind the feature `internet`.
//!
//! Duty: from the domain of a link to the addresses of the hosts that take its mail.
//! Promises: the lowest preference first, by chance among equals; a domain without MX records is its
//! own host; no more than 10 hosts and 4 addresses of each family are looked at.
//! Refuses: the null MX (5.1.10), a domain that is not there (5.1.2), hosts that nobody has an address
//! for (5.4.4), a way that leads back here (5.4.6). Who does not answer, or not in a way that can be
//! believed, is asked again later (4.4.3).
//! Standards: RFC 5321 §5.1; RFC 7505 §3; RFC 3463 §3.2, §3.5.

mod dns;
mod exchanges;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::proto::rr::{RData, RecordType};

use super::hops::{Hop, NoHop};
use crate::clock::Clock;
use crate::config::{Config, MailExchange};
use crate::smtp::Reply;
use dns::{Dns, Nothing};
use exchanges::{Exchange, Exchanges};

const HOSTS: usize = 10;
const ADDRESSES: usize = 4;

/// What is kept between two attempts: the resolver of the configuration in force.
#[derive(Default)]
pub(super) struct Internet {
    dns: Mutex<Option<(Arc<Config>, Arc<Dns>)>>,
}

/// A host with its addresses.
struct Host {
    exchange: Exchange,
    addresses: Vec<SocketAddr>,
}

impl Internet {
    /// The places that take the mail of a domain, in the order in which to try them.
    pub async fn hops(
        &self,
        config: &Arc<Config>,
        clock: &Clock,
        exchange: &MailExchange,
    ) -> Result<Vec<Hop>, NoHop> {
        let dns = self.dns(config)?;
        let domain = &exchange.domain;
        let exchanges = Exchanges::of(domain, dns.ask(domain, RecordType::MX).await)?;
        // RFC 5321 §5.1: by chance among hosts of one preference
        let exchanges = exchanges.ordered(|| clock.fresh_id());
        let mut hosts = Vec::new();
        let mut waiting = None;
        for exchange_host in exchanges.before(&config.name)?.into_iter().take(HOSTS) {
            match addresses(&dns, &exchange_host.host, exchange.port).await {
                Ok(addresses) => hosts.push(Host {
                    exchange: exchange_host,
                    addresses,
                }),
                Err(Nothing::Failed(text)) => waiting = Some(text),
                Err(Nothing::NoName | Nothing::NoRecords) => {}
            }
        }
        let was_found = !hosts.is_empty();
        drop_own(&mut hosts, config);
        match (hosts.is_empty(), waiting) {
            (true, Some(text)) => Err(not_now(domain, &text)),
            (true, None) if was_found => Err(exchanges::leads_back()),
            // RFC 3463 §3.5: X.4.4, unable to route
            (true, None) => Err(NoHop::Never(Reply::new(
                550,
                (5, 4, 4),
                "no host of the domain has an address",
            ))),
            (false, _) => Ok(hosts.into_iter().flat_map(Host::into_hops).collect()),
        }
    }

    /// The resolver of a configuration: made once, so that it may remember what it was told.
    fn dns(&self, config: &Arc<Config>) -> Result<Arc<Dns>, NoHop> {
        let mut kept = self.dns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, dns)) = &*kept
            && Arc::ptr_eq(known, config)
        {
            return Ok(Arc::clone(dns));
        }
        let dns = Dns::new(&config.internet)
            .map_err(|text| NoHop::NotNow("4.3.5", format!("DNS cannot be asked: {text}")))?;
        let dns = Arc::new(dns);
        *kept = Some((Arc::clone(config), Arc::clone(&dns)));
        Ok(dns)
    }
}

impl Host {
    fn into_hops(self) -> impl Iterator<Item = Hop> {
        let host = self.exchange.host;
        self.addresses.into_iter().map(move |address| Hop {
            name: format!("{host}:{}", address.port()),
            address: address.to_string(),
        })
    }
}

/// The addresses of a host, IPv6 first. One family is enough; nothing is said for sure while one of
/// them failed.
async fn addresses(dns: &Dns, host: &str, port: u16) -> Result<Vec<SocketAddr>, Nothing> {
    let (wide, old) = tokio::join!(
        dns.ask(host, RecordType::AAAA),
        dns.ask(host, RecordType::A)
    );
    let mut found = Vec::new();
    let mut nothing = Nothing::NoRecords;
    for answer in [wide, old] {
        match answer {
            Ok(answer) => {
                let each = answer.records.iter().filter_map(address);
                found.extend(each.take(ADDRESSES).map(|ip| SocketAddr::new(ip, port)));
            }
            Err(Nothing::Failed(text)) => nothing = Nothing::Failed(text),
            Err(_) => {}
        }
    }
    match found.is_empty() {
        true => Err(nothing),
        false => Ok(found),
    }
}

fn address(record: &RData) -> Option<IpAddr> {
    match record {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

// RFC 5321 §5.1: a switch may know itself by its address, too
/// Drops hosts at whose address this switch itself listens, and those that are no nearer.
fn drop_own(hosts: &mut Vec<Host>, config: &Config) {
    let is_own = |host: &&Host| {
        let mut listeners = config.listeners.iter();
        listeners.any(|listener| host.addresses.contains(&listener.address))
    };
    let own = hosts.iter().filter(is_own);
    let own = own.map(|host| host.exchange.preference).min();
    hosts.retain(|host| own.is_none_or(|own| host.exchange.preference < own));
}

// RFC 3463 §3.5: X.4.3, directory server failure
fn not_now(domain: &str, text: &str) -> NoHop {
    NoHop::NotNow(
        "4.4.3",
        format!("DNS does not say where {domain} is: {text}"),
    )
}
