//! Each file in `policies/` is a configuration that a switch starts with.

use std::path::Path;

use ravelin::cli::demo::{Nation, Profile};
use ravelin::clock::Timestamp;
use ravelin::config::{self, SealProfile};

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    for (name, people) in [
        ("alder", &["drafter", "officer", "reader"][..]),
        ("birch", &["reader"][..]),
    ] {
        let nation = Nation::found(Profile { name, people }, now).unwrap();
        nation.write_pki(dir.path(), now).unwrap();
    }
    for (kind, suffix) in [("labels", "xml"), ("policies", "toml")] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind);
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == suffix)
            {
                std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    dir
}

#[test]
fn every_policy_is_a_configuration_that_holds_together() {
    let dir = folder();
    for (name, links, rules, submits) in [
        ("one-domain", 1, 0, true),
        ("draft-release", 1, 1, true),
        ("server-to-server", 2, 0, false),
        ("two-nations", 2, 1, true),
    ] {
        let file = dir.path().join(format!("{name}.toml"));
        let config = config::load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.links.len(), links, "{name}");
        assert_eq!(config.release_rules.len(), rules, "{name}");
        let people = config
            .listeners
            .iter()
            .any(|listener| listener.role == config::ListenRole::Submission);
        assert_eq!(people, submits, "{name}");
        // What crosses the border is wrapped, and labels have to name the far side.
        for link in config.links.iter().filter(|link| link.name == "birch") {
            assert!(
                matches!(link.seal, SealProfile::TripleWrap { .. }),
                "{name}"
            );
            assert!(!link.must_carry.is_empty(), "{name}");
            assert!(!link.arrival.release.0.is_empty(), "{name}");
        }
    }
}

#[test]
fn a_policy_without_what_its_border_needs_is_refused_with_line_and_remedy() {
    let dir = folder();
    let text = std::fs::read_to_string(dir.path().join("two-nations.toml")).unwrap();
    for (part, instead, wanted) in [
        (
            "certificate = \"pki/birch/border-encrypt.pem\"\n",
            "",
            "a triple wrap needs",
        ),
        (
            "peer = \"switch.birch.example\"\n",
            "",
            "needs the name of its peer",
        ),
        (
            "\"LIMITED\"",
            "\"LIMITLESS\"",
            "no classification LIMITLESS",
        ),
        (
            "links = [\"birch\"]",
            "links = [\"brich\"]",
            "no link is named \"brich\"",
        ),
        ("officers = 1", "officers = 0", "at least one officer"),
        ("must-carry", "must-cary", "unknown field `must-cary`"),
    ] {
        assert!(text.contains(part), "{part}");
        let file = dir.path().join("wrong.toml");
        std::fs::write(&file, text.replace(part, instead)).unwrap();
        let Err(error) = config::load(&file) else {
            panic!("{part} was not missed");
        };
        let said = error.to_string();
        assert!(said.contains(wanted), "{said}");
        assert!(said.contains("remedy: "), "{said}");
        assert!(
            error.line.is_some() || part.starts_with("officers"),
            "{said}"
        );
    }
}
