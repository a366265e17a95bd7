//! MLExpansionHistory: which mail lists a message came through, and what each said of receipts.
//!
//! Duty: make and read the attribute; join the receipt policies of two lists.
//! Refuses: an empty history, more than 64 entries; times without seconds or zone.
//! Standards: RFC 2634 sections 4.2, 4.3 and 4.4.

use crate::clock::Timestamp;
use crate::crypto::ber::{BerError, BerErrorKind, Element, Node, Reader, Tag};
use crate::crypto::cms::attribute::{AttributeDer, read_time};

use super::receipt_request::{GeneralName, general_names, lists_of_names};
use super::{ML_EXPANSION_HISTORY, value_reader};

/// ub-ml-expansion-history. RFC 2634 §4.4.
pub const MOST_LISTS: usize = 64;
/// Destinations in one policy; the standard sets no bound.
const MOST_NAMES: usize = 1_000;

/// Every mail list that expanded the message, the latest one last. Not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailListHistory(pub Vec<MailListExpansion>);

/// MLData: one expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailListExpansion {
    /// mailListIdentifier.
    pub list: MailListIdentifier,
    /// expansionTime.
    pub time: Timestamp,
    /// mlReceiptPolicy, where the list has one.
    pub policy: Option<MailListReceipts>,
}

/// EntityIdentifier: the list's certificate or key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailListIdentifier {
    /// issuerAndSerialNumber, one whole element in DER.
    IssuerAndSerial(Vec<u8>),
    /// subjectKeyIdentifier.
    SubjectKeyId(Vec<u8>),
}

/// MLReceiptPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailListReceipts {
    /// none: nobody sends a receipt.
    None,
    /// insteadOf: receipts go there and not to the originator's choice.
    InsteadOf(Vec<Vec<GeneralName>>),
    /// inAdditionTo: receipts go there too.
    InAdditionTo(Vec<Vec<GeneralName>>),
}

impl MailListHistory {
    /// The attribute.
    pub fn attribute(&self) -> AttributeDer {
        let entries = self.0.iter().map(MailListExpansion::node).collect();
        AttributeDer::new(ML_EXPANSION_HISTORY, Node::sequence(entries))
    }

    /// Reads the value of the attribute.
    pub fn read(value: &[u8]) -> Result<Self, BerError> {
        let mut reader = value_reader(value, Tag::SEQUENCE)?;
        let mut entries = Vec::new();
        while !reader.is_empty() {
            if entries.len() >= MOST_LISTS {
                return Err(reader.error(BerErrorKind::Elements));
            }
            entries.push(MailListExpansion::read(reader.sequence()?)?);
        }
        if entries.is_empty() {
            return Err(reader.error(BerErrorKind::Missing {
                expected: Tag::SEQUENCE,
            }));
        }
        Ok(Self(entries))
    }

    /// Whether this list has expanded the message before: a loop.
    // RFC 2634 §4.2.1
    pub fn contains(&self, list: &MailListIdentifier) -> bool {
        self.0.iter().any(|entry| entry.list == *list)
    }

    /// The policy that counts: the latest list's.
    // RFC 2634 §2.3 step 1
    pub fn policy(&self) -> Option<&MailListReceipts> {
        self.0.last()?.policy.as_ref()
    }
}

impl MailListExpansion {
    fn node(&self) -> Node<'_> {
        let at = self.time.to_zoned(jiff::tz::TimeZone::UTC);
        let time = at.strftime("%Y%m%d%H%M%SZ").to_string();
        let mut fields = vec![
            match &self.list {
                MailListIdentifier::IssuerAndSerial(element) => Node::encoded(element),
                MailListIdentifier::SubjectKeyId(key) => Node::octet_string(key),
            },
            // RFC 2634 §4.4: always GeneralizedTime.
            Node::tagged_bytes(Tag::GENERALIZED_TIME, time.into_bytes()),
        ];
        match &self.policy {
            None => {}
            Some(MailListReceipts::None) => {
                fields.push(Node::tagged_bytes(Tag::context(0), Vec::new()));
            }
            Some(MailListReceipts::InsteadOf(to)) => fields.push(destinations(1, to)),
            Some(MailListReceipts::InAdditionTo(to)) => fields.push(destinations(2, to)),
        }
        Node::sequence(fields)
    }

    fn read(mut fields: Reader<'_>) -> Result<Self, BerError> {
        let missing = fields.error(BerErrorKind::Missing {
            expected: Tag::SEQUENCE,
        });
        let list = fields.next_element()?.ok_or(missing)?;
        let list = match list.tag() {
            Tag::SEQUENCE => MailListIdentifier::IssuerAndSerial(list.to_der()?.into_owned()),
            tag if tag.primitive() == Tag::OCTET_STRING => {
                MailListIdentifier::SubjectKeyId(list.octets()?.into_owned())
            }
            found => {
                return Err(BerErrorKind::UnexpectedTag {
                    expected: Tag::SEQUENCE,
                    found,
                }
                .at(list.position()));
            }
        };
        let time = fields.expect(Tag::GENERALIZED_TIME)?;
        let wrong = BerErrorKind::Contents(Tag::GENERALIZED_TIME).at(time.position());
        let time = read_time(&time).ok_or(wrong)?;
        let policy = fields.next_element()?.map(|policy| policy_of(&policy));
        fields.finish()?;
        Ok(Self {
            list,
            time,
            policy: policy.transpose()?,
        })
    }
}

