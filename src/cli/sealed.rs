//! `ravelin seal`: a message, put into layers by its originator.
//!
//! Promises: the layers are those of the line (`crate::seal`); a label that is not valid under its
//! policy is not signed; nothing is written when a layer cannot be made.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::answer::{Answer, Trouble, chain};
use super::material::{self, Named};
use super::messages;
use crate::clock::{Clock, Timestamp};
use crate::crypto::algorithm::{ContentCipher, Mode};
use crate::crypto::cms::attribute::AttributeDer;
use crate::crypto::cms::sign::Signer;
use crate::crypto::ess::{self, GeneralName, ReceiptRequest, ReceiptsFrom};
use crate::crypto::keys::Identity;
use crate::label::validity::{self, Mode as Occasion};
use crate::label::{Policies, detect, ess as ess_label};
use crate::message::address::Address;
use crate::message::header::{Headers, Limits};
use crate::message::mime::Transfer;
use crate::message::protection::{Confidentiality, Dialect};
use crate::seal::layers::LayerError;
use crate::seal::protect::LegacyDisplay;
use crate::seal::{self, Order, Profile};

/// The options of `ravelin seal`.
#[derive(Args, Debug)]
#[command(
    after_help = "IN is a message with its header; lines that end with LF alone become CRLF. A key \
    is PKCS #12, or PEM with its certificate in the same file or named with --cert. Several \
    --signer make parallel signatures. A label is a file, or the label itself: words under \
    --policy, or base64 of DER.\nExit code 0: written; 1: the label is not valid or a recipient \
    cannot be encrypted for; 2: usage; 3: fault.\n\nExamples:\n  ravelin seal letter.eml --profile \
    clear-signed --signer ann.p12 --password-file pw --policy labels/alder.xml --label 'SECRET; \
    Releasable To: BIRCH' --out signed.eml\n  ravelin seal letter.eml --profile triple-wrap \
    --signer ann.pem --recipient bob.crt --outer-signer switch.pem --protect rfc9788 --out \
    wrapped.eml"
)]
pub(super) struct Seal {
    /// The message; - is the standard input
    #[arg(value_name = "IN")]
    file: PathBuf,
    /// The layers
    #[arg(long, value_enum)]
    profile: Layers,
    /// Who signs innermost; may be repeated
    #[arg(long, value_name = "KEY")]
    signer: Vec<PathBuf>,
    /// The certificate of each PEM key of --signer, in the same order
    #[arg(long, value_name = "FILE")]
    cert: Vec<PathBuf>,
    /// Who signs the envelope of a triple wrap; without it, the first --signer
    #[arg(long, value_name = "KEY")]
    outer_signer: Vec<PathBuf>,
    /// The certificate of each PEM key of --outer-signer, in the same order
    #[arg(long, value_name = "FILE")]
    outer_cert: Vec<PathBuf>,
    /// A file with the password of the keys; otherwise the environment's RAVELIN_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The certificate of a recipient: the first one in the file; may be repeated
    #[arg(long, value_name = "CERT")]
    recipient: Vec<PathBuf>,
    /// The label of the message
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// The label of the encrypted object, which relays see
    #[arg(long, value_name = "LABEL")]
    outer_label: Option<String>,
    /// Label policies (SPIF), for labels in words
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Ask every recipient for a signed receipt, to this address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    receipt_to: Vec<String>,
    /// How the header fields are put under the signature; rfc9788 where somebody signs
    #[arg(long, value_enum)]
    protect: Option<Protect>,
    /// What of them stands outside an envelope
    #[arg(long, value_enum, default_value_t)]
    confidentiality: Outside,
    /// Show what is hidden to programs that know no header protection (RFC 9788 section 5.2.2)
    #[arg(long)]
    legacy_display: bool,
    /// The content cipher of the envelope; aes-256-cbc for enveloped, else aes-256-gcm
    #[arg(long, value_enum)]
    content_cipher: Option<Cipher>,
    /// How the layers inside the outermost are encoded; not every program takes binary
    #[arg(long, value_enum, default_value_t)]
    inner_encoding: Inner,
    /// Sign as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Where to write; - is the standard output
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layers {
    /// AuthEnvelopedData (GCM); signed inside where there is a signer
    AuthEnveloped,
    /// multipart/signed
    ClearSigned,
    /// EnvelopedData (CBC); signed inside where there is a signer
    Enveloped,
    /// SignedData
    OpaqueSigned,
    /// Signed, encrypted, signed again
    TripleWrap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protect {
    /// Not at all
    None,
    /// A signed attribute (RFC 7508)
    Rfc7508,
    /// At the root of the payload (RFC 9788)
    Rfc9788,
    /// The message inside message/rfc822 (RFC 8551 section 3.1)
    Wrap,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Outside {
    /// Subject hidden, comments and keywords left out
    #[default]
    Baseline,
    /// Everything as it is
    None,
    /// As baseline; names of people and time zone left out
    Shy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Inner {
    #[default]
    Base64,
    Binary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cipher {
    #[value(name = "aes-128-cbc")]
    Aes128Cbc,
    #[value(name = "aes-192-cbc")]
    Aes192Cbc,
    #[value(name = "aes-256-cbc")]
    Aes256Cbc,
    #[value(name = "aes-128-gcm")]
    Aes128Gcm,
    #[value(name = "aes-192-gcm")]
    Aes192Gcm,
    #[value(name = "aes-256-gcm")]
    Aes256Gcm,
}

pub(super) fn run(seal: &Seal) -> Result<Answer, Trouble> {
    let at = seal.at.unwrap_or_else(|| Clock::system().now());
    let policies = material::policies(&Named::all("--policy", &seal.policy))?;
    let password = material::password_of(seal.password_file.as_deref())?;
    let keys = |option, keys: &[PathBuf], certificates_option, certificates: &[PathBuf]| {
        material::signers(
            &Named::all(option, keys),
            &Named::all(certificates_option, certificates),
            password.as_ref().map(|password| password.as_str()),
        )
    };
    let signers = keys("--signer", &seal.signer, "--cert", &seal.cert)?;
    let outer = keys(
        "--outer-signer",
        &seal.outer_signer,
        "--outer-cert",
        &seal.outer_cert,
    )?;
    fits(seal)?;
    let mut recipients = Vec::new();
    for named in Named::all("--recipient", &seal.recipient) {
        recipients.extend(material::certificates(&[named])?.into_iter().take(1));
    }
    let message = messages::message_to_seal(&seal.file)?;

    let mut refused = Vec::new();
    let mut inner_attributes = label(seal.label.as_deref(), &policies, at, &mut refused)?;
    inner_attributes.extend(receipt_request(seal, &message)?);
    let outer_attributes = label(seal.outer_label.as_deref(), &policies, at, &mut refused)?;
    if !refused.is_empty() {
        messages::complain(&refused);
        return Ok(Answer::No);
    }
    let outer = match (seal.profile, outer.is_empty()) {
        (Layers::TripleWrap, true) => signers.iter().take(1).cloned().collect(),
        _ => outer,
    };
    let order = Order {
        profile: match seal.profile {
            Layers::AuthEnveloped | Layers::Enveloped => Profile::Enveloped,
            Layers::ClearSigned => Profile::ClearSigned,
            Layers::OpaqueSigned => Profile::OpaqueSigned,
            Layers::TripleWrap => Profile::TripleWrap,
        },
        protection: match seal.protect {
            None if signers.is_empty() => None,
            Some(Protect::None) => None,
            Some(Protect::Rfc7508) => Some(Dialect::Rfc7508),
            None | Some(Protect::Rfc9788) => Some(Dialect::Rfc9788),
            Some(Protect::Wrap) => Some(Dialect::Rfc8551),
        },
        signers: with(&signers, &inner_attributes),
        outer: with(&outer, &outer_attributes),
        recipients: &recipients,
        cipher: cipher(seal)?,
        confidentiality: match seal.confidentiality {
            Outside::Baseline => Confidentiality::Baseline,
            Outside::None => Confidentiality::None,
            Outside::Shy => Confidentiality::Shy,
        },
        legacy_display: if seal.legacy_display {
            LegacyDisplay::Written
        } else {
            LegacyDisplay::Without
        },
        transfer: match seal.inner_encoding {
            Inner::Base64 => Transfer::Base64,
            Inner::Binary => Transfer::Binary,
        },
        at,
    };
    match seal::composed(order, &message) {
        Ok(sealed) => {
            messages::write(&seal.out, &sealed, messages::Secret::No)?;
            Ok(Answer::Yes)
        }
        Err(error @ LayerError::Envelope(_)) => {
            messages::complain(&[chain(&error)]);
            Ok(Answer::No)
        }
        Err(error @ LayerError::Sign(_)) => Err(Trouble::Fault(chain(&error))),
        Err(error) => Err(Trouble::usage(
            format!("{}: {}", seal.file.display(), chain(&error)),
            "give a whole message with its header, and what the profile needs",
        )),
    }
}

/// Every key signs, and every signature says this.
fn with<'k>(keys: &'k [Identity], attributes: &[AttributeDer]) -> Vec<Signer<'k>> {
    keys.iter()
        .map(|key| Signer::new(key, attributes.to_vec()))
        .collect()
}

/// What was given must all be used: an option that does nothing is a mistake.
fn fits(seal: &Seal) -> Result<(), Trouble> {
    let encrypts = matches!(
        seal.profile,
        Layers::AuthEnveloped | Layers::Enveloped | Layers::TripleWrap
    );
    let wraps = seal.profile == Layers::TripleWrap;
    let wrong = |option: &str, remedy: &str| Err(Trouble::usage(option, remedy));
    if !encrypts && !seal.recipient.is_empty() {
        return wrong("--recipient: this profile does not encrypt", "leave it out");
    }
    if encrypts && seal.recipient.is_empty() {
        return wrong(
            "--recipient is missing",
            "name a certificate to encrypt for",
        );
    }
    if !encrypts && seal.content_cipher.is_some() {
        return wrong(
            "--content-cipher: this profile does not encrypt",
            "leave it out",
        );
    }
    if !wraps && (seal.outer_label.is_some() || !seal.outer_signer.is_empty()) {
        return wrong(
            "--outer-label and --outer-signer are for triple-wrap",
            "leave them out, or choose --profile triple-wrap",
        );
    }
    let unsigned = seal.signer.is_empty();
    if unsigned && !matches!(seal.profile, Layers::AuthEnveloped | Layers::Enveloped) {
        return wrong("--signer is missing", "name the key that signs");
    }
    if unsigned && (seal.label.is_some() || !seal.receipt_to.is_empty()) {
        return wrong(
            "--label and --receipt-to stand in a signature",
            "name a --signer",
        );
    }
    Ok(())
}

fn cipher(seal: &Seal) -> Result<ContentCipher, Trouble> {
    let cipher = match (seal.content_cipher, seal.profile) {
        (None, Layers::Enveloped) | (Some(Cipher::Aes256Cbc), _) => ContentCipher::Aes256Cbc,
        (None, _) | (Some(Cipher::Aes256Gcm), _) => ContentCipher::Aes256Gcm,
        (Some(Cipher::Aes128Cbc), _) => ContentCipher::Aes128Cbc,
        (Some(Cipher::Aes192Cbc), _) => ContentCipher::Aes192Cbc,
        (Some(Cipher::Aes128Gcm), _) => ContentCipher::Aes128Gcm,
        (Some(Cipher::Aes192Gcm), _) => ContentCipher::Aes192Gcm,
    };
    match (seal.profile, cipher.mode()) {
        (Layers::Enveloped, Mode::Gcm) | (Layers::AuthEnveloped, Mode::Cbc) => Err(Trouble::usage(
            "--content-cipher does not fit the profile",
            "enveloped takes a CBC cipher, auth-enveloped a GCM cipher",
        )),
        _ => Ok(cipher),
    }
}

/// The attribute with this label; what is wrong with it goes to `refused`.
fn label(
    text: Option<&str>,
    policies: &Policies,
    at: Timestamp,
    refused: &mut Vec<String>,
) -> Result<Vec<AttributeDer>, Trouble> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let (label, _) = match detect::label(&super::label::input(text)?, policies, &[]) {
        Ok(read) => read,
        Err(error) => {
            refused.push(format!("--label: {}", error.text));
            return Ok(Vec::new());
        }
    };
    if let Some(policy) = label.policy.and_then(|oid| policies.get(&oid)) {
        let problems = validity::check(policy, &label, at, Occasion::Origination);
        refused.extend(
            problems
                .iter()
                .map(|reason| format!("label: {}: {}", reason.id, reason.text)),
        );
    }
    match ess_label::encode(&label) {
        Ok(der) => Ok(vec![ess::security_label(&der)]),
        Err(error) => {
            refused.push(format!("label: {error}"));
            Ok(Vec::new())
        }
    }
}

fn receipt_request(seal: &Seal, message: &[u8]) -> Result<Option<AttributeDer>, Trouble> {
    if seal.receipt_to.is_empty() {
        return Ok(None);
    }
    let mut to = Vec::new();
    for text in &seal.receipt_to {
        let address = Address::parse(text).map_err(|error| {
            Trouble::usage(
                format!("--receipt-to {text}: {error}"),
                "give one address, such as ann@alder.example",
            )
        })?;
        to.push(vec![GeneralName::Email(address.to_string())]);
    }
    // RFC 2634 §2.7: names the message among all of its originator; the Message-ID does
    let identifier = Headers::parse(message, Limits::default())
        .ok()
        .and_then(|(headers, _)| {
            let field = headers.first("Message-ID")?;
            Some(field.value().trim().as_bytes().to_vec())
        })
        .unwrap_or_else(|| Clock::system().fresh_id().to_vec());
    Ok(Some(
        ReceiptRequest {
            content_identifier: identifier,
            from: ReceiptsFrom::All,
            to,
        }
        .attribute(),
    ))
}
