//! What has been sealed: the only thing that `queue::put` takes.
//!
//! Promises: a `Sealed` is made only inside `seal`, from what was released.

use std::sync::Arc;

use crate::decision::Ground;
use crate::message::address::{Address, ReversePath};
use crate::message::service::Terms;
use crate::message::{MessageId, Precedence};
use crate::store::{Considered, Permitted};

/// One message, made fit for one next hop.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub(in crate::seal) message: MessageId,
    pub(in crate::seal) next_hop: String,
    pub(in crate::seal) from: ReversePath,
    pub(in crate::seal) recipients: Vec<Address>,
    pub(in crate::seal) bytes: Arc<[u8]>,
    pub(in crate::seal) precedence: Precedence,
    pub(in crate::seal) judged_under: String,
    pub(in crate::seal) permitted: Permitted,
    pub(in crate::seal) terms: Terms,
    pub(in crate::seal) grounds: Vec<Ground>,
    pub(in crate::seal) originator: Option<Address>,
    pub(in crate::seal) considered: Considered,
    pub(in crate::seal) sics: Vec<String>,
}

impl Sealed {
    /// The message as this switch received it.
    pub fn message(&self) -> MessageId {
        self.message
    }

    /// The name of the `[[link]]` that carries it on.
    pub fn next_hop(&self) -> &str {
        &self.next_hop
    }

    /// Whom a failure is reported to.
    pub fn from(&self) -> &ReversePath {
        &self.from
    }

    /// Who signed it; nobody for the switch's own words.
    pub fn originator(&self) -> Option<&Address> {
        self.originator.as_ref()
    }

    /// Whether that one says that MINIMIZE was considered.
    pub fn considered(&self) -> Considered {
        self.considered
    }

    /// The subject indicator codes that this one signed.
    pub fn sics(&self) -> &[String] {
        &self.sics
    }

    /// What the envelope asks of those who carry it on.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The recipients behind this next hop, at least one.
    pub fn recipients(&self) -> &[Address] {
        &self.recipients
    }

    /// The message as it goes on the wire: CRLF lines, not dot-stuffed.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// How urgent it is.
    pub fn precedence(&self) -> Precedence {
        self.precedence
    }

    /// The number of the rules under which it was judged.
    pub fn judged_under(&self) -> &str {
        &self.judged_under
    }

    /// What they permitted it as.
    pub fn permitted(&self) -> &Permitted {
        &self.permitted
    }

    /// What was chosen on the way: whose certificate stands for whom.
    pub fn grounds(&self) -> &[Ground] {
        &self.grounds
    }

    /// The same message from somebody who asks for this.
    #[cfg(test)]
    pub(crate) fn for_test_from(self, from: ReversePath, terms: Terms) -> Self {
        Self {
            from,
            terms,
            ..self
        }
    }

    /// The same message for these recipients.
    #[cfg(test)]
    pub(crate) fn for_test_to(self, recipients: Vec<Address>) -> Self {
        Self { recipients, ..self }
    }

    /// A sealed message for the tests of the rooms that come after `seal`.
    #[cfg(test)]
    pub(crate) fn for_test(next_hop: &str, precedence: Precedence, bytes: &[u8]) -> Self {
        Self {
            message: MessageId::new([7; 16]),
            next_hop: next_hop.into(),
            from: ReversePath::Null,
            recipients: vec![Address::parse("someone@test.example").unwrap()],
            bytes: bytes.into(),
            precedence,
            judged_under: "test".into(),
            permitted: Permitted::Own,
            terms: Terms::default(),
            grounds: Vec::new(),
            originator: None,
            considered: Considered::No,
            sics: Vec::new(),
        }
    }
}
