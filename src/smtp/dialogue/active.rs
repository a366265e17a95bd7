//! The transaction that is under way: what the server offers, who was taken, what was decided.
//!
//! Promises: an outcome, once set, stays; the content is checked and stuffed before MAIL is said.
//! Refuses: to convert content for a server that cannot take it as it is, and to leave away what was
//! asked for: who asked would believe that it was done.
//! Standards: RFC 1870 §6; RFC 6152 §3; RFC 3030 §3; RFC 6531 §3.1; RFC 6710 §4.4; RFC 6758 §4;
//! RFC 3461 §5.2; RFC 8689 §4; RFC 2852 §4; RFC 5321 §4.5.2; RFC 9422 §4.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::Reply;
use super::super::line::stuff;
use super::super::reply::Class;
use super::{Cause, Outcome, Outgoing, Protocol, Transaction};
use crate::message::address::Address;
use crate::message::binary;
use crate::message::line::check as check_line;
use crate::message::service::{ByMode, Return};

/// What the server said in EHLO.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    pub(super) binary: bool,
    pub(super) chunking: bool,
    pub(super) deliver_by: bool,
    pub(super) dsn: bool,
    pub(super) eight_bit: bool,
    /// The least time that DELIVERBY may ask for, in seconds.
    pub(super) least_time: i64,
    pub(super) pipelining: bool,
    pub(super) priority: bool,
    /// The most recipients of one transaction, where the server says so.
    pub(super) recipients: Option<usize>,
    pub(super) require_tls: bool,
    /// The limit; 0 is none.
    pub(super) size: Option<u64>,
    pub(super) starttls: bool,
    pub(super) utf8: bool,
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
                "BINARYMIME" => offers.binary = true,
                "CHUNKING" => offers.chunking = true,
                "DELIVERBY" => {
                    offers.deliver_by = true;
                    let least = words.next().and_then(|word| word.parse().ok());
                    offers.least_time = least.unwrap_or(0).max(0);
                }
                "DSN" => offers.dsn = true,
                // RFC 9422 §4.2: limits that are not known here are passed over
                "LIMITS" => {
                    let most = words.find_map(|word| {
                        let (name, value) = word.split_once('=')?;
                        let counts = (1..=6).contains(&value.len());
                        let value = value.parse().ok().filter(|most| counts && *most > 0);
                        value.filter(|_| name.eq_ignore_ascii_case("RCPTMAX"))
                    });
                    offers.recipients = most;
                }
                "MT-PRIORITY" => offers.priority = true,
                "PIPELINING" => offers.pipelining = true,
                "REQUIRETLS" => offers.require_tls = true,
                "SIZE" => offers.size = words.next().unwrap_or("0").parse().ok().or(Some(0)),
                "SMTPUTF8" => offers.utf8 = true,
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
    is_binary: bool,
    is_utf8: bool,
    offers: Offers,
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
            is_binary: false,
            is_utf8: false,
            offers: Offers::default(),
        }
    }

    /// Decides what can be decided without the server, and makes the content ready.
    pub(super) fn check(
        &mut self,
        offers: &Offers,
        line_limit: usize,
        is_secured: bool,
        protocol: Protocol,
    ) {
        self.offers = offers.clone();
        let bytes = Arc::clone(&self.transaction.bytes);
        let header = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap_or(bytes.len());
        let is_header_ascii = bytes.get(..header).unwrap_or_default().is_ascii();
        self.is_eight_bit = !bytes.is_ascii();
        self.is_binary = check_line(&bytes).is_err() && binary::check(&bytes).is_ok();
        let from = self.transaction.from.address();
        let needs_utf8 = !is_header_ascii || !from.is_none_or(Address::is_ascii);
        let has_wide_recipient = self.transaction.recipients.iter().any(|to| !to.is_ascii());
        self.is_utf8 = offers.utf8 && (needs_utf8 || has_wide_recipient);
        if let Some((code, status, text)) = self.wanting(needs_utf8, is_secured, protocol) {
            self.fail(code, status, text);
        }
        match self.is_binary {
            true => {
                let size = bytes.len();
                self.content = vec![
                    Outgoing::Owned(format!("BDAT {size} LAST\r\n").into_bytes()),
                    Outgoing::Shared(bytes),
                ];
            }
            false => self.prepare(&bytes, line_limit, protocol),
        }
        for (number, (address, outcome)) in self
            .transaction
            .recipients
            .iter()
            .zip(&mut self.outcomes)
            .enumerate()
        {
            if !address.is_ascii() && !offers.utf8 && outcome.is_none() {
                let text = "the address needs SMTPUTF8, which is not spoken here";
                let reply = Reply::new(553, (5, 6, 7), text);
                *outcome = Some(Outcome::Failed(Cause::Local(reply)));
            }
            let most = offers.recipients.unwrap_or(usize::MAX);
            match outcome {
                None if self.asked.len() < most => self.asked.push(number),
                None => {
                    let text = "the server takes no more recipients in one transaction";
                    let reply = Reply::new(452, (4, 5, 3), text);
                    *outcome = Some(Outcome::Deferred(Cause::Local(reply)));
                }
                Some(_) => {}
            }
        }
    }

    /// What the server lacks, so that no recipient can have the message.
    fn wanting(
        &self,
        needs_utf8: bool,
        is_secured: bool,
        protocol: Protocol,
    ) -> Option<(u16, (u8, u16, u16), &'static str)> {
        let offers = &self.offers;
        let service = &self.transaction.terms.service;
        let size = u64::try_from(self.transaction.bytes.len()).unwrap_or(u64::MAX);
        if needs_utf8 && !offers.utf8 {
            let text = "the message needs SMTPUTF8, which is not spoken here";
            return Some((554, (5, 6, 7), text));
        }
        if self.is_binary && !(offers.binary && offers.chunking) {
            let text = "the message needs BINARYMIME, which the server does not offer";
            return Some((554, (5, 6, 3), text));
        }
        // RFC 6152 §3: convert or return; conversion would break every signature
        if self.is_eight_bit && !self.is_binary && !offers.eight_bit {
            let text = "the message needs 8BITMIME, which the server does not offer";
            return Some((554, (5, 6, 3), text));
        }
        if offers.size.is_some_and(|limit| limit > 0 && size > limit) {
            return Some((
                552,
                (5, 3, 4),
                "the message is larger than the server takes",
            ));
        }
        // RFC 8689 §4.2.1; §5: a report without body may go where the tag is not known
        let is_tagged = service.require_tls.is_yes() && self.transaction.from.address().is_some();
        if is_tagged && !is_secured {
            let text = "the message may travel inside TLS only, and this link has none";
            return Some((550, (5, 7, 10), text));
        }
        if is_tagged && !offers.require_tls {
            let text = "the message needs REQUIRETLS, which the server does not offer";
            return Some((550, (5, 7, 30), text));
        }
        // RFC 2852 §4.1: who asked for the message back must not lose sight of it
        let by = service.deliver_by?;
        let must_return = by.mode == ByMode::Return;
        if must_return && by.deadline <= self.transaction.at {
            let text = "the time by which the message was to be delivered is over";
            return Some((550, (5, 4, 7), text));
        }
        // With LMTP this is the delivery itself.
        if must_return && !offers.deliver_by && protocol == Protocol::Smtp {
            // RFC 2852 §4.1; X.4.7 as other switches say it: in time is what nobody can promise
            let text = "the message needs DELIVERBY, which the server does not offer";
            return Some((550, (5, 4, 7), text));
        }
        // RFC 2852 §3: the server says how much time it needs at least
        let left = by.deadline.duration_since(self.transaction.at).as_secs();
        if must_return && left < offers.least_time {
            let text = "the server does not deliver within the time that is left";
            return Some((550, (5, 4, 7), text));
        }
        None
    }

    /// Makes content ready for DATA.
    fn prepare(&mut self, bytes: &Arc<[u8]>, line_limit: usize, protocol: Protocol) {
        // RFC 6758 §4: where MT-PRIORITY is not known, the number goes through in a header field
        let tunnel = match (
            self.transaction.terms.priority,
            self.offers.priority,
            protocol,
        ) {
            (Some(priority), false, Protocol::Smtp) => format!("MT-Priority: {priority}\r\n"),
            _ => String::new(),
        };
        match stuff(bytes, line_limit) {
            Err(error) => {
                let text = format!("the message is not fit to be sent: {error}");
                self.fail(554, (5, 6, 0), &text);
            }
            Ok(Cow::Borrowed(text)) if text.len() > SMALL => {
                self.content = vec![
                    Outgoing::Owned(tunnel.into_bytes()),
                    Outgoing::Shared(Arc::clone(bytes)),
                    Outgoing::Owned(b".\r\n".to_vec()),
                ];
            }
            Ok(stuffed) => {
                let mut content = tunnel.into_bytes();
                content.reserve(stuffed.len().saturating_add(3));
                content.extend_from_slice(&stuffed);
                content.extend_from_slice(b".\r\n");
                self.content = vec![Outgoing::Owned(content)];
            }
        }
    }

    /// Whether the message goes by BDAT.
    pub(super) fn is_binary(&self) -> bool {
        self.is_binary
    }

    pub(super) fn mail(&self, offers: &Offers) -> String {
        let mut line = format!("MAIL FROM:{}", self.transaction.from);
        if offers.size.is_some() {
            line.push_str(&format!(" SIZE={}", self.transaction.bytes.len()));
        }
        if self.is_binary {
            line.push_str(" BODY=BINARYMIME");
        } else if self.is_eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        let terms = &self.transaction.terms;
        if offers.priority {
            // RFC 6710 §4.3: the number that was received is the number that is sent
            let own = self.transaction.precedence.mt_priority();
            let priority = terms.priority.unwrap_or(own);
            line.push_str(&format!(" MT-PRIORITY={priority}"));
        }
        if self.is_utf8 {
            line.push_str(" SMTPUTF8");
        }
        if offers.require_tls && terms.service.require_tls.is_yes() {
            line.push_str(" REQUIRETLS");
        }
        // RFC 3461 §5.2.1: passed on exactly, never invented
        if offers.dsn {
            match terms.service.returns {
                Some(Return::Full) => line.push_str(" RET=FULL"),
                Some(Return::Headers) => line.push_str(" RET=HDRS"),
                None => {}
            }
            if let Some(id) = &terms.service.envelope_id {
                line.push_str(&format!(" ENVID={id}"));
            }
        }
        if offers.deliver_by
            && let Some(by) = terms.service.deliver_by
        {
            // RFC 2852 §4.1.2: what is left; nine digits at most
            let left = by.deadline.duration_since(self.transaction.at).as_secs();
            let mode = match by.mode {
                ByMode::Notify => "N",
                ByMode::Return => "R",
            };
            let trace = if by.trace.is_yes() { "T" } else { "" };
            let left = left.clamp(-999_999_999, 999_999_999);
            line.push_str(&format!(" BY={left};{mode}{trace}"));
        }
        line
    }

    pub(super) fn rcpt(&self, at: usize) -> Option<String> {
        let number = *self.asked.get(at)?;
        let address = self.transaction.recipients.get(number)?;
        let mut line = format!("RCPT TO:<{address}>");
        if self.offers.dsn {
            let asked = self.transaction.terms.service.of(address);
            if let Some(notify) = asked.notify {
                line.push_str(&format!(" NOTIFY={notify}"));
            }
            // RFC 6533 §3: in UTF-8 only where SMTPUTF8 is spoken
            if let Some(original) = asked.original.filter(|o| self.is_utf8 || o.is_ascii()) {
                line.push_str(&format!(" ORCPT={}", original.as_str()));
            }
        }
        Some(line)
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
