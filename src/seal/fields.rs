//! Header sections: what is protected, what stands outside, and the trace of this hop.

use super::unwritable;
use crate::clock::{Timestamp, rfc5322_date};
use crate::config::Config;
use crate::decision::{Reason, Refusal, Stop};
use crate::message::address::Address;
use crate::message::content_type::ContentType;
use crate::message::envelope::Protection;
use crate::message::header::{Headers, Limits, Line, Writer};
use crate::message::mime::pkcs7_mime;
use crate::message::received::Received;
use crate::review::Released;

/// RFC 7912 section 3.
pub(super) const AUTHORIZING_USERS: &str = "MMHS-Authorizing-Users";

/// The Received field of this hop (RFC 5321 section 4.4), with the priority clause of RFC 6710
/// section 3.5.
pub(super) fn trace(config: &Config, at: Timestamp, received: &Received) -> String {
    let with = match received.peer().protection {
        Protection::Clear => "ESMTP",
        Protection::Tls => "ESMTPS",
    };
    let priority = received
        .envelope()
        .priority
        .map(|value| format!(" PRIORITY {value}"))
        .unwrap_or_default();
    format!(
        "from {} ([{}]) by {} with {with} id {}{priority}; {}",
        received.peer().helo,
        received.peer().address,
        config.name,
        received.id(),
        rfc5322_date(at)
    )
}

/// The value of MMHS-Authorizing-Users for those who released.
pub(super) fn authorizing(users: &[Address]) -> Option<String> {
    (!users.is_empty()).then(|| {
        users
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    })
}

/// The fields of a message that are copied from one header section to another: all but the
/// structural ones, the trace, those that say what stood outside, and blind recipients.
fn is_carried(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.starts_with("content-")
        && !matches!(
            name.as_str(),
            "mime-version"
                | "hp-outer"
                | "received"
                | "return-path"
                | "bcc"
                | "resent-bcc"
                | "authentication-results"
                | "mt-priority"
        )
        && !name.eq_ignore_ascii_case(AUTHORIZING_USERS)
}

/// Name and value of each field that goes along, those who released included.
pub(super) fn carried(headers: &Headers, released: &Released) -> Vec<(String, String)> {
    headers
        .fields()
        .iter()
        .filter(|field| is_carried(field.name()))
        .map(|field| (field.name().to_owned(), field.value().to_owned()))
        .chain(
            authorizing(released.authorizing()).map(|users| (AUTHORIZING_USERS.to_owned(), users)),
        )
        .collect()
}

// RFC 9788 §3.2.1 (hcp_baseline)
/// What stands outside an encrypted message in place of `fields`: the subject is hidden, comments,
/// keywords and the label of what is inside are left out. Precedence stays visible: relays need it.
pub(super) fn confidential(fields: &[(String, String)]) -> Vec<(String, String)> {
    fields
        .iter()
        .filter(|(name, _)| {
            !["Comments", "Keywords", "SIO-Label", "SIO-Label-History"]
                .iter()
                .any(|hidden| name.eq_ignore_ascii_case(hidden))
        })
        .map(|(name, value)| {
            if name.eq_ignore_ascii_case("Subject") {
                (name.clone(), "[...]".to_owned())
            } else {
                (name.clone(), value.clone())
            }
        })
        .collect()
}

/// The head of an outgoing message: this hop's trace, the earlier trace as it came, then `fields`.
pub(super) fn outer(
    config: &Config,
    at: Timestamp,
    received: &Received,
    fields: &[(String, String)],
) -> Result<Writer, Stop> {
    let mut writer = Writer::new();
    writer
        .field("Received", &trace(config, at, received))
        .map_err(unwritable)?;
    for field in received.headers().all("Received") {
        writer
            .field("Received", field.value())
            .map_err(unwritable)?;
    }
    for (name, value) in fields {
        writer.field(name, value).map_err(unwritable)?;
    }
    writer.field("MIME-Version", "1.0").map_err(unwritable)?;
    Ok(writer)
}

/// A whole message: the head, and an application/pkcs7-mime entity for `cms`.
pub(super) fn message(head: Writer, smime_type: &str, cms: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut message = head.finish();
    message.extend_from_slice(&pkcs7_mime(smime_type, cms).map_err(unwritable)?);
    Ok(message)
}

/// The MIME entity that a message carries: `head`, the structural fields of `message`, and its body,
/// octet for octet. `hp` becomes a parameter of Content-Type (RFC 9788 section 2.1).
pub(super) fn entity(message: &[u8], head: Writer, hp: Option<&str>) -> Result<Vec<u8>, Stop> {
    let (headers, body) = Headers::parse(message, Limits::default()).map_err(unwritable)?;
    let mut entity = head.finish();
    for field in headers.fields() {
        let name = field.name().to_ascii_lowercase();
        match hp {
            Some(hp) if name == "content-type" => {
                if ContentType::parse(field.value()).is_ok_and(|kind| kind.param("hp").is_some()) {
                    let text = "Content-Type says hp where no signature covers it";
                    return Err(Refusal::because(Reason::MessageMalformed, text).into());
                }
                let value = format!("{}; hp=\"{hp}\"", field.value());
                let line = Line::structured("Content-Type", &value).map_err(unwritable)?;
                entity.extend_from_slice(line.bytes());
            }
            _ if name.starts_with("content-") => entity.extend_from_slice(field.raw(message)),
            _ => {}
        }
    }
    entity.extend_from_slice(b"\r\n");
    entity.extend_from_slice(message.get(body..).unwrap_or_default());
    Ok(entity)
}
