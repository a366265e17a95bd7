//! The answers of `ravelin label` as JSON and as text. Field names and their order are a contract.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::answer::{Answer, Trouble};
use super::label::lines;
use super::print::{self, Format};
use crate::clock::Timestamp;
use crate::label::access::{Access, PUBLIC_DENY};
use crate::label::detect::Tolerated;
use crate::label::equivalence::{Effect, NotTranslatable, Translation};
use crate::label::marking::{self, Location};
use crate::label::validity::{self, Mode};
use crate::label::{Label, Policies, Policy, Reason, ess, naming};

/// A decision as the contract has it.
#[derive(Debug, Serialize)]
pub(super) struct Decision {
    permit: bool,
    reasons: Vec<Ground>,
    public: &'static str,
}

/// One reason.
#[derive(Debug, Serialize)]
struct Ground {
    id: String,
    text: String,
    element: String,
    label: String,
    clearance: String,
}

impl Ground {
    fn of(reason: &Reason) -> Self {
        Self {
            id: reason.id.to_owned(),
            text: reason.text.clone(),
            element: reason.element.clone(),
            label: reason.label.clone(),
            clearance: reason.clearance.clone(),
        }
    }

    fn line(&self) -> String {
        let mut line = format!("{}: {}", self.id, self.text);
        for (what, value) in [("label", &self.label), ("clearance", &self.clearance)] {
            if !value.is_empty() {
                line.push_str(&format!("; {what}: {value}"));
            }
        }
        if !self.element.is_empty() {
            line.push_str(&format!(" ({})", self.element));
        }
        line
    }
}

impl Decision {
    pub(super) fn of(access: &Access) -> Self {
        Self {
            permit: access.permit,
            reasons: access.reasons.iter().map(Ground::of).collect(),
            public: access.public,
        }
    }

    pub(super) fn denied(id: &str, text: String) -> Self {
        Self {
            permit: false,
            reasons: vec![Ground {
                id: id.to_owned(),
                text,
                element: String::new(),
                label: String::new(),
                clearance: String::new(),
            }],
            public: PUBLIC_DENY,
        }
    }

    pub(super) fn show(&self, format: Format) -> Result<Answer, Trouble> {
        match format {
            Format::Json => print::json(self)?,
            Format::Table => {
                let mut shown = vec![if self.permit { "permit" } else { "deny" }.to_owned()];
                shown.extend(self.reasons.iter().map(|one| format!("  {}", one.line())));
                lines(&shown)?;
            }
        }
        Ok(if self.permit { Answer::Yes } else { Answer::No })
    }
}

/// An ordered map of marking locations.
struct Markings(Vec<(&'static str, String)>);

impl Serialize for Markings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in &self.0 {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

fn markings(policy: &Policy, label: &Label, language: Option<&str>) -> Markings {
    let all = Location::ALL.into_iter().map(|location| {
        let text = marking::marking(policy, label, location, language);
        (location.name(), text)
    });
    Markings(all.collect())
}

/// Readers of JSON keep whole numbers exactly up to here; what is beyond is written as text.
const EXACT: u64 = 1 << 53;

fn number<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    match u64::try_from(*value) {
        Ok(small) if small <= EXACT => serializer.serialize_u64(small),
        _ => serializer.collect_str(value),
    }
}

fn optional_number<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(&u128::from(*value), serializer),
        None => serializer.serialize_none(),
    }
}

#[derive(Serialize)]
struct Named {
    oid: Option<String>,
    name: Option<String>,
}

#[derive(Serialize)]
struct Class {
    #[serde(serialize_with = "optional_number")]
    value: Option<u64>,
    name: Option<String>,
}

#[derive(Serialize)]
struct Value {
    tag_set: String,
    tag_set_name: Option<String>,
    tag: Option<String>,
    kind: &'static str,
    #[serde(serialize_with = "number")]
    value: u128,
    name: Option<String>,
}

#[derive(Serialize)]
struct Problem {
    id: String,
    text: String,
}

#[derive(Serialize)]
struct Shown {
    policy: Named,
    classification: Class,
    categories: Vec<Value>,
    privacy_mark: Option<String>,
    marking: Option<Markings>,
    colors: Option<Colors>,
    valid: bool,
    problems: Vec<Problem>,
    syntax: Option<&'static str>,
    tolerated: Vec<&'static str>,
    text: Option<String>,
}

#[derive(Serialize)]
struct Colors {
    foreground: String,
    background: String,
}

fn colors(policy: &Policy, label: &Label) -> Colors {
    let (foreground, background) = marking::colors(policy, label);
    Colors {
        foreground,
        background,
    }
}

