//! XML labels and clearances, strictly and with every tolerance; what is read is written again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ravelin::label::nato::{self, Role, Tolerance};
use ravelin::label::{Policies, Policy, xmpp::SecurityLabel};

static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let octets = include_bytes!("../../labels/alder.xml");
    let policy = Policy::from_spif(octets, "alder.xml").expect("our own policy");
    Policies::new(vec![policy]).expect("one policy")
});

fuzz_target!(|octets: &[u8]| {
    let _ = nato::decode(octets, &POLICIES, &[]);
    let _ = nato::decode_clearance(octets, &POLICIES, &Tolerance::ALL);
    let _ = SecurityLabel::decode(octets, &POLICIES, &Tolerance::ALL);
    let Ok(document) = nato::decode(octets, &POLICIES, &Tolerance::ALL) else {
        return;
    };
    let policy = POLICIES.by_name("ALDER").expect("our own policy");
    let at = "2026-06-01T00:00:00Z".parse().expect("a time");
    let written = nato::encode(policy, &document.label, Role::Originator, at).expect("it was read");
    let again = nato::decode(written.as_bytes(), &POLICIES, &[]).expect("it was written");
    assert_eq!(again.label.categories, document.label.categories);
});
