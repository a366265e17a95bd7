//! Command lines and the DATA stream, in and out: the place where smuggling is stopped.
//!
//! Promises: a command line ends with CRLF only; DATA ends with CRLF . CRLF only, wherever the
//! stream is split; a faulty message is read to its true end, so that both sides still agree on
//! what is content and what is command; what goes out is checked again and dot-stuffed.
//! Refuses: bare CR, bare LF, NUL, over-long lines, over-large messages.
//! Attack stopped here: "LF . LF", "CRLF . CR CR LF" and their like end no message here, and none
//! of them is ever sent on, so the next server cannot take them for an end either.
//! Standards: RFC 5321 §2.3.8, §4.1.1.4, §4.5.2, §4.5.3.1; RFC 1870 §6.

use std::borrow::Cow;

use memchr::{memchr2, memchr3, memmem};

use crate::message::line::check_within;
pub use crate::message::line::{LineError, LineProblem, TEXT_LINE};

/// The longest command line, CRLF included.
pub const COMMAND_LINE: usize = 4096;

/// Lines out of a stream that arrives in pieces.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// What is before was taken.
    start: usize,
    /// What is before holds no line end.
    scanned: usize,
}

/// Why the stream holds no further line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// A bare CR, a bare LF, or NUL.
    Control,
    /// No end within the limit.
    TooLong,
}

impl Lines {
    /// Adds what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line without its CRLF, if it is there.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, LineFault> {
        let from = self.scanned.max(self.start);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let Some(offset) = memchr3(b'\r', b'\n', 0, rest) else {
            self.scanned = self.buffer.len();
            return self.within_limit(self.buffer.len()).map(|()| None);
        };
        let at = from.saturating_add(offset);
        self.within_limit(at)?;
        let after = at.saturating_add(1);
        match (self.buffer.get(at), self.buffer.get(after)) {
            (Some(b'\r'), Some(b'\n')) => {
                let line = self.buffer.get(self.start..at).map(<[u8]>::to_vec);
                self.start = at.saturating_add(2);
                self.scanned = self.start;
                Ok(line)
            }
            // The LF may still be on its way.
            (Some(b'\r'), None) => {
                self.scanned = at;
                Ok(None)
            }
            _ => Err(LineFault::Control),
        }
    }

    fn within_limit(&self, end: usize) -> Result<(), LineFault> {
        match end.saturating_sub(self.start) > COMMAND_LINE.saturating_sub(2) {
            true => Err(LineFault::TooLong),
            false => Ok(()),
        }
    }

    /// Whether nothing waits to be read.
    pub fn is_empty(&self) -> bool {
        self.start >= self.buffer.len()
    }

    /// Takes everything that waits, as it came.
    pub fn take(&mut self) -> Vec<u8> {
        let start = self.start.min(self.buffer.len());
        let rest = self.buffer.split_off(start);
        self.clear();
        rest
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What is wrong with a message that arrived by DATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFault {
    /// A bare CR, a bare LF, or NUL.
    Line(LineProblem),
    /// A line over the limit.
    LongLine,
    /// More octets than the limit.
    TooLarge,
}

/// Whether the end of data was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// CRLF . CRLF was read.
    Ended,
    /// Far over the limit, and no end: reading on would only cost.
    Hopeless,
    /// Not yet.
    More,
}

/// The reader of one message.
#[derive(Debug)]
pub struct Data {
    message: Vec<u8>,
    at: At,
    fault: Option<DataFault>,
    size_limit: usize,
    line_limit: usize,
    /// Octets of the present line so far.
    line: usize,
    /// Octets of the stream so far.
    read: usize,
}

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// After CRLF, or after the CRLF of the DATA command.
    LineStart,
    /// After CRLF and a dot.
    Dot,
    /// After CRLF, a dot and CR.
    DotCr,
    /// Inside a line.
    Inside,
    /// After a CR.
    Cr,
}

impl Data {
    /// A reader for a message of at most `size_limit` octets with lines of at most `line_limit`
    /// octets without CRLF. The size that the client declared only saves copying: it is believed
    /// up to 1 MiB.
    pub fn new(size_limit: usize, line_limit: usize, declared: Option<u64>) -> Self {
        let declared = usize::try_from(declared.unwrap_or(0)).unwrap_or(usize::MAX);
        Self {
            message: Vec::with_capacity(declared.min(size_limit).min(1 << 20)),
            at: At::LineStart,
            fault: None,
            size_limit,
            line_limit,
            line: 0,
            read: 0,
        }
    }

