//! TLS configurations and peer identity, both directions.
//!
//! Promises: TLS 1.2 with AEAD and TLS 1.3 only. A client certificate is asked for, the handshake
//! proves that the peer has its key, and then SMTP decides with a reply (a handshake that fails
//! tells nobody why). Who a peer is, its certificate says and `[[subject]]` and `[[link]]` name; path
//! and revocation are checked by our own trust store.
//! Standards: RFC 8446, RFC 3207, RFC 9325.

mod client;
mod dane;
mod host;
mod server;
mod signatures;
mod token;

use std::sync::Arc;

pub use dane::{Associations, DaneProblem};
pub use host::{Expected, Vouched, visitor};
pub use server::Server;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use zeroize::Zeroize;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Identity as Key;
use crate::crypto::trust::{Purpose, TrustStore};
use crate::decision::Fault;
use crate::message::address::Address;
use crate::message::envelope::Identity;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key that cannot sign for TLS.
    #[error("the TLS key must be RSA or on a NIST curve")]
    Key,
    /// A peer name that is no DNS name or address.
    #[error("{0:?} is not a name that a TLS peer can have")]
    Name(String),
    /// A server that is somebody else.
    #[error("the certificate of the server is not for {0}")]
    Other(String),
    /// What the TLS library says.
    #[error("TLS cannot be set up: {0}")]
    Setup(Box<dyn std::error::Error + Send + Sync>),
}

fn setup(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Setup(Box::new(error))
}

/// What a listener shows and asks for.
///
/// # Errors
/// When the switch's TLS key or the anchors cannot be used.
pub fn server(config: &Config) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(client::Shown::new(&config.tls_anchors, &provider));
    let shown = shown(&config.keys.tls)?;
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    Ok(Arc::new(settings))
}

/// What a client with `identity` shows to a server that `trust` vouches for.
///
/// # Errors
/// When the key or the anchors cannot be used.
pub fn client(identity: &Key, trust: &TrustStore) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let shown = shown(identity)?;
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_root_certificates(roots(trust.anchors())?)
        .with_client_cert_resolver(shown);
    Ok(Arc::new(settings))
}

/// The name of a server, as its certificate must show it.
///
/// # Errors
/// When it is no DNS name or address.
pub fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.into()))
}

// RFC 9266 §4: TLS 1.3 only; before, what is exported need not be unique to the connection
/// What this connection has and no other, to bind a login to; nothing before TLS 1.3.
pub fn exporter_binding(connection: &rustls::ServerConnection) -> Option<Vec<u8>> {
    if connection.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return None;
    }
    let label = b"EXPORTER-Channel-Binding";
    connection
        .export_keying_material(vec![0; 32], label, Some(b""))
        .ok()
}

/// Who a peer is whose handshake went well: a link's far side by its DNS name, or one of our own
/// people by the address in the certificate. Whatever our own trust store does not confirm, with
/// revocation, is nobody.
///
/// # Errors
/// A fault when our own means (revocation data) do not let us judge a certificate that may be good.
pub async fn identify(
    config: &Config,
    chain: &[CertificateDer<'_>],
    at: Timestamp,
) -> Result<Identity, Fault> {
    let certificates = read(chain);
    let Some((own, extra)) = certificates.split_first() else {
        return Ok(Identity::Nobody);
    };
    let names = own.dns_names();
    for link in &config.links {
        let named = link
            .peer
            .as_ref()
            .is_some_and(|peer| names.iter().any(|name| name.eq_ignore_ascii_case(peer)));
        if named && is_trusted(&link.trust, own, extra, at).await? {
            return Ok(Identity::Link(link.name.clone()));
        }
    }
    for email in own.emails() {
        let Ok(address) = Address::parse(&email) else {
            continue;
        };
        if config.subjects.contains_key(&address)
            && is_trusted(&config.trust, own, extra, at).await?
        {
            return Ok(Identity::Subject(address));
        }
    }
    Ok(Identity::Nobody)
}

async fn is_trusted(
    trust: &TrustStore,
    own: &Certificate,
    extra: &[Certificate],
    at: Timestamp,
) -> Result<bool, Fault> {
    match trust.validate_aside(own, extra, Purpose::Client, at).await {
        Ok(_) => Ok(true),
        Err(problem) if problem.is_ours() => {
            Err(Fault::new("judge the certificate of a peer", problem))
        }
        Err(_) => Ok(false),
    }
}

/// As [`confirm_server`], for the reactor: nothing waits there.
///
/// # Errors
/// As [`confirm_server`].
pub async fn confirm_server_aside(
    trust: &TrustStore,
    chain: &[CertificateDer<'_>],
    at: Timestamp,
) -> Result<(), TlsError> {
    let certificates = read(chain);
    let (own, extra) = certificates
        .split_first()
        .ok_or_else(|| TlsError::Name("a server without certificate".into()))?;
    let path = trust.validate_aside(own, extra, Purpose::Server, at).await;
    path.map(drop).map_err(setup)
}

/// Confirms a server's certificate by our own trust store: path and revocation.
///
/// # Errors
/// What the trust store says against it.
pub fn confirm_server(
    trust: &TrustStore,
    chain: &[CertificateDer<'_>],
    at: Timestamp,
) -> Result<(), TlsError> {
    let certificates = read(chain);
    let (own, extra) = certificates
        .split_first()
        .ok_or_else(|| TlsError::Name("a server without certificate".into()))?;
    trust
        .validate(own, extra, Purpose::Server, at)
        .map(drop)
        .map_err(setup)
}

fn read(chain: &[CertificateDer<'_>]) -> Vec<Certificate> {
    chain
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect()
}

fn roots(anchors: &[Certificate]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots
            .add(CertificateDer::from(anchor.der().to_vec()))
            .map_err(setup)?;
    }
    Ok(roots)
}

/// What this side shows, and signs handshakes with: here, or on the token that holds the key.
fn shown(identity: &Key) -> Result<Arc<SingleCertAndKey>, TlsError> {
    let key: Arc<dyn SigningKey> = match identity.pkcs8_der() {
        Some(octets) => {
            let pkcs8 = PrivatePkcs8KeyDer::from(octets.as_bytes().to_vec());
            let mut key = PrivateKeyDer::Pkcs8(pkcs8);
            let loaded = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key);
            key.zeroize();
            loaded.map_err(setup)?
        }
        None => Arc::new(token::Held::new(identity).ok_or(TlsError::Key)?),
    };
    let chain = identity
        .chain_der()
        .into_iter()
        .map(CertificateDer::from)
        .collect();
    Ok(Arc::new(CertifiedKey::new(chain, key).into()))
}
