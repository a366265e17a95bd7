//! XML labels and clearances, strictly and with every tolerance; what is read is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_fuzz::POLICIES;
use ravelin_fuzz::label::nato::{self, Role, Tolerance};
use ravelin_fuzz::label::xmpp::SecurityLabel;

fuzz_target!(|octets: &[u8]| {
    let _ = nato::decode(octets, &POLICIES, &[]);
    let _ = nato::decode_clearance(octets, &POLICIES, &Tolerance::ALL);
    let _ = SecurityLabel::decode(octets, &POLICIES, &Tolerance::ALL);
    let Ok(document) = nato::decode(octets, &POLICIES, &Tolerance::ALL) else {
        return;
    };
    let label = &document.label;
    let oid = label.policy.expect("an XML label names its policy");
    let policy = POLICIES.get(&oid).expect("a policy that is loaded");
    let at = "2026-06-01T00:00:00Z".parse().expect("a time");
    let written = nato::encode(policy, label, Role::Originator, at).expect("it was read");
    let again = nato::decode(written.as_bytes(), &POLICIES, &[]).expect("it was written");
    assert_eq!(again.label, *label);
});
