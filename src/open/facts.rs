//! What a message says, layer by layer, from the outside in.

use std::borrow::Cow;

use super::piece::Piece;
use super::protected::{Conflict, Protected, Protection};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::decrypt::Recipient;
use crate::crypto::cms::verify::{SignatureProblem, SignerReport};
use crate::crypto::trust::TrustProblem;
use crate::label::{Label, ObjectIdentifier, SyntaxError};
use crate::message::address::Address;
use crate::message::content_type::ContentType;
use crate::message::header::{Headers, Limits};
use crate::message::protection::without_legacy_display;

/// Everything that opening found.
pub struct Facts {
    /// The header section that every relay sees.
    pub outer: Headers,
    /// The layers, outermost first.
    pub layers: Vec<Layer>,
    /// Header sections under a signature, outermost first.
    pub protected: Vec<Protected>,
    /// Fields that say one thing outside and another thing under the signature.
    pub conflicts: Vec<Conflict>,
    /// The MIME entity below the last layer that could be opened.
    pub payload: Piece,
    /// What the signed messages inside the payload say.
    pub attached: Vec<Facts>,
}

/// One S/MIME layer.
pub struct Layer {
    /// The MIME entity that carries it, header fields included.
    pub entity: Piece,
    /// The MIME entity inside it; for an envelope that stayed closed, nothing.
    pub content: Option<Piece>,
    /// What kind of layer.
    pub kind: LayerKind,
}

/// What a layer is.
pub enum LayerKind {
    /// CompressedData (RFC 3274).
    Compressed,
    /// SignedData (RFC 5652 section 5).
    Signed(SignedFacts),
    /// EnvelopedData or AuthEnvelopedData.
    Enveloped(EnvelopeFacts),
}

/// A signed layer.
pub struct SignedFacts {
    /// Clear or opaque.
    pub form: SignedForm,
    /// The CMS object.
    pub cms: Piece,
    /// eContentType: id-data for MIME, or that of a receipt.
    pub content_type: ObjectIdentifier,
    /// The certificates that came along.
    pub certificates: Vec<Certificate>,
    /// Every signer; none means "unsigned", whatever the layer is called.
    pub signers: Vec<SignerFacts>,
}

/// Where the signed content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedForm {
    /// multipart/signed: readable by anybody.
    Clear,
    /// application/pkcs7-mime; smime-type=signed-data.
    Opaque,
}

/// An envelope.
pub struct EnvelopeFacts {
    /// Whether the content cipher authenticates.
    pub authenticated: bool,
    /// The content cipher, in words.
    pub cipher: String,
    /// Whom it is for.
    pub recipients: Vec<Recipient>,
    /// Whether one of our keys opened it.
    pub opened: bool,
}

/// A signer or countersigner, with both verdicts.
pub struct SignerFacts {
    /// The cryptographic verdict, and what the signed attributes say.
    pub report: SignerReport,
    /// Why the certificate is not trusted, if it is not. Without a certificate there is no verdict.
    pub trust: Option<TrustProblem>,
    /// The label of this signer.
    pub label: Carried<Label>,
    /// Those who signed this signature.
    pub countersigners: Vec<SignerFacts>,
}

/// A signed attribute that may be there.
#[derive(Clone, Debug)]
pub enum Carried<T> {
    /// It is not there.
    Absent,
    /// It is there and cannot be read.
    Malformed(SyntaxError),
    /// It is there.
    Present(T),
}

impl SignerFacts {
    /// Whether the signature verifies and its certificate is trusted.
    pub fn is_good(&self) -> bool {
        self.report.is_good() && self.report.certificate.is_some() && self.trust.is_none()
    }

    /// What is weak in a signature that verifies, where the default rules refuse it: no signed
    /// attributes, or an algorithm that no longer protects.
    pub fn weaknesses(&self) -> impl Iterator<Item = &SignatureProblem> {
        self.report.weaknesses().filter(|problem| {
            matches!(
                problem,
                SignatureProblem::WeakAlgorithm(_) | SignatureProblem::WithoutSignedAttributes
            )
        })
    }

    /// The addresses that its certificate names.
    pub fn addresses(&self) -> Vec<Address> {
        self.report
            .certificate
            .iter()
            .flat_map(Certificate::emails)
            .filter_map(|email| Address::parse(&email).ok())
            .collect()
    }

