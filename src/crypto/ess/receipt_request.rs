//! ReceiptRequest.
//!
//! Duty: make and read the request for signed receipts.
//! Refuses: no destination, or more than sixteen.
//! Standards: RFC 2634 section 2.7.

use crate::crypto::ber::{BerError, BerErrorKind, Element, Node, Reader, Tag};
use crate::crypto::cms::attribute::AttributeDer;

use super::{RECEIPT_REQUEST, value_reader};

/// ub-receiptsTo. RFC 2634 §2.7.
const MOST_DESTINATIONS: usize = 16;
/// What one list of names may hold; the standard sets no bound.
const MOST_NAMES: usize = 1_000;

/// A request for signed receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRequest {
    /// signedContentIdentifier.
    pub content_identifier: Vec<u8>,
    /// receiptsFrom: who is asked.
    pub from: ReceiptsFrom,
    /// receiptsTo: where the receipts go. Each is the names of one destination.
    pub to: Vec<Vec<GeneralName>>,
}

/// Who is asked for a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptsFrom {
    /// allReceipts.
    All,
    /// firstTierRecipients: those who did not get the message through a mail list.
    FirstTier,
    /// receiptList: these, each by its names.
    List(Vec<Vec<GeneralName>>),
}

/// A GeneralName.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneralName {
    /// rfc822Name.
    Email(String),
    /// Another choice: its whole element as received.
    Other(Vec<u8>),
}

impl ReceiptRequest {
    /// The attribute.
    pub fn attribute(&self) -> AttributeDer {
        let from = match &self.from {
            ReceiptsFrom::All => Node::unsigned_as(Tag::context(0), 0),
            ReceiptsFrom::FirstTier => Node::unsigned_as(Tag::context(0), 1),
            ReceiptsFrom::List(names) => Node::tagged(
                Tag::context_constructed(1),
                names.iter().map(|names| general_names(names)).collect(),
            ),
        };
        AttributeDer::new(
            RECEIPT_REQUEST,
            Node::sequence(vec![
                Node::octet_string(&self.content_identifier),
                from,
                Node::sequence(self.to.iter().map(|names| general_names(names)).collect()),
            ]),
        )
    }

    /// Reads the value of the attribute.
    pub fn read(value: &[u8]) -> Result<Self, BerError> {
        let mut fields = value_reader(value, Tag::SEQUENCE)?;
        let content_identifier = fields
            .expect_string(Tag::OCTET_STRING)?
            .octets()?
            .into_owned();
        let from = match fields.optional(Tag::context(0))? {
            Some(tier) => match tier.unsigned()? {
                0 => ReceiptsFrom::All,
                1 => ReceiptsFrom::FirstTier,
                _ => return Err(BerErrorKind::Contents(tier.tag()).at(tier.position())),
            },
            None => {
                let list = fields.expect(Tag::context_constructed(1))?;
                ReceiptsFrom::List(lists_of_names(list.reader()?, MOST_NAMES)?)
            }
        };
        let to = fields.expect(Tag::SEQUENCE)?;
        fields.finish()?;
        let destinations = lists_of_names(to.reader()?, MOST_DESTINATIONS)?;
        if destinations.is_empty() {
            return Err(BerErrorKind::Contents(Tag::SEQUENCE).at(to.position()));
        }
        Ok(Self {
            content_identifier,
            from,
            to: destinations,
        })
    }
}

impl GeneralName {
    fn node(&self) -> Node<'_> {
        match self {
            Self::Email(address) => Node::tagged_bytes(Tag::context(1), address.as_bytes()),
            Self::Other(element) => Node::encoded(element),
        }
    }

    fn read(element: &Element<'_>) -> Result<Self, BerError> {
        if element.tag() != Tag::context(1) {
            return Ok(Self::Other(element.whole().to_vec()));
        }
        // RFC 5280 §4.2.1.6: rfc822Name is an IA5String.
        match std::str::from_utf8(element.contents()) {
            Ok(address) if address.is_ascii() => Ok(Self::Email(address.to_owned())),
            _ => Err(BerErrorKind::Contents(element.tag()).at(element.position())),
        }
    }
}

pub(super) fn general_names(names: &[GeneralName]) -> Node<'_> {
    Node::sequence(names.iter().map(GeneralName::node).collect())
}

pub(super) fn lists_of_names(
    mut reader: Reader<'_>,
    most: usize,
) -> Result<Vec<Vec<GeneralName>>, BerError> {
    let mut lists = Vec::new();
    while !reader.is_empty() {
        if lists.len() >= most {
            return Err(reader.error(BerErrorKind::Elements));
        }
        let mut names = Vec::new();
        let mut inner = reader.sequence()?;
        while let Some(name) = inner.next_element()? {
            if names.len() >= MOST_NAMES {
                return Err(inner.error(BerErrorKind::Elements));
            }
            names.push(GeneralName::read(&name)?);
        }
        lists.push(names);
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hex, value_of};
    use super::*;

    fn request(from: ReceiptsFrom) -> ReceiptRequest {
        ReceiptRequest {
            content_identifier: b"id1".to_vec(),
            from,
            to: vec![vec![GeneralName::Email("a@x.test".into())]],
        }
    }

    #[test]
    fn a_request_is_the_published_octets_and_comes_back() {
        let all = request(ReceiptsFrom::All);
        assert_eq!(
            all.attribute().der(),
            hex(
                "30 27 06 0b 2a864886f70d0109100201 31 18 30 16 04 03 696431 80 01 00 \
                 30 0c 30 0a 81 08 6140782e74657374"
            )
        );
        let list = request(ReceiptsFrom::List(vec![vec![GeneralName::Email(
            "b@x.test".into(),
        )]]));
        let value = value_of(&list.attribute());
        let form = hex("a1 0c 30 0a 81 08 6240782e74657374");
        assert!(value.windows(form.len()).any(|window| window == form));
        for request in [all, list, request(ReceiptsFrom::FirstTier)] {
            let value = value_of(&request.attribute());
            assert_eq!(ReceiptRequest::read(&value).unwrap(), request);
        }
    }

    #[test]
    fn no_destination_too_many_or_an_unknown_tier_is_refused() {
        let mut none = request(ReceiptsFrom::All);
        none.to.clear();
        assert!(ReceiptRequest::read(&value_of(&none.attribute())).is_err());
        let mut many = request(ReceiptsFrom::All);
        many.to = vec![many.to[0].clone(); 17];
        assert!(ReceiptRequest::read(&value_of(&many.attribute())).is_err());
        let unknown = hex("30 16 04 03 696431 80 01 02 30 0c 30 0a 81 08 6140782e74657374");
        assert!(ReceiptRequest::read(&unknown).is_err());
    }
}
