//! `ravelin label`: what a label says, who may read it, and the same label elsewhere.
//!
//! Promises: the syntax of labels and clearances is found by itself; the JSON is a stable contract (see
//! README, "Labels"); a label that cannot be decided is a denial, never a usage error.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;

use super::answer::{Answer, Trouble};
use super::label_answers::{self as answers, Decision};
use super::label_history;
use super::print::{self, Format};
use crate::clock::{Clock, Timestamp};
use crate::label::detect::{self, Tolerated};
use crate::label::equivalence::{self, Direction};
use crate::label::marking::{Location, location};
use crate::label::nato::{self, Role};
use crate::label::sio::{Inside, SioLabel};
use crate::label::text::{self, Table};
use crate::label::{Clearance, Label, Policies, Policy, access, ess, history, naming};

/// Larger files are no policies or labels.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// The options of `ravelin label`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin label show --policy labels/alder.xml 'SECRET; Codeword: \
    ANCHOR'"
)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

/// What every command needs.
#[derive(Args, Debug)]
struct Given {
    /// The label policy (SPIF XML); may be repeated, and the label says which one counts
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take a label apart: names, markings, and whether it is valid
    #[command(
        after_help = "LABEL is a file, - for the standard input, or the label itself: base64 or \
        hexadecimal of DER or BER, ADatP-4774 or XEP-0258 XML, a SIO-Label field, or its text \
        form; with --table also a marking, bare or as X-Field: MARKING.\nExit code 0: valid; 1: not valid or unreadable; 2: usage.\n\nExamples:\n  ravelin \
        label show --policy labels/alder.xml 'SECRET; Releasable To: BIRCH' --format json\n  \
        ravelin label show --policy labels/alder.xml label.der"
    )]
    Show {
        #[command(flatten)]
        given: Given,
        /// A file, -, or the label itself
        label: String,
        /// Judge the label as of this time
        #[arg(long, value_name = "RFC3339")]
        at: Option<Timestamp>,
        /// The language of the markings, such as fr-CA
        #[arg(long, value_name = "TAG")]
        language: Option<String>,
        /// A table of markings that are labels here, in each line MARKING | LABEL
        #[arg(long, value_name = "FILE")]
        table: Option<PathBuf>,
    },
    /// Decide: may the holder of this clearance see what bears this label?
    #[command(
        after_help = "Exit code 0: permit; 1: deny, also when label or clearance cannot be read; \
        2: usage or unreadable policy.\n\nExample:\n  ravelin label check --policy \
        labels/alder.xml 'SECRET; Codeword: ANCHOR' --clearance 'UNCLASSIFIED..SECRET' --format json"
    )]
    Check {
        #[command(flatten)]
        given: Given,
        /// A file, -, or the label itself
        label: String,
        /// A file, -, or the clearance itself
        #[arg(long, value_name = "CLEARANCE")]
        clearance: String,
        /// Decide as of this time, such as 2026-11-21T12:00:00Z
        #[arg(long, value_name = "RFC3339")]
        at: Option<Timestamp>,
    },
    /// The equal label of another policy, with every step, or the reasons against it
    #[command(
        after_help = "The policy that describes the equivalence is FROM for out, TO for in.\nExit \
        code 0: translated; 1: not translatable; 2: usage.\n\nExample:\n  ravelin label translate \
        --policy labels/alder.xml --to labels/birch.xml SECRET --direction out --format json"
    )]
    Translate {
        #[command(flatten)]
        given: Given,
        /// The policy to translate to (SPIF XML)
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// A file, -, or the label itself
        label: String,
        /// in: a remote label becomes ours, TO describes it; out: ours becomes a remote one
        #[arg(long, value_enum)]
        direction: Way,
        /// Translate as of this time
        #[arg(long, value_name = "RFC3339")]
        at: Option<Timestamp>,
    },
    /// The same label in another syntax
    #[command(
        after_help = "Exit code 0: converted; 1: it has no such form; 2: usage.\n\nExample:\n  \
        ravelin label convert --policy labels/alder.xml 'SECRET; Codeword: ANCHOR' --to sio"
    )]
    Convert {
        #[command(flatten)]
        given: Given,
        /// A file, -, or the label itself
        label: String,
        /// The syntax to write
        #[arg(long, value_enum)]
        to: To,
        /// The date in an XML label
        #[arg(long, value_name = "RFC3339")]
        at: Option<Timestamp>,
        /// A table of markings that are labels here, in each line MARKING | LABEL
        #[arg(long, value_name = "FILE")]
        table: Option<PathBuf>,
    },
    /// What the SIO-Label-History of a message tells, and whether it is one story
    #[command(
        after_help = "HEADER is a message, its header, or single fields; a file, - for the standard \
        input, or the text itself.\nExit code 0: the fields fit together; 1: they do not; 2: \
        usage.\n\nExample:\n  ravelin label history --policy labels/alder.xml message.eml --format json"
    )]
    History {
        #[command(flatten)]
        given: Given,
        /// A file, -, or the fields themselves
        header: String,
    },
    /// The markings of a label at every location, and its colours
    #[command(
        after_help = "Example:\n  ravelin label mark --policy labels/alder.xml 'SECRET; Handling: \
        STAFF' --location pageTop"
    )]
    Mark {
        #[command(flatten)]
        given: Given,
        /// A file, -, or the label itself
        label: String,
        /// One location, as the SPIF names it: pageTop, portionMarking, subject, ...
        #[arg(long, value_name = "CODE", value_parser = read_location)]
        location: Option<Location>,
        /// The language, such as fr-CA
        #[arg(long, value_name = "TAG")]
        language: Option<String>,
    },
    /// Decide many cases: one JSON object a line in, one decision a line out
    #[command(
        after_help = "Each line: {\"label\":BASE64,\"clearance\":BASE64}, optionally \"at\".\nExit \
        code 0: every line has its decision; 2: usage. A line that cannot be read is a \
        denial.\n\nExample:\n  ravelin label batch --policy labels/alder.xml < pairs.jsonl"
    )]
    Batch {
        /// The label policy (SPIF XML); may be repeated
        #[arg(long, value_name = "FILE", required = true)]
        policy: Vec<PathBuf>,
        /// Decide as of this time
        #[arg(long, value_name = "RFC3339")]
        at: Option<Timestamp>,
        /// Decisions are lines of JSON; the option is there for uniformity
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    In,
    Out,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    /// Base64 of the DER ESSSecurityLabel, ACP 145 categories
    Ess,
    /// Base64 of the DER ESSSecurityLabel, MISSI categories
    Missi,
    /// Base64 of the DER ESSSecurityLabel, categories as names (RFC 3114)
    Rfc3114,
    /// A SIO-Label field
    Sio,
    /// ADatP-4774 XML
    Nato,
    /// XEP-0258 XML
    Xmpp,
    /// The text form
    Text,
    /// The private header field that the policy's xHeader marking makes
    #[value(name = "x-header")]
    XHeader,
}

