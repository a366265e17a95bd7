//! Named places where a crash test kills the process, as a power cut would.
//!
//! Promises: [`here`] costs one relaxed load and does nothing, unless [`VARIABLE`] named a point
//! when the store was opened; then the process is gone at once, nothing unwound, nothing flushed.
//! It can do no harm that whoever sets the environment could not do anyway: `tests/crash.rs` shows
//! that nothing acknowledged is lost at any of these points.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The variable that arms a point: `before-commit`, or `before-commit:3` for the third passing.
pub const VARIABLE: &str = "RAVELIN_CRASH_AT";

/// A place on the way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// A releasing signature was judged good, and nothing of that is kept yet.
    ApprovalJudged,
    /// A release is durable, and the officer was not told.
    ApprovalKept,
    /// A group of changes is about to be committed.
    BeforeCommit,
    /// A message is durable, and 250 was not said.
    BeforeReply,
    /// A large body is in its file, which does not have its name yet.
    BodyUnfinished,
    /// A large body is on stable storage, and no commit names it yet.
    BodyWritten,
    /// A group is committed; the audit export, the queue and the callers do not know of it.
    Committed,
    /// The next hop has taken a message, and that is not kept yet.
    Delivered,
    /// A group is committed and exported; the queue and the callers do not know of it.
    Exported,
    /// The store was recovered and checked; the audit export was not completed.
    Opening,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ApprovalJudged,
        Self::ApprovalKept,
        Self::BeforeCommit,
        Self::BeforeReply,
        Self::BodyUnfinished,
        Self::BodyWritten,
        Self::Committed,
        Self::Delivered,
        Self::Exported,
        Self::Opening,
    ];

    /// Its name in [`VARIABLE`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApprovalJudged => "approval-judged",
            Self::ApprovalKept => "approval-kept",
            Self::BeforeCommit => "before-commit",
            Self::BeforeReply => "before-reply",
            Self::BodyUnfinished => "body-unfinished",
            Self::BodyWritten => "body-written",
            Self::Committed => "committed",
            Self::Delivered => "delivered",
            Self::Exported => "exported",
            Self::Opening => "opening",
        }
    }
}

static IS_ARMED: AtomicBool = AtomicBool::new(false);
static ARMED: OnceLock<Armed> = OnceLock::new();

struct Armed {
    point: Point,
    left: AtomicU64,
}

/// Stops the process if this point is armed and was passed often enough.
#[inline]
pub fn here(point: Point) {
    if IS_ARMED.load(Ordering::Relaxed) {
        reached(point);
    }
}

#[cold]
fn reached(point: Point) {
    let Some(armed) = ARMED.get() else { return };
    if armed.point == point && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        eprintln!("ravelin: crashed at {}, as {VARIABLE} said", point.name());
        std::process::abort();
    }
}

/// Arms the point that the environment names, once in the life of the process.
pub(super) fn arm() {
    let Some(text) = std::env::var_os(VARIABLE) else {
        return;
    };
    match text.to_str().and_then(read) {
        Some((point, passings)) => {
            tracing::warn!(point = point.name(), passings, "{VARIABLE} is set");
            ARMED.get_or_init(|| Armed {
                point,
                left: AtomicU64::new(passings),
            });
            IS_ARMED.store(true, Ordering::Relaxed);
        }
        None => tracing::error!(?text, "{VARIABLE} names no point; unset it"),
    }
}

/// The point, and at which passing.
fn read(text: &str) -> Option<(Point, u64)> {
    let (name, passings) = text.split_once(':').unwrap_or((text, "1"));
    let point = Point::ALL.into_iter().find(|point| point.name() == name)?;
    let passings = passings.parse().ok().filter(|passings| *passings > 0)?;
    Some((point, passings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_by_its_name() {
        for point in Point::ALL {
            assert_eq!(read(point.name()), Some((point, 1)));
        }
        assert_eq!(read("committed:12"), Some((Point::Committed, 12)));
        for wrong in ["", "commit", "committed:", "committed:0", "committed:-1"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn nothing_happens_where_nothing_is_armed() {
        Point::ALL.into_iter().for_each(here);
    }
}
