//! Domain signature, envelope for the far domain, outer signature.
//!
//! ```text
//! outer SignedData    by this domain; label: what a relay may see
//!   EnvelopedData     for the far domain's certificate
//!     SignedData      by this domain (DOMSEC domain signature); label: the far policy's equivalent
//!       header fields, protected; MMHS-Authorizing-Users among them
//!       the originator's signed entity, octet for octet, countersignatures included
//! ```
//!
//! RFC 9788 leaves triple wraps out; our rule (shared with `open::protected`): the entity that the
//! domain signature covers carries the protected fields at its root, with `hp="cipher"`.

use super::layers::{self, Wrapping};
use super::protect::{self, LegacyDisplay, Protection, Secrecy};
use super::{far_key, fault, fields, not_made};
use crate::check::Route;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::algorithm::{ContentCipher, RsaPadding};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::attribute::AttributeDer;
use crate::crypto::cms::sign::Signer;
use crate::crypto::ess;
use crate::decision::Stop;
use crate::label::{self, Label};
use crate::message::mime::Transfer;
use crate::message::protection::{Confidentiality, Dialect, Fields};
use crate::open::Piece;
use crate::review::Released;

/// What a link asks of a triple wrap.
pub(super) struct Asked<'a> {
    /// The content cipher.
    pub(super) cipher: ContentCipher,
    /// The far domain's certificate.
    pub(super) far: &'a Certificate,
    /// The label that a relay may see.
    pub(super) relay_label: &'a Label,
    /// How header fields are protected.
    pub(super) dialect: Dialect,
    /// What of them stands outside.
    pub(super) confidentiality: Confidentiality,
    /// How the layers inside the outermost are encoded.
    pub(super) transfer: Transfer,
    /// How an RSA key signs.
    pub(super) padding: RsaPadding,
}

/// Wraps a released message for the far domain.
pub(super) fn seal(
    config: &Config,
    at: Timestamp,
    released: &Released,
    route: &Route,
    asked: &Asked<'_>,
) -> Result<Vec<u8>, Stop> {
    far_key::check(&route.link.trust, asked.far, &route.link.name, at)?;
    let opened = released.cleared().opened();
    let received = opened.received();
    let inside = fields::carried(opened.facts().headers(), released);
    let far_label = route
        .crossing
        .as_ref()
        .unwrap_or(released.cleared().label());

    // An envelope that was for this domain ends here; the far domain gets what is inside it.
    let carried = opened
        .facts()
        .inside_envelope()
        .map_or(&received.bytes()[..], Piece::bytes);
    let outside = asked.confidentiality.outside_all(&inside);
    let layered = wrap(config, at, carried, (&inside, &outside), far_label, asked)?;
    let head = fields::outer(config, at, received, &outside)?;
    Ok(layers::under(head, layered))
}

/// The three layers around what `message` carries, with these fields inside and outside.
pub(super) fn wrap(
    config: &Config,
    at: Timestamp,
    message: &[u8],
    (inside, outside): (&Fields, &Fields),
    label: &Label,
    asked: &Asked<'_>,
) -> Result<Vec<u8>, Stop> {
    let protected = protect::protect(
        message,
        &Protection {
            dialect: asked.dialect,
            inside,
            outside,
            secrecy: Secrecy::Encrypted,
            legacy_display: LegacyDisplay::Without,
        },
    )
    .map_err(not_made)?;
    let own = config.keys.signer(at)?;
    let signer = |attributes| Signer::new(own, attributes).with_rsa_padding(asked.padding);
    let mut inner = as_domain(label)?;
    inner.extend(protected.attribute);
    layers::triple_wrapped(
        protected.entity,
        &Wrapping {
            inner: &[signer(inner)],
            recipients: std::slice::from_ref(asked.far),
            cipher: asked.cipher,
            outer: &[signer(as_domain(asked.relay_label)?)],
            at,
            transfer: asked.transfer,
        },
    )
    .map_err(not_made)
}

/// The label, and the DOMSEC signature type.
fn as_domain(label: &Label) -> Result<Vec<AttributeDer>, Stop> {
    let label = label::ess::encode(label).map_err(|error| fault("write a label", error))?;
    Ok(vec![
        ess::security_label(&label),
        ess::signature_type(&[ess::DOMAIN_SIGNATURE]),
    ])
}
