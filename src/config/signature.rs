//! Who signed a label policy or the trust list: a detached CMS signature over exactly the octets of
//! its file.
//!
//! A signer is pinned in `[policies]`, or beside the list, in one of three ways:
//! - `sha256:HEX`: this very certificate. The pin is the trust: no path is looked for, no date held
//!   against it, and whoever wants to revoke it takes the pin out.
//! - `key-id:HEX`: the certificate with this subject key identifier. The identifier is the issuer's
//!   word, so the certificate must also validate under `[trust]`.
//! - `role:NAME`: a certificate that names the address of a `[[subject]]` with this role, and
//!   validates under `[trust]`.
//!
//! Refuses: content in the signature file itself, a signature without signers, one broken or weak
//! signature among good ones.
//! Standards: RFC 5652 section 5 (external signature).

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use super::ConfigError;
use super::resolve::Place;
use super::written::Written;
use crate::clock::Timestamp;
use crate::crypto::certificate::{Certificate, hex};
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{self, ContentInfo, Limits};
use crate::crypto::cms::verify::{self, SignatureProblem};
use crate::crypto::pem;
use crate::crypto::trust::{Purpose, TrustStore};
use crate::message::address::Address;

/// What is signed, in the words of errors.
pub(super) struct Signed<'a> {
    /// Such as `label policy`.
    pub(super) what: &'static str,
    /// The key that names the signature.
    pub(super) key: &'static str,
    /// The key that pins the signers.
    pub(super) signers: &'static str,
    pub(super) file: &'a Spanned<PathBuf>,
    pub(super) signature: Option<&'a Spanned<PathBuf>>,
}

/// Who may sign.
pub(super) struct Pins(Vec<Pin>);

/// One of them.
struct Pin {
    /// As it is written.
    name: String,
    kind: Kind,
}

enum Kind {
    /// The SHA-256 of a certificate.
    Certificate(String),
    /// A subject key identifier.
    KeyIdentifier(String),
    /// The addresses of those who hold a role.
    Role(Vec<Address>),
}

impl Pins {
    /// The pins as they are written.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|pin| pin.name.clone()).collect()
    }

    /// The pins that this certificate answers to; or why it answers to none.
    fn of(
        &self,
        certificate: &Certificate,
        along: &[Certificate],
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<Vec<String>, String> {
        let mut why = format!(
            "{} (sha256:{}) is not pinned",
            certificate.subject(),
            hex(&certificate.fingerprint())
        );
        if trust.trust_list().distrusts(certificate).is_some() {
            let subject = certificate.subject();
            return Err(format!("the trust list distrusts {subject}"));
        }
        let mut found = Vec::new();
        for pin in &self.0 {
            let named = match &pin.kind {
                Kind::Certificate(fingerprint) => {
                    if *fingerprint == hex(&certificate.fingerprint()) {
                        found.push(pin.name.clone());
                    }
                    continue;
                }
                Kind::KeyIdentifier(wanted) => certificate
                    .subject_key_id()
                    .is_some_and(|identifier| hex(identifier) == *wanted),
                Kind::Role(holders) => certificate
                    .emails()
                    .iter()
                    .filter_map(|email| Address::parse(email).ok())
                    .any(|address| holders.contains(&address)),
            };
            if !named {
                continue;
            }
            match trust.validate(certificate, along, Purpose::Sign, now) {
                Ok(_) => found.push(pin.name.clone()),
                Err(problem) => why = format!("{} is pinned and not trusted: {problem}", pin.name),
            }
        }
        if found.is_empty() {
            Err(why)
        } else {
            Ok(found)
        }
    }
}

