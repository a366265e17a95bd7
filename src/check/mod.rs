//! STEP 3 of the line: may this pass, from here to there?
//!
//! Duty: who sent it (`origin`) and wrote it (`authors`), and did they sign it; what is everybody
//! cleared for (`clearance`); which label does it carry (`labels`), and does
//! it say so everywhere (`said`), and for what is attached
//! (`attached`); may originator, link and every recipient have it (`access`); how urgent is it for
//! each of them (`urgency`), and does an operator's MINIMIZE speak against that (`minimize`).
//! Promises: [`Cleared`] is made only here; every refusal carries its grounds; what is unknown is
//! refused; trouble with our own means (stale revocation data) is a fault, never a pass.

mod access;
mod asked;
mod attached;
mod authors;
pub mod clearance;
mod community;
mod labels;
pub mod minimize;
mod origin;
mod said;
mod urgency;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::config::{Config, Link, SealProfile};
use crate::decision::{Ground, Reason, Refusal, Stop};
use crate::label::Label;
use crate::message::address::Address;
use crate::message::line::LineError;
use crate::message::military::Military;
use crate::message::{binary, line};
use crate::open::{Facts, Opened, SignerFacts};

pub use access::{DOWNGRADE, again, authorize};
pub use asked::Ahead;
pub use attached::Labels;
pub use community::members;
pub use origin::{Origin, same_person, signs_for};
pub use urgency::Urgency;

/// The most Received fields before we call it a loop (RFC 5321 section 6.3).
const HOPS: usize = 50;

/// A message that may go where it wants to go. Made only by [`check`].
pub struct Cleared {
    opened: Opened,
    origin: Origin,
    originator: Address,
    authors: Vec<Address>,
    acting: Vec<Address>,
    labels: Labels,
    military: Military,
    urgency: Urgency,
    routes: Vec<Route>,
    grounds: Vec<Ground>,
}

/// The recipients behind one link.
#[derive(Clone)]
pub struct Route {
    /// The link.
    pub link: Arc<Link>,
    /// The recipients behind it.
    pub recipients: Vec<Address>,
    /// The label in the far side's policy, when that is not ours.
    pub crossing: Option<Label>,
}

impl Cleared {
    /// The message and its layers.
    pub const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Who handed it in.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The one in From, who signed it.
    pub const fn originator(&self) -> &Address {
        &self.originator
    }

    /// The label that counts, in the domain's own policy.
    pub const fn label(&self) -> &Label {
        self.labels.own()
    }

    /// That label, and those of what is attached.
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Its military header fields.
    pub const fn military(&self) -> &Military {
        &self.military
    }

    /// How urgent it is, for each recipient.
    pub const fn urgency(&self) -> &Urgency {
        &self.urgency
    }

    /// Where it goes.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Why it may.
    pub fn grounds(&self) -> &[Ground] {
        &self.grounds
    }

    /// Everybody who signed side by side in the innermost signed layer.
    pub fn drafters(&self) -> impl Iterator<Item = &SignerFacts> {
        let drafted = self.opened.facts().drafted();
        drafted.into_iter().flat_map(|(_, signed)| &signed.signers)
    }

    /// Everybody in From; the originator is one of them.
    pub fn authors(&self) -> &[Address] {
        &self.authors
    }

    /// Whether this is the signature of somebody who acts for the originator, a role.
    fn acts(&self, signer: &SignerFacts) -> bool {
        self.acting.iter().any(|holder| signer.is(holder))
    }

    /// The drafter's own signature: the one in the innermost signed layer.
    pub fn drafter(&self) -> Option<&SignerFacts> {
        let (_, signed) = self.opened.facts().drafted()?;
        signed
            .signers
            .iter()
            .find(|signer| signer.is(&self.originator) || self.acts(signer))
    }
}

