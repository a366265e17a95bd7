//! STEP 4 of the line: draft and release (RFC 7912).
//!
//! Duty: find which releases a message needs and which it carries. What carries all of them is
//! [`Released`]; what lacks some becomes a [`Draft`] that is held.
//! Promises: [`Released`] is made only here; a release is a countersignature over the drafter's
//! signature in the message itself, so that "an officer approved" and "a message arrived already
//! countersigned" are one case; nobody releases what they drafted; officers are different people;
//! where a rule asks for more signers than the drafter, nothing is held or passed without them.
//!
//! When an officer approves, the countersignature is put into the held message and the message goes
//! down the whole line again, under today's policy.

mod draft;
mod requirement;
mod signers;

pub use draft::{Draft, Release, approve};
pub use requirement::{Need, Standing};

use crate::check::Cleared;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::{Ground, Stop};
use crate::message::address::Address;

/// A message that everybody has signed who must. Made only by [`review`].
pub struct Released {
    cleared: Cleared,
    authorizing: Vec<Address>,
    grounds: Vec<Ground>,
}

impl Released {
    /// The message that was checked.
    pub const fn cleared(&self) -> &Cleared {
        &self.cleared
    }

    /// Who released it, in the order of their signatures: MMHS-Authorizing-Users.
    pub fn authorizing(&self) -> &[Address] {
        &self.authorizing
    }

    /// Why it is released.
    pub fn grounds(&self) -> &[Ground] {
        &self.grounds
    }
}

/// What review came to.
pub enum Review {
    /// It waits.
    Hold(Box<Draft>),
    /// It goes on.
    Release(Box<Released>),
}

/// Holds what still needs a releasing officer, passes what does not.
///
/// # Errors
/// A refusal when a countersignature is there that may not be; a fault of ours.
pub fn review(config: &Config, at: Timestamp, cleared: Cleared) -> Result<Review, Stop> {
    let signed = signers::signed_by_enough(config, &cleared)?;
    let mut standing = requirement::standing(config, at, &cleared)?;
    standing.grounds.extend(signed);
    if standing.is_met() {
        return Ok(Review::Release(Box::new(Released {
            authorizing: standing.officers,
            grounds: standing.grounds,
            cleared,
        })));
    }
    Ok(Review::Hold(Box::new(draft::hold(
        config, at, &cleared, &standing,
    )?)))
}
