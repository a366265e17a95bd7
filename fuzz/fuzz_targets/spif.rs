//! A policy that loads has no inconsistent mask: the fast and the slow validity agree on bare labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_fuzz::label::validity::{self, Mode};
use ravelin_fuzz::label::{Label, Policy, compiled};

fuzz_target!(|octets: &[u8]| {
    let Ok(policy) = Policy::from_spif(octets, "fuzz.xml") else {
        return;
    };
    let at = "2026-06-01T00:00:00Z".parse().expect("a time");
    for (_, value) in policy.classifications() {
        let label = Label::new(policy.oid(), value);
        let slow = validity::check(&policy, &label, at, Mode::Reception).is_empty();
        let short = compiled::label(&policy, &label);
        assert_eq!(
            slow,
            compiled::is_valid(&policy, &short, at, Mode::Reception)
        );
    }
});
