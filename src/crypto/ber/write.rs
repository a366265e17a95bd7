//! The DER writer.
//!
//! Duty: a tree of elements whose size is known when it is built, written in one pass.
//! Promises: large contents are borrowed until that one pass; lengths are minimal; SETs made by
//! [`set_of`] are in DER order.
//! Standards: X.690 sections 8.1.3, 10.1, 11.6.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;

use super::Tag;

/// One element to write, or octets that already are elements.
#[derive(Clone, Debug)]
pub struct Node<'a>(Shape<'a>);

#[derive(Clone, Debug)]
enum Shape<'a> {
    Encoded(Cow<'a, [u8]>),
    Primitive(Tag, Cow<'a, [u8]>),
    Constructed(Tag, Vec<Node<'a>>, usize),
}

/// An element without the contents in its middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Everything before the contents.
    pub before: Vec<u8>,
    /// Everything after them.
    pub after: Vec<u8>,
}

impl Frame {
    /// The whole element, in the vector of its contents.
    pub fn around(self, mut content: Vec<u8>) -> Vec<u8> {
        content.reserve_exact(self.before.len().saturating_add(self.after.len()));
        content.splice(0..0, self.before);
        content.extend_from_slice(&self.after);
        content
    }
}

impl<'a> Node<'a> {
    /// Octets that are complete elements already; written as they are.
    pub fn encoded(octets: &'a [u8]) -> Self {
        Self(Shape::Encoded(Cow::Borrowed(octets)))
    }

    /// A constructed element.
    pub fn tagged(tag: Tag, children: Vec<Node<'a>>) -> Self {
        let length = children
            .iter()
            .fold(0_usize, |sum, child| sum.saturating_add(child.size()));
        Self(Shape::Constructed(tag, children, length))
    }

    /// An element with these contents.
    pub fn tagged_bytes(tag: Tag, contents: impl Into<Cow<'a, [u8]>>) -> Self {
        Self(Shape::Primitive(tag, contents.into()))
    }

    /// A SEQUENCE.
    pub fn sequence(children: Vec<Node<'a>>) -> Self {
        Self::tagged(Tag::SEQUENCE, children)
    }

    /// An element under the explicit context tag of this number.
    pub fn explicit(number: u8, child: Node<'a>) -> Self {
        Self::tagged(Tag::context_constructed(number), vec![child])
    }

    /// An OCTET STRING.
    pub fn octet_string(octets: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::tagged_bytes(Tag::OCTET_STRING, octets)
    }

    /// A BIT STRING without unused bits.
    pub fn bit_string(octets: &[u8]) -> Self {
        let mut contents = Vec::with_capacity(octets.len().saturating_add(1));
        contents.push(0);
        contents.extend_from_slice(octets);
        Self::tagged_bytes(Tag::BIT_STRING, contents)
    }

    /// A UTF8String.
    pub fn utf8(text: &'a str) -> Self {
        Self::tagged_bytes(Tag::UTF8_STRING, text.as_bytes())
    }

    /// An OBJECT IDENTIFIER.
    pub fn oid(oid: &ObjectIdentifier) -> Self {
        Self::tagged_bytes(Tag::OID, oid.as_bytes().to_vec())
    }

    /// NULL.
    pub fn null() -> Self {
        Self::tagged_bytes(Tag::NULL, Vec::new())
    }

    /// An INTEGER that is not negative.
    pub fn unsigned(value: u64) -> Self {
        Self::tagged_bytes(Tag::INTEGER, unsigned_contents(value))
    }

    /// An INTEGER that is not negative, under another tag.
    pub fn unsigned_as(tag: Tag, value: u64) -> Self {
        Self::tagged_bytes(tag, unsigned_contents(value))
    }

    /// How many octets [`Node::write`] adds.
    pub fn size(&self) -> usize {
        match &self.0 {
            Shape::Encoded(octets) => octets.len(),
            Shape::Primitive(_, contents) => element_size(contents.len()),
            Shape::Constructed(_, _, length) => element_size(*length),
        }
    }

    /// Appends the element to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Shape::Encoded(octets) => out.extend_from_slice(octets),
            Shape::Primitive(tag, contents) => {
                write_header(*tag, contents.len(), out);
                out.extend_from_slice(contents);
            }
            Shape::Constructed(tag, children, length) => {
                write_header(*tag, *length, out);
                for child in children {
                    child.write(out);
                }
            }
        }
    }

    /// What stands before and after `content`, which is the very slice that one element of this
    /// borrows: so that large contents need not be copied between the two.
    pub fn frame(&self, content: &[u8]) -> Frame {
        let mut out = Vec::with_capacity(self.size().saturating_sub(content.len()));
        let mut at = None;
        self.write_around(content, &mut out, &mut at);
        let after = out.split_off(at.unwrap_or(out.len()));
        Frame { before: out, after }
    }

    fn write_around(&self, content: &[u8], out: &mut Vec<u8>, at: &mut Option<usize>) {
        match &self.0 {
            Shape::Primitive(tag, contents)
                if at.is_none() && std::ptr::eq(contents.as_ref(), content) =>
            {
                write_header(*tag, contents.len(), out);
                *at = Some(out.len());
            }
            Shape::Constructed(tag, children, length) => {
                write_header(*tag, *length, out);
                for child in children {
                    child.write_around(content, out, at);
                }
            }
            Shape::Encoded(_) | Shape::Primitive(_, _) => self.write(out),
        }
    }

    /// The element in a vector of exactly its size.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        self.write(&mut out);
        out
    }
}

