//! What an arriving report says, and who says it.
//!
//! Duty: tells a delivery status notification, a disposition notification and a signed receipt from
//! other messages, and reads them. Whether one settles anything is for `settle`.
//! Promises: only what passed every check is looked at, so every signature in it is good; only the
//! root of what the innermost signature covers is a report, nothing that is attached.
//! Standards: RFC 3464 §2; RFC 6522 §3; RFC 8098 §3; RFC 2634 §2.6.

use crate::check::{self, Cleared, Origin};
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{self, ContentInfo, Limits as CmsLimits};
use crate::crypto::cms::receipt;
use crate::crypto::cms::verify::SignerReport;
use crate::crypto::ess::ContentReference;
use crate::message::MessageId;
use crate::message::address::{Address, ReversePath};
use crate::message::content_type::ContentType;
use crate::message::header::Headers;
use crate::message::mime::{Entity, Limits};
use crate::message::status::{DeliveryStatus, DispositionStatus};
use crate::open::{Facts, SignedFacts};

/// Those whose certificates speak for the mail system of a domain, beside its domain signer.
const MAIL_SYSTEM: [&str; 2] = ["mailer-daemon", "postmaster"];

/// A report that arrived, and passed.
pub struct Heard {
    /// The message that it is.
    pub message: MessageId,
    /// Who wrote and signed it.
    pub author: Address,
    /// The sender of its envelope.
    pub from: ReversePath,
    /// The recipients of its envelope.
    pub to: Vec<Address>,
    /// The mail system that speaks; nothing where somebody else does.
    pub mail_system: Option<MailSystem>,
    /// What it says.
    pub said: Said,
}

/// The mail systems behind a link: they report on what that link takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSystem {
    /// The name of the link.
    pub link: String,
    /// The domains behind it.
    pub domains: Vec<String>,
}

/// What a report says.
pub enum Said {
    /// What became of a delivery.
    Delivery {
        /// The report.
        status: DeliveryStatus,
        /// The Message-ID in what came back of the message.
        message_id: Option<String>,
    },
    /// What the recipient did with it.
    Disposition(DispositionStatus),
    /// That the recipient got exactly this content.
    Receipt(Quoted),
    /// It is a report and cannot be read, for this reason.
    Unreadable(String),
}

/// What a signed receipt quotes of its original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Which content.
    pub reference: ContentReference,
    /// The digest over the signed attributes of the original, by each who signed.
    pub digests: Vec<Option<Vec<u8>>>,
}

/// The report that a message is, if it is one.
pub fn heard(cleared: &Cleared) -> Option<Heard> {
    let received = cleared.opened().received();
    let said = said(cleared.opened().facts())?;
    let author = cleared.originator().clone();
    let mail_system = match cleared.origin() {
        Origin::Link(link) if speaks_for_mail_system(cleared, &author) => Some(MailSystem {
            link: link.name.clone(),
            domains: link.domains.clone(),
        }),
        Origin::Link(_) | Origin::Subject(_) => None,
    };
    Some(Heard {
        message: received.id(),
        author,
        from: received.envelope().from.clone(),
        to: received.envelope().recipients.clone(),
        mail_system,
        said,
    })
}

// RFC 3464 §2: from the mail system, not from a person whom it knows
fn speaks_for_mail_system(cleared: &Cleared, author: &Address) -> bool {
    let by_name = MAIL_SYSTEM
        .iter()
        .any(|name| author.local().eq_ignore_ascii_case(name));
    let signer = cleared.drafter();
    let certificate = signer.and_then(|signer| signer.report.certificate.as_ref());
    by_name || certificate.is_some_and(|one| check::signs_for(one, author.domain()))
}

/// What the root of the innermost signed layer says, if it is a report.
fn said(facts: &Facts) -> Option<Said> {
    let (_, drafted) = facts.drafted()?;
    if drafted.content_type == oid::RECEIPT {
        return Some(match quoted(drafted) {
            Some(quoted) => Said::Receipt(quoted),
            None => Said::Unreadable("the receipt cannot be read".to_owned()),
        });
    }
    let piece = &facts.payload;
    let kind = report_type(piece.bytes())?;
    let limits = Limits::default();
    let Ok(entity) = Entity::parse(piece.buffer(), piece.range(), limits) else {
        return Some(Said::Unreadable("its parts cannot be read".to_owned()));
    };
    Some(parts(&entity, piece.buffer(), &kind).unwrap_or_else(Said::Unreadable))
}

/// `report-type`, in lower case, of a multipart/report.
fn report_type(entity: &[u8]) -> Option<String> {
    let (headers, _) = Headers::parse(entity, Limits::default()).ok()?;
    let kind = ContentType::parse(headers.single("Content-Type").ok()??.value()).ok()?;
    let is_report = kind.is("multipart", "report");
    let of = kind.param("report-type").filter(|_| is_report)?;
    Some(of.to_ascii_lowercase())
}

// RFC 6522 §3: text for people, what machines read, and what came back
fn parts(report: &Entity, bytes: &[u8], kind: &str) -> Result<Said, String> {
    let status = report
        .children
        .get(1)
        .ok_or("it has no part for machines to read")?;
    let content = status.decoded(bytes).map_err(|error| error.to_string())?;
    let is = |subtypes: [&str; 2]| {
        subtypes
            .iter()
            .any(|subtype| status.content_type.is("message", subtype))
    };
    match kind {
        "delivery-status" if is(["delivery-status", "global-delivery-status"]) => {
            let read = DeliveryStatus::parse(&content, Limits::default());
            Ok(Said::Delivery {
                status: read.map_err(|error| error.to_string())?,
                message_id: report
                    .children
                    .get(2)
                    .and_then(|returned| message_id(returned, bytes)),
            })
        }
        "disposition-notification"
            if is([
                "disposition-notification",
                "global-disposition-notification",
            ]) =>
        {
            let read = DispositionStatus::parse(&content, Limits::default());
            Ok(Said::Disposition(read.map_err(|error| error.to_string())?))
        }
        _ => Err("its parts are not those of its report-type".to_owned()),
    }
}

/// The Message-ID in what came back of a message.
fn message_id(returned: &Entity, bytes: &[u8]) -> Option<String> {
    // A whole message was read as one already.
    if let Some(message) = returned.children.first() {
        return one_id(&message.headers);
    }
    let content = returned.decoded(bytes).ok()?;
    let (headers, _) = Headers::parse(&content, Limits::default()).ok()?;
    one_id(&headers)
}

/// The Message-ID of a header, where there is exactly one.
pub(super) fn one_id(headers: &Headers) -> Option<String> {
    let value = headers.single("Message-ID").ok()??.value().trim();
    let is_id = value.starts_with('<') && value.ends_with('>') && value.len() <= 998;
    is_id.then(|| value.to_owned())
}

fn quoted(signed: &SignedFacts) -> Option<Quoted> {
    let ContentInfo::Signed(data) = read::parse(signed.cms.bytes(), &CmsLimits::default()).ok()?
    else {
        return None;
    };
    let digests = signed.signers.iter().map(|signer| &signer.report);
    Some(Quoted {
        reference: receipt::read(&data).ok()?,
        digests: digests.map(SignerReport::quoted_signature_digest).collect(),
    })
}
