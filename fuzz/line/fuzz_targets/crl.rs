//! A list that is read keeps its octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::revocation::RevocationList;

fuzz_target!(|octets: &[u8]| {
    if let Ok(list) = RevocationList::from_der(octets) {
        assert_eq!(list.der(), octets);
        let _ = list.issuer();
    }
    let _ = RevocationList::from_pem_many(octets);
});
