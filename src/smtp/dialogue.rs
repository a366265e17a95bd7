//! The client's side of one connection, SMTP or LMTP, as a state machine: bytes in, moves out.
//!
//! Promises: every recipient gets exactly one outcome; content goes out octet for octet (dots
//! stuffed) or not at all; where TLS is needed nothing of a message is said before it; one
//! connection carries many transactions.
//! Refuses: servers that do not offer what the message needs (8BITMIME, BINARYMIME, SMTPUTF8,
//! REQUIRETLS, DELIVERBY, SIZE): the recipient's outcome is `Failed`, nothing is converted, because
//! conversion breaks signatures, and nothing that was asked for is silently left away.
//! Attacks stopped here: replies injected before the handshake; a stripped STARTTLS; a reply to a
//! message that was not sent yet.
//! Standards: RFC 5321 §3, §4.5.3.2; RFC 2033 (LMTP); RFC 2920; RFC 3207; RFC 1870; RFC 6152;
//! RFC 6710; RFC 3030; RFC 3461; RFC 8689; RFC 6531; RFC 2852.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Reply;
use super::line::{TEXT_LINE, is_clean};
use super::reply::{Class, Replies};
use crate::clock::Timestamp;
use crate::message::Precedence;
use crate::message::address::{Address, ReversePath};
use crate::message::service::Terms;

mod active;
mod outcome;

use active::{Active, Offers};
pub use outcome::{Cause, Outcome, Outgoing};

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// LMTP: one reply for each recipient after the message.
    Lmtp,
    /// SMTP.
    Smtp,
}

/// What becomes of the wish for a report of success once a server has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// The server delivers to the mailbox and says so: we report.
    Delivers,
    /// The server was told of the wish, and reports.
    Reports,
    /// The server knows no reports: we say that the message was relayed to it.
    Silent,
}

/// Whether TLS must be there before a message is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsNeed {
    /// It need not.
    Never,
    /// It must. On a port of implicit TLS call [`Dialogue::secured`] before anything else.
    Required,
}

/// One message for recipients behind this server.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Whom failures are reported to.
    pub from: ReversePath,
    /// The recipients, each once.
    pub recipients: Vec<Address>,
    /// The message: CRLF lines, not dot-stuffed.
    pub bytes: Arc<[u8]>,
    /// How urgent it is; said where MT-PRIORITY is offered.
    pub precedence: Precedence,
    /// What the envelope asks for: passed on, or the message is not.
    pub terms: Terms,
    /// The time: what is left until a deadline counts from here.
    pub at: Timestamp,
}

/// What the owner of the connection does next.
#[derive(Clone, Debug)]
pub enum Move {
    /// Close the connection: it is of no further use.
    Close,
    /// The transaction is over. Next: [`Dialogue::again`], or [`Dialogue::quit`].
    Done(Vec<(Address, Outcome)>),
    /// Read from the connection and [`Dialogue::feed`]; not longer than [`Dialogue::patience`].
    NeedInput,
    /// Write this to the connection.
    Send(Outgoing),
    /// Make the TLS handshake, verify the server, then call [`Dialogue::secured`].
    StartTls,
}

/// Which reply is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The greeting.
    Greeting,
    /// EHLO or LHLO.
    Hello,
    /// HELO, after EHLO was not understood.
    OldHello,
    /// STARTTLS.
    StartTls,
    /// None: the handshake is being made.
    Handshake,
    /// RSET, before the next transaction.
    Reset,
    /// MAIL.
    Mail,
    /// Those to commands that were sent together and lost their purpose: so many, that to DATA last.
    Unwanted(usize),
    /// RCPT, of the recipient with this number.
    Rcpt(usize),
    /// DATA.
    Data,
    /// The message; with LMTP of the taken recipient with this number.
    Final(usize),
    /// None: there is no transaction.
    Idle,
    /// QUIT.
    Quit,
    /// None: the connection is of no further use.
    Closed,
}

