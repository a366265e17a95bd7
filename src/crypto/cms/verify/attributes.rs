//! The rules about signed attributes, but for the signature over them.
//!
//! Standards: RFC 5652 sections 5.3, 5.6, 11; RFC 6211; RFC 8933; RFC 5035 section 2; RFC 2634
//! section 1.3.4.

use const_oid::ObjectIdentifier;

use crate::crypto::algorithm::Digest;
use crate::crypto::ber::{Reader, Tag};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::attribute::{self, Attribute};
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{self, AlgorithmIdentifier, Limits, SignerInfo};
use crate::crypto::ess::{self, SigningCertificate};
use crate::crypto::provider;

use super::said::is_readable;
use super::{ContentDigests, SignatureProblem};

/// Every rule about signed attributes but the signature over them.
pub(super) fn check(
    digests: &ContentDigests<'_>,
    limits: &Limits,
    signer: &SignerInfo<'_>,
    content_type: Option<&ObjectIdentifier>,
    digest: Option<Digest>,
    problems: &mut Vec<SignatureProblem>,
) {
    if signer.signed_attributes.is_none() {
        problems.push(SignatureProblem::WithoutSignedAttributes);
        // RFC 5652 §5.3: they must be there unless the content is id-data.
        if content_type.is_some_and(|content_type| *content_type != oid::DATA) {
            problems.push(SignatureProblem::Missing(oid::MESSAGE_DIGEST));
        }
        // The octets of signed attributes, offered as a content: the signature was made for
        // something else.
        if looks_like_attributes(digests.content, limits) {
            problems.push(SignatureProblem::ContentIsSignedAttributes);
        }
        return;
    }
    for (index, attribute) in signer.signed.iter().enumerate() {
        let earlier = signer.signed.iter().take(index);
        if earlier.clone().any(|other| other.oid == attribute.oid)
            && !problems.contains(&SignatureProblem::Repeated(attribute.oid))
        {
            problems.push(SignatureProblem::Repeated(attribute.oid));
        }
        // RFC 5652 §11, RFC 2634 §1.3.4: exactly one value.
        if attribute.values.len() != 1 && has_one_value(&attribute.oid) {
            problems.push(SignatureProblem::NotOneValue(attribute.oid));
        }
    }
    match content_type {
        // RFC 5652 §5.6
        Some(content_type) => match own_value(signer, &oid::CONTENT_TYPE, problems) {
            Some(value) if oid_is(value, content_type) => {}
            Some(_) => problems.push(SignatureProblem::ContentType),
            None => {}
        },
        // RFC 5652 §11.4: no content-type. RFC 2634 §1.3.4: only these others.
        None => problems.extend(
            signer
                .signed
                .iter()
                .filter(|attribute| !may_countersign(attribute))
                .map(|attribute| SignatureProblem::NotAllowed(attribute.oid)),
        ),
    }
    if let Some(value) = own_value(signer, &oid::MESSAGE_DIGEST, problems) {
        match (ess::read_octets(value), digest) {
            (Ok(expected), Some(digest)) => {
                if !digests.matches(digest, &expected) {
                    problems.push(SignatureProblem::ContentDigest);
                }
            }
            (Ok(_), None) => {}
            (Err(_), _) => problems.push(SignatureProblem::Malformed(oid::MESSAGE_DIGEST)),
        }
    }
    for attribute in &signer.signed {
        if attribute
            .only_value()
            .is_some_and(|value| !is_readable(&attribute.oid, value))
        {
            problems.push(SignatureProblem::Malformed(attribute.oid));
        }
    }
    if let Some(value) = value(signer, &oid::SIGNING_TIME)
        && attribute::read_time_value(value, limits.ber).is_none()
    {
        problems.push(SignatureProblem::Malformed(oid::SIGNING_TIME));
    }
    if let Some(value) = value(signer, &oid::ALGORITHM_PROTECTION)
        && !protects(value, signer, limits)
    {
        problems.push(SignatureProblem::AlgorithmProtection);
    }
}

/// The value of a signed attribute of which there is exactly one.
pub(super) fn value<'a>(signer: &SignerInfo<'a>, oid: &ObjectIdentifier) -> Option<&'a [u8]> {
    signer.signed_value(oid)
}

/// As [`value`], for an attribute that must be there.
fn own_value<'a>(
    signer: &SignerInfo<'a>,
    oid: &ObjectIdentifier,
    problems: &mut Vec<SignatureProblem>,
) -> Option<&'a [u8]> {
    if signer.signed_of(oid).next().is_none() {
        problems.push(SignatureProblem::Missing(*oid));
    }
    // Repeated, or of several values: reported by the walk over all attributes.
    value(signer, oid)
}

