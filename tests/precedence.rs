//! Precedence acts: for each recipient its own, by what the originator signed.

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, rfc5322_date};
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::ess;
use ravelin::label;
use ravelin::message::address::Address;
use ravelin::message::header::Writer;
use ravelin::message::mime::multipart_signed;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// What the drafter of ALDER writes, with these header fields under the signature.
fn composed(world: &World, fields: &[(&str, &str)]) -> Vec<u8> {
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
    let write = || {
        let mut writer = Writer::new();
        for (name, value) in &head {
            writer.field(name, value).unwrap();
        }
        writer
    };
    let mut part = write();
    part.field("Content-Type", "text/plain; hp=\"clear\"")
        .unwrap();
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
    let mut outer = write();
    outer.field("MIME-Version", "1.0").unwrap();
    let mut message = outer.finish();
    message.extend(multipart_signed(&part, "sha-384", &signature).unwrap());
    message
}

/// The `queued` events for our own mailboxes: precedence, and to how many.
fn queued(dir: &std::path::Path) -> Vec<(String, String)> {
    let chain = std::fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap();
    let events = chain
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events
        .filter(|event| event["act"] == "queued")
        .map(|event| {
            let detail = |name: &str| event["details"][name].as_str().unwrap().to_owned();
            (detail("precedence"), detail("recipients"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn action_and_info_recipients_of_one_link_are_two_entries_by_what_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let to = ["reader", "officer", "drafter"].map(|who| address(&format!("{who}@alder.example")));
    let dual = composed(
        &world,
        &[
            ("To", "reader@alder.example"),
            ("Cc", "officer@alder.example"),
            ("MMHS-Primary-Precedence", "4"),
            ("MMHS-Copy-Precedence", "1"),
        ],
    );
    // The program says MT-PRIORITY=2 in the envelope: it neither lowers the one nor raises the others.
    let outcome = world.submit(drafter, &to, &dual).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
    for _ in 0..2 {
        world.alder_mail.wait_for(|_| true).await.unwrap();
    }
    let both = [("FLASH", "1"), ("ROUTINE", "2")];
    assert_eq!(queued(dir.path()), both.map(|(a, b)| (a.into(), b.into())));

    // The twin: one precedence for all is one entry, whatever the recipients are for.
    let same = composed(
        &world,
        &[
            ("To", "reader@alder.example"),
            ("Cc", "officer@alder.example"),
            ("MMHS-Primary-Precedence", "2"),
            ("MMHS-Copy-Precedence", "2"),
        ],
    );
    let outcome = world.submit(drafter, &to, &same).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
    assert_eq!(
        queued(dir.path()).last(),
        Some(&("PRIORITY".into(), "3".into()))
    );
    world.end().await;
}
