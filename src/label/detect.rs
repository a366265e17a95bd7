//! Duty: a label or clearance whose syntax nobody named: finds the syntax and reads it.
//! Promises: the syntax follows from the first octets, never from trying until something fits: octets
//! that begin like DER are DER and fail as DER. Says which syntax it was.
//! Refuses: what none of the syntaxes begins like; large inputs.
//! Standards: those of `ess`, `clearance`, `nato`, `sio`, `xmpp` and `naming`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use thiserror::Error;

use super::clearance;
use super::ess;
use super::naming;
use super::nato::{self, Tolerance};
use super::policy::{Policies, Policy};
use super::sio::SioLabel;
use super::text::Table;
use super::value::{Clearance, Label};
use super::xmpp::{self, SecurityLabel};

/// Larger inputs are no labels.
const SIZE_LIMIT: usize = 1 << 20;

/// The syntax that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// An ESS label or a Clearance in octets, perhaps in base64 or hexadecimal.
    Octets,
    /// A marking that a table of the site gives a meaning.
    Marking,
    /// A SIO-Label field.
    SioLabel,
    /// The text form of `naming`.
    Text,
    /// ADatP-4774.
    Xml,
    /// XEP-0258.
    Xmpp,
}

impl Syntax {
    /// The name used in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Syntax::Octets => "ess",
            Syntax::Marking => "marking",
            Syntax::SioLabel => "sio",
            Syntax::Text => "text",
            Syntax::Xml => "nato",
            Syntax::Xmpp => "xmpp",
        }
    }
}

/// Why an input is no label or clearance.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct Unreadable {
    /// What is wrong, in which syntax, and where.
    pub text: String,
}

fn unreadable(syntax: &str, error: &dyn std::fmt::Display) -> Unreadable {
    Unreadable {
        text: format!("read as {syntax}: {error}"),
    }
}

/// Reads a label in any syntax. `policies` give names their numbers; the first of them that knows the
/// names counts for the text form.
///
/// # Errors
/// When the input is no label of the syntax that it begins like.
pub fn label(
    input: &[u8],
    policies: &Policies,
    tolerances: &[Tolerance],
) -> Result<(Label, Syntax), Unreadable> {
    match form(input)? {
        Form::Octets(octets) => {
            let octets = inner(&octets, &LABEL_ATTRIBUTE);
            ess::decode_ber(octets, policies, tolerances)
                .map(|label| (label, Syntax::Octets))
                .map_err(|error| unreadable("an ESS label", &error))
        }
        Form::Xml(text) if text.contains(xmpp::NAMESPACE) => {
            let found = SecurityLabel::decode(text.as_bytes(), policies, tolerances)
                .map_err(|error| unreadable("an XEP-0258 label", &error))?;
            let label = found.effective(policies).cloned().or(found.label);
            label
                .map(|label| (label, Syntax::Xmpp))
                .ok_or_else(|| unreadable("an XEP-0258 label", &"it is the default label"))
        }
        Form::Xml(text) => nato::decode(text.as_bytes(), policies, tolerances)
            .map(|document| (document.label, Syntax::Xml))
            .map_err(|error| unreadable("an ADatP-4774 label", &error)),
        Form::Field(body) => {
            let wrong = |error: super::FieldError| unreadable("a SIO-Label field", &error);
            let field = SioLabel::parse(body).map_err(wrong)?;
            field
                .label(policies, tolerances)
                .map_err(wrong)?
                .map(|label| (label, Syntax::SioLabel))
                .ok_or_else(|| unreadable("a SIO-Label field", &"a marking alone is no label"))
        }
        Form::Text(text) => by_names(policies, |policy| naming::parse_label(policy, text))
            .map(|label| (label, Syntax::Text)),
    }
}

/// What needed a tolerance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tolerated<T> {
    /// What was read.
    pub value: T,
    /// In which syntax.
    pub syntax: Syntax,
    /// The deviations that it has; none when it is as the standard says.
    pub deviations: Vec<Tolerance>,
}

/// As [`label`], for tools: reads strictly if that works, else with the tolerances that it takes, and
/// names them.
///
/// # Errors
/// When not even every tolerance makes it readable; the error is the one of the strict reading.
pub fn label_tolerantly(input: &[u8], policies: &Policies) -> Result<Tolerated<Label>, Unreadable> {
    tolerantly(|tolerances| label(input, policies, tolerances))
}

