//! `ravelin open`: a message, taken out of its layers.
//!
//! Promises: nothing is written unless every signature down to there verifies and every envelope
//! opens; what is written is what the signature covers, octet for octet.

use std::path::PathBuf;

use clap::Args;

use super::answer::{Answer, Trouble};
use super::material::{self, Named};
use super::messages::{self, Secret};
use crate::clock::{Clock, Timestamp};
use crate::crypto::cms::decrypt::Keys;
use crate::label::Policies;
use crate::message::mime::Limits;
use crate::open::{Facts, LayerKind, Opener, SignerFacts};

/// The options of `ravelin open`.
#[derive(Args, Debug)]
#[command(
    after_help = "OUT gets the MIME entity inside the innermost layer, or inside the layer of that \
    number, as `ravelin inspect` counts them. Signatures must verify; whether their certificates \
    are trusted is judged when --trust is given.\nExit code 0: written; 1: an envelope stays \
    closed or a signature does not verify, and nothing is written; 2: usage or unreadable; 3: \
    fault.\n\nExamples:\n  ravelin open border.eml --key border.p12 --password-file pw --out \
    letter.eml\n  ravelin open border.eml --layer 0 --trust pki/ca.pem --out envelope.eml"
)]
pub(super) struct Open {
    /// The message, or a CMS object in DER, BER or PEM; - is the standard input
    #[arg(value_name = "IN")]
    file: PathBuf,
    /// A key that opens envelopes: PKCS #12, or PEM with --cert
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The certificate of each PEM key, in the same order; without it, it stands in the key's file
    #[arg(long, value_name = "FILE")]
    cert: Vec<PathBuf>,
    /// A file with the password of the keys; otherwise the environment's RAVELIN_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A key that sender and recipient hold beforehand: a file with one line IDENTIFIER:KEY, both in
    /// hexadecimal
    #[arg(long, value_name = "FILE")]
    shared_key_file: Vec<PathBuf>,
    /// A password that the message itself is encrypted with: the first line of a file
    #[arg(long, value_name = "FILE")]
    message_password_file: Vec<PathBuf>,
    /// Trust anchors: PEM or DER, a file or a folder
    #[arg(long, value_name = "FILE|DIR")]
    trust: Vec<PathBuf>,
    /// Revocation lists: PEM or DER, a file or a folder
    #[arg(long, value_name = "FILE|DIR")]
    crl: Vec<PathBuf>,
    /// Judge certificates as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// What is inside this layer, counted from 0 at the outside; the innermost unless told
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
    /// Where to write; - is the standard output
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
}

pub(super) fn run(open: &Open) -> Result<Answer, Trouble> {
    let (trust, _) = material::trust(&open.trust, &open.crl)?;
    let password = material::password_of(open.password_file.as_deref())?;
    let word = password.as_ref().map(|password| password.as_str());
    let keys = material::openers(&open.key, &open.cert, word)?;
    let shared = material::shared_keys(&Named::all("--shared-key-file", &open.shared_key_file))?;
    let named = Named::all("--message-password-file", &open.message_password_file);
    let passwords = material::message_passwords(&named)?;
    let opener = Opener {
        keys: Keys {
            shared: &shared,
            passwords: &passwords,
            ..Keys::of(&keys)
        },
        trust: &trust,
        policies: &Policies::default(),
        at: open.at.unwrap_or_else(|| Clock::system().now()),
        limits: Limits::default(),
    };
    let facts = messages::facts(&opener, &open.file, messages::read(&open.file)?)?;
    if facts.layers.is_empty() {
        messages::complain(&["the message has no S/MIME layer".to_owned()]);
        return Ok(Answer::No);
    }
    let inside = match open.layer {
        None => facts.layers.len().saturating_sub(1),
        Some(number) => numbered(&facts, number).ok_or_else(|| {
            Trouble::usage(
                format!("--layer: the message has no layer {number}"),
                "see `ravelin inspect`",
            )
        })?,
    };
    let problems = problems(&facts, inside, !open.trust.is_empty());
    if !problems.is_empty() {
        messages::complain(&problems);
        return Ok(Answer::No);
    }
    let Some(content) = facts
        .layers
        .get(inside)
        .and_then(|layer| layer.content.as_ref())
    else {
        messages::complain(&["the envelope stays closed".to_owned()]);
        return Ok(Answer::No);
    };
    messages::write(&open.out, content.bytes(), Secret::Yes)?;
    Ok(Answer::Yes)
}

/// The layer that `inspect` shows under this number: it counts protected header fields too.
fn numbered(facts: &Facts, number: usize) -> Option<usize> {
    let mut shown = 0_usize;
    for index in 0..facts.layers.len() {
        let protected = facts.protected.iter().filter(|part| part.layer == index);
        let next = shown + 1 + protected.count();
        if (shown..next).contains(&number) {
            return Some(index);
        }
        shown = next;
    }
    None
}

/// Why what is inside layer `last` must not come out.
fn problems(facts: &Facts, last: usize, judged: bool) -> Vec<String> {
    let mut found = Vec::new();
    // RFC 8551 §6: below an envelope that does not authenticate, a bad signature further in may be
    // all that tells of damage: then nothing of it comes out.
    let reach = match facts
        .layers
        .iter()
        .position(|l| l.is_open_unauthenticated())
    {
        Some(envelope) if envelope <= last => facts.layers.len(),
        _ => last.saturating_add(1),
    };
    for (index, layer) in facts.layers.iter().enumerate().take(reach) {
        match &layer.kind {
            LayerKind::Enveloped(envelope) if !envelope.opened => {
                found.push(format!("layer {index}: no key opens the envelope"));
            }
            LayerKind::Compressed | LayerKind::Enveloped(_) => {}
            LayerKind::Signed(signed) => {
                // RFC 5652 §5.1: an empty set of signers is no signature
                if signed.signers.is_empty() {
                    found.push(format!("layer {index}: nobody signed it"));
                }
                for signer in &signed.signers {
                    signer_problems(signer, index, judged, &mut found);
                }
            }
        }
    }
    found
}

fn signer_problems(signer: &SignerFacts, layer: usize, judged: bool, found: &mut Vec<String>) {
    let who = format!("layer {layer}, {}", signer.name());
    for problem in &signer.report.problems {
        if problem.breaks() || signer.weaknesses().any(|weak| weak == problem) {
            found.push(format!("{who}: {problem}"));
        }
    }
    if signer.report.certificate.is_none() {
        found.push(format!("{who}: its certificate did not come along"));
    }
    if let Some(problem) = signer.trust.as_ref().filter(|_| judged) {
        found.push(format!("{who}: {problem}"));
    }
    for countersigner in &signer.countersigners {
        signer_problems(countersigner, layer, judged, found);
    }
}
