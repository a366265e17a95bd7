//! A directory that is asked by LDAP.
//!
//! Duty: a name in, one search, its record out; whether somebody belongs to a group; a CRL from an
//! `ldap:` place.
//! Promises: a few connections, kept open, shared; an entry counts only if it names itself as it was
//! asked for, whatever the server's rules of matching; a dead connection is tried anew once.
//! Refuses: referrals (nobody said that we may go there), two entries of one name, a server that
//! does not answer in time: all of them "cannot tell", never "unknown".
//! Why our own client: the crate that there is reads answers without a bound in size or depth, before TLS too, and
//! its reader panics; README says more. Standards: RFC 4511, RFC 4513, RFC 4523, RFC 4524.

mod connection;
mod message;
mod place;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use zeroize::Zeroizing;

pub use place::LdapPlaces;

use super::kept::{Ask, AskError};
use super::record::{Attribute, Record, Source};
use super::{Kind, Name};
use crate::crypto::trust::TrustStore;
use crate::message::address::Address;
use connection::{Broken, Connection, Searched};
use message::{Entry, Filter, Scope, Search};

/// What is asked of an entry.
const ATTRIBUTES: [&str; 7] = [
    "mail",
    "associatedDomain",
    "cn",
    "userCertificate;binary",
    "cACertificate;binary",
    "attributeCertificateAttribute;binary",
    "clearance",
];

/// RFC 4511 §4.1.9: sizeLimitExceeded.
const SIZE_LIMIT: u64 = 4;

/// How TLS begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begin {
    /// With the connection (ldaps).
    Implicit,
    /// With StartTLS. There is no way without TLS.
    StartTls,
}

/// A server, and how it is spoken to.
pub struct Server {
    address: String,
    name: String,
    begin: Begin,
    base: String,
    bind: Option<(String, Zeroizing<Vec<u8>>)>,
    tls: Arc<ClientConfig>,
    trust: Arc<TrustStore>,
    time: Duration,
    connections: usize,
    size: usize,
}

impl Server {
    /// The server at `address` (host and port), whose certificate bears `name` and is good under
    /// `trust`; what is below `base` is believed as far as a directory is.
    ///
    /// # Errors
    /// When an anchor cannot be used.
    pub fn new(
        address: &str,
        name: &str,
        begin: Begin,
        trust: Arc<TrustStore>,
        base: &str,
    ) -> Result<Self, rustls::Error> {
        Ok(Self {
            address: address.to_owned(),
            name: name.to_owned(),
            begin,
            base: base.to_owned(),
            bind: None,
            tls: connection::tls(&trust)?,
            trust,
            time: Duration::from_secs(2),
            connections: 4,
            size: 4 << 20,
        })
    }

    /// Asks as this entry.
    #[must_use]
    pub fn bind(mut self, dn: &str, password: Zeroizing<Vec<u8>>) -> Self {
        self.bind = Some((dn.to_owned(), password));
        self
    }

    /// With these bounds: time of a question from its beginning to its end, connections at once,
    /// octets of an answer.
    #[must_use]
    pub const fn bounds(mut self, time: Duration, connections: usize, size: usize) -> Self {
        self.time = time;
        self.connections = connections;
        self.size = size;
        self
    }
}

/// A directory that is asked by LDAP, through a few connections.
pub struct Ldap {
    server: Server,
    label: Arc<str>,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    out: usize,
}

