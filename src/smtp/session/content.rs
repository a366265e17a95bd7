//! The message itself: how it arrives by DATA or by BDAT, and what is refused at its end.
//!
//! Promises: a message is read to its true end whatever is wrong with it; the octets of a refused
//! chunk are read and dropped, so that none of them is taken for a command.
//! Refuses: CR, LF or NUL outside lines (then it closes); a last chunk of text without CRLF.
//! Attack stopped here: commands in the octets of a chunk that was refused, or not offered.
//! Standards: RFC 5321 §4.1.1.4; RFC 3030 §2, §3; RFC 6531 §3.1; RFC 2033 §4.2.

use super::super::Reply;
use super::super::command::Chunk;
use super::super::line::{Data, DataFault, LineError, LineProblem, Progress};
use super::order::Verdict;
use super::{Extension, Language, More, Session, State, Step, Waiting};
use crate::message::binary;
use crate::message::envelope::Body;
use crate::message::line::check_within;

/// A chunk that is arriving.
#[derive(Debug)]
pub(super) struct Arriving {
    left: u64,
    chunk: Chunk,
    /// Why its octets are dropped, if they are.
    refused: Option<Reply>,
}

impl Session {
    pub(super) fn begin_data(&mut self) {
        let body = self.envelope.as_ref().map(|envelope| envelope.body);
        if body == Some(Body::BinaryMime) {
            // RFC 3030 §3
            return self.refuse(&Reply::new(503, (5, 5, 1), "BINARYMIME comes by BDAT"));
        }
        let size = usize::try_from(self.size_limit()).unwrap_or(usize::MAX);
        let lines = self.settings.line_limit;
        let declared = self.envelope.as_ref().and_then(|e| e.declared_size);
        self.state = State::Data(Data::new(size, lines, declared));
        self.reply(&Reply::plain(354, "end with CRLF . CRLF"));
    }

    // RFC 3030 §2
    /// BDAT: its octets follow at once, whether it is in order or not.
    pub(super) fn begin_chunk(&mut self, size: u64, chunk: Chunk, verdict: Verdict) {
        if !self.offers(Extension::Chunking) {
            // Who sends what was not offered gets no chance to have its octets read as commands.
            self.reply(&Reply::new(502, (5, 5, 1), "BDAT is not offered"));
            return self.close();
        }
        let have = u64::try_from(self.chunks.len()).unwrap_or(u64::MAX);
        let total = have.saturating_add(size);
        let patience = self
            .settings
            .size_limit
            .saturating_mul(2)
            .saturating_add(1 << 20);
        let refused = match verdict {
            Verdict::Wrong(reply) => Some(reply),
            Verdict::Go if total > self.size_limit() => Some(self.too_large(self.size_limit())),
            Verdict::Go => None,
        };
        if size > patience {
            self.reply(&self.too_large(self.settings.size_limit));
            return self.close();
        }
        if refused.is_none() && self.chunks.is_empty() {
            let declared = self.envelope.as_ref().and_then(|e| e.declared_size);
            let declared = usize::try_from(declared.unwrap_or(0)).unwrap_or(usize::MAX);
            self.chunks.reserve(declared.min(1 << 20));
        }
        self.state = State::Chunk(Arriving {
            left: size,
            chunk,
            refused,
        });
        if size == 0 {
            self.end_of_chunk();
        }
    }

    /// Reads what waits, where octets and no lines are expected.
    pub(super) fn read_content(&mut self) -> More {
        if self.input.is_empty() {
            return More::Wait;
        }
        let bytes = self.input.take();
        self.take_content(&bytes);
        More::Go
    }

