//! Speed of path validation: `cargo bench --bench trust`. Prints a table and one JSON line for each case.
//!
//! A path of three (anchor, authority, end entity; P-384) with a CRL of each authority. `cold` makes
//! a new store each time, with parsed certificates and lists, so every signature is verified;
//! `search` keeps the lists' signatures; `cached` asks again for the same certificate.

mod measure;

use std::hint::black_box;

use measure::measure;
use ravelin::clock::Timestamp;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::revocation::RevocationList;
use ravelin::crypto::trust::{Purpose, TrustStore};

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

    println!("{:<10} {:>12} {:>12}", "case", "µs", "per second");
    for (case, nanoseconds) in [("cold", cold), ("search", search), ("cached", cached)] {
        println!(
            "{case:<10} {:>12.2} {:>12.0}",
            nanoseconds / 1e3,
            1e9 / nanoseconds
        );
    }
    for (case, nanoseconds) in [("cold", cold), ("search", search), ("cached", cached)] {
        println!(
            r#"{{"bench":"trust","case":"{case}","nanoseconds":{nanoseconds:.0},"per_second":{:.0}}}"#,
            1e9 / nanoseconds
        );
    }
}
