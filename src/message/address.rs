//! Mailboxes on the wire: `local@domain`, as RFC 5321 §4.1.2 writes them.
//!
//! Promises: an `Address` holds no control character, no CR or LF, no space outside quotes; two
//! addresses are equal when a mail system would take them for the same mailbox (ASCII case, needless
//! quotes and the spelling of internationalized domains do not count; a local part beyond ASCII is
//! compared octet for octet); it is shown as it was written.
//! Refuses: source routes, empty labels, unknown address literals, over-long parts.
//! Standards: RFC 5321 §4.1.2, §4.1.3, §4.5.3.1; RFC 6531 §3.3 (UTF-8 local parts and domains); RFC
//! 8550 §3, 9598 §5 (when two are one).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::domain;
pub use super::mailbox::{Mailbox, MailboxError};

/// A mailbox.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Address {
    local: String,
    domain: String,
    /// What equality, order and hash look at.
    key: String,
}

/// A text that is not a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a mailbox (octet {position}): {kind}")]
pub struct AddressError {
    /// The text, cut after 80 characters.
    pub text: String,
    /// Which rule it breaks.
    pub kind: AddressProblem,
    /// Where, in octets from its start.
    pub position: usize,
}

/// The rule that a text breaks, so that it is not a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// A label of the domain is empty, too long, or has a character that host names do not have.
    #[error("a domain is labels of letters, digits and inner hyphens, joined by single dots")]
    Domain,
    /// The literal in brackets is neither IPv4 nor `IPv6:`.
    #[error("an address literal is [192.0.2.1] or [IPv6:2001:db8::1]")]
    Literal,
    /// The part before the `@` is neither a dot-string nor a quoted string.
    #[error("the local part is atoms joined by single dots, or one quoted string")]
    LocalPart,
    /// There is no `@` between two parts.
    #[error("an @ between a local part and a domain is expected")]
    NoAt,
    /// A part, or the whole, is longer than RFC 5321 §4.5.3.1 allows.
    #[error("at most 64 octets before the @, 255 after it, 254 in all are allowed")]
    TooLong,
}

// RFC 5321 §4.5.3.1.1 to §4.5.3.1.3 (a path of 256 octets has two angle brackets)
const LOCAL_LIMIT: usize = 64;
const DOMAIN_LIMIT: usize = 255;
const WHOLE_LIMIT: usize = 254;

impl Address {
    /// Reads `local@domain`, without angle brackets, route or comment.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let failed = |kind, position| AddressError {
            text: text.chars().take(80).collect(),
            kind,
            position,
        };
        let (local, domain) = split(text).map_err(|(kind, position)| failed(kind, position))?;
        let domain_position = local.len().saturating_add(1);
        if local.len() > LOCAL_LIMIT || text.len() > WHOLE_LIMIT {
            return Err(failed(AddressProblem::TooLong, 0));
        }
        if domain.len() > DOMAIN_LIMIT {
            return Err(failed(AddressProblem::TooLong, domain_position));
        }
        check_domain(domain).map_err(|kind| failed(kind, domain_position))?;
        // RFC 9598 §5: a local part beyond ASCII is compared octet for octet
        let mut key = without_needless_quotes(local);
        if key.is_ascii() {
            key.make_ascii_lowercase();
        }
        key.push('@');
        key.push_str(&domain::comparable(domain));
        Ok(Self {
            local: local.to_owned(),
            domain: domain.to_owned(),
            key,
        })
    }

    // RFC 5322 §3.4
    /// Reads a `mailbox-list`, the value of `From` or `MMHS-Authorizing-Users`: no groups.
    pub fn parse_list(value: &str) -> Result<Vec<Mailbox>, MailboxError> {
        super::mailbox::parse_mailboxes(value)
    }

    // RFC 5322 §3.4
    /// Reads an `address-list`, the value of `To` or `Cc`: groups give their members.
    pub fn parse_list_with_groups(value: &str) -> Result<Vec<Mailbox>, MailboxError> {
        super::mailbox::parse_addresses(value)
    }

    /// The part before the `@`, as written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part after the `@`, as written.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The domain in the form that equality looks at.
    pub fn comparable_domain(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whether every octet is ASCII; if not, a hop needs SMTPUTF8 to carry it.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }

    /// The form that equality looks at: lower case, without needless quotes.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// The address in `MAIL FROM`: empty, or a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ReversePath {
    /// A mailbox that failures are reported to.
    Address(Address),
    /// `<>`: nothing is ever reported (RFC 5321 section 4.5.5).
    Null,
}

