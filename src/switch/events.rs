//! What the line tells the audit chain of its decisions.

use std::fmt::Display;

use super::judging::Basis;
use crate::audit::{Act, Event};
use crate::check;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::{Fault, Ground, Refusal};
use crate::label::marking::{self, Location};
use crate::message::envelope::{Identity, Peer};
use crate::message::{DraftId, MessageId};
use crate::review::{Draft, Released};
use crate::seal::Sealed;
use crate::store::Change;

/// Who hands a message in, in the words of the chain.
pub(super) fn actor(peer: &Peer) -> String {
    match &peer.identity {
        Identity::Link(name) => format!("link {name}"),
        Identity::Nobody => format!("unknown peer {}", peer.address),
        Identity::Subject(address) => address.to_string(),
    }
}

/// A message was taken over and passed.
pub(super) fn accepted(
    config: &Config,
    change: &mut Change,
    at: Timestamp,
    released: &Released,
    sealed: &[Sealed],
    basis: &Basis,
    actor: &str,
) {
    let cleared = released.cleared();
    let marking = marking::marking(config.policy(), cleared.label(), Location::PageTop, None);
    let event = Event::new(at, Act::Accepted, actor)
        .message(cleared.opened().received().id())
        .decision("pass")
        .detail("originator", cleared.originator())
        .detail("precedence", precedences(cleared))
        .detail("label", marking)
        .detail(
            "recipients",
            list(&cleared.opened().received().envelope().recipients),
        )
        .detail("released-by", list(released.authorizing()));
    let grounds = cleared.grounds().iter().chain(released.grounds());
    let grounds = grounds.chain(sealed.iter().flat_map(Sealed::grounds));
    change.record(with_basis(with_grounds(event, grounds), basis));
    let lost = |ground: &&Ground| ground.rule == check::DOWNGRADE;
    if cleared.grounds().iter().any(|ground| lost(&ground)) {
        let event = Event::new(at, Act::Downgraded, actor)
            .message(cleared.opened().received().id())
            .detail("policy", config.policy().name());
        change.record(with_grounds(event, cleared.grounds().iter().filter(lost)));
    }
}

/// The precedences that its recipients have, most urgent first.
fn precedences(cleared: &check::Cleared) -> String {
    let envelope = cleared.opened().received().envelope();
    let apart = cleared.urgency().apart(&envelope.recipients);
    list(&apart.iter().map(|(p, _)| *p).collect::<Vec<_>>())
}

/// A message was taken over and waits for release.
pub(super) fn held(at: Timestamp, id: DraftId, draft: &Draft, actor: &str) -> Event {
    let needs = draft
        .needs
        .iter()
        .map(|need| format!("{}: {} x {}", need.rule, need.officers, need.role));
    Event::new(at, Act::Held, actor)
        .message(draft.message)
        .draft(id)
        .decision("hold")
        .detail("originator", &draft.drafter)
        .detail("precedence", draft.precedence)
        .detail("label", &draft.marking)
        .detail("recipients", list(&draft.envelope.recipients))
        .detail("needs", list(&needs.collect::<Vec<_>>()))
}

/// A message was refused.
pub(super) fn refused(at: Timestamp, id: MessageId, actor: &str, refusal: &Refusal) -> Event {
    with_refusal(Event::new(at, Act::Refused, actor).message(id), refusal)
}

/// The reason and the grounds of a refusal.
pub(super) fn with_refusal(event: Event, refusal: &Refusal) -> Event {
    let (a, b, c) = refusal.reason.enhanced();
    let event = event
        .decision(refusal.reason.id())
        .detail("reply", format!("{} {a}.{b}.{c}", refusal.reason.code()));
    let event = match &refusal.about {
        Some(about) => event.detail("about", about),
        None => event,
    };
    with_grounds(event, refusal.grounds.iter())
}

/// Something of ours failed; the peer keeps the message.
pub(super) fn fault(at: Timestamp, id: MessageId, actor: &str, fault: &Fault) -> Event {
    Event::new(at, Act::Fault, actor)
        .message(id)
        .detail("fault", fault.chain())
}

/// For which time it was judged, and what told the status of each certificate then.
pub(super) fn with_basis(event: Event, basis: &Basis) -> Event {
    let event = event.detail("judged-at", basis.at);
    let told = basis.told.iter().enumerate();
    told.fold(event, |event, (index, line)| {
        event.detail(format!("status-{:02}", index + 1), line)
    })
}

/// Which policies are in force: names, versions, digests and signers.
pub(super) fn with_policies(event: Event, config: &Config) -> Event {
    let mut event = event.detail("judged-under", config.judged_under());
    if let Some(known) = &config.trust_list {
        let (number, digest) = (known.number, &known.digest);
        let signers = list(&known.signed_by);
        let text = format!("number {number}, sha384 {digest}, signed by {signers}");
        event = event.detail("trust-list", text);
    }
    config.provenance.iter().fold(event, |event, policy| {
        let signed = match policy.signed_by.as_slice() {
            [] => "not signed by a pinned signer".to_owned(),
            some => format!("signed by {}", list(some)),
        };
        event.detail(
            format!("policy-{}", policy.name),
            format!(
                "version {}, sha384 {}, {signed}",
                policy.version, policy.digest
            ),
        )
    })
}

/// A change that is one event.
pub(super) fn one(event: Event) -> Change {
    let mut change = Change::new();
    change.record(event);
    change
}

fn with_grounds<'g>(mut event: Event, grounds: impl Iterator<Item = &'g Ground>) -> Event {
    for (index, ground) in grounds.enumerate() {
        event = event.detail(format!("ground-{:02}", index + 1), ground);
    }
    event
}

fn list(items: &[impl Display]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
