//! MX records: which hosts take the mail of a domain, and in which order. No sockets.
//!
//! Refuses: the null MX; a domain that is not there; a list that leads back to this switch.
//! Standards: RFC 5321 §5.1; RFC 7505 §3, §4; RFC 3463 §3.2.

use hickory_resolver::proto::rr::RData;

use super::super::hops::NoHop;
use super::dns::{Answer, Nothing, Security};
use super::not_now;
use crate::smtp::Reply;

/// One host that takes the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub preference: u16,
    /// Its name, without the dot at the end, in lower case.
    pub host: String,
}

/// The hosts that take the mail of a domain.
#[derive(Debug)]
pub(super) struct Exchanges {
    hosts: Vec<Exchange>,
    /// The name that the records belong to, where aliases lead from the domain.
    expanded: String,
    /// How far the list can be believed.
    pub security: Security,
}

impl Exchanges {
    /// What the answer to the question for MX means.
    pub fn of(domain: &str, answer: Result<Answer, Nothing>) -> Result<Self, NoHop> {
        let answer = match answer {
            Ok(answer) => answer,
            // RFC 5321 §5.1: the implicit MX, only where there is no MX record at all. How far that
            // can be believed, the addresses of the domain say: they stand in the same zone.
            Err(Nothing::NoRecords) => {
                return Ok(Self {
                    hosts: vec![Exchange {
                        preference: 0,
                        host: domain.to_owned(),
                    }],
                    expanded: domain.to_owned(),
                    security: Security::Secure,
                });
            }
            // RFC 3463 §3.2: X.1.2, bad destination system address
            Err(Nothing::NoName) => {
                let text = "the domain of the next hop does not exist";
                return Err(NoHop::Never(Reply::new(550, (5, 1, 2), text)));
            }
            Err(Nothing::Failed(text)) => return Err(not_now(domain, &text)),
        };
        let found: Vec<Exchange> = answer
            .records
            .iter()
            .filter_map(|record| match record {
                RData::MX(mx) => Some(Exchange {
                    preference: mx.preference,
                    host: super::dns::plain(&mx.exchange),
                }),
                _ => None,
            })
            .collect();
        // RFC 7505 §3: the root as the only host says that there is no mail. Beside others it names
        // nobody.
        if found.iter().all(|exchange| exchange.host.is_empty()) {
            let text = "the domain takes no mail (null MX)";
            return Err(NoHop::Never(Reply::new(556, (5, 1, 10), text)));
        }
        let named = found.into_iter().filter(|one| !one.host.is_empty());
        Ok(Self {
            hosts: named.collect(),
            expanded: answer.name,
            security: answer.security,
        })
    }

    // RFC 7672 §3.2.2: beside the host itself
    /// The names of the domain that a certificate of its hosts may have.
    pub fn names(&self, domain: &str) -> Vec<String> {
        let mut names = vec![domain.to_owned(), self.expanded.clone()];
        names.dedup();
        names
    }

    /// By preference, and among equals by these lots.
    pub fn ordered<L: Ord>(mut self, mut lot: impl FnMut() -> L) -> Self {
        self.hosts.sort_by_cached_key(|one| (one.preference, lot()));
        self
    }

    // RFC 5321 §5.1: only hosts that are preferred to this one are nearer to the mailbox
    /// Those that are nearer than the host of this name.
    pub fn before(self, own_name: &str) -> Result<Vec<Exchange>, NoHop> {
        let is_own = |one: &&Exchange| one.host.eq_ignore_ascii_case(own_name);
        let own = self.hosts.iter().filter(is_own);
        let own = own.map(|one| one.preference).min();
        let nearer = |one: &Exchange| own.is_none_or(|own| one.preference < own);
        let nearer: Vec<Exchange> = self.hosts.into_iter().filter(nearer).collect();
        if nearer.is_empty() {
            return Err(leads_back());
        }
        Ok(nearer)
    }
}

// RFC 3463 §3.5: X.4.6, routing loop detected
pub(super) fn leads_back() -> NoHop {
    let text = "the mail of the domain leads back to this switch";
    NoHop::Never(Reply::new(554, (5, 4, 6), text))
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;
    use hickory_resolver::proto::rr::rdata::MX;

    use super::*;

    fn answer(records: &[(u16, &str)]) -> Result<Answer, Nothing> {
        let mx = |(preference, host): &(u16, &str)| {
            RData::MX(MX::new(*preference, Name::from_ascii(host).unwrap()))
        };
        Ok(Answer {
            records: records.iter().map(mx).collect(),
            name: "far.example".into(),
            security: Security::Insecure,
            aliases: Security::Insecure,
        })
    }

    fn hosts(records: &[(u16, &str)], lots: &[u32]) -> Result<Vec<String>, String> {
        let mut lots = lots.iter().copied();
        let found = Exchanges::of("far.example", answer(records))
            .map(|found| found.ordered(|| lots.next().unwrap_or_default()))
            .and_then(|found| found.before("switch.near.example"));
        found
            .map(|found| found.into_iter().map(|one| one.host).collect())
            .map_err(|none| match none {
                NoHop::Never(reply) => reply.text(),
                NoHop::NotNow(code, text) => format!("{code} {text}"),
            })
    }

    #[test]
    fn the_lowest_preference_comes_first_and_lots_decide_among_equals() {
        let records = [(20, "c."), (10, "a."), (10, "b.")];
        assert_eq!(hosts(&records, &[0, 1, 2]).unwrap(), ["a", "b", "c"]);
        assert_eq!(hosts(&records, &[0, 2, 1]).unwrap(), ["b", "a", "c"]);
    }

    #[test]
    fn what_is_no_nearer_than_this_switch_is_dropped() {
        let own = (20, "Switch.Near.Example.");
        let records = [own, (10, "a."), (20, "b."), (30, "c.")];
        assert_eq!(hosts(&records, &[]).unwrap(), ["a"]);
        let error = hosts(&[own, (30, "c.")], &[]).unwrap_err();
        assert!(error.contains("leads back"), "{error}");
        // Another host of a name that looks alike is another host.
        assert_eq!(
            hosts(&[(20, "switch.near.example.org."), (30, "c.")], &[])
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn the_null_mx_alone_says_no_and_beside_others_nothing() {
        let error = hosts(&[(0, ".")], &[]).unwrap_err();
        assert!(error.contains("null MX"), "{error}");
        assert_eq!(hosts(&[(0, "."), (10, "a.")], &[]).unwrap(), ["a"]);
    }

    #[test]
    fn only_a_domain_without_mx_records_is_its_own_host() {
        let found = Exchanges::of("far.example", Err(Nothing::NoRecords)).unwrap();
        assert_eq!(found.hosts.len(), 1);
        assert_eq!(found.hosts.first().unwrap().host, "far.example");
        let none = Exchanges::of("far.example", Err(Nothing::NoName));
        assert!(matches!(none, Err(NoHop::Never(reply)) if reply.code == 550));
        let failed = Exchanges::of("far.example", Err(Nothing::Failed("SERVFAIL".into())));
        assert!(matches!(failed, Err(NoHop::NotNow("4.4.3", _))));
    }
}
