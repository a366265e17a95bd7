//! One report, one message, and each thing that may be wrong between them.

use super::*;
use crate::crypto::cms::oid;
use crate::crypto::ess::ContentReference;
use crate::message::Precedence;
use crate::message::header::Limits;
use crate::report::{Handed, handed};
use crate::store::{Awaiting, ReceiptRow};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn rules() -> ReportRules {
    ReportRules::default()
}

fn reference() -> ContentReference {
    ContentReference {
        content_type: oid::DATA,
        content_identifier: b"id1".to_vec(),
        originator_signature: vec![0xaa, 0xbb],
    }
}

fn asked(kind: ReportKind) -> AskedReport {
    AskedReport {
        kind,
        awaiting: Awaiting::Answer,
        receipt: (kind == ReportKind::Receipt).then(|| ReceiptRow {
            content_identifier: "696431".into(),
            receipt: receipt_digest(&reference()),
            algorithm: "2.16.840.1.101.3.4.2.2".into(),
            signature_digest: "0102".into(),
        }),
        delayed: None,
        settled: None,
    }
}

/// Sent to `recipient` behind the link `birch`; everything is asked for.
fn row(recipient: &str) -> AwaitedRow {
    let row = AwaitedRow {
        message: MessageId::new([1; 16]),
        recipient: address(recipient),
        originator: address("a@alder.example"),
        sender: address("a@alder.example"),
        precedence: Precedence::Flash,
        next_hop: "birch".into(),
        message_id: Some("<1@alder.example>".into()),
        envelope_id: Some("QQ+1".into()),
        original_recipient: Some(format!("rfc822;{recipient}")),
        accepted: at(0),
        sent: None,
        due: None,
        alarmed: None,
        forget: at(100),
        reports: [
            ReportKind::Delivery,
            ReportKind::Disposition,
            ReportKind::Receipt,
        ]
        .map(asked)
        .into(),
    };
    handed(&row, Handed::Onward, "birch", at(1), &rules())
}

const READER: &str = "reader@birch.example";

fn status(action: &str) -> String {
    format!(
        "Original-Envelope-Id: QQ+1\r\nReporting-MTA: dns; b\r\n\r\n\
         Original-Recipient: rfc822;{READER}\r\n\
         Final-Recipient: rfc822; {READER}\r\nAction: {action}\r\nStatus: 2.0.0\r\n"
    )
}

fn from_mail_system(said: Said) -> Heard {
    Heard {
        message: MessageId::new([9; 16]),
        author: address("domain-signing-authority@birch.example"),
        from: ReversePath::Null,
        to: vec![address("a@alder.example")],
        mail_system: Some(MailSystem {
            link: "birch".into(),
            domains: vec!["birch.example".into()],
        }),
        said,
    }
}

fn delivery_of(text: &str) -> Heard {
    from_mail_system(Said::Delivery {
        status: DeliveryStatus::parse(text.as_bytes(), Limits::default()).unwrap(),
        message_id: Some("<1@alder.example>".into()),
    })
}

fn from_reader(said: Said) -> Heard {
    Heard {
        author: address(READER),
        from: ReversePath::Address(address(READER)),
        mail_system: None,
        ..from_mail_system(said)
    }
}

fn disposition_of(what: &str) -> Heard {
    let text = format!(
        "Final-Recipient: rfc822; {READER}\r\nOriginal-Message-ID: <1@alder.example>\r\n\
         Disposition: automatic-action/MDN-sent-automatically; {what}\r\n"
    );
    from_reader(Said::Disposition(
        DispositionStatus::parse(text.as_bytes(), Limits::default()).unwrap(),
    ))
}

fn receipt_of(digest: Option<Vec<u8>>) -> Heard {
    from_reader(Said::Receipt(Quoted {
        reference: reference(),
        digests: vec![digest],
    }))
}

fn settle_at(heard: &Heard, rows: &[AwaitedRow]) -> Result<Vec<Change>, NotSettled> {
    settle(heard, rows, at(60), &rules())
}

/// The one change.
fn one(heard: &Heard, rows: &[AwaitedRow]) -> Change {
    let mut changes = settle_at(heard, rows).unwrap();
    assert_eq!(changes.len(), 1);
    changes.remove(0)
}

#[test]
fn each_kind_of_report_settles_its_own_and_the_last_one_all() {
    let mut rows = [row("other@birch.example"), row(READER)];
    for (heard, kind, result) in [
        (
            delivery_of(&status("delivered")),
            ReportKind::Delivery,
            ReportResult::Delivered,
        ),
        (
            disposition_of("displayed"),
            ReportKind::Disposition,
            ReportResult::Displayed,
        ),
        (
            receipt_of(Some(vec![1, 2])),
            ReportKind::Receipt,
            ReportResult::Received,
        ),
    ] {
        assert_eq!(rows[1].due, Some(at(601)));
        let change = one(&heard, &rows);
        assert_eq!((change.kind, change.result), (kind, Some(result)));
        let settled = change.row.asked(kind).unwrap().settled.clone().unwrap();
        assert_eq!((settled.at, settled.report), (at(60), Some(heard.message)));
        assert_eq!(settled.by, heard.author.to_string());
        rows[1] = change.row;
        // The same report again.
        assert_eq!(settle_at(&heard, &rows), Err(NotSettled::Duplicate));
    }
    assert!(rows[1].is_settled() && rows[1].due.is_none());
    assert_eq!(rows[1].forget, at(60).checked_add(rules().kept).unwrap());
    assert_eq!(rows[0], row("other@birch.example"));
}

