//! Header fields, put under the innermost signature in one of three dialects.
//!
//! Duty: the entity to sign, the signed attribute where the dialect has one, and what stands
//! outside. `open::protected` reads all three back.
//! Promises: the body and the structural fields of the message stay octet for octet, but for the
//! `hp` parameter and the element of RFC 9788 section 5.2.2 where it is asked for.
//! Refuses: a Content-Type that says `hp` already where no signature covers it.
//! Standards: RFC 9788 sections 2.1, 2.2, 5.2; RFC 8551 section 3.1; RFC 7508 sections 4, 5.

use super::layers::LayerError;
use crate::crypto::cms::attribute::AttributeDer;
use crate::crypto::ess::{Canonicalisation, FieldStatus, SecureField, SecureHeaderFields};
use crate::message::content_type::ContentType;
use crate::message::header::{Headers, Limits, Line, Writer};
use crate::message::protection::{self, Dialect, Fields};

/// Which fields go where.
#[derive(Clone, Copy, Debug)]
pub struct Protection<'a> {
    /// How they are put under the signature.
    pub dialect: Dialect,
    /// What the signature covers.
    pub inside: &'a [(String, String)],
    /// What stands outside.
    pub outside: &'a [(String, String)],
    /// Whether the composer encrypts around the signature.
    pub secrecy: Secrecy,
    /// Whether old programs get to see what is hidden.
    pub legacy_display: LegacyDisplay,
}

/// Whether an envelope will stand around the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Signed only.
    Clear,
    /// Signed and encrypted.
    Encrypted,
}

/// The element of RFC 9788 section 5.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LegacyDisplay {
    /// Without.
    #[default]
    Without,
    /// In a payload that is plain text.
    Written,
}

/// What to sign.
#[derive(Debug)]
pub struct Protected {
    /// The entity.
    pub entity: Vec<u8>,
    /// A signed attribute of the innermost signature.
    pub attribute: Option<AttributeDer>,
}

/// The entity that `message` carries, with these fields under the signature to come.
///
/// # Errors
/// When a field cannot be written or the header of `message` cannot be read.
pub fn protect(message: &[u8], protection: &Protection<'_>) -> Result<Protected, LayerError> {
    let entity = match protection.dialect {
        Dialect::Rfc7508 => entity(message, Writer::new(), None)?,
        Dialect::Rfc8551 => wrapped(message, protection.inside)?,
        Dialect::Rfc9788 => payload(message, protection)?,
    };
    let attribute = (protection.dialect == Dialect::Rfc7508)
        .then(|| secure_fields(protection.inside, protection.outside).attribute());
    Ok(Protected { entity, attribute })
}

// RFC 9788 §5.2.1
fn payload(message: &[u8], protection: &Protection<'_>) -> Result<Vec<u8>, LayerError> {
    let mut head = writer(protection.inside)?;
    let encrypted = protection.secrecy == Secrecy::Encrypted;
    if encrypted {
        // RFC 9788 §2.2: every field that stands outside, with the value that it has there
        for (name, value) in protection.outside {
            head.field("HP-Outer", &format!("{name}: {value}"))?;
        }
    }
    head.field("MIME-Version", "1.0")?;
    let element = (encrypted && protection.legacy_display == LegacyDisplay::Written)
        .then(|| protection::legacy_display(protection.inside, protection.outside))
        .flatten();
    entity(
        message,
        head,
        Some(Payload {
            // RFC 9788 §2.1.1: cipher wherever it is encrypted, whatever the policy hid
            hp: if encrypted { "cipher" } else { "clear" },
            element: element.as_deref(),
        }),
    )
}

// RFC 8551 §3.1
fn wrapped(message: &[u8], inside: &[(String, String)]) -> Result<Vec<u8>, LayerError> {
    let mut head = Writer::new();
    // Says that this is no message that somebody forwards: without it the two look alike.
    head.field("Content-Type", "message/rfc822; forwarded=no")?;
    let mut inner = writer(inside)?;
    inner.field("MIME-Version", "1.0")?;
    let mut out = entity(message, inner, None)?;
    out.splice(0..0, head.with_body(b""));
    Ok(out)
}

