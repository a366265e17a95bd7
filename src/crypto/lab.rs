//! A small authority for demonstrations and tests: certificates, CRLs, PEM.
//!
//! Promises: profiles follow RFC 8603 (signing and encryption are separate certificates, critical
//! keyUsage); every certificate carries a comment that it is for demonstration only, and what leaves
//! the tests a certificate policy that says so.
//! Refuses: to be more than that: no record of what it issued, keys in memory.
//! Standards: RFC 5280 §4, §5, 8603 §5.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use const_oid::AssociatedOid;
use der::Encode;
use der::asn1::{Ia5String, ObjectIdentifier, OctetString};
use der::flagset::FlagSet;
use jiff::tz::TimeZone;
use x509_cert::ext::pkix as extension;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use super::algorithm::{Curve, Digest, KeyKind, SignatureScheme};
use super::certificate::{Certificate, CertificateError, Extension, PublicKey};
use super::keys::{Identity, KeyError};
use super::provider::{self, CryptoError};
use super::{pem, tlv};
use crate::clock::Timestamp;

pub mod answers;
pub mod attributes;
pub mod clearances;
mod exercise;
mod lists;
mod names;
mod profile;
#[cfg(test)]
mod profile_tests;

pub use exercise::{EXERCISE_POLICY, NOTICE};
pub use lists::ListOrder;
pub use names::requested_extensions;
pub use names::requested_names;
pub use profile::{Deed, Order, Profile};

use exercise::Marked;
use names::general_names;

/// What stands in every certificate of the lab.
pub const COMMENT: &str = "Ravelin demonstration certificate. Not for operation.";

const NS_COMMENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.13");
const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const FIVE_YEARS: Duration = Duration::from_secs(1825 * 24 * 60 * 60);
const TEN_YEARS: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

const P384: KeyKind = KeyKind::Ec(Curve::P384);

