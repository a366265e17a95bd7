//! MTA-STS: the policy of a domain, from DNS and HTTPS, kept over a restart.
//!
//! Promises: a policy counts until it is as old as it says, whatever DNS and the host of the policy say
//! or do not say meanwhile; a newer id brings a newer one, if that can be had and is one. A host that
//! fails is left alone for five minutes.
//! Attacks stopped here: the record or the host hidden, so that a policy seems to be gone. (Who hides
//! them before the first time succeeds: that is what DANE is for.)
//! Standards: RFC 8461 §3, §5.1.

mod fetch;
mod policy;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::proto::rr::{RData, RecordType};
use serde::{Deserialize, Serialize};

use super::addresses::Addresses;
use super::dns::{Dns, Nothing};
use crate::clock::Timestamp;
use crate::config::Internet;
pub(super) use policy::{Mode, Policy};

/// How long a host is left alone that did not hand out a policy.
const PAUSE: Duration = Duration::from_secs(300);
/// Octets of a file: a policy, which JSON may write longer, and what is known of it.
const LONGEST_FILE: u64 = 1 << 20;

/// The policies that were seen, by domain. Only domains of the configuration are asked about, so that
/// there are no more than it names.
#[derive(Default)]
pub(super) struct Policies {
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Default)]
struct Known {
    kept: Option<Kept>,
    /// The id whose policy could not be fetched, and when and why.
    failed: Option<(String, Timestamp, String)>,
}

/// A policy as it stands in the folder.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    domain: String,
    id: String,
    fetched: Timestamp,
    policy: String,
}

impl Kept {
    /// The policy, as long as it counts.
    fn policy(&self, at: Timestamp) -> Option<Policy> {
        let policy = Policy::read(self.policy.as_bytes()).ok()?;
        let age = at.duration_since(self.fetched);
        let age = Duration::try_from(age).ok()?;
        (age < policy.max_age).then_some(policy)
    }
}

impl Policies {
    /// The policy of a domain; else why there is none.
    pub async fn of(
        &self,
        domain: &str,
        dns: &Dns,
        internet: &Internet,
        at: Timestamp,
    ) -> Result<Policy, String> {
        let mut known = self.known(domain, internet);
        let kept = known.kept.as_ref();
        let kept = kept.and_then(|kept| Some((kept.id.clone(), kept.policy(at)?)));
        let id = match id(domain, dns).await {
            Ok(id) => id,
            // RFC 8461 §5.1: what was seen counts, whether or not it can be seen now
            Err(why) => return kept.map(|(_, policy)| policy).ok_or(why),
        };
        if let Some((known_id, policy)) = &kept
            && *known_id == id
        {
            return Ok(policy.clone());
        }
        let why = match known.failed.take() {
            Some((of, when, why)) if of == id && is_recent(when, at) => why,
            _ => match self.fetch(domain, &id, dns, internet, at).await {
                Ok(policy) => return Ok(policy),
                Err(why) => why,
            },
        };
        kept.map(|(_, policy)| policy).ok_or(why)
    }

    /// Fetches the policy with this id, and keeps it.
    async fn fetch(
        &self,
        domain: &str,
        id: &str,
        dns: &Dns,
        internet: &Internet,
        at: Timestamp,
    ) -> Result<Policy, String> {
        let host = format!("mta-sts.{domain}");
        let fetched = match Addresses::of(dns, &host, internet.policy_port).await {
            Ok(found) => fetch::fetch(&host, &found.places, &internet.trust, at).await,
            Err(Nothing::Failed(text)) => Err(text),
            Err(Nothing::NoName | Nothing::NoRecords) => Err(format!("{host} has no address")),
        };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(domain.to_owned()).or_default();
        match fetched {
            Ok((policy, octets)) => {
                let kept = Kept {
                    domain: domain.to_owned(),
                    id: id.to_owned(),
                    fetched: at,
                    policy: String::from_utf8_lossy(&octets).into_owned(),
                };
                // Without the file it counts until the next start.
                if let Err(error) = write(&internet.policies, &kept) {
                    tracing::warn!(%error, domain, "a policy cannot be kept");
                }
                known.kept = Some(kept);
                known.failed = None;
                Ok(policy)
            }
            Err(why) => {
                known.failed = Some((id.to_owned(), at, why.clone()));
                Err(why)
            }
        }
    }

    /// What is known of a domain, from memory or from the folder.
    fn known(&self, domain: &str, internet: &Internet) -> Known {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(domain.to_owned()).or_insert_with(|| Known {
            kept: read(&internet.policies, domain),
            failed: None,
        });
        known.clone()
    }
}

fn is_recent(when: Timestamp, at: Timestamp) -> bool {
    Duration::try_from(at.duration_since(when)).is_ok_and(|since| since < PAUSE)
}

/// The id that DNS tells. Where nobody answers or nothing is told there is none.
async fn id(domain: &str, dns: &Dns) -> Result<String, String> {
    let name = format!("_mta-sts.{domain}");
    let none = || format!("{domain} publishes no MTA-STS policy");
    let records = match dns.ask(&name, RecordType::TXT).await {
        Ok(answer) => answer.records,
        Err(Nothing::Failed(text)) => return Err(text),
        Err(Nothing::NoName | Nothing::NoRecords) => return Err(none()),
    };
    let texts: Vec<Vec<u8>> = records
        .iter()
        .filter_map(|record| match record {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        })
        .collect();
    policy::id(texts.iter().map(Vec::as_slice)).ok_or_else(none)
}

/// Where the policy of a domain lies. The domain is a name in A-labels: see `MailExchange`.
fn file(folder: &Path, domain: &str) -> PathBuf {
    folder.join(format!("{domain}.json"))
}

fn read(folder: &Path, domain: &str) -> Option<Kept> {
    let file = file(folder, domain);
    let size = std::fs::metadata(&file).ok()?.len();
    let text = (size <= LONGEST_FILE).then(|| std::fs::read(&file).ok())??;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (kept.domain == domain).then_some(kept)
}

/// Writes beside it, and then in its place, so that a stop in between leaves one of the two.
fn write(folder: &Path, kept: &Kept) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let file = file(folder, &kept.domain);
    let new = file.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(kept)?)?;
    std::fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(fetched: &str) -> Kept {
        Kept {
            domain: "far.example".into(),
            id: "1".into(),
            fetched: fetched.parse().unwrap(),
            policy: "version: STSv1\nmode: enforce\nmx: a.far.example\nmax_age: 3600\n".into(),
        }
    }

    #[test]
    fn a_policy_counts_as_long_as_it_says() {
        let kept = kept("2026-11-21T08:00:00Z");
        let at = |time: &str| kept.policy(time.parse().unwrap()).is_some();
        assert!(at("2026-11-21T08:59:59Z"));
        assert!(!at("2026-11-21T09:00:00Z"));
        // Of a time to come nothing is known.
        assert!(!at("2026-11-21T07:00:00Z"));
    }

    #[test]
    fn the_folder_keeps_it_for_its_own_domain() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sts");
        write(&folder, &kept("2026-11-21T08:00:00Z")).unwrap();
        assert_eq!(read(&folder, "far.example").unwrap().id, "1");
        let other = file(&folder, "evil.example");
        std::fs::copy(file(&folder, "far.example"), &other).unwrap();
        assert!(read(&folder, "evil.example").is_none());
        std::fs::write(&other, b"{").unwrap();
        assert!(read(&folder, "evil.example").is_none());
    }
}
