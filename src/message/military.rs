//! Military header fields: precedence, authorising users, message type, indicator codes.
//!
//! Promises: `read` gives every MMHS field that it knows, each checked against its grammar;
//! `write` gives fields that `read` reads back; what is written needs no encoding.
//! Refuses: a field that stands twice, a value outside its grammar, a precedence that this switch
//! cannot order (6 to 31): unknown means no.
//! Standards: RFC 6477 §3, §4; RFC 7912 §3.1; RFC 2156 §3.3.3 (ps-char); RFC 6710 (priority).

use super::Precedence;
use super::address::{Address, Mailbox, MailboxError};
use super::header::{Field, Headers};
use crate::clock::{Timestamp, rfc5322_date};

/// The military fields of one header section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Military {
    /// `MMHS-Primary-Precedence`: for the action (To) recipients.
    pub primary_precedence: Option<Precedence>,
    /// `MMHS-Copy-Precedence`: for the info (Cc, Bcc) recipients.
    pub copy_precedence: Option<Precedence>,
    /// `MMHS-Authorizing-Users`: who released the message, in order.
    pub authorizing_users: Vec<Address>,
    /// `MMHS-Extended-Authorisation-Info`: when it was released.
    pub authorized_at: Option<Timestamp>,
    /// `MMHS-Message-Type`.
    pub message_type: Option<MessageType>,
    /// `MMHS-Subject-Indicator-Codes`.
    pub sics: Vec<String>,
    /// `MMHS-Handling-Instructions`.
    pub handling_instructions: Vec<String>,
    /// `MMHS-Message-Instructions`.
    pub message_instructions: Vec<String>,
    /// `MMHS-Exempted-Address`: who of a list should not get it.
    pub exempted_addresses: Vec<Address>,
    /// `MMHS-Other-Recipients-Indicator-To`.
    pub other_recipients_to: Vec<String>,
    /// `MMHS-Other-Recipients-Indicator-CC`.
    pub other_recipients_cc: Vec<String>,
    /// `MMHS-Codress-Message-Indicator`.
    pub codress: Option<u32>,
    /// `MMHS-Originator-Reference`.
    pub originator_reference: Option<String>,
    /// `MMHS-Originator-PLAD`: the originator in plain language.
    pub originator_plad: Option<String>,
    /// `MMHS-Acp127-Message-Identifier`.
    pub acp127_identifier: Option<String>,
}

// RFC 6477 §4.9
/// What kind of traffic a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageType {
    /// 0 exercise, 1 operation, 2 project, 3 drill; above 127 national.
    pub number: u8,
    /// The name of the exercise, operation, ...
    pub identifier: Option<String>,
}

/// A military field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} (octet {position} of the message): {kind}")]
pub struct MilitaryError {
    /// The field.
    pub field: String,
    /// What is wrong.
    pub kind: MilitaryProblem,
    /// Where the field begins, in octets from the start of the bytes that were parsed.
    pub position: usize,
}

/// What is wrong with a military field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MilitaryProblem {
    /// Not addresses.
    #[error(transparent)]
    Addresses(MailboxError),
    /// Not a date and time.
    #[error("a date and time like `Sat, 21 Nov 2026 08:30:00 +0000` is expected")]
    Date,
    /// It stands there before.
    #[error("the field may stand only once")]
    Duplicate,
    /// Neither a number without leading zeros nor one of the words.
    #[error("a number without leading zeros, or one of the words of RFC 6477, is expected")]
    Number,
    /// A precedence that this switch cannot put in order with the others.
    #[error(
        "precedence {0} is national or reserved: this switch orders 0 (deferred) to 5 (override)"
    )]
    Precedence(u8),
    /// Not a subject indicator code.
    #[error("a subject indicator code has 3 to 8 characters")]
    SubjectIndicator,
    /// Characters outside ps-char, or too long.
    #[error("1 to 69 of A-Z a-z 0-9 space ' ( ) + , - . / : = ? are expected")]
    Text,
}