/// Why the lab could not make something.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// What was made does not read back.
    #[error("the certificate made is not readable")]
    Certificate(#[from] CertificateError),
    /// The provider failed.
    #[error("making or using a key failed")]
    Crypto(#[from] CryptoError),
    /// A structure could not be encoded.
    #[error("cannot encode the certificate")]
    Encode(#[from] der::Error),
    /// Key and certificate do not fit.
    #[error("cannot make the identity")]
    Identity(#[from] KeyError),
    /// A mail address that cannot stand in a certificate.
    #[error("{0:?} cannot stand in a certificate: its domain must be in ASCII (A-labels)")]
    Mailbox(String),
    /// The subject's name is not in the form of RFC 4514.
    #[error("{0:?} is not a distinguished name; write it like CN=Anna Berg,O=Alder")]
    Name(String),
}

/// What an end entity's key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Usage {
    /// TLS client.
    Client,
    /// Receiving enveloped messages.
    Encrypt,
    /// TLS server.
    Server,
    /// TLS in both directions: what a mail relay has.
    ServerAndClient,
    /// Signing messages.
    Sign,
    /// Signing messages, and showing oneself in TLS: what people have.
    SignAndClient,
}

/// An order for one certificate.
#[derive(Clone, Debug)]
pub struct Request {
    subject: String,
    usage: Usage,
    key: KeyKind,
    emails: Vec<String>,
    dns_names: Vec<String>,
    ip_addresses: Vec<IpAddr>,
    not_before: Timestamp,
    life: Duration,
    extensions: Vec<Extension>,
}

impl Request {
    /// A P-384 certificate for `subject` (RFC 4514, or a bare common name), valid for a year from
    /// an hour before `now`.
    pub fn new(subject: &str, usage: Usage, now: Timestamp) -> Self {
        Self {
            subject: subject.to_owned(),
            usage,
            key: P384,
            emails: Vec::new(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            not_before: earlier(now, Duration::from_secs(3600)),
            life: YEAR,
            extensions: Vec::new(),
        }
    }

    /// With this mail address.
    #[must_use]
    pub fn email(mut self, address: &str) -> Self {
        self.emails.push(address.to_owned());
        self
    }

    /// With this host name.
    #[must_use]
    pub fn dns(mut self, name: &str) -> Self {
        self.dns_names.push(name.to_owned());
        self
    }

    /// With this IP address.
    #[must_use]
    pub fn ip(mut self, address: IpAddr) -> Self {
        self.ip_addresses.push(address);
        self
    }

    /// With a key of this kind.
    #[must_use]
    pub fn key(mut self, kind: KeyKind) -> Self {
        self.key = kind;
        self
    }

    /// Valid from `not_before`, for `life`.
    #[must_use]
    pub fn valid(mut self, not_before: Timestamp, life: Duration) -> Self {
        self.not_before = not_before;
        self.life = life;
        self
    }

    /// With one more extension, as it is: for clearances, and for tests of the reader.
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }
}

/// An authority that issues certificates and CRLs.
pub struct Authority {
    identity: Identity,
    crl_number: AtomicU64,
}

impl Authority {
    /// A self-signed authority with a P-384 key, valid for ten years. Without the policy of
    /// exercises, so that tests can set their own; what people get is of [`Authority::lasting`].
    pub fn new(name: &str, now: Timestamp) -> Result<Self, LabError> {
        Self::with_key(name, now, P384)
    }

    /// A self-signed authority with a key of this kind.
    pub fn with_key(name: &str, now: Timestamp, kind: KeyKind) -> Result<Self, LabError> {
        Self::self_signed(name, now, kind, TEN_YEARS, |own| {
            authority_extensions(own, own, None)
        })
    }

    /// An authority below this one.
    pub fn subordinate(
        &self,
        name: &str,
        path_length: Option<u8>,
        now: Timestamp,
    ) -> Result<Self, LabError> {
        self.below(name, now, P384, later(now, FIVE_YEARS), |own| {
            authority_extensions(own, self.spki(), path_length)
        })
    }

    /// Makes a key and its certificate.
    pub fn issue(&self, request: Request) -> Result<Identity, LabError> {
        let key = provider::default().generate_key(request.key)?;
        let extensions = self.end_entity_extensions(&request, key.public_spki())?;
        let certificate = self.certify(
            &name_der(&request.subject)?,
            key.public_spki(),
            request.not_before,
            later(request.not_before, request.life),
            extensions,
        )?;
        Ok(Identity::new(certificate, key, self.chain_below())?)
    }

    /// An authority whose key and certificate were made before.
    pub fn from_identity(identity: Identity) -> Self {
        Self {
            identity,
            crl_number: AtomicU64::new(1),
        }
    }

    /// A self-signed authority with a key of this kind, valid so long from now. It and all that it
    /// issues have the policy of exercises.
    pub fn lasting(
        name: &str,
        now: Timestamp,
        kind: KeyKind,
        life: Duration,
    ) -> Result<Self, LabError> {
        Self::self_signed(name, now, kind, life, |own| marked_extensions(own, own))
    }

    /// An authority below this one, with a key of this kind, valid so long from now and no longer
    /// than this one.
    pub fn lasting_below(
        &self,
        name: &str,
        now: Timestamp,
        kind: KeyKind,
        life: Duration,
    ) -> Result<Self, LabError> {
        let end = later(now, life).min(self.certificate().not_after());
        self.below(name, now, kind, end, |own| {
            marked_extensions(own, self.spki())
        })
    }

    /// `extensions` takes the key of the new authority.
    fn self_signed(
        name: &str,
        now: Timestamp,
        kind: KeyKind,
        life: Duration,
        extensions: impl FnOnce(&[u8]) -> Result<Vec<Extension>, LabError>,
    ) -> Result<Self, LabError> {
        let key = provider::default().generate_key(kind)?;
        let subject = name_der(name)?;
        let scheme = authority_scheme(key.public_spki())?;
        let draft = Draft {
            issuer: &subject,
            subject: &subject,
            spki: key.public_spki(),
            not_before: earlier(now, DAY),
            not_after: later(now, life),
            extensions: extensions(key.public_spki())?,
        };
        let certificate = draft.sign(&scheme, |tbs| key.sign(&scheme, tbs))?;
        let identity = Identity::new(certificate, key, Vec::new())?;
        Ok(Self::from_identity(identity))
    }

    /// `extensions` takes the key of the new authority.
    fn below(
        &self,
        name: &str,
        now: Timestamp,
        kind: KeyKind,
        end: Timestamp,
        extensions: impl FnOnce(&[u8]) -> Result<Vec<Extension>, LabError>,
    ) -> Result<Self, LabError> {
        let key = provider::default().generate_key(kind)?;
        let extensions = extensions(key.public_spki())?;
        let (subject, begin) = (name_der(name)?, earlier(now, DAY));
        let certificate = self.certify(&subject, key.public_spki(), begin, end, extensions)?;
        let identity = Identity::new(certificate, key, self.chain_below())?;
        Ok(Self::from_identity(identity))
    }

    /// A certificate for a key that already exists, with exactly these extensions.
    pub fn certify(
        &self,
        subject_der: &[u8],
        spki_der: &[u8],
        not_before: Timestamp,
        not_after: Timestamp,
        extensions: Vec<Extension>,
    ) -> Result<Certificate, LabError> {
        let scheme = authority_scheme(self.spki())?;
        let draft = Draft {
            issuer: self.certificate().subject_der(),
            subject: subject_der,
            spki: spki_der,
            not_before,
            not_after,
            extensions,
        };
        draft.sign(&scheme, |tbs| self.identity.key().sign(&scheme, tbs))
    }

    /// A CRL with these certificates, good for seven days from `now`.
    pub fn crl(&self, revoked: &[&Certificate], now: Timestamp) -> Result<Vec<u8>, LabError> {
        self.crl_until(revoked, now, later(now, WEEK))
    }

    /// A CRL with these certificates, to be renewed by `next_update`.
    pub fn crl_until(
        &self,
        revoked: &[&Certificate],
        this_update: Timestamp,
        next_update: Timestamp,
    ) -> Result<Vec<u8>, LabError> {
        let mut order = ListOrder::new(
            self.crl_number.fetch_add(1, Ordering::Relaxed),
            this_update,
            next_update,
        );
        for certificate in revoked {
            order = order.revoke(certificate, None);
        }
        self.sign_list(&order)
    }

    /// As [`Authority::crl`], in PEM.
    pub fn crl_pem(&self, revoked: &[&Certificate], now: Timestamp) -> Result<String, LabError> {
        Ok(pem::encode("X509 CRL", &self.crl(revoked, now)?))
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &Certificate {
        self.identity.certificate()
    }

    /// The authority's certificate and key.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn spki(&self) -> &[u8] {
        self.identity.key().public_spki()
    }

    /// What those below send along: this authority and those above, without the root.
    pub fn chain_below(&self) -> Vec<Certificate> {
        std::iter::once(self.certificate())
            .chain(self.identity.chain())
            .filter(|certificate| !certificate.is_self_issued())
            .cloned()
            .collect()
    }

    fn end_entity_extensions(
        &self,
        request: &Request,
        spki: &[u8],
    ) -> Result<Vec<Extension>, LabError> {
        let names = general_names(&request.emails, &request.dns_names, &request.ip_addresses)?;
        let (usage, extended) = uses(spki, request.usage);
        let mut extensions = vec![
            of(
                false,
                &extension::BasicConstraints {
                    ca: false,
                    path_len_constraint: None,
                },
            )?,
            of(true, &extension::KeyUsage(usage))?,
            of(false, &extension::ExtendedKeyUsage(extended))?,
            subject_key_id(spki)?,
            authority_key_id(self.spki())?,
            comment()?,
        ];
        if !names.is_empty() {
            extensions.push(of(false, &extension::SubjectAltName(names))?);
        }
        let is_policy = |item: &Extension| item.oid == exercise::POLICIES;
        if exercise::is_marked(self.certificate()) && !request.extensions.iter().any(is_policy) {
            extensions.push(exercise::mark(Marked::EndEntity));
        }
        extensions.extend(request.extensions.iter().cloned());
        Ok(extensions)
    }
}

fn uses(spki: &[u8], usage: Usage) -> (FlagSet<KeyUsages>, Vec<ObjectIdentifier>) {
    let rsa = matches!(PublicKey::from_spki(spki), Ok(PublicKey::Rsa { .. }));
    // RFC 8603 §5.4: one use for one certificate.
    let bits: FlagSet<KeyUsages> = match usage {
        Usage::Encrypt if rsa => KeyUsages::KeyEncipherment.into(),
        Usage::Encrypt => KeyUsages::KeyAgreement.into(),
        Usage::Sign | Usage::SignAndClient => {
            KeyUsages::DigitalSignature | KeyUsages::NonRepudiation
        }
        Usage::Client | Usage::Server | Usage::ServerAndClient => {
            KeyUsages::DigitalSignature.into()
        }
    };
    let extended = match usage {
        Usage::Client => vec![CLIENT],
        Usage::Server => vec![SERVER],
        Usage::ServerAndClient => vec![SERVER, CLIENT],
        Usage::Encrypt | Usage::Sign => vec![EMAIL_PROTECTION],
        Usage::SignAndClient => vec![EMAIL_PROTECTION, CLIENT],
    };
    (bits, extended)
}

/// A certificate before its signature.
struct Draft<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    not_before: Timestamp,
    not_after: Timestamp,
    extensions: Vec<Extension>,
}

impl Draft<'_> {
    // RFC 5280 §4.1
    fn sign(
        &self,
        scheme: &SignatureScheme,
        signer: impl Fn(&[u8]) -> Result<Vec<u8>, CryptoError>,
    ) -> Result<Certificate, LabError> {
        let mut serial = [0; 16];
        provider::default().random(&mut serial)?;
        // RFC 5280 §4.1.2.2: positive, and never with a redundant leading octet.
        if let Some(first) = serial.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        let validity = tlv::sequence(&[&time_der(self.not_before), &time_der(self.not_after)]);
        let extensions = Extension::list_der(&self.extensions);
        let tbs = tlv::sequence(&[
            &tlv::element(tlv::CONTEXT_0, &[&tlv::integer(2)]),
            &tlv::element(tlv::INTEGER, &[&serial]),
            &scheme.algorithm_der(),
            self.issuer,
            &validity,
            self.subject,
            self.spki,
            &tlv::element(0xa3, &[&extensions]),
        ]);
        let signature = signer(&tbs)?;
        Ok(Certificate::from_der(&signed_der(
            &tbs, scheme, &signature,
        ))?)
    }
}

