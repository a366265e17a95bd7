//! Signers beside signers, signers named by their keys, and what is weak but read.

use ravelin::crypto::algorithm::{Digest, RsaPadding, SignatureScheme};
use ravelin::crypto::cms::add_signer::add_signer;
use ravelin::crypto::cms::sign::{
    Form, SignError, SignOrder, Signer, certificates_only, sign, unsigned,
};
use ravelin::crypto::cms::verify::SignatureProblem;
use ravelin::crypto::cms::{countersign, oid};
use ravelin::crypto::ess;

use crate::lab::{CONTENT, lab};
use crate::{all_good, damaged, make, now, reports, signed};

const LABEL: [u8; 8] = [0x31, 6, 2, 1, 3, 6, 1, 0x29];
const OTHER: [u8; 8] = [0x31, 6, 2, 1, 4, 6, 1, 0x29];

#[test]
fn signers_are_named_by_their_keys() {
    let Some(lab) = lab() else { return };
    let (alice, dave) = (lab.identity("alice"), lab.identity("dave"));
    let by_key = make(
        &[
            Signer::new(&alice, vec![]).by_key_identifier(),
            Signer::new(&dave, vec![]),
        ],
        Form::Attached,
    );
    assert!(lab.verifies(&by_key, None));
    let found = reports(&by_key, None, &[]);
    assert!(all_good(&found), "{found:?}");
    assert!(found.iter().all(|report| report.problems.is_empty()));
    let mut versions: Vec<u64> = signed(&by_key).signers.iter().map(|s| s.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 3]);
    for signer in &signed(&by_key).signers {
        let broken = damaged(&by_key, &signer.signature);
        assert!(!lab.verifies(&broken, None));
        assert_eq!(
            reports(&broken, None, &[])
                .iter()
                .filter(|r| r.is_good())
                .count(),
            1
        );
    }
    // A countersignature too.
    let parent = &signed(&by_key).signers[0].signature;
    let signer = Signer::new(&dave, vec![]).by_key_identifier();
    let above = countersign::make_as(parent, &signer, now()).unwrap();
    let added = countersign::add(&by_key, 0, &above, &[]).unwrap();
    assert!(lab.verifies(&added, None));
    let found = reports(&added, None, &[]);
    let above: Vec<_> = found.iter().flat_map(|r| &r.countersigners).collect();
    assert_eq!((above.len(), above[0].problems.len()), (1, 0));
}

#[test]
fn a_signer_is_added_and_the_first_keeps_every_octet() {
    let Some(lab) = lab() else { return };
    let (alice, bob, dave) = (
        lab.identity("alice"),
        lab.identity("bob"),
        lab.identity("dave"),
    );
    let label = vec![ess::security_label(&LABEL)];
    for (form, streamed) in [
        (Form::Attached, false),
        (Form::Detached, false),
        (Form::Attached, true),
    ] {
        let detached = (form == Form::Detached).then_some(CONTENT);
        let first = match streamed {
            true => lab.sign("p-ber", "alice", &["-stream"]),
            false => make(&[Signer::new(&alice, label.clone())], form),
        };
        // Somebody has countersigned it already.
        let parent = signed(&first).signers[0].signature.to_vec();
        let above = countersign::make(&parent, &dave, now()).unwrap();
        let chain = [dave.certificate().clone()];
        let first = countersign::add(&first, 0, &above, &chain).unwrap();
        let kept = signed(&first).signers[0].raw.to_vec();

        let signer = Signer::new(&bob, vec![]).by_key_identifier();
        let both = add_signer(&first, detached, &signer, now(), &[]).unwrap();
        assert!(lab.verifies(&both, detached));
        let found = reports(&both, detached, &[]);
        assert_eq!(found.len(), 2);
        assert!(all_good(&found), "{found:?}");
        assert!(
            signed(&both)
                .signers
                .iter()
                .any(|signer| signer.raw == kept)
        );
        assert!(signed(&both).content == signed(&first).content);
        for certificate in signed(&first).certificates {
            assert!(signed(&both).certificates.contains(&certificate));
        }
        let of_bob = found
            .iter()
            .find(|r| r.certificate.as_ref() == Some(bob.certificate()));
        let wanted = (!streamed).then_some(&LABEL[..]);
        assert_eq!(
            of_bob.unwrap().label_der.as_deref(),
            wanted,
            "the label is copied"
        );
        let of_alice = found
            .iter()
            .find(|r| r.certificate.as_ref() == Some(alice.certificate()))
            .unwrap();
        assert!(all_good(&of_alice.countersigners));

        // Damage in one leaves the other one good.
        let broken = damaged(&both, &of_bob.unwrap().signature);
        let found = reports(&broken, detached, &[]);
        assert_eq!(found.iter().filter(|report| report.is_good()).count(), 1);

        let second = Signer::new(&dave, vec![ess::security_label(&OTHER)]);
        assert_eq!(
            add_signer(&first, detached, &second, now(), &[]),
            Err(SignError::Differs(ess::SECURITY_LABEL)),
            "another label, or one where the others have none"
        );
        let wrong = (form == Form::Attached).then_some(CONTENT);
        assert_eq!(
            add_signer(&first, wrong, &signer, now(), &[]),
            Err(SignError::NotOneContent)
        );
    }
    assert!(matches!(
        add_signer(b"\x30\x00", None, &Signer::new(&bob, vec![]), now(), &[]),
        Err(SignError::Layer(_))
    ));
}

