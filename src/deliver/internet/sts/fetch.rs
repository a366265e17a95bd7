//! One attempt to fetch a policy over HTTPS.
//!
//! Promises: bounded in octets and in time; the host must show a certificate for its own name, under
//! the anchors of `[internet]`, with revocation as there. Refuses: redirections, every status but 200,
//! another type than text/plain.
//! Standards: RFC 8461 §3.2, §3.3; RFC 9110 §15.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::policy::{LONGEST, Policy};
use crate::clock::Timestamp;
use crate::crypto::trust::TrustStore;
use crate::tls;

/// RFC 8461 §3.3: a minute is suggested; nobody waits for it meanwhile but this message.
const PATIENCE: Duration = Duration::from_secs(30);
const PATH: &str = "/.well-known/mta-sts.txt";

/// The policy that this host hands out at one of these places, and its octets.
pub(super) async fn fetch(
    host: &str,
    places: &[SocketAddr],
    trust: &TrustStore,
    at: Timestamp,
) -> Result<(Policy, Bytes), String> {
    let fetched = async {
        let mut why = "it has no address".to_owned();
        for place in places {
            match get(host, *place, trust, at).await {
                Ok(octets) => {
                    let policy = Policy::read(&octets).map_err(|error| error.to_string())?;
                    return Ok((policy, octets));
                }
                Err(text) => why = text,
            }
        }
        Err(why)
    };
    let fetched = timeout(PATIENCE, fetched).await;
    fetched
        .unwrap_or_else(|_| Err("no answer in time".into()))
        .map_err(|why| format!("https://{host}{PATH}: {why}"))
}

async fn get(
    host: &str,
    place: SocketAddr,
    trust: &TrustStore,
    at: Timestamp,
) -> Result<Bytes, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let config = tls::visitor(trust).map_err(|error| text(&error))?;
    let name = tls::server_name(host).map_err(|error| text(&error))?;
    let stream = TcpStream::connect(place).await.map_err(|e| text(&e))?;
    let connected = TlsConnector::from(config).connect(name, stream).await;
    let stream = connected.map_err(|error| text(&error))?;
    let chain = stream.get_ref().1.peer_certificates();
    let chain = chain.unwrap_or_default().to_vec();
    let confirmed = tls::confirm_server_aside(trust, &chain, at).await;
    confirmed.map_err(|error| text(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| text(&error))?;
    let driver = tokio::spawn(connection);
    let question = Request::get(PATH).header(HOST, host);
    let question = question.body(Empty::<Bytes>::new());
    let asked = async {
        let question = question.map_err(|error| text(&error))?;
        let answer = sender.send_request(question).await;
        let answer = answer.map_err(|error| text(&error))?;
        // RFC 8461 §3.3: redirections are not followed
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        let kind = answer.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("text/plain") {
            return Err("the answer is not text/plain".into());
        }
        let whole = Limited::new(answer.into_body(), LONGEST).collect().await;
        whole
            .map(http_body_util::Collected::to_bytes)
            .map_err(|error| error.to_string())
    }
    .await;
    driver.abort();
    asked
}
