//! A whole message, sealed by its originator: header fields outside, layers inside.
//!
//! Duty: what a person's program does with a message before it goes to the switch, and what
//! `ravelin seal` does with a file.
//! Refuses: a profile without the signers or recipients that it needs; protected header fields
//! without a signature.
//! Standards: RFC 8551 section 3; RFC 2634 section 1.1; RFC 9788 section 5.2.

use super::layers::{self, LayerError, Wrapping};
use super::protect::{self, LegacyDisplay, Protection, Secrecy};
use crate::clock::Timestamp;
use crate::crypto::algorithm::ContentCipher;
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::sign::Signer;
use crate::message::header::{Headers, Limits, Writer};
use crate::message::mime::Transfer;
use crate::message::protection::{Confidentiality, Dialect};

/// Which layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// multipart/signed.
    ClearSigned,
    /// Encrypted; signed inside where somebody signs.
    Enveloped,
    /// SignedData.
    OpaqueSigned,
    /// Signed, encrypted, signed again.
    TripleWrap,
}

/// What to make of a message.
#[derive(Debug)]
pub struct Order<'a> {
    /// Which layers.
    pub profile: Profile,
    /// Who signs innermost.
    pub signers: Vec<Signer<'a>>,
    /// Who signs the envelope of a triple wrap.
    pub outer: Vec<Signer<'a>>,
    /// Whom the envelope is for.
    pub recipients: &'a [Certificate],
    /// Its content cipher.
    pub cipher: ContentCipher,
    /// How the header fields are protected, if they are.
    pub protection: Option<Dialect>,
    /// What of them stands outside an envelope.
    pub confidentiality: Confidentiality,
    /// Whether old programs get to see what is hidden.
    pub legacy_display: LegacyDisplay,
    /// How the layers inside the outermost are encoded.
    pub transfer: Transfer,
    /// When.
    pub at: Timestamp,
}

/// The message in its layers.
///
/// # Errors
/// When the order lacks something, a field cannot be written, or a layer cannot be made.
pub fn composed(order: Order<'_>, message: &[u8]) -> Result<Vec<u8>, LayerError> {
    let Order {
        profile,
        mut signers,
        outer,
        recipients,
        cipher,
        at,
        ..
    } = order;
    let encrypted = matches!(profile, Profile::Enveloped | Profile::TripleWrap);
    if encrypted && recipients.is_empty() {
        return Err(LayerError::Shape("an envelope needs a recipient"));
    }
    if signers.is_empty() && profile != Profile::Enveloped {
        return Err(LayerError::Shape("a signed layer needs a signer"));
    }
    let (headers, _) = Headers::parse(message, Limits::default())?;
    let inside = protect::protectable(&headers);
    let outside = match order.protection {
        Some(_) if encrypted => order.confidentiality.outside_all(&inside),
        // RFC 9788 §1.8.2: what is not under a signature is not hidden either
        _ => inside.clone(),
    };
    let entity = match order.protection {
        None => protect::entity(message, Writer::new(), None)?,
        Some(_) if signers.is_empty() => {
            return Err(LayerError::Shape(
                "header fields are protected by a signature: name a signer, or no protection",
            ));
        }
        Some(dialect) => {
            let protected = protect::protect(
                message,
                &Protection {
                    dialect,
                    inside: &inside,
                    outside: &outside,
                    secrecy: if encrypted {
                        Secrecy::Encrypted
                    } else {
                        Secrecy::Clear
                    },
                    legacy_display: order.legacy_display,
                },
            )?;
            for signer in &mut signers {
                signer.attributes.extend(protected.attribute.clone());
            }
            protected.entity
        }
    };
    let layered = match profile {
        Profile::ClearSigned => layers::clear_signed(&entity, &signers, at)?,
        Profile::OpaqueSigned => layers::opaque_signed(entity, &signers, at, Transfer::Base64)?,
        Profile::Enveloped if signers.is_empty() => {
            layers::enveloped(entity, recipients, cipher, Transfer::Base64)?
        }
        Profile::Enveloped => {
            let signed = layers::opaque_signed(entity, &signers, at, order.transfer)?;
            layers::enveloped(signed, recipients, cipher, Transfer::Base64)?
        }
        Profile::TripleWrap => layers::triple_wrapped(
            entity,
            &Wrapping {
                inner: &signers,
                recipients,
                cipher,
                outer: &outer,
                at,
                transfer: order.transfer,
            },
        )?,
    };
    let mut head = protect::writer(&outside)?;
    head.field("MIME-Version", "1.0")?;
    Ok(layers::under(head, layered))
}