impl To {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

fn read_location(code: &str) -> Result<Location, String> {
    let by_name = Location::ALL.into_iter().find(|one| one.name() == code);
    location(code)
        .or(by_name)
        .ok_or_else(|| format!("{code} is no marking code; pageTop is one"))
}

pub(super) fn run(command: &Command) -> Result<Answer, Trouble> {
    let time = |at: &Option<Timestamp>| at.unwrap_or_else(|| Clock::system().now());
    match &command.verb {
        Verb::Show {
            given,
            label,
            at,
            language,
            table,
        } => {
            let policies = policies(&given.policy)?;
            let read = match read_by_table(label, table.as_deref(), &policies)? {
                Ok(read) => read,
                Err(text) => return answers::show_unreadable(&text, given.format),
            };
            answers::show(
                &policies,
                &read,
                time(at),
                language.as_deref(),
                given.format,
            )
        }
        Verb::Check {
            given,
            label,
            clearance,
            at,
        } => {
            let policies = policies(&given.policy)?;
            let label = read_label(label, &policies)?.map(|read| read.value);
            let clearance = read_clearance(clearance, &policies)?;
            let decision = decide(&policies, label, clearance, time(at));
            decision.show(given.format)
        }
        Verb::Translate {
            given,
            to,
            label,
            direction,
            at,
        } => translate(given, to, label, *direction, time(at)),
        Verb::Convert {
            given,
            label,
            to,
            at,
            table,
        } => convert(given, label, table.as_deref(), *to, time(at)),
        Verb::History { given, header } => {
            let policies = policies(&given.policy)?;
            let octets = input(header)?;
            let text = String::from_utf8_lossy(&octets);
            let story = history::read(&text, &policies, &nato::Tolerance::ALL);
            label_history::show(&policies, &story, given.format)
        }
        Verb::Mark {
            given,
            label,
            location,
            language,
        } => {
            let policies = policies(&given.policy)?;
            match read_label(label, &policies)? {
                Err(text) => answers::unreadable(&text, given.format),
                Ok(read) => {
                    let policy = policy_of(&policies, &read.value)?;
                    let label = &read.value;
                    answers::mark(policy, label, *location, language.as_deref(), given.format)
                }
            }
        }
        Verb::Batch { policy, at, .. } => batch(&policies(policy)?, time(at)),
    }
}

/// Loads policies; anything wrong with one of them is a usage error.
pub(super) fn policies(files: &[PathBuf]) -> Result<Policies, Trouble> {
    let all = files
        .iter()
        .map(|file| policy(file))
        .collect::<Result<_, _>>()?;
    Policies::new(all).map_err(|error| Trouble::usage(error, "name each policy once"))
}

pub(super) fn policy(file: &Path) -> Result<Policy, Trouble> {
    let octets = octets(file)?;
    let policy = Policy::from_spif(&octets, &file.display().to_string())
        .map_err(|error| Trouble::usage(error, "correct the policy at that place"))?;
    Ok(policy)
}

fn octets(file: &Path) -> Result<Vec<u8>, Trouble> {
    let wrong = |error: std::io::Error| {
        Trouble::usage(
            format!("read {}: {error}", file.display()),
            "name a file that is there",
        )
    };
    let mut octets = Vec::new();
    let opened = std::fs::File::open(file).map_err(wrong)?;
    opened
        .take(FILE_LIMIT)
        .read_to_end(&mut octets)
        .map_err(wrong)?;
    Ok(octets)
}

/// A file, the standard input, or the text itself.
pub(super) fn input(text: &str) -> Result<Vec<u8>, Trouble> {
    if text == "-" {
        let mut octets = Vec::new();
        return std::io::stdin()
            .take(FILE_LIMIT)
            .read_to_end(&mut octets)
            .map(|_| octets)
            .map_err(|error| Trouble::Fault(format!("read the standard input: {error}")));
    }
    let path = Path::new(text);
    let named_like_file = [
        "b64", "ber", "der", "eml", "hex", "nato", "pem", "sio", "txt", "xml",
    ]
    .iter()
    .any(|known| {
        path.extension()
            .is_some_and(|extension| extension == *known)
    });
    if path.is_file() || (named_like_file && !text.contains(['<', ';', '\n'])) {
        return octets(path);
    }
    Ok(text.as_bytes().to_vec())
}

/// The outer error is a usage error; the inner one says why the octets are no label.
fn read_label(
    text: &str,
    policies: &Policies,
) -> Result<Result<Tolerated<Label>, String>, Trouble> {
    let read = detect::label_tolerantly(&input(text)?, policies);
    Ok(read.map_err(|error| error.to_string()))
}

/// As [`read_label`], with the site's table of markings if there is one.
fn read_by_table(
    text: &str,
    table: Option<&Path>,
    policies: &Policies,
) -> Result<Result<Tolerated<Label>, String>, Trouble> {
    let Some(file) = table else {
        return read_label(text, policies);
    };
    let lines = octets(file)?;
    let table = Table::parse(&String::from_utf8_lossy(&lines), policies).map_err(|error| {
        let text = format!("{}: {error}", file.display());
        Trouble::usage(text, "correct the line; the form is MARKING | LABEL")
    })?;
    let read = detect::label_by_table(&input(text)?, policies, &table);
    Ok(read.map_err(|error| error.to_string()))
}

fn read_clearance(text: &str, policies: &Policies) -> Result<Result<Clearance, String>, Trouble> {
    let read = detect::clearance_tolerantly(&input(text)?, policies);
    Ok(read
        .map(|read| read.value)
        .map_err(|error| error.to_string()))
}

/// The label's own policy; a label of a policy that is not loaded cannot be shown in names.
fn policy_of<'a>(policies: &'a Policies, label: &Label) -> Result<&'a Policy, Trouble> {
    let found = label.policy.and_then(|oid| policies.get(&oid));
    found.ok_or_else(|| {
        let name = label
            .policy
            .map_or("no policy".to_owned(), |oid| oid.to_string());
        Trouble::usage(
            format!("the label is of {name}, which is not loaded"),
            "name its policy with --policy",
        )
    })
}

