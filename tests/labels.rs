//! The label engine against published data, the cases beside each policy, and a naive model.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ravelin::label::{
    Clearance, Direction, Kind, Label, ObjectIdentifier, Policies, Policy, authorize, cases,
    naming, translate,
    validity::{self, Mode},
};

#[path = "labels/model.rs"]
mod model;
#[path = "labels/analysis.rs"]
mod analysis;
#[path = "labels/contract.rs"]
mod contract;
#[path = "labels/numbers.rs"]
mod numbers;
#[path = "labels/options.rs"]
mod options;
#[path = "labels/pairs.rs"]
mod pairs;
#[path = "labels/program.rs"]
mod program;
#[path = "labels/published.rs"]
mod published;
#[path = "labels/syntaxes.rs"]
mod syntaxes;

fn at() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

fn own(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("labels")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn own_policies() -> Policies {
    let load = |name: &str| Policy::from_spif_strictly(own(name).as_bytes(), name).unwrap();
    Policies::new(vec![load("alder.xml"), load("birch.xml")]).unwrap()
}

/// A folder of published data, or a word that it is not here.
fn vectors(folder: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors")).join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: the folder vectors/{folder} is not here");
    None
}

#[test]
fn the_cases_beside_each_policy() {
    let policies = own_policies();
    for name in [
        "alder",
        "birch",
        "commercial",
        "nato-like",
        "tlp",
        "uk-like",
    ] {
        let file = format!("{name}.cases");
        let spif = format!("{name}.xml");
        let policy = &Policy::from_spif_strictly(own(&spif).as_bytes(), &spif).unwrap();
        let cases = cases::parse(&own(&file), &file).unwrap();
        assert!(cases.len() > 15);
        for case in &cases {
            if let Err(problem) = cases::run(policy, &policies, case) {
                panic!("{file}:{}: {problem}", case.line);
            }
        }
    }
}

#[test]
fn a_wrong_case_fails() {
    let policies = own_policies();
    let alder = policies.by_name("alder").unwrap();
    let text = "SECRET | SECRET | deny\nSECRET | none | permit\nSECRET | none | deny access.restrictive\n\
        mark SECRET | SECRET\nto BIRCH SECRET | PROTECTED\nto BIRCH TOP SECRET | SEALED\nto BIRCH SECRET | deny\nSECRT | SECRET | deny";
    for case in cases::parse(text, "wrong").unwrap() {
        assert!(
            cases::run(alder, &policies, &case).is_err(),
            "line {}",
            case.line
        );
    }
}

#[test]
fn reasons_name_the_element_and_the_public_sentence_tells_nothing() {
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    let label = naming::parse_label(alder, "SECRET; Codeword: BEACON").unwrap();
    let holder = naming::parse_clearance(alder, "RESTRICTED; Codeword: ANCHOR").unwrap();
    let access = authorize(alder, &label, &holder, at());
    assert!(!access.permit);
    let ids: Vec<&str> = access.reasons.iter().map(|reason| reason.id).collect();
    assert_eq!(ids, ["access.classification", "access.restrictive"]);
    let line = own("alder.xml")
        .lines()
        .position(|line| line.contains("BEACON\" lacv"))
        .unwrap()
        + 1;
    assert_eq!(
        access.reasons[1].element,
        format!("alder.xml:{line} <tagCategory name=\"BEACON\">")
    );
    assert_eq!(access.reasons[1].label, "Codeword restrictive BEACON (1)");
    assert_eq!(access.reasons[1].clearance, "ANCHOR (0)");
    let other = authorize(alder, &Label::default(), &holder, at());
    assert_eq!(other.public, access.public);
    for word in ["SECRET", "BEACON", "Codeword", "ANCHOR", "ALDER"] {
        assert!(!access.public.contains(word));
    }
}

