//! Who sent it, and did they sign it?
//!
//! - From our own people: the peer is a subject, signed or countersigned the message, and From is
//!   the one who signed.
//! - Over a link: the far domain's signature is outermost, its name maps to the originator's domain
//!   (RFC 3183 section 3), and a release is there where the origin owes one (RFC 7912 section 3.4).
//!
//! Attacks stopped here: a changed byte, a stranger's signature, one bad signer among good ones, a
//! From that is not the signer's, outer fields that contradict the signed ones, a stripped release,
//! CBC ciphertexts that are tried out for the reason of their refusal.

use std::sync::Arc;

use super::authors::{self, Authors, answers_for};
use crate::config::{Config, Link, SignedBy};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::verify::{Inconsistency, SignerReport, inconsistencies};
use crate::crypto::ess::SECURITY_LABEL;
use crate::decision::{Fault, Ground, Reason, Refusal, Stop};
use crate::label::Label;
use crate::message::address::Address;
use crate::message::domain;
use crate::message::envelope::Identity;
use crate::message::military::Military;
use crate::open::{Facts, LayerKind, Opened, SignedFacts, SignerFacts};

/// The local part that RFC 3183 section 3.1.1 gives to domain signers.
const DOMAIN_SIGNER: &str = "domain-signing-authority";

/// Who handed the message in.
#[derive(Clone)]
pub enum Origin {
    /// Another switch.
    Link(Arc<Link>),
    /// One of our own people.
    Subject(Address),
}

/// Who handed it in.
pub(super) fn peer(config: &Config, opened: &Opened) -> Result<Origin, Refusal> {
    match &opened.received().peer().identity {
        Identity::Link(name) => config
            .links
            .iter()
            .find(|link| link.name == *name)
            .map(|link| Origin::Link(Arc::clone(link))),
        Identity::Nobody => None,
        Identity::Subject(address) => config
            .subjects
            .contains_key(address)
            .then(|| Origin::Subject(address.clone())),
    }
    .ok_or_else(|| {
        Refusal::because(
            Reason::PeerUnknown,
            "no client certificate of a subject or link",
        )
    })
}

/// Every envelope is open, and what came out of one that does not authenticate is vouched for by a
/// signature inside it. One refusal for whatever is wrong in there, before anything in there is
/// looked at: the peer learns nothing about octets that it changed.
pub(super) fn readable(facts: &Facts) -> Result<(), Refusal> {
    let failed = |text: String| Refusal::because(Reason::DecryptionFailed, text);
    if facts.is_closed() {
        return Err(failed(
            "an envelope is not for any key of this switch, or is damaged".into(),
        ));
    }
    // RFC 8551 §6: without authentication, the signature inside is all that tells damage
    let Some(inside) = facts.inside_unauthenticated() else {
        return Ok(());
    };
    match inside.first().map(|layer| &layer.kind) {
        Some(LayerKind::Signed(_)) => {}
        _ => {
            return Err(failed(
                "an envelope that does not authenticate (CBC) holds nothing that is signed".into(),
            ));
        }
    }
    for (index, layer) in inside.iter().enumerate() {
        let LayerKind::Signed(signed) = &layer.kind else {
            continue;
        };
        if signed.signers.is_empty() {
            return Err(failed(format!(
                "layer {index} inside a CBC envelope is signed by nobody"
            )));
        }
        for signer in &signed.signers {
            match good(signer, index) {
                // Our own trouble, such as a stale revocation list, is told after all is read.
                Ok(()) | Err(Stop::Fault(_)) => {}
                Err(Stop::Refuse(refusal)) => {
                    let mut inside =
                        failed(format!("inside a CBC envelope: {}", refusal.reason.id()));
                    inside.grounds.extend(refusal.grounds);
                    return Err(inside);
                }
            }
        }
    }
    Ok(())
}

/// Who wrote it, and that the one who handed it in may.
pub(super) fn originator(
    config: &Config,
    origin: &Origin,
    opened: &Opened,
    military: &Military,
) -> Result<Authors, Stop> {
    let facts = opened.facts();
    every_signature(facts)?;
    no_conflict(facts)?;
    dialect(origin, facts)?;
    let (_, drafted) = facts.drafted().ok_or_else(|| {
        Refusal::because(
            Reason::SignatureMissing,
            "no layer of the message is signed",
        )
    })?;
    let authors = authors::authors(config, origin, facts, drafted)?;
    match origin {
        Origin::Link(link) => {
            for author in &authors.all {
                domain_signed(config, link, facts, author)?;
            }
        }
        Origin::Subject(peer) => {
            let with_password = opened.received().peer().is_known_by_password();
            if with_password && authors.all.iter().any(|author| author != peer) {
                return Err(Refusal::because(
                    Reason::OriginatorMismatch,
                    format!(
                        "{peer}, known by a password alone, hands in for {}",
                        authors.originator
                    ),
                )
                .into());
            }
            submitted(config, peer, facts, &authors, military)?;
        }
    }
    Ok(authors)
}

