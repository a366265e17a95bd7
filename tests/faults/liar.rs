//! A next hop that plays one trick at one point of a dialogue, and is honest otherwise.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Where in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The connection is there, and nothing was said.
    Connect,
    /// The greeting.
    Banner,
    /// EHLO in the clear, or LHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// The handshake.
    Handshake,
    /// EHLO inside TLS.
    HelloInside,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// In the middle of the message.
    Body,
    /// The end of the message; with LMTP for the first recipient.
    Final,
    /// With LMTP, the end of the message for the second recipient.
    FinalOfSecond,
    /// QUIT.
    Quit,
}

/// What it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Hangs up without a word. At the end of a message it has kept that: its 250 is lost.
    Drops,
    /// Says 421 and hangs up.
    Closes,
    /// Says 451.
    NotNow,
    /// Says what is no reply.
    Babbles,
    /// Says a reply of two codes.
    Contradicts,
    /// Says a line that does not end.
    NeverEnds,
    /// Says a yes that does not belong there.
    WrongYes,
    /// Says two replies where one belongs.
    TalksOn,
    /// Shows the certificate of somebody else.
    Pretends,
}

/// What it heard and kept since this was last asked.
#[derive(Debug, Default)]
pub struct Kept {
    /// For each message its octets, and who it was kept for.
    pub messages: Vec<(Vec<u8>, Vec<String>)>,
    /// Whether the trick was played.
    pub is_played: bool,
    /// Whether a message was spoken of without TLS where there is some.
    pub in_the_clear: bool,
}

/// How it shows itself in TLS, and how somebody else would.
#[derive(Clone)]
pub struct Faces {
    pub own: TlsAcceptor,
    pub others: TlsAcceptor,
}

#[derive(Default)]
struct Shared {
    trick: Mutex<Option<(Point, Trick)>>,
    kept: Mutex<Kept>,
}

/// A running liar. Dropped, it ends.
pub struct Liar {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Liar {
    /// SMTP with STARTTLS where there are `faces`, otherwise LMTP in the clear.
    pub async fn open(address: SocketAddr, faces: Option<Faces>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let mine = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (faces, shared) = (faces.clone(), Arc::clone(&mine));
                tokio::spawn(async move {
                    // A client that hangs up is no event for a liar.
                    let _ = serve(stream, faces, &shared).await;
                });
            }
        });
        Self {
            address,
            shared,
            task,
        }
    }

    /// Has it play a trick, once.
    pub fn play(&self, point: Point, trick: Trick) {
        *self.shared.trick.lock().unwrap() = Some((point, trick));
    }

    /// Whether it has.
    pub fn has_played(&self) -> bool {
        self.shared.kept.lock().unwrap().is_played
    }

    /// What it heard and kept since this was last asked.
    pub fn take(&self) -> Kept {
        std::mem::take(&mut *self.shared.kept.lock().unwrap())
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// The trick that is to be played here; only once.
    fn trick_at(&self, point: Point) -> Option<Trick> {
        let mut planned = self.trick.lock().unwrap();
        let (_, trick) = planned.take_if(|(at, _)| *at == point)?;
        self.kept.lock().unwrap().is_played = true;
        Some(trick)
    }

    /// Whether the connection is to stay open after a message: QUIT is waited for.
    fn waits_for_quit(&self) -> bool {
        matches!(*self.trick.lock().unwrap(), Some((Point::Quit, _)))
    }
}

/// What comes after one part of a dialogue.
enum Next {
    /// The handshake, with this face.
    Secure(bool),
    /// Nothing.
    End,
}

async fn serve(stream: TcpStream, faces: Option<Faces>, shared: &Shared) -> std::io::Result<()> {
    if shared.trick_at(Point::Connect).is_some() {
        return Ok(());
    }
    let is_lmtp = faces.is_none();
    let mut plain = Talk::new(stream, shared, is_lmtp, faces.is_some());
    let next = plain.greet().await?;
    let (Next::Secure(own), Some(faces)) = (next, faces) else {
        return Ok(());
    };
    let acceptor = match own {
        true => faces.own,
        false => faces.others,
    };
    let stream = acceptor.accept(plain.stream.into_inner()).await?;
    let mut inside = Talk::new(stream, shared, false, false);
    inside.is_inside = true;
    inside.listen().await.map(drop)
}

