//! The trust list: signed, never older than it was, and in force for every path at once.

use std::path::PathBuf;

use ravelin::cli::demo::World;
use ravelin::cli::serve;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config::{self, Config, ConfigError};
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::keys::Identity;
use ravelin::crypto::trust::{Purpose, TrustProblem};
use ravelin::message::address::Address;

/// A nation's folder with a trust list, which the officer signs.
struct Folder {
    world: World,
    dir: tempfile::TempDir,
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn list(number: u64, entries: &str) -> String {
    let date = Timestamp::now() - jiff::SignedDuration::from_mins(60);
    let date = date + jiff::SignedDuration::from_secs(i64::try_from(number).unwrap());
    format!("number = {number}\ndate = \"{date}\"\n{entries}")
}

fn distrusted(key: &str, digits: &str) -> String {
    format!(
        "[[distrusted]]\n{key} = \"{digits}\"\nreason = \"gone\"\ndate = \"2026-11-20T17:00:00Z\"\n"
    )
}

fn trusted(certificate: &Certificate, purposes: &str, address: &str) -> String {
    format!(
        "[[trusted]]\nsha256 = \"{}\"\npurposes = [{purposes}]\naddresses = [\"{address}\"]\n\
         reason = \"exchange\"\ndate = \"2026-11-20T17:00:00Z\"\n",
        hex(&certificate.fingerprint())
    )
}

impl Folder {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = World::found(dir.path(), Clock::system(), "").await.unwrap();
        let folder = Self { world, dir };
        let pin = hex(&folder.officer().certificate().fingerprint());
        folder.edit(
            "[trust]\n",
            &format!(
                "[trust]\nlist = {{ file = \"trust-list.toml\", signature = \"trust-list.p7s\", \
                 signers = [\"sha256:{pin}\"] }}\n"
            ),
        );
        folder.put(&list(1, ""));
        folder
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("config/alder.toml")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("config").join(name)
    }

    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "{from} is not there");
        std::fs::write(self.file(), text.replace(from, to)).unwrap();
    }

    fn person(&self, name: &str) -> Identity {
        self.world.alder.person(name).unwrap().sign.clone()
    }

    fn officer(&self) -> Identity {
        self.person("officer")
    }

    fn put(&self, text: &str) {
        std::fs::write(self.at("trust-list.toml"), text).unwrap();
        self.sign(&self.officer());
    }

    fn sign(&self, signer: &Identity) {
        let octets = std::fs::read(self.at("trust-list.toml")).unwrap();
        let cms = sign::sign(&SignOrder {
            content: &octets,
            content_type: oid::DATA,
            form: Form::Detached,
            signers: &[Signer::new(signer, Vec::new())],
            signing_time: Timestamp::now(),
            extra_certificates: &[],
        });
        std::fs::write(self.at("trust-list.p7s"), cms.unwrap()).unwrap();
    }

    fn load(&self) -> Result<Config, ConfigError> {
        config::load(&self.file())
    }

    /// What is wrong, which must have a line and a remedy.
    fn refused(&self, text: &str) -> ConfigError {
        let Err(error) = self.load() else {
            panic!("loaded, and should say {text}")
        };
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.line.is_some() && !error.remedy.is_empty(), "{error}");
        error
    }
}

#[tokio::test]
async fn a_list_counts_only_as_its_pinned_signer_signed_it() {
    let folder = Folder::new().await;
    let config = folder.load().unwrap_or_else(|error| panic!("{error}"));
    let known = config.trust_list.unwrap();
    assert_eq!((known.number, known.signed_by.len()), (1, 1));
    // Somebody else; one octet more; no signature at all.
    folder.sign(&folder.person("drafter"));
    assert_eq!(folder.refused("is not pinned").key, "trust.list.signature");
    folder.put(&list(1, ""));
    std::fs::write(folder.at("trust-list.toml"), list(1, "#\n")).unwrap();
    folder.refused("not the one that was signed");
    std::fs::remove_file(folder.at("trust-list.p7s")).unwrap();
    folder.refused("cannot be read");
    folder.put(&list(1, ""));
    let text = std::fs::read_to_string(folder.file()).unwrap();
    let pins = text.split("signers = [\"sha256:").nth(1).unwrap();
    let pin = format!("\"sha256:{}", pins.split(']').next().unwrap());
    folder.edit(&pin, "");
    assert_eq!(folder.refused("nobody is named").key, "trust.list.signers");
}

