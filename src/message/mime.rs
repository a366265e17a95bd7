//! MIME structure as byte ranges over the message, which stays as it is.
//!
//! Promises: a child of a multipart is the exact octets between two delimiters, without the CRLF
//! that belongs to the delimiter: what was signed can be hashed as it came. No decoding happens
//! until `decoded` is asked.
//! Refuses: everything that two programs could cut in two ways: delimiter lines with a tail, a
//! missing close delimiter, two Content-Types, encoded multiparts, unknown encodings.
//! Standards: RFC 2045 §5, §6; RFC 2046 §5.1, §5.2; RFC 1847 §2.1; RFC 8551 §3.

use std::borrow::Cow;
use std::ops::Range;

use super::content_type::{ContentType, Disposition, ParameterError};
pub use super::header::Limits;
use super::header::{HeaderError, HeaderProblem, Headers};

mod decode;
mod write;

pub use write::{Transfer, base64_lines, multipart_signed, pkcs7_mime, pkcs7_mime_in_place};

/// One entity: a message, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Header and body.
    pub range: Range<usize>,
    /// The header section.
    pub headers: Headers,
    /// The body.
    pub body: Range<usize>,
    /// The media type; `text/plain` if the header does not say.
    pub content_type: ContentType,
    /// The transfer encoding; 7bit if the header does not say.
    pub encoding: Encoding,
    /// The parts of a multipart, or the one message in a message/rfc822.
    pub children: Vec<Entity>,
}

// RFC 2045 §6.1
/// A content transfer encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of octets.
    EightBit,
    /// Octets.
    Binary,
    /// Quoted-printable.
    QuotedPrintable,
    /// Base64.
    Base64,
}

/// How an entity is protected by S/MIME, as its media type claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smime {
    /// multipart/signed: two children, the content and a detached signature.
    Detached,
    /// application/pkcs7-mime, or a file named as such: one CMS object.
    Opaque,
}

/// A message whose structure cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MIME, octet {position}: {kind}")]
pub struct MimeError {
    /// What is wrong.
    pub kind: MimeProblem,
    /// Where, in octets from the start of the message.
    pub position: usize,
}

/// What is wrong with the structure of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MimeProblem {
    /// Base64 that is not.
    #[error("not base64: lines of A-Z a-z 0-9 + / with = at the end only")]
    Base64,
    /// A multipart without boundary, or with one that RFC 2046 does not allow.
    #[error("a multipart needs a boundary of 1 to 70 characters")]
    Boundary,
    /// A line that begins like a delimiter but goes on.
    #[error("a line begins with the boundary but goes on: it can be read in two ways")]
    BoundaryTail,
    /// `Content-Type` or `Content-Disposition` cannot be read.
    #[error("Content-Type or Content-Disposition: {0}")]
    ContentType(ParameterError),
    /// More levels than the limit.
    #[error("more than {0} levels")]
    Depth(usize),
    /// Octets above 127 in a 7bit body, or NUL, or line ends that are not CRLF.
    #[error("the body is not what its transfer encoding says")]
    Encoding,
    /// An encoded multipart or message.
    #[error("a multipart or message must not be base64 or quoted-printable")]
    EncodedStructure,
    /// A header section that cannot be read.
    #[error(transparent)]
    Header(HeaderProblem),
    /// Not a line rule of the house.
    #[error("lines must end with CRLF only")]
    Lines,
    /// More parts than the limit.
    #[error("more than {0} parts")]
    Parts(usize),
    /// Quoted-printable that is not.
    #[error("not quoted-printable: = and two hexadecimal digits, or = at the end of a line")]
    QuotedPrintable,
    /// A multipart without its close delimiter, or without parts.
    #[error("a multipart does not end with its close delimiter, or has no part")]
    Unclosed,
    /// A transfer encoding that is not one of the five.
    #[error("an unknown Content-Transfer-Encoding")]
    UnknownEncoding,
    /// Something that cannot be put into a header.
    #[error("a value cannot be written into a header")]
    Unwritable,
}

