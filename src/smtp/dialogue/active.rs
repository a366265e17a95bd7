//! The transaction that is under way: what the server offers, who was taken, what was decided.
//!
//! Promises: an outcome, once set, stays; the content is checked and stuffed before MAIL is said.
//! Refuses: to convert content for a server that cannot take it as it is.
//! Standards: RFC 1870 §6; RFC 6152 §3; RFC 6531 §3.1; RFC 6710 §4.4; RFC 5321 §4.5.2.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::Reply;
use super::super::line::stuff;
use super::super::reply::Class;
use super::{Cause, Outcome, Outgoing, Transaction};
use crate::message::address::Address;

/// What the server said in EHLO.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    pub(super) eight_bit: bool,
    pub(super) pipelining: bool,
    pub(super) priority: bool,
    /// The limit; 0 is none.
    pub(super) size: Option<u64>,
    pub(super) starttls: bool,
}

impl Offers {
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
                .as_str()
            {
                "8BITMIME" => offers.eight_bit = true,
                "MT-PRIORITY" => offers.priority = true,
                "PIPELINING" => offers.pipelining = true,
                "SIZE" => offers.size = words.next().unwrap_or("0").parse().ok().or(Some(0)),
                "STARTTLS" => offers.starttls = true,
                _ => {}
            }
        }
        offers
    }
}

/// A transaction and what became of its recipients so far.
#[derive(Debug)]
pub(super) struct Active {
    transaction: Transaction,
    outcomes: Vec<Option<Outcome>>,
    /// The numbers of the recipients that RCPT is said for.
    asked: Vec<usize>,
    /// The numbers of those that the server took, in order.
    taken: Vec<usize>,
    content: Vec<Outgoing>,
    is_eight_bit: bool,
}

/// Up to here one write (and one packet less) is worth a copy.
const SMALL: usize = 65_536;

impl Active {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self {
            outcomes: vec![None; transaction.recipients.len()],
            transaction,
            asked: Vec::new(),
            taken: Vec::new(),
            content: Vec::new(),
            is_eight_bit: false,
        }
    }

    /// Decides what can be decided without the server, and makes the content ready.
    pub(super) fn check(&mut self, offers: &Offers, line_limit: usize) {
        let bytes = Arc::clone(&self.transaction.bytes);
        let header = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap_or(bytes.len());
        let is_header_ascii = bytes.get(..header).unwrap_or_default().is_ascii();
        self.is_eight_bit = !bytes.is_ascii();
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_from_ascii = self
            .transaction
            .from
            .address()
            .is_none_or(Address::is_ascii);
        if !is_header_ascii || !is_from_ascii {
            self.fail(
                554,
                (5, 6, 7),
                "the message needs SMTPUTF8, which is not spoken here",
            );
        } else if self.is_eight_bit && !offers.eight_bit {
            // RFC 6152 §3: convert or return; conversion would break every signature
            self.fail(
                554,
                (5, 6, 3),
                "the message needs 8BITMIME, which the server does not offer",
            );
        } else if offers.size.is_some_and(|limit| limit > 0 && size > limit) {
            self.fail(
                552,
                (5, 3, 4),
                "the message is larger than the server takes",
            );
        }
        match stuff(&bytes, line_limit) {
            Err(error) => {
                let text = format!("the message is not fit to be sent: {error}");
                self.fail(554, (5, 6, 0), &text);
            }
            Ok(Cow::Borrowed(bytes)) if bytes.len() > SMALL => {
                self.content = vec![
                    Outgoing::Shared(Arc::clone(&self.transaction.bytes)),
                    Outgoing::Owned(b".\r\n".to_vec()),
                ];
            }
            Ok(stuffed) => {
                let mut content = Vec::with_capacity(stuffed.len().saturating_add(3));
                content.extend_from_slice(&stuffed);
                content.extend_from_slice(b".\r\n");
                self.content = vec![Outgoing::Owned(content)];
            }
        }
        for (number, (address, outcome)) in self
            .transaction
            .recipients
            .iter()
            .zip(&mut self.outcomes)
            .enumerate()
        {
            if !address.is_ascii() && outcome.is_none() {
                let text = "the address needs SMTPUTF8, which is not spoken here";
                let reply = Reply::new(553, (5, 6, 7), text);
                *outcome = Some(Outcome::Failed(Cause::Local(reply)));
            }
            if outcome.is_none() {
                self.asked.push(number);
            }
        }
    }

    pub(super) fn mail(&self, offers: &Offers) -> String {
        let mut line = format!("MAIL FROM:{}", self.transaction.from);
        if offers.size.is_some() {
            line.push_str(&format!(" SIZE={}", self.transaction.bytes.len()));
        }
        if self.is_eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        if offers.priority {
            let priority = self.transaction.precedence.mt_priority();
            line.push_str(&format!(" MT-PRIORITY={priority}"));
        }
        line
    }

    pub(super) fn rcpt(&self, at: usize) -> Option<String> {
        let number = *self.asked.get(at)?;
        let address = self.transaction.recipients.get(number)?;
        Some(format!("RCPT TO:<{address}>"))
    }

    pub(super) fn rcpts(&self) -> Vec<String> {
        (0..self.asked.len())
            .filter_map(|at| self.rcpt(at))
            .collect()
    }

    pub(super) fn recipient_answered(&mut self, at: usize, reply: Reply) {
        let Some(&number) = self.asked.get(at) else {
            return;
        };
        if reply.class() == Class::Done {
            self.taken.push(number);
        } else if let Some(outcome) = self.outcomes.get_mut(number) {
            *outcome = Some(Outcome::of_recipient(reply));
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn take_content(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.content)
    }

    /// Sets the outcome of the taken recipient with this number.
    pub(super) fn decide_taken(&mut self, at: usize, decided: Outcome) {
        let number = self.taken.get(at).copied();
        if let Some(outcome) = number.and_then(|number| self.outcomes.get_mut(number)) {
            outcome.get_or_insert(decided);
        }
    }

    /// Sets the outcome of all that have none yet.
    pub(super) fn decide_rest(&mut self, decided: &Outcome) {
        for outcome in &mut self.outcomes {
            outcome.get_or_insert_with(|| decided.clone());
        }
    }

    pub(super) fn is_decided(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    pub(super) fn into_outcomes(self) -> Vec<(Address, Outcome)> {
        let unknown = || {
            let text = "nothing is known about this recipient";
            Outcome::Deferred(Cause::Local(Reply::new(451, (4, 3, 0), text)))
        };
        let outcomes = self.outcomes.into_iter().map(|o| o.unwrap_or_else(unknown));
        self.transaction
            .recipients
            .into_iter()
            .zip(outcomes)
            .collect()
    }

    fn fail(&mut self, code: u16, status: (u8, u16, u16), text: &str) {
        let reply = Reply::new(code, status, text);
        self.decide_rest(&Outcome::Failed(Cause::Local(reply)));
    }
}