#[tokio::test]
async fn a_wrong_entry_is_an_error_with_its_line() {
    let folder = Folder::new().await;
    let some = "ab".repeat(32);
    let good = distrusted("sha256", &some);
    let own = folder.person("drafter").certificate().clone();
    for (entries, line, wanted) in [
        (distrusted("sha256", "abcd"), 4, "not a SHA-256"),
        (distrusted("sha256", &"xy".repeat(32)), 4, "not a SHA-256"),
        (distrusted("key-id", "ab"), 4, "not a key identifier"),
        (distrusted("serial", "ab"), 4, "unknown field"),
        (good.replace("\"gone\"", "\" \""), 5, "no reason"),
        (good.replace("-20T17", "-32T17"), 6, "date"),
        (
            good.replace("sha256", "sha256 = \"\"\nkey-id"),
            3,
            "one thing",
        ),
        (format!("{good}{good}"), 7, "another entry"),
        (
            trusted(&own, "\"server\"", "a@alder.example"),
            5,
            "unknown variant",
        ),
        (trusted(&own, "", "a@alder.example"), 5, "for something"),
        (trusted(&own, "\"sign\"", "nobody"), 6, "name@domain"),
        (
            trusted(&own, "\"sign\"", "").replace("[\"\"]", "[]"),
            3,
            "for somebody",
        ),
        (
            format!(
                "{}{}",
                trusted(&own, "\"sign\"", "a@alder.example"),
                distrusted("sha256", &hex(&own.fingerprint()))
            ),
            3,
            "another entry",
        ),
        ("colour = 1\n".to_owned(), 3, "unknown field"),
    ] {
        folder.put(&list(2, &entries));
        let error = folder.refused(wanted);
        assert!(error.file.ends_with("trust-list.toml"), "{error}");
        assert_eq!(error.line, Some(line), "{entries}\n{error}");
    }
    folder.put(&list(2, &good));
    folder.load().unwrap_or_else(|error| panic!("{error}"));
    let tomorrow = Timestamp::now() + jiff::SignedDuration::from_hours(24);
    folder.put(&format!("number = 2\ndate = \"{tomorrow}\"\n"));
    folder.refused("not yet");
}

