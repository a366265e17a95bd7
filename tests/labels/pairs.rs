//! "Translation never widens" on random pairs of policies with random equivalences, against a naive model.
//!
//! Whoever may read the translated label in the target policy could read the label at home with the equal
//! clearance: the classes whose equivalents are cleared, and the values of which some equivalent is held.
//! A step that the trace calls a downgrade or a widening is the policy's own word and is set apart.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ravelin::label::{
    Clearance, Direction, Kind, Label, Policy, authorize,
    equivalence::Effect,
    translate,
    validity::{self, Mode},
};

use super::{at, oid};

/// One category equivalence: the tag and value of the other policy, its direction, and whether it discards.
#[derive(Clone, Debug)]
struct Link {
    tag: usize,
    value: u128,
    applied: &'static str,
    discard: bool,
}

/// Two policies; the first describes the equivalences in both directions.
#[derive(Clone, Debug)]
struct Pair {
    /// Kinds of the tags of both; each tag is a set of its own with the values 0 and 1.
    kinds: [Vec<Kind>; 2],
    /// For class 1 to 3 the other class, if any, and the direction.
    classes: Vec<Option<(u64, &'static str)>>,
    /// By tag and value of the first policy.
    links: Vec<[Vec<Link>; 2]>,
}

fn set(policy: usize, tag: usize) -> ravelin::label::ObjectIdentifier {
    oid(&format!("1.3.6.1.4.1.32473.7.{policy}.{tag}"))
}

fn attributes(kind: Kind) -> &'static str {
    match kind {
        Kind::Restrictive => "tagType='restrictive'",
        Kind::EnumeratedRestrictive => "tagType='enumerated' enumType='restrictive'",
        Kind::Permissive => "tagType='permissive'",
        Kind::EnumeratedPermissive => "tagType='enumerated' enumType='permissive'",
        Kind::Informative | Kind::InformativeSet => "tagType='tagType7'",
    }
}

impl Pair {
    fn xml(&self, policy: usize) -> String {
        let describes = policy == 0;
        let mut classes = String::new();
        for (class, link) in (1u64..).zip(&self.classes) {
            let link = link.as_ref().filter(|_| describes);
            let inner = link.map_or(String::new(), |(other, applied)| {
                format!(
                    "<equivalentClassification policyRef='P1' lacv='{other}' applied='{applied}'/>"
                )
            });
            classes += &format!(
                "<securityClassification name='K{class}' lacv='{class}' hierarchy='{class}'>{inner}</securityClassification>"
            );
        }
        let mut sets = String::new();
        for (tag, kind) in self.kinds[policy].iter().enumerate() {
            let encoding = match kind {
                Kind::Informative => " tag7Encoding='bitSetAttributes'",
                Kind::InformativeSet => " tag7Encoding='securityAttributes'",
                _ => "",
            };
            sets += &format!(
                "<securityCategoryTagSet name='S{tag}' id='{}'><securityCategoryTag {}{encoding}>",
                set(policy, tag),
                attributes(*kind)
            );
            for value in 0..2usize {
                sets += &format!("<tagCategory name='C{value}' lacv='{value}'>");
                let links = if describes {
                    &self.links[tag][value][..]
                } else {
                    &[]
                };
                for link in links {
                    let action = if link.discard { "action='discard'" } else { "" };
                    sets += &format!(
                        "<equivalentSecCategoryTag policyRef='P1' tagSetId='{}' {} lacv='{}' applied='{}' {action}/>",
                        set(1, link.tag),
                        attributes(self.kinds[1][link.tag]),
                        link.value,
                        link.applied
                    );
                }
                sets += "</tagCategory>";
            }
            sets += "</securityCategoryTag></securityCategoryTagSet>";
        }
        let named = if describes {
            "<equivalentPolicies><equivalentPolicy name='P1' id='1.3.6.1.4.1.32473.7.1'/></equivalentPolicies>"
        } else {
            ""
        };
        format!(
            "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' creationDate='x' originatorDN='x' \
             keyIdentifier='x' privilegeId='2.16.840.1.101.2.1.8.3' rbacId='2.16.840.1.101.2.1.8.3'>\
             <securityPolicyId name='P{policy}' id='1.3.6.1.4.1.32473.7.{policy}'/>\
             <securityClassifications>{classes}</securityClassifications>\
             <securityCategoryTagSets>{sets}</securityCategoryTagSets>{named}</SPIF>"
        )
    }

