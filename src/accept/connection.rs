//! One connection: moves octets between socket and session, and messages to the line.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Answer, Line};
use crate::clock::Clock;
use crate::config::{Config, ListenRole, Listener};
use crate::decision::{Reason, Refusal};
use crate::message::MessageId;
use crate::message::envelope::{Envelope, Identity, Peer};
use crate::message::received::Received;
use crate::smtp::reply::Reply;
use crate::smtp::session::{
    ClientCertificate, Question, RequireTls, Role, Session, Settings, StartTls, Step,
};
use crate::tls;

/// How long a peer may be silent.
const IDLE: Duration = Duration::from_secs(60);
/// How long a peer may take to read what we write.
const WRITE: Duration = Duration::from_secs(60);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The longest session.
const SESSION: Duration = Duration::from_secs(30 * 60);

/// What a connection needs to know.
pub(super) struct Connection<L> {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub line: Arc<L>,
    pub listener: Arc<Listener>,
    pub acceptor: TlsAcceptor,
    pub address: IpAddr,
    /// Whether our own means did not let us judge the peer's certificate.
    pub cannot_tell: AtomicBool,
}

/// Why the loop over one stream ended.
enum End {
    Closed,
    StartTls,
}

impl<L: Line> Connection<L> {
    /// Speaks SMTP until either side ends it.
    pub async fn run(self, stream: TcpStream) -> io::Result<()> {
        timeout(SESSION, self.speak(stream))
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    async fn speak(self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut session = Session::new(self.settings());
        session.greeting();
        match self.converse(&mut stream, &mut session).await? {
            End::Closed => return stream.shutdown().await,
            End::StartTls => {}
        }
        let mut stream = timeout(HANDSHAKE, self.acceptor.accept(stream)).await??;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let identity = tls::identify(&self.config, chain, self.clock.now());
        let known = identity.unwrap_or_else(|fault| {
            tracing::error!(fault = %fault.chain(), "a peer cannot be told from a stranger");
            self.cannot_tell.store(true, Ordering::Relaxed);
            Identity::Nobody
        });
        session.secured(chain.first().map(|own| own.to_vec()), known);
        self.converse(&mut stream, &mut session).await?;
        stream.shutdown().await
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        session: &mut Session,
    ) -> io::Result<End> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match session.next() {
                Step::Ask(question) => {
                    session.answer(self.permission(&question, session.identity()))
                }
                Step::Close => return Ok(End::Closed),
                Step::Mail(envelope, octets) => {
                    let peer = self.peer(session);
                    let reply = self.receive(peer, envelope, octets).await;
                    session.answer(reply);
                }
                Step::NeedInput => {
                    let read = timeout(IDLE, stream.read(&mut buffer)).await??;
                    match buffer.get(..read) {
                        Some(octets) if read > 0 => session.feed(octets),
                        _ => return Ok(End::Closed),
                    }
                }
                Step::Send(octets) => send(stream, &octets).await?,
                Step::StartTls => return Ok(End::StartTls),
            }
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            hostname: self.config.name.clone(),
            size_limit: self.config.size_limit,
            starttls: StartTls::Offered,
            require_tls: RequireTls::Yes,
            client_certificate: ClientCertificate::Required,
            role: match self.listener.role {
                ListenRole::Relay => Role::Peer,
                ListenRole::Submission => Role::Client,
            },
            ..Settings::default()
        }
    }

    /// Only peers that the configuration names hand something in.
    fn permission(&self, question: &Question, identity: &Identity) -> Reply {
        match (identity, question) {
            // Whom we cannot judge for want of our own means tries again.
            (Identity::Nobody, _) if self.cannot_tell.load(Ordering::Relaxed) => Reply::new(
                451,
                (4, 7, 0),
                "your certificate cannot be checked now; try again later",
            ),
            (Identity::Nobody, _) => {
                let text = "the certificate names nobody known";
                Answer::Refused(Box::new(Refusal::because(Reason::PeerUnknown, text))).reply()
            }
            (_, Question::Login(..) | Question::Response(_)) => {
                Reply::new(504, (5, 5, 4), "no login is offered")
            }
            (_, Question::Sender(_)) => Reply::new(250, (2, 1, 0), "go on"),
            (_, Question::Recipient(_)) => Reply::new(250, (2, 1, 5), "go on"),
        }
    }

    fn peer(&self, session: &Session) -> Peer {
        Peer {
            name: self.listener.name.clone(),
            address: self.address,
            helo: session.helo().to_owned(),
            protection: session.protection(),
            certificate: session.certificate().map(<[u8]>::to_vec),
            identity: session.identity().clone(),
        }
    }

    async fn receive(&self, peer: Peer, envelope: Envelope, octets: Vec<u8>) -> Reply {
        let id = MessageId::new(self.clock.fresh_id());
        match Received::new(
            id,
            self.clock.now(),
            peer.clone(),
            envelope,
            Arc::from(octets),
        ) {
            Ok(received) => self.line.receive(received).await.reply(),
            Err(error) => {
                let refusal = Refusal::because(Reason::MessageMalformed, error.to_string());
                self.line.unreadable(id, peer, refusal).await.reply()
            }
        }
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, octets: &[u8]) -> io::Result<()> {
    timeout(WRITE, async {
        stream.write_all(octets).await?;
        stream.flush().await
    })
    .await?
}
