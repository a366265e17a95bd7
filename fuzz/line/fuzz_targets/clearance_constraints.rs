//! Authority clearance constraints that are read are written, and read again as the same; applied twice they
//! leave what they left the first time, and never more than they permit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::clearance::{Constraint, Permitted, constraints};
use ravelin::label::intersection::is_within;
use ravelin::label::{Clearance, Policies, clearance};
use ravelin_fuzz_line::{POLICIES, element};

fuzz_target!(|octets: &[u8]| {
    for policies in [&Policies::default(), &*POLICIES] {
        if let Ok(permitted) = constraints(octets, "the authority", policies) {
            check(permitted, policies);
        }
    }
});

fn check(permitted: Vec<Clearance>, policies: &Policies) {
    assert!((1..=64).contains(&permitted.len()));
    let written: Vec<Vec<u8>> = permitted
        .iter()
        .map(|one| clearance::encode(one).expect("what was read can be written"))
        .collect();
    let members: Vec<&[u8]> = written.iter().map(Vec::as_slice).collect();
    let again = constraints(&element(0x30, &members), "the authority", policies);
    assert_eq!(again.as_ref(), Ok(&permitted));

    let constraint = || Constraint {
        authority: "the authority".to_owned(),
        permitted: permitted.clone(),
    };
    let once = Permitted::default().within(constraint());
    assert_eq!(once.clearances(), Some(permitted.as_slice()));
    let twice = once.clone().within(constraint());
    let thrice = twice.clone().within(constraint());
    assert_eq!(thrice.clearances(), twice.clearances());
    for own in &permitted {
        let left = once.effective(own).clearance;
        // Without a class nothing is left; otherwise all, and from others nothing.
        assert_eq!(left.is_none(), own.classifications.is_empty());
        assert!(left.is_none_or(|left| is_within(&left, own) && is_within(own, &left)));
        for other in permitted.iter().filter(|other| other.policy != own.policy) {
            let alone = Permitted::default().within(Constraint {
                authority: "the authority".to_owned(),
                permitted: vec![other.clone()],
            });
            assert_eq!(alone.effective(own).clearance, None);
        }
    }
}
