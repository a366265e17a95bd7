//! `[internet]`, and next hops that DNS names: `mx:far.example`, or `mx:far.example:2525`.
//!
//! Promises: DNS is asked only where the address of a link says so, and only of the resolvers that
//! are named here, never of those of the machine.
//! Refuses: such a next hop without TLS, without resolvers, or in a build without the feature
//! `internet`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::resolve::Place;
use super::written::{self, Written};
use super::{ConfigError, TlsNeed};
use crate::crypto::trust::TrustStore;

/// The port of SMTP.
const SMTP: u16 = 25;
/// The port of HTTPS.
const HTTPS: u16 = 443;
/// RFC 1035 §2.3.4: octets of a label, and of a name as it is written.
const LABEL: usize = 63;
const NAME: usize = 253;

/// What may vouch for a host that DNS names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// Its TLSA records, where all that leads to them is signed.
    Dane,
    /// The policy of its domain, and a certificate under the link's anchors.
    MtaSts,
}

/// `[internet]`: how next hops are found that no address is written for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct InternetSection {
    /// Who answers for DNS: resolvers of one's own, on this machine or on a protected network.
    pub resolvers: Vec<SocketAddr>,
    /// A file of DNSKEY records, in the form of zone files: from them every answer is validated, and
    /// what does not validate is no answer. Without it nothing is.
    pub dnssec_anchors: Option<Spanned<PathBuf>>,
    /// Who vouches for the hosts that hand out MTA-STS policies; without it, the anchors of `[trust]`.
    pub anchors: Vec<Spanned<PathBuf>>,
    pub crls: Vec<Spanned<PathBuf>>,
    /// The folder that keeps these policies over a restart; without it, `sts` in the folder of the
    /// store.
    pub policies: Option<Spanned<PathBuf>>,
    /// The port of those hosts, where it is not that of HTTPS: for exercises.
    pub policy_port: Option<u16>,
}

/// How next hops are found that no address is written for.
#[derive(Clone, Debug)]
pub struct Internet {
    /// Who answers for DNS.
    pub resolvers: Vec<SocketAddr>,
    /// DNSKEY records from which answers are validated.
    pub dnssec_anchors: Option<String>,
    /// Who vouches for the hosts that hand out MTA-STS policies.
    pub trust: Arc<TrustStore>,
    /// The folder that keeps these policies.
    pub policies: PathBuf,
    /// The port of those hosts.
    pub policy_port: u16,
}

/// A domain whose mail hosts are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailExchange {
    /// The domain, in lower case.
    pub domain: String,
    /// The port of its hosts.
    pub port: u16,
}

impl MailExchange {
    /// What the address of a next hop asks DNS for; nothing when it is a host and port, or no name
    /// that DNS can have (U-labels are written as A-labels).
    pub fn of(address: &str) -> Option<Self> {
        let name = address.strip_prefix("mx:")?;
        let (domain, port) = match name.rsplit_once(':') {
            Some((domain, port)) => (domain, port.parse().ok().filter(|port| *port > 0)?),
            None => (name, SMTP),
        };
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        let is_label = |label: &str| {
            (1..=LABEL).contains(&label.len())
                && !label.starts_with('-')
                && label.bytes().all(is_plain)
        };
        let is_name = domain.len() <= NAME && domain.split('.').all(is_label);
        is_name.then(|| Self {
            domain: domain.to_ascii_lowercase(),
            port,
        })
    }
}

