//! Certificate requests (PKCS #10): what an authority is asked to certify.
//!
//! Promises: a request that was read is signed by the key that it names. Names and key are slices
//! of the received octets. Refuses: keys that cannot sign, trailing octets, another version.
//! Standards: RFC 2986, 2985 §5.4.2 (extensionRequest), 8603 §6.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use spki::AlgorithmIdentifierOwned;
use x509_cert::name::Name;

use super::algorithm::{Digest, SignatureScheme, UnknownAlgorithm};
use super::certificate::{CertificateError, Extension, PublicKey, read_extensions, sequence_of};
use super::keys::PrivateKey;
use super::provider::{self, BadSignature, CryptoError};
use super::signed::Signed;
use super::tlv;

const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");

/// Attributes of one request.
const MOST_ATTRIBUTES: usize = 32;

/// Why octets are not a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The algorithm of its signature is unknown.
    #[error("the request's signature cannot be verified")]
    Algorithm(#[from] UnknownAlgorithm),
    /// Its key or its extensions are not right.
    #[error("a part of the request is malformed")]
    Part(#[from] CertificateError),
    /// The structure is wrong.
    #[error("the request's {field} is malformed")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// The decoder's reason.
        #[source]
        source: der::Error,
    },
    /// The key that it names did not sign it.
    #[error("the request is not signed by its own key")]
    Signature(#[from] BadSignature),
}

/// A request whose signature is good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateRequest {
    subject: Vec<u8>,
    name: Name,
    spki: Vec<u8>,
    extensions: Vec<Extension>,
}

impl CertificateRequest {
    /// Reads one request and verifies its signature; nothing may follow it.
    // RFC 2986 §4
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        let signed = Signed::from_der(der).map_err(|(field, source)| at(field)(source))?;

        let content = sequence_of(signed.content).map_err(at("signed part"))?;
        let mut inner = SliceReader::new(content).map_err(at("signed part"))?;
        if u8::decode(&mut inner).map_err(at("version"))? != 0 {
            return Err(at("version")(Tag::Integer.value_error().into()));
        }
        let subject = inner.tlv_bytes().map_err(at("subject"))?;
        let spki = inner.tlv_bytes().map_err(at("public key"))?;
        let attributes = AnyRef::decode(&mut inner).map_err(at("attributes"))?;
        inner.finish().map_err(at("end of the signed part"))?;

        let algorithm = AlgorithmIdentifierOwned::from_der(signed.algorithm)
            .map_err(at("signature algorithm"))?;
        let scheme = SignatureScheme::from_algorithm(&algorithm)?;
        provider::default().verify(spki, &scheme, signed.content, signed.signature)?;
        Ok(Self {
            subject: subject.to_vec(),
            name: Name::from_der(subject).map_err(at("subject"))?,
            spki: spki.to_vec(),
            extensions: requested(attributes.value())?,
        })
    }

    /// The subject's name, encoded.
    pub fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    /// The subject's name in the form of RFC 4514.
    pub fn subject(&self) -> String {
        self.name.to_string()
    }

    /// SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The extensions that are asked for.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }
}

/// A request for this subject (a Name in DER), signed by the key.
/// Fails with [`CryptoError::Unsupported`] where the key cannot sign.
pub fn make(
    key: &dyn PrivateKey,
    subject_der: &[u8],
    extensions: &[Extension],
) -> Result<Vec<u8>, CryptoError> {
    let scheme = scheme(key.public_spki())?;
    let attributes = match extensions.is_empty() {
        true => Vec::new(),
        false => tlv::sequence(&[
            &tlv::oid(&EXTENSION_REQUEST),
            &tlv::element(tlv::SET, &[&Extension::list_der(extensions)]),
        ]),
    };
    let info = tlv::sequence(&[
        &tlv::integer(0),
        subject_der,
        key.public_spki(),
        &tlv::element(tlv::CONTEXT_0, &[&attributes]),
    ]);
    let signature = key.sign(&scheme, &info)?;
    Ok(tlv::sequence(&[
        &info,
        &scheme.algorithm_der(),
        &tlv::element(0x03, &[&[0], &signature]),
    ]))
}