/// A distinguished name in DER, from RFC 4514 or from a bare common name.
pub fn name_der(name: &str) -> Result<Vec<u8>, LabError> {
    let text = if name.contains('=') {
        name.to_owned()
    } else {
        format!("CN={name}")
    };
    let parsed = Name::from_str(&text).map_err(|_| LabError::Name(name.to_owned()))?;
    Ok(parsed.to_der()?)
}

/// Any extension type of x509-cert, as [`Extension`].
pub(crate) fn of<T: AssociatedOid + Encode>(
    critical: bool,
    value: &T,
) -> Result<Extension, LabError> {
    Ok(Extension {
        oid: T::OID,
        critical,
        value: value.to_der()?,
    })
}

fn authority_scheme(spki: &[u8]) -> Result<SignatureScheme, LabError> {
    Ok(match PublicKey::from_spki(spki)? {
        PublicKey::Ec(curve, _) => SignatureScheme::Ecdsa(curve.digest()),
        PublicKey::Ed25519(_) => SignatureScheme::Ed25519,
        // RFC 8603 §4.2: certificates are signed with PKCS #1 v1.5 by RSA keys.
        _ => SignatureScheme::RsaPkcs1(Digest::Sha384),
    })
}

fn authority_extensions(
    own: &[u8],
    issuer: &[u8],
    path_length: Option<u8>,
) -> Result<Vec<Extension>, LabError> {
    let constraints = extension::BasicConstraints {
        ca: true,
        path_len_constraint: path_length,
    };
    let usage = KeyUsages::KeyCertSign | KeyUsages::CRLSign;
    Ok(vec![
        of(true, &constraints)?,
        of(true, &extension::KeyUsage(usage))?,
        subject_key_id(own)?,
        authority_key_id(issuer)?,
        comment()?,
    ])
}

