//! No response makes the reader fail, and none is signed by a key that did not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::revocation::ocsp::Response;

fuzz_target!(|octets: &[u8]| {
    if let Ok(response) = Response::from_der(octets) {
        assert!(!response.is_signed_by(octets));
        let _ = response.nonce();
    }
});
