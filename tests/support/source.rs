//! A mail program that submits many messages over one connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ravelin::cli::demo::{Person, Trouble};
use ravelin::crypto::trust::TrustStore;
use ravelin::message::Precedence;
use ravelin::message::address::{Address, ReversePath};
use ravelin::smtp::dialogue::{Dialogue, Move, Outcome, Protocol, TlsNeed, Transaction};
use ravelin::tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server closes after 1000 messages; the program is ahead of it.
const MESSAGES: usize = 900;

/// One program with at most one connection.
pub struct Source {
    to: SocketAddr,
    host: String,
    name: String,
    from: Address,
    tls: Option<(TlsConnector, Arc<TrustStore>)>,
    open: Option<(Box<dyn Wire>, Dialogue)>,
    sent: usize,
}

/// A connection, with TLS or without.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// What the switch said to one message.
pub struct Said {
    /// Its words.
    pub outcome: Outcome,
    /// From DATA to the reply after the final dot.
    pub took: Duration,
}

/// Why a conversation stopped.
enum End {
    Done(Said),
    StartTls,
}

impl Source {
    /// The program of `person`. It connects when it has something to send.
    pub fn new(
        to: SocketAddr,
        host: String,
        trust: Arc<TrustStore>,
        person: &Person,
    ) -> Result<Self, Trouble> {
        Ok(Self {
            to,
            host,
            tls: Some((
                TlsConnector::from(tls::client(&person.sign, &trust)?),
                trust,
            )),
            name: format!("desk-of-{}", person.address.local()),
            from: person.address.clone(),
            open: None,
            sent: 0,
        })
    }

    /// A program that speaks in the clear: to another server than ours.
    pub fn in_the_clear(to: SocketAddr, from: &Address) -> Self {
        Self {
            to,
            host: String::new(),
            tls: None,
            name: "source.example".into(),
            from: from.clone(),
            open: None,
            sent: 0,
        }
    }

    /// Submits one message. An error means that the connection broke before the reply.
    pub async fn submit(
        &mut self,
        recipients: &[Address],
        precedence: Precedence,
        bytes: Arc<[u8]>,
    ) -> Result<Said, Trouble> {
        let transaction = Transaction {
            from: ReversePath::Address(self.from.clone()),
            recipients: recipients.to_vec(),
            bytes,
            precedence,
            terms: Default::default(),
            at: Default::default(),
        };
        if self.sent == MESSAGES {
            self.open = None;
        }
        let (mut stream, mut dialogue) = match self.open.take() {
            Some((stream, mut dialogue)) => {
                dialogue.again(transaction);
                (stream, dialogue)
            }
            None => self.connect(transaction).await?,
        };
        let End::Done(said) = converse(&mut *stream, &mut dialogue).await? else {
            return Err("STARTTLS inside TLS".into());
        };
        self.sent += 1;
        if !dialogue.is_closed() {
            self.open = Some((stream, dialogue));
        }
        Ok(said)
    }

    async fn connect(
        &mut self,
        transaction: Transaction,
    ) -> Result<(Box<dyn Wire>, Dialogue), Trouble> {
        let mut stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        self.sent = 0;
        let Some((config, trust)) = &self.tls else {
            let dialogue = Dialogue::new(Protocol::Smtp, &self.name, TlsNeed::Never, transaction);
            return Ok((Box::new(stream), dialogue));
        };
        let mut dialogue =
            Dialogue::new(Protocol::Smtp, &self.name, TlsNeed::Required, transaction);
        let End::StartTls = converse(&mut stream, &mut dialogue).await? else {
            return Err("the switch does not offer STARTTLS".into());
        };
        let name = tls::server_name(&self.host)?;
        let stream = config.connect(name, stream).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        tls::confirm_server(trust, chain, ravelin::clock::Timestamp::now())?;
        dialogue.secured();
        Ok((Box::new(stream), dialogue))
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + ?Sized>(
    stream: &mut S,
    dialogue: &mut Dialogue,
) -> Result<End, Trouble> {
    let mut buffer = vec![0; 16 * 1024];
    let mut began = Instant::now();
    loop {
        match dialogue.next() {
            Move::Close => return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
            Move::Done(outcomes) => {
                let (_, outcome) = outcomes.into_iter().next().ok_or("nothing was said")?;
                let took = began.elapsed();
                return Ok(End::Done(Said { outcome, took }));
            }
            Move::NeedInput => {
                let read = stream.read(&mut buffer).await?;
                if read == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                dialogue.feed(&buffer[..read]);
            }
            Move::Send(octets) => {
                if octets.as_ref().ends_with(b"DATA\r\n") {
                    began = Instant::now();
                }
                stream.write_all(octets.as_ref()).await?;
                stream.flush().await?;
            }
            Move::StartTls => return Ok(End::StartTls),
        }
    }
}
