//! `ravelin audit`: is a chain whole and who vouches for it, what does it say, and a copy of it in
//! the form that somebody else's collector reads.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Trouble, chain};
use super::print::{self, Format};
use super::stopped;
use crate::audit::chain::ChainError;
use crate::audit::proof::{self, Broken, Proof};
use crate::audit::render::{self, render};
use crate::clock::Timestamp;
use crate::config;
use crate::crypto::certificate::Certificate;
use crate::message::MessageId;

/// The options of `ravelin audit`.
#[derive(Args, Debug)]
pub(super) struct Audit {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Write the chain of a stopped switch, as its store has it, or an exported one in another form
    #[command(
        after_help = "Examples:\n  ravelin audit export --config ravelin.toml --out audit.jsonl\n  \
        ravelin audit export audit.jsonl --format cef --switch gate.alder.example"
    )]
    Export {
        /// An exported chain; without it, the store of a stopped switch
        file: Option<PathBuf>,
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        /// Where to write; otherwise to the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        format: Form,
        /// The host name in CEF and syslog; without it, that of the configuration, or for a file "-"
        #[arg(long, value_name = "NAME")]
        switch: Option<String>,
    },
    /// List the events of an exported chain, also while the switch runs
    #[command(
        after_help = "Examples:\n  ravelin audit show audit.jsonl --act refused --from \
        2026-11-21T00:00:00Z\n  \
        ravelin audit show audit.jsonl --message 0123456789abcdef0123456789abcdef --format json"
    )]
    Show {
        /// The exported chain
        file: PathBuf,
        #[command(flatten)]
        only: Only,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Check that no line of an exported chain was changed, added, removed, moved or cut off
    #[command(
        after_help = "Example:\n  ravelin audit verify audit.jsonl --certificate gate.pem \
        --witness heads.jsonl\n\n\
        Exit code 0: whole, and with --certificate signed; 1: not, the line is named; 2: a file \
        cannot be read."
    )]
    Verify {
        /// The exported chain
        file: PathBuf,
        /// The certificate of the switch that signs its checkpoints, PEM; again for an older key
        #[arg(long, value_name = "CERT")]
        certificate: Vec<PathBuf>,
        /// The file that [audit] witness names, or a copy of it
        #[arg(long, value_name = "FILE")]
        witness: Option<PathBuf>,
        /// Every record must be signed: the chain of a switch that was stopped in order
        #[arg(long, requires = "certificate")]
        complete: bool,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Common Event Format, one line for each event
    Cef,
    /// The chain itself
    #[default]
    Jsonl,
    /// RFC 5424, one line for each event
    Syslog,
}

impl From<Form> for render::Form {
    fn from(form: Form) -> Self {
        match form {
            Form::Cef => Self::Cef,
            Form::Jsonl => Self::Jsonl,
            Form::Syslog => Self::Syslog,
        }
    }
}

/// Which events are shown: those to which all of these apply.
#[derive(Args, Debug, Default)]
struct Only {
    /// Only what happened to this message
    #[arg(long, value_name = "ID")]
    message: Option<MessageId>,
    /// Only these acts, such as accepted, refused, held, released, delivered
    #[arg(long, value_name = "ACT")]
    act: Vec<String>,
    /// Only what this one did or has to do with: a subject, a link, an operator
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Only these decisions, such as pass, hold, label.not-dominated
    #[arg(long, value_name = "DECISION")]
    decision: Vec<String>,
    /// Only what happened then or later
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only what happened before
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

impl Only {
    fn includes(&self, record: &Map<String, Value>) -> bool {
        let message = self.message.map(|id| id.to_string());
        let is_of = message.is_none() || member(record, "message") == message.as_deref();
        let one_of = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|want| member(record, name) == Some(want))
        };
        let at: Option<Timestamp> = member(record, "at").and_then(|at| at.parse().ok());
        // What has no time that can be read is shown: an auditor sees too much rather than too little.
        let is_in_time = at.is_none_or(|at| {
            self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
        });
        is_of
            && one_of(&self.act, "act")
            && one_of(&self.decision, "decision")
            && self
                .subject
                .as_deref()
                .is_none_or(|who| concerns(record, who))
            && is_in_time
    }
}

