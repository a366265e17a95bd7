//! Mailboxes, roles, domains and links on the line: what each is cleared for, on whose word, and who
//! may write as whom.

use std::path::Path;
use std::process::{Command, Output};

use ravelin::cli::demo::{Person, World};
use ravelin::clock::{Clock, Timestamp};
use ravelin::config;
use ravelin::crypto::attribute_certificate::AttributeCertificate;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::ess;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::attributes::{AttributeOrder, no_revocation};
use ravelin::crypto::lab::{Authority, Request, Usage, clearances};
use ravelin::label::clearance::encode;
use ravelin::label::{self, naming};
use ravelin::message::address::Address;
use ravelin::message::mime::multipart_signed;

const READER: &str = "reader@alder.example";

/// ALDER with another configuration, and other files in its PKI.
struct Alder {
    world: World,
    dir: tempfile::TempDir,
}

impl Alder {
    /// `pki` writes files, `change` changes the configuration's text.
    async fn with(pki: impl Fn(&World, &Path), change: impl Fn(String) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
        pki(&world, &dir.path().join("pki/alder"));
        let file = dir.path().join("config/alder.toml");
        let text = change(std::fs::read_to_string(&file).unwrap());
        std::fs::write(&file, text).unwrap();
        world.alder_config = config::load(&file).unwrap_or_else(|error| panic!("{error}"));
        world.wake_alder().await.unwrap();
        Self { world, dir }
    }

    fn person(&self, local: &str) -> &Person {
        self.world.alder.person(local).unwrap()
    }

    /// What the switch says to a message of the drafter's under this label.
    async fn send(&self, to: &str, class: &str, categories: &[(&str, &str)]) -> String {
        let drafter = self.person("drafter");
        let label = self.world.label(class, categories).unwrap();
        let to = [address(to)];
        let message = self
            .world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        self.hand_in("drafter", &to, &message).await
    }

    async fn hand_in(&self, local: &str, to: &[Address], message: &[u8]) -> String {
        let outcome = self.world.submit(self.person(local), to, message).await;
        let outcome = outcome.unwrap();
        format!("{} {}", outcome.reply().code, outcome.reply().text())
    }

    /// A message with these fields, clear-signed by all of them.
    async fn send_headed(&self, by: &str, fields: &str, signers: &[&Identity]) -> String {
        let part = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nin short\r\n";
        let label = self.world.label("RESTRICTED", &[]).unwrap();
        let label = label::ess::encode(&label).unwrap();
        let signers: Vec<Signer<'_>> = signers
            .iter()
            .map(|one| Signer::new(one, vec![ess::security_label(&label)]))
            .collect();
        let signature = sign::sign(&SignOrder {
            content: part,
            content_type: oid::DATA,
            form: Form::Detached,
            signers: &signers,
            signing_time: Timestamp::now(),
            extra_certificates: &[],
        })
        .unwrap();
        let mut message = format!("{fields}To: {READER}\r\nMIME-Version: 1.0\r\n").into_bytes();
        message.extend_from_slice(&multipart_signed(part, "sha-384", &signature).unwrap());
        self.hand_in(by, &[address(READER)], &message).await
    }

    fn chain(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("audit/alder.jsonl")).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let file = self.dir.path().join("config/alder.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ravelin"));
        command.arg("subject").args(arguments);
        command.arg("--config").arg(file);
        command.output().unwrap()
    }

    fn shown(&self, name: &str) -> (serde_json::Value, i32) {
        let output = self.command(&["show", name, "--format", "json"]);
        let said = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (said, output.status.code().unwrap())
    }

    fn opens(&self, message: &Path, local: &str) -> bool {
        let pki = self.dir.path().join("pki/alder");
        let read = |name: String| std::fs::read_to_string(pki.join(name)).unwrap();
        let both = self.dir.path().join("both.pem");
        let text = read(format!("{local}-encrypt.pem")) + &read(format!("{local}-encrypt.key.pem"));
        std::fs::write(&both, text).unwrap();
        let mut open = Command::new(env!("CARGO_BIN_EXE_ravelin"));
        open.arg("open").arg(message).arg("--key").arg(&both);
        open.arg("--out").arg(self.dir.path().join("opened"));
        open.output().unwrap().status.success()
    }
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A clearance in ALDER's words, in DER.
fn held(world: &World, classes: &[&str]) -> Vec<u8> {
    let categories = [("Releasable To", "ALDER"), ("Codeword", "BEACON")];
    let policy = world.alder_config.policy();
    encode(&naming::clearance(policy, classes, &categories).unwrap()).unwrap()
}