impl Military {
    /// Reads the military fields of a header section.
    pub fn read(headers: &Headers) -> Result<Self, MilitaryError> {
        let mut military = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for field in headers.fields() {
            let name = field.name().to_ascii_lowercase();
            let Some(name) = name.strip_prefix("mmhs-") else {
                continue;
            };
            // RFC 6477 §3 writes Authorisation, its §6 also Authorization: one field
            let name = name.replace("authorization-info", "authorisation-info");
            let read = military.read_field(&name, field);
            // RFC 6477 §3: each field at most once
            let read = match seen.contains(&name) {
                true => Err(MilitaryProblem::Duplicate),
                false => read,
            };
            read.map_err(|kind| MilitaryError {
                field: field.name().to_owned(),
                kind,
                position: field.range().start,
            })?;
            seen.push(name);
        }
        Ok(military)
    }

    fn read_field(&mut self, name: &str, field: &Field) -> Result<(), MilitaryProblem> {
        let value = field.value();
        match name {
            "primary-precedence" => self.primary_precedence = Some(precedence(value)?),
            "copy-precedence" => self.copy_precedence = Some(precedence(value)?),
            // RFC 7912 §3.1: a mailbox-list, no groups
            "authorizing-users" => self.authorizing_users = addresses(Address::parse_list(value))?,
            "extended-authorisation-info" => {
                let parser = jiff::fmt::rfc2822::DateTimeParser::new();
                let at = parser.parse_timestamp(value);
                self.authorized_at = Some(at.map_err(|_| MilitaryProblem::Date)?);
            }
            "message-type" => self.message_type = Some(message_type(value)?),
            "subject-indicator-codes" => self.sics = indicator_codes(value)?,
            "handling-instructions" => self.handling_instructions = texts(value)?,
            "message-instructions" => self.message_instructions = texts(value)?,
            "exempted-address" => {
                self.exempted_addresses = addresses(Address::parse_list_with_groups(value))?;
            }
            "other-recipients-indicator-to" => self.other_recipients_to = texts(value)?,
            "other-recipients-indicator-cc" => self.other_recipients_cc = texts(value)?,
            "codress-message-indicator" => {
                self.codress = Some(number(without_comment(value)).ok_or(MilitaryProblem::Number)?);
            }
            "originator-reference" => self.originator_reference = Some(text(value)?),
            "originator-plad" => self.originator_plad = Some(text(value)?),
            "acp127-message-identifier" => self.acp127_identifier = Some(text(value)?),
            // A field of a later standard: not ours to judge.
            _ => {}
        }
        Ok(())
    }

    /// The fields as they are written, in the order of RFC 6477; absent ones are left out.
    pub fn write(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let mut put = |name: &str, value: String| {
            if !value.is_empty() {
                out.push((format!("MMHS-{name}"), value));
            }
        };
        let word = |p: Option<Precedence>| {
            p.map(|p| format!("{} ({})", p.number(), p.to_string().to_ascii_lowercase()))
                .unwrap_or_default()
        };
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        put("Exempted-Address", joined(&self.exempted_addresses));
        put(
            "Extended-Authorisation-Info",
            self.authorized_at.map(rfc5322_date).unwrap_or_default(),
        );
        put("Subject-Indicator-Codes", self.sics.join("; "));
        put(
            "Handling-Instructions",
            self.handling_instructions.join("; "),
        );
        put("Message-Instructions", self.message_instructions.join("; "));
        put(
            "Codress-Message-Indicator",
            self.codress.map(|n| n.to_string()).unwrap_or_default(),
        );
        put("Originator-Reference", optional(&self.originator_reference));
        put("Primary-Precedence", word(self.primary_precedence));
        put("Copy-Precedence", word(self.copy_precedence));
        let message_type = self.message_type.as_ref().map(|t| match &t.identifier {
            Some(identifier) => format!("{}; identifier=\"{identifier}\"", t.number),
            None => t.number.to_string(),
        });
        put("Message-Type", message_type.unwrap_or_default());
        put(
            "Other-Recipients-Indicator-To",
            self.other_recipients_to.join("; "),
        );
        put(
            "Other-Recipients-Indicator-CC",
            self.other_recipients_cc.join("; "),
        );
        put(
            "Acp127-Message-Identifier",
            optional(&self.acp127_identifier),
        );
        put("Originator-PLAD", optional(&self.originator_plad));
        put("Authorizing-Users", joined(&self.authorizing_users));
        out
    }
}