#[test]
fn ed25519_signs_and_verifies() {
    let Some(lab) = lab() else { return };
    let erin = lab.identity("erin");
    let cms = make(&[Signer::new(&erin, vec![])], Form::Attached);
    let report = &reports(&cms, None, &[])[0];
    assert_eq!(report.problems, []);
    assert!(report.is_good());
    assert_eq!(report.scheme, Some(SignatureScheme::Ed25519));
    // RFC 8419 §3.1
    assert_eq!(report.digest, Some(Digest::Sha512));
    for part in [&CONTENT[..40], &report.signature] {
        assert!(!all_good(&reports(&damaged(&cms, part), None, &[])));
    }
    // OpenSSL 3.0 knows no Ed25519 in CMS; it knows the signature itself.
    let info = &signed(&cms).signers[0];
    lab.write("ed.sig", &info.signature);
    lab.write("ed.in", &info.signed_octets().unwrap());
    let verify = [
        "pkeyutl", "-verify", "-rawin", "-inkey", "erin.key", "-sigfile", "ed.sig", "-in", "ed.in",
    ];
    assert!(lab.openssl(&verify));
    lab.write("ed.in", &info.signed_octets().unwrap()[1..]);
    assert!(!lab.openssl(&verify));
    // Countersigned by it, too.
    let alice = lab.identity("alice");
    let parent = make(&[Signer::new(&alice, vec![])], Form::Attached);
    let above = countersign::make(&signed(&parent).signers[0].signature, &erin, now()).unwrap();
    let added = countersign::add(&parent, 0, &above, &[erin.certificate().clone()]).unwrap();
    assert!(all_good(&reports(&added, None, &[])[0].countersigners));
}

#[test]
fn pkcs1_is_made_only_when_it_is_asked_for_and_sha_1_never() {
    let Some(lab) = lab() else { return };
    let dave = lab.identity("dave");
    let scheme = |signer: Signer<'_>| {
        let cms = make(&[signer], Form::Attached);
        assert!(lab.verifies(&cms, None));
        reports(&cms, None, &[])[0].scheme
    };
    assert_eq!(
        scheme(Signer::new(&dave, vec![])),
        Some(SignatureScheme::pss(Digest::Sha384))
    );
    let pkcs1 = SignatureScheme::RsaPkcs1(Digest::Sha256);
    assert_eq!(
        scheme(Signer::new(&dave, vec![]).with_scheme(pkcs1)),
        Some(pkcs1)
    );
    let sha1 = SignatureScheme::RsaPkcs1(Digest::Sha1);
    let order = SignOrder {
        content: CONTENT,
        content_type: oid::DATA,
        form: Form::Attached,
        signers: &[Signer::new(&dave, vec![]).with_scheme(sha1)],
        signing_time: now(),
        extra_certificates: &[],
    };
    assert!(matches!(sign(&order), Err(SignError::Scheme(_))));
}

