//! Who wrote it: From, Sender and Resent fields against those who signed.
//!
//! Promises: everybody in From has signed, or somebody who holds that role has; addresses are compared
//! as RFC 8550 and RFC 9598 say, never by what they look like.
//! Refuses: a From or Sender twice, several authors without Sender, a Sender who neither signed nor
//! handed it in, a Resent field that speaks for somebody else.
//! Attacks stopped here: a From that is not the signer's, a second From behind the first, a local part
//! of look-alike letters, a Sender that lends its name to somebody else's From.
//! Standards: RFC 8550 §3; RFC 9598 §5; RFC 5322 §3.6.2, §3.6.6.

use super::origin::Origin;
use crate::config::Config;
use crate::decision::{Reason, Refusal};
use crate::message::address::Address;
use crate::open::{Facts, SignedFacts, SignerFacts};

/// Those who answer for a message.
pub(super) struct Authors {
    /// The one whom replies, reports and rules are about: the one in From, or of several the one in
    /// Sender.
    pub originator: Address,
    /// Everybody in From.
    pub all: Vec<Address>,
}

/// Reads From and Sender, and holds them against those who signed the innermost layer.
pub(super) fn authors(
    config: &Config,
    origin: &Origin,
    facts: &Facts,
    drafted: &SignedFacts,
) -> Result<Authors, Refusal> {
    let all = mailboxes(facts, "From")?.ok_or_else(|| malformed("no From field".into()))?;
    let sender = sender(facts)?;
    // RFC 8550 §3: From matches an address in the signer's certificate; with several authors, each
    for author in &all {
        if !drafted
            .signers
            .iter()
            .any(|by| answers_for(config, by, author))
        {
            let text = format!(
                "From says {author}, signed by {}",
                super::origin::names(&drafted.signers)
            );
            return Err(mismatch(text));
        }
    }
    if let Some(sender) = &sender {
        sender_is_shown(config, origin, drafted, &all, sender)?;
    }
    resent(origin, facts)?;
    let originator = match (all.as_slice(), sender) {
        ([only], _) => only.clone(),
        ([_, ..], Some(sender)) if all.contains(&sender) => sender,
        ([first, ..], Some(_)) => first.clone(),
        // RFC 5322 §3.6.2: several authors, so Sender must be there
        ([_, ..], None) => {
            return Err(malformed(
                "From names several authors, and there is no Sender".into(),
            ));
        }
        ([], _) => return Err(malformed("From names nobody".into())),
    };
    Ok(Authors { originator, all })
}

/// Whether this signature is one of `address`: the certificate names it, or names somebody who holds
/// the role.
pub(super) fn answers_for(config: &Config, signer: &SignerFacts, address: &Address) -> bool {
    signer.is(address)
        || config
            .subjects
            .get(address)
            .is_some_and(|role| role.holders.iter().any(|holder| signer.is(holder)))
}

/// The mailboxes of a field that stands once.
fn mailboxes(facts: &Facts, name: &str) -> Result<Option<Vec<Address>>, Refusal> {
    // RFC 5322 §3.6: once at most; which one a reader shows nobody knows
    let protected = facts.protected.iter().map(|section| &section.headers);
    if std::iter::once(&facts.outer)
        .chain(protected)
        .any(|headers| headers.count(name) > 1)
    {
        return Err(malformed(format!("{name} stands there twice")));
    }
    let Some(value) = facts.field(name) else {
        return Ok(None);
    };
    let found =
        Address::parse_list(&value).map_err(|error| malformed(format!("{name}: {error}")))?;
    Ok(Some(found.into_iter().map(|one| one.address).collect()))
}

// RFC 5322 §3.6.2
fn sender(facts: &Facts) -> Result<Option<Address>, Refusal> {
    let Some(mut found) = mailboxes(facts, "Sender")? else {
        return Ok(None);
    };
    match (found.pop(), found.is_empty()) {
        (Some(sender), true) => Ok(Some(sender)),
        _ => Err(malformed("Sender names no mailbox, or several".into())),
    }
}

/// Sender is one of the authors, or signed too, or handed the message in; over a link it belongs there.
fn sender_is_shown(
    config: &Config,
    origin: &Origin,
    drafted: &SignedFacts,
    authors: &[Address],
    sender: &Address,
) -> Result<(), Refusal> {
    let signed = drafted
        .signers
        .iter()
        .flat_map(|signer| std::iter::once(signer).chain(&signer.countersigners))
        .any(|by| answers_for(config, by, sender));
    let handed_in = match origin {
        Origin::Link(link) => super::origin::belongs(sender.domain(), &link.domains),
        Origin::Subject(peer) => peer == sender,
    };
    if authors.contains(sender) || signed || handed_in {
        return Ok(());
    }
    Err(mismatch(format!(
        "Sender says {sender}, who neither signed nor handed it in"
    )))
}

/// Who sends something again says so under an own name. It gives no right: the authors of the message
/// stay its authors, and whoever hands it in is held to the same rules.
// RFC 5322 §3.6.6: the newest block stands first
fn resent(origin: &Origin, facts: &Facts) -> Result<(), Refusal> {
    let first = |name: &str| -> Result<Option<Vec<Address>>, Refusal> {
        let Some(field) = facts.outer.first(name) else {
            return Ok(None);
        };
        let found = Address::parse_list(field.value());
        let found = found.map_err(|error| malformed(format!("{name}: {error}")))?;
        Ok(Some(found.into_iter().map(|one| one.address).collect()))
    };
    let (from, sender) = (first("Resent-From")?, first("Resent-Sender")?);
    let Origin::Subject(peer) = origin else {
        return Ok(());
    };
    match sender.or(from) {
        Some(by) if !by.contains(peer) => Err(mismatch(format!(
            "{peer} handed in what says that somebody else sent it again"
        ))),
        _ => Ok(()),
    }
}

fn malformed(text: String) -> Refusal {
    Refusal::because(Reason::MessageMalformed, text)
}

fn mismatch(text: String) -> Refusal {
    Refusal::because(Reason::OriginatorMismatch, text)
}
