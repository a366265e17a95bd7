//! The originator's layers, untouched: only the outermost header section changes. An envelope that
//! was for this domain is taken off.

use super::fields::{self, AUTHORIZING_USERS};
use super::protect;
use super::{not_made, unwritable};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::Stop;
use crate::message::header::{Edit, Limits, Line, edited};
use crate::review::Released;

/// The message with this hop's trace and those who released it in front, blind recipients left out.
pub(super) fn seal(config: &Config, at: Timestamp, released: &Released) -> Result<Vec<u8>, Stop> {
    let received = released.cleared().opened().received();
    let facts = released.cleared().opened().facts();
    if let Some(inside) = facts.inside_envelope() {
        // RFC 3183 §4: the domain decrypts, and its people get what was inside, still signed.
        let carried = fields::carried(facts.headers(), released);
        let head = fields::outer(config, at, received, &carried)?;
        return protect::entity(inside.bytes(), head, None).map_err(not_made);
    }
    let trace = fields::trace(config, at, received);
    let mut edits = vec![Edit::Prepend(
        Line::structured("Received", &trace).map_err(unwritable)?,
    )];
    // RFC 6758 §4: the number goes on in the envelope, or in a field that the next step writes
    edits.extend(
        ["Bcc", "MT-Priority", "Resent-Bcc", "Return-Path"].map(|name| Edit::Remove(name.into())),
    );
    if let Some(users) = fields::authorizing(released.authorizing()) {
        let users = Line::structured(AUTHORIZING_USERS, &users).map_err(unwritable)?;
        edits.push(Edit::Replace(users));
    } else {
        // Nobody released it: a field that says so was not under a signature.
        edits.push(Edit::Remove(AUTHORIZING_USERS.into()));
    }
    edited(received.bytes(), &edits, Limits::default()).map_err(unwritable)
}
