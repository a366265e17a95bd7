//! SignerInfos that no ordinary program writes.

use super::*;
use crate::crypto::ber::{Node, Tag, set_of};
use crate::crypto::cms::attribute::AttributeDer;
use crate::crypto::cms::sign::{Form, SignOrder, Signer, sign};
use crate::crypto::cms::{countersign, read};
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, Request, Usage};

const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";

fn identity(name: &str) -> Identity {
    let now = Timestamp::now();
    let authority = Authority::new("Test", now).unwrap();
    authority
        .issue(Request::new(name, Usage::Sign, now))
        .unwrap()
}

fn order<'a>(signers: &'a [Signer<'a>]) -> SignOrder<'a> {
    SignOrder {
        content: CONTENT,
        content_type: oid::DATA,
        form: Form::Attached,
        signers,
        signing_time: Timestamp::now(),
        extra_certificates: &[],
    }
}

fn digest_of_content() -> AttributeDer {
    AttributeDer::message_digest(&provider::default().digest(Digest::Sha384, &[CONTENT]))
}

fn required() -> Vec<Vec<u8>> {
    vec![
        AttributeDer::content_type(&oid::DATA).der().to_vec(),
        digest_of_content().der().to_vec(),
    ]
}

/// A SignerInfo with these attributes, signed in their DER order and sent as `send` puts them.
fn signer_info(
    identity: &Identity,
    attributes: Vec<Vec<u8>>,
    version: u64,
    send: fn(Vec<Vec<u8>>) -> Vec<u8>,
) -> Vec<u8> {
    let signed = set_of(Tag::SET, attributes.clone()).to_vec();
    let scheme = identity.default_scheme();
    let signature = identity.key().sign(&scheme, &signed).unwrap();
    Node::sequence(vec![
        Node::unsigned(version),
        Node::from(identity.certificate().issuer_and_serial_der()),
        Node::from(Digest::Sha384.algorithm_der()),
        Node::from(send(attributes)),
        Node::from(scheme.algorithm_der()),
        Node::octet_string(signature),
    ])
    .to_vec()
}

fn sorted(attributes: Vec<Vec<u8>>) -> Vec<u8> {
    set_of(Tag::context_constructed(0), attributes).to_vec()
}

/// The order turned round, in an indefinite length.
fn reversed(mut attributes: Vec<Vec<u8>>) -> Vec<u8> {
    attributes.sort();
    attributes.reverse();
    let mut out = vec![0xa0, 0x80];
    out.extend(attributes.concat());
    out.extend([0, 0]);
    out
}

fn report(identity: &Identity, info: &[u8]) -> SignerReport {
    let info = SignerInfo::parse(info, &Limits::default()).unwrap();
    let own = std::slice::from_ref(identity.certificate());
    verify_signer(&info, &oid::DATA, CONTENT, own)
}

fn problems(identity: &Identity, attributes: Vec<Vec<u8>>) -> Vec<SignatureProblem> {
    report(identity, &signer_info(identity, attributes, 1, sorted)).problems
}

fn with(more: &[AttributeDer]) -> Vec<Vec<u8>> {
    let mut attributes = required();
    attributes.extend(more.iter().map(|attribute| attribute.der().to_vec()));
    attributes
}

#[test]
fn attributes_that_are_not_der_are_good_but_weak() {
    let identity = identity("Alice");
    let good = report(&identity, &signer_info(&identity, required(), 1, sorted));
    assert_eq!(good.problems, []);
    let info = signer_info(&identity, required(), 1, reversed);
    let weak = report(&identity, &info);
    assert!(weak.is_good());
    assert_eq!(weak.problems, [SignatureProblem::AttributesNotDer]);
    assert_eq!(weak.message_signature_digest, good.message_signature_digest);
}

#[test]
fn attributes_in_another_order_that_was_signed_so_are_good() {
    let identity = identity("Alice");
    let mut attributes = required();
    attributes.sort();
    attributes.reverse();
    let tag = Tag::context_constructed(0);
    let sent = Node::tagged(tag, attributes.iter().map(|a| Node::encoded(a)).collect()).to_vec();
    let mut signed = sent.clone();
    signed[0] = 0x31;
    let scheme = identity.default_scheme();
    let info = Node::sequence(vec![
        Node::unsigned(1),
        Node::from(identity.certificate().issuer_and_serial_der()),
        Node::from(Digest::Sha384.algorithm_der()),
        Node::from(sent),
        Node::from(scheme.algorithm_der()),
        Node::octet_string(identity.key().sign(&scheme, &signed).unwrap()),
    ])
    .to_vec();
    assert_eq!(report(&identity, &info).problems, []);
}

#[test]
fn missing_repeated_and_several_values_break_the_signature() {
    let identity = identity("Alice");
    assert_eq!(
        problems(&identity, vec![digest_of_content().der().to_vec()]),
        [SignatureProblem::Missing(oid::CONTENT_TYPE)]
    );
    assert_eq!(
        problems(
            &identity,
            vec![AttributeDer::content_type(&oid::DATA).der().to_vec()]
        ),
        [SignatureProblem::Missing(oid::MESSAGE_DIGEST)]
    );
    let labels = [
        ess::security_label(&[0x31, 3, 2, 1, 1]),
        ess::security_label(&[0x31, 3, 2, 1, 2]),
    ];
    let twice = report(&identity, &signer_info(&identity, with(&labels), 1, sorted));
    assert_eq!(
        twice.problems,
        [SignatureProblem::Repeated(ess::SECURITY_LABEL)]
    );
    assert_eq!(twice.label_der, None, "of two labels neither is the label");
    assert!(!twice.is_good());

    for values in [vec![], vec![vec![4, 1, 1], vec![4, 1, 2]]] {
        let mut attributes = required();
        attributes.push(
            Node::sequence(vec![
                Node::oid(&ess::CONTENT_IDENTIFIER),
                set_of(Tag::SET, values),
            ])
            .to_vec(),
        );
        assert_eq!(
            problems(&identity, attributes),
            [SignatureProblem::NotOneValue(ess::CONTENT_IDENTIFIER)]
        );
    }
}

#[test]
fn known_attributes_that_cannot_be_read_break_the_signature() {
    let identity = identity("Alice");
    let junk = |oid| AttributeDer::from_value(oid, &[0x30, 3, 2, 1, 7]);
    for oid in [
        ess::RECEIPT_REQUEST,
        ess::ML_EXPANSION_HISTORY,
        ess::CONTENT_HINTS,
        ess::CONTENT_IDENTIFIER,
        ess::EQUIVALENT_LABELS,
        ess::CONTENT_REFERENCE,
        ess::SIGNATURE_TYPE,
        ess::SMIME_CAPABILITIES,
        ess::ENCRYPTION_KEY_PREFERENCE,
    ] {
        assert_eq!(
            problems(&identity, with(&[junk(oid)])),
            [SignatureProblem::Malformed(oid)]
        );
    }
    // One that nobody here knows says nothing.
    let unknown = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.7");
    assert_eq!(problems(&identity, with(&[junk(unknown)])), []);
}

#[test]
fn what_a_signer_says_is_read_back() {
    let identity = identity("Alice");
    let hints = ess::ContentHints {
        description: Some("the annex".into()),
        content_type: oid::RECEIPT,
    };
    let reference = ess::ContentReference {
        content_type: oid::DATA,
        content_identifier: b"id".to_vec(),
        originator_signature: vec![1, 2],
    };
    let preference = ess::EncryptionKeyPreference::of(identity.certificate());
    let said = with(&[
        hints.attribute(),
        reference.attribute(),
        ess::content_identifier(b"mine"),
        ess::smime_capabilities(&ess::own_capabilities()),
        preference.attribute(),
    ]);
    let report = report(&identity, &signer_info(&identity, said, 1, sorted));
    assert_eq!(report.problems, []);
    assert_eq!(report.content_type(), Some(oid::DATA));
    assert_eq!(report.content_hints(), Some(hints));
    assert_eq!(report.content_reference(), Some(reference));
    assert_eq!(report.content_identifier(), Some(b"mine".to_vec()));
    assert_eq!(report.capabilities(), Some(ess::own_capabilities()));
    assert!(preference.matches(identity.certificate()));
    assert_eq!(report.encryption_key_preference(), Some(preference));
    assert_eq!(report.receipt_request(), None);
    assert_eq!(report.mail_list_history(), None);
}

#[test]
fn protected_algorithms_must_be_those_used() {
    let identity = identity("Alice");
    let protection = |digest: Vec<u8>, mut signature: Vec<u8>| {
        signature[0] = 0xa1;
        AttributeDer::new(
            oid::ALGORITHM_PROTECTION,
            Node::sequence(vec![Node::from(digest), Node::from(signature)]),
        )
    };
    let own = identity.default_scheme().algorithm_der();
    let sha384 = Digest::Sha384.algorithm_der();
    let right = protection(sha384.clone(), own.clone());
    assert_eq!(problems(&identity, with(&[right])), []);
    // NULL and absent parameters mean the same.
    let null = Node::sequence(vec![Node::oid(&Digest::Sha384.oid()), Node::null()]).to_vec();
    assert_eq!(
        problems(&identity, with(&[protection(null, own.clone())])),
        []
    );
    for wrong in [
        protection(Digest::Sha256.algorithm_der(), own),
        protection(
            sha384,
            SignatureScheme::Ecdsa(Digest::Sha256).algorithm_der(),
        ),
        AttributeDer::new(oid::ALGORITHM_PROTECTION, Node::null()),
    ] {
        assert_eq!(
            problems(&identity, with(&[wrong])),
            [SignatureProblem::AlgorithmProtection]
        );
    }
}

#[test]
fn the_version_must_fit_and_the_time_must_be_one() {
    let identity = identity("Alice");
    let odd = report(&identity, &signer_info(&identity, required(), 3, sorted));
    assert!(odd.is_good());
    assert_eq!(odd.problems, [SignatureProblem::Version]);
    let time = AttributeDer::new(oid::SIGNING_TIME, Node::utf8("yesterday"));
    assert_eq!(
        problems(&identity, with(&[time])),
        [SignatureProblem::Malformed(oid::SIGNING_TIME)]
    );
}

#[test]
fn an_odd_certificate_does_not_stop_the_message() {
    let alice = identity("Alice");
    let cms = sign(&order(&[Signer::new(&alice, vec![])])).unwrap();
    // A certificate that is none, of the same size as the others in a bag of two.
    let bob = identity("Bob");
    let with_bob = countersign::add(
        &cms,
        0,
        &countersign::make(b"x", &bob, Timestamp::now()).unwrap(),
        &[bob.certificate().clone()],
    )
    .unwrap();
    let mut odd = with_bob;
    let der = bob.certificate().der();
    let at = odd
        .windows(der.len())
        .position(|window| window == der)
        .unwrap();
    // Its serial number becomes an ENUMERATED.
    let serial = odd[at..]
        .windows(2)
        .position(|w| w == [0xa0, 0x03])
        .unwrap()
        + at
        + 5;
    odd[serial] = 0x0a;
    let read::ContentInfo::Signed(signed) = read::parse(&odd, &Limits::default()).unwrap() else {
        panic!("SignedData");
    };
    assert_eq!(signed.certificates.len(), alice.chain().len() + 2);
    let readable = certificates(&signed);
    assert_eq!(readable.len(), signed.certificates.len() - 1);
    assert!(verify(&signed, None, &readable)[0].is_good());
}

#[test]
fn countersignatures_beyond_the_limits_are_not_looked_at() {
    let alice = identity("Alice");
    let mut cms = sign(&order(&[Signer::new(&alice, vec![])])).unwrap();
    let mut path = vec![0];
    for _ in 0..7 {
        let parent = deepest(&all(&cms, &alice)[0]).signature.clone();
        let info = countersign::make(&parent, &alice, Timestamp::now()).unwrap();
        cms = countersign::add_at(&cms, &path, &info, &[]).unwrap();
        path.push(0);
    }
    let reports = all(&cms, &alice);
    assert!(deepest(&reports[0]).is_good());

    // A ninth level is not made.
    let info = countersign::make(&reports[0].signature, &alice, Timestamp::now()).unwrap();
    path.extend([0, 0]);
    assert!(countersign::add_at(&cms, &path, &info, &[]).is_err());

    let mut many = sign(&order(&[Signer::new(&alice, vec![])])).unwrap();
    for (path, times) in [(&[0][..], 30), (&[0, 0], 30), (&[0, 0, 0], 10)] {
        for _ in 0..times {
            many = countersign::add_at(&many, path, &info, &[]).unwrap();
        }
    }
    let report = &all(&many, &alice)[0];
    assert!(report.is_good());
    let mut unread = 0;
    let mut looked_at = 0;
    let mut open = vec![report];
    while let Some(report) = open.pop() {
        open.extend(&report.countersigners);
        match report
            .problems
            .contains(&SignatureProblem::TooManyCountersignatures)
        {
            true => unread += 1,
            false => looked_at += 1,
        }
    }
    assert!(unread > 0);
    assert_eq!(looked_at, 1 + Limits::default().countersignatures);
}

fn all(cms: &[u8], identity: &Identity) -> Vec<SignerReport> {
    match read::parse(cms, &Limits::default()).unwrap() {
        read::ContentInfo::Signed(signed) => {
            verify(&signed, None, std::slice::from_ref(identity.certificate()))
        }
        other => panic!("{other:?}"),
    }
}

fn deepest(report: &SignerReport) -> &SignerReport {
    report.countersigners.first().map_or(report, deepest)
}

/// Whatever one octet is changed to, reading and verifying end in an answer, and no changed octet
/// under the signature leaves it good.
#[test]
fn no_changed_octet_is_passed_over() {
    let alice = identity("Alice");
    let cms = sign(&order(&[Signer::new(&alice, vec![])])).unwrap();
    let start = cms
        .windows(CONTENT.len())
        .position(|w| w == CONTENT)
        .unwrap();
    let certificate = alice.certificate().der();
    let bag = cms
        .windows(certificate.len())
        .position(|w| w == certificate)
        .unwrap();
    let info = cms.len() - 200;
    for at in (0..cms.len()).filter(|at| !(bag..bag + certificate.len()).contains(at)) {
        let mut changed = cms.clone();
        changed[at] ^= 0x01;
        let Ok(read::ContentInfo::Signed(signed)) = read::parse(&changed, &Limits::default())
        else {
            continue;
        };
        let own = std::slice::from_ref(alice.certificate());
        let good = verify(&signed, None, own).iter().all(SignerReport::is_good);
        if (start..start + CONTENT.len()).contains(&at) || at >= info {
            assert!(!good || signed.signers.is_empty(), "octet {at}");
        }
    }
}
