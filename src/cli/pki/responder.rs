//! `ravelin pki ocsp`: what the laboratory says of a certificate, to a file or over HTTP.
//!
//! Promises: the record is read anew for each question, so a revocation counts at once; a question
//! about certificates of several authorities is answered by none. Listens where it is told, on
//! loopback unless somebody says otherwise. Standards: RFC 6960 §2.2, §4.2, appendix A.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as Said, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use tokio::net::TcpListener;

use super::super::answer::{Answer, Trouble};
use super::super::material::{self, Named};
use super::super::print;
use super::folder::{Folder, public};
use super::{Where, failed, later, life, not_there};
use crate::clock::Clock;
use crate::crypto::certificate::hex;
use crate::crypto::keys::Identity;
use crate::crypto::lab::answers::{self, Asked, Failure, Question};

/// Octets of a question.
const LONGEST: usize = 1 << 16;

/// The options of `ravelin pki ocsp`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin pki ocsp --dir lab --listen 127.0.0.1:8089\n  openssl ocsp -issuer \
    lab/authorities/issuing.pem -cert anna.pem -reqout anna.req && \\\n    ravelin pki ocsp --dir lab \
    --request anna.req --out anna.resp\n\nThe authority's own key answers, unless --signer names a \
    certificate of the profile ocsp."
)]
pub(super) struct Ocsp {
    #[command(flatten)]
    place: Where,
    /// A question in DER
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with = "listen")]
    request: Option<PathBuf>,
    /// The answer in DER
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Answer over HTTP at this address, until told to stop
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "request")]
    listen: Option<SocketAddr>,
    /// The certificate of a delegated responder
    #[arg(long, value_name = "FILE", requires = "signer_key")]
    signer: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "signer")]
    signer_key: Option<PathBuf>,
    /// How long an answer counts
    #[arg(long, value_name = "LIFE", default_value = "1h", value_parser = life)]
    next_update: Duration,
}

/// Who answers, and for whom.
struct Responder {
    dir: PathBuf,
    /// The authorities of the folder, each with the key that answers for it.
    offices: Vec<(String, crate::crypto::certificate::Certificate, Identity)>,
    life: Duration,
}

pub(super) fn run(ocsp: &Ocsp) -> Result<Answer, Trouble> {
    let responder = responder(ocsp)?;
    if let (Some(request), Some(out)) = (&ocsp.request, &ocsp.out) {
        not_there(&[out])?;
        let file = Named::all("--request", std::slice::from_ref(request)).swap_remove(0);
        let answered = responder.answer(&file.read()?)?;
        public(out, &answered.octets)?;
        print::out(&format!("{}: {}\n", out.display(), answered.said))?;
        return Ok(match answered.is_answer {
            true => Answer::Yes,
            false => Answer::No,
        });
    }
    let Some(address) = ocsp.listen else {
        return Err(Trouble::usage(
            "nothing to answer",
            "give --request or --listen",
        ));
    };
    super::super::block_on(serve(responder, address))
}

fn responder(ocsp: &Ocsp) -> Result<Responder, Trouble> {
    let folder = ocsp.place.open()?;
    let delegate = match (&ocsp.signer, &ocsp.signer_key) {
        (Some(certificate), Some(key)) => {
            let named = |option, path: &PathBuf| {
                Named::all(option, std::slice::from_ref(path)).swap_remove(0)
            };
            let (certificate, key) = (named("--signer", certificate), named("--signer-key", key));
            let password = ocsp.place.password()?;
            let password = password.as_ref().map(|password| password.as_str());
            let found = material::identities(&key, Some(&certificate), password)?;
            found.into_iter().next()
        }
        _ => None,
    };
    let mut offices = Vec::new();
    for office in &folder.record.authorities {
        let certificate = folder.certificate_of(&office.name)?;
        let signer = match &delegate {
            // It answers only for who certified it.
            Some(delegate) if delegate.certificate().issuer_der() == certificate.subject_der() => {
                delegate.clone()
            }
            Some(_) => continue,
            None => ocsp
                .place
                .authority(&folder, &office.name)?
                .identity()
                .clone(),
        };
        offices.push((office.name.clone(), certificate, signer));
    }
    if offices.is_empty() {
        return Err(Trouble::usage(
            "the signer was not certified by an authority of this laboratory",
            "issue one: ravelin pki issue --profile ocsp",
        ));
    }
    Ok(Responder {
        dir: ocsp.place.dir.clone(),
        offices,
        life: ocsp.next_update,
    })
}

