//! What is offered in EHLO, and whether MAIL and RCPT ask for more than that.
//!
//! Promises: what was not offered is not taken; relative times become absolute here.
//! Standards: RFC 5321 §4.1.1.11; RFC 1870 §6.1; RFC 2852 §4; RFC 4865 §4; RFC 6531 §3.5; RFC 6710
//! §4.1; RFC 8689 §2; RFC 9422 §4.

use std::time::Duration;

use super::super::Reply;
use super::super::command::{Hold, MailParameters, OFFERED};
use super::super::reply::Class;
use super::{Extension, Form, PriorityOffer, Session, StartTls};
use crate::clock::Timestamp;
use crate::message::address::{Address, ReversePath};
use crate::message::envelope::{Body, Envelope, Protection};
use crate::message::service::{DeliverBy, RecipientService, Service};

impl Session {
    /// The lines of the reply to EHLO after the first.
    pub(super) fn extensions(&self) -> Vec<String> {
        let mut offered = vec![
            "PIPELINING".to_owned(),
            format!("SIZE {}", self.settings.size_limit),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
        ];
        // RFC 3207 §4.2: not again once TLS is there
        if self.is_starttls_offered() {
            offered.push("STARTTLS".to_owned());
        }
        if self.is_priority_offered() {
            offered.push("MT-PRIORITY STANAG4406".to_owned());
        }
        for extension in &self.settings.extensions {
            if self.offers(*extension) {
                offered.push(self.line(*extension));
            }
        }
        let mechanisms: Vec<&str> = self.mechanisms().map(|m| m.name()).collect();
        if !mechanisms.is_empty() {
            offered.push(format!("AUTH {}", mechanisms.join(" ")));
        }
        offered
    }

    fn line(&self, extension: Extension) -> String {
        match extension {
            Extension::BinaryMime => "BINARYMIME".to_owned(),
            Extension::Chunking => "CHUNKING".to_owned(),
            Extension::DeliverBy => "DELIVERBY".to_owned(),
            Extension::Dsn => "DSN".to_owned(),
            // RFC 4865 §3: the longest time, and the last moment
            Extension::FutureRelease => format!(
                "FUTURERELEASE {} {}",
                self.settings.future_release.as_secs(),
                self.latest_release().strftime("%Y-%m-%dT%H:%M:%SZ")
            ),
            // RFC 9422 §3
            Extension::Limits => format!(
                "LIMITS MAILMAX={} RCPTMAX={}",
                self.settings.messages_limit, self.settings.recipients_limit
            ),
            Extension::RequireTls => "REQUIRETLS".to_owned(),
            Extension::SmtpUtf8 => "SMTPUTF8".to_owned(),
            Extension::XClient => OFFERED.to_owned(),
        }
    }

    /// Whether an extension is offered now.
    pub(super) fn offers(&self, extension: Extension) -> bool {
        // RFC 8689 §2: only inside TLS
        let may = match extension {
            Extension::RequireTls => self.protection == Protection::Tls,
            // Not beside a login, whichever came first.
            Extension::XClient => !self.is_logged_in(),
            _ => true,
        };
        may && self.settings.extensions.contains(&extension)
    }

    pub(super) fn is_starttls_offered(&self) -> bool {
        self.settings.starttls == StartTls::Offered && self.protection == Protection::Clear
    }

    fn is_priority_offered(&self) -> bool {
        match self.settings.priority {
            PriorityOffer::AfterTls => self.protection == Protection::Tls,
            PriorityOffer::Always => true,
            PriorityOffer::Never => false,
        }
    }

    fn is_extended(&self) -> bool {
        self.hello
            .as_ref()
            .is_some_and(|hello| hello.form != Form::Helo)
    }

