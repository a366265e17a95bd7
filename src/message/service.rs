//! What the originator asks of those who carry a message, beside the message itself.
//!
//! Promises: plain values that travel with the message from hop to hop and are kept with the queue
//! entry; what was asked is kept as it came (ENVID and ORCPT octet for octet), times are absolute.
//! Standards: RFC 3461 (DSN); RFC 2852 (DELIVERBY); RFC 4865 (FUTURERELEASE); RFC 8689
//! (REQUIRETLS); RFC 6531 (SMTPUTF8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::xtext::{Xtext, is_utf8_address};
use crate::clock::Timestamp;

/// What is asked for one message and each of its recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// `ENVID`: the originator's own name for the transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<Xtext>,
    /// `RET`: what a report brings back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns: Option<Return>,
    /// `BY`: until when, and what then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliver_by: Option<DeliverBy>,
    /// `HOLDFOR`, `HOLDUNTIL`: not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<Timestamp>,
    /// `REQUIRETLS`.
    #[serde(skip_serializing_if = "Asked::is_no")]
    pub require_tls: Asked,
    /// `SMTPUTF8`.
    #[serde(skip_serializing_if = "Asked::is_no")]
    pub smtputf8: Asked,
    /// `NOTIFY` and `ORCPT`, for the recipients that they were said for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub recipients: BTreeMap<Address, RecipientService>,
}

/// What a transaction says beside sender, recipients and message: kept with a queue entry, and said
/// to the next hop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// `MT-PRIORITY` as it came: a relay says the number that it heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i8>,
    /// What is asked for delivery.
    pub service: Service,
}

/// What is asked for one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientService {
    /// `NOTIFY`; nothing said means: of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// `ORCPT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalRecipient>,
}

/// Whether something without a value was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// It was not.
    #[default]
    No,
    /// It was.
    Yes,
}

// RFC 3461 §4.3
/// What a report of a failure brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Return {
    /// The whole message. (Across a border it is still the header only.)
    Full,
    /// Its header.
    Headers,
}

// RFC 3461 §4.1
/// When a report is wanted. All three `No` is `NEVER`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// When it was delivered.
    pub success: Asked,
    /// When it will not be.
    pub failure: Asked,
    /// When it takes long.
    pub delay: Asked,
}

// RFC 3461 §4.2
/// The recipient as the originator wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct OriginalRecipient {
    wire: String,
    semicolon: usize,
}

/// A text that is no original recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address type, a semicolon and an address in xtext")]
pub struct NotOriginalRecipient;

// RFC 2852 §4
/// Until when a message must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverBy {
    /// The time.
    pub deadline: Timestamp,
    /// What then.
    pub mode: ByMode,
    /// Whether a report of each relay is wanted.
    pub trace: Asked,
}

// RFC 2852 §4
/// What becomes of a message at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByMode {
    /// It goes on, and the sender is told.
    Notify,
    /// It goes back.
    Return,
}

impl Asked {
    /// Whether it was asked for.
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }

    const fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }

    /// `Yes` where `condition` holds.
    pub const fn when(condition: bool) -> Self {
        if condition { Self::Yes } else { Self::No }
    }
}

impl Notify {
    /// Whether no report at all is wanted.
    pub fn is_never(self) -> bool {
        self == Self::default()
    }
}

// RFC 3461 §4.1: a NOTIFY list in the order of the standard
impl std::fmt::Display for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = [
            (self.success, "SUCCESS"),
            (self.failure, "FAILURE"),
            (self.delay, "DELAY"),
        ]
        .iter()
        .filter(|(asked, _)| asked.is_yes())
        .map(|(_, word)| *word)
        .collect();
        if words.is_empty() {
            return f.write_str("NEVER");
        }
        f.write_str(&words.join(","))
    }
}

impl Terms {
    /// Whether nothing is asked for beside plain delivery.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// What it asks of an entry for these recipients alone.
    #[must_use]
    pub fn only_for(&self, recipients: &[Address]) -> Self {
        Self {
            priority: self.priority,
            service: self.service.only_for(recipients),
        }
    }
}

impl Service {
    /// What is asked for this recipient.
    pub fn of(&self, recipient: &Address) -> RecipientService {
        self.recipients.get(recipient).cloned().unwrap_or_default()
    }

    /// The same for these recipients alone: what another next hop need not know is left out.
    #[must_use]
    pub fn only_for(&self, recipients: &[Address]) -> Self {
        let mut service = self.clone();
        service
            .recipients
            .retain(|address, _| recipients.contains(address));
        service
    }
}

impl RecipientService {
    // RFC 3461 §5.2.3
    /// Whether a report of delivery, or of relay to where none will come from, is wanted.
    pub fn wants_success(&self) -> bool {
        self.notify.is_some_and(|notify| notify.success.is_yes())
    }

