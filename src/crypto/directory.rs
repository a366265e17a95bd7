//! The directory: what is on record of mailboxes, domains and roles, and where that stands.
//!
//! Duty: a name in, a [`Record`] out: certificates, attribute certificates, clearances.
//! Promises: three outcomes and no fourth: on record, not on record, and "cannot tell now", which is
//! our fault and never a pass; a record is shared, not copied.
//! Does not judge: a certificate from here is a candidate. It is used after path validation for its
//! purpose and revocation ([`Record::for_encryption`]), and only for a name that it bears itself.
//! Attack stopped there: a directory that gives somebody else's certificate for a name.
//! Standards: RFC 4523 (attributes), RFC 4524 (`mail`, `associatedDomain`), RFC 5755 §4.4.6 (clearance).

mod harvested;
mod kept;
#[cfg(feature = "ldap")]
pub mod ldap;
mod ldif;
mod members;
mod record;
mod table;

use std::fmt;
use std::sync::Arc;

pub use harvested::Harvested;
pub use kept::{Ages, Ask, AskError, Kept};
#[cfg(feature = "ldap")]
pub use members::LdapGroup;
pub use members::{MemberList, Members};
pub use record::{Attribute, NotUsable, Record, RecordError, Source};
pub use table::{Table, TableError};

use crate::message::address::Address;

/// Somebody who may be on record. Names that a mail system takes for the same are equal.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name {
    kind: Kind,
    text: Box<str>,
}

/// What kind of name it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A mail domain.
    Domain,
    /// A mailbox, also that of a role.
    Mailbox,
    /// A role that is known by its name and has no mailbox.
    Role,
}

impl Name {
    /// The name of a mail domain.
    pub fn domain(domain: &str) -> Self {
        Self {
            kind: Kind::Domain,
            text: domain.to_ascii_lowercase().into(),
        }
    }

    /// The name of a mailbox.
    pub fn mailbox(address: &Address) -> Self {
        Self {
            kind: Kind::Mailbox,
            text: address.key().into(),
        }
    }

    /// The name of a role.
    pub fn role(role: &str) -> Self {
        Self {
            kind: Kind::Role,
            text: role.to_lowercase().into(),
        }
    }

    /// What kind of name it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The name itself, in the form that equality looks at.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Domain => write!(f, "domain {}", self.text),
            Kind::Mailbox => f.write_str(&self.text),
            Kind::Role => write!(f, "role {}", self.text),
        }
    }
}

/// What a directory knows of a name.
#[derive(Clone, Debug)]
pub enum Found {
    /// This.
    Known(Arc<Record>),
    /// It cannot tell now, for this reason: a fault of ours, never a pass.
    Unavailable(String),
    /// Nothing.
    Unknown,
}

/// Where records come from.
pub trait Directory: Send + Sync {
    /// What is known of `name`. This may wait for a network, within bounds of the directory's own.
    fn find(&self, name: &Name) -> Found;
}

/// A directory that knows nobody.
impl Directory for () {
    fn find(&self, _name: &Name) -> Found {
        Found::Unknown
    }
}

/// Several directories, asked in order: the first that has the name on record tells. One that
/// cannot tell stops the search: what a later one says might be what an earlier one replaces.
impl Directory for Vec<Arc<dyn Directory>> {
    fn find(&self, name: &Name) -> Found {
        self.iter()
            .map(|directory| directory.find(name))
            .find(|found| !matches!(found, Found::Unknown))
            .unwrap_or(Found::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(Found);

    impl Directory for Says {
        fn find(&self, _name: &Name) -> Found {
            self.0.clone()
        }
    }

    #[test]
    fn the_first_directory_that_knows_a_name_tells_and_one_that_cannot_tell_stops_the_search() {
        let record = |dn: &str| {
            let source = Source::Ldap {
                server: "ldap.example".into(),
                dn: dn.into(),
            };
            Found::Known(Arc::new(Record::of(source, Vec::new()).unwrap()))
        };
        let known = || Says(record("cn=first"));
        let away = || Says(Found::Unavailable("away".into()));
        let find = |all: Vec<Says>| {
            let all: Vec<Arc<dyn Directory>> = all
                .into_iter()
                .map(|one| Arc::new(one) as Arc<dyn Directory>)
                .collect();
            all.find(&Name::domain("Alder.example"))
        };
        let unknown = || Says(Found::Unknown);
        assert!(matches!(find(vec![unknown(), known()]), Found::Known(_)));
        assert!(matches!(find(vec![known(), away()]), Found::Known(_)));
        assert!(matches!(find(vec![away(), known()]), Found::Unavailable(_)));
        assert!(matches!(find(vec![unknown()]), Found::Unknown));
        assert!(matches!(find(Vec::new()), Found::Unknown));
    }

    #[test]
    fn names_are_equal_as_mail_takes_them() {
        let mailbox = |text| Name::mailbox(&Address::parse(text).unwrap());
        assert_eq!(mailbox("Anna@Alder.example"), mailbox("anna@alder.EXAMPLE"));
        assert_eq!(Name::domain("ALDER.example"), Name::domain("alder.example"));
        assert_ne!(Name::domain("alder.example"), Name::role("alder.example"));
    }
}
