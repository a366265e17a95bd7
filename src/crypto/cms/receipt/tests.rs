//! Receipts that are owed and not, good and forged.

use super::*;
use crate::crypto::cms::attribute::AttributeDer;
use crate::crypto::cms::read::{ContentInfo, Limits, parse};
use crate::crypto::ess::{MailListExpansion, MailListIdentifier};
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, Request, Usage};

fn identity(name: &str) -> Identity {
    let now = Timestamp::now();
    let authority = Authority::new("Test", now).unwrap();
    authority
        .issue(Request::new(name, Usage::Sign, now))
        .unwrap()
}

fn names(address: &str) -> Vec<GeneralName> {
    vec![GeneralName::Email(address.into())]
}

fn request(id: &[u8], from: ReceiptsFrom) -> ReceiptRequest {
    ReceiptRequest {
        content_identifier: id.to_vec(),
        from,
        to: vec![names("anna@x.test")],
    }
}

fn signed(cms: &[u8]) -> SignedData<'_> {
    match parse(cms, &Limits::default()).unwrap() {
        ContentInfo::Signed(signed) => signed,
        other => panic!("{other:?}"),
    }
}

fn report(cms: &[u8]) -> SignerReport {
    let signed = signed(cms);
    let certificates = verify::certificates(&signed);
    verify::verify(&signed, None, &certificates).remove(0)
}

fn message(by: &Identity, content: &[u8], attributes: Vec<AttributeDer>) -> Vec<u8> {
    sign::sign(&SignOrder {
        content,
        content_type: oid::DATA,
        form: Form::Attached,
        signers: &[Signer::new(by, attributes)],
        signing_time: Timestamp::now(),
        extra_certificates: &[],
    })
    .unwrap()
}

fn held_against(cms: &[u8], expected: &Expectation) -> Result<Vec<SignerReport>, ReceiptProblem> {
    let signed = signed(cms);
    verify(&signed, expected, &verify::certificates(&signed))
}

#[test]
fn a_receipt_is_for_one_message_and_no_other() {
    let (anna, bo) = (identity("Anna"), identity("Bo"));
    let ask = |id: &[u8]| vec![request(id, ReceiptsFrom::All).attribute()];
    let sent = message(&anna, b"come at once", ask(b"id1"));
    let expected = Expectation::of(&report(&sent)).unwrap();
    let receipt = make(&report(&sent), &Signer::new(&bo, vec![]), Timestamp::now()).unwrap();
    assert_eq!(read(&signed(&receipt)), Ok(expected.reference.clone()));
    let by = held_against(&receipt, &expected).unwrap();
    assert_eq!(by.len(), 1);
    assert_eq!(by[0].certificate.as_ref(), Some(bo.certificate()));
    assert_eq!(signed(&receipt).content_type, oid::RECEIPT);

    // Another content, another identifier, another signature over the same: another message.
    let twin = identity("Anna");
    for (by, content, id) in [
        (&anna, &b"stay away"[..], &b"id1"[..]),
        (&anna, b"come at once", b"id2"),
        (&twin, b"come at once", b"id1"),
    ] {
        let other = Expectation::of(&report(&message(by, content, ask(id)))).unwrap();
        assert_eq!(
            held_against(&receipt, &other).unwrap_err(),
            ReceiptProblem::OtherMessage
        );
    }
    let mut other = expected.clone();
    other.message_signature_digest[0] ^= 1;
    assert_eq!(
        held_against(&receipt, &other).unwrap_err(),
        ReceiptProblem::OtherSignatureDigest
    );
    let signature = signed(&receipt).signers[0].signature.to_vec();
    let at = receipt
        .windows(signature.len())
        .position(|window| window == signature)
        .unwrap();
    let mut broken = receipt.clone();
    broken[at + signature.len() / 2] ^= 1;
    assert!(matches!(
        held_against(&broken, &expected).unwrap_err(),
        ReceiptProblem::Signature(_)
    ));
    // A message is not a receipt, and a receipt that nobody signed is none.
    assert_eq!(
        held_against(&sent, &expected).unwrap_err(),
        ReceiptProblem::NotAReceipt
    );
    let nobody = sign::unsigned(&expected.reference.receipt_der(), &oid::RECEIPT);
    assert_eq!(
        held_against(&nobody, &expected).unwrap_err(),
        ReceiptProblem::Unsigned
    );
    let garbage = sign::unsigned(b"\x30\x00", &oid::RECEIPT);
    assert_eq!(
        held_against(&garbage, &expected).unwrap_err(),
        ReceiptProblem::Malformed
    );
}

