//! Header sections under a signature, in three dialects, and where they contradict what stands
//! outside.
//!
//! RFC 9788 section 1.8.2 leaves triple wraps out. Our rule: at each signed layer, the entity that
//! the signature covers protects the header fields at its root when its Content-Type says `hp`, the
//! message that it wraps does (RFC 8551), and a signed attribute does (RFC 7508); the outermost such
//! section counts, and each is compared with the one outside it.
//! Refuses: what looks like header protection and is none that is known: it is a conflict.

use super::facts::SignerFacts;
use crate::crypto::ess::{
    Canonicalisation, FieldStatus, SECURE_HEADER_FIELDS, SecureField, SecureHeaderFields,
};
use crate::message::address::Address;
use crate::message::header::{Headers, Limits};
use crate::message::mime::Entity;
use crate::message::protection::{Confidentiality, Dialect};

/// Header fields under a signature.
pub struct Protected {
    /// The signed layer around them, as an index into the layers.
    pub layer: usize,
    /// How they are put under it.
    pub dialect: Dialect,
    /// What the composer said of them.
    pub protection: Protection,
    /// The fields, structural ones included.
    pub headers: Headers,
    /// What the composer says that it wrote outside: name and value.
    pub written_outside: Vec<(String, String)>,
    /// Of RFC 7508: what the composer says that became of each field.
    pub statuses: Vec<(String, FieldStatus)>,
    exact: bool,
}

/// The `hp` parameter of RFC 9788 section 2.1; the other dialects say neither and count as clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Signed and encrypted by the composer.
    Cipher,
    /// Signed only.
    Clear,
}

/// A field that says one thing outside and another thing under the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field's name.
    pub field: String,
    /// What stands outside.
    pub outside: Vec<String>,
    /// What the signature covers.
    pub inside: Vec<String>,
}

/// What one signed layer says of header fields.
#[derive(Default)]
pub(super) struct Section {
    /// The protected fields; several when the composer used several dialects.
    pub(super) found: Vec<Protected>,
    /// What cannot be understood.
    pub(super) odd: Vec<Conflict>,
    /// Whether the payload is the one message that the entity wraps.
    pub(super) is_wrapped: bool,
}

impl Section {
    /// Reads it at signed layer `layer` with these signers, which covers `entity`; `from` is the From
    /// outside.
    pub(super) fn read(
        layer: usize,
        signers: &[SignerFacts],
        entity: &Entity,
        from: Option<&str>,
    ) -> Self {
        let mut section = Self::default();
        match secure_fields(signers) {
            Ok(Some(fields)) => match Protected::listed(layer, &fields) {
                Some(protected) => section.found.push(protected),
                None => section.odd("SecureHeaderFields", "a value that is no header field"),
            },
            Ok(None) => {}
            Err(problem) => section.odd("SecureHeaderFields", problem),
        }
        // RFC 9788 §2.1: only at the root of the payload, only these two values
        match entity.content_type.param("hp").map(str::to_ascii_lowercase) {
            None => {}
            Some(hp) if hp == "cipher" => {
                section
                    .found
                    .push(Protected::root(layer, Protection::Cipher, &entity.headers));
            }
            Some(hp) if hp == "clear" => {
                section
                    .found
                    .push(Protected::root(layer, Protection::Clear, &entity.headers));
            }
            Some(_) => section.odd("Content-Type", "a value of hp that is not known"),
        }
        if let Some(inner) = wrapped(entity, from) {
            section.is_wrapped = true;
            section.found.push(Protected {
                dialect: Dialect::Rfc8551,
                ..Protected::root(layer, Protection::Clear, &inner.headers)
            });
        }
        section
    }

    fn odd(&mut self, field: &str, problem: &str) {
        self.odd.push(Conflict {
            field: field.to_owned(),
            outside: Vec::new(),
            inside: vec![problem.to_owned()],
        });
    }
}

// RFC 9788 §4.10.1
/// The message that a signed entity wraps to protect its header (RFC 8551 section 3.1), and not to
/// forward it. Where `forwarded` does not say which, the one with the From of the outside is wrapped.
fn wrapped<'e>(entity: &'e Entity, from: Option<&str>) -> Option<&'e Entity> {
    let kind = &entity.content_type;
    let [inner] = entity.children.as_slice() else {
        return None;
    };
    if !kind.is("message", "rfc822")
        || kind.param("hp").is_some()
        || inner.content_type.param("hp").is_some()
    {
        return None;
    }
    let is_wrapped = match kind.param("forwarded").map(str::to_ascii_lowercase) {
        Some(forwarded) => forwarded == "no",
        // A layer of its own inside: somebody's signed message, as it is forwarded.
        None if inner.smime().is_some() => false,
        None => {
            let address = |value: &str| -> Option<Address> {
                let mut mailboxes = Address::parse_list(value).ok()?;
                let only = mailboxes.pop()?;
                mailboxes.is_empty().then_some(only.address)
            };
            let inside = inner.headers.first("From").map(|field| field.value());
            matches!(
                (from.and_then(address), inside.and_then(address)),
                (Some(outside), Some(inside)) if outside == inside
            )
        }
    };
    is_wrapped.then_some(inner)
}

