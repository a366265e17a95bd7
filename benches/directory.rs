//! Speed of the directory: `cargo bench --bench directory`. Prints a table and one JSON line each.
//!
//! 80,000 subjects from one LDIF text, each with a P-384 certificate; beside it what somebody would
//! write in an hour: lines split, base64 decoded, a `HashMap<String, Vec<u8>>`, nothing checked.
//! Ours reads every certificate and address once, and its error would name the line.
//! RAVELIN_SUBJECTS sets another number.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ravelin::clock::Timestamp;
use ravelin::crypto::directory::{Directory, Found, Name, Table};
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::message::address::Address;

/// The best of several rounds, in nanoseconds for each of `count`.
fn best<T>(rounds: usize, count: usize, mut work: impl FnMut() -> T) -> f64 {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64() * 1e9 / count as f64
        })
        .fold(f64::MAX, f64::min)
}

fn ldif(subjects: usize) -> String {
    let now: Timestamp = "2026-11-21T08:30:00Z".parse().expect("a time");
    let authority = Authority::new("Alder", now).expect("an authority");
    // Some distinct ones; what a certificate says does not change how long it takes to read.
    let certificates: Vec<String> = (0..16)
        .map(|n| {
            let order = Request::new(&format!("CN=Person {n}"), Usage::Encrypt, now);
            let order = order.email(&format!("person{n}@alder.example"));
            let identity = authority.issue(order).expect("a certificate");
            STANDARD.encode(identity.certificate().der())
        })
        .collect();
    let mut text = String::new();
    for n in 0..subjects {
        let certificate = &certificates[n % certificates.len()];
        text.push_str(&format!(
            "dn: cn=Person {n},o=Alder\nobjectClass: inetOrgPerson\ncn: Person {n}\n\
             mail: person{n}@alder.example\nuserCertificate;binary:: {certificate}\n\n"
        ));
    }
    text
}

fn plain(text: &str) -> HashMap<String, Vec<u8>> {
    let mut map = HashMap::new();
    let (mut mail, mut certificate) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(value) = line.strip_prefix("mail: ") {
            mail = value.to_ascii_lowercase();
        } else if let Some(value) = line.strip_prefix("userCertificate;binary:: ") {
            certificate = STANDARD.decode(value).expect("base64");
        } else if line.is_empty() {
            map.insert(std::mem::take(&mut mail), std::mem::take(&mut certificate));
        }
    }
    map
}

fn main() {
    let subjects: usize = std::env::var("RAVELIN_SUBJECTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(80_000);
    let text = ldif(subjects);
    let load = || Table::from_ldif(Path::new("bench.ldif"), text.as_bytes()).expect("a table");
    let table = load();
    let map = plain(&text);
    assert_eq!((table.len(), map.len()), (subjects, subjects));
    let address = |n: usize| format!("Person{n}@alder.example");
    // In an order that no cache foresees.
    let order = |n: usize| (n * 7919) % subjects;
    let name = |text: &str| Name::mailbox(&Address::parse(text).expect("an address"));
    let known: Vec<Name> = (0..subjects).map(|n| name(&address(order(n)))).collect();
    let nobody = |n| format!("nobody{n}@alder.example");
    let unknown: Vec<Name> = (0..subjects).map(|n| name(&nobody(n))).collect();
    let keys: Vec<String> = (0..subjects)
        .map(|n| address(order(n)).to_ascii_lowercase())
        .collect();
    let no_keys: Vec<String> = unknown.iter().map(|name| name.text().to_owned()).collect();
    let count = |names: &[Name]| {
        let found = names
            .iter()
            .filter(|name| matches!(table.find(black_box(name)), Found::Known(_)));
        found.count()
    };
    let count_plain = |keys: &[String]| {
        keys.iter()
            .filter(|key| map.contains_key(black_box(key.as_str())))
            .count()
    };
    assert_eq!((count(&known), count(&unknown)), (subjects, 0));
    assert_eq!((count_plain(&keys), count_plain(&no_keys)), (subjects, 0));

    println!("{subjects} subjects, {} MB of LDIF", text.len() / 1_000_000);
    println!("{:<12} {:>14} {:>14}", "case", "ours", "plain HashMap");
    let rows = [
        (
            "load",
            1e-6 * best(3, 1, load),
            1e-6 * best(3, 1, || plain(&text)),
            "ms",
        ),
        (
            "hit",
            best(9, subjects, || count(&known)),
            best(9, subjects, || count_plain(&keys)),
            "ns",
        ),
        (
            "miss",
            best(9, subjects, || count(&unknown)),
            best(9, subjects, || count_plain(&no_keys)),
            "ns",
        ),
    ];
    for (case, ours, theirs, unit) in rows {
        println!("{case:<12} {ours:>11.1} {unit} {theirs:>11.1} {unit}");
        println!(
            "{{\"bench\":\"directory\",\"case\":\"{case}\",\"subjects\":{subjects},\"unit\":\"{unit}\",\"ours\":{ours:.1},\"plain\":{theirs:.1}}}"
        );
    }
}
