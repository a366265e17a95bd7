//! The walk from the outermost layer to the payload.

use std::borrow::Cow;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Opener;
use super::attached::{self, Nesting};
use super::facts::{
    Carried, EnvelopeFacts, Facts, Layer, LayerKind, SignedFacts, SignedForm, SignerFacts,
};
use super::piece::Piece;
use super::protected::{Conflict, Protected, Section};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::decrypt::{self, DecryptError, Envelope};
use crate::crypto::cms::inflate::{self, InflateError, InflateLimits};
use crate::crypto::cms::oid;
use crate::crypto::cms::read::Limits as CmsLimits;
use crate::crypto::cms::read::{self, CmsError, ContentInfo, SignedData};
use crate::crypto::cms::verify::{self, SignerReport};
use crate::crypto::trust::Purpose;
use crate::label;
use crate::message::header::Headers;
use crate::message::mime::{Entity, MimeError};

/// The most layers that a message may have.
const LAYERS: usize = 8;
/// The deepest that countersignatures may stand on countersignatures.
const COUNTERSIGNATURES: usize = 4;

/// Why a message cannot be walked through at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalkError {
    #[error("too many signed messages are attached, or too deep in each other")]
    Attached,
    #[error("layer {layer}: {source}")]
    Cms { layer: usize, source: CmsError },
    #[error("more than {LAYERS} layers")]
    Depth,
    #[error("layer {layer}: {source}")]
    Inflate { layer: usize, source: InflateError },
    #[error("layer {layer}: the token with the key for it is away")]
    KeyAway { layer: usize },
    #[error("layer {layer}: {source}")]
    Mime { layer: usize, source: MimeError },
    #[error("layer {layer}: application/pkcs7-mime with SignedData carries no content")]
    NoContent { layer: usize },
    #[error("layer {layer}: {text}")]
    Shape { layer: usize, text: &'static str },
}

pub(super) fn walk(opener: &Opener<'_>, message: Piece) -> Result<Facts, WalkError> {
    nested(opener, message, &mut Nesting::none())
}

/// As [`walk`], for what may be attached to something else.
pub(super) fn nested(
    opener: &Opener<'_>,
    message: Piece,
    nesting: &mut Nesting,
) -> Result<Facts, WalkError> {
    let mut found = Found {
        layers: Vec::new(),
        protected: Vec::new(),
        odd: Vec::new(),
        outer: None,
        payload: message,
        attached: Vec::new(),
    };
    found.descend(opener, nesting)?;
    found.facts()
}

/// As [`walk`], for a CMS object that stands by itself, without a mail around it.
pub(super) fn walk_cms(opener: &Opener<'_>, cms: Piece) -> Result<Facts, WalkError> {
    let layer = cms_layer(opener, 0, cms.clone(), &cms)?;
    let content = layer.content.clone();
    let mut found = Found {
        layers: vec![layer],
        protected: Vec::new(),
        odd: Vec::new(),
        outer: Some(Headers::default()),
        payload: content.clone().unwrap_or(cms),
        attached: Vec::new(),
    };
    // What is inside may be MIME, or anything else.
    let is_data = match &found.layers.first().map(|layer| &layer.kind) {
        Some(LayerKind::Signed(signed)) => signed.content_type == oid::DATA,
        _ => true,
    };
    let is_mime = content.filter(|_| is_data).is_some_and(|content| {
        Entity::parse(content.buffer(), content.range(), opener.limits)
            .is_ok_and(|entity| entity.headers.first("Content-Type").is_some())
    });
    if is_mime {
        found.descend(opener, &mut Nesting::none())?;
    }
    found.facts()
}

/// What the walk has found so far.
struct Found {
    layers: Vec<Layer>,
    protected: Vec<Protected>,
    /// What looks like header protection and cannot be understood.
    odd: Vec<Conflict>,
    outer: Option<Headers>,
    payload: Piece,
    attached: Vec<Facts>,
}

