//! New header fields.
//!
//! Promises: what is written is ASCII, folded at 78 octets where the value has white space, lines
//! end with CRLF, and reading it gives the value back.
//! Refuses: CR, LF, NUL and other controls in values (header injection), names that are none,
//! words that no folding brings under 998 octets.
//! Standards: RFC 5322 §2.1.1, §2.2.3; RFC 2047 for non-ASCII text.

use super::super::encoded_word;
use super::super::line::TEXT_LINE;

/// One field as it goes on the wire, folded, with its CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    name: String,
    bytes: Vec<u8>,
}

/// A field that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The value holds a control character.
    #[error("the value of {name} has a control character at octet {position}")]
    Control {
        /// The field.
        name: String,
        /// Where in the value.
        position: usize,
    },
    /// The name is no field name.
    #[error("{0:?} is not the name of a header field")]
    Name(String),
    /// A structured value has characters outside ASCII.
    #[error("the value of {name} is not ASCII at octet {position}: encode its words first")]
    NotAscii {
        /// The field.
        name: String,
        /// Where in the value.
        position: usize,
    },
    /// A word without white space that is longer than a line may be.
    #[error("the value of {0} has a word longer than 998 octets: it cannot be folded")]
    TooLong(String),
}

// RFC 5322 §2.1.1
const FOLD_AT: usize = 78;

impl Line {
    /// A field with a structured value (addresses, parameters, dates): ASCII, written as it is.
    pub fn structured(name: &str, value: &str) -> Result<Self, WriteError> {
        check(name, value)?;
        if let Some(position) = value.bytes().position(|b| !b.is_ascii()) {
            return Err(WriteError::NotAscii {
                name: name.to_owned(),
                position,
            });
        }
        fold(name, value)
    }

    // RFC 2047 §5 (1)
    /// A field with text for people (Subject, Comments): encoded words where it is not ASCII.
    pub fn text(name: &str, value: &str) -> Result<Self, WriteError> {
        check(name, value)?;
        let words: Vec<&str> = value.split([' ', '\t']).collect();
        // A long word would not fold, and what looks encoded would be decoded: encode both.
        let plain =
            value.is_ascii() && !value.contains("=?") && words.iter().all(|w| w.len() < 900);
        if plain {
            fold(name, value)
        } else {
            fold(name, &encoded_word::encode(value))
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The octets, CRLF included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A header section in the making.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A section without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field with a structured value: see [`Line::structured`].
    pub fn field(&mut self, name: &str, value: &str) -> Result<&mut Self, WriteError> {
        let line = Line::structured(name, value)?;
        Ok(self.line(&line))
    }

    /// Adds a field with text for people: see [`Line::text`].
    pub fn text(&mut self, name: &str, value: &str) -> Result<&mut Self, WriteError> {
        let line = Line::text(name, value)?;
        Ok(self.line(&line))
    }

    /// Adds a written field.
    pub fn line(&mut self, line: &Line) -> &mut Self {
        self.bytes.extend_from_slice(line.bytes());
        self
    }

    /// The fields, without the empty line that ends a section.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// The fields, the empty line, and a body.
    pub fn with_body(mut self, body: &[u8]) -> Vec<u8> {
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(body);
        self.bytes
    }
}

fn check(name: &str, value: &str) -> Result<(), WriteError> {
    // RFC 5322 §3.6.8
    let is_name = !name.is_empty()
        && name.len() <= 76
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if !is_name {
        return Err(WriteError::Name(name.chars().take(80).collect()));
    }
    match value
        .char_indices()
        .find(|(_, c)| c.is_control() && *c != '\t')
    {
        Some((position, _)) => Err(WriteError::Control {
            name: name.to_owned(),
            position,
        }),
        None => Ok(()),
    }
}

// RFC 5322 §2.2.3: a CRLF goes before white space that is there already, so that unfolding gives
// the very same value; the break is before a run of white space, so no line is white space only
fn fold(name: &str, value: &str) -> Result<Line, WriteError> {
    let mut bytes = Vec::with_capacity(value.len().saturating_add(name.len()).saturating_add(16));
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(b':');
    let mut column = bytes.len();
    let value = format!(" {}", value.trim_matches([' ', '\t']));
    let mut rest = value.as_str();
    while !rest.is_empty() {
        let gap = rest.find(|c| c != ' ' && c != '\t').unwrap_or(rest.len());
        let word = rest
            .get(gap..)
            .and_then(|after| after.find([' ', '\t']))
            .map_or(rest.len(), |length| gap.saturating_add(length));
        let (piece, after) = rest.split_at_checked(word).unwrap_or((rest, ""));
        let blank = piece.len() == gap;
        if !blank && column > 1 && column.saturating_add(piece.len()) > FOLD_AT {
            bytes.extend_from_slice(b"\r\n");
            column = 0;
        }
        column = column.saturating_add(piece.len());
        if column > TEXT_LINE {
            return Err(WriteError::TooLong(name.to_owned()));
        }
        bytes.extend_from_slice(piece.as_bytes());
        rest = after;
    }
    bytes.extend_from_slice(b"\r\n");
    Ok(Line {
        name: name.to_owned(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Headers, Limits};
    use super::*;

    fn read_back(line: &Line) -> String {
        let (headers, _) = Headers::parse(line.bytes(), Limits::default()).unwrap();
        headers.fields().first().unwrap().value().to_owned()
    }

    #[test]
    fn folded_values_read_back_unchanged() {
        let many = "word  and word, ".repeat(40);
        for value in ["", "short", many.trim(), &"x".repeat(200), "a    b"] {
            let line = Line::structured("Field", value).unwrap();
            assert_eq!(read_back(&line), value);
        }
        let line = Line::structured("Field", many.trim()).unwrap();
        let text = String::from_utf8(line.bytes().to_vec()).unwrap();
        assert!(text.lines().count() > 5);
        assert!(text.lines().all(|l| l.len() <= 78), "{text}");
    }

    #[test]
    fn text_outside_ascii_is_encoded() {
        let value = "Übung in der Ostsee, äußerst lange Überschrift mit vielen Wörtern darin";
        let line = Line::text("Subject", value).unwrap();
        assert!(line.bytes().is_ascii());
        assert_eq!(encoded_word::decode(&read_back(&line)), value);
        let looks_encoded = Line::text("Subject", "=?utf-8?q?a?=").unwrap();
        assert_eq!(
            encoded_word::decode(&read_back(&looks_encoded)),
            "=?utf-8?q?a?="
        );
    }

    #[test]
    fn no_value_can_start_another_field() {
        for bad in ["a\r\nBcc: x", "a\nb", "a\rb", "a\0b"] {
            assert!(matches!(
                Line::structured("A", bad),
                Err(WriteError::Control { position: 1, .. })
            ));
            assert!(Line::text("A", bad).is_err());
        }
        assert!(Line::structured("A:", "b").is_err());
        assert!(Line::structured("A b", "c").is_err());
        assert!(Line::structured("A", "ü").is_err());
        assert_eq!(
            Line::structured("A", &"x".repeat(999)),
            Err(WriteError::TooLong("A".into()))
        );
    }
}
