//! Next hops that DNS names, behind the feature `internet`.
//!
//! Duty: from the domain of a link to the addresses of the hosts that take its mail, and to who must
//! open there.
//! Promises: the lowest preference first, by chance among equals; a domain without MX records is its
//! own host; no more than 10 hosts are looked at.
//! Refuses: the null MX (5.1.10), a domain that is not there (5.1.2), hosts that nobody has an address
//! for (5.4.4), a way that leads back here (5.4.6). Who does not answer, or not in a way that can be
//! believed, is asked again later (4.4.3), and so is a host for which nobody vouches (4.7.5).
//! Standards: RFC 5321 §5.1; RFC 7505 §3; RFC 7672 §2.2; RFC 8461 §2, §5; RFC 3463 §3.2, §3.5, §3.8.

mod addresses;
mod dane;
mod dns;
mod exchanges;
mod sts;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use tokio::time::timeout;

use super::hops::{Hop, NoHop};
use crate::clock::Timestamp;
use crate::config::{Authentication, Config, Link, MailExchange};
use crate::smtp::Reply;
use crate::tls::{Expected, Vouched};
use addresses::Addresses;
use dane::Published;
use dns::{Dns, Nothing, Security};
use exchanges::{Exchange, Exchanges};
use sts::{Mode, Policies, Policy};

/// Hosts of a domain that are looked at.
const HOSTS: usize = 10;

/// How long an attempt may take to find out where to go.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is kept between two attempts: the resolver of the configuration in force, and policies.
#[derive(Default)]
pub(super) struct Internet {
    dns: Mutex<Option<(Arc<Config>, Arc<Dns>)>>,
    policies: Policies,
}

/// A host with its addresses.
struct Host {
    exchange: Exchange,
    addresses: Addresses,
}

impl Internet {
    /// The places that take the mail of a domain, in the order in which to try them. `lot` decides
    /// among equals.
    pub async fn hops<L: Ord>(
        &self,
        config: &Arc<Config>,
        link: &Link,
        asked: &MailExchange,
        at: Timestamp,
        lot: impl FnMut() -> L,
    ) -> Result<Vec<Hop>, NoHop> {
        let found = timeout(PATIENCE, self.find(config, link, asked, at, lot)).await;
        found.unwrap_or_else(|_| Err(not_now(&asked.domain, "no answer in time")))
    }

