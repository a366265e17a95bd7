//! Replies: what a server says, written and read.
//!
//! Promises: a written reply has CRLF lines of at most 512 octets of printable ASCII, whatever the
//! text was made of; a reply that is read has one code in all its lines.
//! Refuses (on reading): lines that are no reply, codes that change, more than 128 lines.
//! Standards: RFC 5321 §4.2, §4.5.3.1.5; RFC 2034 §4; RFC 3463 §2.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::line::{LineFault, Lines};

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code, where there is one (2xx, 4xx and 5xx, but not the greeting).
    pub enhanced: Option<(u8, u16, u16)>,
    /// The text, line by line, without codes.
    pub lines: Vec<String>,
}

/// What a reply asks the client to do next: its first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 2xx: done.
    Done,
    /// 3xx: go on.
    GoOn,
    /// 4xx: not now.
    NotNow,
    /// 5xx, and everything unknown: no.
    No,
}

/// A stream that is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line that is not `250 text` or `250-text`.
    #[error("not a reply line: {0:?}")]
    Line(String),
    /// A line end that is not CRLF, a control character, or a line without end.
    #[error("a reply line has a control character, does not end with CRLF, or is too long")]
    LineEnd,
    /// The lines of one reply have two codes.
    #[error("one reply has two codes, {0} and {1}")]
    TwoCodes(u16, u16),
    /// Too many lines.
    #[error("a reply has more than 128 lines")]
    TooMany,
}

// RFC 5321 §4.5.3.1.5: 512 octets with code and CRLF
const TEXT_LIMIT: usize = 480;
const LINES_LIMIT: usize = 128;

impl Reply {
    /// A reply with one line of text; line ends in the text begin further lines.
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: &str) -> Self {
        Self {
            code,
            enhanced: Some(enhanced),
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    /// A reply without an enhanced code: greeting, EHLO, 354.
    pub fn plain(code: u16, text: &str) -> Self {
        Self {
            enhanced: None,
            ..Self::new(code, (0, 0, 0), text)
        }
    }

    /// What it asks the client to do next.
    pub fn class(&self) -> Class {
        match self.code {
            200..=299 => Class::Done,
            300..=399 => Class::GoOn,
            400..=499 => Class::NotNow,
            _ => Class::No,
        }
    }

    /// The enhanced code, or x.0.0 of its class.
    pub fn status(&self) -> (u8, u16, u16) {
        let class = match self.class() {
            Class::Done | Class::GoOn => 2,
            Class::NotNow => 4,
            Class::No => 5,
        };
        self.enhanced.unwrap_or((class, 0, 0))
    }

    /// The text in one line.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    // RFC 5321 §4.2.1; RFC 2034 §4: the enhanced code stands in every line
    /// The reply as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut pieces: Vec<String> = self
            .lines
            .iter()
            .flat_map(|line| wire_lines(line))
            .collect();
        if pieces.is_empty() {
            pieces.push(String::new());
        }
        let last = pieces.len().saturating_sub(1);
        let mut out = String::new();
        for (number, piece) in pieces.iter().enumerate() {
            let separator = if number == last { ' ' } else { '-' };
            out.push_str(&format!("{:03}{separator}", self.code.clamp(200, 599)));
            if let Some((class, subject, detail)) = self.enhanced {
                out.push_str(&format!("{class}.{subject}.{detail} "));
            }
            out.push_str(piece);
            out.push_str("\r\n");
        }
        out.into_bytes()
    }
}

impl fmt::Display for Reply {
    /// In one line, for people and events.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some((class, subject, detail)) = self.enhanced {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        write!(f, " {}", self.text())
    }
}

/// Printable ASCII only: a reply must not carry a line end or a control that came from a message.
fn wire_lines(text: &str) -> Vec<String> {
    let clean: Vec<char> = text
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            ' '..='~' => c,
            _ => '?',
        })
        .collect();
    if clean.is_empty() {
        return vec![String::new()];
    }
    clean
        .chunks(TEXT_LIMIT)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

/// Replies out of a stream that arrives in pieces.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    lines: Lines,
    begun: Option<Reply>,
}

