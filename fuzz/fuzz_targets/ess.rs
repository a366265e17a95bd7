//! What is read as a label is written, and read again as the same label.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::label::{Policies, ess};

fuzz_target!(|octets: &[u8]| {
    if let Ok(label) = ess::decode(octets)
        && let Ok(written) = ess::encode(&label)
    {
        assert_eq!(ess::decode_der(&written), Ok(label));
    }
    let _ = ess::decode_ber(octets, &Policies::default());
    let _ = ess::decode_equivalent_labels(octets);
});
