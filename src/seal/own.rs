//! Messages of the switch itself: notices to officers, reports to senders.
//!
//! Promises: made of our own words alone; never contains what another message said, beyond the
//! identifiers, addresses and header fields that its receiver already knows; what tells of a message
//! is signed by the domain, under the label of that message.

use std::sync::Arc;

use super::triple_wrap::{self, Asked};
use super::{Sealed, far_key, layers};
use crate::clock::{Timestamp, rfc5322_date};
use crate::config::{Config, Link, SealProfile};
use crate::crypto::cms::oid;
use crate::crypto::cms::sign::{self, Form, SignOrder, Signer};
use crate::crypto::ess;
use crate::decision::{Fault, Stop};
use crate::label::Label;
use crate::label::equivalence::{self, Direction};
use crate::label::ess as ess_label;
use crate::message::address::{Address, ReversePath};
use crate::message::header::{WriteError, Writer};
use crate::message::mime::multipart_signed;
use crate::message::service::Terms;
use crate::message::{MessageId, Precedence};
use crate::store::{Considered, Permitted};

/// What the switch has to say.
#[derive(Clone, Debug)]
pub struct OwnMessage {
    /// Whom it is for.
    pub to: Address,
    /// One line.
    pub subject: String,
    /// The fields that say what kind of message this is, such as Content-Type.
    pub fields: Vec<(String, String)>,
    /// Lines that end with CRLF.
    pub body: String,
    /// As urgent as the message that it is about.
    pub precedence: Precedence,
    /// The label that it is signed under, in DER and the domain's own policy; a notice that says
    /// nothing of a message has none.
    pub label: Option<Vec<u8>>,
    /// What its envelope asks for.
    pub terms: Terms,
}

/// Seals a message of the switch itself; nothing when no link leads to its receiver. Over a border
/// it is wrapped as everything else is, under the label that a relay may see.
///
/// # Errors
/// When it cannot be written or protected.
pub fn own(
    config: &Config,
    at: Timestamp,
    id: MessageId,
    message: OwnMessage,
) -> Result<Option<Sealed>, Stop> {
    let domain = message.to.domain().to_ascii_lowercase();
    let Some(link) = config
        .links
        .iter()
        .find(|link| link.domains.contains(&domain))
    else {
        return Ok(None);
    };
    let bytes = match &link.seal {
        // To our own people, who may have no certificate yet; it says nothing that needs one.
        SealProfile::AsReceived | SealProfile::Enveloped { .. } => {
            let from = config.postmaster.to_string();
            let head = head_fields(config, at, id, &message, from);
            match &message.label {
                Some(label) => signed(config, at, &head, &message, label)?,
                None => entity(&head, &message)?,
            }
        }
        SealProfile::TripleWrap {
            cipher,
            certificate,
            relay_label,
            header_protection,
            confidentiality,
            inner_encoding,
            rsa_signatures,
        } => {
            far_key::check(&link.trust, certificate, &link.name, at)?;
            // RFC 8550 §3: From is an address in the certificate of the domain signature
            let signer = config
                .keys
                .signer(at)?
                .certificate()
                .emails()
                .into_iter()
                .next();
            let from = signer.unwrap_or_else(|| config.postmaster.to_string());
            let inside = head_fields(config, at, id, &message, from);
            let outside = confidentiality.outside_all(&inside);
            let plain = entity(&[], &message)?;
            // What the far side calls the label of the message; where it has no name for it, what a
            // relay may see: a report abroad says nothing of the message but that there was one.
            let label = called_there(config, at, link, message.label.as_deref());
            let layered = triple_wrap::wrap(
                config,
                at,
                &plain,
                (&inside, &outside),
                label.as_ref().unwrap_or(relay_label),
                &Asked {
                    cipher: *cipher,
                    far: certificate,
                    relay_label,
                    dialect: *header_protection,
                    confidentiality: *confidentiality,
                    transfer: *inner_encoding,
                    padding: *rsa_signatures,
                },
            )?;
            layers::under(writer(&outside)?, layered)
        }
    };
    Ok(Some(Sealed {
        message: id,
        next_hop: link.name.clone(),
        from: ReversePath::Null,
        recipients: vec![message.to],
        bytes: Arc::from(bytes),
        precedence: message.precedence,
        judged_under: config.judged_under().to_owned(),
        permitted: Permitted::Own,
        terms: message.terms,
        grounds: Vec::new(),
        originator: None,
        considered: Considered::No,
        sics: Vec::new(),
    }))
}

