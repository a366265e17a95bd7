//! The engine against a naive model written straight from the reference, on random little policies.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ravelin::label::{
    Categories, Category, Clearance, Direction, Kind, Label, ObjectIdentifier, Options, Policies,
    Policy, authorize, clearance, compiled, ess, translate,
    validity::{self, Mode},
};

use super::{at, oid, own_policies};

/// A little policy: classes 1 to 3; tag sets with one tag each; rules between them.
#[derive(Clone, Debug)]
struct Little {
    /// Kind, and the class that each of the values 0, 1, 2 may not stand with.
    tags: Vec<(Kind, [Option<u64>; 3])>,
    /// Value 0 of the first tag needs (all, any) or excludes some value of another tag.
    rule: Option<(&'static str, usize, u128)>,
}

fn set_oid(tag: usize) -> ObjectIdentifier {
    oid(&format!("1.3.6.1.4.1.32473.7.{tag}"))
}

impl Little {
    fn xml(&self) -> String {
        let attributes = |kind: Kind| match kind {
            Kind::Restrictive => "tagType='restrictive'",
            Kind::EnumeratedRestrictive => "tagType='enumerated' enumType='restrictive'",
            Kind::Permissive => "tagType='permissive'",
            Kind::EnumeratedPermissive => "tagType='enumerated' enumType='permissive'",
            Kind::Informative | Kind::InformativeSet => "tagType='tagType7'",
        };
        let mut sets = String::new();
        for (at, (kind, excluded)) in self.tags.iter().enumerate() {
            let encoding = match kind {
                Kind::Informative => " tag7Encoding='bitSetAttributes'",
                Kind::InformativeSet => " tag7Encoding='securityAttributes'",
                _ => "",
            };
            sets += &format!(
                "<securityCategoryTagSet name='S{at}' id='{}'><securityCategoryTag {}{encoding}>",
                set_oid(at),
                attributes(*kind)
            );
            for (value, class) in excluded.iter().enumerate() {
                sets += &format!("<tagCategory name='C{value}' lacv='{value}'>");
                if let Some(class) = class {
                    sets += &format!("<excludedClass>K{class}</excludedClass>");
                }
                if let (0, 0, Some((rule, other, value))) = (at, value, self.rule) {
                    let target = format!(
                        "tagSetRef='S{other}' {} lacv='{value}'",
                        attributes(self.tags[other].0)
                    );
                    sets += &match rule {
                        "excludes" => format!("<excludedCategory {target}/>"),
                        operation => format!(
                            "<requiredCategory operation='{operation}'><categoryGroup {target}/></requiredCategory>"
                        ),
                    };
                }
                sets += "</tagCategory>";
            }
            sets += "</securityCategoryTag></securityCategoryTagSet>";
        }
        let classes: String = (1..=3)
            .map(|class| {
                format!(
                    "<securityClassification name='K{class}' lacv='{class}' hierarchy='{class}'/>"
                )
            })
            .collect();
        format!(
            "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' creationDate='x' originatorDN='x' \
             keyIdentifier='x' privilegeId='1.2.3' rbacId='1.2.3'><securityPolicyId name='L' id='1.3.6.1.4.1.32473.7'/>\
             <securityClassifications>{classes}</securityClassifications>\
             <securityCategoryTagSets>{sets}</securityCategoryTagSets></SPIF>"
        )
    }

