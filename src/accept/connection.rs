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
use crate::config::{Config, ListenRole, ListenTls, Listener};
use crate::decision::{Reason, Refusal};
use crate::message::MessageId;
use crate::message::address::{Address, ReversePath};
use crate::message::envelope::{Envelope, Identity, Peer, Protection};
use crate::message::header::{Headers, Limits};
use crate::message::received::Received;
use crate::smtp::proxy;
use crate::smtp::reply::Reply;
use crate::smtp::session::{
    ClientCertificate, Extension, Language, Mechanism, Question, RequireTls, Role, Session,
    Settings, StartTls, Step,
};
use crate::tls;

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
    /// Where it comes from; behind a load balancer that says so, from where the client comes.
    pub address: IpAddr,
    /// How long the peer may be silent.
    pub idle: Duration,
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

    async fn speak(mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if self.listener.proxies.contains(&self.address) {
            let client = timeout(HANDSHAKE, proxied(&mut stream)).await??;
            self.address = client.unwrap_or(self.address);
        }
        let mut session = Session::new(self.settings());
        if self.listener.tls == ListenTls::Starttls {
            session.greeting();
            match self.converse(&mut stream, &mut session).await? {
                End::Closed => return stream.shutdown().await,
                End::StartTls => {}
            }
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
        if self.listener.tls == ListenTls::Implicit {
            session.greeting();
        }
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
            session.tick(self.clock.now());
            match session.next() {
                Step::Ask(Question::Login(Mechanism::External, response)) => {
                    self.log_in(session, response.as_deref());
                }
                Step::Ask(Question::Response(response)) => self.log_in(session, Some(&response)),
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
                    let read = timeout(self.idle, stream.read(&mut buffer)).await??;
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
                ListenRole::Lmtp | ListenRole::Relay => Role::Peer,
                ListenRole::Submission => Role::Client,
            },
            language: match self.listener.role {
                ListenRole::Lmtp => Language::Lmtp,
                ListenRole::Relay | ListenRole::Submission => Language::Smtp,
            },
            extensions: self.extensions(),
            mechanisms: vec![Mechanism::External],
            protection: match self.listener.tls {
                ListenTls::Implicit => Protection::Tls,
                ListenTls::Starttls => Protection::Clear,
            },
            ..Settings::default()
        }
    }

    fn extensions(&self) -> Vec<Extension> {
        let mut offered = vec![
            Extension::Chunking,
            Extension::BinaryMime,
            Extension::Dsn,
            Extension::SmtpUtf8,
            Extension::DeliverBy,
            Extension::RequireTls,
            Extension::Limits,
        ];
        // RFC 4865 §3: for submission; between switches a message waits where it was submitted
        if self.listener.role == ListenRole::Submission {
            offered.push(Extension::FutureRelease);
        }
        offered
    }

    // RFC 4422 appendix A: the certificate has said who it is; the client may only repeat it
    /// Answers a login by certificate.
    fn log_in(&self, session: &mut Session, wanted: Option<&[u8]>) {
        let identity = session.identity().clone();
        let agrees = match (&identity, wanted) {
            // RFC 4954 §4: without an initial response the server asks for one
            (_, None) => return session.challenge(b""),
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
                session.answer(Reply::new(535, (5, 7, 8), text));
            }
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
            (identity, Question::Sender(from)) if !self.may_send_as(identity, from) => {
                let text = "reports would go to somebody else";
                Answer::Refused(Box::new(Refusal::because(Reason::OriginatorMismatch, text)))
                    .reply()
            }
            (_, Question::Sender(_)) => Reply::new(250, (2, 1, 0), "go on"),
            (_, Question::Recipient(_)) => Reply::new(250, (2, 1, 5), "go on"),
        }
    }

    /// Whether reports about the message come back to who hands it in: what is accepted from a
    /// stranger's address makes backscatter.
    fn may_send_as(&self, identity: &Identity, from: &ReversePath) -> bool {
        match (identity, from.address()) {
            (_, None) | (Identity::Link(_), _) => true,
            (Identity::Subject(own), Some(from)) => own == from,
            (Identity::Nobody, Some(_)) => false,
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

    async fn receive(&self, peer: Peer, mut envelope: Envelope, octets: Vec<u8>) -> Reply {
        // RFC 6758 §4: a switch of ours may have sent the number through a hop that did not know it
        if matches!(peer.identity, Identity::Link(_)) && envelope.priority.is_none() {
            envelope.priority = tunnelled(&octets);
        }
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

// RFC 6758 §4: one field, one number of RFC 6710
/// The priority that a header field carries.
fn tunnelled(octets: &[u8]) -> Option<i8> {
    let (headers, _) = Headers::parse(octets, Limits::default()).ok()?;
    let value = headers.single("MT-Priority").ok()??.value().trim();
    value.parse().ok().filter(|n| (-9..=9).contains(n))
}

/// Reads a PROXY header, and nothing behind it.
async fn proxied(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut first = [0; proxy::FIRST];
    stream.read_exact(&mut first).await?;
    match proxy::version(&first).map_err(io::Error::other)? {
        proxy::Version::One => {
            let mut line = first.to_vec();
            while !line.ends_with(b"\r\n") && line.len() < proxy::LINE {
                line.push(stream.read_u8().await?);
            }
            proxy::line(&line).map_err(io::Error::other)
        }
        proxy::Version::Two => {
            let mut second = [0; proxy::SECOND];
            stream.read_exact(&mut second).await?;
            let mut rest = vec![0; proxy::rest(second).map_err(io::Error::other)?];
            stream.read_exact(&mut rest).await?;
            proxy::binary(second, &rest).map_err(io::Error::other)
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
