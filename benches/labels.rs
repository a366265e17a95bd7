//! Speed of the label engine: `cargo bench --bench labels`. Prints a table and one JSON line for each case.
//!
//! `parse-ess` is octets to masks with the policy's rules, `decode-ess` octets to a label as a value;
//! `validate` is a label to masks with the rules, `decide` the masks of label and clearance to yes or no.
//! Data: the published NATO example policy (87 kB) when ../shared/vectors is there, else labels/alder.xml.

mod measure;

use std::hint::black_box;
use std::path::Path;

use measure::measure;
use ravelin::label::validity::Mode;
use ravelin::label::{Clearance, Kind, Label, Policy, clearance, compiled, ess};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let nato = root.join("../shared/vectors/spiffing/test-data/nato-4774-policy.xml");
    let file = if nato.exists() {
        nato
    } else {
        root.join("labels/alder.xml")
    };
    let xml = std::fs::read(&file).expect("the policy can be read");
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let policy = Policy::from_spif(&xml, &name).expect("the policy loads");
    let (label, holder) = scene(&policy);
    let octets = ess::encode(&label).expect("the label can be written");
    let held = clearance::encode(&holder).expect("the clearance can be written");
    let at = "2026-06-01T00:00:00Z".parse().expect("a time");
    let short = compiled::label(&policy, &label);
    let short_holder = compiled::clearance(&policy, &holder);
    assert_eq!(
        compiled::decide(&policy, &short, &short_holder, at),
        compiled::Verdict::Permit,
        "the measured decision is a permission: every rule is looked at"
    );
    let cases = [
        (
            "decide",
            measure(|| {
                black_box(compiled::decide(
                    black_box(&policy),
                    black_box(&short),
                    black_box(&short_holder),
                    black_box(at),
                ));
            }),
        ),
        (
            "validate",
            measure(|| {
                let short = compiled::label(black_box(&policy), black_box(&label));
                black_box(compiled::is_valid(&policy, &short, at, Mode::Reception));
            }),
        ),
        (
            "parse-ess",
            measure(|| {
                black_box(compiled::read(&policy, black_box(&octets)).expect("a label"));
            }),
        ),
        (
            "decode-ess",
            measure(|| {
                black_box(ess::decode(black_box(&octets)).expect("a label"));
            }),
        ),
        (
            "parse-clearance",
            measure(|| {
                let holder = clearance::decode(black_box(&held)).expect("a clearance");
                black_box(compiled::clearance(&policy, &holder));
            }),
        ),
        (
            "authorize",
            measure(|| {
                black_box(ravelin::label::authorize(&policy, &label, &holder, at));
            }),
        ),
        (
            "load-spif",
            measure(|| {
                black_box(Policy::from_spif(black_box(&xml), &name).expect("a policy"));
            }),
        ),
    ];
    println!(
        "policy {name}, {} octets of SPIF; label {} octets",
        xml.len(),
        octets.len()
    );
    for (case, value) in &cases {
        println!("{case:<16}{value:>14.1} ns");
    }
    for (case, value) in &cases {
        println!(
            "{{\"bench\":\"labels\",\"case\":\"{case}\",\"value\":{value:.1},\"unit\":\"ns\"}}"
        );
    }
}

/// A valid label with a restrictive value and a group of permissive ones, and somebody who may read it.
fn scene(policy: &Policy) -> (Label, Clearance) {
    let text = "SECRET; Releasable To: ALDER, BIRCH; Codeword: ANCHOR";
    if let Ok(label) = ravelin::label::naming::parse_label(policy, text) {
        let holder = "UNCLASSIFIED..SECRET; Releasable To: BIRCH; Codeword: ANCHOR, BEACON";
        let holder = ravelin::label::naming::parse_clearance(policy, holder);
        return (label, holder.expect("names of alder.xml"));
    }
    let oid = ravelin::label::ObjectIdentifier::new_unwrap;
    let mut label = Label::new(policy.oid(), 4);
    label
        .categories
        .insert(oid("1.3.26.1.4.1"), Kind::Restrictive, 1);
    for value in [392, 756, 804] {
        label
            .categories
            .insert(oid("1.3.26.1.4.2"), Kind::EnumeratedPermissive, value);
    }
    let mut holder = Clearance::nothing(policy.oid());
    holder.classifications.extend(0..5);
    holder
        .categories
        .insert(oid("1.3.26.1.4.1"), Kind::Restrictive, 1);
    for value in [8, 40, 56, 100, 208, 246, 756] {
        holder
            .categories
            .insert(oid("1.3.26.1.4.2"), Kind::EnumeratedPermissive, value);
    }
    (label, holder)
}
