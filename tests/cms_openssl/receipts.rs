//! Signed receipts, both ways: the program receipts what we sent, and verifies what we receipt.

use ravelin::crypto::cms::receipt::{self, Expectation, ReceiptProblem};
use ravelin::crypto::cms::sign::{Form, Signer};
use ravelin::crypto::cms::verify;
use ravelin::crypto::ess::{GeneralName, ReceiptRequest, ReceiptsFrom};

use crate::lab::{CONTENT, Lab, lab};
use crate::{damaged, make, now, reports, signed};

fn request(id: &[u8]) -> ReceiptRequest {
    ReceiptRequest {
        content_identifier: id.to_vec(),
        from: ReceiptsFrom::All,
        to: vec![vec![GeneralName::Email("alice@lab.example".into())]],
    }
}

/// Whether the program takes this receipt for this message.
fn takes(lab: &Lab, receipt: &[u8], message: &[u8]) -> bool {
    lab.write("receipt.der", receipt);
    lab.write("asked.der", message);
    lab.openssl(&[
        "cms",
        "-verify_receipt",
        "receipt.der",
        "-rctform",
        "DER",
        "-inform",
        "DER",
        "-in",
        "asked.der",
        "-CAfile",
        "ca.crt",
        "-purpose",
        "smimesign",
        "-binary",
        "-out",
        "none.out",
    ])
}

#[test]
fn the_program_verifies_our_receipt() {
    let Some(lab) = lab() else { return };
    let (alice, dave) = (lab.identity("alice"), lab.identity("dave"));
    let asked = lab.sign(
        "asked",
        "alice",
        &[
            "-receipt_request_all",
            "-receipt_request_to",
            "alice@lab.example",
        ],
    );
    let ours = make(
        &[Signer::new(&alice, vec![request(b"id-1").attribute()])],
        Form::Attached,
    );
    for message in [&asked, &ours] {
        let report = &reports(message, None, &[])[0];
        let made = receipt::make(report, &Signer::new(&dave, vec![]), now()).unwrap();
        assert!(takes(lab, &made, message));
        let signature = signed(&made).signers[0].signature.to_vec();
        assert!(!takes(lab, &damaged(&made, &signature), message));
        let other = make(
            &[Signer::new(&alice, vec![request(b"id-2").attribute()])],
            Form::Attached,
        );
        assert!(!takes(lab, &made, &other), "a receipt for another message");
    }
}

#[test]
fn we_verify_the_programs_receipt() {
    let Some(lab) = lab() else { return };
    let alice = lab.identity("alice");
    let sent = make(
        &[Signer::new(&alice, vec![request(b"id-1").attribute()])],
        Form::Attached,
    );
    lab.write("sent.der", &sent);
    assert!(lab.openssl(&[
        "cms",
        "-sign_receipt",
        "-inform",
        "DER",
        "-in",
        "sent.der",
        "-signer",
        "bob.crt",
        "-inkey",
        "bob.key",
        "-md",
        "sha256",
        "-outform",
        "DER",
        "-out",
        "theirs.der",
    ]));
    let theirs = lab.read("theirs.der");
    let expected = Expectation::of(&reports(&sent, None, &[])[0]).unwrap();
    let check = |cms: &[u8], expected: &Expectation| {
        let signed = signed(cms);
        receipt::verify(&signed, expected, &verify::certificates(&signed))
    };
    let by = check(&theirs, &expected).unwrap();
    assert_eq!(by[0].certificate.as_ref(), Some(&lab.certificate("bob")));
    let signature = signed(&theirs).signers[0].signature.to_vec();
    assert!(matches!(
        check(&damaged(&theirs, &signature), &expected).unwrap_err(),
        ReceiptProblem::Signature(_)
    ));
    let again = make(
        &[Signer::new(&alice, vec![request(b"id-1").attribute()])],
        Form::Attached,
    );
    let other = Expectation::of(&reports(&again, None, &[])[0]).unwrap();
    assert_eq!(
        check(&theirs, &other).unwrap_err(),
        ReceiptProblem::OtherMessage
    );
    assert!(signed(&sent).content.as_deref() == Some(CONTENT));
}
