//! One more signer beside those of a layer as it was received.
//!
//! Duty: a parallel SignerInfo over the same content.
//! Promises: the SignerInfos that are there keep their octets; what all signers must say alike
//! (label, mail-list history, signature type) is copied from them.
//! Refuses: an attribute that would differ from that of the others; a layer without content where
//! none is given beside it.
//! Standards: RFC 5652 section 5.1; RFC 2634 sections 1.3.4, 1.4, 2.2; RFC 3183 section 3.1.2.

use const_oid::ObjectIdentifier;

use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::ess;
use crate::crypto::provider;

use super::attribute::AttributeDer;
use super::read::{
    CmsError, CmsErrorKind, ContentInfo, Limits, SignedData, SignedParts, SignerParts, members,
    parse,
};
use super::rebuild::{self, Rebuilt};
use super::sign::{self, SignError, Signer, SignerName};

/// What every SignerInfo of one layer carries alike, or none of them.
const ALIKE: [ObjectIdentifier; 3] = [
    ess::SECURITY_LABEL,
    ess::ML_EXPANSION_HISTORY,
    ess::SIGNATURE_TYPE,
];

/// The layer `cms` with one more signer. `detached` is the content when it is not in the layer;
/// `certificates` come along beside the signer's own and its chain. Verify the others first: their
/// attributes are copied.
///
/// # Errors
/// When the layer is not SignedData, has not exactly one content, or an attribute of the new signer
/// contradicts the others.
pub fn add_signer(
    cms: &[u8],
    detached: Option<&[u8]>,
    signer: &Signer<'_>,
    at: Timestamp,
    certificates: &[Certificate],
) -> Result<Vec<u8>, SignError> {
    let limits = Limits::default();
    let ContentInfo::Signed(signed) = parse(cms, &limits)? else {
        return Err(SignError::Layer(CmsError {
            kind: CmsErrorKind::WrongType("SignedData"),
            position: 0,
        }));
    };
    let content = match (&signed.content, detached) {
        (Some(content), None) => content.as_ref(),
        (None, Some(content)) => content,
        (None, None) | (Some(_), Some(_)) => return Err(SignError::NotOneContent),
    };
    let digest = sign::digest_of(&signer.scheme)?;
    let mut attributes = vec![AttributeDer::content_type(&signed.content_type)];
    attributes.extend(attributes_beside(&signed, &signer.attributes)?);
    let info = sign::signer_info(
        signer,
        &provider::default().digest(digest, &[content]),
        at,
        attributes,
    )?;

    let parts = SignedParts::parse(cms, &limits)?;
    let mut signers = vec![info];
    for other in members(&parts.signers, limits.signers, "signers")? {
        signers.push(rebuild::signer_info(&SignerParts::read(&other)?, None)?);
    }
    if signers.len() > limits.signers {
        return Err(SignError::Layer(CmsError {
            kind: CmsErrorKind::TooMany("signers"),
            position: 0,
        }));
    }
    let listed = signed
        .digest_algorithms
        .iter()
        .any(|algorithm| algorithm.oid == digest.oid());
    let mut bag = vec![signer.identity.certificate().clone()];
    bag.extend(signer.identity.chain().iter().cloned());
    bag.extend(certificates.iter().cloned());
    let rebuilt = Rebuilt {
        // RFC 5652 §5.1: at least 3 when a SignerInfo has version 3.
        version: match (
            signer.name,
            parts.version.unsigned().map_err(CmsError::from)?,
        ) {
            (SignerName::SubjectKeyIdentifier, version) if version < 3 => Some(3),
            _ => None,
        },
        digest_algorithms: match listed {
            true => Vec::new(),
            false => vec![digest.algorithm_der()],
        },
        signers,
        certificates: &bag,
    };
    Ok(rebuild::layer(&parts, rebuilt, &limits)?)
}

/// The new signer's attributes, and beside them those that it must have because the others do.
fn attributes_beside(
    signed: &SignedData<'_>,
    own: &[AttributeDer],
) -> Result<Vec<AttributeDer>, SignError> {
    let mut attributes = own.to_vec();
    for oid in ALIKE {
        let mut others = signed.signers.iter().map(|other| other.signed_value(&oid));
        let Some(first) = others.next() else { continue };
        if others.any(|other| other != first) {
            return Err(SignError::Differs(oid));
        }
        let first = first.map(|value| AttributeDer::from_value(oid, value));
        let mine = own.iter().find(|attribute| attribute.oid() == oid);
        match (&first, mine) {
            (Some(theirs), None) => attributes.push(theirs.clone()),
            (theirs, Some(mine)) if theirs.as_ref() != Some(mine) => {
                return Err(SignError::Differs(oid));
            }
            _ => {}
        }
    }
    // RFC 2634 §2.2: the requests of one layer are the same; a signer may have none.
    let request = own.iter().find(|a| a.oid() == ess::RECEIPT_REQUEST);
    if let Some(request) = request {
        let differs = signed
            .signers
            .iter()
            .filter_map(|other| other.signed_value(&ess::RECEIPT_REQUEST))
            .any(|other| AttributeDer::from_value(ess::RECEIPT_REQUEST, other) != *request);
        if differs {
            return Err(SignError::Differs(ess::RECEIPT_REQUEST));
        }
    }
    Ok(attributes)
}