/// As [`label_tolerantly`]; a text that the table has, bare or as a private header field, is the label that
/// the table says. Without a table a marking is never read (standards/labels.md §8).
///
/// # Errors
/// As [`label_tolerantly`].
pub fn label_by_table(
    input: &[u8],
    policies: &Policies,
    table: &Table,
) -> Result<Tolerated<Label>, Unreadable> {
    let text = std::str::from_utf8(input).unwrap_or_default().trim();
    match table.field(text) {
        Some(label) => Ok(Tolerated {
            value: label.clone(),
            syntax: Syntax::Marking,
            deviations: Vec::new(),
        }),
        None => label_tolerantly(input, policies),
    }
}

/// As [`clearance`], in the manner of [`label_tolerantly`].
///
/// # Errors
/// As [`label_tolerantly`].
pub fn clearance_tolerantly(
    input: &[u8],
    policies: &Policies,
) -> Result<Tolerated<Clearance>, Unreadable> {
    tolerantly(|tolerances| clearance(input, policies, tolerances))
}

fn tolerantly<T>(
    read: impl Fn(&[Tolerance]) -> Result<(T, Syntax), Unreadable>,
) -> Result<Tolerated<T>, Unreadable> {
    let tolerated = |(value, syntax), deviations| Tolerated {
        value,
        syntax,
        deviations,
    };
    let strict = match read(&[]) {
        Ok(found) => return Ok(tolerated(found, Vec::new())),
        Err(error) => error,
    };
    let found = read(&Tolerance::ALL).map_err(|_| strict)?;
    let needed = |one: &Tolerance| {
        let others: Vec<Tolerance> = Tolerance::ALL
            .into_iter()
            .filter(|other| other != one)
            .collect();
        read(&others).is_err()
    };
    let deviations = Tolerance::ALL.into_iter().filter(needed).collect();
    Ok(tolerated(found, deviations))
}

/// Reads a clearance in any syntax.
///
/// # Errors
/// As [`label`].
pub fn clearance(
    input: &[u8],
    policies: &Policies,
    tolerances: &[Tolerance],
) -> Result<(Clearance, Syntax), Unreadable> {
    match form(input)? {
        Form::Octets(octets) => {
            let octets = inner(&octets, &CLEARANCE_ATTRIBUTE);
            clearance::decode_tolerantly(octets, policies, tolerances)
                .map(|decoded| (decoded.clearance, Syntax::Octets))
                .map_err(|error| unreadable("a Clearance", &error))
        }
        Form::Xml(text) => nato::decode_clearance(text.as_bytes(), policies, tolerances)
            .map(|clearance| (clearance, Syntax::Xml))
            .map_err(|error| unreadable("an ADatP-4774 clearance", &error)),
        Form::Field(_) => Err(unreadable("a clearance", &"SIO-Label holds labels only")),
        Form::Text(text) => by_names(policies, |policy| naming::parse_clearance(policy, text))
            .map(|clearance| (clearance, Syntax::Text)),
    }
}

