//! A request that is read has a subject and a key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::request::CertificateRequest;

fuzz_target!(|octets: &[u8]| {
    if let Ok(request) = CertificateRequest::from_der(octets) {
        assert!(!request.subject_der().is_empty() && !request.spki_der().is_empty());
    }
});
