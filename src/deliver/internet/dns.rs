//! Questions to DNS, and what of the answers may be believed.
//!
//! Promises: only the resolvers of the configuration are asked. Where DNSSEC anchors are configured
//! every answer is validated here, by hickory, whatever the resolver says of it (its AD bit counts
//! for nothing); what does not validate is no answer. Only records that the question leads to count:
//! its own name, or that at the end of at most 8 aliases.
//! Attacks stopped here: a record of another name beside the answer, so that the answer looks as if
//! its zone were not signed; a denial in the name of another zone.
//! Standards: RFC 1034 §3.6.2; RFC 2308 §2; RFC 4035 §4.3, §5; RFC 6840 §4.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use crate::config::Internet;

/// How long one question may take, of each server.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked again.
const RETRIES: usize = 2;
/// So many names may lead from one to the next.
const ALIASES: usize = 8;

/// How far an answer can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Security {
    /// Its zone is not signed, or nothing is validated here.
    Insecure,
    /// It is signed, up to an anchor of the configuration.
    Secure,
}

/// Records that a question led to.
#[derive(Debug)]
pub(super) struct Answer {
    pub records: Vec<RData>,
    /// The name that they belong to: the one asked for, or where its aliases lead.
    pub name: String,
    /// Of the records and of every alias on the way.
    pub security: Security,
    /// Of the aliases alone; of the records where there are none.
    pub aliases: Security,
}

/// Why there are no records.
#[derive(Debug)]
pub(super) enum Nothing {
    /// Nobody answered, or nobody who can be believed.
    Failed(String),
    /// There is no such name.
    NoName,
    /// The name has no such records.
    NoRecords,
}

/// The resolvers of a configuration.
pub(super) struct Dns {
    resolver: TokioResolver,
    validates: bool,
}