    // RFC 5321 §4.1.1.11: only what was offered in EHLO may be used
    /// What the parameters of MAIL come to, or the reply that refuses them.
    pub(super) fn transaction(
        &self,
        from: ReversePath,
        parameters: MailParameters,
    ) -> Result<Envelope, Reply> {
        use Extension::{BinaryMime, Dsn, FutureRelease, RequireTls, SmtpUtf8};
        let p = &parameters;
        let wanted = [
            (p.size.is_some() || p.body.is_some(), true),
            (p.priority.is_some(), self.is_priority_offered()),
            (p.body == Some(Body::BinaryMime), self.offers(BinaryMime)),
            (p.envelope_id.is_some(), self.offers(Dsn)),
            (p.returns.is_some(), self.offers(Dsn)),
            (p.by.is_some(), self.offers(Extension::DeliverBy)),
            (p.hold.is_some(), self.offers(FutureRelease)),
            (p.require_tls.is_yes(), self.offers(RequireTls)),
            (p.smtputf8.is_yes(), self.offers(SmtpUtf8)),
            (p.auth.is_some(), !self.settings.mechanisms.is_empty()),
        ];
        let extended = self.is_extended();
        if wanted
            .iter()
            .any(|(used, offered)| *used && !(*offered && extended))
        {
            return Err(not_offered());
        }
        // RFC 1870 §6.1
        let limit = self.size_limit_at(p.priority);
        if p.size.is_some_and(|size| size > limit) {
            return Err(self.too_large(limit));
        }
        // RFC 6531 §3.5
        if !p.smtputf8.is_yes() && from.address().is_some_and(|from| !from.is_ascii()) {
            return Err(needs_utf8());
        }
        // RFC 2852 §4: the time counts from this command
        let deliver_by = p.by.map(|by| DeliverBy {
            deadline: self
                .now
                .saturating_add(jiff::SignedDuration::from_secs(by.seconds))
                .unwrap_or(Timestamp::MAX),
            mode: by.mode,
            trace: by.trace,
        });
        Ok(Envelope {
            from,
            recipients: Vec::new(),
            priority: p.priority,
            body: p.body.unwrap_or_default(),
            declared_size: p.size,
            service: Service {
                deliver_by,
                hold_until: p.hold.map(|hold| self.released_at(hold)).transpose()?,
                envelope_id: parameters.envelope_id,
                returns: parameters.returns,
                require_tls: parameters.require_tls,
                smtputf8: parameters.smtputf8,
                recipients: [].into(),
            },
        })
    }

    /// Whether RCPT asks for what was not offered.
    pub(super) fn recipient_wanting(
        &self,
        address: &Address,
        service: &RecipientService,
    ) -> Option<Reply> {
        let wants_dsn = service.notify.is_some() || service.original.is_some();
        if wants_dsn && !(self.offers(Extension::Dsn) && self.is_extended()) {
            return Some(not_offered());
        }
        let spoken = self
            .envelope
            .as_ref()
            .is_some_and(|envelope| envelope.service.smtputf8.is_yes());
        let original = service.original.as_ref();
        let is_ascii = address.is_ascii() && original.is_none_or(|original| original.is_ascii());
        (!spoken && !is_ascii).then(needs_utf8)
    }

    // RFC 4865 §4.2: 501 for what lies beyond the limit
    fn released_at(&self, hold: Hold) -> Result<Timestamp, Reply> {
        let at = match hold {
            Hold::For(time) => self.now.saturating_add(time).unwrap_or(Timestamp::MAX),
            Hold::Until(at) => at,
        };
        match at <= self.latest_release() {
            true => Ok(at),
            false => {
                let text = "the message would be held longer than this server holds messages";
                Err(Reply::new(501, (5, 5, 4), text))
            }
        }
    }

    fn latest_release(&self) -> Timestamp {
        let longest: Duration = self.settings.future_release;
        self.now.saturating_add(longest).unwrap_or(Timestamp::MAX)
    }

    // RFC 6710 §4.1, X.3.6: taken, with a lower priority
    /// Lowers the priority of a transaction to what this peer may ask for.
    pub(super) fn capped(&mut self, reply: Reply) -> Reply {
        let (Some(ceiling), Some(envelope)) = (self.priority_ceiling, &mut self.envelope) else {
            return reply;
        };
        match envelope.priority {
            Some(asked) if asked > ceiling && reply.class() == Class::Done => {
                envelope.priority = Some(ceiling);
                // RFC 6710 §8 (X.3.6): the new priority, a space, and words
                let text = format!("{ceiling} is the priority now: more is not taken from you");
                Reply::new(reply.code, (2, 3, 6), &text)
            }
            _ => reply,
        }
    }
}

fn not_offered() -> Reply {
    Reply::new(555, (5, 5, 4), "this parameter was not offered")
}

// RFC 6531 §3.5
fn needs_utf8() -> Reply {
    Reply::new(553, (5, 6, 7), "addresses outside ASCII need SMTPUTF8")
}
