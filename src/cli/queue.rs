//! `ravelin queue`: what waits for its next hop, in a switch that is stopped.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::answer::{Answer, Trouble, chain};
use super::print::{self, Format};
use super::stopped;
use crate::store::{EntryRow, EntryState};

/// The options of `ravelin queue`.
#[derive(Args, Debug)]
pub(super) struct Queue {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List all entries, most urgent first; the switch must be stopped
    #[command(after_help = "Example:\n  ravelin queue list --config ravelin.toml --format json")]
    List {
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(queue: &Queue) -> Result<Answer, Trouble> {
    let Act::List { config, format } = &queue.act;
    let mut rows = stopped::store(config)?
        .entries()
        .map_err(|error| Trouble::Fault(chain(&error)))?;
    rows.sort_by_key(|row| (Reverse(row.precedence), row.expires, row.arrived, row.id));
    match format {
        Format::Json => print::json(&rows)?,
        Format::Table => print::out(&print::columns(
            &[
                "ENTRY",
                "PRECEDENCE",
                "NEXT HOP",
                "STATE",
                "TRIES",
                "DUE",
                "EXPIRES",
                "RECIPIENTS",
            ],
            &rows.iter().map(cells).collect::<Vec<_>>(),
        ))?,
    }
    Ok(Answer::Yes)
}

fn cells(row: &EntryRow) -> Vec<String> {
    let recipients: Vec<&str> = row
        .recipients
        .iter()
        .map(|recipient| recipient.address.as_str())
        .collect();
    let state = match row.state {
        EntryState::Held => "held",
        EntryState::Ready => "ready",
    };
    vec![
        row.id.to_string(),
        row.precedence.to_string(),
        row.next_hop.clone(),
        state.to_owned(),
        row.attempts.to_string(),
        print::time(row.due),
        print::time(row.expires),
        recipients.join(", "),
    ]
}
