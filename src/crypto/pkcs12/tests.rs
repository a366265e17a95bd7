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
    // The four legacy ciphers, the old MAC, and both forms of an empty password.
    for more in LEGACY {
        let file = export(more);
        let found = open(&file, "x").unwrap();
        assert_eq!(found.identities.len(), 1, "{more:?}");
        assert_eq!(found.identities[0].certificate(), identity.certificate());
        assert_eq!(found.identities[0].chain(), identity.chain());
        assert!(found.legacy.is_some(), "{more:?}");
        for wrong in ["y", ""] {
            assert!(
                matches!(read(&file, wrong), Err(Pkcs12Error::WrongPassword)),
                "{more:?}"
            );
        }
        for position in (0..file.len()).step_by(37) {
            let mut damaged = file.clone();
            damaged[position] ^= 0x21;
            assert!(read(&damaged, "x").is_err(), "{more:?}: octet {position}");
        }
        for length in (0..file.len()).step_by(61) {
            assert!(
                matches!(read(&file[..length], "x"), Err(Pkcs12Error::Malformed(_))),
                "{more:?}: {length}"
            );
        }
    }
    assert_eq!(open(&export(&[]), "x").unwrap().legacy, None);
    let empty = export(&["-keypbe", "PBE-SHA1-3DES", "-passout", "pass:"]);
    assert_eq!(read(&empty, "").unwrap().len(), 1);
    assert!(matches!(read(&empty, "x"), Err(Pkcs12Error::WrongPassword)));
    let rc4 = read(&export(&["-legacy", "-keypbe", "PBE-SHA1-RC4-128"]), "x");
    let Err(Pkcs12Error::Part(PasswordError::Unsupported(name))) = rc4 else {
        panic!("RC4 is not refused");
    };
    assert!(name.contains("1.2.840.113549.1.12.1.1"), "{name}");
}

/// What `openssl pkcs12 -export` is asked for; RC2 needs its legacy provider.
const LEGACY: [&[&str]; 5] = [
    &["-legacy"],
    &[
        "-keypbe",
        "PBE-SHA1-3DES",
        "-certpbe",
        "PBE-SHA1-3DES",
        "-macalg",
        "sha1",
    ],
    &["-keypbe", "PBE-SHA1-2DES", "-certpbe", "PBE-SHA1-2DES"],
    &[
        "-legacy",
        "-keypbe",
        "PBE-SHA1-RC2-128",
        "-certpbe",
        "PBE-SHA1-RC2-128",
    ],
    &["-legacy", "-keypbe", "PBE-SHA1-RC2-40", "-macalg", "sha256"],
];

/// A file under the name of a legacy cipher with so many rounds, and a MAC that is good.
fn asking_for(rounds: u64, salt: &[u8]) -> Vec<u8> {
    let oid = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
    let parameters = tlv::sequence(&[
        &tlv::element(tlv::OCTET_STRING, &[salt]),
        &tlv::integer(rounds),
    ]);
    let algorithm = tlv::sequence(&[&tlv::oid(&oid), &parameters]);
    let info = tlv::sequence(&[
        &tlv::oid(&DATA),
        &algorithm,
        &tlv::element(0x80, &[&[7; 24]]),
    ]);
    let encrypted = tlv::sequence(&[&tlv::integer(0), &info]);
    let safe = tlv::sequence(&[&wrap(&ENCRYPTED_DATA, &encrypted)]);
    let mac = integrity::make(&safe, "x").unwrap();
    tlv::sequence(&[&tlv::integer(3), &wrap_data(&safe), &mac])
}

#[test]
fn a_legacy_part_may_not_ask_for_much_and_damage_in_it_has_one_error() {
    let part = |rounds, salt: &[u8]| match read(&asking_for(rounds, salt), "x") {
        Err(Pkcs12Error::Part(error)) => error,
        other => panic!("{:?}", other.err()),
    };
    assert_eq!(
        part(2_000_000_000, &[1; 8]),
        PasswordError::Costly(2_000_000_000)
    );
    assert_eq!(part(1, &[1; 8]), PasswordError::Wrong);
    assert!(matches!(part(1, &[1; 1025]), PasswordError::Malformed(_)));
    assert!(matches!(
        part(u64::MAX, &[1; 8]),
        PasswordError::Malformed(_)
    ));
}

