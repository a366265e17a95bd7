//! Whether signatures are good: one report for each signer and countersigner.
//!
//! Duty: attributes, digests, bindings and signatures. Whether a signer's certificate is trusted is
//! for `crypto::trust`.
//! Promises: signed attributes are verified over the octets received; only if these fail, over
//! their DER form, and then the report says so. Every signer gets a report, whatever the others'
//! say. What a report tells of attributes is worth nothing unless [`SignerReport::is_good`].
//! Refuses: attributes that are missing, repeated or of several values; digests, algorithms or
//! certificates other than those the signature binds; content-type in a countersignature.
//! Standards: RFC 5652 sections 5.4, 5.6, 11; RFC 6211; RFC 8933; RFC 5035 section 2;
//! RFC 2634 section 1.3.4.

mod attributes;
mod consistency;
mod problem;
mod said;

use std::cell::{Cell, RefCell};

use const_oid::ObjectIdentifier;

use crate::clock::Timestamp;
use crate::crypto::algorithm::{Digest, SignatureScheme};
use crate::crypto::certificate::{Certificate, PublicKey};
use crate::crypto::ess;
use crate::crypto::provider;
use crate::crypto::rust_crypto::verifies_historic;

use super::attribute;
pub use super::identify::SignerName;
use super::oid;
use super::read::{Limits, SignedData, SignerInfo};

use attributes::{bound_to, value};

pub use consistency::{Inconsistency, inconsistencies};
pub use problem::SignatureProblem;

/// Certificates that are tried for one signer, when several have its key identifier.
const MOST_CANDIDATES: usize = 8;

/// What is known of one signer or countersigner.
#[derive(Clone, Debug)]
pub struct SignerReport {
    /// Whom the SignerInfo names, for people.
    pub identifier: SignerName,
    /// The signer's certificate, if it was among those given.
    pub certificate: Option<Certificate>,
    /// Other certificates at hand under which it verifies as well: the same key, certified again.
    /// When the first one is not trusted, one of these may be.
    pub further_certificates: Vec<Certificate>,
    /// The digest algorithm, if known.
    pub digest: Option<Digest>,
    /// The signature scheme, if known.
    pub scheme: Option<SignatureScheme>,
    /// Everything that is wrong or weak.
    pub problems: Vec<SignatureProblem>,
    /// signingTime: the signer's own word.
    pub signing_time: Option<Timestamp>,
    /// The security label, one whole element as received.
    pub label_der: Option<Vec<u8>>,
    /// The value of equivalentLabels as received.
    pub equivalent_labels_der: Option<Vec<u8>>,
    /// The receipt request, one whole element as received.
    pub receipt_request_der: Option<Vec<u8>>,
    /// What the signature is for (RFC 3183); empty when it does not say.
    pub signature_types: Vec<ObjectIdentifier>,
    /// Every signed attribute's type, in the order received.
    pub signed_attribute_types: Vec<ObjectIdentifier>,
    /// The signed attributes of which there is exactly one with exactly one value: type, and value
    /// as received. `said` reads the known ones.
    pub signed_values: Vec<(ObjectIdentifier, Vec<u8>)>,
    /// The digest over the signed attributes, by [`SignerReport::digest`]: what a signed receipt
    /// will quote (RFC 2634 section 2.4).
    pub message_signature_digest: Option<Vec<u8>>,
    /// The signature: what a countersignature or a receipt is about.
    pub signature: Vec<u8>,
    /// Those who signed this signature.
    pub countersigners: Vec<SignerReport>,
}

impl SignerReport {
    /// Whether the signature is cryptographically good: nothing is broken, though it may be weak.
    /// Says nothing of countersigners, and nothing of trust in the certificate.
    pub fn is_good(&self) -> bool {
        self.certificate.is_some() && !self.problems.iter().any(SignatureProblem::breaks)
    }

