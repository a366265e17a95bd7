//! Which TLSA records are those of a host.
//!
//! Promises: a record counts only when it, the addresses of the host and the MX that led to it are all
//! signed; a name that an alias leads to comes before the alias. What cannot be found out is no
//! permission to go on without: such a host is left out.
//! Standards: RFC 7672 §2.1, §2.2; RFC 6698 §3.

use hickory_resolver::proto::rr::{RData, RecordType};

use super::addresses::Addresses;
use super::dns::{Dns, Nothing, Security};
use crate::tls::Associations;

/// What a host has published.
#[derive(Debug)]
pub(super) enum Published {
    /// Nothing that counts.
    Nothing,
    /// These records, for this name.
    Records(String, Associations),
}

/// What a host has published for a port. `Err`: nobody can tell now.
pub(super) async fn published(
    dns: &Dns,
    host: &str,
    addresses: &Addresses,
    port: u16,
) -> Result<Published, String> {
    if let Some(text) = &addresses.failed {
        return Err(text.clone());
    }
    for base in bases(host, addresses) {
        let owner = format!("_{port}._tcp.{base}");
        match dns.ask(&owner, RecordType::TLSA).await {
            Ok(answer) if answer.security == Security::Secure => {
                return Ok(match usable(&answer.records) {
                    // RFC 7672 §2.2: TLS is a must, which it is anyway, and says nothing of who opens
                    records if records.is_empty() => Published::Nothing,
                    records => Published::Records(base, records),
                });
            }
            // RFC 7672 §2.2: records that nobody signed are none
            Ok(_) | Err(Nothing::NoName | Nothing::NoRecords) => {}
            Err(Nothing::Failed(text)) => return Err(text),
        }
    }
    Ok(Published::Nothing)
}

// RFC 7672 §2.2.2, §2.2.3
/// The names under which records may stand, in the order in which to ask.
fn bases(host: &str, addresses: &Addresses) -> Vec<String> {
    let expanded = &addresses.name;
    match (addresses.security, addresses.aliases) {
        (Security::Secure, _) if expanded == host => vec![host.to_owned()],
        (Security::Secure, _) => vec![expanded.clone(), host.to_owned()],
        (Security::Insecure, Security::Secure) if expanded != host => vec![host.to_owned()],
        (Security::Insecure, _) => Vec::new(),
    }
}

fn usable(records: &[RData]) -> Associations {
    Associations::usable(records.iter().filter_map(|record| match record {
        RData::TLSA(tlsa) => Some((
            tlsa.cert_usage.into(),
            tlsa.selector.into(),
            tlsa.matching.into(),
            tlsa.cert_data.as_slice(),
        )),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signed_names_are_asked_for_records() {
        use Security::{Insecure, Secure};
        let asked = |name: &str, security, aliases| {
            let addresses = Addresses {
                name: name.into(),
                security,
                aliases,
                ..Addresses::default()
            };
            bases("mail.far.example", &addresses)
        };
        let (own, other) = ("mail.far.example", "host.far.example");
        assert_eq!(asked(own, Secure, Secure), [own]);
        assert_eq!(asked(other, Secure, Secure), [other, own]);
        assert_eq!(asked(other, Insecure, Secure), [own]);
        assert!(asked(other, Insecure, Insecure).is_empty());
        assert!(asked(own, Insecure, Insecure).is_empty());
    }
}