/// Both ways of each entry, in every store of the configuration.
#[tokio::test]
async fn entries_bind_every_link() {
    let folder = Folder::new().await;
    let drafter = folder.person("drafter").certificate().clone();
    let key = drafter.subject_key_id().unwrap();
    for (entries, refused) in [
        (String::new(), false),
        (distrusted("sha256", &hex(&drafter.fingerprint())), true),
        (distrusted("key-id", &hex(key)), true),
        (distrusted("sha256", &"ab".repeat(32)), false),
    ] {
        folder.put(&list(2, &entries));
        let config = folder.load().unwrap_or_else(|error| panic!("{error}"));
        let stores = config.links.iter().map(|link| &link.trust);
        for store in stores.chain([&config.trust]) {
            let found = store.validate(&drafter, &[], Purpose::Sign, Timestamp::now());
            let distrusted = matches!(found, Err(TrustProblem::Distrusted { .. }));
            assert_eq!(distrusted, refused, "{entries}");
        }
    }
    // Who is distrusted signs no label policy either, pinned or not.
    let pin = hex(&folder.officer().certificate().fingerprint());
    folder.put(&list(3, &distrusted("sha256", &pin)));
    folder.load().unwrap_or_else(|error| panic!("{error}"));
    std::fs::copy(folder.at("trust-list.p7s"), folder.at("alder.p7s")).unwrap();
    let octets = std::fs::read(folder.at("alder.xml")).unwrap();
    let cms = sign::sign(&SignOrder {
        content: &octets,
        content_type: oid::DATA,
        form: Form::Detached,
        signers: &[Signer::new(&folder.officer(), Vec::new())],
        signing_time: Timestamp::now(),
        extra_certificates: &[],
    });
    std::fs::write(folder.at("alder.p7s"), cms.unwrap()).unwrap();
    let file = "file = \"alder.xml\"\n";
    folder.edit(file, &format!("{file}signature = \"alder.p7s\"\n"));
    let text = std::fs::read_to_string(folder.file()).unwrap();
    let text = format!("{text}\n[policies]\nsigners = [\"sha256:{pin}\"]\n");
    std::fs::write(folder.file(), text).unwrap();
    folder.edit(
        "file = \"birch.xml\"\n",
        "file = \"birch.xml\"\nsignature = \"alder.p7s\"\n",
    );
    folder.refused("the trust list distrusts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_bites_at_once_and_never_goes_back() {
    let mut folder = Folder::new().await;
    folder.world.alder_config = folder.load().unwrap_or_else(|error| panic!("{error}"));
    folder.world.wake_alder().await.unwrap();
    let world = &folder.world;
    let switch = &world.running().unwrap().switch;
    let send = async || {
        let drafter = world.alder.person("drafter").unwrap();
        let to = [Address::parse("reader@alder.example").unwrap()];
        let label = world.label("RESTRICTED", &[]).unwrap();
        let message = world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        match world.submit(drafter, &to, &message).await {
            Ok(outcome) => outcome.reply().text(),
            Err(error) => error.to_string(),
        }
    };
    let key = hex(folder
        .person("drafter")
        .certificate()
        .subject_key_id()
        .unwrap());
    // The path is remembered now.
    for _ in 0..2 {
        let said = send().await;
        assert!(!said.contains('('), "{said}");
    }
    let fresh = list(2, &distrusted("key-id", &key));
    folder.put(&fresh);
    switch.reload("test").await.unwrap();
    let said = send().await;
    assert!(said.contains('('), "{said}");
    // The older one, as it was signed; none; the same number with other entries and no later date.
    let error = |found: Result<_, ravelin::switch::ReloadError>| match found {
        Ok(_) => panic!("reloaded"),
        Err(error) => error.to_string(),
    };
    folder.put(&list(1, ""));
    let said = error(switch.reload("test").await);
    assert!(said.contains("older than 2"), "{said}");
    let date = fresh.lines().nth(1).unwrap();
    folder.put(&format!("number = 3\n{date}\n"));
    let said = error(switch.reload("test").await);
    assert!(said.contains("not after"), "{said}");
    let line = std::fs::read_to_string(folder.file()).unwrap();
    let line = line
        .lines()
        .find(|line| line.starts_with("list = "))
        .unwrap()
        .to_owned();
    folder.edit(&format!("{line}\n"), "");
    let said = error(switch.reload("test").await);
    assert!(said.contains("there is none"), "{said}");
    let said = send().await;
    assert!(said.contains('('), "still in force: {said}");
    folder.world.alder_switch.take().unwrap().stop().await;
    // Nor while the switch is down, unless an operator means it.
    let start = async |accept: &[&str]| {
        let accept: Vec<String> = accept.iter().map(ToString::to_string).collect();
        let config = folder.load().unwrap_or_else(|error| panic!("{error}"));
        match serve::start_accepting(config, Clock::system(), &accept).await {
            Ok(running) => {
                running.stop().await;
                Ok(())
            }
            Err(fault) => Err(fault.chain()),
        }
    };
    let said = start(&[]).await.unwrap_err();
    assert!(said.contains("--accept-older trust-list"), "{said}");
    folder.edit("[trust]\n", &format!("[trust]\n{line}\n"));
    folder.put(&list(1, ""));
    let said = start(&["ALDER"]).await.unwrap_err();
    assert!(said.contains("older than 2"), "{said}");
    folder.put(&fresh);
    start(&[]).await.unwrap();
    folder.put(&list(1, ""));
    start(&["trust-list"]).await.unwrap();
    start(&[]).await.unwrap();
    let told = std::fs::read_to_string(folder.dir.path().join("audit/alder.jsonl")).unwrap();
    let rolled = told.lines().filter(|line| line.contains("\"rolled-back\""));
    assert_eq!(rolled.count(), 1, "{told}");
    let reloaded = told.lines().find(|line| line.contains("\"reloaded\""));
    assert!(
        reloaded
            .unwrap()
            .contains("\"trust-list\":\"number 2, sha384 ")
    );
}

/// What was good to encrypt for is not any more.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_encrypted_for_a_distrusted_key() {
    let mut folder = Folder::new().await;
    let text = std::fs::read_to_string(folder.file()).unwrap();
    assert!(text.contains("triple-wrap"), "{text}");
    let far = std::fs::read(folder.dir.path().join("pki/birch/border-encrypt.pem")).unwrap();
    let far = Certificate::from_pem_many(&far).unwrap().swap_remove(0);
    for (number, entries, wanted) in [
        (1, String::new(), "250"),
        (2, distrusted("sha256", &hex(&far.fingerprint())), "550"),
    ] {
        folder.put(&list(number, &entries));
        folder.world.alder_config = folder.load().unwrap_or_else(|error| panic!("{error}"));
        folder.world.wake_alder().await.unwrap();
        let world = &folder.world;
        let drafter = world.alder.person("drafter").unwrap();
        let to = [Address::parse("reader@birch.example").unwrap()];
        let names = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
        let label = world.label("RESTRICTED", &names).unwrap();
        let message = world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        let said = world.submit(drafter, &to, &message).await.unwrap();
        let reply = said.reply();
        assert_eq!(reply.code.to_string(), wanted, "{}", reply.text());
        if wanted == "550" {
            assert!(reply.text().contains("seal.impossible"), "{}", reply.text());
        }
        folder.world.alder_switch.take().unwrap().stop().await;
    }
}
