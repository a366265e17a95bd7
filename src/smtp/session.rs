//! The server's side of one connection, as a state machine: bytes in, steps out.
//!
//! Promises: every command gets one reply, in order; a message is handed on only after its true
//! end and with its whole envelope; after STARTTLS nothing that was said before counts.
//! Refuses: talking before one's turn, bare CR or LF or NUL (then it closes), commands out of
//! order, and anything after ten errors without a message in between.
//! Attacks stopped here: command injection around STARTTLS (CVE-2011-0411 and its kind) and
//! smuggled commands behind a false end of data.
//! Standards: RFC 5321 §3, §4; RFC 2920; RFC 3207; RFC 1870; RFC 6152; RFC 2034; RFC 6710.

use super::Reply;
use super::command::{Command, MailParameters, Recipient};
use super::line::{Data, DataFault, LineFault, Lines, Progress};
use super::reply::Class;
use crate::message::address::{Address, ReversePath};
use crate::message::envelope::{Envelope, Identity, Protection};

mod order;
mod settings;

use order::{Verb, Verdict};
pub use settings::{ClientCertificate, PriorityOffer, RequireTls, Role, Settings, StartTls};

/// What the owner of the connection does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Answer this with [`Session::answer`]: 2xx takes it, anything else refuses it.
    Ask(Question),
    /// Close the connection.
    Close,
    /// Judge this message, make it durable, then [`Session::answer`]. Dots are unstuffed.
    Mail(Envelope, Vec<u8>),
    /// Read from the connection and [`Session::feed`]; or answer, if something was asked.
    NeedInput,
    /// Write this to the connection.
    Send(Vec<u8>),
    /// Make the TLS handshake on the connection, then call [`Session::secured`].
    StartTls,
}

/// What the session cannot know itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// May this be a recipient?
    Recipient(Address),
    /// May this be the sender?
    Sender(ReversePath),
}

/// Where the dialogue stands. `order::verdict` is the table of what each state admits.
#[derive(Debug)]
enum State {
    /// The greeting was not given yet.
    Silent,
    /// The client has not introduced itself (or has to do it again after TLS).
    Greeted,
    /// Introduced; no transaction.
    Ready,
    /// MAIL was taken; no recipient yet.
    Sender,
    /// At least one recipient was taken.
    Recipients,
    /// DATA was taken; the message is arriving.
    Data(Data),
    /// A question, or a message, is out; an answer must come.
    Waiting(Waiting),
    /// The handshake is being made.
    Handshake,
    /// Nothing more is read.
    Closed,
}

/// What an answer is waited for.
#[derive(Debug)]
enum Waiting {
    Mail,
    Recipient(Address),
    Sender(ReversePath, MailParameters),
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    input: Lines,
    output: Vec<u8>,
    /// A step that must be handed out before anything else is read.
    pending: Option<Step>,
    hello: Option<Hello>,
    protection: Protection,
    certificate: Option<Vec<u8>>,
    identity: Identity,
    envelope: Option<Envelope>,
    /// Errors since the last message that was taken.
    errors: u32,
    messages: u32,
}

/// How the client introduced itself.
#[derive(Debug)]
struct Hello {
    name: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Ehlo,
    Helo,
}

