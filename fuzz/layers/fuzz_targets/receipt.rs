//! Receipts, requests and mail-list histories: what is read is written, and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::ber::{Limits, Reader, Tag};
use ravelin::crypto::cms::attribute::AttributeDer;
use ravelin::crypto::ess::{ContentReference, MailListHistory, ReceiptRequest};

fuzz_target!(|octets: &[u8]| {
    if let Ok(receipt) = ContentReference::read_receipt(octets) {
        let written = receipt.receipt_der();
        assert_eq!(ContentReference::read_receipt(&written), Ok(receipt));
    }
    if let Ok(request) = ReceiptRequest::read(octets) {
        assert_eq!(
            ReceiptRequest::read(&value(&request.attribute())),
            Ok(request)
        );
    }
    if let Ok(history) = MailListHistory::read(octets) {
        assert_eq!(
            MailListHistory::read(&value(&history.attribute())),
            Ok(history)
        );
    }
});

/// The one value of an attribute of ours.
fn value(attribute: &AttributeDer) -> Vec<u8> {
    let mut fields = Reader::new(attribute.der(), Limits::default())
        .sequence()
        .expect("an attribute");
    fields.oid().expect("its type");
    let values = fields.expect(Tag::SET).expect("its values");
    values.only().expect("one value").whole().to_vec()
}