    /// Problems that leave the signature good, but that a policy may refuse.
    pub fn weaknesses(&self) -> impl Iterator<Item = &SignatureProblem> {
        self.problems.iter().filter(|problem| !problem.breaks())
    }
}

/// The reports for all signers of a layer: none when nobody has signed. `detached` is the content
/// when it is not in the layer; `certificates` are those in the layer and any others at hand.
pub fn verify(
    signed: &SignedData<'_>,
    detached: Option<&[u8]>,
    certificates: &[Certificate],
) -> Vec<SignerReport> {
    let content = match (&signed.content, detached) {
        (Some(content), None) => Some(content.as_ref()),
        (None, Some(content)) => Some(content),
        // Two contents: the signature is over one, and nobody can tell which one is meant.
        (None, None) | (Some(_), Some(_)) => None,
    };
    let digests = ContentDigests::new(content.unwrap_or_default());
    signed
        .signers
        .iter()
        .map(|signer| {
            let mut report = report(signer, Some(&signed.content_type), &digests, certificates);
            if content.is_none() {
                report.problems.push(SignatureProblem::NotOneContent);
            }
            report
        })
        .collect()
}

/// The report for one signer.
pub fn verify_signer(
    signer: &SignerInfo<'_>,
    content_type: &ObjectIdentifier,
    content: &[u8],
    certificates: &[Certificate],
) -> SignerReport {
    let digests = ContentDigests::new(content);
    report(signer, Some(content_type), &digests, certificates)
}

/// The report for one countersignature, a whole SignerInfo upon this signature.
pub fn verify_countersignature(
    countersignature: &SignerInfo<'_>,
    parent_signature: &[u8],
    certificates: &[Certificate],
) -> SignerReport {
    let digests = ContentDigests::new(parent_signature);
    report(countersignature, None, &digests, certificates)
}

/// The certificates in a layer that can be read. The others are passed over: who signed with one of
/// them has no certificate here.
pub fn certificates(signed: &SignedData<'_>) -> Vec<Certificate> {
    signed
        .certificates
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect()
}

fn report(
    signer: &SignerInfo<'_>,
    content_type: Option<&ObjectIdentifier>,
    digests: &ContentDigests<'_>,
    certificates: &[Certificate],
) -> SignerReport {
    let limits = Limits::default();
    let verification = Verification {
        digests,
        certificates,
        limits,
        countersignatures_left: &Cell::new(limits.countersignatures),
    };
    verification.signer(signer, content_type, 0)
}

/// Digests of one content, each computed once however many signers there are.
struct ContentDigests<'a> {
    content: &'a [u8],
    known: RefCell<Vec<(Digest, Vec<u8>)>>,
}

impl<'a> ContentDigests<'a> {
    fn new(content: &'a [u8]) -> Self {
        Self {
            content,
            known: RefCell::new(Vec::new()),
        }
    }

    fn matches(&self, digest: Digest, expected: &[u8]) -> bool {
        let mut known = self.known.borrow_mut();
        if let Some((_, value)) = known.iter().find(|(of, _)| *of == digest) {
            return value == expected;
        }
        let value = provider::default().digest(digest, &[self.content]);
        let same = value == expected;
        known.push((digest, value));
        same
    }
}

/// One signer of a layer, with all that countersigned it.
struct Verification<'a> {
    digests: &'a ContentDigests<'a>,
    certificates: &'a [Certificate],
    limits: Limits,
    /// How many more will be looked at, over all levels.
    countersignatures_left: &'a Cell<usize>,
}

