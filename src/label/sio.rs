//! Duty: the header fields SIO-Label and SIO-Label-History, field body to value and back.
//! Promises: writes canonical DER or XML inside, long values in numbered parts; reads BER inside, since
//! the standard says so; unknown parameters are kept; two fields of one message are compared by meaning.
//! Refuses: a type without label or the reverse, colours without marking, a field that says nothing.
//! Standards: RFC 7444 §2 and §3; standards/labels.md section 13.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ess;
use super::marking::{self, Location};
use super::nato::{self, Role, Tolerance};
use super::parameters::{self, FieldError, Parameter};
use super::policy::{Policies, Policy};
use super::value::Label;

/// The name of the field.
pub const FIELD: &str = "SIO-Label";
/// The name of the trace field.
pub const HISTORY_FIELD: &str = "SIO-Label-History";

/// What one SIO-Label field says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SioLabel {
    /// The display marking.
    pub marking: Option<String>,
    /// Its language, when the field says so.
    pub language: Option<String>,
    /// Foreground, as written.
    pub foreground: Option<String>,
    /// Background, as written.
    pub background: Option<String>,
    /// The type (`:ess`, `:x411`, `:xml` or a URI) and the label's text.
    pub value: Option<(String, String)>,
    /// Parameters that are not known, in order.
    pub others: Vec<(String, String)>,
}

/// The syntax inside the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// `:ess`: base64 of an ESSSecurityLabel.
    Ess,
    /// `:x411`: base64 of an X.411 security label; the same octets.
    X411,
    /// `:xml`: base64 of an ADatP-4774 label.
    Xml,
}

impl SioLabel {
    /// Reads a field body, folded or not.
    ///
    /// # Errors
    /// When the parameters are malformed or do not make a label.
    pub fn parse(body: &str) -> Result<Self, FieldError> {
        let found = Self::of(parameters::parse(body)?, "")?;
        if found.marking.is_none() && found.value.is_none() {
            let text = "SIO-Label needs marking, or type and label";
            return Err(FieldError::new(0, text));
        }
        Ok(found)
    }

    /// `prefix` is empty, or `new-` in the history.
    fn of(parameters: Vec<Parameter>, prefix: &str) -> Result<Self, FieldError> {
        let mut found = Self::default();
        let (mut kind, mut label) = (None, None);
        for Parameter {
            name,
            value,
            language,
            position,
        } in parameters
        {
            match name.strip_prefix(prefix).unwrap_or(&name) {
                "marking" => {
                    found.marking = Some(value);
                    found.language = language;
                }
                "fgcolor" => found.foreground = Some(color(value, position)?),
                "bgcolor" => found.background = Some(color(value, position)?),
                "type" => kind = Some((value, position)),
                "label" => label = Some((value, position)),
                _ => found.others.push((name, value)),
            }
        }
        // RFC 7444 §2: type is there exactly when label is; colours only with marking.
        match (kind, label) {
            (Some((kind, _)), Some((label, _))) => found.value = Some((kind, label)),
            (None, None) => {}
            (Some((_, position)), None) => {
                return Err(FieldError::new(position, "type is there without label"));
            }
            (None, Some((_, position))) => {
                return Err(FieldError::new(position, "label is there without type"));
            }
        }
        if found.marking.is_none() && (found.foreground.is_some() || found.background.is_some()) {
            return Err(FieldError::new(0, "a colour is there without marking"));
        }
        Ok(found)
    }

    /// The field for a label: marking of the first line of text, colours, and the label itself.
    ///
    /// # Errors
    /// When the label cannot be written in that syntax.
    pub fn write_for(
        policy: &Policy,
        label: &Label,
        inside: Inside,
        at: jiff::Timestamp,
    ) -> Result<Self, FieldError> {
        let wrong = |error: &dyn std::fmt::Display| FieldError::new(0, error.to_string());
        let (kind, octets) = match inside {
            Inside::Ess => (":ess", ess::encode(label).map_err(|error| wrong(&error))?),
            Inside::X411 => (":x411", ess::encode(label).map_err(|error| wrong(&error))?),
            Inside::Xml => {
                let text = nato::encode(policy, label, Role::Originator, at);
                (":xml", text.map_err(|error| wrong(&error))?.into_bytes())
            }
        };
        let (foreground, background) = marking::colors(policy, label);
        Ok(Self {
            marking: Some(marking::marking(
                policy,
                label,
                Location::FirstLineOfText,
                None,
            )),
            language: None,
            foreground: Some(foreground),
            background: Some(background),
            value: Some((kind.to_owned(), STANDARD.encode(octets))),
            others: Vec::new(),
        })
    }

