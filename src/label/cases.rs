//! Duty: the cases beside a policy: a small text form, its parser, and their run.
//! Promises: every line that is not a comment is a case; a failure names its line, what was expected and
//! what came.
//! Refuses: names that the policy does not have, fields that are missing, unknown verdicts.
//!
//! ```text
//! # label                       | clearance                              | verdict
//! SECRET; Codeword: ANCHOR      | RESTRICTED..SECRET; Codeword: ANCHOR   | permit
//! SECRET                        | SECRET                                 | deny access.permissive
//! mark SECRET                   | ALDER SECRET        (at the page bottom; or `mark pageTop fr LABEL`)
//! to BIRCH SECRET               | HIDDEN              (or `deny` and the identifier of a reason)
//! from BIRCH HIDDEN             | SECRET
//! at 2026-06-01T00:00:00Z       (the time for the lines that follow)
//! ```
//! Labels and clearances are in the text form of [`naming`].

use jiff::Timestamp;
use thiserror::Error;

use super::access::authorize;
use super::equivalence::{Direction, translate};
use super::marking::{Location, location, marking};
use super::naming;
use super::policy::{Policies, Policy};
use super::value::{Clearance, Label};

/// One case of a file, still in names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The line, from 1.
    pub line: usize,
    /// When it is decided.
    pub at: Timestamp,
    /// What is asked.
    pub question: Question,
}

/// What a case asks, and the answer that it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A decision.
    Access {
        /// The label expression.
        label: String,
        /// The clearance expression.
        clearance: String,
        /// The verdict.
        expected: Verdict,
    },
    /// A marking.
    Marking {
        /// The label expression.
        label: String,
        /// Where.
        location: Location,
        /// In which language.
        language: Option<String>,
        /// The text.
        expected: String,
    },
    /// A translation.
    Translation {
        /// The name of the other policy.
        other: String,
        /// From or to the other policy.
        direction: Direction,
        /// The label expression in the policy that it comes from.
        label: String,
        /// The label expression in the policy that it goes to, or the reason against it.
        expected: Expected,
    },
}

/// The verdict that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Access is denied, by this reason among others if one is given.
    Deny(Option<String>),
    /// Access is granted.
    Permit,
}

/// The translation that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is none, by this reason among others if one is given.
    Denied(Option<String>),
    /// This label expression.
    Label(String),
}

/// A line that is no case.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {text}")]
pub struct CaseError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what would mend it.
    pub text: String,
}

/// Reads the cases of a file.
///
/// # Errors
/// When a line is neither a case nor a comment.
pub fn parse(text: &str, file: &str) -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    let mut at = Timestamp::UNIX_EPOCH;
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |text: String| CaseError {
            file: file.to_owned(),
            line: number,
            text,
        };
        if let Some(time) = line.strip_prefix("at ") {
            at = time.trim().parse().map_err(|_| {
                wrong(format!(
                    "{time} is no time; write it as 2026-06-01T00:00:00Z"
                ))
            })?;
            continue;
        }
        let question = question(line).map_err(wrong)?;
        cases.push(Case {
            line: number,
            at,
            question,
        });
    }
    Ok(cases)
}

/// Runs a case of `policy`; the other policies are looked up by name.
///
/// # Errors
/// What differs from what was expected, as a sentence.
pub fn run(policy: &Policy, others: &Policies, case: &Case) -> Result<(), String> {
    match &case.question {
        Question::Access {
            label,
            clearance,
            expected,
        } => {
            let access = authorize(
                policy,
                &read_label(policy, label)?,
                &read_clearance(policy, clearance)?,
                case.at,
            );
            let ids: Vec<&str> = access.reasons.iter().map(|reason| reason.id).collect();
            let as_expected = match expected {
                Verdict::Permit => access.permit,
                Verdict::Deny(None) => !access.permit,
                Verdict::Deny(Some(id)) => !access.permit && ids.contains(&id.as_str()),
            };
            let verdict = if access.permit { "permit" } else { "deny" };
            check(
                as_expected,
                format!("expected {expected:?}, came {verdict} {}", ids.join(" ")),
            )
        }
        Question::Marking {
            label,
            location,
            language,
            expected,
        } => {
            let label = read_label(policy, label)?;
            let text = marking(policy, &label, *location, language.as_deref());
            check(
                text == *expected,
                format!("expected \"{expected}\", came \"{text}\""),
            )
        }
        Question::Translation {
            other,
            direction,
            label,
            expected,
        } => {
            let other = others
                .by_name(other)
                .ok_or_else(|| format!("the policy {other} is not loaded"))?;
            let (from, to) = match direction {
                Direction::Outbound => (policy, other),
                Direction::Inbound => (other, policy),
            };
            let came = translate(from, to, &read_label(from, label)?, *direction, case.at);
            match (came, expected) {
                (Ok(came), Expected::Label(wanted)) => {
                    let wanted = read_label(to, wanted)?;
                    let bottom = |label| marking(to, label, Location::PageBottom, None);
                    let text = format!(
                        "expected \"{}\", came \"{}\"",
                        bottom(&wanted),
                        bottom(&came.label)
                    );
                    check(came.label == wanted, text)
                }
                (Ok(came), Expected::Denied(_)) => {
                    let text = marking(to, &came.label, Location::PageBottom, None);
                    Err(format!("expected no translation, came \"{text}\""))
                }
                (Err(_), Expected::Denied(None)) => Ok(()),
                (Err(error), Expected::Denied(Some(id))) => check(
                    error.reasons.iter().any(|reason| reason.id == id),
                    format!("expected {id}, came: {error}"),
                ),
                (Err(error), Expected::Label(_)) => Err(error.to_string()),
            }
        }
    }
}

