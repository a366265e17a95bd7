//! The bounded pull reader.
//!
//! Duty: hand out one element after the other as slices of the input.
//! Promises: each step costs at most the length of what it passes; an element of indefinite length
//! is walked to its end without recursion; nothing is copied but strings that came in pieces.
//! Refuses: see the room's head.
//! Standards: X.690 section 8.1 (identifier, length, end-of-contents), 8.7 and 8.23 (strings in
//! pieces).

use std::borrow::Cow;

use const_oid::ObjectIdentifier;

use super::{BerError, BerErrorKind, Tag};

/// What a reader may spend on one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting below the start of the input.
    pub depth: usize,
    /// Elements passed in one walk to the end of an element of indefinite length, and pieces of
    /// one string.
    pub elements: usize,
}

impl Default for Limits {
    /// 32 levels; a million pieces are a gigabyte in the pieces that common software writes.
    fn default() -> Self {
        Self {
            depth: 32,
            elements: 1_000_000,
        }
    }
}

/// A place in the input, with the elements that follow it up to the end of what holds them.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
    end: usize,
    depth: usize,
    elements: usize,
}

/// One element: its identifier, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    input: &'a [u8],
    tag: Tag,
    start: usize,
    contents_start: usize,
    contents_end: usize,
    end: usize,
    depth: usize,
    elements: usize,
}

/// The header of an element, as read.
struct Header {
    tag: Tag,
    contents_start: usize,
    length: Option<usize>,
}

impl<'a> Reader<'a> {
    /// Reads `input` from its start.
    pub fn new(input: &'a [u8], limits: Limits) -> Self {
        Self {
            input,
            position: 0,
            end: input.len(),
            depth: limits.depth,
            elements: limits.elements,
        }
    }

    /// Offset of the next element from the start of the input.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether no element is left.
    pub fn is_empty(&self) -> bool {
        self.position >= self.end
    }

    /// The tag of the next element, if there is one.
    pub fn peek(&self) -> Option<Tag> {
        if self.is_empty() {
            return None;
        }
        self.input.get(self.position).copied().map(Tag)
    }

    /// The next element, or `None` at the end.
    pub fn next_element(&mut self) -> Result<Option<Element<'a>>, BerError> {
        if self.is_empty() {
            return Ok(None);
        }
        let start = self.position;
        let header = header(self.input, start, self.end)?;
        if header.tag == Tag(0) {
            return Err(BerErrorKind::EndOfContents.at(start));
        }
        let (contents_end, end) = match header.length {
            Some(length) => {
                let end = header.contents_start.saturating_add(length);
                (end, end)
            }
            None => self.end_of_indefinite(header.contents_start)?,
        };
        self.position = end;
        Ok(Some(Element {
            input: self.input,
            tag: header.tag,
            start,
            contents_start: header.contents_start,
            contents_end,
            end,
            depth: self.depth,
            elements: self.elements,
        }))
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, expected: Tag) -> Result<Element<'a>, BerError> {
        match self.peek() {
            Some(found) if found == expected => self
                .next_element()?
                .ok_or(self.error(BerErrorKind::Missing { expected })),
            Some(found) => Err(self.error(BerErrorKind::UnexpectedTag { expected, found })),
            None => Err(self.error(BerErrorKind::Missing { expected })),
        }
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<Element<'a>>, BerError> {
        if self.peek() == Some(tag) {
            self.next_element()
        } else {
            Ok(None)
        }
    }

    /// The next element, a string of this (primitive) tag in one piece or in several.
    pub fn expect_string(&mut self, expected: Tag) -> Result<Element<'a>, BerError> {
        match self.peek() {
            Some(found) if found.primitive() == expected.primitive() => self
                .next_element()?
                .ok_or(self.error(BerErrorKind::Missing { expected })),
            Some(found) => Err(self.error(BerErrorKind::UnexpectedTag { expected, found })),
            None => Err(self.error(BerErrorKind::Missing { expected })),
        }
    }

    /// The elements of the SEQUENCE that must stand here.
    pub fn sequence(&mut self) -> Result<Reader<'a>, BerError> {
        self.expect(Tag::SEQUENCE)?.reader()
    }

    /// The OBJECT IDENTIFIER that must stand here.
    pub fn oid(&mut self) -> Result<ObjectIdentifier, BerError> {
        let element = self.expect(Tag::OID)?;
        ObjectIdentifier::from_bytes(element.contents())
            .map_err(|_| BerErrorKind::Contents(Tag::OID).at(element.start))
    }

    /// The small INTEGER, not negative, that must stand here.
    pub fn unsigned(&mut self) -> Result<u64, BerError> {
        self.expect(Tag::INTEGER)?.unsigned()
    }

    /// Nothing may follow.
    pub fn finish(&self) -> Result<(), BerError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.error(BerErrorKind::Trailing))
        }
    }

    /// An error of this kind at the next element.
    pub fn error(&self, kind: BerErrorKind) -> BerError {
        kind.at(self.position)
    }

    /// Walks to the end-of-contents that belongs to the contents at `from`: where the contents end,
    /// and where the element ends. Elements of definite length are stepped over.
    fn end_of_indefinite(&self, from: usize) -> Result<(usize, usize), BerError> {
        let mut open = 1_usize;
        let mut at = from;
        for _ in 0..self.elements {
            let header = header(self.input, at, self.end)?;
            match (header.tag, header.length) {
                (Tag(0), Some(0)) => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return Ok((at, header.contents_start));
                    }
                    at = header.contents_start;
                }
                // X.690 §8.1.5: end-of-contents is two zero octets.
                (Tag(0), _) => return Err(BerErrorKind::EndOfContents.at(at)),
                (_, Some(length)) => at = header.contents_start.saturating_add(length),
                (_, None) => {
                    open = open.saturating_add(1);
                    if open > self.depth {
                        return Err(BerErrorKind::Depth.at(at));
                    }
                    at = header.contents_start;
                }
            }
        }
        Err(BerErrorKind::Elements.at(at))
    }
}

