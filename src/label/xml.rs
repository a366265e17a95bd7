//! Duty: an XML text as a small tree in which every element and attribute knows its line and column.
//! Promises: bounded in size, depth and number of nodes; work is linear in the input.
//! Refuses: document types, entities other than the five predefined ones, encodings other than UTF-8,
//! processing instructions, undeclared prefixes, a duplicate attribute.
//! Standards: XML 1.0, Namespaces in XML 1.0.

use std::fmt;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};

/// Largest text that is read.
const SIZE_LIMIT: usize = 16 * 1024 * 1024;
const DEPTH_LIMIT: usize = 32;
const NODE_LIMIT: usize = 500_000;
/// Namespace declarations in force at one time.
const BINDING_LIMIT: usize = 64;

/// A place in a text: line and column, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) place: Place,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(place: Place, text: impl Into<String>) -> Self {
        Self {
            place,
            text: text.into(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Attribute {
    /// As written, with its prefix.
    pub(super) name: String,
    /// The namespace of a prefixed name; `None` for an unprefixed one.
    pub(super) namespace: Option<String>,
    pub(super) value: String,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Node>,
    pub(super) text: String,
    pub(super) place: Place,
}

/// Reads one document and gives its root.
pub(super) fn parse(octets: &[u8]) -> Result<Node, Problem> {
    if octets.len() > SIZE_LIMIT {
        return Err(Problem::new(
            Place::default(),
            "the text is larger than 16 MiB",
        ));
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let text = std::str::from_utf8(octets).map_err(|error| {
        let valid = octets.get(..error.valid_up_to()).unwrap_or_default();
        let mut lines = Lines::new(std::str::from_utf8(valid).unwrap_or_default());
        let place = lines.place(error.valid_up_to());
        Problem::new(place, "the text is not UTF-8; convert it")
    })?;
    Builder::new(text).run()
}

/// Turns octet offsets that only grow into places, in one pass over the text.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    place: Place,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            offset: 0,
            place: Place { line: 1, column: 1 },
        }
    }

    fn place(&mut self, offset: usize) -> Place {
        for character in self
            .text
            .get(self.offset..offset)
            .unwrap_or_default()
            .chars()
        {
            if character == '\n' {
                self.place = Place {
                    line: self.place.line.saturating_add(1),
                    column: 1,
                };
            } else {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.offset = self.offset.max(offset);
        self.place
    }
}

struct Builder<'a> {
    text: &'a str,
    lines: Lines<'a>,
    open: Vec<Node>,
    /// Prefix (empty for the default) and namespace; the second number is the depth of the binding.
    bindings: Vec<(String, String, usize)>,
    root: Option<Node>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        let xml = "http://www.w3.org/XML/1998/namespace";
        Self {
            text,
            lines: Lines::new(text),
            open: Vec::new(),
            bindings: vec![
                ("xml".into(), xml.into(), 0),
                (String::new(), String::new(), 0),
            ],
            root: None,
            nodes: 0,
        }
    }

    fn run(mut self) -> Result<Node, Problem> {
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = true;
        loop {
            let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => {
                    let at = usize::try_from(reader.error_position()).unwrap_or(offset);
                    let place = self.lines.place(at);
                    return Err(Problem::new(
                        place,
                        format!("the XML is not well formed: {error}"),
                    ));
                }
            };
            match event {
                Event::Eof => break,
                Event::Comment(_) => {}
                Event::Start(start) => self.start(&start, offset)?,
                Event::Empty(start) => {
                    self.start(&start, offset)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.characters(&text.xml10_content(), offset)?,
                Event::CData(text) => self.characters(&text.xml10_content(), offset)?,
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().ok().flatten();
                    let resolved = match character {
                        Some(character) => Some(character.to_string()),
                        None => {
                            resolve_predefined_entity(&reference.xml10_content()).map(str::to_owned)
                        }
                    };
                    let Some(resolved) = resolved else {
                        let text = format!(
                            "the entity &{}; is not allowed",
                            &*reference.borrow().into_inner()
                        );
                        return Err(Problem::new(self.lines.place(offset), text));
                    };
                    self.characters(&resolved, offset)?;
                }
                Event::Decl(declaration) => {
                    let utf8 = match declaration.encoding() {
                        None => true,
                        Some(Ok(name)) => {
                            name.eq_ignore_ascii_case("utf-8")
                                || name.eq_ignore_ascii_case("us-ascii")
                        }
                        Some(Err(_)) => false,
                    };
                    if !utf8 {
                        let text = "only UTF-8 is read; convert the file and its XML declaration";
                        return Err(Problem::new(self.lines.place(offset), text));
                    }
                }
                Event::DocType(_) => {
                    let text = "a document type (DTD) is not allowed; delete it";
                    return Err(Problem::new(self.lines.place(offset), text));
                }
                Event::PI(_) => {
                    let text = "a processing instruction is not allowed; delete it";
                    return Err(Problem::new(self.lines.place(offset), text));
                }
            }
        }
        if let Some(node) = self.open.last() {
            return Err(Problem::new(
                node.place,
                format!("the element <{}> is not closed", node.name),
            ));
        }
        let end = self.lines.place(self.text.len());
        self.root
            .ok_or_else(|| Problem::new(end, "there is no element"))
    }

    fn characters(&mut self, text: &str, offset: usize) -> Result<(), Problem> {
        if let Some(node) = self.open.last_mut() {
            node.text.push_str(text);
            return Ok(());
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        Err(Problem::new(
            self.lines.place(offset),
            "there is text outside the root element",
        ))
    }

    fn start(&mut self, start: &BytesStart<'_>, offset: usize) -> Result<(), Problem> {
        let place = self.lines.place(offset);
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > NODE_LIMIT
            || self.open.len() >= DEPTH_LIMIT
            || self.bindings.len() > BINDING_LIMIT
        {
            let text = "the text has too many elements or namespaces, or nests them too deeply";
            return Err(Problem::new(place, text));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(Problem::new(place, "there is a second root element"));
        }
        let depth = self.open.len().saturating_add(1);
        let base = self.text.as_ptr().addr();
        let mut written = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| {
                let inside = match error {
                    AttrError::ExpectedEq(at)
                    | AttrError::ExpectedValue(at)
                    | AttrError::UnquotedValue(at)
                    | AttrError::ExpectedQuote(at, _)
                    | AttrError::Duplicated(at, _) => at,
                };
                // The position counts from the first character after "<".
                let at = offset.saturating_add(1).saturating_add(inside);
                Problem::new(
                    self.lines.place(at),
                    format!("an attribute is malformed: {error}"),
                )
            })?;
            let name = attribute.key.0;
            let at = name.as_ptr().addr().saturating_sub(base);
            let attribute_place = self.lines.place(at);
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| {
                    let text = format!("the value of attribute {name} cannot be read: {error}");
                    Problem::new(attribute_place, text)
                })?;
            if name == "xmlns" {
                self.bindings
                    .push((String::new(), value.into_owned(), depth));
            } else if let Some(prefix) = name.strip_prefix("xmlns:") {
                self.bindings
                    .push((prefix.to_owned(), value.into_owned(), depth));
            } else {
                written.push((name.to_owned(), value.into_owned(), attribute_place));
            }
        }
        let mut attributes = Vec::with_capacity(written.len());
        for (name, value, place) in written {
            let namespace = match name.split_once(':') {
                None => None,
                Some((prefix, _)) => Some(self.namespace(prefix, place)?),
            };
            attributes.push(Attribute {
                name,
                namespace,
                value,
                place,
            });
        }
        let written_name = start.name().0;
        let (prefix, name) = written_name.split_once(':').unwrap_or(("", written_name));
        let namespace = self.namespace(prefix, place)?;
        self.open.push(Node {
            namespace,
            name: name.to_owned(),
            attributes,
            children: Vec::new(),
            text: String::new(),
            place,
        });
        Ok(())
    }

    fn end(&mut self) {
        let depth = self.open.len();
        self.bindings.retain(|(_, _, at)| *at < depth);
        let Some(node) = self.open.pop() else {
            return;
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
    }

    fn namespace(&self, prefix: &str, place: Place) -> Result<String, Problem> {
        self.bindings
            .iter()
            .rev()
            .find(|(name, _, _)| name == prefix)
            .map(|(_, namespace, _)| namespace.clone())
            .ok_or_else(|| Problem::new(place, format!("the prefix {prefix}: is not declared")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_namespaces() {
        let text = "<?xml version=\"1.0\"?>\n<a xmlns='u:1'>\n  <p:b xmlns:p='u:2' c='1'\n     d='&lt;2'>x&amp;y</p:b>\n</a>";
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!((root.namespace.as_str(), root.name.as_str()), ("u:1", "a"));
        assert_eq!(root.place, Place { line: 2, column: 1 });
        let child = &root.children[0];
        assert_eq!(
            (child.namespace.as_str(), child.text.as_str()),
            ("u:2", "x&y")
        );
        assert_eq!(child.place, Place { line: 3, column: 3 });
        assert_eq!(child.attributes[1].value, "<2");
        assert_eq!(child.attributes[1].place, Place { line: 4, column: 6 });
    }

    #[test]
    fn what_is_refused() {
        for (text, place) in [
            ("", "1:1"),
            ("<a>", "1:1"),
            ("<a>\n<b></a>", "2:4"),
            ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "1:1"),
            ("<a>&e;</a>", "1:4"),
            ("<a b='&e;'/>", "1:4"),
            ("<a b='1' b='2'/>", "1:10"),
            ("<p:a/>", "1:1"),
            ("<a/><b/>", "1:5"),
            ("<a/>x", "1:5"),
            ("<?xml version='1.0' encoding='latin1'?><a/>", "1:1"),
            ("<a><?x y?></a>", "1:4"),
        ] {
            let problem = parse(text.as_bytes()).unwrap_err();
            assert_eq!(problem.place.to_string(), place, "{text}: {}", problem.text);
        }
        assert!(parse(&"<a>".repeat(100_000).into_bytes()).is_err());
        assert!(parse(b"<a>\xff</a>").is_err());
    }
}
