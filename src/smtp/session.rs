//! The server's side of one connection, as a state machine: bytes in, steps out.
//!
//! Promises: every command gets one reply, in order; a message is handed on only after its true
//! end and with its whole envelope; after STARTTLS nothing that was said before counts.
//! Refuses: talking before one's turn, bare CR or LF or NUL (then it closes), commands out of
//! order, and anything after ten errors without a message in between.
//! Attacks stopped here: command injection around STARTTLS (CVE-2011-0411 and its kind) and
//! smuggled commands behind a false end of data.
//! Standards: RFC 5321 §3, §4; RFC 2920; RFC 3207; RFC 1870; RFC 6152; RFC 2034; RFC 6710; and in
//! the files of its folder those of each extension.

use super::Reply;
use super::command::{Client, Command};
use super::line::{Data, LineFault, Lines};
use super::reply::Class;
use crate::clock::Timestamp;
use crate::message::address::{Address, ReversePath};
use crate::message::envelope::{Envelope, Identity, Protection};
use crate::message::service::RecipientService;

mod content;
mod login;
mod offers;
mod order;
mod settings;
mod transaction;

use content::Arriving;
pub use login::Binding;
use login::Login;
use order::{Verb, Verdict};
pub use settings::{
    ClientCertificate, Extension, Language, Mechanism, PriorityOffer, RequireTls, Role, Settings,
    StartTls,
};

