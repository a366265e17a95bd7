//! Every event, at once, to a collector: syslog over TCP, with TLS or without.
//!
//! The buffer is the chain itself: who forwards remembers the number of the last record that it sent
//! and reads the next ones from the store, a page at a time. So a collector that is slow or away costs
//! no memory, loses no event while the chain has it, and never holds up the line. The number of the
//! last that has surely arrived is kept in a file beside the store; after a new start some records
//! are sent twice (each has its number).
//! Promises: frames by octet counting, so that no record can end another. TCP has no answer, and what
//! was on the way when a connection broke is gone without a word: so what was sent shortly before
//! ([`ON_THE_WAY`]) is sent again. Who sits on a connection for longer without reading, and then drops
//! it, may miss some; the chain has them.
//! Standards: RFC 6587 §3.4.1; RFC 5425 §4.3 and §5 (both sides with certificates); RFC 5424.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::audit::render::{Form, framed, render};
use crate::clock::Clock;
use crate::config::{Config, Forward, InForce};
use crate::store::Store;
use crate::tls;

/// So many records are read and sent at once.
const PAGE: u64 = 256;
/// How long a connection, a handshake or a page may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The wait before a collector is tried again; it doubles.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// What was sent so long before a connection broke may not have arrived.
const ON_THE_WAY: Duration = Duration::from_secs(60);
/// So many pages are remembered as on the way.
const PAGES_ON_THE_WAY: usize = 64;

/// How far a collector has got.
#[derive(Clone)]
pub struct Forwarding(Arc<State>);

struct State {
    name: String,
    sent: AtomicU64,
    connected: AtomicBool,
}

impl Forwarding {
    /// The name of the collector.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The number of the last record that was sent.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.0.connected.load(Ordering::Relaxed)
    }
}

/// What sends events to one collector.
pub struct Forwarder {
    to: Forward,
    in_force: InForce,
    clock: Clock,
    store: Store,
    place: PathBuf,
    state: Forwarding,
}

impl Forwarder {
    /// Goes on where it had got; a collector that is new gets what happens from now on.
    pub fn new(to: Forward, in_force: InForce, clock: Clock, store: Store) -> Self {
        let dir = in_force.snapshot().store.clone();
        let place = place(&dir, &to.name);
        let head = store.heads().borrow().sequence;
        let kept = std::fs::read_to_string(&place).ok();
        let kept = kept.and_then(|text| text.trim().parse::<u64>().ok());
        let state = Forwarding(Arc::new(State {
            name: to.name.clone(),
            // More than there is: an older store was put back; the collector has seen what was before.
            sent: AtomicU64::new(kept.map_or(head, |kept| kept.min(head))),
            connected: AtomicBool::new(false),
        }));
        Self {
            to,
            in_force,
            clock,
            store,
            place,
            state,
        }
    }

    /// How far it has got.
    pub fn forwarding(&self) -> Forwarding {
        self.state.clone()
    }

    /// Sends until the task is dropped.
    pub async fn run(self) {
        let mut wait = FIRST;
        let mut farthest = self.state.sent();
        let mut on_the_way = OnTheWay::default();
        loop {
            let ended = self.connect_and_send(&mut on_the_way).await;
            self.state.0.connected.store(false, Ordering::Relaxed);
            if self.state.sent() > farthest {
                farthest = self.state.sent();
                wait = FIRST;
            }
            if let Some(first) = on_the_way.lost() {
                self.state.0.sent.store(first, Ordering::Relaxed);
            }
            if let Err(error) = ended {
                let (collector, sent) = (&self.to.name, self.state.sent());
                tracing::warn!(collector, sent, %error, next = ?wait, "events cannot be forwarded");
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST);
        }
    }