impl Entity {
    /// Reads the entity that stands at `range`. Ranges of what is found count from the start of
    /// `bytes`.
    pub fn parse(bytes: &[u8], range: Range<usize>, limits: Limits) -> Result<Self, MimeError> {
        let mut parts = 0;
        Self::read(bytes, range, limits, 0, &mut parts)
    }

    /// Reads a whole message.
    pub fn parse_all(bytes: &[u8], limits: Limits) -> Result<Self, MimeError> {
        Self::parse(bytes, 0..bytes.len(), limits)
    }

    fn read(
        bytes: &[u8],
        range: Range<usize>,
        limits: Limits,
        depth: usize,
        parts: &mut usize,
    ) -> Result<Self, MimeError> {
        *parts = parts.saturating_add(1);
        if *parts > limits.parts {
            return Err(failed(MimeProblem::Parts(limits.parts), range.start));
        }
        if depth > limits.depth {
            return Err(failed(MimeProblem::Depth(limits.depth), range.start));
        }
        let (headers, body_start) = Headers::parse_range(bytes, range.clone(), limits)?;
        let body = body_start..range.end;
        let content_type = content_type(&headers)?;
        let encoding = encoding(&headers)?;
        let mut entity = Self {
            range,
            headers,
            body,
            content_type,
            encoding,
            children: Vec::new(),
        };
        let inner = entity.inner_ranges(bytes)?;
        // RFC 2045 §6.4
        if !inner.is_empty() && !entity.encoding.is_identity() {
            return Err(failed(MimeProblem::EncodedStructure, entity.range.start));
        }
        for child in inner {
            let deeper = depth.saturating_add(1);
            let child = Self::read(bytes, child, limits, deeper, parts)?;
            entity.children.push(child);
        }
        Ok(entity)
    }

    fn inner_ranges(&self, bytes: &[u8]) -> Result<Vec<Range<usize>>, MimeError> {
        match self.content_type.type_.as_str() {
            "multipart" => {
                let boundary = self.content_type.param("boundary").unwrap_or_default();
                if !is_boundary(boundary) {
                    return Err(failed(MimeProblem::Boundary, self.range.start));
                }
                children(bytes, &self.body, boundary)
            }
            "message" if matches!(self.content_type.subtype.as_str(), "rfc822" | "global") => {
                Ok(vec![self.body.clone()])
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The octets of header and body.
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// The octets of the body, still encoded.
    pub fn body_bytes<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.body.clone()).unwrap_or_default()
    }

    /// The body, decoded strictly.
    pub fn decoded<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, MimeError> {
        decode::decoded(self.body_bytes(bytes), self.encoding).map_err(|mut error| {
            error.position = error.position.saturating_add(self.body.start);
            error
        })
    }

    /// The name of the file that the entity would be, without any path.
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.headers.first("Content-Disposition");
        disposition
            .and_then(|field| Disposition::parse(field.value()).ok())
            .and_then(|d| d.file_name().map(str::to_owned))
            .or_else(|| self.content_type.param("name").map(str::to_owned))
    }

    // RFC 8551 §3.10; the older x-pkcs7 names are still sent
    /// Whether, and how, the media type claims S/MIME. What is inside says the CMS alone.
    pub fn smime(&self) -> Option<Smime> {
        let names_cms = || {
            self.file_name().is_some_and(|name| {
                let name = name.to_ascii_lowercase();
                [".p7m", ".p7s", ".p7c", ".p7z"]
                    .iter()
                    .any(|end| name.ends_with(end))
            })
        };
        match (
            self.content_type.type_.as_str(),
            self.content_type.subtype.as_str(),
        ) {
            ("multipart", "signed") => matches!(
                self.content_type
                    .param("protocol")?
                    .to_ascii_lowercase()
                    .as_str(),
                "application/pkcs7-signature" | "application/x-pkcs7-signature"
            )
            .then_some(Smime::Detached),
            ("application", "pkcs7-mime" | "x-pkcs7-mime") => Some(Smime::Opaque),
            ("application", "octet-stream") if names_cms() => Some(Smime::Opaque),
            _ => None,
        }
    }
}