impl Verification<'_> {
    /// `content_type` is none for a countersignature.
    fn signer(
        &self,
        signer: &SignerInfo<'_>,
        content_type: Option<&ObjectIdentifier>,
        depth: usize,
    ) -> SignerReport {
        let mut problems = Vec::new();
        let (digest, scheme) = algorithms(signer, &mut problems);
        // RFC 5652 §5.3: 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
        let version = match signer.sid {
            super::read::CertificateIdentifier::IssuerAndSerial { .. } => 1,
            super::read::CertificateIdentifier::SubjectKeyId(_) => 3,
        };
        if signer.version != version {
            problems.push(SignatureProblem::Version);
        }
        attributes::check(
            self.digests,
            &self.limits,
            signer,
            content_type,
            digest,
            &mut problems,
        );

        let mut report = SignerReport {
            identifier: SignerName::from(&signer.sid),
            certificate: None,
            further_certificates: Vec::new(),
            digest,
            scheme,
            problems,
            signing_time: value(signer, &oid::SIGNING_TIME)
                .and_then(|der| attribute::read_time_value(der, self.limits.ber)),
            label_der: value(signer, &ess::SECURITY_LABEL).map(<[u8]>::to_vec),
            equivalent_labels_der: value(signer, &ess::EQUIVALENT_LABELS).map(<[u8]>::to_vec),
            receipt_request_der: value(signer, &ess::RECEIPT_REQUEST).map(<[u8]>::to_vec),
            signature_types: signature_types(signer),
            signed_attribute_types: signer.signed.iter().map(|a| a.oid).collect(),
            signed_values: signer
                .signed
                .iter()
                .filter_map(|a| Some((a.oid, value(signer, &a.oid)?.to_vec())))
                .collect(),
            message_signature_digest: None,
            signature: signer.signature.to_vec(),
            countersigners: Vec::new(),
        };
        if let (Some(digest), Some(scheme)) = (digest, scheme) {
            self.signature(signer, digest, &scheme, &mut report);
        }
        report.countersigners = self.countersigners(signer, depth);
        report
    }

    /// Finds the certificate under which the signature verifies, and what it binds itself to.
    fn signature(
        &self,
        signer: &SignerInfo<'_>,
        digest: Digest,
        scheme: &SignatureScheme,
        report: &mut SignerReport,
    ) {
        let provider = provider::default();
        let received = signer.signed_octets();
        let message = received.as_deref().unwrap_or(self.digests.content);
        let candidates = || {
            self.certificates
                .iter()
                .filter(|certificate| signer.sid.matches(certificate))
                .take(MOST_CANDIDATES)
        };
        let verifies = |certificate: &&Certificate, message: &[u8]| {
            provider
                .verify(certificate.spki_der(), scheme, message, &signer.signature)
                .is_ok()
                || verifies_historic(certificate.public_key(), scheme, message, &signer.signature)
        };
        let mut signed_octets = message;
        let sorted;
        let mut found: Vec<&Certificate> = candidates()
            .filter(|certificate| verifies(certificate, message))
            .collect();
        // RFC 5652 §5.4: what is signed is the DER encoding. When what arrived is not DER, somebody
        // on the way, or the signer, encoded it otherwise.
        if found.is_empty()
            && let Some(received) = &received
        {
            sorted = signer.signed_octets_sorted().unwrap_or_default();
            if sorted != *received {
                found = candidates()
                    .filter(|certificate| verifies(certificate, &sorted))
                    .collect();
                if !found.is_empty() {
                    report.problems.push(SignatureProblem::AttributesNotDer);
                    signed_octets = &sorted;
                }
            }
        }
        // RFC 5035 §2: another certificate with the same key may be the one that is meant.
        let found: Vec<_> = found
            .into_iter()
            .map(|certificate| (certificate, bound_to(signer, certificate)))
            .collect();
        let chosen = found
            .iter()
            .find(|(_, problems)| problems.is_empty())
            .or(found.first());
        match chosen {
            Some((certificate, problems)) => {
                report.problems.extend(problems.iter().cloned());
                report.certificate = Some(Certificate::clone(certificate));
                report.further_certificates = found
                    .iter()
                    .filter(|(other, problems)| other != certificate && problems.is_empty())
                    .map(|(other, _)| Certificate::clone(other))
                    .collect();
            }
            None => {
                let named = candidates().next().cloned();
                report.problems.push(match named {
                    Some(_) => SignatureProblem::Signature,
                    None => SignatureProblem::NoCertificate,
                });
                report.certificate = named;
            }
        }
        if let Some(certificate) = &report.certificate {
            report.problems.extend(weak_key(certificate));
        }
        if received.is_some() {
            report.message_signature_digest = Some(provider.digest(digest, &[signed_octets]));
        }
    }

    fn countersigners(&self, signer: &SignerInfo<'_>, depth: usize) -> Vec<SignerReport> {
        let mut reports = Vec::new();
        let digests = ContentDigests::new(&signer.signature);
        let inner = Verification {
            digests: &digests,
            ..*self
        };
        for raw in signer.countersignatures() {
            let left = self.countersignatures_left.get();
            if depth >= self.limits.countersignature_depth || left == 0 {
                reports.push(unread(SignatureProblem::TooManyCountersignatures));
                break;
            }
            self.countersignatures_left.set(left.saturating_sub(1));
            reports.push(match SignerInfo::parse(raw, &self.limits) {
                Ok(countersigner) => inner.signer(&countersigner, None, depth.saturating_add(1)),
                Err(_) => unread(SignatureProblem::Malformed(oid::COUNTERSIGNATURE)),
            });
        }
        reports
    }
}

