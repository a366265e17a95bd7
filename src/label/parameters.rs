//! Duty: the parameter list that SIO-Label and SIO-Label-History are made of.
//! Promises: continuations are joined once; unknown parameters are kept; long values are written in
//! numbered parts, so that no line needs to be long.
//! Refuses: a parameter twice, both `x` and `x*0`, gaps in the numbers, comments, charsets other than
//! UTF-8 and US-ASCII, control characters.
//! Standards: RFC 7444 §2 and §3, RFC 2231 §3 and §4, RFC 2045 §5.1 (token, quoted-string).

use std::collections::BTreeMap;

use thiserror::Error;

/// A field body longer than this is no label.
const SIZE_LIMIT: usize = 256 * 1024;
/// More parts than this has no value.
const PART_LIMIT: usize = 4096;
/// Characters of one written part.
const PART_WIDTH: usize = 60;

/// What is wrong with a field body, and at which octet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text} (at octet {position})")]
pub struct FieldError {
    /// The octet where it arose, counted from 0.
    pub position: usize,
    /// What is wrong and what would mend it.
    pub text: String,
}

impl FieldError {
    pub(super) fn new(position: usize, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { position, text }
    }
}

/// One parameter with its joined value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// In lower case.
    pub(super) name: String,
    pub(super) value: String,
    pub(super) language: Option<String>,
    pub(super) position: usize,
}

/// The parts of one value: number, whether percent-encoded, text.
#[derive(Default)]
struct Parts {
    position: usize,
    whole: Option<(bool, String)>,
    numbered: BTreeMap<usize, (bool, String)>,
}

/// Reads `name=value *( ";" name=value )`.
pub(super) fn parse(body: &str) -> Result<Vec<Parameter>, FieldError> {
    if body.len() > SIZE_LIMIT {
        return Err(FieldError::new(0, "the field is longer than 256 KiB"));
    }
    let mut scan = Scan { body, at: 0 };
    let mut order: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, Parts> = BTreeMap::new();
    loop {
        scan.space();
        let position = scan.at;
        let written = scan.token("a parameter name")?.to_ascii_lowercase();
        scan.space();
        scan.take('=')?;
        scan.space();
        let value = scan.value()?;
        let (name, number, encoded) = split(&written, position)?;
        let parts = found.entry(name.clone()).or_insert_with(|| {
            order.push(name.clone());
            Parts {
                position,
                ..Parts::default()
            }
        });
        let taken = match number {
            None => parts.whole.replace((encoded, value)).is_some(),
            Some(number) => parts.numbered.insert(number, (encoded, value)).is_some(),
        };
        if taken {
            let text = format!("the parameter {written} occurs twice");
            return Err(FieldError::new(position, text));
        }
        scan.space();
        if scan.at == body.len() {
            break;
        }
        scan.take(';')?;
    }
    order
        .into_iter()
        .filter_map(|name| found.remove(&name).map(|parts| (name, parts)))
        .map(|(name, parts)| join(name, parts))
        .collect()
}

/// `label*12*` is (label, 12, encoded).
fn split(written: &str, position: usize) -> Result<(String, Option<usize>, bool), FieldError> {
    let mut pieces = written.split('*');
    let name = pieces.next().unwrap_or_default().to_owned();
    let wrong = || FieldError::new(position, format!("{written} is no parameter name"));
    let rest: Vec<&str> = pieces.collect();
    let number = |digits: &str| -> Result<usize, FieldError> {
        let plain = digits.bytes().all(|digit| digit.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        let number = digits.parse().ok().filter(|number| *number < PART_LIMIT);
        number.filter(|_| plain).ok_or_else(wrong)
    };
    if name.is_empty() {
        return Err(wrong());
    }
    match rest.as_slice() {
        [] => Ok((name, None, false)),
        [""] => Ok((name, None, true)),
        [digits] => Ok((name, Some(number(digits)?), false)),
        [digits, ""] => Ok((name, Some(number(digits)?), true)),
        _ => Err(wrong()),
    }
}

fn join(name: String, parts: Parts) -> Result<Parameter, FieldError> {
    let position = parts.position;
    let wrong = |text: String| FieldError::new(position, text);
    let pieces: Vec<(bool, String)> = match (parts.whole, parts.numbered) {
        (Some(_), numbered) if !numbered.is_empty() => {
            return Err(wrong(format!(
                "both {name} and {name}*0 are there; keep one"
            )));
        }
        (Some(whole), _) => vec![whole],
        (None, numbered) => {
            for (wanted, number) in numbered.keys().enumerate() {
                if wanted != *number {
                    return Err(wrong(format!("the part {name}*{wanted} is missing")));
                }
            }
            numbered.into_values().collect()
        }
    };
    let mut octets = Vec::new();
    let mut language = None;
    for (at, (encoded, text)) in pieces.into_iter().enumerate() {
        if !encoded {
            octets.extend_from_slice(text.as_bytes());
            continue;
        }
        let mut rest = text.as_str();
        // RFC 2231 §4: charset and language stand before the first part.
        if at == 0 {
            let mut marks = text.splitn(3, '\'');
            let (charset, tag, tail) = (marks.next(), marks.next(), marks.next());
            let (Some(charset), Some(tag), Some(tail)) = (charset, tag, tail) else {
                return Err(wrong(format!("{name}* needs charset'language'text")));
            };
            if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("us-ascii") {
                return Err(wrong(format!(
                    "the charset {charset} is not read; use UTF-8"
                )));
            }
            language = Some(tag.to_owned()).filter(|tag| !tag.is_empty());
            rest = tail;
        }
        let mut bytes = rest.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                octets.push(byte);
                continue;
            }
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let pair = digit().zip(digit());
            let value = pair.and_then(|(high, low)| u8::try_from((high << 4) | low).ok());
            octets.push(value.ok_or_else(|| wrong(format!("{name}* has a bad % sequence")))?);
        }
    }
    let value = String::from_utf8(octets).map_err(|_| wrong(format!("{name} is not UTF-8")))?;
    if value.chars().any(char::is_control) {
        return Err(wrong(format!("{name} has control characters")));
    }
    Ok(Parameter {
        name,
        value,
        language,
        position,
    })
}

