//! Others' judgement beside ours: OpenSSL on what the lab issues, and ours on RFC 9216.

use std::process::Command;

use super::tests::now;
use super::*;
use crate::crypto::algorithm::{Curve, KeyKind};
use crate::crypto::lab::{Authority, Request, Usage};

#[test]
fn openssl_agrees_with_the_lab() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: openssl is not there to agree");
        return;
    }
    let at = Timestamp::now();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    for kind in [KeyKind::Ec(Curve::P384), KeyKind::Rsa(3072)] {
        let root = Authority::with_key("Root", at, kind).unwrap();
        let middle = root.subordinate("Middle", Some(0), at).unwrap();
        let request = Request::new("CN=Anna,O=Alder", Usage::Sign, at).email("anna@alder.example");
        let end = middle.issue(request).unwrap();
        let gone = middle.issue(Request::new("Gone", Usage::Sign, at)).unwrap();
        let lists =
            root.crl_pem(&[], at).unwrap() + &middle.crl_pem(&[gone.certificate()], at).unwrap();
        let (anchors, untrusted) = (
            write("root.pem", &root.certificate().to_pem()),
            write("middle.pem", &middle.certificate().to_pem()),
        );
        let lists = write("crl.pem", &lists);
        let verify = |certificate: &Certificate| {
            let output = Command::new("openssl")
                .args([
                    "verify",
                    "-x509_strict",
                    "-crl_check_all",
                    "-purpose",
                    "smimesign",
                ])
                .args(["-CAfile".as_ref(), anchors.as_os_str()])
                .args(["-untrusted".as_ref(), untrusted.as_os_str()])
                .args(["-CRLfile".as_ref(), lists.as_os_str()])
                .arg(write("end.pem", &certificate.to_pem()))
                .output()
                .unwrap();
            let text = [output.stdout, output.stderr].concat();
            (
                output.status.success(),
                String::from_utf8_lossy(&text).into_owned(),
            )
        };
        let (good, text) = verify(end.certificate());
        assert!(good, "{text}");
        let (good, text) = verify(gone.certificate());
        assert!(!good && text.contains("revoked"), "{text}");
    }
}

fn vector(name: &str) -> Option<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/rfc9216");
    let read = std::fs::read(std::path::Path::new(path).join(name)).ok();
    if read.is_none() {
        eprintln!("skipped: no vector rfc9216/{name}");
    }
    read
}

#[test]
fn the_certificates_of_rfc_9216() {
    let read =
        |name: &str| vector(name).map(|text| Certificate::from_pem_many(&text).unwrap().remove(0));
    let (Some(rsa), Some(edwards)) = (read("ca.rsa.crt"), read("ca.25519.crt")) else {
        return;
    };
    let (Some(to_rsa), Some(to_edwards)) = (read("ca.rsa.cross.crt"), read("ca.25519.cross.crt"))
    else {
        return;
    };
    let brought = [to_rsa, to_edwards];
    let trust = |anchor: &Certificate| {
        TrustStore::new(vec![anchor.clone()], Vec::new(), Vec::new())
            .with_revocation(RevocationCheck::Optional)
    };
    for (name, near, far) in [
        ("alice", &rsa, &edwards),
        ("bob", &rsa, &edwards),
        ("carlos", &edwards, &rsa),
        ("dana", &edwards, &rsa),
    ] {
        // The pure Rust provider has no Ed25519, and every path here but two crosses such a key.
        if cfg!(feature = "pure-rust") {
            continue;
        }
        let Some(end) = read(&format!("{name}.sign.crt")) else {
            return;
        };
        assert_eq!(end.emails(), [format!("{name}@smime.example")]);
        trust(near)
            .validate(&end, &[], Purpose::Sign, now())
            .unwrap();
        // Across the cross-certificate, and not without it.
        let path = trust(far)
            .validate(&end, &brought, Purpose::Sign, now())
            .unwrap();
        assert_eq!(path.certificates().len(), 3);
        let problem = trust(far)
            .validate(&end, &[], Purpose::Sign, now())
            .unwrap_err();
        assert!(
            matches!(problem, TrustProblem::UnknownAuthority { .. }),
            "{problem}"
        );
    }
    let Some(end) = read("alice.encrypt.crt") else {
        return;
    };
    trust(&rsa)
        .validate(&end, &[], Purpose::Encrypt, now())
        .unwrap();
    assert!(
        trust(&rsa)
            .validate(&end, &[], Purpose::Sign, now())
            .is_err()
    );
}
