//! The index of a message: every range lies inside the one around it, parts do not overlap, and what is
//! decoded comes from the part alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::message::header::{self, Headers};
use ravelin::message::mime::{Entity, Limits};

fuzz_target!(|octets: &[u8]| {
    let _ = Headers::parse(octets, header::Limits::default());
    if let Ok(entity) = Entity::parse_all(octets, Limits::default()) {
        assert_eq!(entity.range, 0..octets.len());
        look(&entity, octets);
    }
});

fn look(entity: &Entity, octets: &[u8]) {
    assert!(entity.range.start <= entity.body.start && entity.body.end <= entity.range.end);
    for field in entity.headers.fields() {
        assert!(
            entity.range.start <= field.range().start && field.range().end <= entity.body.start
        );
        assert!(!field.name().is_empty());
    }
    if let Ok(decoded) = entity.decoded(octets) {
        assert!(decoded.len() <= entity.body.len());
    }
    let (_, _) = (entity.file_name(), entity.smime());
    let mut end = entity.body.start;
    for child in &entity.children {
        assert!(end <= child.range.start && child.range.end <= entity.body.end);
        end = child.range.end;
        look(child, octets);
    }
}
