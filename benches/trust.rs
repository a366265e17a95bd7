//! Speed of path validation: `cargo bench --bench trust`. Prints a table and one JSON line for each case.
//!
//! A path of three (anchor, authority, end entity; P-384) with a CRL of each authority. `cold` makes
//! a new store each time, with parsed certificates and lists, so every signature is verified;
//! `search` keeps the lists' signatures; `cached` asks again for the same certificate. Beside it the
//! same work by libcrypto (`benches/vs-openssl/path.c`), where a C compiler and its headers are there:
//! `openssl-cold` parses everything and makes a store, `openssl-kept` has both.

mod measure;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use measure::measure;
use ravelin::clock::Timestamp;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::revocation::RevocationList;
use ravelin::crypto::trust::{Purpose, TrustStore};

/// What `path.c` measures; nothing where it cannot be built.
fn openssl(files: &[(&str, &[u8])]) -> Vec<(String, f64)> {
    let folder = std::env::temp_dir().join(format!("ravelin-trust-bench-{}", std::process::id()));
    let program = folder.join("path");
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, octets) in files {
        std::fs::write(folder.join(name), octets).expect("a file");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/vs-openssl/path.c");
    let mut compiler = Command::new("cc");
    compiler
        .arg("-O2")
        .arg("-o")
        .arg(&program)
        .arg(source)
        .arg("-lcrypto");
    let built = compiler.output().is_ok_and(|done| done.status.success());
    let mut found = Vec::new();
    if built {
        let done = Command::new(&program)
            .arg(&folder)
            .output()
            .expect("the peer");
        assert!(done.status.success(), "{done:?}");
        let text = String::from_utf8(done.stdout).expect("text");
        for line in text.lines() {
            let (name, nanoseconds) = line.split_once('\t').expect("two fields");
            let nanoseconds = nanoseconds.parse().expect("a number");
            found.push((format!("openssl-{name}"), nanoseconds));
        }
    } else {
        eprintln!("skipped: OpenSSL's half needs cc and libssl-dev");
    }
    std::fs::remove_dir_all(&folder).expect("a folder");
    found
}

fn main() {
    let now: Timestamp = "2026-11-21T08:30:00Z".parse().expect("a time");
    let root = Authority::new("Root", now).expect("an authority");
    let middle = root
        .subordinate("Middle", Some(0), now)
        .expect("an authority");
    let end = middle
        .issue(Request::new("End", Usage::Sign, now).email("anna@alder.example"))
        .expect("a certificate");
    let lists: Vec<Vec<u8>> = [&root, &middle]
        .map(|authority| authority.crl(&[], now).expect("a list"))
        .into();
    let anchor = root.certificate().clone();
    let authority = middle.certificate().clone();
    let certificate = end.certificate().clone();

    let parse = || -> Vec<RevocationList> {
        let read = |der: &Vec<u8>| RevocationList::from_der(der).expect("a list");
        lists.iter().map(read).collect()
    };
    let fresh = |lists| TrustStore::new(vec![anchor.clone()], vec![authority.clone()], lists);
    let validate = |store: &TrustStore, end: &Certificate| {
        let path = store.validate(black_box(end), &[], Purpose::Sign, now);
        assert_eq!(path.expect("a path").certificates().len(), 3);
    };
    let kept = fresh(parse());
    let cold = measure(|| {
        let end = Certificate::from_der(certificate.der()).expect("a certificate");
        validate(&fresh(parse()), &end);
    });
    let search = measure(|| {
        validate(
            &kept.clone().with_intermediates(vec![authority.clone()]),
            &certificate,
        )
    });
    let cached = measure(|| validate(&kept, &certificate));

    let mut cases: Vec<(String, f64)> = [("cold", cold), ("search", search), ("cached", cached)]
        .map(|(name, nanoseconds)| (name.to_owned(), nanoseconds))
        .into();
    cases.extend(openssl(&[
        ("root.der", anchor.der()),
        ("middle.der", authority.der()),
        ("end.der", certificate.der()),
        ("root.crl", &lists[0]),
        ("middle.crl", &lists[1]),
    ]));
    println!("{:<14} {:>12} {:>12}", "case", "µs", "per second");
    for (case, nanoseconds) in &cases {
        println!(
            "{case:<14} {:>12.2} {:>12.0}",
            nanoseconds / 1e3,
            1e9 / nanoseconds
        );
    }
    for (case, nanoseconds) in &cases {
        println!(
            r#"{{"bench":"trust","case":"{case}","nanoseconds":{nanoseconds:.0},"per_second":{:.0}}}"#,
            1e9 / nanoseconds
        );
    }
}
