//! x509-limbo: the cases on RFC 5280, path length, revocation lists and hostile paths, by name.
//!
//! No package registry carries the suite, so the repository has only `tests/limbo/cases.txt`: name,
//! verdict of the suite, ours (`valid`, or the id of the problem). The data (limbo.json, as the
//! project's own generator writes it) is looked for in target/limbo/; without it this says "skipped".
//! The cases where we differ are below with the reason, and so are those that do not apply.
//! `RAVELIN_WRITE_LIMBO=1 cargo test --test limbo` writes our verdicts anew.

use std::collections::BTreeMap;
use std::path::Path;

use ravelin::clock::Timestamp;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::revocation::RevocationList;
use ravelin::crypto::trust::{Purpose, RevocationCheck, Suite, TrustStore};
use serde_json::Value;

/// Kinds of cases that do not apply, by the beginning of their names, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("webpki::", "rules of the browsers' forum, not of RFC 5280"),
    (
        "bettertls::",
        "rules of the browsers' forum, not of RFC 5280",
    ),
    ("online::", "chains of web servers"),
    (
        "pathlen::max-chain-depth",
        "a limit that callers set; ours is fixed",
    ),
];

/// Where we differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("crl::crlnumber-missing", ISSUERS),
    ("crl::crlnumber-critical", ISSUERS),
    ("rfc5280::aki::critical-aki", ISSUERS),
    ("rfc5280::aki::leaf-missing-aki", ISSUERS),
    ("rfc5280::aki::intermediate-missing-aki", ISSUERS),
    ("rfc5280::aki::cross-signed-root-missing-aki", ISSUERS),
    ("rfc5280::nc::permitted-dns-match-noncritical", ISSUERS),
    ("rfc5280::nc::not-allowed-in-ee-noncritical", ISSUERS),
    ("rfc5280::nc::not-allowed-in-ee-critical", ISSUERS),
    ("rfc5280::pc::ica-noncritical-pc", ISSUERS),
    ("rfc5280::san::noncritical-with-empty-subject", ISSUERS),
    ("rfc5280::serial::too-long", ISSUERS),
    ("rfc5280::serial::zero", ISSUERS),
    ("rfc5280::serial::negative", ISSUERS),
    ("rfc5280::ski::root-missing-ski", ISSUERS),
    ("rfc5280::ski::intermediate-missing-ski", ISSUERS),
    ("rfc5280::ca-empty-subject", ISSUERS),
    ("rfc5280::root-non-critical-basic-constraints", ISSUERS),
    ("rfc5280::leaf-ku-keycertsign", ISSUERS),
    (
        "rfc5280::nc::invalid-dnsname-leading-period",
        "a constraint .domain is read as domain, as others do",
    ),
    (
        "rfc5280::san::underscore-dns",
        "no name constraint: what a name is used for is looked at where it is used",
    ),
    (
        "rfc5280::san::ip-in-dns",
        "no name constraint: what a name is used for is looked at where it is used",
    ),
    (
        "rfc5280::validity::notafter-fractional",
        "notAfter ends with its second; half a second later is later",
    ),
    (
        "pathlen::validation-ignores-pathlen-in-leaf",
        "an authority is no TLS server here: keyUsage",
    ),
    (
        "rfc5280::ca-as-leaf",
        "an authority is no TLS server here: keyUsage",
    ),
];

const ISSUERS: &str =
    "a rule for issuers; what it would protect is enforced, or does not bear on a path";

fn certificates(case: &Value, key: &str) -> Result<Vec<Certificate>, String> {
    let list = case[key].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for pem in list {
        let text = pem.as_str().unwrap_or_default();
        found.extend(Certificate::from_pem_many(text.as_bytes()).map_err(|e| e.to_string())?);
    }
    Ok(found)
}

/// `valid`, or why not.
fn verdict(case: &Value) -> String {
    let read = |key| certificates(case, key);
    let (Ok(anchors), Ok(between)) = (read("trusted_certs"), read("untrusted_intermediates"))
    else {
        return "unreadable".to_owned();
    };
    let own = case["peer_certificate"].as_str().unwrap();
    let Ok(own) = Certificate::from_pem_many(own.as_bytes()) else {
        return "unreadable".to_owned();
    };
    let crls = case["crls"].as_array().into_iter().flatten();
    let crls = crls
        .filter_map(Value::as_str)
        .flat_map(|pem| RevocationList::from_pem_many(pem.as_bytes()).unwrap_or_default());
    let check = match case["crls"].as_array().is_some_and(|list| !list.is_empty()) {
        true => RevocationCheck::Required,
        false => RevocationCheck::Optional,
    };
    let at: Timestamp = case["validation_time"]
        .as_str()
        .map_or(Ok(Timestamp::now()), str::parse)
        .unwrap();
    let purpose = match case["validation_kind"].as_str() {
        Some("CLIENT") => Purpose::Client,
        _ => Purpose::Server,
    };
    let store = TrustStore::new(anchors, Vec::new(), crls.collect())
        .with_revocation(check)
        .with_suite(Suite::Modern);
    match store.validate(&own[0], &between, purpose, at) {
        Ok(_) => "valid".to_owned(),
        Err(problem) => problem.id().to_owned(),
    }
}

#[test]
fn every_case_that_applies_is_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
    let Ok(text) = std::fs::read(target.join("limbo/limbo.json")) else {
        eprintln!("skipped: no x509-limbo data in {}/limbo", target.display());
        return;
    };
    let data: Value = serde_json::from_slice(&text).unwrap();
    let file = root.join("tests/limbo/cases.txt");
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let known: BTreeMap<&str, &str> = written.lines().filter_map(|l| l.split_once('\t')).collect();
    let (mut now, mut wrong) = (String::new(), Vec::new());
    let (mut agree, mut differ, mut skipped) = (0, 0, 0);
    for case in data["testcases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        if SKIPPED.iter().any(|(kind, _)| id.starts_with(kind)) {
            skipped += 1;
            continue;
        }
        let expected = match case["expected_result"].as_str() {
            Some("SUCCESS") => "valid",
            _ => "invalid",
        };
        let ours = verdict(case);
        let line = format!("{expected}\t{ours}");
        now.push_str(&format!("{id}\t{line}\n"));
        let same = (ours == "valid") == (expected == "valid");
        let excused = DIFFERENT.iter().any(|(excused, _)| *excused == id);
        if same == excused || (known.get(id) != Some(&line.as_str()) && !known.is_empty()) {
            wrong.push(format!("{id}: {line}, and was {:?}", known.get(id)));
        }
        match same {
            true => agree += 1,
            false => differ += 1,
        }
    }
    eprintln!("x509-limbo: {agree} agree, {differ} differ, {skipped} do not apply");
    if std::env::var_os("RAVELIN_WRITE_LIMBO").is_some() {
        std::fs::write(&file, now).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(agree > 100);
}
