//! Lists of mailboxes in header fields: display names, comments, groups.
//!
//! Promises: what is returned are all the mailboxes of the list, in order.
//! Refuses: any text with two readings (a name with a bare `@`, empty list items, white space
//! inside an address, routes), because sender and screen must mean the same person.
//! Standards: RFC 5322 §3.4, without the obsolete forms of §4.4; RFC 6532 (UTF-8).

use super::address::{Address, AddressError, is_atom_character};
use super::encoded_word;

/// One entry of a list: a mailbox and the name that people see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, decoded (RFC 2047), if there is one.
    pub name: Option<String>,
    /// The mailbox.
    pub address: Address,
}

/// A value that is not a list of mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of mailboxes (octet {position}): {kind}")]
pub struct MailboxError {
    /// What is wrong.
    pub kind: MailboxProblem,
    /// Where, in octets from the start of the value.
    pub position: usize,
}

/// What is wrong with a list of mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxProblem {
    /// The address itself.
    #[error(transparent)]
    Address(AddressError),
    /// A control character.
    #[error("control characters are not allowed")]
    Control,
    /// Nothing between two commas, or at an end.
    #[error("a mailbox is missing")]
    Empty,
    /// A group where only mailboxes may stand.
    #[error("a group is not allowed here, only mailboxes")]
    Group,
    /// A character that has no place there.
    #[error("{0:?} is not expected here: quote the name, or put the address in angle brackets")]
    Unexpected(char),
    /// A comment, quoted string, group or angle bracket that is not closed.
    #[error("a comment, quoted string, group or angle bracket is not closed")]
    Unclosed,
}

/// Reads a `mailbox-list`.
pub(super) fn parse_mailboxes(value: &str) -> Result<Vec<Mailbox>, MailboxError> {
    Reader::new(value, Groups::Refused)?.list()
}

