//! Which rules of which standards stand in the code, and where.
//!
//! A rule carries its section in a comment (`RFC 5652 §11.4`). This gathers those comments and
//! compares them with `tests/standards.txt`, so that a rule that moves or goes is seen in review.
//! `RAVELIN_WRITE_STANDARDS=1 cargo test --test standards` writes the file anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn the_rules_in_the_code_are_those_that_are_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    gather(&root.join("src"), &mut |path, text| {
        let place = path.strip_prefix(root).unwrap().display().to_string();
        for line in text.lines().filter(|line| line.contains("//")) {
            found.extend(rules(line).map(|rule| (rule.0, rule.1, place.clone())));
        }
    });
    assert!(found.len() > 100, "the sources were not found");
    let listed: String = found
        .iter()
        .map(|(number, section, place)| format!("RFC {number} §{section}\t{place}\n"))
        .collect();
    let file = root.join("tests/standards.txt");
    if std::env::var_os("RAVELIN_WRITE_STANDARDS").is_some() {
        std::fs::write(&file, &listed).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap();
    let now: BTreeSet<&str> = listed.lines().collect();
    let then: BTreeSet<&str> = written.lines().collect();
    let came: Vec<_> = now.difference(&then).collect();
    let went: Vec<_> = then.difference(&now).collect();
    assert!(
        came.is_empty() && went.is_empty(),
        "came: {came:#?}\nwent: {went:#?}\nif that is right: RAVELIN_WRITE_STANDARDS=1"
    );
}

/// The RFC numbers and sections that a line of comment names.
fn rules(line: &str) -> impl Iterator<Item = (u32, String)> + '_ {
    line.match_indices("RFC ").filter_map(move |(at, _)| {
        let rest = &line[at + 4..];
        let (number, rest) = rest.split_once(" §")?;
        let section: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '.')
            .collect();
        let section = section.trim_end_matches('.').to_owned();
        Some((number.parse().ok()?, section)).filter(|(_, section)| !section.is_empty())
    })
}

fn gather(dir: &Path, each: &mut impl FnMut(&PathBuf, &str)) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            gather(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