/// Every layer that is called signed has a signer, and every signer is good.
fn every_signature(facts: &Facts) -> Result<(), Stop> {
    for (index, layer) in facts.layers.iter().enumerate() {
        let LayerKind::Signed(signed) = &layer.kind else {
            continue;
        };
        // RFC 3183 §3: an empty signer set is "unsigned", never "all of none verified"
        if signed.signers.is_empty() {
            return Err(Refusal::because(
                Reason::SignatureMissing,
                format!("layer {index} is SignedData without a signer"),
            )
            .into());
        }
        for signer in &signed.signers {
            good(signer, index)?;
        }
        consistent(signed, index)?;
    }
    Ok(())
}

/// The signers of one layer do not contradict each other. Their labels are for `labels`.
fn consistent(signed: &SignedFacts, layer: usize) -> Result<(), Refusal> {
    let reports = || signed.signers.iter().map(|signer| &signer.report);
    // RFC 5652 §5.6: a good signature says of what type its content is
    let Some(content_type) = reports().find_map(SignerReport::content_type) else {
        return Ok(());
    };
    let grounds: Vec<Ground> = inconsistencies(&content_type, reports())
        .into_iter()
        .filter(|found| *found != Inconsistency::Differs(SECURITY_LABEL))
        .map(|found| Ground::new("signature.consistency", format!("layer {layer}: {found}")))
        .collect();
    if grounds.is_empty() {
        return Ok(());
    }
    Err(Refusal::on_grounds(Reason::SignatureInvalid, grounds))
}

/// Signature verifies, algorithm is accepted, certificate is trusted; in this order, so that the
/// reason is the deepest cause.
fn good(signer: &SignerFacts, layer: usize) -> Result<(), Stop> {
    let weak = signer.weaknesses().next().is_some();
    if !weak && signer.is_good() {
        return Ok(());
    }
    let who = signer.name();
    if weak || !signer.report.is_good() {
        let grounds = signer
            .report
            .problems
            .iter()
            .map(|problem| Ground::new("signature", format!("layer {layer}, {who}: {problem}")))
            .collect();
        let reason = if signer.report.is_good() {
            Reason::SignatureWeak
        } else {
            Reason::SignatureInvalid
        };
        return Err(Refusal::on_grounds(reason, grounds).into());
    }
    match &signer.trust {
        None if signer.report.certificate.is_some() => Ok(()),
        None => Err(Refusal::because(
            Reason::SignerUntrusted,
            format!("layer {layer}: the signer's certificate did not come along"),
        )
        .into()),
        Some(problem) if problem.is_ours() => Err(Fault::new(
            format!("judge the certificate of {who}"),
            problem.to_string(),
        )
        .into()),
        Some(problem) => Err(Refusal::because(
            Reason::SignerUntrusted,
            format!("layer {layer}, {who}: {problem}"),
        )
        .into()),
    }
}

fn no_conflict(facts: &Facts) -> Result<(), Refusal> {
    if facts.conflicts.is_empty() {
        return Ok(());
    }
    let grounds = facts
        .conflicts
        .iter()
        .map(|conflict| {
            Ground::new(
                "header.conflict",
                format!(
                    "{}: outside {:?}, signed {:?}",
                    conflict.field, conflict.outside, conflict.inside
                ),
            )
        })
        .collect();
    Err(Refusal::on_grounds(Reason::HeaderConflict, grounds))
}

/// Over a link, the section that counts is in a dialect that the link takes.
fn dialect(origin: &Origin, facts: &Facts) -> Result<(), Refusal> {
    let (Origin::Link(link), Some(section)) = (origin, facts.protected.first()) else {
        return Ok(());
    };
    if link.arrival.header_protection.contains(&section.dialect) {
        return Ok(());
    }
    let text = format!(
        "link {} does not take header protection by {}",
        link.name,
        section.dialect.name()
    );
    Err(Refusal::because(Reason::HeaderProtectionRefused, text))
}

