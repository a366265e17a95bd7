//! What a report says: the machine-readable part of a delivery status notification (RFC 3464), and
//! that of a message disposition notification (RFC 8098).
//!
//! Duty: reads `message/delivery-status`, `message/global-delivery-status`,
//! `message/disposition-notification` and its global form. Who wrote them and whether to believe it
//! is for others.
//! Promises: bounded by [`Limits`] and by [`MOST_RECIPIENTS`]; one reading only.
//! Refuses: a field that may stand once and stands twice, a recipient without address, action or
//! status, an action or a disposition that no standard has.
//! Attacks stopped here: a second Final-Recipient or Disposition behind the first, which another
//! reader would believe.
//! Standards: RFC 3464 §2; RFC 6533 §3, §4; RFC 8098 §3.

use super::address::Address;
use super::header::{HeaderError, Headers, Limits};
use super::line;

/// The most recipients that one report may tell of.
pub const MOST_RECIPIENTS: usize = 1000;
/// The longest value that is kept of a field.
const LONGEST: usize = 998;

/// Why a report cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// A field says nothing that is known, or too much.
    #[error("the field {0} cannot be read")]
    Field(&'static str),
    /// A group of fields is not one.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A line does not end with CRLF.
    #[error("lines must end with CRLF only")]
    Lines,
    /// A field that must be there is not.
    #[error("there is no field {0}")]
    Missing(&'static str),
    /// More recipients than the limit.
    #[error("more than {MOST_RECIPIENTS} recipients")]
    TooMany,
}

/// A delivery status notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// The envelope identifier that the originator gave.
    pub envelope_id: Option<String>,
    /// Who reports.
    pub reporting_mta: String,
    /// What became of whom; at least one.
    pub recipients: Vec<RecipientStatus>,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientStatus {
    /// The recipient as the originator wrote it.
    pub original: Option<TypedAddress>,
    /// The recipient as the reporting side knows it.
    pub last: TypedAddress,
    /// What became of it.
    pub action: Action,
    /// The status code, as `5.1.1`.
    pub status: String,
}

// RFC 3464 §2.3.3
/// What became of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It has not got the message yet.
    Delayed,
    /// It has the message in its mailbox.
    Delivered,
    /// It is several others.
    Expanded,
    /// It will not get the message.
    Failed,
    /// The message was handed on to where no report comes from.
    Relayed,
}

// RFC 3464 §2.3.1: an address with its type
/// `rfc822; a@b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedAddress {
    /// The type, in lower case.
    pub kind: String,
    /// The address as written.
    pub text: String,
}

/// A message disposition notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispositionStatus {
    /// The recipient as the originator wrote it.
    pub original: Option<TypedAddress>,
    /// The recipient.
    pub last: TypedAddress,
    /// The Message-ID of the message.
    pub message_id: Option<String>,
    /// What was done to it.
    pub disposition: Disposition,
}

// RFC 8098 §3.2.6; RFC 3798 and RFC 2298 had two more, which some still say
/// What was done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It was deleted, read or not.
    Deleted,
    /// The recipient does not want to say.
    Denied,
    /// It was sent on, unread.
    Dispatched,
    /// It was shown.
    Displayed,
    /// It could not be dealt with.
    Failed,
    /// Something else than a person dealt with it.
    Processed,
}

impl TypedAddress {
    fn parse(value: &str, field: &'static str) -> Result<Self, StatusError> {
        let (kind, text) = value.split_once(';').ok_or(StatusError::Field(field))?;
        let (kind, text) = (kind.trim().to_ascii_lowercase(), text.trim());
        let is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_graphic() && b != b'(');
        match is_atom && !text.is_empty() && value.len() <= LONGEST {
            true => Ok(Self {
                kind,
                text: text.to_owned(),
            }),
            false => Err(StatusError::Field(field)),
        }
    }

    /// The mailbox that it is, if it is one.
    pub fn mailbox(&self) -> Option<Address> {
        match self.kind.as_str() {
            "rfc822" | "utf-8" => Address::parse(&self.text).ok(),
            _ => None,
        }
    }
}

