//! Requests and receipts: what is read is written, and read as the same; a receipt made of fuzz proves
//! nothing about a message that nobody asked a receipt for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};
use ravelin::crypto::cms::receipt::{self, Expectation};
use ravelin::crypto::cms::verify;
use ravelin::crypto::ess::{ContentReference, MailListHistory, ReceiptRequest};
use ravelin_fuzz_line::value;

fuzz_target!(|octets: &[u8]| {
    if let Ok(request) = ReceiptRequest::read(octets) {
        assert_eq!(
            ReceiptRequest::read(value(&request.attribute())),
            Ok(request)
        );
    }
    if let Ok(reference) = ContentReference::read_receipt(octets) {
        let written = reference.receipt_der();
        assert_eq!(ContentReference::read_receipt(&written), Ok(reference));
    }
    if let Ok(history) = MailListHistory::read(octets) {
        assert_eq!(
            MailListHistory::read(value(&history.attribute())),
            Ok(history)
        );
    }
    let limits = Limits::default();
    if let Ok(ContentInfo::Signed(signed)) = parse(octets, &limits) {
        let certificates = verify::certificates(&signed);
        let reports = verify::verify(&signed, None, &certificates);
        let expected = reports
            .iter()
            .find_map(|report| Expectation::of(report).ok());
        if let (Some(expected), Ok(_)) = (expected, receipt::read(&signed)) {
            let _ = receipt::verify(&signed, &expected, &certificates);
        }
    }
});