/// An answer, and what it says in words.
struct Answered {
    octets: Vec<u8>,
    said: String,
    is_answer: bool,
}

impl Responder {
    fn answer(&self, question: &[u8]) -> Result<Answered, Trouble> {
        let none = |why, said: String| Answered {
            octets: answers::failure(why),
            said,
            is_answer: false,
        };
        let question = match Question::from_der(question) {
            Ok(question) => question,
            Err(error) => return Ok(none(Failure::Malformed, error.to_string())),
        };
        let asks_only = |certificate| question.about.iter().all(|asked| asked.is_of(certificate));
        let office = self.offices.iter().find(|office| asks_only(&office.1));
        let Some((name, _, signer)) = office else {
            let said = "not about certificates of one authority of this laboratory".to_owned();
            return Ok(none(Failure::Unauthorized, said));
        };
        let folder = Folder::open(&self.dir)?;
        let now = Clock::system().now();
        let status = |asked: &Asked| said(&folder, name, asked);
        let words: Vec<String> = question
            .about
            .iter()
            .map(|asked| match status(asked) {
                answers::Said::Good => "good".to_owned(),
                answers::Said::Revoked(since, _) => format!("revoked since {}", print::time(since)),
                answers::Said::Unknown => "unknown".to_owned(),
            })
            .collect();
        let octets = answers::answer(&question, status, signer, now, later(now, self.life));
        Ok(Answered {
            octets: octets.map_err(failed)?,
            said: words.join(", "),
            is_answer: true,
        })
    }
}

fn said(folder: &Folder, issuer: &str, asked: &Asked) -> answers::Said {
    let serial = hex(&asked.serial);
    let mut issued = folder.record.certificates.iter();
    match issued.find(|one| one.issuer == issuer && one.serial == serial) {
        None => answers::Said::Unknown,
        Some(one) => match one.revoked {
            None => answers::Said::Good,
            Some(revoked) => answers::Said::Revoked(revoked.since, revoked.reason),
        },
    }
}

async fn serve(responder: Responder, address: SocketAddr) -> Result<Answer, Trouble> {
    let fault = |error| Trouble::Fault(format!("listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let here = listener.local_addr().map_err(fault)?;
    print::out(&format!("listening on http://{here}/\n"))?;
    let routes = Router::new()
        .route("/", post(posted))
        .route("/{question}", get(written))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(Arc::new(responder));
    let told = async {
        // Without a signal handler the process ends by the signal itself.
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, routes)
        .with_graceful_shutdown(told)
        .await
        .map_err(fault)?;
    Ok(Answer::Yes)
}

async fn posted(State(responder): State<Arc<Responder>>, question: Bytes) -> impl IntoResponse {
    respond(&responder, &question)
}

// RFC 6960 appendix A.1: base64 in the path
async fn written(
    State(responder): State<Arc<Responder>>,
    Said(question): Said<String>,
) -> impl IntoResponse {
    let question = STANDARD.decode(question.as_bytes()).unwrap_or_default();
    respond(&responder, &question)
}

fn respond(responder: &Responder, question: &[u8]) -> impl IntoResponse + use<> {
    let octets = match responder.answer(question) {
        Ok(answered) => answered.octets,
        Err(trouble) => {
            tracing::error!("a question was not answered: {trouble:?}");
            answers::failure(Failure::Internal)
        }
    };
    (
        [(header::CONTENT_TYPE, "application/ocsp-response")],
        octets,
    )
}
