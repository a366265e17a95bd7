//! SIO-Label and its history: what is read is written, and read again as the same field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_fuzz::POLICIES;
use ravelin_fuzz::label::detect;
use ravelin_fuzz::label::history;
use ravelin_fuzz::label::sio::{History, SioLabel};

fuzz_target!(|octets: &[u8]| {
    let _ = detect::label_tolerantly(octets, &POLICIES);
    let Ok(body) = std::str::from_utf8(octets) else {
        return;
    };
    if let Ok(field) = SioLabel::parse(body) {
        let _ = field.label(&POLICIES, &[]);
        assert_eq!(SioLabel::parse(&field.write()), Ok(field));
    }
    let _ = history::read(body, &POLICIES, &[]);
    if let Ok(history) = History::parse(body) {
        assert_eq!(History::parse(&history.write()), Ok(history));
    }
});
