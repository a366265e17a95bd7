//! The labels of signed messages that are attached to this one: forwarded, or parts of a multipart.
//!
//! Promises: whoever may have the message may have every part of it: the decision is the AND over all
//! labels, and the message's own label is no lower than the banner over all of them.
//! Refuses: an attached envelope that no key of ours opens, or without authentication; a label that cannot be read, or that our
//! policy has no word for.
//! A label can only restrict here. So it counts whether or not its signature is trusted today, and
//! whoever forges one gains nothing.
//! Standards: ADatP-4774.1 (dominant label); standards/labels.md sections 7 and 10.
//! Attack stopped here: a SECRET message inside a RESTRICTED one.

use super::labels;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::decision::{Ground, Reason, Refusal};
use crate::label::{Label, combine, naming};
use crate::open::{Carried, Facts};

/// The label that counts, and those of what is attached, all in the domain's own policy.
#[derive(Clone, Debug)]
pub struct Labels {
    own: Label,
    all: Vec<Label>,
}

impl Labels {
    /// The message's own label first.
    pub fn new(own: Label, attached: impl IntoIterator<Item = Label>) -> Self {
        let all = std::iter::once(own.clone()).chain(attached).collect();
        Self { own, all }
    }

    /// The label that counts.
    pub const fn own(&self) -> &Label {
        &self.own
    }

    /// All of them, the message's own first.
    pub fn all(&self) -> &[Label] {
        &self.all
    }

    /// Those of what is attached.
    pub fn attached(&self) -> &[Label] {
        self.all.get(1..).unwrap_or_default()
    }
}

/// The labels of what is attached to a message with the label `own`, which covers them.
pub(super) fn covered(
    config: &Config,
    facts: &Facts,
    own: Label,
    at: Timestamp,
    found: &mut Vec<Ground>,
) -> Result<Labels, Refusal> {
    let mut attached = Vec::new();
    gather(config, &facts.attached, at, &mut attached, found)?;
    let labels = Labels::new(own, attached);
    if labels.attached().is_empty() {
        return Ok(labels);
    }
    let policy = config.policy();
    found.extend(labels.attached().iter().map(|label| Ground {
        label: Some(naming::write_label(policy, label)),
        ..Ground::new("label.attached", "the label of what is attached")
    }));
    let banner = combine::banner(policy, labels.all(), at);
    let lower = match banner {
        Ok(banner) if is_same(&banner.label, labels.own()) => return Ok(labels),
        Ok(banner) => Ground {
            label: Some(naming::write_label(policy, &banner.label)),
            ..Ground::new(
                "label.lower-than-attached",
                "the label is lower than that of the message with all that is attached",
            )
        },
        Err(error) => Ground::new("label.lower-than-attached", error.to_string()),
    };
    Err(Refusal::on_grounds(Reason::LabelDisagrees, vec![lower]))
}

fn gather(
    config: &Config,
    attached: &[Facts],
    at: Timestamp,
    labels: &mut Vec<Label>,
    found: &mut Vec<Ground>,
) -> Result<(), Refusal> {
    for facts in attached {
        // One answer for what no key opens and for what does not authenticate, whatever is in it: a
        // captured ciphertext in a message of one's own must tell nothing.
        if facts.is_closed() || facts.inside_unauthenticated().is_some() {
            let text =
                "an attached envelope is not for any key of this switch, or not authenticated";
            return Err(Refusal::because(Reason::DecryptionFailed, text));
        }
        let signers = facts.layers.iter().enumerate();
        for (layer, signer) in signers.flat_map(|(n, l)| l.signers().iter().map(move |s| (n, s))) {
            match &signer.label {
                Carried::Absent => {}
                Carried::Malformed(error) => {
                    let text = format!("attached, layer {layer}: {error}");
                    return Err(Refusal::because(Reason::LabelMalformed, text));
                }
                Carried::Present(label) => {
                    let label = labels::translated(config, label, layer, at, found)?;
                    if !labels.contains(&label) {
                        labels.push(label);
                    }
                }
            }
        }
        gather(config, &facts.attached, at, labels, found)?;
    }
    Ok(())
}

/// Whether two labels say the same about access.
fn is_same(one: &Label, other: &Label) -> bool {
    let restricting = |label: &Label| {
        let of = label.categories.iter();
        of.filter(|entry| !entry.kind.is_informative())
            .cloned()
            .collect::<Vec<_>>()
    };
    one.classification == other.classification && restricting(one) == restricting(other)
}
