//! AUTH: who the client is, by its certificate or by a password.
//!
//! Promises: a password makes somebody a `[[subject]]` and never a link; what a certificate said
//! stands; why a login failed the client is not told; each one that failed the line is told of.
//! Refuses: a login of somebody else than the certificate says; sources that failed too often.
//! Attacks stopped here: guessing; a stolen password beside another's certificate.
//! Standards: RFC 4422 appendix A; RFC 4954 §4, §6; RFC 5802; RFC 9266.

use super::connection::Connection;
use super::{Limit, Line, Notice};
use crate::message::address::Address;
use crate::message::envelope::Identity;
use crate::smtp::Reply;
use crate::smtp::sasl::{Exchange, Turn};
use crate::smtp::session::{Mechanism, Session};

/// A login that goes on.
pub(super) enum Login {
    External,
    Password(Mechanism, Exchange),
}

impl<L: Line> Connection<L> {
    /// Begins a login.
    pub(super) async fn begin_login(
        &mut self,
        session: &mut Session,
        mechanism: Mechanism,
        response: Option<&[u8]>,
    ) {
        if !self.place.may_log_in() {
            self.came_to(Limit::Logins).await;
            let text = "too many logins failed from where you are; try again later";
            return session.answer(Reply::new(454, (4, 7, 0), text));
        }
        self.login = match mechanism {
            Mechanism::External => Some(Login::External),
            _ => match Exchange::new(mechanism, self.binding.clone()) {
                Ok(exchange) => Some(Login::Password(mechanism, exchange)),
                Err(error) => {
                    tracing::error!(%error, "a login cannot begin");
                    None
                }
            },
        };
        self.go_on_login(session, response).await;
    }

    /// Takes the client's response.
    pub(super) async fn go_on_login(&mut self, session: &mut Session, response: Option<&[u8]>) {
        match self.login.take() {
            Some(Login::External) => self.by_certificate(session, response).await,
            Some(Login::Password(mechanism, exchange)) => {
                self.by_password(session, (mechanism, exchange), response)
                    .await;
            }
            None => session.answer(cannot_now()),
        }
    }

    // RFC 4422 appendix A: the certificate has said who it is; the client may only repeat it
    async fn by_certificate(&mut self, session: &mut Session, wanted: Option<&[u8]>) {
        let identity = session.identity().clone();
        let agrees = match (&identity, wanted) {
            // RFC 4954 §4: without an initial response the server asks for one
            (_, None) => {
                self.login = Some(Login::External);
                return session.challenge(b"");
            }
            (Identity::Nobody, _) => false,
            (_, Some(b"")) => true,
            (Identity::Subject(own), Some(wanted)) => std::str::from_utf8(wanted)
                .ok()
                .and_then(|wanted| Address::parse(wanted).ok())
                .is_some_and(|wanted| wanted == *own),
            (Identity::Link(name), Some(wanted)) => name.as_bytes() == wanted,
        };
        match agrees {
            true => session.logged_in(identity),
            false => {
                let text = "the certificate does not say that you are this";
                self.login_failed(session, Mechanism::External).await;
                session.answer(Reply::new(535, (5, 7, 8), text));
            }
        }
    }

    async fn by_password(
        &mut self,
        session: &mut Session,
        (mechanism, mut exchange): (Mechanism, Exchange),
        response: Option<&[u8]>,
    ) {
        let Some(passwords) = self.config.passwords.clone() else {
            return session.answer(cannot_now());
        };
        let response = response.map(|octets| zeroize::Zeroizing::new(octets.to_vec()));
        // The rounds of a password take a core for a while: not the one that serves everybody.
        let turned = tokio::task::spawn_blocking(move || {
            let turn = exchange.respond(&passwords, response.as_ref().map(|octets| &octets[..]));
            (exchange, turn)
        });
        match turned.await {
            Err(error) => {
                tracing::error!(%error, "a login cannot go on");
                session.answer(cannot_now());
            }
            Ok((exchange, Turn::Challenge(challenge))) => {
                self.login = Some(Login::Password(mechanism, exchange));
                session.challenge(&challenge);
            }
            Ok((_, Turn::Known(user))) if self.may_be(session.identity(), &user) => {
                session.logged_in(Identity::Subject(user));
                self.introduced(session);
            }
            Ok((_, Turn::Known(_) | Turn::No)) => {
                self.login_failed(session, mechanism).await;
                session.answer(Reply::new(535, (5, 7, 8), "the login failed"));
            }
        }
    }

    /// Counts it against the source, and tells of it.
    async fn login_failed(&self, session: &Session, mechanism: Mechanism) {
        self.place.login_failed();
        let (listener, address) = (&self.listener.name, self.address);
        tracing::warn!(%listener, %address, mechanism = mechanism.name(), "a login failed");
        let peer = self.peer(session);
        self.line
            .noticed(Notice::LoginFailed { peer, mechanism })
            .await;
    }

    /// Whether a password may make `user` of this peer.
    fn may_be(&self, certified: &Identity, user: &Address) -> bool {
        let agrees = match certified {
            Identity::Nobody => true,
            Identity::Subject(own) => own == user,
            Identity::Link(_) => false,
        };
        agrees && self.config.subjects.contains_key(user)
    }
}

// RFC 4954 §6
fn cannot_now() -> Reply {
    Reply::new(454, (4, 7, 0), "nobody can log in now; try again later")
}
