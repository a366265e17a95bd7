//! Duty: the security label of a chat message (XEP-0258), XML to value and back.
//! Promises: one canonical form; the effective label is the primary or an equivalent under a policy
//! that is loaded, and an empty label stands for the policy's default, never for "no restriction".
//! Refuses: unknown elements, two labels in one place, two equivalents of one policy.
//! Standards: XEP-0258; standards/labels.md section 14.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ess;
use super::marking::{self, Location};
use super::nato::{Read, Tolerance, XmlError};
use super::nato_write::escaped;
use super::policy::{Policies, Policy};
use super::value::Label;
use super::xml::{self, Node, Problem};

/// The namespace of the extension.
pub const NAMESPACE: &str = "urn:xmpp:sec-label:0";
/// The namespace of the ESS label inside.
pub const ESS_NAMESPACE: &str = "urn:xmpp:sec-label:ess:0";

/// A `securitylabel` element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityLabel {
    /// Text for people with foreground and background.
    pub marking: Option<(String, String, String)>,
    /// `None`: the policy's default label.
    pub label: Option<Label>,
    /// The same in other policies, as the sender claims.
    pub equivalents: Vec<Label>,
}

impl SecurityLabel {
    /// The element for a label.
    pub fn of(policy: &Policy, label: &Label, equivalents: Vec<Label>) -> Self {
        let (foreground, background) = marking::colors(policy, label);
        let text = marking::marking(policy, label, Location::PageTop, None);
        Self {
            marking: Some((text, foreground, background)),
            label: Some(label.clone()),
            equivalents,
        }
    }

    /// Reads the element.
    ///
    /// # Errors
    /// When it is malformed or a label inside cannot be read.
    pub fn decode(
        octets: &[u8],
        policies: &Policies,
        tolerances: &[Tolerance],
    ) -> Result<Self, XmlError> {
        let root = xml::parse(octets)?;
        if root.name != "securitylabel" || root.namespace != NAMESPACE {
            let text = format!("the root should be <securitylabel xmlns=\"{NAMESPACE}\">");
            return Err(Problem::new(root.place, text).into());
        }
        let mut found = Self::default();
        let mut labelled = false;
        for child in &root.children {
            match child.name.as_str() {
                _ if child.namespace != NAMESPACE => {
                    let text = format!("<{}> is in a foreign namespace", child.name);
                    return Err(Problem::new(child.place, text).into());
                }
                "displaymarking" if found.marking.is_none() => {
                    let color = |name: &str, unless: &str| {
                        let written = child.attributes.iter().find(|one| one.name == name);
                        written.map_or_else(|| unless.to_owned(), |one| one.value.clone())
                    };
                    let text = child.text.trim().to_owned();
                    found.marking =
                        Some((text, color("fgcolor", "black"), color("bgcolor", "white")));
                }
                "label" if !labelled => {
                    labelled = true;
                    found.label = inside(child, policies, tolerances)?;
                }
                "equivalentlabel" => {
                    let label = inside(child, policies, tolerances)?;
                    let label = label
                        .ok_or_else(|| Problem::new(child.place, "an equivalent label is empty"))?;
                    let taken = |other: &Label| other.policy == label.policy;
                    if found.equivalents.iter().chain(&found.label).any(taken) {
                        let text = "two labels of one policy; an equivalent has another policy";
                        return Err(Problem::new(child.place, text).into());
                    }
                    found.equivalents.push(label);
                }
                other => {
                    let text = format!("unknown or repeated <{other}> in <securitylabel>");
                    return Err(Problem::new(child.place, text).into());
                }
            }
        }
        if !labelled {
            return Err(Problem::new(root.place, "<securitylabel> needs <label>").into());
        }
        Ok(found)
    }

    /// Writes the element in one line, labels as canonical ESS.
    ///
    /// # Errors
    /// When a label has no DER form.
    pub fn encode(&self) -> Result<String, super::SyntaxError> {
        let one = |label: &Label| {
            let octets = STANDARD.encode(ess::encode(label)?);
            Ok::<_, super::SyntaxError>(format!(
                "<esssecuritylabel xmlns=\"{ESS_NAMESPACE}\">{octets}</esssecuritylabel>"
            ))
        };
        let mut text = format!("<securitylabel xmlns=\"{NAMESPACE}\">");
        if let Some((marking, foreground, background)) = &self.marking {
            text.push_str(&format!(
                "<displaymarking fgcolor=\"{}\" bgcolor=\"{}\">{}</displaymarking>",
                escaped(foreground),
                escaped(background),
                escaped(marking)
            ));
        }
        match &self.label {
            Some(label) => text.push_str(&format!("<label>{}</label>", one(label)?)),
            None => text.push_str("<label/>"),
        }
        for label in &self.equivalents {
            text.push_str(&format!(
                "<equivalentlabel>{}</equivalentlabel>",
                one(label)?
            ));
        }
        text.push_str("</securitylabel>");
        Ok(text)
    }

