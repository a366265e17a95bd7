//! The label engine against published data, the cases beside each policy, and a naive model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proptest::prelude::*;
use ravelin::label::{
    Categories, Category, Clearance, Direction, Kind, Label, Location, ObjectIdentifier, Policies,
    Policy, authorize, cases, clearance, ess, marking, naming, translate,
    validity::{self, Mode},
};

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
    for name in ["alder", "birch"] {
        let file = format!("{name}.cases");
        let policy = policies.by_name(name).unwrap();
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
            "not implemented yet",
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
fn translation_shows_each_step_and_never_merges_groups() {
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

// --- published data -------------------------------------------------------------------------

fn published(folder: &Path, name: &str) -> Policy {
    let whole = folder.join("wellformed").join(name);
    let path = if whole.exists() {
        whole
    } else {
        folder.join("test-data").join(name)
    };
    Policy::from_spif(&std::fs::read(path).unwrap(), name).unwrap()
}

/// The debugging syntax of the Spiffing project: enough of it for its tests.
struct Debug {
    policy: ObjectIdentifier,
    classifications: BTreeSet<u64>,
    categories: Categories,
}

fn read_debug(path: &Path) -> Debug {
    use quick_xml::events::Event;
    let text = std::fs::read_to_string(path).unwrap();
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut policy = None;
    let mut classifications = BTreeSet::new();
    let mut categories = Categories::default();
    loop {
        let event = reader.read_event().unwrap();
        let (Event::Start(start) | Event::Empty(start)) = &event else {
            if matches!(event, Event::Eof) {
                break;
            }
            continue;
        };
        let attributes: BTreeMap<String, String> = start
            .attributes()
            .map(|attribute| attribute.unwrap())
            .map(|attribute| (attribute.key.0.to_owned(), attribute.value.to_string()))
            .collect();
        match start.name().0 {
            "policy" => policy = Some(oid(&attributes["id"])),
            "classification" => {
                classifications.insert(attributes["lacv"].parse().unwrap());
            }
            "tag" => {
                let kind = match attributes["type"].as_str() {
                    "restrictive" => Kind::Restrictive,
                    "permissive" => Kind::Permissive,
                    "enumeratedRestrictive" => Kind::EnumeratedRestrictive,
                    "enumeratedPermissive" => Kind::EnumeratedPermissive,
                    "informative" => Kind::Informative,
                    other => panic!("{other}"),
                };
                categories.insert(
                    oid(&attributes["id"]),
                    kind,
                    attributes["lacv"].parse().unwrap(),
                );
            }
            _ => {}
        }
    }
    Debug {
        policy: policy.unwrap(),
        classifications,
        categories,
    }
}

fn debug_label(path: &Path) -> Label {
    let Debug {
        policy,
        classifications,
        categories,
    } = read_debug(path);
    assert_eq!(classifications.len(), 1);
    let mut label = Label::new(policy, *classifications.first().unwrap());
    label.categories = categories;
    label
}

fn debug_clearance(path: &Path) -> Clearance {
    let Debug {
        policy,
        classifications,
        categories,
    } = read_debug(path);
    Clearance {
        policy,
        classifications,
        categories,
    }
}

#[test]
fn the_published_test_sequences() {
    let Some(folder) = vectors("spiffing") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("test-data/tests.xml")).unwrap();
    let data = folder.join("test-data");
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut loaded: Vec<Policy> = Vec::new();
    let (mut run, mut left) = (0, 0);
    loop {
        use quick_xml::events::Event;
        let event = reader.read_event().unwrap();
        let (Event::Start(start) | Event::Empty(start)) = &event else {
            if matches!(event, Event::Eof) {
                break;
            }
            continue;
        };
        let attributes: BTreeMap<String, String> = start
            .attributes()
            .map(|attribute| attribute.unwrap())
            .map(|attribute| (attribute.key.0.to_owned(), attribute.value.to_string()))
            .collect();
        let get = |name: &str| attributes.get(name).map(String::as_str);
        match start.name().0 {
            "sequence" => loaded.clear(),
            "policy" if get("exception").is_some() => {
                let octets = std::fs::read(data.join(get("spif").unwrap())).unwrap();
                assert!(Policy::from_spif(&octets, "bad").is_err());
                run += 1;
            }
            "policy" => {
                loaded.push(published(&folder, get("spif").unwrap()));
                run += 1;
            }
            "test" => {
                let name = get("label").unwrap();
                if name.ends_with(".nato") {
                    left += 1;
                    continue;
                }
                run += 1;
                let path = data.join(name);
                if get("exception").is_some() {
                    if name.ends_with(".ber") && path.exists() {
                        let label = ess::decode(&std::fs::read(path).unwrap()).unwrap();
                        let holder = Clearance::nothing(label.policy.unwrap());
                        for policy in &loaded {
                            assert!(!authorize(policy, &label, &holder, at()).permit);
                        }
                    } else {
                        assert!(ess::decode(&[]).is_err());
                    }
                    continue;
                }
                let policies = Policies::new(loaded.clone()).unwrap();
                let mut label = debug_label(&path);
                let mut policy = policies.get(&label.policy.unwrap()).unwrap();
                let problems = validity::check(policy, &label, at(), Mode::Reception);
                if let Some(valid) = get("valid") {
                    assert_eq!(
                        problems.is_empty().to_string(),
                        valid,
                        "{name}: {problems:?}"
                    );
                }
                if let Some(expected) = get("label-marking") {
                    let came = marking(policy, &label, Location::PageBottom, get("xml:lang"));
                    assert_eq!(came, expected, "{name}");
                }
                // The same label through its octets.
                assert_eq!(
                    ess::decode_der(&ess::encode(&label).unwrap()).unwrap(),
                    label
                );
                if let Some(target) = get("encrypt") {
                    let target = policies.get(&oid(target)).unwrap();
                    label = translate(policy, target, &label, Direction::Outbound, at())
                        .unwrap()
                        .label;
                    policy = target;
                    let came = marking(policy, &label, Location::PageBottom, None);
                    assert_eq!(came, get("encrypt-marking").unwrap(), "{name}");
                }
                if let (Some(holder), Some(expected)) = (get("clearance"), get("acdf-result")) {
                    let holder = debug_clearance(&data.join(holder));
                    let access = authorize(policy, &label, &holder, at());
                    assert_eq!(
                        access.permit,
                        expected == "1",
                        "{name}: {:?}",
                        access.reasons
                    );
                    let octets = clearance::encode(&holder).unwrap();
                    assert_eq!(clearance::decode(&octets).unwrap(), holder);
                }
            }
            _ => {}
        }
    }
    eprintln!("{run} published checks run; {left} labels in ADatP-4774 XML are not read yet");
    assert_eq!((run, left), (27, 4));
}

#[test]
fn a_truncated_policy_is_refused() {
    let Some(folder) = vectors("spiffing") else {
        return;
    };
    for name in ["test-data/bsi-commercial.xml", "test-data/food-policy.xml"] {
        let octets = std::fs::read(folder.join(name)).unwrap();
        let error = Policy::from_spif(&octets, name).unwrap_err();
        assert!(error.line >= 1 && !error.text.is_empty(), "{error}");
    }
}

#[test]
fn published_deviations_are_warnings() {
    let Some(folder) = vectors("spiffing") else {
        return;
    };
    assert!(!published(&folder, "food-policy.xml").warnings().is_empty());
    assert!(!published(&folder, "tlp.xml").warnings().is_empty());
}

#[test]
fn the_octet_vectors() {
    let (Some(folder), Some(spiffing)) = (vectors("labels-der"), vectors("spiffing")) else {
        return;
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let food = published(&spiffing, "food-policy.xml");
    let nato = published(&spiffing, "nato-4774-policy.xml");
    let data = spiffing.join("test-data");
    // Labels in canonical form.
    for name in [
        "ess-min",
        "ess-priv-u",
        "ess-priv-p",
        "milk-canon",
        "nato-r-rel",
        "nato-s-atomal",
        "nato-admin",
    ] {
        let octets = read(&format!("{name}.der"));
        let label = ess::decode_der(&octets).unwrap();
        assert_eq!(ess::encode(&label).unwrap(), octets, "{name}");
    }
    assert_eq!(
        ess::decode(&read("ber-order.ber")).unwrap(),
        ess::decode(&read("ess-min.der")).unwrap()
    );
    assert!(ess::decode_der(&read("ber-order.ber")).is_err());
    let milk = ess::decode(&read("milk-canon.der")).unwrap();
    assert_eq!(
        milk,
        debug_label(&data.join("food-label-milk-chocolate.xml"))
    );
    // Labels that must be refused.
    for name in ["negclass", "bigclass", "trailing", "unknown-cat", "whirl"] {
        let error = ess::decode(&read(&format!("{name}.der"))).unwrap_err();
        eprintln!("{name}: {error}");
    }
    // Clearances.
    let holder = |name: &str| clearance::decode(&read(name)).unwrap();
    assert!(authorize(&food, &milk, &holder("clr-ok.der"), at()).permit);
    assert!(!authorize(&food, &milk, &holder("clr-lact.der"), at()).permit);
    let free = Label::new(food.oid(), 50);
    assert!(authorize(&food, &free, &holder("clr-free.der"), at()).permit);
    assert!(authorize(&food, &free, &holder("clr-3281.der"), at()).permit);
    assert!(
        !authorize(
            &food,
            &Label::new(food.oid(), 51),
            &holder("clr-free.der"),
            at()
        )
        .permit
    );
    let no_class = ess::decode(&read("no-class.der")).unwrap();
    assert!(!authorize(&food, &no_class, &holder("clr-ok.der"), at()).permit);
    assert_eq!(
        holder("clr-noclass.der").classifications,
        BTreeSet::from([1])
    );
    assert_eq!(holder("clr-empty.der").classifications, BTreeSet::new());
    assert_eq!(holder("clr5755.der"), holder("clr3281.der"));
    assert_eq!(
        ess::decode_equivalent_labels(&read("eq.der"))
            .unwrap()
            .len(),
        2
    );
    // CMS attributes are the cryptography room's; the value is the tail of these two.
    let attribute = read("attr.der");
    assert!(ess::decode(&attribute[attribute.len() - 8..]).is_ok());
    let attribute = read("attr-clr.der");
    assert!(clearance::decode(&attribute[attribute.len() - 9..]).is_ok());
    // One of each ACP 145 type: the set inside a label, read and ordered as written.
    let types = read("acp-types.der");
    let mut octets = vec![0x31, 0x81, 0, 2, 1, 3, 6, 1, 0x29];
    octets.extend_from_slice(&types);
    octets[2] = u8::try_from(octets.len() - 3).unwrap();
    let label = ess::decode(&octets).unwrap();
    assert_eq!(label.categories.len(), 5);
    assert!(ess::encode(&label).unwrap().ends_with(&types));
    // Meaning.
    let rel = ess::decode(&read("nato-r-rel.der")).unwrap();
    assert_eq!(validity::check(&nato, &rel, at(), Mode::Reception), []);
    assert_eq!(
        marking(&nato, &rel, Location::PageBottom, None),
        "NATO RESTRICTED Releasable to Japan, Switzerland, Ukraine"
    );
}

// --- a naive model --------------------------------------------------------------------------

/// A little policy: classes 1 to 3; tag sets with one tag each; rules between them.
#[derive(Clone, Debug)]
struct Little {
    /// Kind, and the class that each of the values 0, 1, 2 may not stand with.
    tags: Vec<(Kind, [Option<u64>; 3])>,
    /// Value 0 of the first tag needs (all, any) or excludes some value of another tag.
    rule: Option<(&'static str, usize, u64)>,
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
        let triples = |categories: &Categories| -> BTreeSet<(ObjectIdentifier, Kind, u64)> {
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
        let known = |triple: &(ObjectIdentifier, Kind, u64)| {
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
            for (value, class_out) in (0u64..).zip(excluded) {
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
            let of_tag = |triple: &&(ObjectIdentifier, Kind, u64)| triple.0 == set_oid(at);
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
        0u64..3,
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
            for (value, _) in (0u64..).zip(values).filter(|(_, chosen)| **chosen) {
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
        }
        // More clearance never loses.
        if authorize(&policy, &label, &small, at()).permit {
            prop_assert!(authorize(&policy, &label, &large, at()).permit);
        }
    }

    #[test]
    fn more_restriction_never_gains((mut little, label, holder, _) in scene(), tag in any::<prop::sample::Index>(), value in 0u64..3) {
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
        rel in prop::collection::btree_set(1u64..=3, 0..4),
        code in prop::collection::btree_set(0u64..=1, 0..3),
        hand in prop::collection::btree_set(0u64..=1, 0..3),
        holder_rel in prop::collection::btree_set(1u64..=3, 0..4),
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
    fn labels_survive_their_octets((little, mut label, holder, _) in scene(), big in any::<u64>(), mark in prop::option::of("[A-Za-z0-9 ()+,./:=?-]{1,128}")) {
        use ravelin::label::PrivacyMark;
        let _ = little;
        label.classification = Some(big);
        label.privacy_mark = mark.map(PrivacyMark::Printable);
        let octets = ess::encode(&label).unwrap();
        prop_assert_eq!(&ess::decode_der(&octets).unwrap(), &label);
        let octets = clearance::encode(&holder).unwrap();
        prop_assert_eq!(clearance::decode(&octets).unwrap(), holder);
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