impl Found {
    // RFC 3218 §2.3, RFC 8551 §6: below an envelope that does not authenticate nobody learns what
    // was wrong, or a ciphertext that was changed could be tried out bit by bit.
    fn descend(&mut self, opener: &Opener<'_>, nesting: &mut Nesting) -> Result<(), WalkError> {
        let inside = descend(opener, self).and_then(|inside| match inside {
            Inside::Mime => attached::within(opener, &self.payload, nesting),
            Inside::Receipt => Ok(Vec::new()),
        });
        match inside {
            Ok(attached) => self.attached = attached,
            Err(_) if self.close_unauthenticated() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn facts(self) -> Result<Facts, WalkError> {
        let outer = self.outer.ok_or(WalkError::Depth)?;
        let mut conflicts = self.odd;
        let mut outside = &outer;
        for inside in &self.protected {
            conflicts.extend(inside.conflicts_with(outside));
            outside = &inside.headers;
        }
        Ok(Facts {
            conflicts,
            outer,
            layers: self.layers,
            protected: self.protected,
            payload: self.payload,
            attached: self.attached,
        })
    }

    /// Shuts the outermost envelope that does not authenticate, as if no key of ours had opened it.
    /// Whether there was one.
    fn close_unauthenticated(&mut self) -> bool {
        let Some(index) = self.layers.iter().position(Layer::is_open_unauthenticated) else {
            return false;
        };
        self.layers.truncate(index.saturating_add(1));
        self.protected.retain(|protected| protected.layer < index);
        if let Some(layer) = self.layers.last_mut() {
            layer.content = None;
            if let LayerKind::Enveloped(envelope) = &mut layer.kind {
                envelope.opened = false;
            }
            self.payload = layer.entity.clone();
        }
        true
    }
}

/// What stands inside the last layer.
enum Inside {
    /// A MIME entity, or an envelope that stayed closed.
    Mime,
    /// The octets of a receipt.
    Receipt,
}

fn descend(opener: &Opener<'_>, found: &mut Found) -> Result<Inside, WalkError> {
    // Whether this entity is the message that the one before wrapped.
    let mut unwrapped = false;
    loop {
        let Found {
            layers,
            protected,
            odd,
            outer,
            payload: piece,
            ..
        } = &mut *found;
        let layer = layers.len();
        let entity = Entity::parse(piece.buffer(), piece.range(), opener.limits)
            .map_err(|source| WalkError::Mime { layer, source })?;
        let mut wrapped = None;
        if let Some(Layer {
            kind: LayerKind::Signed(signed),
            ..
        }) = layers.last().filter(|_| !unwrapped)
        {
            let outside = protected
                .last()
                .map(|part| &part.headers)
                .or(outer.as_ref());
            let from = outside
                .and_then(|headers| headers.first("From"))
                .map(|field| field.value());
            let section = Section::read(layer.saturating_sub(1), &signed.signers, &entity, from);
            wrapped = entity.children.first().filter(|_| section.is_wrapped);
            protected.extend(section.found);
            odd.extend(section.odd);
        }
        let inner = wrapped.map(|message| message.range.clone());
        // A domain wraps what its originator signed: that signature is the next layer.
        if let Some(message) = wrapped.filter(|message| message.smime().is_some()) {
            *piece = piece.at(message.range.clone());
            unwrapped = true;
            continue;
        }
        unwrapped = false;
        let next = step(opener, layer, piece, &entity)?;
        outer.get_or_insert(entity.headers);
        let Some(next) = next else {
            // What a signature wraps to protect its header is the message itself.
            if let Some(range) = inner {
                *piece = piece.at(range);
            }
            return Ok(Inside::Mime);
        };
        let content = next.content.clone();
        let content_type = match &next.kind {
            LayerKind::Signed(signed) => Some(signed.content_type),
            LayerKind::Compressed | LayerKind::Enveloped(_) => None,
        };
        layers.push(next);
        // RFC 8551 §2.4.1: MIME is id-data. A receipt is not MIME and ends the walk; anything else
        // would be read here as something that it is not.
        if let Some(content_type) = content_type.filter(|of| *of != oid::DATA) {
            *piece = content.unwrap_or_else(|| piece.clone());
            return match content_type == oid::RECEIPT {
                true => Ok(Inside::Receipt),
                false => Err(WalkError::Shape {
                    layer,
                    text: "the signed content is neither MIME nor a receipt",
                }),
            };
        }
        match content {
            Some(inside) if layers.len() <= LAYERS => *piece = inside,
            Some(_) => return Err(WalkError::Depth),
            None => return Ok(Inside::Mime),
        }
    }
}

/// The layer that `entity` is, if it is one.
fn step(
    opener: &Opener<'_>,
    layer: usize,
    piece: &Piece,
    entity: &Entity,
) -> Result<Option<Layer>, WalkError> {
    let kind = &entity.content_type;
    // RFC 8551 §3.5.3.1, and the older x- spelling
    if kind.is("multipart", "signed")
        && kind.param("protocol").is_some_and(|protocol| {
            protocol.eq_ignore_ascii_case("application/pkcs7-signature")
                || protocol.eq_ignore_ascii_case("application/x-pkcs7-signature")
        })
    {
        return clear_signed(opener, layer, piece, entity).map(Some);
    }
    // RFC 8551 §3.2: what the object is, its own content type says, never smime-type
    if kind.is("application", "pkcs7-mime") || kind.is("application", "x-pkcs7-mime") {
        return opaque(opener, layer, piece, entity).map(Some);
    }
    Ok(None)
}

fn clear_signed(
    opener: &Opener<'_>,
    layer: usize,
    piece: &Piece,
    entity: &Entity,
) -> Result<Layer, WalkError> {
    let [content, signature] = entity.children.as_slice() else {
        return Err(WalkError::Shape {
            layer,
            text: "multipart/signed has two parts (RFC 1847 section 2.1)",
        });
    };
    let cms = decoded(layer, piece, signature)?;
    let ContentInfo::Signed(signed) = parse(layer, cms.bytes())? else {
        return Err(WalkError::Shape {
            layer,
            text: "the signature part is not SignedData",
        });
    };
    // RFC 8551 §3.5.3.2: eContent is absent; content in both places could show two texts
    if signed.content.is_some() {
        return Err(WalkError::Shape {
            layer,
            text: "the signature part of multipart/signed carries content of its own",
        });
    }
    // RFC 8551 §3.5.3: the exact octets between the boundaries
    let content = piece.at(content.range.clone());
    let facts = signed_facts(
        opener,
        SignedForm::Clear,
        &cms,
        &signed,
        Some(content.bytes()),
    );
    Ok(Layer {
        entity: piece.clone(),
        content: Some(content),
        kind: LayerKind::Signed(facts),
    })
}

fn opaque(
    opener: &Opener<'_>,
    layer: usize,
    piece: &Piece,
    entity: &Entity,
) -> Result<Layer, WalkError> {
    let cms = decoded(layer, piece, entity)?;
    cms_layer(opener, layer, piece.clone(), &cms)
}

/// The layer that one CMS object is.
fn cms_layer(
    opener: &Opener<'_>,
    layer: usize,
    entity: Piece,
    cms: &Piece,
) -> Result<Layer, WalkError> {
    let (content, kind) = match parse(layer, cms.bytes())? {
        ContentInfo::Signed(signed) => {
            let content = match &signed.content {
                // The very octets of the layer, where they stand in one piece.
                Some(Cow::Borrowed(content)) => cms.part(content),
                Some(Cow::Owned(content)) => {
                    Some(Piece::whole(Arc::new(Zeroizing::new(content.clone()))))
                }
                None => None,
            };
            // RFC 8551 §3.8: certs-only has neither content nor signers; it is signed by nobody
            if content.is_none() && !signed.signers.is_empty() {
                return Err(WalkError::NoContent { layer });
            }
            let facts = signed_facts(opener, SignedForm::Opaque, cms, &signed, None);
            (content, LayerKind::Signed(facts))
        }
        ContentInfo::Enveloped(enveloped) => envelope(opener, layer, Envelope::from(&enveloped))?,
        ContentInfo::AuthEnveloped(enveloped) => {
            envelope(opener, layer, Envelope::from(&enveloped))?
        }
        ContentInfo::Compressed(compressed) => {
            let content = inflate::inflate(&compressed, &InflateLimits::default())
                .map_err(|source| WalkError::Inflate { layer, source })?;
            (Some(Piece::whole(Arc::new(content))), LayerKind::Compressed)
        }
        ContentInfo::Other { .. } => {
            return Err(WalkError::Shape {
                layer,
                text: "the CMS content type is not one that is opened here",
            });
        }
    };
    Ok(Layer {
        entity,
        content,
        kind,
    })
}

/// An envelope: opened by the first of our keys that is a recipient's, or left closed. With a key
/// that is away nothing can be said of it.
fn envelope(
    opener: &Opener<'_>,
    layer: usize,
    envelope: Envelope<'_>,
) -> Result<(Option<Piece>, LayerKind), WalkError> {
    let plain = match decrypt::decrypt_with(envelope, &opener.keys) {
        Ok(plain) => Some(plain),
        Err(DecryptError::KeyAway) => return Err(WalkError::KeyAway { layer }),
        Err(_) => None,
    };
    let facts = EnvelopeFacts {
        authenticated: matches!(envelope, Envelope::Authenticated(_)),
        cipher: envelope.cipher_name(),
        recipients: decrypt::recipients(envelope),
        opened: plain.is_some(),
    };
    Ok((
        plain.map(|plain| Piece::whole(Arc::new(plain))),
        LayerKind::Enveloped(facts),
    ))
}

/// The decoded body; where it is not encoded, where it stands.
fn decoded(layer: usize, piece: &Piece, entity: &Entity) -> Result<Piece, WalkError> {
    match entity.decoded(piece.buffer()) {
        Ok(Cow::Borrowed(_)) => Ok(piece.at(entity.body.clone())),
        Ok(Cow::Owned(bytes)) => Ok(Piece::whole(Arc::new(Zeroizing::new(bytes)))),
        Err(source) => Err(WalkError::Mime { layer, source }),
    }
}

fn parse(layer: usize, cms: &[u8]) -> Result<ContentInfo<'_>, WalkError> {
    read::parse(cms, &CmsLimits::default()).map_err(|source| WalkError::Cms { layer, source })
}

/// `detached` is the content of a clear-signed layer; an opaque one has its own.
fn signed_facts(
    opener: &Opener<'_>,
    form: SignedForm,
    cms: &Piece,
    signed: &SignedData<'_>,
    detached: Option<&[u8]>,
) -> SignedFacts {
    let certificates = verify::certificates(signed);
    let signers = verify::verify(signed, detached, &certificates)
        .into_iter()
        .map(|report| signer_facts(opener, report, &certificates, 0))
        .collect();
    SignedFacts {
        form,
        cms: cms.clone(),
        content_type: signed.content_type,
        certificates,
        signers,
    }
}

fn signer_facts(
    opener: &Opener<'_>,
    mut report: SignerReport,
    certificates: &[Certificate],
    depth: usize,
) -> SignerFacts {
    let below = std::mem::take(&mut report.countersigners);
    let countersigners = if depth < COUNTERSIGNATURES {
        below
            .into_iter()
            .map(|report| signer_facts(opener, report, certificates, depth.saturating_add(1)))
            .collect()
    } else {
        Vec::new()
    };
    let trust = report.certificate.as_ref().and_then(|certificate| {
        opener
            .trust
            .validate(certificate, certificates, Purpose::Sign, opener.at)
            .err()
    });
    let label = match &report.label_der {
        None => Carried::Absent,
        Some(der) => match label::ess::decode_under(der, opener.policies) {
            Ok(label) => Carried::Present(label),
            Err(error) => Carried::Malformed(error),
        },
    };
    SignerFacts {
        report,
        trust,
        label,
        countersigners,
    }
}
