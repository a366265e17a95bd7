//! STEP 1 of the line: SMTP in. Owns the sockets; `smtp::session` owns the dialogue.
//!
//! Duty: listens, shakes hands, learns who the peer is, and hands each message to the [`Line`].
//! Promises: the reply after the final dot is what the line answered; a peer that has not shown a
//! certificate of ours, or logged in, hands nothing in; slow peers are bounded by timers, many by
//! places (`slots`).
//! Standards: RFC 5321, RFC 3207, RFC 8314, RFC 2033, RFC 4954, the PROXY protocol, XCLIENT.

mod answer;
mod connection;
mod login;
mod notice;
mod pace;
mod slots;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub use answer::Answer;
pub use notice::{Limit, Notice};

use crate::clock::Clock;
use crate::config::{Config, InForce, ListenTls, Listener};
use crate::decision::Refusal;
use crate::deliver::Draining;
use crate::message::MessageId;
use crate::message::envelope::{Identity, Peer};
use crate::message::received::Received;
use crate::smtp::Reply;
use crate::tls;
use slots::{Admission, Counted, Slots};

/// How long a peer that is turned away may take to read why.
const REFUSE: Duration = Duration::from_secs(1);

/// What takes a received message through the steps.
pub trait Line: Send + Sync + 'static {
    /// Records something of a peer that handed nothing in.
    fn noticed(&self, notice: Notice) -> impl Future<Output = ()> + Send;

    /// How many sessions are open; counted here, for whoever wants to know.
    fn sessions(&self) -> &Arc<AtomicUsize>;

    /// Whether a message that asks for this priority would be taken at all, for want of room.
    fn has_room(&self, priority: Option<i8>) -> bool;

    /// Judges and keeps one message. When this returns [`Answer::Accepted`], it is durable.
    fn receive(&self, received: Received) -> impl Future<Output = Answer> + Send;

    /// Records a message that cannot even be read; the refusal is the answer.
    fn unreadable(
        &self,
        id: MessageId,
        peer: Peer,
        refusal: Refusal,
    ) -> impl Future<Output = Answer> + Send;
}

/// Serves one listener until it is told to stop, or the task is dropped. Then who is silent is sent
/// away, and who is sending a message may finish it.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn serve<L: Line>(
    in_force: InForce,
    clock: Clock,
    line: Arc<L>,
    listener: Listener,
    socket: TcpListener,
    draining: Draining,
) -> Result<(), tls::TlsError> {
    let mut tls = tls::Server::new(in_force)?;
    let slots = Slots::new(&listener, clock.clone());
    let listener = Arc::new(listener);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = draining.begun() => return Ok(()),
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(listener = %listener.name, %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (config, acceptor) = match tls.present() {
            Ok((config, server)) => (config, TlsAcceptor::from(server)),
            Err(error) => {
                tracing::error!(listener = %listener.name, %error, "a connection cannot be served");
                continue;
            }
        };
        let is_proxy = listener.proxies.contains(&address.ip());
        let counted = match is_proxy || listener.xclient.contains(&address.ip()) {
            true => Counted::Later,
            false => Counted::Now,
        };
        let place = match slots.admit(address.ip(), counted) {
            Admission::Place(place) => place,
            Admission::Refused(hit) => {
                let why = match hit.limit {
                    Limit::Places => "all connections are taken",
                    _ => "you have connections enough",
                };
                turn_away(&config, &listener, stream, why);
                if let Some(notice) = hit.notice(&listener.name, address.ip()) {
                    let line = Arc::clone(&line);
                    tokio::spawn(async move { line.noticed(notice).await });
                }
                continue;
            }
        };
        let connection = connection::Connection {
            config,
            clock: clock.clone(),
            line: Arc::clone(&line),
            listener: Arc::clone(&listener),
            acceptor,
            address: address.ip(),
            place,
            certified: Identity::Nobody,
            binding: None,
            login: None,
            cannot_tell: false,
            draining: draining.clone(),
            was_turned_away: false,
            ends: tokio::time::Instant::now() + listener.timers.session,
        };
        let session = Open::new(line.sessions());
        tokio::spawn(async move {
            let _session = session;
            if let Err(error) = connection.run(stream).await {
                tracing::debug!(%address, %error, "a connection ended early");
            }
        });
    }
}

/// A session that is open, as long as this lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(sessions: &Arc<AtomicUsize>) -> Self {
        sessions.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(sessions))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// RFC 5321 §3.8: 421 in place of the greeting; where TLS begins at once, there is nothing to say
fn turn_away(config: &Config, listener: &Listener, mut stream: TcpStream, why: &'static str) {
    tracing::debug!(listener = %listener.name, why, "a connection was turned away");
    if listener.tls == ListenTls::Implicit {
        return;
    }
    let text = format!("{} {why}; try again later", config.name);
    let octets = Reply::new(421, (4, 3, 2), &text).to_bytes();
    // It fits into the socket's buffer: nothing waits for who does not read.
    if stream.try_write(&octets).is_ok() {
        tokio::spawn(async move { tokio::time::timeout(REFUSE, stream.shutdown()).await });
    }
}
