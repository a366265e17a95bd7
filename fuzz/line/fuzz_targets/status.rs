//! What machines read in a report: it is read or refused, within its bounds, and nothing that could
//! become a line of its own comes out of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::message::header::Limits;
use ravelin::message::status::{DeliveryStatus, DispositionStatus, MOST_RECIPIENTS, TypedAddress};

fuzz_target!(|octets: &[u8]| {
    if let Ok(status) = DeliveryStatus::parse(octets, Limits::default()) {
        assert!((1..=MOST_RECIPIENTS).contains(&status.recipients.len()));
        plain(&status.reporting_mta);
        status.envelope_id.iter().for_each(|id| plain(id));
        for told in &status.recipients {
            told.original.iter().for_each(address);
            address(&told.last);
            plain(&told.status);
        }
    }
    if let Ok(status) = DispositionStatus::parse(octets, Limits::default()) {
        status.original.iter().for_each(address);
        address(&status.last);
        status.message_id.iter().for_each(|id| plain(id));
    }
});

fn address(address: &TypedAddress) {
    plain(&address.kind);
    plain(&address.text);
    let _ = address.mailbox();
}

fn plain(text: &str) {
    assert!(!text.is_empty() && !text.chars().any(char::is_control));
}