fn by_names<T>(
    policies: &Policies,
    read: impl Fn(&Policy) -> Result<T, naming::NamingError>,
) -> Result<T, Unreadable> {
    let mut first = None;
    for policy in policies.iter() {
        match read(policy) {
            Ok(found) => return Ok(found),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(match first {
        Some(error) => unreadable("text", &error),
        None => unreadable("text", &"no policy is loaded to read the names with"),
    })
}

enum Form<'a> {
    Octets(Vec<u8>),
    Field(&'a str),
    Text(&'a str),
    Xml(&'a str),
}

/// Attribute { OID id-aa-securityLabel, SET { ESSSecurityLabel } } up to the value.
const LABEL_ATTRIBUTE: [u8; 13] = [
    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x02,
];
/// Attribute { OID id-at-clearance, SET { Clearance } }.
const CLEARANCE_ATTRIBUTE: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x37];

/// The value inside a single-valued attribute of this type; else the octets as they are.
fn inner<'a>(octets: &'a [u8], attribute: &[u8]) -> &'a [u8] {
    let value = || {
        let [0x30, length, rest @ ..] = octets else {
            return None;
        };
        let rest = match length {
            0x81 => rest.get(1..)?,
            0x82 => rest.get(2..)?,
            _ => rest,
        };
        let [0x31, length, value @ ..] = rest.strip_prefix(attribute)? else {
            return None;
        };
        match length {
            0x81 => value.get(1..),
            0x82 => value.get(2..),
            _ => Some(value),
        }
    };
    value().unwrap_or(octets)
}

fn form(input: &[u8]) -> Result<Form<'_>, Unreadable> {
    if input.len() > SIZE_LIMIT {
        return Err(unreadable("a label", &"it is larger than 1 MiB"));
    }
    // SEQUENCE and SET. As text they are the digits 0 and 1, so a digit is looked at twice.
    let text = std::str::from_utf8(input).map(str::trim);
    let binary = matches!(input.first(), Some(0x30 | 0x31));
    let text = match text {
        Ok(text) if !binary || text.bytes().all(|octet| (0x20..0x7f).contains(&octet)) => text,
        _ if binary => return Ok(Form::Octets(input.to_vec())),
        _ => return Err(unreadable("a label", &"the octets begin like none")),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.starts_with('<') {
        return Ok(Form::Xml(text));
    }
    if let Some((name, body)) = text.split_once(':')
        && name.trim_end().eq_ignore_ascii_case(super::sio::FIELD)
    {
        return Ok(Form::Field(body));
    }
    let first = text.split(['=', ';']).next().unwrap_or_default().trim_end();
    let first = first.split('*').next().unwrap_or_default();
    let parameter = ["marking", "fgcolor", "bgcolor", "type", "label"];
    if text.contains('=')
        && parameter
            .iter()
            .any(|name| first.eq_ignore_ascii_case(name))
    {
        return Ok(Form::Field(text));
    }
    let compact: String = pem(text).split_ascii_whitespace().collect();
    for octets in [base64(&compact), hexadecimal(&compact)]
        .into_iter()
        .flatten()
    {
        if matches!(octets.first(), Some(0x30 | 0x31)) && octets.len() > 4 {
            return Ok(Form::Octets(octets));
        }
    }
    Ok(Form::Text(text))
}

/// The lines between the dashes, when there are any.
fn pem(text: &str) -> String {
    if !text.starts_with("-----") {
        return text.to_owned();
    }
    text.lines()
        .filter(|line| !line.starts_with("-----"))
        .collect()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(text).ok())
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        let plain = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        u8::from_str_radix(text, 16).ok().filter(|_| plain)
    };
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ObjectIdentifier;
    use super::*;

    #[test]
    fn octets_in_every_dress() {
        let none = Policies::default();
        let wanted = Label::new(ObjectIdentifier::new_unwrap("1.1"), 3);
        let inputs: [&[u8]; 8] = [
            &[0x31, 6, 2, 1, 3, 6, 1, 0x29],
            &[0x31, 6, 6, 1, 0x29, 2, 1, 3],
            &[0x31, 0x80, 6, 1, 0x29, 2, 1, 3, 0, 0],
            b"MQYCAQMGASk=\n",
            b"MQYCAQMGASk",
            b"3106020103060129",
            b"-----BEGIN LABEL-----\nMQYC\nAQMGASk=\n-----END LABEL-----\n",
            b"3017060b2a864886f70d010910020231083106020103060129",
        ];
        for input in inputs {
            let (label, syntax) = label(input, &none, &[]).unwrap();
            assert_eq!((label, syntax), (wanted.clone(), Syntax::Octets));
        }
        let field = b"SIO-Label: type=\":ess\"; label=\"MQYGASkCAQM=\"";
        assert_eq!(
            label(field, &none, &[]).unwrap(),
            (wanted.clone(), Syntax::SioLabel)
        );
        let (holder, _) = clearance(b"300706012903020470", &none, &[]).unwrap();
        assert!(holder.classifications.contains(&3));
        let (same, _) = clearance(b"3010060355043731093007060129030204 70", &none, &[]).unwrap();
        assert_eq!(same, holder);
    }

    #[test]
    fn what_is_no_label() {
        let none = Policies::default();
        for input in [
            &b""[..],
            b"SECRET",
            b"<x/>",
            b"\xff\xfe",
            b"0",
            b"MQY=",
            &[0x31, 0],
        ] {
            assert!(label(input, &none, &[]).is_err(), "{input:?}");
            assert!(clearance(input, &none, &[]).is_err(), "{input:?}");
        }
    }
}
