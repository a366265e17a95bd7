//! Lint of our own policies, reload, and every label against every clearance of tiny policies.

use ravelin::label::{
    Categories, Clearance, Kind, Label, Policies, Policy, authorize, compiled, lint,
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

/// Two classes, three tags of two values: every label against every clearance, for a third of all choices of
/// kinds and random values that may not stand with a class, by the sentence of the standard.
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
    // A small generator with a fixed seed: the same policies on every run.
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut pick = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) % below
    };
    let (mut decided, mut permitted) = (0u32, 0u32);
    for number in (0..125usize).step_by(3) {
        let choice = [number % 5, number / 5 % 5, number / 25];
        // The class, 1 or 2, that each of the six values may not stand with; 3 is none.
        let barred: [u64; 6] = std::array::from_fn(|_| 1 + pick(5).min(2));
        let mut sets = String::new();
        for (tag, kind) in choice.iter().enumerate() {
            let value = |name: &str, at: usize| {
                let class = ["LOW", "HIGH"].get(usize::try_from(barred[tag * 2 + at]).unwrap() - 1);
                let rule = class.map_or(String::new(), |class| {
                    format!("<excludedClass>{class}</excludedClass>")
                });
                format!("<tagCategory name='{name}' lacv='{at}'>{rule}</tagCategory>")
            };
            sets += &format!(
                "<securityCategoryTagSet name='S{tag}' id='{}'><securityCategoryTag {}>{}{}</securityCategoryTag></securityCategoryTagSet>",
                set(tag),
                KINDS[*kind].1,
                value("A", 0),
                value("B", 1)
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
        let categories = |bits: u32| {
            let mut categories = Categories::default();
            for (tag, kind) in choice.iter().enumerate() {
                for value in (0..2u128).filter(|value| bits >> (tag * 2) >> value & 1 == 1) {
                    categories.insert(set(tag), KINDS[*kind].0, value);
                }
            }
            categories
        };
        let holders: Vec<Clearance> = (0..256u32)
            .map(|bits| Clearance {
                policy: policy.oid(),
                classifications: (1..=2)
                    .filter(|class| bits >> 6 >> (class - 1) & 1 == 1)
                    .collect(),
                categories: categories(bits),
            })
            .collect();
        let held: Vec<_> = holders
            .iter()
            .map(|holder| compiled::clearance(&policy, holder))
            .collect();
        for (label_bits, class) in (0..64u32).flat_map(|bits| [(bits, 1u64), (bits, 2)]) {
            let mut label = Label::new(policy.oid(), class);
            label.categories = categories(label_bits);
            let short = compiled::label(&policy, &label);
            let valid = (0..6).all(|bit| label_bits >> bit & 1 == 0 || barred[bit] != class);
            for (held_bits, held) in (0..256u32).zip(&held) {
                let wanted = valid
                    && held_bits >> 6 >> (class - 1) & 1 == 1
                    && choice.iter().enumerate().all(|(tag, kind)| {
                        let asked = label_bits >> (tag * 2) & 3;
                        let held = held_bits >> (tag * 2) & 3;
                        match KINDS[*kind].0 {
                            kind if kind.is_restrictive() => asked & !held == 0,
                            kind if kind.is_permissive() => asked == 0 || asked & held != 0,
                            _ => true,
                        }
                    });
                let verdict = compiled::decide(&policy, &short, held, at());
                assert_eq!(verdict == compiled::Verdict::Permit, wanted);
                // The function with reasons, on a part of them.
                if decided.is_multiple_of(331) {
                    let holder = &holders[usize::try_from(held_bits).unwrap()];
                    assert_eq!(authorize(&policy, &label, holder, at()).permit, wanted);
                }
                decided += 1;
                permitted += u32::from(wanted);
            }
        }
    }
    assert_eq!(decided, 42 * 64 * 2 * 256);
    assert!(permitted > decided / 20, "{permitted} of {decided}");
}
