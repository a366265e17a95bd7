//! Delivery status notifications (RFC 3464) for messages that were not delivered.

use std::fmt::Write as _;

use crate::clock::{Timestamp, rfc5322_date};
use crate::message::address::{Address, ReversePath};
use crate::message::service::Terms;
use crate::message::{MessageId, Precedence};
use crate::seal::OwnMessage;

/// A message that some recipients did not get.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// The message, as this switch numbered it.
    pub message: MessageId,
    /// The sender in its envelope.
    pub from: ReversePath,
    /// How urgent it was.
    pub precedence: Precedence,
    /// When it was accepted.
    pub arrived: Timestamp,
    /// Each recipient with the status (such as `5.1.1`) and what the next hop said.
    pub recipients: Vec<(Address, String, String)>,
}

/// The report to the sender; nothing for the null reverse path.
pub fn undelivered(switch: &str, about: &Undelivered, id: MessageId) -> Option<OwnMessage> {
    // RFC 5321 §6.1: a notification is never sent about a message with the null reverse path
    let ReversePath::Address(to) = &about.from else {
        return None;
    };
    let boundary = format!("report-{id}");
    let mut body = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        body,
        "--{boundary}\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\n\
         The message could not be delivered to:\r\n\r\n"
    );
    for (recipient, status, text) in &about.recipients {
        let _ = write!(body, "  <{recipient}>: {status} {}\r\n", printable(text));
    }
    // RFC 3464 §2.2: the fields for the whole message
    let _ = write!(
        body,
        "\r\n--{boundary}\r\n\
         Content-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; {switch}\r\n\
         X-Ravelin-Message: {}\r\n\
         Arrival-Date: {}\r\n",
        about.message,
        rfc5322_date(about.arrived)
    );
    // RFC 3464 §2.3: a blank line, then the fields for each recipient
    for (recipient, status, text) in &about.recipients {
        let _ = write!(
            body,
            "\r\nFinal-Recipient: rfc822; {recipient}\r\n\
             Action: failed\r\n\
             Status: {status}\r\n\
             Diagnostic-Code: smtp; {}\r\n",
            printable(text)
        );
    }
    let _ = write!(body, "\r\n--{boundary}--\r\n");
    Some(OwnMessage {
        to: to.clone(),
        subject: "Undelivered message".into(),
        fields: vec![(
            "Content-Type".into(),
            format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\""),
        )],
        body,
        precedence: about.precedence,
        terms: Terms::default(),
    })
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

    fn about(from: ReversePath) -> Undelivered {
        Undelivered {
            message: MessageId::new([1; 16]),
            from,
            precedence: Precedence::Flash,
            arrived: Timestamp::UNIX_EPOCH,
            recipients: vec![(
                Address::parse("bob@birch.example").unwrap(),
                "5.1.1".into(),
                "550 no\r\nsuch user".into(),
            )],
        }
    }

    #[test]
    fn a_report_names_each_recipient_and_keeps_the_precedence() {
        let from = ReversePath::Address(Address::parse("a@alder.example").unwrap());
        let report = undelivered(
            "switch.alder.example",
            &about(from),
            MessageId::new([2; 16]),
        )
        .unwrap();
        assert_eq!(report.precedence, Precedence::Flash);
        assert!(report.body.contains(
            "Final-Recipient: rfc822; bob@birch.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        ));
        assert!(!report.body.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn the_null_reverse_path_gets_no_report() {
        assert!(undelivered("s", &about(ReversePath::Null), MessageId::new([2; 16])).is_none());
    }
}
