//! Commands: one line in, one value out.
//!
//! Promises: what parses is what the grammar says, nothing is repaired; each error is the reply
//! that the client gets.
//! Refuses: unknown parameters (555), a parameter twice, white space where none belongs.
//! Standards: RFC 5321 §4.1; RFC 3207 §4; RFC 3030 §2; RFC 4954 §4; RFC 2033 §4.1.

use super::Reply;
use super::line::is_clean;
use crate::message::address::{Address, ReversePath};
use crate::message::service::RecipientService;

mod client;
mod parameters;

pub use client::Client;
pub(super) use client::OFFERED;
pub use parameters::{By, Hold, MailParameters};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `AUTH mechanism response`, both as they came
    Auth(String, Option<String>),
    /// `BDAT octets LAST`
    Bdat(u64, Chunk),
    /// `DATA`
    Data,
    /// `EHLO name`
    Ehlo(String),
    /// `HELO name`
    Helo(String),
    /// `LHLO name`
    Lhlo(String),
    /// `MAIL FROM:<path> parameters`
    Mail(ReversePath, MailParameters),
    /// `NOOP`
    Noop,
    /// `QUIT`
    Quit,
    /// `RCPT TO:<path> parameters`
    Rcpt(Recipient, RecipientService),
    /// `RSET`
    Rset,
    /// `STARTTLS`
    StartTls,
    /// `VRFY text`
    Vrfy,
    /// `XCLIENT attributes`
    XClient(Client),
}

/// Whether more of the message follows a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// It was the last.
    Last,
    /// More follows.
    More,
}

/// The argument of `RCPT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A mailbox.
    Mailbox(Address),
    /// `<Postmaster>`, the one name that needs no domain (RFC 5321 §4.5.1).
    Postmaster,
}

impl Command {
    /// Reads a line without its CRLF.
    pub fn parse(line: &[u8]) -> Result<Self, Reply> {
        if !is_clean(line) {
            return Err(syntax("control characters are not allowed in commands"));
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(syntax("the line is neither ASCII nor UTF-8"));
        };
        let (verb, rest) = match line.split_once(' ') {
            Some((verb, rest)) => (verb, Some(rest)),
            None => (line, None),
        };
        let alone = |command| match rest.map_or("", |rest| rest.trim_end_matches(' ')) {
            "" => Ok(command),
            _ => Err(argument("this command takes no argument")),
        };
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => client_name(rest).map(Self::Ehlo),
            "HELO" => client_name(rest).map(Self::Helo),
            "MAIL" => mail(rest.unwrap_or_default()),
            "RCPT" => rcpt(rest.unwrap_or_default()),
            "DATA" => alone(Self::Data),
            "RSET" => alone(Self::Rset),
            "QUIT" => alone(Self::Quit),
            "STARTTLS" => alone(Self::StartTls),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => match rest {
                Some(_) => Ok(Self::Vrfy),
                None => Err(argument("VRFY needs an argument")),
            },
            "AUTH" => auth(rest.unwrap_or_default()),
            "BDAT" => bdat(rest.unwrap_or_default()),
            "LHLO" => client_name(rest).map(Self::Lhlo),
            "XCLIENT" => client::read(rest.unwrap_or_default()).map(Self::XClient),
            "EXPN" | "HELP" | "ETRN" | "TURN" => {
                Err(Reply::new(502, (5, 5, 1), "this command is not offered"))
            }
            _ => Err(Reply::new(500, (5, 5, 1), "unknown command")),
        }
    }
}

// RFC 5321 §4.1.1.1; what is kept is a claim, but it goes into Received and events
fn client_name(rest: Option<&str>) -> Result<String, Reply> {
    let name = rest.unwrap_or_default().trim_end_matches(' ');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    match (1..=255).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(name.to_owned()),
        false => Err(argument("a host name or address literal is expected")),
    }
}

// RFC 5321 §4.1.1.2
fn mail(rest: &str) -> Result<Command, Reply> {
    let rest = after_keyword(rest, "FROM:")?;
    let (path, parameters) = path_and_parameters(rest)?;
    let from = match path {
        "" => ReversePath::Null,
        path => ReversePath::Address(mailbox(path, 7)?),
    };
    Ok(Command::Mail(from, parameters::mail(parameters)?))
}

