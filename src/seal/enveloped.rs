//! One envelope for all recipients behind a link.

use super::{fields, layers, not_made, protect};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::algorithm::ContentCipher;
use crate::crypto::certificate::Certificate;
use crate::decision::Stop;
use crate::message::header::Writer;
use crate::message::mime::Transfer;
use crate::message::protection::Confidentiality;
use crate::review::Released;

/// One envelope for these certificates, around what was inside the envelope that the
/// message came in, or around the whole signed entity when it came in none.
pub(super) fn seal(
    config: &Config,
    at: Timestamp,
    released: &Released,
    certificates: &[Certificate],
    cipher: ContentCipher,
) -> Result<Vec<u8>, Stop> {
    let opened = released.cleared().opened();
    let facts = opened.facts();
    let content = match facts.inside_envelope() {
        Some(piece) => piece.bytes().to_vec(),
        None => {
            protect::entity(opened.received().bytes(), Writer::new(), None).map_err(not_made)?
        }
    };
    let layered =
        layers::enveloped(content, certificates, cipher, Transfer::Base64).map_err(not_made)?;
    // What stands outside was already reduced if the message came encrypted; else it is now.
    let carried = fields::carried(&facts.outer, released);
    let outside = Confidentiality::Baseline.outside_all(&carried);
    let head = fields::outer(config, at, opened.received(), &outside)?;
    Ok(layers::under(head, layered))
}
