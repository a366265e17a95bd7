//! A next hop in the clear that believes everything, and keeps every octet that it hears.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// LMTP.
    Lmtp,
    /// SMTP without CHUNKING.
    Smtp,
    /// SMTP with CHUNKING and BINARYMIME.
    SmtpChunking,
}

/// One message, as it stood on the wire.
#[derive(Clone)]
pub struct Heard {
    /// `DATA` (stuffed, with its end) or `BDAT` (as it is).
    pub by: &'static str,
    pub octets: Vec<u8>,
}

#[derive(Default)]
struct Kept {
    messages: Vec<Heard>,
    commands: Vec<Vec<u8>>,
}

/// A running tap. Dropped, it ends.
pub struct Tap {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

impl Tap {
    pub async fn open(speaks: Speaks) -> Self {
        Self::with(speaks, b"250 taken\r\n").await
    }

    /// One that answers every RCPT with these octets.
    pub async fn with(speaks: Speaks, to_rcpt: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let mine = Arc::clone(&kept);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&mine);
                tokio::spawn(async move { serve(stream, speaks, to_rcpt, &kept).await });
            }
        });
        Self {
            address,
            kept,
            task,
        }
    }

    pub fn messages(&self) -> Vec<Heard> {
        self.kept.lock().unwrap().messages.clone()
    }

    /// Every line that was heard outside messages.
    pub fn commands(&self) -> Vec<Vec<u8>> {
        self.kept.lock().unwrap().commands.clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    speaks: Speaks,
    to_rcpt: &[u8],
    kept: &Mutex<Kept>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut recipients = 0;
    let mut chunks = Vec::new();
    stream.write_all(b"220 tap\r\n").await.ok()?;
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        kept.lock().unwrap().commands.push(line.clone());
        let text = String::from_utf8_lossy(&line).to_ascii_uppercase();
        let mut words = text.split_ascii_whitespace();
        let reply = match words.next().unwrap_or_default() {
            "EHLO" | "LHLO" if speaks == Speaks::SmtpChunking => {
                "250-tap\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"
                    .into()
            }
            "EHLO" | "LHLO" => "250-tap\r\n250-PIPELINING\r\n250 8BITMIME\r\n".into(),
            "RCPT" => {
                recipients += 1;
                stream.write_all(to_rcpt).await.ok()?;
                continue;
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mut octets = Vec::new();
                while !(octets.ends_with(b"\r\n.\r\n") || octets == b".\r\n") {
                    octets.push(stream.read_u8().await.ok()?);
                }
                kept.lock()
                    .unwrap()
                    .messages
                    .push(Heard { by: "DATA", octets });
                let times = if speaks == Speaks::Lmtp {
                    recipients
                } else {
                    1
                };
                recipients = 0;
                "250 kept\r\n".repeat(times)
            }
            "BDAT" => {
                let size: usize = words.next()?.parse().ok()?;
                let start = chunks.len();
                chunks.resize(start + size, 0);
                stream.read_exact(&mut chunks[start..]).await.ok()?;
                if words.next() == Some("LAST") {
                    let octets = std::mem::take(&mut chunks);
                    kept.lock()
                        .unwrap()
                        .messages
                        .push(Heard { by: "BDAT", octets });
                }
                "250 kept\r\n".into()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await.ok()?;
                return None;
            }
            _ => "250 taken\r\n".into(),
        };
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}
