//! What the fuzzer made stands under a good signature: its header protection is read, compared with
//! what stands outside, and the text without its legacy element is part of the payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::cms::sign::Signer;
use ravelin::crypto::ess::SecureHeaderFields;
use ravelin::message::line;
use ravelin::seal::layers;
use ravelin_fuzz_layers::{LAB, facts};

fuzz_target!(|octets: &[u8]| {
    if let Ok(fields) = SecureHeaderFields::read(octets) {
        let der = fields.attribute();
        assert!(!der.der().is_empty());
    }
    if line::check(octets).is_err() {
        return;
    }
    let signers = [Signer::new(&LAB.signer, Vec::new())];
    let Ok(entity) = layers::clear_signed(octets, &signers, LAB.at) else {
        return;
    };
    let head = b"From: a@x.example\r\nTo: b@x.example\r\nSubject: [...]\r\n";
    let Some(facts) = facts([&head[..], &entity].concat()) else {
        return;
    };
    assert!(facts.layers[0].signers()[0].report.is_good());
    assert!(facts.text().len() <= facts.payload.bytes().len());
});
