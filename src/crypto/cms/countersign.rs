//! Countersignatures of ours, put upon signatures of others.
//!
//! Duty: make a countersignature; insert it into a layer as it was received.
//! Promises: content, signed attributes, signatures, other unsigned attributes and certificates
//! keep their octets; only the lengths around them are written anew, in DER.
//! Refuses: a layer that is not SignedData, a signer that is not there.
//! Standards: RFC 5652 section 11.4; RFC 2634 section 1.3.4.

use thiserror::Error;

use crate::clock::Timestamp;
use crate::crypto::ber::{Element, Node, Tag, set_of};
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Identity;
use crate::crypto::provider;

use super::oid;
use super::read::{CmsError, CmsErrorKind, Limits, SignedParts, SignerInfo, SignerParts, members};
use super::rebuild::{self, Rebuilt};
use super::sign::{self, SignError, Signer};

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
    make_as(parent_signature, &Signer::new(identity, Vec::new()), at)
}

/// As [`make`], with a scheme and a name of the signer's choice. Its further attributes must be such
/// as may stand in a countersignature (RFC 2634 section 1.3.4).
pub fn make_as(
    parent_signature: &[u8],
    signer: &Signer<'_>,
    at: Timestamp,
) -> Result<Vec<u8>, SignError> {
    let digest = sign::digest_of(&signer.scheme)?;
    // RFC 5652 §11.4: messageDigest is over the contents of the signature OCTET STRING, and there
    // is no content-type.
    let digest = provider::default().digest(digest, &[parent_signature]);
    sign::signer_info(signer, &digest, at, signer.attributes.clone())
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
            rebuild::signer_info(&SignerParts::read(signer)?, None)?
        });
    }

    Ok(rebuild::layer(
        &parts,
        Rebuilt {
            signers: infos,
            certificates,
            ..Rebuilt::default()
        },
        &limits,
    )?)
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
    Ok(rebuild::signer_info(&parts, Some(attributes))?)
}

fn countersignature_attribute(values: Vec<Vec<u8>>) -> Vec<u8> {
    Node::sequence(vec![
        Node::oid(&oid::COUNTERSIGNATURE),
        set_of(Tag::SET, values),
    ])
    .to_vec()
}
