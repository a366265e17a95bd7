//! The far nation's switch, as far as ours sees it: SMTP over TLS with its certificate; takes all.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ravelin::cli::demo::Trouble;
use ravelin::config::Config;
use ravelin::message::envelope::Identity;
use ravelin::smtp::reply::Reply;
use ravelin::smtp::session::{RequireTls, Session, Settings, StartTls, Step};
use ravelin::tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What becomes of the messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// They are counted.
    Count,
    /// Those that hold this text are kept until they are taken.
    Marked(&'static str),
    /// They are kept until they are taken.
    Whole,
}

/// A running sink. Dropped, it ends.
pub struct Sink {
    address: SocketAddr,
    taken: Arc<Taken>,
    task: JoinHandle<()>,
}

struct Taken {
    keep: Keep,
    count: AtomicUsize,
    messages: Mutex<Vec<Vec<u8>>>,
}

impl Sink {
    /// Listens at `address` and shows what the switch of `config` would show.
    pub async fn open(config: &Config, address: SocketAddr, keep: Keep) -> Result<Self, Trouble> {
        Self::with(Settings::default(), config, address, keep).await
    }

    /// The same, with limits of its own.
    pub async fn with(
        settings: Settings,
        config: &Config,
        address: SocketAddr,
        keep: Keep,
    ) -> Result<Self, Trouble> {
        let settings = Settings {
            hostname: config.name.clone(),
            starttls: StartTls::Offered,
            require_tls: RequireTls::Yes,
            ..settings
        };
        let acceptor = TlsAcceptor::from(tls::server(config)?);
        Self::serving(settings, Some(acceptor), address, keep).await
    }

    /// A sink in the clear.
    pub async fn in_the_clear(address: SocketAddr) -> Result<Self, Trouble> {
        Self::serving(Settings::default(), None, address, Keep::Count).await
    }

    /// A sink in the clear, with limits of its own.
    pub async fn limited(settings: Settings) -> Result<Self, Trouble> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::serving(settings, None, address, Keep::Count).await
    }

    async fn serving(
        settings: Settings,
        acceptor: Option<TlsAcceptor>,
        address: SocketAddr,
        keep: Keep,
    ) -> Result<Self, Trouble> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let taken = Arc::new(Taken {
            keep,
            count: AtomicUsize::new(0),
            messages: Mutex::default(),
        });
        let mine = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session::new(settings.clone());
                let (acceptor, taken) = (acceptor.clone(), Arc::clone(&mine));
                tokio::spawn(async move {
                    // A client that hangs up is no event for a sink.
                    let _ = serve(stream, acceptor, session, &taken).await;
                });
            }
        });
        Ok(Self {
            address,
            taken,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many messages came.
    pub fn count(&self) -> usize {
        self.taken.count.load(Ordering::SeqCst)
    }

    /// The messages that came since this was last asked.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.taken.messages.lock().unwrap())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    mut session: Session,
    taken: &Taken,
) -> Result<(), Trouble> {
    stream.set_nodelay(true)?;
    session.greeting();
    if !converse(&mut stream, &mut session, taken).await? {
        return Ok(());
    }
    let acceptor = acceptor.ok_or("STARTTLS was not offered")?;
    let mut stream = acceptor.accept(stream).await?;
    session.secured(None, Identity::Nobody);
    converse(&mut stream, &mut session, taken).await?;
    Ok(())
}

/// Yes when a handshake is to follow.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    session: &mut Session,
    taken: &Taken,
) -> Result<bool, Trouble> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match session.next() {
            Step::Ask(_) => session.answer(Reply::new(250, (2, 1, 0), "go on")),
            Step::Close => return Ok(false),
            Step::Mail(_, message) => {
                let is_kept = match taken.keep {
                    Keep::Count => false,
                    Keep::Marked(mark) => message.windows(mark.len()).any(|w| w == mark.as_bytes()),
                    Keep::Whole => true,
                };
                if is_kept {
                    taken.messages.lock().unwrap().push(message);
                }
                taken.count.fetch_add(1, Ordering::SeqCst);
                session.answer(Reply::new(250, (2, 0, 0), "taken"));
            }
            Step::NeedInput => {
                let read = stream.read(&mut buffer).await?;
                if read == 0 {
                    return Ok(false);
                }
                session.feed(&buffer[..read]);
            }
            Step::Send(octets) => {
                stream.write_all(&octets).await?;
                stream.flush().await?;
            }
            Step::StartTls => return Ok(true),
        }
    }
}