impl ReversePath {
    /// Reads `<local@domain>` or `<>`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let inner = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
        match inner {
            Some("") => Ok(Self::Null),
            Some(address) => Address::parse(address).map(Self::Address),
            None => Err(AddressError {
                text: text.chars().take(80).collect(),
                kind: AddressProblem::NoAt,
                position: 0,
            }),
        }
    }

    /// The mailbox, if there is one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            Self::Null => None,
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "<{address}>"),
            Self::Null => f.write_str("<>"),
        }
    }
}

impl TryFrom<String> for ReversePath {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<ReversePath> for String {
    fn from(path: ReversePath) -> Self {
        path.to_string()
    }
}

/// Splits at the `@` that ends the local part; checks the local part on the way.
fn split(text: &str) -> Result<(&str, &str), (AddressProblem, usize)> {
    let at = if text.starts_with('"') {
        let inside = quoted_length(text).map_err(|at| (AddressProblem::LocalPart, at))?;
        match text.get(inside..) {
            Some(rest) if rest.starts_with('@') => inside,
            _ => return Err((AddressProblem::NoAt, inside)),
        }
    } else {
        let at = text.find('@').ok_or((AddressProblem::NoAt, text.len()))?;
        let local = text.get(..at).unwrap_or_default();
        if !is_dot_string(local) {
            return Err((AddressProblem::LocalPart, 0));
        }
        at
    };
    text.split_at_checked(at)
        .and_then(|(local, rest)| Some((local, rest.strip_prefix('@')?)))
        .ok_or((AddressProblem::NoAt, at))
}

/// The length of the quoted string that `text` begins with, both quotes included.
fn quoted_length(text: &str) -> Result<usize, usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        // RFC 5321 §4.1.2: qtextSMTP and quoted-pairSMTP are printable or space, nothing else
        if c.is_control() {
            return Err(at);
        }
        match (escaped, c) {
            (true, _) => escaped = false,
            (false, '\\') => escaped = true,
            (false, '"') => return Ok(at.saturating_add(1)),
            (false, _) => {}
        }
    }
    Err(text.len())
}

fn is_dot_string(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_character))
}

/// `atext` of RFC 5322 §3.2.3, and UTF-8 by RFC 6532 §3.2.
pub(super) fn is_atom_character(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^' | '_'
        | '`' | '{' | '|' | '}' | '~' => true,
        c => !c.is_ascii() && !c.is_control() && !c.is_whitespace(),
    }
}

fn check_domain(domain: &str) -> Result<(), AddressProblem> {
    if let Some(literal) = domain.strip_prefix('[') {
        return literal
            .strip_suffix(']')
            .is_some_and(is_literal)
            .then_some(())
            .ok_or(AddressProblem::Literal);
    }
    domain
        .split('.')
        .all(is_label)
        .then_some(())
        .ok_or(AddressProblem::Domain)
}

// RFC 5321 §4.1.3
fn is_literal(text: &str) -> bool {
    match text.split_at_checked(5) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case("IPv6:") => rest.parse::<Ipv6Addr>().is_ok(),
        _ => text.parse::<Ipv4Addr>().is_ok(),
    }
}

// RFC 1035 §2.3.4: 63 octets; RFC 5321 §4.1.2: letters, digits, inner hyphens
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| {
            c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && c.is_alphanumeric())
        })
}