// RFC 7508 §5.1
fn secure_fields(inside: &[(String, String)], outside: &[(String, String)]) -> SecureHeaderFields {
    let fields = inside
        .iter()
        .map(|(name, value)| {
            let same_name = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
            let mut kept = outside.iter().filter(same_name).map(|(_, value)| value);
            let status = match (kept.clone().next(), kept.any(|other| other == value)) {
                (None, _) => FieldStatus::Deleted,
                (Some(_), true) => FieldStatus::Duplicated,
                (Some(_), false) => FieldStatus::Modified,
            };
            SecureField {
                name: name.clone(),
                value: value.clone(),
                status,
            }
        })
        .collect();
    SecureHeaderFields {
        // Relays fold and unfold: white space does not count.
        canonicalisation: Canonicalisation::Relaxed,
        fields,
    }
}

/// A header section of these fields.
pub(super) fn writer(fields: &[(String, String)]) -> Result<Writer, LayerError> {
    let mut head = Writer::new();
    for (name, value) in fields {
        head.field(name, value)?;
    }
    Ok(head)
}

/// What RFC 9788 changes in the payload.
pub(super) struct Payload<'a> {
    hp: &'static str,
    element: Option<&'a str>,
}

/// The MIME entity that a message carries: `head`, the structural fields of `message`, and its
/// body, octet for octet.
pub(super) fn entity(
    message: &[u8],
    head: Writer,
    payload: Option<Payload<'_>>,
) -> Result<Vec<u8>, LayerError> {
    let (headers, body) = Headers::parse(message, Limits::default())?;
    let element = payload
        .as_ref()
        .and_then(|payload| payload.element)
        .filter(|_| takes_element(&headers));
    let mut entity = head.finish();
    entity.reserve_exact(message.len().saturating_add(1024));
    let mut typed = false;
    for field in headers.fields() {
        let name = field.name().to_ascii_lowercase();
        match &payload {
            Some(payload) if name == "content-type" => {
                if ContentType::parse(field.value()).is_ok_and(|kind| kind.param("hp").is_some()) {
                    return Err(LayerError::Shape(
                        "Content-Type says hp where no signature covers it",
                    ));
                }
                typed = true;
                let line = content_type(field.value(), payload.hp, element)?;
                entity.extend_from_slice(line.bytes());
            }
            _ if name.starts_with("content-") => entity.extend_from_slice(field.raw(message)),
            _ => {}
        }
    }
    if let Some(payload) = payload.filter(|_| !typed) {
        // RFC 2045 §5.2: what has no Content-Type is this
        let line = content_type("text/plain; charset=us-ascii", payload.hp, element)?;
        entity.extend_from_slice(line.bytes());
    }
    entity.extend_from_slice(b"\r\n");
    entity.extend_from_slice(element.unwrap_or_default().as_bytes());
    entity.extend_from_slice(message.get(body..).unwrap_or_default());
    Ok(entity)
}

fn content_type(value: &str, hp: &str, element: Option<&str>) -> Result<Line, LayerError> {
    let legacy = match element {
        Some(_) => "; hp-legacy-display=\"1\"",
        None => "",
    };
    let value = format!("{value}{legacy}; hp=\"{hp}\"");
    Ok(Line::structured("Content-Type", &value)?)
}

// RFC 9788 §5.2.4: main body parts only; here those that are plain text and not encoded
fn takes_element(headers: &Headers) -> bool {
    let plain =
        headers
            .first("Content-Type")
            .is_none_or(|field| match ContentType::parse(field.value()) {
                Ok(kind) => kind.is("text", "plain"),
                Err(_) => false,
            });
    let identity = headers
        .first("Content-Transfer-Encoding")
        .is_none_or(|field| {
            ["7bit", "8bit"]
                .iter()
                .any(|known| field.value().trim().eq_ignore_ascii_case(known))
        });
    let attached = headers
        .first("Content-Disposition")
        .is_some_and(|field| !field.value().trim_start().starts_with("inline"));
    plain && identity && !attached
}

/// The fields of a header section that an originator wants covered: all but the structural ones,
/// trace, and blind recipients.
pub fn protectable(headers: &Headers) -> Fields {
    headers
        .fields()
        .iter()
        .filter(|field| super::fields::is_carried(field.name()))
        .map(|field| (field.name().to_owned(), field.value().to_owned()))
        .collect()
}
