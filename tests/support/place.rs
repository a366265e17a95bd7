//! A web server on loopback that hands revocation data out, well or badly.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How a place answers.
#[derive(Clone)]
pub enum Manner {
    /// Nothing is said, and the connection is closed.
    Drops,
    /// A head, then an octet now and then.
    Drips,
    /// These octets, as they should be handed out.
    Hands(Vec<u8>),
    /// The same, once somebody lets it.
    Held(Vec<u8>, Arc<Notify>),
    /// So many octets of nothing.
    Long(usize),
    /// Somewhere else.
    Redirects(String),
    /// These octets, without HTTP around them.
    Says(Vec<u8>),
    /// Nothing is said, and the connection stays open.
    Stalls,
}

/// The server. Dropped, it ends.
pub struct Places {
    address: SocketAddr,
    known: Arc<Known>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Known {
    manners: Mutex<HashMap<String, Manner>>,
    asked: Mutex<Vec<String>>,
}

impl Places {
    /// Listens on a port of its own.
    pub async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let known = Arc::new(Known::default());
        let mine = Arc::clone(&known);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let known = Arc::clone(&mine);
                // Whoever hangs up has had enough.
                open.spawn(async move { drop(answer(stream, &known).await) });
            }
        });
        Ok(Self {
            address,
            known,
            task,
        })
    }

    /// A place that answers like this from now on.
    pub fn put(&self, name: &str, manner: Manner) -> String {
        let path = format!("/{name}");
        let url = self.url(name);
        self.known.manners.lock().unwrap().insert(path, manner);
        url
    }

    /// Where a place is, whether it answers or not.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// How often a place was asked.
    pub fn count(&self, name: &str) -> usize {
        let path = format!("/{name}");
        let asked = self.known.asked.lock().unwrap();
        asked.iter().filter(|one| **one == path).count()
    }

    /// Waits until a place was asked.
    pub async fn asked(&self, name: &str) {
        while self.count(name) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, known: &Known) -> io::Result<()> {
    let mut asked = Vec::new();
    while !asked.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&asked).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    known.asked.lock().unwrap().push(path.clone());
    let manner = known.manners.lock().unwrap().get(&path).cloned();
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
    match manner {
        None => stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await?,
        Some(Manner::Drops) => {}
        Some(Manner::Drips) => {
            stream.write_all(OK).await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Some(Manner::Hands(octets)) => stream.write_all(&[OK, &octets].concat()).await?,
        Some(Manner::Held(octets, go)) => {
            go.notified().await;
            stream.write_all(&[OK, &octets].concat()).await?;
        }
        Some(Manner::Long(count)) => {
            stream.write_all(OK).await?;
            stream.write_all(&vec![b'x'; count]).await?;
        }
        Some(Manner::Redirects(to)) => {
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        Some(Manner::Says(octets)) => stream.write_all(&octets).await?,
        Some(Manner::Stalls) => std::future::pending().await,
    }
    stream.shutdown().await
}
