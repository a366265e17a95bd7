//! What is read as a certificate keeps its octets, and looking for its path ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::trust::{Anchor, Purpose, TrustStore};

fuzz_target!(|octets: &[u8]| {
    let Ok(certificate) = Certificate::from_der(octets) else {
        return;
    };
    assert_eq!(certificate.der(), octets);
    // It is its own anchor, authority and companion: every extension is processed.
    let at = certificate.not_before();
    let one = || vec![certificate.clone()];
    let store = TrustStore::new(one(), one(), Vec::new());
    for (_, purpose) in Purpose::ALL {
        let _ = store.validate(&certificate, &one(), purpose, at);
    }
    let _ = Anchor::from_der(octets);
});
