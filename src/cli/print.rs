//! What commands print: JSON for programs, columns for people.
//!
//! Promises: text from outside cannot drive the reader's terminal; a closed pipe is no fault.

use std::io::{ErrorKind, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::answer::Trouble;
use crate::clock::Timestamp;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For programs: a stable contract, see README.
    Json,
    /// For people.
    #[default]
    Table,
}

/// Writes to the standard output.
pub(super) fn out(text: &str) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Trouble::Fault(format!("write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Trouble> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Trouble::Fault(format!("write the answer: {error}")))?;
    text.push('\n');
    out(&text)
}

/// Without control characters and without marks that change the direction of writing; line ends
/// become spaces.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                char::REPLACEMENT_CHARACTER
            }
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// Rows in columns, the last one as wide as it is.
pub(super) fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| clean(cell)).collect())
        .collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A time to the second, for people.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One line `name  value`, the name in a column of its own.
pub(super) fn line(indent: usize, name: &str, value: &str) -> String {
    format!("{:indent$}{name:<13} {}\n", "", clean(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_controls_do_not_come_out() {
        let rows = vec![
            vec!["1".to_owned(), "a\u{1b}[2J".to_owned(), "x".to_owned()],
            vec!["1000".to_owned(), "b".to_owned(), String::new()],
        ];
        let text = columns(&["ID", "NAME", "REST"], &rows);
        assert_eq!(text, "ID    NAME   REST\n1     a\u{fffd}[2J  x\n1000  b\n");
    }
}
