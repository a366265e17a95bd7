//! Duty: this room's own reader and writer of tag, length, value: the few types that labels use.
//! Promises: works in time linear in the input; every error names the octet where it arose.
//! Refuses: indefinite or non-minimal lengths, long tags, negative or non-minimal integers, category
//! values wider than 128 bits and classifications wider than 64, bit positions above [`BIT_LIMIT`],
//! trailing octets.
//! Standards: X.690 (BER and DER).

use std::collections::BTreeSet;

use const_oid::ObjectIdentifier;
use thiserror::Error;

use super::value::DuplicateCategory;

/// The highest bit position that is read or written in a bit map.
pub const BIT_LIMIT: u64 = 1 << 20;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Why octets are not the label or clearance that they should be, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem} (at octet {position})")]
pub struct SyntaxError {
    /// What is wrong.
    pub problem: SyntaxProblem,
    /// The octet where it arose, counted from 0.
    pub position: usize,
}

/// What is wrong with the octets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SyntaxProblem {
    /// The BIT STRING is not well formed.
    #[error("a bit string is malformed: its unused-bits octet is missing or wrong")]
    BitString,
    /// A bit position above [`BIT_LIMIT`].
    #[error("a bit string has a bit position above {BIT_LIMIT}")]
    BitTooHigh,
    /// The categories SET is there, but empty, or has more than 64 entries.
    #[error("security categories must be 1 to 64, found {0}")]
    CategoryCount(usize),
    /// A text of RFC 3114 that is not the name of one category.
    #[error("a category's text is not the name of exactly one category of the policy")]
    CategoryName,
    /// Not the syntax of categories that the policy's rbacId or privilegeId names.
    #[error("the categories are in another syntax than the policy's rbacId or privilegeId names")]
    CategorySyntax,
    /// One (tag set, kind) occurs twice.
    #[error(transparent)]
    DuplicateCategory(#[from] DuplicateCategory),
    /// A component, or a value in a set, occurs twice.
    #[error("{0} occurs twice")]
    DuplicateComponent(&'static str),
    /// Nothing there.
    #[error("there are no octets to read")]
    Empty,
    /// A category without any value.
    #[error("a category has no value; leave the category out")]
    EmptyCategory,
    /// The octets end too early.
    #[error("the octets end before the element does")]
    EndsEarly,
    /// A classification above 64 bits or a category value above 128 bits.
    #[error(
        "an integer is wider than is read: 64 bits of a classification, 128 of a category value"
    )]
    IntegerTooWide,
    /// A length that is indefinite, not minimal, or absurd.
    #[error("a length is indefinite or not written in the fewest octets")]
    Length,
    /// A component that every such value has is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A MISSI category beside others.
    #[error("a MISSI security category must be the only category")]
    MissiNotAlone,
    /// RFC 5755 and RFC 3281 tags in one clearance.
    #[error("the clearance mixes the tags of RFC 5755 and RFC 3281")]
    MixedTagging,
    /// A negative integer.
    #[error("an integer is negative")]
    Negative,
    /// An integer with needless leading octets, or none.
    #[error("an integer is not written in the fewest octets")]
    NonMinimalInteger,
    /// Readable, but not as DER would write it.
    #[error("the value is readable but not in canonical (DER) form")]
    NotDer,
    /// An OID that cannot be read.
    #[error("an object identifier is malformed or too long")]
    ObjectIdentifier,
    /// The privacy mark is empty, too long, or has characters outside its type.
    #[error("the privacy mark is empty, too long, or has characters outside its string type")]
    PrivacyMark,
    /// A security level beside the tags differs from the classification.
    #[error("a tag's security level {0} differs from the classification")]
    SecurityLevel(u64),
    /// Octets after the value.
    #[error("there are octets after the end of the value")]
    Trailing,
    /// Another tag was expected.
    #[error("expected {expected}, found tag 0x{found:02x}")]
    UnexpectedTag {
        /// What should have stood here.
        expected: &'static str,
        /// The tag octet found.
        found: u8,
    },
    /// A category syntax that this program does not know: the label cannot be decided.
    #[error("the security category type {0} is not known; the label cannot be decided")]
    UnknownCategory(ObjectIdentifier),
    /// The kind of an enumerated MISSI tag set is not known without its policy.
    #[error(
        "the policy does not say whether the enumerated tag set {0} is restrictive or permissive"
    )]
    UnresolvedKind(ObjectIdentifier),
    /// More values than any label or clearance can need.
    #[error("there are too many values")]
    TooManyValues,
}