impl Encoding {
    /// Whether the body is the content itself.
    pub fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }
}

impl From<HeaderError> for MimeError {
    fn from(error: HeaderError) -> Self {
        failed(MimeProblem::Header(error.kind), error.position)
    }
}

fn content_type(headers: &Headers) -> Result<ContentType, MimeError> {
    let Some(field) = headers.single("Content-Type")? else {
        return Ok(ContentType::text_plain());
    };
    ContentType::parse(field.value())
        .map_err(|error| failed(MimeProblem::ContentType(error), field.value_range().start))
}

fn encoding(headers: &Headers) -> Result<Encoding, MimeError> {
    let Some(field) = headers.single("Content-Transfer-Encoding")? else {
        return Ok(Encoding::SevenBit);
    };
    match field.value().to_ascii_lowercase().as_str() {
        "7bit" => Ok(Encoding::SevenBit),
        "8bit" => Ok(Encoding::EightBit),
        "binary" => Ok(Encoding::Binary),
        "quoted-printable" => Ok(Encoding::QuotedPrintable),
        "base64" => Ok(Encoding::Base64),
        _ => Err(failed(
            MimeProblem::UnknownEncoding,
            field.value_range().start,
        )),
    }
}

// RFC 2046 §5.1.1
fn is_boundary(boundary: &str) -> bool {
    (1..=70).contains(&boundary.len())
        && !boundary.ends_with(' ')
        && boundary
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c))
}

/// The parts between the delimiters of one multipart.
fn children(
    bytes: &[u8],
    body: &Range<usize>,
    boundary: &str,
) -> Result<Vec<Range<usize>>, MimeError> {
    let content = bytes.get(body.clone()).unwrap_or_default();
    let delimiter = format!("--{boundary}");
    let finder = memchr::memmem::Finder::new(delimiter.as_bytes());
    let mut found = Vec::new();
    let mut part_start = None;
    let mut from = 0_usize;
    while let Some(offset) = content.get(from..).and_then(|rest| finder.find(rest)) {
        let start = from.saturating_add(offset);
        let end = start.saturating_add(delimiter.len());
        from = end;
        let before = content.get(..start).unwrap_or_default();
        if !(start == 0 || before.ends_with(b"\r\n")) {
            continue;
        }
        let (kind, next) = delimiter_end(content, end)
            .ok_or_else(|| failed(MimeProblem::BoundaryTail, body.start.saturating_add(start)))?;
        if let Some(part_start) = part_start {
            // RFC 2046 §5.1.1: the CRLF before the delimiter belongs to the delimiter. A part of
            // no octets has its own CRLF eaten by the delimiter before it.
            let part_end = start.saturating_sub(2).max(part_start);
            found.push(body.start.saturating_add(part_start)..body.start.saturating_add(part_end));
        }
        if kind == Delimiter::Close {
            return match found.is_empty() {
                true => Err(failed(MimeProblem::Unclosed, body.start)),
                false => Ok(found),
            };
        }
        part_start = Some(next);
        from = next;
    }
    Err(failed(MimeProblem::Unclosed, body.end))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Close,
    Next,
}

/// What follows a boundary: `--` if it closes, then padding, then CRLF or the end.
fn delimiter_end(content: &[u8], at: usize) -> Option<(Delimiter, usize)> {
    let rest = content.get(at..)?;
    let (kind, rest) = match rest.strip_prefix(b"--") {
        Some(rest) => (Delimiter::Close, rest),
        None => (Delimiter::Next, rest),
    };
    let padding = rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    let after = rest.get(padding..)?;
    let past = content.len().saturating_sub(after.len());
    match after {
        [b'\r', b'\n', ..] => Some((kind, past.saturating_add(2))),
        [] => Some((kind, past)),
        _ => None,
    }
}

