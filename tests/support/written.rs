//! What the drafter of ALDER writes, with header fields of the test's own.

use ravelin::cli::demo::World;
use ravelin::clock::rfc5322_date;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::ess;
use ravelin::label;
use ravelin::message::header::Writer;
use ravelin::message::mime::multipart_signed;

/// Whether the header fields stand under the signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    Signed,
    Unsigned,
}

/// A RESTRICTED message to nobody in particular, with these header fields.
pub fn written(world: &World, fields: &[(&str, &str)], are: Fields) -> Vec<u8> {
    let label = world
        .label("RESTRICTED", &[("Releasable To", "ALDER")])
        .unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let at = world.clock.now();
    let date = rfc5322_date(at);
    let mut head = vec![
        ("From", "drafter@alder.example"),
        ("Date", &*date),
        ("Message-ID", "<dual@alder.example>"),
        ("Subject", "Orders"),
    ];
    head.extend(fields);
    let write = |count| {
        let mut writer = Writer::new();
        for (name, value) in head.iter().take(count) {
            writer.field(name, value).unwrap();
        }
        writer
    };
    let (mut part, content_type) = match are {
        Fields::Signed => (write(head.len()), "text/plain; hp=\"clear\""),
        Fields::Unsigned => (write(0), "text/plain"),
    };
    part.field("Content-Type", content_type).unwrap();
    let part = part.with_body(b"Weigh anchor.\r\n");
    let attributes = vec![ess::security_label(&label::ess::encode(&label).unwrap())];
    let signature = sign::sign(&SignOrder {
        content: &part,
        content_type: oid::DATA,
        form: Form::Detached,
        signers: &[Signer::new(&drafter.sign, attributes)],
        signing_time: at,
        extra_certificates: &[],
    })
    .unwrap();
    let mut outer = write(head.len());
    outer.field("MIME-Version", "1.0").unwrap();
    let mut message = outer.finish();
    message.extend(multipart_signed(&part, "sha-384", &signature).unwrap());
    message
}
