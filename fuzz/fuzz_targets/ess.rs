//! What is read as a label is written, and read again as the same label; straight to masks it is decided
//! like the label.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_fuzz::POLICIES;
use ravelin_fuzz::label::nato::Tolerance;
use ravelin_fuzz::label::validity::Mode;
use ravelin_fuzz::label::{compiled, ess};

fuzz_target!(|octets: &[u8]| {
    if let Ok(label) = ess::decode(octets)
        && let Ok(written) = ess::encode(&label)
    {
        assert_eq!(ess::decode_der(&written), Ok(label));
    }
    let at = "2026-06-01T00:00:00Z".parse().expect("a time");
    let long = ess::decode_under(octets, &POLICIES);
    for policy in POLICIES.iter() {
        let valid = |label| compiled::is_valid(policy, &label, at, Mode::Reception);
        let short = compiled::read(policy, octets).is_ok_and(valid);
        let long = long
            .as_ref()
            .ok()
            .map(|label| compiled::label(policy, label));
        assert_eq!(short, long.is_some_and(valid));
    }
    let _ = ess::decode_ber(octets, &POLICIES, &Tolerance::ALL);
    let _ = ess::decode_equivalent_labels(octets);
});
