//! The layers themselves, one around the other: what the line, the commands and the tests make.
//!
//! Duty: MIME entity in, MIME entity out, with one signed or encrypted layer more.
//! Promises: large content is not copied from layer to layer; the entity inside stays octet for octet; every layer is a MIME entity of its own (RFC
//! 8551 section 3), so that any other program can take it off.
//! Refuses: no signer, no recipient, an entity with lines that do not end with CRLF.
//! Standards: RFC 8551 sections 3.1, 3.3, 3.5; RFC 2634 section 1.1.2.

use crate::clock::Timestamp;
use crate::crypto::algorithm::{ContentCipher, Mode};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::envelope::{self, EnvelopeError};
use crate::crypto::cms::oid;
use crate::crypto::cms::sign::{self, Form, SignError, SignOrder, Signer};
use crate::message::header::{HeaderError, WriteError, Writer};
use crate::message::mime::{
    MimeError, Transfer, multipart_signed, pkcs7_mime, pkcs7_mime_in_place,
};

/// Why a layer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Nobody can be encrypted for.
    #[error("the envelope cannot be made")]
    Envelope(#[from] EnvelopeError),
    /// A header field.
    #[error("a header field cannot be written")]
    Field(#[from] WriteError),
    /// The message that came in.
    #[error("the header of the message cannot be read")]
    Header(#[from] HeaderError),
    /// The MIME structure.
    #[error("the parts cannot be put together")]
    Mime(#[from] MimeError),
    /// The message or the order does not fit what was asked for.
    #[error("{0}")]
    Shape(&'static str),
    /// A signature.
    #[error("the layer cannot be signed")]
    Sign(#[from] SignError),
}

/// multipart/signed around `entity`, which everybody can read.
///
/// # Errors
/// When a key does not sign, or `entity` has lines that do not end with CRLF.
pub fn clear_signed(
    entity: &[u8],
    signers: &[Signer<'_>],
    at: Timestamp,
) -> Result<Vec<u8>, LayerError> {
    let signature = sign::sign(&order(entity, Form::Detached, signers, at))?;
    // RFC 8551 §3.5.3.2: every digest once, in the order of the signers
    let mut names: Vec<&str> = Vec::new();
    for signer in signers {
        let name = signer.scheme.content_digest().micalg();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(multipart_signed(entity, &names.join(","), &signature)?)
}

/// SignedData around `entity`, as application/pkcs7-mime, in the vector of `entity`.
///
/// # Errors
/// When a key does not sign.
pub fn opaque_signed(
    entity: Vec<u8>,
    signers: &[Signer<'_>],
    at: Timestamp,
    transfer: Transfer,
) -> Result<Vec<u8>, LayerError> {
    let frame = sign::frame(&order(&entity, Form::Attached, signers, at))?;
    let cms = frame.around(entity);
    Ok(pkcs7_mime_in_place("signed-data", cms, transfer)?)
}

/// An envelope around `entity`, as application/pkcs7-mime, in the vector of `entity`: EnvelopedData
/// for a CBC cipher, AuthEnvelopedData for a GCM cipher.
///
/// # Errors
/// When a recipient cannot be encrypted for, or there is none.
pub fn enveloped(
    entity: Vec<u8>,
    recipients: &[Certificate],
    cipher: ContentCipher,
    transfer: Transfer,
) -> Result<Vec<u8>, LayerError> {
    let cms = envelope::envelope_in_place(entity, recipients, cipher)?;
    Ok(pkcs7_mime_in_place(smime_type(cipher), cms, transfer)?)
}

/// `entity` under a header section: a whole message, in the vector of `entity`.
pub fn under(head: Writer, mut entity: Vec<u8>) -> Vec<u8> {
    let head = head.finish();
    entity.reserve_exact(head.len());
    entity.splice(0..0, head);
    entity
}

/// What the three layers of a triple wrap are made with.
#[derive(Clone, Copy, Debug)]
pub struct Wrapping<'a> {
    /// Who signs what is inside the envelope.
    pub inner: &'a [Signer<'a>],
    /// Whom the envelope is for.
    pub recipients: &'a [Certificate],
    /// Its content cipher.
    pub cipher: ContentCipher,
    /// Who signs the envelope.
    pub outer: &'a [Signer<'a>],
    /// When.
    pub at: Timestamp,
    /// How the layers inside the outermost are encoded.
    pub transfer: Transfer,
}

// RFC 2634 §2.4 step 8, RFC 8551 §3.2.2
/// A message with these fields that brings a signed receipt.
///
/// # Errors
/// When a field cannot be written.
pub fn receipt(fields: &[(String, String)], cms: &[u8]) -> Result<Vec<u8>, LayerError> {
    let mut head = super::protect::writer(fields)?;
    head.field("MIME-Version", "1.0")?;
    Ok(under(head, pkcs7_mime("signed-receipt", cms)?))
}

// RFC 2634 §1.1.2
/// The three layers around `payload`: signed, encrypted, signed again; in the vector of `payload`.
///
/// # Errors
/// As [`opaque_signed`] and [`enveloped`].
pub fn triple_wrapped(payload: Vec<u8>, wrapping: &Wrapping<'_>) -> Result<Vec<u8>, LayerError> {
    let Wrapping { at, transfer, .. } = *wrapping;
    let inner = opaque_signed(payload, wrapping.inner, at, transfer)?;
    // RFC 8551 §3.3: what is inside the envelope is a whole MIME entity
    let sealed = enveloped(inner, wrapping.recipients, wrapping.cipher, transfer)?;
    // RFC 2634 §1.1.2 step 7: the outer signature covers the MIME header fields of the envelope too
    opaque_signed(sealed, wrapping.outer, at, Transfer::Base64)
}

fn order<'a>(
    content: &'a [u8],
    form: Form,
    signers: &'a [Signer<'a>],
    at: Timestamp,
) -> SignOrder<'a> {
    SignOrder {
        content,
        content_type: oid::DATA,
        form,
        signers,
        signing_time: at,
        extra_certificates: &[],
    }
}

// RFC 8551 §3.2.2
fn smime_type(cipher: ContentCipher) -> &'static str {
    if cipher.mode() == Mode::Gcm {
        "authEnveloped-data"
    } else {
        "enveloped-data"
    }
}
