//! Certificates from the directory, on the line: whom a message is encrypted for, and what stops it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ravelin::admin::directory::CertificateOrder;
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::config;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::directory::{Attribute, Directory, Found, Name, Record, Source};
use ravelin::crypto::keys::Identity;
use ravelin::label::clearance::encode;
use ravelin::label::naming;
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
        self.mail("drafter", &drafter.sign, "reader").await
    }

    /// What the switch says to a message that `signer` signed.
    async fn mail(&self, from: &str, signer: &Identity, to: &str) -> Outcome {
        self.labelled("UNCLASSIFIED", from, signer, to).await
    }

    async fn labelled(&self, class: &str, from: &str, signer: &Identity, to: &str) -> Outcome {
        let from = self.world.alder.person(from).unwrap();
        let to = [format!("{to}@alder.example").parse().unwrap()];
        let label = self.world.label(class, &[]).unwrap();
        let message = self
            .world
            .compose(&from.address, &to, Some(&label), signer)
            .unwrap();
        self.world.submit(from, &to, &message).await.unwrap()
    }

    /// Code and words for a message from the drafter to the reader under this classification.
    async fn told(&self, class: &str) -> String {
        let drafter = self.world.alder.person("drafter").unwrap();
        let outcome = self.labelled(class, "drafter", &drafter.sign, "reader");
        let outcome = outcome.await;
        format!("{} {}", outcome.reply().code, outcome.reply().text())
    }

    /// The drafter's signing key, with these certificates beside its own.
    fn drafter_with(&self, certificates: &[&Certificate]) -> Identity {
        let drafter = self.world.alder.person("drafter").unwrap();
        let mut text = drafter.sign.certificate().to_pem();
        for certificate in certificates {
            text.push_str(&certificate.to_pem());
        }
        let key = drafter.sign.key_to_pem().unwrap();
        Identity::from_pem(text.as_bytes(), key.as_bytes(), None).unwrap()
    }

    /// What the switch says to the reader, who writes to the drafter.
    async fn answer(&self) -> Outcome {
        let reader = self.world.alder.person("reader").unwrap();
        self.mail("reader", &reader.sign, "drafter").await
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

/// Deliveries may still be on their way when a switch has stopped; the store is theirs until then.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    found.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// The drafter has no certificate in the configuration, and mail brings certificates.
fn harvesting(world: &World, more: &str) -> String {
    let file = world.dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let own = "certificate = \"../pki/alder/drafter-encrypt.pem\"\n";
    let clerk = "certificate = \"../pki/alder/clerk-encrypt.pem\"\n";
    assert!(text.contains(own) && text.contains(clerk));
    let text = text
        .replace(own, "")
        .replace(clerk, &format!("{clerk}roles = [\"operator\"]\n"));
    std::fs::write(&file, format!("{text}{more}")).unwrap();
    entry(READER, &[of(world, "reader")])
}

const CANDIDATES: &str = "harvest = \"candidates\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn signed_mail_brings_candidates_and_only_an_operator_makes_them_count() {
    let mut alder = Alder::with(NEVER, |world| harvesting(world, CANDIDATES)).await;
    // With somebody else's certificate beside the own one.
    let own = of(&alder.world, "drafter").clone();
    let signer = alder.drafter_with(&[&own, of(&alder.world, "clerk")]);
    let outcome = alder.mail("drafter", &signer, "reader").await;
    assert_eq!(outcome.reply().code, 250, "{outcome:?}");

    let desk = alder.world.desk("clerk").unwrap();
    let rows = desk.certificates().await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0].address, "drafter@alder.example");
    assert_eq!(rows[0].certificate, own.to_pem());
    assert!(rows[0].accepted.is_none());
    assert!(alder.chain().contains("\"act\":\"harvested\""));
    // A candidate is found by nobody.
    let outcome = alder.answer().await;
    assert_eq!(outcome.reply().code, 550, "{outcome:?}");

    let order = |id: &str, reason: &str| CertificateOrder {
        id: id.to_owned(),
        reason: reason.to_owned(),
    };
    let good = order(&rows[0].id, "told by telephone");
    for wrong in [order(&rows[0].id, " "), order("0", "no such")] {
        assert!(desk.work_on_certificate("accept", &wrong).await.is_err());
    }
    let stranger = alder.world.desk("drafter").unwrap();
    assert!(stranger.certificates().await.is_err());
    assert!(stranger.work_on_certificate("accept", &good).await.is_err());
    assert_eq!(alder.answer().await.reply().code, 550);

    let accepted = desk.work_on_certificate("accept", &good).await.unwrap();
    assert_eq!(accepted.accepted.unwrap().by, "clerk@alder.example");
    assert_eq!(alder.answer().await.reply().code, 250, "{}", alder.chain());
    assert!(alder.chain().contains("signed mail, accepted by clerk"));
    assert!(alder.chain().contains("\"act\":\"certificate-accepted\""));
    // It brings nothing new any more, and stays over a reload and a new start.
    alder.mail("drafter", &signer, "reader").await;
    assert_eq!(desk.certificates().await.unwrap().len(), 1);
    let switch = &alder.world.running().unwrap().switch;
    switch.reload("test").await.ok().unwrap();
    assert_eq!(alder.answer().await.reply().code, 250);
    alder.world.alder_switch.take().unwrap().stop().await;
    until("a new start", async || alder.world.wake_alder().await.ok()).await;
    assert_eq!(alder.answer().await.reply().code, 250);

    desk.work_on_certificate("remove", &good).await.unwrap();
    assert_eq!(alder.answer().await.reply().code, 550);
    assert!(alder.chain().contains("\"act\":\"certificate-removed\""));
    alder.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_accepts_whom_it_names_and_without_the_word_nothing_is_harvested() {
    let rule = "harvest = \"candidates\"\nharvest-accept = [\"@alder.example\"]\n";
    let other = "harvest = \"candidates\"\nharvest-accept = [\"@elsewhere.example\"]\n";
    for (more, kept, code) in [(rule, 1, 250), (other, 1, 550), ("", 0, 550)] {
        let mut alder = Alder::with(NEVER, |world| harvesting(world, more)).await;
        let own = of(&alder.world, "drafter").clone();
        let signer = alder.drafter_with(&[&own]);
        alder.mail("drafter", &signer, "reader").await;
        assert_eq!(alder.answer().await.reply().code, code, "{more}");
        alder.world.alder_switch.take().unwrap().stop().await;
        // Of a switch that is stopped, the command lists the same.
        let mut list = Command::new(env!("CARGO_BIN_EXE_ravelin"));
        list.args(["directory", "list", "--format", "json", "--config"]);
        list.arg(&alder.world.alder_config.file);
        let rows: serde_json::Value = until("a list", async || {
            serde_json::from_slice(&list.output().unwrap().stdout).ok()
        })
        .await;
        assert_eq!(rows.as_array().unwrap().len(), kept, "{more}");
        alder.world.end().await;
    }
}