    /// What the holder of this target clearance could hold at home, for a label that goes this way.
    fn equal(&self, direction: Direction, held: &Clearance) -> Clearance {
        let out = direction == Direction::Outbound;
        let applies = |applied: &str| applied == "both" || (applied == "encrypt") == out;
        let (home, there) = if out { (0, 1) } else { (1, 0) };
        let mut equal = Clearance::nothing(oid(&format!("1.3.6.1.4.1.32473.7.{home}")));
        for (class, link) in (1u64..).zip(&self.classes) {
            if let Some((other, _)) = link.filter(|(_, applied)| applies(applied)) {
                let (from, to) = if out { (class, other) } else { (other, class) };
                if held.classifications.contains(&to) {
                    equal.classifications.insert(from);
                }
            }
        }
        for (tag, values) in self.links.iter().enumerate() {
            for (value, links) in (0u128..).zip(values) {
                for link in links
                    .iter()
                    .filter(|one| applies(one.applied) && !one.discard)
                {
                    let ends = [(0, tag, value), (1, link.tag, link.value)];
                    let (from, to) = (ends[home], ends[there]);
                    let kind = |end: (usize, usize, u128)| self.kinds[end.0][end.1];
                    if held.categories.contains(&set(to.0, to.1), kind(to), to.2) {
                        equal
                            .categories
                            .insert(set(from.0, from.1), kind(from), from.2);
                    }
                }
            }
        }
        equal
    }
}

fn pair() -> impl Strategy<Value = Pair> {
    let applied = || prop::sample::select(vec!["both", "both", "both", "encrypt", "decrypt"]);
    let kinds = || prop::collection::vec(prop::sample::select(Kind::ALL.to_vec()), 1..4);
    let order = Just(vec![1u64, 2, 3]).prop_shuffle();
    let classes = (
        order,
        prop::collection::vec(prop::option::weighted(0.9, applied()), 3),
    )
        .prop_map(|(order, applied)| {
            let each = order.into_iter().zip(applied);
            each.map(|(other, applied)| Some((other, applied?)))
                .collect()
        });
    let link = (
        any::<prop::sample::Index>(),
        0u128..2,
        applied(),
        prop::bool::weighted(0.05),
    );
    let links = prop::collection::vec(prop::array::uniform2(prop::collection::vec(link, 0..3)), 3);
    (kinds(), kinds(), classes, links).prop_map(|(one, two, classes, links)| {
        let count = two.len();
        let links = links[..one.len()]
            .iter()
            .map(|values| {
                values.clone().map(|links| {
                    let each = links
                        .into_iter()
                        .map(|(tag, value, applied, discard)| Link {
                            tag: tag.index(count),
                            value,
                            applied,
                            discard,
                        });
                    each.collect()
                })
            })
            .collect();
        Pair {
            kinds: [one, two],
            classes,
            links,
        }
    })
}

/// A class and six bits of values for the label; three bits of classes and six of values for the reader.
type Choice = (u64, u32, u32, u32);

fn chosen(pair: &Pair, policy: usize, bits: u32) -> Vec<(usize, u128)> {
    let tags = pair.kinds[policy].len();
    let each = (0..tags).flat_map(|tag| (0..2u128).map(move |value| (tag, value)));
    each.zip(0..)
        .filter(|(_, bit)| bits >> bit & 1 == 1)
        .map(|(one, _)| one)
        .collect()
}

