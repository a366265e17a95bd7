//! CompressedData is inflated within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::cms::inflate::{InflateLimits, inflate};
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};

fuzz_target!(|octets: &[u8]| {
    if let Ok(ContentInfo::Compressed(data)) = parse(octets, &Limits::default()) {
        let limits = InflateLimits::default();
        if let Ok(content) = inflate(&data, &limits) {
            assert!(content.len() <= limits.octets);
        }
    }
});