#[tokio::test]
async fn what_is_wrong_in_the_section_is_told_with_line_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    let file = world.alder_config.file.clone();
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = |name: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.path().join("config").join(name);
        std::fs::write(&path, "open sesame\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    secret("open", 0o644);
    secret("closed", 0o600);
    let server = "[[directory.ldap]]\nbase = \"o=Lab\"\nanchors = [\"../pki/alder/ca.pem\"]\n";
    let good =
        format!("{server}server = \"[::1]:389\"\nbind = \"cn=x\"\npassword-file = \"closed\"\n");
    let load = |section: &str| {
        std::fs::write(&file, format!("{text}\n{section}")).unwrap();
        config::load(&file)
    };
    assert!(load(&good).is_ok());
    for (section, why) in [
        (
            format!("{server}server = \"dir.example\"\n"),
            "a port is missing",
        ),
        (
            format!("{server}server = \"dir.example:ldap\"\n"),
            "this is no port",
        ),
        (good.replace("closed", "open"), "others may read"),
        (
            good.replace("password-file = \"closed\"\n", ""),
            "a password is missing",
        ),
        (
            good.replace("../pki/alder/ca.pem", "nothing.pem"),
            "cannot be read",
        ),
        (
            good.replace("[\"../pki/alder/ca.pem\"]", "[]"),
            "anchors are missing",
        ),
        (format!("{good}tls = \"never\"\n"), "unknown variant"),
        (format!("{good}time-limit = \"0s\"\n"), "more than nothing"),
        (format!("{good}filter = \"(cn=*)\"\n"), "unknown field"),
        (
            "[directory]\nharvest-accept = [\"@x.example\"]\n".into(),
            "nothing is harvested",
        ),
        (
            "[directory]\nharvest = \"candidates\"\nharvest-accept = [\"x\"]\n".into(),
            "not a mailbox",
        ),
    ] {
        let error = load(&section).err().unwrap_or_else(|| panic!("{section}"));
        assert!(error.text.contains(why), "{error}, not {why}");
        assert!(error.key.starts_with("directory"), "{error}");
        assert!(error.line.is_some() && !error.remedy.is_empty(), "{error}");
    }
}

