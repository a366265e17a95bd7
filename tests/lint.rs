//! What `policy lint` finds: each finding in a little policy that has it, and not in its twin; the
//! policies of labels/ are clean; "never valid" and "nobody reads" agree with trying every label.
//!
//! | what is looked for | finding | test |
//! |---|---|---|
//! | categories that can never be valid | `category.never-valid`, `classification.never-valid` | [`findings_in_one_policy_and_not_in_its_twin`], `exhaustive` |
//! | labels nobody in a clearance set can read | `classification.unread`, `category.unread`, `combination.unread` | [`clearances_and_what_nobody_reads`], `exhaustive` |
//! | clearances that read nothing | `clearance.reads-nothing`, `.unknown-value`, `.other-policy` | [`clearances_and_what_nobody_reads`] |
//! | marking collisions | `marking.collision` | [`findings_in_one_policy_and_not_in_its_twin`] |
//! | duplicate codes | `code.duplicate`, `code.enumerated-both`, `name.ambiguous`, `tag.permissive-twice`; in one kind a load error | the same; `labels.rs`, every misspelling |
//! | unresolved references | `equivalence.no-classification`, `syntax.unknown`, `pair.unresolved`, `pair.no-equivalence`; inside a file a load error | the same; `pair`; `labels.rs`, every misspelling |
//! | hierarchy/lacv inversions | `hierarchy.inverted` | [`findings_in_one_policy_and_not_in_its_twin`] |
//! | untranslatable labels | `pair.untranslatable`, `pair.required-missing` | `pair` |
//! | downgrade paths | `pair.downgrade`, `pair.weaker-kind` | `pair` |
//! | order inversions | `pair.order-inverted` | `pair` |
//! | AND-to-OR widening | `pair.and-to-or` | `pair` |
//! | one-to-many widening | `pair.one-to-many`, `pair.ambiguous` | `pair` |
//! | round-trip loss | `pair.round-trip-loss` | `pair` |
//! | results invalid at the target | `pair.invalid-at-target` | `pair` |
//! | direction holes | `pair.direction-hole`, `pair.mapping-differs` | `pair` |
//! | which labels change their decision, and for whom | `diff.becomes-valid`, `diff.becomes-invalid`, `diff.decision`, `diff.policy` | [`a_diff_says_which_labels_and_for_whom`], [`a_diff_tells_another_decision_another_policy_and_a_search_that_was_cut`] |
//! | a bound that was reached | `search.cut-short`, `diff.cut-short` | [`a_search_that_reaches_its_bound_says_so`], the diff test |

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ravelin::label::{
    Clearance, ObjectIdentifier, Policies, Policy, cases,
    diff::diff,
    lint::{Finding, Severity, lint, lint_pair, lint_with},
    naming,
};

#[path = "lint/exhaustive.rs"]
mod exhaustive;
#[path = "lint/pair.rs"]
mod pair;

fn at() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("labels")
}

fn own_policies() -> Vec<(String, String, Policy)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(stem) = name.strip_suffix(".xml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let policy = Policy::from_spif_strictly(text.as_bytes(), &name).unwrap();
            found.push((stem.to_owned(), text, policy));
        }
    }
    found.sort_by(|one, two| one.0.cmp(&two.0));
    assert!(found.len() >= 6);
    found
}

