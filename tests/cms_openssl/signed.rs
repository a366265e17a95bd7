//! SignedData and countersignatures, both ways.

use ravelin::crypto::algorithm::{Digest, SignatureScheme};
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::attribute::AttributeDer;
use ravelin::crypto::cms::sign::{Form, SignError, SignOrder, Signer, sign};
use ravelin::crypto::cms::verify::{self, SignatureProblem, SignerReport};
use ravelin::crypto::cms::{countersign, oid};
use ravelin::crypto::ess;
use ravelin::crypto::keys::Identity;

use crate::lab::{CONTENT, lab};
use crate::{all_good, damaged, make, now, reports, signed};

#[test]
fn openssl_verifies_what_we_sign() {
    let Some(lab) = lab() else { return };
    let label = [0x31, 6, 2, 1, 3, 6, 1, 0x29];
    for name in ["alice", "bob", "carol", "dave"] {
        let identity = lab.identity(name);
        let signer = Signer::new(
            &identity,
            vec![
                ess::security_label(&label),
                ess::signature_type(&[ess::ORIGINATOR_SIGNATURE]),
            ],
        );
        let attached = make(std::slice::from_ref(&signer), Form::Attached);
        assert!(lab.verifies(&attached, None), "{name}");
        let report = &reports(&attached, None, &[])[0];
        assert!(report.is_good(), "{:?}", report.problems);
        assert_eq!(report.problems, []);
        assert_eq!(report.label_der.as_deref(), Some(&label[..]));
        assert_eq!(report.signature_types, [ess::ORIGINATOR_SIGNATURE]);
        assert_eq!(report.certificate.as_ref(), Some(identity.certificate()));
        assert!(report.signing_time.is_some());

        let detached = make(&[signer], Form::Detached);
        assert!(lab.verifies(&detached, Some(CONTENT)), "{name}");
        assert!(all_good(&reports(&detached, Some(CONTENT), &[])));
        // Negative twins: another content, no content, two contents.
        assert!(!lab.verifies(&detached, Some(b"another")));
        assert!(!all_good(&reports(&detached, Some(b"another"), &[])));
        assert!(!all_good(&reports(&detached, None, &[])));
        assert!(!all_good(&reports(&attached, Some(CONTENT), &[])));
    }
}

#[test]
fn openssl_verifies_two_signers_and_its_own_cades_check() {
    let Some(lab) = lab() else { return };
    let (alice, dave) = (lab.identity("alice"), lab.identity("dave"));
    let both = make(
        &[Signer::new(&alice, vec![]), Signer::new(&dave, vec![])],
        Form::Attached,
    );
    assert!(lab.verifies(&both, None));
    lab.write("both.der", &both);
    assert!(lab.openssl(&[
        "cms", "-verify", "-cades", "-inform", "DER", "-in", "both.der", "-CAfile", "ca.crt",
        "-binary", "-out", "both.out"
    ]));
    let found = reports(&both, None, &[]);
    assert_eq!(found.len(), 2);
    assert!(all_good(&found));
    assert!(matches!(
        found.iter().find_map(|report| match report.scheme {
            Some(SignatureScheme::RsaPss {
                digest,
                salt_length,
            }) => Some((digest, salt_length)),
            _ => None,
        }),
        Some((Digest::Sha384, 48))
    ));
    // One damaged signature leaves the other one good.
    let alices = found
        .iter()
        .find(|r| r.certificate.as_ref() == Some(alice.certificate()));
    let broken = damaged(&both, &alices.unwrap().signature);
    let found = reports(&broken, None, &[]);
    assert_eq!(found.iter().filter(|report| report.is_good()).count(), 1);
}

#[test]
fn we_verify_what_openssl_signs() {
    let Some(lab) = lab() else { return };
    let cases: &[(&str, &[&str])] = &[
        ("der", &[]),
        ("ber", &["-stream"]),
        ("keyid", &["-keyid"]),
        ("cades", &["-cades"]),
        (
            "receipt",
            &[
                "-receipt_request_all",
                "-receipt_request_to",
                "a@lab.example",
            ],
        ),
    ];
    for (name, options) in cases {
        let cms = lab.sign(name, "alice", options);
        assert!(signed(&cms).content.as_deref() == Some(CONTENT), "{name}");
        let found = reports(&cms, None, &[]);
        assert!(all_good(&found), "{name}: {:?}", found[0].problems);
        assert_eq!(found[0].problems, [], "{name}");
        assert_eq!(found[0].receipt_request_der.is_some(), *name == "receipt");
        if let Some(request) = &found[0].receipt_request_der {
            let request = ess::ReceiptRequest::read(request).unwrap();
            assert_eq!(
                request.to,
                [[ess::GeneralName::Email("a@lab.example".into())]]
            );
        }

        // Negative twins: content, an attribute, the signature.
        let signature = signed(&cms).signers[0].signature.to_vec();
        let digest = signed(&cms).signers[0]
            .signed_value(&oid::MESSAGE_DIGEST)
            .unwrap()
            .to_vec();
        let time = signed(&cms).signers[0]
            .signed_value(&oid::SIGNING_TIME)
            .unwrap()
            .to_vec();
        for part in [&CONTENT[..40], &signature, &digest] {
            let broken = reports(&damaged(&cms, part), None, &[]);
            assert!(!all_good(&broken), "{name}");
        }
        let mut later = cms.clone();
        let at = cms
            .windows(time.len())
            .position(|window| window == time)
            .unwrap();
        later[at + 3] ^= 1;
        assert_eq!(
            reports(&later, None, &[])[0].problems,
            [SignatureProblem::Signature],
            "{name}"
        );
    }
    for name in ["bob", "carol"] {
        assert!(
            all_good(&reports(&lab.sign("other", name, &[]), None, &[])),
            "{name}"
        );
    }
}

