//! A signed layer as it was received, laid out anew around more signatures.
//!
//! Promises: content, signed attributes, signatures, other unsigned attributes and certificates
//! keep their octets; only the lengths around them are written anew, in DER.
//! Standards: RFC 5652 sections 5.1, 5.3; X.690 section 10.

use std::borrow::Cow;

use crate::crypto::ber::{Element, Node, Reader, Tag, set_of};
use crate::crypto::certificate::Certificate;

use super::oid;
use super::read::{CmsError, Limits, SignedParts, SignerParts, members};
use super::sign::content_info;

/// What is not as it was received.
#[derive(Default)]
pub(super) struct Rebuilt<'a> {
    /// Another version, if it changes.
    pub(super) version: Option<u64>,
    /// Digest algorithms beside those received, each one DER element.
    pub(super) digest_algorithms: Vec<Vec<u8>>,
    /// Every SignerInfo of the new layer.
    pub(super) signers: Vec<Vec<u8>>,
    /// Certificates beside those received.
    pub(super) certificates: &'a [Certificate],
}

/// The ContentInfo around `parts` with these changes, in DER.
pub(super) fn layer(
    parts: &SignedParts<'_>,
    rebuilt: Rebuilt<'_>,
    limits: &Limits,
) -> Result<Vec<u8>, CmsError> {
    let mut fields = vec![match rebuilt.version {
        Some(version) => Node::unsigned(version),
        None => Node::from(parts.version.to_der()?),
    }];
    fields.push(if rebuilt.digest_algorithms.is_empty() {
        Node::from(parts.digest_algorithms.to_der()?)
    } else {
        let mut all = rebuilt.digest_algorithms;
        for member in members(
            &parts.digest_algorithms,
            limits.digest_algorithms,
            "digest algorithms",
        )? {
            all.push(member.to_der()?.into_owned());
        }
        set_of(Tag::SET, all)
    });
    let content = encapsulated(&parts.encapsulated)?;
    fields.push(match &content {
        (content_type, None) => Node::sequence(vec![Node::encoded(content_type)]),
        (content_type, Some(content)) => Node::sequence(vec![
            Node::encoded(content_type),
            Node::explicit(0, Node::octet_string(content.as_ref())),
        ]),
    });
    let bag = bag(parts.certificates.as_ref(), rebuilt.certificates, limits)?;
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
    fields.push(set_of(Tag::SET, rebuilt.signers));
    Ok(content_info(&oid::SIGNED_DATA, Node::sequence(fields)).to_vec())
}

/// A SignerInfo of the fields received, with these unsigned attributes, or with its own.
pub(super) fn signer_info(
    parts: &SignerParts<'_>,
    unsigned: Option<Vec<Vec<u8>>>,
) -> Result<Vec<u8>, CmsError> {
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

fn encapsulated<'a>(element: &Element<'a>) -> Result<Encapsulated<'a>, CmsError> {
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
) -> Result<Vec<Vec<u8>>, CmsError> {
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