/// Writes a directory's file.
type Ldif<'a> = &'a dyn Fn(&World) -> String;

/// The reader has the own certificate again, and a clearance from these sources: `configured` are the
/// classifications that the configuration gives.
fn clearing(world: &World, section: &str, configured: &[&str]) {
    let file = world.dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let place = "address = \"reader@alder.example\"\n";
    let own = "certificate = \"../pki/alder/reader-encrypt.pem\"\n";
    let at = text.find(place).unwrap();
    let (before, after) = text.split_at(at);
    let all = format!("classifications = {TO_SECRET:?}");
    assert!(after.contains(&all), "{after}");
    let after = after
        .replacen(&all, &format!("classifications = {configured:?}"), 1)
        .replacen(place, &format!("{place}{own}{section}\n"), 1);
    std::fs::write(&file, format!("{before}{after}")).unwrap();
}

/// A clearance in ALDER's words, in DER.
fn held(world: &World, classes: &[&str]) -> Vec<u8> {
    let categories = [("Releasable To", "ALDER"), ("Codeword", "BEACON")];
    let policy = world.alder_config.policy();
    encode(&naming::clearance(policy, classes, &categories).unwrap()).unwrap()
}

/// What the directory has on record of somebody: this clearance.
fn cleared(mail: &str, clearance: &[u8]) -> String {
    let value = STANDARD.encode(clearance);
    format!("dn: mail={mail}\nmail: {mail}\nclearance:: {value}\n\n")
}

const TO_SECRET: &[&str] = &["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"];
const TO_CONFIDENTIAL: &[&str] = &["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL"];
const TO_RESTRICTED: &[&str] = &["UNCLASSIFIED", "RESTRICTED"];
const BY_DIRECTORY: &str = "clearance-from = [\"directory\"]";
const BY_BOTH: &str = "clearance-from = [\"configuration\", \"directory\"]";