impl<'a> Element<'a> {
    /// The first identifier octet.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Offset of the element from the start of the input.
    pub fn position(&self) -> usize {
        self.start
    }

    /// The element as received: identifier, length, contents and end-of-contents.
    pub fn whole(&self) -> &'a [u8] {
        self.input.get(self.start..self.end).unwrap_or_default()
    }

    /// The contents as received, without end-of-contents.
    pub fn contents(&self) -> &'a [u8] {
        self.input
            .get(self.contents_start..self.contents_end)
            .unwrap_or_default()
    }

    /// The elements inside a constructed element.
    pub fn reader(&self) -> Result<Reader<'a>, BerError> {
        if !self.tag.is_constructed() {
            return Err(BerErrorKind::Contents(self.tag).at(self.start));
        }
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or(BerErrorKind::Depth.at(self.start))?;
        Ok(Reader {
            input: self.input,
            position: self.contents_start,
            end: self.contents_end,
            depth,
            elements: self.elements,
        })
    }

    /// The octets of a string, joined if it came in pieces of OCTET STRING.
    pub fn octets(&self) -> Result<Cow<'a, [u8]>, BerError> {
        let pieces = self.pieces()?;
        match pieces.as_slice() {
            [] => Ok(Cow::Borrowed(&[])),
            [piece] => Ok(Cow::Borrowed(piece)),
            pieces => Ok(Cow::Owned(pieces.concat())),
        }
    }

    /// The pieces of an OCTET STRING in their order. X.690 §8.7.3: they may be nested.
    pub fn pieces(&self) -> Result<Vec<&'a [u8]>, BerError> {
        let mut pieces = Vec::new();
        if !self.tag.is_constructed() {
            pieces.push(self.contents());
            return Ok(pieces);
        }
        let mut open = vec![self.reader()?];
        let mut passed = 0_usize;
        while let Some(reader) = open.last_mut() {
            let Some(piece) = reader.next_element()? else {
                open.pop();
                continue;
            };
            passed = passed.saturating_add(1);
            if passed > self.elements {
                return Err(BerErrorKind::Elements.at(piece.start));
            }
            // X.690 §8.7.3.2 Note 2: each piece is an OCTET STRING, whatever the outer tag.
            if piece.tag.primitive() != Tag::OCTET_STRING {
                return Err(BerErrorKind::UnexpectedTag {
                    expected: Tag::OCTET_STRING,
                    found: piece.tag,
                }
                .at(piece.start));
            }
            if piece.tag.is_constructed() {
                open.push(piece.reader()?);
            } else {
                pieces.push(piece.contents());
            }
        }
        Ok(pieces)
    }

    /// The value of a small INTEGER that is not negative. Leading zeros are passed over.
    pub fn unsigned(&self) -> Result<u64, BerError> {
        let wrong = BerErrorKind::Contents(Tag::INTEGER).at(self.start);
        let contents = self.contents();
        match contents.first() {
            None => return Err(wrong),
            Some(first) if first & 0x80 != 0 => return Err(wrong),
            Some(_) => {}
        }
        let mut value = 0_u64;
        for octet in contents {
            if value.leading_zeros() < 8 {
                return Err(wrong);
            }
            value = (value << 8) | u64::from(*octet);
        }
        Ok(value)
    }

    /// The octets of a BIT STRING that has no unused bits.
    pub fn bits(&self) -> Result<&'a [u8], BerError> {
        match self.contents().split_first() {
            Some((0, bits)) if !self.tag.is_constructed() => Ok(bits),
            _ => Err(BerErrorKind::Contents(Tag::BIT_STRING).at(self.start)),
        }
    }

    /// The one element inside an explicit tag.
    pub fn only(&self) -> Result<Element<'a>, BerError> {
        let mut reader = self.reader()?;
        let element = reader
            .next_element()?
            .ok_or(BerErrorKind::Contents(self.tag).at(self.start))?;
        reader.finish()?;
        Ok(element)
    }

    /// The same element in DER lengths and with its strings in one piece; the order of SETs stays.
    pub fn to_der(&self) -> Result<Cow<'a, [u8]>, BerError> {
        to_der(self)
    }
}

