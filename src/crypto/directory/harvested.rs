//! Certificates that signed mail brought.
//!
//! Promises: what was harvested is known and found by nobody, until somebody accepts it; then it is a
//! record like any other, and still a candidate for whoever encrypts.
//! Refuses nothing: what is not accepted is not found.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::record::{Attribute, Record, Source};
use super::{Directory, Found, Name};
use crate::message::address::Address;

/// Certificates that signed mail brought, and who accepted them.
#[derive(Debug, Default)]
pub struct Harvested(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    by_id: HashMap<String, One>,
    found: HashMap<Name, Arc<Record>>,
}

#[derive(Debug)]
struct One {
    name: Name,
    der: Vec<u8>,
    accepted_by: Option<String>,
}

impl Harvested {
    /// Takes one over, in the place of what had this identifier.
    pub fn put(&self, id: &str, address: &Address, der: &[u8], accepted_by: Option<&str>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = Name::mailbox(address);
        let one = One {
            name: name.clone(),
            der: der.to_vec(),
            accepted_by: accepted_by.map(str::to_owned),
        };
        state.by_id.insert(id.to_owned(), one);
        state.renew(name);
    }

    /// Forgets one.
    pub fn remove(&self, id: &str) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = state.by_id.remove(id) {
            state.renew(one.name);
        }
    }

    /// Whether it is known, accepted or not.
    pub fn knows(&self, id: &str) -> bool {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.by_id.contains_key(id)
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.by_id.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl State {
    fn renew(&mut self, name: Name) {
        let accepted = self.by_id.values().filter(|one| one.name == name);
        let mut by = None;
        let mut values = Vec::new();
        for one in accepted {
            if let Some(who) = &one.accepted_by {
                by = Some(who.clone());
                values.push((Attribute::Certificate, one.der.clone()));
            }
        }
        let record = by.and_then(|by| Record::of(Source::Harvested { by }, values).ok());
        match record {
            Some(record) => self.found.insert(name, Arc::new(record)),
            None => self.found.remove(&name),
        };
    }
}

impl Directory for Harvested {
    fn find(&self, name: &Name) -> Found {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match state.found.get(name) {
            Some(record) => Found::Known(Arc::clone(record)),
            None => Found::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_accepted_is_found_and_only_while_it_is() {
        let harvested = Harvested::default();
        let anna = Address::parse("anna@birch.example").unwrap();
        let values = || match harvested.find(&Name::mailbox(&anna)) {
            Found::Known(record) => {
                assert_eq!(record.source().to_string(), "signed mail, accepted by o");
                assert!(record.has_encryption_certificate());
                true
            }
            Found::Unknown => false,
            Found::Unavailable(reason) => panic!("{reason}"),
        };
        harvested.put("1", &anna, b"x", None);
        assert!(harvested.knows("1") && !values());
        harvested.put("1", &anna, b"x", Some("o"));
        harvested.put("2", &anna, b"y", None);
        assert!(values());
        harvested.remove("1");
        assert!(!values() && !harvested.knows("1") && harvested.len() == 1);
    }
}