fn failed(kind: MimeProblem, position: usize) -> MimeError {
    MimeError { kind, position }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Entity, MimeProblem> {
        Entity::parse_all(text.as_bytes(), Limits::default()).map_err(|error| error.kind)
    }

    const SIGNED: &str = "Content-Type: multipart/signed; boundary=b; \
        protocol=\"application/pkcs7-signature\"\r\n\r\npreamble\r\n--b\r\nContent-Type: text/plain\r\n\
        \r\nHello\r\n--bb is no delimiter? it is refused elsewhere\r\n";

    #[test]
    fn a_child_is_the_exact_octets_between_delimiters() {
        let text = "Content-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\nx\r\n--b 1 \t\r\nA: b\r\n\r\n \
            Hello \r\n\r\n--b 1\r\n\r\nsecond\r\n--b 1--\r\nepilogue";
        let entity = read(text).unwrap();
        let parts: Vec<&[u8]> = entity
            .children
            .iter()
            .map(|c| c.bytes(text.as_bytes()))
            .collect();
        assert_eq!(parts, [&b"A: b\r\n\r\n Hello \r\n"[..], b"\r\nsecond"]);
        let second = entity.children.last().unwrap();
        assert_eq!(second.body_bytes(text.as_bytes()), b"second");
        assert!(second.content_type.is("text", "plain"));
    }

    #[test]
    fn messages_inside_messages_are_indexed() {
        let text = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody";
        let entity = read(text).unwrap();
        let inner = entity.children.first().unwrap();
        assert_eq!(inner.headers.first("subject").unwrap().value(), "in");
        assert_eq!(inner.body_bytes(text.as_bytes()), b"body");
    }

    #[test]
    fn structure_with_two_readings_is_refused() {
        assert_eq!(read(SIGNED), Err(MimeProblem::BoundaryTail));
        let part = |head: &str, body: &str| read(&format!("{head}\r\n\r\n{body}"));
        let mixed = "Content-Type: multipart/mixed; boundary=b";
        assert_eq!(part(mixed, "--b\r\n\r\na"), Err(MimeProblem::Unclosed));
        assert_eq!(part(mixed, "--b--\r\n"), Err(MimeProblem::Unclosed));
        assert_eq!(part(mixed, ""), Err(MimeProblem::Unclosed));
        assert_eq!(
            part("Content-Type: multipart/mixed", "--\r\n"),
            Err(MimeProblem::Boundary)
        );
        assert_eq!(
            part(&format!("{mixed}\r\n{mixed}"), ""),
            Err(MimeProblem::Header(HeaderProblem::Duplicate))
        );
        assert_eq!(
            part(
                &format!("{mixed}\r\nContent-Transfer-Encoding: base64"),
                "--b\r\n\r\na\r\n--b--"
            ),
            Err(MimeProblem::EncodedStructure)
        );
        assert_eq!(
            part("Content-Transfer-Encoding: x-uuencode", ""),
            Err(MimeProblem::UnknownEncoding)
        );
    }

    #[test]
    fn depth_and_number_of_parts_are_bounded() {
        let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(40);
        assert_eq!(read(&deep), Err(MimeProblem::Depth(32)));
        let wide = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            "--b\r\n\r\n\r\n".repeat(1000)
        );
        assert_eq!(read(&wide), Err(MimeProblem::Parts(1000)));
    }

    #[test]
    fn smime_is_recognised_by_type_or_file_name() {
        let kind = |head: &str| read(&format!("{head}\r\n\r\n")).unwrap().smime();
        assert_eq!(
            kind("Content-Type: application/pkcs7-mime; smime-type=signed-data"),
            Some(Smime::Opaque)
        );
        assert_eq!(
            kind("Content-Type: application/octet-stream; name=\"a.P7M\""),
            Some(Smime::Opaque)
        );
        assert_eq!(
            kind("Content-Type: application/octet-stream; name=a.pdf"),
            None
        );
        assert_eq!(kind("Content-Type: text/plain; name=a.p7m"), None);
    }
}
