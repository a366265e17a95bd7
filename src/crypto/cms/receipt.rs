//! Signed receipts: whether one is owed, made, and held against what was sent.
//!
//! Duty: the cryptographic half of RFC 2634 chapter 2. Whether the one who receipts was addressed
//! at all is for the caller: the RFC does not ask it, so it must be asked.
//! Promises: a receipt is made only for a good signature that asks for one; it is accepted only if
//! identifier, content type, signature and digest are all those of the message that was sent.
//! Refuses: receipts upon receipts; the word of a mail list that nobody authorised.
//! Standards: RFC 2634 sections 2.3 to 2.6, 2.10, 2.11.

use const_oid::ObjectIdentifier;
use thiserror::Error;

use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::Certificate;
use crate::crypto::ess::{
    self, ContentReference, GeneralName, MailListHistory, MailListReceipts, ReceiptRequest,
    ReceiptsFrom,
};

use super::oid;
use super::read::SignedData;
use super::sign::{self, Form, SignError, SignOrder, Signer};
use super::verify::{self, Inconsistency, SignerReport};

/// The mail lists on the way, and who says so.
#[derive(Clone, Copy, Debug)]
pub struct ThroughLists<'a> {
    /// The history in the outermost signed layer.
    pub history: &'a MailListHistory,
    /// Who signed that layer.
    pub signer: ListSigner,
}

/// Who signed a mail-list history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSigner {
    /// A mail list agent that may do so here.
    Authorised,
    /// Anybody else: whoever can sign can wrap a message and send its receipts elsewhere.
    Stranger,
}

/// Why no receipt is sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotOwed {
    /// Only those who got the message without a mail list are asked.
    #[error("only first-tier recipients are asked, and the message came through a mail list")]
    FirstTierOnly,
    /// The latest mail list says that nobody sends a receipt.
    #[error("the mail list asks that no receipts be sent")]
    ListForbids,
    /// The history of mail lists is not signed by one that may.
    #[error("the mail-list history is not signed by an authorised mail list agent")]
    ListUnknown,
    /// The list of those who are asked does not have us.
    #[error("the request names others")]
    NotAsked,
}

/// Where receipts for a message go, each destination by its names; `own` are our names.
///
/// # Errors
/// Why none may be sent.
pub fn owed(
    request: &ReceiptRequest,
    lists: Option<ThroughLists<'_>>,
    own: &[GeneralName],
) -> Result<Vec<Vec<GeneralName>>, NotOwed> {
    // RFC 2634 §6: an attacker who adds a layer could harvest receipts.
    if lists.is_some_and(|lists| lists.signer == ListSigner::Stranger) {
        return Err(NotOwed::ListUnknown);
    }
    let policy = lists.and_then(|lists| lists.history.policy());
    // RFC 2634 §2.3 step 1
    if policy == Some(&MailListReceipts::None) {
        return Err(NotOwed::ListForbids);
    }
    match &request.from {
        ReceiptsFrom::All => {}
        ReceiptsFrom::FirstTier if lists.is_some() => return Err(NotOwed::FirstTierOnly),
        ReceiptsFrom::FirstTier => {}
        ReceiptsFrom::List(asked) => {
            let is_asked = asked
                .iter()
                .flatten()
                .any(|name| own.iter().any(|o| same(name, o)));
            if !is_asked {
                return Err(NotOwed::NotAsked);
            }
        }
    }
    // RFC 2634 §2.5
    Ok(match policy {
        Some(MailListReceipts::InsteadOf(to)) => to.clone(),
        Some(MailListReceipts::InAdditionTo(more)) => {
            let mut to = request.to.clone();
            to.extend(
                more.iter()
                    .filter(|names| !request.to.contains(names))
                    .cloned(),
            );
            to
        }
        Some(MailListReceipts::None) | None => request.to.clone(),
    })
}

