//! Clearances in certificates and what the authorities of a path leave of them (RFC 5913).

use super::tests::now;
use super::*;
use crate::crypto::certificate::Extension;
use crate::crypto::clearance::{ClearanceError, Permitted, of_certificate};
use crate::crypto::lab::clearances;
use crate::crypto::lab::{Authority, Request, Usage};
use crate::label::clearance::{decode, encode};
use crate::label::{Categories, Clearance, Kind, Policies};

const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");
const OTHER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.2");
const TAGS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.7");

fn held(policy: ObjectIdentifier, classes: &[u64], values: &[u128]) -> Clearance {
    let mut categories = Categories::default();
    for value in values {
        categories.insert(TAGS, Kind::Restrictive, *value);
    }
    Clearance {
        policy,
        classifications: classes.iter().copied().collect(),
        categories,
    }
}

fn octets(clearance: &Clearance) -> Vec<u8> {
    encode(clearance).unwrap()
}

fn limits(clearances: &[Clearance]) -> Extension {
    let der: Vec<Vec<u8>> = clearances.iter().map(octets).collect();
    let der: Vec<&[u8]> = der.iter().map(Vec::as_slice).collect();
    clearances::constraints(false, &der)
}

fn store(anchor: &Authority) -> TrustStore {
    TrustStore::new(vec![anchor.certificate().clone()], Vec::new(), Vec::new())
        .with_revocation(RevocationCheck::Optional)
}

/// A subject with this extension below authorities with these; what its path comes to.
fn path(authorities: Vec<Extension>, own: Extension) -> (Result<Path, TrustProblem>, Certificate) {
    let root = Authority::new("CN=Root,O=Alder", now()).unwrap();
    let mut chain = vec![];
    let mut above = Authority::new("CN=Unused", now()).unwrap();
    for (place, extension) in authorities.into_iter().enumerate() {
        let issuer = if place == 0 { &root } else { &above };
        let next = issuer
            .constrained(&format!("CN=Authority {place},O=Alder"), extension, now())
            .unwrap();
        chain.push(next.certificate().clone());
        above = next;
    }
    let issuer = if chain.is_empty() { &root } else { &above };
    let request = Request::new("CN=Anna,O=Alder", Usage::Sign, now()).extension(own);
    let subject = issuer.issue(request).unwrap().certificate().clone();
    let found = store(&root).validate(&subject, &chain, Purpose::Sign, now());
    (found, subject)
}

/// The effective clearance, and who took something away.
fn effective(authorities: Vec<Extension>, own: &Clearance) -> (Option<Clearance>, Vec<String>) {
    let (path, subject) = path(authorities, clearances::clearance(&octets(own)));
    let policies = Policies::default();
    let permitted = path.unwrap().permitted_clearances(&policies).unwrap();
    let own = of_certificate(&subject, &policies).unwrap().unwrap();
    let limited = permitted.effective(&own.clearance);
    (limited.clearance, limited.by)
}

#[test]
fn without_constraints_the_attribute_counts_as_it_is() {
    let own = held(POLICY, &[1, 2, 3, 4], &[5]);
    assert_eq!(effective(vec![], &own), (Some(own.clone()), vec![]));
    let (path, _) = path(vec![], clearances::clearance(&octets(&own)));
    let permitted = path.unwrap().permitted_clearances(&Policies::default());
    assert_eq!(permitted.unwrap(), Permitted::default());
}

#[test]
fn an_authority_takes_away_what_it_may_not_give() {
    let own = held(POLICY, &[1, 2, 3, 4, 5], &[5, 6]);
    let limit = limits(&[held(POLICY, &[1, 2, 3], &[6, 7])]);
    let (left, by) = effective(vec![limit], &own);
    assert_eq!(left, Some(held(POLICY, &[1, 2, 3], &[6])));
    assert_eq!(by, ["CN=Authority 0,O=Alder"]);
}

#[test]
fn every_authority_counts_and_the_second_cannot_give_back() {
    let own = held(POLICY, &[1, 2, 3, 4], &[]);
    let first = limits(&[held(POLICY, &[1, 2], &[]), held(OTHER, &[1], &[])]);
    let second = limits(&[held(POLICY, &[1, 2, 3, 4, 5], &[])]);
    let (left, by) = effective(vec![first, second], &own);
    assert_eq!(left, Some(held(POLICY, &[1, 2], &[])));
    assert_eq!(by.len(), 1, "{by:?}");
}

#[test]
fn a_policy_that_is_not_permitted_leaves_nothing_and_that_is_no_error() {
    let own = held(POLICY, &[1, 4], &[]);
    let (left, by) = effective(vec![limits(&[held(OTHER, &[1, 4], &[])])], &own);
    assert_eq!((left, by.len()), (None, 1));
    // No class in common: the same.
    let (left, _) = effective(vec![limits(&[held(POLICY, &[2], &[])])], &own);
    assert_eq!(left, None);
}

#[test]
fn constraints_without_categories_permit_none() {
    let own = held(POLICY, &[4], &[5]);
    let (left, _) = effective(vec![limits(&[held(POLICY, &[4], &[])])], &own);
    assert_eq!(left, Some(held(POLICY, &[4], &[])));
}

