//! `ravelin inspect`: every layer of a message, from the outside in, with a verdict.

use std::path::PathBuf;

use clap::Args;

use super::answer::{Answer, Trouble};
use super::material::{self, Named};
use super::messages;
use super::onion;
use super::print::{self, Format};
use super::view::View;
use crate::clock::{Clock, Timestamp};
use crate::message::mime::Limits;
use crate::open::Opener;

/// The options of `ravelin inspect`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ravelin inspect message.eml --trust pki/ca.pem --crl pki/ca.crl \
    --policy labels/alder.xml\n  ravelin inspect border.eml --trust pki --key border.p12 \
    --password-file border.password --format json\n\n\
    Exit code 0: every layer is good; 1: something is not; 2: the message cannot be read.\n\
    Without --crl, what is not revoked by a list passes, and that is listed as a weakness."
)]
pub(super) struct Inspect {
    /// The message, or a CMS object in DER, BER or PEM; - is the standard input
    file: PathBuf,
    /// Trust anchors: PEM or DER, a file or a folder
    #[arg(long, value_name = "FILE|DIR")]
    trust: Vec<PathBuf>,
    /// Revocation lists: PEM or DER, a file or a folder
    #[arg(long, value_name = "FILE|DIR")]
    crl: Vec<PathBuf>,
    /// A key that opens envelopes: PKCS #12, or PEM with --cert
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The certificate of each PEM key, in the same order; without it, it stands in the key's file
    #[arg(long, value_name = "FILE")]
    cert: Vec<PathBuf>,
    /// A file with the password of the keys; otherwise the environment's RAVELIN_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Judge certificates as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Label policies (SPIF), for markings
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(inspect: &Inspect) -> Result<Answer, Trouble> {
    let policies = material::policies(&Named::all("--policy", &inspect.policy))?;
    let (trust, check) = material::trust(&inspect.trust, &inspect.crl)?;
    let password = material::password_of(inspect.password_file.as_deref())?;
    let word = password.as_ref().map(|password| password.as_str());
    let keys = material::openers(&inspect.key, &inspect.cert, word)?;
    let at = inspect.at.unwrap_or_else(|| Clock::system().now());
    let opener = Opener {
        keys: (&keys).into(),
        trust: &trust,
        policies: &policies,
        at,
        limits: Limits::default(),
    };
    let facts = messages::facts(&opener, &inspect.file, messages::read(&inspect.file)?)?;
    let view = View::of(&facts, &policies, at, check);
    match inspect.format {
        Format::Json => print::json(&view)?,
        Format::Table => print::out(&onion::drawn(&inspect.file.display().to_string(), &view))?,
    }
    Ok(if view.is_good() {
        Answer::Yes
    } else {
        Answer::No
    })
}
