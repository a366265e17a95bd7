//! Certificates from the directory, on the line: whom a message is encrypted for, and what stops it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::config;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::directory::{Attribute, Directory, Found, Name, Record, Source};
use ravelin::smtp::dialogue::Outcome;

/// ALDER, whose reader has no certificate in the configuration, and whose mailboxes want envelopes.
struct Alder {
    world: World,
    dir: tempfile::TempDir,
}

/// `[link.seal]` of the mailboxes.
const NEVER: &str = "profile = \"enveloped\"\ncipher = \"aes-256-cbc\"\n";
const WHERE_MISSING: &str =
    "profile = \"enveloped\"\ncipher = \"aes-256-cbc\"\ndomain-certificate = \"where-missing\"\n";

impl Alder {
    /// With the LDIF text that `ldif` makes, and this way to seal.
    async fn with(seal: &str, ldif: impl Fn(&World) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
        let file = dir.path().join("config/alder.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let own = "certificate = \"../pki/alder/reader-encrypt.pem\"\n";
        let next = "\n[[link]]\nname = \"birch\"\n";
        assert!(text.contains(own) && text.contains(next));
        let text = text
            .replace(own, "")
            .replace(next, &format!("\n[link.seal]\n{seal}{next}"));
        let text = format!("{text}\n[directory]\nfiles = [\"people.ldif\"]\n");
        std::fs::write(&file, text).unwrap();
        std::fs::write(dir.path().join("config/people.ldif"), ldif(&world)).unwrap();
        world.alder_config = config::load(&file).unwrap();
        world.wake_alder().await.unwrap();
        Self { world, dir }
    }

    /// The same with another directory, which is not in any file.
    async fn asking(directory: Arc<dyn Directory>, time: Duration) -> Self {
        let mut alder = Self::with(NEVER, |_| String::new()).await;
        alder.world.alder_switch.take().unwrap().stop().await;
        alder.world.alder_config.directory = directory;
        alder.world.alder_config.directory_time = time;
        alder.world.wake_alder().await.unwrap();
        alder
    }

    /// What the switch says to a message from the drafter to the reader.
    async fn send(&self) -> Outcome {
        let drafter = self.world.alder.person("drafter").unwrap();
        let to = ["reader@alder.example".parse().unwrap()];
        let label = self.world.label("UNCLASSIFIED", &[]).unwrap();
        let message = self
            .world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        self.world.submit(drafter, &to, &message).await.unwrap()
    }

    /// Sends, and opens what arrives with this key of `pki/alder`.
    async fn delivered_to(&mut self, key: &str) {
        let outcome = self.send().await;
        assert_eq!(outcome.reply().code, 250, "{outcome:?}\n{}", self.chain());
        let (arrived, _) = self.world.alder_mail.wait_for(|_| true).await.unwrap();
        assert!(!self.opens(&arrived, "clerk-encrypt"));
        assert!(self.opens(&arrived, key), "{key} does not open it");
    }

    fn opens(&self, message: &PathBuf, key: &str) -> bool {
        let pki = self.dir.path().join("pki/alder");
        let read = |name: String| std::fs::read_to_string(pki.join(name)).unwrap();
        let both = self.dir.path().join("both.pem");
        let text = read(format!("{key}.pem")) + &read(format!("{key}.key.pem"));
        std::fs::write(&both, text).unwrap();
        let mut open = Command::new(env!("CARGO_BIN_EXE_ravelin"));
        open.arg("open").arg(message).arg("--key").arg(&both);
        open.arg("--out").arg(self.dir.path().join("opened"));
        open.output().unwrap().status.success()
    }

    fn chain(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("audit/alder.jsonl")).unwrap()
    }

    /// Sends, and is refused for this ground.
    async fn refused(&self, ground: &str) {
        let outcome = self.send().await;
        assert_eq!(outcome.reply().code, 550, "{outcome:?}");
        assert!(self.chain().contains(ground), "{}", self.chain());
        assert_eq!(self.world.alder_mail.count(), 0);
    }
}

