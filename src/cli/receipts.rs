//! `ravelin receipt`: signed receipts for messages in files, made and held against the original.
//!
//! Promises: a receipt is made only for a good signature that asks for one, and goes only where that
//! signature (or a mail list that was named as trustworthy) says.
//! Standards: RFC 2634 sections 2.3 to 2.6.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::answer::{Answer, Trouble, chain};
use super::material::{self, Named};
use super::messages::{self, Secret};
use super::print::{self, Format};
use crate::clock::{Clock, Timestamp, rfc5322_date};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{self, ContentInfo, Limits as CmsLimits};
use crate::crypto::cms::receipt::{self, Expectation, ListSigner, ThroughLists};
use crate::crypto::cms::sign::Signer;
use crate::crypto::ess::{self, GeneralName, MailListHistory};
use crate::crypto::keys::Identity;
use crate::crypto::trust::TrustStore;
use crate::label::Policies;
use crate::message::mime::Limits;
use crate::open::{Facts, LayerKind, Opener, SignedFacts, SignerFacts};
use crate::seal::layers;

/// The options of `ravelin receipt`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin receipt make letter.eml --signer bob.p12 --password-file pw \
    --trust pki/ca.pem --out receipt.eml"
)]
pub(super) struct Receipt {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the receipt that a message asks for
    #[command(
        after_help = "OUT is a message to those who are to get the receipt. The innermost signature \
        that asks for one counts; it must be good and trusted. A mail-list history in an outer layer \
        redirects receipts only when --mail-list names its signer.\nExit code 0: written; 1: none is \
        owed, and nothing is written; 2: usage or unreadable; 3: fault.\n\nExample:\n  ravelin \
        receipt make letter.eml --key bob-decrypt.p12 --signer bob-sign.p12 --password-file pw \
        --trust pki/ca.pem --out receipt.eml"
    )]
    Make {
        #[command(flatten)]
        given: Given,
        /// The message; - is the standard input
        #[arg(value_name = "IN")]
        file: PathBuf,
        /// Who signs the receipt: PKCS #12, or PEM with --cert
        #[arg(long, value_name = "KEY")]
        signer: PathBuf,
        /// The certificate of a PEM key; without it, it stands in the key's file
        #[arg(long, value_name = "FILE")]
        cert: Option<PathBuf>,
        /// The certificate of a mail list that may redirect receipts; may be repeated
        #[arg(long, value_name = "CERT")]
        mail_list: Vec<PathBuf>,
        /// Where to write; - is the standard output
        #[arg(long, value_name = "OUT")]
        out: PathBuf,
    },
    /// Hold a receipt against the message that was sent
    #[command(
        after_help = "Exit code 0: somebody trusted received exactly this message; 1: not proven; 2: \
        usage or unreadable.\n\nExample:\n  ravelin receipt verify receipt.eml --original letter.eml \
        --trust pki/ca.pem --format json"
    )]
    Verify {
        #[command(flatten)]
        given: Given,
        /// The receipt: a message, or a CMS object in DER, BER or PEM
        #[arg(value_name = "RECEIPT")]
        file: PathBuf,
        /// The message as it was sent
        #[arg(long, value_name = "FILE")]
        original: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// What both need to open and judge messages.
#[derive(Args, Debug)]
struct Given {
    /// A key that opens envelopes: PKCS #12, or PEM with its certificate
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A file with the password of the keys; otherwise the environment's RAVELIN_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Trust anchors: PEM or DER, a file or a folder
    #[arg(long, value_name = "FILE|DIR", required = true)]
    trust: Vec<PathBuf>,
    /// Revocation lists: PEM or DER, a file or a folder
    #[arg(long, value_name = "FILE|DIR")]
    crl: Vec<PathBuf>,
    /// Act and judge as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

/// How `receipt verify` answers.
#[derive(Serialize)]
struct Verdict {
    valid: bool,
    problems: Vec<String>,
    content_identifier: Option<String>,
    signers: Vec<By>,
}

#[derive(Serialize)]
struct By {
    subject: Option<String>,
    email: Option<String>,
    signing_time: Option<Timestamp>,
}

pub(super) fn run(receipt: &Receipt) -> Result<Answer, Trouble> {
    match &receipt.verb {
        Verb::Make {
            given,
            file,
            signer,
            cert,
            mail_list,
            out,
        } => {
            let tools = Tools::of(given)?;
            let certificate: Vec<PathBuf> = cert.iter().cloned().collect();
            let signer = material::signers(
                &Named::all("--signer", std::slice::from_ref(signer)),
                &Named::all("--cert", &certificate),
                tools.password.as_ref().map(|password| password.as_str()),
            )?;
            let lists = material::certificates(&Named::all("--mail-list", mail_list))?;
            let facts = tools.facts(file)?;
            let made = match signer.first() {
                Some(signer) => make(&facts, signer, &lists, tools.at),
                None => Err("--signer holds no key".to_owned()),
            };
            match made {
                Ok(message) => {
                    messages::write(out, &message, Secret::No)?;
                    Ok(Answer::Yes)
                }
                Err(reason) => {
                    messages::complain(&[reason]);
                    Ok(Answer::No)
                }
            }
        }
        Verb::Verify {
            given,
            file,
            original,
            format,
        } => {
            let tools = Tools::of(given)?;
            let verdict = verify(&tools.facts(file)?, &tools.facts(original)?);
            match format {
                Format::Json => print::json(&verdict)?,
                Format::Table => print::out(&drawn(&verdict))?,
            }
            Ok(if verdict.valid {
                Answer::Yes
            } else {
                Answer::No
            })
        }
    }
}

/// Keys, anchors and the time, read from files.
struct Tools {
    keys: Vec<Identity>,
    trust: TrustStore,
    at: Timestamp,
    password: Option<zeroize::Zeroizing<String>>,
}

impl Tools {
    fn of(given: &Given) -> Result<Self, Trouble> {
        let (trust, _) = material::trust(&given.trust, &given.crl)?;
        let password = material::password_of(given.password_file.as_deref())?;
        let word = password.as_ref().map(|password| password.as_str());
        let keys = material::openers(&given.key, &[], word)?;
        Ok(Self {
            keys,
            trust,
            at: given.at.unwrap_or_else(|| Clock::system().now()),
            password,
        })
    }

    fn facts(&self, file: &Path) -> Result<Facts, Trouble> {
        let opener = Opener {
            keys: (&self.keys).into(),
            trust: &self.trust,
            policies: &Policies::default(),
            at: self.at,
            limits: Limits::default(),
        };
        messages::facts(&opener, file, messages::read(file)?)
    }
}

/// The receipt as a message, or why there is none.
fn make(
    facts: &Facts,
    signer: &Identity,
    lists: &[Certificate],
    at: Timestamp,
) -> Result<Vec<u8>, String> {
    let original = asking(facts).ok_or("no signature of the message asks for a receipt")?;
    if !original.is_good() {
        return Err(format!(
            "the signature of {} is not good and trusted",
            original.name()
        ));
    }
    let request = original
        .report
        .receipt_request()
        .ok_or("the receipt request cannot be read")?;
    let own: Vec<GeneralName> = signer
        .certificate()
        .emails()
        .into_iter()
        .map(GeneralName::Email)
        .collect();
    let history = history(facts, lists);
    let through = history.as_ref().map(|(history, by)| ThroughLists {
        history,
        signer: *by,
    });
    let to = receipt::owed(&request, through, &own).map_err(|error| error.to_string())?;
    // A receipt says as much as its original: it carries the same label.
    let attributes = original
        .report
        .label_der
        .iter()
        .map(|label| ess::security_label(label))
        .collect();
    let cms = receipt::make(&original.report, &Signer::new(signer, attributes), at)
        .map_err(|error| chain(&error))?;
    let addresses: Vec<&str> = to
        .iter()
        .flatten()
        .filter_map(|name| match name {
            GeneralName::Email(address) => Some(address.as_str()),
            GeneralName::Other(_) => None,
        })
        .collect();
    let from = signer.certificate().emails().into_iter().next();
    let from = from.ok_or("the certificate of the signer names no address")?;
    let fields = [
        ("From", from),
        ("To", addresses.join(", ")),
        ("Date", rfc5322_date(at)),
        ("Subject", "Receipt".to_owned()),
        // RFC 3834 §5: nobody answers it automatically
        ("Auto-Submitted", "auto-replied".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    if addresses.is_empty() {
        return Err("the request names no mail address to send receipts to".to_owned());
    }
    layers::receipt(&fields, &cms).map_err(|error| chain(&error))
}

/// The innermost signature that asks for a receipt.
fn asking(facts: &Facts) -> Option<&SignerFacts> {
    facts
        .layers
        .iter()
        .rev()
        .flat_map(|layer| layer.signers())
        .find(|signer| signer.report.receipt_request_der.is_some())
}

// RFC 2634 §2.3: the outermost layer that has one
/// The mail-list history, and whether its signer is one of `lists`.
fn history(facts: &Facts, lists: &[Certificate]) -> Option<(MailListHistory, ListSigner)> {
    facts
        .layers
        .iter()
        .flat_map(|layer| layer.signers())
        .find_map(|signer| {
            let history = signer.report.mail_list_history()?;
            let known = signer
                .report
                .certificate
                .as_ref()
                .is_some_and(|certificate| lists.contains(certificate));
            let by = match known && signer.is_good() {
                true => ListSigner::Authorised,
                false => ListSigner::Stranger,
            };
            Some((history, by))
        })
}

fn verify(receipt: &Facts, original: &Facts) -> Verdict {
    match proven(receipt, original) {
        Ok((identifier, signers)) => Verdict {
            valid: true,
            problems: Vec::new(),
            content_identifier: Some(identifier),
            signers,
        },
        Err(problems) => Verdict {
            valid: false,
            problems,
            content_identifier: None,
            signers: Vec::new(),
        },
    }
}

/// What the request was called, and who received it; or everything that is wrong.
fn proven(receipt: &Facts, original: &Facts) -> Result<(String, Vec<By>), Vec<String>> {
    let one = |text: String| vec![text];
    let original =
        asking(original).ok_or_else(|| one("the original asks for no receipt".to_owned()))?;
    let expected = Expectation::of(&original.report).map_err(|error| one(error.to_string()))?;
    let signed = receipt
        .layers
        .iter()
        .find_map(|layer| match &layer.kind {
            LayerKind::Signed(signed) if signed.content_type == oid::RECEIPT => Some(signed),
            _ => None,
        })
        .ok_or_else(|| one("there is no signed receipt in it".to_owned()))?;
    let SignedFacts {
        cms, certificates, ..
    } = signed;
    let parsed = read::parse(cms.bytes(), &CmsLimits::default());
    let Ok(ContentInfo::Signed(data)) = parsed else {
        return Err(one("the receipt cannot be read".to_owned()));
    };
    receipt::verify(&data, &expected, certificates).map_err(|problem| one(problem.to_string()))?;
    let untrusted: Vec<String> = signed
        .signers
        .iter()
        .filter(|signer| !signer.is_good())
        .map(|signer| match &signer.trust {
            Some(problem) => format!("{}: {problem}", signer.name()),
            None => format!("{}: not good", signer.name()),
        })
        .collect();
    if !untrusted.is_empty() {
        return Err(untrusted);
    }
    let identifier = String::from_utf8_lossy(&expected.reference.content_identifier);
    let by = signed
        .signers
        .iter()
        .map(|signer| {
            let certificate = signer.report.certificate.as_ref();
            By {
                subject: certificate.map(Certificate::subject),
                email: certificate.and_then(|c| c.emails().into_iter().next()),
                signing_time: signer.report.signing_time,
            }
        })
        .collect();
    Ok((identifier.into_owned(), by))
}

fn drawn(verdict: &Verdict) -> String {
    let mut text = String::new();
    match &verdict.content_identifier {
        Some(identifier) => text.push_str(&print::line(0, "received", identifier)),
        None => text.push_str(&print::line(0, "received", "NOT PROVEN")),
    }
    for by in &verdict.signers {
        let name = by.subject.as_deref().unwrap_or("somebody");
        let email = by.email.as_deref().unwrap_or_default();
        text.push_str(&print::line(2, "by", &format!("{name} <{email}>")));
        if let Some(at) = by.signing_time {
            text.push_str(&print::line(2, "says it was", &print::time(at)));
        }
    }
    for problem in &verdict.problems {
        text.push_str(&print::line(2, "problem", problem));
    }
    text
}