    /// Straight from the reference: validity, then access, over sets of triples.
    fn permits(&self, label: &Label, clearance: &Clearance) -> bool {
        let own = oid("1.3.6.1.4.1.32473.7");
        let triples = |categories: &Categories| -> BTreeSet<(ObjectIdentifier, Kind, u128)> {
            let each = |category: &Category| -> Vec<_> {
                category
                    .values
                    .iter()
                    .map(|value| (category.tag_set, category.kind, *value))
                    .collect()
            };
            categories.iter().flat_map(each).collect()
        };
        let (asked, held) = (triples(&label.categories), triples(&clearance.categories));
        let known = |triple: &(ObjectIdentifier, Kind, u128)| {
            (0..self.tags.len())
                .any(|at| set_oid(at) == triple.0 && self.tags[at].0 == triple.1 && triple.2 < 3)
        };
        let Some(class) = label.classification.filter(|class| (1..=3).contains(class)) else {
            return false;
        };
        if label.policy != Some(own) || clearance.policy != own || !asked.iter().all(known) {
            return false;
        }
        for (at, (kind, excluded)) in self.tags.iter().enumerate() {
            for (value, class_out) in (0u128..).zip(excluded) {
                if asked.contains(&(set_oid(at), *kind, value)) && *class_out == Some(class) {
                    return false;
                }
            }
        }
        if let Some((rule, other, value)) = self.rule {
            let subject = asked.contains(&(set_oid(0), self.tags[0].0, 0));
            let object = asked.contains(&(set_oid(other), self.tags[other].0, value));
            if subject && (object == (rule == "excludes")) {
                return false;
            }
        }
        if !clearance.classifications.contains(&class) {
            return false;
        }
        self.tags.iter().enumerate().all(|(at, (kind, _))| {
            let of_tag = |triple: &&(ObjectIdentifier, Kind, u128)| triple.0 == set_oid(at);
            let mine: BTreeSet<_> = asked.iter().filter(of_tag).collect();
            if kind.is_restrictive() {
                mine.iter().all(|triple| held.contains(*triple))
            } else if kind.is_permissive() {
                mine.is_empty() || mine.iter().any(|triple| held.contains(*triple))
            } else {
                true
            }
        })
    }
}

fn little() -> impl Strategy<Value = Little> {
    let kind = prop::sample::select(Kind::ALL.to_vec());
    let excluded = prop::array::uniform3(prop::option::weighted(0.2, 1u64..=3));
    let rule = (
        prop::sample::select(vec!["excludes", "all", "oneOrMore", "onlyOne"]),
        any::<prop::sample::Index>(),
        0u128..3,
    );
    (
        prop::collection::vec((kind, excluded), 1..5),
        prop::option::of(rule),
    )
        .prop_map(|(tags, rule)| {
            let rule = rule.map(|(rule, other, value)| (rule, other.index(tags.len()), value));
            Little { tags, rule }
        })
}

/// Mostly values that the policy has; now and then one that it has not.
fn some_categories(tags: Vec<Kind>, share: f64, odd: f64) -> impl Strategy<Value = Categories> {
    let values = prop::collection::vec(
        prop::collection::vec(prop::bool::weighted(share), 3),
        tags.len(),
    );
    (values, prop::bool::weighted(odd)).prop_map(move |(values, odd)| {
        let mut categories = Categories::default();
        for (at, values) in values.iter().enumerate() {
            for (value, _) in (0u128..).zip(values).filter(|(_, chosen)| **chosen) {
                categories.insert(set_oid(at), tags[at], value);
            }
        }
        if odd {
            categories.insert(set_oid(0), tags[0], 3);
        }
        categories
    })
}

fn scene() -> impl Strategy<Value = (Little, Label, Clearance, Clearance)> {
    little().prop_flat_map(|little| {
        let kinds: Vec<Kind> = little.tags.iter().map(|(kind, _)| *kind).collect();
        let held: Vec<Kind> = kinds.clone();
        let classes = || prop::collection::btree_set(1u64..=4, 0..4);
        (
            Just(little),
            0u64..=4,
            some_categories(kinds, 0.25, 0.05),
            classes(),
            classes(),
            some_categories(held.clone(), 0.7, 0.1),
            some_categories(held, 0.5, 0.1),
        )
            .prop_map(|(little, class, asked, classes, more, held, extra)| {
                let policy = oid("1.3.6.1.4.1.32473.7");
                let mut label = Label::new(policy, class);
                label.categories = asked;
                let mut small = Clearance::nothing(policy);
                small.classifications = classes;
                small.categories = held;
                let mut large = small.clone();
                large.classifications.extend(more);
                for category in &extra {
                    for value in &category.values {
                        large
                            .categories
                            .insert(category.tag_set, category.kind, *value);
                    }
                }
                (little, label, small, large)
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_decision_equals_the_model((little, label, small, large) in scene()) {
        let policy = Policy::from_spif_strictly(little.xml().as_bytes(), "little").unwrap();
        for holder in [&small, &large] {
            let access = authorize(&policy, &label, holder, at());
            prop_assert_eq!(access.permit, little.permits(&label, holder), "{:?}", access.reasons);
            prop_assert!(!access.reasons.is_empty());
            // The decision over masks, on its own.
            let verdict = compiled::decide_once(&policy, &label, holder, at());
            prop_assert_eq!(verdict == compiled::Verdict::Permit, access.permit);
        }
        let short = compiled::is_valid(&policy, &compiled::label(&policy, &label), at(), Mode::Reception);
        prop_assert_eq!(short, validity::check(&policy, &label, at(), Mode::Reception).is_empty());
        // More clearance never loses.
        if authorize(&policy, &label, &small, at()).permit {
            prop_assert!(authorize(&policy, &label, &large, at()).permit);
        }
    }

    #[test]
    fn more_restriction_never_gains((mut little, label, holder, _) in scene(), tag in any::<prop::sample::Index>(), value in 0u128..3) {
        // A rule that demands a value makes a label valid by adding it; that is not about access.
        little.rule = None;
        let policy = Policy::from_spif(little.xml().as_bytes(), "little").unwrap();
        let tag = tag.index(little.tags.len());
        let kind = little.tags[tag].0;
        let before = authorize(&policy, &label, &holder, at()).permit;
        let mut more = label.clone();
        more.categories.insert(set_oid(tag), kind, value);
        let after = authorize(&policy, &more, &holder, at()).permit;
        let group = label.categories.values(&set_oid(tag), kind).is_some();
        if kind.is_restrictive() || (kind.is_permissive() && !group) {
            prop_assert!(before || !after);
        } else if kind.is_permissive() {
            let out = little.tags[tag].1[usize::try_from(value).unwrap()] == label.classification;
            prop_assert!(!before || after || out);
        } else {
            // Informative: no influence, unless the value may not stand with the class.
            let out = little.tags[tag].1[usize::try_from(value).unwrap()].is_some();
            prop_assert!(out || before == after);
        }
    }

    #[test]
    fn translation_keeps_the_meaning(
        class in 1u64..=6,
        rel in prop::collection::btree_set(1u128..=3, 0..4),
        code in prop::collection::btree_set(0u128..=1, 0..3),
        hand in prop::collection::btree_set(0u128..=1, 0..3),
        holder_rel in prop::collection::btree_set(1u128..=3, 0..4),
        holder_code in prop::bool::ANY,
        top in 0u64..=4,
    ) {
        let policies = own_policies();
        let (alder, birch) = (policies.by_name("ALDER").unwrap(), policies.by_name("BIRCH").unwrap());
        let mut label = Label::new(alder.oid(), class);
        let parts = [(Kind::EnumeratedPermissive, &rel), (Kind::Restrictive, &code), (Kind::Informative, &hand)];
        for (at, (kind, values)) in (1..).zip(parts) {
            let tag_set = oid(&format!("1.3.6.1.4.1.32473.1.1.{at}"));
            label.categories.add(Category::new(tag_set, kind, values.iter().copied())).unwrap();
        }
        let Ok(out) = translate(alder, birch, &label, Direction::Outbound, at()) else {
            let invalid = !validity::check(alder, &label, at(), Mode::Reception).is_empty();
            prop_assert!(invalid || class == 5 || code.contains(&1));
            return Ok(());
        };
        // There and back: the same but for the desk copy mark.
        let back = translate(birch, alder, &out.label, Direction::Inbound, at()).unwrap();
        let mut wanted = label.clone();
        wanted.categories = Categories::default();
        for category in &label.categories {
            for value in &category.values {
                if !(category.kind == Kind::Informative && *value == 1) {
                    wanted.categories.insert(category.tag_set, category.kind, *value);
                }
            }
        }
        prop_assert_eq!(back.label, wanted);
        // A holder of the equal clearance is decided alike.
        let mut here = Clearance::nothing(alder.oid());
        let mut there = Clearance::nothing(birch.oid());
        for (alder_class, birch_class) in [(1, 1), (2, 6), (3, 7), (4, 8)].into_iter().filter(|(class, _)| *class <= top) {
            here.classifications.insert(alder_class);
            there.classifications.insert(birch_class);
        }
        for value in holder_rel {
            let other = [21, 20, 22][usize::try_from(value).unwrap() - 1];
            here.categories.insert(oid("1.3.6.1.4.1.32473.1.1.1"), Kind::EnumeratedPermissive, value);
            there.categories.insert(oid("1.3.6.1.4.1.32473.2.1.1"), Kind::EnumeratedPermissive, other);
        }
        if holder_code {
            here.categories.insert(oid("1.3.6.1.4.1.32473.1.1.2"), Kind::Restrictive, 0);
            there.categories.insert(oid("1.3.6.1.4.1.32473.2.1.2"), Kind::Restrictive, 4);
        }
        prop_assert_eq!(
            authorize(alder, &label, &here, at()).permit,
            authorize(birch, &out.label, &there, at()).permit
        );
    }

    #[test]
    fn labels_survive_their_octets((little, mut label, holder, _) in scene(), big in any::<u64>(), (wide, value) in any::<(bool, u128)>(), mark in prop::option::of("[A-Za-z0-9 ()+,./:=?-]{1,128}")) {
        use ravelin::label::PrivacyMark;
        let _ = little;
        label.classification = Some(big);
        label.privacy_mark = mark.map(PrivacyMark::Printable);
        if wide {
            label.categories.insert(set_oid(9), Kind::EnumeratedPermissive, value);
        }
        let octets = ess::encode(&label).unwrap();
        prop_assert_eq!(&ess::decode_der(&octets).unwrap(), &label);
        let octets = clearance::encode(&holder).unwrap();
        prop_assert_eq!(clearance::decode(&octets).unwrap(), holder);
    }

    #[test]
    fn octets_straight_to_masks_are_decided_like_the_label((little, label, small, large) in scene(), to in any::<u8>(), place in any::<prop::sample::Index>()) {
        let any = Options { any_category_syntax: true, ..Options::default() };
        let policy = Policy::from_spif(little.xml().as_bytes(), "little").unwrap().with_options(any);
        let octets = ess::encode(&label).unwrap();
        let mut near = octets.clone();
        let place = place.index(near.len());
        near[place] = to;
        // MISSI octets too, where the policy settles the kinds.
        let missi = ess::encode_missi(&policy, &label).unwrap_or_default();
        for octets in [octets, near, missi] {
            let policies = Policies::new(vec![policy.clone()]).unwrap();
            let (short, long) = (compiled::read(&policy, &octets), ess::decode_under(&octets, &policies));
            for holder in [&small, &large] {
                let held = compiled::clearance(&policy, holder);
                let verdict = |label: &compiled::CompiledLabel| compiled::decide(&policy, label, &held, at());
                let long = long.as_ref().ok().map(|label| verdict(&compiled::label(&policy, label)));
                let short = short.as_ref().ok().map(verdict);
                let permits = |verdict| verdict == Some(compiled::Verdict::Permit);
                prop_assert_eq!(permits(short), permits(long), "{:02x?}", octets);
            }
        }
    }

    #[test]
    fn no_octets_make_the_readers_fall(octets in prop::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let _ = ess::decode(&octets);
        let _ = clearance::decode(&octets);
        let mut near = ess::encode(&{
            let mut label = Label::new(oid("1.1"), 3);
            label.categories.insert(oid("1.1.9"), Kind::Permissive, 9);
            label.categories.insert(oid("1.1.9"), Kind::EnumeratedPermissive, 300);
            label
        }).unwrap();
        let at = at.index(near.len());
        near[at] = to;
        if let Ok(label) = ess::decode_der(&near) {
            prop_assert_eq!(ess::encode(&label).unwrap(), near);
        }
    }
}
