//! NIST's Public Key Interoperability Test Suite (edition of 2011): every case, by number.
//!
//! `tests/pkits/cases.txt` has a line for each: number, end entity, settings, PKITS's verdict, ours
//! (`valid`, or the id of the problem). All authorities and all CRLs are loaded for every case, so
//! that the search has to find the right ones. The cases where we differ are listed below, with the
//! reason. `tests/pkits/fetch` brings the data; without it this says "skipped".
//! `RAVELIN_WRITE_PKITS=1 cargo test --test pkits` writes our verdicts anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ravelin::clock::Timestamp;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::revocation::RevocationList;
use ravelin::crypto::trust::{PolicyRules, Purpose, TrustStore};

/// Where we differ from PKITS, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("4.1.4", "DSA is not supported"),
    ("4.1.5", "DSA is not supported"),
];

/// NIST-test-policy-1 is the first below this arc.
const POLICIES: &str = "2.16.840.1.101.3.2.1.48";

struct Data {
    certificates: BTreeMap<String, Certificate>,
    lists: Vec<RevocationList>,
}

fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    target.join("pkits")
}

fn read(kind: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder().join(kind)).ok()? {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        found.push((name, std::fs::read(&path).unwrap()));
    }
    found.sort();
    Some(found)
}

fn data() -> Option<Data> {
    let (Some(certificates), Some(lists)) = (read("certs"), read("crls")) else {
        eprintln!("skipped: no PKITS data; tests/pkits/fetch brings it");
        return None;
    };
    assert!(certificates.len() > 400 && lists.len() > 170);
    Some(Data {
        certificates: certificates
            .into_iter()
            .filter_map(|(name, der)| Some((name, Certificate::from_der(&der).ok()?)))
            .collect(),
        // A CRL with an unknown critical extension does not load, as PKITS 4.4.8 to 4.4.10 want.
        lists: lists
            .into_iter()
            .filter_map(|(_, der)| RevocationList::from_der(&der).ok())
            .collect(),
    })
}

fn rules(settings: &str) -> PolicyRules {
    let mut rules = PolicyRules::default();
    for setting in settings.split(' ') {
        match setting {
            "-" => {}
            "explicit" => rules.explicit = true,
            "inhibit-any" => rules.inhibit_any = true,
            "inhibit-mapping" => rules.inhibit_mapping = true,
            other => {
                let numbers = other.strip_prefix("policies=").unwrap().split(',');
                let policies = numbers.map(|number| format!("{POLICIES}.{number}").parse());
                rules.acceptable = Some(policies.map(Result::unwrap).collect());
            }
        }
    }
    rules
}

#[test]
fn every_case_of_pkits_is_as_it_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pkits/cases.txt");
    let written = std::fs::read_to_string(&file).unwrap();
    let Some(data) = data() else { return };
    let at: Timestamp = "2020-06-01T00:00:00Z".parse().unwrap();
    let root = &data.certificates["TrustAnchorRootCertificate"];
    let authorities: Vec<Certificate> = data
        .certificates
        .iter()
        .filter(|(name, certificate)| !name.ends_with("EE") && *certificate != root)
        .map(|(_, certificate)| certificate.clone())
        .collect();

    let mut now = String::new();
    let mut wrong = Vec::new();
    let (mut agree, mut differ) = (0, 0);
    for line in written.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [number, name, settings, expected] = fields[..4] else {
            panic!("{line}")
        };
        let store = TrustStore::new(vec![root.clone()], authorities.clone(), data.lists.clone())
            .with_policies(rules(settings));
        let problem = match data.certificates.get(name) {
            Some(end) => store.validate(end, &[], Purpose::Any, at).err(),
            None => panic!("{number}: there is no readable certificate {name}"),
        };
        let ours = problem.as_ref().map_or("valid", |problem| problem.id());
        writeln!(now, "{number}\t{name}\t{settings}\t{expected}\t{ours}").unwrap();
        let same = (ours == "valid") == (expected == "valid");
        let excused = DIFFERENT.iter().any(|(excused, _)| *excused == number);
        if same == excused {
            wrong.push(format!("{line}: {ours}, {problem:?}"));
        }
        match same {
            true => agree += 1,
            false => differ += 1,
        }
    }
    eprintln!("PKITS: {agree} agree, {differ} differ");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var_os("RAVELIN_WRITE_PKITS").is_some() {
        std::fs::write(&file, &now).unwrap();
    } else {
        assert_eq!(now, written, "if that is right: RAVELIN_WRITE_PKITS=1");
    }
}
