//! Duty: one reason of a decision: which rule, which element of the policy, which values.
//! Promises: the identifier is stable; the text is for officers and the audit, never for the public.

use std::fmt;

/// Why a label is not valid, access is granted or denied, or a translation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable identifier of the rule, such as `access.restrictive`.
    pub id: &'static str,
    /// One sentence for people who may see label and clearance.
    pub text: String,
    /// The element of the policy: `file:line <element name="...">`.
    pub element: String,
    /// The value of the label that the rule looked at; empty when there is none.
    pub label: String,
    /// The values of the clearance that the rule looked at; empty when there are none.
    pub clearance: String,
}

impl Reason {
    pub(super) fn new(id: &'static str, element: String, text: impl Into<String>) -> Self {
        Self {
            id,
            text: text.into(),
            element,
            label: String::new(),
            clearance: String::new(),
        }
    }

    pub(super) fn label(mut self, value: impl Into<String>) -> Self {
        self.label = value.into();
        self
    }

    pub(super) fn clearance(mut self, value: impl Into<String>) -> Self {
        self.clearance = value.into();
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.text)?;
        if !self.label.is_empty() {
            write!(f, "; label: {}", self.label)?;
        }
        if !self.clearance.is_empty() {
            write!(f, "; clearance: {}", self.clearance)?;
        }
        write!(f, " ({})", self.element)
    }
}
