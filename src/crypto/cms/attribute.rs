//! Attributes: as read, and as made.
//!
//! Duty: one attribute as slices of what was received; one attribute of ours in DER; the times that
//! signingTime holds.
//! Promises: values are never decoded or re-encoded here.
//! Standards: RFC 5652 section 5.3 (Attribute), 11.3 (signingTime).

use const_oid::ObjectIdentifier;

use crate::clock::Timestamp;
use crate::crypto::ber::{BerError, BerErrorKind, Element, Node, Reader, Tag, set_of};

use super::oid;

/// An attribute as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// attrType.
    pub oid: ObjectIdentifier,
    /// attrValues, each a whole element as received. There may be none: that is for the reader of
    /// the attribute to judge.
    pub values: Vec<&'a [u8]>,
    /// The whole attribute as received.
    pub raw: &'a [u8],
}

/// An attribute of ours, in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeDer {
    oid: ObjectIdentifier,
    der: Vec<u8>,
}

impl<'a> Attribute<'a> {
    pub(crate) fn read(element: &Element<'a>, most_values: usize) -> Result<Self, BerError> {
        let mut fields = element.reader()?;
        let oid = fields.oid()?;
        let mut members = fields.expect(Tag::SET)?.reader()?;
        fields.finish()?;
        let mut values = Vec::new();
        while let Some(value) = members.next_element()? {
            if values.len() >= most_values {
                return Err(BerErrorKind::Elements.at(value.position()));
            }
            values.push(value.whole());
        }
        Ok(Self {
            oid,
            values,
            raw: element.whole(),
        })
    }

    /// The value, if there is exactly one.
    pub fn only_value(&self) -> Option<&'a [u8]> {
        match self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The attribute with its values in DER order; each value stays as received.
    pub(crate) fn sorted_der(&self) -> Vec<u8> {
        let values = self.values.iter().map(|value| value.to_vec()).collect();
        Node::sequence(vec![Node::oid(&self.oid), set_of(Tag::SET, values)]).to_vec()
    }
}

impl AttributeDer {
    /// An attribute with this one value, which must be one DER element.
    pub fn new(oid: ObjectIdentifier, value: Node<'_>) -> Self {
        let der =
            Node::sequence(vec![Node::oid(&oid), Node::tagged(Tag::SET, vec![value])]).to_vec();
        Self { oid, der }
    }

    /// An attribute with this one value, in DER already (a security label, for example).
    pub fn from_value(oid: ObjectIdentifier, value_der: &[u8]) -> Self {
        Self::new(oid, Node::encoded(value_der))
    }

    /// contentType.
    pub fn content_type(content_type: &ObjectIdentifier) -> Self {
        Self::new(oid::CONTENT_TYPE, Node::oid(content_type))
    }

    /// messageDigest.
    pub fn message_digest(digest: &[u8]) -> Self {
        Self::new(oid::MESSAGE_DIGEST, Node::octet_string(digest))
    }

    /// signingTime, whole seconds in UTC.
    pub fn signing_time(at: Timestamp) -> Self {
        Self::new(oid::SIGNING_TIME, time(at))
    }

    /// attrType.
    pub fn oid(&self) -> ObjectIdentifier {
        self.oid
    }

    /// The whole attribute.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// A time in the form that its year calls for.
pub fn time<'a>(at: Timestamp) -> Node<'a> {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    // RFC 5652 §11.3: UTCTime for 1950 to 2049, GeneralizedTime for other years.
    if (1950..2050).contains(&at.year()) {
        let text = at.strftime("%y%m%d%H%M%SZ").to_string();
        Node::tagged_bytes(Tag::UTC_TIME, text.into_bytes())
    } else {
        let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
        Node::tagged_bytes(Tag::GENERALIZED_TIME, text.into_bytes())
    }
}

/// The time that this element tells, or `None`: seconds are present, no fraction, in UTC.
pub fn read_time(element: &Element<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(element.contents()).ok()?;
    let digits = text.strip_suffix('Z')?;
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let full = match (element.tag(), digits.len()) {
        // RFC 5652 §11.3: a two-digit year from 50 on is of the last century.
        (Tag::UTC_TIME, 12) => {
            let century = if digits.get(..2)? >= "50" { "19" } else { "20" };
            format!("{century}{digits}")
        }
        (Tag::GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", full)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// The time in this one encoded element.
pub(crate) fn read_time_value(
    value: &[u8],
    limits: crate::crypto::ber::Limits,
) -> Option<Timestamp> {
    let element = Reader::new(value, limits).next_element().ok()??;
    (element.whole().len() == value.len())
        .then(|| read_time(&element))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ber::Limits;

    fn back(at: &str) -> (Vec<u8>, Option<Timestamp>) {
        let der = time(at.parse().unwrap()).to_vec();
        let read = read_time_value(&der, Limits::default());
        (der, read)
    }

    #[test]
    fn times_take_the_form_of_their_year() {
        let (der, read) = back("2026-01-01T00:00:00Z");
        assert_eq!(der, b"\x17\x0d260101000000Z");
        assert_eq!(read, Some("2026-01-01T00:00:00Z".parse().unwrap()));
        let (der, read) = back("2050-02-03T04:05:06Z");
        assert_eq!(der, b"\x18\x0f20500203040506Z");
        assert_eq!(read, Some("2050-02-03T04:05:06Z".parse().unwrap()));
        assert_eq!(
            back("1999-12-31T23:59:59Z").1,
            Some("1999-12-31T23:59:59Z".parse().unwrap())
        );
    }

    #[test]
    fn times_without_seconds_with_offsets_or_impossible_are_not_read() {
        for wrong in [
            &b"\x17\x0b2601010000Z"[..],
            b"\x17\x112601010000000+0100",
            b"\x17\x0d261301000000Z",
            b"\x18\x1120260101000000.5Z",
            b"\x17\x0c260101000000",
        ] {
            assert_eq!(read_time_value(wrong, Limits::default()), None);
        }
    }

    #[test]
    fn the_content_type_attribute_is_the_published_one() {
        let expected = [
            0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03, 0x31,
            0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
        ];
        assert_eq!(AttributeDer::content_type(&oid::DATA).der(), expected);
    }
}
