//! Envelopes with settings, and recipients without certificates, both ways.

use std::sync::atomic::{AtomicUsize, Ordering};

use ravelin::crypto::algorithm::{ContentCipher, Digest};
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::decrypt::{DecryptError, Keys, Pkcs1Transport, SharedKey, decrypt_with};
use ravelin::crypto::cms::envelope::{Agreement, EnvelopeOrder, EnvelopeSettings, Wrap, seal_with};
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::read::{ContentInfo, Limits, RecipientInfo, parse};
use ravelin::crypto::cms::sign::SignerName;
use ravelin::crypto::ess;
use ravelin::crypto::keys::Secret;

use crate::lab::{CONTENT, Lab, lab};
use crate::{damaged, open};

fn made(
    recipients: &[Certificate],
    cipher: ContentCipher,
    settings: &EnvelopeSettings<'_>,
) -> Vec<u8> {
    let order = EnvelopeOrder {
        content: CONTENT,
        content_type: oid::DATA,
        recipients,
        cipher,
        authenticated: &[],
    };
    seal_with(&order, settings).unwrap()
}

#[test]
fn the_program_reads_every_form_that_we_make() {
    let Some(lab) = lab() else { return };
    let names = ["enc-p256", "enc-p384", "enc-p521", "enc-rsa"];
    let certificates: Vec<Certificate> = names.iter().map(|name| lab.certificate(name)).collect();
    let hints = ess::ContentHints {
        description: None,
        content_type: oid::DATA,
    };
    let unprotected = [hints.attribute()];
    let usual = EnvelopeSettings::default();
    let mut forms = vec![
        EnvelopeSettings {
            agreement: Agreement::Cofactor,
            ..usual
        },
        EnvelopeSettings {
            wrap: Wrap::Padded,
            ..usual
        },
        EnvelopeSettings {
            names: SignerName::SubjectKeyIdentifier,
            ..usual
        },
        EnvelopeSettings {
            originator: &certificates,
            ..usual
        },
        EnvelopeSettings {
            unprotected: &unprotected,
            ..usual
        },
    ];
    for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        forms.push(EnvelopeSettings {
            derivation: Some(digest),
            oaep: digest,
            ..usual
        });
    }
    for settings in &forms {
        for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes128Gcm] {
            let cms = made(&certificates, cipher, settings);
            for name in names {
                let ours = open(&cms, &[lab.identity(name)]);
                assert!(ours.as_deref() == Ok(CONTENT), "{name} {settings:?}");
                // OpenSSL 3.0 reads unauthAttrs under another tag than RFC 5083's.
                let auth = cipher == ContentCipher::Aes128Gcm;
                if auth && !settings.unprotected.is_empty() {
                    continue;
                }
                let theirs = lab.decrypts(&cms, name);
                assert!(theirs.as_deref() == Some(CONTENT), "{name} {settings:?}");
            }
            let stranger = open(&cms, &[lab.identity("enc-other")]);
            assert_eq!(stranger, Err(DecryptError::NotForUs));
        }
    }
}

fn with(cms: &[u8], keys: &Keys<'_>) -> Result<Vec<u8>, DecryptError> {
    match parse(cms, &Limits::default()).unwrap() {
        ContentInfo::Enveloped(data) => decrypt_with(&data, keys),
        ContentInfo::AuthEnveloped(data) => decrypt_with(&data, keys),
        other => panic!("{other:?}"),
    }
    .map(|content| content.to_vec())
}

fn encrypted(lab: &Lab, options: &[&str]) -> Vec<u8> {
    // Tests run side by side in one folder: each layer is a file of its own.
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let out = format!("shared-{}.der", MADE.fetch_add(1, Ordering::Relaxed));
    let mut arguments = vec![
        "cms",
        "-encrypt",
        "-binary",
        "-in",
        "m.txt",
        "-outform",
        "DER",
        "-out",
        out.as_str(),
    ];
    arguments.extend_from_slice(options);
    assert!(lab.openssl(&arguments));
    lab.read(&out)
}

/// Whatever comes out under a wrong key of a CBC layer, it is not the content.
fn not_the_content(result: Result<Vec<u8>, DecryptError>) {
    match result {
        Err(error) => assert_eq!(error, DecryptError::Failed),
        Ok(octets) => assert!(octets.get(..16) != CONTENT.get(..16)),
    }
}