impl SyntaxProblem {
    pub(super) fn at(self, position: usize) -> SyntaxError {
        SyntaxError {
            problem: self,
            position,
        }
    }
}

/// One element: its tag, its content and where they stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) start: usize,
    pub(super) content_start: usize,
}

impl<'a> Element<'a> {
    pub(super) fn inside(&self) -> Reader<'a> {
        Reader {
            octets: self.content,
            position: self.content_start,
        }
    }

    pub(super) fn expect(self, tag: u8, expected: &'static str) -> Result<Self, SyntaxError> {
        if self.tag == tag {
            return Ok(self);
        }
        Err(SyntaxProblem::UnexpectedTag {
            expected,
            found: self.tag,
        }
        .at(self.start))
    }

    pub(super) fn object_identifier(&self) -> Result<ObjectIdentifier, SyntaxError> {
        ObjectIdentifier::from_bytes(self.content)
            .map_err(|_| SyntaxProblem::ObjectIdentifier.at(self.content_start))
    }

    /// A non-negative integer of at most 64 bits: a classification or a security level.
    pub(super) fn integer(&self) -> Result<u64, SyntaxError> {
        let value = self.category_value()?;
        u64::try_from(value).map_err(|_| SyntaxProblem::IntegerTooWide.at(self.content_start))
    }

    /// A non-negative integer of at most 128 bits: a value of an enumerated category.
    pub(super) fn category_value(&self) -> Result<u128, SyntaxError> {
        let wrong = |problem: SyntaxProblem| Err(problem.at(self.content_start));
        let digits = match self.content {
            [] => return wrong(SyntaxProblem::NonMinimalInteger),
            [0xff, second, ..] if *second >= 0x80 => {
                return wrong(SyntaxProblem::NonMinimalInteger);
            }
            [first, ..] if *first >= 0x80 => return wrong(SyntaxProblem::Negative),
            [0] => return Ok(0),
            [0, second, ..] if *second < 0x80 => return wrong(SyntaxProblem::NonMinimalInteger),
            [0, rest @ ..] => rest,
            all => all,
        };
        if digits.len() > 16 {
            return wrong(SyntaxProblem::IntegerTooWide);
        }
        Ok(digits
            .iter()
            .fold(0u128, |value, digit| (value << 8) | u128::from(*digit)))
    }

    /// Gives each position of a bit that is set, in ascending order, and counts them. Trailing zero
    /// bits and octets are accepted.
    pub(super) fn each_bit(&self, mut take: impl FnMut(u64)) -> Result<usize, SyntaxError> {
        let wrong = |problem: SyntaxProblem| problem.at(self.content_start);
        let Some((unused, octets)) = self.content.split_first() else {
            return Err(wrong(SyntaxProblem::BitString));
        };
        let unused_bits = match octets.last() {
            // X.690 §8.6.2.3: the empty string has no unused bits.
            None if *unused == 0 => 0,
            Some(last) if *unused < 8 => last & !(0xffu8 << *unused),
            _ => return Err(wrong(SyntaxProblem::BitString)),
        };
        // X.690 §11.2.1: unused bits are zero.
        if unused_bits != 0 {
            return Err(wrong(SyntaxProblem::BitString));
        }
        let mut count = 0usize;
        for (index, octet) in octets.iter().enumerate() {
            if *octet == 0 {
                continue;
            }
            let base = u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(8);
            for bit in 0..8u8 {
                if octet & (0x80u8 >> bit) != 0 {
                    let position = base.saturating_add(u64::from(bit));
                    if position > BIT_LIMIT {
                        return Err(wrong(SyntaxProblem::BitTooHigh));
                    }
                    count = count.saturating_add(1);
                    take(position);
                }
            }
        }
        Ok(count)
    }

    /// The positions of the bits that are set: a class list.
    pub(super) fn bits(&self) -> Result<BTreeSet<u64>, SyntaxError> {
        let mut positions = BTreeSet::new();
        self.each_bit(|position| {
            positions.insert(position);
        })?;
        Ok(positions)
    }

    /// Gives each value of a category, a bit string or a SET OF INTEGER in any order, and counts them.
    /// `take` says whether the value is new: each may stand there once.
    pub(super) fn each_value(
        &self,
        mut take: impl FnMut(u128) -> bool,
    ) -> Result<usize, SyntaxError> {
        if self.tag == BIT_STRING {
            return self.each_bit(|position| {
                take(u128::from(position));
            });
        }
        let mut reader = self.inside();
        let mut count = 0usize;
        while !reader.is_empty() {
            let element = reader.next("an integer")?.expect(INTEGER, "an integer")?;
            if !take(element.category_value()?) {
                return Err(SyntaxProblem::DuplicateComponent("a category value").at(element.start));
            }
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// The values of a category in a bit string or a SET OF INTEGER.
    pub(super) fn values(&self) -> Result<BTreeSet<u128>, SyntaxError> {
        let mut values = BTreeSet::new();
        self.each_value(|value| values.insert(value))?;
        Ok(values)
    }

    /// The same element with another tag: an IMPLICIT one as what it stands for.
    pub(super) fn tagged(self, tag: u8) -> Self {
        Self { tag, ..self }
    }
}

/// Reads elements one after another.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self {
            octets,
            position: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The tag of the next element, if there is one.
    pub(super) fn peek(&self) -> Option<u8> {
        self.octets.first().copied()
    }

    pub(super) fn next(&mut self, expected: &'static str) -> Result<Element<'a>, SyntaxError> {
        let start = self.position;
        let Some((tag, rest)) = self.octets.split_first() else {
            return Err(SyntaxProblem::Missing(expected).at(start));
        };
        if tag & 0x1f == 0x1f {
            return Err(SyntaxProblem::UnexpectedTag {
                expected,
                found: *tag,
            }
            .at(start));
        }
        let early = || SyntaxProblem::EndsEarly.at(start);
        let (first, rest) = rest.split_first().ok_or_else(early)?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest
                    .split_at_checked(usize::from(long & 0x7f))
                    .ok_or_else(early)?;
                let value = digits
                    .iter()
                    .fold(0u32, |sum, digit| (sum << 8) | u32::from(*digit));
                let fewest = match value {
                    0..=0x7f => 0,
                    0x80..=0xff => 1,
                    0x100..=0xffff => 2,
                    0x1_0000..=0xff_ffff => 3,
                    _ => 4,
                };
                if digits.len() != fewest {
                    return Err(SyntaxProblem::Length.at(start));
                }
                (
                    usize::try_from(value).map_err(|_| SyntaxProblem::Length.at(start))?,
                    rest,
                )
            }
            _ => return Err(SyntaxProblem::Length.at(start)),
        };
        let content_start = start.saturating_add(self.octets.len().saturating_sub(rest.len()));
        let (content, rest) = rest.split_at_checked(length).ok_or_else(early)?;
        self.octets = rest;
        self.position = content_start.saturating_add(length);
        Ok(Element {
            tag: *tag,
            content,
            start,
            content_start,
        })
    }

    /// Refuses whatever is left.
    pub(super) fn finish(&self) -> Result<(), SyntaxError> {
        if self.octets.is_empty() {
            return Ok(());
        }
        Err(SyntaxProblem::Trailing.at(self.position))
    }
}