#[test]
fn we_verify_openssls_rsa_signatures_two_signers_and_resign() {
    let Some(lab) = lab() else { return };
    let pkcs1 = lab.sign("pkcs1", "dave", &[]);
    assert!(all_good(&reports(&pkcs1, None, &[])));
    let two = lab.sign(
        "two",
        "alice",
        &[
            "-signer",
            "dave.crt",
            "-inkey",
            "dave.key",
            "-keyopt",
            "rsa_padding_mode:pss",
            "-keyopt",
            "rsa_pss_saltlen:-1",
        ],
    );
    let found = reports(&two, None, &[]);
    assert_eq!(found.len(), 2);
    assert!(all_good(&found), "{found:?}");
    assert!(
        found
            .iter()
            .any(|r| matches!(r.scheme, Some(SignatureScheme::RsaPss { .. })))
    );
    lab.write("two.der", &two);
    assert!(lab.openssl(&[
        "cms",
        "-resign",
        "-inform",
        "DER",
        "-in",
        "two.der",
        "-signer",
        "bob.crt",
        "-inkey",
        "bob.key",
        "-md",
        "sha384",
        "-nodetach",
        "-binary",
        "-outform",
        "DER",
        "-out",
        "three.der"
    ]));
    let three = lab.read("three.der");
    assert_eq!(reports(&three, None, &[]).len(), 3);
    assert!(all_good(&reports(&three, None, &[])));
}

#[test]
fn without_attributes_or_certificates_the_report_says_so() {
    let Some(lab) = lab() else { return };
    let cms = lab.sign("noattr", "alice", &["-noattr", "-keyid", "-nocerts"]);
    let report = &reports(&cms, None, &[])[0];
    assert!(!report.is_good());
    assert!(report.problems.contains(&SignatureProblem::NoCertificate));
    let alice = lab.certificate("alice");
    let report = &reports(&cms, None, std::slice::from_ref(&alice))[0];
    assert!(report.is_good());
    assert_eq!(report.problems, [SignatureProblem::WithoutSignedAttributes]);
    let broken = damaged(&cms, &CONTENT[..40]);
    assert!(!reports(&broken, None, &[alice])[0].is_good());
}

/// The signed attributes of one message, offered as the content of another: RFC 5652 lets the same
/// signature cover both.
#[test]
fn a_signature_over_attributes_is_not_a_signature_over_content() {
    let Some(lab) = lab() else { return };
    let alice = lab.identity("alice");
    let honest = make(&[Signer::new(&alice, vec![])], Form::Attached);
    let signer = &signed(&honest).signers[0];
    let attributes = signer.signed_octets().unwrap();
    let mut forged = signer.clone();
    forged.signed_attributes = None;
    forged.signed.clear();
    let report = verify::verify_signer(
        &forged,
        &oid::DATA,
        &attributes,
        std::slice::from_ref(alice.certificate()),
    );
    assert!(!report.is_good());
    assert!(
        report
            .problems
            .contains(&SignatureProblem::ContentIsSignedAttributes)
    );
}

#[test]
fn the_content_type_and_the_certificate_are_bound() {
    let Some(lab) = lab() else { return };
    let alice = lab.identity("alice");
    let cms = make(&[Signer::new(&alice, vec![])], Form::Attached);
    let signer = &signed(&cms).signers[0];
    let own = std::slice::from_ref(alice.certificate());
    assert!(verify::verify_signer(signer, &oid::DATA, CONTENT, own).is_good());
    let report = verify::verify_signer(signer, &oid::RECEIPT, CONTENT, own);
    assert_eq!(report.problems, [SignatureProblem::ContentType]);

    // Another certificate for the same key and name: ESSCertIDv2 tells them apart.
    let twin = lab.certificate("alice-twin");
    assert_eq!(twin.spki_der(), alice.certificate().spki_der());
    let keyid = lab.sign("bound", "alice", &["-keyid", "-cades", "-nocerts"]);
    let report = &reports(&keyid, None, std::slice::from_ref(&twin))[0];
    assert_eq!(report.problems, [SignatureProblem::SigningCertificate]);
    let both = [twin, alice.certificate().clone()];
    let report = &reports(&keyid, None, &both)[0];
    assert!(report.is_good());
    assert_eq!(report.certificate.as_ref(), Some(alice.certificate()));
}

