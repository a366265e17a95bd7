//! Which releases a message needs, and which it carries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::{self, Cleared, Origin, clearance, same_person};
use crate::clock::Timestamp;
use crate::config::{Config, Scope};
use crate::decision::{Fault, Ground, Reason, Refusal, Stop};
use crate::message::address::Address;
use crate::open::SignerFacts;

/// How far the clocks of officers and switch may differ.
const SKEW: Duration = Duration::from_secs(300);

/// One release that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The rule of `[review]` that asks for it.
    pub rule: String,
    /// The role that may give it.
    pub role: String,
    /// How many holders of the role must sign.
    pub officers: usize,
    /// Who has signed.
    pub signed: Vec<String>,
}

impl Need {
    /// Whether enough have signed.
    pub fn is_met(&self) -> bool {
        self.signed.len() >= self.officers
    }
}

/// What is needed, and who has signed.
pub struct Standing {
    /// The needs, in the order of the rules.
    pub needs: Vec<Need>,
    /// The officers whose signatures count.
    pub officers: Vec<Address>,
    /// Why.
    pub grounds: Vec<Ground>,
}

impl Standing {
    /// Whether nothing is missing.
    pub fn is_met(&self) -> bool {
        self.needs.iter().all(Need::is_met)
    }
}

/// Holds the rules against the countersignatures.
pub(super) fn standing(
    config: &Config,
    at: Timestamp,
    cleared: &Cleared,
) -> Result<Standing, Stop> {
    let mut standing = Standing {
        needs: needs(config, cleared),
        officers: Vec::new(),
        grounds: Vec::new(),
    };
    // What came over a link was released by its origin, and `check` has seen to that. Our own rules
    // ask for our own officers, who sign the same way.
    if let (Origin::Link(_), true) = (cleared.origin(), standing.needs.is_empty()) {
        standing.officers = cleared.military().authorizing_users.clone();
        return Ok(standing);
    }
    let Some(drafter) = cleared.drafter() else {
        return Ok(standing);
    };
    for officer in &drafter.countersigners {
        let address = count(config, at, cleared, drafter, officer, &mut standing)?;
        if !standing.officers.contains(&address) {
            standing.officers.push(address);
        }
    }
    Ok(standing)
}

/// The releases that the rules ask for: by label and by where it goes.
fn needs(config: &Config, cleared: &Cleared) -> Vec<Need> {
    config
        .release_rules
        .iter()
        .filter(|rule| is_meant(&rule.scope, cleared))
        .map(|rule| Need {
            rule: rule.name.clone(),
            role: rule.role.clone(),
            officers: rule.officers,
            signed: Vec::new(),
        })
        .collect()
}

/// Whether a rule speaks of this message: by its label and by where it goes.
pub(super) fn is_meant(scope: &Scope, cleared: &Cleared) -> bool {
    let by_label = scope.classifications.is_empty()
        || cleared
            .label()
            .classification
            .is_some_and(|class| scope.classifications.contains(&class));
    let by_link = scope.links.is_empty()
        || cleared
            .routes()
            .iter()
            .any(|route| scope.links.contains(&route.link.name));
    by_label && by_link
}

/// Judges one countersignature and counts it where it is needed.
fn count(
    config: &Config,
    at: Timestamp,
    cleared: &Cleared,
    drafter: &SignerFacts,
    officer: &SignerFacts,
    standing: &mut Standing,
) -> Result<Address, Stop> {
    let who = officer.name();
    if !officer.report.is_good() || officer.weaknesses().next().is_some() {
        let problems: Vec<String> = officer
            .report
            .problems
            .iter()
            .map(ToString::to_string)
            .collect();
        return Err(Refusal::because(
            Reason::ReleaseInvalid,
            format!("{who}: {}", problems.join("; ")),
        )
        .into());
    }
    if let Some(problem) = &officer.trust {
        if problem.is_ours() {
            return Err(Fault::new(
                format!("judge the certificate of {who}"),
                problem.to_string(),
            )
            .into());
        }
        return Err(Refusal::because(Reason::ReleaseInvalid, format!("{who}: {problem}")).into());
    }
    // Separation of duties comes before roles: an officer who drafts is a drafter here, and so is
    // whoever signed beside the drafter.
    if same_person(drafter, officer) || cleared.drafters().any(|one| same_person(one, officer)) {
        return Err(Refusal::because(
            Reason::ReleaseByDrafter,
            format!("{who} signed the draft and the release"),
        )
        .into());
    }
    let subject = officer
        .addresses()
        .iter()
        .find_map(|address| config.subjects.get(address))
        .ok_or_else(|| {
            Refusal::because(
                Reason::ReleaseNotAuthorised,
                format!("{who} is not a subject of this switch"),
            )
        })?;
    let roles: Vec<&str> = standing
        .needs
        .iter()
        .map(|need| need.role.as_str())
        .collect();
    let wanted = subject
        .roles
        .iter()
        .any(|role| roles.contains(&role.as_str()))
        || (roles.is_empty() && is_officer(config, &subject.roles));
    if !wanted {
        return Err(Refusal::because(
            Reason::ReleaseNotAuthorised,
            format!("{} holds none of the roles {roles:?}", subject.address),
        )
        .into());
    }
    let came_along = cleared.opened().facts().drafted();
    let came_along = came_along.map_or(&[][..], |(_, signed)| &signed.certificates);
    let effective = clearance::of_signer(config, subject, officer, came_along, at);
    let held = effective.decided(&who, &config.policies)?;
    let grounds = check::authorize(config.policy(), cleared.label(), held, at)
        .map_err(|grounds| Refusal::on_grounds(Reason::ReleaseNotAuthorised, grounds))?;
    standing
        .grounds
        .push(effective.ground(&who, &config.policies));
    fresh(drafter, officer, at, &who)?;
    standing.grounds.extend(grounds);
    for need in &mut standing.needs {
        let name = subject.address.to_string();
        if subject.roles.contains(&need.role) && !need.signed.contains(&name) {
            standing.grounds.push(Ground::new(
                "release",
                format!("{name} signed as {} for rule {}", need.role, need.rule),
            ));
            need.signed.push(name);
        }
    }
    Ok(subject.address.clone())
}

/// Whether any rule gives one of these roles something to release.
fn is_officer(config: &Config, roles: &[String]) -> bool {
    config
        .release_rules
        .iter()
        .any(|rule| roles.contains(&rule.role))
}

// RFC 5652 §11.3: the signing time of the countersigner is signed with the countersignature
/// The release was signed after the draft, and not in the future.
fn fresh(
    drafter: &SignerFacts,
    officer: &SignerFacts,
    at: Timestamp,
    who: &str,
) -> Result<(), Refusal> {
    let stale = |text: &str| {
        Err(Refusal::because(
            Reason::ReleaseInvalid,
            format!("{who}: {text}"),
        ))
    };
    let Some(released) = officer.report.signing_time else {
        return stale("the releasing signature carries no signing time");
    };
    if released > at + SKEW {
        return stale("the releasing signature is dated in the future");
    }
    if drafter
        .report
        .signing_time
        .is_some_and(|drafted| released + SKEW < drafted)
    {
        return stale("the releasing signature is older than the draft");
    }
    Ok(())
}