/// The one element that fills all octets.
pub(super) fn whole<'a>(
    octets: &'a [u8],
    tag: u8,
    expected: &'static str,
) -> Result<Element<'a>, SyntaxError> {
    if octets.is_empty() {
        return Err(SyntaxProblem::Empty.at(0));
    }
    let mut reader = Reader::new(octets);
    let element = reader.next(expected)?.expect(tag, expected)?;
    reader.finish()?;
    Ok(element)
}

/// Writes one element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(content.len().saturating_add(6));
    octets.push(tag);
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => octets.push(short),
        _ => {
            let all = content.len().to_be_bytes();
            let skip = all.iter().take_while(|octet| **octet == 0).count();
            let digits = all.get(skip..).unwrap_or_default();
            octets.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            octets.extend_from_slice(digits);
        }
    }
    octets.extend_from_slice(content);
    octets
}

/// Writes an element whose content is these elements in this order.
pub(super) fn constructed(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// X.690 §11.6: the components of a SET OF stand in ascending order of their octets.
pub(super) fn set_of(tag: u8, mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort_unstable();
    constructed(tag, &parts)
}

/// Writes an INTEGER in the fewest octets.
pub(super) fn integer(value: u128) -> Vec<u8> {
    let mut content = vec![0];
    content.extend_from_slice(&value.to_be_bytes());
    // X.690 §8.3.2: the first nine bits are neither all zero nor all one.
    let needless = content
        .windows(2)
        .take_while(|pair| matches!(pair, [0, next] if *next < 0x80))
        .count();
    element(INTEGER, content.get(needless..).unwrap_or_default())
}

pub(super) fn integers(values: &BTreeSet<u128>) -> Vec<Vec<u8>> {
    values.iter().map(|value| integer(*value)).collect()
}

/// The content of a BIT STRING with exactly these bits.
pub(super) fn bit_content(
    values: impl Iterator<Item = u128> + Clone,
) -> Result<Vec<u8>, SyntaxError> {
    let Some(highest) = values.clone().max() else {
        return Ok(vec![0]);
    };
    let place = |value: u128| {
        let octet = usize::try_from(value / 8).ok()?.checked_add(1)?;
        Some((octet, u8::try_from(value % 8).ok()?))
    };
    let within = Some(highest).filter(|highest| *highest <= u128::from(BIT_LIMIT));
    let Some((last, low)) = within.and_then(place) else {
        return Err(SyntaxProblem::BitTooHigh.at(0));
    };
    let mut content = vec![0u8; last.saturating_add(1)];
    for (at, bit) in values.filter_map(place) {
        if let Some(octet) = content.get_mut(at) {
            *octet |= 0x80u8 >> bit;
        }
    }
    if let Some(unused) = content.first_mut() {
        *unused = 7u8.saturating_sub(low);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(octets: &[u8]) -> Result<Element<'_>, SyntaxError> {
        let mut reader = Reader::new(octets);
        let element = reader.next("x")?;
        reader.finish()?;
        Ok(element)
    }

    #[test]
    fn integers_both_ways() {
        for value in [0, 1, 127, 128, 255, 256, 65_536, u64::MAX] {
            let octets = integer(value.into());
            assert_eq!(one(&octets).unwrap().integer(), Ok(value), "{octets:02x?}");
        }
        for value in [1 << 64, (1 << 127) - 1, u128::MAX] {
            let octets = integer(value);
            let element = one(&octets).unwrap();
            assert_eq!(element.category_value(), Ok(value), "{octets:02x?}");
            let problem = element.integer().unwrap_err().problem;
            assert_eq!(problem, SyntaxProblem::IntegerTooWide);
        }
        let mut wide = vec![2, 17, 1];
        wide.resize(19, 0);
        let problem = one(&wide).unwrap().category_value().unwrap_err().problem;
        assert_eq!(problem, SyntaxProblem::IntegerTooWide);
        for (octets, problem) in [
            (&[2u8, 1, 0xff][..], SyntaxProblem::Negative),
            (&[2, 2, 0, 1], SyntaxProblem::NonMinimalInteger),
            (&[2, 2, 0xff, 0x80], SyntaxProblem::NonMinimalInteger),
            (&[2, 0], SyntaxProblem::NonMinimalInteger),
            (
                &[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                SyntaxProblem::IntegerTooWide,
            ),
        ] {
            assert_eq!(one(octets).unwrap().integer().unwrap_err().problem, problem);
        }
    }

    #[test]
    fn bits_both_ways() {
        for (values, octets) in [
            (vec![], vec![3u8, 1, 0]),
            (vec![1], vec![3, 2, 6, 0x40]),
            (vec![0], vec![3, 2, 7, 0x80]),
            (vec![9], vec![3, 3, 6, 0, 0x40]),
            (vec![0, 2], vec![3, 2, 5, 0xa0]),
        ] {
            let values: BTreeSet<u128> = values.into_iter().collect();
            let content = bit_content(values.iter().copied()).unwrap();
            assert_eq!(element(BIT_STRING, &content), octets);
            assert_eq!(one(&octets).unwrap().values().unwrap(), values);
        }
        // Deployed encoders pad.
        assert_eq!(
            one(&[3, 5, 0, 0x40, 0, 0, 0]).unwrap().bits().unwrap(),
            [1].into()
        );
        for wrong in [&[3u8, 0][..], &[3, 1, 1], &[3, 2, 8, 0], &[3, 2, 4, 0x08]] {
            assert!(one(wrong).unwrap().bits().is_err(), "{wrong:02x?}");
        }
    }

    #[test]
    fn lengths() {
        let long = element(4, &[7; 300]);
        assert_eq!(long[..4], [4, 0x82, 1, 44]);
        assert_eq!(one(&long).unwrap().content.len(), 300);
        for wrong in [
            &[4u8, 0x80, 0, 0][..],
            &[4, 0x81, 1, 9],
            &[4, 0x82, 0, 1, 9],
            &[4, 2, 9],
        ] {
            assert!(one(wrong).is_err(), "{wrong:02x?}");
        }
        assert_eq!(
            one(&[4, 0, 9]).unwrap_err().problem,
            SyntaxProblem::Trailing
        );
    }
}
