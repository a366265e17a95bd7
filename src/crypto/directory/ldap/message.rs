//! The few LDAP messages that a client needs which only asks: their octets, both ways.
//!
//! Promises: what is searched for goes in as octets of an assertion, never as part of a filter's
//! text: there is nothing to escape, and nothing to inject into.
//! Refuses: indefinite lengths at the frame, answers that are longer or deeper than asked for.
//! Standards: RFC 4511 §4.2, §4.3, §4.5, §4.12, §5.1; RFC 4515 is what is not needed.

use crate::crypto::ber::{BerError, BerErrorKind, Limits, Node, Reader, Tag};

const BIND: Tag = Tag(0x60);
const BOUND: Tag = Tag(0x61);
const UNBIND: Tag = Tag(0x42);
const SEARCH: Tag = Tag(0x63);
const ENTRY: Tag = Tag(0x64);
const DONE: Tag = Tag(0x65);
const REFERENCE: Tag = Tag(0x73);
const EXTENDED: Tag = Tag(0x77);
const EXTENSION: Tag = Tag(0x78);

// RFC 4511 §4.14.1
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Deep enough for every answer: message, entry, attributes, attribute, values.
const DEPTH: usize = 8;

/// How far below its base a search looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    Base,
    Subtree,
}

/// What an entry must be to be found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Equal(&'static str, Vec<u8>),
    Present(&'static str),
}

/// A search.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub base: &'a str,
    pub scope: Scope,
    pub filter: Filter,
    pub attributes: &'a [&'a str],
    /// Entries at most.
    pub most: u64,
    /// Seconds that the server may take.
    pub seconds: u64,
}

/// An entry that was found.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub dn: String,
    pub values: Vec<(String, Vec<u8>)>,
}

/// How an operation ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    pub code: u64,
    pub text: String,
}

/// What a server says.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Bound(Outcome),
    Done(Outcome),
    Entry(Entry),
    Extended(Outcome),
    /// Somewhere else there may be more.
    Reference,
    /// Nobody asked for it: the server is about to go away.
    Unasked(Outcome),
}

fn message(id: u64, operation: Node<'_>) -> Vec<u8> {
    Node::sequence(vec![Node::unsigned(id), operation]).to_vec()
}

// RFC 4511 §4.2
pub(super) fn bind(id: u64, name: &str, password: &[u8]) -> Vec<u8> {
    let operation = vec![
        Node::unsigned(3),
        Node::octet_string(name.as_bytes()),
        Node::tagged_bytes(Tag::context(0), password),
    ];
    message(id, Node::tagged(BIND, operation))
}

// RFC 4511 §4.3
pub(super) fn unbind(id: u64) -> Vec<u8> {
    message(id, Node::tagged_bytes(UNBIND, &[][..]))
}

// RFC 4511 §4.14.1
pub(super) fn start_tls(id: u64) -> Vec<u8> {
    let name = Node::tagged_bytes(Tag::context(0), START_TLS);
    message(id, Node::tagged(EXTENDED, vec![name]))
}

// RFC 4511 §4.5.1
pub(super) fn search(id: u64, search: &Search<'_>) -> Vec<u8> {
    let scope = match search.scope {
        Scope::Base => 0,
        Scope::Subtree => 2,
    };
    let attributes = search
        .attributes
        .iter()
        .map(|name| Node::octet_string(name.as_bytes()))
        .collect();
    let operation = vec![
        Node::octet_string(search.base.as_bytes()),
        Node::unsigned_as(Tag::ENUMERATED, scope),
        // Aliases are not followed: what they point to is not where the operator said.
        Node::unsigned_as(Tag::ENUMERATED, 0),
        Node::unsigned(search.most),
        Node::unsigned(search.seconds),
        Node::tagged_bytes(Tag::BOOLEAN, &[0][..]),
        search.filter.node(),
        Node::sequence(attributes),
    ];
    message(id, Node::tagged(SEARCH, operation))
}