#[test]
fn constraints_with_a_policy_alone_permit_unclassified() {
    let own = held(POLICY, &[1, 2, 3, 4], &[]);
    // The class list that is left out is {unclassified}, not everything.
    let bare = clearances::constraints(false, &[&hex("300b06092b0601040181fd5901")]);
    let policy = decode(&hex("300b06092b0601040181fd5901")).unwrap();
    assert_eq!(policy, held(POLICY, &[1], &[]));
    assert_eq!(effective(vec![bare], &own).0, Some(held(POLICY, &[1], &[])));
}

#[test]
fn the_constraints_of_the_anchor_count() {
    let own = held(POLICY, &[1, 2, 3, 4], &[]);
    let top = Authority::new("CN=Top", now()).unwrap();
    let limit = limits(&[held(POLICY, &[1, 2], &[])]);
    let anchor = top.constrained("CN=Anchor", limit, now()).unwrap();
    let request = Request::new("CN=Anna", Usage::Sign, now());
    let request = request.extension(clearances::clearance(&octets(&own)));
    let subject = anchor.issue(request).unwrap();
    let path = store(&anchor)
        .validate(subject.certificate(), &[], Purpose::Sign, now())
        .unwrap();
    let policies = Policies::default();
    let permitted = path.permitted_clearances(&policies).unwrap();
    assert_eq!(
        permitted.effective(&own).clearance,
        Some(held(POLICY, &[1, 2], &[]))
    );
    assert!(!permitted.is_all());
}

#[test]
fn the_subject_is_no_authority_over_itself_unless_it_gives_attributes() {
    let own = held(POLICY, &[1, 2, 3, 4], &[]);
    let (path, _) = path(vec![], limits(&[held(POLICY, &[1], &[])]));
    let path = path.unwrap();
    let policies = Policies::default();
    let as_subject = path.permitted_clearances(&policies).unwrap();
    assert!(as_subject.is_all());
    let as_authority = path.permitted_in_attributes(&policies).unwrap();
    assert_eq!(
        as_authority.effective(&own).clearance,
        Some(held(POLICY, &[1], &[]))
    );
}

#[test]
fn malformed_constraints_refuse_the_path() {
    let one = octets(&held(POLICY, &[1, 2], &[]));
    let another = octets(&held(POLICY, &[3], &[]));
    let own = || clearances::clearance(&octets(&held(POLICY, &[1], &[])));
    for (wrong, said) in [
        (clearances::constraints(false, &[]), "empty"),
        (clearances::constraints(true, &[&one, &another]), "twice"),
        (clearances::constraints(false, &[&[0x05, 0x00]]), "expected"),
        (clearances::constraints(false, &[&one, &[0x30]]), ""),
    ] {
        let (found, _) = path(vec![wrong], own());
        let problem = found.unwrap_err();
        assert_eq!(problem.id(), "trust.bad-clearance-constraints", "{problem}");
        assert!(problem.to_string().contains(said), "{problem}");
        assert!(!problem.is_ours());
    }
    // The twin: critical, and well formed.
    let good = clearances::constraints(true, &[&one]);
    assert!(path(vec![good], own()).0.is_ok());
}

#[test]
fn one_clearance_with_one_value_and_nothing_else() {
    let value = octets(&held(POLICY, &[1, 2, 3, 4], &[]));
    let attribute = clearances::attribute_der(&value);
    let other = clearances::attribute_der(&octets(&held(OTHER, &[1], &[])));
    let twice = clearances::directory_attributes(&[&attribute, &other]);
    let two_values = {
        let mut both = value.clone();
        both.extend(octets(&held(OTHER, &[1], &[])));
        clearances::clearance(&both)
    };
    let none = clearances::clearance(&[]);
    let broken = clearances::clearance(&value[..value.len() - 1]);
    for wrong in [twice, two_values, none, broken] {
        let (_, subject) = path(vec![], wrong.clone());
        let found = of_certificate(&subject, &Policies::default());
        assert!(found.is_err(), "{wrong:?}");
    }
    let (_, subject) = path(vec![], clearances::directory_attributes(&[&attribute]));
    let found = of_certificate(&subject, &Policies::default()).unwrap();
    assert_eq!(found.unwrap().clearance, decode(&value).unwrap());
}

#[test]
fn the_identifier_and_the_tags_of_rfc_3281_are_read() {
    // The attribute 2.5.1.5.55 with the clearance in context tags, policy 1.2.41.
    let old = hex("3012 060455010537 310a 3008 80022a29 81020378");
    let (_, subject) = path(vec![], clearances::directory_attributes(&[&old]));
    let found = of_certificate(&subject, &Policies::default()).unwrap();
    assert_eq!(
        found.unwrap().clearance.classifications,
        [1, 2, 3, 4].into_iter().collect()
    );
}

#[test]
fn a_certificate_without_the_attribute_says_nothing() {
    let (_, subject) = path(vec![], clearances::constraints(false, &[&[0x30, 0]]));
    assert_eq!(of_certificate(&subject, &Policies::default()), Ok(None));
    let empty = clearances::directory_attributes(&[]);
    let (_, subject) = path(vec![], empty);
    assert!(matches!(
        of_certificate(&subject, &Policies::default()),
        Err(ClearanceError::Malformed { .. })
    ));
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
