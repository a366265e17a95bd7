//! EnvelopedData and AuthEnvelopedData are read, and a key that is somebody's is tried on them: nobody
//! gets content that does not authenticate out of what the fuzzer made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::cms::decrypt;
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};
use ravelin_fuzz_layers::LAB;

fuzz_target!(|octets: &[u8]| {
    let keys = std::slice::from_ref(&LAB.recipient);
    match parse(octets, &Limits::default()) {
        Ok(ContentInfo::Enveloped(data)) => {
            let _ = decrypt::recipients((&data).into());
            let _ = decrypt::decrypt(&data, keys);
        }
        Ok(ContentInfo::AuthEnveloped(data)) => {
            let _ = decrypt::recipients((&data).into());
            assert!(
                decrypt::decrypt(&data, keys).is_err(),
                "a tag without its key"
            );
        }
        _ => {}
    }
});
