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

use super::enveloped::smime_type;
use super::{fault, fields, unwritable};
use crate::check::Route;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::algorithm::ContentCipher;
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::envelope;
use crate::crypto::cms::oid;
use crate::crypto::cms::sign::{self, Form, SignOrder, Signer};
use crate::crypto::ess;
use crate::decision::Stop;
use crate::label::{self, Label};
use crate::message::header::Writer;
use crate::message::mime::pkcs7_mime;
use crate::open::Piece;
use crate::review::Released;

/// Wraps a released message for the far domain.
pub(super) fn seal(
    config: &Config,
    at: Timestamp,
    released: &Released,
    route: &Route,
    cipher: ContentCipher,
    far: &Certificate,
    relay_label: &Label,
) -> Result<Vec<u8>, Stop> {
    let opened = released.cleared().opened();
    let received = opened.received();
    let inside = fields::carried(opened.facts().headers(), released);
    let outside = fields::confidential(&inside);
    let far_label = route
        .crossing
        .as_ref()
        .unwrap_or(released.cleared().label());

    // An envelope that was for this domain ends here; the far domain gets what is inside it.
    let carried = opened
        .facts()
        .inside_envelope()
        .map_or(&received.bytes()[..], Piece::bytes);
    let payload = payload(carried, &inside, &outside)?;
    let wrapped = wrap(config, at, &payload, far_label, cipher, far, relay_label)?;
    let head = fields::outer(config, at, received, &outside)?;
    fields::message(head, "signed-data", &wrapped)
}

/// The three layers around `payload`: the outer SignedData.
pub(super) fn wrap(
    config: &Config,
    at: Timestamp,
    payload: &[u8],
    label: &Label,
    cipher: ContentCipher,
    far: &Certificate,
    relay_label: &Label,
) -> Result<Vec<u8>, Stop> {
    let signed = sign_as_domain(config, at, payload, label)?;
    let signed = pkcs7_mime("signed-data", &signed).map_err(unwritable)?;
    // RFC 8551 §3.3: what is inside the envelope is a whole MIME entity
    let sealed = envelope::envelope(&signed, std::slice::from_ref(far), cipher)
        .map_err(|error| fault("encrypt for the far domain", error))?;
    let sealed = pkcs7_mime(smime_type(cipher), &sealed).map_err(unwritable)?;
    // RFC 2634 §1.1.2 step 7: the outer signature covers the MIME header fields of the envelope too
    sign_as_domain(config, at, &sealed, relay_label)
}

/// An entity with the protected fields at its root.
pub(super) fn payload(
    entity: &[u8],
    inside: &[(String, String)],
    outside: &[(String, String)],
) -> Result<Vec<u8>, Stop> {
    let mut head = Writer::new();
    for (name, value) in inside {
        head.field(name, value).map_err(unwritable)?;
    }
    // RFC 9788 §2.2: every field that stands outside, with the value that it has there
    for (name, value) in outside {
        head.field("HP-Outer", &format!("{name}: {value}"))
            .map_err(unwritable)?;
    }
    head.field("MIME-Version", "1.0").map_err(unwritable)?;
    fields::entity(entity, head, Some("cipher"))
}

/// Opaque SignedData over `content` by this domain, with a label and the DOMSEC signature type.
fn sign_as_domain(
    config: &Config,
    at: Timestamp,
    content: &[u8],
    label: &Label,
) -> Result<Vec<u8>, Stop> {
    let label = label::ess::encode(label).map_err(|error| fault("write a label", error))?;
    let attributes = [
        ess::security_label(&label),
        ess::signature_type(&[ess::DOMAIN_SIGNATURE]),
    ];
    sign::sign(&SignOrder {
        content,
        content_type: oid::DATA,
        form: Form::Attached,
        signers: &[Signer::new(&config.keys.sign, attributes.into())],
        signing_time: at,
        extra_certificates: &[],
    })
    .map_err(|error| fault("sign for the domain", error))
}
