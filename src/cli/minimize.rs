//! `ravelin minimize`: an operator holds or refuses less urgent traffic into an area, for a time.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::answer::{Answer, Trouble};
use super::desk::refused;
use super::officer::Settings;
use super::print::{self, Format};
use crate::clock::{Clock, Timestamp};
use crate::config::Life;
use crate::message::Precedence;
use crate::message::address::Address;
use crate::store::{Exempt, MinimizeAct, MinimizeRow};
use crate::switch::MinimizeOrder;

/// The options of `ravelin minimize`.
#[derive(Args, Debug)]
pub(super) struct Minimize {
    #[command(subcommand)]
    act: Act,
}

/// How a running switch is asked.
#[derive(Args, Debug)]
struct Asked {
    /// The operator's settings, as officer.toml; the key is of a subject with the role operator
    #[arg(long, value_name = "FILE")]
    desk: PathBuf,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What becomes of the traffic.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Becomes {
    /// It is taken, and waits until the order ends
    #[default]
    Hold,
    /// It is refused; what was taken before waits
    Refuse,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Hold or refuse what is less urgent than a precedence; FLASH and OVERRIDE always pass
    #[command(
        after_help = "Examples:\n  ravelin minimize impose --below immediate --domain \
        birch.example --for 6h --reason \"operation\" --desk operator.toml\n  ravelin minimize \
        impose --below flash --link birch --becomes refuse --exempt chief@alder.example \
        --considered --reason \"line is cut\" --desk operator.toml"
    )]
    Impose(Box<Impose>),
    /// Lift an order: what it held goes on, most urgent first
    #[command(
        after_help = "Example:\n  ravelin minimize lift 3 --reason \"line is back\" --desk \
        operator.toml"
    )]
    Lift {
        /// The number of the order
        number: u64,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// List the orders that are in force or will be
    #[command(after_help = "Example:\n  ravelin minimize list --desk operator.toml")]
    List {
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Args, Debug)]
struct Impose {
    /// What is less urgent than this: routine, priority, immediate or flash
    #[arg(long, value_name = "PRECEDENCE")]
    below: Precedence,
    #[arg(long, value_enum, default_value_t)]
    becomes: Becomes,
    /// The area: a link; may be repeated. Without link, domain and address: everywhere
    #[arg(long, value_name = "LINK")]
    link: Vec<String>,
    /// The area: a domain and those under it; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// The area: a recipient; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<Address>,
    /// From when on (RFC 3339); without it, now
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Until when (RFC 3339); without it, until it is lifted
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// For how long, as 90m or 6h
    #[arg(long = "for", value_name = "SPAN", conflicts_with = "until", value_parser = span)]
    span: Option<Duration>,
    /// An originator who is exempt; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    exempt: Vec<Address>,
    /// A domain, with those under it, whose originators are exempt; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    exempt_domain: Vec<String>,
    /// A subject indicator code that is exempt, where the originator signed it; may be repeated
    #[arg(long, value_name = "SIC")]
    exempt_sic: Vec<String>,
    /// Messages whose originators signed MINIMIZE CONSIDERED are exempt
    #[arg(long)]
    considered: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    asked: Asked,
}

pub(super) async fn run(minimize: &Minimize) -> Result<Answer, Trouble> {
    match &minimize.act {
        Act::Impose(impose) => {
            let order = order(impose, Clock::system().now());
            let desk = Settings::of(&impose.asked.desk).officer()?.desk;
            told(desk.impose_minimize(&order).await, impose.asked.format)
        }
        Act::Lift {
            number,
            reason,
            asked,
        } => {
            let desk = Settings::of(&asked.desk).officer()?.desk;
            told(desk.lift_minimize(*number, reason).await, asked.format)
        }
        Act::List { asked } => {
            let desk = Settings::of(&asked.desk).officer()?.desk;
            match desk.minimize().await {
                Ok(orders) => show(&orders, asked.format).map(|()| Answer::Yes),
                Err(error) => refused(error),
            }
        }
    }
}

fn order(impose: &Impose, now: Timestamp) -> MinimizeOrder {
    let begins = impose.from.unwrap_or(now);
    let span = impose.span.and_then(|span| begins.checked_add(span).ok());
    MinimizeOrder {
        act: match impose.becomes {
            Becomes::Hold => MinimizeAct::Hold,
            Becomes::Refuse => MinimizeAct::Refuse,
        },
        below: impose.below,
        links: impose.link.clone(),
        domains: impose.domain.clone(),
        addresses: impose.address.clone(),
        from: impose.from,
        until: impose.until.or(span),
        exempt: impose.exempt.clone(),
        exempt_domains: impose.exempt_domain.clone(),
        exempt_sics: impose.exempt_sic.clone(),
        considered: match impose.considered {
            true => Exempt::Yes,
            false => Exempt::No,
        },
        reason: impose.reason.clone(),
    }
}

fn told(
    answer: Result<MinimizeRow, super::desk::DeskError>,
    format: Format,
) -> Result<Answer, Trouble> {
    match (answer, format) {
        (Ok(row), Format::Json) => print::json(&row).map(|()| Answer::Yes),
        (Ok(row), Format::Table) => show(&[row], format).map(|()| Answer::Yes),
        (Err(error), _) => refused(error),
    }
}

fn show(orders: &[MinimizeRow], format: Format) -> Result<(), Trouble> {
    match format {
        Format::Json => print::json(&orders),
        Format::Table => {
            let head = [
                "ORDER", "BELOW", "ACT", "AREA", "FROM", "UNTIL", "EXEMPT", "BY", "REASON",
            ];
            let rows: Vec<_> = orders.iter().map(cells).collect();
            print::out(&print::columns(&head, &rows))
        }
    }
}

fn cells(order: &MinimizeRow) -> Vec<String> {
    let texts = |addresses: &[Address]| {
        let texts = addresses.iter().map(ToString::to_string);
        texts.collect::<Vec<_>>()
    };
    let joined = |parts: Vec<Vec<String>>, none: &str| match parts.concat().join(" ") {
        text if text.is_empty() => none.to_owned(),
        text => text,
    };
    let considered = match order.considered {
        Exempt::Yes => vec!["considered".to_owned()],
        Exempt::No => Vec::new(),
    };
    vec![
        order.number.to_string(),
        order.below.to_string(),
        match order.act {
            MinimizeAct::Hold => "hold".to_owned(),
            MinimizeAct::Refuse => "refuse".to_owned(),
        },
        joined(
            vec![
                order.links.clone(),
                order.domains.clone(),
                texts(&order.addresses),
            ],
            "everywhere",
        ),
        print::time(order.from),
        order.until.map_or_else(|| "lifted".to_owned(), print::time),
        joined(
            vec![
                texts(&order.exempt),
                order.exempt_domains.clone(),
                order.exempt_sics.clone(),
                considered,
            ],
            "-",
        ),
        order.by.clone(),
        order.reason.clone(),
    ]
}

/// A span with its unit, as in the configuration.
fn span(text: &str) -> Result<Duration, String> {
    let quoted = serde_json::Value::String(text.to_owned());
    serde_json::from_value::<Life>(quoted)
        .map(|life| life.0)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit() {
        assert_eq!(span("6h"), Ok(Duration::from_secs(21_600)));
        assert!(span("6").is_err() && span("soon").is_err());
    }
}
