//! "Label decisions without allocation": counted by an allocator, not argued.
//!
//! `decide` and `is_valid` over compiled values, `read` from the octets of a label, `label` and `clearance` from
//! values, and the verdict of `decide_once`. Reasons are text and allocate; that is counted too, so that
//! the counter is known to count.

use allocation_counter::measure;
use ravelin::label::validity::Mode;
use ravelin::label::{Policy, authorize, compiled, ess, naming};

#[test]
fn decisions_allocate_nothing_and_reasons_do() {
    let xml = include_bytes!("../labels/alder.xml");
    let policy = Policy::from_spif_strictly(xml, "alder.xml").unwrap();
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    let text = "SECRET; Releasable To: ALDER, BIRCH; Codeword: ANCHOR; Handling: STAFF";
    let label = naming::parse_label(&policy, text).unwrap();
    let octets = ess::encode(&label).unwrap();
    let reader = |text| naming::parse_clearance(&policy, text).unwrap();
    let cleared = reader("UNCLASSIFIED..SECRET; Releasable To: BIRCH; Codeword: ANCHOR");
    let barred = reader("UNCLASSIFIED..SECRET; Releasable To: CEDAR; Codeword: BEACON");
    for (holder, wanted) in [
        (&cleared, compiled::Verdict::Permit),
        (&barred, compiled::Verdict::Deny),
    ] {
        let short = compiled::label(&policy, &label);
        let held = compiled::clearance(&policy, holder);
        let decided = measure(|| {
            assert_eq!(compiled::decide(&policy, &short, &held, at), wanted);
            for mode in [Mode::Origination, Mode::Reception] {
                assert!(compiled::is_valid(&policy, &short, at, mode));
            }
        });
        assert_eq!(decided.count_total, 0, "{decided:?}");
        let compiled = measure(|| {
            let from_octets = compiled::read(&policy, &octets).unwrap();
            let from_value = compiled::label(&policy, &label);
            let held = compiled::clearance(&policy, holder);
            assert_eq!(compiled::decide(&policy, &from_octets, &held, at), wanted);
            assert_eq!(compiled::decide(&policy, &from_value, &held, at), wanted);
            assert_eq!(compiled::decide_once(&policy, &label, holder, at), wanted);
        });
        assert_eq!(compiled.count_total, 0, "{compiled:?}");
        let explained = measure(|| {
            assert!(!authorize(&policy, &label, holder, at).reasons.is_empty());
        });
        assert!(explained.count_total > 0, "{explained:?}");
    }
}
