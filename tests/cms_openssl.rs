//! CMS layers against the `openssl` program: it reads what we make, we read what it makes, and
//! neither accepts what was damaged. Skips aloud where the program is absent.

#[path = "cms_openssl/lab.rs"]
mod lab;

use lab::{CONTENT, lab};
use ravelin::clock::Timestamp;
use ravelin::crypto::algorithm::{ContentCipher, Digest, KeyWrap, SignatureScheme};
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::attribute::AttributeDer;
use ravelin::crypto::cms::decrypt::{self, DecryptError, decrypt};
use ravelin::crypto::cms::envelope::{EnvelopeError, EnvelopeOrder, envelope, seal};
use ravelin::crypto::cms::read::{
    AuthEnvelopedData, ContentInfo, EnvelopedData, Limits, RecipientInfo, SignedData, parse,
};
use ravelin::crypto::cms::sign::{Form, SignError, SignOrder, Signer, sign};
use ravelin::crypto::cms::verify::{self, SignatureProblem, SignerReport};
use ravelin::crypto::cms::{countersign, oid};
use ravelin::crypto::ess;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::provider;

fn now() -> Timestamp {
    Timestamp::now()
}

fn signed(cms: &[u8]) -> SignedData<'_> {
    match parse(cms, &Limits::default()) {
        Ok(ContentInfo::Signed(signed)) => signed,
        other => panic!("not SignedData: {other:?}"),
    }
}

fn reports(cms: &[u8], detached: Option<&[u8]>, more: &[Certificate]) -> Vec<SignerReport> {
    let signed = signed(cms);
    let mut certificates = verify::certificates(&signed);
    certificates.extend_from_slice(more);
    verify::verify(&signed, detached, &certificates)
}

fn all_good(reports: &[SignerReport]) -> bool {
    !reports.is_empty() && reports.iter().all(SignerReport::is_good)
}

