//! A bare CMS object of any content type: read, verified, decrypted, walked through to its payload. What is
//! read can be countersigned, and the signature that was there is there still.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::cms::decrypt::{self, Envelope};
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};
use ravelin::crypto::cms::{countersign, verify};
use ravelin::open;
use ravelin_fuzz_line::{SCENE, piece};

fuzz_target!(|octets: &[u8]| {
    let limits = Limits::default();
    match parse(octets, &limits) {
        Ok(ContentInfo::Signed(signed)) => {
            let certificates = verify::certificates(&signed);
            let reports = verify::verify(&signed, Some(b"content"), &certificates);
            assert_eq!(reports.len(), signed.signers.len());
            if let Some(first) = signed.signers.first()
                && let Ok(own) = countersign::make(&first.signature, &SCENE.signer, SCENE.at)
                && let Ok(both) = countersign::add(octets, 0, &own, &[])
            {
                let Ok(ContentInfo::Signed(again)) = parse(&both, &Limits::default()) else {
                    panic!("a countersigned layer is no layer any more");
                };
                assert_eq!(again.content.as_deref(), signed.content.as_deref());
                assert!(
                    again
                        .signers
                        .iter()
                        .any(|one| one.signature == first.signature)
                );
            }
        }
        Ok(ContentInfo::Enveloped(enveloped)) => {
            let _ = decrypt::recipients(Envelope::from(&enveloped));
            let _ = decrypt::decrypt(&enveloped, &SCENE.recipient);
        }
        Ok(ContentInfo::AuthEnveloped(enveloped)) => {
            let _ = decrypt::recipients(Envelope::from(&enveloped));
            let _ = decrypt::decrypt(&enveloped, &SCENE.recipient);
        }
        _ => {}
    }
    let _ = open::cms_facts(&SCENE.opener(), piece(octets));
});
