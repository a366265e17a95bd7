//! The MIME index: every range lies in its parent's, and editing a header leaves the body as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::message::header::{Headers, Limits, without};
use ravelin::message::mime::Entity;
use ravelin::message::text;

fuzz_target!(|octets: &[u8]| {
    if let Ok(entity) = Entity::parse_all(octets, Limits::default()) {
        look(&entity, octets);
    }
    if let Ok((_, body)) = Headers::parse(octets, Limits::default())
        && let Ok(edited) = without(octets, &["Bcc"], Limits::default())
    {
        assert!(edited.ends_with(&octets[body..]));
    }
    let _ = text::of(octets);
});

fn look(entity: &Entity, octets: &[u8]) {
    assert!(entity.range.end <= octets.len());
    assert!(entity.range.start <= entity.body.start && entity.body.end <= entity.range.end);
    let _ = entity.decoded(octets);
    let _ = (entity.smime(), entity.file_name());
    for child in &entity.children {
        assert!(child.range.start >= entity.body.start && child.range.end <= entity.body.end);
        look(child, octets);
    }
}
