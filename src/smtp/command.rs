//! Commands: one line in, one value out.
//!
//! Promises: what parses is what the grammar says, nothing is repaired; each error is the reply
//! that the client gets.
//! Refuses: unknown parameters (555), a parameter twice, white space where none belongs, addresses
//! outside ASCII (SMTPUTF8 is not offered).
//! Standards: RFC 5321 §4.1; RFC 1870 §3; RFC 6152 §2; RFC 6710 §4; RFC 3207 §4.

use super::Reply;
use super::line::is_clean;
use crate::message::address::{Address, ReversePath};
use crate::message::envelope::Body;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `DATA`
    Data,
    /// `EHLO name`
    Ehlo(String),
    /// `HELO name`
    Helo(String),
    /// `MAIL FROM:<path> parameters`
    Mail(ReversePath, MailParameters),
    /// `NOOP`
    Noop,
    /// `QUIT`
    Quit,
    /// `RCPT TO:<path>`
    Rcpt(Recipient),
    /// `RSET`
    Rset,
    /// `STARTTLS`
    StartTls,
    /// `VRFY text`
    Vrfy,
}

/// The parameters of `MAIL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE`
    pub size: Option<u64>,
    /// `BODY`
    pub body: Option<Body>,
    /// `MT-PRIORITY`
    pub priority: Option<i8>,
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
            "EXPN" | "HELP" | "ETRN" | "TURN" | "AUTH" | "BDAT" => {
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
    let mut read = MailParameters::default();
    for (keyword, value) in split_parameters(parameters)? {
        match keyword.as_str() {
            "SIZE" => set(&mut read.size, value.and_then(size), 4)?,
            "BODY" => set(&mut read.body, value.and_then(body), 4)?,
            // RFC 6710 §4.1: 501 5.5.2 for a bad or second one
            "MT-PRIORITY" => set(&mut read.priority, value.and_then(priority), 2)?,
            _ => return Err(unknown_parameter(&keyword)),
        }
    }
    Ok(Command::Mail(from, read))
}

// RFC 5321 §4.1.1.3
fn rcpt(rest: &str) -> Result<Command, Reply> {
    let rest = after_keyword(rest, "TO:")?;
    let (path, parameters) = path_and_parameters(rest)?;
    if let Some((keyword, _)) = split_parameters(parameters)?.first() {
        return Err(unknown_parameter(keyword));
    }
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(Command::Rcpt(Recipient::Postmaster));
    }
    mailbox(path, 3).map(|address| Command::Rcpt(Recipient::Mailbox(address)))
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
    if !path.is_ascii() {
        // RFC 6531 §3.5
        return Err(Reply::new(
            553,
            (5, 6, 7),
            "addresses outside ASCII need SMTPUTF8",
        ));
    }
    Address::parse(path).map_err(|error| {
        Reply::new(
            501,
            (5, 1, detail),
            &format!("not a mailbox: {}", error.kind),
        )
    })
}

// RFC 5321 §4.1.2 (esmtp-param)
fn split_parameters(text: &str) -> Result<Vec<(String, Option<&str>)>, Reply> {
    let mut found = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let is_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_value = value
            .is_none_or(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_graphic() && b != b'='));
        if !is_keyword || !is_value {
            return Err(argument("parameters are KEYWORD or KEYWORD=value"));
        }
        found.push((keyword.to_ascii_uppercase(), value));
    }
    Ok(found)
}

/// `detail` is the last number of the enhanced code of the refusal.
fn set<T>(place: &mut Option<T>, value: Option<T>, detail: u16) -> Result<(), Reply> {
    let refused = |text| Err(Reply::new(501, (5, 5, detail), text));
    match (place.is_some(), value) {
        (true, _) => refused("a parameter stands twice"),
        (false, None) => refused("a parameter has no valid value"),
        (false, value) => {
            *place = value;
            Ok(())
        }
    }
}

// RFC 1870 §3: 1*20DIGIT
fn size(value: &str) -> Option<u64> {
    let digits = value.len() <= 20 && value.bytes().all(|b| b.is_ascii_digit());
    // Twenty digits may be more than we can count: that is too large in any case.
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

// RFC 6152 §2
fn body(value: &str) -> Option<Body> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBitMime),
        _ => None,
    }
}

// RFC 6710 §6: "0" or [-] 1 to 9
fn priority(value: &str) -> Option<i8> {
    let digit = value.strip_prefix('-').unwrap_or(value);
    let single = digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|_| single && value != "-0")
}

fn unknown_parameter(keyword: &str) -> Reply {
    let keyword: String = keyword.chars().take(40).collect();
    Reply::new(
        555,
        (5, 5, 4),
        &format!("the parameter {keyword} is not offered"),
    )
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
                    priority: Some(-2)
                }
            )
        );
        assert_eq!(
            read("MAIL FROM:<>"),
            Command::Mail(ReversePath::Null, MailParameters::default())
        );
        let mailbox = |text| Command::Rcpt(Recipient::Mailbox(Address::parse(text).unwrap()));
        assert_eq!(read("RCPT TO:<\"a> b\"@x>"), mailbox("\"a> b\"@x"));
        assert_eq!(read("RCPT TO:<@r,@s:a@x>"), mailbox("a@x"));
        assert_eq!(
            read("RCPT TO:<PostMaster>"),
            Command::Rcpt(Recipient::Postmaster)
        );
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
            "MAIL FROM:<a@x> BODY=BINARYMIME",
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
        assert_eq!(refused("RCPT TO:<ü@x>"), (553, (5, 6, 7)));
        assert_eq!(refused("MAIL FROM:<a@x> RET=HDRS"), (555, (5, 5, 4)));
        assert_eq!(refused("RCPT TO:<a@x> NOTIFY=NEVER"), (555, (5, 5, 4)));
        assert_eq!(refused("EXPN list"), (502, (5, 5, 1)));
        assert_eq!(refused("HELLO x"), (500, (5, 5, 1)));
        assert_eq!(refused(""), (500, (5, 5, 1)));
        assert_eq!(refused("NO\u{1}OP"), (500, (5, 5, 2)));
    }
}