#[test]
fn several_legacy_entries_made_by_openssl() {
    if !openssl_is_there() {
        return;
    }
    // OpenSSL writes one key for each file. Two parts of two files, under one MAC of ours, are what
    // other programs write.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let identities = [identity(p384()), identity(p384())];
    let mut parts = Vec::new();
    for one in &identities {
        std::fs::write(path("c"), one.certificate().to_pem()).unwrap();
        std::fs::write(path("k"), one.key_to_pem().unwrap().as_bytes()).unwrap();
        let made = Command::new("openssl")
            .args(["pkcs12", "-export", "-legacy", "-passout", "pass:x"])
            .args(["-in".as_ref(), path("c").as_os_str()])
            .args(["-inkey".as_ref(), path("k").as_os_str()])
            .args(["-out".as_ref(), path("p").as_os_str()])
            .status()
            .unwrap();
        assert!(made.success());
        let file = std::fs::read(path("p")).unwrap();
        let content = elements(&file, "").unwrap()[1];
        let safe = octets(content_info(content).unwrap().1).unwrap();
        parts.push(sequence_of(safe).unwrap().to_vec());
    }
    let safe = tlv::sequence(&[&parts[0], &parts[1]]);
    let mac = integrity::make(&safe, "x").unwrap();
    let file = tlv::sequence(&[&tlv::integer(3), &wrap_data(&safe), &mac]);
    let found = open(&file, "x").unwrap();
    assert_eq!(found.legacy, Some("RC2 with 40 bits"));
    assert_eq!(found.identities.len(), 2);
    for (identity, found) in identities.iter().zip(&found.identities) {
        assert_eq!(found.certificate(), identity.certificate());
    }
}

#[test]
fn nss_writes_ber_and_ours_reads_it() {
    let run = |program: &str, arguments: &[&str], folder: &std::path::Path| {
        Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .output()
    };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let new = run("certutil", &["-N", "-d", "sql:.", "--empty-password"], at);
    if !new.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: NSS (certutil, pk12util) is not there to agree");
        return;
    }
    let identity = identity(p384());
    std::fs::write(at.join("in.p12"), write(&identity, "x").unwrap()).unwrap();
    let import = run("pk12util", &["-i", "in.p12", "-d", "sql:.", "-W", "x"], at).unwrap();
    assert!(import.status.success(), "{import:?}");
    let names = ["Anna", "CN=Anna"];
    let made = names.iter().any(|name| {
        let arguments = ["-o", "out.p12", "-d", "sql:.", "-W", "x", "-n", name];
        run("pk12util", &arguments, at).unwrap().status.success()
    });
    assert!(made);
    let file = std::fs::read(at.join("out.p12")).unwrap();
    assert_eq!(file[..2], [0x30, 0x80], "NSS writes DER now");
    let found = read(&file, "x").unwrap();
    assert_eq!(found[0].certificate(), identity.certificate());
    assert!(matches!(read(&file, "y"), Err(Pkcs12Error::WrongPassword)));
}

#[test]
fn the_files_of_rfc_9216_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/rfc9216");
    for person in ["alice", "bob", "carlos", "dana"] {
        let Ok(text) = std::fs::read(format!("{folder}/{person}.p12.pem")) else {
            eprintln!("skipped: no vector rfc9216/{person}.p12.pem");
            return;
        };
        let file = pem::blocks(&text).unwrap().remove(0);
        let found = open(&file.der, person).unwrap();
        // One pair signs, the other decrypts.
        assert_eq!(found.identities.len(), 2, "{person}");
        assert_eq!(found.legacy, Some("3DES"));
        assert!(matches!(
            read(&file.der, "nobody"),
            Err(Pkcs12Error::WrongPassword)
        ));
    }
}
