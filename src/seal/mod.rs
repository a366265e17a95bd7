//! STEP 5 of the line: make a released message fit for each next domain.
//!
//! Duty: one [`Sealed`] for each link that the message takes and each precedence of its recipients
//! there, in the layers that the link asks for: as received, enveloped for each recipient, or
//! triple-wrapped for the far domain. The layers
//! themselves ([`layers`], [`protect`], [`composed`]) are the same for the line and for commands.
//! Promises: [`Sealed`] is made only here, from what was released or from our own words; the octets
//! that an originator signed are never changed; nothing falls back to clear; what leaves has CRLF
//! only, outside binary parts.
//! Attack stopped here: a false end of data inside an envelope that is taken off.
//! Standards: RFC 2634 section 1.1 (triple wrap), RFC 3183 (domain signature), RFC 9788 (protected
//! header fields), RFC 7912 (MMHS-Authorizing-Users).

mod as_received;
mod composed;
mod enveloped;
mod far_key;
mod fields;
pub mod layers;
mod own;
pub mod protect;
mod recipients;
mod sealed;
mod triple_wrap;

use std::sync::Arc;

pub use composed::{Order, Profile, composed};
pub use own::{OwnMessage, own};
pub use sealed::Sealed;

use crate::check::{Labels, Route, minimize};
use crate::clock::Timestamp;
use crate::config::{Config, SealProfile};
use crate::decision::{Fault, Reason, Refusal, Stop};
use crate::label::{Label, ess};
use crate::message::Precedence;
use crate::message::service::Terms;
use crate::message::{binary, line};
use crate::review::Released;
use crate::store::Permitted;

/// Seals a released message for every link that it takes; where recipients behind one link differ in
/// precedence, the same octets once for each of these.
///
/// # Errors
/// A refusal when a link's protection cannot be given; a fault of ours.
pub fn seal(config: &Config, at: Timestamp, released: &Released) -> Result<Vec<Sealed>, Stop> {
    let routes = released.cleared().routes().iter();
    let mut all = Vec::new();
    for route in routes {
        all.extend(seal_for(config, at, released, route)?);
    }
    Ok(all)
}

fn seal_for(
    config: &Config,
    at: Timestamp,
    released: &Released,
    route: &Route,
) -> Result<Vec<Sealed>, Stop> {
    let mut grounds = Vec::new();
    let bytes = match &route.link.seal {
        SealProfile::AsReceived => as_received::seal(config, at, released)?,
        SealProfile::Enveloped {
            cipher,
            domain_certificate,
        } => {
            let certificates =
                recipients::certificates(config, at, route, *domain_certificate, &mut grounds)?;
            enveloped::seal(config, at, released, &certificates, *cipher)?
        }
        SealProfile::TripleWrap {
            cipher,
            certificate,
            relay_label,
            header_protection,
            confidentiality,
            inner_encoding,
            rsa_signatures,
        } => triple_wrap::seal(
            config,
            at,
            released,
            route,
            &triple_wrap::Asked {
                cipher: *cipher,
                far: certificate,
                relay_label,
                dialect: *header_protection,
                confidentiality: *confidentiality,
                transfer: *inner_encoding,
                padding: *rsa_signatures,
            },
        )?,
    };
    // What came out of an envelope no session has seen: a line end that is none stops here, in
    // session, and not at the next hop.
    binary::check(&bytes).map_err(unwritable)?;
    // What goes by BDAT as it is has no lines.
    if line::check(&bytes).is_ok() {
        line::check_within(&bytes, route.link.longest_line)
            .map_err(|error| Refusal::because(Reason::MessageLineTooLong, error.to_string()))?;
    }
    let cleared = released.cleared();
    let received = cleared.opened().received();
    let bytes: Arc<[u8]> = Arc::from(bytes);
    let permitted = permitted(cleared.labels(), route.crossing.as_ref())?;
    let envelope = received.envelope();
    let considered = minimize::considered(cleared);
    let sics = minimize::indicated(cleared);
    let apart = cleared.urgency().apart(&route.recipients).into_iter();
    Ok(apart
        .map(|(precedence, recipients)| Sealed {
            message: received.id(),
            next_hop: route.link.name.clone(),
            from: envelope.from.clone(),
            bytes: Arc::clone(&bytes),
            precedence,
            judged_under: config.judged_under().to_owned(),
            permitted: permitted.clone(),
            originator: Some(cleared.originator().clone()),
            considered,
            sics: sics.clone(),
            terms: Terms {
                priority: envelope.priority.map(|heard| onward(heard, precedence)),
                service: envelope.service.only_for(&recipients),
            },
            recipients,
            // Told once, however many precedences there are.
            grounds: std::mem::take(&mut grounds),
        })
        .collect())
}

// RFC 6710 §4.3, §5: a relay says the number that it heard, not the level that it rounds to; where
// the recipients have another precedence than that number, it says theirs
/// The MT-PRIORITY that goes on for recipients of this precedence.
fn onward(heard: i8, precedence: Precedence) -> i8 {
    match Precedence::from_mt_priority(heard) == precedence {
        true => heard,
        false => precedence.mt_priority(),
    }
}

/// What the message was permitted as, for the queue.
fn permitted(labels: &Labels, crossing: Option<&Label>) -> Result<Permitted, Stop> {
    let write = |label| ess::encode(label).map_err(|error| fault("write a label", error));
    Ok(Permitted::As {
        label: write(labels.own())?,
        crossing: crossing.map(write).transpose()?,
        attached: labels
            .attached()
            .iter()
            .map(write)
            .collect::<Result<_, _>>()?,
    })
}

/// A header field that we wanted to write and could not: what came in does not go out again.
fn unwritable(error: impl std::error::Error) -> Stop {
    Refusal::because(Reason::MessageMalformed, error.to_string()).into()
}

/// Cryptography that failed on our side.
fn fault(attempt: &str, error: impl std::error::Error + Send + Sync + 'static) -> Stop {
    Fault::new(attempt, error).into()
}

/// A layer that cannot be made: what came in is at fault when it cannot be carried on, we are when
/// our keys or certificates do not do.
fn not_made(error: layers::LayerError) -> Stop {
    use layers::LayerError;
    match error {
        LayerError::Envelope(error) => fault("encrypt for the next domain", error),
        LayerError::Sign(error) => fault("sign for the domain", error),
        LayerError::Field(_)
        | LayerError::Header(_)
        | LayerError::Mime(_)
        | LayerError::Shape(_) => unwritable(error),
    }
}