fn marked_extensions(own: &[u8], issuer: &[u8]) -> Result<Vec<Extension>, LabError> {
    let mut extensions = authority_extensions(own, issuer, None)?;
    extensions.push(exercise::mark(Marked::Authority));
    Ok(extensions)
}

fn subject_key_id(spki: &[u8]) -> Result<Extension, LabError> {
    of(
        false,
        &extension::SubjectKeyIdentifier(OctetString::new(key_id(spki))?),
    )
}

fn authority_key_id(spki: &[u8]) -> Result<Extension, LabError> {
    let id = extension::AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(key_id(spki))?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    of(false, &id)
}

// RFC 7093 §2, method 4: the leftmost 160 bits of SHA-256 over the public key.
fn key_id(spki: &[u8]) -> Vec<u8> {
    let mut id = provider::default().digest(Digest::Sha256, &[spki]);
    id.truncate(20);
    id
}

fn comment() -> Result<Extension, LabError> {
    Ok(Extension {
        oid: NS_COMMENT,
        critical: false,
        value: Ia5String::new(COMMENT)?.to_der()?,
    })
}

fn signed_der(tbs: &[u8], scheme: &SignatureScheme, signature: &[u8]) -> Vec<u8> {
    tlv::sequence(&[
        tbs,
        &scheme.algorithm_der(),
        &tlv::element(0x03, &[&[0], signature]),
    ])
}

// RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime after.
fn time_der(at: Timestamp) -> Vec<u8> {
    let civil = at.to_zoned(TimeZone::UTC);
    let (tag, form) = match civil.year() {
        1950..=2049 => (tlv::UTC_TIME, "%y%m%d%H%M%SZ"),
        _ => (tlv::GENERALIZED_TIME, "%Y%m%d%H%M%SZ"),
    };
    tlv::element(tag, &[civil.strftime(form).to_string().as_bytes()])
}

fn slices(items: &[Vec<u8>]) -> Vec<&[u8]> {
    items.iter().map(Vec::as_slice).collect()
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(jiff::SignedDuration::try_from(by).unwrap_or_default())
        .unwrap_or(at)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(jiff::SignedDuration::try_from(by).unwrap_or_default())
        .unwrap_or(at)
}
