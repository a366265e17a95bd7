//! SecureHeaderFields.
//!
//! Duty: make and read the signed attribute that lists header fields.
//! Refuses: no field, or more than the limit; names with a colon; unknown canonicalisation or status;
//! members twice.
//! Standards: RFC 7508 section 4 and appendix A, with erratum 5875.

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{BerError, BerErrorKind, Node, Reader, Tag, set_of};
use crate::crypto::cms::attribute::AttributeDer;

use super::value_reader;

/// id-aa-secureHeaderFieldsIdentifier. RFC 7508 appendix A.
pub const SECURE_HEADER_FIELDS: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.55");

/// What one attribute may list; the standard sets no bound.
const MOST_FIELDS: usize = 1_000;

/// Header fields under a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureHeaderFields {
    /// canonAlgorithm: how values are compared.
    pub canonicalisation: Canonicalisation,
    /// secHeaderFields, in order.
    pub fields: Vec<SecureField>,
}

/// How names and values are brought into one form before they are compared (RFC 6376 section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonicalisation {
    /// canonAlgorithmSimple: not at all.
    Simple,
    /// canonAlgorithmRelaxed: white space and the case of names do not count.
    Relaxed,
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureField {
    /// field-Name.
    pub name: String,
    /// field-Value.
    pub value: String,
    /// field-Status.
    pub status: FieldStatus,
}

/// What became of the field outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldStatus {
    /// It stands there with the same value.
    Duplicated,
    /// It does not stand there.
    Deleted,
    /// It stands there with another value.
    Modified,
}

impl SecureHeaderFields {
    /// The attribute.
    pub fn attribute(&self) -> AttributeDer {
        let algorithm = Node::unsigned_as(
            Tag::ENUMERATED,
            match self.canonicalisation {
                Canonicalisation::Simple => 0,
                Canonicalisation::Relaxed => 1,
            },
        );
        let fields = Node::sequence(self.fields.iter().map(SecureField::node).collect());
        // X.690 §10.3: ENUMERATED (10) stands before SEQUENCE (16).
        let value = set_of(Tag::SET, vec![algorithm.to_vec(), fields.to_vec()]);
        AttributeDer::new(SECURE_HEADER_FIELDS, value)
    }

    /// Reads the value of the attribute; the two members may stand in either order.
    ///
    /// # Errors
    /// When it is not one SET of exactly these members.
    pub fn read(value: &[u8]) -> Result<Self, BerError> {
        let mut members = value_reader(value, Tag::SET)?;
        let mut canonicalisation = None;
        let mut fields = None;
        while let Some(member) = members.next_element()? {
            let refused = BerErrorKind::Contents(member.tag()).at(member.position());
            match member.tag() {
                Tag::ENUMERATED if canonicalisation.is_none() => {
                    canonicalisation = Some(match member.unsigned()? {
                        0 => Canonicalisation::Simple,
                        1 => Canonicalisation::Relaxed,
                        _ => return Err(refused),
                    });
                }
                Tag::SEQUENCE if fields.is_none() => fields = Some(read_fields(member.reader()?)?),
                _ => return Err(refused),
            }
        }
        match (canonicalisation, fields) {
            (Some(canonicalisation), Some(fields)) if !fields.is_empty() => Ok(Self {
                canonicalisation,
                fields,
            }),
            _ => Err(members.error(BerErrorKind::Contents(Tag::SET))),
        }
    }
}

impl SecureField {
    fn node(&self) -> Node<'_> {
        let mut members = vec![
            Node::tagged_bytes(Tag::VISIBLE_STRING, self.name.as_bytes()),
            Node::utf8(&self.value),
        ];
        // X.690 §11.5: a default value is not written.
        match self.status {
            FieldStatus::Duplicated => {}
            FieldStatus::Deleted => members.push(Node::unsigned(1)),
            FieldStatus::Modified => members.push(Node::unsigned(2)),
        }
        Node::sequence(members)
    }
}