impl Dns {
    /// Asks these resolvers.
    pub fn new(internet: &Internet) -> Result<Self, String> {
        let servers = internet.resolvers.iter().map(|address| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            server
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.timeout = PATIENCE;
        options.attempts = RETRIES;
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = true;
        if let Some(text) = &internet.dnssec_anchors {
            let anchors: TrustAnchors = text
                .parse()
                .map_err(|error| format!("the DNSSEC anchors cannot be read: {error}"))?;
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Self {
            resolver,
            validates: internet.dnssec_anchors.is_some(),
        })
    }

    /// The records of a name.
    pub async fn ask(&self, name: &str, kind: RecordType) -> Result<Answer, Nothing> {
        let failed = |text: String| Nothing::Failed(format!("{name} {kind}: {text}"));
        let asked = Name::from_ascii(format!("{name}."));
        let asked = asked.map_err(|error| failed(error.to_string()))?;
        match self.resolver.lookup(asked.clone(), kind).await {
            Ok(found) => follow(&asked, kind, found.answers(), self.validates)
                .map_err(|text| failed(text.to_owned())),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                if self.validates && !is_of_its_zone(&none) {
                    let text = "the denial does not come from the zone of the name";
                    return Err(failed(text.into()));
                }
                let error = NetError::Dns(DnsError::NoRecordsFound(none));
                match error.is_nx_domain() {
                    true => Err(Nothing::NoName),
                    false => Err(Nothing::NoRecords),
                }
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// A name as it is written, without the dot at the end, in lower case. The root is nothing.
pub(super) fn plain(name: &Name) -> String {
    let name = name.to_ascii().to_ascii_lowercase();
    name.trim_end_matches('.').to_owned()
}

/// The records that a question leads to, among those of the answer.
fn follow(
    asked: &Name,
    kind: RecordType,
    answers: &[Record],
    validates: bool,
) -> Result<Answer, &'static str> {
    let mut name = asked.clone();
    let mut aliases = Security::Secure;
    let mut is_alias = false;
    for _ in 0..=ALIASES {
        let own = || answers.iter().filter(|record| record.name == name);
        let mut records = own()
            .filter(|record| record.record_type() == kind)
            .peekable();
        if records.peek().is_some() {
            let mut security = aliases;
            let mut data = Vec::new();
            for record in records {
                security = security.min(believed(record, validates)?);
                data.push(record.data.clone());
            }
            return Ok(Answer {
                records: data,
                name: plain(&name),
                security,
                aliases: if is_alias { aliases } else { security },
            });
        }
        let alias = own().find_map(|record| match &record.data {
            RData::CNAME(target) => Some((record, target.0.clone())),
            _ => None,
        });
        let (record, target) = alias.ok_or("the answer is to another question")?;
        aliases = aliases.min(believed(record, validates)?);
        is_alias = true;
        name = target;
    }
    Err("too many aliases")
}

/// How far one record can be believed.
fn believed(record: &Record, validates: bool) -> Result<Security, &'static str> {
    match (validates, record.proof) {
        (false, _) | (true, Proof::Insecure) => Ok(Security::Insecure),
        (true, Proof::Secure) => Ok(Security::Secure),
        (true, Proof::Bogus | Proof::Indeterminate) => Err("the answer does not validate"),
    }
}

/// Whether a denial that is not signed is that of a zone above the name: hickory has shown that what
/// stands there is not signed, and that says something of names below it alone.
fn is_of_its_zone(none: &NoRecords) -> bool {
    let authorities = none.authorities.as_deref().unwrap_or_default();
    let is_unsigned = |record: &Record| record.proof == Proof::Insecure;
    authorities.is_empty()
        || !authorities.iter().all(is_unsigned)
        || authorities
            .iter()
            .any(|record| record.name.zone_of(none.query.name()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_resolver::proto::op::{Query, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, CNAME, SOA};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, data: RData, proof: Proof) -> Record {
        let mut record = Record::from_rdata(name(owner), 60, data);
        record.proof = proof;
        record
    }

    fn a(owner: &str, proof: Proof) -> Record {
        record(owner, RData::A(A(Ipv4Addr::LOCALHOST)), proof)
    }

    fn cname(owner: &str, target: &str, proof: Proof) -> Record {
        record(owner, RData::CNAME(CNAME(name(target))), proof)
    }

    fn security(answers: &[Record]) -> Result<(Security, Security), &'static str> {
        follow(&name("a.example."), RecordType::A, answers, true)
            .map(|answer| (answer.security, answer.aliases))
    }

    #[test]
    fn an_answer_is_as_secure_as_the_weakest_record_on_its_way() {
        use Proof::{Bogus, Indeterminate, Insecure, Secure};
        let both = |one| Ok((one, one));
        assert_eq!(security(&[a("a.example.", Secure)]), both(Security::Secure));
        assert_eq!(
            security(&[a("a.example.", Insecure)]),
            both(Security::Insecure)
        );
        let way = |first, last| {
            [
                cname("a.example.", "b.example.", first),
                a("b.example.", last),
            ]
        };
        assert_eq!(security(&way(Secure, Secure)), both(Security::Secure));
        assert_eq!(
            security(&way(Secure, Insecure)),
            Ok((Security::Insecure, Security::Secure))
        );
        assert_eq!(security(&way(Insecure, Secure)), both(Security::Insecure));
        for bad in [Bogus, Indeterminate] {
            assert!(security(&[a("a.example.", bad)]).is_err());
            assert!(security(&way(bad, Secure)).is_err());
            assert!(security(&way(Secure, bad)).is_err());
        }
    }

    #[test]
    fn records_of_other_names_count_for_nothing() {
        use Proof::{Insecure, Secure};
        let beside = [a("a.example.", Secure), a("evil.example.", Insecure)];
        let (found, _) = security(&beside).unwrap();
        assert_eq!(found, Security::Secure);
        assert!(security(&[a("evil.example.", Secure)]).is_err());
        let astray = [
            cname("evil.example.", "b.example.", Secure),
            a("b.example.", Secure),
        ];
        assert!(security(&astray).is_err());
    }

    #[test]
    fn aliases_end() {
        let round = [
            cname("a.example.", "b.example.", Proof::Secure),
            cname("b.example.", "a.example.", Proof::Secure),
        ];
        assert_eq!(security(&round), Err("too many aliases"));
        let chain = |length: usize| -> Vec<Record> {
            let host = |at: usize| match at {
                0 => "a.example.".to_owned(),
                at => format!("h{at}.example."),
            };
            (0..length)
                .map(|at| cname(&host(at), &host(at + 1), Proof::Secure))
                .chain([a(&host(length), Proof::Secure)])
                .collect()
        };
        assert!(security(&chain(ALIASES)).is_ok());
        assert!(security(&chain(ALIASES + 1)).is_err());
    }

    #[test]
    fn a_denial_is_that_of_the_zone_of_the_name() {
        let denied = |owner: &str, proof| {
            let asked = Query::query(name("_25._tcp.a.example."), RecordType::TLSA);
            let mut none = NoRecords::new(asked, ResponseCode::NoError);
            let soa = SOA::new(name("ns."), name("root."), 1, 60, 60, 60, 60);
            none.authorities = Some([record(owner, RData::SOA(soa), proof)].into());
            is_of_its_zone(&none)
        };
        assert!(denied("example.", Proof::Insecure));
        assert!(denied("a.example.", Proof::Insecure));
        assert!(!denied("evil.example.", Proof::Insecure));
        // What is signed was looked at in whole.
        assert!(denied("example.", Proof::Secure));
    }
}
