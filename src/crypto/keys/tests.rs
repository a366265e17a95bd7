//! Keys in every form that files have them.

use std::process::Command;

use super::*;
use crate::clock::Timestamp;
use crate::crypto::algorithm::KeyKind;
use crate::crypto::lab::{Authority, Request, Usage};

fn identity(kind: KeyKind) -> Identity {
    let now: Timestamp = "2026-11-21T08:30:00Z".parse().unwrap();
    let root = Authority::new("Root", now).unwrap();
    let middle = root.subordinate("Middle", None, now).unwrap();
    middle
        .issue(Request::new("Anna", Usage::Sign, now).key(kind))
        .unwrap()
}

fn p384() -> KeyKind {
    KeyKind::Ec(Curve::P384)
}

fn certificates(identity: &Identity) -> String {
    let chain = std::iter::once(identity.certificate()).chain(identity.chain());
    chain.map(Certificate::to_pem).collect()
}

#[test]
fn an_identity_is_loaded_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    for (kind, scheme) in [
        (p384(), SignatureScheme::Ecdsa(Digest::Sha384)),
        (KeyKind::Rsa(2048), SignatureScheme::pss(Digest::Sha384)),
    ] {
        let made = identity(kind);
        std::fs::write(&certificate, certificates(&made)).unwrap();
        std::fs::write(&key, made.key_to_pem().unwrap().as_bytes()).unwrap();
        let loaded = Identity::load_pem(&certificate, &key, None).unwrap();
        assert_eq!(loaded.certificate(), made.certificate());
        assert_eq!(loaded.chain(), made.chain());
        assert_eq!(loaded.chain_der().len(), 2);
        assert_eq!(loaded.default_scheme(), scheme);
        assert_eq!(format!("{loaded:?}"), "Identity(CN=Anna)");
        let signature = loaded.sign(b"message").unwrap();
        let spki = made.certificate().spki_der();
        provider::default()
            .verify(spki, &scheme, b"message", &signature)
            .unwrap();
    }
    let missing = Identity::load_pem(&certificate, &folder.path().join("none"), None);
    let error = missing.unwrap_err();
    assert!(matches!(error, KeyError::File { .. }) && error.to_string().contains("none"));
    let swapped = Identity::load_pem(&key, &certificate, None).unwrap_err();
    assert!(
        matches!(&swapped, KeyError::In { path, source }
        if *path == key && matches!(**source, KeyError::NoCertificate)),
        "{swapped:?}"
    );
    let no_key = Identity::load_pem(&certificate, &certificate, None).unwrap_err();
    assert!(matches!(&no_key, KeyError::In { source, .. } if matches!(**source, KeyError::NoKey)));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (anna, bo) = (identity(p384()), identity(p384()));
    let mixed = Identity::new(anna.certificate().clone(), bo.key().clone(), Vec::new());
    assert!(matches!(mixed, Err(KeyError::Mismatch { subject }) if subject == "CN=Anna"));
}

#[test]
fn an_encrypted_key_needs_its_password() {
    let made = identity(p384());
    let sealed = pbes2::seal_pkcs8(made.pkcs8_der().unwrap().as_bytes(), "secret").unwrap();
    let text = pem::encode("ENCRYPTED PRIVATE KEY", &sealed);
    let key = key_from_pem(text.as_bytes(), Some("secret")).unwrap();
    assert_eq!(key.public_spki(), made.key().public_spki());
    let missing = key_from_pem(text.as_bytes(), None).err();
    assert!(matches!(
        missing,
        Some(KeyError::Password(PasswordError::Missing))
    ));
    // A wrong password gives wrong padding, or by chance (1 in 256) octets that are no key.
    assert!(matches!(
        key_from_pem(text.as_bytes(), Some("Secret")).err(),
        Some(KeyError::Password(PasswordError::Wrong) | KeyError::Provider(_))
    ));
}

#[test]
fn openssl_writes_keys_in_many_forms() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: openssl is not there to agree");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    for kind in [p384(), KeyKind::Rsa(2048)] {
        let made = identity(kind);
        std::fs::write(&path, made.key_to_pem().unwrap().as_bytes()).unwrap();
        let old = match kind {
            KeyKind::Rsa(_) => "rsa",
            _ => "ec",
        };
        for (arguments, good) in [
            (vec![old, "-traditional"], true),
            (vec!["pkcs8", "-topk8", "-nocrypt"], true),
            (vec!["pkcs8", "-topk8", "-passout", "pass:x"], true),
            (
                vec![
                    "pkcs8",
                    "-topk8",
                    "-passout",
                    "pass:x",
                    "-v2",
                    "aes128",
                    "-v2prf",
                    "hmacWithSHA512",
                ],
                true,
            ),
            (
                vec!["pkcs8", "-topk8", "-passout", "pass:x", "-v2", "des3"],
                false,
            ),
            (
                vec!["pkcs8", "-topk8", "-passout", "pass:x", "-scrypt"],
                false,
            ),
            (
                vec![old, "-aes256", "-passout", "pass:x", "-traditional"],
                false,
            ),
        ] {
            let mut arguments = arguments;
            if old == "ec" {
                arguments.retain(|argument| *argument != "-traditional");
            }
            let output = Command::new("openssl")
                .args(&arguments)
                .arg("-in")
                .arg(&path)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let key = key_from_pem(&output.stdout, Some("x"));
            match key {
                Ok(key) => {
                    assert!(good, "{arguments:?}");
                    assert_eq!(key.public_spki(), made.key().public_spki());
                }
                Err(error) => assert!(!good, "{arguments:?}: {error:?}"),
            }
        }
    }
}
