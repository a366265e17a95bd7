//! Every place in which a message says its label: all of them agree, and only a signed one counts.

use std::path::Path;

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::ess;
use ravelin::label::sio::{Inside, SioLabel};
use ravelin::label::{self, Label};
use ravelin::message::address::Address;
use ravelin::message::mime::multipart_signed;

/// What a drafter's program writes, place by place.
#[derive(Default)]
struct Written<'a> {
    /// The label in the signed attributes.
    ess: Option<&'a Label>,
    /// Its octets, where they are not those of ACP 145.
    octets: Option<Vec<u8>>,
    /// Header lines under the signature.
    signed: String,
    /// Header lines outside.
    outside: String,
    subject: &'a str,
    text: &'a str,
}

impl Written<'_> {
    fn message(&self, world: &World) -> Vec<u8> {
        let drafter = world.alder.person("drafter").unwrap();
        let fields = format!(
            "From: drafter@alder.example\r\nTo: reader@alder.example\r\nSubject: {}\r\n",
            self.subject
        );
        let part = format!(
            "{fields}{}Content-Type: text/plain; charset=us-ascii; hp=\"clear\"\r\n\r\n{}\r\n",
            self.signed, self.text
        );
        let written = self.ess.map(|label| label::ess::encode(label).unwrap());
        let label = self.octets.clone().or(written);
        let attributes = label
            .iter()
            .map(|label| ess::security_label(label))
            .collect();
        let signature = sign::sign(&SignOrder {
            content: part.as_bytes(),
            content_type: oid::DATA,
            form: Form::Detached,
            signers: &[Signer::new(&drafter.sign, attributes)],
            signing_time: Timestamp::now(),
            extra_certificates: &[],
        })
        .unwrap();
        let mut message = format!("{fields}{}MIME-Version: 1.0\r\n", self.outside).into_bytes();
        let body = multipart_signed(part.as_bytes(), "sha-384", &signature).unwrap();
        message.extend_from_slice(&body);
        message
    }
}

async fn said(world: &World, written: &Written<'_>) -> String {
    let drafter = world.alder.person("drafter").unwrap();
    let to = [Address::parse("reader@alder.example").unwrap()];
    let message = written.message(world);
    let outcome = world.submit(drafter, &to, &message).await.unwrap();
    format!("{} {}", outcome.reply().code, outcome.reply().text())
}

async fn world(dir: &Path, rules: &str) -> World {
    let mut world = World::found(dir, Clock::system(), rules).await.unwrap();
    world.wake_alder().await.unwrap();
    world
}