/// One connection.
#[derive(Debug)]
pub struct Dialogue {
    protocol: Protocol,
    helo: String,
    tls: TlsNeed,
    line_limit: usize,
    state: State,
    is_secured: bool,
    /// Whether a transaction was left half-way, so that RSET must come first.
    needs_reset: bool,
    offers: Offers,
    replies: Replies,
    output: VecDeque<Outgoing>,
    active: Option<Active>,
    pending: Option<Move>,
}

impl Dialogue {
    /// A dialogue on a connection on which nothing was said yet.
    pub fn new(protocol: Protocol, helo: &str, tls: TlsNeed, transaction: Transaction) -> Self {
        Self {
            protocol,
            helo: helo.to_owned(),
            tls,
            line_limit: TEXT_LINE,
            state: State::Greeting,
            is_secured: false,
            needs_reset: false,
            offers: Offers::default(),
            replies: Replies::default(),
            output: VecDeque::new(),
            active: Some(Active::new(transaction)),
            pending: None,
        }
    }

    /// Lets lines be longer than 998 octets, towards a peer that is known to keep them whole.
    pub fn with_line_limit(mut self, octets: usize) -> Self {
        self.line_limit = octets;
        self
    }

    /// Begins another transaction, after `Done`. On a closed connection it is deferred at once.
    pub fn again(&mut self, transaction: Transaction) {
        self.active = Some(Active::new(transaction));
        // What a server says unasked (mostly 421) must not be taken for the reply to MAIL.
        if self.state == State::Idle && self.replies.is_empty() {
            self.begin();
        } else {
            self.broken(
                (4, 4, 2),
                "the connection was closed before the message was sent",
            );
        }
    }

    // RFC 3461 §5.2.2
    /// What becomes of the wish for a report once this server has a message.
    pub fn onward(&self) -> Onward {
        match (self.offers.dsn, self.protocol) {
            (true, _) => Onward::Reports,
            (false, Protocol::Lmtp) => Onward::Delivers,
            (false, Protocol::Smtp) => Onward::Silent,
        }
    }