/// Appends a parameter: quoted where it fits and is ASCII, else in parts, else percent-encoded.
pub(super) fn write(into: &mut String, name: &str, value: &str, language: Option<&str>) {
    let mut part = |name: &str, value: &str| {
        if !into.is_empty() {
            into.push_str("; ");
        }
        into.push_str(&format!("{name}={value}"));
    };
    let quoted = |text: &str| {
        let mut quoted = String::from("\"");
        for character in text.chars() {
            if matches!(character, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        quoted
    };
    if !value.is_ascii() || language.is_some() {
        let mut encoded = format!("UTF-8'{}'", language.unwrap_or_default());
        let mut pieces = Vec::new();
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            if encoded.len() >= PART_WIDTH {
                pieces.push(std::mem::take(&mut encoded));
            }
        }
        if pieces.is_empty() {
            return part(&format!("{name}*"), &encoded);
        }
        if !encoded.is_empty() {
            pieces.push(encoded);
        }
        for (at, piece) in pieces.iter().enumerate() {
            part(&format!("{name}*{at}*"), piece);
        }
        return;
    }
    if value.len() <= PART_WIDTH {
        return part(name, &quoted(value));
    }
    let characters: Vec<char> = value.chars().collect();
    for (at, piece) in characters.chunks(PART_WIDTH).enumerate() {
        let piece: String = piece.iter().collect();
        part(&format!("{name}*{at}"), &quoted(&piece));
    }
}

struct Scan<'a> {
    body: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.body.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, length: usize) {
        self.at = self.at.saturating_add(length);
    }

    fn space(&mut self) {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.skip(rest.len().saturating_sub(trimmed.len()));
    }

    fn take(&mut self, wanted: char) -> Result<(), FieldError> {
        if self.rest().starts_with(wanted) {
            self.skip(wanted.len_utf8());
            return Ok(());
        }
        Err(FieldError::new(self.at, format!("expected \"{wanted}\"")))
    }

    /// RFC 2045 §5.1.
    fn token(&mut self, what: &str) -> Result<&'a str, FieldError> {
        let rest = self.rest();
        let is_token = |character: char| {
            character.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(character)
        };
        let end = rest
            .find(|character| !is_token(character))
            .unwrap_or(rest.len());
        let token = rest.get(..end).unwrap_or_default();
        if token.is_empty() {
            return Err(FieldError::new(self.at, format!("expected {what}")));
        }
        self.skip(end);
        Ok(token)
    }

    fn value(&mut self) -> Result<String, FieldError> {
        if !self.rest().starts_with('"') {
            // Colours are written bare: "#" and digits are token characters.
            return self.token("a value").map(str::to_owned);
        }
        let start = self.at;
        self.skip(1);
        let mut value = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.skip(at.saturating_add(1));
                    return Ok(value);
                }
                '\\' => match characters.next() {
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                // RFC 5322 §3.2.2: the line end of a fold is not part of the value.
                '\r' | '\n' => {}
                other => value.push(other),
            }
        }
        Err(FieldError::new(start, "the quoted string does not end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(body: &str) -> Vec<(String, String)> {
        let parameters = parse(body).unwrap();
        parameters
            .into_iter()
            .map(|parameter| (parameter.name, parameter.value))
            .collect()
    }

    #[test]
    fn quoted_bare_and_in_parts() {
        let body = "Marking=\"A \\\"B\\\"\" ;\r\n fgcolor = black; label*1=\"cd\"; label*0=\"ab\"";
        let wanted = [
            ("marking", "A \"B\""),
            ("fgcolor", "black"),
            ("label", "abcd"),
        ];
        let wanted: Vec<_> = wanted
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(pairs(body), wanted);
        let body = "marking*0*=utf-8'fr'DIFFUSION%20; marking*1=\"X\"; marking*2*=%C3%A9";
        let parameter = parse(body).unwrap().remove(0);
        assert_eq!(parameter.value, "DIFFUSION X\u{e9}");
        assert_eq!(parameter.language.as_deref(), Some("fr"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for value in [
            "",
            "a",
            "\"\\",
            &"0123456789".repeat(30),
            &"\u{e9}t\u{e9} ".repeat(30),
        ] {
            for language in [None, Some("fr-CA")] {
                let mut body = String::new();
                write(&mut body, "x", value, language);
                write(&mut body, "y", "z", None);
                let read = parse(&body).unwrap();
                assert_eq!((read[0].value.as_str(), read.len()), (value, 2), "{body}");
            }
        }
    }

    #[test]
    fn what_is_refused() {
        for body in [
            "",
            "a",
            "a=",
            "a=b;",
            "a=b; a=c",
            "a=b; a*0=c",
            "a*1=b",
            "a*0=b; a*2=c",
            "a*0=b; a*00=c",
            "a*=x",
            "a*=latin1''x",
            "a*=utf-8''%f",
            "a*=utf-8''%ff",
            "a*=utf-8''%0a",
            "a=\"b",
            "a=b (comment)",
            "*=b",
            "a*99999999999999999999=b",
        ] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}