    /// Reads on. The number says how many octets belonged to the message, its end included; what
    /// is after them are commands.
    pub fn feed(&mut self, bytes: &[u8]) -> (usize, Progress) {
        let mut at = 0_usize;
        // Octets from here to `at` are content and not stored yet: one copy for many lines.
        let mut run = 0_usize;
        while let Some(&octet) = bytes.get(at) {
            let next = at.saturating_add(1);
            match (self.at, octet) {
                (At::LineStart, b'.') => {
                    // RFC 5321 §4.5.2: a leading dot is not content
                    self.store(bytes.get(run..at));
                    run = next;
                    self.at = At::Dot;
                }
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => {
                    self.read = self.read.saturating_add(next);
                    return (next, Progress::Ended);
                }
                (At::DotCr, _) => {
                    // CRLF . CR and something else: not an end. The CR stands alone.
                    self.note(DataFault::Line(LineProblem::BareCr));
                    self.at = At::Inside;
                    continue;
                }
                (At::Cr, b'\n') => {
                    self.at = At::LineStart;
                    self.line = 0;
                }
                (At::Cr, _) => {
                    self.note(DataFault::Line(LineProblem::BareCr));
                    self.at = At::Inside;
                    continue;
                }
                (_, b'\r') => self.at = At::Cr,
                (_, b'\n') => {
                    self.note(DataFault::Line(LineProblem::BareLf));
                    self.at = At::Inside;
                }
                (_, 0) => {
                    self.note(DataFault::Line(LineProblem::Nul));
                    self.at = At::Inside;
                }
                _ => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let length = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                    self.at = At::Inside;
                    self.line = self.line.saturating_add(length);
                    if self.line > self.line_limit {
                        self.note(DataFault::LongLine);
                    }
                    at = at.saturating_add(length);
                    continue;
                }
            }
            at = next;
        }
        // A CR after a leading dot is not stored: it is either part of the end or a fault.
        if self.at != At::DotCr {
            self.store(bytes.get(run..));
        }
        self.read = self.read.saturating_add(bytes.len());
        let patience = self.size_limit.saturating_mul(2).saturating_add(1 << 20);
        match self.read > patience {
            true => (bytes.len(), Progress::Hopeless),
            false => (bytes.len(), Progress::More),
        }
    }

    /// The message with dots unstuffed, or what is wrong with it.
    pub fn finish(self) -> Result<Vec<u8>, DataFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.message),
        }
    }

    fn store(&mut self, bytes: Option<&[u8]>) {
        let bytes = bytes.unwrap_or_default();
        if self.message.len().saturating_add(bytes.len()) > self.size_limit {
            self.note(DataFault::TooLarge);
        }
        if self.fault.is_none() {
            self.message.extend_from_slice(bytes);
        }
    }

    /// Keeps the gravest fault: one of the line discipline closes the connection, so no fault of
    /// size may hide it. A faulty message is not kept.
    fn note(&mut self, fault: DataFault) {
        if !matches!(self.fault, Some(DataFault::Line(_))) {
            self.fault = Some(fault);
        }
        self.message = Vec::new();
    }
}

// RFC 5321 §4.5.2
/// The message as it goes after DATA, without the dot that ends it: checked against the line rule
/// and dot-stuffed. Borrowed if no line begins with a dot.
pub fn stuff(message: &[u8], line_limit: usize) -> Result<Cow<'_, [u8]>, LineError> {
    check_within(message, line_limit)?;
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        return Err(LineError {
            kind: LineProblem::Unended,
            position: message.len(),
        });
    }
    let leading = message.starts_with(b".");
    if !leading && memmem::find(message, b"\r\n.").is_none() {
        return Ok(Cow::Borrowed(message));
    }
    let mut out = Vec::with_capacity(message.len().saturating_add(64));
    if leading {
        out.push(b'.');
    }
    let mut from = 0_usize;
    for at in memmem::find_iter(message, b"\r\n.") {
        let dot = at.saturating_add(2);
        out.extend_from_slice(message.get(from..dot).unwrap_or_default());
        out.push(b'.');
        from = dot;
    }
    out.extend_from_slice(message.get(from..).unwrap_or_default());
    Ok(Cow::Owned(out))
}