pub(super) fn show(
    policies: &Policies,
    read: &Tolerated<Label>,
    at: Timestamp,
    language: Option<&str>,
    format: Format,
) -> Result<Answer, Trouble> {
    let label = &read.value;
    let policy = label.policy.and_then(|oid| policies.get(&oid));
    let mut problems: Vec<Problem> = Vec::new();
    match policy {
        Some(policy) => {
            for reason in validity::check(policy, label, at, Mode::Reception) {
                problems.push(Problem {
                    id: reason.id.to_owned(),
                    text: reason.to_string(),
                });
            }
        }
        None => problems.push(Problem {
            id: match label.policy {
                Some(_) => "label.policy-unknown",
                None => "label.policy-missing",
            }
            .to_owned(),
            text: "the label's policy is not loaded".to_owned(),
        }),
    }
    let mut categories = Vec::new();
    for entry in &label.categories {
        for value in &entry.values {
            let names =
                policy.and_then(|one| one.category_names(&entry.tag_set, entry.kind, *value));
            categories.push(Value {
                tag_set: entry.tag_set.to_string(),
                tag_set_name: names.map(|(set, _, _)| set.to_owned()),
                tag: names.map(|(set, tag, _)| tag.unwrap_or(set).to_owned()),
                kind: entry.kind.name(),
                value: *value,
                name: names.map(|(_, _, name)| name.to_owned()),
            });
        }
    }
    let class = label.classification;
    let shown = Shown {
        policy: Named {
            oid: label.policy.map(|oid| oid.to_string()),
            name: policy.map(|policy| policy.name().to_owned()),
        },
        classification: Class {
            value: class,
            name: policy
                .zip(class)
                .and_then(|(policy, value)| policy.classification_name(value))
                .map(str::to_owned),
        },
        categories,
        privacy_mark: label
            .privacy_mark
            .as_ref()
            .map(|mark| mark.text().to_owned()),
        marking: policy.map(|policy| markings(policy, label, language)),
        colors: policy.map(|policy| colors(policy, label)),
        valid: problems.is_empty(),
        problems,
        syntax: Some(read.syntax.name()),
        tolerated: read.deviations.iter().map(|one| one.name()).collect(),
        text: policy.map(|policy| naming::write_label(policy, label)),
    };
    let answer = if shown.valid { Answer::Yes } else { Answer::No };
    if format == Format::Json {
        print::json(&shown)?;
        return Ok(answer);
    }
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let mut text = vec![
        format!(
            "policy          {} {}",
            or_none(&shown.policy.name),
            or_none(&shown.policy.oid)
        ),
        format!(
            "classification  {} ({})",
            or_none(&shown.classification.name),
            class.map_or("none".to_owned(), |value| value.to_string())
        ),
    ];
    for one in &shown.categories {
        text.push(format!(
            "category        {}: {} ({} {})",
            one.tag.as_deref().unwrap_or(&one.tag_set),
            or_none(&one.name),
            one.kind,
            one.value
        ));
    }
    if let Some(mark) = &shown.privacy_mark {
        text.push(format!("privacy mark    {mark}"));
    }
    if let Some(policy) = policy {
        let bottom = marking::marking(policy, label, Location::PageBottom, language);
        text.push(format!("marking         {bottom}"));
    }
    text.push(format!(
        "valid           {}",
        if shown.valid { "yes" } else { "no" }
    ));
    text.extend(shown.problems.iter().map(|one| format!("  {}", one.text)));
    if !shown.tolerated.is_empty() {
        text.push(format!("tolerated       {}", shown.tolerated.join(", ")));
    }
    lines(&text)?;
    Ok(answer)
}

/// As [`show`] for a label that no reader understands: the same members, and why.
pub(super) fn show_unreadable(text: &str, format: Format) -> Result<Answer, Trouble> {
    if format == Format::Table {
        return unreadable(text, format);
    }
    print::json(&Shown {
        policy: Named {
            oid: None,
            name: None,
        },
        classification: Class {
            value: None,
            name: None,
        },
        categories: Vec::new(),
        privacy_mark: None,
        marking: None,
        colors: None,
        valid: false,
        problems: vec![Problem {
            id: "label.malformed".to_owned(),
            text: text.to_owned(),
        }],
        syntax: None,
        tolerated: Vec::new(),
        text: None,
    })?;
    Ok(Answer::No)
}