    // RFC 3461 §5.2.1: without NOTIFY a failure is reported
    /// Whether a report of failure is wanted.
    pub fn wants_failure(&self) -> bool {
        self.notify.is_none_or(|notify| notify.failure.is_yes())
    }

    // RFC 3461 §5.2.5: without NOTIFY a report of delay may be made
    /// Whether a report of delay is wanted, or allowed.
    pub fn wants_delay(&self) -> bool {
        self.notify.is_none_or(|notify| notify.delay.is_yes())
    }
}

impl OriginalRecipient {
    /// Reads `type;address`. Characters outside ASCII are for `utf8` sessions alone.
    ///
    /// # Errors
    /// When the type is no atom, or the address is not in the encoding of its type.
    pub fn parse(wire: &str, utf8: bool) -> Result<Self, NotOriginalRecipient> {
        let (kind, address) = wire.split_once(';').ok_or(NotOriginalRecipient)?;
        let is_atom =
            !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_address = match kind.eq_ignore_ascii_case("utf-8") {
            // RFC 6533 §3
            true => is_utf8_address(address, utf8),
            false => !address.is_empty() && Xtext::parse(address).is_ok(),
        };
        // RFC 3461 §4.2: at most 500 characters
        match is_atom && is_address && wire.len() <= 500 {
            true => Ok(Self {
                wire: wire.to_owned(),
                semicolon: kind.len(),
            }),
            false => Err(NotOriginalRecipient),
        }
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.wire
    }

    /// Whether a server without SMTPUTF8 can be told of it.
    pub fn is_ascii(&self) -> bool {
        self.wire.is_ascii()
    }

    // RFC 3464 §2.3.1: in a report xtext is decoded
    /// `type;address` as it stands in a report.
    pub fn in_report(&self) -> String {
        let (kind, address) = self
            .wire
            .split_at_checked(self.semicolon)
            .unwrap_or_default();
        let address = address.strip_prefix(';').unwrap_or_default();
        match Xtext::parse(address) {
            Ok(xtext) if !kind.eq_ignore_ascii_case("utf-8") => {
                format!("{kind};{}", xtext.decoded())
            }
            _ => self.wire.clone(),
        }
    }
}

impl From<OriginalRecipient> for String {
    fn from(original: OriginalRecipient) -> Self {
        original.wire
    }
}

impl TryFrom<String> for OriginalRecipient {
    type Error = NotOriginalRecipient;

    fn try_from(wire: String) -> Result<Self, NotOriginalRecipient> {
        Self::parse(&wire, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_kept_as_it_was_asked() {
        let address = Address::parse("b@y.example").unwrap();
        let service = Service {
            envelope_id: Some(Xtext::parse("a+2Bb").unwrap()),
            returns: Some(Return::Headers),
            deliver_by: Some(DeliverBy {
                deadline: Timestamp::UNIX_EPOCH,
                mode: ByMode::Return,
                trace: Asked::Yes,
            }),
            require_tls: Asked::Yes,
            recipients: [(
                address.clone(),
                RecipientService {
                    notify: Some(Notify::default()),
                    original: Some(OriginalRecipient::parse("rfc822;b+2Bc@y", false).unwrap()),
                },
            )]
            .into(),
            ..Service::default()
        };
        let kept = serde_json::to_string(&service).unwrap();
        assert_eq!(serde_json::from_str::<Service>(&kept).unwrap(), service);
        // What was kept before there was such a thing asks for nothing.
        assert_eq!(
            serde_json::from_str::<Service>("{}").unwrap(),
            Service::default()
        );
        assert!(service.only_for(&[]).recipients.is_empty());
        assert_eq!(service.only_for(&[address]), service);
    }

    #[test]
    fn without_notify_failures_alone_must_be_told() {
        let silent = RecipientService::default();
        assert!(silent.wants_failure() && silent.wants_delay() && !silent.wants_success());
        let never = RecipientService {
            notify: Some(Notify::default()),
            original: None,
        };
        assert!(!never.wants_failure() && !never.wants_delay() && !never.wants_success());
        assert_eq!(Notify::default().to_string(), "NEVER");
    }

    #[test]
    fn an_original_recipient_hides_no_line_end() {
        let original = OriginalRecipient::parse("rfc822;a+2Bb@x", false).unwrap();
        assert_eq!(original.in_report(), "rfc822;a+b@x");
        assert_eq!(original.as_str(), "rfc822;a+2Bb@x");
        for bad in [
            "rfc822",
            "rfc822;",
            ";a",
            "rf c;a",
            "rfc822;a+0D+0AX: y",
            "utf-8;ü@x",
        ] {
            assert!(OriginalRecipient::parse(bad, false).is_err(), "{bad}");
        }
        assert!(OriginalRecipient::parse("utf-8;ü@x", true).is_ok());
        assert!(OriginalRecipient::parse(&format!("x;{}", "a".repeat(499)), false).is_err());
    }
}
