//! No file makes the reader fail.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::{pbes2, pkcs12};

fuzz_target!(|octets: &[u8]| {
    let _ = pkcs12::read(octets, "password");
    let _ = pbes2::open_pkcs8(octets, "password");
});
