//! Duty: what two clearances have in common.
//! Promises: never more than either of them; the order does not matter; a class, a category value or
//! a whole policy that one of them lacks is not in the result.
//! Refuses: clearances of different policies: they have nothing in common.
//! Standards: RFC 5913 §6, §7.

use super::value::{Categories, Category, Clearance};

/// What both grant; `None` when they are of different policies or have no classification in common.
// RFC 5913 §6
pub fn intersection(left: &Clearance, right: &Clearance) -> Option<Clearance> {
    if left.policy != right.policy {
        return None;
    }
    let both = left.classifications.intersection(&right.classifications);
    let common = Clearance {
        policy: left.policy,
        classifications: both.copied().collect(),
        categories: categories(&left.categories, &right.categories),
    };
    (!common.classifications.is_empty()).then_some(common)
}

// RFC 5913 §7: what one side lacks is not in the result, and no categories at all leave none. The
// types that are known are sets of values, whose intersection is that of the sets; types that are not
// known were left out when the clearance was read.
fn categories(left: &Categories, right: &Categories) -> Categories {
    let mut common = Categories::default();
    for category in left {
        let Some(other) = right.values(&category.tag_set, category.kind) else {
            continue;
        };
        let values = category.values.intersection(other).copied();
        // One entry for each tag set and kind on the left, so it cannot be there yet.
        let _ = common.add(Category::new(category.tag_set, category.kind, values));
    }
    common
}

/// Whether `less` grants nothing that `more` does not grant.
pub fn is_within(less: &Clearance, more: &Clearance) -> bool {
    less.policy == more.policy
        && less.classifications.is_subset(&more.classifications)
        && less.categories.iter().all(|category| {
            more.categories
                .values(&category.tag_set, category.kind)
                .is_some_and(|values| category.values.is_subset(values))
        })
}

#[cfg(test)]
mod tests {
    use const_oid::ObjectIdentifier;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::super::access::authorize;
    use super::super::policy::Policy;
    use super::super::value::{Kind, Label};
    use super::*;

    const ALDER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1");
    const RELEASABLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1.1");
    const CODEWORD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1.2");

    fn alder() -> Policy {
        let text = include_str!("../../labels/alder.xml");
        Policy::from_spif_strictly(text.as_bytes(), "alder.xml").unwrap()
    }

    fn clearance(classes: &[u64], categories: &[(ObjectIdentifier, Kind, u128)]) -> Clearance {
        let mut all = Categories::default();
        for (set, kind, value) in categories {
            all.insert(*set, *kind, *value);
        }
        Clearance {
            policy: ALDER,
            classifications: classes.iter().copied().collect(),
            categories: all,
        }
    }

    #[test]
    fn classes_and_values_that_one_side_lacks_are_gone() {
        let rel = |value| (RELEASABLE, Kind::EnumeratedPermissive, value);
        let code = |value| (CODEWORD, Kind::Restrictive, value);
        let one = clearance(&[1, 2, 3, 4], &[rel(1), rel(2), code(0)]);
        let two = clearance(&[3, 4, 5], &[rel(2), rel(3)]);
        let common = intersection(&one, &two).unwrap();
        assert_eq!(common, clearance(&[3, 4], &[rel(2)]));
        assert_eq!(intersection(&two, &one).unwrap(), common);
        assert_eq!(intersection(&one, &one).unwrap(), one);
        assert!(is_within(&common, &one) && is_within(&common, &two));
        assert!(!is_within(&one, &common));
    }

    #[test]
    fn no_categories_on_one_side_means_none_and_not_all() {
        let rel = (RELEASABLE, Kind::EnumeratedPermissive, 1);
        let with = clearance(&[1, 4], &[rel]);
        let without = clearance(&[1, 4], &[]);
        assert_eq!(intersection(&with, &without).unwrap(), without);
    }

    #[test]
    fn the_same_value_of_another_kind_is_not_the_same() {
        let one = clearance(&[4], &[(RELEASABLE, Kind::EnumeratedPermissive, 1)]);
        let two = clearance(&[4], &[(RELEASABLE, Kind::EnumeratedRestrictive, 1)]);
        assert!(intersection(&one, &two).unwrap().categories.is_empty());
    }

    #[test]
    fn another_policy_or_no_common_class_is_nothing() {
        let one = clearance(&[4], &[]);
        assert_eq!(intersection(&one, &clearance(&[3], &[])), None);
        let mut other = one.clone();
        other.policy = CODEWORD;
        assert_eq!(intersection(&one, &other), None);
    }

    fn any_categories() -> impl Strategy<Value = Categories> {
        let one = prop_oneof![
            (1u128..4).prop_map(|value| (RELEASABLE, Kind::EnumeratedPermissive, value)),
            (0u128..2).prop_map(|value| (CODEWORD, Kind::Restrictive, value)),
        ];
        proptest::collection::vec(one, 0..6).prop_map(|entries| {
            let mut all = Categories::default();
            for (set, kind, value) in entries {
                all.insert(set, kind, value);
            }
            all
        })
    }

    fn any_clearance() -> impl Strategy<Value = Clearance> {
        let classes = proptest::collection::btree_set(0u64..7, 0..7);
        (classes, any_categories()).prop_map(|(classifications, categories)| Clearance {
            policy: ALDER,
            classifications,
            categories,
        })
    }

    proptest! {
        // Whatever the intersection opens, each of the two opens.
        #[test]
        fn the_intersection_never_widens(
            one in any_clearance(),
            two in any_clearance(),
            class in 0u64..7,
            categories in any_categories(),
        ) {
            let policy = alder();
            let label = Label { categories, ..Label::new(ALDER, class) };
            let at = Timestamp::UNIX_EPOCH;
            let opens = |clearance: &Clearance| authorize(&policy, &label, clearance, at).permit;
            match intersection(&one, &two) {
                Some(common) => {
                    prop_assert!(is_within(&common, &one) && is_within(&common, &two));
                    prop_assert!(!opens(&common) || (opens(&one) && opens(&two)));
                }
                None => prop_assert!(one.classifications.is_disjoint(&two.classifications)),
            }
        }

        // The order in which limits are met does not matter.
        #[test]
        fn the_intersection_is_associative(
            one in any_clearance(),
            two in any_clearance(),
            three in any_clearance(),
        ) {
            let left = intersection(&one, &two).and_then(|both| intersection(&both, &three));
            let right = intersection(&two, &three).and_then(|both| intersection(&one, &both));
            prop_assert_eq!(left, right);
        }
    }

    #[test]
    fn there_are_labels_that_an_intersection_opens() {
        let rel = (RELEASABLE, Kind::EnumeratedPermissive, 1);
        let common = intersection(
            &clearance(&[1, 2, 3, 4], &[rel]),
            &clearance(&[1, 3, 4], &[rel]),
        )
        .unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let opens = |class| authorize(&alder(), &Label::new(ALDER, class), &common, at).permit;
        assert!(opens(3));
        assert!(!opens(2));
    }
}
