//! May originator, link and every recipient have it?

use std::sync::Arc;

use super::Route;
use super::attached::Labels;
use super::origin::Origin;
use crate::clock::Timestamp;
use crate::config::{Config, Link, Recipients};
use crate::decision::{Ground, Reason, Refusal};
use crate::label::access as decide;
use crate::label::combine;
use crate::label::equivalence::{self, Direction, Translation};
use crate::label::validity::{self, Mode};
use crate::label::{Clearance, Label, Policy};
use crate::message::address::Address;

/// The rule of a ground that tells of a downgrade.
pub const DOWNGRADE: &str = "equivalence.downgrade";

/// Label against one clearance: the grounds of a permission, or those of a denial.
///
/// # Errors
/// The grounds of the denial.
pub fn authorize(
    policy: &Policy,
    label: &Label,
    clearance: &Clearance,
    at: Timestamp,
) -> Result<Vec<Ground>, Vec<Ground>> {
    let access = decide::authorize(policy, label, clearance, at);
    let grounds = grounds("access", &access.reasons);
    if access.permit {
        Ok(grounds)
    } else {
        Err(grounds)
    }
}

/// The reasons of the label room as grounds of a decision.
pub(super) fn grounds(what: &str, reasons: &[crate::label::Reason]) -> Vec<Ground> {
    reasons
        .iter()
        .map(|reason| Ground {
            rule: format!("{what}.{}", reason.id),
            text: reason.text.clone(),
            element: said(&reason.element),
            label: said(&reason.label),
            clearance: said(&reason.clearance),
        })
        .collect()
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Where the message goes, when everybody on the way may have it.
pub(super) fn routes(
    config: &Config,
    at: Timestamp,
    origin: &Origin,
    originator: &Address,
    labels: &Labels,
    recipients: &[Address],
    found: &mut Vec<Ground>,
) -> Result<Vec<Route>, Refusal> {
    valid(config, labels.own(), at)?;
    // The link stands for an originator whom only the far side knows.
    let (clearance, who) = match origin {
        Origin::Link(link) => (&link.clearance, format!("link {}", link.name)),
        Origin::Subject(_) => (
            &config
                .subjects
                .get(originator)
                .ok_or_else(|| Refusal::because(Reason::OriginatorUnknown, originator.to_string()))?
                .clearance,
            format!("originator {originator}"),
        ),
    };
    permit(config, at, labels, clearance, &who, None, found)?;
    towards(config, at, labels, recipients, found)
}

/// Whether what was permitted before may still go over `link` to `recipients`: the label under the
/// rules of today, called on the far side what it was called when it was sealed.
///
/// # Errors
/// Why it may not.
pub fn again(
    config: &Config,
    at: Timestamp,
    labels: &Labels,
    crossing: Option<&Label>,
    link: &str,
    recipients: &[Address],
) -> Result<(), Refusal> {
    valid(config, labels.own(), at)?;
    let routes = towards(config, at, labels, recipients, &mut Vec::new())?;
    for route in routes {
        if route.link.name != link {
            let text = format!("the way there is link {} now", route.link.name);
            return Err(Refusal::because(Reason::RecipientUnknown, text));
        }
        if route.crossing.as_ref() != crossing {
            let text =
                "the far side has another name for the label now than the one that was sealed";
            return Err(Refusal::because(Reason::LabelNoEquivalent, text));
        }
    }
    Ok(())
}

fn valid(config: &Config, label: &Label, at: Timestamp) -> Result<(), Refusal> {
    let problems = validity::check(config.policy(), label, at, Mode::Reception);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Refusal::on_grounds(
            Reason::LabelInvalid,
            grounds("label", &problems),
        ))
    }
}