#[test]
fn a_delay_is_noted_once_and_a_failure_leaves_nothing_to_wait_for() {
    let delayed = delivery_of(&status("delayed"));
    let change = one(&delayed, &[row(READER)]);
    assert_eq!(change.result, None);
    assert!(change.row.is_missed() && change.row.due.is_some());
    let rows = [change.row];
    assert_eq!(settle_at(&delayed, &rows), Err(NotSettled::Duplicate));

    let failed = delivery_of(&status("failed").replace("2.0.0", "5.1.1"));
    let change = one(&failed, &rows);
    assert_eq!(change.result, Some(ReportResult::Failed));
    assert!(change.row.is_settled() && change.row.due.is_none());
    let rows = [change.row];
    assert_eq!(settle_at(&failed, &rows), Err(NotSettled::Duplicate));
    let delivered = delivery_of(&status("delivered"));
    assert_eq!(settle_at(&delivered, &rows), Err(NotSettled::Duplicate));
    // RFC 3464 §4: somebody may have it all the same, and the recipient's own word says so.
    let change = one(&receipt_of(Some(vec![1, 2])), &rows);
    assert_eq!(change.result, Some(ReportResult::Received));
}

#[test]
fn relayed_and_expanded_are_the_last_that_is_told() {
    for (action, result) in [
        ("relayed", ReportResult::Relayed),
        ("expanded", ReportResult::Expanded),
    ] {
        let change = one(&delivery_of(&status(action)), &[row(READER)]);
        assert_eq!(change.result, Some(result));
        // It may still be read.
        assert!(change.row.is_missed());
    }
}

#[test]
fn a_delivery_report_comes_from_the_mail_system_behind_the_link_of_the_message() {
    let rows = [row(READER)];
    let good = || delivery_of(&status("delivered"));
    let person = Heard {
        mail_system: None,
        ..good()
    };
    assert_eq!(settle_at(&person, &rows), Err(NotSettled::Author));
    let elsewhere = Heard {
        mail_system: Some(MailSystem {
            link: "cedar".into(),
            domains: vec!["cedar.example".into()],
        }),
        ..good()
    };
    assert_eq!(settle_at(&elsewhere, &rows), Err(NotSettled::Author));
    let sent = Heard {
        from: ReversePath::Address(address("x@birch.example")),
        ..good()
    };
    assert_eq!(settle_at(&sent, &rows), Err(NotSettled::Sender));
    let astray = Heard {
        to: vec![address("b@alder.example")],
        ..good()
    };
    assert_eq!(settle_at(&astray, &rows), Err(NotSettled::Addressee));
}

#[test]
fn a_delivery_report_names_envelope_message_and_recipient() {
    let rows = [row(READER)];
    let with = |from: &str, to: &str| {
        let text = status("delivered");
        assert!(text.contains(from));
        settle_at(&delivery_of(&text.replace(from, to)), &rows)
    };
    assert_eq!(with("QQ+1", "QQ+2"), Err(NotSettled::EnvelopeId));
    let without = with("Original-Envelope-Id: QQ+1\r\n", "");
    assert_eq!(without, Err(NotSettled::EnvelopeId));
    let other = with("rfc822;reader@", "rfc822;other@");
    assert_eq!(other, Err(NotSettled::Recipient));
    // An alias on the way: the name that the originator gave counts.
    assert!(with("rfc822; reader@", "rfc822; alias@").is_ok());
    let no_original = with("Original-Recipient: rfc822;reader@birch.example\r\n", "");
    assert!(no_original.is_ok());

    let message = |message_id: Option<&str>, row: AwaitedRow| {
        let mut heard = delivery_of(&status("delivered"));
        if let Said::Delivery {
            status,
            message_id: told,
        } = &mut heard.said
        {
            *told = message_id.map(str::to_owned);
            status.envelope_id.clone_from(&row.envelope_id);
        }
        settle_at(&heard, &[row]).map(|changes| changes.len())
    };
    let nameless = || AwaitedRow {
        envelope_id: None,
        ..row(READER)
    };
    assert_eq!(message(None, row(READER)), Ok(1));
    assert_eq!(message(Some("<1@alder.example>"), nameless()), Ok(1));
    for (told, row) in [
        (Some("<2@alder.example>"), row(READER)),
        (Some("<2@alder.example>"), nameless()),
        (None, nameless()),
    ] {
        assert_eq!(message(told, row), Err(NotSettled::MessageId));
    }
}

