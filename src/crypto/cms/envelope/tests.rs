//! Envelopes that openssl does not make or read, opened by ourselves, and their negative twins.

use super::*;
use crate::clock::Timestamp;
use crate::crypto::algorithm::{Curve, KeyKind};
use crate::crypto::cms::decrypt::{DecryptError, decrypt};
use crate::crypto::cms::read::{ContentInfo, Limits, RecipientInfo, parse};
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, Request, Usage};

const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";
const CIPHERS: [ContentCipher; 2] = [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc];

fn identity(kind: KeyKind) -> Identity {
    let now = Timestamp::now();
    let authority = Authority::new("Test", now).unwrap();
    let request = Request::new("Bob", Usage::Encrypt, now).key(kind);
    authority.issue(request).unwrap()
}

fn order(recipients: &[Certificate], cipher: ContentCipher) -> EnvelopeOrder<'_> {
    EnvelopeOrder {
        content: CONTENT,
        content_type: oid::DATA,
        recipients,
        cipher,
        authenticated: &[],
    }
}

fn open(cms: &[u8], identity: &Identity) -> Result<Vec<u8>, DecryptError> {
    let identities = std::slice::from_ref(identity);
    match parse(cms, &Limits::default()).unwrap() {
        ContentInfo::Enveloped(data) => decrypt(&data, identities),
        ContentInfo::AuthEnveloped(data) => decrypt(&data, identities),
        other => panic!("{other:?}"),
    }
    .map(|content| content.to_vec())
}

fn replaced(octets: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = octets.windows(from.len()).position(|w| w == from).unwrap();
    let mut out = octets.to_vec();
    out[at..at + from.len()].copy_from_slice(to);
    out
}

