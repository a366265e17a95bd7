//! STEP 1 of the line: SMTP in. Owns the sockets; `smtp::session` owns the dialogue.
//!
//! Duty: listens, shakes hands, learns who the peer is, and hands each message to the [`Line`].
//! Promises: the reply after the final dot is what the line answered; a peer that has not shown a
//! certificate of ours hands nothing in; slow peers are bounded by timers, many by permits.
//! Standards: RFC 5321, RFC 3207, RFC 8314, RFC 2033, the PROXY protocol.

mod answer;
mod connection;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

pub use answer::Answer;

use crate::clock::Clock;
use crate::config::{InForce, Listener};
use crate::decision::Refusal;
use crate::message::MessageId;
use crate::message::envelope::Peer;
use crate::message::received::Received;
use crate::tls;

/// The most connections of one listener at one time.
const CONNECTIONS: usize = 500;
/// How long a peer may be silent.
const IDLE: Duration = Duration::from_secs(60);
/// How long a peer may be silent when nine tenths of the connections are taken.
const IDLE_WHEN_CROWDED: Duration = Duration::from_secs(10);

/// What takes a received message through the steps.
pub trait Line: Send + Sync + 'static {
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

/// Serves one listener until the task is dropped.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn serve<L: Line>(
    in_force: InForce,
    clock: Clock,
    line: Arc<L>,
    listener: Listener,
    socket: TcpListener,
) -> Result<(), tls::TlsError> {
    let mut tls = tls::Server::new(in_force)?;
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let listener = Arc::new(listener);
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return Ok(());
        };
        let (stream, address) = match socket.accept().await {
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
        let connection = connection::Connection {
            config,
            clock: clock.clone(),
            line: Arc::clone(&line),
            listener: Arc::clone(&listener),
            acceptor,
            address: address.ip(),
            idle: match connections.available_permits() < CONNECTIONS / 10 {
                true => IDLE_WHEN_CROWDED,
                false => IDLE,
            },
            cannot_tell: AtomicBool::new(false),
        };
        tokio::spawn(async move {
            if let Err(error) = connection.run(stream).await {
                tracing::debug!(%address, %error, "a connection ended early");
            }
            drop(permit);
        });
    }
}
