//! Files of ours and of OpenSSL, whole and damaged.

use std::process::Command;

use super::*;
use crate::clock::Timestamp;
use crate::crypto::algorithm::KeyKind;
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::pem;

fn identity(kind: KeyKind) -> Identity {
    let now: Timestamp = "2026-11-21T08:30:00Z".parse().unwrap();
    let root = Authority::new("Root", now).unwrap();
    let middle = root.subordinate("Middle", None, now).unwrap();
    middle
        .issue(Request::new("Anna", Usage::Sign, now).key(kind))
        .unwrap()
}

fn p384() -> KeyKind {
    KeyKind::Ec(crate::crypto::algorithm::Curve::P384)
}

fn openssl_is_there() -> bool {
    let there = Command::new("openssl").arg("version").output().is_ok();
    if !there {
        eprintln!("skipped: openssl is not there to agree");
    }
    there
}

#[test]
fn what_is_written_is_read_again() {
    for kind in [p384(), KeyKind::Rsa(2048)] {
        let identity = identity(kind);
        let file = write(&identity, "gr\u{fc}n 7").unwrap();
        let found = read(&file, "gr\u{fc}n 7").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].certificate(), identity.certificate());
        assert_eq!(found[0].chain(), identity.chain());
        assert_eq!(found[0].chain().len(), 1);
        let same =
            found[0].pkcs8_der().unwrap().as_bytes() == identity.pkcs8_der().unwrap().as_bytes();
        assert!(same);
        assert!(matches!(
            read(&file, "wrong"),
            Err(Pkcs12Error::WrongPassword)
        ));
        assert!(matches!(read(&file, ""), Err(Pkcs12Error::WrongPassword)));
    }
}

#[test]
fn damage_anywhere_is_an_error_and_never_a_panic() {
    let file = write(&identity(p384()), "x").unwrap();
    // Each file costs 100,000 rounds where it gets so far: take a sample.
    for position in (0..file.len()).step_by(97) {
        let mut damaged = file.clone();
        damaged[position] ^= 0x21;
        assert!(read(&damaged, "x").is_err(), "octet {position}");
    }
    for length in (0..file.len()).step_by(61) {
        assert!(
            matches!(read(&file[..length], "x"), Err(Pkcs12Error::Malformed(_))),
            "{length}"
        );
    }
    assert!(matches!(read(b"", "x"), Err(Pkcs12Error::Malformed(_))));
}

#[test]
fn a_file_without_integrity_is_refused() {
    let safe = wrap_data(&tlv::sequence(&[]));
    let file = tlv::sequence(&[&tlv::integer(3), &safe]);
    assert!(matches!(read(&file, "x"), Err(Pkcs12Error::NoIntegrity)));
    let empty = tlv::sequence(&[]);
    let mac = integrity::make(&empty, "x").unwrap();
    let file = tlv::sequence(&[&tlv::integer(3), &wrap_data(&empty), &mac]);
    assert!(matches!(read(&file, "x"), Err(Pkcs12Error::NoKey)));
}

#[test]
fn openssl_reads_ours() {
    if !openssl_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.p12");
    for kind in [p384(), KeyKind::Rsa(2048)] {
        let identity = identity(kind);
        std::fs::write(&path, write(&identity, "x").unwrap()).unwrap();
        let output = Command::new("openssl")
            .args(["pkcs12", "-passin", "pass:x", "-nodes", "-in"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let shown = Certificate::from_pem_many(&output.stdout).unwrap();
        assert_eq!(shown.len(), 2);
        assert!(shown.contains(identity.certificate()));
        let again = crate::crypto::keys::key_from_pem(&output.stdout, None).unwrap();
        assert_eq!(again.public_spki(), identity.key().public_spki());
        let wrong = Command::new("openssl")
            .args(["pkcs12", "-passin", "pass:y", "-nodes", "-in"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(!wrong.status.success());
    }
}

#[test]
fn ours_reads_what_openssl_writes() {
    if !openssl_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(p384());
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let chain: String = identity.chain().iter().map(Certificate::to_pem).collect();
    std::fs::write(&certificate, identity.certificate().to_pem() + &chain).unwrap();
    std::fs::write(&key, identity.key_to_pem().unwrap().as_bytes()).unwrap();
    let path = folder.path().join("x.p12");
    let export = |more: &[&str]| {
        let output = Command::new("openssl")
            .args([
                "pkcs12", "-export", "-passout", "pass:x", "-name", "Anna", "-in",
            ])
            .arg(&certificate)
            .args([
                "-inkey".as_ref(),
                key.as_os_str(),
                "-out".as_ref(),
                path.as_os_str(),
            ])
            .args(more)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::read(&path).unwrap()
    };
    for more in [
        &[][..],
        &["-macalg", "sha512"],
        &["-certpbe", "NONE"],
        &["-keypbe", "aes-128-cbc"],
    ] {
        let found = read(&export(more), "x").unwrap();
        assert_eq!(found.len(), 1, "{more:?}");
        assert_eq!(found[0].certificate(), identity.certificate());
        assert_eq!(found[0].chain(), identity.chain());
    }
    assert!(matches!(
        read(&export(&[]), "y"),
        Err(Pkcs12Error::WrongPassword)
    ));
    assert!(matches!(
        read(&export(&["-nomac"]), "x"),
        Err(Pkcs12Error::NoIntegrity)
    ));
    let old = read(
        &export(&["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"]),
        "x",
    );
    let Err(Pkcs12Error::Part(PasswordError::Unsupported(name))) = old else {
        panic!("3DES is not refused");
    };
    assert!(name.contains("3DES"), "{name}");
}

#[test]
fn the_files_of_rfc_9216_are_refused_by_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/rfc9216");
    for person in ["alice", "bob", "carlos", "dana"] {
        let Ok(text) = std::fs::read(format!("{folder}/{person}.p12.pem")) else {
            eprintln!("skipped: no vector rfc9216/{person}.p12.pem");
            return;
        };
        let file = pem::blocks(&text).unwrap().remove(0);
        // Their MAC is good; their encryption is the old one with 3DES.
        let result = read(&file.der, person);
        let Err(Pkcs12Error::Part(PasswordError::Unsupported(name))) = result else {
            panic!("{person}: 3DES is not refused");
        };
        assert!(name.contains("3DES"), "{name}");
        assert!(matches!(
            read(&file.der, "nobody"),
            Err(Pkcs12Error::WrongPassword)
        ));
    }
}
