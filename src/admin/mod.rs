//! WINDOW: looks in, never in the path. An HTTP interface over TLS for officers and operators.
//!
//! Duty: lists and shows held drafts, takes releasing signatures and returns, shows the queue.
//! Promises: whoever calls is named by a client certificate that our own trust store confirms;
//! nobody else gets an answer; a refusal is the same value as in SMTP, as JSON.
//! `forward` sends events to collectors; `metrics` shows this machine's own programs how the switch does.
//! JSON contract: README, chapter "The desk".

pub mod api;
pub mod directory;
pub mod minimize;
pub mod drain;
mod exposition;
pub mod forward;
pub mod metrics;
pub mod queue;
pub mod reload;
pub mod reports;
pub mod store;
pub mod tally;

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;
use crate::config::{Config, InForce};
use crate::message::address::Address;
use crate::message::envelope::Identity;
use crate::switch::Switch;
use crate::tls;

/// The most connections at one time.
const CONNECTIONS: usize = 64;
/// How long a handshake may take.
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(10);

/// Serves the desk on `listener` until the task is dropped.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn serve(
    in_force: InForce,
    clock: Clock,
    switch: Arc<Switch>,
    listener: TcpListener,
) -> Result<(), tls::TlsError> {
    let mut tls = tls::Server::new(in_force)?;
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return Ok(());
        };
        let Ok((socket, _)) = listener.accept().await else {
            // Out of file descriptors or the like: others end soon.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let (config, acceptor) = match tls.present() {
            Ok((config, server)) => (config, TlsAcceptor::from(server)),
            Err(error) => {
                tracing::error!(%error, "a desk connection cannot be served");
                continue;
            }
        };
        let (clock, switch) = (clock.clone(), Arc::clone(&switch));
        tokio::spawn(async move {
            if let Err(error) = answer(&config, &clock, switch, acceptor, socket).await {
                tracing::debug!(%error, "a desk connection ended");
            }
            drop(permit);
        });
    }
}

/// Handshake, who is it, then HTTP.
async fn answer(
    config: &Config,
    clock: &Clock,
    switch: Arc<Switch>,
    acceptor: TlsAcceptor,
    socket: TcpStream,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)).await??;
    let chain = stream.get_ref().1.peer_certificates();
    let chain = chain.unwrap_or_default().to_vec();
    let caller = Caller(match tls::identify(config, &chain, clock.now()).await? {
        Identity::Subject(address) => Some(address),
        Identity::Link(_) | Identity::Nobody => None,
    });
    let service = TowerToHyperService::new(api::routes(switch, caller));
    auto::Builder::new(TokioExecutor::new())
        .http1_only()
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Who calls: one of our own people, or nobody.
#[derive(Clone)]
struct Caller(Option<Address>);