fn make(signers: &[Signer<'_>], form: Form) -> Vec<u8> {
    sign(&SignOrder {
        content: CONTENT,
        content_type: oid::DATA,
        form,
        signers,
        signing_time: now(),
        extra_certificates: &[],
    })
    .unwrap()
}

/// `input` with one bit flipped in the first place where `part` stands.
fn damaged(input: &[u8], part: &[u8]) -> Vec<u8> {
    let at = input
        .windows(part.len())
        .position(|window| window == part)
        .expect("the part is there");
    let mut out = input.to_vec();
    out[at + part.len() / 2] ^= 1;
    out
}

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

const CIPHERS: [ContentCipher; 4] = [
    ContentCipher::Aes256Cbc,
    ContentCipher::Aes256Gcm,
    ContentCipher::Aes128Cbc,
    ContentCipher::Aes128Gcm,
];

#[test]
fn openssl_decrypts_what_we_encrypt_and_a_constant_key_does_not() {
    let Some(lab) = lab() else { return };
    let names = ["enc-p256", "enc-p384", "enc-p384b", "enc-p521", "enc-rsa"];
    let certificates: Vec<Certificate> = names.iter().map(|name| lab.certificate(name)).collect();
    for cipher in CIPHERS {
        let cms = envelope(CONTENT, &certificates, cipher).unwrap();
        for name in names {
            assert!(
                lab.decrypts(&cms, name).as_deref() == Some(CONTENT),
                "{name} {cipher:?}"
            );
            let opened = open(&cms, &[lab.identity(name)]);
            assert!(opened.as_deref() == Ok(CONTENT), "{name} {cipher:?}");
        }
        assert_eq!(lab.decrypts(&cms, "enc-other"), None);
        assert_eq!(
            open(&cms, &[lab.identity("enc-other")]),
            Err(DecryptError::NotForUs)
        );
        let recipients = recipient_infos(&cms, |infos| infos.len());
        assert_eq!(recipients, 4, "one for each curve, one for the RSA key");
        assert_eq!(no_constant_key_unwraps(&cms), 4);
    }
    // Each alone, too.
    for (name, certificate) in names.iter().zip(&certificates) {
        let cms = envelope(CONTENT, std::slice::from_ref(certificate), CIPHERS[1]).unwrap();
        assert!(
            lab.decrypts(&cms, name).as_deref() == Some(CONTENT),
            "{name}"
        );
        no_constant_key_unwraps(&cms);
    }
}

/// How many wrapped keys were tried.
fn no_constant_key_unwraps(cms: &[u8]) -> usize {
    recipient_infos(cms, |infos| {
        let mut tried = 0;
        for info in infos {
            let RecipientInfo::KeyAgreement(agreement) = info else {
                continue;
            };
            let wrap = KeyWrap::from_oid(&agreement.wrap.oid).unwrap();
            for key in &agreement.keys {
                for octet in [0x00, 0xff] {
                    let constant = vec![octet; wrap.key_length()];
                    let unwrapped =
                        provider::default().unwrap_key(wrap, &constant, &key.encrypted_key);
                    assert!(unwrapped.is_err(), "a constant key unwraps the content key");
                }
                tried += 1;
            }
        }
        tried
    })
}

fn recipient_infos<T>(cms: &[u8], look: impl Fn(&[RecipientInfo<'_>]) -> T) -> T {
    match parse(cms, &Limits::default()).unwrap() {
        ContentInfo::Enveloped(data) => look(&data.recipients),
        ContentInfo::AuthEnveloped(data) => look(&data.recipients),
        other => panic!("{other:?}"),
    }
}

fn open(cms: &[u8], identities: &[Identity]) -> Result<Vec<u8>, DecryptError> {
    match parse(cms, &Limits::default()).expect("the layer parses") {
        ContentInfo::Enveloped(data) => decrypt(&data, identities),
        ContentInfo::AuthEnveloped(data) => decrypt(&data, identities),
        other => panic!("{other:?}"),
    }
    .map(|content| content.to_vec())
}

fn enveloped(cms: &[u8]) -> EnvelopedData<'_> {
    match parse(cms, &Limits::default()) {
        Ok(ContentInfo::Enveloped(data)) => data,
        other => panic!("{other:?}"),
    }
}

fn auth_enveloped(cms: &[u8]) -> AuthEnvelopedData<'_> {
    match parse(cms, &Limits::default()) {
        Ok(ContentInfo::AuthEnveloped(data)) => data,
        other => panic!("{other:?}"),
    }
}

#[test]
fn we_decrypt_what_openssl_encrypts() {
    let Some(lab) = lab() else { return };
    let sha384 = ["-keyopt", "ecdh_kdf_md:sha384"];
    let cases: &[(&str, &str, &[&str])] = &[
        ("enc-p384", "-aes-256-cbc", &["-aes256-wrap"]),
        ("enc-p384", "-aes-256-cbc", &["-aes256-wrap", "-stream"]),
        ("enc-p384", "-aes-256-gcm", &["-aes256-wrap"]),
        ("enc-p384", "-aes-256-gcm", &["-aes256-wrap", "-stream"]),
        ("enc-p384", "-aes-128-cbc", &["-aes128-wrap"]),
        ("enc-p384", "-aes-192-cbc", &["-aes192-wrap"]),
        ("enc-p256", "-aes-256-cbc", &["-aes256-wrap"]),
        ("enc-p521", "-aes-256-gcm", &["-aes256-wrap"]),
    ];
    for (name, cipher, options) in cases {
        for keyid in [&[][..], &["-keyid"][..]] {
            let mut all = vec![*cipher];
            all.extend_from_slice(options);
            all.extend_from_slice(keyid);
            let cms = lab.encrypt(name, &all, &sha384);
            let opened = open(&cms, &[lab.identity("enc-other"), lab.identity(name)]);
            assert!(opened.as_deref() == Ok(CONTENT), "{name} {all:?}");
            assert_eq!(
                open(&cms, &[lab.identity("enc-other")]),
                Err(DecryptError::NotForUs)
            );
        }
    }
    for more in [
        &["-keyopt", "ecdh_kdf_md:sha256"][..],
        &["-keyopt", "ecdh_kdf_md:sha512"],
        &[
            "-keyopt",
            "ecdh_kdf_md:sha384",
            "-keyopt",
            "ecdh_cofactor_mode:1",
        ],
    ] {
        let cms = lab.encrypt("enc-p384", &["-aes-256-cbc", "-aes256-wrap"], more);
        assert!(
            open(&cms, &[lab.identity("enc-p384")]).as_deref() == Ok(CONTENT),
            "{more:?}"
        );
    }
}

#[test]
fn oaep_is_read_and_pkcs1_and_sha1_agreement_are_refused() {
    let Some(lab) = lab() else { return };
    let rsa = [lab.identity("enc-rsa")];
    for md in ["sha1", "sha256", "sha384", "sha512"] {
        let (hash, mask) = (format!("rsa_oaep_md:{md}"), format!("rsa_mgf1_md:{md}"));
        let oaep = [
            "-keyopt",
            "rsa_padding_mode:oaep",
            "-keyopt",
            &hash,
            "-keyopt",
            &mask,
        ];
        let cms = lab.encrypt("enc-rsa", &["-aes-256-cbc"], &oaep);
        assert!(open(&cms, &rsa).as_deref() == Ok(CONTENT), "{md}");
        let wrong = damaged(&cms, &transported_key(&cms));
        assert_eq!(open(&wrong, &rsa), Err(DecryptError::Failed));
    }
    let pkcs1 = lab.encrypt("enc-rsa", &["-aes-256-cbc"], &[]);
    assert!(matches!(
        open(&pkcs1, &rsa),
        Err(DecryptError::NotAccepted(_))
    ));
    let sha1 = lab.encrypt("enc-p384", &["-aes-256-cbc", "-aes256-wrap"], &[]);
    let p384 = [lab.identity("enc-p384")];
    assert!(matches!(
        open(&sha1, &p384),
        Err(DecryptError::NotAccepted(_))
    ));
    let two = lab.encrypt_two();
    for name in ["enc-p384", "enc-rsa"] {
        assert!(
            open(&two, &[lab.identity(name)]).as_deref() == Ok(CONTENT),
            "{name}"
        );
    }
    assert_eq!(decrypt::recipients((&enveloped(&two)).into()).len(), 2);
}

fn transported_key(cms: &[u8]) -> Vec<u8> {
    recipient_infos(cms, |infos| match &infos[0] {
        RecipientInfo::KeyTransport(transport) => transport.encrypted_key.to_vec(),
        other => panic!("{other:?}"),
    })
}

#[test]
fn every_failure_after_the_key_is_the_same_failure() {
    let Some(lab) = lab() else { return };
    let identity = [lab.identity("enc-p384")];
    let certificate = [lab.certificate("enc-p384")];
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc] {
        let cms = envelope(CONTENT, &certificate, cipher).unwrap();
        let (wrapped, point) = recipient_infos(&cms, |infos| match &infos[0] {
            RecipientInfo::KeyAgreement(agreement) => (
                agreement.keys[0].encrypted_key.to_vec(),
                agreement.originator.public_key.raw_bytes().to_vec(),
            ),
            other => panic!("{other:?}"),
        });
        let mut parts = vec![wrapped, point];
        if cipher == ContentCipher::Aes256Gcm {
            let data = auth_enveloped(&cms);
            parts.push(data.mac.to_vec());
            parts.push(data.content.octets.as_deref().unwrap()[..32].to_vec());
        }
        for part in parts {
            assert_eq!(
                open(&damaged(&cms, &part), &identity),
                Err(DecryptError::Failed)
            );
        }
    }
    // The wrong key under the right name.
    let cms = envelope(CONTENT, &certificate, ContentCipher::Aes256Gcm).unwrap();
    assert_eq!(
        open(&cms, &[lab.identity("enc-p384-other-key")]),
        Err(DecryptError::Failed)
    );
}