// RFC 5321 §4.1.2: quotes that are not needed do not make another mailbox. A policy that names
// alice@x must also mean "alice"@x, or quoting would walk around it.
fn without_needless_quotes(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            plain.push(c);
        }
    }
    if is_dot_string(&plain) {
        return plain;
    }
    let mut quoted = String::from("\"");
    for c in plain.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> AddressProblem {
        Address::parse(text).unwrap_err().kind
    }

    #[test]
    fn mailboxes_are_read_and_shown_as_written() {
        for text in [
            "Alice@Alder.example",
            "a.b+c@x",
            "\"a b\"@x.example",
            "\"a@b\"@x.example",
            "\"\\\"\"@x.example",
            "root@[192.0.2.1]",
            "root@[IPv6:2001:db8::1]",
            "jörg@bücher.example",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_no_mailbox_are_refused() {
        assert_eq!(problem("alice"), AddressProblem::NoAt);
        assert_eq!(problem(""), AddressProblem::NoAt);
        assert_eq!(problem("@x"), AddressProblem::LocalPart);
        assert_eq!(problem("a..b@x"), AddressProblem::LocalPart);
        assert_eq!(problem(".a@x"), AddressProblem::LocalPart);
        assert_eq!(problem("a b@x"), AddressProblem::LocalPart);
        assert_eq!(problem("a\r\nb@x"), AddressProblem::LocalPart);
        assert_eq!(problem("\"a\r\nb\"@x"), AddressProblem::LocalPart);
        assert_eq!(problem("\"a@x"), AddressProblem::LocalPart);
        assert_eq!(problem("\"a\"b@x"), AddressProblem::NoAt);
        assert_eq!(problem("a@b@c"), AddressProblem::Domain);
        assert_eq!(problem("a@"), AddressProblem::Domain);
        assert_eq!(problem("a@x..y"), AddressProblem::Domain);
        assert_eq!(problem("a@-x"), AddressProblem::Domain);
        assert_eq!(problem("a@x>"), AddressProblem::Domain);
        assert_eq!(problem("a@[1.2.3]"), AddressProblem::Literal);
        assert_eq!(problem("a@[x:y]"), AddressProblem::Literal);
        assert_eq!(
            problem(&format!("{}@x", "a".repeat(65))),
            AddressProblem::TooLong
        );
    }

    #[test]
    fn case_and_needless_quotes_make_no_other_mailbox() {
        let address = |text| Address::parse(text).unwrap();
        assert_eq!(address("Alice@X.example"), address("alice@x.EXAMPLE"));
        assert_eq!(address("\"alice\"@x"), address("alice@x"));
        assert_eq!(address("\"a\\lice\"@x"), address("alice@x"));
        assert_ne!(address("\"a lice\"@x"), address("alice@x"));
        assert_ne!(address("alice@y"), address("alice@x"));
    }

    #[test]
    fn an_internationalized_domain_has_two_spellings_and_a_local_part_beyond_ascii_one() {
        let address = |text| Address::parse(text).unwrap();
        assert_eq!(
            address("anna@xn--bcher-kva.example"),
            address("Anna@bücher.Example")
        );
        assert_ne!(
            address("anna@bücher.example"),
            address("anna@bucher.example")
        );
        // Cyrillic a in the local part, and a decomposed umlaut: other octets, other mailboxes.
        assert_ne!(address("\u{430}nna@x"), address("anna@x"));
        assert_ne!(address("j\u{f6}rg@x"), address("jo\u{308}rg@x"));
        assert_ne!(address("Jörg@x"), address("jörg@x"));
        assert_eq!(address("\"jörg\"@x"), address("jörg@x"));
        assert_eq!(
            address("jörg@xn--bcher-kva.example"),
            address("jörg@BüCHER.Example")
        );
        assert!(Address::parse("anna@x.example.").is_err());
        assert_eq!(address("\"a@b\"@X").comparable_domain(), "x");
    }

    #[test]
    fn a_reverse_path_has_angle_brackets() {
        assert_eq!(ReversePath::parse("<>").unwrap(), ReversePath::Null);
        assert_eq!(ReversePath::parse("<a@b>").unwrap().to_string(), "<a@b>");
        assert!(ReversePath::parse("a@b").is_err());
        assert!(ReversePath::parse("<a@b").is_err());
    }
}
