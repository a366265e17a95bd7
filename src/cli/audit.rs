//! `ravelin audit`: is a chain whole, what does it say, and a copy of it from the store.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Trouble, chain};
use super::print::{self, Format};
use super::stopped;
use crate::audit;
use crate::message::MessageId;

/// The options of `ravelin audit`.
#[derive(Args, Debug)]
pub(super) struct Audit {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Write the chain of a stopped switch, as its store has it
    #[command(
        after_help = "Example:\n  ravelin audit export --config ravelin.toml --out audit.jsonl"
    )]
    Export {
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        /// Where to write; otherwise to the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the events of an exported chain
    #[command(
        after_help = "Examples:\n  ravelin audit show audit.jsonl --act refused\n  \
        ravelin audit show audit.jsonl --message 0123456789abcdef0123456789abcdef --format json"
    )]
    Show {
        /// The exported chain
        file: PathBuf,
        /// Only what happened to this message
        #[arg(long, value_name = "ID")]
        message: Option<MessageId>,
        /// Only these acts, such as accepted, refused, held, released, delivered
        #[arg(long, value_name = "ACT")]
        act: Vec<String>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Check that no line of an exported chain was changed, added, removed or moved
    #[command(after_help = "Example:\n  ravelin audit verify audit.jsonl\n\n\
        Exit code 0: whole; 1: not whole, the line is named; 2: the file cannot be read.")]
    Verify {
        /// The exported chain
        file: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(audit: &Audit) -> Result<Answer, Trouble> {
    match &audit.act {
        Act::Export { config, out } => export(config, out.as_deref()),
        Act::Show {
            file,
            message,
            act,
            format,
        } => show(file, *message, act, *format),
        Act::Verify { file, format } => verify(file, *format),
    }
}

fn verify(file: &Path, format: Format) -> Result<Answer, Trouble> {
    let found = audit::verify(open(file)?);
    let (answer, value) = match &found {
        Ok(summary) => (
            Answer::Yes,
            json!({
                "whole": true,
                "records": summary.records,
                "first": summary.first,
                "last": summary.last,
                "head_hash": summary.head_hash,
            }),
        ),
        Err(error) => (
            Answer::No,
            json!({ "whole": false, "line": error.line, "text": error.text }),
        ),
    };
    match (format, &found) {
        (Format::Json, _) => print::json(&value)?,
        (Format::Table, Ok(summary)) => {
            let time = |at: Option<crate::clock::Timestamp>| {
                at.map_or_else(|| "-".to_owned(), print::time)
            };
            print::out(&format!(
                "{}: whole, {} records from {} to {}\nhead {}\n",
                file.display(),
                summary.records,
                time(summary.first),
                time(summary.last),
                summary.head_hash,
            ))?;
        }
        (Format::Table, Err(error)) => print::out(&format!(
            "{}:{}: not whole: {}\n",
            file.display(),
            error.line,
            print::clean(&error.text)
        ))?,
    }
    Ok(answer)
}

fn show(
    file: &Path,
    message: Option<MessageId>,
    acts: &[String],
    format: Format,
) -> Result<Answer, Trouble> {
    let message = message.map(|id| id.to_string());
    let mut found = Vec::new();
    for (number, line) in (1u64..).zip(open(file)?.lines()) {
        let line = line.map_err(|error| unreadable(file, &error))?;
        let Ok(Value::Object(record)) = serde_json::from_str(&line) else {
            return Err(Trouble::usage(
                format!("{}:{number}: not a record", file.display()),
                "give a file that the switch exported ([audit] file)",
            ));
        };
        let is_of = message.is_none() || member(&record, "message") == message.as_deref();
        let is_act = acts.is_empty() || acts.iter().any(|act| member(&record, "act") == Some(act));
        if is_of && is_act {
            found.push(record);
        }
    }
    match format {
        Format::Json => print::json(&found)?,
        Format::Table => {
            let rows: Vec<Vec<String>> = found.iter().map(row).collect();
            let head = ["NO", "AT", "ACT", "ACTOR", "MESSAGE", "DECISION", "DETAILS"];
            print::out(&print::columns(&head, &rows))?;
        }
    }
    if let Err(error) = audit::verify(open(file)?) {
        let _ = writeln!(
            std::io::stderr(),
            "ravelin: {}: this chain is not whole: {error}",
            file.display()
        );
        return Ok(Answer::No);
    }
    Ok(Answer::Yes)
}

fn row(record: &Map<String, Value>) -> Vec<String> {
    let text = |name: &str| member(record, name).unwrap_or("-").to_owned();
    let details = record
        .get("details")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join("; ");
    vec![
        record.get("seq").map(Value::to_string).unwrap_or_default(),
        text("at").parse().map_or_else(|_| text("at"), print::time),
        text("act"),
        text("actor"),
        text("message"),
        text("decision"),
        details,
    ]
}

fn member<'r>(record: &'r Map<String, Value>, name: &str) -> Option<&'r str> {
    record.get(name).and_then(Value::as_str)
}

fn export(config: &Path, out: Option<&Path>) -> Result<Answer, Trouble> {
    let store = stopped::store(config)?;
    let fault = |error: std::io::Error| Trouble::Fault(format!("write the chain: {error}"));
    let mut target: Box<dyn Write> = match out {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => Box::new(File::create_new(path).map_err(|error| {
            Trouble::usage(
                format!("--out {}: {error}", path.display()),
                "name a file that does not exist yet",
            )
        })?),
    };
    for sequence in 1.. {
        let line = store
            .record(sequence)
            .map_err(|error| Trouble::Fault(chain(&error)))?;
        let Some(line) = line else { break };
        writeln!(target, "{line}").map_err(fault)?;
    }
    target.flush().map_err(fault)?;
    Ok(Answer::Yes)
}

fn open(file: &Path) -> Result<BufReader<File>, Trouble> {
    File::open(file)
        .map(BufReader::new)
        .map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Trouble {
    Trouble::usage(
        format!("{}: cannot be read: {error}", file.display()),
        "name the file that [audit] file of the configuration names",
    )
}
