//! `ravelin trust verify`: is there a path from this certificate to an anchor, and if not, why.
//!
//! Promises: every path that was looked at is told, with the certificate, the rule and the remedy.
//! Refuses: files that are named and cannot be read (exit 2); a CRL that cannot be used counts for
//! nothing, and a warning says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use der::asn1::ObjectIdentifier;
use serde::Serialize;

use super::answer::{Answer, Trouble, chain};
use super::material::{self, Named, Place};
use super::print::{self, Format};
use super::trust_show;
use crate::clock::{Clock, Timestamp};
use crate::config::read_trust_list;
use crate::crypto::certificate::Certificate;
use crate::crypto::revocation::fetch::Online;
use crate::crypto::revocation::ocsp::Response;
use crate::crypto::revocation::ways::Ways;
use crate::crypto::trust::{
    Anchor, Attempt, PolicyRules, Purpose, RevocationCheck, Suite, TrustList, TrustProblem,
    TrustStore,
};

/// How long one question may take.
const FETCH: Duration = Duration::from_secs(5);

/// The commands of `ravelin trust`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ravelin trust verify anna.pem --anchor root.pem")]
pub(super) struct Trust {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Show who is believed: anchors, authorities, revocation lists, trust list, rules
    Show(trust_show::Show),
    /// Look for a path from a certificate to a trust anchor
    Verify(Verify),
}

