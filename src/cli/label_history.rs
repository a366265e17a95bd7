//! The answer of `ravelin label history` as JSON and as text. Field names and their order are a contract.

use serde::Serialize;

use super::answer::{Answer, Trouble};
use super::label::lines;
use super::print::{self, Format};
use crate::label::history::Story;
use crate::label::nato::Tolerance;
use crate::label::sio::{Change, History, SioLabel};
use crate::label::{Label, Policies, naming};

#[derive(Serialize)]
struct Shown {
    entries: Vec<Entry>,
    current: Option<Field>,
    consistent: bool,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Entry {
    change: &'static str,
    changed_by: String,
    changed_at: String,
    comment: Option<String>,
    old: Option<Field>,
    new: Option<Field>,
}

#[derive(Serialize)]
struct Field {
    marking: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
}

#[derive(Serialize)]
struct Problem {
    id: &'static str,
    text: String,
}

pub(super) fn show(policies: &Policies, story: &Story, format: Format) -> Result<Answer, Trouble> {
    let field = |field: &SioLabel| Field {
        marking: field.marking.clone(),
        kind: field.value.as_ref().map(|(kind, _)| kind.clone()),
        text: text(policies, field),
    };
    let entry = |entry: &History| Entry {
        change: match entry.change {
            Change::Add => "add",
            Change::Delete => "delete",
            Change::Replace => "replace",
        },
        changed_by: entry.changed_by.clone(),
        changed_at: entry.changed_at.clone(),
        comment: entry.comment.clone(),
        old: entry.old.as_ref().map(field),
        new: entry.new.as_ref().map(field),
    };
    let problem = |one: &crate::label::history::Break| Problem {
        id: one.id,
        text: one.text.clone(),
    };
    let shown = Shown {
        entries: story.entries.iter().map(entry).collect(),
        current: story.current.as_ref().map(field),
        consistent: story.breaks.is_empty(),
        problems: story.breaks.iter().map(problem).collect(),
    };
    match format {
        Format::Json => print::json(&shown)?,
        Format::Table => {
            let mut rows = Vec::new();
            let said = |field: &Option<Field>| match field {
                Some(field) => field
                    .text
                    .clone()
                    .or(field.marking.clone())
                    .unwrap_or_default(),
                None => "no label".to_owned(),
            };
            for one in &shown.entries {
                rows.push(format!(
                    "{}  {}  {}: {} -> {}",
                    one.changed_at,
                    one.changed_by,
                    one.change,
                    said(&one.old),
                    said(&one.new)
                ));
            }
            rows.push(format!("now: {}", said(&shown.current)));
            let problems = shown.problems.iter();
            rows.extend(problems.map(|one| format!("{}: {}", one.id, one.text)));
            lines(&rows)?;
        }
    }
    Ok(if shown.consistent {
        Answer::Yes
    } else {
        Answer::No
    })
}

/// The label in names, when it can be read and its policy is loaded.
fn text(policies: &Policies, field: &SioLabel) -> Option<String> {
    let label: Label = field.label(policies, &Tolerance::ALL).ok().flatten()?;
    let policy = policies.get(&label.policy?)?;
    Some(naming::write_label(policy, &label))
}
