//! Delivery status notifications: what became of a message, for the one who sent it.
//!
//! Duty: one report for all that an attempt came to: failed, delayed, delivered, relayed.
//! Promises: a report says what the sender's `NOTIFY` asks for and no more; ENVID and ORCPT come
//! back as they were sent; the body of a message never comes back (RET=FULL is answered with the
//! header), and across a border nothing of it but its Message-ID and Date.
//! Refuses: to answer the null reverse path, so there is no report about a report.
//! Attacks stopped here: backscatter; a header field made by what a next hop says.
//! Standards: RFC 3461 §5.2, §6; RFC 3464 §2; RFC 6522; RFC 6533; RFC 8689 §5.

use std::fmt::Write as _;

use crate::clock::{Timestamp, rfc5322_date};
use crate::message::address::{Address, ReversePath};
use crate::message::header::{Headers, Limits};
use crate::message::service::{RecipientService, Service, Terms};
use crate::message::{EntryId, MessageId, Precedence};
use crate::seal::OwnMessage;

/// A message, and what became of some of its recipients.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The message, as this switch numbered it.
    pub message: MessageId,
    /// The entry that carried it.
    pub entry: EntryId,
    /// The sender in its envelope.
    pub from: ReversePath,
    /// How urgent it was: so is the report.
    pub precedence: Precedence,
    /// When it was accepted.
    pub arrived: Timestamp,
    /// What its envelope asked for.
    pub terms: &'a Terms,
    /// Its label in the domain's own policy, in DER: the report's label, too.
    pub label: Option<Vec<u8>>,
    /// The message as it was to leave, of which header fields come back.
    pub octets: &'a [u8],
    /// Where the sender is.
    pub reach: Reach,
    /// Those of whom something is told.
    pub recipients: Vec<Told>,
}

/// Where a report goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Over a border: nothing of the message's header but what names it.
    Abroad,
    /// To our own people.
    Home,
}

/// What became of one recipient.
#[derive(Clone, Debug)]
pub struct Told {
    /// Who.
    pub recipient: Address,
    /// What.
    pub action: Action,
    /// The enhanced status code, as `5.1.1`.
    pub status: String,
    /// Who said it, where a next hop did.
    pub by: Option<String>,
    /// What was said.
    pub text: String,
    /// Until when it will be tried, where it will.
    pub until: Option<Timestamp>,
}

// RFC 3464 §2.3.3 (there are no lists here, so nothing is ever expanded)
/// What became of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It will not get the message.
    Failed,
    /// It has not got the message yet.
    Delayed,
    /// The message was handed to a next hop that will report nothing.
    Relayed,
    /// It has the message in its mailbox.
    Delivered,
}

impl Action {
    /// The word in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Failed => "The message could not be delivered to:",
            Self::Delayed => "The message has not been delivered yet, and will be tried again, to:",
            Self::Relayed => "The message was handed on to where no report will come from, for:",
            Self::Delivered => "The message was delivered to:",
        }
    }

    const fn subject(self) -> &'static str {
        match self {
            Self::Failed => "Undelivered message",
            Self::Delayed => "Delayed message",
            Self::Relayed => "Relayed message",
            Self::Delivered => "Delivered message",
        }
    }

    // RFC 3461 §5.2
    /// Whether the sender wants to know this of a recipient.
    pub fn is_wanted(self, asked: &RecipientService) -> bool {
        match self {
            Self::Failed => asked.wants_failure(),
            Self::Delayed => asked.wants_delay(),
            Self::Relayed | Self::Delivered => asked.wants_success(),
        }
    }
}

