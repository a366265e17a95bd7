//! The client certificate in a handshake: proof of the key, and no more.
//!
//! Promises: a peer that completes the handshake has the key of the certificate that it showed.
//! Does not say whether that certificate is trusted: [`super::identify`] does, before anything that
//! the peer says counts.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::signatures::Signatures;
use crate::crypto::certificate::Certificate;

/// Takes every certificate, and checks that the peer signs with its key.
#[derive(Debug)]
pub(super) struct Shown {
    authorities: Vec<DistinguishedName>,
    signatures: Signatures,
}

impl Shown {
    /// `anchors` are named to the peer, so that it knows which certificate to show.
    pub fn new(anchors: &[Certificate], provider: &Arc<CryptoProvider>) -> Self {
        Self {
            authorities: anchors
                .iter()
                .map(|anchor| DistinguishedName::from(anchor.subject_der().to_vec()))
                .collect(),
            signatures: Signatures::of(provider),
        }
    }
}

impl ClientCertVerifier for Shown {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.authorities
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
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