    async fn find<L: Ord>(
        &self,
        config: &Arc<Config>,
        link: &Link,
        asked: &MailExchange,
        at: Timestamp,
        lot: impl FnMut() -> L,
    ) -> Result<Vec<Hop>, NoHop> {
        let dns = self.dns(config)?;
        let domain = &asked.domain;
        let exchanges = Exchanges::of(domain, dns.ask(domain, RecordType::MX).await)?;
        let exchanges = exchanges.ordered(lot);
        let (security, names) = (exchanges.security, exchanges.names(domain));
        let mut waiting = Vec::new();
        let mut hosts = Vec::new();
        for exchange in exchanges.before(&config.name)?.into_iter().take(HOSTS) {
            match Addresses::of(&dns, &exchange.host, asked.port).await {
                Ok(addresses) => hosts.push(Host {
                    exchange,
                    addresses,
                }),
                Err(Nothing::Failed(text)) => waiting.push(text),
                Err(Nothing::NoName | Nothing::NoRecords) => {}
            }
        }
        if hosts.is_empty() && waiting.is_empty() {
            // RFC 3463 §3.5: X.4.4, unable to route
            let text = "no host of the domain has an address";
            return Err(NoHop::Never(Reply::new(550, (5, 4, 4), text)));
        }
        let was_found = !hosts.is_empty();
        drop_own(&mut hosts, config);
        if was_found && hosts.is_empty() && waiting.is_empty() {
            return Err(exchanges::leads_back());
        }
        let policy = match wants(link, Authentication::MtaSts) {
            true => Some(self.policies.of(domain, &dns, &config.internet, at).await),
            false => None,
        };
        let mut hops = Vec::new();
        let mut strangers = Vec::new();
        for host in hosts {
            let published = match wants(link, Authentication::Dane) && security == Security::Secure
            {
                true => {
                    dane::published(&dns, &host.exchange.host, &host.addresses, asked.port).await
                }
                false => Ok(Published::Nothing),
            };
            match published {
                Err(text) => waiting.push(text),
                Ok(published) => {
                    let name = &host.exchange.host;
                    match expected(link, name, published, &names, policy.as_ref()) {
                        Ok(expected) => hops.extend(host.into_hops(expected.map(Arc::new))),
                        Err(Stranger(why)) => strangers.push(format!("{name}: {why}")),
                    }
                }
            }
        }
        for why in waiting.iter().chain(&strangers) {
            tracing::info!(%domain, %why, "a mail host is passed over");
        }
        match (hops.is_empty(), waiting.is_empty()) {
            (false, _) => Ok(hops),
            (true, false) => Err(not_now(domain, &waiting.join("; "))),
            // RFC 3463 §3.8: X.7.5, cryptographic failure
            (true, true) => {
                let text = format!("nobody vouches for {}", strangers.join("; "));
                Err(NoHop::NotNow("4.7.5", text))
            }
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

/// A host for which nobody vouches, and why.
struct Stranger(String);

fn wants(link: &Link, authentication: Authentication) -> bool {
    link.authentication.contains(&authentication)
}

/// Who must open at a host: whom the link names, and whom the far side has published. `names` are the
/// domain's own, which a certificate below a published authority may have, too.
fn expected(
    link: &Link,
    host: &str,
    published: Published,
    names: &[String],
    policy: Option<&Result<Policy, String>>,
) -> Result<Option<Expected>, Stranger> {
    let expected = |name: String, vouched| Expected {
        name,
        pinned: link.peer.clone(),
        vouched,
    };
    let why = match (published, policy) {
        // RFC 8461 §2: DANE comes first, whatever a policy says
        (Published::Records(base, records), _) => {
            let names = std::iter::once(&base).chain(names).cloned().collect();
            return Ok(Some(expected(base, Vouched::Records(records, names))));
        }
        // RFC 8461 §5: what the policy does not name gets nothing
        (Published::Nothing, Some(Ok(policy))) if policy.mode == Mode::Enforce => {
            return match policy.names(host) {
                true => Ok(Some(expected(host.to_owned(), Vouched::Anchors))),
                false => Err(Stranger("it is no host that the policy names".into())),
            };
        }
        (Published::Nothing, Some(Ok(_))) => "the policy of the domain is not enforced".into(),
        (Published::Nothing, Some(Err(why))) => why.clone(),
        (Published::Nothing, None) => "it has no signed TLSA records".into(),
    };
    match link.peer {
        Some(_) => Ok(None),
        None => Err(Stranger(why)),
    }
}

impl Host {
    fn into_hops(self, expected: Option<Arc<Expected>>) -> impl Iterator<Item = Hop> {
        let host = self.exchange.host;
        self.addresses.places.into_iter().map(move |place| Hop {
            name: format!("{host}:{}", place.port()),
            address: place.to_string(),
            expected: expected.clone(),
        })
    }
}

// RFC 5321 §5.1: a switch may know itself by its address, too
/// Drops hosts at whose address this switch itself listens, and those that are no nearer.
fn drop_own(hosts: &mut Vec<Host>, config: &Config) {
    let is_own = |host: &&Host| {
        let mut listeners = config.listeners.iter();
        listeners.any(|listener| host.addresses.places.contains(&listener.address))
    };
    let own = hosts.iter().filter(is_own);
    let own = own.map(|host| host.exchange.preference).min();
    hosts.retain(|host| own.is_none_or(|own| host.exchange.preference < own));
}

// RFC 3463 §3.5: X.4.3, directory server failure
fn not_now(domain: &str, text: &str) -> NoHop {
    let text = format!("DNS does not say where {domain} is: {text}");
    NoHop::NotNow("4.4.3", text)
}