#[test]
fn receipts_that_may_not_be_made_are_not() {
    let (anna, bo) = (identity("Anna"), identity("Bo"));
    let now = Timestamp::now();
    let silent = message(&anna, b"text", vec![]);
    let signer = Signer::new(&bo, vec![]);
    assert_eq!(
        make(&report(&silent), &signer, now),
        Err(ReceiptError::NoRequest)
    );
    let ask = request(b"1", ReceiptsFrom::All).attribute();
    let sent = message(&anna, b"text", vec![ask.clone()]);
    let mut broken = report(&sent);
    broken
        .problems
        .push(verify::SignatureProblem::ContentDigest);
    assert_eq!(make(&broken, &signer, now), Err(ReceiptError::NotGood));
    let asking = Signer::new(&bo, vec![ask.clone()]);
    assert_eq!(
        make(&report(&sent), &asking, now),
        Err(ReceiptError::Attribute(ess::RECEIPT_REQUEST))
    );
    // A receipt that asks for receipts, made by somebody else.
    let expected = Expectation::of(&report(&sent)).unwrap();
    let digest = ess::message_signature_digest(&expected.message_signature_digest);
    let loud = sign::sign(&SignOrder {
        content: &expected.reference.receipt_der(),
        content_type: oid::RECEIPT,
        form: Form::Attached,
        signers: &[Signer::new(&bo, vec![digest, ask])],
        signing_time: now,
        extra_certificates: &[],
    })
    .unwrap();
    assert_eq!(
        held_against(&loud, &expected).unwrap_err(),
        ReceiptProblem::Inconsistent(Inconsistency::NotHere(ess::RECEIPT_REQUEST))
    );
    assert_eq!(
        make(&report(&loud), &signer, now),
        Err(ReceiptError::NoRequest),
        "no receipt for a receipt"
    );
}

#[test]
fn who_owes_a_receipt_and_to_whom() {
    let own = names("Bo@x.test");
    let history = |policy| {
        MailListHistory(vec![MailListExpansion {
            list: MailListIdentifier::SubjectKeyId(vec![1]),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            policy,
        }])
    };
    let all = request(b"1", ReceiptsFrom::All);
    let first = request(b"1", ReceiptsFrom::FirstTier);
    let to_anna = vec![names("anna@x.test")];
    let to_list = vec![names("list@x.test")];
    assert_eq!(owed(&all, None, &own), Ok(to_anna.clone()));
    assert_eq!(owed(&first, None, &own), Ok(to_anna.clone()));
    let asked = |address: &str| request(b"1", ReceiptsFrom::List(vec![names(address)]));
    assert_eq!(owed(&asked("bo@X.test"), None, &own), Ok(to_anna.clone()));
    assert_eq!(
        owed(&asked("carl@x.test"), None, &own),
        Err(NotOwed::NotAsked)
    );

    let through = |request: &ReceiptRequest, policy, signer| {
        let history = history(policy);
        let lists = ThroughLists {
            history: &history,
            signer,
        };
        owed(request, Some(lists), &own)
    };
    let listed = ListSigner::Authorised;
    assert_eq!(through(&all, None, listed), Ok(to_anna.clone()));
    assert_eq!(through(&first, None, listed), Err(NotOwed::FirstTierOnly));
    assert_eq!(
        through(&all, Some(MailListReceipts::None), listed),
        Err(NotOwed::ListForbids)
    );
    let instead = || Some(MailListReceipts::InsteadOf(to_list.clone()));
    assert_eq!(through(&all, instead(), listed), Ok(to_list.clone()));
    let more = Some(MailListReceipts::InAdditionTo(to_list.clone()));
    assert_eq!(
        through(&all, more, listed),
        Ok([to_anna, to_list.clone()].concat())
    );
    // Somebody who is no mail list wraps the message to have the receipts.
    for policy in [None, instead()] {
        assert_eq!(
            through(&all, policy, ListSigner::Stranger),
            Err(NotOwed::ListUnknown)
        );
    }
}