impl DeliveryStatus {
    /// Reads the content of a `message/delivery-status`.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn parse(content: &[u8], limits: Limits) -> Result<Self, StatusError> {
        let mut groups = groups(content, limits)?.into_iter();
        // RFC 3464 §2.1: first the fields for the message, then a group for each recipient
        let message = groups.next().ok_or(StatusError::Missing("Reporting-MTA"))?;
        let recipients = groups
            .map(|group| RecipientStatus::read(&group))
            .collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() {
            return Err(StatusError::Missing("Final-Recipient"));
        }
        Ok(Self {
            envelope_id: value(&message, "Original-Envelope-Id")?,
            reporting_mta: needed(&message, "Reporting-MTA")?,
            recipients,
        })
    }
}

impl RecipientStatus {
    fn read(group: &Headers) -> Result<Self, StatusError> {
        let action = needed(group, "Action")?;
        Ok(Self {
            original: value(group, "Original-Recipient")?
                .map(|text| TypedAddress::parse(&text, "Original-Recipient"))
                .transpose()?,
            last: TypedAddress::parse(&needed(group, "Final-Recipient")?, "Final-Recipient")?,
            action: match action.to_ascii_lowercase().as_str() {
                "delayed" => Action::Delayed,
                "delivered" => Action::Delivered,
                "expanded" => Action::Expanded,
                "failed" => Action::Failed,
                "relayed" => Action::Relayed,
                _ => return Err(StatusError::Field("Action")),
            },
            status: status(&needed(group, "Status")?)?,
        })
    }
}

impl DispositionStatus {
    /// Reads the content of a `message/disposition-notification`.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn parse(content: &[u8], limits: Limits) -> Result<Self, StatusError> {
        let [fields] = <[Headers; 1]>::try_from(groups(content, limits)?)
            .map_err(|_| StatusError::Missing("Disposition"))?;
        Ok(Self {
            original: value(&fields, "Original-Recipient")?
                .map(|text| TypedAddress::parse(&text, "Original-Recipient"))
                .transpose()?,
            last: TypedAddress::parse(&needed(&fields, "Final-Recipient")?, "Final-Recipient")?,
            message_id: value(&fields, "Original-Message-ID")?,
            disposition: disposition(&needed(&fields, "Disposition")?)?,
        })
    }
}

// RFC 8098 §3.2.6: mode "/" sending ";" type ["/" modifiers]
fn disposition(value: &str) -> Result<Disposition, StatusError> {
    let wrong = StatusError::Field("Disposition");
    let lower = value.to_ascii_lowercase();
    let (modes, kind) = lower.split_once(';').ok_or(wrong.clone())?;
    let (action, sending) = modes.split_once('/').ok_or(wrong.clone())?;
    let is_known = matches!(action.trim(), "manual-action" | "automatic-action")
        && matches!(
            sending.trim(),
            "mdn-sent-manually" | "mdn-sent-automatically"
        );
    let kind = kind.split('/').next().unwrap_or_default().trim();
    match (is_known, kind) {
        (true, "deleted") => Ok(Disposition::Deleted),
        (true, "denied") => Ok(Disposition::Denied),
        (true, "dispatched") => Ok(Disposition::Dispatched),
        (true, "displayed") => Ok(Disposition::Displayed),
        (true, "failed") => Ok(Disposition::Failed),
        (true, "processed") => Ok(Disposition::Processed),
        _ => Err(wrong),
    }
}