impl Session {
    /// A session that has said and heard nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            protection: settings.protection,
            settings,
            state: State::Silent,
            input: Lines::default(),
            output: Vec::new(),
            pending: None,
            hello: None,
            certificate: None,
            identity: Identity::Nobody,
            envelope: None,
            errors: 0,
            messages: 0,
        }
    }

    // RFC 5321 §4.3.1
    /// Says the greeting; `next` gives it out. What was fed before was said before its turn.
    pub fn greeting(&mut self) {
        if matches!(self.state, State::Silent) {
            self.state = State::Greeted;
            if self.input.is_empty() {
                let text = format!("{} ESMTP Ravelin", self.settings.hostname);
                self.reply(&Reply::plain(220, &text));
            } else {
                self.out_of_turn();
            }
        }
    }

    /// Takes in what the connection gave.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self.state {
            State::Closed => {}
            // The short way for the bulk of the octets: no buffer in between.
            State::Data(_) if self.input.is_empty() => self.take_data(bytes),
            _ => self.input.feed(bytes),
        }
    }

    /// What to do next. Call it until it says `NeedInput` or `Close`.
    #[expect(clippy::should_implement_trait, reason = "steps never run out")]
    pub fn next(&mut self) -> Step {
        loop {
            if let Some(step) = self.pending.take() {
                // Replies go out before the peer must wait for something slow.
                if !self.output.is_empty() && !matches!(step, Step::Ask(_)) {
                    self.pending = Some(step);
                    return Step::Send(std::mem::take(&mut self.output));
                }
                return step;
            }
            let more = match &mut self.state {
                State::Greeted | State::Ready | State::Sender | State::Recipients => {
                    self.read_command()
                }
                State::Data(_) => self.read_data(),
                State::Silent | State::Waiting(_) | State::Handshake => More::Wait,
                State::Closed => {
                    return match self.output.is_empty() {
                        true => Step::Close,
                        false => Step::Send(std::mem::take(&mut self.output)),
                    };
                }
            };
            if more == More::Wait {
                return match self.output.is_empty() {
                    true => Step::NeedInput,
                    false => Step::Send(std::mem::take(&mut self.output)),
                };
            }
        }
    }

    /// Answers the last `Ask` or `Mail`. 421 also closes.
    pub fn answer(&mut self, reply: Reply) {
        let taken = reply.class() == Class::Done;
        let state = std::mem::replace(&mut self.state, State::Closed);
        let State::Waiting(waiting) = state else {
            // Nothing was asked: an answer to nothing must not reach the peer.
            self.state = state;
            return;
        };
        // A refused message is no error of the dialogue; a refused address may be a probe.
        let is_probe = reply.class() == Class::No && !matches!(waiting, Waiting::Mail);
        self.state = match (waiting, taken) {
            (Waiting::Sender(from, parameters), true) => {
                self.envelope = Some(Envelope {
                    from,
                    recipients: Vec::new(),
                    priority: parameters.priority,
                    body: parameters.body.unwrap_or_default(),
                    declared_size: parameters.size,
                });
                State::Sender
            }
            (Waiting::Sender(..), false) => State::Ready,
            (Waiting::Recipient(address), true) => {
                self.add_recipient(address);
                State::Recipients
            }
            (Waiting::Recipient(_), false) => self.state_of_envelope(),
            (Waiting::Mail, taken) => {
                if taken {
                    self.errors = 0;
                    self.messages = self.messages.saturating_add(1);
                }
                State::Ready
            }
        };
        self.reply(&reply);
        if reply.code == 421 {
            self.close();
        } else if is_probe {
            self.count_error();
        }
    }

    // RFC 3207 §4.2: all that was known is forgotten, and what was not read is dropped
    /// The handshake is made: `certificate` (DER) was verified and means `identity`.
    pub fn secured(&mut self, certificate: Option<Vec<u8>>, identity: Identity) {
        self.input.clear();
        self.output.clear();
        self.pending = None;
        self.hello = None;
        self.envelope = None;
        self.protection = Protection::Tls;
        self.certificate = certificate;
        self.identity = identity;
        if matches!(self.state, State::Handshake) {
            self.state = State::Greeted;
        }
    }

    /// Ends the session with a reply that nobody asked for: 421 on shutdown or timeout.
    pub fn end(&mut self, reply: &Reply) {
        if !matches!(self.state, State::Closed | State::Handshake) {
            self.reply(reply);
        }
        self.close();
    }

    /// The name in EHLO or HELO; empty before.
    pub fn helo(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| &hello.name)
    }

    /// Whether TLS protects the connection.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// The verified certificate of the client.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// Who the client is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn read_command(&mut self) -> More {
        let line = match self.input.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return More::Wait,
            Err(fault) => {
                let text = match fault {
                    LineFault::Control => "lines end with CRLF, and nothing else is a line end",
                    LineFault::TooLong => "the command line is too long",
                };
                self.reply(&Reply::new(500, (5, 5, 2), text));
                self.close();
                return More::Go;
            }
        };
        match Command::parse(&line) {
            Ok(command) => self.obey(command),
            Err(reply) => self.refuse(&reply),
        }
        More::Go
    }

    fn obey(&mut self, command: Command) {
        let verb = Verb::of(&command);
        // RFC 2920 §3.1: these are the last of a group; whoever goes on did not wait for the reply
        if verb.ends_group(self.is_pipelining_offered()) && !self.input.is_empty() {
            return self.out_of_turn();
        }
        match order::verdict(&self.state, verb) {
            Verdict::Go => {}
            Verdict::Wrong(reply) => return self.refuse(&reply),
        }
        match command {
            Command::Ehlo(name) => self.hello(name, Form::Ehlo),
            Command::Helo(name) => self.hello(name, Form::Helo),
            Command::Mail(from, parameters) => self.mail(from, parameters),
            Command::Rcpt(recipient) => self.rcpt(recipient),
            Command::Data => {
                let size = usize::try_from(self.settings.size_limit).unwrap_or(usize::MAX);
                let lines = self.settings.line_limit;
                let declared = self.envelope.as_ref().and_then(|e| e.declared_size);
                self.state = State::Data(Data::new(size, lines, declared));
                self.reply(&Reply::plain(354, "end with CRLF . CRLF"));
            }
            Command::Rset => {
                self.envelope = None;
                if self.hello.is_some() {
                    self.state = State::Ready;
                }
                self.reply(&Reply::new(250, (2, 0, 0), "forgotten"));
            }
            Command::Noop => self.reply(&Reply::new(250, (2, 0, 0), "here")),
            // RFC 5321 §3.5.3
            Command::Vrfy => self.reply(&Reply::new(252, (2, 0, 0), "send a message and see")),
            Command::Quit => {
                self.reply(&Reply::new(221, (2, 0, 0), "goodbye"));
                self.close();
            }
            Command::StartTls => self.start_tls(),
        }
    }

    // RFC 5321 §4.1.1.1
    fn hello(&mut self, name: String, form: Form) {
        self.envelope = None;
        self.state = State::Ready;
        let mut text = format!("{} greets {name}", self.settings.hostname);
        if form == Form::Ehlo {
            for extension in self.extensions() {
                text.push('\n');
                text.push_str(&extension);
            }
        }
        self.hello = Some(Hello { name, form });
        self.reply(&Reply::plain(250, &text));
    }

    fn extensions(&self) -> Vec<String> {
        let mut offered = vec![
            "PIPELINING".to_owned(),
            format!("SIZE {}", self.settings.size_limit),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
        ];
        // RFC 3207 §4.2: not again once TLS is there
        if self.is_starttls_offered() {
            offered.push("STARTTLS".to_owned());
        }
        if self.is_priority_offered() {
            offered.push("MT-PRIORITY STANAG4406".to_owned());
        }
        offered
    }

    fn mail(&mut self, from: ReversePath, parameters: MailParameters) {
        if let Some(reply) = self.protection_wanting() {
            return self.refuse(&reply);
        }
        if self.messages >= self.settings.messages_limit {
            let text = "enough messages on this connection: open another";
            self.reply(&Reply::new(421, (4, 3, 2), text));
            return self.close();
        }
        // RFC 5321 §4.1.1.11: only what was offered in EHLO may be used
        let is_ehlo = self
            .hello
            .as_ref()
            .is_some_and(|hello| hello.form == Form::Ehlo);
        let used = parameters.size.is_some() || parameters.body.is_some();
        let priority = parameters.priority.is_some();
        if (used && !is_ehlo) || (priority && !(is_ehlo && self.is_priority_offered())) {
            let text = "this parameter was not offered";
            return self.refuse(&Reply::new(555, (5, 5, 4), text));
        }
        // RFC 1870 §6.1
        if parameters
            .size
            .is_some_and(|size| size > self.settings.size_limit)
        {
            return self.refuse(&self.too_large());
        }
        self.ask(
            Question::Sender(from.clone()),
            Waiting::Sender(from, parameters),
        );
    }

    fn rcpt(&mut self, recipient: Recipient) {
        let address = match recipient {
            Recipient::Mailbox(address) => Ok(address),
            Recipient::Postmaster => {
                Address::parse(&format!("postmaster@{}", self.settings.hostname))
            }
        };
        let Ok(address) = address else {
            return self.refuse(&Reply::new(550, (5, 1, 1), "no postmaster here"));
        };
        let count = self.envelope.as_ref().map_or(0, |e| e.recipients.len());
        if count >= self.settings.recipients_limit {
            // RFC 5321 §4.5.3.1.10: not an error, the client sends the rest later
            return self.reply(&Reply::new(452, (4, 5, 3), "too many recipients"));
        }
        self.ask(
            Question::Recipient(address.clone()),
            Waiting::Recipient(address),
        );
    }

    fn start_tls(&mut self) {
        if !self.is_starttls_offered() {
            return self.refuse(&Reply::new(502, (5, 5, 1), "STARTTLS is not offered"));
        }
        self.reply(&Reply::new(220, (2, 0, 0), "begin the handshake"));
        self.state = State::Handshake;
        self.pending = Some(Step::StartTls);
    }

    fn read_data(&mut self) -> More {
        if self.input.is_empty() {
            return More::Wait;
        }
        let bytes = self.input.take();
        self.take_data(&bytes);
        More::Go
    }

    fn take_data(&mut self, bytes: &[u8]) {
        let State::Data(data) = &mut self.state else {
            return;
        };
        let (used, progress) = data.feed(bytes);
        match progress {
            Progress::More => {}
            Progress::Hopeless => {
                self.reply(&self.too_large());
                self.close();
            }
            Progress::Ended => {
                self.input.feed(bytes.get(used..).unwrap_or_default());
                if let State::Data(data) = std::mem::replace(&mut self.state, State::Ready) {
                    self.end_of_data(data);
                }
            }
        }
    }

    fn end_of_data(&mut self, data: Data) {
        let envelope = self.envelope.take();
        let message = match data.finish() {
            Ok(message) => message,
            Err(DataFault::Line(problem)) => {
                // What follows may be meant for somebody else's idea of the end: it is not read.
                let text = format!("refused, nothing was taken: {problem}");
                self.reply(&Reply::new(550, (5, 5, 2), &text));
                return self.close();
            }
            Err(DataFault::LongLine) => {
                let limit = self.settings.line_limit;
                let text = format!("a line is longer than {limit} octets");
                return self.reply(&Reply::new(550, (5, 6, 0), &text));
            }
            Err(DataFault::TooLarge) => return self.reply(&self.too_large()),
        };
        // RFC 6531 §3.1: without SMTPUTF8 a header is ASCII
        let header_end = memchr::memmem::find(&message, b"\r\n\r\n").unwrap_or(message.len());
        if !message.get(..header_end).unwrap_or_default().is_ascii() {
            let text = "octets above 127 in the header need SMTPUTF8: encode them (RFC 2047)";
            return self.reply(&Reply::new(550, (5, 6, 7), text));
        }
        if let Some(envelope) = envelope {
            self.pending = Some(Step::Mail(envelope, message));
            self.state = State::Waiting(Waiting::Mail);
        }
    }

    fn ask(&mut self, question: Question, waiting: Waiting) {
        self.pending = Some(Step::Ask(question));
        self.state = State::Waiting(waiting);
    }

    /// Each recipient once: two RCPTs for one mailbox are one delivery.
    fn add_recipient(&mut self, address: Address) {
        if let Some(envelope) = &mut self.envelope
            && !envelope.recipients.contains(&address)
        {
            envelope.recipients.push(address);
        }
    }

    fn state_of_envelope(&self) -> State {
        match &self.envelope {
            None => State::Ready,
            Some(envelope) if envelope.recipients.is_empty() => State::Sender,
            Some(_) => State::Recipients,
        }
    }

    // RFC 3207 §4
    fn protection_wanting(&self) -> Option<Reply> {
        let is_clear = self.protection == Protection::Clear;
        if is_clear && self.settings.require_tls == RequireTls::Yes {
            return Some(Reply::new(530, (5, 7, 0), "say STARTTLS first"));
        }
        let must = self.settings.client_certificate == ClientCertificate::Required;
        if must && self.certificate.is_none() {
            let text = "a client certificate that this switch trusts is needed";
            return Some(Reply::new(530, (5, 7, 0), text));
        }
        None
    }

    fn is_starttls_offered(&self) -> bool {
        self.settings.starttls == StartTls::Offered && self.protection == Protection::Clear
    }

    fn is_priority_offered(&self) -> bool {
        match self.settings.priority {
            PriorityOffer::AfterTls => self.protection == Protection::Tls,
            PriorityOffer::Always => true,
            PriorityOffer::Never => false,
        }
    }

    fn is_pipelining_offered(&self) -> bool {
        self.hello
            .as_ref()
            .is_some_and(|hello| hello.form == Form::Ehlo)
    }

    fn too_large(&self) -> Reply {
        let limit = self.settings.size_limit;
        Reply::new(
            552,
            (5, 3, 4),
            &format!("a message may have {limit} octets"),
        )
    }

    fn out_of_turn(&mut self) {
        let text = "wait for the reply before you go on";
        self.reply(&Reply::new(503, (5, 5, 1), text));
        self.close();
    }

    fn refuse(&mut self, reply: &Reply) {
        self.reply(reply);
        self.count_error();
    }

    fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
        if self.errors >= self.settings.errors_limit && !matches!(self.state, State::Closed) {
            self.reply(&Reply::new(421, (4, 7, 0), "too many errors"));
            self.close();
        }
    }

    fn reply(&mut self, reply: &Reply) {
        self.output.extend_from_slice(&reply.to_bytes());
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.pending = None;
        self.input.clear();
        self.envelope = None;
    }
}

/// Whether the machine can go on by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Go,
    Wait,
}
