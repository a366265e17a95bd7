//! Whether an entry may still go: the rules may have changed since it was judged.
//!
//! Promises: an entry that was judged under another set of rules than the one in force is held
//! against link and recipients again before each attempt, with the label that it was judged by.
//! Refuses: an entry of which nobody knows any more what it was permitted as; one whose label is
//! called something else on the far side today: that is not the label that was sealed.

use crate::check;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::{Reason, Refusal, Stop};
use crate::label::ess;
use crate::store::{EntryRow, Permitted};

/// Judges an entry by the rules of today.
///
/// # Errors
/// Why it may not go; a fault when that cannot be told now.
pub fn again(config: &Config, at: Timestamp, row: &EntryRow) -> Result<(), Stop> {
    let is_known = config.links.iter().any(|link| link.name == row.next_hop);
    if row.judged_under == config.judged_under() || !is_known {
        return Ok(());
    }
    let (label, crossing, attached) = match &row.permitted {
        Permitted::As {
            label,
            crossing,
            attached,
        } => (label, crossing, attached),
        Permitted::Own => return Ok(()),
        Permitted::Unknown => {
            let text = "the entry does not say what it was permitted as";
            return Err(Refusal::because(Reason::LabelMissing, text).into());
        }
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        Stop::from(Refusal::because(Reason::LabelMalformed, error.to_string()))
    };
    let read = |der: &Vec<u8>| ess::decode(der).map_err(|error| unreadable(&error));
    let attached: Vec<_> = attached.iter().map(read).collect::<Result<_, _>>()?;
    let labels = check::Labels::new(read(label)?, attached);
    let crossing = crossing.as_ref().map(read).transpose()?;
    let recipients: Vec<_> = row
        .recipients
        .iter()
        .map(|recipient| recipient.mailbox())
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(&error))?;
    check::members(config, &recipients)?;
    check::again(
        config,
        at,
        &labels,
        crossing.as_ref(),
        &row.next_hop,
        &recipients,
    )
}
