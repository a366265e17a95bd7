//! What every list of an operator takes: of which switch, how much of it, in which form.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::print::Format;

/// The options that every list has.
#[derive(Args, Debug)]
pub(super) struct Listing {
    /// The configuration of a switch that is stopped
    #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
    pub config: PathBuf,
    /// The operator's settings, to ask a running switch
    #[arg(long, value_name = "FILE")]
    pub desk: Option<PathBuf>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub limit: Option<usize>,
    /// Go on where an earlier list with --limit ended
    #[arg(long, value_name = "PLACE")]
    pub after: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Says where a list that was cut goes on: beside the answer, which is for programs too.
pub(super) fn goes_on(next: Option<&str>) {
    if let Some(next) = next {
        let _ = writeln!(
            std::io::stderr(),
            "ravelin: there may be more: --after {next}"
        );
    }
}