impl Filter {
    // RFC 4511 §4.5.1.7
    fn node(&self) -> Node<'_> {
        fn several(number: u8, filters: &[Filter]) -> Node<'_> {
            let nodes = filters.iter().map(Filter::node).collect();
            Node::tagged(Tag::context_constructed(number), nodes)
        }
        match self {
            Self::All(filters) => several(0, filters),
            Self::Any(filters) => several(1, filters),
            Self::Equal(attribute, value) => Node::tagged(
                Tag::context_constructed(3),
                vec![
                    Node::octet_string(attribute.as_bytes()),
                    Node::octet_string(value.as_slice()),
                ],
            ),
            Self::Present(attribute) => Node::tagged_bytes(Tag::context(7), attribute.as_bytes()),
        }
    }
}

/// The length of the message that begins with `octets`, once enough of it is there to tell.
///
/// # Errors
/// What is no LDAP message.
// RFC 4511 §5.1: definite lengths only
pub(super) fn length(octets: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some((&tag, rest)) = octets.split_first() else {
        return Ok(None);
    };
    if tag != Tag::SEQUENCE.0 {
        return Err("this is no LDAP message");
    }
    let Some((&first, rest)) = rest.split_first() else {
        return Ok(None);
    };
    if first < 0x80 {
        return Ok(Some(usize::from(first).saturating_add(2)));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err("the length of a message is not within bounds");
    }
    let Some(digits) = rest.get(..count) else {
        return Ok(None);
    };
    let length = digits
        .iter()
        .fold(0usize, |length, digit| (length << 8) | usize::from(*digit));
    Ok(Some(length.saturating_add(count).saturating_add(2)))
}

/// The number of a message, and what it says.
///
/// # Errors
/// When it is none, or says what nobody asks for here.
pub(super) fn read(octets: &[u8]) -> Result<(u64, Answer), BerError> {
    let limits = Limits {
        depth: DEPTH,
        ..Limits::default()
    };
    let mut outer = Reader::new(octets, limits);
    let mut message = outer.sequence()?;
    outer.finish()?;
    let id = message.unsigned()?;
    let unexpected = |found| BerErrorKind::UnexpectedTag {
        expected: ENTRY,
        found,
    };
    let operation = message
        .next_element()?
        .ok_or(message.error(BerErrorKind::Missing { expected: ENTRY }))?;
    let mut inside = operation.reader()?;
    let answer = match operation.tag() {
        ENTRY => Answer::Entry(entry(&mut inside)?),
        REFERENCE => Answer::Reference,
        BOUND => Answer::Bound(outcome(&mut inside)?),
        DONE => Answer::Done(outcome(&mut inside)?),
        // RFC 4511 §4.4: message 0 is an unsolicited notification
        EXTENSION if id == 0 => Answer::Unasked(outcome(&mut inside)?),
        EXTENSION => Answer::Extended(outcome(&mut inside)?),
        other => return Err(message.error(unexpected(other))),
    };
    Ok((id, answer))
}

// RFC 4511 §4.1.9
fn outcome(inside: &mut Reader<'_>) -> Result<Outcome, BerError> {
    let code = inside.expect(Tag::ENUMERATED)?.unsigned()?;
    inside.expect_string(Tag::OCTET_STRING)?;
    let text = text(inside)?;
    Ok(Outcome { code, text })
}

// RFC 4511 §4.5.2
fn entry(inside: &mut Reader<'_>) -> Result<Entry, BerError> {
    let dn = text(inside)?;
    let mut values = Vec::new();
    let mut attributes = inside.sequence()?;
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence()?;
        let description = text(&mut attribute)?;
        let mut set = attribute.expect(Tag::SET)?.reader()?;
        while !set.is_empty() {
            let value = set.expect_string(Tag::OCTET_STRING)?;
            values.push((description.clone(), value.octets()?.into_owned()));
        }
    }
    Ok(Entry { dn, values })
}