    /// Whether the connection is of no further use.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed || !self.replies.is_empty()
    }

    /// Says goodbye, after `Done`.
    pub fn quit(&mut self) {
        if self.state == State::Idle {
            self.state = State::Quit;
            self.command("QUIT");
        } else {
            self.state = State::Closed;
        }
    }

    /// Takes in what the connection gave.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.replies.feed(bytes);
    }

    /// The connection broke, or took too long: who has no outcome yet is deferred.
    pub fn lost(&mut self, why: &str) {
        self.output.clear();
        self.broken((4, 4, 2), why);
    }

    // RFC 3207 §4.2: what the server said before is forgotten
    /// The handshake is made and the server is who it should be.
    pub fn secured(&mut self) {
        self.replies.clear();
        self.offers = Offers::default();
        self.is_secured = true;
        if self.state == State::Handshake {
            self.pending = None;
            self.hello();
        }
    }

    /// What to do next.
    #[expect(clippy::should_implement_trait, reason = "moves never run out")]
    pub fn next(&mut self) -> Move {
        loop {
            if let Some(output) = self.output.pop_front() {
                return Move::Send(output);
            }
            if let Some(step) = self.pending.take() {
                return step;
            }
            match self.state {
                State::Closed => return Move::Close,
                State::Handshake => return Move::NeedInput,
                State::Idle if !self.replies.is_empty() => {
                    self.state = State::Closed;
                    continue;
                }
                _ => {}
            }
            match self.replies.next_reply() {
                Ok(Some(reply)) => self.hear(reply),
                Ok(None) => return Move::NeedInput,
                Err(error) => {
                    let text = format!("the server's reply cannot be read: {error}");
                    self.broken((4, 5, 0), &text);
                }
            }
        }
    }

    // RFC 5321 §4.5.3.2, within the values of our own table
    /// How long the present reply may take.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(match self.state {
            State::Greeting | State::Hello | State::OldHello | State::StartTls => 60,
            State::Handshake | State::Quit | State::Closed => 30,
            State::Data => 120,
            State::Final(_) => 600,
            _ => 300,
        })
    }

    fn hear(&mut self, reply: Reply) {
        // RFC 5321 §3.8: 421 may come at any time and closes
        if reply.code == 421 {
            self.state = State::Closed;
            return self.finish_with(&Outcome::Deferred(Cause::Peer(reply)));
        }
        let class = reply.class();
        match (self.state, class) {
            (State::Greeting, Class::Done) => self.hello(),
            (State::Hello, Class::Done) => {
                self.offers = Offers::read(&reply);
                self.after_hello();
            }
            (State::OldHello, Class::Done) => self.after_hello(),
            (State::Hello, Class::No) if self.may_fall_back() => {
                self.state = State::OldHello;
                self.command(&format!("HELO {}", self.helo));
            }
            (State::StartTls, Class::Done) => self.start_handshake(),
            (State::Reset, Class::Done) => {
                self.needs_reset = false;
                self.mail();
            }
            // The server cannot be spoken to: that says nothing about the message.
            (
                State::Greeting | State::Hello | State::OldHello | State::StartTls | State::Reset,
                _,
            ) => {
                self.give_up(Cause::Peer(reply));
            }
            (State::Mail, Class::Done) => self.next_recipient(0),
            (State::Mail, _) => self.mail_refused(reply),
            (State::Unwanted(left), _) => self.unwanted(left, class),
            (State::Rcpt(at), _) => self.recipient_answered(at, reply),
            (State::Data, Class::GoOn) => self.send_message(),
            (State::Data, _) => {
                self.needs_reset = true;
                self.finish_with(&Outcome::of_refusal(reply));
            }
            (State::Final(at), _) => self.message_answered(at, reply),
            (State::Handshake | State::Idle | State::Quit | State::Closed, _) => {
                self.state = State::Closed;
            }
        }
    }

    fn hello(&mut self) {
        self.state = State::Hello;
        let verb = match self.protocol {
            Protocol::Lmtp => "LHLO",
            Protocol::Smtp => "EHLO",
        };
        self.command(&format!("{verb} {}", self.helo));
    }

    // RFC 5321 §3.2; never where TLS is needed, since HELO cannot offer it
    fn may_fall_back(&self) -> bool {
        self.protocol == Protocol::Smtp && (self.is_secured || self.tls == TlsNeed::Never)
    }

    fn after_hello(&mut self) {
        if self.is_secured || self.tls == TlsNeed::Never {
            self.begin();
        } else if self.offers.starttls {
            self.state = State::StartTls;
            self.command("STARTTLS");
        } else {
            // Whoever strips STARTTLS on the way gets no message.
            let text = "TLS is required for this link, and the server does not offer STARTTLS";
            self.give_up(Cause::Local(Reply::new(454, (4, 7, 10), text)));
        }
    }

    fn start_handshake(&mut self) {
        if self.replies.is_empty() {
            self.state = State::Handshake;
            self.pending = Some(Move::StartTls);
        } else {
            self.broken((4, 7, 0), "the server went on talking before the handshake");
        }
    }

    /// Checks whether this server can have the message, then opens the transaction.
    fn begin(&mut self) {
        let (offers, line_limit) = (&self.offers, self.line_limit);
        let Some(active) = &mut self.active else {
            self.state = State::Idle;
            return;
        };
        active.check(offers, line_limit, self.is_secured, self.protocol);
        if active.is_decided() {
            self.finish();
        } else if self.needs_reset {
            self.state = State::Reset;
            self.command("RSET");
        } else {
            self.mail();
        }
    }

    // RFC 2920 §3.1: DATA is the last of a group
    fn mail(&mut self) {
        self.state = State::Mail;
        let Some(active) = &self.active else {
            return;
        };
        let mail = active.mail(&self.offers);
        let together = match self.offers.pipelining {
            true => active.rcpts(),
            false => Vec::new(),
        };
        let with_data = self.says_data_at_once();
        self.command(&mail);
        for recipient in together {
            self.command(&recipient);
        }
        if with_data {
            self.command("DATA");
        }
    }

    /// Whether DATA goes together with MAIL and RCPT.
    fn says_data_at_once(&self) -> bool {
        let is_text = self.active.as_ref().is_some_and(|a| !a.is_binary());
        self.offers.pipelining && is_text
    }

    fn mail_refused(&mut self, reply: Reply) {
        let outstanding = match (self.offers.pipelining, &self.active) {
            (true, Some(active)) => active.rcpts().len(),
            _ => 0,
        };
        let outstanding = outstanding.saturating_add(usize::from(self.says_data_at_once()));
        if let Some(active) = &mut self.active {
            active.decide_rest(&Outcome::of_refusal(reply));
        }
        self.needs_reset = true;
        match outstanding {
            0 => self.finish(),
            left => self.state = State::Unwanted(left),
        }
    }

    // RFC 2920 §3.1: a server may say 354 though it took no recipient; then a dot ends the nothing
    // that it waits for
    fn unwanted(&mut self, left: usize, class: Class) {
        match (left, class) {
            (1, Class::GoOn) => {
                self.state = State::Unwanted(0);
                self.command(".");
            }
            (0 | 1, _) => self.finish(),
            (left, _) => self.state = State::Unwanted(left.saturating_sub(1)),
        }
    }

    fn next_recipient(&mut self, at: usize) {
        let Some(active) = &self.active else {
            return;
        };
        match active.rcpt(at) {
            Some(command) => {
                self.state = State::Rcpt(at);
                if !self.offers.pipelining {
                    self.command(&command);
                }
            }
            None if active.taken() == 0 => {
                self.needs_reset = true;
                match self.says_data_at_once() {
                    true => self.state = State::Unwanted(1),
                    false => self.finish(),
                }
            }
            // RFC 3030 §2: the octets follow at once
            None if active.is_binary() => self.send_message(),
            None => {
                self.state = State::Data;
                if !self.says_data_at_once() {
                    self.command("DATA");
                }
            }
        }
    }

    fn recipient_answered(&mut self, at: usize, reply: Reply) {
        if let Some(active) = &mut self.active {
            active.recipient_answered(at, reply);
        }
        self.next_recipient(at.saturating_add(1));
    }

    fn send_message(&mut self) {
        if !self.replies.is_empty() {
            // It would be taken for the reply to a message that the server does not have yet.
            return self.broken((4, 5, 0), "the server answered before it had the message");
        }
        self.state = State::Final(0);
        if let Some(active) = &mut self.active {
            self.output.extend(active.take_content());
        }
    }

    fn message_answered(&mut self, at: usize, reply: Reply) {
        let Some(active) = &mut self.active else {
            return;
        };
        let outcome = Outcome::of_message(reply);
        match self.protocol {
            Protocol::Smtp => active.decide_rest(&outcome),
            // RFC 2033 §4.2: one reply for each recipient that was taken, in order
            Protocol::Lmtp => active.decide_taken(at, outcome),
        }
        match active.is_decided() {
            true => self.finish(),
            false => self.state = State::Final(at.saturating_add(1)),
        }
    }

    /// Ends the dialogue politely: no message can be sent on this connection.
    fn give_up(&mut self, cause: Cause) {
        self.command("QUIT");
        self.state = State::Closed;
        self.finish_with(&Outcome::Deferred(cause));
    }

    fn broken(&mut self, status: (u8, u16, u16), text: &str) {
        self.state = State::Closed;
        let reply = Reply::new(451, status, text);
        self.finish_with(&Outcome::Deferred(Cause::Local(reply)));
    }

    fn finish_with(&mut self, outcome: &Outcome) {
        if let Some(active) = &mut self.active {
            active.decide_rest(outcome);
        }
        self.finish();
    }

    fn finish(&mut self) {
        if self.state != State::Closed {
            self.state = State::Idle;
        }
        if let Some(active) = self.active.take() {
            self.pending = Some(Move::Done(active.into_outcomes()));
        }
    }

    /// Queues a command line. Nothing that holds a line end is ever written as one line.
    fn command(&mut self, line: &str) {
        if !is_clean(line.as_bytes()) {
            return self.broken((4, 3, 5), "a command with control characters was not sent");
        }
        let bytes = format!("{line}\r\n");
        match self.output.back_mut() {
            Some(Outgoing::Owned(group)) => group.extend_from_slice(bytes.as_bytes()),
            _ => self.output.push_back(Outgoing::Owned(bytes.into_bytes())),
        }
    }
}
