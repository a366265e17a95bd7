//! Duty: labels as people write them into mail: first line of text, subject, private header fields.
//! Promises: writing follows the policy's marking data; reading is a look-up of whole markings in a
//! table made beforehand, so that a text means exactly one label or none.
//! Refuses: a text with two meanings when the table is made. Nothing is parsed: a marking that is not
//! in the table is no label, whatever it looks like.
//! Standards: Open XML SPIF 2.1 (firstLineOfText, subject, xHeader); standards/labels.md section 8.

use std::collections::BTreeMap;

use thiserror::Error;

use super::marking::{self, Location, marking};
use super::naming;
use super::policy::{Policies, Policy};
use super::value::Label;

/// Longer lines are no markings.
const LENGTH_LIMIT: usize = 1024;

/// Two labels with one text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{text}\" would mean two labels: {first} and {second}; give one of them another text")]
pub struct Ambiguous {
    /// The text.
    pub text: String,
    /// The first label in text form.
    pub first: String,
    /// The second label in text form.
    pub second: String,
}

/// What is wrong with a table, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {text}")]
pub struct TableError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what would mend it.
    pub text: String,
}

/// The table of known markings.
#[derive(Clone, Debug, Default)]
pub struct Table(BTreeMap<String, Label>);

impl Table {
    /// The marking of each of these labels at this location.
    ///
    /// # Errors
    /// When two labels have one marking.
    pub fn of(
        policy: &Policy,
        labels: &[Label],
        location: Location,
        language: Option<&str>,
    ) -> Result<Self, Ambiguous> {
        let mut table = Self::default();
        for label in labels {
            let text = marking(policy, label, location, language);
            table.add(policy, &text, label)?;
        }
        Ok(table)
    }

    /// The table that a site keeps in a file: in each line a marking, `|` and the label in text form. Empty
    /// lines and those that begin with `#` are passed over. The first policy that knows the names counts.
    ///
    /// # Errors
    /// When a line has no `|`, names nothing that a policy has, or gives a text a second meaning.
    pub fn parse(text: &str, policies: &Policies) -> Result<Self, TableError> {
        let mut table = Self::default();
        for (at, line) in text.lines().enumerate() {
            let wrong = |text: String| TableError {
                line: at.saturating_add(1),
                text,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let expected = || wrong("expected MARKING | LABEL".to_owned());
            let (marking, label) = line.split_once('|').ok_or_else(expected)?;
            if collapsed(marking).is_empty() || collapsed(marking).len() > LENGTH_LIMIT {
                return Err(expected());
            }
            let mut unknown = None;
            let mut read = policies.iter().filter_map(|policy| {
                match naming::parse_label(policy, label.trim()) {
                    Ok(label) => Some((policy, label)),
                    Err(error) => {
                        unknown.get_or_insert(error);
                        None
                    }
                }
            });
            let Some((policy, label)) = read.next() else {
                let text = unknown.map_or("no policy is loaded".to_owned(), |one| one.to_string());
                return Err(wrong(text));
            };
            table
                .add(policy, marking, &label)
                .map_err(|error| wrong(error.to_string()))?;
        }
        Ok(table)
    }

    /// The label of a private header field, such as `X-Classification: NATO SECRET`, or of a bare marking.
    pub fn field(&self, text: &str) -> Option<&Label> {
        let of_field = || {
            let (name, value) = text.split_once(':')?;
            is_field_name(name.trim_end()).then(|| self.find(value))?
        };
        self.find(text).or_else(of_field)
    }

    /// One text that a site has agreed on, such as `NATO SECRET` in `X-Classification`.
    ///
    /// # Errors
    /// When the text means another label already.
    pub fn add(&mut self, policy: &Policy, text: &str, label: &Label) -> Result<(), Ambiguous> {
        let key = collapsed(text);
        match self.0.get(&key) {
            Some(other) if other != label => Err(Ambiguous {
                text: key,
                first: naming::write_label(policy, other),
                second: naming::write_label(policy, label),
            }),
            _ => {
                self.0.insert(key, label.clone());
                Ok(())
            }
        }
    }

    /// The label that the first line with anything in it stands for.
    pub fn first_line(&self, text: &str) -> Option<&Label> {
        self.find(text.lines().find(|line| !line.trim().is_empty())?)
    }

    /// The label whose marking stands at the start of a subject, or at its end in round or square
    /// brackets; the longest marking counts.
    pub fn subject(&self, subject: &str) -> Option<&Label> {
        let key = collapsed(subject);
        if key.len() > LENGTH_LIMIT {
            return None;
        }
        let starts = |text: &str| {
            let rest = key.strip_prefix(text)?;
            // Whole words: "SECRETARY" does not begin with the marking "SECRET".
            rest.chars()
                .next()
                .is_none_or(|next| !next.is_alphanumeric())
                .then_some(())
        };
        let ends = |text: &str| {
            let inner = key.strip_suffix([')', ']'])?.strip_suffix(text)?;
            inner.ends_with(['(', '[']).then_some(())
        };
        self.0
            .iter()
            .filter(|(text, _)| !text.is_empty())
            .filter(|(text, _)| starts(text).is_some() || ends(text).is_some())
            .max_by_key(|(text, _)| text.len())
            .map(|(_, label)| label)
    }

    /// The label whose marking this is, without regard to case and amount of white space.
    pub fn find(&self, text: &str) -> Option<&Label> {
        if text.len() > LENGTH_LIMIT {
            return None;
        }
        self.0
            .get(&collapsed(text))
            .filter(|_| !text.trim().is_empty())
    }
}

/// The private header field of a label: the name stands in the prefix qualifier of the xHeader
/// marking (`X-Classification: `); `None` when the policy has none.
pub fn header_field(policy: &Policy, label: &Label) -> Option<(String, String)> {
    let text = marking(policy, label, Location::XHeader, None);
    let (name, value) = text.split_once(':')?;
    (is_field_name(name) && marking::has_location(policy, Location::XHeader))
        .then(|| (name.to_owned(), value.trim().to_owned()))
}

fn is_field_name(name: &str) -> bool {
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    !name.is_empty() && name.bytes().all(is_name)
}

fn collapsed(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(str::to_ascii_uppercase)
        .collect();
    words.join(" ")
}
