//! One connection: moves octets between socket and session, and messages to the line.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::login::Login;
use super::notice::Hit;
use super::pace::Pace;
use super::slots::Place;
use super::{Answer, Limit, Line, Notice};
use crate::clock::Clock;
use crate::config::{Config, ListenRole, ListenTls, Listener};
use crate::decision::{Reason, Refusal};
use crate::deliver::Draining;
use crate::message::address::ReversePath;
use crate::message::envelope::{Envelope, Identity, Peer, Protection};
use crate::message::header::{Headers, Limits};
use crate::message::received::Received;
use crate::message::{MessageId, Precedence, mt_priority};
use crate::smtp::command::Client;
use crate::smtp::proxy;
use crate::smtp::reply::Reply;
use crate::smtp::session::{
    Binding, ClientCertificate, Extension, Language, Mechanism, Question, RequireTls, Role,
    Session, Settings, StartTls, Step,
};
use crate::tls;

/// How long a peer may take to read what we write.
const WRITE: Duration = Duration::from_secs(60);
/// What a session that has come to its end may still take, to be told so.
const LAST_WORD: Duration = Duration::from_secs(60);

/// What is read at once of commands.
const COMMANDS: usize = 2 * 1024;
/// What is read at once of content: a record of TLS.
const CONTENT: usize = 16 * 1024;

/// What a connection needs to know.
pub(super) struct Connection<L> {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub line: Arc<L>,
    pub listener: Arc<Listener>,
    pub acceptor: TlsAcceptor,
    /// Where it comes from; behind a load balancer that says so, from where the client comes.
    pub address: IpAddr,
    /// Its place among the connections of the listener.
    pub place: Place,
    /// Who the peer is by its certificate.
    pub certified: Identity,
    /// What a login may be bound to (RFC 9266).
    pub binding: Option<Vec<u8>>,
    /// The login that goes on.
    pub login: Option<Login>,
    /// Whether our own means did not let us judge the peer's certificate.
    pub cannot_tell: bool,
    /// When the switch stops.
    pub draining: Draining,
    /// Whether a refusal before a message was recorded.
    pub was_turned_away: bool,
    /// When the session ends, whatever is said.
    pub ends: Instant,
}

/// Why the loop over one stream ended.
enum End {
    Closed,
    StartTls,
}

