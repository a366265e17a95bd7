//! What an operator sees of awaited reports: which of them, in which order, page by page.
//!
//! Promises: most urgent first, then the oldest; a place in the list stays one, whatever is settled
//! or forgotten meanwhile.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::{MessageId, Precedence};
use crate::store::{AwaitedId, AwaitedRow};

/// Which rows are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Those that are settled, too.
    pub settled: bool,
    /// Only those whose reports should have been here.
    pub overdue: bool,
    /// Only those of this precedence.
    pub precedence: Option<Precedence>,
    /// Only those of this message.
    pub message: Option<MessageId>,
}

/// How it stands with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A report is missed when its time is over.
    Awaited,
    /// The time is over.
    Overdue,
    /// It was not handed to the next hop yet.
    Queued,
    /// Reports come only when something goes wrong.
    Quiet,
    /// Every report came to something.
    Settled,
}

/// A row as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedReport {
    /// How it stands.
    pub state: Standing,
    /// The row.
    #[serde(flatten)]
    pub row: AwaitedRow,
}

/// A place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Reverse<Precedence>, Timestamp, AwaitedId);

/// A text that is no place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the list of reports: give what an earlier list ended with")]
pub struct NotAPlace;

impl Standing {
    /// How it stands with a row at a time.
    pub fn of(row: &AwaitedRow, at: Timestamp) -> Self {
        let is_due = row.due.is_some_and(|due| due <= at);
        match (row.is_settled(), row.is_missed(), row.sent) {
            (true, ..) => Self::Settled,
            (_, true, _) if is_due => Self::Overdue,
            (_, _, None) => Self::Queued,
            (_, true, _) => Self::Awaited,
            (_, false, _) => Self::Quiet,
        }
    }

    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Awaited => "awaited",
            Self::Overdue => "overdue",
            Self::Queued => "queued",
            Self::Quiet => "quiet",
            Self::Settled => "settled",
        }
    }
}

/// At most `limit` of the rows after a place, and the place of the last one where there are more.
pub fn page(
    rows: Vec<AwaitedRow>,
    which: &Which,
    after: Option<Place>,
    limit: usize,
    at: Timestamp,
) -> (Vec<ListedReport>, Option<Place>) {
    let mut found: Vec<_> = rows
        .into_iter()
        .map(|row| ListedReport {
            state: Standing::of(&row, at),
            row,
        })
        .filter(|listed| which.has(listed))
        .map(|listed| (Place::of(&listed.row), listed))
        .filter(|(place, _)| after.is_none_or(|after| *place > after))
        .collect();
    found.sort_by_key(|(place, _)| *place);
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|(place, _)| *place).filter(|_| more);
    (found.into_iter().map(|(_, listed)| listed).collect(), last)
}

impl Which {
    fn has(&self, listed: &ListedReport) -> bool {
        let row = &listed.row;
        (self.settled || listed.state != Standing::Settled)
            && (!self.overdue || listed.state == Standing::Overdue)
            && self.precedence.is_none_or(|one| row.precedence == one)
            && self.message.is_none_or(|one| row.message == one)
    }
}

impl Place {
    fn of(row: &AwaitedRow) -> Self {
        Self(Reverse(row.precedence), row.accepted, row.id())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Reverse(precedence), accepted, id) = self;
        write!(
            f,
            "{}.{}.{id}",
            precedence.number(),
            accepted.as_nanosecond()
        )
    }
}

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(NotAPlace);
        let (precedence, accepted, id) = (next()?, next()?, next()?);
        let number = precedence.parse().map_err(|_| NotAPlace)?;
        let accepted = accepted.parse().map_err(|_| NotAPlace)?;
        let place = Self(
            Reverse(Precedence::from_number(number).ok_or(NotAPlace)?),
            Timestamp::from_nanosecond(accepted).map_err(|_| NotAPlace)?,
            id.parse().map_err(|_| NotAPlace)?,
        );
        match parts.next() {
            None => Ok(place),
            Some(_) => Err(NotAPlace),
        }
    }
}
