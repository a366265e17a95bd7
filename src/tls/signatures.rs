//! The signature in a handshake: that the peer has the key of the certificate that it showed.
//!
//! Promises: checked with our provider, whichever side shows the certificate and whoever vouches for it.
//! Standards: RFC 8446 §4.4.3; RFC 5246 §7.4.3, §7.4.8.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::CertificateDer;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Checks signatures of handshakes.
#[derive(Debug)]
pub(super) struct Signatures(Arc<CryptoProvider>);

impl Signatures {
    pub fn of(provider: &Arc<CryptoProvider>) -> Self {
        Self(Arc::clone(provider))
    }

    pub fn check_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    pub fn check_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    pub fn schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
