//! Published messages and keys: RFC 4134, RFC 9216.

use std::sync::Arc;

use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::decrypt::DecryptError;
use ravelin::crypto::cms::envelope::envelope;
use ravelin::crypto::cms::oid::{self, ObjectIdentifier};
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};
use ravelin::crypto::cms::sign::{Form, Signer};
use ravelin::crypto::cms::verify::{SignatureProblem, SignerReport};
use ravelin::crypto::keys::Identity;
use ravelin::crypto::provider;
use ravelin::crypto::trust::TrustStore;
use ravelin::open::{Opener, Piece};

use crate::{all_good, damaged, make, now, open, reports};

fn vector(folder: &str, name: &str) -> Option<Vec<u8>> {
    let path = format!(
        "{}/../shared/vectors/{folder}/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let read = std::fs::read(&path).ok();
    if read.is_none() {
        eprintln!("skipped: {path} is not there");
    }
    read
}

#[test]
fn rfc_4134_samples_are_good_but_weak() {
    let Some(content) = vector("rfc4134", "ExContent.bin") else {
        return;
    };
    let mut others = Vec::new();
    for name in ["AliceRSASignByCarl.cer", "DianeRSASignByCarl.cer"] {
        let Some(der) = vector("rfc4134", name) else {
            return;
        };
        others.push(Certificate::from_der(&der).unwrap());
    }
    let Some(rsa) = vector("rfc4134", "4.5.bin") else {
        return;
    };
    let found = reports(&rsa, None, &others);
    assert_eq!(found.len(), 1);
    assert!(found[0].is_good(), "{:?}", found[0].problems);
    assert!(
        found[0]
            .weaknesses()
            .any(|p| matches!(p, SignatureProblem::WeakAlgorithm(_)))
    );
    let broken = damaged(&rsa, b"sample");
    assert!(!all_good(&reports(&broken, None, &others)));
    let Some(embedded) = vector("rfc4134", "4.2.bin") else {
        return;
    };
    let found = reports(&embedded, None, &others);
    assert_eq!(found.len(), 1);
    assert!(found[0].is_good(), "{:?}", found[0].problems);
    assert!(
        found[0]
            .problems
            .contains(&SignatureProblem::WithoutSignedAttributes)
    );
    assert!(!all_good(&reports(
        &damaged(&embedded, b"sample"),
        None,
        &others
    )));
    // DSA is refused by its name, and none of these is called good.
    for (name, signers) in [("4.3.bin", 1), ("4.6.bin", 2)] {
        let Some(file) = vector("rfc4134", name) else {
            return;
        };
        let detached = (name == "4.3.bin").then_some(content.as_slice());
        let found = reports(&file, detached, &others);
        assert_eq!(found.len(), signers, "{name}");
        assert!(found.iter().all(is_refused_dsa), "{name}: {found:?}");
    }
    let Some(bags) = vector("rfc4134", "4.11.bin") else {
        return;
    };
    assert!(reports(&bags, None, &others).is_empty());
}

#[test]
fn rfc_4134_clear_signed_mail_and_old_ciphers_are_refused_by_name() {
    let Some(enveloped) = vector("rfc4134", "5.1.bin") else {
        return;
    };
    assert_eq!(
        open(&enveloped, &[]),
        Err(DecryptError::WeakCipher("3DES-CBC"))
    );
    // The mail of section 4.8, with the line ends that mail has.
    let Some(mail) = vector("rfc4134", "4.8.eml") else {
        return;
    };
    let mail = String::from_utf8(mail).unwrap();
    let mail: Arc<[u8]> = mail
        .lines()
        .map(|line| format!("{line}\r\n"))
        .collect::<String>()
        .into_bytes()
        .into();
    let opener = Opener {
        keys: Default::default(),
        trust: &TrustStore::new(Vec::new(), Vec::new(), Vec::new()),
        policies: &Default::default(),
        at: now(),
        limits: Default::default(),
    };
    let facts = ravelin::open::facts(&opener, Piece::whole(Arc::new(mail))).unwrap();
    assert_eq!(facts.layers.len(), 1);
    let signers = facts.layers[0].signers();
    assert!(signers.len() == 1 && is_refused_dsa(&signers[0].report));
    assert!(!signers[0].is_good());
    for (name, oid) in [("3.1.bin", oid::DATA), ("7.1.bin", ENCRYPTED_DATA)] {
        let Some(file) = vector("rfc4134", name) else {
            return;
        };
        let other = parse(&file, &Limits::default()).unwrap();
        assert!(
            matches!(other, ContentInfo::Other { oid: found } if found == oid),
            "{name}"
        );
    }
}

fn is_refused_dsa(report: &SignerReport) -> bool {
    let dsa = SignatureProblem::NotAccepted("DSA with SHA-1");
    !report.is_good() && report.problems.contains(&dsa)
}

/// encryptedData (RFC 5652 section 8): S/MIME does not use it, and it is not opened here.
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");

#[test]
fn rfc_9216_identities_on_the_curves_of_25519() {
    let load = |name: &str| {
        let certificate = vector("rfc9216", &format!("{name}.crt"))?;
        let key = vector("rfc9216", &format!("{name}.25519.key"))?;
        Some(Identity::from_pem(&certificate, &key, None).unwrap())
    };
    let (Some(signs), Some(reads), Some(other)) = (
        load("carlos.sign"),
        load("dana.encrypt"),
        load("carlos.encrypt"),
    ) else {
        return;
    };
    let inner = make(&[Signer::new(&signs, vec![])], Form::Attached);
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes128Cbc] {
        let sealed = envelope(&inner, &[reads.certificate().clone()], cipher).unwrap();
        let opened = open(&sealed, std::slice::from_ref(&reads)).unwrap();
        assert_eq!(opened, inner);
        assert!(all_good(&reports(&opened, None, &[])));
        let to_another = open(&sealed, std::slice::from_ref(&other));
        assert_eq!(to_another, Err(DecryptError::NotForUs));
    }
    let signature = reports(&inner, None, &[])[0].signature.clone();
    assert!(!all_good(&reports(&damaged(&inner, &signature), None, &[])));
    // The authorities' signatures, each way round: Ed25519 over RSA and RSA over Ed25519.
    for (below, above) in [
        ("carlos.sign", "ca.25519"),
        ("alice.sign", "ca.rsa"),
        ("ca.rsa.cross", "ca.25519"),
        ("ca.25519.cross", "ca.rsa"),
    ] {
        let certificate = |name: &str| {
            let pem = vector("rfc9216", &format!("{name}.crt"))?;
            Some(Certificate::from_pem_many(&pem).unwrap().remove(0))
        };
        let (Some(below), Some(above)) = (certificate(below), certificate(above)) else {
            return;
        };
        let scheme = below.signature_scheme().unwrap();
        let verify = |message: &[u8]| {
            provider::default().verify(above.spki_der(), &scheme, message, below.signature())
        };
        assert!(verify(below.tbs_der()).is_ok(), "{}", below.subject());
        assert!(verify(&below.tbs_der()[1..]).is_err());
    }
}

#[test]
fn rfc_9216_identities_sign_and_decrypt() {
    let load = |name: &str| {
        let certificate = vector("rfc9216", &format!("{name}.crt"))?;
        let key = vector("rfc9216", &format!("{name}.key"))?;
        Some(Identity::from_pem(&certificate, &key, None).unwrap())
    };
    let (Some(signs), Some(reads)) = (load("alice.sign"), load("bob.encrypt")) else {
        return;
    };
    let inner = make(&[Signer::new(&signs, vec![])], Form::Attached);
    let cipher = ContentCipher::Aes256Gcm;
    let sealed = envelope(&inner, &[reads.certificate().clone()], cipher).unwrap();
    let opened = open(&sealed, &[reads]).unwrap();
    assert_eq!(opened, inner);
    assert!(all_good(&reports(&opened, None, &[])));
    let (Some(other), Some(_)) = (load("alice.encrypt"), load("bob.sign")) else {
        return;
    };
    assert_eq!(open(&sealed, &[other]), Err(DecryptError::NotForUs));
}