/// `element` with minimal, definite lengths and its universal strings joined. What already is so is
/// not copied. The order of SETs stays: whether a SET is a SET OF only its type can tell.
pub fn to_der<'a>(element: &Element<'a>) -> Result<Cow<'a, [u8]>, BerError> {
    // Numbers over 30 stand in no structure that we rebuild.
    if element.tag.0 & 0x1f == 0x1f {
        return Ok(Cow::Borrowed(element.whole()));
    }
    if !element.tag.is_constructed() {
        let rebuilt = super::Node::tagged_bytes(element.tag, element.contents());
        return Ok(if rebuilt.size() == element.whole().len() {
            Cow::Borrowed(element.whole())
        } else {
            Cow::Owned(rebuilt.to_vec())
        });
    }
    if element.tag.primitive() == Tag::OCTET_STRING {
        let octets = element.octets()?;
        return Ok(Cow::Owned(super::Node::octet_string(octets).to_vec()));
    }
    let mut reader = element.reader()?;
    let mut children = Vec::new();
    let mut changed = false;
    while let Some(child) = reader.next_element()? {
        let der = to_der(&child)?;
        changed |= matches!(der, Cow::Owned(_));
        children.push(super::Node::from(der));
    }
    let rebuilt = super::Node::tagged(element.tag, children);
    // A rebuilt element of the same size, with no child changed, is the element as received: its
    // length octets can only have been the shortest ones. (Indefinite is two octets longer for
    // short contents, and starts with 80 otherwise.)
    let indefinite = element.end != element.contents_end;
    if !changed && !indefinite && rebuilt.size() == element.whole().len() {
        return Ok(Cow::Borrowed(element.whole()));
    }
    Ok(Cow::Owned(rebuilt.to_vec()))
}

