//! Which label does it carry?
//!
//! Several labels in one message must agree, or a policy's equivalence explains them; disagreement
//! is refused, never resolved silently. Labels outside an envelope describe the encrypted object
//! (RFC 2634 section 1.3.2): they are held against the link alone.

use super::origin::Origin;
use super::{access, said};
use crate::clock::Timestamp;
use crate::config::{Config, SioLabelRule};
use crate::decision::{Ground, Reason, Refusal, Stop};
use crate::label::equivalence::{self, Direction};
use crate::label::{Label, Policy};
use crate::open::{Carried, Facts};

/// The label that counts, in the domain's own policy.
pub(super) fn label(
    config: &Config,
    origin: &Origin,
    facts: &Facts,
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<Label, Stop> {
    let envelope = facts.envelope();
    let mut counts: Option<Label> = None;
    let mut around = Vec::new();
    for (index, layer) in facts.layers.iter().enumerate() {
        let carried: Vec<Option<&Label>> = layer
            .signers()
            .iter()
            .map(|signer| match &signer.label {
                Carried::Absent => Ok(None),
                Carried::Malformed(error) => Err(Refusal::because(
                    Reason::LabelMalformed,
                    format!("layer {index}: {error}"),
                )),
                Carried::Present(label) => Ok(Some(label)),
            })
            .collect::<Result<_, _>>()?;
        let Some(Some(first)) = carried.iter().find(|label| label.is_some()) else {
            continue;
        };
        // RFC 2634 §3.1.1: if one signer has a label, all have, and all are equal
        if carried.iter().any(|other| *other != Some(*first)) {
            return Err(
                disagreement(index, "the signers of one layer carry different labels").into(),
            );
        }
        if envelope.is_some_and(|envelope| index < envelope) {
            around.push(outside(config, origin, first, index, at, found)?);
            continue;
        }
        let own = in_own_policy(config, origin, first, index, at, found)?;
        match &counts {
            None => counts = Some(own),
            Some(known) if *known == own => {}
            Some(_) => {
                return Err(disagreement(
                    index,
                    "the label says another thing than the one around it",
                )
                .into());
            }
        }
    }
    if counts.is_none() && config.sio_label == SioLabelRule::Counts {
        counts = said::signed(config, origin, facts, at, found)?;
    }
    let label = counts.ok_or_else(|| {
        let text = "no verified signature carries a label";
        Refusal::because(Reason::LabelMissing, text)
    })?;
    said::agrees(config, origin, facts, (&label, &around), at, found)?;
    Ok(label)
}

fn disagreement(layer: usize, text: &str) -> Refusal {
    Refusal::because(Reason::LabelDisagrees, format!("layer {layer}: {text}"))
}

/// The label as our own policy says it.
pub(super) fn in_own_policy(
    config: &Config,
    origin: &Origin,
    label: &Label,
    layer: usize,
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<Label, Refusal> {
    let policy = known(config, label, layer)?;
    // A foreign label is understood only from the link whose policy it is.
    let from_its_link = matches!(origin, Origin::Link(link)
        if link.policy == Some(policy.oid()));
    if policy.oid() != config.policy().oid() && !from_its_link {
        return Err(Refusal::because(
            Reason::LabelPolicyUnknown,
            format!(
                "layer {layer}: policy {} is not that of the origin",
                policy.name()
            ),
        ));
    }
    translated(config, label, layer, at, found)
}

/// The label as our own policy says it, wherever it comes from.
pub(super) fn translated(
    config: &Config,
    label: &Label,
    layer: usize,
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<Label, Refusal> {
    let policy = known(config, label, layer)?;
    if policy.oid() == config.policy().oid() {
        return Ok(label.clone());
    }
    let translation =
        equivalence::translate(policy, config.policy(), label, Direction::Inbound, at).map_err(
            |refused| {
                Refusal::on_grounds(
                    Reason::LabelNoEquivalent,
                    access::grounds("equivalence", &refused.reasons),
                )
            },
        )?;
    found.extend(access::downgrades(config, &translation)?);
    Ok(translation.label)
}

fn known<'c>(config: &'c Config, label: &Label, layer: usize) -> Result<&'c Policy, Refusal> {
    label
        .policy
        .as_ref()
        .and_then(|oid| config.policies.get(oid))
        .ok_or_else(|| {
            let name = label
                .policy
                .map_or("no policy at all".to_owned(), |oid| oid.to_string());
            Refusal::on_grounds(
                Reason::LabelPolicyUnknown,
                vec![Ground {
                    label: Some(name),
                    ..Ground::new(
                        "label.policy-unknown",
                        format!("layer {layer}: the policy is not loaded"),
                    )
                }],
            )
        })
}

/// A label outside an envelope: whoever carries the encrypted object must be cleared for it.
fn outside(
    config: &Config,
    origin: &Origin,
    label: &Label,
    layer: usize,
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<Label, Stop> {
    let own = in_own_policy(config, origin, label, layer, at, found)?;
    if let Origin::Link(link) = origin {
        access::authorize(config.policy(), &own, &link.clearance, at)
            .map_err(|grounds| Refusal::on_grounds(Reason::ClearanceInsufficient, grounds))?;
    }
    Ok(own)
}
