//! Published policies, labels and clearances with the answers stated beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ravelin::label::{
    Categories, Clearance, Direction, Kind, Label, Location, ObjectIdentifier, Policies, Policy,
    authorize, clearance, ess, marking, nato, translate,
    validity::{self, Mode},
};

use super::{at, oid, vectors};

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

/// These files have no dates, and one has URL instead of URI: strictly they are refused.
fn nato_label(path: &Path, policies: &Policies) -> Label {
    let octets = std::fs::read(path).unwrap();
    assert!(nato::decode(&octets, policies, &[]).is_err());
    let tolerances = [nato::Tolerance::MissingDates, nato::Tolerance::UrlForUri];
    let document = nato::decode(&octets, policies, &tolerances).unwrap();
    assert_eq!(document.label, debug_label(&path.with_extension("xml")));
    document.label
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
    let mut run = 0;
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
                let mut label = if name.ends_with(".nato") {
                    nato_label(&path, &policies)
                } else {
                    debug_label(&path)
                };
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
    assert_eq!(run, 31);
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
    // The RFC 3114 label is read under a policy that names its syntax and lists the text.
    let named = |rbac: &str| {
        let xml = format!(
            "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='2.1' creationDate='x' originatorDN='x' \
             keyIdentifier='x' privilegeId='2.16.840.1.101.2.1.8.3' rbacId='{rbac}'>\
             <securityPolicyId name='W' id='1.2.840.113549.1.9.16.7.3'/><securityClassifications>\
             <securityClassification name='WHIRLPOOL CONFIDENTIAL' lacv='8' hierarchy='3'/></securityClassifications>\
             <securityCategoryTagSets><securityCategoryTagSet name='Use' id='1.3.6.1.4.1.32473.9.7'>\
             <securityCategoryTag tagType='restrictive'><tagCategory name='LAW DEPARTMENT USE ONLY' lacv='0'/>\
             </securityCategoryTag></securityCategoryTagSet></securityCategoryTagSets></SPIF>"
        );
        let policy = Policy::from_spif_strictly(xml.as_bytes(), "whirlpool").unwrap();
        Policies::new(vec![policy]).unwrap()
    };
    let names = named("1.2.840.113549.1.9.16.7.4");
    let whirl = ess::decode_under(&read("whirl.der"), &names).unwrap();
    let policy = names.by_name("W").unwrap();
    assert_eq!(validity::check(policy, &whirl, at(), Mode::Reception), []);
    assert!(
        whirl
            .categories
            .contains(&oid("1.3.6.1.4.1.32473.9.7"), Kind::Restrictive, 0)
    );
    assert_eq!(
        ess::encode_names(policy, &whirl).unwrap(),
        read("whirl.der")
    );
    assert!(ess::decode_under(&read("whirl.der"), &named("2.16.840.1.101.2.1.8.3")).is_err());
    // Clearances.
    let holder = |name: &str| clearance::decode(&read(name)).unwrap();
    assert!(authorize(&food, &milk, &holder("clr-ok.der"), at()).permit);
    assert!(!authorize(&food, &milk, &holder("clr-lact.der"), at()).permit);
    // The MISSI forms mean the same; without the policy an enumerated tag has no kind.
    let missi = Policies::new(vec![published(&spiffing, "food-policy-missi.xml")]).unwrap();
    assert_eq!(
        ess::decode_under(&read("milk-missi.der"), &missi).unwrap(),
        milk
    );
    assert!(ess::decode(&read("milk-missi.der")).is_err());
    let privileges = clearance::decode_under(&read("clr-sslp.der"), &missi)
        .unwrap()
        .clearance;
    assert_eq!(privileges, holder("clr-ok.der"));
    assert!(clearance::decode(&read("clr-sslp.der")).is_err());
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

/// Where the published implementation lets something pass, ours refuses on purpose.
#[test]
fn stricter_than_the_published_implementation_on_purpose() {
    let Some(folder) = vectors("spiffing") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("wellformed/food-policy.xml")).unwrap();
    // A misspelt tag type there becomes informative: a restriction that nobody checks.
    assert!(text.contains("tagType=\"restrictive\""));
    let bad = text.replacen("tagType=\"restrictive\"", "tagType=\"restrictiv\"", 1);
    assert!(Policy::from_spif(bad.as_bytes(), "food").is_err());
    // A label of a known policy and an unknown classification or category is never granted.
    let food = published(&folder, "food-policy.xml");
    let holder = debug_clearance(&folder.join("test-data/food-clearance-all-okay.xml"));
    let label = debug_label(&folder.join("test-data/food-label-milk-chocolate.xml"));
    assert!(authorize(&food, &label, &holder, at()).permit);
    let mut odd = label.clone();
    let set = odd.categories.iter().next().unwrap().clone();
    odd.categories.insert(set.tag_set, set.kind, 4000);
    assert!(!authorize(&food, &odd, &holder, at()).permit);
    // An invalid label is not granted, even to somebody who holds all of it.
    let meaty = debug_label(&folder.join("test-data/food-label-meaty-milk-chocolate.xml"));
    assert!(!validity::check(&food, &meaty, at(), Mode::Reception).is_empty());
    assert!(!authorize(&food, &meaty, &holder, at()).permit);
}