impl Replies {
    /// Adds what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
    }

    /// The next reply, if all its lines are there.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        loop {
            let line = self.lines.next_line().map_err(|fault| match fault {
                LineFault::Control | LineFault::TooLong => ReplyError::LineEnd,
            })?;
            let Some(line) = line else {
                return Ok(None);
            };
            let (code, more, text) = reply_line(&line)?;
            let mut reply = self.begun.take().unwrap_or(Reply {
                code,
                enhanced: None,
                lines: Vec::new(),
            });
            // RFC 5321 §4.2.1: all lines have the same code
            if reply.code != code {
                return Err(ReplyError::TwoCodes(reply.code, code));
            }
            if reply.lines.len() >= LINES_LIMIT {
                return Err(ReplyError::TooMany);
            }
            let (enhanced, text) = split_enhanced(code, &text);
            reply.enhanced = reply.enhanced.or(enhanced);
            reply.lines.push(text.to_owned());
            match more {
                More::Follows => self.begun = Some(reply),
                More::Last => return Ok(Some(reply)),
            }
        }
    }

    /// Whether nothing waits to be read.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.begun.is_none()
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Follows,
    Last,
}

fn reply_line(line: &[u8]) -> Result<(u16, More, String), ReplyError> {
    let text = String::from_utf8_lossy(line);
    let wrong = || ReplyError::Line(text.chars().take(80).collect());
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(ReplyError::LineEnd);
    }
    let (digits, rest) = text.split_at_checked(3).ok_or_else(wrong)?;
    // RFC 5321 §4.2: first digit 2 to 5, second 0 to 5
    let code = match digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits
            .parse()
            .ok()
            .filter(|code| (200..=559).contains(code)),
        false => None,
    };
    let code = code.ok_or_else(wrong)?;
    match rest.split_at_checked(1) {
        None => Ok((code, More::Last, String::new())),
        Some((" ", text)) => Ok((code, More::Last, text.to_owned())),
        Some(("-", text)) => Ok((code, More::Follows, text.to_owned())),
        Some(_) => Err(wrong()),
    }
}

// RFC 3463 §2
fn split_enhanced(code: u16, text: &str) -> (Option<(u8, u16, u16)>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = word.split('.');
    let mut part = || -> Option<u16> {
        let digits = parts.next()?;
        let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| plain)
    };
    let numbers = (part(), part(), part());
    let (Some(class), Some(subject), Some(detail)) = numbers else {
        return (None, text);
    };
    let fits = parts.next().is_none()
        && [2, 4, 5].contains(&class)
        && code.checked_div(100) == Some(class);
    match u8::try_from(class).ok().filter(|_| fits) {
        Some(class) => (Some((class, subject, detail)), rest),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let mut replies = Replies::default();
        replies.feed(stream);
        replies.next_reply()
    }

    #[test]
    fn a_reply_reads_back_as_written() {
        for reply in [
            Reply::new(250, (2, 1, 0), "fine"),
            Reply::new(550, (5, 7, 1), "one\ntwo"),
            Reply::plain(354, "go on"),
        ] {
            assert_eq!(read(&reply.to_bytes()), Ok(Some(reply)));
        }
        let two = Reply::new(550, (5, 7, 1), "one\ntwo").to_bytes();
        assert_eq!(two, b"550-5.7.1 one\r\n550 5.7.1 two\r\n");
    }

    #[test]
    fn no_control_character_goes_out() {
        let reply = Reply {
            code: 550,
            enhanced: None,
            lines: vec!["a\r\n250 ok\u{1b}\u{85}ü".into(), "x".repeat(2000)],
        };
        let bytes = reply.to_bytes();
        assert!(bytes.starts_with(b"550-a??250 ok???\r\n"));
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.split("\r\n")
                .all(|l| l.len() <= 510 && !l.contains(['\r', '\n']))
        );
        assert_eq!(text.matches("550 ").count(), 1);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        assert_eq!(read(b"250-a\r\n"), Ok(None));
        assert_eq!(
            read(b"250-a\r\n550 b\r\n"),
            Err(ReplyError::TwoCodes(250, 550))
        );
        for bad in [
            &b"hello\r\n"[..],
            b"25\r\n",
            b"250x\r\n",
            b"199 a\r\n",
            b"999 a\r\n",
            b"+25 a\r\n",
        ] {
            assert!(matches!(read(bad), Err(ReplyError::Line(_))), "{bad:?}");
        }
        assert_eq!(read(b"250 a\n"), Err(ReplyError::LineEnd));
        assert_eq!(read(&b"250-a\r\n".repeat(200)), Err(ReplyError::TooMany));
    }

    #[test]
    fn an_enhanced_code_belongs_to_its_class() {
        assert_eq!(
            read(b"250 2.1.5 ok\r\n").unwrap().unwrap().enhanced,
            Some((2, 1, 5))
        );
        assert_eq!(read(b"250 5.1.5 ok\r\n").unwrap().unwrap().enhanced, None);
        assert_eq!(
            read(b"250 2.1 ok\r\n").unwrap().unwrap().status(),
            (2, 0, 0)
        );
    }
}
