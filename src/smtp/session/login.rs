//! AUTH: challenges and responses on the wire. Who is believed the owner decides.
//!
//! Promises: nothing of a login is said before TLS; after three failures the connection closes;
//! a login holds for the connection, and there is one.
//! Refuses: AUTH inside a transaction, a second login, mechanisms that were not offered.
//! Standards: RFC 4954 §3, §4, §6; RFC 4422 §3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Reply;
use super::super::command::Client;
use super::{Extension, Mechanism, More, Question, Session, State, Waiting};
use crate::message::envelope::{Identity, Protection};

/// After so many failed logins the connection closes.
const FAILURES: u32 = 3;

impl Session {
    /// The mechanisms that are offered now: none without TLS, none after a login, none to a proxy.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let open = self.protection == Protection::Tls && self.login == Login::Not;
        let shown = self.certificate.is_some();
        let bound = self.binding == Binding::Exporter;
        let fits = move |mechanism: &Mechanism| match mechanism {
            Mechanism::External => shown,
            Mechanism::ScramSha256Plus => bound,
            Mechanism::Plain | Mechanism::ScramSha256 => true,
        };
        let listed = self.settings.mechanisms.iter().copied();
        listed.filter(move |mechanism| open && fits(mechanism))
    }

    /// Says what the connection has to bind a login to; after [`Session::secured`].
    pub fn can_bind(&mut self, binding: Binding) {
        self.binding = binding;
    }

    // The XCLIENT extension: https://www.postfix.org/XCLIENT_README.html
    /// XCLIENT: a listed proxy says for whom it speaks. Never beside a login: the one who logs in
    /// and the one who is spoken for would be taken for each other.
    pub(super) fn speaks_for(&mut self, client: Client) {
        if !self.settings.extensions.contains(&Extension::XClient) {
            return self.refuse(&Reply::new(550, (5, 7, 1), "you speak for nobody here"));
        }
        if self.is_logged_in() {
            let text = "XCLIENT and AUTH do not go together";
            return self.refuse(&Reply::new(503, (5, 5, 1), text));
        }
        self.ask(Question::Client(client), Waiting::Client);
    }

    /// The session begins again, for the client that a proxy named.
    pub(super) fn begin_again(&mut self) -> State {
        self.hello = None;
        self.forget();
        self.login = Login::Never;
        State::Greeted
    }

    /// Whether AUTH said who the client is.
    pub fn is_logged_in(&self) -> bool {
        self.login == Login::Done
    }

    // RFC 4954 §4
    pub(super) fn auth(&mut self, mechanism: &str, response: Option<&str>) {
        if self.is_logged_in() {
            return self.refuse(&Reply::new(503, (5, 5, 1), "you are logged in already"));
        }
        let Some(mechanism) = self.mechanisms().find(|m| m.name() == mechanism) else {
            return self.refuse(&Reply::new(504, (5, 5, 4), "this mechanism is not offered"));
        };
        let response = match response {
            None => None,
            // RFC 4954 §4: "=" is a response of no octets
            Some("=") => Some(Vec::new()),
            Some(text) => match STANDARD.decode(text) {
                Ok(octets) => Some(octets),
                Err(_) => return self.refuse(&not_base64()),
            },
        };
        self.ask(Question::Login(mechanism, response), Waiting::Login);
    }

    /// Answers the last [`Question::Login`] or [`Question::Response`] with a challenge.
    pub fn challenge(&mut self, octets: &[u8]) {
        if matches!(self.state, State::Waiting(Waiting::Login)) {
            self.state = State::Login;
            self.reply(&Reply::plain(334, &STANDARD.encode(octets)));
        }
    }

    /// Answers the last [`Question::Login`] or [`Question::Response`]: the client is `identity`.
    pub fn logged_in(&mut self, identity: Identity) {
        if matches!(self.state, State::Waiting(Waiting::Login)) {
            self.state = State::Ready;
            self.identity = identity;
            self.login = Login::Done;
            self.reply(&Reply::new(235, (2, 7, 0), "logged in"));
        }
    }

    /// Reads the response to a challenge.
    pub(super) fn read_response(&mut self) -> More {
        let line = match self.input.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return More::Wait,
            Err(fault) => {
                self.bad_line(fault);
                return More::Go;
            }
        };
        self.state = State::Ready;
        // RFC 4954 §4: a client that gives up says "*"
        if line == b"*" {
            self.refuse(&Reply::new(501, (5, 7, 0), "the login was given up"));
            return More::Go;
        }
        match STANDARD.decode(&line) {
            Ok(octets) => self.ask(Question::Response(octets), Waiting::Login),
            Err(_) => self.refuse(&not_base64()),
        }
        More::Go
    }

    /// Counts a login that failed.
    pub(super) fn count_failed_login(&mut self) {
        self.failed_logins = self.failed_logins.saturating_add(1);
        if self.failed_logins >= FAILURES {
            self.reply(&Reply::new(421, (4, 7, 0), "too many failed logins"));
            self.close();
        } else {
            self.count_error();
        }
    }
}

/// How far a login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Done,
    /// A proxy spoke for somebody.
    Never,
    Not,
}

/// What a connection has to bind a login to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// RFC 9266: TLS 1.3.
    Exporter,
    /// Nothing.
    None,
}

fn not_base64() -> Reply {
    Reply::new(501, (5, 5, 2), "a response is base64")
}