// RFC 8603 §6: the algorithms of certificates.
fn scheme(spki_der: &[u8]) -> Result<SignatureScheme, CryptoError> {
    match PublicKey::from_spki(spki_der) {
        Ok(PublicKey::Ec(curve, _)) => Ok(SignatureScheme::Ecdsa(curve.digest())),
        Ok(PublicKey::Ed25519(_)) => Ok(SignatureScheme::Ed25519),
        Ok(PublicKey::Rsa { .. }) => Ok(SignatureScheme::RsaPkcs1(Digest::Sha384)),
        _ => Err(CryptoError::Unsupported(
            "a request for a key that cannot sign",
        )),
    }
}

// RFC 2985 §5.4.2
fn requested(attributes: &[u8]) -> Result<Vec<Extension>, RequestError> {
    let mut reader = SliceReader::new(attributes).map_err(at("attributes"))?;
    let mut found = Vec::new();
    let mut count = 0usize;
    while !reader.is_finished() {
        count = count.saturating_add(1);
        if count > MOST_ATTRIBUTES {
            return Err(at("attributes")(Tag::Set.value_error().into()));
        }
        let attribute = AnyRef::decode(&mut reader).map_err(at("attribute"))?;
        let mut fields = SliceReader::new(attribute.value()).map_err(at("attribute"))?;
        let kind = ObjectIdentifier::decode(&mut fields).map_err(at("attribute"))?;
        let values = AnyRef::decode(&mut fields).map_err(at("attribute"))?;
        values.tag().assert_eq(Tag::Set).map_err(at("attribute"))?;
        if kind == EXTENSION_REQUEST {
            if !found.is_empty() {
                return Err(at("extension request")(Tag::Set.value_error().into()));
            }
            found = read_extensions(values.value())?;
        }
    }
    Ok(found)
}

fn at(field: &'static str) -> impl Fn(der::Error) -> RequestError {
    move |source| RequestError::Malformed { field, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::{Curve, KeyKind};
    use crate::crypto::lab;

    #[test]
    fn a_request_is_read_back_and_only_whole() {
        let name = lab::name_der("CN=Anna,O=Alder").unwrap();
        let odd = Extension {
            oid: "1.3.6.1.4.1.32473.7".parse().unwrap(),
            critical: true,
            value: vec![5, 0],
        };
        for kind in [
            KeyKind::Ec(Curve::P384),
            KeyKind::Rsa(3072),
            KeyKind::Ed25519,
        ] {
            let key = match provider::default().generate_key(kind) {
                Err(CryptoError::Unsupported(_)) if cfg!(feature = "pure-rust") => {
                    eprintln!("skipped: {kind:?} with the pure Rust provider");
                    continue;
                }
                made => made.unwrap(),
            };
            for wanted in [&[][..], std::slice::from_ref(&odd)] {
                let der = make(key.as_ref(), &name, wanted).unwrap();
                let read = CertificateRequest::from_der(&der).unwrap();
                assert_eq!(read.subject_der(), name);
                assert_eq!(read.spki_der(), key.public_spki());
                assert_eq!(read.extensions(), wanted);
                // Any octet changed, and it is not the key's request any more.
                for at in (0..der.len()).step_by(7) {
                    let mut changed = der.clone();
                    changed[at] ^= 1;
                    let found = CertificateRequest::from_der(&changed).ok();
                    assert_ne!(found, Some(read.clone()), "{kind:?}, octet {at}");
                }
                assert!(CertificateRequest::from_der(&[&der[..], &[0]].concat()).is_err());
            }
        }
        if cfg!(feature = "pure-rust") {
            eprintln!("skipped: X25519 with the pure Rust provider");
            return;
        }
        let agree = provider::default().generate_key(KeyKind::X25519).unwrap();
        assert!(matches!(
            make(agree.as_ref(), &name, &[]),
            Err(CryptoError::Unsupported(_))
        ));
    }
}