/// The options of `ravelin trust verify`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin trust verify anna.pem --anchor root.pem --intermediates \
    authorities/ \\\n    --crl lists/ --at 2026-11-21T12:00:00Z --purpose sign --format json\n\n\
    Exit code 0: valid; 1: not; 2: something cannot be read. Without --crl, --ocsp and \
    --fetch, revocation is not looked up."
)]
struct Verify {
    /// The certificate: PEM or DER. Others in the file count as having come along with it
    #[arg(value_name = "CERT")]
    certificate: PathBuf,
    /// Trust anchors: certificates in PEM or DER, or a TrustAnchorInfo (RFC 5914) in DER
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    anchor: Vec<PathBuf>,
    /// Authorities that may stand between: PEM or DER, files or folders
    #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
    intermediates: Vec<PathBuf>,
    /// Revocation lists: PEM or DER, files or folders; with them every status must be known
    #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
    crl: Vec<PathBuf>,
    /// A trust list, such as [trust] names it; its signature is not looked at here
    #[arg(long, value_name = "FILE")]
    trust_list: Option<PathBuf>,
    /// OCSP responses in DER
    #[arg(long, value_name = "FILE", num_args = 1..)]
    ocsp: Vec<PathBuf>,
    /// Fetch CRLs and ask OCSP responders where the certificates say so (http)
    #[arg(long)]
    fetch: bool,
    /// Keep fetched CRLs and OCSP answers in this folder
    #[arg(long, value_name = "DIR", requires = "fetch")]
    cache: Option<PathBuf>,
    /// Judge as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    /// Certificate policies that are acceptable; without it, any
    #[arg(long, value_name = "OID", num_args = 1..)]
    policy: Vec<ObjectIdentifier>,
    /// The path must be valid for an acceptable policy
    #[arg(long)]
    explicit_policy: bool,
    /// Policy mappings count for nothing
    #[arg(long)]
    inhibit_mapping: bool,
    /// anyPolicy in certificates counts for nothing
    #[arg(long)]
    inhibit_any: bool,
    /// What the certificate is to be used for
    #[arg(long, value_enum, default_value_t)]
    purpose: For,
    /// The floor under algorithms and keys
    #[arg(long, value_enum, default_value_t)]
    suite: Floor,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum For {
    #[default]
    Any,
    Ca,
    Encrypt,
    Sign,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Floor {
    Cnsa1,
    LegacyRead,
    #[default]
    Modern,
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    path: Vec<String>,
    policies: Vec<String>,
    reasons: Vec<Reason>,
    tried: Vec<Tried>,
    at: String,
    revocation: Vec<Told>,
}

#[derive(Serialize)]
struct Reason {
    id: &'static str,
    certificate: String,
    rule: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Tried {
    path: Vec<String>,
    anchor: String,
    reason: Reason,
}

#[derive(Serialize)]
struct Told {
    certificate: String,
    source: String,
    this_update: String,
    next_update: Option<String>,
    until: String,
}

pub(super) fn run(trust: &Trust) -> Result<Answer, Trouble> {
    match &trust.act {
        Act::Show(show) => trust_show::run(show),
        Act::Verify(verify) => run_verify(verify),
    }
}

fn run_verify(verify: &Verify) -> Result<Answer, Trouble> {
    let named = Named::all("CERT", std::slice::from_ref(&verify.certificate));
    let mut certificates = material::certificates(&named)?;
    let certificate = certificates.remove(0);
    let store = store(verify)?;
    let at = verify.at.unwrap_or_else(|| Clock::system().now());
    let purpose = match verify.purpose {
        For::Any => Purpose::Any,
        For::Ca => Purpose::Authority,
        For::Encrypt => Purpose::Encrypt,
        For::Sign => Purpose::Sign,
    };
    let (outcome, tried) = store.examine(&certificate, &certificates, purpose, at);
    let mut verdict = Verdict {
        valid: outcome.is_ok(),
        path: Vec::new(),
        policies: Vec::new(),
        reasons: Vec::new(),
        tried: tried.iter().map(tried_path).collect(),
        at: print::time(at),
        revocation: Vec::new(),
    };
    match &outcome {
        Ok(path) => {
            verdict.path = subjects(path.certificates());
            if path.anchor().is_none() {
                verdict.path.push(path.trust_anchor().subject());
            }
            verdict.policies = path.policies().iter().map(ToString::to_string).collect();
            verdict.revocation = path
                .evidence()
                .iter()
                .map(|told| Told {
                    certificate: told.certificate.clone(),
                    source: told.source.clone(),
                    this_update: print::time(told.this_update),
                    next_update: told.next_update.map(print::time),
                    until: print::time(told.until),
                })
                .collect();
        }
        Err(problem) => verdict.reasons.push(reason(problem)),
    }
    match verify.format {
        Format::Json => print::json(&verdict)?,
        Format::Table => print::out(&drawn(&certificate, &verdict))?,
    }
    Ok(match verdict.valid {
        true => Answer::Yes,
        false => Answer::No,
    })
}

fn store(verify: &Verify) -> Result<TrustStore, Trouble> {
    let anchors = anchors(&verify.anchor)?;
    let known = Named::all("--intermediates", &verify.intermediates);
    let known = material::certificates(&known)?;
    let lists = material::usable_lists(&Named::all("--crl", &verify.crl))?;
    let responses = responses(&verify.ocsp)?;
    let nothing = verify.crl.is_empty() && verify.ocsp.is_empty() && !verify.fetch;
    let check = match nothing {
        true => RevocationCheck::Optional,
        false => RevocationCheck::Required,
    };
    let suite = match verify.suite {
        Floor::Cnsa1 => Suite::Cnsa1,
        Floor::LegacyRead => Suite::LegacyRead,
        Floor::Modern => Suite::Modern,
    };
    let rules = PolicyRules {
        acceptable: (!verify.policy.is_empty()).then(|| verify.policy.iter().copied().collect()),
        explicit: verify.explicit_policy,
        inhibit_any: verify.inhibit_any,
        inhibit_mapping: verify.inhibit_mapping,
    };
    let store = TrustStore::with_anchors(anchors, known, lists)
        .with_revocation(check)
        .with_suite(suite)
        .with_policies(rules)
        .with_responses(responses);
    let store = match &verify.trust_list {
        Some(path) => store.with_trust_list(Arc::new(trust_list(path)?)),
        None => store,
    };
    Ok(match verify.fetch {
        true => {
            let online = Online::new(Arc::new(Ways::of_this_build(FETCH)), verify.cache.clone());
            store.with_online(Arc::new(online))
        }
        false => store,
    })
}

fn trust_list(path: &Path) -> Result<TrustList, Trouble> {
    let file = Named {
        path: path.to_owned(),
        place: Place::Option("--trust-list"),
    };
    let octets = file.read()?;
    let text = std::str::from_utf8(&octets)
        .map_err(|_| file.trouble("is not text", "a trust list is TOML in UTF-8"))?;
    Ok(read_trust_list(path, text)?)
}

fn responses(paths: &[PathBuf]) -> Result<Vec<Response>, Trouble> {
    Named::all("--ocsp", paths)
        .iter()
        .map(|file| {
            Response::from_der(&file.read()?)
                .map_err(|error| file.trouble(chain(&error), "give an OCSP response in DER"))
        })
        .collect()
}

fn anchors(paths: &[PathBuf]) -> Result<Vec<Anchor>, Trouble> {
    let mut all = Vec::new();
    for file in Named::all("--anchor", paths) {
        let is_folder = file.path.is_dir();
        let octets = match is_folder {
            true => Vec::new(),
            false => file.read()?.to_vec(),
        };
        if is_folder || material::is_pem(&octets) {
            let found = material::certificates(std::slice::from_ref(&file))?;
            all.extend(found.into_iter().map(Anchor::from));
        } else {
            all.push(Anchor::from_der(&octets).map_err(|error| {
                file.trouble(
                    chain(&error),
                    "give X.509 certificates in PEM or DER, or a TrustAnchorInfo with path \
                     controls in DER",
                )
            })?);
        }
    }
    Ok(all)
}

fn subjects(certificates: &[Certificate]) -> Vec<String> {
    certificates.iter().map(Certificate::subject).collect()
}

fn reason(problem: &TrustProblem) -> Reason {
    Reason {
        id: problem.id(),
        certificate: problem.certificate().to_owned(),
        rule: problem.rule(),
        text: format!("{}; {}", problem.fault(), problem.remedy()),
    }
}

fn tried_path(attempt: &Attempt) -> Tried {
    let mut path = subjects(&attempt.certificates);
    if attempt.anchor.certificate().is_none() {
        path.push(attempt.anchor.subject());
    }
    Tried {
        path,
        anchor: attempt.anchor.title(),
        reason: reason(&attempt.problem),
    }
}

fn drawn(certificate: &Certificate, verdict: &Verdict) -> String {
    let mut text = print::line(0, "certificate", &certificate.subject());
    let word = if verdict.valid { "valid" } else { "not valid" };
    text += &print::line(0, "verdict", &format!("{word} at {}", verdict.at));
    for subject in &verdict.path {
        text += &print::line(2, "path", subject);
    }
    for policy in &verdict.policies {
        text += &print::line(2, "policy", policy);
    }
    for told in &verdict.revocation {
        let until = format!(
            "{}, by {} until {}",
            told.certificate, told.source, told.until
        );
        text += &print::line(2, "not revoked", &until);
    }
    for reason in &verdict.reasons {
        text += &said("reason", reason);
    }
    for tried in &verdict.tried {
        text += &print::line(0, "tried", &tried.path.join(" < "));
        text += &said("reason", &tried.reason);
    }
    text
}

fn said(name: &str, reason: &Reason) -> String {
    let text = format!(
        "{}: {} ({}, {})",
        reason.certificate, reason.text, reason.rule, reason.id
    );
    print::line(2, name, &text)
}