/// Whether somebody did it, or one of the lists and names in its details has them.
fn concerns(record: &Map<String, Value>, who: &str) -> bool {
    let names = [
        "originator",
        "recipient",
        "recipients",
        "released-by",
        "next-hop",
    ];
    let details = record.get("details").and_then(Value::as_object);
    let is_who = |text: &str| text.trim().eq_ignore_ascii_case(who);
    member(record, "actor").is_some_and(is_who)
        || details.is_some_and(|details| {
            let texts = names.iter().filter_map(|name| member(details, name));
            texts.flat_map(|text| text.split(',')).any(is_who)
        })
}

pub(super) fn run(audit: &Audit) -> Result<Answer, Trouble> {
    match &audit.act {
        Act::Export {
            file,
            config,
            out,
            format,
            switch,
        } => export(
            file.as_deref(),
            config,
            out.as_deref(),
            *format,
            switch.as_deref(),
        ),
        Act::Show { file, only, format } => show(file, only, *format),
        Act::Verify {
            file,
            certificate,
            witness,
            complete,
            format,
        } => verify(file, certificate, witness.as_deref(), *complete, *format),
    }
}

fn verify(
    file: &Path,
    certificates: &[PathBuf],
    witness: Option<&Path>,
    complete: bool,
    format: Format,
) -> Result<Answer, Trouble> {
    let mut signers = Vec::new();
    for path in certificates {
        signers.extend(self::certificates(path)?);
    }
    let seen = witness.map(|path| std::fs::read(path).map_err(|error| unreadable(path, &error)));
    let seen = seen.transpose()?;
    let found = proof::check(open(file)?, &signers, seen.as_deref());
    let found = found.map(|proof| {
        let missing = missing(&proof, !signers.is_empty(), complete);
        (proof, missing)
    });
    match format {
        Format::Json => print::json(&match &found {
            Ok((proof, missing)) => told(proof, *missing),
            Err(Broken::Chain(error)) => {
                json!({ "whole": false, "file": "chain", "line": error.line, "text": error.text })
            }
            Err(Broken::Witness(error)) => {
                json!({ "whole": false, "file": "witness", "line": error.line, "text": error.text })
            }
        })?,
        Format::Table => print::out(&match &found {
            Ok((proof, missing)) => in_words(file, proof, *missing),
            Err(Broken::Chain(error)) => place(file, error),
            Err(Broken::Witness(error)) => place(witness.unwrap_or(file), error),
        })?,
    }
    Ok(match found {
        Ok((_, None)) => Answer::Yes,
        Ok((_, Some(_))) | Err(_) => Answer::No,
    })
}

/// What a chain that is whole still lacks.
fn missing(proof: &Proof, is_asked: bool, complete: bool) -> Option<&'static str> {
    match (is_asked, proof.signed) {
        (true, 0) => Some("no checkpoint vouches for it"),
        (true, _) if complete && proof.unsigned() > 0 => Some("its end is not signed"),
        _ => None,
    }
}

fn told(proof: &Proof, missing: Option<&str>) -> Value {
    json!({
        "whole": true,
        "records": proof.chain.records,
        "first": proof.chain.first,
        "last": proof.chain.last,
        "head_hash": proof.chain.head_hash,
        "checkpoints": proof.checkpoints,
        "signed": proof.signed,
        "unsigned": proof.unsigned(),
        "signed_at": proof.signed_at,
        "signer": proof.signer,
        "switch": proof.switch,
        "witnessed": proof.witnessed,
        "missing": missing,
    })
}

