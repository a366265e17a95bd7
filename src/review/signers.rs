//! Whose signatures stand side by side with the drafter's: n holders of a role (`[[review.signers]]`).
//!
//! Promises: people are counted, not signatures: two signatures of one person are one, and only
//! those of the innermost layer count, all of which `check` has found good.
//! Refuses: a message of our own people that lacks one. What came over a link was signed as its
//! origin asks.
//! Standards: RFC 5652 section 5.1 (several SignerInfos).

use super::requirement::is_meant;
use crate::check::{Cleared, Origin, same_person};
use crate::config::{Config, SignerRule};
use crate::decision::{Ground, Reason, Refusal};
use crate::open::SignerFacts;

/// Holds the rules against those who signed, and says what each rule found.
///
/// # Errors
/// When a rule asks for more signers than there are.
pub(super) fn signed_by_enough(config: &Config, cleared: &Cleared) -> Result<Vec<Ground>, Refusal> {
    if matches!(cleared.origin(), Origin::Link(_)) {
        return Ok(Vec::new());
    }
    config
        .signer_rules
        .iter()
        .filter(|rule| is_meant(&rule.scope, cleared))
        .map(|rule| signed_under(config, rule, cleared))
        .collect()
}

fn signed_under(config: &Config, rule: &SignerRule, cleared: &Cleared) -> Result<Ground, Refusal> {
    let mut people: Vec<&SignerFacts> = Vec::new();
    for signer in cleared.drafters() {
        let holds_role = signer
            .addresses()
            .iter()
            .filter_map(|address| config.subjects.get(address))
            .any(|subject| subject.roles.contains(&rule.role));
        if holds_role && !people.iter().any(|known| same_person(known, signer)) {
            people.push(signer);
        }
    }
    let names: Vec<String> = people.iter().map(|signer| signer.name()).collect();
    let found = match names.as_slice() {
        [] => "nobody".to_owned(),
        some => some.join(" and "),
    };
    let SignerRule {
        name, role, count, ..
    } = rule;
    let text = format!("rule {name} asks for {count} of role {role}; signed by {found}");
    if people.len() < *count {
        return Err(Refusal::because(Reason::SignatureMissing, text));
    }
    Ok(Ground::new("signers", text))
}
