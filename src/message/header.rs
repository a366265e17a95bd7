//! Header sections: an index of fields over bytes that stay as they are.
//!
//! Promises: every field's range is the exact octets received, folding and CRLF included; the
//! order and every duplicate are kept. `write` makes new fields, `edit` changes single fields of
//! a message and leaves all other octets alone.
//! Refuses: lines that are no field, white space before the colon, lines of white space only,
//! bare CR, bare LF, NUL, more fields or octets than the limits allow: each has been used to make
//! two programs see two different headers.
//! Standards: RFC 5322 §2.1, §2.2, without the obsolete forms of §4.5; RFC 6532 (UTF-8).

use std::borrow::Cow;
use std::ops::Range;

use super::line::{LineError, LineProblem};

mod edit;
mod write;

pub use edit::{Edit, edited, without};
pub use write::{Line, WriteError, Writer};

/// How much structure a message may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one header section.
    pub header_octets: usize,
    /// Fields of one header section.
    pub fields: usize,
    /// Levels of multipart and message/rfc822.
    pub depth: usize,
    /// Entities in the whole message.
    pub parts: usize,
}

impl Default for Limits {
    /// 128 KiB and 1000 fields per header section, 32 levels, 1000 parts.
    fn default() -> Self {
        Self {
            header_octets: 131_072,
            fields: 1000,
            depth: 32,
            parts: 1000,
        }
    }
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    range: Range<usize>,
    value: Range<usize>,
    unfolded: String,
}

impl Field {
    /// The name as written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the field of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The whole field in the bytes that were parsed: name, value, folding, last CRLF.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// What stands between the colon and the last CRLF in the bytes that were parsed.
    pub fn value_range(&self) -> Range<usize> {
        self.value.clone()
    }

    /// The value unfolded, without white space at its ends. Octets that are not UTF-8 show as
    /// U+FFFD; encoded words are not decoded.
    pub fn value(&self) -> &str {
        &self.unfolded
    }

    /// The octets of the whole field, from the bytes that were parsed.
    pub fn raw<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.range()).unwrap_or_default()
    }
}

/// The fields of one header section, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<Field>,
}

/// A header section that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header, octet {position}: {kind}")]
pub struct HeaderError {
    /// What is wrong.
    pub kind: HeaderProblem,
    /// Where, in octets from the start of the bytes that were parsed.
    pub position: usize,
}

/// What is wrong with a header section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// CR without LF.
    #[error("a CR without LF")]
    BareCr,
    /// LF without CR.
    #[error("an LF without CR")]
    BareLf,
    /// A continuation line of white space only, or before the first field.
    #[error("a continuation line without text, or without a field before it")]
    Continuation,
    /// A field that may stand once stands twice.
    #[error("this field may stand only once")]
    Duplicate,
    /// A line without a field name and colon.
    #[error("a line is not `Name: value`; an empty line must end the header")]
    NotAField,
    /// NUL.
    #[error("a NUL octet")]
    Nul,
    /// More fields than the limit.
    #[error("more than {0} fields")]
    TooMany(usize),
    /// More octets than the limit.
    #[error("longer than {0} octets")]
    TooLong(usize),
}

impl Headers {
    /// Reads the header section that `bytes` begin with; the number is where the body begins.
    /// Without an empty line all is header, and the body begins (and ends) at the end.
    pub fn parse(bytes: &[u8], limits: Limits) -> Result<(Self, usize), HeaderError> {
        Self::parse_range(bytes, 0..bytes.len(), limits)
    }

    /// As [`Headers::parse`], on a part of `bytes`; ranges and positions count from the start of
    /// `bytes`.
    pub fn parse_range(
        bytes: &[u8],
        part: Range<usize>,
        limits: Limits,
    ) -> Result<(Self, usize), HeaderError> {
        let mut fields: Vec<Field> = Vec::new();
        let mut at = part.start;
        loop {
            let line = PhysicalLine::read(bytes, at, &part, limits)?;
            match line.text {
                // The end of the bytes, or the empty line.
                [] => {
                    unfold(bytes, &mut fields);
                    return Ok((Self { fields }, line.next));
                }
                [b' ' | b'\t', ..] => {
                    let empty = line.text.iter().all(|b| matches!(b, b' ' | b'\t'));
                    match fields.last_mut() {
                        Some(field) if !empty => {
                            field.range.end = line.next;
                            field.value.end = line.end;
                        }
                        _ => return Err(failed(HeaderProblem::Continuation, at)),
                    }
                }
                text => {
                    let name = field_name(text).ok_or(failed(HeaderProblem::NotAField, at))?;
                    if fields.len() >= limits.fields {
                        return Err(failed(HeaderProblem::TooMany(limits.fields), at));
                    }
                    let colon = at.saturating_add(name.len());
                    fields.push(Field {
                        name: name.to_owned(),
                        range: at..line.next,
                        value: colon.saturating_add(1)..line.end,
                        unfolded: String::new(),
                    });
                }
            }
            at = line.next;
        }
    }

    /// All fields, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The first field of that name, in any case.
    pub fn first(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.is(name))
    }

    /// All fields of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// How often the field stands there.
    pub fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    /// The field of that name if it stands there once; twice is an error.
    pub fn single(&self, name: &str) -> Result<Option<&Field>, HeaderError> {
        let mut found = self.fields.iter().filter(|field| field.is(name));
        let first = found.next();
        match found.next() {
            Some(second) => Err(failed(HeaderProblem::Duplicate, second.range.start)),
            None => Ok(first),
        }
    }
}