#[test]
fn recipients_under_one_name_are_told_apart_or_not_at_all() {
    let named = |recipient: &str| AwaitedRow {
        original_recipient: Some("rfc822;staff@birch.example".into()),
        ..row(recipient)
    };
    let rows = [named("one@birch.example"), named("two@birch.example")];
    let told = |last: &str| {
        let text = status("delivered").replace("rfc822;reader@", "rfc822;staff@");
        delivery_of(&text.replace("rfc822; reader@", &format!("rfc822; {last}@")))
    };
    assert_eq!(one(&told("two"), &rows).row.id(), rows[1].id());
    assert_eq!(settle_at(&told("three"), &rows), Err(NotSettled::Recipient));
    // The same recipient twice in one report.
    let text = status("delivered");
    let group = text.split_once("\r\n\r\n").unwrap().1;
    let twice = delivery_of(&format!(
        "{text}\r\n{}",
        group.replace("delivered", "failed")
    ));
    assert_eq!(
        settle_at(&twice, &[row(READER)]),
        Err(NotSettled::Recipient)
    );
}

#[test]
fn a_disposition_and_a_receipt_are_the_recipients_own_word() {
    let rows = [row("other@birch.example"), row(READER)];
    for heard in [disposition_of("displayed"), receipt_of(Some(vec![1, 2]))] {
        let border = Heard {
            author: address("domain-signing-authority@birch.example"),
            ..heard
        };
        assert_eq!(settle_at(&border, &rows), Err(NotSettled::Author));
    }
    // Another recipient of the same message speaks for nobody else.
    let mut other = disposition_of("displayed");
    other.author = address("other@birch.example");
    assert_eq!(settle_at(&other, &rows), Err(NotSettled::Recipient));
    let mut other = receipt_of(Some(vec![1, 2]));
    other.author = address("other@birch.example");
    assert_eq!(one(&other, &rows).row.id(), rows[0].id());
}

#[test]
fn a_disposition_names_the_message_and_a_receipt_quotes_it() {
    let rows = [row(READER)];
    let mut other = disposition_of("displayed");
    if let Said::Disposition(status) = &mut other.said {
        status.message_id = Some("<2@alder.example>".into());
    }
    assert_eq!(settle_at(&other, &rows), Err(NotSettled::MessageId));
    if let Said::Disposition(status) = &mut other.said {
        status.message_id = None;
    }
    assert_eq!(settle_at(&other, &rows), Err(NotSettled::MessageId));

    for digest in [None, Some(vec![1, 3]), Some(Vec::new())] {
        assert_eq!(
            settle_at(&receipt_of(digest), &rows),
            Err(NotSettled::Receipt)
        );
    }
    let mut other = receipt_of(Some(vec![1, 2]));
    if let Said::Receipt(quoted) = &mut other.said {
        quoted.reference.originator_signature.push(0);
    }
    assert_eq!(settle_at(&other, &rows), Err(NotSettled::Receipt));
    if let Said::Receipt(quoted) = &mut other.said {
        quoted.reference = reference();
        quoted.digests.clear();
    }
    assert_eq!(settle_at(&other, &rows), Err(NotSettled::Receipt));
}

#[test]
fn what_was_not_asked_for_is_not_settled_but_a_failure_counts() {
    let mut only = row(READER);
    only.reports
        .retain(|one| one.kind == ReportKind::Disposition);
    let rows = [only];
    let delivered = delivery_of(&status("delivered"));
    assert_eq!(settle_at(&delivered, &rows), Err(NotSettled::NotAsked));
    let receipt = receipt_of(Some(vec![1, 2]));
    assert_eq!(settle_at(&receipt, &rows), Err(NotSettled::NotAsked));
    let failed = delivery_of(&status("failed").replace("2.0.0", "5.1.1"));
    let change = one(&failed, &rows);
    assert!(change.row.is_settled());
    assert_eq!(
        settle_at(&failed, &[change.row]),
        Err(NotSettled::Duplicate)
    );
}

#[test]
fn a_report_that_was_faster_than_the_hand_over_stays() {
    let mut before = row(READER);
    (before.sent, before.due) = (None, None);
    let settled = one(&delivery_of(&status("delivered")), &[before]).row;
    let after = handed(&settled, Handed::Silent, "birch", at(90), &rules());
    let delivery = after.asked(ReportKind::Delivery).unwrap();
    assert_eq!(
        delivery.settled.as_ref().map(|settled| settled.result),
        Some(ReportResult::Delivered)
    );
    assert_eq!(after.sent, Some(at(90)));
    // Handed on twice, after a crash: the time goes on from the first.
    let again = handed(&after, Handed::Silent, "birch", at(95), &rules());
    assert_eq!((again.sent, again.due), (after.sent, after.due));
}
