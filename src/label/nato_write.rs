//! Duty: writes the ADatP-4774 XML label and clearance.
//! Promises: one canonical form: one line, names in the policy's spelling, identifiers beside them.
//! Refuses: a value that the policy does not know, a clearance without classification.
//! Standards: ADatP-4774 Ed A; standards/labels.md section 11.

use jiff::Timestamp;

use super::nato::{CLEARANCE_NAMESPACE, Document, NAMESPACE, Role, XmlError};
use super::policy::Policy;
use super::value::{Categories, Clearance, Kind, Label};
use super::xml::Place;

/// Writes a label in its canonical form: one line, names in the policy's spelling.
///
/// # Errors
/// When the label is of another policy, or has a value that the policy does not know.
pub fn encode(
    policy: &Policy,
    label: &Label,
    role: Role,
    created: Timestamp,
) -> Result<String, XmlError> {
    let inside = information(policy, label, &[]).map_err(wrong)?;
    let root = root(role);
    Ok(format!(
        "<{root} xmlns=\"{NAMESPACE}\">{inside}{}</{root}>",
        creation(created)
    ))
}

/// Writes a label with what stands beside it: dates, the values that people typed, the label that
/// follows.
///
/// # Errors
/// As [`encode`], when there is no date of creation, and when a typed value is none that the policy's
/// userInput allows.
pub fn encode_document(policy: &Policy, document: &Document) -> Result<String, XmlError> {
    let (root, body) = (root(document.role), body(policy, document).map_err(wrong)?);
    let review = review(document);
    Ok(format!(
        "<{root} xmlns=\"{NAMESPACE}\"{review}>{body}</{root}>"
    ))
}

fn wrong(text: String) -> XmlError {
    XmlError {
        place: Place::default(),
        text,
    }
}

fn root(role: Role) -> &'static str {
    match role {
        Role::Alternative => "alternativeConfidentialityLabel",
        Role::Metadata => "metadataConfidentialityLabel",
        Role::Originator => "originatorConfidentialityLabel",
    }
}

fn review(document: &Document) -> String {
    let date = |time: Timestamp| format!(" ReviewDateTime=\"{time}\"");
    document.review.map(date).unwrap_or_default()
}

fn creation(created: Timestamp) -> String {
    format!("<CreationDateTime>{created}</CreationDateTime>")
}

fn body(policy: &Policy, document: &Document) -> Result<String, String> {
    let created = document
        .created
        .ok_or("a label needs the date of its creation")?;
    let mut body = information(policy, &document.label, &document.typed)?;
    body.push_str(&creation(created));
    if let Some((from, successor)) = &document.successor {
        let (review, next) = (review(successor), self::body(policy, successor)?);
        body.push_str(&format!(
            "<SuccessionHandling><SuccessionDateTime>{from}</SuccessionDateTime>\
             <SuccessorConfidentialityLabel{review}>{next}</SuccessorConfidentialityLabel></SuccessionHandling>"
        ));
    }
    Ok(body)
}

fn information(
    policy: &Policy,
    label: &Label,
    typed: &[(String, String)],
) -> Result<String, String> {
    if label.policy != Some(policy.oid) {
        return Err(format!("the label is not of the policy {}", policy.name));
    }
    let class = label
        .classification
        .and_then(|value| policy.classification_name(value))
        .ok_or("the classification has no name in the policy")?;
    let mut inside = policy_identifier(policy, "");
    inside.push_str(&format!(
        "<Classification>{}</Classification>",
        escaped(class)
    ));
    if let Some(mark) = &label.privacy_mark {
        inside.push_str(&format!(
            "<PrivacyMark>{}</PrivacyMark>",
            escaped(mark.text())
        ));
    }
    inside.push_str(&categories(policy, &label.categories, "")?);
    for (set, text) in typed {
        inside.push_str(&typed_value(policy, set, text)?);
    }
    Ok(format!(
        "<ConfidentialityInformation>{inside}</ConfidentialityInformation>"
    ))
}

/// One value that people typed: a category of the tag set must take such text.
fn typed_value(policy: &Policy, set: &str, text: &str) -> Result<String, String> {
    let sets = policy.tag_sets.iter().enumerate();
    let mut named = sets.filter(|(_, one)| one.name == set);
    let found = named.find(|(at, _)| policy.takes_text(*at, text));
    let (_, found) = found.ok_or_else(|| format!("no category of {set} takes \"{text}\""))?;
    Ok(format!(
        "<Category TagName=\"{}\" Type=\"INFORMATIVE\" URI=\"urn:oid:{}\"><GenericValue>{}</GenericValue></Category>",
        escaped(set),
        found.oid,
        escaped(text)
    ))
}

/// Writes a clearance in its canonical form.
///
/// # Errors
/// As [`encode`].
pub fn encode_clearance(policy: &Policy, clearance: &Clearance) -> Result<String, XmlError> {
    if clearance.policy != policy.oid {
        return Err(wrong(format!(
            "the clearance is not of the policy {}",
            policy.name
        )));
    }
    if clearance.classifications.is_empty() {
        return Err(wrong(
            "a clearance without classification has no XML form".to_owned(),
        ));
    }
    let mut list = String::new();
    for value in &clearance.classifications {
        let name = policy
            .classification_name(*value)
            .ok_or_else(|| wrong(format!("the policy has no classification {value}")))?;
        list.push_str(&format!(
            "<slab:Classification>{}</slab:Classification>",
            escaped(name)
        ));
    }
    Ok(format!(
        "<ConfidentialityClearance xmlns=\"{CLEARANCE_NAMESPACE}\" xmlns:slab=\"{NAMESPACE}\">{}\
         <ClassificationList>{list}</ClassificationList>{}</ConfidentialityClearance>",
        policy_identifier(policy, "slab:"),
        categories(policy, &clearance.categories, "slab:").map_err(wrong)?
    ))
}

fn policy_identifier(policy: &Policy, prefix: &str) -> String {
    format!(
        "<{prefix}PolicyIdentifier URI=\"urn:oid:{}\">{}</{prefix}PolicyIdentifier>",
        policy.oid,
        escaped(&policy.name)
    )
}

fn categories(policy: &Policy, categories: &Categories, prefix: &str) -> Result<String, String> {
    let mut text = String::new();
    for entry in categories {
        let kind = presented(entry.kind);
        let mut values = String::new();
        let mut set = "";
        for value in &entry.values {
            let names = policy.category_names(&entry.tag_set, entry.kind, *value);
            let Some((set_name, _, name)) = names else {
                let shown = format!("{} {} {value}", entry.tag_set, entry.kind);
                return Err(format!("the policy has no category {shown}"));
            };
            set = set_name;
            values.push_str(&format!(
                "<{prefix}GenericValue>{}</{prefix}GenericValue>",
                escaped(name)
            ));
        }
        text.push_str(&format!(
            "<{prefix}Category TagName=\"{}\" Type=\"{kind}\" URI=\"urn:oid:{}\">{values}</{prefix}Category>",
            escaped(set),
            entry.tag_set
        ));
    }
    Ok(text)
}

pub(super) fn presented(kind: Kind) -> &'static str {
    if kind.is_restrictive() {
        "RESTRICTIVE"
    } else if kind.is_permissive() {
        "PERMISSIVE"
    } else {
        "INFORMATIVE"
    }
}

pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
