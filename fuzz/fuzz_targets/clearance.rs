//! What is read as a clearance is written, and read again as the same clearance.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_fuzz::label::clearance;

fuzz_target!(|octets: &[u8]| {
    if let Ok(holder) = clearance::decode(octets) {
        let written = clearance::encode(&holder).expect("what was read can be written");
        assert_eq!(clearance::decode(&written), Ok(holder));
    }
});