#[test]
fn orders_that_cannot_be_right_are_refused() {
    let Some(lab) = lab() else { return };
    let alice = lab.identity("alice");
    let order = |signers: &[Signer<'_>]| {
        sign(&SignOrder {
            content: CONTENT,
            content_type: oid::DATA,
            form: Form::Attached,
            signers,
            signing_time: now(),
            extra_certificates: &[],
        })
    };
    assert_eq!(order(&[]), Err(SignError::NoSigner));
    let twice = Signer::new(&alice, vec![AttributeDer::signing_time(now())]);
    assert_eq!(order(&[twice]), Err(SignError::Repeated(oid::SIGNING_TIME)));
}

#[test]
fn countersignatures_are_added_to_what_openssl_wrote() {
    let Some(lab) = lab() else { return };
    let (bob, dave) = (lab.identity("bob"), lab.identity("dave"));
    for (name, options) in [("c-der", &[][..]), ("c-ber", &["-stream"][..])] {
        let original = lab.sign(name, "alice", options);
        let parent = &signed(&original).signers[0];
        let first = countersign::make(&parent.signature, &bob, now()).unwrap();
        let once = countersign::add(&original, 0, &first, &[bob.certificate().clone()]).unwrap();
        let second = countersign::make(&parent.signature, &dave, now()).unwrap();
        let twice = countersign::add(&once, 0, &second, &[dave.certificate().clone()]).unwrap();

        // What was there is there, octet for octet.
        let after = &signed(&twice).signers[0];
        assert_eq!(after.signed_attributes, parent.signed_attributes);
        assert_eq!(after.signature, parent.signature);
        assert!(signed(&twice).content == signed(&original).content);
        assert_eq!(after.countersignatures().count(), 2);
        for certificate in &signed(&original).certificates {
            assert!(signed(&twice).certificates.contains(certificate));
        }
        assert!(lab.verifies(&twice, None), "{name}");

        let report = &reports(&twice, None, &[])[0];
        assert!(report.is_good());
        assert_eq!(report.countersigners.len(), 2);
        assert!(
            all_good(&report.countersigners),
            "{:?}",
            report.countersigners
        );
        assert!(
            report
                .countersigners
                .iter()
                .all(|report| report.problems.is_empty())
        );

        // One level deeper, upon each of the two.
        for index in 0..2 {
            let carol = lab.identity("carol");
            let below =
                countersign::make(&report.countersigners[index].signature, &carol, now()).unwrap();
            let deep =
                countersign::add_at(&twice, &[0, index], &below, carol_only(&carol)).unwrap();
            assert!(lab.verifies(&deep, None));
            let report = &reports(&deep, None, &[])[0];
            let deeper: Vec<_> = report
                .countersigners
                .iter()
                .flat_map(|countersigner| &countersigner.countersigners)
                .collect();
            assert_eq!(deeper.len(), 1);
            assert!(deeper[0].is_good());
        }

        // Negative twins: a damaged countersignature, one upon another signature, one more place.
        let broken = reports(
            &damaged(&twice, &report.countersigners[0].signature),
            None,
            &[],
        );
        assert!(broken[0].is_good());
        assert!(!broken[0].countersigners.iter().all(SignerReport::is_good));
        let other = countersign::make(b"another signature", &bob, now()).unwrap();
        let wrong = countersign::add(&original, 0, &other, &[bob.certificate().clone()]).unwrap();
        assert_eq!(
            reports(&wrong, None, &[])[0].countersigners[0].problems,
            [SignatureProblem::ContentDigest]
        );
        assert!(countersign::add(&original, 1, &first, &[]).is_err());
        assert!(countersign::add_at(&twice, &[0, 2], &first, &[]).is_err());
        assert!(countersign::add(&original, 0, b"\x30\x00", &[]).is_err());
    }
}

fn carol_only(carol: &Identity) -> &[Certificate] {
    std::slice::from_ref(carol.certificate())
}

#[test]
fn a_countersignature_with_a_content_type_is_refused() {
    let Some(lab) = lab() else { return };
    let original = lab.sign("c-type", "alice", &[]);
    let parent = signed(&original).signers[0].signature.to_vec();
    // A whole signature over the parent's octets, as a SignedData would hold it.
    let bob = lab.identity("bob");
    let wrong = sign(&SignOrder {
        content: &parent,
        content_type: oid::DATA,
        form: Form::Detached,
        signers: &[Signer::new(&bob, vec![])],
        signing_time: now(),
        extra_certificates: &[],
    })
    .unwrap();
    let info = signed(&wrong).signers[0].raw.to_vec();
    let added = countersign::add(&original, 0, &info, &[bob.certificate().clone()]).unwrap();
    assert_eq!(
        reports(&added, None, &[])[0].countersigners[0].problems,
        [SignatureProblem::NotAllowed(oid::CONTENT_TYPE)]
    );
}