// RFC 3463 §2: class, subject, detail, without leading zeros; a comment may follow
fn status(value: &str) -> Result<String, StatusError> {
    let wrong = StatusError::Field("Status");
    let code = value.split([' ', '(']).next().unwrap_or_default();
    let parts: Vec<&str> = code.split('.').collect();
    let is_number = |text: &&str| {
        (1..=3).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text.len() == 1 || !text.starts_with('0'))
    };
    match parts.as_slice() {
        ["2" | "4" | "5", subject, detail] if is_number(subject) && is_number(detail) => {
            Ok(code.to_owned())
        }
        _ => Err(wrong),
    }
}

/// The groups of fields, with empty lines between them.
fn groups(content: &[u8], limits: Limits) -> Result<Vec<Headers>, StatusError> {
    line::check(content).map_err(|_| StatusError::Lines)?;
    let mut groups = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (group, after) = Headers::parse(rest, limits)?;
        rest = rest.get(after..).unwrap_or_default();
        if group.fields().is_empty() {
            continue;
        }
        if groups.len() > MOST_RECIPIENTS {
            return Err(StatusError::TooMany);
        }
        groups.push(group);
    }
    Ok(groups)
}

/// The value of a field that may stand once.
fn value(group: &Headers, name: &'static str) -> Result<Option<String>, StatusError> {
    let Some(field) = group.single(name).map_err(|_| StatusError::Field(name))? else {
        return Ok(None);
    };
    let text = field.value().trim();
    match text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        true => Err(StatusError::Field(name)),
        false => Ok(Some(text.to_owned())),
    }
}

