//! Header sections under a signature (RFC 9788), and where they contradict what stands outside.
//!
//! RFC 9788 section 1.8.2 leaves triple wraps out. Our rule: at each signed layer, the entity that
//! the signature covers protects the header fields at its root when its Content-Type says `hp`; the
//! outermost such section counts, and each is compared with the one outside it.

use crate::message::content_type::ContentType;
use crate::message::header::{Field, Headers};

/// Header fields under a signature.
pub struct Protected {
    /// The signed layer around them, as an index into the layers.
    pub layer: usize,
    /// What the composer said of them.
    pub protection: Protection,
    /// The fields, structural ones included.
    pub headers: Headers,
    /// What the composer says that it wrote outside: name and value.
    pub written_outside: Vec<(String, String)>,
}

/// The `hp` parameter of RFC 9788 section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Signed and encrypted by the composer.
    Cipher,
    /// Signed only.
    Clear,
}

/// A field that says one thing outside and another thing under the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field's name.
    pub field: String,
    /// What stands outside.
    pub outside: Vec<String>,
    /// What the signature covers.
    pub inside: Vec<String>,
}

impl Protected {
    /// The protected fields at the root of a signed entity, if its Content-Type says so.
    pub fn read(layer: usize, headers: &Headers, content_type: &ContentType) -> Option<Self> {
        // RFC 9788 §2.1: only at the root of the payload, only these two values
        let protection = match content_type.param("hp")?.to_ascii_lowercase().as_str() {
            "cipher" => Protection::Cipher,
            "clear" => Protection::Clear,
            _ => return None,
        };
        // RFC 9788 §4.2.1: split at the first colon
        let written_outside = headers
            .all("HP-Outer")
            .filter_map(|field| {
                let value = field.value();
                let (name, value) = value.split_once(':')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect();
        Some(Self {
            layer,
            protection,
            headers: headers.clone(),
            written_outside,
        })
    }

    /// The fields here that contradict the section `outside`. A field that is missing outside
    /// contradicts nothing; one that the composer changed outside, and said so, neither.
    pub fn conflicts_with(&self, outside: &Headers) -> Vec<Conflict> {
        let mut names: Vec<String> = self
            .headers
            .fields()
            .iter()
            .map(|field| field.name().to_ascii_lowercase())
            .filter(|name| is_compared(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter_map(|name| {
                let inside = values(&self.headers, &name);
                let outer = values(outside, &name);
                let declared: Vec<String> = self
                    .written_outside
                    .iter()
                    .filter(|(declared, _)| declared.eq_ignore_ascii_case(&name))
                    .map(|(_, value)| value.clone())
                    .collect();
                let explained = outer.is_empty()
                    || outer == inside
                    || (self.protection == Protection::Cipher && outer == declared);
                (!explained).then_some(Conflict {
                    field: name,
                    outside: outer,
                    inside,
                })
            })
            .collect()
    }
}

fn values(headers: &Headers, name: &str) -> Vec<String> {
    headers
        .all(name)
        .map(|field: &Field| {
            field
                .value()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// Structural fields belong to each entity, HP-Outer is about the outside, and trace fields grow on
/// the way (RFC 9788 section 7): none of them is compared.
fn is_compared(name: &str) -> bool {
    !name.starts_with("content-")
        && !matches!(
            name,
            "mime-version" | "hp-outer" | "received" | "return-path" | "authentication-results"
        )
}
