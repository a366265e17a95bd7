//! One connection to a next hop.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::NextHop;
use super::marking::{connect, mark};
use crate::clock::Timestamp;
use crate::config::{Dscp, LinkProtocol, TlsNeed};
use crate::crypto::keys::Identity;
use crate::message::address::Address;
use crate::smtp::dialogue::{self, Cause, Dialogue, Move, Onward, Outcome, Protocol, Transaction};
use crate::tls::{self, Expected};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long a next hop may take to read what we write.
const WRITE: Duration = Duration::from_secs(180);

/// What a conversation came to.
pub(super) struct Conversed {
    /// One outcome for each recipient.
    pub outcomes: Vec<(Address, Outcome)>,
    /// Who reports, of those that were delivered.
    pub onward: Onward,
    /// The name of the next hop.
    pub by: String,
    /// The connection, if it can go on.
    pub open: Option<Connection>,
}

impl Conversed {
    /// The same, with a host that people know by this name.
    pub fn with(mut self, name: &str) -> Self {
        name.clone_into(&mut self.by);
        if let Some(open) = &mut self.open {
            name.clone_into(&mut open.by);
        }
        self
    }
}

impl Conversed {
    // RFC 5321 §4.5.3.1.10, RFC 9422 §4
    /// Sends the message to those, too, who were too many for one transaction, over the same
    /// connection, as long as each further transaction delivers to somebody.
    pub async fn with_the_rest(mut self, transaction: &Transaction, dscp: Dscp) -> Self {
        let delivered = |outcomes: &[(Address, Outcome)]| {
            let is_there = |outcome: &Outcome| matches!(outcome, Outcome::Delivered(_));
            outcomes.iter().any(|(_, outcome)| is_there(outcome))
        };
        let mut goes_on = delivered(&self.outcomes);
        while goes_on {
            let left = self.outcomes.iter().filter(|(_, o)| o.is_one_too_many());
            let recipients: Vec<Address> = left.map(|(address, _)| address.clone()).collect();
            if recipients.is_empty() {
                break;
            }
            let Some(open) = self.open.take() else { break };
            let rest = Transaction {
                recipients,
                ..transaction.clone()
            };
            let Some(next) = open.again(rest, dscp).await else {
                break;
            };
            goes_on = delivered(&next.outcomes);
            self.open = next.open;
            for (address, outcome) in next.outcomes {
                let mut known = self.outcomes.iter_mut();
                if let Some(place) = known.find(|(known, _)| *known == address) {
                    place.1 = outcome;
                }
            }
        }
        self
    }
}