// RFC 4954 §4
fn auth(rest: &str) -> Result<Command, Reply> {
    let mut words = rest.split(' ');
    let mechanism = words.next().unwrap_or_default();
    let response = words.next();
    let is_name = (1..=20).contains(&mechanism.len())
        && mechanism
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    match (is_name, words.next()) {
        (true, None) => Ok(Command::Auth(
            mechanism.to_ascii_uppercase(),
            response.map(str::to_owned),
        )),
        _ => Err(argument("AUTH mechanism [initial-response] is expected")),
    }
}

// RFC 3030 §2: 1*20DIGIT, then nothing or LAST
fn bdat(rest: &str) -> Result<Command, Reply> {
    let (size, last) = match rest.split_once(' ') {
        Some((size, word)) if word.eq_ignore_ascii_case("LAST") => (size, Chunk::Last),
        Some(_) => return Err(argument("BDAT octets [LAST] is expected")),
        None => (rest, Chunk::More),
    };
    let counts = (1..=20).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_digit());
    size.parse()
        .ok()
        .filter(|_| counts)
        .map(|size| Command::Bdat(size, last))
        .ok_or_else(|| argument("BDAT octets [LAST] is expected"))
}

// RFC 5321 §4.1.1.3
fn rcpt(rest: &str) -> Result<Command, Reply> {
    let rest = after_keyword(rest, "TO:")?;
    let (path, parameters) = path_and_parameters(rest)?;
    let recipient = match path.eq_ignore_ascii_case("postmaster") {
        true => Recipient::Postmaster,
        false => Recipient::Mailbox(mailbox(path, 3)?),
    };
    Ok(Command::Rcpt(recipient, parameters::rcpt(parameters)?))
}

fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Result<&'a str, Reply> {
    match rest.split_at_checked(keyword.len()) {
        Some((found, rest)) if found.eq_ignore_ascii_case(keyword) => Ok(rest),
        _ => Err(argument(&format!("{keyword}<address> is expected"))),
    }
}

/// Splits `<path> parameters`; a quoted local part may hold `>` and spaces.
fn path_and_parameters(text: &str) -> Result<(&str, &str), Reply> {
    let wrong = || argument("an address in angle brackets is expected, right after the colon");
    let inner = text.strip_prefix('<').ok_or_else(wrong)?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in inner.char_indices() {
        match (quoted, c) {
            _ if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => quoted = !quoted,
            (false, '>') => {
                let (path, rest) = inner.split_at_checked(at).ok_or_else(wrong)?;
                let rest = rest.strip_prefix('>').ok_or_else(wrong)?;
                return match rest.is_empty() || rest.starts_with(' ') {
                    true => Ok((path, rest)),
                    false => Err(wrong()),
                };
            }
            _ => {}
        }
    }
    Err(wrong())
}

/// `detail` is the last number of the enhanced code: 7 for the sender, 3 for a recipient.
fn mailbox(path: &str, detail: u16) -> Result<Address, Reply> {
    // RFC 5321 §4.1.1.3, Appendix C: a source route is recognised and ignored
    let path = match path.strip_prefix('@').and_then(|p| p.split_once(':')) {
        Some((_, path)) => path,
        None => path,
    };
    Address::parse(path).map_err(|error| {
        Reply::new(
            501,
            (5, 1, detail),
            &format!("not a mailbox: {}", error.kind),
        )
    })
}

fn argument(text: &str) -> Reply {
    Reply::new(501, (5, 5, 4), text)
}