fn decide(
    policies: &Policies,
    label: Result<Label, String>,
    clearance: Result<Clearance, String>,
    at: Timestamp,
) -> Decision {
    match (label, clearance) {
        (Ok(label), Ok(clearance)) => {
            Decision::of(&access::judge(policies, Some(&label), &[clearance], at))
        }
        (Err(text), _) => Decision::denied("label.malformed", text),
        (_, Err(text)) => Decision::denied("clearance.malformed", text),
    }
}

fn translate(
    given: &Given,
    to: &Path,
    label: &str,
    way: Way,
    at: Timestamp,
) -> Result<Answer, Trouble> {
    let loaded = policies(&given.policy)?;
    let to = policy(to)?;
    let read = match read_label(label, &loaded)? {
        Ok(read) => read,
        Err(text) => return answers::translate_unreadable(&text, given.format),
    };
    let from = policy_of(&loaded, &read.value)?;
    let direction = match way {
        Way::In => Direction::Inbound,
        Way::Out => Direction::Outbound,
    };
    let came = equivalence::translate(from, &to, &read.value, direction, at);
    answers::translation(&to, came, given.format)
}

fn convert(
    given: &Given,
    label: &str,
    table: Option<&Path>,
    to: To,
    at: Timestamp,
) -> Result<Answer, Trouble> {
    let policies = policies(&given.policy)?;
    let label = match read_by_table(label, table, &policies)? {
        Ok(read) => read.value,
        Err(text) => return answers::unreadable(&text, given.format),
    };
    let of_policy = || policy_of(&policies, &label);
    let base64 = |octets: Vec<u8>| STANDARD.encode(octets);
    let written = match to {
        To::Ess => ess::encode(&label)
            .map(base64)
            .map_err(|error| error.to_string()),
        To::Missi => ess::encode_missi(of_policy()?, &label)
            .map(base64)
            .map_err(|error| error.to_string()),
        To::Rfc3114 => ess::encode_names(of_policy()?, &label)
            .map(base64)
            .map_err(|error| error.to_string()),
        To::Sio => SioLabel::write_for(of_policy()?, &label, Inside::Ess, at)
            .map(|field| format!("SIO-Label: {}", field.write()))
            .map_err(|error| error.to_string()),
        To::Nato => nato::encode(of_policy()?, &label, Role::Originator, at)
            .map_err(|error| error.to_string()),
        To::Xmpp => crate::label::xmpp::SecurityLabel::of(of_policy()?, &label, Vec::new())
            .encode()
            .map_err(|error| error.to_string()),
        To::Text => Ok(naming::write_label(of_policy()?, &label)),
        To::XHeader => text::header_field(of_policy()?, &label)
            .map(|(name, value)| format!("{name}: {value}"))
            .ok_or_else(|| "the policy has no xHeader marking with a field name".to_owned()),
    };
    match written {
        Ok(text) => answers::converted(&to.name(), &text, given.format),
        Err(text) => answers::unreadable(&text, given.format),
    }
}

