//! Header sections: what is protected, what stands outside, and the trace of this hop.

use super::unwritable;
use crate::clock::{Timestamp, rfc5322_date};
use crate::config::Config;
use crate::decision::Stop;
use crate::message::address::Address;
use crate::message::envelope::Protection;
use crate::message::header::{Headers, Writer};
use crate::message::protection::Fields;
use crate::message::received::Received;
use crate::message::service::Asked;
use crate::review::Released;

/// RFC 7912 section 3.
pub(super) const AUTHORIZING_USERS: &str = "MMHS-Authorizing-Users";

/// The Received field of this hop (RFC 5321 section 4.4), with the priority clause of RFC 6710
/// section 3.5.
pub(super) fn trace(config: &Config, at: Timestamp, received: &Received) -> String {
    // RFC 3848; RFC 6531 §3.7.3
    let peer = received.peer();
    let protocol = match received.envelope().service.smtputf8 {
        Asked::No => "ESMTP",
        Asked::Yes => "UTF8SMTP",
    };
    let tls = match peer.protection {
        Protection::Clear => "",
        Protection::Tls => "S",
    };
    let login = match peer.is_known_by_password() {
        true => "A",
        false => "",
    };
    let with = format!("{protocol}{tls}{login}");
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
pub(super) fn is_carried(name: &str) -> bool {
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
pub(super) fn carried(headers: &Headers, released: &Released) -> Fields {
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