    /// The field body, unfolded: fold it after any "; ".
    pub fn write(&self) -> String {
        let mut body = String::new();
        self.append(&mut body, "");
        body
    }

    fn append(&self, body: &mut String, prefix: &str) {
        let mut add = |name: &str, value: &str, language: Option<&str>| {
            parameters::write(body, &format!("{prefix}{name}"), value, language);
        };
        if let Some(marking) = &self.marking {
            add("marking", marking, self.language.as_deref());
        }
        if let Some(color) = &self.foreground {
            add("fgcolor", color, None);
        }
        if let Some(color) = &self.background {
            add("bgcolor", color, None);
        }
        if let Some((kind, label)) = &self.value {
            add("type", kind, None);
            add("label", label, None);
        }
        for (name, value) in &self.others {
            parameters::write(body, name, value, None);
        }
    }

    /// The label inside; `None` when the field has only a marking, which is no label.
    ///
    /// # Errors
    /// When the value is not base64, not of its type, or the type is not known.
    pub fn label(
        &self,
        policies: &Policies,
        tolerances: &[Tolerance],
    ) -> Result<Option<Label>, FieldError> {
        let Some((kind, text)) = &self.value else {
            return Ok(None);
        };
        let wrong = |text: String| FieldError::new(0, text);
        let octets = || {
            let compact: String = text.split_ascii_whitespace().collect();
            STANDARD
                .decode(compact)
                .map_err(|error| wrong(format!("label is not base64: {error}")))
        };
        match kind.to_ascii_lowercase().as_str() {
            ":ess" | ":x411" => {
                // RFC 7444 §2: the encoding is BER.
                let label = ess::decode_ber(&octets()?, policies, tolerances);
                label.map(Some).map_err(|error| wrong(error.to_string()))
            }
            ":xml" => {
                let document = nato::decode(&octets()?, policies, tolerances);
                document
                    .map(|document| Some(document.label))
                    .map_err(|error| wrong(error.to_string()))
            }
            other => Err(wrong(format!(
                "the type \"{other}\" is not read; expected :ess, :x411 or :xml"
            ))),
        }
    }
}

// RFC 7444 §2: "#" and six digits, or a name (misspelt "fuschia" in the standard).
fn color(value: String, position: usize) -> Result<String, FieldError> {
    if marking::rgb(&value).is_some() || value.eq_ignore_ascii_case("orange") {
        return Ok(value);
    }
    let text = format!("\"{value}\" is no colour; expected #RRGGBB or a name of RFC 7444");
    Err(FieldError::new(position, text))
}

/// What an agent did to the label of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none before.
    Add,
    /// There is none after.
    Delete,
    /// Another one.
    Replace,
}

/// One SIO-Label-History field. Informational: never an input to access control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What was done.
    pub change: Change,
    /// By whom, usually a domain name.
    pub changed_by: String,
    /// When, as an RFC 5322 date-time.
    pub changed_at: String,
    /// Why, for people.
    pub comment: Option<String>,
    /// The label before; none when it was added.
    pub old: Option<SioLabel>,
    /// The label after; none when it was deleted.
    pub new: Option<SioLabel>,
}

impl History {
    /// Reads a field body.
    ///
    /// # Errors
    /// When the parameters are malformed, or do not fit the change that they tell of.
    pub fn parse(body: &str) -> Result<Self, FieldError> {
        let (mut change, mut by, mut when, mut comment) = (None, None, None, None);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for parameter in parameters::parse(body)? {
            let position = parameter.position;
            match parameter.name.as_str() {
                "change" => {
                    change = Some(match parameter.value.to_ascii_lowercase().as_str() {
                        "add" => Change::Add,
                        "delete" => Change::Delete,
                        "replace" => Change::Replace,
                        _ => {
                            let text = "change should be add, replace or delete";
                            return Err(FieldError::new(position, text));
                        }
                    });
                }
                "changed-by" => by = Some(parameter.value),
                "changed-at" => when = Some(parameter.value),
                "changed-comment" => comment = Some(parameter.value),
                name if name.starts_with("new-") => new.push(parameter),
                _ => old.push(parameter),
            }
        }
        let missing = |name: &str| FieldError::new(0, format!("the parameter {name} is missing"));
        let some = |parameters: Vec<Parameter>, prefix| {
            let found = SioLabel::of(parameters, prefix)?;
            Ok::<_, FieldError>((found.marking.is_some() || found.value.is_some()).then_some(found))
        };
        let history = Self {
            change: change.ok_or_else(|| missing("change"))?,
            changed_by: by.ok_or_else(|| missing("changed-by"))?,
            changed_at: when.ok_or_else(|| missing("changed-at"))?,
            comment,
            old: some(old, "")?,
            new: some(new, "new-")?,
        };
        // RFC 7444 §3: the old label for replace and delete, the new one for add and replace.
        let fits = match history.change {
            Change::Add => history.old.is_none() && history.new.is_some(),
            Change::Delete => history.old.is_some() && history.new.is_none(),
            Change::Replace => history.old.is_some() && history.new.is_some(),
        };
        if fits {
            return Ok(history);
        }
        let text = "the old and new labels do not fit the change";
        Err(FieldError::new(0, text))
    }