fn needed(group: &Headers, name: &'static str) -> Result<String, StatusError> {
    value(group, name)?.ok_or(StatusError::Missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERY: &str = "Original-Envelope-Id: QQ+314\r\n\
        Reporting-MTA: dns; switch.birch.example\r\n\
        Arrival-Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
        \r\n\
        Original-Recipient: RFC822;First@birch.example\r\n\
        Final-Recipient: rfc822; reader@birch.example\r\n\
        Action: delivered\r\n\
        Status: 2.0.0 (all is well)\r\n\
        \r\n\
        Final-Recipient: utf-8; b\u{f8}@birch.example\r\n\
        Action: FAILED\r\n\
        Status: 5.1.1\r\n";

    const DISPOSITION: &str = "Reporting-UA: desk\r\n\
        Final-Recipient: rfc822; reader@birch.example\r\n\
        Original-Message-ID: <1@alder.example>\r\n\
        Disposition: manual-action/MDN-sent-manually; displayed\r\n";

    fn delivery(text: &str) -> Result<DeliveryStatus, StatusError> {
        DeliveryStatus::parse(text.as_bytes(), Limits::default())
    }

    fn read(text: &str) -> Result<DispositionStatus, StatusError> {
        DispositionStatus::parse(text.as_bytes(), Limits::default())
    }

    #[test]
    fn a_delivery_status_is_read_group_by_group() {
        let status = delivery(DELIVERY).unwrap();
        assert_eq!(status.envelope_id.as_deref(), Some("QQ+314"));
        assert_eq!(status.reporting_mta, "dns; switch.birch.example");
        let [first, second] = status.recipients.as_slice() else {
            panic!("{status:?}");
        };
        let original = first.original.as_ref().unwrap();
        assert_eq!(
            (&*original.kind, &*original.text),
            ("rfc822", "First@birch.example")
        );
        assert_eq!((first.action, &*first.status), (Action::Delivered, "2.0.0"));
        assert_eq!(second.original, None);
        assert_eq!(second.action, Action::Failed);
        assert_eq!(
            second.last.mailbox(),
            Address::parse("b\u{f8}@birch.example").ok()
        );
        // A blank line at the end is no recipient.
        assert_eq!(delivery(&format!("{DELIVERY}\r\n\r\n")), Ok(status));
    }

    #[test]
    fn a_delivery_status_with_two_readings_or_none_is_refused() {
        for (from, to) in [
            ("Reporting-MTA: dns; switch.birch.example\r\n", ""),
            ("Action: delivered\r\n", ""),
            (
                "Action: delivered\r\n",
                "Action: delivered\r\nAction: failed\r\n",
            ),
            ("Action: delivered", "Action: almost"),
            ("Status: 2.0.0 (all is well)\r\n", ""),
            ("Status: 2.0.0", "Status: 3.0.0"),
            ("Status: 2.0.0", "Status: 2.00.0"),
            ("Status: 2.0.0", "Status: 2.0"),
            ("rfc822; reader@birch.example", "reader@birch.example"),
            ("rfc822; reader@birch.example", "rfc822;"),
            (
                "Final-Recipient: rfc822; reader@birch.example\r\n",
                "Final-Recipient: rfc822; reader@birch.example\r\n\
                 Final-Recipient: rfc822; other@birch.example\r\n",
            ),
            (
                "Original-Envelope-Id: QQ+314\r\n",
                "Original-Envelope-Id: a\r\nOriginal-Envelope-Id: b\r\n",
            ),
            ("Status: 5.1.1\r\n", "Status: 5.1.1\n"),
            ("Action: FAILED", "not a field"),
        ] {
            let text = DELIVERY.replacen(from, to, 1);
            assert_ne!(text, DELIVERY, "{from}");
            assert!(delivery(&text).is_err(), "{to}");
        }
        assert!(delivery("").is_err());
        assert!(delivery("Reporting-MTA: dns; a\r\n").is_err());
        let one = "\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.0.0\r\n";
        let many = |count: usize| format!("Reporting-MTA: dns; a\r\n{}", one.repeat(count));
        assert_eq!(
            delivery(&many(MOST_RECIPIENTS)).unwrap().recipients.len(),
            MOST_RECIPIENTS
        );
        assert_eq!(
            delivery(&many(MOST_RECIPIENTS + 1)),
            Err(StatusError::TooMany)
        );
    }

    #[test]
    fn whatever_an_octet_becomes_it_is_read_or_refused() {
        for text in [DELIVERY, DISPOSITION] {
            for at in 0..text.len() {
                for octet in *b"\0\t\r\n :;/.\xff" {
                    let mut changed = text.as_bytes().to_vec();
                    changed[at] = octet;
                    if let Ok(status) = DeliveryStatus::parse(&changed, Limits::default()) {
                        assert!(!status.recipients.is_empty());
                    }
                    let _ = DispositionStatus::parse(&changed, Limits::default());
                    let _ = delivery(&text[..text.floor_char_boundary(at)]);
                }
            }
        }
    }

    #[test]
    fn a_disposition_is_read_and_an_unknown_one_is_not() {
        let status = read(DISPOSITION).unwrap();
        assert_eq!(status.message_id.as_deref(), Some("<1@alder.example>"));
        assert_eq!(status.disposition, Disposition::Displayed);
        let with = |kind: &str| read(&DISPOSITION.replace("; displayed", kind));
        assert_eq!(
            with(";processed/error").unwrap().disposition,
            Disposition::Processed
        );
        assert_eq!(with("; Deleted").unwrap().disposition, Disposition::Deleted);
        assert_eq!(
            with("; dispatched").unwrap().disposition,
            Disposition::Dispatched
        );
        // Of older standards.
        assert_eq!(with("; denied").unwrap().disposition, Disposition::Denied);
        assert_eq!(with("; failed").unwrap().disposition, Disposition::Failed);
        for bad in [
            "; read",
            "; displayed by nobody",
            ";",
            "",
            "; displayed\r\nDisposition: a/b; deleted",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
        assert!(read(&DISPOSITION.replace("manual-action", "my-action")).is_err());
        assert!(read(&DISPOSITION.replace("Final-Recipient", "X-Recipient")).is_err());
        // A second group is none of a disposition.
        assert!(read(&format!("{DISPOSITION}\r\nDisposition: a/b; deleted\r\n")).is_err());
    }
}
