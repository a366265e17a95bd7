//! Duty: attributes and values of one SPIF element, each taken by name exactly once.
//! Promises: every error has the place of the attribute or element at fault and lists what may stand there.
//! Refuses: attributes nobody asked for, and values outside their type.
//! Standards: Open XML SPIF 2.1, XML Schema part 2 (boolean, dateTime).

use std::cell::RefCell;

use const_oid::ObjectIdentifier;
use jiff::{Timestamp, civil};

use super::policy::{Applied, Window};
use super::value::Kind;
use super::xml::{Attribute, Node, Place, Problem};

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The attributes of one element.
pub(super) struct Fields<'a> {
    pub(super) node: &'a Node,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self {
            node,
            asked: RefCell::new(Vec::new()),
        }
    }

    fn find(&self, name: &'static str) -> Option<&'a Attribute> {
        self.asked.borrow_mut().push(name);
        self.node
            .attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&'a str> {
        self.find(name).map(|attribute| attribute.value.as_str())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&'a str, Problem> {
        self.text(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn missing(&self, name: &str) -> Problem {
        let text = format!("<{}> needs the attribute {name}", self.node.name);
        Problem::new(self.node.place, text)
    }

    /// A name: not empty, at most 256 characters.
    pub(super) fn name(&self) -> Result<String, Problem> {
        let name = self.required("name")?;
        if name.trim().is_empty() || name.chars().count() > 256 {
            let text = "a name must have 1 to 256 characters";
            return Err(Problem::new(self.place("name"), text));
        }
        Ok(name.to_owned())
    }

    /// Parses the value of an optional attribute.
    pub(super) fn parse<T>(
        &self,
        name: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(attribute) = self.find(name) else {
            return Ok(None);
        };
        read(&attribute.value).map(Some).ok_or_else(|| {
            let text = format!(
                "{name}=\"{}\" is not valid: expected {expected}",
                attribute.value
            );
            Problem::new(attribute.place, text)
        })
    }

    pub(super) fn parse_required<T>(
        &self,
        name: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        self.parse(name, expected, read)?
            .ok_or_else(|| self.missing(name))
    }

    pub(super) fn oid(&self, name: &'static str) -> Result<ObjectIdentifier, Problem> {
        self.parse_required(
            name,
            "an object identifier such as 1.3.6.1.4.1.32473.1",
            object_identifier,
        )
    }

    /// The label-and-certificate value of a classification.
    pub(super) fn class_value(&self) -> Result<u64, Problem> {
        let expected = "a whole number of at most 64 bits, which is more than labels (RFC 2634: up to \
            256) and clearances (a bit position) can carry";
        self.parse_required("lacv", expected, number)
    }

    /// The label-and-certificate value of a category.
    pub(super) fn category_value(&self) -> Result<u128, Problem> {
        let expected = "a whole number of at most 128 bits";
        self.parse_required("lacv", expected, wide_number)
    }

    pub(super) fn boolean(&self, name: &'static str) -> Result<bool, Problem> {
        let read = |text: &str| match text.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        Ok(self.parse(name, "true or false", read)?.unwrap_or(false))
    }

    pub(super) fn window(&self) -> Result<Window, Problem> {
        let expected = "a date and time such as 2026-01-31T00:00:00Z";
        let window = Window {
            not_before: self.parse("notBefore", expected, date_time)?,
            not_after: self.parse("notAfter", expected, date_time)?,
        };
        if let (Some(start), Some(end)) = (window.not_before, window.not_after)
            && end < start
        {
            return Err(Problem::new(
                self.place("notAfter"),
                "notAfter is before notBefore",
            ));
        }
        Ok(window)
    }

    pub(super) fn applied(&self) -> Result<Applied, Problem> {
        self.parse_required("applied", "encrypt, decrypt or both", |text| match text {
            "encrypt" => Some(Applied::Encrypt),
            "decrypt" => Some(Applied::Decrypt),
            "both" => Some(Applied::Both),
            _ => None,
        })
    }

    /// tagType with its companions; `None` inside means notApplicable.
    pub(super) fn kind(&self) -> Result<Option<Kind>, Problem> {
        let expected = "notApplicable, restrictive, enumerated, permissive or tagType7";
        let tag_type = self.parse_required("tagType", expected, |text| match text {
            "notApplicable" | "restrictive" | "enumerated" | "permissive" | "tagType7" => {
                Some(text.to_owned())
            }
            _ => None,
        })?;
        let enumerated =
            self.parse("enumType", "restrictive or permissive", |text| match text {
                "restrictive" => Some(Kind::EnumeratedRestrictive),
                "permissive" => Some(Kind::EnumeratedPermissive),
                _ => None,
            })?;
        match (tag_type.as_str(), enumerated) {
            ("enumerated", None) => Err(self.missing("enumType")),
            ("enumerated", kind) => Ok(kind),
            (_, Some(_)) => {
                let text = "enumType belongs only to tagType=\"enumerated\"";
                Err(Problem::new(self.place("enumType"), text))
            }
            ("restrictive", None) => Ok(Some(Kind::Restrictive)),
            ("permissive", None) => Ok(Some(Kind::Permissive)),
            ("tagType7", None) => Ok(Some(Kind::Informative)),
            _ => Ok(None),
        }
    }

    pub(super) fn language(&self) -> Option<String> {
        self.text("xml:lang")
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// The place of an attribute, else of its element.
    pub(super) fn place(&self, name: &str) -> Place {
        self.node
            .attributes
            .iter()
            .find(|attribute| attribute.name == name)
            .map_or(self.node.place, |attribute| attribute.place)
    }

    /// Refuses every attribute that nobody asked for.
    pub(super) fn finish(&self) -> Result<(), Problem> {
        let asked = self.asked.borrow();
        for attribute in &self.node.attributes {
            let foreign = attribute.namespace.as_deref();
            let allowed = asked.contains(&attribute.name.as_str())
                && (foreign.is_none() || foreign == Some(XML));
            if allowed || foreign == Some(SCHEMA_INSTANCE) {
                continue;
            }
            let known = if asked.is_empty() {
                "none".to_owned()
            } else {
                asked.join(", ")
            };
            let text = format!(
                "unknown attribute {} on <{}>; it may have: {known}",
                attribute.name, self.node.name
            );
            return Err(Problem::new(attribute.place, text));
        }
        Ok(())
    }
}

/// The text of an element that has nothing but text.
pub(super) fn only_text(node: &Node) -> Result<&str, Problem> {
    Fields::of(node).finish()?;
    if let Some(child) = node.children.first() {
        return Err(unexpected(child, &node.name, "text only"));
    }
    let text = node.text.trim();
    if text.is_empty() {
        return Err(Problem::new(
            node.place,
            format!("<{}> is empty", node.name),
        ));
    }
    Ok(text)
}

/// The error for a child that may not stand there.
pub(super) fn unexpected(child: &Node, parent: &str, allowed: &str) -> Problem {
    let text = format!(
        "unknown element <{}> in <{parent}>; it may have: {allowed}",
        child.name
    );
    Problem::new(child.place, text)
}

/// As [`wide_number`], of at most 64 bits.
pub(super) fn number(text: &str) -> Option<u64> {
    wide_number(text)?.try_into().ok()
}

/// Decimal digits; leading zeros are legal ("008" is 8). At most 128 bits.
pub(super) fn wide_number(text: &str) -> Option<u128> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// An integer that may have a sign.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

pub(super) fn object_identifier(text: &str) -> Option<ObjectIdentifier> {
    ObjectIdentifier::new(text).ok()
}

/// xs:dateTime; without a zone it is taken as UTC.
pub(super) fn date_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    if !text.contains('T') {
        return None;
    }
    let local: civil::DateTime = text.parse().ok()?;
    local
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}
