//! One transaction: who sends, who receives, and what a client needs before it may say so.
//!
//! Promises: a recipient stands in the envelope once; a size that is refused names its limit.
//! Refuses: MAIL without TLS, certificate or login where they are needed; more than the limits.
//! Standards: RFC 5321 §4.1.1.2, §4.1.1.3; RFC 3207 §4; RFC 1870 §6; RFC 6710 §5, §7.

use super::super::Reply;
use super::super::command::{MailParameters, Recipient};
use super::{ClientCertificate, Question, RequireTls, Session, State, Waiting};
use crate::message::Precedence;
use crate::message::address::{Address, ReversePath};
use crate::message::envelope::Protection;
use crate::message::service::RecipientService;

impl Session {
    pub(super) fn mail(&mut self, from: ReversePath, parameters: MailParameters) {
        if let Some(reply) = self.protection_wanting() {
            return self.refuse(&reply);
        }
        if self.messages >= self.settings.messages_limit {
            let text = "enough messages on this connection: open another";
            self.reply(&Reply::new(421, (4, 3, 2), text));
            return self.close();
        }
        match self.transaction(from, parameters) {
            Ok(envelope) => self.ask(
                Question::Sender(envelope.from.clone()),
                Waiting::Sender(Box::new(envelope)),
            ),
            Err(reply) => self.refuse(&reply),
        }
    }

    pub(super) fn rcpt(&mut self, recipient: Recipient, service: RecipientService) {
        let address = match recipient {
            Recipient::Mailbox(address) => Ok(address),
            Recipient::Postmaster => {
                Address::parse(&format!("postmaster@{}", self.settings.hostname))
            }
        };
        let Ok(address) = address else {
            return self.refuse(&Reply::new(550, (5, 1, 1), "no postmaster here"));
        };
        if let Some(reply) = self.recipient_wanting(&address, &service) {
            return self.refuse(&reply);
        }
        let count = self.envelope.as_ref().map_or(0, |e| e.recipients.len());
        if count >= self.settings.recipients_limit {
            // RFC 5321 §4.5.3.1.10: not an error, the client sends the rest later
            return self.reply(&Reply::new(452, (4, 5, 3), "too many recipients"));
        }
        self.ask(
            Question::Recipient(address.clone()),
            Waiting::Recipient(address, service),
        );
    }

    /// Each recipient once: two RCPTs for one mailbox are one delivery.
    pub(super) fn add_recipient(&mut self, address: Address, service: RecipientService) {
        self.taken = self.taken.saturating_add(1);
        if let Some(envelope) = &mut self.envelope
            && !envelope.recipients.contains(&address)
        {
            if service != RecipientService::default() {
                envelope.service.recipients.insert(address.clone(), service);
            }
            envelope.recipients.push(address);
        }
    }

    /// Drops the transaction.
    pub(super) fn forget(&mut self) {
        self.envelope = None;
        self.chunks = Vec::new();
        self.taken = 0;
    }

    pub(super) fn state_of_envelope(&self) -> State {
        match &self.envelope {
            None => State::Ready,
            Some(envelope) if envelope.recipients.is_empty() => State::Sender,
            Some(_) => State::Recipients,
        }
    }

    // RFC 3207 §4
    pub(super) fn protection_wanting(&self) -> Option<Reply> {
        let is_clear = self.protection == Protection::Clear;
        if is_clear && self.settings.require_tls == RequireTls::Yes {
            return Some(Reply::new(530, (5, 7, 0), "say STARTTLS first"));
        }
        let (known, text) = match self.settings.client_certificate {
            ClientCertificate::Asked => return None,
            ClientCertificate::OrLogin => (
                self.is_logged_in() || self.certificate.is_some(),
                "log in first, or show a client certificate that this switch trusts",
            ),
            ClientCertificate::Required => (
                self.certificate.is_some(),
                "a client certificate that this switch trusts is needed",
            ),
        };
        (!known).then(|| Reply::new(530, (5, 7, 0), text))
    }

    // RFC 6710 §5: an operator may take urgent messages only when they are small
    /// The largest message at this priority.
    pub(super) fn size_limit_at(&self, priority: Option<i8>) -> u64 {
        let limits = &self.settings.size_limits;
        priority
            .map(Precedence::from_mt_priority)
            .and_then(|precedence| limits.iter().find(|(at, _)| *at == precedence))
            .map_or(u64::MAX, |(_, limit)| *limit)
            .min(self.settings.size_limit)
    }

    /// The largest message of the transaction.
    pub(super) fn size_limit(&self) -> u64 {
        self.size_limit_at(
            self.envelope
                .as_ref()
                .and_then(|envelope| envelope.priority),
        )
    }

    /// The refusal of a message that is larger than `limit`.
    pub(super) fn too_large(&self, limit: u64) -> Reply {
        match limit < self.settings.size_limit {
            true => Reply::new(
                552,
                (5, 7, 16),
                &format!("a message of this priority may have {limit} octets"),
            ),
            false => Reply::new(
                552,
                (5, 3, 4),
                &format!("a message may have {limit} octets"),
            ),
        }
    }
}