/// What the owner of the connection does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Answer this with [`Session::answer`]: 2xx takes it, anything else refuses it. (A login is
    /// taken with [`Session::challenge`] and [`Session::logged_in`].)
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
    /// For whom does the proxy speak that connects here?
    Client(Client),
    /// Who is the client, that begins to log in so?
    Login(Mechanism, Option<Vec<u8>>),
    /// May this be a recipient?
    Recipient(Address),
    /// Who is the client, that answers the challenge so?
    Response(Vec<u8>),
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
    /// BDAT was said; its octets are arriving.
    Chunk(Arriving),
    /// A chunk was taken, and it was not the last.
    Chunks,
    /// A challenge is out; the client's response must come.
    Login,
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
    Client,
    Login,
    Mail,
    Recipient(Address, RecipientService),
    Sender(Box<Envelope>),
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
    /// The most urgent MT-PRIORITY that this client may ask for.
    priority_ceiling: Option<i8>,
    login: Login,
    /// Whether the connection has something to bind a login to.
    binding: Binding,
    failed_logins: u32,
    now: Timestamp,
    envelope: Option<Envelope>,
    /// What came by BDAT so far.
    chunks: Vec<u8>,
    /// How many RCPTs of the transaction were taken.
    taken: usize,
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
    Lhlo,
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
            priority_ceiling: None,
            login: Login::Not,
            binding: Binding::None,
            failed_logins: 0,
            now: Timestamp::UNIX_EPOCH,
            envelope: None,
            chunks: Vec::new(),
            taken: 0,
            errors: 0,
            messages: 0,
        }
    }

    /// Tells the time: what a client asks for in seconds counts from here.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The most urgent MT-PRIORITY that this client may ask for; more is lowered to it.
    pub fn cap_priority(&mut self, ceiling: i8) {
        self.priority_ceiling = Some(ceiling);
    }

    /// The largest message that this client may send, in octets, where that is less than the
    /// listener's.
    pub fn cap_size(&mut self, octets: u64) {
        self.settings.size_limit = self.settings.size_limit.min(octets);
    }

    /// The longest line that this client may send, in octets without CRLF.
    pub fn allow_lines(&mut self, octets: usize) {
        self.settings.line_limit = octets;
    }

    // RFC 5321 §4.3.1
    /// Says the greeting; `next` gives it out. What was fed before was said before its turn.
    pub fn greeting(&mut self) {
        if matches!(self.state, State::Silent) {
            self.state = State::Greeted;
            if self.input.is_empty() {
                self.reply(&self.welcome());
            } else {
                self.out_of_turn();
            }
        }
    }

    /// The greeting.
    pub fn welcome(&self) -> Reply {
        let protocol = match self.settings.language {
            Language::Lmtp => "LMTP",
            Language::Smtp => "ESMTP",
        };
        Reply::plain(
            220,
            &format!("{} {protocol} Ravelin", self.settings.hostname),
        )
    }

    /// Takes in what the connection gave.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self.state {
            State::Closed => {}
            // The short way for the bulk of the octets: no buffer in between.
            State::Data(_) | State::Chunk(_) if self.input.is_empty() => self.take_content(bytes),
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
                State::Greeted
                | State::Ready
                | State::Sender
                | State::Recipients
                | State::Chunks => self.read_command(),
                State::Data(_) | State::Chunk(_) => self.read_content(),
                State::Login => self.read_response(),
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
        let is_login = matches!(waiting, Waiting::Login);
        let is_message = matches!(waiting, Waiting::Mail);
        let mut reply = reply;
        self.state = match (waiting, taken) {
            (Waiting::Sender(envelope), true) => {
                self.envelope = Some(*envelope);
                self.taken = 0;
                reply = self.capped(reply);
                State::Sender
            }
            (Waiting::Sender(..), false) => State::Ready,
            (Waiting::Recipient(address, service), true) => {
                self.add_recipient(address, service);
                State::Recipients
            }
            (Waiting::Recipient(..), false) => self.state_of_envelope(),
            (Waiting::Mail, taken) => {
                if taken {
                    self.errors = 0;
                    self.messages = self.messages.saturating_add(1);
                }
                State::Ready
            }
            (Waiting::Login, _) | (Waiting::Client, false) => State::Ready,
            (Waiting::Client, true) => self.begin_again(),
        };
        match is_message {
            true => self.reply_to_message(&reply),
            false => self.reply(&reply),
        }
        if reply.code == 421 {
            self.close();
        } else if is_login {
            self.count_failed_login();
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
        self.forget();
        if self.login == Login::Done {
            self.login = Login::Not;
        }
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

    /// The MT-PRIORITY of the MAIL that is being asked about; ROUTINE where it says nothing.
    pub fn priority_asked(&self) -> Option<i8> {
        match &self.state {
            State::Waiting(Waiting::Sender(envelope)) => envelope.priority,
            _ => None,
        }
    }

    /// Whether content is arriving, and no commands.
    pub fn is_receiving(&self) -> bool {
        matches!(self.state, State::Data(_) | State::Chunk(_))
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
                self.bad_line(fault);
                return More::Go;
            }
        };
        match Command::parse(&line) {
            Ok(command) => self.obey(command),
            Err(reply) => {
                self.refuse(&reply);
                // How many octets follow is not known: none of them is read.
                if line
                    .get(..4)
                    .is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
                {
                    self.close();
                }
            }
        }
        More::Go
    }

    fn bad_line(&mut self, fault: LineFault) {
        let text = match fault {
            LineFault::Control => "lines end with CRLF, and nothing else is a line end",
            LineFault::TooLong => "the command line is too long",
        };
        self.reply(&Reply::new(500, (5, 5, 2), text));
        self.close();
    }

    fn obey(&mut self, command: Command) {
        let verb = Verb::of(&command);
        // RFC 2920 §3.1: these are the last of a group; whoever goes on did not wait for the reply
        if verb.ends_group(self.is_pipelining_offered()) && !self.input.is_empty() {
            return self.out_of_turn();
        }
        let verdict = order::verdict(&self.state, verb);
        if let Command::Bdat(size, chunk) = command {
            return self.begin_chunk(size, chunk, verdict);
        }
        if let Verdict::Wrong(reply) = verdict {
            return self.refuse(&reply);
        }
        match command {
            Command::Auth(mechanism, response) => self.auth(&mechanism, response.as_deref()),
            Command::Bdat(..) => {}
            Command::Ehlo(name) => self.hello(name, Form::Ehlo),
            Command::Helo(name) => self.hello(name, Form::Helo),
            Command::Lhlo(name) => self.hello(name, Form::Lhlo),
            Command::Mail(from, parameters) => self.mail(from, parameters),
            Command::Rcpt(recipient, service) => self.rcpt(recipient, service),
            Command::Data => self.begin_data(),
            Command::Rset => {
                self.forget();
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
            Command::XClient(client) => self.speaks_for(client),
        }
    }

    // RFC 5321 §4.1.1.1
    fn hello(&mut self, name: String, form: Form) {
        // RFC 2033 §4.1: LHLO, and neither HELO nor EHLO, where LMTP is spoken
        if (form == Form::Lhlo) != (self.settings.language == Language::Lmtp) {
            return self.refuse(&Reply::new(500, (5, 5, 1), "unknown command"));
        }
        self.forget();
        self.state = State::Ready;
        let mut text = format!("{} greets {name}", self.settings.hostname);
        if form != Form::Helo {
            for extension in self.extensions() {
                text.push('\n');
                text.push_str(&extension);
            }
        }
        self.hello = Some(Hello { name, form });
        self.reply(&Reply::plain(250, &text));
    }

    fn start_tls(&mut self) {
        if !self.is_starttls_offered() {
            return self.refuse(&Reply::new(502, (5, 5, 1), "STARTTLS is not offered"));
        }
        self.reply(&Reply::new(220, (2, 0, 0), "begin the handshake"));
        self.state = State::Handshake;
        self.pending = Some(Step::StartTls);
    }

    fn ask(&mut self, question: Question, waiting: Waiting) {
        self.pending = Some(Step::Ask(question));
        self.state = State::Waiting(waiting);
    }

    fn is_pipelining_offered(&self) -> bool {
        self.hello
            .as_ref()
            .is_some_and(|hello| hello.form != Form::Helo)
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
        self.forget();
    }
}

/// Whether the machine can go on by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Go,
    Wait,
}
