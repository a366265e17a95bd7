//! The military header fields: what is read is written, and read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::message::header::{Headers, Limits, Writer};
use ravelin::message::military::Military;

fuzz_target!(|octets: &[u8]| {
    let Ok((headers, _)) = Headers::parse(octets, Limits::default()) else {
        return;
    };
    let Ok(military) = Military::read(&headers) else {
        return;
    };
    let mut writer = Writer::new();
    for (name, value) in military.write() {
        if writer.field(&name, &value).is_err() {
            return;
        }
    }
    let written = writer.with_body(b"");
    if let Ok((headers, _)) = Headers::parse(&written, Limits::default()) {
        assert_eq!(Military::read(&headers), Ok(military));
    }
});