#[test]
fn translation_never_widens() {
    let tally: [AtomicUsize; 4] = Default::default();
    let config = ProptestConfig::with_cases(4000);
    let choice = || (1u64..=3, 0u32..64, 0u32..8, 0u32..64);
    let mut runner = TestRunner::new(config);
    let result = runner.run(
        &(pair(), prop::collection::vec(choice(), 24)),
        |(pair, choices)| check(&pair, &choices, &tally),
    );
    if let Err(error) = result {
        panic!("{error}");
    }
    // What was really looked at: translations, readers of the result, refusals, policies with a defect.
    let [made, read, refused, widened] = tally.each_ref().map(|count| count.load(Relaxed));
    assert!(
        made > 5000 && read > 1000 && refused > 5000 && widened > 50,
        "{made} {read} {refused} {widened}"
    );
}

fn check(pair: &Pair, choices: &[Choice], tally: &[AtomicUsize; 4]) -> Result<(), TestCaseError> {
    let policies: Vec<Policy> = (0..2)
        .map(|at| {
            Policy::from_spif_strictly(pair.xml(at).as_bytes(), &format!("p{at}.xml")).unwrap()
        })
        .collect();
    for (class, values, classes, held) in choices {
        for direction in [Direction::Outbound, Direction::Inbound] {
            let (home, there) = match direction {
                Direction::Outbound => (0, 1),
                Direction::Inbound => (1, 0),
            };
            let mut label = Label::new(policies[home].oid(), *class);
            for (tag, value) in chosen(pair, home, *values) {
                label
                    .categories
                    .insert(set(home, tag), pair.kinds[home][tag], value);
            }
            let Ok(made) = translate(&policies[home], &policies[there], &label, direction, at())
            else {
                tally[2].fetch_add(1, Relaxed);
                continue;
            };
            tally[0].fetch_add(1, Relaxed);
            prop_assert!(
                validity::check(&policies[there], &made.label, at(), Mode::Origination).is_empty()
            );
            let named = |effect| made.trace.iter().any(|step| step.effect == effect);
            if named(Effect::Downgrades) || named(Effect::Widens) {
                tally[3].fetch_add(1, Relaxed);
                continue;
            }
            let mut reader = Clearance::nothing(policies[there].oid());
            reader.classifications = (1..=3)
                .filter(|class| classes >> (class - 1) & 1 == 1)
                .collect();
            for (tag, value) in chosen(pair, there, *held) {
                reader
                    .categories
                    .insert(set(there, tag), pair.kinds[there][tag], value);
            }
            if authorize(&policies[there], &made.label, &reader, at()).permit {
                tally[1].fetch_add(1, Relaxed);
                let equal = pair.equal(direction, &reader);
                let home = authorize(&policies[home], &label, &equal, at());
                prop_assert!(
                    home.permit,
                    "{direction:?} {label:?} -> {:?}: {:?}",
                    made.label,
                    home.reasons
                );
            }
        }
    }
    Ok(())
}

/// The model itself can say no: a reader of the result who holds nothing at home is found.
#[test]
fn the_model_of_equal_clearances_is_not_everything() {
    let link = Link {
        tag: 0,
        value: 1,
        applied: "encrypt",
        discard: false,
    };
    let pair = Pair {
        kinds: [vec![Kind::Restrictive], vec![Kind::Restrictive]],
        classes: vec![Some((2, "both")), None, None],
        links: vec![[vec![link], Vec::new()]],
    };
    let mut held = Clearance::nothing(oid("1.3.6.1.4.1.32473.7.1"));
    held.classifications = [2, 3].into();
    held.categories.insert(set(1, 0), Kind::Restrictive, 1);
    let out = pair.equal(Direction::Outbound, &held);
    assert_eq!(out.classifications, [1].into());
    assert!(out.categories.contains(&set(0, 0), Kind::Restrictive, 0));
    assert!(!out.categories.contains(&set(0, 0), Kind::Restrictive, 1));
    assert_eq!(out.categories.len(), 1);
    let back = pair.equal(
        Direction::Inbound,
        &Clearance {
            policy: oid("1.3.6.1.4.1.32473.7.0"),
            ..held
        },
    );
    assert!(back.categories.is_empty(), "the link goes out only");
}
