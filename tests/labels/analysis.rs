//! Lint of our own policies, reload, and every label against every clearance of tiny policies.

use ravelin::label::{
    Clearance, Kind, Label, Policies, Policy, authorize, compiled, lint,
    update::{self, CaseFile, Cases, Demands, Source, UpdateError},
};

use super::{at, oid, own};

#[test]
fn our_policies_have_no_findings() {
    for name in [
        "alder.xml",
        "birch.xml",
        "tlp.xml",
        "commercial.xml",
        "nato-like.xml",
        "uk-like.xml",
    ] {
        let policy = Policy::from_spif_strictly(own(name).as_bytes(), name).unwrap();
        assert_eq!(lint::lint(&policy), [], "{name}");
    }
}

#[test]
fn a_reload_is_all_or_nothing() {
    let source = |text: String| Source {
        file: "alder.xml".to_owned(),
        octets: text.into_bytes(),
        // Those that speak of BIRCH, which is not in the set, are not asked.
        cases: Some(CaseFile {
            file: "alder.cases".to_owned(),
            text: own("alder.cases"),
        }),
        signed_by: vec!["authority".to_owned()],
    };
    let demands = Demands {
        signers: vec!["authority".to_owned()],
        cases: Cases::Required,
    };
    let now = "2026-07-01T00:00:00Z".parse().unwrap();
    let go = |before: &Policies, source: Source| update::next(before, &[source], &demands, now);
    let text = own("alder.xml");
    let first = go(&Policies::default(), source(text.clone())).unwrap();
    // The same octets again are no change.
    assert!(go(&first, source(text.clone())).is_ok());
    let newer = text
        .replace("version=\"1\"\n", "version=\"2\"\n")
        .replace("20260101000000Z", "20260601000000Z");
    let second = go(&first, source(newer.clone())).unwrap();
    assert_eq!(second.by_name("ALDER").unwrap().version(), 2);
    // Roll-back by version, by date, and a date that is yet to come.
    assert!(matches!(
        go(&second, source(text.clone())),
        Err(UpdateError::RollBack { .. })
    ));
    let same_date = text.replace("#007A33", "#007A34");
    assert!(matches!(
        go(&first, source(same_date)),
        Err(UpdateError::RollBack { .. })
    ));
    let future = newer.replace("20260601000000Z", "20270601000000Z");
    assert!(matches!(
        go(&first, source(future)),
        Err(UpdateError::RollBack { .. })
    ));
    // Signer, cases, reading, and what would vanish.
    let unsigned = Source {
        signed_by: vec!["somebody".to_owned()],
        ..source(text.clone())
    };
    assert!(matches!(
        go(&first, unsigned),
        Err(UpdateError::Unsigned { .. })
    ));
    let broken = newer.replace("<excludedClass>TOP SECRET</excludedClass>", "");
    assert!(matches!(
        go(&first, source(broken)),
        Err(UpdateError::Case { .. })
    ));
    let bare = Source {
        cases: None,
        ..source(newer.clone())
    };
    assert!(matches!(
        go(&first, bare),
        Err(UpdateError::Case { line: 0, .. })
    ));
    let unreadable = newer.replace("tagType=\"restrictive\">", "tagType=\"restrictve\">");
    assert!(matches!(
        go(&first, source(unreadable)),
        Err(UpdateError::Policy(_))
    ));
    let none = update::next(&first, &[], &demands, now);
    assert!(matches!(none, Err(UpdateError::Missing { .. })));
}

/// Two classes, three tags of two values: every label against every clearance, for every choice of
/// kinds, by the sentence of the standard.
#[test]
fn every_label_against_every_clearance() {
    const KINDS: [(Kind, &str); 5] = [
        (Kind::Restrictive, "tagType='restrictive'"),
        (Kind::Permissive, "tagType='permissive'"),
        (
            Kind::EnumeratedRestrictive,
            "tagType='enumerated' enumType='restrictive'",
        ),
        (
            Kind::EnumeratedPermissive,
            "tagType='enumerated' enumType='permissive'",
        ),
        (
            Kind::Informative,
            "tagType='tagType7' tag7Encoding='bitSetAttributes'",
        ),
    ];
    let set = |tag: usize| oid(&format!("1.3.6.1.4.1.32473.9.1.{}", tag + 1));
    let mut decided = 0u32;
    for choice in [[0, 1, 4], [2, 3, 1], [1, 1, 0], [3, 2, 2]] {
        let mut sets = String::new();
        for (tag, kind) in choice.iter().enumerate() {
            sets += &format!(
                "<securityCategoryTagSet name='S{tag}' id='{}'><securityCategoryTag {}>\
                 <tagCategory name='A' lacv='0'/><tagCategory name='B' lacv='1'/></securityCategoryTag></securityCategoryTagSet>",
                set(tag),
                KINDS[*kind].1
            );
        }
        let xml = format!(
            "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' creationDate='x' originatorDN='x' \
             keyIdentifier='x' privilegeId='1.2.3' rbacId='1.2.3'><securityPolicyId name='T' id='1.3.6.1.4.1.32473.9.1'/>\
             <securityClassifications><securityClassification name='LOW' lacv='1' hierarchy='1'/>\
             <securityClassification name='HIGH' lacv='2' hierarchy='2'/></securityClassifications>\
             <securityCategoryTagSets>{sets}</securityCategoryTagSets></SPIF>"
        );
        let policy = Policy::from_spif_strictly(xml.as_bytes(), "tiny").unwrap();
        // Six bits of values, two of classes.
        let values = |bits: u32, tag: usize| {
            (0..2u128).filter(move |value| bits >> (tag * 2) >> value & 1 == 1)
        };
        for label_bits in 0..64u32 {
            for class in 1..=2u64 {
                let mut label = Label::new(policy.oid(), class);
                for (tag, kind) in choice.iter().enumerate() {
                    for value in values(label_bits, tag) {
                        label.categories.insert(set(tag), KINDS[*kind].0, value);
                    }
                }
                let short = compiled::label(&policy, &label);
                for held_bits in 0..256u32 {
                    let mut holder = Clearance::nothing(policy.oid());
                    holder.classifications = (1..=2)
                        .filter(|class| held_bits >> 6 >> (class - 1) & 1 == 1)
                        .collect();
                    for (tag, kind) in choice.iter().enumerate() {
                        for value in values(held_bits, tag) {
                            holder.categories.insert(set(tag), KINDS[*kind].0, value);
                        }
                    }
                    let wanted = holder.classifications.contains(&class)
                        && choice.iter().enumerate().all(|(tag, kind)| {
                            let asked = label_bits >> (tag * 2) & 3;
                            let held = held_bits >> (tag * 2) & 3;
                            match KINDS[*kind].0 {
                                kind if kind.is_restrictive() => asked & !held == 0,
                                kind if kind.is_permissive() => asked == 0 || asked & held != 0,
                                _ => true,
                            }
                        });
                    let verdict = compiled::decide(
                        &policy,
                        &short,
                        &compiled::clearance(&policy, &holder),
                        at(),
                    );
                    assert_eq!(verdict == compiled::Verdict::Permit, wanted);
                    if held_bits % 5 == label_bits % 5 {
                        assert_eq!(authorize(&policy, &label, &holder, at()).permit, wanted);
                    }
                    decided += 1;
                }
            }
        }
    }
    assert_eq!(decided, 4 * 64 * 2 * 256);
}