/// One line of `ravelin label batch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    label: String,
    clearance: String,
    at: Option<Timestamp>,
}

fn batch(policies: &Policies, at: Timestamp) -> Result<Answer, Trouble> {
    let fault = |error: std::io::Error| Trouble::Fault(format!("write the answers: {error}"));
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Trouble::Fault(format!("read the pairs: {error}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let decision = match serde_json::from_str::<Pair>(&line) {
            Ok(pair) => {
                let label = detect::label_tolerantly(pair.label.as_bytes(), policies);
                let clearance = detect::clearance_tolerantly(pair.clearance.as_bytes(), policies);
                decide(
                    policies,
                    label
                        .map(|read| read.value)
                        .map_err(|error| error.to_string()),
                    clearance
                        .map(|read| read.value)
                        .map_err(|error| error.to_string()),
                    pair.at.unwrap_or(at),
                )
            }
            Err(error) => Decision::denied("line.malformed", error.to_string()),
        };
        let text = serde_json::to_string(&decision)
            .map_err(|error| Trouble::Fault(format!("write the answers: {error}")))?;
        match writeln!(out, "{text}") {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Answer::Yes),
            other => other.map_err(fault)?,
        }
    }
    out.flush().map_err(fault)?;
    Ok(Answer::Yes)
}

/// Prints lines for people.
pub(super) fn lines(lines: &[String]) -> Result<(), Trouble> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&print::clean(line));
        text.push('\n');
    }
    print::out(&text)
}
