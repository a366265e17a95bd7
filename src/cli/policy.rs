//! `ravelin policy`: what is wrong with a label policy, what it says, and what a new version changes.
//!
//! Promises: a finding names the element and shows a label; a policy that cannot be read is a finding
//! with its place, not a crash.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::answer::{Answer, Trouble};
use super::label::{lines, policies, policy};
use super::print::{self, Format};
use crate::clock::{Clock, Timestamp};
use crate::label::lint::{Finding, Severity, lint_pair, lint_with};

use crate::label::{Clearance, Policies, Policy, cases, detect, diff};

/// The options of `ravelin policy`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ravelin policy lint labels/alder.xml labels/birch.xml")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find defects: values that can never be used, equal markings, downgrades between policies
    #[command(
        after_help = "With several policies each pair is examined too, both ways.\nExit code 0: no \
        finding is an error; 1: one is; 2: usage.\n\nExample:\n  ravelin policy lint \
        labels/alder.xml labels/birch.xml --clearances clearances --format json"
    )]
    Lint {
        /// Policies (SPIF XML)
        #[arg(required = true, value_name = "FILE")]
        policies: Vec<PathBuf>,
        /// A folder of clearances, one a file, in any syntax: who can read what
        #[arg(long, value_name = "DIR")]
        clearances: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Say in words what a policy knows and demands
    #[command(after_help = "Example:\n  ravelin policy explain labels/alder.xml")]
    Explain {
        /// The policy (SPIF XML)
        #[arg(value_name = "FILE")]
        policy: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Which labels change their decision from one version to the next, and for whom
    #[command(
        after_help = "Exit code 0: nothing changes; 1: something does; 2: usage.\n\nExample:\n  \
        ravelin policy diff old.xml new.xml --clearances clearances --format json"
    )]
    Diff {
        /// The version before
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The version after
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// A folder of clearances, one a file, in any syntax
        #[arg(long, value_name = "DIR")]
        clearances: Option<PathBuf>,
        /// Decide as of this time
        #[arg(long, value_name = "RFC3339")]
        at: Option<Timestamp>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Run the cases of a policy
    #[command(
        after_help = "Without --policy, NAME.cases belongs to NAME.xml beside it; the other \
        policies of the folder serve translations.\nExit code 0: all pass; 1: one does not; 2: \
        usage.\n\nExample:\n  ravelin policy test labels/alder.cases"
    )]
    Test {
        /// The file of cases
        #[arg(value_name = "FILE.cases")]
        cases: PathBuf,
        /// The policy of the cases, then any others that they name
        #[arg(long, value_name = "FILE")]
        policy: Vec<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(command: &Command) -> Result<Answer, Trouble> {
    let time = |at: &Option<Timestamp>| at.unwrap_or_else(|| Clock::system().now());
    match &command.verb {
        Verb::Lint {
            policies,
            clearances,
            format,
        } => examine(policies, clearances.as_deref(), *format),
        Verb::Explain { policy, format } => explain(policy, *format),
        Verb::Diff {
            old,
            new,
            clearances,
            at,
            format,
        } => compare(old, new, clearances.as_deref(), time(at), *format),
        Verb::Test {
            cases,
            policy,
            format,
        } => test(cases, policy, *format),
    }
}

#[derive(Serialize)]
struct Shown {
    id: String,
    severity: &'static str,
    text: String,
    element: String,
    example: String,
}

impl Shown {
    fn of(finding: Finding) -> Self {
        Self {
            id: finding.id.to_owned(),
            severity: finding.severity.name(),
            text: finding.text,
            element: finding.element,
            example: finding.counterexample.unwrap_or_default(),
        }
    }
}

fn examine(files: &[PathBuf], folder: Option<&Path>, format: Format) -> Result<Answer, Trouble> {
    #[derive(Serialize)]
    struct Report {
        findings: Vec<Shown>,
    }
    let mut findings = Vec::new();
    let mut loaded = Vec::new();
    for file in files {
        let octets = std::fs::read(file).map_err(|error| {
            let text = format!("read {}: {error}", file.display());
            Trouble::usage(text, "name a file that is there")
        })?;
        match Policy::from_spif(&octets, &file.display().to_string()) {
            Ok(policy) => loaded.push(policy),
            Err(error) => findings.push(Shown {
                id: "lint.unreadable".to_owned(),
                severity: "error",
                element: format!("{}:{}:{}", error.file, error.line, error.column),
                text: error.text,
                example: String::new(),
            }),
        }
    }
    let set = Policies::new(loaded)
        .map_err(|error| Trouble::usage(error, "compare versions with ravelin policy diff"))?;
    let named = match folder {
        Some(folder) => clearances(folder, &set)?,
        None => Vec::new(),
    };
    for policy in set.iter() {
        findings.extend(lint_with(policy, &named).into_iter().map(Shown::of));
        for other in set.iter().filter(|other| other.oid() != policy.oid()) {
            findings.extend(lint_pair(policy, other).into_iter().map(Shown::of));
        }
    }
    let bad = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error.name());
    match format {
        Format::Json => print::json(&Report { findings })?,
        Format::Table => {
            let mut text = Vec::new();
            for one in &findings {
                text.push(format!(
                    "{} {}: {} ({})",
                    one.severity, one.id, one.text, one.element
                ));
                if !one.example.is_empty() {
                    text.push(format!("  example: {}", one.example));
                }
            }
            if findings.is_empty() {
                text.push("no findings".to_owned());
            }
            lines(&text)?;
        }
    }
    Ok(if bad { Answer::No } else { Answer::Yes })
}

