//! A message taken apart, drawn for people: one block for each layer, the innermost indented most.

use super::print::{clean, line, time};
use super::view::{LayerView, SignerView, View};

/// The onion of the message called `name`.
pub(super) fn drawn(name: &str, view: &View) -> String {
    let verdict = if view.is_good() { "good" } else { "NOT GOOD" };
    let mut text = format!("{}: {verdict}\n\n", clean(name));
    text.push_str(&layers(view));
    text.push_str(&message(view));
    for conflict in &view.headers.conflicts {
        text.push_str(&line(
            0,
            "conflict",
            &format!(
                "{}: outside {}, under the signature {}",
                conflict.field,
                conflict.outside.join(", "),
                conflict.inside.join(", ")
            ),
        ));
    }
    for finding in &view.weaknesses {
        let name = if finding.grave {
            "NOT GOOD"
        } else {
            "weakness"
        };
        let value = format!("{}: {}", finding.id, finding.text);
        text.push_str(&line(0, name, &value));
    }
    text
}

/// The layers from the outside in.
pub(super) fn layers(view: &View) -> String {
    let mut text = String::new();
    for (index, layer) in view.layers.iter().enumerate() {
        draw_layer(&mut text, index, layer, view);
    }
    text
}

/// Header fields and text of the message inside.
pub(super) fn message(view: &View) -> String {
    let mut text = String::new();
    let words = &view.text;
    let source = if view.headers.protected.is_empty() {
        "header fields, not signed"
    } else {
        "header fields, signed"
    };
    text.push_str(&format!("{source}\n"));
    for (name, value) in [
        ("From", &words.from),
        ("To", &words.to),
        ("Cc", &words.cc),
        ("Subject", &words.subject),
        ("Date", &words.date),
        ("Message-ID", &words.message_id),
        ("Precedence", &words.precedence),
    ] {
        if let Some(value) = value {
            text.push_str(&line(2, name, value));
        }
    }
    if let Some(body) = &words.body {
        text.push_str("text\n");
        for body_line in body.lines() {
            text.push_str(&format!("  | {}\n", clean(body_line)));
        }
    }
    text.push('\n');
    text
}

fn draw_layer(text: &mut String, index: usize, layer: &LayerView, view: &View) {
    let indent = index * 2;
    let form = layer
        .form
        .map(|form| format!(", {form}"))
        .unwrap_or_default();
    let with = if layer.algorithms.is_empty() {
        String::new()
    } else {
        format!(": {}", layer.algorithms.join(", "))
    };
    text.push_str(&format!(
        "{:indent$}[{index}] {}{form}{with}\n",
        "", layer.kind
    ));
    for signer in &layer.signers {
        draw_signer(text, indent + 4, "signed by", signer);
    }
    for label in view.labels.iter().filter(|label| label.layer == index) {
        if let Some(marking) = &label.marking {
            text.push_str(&line(indent + 4, "marking", marking));
        }
    }
    for recipient in &layer.recipients {
        let algorithm = recipient.algorithm.as_deref().unwrap_or("unknown");
        let value = format!(
            "{} ({} {algorithm})",
            recipient.identifier, recipient.method
        );
        text.push_str(&line(indent + 4, "for", &value));
    }
    match layer.opened {
        Some(true) => text.push_str(&line(indent + 4, "opened", "yes")),
        Some(false) => text.push_str(&line(
            indent + 4,
            "opened",
            "no, what is inside stays unseen",
        )),
        None => {}
    }
    let protected = view
        .headers
        .protected
        .iter()
        .find(|part| part.layer == index);
    if let Some(part) = protected {
        let mut names: Vec<&str> = part
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect();
        names.dedup();
        text.push_str(&line(indent + 4, "covers", &names.join(", ")));
    }
    text.push('\n');
}

fn draw_signer(text: &mut String, indent: usize, what: &str, signer: &SignerView) {
    let name = signer.subject.as_deref().unwrap_or(&signer.identifier);
    let email = signer.email.as_ref().map(|email| format!(" <{email}>"));
    let verdict = if signer.valid { "good" } else { "NOT GOOD" };
    let value = format!("{name}{}: {verdict}", email.unwrap_or_default());
    text.push_str(&line(indent, what, &value));
    if let (Some(issuer), Some(serial)) = (&signer.issuer, &signer.serial) {
        let value = format!("by {issuer}, serial {serial}");
        text.push_str(&line(indent + 2, "certificate", &value));
    }
    if let Some(algorithm) = &signer.algorithm {
        text.push_str(&line(indent + 2, "algorithm", algorithm));
    }
    if let Some(at) = signer.signing_time {
        text.push_str(&line(indent + 2, "says it was", &time(at)));
    }
    if let Some(label) = &signer.label {
        text.push_str(&line(indent + 2, "label", label));
    }
    if let Some(request) = &signer.receipt_request {
        let value = format!("from {} to {}", request.from, request.to.join(", "));
        text.push_str(&line(indent + 2, "receipts", &value));
    }
    for problem in &signer.problems {
        text.push_str(&line(indent + 2, "problem", problem));
    }
    for countersigner in &signer.countersigners {
        draw_signer(text, indent + 4, "countersigned", countersigner);
    }
}
