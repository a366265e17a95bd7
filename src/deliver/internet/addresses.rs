//! The addresses of a host.
//!
//! Promises: IPv6 first, no more than 4 of each family. One family is enough to connect.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::{RData, RecordType};

use super::dns::{Answer, Dns, Nothing, Security};

/// Addresses of each family that are looked at.
const EACH: usize = 4;

/// The addresses of a host, and how far they can be believed.
#[derive(Debug)]
pub(super) struct Addresses {
    pub places: Vec<SocketAddr>,
    /// The name that they belong to.
    pub name: String,
    pub security: Security,
    /// Of the aliases that lead to that name.
    pub aliases: Security,
    /// Why one of the families could not be asked for.
    pub failed: Option<String>,
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            name: String::new(),
            security: Security::Secure,
            aliases: Security::Secure,
            failed: None,
        }
    }
}

impl Addresses {
    /// Asks for those of a host. The second family is asked for at the name that aliases have led the
    /// first to: hickory does not validate that there is nothing at the end of an alias.
    pub async fn of(dns: &Dns, host: &str, port: u16) -> Result<Self, Nothing> {
        let mut found = Self::default();
        let mut nothing = Nothing::NoRecords;
        let mut families = vec![RecordType::AAAA, RecordType::A];
        let mut asked = host.to_owned();
        for _ in 0..=families.len() {
            let Some(family) = families.pop() else { break };
            match dns.ask(&asked, family).await {
                Ok(answer) => {
                    let was_first = found.places.is_empty();
                    found.add(answer, port);
                    if was_first {
                        found.name.clone_into(&mut asked);
                        // What failed before may have failed for the alias alone.
                        if found.failed.take().is_some() && asked != host {
                            families.push(RecordType::A);
                        }
                    }
                }
                Err(Nothing::Failed(text)) => {
                    found.failed = Some(text.clone());
                    nothing = Nothing::Failed(text);
                }
                Err(_) => {}
            }
        }
        found.places.sort_by_key(SocketAddr::is_ipv4);
        match found.places.is_empty() {
            true => Err(nothing),
            false => Ok(found),
        }
    }

    /// Both families together are as secure as the weaker one; the aliases are those that led away
    /// from the host.
    fn add(&mut self, answer: Answer, port: u16) {
        if self.places.is_empty() {
            self.name = answer.name;
            self.aliases = answer.aliases;
        }
        let each = answer.records.iter().filter_map(address).take(EACH);
        self.places.extend(each.map(|ip| SocketAddr::new(ip, port)));
        self.security = self.security.min(answer.security);
    }
}

fn address(record: &RData) -> Option<IpAddr> {
    match record {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}