// RFC 7508 §4: one attribute with one value; all signers of a layer list the same fields
fn secure_fields(signers: &[SignerFacts]) -> Result<Option<SecureHeaderFields>, &'static str> {
    let mut found: Option<SecureHeaderFields> = None;
    for signer in signers {
        let report = &signer.report;
        if !report
            .signed_attribute_types
            .contains(&SECURE_HEADER_FIELDS)
        {
            continue;
        }
        let value = report
            .value(&SECURE_HEADER_FIELDS)
            .ok_or("the attribute has not exactly one value")?;
        let fields = SecureHeaderFields::read(value).map_err(|_| "the attribute is malformed")?;
        if found.as_ref().is_some_and(|other| *other != fields) {
            return Err("the signers of the layer list different fields");
        }
        found = Some(fields);
    }
    Ok(found)
}

impl Protected {
    /// The fields at the root of a payload or of a wrapped message.
    fn root(layer: usize, protection: Protection, headers: &Headers) -> Self {
        // RFC 9788 §4.2.1: split at the first colon
        let written_outside = headers
            .all("HP-Outer")
            .filter_map(|field| {
                let value = field.value();
                let (name, value) = value.split_once(':')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect();
        Self {
            layer,
            dialect: Dialect::Rfc9788,
            protection,
            headers: headers.clone(),
            written_outside,
            statuses: Vec::new(),
            exact: false,
        }
    }

    /// The fields of a signed attribute, if each can stand in a header.
    fn listed(layer: usize, secure: &SecureHeaderFields) -> Option<Self> {
        let mut section = String::new();
        for SecureField { name, value, .. } in &secure.fields {
            // A folded value is the same value; any other line end would be another field.
            let unfolded = value.replace("\r\n ", " ").replace("\r\n\t", "\t");
            if unfolded.chars().any(|c| c.is_control() && c != '\t') {
                return None;
            }
            section.push_str(&format!("{name}: {}\r\n", unfolded.trim()));
        }
        section.push_str("\r\n");
        let (headers, body) = Headers::parse(section.as_bytes(), Limits::default()).ok()?;
        (body == section.len() && headers.fields().len() == secure.fields.len()).then(|| Self {
            layer,
            dialect: Dialect::Rfc7508,
            protection: Protection::Clear,
            headers,
            written_outside: Vec::new(),
            statuses: secure
                .fields
                .iter()
                .map(|field| (field.name.clone(), field.status))
                .collect(),
            exact: secure.canonicalisation == Canonicalisation::Simple,
        })
    }

    /// The fields here that contradict the section `outside`. A field that is missing outside
    /// contradicts nothing; one that the composer changed outside, and said so, neither.
    pub fn conflicts_with(&self, outside: &Headers) -> Vec<Conflict> {
        let mut names: Vec<String> = self
            .headers
            .fields()
            .iter()
            .map(|field| field.name().to_ascii_lowercase())
            .filter(|name| is_compared(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter_map(|name| {
                let inside = values(&self.headers, &name, self.exact);
                let outer = values(outside, &name, self.exact);
                let explained = outer.is_empty()
                    || outer == inside
                    || match self.dialect {
                        Dialect::Rfc7508 => self.is_modified(&name),
                        Dialect::Rfc8551 => Self::is_hidden(&name, &inside, &outer),
                        Dialect::Rfc9788 => {
                            self.protection == Protection::Cipher && outer == self.declared(&name)
                        }
                    };
                (!explained).then_some(Conflict {
                    field: name,
                    outside: outer,
                    inside,
                })
            })
            .collect()
    }

    fn declared(&self, name: &str) -> Vec<String> {
        self.written_outside
            .iter()
            .filter(|(declared, _)| declared.eq_ignore_ascii_case(name))
            .map(|(_, value)| collapsed(value))
            .collect()
    }

    // RFC 7508 §5.2: what the composer wrote outside in its place, nobody knows
    fn is_modified(&self, name: &str) -> bool {
        self.statuses.iter().any(|(field, status)| {
            field.eq_ignore_ascii_case(name) && *status == FieldStatus::Modified
        })
    }

    // RFC 9788 §4.10.2: RFC 8551 has no word for what was hidden; what a known policy would have
    // written outside is taken for that
    fn is_hidden(name: &str, inside: &[String], outer: &[String]) -> bool {
        [Confidentiality::Baseline, Confidentiality::Shy]
            .iter()
            .any(|policy| {
                let expected = inside
                    .iter()
                    .filter_map(|value| policy.outside(name, value));
                expected.eq(outer.iter().cloned())
            })
    }
}

fn values(headers: &Headers, name: &str, exact: bool) -> Vec<String> {
    headers
        .all(name)
        .map(|field| match exact {
            true => field.value().trim().to_owned(),
            false => collapsed(field.value()),
        })
        .collect()
}

fn collapsed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Structural fields belong to each entity, HP-Outer is about the outside, and trace fields grow on
/// the way (RFC 9788 section 7): none of them is compared.
fn is_compared(name: &str) -> bool {
    !name.starts_with("content-")
        && !matches!(
            name,
            "mime-version" | "hp-outer" | "received" | "return-path" | "authentication-results"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> Headers {
        let whole = format!("{text}\r\n");
        Headers::parse(whole.as_bytes(), Limits::default())
            .unwrap()
            .0
    }

    fn listed(canonicalisation: Canonicalisation, status: FieldStatus) -> Protected {
        let field = |name: &str, value: &str, status| SecureField {
            name: name.into(),
            value: value.into(),
            status,
        };
        let fields = vec![
            field("From", "a@x.test", FieldStatus::Duplicated),
            field("Subject", "the  plan", status),
        ];
        let secure = SecureHeaderFields {
            canonicalisation,
            fields,
        };
        Protected::listed(0, &secure).unwrap()
    }

    fn conflicts(section: &Protected, outside: &str) -> Vec<String> {
        section
            .conflicts_with(&headers(outside))
            .into_iter()
            .map(|conflict| conflict.field)
            .collect()
    }

    #[test]
    fn white_space_counts_only_under_simple_canonicalisation() {
        let outside = "From: a@x.test\r\nSubject: the plan\r\n";
        let relaxed = listed(Canonicalisation::Relaxed, FieldStatus::Duplicated);
        assert!(conflicts(&relaxed, outside).is_empty());
        let simple = listed(Canonicalisation::Simple, FieldStatus::Duplicated);
        assert_eq!(conflicts(&simple, outside), ["subject"]);
        assert!(conflicts(&simple, "Subject: the  plan\r\n").is_empty());
    }

    #[test]
    fn a_status_explains_what_the_composer_changed_and_nothing_else() {
        let outside = "From: a@x.test\r\nSubject: nothing\r\n";
        for (status, expected) in [
            (FieldStatus::Duplicated, &["subject"][..]),
            (FieldStatus::Deleted, &["subject"]),
            (FieldStatus::Modified, &[]),
        ] {
            let section = listed(Canonicalisation::Relaxed, status);
            assert_eq!(conflicts(&section, outside), expected);
            assert_eq!(conflicts(&section, "From: b@x.test\r\n"), ["from"]);
        }
    }

    #[test]
    fn a_listed_value_cannot_make_a_second_field() {
        for value in ["x\r\nBcc: y", "x\ny", "x\0"] {
            let secure = SecureHeaderFields {
                canonicalisation: Canonicalisation::Relaxed,
                fields: vec![SecureField {
                    name: "Subject".into(),
                    value: value.into(),
                    status: FieldStatus::Duplicated,
                }],
            };
            assert!(Protected::listed(0, &secure).is_none(), "{value:?}");
        }
    }

    #[test]
    fn a_wrapped_message_is_told_from_a_forwarded_one() {
        let is_wrapped = |kind: &str, inside: &str| {
            let text =
                format!("Content-Type: message/rfc822{kind}\r\n\r\nFrom: {inside}\r\n\r\nbody\r\n");
            let entity = Entity::parse_all(text.as_bytes(), Limits::default()).unwrap();
            wrapped(&entity, Some("Ann <a@x.test>")).is_some()
        };
        assert!(is_wrapped("", "a@x.test"));
        assert!(!is_wrapped("", "b@x.test"));
        assert!(is_wrapped("; forwarded=no", "b@x.test"));
        assert!(!is_wrapped("; forwarded=yes", "a@x.test"));
        assert!(!is_wrapped("; hp=\"clear\"", "a@x.test"));
        // RFC 9788 §4.10.1: not when the message inside is a cryptographic layer of its own.
        let inner = "a@x.test\r\nContent-Type: application/pkcs7-mime";
        assert!(!is_wrapped("", inner));
    }
}