fn read_label(policy: &Policy, text: &str) -> Result<Label, String> {
    naming::parse_label(policy, text).map_err(|error| error.to_string())
}

fn read_clearance(policy: &Policy, text: &str) -> Result<Clearance, String> {
    naming::parse_clearance(policy, text).map_err(|error| error.to_string())
}

fn question(line: &str) -> Result<Question, String> {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    match fields.as_slice() {
        [label, clearance, verdict] => Ok(Question::Access {
            label: (*label).to_owned(),
            clearance: (*clearance).to_owned(),
            expected: read_verdict(verdict)?,
        }),
        [asked, expected] => {
            let (verb, rest) = asked.split_once(' ').unwrap_or((asked, ""));
            match verb {
                "mark" => Ok(marking_question(rest, expected)),
                "to" => translation(rest, Direction::Outbound, expected),
                "from" => translation(rest, Direction::Inbound, expected),
                _ => Err("with two fields the line begins with mark, to or from".to_owned()),
            }
        }
        _ => Err("expected LABEL | CLEARANCE | permit or deny [reason]".to_owned()),
    }
}

fn read_verdict(text: &str) -> Result<Verdict, String> {
    let (verdict, reason) = text.split_once(' ').unwrap_or((text, ""));
    match (verdict, reason.trim()) {
        ("permit", "") => Ok(Verdict::Permit),
        ("deny", "") => Ok(Verdict::Deny(None)),
        ("deny", reason) => Ok(Verdict::Deny(Some(reason.to_owned()))),
        _ => Err(format!("\"{text}\" should be permit, deny or deny REASON")),
    }
}

fn marking_question(text: &str, expected: &str) -> Question {
    let mut found = Location::PageBottom;
    let mut language = None;
    let mut label = text;
    if let Some((word, rest)) = text.split_once(' ')
        && let Some(location) = location(word)
    {
        found = location;
        label = rest;
        if let Some((word, rest)) = rest.split_once(' ')
            && is_language(word)
        {
            language = Some(word.to_owned());
            label = rest;
        }
    }
    let (label, expected) = (label.to_owned(), expected.to_owned());
    Question::Marking {
        label,
        location: found,
        language,
        expected,
    }
}

/// `fr` or `fr-CA`; classifications are not written so.
fn is_language(word: &str) -> bool {
    let (primary, rest) = word.split_once('-').unwrap_or((word, ""));
    matches!(primary.len(), 2 | 3)
        && primary.bytes().all(|letter| letter.is_ascii_lowercase())
        && rest
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
}

fn translation(text: &str, direction: Direction, expected: &str) -> Result<Question, String> {
    let Some((other, label)) = text.split_once(' ') else {
        return Err("expected to POLICY LABEL | LABEL or deny [reason]".to_owned());
    };
    let expected = match read_verdict(expected) {
        Ok(Verdict::Deny(reason)) => Expected::Denied(reason),
        _ => Expected::Label(expected.to_owned()),
    };
    let (other, label) = (other.to_owned(), label.trim().to_owned());
    Ok(Question::Translation {
        other,
        direction,
        label,
        expected,
    })
}

fn check(holds: bool, text: String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_cases() {
        let text = "# c\n\nA | B..C | deny x.y\nat 2026-06-01T00:00:00Z\nmark pageTop fr A | Z\nto P A; S: b, c | deny\n";
        let cases = parse(text, "f").unwrap();
        assert_eq!(cases.len(), 3);
        assert_eq!(cases[0].line, 3);
        assert_eq!(cases[1].at, "2026-06-01T00:00:00Z".parse().unwrap());
        let Question::Marking {
            location,
            language,
            label,
            ..
        } = &cases[1].question
        else {
            panic!("a marking")
        };
        assert_eq!(
            (*location, language.as_deref(), label.as_str()),
            (Location::PageTop, Some("fr"), "A")
        );
    }

    #[test]
    fn what_is_no_case() {
        for text in [
            "A",
            "A | B | perhaps",
            "A | B | C | D",
            "tu P A | B",
            "to P | deny",
            "at noon",
        ] {
            assert_eq!(parse(text, "f").unwrap_err().line, 1, "{text}");
        }
    }
}
