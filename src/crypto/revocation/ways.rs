//! The ways out of this build, each for its scheme: a place says by how it begins how it is reached.
//!
//! Duty: one [`Fetch`] that hands each place to the way that was made for its scheme.
//! Refuses: a place whose scheme has no way, before anything is opened. A scheme is never tried by
//! the way of another one. Standards: RFC 3986 §3.1, RFC 5280 §4.2.1.13.

use std::sync::Arc;
use std::time::Duration;

use super::fetch::{Fetch, FetchError};
use super::http::Http;
#[cfg(feature = "ldap")]
use crate::crypto::directory::ldap::LdapPlaces;

/// Ways out, by scheme.
#[derive(Clone, Default)]
pub struct Ways(Vec<(&'static str, Arc<dyn Fetch>)>);

impl Ways {
    /// All that this build has, each bounded by `time` for a question and its answer. A feature
    /// that brings another way adds it here.
    pub fn of_this_build(time: Duration) -> Self {
        let http = Http {
            time,
            ..Http::default()
        };
        let ways = Self::default().with("http", Arc::new(http));
        #[cfg(feature = "ldap")]
        let ways = ways.with(
            "ldap",
            Arc::new(LdapPlaces {
                time,
                ..LdapPlaces::default()
            }),
        );
        ways
    }

    /// The same with one more way. `scheme` is in lower case, without the colon.
    #[must_use]
    pub fn with(mut self, scheme: &'static str, way: Arc<dyn Fetch>) -> Self {
        self.0.retain(|(known, _)| *known != scheme);
        self.0.push((scheme, way));
        self
    }

    fn to(&self, place: &str) -> Result<&dyn Fetch, FetchError> {
        // RFC 3986 §3.1: schemes are compared without case
        let scheme = place.split_once(':').map_or("", |(scheme, _)| scheme);
        let way = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(scheme));
        way.map(|(_, way)| way.as_ref()).ok_or_else(|| {
            let known: Vec<&str> = self.0.iter().map(|(scheme, _)| *scheme).collect();
            FetchError {
                place: place.to_owned(),
                reason: format!("only these are fetched: {}", known.join(", ")),
            }
        })
    }
}

impl Fetch for Ways {
    fn get(&self, place: &str) -> Result<Vec<u8>, FetchError> {
        self.to(place)?.get(place)
    }

    fn ask(&self, place: &str, question: &[u8]) -> Result<Vec<u8>, FetchError> {
        self.to(place)?.ask(place, question)
    }

    fn reaches(&self, place: &str) -> bool {
        self.to(place).is_ok_and(|way| way.reaches(place))
    }
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let schemes = self.0.iter().map(|(scheme, _)| scheme);
        f.debug_list().entries(schemes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its name back.
    struct Named(&'static str);

    impl Fetch for Named {
        fn get(&self, _: &str) -> Result<Vec<u8>, FetchError> {
            Ok(self.0.into())
        }

        fn ask(&self, _: &str, question: &[u8]) -> Result<Vec<u8>, FetchError> {
            Ok([self.0.as_bytes(), question].concat())
        }
    }

    #[test]
    fn each_place_goes_the_way_of_its_scheme_and_no_other() {
        let ways = Ways::of_this_build(Duration::from_secs(1))
            .with("http", Arc::new(Named("web")))
            .with("ldap", Arc::new(Named("directory")));
        assert_eq!(ways.get("http://a.example/ca.crl").unwrap(), b"web");
        assert_eq!(ways.get("LDAP://a.example/cn=ca").unwrap(), b"directory");
        assert_eq!(ways.ask("http://a.example/", b"?").unwrap(), b"web?");
        for place in [
            "ldaps://a.example/",
            "file:///etc/passwd",
            "httpx://a/",
            "http",
            "",
        ] {
            assert!(!ways.reaches(place), "{place:?}");
            let error = ways.get(place).unwrap_err();
            assert!(error.reason.contains("http, ldap"), "{error}");
            assert!(ways.ask(place, b"?").is_err());
        }
        // What is reached at all is for the way itself to say.
        let built = Ways::of_this_build(Duration::from_secs(1));
        assert!(built.reaches("http://a.example/ca.crl"));
        assert!(!built.reaches("http://user@a.example/ca.crl"));
        assert!(cfg!(feature = "ldap") || !built.reaches("ldap://a.example/cn=ca"));
    }
}
