//! Countersignatures of ours, put upon signatures of others.
//!
//! Duty: make a countersignature; insert it into a layer as it was received.
//! Promises: content, signed attributes, signatures, other unsigned attributes and certificates
//! keep their octets; only the lengths around them are written anew, in DER.
//! Refuses: a layer that is not SignedData, a signer that is not there.
//! Standards: RFC 5652 section 11.4; RFC 2634 section 1.3.4.

use std::borrow::Cow;

use thiserror::Error;

use crate::clock::Timestamp;
use crate::crypto::ber::{Element, Node, Reader, Tag, set_of};
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Identity;
use crate::crypto::provider;

use super::oid;
use super::read::{CmsError, CmsErrorKind, Limits, SignedParts, SignerInfo, SignerParts, members};
use super::sign::{self, SignError};

/// Why a countersignature was not inserted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CountersignError {
    /// The layer cannot be read.
    #[error("the signed layer cannot be read")]
    Layer(#[source] CmsError),
    /// The countersignature cannot be read.
    #[error("the countersignature cannot be read")]
    Countersignature(#[source] CmsError),
    /// The path leads to no signature.
    #[error("there is no signature at that place of the layer")]
    NoSuchSignature,
}

impl From<CmsError> for CountersignError {
    fn from(error: CmsError) -> Self {
        Self::Layer(error)
    }
}

impl From<crate::crypto::ber::BerError> for CountersignError {
    fn from(error: crate::crypto::ber::BerError) -> Self {
        Self::Layer(error.into())
    }
}

/// A SignerInfo, in DER, that signs this signature. Verify the signature first (RFC 5652 §14).
pub fn make(
    parent_signature: &[u8],
    identity: &Identity,
    at: Timestamp,
) -> Result<Vec<u8>, SignError> {
    let scheme = identity.default_scheme();
    let digest = sign::digest_of(&scheme)?;
    // RFC 5652 §11.4: messageDigest is over the contents of the signature OCTET STRING, and there
    // is no content-type.
    let digest = provider::default().digest(digest, &[parent_signature]);
    sign::signer_info(identity, &scheme, &digest, at, Vec::new())
}

/// The layer with this countersignature upon the signature of signer `signer_index`, and with these
/// certificates in it.
pub fn add(
    cms: &[u8],
    signer_index: usize,
    countersignature: &[u8],
    certificates: &[Certificate],
) -> Result<Vec<u8>, CountersignError> {
    add_at(cms, &[signer_index], countersignature, certificates)
}

/// As [`add`], upon the signature at `path`: the index of the signer, then that of the
/// countersignature upon it, and so on, in the order in which `read` and `verify` list them now.
pub fn add_at(
    cms: &[u8],
    path: &[usize],
    countersignature: &[u8],
    certificates: &[Certificate],
) -> Result<Vec<u8>, CountersignError> {
    let limits = Limits::default();
    SignerInfo::parse(countersignature, &limits).map_err(CountersignError::Countersignature)?;
    let (signer_index, inner) = path
        .split_first()
        .ok_or(CountersignError::NoSuchSignature)?;
    if path.len() > limits.countersignature_depth {
        return Err(CountersignError::NoSuchSignature);
    }
    let parts = SignedParts::parse(cms, &limits)?;
    let signers = members(&parts.signers, limits.signers, "signers")?;
    let chosen = signers.get(*signer_index).ok_or(CmsError {
        kind: CmsErrorKind::NoSuchSigner(*signer_index),
        position: parts.signers.position(),
    })?;
    let changed = with_countersignature(chosen, inner, countersignature, &limits)?;
    let mut infos = Vec::with_capacity(signers.len());
    for (index, signer) in signers.iter().enumerate() {
        infos.push(if index == *signer_index {
            changed.clone()
        } else {
            lay_out(&SignerParts::read(signer)?, None)?
        });
    }

    let mut fields = vec![
        Node::from(parts.version.to_der()?),
        Node::from(parts.digest_algorithms.to_der()?),
    ];
    let content = encapsulated(&parts.encapsulated)?;
    fields.push(match &content {
        (content_type, None) => Node::sequence(vec![Node::encoded(content_type)]),
        (content_type, Some(content)) => Node::sequence(vec![
            Node::encoded(content_type),
            Node::explicit(0, Node::octet_string(content.as_ref())),
        ]),
    });
    let bag = bag(parts.certificates.as_ref(), certificates, &limits)?;
    if !bag.is_empty() {
        fields.push(set_of(Tag::context_constructed(0), bag));
    }
    if let Some(revocation) = &parts.revocation {
        let lists = members(revocation, limits.revocation_lists, "revocation lists")?;
        fields.push(Node::tagged(
            revocation.tag(),
            lists
                .iter()
                .map(|list| Node::encoded(list.whole()))
                .collect(),
        ));
    }
    fields.push(set_of(Tag::SET, infos));
    Ok(sign::content_info(&oid::SIGNED_DATA, Node::sequence(fields)).to_vec())
}

/// The SignerInfo with the countersignature upon it, or upon the one at `path` below it.
fn with_countersignature(
    signer: &Element<'_>,
    path: &[usize],
    countersignature: &[u8],
    limits: &Limits,
) -> Result<Vec<u8>, CountersignError> {
    let parts = SignerParts::read(signer)?;
    let mut attributes: Vec<Vec<u8>> = Vec::new();
    // How many countersignatures were passed, and whether the new one has found its place.
    let mut passed = 0_usize;
    let mut placed = false;
    if let Some(unsigned) = &parts.unsigned {
        for attribute in members(unsigned, limits.attributes, "attributes")? {
            let mut fields = attribute.reader()?;
            if fields.oid()? != oid::COUNTERSIGNATURE {
                attributes.push(attribute.whole().to_vec());
                continue;
            }
            let holder = fields.expect(Tag::SET)?;
            let mut values: Vec<Vec<u8>> = Vec::new();
            for value in members(&holder, limits.attribute_values, "countersignatures")? {
                values.push(match path.split_first() {
                    Some((index, inner)) if *index == passed => {
                        placed = true;
                        with_countersignature(&value, inner, countersignature, limits)?
                    }
                    _ => value.whole().to_vec(),
                });
                passed = passed.saturating_add(1);
            }
            if path.is_empty() && !placed {
                placed = true;
                values.push(countersignature.to_vec());
            }
            attributes.push(countersignature_attribute(values));
        }
    }
    match (placed, path) {
        (true, _) => {}
        (false, []) => attributes.push(countersignature_attribute(vec![countersignature.to_vec()])),
        (false, _) => return Err(CountersignError::NoSuchSignature),
    }
    lay_out(&parts, Some(attributes))
}

fn countersignature_attribute(values: Vec<Vec<u8>>) -> Vec<u8> {
    Node::sequence(vec![
        Node::oid(&oid::COUNTERSIGNATURE),
        set_of(Tag::SET, values),
    ])
    .to_vec()
}

/// A SignerInfo of the fields received, with these unsigned attributes, or with its own.
fn lay_out(
    parts: &SignerParts<'_>,
    unsigned: Option<Vec<Vec<u8>>>,
) -> Result<Vec<u8>, CountersignError> {
    let mut fields = vec![
        Node::from(parts.version.to_der()?),
        Node::encoded(parts.sid.whole()),
        Node::encoded(parts.digest_algorithm.whole()),
    ];
    // The octets that were signed stay as they are, whatever their form.
    if let Some(signed) = &parts.signed {
        fields.push(Node::encoded(signed.whole()));
    }
    fields.push(Node::encoded(parts.signature_algorithm.whole()));
    fields.push(Node::octet_string(parts.signature.octets()?));
    match (unsigned, &parts.unsigned) {
        (Some(attributes), _) => fields.push(set_of(Tag::context_constructed(1), attributes)),
        (None, Some(received)) => fields.push(Node::encoded(received.whole())),
        (None, None) => {}
    }
    Ok(Node::sequence(fields).to_vec())
}

/// eContentType, one whole element, and eContent.
type Encapsulated<'a> = (&'a [u8], Option<Cow<'a, [u8]>>);

fn encapsulated<'a>(element: &Element<'a>) -> Result<Encapsulated<'a>, CountersignError> {
    let mut fields: Reader<'a> = element.reader()?;
    let content_type = fields.expect(Tag::OID)?.whole();
    let content = match fields.optional(Tag::context_constructed(0))? {
        Some(explicit) => Some(explicit.only()?.octets()?),
        None => None,
    };
    Ok((content_type, content))
}

/// The certificates received, and of the others those that are not among them.
fn bag(
    received: Option<&Element<'_>>,
    others: &[Certificate],
    limits: &Limits,
) -> Result<Vec<Vec<u8>>, CountersignError> {
    let mut bag: Vec<Vec<u8>> = match received {
        Some(received) => members(received, limits.certificates, "certificates")?
            .iter()
            .map(|member| member.whole().to_vec())
            .collect(),
        None => Vec::new(),
    };
    for certificate in others {
        if !bag.iter().any(|member| member == certificate.der()) {
            bag.push(certificate.der().to_vec());
        }
    }
    Ok(bag)
}
