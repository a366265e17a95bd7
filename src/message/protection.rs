//! Header protection: the dialects that are spoken, and what stands outside an encrypted message.
//!
//! Promises: a field that cannot be reduced is left out, never shown whole; what comes out can be
//! written into a header.
//! Standards: RFC 9788 §3.2, §5.2 (policies, legacy display elements); RFC 8551 §3.1; RFC 7508.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::encoded_word;
use crate::clock::rfc5322_date;

/// Name and value of each field, in order.
pub type Fields = Vec<(String, String)>;

/// How header fields are put under a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// RFC 7508: a signed attribute lists them.
    Rfc7508,
    /// RFC 8551 section 3.1: the whole message is wrapped in message/rfc822.
    Rfc8551,
    /// RFC 9788: they stand at the root of the payload, whose Content-Type says `hp`.
    Rfc9788,
}

impl Dialect {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Rfc7508, Self::Rfc8551, Self::Rfc9788];

    /// The name in configurations and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc7508 => "rfc7508",
            Self::Rfc8551 => "rfc8551",
            Self::Rfc9788 => "rfc9788",
        }
    }
}

/// A header confidentiality policy: what stands outside an encrypted message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidentiality {
    /// hcp_baseline: the subject is hidden, comments, keywords and SIO-Label are left out.
    #[default]
    Baseline,
    /// hcp_no_confidentiality: everything as it is.
    None,
    /// hcp_shy: as baseline; names of people are left out, the time zone too.
    Shy,
}

impl Confidentiality {
    // RFC 9788 §3.2; precedence stays visible in all three: relays need it
    /// What stands outside in place of the field; `None` when nothing does.
    pub fn outside(self, name: &str, value: &str) -> Option<String> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match self {
            Self::None => Some(value.to_owned()),
            Self::Baseline | Self::Shy if is("Subject") => Some("[...]".to_owned()),
            Self::Baseline | Self::Shy if is("Comments") || is("Keywords") => None,
            // Beyond the standard: the label of what is inside is for those who may open it.
            Self::Baseline | Self::Shy if is("SIO-Label") || is("SIO-Label-History") => None,
            // RFC 9788 §3.2.2
            Self::Shy if is("From") || is("To") || is("Cc") => bare(value),
            Self::Shy if is("Date") => jiff::fmt::rfc2822::DateTimeParser::new()
                .parse_timestamp(value)
                .ok()
                .map(rfc5322_date),
            Self::Baseline | Self::Shy => Some(value.to_owned()),
        }
    }

    /// What stands outside in place of these fields.
    pub fn outside_all(self, fields: &[(String, String)]) -> Fields {
        fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), self.outside(name, value)?)))
            .collect()
    }
}

/// The addresses alone.
fn bare(value: &str) -> Option<String> {
    let mailboxes = Address::parse_list_with_groups(value).ok()?;
    let addresses: Vec<String> = mailboxes
        .iter()
        .map(|mailbox| mailbox.address.to_string())
        .collect();
    (!addresses.is_empty()).then(|| addresses.join(", "))
}

/// Fields that programs show to people (RFC 9788 section 4).
const SHOWN: [&str; 5] = ["Subject", "From", "To", "Cc", "Date"];

// RFC 9788 §5.2.2: one line for each field that people see and that is not outside as it is; the
// value unfolded, decoded, without line ends
/// The element that old programs show in place of hidden fields, its empty line included; nothing
/// when no field is hidden or a value is not ASCII.
pub fn legacy_display(inside: &[(String, String)], outside: &[(String, String)]) -> Option<String> {
    let mut lines = String::new();
    for (name, value) in inside {
        let shown = SHOWN.iter().any(|known| name.eq_ignore_ascii_case(known));
        let hidden = !outside
            .iter()
            .any(|(other, kept)| other.eq_ignore_ascii_case(name) && kept == value);
        if shown && hidden {
            let text = encoded_word::decode(value);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            lines.push_str(&format!("{name}: {text}\r\n"));
        }
    }
    (!lines.is_empty() && lines.is_ascii() && lines.lines().all(|line| line.len() <= 998))
        .then(|| format!("{lines}\r\n"))
}

// RFC 9788 §4.5.3: from the start of the body up to and including the first blank line
/// The text of a part whose Content-Type says `hp-legacy-display="1"`, without the element.
pub fn without_legacy_display(body: &[u8]) -> &[u8] {
    let mut at = 0_usize;
    while let Some(length) = body
        .get(at..)
        .and_then(|rest| memchr::memmem::find(rest, b"\r\n"))
    {
        let line = body.get(at..at.saturating_add(length)).unwrap_or_default();
        at = at.saturating_add(length).saturating_add(2);
        if line.trim_ascii().is_empty() {
            return body.get(at..).unwrap_or_default();
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: [(&str, &str); 6] = [
        ("From", "Ann Drafter <ann@alder.example>"),
        ("To", "\"B, C\" <b@birch.example>, d@birch.example"),
        ("Date", "Sat, 21 Nov 2026 10:30:00 +0200"),
        ("Subject", "convoy"),
        ("Keywords", "ships"),
        ("MMHS-Primary-Precedence", "4"),
    ];

    fn fields() -> Fields {
        MESSAGE
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn value<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
        fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn baseline_hides_subject_comments_and_keywords_alone() {
        let outside = Confidentiality::Baseline.outside_all(&fields());
        assert_eq!(value(&outside, "Subject"), Some("[...]"));
        assert_eq!(value(&outside, "Keywords"), None);
        assert_eq!(value(&outside, "From"), Some(MESSAGE[0].1));
        assert_eq!(value(&outside, "MMHS-Primary-Precedence"), Some("4"));
        assert_eq!(Confidentiality::None.outside_all(&fields()), fields());
    }

    #[test]
    fn shy_leaves_addresses_and_universal_time() {
        let outside = Confidentiality::Shy.outside_all(&fields());
        assert_eq!(value(&outside, "From"), Some("ann@alder.example"));
        assert_eq!(
            value(&outside, "To"),
            Some("b@birch.example, d@birch.example")
        );
        assert_eq!(
            value(&outside, "Date"),
            Some("Sat, 21 Nov 2026 08:30:00 +0000")
        );
        // What cannot be reduced does not stand outside at all.
        assert_eq!(Confidentiality::Shy.outside("Cc", "Eve <"), None);
        assert_eq!(Confidentiality::Shy.outside("Date", "tomorrow"), None);
    }

    #[test]
    fn a_legacy_display_element_names_what_is_hidden_and_goes_again() {
        let outside = Confidentiality::Baseline.outside_all(&fields());
        let element = legacy_display(&fields(), &outside).unwrap();
        assert_eq!(element, "Subject: convoy\r\n\r\n");
        let body = format!("{element}Text\r\n\r\nmore\r\n");
        assert_eq!(
            without_legacy_display(body.as_bytes()),
            b"Text\r\n\r\nmore\r\n"
        );
        assert_eq!(without_legacy_display(b"no blank line"), b"no blank line");
        assert_eq!(legacy_display(&fields(), &fields()), None);
    }
}