fn joined(addresses: &[Address]) -> String {
    let addresses: Vec<String> = addresses.iter().map(Address::to_string).collect();
    addresses.join(", ")
}

fn addresses(list: Result<Vec<Mailbox>, MailboxError>) -> Result<Vec<Address>, MilitaryProblem> {
    let list = list.map_err(MilitaryProblem::Addresses)?;
    Ok(list.into_iter().map(|mailbox| mailbox.address).collect())
}

// RFC 6477 §4.8: a number or a word, in any case; a comment may follow
fn precedence(value: &str) -> Result<Precedence, MilitaryProblem> {
    let value = without_comment(value);
    if let Ok(precedence) = value.parse() {
        return Ok(precedence);
    }
    match number::<u8>(value) {
        Some(n) if n <= 31 => Precedence::from_number(n).ok_or(MilitaryProblem::Precedence(n)),
        _ => Err(MilitaryProblem::Number),
    }
}

// RFC 6477 §4.9
fn message_type(value: &str) -> Result<MessageType, MilitaryProblem> {
    let (kind, rest) = match value.split_once(';') {
        Some((kind, rest)) => (kind, Some(rest.trim_matches([' ', '\t']))),
        None => (value, None),
    };
    let kind = without_comment(kind);
    let words = ["exercise", "operation", "project", "drill"];
    let word = (0_u8..)
        .zip(words)
        .find(|(_, w)| w.eq_ignore_ascii_case(kind));
    let number = word
        .map(|(n, _)| n)
        .or_else(|| number(kind))
        .ok_or(MilitaryProblem::Number)?;
    let identifier = rest.map(|rest| {
        let (name, value) = rest.split_once('=').ok_or(MilitaryProblem::Text)?;
        let quoted = value.trim_matches([' ', '\t']).strip_prefix('"');
        match name
            .trim_matches([' ', '\t'])
            .eq_ignore_ascii_case("identifier")
        {
            true => text(quoted.and_then(|q| q.strip_suffix('"')).unwrap_or_default()),
            false => Err(MilitaryProblem::Text),
        }
    });
    Ok(MessageType {
        number,
        identifier: identifier.transpose()?,
    })
}

// RFC 6477 §4.3: sic = 3*8 ps-char
/// Whether this is a subject indicator code.
pub fn is_subject_indicator(code: &str) -> bool {
    (3..=8).contains(&code.len()) && text(code).is_ok_and(|read| read == code)
}

// RFC 6477 §4.3
fn indicator_codes(value: &str) -> Result<Vec<String>, MilitaryProblem> {
    let codes = texts(value)?;
    match codes.iter().all(|code| is_subject_indicator(code)) {
        true => Ok(codes),
        false => Err(MilitaryProblem::SubjectIndicator),
    }
}

fn texts(value: &str) -> Result<Vec<String>, MilitaryProblem> {
    value.split(';').map(text).collect()
}

// RFC 6477 §4.2: military-string = 1*69 ps-char; RFC 2156 §3.3.3: no ; " * @ _ & #
fn text(value: &str) -> Result<String, MilitaryProblem> {
    let value = value.trim_matches([' ', '\t']);
    let allowed = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    match (1..=69).contains(&value.len()) && value.chars().all(allowed) {
        true => Ok(value.to_owned()),
        false => Err(MilitaryProblem::Text),
    }
}

/// "0", or digits without a leading zero.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| digits && !leading_zero)
}

