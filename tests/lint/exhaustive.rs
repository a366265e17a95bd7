//! "Can never be valid" and "nobody can read" against trying every label of random tiny policies.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ravelin::label::{
    Clearance, Kind, Label, ObjectIdentifier, authorize,
    lint::lint_with,
    validity::{self, Mode},
};

use super::{little, set};

/// Every label of a tiny policy: one classification and any set of the six values.
fn every_label(kinds: [Kind; 3]) -> Vec<Label> {
    let oid = |set: usize| ObjectIdentifier::new_unwrap(&format!("1.3.6.1.4.1.32473.8.9{set}"));
    let policy = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.8.1");
    let mut labels = Vec::new();
    for class in 1..=2 {
        for bits in 0..64u32 {
            let mut label = Label::new(policy, class);
            for (bit, value) in (0..6usize).zip([0, 1, 0, 1, 0, 1]) {
                if bits & (1 << bit) != 0 {
                    label.categories.insert(oid(bit / 2), kinds[bit / 2], value);
                }
            }
            labels.push(label);
        }
    }
    labels
}

fn contains(label: &Label, class: Option<u64>, part: &Label) -> bool {
    let values = part.categories.iter().all(|entry| {
        let held = label.categories.values(&entry.tag_set, entry.kind);
        held.is_some_and(|held| entry.values.is_subset(held))
    });
    values && (class.is_none() || label.classification == class)
}

