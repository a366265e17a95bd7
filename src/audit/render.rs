//! A record in the words of others' log collectors: CEF and syslog.
//!
//! Promises: one record is one line, whatever stands in it: what a peer or a message brought along
//! (replies, addresses, names) cannot end a field, a line or a frame, nor add one.
//! Standards: RFC 5424 (syslog), RFC 6587 §3.4.1 and RFC 5425 §4.3 (octet counting); ArcSight Common
//! Event Format, version 0.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use crate::clock::Timestamp;

/// The facility "log audit".
const AUDIT: u8 = 13;
/// The enterprise number that RFC 5612 keeps for documentation; Ravelin has none of its own.
const ENTERPRISE: &str = "32473";

/// The form of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Common Event Format.
    Cef,
    /// As it stands in the chain.
    Jsonl,
    /// RFC 5424, one message each.
    Syslog,
}

/// How much it matters to who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
    Notice,
    Informational,
}

#[derive(Deserialize)]
struct Told {
    seq: u64,
    at: Timestamp,
    act: String,
    actor: String,
    message: Option<String>,
    draft: Option<String>,
    entry: Option<String>,
    decision: Option<String>,
    #[serde(default)]
    details: BTreeMap<String, String>,
    hash: String,
}

/// A line of the chain in another form; `switch` is the host that it comes from. Without a line end.
///
/// # Errors
/// When the line is no record.
pub fn render(line: &str, form: Form, switch: &str) -> Result<String, String> {
    if form == Form::Jsonl {
        return Ok(line.to_owned());
    }
    let told: Told =
        serde_json::from_str(line).map_err(|error| format!("it is not a record: {error}"))?;
    Ok(match form {
        Form::Cef => cef(&told, switch),
        Form::Jsonl | Form::Syslog => syslog(&told, switch),
    })
}

// RFC 6587 §3.4.1, RFC 5425 §4.3: MSG-LEN SP SYSLOG-MSG
/// A message with its length before it: no octet in it can end it.
pub fn framed(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

fn severity(act: &str) -> Severity {
    match act {
        "export-repaired" | "fault" | "quarantined" | "reopened" => Severity::Error,
        "downgraded" | "expired" | "failed" | "forbidden" | "head-room" | "limited"
        | "login-failed" | "overdue" | "refused" | "reload-refused" | "restored"
        | "review-refused" | "rolled-back" | "shed" | "turned-away" => Severity::Warning,
        "accepted" | "checkpoint" | "deferred" | "delivered" | "queued" | "reported" => {
            Severity::Informational
        }
        _ => Severity::Notice,
    }
}

// RFC 5424 §6: <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID [SD] BOM MSG
fn syslog(told: &Told, switch: &str) -> String {
    // RFC 5424 §6.2.1: severities 3, 4, 5 and 6
    let severity = match severity(&told.act) {
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Notice => 5,
        Severity::Informational => 6,
    };
    let priority = AUDIT * 8 + severity;
    // RFC 5424 §6.2.3: at most six digits of a second
    let at = told.at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
    let host = header(switch, 255);
    let id = header(&told.act, 32);
    let mut text = format!("<{priority}>1 {at} {host} ravelin - {id} [ravelin@{ENTERPRISE}");
    let sequence = told.seq.to_string();
    let known = [
        ("seq", Some(&sequence)),
        ("actor", Some(&told.actor)),
        ("message", told.message.as_ref()),
        ("draft", told.draft.as_ref()),
        ("entry", told.entry.as_ref()),
        ("decision", told.decision.as_ref()),
        ("hash", Some(&told.hash)),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            parameter(&mut text, name, value);
        }
    }
    text.push(']');
    if !told.details.is_empty() {
        // An element of its own: a detail cannot be taken for what stands above.
        let _ = write!(text, "[detail@{ENTERPRISE}");
        for (name, value) in &told.details {
            parameter(&mut text, name, value);
        }
        text.push(']');
    }
    // RFC 5424 §6.4: a BOM says that it is UTF-8
    let _ = write!(
        text,
        " \u{feff}{} by {}",
        plain(&told.act),
        plain(&told.actor)
    );
    text
}