impl From<HeaderError> for LineError {
    fn from(error: HeaderError) -> Self {
        let kind = match error.kind {
            HeaderProblem::BareCr => LineProblem::BareCr,
            HeaderProblem::BareLf => LineProblem::BareLf,
            HeaderProblem::Nul => LineProblem::Nul,
            other => LineProblem::Header(other),
        };
        Self {
            kind,
            position: error.position,
        }
    }
}

/// One physical line of a header section.
struct PhysicalLine<'a> {
    text: &'a [u8],
    /// Where its CRLF stands.
    end: usize,
    /// Where the next line begins.
    next: usize,
}

impl<'a> PhysicalLine<'a> {
    fn read(
        bytes: &'a [u8],
        at: usize,
        part: &Range<usize>,
        limits: Limits,
    ) -> Result<Self, HeaderError> {
        let rest = bytes.get(at..part.end).unwrap_or_default();
        let length = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
        let end = at.saturating_add(length);
        let next = match (rest.get(length), rest.get(length.saturating_add(1))) {
            (None, _) => end,
            (Some(b'\r'), Some(b'\n')) => end.saturating_add(2),
            (Some(b'\r'), _) => return Err(failed(HeaderProblem::BareCr, end)),
            (Some(b'\n'), _) => return Err(failed(HeaderProblem::BareLf, end)),
            _ => return Err(failed(HeaderProblem::Nul, end)),
        };
        if next.saturating_sub(part.start) > limits.header_octets {
            return Err(failed(HeaderProblem::TooLong(limits.header_octets), at));
        }
        Ok(Self {
            text: rest.get(..length).unwrap_or_default(),
            end,
            next,
        })
    }
}

// RFC 5322 §3.6.8: printable ASCII but colon; nothing between name and colon (that is §4.5.8)
fn field_name(line: &[u8]) -> Option<&str> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = line.get(..colon)?;
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

// RFC 5322 §2.2.3: a CRLF before white space is removed, the white space stays
fn unfold(bytes: &[u8], fields: &mut [Field]) {
    for field in fields {
        let raw = bytes.get(field.value_range()).unwrap_or_default();
        let text = match memchr::memchr2(b'\r', b'\n', raw) {
            None => Cow::Borrowed(raw),
            Some(_) => {
                let mut text = raw.to_vec();
                text.retain(|b| !matches!(b, b'\r' | b'\n'));
                Cow::Owned(text)
            }
        };
        field.unfolded = String::from_utf8_lossy(&text)
            .trim_matches([' ', '\t'])
            .to_owned();
    }
}

fn failed(kind: HeaderProblem, position: usize) -> HeaderError {
    HeaderError { kind, position }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> (HeaderProblem, usize) {
        let error = Headers::parse(bytes, Limits::default()).unwrap_err();
        (error.kind, error.position)
    }

    #[test]
    fn fields_keep_their_exact_octets() {
        let bytes = b"From: a@x\r\nSubject:  one\r\n\ttwo \r\nsubject:three\r\n\r\nbody";
        let (headers, body) = Headers::parse(bytes, Limits::default()).unwrap();
        assert_eq!(bytes.get(body..).unwrap(), b"body");
        assert_eq!(headers.fields().len(), 3);
        let subject = headers.first("SUBJECT").unwrap();
        assert_eq!(subject.value(), "one\ttwo");
        assert_eq!(subject.raw(bytes), b"Subject:  one\r\n\ttwo \r\n");
        assert_eq!(headers.count("Subject"), 2);
        assert_eq!(headers.single("From").unwrap().unwrap().value(), "a@x");
        assert_eq!(headers.single("To"), Ok(None));
        assert_eq!(
            headers.single("Subject").unwrap_err().kind,
            HeaderProblem::Duplicate
        );
    }

    #[test]
    fn a_section_may_be_empty_or_end_with_the_bytes() {
        let read = |bytes| Headers::parse(bytes, Limits::default()).unwrap();
        assert_eq!(read(b"\r\nbody").1, 2);
        assert_eq!(read(b"").1, 0);
        assert_eq!(read(b"A: b").1, 4);
        assert_eq!(read(b"A: b\r\n").0.fields().len(), 1);
    }

    #[test]
    fn lines_with_two_readings_are_refused() {
        assert_eq!(problem(b"A : b\r\n"), (HeaderProblem::NotAField, 0));
        assert_eq!(
            problem(b"A: b\r\nnofield\r\n"),
            (HeaderProblem::NotAField, 6)
        );
        assert_eq!(problem(b" A: b\r\n"), (HeaderProblem::Continuation, 0));
        assert_eq!(
            problem(b"A: b\r\n \r\nB: c\r\n"),
            (HeaderProblem::Continuation, 6)
        );
        assert_eq!(problem(b"A: b\nB: c\r\n"), (HeaderProblem::BareLf, 4));
        assert_eq!(problem(b"A: b\rB: c\r\n"), (HeaderProblem::BareCr, 4));
        assert_eq!(problem(b"A: \0\r\n"), (HeaderProblem::Nul, 3));
    }

    #[test]
    fn limits_hold() {
        let many = "A: b\r\n".repeat(1001);
        assert_eq!(problem(many.as_bytes()).0, HeaderProblem::TooMany(1000));
        let long = format!("A: {}\r\n", "x".repeat(131_072));
        assert_eq!(problem(long.as_bytes()).0, HeaderProblem::TooLong(131_072));
    }
}
