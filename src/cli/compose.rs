//! A drafter's program in one function: a clear-signed, labelled message (RFC 8551, RFC 2634).
//!
//! The header fields stand outside and, protected, in the signed part (RFC 9788, `hp="clear"`).

use crate::clock::{Clock, rfc5322_date};
use crate::crypto::cms::attribute::AttributeDer;
use crate::crypto::cms::oid;
use crate::crypto::cms::sign::{self, Form, SignError, SignOrder, Signer};
use crate::crypto::ess::{self, GeneralName, ReceiptRequest, ReceiptsFrom};
use crate::crypto::keys::Identity;
use crate::message::Precedence;
use crate::message::address::Address;
use crate::message::header::{WriteError, Writer};
use crate::message::mime::{MimeError, multipart_signed};

/// What a drafter writes.
pub struct Composition<'a> {
    /// The drafter.
    pub from: &'a Address,
    /// Action recipients.
    pub to: &'a [Address],
    /// What it is about.
    pub subject: &'a str,
    /// The text: ASCII, CRLF lines of at most 78 characters.
    pub text: &'a str,
    /// How urgent it is.
    pub precedence: Precedence,
    /// The label: an ESSSecurityLabel in DER; none for a message without label.
    pub label: Option<&'a [u8]>,
}

/// Why a message cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A header field.
    #[error("a header field cannot be written")]
    Field(#[from] WriteError),
    /// The MIME structure.
    #[error("the parts cannot be put together")]
    Mime(#[from] MimeError),
    /// The signature.
    #[error("the message cannot be signed")]
    Sign(#[from] SignError),
}

/// Composes and signs a message as its drafter.
///
/// # Errors
/// When a field cannot be written or the key does not sign.
pub fn compose(
    composition: &Composition<'_>,
    drafter: &Identity,
    clock: &Clock,
) -> Result<Vec<u8>, ComposeError> {
    let at = clock.now();
    let id: String = clock
        .fresh_id()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let to = composition
        .to
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let precedence = composition.precedence.number().to_string();
    let date = rfc5322_date(at);
    let message_id = format!("<{id}@{}>", composition.from.domain());
    let fields = |head: &mut Writer| -> Result<(), WriteError> {
        head.field("From", &composition.from.to_string())?
            .field("To", &to)?
            .text("Subject", composition.subject)?
            .field("Date", &date)?
            .field("Message-ID", &message_id)?
            .field("MMHS-Primary-Precedence", &precedence)?
            .field("MMHS-Extended-Authorisation-Info", &date)?;
        Ok(())
    };
    let mut part = Writer::new();
    fields(&mut part)?;
    part.field("Content-Type", "text/plain; charset=us-ascii; hp=\"clear\"")?
        .field("Content-Transfer-Encoding", "7bit")?;
    let part = part.with_body(composition.text.as_bytes());
    let signature = sign::sign(&SignOrder {
        content: &part,
        content_type: oid::DATA,
        form: Form::Detached,
        signers: &[Signer::new(drafter, attributes(composition, &message_id))],
        signing_time: at,
        extra_certificates: &[],
    })?;
    let mut head = Writer::new();
    fields(&mut head)?;
    head.field("MIME-Version", "1.0")?;
    let mut message = head.finish();
    message.extend_from_slice(&multipart_signed(&part, "sha-384", &signature)?);
    Ok(message)
}

/// Label and receipt request (RFC 2634 sections 2.7 and 3.2).
fn attributes(composition: &Composition<'_>, message_id: &str) -> Vec<AttributeDer> {
    let request = ReceiptRequest {
        content_identifier: message_id.as_bytes().to_vec(),
        from: ReceiptsFrom::All,
        to: vec![vec![GeneralName::Email(composition.from.to_string())]],
    };
    composition
        .label
        .map(ess::security_label)
        .into_iter()
        .chain([request.attribute()])
        .collect()
}
