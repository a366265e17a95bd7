//! The shape of the code itself: who may import whom, who may name which crate, how long a file is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A module imports only what stands before it (design: chapter "The house").
const ORDER: &[&str] = &[
    "clock", "message", "label", "decision", "crypto", "smtp", "audit", "store", "config", "tls",
    "open", "check", "review", "seal", "queue", "deliver", "report", "accept", "switch", "admin",
    "cli",
];

/// Crates that do cryptography, and the one room that names them.
const CRYPTOGRAPHY: &[&str] = &[
    "aes",
    "aes_gcm",
    "aes_kw",
    "aws_lc_rs",
    "cbc",
    "cms",
    "cryptoki",
    "des",
    "hmac",
    "p256",
    "p384",
    "p521",
    "pbkdf2",
    "pkcs5",
    "pkcs8",
    "rc2",
    "rsa",
    "sha1",
    "sha2",
    "signature",
    "x509_cert",
];

/// Storage engines, and the files that may name them.
const ENGINES: &[(&str, &str)] = &[("redb", "store/redb.rs"), ("sled", "store/sled.rs")];

/// Rooms that may open sockets. `cli` holds the officer's client and the demo's mailboxes.
const SOCKETS: &[&str] = &["accept", "admin", "cli", "deliver"];

/// Files that may open sockets in rooms that otherwise may not (design: crypto/revocation).
const SOCKET_FILES: &[&str] = &[
    "crypto/directory/ldap/connection.rs",
    "crypto/directory/ldap/tests.rs",
    "crypto/revocation/http.rs",
];

/// The longest file.
const LINES: usize = 600;

/// Names that say nothing.
const NAMELESS: &[&str] = &[
    "common", "helper", "helpers", "manager", "misc", "util", "utils",
];