// RFC 8550 §3: addresses are compared without regard to case.
fn same(one: &GeneralName, other: &GeneralName) -> bool {
    match (one, other) {
        (GeneralName::Email(one), GeneralName::Email(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

/// Why a receipt was not made, or nothing can be expected of one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// What may not stand in a receipt was ordered.
    #[error("attribute {0} may not stand in a receipt")]
    Attribute(ObjectIdentifier),
    /// The original asks for none.
    #[error("the signature asks for no receipt")]
    NoRequest,
    /// The original's signature is not good, so it was not received.
    #[error("the signature that asks for the receipt is not good")]
    NotGood,
    /// The receipt could not be signed.
    #[error("the receipt could not be signed")]
    Sign(#[from] SignError),
}

/// What a receipt must say of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Content type, identifier and signature of the message.
    pub reference: ContentReference,
    /// By which algorithm the digest is.
    pub digest: Digest,
    /// The digest over the signed attributes of the message.
    pub message_signature_digest: Vec<u8>,
}

impl Expectation {
    /// What a receipt for this signature must say. The sender keeps it (RFC 2634 section 2.2.2).
    ///
    /// # Errors
    /// When the signature is not good, or asks for none.
    pub fn of(original: &SignerReport) -> Result<Self, ReceiptError> {
        if !original.is_good() {
            return Err(ReceiptError::NotGood);
        }
        let request = original.receipt_request().ok_or(ReceiptError::NoRequest)?;
        // RFC 2634 §2.2: no receipts for receipts.
        let content_type = original
            .content_type()
            .filter(|content_type| *content_type != oid::RECEIPT)
            .ok_or(ReceiptError::NoRequest)?;
        let (Some(digest), Some(value)) = (original.digest, &original.message_signature_digest)
        else {
            return Err(ReceiptError::NotGood);
        };
        Ok(Self {
            reference: ContentReference {
                content_type,
                content_identifier: request.content_identifier,
                originator_signature: original.signature.clone(),
            },
            digest,
            message_signature_digest: value.clone(),
        })
    }
}

/// A receipt for the signature `original`, signed by `signer`: a ContentInfo with SignedData, in
/// DER. Whether it is [`owed`] the caller has asked.
///
/// # Errors
/// When the original is not good or asks for none, or the key does not sign.
pub fn make(
    original: &SignerReport,
    signer: &Signer<'_>,
    at: Timestamp,
) -> Result<Vec<u8>, ReceiptError> {
    let expected = Expectation::of(original)?;
    // RFC 2634 §2.4.1
    for oid in [
        ess::RECEIPT_REQUEST,
        ess::ML_EXPANSION_HISTORY,
        ess::MESSAGE_SIGNATURE_DIGEST,
    ] {
        if signer
            .attributes
            .iter()
            .any(|attribute| attribute.oid() == oid)
        {
            return Err(ReceiptError::Attribute(oid));
        }
    }
    let mut signer = signer.clone();
    // RFC 2634 §2.4 step 6
    signer.attributes.push(ess::message_signature_digest(
        &expected.message_signature_digest,
    ));
    // RFC 2634 §2.4 step 8: the Receipt itself, no MIME header fields.
    Ok(sign::sign(&SignOrder {
        content: &expected.reference.receipt_der(),
        content_type: oid::RECEIPT,
        form: Form::Attached,
        signers: std::slice::from_ref(&signer),
        signing_time: at,
        extra_certificates: &[],
    })?)
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReceiptProblem {
    /// The layer's attributes do not go together.
    #[error("the receipt contradicts itself: {0}")]
    Inconsistent(Inconsistency),
    /// The content is no Receipt.
    #[error("the content is not a receipt that can be read")]
    Malformed,
    /// The layer is not one with a receipt in it.
    #[error("the layer is not a signed receipt")]
    NotAReceipt,
    /// The receipt is for another message, or for another signature under the same identifier.
    #[error("the receipt is for another message")]
    OtherMessage,
    /// The digest over the original's signed attributes is another one, or not there.
    #[error("the receipt quotes another digest than that of the message")]
    OtherSignatureDigest,
    /// A signature of the receipt is not good.
    #[error("the signature of the receipt is not good: {0}")]
    Signature(String),
    /// Nobody signed it.
    #[error("nobody signed the receipt")]
    Unsigned,
}

/// What a receipt is for: to find the message that was sent.
///
/// # Errors
/// When the layer is no receipt that can be read.
pub fn read(signed: &SignedData<'_>) -> Result<ContentReference, ReceiptProblem> {
    if signed.content_type != oid::RECEIPT {
        return Err(ReceiptProblem::NotAReceipt);
    }
    let content = signed
        .content
        .as_deref()
        .ok_or(ReceiptProblem::NotAReceipt)?;
    ContentReference::read_receipt(content).map_err(|_| ReceiptProblem::Malformed)
}

/// Those who signed this receipt for the message of which `expected` was kept. Whether their
/// certificates are trusted, and whether they were addressed, is for the caller.
///
/// # Errors
/// The first reason why it proves nothing.
// RFC 2634 §2.6
pub fn verify(
    signed: &SignedData<'_>,
    expected: &Expectation,
    certificates: &[Certificate],
) -> Result<Vec<SignerReport>, ReceiptProblem> {
    if read(signed)? != expected.reference {
        return Err(ReceiptProblem::OtherMessage);
    }
    let reports = verify::verify(signed, None, certificates);
    if reports.is_empty() {
        return Err(ReceiptProblem::Unsigned);
    }
    for report in &reports {
        let quoted = report.quoted_signature_digest();
        if quoted.as_ref() != Some(&expected.message_signature_digest) {
            return Err(ReceiptProblem::OtherSignatureDigest);
        }
        if !report.is_good() {
            let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
            return Err(ReceiptProblem::Signature(problems.join("; ")));
        }
    }
    match verify::inconsistencies(&oid::RECEIPT, &reports)
        .into_iter()
        .next()
    {
        Some(inconsistency) => Err(ReceiptProblem::Inconsistent(inconsistency)),
        None => Ok(reports),
    }
}

#[cfg(test)]
mod tests;
