//! The people of the demo, and their mail program.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Trouble;
use crate::clock::Clock;
use crate::config::{LinkProtocol, TlsNeed};
use crate::crypto::keys::Identity;
use crate::crypto::trust::TrustStore;
use crate::deliver::{self, NextHop};
use crate::message::Precedence;
use crate::message::address::{Address, ReversePath};
use crate::message::line::TEXT_LINE;
use crate::smtp::dialogue::{Outcome, Transaction};

/// Somebody with keys.
pub struct Person {
    /// The address.
    pub address: Address,
    /// Signs messages, and shows the person to the switch.
    pub sign: Identity,
    /// Opens what is encrypted for the person.
    pub encrypt: Identity,
}

/// What a switch says to a message that a person hands in.
///
/// # Errors
/// When the switch cannot be reached, or is not who it should be.
pub async fn submit(
    to: SocketAddr,
    host: &str,
    trust: &TrustStore,
    person: &Person,
    recipients: &[Address],
    message: &[u8],
    clock: &Clock,
) -> Result<Outcome, Trouble> {
    let address = to.to_string();
    let next_hop = NextHop {
        address: &address,
        protocol: LinkProtocol::Smtp,
        tls: TlsNeed::Required,
        peer: Some(host),
        trust,
        longest_line: TEXT_LINE,
    };
    let transaction = Transaction {
        from: ReversePath::Address(person.address.clone()),
        recipients: recipients.to_vec(),
        bytes: Arc::from(message),
        precedence: Precedence::Immediate,
        terms: Default::default(),
        at: Default::default(),
    };
    let name = format!("desk-of-{}", person.address.local());
    let outcomes = deliver::submit(next_hop, &person.sign, &name, clock.now(), transaction).await?;
    outcomes
        .into_iter()
        .next()
        .map(|(_, outcome)| outcome)
        .ok_or_else(|| "the switch said nothing".into())
}
