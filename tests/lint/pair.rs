//! Each finding between two policies in a little pair that has it, and not in its twin.

use ravelin::label::lint::{Finding, Severity, lint_pair};

use super::{TWO, has, lacks, little, set, tag};

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
    let ambiguous = becomes("X", 0, &[(72, "permissive", 0, BOTH)])
        + &becomes("Y", 1, &[(72, "permissive", 0, BOTH)]);
    let plain = becomes("X", 0, &[(72, "permissive", 0, BOTH)])
        + &becomes("Y", 1, &[(72, "permissive", 1, BOTH)]);
    let sets = |values: &str| pair([1, 2], &set(62, "P", &tag("p", values)), q);
    has(&sets(&ambiguous), "pair.ambiguous", "B LOW X");
    lacks(&sets(&plain), "pair.ambiguous");
    let stranger = little("C", 3, TWO, "", "");
    let other = little("D", 4, TWO, "", "");
    has(
        &lint_pair(&stranger, &other),
        "pair.no-equivalence",
        "C LOW",
    );
}

/// A whose LOW becomes B's LOW with this requirement on B's categories; B has restrictive R {X}.
fn demanding(requirement: &str) -> Vec<Finding> {
    let classes = format!(
        "<securityClassification name='LOW' lacv='1' hierarchy='1'>\
         <equivalentClassification policyRef='B' lacv='1' applied='both'>{requirement}</equivalentClassification>\
         </securityClassification>"
    );
    let policies = "<equivalentPolicies><equivalentPolicy name='B' id='1.3.6.1.4.1.32473.8.2'/></equivalentPolicies>";
    let a = little("A", 1, &classes, "", policies);
    let b = little(
        "B",
        2,
        TWO,
        &set(71, "R", &tag("r", "<tagCategory name='X' lacv='0'/>")),
        "",
    );
    lint_pair(&a, &b)
}

#[test]
fn a_demand_of_the_other_policy_that_no_label_meets() {
    let demand = |operation: &str| {
        format!(
            "<requiredCategory operation='{operation}'>\
             <categoryGroup tagSetRef='R' tagType='restrictive' lacv='0'/></requiredCategory>"
        )
    };
    // Nothing is added for oneOrMore: the label has to bring it, and it cannot.
    has(
        &demanding(&demand("oneOrMore")),
        "pair.required-missing",
        "A LOW",
    );
    lacks(&demanding(&demand("all")), "pair.required-missing");
    lacks(&demanding(""), "pair.required-missing");
}

/// Two policies that both describe the way from A to B: A as its way out, B as its way in.
fn both_describe(out: [u32; 2], back: [u32; 2], x_out: &str, x_in: &str) -> Vec<Finding> {
    let class = |name: &str, value: u32, other: &str, becomes: u32| {
        format!(
            "<securityClassification name='{name}' lacv='{value}' hierarchy='{value}'>\
             <equivalentClassification policyRef='{other}' lacv='{becomes}' applied='both'/></securityClassification>"
        )
    };
    let named = |name: &str, number: u32| {
        format!(
            "<equivalentPolicies><equivalentPolicy name='{name}' id='1.3.6.1.4.1.32473.8.{number}'/></equivalentPolicies>"
        )
    };
    let value = |name: &str, value: u32, inner: &str| {
        format!("<tagCategory name='{name}' lacv='{value}'>{inner}</tagCategory>")
    };
    let a_classes = class("LOW", 1, "B", out[0]) + &class("HIGH", 2, "B", out[1]);
    let b_classes = class("LOW", 1, "A", back[0]) + &class("HIGH", 2, "A", back[1]);
    let a_set = set(61, "R", &tag("r", &value("X", 0, x_out)));
    let (one, two) = match x_in {
        "Y" => ("", X_IN),
        "X" => (X_IN, ""),
        _ => ("", ""),
    };
    let b_set = set(
        71,
        "R",
        &tag("r", &(value("X", 0, one) + &value("Y", 1, two))),
    );
    let a = little("A", 1, &a_classes, &a_set, &named("B", 2));
    let b = little("B", 2, &b_classes, &b_set, &named("A", 1));
    lint_pair(&a, &b)
}

/// In B: this value is A's R X, coming in.
const X_IN: &str = "<equivalentSecCategoryTag policyRef='A' tagSetId='1.3.6.1.4.1.32473.8.61' tagType='restrictive' lacv='0' applied='decrypt'/>";
/// In A: X goes out as B's R X.
const X_OUT: &str = "<equivalentSecCategoryTag policyRef='B' tagSetId='1.3.6.1.4.1.32473.8.71' tagType='restrictive' lacv='0' applied='both'/>";

#[test]
fn two_policies_that_describe_one_way_describe_it_alike() {
    let differs = |found: &[Finding], severity: Severity, label: &str| {
        has(found, "pair.mapping-differs", label);
        let finding = found.iter().find(|one| one.id == "pair.mapping-differs");
        assert_eq!(finding.unwrap().severity, severity, "{found:#?}");
    };
    lacks(
        &both_describe([1, 2], [1, 2], X_OUT, "X"),
        "pair.mapping-differs",
    );
    // Another value, another classification, no way in, no way out.
    differs(
        &both_describe([1, 2], [1, 2], X_OUT, "Y"),
        Severity::Error,
        "A LOW X",
    );
    differs(
        &both_describe([1, 2], [2, 1], "", ""),
        Severity::Error,
        "A LOW",
    );
    differs(
        &both_describe([1, 2], [1, 2], X_OUT, ""),
        Severity::Warning,
        "A LOW X",
    );
    differs(
        &both_describe([1, 2], [1, 2], "", "X"),
        Severity::Note,
        "A LOW X",
    );
}