impl MailListReceipts {
    /// The policy after a list with the policy `own` expanded a message that came with `incoming`.
    // RFC 2634 §4.3
    pub fn join(incoming: Option<&Self>, own: Option<&Self>) -> Option<Self> {
        let both = |a: &[Vec<GeneralName>], b: &[Vec<GeneralName>]| [a, b].concat();
        match (incoming, own) {
            (Some(Self::None), _) | (_, Some(Self::None)) => Some(Self::None),
            (_, Some(Self::InsteadOf(b))) => Some(Self::InsteadOf(b.clone())),
            (Some(Self::InsteadOf(a)), Some(Self::InAdditionTo(b))) => {
                Some(Self::InsteadOf(both(a, b)))
            }
            (Some(Self::InAdditionTo(a)), Some(Self::InAdditionTo(b))) => {
                Some(Self::InAdditionTo(both(a, b)))
            }
            (None, Some(Self::InAdditionTo(b))) => Some(Self::InAdditionTo(b.clone())),
            (incoming, None) => incoming.cloned(),
        }
    }
}

fn destinations(number: u8, to: &[Vec<GeneralName>]) -> Node<'_> {
    Node::tagged(
        Tag::context_constructed(number),
        to.iter().map(|names| general_names(names)).collect(),
    )
}

fn policy_of(element: &Element<'_>) -> Result<MailListReceipts, BerError> {
    let names = || lists_of_names(element.reader()?, MOST_NAMES);
    let tag = element.tag();
    if tag == Tag::context(0) && element.contents().is_empty() {
        Ok(MailListReceipts::None)
    } else if tag == Tag::context_constructed(1) {
        Ok(MailListReceipts::InsteadOf(names()?))
    } else if tag == Tag::context_constructed(2) {
        Ok(MailListReceipts::InAdditionTo(names()?))
    } else {
        Err(BerErrorKind::Contents(tag).at(element.position()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hex, value_of};
    use super::*;

    fn to(address: &str) -> Vec<Vec<GeneralName>> {
        vec![vec![GeneralName::Email(address.into())]]
    }

    fn through(policy: Option<MailListReceipts>) -> MailListHistory {
        MailListHistory(vec![MailListExpansion {
            list: MailListIdentifier::SubjectKeyId(vec![1, 2, 3, 4]),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            policy,
        }])
    }

    #[test]
    fn a_history_is_the_published_octets_and_comes_back() {
        let none = through(Some(MailListReceipts::None));
        let value = value_of(&none.attribute());
        let mut expected = hex("30 1b 30 19 04 04 01020304 18 0f");
        expected.extend(b"20260102030405Z");
        expected.extend([0x80, 0]);
        assert_eq!(value, expected);
        let instead = through(Some(MailListReceipts::InsteadOf(to("r@x.test"))));
        assert!(
            value_of(&instead.attribute()).ends_with(&hex("a1 0c 30 0a 81 08 7240782e74657374"))
        );
        let more = through(Some(MailListReceipts::InAdditionTo(to("r@x.test"))));
        for history in [none, instead, more, through(None)] {
            let value = value_of(&history.attribute());
            assert_eq!(MailListHistory::read(&value), Ok(history.clone()));
            assert!(history.contains(&history.0[0].list));
            assert!(!history.contains(&MailListIdentifier::SubjectKeyId(vec![1])));
            for end in 0..value.len() {
                assert!(MailListHistory::read(&value[..end]).is_err());
            }
        }
    }

    #[test]
    fn empty_and_endless_histories_are_refused() {
        assert!(MailListHistory::read(&hex("30 00")).is_err());
        let one = through(None).0.remove(0);
        let most = MailListHistory(vec![one.clone(); MOST_LISTS]);
        assert!(MailListHistory::read(&value_of(&most.attribute())).is_ok());
        let more = MailListHistory(vec![one; MOST_LISTS + 1]);
        assert!(MailListHistory::read(&value_of(&more.attribute())).is_err());
    }

    #[test]
    fn policies_join_by_the_table_of_the_standard() {
        use MailListReceipts as P;
        let (a, b) = (to("a@x.test"), to("b@x.test"));
        let ab = [a.clone(), b.clone()].concat();
        let rows = [
            Some(P::None),
            Some(P::InsteadOf(a.clone())),
            Some(P::InAdditionTo(a.clone())),
            None,
        ];
        let columns = [
            Some(P::None),
            Some(P::InsteadOf(b.clone())),
            Some(P::InAdditionTo(b.clone())),
            None,
        ];
        let none = Some(P::None);
        let table = [
            [none.clone(), none.clone(), none.clone(), none.clone()],
            [
                none.clone(),
                Some(P::InsteadOf(b.clone())),
                Some(P::InsteadOf(ab.clone())),
                rows[1].clone(),
            ],
            [
                none.clone(),
                Some(P::InsteadOf(b.clone())),
                Some(P::InAdditionTo(ab)),
                rows[2].clone(),
            ],
            [
                none,
                Some(P::InsteadOf(b.clone())),
                Some(P::InAdditionTo(b)),
                None,
            ],
        ];
        for (row, results) in rows.iter().zip(table) {
            for (column, expected) in columns.iter().zip(results) {
                assert_eq!(
                    P::join(row.as_ref(), column.as_ref()),
                    expected,
                    "{row:?} {column:?}"
                );
            }
        }
    }
}