/// The header line of a label, without colours.
fn line(world: &World, label: &Label, inside: Inside) -> String {
    let policy = label.policy.unwrap();
    let policy = world.alder_config.policies.get(&policy).unwrap();
    let field = SioLabel::write_for(policy, label, inside, Timestamp::now()).unwrap();
    format!("SIO-Label: {}\r\n", field.write().replace("; ", ";\r\n "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sio_label_agrees_with_the_signed_label_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), "").await;
    let names = [("Releasable To", "ALDER")];
    let secret = world.label("SECRET", &names).unwrap();
    let low = world.label("RESTRICTED", &names).unwrap();
    for inside in [Inside::Ess, Inside::X411, Inside::Xml] {
        let (agrees, differs) = (line(&world, &secret, inside), line(&world, &low, inside));
        for (signed, outside, wanted) in [
            (agrees.clone(), agrees.clone(), "250 "),
            (agrees.clone(), String::new(), "250 "),
            (String::new(), agrees.clone(), "250 "),
            (differs.clone(), String::new(), "(label.disagrees)"),
            (String::new(), differs.clone(), "(label.disagrees)"),
            (agrees.clone(), differs.clone(), "(header.conflict)"),
            (differs.clone(), differs.clone(), "(label.disagrees)"),
        ] {
            let written = Written {
                ess: Some(&secret),
                signed,
                outside,
                ..Written::default()
            };
            let reply = said(&world, &written).await;
            assert!(reply.contains(wanted), "{inside:?}, {wanted}: {reply}");
        }
    }
    // Another policy's word for it, from somebody who is not behind that policy's link.
    let birch = world.alder_config.policies.by_name("BIRCH").unwrap();
    let hidden = label::naming::parse_label(birch, "HIDDEN; Releasable To: ALDER").unwrap();
    let agrees = line(&world, &secret, Inside::Ess);
    let value = |text: &str| format!("SIO-Label: {text}\r\n");
    for (signed, wanted) in [
        (line(&world, &hidden, Inside::Ess), "(label.policy-unknown)"),
        (format!("{agrees}{agrees}"), "(label.malformed)"),
        (value("type=\":ess\"; label=\"AAAA\""), "(label.malformed)"),
        (
            value("type=\"urn:x:y\"; label=\"AAAA\""),
            "(label.malformed)",
        ),
        (value("type=\":ess\""), "(label.malformed)"),
        (value("marking=\"ALDER SECRET\""), "250 "),
        (value("marking=\"ALDER RESTRICTED\""), "(label.disagrees)"),
        (value("marking=\"of our own making\""), "250 "),
    ] {
        let written = Written {
            ess: Some(&secret),
            signed: signed.clone(),
            ..Written::default()
        };
        let reply = said(&world, &written).await;
        assert!(reply.contains(wanted), "{signed}: {reply}");
    }
    let told = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let reported = told.lines().filter(|l| l.contains("label.marking-differs"));
    // The bare classification, and what is of nobody's making.
    assert_eq!(reported.count(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sio_label_alone_counts_only_under_a_signature_and_by_configuration() {
    for (rules, signed, outside, wanted) in [
        ("", true, false, "(label.missing)"),
        (
            "\n[policies]\nsio-label = \"compared\"\n",
            true,
            false,
            "(label.missing)",
        ),
        (
            "\n[policies]\nsio-label = \"counts\"\n",
            true,
            false,
            "250 ",
        ),
        (
            "\n[policies]\nsio-label = \"counts\"\n",
            false,
            true,
            "(label.missing)",
        ),
        (
            "\n[policies]\nsio-label = \"counts\"\n",
            false,
            false,
            "(label.missing)",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path(), rules).await;
        let label = world
            .label("SECRET", &[("Releasable To", "ALDER")])
            .unwrap();
        let line = line(&world, &label, Inside::Xml);
        let written = Written {
            signed: if signed { line.clone() } else { String::new() },
            outside: if outside { line } else { String::new() },
            ..Written::default()
        };
        let reply = said(&world, &written).await;
        assert!(
            reply.contains(wanted),
            "{rules:?} {signed} {outside}: {reply}"
        );
        world.end().await;
    }
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), "\n[policies]\nsio-label = \"counts\"\n").await;
    // What counts is held against clearances like any other label.
    let label = world.label("TOP SECRET", &[]).unwrap();
    let written = Written {
        signed: line(&world, &label, Inside::Ess),
        ..Written::default()
    };
    let reply = said(&world, &written).await;
    assert!(reply.contains("(clearance.insufficient)"), "{reply}");
    let file = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"counts\"", "\"perhaps\"")).unwrap();
    let error = config::load(&file).err().unwrap();
    assert_eq!(error.key, "policies.sio-label", "{error}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marking_for_people_does_not_contradict_the_label() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), "").await;
    let label = world.label("RESTRICTED", &[]).unwrap();
    for (subject, text, wanted) in [
        ("About ships", "ALDER RESTRICTED", "250 "),
        (
            "About ships",
            "\r\n  ALDER SECRET\r\nThe ships",
            "(label.disagrees)",
        ),
        ("About ships", "The ships are an ALDER SECRET", "250 "),
        (
            "About ships [ALDER SECRET]",
            "The ships",
            "(label.disagrees)",
        ),
        (
            "(ALDER SECRET) About ships",
            "The ships",
            "(label.disagrees)",
        ),
        ("(ALDER RESTRICTED) About ships", "The ships", "250 "),
        ("Secret ships", "The ships", "250 "),
    ] {
        let written = Written {
            ess: Some(&label),
            subject,
            text,
            ..Written::default()
        };
        let reply = said(&world, &written).await;
        assert!(reply.contains(wanted), "{subject}, {text}: {reply}");
    }
    world.end().await;
}

// standards/labels.md section 3: the policy's rbacId says which syntax of categories may stand in a label
#[tokio::test(flavor = "multi_thread")]
async fn categories_in_a_syntax_that_the_policy_does_not_name_are_malformed() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), "").await;
    let policy = world.alder_config.policy();
    let label = label::naming::parse_label(policy, "SECRET; Releasable To: ALDER").unwrap();
    let text = "x";
    for (octets, reply) in [
        (label::ess::encode(&label).unwrap(), "250 "),
        (
            label::ess::encode_missi(policy, &label).unwrap(),
            "550 the security label cannot be read",
        ),
    ] {
        let octets = Some(octets);
        let subject = "syntax";
        let written = Written {
            octets,
            subject,
            text,
            ..Written::default()
        };
        let said = said(&world, &written).await;
        assert!(said.starts_with(reply), "{said}");
    }
    world.end().await;
}
