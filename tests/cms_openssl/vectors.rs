//! Published messages and keys: RFC 4134, RFC 9216.

use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::decrypt::DecryptError;
use ravelin::crypto::cms::envelope::envelope;
use ravelin::crypto::cms::sign::{Form, Signer};
use ravelin::crypto::cms::verify::SignatureProblem;
use ravelin::crypto::keys::Identity;

use crate::{all_good, damaged, make, open, reports};

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
    // DSA is not among our schemes: every other sample says so, and none is called good.
    for name in ["4.2.bin", "4.3.bin", "4.6.bin"] {
        let Some(file) = vector("rfc4134", name) else {
            return;
        };
        let detached = (name == "4.3.bin").then_some(content.as_slice());
        for report in reports(&file, detached, &others) {
            assert!(
                report.is_good()
                    || report
                        .problems
                        .iter()
                        .any(|p| matches!(p, SignatureProblem::UnknownScheme(_))),
                "{name}: {:?}",
                report.problems
            );
        }
    }
    let Some(bags) = vector("rfc4134", "4.11.bin") else {
        return;
    };
    assert!(reports(&bags, None, &others).is_empty());
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