/// From one of our own people: the peer is the drafter, or one who countersigned.
fn submitted(
    config: &Config,
    peer: &Address,
    facts: &Facts,
    authors: &Authors,
    military: &Military,
) -> Result<(), Refusal> {
    let stranger = |author: &&Address| !config.subjects.contains_key(*author);
    if let Some(author) = authors.all.iter().find(stranger) {
        return Err(Refusal::because(
            Reason::OriginatorUnknown,
            format!("{author} is not a subject of this switch"),
        ));
    }
    let drafters = || {
        let drafted = facts.drafted().into_iter();
        drafted.flat_map(|(_, signed)| &signed.signers)
    };
    let countersigners: Vec<&SignerFacts> = drafters()
        .flat_map(|signer| &signer.countersigners)
        .collect();
    let wrote = authors.all.contains(peer);
    // Who acts for a role has signed, and hands in as the one who did.
    let acted = || {
        let mut roles = authors
            .all
            .iter()
            .filter_map(|one| config.subjects.get(one));
        roles.any(|role| role.is_held_by(peer)) && drafters().any(|signer| signer.is(peer))
    };
    if !wrote && !acted() && !countersigners.iter().any(|signer| signer.is(peer)) {
        return Err(Refusal::because(
            Reason::OriginatorMismatch,
            format!("{peer} handed in what {} signed", authors.originator),
        ));
    }
    // RFC 7912 §3.2: every authorizing user that a submission names has signed
    if let Some(claimed) = military
        .authorizing_users
        .iter()
        .find(|user| !countersigners.iter().any(|signer| signer.is(user)))
    {
        return Err(Refusal::because(
            Reason::ReleaseInvalid,
            format!("MMHS-Authorizing-Users names {claimed}, who did not countersign"),
        ));
    }
    Ok(())
}

/// Over a link: whose signature is outermost.
fn domain_signed(
    config: &Config,
    link: &Link,
    facts: &Facts,
    originator: &Address,
) -> Result<(), Refusal> {
    if !belongs(originator.domain(), &link.domains) {
        return Err(Refusal::because(
            Reason::OriginatorMismatch,
            format!("{originator} does not belong behind link {}", link.name),
        ));
    }
    let outermost = facts
        .layers
        .first()
        .map_or(&[][..], |layer| layer.signers());
    let certificates = || {
        outermost
            .iter()
            .filter_map(|one| one.report.certificate.as_ref())
    };
    let (found, wanted) = match link.arrival.signed_by {
        SignedBy::Domain => (
            certificates().any(|one| signs_for(one, originator.domain())),
            format!("{DOMAIN_SIGNER} of the originator's domain"),
        ),
        SignedBy::Originator => (
            outermost
                .iter()
                .any(|signer| answers_for(config, signer, originator)),
            originator.to_string(),
        ),
    };
    if found {
        return Ok(());
    }
    Err(Refusal::because(
        Reason::SignatureMissing,
        format!(
            "link {} wants {wanted} to sign outermost; there is {}",
            link.name,
            names(outermost)
        ),
    ))
}

/// Whether this is the certificate of a domain signer for `domain`.
// RFC 3183 §3.1.1: exactly one common name, and that says so; so does every address in it, and each
// address names the originator's domain or one above it
pub fn signs_for(certificate: &Certificate, domain: &str) -> bool {
    if certificate.common_names() != [DOMAIN_SIGNER] {
        return false;
    }
    let emails = certificate.emails();
    let covers = |email: &String| {
        Address::parse(email).is_ok_and(|address| {
            address.local().eq_ignore_ascii_case(DOMAIN_SIGNER)
                && is_above(address.domain(), domain)
        })
    };
    match emails.is_empty() {
        // Without an address, the domain components of its name.
        true => certificate
            .domain_components()
            .is_some_and(|own| is_above(&own, domain)),
        false => emails.iter().all(covers),
    }
}

/// A domain of one label, such as a top-level domain, signs for nobody below it.
fn is_above(ancestor: &str, domain: &str) -> bool {
    ancestor.contains('.') && domain::is_within(domain, ancestor) || domain::same(ancestor, domain)
}

