//! The numbers (lacv) of a policy: leading zeros, values beyond 2^53 and beyond 64 bits, and the bounds.
//!
//! X.841 gives a lacv no bound, so there must be one of ours. Categories: 128 bits are kept exactly.
//! Classifications: 64 bits, which no standard label or clearance can use up.

use ravelin::label::{Kind, Label, Policies, Policy, authorize, clearance, ess, naming, nato};

use super::{at, oid, program};

/// A policy with one enumerated permissive tag set of this value, and one classification.
fn spif(class: &str, value: &str) -> String {
    format!(
        "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' creationDate='x' originatorDN='x' \
         keyIdentifier='x' privilegeId='2.16.840.1.101.2.1.8.3' rbacId='2.16.840.1.101.2.1.8.3'>\
         <securityPolicyId name='N' id='1.3.6.1.4.1.32473.9.5'/><securityClassifications>\
         <securityClassification name='K' lacv='{class}' hierarchy='1'/></securityClassifications>\
         <securityCategoryTagSets><securityCategoryTagSet name='S' id='1.3.6.1.4.1.32473.9.5.1'>\
         <securityCategoryTag tagType='enumerated' enumType='permissive'><tagCategory name='A' lacv='{value}'/>\
         </securityCategoryTag></securityCategoryTagSet></securityCategoryTagSets></SPIF>"
    )
}

#[test]
fn a_category_value_is_kept_exactly_up_to_128_bits() {
    let wide = u128::MAX.to_string();
    for (written, value) in [
        ("036", 36),
        ("00000000000000000000000000000000000000000000008", 8),
        ("9007199254740993", (1 << 53) + 1),
        ("18446744073709551616", 1 << 64),
        (&wide, u128::MAX),
    ] {
        let policy = Policy::from_spif_strictly(spif("1", written).as_bytes(), "n.xml").unwrap();
        let label = naming::parse_label(&policy, "K; S: A").unwrap();
        let tag_set = oid("1.3.6.1.4.1.32473.9.5.1");
        let kind = Kind::EnumeratedPermissive;
        assert!(
            label.categories.contains(&tag_set, kind, value),
            "{written}"
        );
        let holder = naming::parse_clearance(&policy, "K; S: A").unwrap();
        let octets = ess::encode(&label).unwrap();
        assert_eq!(ess::decode_der(&octets).unwrap(), label);
        let held = clearance::encode(&holder).unwrap();
        assert_eq!(clearance::decode(&held).unwrap(), holder);
        assert!(authorize(&policy, &label, &holder, at()).permit);
        // One less is another value.
        let mut near = Label::new(policy.oid(), 1);
        near.categories.insert(tag_set, kind, value - 1);
        assert!(!authorize(&policy, &near, &holder, at()).permit);
        let xml = nato::encode(&policy, &label, nato::Role::Originator, at()).unwrap();
        let policies = Policies::new(vec![policy]).unwrap();
        let read = nato::decode(xml.as_bytes(), &policies, &[]).unwrap();
        assert_eq!(read.label, label);
    }
    for wrong in [
        "340282366920938463463374607431768211456",
        "-1",
        "0x10",
        "",
        "1.0",
        "+1",
    ] {
        let error = Policy::from_spif(spif("1", wrong).as_bytes(), "n.xml").unwrap_err();
        assert!(error.text.contains("at most 128 bits"), "{wrong}: {error}");
    }
}

#[test]
fn rfc_2634_and_rfc_5755_bound_a_classification_far_below_64_bits() {
    // RFC 2634 §3.2 with X.411: SecurityClassification ::= INTEGER (0..ub-integer-options), which is 256.
    // RFC 5755 §4.4.6: a clearance names it by a bit position, here up to 2^20.
    let load = |value: &str| Policy::from_spif(spif(value, "1").as_bytes(), "n.xml");
    let highest = load("18446744073709551615").unwrap();
    let label = naming::parse_label(&highest, "K").unwrap();
    assert_eq!(label.classification, Some(u64::MAX));
    assert_eq!(
        ess::decode_der(&ess::encode(&label).unwrap()).unwrap(),
        label
    );
    let holder = naming::parse_clearance(&highest, "K").unwrap();
    assert!(clearance::encode(&holder).is_err(), "no such bit position");
    let ordinary = load("00256").unwrap();
    let holder = naming::parse_clearance(&ordinary, "K").unwrap();
    assert!(clearance::encode(&holder).is_ok());
    for wrong in ["18446744073709551616", "-1", "x"] {
        let error = load(wrong).unwrap_err();
        assert!(error.text.contains("RFC 2634"), "{wrong}: {error}");
    }
}

#[test]
fn json_has_numbers_up_to_2_to_the_53_and_text_beyond() {
    let folder = tempfile::tempdir().unwrap();
    for (written, shown) in [
        ("09007199254740992", "9007199254740992"),
        ("9007199254740993", "\"9007199254740993\""),
        ("18446744073709551616", "\"18446744073709551616\""),
    ] {
        let class = if written.len() < 18 { written } else { "7" };
        let file = folder.path().join("n.xml");
        std::fs::write(&file, spif(class, written)).unwrap();
        let file = file.to_str().unwrap();
        let show = [
            "label", "show", "--policy", file, "K; S: A", "--format", "json",
        ];
        let (code, text) = program::run(&show, b"");
        assert_eq!(code, 0, "{text}");
        let text: String = text.split_whitespace().collect();
        assert!(
            text.contains(&format!("\"value\":{shown},\"name\":\"A\"")),
            "{text}"
        );
        if class == written {
            assert!(
                text.contains(&format!("\"classification\":{{\"value\":{shown},")),
                "{text}"
            );
        }
    }
}