impl Ldap {
    /// Nothing is opened before the first question.
    pub fn new(server: Server) -> Self {
        Self {
            label: server.address.as_str().into(),
            server,
            pool: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// Whether the entry `group` names this mailbox, or its entry, as a member.
    ///
    /// # Errors
    /// When the server cannot tell.
    pub fn is_member(&self, name: &Name, group: &str) -> Result<bool, AskError> {
        let end = self.end();
        let mut any = vec![Filter::Equal("rfc822MailMember", name.text().into())];
        if let Some(entry) = self.entry(name, end)? {
            // RFC 4519 §2.17, §2.40
            any.push(Filter::Equal("member", entry.dn.clone().into()));
            any.push(Filter::Equal("uniqueMember", entry.dn.into()));
        }
        let search = Search {
            base: group,
            scope: Scope::Base,
            filter: Filter::Any(any),
            // RFC 4511 §4.5.1.8: no attributes
            attributes: &["1.1"],
            most: 1,
            seconds: self.seconds(),
        };
        let found = self.search(&search, end)?;
        // A group that is not there is no group without members.
        connection::done("the group", found.outcome).map_err(|error| self.failed(&error))?;
        Ok(!found.entries.is_empty())
    }

    fn end(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.server.time).unwrap_or(now)
    }

    fn seconds(&self) -> u64 {
        self.server.time.as_secs().max(1)
    }

    /// The one entry of a name.
    fn entry(&self, name: &Name, end: Instant) -> Result<Option<Entry>, AskError> {
        let search = Search {
            base: &self.server.base,
            scope: Scope::Subtree,
            filter: filter(name),
            attributes: &ATTRIBUTES,
            // Two are enough to see that there is more than one.
            most: 2,
            seconds: self.seconds(),
        };
        let found = self.search(&search, end)?;
        if found.outcome.code != SIZE_LIMIT {
            let ended = connection::done("the search", found.outcome);
            ended.map_err(|error| self.failed(&error))?;
        }
        // What a server's rules of matching make of a name is not what mail makes of it.
        let is_of = |entry: &Entry| is_of(entry, name);
        let mut entries = found.entries.into_iter().filter(is_of);
        match (entries.next(), entries.next()) {
            (None, None) if found.elsewhere => Err(AskError::Name(format!(
                "{} refers to another server for {name}",
                self.label
            ))),
            (entry, None) => Ok(entry),
            (_, Some(_)) => Err(AskError::Name(format!(
                "{} has two entries of {name}",
                self.label
            ))),
        }
    }

    /// Asks on an open connection; on a new one where there is none, or that one is dead.
    fn search(&self, search: &Search<'_>, end: Instant) -> Result<Searched, AskError> {
        let size = self.server.size;
        let ask = || -> Result<Searched, Broken> {
            let right = self.right(end)?;
            if let Some(mut kept) = right.open_connection() {
                match kept.search(search, size, end) {
                    Ok(found) => {
                        right.keep(kept);
                        return Ok(found);
                    }
                    // It may have been closed while nobody asked.
                    Err(Broken::Io(error)) if error.kind() != ErrorKind::TimedOut => {}
                    Err(error) => return Err(error),
                }
            }
            let mut fresh = Connection::open(&self.server, end)?;
            let found = fresh.search(search, size, end)?;
            right.keep(fresh);
            Ok(found)
        };
        ask().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Broken) -> AskError {
        AskError::Server(format!("{}: {error}", self.label))
    }

    /// The right to one connection.
    fn right(&self, end: Instant) -> Result<Right<'_>, Broken> {
        let mut pool = self.pool();
        while pool.out >= self.server.connections {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Broken::Said("every connection is busy".into()));
            }
            let waited = self.returned.wait_timeout(pool, left);
            pool = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        pool.out = pool.out.saturating_add(1);
        Ok(Right(self))
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one connection, given back when dropped.
struct Right<'a>(&'a Ldap);

impl Right<'_> {
    fn open_connection(&self) -> Option<Connection> {
        self.0.pool().idle.pop()
    }

    fn keep(&self, connection: Connection) {
        self.0.pool().idle.push(connection);
    }
}

impl Drop for Right<'_> {
    fn drop(&mut self) {
        let mut pool = self.0.pool();
        pool.out = pool.out.saturating_sub(1);
        drop(pool);
        self.0.returned.notify_one();
    }
}

impl Ask for Ldap {
    type Answer = Arc<Record>;

    fn ask(&self, name: &Name) -> Result<Option<Arc<Record>>, AskError> {
        let Some(entry) = self.entry(name, self.end())? else {
            return Ok(None);
        };
        let source = Source::Ldap {
            server: Arc::clone(&self.label),
            dn: entry.dn,
        };
        let values = entry.values.into_iter().filter_map(|(description, value)| {
            Attribute::named(&description).map(|attribute| (attribute, value))
        });
        Record::of(source, values.collect())
            .map(|record| Some(Arc::new(record)))
            .map_err(|error| AskError::Name(format!("{}: {name}: {error}", self.label)))
    }
}

fn filter(name: &Name) -> Filter {
    let text = || name.text().as_bytes().to_vec();
    match name.kind() {
        Kind::Domain => Filter::Equal("associatedDomain", text()),
        Kind::Mailbox => Filter::Equal("mail", text()),
        Kind::Role => Filter::All(vec![
            Filter::Equal("objectClass", b"organizationalRole".to_vec()),
            Filter::Equal("cn", text()),
        ]),
    }
}

/// Whether an entry names itself so.
fn is_of(entry: &Entry, name: &Name) -> bool {
    let own: HashSet<Name> = entry
        .values
        .iter()
        .filter_map(|(description, value)| {
            let text = std::str::from_utf8(value).ok()?;
            let is = |known: &str| description.eq_ignore_ascii_case(known);
            if is("mail") {
                Address::parse(text).ok().as_ref().map(Name::mailbox)
            } else if is("associatedDomain") {
                Some(Name::domain(text))
            } else if is("cn") {
                Some(Name::role(text))
            } else {
                None
            }
        })
        .collect();
    own.contains(name)
}
