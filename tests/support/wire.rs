//! A client that says what it is told to, octet by octet, in the clear or inside TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ravelin::crypto::algorithm::Digest;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// No answer within this is no answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two octets of a slow client.
const PAUSE: Duration = Duration::from_millis(30);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection.
pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    /// What SCRAM may bind to, once TLS is there.
    pub binding: Vec<u8>,
}

/// How the client's TLS is made.
pub struct Tls<'a> {
    /// Who vouches for the server.
    pub anchor: &'a Certificate,
    /// The name in its certificate.
    pub host: &'a str,
    /// What the client shows.
    pub identity: Option<&'a Identity>,
    /// Whether TLS 1.2 is all that it knows.
    pub is_old: bool,
}

impl Wire {
    pub async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        Self {
            stream: BufReader::new(Box::new(stream)),
            binding: Vec::new(),
        }
    }

    /// Makes the handshake on what is open.
    pub async fn secure(self, tls: &Tls<'_>) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let anchor = CertificateDer::from(tls.anchor.der().to_vec());
        roots.add(anchor).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = match tls.is_old {
            true => vec![&rustls::version::TLS12],
            false => vec![&rustls::version::TLS13],
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match tls.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = identity.pkcs8_der().unwrap().as_bytes().to_vec();
                let chain = identity.chain_der().into_iter().map(CertificateDer::from);
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
                config.with_client_auth_cert(chain.collect(), key).unwrap()
            }
        };
        let name = ServerName::try_from(tls.host.to_owned()).unwrap();
        let stream = self.stream.into_inner();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        let binding = stream
            .get_ref()
            .1
            .export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(b""))
            .unwrap();
        Ok(Self {
            stream: BufReader::new(Box::new(stream)),
            binding,
        })
    }

    /// Opens, says EHLO and STARTTLS, shakes hands and says EHLO again; gives back the last reply.
    pub async fn starttls(to: SocketAddr, tls: &Tls<'_>) -> (Self, String) {
        Self::starttls_as(to, tls, "EHLO").await
    }

    /// With another word than EHLO.
    pub async fn starttls_as(to: SocketAddr, tls: &Tls<'_>, hello: &str) -> (Self, String) {
        let mut wire = Self::open(to).await;
        let hello = format!("{hello} client");
        assert!(wire.hear().await.starts_with("220 "));
        assert!(wire.ask(&hello).await.starts_with("250-"));
        assert!(wire.ask("STARTTLS").await.starts_with("220 "));
        let mut wire = wire.secure(tls).await.unwrap();
        let offered = wire.ask(&hello).await;
        (wire, offered)
    }

    /// Sends octets as they are.
    pub async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next reply, all its lines; nothing when the server has closed.
    pub async fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line));
            // A connection that breaks is one that is closed.
            if read.await.expect("an answer in time").unwrap_or(0) == 0 {
                return reply;
            }
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    /// Says these octets one by one, with pauses, until the server says something; what that is.
    /// Nothing, when it closed without a word.
    pub async fn dribble(&mut self, octets: impl IntoIterator<Item = u8>) -> String {
        let mut octets = octets.into_iter();
        let begun = Instant::now();
        while begun.elapsed() < 2 * PATIENCE {
            let heard = tokio::time::timeout(PAUSE, self.stream.fill_buf()).await;
            if heard.is_ok() {
                return self.hear().await;
            }
            if let Some(octet) = octets.next() {
                // Who has closed does not listen any more; what it said last is read above.
                let _ = self.stream.write_all(&[octet]).await;
                let _ = self.stream.flush().await;
            }
        }
        panic!("the server waits for ever")
    }

    /// Says a command and hears the reply.
    pub async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes()).await;
        self.hear().await
    }

    /// MAIL, RCPT and DATA; the reply to the end of the message, or the first that refuses.
    pub async fn hand_in(&mut self, mail: &str, to: &[&str], message: &[u8]) -> String {
        let reply = self.ask(mail).await;
        if !reply.starts_with('2') {
            return reply;
        }
        for to in to {
            let reply = self.ask(&format!("RCPT TO:<{to}>")).await;
            if !reply.starts_with('2') {
                return reply;
            }
        }
        let reply = self.ask("DATA").await;
        if !reply.starts_with("354") {
            return reply;
        }
        let text = String::from_utf8(message.to_vec()).unwrap();
        self.send(text.replace("\r\n.", "\r\n..").as_bytes()).await;
        self.ask(".").await
    }

    /// AUTH by SCRAM, by the book: `header` as the client says it, `bound` what it binds to.
    pub async fn scram(&mut self, name: &str, header: &str, user: &str, password: &str) -> String {
        let bare = format!("n={user},r=fyko+d2lbbFgONRv9qkxdawL");
        let first = STANDARD.encode(format!("{header}{bare}"));
        let reply = self.ask(&format!("AUTH {name} {first}")).await;
        let Some(challenge) = reply.strip_prefix("334 ") else {
            return reply;
        };
        let challenge = String::from_utf8(STANDARD.decode(challenge.trim_end()).unwrap()).unwrap();
        let parts: Vec<&str> = challenge.split(',').map(|part| &part[2..]).collect();
        let (salt, rounds) = (
            STANDARD.decode(parts[1]).unwrap(),
            parts[2].parse().unwrap(),
        );
        let provider = provider::default();
        let salted = provider
            .pbkdf2(Digest::Sha256, password.as_bytes(), &salt, rounds, 32)
            .unwrap();
        let hmac = |key: &[u8], text: &[u8]| provider.hmac(Digest::Sha256, key, &[text]);
        let client_key = hmac(salted.as_bytes(), b"Client Key");
        let stored_key = provider.digest(Digest::Sha256, &[&client_key]);
        let mut bound = header.as_bytes().to_vec();
        if header.starts_with("p=") {
            bound.extend(&self.binding);
        }
        let unproven = format!("c={},r={}", STANDARD.encode(bound), parts[0]);
        let message = format!("{bare},{challenge},{unproven}");
        let signature = hmac(&stored_key, message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let last = format!("{unproven},p={}", STANDARD.encode(proof));
        let reply = self.ask(&STANDARD.encode(last)).await;
        let Some(verifier) = reply.strip_prefix("334 ") else {
            return reply;
        };
        // The server knows what is kept of the password.
        let server_key = hmac(salted.as_bytes(), b"Server Key");
        let signature = STANDARD.encode(hmac(&server_key, message.as_bytes()));
        let verifier = STANDARD.decode(verifier.trim_end()).unwrap();
        assert_eq!(
            String::from_utf8(verifier).unwrap(),
            format!("v={signature}")
        );
        self.ask("").await
    }
}