#[test]
fn the_text_form_goes_both_ways() {
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    let text = "SECRET; Releasable To: ALDER, BIRCH; Codeword: ANCHOR; Handling: STAFF";
    let label = naming::parse_label(alder, text).unwrap();
    assert_eq!(naming::write_label(alder, &label), text);
    let holder =
        naming::parse_clearance(alder, "restricted..secret; releasable to: cedar").unwrap();
    let text = "RESTRICTED, CONFIDENTIAL, SECRET; Releasable To: CEDAR";
    assert_eq!(naming::write_clearance(alder, &holder), text);
    for wrong in [
        "SECRT",
        "",
        "SECRET; Codeword",
        "SECRET; Codewort: ANCHOR",
        "SECRET; Codeword: ANCOR",
    ] {
        assert!(naming::parse_label(alder, wrong).is_err(), "{wrong}");
    }
    for wrong in ["SECRET..RESTRICTED", "SECRET; Handling: STAFF", "", "A..B"] {
        assert!(naming::parse_clearance(alder, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn whatever_is_missing_or_unknown_denies() {
    use ravelin::label::access::judge;
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    let label = naming::parse_label(alder, "SECRET").unwrap();
    let all = naming::parse_clearance(alder, "UNCLASSIFIED..TOP SECRET").unwrap();
    assert!(judge(&policies, Some(&label), std::slice::from_ref(&all), at()).permit);
    let unknown_policy = Label {
        policy: Some(oid("1.3.6.1.4.1.32473.9")),
        ..label.clone()
    };
    let no_policy = Label {
        policy: None,
        ..label.clone()
    };
    let no_class = Label {
        classification: None,
        ..label.clone()
    };
    let odd_class = Label {
        classification: Some(77),
        ..label.clone()
    };
    let mut odd_category = label.clone();
    odd_category
        .categories
        .insert(oid("1.3.6.1.4.1.32473.1.1.3"), Kind::Informative, 9);
    let mut odd_kind = label.clone();
    odd_kind
        .categories
        .insert(oid("1.3.6.1.4.1.32473.1.1.2"), Kind::Permissive, 0);
    let mut odd_set = label.clone();
    odd_set
        .categories
        .insert(oid("1.3.6.1.4.1.32473.1.1.9"), Kind::Permissive, 0);
    let mine = std::slice::from_ref(&all);
    let foreign = [Clearance {
        policy: oid("1.1"),
        ..all.clone()
    }];
    let twice = [all.clone(), all.clone()];
    for (given, clearances, id) in [
        (None, mine, "label.missing"),
        (Some(&no_policy), mine, "label.policy-missing"),
        (Some(&unknown_policy), mine, "label.policy-unknown"),
        (Some(&no_class), mine, "label.classification-missing"),
        (Some(&odd_class), mine, "label.classification-unknown"),
        (Some(&odd_category), mine, "label.category-unknown"),
        (Some(&odd_kind), mine, "label.category-unknown"),
        (Some(&odd_set), mine, "label.category-unknown"),
        (Some(&label), &[][..], "clearance.missing"),
        (Some(&label), &foreign[..], "clearance.missing"),
        (Some(&label), &twice[..], "clearance.ambiguous"),
    ] {
        let access = judge(&policies, given, clearances, at());
        assert!(!access.permit, "{id}");
        assert!(
            access.reasons.iter().any(|reason| reason.id == id),
            "{id}: {:?}",
            access.reasons
        );
    }
    assert!(!authorize(alder, &label, &foreign[0], at()).permit);
}

#[test]
fn every_misspelling_is_an_error_with_its_place() {
    let good = own("alder.xml");
    assert!(Policy::from_spif_strictly(good.as_bytes(), "alder.xml").is_ok());
    for (from, to, said) in [
        (
            "tagType=\"restrictive\">",
            "tagType=\"restrictve\">",
            "tagType=\"restrictve\" is not valid",
        ),
        (
            "enumType=\"permissive\">",
            "enumTipe=\"permissive\">",
            "enumType",
        ),
        (
            "enumType=\"permissive\">",
            "enumType=\"permisive\">",
            "enumType=\"permisive\"",
        ),
        (
            "tag7Encoding=\"bitSetAttributes\"",
            "",
            "needs the attribute tag7Encoding",
        ),
        (
            "tag7Encoding=\"bitSetAttributes\"",
            "tag7Encoding=\"bits\"",
            "bitSetAttributes or",
        ),
        (
            "<securityCategoryTag name=\"Codeword\"",
            "<securityCategoryTag singelSelection=\"true\" name=\"Codeword\"",
            "unknown attribute singelSelection",
        ),
        (
            "<excludedClass>TOP SECRET</excludedClass>",
            "<excludeClass>TOP SECRET</excludeClass>",
            "unknown element <excludeClass>",
        ),
        (
            "<excludedClass>TOP SECRET</excludedClass>",
            "<excludedClass>TOP SECRETS</excludedClass>",
            "is no classification",
        ),
        (
            "<excludedClass>TOP SECRET</excludedClass>",
            "<excludedClass>SECRET</excludedClass><excludedClass>SECRET</excludedClass>",
            "is there already",
        ),
        (
            "<excludedClass>TOP SECRET</excludedClass>",
            "<requiredCategory><categoryGroup tagSetRef=\"Handling\" tagType=\"tagType7\"/></requiredCategory>",
            "needs the attribute operation",
        ),
        (
            "<excludedClass>TOP SECRET</excludedClass>",
            "<requiredCategory operation=\"al\"><categoryGroup tagSetRef=\"Handling\" tagType=\"tagType7\"/></requiredCategory>",
            "onlyOne, oneOrMore or all",
        ),
        (
            "tagSetRef=\"Releasable To\"",
            "tagSetRef=\"Releasable\"",
            "names no tag set",
        ),
        (
            "enumType=\"permissive\" lacv=\"3\"/>",
            "enumType=\"permissive\" lacv=\"9\"/>",
            "no category is",
        ),
        (
            "policyRef=\"BIRCH\" lacv=\"8\"",
            "policyRef=\"BURCH\" lacv=\"8\"",
            "names no <equivalentPolicy>",
        ),
        (
            "lacv=\"8\" applied=\"both\"",
            "lacv=\"8\" applied=\"botch\"",
            "encrypt, decrypt or both",
        ),
        (
            "lacv=\"8\" applied=\"both\"",
            "lacv=\"7\" applied=\"both\"",
            "stands already",
        ),
        ("action=\"discard\"", "action=\"drop\"", "expected discard"),
        (
            "name=\"SECRET\" lacv=\"4\"",
            "name=\"SECRET\" lacv=\"5\"",
            "lacv 5 stands already",
        ),
        (
            "name=\"SECRET\" lacv=\"4\"",
            "name=\"SECRET\" lacv=\"-4\"",
            "whole number",
        ),
        (
            "hierarchy=\"4\"",
            "hierarchy=\"3\"",
            "hierarchy 3 stands already",
        ),
        ("color=\"#C8102E\"", "color=\"#0033A0\"", "colour"),
        ("name=\"BEACON\"", "name=\"anchor\"", "category name"),
        (
            "name=\"BEACON\" lacv=\"1\"",
            "name=\"BEACON\" lacv=\"0\"",
            "lacv 0 stands already",
        ),
        (
            "name=\"BEACON\" lacv=\"1\"",
            "name=\"BEACON\" lacv=\"99999999\"",
            "highest bit position",
        ),
        (
            "qualifierCode=\"prefix\"",
            "qualifierCode=\"prefx\"",
            "prefix, suffix or separator",
        ),
        (
            "schemaVersion=\"2.1\"",
            "schemaVersion=\"3.0\"",
            "unknown attribute color",
        ),
        (
            "schemaVersion=\"2.1\"",
            "schemaVersion=\"9\"",
            "is not known",
        ),
        ("http://www.xmlspif.org/spif", "urn:other", "namespace"),
        ("</SPIF>", "", "not closed"),
        (
            "<SPIF ",
            "<!DOCTYPE SPIF [<!ENTITY x 'y'>]><SPIF ",
            "document type",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        let error = Policy::from_spif(bad.as_bytes(), "alder.xml").expect_err(to);
        assert!(error.text.contains(said), "{to}: {error}");
        let line = good[..good.find(from).unwrap()].matches('\n').count() + 1;
        if !from.is_empty() && !to.is_empty() {
            let distance = i64::from(error.line) - i64::try_from(line).unwrap();
            assert!(
                (-2..=40).contains(&distance) || said == "namespace",
                "{to}: {error}"
            );
        }
    }
}

#[test]
fn windows_and_obsolete_values() {
    let text = own("alder.xml")
        .replace(
            "name=\"STAFF\"",
            "name=\"STAFF\" notBefore=\"2026-01-01T00:00:00Z\" notAfter=\"2026-12-31T00:00:00Z\"",
        )
        .replace("name=\"DESK COPY\"", "name=\"DESK COPY\" obsolete=\"true\"")
        .replace(
            "keyIdentifier",
            "notAfter=\"2027-12-31T00:00:00\" keyIdentifier",
        );
    let policy = Policy::from_spif(text.as_bytes(), "w").unwrap();
    let holder = naming::parse_clearance(&policy, "SECRET").unwrap();
    let staff = naming::parse_label(&policy, "SECRET; Handling: STAFF").unwrap();
    let desk = naming::parse_label(&policy, "SECRET; Handling: DESK COPY").unwrap();
    let early = "2025-12-31T23:59:59Z".parse().unwrap();
    let late = "2028-01-01T00:00:00Z".parse().unwrap();
    assert!(authorize(&policy, &staff, &holder, at()).permit);
    assert_eq!(
        authorize(&policy, &staff, &holder, early).reasons[0].id,
        "label.category-not-in-force"
    );
    assert!(authorize(&policy, &desk, &holder, early).permit);
    assert_eq!(
        authorize(&policy, &desk, &holder, late).reasons[0].id,
        "policy.not-in-force"
    );
    assert_eq!(validity::check(&policy, &desk, at(), Mode::Reception), []);
    assert_eq!(
        validity::check(&policy, &desk, at(), Mode::Origination)[0].id,
        "label.category-obsolete"
    );
}

#[test]
fn translation_shows_each_step_and_refuses_a_weaker_kind() {
    let policies = own_policies();
    let (alder, birch) = (
        policies.by_name("ALDER").unwrap(),
        policies.by_name("BIRCH").unwrap(),
    );
    let label =
        naming::parse_label(alder, "SECRET; Codeword: ANCHOR; Handling: DESK COPY").unwrap();
    let out = translate(alder, birch, &label, Direction::Outbound, at()).unwrap();
    assert_eq!(out.trace.len(), 3);
    assert_eq!(out.downgrades().count(), 0);
    // The discard of a value that bears on access is a downgrade in the trace.
    let discards = own("alder.xml").replace(
        "<tagCategory name=\"BEACON\" lacv=\"1\">",
        "<tagCategory name=\"BEACON\" lacv=\"1\"><equivalentSecCategoryTag policyRef=\"BIRCH\" \
         tagSetId=\"1.3.6.1.4.1.32473.2.1.2\" tagType=\"restrictive\" lacv=\"\" applied=\"encrypt\" action=\"discard\"/>",
    );
    let lax = Policy::from_spif(discards.as_bytes(), "lax").unwrap();
    let label = naming::parse_label(&lax, "SECRET; Codeword: BEACON").unwrap();
    let out = translate(&lax, birch, &label, Direction::Outbound, at()).unwrap();
    assert_eq!(out.downgrades().count(), 1);
    // A restrictive value may not become an informative one.
    let weaker = own("alder.xml").replace(
        "tagSetId=\"1.3.6.1.4.1.32473.2.1.2\"\n                                    tagType=\"restrictive\" lacv=\"4\"",
        "tagSetId=\"1.3.6.1.4.1.32473.2.1.3\"\n                                    tagType=\"tagType7\" lacv=\"3\"",
    );
    let weaker = Policy::from_spif(weaker.as_bytes(), "weaker").unwrap();
    let label = naming::parse_label(&weaker, "SECRET; Codeword: ANCHOR").unwrap();
    let error = translate(&weaker, birch, &label, Direction::Outbound, at()).unwrap_err();
    assert_eq!(error.reasons[0].id, "translation.weaker-kind");
}

#[test]
fn translation_never_turns_an_and_into_an_or() {
    let spif = |name: &str, id: &str, sets: &str, equivalents: &str| {
        let class = match equivalents {
            "" => String::new(),
            _ => "<equivalentClassification policyRef='T' lacv='1' applied='both'/>".to_owned(),
        };
        let text = format!(
            "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' creationDate='x' originatorDN='x' \
             keyIdentifier='x' privilegeId='1.2.3' rbacId='1.2.3'><securityPolicyId name='{name}' id='{id}'/>\
             <securityClassifications><securityClassification name='K' lacv='1' hierarchy='1'>{class}\
             </securityClassification></securityClassifications>\
             <securityCategoryTagSets>{sets}</securityCategoryTagSets>{equivalents}</SPIF>"
        );
        Policy::from_spif_strictly(text.as_bytes(), name).unwrap()
    };
    let becomes = |value: u8| {
        format!(
            "<equivalentSecCategoryTag policyRef='T' tagSetId='1.3.6.1.4.1.32473.8.2.1' \
             tagType='permissive' lacv='{value}' applied='both'/>"
        )
    };
    let set = |name: &str, at: u8, tag: &str, categories: &str| {
        format!(
            "<securityCategoryTagSet name='{name}' id='1.3.6.1.4.1.32473.8.{tag}.{at}'>\
             <securityCategoryTag tagType='permissive'>{categories}</securityCategoryTag></securityCategoryTagSet>"
        )
    };
    let one = format!(
        "{}{}",
        set(
            "A",
            1,
            "1",
            &format!(
                "<tagCategory name='a' lacv='0'>{}</tagCategory><tagCategory name='c' lacv='1'>{}</tagCategory>",
                becomes(0),
                becomes(0)
            )
        ),
        set(
            "B",
            2,
            "1",
            &format!(
                "<tagCategory name='b' lacv='0'>{}</tagCategory>",
                becomes(1)
            )
        ),
    );
    let target = set(
        "G",
        1,
        "2",
        "<tagCategory name='x' lacv='0'/><tagCategory name='y' lacv='1'/>",
    );
    let equivalents = "<equivalentPolicies><equivalentPolicy name='T' id='1.3.6.1.4.1.32473.8.2'/></equivalentPolicies>";
    let from = spif("F", "1.3.6.1.4.1.32473.8.1", &one, equivalents);
    let to = spif("T", "1.3.6.1.4.1.32473.8.2", &target, "");
    let out = |text: &str| {
        translate(
            &from,
            &to,
            &naming::parse_label(&from, text).unwrap(),
            Direction::Outbound,
            at(),
        )
    };
    assert!(out("K; A: a").is_ok());
    assert!(out("K; B: b").is_ok());
    assert_eq!(
        out("K; A: a; B: b").unwrap_err().reasons[0].id,
        "translation.and-becomes-or"
    );
    // Inbound: the target's "x" is both "a" and "c" here, so it has no single meaning.
    let inbound = |text: &str| {
        translate(
            &to,
            &from,
            &naming::parse_label(&to, text).unwrap(),
            Direction::Inbound,
            at(),
        )
    };
    assert!(inbound("K; G: y").is_ok());
    assert_eq!(
        inbound("K; G: x").unwrap_err().reasons[0].id,
        "translation.ambiguous"
    );
    // A policy that describes nothing about the other translates nothing.
    let label = naming::parse_label(&to, "K").unwrap();
    let error = translate(&to, &from, &label, Direction::Outbound, at()).unwrap_err();
    assert_eq!(error.reasons[0].id, "translation.no-policy");
}

#[test]
fn schema_3_has_phrases_by_purpose_two_colours_and_exclusions_of_classes() {
    use ravelin::label::{Location, marking, marking::colors};
    let xml = "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='3.0' creationDate='x' originatorDN='x' \
        keyIdentifier='x' privilegeId='1.2.3' rbacId='1.2.3'><securityPolicyId name='P' id='1.3.6.1.4.1.32473.9.3'/>\
        <securityClassifications><securityClassification name='LOW' lacv='1' hierarchy='1' fgcolor='yellow' bgcolor='navy'>\
        <markingData phrase='LOW' shortPhrase='L' simplePhrase='LOW-' inputPhrase='Low'/>\
        <excludedCategory tagSetRef='S' tagType='restrictive' lacv='2'/></securityClassification></securityClassifications>\
        <securityCategoryTagSets><securityCategoryTagSet name='S' id='1.3.6.1.4.1.32473.9.3.1'>\
        <securityCategoryTag tagType='restrictive'><tagCategory name='A' lacv='0'/><tagCategory name='B' lacv='1'/>\
        <tagCategory name='C' lacv='2'/><tagCategory name='D' lacv='3'/><markingQualifier>\
        <qualifier markingQualifier=', ' qualifierCode='separator'/>\
        <qualifier markingQualifier=' and ' qualifierCode='finalSeparator'/></markingQualifier></securityCategoryTag>\
        </securityCategoryTagSet></securityCategoryTagSets></SPIF>";
    let policy = Policy::from_spif_strictly(xml.as_bytes(), "three").unwrap();
    let label = naming::parse_label(&policy, "LOW; S: A, B, D").unwrap();
    for (location, text) in [
        (Location::PageTop, "P LOW A, B and D"),
        (Location::Portion, "P L A, B and D"),
        (Location::Subject, "P LOW- A, B and D"),
        (Location::InputTitle, "P Low A, B and D"),
    ] {
        assert_eq!(marking(&policy, &label, location, None), text);
    }
    assert_eq!(
        colors(&policy, &label),
        ("#FFFF00".to_owned(), "#000080".to_owned())
    );
    assert_eq!(validity::check(&policy, &label, at(), Mode::Reception), []);
    let excluded = naming::parse_label(&policy, "LOW; S: C").unwrap();
    let holder = naming::parse_clearance(&policy, "LOW; S: C").unwrap();
    let access = authorize(&policy, &excluded, &holder, at());
    assert_eq!(access.reasons[0].id, "label.category-excluded");
    for (from, to) in [
        ("shortPhrase='L'", "shortPhrases='L'"),
        (
            "<markingData phrase='LOW'",
            "<markingData color='x' phrase='LOW'",
        ),
        (
            "<securityClassifications>",
            "<updateInfo/><securityClassifications>",
        ),
        (
            "inputPhrase='Low'/>",
            "inputPhrase='Low'><code>pageTop</code></markingData>",
        ),
    ] {
        assert!(xml.contains(from), "{from}");
        assert!(
            Policy::from_spif(xml.replace(from, to).as_bytes(), "bad").is_err(),
            "{to}"
        );
    }
    let older = xml.replace("schemaVersion='3.0'", "schemaVersion='2.1'");
    assert!(Policy::from_spif(older.as_bytes(), "older").is_err());
}