const TO_SECRET: &[&str] = &["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"];
const TO_RESTRICTED: &[&str] = &["UNCLASSIFIED", "RESTRICTED"];

/// A new certificate of the reader, with this clearance, by this authority.
fn reader_certificate(by: &Authority, clearance: &[u8], pki: &Path) -> Identity {
    let request = Request::new("CN=reader,O=ALDER", Usage::Encrypt, Timestamp::now())
        .email(READER)
        .extension(clearances::clearance(clearance));
    let identity = by.issue(request).unwrap();
    let pem = identity.certificate().to_pem();
    std::fs::write(pki.join("reader-encrypt.pem"), pem).unwrap();
    identity
}

fn subjects(text: String, section: &str) -> String {
    format!("{text}\n[subjects]\n{section}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_certificate_does_not_clear_the_configuration_cannot() {
    let alder = Alder::with(
        |world, pki| {
            let own = held(world, TO_RESTRICTED);
            reader_certificate(&world.alder.authority, &own, pki);
        },
        |text| {
            subjects(
                text,
                "clearance-from = [\"configuration\", \"certificate\"]",
            )
        },
    )
    .await;
    let reply = alder.send(READER, "SECRET", &[]).await;
    assert!(reply.ends_with("(clearance.insufficient)"), "{reply}");
    let chain = alder.chain();
    assert!(
        chain.contains("from certificate CN=reader,O=ALDER"),
        "{chain}"
    );
    let reply = alder.send(READER, "RESTRICTED", &[]).await;
    assert!(reply.starts_with("250 "), "{reply}");
    // The clearance at the decision stands in the event.
    let chain = alder.chain();
    let accepted = chain
        .lines()
        .find(|line| line.contains("\"accepted\""))
        .unwrap();
    assert!(accepted.contains("clearance.source"), "{accepted}");
    assert!(
        accepted.contains(
            "recipient reader@alder.example: clearance from the configuration; from certificate"
        ),
        "{accepted}"
    );
    let (said, code) = alder.shown(READER);
    assert_eq!(code, 0);
    assert_eq!(said["kind"], "mailbox");
    assert_eq!(said["combination"], "all");
    let clearance = said["clearance"].as_str().unwrap();
    assert!(
        clearance.contains("RESTRICTED") && !clearance.contains("SECRET"),
        "{clearance}"
    );
    assert_eq!(said["sources"][1]["source"], "certificate");
    assert_eq!(said["sources"][1]["said"], "granted");
    assert!(said["until"].is_string());
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_gives_more_than_it_may_is_cut_down_and_named() {
    let narrow = |world: &World, pki: &Path| {
        let now = Timestamp::now();
        let limit = held(world, TO_RESTRICTED);
        let limit = clearances::constraints(true, &[&limit]);
        let root = &world.alder.authority;
        let below = root.constrained("CN=Narrow,O=ALDER", limit, now).unwrap();
        reader_certificate(&below, &held(world, TO_SECRET), pki);
        std::fs::write(pki.join("narrow.pem"), below.certificate().to_pem()).unwrap();
        let both = root.crl_pem(&[], now).unwrap() + &below.crl_pem(&[], now).unwrap();
        std::fs::write(pki.join("ca.crl.pem"), both).unwrap();
    };
    let alder = Alder::with(narrow, |text| {
        let anchors = "anchors = [\"../pki/alder/ca.pem\"]\n";
        assert!(text.contains(anchors));
        let known = format!("{anchors}authorities = [\"../pki/alder/narrow.pem\"]\n");
        subjects(
            text.replacen(anchors, &known, 1),
            "clearance-from = [\"certificate\", \"configuration\"]",
        )
    })
    .await;
    let reply = alder.send(READER, "SECRET", &[]).await;
    assert!(reply.ends_with("(clearance.insufficient)"), "{reply}");
    let chain = alder.chain();
    let by = "limited by authority clearance constraints of CN=Narrow,O=ALDER";
    assert!(chain.contains(by), "{chain}");
    let reply = alder.send(READER, "RESTRICTED", &[]).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let (said, _) = alder.shown(READER);
    assert_eq!(said["sources"][0]["limited_by"][0], "CN=Narrow,O=ALDER");
    assert!(
        said["sources"][0]["stated"]
            .as_str()
            .unwrap()
            .contains("SECRET")
    );
    assert!(
        !said["sources"][0]["left"]
            .as_str()
            .unwrap()
            .contains("SECRET")
    );
    alder.world.end().await;
}

/// Attributes for the holder of the certificate of `about`, by an authority of ALDER's.
fn give(world: &World, pki: &Path, about: &Identity, classes: &[&str]) {
    let now = Timestamp::now();
    let giver = Request::new("CN=Attributes,O=ALDER", Usage::Sign, now);
    let giver = world.alder.authority.issue(giver).unwrap();
    let given = AttributeOrder::new(about.certificate(), now)
        .unwrap()
        .clearance(&held(world, classes))
        .extension(no_revocation())
        .sign(&giver)
        .unwrap();
    let given = AttributeCertificate::from_der(&given).unwrap();
    std::fs::write(pki.join("reader.ac"), given.to_pem()).unwrap();
    std::fs::write(pki.join("giver.pem"), giver.certificate().to_pem()).unwrap();
}

/// The reader's clearance stands in an attribute certificate and nowhere else.
fn by_attribute(text: String) -> String {
    let at = text
        .find("[[subject]]\naddress = \"reader@alder.example\"")
        .unwrap();
    let clearance = at + text[at..].find("clearance = ").unwrap();
    let end = clearance + text[clearance..].find('\n').unwrap();
    let instead = "attribute-certificates = [\"../pki/alder/reader.ac\"]\n\
                   clearance-from = [\"attribute-certificate\"]";
    let text = format!("{}{instead}{}", &text[..clearance], &text[end..]);
    subjects(text, "attribute-authorities = [\"../pki/alder/giver.pem\"]")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_certificate_clears_its_holder_and_nobody_else() {
    let own = |world: &World, pki: &Path| {
        let reader = &world.alder.person("reader").unwrap().encrypt;
        give(world, pki, reader, TO_SECRET);
    };
    let alder = Alder::with(own, by_attribute).await;
    let reply = alder.send(READER, "SECRET", &[]).await;
    assert!(reply.starts_with("250 "), "{reply}\n{}", alder.chain());
    let by = "from attribute certificate serial 07 of CN=Attributes,O=ALDER";
    assert!(alder.chain().contains(by), "{}", alder.chain());
    let (said, code) = alder.shown(READER);
    assert_eq!((code, &said["sources"][0]["said"]), (0, &"granted".into()));
    alder.world.end().await;
    // Somebody else's.
    let replayed = |world: &World, pki: &Path| {
        let clerk = &world.alder.person("clerk").unwrap().encrypt;
        give(world, pki, clerk, TO_SECRET);
    };
    let alder = Alder::with(replayed, by_attribute).await;
    let reply = alder.send(READER, "UNCLASSIFIED", &[]).await;
    assert!(reply.ends_with("(clearance.insufficient)"), "{reply}");
    assert!(alder.chain().contains("not about the holder"));
    let (said, code) = alder.shown(READER);
    assert_eq!((code, &said["sources"][0]["said"]), (1, &"refused".into()));
    assert!(said["clearance"].is_null());
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_never_added_up() {
    // The configuration clears to CONFIDENTIAL, the certificate to SECRET.
    for (section, secret) in [
        (
            "clearance-from = [\"configuration\", \"certificate\"]",
            false,
        ),
        (
            "clearance-from = [\"certificate\", \"configuration\"]\ncombination = \"first\"",
            true,
        ),
        (
            "clearance-from = [\"configuration\", \"certificate\"]\ncombination = \"first\"",
            false,
        ),
        ("clearance-from = [\"certificate\"]", true),
        ("", false),
    ] {
        let alder = Alder::with(
            |world, pki| {
                let own = held(world, TO_SECRET);
                reader_certificate(&world.alder.authority, &own, pki);
            },
            |text| {
                let at = text.find("address = \"reader@alder.example\"").unwrap();
                let (before, after) = text.split_at(at);
                let after = after.replacen(", \"SECRET\"]", "]", 1);
                let own = format!("address = \"reader@alder.example\"\n{section}");
                let after = after.replacen("address = \"reader@alder.example\"", &own, 1);
                format!("{before}{after}")
            },
        )
        .await;
        let reply = alder.send(READER, "SECRET", &[]).await;
        assert_eq!(reply.starts_with("250 "), secret, "{section}: {reply}");
        let reply = alder.send(READER, "CONFIDENTIAL", &[]).await;
        assert!(reply.starts_with("250 "), "{section}: {reply}");
        alder.world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_source_must_speak_a_silent_one_leaves_nothing() {
    for (combination, code, id) in [("every", 1, "clearance.insufficient"), ("all", 0, "")] {
        // The reader's certificate says nothing of clearance.
        let section = format!(
            "clearance-from = [\"configuration\", \"certificate\"]\ncombination = \"{combination}\""
        );
        let alder = Alder::with(|_, _| {}, |text| subjects(text, &section)).await;
        let (said, found) = alder.shown(READER);
        assert_eq!(found, code, "{said}");
        assert_eq!(said["sources"][1]["said"], "nothing");
        let reply = alder.send(READER, "UNCLASSIFIED", &[]).await;
        assert_eq!(reply.starts_with("250 "), code == 0, "{reply}");
        assert!(reply.contains(id), "{reply}");
        alder.world.end().await;
    }
}

const DUTY: &str = "duty@alder.example";

/// A role that these people hold.
fn duty(text: String, holders: &[&str]) -> String {
    let holders: Vec<String> = holders
        .iter()
        .map(|local| format!("\"{local}@alder.example\""))
        .collect();
    let enveloped = "\n[link.seal]\nprofile = \"enveloped\"\ncipher = \"aes-256-cbc\"\n";
    let next = "\n[[link]]\nname = \"birch\"\n";
    let text = text.replacen(next, &format!("{enveloped}{next}"), 1);
    format!(
        "{text}\n[[subject]]\naddress = \"{DUTY}\"\nholders = [{}]\nclearance = {{ policy = \"ALDER\", \
         classifications = [\"UNCLASSIFIED\", \"RESTRICTED\", \"CONFIDENTIAL\", \"SECRET\"] }}\n",
        holders.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_read_by_all_who_hold_it_and_each_must_be_cleared() {
    let mut alder = Alder::with(|_, _| {}, |text| duty(text, &["reader", "officer"])).await;
    let reply = alder.send(DUTY, "SECRET", &[]).await;
    assert!(reply.starts_with("250 "), "{reply}\n{}", alder.chain());
    let (arrived, _) = alder.world.alder_mail.wait_for(|_| true).await.unwrap();
    assert!(alder.opens(&arrived, "reader") && alder.opens(&arrived, "officer"));
    assert!(!alder.opens(&arrived, "clerk"));
    let (said, _) = alder.shown(DUTY);
    assert_eq!(said["kind"], "role");
    assert_eq!(said["holders"][1], "officer@alder.example");
    alder.world.end().await;
    // One of them is cleared for less than the role.
    let alder = Alder::with(|_, _| {}, |text| duty(text, &["reader", "clerk"])).await;
    let reply = alder.send(DUTY, "SECRET", &[]).await;
    assert!(reply.ends_with("(clearance.insufficient)"), "{reply}");
    assert!(
        alder
            .chain()
            .contains("clerk@alder.example, who holds duty@alder.example")
    );
    let reply = alder.send(DUTY, "RESTRICTED", &[]).await;
    assert!(reply.starts_with("250 "), "{reply}");
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_as_a_role_holds_it() {
    let alder = Alder::with(|_, _| {}, |text| duty(text, &["drafter", "clerk"])).await;
    let from = format!("From: Duty officer <{DUTY}>\r\n");
    let drafter = &alder.person("drafter").sign;
    let reply = alder.send_headed("drafter", &from, &[drafter]).await;
    assert!(reply.starts_with("250 "), "{reply}\n{}", alder.chain());
    let chain = alder.chain();
    assert!(chain.contains("drafter@alder.example, who acts for duty@alder.example"));
    // Somebody who does not hold it.
    let officer = &alder.person("officer").sign;
    let reply = alder.send_headed("officer", &from, &[officer]).await;
    assert!(reply.ends_with("(originator.mismatch)"), "{reply}");
    // Somebody who holds it hands in what another holder signed.
    let reply = alder.send_headed("clerk", &from, &[drafter]).await;
    assert!(reply.ends_with("(originator.mismatch)"), "{reply}");
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_lends_nobody_its_clearance() {
    let alder = Alder::with(|_, _| {}, |text| duty(text, &["clerk"])).await;
    let clerk = alder.person("clerk");
    let label = alder.world.label("SECRET", &[]).unwrap();
    let to = [address(READER)];
    let message = alder
        .world
        .compose(&address(DUTY), &to, Some(&label), &clerk.sign)
        .unwrap();
    let reply = alder.hand_in("clerk", &to, &message).await;
    assert!(reply.ends_with("(clearance.insufficient)"), "{reply}");
    let label = alder.world.label("RESTRICTED", &[]).unwrap();
    let message = alder
        .world
        .compose(&address(DUTY), &to, Some(&label), &clerk.sign)
        .unwrap();
    let reply = alder.hand_in("clerk", &to, &message).await;
    assert!(reply.starts_with("250 "), "{reply}");
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_authors_have_all_signed_and_one_of_them_sends() {
    let alder = Alder::with(|_, _| {}, |text| text).await;
    let (drafter, officer) = (&alder.person("drafter").sign, &alder.person("officer").sign);
    let both = "From: drafter@alder.example, officer@alder.example\r\n";
    let sender = format!("{both}Sender: drafter@alder.example\r\n");
    let cases: &[(&str, &str, &[&Identity], &str)] = &[
        ("drafter", &sender, &[drafter, officer], "250 "),
        // One of the two did not sign.
        ("drafter", &sender, &[drafter], "(originator.mismatch)"),
        // RFC 5322 §3.6.2: several authors and no Sender.
        ("drafter", both, &[drafter, officer], "(message.malformed)"),
        // Sender is the signer, From is not.
        (
            "drafter",
            "From: officer@alder.example\r\nSender: drafter@alder.example\r\n",
            &[drafter],
            "(originator.mismatch)",
        ),
        // Sender is somebody who had nothing to do with it.
        (
            "drafter",
            "From: drafter@alder.example\r\nSender: officer@alder.example\r\n",
            &[drafter],
            "(originator.mismatch)",
        ),
        (
            "drafter",
            "From: drafter@alder.example\r\nSender: drafter@alder.example\r\n",
            &[drafter],
            "250 ",
        ),
        // A second From behind the first.
        (
            "drafter",
            "From: drafter@alder.example\r\nFrom: officer@alder.example\r\n",
            &[drafter],
            "(message.malformed)",
        ),
        (
            "drafter",
            "From: drafter@alder.example\r\nSender: drafter@alder.example, officer@alder.example\r\n",
            &[drafter, officer],
            "(message.malformed)",
        ),
        // Sent again by who hands it in, and by somebody else.
        (
            "drafter",
            "Resent-From: drafter@alder.example\r\nFrom: drafter@alder.example\r\n",
            &[drafter],
            "250 ",
        ),
        (
            "drafter",
            "Resent-From: officer@alder.example\r\nFrom: drafter@alder.example\r\n",
            &[drafter],
            "(originator.mismatch)",
        ),
        (
            "drafter",
            "Resent-From: nobody\r\nFrom: drafter@alder.example\r\n",
            &[drafter],
            "(message.malformed)",
        ),
    ];
    for (by, fields, signers, wanted) in cases {
        let reply = alder.send_headed(by, fields, signers).await;
        assert!(reply.contains(wanted), "{fields}: {reply}, not {wanted}");
    }
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_the_one_in_the_certificate_and_nothing_that_looks_like_it() {
    let alder = Alder::with(|_, _| {}, |text| text).await;
    let drafter = &alder.person("drafter").sign;
    for (from, wanted) in [
        ("drafter@alder.example", "250 "),
        ("Drafter@ALDER.Example", "250 "),
        ("\"drafter\"@alder.example", "250 "),
        // Cyrillic a in the local part.
        ("dr\u{430}fter@alder.example", "(originator.mismatch)"),
        ("\"dr after\"@alder.example", "(originator.mismatch)"),
        ("drafter@alder.example.", "(message.malformed)"),
        ("drafter@alder.examp1e", "(originator.mismatch)"),
        ("drafter@xn--alder-.example", "(message.malformed)"),
        ("drafter@b\u{fc}cher.example", "(originator.mismatch)"),
    ] {
        let reply = alder
            .send_headed("drafter", &format!("From: {from}\r\n"), &[drafter])
            .await;
        assert!(reply.contains(wanted), "{from}: {reply}, not {wanted}");
    }
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_domain_has_a_clearance_where_anybody_may_be_written_to() {
    let change = |text: String| {
        let link = "\n[[link]]\nname = \"birch\"\n";
        let text = text.replacen(link, &format!("{link}recipients = \"any\"\n"), 1);
        format!(
            "{text}\n[[subject]]\ndomain = \"Birch.example\"\nclearance = {{ policy = \"ALDER\", \
             classifications = [\"UNCLASSIFIED\", \"RESTRICTED\"], categories = [[\"Releasable To\", \
             \"BIRCH\"]] }}\n"
        )
    };
    let alder = Alder::with(|_, _| {}, change).await;
    let release = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    let anybody = "anybody@birch.example";
    let reply = alder.send(anybody, "RESTRICTED", &release).await;
    assert!(reply.starts_with("250 "), "{reply}\n{}", alder.chain());
    let reply = alder.send(anybody, "SECRET", &release).await;
    assert!(reply.ends_with("(clearance.insufficient)"), "{reply}");
    assert!(
        alder
            .chain()
            .contains("recipient anybody@birch.example (domain birch.example)")
    );
    // Who has an own entry goes by that.
    let reply = alder.send("reader@birch.example", "SECRET", &release).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let (said, code) = alder.shown("birch.example");
    assert_eq!((code, said["kind"].as_str()), (0, Some("domain")));
    let output = alder.command(&["list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"domain") && kinds.contains(&"link") && kinds.contains(&"mailbox"));
    assert_eq!(
        alder.command(&["show", "nobody@x.example"]).status.code(),
        Some(2)
    );
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_says_too_little_or_too_much_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    World::found(dir.path(), Clock::system(), "").await.unwrap();
    let file = dir.path().join("config/alder.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let role = "\n[[subject]]\naddress = \"duty@alder.example\"\n";
    let clearance = "clearance = { policy = \"ALDER\", classifications = [\"UNCLASSIFIED\"] }\n";
    for (more, wanted) in [
        (
            role.to_owned(),
            "nothing says what this subject is cleared for",
        ),
        (
            format!("{role}{clearance}holders = []\n"),
            "nobody holds this role",
        ),
        (
            format!("{role}{clearance}holders = [\"nobody@alder.example\"]\n"),
            "not a mailbox with a [[subject]]",
        ),
        (
            format!("{role}{clearance}holders = [\"duty@alder.example\"]\n"),
            "not a mailbox with a [[subject]]",
        ),
        (
            format!("{role}{clearance}domain = \"x.example\"\n"),
            "not both",
        ),
        (
            format!("\n[[subject]]\ndomain = \"x..example\"\n{clearance}"),
            "a domain is labels",
        ),
        (
            format!("\n[[subject]]\ndomain = \"x.example\"\nroles = [\"a\"]\n{clearance}"),
            "holds no roles",
        ),
        (
            format!("{role}{clearance}{role}{clearance}"),
            "stands twice",
        ),
        (
            format!("{role}clearance-from = [\"certificate\", \"certificate\"]\n"),
            "stands there once",
        ),
        (format!("{role}clearance-from = []\n"), "stands there once"),
        (
            format!("{role}{clearance}attribute-certificates = [\"../pki/alder/ca.pem\"]\n"),
            "holds no attribute certificate",
        ),
        (
            format!("{role}clearance-from = [\"rumour\"]\n"),
            "unknown variant `rumour`",
        ),
        (
            "\n[subjects]\ncombination = \"union\"\n".to_owned(),
            "unknown variant `union`",
        ),
    ] {
        std::fs::write(&file, format!("{good}{more}")).unwrap();
        let Err(error) = config::load(&file) else {
            panic!("{more} was not missed");
        };
        let said = error.to_string();
        assert!(said.contains(wanted), "{said}");
        assert!(error.line.is_some() && said.contains("remedy: "), "{said}");
    }
}
