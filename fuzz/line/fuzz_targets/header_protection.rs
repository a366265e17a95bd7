//! A whole message, walked through: signed and encrypted layers, protected header fields in every dialect,
//! conflicts. And the attribute of RFC 7508 by itself: what is read is written, and read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::ess::SecureHeaderFields;
use ravelin::open;
use ravelin_fuzz_line::{SCENE, piece, value};

fuzz_target!(|octets: &[u8]| {
    if let Ok(facts) = open::facts(&SCENE.opener(), piece(octets)) {
        assert!(facts.layers.len() <= 9);
        for name in ["Subject", "From", "HP-Outer"] {
            let _ = facts.field(name);
        }
    }
    if let Ok(fields) = SecureHeaderFields::read(octets) {
        let written = fields.attribute();
        assert_eq!(SecureHeaderFields::read(value(&written)), Ok(fields));
    }
});