/// Checks what was opened against label policy, clearances and links.
///
/// # Errors
/// A refusal with its grounds, or a fault of ours.
pub fn check(config: &Config, at: Timestamp, opened: Opened) -> Result<Cleared, Stop> {
    let facts = opened.facts();
    if facts.outer.all("Received").count() > HOPS {
        return Err(Refusal::because(
            Reason::MessageLoops,
            format!("more than {HOPS} Received fields"),
        )
        .into());
    }
    let origin = origin::peer(config, &opened)?;
    origin::readable(facts)?;
    let military = Military::read(facts.headers())
        .map_err(|error| Refusal::because(Reason::MilitaryFieldMalformed, error.to_string()))?;
    let authors = origin::originator(config, &origin, &opened, &military)?;
    for author in &authors.all {
        community::parties(config, author, &opened.received().envelope().recipients)?;
    }
    let mut grounds = Vec::new();
    let label = labels::label(config, &origin, facts, at, &mut grounds)?;
    origin::release_owed(&origin, &label, &opened, &military)?;
    let labels = attached::covered(config, facts, label, at, &mut grounds)?;
    let routes = access::routes(
        config,
        at,
        &access::Behind {
            origin: &origin,
            authors: &authors.all,
            drafted: facts.drafted().map(|(_, signed)| signed),
        },
        &labels,
        &opened.received().envelope().recipients,
        &mut grounds,
    )?;
    let said = urgency::Said {
        headers: facts.headers(),
        military: &military,
        vouched: match facts.protected.is_empty() {
            true => urgency::Vouched::No,
            false => urgency::Vouched::Yes,
        },
        envelope: opened.received().envelope().priority,
        from: match origin {
            Origin::Link(_) => urgency::From::Relay,
            Origin::Subject(_) => urgency::From::Writer,
        },
        ceiling: config.highest_precedence(&opened.received().peer().identity),
    };
    let urgency = Urgency::of(&said, &opened.received().envelope().recipients);
    let urgency = allowed(config, &opened, urgency, &mut grounds)?;
    fit(facts, &routes)?;
    let role = config.subjects.get(&authors.originator);
    let acting = role.map_or_else(Vec::new, |role| role.holders.clone());
    Ok(Cleared {
        opened,
        origin,
        originator: authors.originator,
        authors: authors.all,
        acting,
        labels,
        military,
        urgency,
        routes,
        grounds,
    })
}

/// Whether what stands inside an envelope can go on as lines. No session has seen it; a message that is
/// held is not taken and then never released.
fn fit(facts: &Facts, routes: &[Route]) -> Result<(), Refusal> {
    let Some(inside) = facts.inside_envelope() else {
        return Ok(());
    };
    let octets = inside.bytes();
    let refused = |reason| move |error: LineError| Refusal::because(reason, error.to_string());
    binary::check(octets).map_err(refused(Reason::MessageMalformed))?;
    let bare = routes
        .iter()
        .filter(|route| matches!(route.link.seal, SealProfile::AsReceived))
        .map(|route| route.link.longest_line)
        .min();
    match bare.filter(|_| line::check(octets).is_ok()) {
        None => Ok(()),
        Some(longest) => {
            line::check_within(octets, longest).map_err(refused(Reason::MessageLineTooLong))
        }
    }
}

// RFC 6710 §4.1: nobody is more urgent here than the configuration lets the peer be
/// How urgent the message may be, if it may be so large.
fn allowed(
    config: &Config,
    opened: &Opened,
    urgency: Urgency,
    grounds: &mut Vec<Ground>,
) -> Result<Urgency, Refusal> {
    let received = opened.received();
    let asked = urgency.highest();
    let highest = config.highest_precedence(&received.peer().identity);
    if asked > highest {
        let text = format!("{asked} is lowered to {highest}, the highest of this peer");
        grounds.push(Ground::new("precedence.lowered", text));
    }
    let urgency = urgency.at_most(highest);
    let limit = config.size_limit_at(urgency.highest());
    let size = u64::try_from(received.bytes().len()).unwrap_or(u64::MAX);
    match size <= limit {
        true => Ok(urgency),
        false => Err(Refusal::because(
            Reason::TooLargeForPrecedence,
            format!(
                "{size} octets at {}, which may have {limit}",
                urgency.highest()
            ),
        )),
    }
}