/// A label that no reader understands: not valid, and that is an answer, not a usage error.
pub(super) fn unreadable(text: &str, format: Format) -> Result<Answer, Trouble> {
    #[derive(Serialize)]
    struct Unreadable {
        valid: bool,
        problems: Vec<Problem>,
        reasons: Vec<Problem>,
    }
    let problem = || {
        vec![Problem {
            id: "label.malformed".to_owned(),
            text: text.to_owned(),
        }]
    };
    match format {
        Format::Json => print::json(&Unreadable {
            valid: false,
            problems: problem(),
            reasons: problem(),
        })?,
        Format::Table => lines(&[format!("label.malformed: {text}")])?,
    }
    Ok(Answer::No)
}

pub(super) fn mark(
    policy: &Policy,
    label: &Label,
    location: Option<Location>,
    language: Option<&str>,
    format: Format,
) -> Result<Answer, Trouble> {
    #[derive(Serialize)]
    struct Marked {
        marking: Markings,
        colors: Colors,
    }
    let mut marking = markings(policy, label, language);
    if let Some(location) = location {
        marking.0.retain(|(name, _)| *name == location.name());
    }
    match (format, location) {
        (Format::Json, _) => print::json(&Marked {
            marking,
            colors: colors(policy, label),
        })?,
        (Format::Table, Some(_)) => {
            let texts: Vec<String> = marking.0.into_iter().map(|(_, text)| text).collect();
            lines(&texts)?;
        }
        (Format::Table, None) => {
            let rows = marking.0.iter();
            let texts: Vec<String> = rows
                .map(|(name, text)| format!("{name:<20}{text}"))
                .collect();
            lines(&texts)?;
        }
    }
    Ok(Answer::Yes)
}

pub(super) fn converted(syntax: &str, value: &str, format: Format) -> Result<Answer, Trouble> {
    #[derive(Serialize)]
    struct Converted<'a> {
        syntax: &'a str,
        value: &'a str,
    }
    match format {
        Format::Json => print::json(&Converted { syntax, value })?,
        Format::Table => print::out(&format!("{value}\n"))?,
    }
    Ok(Answer::Yes)
}

#[derive(Serialize)]
struct Step {
    effect: &'static str,
    from: String,
    to: String,
    element: String,
}

#[derive(Serialize)]
struct Translated {
    translated: bool,
    label: Option<String>,
    text: Option<String>,
    marking: Option<String>,
    trace: Vec<Step>,
    reasons: Vec<Ground>,
}

/// As [`translation`] for a label that no reader understands.
pub(super) fn translate_unreadable(text: &str, format: Format) -> Result<Answer, Trouble> {
    if format == Format::Table {
        return unreadable(text, format);
    }
    print::json(&Translated {
        translated: false,
        label: None,
        text: None,
        marking: None,
        trace: Vec::new(),
        reasons: Decision::denied("label.malformed", text.to_owned()).reasons,
    })?;
    Ok(Answer::No)
}

pub(super) fn translation(
    to: &Policy,
    came: Result<Translation, NotTranslatable>,
    format: Format,
) -> Result<Answer, Trouble> {
    let shown = match &came {
        Ok(translation) => {
            let label = &translation.label;
            let octets = ess::encode(label)
                .map_err(|error| Trouble::Fault(format!("write the label: {error}")))?;
            Translated {
                translated: true,
                label: Some(STANDARD.encode(octets)),
                text: Some(naming::write_label(to, label)),
                marking: Some(marking::marking(to, label, Location::PageBottom, None)),
                trace: translation.trace.iter().map(step).collect(),
                reasons: Vec::new(),
            }
        }
        Err(refused) => Translated {
            translated: false,
            label: None,
            text: None,
            marking: None,
            trace: Vec::new(),
            reasons: refused.reasons.iter().map(Ground::of).collect(),
        },
    };
    match format {
        Format::Json => print::json(&shown)?,
        Format::Table => {
            let mut text: Vec<String> = shown.label.iter().chain(&shown.text).cloned().collect();
            for step in &shown.trace {
                let Step {
                    effect,
                    from,
                    to,
                    element,
                } = step;
                text.push(format!("  {effect}: {from} -> {to} ({element})"));
            }
            text.extend(shown.reasons.iter().map(Ground::line));
            lines(&text)?;
        }
    }
    Ok(if shown.translated {
        Answer::Yes
    } else {
        Answer::No
    })
}

fn step(step: &crate::label::equivalence::Step) -> Step {
    Step {
        effect: match step.effect {
            Effect::Adds => "adds",
            Effect::Downgrades => "downgrades",
            Effect::Keeps => "keeps",
            Effect::LeavesOut => "leaves-out",
            Effect::Widens => "widens",
        },
        from: step.from.clone(),
        to: step.to.clone(),
        element: step.element.clone(),
    }
}