impl<'a> From<Cow<'a, [u8]>> for Node<'a> {
    fn from(octets: Cow<'a, [u8]>) -> Self {
        Self(Shape::Encoded(octets))
    }
}

impl From<Vec<u8>> for Node<'_> {
    fn from(octets: Vec<u8>) -> Self {
        Self(Shape::Encoded(Cow::Owned(octets)))
    }
}

/// A SET OF, or what stands under an implicit tag for one, of encoded elements in DER order.
pub fn set_of<'a>(tag: Tag, mut elements: Vec<Vec<u8>>) -> Node<'a> {
    // X.690 §11.6: ascending by their octets. A DER element is never the start of another one, so
    // the padding of the shorter with zeros never decides.
    elements.sort();
    Node::tagged(tag, elements.into_iter().map(Node::from).collect())
}

fn unsigned_contents(value: u64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let mut contents: Vec<u8> = octets.iter().copied().skip_while(|o| *o == 0).collect();
    // X.690 §8.3: the first bit is the sign, and there is at least one octet.
    if contents.first().is_none_or(|first| first & 0x80 != 0) {
        contents.insert(0, 0);
    }
    contents
}

fn element_size(length: usize) -> usize {
    let length_octets = match length {
        0..=0x7f => 1,
        _ => length_bytes(length).count().saturating_add(1),
    };
    length.saturating_add(length_octets).saturating_add(1)
}

fn write_header(tag: Tag, length: usize, out: &mut Vec<u8>) {
    out.push(tag.0);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let count = u8::try_from(length_bytes(length).count()).unwrap_or(8);
            out.push(0x80 | count);
            out.extend(length_bytes(length));
        }
    }
}

fn length_bytes(length: usize) -> impl Iterator<Item = u8> {
    length.to_be_bytes().into_iter().skip_while(|o| *o == 0)
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Reader};
    use super::*;

    #[test]
    fn a_frame_is_all_but_the_contents() {
        let content = vec![7; 300];
        let node = Node::sequence(vec![
            Node::unsigned(1),
            Node::explicit(0, Node::octet_string(&content[..])),
            Node::octet_string(vec![7; 300]),
        ]);
        let whole = node.to_vec();
        let frame = node.frame(&content);
        assert_eq!(frame.before.len() + frame.after.len() + 300, whole.len());
        assert_eq!(frame.around(content.clone()), whole);
    }

    #[test]
    fn lengths_are_minimal_and_sizes_right() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let contents = vec![7; length];
            let node = Node::sequence(vec![Node::octet_string(&contents)]);
            let der = node.to_vec();
            assert_eq!(der.len(), node.size());
            let element = Reader::new(&der, Limits::default())
                .next_element()
                .unwrap()
                .unwrap();
            assert!(matches!(element.to_der(), Ok(Cow::Borrowed(_))));
            assert_eq!(element.only().unwrap().contents(), contents);
        }
    }

    #[test]
    fn integers_have_their_sign_bit_clear() {
        assert_eq!(Node::unsigned(0).to_vec(), [2, 1, 0]);
        assert_eq!(Node::unsigned(127).to_vec(), [2, 1, 127]);
        assert_eq!(Node::unsigned(128).to_vec(), [2, 2, 0, 128]);
        assert_eq!(Node::unsigned(256).to_vec(), [2, 2, 1, 0]);
    }

    #[test]
    fn sets_are_sorted_by_their_octets() {
        let set = set_of(Tag::SET, vec![vec![4, 1, 9], vec![2, 1, 5], vec![4, 1, 3]]);
        assert_eq!(set.to_vec(), [0x31, 9, 2, 1, 5, 4, 1, 3, 4, 1, 9]);
    }
}