#[test]
fn authenticated_attributes_are_bound_to_the_content() {
    let Some(lab) = lab() else { return };
    let label = ess::security_label(&[0x31, 6, 2, 1, 3, 6, 1, 0x29]);
    let order = EnvelopeOrder {
        content: CONTENT,
        content_type: oid::DATA,
        recipients: &[lab.certificate("enc-p384")],
        cipher: ContentCipher::Aes256Gcm,
        authenticated: std::slice::from_ref(&label),
    };
    let cms = seal(&order).unwrap();
    let identity = [lab.identity("enc-p384")];
    // OpenSSL 3.0 cannot be asked: it looks for authAttrs under [2], where RFC 5083 §2.1 has [1],
    // and does not authenticate them.
    assert!(open(&cms, &identity).as_deref() == Ok(CONTENT));
    let data = auth_enveloped(&cms);
    assert!(
        data.authenticated
            .iter()
            .any(|attribute| attribute.oid == ess::SECURITY_LABEL)
    );
    let broken = damaged(&cms, label.der());
    assert!(open(&broken, &identity).is_err());
    let cbc = EnvelopeOrder {
        cipher: ContentCipher::Aes256Cbc,
        ..order
    };
    assert_eq!(seal(&cbc), Err(EnvelopeError::Attributes));
    assert_eq!(
        envelope(CONTENT, &[], ContentCipher::Aes256Gcm),
        Err(EnvelopeError::NoRecipient)
    );
}

