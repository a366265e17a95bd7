//! Which reports are awaited of a message, when it is taken over.
//!
//! Duty: a row for each recipient of whom the originator asks for a report: of delivery (NOTIFY), of
//! reading (Disposition-Notification-To) or a signed receipt (RFC 2634).
//! Promises: only for what our own people sent: the originator's switch is the one to miss a report.
//! What cannot be read asks for nothing.
//! Standards: RFC 3461 §4.1, §5.2; RFC 8098 §2.1; RFC 2634 §2.2.

use super::heard::one_id;
use crate::check::Origin;
use crate::clock::Timestamp;
use crate::config::ReportRules;
use crate::crypto::algorithm::Digest;
use crate::crypto::cms::receipt::Expectation;
use crate::crypto::ess::{ContentReference, GeneralName, ReceiptRequest, ReceiptsFrom};
use crate::crypto::provider;
use crate::message::address::Address;
use crate::message::header::Headers;
use crate::message::service::RecipientService;
use crate::open::SignedFacts;
use crate::review::Released;
use crate::seal::Sealed;
use crate::store::{AskedReport, AwaitedRow, Awaiting, ReceiptRow, ReportKind};

/// The rows for a message that was released, sealed for these next hops.
pub fn awaited(
    rules: &ReportRules,
    at: Timestamp,
    released: &Released,
    sealed: &[Sealed],
) -> Vec<AwaitedRow> {
    let cleared = released.cleared();
    let Origin::Subject(_) = cleared.origin() else {
        return Vec::new();
    };
    let facts = cleared.opened().facts();
    let asks_to_tell = asks_for_disposition(facts.headers());
    let receipt = facts
        .drafted()
        .and_then(|(_, signed)| asked_receipt(signed));
    let message_id = one_id(facts.headers());
    let mut rows = Vec::new();
    for sealed in sealed {
        // RFC 5321 §6.1: nobody is told of what has the null reverse path
        let Some(sender) = sealed.from().address() else {
            continue;
        };
        for recipient in sealed.recipients() {
            let asked = sealed.terms().service.of(recipient);
            let mut reports: Vec<AskedReport> = Vec::new();
            reports.extend(delivery(&asked));
            if asks_to_tell && message_id.is_some() {
                reports.push(asked_for(ReportKind::Disposition, Awaiting::Answer));
            }
            if let Some((request, row)) = &receipt
                && is_asked(request, recipient)
            {
                reports.push(AskedReport {
                    receipt: Some(row.clone()),
                    ..asked_for(ReportKind::Receipt, Awaiting::Answer)
                });
            }
            if reports.is_empty() {
                continue;
            }
            let envelope_id = sealed.terms().service.envelope_id.as_ref();
            rows.push(AwaitedRow {
                message: sealed.message(),
                recipient: recipient.clone(),
                originator: cleared.originator().clone(),
                sender: sender.clone(),
                precedence: sealed.precedence(),
                next_hop: sealed.next_hop().to_owned(),
                message_id: message_id.clone(),
                envelope_id: envelope_id.map(|id| id.decoded()),
                original_recipient: asked.original.map(|original| original.in_report()),
                accepted: at,
                sent: None,
                due: None,
                alarmed: None,
                forget: at.checked_add(rules.given_up).unwrap_or(Timestamp::MAX),
                reports,
            });
        }
    }
    rows
}

// RFC 3461 §4.1: only what is said; without NOTIFY a failure is told, and nothing is missed
fn delivery(asked: &RecipientService) -> Option<AskedReport> {
    let notify = asked.notify.filter(|notify| !notify.is_never())?;
    let awaiting = match notify.success.is_yes() {
        true => Awaiting::Answer,
        false => Awaiting::Trouble,
    };
    Some(asked_for(ReportKind::Delivery, awaiting))
}

const fn asked_for(kind: ReportKind, awaiting: Awaiting) -> AskedReport {
    AskedReport {
        kind,
        awaiting,
        receipt: None,
        delayed: None,
        settled: None,
    }
}

// RFC 8098 §2.1: once, and to somebody
fn asks_for_disposition(headers: &Headers) -> bool {
    let field = headers.single("Disposition-Notification-To").ok().flatten();
    field.is_some_and(|field| {
        Address::parse_list(field.value()).is_ok_and(|addresses| !addresses.is_empty())
    })
}

// RFC 2634 §2.2: one for all signers; of two that differ, none is answered (§2.3)
/// The request of those who signed the innermost layer, and what a receipt must say.
fn asked_receipt(signed: &SignedFacts) -> Option<(ReceiptRequest, ReceiptRow)> {
    let mut asking = signed
        .signers
        .iter()
        .filter(|signer| signer.report.receipt_request_der.is_some());
    let first = asking.next()?;
    if asking.any(|other| other.report.receipt_request_der != first.report.receipt_request_der) {
        return None;
    }
    let expected = Expectation::of(&first.report).ok()?;
    let row = ReceiptRow {
        content_identifier: hex(&expected.reference.content_identifier),
        receipt: receipt_digest(&expected.reference),
        algorithm: expected.digest.oid().to_string(),
        signature_digest: hex(&expected.message_signature_digest),
    };
    Some((first.report.receipt_request()?, row))
}

fn is_asked(request: &ReceiptRequest, recipient: &Address) -> bool {
    match &request.from {
        // Whoever is written to here is of the first tier: no mail list stands between.
        ReceiptsFrom::All | ReceiptsFrom::FirstTier => true,
        ReceiptsFrom::List(names) => names.iter().flatten().any(|name| match name {
            GeneralName::Email(email) => Address::parse(email).is_ok_and(|one| one == *recipient),
            GeneralName::Other(_) => false,
        }),
    }
}

/// By what a receipt for this content is found again.
pub(super) fn receipt_digest(reference: &ContentReference) -> String {
    hex(&provider::default().digest(Digest::Sha256, &[&reference.receipt_der()]))
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