fn entry(mail: &str, certificates: &[&Certificate]) -> String {
    let mut text = format!("dn: mail={mail}\nmail: {mail}\n");
    for certificate in certificates {
        let value = STANDARD.encode(certificate.der());
        text.push_str(&format!("userCertificate;binary:: {value}\n"));
    }
    text + "\n"
}

fn of<'w>(world: &'w World, local: &str) -> &'w Certificate {
    world.alder.person(local).unwrap().encrypt.certificate()
}

const READER: &str = "reader@alder.example";
const CONFIDANT: &str = "domain-confidentiality-authority@alder.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_recipients_certificate_comes_from_the_directory_and_the_event_says_so() {
    let mut alder = Alder::with(NEVER, |world| entry(READER, &[of(world, "reader")])).await;
    alder.delivered_to("reader-encrypt").await;
    let chain = alder.chain();
    assert!(chain.contains("seal.certificate") && chain.contains("people.ldif:1"));
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_gives_somebody_elses_certificate_is_not_believed() {
    let alder = Alder::with(NEVER, |world| entry(READER, &[of(world, "clerk")])).await;
    alder.refused("it does not bear reader@alder.example").await;
    alder.world.end().await;
    // By another authority, with the right name.
    let alder = Alder::with(WHERE_MISSING, |world| {
        let now = world.clock.now();
        let other = ravelin::crypto::lab::Authority::new("Elsewhere", now).unwrap();
        let order = ravelin::crypto::lab::Request::new(
            "CN=reader",
            ravelin::crypto::lab::Usage::Encrypt,
            now,
        );
        let false_one = other.issue(order.email(READER)).unwrap();
        let confidant = world.alder.border_certificate();
        entry(READER, &[false_one.certificate()]) + &entry(CONFIDANT, &[confidant])
    })
    .await;
    // Nor is the domain's certificate put in its place.
    alder.refused("no certificate of the record").await;
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_certificate_stands_for_a_missing_one_where_the_link_says_so_and_never_silently() {
    let missing = |world: &World| entry(CONFIDANT, &[world.alder.border_certificate()]);
    let mut alder = Alder::with(WHERE_MISSING, missing).await;
    alder.delivered_to("border-encrypt").await;
    assert!(alder.chain().contains("seal.domain-certificate"));
    alder.world.end().await;

    let alder = Alder::with(NEVER, missing).await;
    alder.refused("has no certificate to encrypt for").await;
    alder.world.end().await;

    // What bears the name in its address alone, or is the reader's own, is not the domain's.
    let alder = Alder::with(WHERE_MISSING, |world| {
        let now = world.clock.now();
        let order = ravelin::crypto::lab::Request::new(
            "CN=somebody",
            ravelin::crypto::lab::Usage::Encrypt,
            now,
        );
        let unnamed = world.alder.authority.issue(order.email(CONFIDANT)).unwrap();
        entry(CONFIDANT, &[unnamed.certificate(), of(world, "reader")])
    })
    .await;
    alder.refused("it is not that of domain-conf").await;
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_neither_used_nor_replaced() {
    for configured in [false, true] {
        let alder = Alder::with(WHERE_MISSING, |world| {
            let pki = world.dir.join("pki/alder");
            let reader = of(world, "reader");
            let list = world.alder.authority.crl_pem(&[reader], world.clock.now());
            std::fs::write(pki.join("ca.crl.pem"), list.unwrap()).unwrap();
            if configured {
                let file = world.dir.join("config/alder.toml");
                let text = std::fs::read_to_string(&file).unwrap();
                let place = "address = \"reader@alder.example\"\n";
                let own = "certificate = \"../pki/alder/reader-encrypt.pem\"\n";
                std::fs::write(&file, text.replace(place, &format!("{place}{own}"))).unwrap();
            }
            entry(READER, &[reader]) + &entry(CONFIDANT, &[world.alder.border_certificate()])
        })
        .await;
        alder.refused("revoked").await;
        alder.world.end().await;
    }
}

#[tokio::test]
async fn what_is_wrong_in_a_file_of_the_directory_is_told_with_both_lines() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "\n[directory]\nfiles = [\"people.ldif\"]\n";
    let people = dir.path().join("config/people.ldif");
    std::fs::create_dir_all(dir.path().join("config")).unwrap();
    std::fs::write(&people, "dn: cn=x\nmail: x@alder.example\n").unwrap();
    let world = World::found(dir.path(), Clock::system(), rules)
        .await
        .unwrap();
    let before = world.alder_config.judged_under().to_owned();
    std::fs::write(&people, "dn: cn=y\nmail: y@alder.example\n").unwrap();
    let after = config::load(&world.alder_config.file).unwrap();
    assert_ne!(before, after.judged_under(), "entries are judged again");
    std::fs::write(&people, "dn: cn=x\nmail: nobody\n").unwrap();
    let error = config::load(&world.alder_config.file).err().unwrap();
    assert_eq!(error.key, "directory.files");
    assert!(error.line.is_some() && !error.remedy.is_empty());
    assert!(error.text.contains("people.ldif:2"), "{error}");
}

/// Tells after a while, or cannot tell.
struct Slow(Duration, Result<Arc<Record>, String>);

impl Directory for Slow {
    fn find(&self, _name: &Name) -> Found {
        std::thread::sleep(self.0);
        match &self.1 {
            Ok(record) => Found::Known(Arc::clone(record)),
            Err(reason) => Found::Unavailable(reason.clone()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_tell_or_takes_too_long_is_a_fault_of_ours() {
    let away = Slow(Duration::ZERO, Err("the directory is away".into()));
    let record = Record::of(Source::Harvested { by: "x".into() }, Vec::new()).unwrap();
    let late = Slow(Duration::from_millis(50), Ok(Arc::new(record)));
    for (slow, time, why) in [
        (away, Duration::from_secs(60), "the directory is away"),
        (
            late,
            Duration::from_millis(1),
            "time for one message is over",
        ),
    ] {
        let alder = Alder::asking(Arc::new(slow), time).await;
        let outcome = alder.send().await;
        assert_eq!(outcome.reply().code, 451, "{outcome:?}");
        assert!(alder.chain().contains(why), "{}", alder.chain());
        assert_eq!(alder.world.alder_mail.count(), 0);
        alder.world.end().await;
    }
    // The twin: the same way, in time, with the certificate.
    let mut alder = Alder::with(NEVER, |_| String::new()).await;
    let der = of(&alder.world, "reader").der().to_vec();
    let record = Record::of(
        Source::Harvested { by: "x".into() },
        vec![(Attribute::Certificate, der)],
    );
    alder.world.alder_switch.take().unwrap().stop().await;
    let known = Slow(Duration::ZERO, Ok(Arc::new(record.unwrap())));
    alder.world.alder_config.directory = Arc::new(known);
    alder.world.wake_alder().await.unwrap();
    alder.delivered_to("reader-encrypt").await;
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_on_the_membership_list_neither_writes_nor_is_written_to() {
    let alder = Alder::with(NEVER, |world| {
        let file = world.dir.join("config/alder.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text + "members = [\"members.txt\"]\n").unwrap();
        let members = world.dir.join("config/members.txt");
        std::fs::write(members, "@alder.example\n").unwrap();
        entry(READER, &[of(world, "reader")])
    })
    .await;
    let outcome = alder.send().await;
    assert_eq!(outcome.reply().code, 250, "{outcome:?}");
    let members = alder.dir.path().join("config/members.txt");
    for (list, why) in [
        (
            "drafter@alder.example\n",
            "recipient reader@alder.example is not",
        ),
        (
            "reader@alder.example\n",
            "originator drafter@alder.example is not",
        ),
    ] {
        std::fs::write(&members, list).unwrap();
        let switch = &alder.world.running().unwrap().switch;
        switch.reload("test").await.ok().unwrap();
        let outcome = alder.send().await;
        assert_eq!(outcome.reply().code, 550, "{outcome:?}");
        let said = outcome.reply().text();
        assert!(said.contains("community.not-a-member"), "{said}");
        assert!(alder.chain().contains(why), "{}", alder.chain());
    }
    // A list that cannot be read keeps the one in force.
    std::fs::write(&members, "reader\n").unwrap();
    let switch = &alder.world.running().unwrap().switch;
    let error = switch.reload("test").await.err().unwrap();
    assert!(error.to_string().contains("members.txt:1"), "{error}");
    alder.world.end().await;
}
