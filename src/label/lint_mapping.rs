//! Duty: whether two policies that both describe the way from one to the other describe the same way.
//! Promises: both are asked with [`translate`]: the local policy as the sender, the remote one as the
//! receiver; a disagreement shows both results.
//! Standards: standards/labels.md section 9 ("both directions are described by one SPIF, the local one").

use jiff::Timestamp;

use super::equivalence::{Direction, NotTranslatable, Translation, translate};
use super::lint::{Finding, Severity};
use super::naming;
use super::policy::Policy;
use super::search;
use super::value::Label;

/// What the remote policy makes of a local label, against what the local policy makes of it. The text
/// beside the finding is its cause, so that it is reported once.
pub(super) fn disagreement(
    local: &Policy,
    remote: &Policy,
    label: &Label,
    sent: Result<&Translation, &NotTranslatable>,
    at: Timestamp,
) -> Option<(Finding, String)> {
    let mut described = remote.equivalents.iter();
    if !described.any(|policy| policy.oid == local.oid) {
        return None;
    }
    let received = translate(local, remote, label, Direction::Inbound, at);
    let shown = naming::write_label(local, label);
    let cause = |refusal: &NotTranslatable| {
        let first = refusal.reasons.first();
        first.map_or_else(String::new, |reason| reason.label.clone())
    };
    let finding =
        |severity, element, text| Finding::new("pair.mapping-differs", severity, element, text);
    match (sent, received) {
        (Ok(sent), Ok(received)) => {
            let (one, two) = (&sent.label, &received.label);
            let sets = [one, two].map(|label| search::categories_of(remote, label));
            let [mine, theirs] = &sets;
            let difference: Vec<_> = mine.symmetric_difference(theirs).collect();
            let classes = (one.classification, two.classification);
            if difference.is_empty() && classes.0 == classes.1 {
                return None;
            }
            let informative = |id: &&super::policy::CategoryId| {
                let tag = remote.category(**id).and_then(|one| remote.tag(one.tag));
                tag.and_then(|tag| tag.kind)
                    .is_some_and(|kind| kind.is_informative())
            };
            let harmless = classes.0 == classes.1 && difference.iter().all(informative);
            let severity = if harmless {
                Severity::Note
            } else {
                Severity::Error
            };
            let text = format!(
                "\"{shown}\" becomes \"{}\" in {} by {}, but \"{}\" by {} itself",
                naming::write_label(remote, one),
                remote.name,
                local.file,
                naming::write_label(remote, two),
                remote.file
            );
            let classes = (classes.0 != classes.1).then_some(classes);
            let cause = format!("{classes:?} {difference:?}");
            Some((finding(severity, remote.own_element(), text), cause))
        }
        (Ok(sent), Err(refusal)) => {
            let text = format!(
                "\"{shown}\" becomes \"{}\" in {} by {}, but nothing by {} itself",
                naming::write_label(remote, &sent.label),
                remote.name,
                local.file,
                remote.file
            );
            let element = remote.own_element();
            Some((finding(Severity::Warning, element, text), cause(&refusal)))
        }
        (Err(refusal), Ok(received)) => {
            let text = format!(
                "\"{shown}\" has no equivalent in {} by {}, but is \"{}\" by {} itself",
                remote.name,
                local.file,
                naming::write_label(remote, &received.label),
                remote.file
            );
            let element = remote.own_element();
            Some((finding(Severity::Note, element, text), cause(refusal)))
        }
        (Err(_), Err(_)) => None,
    }
}
