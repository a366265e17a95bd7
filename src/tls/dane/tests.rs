//! Every usage, selector and matching type, with the certificate that it speaks for and one that it
//! does not.

use super::*;
use crate::crypto::lab::{Authority, Request, Usage as LabUsage};
use jiff::SignedDuration;

fn now() -> Timestamp {
    "2026-11-21T08:30:00Z".parse().unwrap()
}

fn authority(name: &str) -> Authority {
    Authority::new(name, now()).unwrap()
}

fn server(authority: &Authority, name: &str) -> Certificate {
    let request = Request::new(&format!("CN={name}"), LabUsage::Server, now()).dns(name);
    authority.issue(request).unwrap().certificate().clone()
}

fn digest(digest: Digest, octets: &[u8]) -> Vec<u8> {
    provider::default().digest(digest, &[octets])
}

fn shown(chain: &[&Certificate]) -> Vec<CertificateDer<'static>> {
    let der = |one: &&Certificate| CertificateDer::from(one.der().to_vec());
    chain.iter().map(der).collect()
}

fn said(records: &[(u8, u8, u8, Vec<u8>)]) -> Associations {
    let fields = records
        .iter()
        .map(|(usage, selector, matching, octets)| (*usage, *selector, *matching, &**octets));
    Associations::usable(fields)
}

fn vouch(records: &[(u8, u8, u8, Vec<u8>)], chain: &[&Certificate]) -> Result<(), DaneProblem> {
    let names = ["mail.far.example".to_owned(), "far.example".to_owned()];
    said(records).vouch(&shown(chain), &names, Suite::default(), now())
}

/// A record of each selector and matching type for a certificate.
fn forms(usage: u8, of: &Certificate) -> Vec<(u8, u8, u8, Vec<u8>)> {
    [(0, of.der()), (1, of.spki_der())]
        .into_iter()
        .flat_map(|(selector, octets)| {
            [
                (usage, selector, 0, octets.to_vec()),
                (usage, selector, 1, digest(Digest::Sha256, octets)),
                (usage, selector, 2, digest(Digest::Sha512, octets)),
            ]
        })
        .collect()
}

#[test]
fn a_record_speaks_for_the_certificate_that_it_names_and_for_no_other() {
    let root = authority("Root");
    let (own, other) = (
        server(&root, "mail.far.example"),
        server(&root, "mail.far.example"),
    );
    for record in forms(3, &own) {
        let record = [record];
        assert_eq!(vouch(&record, &[&own]), Ok(()));
        assert_eq!(vouch(&record, &[&other]), Err(DaneProblem::NoMatch));
        // In the chain of another server it says nothing.
        assert_eq!(vouch(&record, &[&other, &own]), Err(DaneProblem::NoMatch));
    }
    assert_eq!(vouch(&forms(3, &own), &[]), Err(DaneProblem::NoMatch));
    assert_eq!(vouch(&[], &[&own]), Err(DaneProblem::NoMatch));
}

#[test]
fn for_the_end_entity_itself_neither_name_nor_date_counts() {
    let root = authority("Root");
    let began = now() - SignedDuration::from_hours(48);
    let request = Request::new("CN=elsewhere", LabUsage::Server, now())
        .dns("elsewhere.example")
        .valid(began, std::time::Duration::from_secs(3600));
    let own = root.issue(request).unwrap().certificate().clone();
    assert_eq!(vouch(&forms(3, &own), &[&own]), Ok(()));
    let above = forms(2, root.certificate());
    let error = vouch(&above, &[&own, root.certificate()]).unwrap_err();
    assert!(matches!(error, DaneProblem::Path(_)), "{error}");
}

#[test]
fn an_authority_speaks_for_the_names_below_it() {
    let (root, other) = (authority("Root"), authority("Other"));
    let top = root.certificate();
    for record in forms(2, top) {
        let record = [record];
        for name in ["mail.far.example", "far.example"] {
            assert_eq!(vouch(&record, &[&server(&root, name), top]), Ok(()));
        }
        let error = vouch(&record, &[&server(&root, "evil.example"), top]).unwrap_err();
        assert!(error.to_string().contains("for none of"), "{error}");
        // Who only shows the certificate of the authority has not been certified by it.
        let stranger = server(&other, "mail.far.example");
        let error = vouch(&record, &[&stranger, top]).unwrap_err();
        assert!(matches!(error, DaneProblem::Path(_)), "{error}");
    }
}

#[test]
fn an_authority_that_is_not_shown_counts_where_the_record_holds_it() {
    let root = authority("Root");
    let own = server(&root, "mail.far.example");
    let whole = (2, 0, 0, root.certificate().der().to_vec());
    assert_eq!(vouch(&[whole], &[&own]), Ok(()));
    let hash = (2, 0, 1, digest(Digest::Sha256, root.certificate().der()));
    assert_eq!(vouch(&[hash], &[&own]), Err(DaneProblem::NoMatch));
}

#[test]
fn what_smtp_does_not_use_is_not_usable() {
    let root = authority("Root");
    let own = server(&root, "mail.far.example");
    let hash = digest(Digest::Sha256, own.der());
    for (usage, selector, matching, octets) in [
        (0, 0, 1, &hash[..]),
        (1, 0, 1, &hash),
        (4, 0, 1, &hash),
        (255, 0, 1, &hash),
        (3, 2, 1, &hash),
        (3, 0, 3, &hash),
        (3, 0, 1, &hash[..31]),
        (3, 0, 2, &hash),
        (3, 0, 0, &[]),
    ] {
        let said = Associations::usable([(usage, selector, matching, octets)]);
        assert!(said.is_empty(), "{usage} {selector} {matching}");
    }
}

#[test]
fn of_two_digests_the_stronger_one_counts() {
    let root = authority("Root");
    let (own, other) = (
        server(&root, "mail.far.example"),
        server(&root, "mail.far.example"),
    );
    let weak = (3, 1, 1, digest(Digest::Sha256, other.spki_der()));
    let strong = (3, 1, 2, digest(Digest::Sha512, own.spki_der()));
    let both = [weak.clone(), strong];
    assert_eq!(vouch(&both, &[&own]), Ok(()));
    assert_eq!(vouch(&both, &[&other]), Err(DaneProblem::NoMatch));
    // Of another selector it is another statement.
    let whole = (3, 0, 2, digest(Digest::Sha512, own.der()));
    assert_eq!(vouch(&[weak, whole], &[&other]), Ok(()));
}
