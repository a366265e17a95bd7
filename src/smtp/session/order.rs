//! The order of commands: one table.
//!
//! ```text
//!              Greeted    Ready      Sender     Recipients Chunks
//! EHLO HELO    Ready      Ready      Ready      Ready      Ready     (drop the transaction)
//! MAIL         503        ask        503        503        503       ask: 2xx leads to Sender
//! RCPT         503        503        ask        ask        503       ask: 2xx leads to Recipients
//! DATA         503        503        554        Data       503       at its end Ready
//! BDAT         503        503        554        Chunks     Chunks    after LAST Ready
//! RSET         stays      stays      Ready      Ready      Ready
//! STARTTLS     503        Handshake  503        503        503       then Greeted
//! AUTH         503        ask        503        503        503       then Ready
//! XCLIENT      503        ask        503        503        503       then Greeted
//! NOOP VRFY    stays      stays      stays      stays      stays
//! QUIT         Closed     Closed     Closed     Closed     Closed
//! ```
//!
//! LHLO stands for EHLO where LMTP is spoken. The octets of a chunk that is refused are read and
//! dropped before the reply.
//!
//! Standards: RFC 5321 §4.1.4; RFC 2920 §3.1; RFC 3207 §4; RFC 3030 §2; RFC 4954 §4.

use super::super::Reply;
use super::super::command::Command;
use super::State;

/// A command without its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Auth,
    Bdat,
    Data,
    Hello,
    Mail,
    Other,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    XClient,
}

/// Whether a command may be obeyed now.
pub(super) enum Verdict {
    Go,
    Wrong(Reply),
}

impl Verb {
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::Auth(..) => Self::Auth,
            Command::Bdat(..) => Self::Bdat,
            Command::Data => Self::Data,
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) => Self::Hello,
            Command::Mail(..) => Self::Mail,
            Command::Noop | Command::Vrfy => Self::Other,
            Command::Quit => Self::Quit,
            Command::Rcpt(..) => Self::Rcpt,
            Command::Rset => Self::Rset,
            Command::StartTls => Self::StartTls,
            Command::XClient(_) => Self::XClient,
        }
    }

    // RFC 2920 §3.1; without PIPELINING every command waits for its reply
    pub(super) fn ends_group(self, is_pipelining_offered: bool) -> bool {
        match self {
            Self::Auth | Self::Data | Self::Hello | Self::StartTls | Self::XClient => true,
            Self::Mail | Self::Rcpt | Self::Rset | Self::Other => !is_pipelining_offered,
            // The octets of a chunk follow at once; what comes after QUIT is never read.
            Self::Bdat | Self::Quit => false,
        }
    }
}

/// The table above.
pub(super) fn verdict(state: &State, verb: Verb) -> Verdict {
    let wrong = |text| Verdict::Wrong(Reply::new(503, (5, 5, 1), text));
    match (verb, state) {
        (Verb::Hello | Verb::Rset | Verb::Other | Verb::Quit, _) => Verdict::Go,
        (_, State::Greeted) => wrong("say EHLO first"),
        (Verb::Auth | Verb::Mail | Verb::StartTls | Verb::XClient, State::Ready) => Verdict::Go,
        (Verb::Auth | Verb::Mail | Verb::StartTls | Verb::XClient, _) => {
            wrong("not inside a transaction: say RSET first")
        }
        (Verb::Rcpt, State::Sender | State::Recipients) => Verdict::Go,
        (Verb::Data, State::Recipients) => Verdict::Go,
        (Verb::Bdat, State::Recipients | State::Chunks) => Verdict::Go,
        // RFC 5321 §3.3
        (Verb::Bdat | Verb::Data, State::Sender) => {
            Verdict::Wrong(Reply::new(554, (5, 5, 1), "no recipient was taken"))
        }
        // RFC 3030 §2: who begins with BDAT ends with BDAT
        (Verb::Rcpt | Verb::Data, State::Chunks) => wrong("the message is arriving by BDAT"),
        (Verb::Rcpt | Verb::Data | Verb::Bdat, _) => wrong("say MAIL first"),
    }
}