/// What is made by us reads back by an independent set of types.
#[test]
fn the_cms_crates_types_read_what_we_make() {
    use der::Decode;
    let Some(lab) = lab() else { return };
    let alice = lab.identity("alice");
    let cms = make(&[Signer::new(&alice, vec![])], Form::Attached);
    let info = cms::content_info::ContentInfo::from_der(&cms).unwrap();
    let data = info
        .content
        .decode_as::<cms::signed_data::SignedData>()
        .unwrap();
    assert_eq!(data.signer_infos.0.len(), 1);
    let certificate = [lab.certificate("enc-p384")];
    let sealed = envelope(CONTENT, &certificate, ContentCipher::Aes256Cbc).unwrap();
    let info = cms::content_info::ContentInfo::from_der(&sealed).unwrap();
    let data = info
        .content
        .decode_as::<cms::enveloped_data::EnvelopedData>()
        .unwrap();
    assert_eq!(data.recip_infos.0.len(), 1);
}

fn vector(folder: &str, name: &str) -> Option<Vec<u8>> {
    let path = format!(
        "{}/../shared/vectors/{folder}/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let read = std::fs::read(&path).ok();
    if read.is_none() {
        eprintln!("skipped: {path} is not there");
    }
    read
}

#[test]
fn rfc_4134_samples_are_good_but_weak() {
    let Some(content) = vector("rfc4134", "ExContent.bin") else {
        return;
    };
    let mut others = Vec::new();
    for name in ["AliceRSASignByCarl.cer", "DianeRSASignByCarl.cer"] {
        let Some(der) = vector("rfc4134", name) else {
            return;
        };
        others.push(Certificate::from_der(&der).unwrap());
    }
    let Some(rsa) = vector("rfc4134", "4.5.bin") else {
        return;
    };
    let found = reports(&rsa, None, &others);
    assert_eq!(found.len(), 1);
    assert!(found[0].is_good(), "{:?}", found[0].problems);
    assert!(
        found[0]
            .weaknesses()
            .any(|p| matches!(p, SignatureProblem::WeakAlgorithm(_)))
    );
    let broken = damaged(&rsa, b"sample");
    assert!(!all_good(&reports(&broken, None, &others)));
    // DSA is not among our schemes: every other sample says so, and none is called good.
    for name in ["4.2.bin", "4.3.bin", "4.6.bin"] {
        let Some(file) = vector("rfc4134", name) else {
            return;
        };
        let detached = (name == "4.3.bin").then_some(content.as_slice());
        for report in reports(&file, detached, &others) {
            assert!(
                report.is_good()
                    || report
                        .problems
                        .iter()
                        .any(|p| matches!(p, SignatureProblem::UnknownScheme(_))),
                "{name}: {:?}",
                report.problems
            );
        }
    }
    let Some(bags) = vector("rfc4134", "4.11.bin") else {
        return;
    };
    assert!(reports(&bags, None, &others).is_empty());
}

#[test]
fn rfc_9216_identities_sign_and_decrypt() {
    let load = |name: &str| {
        let certificate = vector("rfc9216", &format!("{name}.crt"))?;
        let key = vector("rfc9216", &format!("{name}.key"))?;
        Some(Identity::from_pem(&certificate, &key, None).unwrap())
    };
    let (Some(signs), Some(reads)) = (load("alice.sign"), load("bob.encrypt")) else {
        return;
    };
    let inner = make(&[Signer::new(&signs, vec![])], Form::Attached);
    let cipher = ContentCipher::Aes256Gcm;
    let sealed = envelope(&inner, &[reads.certificate().clone()], cipher).unwrap();
    let opened = open(&sealed, &[reads]).unwrap();
    assert_eq!(opened, inner);
    assert!(all_good(&reports(&opened, None, &[])));
    let (Some(other), Some(_)) = (load("alice.encrypt"), load("bob.sign")) else {
        return;
    };
    assert_eq!(open(&sealed, &[other]), Err(DecryptError::NotForUs));
}