impl Place<'_> {
    pub(super) fn internet(
        &self,
        written: &Written,
        own: &Arc<TrustStore>,
    ) -> Result<Internet, ConfigError> {
        let section = &written.internet;
        let trust = if section.anchors.is_empty() {
            Arc::clone(own)
        } else {
            let rule = written.trust.revocation;
            let store = self.trust("internet", &section.anchors, &section.crls, rule)?;
            Arc::new(store.with_suite(own.suite()))
        };
        let policies = match &section.policies {
            Some(folder) => self.path(folder.get_ref()),
            None => self.path(written.store.directory.get_ref()).join("sts"),
        };
        let dnssec_anchors = match &section.dnssec_anchors {
            Some(path) => Some(self.dnssec_anchors(path)?),
            None => None,
        };
        Ok(Internet {
            resolvers: section.resolvers.clone(),
            dnssec_anchors,
            trust,
            policies,
            policy_port: section.policy_port.unwrap_or(HTTPS),
        })
    }

    fn dnssec_anchors(&self, path: &Spanned<PathBuf>) -> Result<String, ConfigError> {
        let key = "internet.dnssec-anchors";
        let remedy = "the file holds lines such as `. IN DNSKEY 257 3 8 AwEAA...`";
        let octets = self.read(key, path)?;
        let text = String::from_utf8(octets)
            .map_err(|error| self.error(path.span(), key, error, remedy))?;
        match anchors_problem(&text) {
            Some(problem) => Err(self.error(path.span(), key, problem, remedy)),
            None => Ok(text),
        }
    }

    /// Whether the next hops of a link can be found.
    pub(super) fn next_hops(
        &self,
        link: &written::Link,
        internet: &InternetSection,
    ) -> Result<(), ConfigError> {
        let addresses = || std::iter::once(&link.address).chain(&link.alternatives);
        let by_dns = |address: &&String| address.starts_with("mx:");
        if !link.authentication.is_empty() && !addresses().all(|address| by_dns(&address)) {
            return Err(self.error(
                link.name.span(),
                &format!("link.{}.authentication", link.name.get_ref()),
                "who is not found by DNS is not vouched for there",
                "leave it out, or write each address of the link as mx:DOMAIN",
            ));
        }
        let dane = link.authentication.contains(&Authentication::Dane);
        for address in addresses().filter(by_dns) {
            let wrong = |text: &str, remedy: &str| {
                let key = format!("link.{}.address", link.name.get_ref());
                self.error(link.name.span(), &key, format!("{address}: {text}"), remedy)
            };
            let remedy = "name the host and port of the next hop, or build with this feature";
            if !cfg!(feature = "internet") {
                return Err(wrong("this build asks no DNS (feature internet)", remedy));
            }
            if MailExchange::of(address).is_none() {
                let remedy = "write mx:DOMAIN or mx:DOMAIN:PORT, the domain in A-labels";
                return Err(wrong("this is not a domain to ask DNS for", remedy));
            }
            if link.tls != TlsNeed::Required {
                let remedy = "leave tls out, and set peer to the name in the far certificate";
                return Err(wrong("who is found by DNS must do STARTTLS", remedy));
            }
            if dane && internet.dnssec_anchors.is_none() {
                let remedy = "set internet.dnssec-anchors to a file of DNSKEY records";
                return Err(wrong("DANE is nothing without DNSSEC anchors", remedy));
            }
            if internet.resolvers.is_empty() {
                let remedy = "set internet.resolvers to address and port of a resolver of your own";
                return Err(wrong("nobody is named who answers for DNS", remedy));
            }
        }
        Ok(())
    }
}

/// What is wrong with a file of DNSKEY records.
#[cfg(feature = "internet")]
fn anchors_problem(text: &str) -> Option<String> {
    let has_one = text.lines().any(|line| {
        let line = line.split(';').next().unwrap_or_default();
        line.split_ascii_whitespace().any(|word| word == "DNSKEY")
    });
    match text.parse::<hickory_resolver::proto::dnssec::TrustAnchors>() {
        Err(error) => Some(error.to_string()),
        Ok(_) if !has_one => Some("there is no DNSKEY record".into()),
        Ok(_) => None,
    }
}

/// A build without DNS reads no such file.
#[cfg(not(feature = "internet"))]
fn anchors_problem(_: &str) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_asked_for_only_where_it_is_one() {
        let read = |text: &str| MailExchange::of(text).map(|found| (found.domain, found.port));
        assert_eq!(read("mx:Far.example"), Some(("far.example".into(), 25)));
        assert_eq!(
            read("mx:far.example:2525"),
            Some(("far.example".into(), 2525))
        );
        let long = format!("mx:{}.example", "a".repeat(64));
        for wrong in [
            "far.example:25",
            "mx.far.example:25",
            "mx:",
            "mx:far.example:",
            "mx:far.example:0",
            "mx:far.example:x",
            "mx:far..example",
            "mx:far.example.",
            "mx:-far.example",
            "mx:far example",
            "mx:bücher.example",
            &long,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