#[test]
fn a_module_imports_only_what_stands_before_it() {
    let place: BTreeMap<&str, usize> = ORDER.iter().copied().zip(0..).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = room(&path);
        let Some(own) = place.get(room.as_str()) else {
            assert!(
                ["lib", "main"].contains(&room.as_str()),
                "{room} is not in the order"
            );
            continue;
        };
        for (number, line) in code(&text) {
            for imported in mentions(line, "crate::") {
                match place.get(imported.as_str()) {
                    Some(other) if other <= own => {}
                    _ => wrong.push(format!(
                        "{}:{number}: {room} names crate::{imported}",
                        path.display()
                    )),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_in_the_order_and_declared_in_it() {
    let lib = std::fs::read_to_string(source_dir().join("lib.rs")).unwrap();
    let declared: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(declared, ORDER);
}

#[test]
fn only_crypto_names_cryptographic_crates() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if room(&path) == "crypto" {
            continue;
        }
        for (number, line) in code(&text) {
            for name in CRYPTOGRAPHY {
                if line.trim_start().starts_with(&format!("use {name}::"))
                    || mentions(line, &format!(" {name}::")).next().is_some()
                {
                    wrong.push(format!("{}:{number}: {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_its_own_file_names_a_storage_engine() {
    for (path, text) in sources() {
        for (engine, file) in ENGINES {
            let names_it = code(&text).any(|(_, line)| line.contains(&format!("use {engine}::")));
            assert!(
                !names_it || path.ends_with(file),
                "{} names {engine}",
                path.display()
            );
        }
    }
}

#[test]
fn only_its_own_rooms_name_the_dns_library() {
    for (path, text) in sources() {
        let names_it = code(&text).any(|(_, line)| line.contains("hickory_resolver"));
        assert!(
            !names_it
                || path.starts_with("deliver/internet")
                || path.ends_with("config/internet.rs"),
            "{} names hickory",
            path.display()
        );
    }
}

#[test]
fn sockets_are_opened_only_where_the_design_says() {
    for (path, text) in sources() {
        let opens = code(&text).any(|(_, line)| {
            line.contains("TcpStream") || line.contains("TcpListener") || line.contains("UdpSocket")
        });
        assert!(
            !opens
                || SOCKETS.contains(&room(&path).as_str())
                || SOCKET_FILES.iter().any(|file| path.ends_with(file)),
            "{} opens a socket",
            path.display()
        );
    }
}

#[test]
fn every_event_is_made_by_the_code_and_looked_for_by_a_test() {
    let events = std::fs::read_to_string(source_dir().join("audit/event.rs")).unwrap();
    let names = events.lines().filter_map(|line| {
        let (variant, name) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
        Some((variant.to_owned(), name.strip_suffix("\",")?.to_owned()))
    });
    let names: Vec<(String, String)> = names.collect();
    assert!(names.len() > 40, "the events were not found");
    let others = |path: &&(PathBuf, String)| !path.0.ends_with("audit/event.rs");
    let sources = sources();
    let mut tests = test_files(&root().join("tests"));
    for (path, text) in sources.iter().filter(others) {
        let own = text.split_once("\n#[cfg(test)]\nmod tests {");
        tests.extend(own.map(|(_, own)| own.to_owned()));
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        tests.extend(is_test.then(|| text.clone()));
    }
    let names_it = |line: &str, variant: &str| mentions(line, "Act::").any(|v| v == variant);
    for (variant, name) in &names {
        let is_made = sources.iter().filter(others).any(|(path, text)| {
            // What only looks at events does not make them.
            !path.ends_with("admin/tally.rs") && code(text).any(|(_, line)| names_it(line, variant))
        });
        assert!(is_made, "nothing makes the event {name}");
        let is_looked_for = tests.iter().any(|text| {
            [format!("\"{name}\""), format!("\\\"{name}\\\"")]
                .iter()
                .any(|quoted| text.contains(quoted))
                || text.lines().any(|line| names_it(line, variant))
        });
        assert!(is_looked_for, "no test looks for the event {name}");
    }
}

/// The texts of the tests outside the sources; not of this one, which looks for no event.
fn test_files(dir: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(test_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("layers.rs") {
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

#[test]
fn no_file_is_longer_than_its_duty() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_file_says_its_duty_and_has_a_name() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} has no head", path.display());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!NAMELESS.contains(&name.as_str()), "{}", path.display());
    }
}

#[test]
fn the_builder_of_cms_is_off_and_nobody_calls_it() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let cms = manifest
        .lines()
        .find(|line| line.starts_with("cms "))
        .unwrap();
    assert!(
        cms.contains("default-features = false") && !cms.contains("builder"),
        "{cms}"
    );
    for (path, text) in sources() {
        assert!(!text.contains("cms::builder::"), "{}", path.display());
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn source_dir() -> PathBuf {
    root().join("src")
}

/// Every source file with its text, by path under `src/`.
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
    gather(&source_dir(), &mut files);
    files.sort();
    assert!(files.len() > 50, "the sources were not found");
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            (file.strip_prefix(source_dir()).unwrap().to_owned(), text)
        })
        .collect()
}

/// The room a file belongs to: its first folder, or its own name.
fn room(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The lines that are code, up to the unit tests at the end of a file, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .zip(1..)
        .map(|(line, number)| (number, line))
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The names that follow `prefix` in a line; a brace list counts for each of its names.
fn mentions<'l>(line: &'l str, prefix: &str) -> impl Iterator<Item = String> + 'l {
    let starts: Vec<usize> = line
        .match_indices(prefix)
        .map(|(at, _)| at + prefix.len())
        .collect();
    starts.into_iter().flat_map(move |start| {
        let rest = &line[start..];
        let name = |text: &str| -> String {
            text.trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        };
        match rest.strip_prefix('{') {
            Some(list) => list
                .split(',')
                .map(name)
                .filter(|name| !name.is_empty())
                .collect(),
            None => vec![name(rest)],
        }
    })
}
