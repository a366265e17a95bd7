//! A held message and the signatures it still needs.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::requirement::{Need, Standing};
use crate::check::Cleared;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::countersign;
use crate::decision::{Fault, Reason, Refusal};
use crate::label;
use crate::label::marking::{self, Location};
use crate::message::envelope::{Envelope, Peer};
use crate::message::mime::{self, Encoding, Entity, Limits};
use crate::message::received::Received;
use crate::message::{MessageId, Precedence};

/// What the store keeps of a held message beside its octets, which stay as they were submitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// The message.
    pub message: MessageId,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// When it goes back if nobody releases it.
    pub expires: Timestamp,
    /// How urgent it is.
    pub precedence: Precedence,
    /// Who drafted it.
    pub drafter: String,
    /// The label, as people read it.
    pub marking: String,
    /// The label, as an ESSSecurityLabel in DER.
    pub label: Vec<u8>,
    /// The labels of what is attached, likewise.
    #[serde(default)]
    pub attached: Vec<Vec<u8>>,
    /// What it still needs.
    pub needs: Vec<Need>,
    /// When the postmaster was alarmed that it still waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarmed: Option<Timestamp>,
    /// Its envelope.
    pub envelope: Envelope,
    /// The peer that submitted it.
    peer: Peer,
    /// The releasing signatures so far.
    pub collected: Vec<Release>,
}

/// A releasing signature, as an officer's program made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Release {
    /// Which of the drafter's SignerInfos it signs, counted from 0.
    pub signer: usize,
    /// The countersigner's SignerInfo in DER.
    pub signature: Vec<u8>,
    /// The certificates that it needs, in DER.
    pub certificates: Vec<Vec<u8>>,
}

/// How long a draft waits when `[review]` does not say: as long as the queue would try.
const fn life(precedence: Precedence) -> Duration {
    const HOUR: u64 = 3_600;
    Duration::from_secs(match precedence {
        Precedence::Override | Precedence::Flash => 4 * HOUR,
        Precedence::Immediate => 12 * HOUR,
        Precedence::Priority => 24 * HOUR,
        Precedence::Routine => 72 * HOUR,
        Precedence::Deferred => 120 * HOUR,
    })
}

pub(super) fn hold(
    config: &Config,
    at: Timestamp,
    cleared: &Cleared,
    standing: &Standing,
) -> Result<Draft, Fault> {
    let received = cleared.opened().received();
    let precedence = cleared.urgency().highest();
    let wait = config
        .draft_life
        .get(&precedence)
        .copied()
        .unwrap_or_else(|| life(precedence));
    Ok(Draft {
        message: received.id(),
        submitted: received.at(),
        expires: at.saturating_add(wait).unwrap_or(Timestamp::MAX),
        precedence,
        drafter: cleared.originator().to_string(),
        marking: marking::marking(config.policy(), cleared.label(), Location::PageTop, None),
        label: label::ess::encode(cleared.label())
            .map_err(|error| Fault::new("write the label of a draft", error))?,
        attached: cleared
            .labels()
            .attached()
            .iter()
            .map(|label| {
                label::ess::encode(label)
                    .map_err(|error| Fault::new("write the label of a draft", error))
            })
            .collect::<Result<_, _>>()?,
        needs: standing.needs.clone(),
        alarmed: None,
        envelope: received.envelope().clone(),
        peer: received.peer().clone(),
        collected: Vec::new(),
    })
}

impl Draft {
    /// The message with every releasing signature so far, to go down the line again.
    ///
    /// # Errors
    /// A refusal when a signature cannot be put in.
    pub fn received(&self, submitted: &[u8]) -> Result<Received, Refusal> {
        let mut bytes = submitted.to_vec();
        for release in &self.collected {
            let certificates: Vec<Certificate> = release
                .certificates
                .iter()
                .map(|der| Certificate::from_der(der))
                .collect::<Result<_, _>>()
                .map_err(|error| Refusal::because(Reason::ReleaseInvalid, error.to_string()))?;
            bytes = approve(&bytes, release.signer, &release.signature, &certificates)?;
        }
        Received::new(
            self.message,
            self.submitted,
            self.peer.clone(),
            self.envelope.clone(),
            Arc::from(bytes),
        )
        .map_err(|error| Refusal::because(Reason::MessageMalformed, error.to_string()))
    }
}

/// The draft's octets with one more countersignature over its drafter's signature.
///
/// Takes the message as held, the countersigner's SignerInfo (DER), and the certificates it needs.
/// Nothing else of the message changes: signed parts, header fields and other signatures stay as
/// they are, octet for octet.
///
/// # Errors
/// A refusal when the message is not clear-signed, or the countersignature cannot be put in.
pub fn approve(
    message: &[u8],
    signer: usize,
    countersigner: &[u8],
    certificates: &[Certificate],
) -> Result<Vec<u8>, Refusal> {
    let invalid = |text: String| Refusal::because(Reason::ReleaseInvalid, text);
    let entity = Entity::parse(message, 0..message.len(), Limits::default())
        .map_err(|error| invalid(error.to_string()))?;
    let part = match entity.children.as_slice() {
        [_, signature] if entity.content_type.is("multipart", "signed") => signature,
        [] if entity.content_type.is("application", "pkcs7-mime") => &entity,
        _ => return Err(invalid("only a signed message can be countersigned".into())),
    };
    if part.encoding != Encoding::Base64 {
        return Err(invalid("the signature part is not base64".into()));
    }
    let cms = part
        .decoded(message)
        .map_err(|error| invalid(error.to_string()))?;
    let signed = countersign::add(&cms, signer, countersigner, certificates)
        .map_err(|error| invalid(error.to_string()))?;
    let mut out = message.get(..part.body.start).unwrap_or_default().to_vec();
    let mut body = Vec::new();
    mime::base64_lines(&signed, &mut body);
    // The CRLF before a boundary belongs to the boundary.
    if entity.children.is_empty() {
        out.extend_from_slice(&body);
    } else {
        out.extend_from_slice(body.strip_suffix(b"\r\n").unwrap_or(&body));
    }
    out.extend_from_slice(message.get(part.body.end..).unwrap_or_default());
    Ok(out)
}