/// Reads an `address-list`; groups give their members.
pub(super) fn parse_addresses(value: &str) -> Result<Vec<Mailbox>, MailboxError> {
    Reader::new(value, Groups::Opened)?.list()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Groups {
    Opened,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Atom(&'a str),
    /// With its quotes.
    Quoted(&'a str),
    /// With its brackets.
    Literal(&'a str),
    Special(char),
    /// White space or a comment.
    Gap,
}

struct Reader<'a> {
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
    end: usize,
    groups: Groups,
}

impl<'a> Reader<'a> {
    fn new(value: &'a str, groups: Groups) -> Result<Self, MailboxError> {
        Ok(Self {
            tokens: tokens(value)?,
            next: 0,
            end: value.len(),
            groups,
        })
    }

    fn list(mut self) -> Result<Vec<Mailbox>, MailboxError> {
        let mut found = Vec::new();
        loop {
            self.entry(&mut found, Groups::Opened)?;
            match self.take() {
                None => return Ok(found),
                Some((_, Token::Special(','))) => {}
                Some((position, token)) => return Err(unexpected(position, &token)),
            }
        }
    }

    /// One mailbox, or (on the outer level) one group.
    fn entry(&mut self, found: &mut Vec<Mailbox>, level: Groups) -> Result<(), MailboxError> {
        let start = self.position();
        let mut words: Vec<(usize, Token<'a>)> = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Special('<')) => {
                    self.take();
                    let address = self.angle()?;
                    let name = phrase(&words)?;
                    self.skip_gaps();
                    found.push(Mailbox { name, address });
                    return Ok(());
                }
                Some(Token::Special(':')) => {
                    let position = self.position();
                    self.take();
                    phrase(&words)?.ok_or_else(|| failed(MailboxProblem::Empty, start))?;
                    if self.groups == Groups::Refused || level == Groups::Refused {
                        return Err(failed(MailboxProblem::Group, position));
                    }
                    return self.group(found);
                }
                None | Some(Token::Special(',' | ';')) => {
                    let address = address(&words, start)?;
                    found.push(Mailbox {
                        name: None,
                        address,
                    });
                    return Ok(());
                }
                Some(_) => words.extend(self.take()),
            }
        }
    }

    fn group(&mut self, found: &mut Vec<Mailbox>) -> Result<(), MailboxError> {
        self.skip_gaps();
        if self.peek() == Some(&Token::Special(';')) {
            self.take();
            self.skip_gaps();
            return Ok(());
        }
        loop {
            self.entry(found, Groups::Refused)?;
            match self.take() {
                Some((_, Token::Special(';'))) => {
                    self.skip_gaps();
                    return Ok(());
                }
                Some((_, Token::Special(','))) => {}
                Some((position, token)) => return Err(unexpected(position, &token)),
                None => return Err(failed(MailboxProblem::Unclosed, self.end)),
            }
        }
    }

    fn angle(&mut self) -> Result<Address, MailboxError> {
        let start = self.position();
        let mut words = Vec::new();
        loop {
            match self.take() {
                Some((_, Token::Special('>'))) => return address(&words, start),
                Some((position, token @ Token::Special('<' | ',' | ';' | ':'))) => {
                    return Err(unexpected(position, &token));
                }
                Some(word) => words.push(word),
                None => return Err(failed(MailboxProblem::Unclosed, self.end)),
            }
        }
    }

    fn skip_gaps(&mut self) {
        while self.peek() == Some(&Token::Gap) {
            self.take();
        }
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn take(&mut self) -> Option<(usize, Token<'a>)> {
        let token = self.tokens.get(self.next).cloned();
        self.next = self.next.saturating_add(1);
        token
    }
}

/// The words before an angle bracket. A bare `@` in them would be a second address: refused.
fn phrase(words: &[(usize, Token<'_>)]) -> Result<Option<String>, MailboxError> {
    let mut name = String::new();
    let mut gap = false;
    for (position, token) in words {
        let word = match token {
            Token::Gap => {
                gap = true;
                continue;
            }
            Token::Atom(word) => (*word).to_owned(),
            Token::Quoted(word) => unquoted(word),
            // RFC 5322 §4.1 (obs-phrase): "John Q. Public" is everywhere and has one reading
            Token::Special('.') if !name.is_empty() => ".".to_owned(),
            token => return Err(unexpected(*position, token)),
        };
        if gap && !name.is_empty() {
            name.push(' ');
        }
        gap = false;
        name.push_str(&word);
    }
    Ok((!name.is_empty()).then(|| encoded_word::decode(&name)))
}

/// An address from its tokens: gaps only at the ends, nothing inside.
fn address(words: &[(usize, Token<'_>)], start: usize) -> Result<Address, MailboxError> {
    let first = words.iter().position(|(_, token)| *token != Token::Gap);
    let last = words.iter().rposition(|(_, token)| *token != Token::Gap);
    let (Some(first), Some(last)) = (first, last) else {
        return Err(failed(MailboxProblem::Empty, start));
    };
    let mut text = String::new();
    for (position, token) in words.get(first..=last).unwrap_or_default() {
        match token {
            Token::Atom(part) | Token::Quoted(part) | Token::Literal(part) => text.push_str(part),
            Token::Special(c @ ('@' | '.')) => text.push(*c),
            token => return Err(unexpected(*position, token)),
        }
    }
    Address::parse(&text).map_err(|error| failed(MailboxProblem::Address(error), start))
}

fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix('"').and_then(|w| w.strip_suffix('"'));
    let mut plain = String::with_capacity(word.len());
    let mut escaped = false;
    for c in inner.unwrap_or_default().chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            plain.push(c);
        }
    }
    plain
}

fn tokens(value: &str) -> Result<Vec<(usize, Token<'_>)>, MailboxError> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    while let Some(c) = value.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = value.get(at..).unwrap_or_default();
        let (length, token) = match c {
            ' ' | '\t' => (1, Token::Gap),
            '(' => (comment_length(rest, at)?, Token::Gap),
            '"' => {
                let length = closed_length(rest, '"', at)?;
                (
                    length,
                    Token::Quoted(rest.get(..length).unwrap_or_default()),
                )
            }
            '[' => {
                let length = closed_length(rest, ']', at)?;
                (
                    length,
                    Token::Literal(rest.get(..length).unwrap_or_default()),
                )
            }
            '<' | '>' | ',' | ':' | ';' | '@' | '.' => (1, Token::Special(c)),
            c if is_atom_character(c) => {
                let length = rest.find(|c| !is_atom_character(c)).unwrap_or(rest.len());
                (length, Token::Atom(rest.get(..length).unwrap_or_default()))
            }
            c if c.is_control() => return Err(failed(MailboxProblem::Control, at)),
            c => return Err(failed(MailboxProblem::Unexpected(c), at)),
        };
        found.push((at, token));
        at = at.saturating_add(length);
    }
    Ok(found)
}

/// The length of a run that begins with an opening character and ends with `close`.
fn closed_length(rest: &str, close: char, at: usize) -> Result<usize, MailboxError> {
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        if c.is_control() && c != '\t' {
            return Err(failed(MailboxProblem::Control, at.saturating_add(offset)));
        }
        match (escaped, c) {
            (true, _) => escaped = false,
            (false, '\\') => escaped = true,
            (false, c) if c == close => return Ok(offset.saturating_add(1)),
            (false, _) => {}
        }
    }
    Err(failed(MailboxProblem::Unclosed, at))
}

// RFC 5322 §3.2.2: comments nest
fn comment_length(rest: &str, at: usize) -> Result<usize, MailboxError> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (offset, c) in rest.char_indices() {
        if c.is_control() && c != '\t' {
            return Err(failed(MailboxProblem::Control, at.saturating_add(offset)));
        }
        match (escaped, c) {
            (true, _) => escaped = false,
            (false, '\\') => escaped = true,
            (false, '(') => depth = depth.saturating_add(1),
            (false, ')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(offset.saturating_add(1));
                }
            }
            (false, _) => {}
        }
    }
    Err(failed(MailboxProblem::Unclosed, at))
}