fn read_fields(mut list: Reader<'_>) -> Result<Vec<SecureField>, BerError> {
    let mut fields = Vec::new();
    while !list.is_empty() {
        if fields.len() >= MOST_FIELDS {
            return Err(list.error(BerErrorKind::Elements));
        }
        let mut members = list.sequence()?;
        let name = members.expect(Tag::VISIBLE_STRING)?;
        let refused = BerErrorKind::Contents(name.tag()).at(name.position());
        let is_name = |octet: &u8| octet.is_ascii_graphic() && *octet != b':';
        let name = match std::str::from_utf8(name.contents()) {
            Ok(text) if !text.is_empty() && text.bytes().all(|octet| is_name(&octet)) => {
                text.to_owned()
            }
            _ => return Err(refused),
        };
        let value = members.expect(Tag::UTF8_STRING)?;
        let refused = BerErrorKind::Contents(value.tag()).at(value.position());
        let value = std::str::from_utf8(value.contents())
            .map_err(|_| refused)?
            .to_owned();
        let status = match members.optional(Tag::INTEGER)? {
            None => FieldStatus::Duplicated,
            Some(status) => match status.unsigned()? {
                0 => FieldStatus::Duplicated,
                1 => FieldStatus::Deleted,
                2 => FieldStatus::Modified,
                _ => return Err(BerErrorKind::Contents(status.tag()).at(status.position())),
            },
        };
        members.finish()?;
        fields.push(SecureField {
            name,
            value,
            status,
        });
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hex, value_of};
    use super::*;

    fn attribute() -> SecureHeaderFields {
        let field = |name: &str, value: &str, status| SecureField {
            name: name.into(),
            value: value.into(),
            status,
        };
        SecureHeaderFields {
            canonicalisation: Canonicalisation::Relaxed,
            fields: vec![
                field("From", "a@x.test", FieldStatus::Duplicated),
                field("Subject", "Übung", FieldStatus::Modified),
                field("Keywords", "k", FieldStatus::Deleted),
            ],
        }
    }

    #[test]
    fn the_attribute_has_the_octets_of_its_module_and_comes_back() {
        let value = value_of(&attribute().attribute());
        assert_eq!(
            value,
            hex("31 3f 0a 01 01 30 3a \
                 30 10 1a 04 46726f6d 0c 08 6140782e74657374 \
                 30 14 1a 07 5375626a656374 0c 06 c39c62756e67 02 01 02")
            .into_iter()
            .chain(hex("30 10 1a 08 4b6579776f726473 0c 01 6b 02 01 01"))
            .collect::<Vec<u8>>()
        );
        assert_eq!(SecureHeaderFields::read(&value).unwrap(), attribute());
    }

    #[test]
    fn what_is_not_exactly_that_is_refused() {
        for (wrong, what) in [
            ("31 05 0a 01 01 30 00", "no field"),
            ("31 03 0a 01 01", "no list"),
            ("31 0d 30 0b 30 09 1a 04 46726f6d 0c 01 78", "no algorithm"),
            (
                "31 10 0a 01 02 30 0b 30 09 1a 04 46726f6d 0c 01 78",
                "unknown algorithm",
            ),
            (
                "31 13 0a 01 00 30 0e 30 0c 1a 04 46726f6d 0c 01 78 02 01 03",
                "unknown status",
            ),
            (
                "31 10 0a 01 00 30 0b 30 09 1a 04 46726f3a 0c 01 78",
                "a colon in a name",
            ),
            (
                "31 13 0a 01 00 0a 01 00 30 0b 30 09 1a 04 46726f6d 0c 01 78",
                "algorithm twice",
            ),
        ] {
            assert!(SecureHeaderFields::read(&hex(wrong)).is_err(), "{what}");
        }
        let right = "31 10 0a 01 00 30 0b 30 09 1a 04 46726f6d 0c 01 78";
        assert!(SecureHeaderFields::read(&hex(right)).is_ok());
        // X.690 §10.3 binds the writer; a reader takes either order.
        let other_order = "31 10 30 0b 30 09 1a 04 46726f6d 0c 01 78 0a 01 00";
        assert!(SecureHeaderFields::read(&hex(other_order)).is_ok());
    }
}