fn in_words(file: &Path, proof: &Proof, missing: Option<&str>) -> String {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), print::time);
    let mut text = format!(
        "{}: whole, {} records from {} to {}\nhead {}\n",
        file.display(),
        proof.chain.records,
        time(proof.chain.first),
        time(proof.chain.last),
        proof.chain.head_hash,
    );
    if let Some(signer) = &proof.signer {
        text.push_str(&format!(
            "records 1 to {} are signed by {} at {}; {} after them are not\n",
            proof.signed,
            print::clean(signer),
            time(proof.signed_at),
            proof.unsigned(),
        ));
    }
    if proof.witnessed > 0 {
        text.push_str(&format!("the witness agrees {} times\n", proof.witnessed));
    }
    if let Some(missing) = missing {
        text.push_str(&format!("not proven: {missing}\n"));
    }
    text
}

fn place(file: &Path, error: &ChainError) -> String {
    format!(
        "{}:{}: not whole: {}\n",
        file.display(),
        error.line,
        print::clean(&error.text)
    )
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Trouble> {
    let octets = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    match Certificate::from_pem_many(&octets) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err("it holds no certificate".to_owned()),
        Err(error) => Err(error.to_string()),
    }
    .map_err(|text| {
        Trouble::usage(
            format!("{}: {text}", path.display()),
            "name the certificate of [keys] sign, in PEM",
        )
    })
}

fn show(file: &Path, only: &Only, format: Format) -> Result<Answer, Trouble> {
    let mut found = Vec::new();
    let mut reader = open(file)?;
    let (mut whole, mut number) = (0u64, 0u64);
    loop {
        let mut line = Vec::new();
        let read = reader.read_until(b'\n', &mut line);
        read.map_err(|error| unreadable(file, &error))?;
        // A switch that runs may be writing its last line just now.
        if line.last() != Some(&b'\n') {
            break;
        }
        whole += u64::try_from(line.len()).unwrap_or(u64::MAX);
        number += 1;
        let Ok(Value::Object(record)) = serde_json::from_slice(&line) else {
            return Err(Trouble::usage(
                format!("{}:{number}: not a record", file.display()),
                "give a file that the switch exported ([audit] file)",
            ));
        };
        if only.includes(&record) {
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
    if let Err(error) = crate::audit::verify(open(file)?.take(whole)) {
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

fn export(
    file: Option<&Path>,
    config: &Path,
    out: Option<&Path>,
    form: Form,
    switch: Option<&str>,
) -> Result<Answer, Trouble> {
    let fault = |error: std::io::Error| Trouble::Fault(format!("write the chain: {error}"));
    let (name, lines): (String, Box<dyn Iterator<Item = Result<String, Trouble>>>) = match file {
        Some(file) => {
            let own = file.to_owned();
            let lines = open(file)?.lines();
            let lines = lines.map(move |line| line.map_err(|error| unreadable(&own, &error)));
            ("-".to_owned(), Box::new(lines))
        }
        None => {
            let name = config::load(config)?.name;
            let store = stopped::store(config)?;
            let lines = (1..).map_while(move |sequence| {
                let line = store.record(sequence);
                line.map_err(|error| Trouble::Fault(chain(&error)))
                    .transpose()
            });
            (name, Box::new(lines))
        }
    };
    let mut target: Box<dyn Write> = match out {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => Box::new(File::create_new(path).map_err(|error| {
            Trouble::usage(
                format!("--out {}: {error}", path.display()),
                "name a file that does not exist yet",
            )
        })?),
    };
    for (number, line) in (1u64..).zip(lines) {
        let text = render(&line?, form.into(), switch.unwrap_or(&name)).map_err(|error| {
            Trouble::usage(
                format!("record {number}: {error}"),
                "give a file that the switch exported ([audit] file)",
            )
        })?;
        writeln!(target, "{text}").map_err(fault)?;
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
        "name the file that [audit] of the configuration names",
    )
}