impl Place<'_> {
    /// The signers that are pinned under `key`.
    pub(super) fn pins(
        &self,
        key: &'static str,
        signers: &[Spanned<String>],
        written: &Written,
    ) -> Result<Pins, ConfigError> {
        signers
            .iter()
            .map(|signer| self.pin(key, signer, written))
            .collect::<Result<_, _>>()
            .map(Pins)
    }

    fn pin(
        &self,
        key: &'static str,
        signer: &Spanned<String>,
        written: &Written,
    ) -> Result<Pin, ConfigError> {
        let text = signer.get_ref();
        let wrong = |text: String, remedy: &str| self.error(signer.span(), key, text, remedy);
        let (form, value) = text.split_once(':').unwrap_or((text, ""));
        let digits = value.replace(':', "").to_ascii_uppercase();
        let is_hex = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let kind = match form {
            "sha256" if is_hex && digits.len() == 64 => Kind::Certificate(digits),
            "key-id" if is_hex => Kind::KeyIdentifier(digits),
            "role" => {
                let mut holders = Vec::new();
                for subject in &written.subject {
                    let has_role = subject.roles.iter().any(|role| role == value);
                    if let Some(address) = subject.address.as_ref().filter(|_| has_role) {
                        holders.push(self.address("subject.address", address)?);
                    }
                }
                if holders.is_empty() {
                    return Err(wrong(
                        format!("no subject has the role {value:?}"),
                        "give the role to a [[subject]]",
                    ));
                }
                Kind::Role(holders)
            }
            _ => {
                return Err(wrong(
                    format!("{text:?} names no signer"),
                    "write sha256: and the fingerprint of a certificate, key-id: and a subject key \
                     identifier, or role: and a role of a subject",
                ));
            }
        };
        Ok(Pin {
            name: text.clone(),
            kind,
        })
    }

    /// The pins of those who signed `octets`. A signature that is named must verify even where
    /// nobody is pinned.
    pub(super) fn signed_by(
        &self,
        signed: &Signed<'_>,
        octets: &[u8],
        pins: &Pins,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<Vec<String>, ConfigError> {
        let Some(file) = signed.signature else {
            if pins.0.is_empty() {
                return Ok(Vec::new());
            }
            return Err(self.error(
                signed.file.span(),
                signed.key,
                format!(
                    "the {} is not signed, and its signers are pinned",
                    signed.what
                ),
                "have one of them sign the file, and name the signature here: signature = FILE",
            ));
        };
        let cms = self.cms(signed.key, file)?;
        let (signers, along) = self.signers(signed.key, file.span(), &cms, octets)?;
        let mut found = Vec::new();
        let mut strangers = Vec::new();
        for signer in &signers {
            match pins.of(signer, &along, trust, now) {
                Ok(names) => found.extend(names),
                Err(why) => strangers.push(why),
            }
        }
        if found.is_empty() && !pins.0.is_empty() {
            return Err(self.error(
                file.span(),
                signed.key,
                strangers.join("; "),
                &format!(
                    "have one of {} sign the file, or pin the one who did",
                    signed.signers
                ),
            ));
        }
        Ok(found)
    }

    /// The octets of the CMS object in a file that is DER or PEM.
    fn cms(&self, key: &'static str, file: &Spanned<PathBuf>) -> Result<Vec<u8>, ConfigError> {
        let octets = self.read(key, file)?;
        if !octets.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Ok(octets);
        }
        let remedy = "a PEM file holds one block: CMS or PKCS7";
        let blocks =
            pem::blocks(&octets).map_err(|error| self.error(file.span(), key, error, remedy))?;
        match blocks.as_slice() {
            [block] if matches!(block.label.as_str(), "CMS" | "PKCS7") => Ok(block.der.to_vec()),
            _ => Err(self.error(file.span(), key, "the file holds no signature", remedy)),
        }
    }

    /// The certificates of all who signed `octets`, and every certificate that came along.
    fn signers(
        &self,
        key: &'static str,
        span: Range<usize>,
        cms: &[u8],
        octets: &[u8],
    ) -> Result<(Vec<Certificate>, Vec<Certificate>), ConfigError> {
        let wrong = |text: String| {
            self.error(
                span.clone(),
                key,
                text,
                "sign the file anew: openssl cms -sign -binary -outform DER -in FILE -out FILE.p7s",
            )
        };
        let parsed = read::parse(cms, &Limits::default())
            .map_err(|error| wrong(format!("the signature cannot be read: {error}")))?;
        let ContentInfo::Signed(signed) = parsed else {
            return Err(wrong("the file is no SignedData".to_owned()));
        };
        // RFC 5652 §5.2: an external signature has no eContent; a second text could be shown
        if signed.content.is_some() || signed.content_type != oid::DATA {
            return Err(wrong("the signature is not detached".to_owned()));
        }
        let along = verify::certificates(&signed);
        let mut signers = Vec::new();
        for report in verify::verify(&signed, Some(octets), &along) {
            let weak = |problem: &&SignatureProblem| {
                !matches!(problem, SignatureProblem::AttributesNotDer)
            };
            match report.certificate {
                Some(certificate) if report.problems.iter().find(weak).is_none() => {
                    signers.push(certificate);
                }
                _ => {
                    let problems: Vec<String> =
                        report.problems.iter().map(ToString::to_string).collect();
                    return Err(wrong(format!(
                        "the signature of {} is not good: {}",
                        report.identifier,
                        problems.join("; ")
                    )));
                }
            }
        }
        if signers.is_empty() {
            return Err(wrong("nobody has signed".to_owned()));
        }
        Ok((signers, along))
    }
}
