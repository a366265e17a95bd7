//! `ldap:` places, as certificates name them: where a CRL lies.
//!
//! Promises: one entry, one attribute, one value; what comes is signed and judged by whoever asked.
//! Refuses: a place without host, base or attribute, a scope or filter that would search, and `ldaps:`
//! (that would need the very trust that is being established).
//! Standards: RFC 4516 §2, RFC 5280 §4.2.1.13, RFC 4523 §2.2.

use std::time::{Duration, Instant};

use super::connection::{self, Connection};
use super::message::{Filter, Scope, Search};
use crate::crypto::revocation::fetch::{Fetch, FetchError};

/// The way out by LDAP.
#[derive(Clone, Copy, Debug)]
pub struct LdapPlaces {
    /// For the whole of a question and its answer.
    pub time: Duration,
    /// Octets of an answer.
    pub size: usize,
}

impl Default for LdapPlaces {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            size: 32 << 20,
        }
    }
}

impl Fetch for LdapPlaces {
    fn get(&self, place: &str) -> Result<Vec<u8>, FetchError> {
        let failed = |reason: String| FetchError {
            place: place.to_owned(),
            reason,
        };
        let parts = parts(place).map_err(|reason| failed(reason.to_owned()))?;
        let now = Instant::now();
        let end = now.checked_add(self.time).unwrap_or(now);
        let asked = Connection::plain(&parts.address, end).and_then(|mut connection| {
            let search = Search {
                base: &parts.base,
                scope: Scope::Base,
                filter: Filter::Present("objectClass"),
                attributes: &[&parts.attribute],
                most: 1,
                seconds: self.time.as_secs().max(1),
            };
            let found = connection.search(&search, self.size, end)?;
            connection::done("the search", found.outcome)?;
            Ok(found.entries)
        });
        let entries = asked.map_err(|error| failed(error.to_string()))?;
        let mut values = entries.into_iter().flat_map(|entry| entry.values);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            (None, _) => Err(failed("nothing lies there".to_owned())),
            (Some(_), Some(_)) => Err(failed("more than one value lies there".to_owned())),
        }
    }

    fn ask(&self, place: &str, _question: &[u8]) -> Result<Vec<u8>, FetchError> {
        Err(FetchError {
            place: place.to_owned(),
            reason: "nobody answers OCSP by LDAP".to_owned(),
        })
    }

    fn reaches(&self, place: &str) -> bool {
        parts(place).is_ok()
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Parts {
    address: String,
    base: String,
    attribute: String,
}

// RFC 4516 §2: ldap://host[:port]/dn?attributes?scope?filter
fn parts(place: &str) -> Result<Parts, &'static str> {
    let rest = place
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("ldap://"))
        .and_then(|_| place.get(7..))
        .ok_or("only ldap is asked")?;
    let (host, rest) = rest.split_once('/').ok_or("no entry is named")?;
    let is_host = |octet: u8| octet.is_ascii_alphanumeric() || b".-:[]_".contains(&octet);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err("no host is named");
    }
    let mut parts = rest.split('?');
    let base = decoded(parts.next().unwrap_or_default()).ok_or("the entry's name is malformed")?;
    let attribute = decoded(parts.next().unwrap_or_default()).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
    if base.is_empty() || attribute.is_empty() || !attribute.chars().all(is_name) {
        return Err("one entry and one attribute must be named");
    }
    let is_one_of = |text: &str, known: &[&str]| known.iter().any(|k| text.eq_ignore_ascii_case(k));
    if !is_one_of(parts.next().unwrap_or_default(), &["", "base"])
        || !is_one_of(parts.next().unwrap_or_default(), &["", "(objectClass=*)"])
        || parts.next().is_some()
    {
        return Err("this would be a search");
    }
    let has_port = host.rsplit_once(':').is_some_and(|(before, port)| {
        !port.is_empty() && !port.ends_with(']') && (!before.contains(':') || before.ends_with(']'))
    });
    Ok(Parts {
        address: match has_port {
            true => host.to_owned(),
            false => format!("{host}:389"),
        },
        base,
        attribute,
    })
}

// RFC 3986 §2.1
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
                let value = (digit(rest.next())? << 4) | digit(rest.next())?;
                u8::try_from(value).ok()?
            }
            octet => octet,
        });
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_entry_and_one_attribute() {
        let place = "LDAP://dir.example/CN=Root%20CA,O=Lab?certificateRevocationList;binary";
        let read = parts(place).unwrap();
        assert_eq!(read.address, "dir.example:389");
        assert_eq!(read.base, "CN=Root CA,O=Lab");
        assert_eq!(read.attribute, "certificateRevocationList;binary");
        for rest in ["", "?base", "?base?(objectClass=*)", "??"] {
            assert_eq!(parts(&format!("{place}{rest}")).unwrap().base, read.base);
        }
        let port = |host: &str| parts(&format!("ldap://{host}/o=x?cn")).unwrap().address;
        assert_eq!(port("127.0.0.1:1389"), "127.0.0.1:1389");
        assert_eq!(port("[::1]"), "[::1]:389");
        assert_eq!(port("[::1]:1389"), "[::1]:1389");
        for wrong in [
            "ldaps://dir.example/o=x?cn",
            "http://dir.example/o=x?cn",
            "ldap:///o=x?cn",
            "ldap://dir.example",
            "ldap://dir.example/?cn",
            "ldap://dir.example/o=x",
            "ldap://dir.example/o=x?cn,sn",
            "ldap://dir.example/o=x?cn?sub",
            "ldap://dir.example/o=x?cn?base?(cn=*)",
            "ldap://dir.example/o=x?cn???",
            "ldap://u@dir.example/o=x?cn",
            "ldap://dir.example/o=%zz?cn",
            "ldap://dir.example/o=%ff?cn",
        ] {
            assert!(parts(wrong).is_err(), "{wrong}");
            assert!(!LdapPlaces::default().reaches(wrong));
        }
    }
}
