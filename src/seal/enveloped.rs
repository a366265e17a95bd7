//! Encrypted for each recipient's own certificate.

use super::{fields, layers, not_made, protect};
use crate::check::Route;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::algorithm::ContentCipher;
use crate::crypto::certificate::Certificate;
use crate::decision::{Reason, Refusal, Stop};
use crate::message::header::Writer;
use crate::message::mime::Transfer;
use crate::message::protection::Confidentiality;
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
    let content = match facts.inside_envelope() {
        Some(piece) => piece.bytes().to_vec(),
        None => {
            protect::entity(opened.received().bytes(), Writer::new(), None).map_err(not_made)?
        }
    };
    let layered =
        layers::enveloped(content, &certificates, cipher, Transfer::Base64).map_err(not_made)?;
    // What stands outside was already reduced if the message came encrypted; else it is now.
    let carried = fields::carried(&facts.outer, released);
    let outside = Confidentiality::Baseline.outside_all(&carried);
    let head = fields::outer(config, at, opened.received(), &outside)?;
    Ok(layers::under(head, layered))
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
