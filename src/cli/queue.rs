//! `ravelin queue`: what waits for its next hop, and an operator's work on it. The list is also had
//! of a switch that is stopped; everything else is done by one that runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::answer::{Answer, Trouble, chain};
use super::desk::refused;
use super::listing::{Listing, goes_on};
use super::officer::Settings;
use super::print::{self, Format};
use super::stopped;
use crate::admin::queue::{Asked, Listed, Order};
use crate::clock::Clock;
use crate::message::{EntryId, MessageId};
use crate::queue::{self, Limits, NotACursor, Schedule};
use crate::store::EntryState;

/// The options of `ravelin queue`.
#[derive(Args, Debug)]
pub(super) struct Queue {
    #[command(subcommand)]
    act: Act,
}

/// What an act is for, by whom, and why.
#[derive(Args, Debug)]
struct Target {
    /// The operator's settings, as officer.toml; the key is of a subject with the role operator
    #[arg(long, value_name = "FILE")]
    desk: PathBuf,
    /// One entry
    #[arg(long, value_name = "ID", required_unless_present_any = ["message", "next_hop"], conflicts_with_all = ["message", "next_hop"])]
    entry: Option<EntryId>,
    /// All entries of a message
    #[arg(long, value_name = "ID", conflicts_with = "next_hop")]
    message: Option<MessageId>,
    /// All entries for a link; hold and resume count for those that come later too
    #[arg(long, value_name = "LINK")]
    next_hop: Option<String>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Which entries are listed, of which switch.
#[derive(Args, Debug)]
struct Wanted {
    /// Only those for this link
    #[arg(long, value_name = "LINK")]
    next_hop: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Hold entries back; their life goes on
    #[command(
        after_help = "Example:\n  ravelin queue hold --next-hop birch --reason \"exercise\" \
        --desk operator.toml"
    )]
    Hold(Target),
    /// List all entries, most urgent first: of a running switch with --desk, of a stopped one without
    #[command(
        after_help = "Examples:\n  ravelin queue list --desk operator.toml\n  \
        ravelin queue list --next-hop birch --limit 100 --desk operator.toml\n  ravelin queue list \
        --config ravelin.toml --format json"
    )]
    List(Wanted),
    /// Send entries over another link that asks for the same layers; they are judged again
    #[command(
        after_help = "Example:\n  ravelin queue redirect --entry ID --to birch-reserve \
        --reason \"birch is down\" --desk operator.toml"
    )]
    Redirect {
        #[command(flatten)]
        target: Target,
        /// The other link
        #[arg(long, value_name = "LINK")]
        to: String,
    },
    /// Take entries out; their originators are told
    #[command(
        after_help = "Example:\n  ravelin queue remove --message ID --reason \"sent in error\" \
        --desk operator.toml"
    )]
    Remove(Target),
    /// Let held entries go on
    #[command(
        after_help = "Example:\n  ravelin queue resume --next-hop birch --reason \"exercise is over\" \
        --desk operator.toml"
    )]
    Resume(Target),
    /// Try entries at once
    #[command(
        after_help = "Example:\n  ravelin queue retry --next-hop birch --reason \"birch is up\" \
        --desk operator.toml"
    )]
    Retry(Target),
}

pub(super) async fn run(queue: &Queue) -> Result<Answer, Trouble> {
    match &queue.act {
        Act::Hold(target) => work("hold", target, None).await,
        Act::List(wanted) => list(wanted).await,
        Act::Redirect { target, to } => work("redirect", target, Some(to)).await,
        Act::Remove(target) => work("remove", target, None).await,
        Act::Resume(target) => work("resume", target, None).await,
        Act::Retry(target) => work("retry", target, None).await,
    }
}

async fn work(act: &str, target: &Target, to: Option<&String>) -> Result<Answer, Trouble> {
    let operator = Settings::of(&target.desk).officer()?;
    let order = Order {
        entry: target.entry,
        message: target.message,
        next_hop: target.next_hop.clone(),
        to: to.cloned(),
        reason: target.reason.clone(),
    };
    let done = match operator.desk.work_on_queue(act, &order).await {
        Ok(done) => done,
        Err(error) => return refused(error),
    };
    match target.format {
        Format::Json => print::json(&done)?,
        Format::Table => {
            let mut text = format!("{act}: {} entries\n", done.done.len());
            for not in &done.not_done {
                text.push_str(&format!("not done: {}\n", print::clean(&not.text)));
            }
            for paused in &done.paused {
                text.push_str(&format!(
                    "held back: {} since {}, by {}: {}\n",
                    print::clean(&paused.next_hop),
                    print::time(paused.since),
                    print::clean(&paused.by),
                    print::clean(&paused.reason)
                ));
            }
            print::out(&text)?;
        }
    }
    Ok(if done.not_done.is_empty() {
        Answer::Yes
    } else {
        Answer::No
    })
}

async fn list(wanted: &Wanted) -> Result<Answer, Trouble> {
    let format = wanted.listing.format;
    let asked = Asked {
        limit: None,
        after: wanted.listing.after.clone(),
        next_hop: wanted.next_hop.clone(),
    };
    let (rows, next) = match &wanted.listing.desk {
        Some(desk) => {
            let desk = Settings::of(desk).officer()?.desk;
            match desk.entries(&asked, wanted.listing.limit).await {
                Ok(found) => found,
                Err(error) => return refused(error),
            }
        }
        None => of_stopped(wanted)?,
    };
    goes_on(next.as_deref());
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

/// The same of a switch that is stopped.
fn of_stopped(wanted: &Wanted) -> Result<(Vec<Listed>, Option<String>), Trouble> {
    let fault = |error: crate::store::Fault| Trouble::Fault(chain(&error));
    let usage = |error: NotACursor| Trouble::Usage(error.to_string());
    let store = stopped::store(&wanted.listing.config)?;
    let clock = Clock::system();
    let queue = queue::Queue::open(store, Schedule::default(), Limits::default(), clock.clone());
    let queue = queue.map_err(fault)?;
    let (orders, now) = (queue.minimize(), clock.now());
    let after = wanted.listing.after.as_deref().map(str::parse).transpose();
    let (mut all, mut after) = (Vec::new(), after.map_err(usage)?);
    loop {
        let left = wanted
            .listing
            .limit
            .map_or(1000, |enough| enough - all.len());
        let page = queue.page(after, wanted.next_hop.as_deref(), left.min(1000));
        let page = page.map_err(fault)?;
        all.extend(page.rows.into_iter().map(|row| Listed {
            minimize: orders.against(&row, now).into_iter().flatten().next(),
            row,
        }));
        match page.next {
            Some(next) if wanted.listing.limit.is_none_or(|enough| all.len() < enough) => {
                after = Some(next);
            }
            next => return Ok((all, next.map(|next| next.to_string()))),
        }
    }
}

fn cells(listed: &Listed) -> Vec<String> {
    let row = &listed.row;
    let recipients: Vec<&str> = row
        .recipients
        .iter()
        .map(|recipient| recipient.address.as_str())
        .collect();
    let state = match (row.state, listed.minimize) {
        (EntryState::Held, _) => "held".to_owned(),
        (EntryState::Ready, Some(order)) => format!("minimize {order}"),
        (EntryState::Ready, None) => "ready".to_owned(),
    };
    vec![
        row.id.to_string(),
        row.precedence.to_string(),
        row.next_hop.clone(),
        state,
        row.attempts.to_string(),
        print::time(row.due),
        print::time(row.expires),
        recipients.join(", "),
    ]
}