// RFC 5424 §6.2.4 to §6.2.7: printable ASCII without blanks, "-" for nothing
fn header(value: &str, longest: usize) -> String {
    let text: String = value
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .take(longest)
        .collect();
    match text.is_empty() {
        true => "-".to_owned(),
        false => text,
    }
}

// RFC 5424 §6.3.3: in a PARAM-VALUE, '"', '\' and ']' are escaped
fn parameter(text: &mut String, name: &str, value: &str) {
    // RFC 5424 §6.3.2: an SD-NAME has no '=', ']', '"' or blank, and 32 characters
    let name: String = name
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') => c,
            _ => '_',
        })
        .take(32)
        .collect();
    let _ = write!(text, " {name}=\"");
    for c in plain(value).chars() {
        if matches!(c, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

fn cef(told: &Told, switch: &str) -> String {
    let severity = match severity(&told.act) {
        Severity::Error => 8,
        Severity::Warning => 6,
        Severity::Notice => 3,
        Severity::Informational => 1,
    };
    let act = cef_header(&told.act);
    let mut text = format!(
        "CEF:0|Ravelin|ravelin|{}|{act}|{act}|{severity}|",
        env!("CARGO_PKG_VERSION")
    );
    // A name with nothing behind it confuses readers: what is empty is left out.
    let mut field = |name: &str, value: &str| {
        if value.is_empty() {
            return;
        }
        if !text.ends_with('|') {
            text.push(' ');
        }
        let _ = write!(text, "{name}={}", cef_value(value));
    };
    field("rt", &told.at.as_millisecond().to_string());
    field("dvchost", switch);
    field("externalId", &told.seq.to_string());
    field("suser", &told.actor);
    let own = [
        ("cs1", "message", &told.message),
        ("cs2", "draft", &told.draft),
        ("cs3", "entry", &told.entry),
        ("cs4", "decision", &told.decision),
        ("cs5", "hash", &Some(told.hash.clone())),
    ];
    for (name, label, value) in own {
        if let Some(value) = value {
            field(&format!("{name}Label"), label);
            field(name, value);
        }
    }
    for (name, value) in &told.details {
        field(&cef_name(name), value);
    }
    text
}

/// A field of the header: `|` and `\` are escaped.
fn cef_header(value: &str) -> String {
    plain(value).replace('\\', "\\\\").replace('|', "\\|")
}

/// A value of the extension: `=` and `\` are escaped, line ends are written as `\n` and `\r`.
fn cef_value(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('=', "\\=")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    plain(&escaped)
}

/// A name of our own in the extension: letters and digits, with our name before it.
fn cef_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.fold("Ravelin".to_owned(), |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}

/// Without control characters: each becomes the picture of itself, so that a line stays a line and
/// a reader sees what was there. Marks that change the direction of writing go the same way.
fn plain(value: &str) -> String {
    value
        .chars()
        .map(|c| match c {
            '\u{00}'..='\u{1f}' => {
                char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            '\u{7f}' => '\u{2421}',
            '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => char::REPLACEMENT_CHARACTER,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, Chain, Event, Head};
    use crate::message::MessageId;

    fn line(actor: &str, name: &str, value: &str) -> String {
        let at = Timestamp::new(1_795_000_000, 123_456_789).unwrap();
        let event = Event::new(at, Act::Refused, actor)
            .message(MessageId::new([1; 16]))
            .decision("label.not-dominated")
            .detail(name, value);
        Chain::after(Head::before_first()).append(&event).line
    }

    #[test]
    fn a_record_has_its_form_in_syslog_and_cef() {
        let line = line("link birch", "reply", "550 5.7.1 no");
        let hash = &line[line.len() - 98..line.len() - 2];
        let message = "01010101010101010101010101010101";
        assert_eq!(
            render(&line, Form::Syslog, "gate.alder.example").unwrap(),
            format!(
                "<108>1 2026-11-18T11:06:40.123456Z gate.alder.example ravelin - refused \
                 [ravelin@32473 seq=\"1\" actor=\"link birch\" message=\"{message}\" \
                 decision=\"label.not-dominated\" hash=\"{hash}\"][detail@32473 reply=\"550 5.7.1 \
                 no\"] \u{feff}refused by link birch"
            )
        );
        assert_eq!(
            render(&line, Form::Cef, "gate.alder.example").unwrap(),
            format!(
                "CEF:0|Ravelin|ravelin|{}|refused|refused|6|rt=1795000000123 \
                 dvchost=gate.alder.example externalId=1 suser=link birch cs1Label=message \
                 cs1={message} cs4Label=decision cs4=label.not-dominated cs5Label=hash cs5={hash} \
                 RavelinReply=550 5.7.1 no",
                env!("CARGO_PKG_VERSION")
            )
        );
        assert_eq!(render(&line, Form::Jsonl, "x").unwrap(), line);
        let empty = self::line("link birch", "released-by", "");
        let cef = render(&empty, Form::Cef, "gate").unwrap();
        assert!(!cef.contains("Released"), "{cef}");
        assert!(render("{}", Form::Cef, "x").is_err());
    }

    /// Takes a syslog message apart as a collector does: the parameters, and what stands behind them.
    fn parameters(message: &str) -> (Vec<(String, String)>, String) {
        let mut found = Vec::new();
        let mut rest = &message[message.find('[').unwrap()..];
        while let Some(element) = rest.strip_prefix('[') {
            rest = &element[element.find([' ', ']']).unwrap()..];
            while let Some(next) = rest.strip_prefix(' ') {
                let (name, value) = next.split_once("=\"").unwrap();
                let mut text = String::new();
                let mut letters = value.char_indices();
                let end = loop {
                    match letters.next().unwrap() {
                        (_, '\\') => text.push(letters.next().unwrap().1),
                        (at, '"') => break at,
                        (_, c) => text.push(c),
                    }
                };
                found.push((name.to_owned(), text));
                rest = &value[end + 1..];
            }
            rest = rest.strip_prefix(']').unwrap();
        }
        (found, rest.to_owned())
    }

    #[test]
    fn what_a_peer_says_ends_no_field_and_no_line() {
        let nasty = [
            "x\r\n<13>1 2026-01-01T00:00:00Z evil - - - - forged",
            "\"] [ravelin@32473 decision=\"pass\"]",
            "a\\\"b\\",
            "a|b|CEF:0|x|y|z|1|1|10|act=accepted",
            "a=b suser=admin",
            "\u{202e}txt.exe\u{0}\u{1b}[2J",
            "zwei\u{2028}Zeilen\u{85}",
        ];
        for bad in nasty {
            for (actor, name, value) in [(bad, "reply", "x"), ("x", "reply", bad), ("x", bad, "x")]
            {
                let line = line(actor, name, value);
                for form in [Form::Syslog, Form::Cef] {
                    let text = render(&line, form, bad).unwrap();
                    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}');
                    assert!(!text.contains(breaks), "{form:?}: {text}");
                }
                let syslog = render(&line, Form::Syslog, "gate").unwrap();
                let (found, rest) = parameters(&syslog);
                let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names[..5], ["seq", "actor", "message", "decision", "hash"]);
                assert_eq!(names.len(), 6, "{syslog}");
                assert_eq!(found[1].1, plain(actor));
                assert_eq!(found[5].1, plain(value));
                assert!(rest.starts_with(" \u{feff}refused by "), "{rest}");
                let framed = framed(&syslog);
                let (length, rest) =
                    framed.split_at(framed.iter().position(|o| *o == b' ').unwrap());
                assert_eq!(length, (rest.len() - 1).to_string().as_bytes());

                let cef = render(&line, Form::Cef, "gate").unwrap();
                // Seven bars in the header, and no unescaped sign of equality in a value.
                let (header, extension) = cef.split_once("|6|").unwrap();
                assert_eq!(header.matches('|').count(), 5, "{cef}");
                let signs = extension.replace("\\\\", "").replace("\\=", "");
                assert_eq!(signs.matches('=').count(), 11, "{cef}");
            }
        }
    }
}