/// An open connection between two transactions.
pub(super) struct Connection {
    stream: Stream,
    dialogue: Dialogue,
    by: String,
    /// What its packets are marked with.
    dscp: Dscp,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The connection below whatever protects it.
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// Why a dialogue stopped.
enum End {
    Done(Vec<(Address, Outcome)>),
    StartTls,
}

impl Connection {
    /// Connects, and carries out the first transaction. `who` must open where DNS led here; without
    /// it, whom the link names.
    pub async fn open(
        (link, who): (&NextHop<'_>, Option<&Expected>),
        identity: &Identity,
        name: &str,
        at: Timestamp,
        (transaction, dscp): (Transaction, Dscp),
    ) -> io::Result<Conversed> {
        let mut stream = timeout(CONNECT, connect(link.address, dscp)).await??;
        stream.set_nodelay(true)?;
        let protocol = match link.protocol {
            LinkProtocol::Lmtp => Protocol::Lmtp,
            LinkProtocol::Smtp => Protocol::Smtp,
        };
        let need = match link.tls {
            TlsNeed::Never => dialogue::TlsNeed::Never,
            TlsNeed::Implicit | TlsNeed::Required => dialogue::TlsNeed::Required,
        };
        let mut dialogue =
            Dialogue::new(protocol, name, need, transaction).with_line_limit(link.longest_line);
        let by = link.address;
        if link.tls == TlsNeed::Implicit {
            let mut stream = handshake((link, who), identity, at, stream).await?;
            dialogue.secured();
            return match converse(&mut stream, &mut dialogue).await? {
                End::Done(outcomes) => {
                    let stream = Stream::Tls(Box::new(stream));
                    Ok(conversed(outcomes, stream, dialogue, by, dscp))
                }
                End::StartTls => Err(io::Error::other("STARTTLS inside TLS")),
            };
        }
        match converse(&mut stream, &mut dialogue).await? {
            End::Done(outcomes) => {
                return Ok(conversed(
                    outcomes,
                    Stream::Clear(stream),
                    dialogue,
                    by,
                    dscp,
                ));
            }
            End::StartTls => {}
        }
        let mut stream = handshake((link, who), identity, at, stream).await?;
        dialogue.secured();
        match converse(&mut stream, &mut dialogue).await? {
            End::Done(outcomes) => {
                let stream = Stream::Tls(Box::new(stream));
                Ok(conversed(outcomes, stream, dialogue, by, dscp))
            }
            End::StartTls => Err(io::Error::other("STARTTLS inside TLS")),
        }
    }

    /// Carries out another transaction; nothing when the connection is gone and nothing was said.
    pub async fn again(mut self, transaction: Transaction, dscp: Dscp) -> Option<Conversed> {
        if self.dscp != dscp {
            mark(self.stream.socket(), dscp);
            self.dscp = dscp;
        }
        self.dialogue.again(transaction);
        if self.dialogue.is_closed() {
            return None;
        }
        let end = match &mut self.stream {
            Stream::Clear(stream) => converse(stream, &mut self.dialogue).await,
            Stream::Tls(stream) => converse(&mut **stream, &mut self.dialogue).await,
        };
        match end {
            // A next hop that hangs up before it has the message is asked again at once.
            Ok(End::Done(outcomes)) if outcomes.iter().all(|(_, outcome)| is_lost(outcome)) => None,
            Ok(End::Done(outcomes)) => Some(conversed(
                outcomes,
                self.stream,
                self.dialogue,
                &self.by,
                dscp,
            )),
            Ok(End::StartTls) | Err(_) => None,
        }
    }

    /// Says goodbye; whether the next hop answers matters to nobody.
    pub async fn quit(mut self) {
        self.dialogue.quit();
        let goodbye = async {
            while let Move::Send(octets) = self.dialogue.next() {
                match &mut self.stream {
                    Stream::Clear(stream) => stream.write_all(octets.as_ref()).await?,
                    Stream::Tls(stream) => stream.write_all(octets.as_ref()).await?,
                }
            }
            match &mut self.stream {
                Stream::Clear(stream) => stream.shutdown().await,
                Stream::Tls(stream) => stream.shutdown().await,
            }
        };
        let _ = timeout(Duration::from_secs(5), goodbye).await;
    }
}

// RFC 5321 §3.8: 421 says that the connection ends, and nothing of the message
/// Whether the connection is over and the message was not judged: this side gave up on it, or the
/// next hop has closed it, such as one that takes so many messages on one connection and no more.
fn is_lost(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Deferred(Cause::Local(_)) => true,
        Outcome::Deferred(Cause::Peer(reply)) => reply.code == 421,
        Outcome::Delivered(_) | Outcome::Failed(_) => false,
    }
}

/// Keeps the connection when the dialogue can go on.
fn conversed(
    outcomes: Vec<(Address, Outcome)>,
    stream: Stream,
    dialogue: Dialogue,
    by: &str,
    dscp: Dscp,
) -> Conversed {
    Conversed {
        outcomes,
        onward: dialogue.onward(),
        by: by.to_owned(),
        open: (!dialogue.is_closed()).then(|| Connection {
            stream,
            dialogue,
            by: by.to_owned(),
            dscp,
        }),
    }
}

/// TLS with the link's own anchors, or with what else vouches for the host; then path and revocation
/// by our own trust store.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    (link, who): (&NextHop<'_>, Option<&Expected>),
    identity: &Identity,
    at: Timestamp,
    stream: S,
) -> io::Result<TlsStream<S>> {
    let (config, name) = match who {
        Some(who) => who.client(identity, link.trust),
        None => tls::client(identity, link.trust).and_then(|config| {
            let name = tls::server_name(link.peer.unwrap_or_default())?;
            Ok((config, name))
        }),
    }
    .map_err(io::Error::other)?;
    let stream = timeout(HANDSHAKE, TlsConnector::from(config).connect(name, stream)).await??;
    let chain = stream.get_ref().1.peer_certificates();
    let chain = chain.unwrap_or_default().to_vec();
    let confirmed = match who {
        Some(who) => who.confirm(link.trust, &chain, at).await,
        None => tls::confirm_server_aside(link.trust, &chain, at).await,
    };
    confirmed.map_err(io::Error::other)?;
    Ok(stream)
}

/// Moves octets until the transaction is over. A connection that breaks ends it, too: the dialogue
/// knows who has an outcome already.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    dialogue: &mut Dialogue,
) -> io::Result<End> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match dialogue.next() {
            Move::Close => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            Move::Done(outcomes) => return Ok(End::Done(outcomes)),
            Move::NeedInput => match timeout(dialogue.patience(), stream.read(&mut buffer)).await {
                Ok(Ok(read)) if read > 0 => {
                    dialogue.feed(buffer.get(..read).unwrap_or_default());
                }
                Ok(Ok(_)) => dialogue.lost("the next hop closed the connection"),
                Ok(Err(error)) => dialogue.lost(&error.to_string()),
                Err(_) => dialogue.lost("the next hop did not answer in time"),
            },
            Move::Send(octets) => {
                let write = async {
                    stream.write_all(octets.as_ref()).await?;
                    stream.flush().await
                };
                match timeout(WRITE, write).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => dialogue.lost(&error.to_string()),
                    Err(_) => dialogue.lost("the next hop did not read in time"),
                }
            }
            Move::StartTls => return Ok(End::StartTls),
        }
    }
}

#[cfg(test)]
#[path = "stalls.rs"]
mod stalls;
