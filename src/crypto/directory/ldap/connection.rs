//! One connection to an LDAP server: TCP, TLS, who we are, one question after the other.
//!
//! Promises: nothing is asked, and no password said, before TLS stands and the server's certificate
//! is good under the anchors of its configuration, with its name; each question has one deadline for
//! all of it, however slowly the octets drip; an answer has a bound in octets.
//! Refuses: a server that does not start TLS; octets between the answer to StartTLS and the
//! handshake. Standards: RFC 4511 §4.14, RFC 4513 §3.1, §5.1.3; RFC 6125 §6.4 by rustls.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::message::{self, Answer, Entry, Outcome, Search};
use super::{Begin, Server};
use crate::clock::Clock;
use crate::crypto::certificate::Certificate;
use crate::crypto::trust::{Purpose, TrustStore};

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The server, or the way to it.
    #[error("{0}")]
    Io(#[from] Error),
    /// The server answers that it does not do this.
    #[error("{what}: the server says {code} {text:?}")]
    Refused {
        what: &'static str,
        code: u64,
        text: String,
    },
    /// What it says is no answer.
    #[error("{0}")]
    Said(String),
}

/// A socket whose every wait ends at the deadline of the question.
struct Timed {
    socket: TcpStream,
    end: Instant,
}

impl Timed {
    fn left(&self) -> Result<std::time::Duration, Error> {
        self.end
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
            .ok_or_else(late)
    }
}

fn late() -> Error {
    Error::new(ErrorKind::TimedOut, "no answer in time")
}

fn hung_up() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the server hung up")
}

/// A socket that waited too long says so in two ways.
fn in_time(error: Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => late(),
        _ => error,
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(into).map_err(in_time)
    }
}

impl Write for Timed {
    fn write(&mut self, octets: &[u8]) -> Result<usize, Error> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(octets).map_err(in_time)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.socket.flush()
    }
}

enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Stream {
    fn until(&mut self, end: Instant) {
        match self {
            Self::Plain(timed) => timed.end = end,
            Self::Tls(stream) => stream.sock.end = end,
        }
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        match self {
            Self::Plain(timed) => timed.write_all(octets),
            Self::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        loop {
            let count = match self {
                Self::Plain(timed) => timed.read(into),
                Self::Tls(stream) => stream.read(into),
            };
            match count {
                Ok(0) => return Err(hung_up()),
                // TLS without its own end, or none at all: both come to the same here.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(hung_up()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// What a search came to.
pub(super) struct Searched {
    pub entries: Vec<Entry>,
    pub outcome: Outcome,
    /// The server says that there may be more on another one.
    pub elsewhere: bool,
}

/// A connection on which questions can be asked.
pub(super) struct Connection {
    stream: Stream,
    /// Octets that came and were not read yet.
    ahead: Vec<u8>,
    next_id: u64,
}

impl Connection {
    /// Connects, starts TLS, says who we are.
    pub fn open(server: &Server, end: Instant) -> Result<Self, Broken> {
        let mut connection = Self::plain(&server.address, end)?;
        if server.begin == Begin::StartTls {
            let id = connection.number();
            connection.stream.write(&message::start_tls(id))?;
            let answer = connection.answer(id, server.size)?;
            match answer {
                Answer::Extended(outcome) => done("StartTLS", outcome)?,
                _ => return Err(Broken::Said("StartTLS has another answer".into())),
            }
            // What was sent before TLS would be taken for an answer under TLS.
            if !connection.ahead.is_empty() {
                return Err(Broken::Said("octets before the TLS handshake".into()));
            }
        }
        connection.secure(server)?;
        connection.bind(server)?;
        Ok(connection)
    }

    /// Connects, and no more: for what is signed itself.
    pub fn plain(address: &str, end: Instant) -> Result<Self, Broken> {
        let address = address
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "the server has no address"))?;
        let left = end
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
            .ok_or_else(late)?;
        let socket = TcpStream::connect_timeout(&address, left).map_err(in_time)?;
        socket.set_nodelay(true)?;
        Ok(Self {
            stream: Stream::Plain(Timed { socket, end }),
            ahead: Vec::new(),
            next_id: 1,
        })
    }

    fn secure(&mut self, server: &Server) -> Result<(), Broken> {
        let Stream::Plain(timed) = &self.stream else {
            return Ok(());
        };
        let timed = Timed {
            socket: timed.socket.try_clone()?,
            end: timed.end,
        };
        let tls = |error: rustls::Error| Broken::Said(format!("TLS: {error}"));
        let name = ServerName::try_from(server.name.clone())
            .map_err(|_| Broken::Said(format!("{:?} is no name of a server", server.name)))?;
        let connection = ClientConnection::new(Arc::clone(&server.tls), name).map_err(tls)?;
        let mut stream = StreamOwned::new(connection, timed);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        confirm(
            &server.trust,
            stream.conn.peer_certificates().unwrap_or_default(),
        )?;
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }

    fn bind(&mut self, server: &Server) -> Result<(), Broken> {
        let Some((dn, password)) = &server.bind else {
            return Ok(());
        };
        let id = self.number();
        let octets = zeroize::Zeroizing::new(message::bind(id, dn, password));
        self.stream.write(&octets)?;
        match self.answer(id, server.size)? {
            Answer::Bound(outcome) => done("bind", outcome),
            _ => Err(Broken::Said("bind has another answer".into())),
        }
    }

    /// What a search finds, and how it ended.
    pub fn search(
        &mut self,
        search: &Search<'_>,
        size: usize,
        end: Instant,
    ) -> Result<Searched, Broken> {
        self.stream.until(end);
        let id = self.number();
        self.stream.write(&message::search(id, search))?;
        let mut entries = Vec::new();
        let mut elsewhere = false;
        let mut left = size;
        loop {
            match self.answer_within(id, &mut left)? {
                Answer::Entry(entry) => entries.push(entry),
                // RFC 4511 §4.5.3: where nobody said that we may go
                Answer::Reference => elsewhere = true,
                Answer::Done(outcome) => {
                    return Ok(Searched {
                        entries,
                        outcome,
                        elsewhere,
                    });
                }
                _ => return Err(Broken::Said("the search has another answer".into())),
            }
        }
    }

    fn number(&mut self) -> u64 {
        let id = self.next_id;
        // RFC 4511 §4.1.1.1: up to 2^31 - 1
        self.next_id = id.wrapping_rem(0x7fff_fffe).saturating_add(1);
        id
    }

    fn answer(&mut self, id: u64, size: usize) -> Result<Answer, Broken> {
        self.answer_within(id, &mut size.clone())
    }

    fn answer_within(&mut self, id: u64, left: &mut usize) -> Result<Answer, Broken> {
        let octets = self.frame(*left)?;
        *left = left.saturating_sub(octets.len());
        let (number, answer) = message::read(&octets)
            .map_err(|error| Broken::Said(format!("the answer is no LDAP: {error}")))?;
        if let Answer::Unasked(outcome) = &answer {
            let (code, text) = (outcome.code, outcome.text.clone());
            return Err(Broken::Refused {
                what: "the connection",
                code,
                text,
            });
        }
        if number != id {
            return Err(Broken::Said("the answer is to another question".into()));
        }
        Ok(answer)
    }

    /// One whole message.
    fn frame(&mut self, most: usize) -> Result<Vec<u8>, Broken> {
        let mut block = [0; 8192];
        loop {
            let length =
                message::length(&self.ahead).map_err(|text| Broken::Said(text.to_owned()))?;
            if length.is_some_and(|length| length > most) {
                return Err(too_long());
            }
            if let Some(length) = length.filter(|length| self.ahead.len() >= *length) {
                let rest = self.ahead.split_off(length);
                return Ok(std::mem::replace(&mut self.ahead, rest));
            }
            let count = self.stream.read(&mut block)?;
            self.ahead
                .extend_from_slice(block.get(..count).unwrap_or_default());
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The last word, if it still can be said; nobody waits for it.
        let soon = Instant::now().checked_add(std::time::Duration::from_millis(100));
        self.stream.until(soon.unwrap_or_else(Instant::now));
        let id = self.number();
        let _ = self.stream.write(&message::unbind(id));
    }
}

fn too_long() -> Broken {
    Broken::Said("the answer is too long".into())
}

/// An outcome that is success.
pub(super) fn done(what: &'static str, outcome: Outcome) -> Result<(), Broken> {
    let Outcome { code, text } = outcome;
    match code {
        0 => Ok(()),
        _ => Err(Broken::Refused { what, code, text }),
    }
}

/// The server's certificate by our own trust store as well: path, status, suite.
fn confirm(trust: &TrustStore, chain: &[CertificateDer<'_>]) -> Result<(), Broken> {
    let chain: Vec<Certificate> = chain
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    let (own, extra) = chain
        .split_first()
        .ok_or_else(|| Broken::Said("the server has no certificate".into()))?;
    trust
        .validate(own, extra, Purpose::Server, Clock::system().now())
        .map(drop)
        .map_err(|problem| Broken::Said(format!("the server's certificate: {problem}")))
}

/// TLS that takes these anchors and no others.
///
/// # Errors
/// When an anchor cannot be used.
pub(super) fn tls(trust: &TrustStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for anchor in trust.anchors() {
        roots.add(CertificateDer::from(anchor.der().to_vec()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