/// The ways to the recipients, when they and the links may have it.
fn towards(
    config: &Config,
    at: Timestamp,
    labels: &Labels,
    recipients: &[Address],
    found: &mut Vec<Ground>,
) -> Result<Vec<Route>, Refusal> {
    let mut routes: Vec<Route> = Vec::new();
    for recipient in recipients {
        let link = link_for(config, recipient)?;
        match config.subjects.get(recipient) {
            Some(subject) => permit(
                config,
                at,
                labels,
                &subject.clearance,
                &format!("recipient {recipient}"),
                Some(recipient),
                found,
            )?,
            None if link.recipients == Recipients::Any => {}
            None => {
                return Err(Refusal::because(
                    Reason::RecipientUnknown,
                    format!(
                        "{recipient} is not a subject, and link {} takes only those",
                        link.name
                    ),
                )
                .about(recipient));
            }
        }
        match routes.iter_mut().find(|route| route.link.name == link.name) {
            Some(route) => route.recipients.push(recipient.clone()),
            None => routes.push(Route {
                link: Arc::clone(link),
                recipients: vec![recipient.clone()],
                crossing: None,
            }),
        }
    }
    for route in &mut routes {
        let who = format!("link {}", route.link.name);
        permit(
            config,
            at,
            labels,
            &route.link.clearance,
            &who,
            route.recipients.first(),
            found,
        )?;
        // Nothing crosses inside another message that would not cross by itself.
        for label in labels.attached() {
            crossing(config, &route.link, label, at, found)?;
        }
        route.crossing = crossing(config, &route.link, labels.own(), at, found)?;
    }
    Ok(routes)
}

fn link_for<'c>(config: &'c Config, recipient: &Address) -> Result<&'c Arc<Link>, Refusal> {
    let domain = recipient.domain().to_ascii_lowercase();
    config
        .links
        .iter()
        .find(|link| link.domains.contains(&domain))
        .ok_or_else(|| {
            Refusal::because(
                Reason::RecipientUnknown,
                format!("no link leads to {domain}"),
            )
            .about(recipient)
        })
}

fn permit(
    config: &Config,
    at: Timestamp,
    labels: &Labels,
    clearance: &Clearance,
    who: &str,
    about: Option<&Address>,
    found: &mut Vec<Ground>,
) -> Result<(), Refusal> {
    let named = |grounds: Vec<Ground>| {
        grounds.into_iter().map(|ground| Ground {
            text: format!("{who}: {}", ground.text),
            ..ground
        })
    };
    let access = combine::authorize_all(config.policy(), labels.all(), clearance, at);
    let grounds = named(grounds("access", &access.reasons));
    if access.permit {
        found.extend(grounds);
        return Ok(());
    }
    let refusal = Refusal::on_grounds(Reason::ClearanceInsufficient, grounds.collect());
    Err(match about {
        Some(recipient) => refusal.about(recipient),
        None => refusal,
    })
}

/// What a translation takes away that bears on access. Only the domain's own policy can say so (it
/// describes both directions), and only when a pinned signer has signed it.
pub(super) fn downgrades(
    config: &Config,
    translation: &Translation,
) -> Result<Vec<Ground>, Refusal> {
    let grounds: Vec<Ground> = translation
        .downgrades()
        .map(|step| Ground {
            element: said(&step.element),
            label: said(&step.from),
            ..Ground::new(DOWNGRADE, "the next domain would not restrict this")
        })
        .collect();
    if grounds.is_empty() || config.is_signed(config.policy()) {
        return Ok(grounds);
    }
    let unsigned = format!(
        "{} says so and is not signed by a pinned signer",
        config.policy().name()
    );
    let why = Ground::new("equivalence.unsigned", unsigned);
    Err(Refusal::on_grounds(
        Reason::LabelNoEquivalent,
        grounds.into_iter().chain([why]).collect(),
    ))
}

/// What the label is called on the far side. A label that leaves must name the far side, because a
/// permissive group that is absent restricts nobody (standards/labels.md section 7).
fn crossing(
    config: &Config,
    link: &Link,
    label: &Label,
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<Option<Label>, Refusal> {
    for wanted in link.must_carry.iter() {
        let carried = label
            .categories
            .values(&wanted.tag_set, wanted.kind)
            .is_some_and(|values| wanted.values.is_subset(values));
        if !carried {
            return Err(Refusal::because(
                Reason::LabelNotReleasable,
                format!("link {} carries only labels that name it", link.name),
            ));
        }
    }
    let Some(far) = link
        .policy
        .filter(|far| *far != config.policy().oid())
        .and_then(|far| config.policies.get(&far))
    else {
        return Ok(None);
    };
    let translation = equivalence::translate(config.policy(), far, label, Direction::Outbound, at)
        .map_err(|refused| {
            Refusal::on_grounds(
                Reason::LabelNoEquivalent,
                grounds("equivalence", &refused.reasons),
            )
        })?;
    found.extend(downgrades(config, &translation)?);
    found.extend(translation.trace.iter().map(|step| Ground {
        element: said(&step.element),
        label: said(&step.from),
        ..Ground::new(
            "equivalence",
            format!("becomes {:?} ({:?})", step.to, step.effect),
        )
    }));
    Ok(Some(translation.label))
}