fn oid_is(value: &[u8], expected: &ObjectIdentifier) -> bool {
    let mut reader = Reader::new(value, Default::default());
    reader.oid().is_ok_and(|oid| oid == *expected) && reader.finish().is_ok()
}

fn has_one_value(oid: &ObjectIdentifier) -> bool {
    [
        oid::CONTENT_TYPE,
        oid::MESSAGE_DIGEST,
        oid::SIGNING_TIME,
        oid::ALGORITHM_PROTECTION,
        ess::RECEIPT_REQUEST,
        ess::SECURITY_LABEL,
        ess::ML_EXPANSION_HISTORY,
        ess::CONTENT_HINTS,
        ess::MESSAGE_SIGNATURE_DIGEST,
        ess::CONTENT_IDENTIFIER,
        ess::EQUIVALENT_LABELS,
        ess::CONTENT_REFERENCE,
        ess::SIGNING_CERTIFICATE,
        ess::SIGNING_CERTIFICATE_V2,
        // RFC 8551 §2.5.2, §2.5.3
        ess::SMIME_CAPABILITIES,
        ess::ENCRYPTION_KEY_PREFERENCE,
    ]
    .contains(oid)
}

// RFC 2634 §1.3.4; the algorithm protection of RFC 6211 is younger than that list, and harmless.
fn may_countersign(attribute: &Attribute<'_>) -> bool {
    [
        oid::MESSAGE_DIGEST,
        oid::SIGNING_TIME,
        oid::ALGORITHM_PROTECTION,
        ess::SIGNING_CERTIFICATE,
        ess::SIGNING_CERTIFICATE_V2,
    ]
    .contains(&attribute.oid)
}

/// Whether CMSAlgorithmProtection names the algorithms that the SignerInfo names.
fn protects(value: &[u8], signer: &SignerInfo<'_>, limits: &Limits) -> bool {
    // RFC 6211 §2: digestAlgorithm, then [1] IMPLICIT signatureAlgorithm; no MAC with a signature.
    let read = || {
        let mut fields = ess::value_reader(value, Tag::SEQUENCE)?;
        let digest = AlgorithmIdentifier::read(&fields.expect(Tag::SEQUENCE)?)?;
        let signature = fields.expect(Tag::context_constructed(1))?;
        fields.finish()?;
        let mut untagged = signature.to_der()?.into_owned();
        if let Some(first) = untagged.first_mut() {
            *first = Tag::SEQUENCE.0;
        }
        let signature_is_same = AlgorithmIdentifier::parse(&untagged, limits.ber)?
            .means_same(&signer.signature_algorithm);
        Ok::<_, crate::crypto::ber::BerError>(
            digest.means_same(&signer.digest_algorithm) && signature_is_same,
        )
    };
    read().unwrap_or(false)
}

/// What the signing-certificate attributes say against this certificate. Both versions may be
/// there, and each is judged by itself.
pub(super) fn bound_to(
    signer: &SignerInfo<'_>,
    certificate: &Certificate,
) -> Vec<SignatureProblem> {
    let mut problems = Vec::new();
    let mut judge = |attribute: ObjectIdentifier, read: fn(&[u8]) -> Result<_, _>| {
        let Some(value) = value(signer, &attribute) else {
            return;
        };
        match read(value) {
            Ok(named) if names(&named, certificate) => {}
            Ok(_) => problems.push(SignatureProblem::SigningCertificate),
            Err(_) => problems.push(SignatureProblem::Malformed(attribute)),
        }
    };
    judge(ess::SIGNING_CERTIFICATE, SigningCertificate::read_v1);
    judge(ess::SIGNING_CERTIFICATE_V2, SigningCertificate::read_v2);
    problems
}

// RFC 5035 §2: the first entry is the signer's certificate.
fn names(named: &SigningCertificate, certificate: &Certificate) -> bool {
    let Some(first) = named.certificates.first() else {
        return false;
    };
    let Some(digest) = Digest::from_oid(&first.algorithm) else {
        return false;
    };
    let hash = provider::default().digest(digest, &[certificate.der()]);
    let serial_fits = first
        .issuer_and_serial
        .as_ref()
        .is_none_or(|(issuer, serial)| {
            issuer == certificate.issuer_der() && serial == certificate.serial_bytes()
        });
    hash == first.hash && serial_fits
}

fn looks_like_attributes(content: &[u8], limits: &Limits) -> bool {
    let read = || {
        let mut reader = Reader::new(content, limits.ber);
        let set = reader.expect(Tag::SET).ok()?;
        reader.finish().ok()?;
        read::attributes(&set, limits).ok()
    };
    read().is_some_and(|attributes| {
        attributes
            .iter()
            .any(|attribute| attribute.oid == oid::MESSAGE_DIGEST)
    })
}
