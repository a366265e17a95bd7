//! AUTH: challenges and responses on the wire. Who is believed the owner decides.
//!
//! Promises: nothing of a login is said before TLS; after three failures the connection closes;
//! a login holds for the connection, and there is one.
//! Refuses: AUTH inside a transaction, a second login, mechanisms that were not offered.
//! Standards: RFC 4954 §3, §4, §6; RFC 4422 §3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Reply;
use super::{Mechanism, More, Question, Session, State, Waiting};
use crate::message::envelope::{Identity, Protection};

/// After so many failed logins the connection closes.
const FAILURES: u32 = 3;

impl Session {
    /// The mechanisms that are offered now: none without TLS, none after a login.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let open = self.protection == Protection::Tls && !self.is_logged_in();
        let shown = self.certificate.is_some();
        self.settings
            .mechanisms
            .iter()
            .copied()
            .filter(move |mechanism| open && (shown || *mechanism != Mechanism::External))
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
    Not,
}

fn not_base64() -> Reply {
    Reply::new(501, (5, 5, 2), "a response is base64")
}