/// A message over a link whose label owes a release carries it, and anybody can verify it from the
/// message alone.
pub(super) fn release_owed(
    origin: &Origin,
    label: &Label,
    opened: &Opened,
    military: &Military,
) -> Result<(), Stop> {
    let Origin::Link(link) = origin else {
        return Ok(());
    };
    let owed = label
        .classification
        .is_some_and(|classification| link.arrival.release.0.contains(&classification));
    if !owed {
        return Ok(());
    }
    let facts = opened.facts();
    let Some((layer, drafted)) = facts.drafted() else {
        return Ok(());
    };
    let missing = |text: String| Refusal::because(Reason::ReleaseMissing, text);
    // RFC 7912 §3.3.2: the chain is valid only if every signature in it verifies and is named
    if facts.protected.is_empty() || military.authorizing_users.is_empty() {
        return Err(
            missing("MMHS-Authorizing-Users does not stand under a signature".into()).into(),
        );
    }
    for user in &military.authorizing_users {
        let signed = countersigners(drafted).any(|(_, by)| by.is(user));
        if !signed {
            return Err(missing(format!("{user} is named and did not countersign")).into());
        }
    }
    for (drafter, by) in countersigners(drafted) {
        good(by, layer)?;
        if same_person(drafter, by) {
            return Err(Refusal::because(
                Reason::ReleaseByDrafter,
                format!("{} countersigned an own draft", by.name()),
            )
            .into());
        }
        if !military.authorizing_users.iter().any(|user| by.is(user)) {
            return Err(Refusal::because(
                Reason::ReleaseInvalid,
                format!("{} countersigned and is not named", by.name()),
            )
            .into());
        }
    }
    Ok(())
}

/// Each countersigner of a layer, with the signer below.
fn countersigners(signed: &SignedFacts) -> impl Iterator<Item = (&SignerFacts, &SignerFacts)> {
    signed
        .signers
        .iter()
        .flat_map(|signer| signer.countersigners.iter().map(move |by| (signer, by)))
}

/// Whether two signatures are by one person: one certificate, one key, or one address.
pub fn same_person(one: &SignerFacts, other: &SignerFacts) -> bool {
    let keys = (&one.report.certificate, &other.report.certificate);
    let same_key = matches!(keys, (Some(a), Some(b)) if a.spki_der() == b.spki_der());
    same_key || one.addresses().iter().any(|address| other.is(address))
}

/// Whether `domain` is one of `domains` or below one of them, label by label.
pub(super) fn belongs(domain: &str, domains: &[String]) -> bool {
    domains
        .iter()
        .any(|ancestor| domain::is_within(domain, ancestor))
}

pub(super) fn names(signers: &[SignerFacts]) -> String {
    if signers.is_empty() {
        return "nobody".into();
    }
    signers
        .iter()
        .map(SignerFacts::name)
        .collect::<Vec<_>>()
        .join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::crypto::lab::{Authority, Request, Usage};

    #[test]
    fn ancestors_are_compared_by_label_not_by_suffix() {
        let acme = ["acme.example".to_owned()];
        assert!(belongs("acme.example", &acme));
        assert!(belongs("Marketing.ACME.example", &acme));
        assert!(!belongs("evilacme.example", &acme));
        assert!(!belongs("example", &acme));
    }

    #[test]
    fn a_domain_signer_has_the_name_of_one_and_no_other() {
        let now: Timestamp = "2026-11-21T08:30:00Z".parse().unwrap();
        let authority = Authority::new("CN=Root", now).unwrap();
        let signs = |subject: &str, emails: &[&str], domain: &str| {
            let mut request = Request::new(subject, Usage::Sign, now);
            for email in emails {
                request = request.email(email);
            }
            let identity = authority.issue(request).unwrap();
            signs_for(identity.certificate(), domain)
        };
        let name = "CN=domain-signing-authority,O=ACME";
        let own = "domain-signing-authority@acme.example";
        for domain in ["acme.example", "marketing.acme.example", "ACME.example"] {
            assert!(signs(name, &[own], domain), "{domain}");
        }
        for domain in ["evilacme.example", "example", "birch.example"] {
            assert!(!signs(name, &[own], domain), "{domain}");
        }
        // Another common name, or a second one.
        assert!(!signs("CN=border,O=ACME", &[own], "acme.example"));
        let two = "CN=domain-signing-authority,CN=anna,O=ACME";
        assert!(!signs(two, &[own], "acme.example"));
        // Another address beside it, of a person or of another domain.
        assert!(!signs(name, &[own, "anna@acme.example"], "acme.example"));
        let other = "domain-signing-authority@birch.example";
        assert!(!signs(name, &[own, other], "acme.example"));
        // A top-level domain signs for itself alone.
        let top = "domain-signing-authority@example";
        assert!(!signs(name, &[top], "acme.example"));
        assert!(signs(name, &[top], "example"));
        // Without an address, by domain components.
        let components = "CN=domain-signing-authority,DC=acme,DC=example";
        assert!(signs(components, &[], "acme.example"));
        assert!(!signs(components, &[], "birch.example"));
        assert!(!signs(name, &[], "acme.example"));
    }
}