    /// Takes in octets of the message; what is behind its end are commands.
    pub(super) fn take_content(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Data(data) => {
                let (used, progress) = data.feed(bytes);
                match progress {
                    Progress::More => {}
                    Progress::Hopeless => {
                        self.reply(&self.too_large(self.size_limit()));
                        self.close();
                    }
                    Progress::Ended => {
                        self.input.feed(bytes.get(used..).unwrap_or_default());
                        if let State::Data(data) = std::mem::replace(&mut self.state, State::Ready)
                        {
                            self.end_of_data(data);
                        }
                    }
                }
            }
            State::Chunk(arriving) => {
                let left = usize::try_from(arriving.left).unwrap_or(usize::MAX);
                let (own, rest) = bytes.split_at_checked(left).unwrap_or((bytes, &[]));
                let used = u64::try_from(own.len()).unwrap_or(u64::MAX);
                arriving.left = arriving.left.saturating_sub(used);
                let is_whole = arriving.left == 0;
                if arriving.refused.is_none() {
                    self.chunks.extend_from_slice(own);
                }
                self.input.feed(rest);
                if is_whole {
                    self.end_of_chunk();
                }
            }
            _ => {}
        }
    }

    fn end_of_chunk(&mut self) {
        let State::Chunk(arriving) = std::mem::replace(&mut self.state, State::Ready) else {
            return;
        };
        if let Some(reply) = arriving.refused {
            // RFC 3030 §2: the transaction is over; further chunks of it get 503
            self.chunks = Vec::new();
            self.envelope = None;
            return match arriving.chunk {
                Chunk::Last => self.refuse_message(&reply),
                Chunk::More => self.refuse(&reply),
            };
        }
        match arriving.chunk {
            Chunk::More => {
                let text = format!("{} octets so far", self.chunks.len());
                self.state = State::Chunks;
                self.reply(&Reply::new(250, (2, 0, 0), &text));
            }
            Chunk::Last => {
                let message = std::mem::take(&mut self.chunks);
                match self.check_chunks(&message) {
                    Ok(()) => self.message_arrived(message),
                    Err(fault) => self.faulty(fault),
                }
            }
        }
    }

    /// Framing by numbers proves nothing about lines: they are checked as those of DATA are.
    fn check_chunks(&self, message: &[u8]) -> Result<(), DataFault> {
        let body = self.envelope.as_ref().map(|envelope| envelope.body);
        let checked = match body {
            Some(Body::BinaryMime) => binary::check(message),
            _ => check_within(message, self.settings.line_limit).and_then(|()| {
                // RFC 3030 §3: only BINARYMIME may end without CRLF
                match message.is_empty() || message.ends_with(b"\r\n") {
                    true => Ok(()),
                    false => Err(LineError {
                        kind: LineProblem::Unended,
                        position: message.len(),
                    }),
                }
            }),
        };
        checked.map_err(|error| match error.kind {
            LineProblem::TooLong(_) => DataFault::LongLine,
            problem => DataFault::Line(problem),
        })
    }

    fn end_of_data(&mut self, data: Data) {
        match data.finish() {
            Ok(message) => self.message_arrived(message),
            Err(fault) => self.faulty(fault),
        }
    }

    fn faulty(&mut self, fault: DataFault) {
        let limit = self.size_limit();
        self.envelope = None;
        match fault {
            DataFault::Line(problem) => {
                // What follows may be meant for somebody else's idea of the end: it is not read.
                let text = format!("refused, nothing was taken: {problem}");
                self.reply_to_message(&Reply::new(550, (5, 5, 2), &text));
                self.close();
            }
            DataFault::LongLine => {
                let limit = self.settings.line_limit;
                let text = format!("a line is longer than {limit} octets");
                self.reply_to_message(&Reply::new(550, (5, 6, 0), &text));
            }
            DataFault::TooLarge => self.reply_to_message(&self.too_large(limit)),
        }
    }

    fn message_arrived(&mut self, message: Vec<u8>) {
        let Some(envelope) = self.envelope.take() else {
            return;
        };
        // RFC 6531 §3.1: without SMTPUTF8 a header is ASCII
        let header_end = memchr::memmem::find(&message, b"\r\n\r\n").unwrap_or(message.len());
        let is_ascii = message.get(..header_end).unwrap_or_default().is_ascii();
        if !is_ascii && !envelope.service.smtputf8.is_yes() {
            let text = "octets above 127 in the header need SMTPUTF8: encode them (RFC 2047)";
            return self.reply_to_message(&Reply::new(550, (5, 6, 7), text));
        }
        self.pending = Some(Step::Mail(envelope, message));
        self.state = State::Waiting(Waiting::Mail);
    }

    // RFC 2033 §4.2: one reply for each RCPT that was taken, in order
    /// Answers a message: once, or for each recipient where LMTP is spoken.
    pub(super) fn reply_to_message(&mut self, reply: &Reply) {
        let times = match self.settings.language {
            Language::Lmtp => std::mem::take(&mut self.taken).max(1),
            Language::Smtp => 1,
        };
        for _ in 0..times {
            self.reply(reply);
        }
    }

    fn refuse_message(&mut self, reply: &Reply) {
        self.reply_to_message(reply);
        self.count_error();
    }
}