#[tokio::test(flavor = "multi_thread")]
async fn the_directorys_clearance_counts_alone_or_within_the_configurations_and_never_beyond() {
    for (section, configured, on_record, permitted, refused) in [
        // Alone: what the configuration says neither adds nor takes away.
        (
            BY_DIRECTORY,
            TO_RESTRICTED,
            TO_CONFIDENTIAL,
            "CONFIDENTIAL",
            "SECRET",
        ),
        (
            BY_DIRECTORY,
            TO_SECRET,
            TO_RESTRICTED,
            "RESTRICTED",
            "CONFIDENTIAL",
        ),
        // Both: what they have in common, whoever has less.
        (
            BY_BOTH,
            TO_CONFIDENTIAL,
            TO_SECRET,
            "CONFIDENTIAL",
            "SECRET",
        ),
        (
            BY_BOTH,
            TO_SECRET,
            TO_CONFIDENTIAL,
            "CONFIDENTIAL",
            "SECRET",
        ),
        (
            BY_BOTH,
            &["UNCLASSIFIED", "SECRET"],
            TO_CONFIDENTIAL,
            "UNCLASSIFIED",
            "RESTRICTED",
        ),
    ] {
        let alder = Alder::with(NEVER, |world| {
            clearing(world, section, configured);
            cleared(READER, &held(world, on_record))
        })
        .await;
        let said = alder.told(permitted).await;
        let chain = alder.chain();
        assert!(said.starts_with("250 "), "{section}: {said}\n{chain}");
        let accepted = chain.lines().find(|line| line.contains("\"accepted\""));
        let accepted = accepted.unwrap();
        assert!(accepted.contains("clearance.source"), "{accepted}");
        assert!(accepted.contains("people.ldif:1)"), "{accepted}");
        assert_eq!(
            accepted.contains("recipient reader@alder.example: clearance from the configuration"),
            section == BY_BOTH,
            "{accepted}"
        );
        let said = alder.told(refused).await;
        assert!(said.starts_with("550 "), "{section}: {said}");
        assert!(said.ends_with("(clearance.insufficient)"), "{said}");
        alder.world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_in_the_directory_or_has_no_clearance_there_is_not_cleared_by_it() {
    let nobody = |world: &World| cleared("clerk@alder.example", &held(world, TO_SECRET));
    let silent = |world: &World| entry(READER, &[of(world, "reader")]);
    let every = format!("{BY_BOTH}\ncombination = \"every\"");
    // The twin: where not all sources have to speak, the configuration alone speaks.
    let all = format!("{BY_BOTH}\ncombination = \"all\"");
    let ldif: [Ldif<'_>; 2] = [&nobody, &silent];
    for make in ldif {
        for (section, end) in [
            (BY_DIRECTORY, "(clearance.unknown)"),
            (every.as_str(), "(clearance.insufficient)"),
            (all.as_str(), ""),
        ] {
            let alder = Alder::with(NEVER, |world| {
                clearing(world, section, TO_SECRET);
                make(world)
            })
            .await;
            let said = alder.told("UNCLASSIFIED").await;
            assert_eq!(said.starts_with("250 "), end.is_empty(), "{said}");
            assert!(said.ends_with(end), "{section}: {said}");
            let why = "not from the directory, which says nothing";
            assert!(alder.chain().contains(why), "{}", alder.chain());
            alder.world.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clearance_on_record_that_cannot_be_believed_leaves_nothing() {
    let torn = |world: &World| {
        let whole = held(world, TO_SECRET);
        cleared(READER, &whole[..whole.len() - 1])
    };
    let two = |world: &World| {
        let second = STANDARD.encode(held(world, TO_RESTRICTED));
        let first = cleared(READER, &held(world, TO_SECRET));
        format!("{}\nclearance:: {second}\n\n", first.trim_end())
    };
    let ldif: [(Ldif<'_>, &str); 2] =
        [(&torn, "clearance"), (&two, "there are several clearances")];
    for (make, why) in ldif {
        let alder = Alder::with(NEVER, |world| {
            clearing(world, BY_BOTH, TO_SECRET);
            make(world)
        })
        .await;
        let said = alder.told("UNCLASSIFIED").await;
        assert!(said.ends_with("(clearance.insufficient)"), "{said}");
        let chain = alder.chain();
        let refused = "people.ldif:1), which cannot be believed: ";
        let place = chain.find(refused).unwrap_or_else(|| panic!("{chain}"));
        assert!(chain[place..].contains(why), "{chain}");
        alder.world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clearance_that_the_directory_cannot_tell_now_is_a_fault_and_never_a_pass() {
    for section in [BY_DIRECTORY, BY_BOTH] {
        let mut alder = Alder::with(NEVER, |world| {
            clearing(world, section, TO_SECRET);
            String::new()
        })
        .await;
        let clearance = held(&alder.world, TO_CONFIDENTIAL);
        let record = Record::of(
            Source::Ldap {
                server: "directory.example:636".into(),
                dn: "cn=reader".to_owned(),
            },
            vec![(Attribute::Clearance, clearance)],
        );
        let known = Arc::new(record.unwrap());
        for (found, code) in [
            (Err("the directory is away".to_owned()), 451),
            // The twin: it is back.
            (Ok(known), 250),
        ] {
            alder.world.alder_switch.take().unwrap().stop().await;
            alder.world.alder_config.directory = Arc::new(Slow(Duration::ZERO, found));
            alder.world.wake_alder().await.unwrap();
            let said = alder.told("CONFIDENTIAL").await;
            assert!(said.starts_with(&code.to_string()), "{section}: {said}");
            let why = match code {
                250 => "the directory (directory.example:636, entry",
                _ => "the directory is away",
            };
            assert!(alder.chain().contains(why), "{}", alder.chain());
        }
        let said = alder.told("SECRET").await;
        assert!(said.ends_with("(clearance.insufficient)"), "{said}");
        alder.world.end().await;
    }
}

#[cfg(feature = "ldap")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_tells_nobodys_clearance_and_a_file_before_it_does() {
    let closed = std::net::TcpListener::bind("[::1]:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    for (section, in_file, wanted) in [
        (BY_DIRECTORY, false, "451 "),
        (BY_BOTH, false, "451 "),
        (BY_DIRECTORY, true, "250 "),
        // It is the clearance, and nothing else, that the server was needed for.
        ("", false, "250 "),
    ] {
        let alder = Alder::with(NEVER, |world| {
            clearing(world, section, TO_SECRET);
            let file = world.dir.join("config/alder.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            let server = format!(
                "\n[[directory.ldap]]\nserver = \"[::1]:{port}\"\nbase = \"o=Lab\"\n\
                 anchors = [\"../pki/alder/ca.pem\"]\n"
            );
            std::fs::write(&file, text + &server).unwrap();
            match in_file {
                true => cleared(READER, &held(world, TO_SECRET)),
                false => String::new(),
            }
        })
        .await;
        let said = alder.told("UNCLASSIFIED").await;
        assert!(said.starts_with(wanted), "{section}: {said}");
        alder.world.end().await;
    }
}