    async fn connect_and_send(&self, on_the_way: &mut OnTheWay) -> std::io::Result<()> {
        let config = self.in_force.snapshot();
        let stream = timeout(PATIENCE, TcpStream::connect(&self.to.address)).await??;
        match &self.to.tls {
            None => self.send(&config, stream, on_the_way).await,
            Some((peer, trust)) => {
                let client = tls::client(&config.keys.tls, trust).map_err(std::io::Error::other)?;
                let name = tls::server_name(peer).map_err(std::io::Error::other)?;
                let connect = TlsConnector::from(client).connect(name, stream);
                let stream = timeout(PATIENCE, connect).await??;
                // RFC 5425 §5.2: the collector is who its certificate says, by our own trust store
                let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                tls::confirm_server(trust, chain, self.clock.now())
                    .map_err(std::io::Error::other)?;
                self.send(&config, stream, on_the_way).await
            }
        }
    }

    /// Sends what there is, and waits for more.
    async fn send(
        &self,
        config: &Config,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        on_the_way: &mut OnTheWay,
    ) -> std::io::Result<()> {
        self.state.0.connected.store(true, Ordering::Relaxed);
        let mut heads = self.store.heads();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut said = [0; 512];
        loop {
            let (from, head) = (self.state.sent(), heads.borrow_and_update().sequence);
            if from >= head {
                tokio::select! {
                    changed = heads.changed() => changed.map_err(std::io::Error::other)?,
                    // A collector says nothing; that it has gone is seen here.
                    read = reader.read(&mut said) => if read? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    },
                }
                continue;
            }
            let to = head.min(from.saturating_add(PAGE));
            let (store, form, name) = (self.store.clone(), self.to.form, config.name.clone());
            let page = tokio::task::spawn_blocking(move || page(&store, from, to, form, &name));
            let page = page.await.map_err(std::io::Error::other)??;
            let arrived = on_the_way.add(from);
            timeout(PATIENCE, async {
                writer.write_all(&page).await?;
                writer.flush().await
            })
            .await??;
            self.state.0.sent.store(to, Ordering::Relaxed);
            // If it is lost, some records are sent twice.
            let _ = std::fs::write(&self.place, arrived.to_string());
        }
    }
}

/// The pages that were sent of late: each by the number before its first record, and when.
#[derive(Default)]
struct OnTheWay(VecDeque<(Instant, u64)>);

impl OnTheWay {
    /// One more page; the number of the last record that has arrived.
    fn add(&mut self, before: u64) -> u64 {
        while self.0.len() >= PAGES_ON_THE_WAY || self.arrived() {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), before));
        self.0.front().map_or(before, |(_, oldest)| *oldest)
    }

    /// Whether the oldest was sent so long ago that it has arrived.
    fn arrived(&self) -> bool {
        let oldest = self.0.front();
        oldest.is_some_and(|(at, _)| at.elapsed() >= ON_THE_WAY)
    }

    /// The connection broke: from where on to send again; none if all arrived.
    fn lost(&mut self) -> Option<u64> {
        while self.arrived() {
            self.0.pop_front();
        }
        self.0.drain(..).next().map(|(_, before)| before)
    }
}

/// Where it is kept how far a collector has got.
fn place(dir: &Path, name: &str) -> PathBuf {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    dir.join(format!("forwarded-{name}"))
}

/// The records after `from` up to `to`, as the collector wants them.
fn page(store: &Store, from: u64, to: u64, form: Form, name: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    for number in from.saturating_add(1)..=to {
        let line = store.record(number).map_err(std::io::Error::other)?;
        let Some(line) = line else { continue };
        let syslog = render(&line, Form::Syslog, name).map_err(std::io::Error::other)?;
        let message = match form {
            Form::Cef => {
                let cef = render(&line, Form::Cef, name).map_err(std::io::Error::other)?;
                // RFC 5424 §6.4: CEF is the text of the message, behind the same header
                let header = syslog.split_once(" [").map_or("", |(header, _)| header);
                format!("{header} - \u{feff}{cef}")
            }
            Form::Jsonl | Form::Syslog => syslog,
        };
        page.extend_from_slice(&framed(&message));
    }
    Ok(page)
}