#[test]
fn never_valid_and_nobody_reads_agree_with_trying_every_label() {
    // A small generator with a fixed seed: the same policies on every run.
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut pick = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let (mut never, mut unread, mut combined) = (0, 0, 0);
    for _ in 0..250 {
        let kinds = [0; 3].map(|_| {
            [
                Kind::Restrictive,
                Kind::Permissive,
                Kind::EnumeratedPermissive,
                Kind::EnumeratedRestrictive,
            ][pick(4)]
        });
        let attributes = |set: usize| match kinds[set] {
            Kind::Restrictive => "tagType='restrictive'",
            Kind::Permissive => "tagType='permissive'",
            Kind::EnumeratedPermissive => "tagType='enumerated' enumType='permissive'",
            _ => "tagType='enumerated' enumType='restrictive'",
        };
        let mut group = |name: &str| {
            let set = pick(3);
            let value = ["lacv='0'", "lacv='1'", "all='true'"][pick(3)];
            format!("<{name} tagSetRef='S{set}' {} {value}/>", attributes(set))
        };
        let mut rules = Vec::new();
        for _ in 0..8 {
            let (one, two) = (group("categoryGroup"), group("categoryGroup"));
            rules.push((format!("{one}{two}"), group("excludedCategory")));
        }
        let mut required = |at: usize, odds: usize| {
            let operation = ["onlyOne", "oneOrMore", "all"][pick(3)];
            if pick(odds) > 0 {
                return String::new();
            }
            format!(
                "<requiredCategory operation='{operation}'>{}</requiredCategory>",
                rules[at].0
            )
        };
        let classes: String = (1..=2)
            .map(|class| format!("<securityClassification name='K{class}' lacv='{class}' hierarchy='{class}'>{}</securityClassification>", required(class, 3)))
            .collect();
        let needs: Vec<String> = (0..6).map(|at| required(at, 2)).collect();
        let mut sets = String::new();
        for set_number in 0..3 {
            let mut values = String::new();
            for value in 0..2 {
                let at = set_number * 2 + value;
                let mut inner = needs[at].clone();
                match pick(4) {
                    0 => {
                        inner = format!("<excludedClass>K{}</excludedClass>", 1 + pick(2)) + &inner
                    }
                    1 => inner += &rules[at].1,
                    _ => {}
                }
                values +=
                    &format!("<tagCategory name='C{value}' lacv='{value}'>{inner}</tagCategory>");
            }
            let limit = ["", "singleSelection='true'", "minSelection='2'"][pick(3)];
            sets += &set(
                90 + u32::try_from(set_number).unwrap(),
                &format!("S{set_number}"),
                &format!(
                    "<securityCategoryTag {} {limit}>{values}</securityCategoryTag>",
                    attributes(set_number)
                ),
            );
        }
        let policy = little("A", 1, &classes, &sets, "");
        let labels = every_label(kinds);
        let now = Timestamp::UNIX_EPOCH;
        let valid: Vec<&Label> = labels
            .iter()
            .filter(|label| validity::check(&policy, label, now, Mode::Reception).is_empty())
            .collect();
        let clearances: Vec<(String, Clearance)> = (0..2)
            .map(|name| {
                let mut clearance = Clearance::nothing(policy.oid());
                clearance.classifications = (1..=2).filter(|_| pick(4) > 0).collect();
                let from = &labels[pick(64)];
                clearance.categories = from.categories.clone();
                (name.to_string(), clearance)
            })
            .collect();
        let readable = |label: &Label| {
            clearances
                .iter()
                .any(|(_, clearance)| authorize(&policy, label, clearance, now).permit)
        };
        let found = lint_with(&policy, &clearances);
        assert!(found.iter().all(|finding| finding.id != "search.cut-short"));
        let of = |id: &str| -> Vec<Label> {
            found
                .iter()
                .filter(|finding| finding.id == id)
                .map(|finding| finding.label.clone().unwrap())
                .collect()
        };
        let classes_of = |labels: &[Label]| -> BTreeSet<u64> {
            labels
                .iter()
                .filter_map(|label| label.classification)
                .collect()
        };
        // Never valid.
        let dead: BTreeSet<u64> = (1..=2)
            .filter(|class| {
                valid
                    .iter()
                    .all(|label| label.classification != Some(*class))
            })
            .collect();
        assert_eq!(classes_of(&of("classification.never-valid")), dead);
        let single: Vec<&Label> = labels[..64]
            .iter()
            .filter(|label| {
                label
                    .categories
                    .iter()
                    .map(|entry| entry.values.len())
                    .sum::<usize>()
                    == 1
            })
            .collect();
        let dead: BTreeSet<String> = single
            .iter()
            .filter(|part| !valid.iter().any(|label| contains(label, None, part)))
            .map(|part| format!("{:?}", part.categories))
            .collect();
        let said: BTreeSet<String> = of("category.never-valid")
            .iter()
            .map(|label| format!("{:?}", label.categories))
            .collect();
        assert_eq!(said, dead);
        never += dead.len();
        // Nobody reads.
        let silent: BTreeSet<u64> = (1..=2)
            .filter(|class| {
                let mut of_class = valid
                    .iter()
                    .filter(|label| label.classification == Some(*class))
                    .peekable();
                of_class.peek().is_some() && of_class.all(|label| !readable(label))
            })
            .collect();
        assert_eq!(classes_of(&of("classification.unread")), silent);
        let silent = single.iter().filter(|part| {
            let mut with = valid
                .iter()
                .filter(|label| contains(label, None, part))
                .peekable();
            with.peek().is_some() && with.all(|label| !readable(label))
        });
        let silent: Vec<&&Label> = silent.collect();
        assert_eq!(of("category.unread").len(), silent.len());
        unread += silent.len();
        let combinations = of("combination.unread");
        combined += combinations.len();
        for label in &combinations {
            assert!(valid.contains(&label) && !readable(label));
        }
        // Each label that nobody reads has its finding.
        for label in valid.iter().filter(|label| !readable(label)) {
            let explained = classes_of(&of("classification.unread"))
                .contains(&label.classification.unwrap())
                || silent.iter().any(|part| contains(label, None, part))
                || combinations.iter().any(|part| contains(label, None, part));
            assert!(explained, "{label:?}");
        }
    }
    assert!(
        never > 50 && unread > 50 && combined > 20,
        "{never} {unread} {combined}"
    );
}
