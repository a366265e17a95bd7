//! Each finding between two policies in a little pair that has it, and not in its twin.

use ravelin::label::lint::{Finding, lint_pair};

use super::{TWO, has, little, set, tag};

/// A and B with these equivalences in A; B has restrictive R {X, Y}, permissive P {X, Y}, Q {X}.
fn pair(classes: [u32; 2], values: &str, extra: &str) -> Vec<Finding> {
    let class = |name: &str, value: u32, becomes: u32| {
        format!(
            "<securityClassification name='{name}' lacv='{value}' hierarchy='{value}'>\
            <equivalentClassification policyRef='B' lacv='{becomes}' applied='both'/></securityClassification>"
        )
    };
    let policies = "<equivalentPolicies><equivalentPolicy name='B' id='1.3.6.1.4.1.32473.8.2'/></equivalentPolicies>";
    let classes = class("LOW", 1, classes[0]) + &class("HIGH", 2, classes[1]);
    let a = little("A", 1, &classes, values, policies);
    let two = "<tagCategory name='X' lacv='0'/><tagCategory name='Y' lacv='1'/>";
    let sets = set(71, "R", &tag("r", two))
        + &set(72, "P", &tag("p", two))
        + &set(73, "Q", &tag("p", extra));
    let b = little("B", 2, TWO, &sets, "");
    lint_pair(&a, &b)
}

fn becomes(name: &str, value: u32, targets: &[(u32, &str, u32, &str)]) -> String {
    let targets: String = targets
        .iter()
        .map(|(set, kind, value, applied)| {
            format!("<equivalentSecCategoryTag policyRef='B' tagSetId='1.3.6.1.4.1.32473.8.{set}' tagType='{kind}' lacv='{value}' {applied}/>")
        })
        .collect();
    format!("<tagCategory name='{name}' lacv='{value}'>{targets}</tagCategory>")
}

#[test]
fn findings_in_a_pair_and_not_in_its_twin() {
    const BOTH: &str = "applied='both'";
    const OUT: &str = "applied='encrypt'";
    const DROP: &str = "applied='encrypt' action='discard'";
    let q = "<tagCategory name='X' lacv='0'/>";
    let closed = "<tagCategory name='X' lacv='0'><excludedClass>HIGH</excludedClass><excludedClass>LOW</excludedClass></tagCategory>";
    let r = |targets: &[(u32, &str, u32, &str)]| set(61, "R", &tag("r", &becomes("X", 0, targets)));
    let p = |targets: &[(u32, &str, u32, &str)]| set(62, "P", &tag("p", &becomes("X", 0, targets)));
    let s = |targets: &[(u32, &str, u32, &str)]| set(63, "S", &tag("p", &becomes("Z", 0, targets)));
    let good = r(&[(71, "restrictive", 0, BOTH)]);
    let table = [
        (
            "pair.untranslatable",
            "A LOW X",
            pair([1, 2], &r(&[]), q),
            pair([1, 2], &good, q),
        ),
        (
            "pair.unresolved",
            "A LOW X",
            pair([1, 2], &r(&[(71, "restrictive", 9, BOTH)]), q),
            pair([1, 2], &good, q),
        ),
        (
            "pair.unresolved",
            "A HIGH",
            pair([1, 7], "", q),
            pair([1, 2], "", q),
        ),
        (
            "pair.downgrade",
            "A LOW X",
            pair([1, 2], &r(&[(71, "restrictive", 0, DROP)]), q),
            pair([1, 2], &good, q),
        ),
        (
            "pair.weaker-kind",
            "A LOW X",
            pair([1, 2], &r(&[(72, "permissive", 0, BOTH)]), q),
            pair([1, 2], &good, q),
        ),
        (
            "pair.order-inverted",
            "A HIGH",
            pair([2, 1], "", q),
            pair([1, 2], "", q),
        ),
        (
            "pair.and-to-or",
            "A LOW X Z",
            pair(
                [1, 2],
                &(p(&[(72, "permissive", 0, BOTH)]) + &s(&[(72, "permissive", 1, BOTH)])),
                q,
            ),
            pair(
                [1, 2],
                &(p(&[(72, "permissive", 0, BOTH)]) + &s(&[(73, "permissive", 0, BOTH)])),
                q,
            ),
        ),
        (
            "pair.one-to-many",
            "A LOW X",
            pair(
                [1, 2],
                &p(&[(72, "permissive", 0, BOTH), (72, "permissive", 1, OUT)]),
                q,
            ),
            pair([1, 2], &p(&[(72, "permissive", 0, BOTH)]), q),
        ),
        (
            "pair.direction-hole",
            "A LOW X",
            pair([1, 2], &r(&[(71, "restrictive", 0, OUT)]), q),
            pair([1, 2], &good, q),
        ),
        (
            "pair.invalid-at-target",
            "A LOW X",
            pair([1, 2], &p(&[(73, "permissive", 0, BOTH)]), closed),
            pair([1, 2], &p(&[(73, "permissive", 0, BOTH)]), q),
        ),
        (
            "pair.round-trip-loss",
            "A LOW X",
            pair(
                [1, 2],
                &set(
                    62,
                    "P",
                    &tag(
                        "p",
                        &(becomes("X", 0, &[(72, "permissive", 0, OUT)])
                            + &becomes("Y", 1, &[(72, "permissive", 0, "applied='decrypt'")])),
                    ),
                ),
                q,
            ),
            pair([1, 2], &good, q),
        ),
    ];
    for (id, label, with, without) in &table {
        has(with, id, label);
        let same = |finding: &&Finding| {
            finding.id == *id && finding.counterexample.as_deref() == Some(*label)
        };
        let found = without.iter().find(same);
        assert!(found.is_none(), "{found:#?}");
    }
    let stranger = little("C", 3, TWO, "", "");
    let other = little("D", 4, TWO, "", "");
    has(
        &lint_pair(&stranger, &other),
        "pair.no-equivalence",
        "C LOW",
    );
}