fn ids(found: &[Finding]) -> Vec<&str> {
    let mut ids: Vec<&str> = found.iter().map(|finding| finding.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn the_policies_of_this_project_are_clean() {
    for (name, _, policy) in own_policies() {
        let found = lint(&policy);
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn the_cases_beside_each_policy() {
    let own = own_policies();
    let all = own.iter().map(|(_, _, policy)| policy.clone()).collect();
    let policies = Policies::new(all).unwrap();
    for (name, _, policy) in &own {
        let file = format!("{name}.cases");
        let text = std::fs::read_to_string(folder().join(&file)).unwrap();
        let cases = cases::parse(&text, &file).unwrap();
        assert!(cases.len() > 15, "{file}");
        for case in &cases {
            if let Err(problem) = cases::run(policy, &policies, case) {
                panic!("{file}:{}: {problem}", case.line);
            }
        }
    }
}

#[test]
fn alder_and_birch_leave_at_home_what_they_say() {
    let own = own_policies();
    let get = |name: &str| &own.iter().find(|(stem, ..)| stem == name).unwrap().2;
    let (alder, birch) = (get("alder"), get("birch"));
    let found = lint_pair(alder, birch);
    let shown: Vec<(&str, Severity, &str)> = found
        .iter()
        .map(|finding| {
            let label = finding.counterexample.as_deref().unwrap_or_default();
            (finding.id, finding.severity, label)
        })
        .collect();
    assert!(shown.contains(&("pair.untranslatable", Severity::Warning, "ALDER TOP SECRET")));
    assert!(shown.contains(&(
        "pair.untranslatable",
        Severity::Warning,
        "ALDER SECRET BEACON"
    )));
    assert!(shown.contains(&("pair.untranslatable", Severity::Note, "BIRCH SEALED")));
    assert!(shown.contains(&(
        "pair.round-trip-loss",
        Severity::Note,
        "ALDER UNCLASSIFIED - DESK COPY"
    )));
    assert!(
        shown
            .iter()
            .all(|(_, severity, _)| *severity != Severity::Error),
        "{found:#?}"
    );
}

const HEAD: &str = "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' creationDate='x' \
    originatorDN='x' keyIdentifier='x' privilegeId='2.16.840.1.101.2.1.8.3' \
    rbacId='2.16.840.1.101.2.1.8.3'>";

/// A little policy; `number` makes its identifiers.
fn little(name: &str, number: u32, classes: &str, sets: &str, rest: &str) -> Policy {
    let sets = if sets.is_empty() {
        String::new()
    } else {
        format!("<securityCategoryTagSets>{sets}</securityCategoryTagSets>")
    };
    let xml = format!(
        "{HEAD}<securityPolicyId name='{name}' id='1.3.6.1.4.1.32473.8.{number}'/>\
         <securityClassifications>{classes}</securityClassifications>{sets}{rest}</SPIF>"
    );
    Policy::from_spif(xml.as_bytes(), &format!("{name}.xml"))
        .unwrap_or_else(|error| panic!("{error}\n{xml}"))
}

/// A policy whose rbacId is this.
fn with_syntax(identifier: &str) -> Policy {
    let xml = format!(
        "{HEAD}<securityPolicyId name='A' id='1.3.6.1.4.1.32473.8.1'/>\
         <securityClassifications>{TWO}</securityClassifications></SPIF>"
    )
    .replace(
        "rbacId='2.16.840.1.101.2.1.8.3'",
        &format!("rbacId='{identifier}'"),
    );
    Policy::from_spif(xml.as_bytes(), "A.xml").unwrap()
}

const TWO: &str = "<securityClassification name='LOW' lacv='1' hierarchy='1'/>\
    <securityClassification name='HIGH' lacv='2' hierarchy='2'/>";

fn set(number: u32, name: &str, tags: &str) -> String {
    format!(
        "<securityCategoryTagSet name='{name}' id='1.3.6.1.4.1.32473.8.{number}'>{tags}</securityCategoryTagSet>"
    )
}

fn tag(kind: &str, values: &str) -> String {
    let kind = match kind {
        "r" => "tagType='restrictive'",
        "p" => "tagType='permissive'",
        "er" => "tagType='enumerated' enumType='restrictive'",
        "ep" => "tagType='enumerated' enumType='permissive'",
        _ => "tagType='tagType7' tag7Encoding='bitSetAttributes'",
    };
    format!("<securityCategoryTag {kind}>{values}</securityCategoryTag>")
}

fn has(found: &[Finding], id: &str, label: &str) {
    let shown = found
        .iter()
        .any(|finding| finding.id == id && finding.counterexample.as_deref() == Some(label));
    assert!(shown, "no {id} with {label}: {found:#?}");
}

fn lacks(found: &[Finding], id: &str) {
    assert!(
        found.iter().all(|finding| finding.id != id),
        "{id}: {found:#?}"
    );
}

#[test]
fn findings_in_one_policy_and_not_in_its_twin() {
    let x = "<tagCategory name='X' lacv='0'/>";
    let phrase = |phrase: &str| {
        format!(
            "<tagCategory name='Y' lacv='1'><markingData phrase='{phrase}'><code>pageTopBottom</code></markingData></tagCategory>"
        )
    };
    let needs = |value: u32| {
        format!(
            "<tagCategory name='N' lacv='5'><requiredCategory operation='all'>\
            <categoryGroup tagSetRef='R' tagType='restrictive' lacv='0'/></requiredCategory>\
            <excludedCategory tagSetRef='R' tagType='restrictive' lacv='{value}'/></tagCategory>"
        )
    };
    let class_needs = |operation: &str, excluded: &str| {
        (
            format!(
                "<securityClassification name='LOW' lacv='1' hierarchy='1'><requiredCategory operation='{operation}'>\
                <categoryGroup tagSetRef='R' tagType='restrictive' lacv='0'/>\
                <categoryGroup tagSetRef='R' tagType='restrictive' lacv='1'/></requiredCategory></securityClassification>\
                <securityClassification name='HIGH' lacv='2' hierarchy='2'/>"
            ),
            set(
                90,
                "R",
                &tag(
                    "r",
                    &format!(
                        "<tagCategory name='X' lacv='0'/><tagCategory name='Y' lacv='1'>{excluded}</tagCategory>"
                    ),
                ),
            ),
        )
    };
    let excludes = "<excludedCategory tagSetRef='R' tagType='restrictive' lacv='0'/>";
    let (all_classes, all_sets) = class_needs("all", excludes);
    let (one_classes, one_sets) = class_needs("onlyOne", excludes);
    let inverted = "<securityClassification name='LOW' lacv='3' hierarchy='1'/>\
        <securityClassification name='HIGH' lacv='2' hierarchy='2'/>";
    let policies = "<equivalentPolicies><equivalentPolicy name='B' id='1.3.6.1.4.1.32473.8.2'/></equivalentPolicies>";
    let equal = "<securityClassification name='LOW' lacv='1' hierarchy='1'>\
        <equivalentClassification policyRef='B' lacv='1' applied='both'/></securityClassification>";
    let two_values = format!("{x}{needs}", needs = needs(0));
    let table: Vec<(&str, &str, Policy, Policy)> = vec![
        (
            "category.never-valid",
            "A LOW N",
            little("A", 1, TWO, &set(90, "R", &tag("r", &two_values)), ""),
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "R",
                    &tag(
                        "r",
                        &format!("{x}<tagCategory name='Y' lacv='1'/>{}", needs(1)),
                    ),
                ),
                "",
            ),
        ),
        (
            "classification.never-valid",
            "A LOW",
            little("A", 1, &all_classes, &all_sets, ""),
            little("A", 1, &one_classes, &one_sets, ""),
        ),
        (
            "hierarchy.inverted",
            "A HIGH",
            little("A", 1, inverted, "", ""),
            little("A", 1, TWO, "", ""),
        ),
        (
            "tag.permissive-twice",
            "A LOW X Z",
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("p", x) + &tag("p", "<tagCategory name='Z' lacv='1'/>")),
                ),
                "",
            ),
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("p", x) + &tag("ep", "<tagCategory name='Z' lacv='1'/>")),
                ),
                "",
            ),
        ),
        (
            "code.duplicate",
            "A LOW Z",
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("r", x) + &tag("p", "<tagCategory name='Z' lacv='0'/>")),
                ),
                "",
            ),
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("r", x) + &tag("p", "<tagCategory name='Z' lacv='1'/>")),
                ),
                "",
            ),
        ),
        (
            "name.ambiguous",
            "A LOW x",
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("r", x) + &tag("p", "<tagCategory name='x' lacv='1'/>")),
                ),
                "",
            ),
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("r", x) + &tag("p", "<tagCategory name='Z' lacv='1'/>")),
                ),
                "",
            ),
        ),
        (
            "code.enumerated-both",
            "A LOW Z",
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("er", x) + &tag("ep", "<tagCategory name='Z' lacv='1'/>")),
                ),
                "",
            ),
            little(
                "A",
                1,
                TWO,
                &set(
                    90,
                    "P",
                    &(tag("er", x) + &tag("p", "<tagCategory name='Z' lacv='1'/>")),
                ),
                "",
            ),
        ),
        (
            "marking.collision",
            "A LOW X",
            little(
                "A",
                1,
                TWO,
                &set(90, "R", &tag("r", &(x.to_owned() + &phrase("X")))),
                "",
            ),
            little(
                "A",
                1,
                TWO,
                &set(90, "R", &tag("r", &(x.to_owned() + &phrase("WHY")))),
                "",
            ),
        ),
        (
            "syntax.unknown",
            "A LOW",
            with_syntax("1.2.3"),
            with_syntax("2.16.840.1.101.2.1.8.1"),
        ),
        (
            "equivalence.no-classification",
            "A LOW",
            little("A", 1, TWO, "", policies),
            little("A", 1, equal, "", policies),
        ),
    ];
    for (id, label, with, without) in table {
        has(&lint(&with), id, label);
        lacks(&lint(&without), id);
    }
}

