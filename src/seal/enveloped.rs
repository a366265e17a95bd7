//! Encrypted for each recipient's own certificate.

use super::{fault, fields};
use crate::check::Route;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::algorithm::{ContentCipher, Mode};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::envelope;
use crate::decision::{Reason, Refusal, Stop};
use crate::message::header::Writer;
use crate::review::Released;

/// One envelope for the recipients behind the link, around what was inside the envelope that the
/// message came in, or around the whole signed entity when it came in none.
pub(super) fn seal(
    config: &Config,
    at: Timestamp,
    released: &Released,
    route: &Route,
    cipher: ContentCipher,
) -> Result<Vec<u8>, Stop> {
    let opened = released.cleared().opened();
    let certificates = certificates(config, route)?;
    let facts = opened.facts();
    let entity;
    let content = match facts.inside_envelope() {
        Some(piece) => piece.bytes(),
        None => {
            entity = fields::entity(opened.received().bytes(), Writer::new(), None)?;
            &entity
        }
    };
    let cms = envelope::envelope(content, &certificates, cipher)
        .map_err(|error| fault("encrypt for the recipients", error))?;
    // What stands outside was already reduced if the message came encrypted; else it is now.
    let fields = fields::confidential(&fields::carried(&facts.outer, released));
    let head = fields::outer(config, at, opened.received(), &fields)?;
    fields::message(head, smime_type(cipher), &cms)
}

/// The certificate of every recipient; one without certificate stops the message.
fn certificates(config: &Config, route: &Route) -> Result<Vec<Certificate>, Stop> {
    route
        .recipients
        .iter()
        .map(|recipient| {
            config
                .subjects
                .get(recipient)
                .and_then(|subject| subject.certificate.clone())
                .ok_or_else(|| {
                    Refusal::because(
                        Reason::SealImpossible,
                        format!("{recipient} has no certificate to encrypt for"),
                    )
                    .about(recipient)
                    .into()
                })
        })
        .collect()
}

// RFC 8551 §3.2.2
/// The smime-type of an envelope with this content cipher.
pub(super) fn smime_type(cipher: ContentCipher) -> &'static str {
    if cipher.mode() == Mode::Gcm {
        "authEnveloped-data"
    } else {
        "enveloped-data"
    }
}