/// Whether a line of protocol text is free of CR, LF, NUL and other controls.
pub(super) fn is_clean(line: &[u8]) -> bool {
    memchr2(b'\r', b'\n', line).is_none() && !line.iter().any(u8::is_ascii_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unstuff(stream: &[u8]) -> (usize, Progress, Result<Vec<u8>, DataFault>) {
        let mut data = Data::new(1000, 998, None);
        let (used, progress) = data.feed(stream);
        (used, progress, data.finish())
    }

    #[test]
    fn dots_are_stuffed_and_unstuffed() {
        let message = b".\r\n..\r\na.b\r\n.c\r\n";
        let stuffed = stuff(message, 998).unwrap();
        assert_eq!(*stuffed, *b"..\r\n...\r\na.b\r\n..c\r\n");
        let mut stream = stuffed.into_owned();
        stream.extend_from_slice(b".\r\nMAIL");
        let (used, progress, read) = unstuff(&stream);
        assert_eq!(progress, Progress::Ended);
        assert_eq!(stream.get(used..).unwrap(), b"MAIL");
        assert_eq!(read.unwrap(), message);
        assert!(matches!(stuff(b"a\r\n", 998), Ok(Cow::Borrowed(_))));
        assert_eq!(unstuff(b".\r\n").2.unwrap(), b"");
    }

    #[test]
    fn near_misses_end_nothing_and_are_faults() {
        for near in [
            &b"a\n.\n"[..],
            b"a\n.\r\n",
            b"a\r\n.\n",
            b"a\r.\r",
            b"a\r\n.\r",
            b"a\r.\r\n",
            b"a\r\n.\r\r\n",
            b"a\r\n\0.\r\n",
        ] {
            let mut stream = near.to_vec();
            stream.extend_from_slice(b"MAIL FROM:<x@y>\r\n");
            let (_, progress, read) = unstuff(&stream);
            assert_eq!(progress, Progress::More, "{near:?}");
            assert!(matches!(read, Err(DataFault::Line(_))), "{near:?}");
            stream.extend_from_slice(b".\r\n");
            assert_eq!(unstuff(&stream).1, Progress::Ended, "{near:?}");
        }
    }

    #[test]
    fn limits_of_size_and_line_hold_and_the_end_is_still_found() {
        let mut data = Data::new(10, 5, None);
        let stream = b"abc\r\nabc\r\nabc\r\n.\r\n";
        assert_eq!(data.feed(stream), (stream.len(), Progress::Ended));
        assert_eq!(data.finish(), Err(DataFault::TooLarge));
        let mut data = Data::new(100, 5, None);
        assert_eq!(data.feed(b"abcdef\r\n.\r\n").1, Progress::Ended);
        assert_eq!(data.finish(), Err(DataFault::LongLine));
        let mut data = Data::new(10, 5, None);
        assert_eq!(data.feed(&vec![b'a'; 2 << 20]).1, Progress::Hopeless);
        assert!(stuff(b"abcdef\r\n", 5).is_err());
        assert_eq!(stuff(b"abc", 5).unwrap_err().kind, LineProblem::Unended);
    }

    #[test]
    fn command_lines_end_with_crlf_only() {
        let mut lines = Lines::default();
        lines.feed(b"NOOP\r\nQU");
        assert_eq!(lines.next_line(), Ok(Some(b"NOOP".to_vec())));
        assert_eq!(lines.next_line(), Ok(None));
        lines.feed(b"IT\r");
        assert_eq!(lines.next_line(), Ok(None));
        lines.feed(b"\nx");
        assert_eq!(lines.next_line(), Ok(Some(b"QUIT".to_vec())));
        assert_eq!(lines.take(), b"x");
        for bad in [&b"NOOP\n"[..], b"NO\rOP\r\n", b"NO\0OP\r\n"] {
            let mut lines = Lines::default();
            lines.feed(bad);
            assert_eq!(lines.next_line(), Err(LineFault::Control));
        }
        let mut lines = Lines::default();
        lines.feed(&[b'a'; 4095]);
        assert_eq!(lines.next_line(), Err(LineFault::TooLong));
    }
}