/// Reads identifier and length at `at`; the contents, if of definite length, end before `end`.
fn header(input: &[u8], at: usize, end: usize) -> Result<Header, BerError> {
    let truncated = BerErrorKind::Truncated.at(at);
    let octet = |position: usize| {
        if position < end {
            input.get(position).copied().ok_or(truncated)
        } else {
            Err(truncated)
        }
    };
    let tag = Tag(octet(at)?);
    let mut next = at.saturating_add(1);
    // X.690 §8.1.2.4: numbers from 31 on follow in base 128.
    if tag.0 & 0x1f == 0x1f {
        for _ in 0..5 {
            let more = octet(next)? & 0x80 != 0;
            next = next.saturating_add(1);
            if !more {
                break;
            }
        }
    }
    let first = octet(next)?;
    next = next.saturating_add(1);
    let length = match first {
        0..=0x7f => Some(usize::from(first)),
        // X.690 §8.1.3.2: only constructed elements may have an indefinite length.
        0x80 if tag.is_constructed() => None,
        0x81..=0x88 => {
            let mut length = 0_u64;
            for _ in 0..(first & 0x7f) {
                length = (length << 8) | u64::from(octet(next)?);
                next = next.saturating_add(1);
            }
            Some(usize::try_from(length).map_err(|_| BerErrorKind::Length.at(at))?)
        }
        _ => return Err(BerErrorKind::Length.at(at)),
    };
    if let Some(length) = length {
        match next.checked_add(length) {
            Some(contents_end) if contents_end <= end => {}
            _ => return Err(truncated),
        }
    }
    Ok(Header {
        tag,
        contents_start: next,
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Reader<'_> {
        Reader::new(input, Limits::default())
    }

    fn first(input: &[u8]) -> Result<Element<'_>, BerError> {
        read(input).next_element().map(|element| element.unwrap())
    }

    #[test]
    fn definite_non_minimal_and_indefinite_lengths_say_the_same() {
        for input in [
            &[0x30, 0x03, 0x02, 0x01, 0x05][..],
            &[0x30, 0x84, 0, 0, 0, 3, 0x02, 0x01, 0x05],
            &[0x30, 0x80, 0x02, 0x01, 0x05, 0, 0],
        ] {
            let mut reader = read(input).sequence().unwrap();
            assert_eq!(reader.unsigned(), Ok(5));
            reader.finish().unwrap();
            assert_eq!(
                first(input).unwrap().to_der().unwrap().as_ref(),
                [0x30, 0x03, 0x02, 0x01, 0x05]
            );
        }
    }

    #[test]
    fn der_is_handed_back_without_a_copy() {
        let input = [0x30, 0x06, 0x31, 0x04, 0x04, 0x02, 1, 2];
        assert!(matches!(
            first(&input).unwrap().to_der(),
            Ok(Cow::Borrowed(_))
        ));
        let input = [0x30, 0x81, 0x03, 0x02, 0x01, 0x05];
        assert!(matches!(first(&input).unwrap().to_der(), Ok(Cow::Owned(_))));
    }

    #[test]
    fn strings_in_pieces_are_joined_and_single_ones_borrowed() {
        let nested = [
            0x24, 0x80, 0x04, 0x02, b'a', b'b', 0x24, 0x03, 0x04, 0x01, b'c', 0x04, 0x00, 0, 0,
        ];
        assert_eq!(first(&nested).unwrap().octets().unwrap().as_ref(), b"abc");
        // The implicit tag of encryptedContent.
        let implicit = [0xa0, 0x80, 0x04, 0x01, b'x', 0x04, 0x01, b'y', 0, 0];
        assert_eq!(first(&implicit).unwrap().octets().unwrap().as_ref(), b"xy");
        let single = [0x24, 0x04, 0x04, 0x02, b'a', b'b'];
        assert!(matches!(
            first(&single).unwrap().octets(),
            Ok(Cow::Borrowed(b"ab"))
        ));
    }

    #[test]
    fn a_piece_of_another_type_is_refused() {
        let input = [0x24, 0x03, 0x02, 0x01, 0x05];
        let error = first(&input).unwrap().octets().unwrap_err();
        assert_eq!(error.position, 2);
        assert!(matches!(error.kind, BerErrorKind::UnexpectedTag { .. }));
    }

    #[test]
    fn lengths_that_leave_the_input_or_the_parent_are_refused() {
        assert_eq!(
            first(&[0x04, 0x05, 1, 2]).unwrap_err().kind,
            BerErrorKind::Truncated
        );
        let outer = [0x30, 0x03, 0x04, 0x05, 1, 2, 3, 4, 5];
        let mut inner = first(&outer).unwrap().reader().unwrap();
        assert_eq!(
            inner.next_element().unwrap_err(),
            BerErrorKind::Truncated.at(2),
            "a child may not pass the end of its parent"
        );
        assert_eq!(
            first(&[0x30, 0x80, 0x02, 0x01]).unwrap_err().kind,
            BerErrorKind::Truncated
        );
        assert_eq!(
            first(&[0x04, 0x80, 0, 0]).unwrap_err().kind,
            BerErrorKind::Length
        );
        assert_eq!(
            first(&[0x04, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7])
                .unwrap_err()
                .kind,
            BerErrorKind::Length
        );
        assert_eq!(
            first(&[0x04, 0x88, 255, 255, 255, 255, 255, 255, 255, 255])
                .unwrap_err()
                .kind,
            BerErrorKind::Truncated
        );
    }

    #[test]
    fn end_of_contents_out_of_place_is_refused() {
        let input = [0x30, 0x02, 0, 0];
        let mut reader = first(&input).unwrap().reader().unwrap();
        assert_eq!(
            reader.next_element().unwrap_err().kind,
            BerErrorKind::EndOfContents
        );
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let deep = [0x30, 0x80].repeat(40);
        assert_eq!(first(&deep).unwrap_err().kind, BerErrorKind::Depth);

        let mut many = vec![0x24, 0x80];
        many.extend([0x04, 0x01, 7].repeat(20));
        many.extend([0, 0]);
        let limits = Limits {
            depth: 4,
            elements: 10,
        };
        let error = Reader::new(&many, limits).next_element().unwrap_err();
        assert_eq!(error.kind, BerErrorKind::Elements);

        let mut nested = vec![0x04, 0x00];
        for _ in 0..6 {
            let mut outer = vec![0x24, u8::try_from(nested.len()).unwrap()];
            outer.append(&mut nested);
            nested = outer;
        }
        let error = Reader::new(&nested, limits)
            .next_element()
            .unwrap()
            .unwrap();
        assert_eq!(error.octets().unwrap_err().kind, BerErrorKind::Depth);
    }

    #[test]
    fn integers_that_do_not_fit_or_are_negative_are_refused() {
        assert_eq!(first(&[2, 2, 0, 200]).unwrap().unsigned(), Ok(200));
        assert!(first(&[2, 1, 200]).unwrap().unsigned().is_err());
        assert!(first(&[2, 0]).unwrap().unsigned().is_err());
        assert!(
            first(&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0])
                .unwrap()
                .unsigned()
                .is_err()
        );
    }
}
