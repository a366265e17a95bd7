//! A host on loopback that hands out one file over HTTPS, well or badly.

use std::net::SocketAddr;
use std::sync::Arc;

use ravelin::crypto::keys::Identity;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    /// This text, as text/plain.
    Hands(String),
    /// This text, as another type.
    HandsAs(&'static str, String),
    /// Nothing is said.
    HangsUp,
    /// 404, and this text.
    Lacks(String),
    /// Somewhere else.
    Redirects,
}

/// A running host. Dropped, it ends.
pub struct Web {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    pub async fn open(identity: &Identity, manner: Manner) -> Self {
        let chain = identity.chain_der().into_iter().map(CertificateDer::from);
        let key = identity.pkcs8_der().unwrap();
        let key = PrivatePkcs8KeyDer::from(key.as_bytes().to_vec());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let settings = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(settings));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, manner) = (acceptor.clone(), manner.clone());
                // Whoever hangs up has had enough.
                tokio::spawn(async move { drop(serve(stream, acceptor, manner).await) });
            }
        });
        Self { address, task }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, manner: Manner) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut question = Vec::new();
    while !question.ends_with(b"\r\n\r\n") {
        question.push(stream.read_u8().await?);
    }
    let is_right = question.starts_with(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n");
    let answer = |status: &str, kind: &str, text: &str| {
        let length = text.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Location: https://elsewhere.example/\r\n\r\n{text}"
        )
    };
    let plain = "text/plain; charset=utf-8";
    let answer = match manner {
        Manner::HangsUp => return Ok(()),
        Manner::Hands(text) if is_right => answer("200 OK", plain, &text),
        Manner::HandsAs(kind, text) => answer("200 OK", kind, &text),
        Manner::Lacks(text) | Manner::Hands(text) => answer("404 Not Found", plain, &text),
        Manner::Redirects => answer("302 Found", plain, ""),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
