//! Mailboxes: `local@domain`, as RFC 5321 section 4.1.2 writes them. (First cut: to be replaced by the strict grammar.)

use std::fmt;

/// A mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(String);

/// A text that is not a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a mailbox")]
pub struct AddressError {
    text: String,
}

impl Address {
    /// Reads `local@domain`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address in `MAIL FROM`: empty, or a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// A mailbox that failures are reported to.
    Address(Address),
    /// `<>`: nothing is ever reported (RFC 5321 section 4.5.5).
    Null,
}