/// The value without one comment at its end.
fn without_comment(value: &str) -> &str {
    let value = value.trim_matches([' ', '\t']);
    let comment = value.strip_suffix(')').and_then(|v| v.split_once('('));
    comment.map_or(value, |(before, _)| before.trim_end_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::super::header::{Limits, Writer};
    use super::*;

    fn read(text: &str) -> Result<Military, MilitaryProblem> {
        let (headers, _) = Headers::parse(text.as_bytes(), Limits::default()).unwrap();
        Military::read(&headers).map_err(|error| error.kind)
    }

    #[test]
    fn every_field_reads_back_as_written() {
        let address = |text| Address::parse(text).unwrap();
        let military = Military {
            primary_precedence: Some(Precedence::Flash),
            copy_precedence: Some(Precedence::Routine),
            authorizing_users: vec![address("a@x"), address("b@y")],
            authorized_at: Some(Timestamp::UNIX_EPOCH),
            message_type: Some(MessageType {
                number: 0,
                identifier: Some("BOLD MOVE 1".into()),
            }),
            sics: vec!["ABC".into(), "D1E2".into()],
            handling_instructions: vec!["BY HAND".into()],
            message_instructions: vec!["MINIMIZE CONSIDERED".into(), "NO (DIST)".into()],
            exempted_addresses: vec![address("c@z")],
            other_recipients_to: vec!["HQ".into()],
            other_recipients_cc: vec!["ALL SHIPS".into()],
            codress: Some(12),
            originator_reference: Some("REF 1/2".into()),
            originator_plad: Some("CO ALDER".into()),
            acp127_identifier: Some("RPDLE 1234".into()),
        };
        let mut writer = Writer::new();
        for (name, value) in military.write() {
            writer.field(&name, &value).unwrap();
        }
        assert_eq!(military.write().len(), 15);
        assert_eq!(
            read(&String::from_utf8(writer.finish()).unwrap()),
            Ok(military)
        );
    }

    #[test]
    fn a_precedence_has_many_spellings() {
        for value in ["FLASH", "flash", "4", "4 (Flash)", "flash (x (y))"] {
            let read = read(&format!("MMHS-Primary-Precedence: {value}\r\n")).unwrap();
            assert_eq!(read.primary_precedence, Some(Precedence::Flash), "{value}");
        }
        let problem = |v| read(&format!("mmhs-copy-precedence: {v}\r\n")).unwrap_err();
        assert_eq!(problem("6"), MilitaryProblem::Precedence(6));
        for bad in ["32", "04", "+4", "", "urgent", "4 5"] {
            assert_eq!(problem(bad), MilitaryProblem::Number, "{bad}");
        }
    }

    #[test]
    fn a_field_stands_once_and_keeps_to_its_grammar() {
        let problem = |text| read(text).unwrap_err();
        let twice = "MMHS-Primary-Precedence: 4\r\nmmhs-primary-precedence: 1\r\n";
        assert_eq!(problem(twice), MilitaryProblem::Duplicate);
        let spelled = "MMHS-Extended-Authorisation-Info: Sat, 21 Nov 2026 08:30:00 +0000\r\n\
            MMHS-Extended-Authorization-Info: Sat, 21 Nov 2026 08:30:00 +0000\r\n";
        assert_eq!(problem(spelled), MilitaryProblem::Duplicate);
        assert_eq!(
            problem("MMHS-Subject-Indicator-Codes: ABC; AB\r\n"),
            MilitaryProblem::SubjectIndicator
        );
        assert_eq!(
            problem("MMHS-Originator-PLAD: a@b\r\n"),
            MilitaryProblem::Text
        );
        assert_eq!(
            problem("MMHS-Message-Type: 0; x=\"a\"\r\n"),
            MilitaryProblem::Text
        );
        assert_eq!(
            problem("MMHS-Message-Type: 256\r\n"),
            MilitaryProblem::Number
        );
        assert_eq!(
            problem("MMHS-Extended-Authorisation-Info: today\r\n"),
            MilitaryProblem::Date
        );
        assert!(matches!(
            problem("MMHS-Authorizing-Users: G: a@x;\r\n"),
            MilitaryProblem::Addresses(_)
        ));
    }
}