/// The report for a countersignature that was not looked into.
fn unread(problem: SignatureProblem) -> SignerReport {
    SignerReport {
        identifier: SignerName::Unread,
        certificate: None,
        further_certificates: Vec::new(),
        digest: None,
        scheme: None,
        problems: vec![problem],
        signing_time: None,
        label_der: None,
        equivalent_labels_der: None,
        receipt_request_der: None,
        signature_types: Vec::new(),
        signed_attribute_types: Vec::new(),
        signed_values: Vec::new(),
        message_signature_digest: None,
        signature: Vec::new(),
        countersigners: Vec::new(),
    }
}

fn algorithms(
    signer: &SignerInfo<'_>,
    problems: &mut Vec<SignatureProblem>,
) -> (Option<Digest>, Option<SignatureScheme>) {
    let digest = signer
        .digest_algorithm
        .to_spki()
        .and_then(|algorithm| Digest::from_algorithm(&algorithm).ok());
    let Some(digest) = digest else {
        problems.push(SignatureProblem::unverified(
            signer.digest_algorithm.oid,
            SignatureProblem::UnknownDigest,
        ));
        return (None, None);
    };
    if digest == Digest::Sha1 {
        problems.push(SignatureProblem::WeakAlgorithm(digest.name().to_owned()));
    }
    let scheme = signer
        .signature_algorithm
        .to_spki()
        .and_then(|algorithm| SignatureScheme::from_cms(&algorithm, digest).ok());
    if scheme.is_none() {
        problems.push(SignatureProblem::unverified(
            signer.signature_algorithm.oid,
            SignatureProblem::UnknownScheme,
        ));
    }
    (Some(digest), scheme)
}

/// signatureType: one value with several types, or several values.
fn signature_types(signer: &SignerInfo<'_>) -> Vec<ObjectIdentifier> {
    // RFC 3183 §3.1.2 can be read both ways.
    signer
        .signed_of(&ess::SIGNATURE_TYPE)
        .flat_map(|attribute| &attribute.values)
        .filter_map(|value| ess::read_signature_type(value).ok())
        .flatten()
        .collect()
}

// RFC 8551 §4.4: below 2048 bits is for old messages only.
fn weak_key(certificate: &Certificate) -> Option<SignatureProblem> {
    match certificate.public_key() {
        PublicKey::Rsa { bits, .. } if *bits < 2048 => Some(SignatureProblem::WeakAlgorithm(
            format!("RSA with {bits} bits"),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
