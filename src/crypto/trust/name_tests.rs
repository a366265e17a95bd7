//! Name constraints by property: what lies in a subtree, whatever the letters.

use der::asn1::{Any, Ia5String, OctetString};
use proptest::prelude::*;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use super::names::Constraints;
use super::tests::now;
use crate::crypto::certificate::{Certificate, Extension};
use crate::crypto::lab::{self, Authority};

pub(super) const SMTP_UTF8_MAILBOX: &str = "1.3.6.1.5.5.7.8.9";

fn text(value: &str) -> Ia5String {
    Ia5String::new(value).unwrap()
}

pub(super) fn mail(value: &str) -> GeneralName {
    GeneralName::Rfc822Name(text(value))
}

pub(super) fn host(value: &str) -> GeneralName {
    GeneralName::DnsName(text(value))
}

pub(super) fn resource(value: &str) -> GeneralName {
    GeneralName::UniformResourceIdentifier(text(value))
}

pub(super) fn other(kind: &str, value: &str) -> GeneralName {
    GeneralName::OtherName(OtherName {
        type_id: kind.parse().unwrap(),
        value: Any::new(der::Tag::Utf8String, value.as_bytes()).unwrap(),
    })
}

/// A certificate with these alternative names. One authority makes them all.
pub(super) fn named(names: Vec<GeneralName>) -> Certificate {
    static ROOT: std::sync::OnceLock<Authority> = std::sync::OnceLock::new();
    let root = ROOT.get_or_init(|| Authority::new("Root", now()).unwrap());
    let names = x509_cert::ext::pkix::SubjectAltName(names);
    let extension: Extension = lab::of(false, &names).unwrap();
    root.certify(
        &lab::name_der("End").unwrap(),
        root.certificate().spki_der(),
        root.certificate().not_before(),
        root.certificate().not_after(),
        vec![extension],
    )
    .unwrap()
}

pub(super) fn trees(bases: Vec<GeneralName>) -> Option<Vec<GeneralSubtree>> {
    let trees = bases.into_iter().map(|base| GeneralSubtree {
        base,
        minimum: 0,
        maximum: None,
    });
    Some(trees.collect::<Vec<_>>()).filter(|trees| !trees.is_empty())
}

fn passes(name: GeneralName, permitted: Vec<GeneralName>, excluded: Vec<GeneralName>) -> bool {
    let mut constraints = Constraints::default();
    constraints
        .include(NameConstraints {
            permitted_subtrees: trees(permitted),
            excluded_subtrees: trees(excluded),
        })
        .unwrap();
    constraints.check(&named(vec![name])).is_ok()
}

/// Inside: passes when permitted, not when excluded. Outside: the other way round. Neither can be
/// said: never passes.
fn fits(name: &GeneralName, base: &GeneralName) -> Option<bool> {
    let permitted = passes(name.clone(), vec![base.clone()], vec![]);
    let excluded = passes(name.clone(), vec![], vec![base.clone()]);
    match (permitted, excluded) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
        (true, true) => panic!("of another kind: {name:?} {base:?}"),
    }
}