    /// The label that counts here: the primary, else an equivalent, whose policy is loaded.
    ///
    /// An equivalent is the sender's claim: hold it against the local translation before use.
    pub fn effective(&self, policies: &Policies) -> Option<&Label> {
        let known = |label: &&Label| label.policy.is_some_and(|oid| policies.get(&oid).is_some());
        self.label.iter().chain(&self.equivalents).find(known)
    }

    /// As [`effective`](Self::effective); where the element leaves the label to the policy, `default` counts.
    pub fn effective_or<'a>(
        &'a self,
        policies: &Policies,
        default: Option<&'a Label>,
    ) -> Option<&'a Label> {
        let left_open = self.label.is_none();
        self.effective(policies).or(default.filter(|_| left_open))
    }
}

fn inside(
    node: &Node,
    policies: &Policies,
    tolerances: &[Tolerance],
) -> Result<Option<Label>, XmlError> {
    let [child] = node.children.as_slice() else {
        if node.children.is_empty() && node.text.trim().is_empty() {
            return Ok(None);
        }
        let text = format!("<{}> should hold one label", node.name);
        return Err(Problem::new(node.place, text).into());
    };
    if child.namespace == ESS_NAMESPACE && child.name == "esssecuritylabel" {
        let wrong = |text: String| XmlError::from(Problem::new(child.place, text));
        let compact: String = child.text.split_ascii_whitespace().collect();
        let octets = STANDARD
            .decode(compact)
            .map_err(|error| wrong(error.to_string()))?;
        let label = ess::decode_ber(&octets, policies, tolerances);
        return label.map(Some).map_err(|error| wrong(error.to_string()));
    }
    let mut read = Read::new(policies, tolerances);
    let role = read.role(child)?;
    Ok(Some(read.document(child, role)?.label))
}

#[cfg(test)]
mod tests {
    use super::super::ObjectIdentifier;
    use super::*;

    fn decode(inside: &str) -> Result<SecurityLabel, XmlError> {
        let text = format!("<securitylabel xmlns='{NAMESPACE}'>{inside}</securitylabel>");
        SecurityLabel::decode(text.as_bytes(), &Policies::default(), &[])
    }

    #[test]
    fn the_published_examples() {
        let ess = |octets: &str| {
            format!("<esssecuritylabel xmlns='{ESS_NAMESPACE}'>{octets}</esssecuritylabel>")
        };
        let found = decode(&format!(
            "<displaymarking fgcolor='black' bgcolor='red'>SECRET</displaymarking><label>{}</label>\
             <equivalentlabel>{}</equivalentlabel>",
            ess("MQYCAQQGASk="),
            ess("MRUCAgD9DA9BcXVhIChvYnNvbGV0ZSk=")
        ))
        .unwrap();
        let policy = ObjectIdentifier::new_unwrap("1.1");
        assert_eq!(found.label, Some(Label::new(policy, 4)));
        assert_eq!(found.equivalents[0].classification, Some(253));
        assert_eq!(found.effective(&Policies::default()), None);
        let own = SecurityLabel {
            equivalents: Vec::new(),
            ..found
        };
        let written = own.encode().unwrap();
        let again = SecurityLabel::decode(written.as_bytes(), &Policies::default(), &[]);
        assert_eq!(again.unwrap(), own);
        assert_eq!(decode("<label/>").unwrap().label, None);
        for wrong in [
            "",
            "<label/><label/>",
            "<label>x</label>",
            "<labl/>",
            "<label/><equivalentlabel/>",
            "<label xmlns='urn:x'/>",
            &format!(
                "<label>{}</label><equivalentlabel>{}</equivalentlabel>",
                ess("MQYCAQQGASk="),
                ess("MQYCAQQGASk=")
            ),
            &format!("<label>{}</label>", ess("????")),
        ] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }
}
