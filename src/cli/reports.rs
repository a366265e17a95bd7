//! `ravelin reports`: what is awaited of what was sent: reports of delivery, of reading, signed
//! receipts. Of a running switch, or of one that is stopped.

use clap::{Args, Subcommand};

use super::answer::{Answer, Trouble, chain};
use super::desk::refused;
use super::listing::{Listing, goes_on};
use super::officer::Settings;
use super::print::{self, Format};
use super::stopped;
use crate::admin::reports::AskedReports;
use crate::clock::Clock;
use crate::message::{MessageId, Precedence};
use crate::report::{self, ListedReport, NotAPlace};
use crate::store::AskedReport;

/// The options of `ravelin reports`.
#[derive(Args, Debug)]
pub(super) struct Reports {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List what was sent and is not answered: of a running switch with --desk, of a stopped one without
    #[command(
        after_help = "Most urgent first, then the oldest. STATE is queued (not handed on yet), awaited, \
        overdue (the postmaster was alarmed, or will be), quiet (a report comes only when something goes \
        wrong), settled.\n\nExamples:\n  ravelin reports list --desk operator.toml\n  ravelin reports \
        list --overdue --precedence flash --desk operator.toml\n  ravelin reports list --all --message \
        ID --config ravelin.toml --format json"
    )]
    List(Wanted),
}

/// Which rows are listed, of which switch.
#[derive(Args, Debug)]
struct Wanted {
    /// What is settled, too
    #[arg(long)]
    all: bool,
    /// Only what should have been answered by now
    #[arg(long)]
    overdue: bool,
    /// Only what has this precedence
    #[arg(long, value_name = "PRECEDENCE")]
    precedence: Option<Precedence>,
    /// Only this message
    #[arg(long, value_name = "ID")]
    message: Option<MessageId>,
    #[command(flatten)]
    listing: Listing,
}

pub(super) async fn run(reports: &Reports) -> Result<Answer, Trouble> {
    match &reports.act {
        Act::List(wanted) => list(wanted).await,
    }
}

async fn list(wanted: &Wanted) -> Result<Answer, Trouble> {
    let asked = AskedReports {
        all: wanted.all,
        overdue: wanted.overdue,
        precedence: wanted.precedence,
        message: wanted.message,
        limit: None,
        after: wanted.listing.after.clone(),
    };
    let (rows, next) = match &wanted.listing.desk {
        Some(desk) => {
            let desk = Settings::of(desk).officer()?.desk;
            match desk.reports(&asked, wanted.listing.limit).await {
                Ok(found) => found,
                Err(error) => return refused(error),
            }
        }
        None => of_stopped(wanted, &asked)?,
    };
    goes_on(next.as_deref());
    match wanted.listing.format {
        Format::Json => print::json(&rows)?,
        Format::Table => print::out(&print::columns(
            &[
                "MESSAGE",
                "PRECEDENCE",
                "STATE",
                "RECIPIENT",
                "SENT",
                "DUE",
                "DELIVERY",
                "DISPOSITION",
                "RECEIPT",
            ],
            &rows.iter().map(cells).collect::<Vec<_>>(),
        ))?,
    }
    Ok(Answer::Yes)
}

/// The same of a switch that is stopped.
fn of_stopped(
    wanted: &Wanted,
    asked: &AskedReports,
) -> Result<(Vec<ListedReport>, Option<String>), Trouble> {
    let after = asked.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|error: NotAPlace| Trouble::Usage(error.to_string()))?;
    let store = stopped::store(&wanted.listing.config)?;
    let rows = store.awaited();
    let rows = rows.map_err(|error| Trouble::Fault(chain(&error)))?;
    let (limit, now) = (
        wanted.listing.limit.unwrap_or(usize::MAX),
        Clock::system().now(),
    );
    let (rows, next) = report::listed(rows, &asked.which(), after, limit, now);
    Ok((rows, next.map(|next| next.to_string())))
}

fn cells(listed: &ListedReport) -> Vec<String> {
    let row = &listed.row;
    let time = |at: Option<crate::clock::Timestamp>| at.map_or_else(|| "-".into(), print::time);
    let report = |kind| row.asked(kind).map_or_else(|| "-".to_owned(), came_to);
    vec![
        row.message.to_string(),
        row.precedence.to_string(),
        listed.state.name().to_owned(),
        row.recipient.to_string(),
        time(row.sent),
        time(row.due),
        report(crate::store::ReportKind::Delivery),
        report(crate::store::ReportKind::Disposition),
        report(crate::store::ReportKind::Receipt),
    ]
}

/// What a report came to, in a word.
fn came_to(report: &AskedReport) -> String {
    match (&report.settled, report.delayed) {
        (Some(settled), _) => settled.result.name().to_owned(),
        (None, Some(_)) => "delayed".to_owned(),
        (None, None) if report.is_missed() => "awaited".to_owned(),
        (None, None) => "quiet".to_owned(),
    }
}
