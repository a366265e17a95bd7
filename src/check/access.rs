//! May originator, link and every recipient have it?

use std::sync::Arc;

use super::Route;
use super::attached::Labels;
use super::clearance::{self, Effective};
use super::origin::Origin;
use crate::clock::Timestamp;
use crate::config::{Config, Link, Recipients};
use crate::decision::{Ground, Reason, Refusal, Stop};
use crate::label::access as decide;
use crate::label::combine;
use crate::label::equivalence::{self, Direction, Translation};
use crate::label::validity::{self, Mode};
use crate::label::{Clearance, Label, Policy};
use crate::message::address::Address;
use crate::open::SignedFacts;

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

/// Who answers for a message, and with which signatures.
pub(super) struct Behind<'a> {
    pub origin: &'a Origin,
    /// Everybody in From.
    pub authors: &'a [Address],
    /// Those who signed the innermost layer, with the certificates that came along.
    pub drafted: Option<&'a SignedFacts>,
}

/// Where the message goes, when everybody on the way may have it.
pub(super) fn routes(
    config: &Config,
    at: Timestamp,
    behind: &Behind<'_>,
    labels: &Labels,
    recipients: &[Address],
    found: &mut Vec<Ground>,
) -> Result<Vec<Route>, Stop> {
    valid(config, labels.own(), at)?;
    let desk = Desk { config, at, labels };
    match behind.origin {
        // The link stands for an originator whom only the far side knows.
        Origin::Link(link) => {
            let effective = clearance::of_link(config, link, at);
            desk.permit(&effective, &format!("link {}", link.name), None, found)?;
        }
        Origin::Subject(_) => {
            for author in behind.authors {
                desk.author(author, behind.drafted, found)?;
            }
        }
    }
    desk.towards(recipients, found)
}