    /// Whether the certificate names `address`.
    pub fn is(&self, address: &Address) -> bool {
        self.addresses().contains(address)
    }

    /// Who signed, in words, for explanations.
    pub fn name(&self) -> String {
        self.report.certificate.as_ref().map_or_else(
            || "a signer without certificate".to_owned(),
            Certificate::subject,
        )
    }
}

impl Layer {
    /// The signers of a signed layer.
    pub fn signers(&self) -> &[SignerFacts] {
        match &self.kind {
            LayerKind::Signed(signed) => &signed.signers,
            LayerKind::Compressed | LayerKind::Enveloped(_) => &[],
        }
    }
}

impl Layer {
    /// Whether it is an envelope that one of our keys opened and whose cipher does not
    /// authenticate: whatever comes out of it, somebody on the way may have made.
    pub fn is_open_unauthenticated(&self) -> bool {
        matches!(
            &self.kind,
            LayerKind::Enveloped(envelope) if envelope.opened && !envelope.authenticated
        )
    }
}

impl Facts {
    /// Whether there is an envelope that stayed closed.
    pub fn is_closed(&self) -> bool {
        self.layers.iter().any(|layer| layer.content.is_none())
    }

    /// The layers inside the outermost opened envelope that does not authenticate, if there is one.
    pub fn inside_unauthenticated(&self) -> Option<&[Layer]> {
        let envelope = self
            .layers
            .iter()
            .position(Layer::is_open_unauthenticated)?;
        self.layers.get(envelope.saturating_add(1)..)
    }

    /// The index of the outermost envelope, if there is one.
    pub fn envelope(&self) -> Option<usize> {
        self.layers
            .iter()
            .position(|layer| matches!(layer.kind, LayerKind::Enveloped(_)))
    }

    /// What stands inside the outermost envelope, once one of our keys opened it.
    pub fn inside_envelope(&self) -> Option<&Piece> {
        self.layers.get(self.envelope()?)?.content.as_ref()
    }

    /// The innermost signed layer: the drafter's.
    pub fn drafted(&self) -> Option<(usize, &SignedFacts)> {
        self.layers
            .iter()
            .enumerate()
            .rev()
            .find_map(|(index, layer)| match &layer.kind {
                LayerKind::Signed(signed) => Some((index, signed)),
                LayerKind::Compressed | LayerKind::Enveloped(_) => None,
            })
    }

    // RFC 9788 §4.8: an automated system acts on protected fields, never on outer ones
    /// The value of a header field: where any header section is protected, only what is protected
    /// counts; the outermost protection wins. Without protection, what stands outside.
    pub fn field(&self, name: &str) -> Option<String> {
        if self.protected.is_empty() {
            self.outer.first(name).map(|field| field.value().to_owned())
        } else {
            self.protected
                .iter()
                .find_map(|protected| protected.headers.first(name))
                .map(|field| field.value().to_owned())
        }
    }

    // RFC 9788 §4.8: programs take the element of old programs out before they read the text
    /// The text of the message as its composer meant it: the payload, without the element that
    /// repeats hidden header fields for old programs (RFC 9788 section 4.5.3). Only plain text at
    /// the root is looked at.
    pub fn text(&self) -> Cow<'_, [u8]> {
        let payload = self.payload.bytes();
        let is_cipher = self
            .protected
            .iter()
            .any(|part| part.protection == Protection::Cipher);
        let Ok((headers, body)) = Headers::parse(payload, Limits::default()) else {
            return Cow::Borrowed(payload);
        };
        let is_marked = headers.first("Content-Type").is_some_and(|field| {
            ContentType::parse(field.value()).is_ok_and(|kind| {
                kind.is("text", "plain") && kind.param("hp-legacy-display") == Some("1")
            })
        });
        if !(is_cipher && is_marked) {
            return Cow::Borrowed(payload);
        }
        let (head, text) = payload.split_at_checked(body).unwrap_or((payload, &[]));
        Cow::Owned([head, without_legacy_display(text)].concat())
    }

    /// The header section that counts: the outermost protected one, or else the outer one.
    pub fn headers(&self) -> &Headers {
        self.protected
            .first()
            .map_or(&self.outer, |protected| &protected.headers)
    }
}