fn failed(kind: MailboxProblem, position: usize) -> MailboxError {
    MailboxError { kind, position }
}

fn unexpected(position: usize, token: &Token<'_>) -> MailboxError {
    let c = match token {
        Token::Atom(text) | Token::Quoted(text) | Token::Literal(text) => {
            text.chars().next().unwrap_or(' ')
        }
        Token::Special(c) => *c,
        Token::Gap => ' ',
    };
    failed(MailboxProblem::Unexpected(c), position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(Option<String>, String)> {
        parse_addresses(value)
            .unwrap()
            .into_iter()
            .map(|m| (m.name, m.address.to_string()))
            .collect()
    }

    fn refused(value: &str) -> MailboxProblem {
        parse_mailboxes(value).unwrap_err().kind
    }

    #[test]
    fn names_comments_and_bare_addresses_are_read() {
        assert_eq!(
            read("Alice <a@x.example>, b@y (Bob (the \\) builder)),\"Q, C\" <\"c d\"@z>"),
            [
                (Some("Alice".into()), "a@x.example".into()),
                (None, "b@y".into()),
                (Some("Q, C".into()), "\"c d\"@z".into()),
            ]
        );
        assert_eq!(
            read("John Q. Public <j@x>, =?UTF-8?Q?J=C3=B6rg?= <g@x>"),
            [
                (Some("John Q. Public".into()), "j@x".into()),
                (Some("Jörg".into()), "g@x".into()),
            ]
        );
    }

    #[test]
    fn groups_give_their_members_only_where_groups_may_stand() {
        assert_eq!(
            read("Team: a@x, B <b@x>;, c@x"),
            [
                (None, "a@x".into()),
                (Some("B".into()), "b@x".into()),
                (None, "c@x".into())
            ]
        );
        assert_eq!(read("undisclosed-recipients:;"), []);
        assert_eq!(refused("Team: a@x;"), MailboxProblem::Group);
        assert!(parse_addresses("A: B: c@x;;").is_err());
        assert!(parse_addresses("A: c@x").is_err());
    }

    #[test]
    fn a_value_with_two_readings_is_refused() {
        assert_eq!(refused("boss@x <evil@y>"), MailboxProblem::Unexpected('@'));
        assert_eq!(refused(""), MailboxProblem::Empty);
        assert_eq!(refused("a@x,"), MailboxProblem::Empty);
        assert_eq!(refused("a@x,,b@x"), MailboxProblem::Empty);
        assert_eq!(refused("a @x"), MailboxProblem::Unexpected(' '));
        assert_eq!(refused("<@r:a@x>"), MailboxProblem::Unexpected(':'));
        assert_eq!(refused("<a@x"), MailboxProblem::Unclosed);
        assert_eq!(refused("(a@x"), MailboxProblem::Unclosed);
        assert_eq!(refused("A <a@x> b"), MailboxProblem::Unexpected('b'));
        assert_eq!(refused("A\u{0} <a@x>"), MailboxProblem::Control);
    }
}