#[test]
fn x25519_recipients_read_and_others_do_not() {
    if provider::default().agree_x25519_each(&[]).is_err() {
        eprintln!("skipped: this provider has no X25519");
        return;
    }
    let (bob, other) = (identity(KeyKind::X25519), identity(KeyKind::X25519));
    let p384 = identity(KeyKind::Ec(Curve::P384));
    let recipients = [bob.certificate().clone(), p384.certificate().clone()];
    for cipher in CIPHERS {
        for derivation in [None, Some(Digest::Sha384), Some(Digest::Sha512)] {
            let settings = EnvelopeSettings {
                derivation,
                ..EnvelopeSettings::default()
            };
            let cms = seal_with(&order(&recipients, cipher), &settings).unwrap();
            assert_eq!(open(&cms, &bob).as_deref(), Ok(CONTENT));
            assert_eq!(open(&cms, &p384).as_deref(), Ok(CONTENT));
            assert_eq!(open(&cms, &other), Err(DecryptError::NotForUs));
        }
    }
    // Another key under the same name; a changed ephemeral key.
    let mine = [bob.certificate().clone()];
    let cms = seal(&order(&mine, ContentCipher::Aes256Gcm)).unwrap();
    let theirs = seal(&order(
        &[other.certificate().clone()],
        ContentCipher::Aes256Gcm,
    ))
    .unwrap();
    let ephemeral = |cms: &[u8]| match parse(cms, &Limits::default()).unwrap() {
        ContentInfo::AuthEnveloped(data) => match &data.recipients[0] {
            RecipientInfo::KeyAgreement(agreement) => {
                agreement.originator.public_key.raw_bytes().to_vec()
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let swapped = replaced(&cms, &ephemeral(&cms), &ephemeral(&theirs));
    assert_eq!(open(&swapped, &bob), Err(DecryptError::Failed));
    let zeros = replaced(&cms, &ephemeral(&cms), &[0; 32]);
    assert_eq!(open(&zeros, &bob), Err(DecryptError::Failed));
    // An Ed25519 key agrees with nobody.
    let signer = identity(KeyKind::Ed25519);
    let refused = seal(&order(&[signer.certificate().clone()], CIPHERS[0]));
    assert!(matches!(refused, Err(EnvelopeError::Recipient { .. })));
}

/// The downgrade that RFC 9709 is about: what was made for GCM is offered as CBC.
#[test]
fn a_bound_key_opens_nothing_under_another_cipher() {
    let bob = identity(KeyKind::Ec(Curve::P384));
    let recipients = [bob.certificate().clone()];
    let settings = EnvelopeSettings {
        binding: Binding::Hkdf,
        ..EnvelopeSettings::default()
    };
    for cipher in CIPHERS {
        let cms = seal_with(&order(&recipients, cipher), &settings).unwrap();
        assert_eq!(open(&cms, &bob).as_deref(), Ok(CONTENT), "{cipher:?}");
    }
    let cms = seal_with(&order(&recipients, ContentCipher::Aes256Gcm), &settings).unwrap();
    let ContentInfo::AuthEnveloped(data) = parse(&cms, &Limits::default()).unwrap() else {
        panic!("AuthEnvelopedData");
    };
    let parameters = data.content.algorithm.parameters.unwrap().to_vec();
    // The binding taken off: the key that travels is not the key that encrypts.
    let mut plain = data.clone();
    let inner =
        crate::crypto::cms::read::AlgorithmIdentifier::parse(&parameters, Default::default());
    plain.content.algorithm = inner.unwrap();
    let own = std::slice::from_ref(&bob);
    assert_eq!(decrypt(&plain, own), Err(DecryptError::Failed));
    // Another cipher of the same kind and key length: another key.
    let key = Secret::new(vec![7; 32]);
    let cbc = cipher_algorithm(ContentCipher::Aes256Cbc, &[0; 16]);
    let bound = |algorithm: &[u8]| bound_key(&key, algorithm, 32).unwrap().as_bytes().to_vec();
    assert_ne!(bound(&parameters), bound(&cbc));
    assert_ne!(bound(&parameters), key.as_bytes());
    // Offered as EnvelopedData with CBC: the content does not come out.
    let octets = data.content.octets.clone().unwrap();
    let as_cbc = crate::crypto::cms::read::EnvelopedData {
        originator_certificates: Vec::new(),
        recipients: data.recipients.clone(),
        content: crate::crypto::cms::read::EncryptedContent {
            content_type: oid::DATA,
            algorithm: crate::crypto::cms::read::AlgorithmIdentifier::parse(
                &cbc,
                Default::default(),
            )
            .unwrap(),
            octets: Some(octets[..octets.len() / 16 * 16].to_vec().into()),
        },
        unprotected: Vec::new(),
    };
    match decrypt(&as_cbc, own) {
        Err(error) => assert_eq!(error, DecryptError::Failed),
        // One padding in 256 is right by chance.
        Ok(garbage) => assert!(!CONTENT.starts_with(&garbage[..garbage.len().min(8)])),
    }
    // Parameters that are no algorithm.
    let mut wrong = data.clone();
    wrong.content.algorithm.parameters = Some(&[5, 0]);
    assert!(matches!(
        decrypt(&wrong, own),
        Err(DecryptError::NotAccepted(_))
    ));
}

#[test]
fn originator_and_unprotected_attributes_travel_and_sha_1_does_not() {
    use crate::crypto::ess;
    let bob = identity(KeyKind::Ec(Curve::P384));
    let recipients = [bob.certificate().clone()];
    let hints = ess::ContentHints {
        description: None,
        content_type: oid::RECEIPT,
    };
    let settings = EnvelopeSettings {
        originator: &recipients,
        unprotected: &[hints.attribute()],
        ..EnvelopeSettings::default()
    };
    for cipher in CIPHERS {
        let cms = seal_with(&order(&recipients, cipher), &settings).unwrap();
        assert_eq!(open(&cms, &bob).as_deref(), Ok(CONTENT));
        let (originator, attributes) = match parse(&cms, &Limits::default()).unwrap() {
            ContentInfo::Enveloped(data) => (data.originator_certificates, data.unprotected),
            ContentInfo::AuthEnveloped(data) => {
                (data.originator_certificates, data.unauthenticated)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(originator, [bob.certificate().der()]);
        assert_eq!(attributes[0].oid, ess::CONTENT_HINTS);
    }
    for weak in [
        EnvelopeSettings {
            oaep: Digest::Sha1,
            ..EnvelopeSettings::default()
        },
        EnvelopeSettings {
            derivation: Some(Digest::Sha1),
            ..EnvelopeSettings::default()
        },
    ] {
        let made = seal_with(&order(&recipients, CIPHERS[0]), &weak);
        assert_eq!(made, Err(EnvelopeError::Weak));
    }
}