#[test]
fn keys_held_beforehand_open_what_the_program_made() {
    let Some(lab) = lab() else { return };
    for (hex, octets) in [
        ("000102030405060708090a0b0c0d0e0f", 16_u8),
        ("000102030405060708090a0b0c0d0e0f1011121314151617", 24),
        (
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            32,
        ),
    ] {
        let key = (0..octets).collect();
        let cms = encrypted(lab, &["-aes256", "-secretkey", hex, "-secretkeyid", "a1b2"]);
        let shared = |identifier: &[u8], key: Vec<u8>| SharedKey {
            identifier: identifier.to_vec(),
            key: Secret::new(key),
        };
        let open = |shared: SharedKey| {
            with(
                &cms,
                &Keys {
                    shared: &[shared],
                    ..Keys::of(&[])
                },
            )
        };
        assert!(open(shared(&[0xa1, 0xb2], key)).as_deref() == Ok(CONTENT));
        let other = vec![9; usize::from(octets)];
        not_the_content(open(shared(&[0xa1, 0xb2], other.clone())));
        assert_eq!(open(shared(&[0xa1], other)), Err(DecryptError::NotForUs));
        assert_eq!(with(&cms, &Keys::of(&[])), Err(DecryptError::NotForUs));
    }
}

#[test]
fn passwords_open_what_the_program_made() {
    let Some(lab) = lab() else { return };
    for cipher in ["-aes128", "-aes256"] {
        let cms = encrypted(lab, &[cipher, "-pwri_password", "open sesame"]);
        let open = |password: &[u8]| {
            let passwords = [Secret::new(password.to_vec())];
            with(
                &cms,
                &Keys {
                    passwords: &passwords,
                    ..Keys::of(&[])
                },
            )
        };
        assert!(open(b"open sesame").as_deref() == Ok(CONTENT), "{cipher}");
        not_the_content(open(b"open barley"));
        assert_eq!(with(&cms, &Keys::of(&[])), Err(DecryptError::NotForUs));
        let key = match parse(&cms, &Limits::default()).unwrap() {
            ContentInfo::Enveloped(data) => match &data.recipients[0] {
                RecipientInfo::Password(recipient) => recipient.encrypted_key.to_vec(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let passwords = [Secret::new(b"open sesame".to_vec())];
        let broken = damaged(&cms, &key);
        not_the_content(with(
            &broken,
            &Keys {
                passwords: &passwords,
                ..Keys::of(&[])
            },
        ));
    }
}

#[test]
fn pkcs1_is_read_only_where_it_is_allowed_and_every_failure_is_alike() {
    let Some(lab) = lab() else { return };
    let rsa = [lab.identity("enc-rsa")];
    let allowed = Keys {
        pkcs1: Pkcs1Transport::Read,
        ..Keys::of(&rsa)
    };
    for cipher in ["-aes-256-cbc", "-aes-256-gcm"] {
        let cms = lab.encrypt("enc-rsa", &[cipher], &[]);
        assert!(with(&cms, &allowed).as_deref() == Ok(CONTENT), "{cipher}");
        let own = [lab.identity("enc-rsa").reading_pkcs1()];
        assert!(open(&cms, &own).as_deref() == Ok(CONTENT), "{cipher}");
        assert!(matches!(
            with(&cms, &Keys::of(&rsa)),
            Err(DecryptError::NotAccepted(_))
        ));
        let key = match parse(&cms, &Limits::default()).unwrap() {
            ContentInfo::Enveloped(data) => data.recipients,
            ContentInfo::AuthEnveloped(data) => data.recipients,
            other => panic!("{other:?}"),
        };
        let RecipientInfo::KeyTransport(transport) = &key[0] else {
            panic!("key transport");
        };
        // Bad padding, a key of another length, no ciphertext of that key at all: one failure.
        let broken = damaged(&cms, &transport.encrypted_key);
        let short = lab.encrypt("enc-rsa", &["-aes-128-cbc"], &[]);
        let short = match parse(&short, &Limits::default()).unwrap() {
            ContentInfo::Enveloped(data) => match &data.recipients[0] {
                RecipientInfo::KeyTransport(transport) => transport.encrypted_key.to_vec(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let mut other_length = cms.clone();
        let at = cms
            .windows(256)
            .position(|window| window == &*transport.encrypted_key)
            .unwrap();
        other_length[at..at + 256].copy_from_slice(&short);
        let mut no_number = cms.clone();
        no_number[at..at + 256].fill(0xff);
        for wrong in [broken, other_length, no_number] {
            let result = with(&wrong, &allowed);
            if cipher == "-aes-256-gcm" {
                assert_eq!(result, Err(DecryptError::Failed));
            } else {
                not_the_content(result);
            }
        }
    }
}

#[test]
fn ciphers_that_no_longer_protect_are_refused_by_name() {
    let Some(lab) = lab() else { return };
    let cms = lab.encrypt(
        "enc-p384",
        &["-des3", "-aes256-wrap"],
        &["-keyopt", "ecdh_kdf_md:sha384"],
    );
    assert_eq!(
        open(&cms, &[lab.identity("enc-p384")]),
        Err(DecryptError::WeakCipher("3DES-CBC"))
    );
    assert_eq!(open(&cms, &[]), Err(DecryptError::WeakCipher("3DES-CBC")));
}