#[test]
fn a_search_that_reaches_its_bound_says_so() {
    let values = |count: u32| -> String {
        (0..count)
            .map(|value| format!("<tagCategory name='V{value}' lacv='{value}'/>"))
            .collect()
    };
    let large = little("A", 1, TWO, &set(90, "R", &tag("r", &values(40))), "");
    let found = lint(&large);
    assert_eq!(ids(&found), ["search.cut-short"]);
    assert!(
        found[0].text.contains("at most 2 chosen values"),
        "{}",
        found[0].text
    );
    assert!(
        lint(&little(
            "A",
            1,
            TWO,
            &set(90, "R", &tag("r", &values(8))),
            ""
        ))
        .is_empty()
    );
}

#[test]
fn clearances_and_what_nobody_reads() {
    let values = "<tagCategory name='X' lacv='0'/><tagCategory name='Y' lacv='1'/>";
    let policy = little("A", 1, TWO, &set(90, "R", &tag("r", values)), "");
    let reader = |name: &str, text: &str| {
        (
            name.to_owned(),
            naming::parse_clearance(&policy, text).unwrap(),
        )
    };
    let all = reader("all", "LOW, HIGH; R: X, Y");
    assert!(lint_with(&policy, std::slice::from_ref(&all)).is_empty());
    assert!(lint_with(&policy, &[]).is_empty());
    let apart = [reader("one", "LOW; R: X"), reader("two", "LOW; R: Y")];
    let found = lint_with(&policy, &apart);
    has(&found, "classification.unread", "A HIGH");
    has(&found, "combination.unread", "A LOW X/Y");
    lacks(&found, "category.unread");
    let found = lint_with(&policy, &[reader("one", "LOW; R: X")]);
    has(&found, "category.unread", "A LOW Y");
    let found = lint_with(&policy, &[reader("none", "none; R: X")]);
    has(&found, "clearance.reads-nothing", "A LOW");
    let mut odd = all.clone();
    odd.1.classifications.insert(77);
    assert_eq!(
        ids(&lint_with(&policy, &[odd])),
        ["clearance.unknown-value"]
    );
    let foreign = Clearance::nothing(ObjectIdentifier::new_unwrap("1.1"));
    let found = lint_with(&policy, &[all, ("far".to_owned(), foreign)]);
    assert_eq!(ids(&found), ["clearance.other-policy"]);
}

