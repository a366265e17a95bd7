//! The witness: the heads of the chain, one line each, in a file that is better kept elsewhere.
//!
//! A line is `{"switch":"…","records":N,"head":"…","at":"…","signature":"base64"}`: the statement of
//! a checkpoint and its signature.
//! Attack stopped here: somebody puts an older store back, or cuts the end of the chain off, and has
//! both store and export agree. The witness, on another mount or machine, remembers more.
//! Refuses: a line that is no statement. A line that a crash left unfinished tells nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::ChainError;
use super::checkpoint::{Checkpoint, Statement, decoded};

/// So much of the end of a witness is compared at start; the whole is what `audit verify` checks.
const COMPARED: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    statement: Statement,
    signature: String,
}

/// Adds a checkpoint, on stable storage on return.
///
/// # Errors
/// When the file cannot be written.
pub fn append(path: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let line = Line {
        statement: checkpoint.statement.clone(),
        signature: STANDARD.encode(&checkpoint.signature),
    };
    let mut file = open(path)?;
    // What a crash left unfinished stays: the file may be one that only grows.
    let begun = !ends_a_line(&mut file)?;
    let text = format!(
        "{}{}\n",
        if begun { "\n" } else { "" },
        serde_json::to_string(&line)?
    );
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Every checkpoint in a witness, with its line.
///
/// # Errors
/// The first line that is none.
pub fn read(text: &[u8]) -> Result<Vec<(u64, Checkpoint)>, ChainError> {
    let mut found = Vec::new();
    let whole = text.iter().rposition(|&octet| octet == b'\n').unwrap_or(0);
    let lines = text
        .get(..whole)
        .unwrap_or_default()
        .split(|&octet| octet == b'\n');
    for (line, number) in lines.zip(1..) {
        // A crash left it unfinished, and the next line was begun behind it.
        if !line.ends_with(b"}") {
            continue;
        }
        let wrong = |text: String| ChainError { line: number, text };
        let read: Line = serde_json::from_slice(line)
            .map_err(|error| wrong(format!("it is no line of a witness: {error}")))?;
        found.push((
            number,
            Checkpoint {
                statement: read.statement,
                signature: decoded(&read.signature).map_err(wrong)?,
            },
        ));
    }
    Ok(found)
}

/// What the end of the witness remembers and the chain does not have so. `hash` gives the hash of a
/// record of the chain, if it has one of this number.
///
/// # Errors
/// When the file cannot be read, or `hash` fails.
pub fn contradiction(
    path: &Path,
    mut hash: impl FnMut(u64) -> io::Result<Option<String>>,
) -> io::Result<Option<String>> {
    let mut file = open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(COMPARED);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(COMPARED).read_to_end(&mut tail)?;
    let tail = match start {
        0 => &tail[..],
        _ => tail
            .splitn(2, |&octet| octet == b'\n')
            .nth(1)
            .unwrap_or_default(),
    };
    for line in tail.split(|&octet| octet == b'\n') {
        // Only heads count here: who can write to the witness can stop the switch, not mislead it.
        let Ok(Line { statement, .. }) = serde_json::from_slice(line) else {
            continue;
        };
        let (records, at) = (statement.records, statement.at);
        match hash(records)? {
            Some(found) if found == statement.head => {}
            Some(_) => {
                return Ok(Some(format!(
                    "the witness saw another record {records} at {at}"
                )));
            }
            None => {
                return Ok(Some(format!(
                    "the witness saw {records} records at {at}, and the chain does not reach so far"
                )));
            }
        }
    }
    Ok(None)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