struct Talk<'s, S> {
    stream: BufReader<S>,
    shared: &'s Shared,
    is_lmtp: bool,
    /// Whether STARTTLS is to come.
    is_bare: bool,
    is_inside: bool,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Talk<'s, S> {
    fn new(stream: S, shared: &'s Shared, is_lmtp: bool, is_bare: bool) -> Self {
        Self {
            stream: BufReader::new(stream),
            shared,
            is_lmtp,
            is_bare,
            is_inside: false,
        }
    }

    async fn greet(&mut self) -> std::io::Result<Next> {
        match self.say(Point::Banner, "220 far.example\r\n").await? {
            true => self.listen().await,
            false => Ok(Next::End),
        }
    }

    /// Says what belongs at a point, and goes on; or plays the trick, and hangs up.
    async fn say(&mut self, point: Point, honest: &str) -> std::io::Result<bool> {
        let trick = self.shared.trick_at(point);
        let said = match trick {
            None => honest.to_owned(),
            Some(Trick::Drops) => return Ok(false),
            Some(Trick::Closes) => "421 4.3.2 closing\r\n".to_owned(),
            Some(Trick::NotNow) => "451 4.3.0 not now\r\n".to_owned(),
            Some(Trick::Babbles) => "what did you say\r\n".to_owned(),
            Some(Trick::Contradicts) => "250-yes\r\n451 no\r\n".to_owned(),
            Some(Trick::NeverEnds) => format!("250-{}", "y".repeat(1 << 20)),
            Some(Trick::WrongYes) => match honest.starts_with('3') {
                true => "250 ok\r\n".to_owned(),
                false => "354 go on\r\n".to_owned(),
            },
            Some(Trick::TalksOn) => format!("{honest}250 and more\r\n"),
            Some(Trick::Pretends) => honest.to_owned(),
        };
        self.stream.write_all(said.as_bytes()).await?;
        self.stream.flush().await?;
        Ok(trick.is_none())
    }

    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).await?;
        Ok((read > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    async fn listen(&mut self) -> std::io::Result<Next> {
        let mut recipients: Vec<String> = Vec::new();
        while let Some(line) = self.line().await? {
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            let goes_on = match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "LHLO" if self.is_inside => {
                    self.say(Point::HelloInside, "250-far.example\r\n250 8BITMIME\r\n")
                        .await?
                }
                "EHLO" | "LHLO" if self.is_bare => {
                    self.say(Point::Hello, "250-far.example\r\n250 STARTTLS\r\n")
                        .await?
                }
                "EHLO" | "LHLO" => {
                    self.say(Point::Hello, "250-far.example\r\n250 8BITMIME\r\n")
                        .await?
                }
                "STARTTLS" => {
                    let goes_on = self.say(Point::StartTls, "220 go on\r\n").await?;
                    return Ok(match (goes_on, self.shared.trick_at(Point::Handshake)) {
                        (false, _) | (true, Some(Trick::Drops)) => Next::End,
                        (true, trick) => Next::Secure(trick != Some(Trick::Pretends)),
                    });
                }
                "MAIL" => {
                    self.shared.kept.lock().unwrap().in_the_clear |= self.is_bare;
                    self.say(Point::Mail, "250 ok\r\n").await?
                }
                "RCPT" => {
                    let path = line.split(['<', '>']).nth(1).unwrap_or_default();
                    recipients.push(path.to_owned());
                    self.say(Point::Rcpt, "250 ok\r\n").await?
                }
                "DATA" => {
                    self.say(Point::Data, "354 go on\r\n").await?
                        && self.message(&std::mem::take(&mut recipients)).await?
                        && self.shared.waits_for_quit()
                }
                "QUIT" => {
                    self.say(Point::Quit, "221 bye\r\n").await?;
                    false
                }
                "RSET" => self.say_plainly("250 ok\r\n").await?,
                _ => self.say_plainly("500 what\r\n").await?,
            };
            if !goes_on {
                return Ok(Next::End);
            }
        }
        Ok(Next::End)
    }

    async fn say_plainly(&mut self, text: &str) -> std::io::Result<bool> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await?;
        Ok(true)
    }

    /// Takes a message in. Whether the dialogue goes on.
    async fn message(&mut self, recipients: &[String]) -> std::io::Result<bool> {
        let mut octets = Vec::new();
        while !octets.ends_with(b"\r\n.\r\n") {
            let before = octets.len();
            self.stream.read_until(b'\n', &mut octets).await?;
            if octets.len() == before {
                return Ok(false);
            }
            if self.shared.trick_at(Point::Body).is_some() {
                return Ok(false);
            }
        }
        let answers = match self.is_lmtp {
            true => recipients.chunks(1).collect::<Vec<_>>(),
            false => vec![recipients],
        };
        for (number, of) in answers.into_iter().enumerate() {
            let point = match number {
                0 => Point::Final,
                _ => Point::FinalOfSecond,
            };
            let planned = *self.shared.trick.lock().unwrap();
            let trick = planned.filter(|(at, _)| *at == point);
            // It is kept, also when its 250 is lost; other tricks are no yes.
            if matches!(trick, None | Some((_, Trick::Drops | Trick::TalksOn))) {
                let mut kept = self.shared.kept.lock().unwrap();
                kept.messages.push((octets.clone(), of.to_vec()));
            }
            if !self.say(point, "250 2.0.0 kept\r\n").await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