#[test]
fn a_diff_says_which_labels_and_for_whom() {
    let values = |x: &str| {
        format!("<tagCategory name='X' lacv='0'>{x}</tagCategory><tagCategory name='Y' lacv='1'/>")
    };
    let with = |kind: &str, x: &str| little("A", 1, TWO, &set(90, "R", &tag(kind, &values(x))), "");
    let old = with("ep", "");
    let reader = |name: &str, text: &str| {
        (
            name.to_owned(),
            naming::parse_clearance(&old, text).unwrap(),
        )
    };
    let readers = [
        reader("ann", "LOW, HIGH; R: X"),
        reader("bob", "LOW; R: X, Y"),
    ];
    assert!(diff(&old, &old, &readers, at()).is_empty());
    let changes = diff(
        &old,
        &with("ep", "<excludedClass>HIGH</excludedClass>"),
        &readers,
        at(),
    );
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0].id, "diff.becomes-invalid");
    assert_eq!(changes[0].counterexample.as_deref(), Some("A HIGH X"));
    assert_eq!(changes[0].loses, ["ann"]);
    assert!(changes[0].gains.is_empty());
    let readers = readers.as_slice();
    let back = diff(
        &with("ep", "<excludedClass>HIGH</excludedClass>"),
        &old,
        readers,
        at(),
    );
    assert_eq!(
        (back[0].id, &back[0].gains[..]),
        ("diff.becomes-valid", &["ann".to_owned()][..])
    );
}

