//! SignedData is read and verified; what is read takes a countersignature and one more signer, and is
//! read again with the same signatures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::cms::countersign;
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};
use ravelin::crypto::cms::receipt;
use ravelin::crypto::cms::verify;
use ravelin_fuzz_layers::LAB;

fuzz_target!(|octets: &[u8]| {
    let Ok(ContentInfo::Signed(signed)) = parse(octets, &Limits::default()) else {
        return;
    };
    let certificates = verify::certificates(&signed);
    let content = signed.content.is_none().then_some(&b"content"[..]);
    let reports = verify::verify(&signed, content, &certificates);
    assert_eq!(reports.len(), signed.signers.len());
    let _ = receipt::read(&signed);
    let Some(first) = reports.first() else {
        return;
    };
    let made = countersign::make(&first.signature, &LAB.signer, LAB.at).expect("our own key signs");
    let own = std::slice::from_ref(LAB.signer.certificate());
    if let Ok(with) = countersign::add(octets, 0, &made, own) {
        let Ok(ContentInfo::Signed(again)) = parse(&with, &Limits::default()) else {
            panic!("what we wrote is SignedData");
        };
        assert_eq!(again.content, signed.content);
        let signatures: Vec<_> = again.signers.iter().map(|s| s.signature.clone()).collect();
        for signer in &signed.signers {
            assert!(signatures.contains(&signer.signature));
        }
    }
});
