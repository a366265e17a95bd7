//! A server that DNS names: who it must turn out to be.
//!
//! Promises: what the link pins (`peer`, under the link's own anchors) holds always, in the handshake;
//! what the far side publishes holds besides. The server is asked for by the name that the
//! publication is about.
//! Refuses: a server for which nobody vouches: there is no way to ask for none.
//! Standards: RFC 7672 §3.1, §3.2; RFC 8461 §4.1; RFC 6066 §3.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::dane::{Associations, is_named};
use super::signatures::Signatures;
use super::{TlsError, confirm_server_aside, roots, server_name, setup, shown};
use crate::clock::Timestamp;
use crate::crypto::keys::Identity as Key;
use crate::crypto::trust::TrustStore;

/// Who a server must turn out to be.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The name that it is asked for by.
    pub name: String,
    /// The name that the link pins.
    pub pinned: Option<String>,
    /// Who else vouches for it.
    pub vouched: Vouched,
}

/// Who vouches for a server.
#[derive(Clone, Debug)]
pub enum Vouched {
    /// The link's anchors, for the name that it is asked for by.
    Anchors,
    /// TLSA records, for these names.
    Records(Associations, Vec<String>),
}

impl Expected {
    /// What this side shows to the server, and wants of its certificate in the handshake.
    ///
    /// # Errors
    /// When the key, the anchors or the names cannot be used.
    pub fn client(
        &self,
        identity: &Key,
        trust: &TrustStore,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let pinned = match &self.pinned {
            Some(name) => {
                let roots = Arc::new(roots(trust.anchors())?);
                let known = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
                Some((known.build().map_err(setup)?, server_name(name)?))
            }
            None => None,
        };
        let shown = shown(identity)?;
        let verifier = Arc::new(Opens {
            pinned,
            signatures: Signatures::of(&provider),
        });
        let settings = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(setup)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(shown);
        Ok((Arc::new(settings), server_name(&self.name)?))
    }

    /// Confirms the certificate of a server whose handshake went well.
    ///
    /// # Errors
    /// What speaks against it.
    pub async fn confirm(
        &self,
        trust: &TrustStore,
        chain: &[CertificateDer<'_>],
        at: Timestamp,
    ) -> Result<(), TlsError> {
        if self.pinned.is_some() || matches!(self.vouched, Vouched::Anchors) {
            confirm_server_aside(trust, chain, at).await?;
        }
        match &self.vouched {
            // RFC 8461 §4.2: a name of the certificate is that of the host
            Vouched::Anchors => {
                let own = chain.first();
                let is_named =
                    own.is_some_and(|own| is_named(own, std::slice::from_ref(&self.name)));
                is_named
                    .then_some(())
                    .ok_or_else(|| TlsError::Other(self.name.clone()))
            }
            Vouched::Records(records, names) => records
                .vouch(chain, names, trust.suite(), at)
                .map_err(setup),
        }
    }
}

/// What a client shows nothing with: for what is open to all.
///
/// # Errors
/// When the anchors cannot be used.
pub fn visitor(trust: &TrustStore) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_root_certificates(roots(trust.anchors())?)
        .with_no_client_auth();
    Ok(Arc::new(settings))
}

/// Checks what the link pins, and that the server signs with its key; [`Expected::confirm`] does the
/// rest, before anything is said inside.
#[derive(Debug)]
struct Opens {
    pinned: Option<(Arc<WebPkiServerVerifier>, ServerName<'static>)>,
    signatures: Signatures,
}

impl ServerCertVerifier for Opens {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.pinned {
            Some((known, name)) => {
                known.verify_server_cert(certificate, intermediates, name, ocsp, now)
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