/// The report to the sender; nothing for the null reverse path, and nothing when nothing is told.
pub fn report(switch: &str, about: &Report<'_>, id: MessageId) -> Option<OwnMessage> {
    // RFC 5321 §6.1: a notification is never sent about a message with the null reverse path
    let ReversePath::Address(to) = &about.from else {
        return None;
    };
    let worst = about.recipients.iter().map(|told| told.action).min()?;
    let charset = Charset::of(about);
    let boundary = format!("report-{id}");
    let parts = [
        human(about, charset),
        format!(
            "Content-Type: {}\r\n{}\r\n{}",
            charset.status_type(),
            charset.encoding(),
            status(switch, about)
        ),
        format!(
            "Content-Type: {}\r\n{}\r\n{}",
            charset.headers_type(),
            charset.encoding(),
            returned(about, charset)
        ),
    ];
    let mut body = String::new();
    for part in parts {
        // Writing to a String cannot fail.
        let _ = write!(body, "--{boundary}\r\n{part}\r\n");
    }
    let _ = write!(body, "--{boundary}--\r\n");
    let kind = "multipart/report; report-type=delivery-status";
    Some(OwnMessage {
        to: to.clone(),
        subject: worst.subject().into(),
        fields: vec![(
            "Content-Type".into(),
            format!("{kind}; boundary=\"{boundary}\""),
        )],
        body,
        precedence: about.precedence,
        label: about.label.clone(),
        // RFC 6710 §4.6: as urgent as the message. RFC 8689 §5: as protected, too.
        terms: Terms {
            priority: about.terms.priority,
            service: Service {
                require_tls: about.terms.service.require_tls,
                ..Service::default()
            },
        },
    })
}

// RFC 6533 §4: the global forms, and only where something is not ASCII
/// In which form the report is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charset {
    Ascii,
    Utf8,
}

impl Charset {
    fn of(about: &Report<'_>) -> Self {
        let is_ascii = about.recipients.iter().all(|told| {
            let original = about.terms.service.of(&told.recipient).original;
            told.recipient.is_ascii() && original.is_none_or(|original| original.is_ascii())
        });
        if is_ascii { Self::Ascii } else { Self::Utf8 }
    }

    const fn status_type(self) -> &'static str {
        match self {
            Self::Ascii => "message/delivery-status",
            Self::Utf8 => "message/global-delivery-status",
        }
    }

    const fn headers_type(self) -> &'static str {
        match self {
            Self::Ascii => "text/rfc822-headers",
            Self::Utf8 => "message/global-headers",
        }
    }

    const fn encoding(self) -> &'static str {
        match self {
            Self::Ascii => "",
            Self::Utf8 => "Content-Transfer-Encoding: 8bit\r\n",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ascii => "us-ascii",
            Self::Utf8 => "utf-8",
        }
    }
}

/// The part for people.
fn human(about: &Report<'_>, charset: Charset) -> String {
    let mut text = format!(
        "Content-Type: text/plain; charset={}\r\n{}\r\n",
        charset.name(),
        charset.encoding()
    );
    for action in [
        Action::Failed,
        Action::Delayed,
        Action::Relayed,
        Action::Delivered,
    ] {
        let of_it = about.recipients.iter().filter(|told| told.action == action);
        for (number, told) in of_it.enumerate() {
            if number == 0 {
                let _ = write!(text, "{}\r\n\r\n", action.sentence());
            }
            let (who, said) = (&told.recipient, printable(&told.text));
            let _ = write!(text, "  <{who}>: {} {said}\r\n", told.status);
        }
    }
    text
}

fn status(switch: &str, about: &Report<'_>) -> String {
    let service = &about.terms.service;
    let mut text = String::new();
    // RFC 3464 §2.2: the fields for the whole message
    if let Some(id) = &service.envelope_id {
        let _ = write!(text, "Original-Envelope-Id: {}\r\n", id.decoded());
    }
    let _ = write!(
        text,
        "Reporting-MTA: dns; {switch}\r\n\
         X-Ravelin-Message: {}\r\n\
         Arrival-Date: {}\r\n",
        about.message,
        rfc5322_date(about.arrived)
    );
    // RFC 2852 §5
    if let Some(by) = service.deliver_by {
        let _ = write!(text, "Deliver-By-Date: {}\r\n", rfc5322_date(by.deadline));
    }
    // RFC 3464 §2.3: a blank line, then the fields for each recipient
    for told in &about.recipients {
        text.push_str("\r\n");
        // RFC 3461 §6.3: only where the sender gave it
        if let Some(original) = service.of(&told.recipient).original {
            let _ = write!(text, "Original-Recipient: {}\r\n", original.in_report());
        }
        // RFC 6533 §3
        let kind = if told.recipient.is_ascii() {
            "rfc822"
        } else {
            "utf-8"
        };
        let _ = write!(
            text,
            "Final-Recipient: {kind}; {}\r\n\
             Action: {}\r\n\
             Status: {}\r\n",
            told.recipient,
            told.action.name(),
            told.status
        );
        if let Some(by) = &told.by {
            let host = by.rsplit_once(':').map_or(by.as_str(), |(host, _)| host);
            let _ = write!(text, "Remote-MTA: dns; {}\r\n", printable(host));
        }
        let _ = write!(text, "Diagnostic-Code: smtp; {}\r\n", printable(&told.text));
        let _ = write!(text, "Final-Log-ID: {}\r\n", about.entry);
        // RFC 3464 §2.3.9: for what is delayed alone
        if let Some(until) = told.until.filter(|_| told.action == Action::Delayed) {
            let _ = write!(text, "Will-Retry-Until: {}\r\n", rfc5322_date(until));
        }
    }
    text
}