fn syntax(text: &str) -> Reply {
    Reply::new(500, (5, 5, 2), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::envelope::Body;

    fn read(line: &str) -> Command {
        Command::parse(line.as_bytes()).unwrap()
    }

    fn refused(line: &str) -> (u16, (u8, u16, u16)) {
        let reply = Command::parse(line.as_bytes()).unwrap_err();
        (reply.code, reply.status())
    }

    #[test]
    fn commands_are_read_in_any_case() {
        assert_eq!(
            read("ehlo [192.0.2.1]"),
            Command::Ehlo("[192.0.2.1]".into())
        );
        assert_eq!(read("Data"), Command::Data);
        assert_eq!(read("NOOP anything at all"), Command::Noop);
        assert_eq!(
            read("mail from:<a@x> size=12 Body=8bitmime MT-PRIORITY=-2"),
            Command::Mail(
                ReversePath::parse("<a@x>").unwrap(),
                MailParameters {
                    size: Some(12),
                    body: Some(Body::EightBitMime),
                    priority: Some(-2),
                    ..MailParameters::default()
                }
            )
        );
        assert_eq!(
            read("MAIL FROM:<>"),
            Command::Mail(ReversePath::Null, MailParameters::default())
        );
        let to = |recipient| Command::Rcpt(recipient, RecipientService::default());
        let mailbox = |text| to(Recipient::Mailbox(Address::parse(text).unwrap()));
        assert_eq!(read("RCPT TO:<\"a> b\"@x>"), mailbox("\"a> b\"@x"));
        assert_eq!(read("RCPT TO:<@r,@s:a@x>"), mailbox("a@x"));
        assert_eq!(read("RCPT TO:<PostMaster>"), to(Recipient::Postmaster));
        assert_eq!(read("RCPT TO:<ü@x>"), mailbox("ü@x"));
        assert_eq!(read("bdat 0 last"), Command::Bdat(0, Chunk::Last));
        assert_eq!(read("BDAT 86"), Command::Bdat(86, Chunk::More));
        assert_eq!(
            read("auth plain AGE="),
            Command::Auth("PLAIN".into(), Some("AGE=".into()))
        );
        assert_eq!(read("LHLO p"), Command::Lhlo("p".into()));
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_refused() {
        for line in [
            "EHLO",
            "EHLO a b",
            "EHLO (a)",
            "MAIL",
            "MAIL FROM:a@x",
            "MAIL FROM: <a@x>",
            "MAIL FROM:<a@x>SIZE=1",
            "MAIL FROM:<a@x",
            "MAIL FROM:<a@x> SIZE",
            "MAIL FROM:<a@x> SIZE=-1",
            "MAIL FROM:<a@x> SIZE=1 SIZE=1",
            "MAIL FROM:<a@x> BODY=9BIT",
            "BDAT",
            "BDAT x",
            "BDAT -1",
            "BDAT 5 FIRST",
            "BDAT 5 LAST LAST",
            "BDAT 99999999999999999999",
            "BDAT 123456789012345678901",
            "AUTH",
            "AUTH A B C",
            "AUTH (",
            "MAIL FROM:<a@x> =1",
            "RCPT FROM:<a@x>",
            "DATA now",
            "STARTTLS x",
            "QUIT x",
            "VRFY",
        ] {
            assert_eq!(refused(line), (501, (5, 5, 4)), "{line}");
        }
        for value in ["10", "-0", "+1", "", "a", "1 MT-PRIORITY=1"] {
            let line = format!("MAIL FROM:<a@x> MT-PRIORITY={value}");
            assert_eq!(refused(&line).0, 501, "{line}");
        }
        assert_eq!(refused("MAIL FROM:<a@x> MT-PRIORITY=-0"), (501, (5, 5, 2)));
        assert_eq!(refused("MAIL FROM:<a>"), (501, (5, 1, 7)));
        assert_eq!(refused("RCPT TO:<>"), (501, (5, 1, 3)));
        assert_eq!(refused("MAIL FROM:<a@x> NOTIFY=NEVER"), (555, (5, 5, 4)));
        assert_eq!(refused("RCPT TO:<a@x> RET=HDRS"), (555, (5, 5, 4)));
        assert_eq!(refused("EXPN list"), (502, (5, 5, 1)));
        assert_eq!(refused("HELLO x"), (500, (5, 5, 1)));
        assert_eq!(refused(""), (500, (5, 5, 1)));
        assert_eq!(refused("NO\u{1}OP"), (500, (5, 5, 2)));
    }
}