    /// The field body, unfolded.
    pub fn write(&self) -> String {
        let mut body = String::new();
        let change = match self.change {
            Change::Add => "add",
            Change::Delete => "delete",
            Change::Replace => "replace",
        };
        parameters::write(&mut body, "change", change, None);
        parameters::write(&mut body, "changed-by", &self.changed_by, None);
        parameters::write(&mut body, "changed-at", &self.changed_at, None);
        if let Some(comment) = &self.comment {
            parameters::write(&mut body, "changed-comment", comment, None);
        }
        if let Some(old) = &self.old {
            old.append(&mut body, "");
        }
        if let Some(new) = &self.new {
            new.append(&mut body, "new-");
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "marking=\"EXAMPLE CONFIDENTIAL\"; fgcolor=black; bgcolor=red; \
        type=\":ess\"; label=\"MQYGASkCAQM=\"";

    #[test]
    fn the_example_of_the_standard() {
        let field = SioLabel::parse(EXAMPLE).unwrap();
        let label = field.label(&Policies::default(), &[]).unwrap().unwrap();
        assert_eq!(
            label,
            Label::new(super::super::ObjectIdentifier::new_unwrap("1.1"), 3)
        );
        assert_eq!(SioLabel::parse(&field.write()).unwrap(), field);
        let indefinite = STANDARD.encode([0x31, 0x80, 6, 1, 0x29, 2, 1, 3, 0, 0]);
        let body = format!(
            "type=\":x411\"; label*0=\"{}\"; label*1=\"{}\"",
            &indefinite[..5],
            &indefinite[5..]
        );
        let other = SioLabel::parse(&body).unwrap();
        assert_eq!(other.label(&Policies::default(), &[]).unwrap(), Some(label));
    }

    #[test]
    fn what_is_refused() {
        for body in [
            "type=\":ess\"",
            "label=\"MQYGASkCAQM=\"",
            "fgcolor=red; type=\":ess\"; label=\"MQYGASkCAQM=\"",
            "marking=\"X\"; fgcolor=redd",
            "x-other=1",
        ] {
            assert!(SioLabel::parse(body).is_err(), "{body}");
        }
        for body in [
            "type=\":ess\"; label=\"not base64\"",
            "type=\":ess\"; label=\"AAAA\"",
            "type=\":xml\"; label=\"AAAA\"",
            "type=\"urn:x\"; label=\"AAAA\"",
        ] {
            let field = SioLabel::parse(body).unwrap();
            assert!(field.label(&Policies::default(), &[]).is_err(), "{body}");
        }
        let marking = SioLabel::parse("marking=\"X\"").unwrap();
        assert_eq!(marking.label(&Policies::default(), &[]), Ok(None));
    }

    #[test]
    fn history() {
        let body = format!(
            "change=replace; changed-by=\"border.example\"; changed-at=\"Thu, 1 Jan 2026 00:00:00 +0000\"; \
             {EXAMPLE}; new-marking=\"OTHER\""
        );
        let history = History::parse(&body).unwrap();
        assert_eq!(history.old, Some(SioLabel::parse(EXAMPLE).unwrap()));
        assert_eq!(History::parse(&history.write()).unwrap(), history);
        for wrong in [
            "change=add; changed-by=a; changed-at=b; marking=x",
            "change=delete; changed-by=a; changed-at=b; new-marking=x",
            "change=replace; changed-by=a; changed-at=b; new-marking=x",
            "change=alter; changed-by=a; changed-at=b; new-marking=x",
            "changed-by=a; changed-at=b; new-marking=x",
            "change=add; changed-at=b; new-marking=x",
            "change=add; changed-by=a; new-marking=x",
        ] {
            assert!(History::parse(wrong).is_err(), "{wrong}");
        }
    }
}
