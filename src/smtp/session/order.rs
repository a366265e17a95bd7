//! The order of commands: one table.
//!
//! ```text
//!              Greeted    Ready      Sender     Recipients
//! EHLO HELO    Ready      Ready      Ready      Ready       (drop the transaction)
//! MAIL         503        ask        503        503         ask: 2xx leads to Sender
//! RCPT         503        503        ask        ask         ask: 2xx leads to Recipients
//! DATA         503        503        554        Data        at its end Ready
//! RSET         stays      stays      Ready      Ready
//! STARTTLS     503        Handshake  503        503         then Greeted
//! NOOP VRFY    stays      stays      stays      stays
//! QUIT         Closed     Closed     Closed     Closed
//! ```
//!
//! Standards: RFC 5321 §4.1.4; RFC 2920 §3.1; RFC 3207 §4.

use super::super::Reply;
use super::super::command::Command;
use super::State;

/// A command without its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Data,
    Hello,
    Mail,
    Other,
    Quit,
    Rcpt,
    Rset,
    StartTls,
}

/// Whether a command may be obeyed now.
pub(super) enum Verdict {
    Go,
    Wrong(Reply),
}

impl Verb {
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::Data => Self::Data,
            Command::Ehlo(_) | Command::Helo(_) => Self::Hello,
            Command::Mail(..) => Self::Mail,
            Command::Noop | Command::Vrfy => Self::Other,
            Command::Quit => Self::Quit,
            Command::Rcpt(_) => Self::Rcpt,
            Command::Rset => Self::Rset,
            Command::StartTls => Self::StartTls,
        }
    }

    // RFC 2920 §3.1; without PIPELINING every command waits for its reply
    pub(super) fn ends_group(self, is_pipelining_offered: bool) -> bool {
        match self {
            Self::Data | Self::Hello | Self::StartTls => true,
            Self::Mail | Self::Rcpt | Self::Rset | Self::Other => !is_pipelining_offered,
            // What comes after QUIT is never read.
            Self::Quit => false,
        }
    }
}

/// The table above.
pub(super) fn verdict(state: &State, verb: Verb) -> Verdict {
    let wrong = |text| Verdict::Wrong(Reply::new(503, (5, 5, 1), text));
    match (verb, state) {
        (Verb::Hello | Verb::Rset | Verb::Other | Verb::Quit, _) => Verdict::Go,
        (_, State::Greeted) => wrong("say EHLO first"),
        (Verb::Mail | Verb::StartTls, State::Ready) => Verdict::Go,
        (Verb::Mail | Verb::StartTls, _) => wrong("not inside a transaction: say RSET first"),
        (Verb::Rcpt, State::Sender | State::Recipients) => Verdict::Go,
        (Verb::Data, State::Recipients) => Verdict::Go,
        // RFC 5321 §3.3
        (Verb::Data, State::Sender) => {
            Verdict::Wrong(Reply::new(554, (5, 5, 1), "no recipient was taken"))
        }
        (Verb::Rcpt | Verb::Data, _) => wrong("say MAIL first"),
    }
}