impl<L: Line> Connection<L> {
    /// Speaks SMTP until either side ends it.
    pub async fn run(self, stream: TcpStream) -> io::Result<()> {
        let session = self.listener.timers.session.saturating_add(LAST_WORD);
        timeout(session, self.speak(stream))
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    async fn speak(mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if self.listener.proxies.contains(&self.address) {
            let client = timeout(self.listener.timers.handshake, proxied(&mut stream)).await;
            let Ok(client) = client else {
                self.came_to(Limit::Handshake).await;
                return Err(io::ErrorKind::TimedOut.into());
            };
            if let Some(client) = client? {
                self.address = client;
                if let Err(hit) = self.place.speaks_for(client) {
                    self.told_of(hit).await;
                    return Err(io::Error::other(
                        "the client of a proxy has connections enough",
                    ));
                }
            }
        }
        let mut session = Session::new(self.settings());
        if self.listener.tls == ListenTls::Starttls {
            session.greeting();
            match self.converse(&mut stream, &mut session).await? {
                End::Closed => return stream.shutdown().await,
                End::StartTls => {}
            }
        }
        let patience = self.listener.timers.handshake;
        let shaken = tokio::select! {
            shaken = timeout(patience, self.acceptor.accept(stream)) => shaken,
            () = self.place.is_needed() => return Err(io::Error::other("the place is needed")),
        };
        let Ok(shaken) = shaken else {
            self.came_to(Limit::Handshake).await;
            return Err(io::ErrorKind::TimedOut.into());
        };
        let mut stream = shaken?;
        let chain = stream.get_ref().1.peer_certificates();
        let chain = chain.unwrap_or_default().to_vec();
        let identity = tls::identify(&self.config, &chain, self.clock.now()).await;
        self.certified = identity.unwrap_or_else(|fault| {
            tracing::error!(fault = %fault.chain(), "a peer cannot be told from a stranger");
            self.cannot_tell = true;
            Identity::Nobody
        });
        session.secured(
            chain.first().map(|own| own.to_vec()),
            self.certified.clone(),
        );
        self.introduced(&mut session);
        self.binding = tls::exporter_binding(stream.get_ref().1)
            .filter(|_| self.listener.logins.contains(&Mechanism::ScramSha256Plus));
        if self.binding.is_some() {
            session.can_bind(Binding::Exporter);
        }
        if self.listener.tls == ListenTls::Implicit {
            session.greeting();
        }
        self.converse(&mut stream, &mut session).await?;
        stream.shutdown().await
    }

    /// The session has learnt who the peer is, if anybody: what that one may do, it may.
    pub(super) fn introduced(&self, session: &mut Session) {
        if *session.identity() == Identity::Nobody {
            return;
        }
        self.place.is_known();
        session.cap_size(self.config.size_limit_of(session.identity()));
        session.allow_lines(self.config.longest_line_of(session.identity()));
        let highest = self.config.highest_precedence(session.identity());
        if highest < Precedence::Override {
            session.cap_priority(highest.mt_priority());
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        session: &mut Session,
    ) -> io::Result<End> {
        let mut buffer = Vec::new();
        let rate = self.listener.timers.least_rate;
        let mut pace = Pace::new(Instant::now(), rate);
        loop {
            session.tick(self.clock.now());
            match session.next() {
                Step::Ask(Question::Client(client)) => self.speaks_for(session, &client).await,
                Step::Ask(Question::Login(mechanism, response)) => {
                    self.begin_login(session, mechanism, response.as_deref())
                        .await;
                }
                Step::Ask(Question::Response(response)) => {
                    self.go_on_login(session, Some(&response)).await;
                }
                Step::Ask(question) => {
                    let reply = self.permission(&question, session);
                    let is_sender = matches!(question, Question::Sender(_)) && reply.code == 250;
                    if (500..600).contains(&reply.code) {
                        self.turned_away(session, &reply).await;
                    }
                    let has_room = !is_sender || self.line.has_room(session.priority_asked());
                    session.answer(if has_room {
                        reply
                    } else {
                        Answer::NoRoom.reply()
                    });
                }
                Step::Close => return Ok(End::Closed),
                Step::Mail(envelope, octets) => {
                    let peer = self.peer(session);
                    let reply = self.receive(peer, envelope, octets).await;
                    session.answer(reply);
                }
                Step::NeedInput => {
                    self.read(stream, session, &mut buffer, &mut pace).await?;
                    continue;
                }
                Step::Send(octets) => send(stream, &octets).await?,
                Step::StartTls => return Ok(End::StartTls),
            }
            pace = Pace::new(Instant::now(), rate);
        }
    }

    /// Tells the line that the source came to a limit.
    pub(super) async fn came_to(&self, limit: Limit) {
        self.told_of(self.place.hit(limit)).await;
    }

    async fn told_of(&self, hit: Hit) {
        if let Some(notice) = hit.notice(&self.listener.name, self.address) {
            self.line.noticed(notice).await;
        }
    }

    /// Records a refusal before a message, the first of the session.
    async fn turned_away(&mut self, session: &Session, reply: &Reply) {
        if !std::mem::replace(&mut self.was_turned_away, true) {
            let (peer, reply) = (self.peer(session), reply.clone());
            self.line.noticed(Notice::TurnedAway { peer, reply }).await;
        }
    }

    /// Feeds the session what comes; ends it when nothing does, or the place is needed.
    async fn read<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        session: &mut Session,
        buffer: &mut Vec<u8>,
        pace: &mut Pace,
    ) -> io::Result<()> {
        let is_content = session.is_receiving();
        // Ten thousand that wait cost little; a message that arrives may cost more.
        let size = if is_content { CONTENT } else { COMMANDS };
        if buffer.len() != size {
            *buffer = vec![0; size];
        }
        let (read, deadline) = loop {
            let timers = &self.listener.timers;
            let idle = match self.place.is_crowded() {
                true => timers.idle_when_crowded,
                false => timers.idle,
            };
            let deadline = pace.deadline(idle).min(self.ends);
            // It may become crowded meanwhile.
            let look = Instant::now() + timers.idle_when_crowded;
            let read = tokio::select! {
                read = timeout_at(deadline.min(look), stream.read(buffer)) => read,
                // RFC 5321 §3.8: who sends a message may finish it; anybody else is told
                () = self.draining.begun(), if !is_content => {
                    let text = "the switch stops; try again later";
                    session.end(&Reply::new(421, (4, 3, 2), text));
                    return Ok(());
                }
                () = self.place.is_needed() => {
                    let text = "others need the connection; try again later";
                    session.end(&Reply::new(421, (4, 3, 2), text));
                    return Ok(());
                }
            };
            if read.is_ok() || deadline <= look {
                break (read, deadline);
            }
        };
        match read {
            Err(_) if deadline == self.ends => {
                let text = "the session has lasted long enough; open another";
                session.end(&Reply::new(421, (4, 4, 2), text));
            }
            // RFC 5321 §4.5.3.2.7
            Err(_) => session.end(&Reply::new(421, (4, 4, 2), "you took too long")),
            Ok(read) => match buffer.get(..read?) {
                Some(octets) if !octets.is_empty() => {
                    pace.heard(Instant::now(), octets.len(), is_content);
                    session.feed(octets);
                }
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
        Ok(())
    }

    /// Takes over what a listed proxy says of its client: where it comes from, nothing of who it is.
    async fn speaks_for(&mut self, session: &mut Session, client: &Client) {
        if let Some(address) = client.address {
            if let Err(hit) = self.place.speaks_for(address) {
                self.address = address;
                self.told_of(hit).await;
                let text = "this client has connections enough";
                return session.answer(Reply::new(421, (4, 3, 2), text));
            }
            self.address = address;
        }
        let welcome = session.welcome();
        session.answer(welcome);
    }

    fn settings(&self) -> Settings {
        Settings {
            hostname: self.config.name.clone(),
            size_limit: self.config.size_limit,
            size_limits: self
                .config
                .size_limits
                .iter()
                .map(|(precedence, limit)| (*precedence, *limit))
                .collect(),
            starttls: StartTls::Offered,
            require_tls: RequireTls::Yes,
            client_certificate: match self.listener.takes_passwords() {
                true => ClientCertificate::OrLogin,
                false => ClientCertificate::Required,
            },
            role: match self.listener.role {
                ListenRole::Lmtp | ListenRole::Relay => Role::Peer,
                ListenRole::Submission => Role::Client,
            },
            language: match self.listener.role {
                ListenRole::Lmtp => Language::Lmtp,
                ListenRole::Relay | ListenRole::Submission => Language::Smtp,
            },
            extensions: self.extensions(),
            mechanisms: self.listener.logins.clone(),
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
        if self.listener.xclient.contains(&self.address) {
            offered.push(Extension::XClient);
        }
        offered
    }

    /// Only peers that the configuration names hand something in.
    fn permission(&self, question: &Question, session: &Session) -> Reply {
        match (session.identity(), question) {
            // Whom we cannot judge for want of our own means tries again.
            (Identity::Nobody, _) if self.cannot_tell => Reply::new(
                451,
                (4, 7, 0),
                "your certificate cannot be checked now; try again later",
            ),
            (Identity::Nobody, _) => {
                let text = "the certificate names nobody known";
                Answer::Refused(Box::new(Refusal::because(Reason::PeerUnknown, text))).reply()
            }
            (_, Question::Client(_) | Question::Login(..) | Question::Response(_)) => {
                Reply::new(504, (5, 5, 4), "no login is offered")
            }
            (_, Question::Sender(_))
                if self.place.is_for_the_urgent()
                    && session.priority_asked() < Some(Precedence::Immediate.mt_priority()) =>
            {
                // RFC 6710 §7 (X.7.15): the sender keeps it, and may send what is more urgent
                let text = "only IMMEDIATE and above is taken now; try again later";
                Reply::new(421, (4, 7, 15), text)
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

    pub(super) fn peer(&self, session: &Session) -> Peer {
        Peer {
            name: self.listener.name.clone(),
            address: self.address,
            helo: session.helo().to_owned(),
            protection: session.protection(),
            // Who logged in with a password is not who the certificate may have named.
            certificate: session
                .certificate()
                .filter(|_| *session.identity() == self.certified)
                .map(<[u8]>::to_vec),
            identity: session.identity().clone(),
        }
    }

    async fn receive(&self, peer: Peer, mut envelope: Envelope, octets: Vec<u8>) -> Reply {
        // RFC 6758 §4: a switch of ours may have sent the number through a hop that did not know it
        if matches!(peer.identity, Identity::Link(_)) && envelope.priority.is_none() {
            let ceiling = self.config.highest_precedence(&peer.identity);
            envelope.priority = tunnelled(&octets).map(|asked| match ceiling {
                Precedence::Override => asked,
                ceiling => asked.min(ceiling.mt_priority()),
            });
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
    mt_priority(headers.single("MT-Priority").ok()??.value().trim())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_with_one_number_is_a_tunnelled_priority() {
        let read = |head: &str| tunnelled(format!("{head}Subject: x\r\n\r\n").as_bytes());
        for number in -9..=9 {
            let field = format!("MT-Priority: {number}\r\n");
            assert_eq!(read(&field), Some(number));
        }
        assert_eq!(read("mt-priority:\r\n  4 \r\n"), Some(4));
        for wrong in [
            "",
            "4, 4",
            "10",
            "-10",
            "+4",
            "-0",
            "04",
            "four",
            "4 (flash)",
        ] {
            assert_eq!(read(&format!("MT-Priority: {wrong}\r\n")), None, "{wrong}");
        }
        // Of two nobody can tell which counts.
        assert_eq!(read("MT-Priority: 4\r\nMT-Priority: 4\r\n"), None);
        assert_eq!(read("X-Priority: 1\r\n"), None);
    }
}