fn text(reader: &mut Reader<'_>) -> Result<String, BerError> {
    let octets = reader.expect_string(Tag::OCTET_STRING)?.octets()?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn answer(id: u64, tag: Tag, inside: Vec<Node<'_>>) -> Vec<u8> {
        message(id, Node::tagged(tag, inside))
    }

    fn result(tag: Tag, id: u64, code: u64, said: &str) -> Vec<u8> {
        let inside = vec![
            Node::unsigned_as(Tag::ENUMERATED, code),
            Node::octet_string(&[][..]),
            Node::octet_string(said.as_bytes()),
        ];
        answer(id, tag, inside)
    }

    /// SearchResultDone, for the servers of other tests.
    pub fn done(id: u64, code: u64) -> Vec<u8> {
        result(DONE, id, code, "")
    }

    /// BindResponse.
    pub fn bound(id: u64, code: u64) -> Vec<u8> {
        result(BOUND, id, code, "")
    }

    /// ExtendedResponse.
    pub fn extended(id: u64, code: u64) -> Vec<u8> {
        result(EXTENSION, id, code, "said")
    }

    /// SearchResultReference.
    pub fn reference(id: u64) -> Vec<u8> {
        answer(id, REFERENCE, vec![Node::octet_string(&b"ldap://x"[..])])
    }

    /// SearchResultEntry with these attributes.
    pub fn found(id: u64, dn: &str, values: &[(&str, &[u8])]) -> Vec<u8> {
        let attributes = values
            .iter()
            .map(|(name, value)| {
                Node::sequence(vec![
                    Node::octet_string(name.as_bytes()),
                    Node::tagged(Tag::SET, vec![Node::octet_string(*value)]),
                ])
            })
            .collect();
        let inside = vec![
            Node::octet_string(dn.as_bytes()),
            Node::sequence(attributes),
        ];
        answer(id, ENTRY, inside)
    }

    #[test]
    fn what_is_looked_for_is_an_assertion_and_no_text_of_a_filter() {
        let value = b"*)(|(cn=*\x00\\2a".to_vec();
        let octets = search(
            2,
            &Search {
                base: "o=Lab",
                scope: Scope::Subtree,
                filter: Filter::All(vec![
                    Filter::Present("objectClass"),
                    Filter::Any(vec![Filter::Equal("mail", value.clone())]),
                ]),
                attributes: &["userCertificate;binary"],
                most: 2,
                seconds: 3,
            },
        );
        let mut expected = vec![0xa3, u8::try_from(value.len()).unwrap() + 8, 4, 4];
        expected.extend_from_slice(b"mail");
        expected.extend_from_slice(&[4, u8::try_from(value.len()).unwrap()]);
        expected.extend_from_slice(&value);
        let at = octets.windows(expected.len()).position(|w| w == expected);
        assert!(at.is_some());
        assert_eq!(length(&octets), Ok(Some(octets.len())));
    }

    #[test]
    fn answers_are_read() {
        let name = |text: &str| (text.to_owned(), b"a@b".to_vec());
        let entry = found(7, "cn=A", &[("mail", b"a@b"), ("mail", b"a@b")]);
        let expected = Entry {
            dn: "cn=A".into(),
            values: vec![name("mail"), name("mail")],
        };
        assert_eq!(read(&entry), Ok((7, Answer::Entry(expected))));
        let outcome = |code, text: &str| Outcome {
            code,
            text: text.into(),
        };
        assert_eq!(read(&done(1, 4)), Ok((1, Answer::Done(outcome(4, "")))));
        assert_eq!(read(&bound(1, 49)), Ok((1, Answer::Bound(outcome(49, "")))));
        let said = outcome(52, "said");
        assert_eq!(read(&extended(0, 52)), Ok((0, Answer::Unasked(said))));
        assert_eq!(read(&reference(3)), Ok((3, Answer::Reference)));
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_nothing_worse() {
        let good = found(7, "cn=A", &[("mail", b"a@b")]);
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = good.clone();
                changed[at] ^= flip;
                let _ = read(&changed);
            }
        }
        assert!(read(&search_request()).is_err());
        let deep: Vec<u8> = [0x30, 0x80].repeat(100_000);
        assert!(read(&deep).is_err());
        assert_eq!(length(b"0"), Ok(None));
        assert_eq!(length(b"0\x82\x01"), Ok(None));
        assert_eq!(length(b"0\x82\x01\x00"), Ok(Some(260)));
        assert!(length(b"0\x80").is_err() && length(b"0\x85\x01\x01\x01\x01\x01").is_err());
        assert!(length(b"HTTP/1.1 400").is_err());
    }

    fn search_request() -> Vec<u8> {
        unbind(3)
    }
}
