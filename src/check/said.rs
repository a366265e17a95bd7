//! What a message says of its label beside the signed attribute: SIO-Label fields, and markings in its
//! subject and in the first line of its text.
//!
//! Promises: none of it grants anything; what cannot be read or contradicts the label is refused.
//! A marking contradicts only when the whole text (a line, a subject, or what stands there in
//! brackets) is what the policy writes for another classification; what merely reads like one is text.
//! Where the configuration says that SIO-Label counts, one under a signature stands for a label that
//! is not in the signed attributes.
//! Standards: RFC 7444; MMHS over SMTP (both labels say the same); standards/labels.md section 13.

use super::labels::in_own_policy;
use super::origin::Origin;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::{Ground, Reason, Refusal};
use crate::label::Label;
use crate::label::marked;
use crate::label::sio::{FIELD, SioLabel};
use crate::message::header::Headers;
use crate::message::mime::{Entity, Limits};
use crate::open::Facts;

/// The label of the signed header sections, where there is no other.
pub(super) fn signed(
    config: &Config,
    origin: &Origin,
    facts: &Facts,
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<Option<Label>, Refusal> {
    let inside = facts.envelope();
    for section in &facts.protected {
        // What stands outside an envelope is about the encrypted object.
        if inside.is_some_and(|envelope| section.layer < envelope) {
            continue;
        }
        if let Some((_, Some(label))) = field(config, &section.headers)? {
            return in_own_policy(config, origin, &label, section.layer, at, found).map(Some);
        }
    }
    Ok(None)
}

/// Whether everything that is said agrees with `label`; outside an envelope it may also be one of
/// `outside`, the labels of the encrypted object.
pub(super) fn agrees(
    config: &Config,
    origin: &Origin,
    facts: &Facts,
    (label, outside): (&Label, &[Label]),
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<(), Refusal> {
    let outer = (0, &facts.outer);
    let protected = facts.protected.iter().map(|p| (p.layer, &p.headers));
    for (layer, headers) in std::iter::once(outer).chain(protected) {
        let Some((written, said)) = field(config, headers)? else {
            continue;
        };
        if let Some(said) = said {
            let said = in_own_policy(config, origin, &said, layer, at, found)?;
            let is_about_object = facts.envelope().is_some_and(|envelope| layer < envelope);
            if said != *label && !(is_about_object && outside.contains(&said)) {
                let text = "SIO-Label says another label than the signature";
                return Err(Refusal::because(Reason::LabelDisagrees, text));
            }
        }
        if let Some(text) = &written.marking {
            contradicts(config, label, text, "the marking of SIO-Label")?;
            if !marked::is_marking_of(config.policy(), label, text) {
                let differs =
                    "the marking of SIO-Label is not one that the policy writes for the label";
                found.push(Ground::new("label.marking-differs", differs));
            }
        }
    }
    if let Some(subject) = facts.field("Subject") {
        for text in std::iter::once(subject.as_str()).chain(bracketed(&subject)) {
            contradicts(config, label, text, "the subject")?;
        }
    }
    if let Some(line) = first_line(&facts.text()) {
        contradicts(config, label, &line, "the first line of the text")?;
    }
    Ok(())
}

/// The SIO-Label of a header section, and the label in it.
fn field(config: &Config, headers: &Headers) -> Result<Option<(SioLabel, Option<Label>)>, Refusal> {
    let malformed = |text: String| Refusal::because(Reason::LabelMalformed, text);
    let mut fields = headers.all(FIELD);
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    // RFC 7444 §2: at most one
    if fields.next().is_some() {
        return Err(malformed("there are two SIO-Label fields".to_owned()));
    }
    let wrong = |error: &dyn std::fmt::Display| malformed(format!("{FIELD}: {error}"));
    let written = SioLabel::parse(field.value()).map_err(|error| wrong(&error))?;
    let label = written
        .label(&config.policies, &[])
        .map_err(|error| wrong(&error))?;
    Ok(Some((written, label)))
}

/// Refuses a text that is the marking of another classification than the label's.
fn contradicts(config: &Config, label: &Label, text: &str, place: &str) -> Result<(), Refusal> {
    let other = config.markings.contradicts(config.policy(), label, text);
    other.map_or(Ok(()), |name| {
        let ground = Ground {
            label: Some(name.to_owned()),
            ..Ground::new("label.marking", format!("{place} marks another label"))
        };
        Err(Refusal::on_grounds(Reason::LabelDisagrees, vec![ground]))
    })
}

/// What stands in brackets at the beginning and at the end of a subject.
fn bracketed(subject: &str) -> impl Iterator<Item = &str> {
    let subject = subject.trim();
    let first = subject
        .strip_prefix(['[', '('])
        .and_then(|rest| rest.split([']', ')']).next());
    let last = subject
        .strip_suffix([']', ')'])
        .and_then(|rest| rest.rsplit(['[', '(']).next());
    first.into_iter().chain(last)
}

/// The first line with anything in it of the first plain text.
fn first_line(message: &[u8]) -> Option<String> {
    let entity = Entity::parse_all(message, Limits::default()).ok()?;
    let mut text = &entity;
    while let Some(first) = text.children.first() {
        text = first;
    }
    if !text.content_type.is("text", "plain") {
        return None;
    }
    let octets = text.decoded(message).ok()?;
    let line = octets
        .split(|octet| *octet == b'\n')
        .find(|line| !line.trim_ascii().is_empty())?;
    Some(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_brackets() {
        let of = |text| bracketed(text).collect::<Vec<_>>();
        assert_eq!(of("[A] about (B)"), ["A", "B"]);
        assert_eq!(of("(A)"), ["A", "A"]);
        assert!(of("about (B) it").is_empty());
        assert!(of("").is_empty());
    }
}