/// Every file of the folder is a clearance; its name without extension is the holder's.
fn clearances(folder: &Path, policies: &Policies) -> Result<Vec<(String, Clearance)>, Trouble> {
    let wrong = |error: &dyn std::fmt::Display| {
        let text = format!("read {}: {error}", folder.display());
        Trouble::usage(text, "name a folder of clearances")
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| wrong(&error))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut named = Vec::new();
    for file in files {
        let octets = std::fs::read(&file).map_err(|error| wrong(&error))?;
        let read = detect::clearance_tolerantly(&octets, policies).map_err(|error| {
            Trouble::usage(
                format!("{}: {error}", file.display()),
                "correct the clearance or take it out of the folder",
            )
        })?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        named.push((name.into_owned(), read.value));
    }
    Ok(named)
}

fn explain(file: &Path, format: Format) -> Result<Answer, Trouble> {
    #[derive(Serialize)]
    struct Explained {
        oid: String,
        name: String,
        version: u64,
        created: Option<String>,
        rules: Vec<String>,
    }
    let policy = policy(file)?;
    let explained = Explained {
        oid: policy.oid().to_string(),
        name: policy.name().to_owned(),
        version: policy.version(),
        created: policy.created().map(str::to_owned),
        rules: crate::label::explain::explain(&policy),
    };
    match format {
        Format::Json => print::json(&explained)?,
        Format::Table => {
            let head = format!(
                "{} ({}), version {}, created {}",
                explained.name,
                explained.oid,
                explained.version,
                explained.created.as_deref().unwrap_or("at no stated time")
            );
            let mut text = vec![head];
            text.extend(explained.rules);
            lines(&text)?;
        }
    }
    Ok(Answer::Yes)
}

fn compare(
    old: &Path,
    new: &Path,
    folder: Option<&Path>,
    at: Timestamp,
    format: Format,
) -> Result<Answer, Trouble> {
    #[derive(Serialize)]
    struct Changed {
        id: &'static str,
        text: String,
        label: Option<String>,
        gains: Vec<String>,
        loses: Vec<String>,
    }
    #[derive(Serialize)]
    struct Report {
        changes: Vec<Changed>,
    }
    let (old, new) = (policy(old)?, policy(new)?);
    let named = match folder {
        // Names as the new version has them; what it no longer knows is read with the old one.
        Some(folder) => {
            let with = |policy: &Policy| {
                Policies::new(vec![policy.clone()])
                    .map_err(|error| Trouble::Fault(error.to_string()))
                    .and_then(|set| clearances(folder, &set))
            };
            with(&new).or_else(|_| with(&old))?
        }
        None => Vec::new(),
    };
    let changes: Vec<Changed> = diff::diff(&old, &new, &named, at)
        .into_iter()
        .map(|change| Changed {
            id: change.id,
            text: change.text,
            label: change.counterexample,
            gains: change.gains,
            loses: change.loses,
        })
        .collect();
    let answer = if changes.is_empty() {
        Answer::Yes
    } else {
        Answer::No
    };
    match format {
        Format::Json => print::json(&Report { changes })?,
        Format::Table => {
            let mut text: Vec<String> = changes
                .iter()
                .map(|change| {
                    let label = change.label.as_deref().unwrap_or("every label");
                    let (gains, loses) = (change.gains.join(", "), change.loses.join(", "));
                    let id = change.id;
                    format!(
                        "{id}: {label}: {} [gain: {gains}; lose: {loses}]",
                        change.text
                    )
                })
                .collect();
            if text.is_empty() {
                text.push("no label changes its decision".to_owned());
            }
            lines(&text)?;
        }
    }
    Ok(answer)
}

fn test(file: &Path, named: &[PathBuf], format: Format) -> Result<Answer, Trouble> {
    #[derive(Serialize)]
    struct Failure {
        line: usize,
        text: String,
    }
    #[derive(Serialize)]
    struct Report {
        passed: usize,
        failed: usize,
        failures: Vec<Failure>,
    }
    let text = std::fs::read_to_string(file).map_err(|error| {
        let text = format!("read {}: {error}", file.display());
        Trouble::usage(text, "name a file of cases")
    })?;
    let own = named
        .first()
        .cloned()
        .unwrap_or_else(|| file.with_extension("xml"));
    let mut files = vec![own.clone()];
    if named.is_empty() {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let entries = std::fs::read_dir(folder.unwrap_or(Path::new(".")));
        let paths = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()));
        let mut others: Vec<PathBuf> = paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
            .filter(|path| path.file_name() != own.file_name())
            // A neighbour that is no policy does not concern these cases.
            .filter(|path| policy(path).is_ok())
            .collect();
        others.sort();
        files.extend(others);
    } else {
        files.extend(named.iter().skip(1).cloned());
    }
    let set = policies(&files)?;
    let subject = policy(&own)?;
    let name = file.display().to_string();
    let cases = cases::parse(&text, &name)
        .map_err(|error| Trouble::usage(error, "correct the line; the form is in README"))?;
    let mut report = Report {
        passed: 0,
        failed: 0,
        failures: Vec::new(),
    };
    for case in &cases {
        match cases::run(&subject, &set, case) {
            Ok(()) => report.passed += 1,
            Err(text) => {
                report.failed += 1;
                let line = case.line;
                report.failures.push(Failure { line, text });
            }
        }
    }
    let answer = if report.failed == 0 && report.passed > 0 {
        Answer::Yes
    } else {
        Answer::No
    };
    match format {
        Format::Json => print::json(&report)?,
        Format::Table => {
            let mut text: Vec<String> = report
                .failures
                .iter()
                .map(|failure| format!("{name}:{}: {}", failure.line, failure.text))
                .collect();
            text.push(format!(
                "{} passed, {} failed",
                report.passed, report.failed
            ));
            lines(&text)?;
        }
    }
    Ok(answer)
}
