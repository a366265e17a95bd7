//! Secrets are not printed: no type that holds one has a debug form of its fields, no line of a log
//! names one, and no child is started that could inherit one.

use std::path::{Path, PathBuf};

/// Types whose values are secret, or hold what is.
const SECRET: [&str; 5] = [
    "Zeroizing<",
    "Secret",
    "StoreKey",
    "dyn PrivateKey",
    "AuthPin",
];

/// Names of types that begin like those, and of variants, that hold nothing secret.
const HARMLESS: [&str; 3] = ["Secrecy", "SecretKeyKind", "messages::Secret"];

/// Names of values that are secret.
const VALUES: [&str; 5] = ["password", "pin", "secret", "private_key", "pkcs8"];

/// Files that are tests alone.
const TESTS: [&str; 3] = ["tests.rs", "peer_tests.rs", "queue/crash.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    fn gather(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    gather(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            (file, code)
        })
        .filter(|(file, _)| !TESTS.iter().any(|name| file.ends_with(name)))
        .collect()
}

/// The structs and enums that derive Debug: their names and bodies, without comments.
fn derived(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if !line.starts_with("#[derive(") || !line.contains("Debug") {
            continue;
        }
        let mut body = String::new();
        let mut name = String::new();
        for line in lines.by_ref() {
            let trimmed = line.trim();
            if trimmed.starts_with("//") || trimmed.starts_with("#[") {
                continue;
            }
            if name.is_empty() {
                name = trimmed.to_owned();
            }
            body.push_str(trimmed);
            body.push('\n');
            let one_line = trimmed.ends_with(';') && body.lines().count() == 1;
            if one_line || line.trim_end() == "}" || line.trim_end() == ");" {
                break;
            }
        }
        found.push((name, body));
    }
    found
}

#[test]
fn no_type_with_a_secret_derives_a_debug_form() {
    let mut wrong = Vec::new();
    let mut looked = 0;
    for (file, text) in sources() {
        for (name, body) in derived(&text) {
            looked += 1;
            let mut body = body;
            for harmless in HARMLESS {
                body = body.replace(harmless, "");
            }
            // The type's own name is no field.
            let fields = body.replacen(&name, "", usize::from(name.ends_with('{')));
            for secret in SECRET {
                if fields.contains(secret) {
                    wrong.push(format!("{}: {name}: {secret}", file.display()));
                }
            }
        }
    }
    assert!(looked > 200, "the sources were not found: {looked}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The look finds what it looks for.
    let twin =
        "#[derive(Clone, Debug)]\npub struct Bad {\n    /// Secret.\n    key: Zeroizing<u8>,\n}\n";
    assert!(derived(twin)[0].1.contains("Zeroizing<"));
}

#[test]
fn no_message_names_the_value_of_a_secret() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for (line, number) in text.lines().zip(1..) {
            for value in VALUES {
                let shown = [
                    format!("{{{value}}}"),
                    format!("{{{value}:"),
                    format!("?{value},"),
                    format!("%{value},"),
                    format!("?{value})"),
                    format!("%{value})"),
                ];
                let is_comment = line.trim_start().starts_with("//");
                if !is_comment && shown.iter().any(|shown| line.contains(shown)) {
                    wrong.push(format!("{}:{number}: {line}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_child_is_started_that_could_inherit_a_secret() {
    for (file, text) in sources() {
        assert!(
            !text.contains("process::Command"),
            "{} starts a program: it would inherit RAVELIN_PASSWORD",
            file.display()
        );
    }
}