/// Whether what was permitted before may still go over `link` to `recipients`: the label under the
/// rules of today, called on the far side what it was called when it was sealed.
///
/// # Errors
/// Why it may not, or a fault of ours.
pub fn again(
    config: &Config,
    at: Timestamp,
    labels: &Labels,
    crossing: Option<&Label>,
    link: &str,
    recipients: &[Address],
) -> Result<(), Stop> {
    valid(config, labels.own(), at)?;
    let desk = Desk { config, at, labels };
    let routes = desk.towards(recipients, &mut Vec::new())?;
    for route in routes {
        if route.link.name != link {
            let text = format!("the way there is link {} now", route.link.name);
            return Err(Refusal::because(Reason::RecipientUnknown, text).into());
        }
        if route.crossing.as_ref() != crossing {
            let text =
                "the far side has another name for the label now than the one that was sealed";
            return Err(Refusal::because(Reason::LabelNoEquivalent, text).into());
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

/// What is decided: these labels, under this configuration, now.
struct Desk<'a> {
    config: &'a Config,
    at: Timestamp,
    labels: &'a Labels,
}

impl Desk<'_> {
    /// One of our own people who wrote it: the role, and who acted for it with which certificate.
    fn author(
        &self,
        author: &Address,
        drafted: Option<&SignedFacts>,
        found: &mut Vec<Ground>,
    ) -> Result<(), Stop> {
        let unknown = || Refusal::because(Reason::OriginatorUnknown, author.to_string());
        let subject = self.config.subjects.get(author).ok_or_else(unknown)?;
        let signed = drafted.into_iter().flat_map(|signed| {
            let came_along = signed.certificates.as_slice();
            signed
                .signers
                .iter()
                .map(move |signer| (signer, came_along))
        });
        for (signer, came_along) in signed {
            if signer.is(author) {
                let who = format!("originator {author}");
                let effective =
                    clearance::of_signer(self.config, subject, signer, came_along, self.at);
                self.permit(&effective, &who, None, found)?;
                continue;
            }
            // A role lends nobody a clearance: who acts for it needs an own one.
            for holder in subject.holders.iter().filter(|holder| signer.is(holder)) {
                let who = format!("originator {author}");
                let role = clearance::of_subject(self.config, subject, self.at);
                self.permit(&role, &who, None, found)?;
                let Some(person) = self.config.subjects.get(holder) else {
                    return Err(unknown().into());
                };
                let who = format!("{holder}, who acts for {author}");
                let effective =
                    clearance::of_signer(self.config, person, signer, came_along, self.at);
                self.permit(&effective, &who, None, found)?;
            }
        }
        Ok(())
    }

    /// The ways to the recipients, when they and the links may have it.
    fn towards(&self, recipients: &[Address], found: &mut Vec<Ground>) -> Result<Vec<Route>, Stop> {
        let mut routes: Vec<Route> = Vec::new();
        for recipient in recipients {
            let link = link_for(self.config, recipient)?;
            self.recipient(recipient, link, found)?;
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
            let effective = clearance::of_link(self.config, &route.link, self.at);
            self.permit(&effective, &who, route.recipients.first(), found)?;
            // Nothing crosses inside another message that would not cross by itself.
            for label in self.labels.attached() {
                crossing(self.config, &route.link, label, self.at, found)?;
            }
            let own = self.labels.own();
            route.crossing = crossing(self.config, &route.link, own, self.at, found)?;
        }
        Ok(routes)
    }

    /// The recipient's own clearance; that of everybody who holds a role; without an entry, where the
    /// link takes anybody, that of the whole domain. The link's own comes on top.
    fn recipient(
        &self,
        recipient: &Address,
        link: &Link,
        found: &mut Vec<Ground>,
    ) -> Result<(), Stop> {
        let who = format!("recipient {recipient}");
        let Some(subject) = self.config.subjects.get(recipient) else {
            if link.recipients != Recipients::Any {
                let text = format!(
                    "{recipient} is not a subject, and link {} takes only those",
                    link.name
                );
                return Err(Refusal::because(Reason::RecipientUnknown, text)
                    .about(recipient)
                    .into());
            }
            return match self.config.mail_domain(recipient) {
                Some(domain) => {
                    let who = format!("{who} (domain {})", domain.domain);
                    let effective = clearance::of_domain(self.config, domain, self.at);
                    self.permit(&effective, &who, Some(recipient), found)
                }
                None => Ok(()),
            };
        };
        let effective = clearance::of_subject(self.config, subject, self.at);
        self.permit(&effective, &who, Some(recipient), found)?;
        // Whoever holds the role reads what it gets.
        for holder in &subject.holders {
            let unknown = || Refusal::because(Reason::ClearanceUnknown, holder.to_string());
            let person = self.config.subjects.get(holder);
            let person = person.ok_or_else(|| unknown().about(recipient))?;
            let who = format!("{holder}, who holds {recipient}");
            let effective = clearance::of_subject(self.config, person, self.at);
            self.permit(&effective, &who, Some(recipient), found)?;
        }
        Ok(())
    }

    fn permit(
        &self,
        effective: &Effective,
        who: &str,
        about: Option<&Address>,
        found: &mut Vec<Ground>,
    ) -> Result<(), Stop> {
        let policies = &self.config.policies;
        let about = |refusal: Refusal| match about {
            Some(recipient) => refusal.about(recipient),
            None => refusal,
        };
        let held = match effective.decided(who, policies) {
            Ok(held) => held,
            Err(Stop::Refuse(refusal)) => return Err(about(*refusal).into()),
            Err(fault) => return Err(fault),
        };
        let source = effective.ground(who, policies);
        let access = combine::authorize_all(self.config.policy(), self.labels.all(), held, self.at);
        let mut grounds = vec![source];
        grounds.extend(grounds_of(who, &access.reasons));
        if access.permit {
            found.extend(grounds);
            return Ok(());
        }
        // What the label says stands first: it is why.
        grounds.rotate_left(1);
        Err(about(Refusal::on_grounds(Reason::ClearanceInsufficient, grounds)).into())
    }
}

fn grounds_of(who: &str, reasons: &[crate::label::Reason]) -> Vec<Ground> {
    let named = grounds("access", reasons).into_iter();
    named
        .map(|ground| Ground {
            text: format!("{who}: {}", ground.text),
            ..ground
        })
        .collect()
}

fn link_for<'c>(config: &'c Config, recipient: &Address) -> Result<&'c Arc<Link>, Refusal> {
    config.link_to(recipient).ok_or_else(|| {
        let text = format!(
            "no link leads to {}",
            recipient.domain().to_ascii_lowercase()
        );
        Refusal::because(Reason::RecipientUnknown, text).about(recipient)
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