/// A clear-signed message of our own, under a label.
fn signed(
    config: &Config,
    at: Timestamp,
    head: &[(String, String)],
    message: &OwnMessage,
    label: &[u8],
) -> Result<Vec<u8>, Stop> {
    // RFC 9788 §2.1: the signature covers the header fields, too
    let mut part = fields_of(head)?;
    for (name, value) in &message.fields {
        let value = match name.eq_ignore_ascii_case("Content-Type") {
            true => format!("{value}; hp=\"clear\""),
            false => value.clone(),
        };
        part.field(name, &value).map_err(unwritable)?;
    }
    let part = part.with_body(message.body.as_bytes());
    let attributes = [
        ess::security_label(label),
        ess::signature_type(&[ess::DOMAIN_SIGNATURE]),
    ];
    let signer = Signer::new(config.keys.signer(at)?, attributes.into());
    let micalg = signer.scheme.content_digest().micalg();
    let signature = sign::sign(&SignOrder {
        content: &part,
        content_type: oid::DATA,
        form: Form::Detached,
        signers: &[signer],
        signing_time: at,
        extra_certificates: &[],
    })
    .map_err(|error| Fault::new("sign a report", error))?;
    let mut whole = writer(head)?.finish();
    let entity = multipart_signed(&part, micalg, &signature)
        .map_err(|error| Fault::new("write a report", error))?;
    whole.extend_from_slice(&entity);
    Ok(whole)
}

/// A label in the words of a link's far side.
fn called_there(
    config: &Config,
    at: Timestamp,
    link: &Link,
    label: Option<&[u8]>,
) -> Option<Label> {
    let label = ess_label::decode(label?).ok()?;
    let own = config.policy();
    let Some(far) = link.policy.filter(|far| *far != own.oid()) else {
        return Some(label);
    };
    let far = config.policies.get(&far)?;
    equivalence::translate(own, far, &label, Direction::Outbound, at)
        .ok()
        .map(|translation| translation.label)
}

fn head_fields(
    config: &Config,
    at: Timestamp,
    id: MessageId,
    message: &OwnMessage,
    from: String,
) -> Vec<(String, String)> {
    [
        ("From", from),
        ("To", message.to.to_string()),
        ("Date", rfc5322_date(at)),
        ("Message-ID", format!("<{id}@{}>", config.name)),
        ("Subject", message.subject.clone()),
        // RFC 3834 §5: nobody answers it automatically
        ("Auto-Submitted", "auto-generated".to_owned()),
        (
            "MMHS-Primary-Precedence",
            message.precedence.number().to_string(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn fields_of(fields: &[(String, String)]) -> Result<Writer, Stop> {
    let mut head = Writer::new();
    for (name, value) in fields {
        head.field(name, value).map_err(unwritable)?;
    }
    Ok(head)
}

fn writer(fields: &[(String, String)]) -> Result<Writer, Stop> {
    let mut head = fields_of(fields)?;
    head.field("MIME-Version", "1.0").map_err(unwritable)?;
    Ok(head)
}

/// `fields`, the fields of the body, and the body.
fn entity(fields: &[(String, String)], message: &OwnMessage) -> Result<Vec<u8>, Stop> {
    let mut head = writer(fields)?;
    for (name, value) in &message.fields {
        head.field(name, value).map_err(unwritable)?;
    }
    Ok(head.with_body(message.body.as_bytes()))
}

/// Our own words that cannot be written are our own fault.
fn unwritable(error: WriteError) -> Stop {
    Fault::new("write a message of our own", error).into()
}