#[test]
fn what_is_weak_is_read_as_weak_and_what_is_forged_as_forged() {
    let Some(lab) = lab() else { return };
    let pss = ["-keyopt", "rsa_padding_mode:pss"];
    for (name, options, weakness) in [
        ("alice", &["-md", "sha1"][..], "SHA-1"),
        ("dave", &["-md", "sha1"][..], "SHA-1"),
        ("old", &["-md", "sha256"][..], "RSA with 1024 bits"),
        ("old", &["-md", "sha384"][..], "RSA with 1024 bits"),
        ("old", &pss[..], "RSA with 1024 bits"),
    ] {
        let cms = lab.sign("weak", name, options);
        let report = &reports(&cms, None, &[])[0];
        assert!(
            report.is_good(),
            "{name} {options:?}: {:?}",
            report.problems
        );
        let weak = SignatureProblem::WeakAlgorithm(weakness.to_owned());
        assert!(report.problems.contains(&weak), "{:?}", report.problems);
        let broken = &reports(&damaged(&cms, &report.signature), None, &[])[0];
        assert!(!broken.is_good(), "{name} {options:?}");
        assert!(broken.problems.contains(&SignatureProblem::Signature));
    }
}

#[test]
fn layers_that_nobody_signed_say_so() {
    let Some(lab) = lab() else { return };
    let bag = [lab.certificate("alice"), lab.certificate("dave")];
    let only = certificates_only(&bag);
    assert!(reports(&only, None, &[]).is_empty());
    assert_eq!(signed(&only).certificates.len(), 2);
    assert!(signed(&only).content.is_none());
    lab.write("only.p7c", &only);
    let print = [
        "pkcs7",
        "-inform",
        "DER",
        "-in",
        "only.p7c",
        "-print_certs",
        "-noout",
    ];
    assert!(lab.openssl(&print));
    lab.write("only.p7c", &only[1..]);
    assert!(!lab.openssl(&print));

    // RFC 3183 §3: what a domain signs when nobody signed before it.
    let nobody = unsigned(CONTENT, &oid::DATA);
    assert!(reports(&nobody, None, &[]).is_empty());
    assert!(!all_good(&reports(&nobody, None, &[])));
    assert!(signed(&nobody).content.as_deref() == Some(CONTENT));
    let alice = lab.identity("alice");
    let signer = Signer::new(&alice, vec![]);
    let somebody = add_signer(&nobody, None, &signer, now(), &[]).unwrap();
    assert!(lab.verifies(&somebody, None));
    assert!(all_good(&reports(&somebody, None, &[])));
}

// RFC 8551 §2.2: PKCS #1 v1.5 is made for a far side that takes nothing else, and for nobody besides.
#[test]
fn the_older_padding_is_made_only_when_it_is_asked_for() {
    let Some(lab) = lab() else { return };
    let (alice, dave) = (lab.identity("alice"), lab.identity("dave"));
    let scheme = |padding| {
        let signer = Signer::new(&dave, vec![]).with_rsa_padding(padding);
        let layer = make(&[signer], Form::Attached);
        assert!(lab.verifies(&layer, None));
        reports(&layer, None, &[])[0].scheme.unwrap()
    };
    assert!(matches!(
        scheme(RsaPadding::Pkcs1),
        SignatureScheme::RsaPkcs1(_)
    ));
    assert!(matches!(
        scheme(RsaPadding::Pss),
        SignatureScheme::RsaPss { .. }
    ));
    // A key of another kind signs as it does.
    let signer = Signer::new(&alice, vec![]).with_rsa_padding(RsaPadding::Pkcs1);
    assert_eq!(signer.scheme, alice.default_scheme());
}
