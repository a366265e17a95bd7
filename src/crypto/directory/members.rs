//! Who belongs to the community.
//!
//! Promises: a name is a member or not, or nobody can tell now, which is our fault and never a pass.
//! Refuses: a line of a list that is neither a mailbox nor a domain.

use std::collections::HashSet;
use std::path::Path;

use super::table::TableError;
use super::{Kept, Name};
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::hex;
use crate::crypto::provider;
use crate::message::address::{Address, AddressError};

/// Who tells whether somebody belongs.
pub trait Members: Send + Sync {
    /// Whether this mailbox belongs. This may wait for a network, within bounds of its own.
    ///
    /// # Errors
    /// Why nobody can tell.
    fn is_member(&self, address: &Address) -> Result<bool, String>;
}

/// A list in memory: mailboxes, and domains all of whose mailboxes belong.
#[derive(Debug, Default)]
pub struct MemberList {
    names: HashSet<Name>,
    digest: String,
}

impl MemberList {
    /// Reads a list: one `name@domain` or `@domain` on a line; what follows a `#` is a comment.
    ///
    /// # Errors
    /// The first line that is neither.
    pub fn read(file: &Path, text: &str) -> Result<Self, TableError> {
        let mut list = Self::default();
        for (line, number) in text.lines().zip(1..) {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            list.add(entry).map_err(|error| TableError {
                file: file.to_owned(),
                line: Some(number),
                text: error.to_string(),
            })?;
        }
        let digest = provider::default().digest(Digest::Sha384, &[text.as_bytes()]);
        list.digest = hex(&digest);
        Ok(list)
    }

    /// Adds a mailbox, or `@` and a domain.
    ///
    /// # Errors
    /// When it is neither.
    pub fn add(&mut self, entry: &str) -> Result<(), AddressError> {
        // A domain is what may follow the @ of a mailbox.
        let name = match entry.starts_with('@') {
            true => Name::domain(Address::parse(&format!("x{entry}"))?.domain()),
            false => Name::mailbox(&Address::parse(entry)?),
        };
        self.names.insert(name);
        Ok(())
    }

    /// Whether the list has this mailbox, or its domain.
    pub fn has(&self, address: &Address) -> bool {
        self.names.contains(&Name::mailbox(address))
            || self.names.contains(&Name::domain(address.domain()))
    }

    /// SHA-384 over the list, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl Members for MemberList {
    fn is_member(&self, address: &Address) -> Result<bool, String> {
        Ok(self.has(address))
    }
}

/// Several: a member of one belongs. Where none knows the name and one cannot tell, nobody can.
impl Members for Vec<std::sync::Arc<dyn Members>> {
    fn is_member(&self, address: &Address) -> Result<bool, String> {
        let mut away = None;
        for members in self {
            match members.is_member(address) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(reason) => away = Some(reason),
            }
        }
        away.map_or(Ok(false), Err)
    }
}

/// A group in an LDAP directory.
#[cfg(feature = "ldap")]
pub struct LdapGroup {
    /// The directory.
    pub directory: std::sync::Arc<super::ldap::Ldap>,
    /// The group's entry.
    pub dn: String,
}

#[cfg(feature = "ldap")]
impl super::Ask for LdapGroup {
    type Answer = ();

    fn ask(&self, name: &Name) -> Result<Option<()>, super::AskError> {
        let is_member = self.directory.is_member(name, &self.dn)?;
        Ok(is_member.then_some(()))
    }
}

impl<A: super::Ask<Answer = ()>> Members for Kept<A> {
    fn is_member(&self, address: &Address) -> Result<bool, String> {
        Ok(self.look(&Name::mailbox(address))?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn list(text: &str) -> Result<MemberList, TableError> {
        MemberList::read(Path::new("members.txt"), text)
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn mailboxes_and_domains_are_members_and_their_likes_are_not() {
        let list =
            list("# who belongs\nAnna@alder.example # by order\n\n@birch.example\n").unwrap();
        for (text, belongs) in [
            ("anna@ALDER.example", true),
            ("ben@alder.example", false),
            ("anyone@Birch.example", true),
            ("anyone@sub.birch.example", false),
            ("anyone@evilbirch.example", false),
        ] {
            assert_eq!(list.is_member(&address(text)), Ok(belongs), "{text}");
        }
    }

    #[test]
    fn a_line_that_names_nobody_is_an_error() {
        for text in ["anna", "@", "@-x", "a@b c@d", "*@x.example y"] {
            let error = list(&format!("a@b\n{text}\n")).unwrap_err();
            assert_eq!(error.line, Some(2), "{text}");
        }
    }

    struct Away;

    impl Members for Away {
        fn is_member(&self, _address: &Address) -> Result<bool, String> {
            Err("away".into())
        }
    }

    #[test]
    fn nobody_can_tell_while_one_of_several_is_away_unless_another_knows_the_name() {
        let known: Arc<dyn Members> = Arc::new(list("a@b").unwrap());
        for several in [
            vec![Arc::clone(&known), Arc::new(Away)],
            vec![Arc::new(Away), known],
        ] {
            assert_eq!(several.is_member(&address("a@b")), Ok(true));
            assert!(several.is_member(&address("c@b")).is_err());
        }
    }
}
