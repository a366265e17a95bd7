//! A mailbox server: takes every message over LMTP (RFC 2033) and writes it into a folder.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The largest message and the longest line that it takes.
const LIMIT: u64 = 64 << 20;

/// A running mailbox server. Dropped, it ends.
pub struct Mailbox {
    /// Where it listens.
    pub address: SocketAddr,
    arrived: watch::Receiver<Vec<PathBuf>>,
    task: JoinHandle<()>,
}

impl Mailbox {
    /// Listens on loopback and writes what comes into `dir`.
    ///
    /// # Errors
    /// When it cannot listen or the folder cannot be made.
    pub async fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (tell, arrived) = watch::channel(Vec::new());
        let (tell, dir) = (Arc::new(tell), Arc::new(dir.to_owned()));
        let count = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tell, dir) = (Arc::clone(&tell), Arc::clone(&dir));
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    // A client that hangs up is no event for a mailbox.
                    let _ = serve(stream, &dir, &count, &tell).await;
                });
            }
        });
        Ok(Self {
            address,
            arrived,
            task,
        })
    }

    /// How many messages have come.
    pub fn count(&self) -> usize {
        self.arrived.borrow().len()
    }

    /// The files of the messages that came after the first `seen`, in order of arrival.
    pub fn after(&self, seen: usize) -> Vec<PathBuf> {
        let arrived = self.arrived.borrow();
        arrived.get(seen..).unwrap_or_default().to_vec()
    }

    /// Waits for a message that `is_it` recognises, and gives back its file and octets.
    ///
    /// # Errors
    /// When none comes in time, or a file cannot be read.
    pub async fn wait_for(
        &mut self,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> io::Result<(PathBuf, Vec<u8>)> {
        let waiting = async {
            loop {
                let files = self.arrived.borrow_and_update().clone();
                for file in files.iter().rev() {
                    let octets = tokio::fs::read(file).await?;
                    if is_it(&octets) {
                        return Ok((file.clone(), octets));
                    }
                }
                self.arrived.changed().await.map_err(io::Error::other)?;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    dir: &Path,
    count: &AtomicUsize,
    tell: &watch::Sender<Vec<PathBuf>>,
) -> io::Result<()> {
    // Replies to commands that came together go out one by one.
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read.take(LIMIT));
    let mut recipients = 0;
    write.write_all(b"220 mailbox LMTP\r\n").await?;
    loop {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let verb: String = line
            .iter()
            .take(4)
            .map(|octet| char::from(octet.to_ascii_uppercase()))
            .collect();
        match verb.as_str() {
            "LHLO" => {
                write
                    .write_all(b"250-mailbox\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
                    .await?;
            }
            "RCPT" => {
                recipients += 1;
                write.write_all(b"250 2.1.5 here\r\n").await?;
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let message = data(&mut read).await?;
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let file = dir.join(format!("{number:04}.eml"));
                tokio::fs::write(&file, message).await?;
                tell.send_modify(|files| files.push(file));
                // RFC 2033 §4.2: one reply for each recipient
                for _ in 0..recipients {
                    write.write_all(b"250 2.0.0 delivered\r\n").await?;
                }
                recipients = 0;
            }
            "QUIT" => return write.write_all(b"221 2.0.0 bye\r\n").await,
            _ => {
                recipients = 0;
                write.write_all(b"250 2.0.0 well\r\n").await?;
            }
        }
    }
}

/// The message up to the lone dot, with stuffed dots taken away (RFC 5321 section 4.5.2).
async fn data(read: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        match line.strip_prefix(b".") {
            Some(b"\r\n") => return Ok(message),
            Some(rest) => message.extend_from_slice(rest),
            None => message.extend_from_slice(&line),
        }
    }
}