#[test]
fn the_forms_of_each_kind() {
    for (name, base, wanted) in [
        (
            mail("anna@alder.example"),
            mail("alder.example"),
            Some(true),
        ),
        (
            mail("anna@mx.alder.example"),
            mail("alder.example"),
            Some(false),
        ),
        (
            mail("anna@mx.alder.example"),
            mail(".alder.example"),
            Some(true),
        ),
        (
            mail("anna@alder.example"),
            mail(".alder.example"),
            Some(false),
        ),
        (
            mail("anna@alder.example"),
            mail("anna@alder.example"),
            Some(true),
        ),
        (
            mail("Anna@alder.example"),
            mail("anna@alder.example"),
            Some(false),
        ),
        (mail("nobody"), mail("alder.example"), None),
        (mail("a@b@alder.example"), mail("alder.example"), None),
        (mail("@alder.example"), mail("alder.example"), None),
        (
            mail("\"a@b\"@alder.example"),
            mail("alder.example"),
            Some(true),
        ),
        // A wildcard is all that it matches.
        (host("*.alder.example"), host("alder.example"), Some(true)),
        (host("*.alder.example"), host("mx.alder.example"), None),
        (host("*.birch.example"), host("alder.example"), Some(false)),
        (host("m*.alder.example"), host("alder.example"), None),
        (host(".alder.example"), host("alder.example"), None),
        (host("mx..alder.example"), host("alder.example"), None),
        (host("mx.alder.example"), host("alder.example"), Some(true)),
        (host("mxalder.example"), host("alder.example"), Some(false)),
        (
            resource("https://a.example/x"),
            resource("a.example"),
            Some(true),
        ),
        (
            resource("https://b.a.example:8443/x"),
            resource(".a.example"),
            Some(true),
        ),
        (
            resource("https://a.example/x"),
            resource(".a.example"),
            Some(false),
        ),
        (
            resource("https://u:p@a.example"),
            resource("a.example"),
            Some(true),
        ),
        (
            resource("https://a.example@evil.example"),
            resource("a.example"),
            Some(false),
        ),
        (resource("https://192.0.2.1/x"), resource("a.example"), None),
        (
            resource("https://[2001:db8::1]/x"),
            resource("a.example"),
            None,
        ),
        (resource("urn:a.example"), resource("a.example"), None),
        (
            other(SMTP_UTF8_MAILBOX, "änne@alder.example"),
            mail("alder.example"),
            Some(true),
        ),
        (
            other(SMTP_UTF8_MAILBOX, "änne@birch.example"),
            mail("alder.example"),
            Some(false),
        ),
        (
            other(SMTP_UTF8_MAILBOX, "anna@älder.example"),
            mail("alder.example"),
            None,
        ),
        (
            other(SMTP_UTF8_MAILBOX, "änne@a.example"),
            mail("x@a.example"),
            None,
        ),
        (
            other(SMTP_UTF8_MAILBOX, "änne@a.example"),
            other(SMTP_UTF8_MAILBOX, "a.example"),
            None,
        ),
        (other("1.2.3.4", "x"), other("1.2.3.4", "x"), None),
    ] {
        assert_eq!(fits(&name, &base), wanted, "{name:?} in {base:?}");
    }
    // Another kind of other name is another kind.
    assert!(passes(
        other("1.2.3.4", "x"),
        vec![other("1.2.3.5", "x")],
        vec![]
    ));
    assert!(passes(mail("a@b.example"), vec![host("c.example")], vec![]));
}

#[test]
fn more_names_than_can_be_compared_are_refused() {
    let many = |count: u32| {
        let trees = (0..count).map(|number| host(&format!("h{number}.example")));
        passes(host("h1.example"), trees.collect(), vec![])
    };
    assert!(many(1000));
    // The subject counts as a name too.
    assert!(!many((1 << 15) + 1));
}

fn label() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,6}"
}

fn domain() -> impl Strategy<Value = String> {
    proptest::collection::vec(label(), 1..4).prop_map(|labels| labels.join("."))
}

fn shouted(text: &str) -> String {
    text.to_ascii_uppercase()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_host_lies_in_itself_and_in_what_is_above(host_name in domain(), more in label()) {
        let below = format!("{more}.{host_name}");
        prop_assert_eq!(fits(&host(&below), &host(&host_name)), Some(true));
        prop_assert_eq!(fits(&host(&shouted(&host_name)), &host(&host_name)), Some(true));
        prop_assert_eq!(fits(&host(&host_name), &host(&below)), Some(false));
        // One letter in front makes another label.
        prop_assert_eq!(fits(&host(&format!("x{host_name}")), &host(&host_name)), Some(false));
    }

    #[test]
    fn a_mailbox_lies_at_its_host_and_below_its_domain(domain in domain(), local in label(), more in label()) {
        let here = mail(&format!("{local}@{domain}"));
        let below = mail(&format!("{local}@{more}.{domain}"));
        let dotted = mail(&format!(".{domain}"));
        prop_assert_eq!(fits(&here, &mail(&shouted(&domain))), Some(true));
        prop_assert_eq!(fits(&here, &dotted), Some(false));
        prop_assert_eq!(fits(&below, &mail(&domain)), Some(false));
        prop_assert_eq!(fits(&below, &dotted), Some(true));
    }

    #[test]
    fn an_address_lies_in_its_network(octets in any::<[u8; 4]>(), bits in 0u32..=32, flip in 0u32..32) {
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let address = u32::from_be_bytes(octets);
        let of = |octets: Vec<u8>| GeneralName::IpAddress(OctetString::new(octets).unwrap());
        let base = of([(address & mask).to_be_bytes(), mask.to_be_bytes()].concat());
        prop_assert_eq!(fits(&of(octets.to_vec()), &base), Some(true));
        let other = address ^ (1 << flip);
        let same_network = (other & mask) == (address & mask);
        prop_assert_eq!(fits(&of(other.to_be_bytes().to_vec()), &base), Some(same_network));
    }

    #[test]
    fn what_is_excluded_stays_out_whatever_is_permitted(domain in domain(), local in label()) {
        let name = mail(&format!("{local}@{domain}"));
        prop_assert!(!passes(name.clone(), vec![name.clone()], vec![mail(&domain)]));
        prop_assert!(passes(name.clone(), vec![name], vec![]));
    }
}