/// The header fields that come back: those that say which message it was.
fn returned(about: &Report<'_>, charset: Charset) -> String {
    let wanted: &[&str] = match about.reach {
        Reach::Abroad => &["Message-ID", "Date"],
        Reach::Home => &["Message-ID", "Date", "From", "To", "Cc", "Subject"],
    };
    // A header that cannot be read does not keep the report from going.
    let Ok((headers, _)) = Headers::parse(about.octets, Limits::default()) else {
        return String::new();
    };
    headers
        .fields()
        .iter()
        .filter(|field| {
            wanted
                .iter()
                .any(|name| field.name().eq_ignore_ascii_case(name))
        })
        .filter_map(|field| std::str::from_utf8(field.raw(about.octets)).ok())
        .filter(|raw| charset == Charset::Utf8 || raw.is_ascii())
        .collect()
}

/// What a peer said, fit for one header line.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if (' '..='~').contains(&c) { c } else { ' ' })
        .take(400)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::service::{Asked, Notify, OriginalRecipient};
    use crate::message::xtext::Xtext;

    const OCTETS: &[u8] =
        b"Received: x\r\nMessage-ID: <1@alder.example>\r\nSubject: secret plan\r\n\
        \r\nthe body\r\n";

    fn about(terms: &Terms, to: &str, action: Action, reach: Reach) -> OwnMessage {
        let report = Report {
            message: MessageId::new([1; 16]),
            entry: EntryId::new([3; 16]),
            from: ReversePath::Address(Address::parse("a@alder.example").unwrap()),
            precedence: Precedence::Flash,
            arrived: Timestamp::UNIX_EPOCH,
            terms,
            label: None,
            octets: OCTETS,
            reach,
            recipients: vec![Told {
                recipient: Address::parse(to).unwrap(),
                action,
                status: "5.1.1".into(),
                by: Some("mx.birch.example:25".into()),
                text: "550 no\r\nX-Injected: such user".into(),
                until: Some(Timestamp::UNIX_EPOCH),
            }],
        };
        super::report("switch.alder.example", &report, MessageId::new([2; 16])).unwrap()
    }

    #[test]
    fn a_report_names_each_recipient_and_keeps_the_precedence() {
        let terms = Terms::default();
        let report = about(&terms, "bob@birch.example", Action::Failed, Reach::Home);
        assert_eq!(report.precedence, Precedence::Flash);
        assert!(report.body.contains(
            "Final-Recipient: rfc822; bob@birch.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
             Remote-MTA: dns; mx.birch.example\r\n"
        ));
        assert!(!report.body.replace("\r\n", "").contains(['\r', '\n']));
        assert!(!report.body.contains("\nX-Injected"));
        // Nothing was asked for, so nothing comes back.
        assert!(!report.body.contains("Original-"));
        assert!(!report.body.contains("Will-Retry-Until"));
    }

    #[test]
    fn what_was_asked_for_comes_back_decoded() {
        let bob = Address::parse("bob@birch.example").unwrap();
        let asked = RecipientService {
            notify: None,
            original: Some(OriginalRecipient::parse("rfc822;b+2Bb@birch.example", false).unwrap()),
        };
        let terms = Terms {
            priority: Some(4),
            service: Service {
                envelope_id: Some(Xtext::parse("QQ+2B1").unwrap()),
                require_tls: Asked::Yes,
                recipients: [(bob, asked)].into(),
                ..Service::default()
            },
        };
        let report = about(&terms, "bob@birch.example", Action::Delayed, Reach::Home);
        for line in [
            "Original-Envelope-Id: QQ+1\r\n",
            "Original-Recipient: rfc822;b+b@birch.example\r\n",
            "Will-Retry-Until: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "Action: delayed\r\n",
        ] {
            assert!(report.body.contains(line), "{line} in {}", report.body);
        }
        assert_eq!(report.terms.priority, Some(4));
        assert_eq!(report.terms.service.require_tls, Asked::Yes);
        // The report itself asks for no report.
        assert!(report.terms.service.recipients.is_empty());
    }

    #[test]
    fn the_body_never_comes_back_and_abroad_the_subject_does_not_either() {
        let terms = Terms {
            service: Service {
                returns: Some(crate::message::service::Return::Full),
                ..Service::default()
            },
            ..Terms::default()
        };
        let home = about(&terms, "bob@birch.example", Action::Failed, Reach::Home).body;
        assert!(home.contains("Subject: secret plan") && !home.contains("the body"));
        let abroad = about(&terms, "bob@birch.example", Action::Failed, Reach::Abroad).body;
        assert!(abroad.contains("Message-ID: <1@alder.example>"));
        assert!(!abroad.contains("secret") && !abroad.contains("the body"));
    }

    #[test]
    fn addresses_in_utf8_have_the_global_forms() {
        let terms = Terms::default();
        let wide = about(&terms, "bø@birch.example", Action::Failed, Reach::Home).body;
        assert!(wide.contains("message/global-delivery-status"));
        assert!(wide.contains("Final-Recipient: utf-8; bø@birch.example\r\n"));
        let plain = about(&terms, "bo@birch.example", Action::Failed, Reach::Home).body;
        assert!(!plain.contains("global") && plain.is_ascii());
    }

    #[test]
    fn only_what_notify_asks_for_is_wanted() {
        let notify = |success, failure, delay| RecipientService {
            notify: Some(Notify {
                success,
                failure,
                delay,
            }),
            original: None,
        };
        let (yes, no) = (Asked::Yes, Asked::No);
        for (action, asked, wanted) in [
            (Action::Failed, RecipientService::default(), true),
            (Action::Delayed, RecipientService::default(), true),
            (Action::Delivered, RecipientService::default(), false),
            (Action::Failed, notify(no, no, no), false),
            (Action::Failed, notify(yes, no, yes), false),
            (Action::Delayed, notify(yes, yes, no), false),
            (Action::Delivered, notify(yes, no, no), true),
            (Action::Relayed, notify(yes, no, no), true),
            (Action::Relayed, notify(no, yes, yes), false),
        ] {
            assert_eq!(action.is_wanted(&asked), wanted, "{action:?} {asked:?}");
        }
    }

    #[test]
    fn the_null_reverse_path_gets_no_report_and_nothing_told_is_none() {
        let terms = Terms::default();
        let mut empty = Report {
            message: MessageId::new([1; 16]),
            entry: EntryId::new([3; 16]),
            from: ReversePath::Address(Address::parse("a@alder.example").unwrap()),
            precedence: Precedence::Flash,
            arrived: Timestamp::UNIX_EPOCH,
            terms: &terms,
            label: None,
            octets: OCTETS,
            reach: Reach::Home,
            recipients: Vec::new(),
        };
        assert!(super::report("s", &empty, MessageId::new([2; 16])).is_none());
        empty.from = ReversePath::Null;
        empty.recipients.push(Told {
            recipient: Address::parse("b@y").unwrap(),
            action: Action::Failed,
            status: "5.1.1".into(),
            by: None,
            text: String::new(),
            until: None,
        });
        assert!(super::report("s", &empty, MessageId::new([2; 16])).is_none());
    }
}
