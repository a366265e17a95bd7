//! Duty: what a policy knows and demands, in sentences, in document order.

use super::policy::{Becomes, Class, Operation, Policy, PolicyCategory, Requirement, Tag};

/// One line for each class, tag, category and rule; rules are indented below their owner.
pub fn explain(policy: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    let mut classes: Vec<&Class> = policy.classes.iter().collect();
    classes.sort_by_key(|class| class.hierarchy);
    for class in classes {
        let color = class.color.as_deref().unwrap_or("none");
        let old = if class.obsolete { ", obsolete" } else { "" };
        lines.push(format!(
            "classification {} = {}, rank {}, colour {color}{old}",
            class.name, class.value, class.hierarchy
        ));
        lines.extend(
            class
                .required
                .iter()
                .map(|one| format!("    needs {}", needs(one))),
        );
        for equal in &class.equivalents {
            let name = other(policy, equal.policy);
            let (value, applied) = (equal.value, way(equal.applied));
            lines.push(format!("    {applied} {name} {value}"));
        }
    }
    for (at, set) in policy.tag_sets.iter().enumerate() {
        lines.push(format!("tag set {} = {}", set.name, set.oid));
        for (number, tag) in policy
            .tags
            .iter()
            .enumerate()
            .filter(|(_, tag)| tag.set == at)
        {
            lines.push(format!("  {}", tag_line(policy, tag)));
            for category in policy.categories.iter().filter(|one| one.tag.0 == number) {
                category_lines(policy, category, &mut lines);
            }
        }
    }
    if let Some(marks) = &policy.privacy_marks {
        let names: Vec<&str> = marks.iter().map(|mark| mark.name.as_str()).collect();
        lines.push(format!("privacy marks: {}", names.join(", ")));
    }
    for other in &policy.equivalents {
        lines.push(format!(
            "translates to or from {} = {}",
            other.name, other.oid
        ));
    }
    lines
}

fn tag_line(policy: &Policy, tag: &Tag) -> String {
    let kind = tag.kind.map_or("not on the wire", |kind| kind.name());
    let meaning = match tag.kind {
        Some(kind) if kind.is_restrictive() => "the reader must hold every value",
        Some(kind) if kind.is_permissive() => "the reader must hold one of the values",
        _ => "for people, no influence on access",
    };
    let most = tag
        .maximum
        .map_or(String::new(), |most| format!(", at most {most}"));
    let least = match tag.minimum {
        0 => String::new(),
        least => format!(", at least {least} when used"),
    };
    format!(
        "tag {}: {kind}: {meaning}{least}{most}",
        policy.tag_name(tag)
    )
}

fn category_lines(policy: &Policy, category: &PolicyCategory, lines: &mut Vec<String>) {
    let value = category
        .value
        .map_or("typed by people".to_owned(), |value| value.to_string());
    let old = if category.obsolete { ", obsolete" } else { "" };
    lines.push(format!("    {} = {value}{old}", category.name));
    let class = |id| {
        policy
            .class(id)
            .map(|class| class.name.as_str())
            .unwrap_or_default()
    };
    if let Some(wanted) = category.required_class {
        lines.push(format!("      only with {}", class(wanted)));
    }
    if !category.excluded_classes.is_empty() {
        let names: Vec<&str> = category
            .excluded_classes
            .iter()
            .map(|id| class(*id))
            .collect();
        lines.push(format!("      not with {}", names.join(", ")));
    }
    for group in &category.excluded {
        lines.push(format!("      not with {}", group.text));
    }
    lines.extend(
        category
            .required
            .iter()
            .map(|one| format!("      needs {}", needs(one))),
    );
    if let Some(start) = category.window.not_before {
        lines.push(format!("      from {start}"));
    }
    if let Some(end) = category.window.not_after {
        lines.push(format!("      until {end}"));
    }
    for equal in &category.equivalents {
        let (name, applied) = (other(policy, equal.policy), way(equal.applied));
        let becomes = match &equal.becomes {
            Becomes::Category {
                tag_set,
                kind,
                value,
            } => format!("{tag_set} {kind} {value}"),
            Becomes::Nothing => "nothing (discarded)".to_owned(),
        };
        lines.push(format!("      {applied} {name} {becomes}"));
    }
}

fn needs(requirement: &Requirement) -> String {
    let groups: Vec<&str> = requirement
        .groups
        .iter()
        .map(|group| group.text.as_str())
        .collect();
    let quantity = match requirement.operation {
        Operation::OnlyOne => "exactly one of",
        Operation::OneOrMore => "at least one of",
        Operation::All => "all of",
    };
    format!("{quantity}: {}", groups.join("; "))
}

fn other(policy: &Policy, oid: super::ObjectIdentifier) -> String {
    let known = policy.equivalents.iter().find(|other| other.oid == oid);
    known.map_or_else(|| oid.to_string(), |other| other.name.clone())
}

fn way(applied: super::policy::Applied) -> &'static str {
    match (applied.outbound(), applied.inbound()) {
        (true, true) => "to and from",
        (true, false) => "only to",
        _ => "only from",
    }
}