#[test]
fn a_diff_tells_another_decision_another_policy_and_a_search_that_was_cut() {
    let value = |name: &str, value: u32| format!("<tagCategory name='{name}' lacv='{value}'/>");
    let (x, y) = (value("X", 0), value("Y", 1));
    // One group of two values, or two groups of one: the same labels are valid, not for the same readers.
    let one = little(
        "A",
        1,
        TWO,
        &set(90, "R", &tag("ep", &(x.clone() + &y))),
        "",
    );
    let two = little(
        "A",
        1,
        TWO,
        &set(90, "R", &(tag("ep", &x) + &tag("ep", &y))),
        "",
    );
    let ann = naming::parse_clearance(&one, "LOW; R: X").unwrap();
    let readers = [("ann".to_owned(), ann)];
    let changes = diff(&one, &two, &readers, at());
    let shown: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change.id,
                change.counterexample.as_deref(),
                &change.loses[..],
                &change.gains[..],
            )
        })
        .collect();
    let ann = ["ann".to_owned()];
    assert_eq!(
        shown,
        [("diff.decision", Some("A LOW X/Y"), &ann[..], &[][..])]
    );
    let back = diff(&two, &one, &readers, at());
    assert_eq!(
        (back[0].id, &back[0].gains[..]),
        ("diff.decision", &ann[..])
    );
    assert!(diff(&one, &two, &[], at()).is_empty(), "nobody to tell of");

    let other = little("A", 2, TWO, &set(90, "R", &tag("ep", &(x + &y))), "");
    let ids = |changes: &[ravelin::label::diff::Change]| -> Vec<&str> {
        changes.iter().map(|change| change.id).collect()
    };
    assert_eq!(ids(&diff(&one, &other, &readers, at())), ["diff.policy"]);
    let large = |count: u32| {
        let values: String = (0..count).map(|at| value(&format!("V{at}"), at)).collect();
        little("A", 1, TWO, &set(90, "R", &tag("r", &values)), "")
    };
    assert_eq!(
        ids(&diff(&large(40), &large(40), &[], at())),
        ["diff.cut-short"]
    );
    assert!(diff(&large(8), &large(8), &[], at()).is_empty());
}
