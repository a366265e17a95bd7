//! Do originator and recipients belong to the community?
//!
//! Promises: where the configuration has a membership list or group, everybody on the way is on it.
//! Refuses: whoever is not. That nobody can tell now is a fault of ours, never a pass.

use crate::config::Config;
use crate::decision::{Fault, Reason, Refusal, Stop};
use crate::message::address::Address;

/// The originator, and then each recipient.
pub(super) fn parties(
    config: &Config,
    originator: &Address,
    recipients: &[Address],
) -> Result<(), Stop> {
    if !belongs(config, originator)? {
        let text = format!("originator {originator} is not a member");
        return Err(Refusal::because(Reason::CommunityNotMember, text).into());
    }
    members(config, recipients)
}

/// Each recipient.
///
/// # Errors
/// A refusal of the first who is not a member; a fault when nobody can tell.
pub fn members(config: &Config, recipients: &[Address]) -> Result<(), Stop> {
    for recipient in recipients {
        if !belongs(config, recipient)? {
            let text = format!("recipient {recipient} is not a member");
            let refusal = Refusal::because(Reason::CommunityNotMember, text);
            return Err(refusal.about(recipient).into());
        }
    }
    Ok(())
}

fn belongs(config: &Config, who: &Address) -> Result<bool, Fault> {
    let Some(members) = &config.members else {
        return Ok(true);
    };
    members
        .is_member(who)
        .map_err(|why| Fault::new(format!("tell whether {who} belongs to the community"), why))
}
