//! Military header fields: what is read is written, and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::message::header::{Headers, Limits, Line};
use ravelin::message::military::Military;

fuzz_target!(|octets: &[u8]| {
    let Ok((headers, _)) = Headers::parse(octets, Limits::default()) else {
        return;
    };
    let Ok(military) = Military::read(&headers) else {
        return;
    };
    let mut written = Vec::new();
    for (name, value) in military.write() {
        let Ok(line) = Line::structured(&name, &value) else {
            return;
        };
        written.extend_from_slice(line.bytes());
    }
    let (headers, _) = Headers::parse(&written, Limits::default()).expect("our own header");
    assert_eq!(Military::read(&headers), Ok(military));
});
