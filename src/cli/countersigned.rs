//! `ravelin countersign`: one more signature, over a signature of a message.
//!
//! Promises: the signature below is verified first; nothing else of the message changes.
//! Standards: RFC 5652 sections 11.4 and 14.

use std::path::PathBuf;

use clap::Args;

use super::answer::{Answer, Trouble, chain};
use super::material::{self, Named};
use super::messages::{self, Secret};
use crate::clock::{Clock, Timestamp};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::countersign;
use crate::crypto::trust::TrustStore;
use crate::label::Policies;
use crate::message::mime::Limits;
use crate::open::{Facts, Layer, LayerKind, Opener};
use crate::review;

/// The options of `ravelin countersign`.
#[derive(Args, Debug)]
#[command(
    after_help = "Only the outermost layer can be countersigned: a change further in would break \
    the signatures around it.\nExit code 0: written; 1: the signature below does not verify, or \
    there is none; 2: usage or unreadable; 3: fault.\n\nExamples:\n  ravelin countersign draft.eml \
    --signer officer.p12 --password-file pw --out released.eml\n  ravelin countersign object.der \
    --signer officer.pem --signer-index 1 --out countersigned.der"
)]
pub(super) struct Countersign {
    /// The message, or a CMS object in DER, BER or PEM; - is the standard input
    #[arg(value_name = "IN")]
    file: PathBuf,
    /// Who countersigns: PKCS #12, or PEM with --cert
    #[arg(long, value_name = "KEY")]
    signer: PathBuf,
    /// The certificate of a PEM key; without it, it stands in the key's file
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// A file with the password of the key; otherwise the environment's RAVELIN_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Which signer of the layer, counted from 0 as `ravelin inspect` lists them
    #[arg(long, value_name = "N", default_value_t = 0)]
    signer_index: usize,
    /// Sign as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Where to write; - is the standard output
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
}

pub(super) fn run(countersign: &Countersign) -> Result<Answer, Trouble> {
    let at = countersign.at.unwrap_or_else(|| Clock::system().now());
    let password = material::password_of(countersign.password_file.as_deref())?;
    let certificate: Vec<PathBuf> = countersign.cert.iter().cloned().collect();
    let identity = material::signers(
        &Named::all("--signer", std::slice::from_ref(&countersign.signer)),
        &Named::all("--cert", &certificate),
        password.as_ref().map(|password| password.as_str()),
    )?
    .into_iter()
    .next()
    .ok_or_else(|| Trouble::usage("--signer holds no key", "give a key with its certificate"))?;
    let octets = messages::read(&countersign.file)?;
    let bare = messages::bare_cms(&octets);
    let trust = TrustStore::new(Vec::new(), Vec::new(), Vec::new());
    let opener = Opener {
        keys: Default::default(),
        trust: &trust,
        policies: &Policies::default(),
        at,
        limits: Limits::default(),
    };
    let facts = messages::facts(&opener, &countersign.file, octets.clone())?;
    let signature = match signature(&facts, countersign.signer_index) {
        Ok(signature) => signature,
        Err(reason) => {
            messages::complain(&[reason]);
            return Ok(Answer::No);
        }
    };
    let made = countersign::make(&signature, &identity, at)
        .map_err(|error| Trouble::Fault(chain(&error)))?;
    let certificates: Vec<Certificate> = std::iter::once(identity.certificate())
        .chain(identity.chain())
        .cloned()
        .collect();
    let index = countersign.signer_index;
    let out = match bare {
        Some(cms) => countersign::add(&cms, index, &made, &certificates)
            .map_err(|error| Trouble::Fault(chain(&error)))?,
        None => review::approve(&octets, index, &made, &certificates)
            .map_err(|refusal| Trouble::Fault(messages::grounds(&refusal)))?,
    };
    messages::write(&countersign.out, &out, Secret::No)?;
    Ok(Answer::Yes)
}

// RFC 5652 §14: who countersigns verifies first
/// The signature of that signer of the outermost layer, if it verifies.
fn signature(facts: &Facts, index: usize) -> Result<Vec<u8>, String> {
    let Some(Layer {
        kind: LayerKind::Signed(signed),
        ..
    }) = facts.layers.first()
    else {
        return Err("the outermost layer is not signed".to_owned());
    };
    let signer = signed
        .signers
        .get(index)
        .ok_or_else(|| format!("the layer has no signer {index}"))?;
    if signer.report.is_good() {
        Ok(signer.report.signature.clone())
    } else {
        Err(format!(
            "the signature of {} does not verify",
            signer.name()
        ))
    }
}
