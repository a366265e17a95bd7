//! Label policies: who signed them, how old they are, whether they pass their own cases.

use std::path::{Path, PathBuf};

use ravelin::cli::demo::World;
use ravelin::cli::serve;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config::{self, Config, ConfigError};
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::pem;
use ravelin::message::address::Address;

/// A nation's folder, in which ALDER's policies are signed by its officer, who holds the role.
struct Folder {
    world: World,
    dir: tempfile::TempDir,
}

const ROLE: &str = "\n[policies]\nsigners = [\"role:releasing-officer\"]\n";

impl Folder {
    async fn signed() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = World::found(dir.path(), Clock::system(), "").await.unwrap();
        let folder = Self { world, dir };
        folder.pins(ROLE);
        let text = std::fs::read_to_string(folder.file()).unwrap();
        let mut named = text.clone();
        for policy in ["alder", "birch"] {
            let line = format!("file = \"{policy}.xml\"\n");
            assert!(named.contains(&line));
            named = named.replace(&line, &format!("{line}signature = \"{policy}.p7s\"\n"));
            folder.sign(policy, &folder.officer());
        }
        std::fs::write(folder.file(), named).unwrap();
        folder
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("config/alder.toml")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("config").join(name)
    }

    fn officer(&self) -> Identity {
        self.world.alder.person("officer").unwrap().sign.clone()
    }

    fn sign(&self, policy: &str, signer: &Identity) {
        let octets = std::fs::read(self.at(&format!("{policy}.xml"))).unwrap();
        let cms = signature(&octets, signer, Form::Detached);
        std::fs::write(self.at(&format!("{policy}.p7s")), cms).unwrap();
    }

    /// Another `[policies]` section.
    fn pins(&self, section: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let before = text.split("\n[policies]").next().unwrap();
        std::fs::write(self.file(), format!("{before}{section}")).unwrap();
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.at(name)).unwrap();
        assert!(text.contains(from), "{from} is not in {name}");
        std::fs::write(self.at(name), text.replace(from, to)).unwrap();
    }

    fn load(&self) -> Result<Config, ConfigError> {
        config::load(&self.file())
    }

    /// What is wrong, which must have a line, this key, this text, and a remedy.
    fn refused(&self, key: &str, text: &str) {
        let Err(error) = self.load() else {
            panic!("loaded, and should say {text}")
        };
        assert_eq!(error.key, key, "{error}");
        assert!(error.text.contains(text), "{error}");
        assert!(error.line.is_some() && !error.remedy.is_empty(), "{error}");
    }
}

fn signature(octets: &[u8], signer: &Identity, form: Form) -> Vec<u8> {
    sign::sign(&SignOrder {
        content: octets,
        content_type: oid::DATA,
        form,
        signers: &[Signer::new(signer, Vec::new())],
        signing_time: Timestamp::now(),
        extra_certificates: &[],
    })
    .unwrap()
}

fn flip(file: &Path, at: usize) {
    let mut octets = std::fs::read(file).unwrap();
    octets[at] ^= 1;
    std::fs::write(file, octets).unwrap();
}

#[tokio::test]
async fn a_policy_counts_as_signed_only_by_a_pinned_signer() {
    let folder = Folder::signed().await;
    let config = folder.load().unwrap();
    assert!(
        config
            .policies
            .iter()
            .all(|policy| config.is_signed(policy))
    );
    assert_eq!(config.provenance[0].signed_by, ["role:releasing-officer"]);

    // The certificate itself, and the key identifier under [trust].
    let officer = folder.officer();
    let hex = |octets: &[u8]| -> String { octets.iter().map(|o| format!("{o:02X}:")).collect() };
    for pin in [
        format!("sha256:{}", hex(&officer.certificate().fingerprint())),
        format!(
            "key-id:{}",
            hex(officer.certificate().subject_key_id().unwrap())
        ),
    ] {
        folder.pins(&format!("\n[policies]\nsigners = [\"{pin}\"]\n"));
        let config = folder.load().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.provenance[1].signed_by, [pin]);
    }

    // Nobody pinned: the signature must verify all the same, and grants nothing.
    folder.pins("");
    let config = folder.load().unwrap();
    assert!(
        !config
            .policies
            .iter()
            .any(|policy| config.is_signed(policy))
    );
    flip(&folder.at("alder.p7s"), 400);
    folder.refused("policy.signature", "");
}

#[tokio::test]
async fn an_unsigned_or_wrongly_signed_policy_is_an_error_with_line_and_remedy() {
    let folder = Folder::signed().await;
    // Somebody who is trusted, and not pinned.
    let drafter = folder.world.alder.person("drafter").unwrap().sign.clone();
    folder.sign("alder", &drafter);
    folder.refused("policy.signature", "is not pinned");
    // A certificate with the officer's address by an authority of somebody else.
    let now = Timestamp::now();
    let elsewhere = Authority::new("CN=Elsewhere", now).unwrap();
    let request = Request::new("CN=officer,O=ALDER", Usage::SignAndClient, now);
    let forged = elsewhere
        .issue(request.email("officer@alder.example"))
        .unwrap();
    folder.sign("alder", &forged);
    folder.refused("policy.signature", "is pinned and not trusted");
    // One octet of the policy.
    folder.sign("alder", &folder.officer());
    folder.load().unwrap();
    folder.edit("alder.xml", "#007A33", "#007A34");
    folder.refused("policy.signature", "not the one that was signed");
    folder.edit("alder.xml", "#007A34", "#007A33");
    folder.load().unwrap();
    // One octet of the signature: its last.
    let length = std::fs::metadata(folder.at("alder.p7s")).unwrap().len();
    flip(
        &folder.at("alder.p7s"),
        usize::try_from(length).unwrap() - 1,
    );
    folder.refused("policy.signature", "");
    // The signature of the other policy, and one that brings its own text.
    std::fs::copy(folder.at("birch.p7s"), folder.at("alder.p7s")).unwrap();
    folder.refused("policy.signature", "not the one that was signed");
    let octets = std::fs::read(folder.at("alder.xml")).unwrap();
    let attached = signature(&octets, &folder.officer(), Form::Attached);
    std::fs::write(folder.at("alder.p7s"), attached).unwrap();
    folder.refused("policy.signature", "not detached");
    // As PEM it is the same signature.
    let cms = signature(&octets, &folder.officer(), Form::Detached);
    std::fs::write(folder.at("alder.p7s"), pem::encode("CMS", &cms)).unwrap();
    folder.load().unwrap();
    std::fs::write(folder.at("alder.p7s"), pem::encode("CERTIFICATE", &cms)).unwrap();
    folder.refused("policy.signature", "holds no signature");
    // No signature at all.
    folder.edit("alder.toml", "signature = \"alder.p7s\"\n", "");
    folder.refused("policy.signature", "is not signed");
    folder.pins("\n[policies]\nsigners = [\"role:nobody\"]\n");
    folder.refused("policies.signers", "no subject has the role");
    folder.pins("\n[policies]\nsigners = [\"sha256:12\"]\n");
    folder.refused("policies.signers", "names no signer");
}

#[tokio::test]
async fn a_policy_passes_its_own_cases_before_it_is_in_force() {
    let folder = Folder::signed().await;
    folder.pins("\n[policies]\ncases = \"required\"\n");
    folder.refused("policy.cases", "no cases beside");
    for name in ["alder.cases", "birch.cases"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("labels")
            .join(name);
        std::fs::copy(from, folder.at(name)).unwrap();
    }
    folder.load().unwrap_or_else(|error| panic!("{error}"));
    folder.edit("alder.cases", "| permit", "| deny");
    folder.refused("policy.cases", "alder.cases:");
    // Named by a key, in place of those beside the policy.
    folder.edit(
        "alder.toml",
        "file = \"alder.xml\"\n",
        "file = \"alder.xml\"\ncases = \"own.cases\"\n",
    );
    folder.refused("policy.cases", "cannot be read");
    std::fs::write(folder.at("own.cases"), "RESTRICTED | SECRET | deny\n").unwrap();
    folder.load().unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn a_changed_policy_is_newer_than_the_one_in_force() {
    let folder = Folder::signed().await;
    folder.pins("");
    folder.edit("alder.toml", "signature = \"alder.p7s\"\n", "");
    let first = folder.load().unwrap();
    let now = Timestamp::now();
    let next = |before: &Config| config::load_after(&folder.file(), &before.policies, now);
    // No change is no change; a change under the same date is one too many.
    next(&first).unwrap();
    folder.edit("alder.xml", "#007A33", "#007A34");
    let error = next(&first).err().unwrap();
    assert!(error.text.contains("not after"), "{error}");
    folder.edit("alder.xml", "20260101000000Z", "20260601000000Z");
    folder.edit("alder.xml", "version=\"1\"\n", "version=\"2\"\n");
    let second = next(&first).unwrap();
    assert_ne!(first.provenance[0].digest, second.provenance[0].digest);
    assert_eq!(first.provenance[1], second.provenance[1]);
    folder.edit("alder.xml", "version=\"2\"\n", "version=\"1\"\n");
    let error = next(&second).err().unwrap();
    assert!(error.text.contains("older than 2"), "{error}");
    assert!(error.line.is_some() && error.remedy.contains("higher version"));
}

/// Something that bears on access is left behind at the border only when the policy says so and a
/// pinned signer has signed that.
#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_takes_a_policy_that_names_it_and_is_signed() {
    const DISCARD: &str = "<equivalentSecCategoryTag policyRef=\"BIRCH\" \
         tagSetId=\"1.3.6.1.4.1.32473.2.1.2\" tagType=\"restrictive\" lacv=\"\" \
         applied=\"encrypt\" action=\"discard\"/>";
    let mut folder = Folder::signed().await;
    let beacon = "<tagCategory name=\"BEACON\" lacv=\"1\">";
    folder.edit("alder.xml", beacon, &format!("{beacon}{DISCARD}"));
    folder.sign("alder", &folder.officer());
    for (pins, wanted) in [("", "(label.no-equivalent)"), (ROLE, "250 ")] {
        folder.pins(pins);
        folder.world.alder_config = folder.load().unwrap_or_else(|error| panic!("{error}"));
        folder.world.wake_alder().await.unwrap();
        let world = &folder.world;
        let drafter = world.alder.person("drafter").unwrap();
        let names = [
            ("Releasable To", "ALDER"),
            ("Releasable To", "BIRCH"),
            ("Codeword", "BEACON"),
        ];
        let label = world.label("SECRET", &names).unwrap();
        let to = [Address::parse("reader@birch.example").unwrap()];
        let message = world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        let reply = world.submit(drafter, &to, &message).await.unwrap();
        let reply = format!("{} {}", reply.reply().code, reply.reply().text());
        assert!(reply.contains(wanted), "{pins:?}: {reply}");
        folder.world.alder_switch.take().unwrap().stop().await;
    }
    let told = std::fs::read_to_string(folder.dir.path().join("audit/alder.jsonl")).unwrap();
    let lines = |part: &str| told.lines().filter(|line| line.contains(part)).count();
    assert_eq!(lines("\"act\":\"downgraded\""), 1, "{told}");
    assert_eq!(lines("equivalence.unsigned"), 1, "{told}");
    let line = told.lines().find(|line| line.contains("downgraded"));
    let line = line.unwrap();
    assert!(
        line.contains("BEACON") && line.contains("alder.xml:"),
        "{line}"
    );
}

/// Everything that an error says, causes included.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

/// Whoever can write files while the switch is down brings no older policy back, signed as it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_policy_does_not_come_back_while_the_switch_is_down() {
    let folder = Folder::signed().await;
    let old =
        ["alder.xml", "alder.p7s"].map(|name| (name, std::fs::read(folder.at(name)).unwrap()));
    let start = async |accept: &[&str]| {
        let accept: Vec<String> = accept.iter().map(ToString::to_string).collect();
        let config = folder.load().unwrap_or_else(|error| panic!("{error}"));
        match serve::start_accepting(config, Clock::system(), &accept).await {
            Ok(running) => {
                running.stop().await;
                Ok(())
            }
            Err(fault) => Err(said(&fault)),
        }
    };
    let change = |version: &str, date: &str| {
        for (name, octets) in &old {
            std::fs::write(folder.at(name), octets).unwrap();
        }
        let version = format!("version=\"{version}\"\n");
        folder.edit("alder.xml", "version=\"1\"\n", &version);
        folder.edit("alder.xml", "20260101000000Z", date);
        folder.sign("alder", &folder.officer());
    };
    start(&[]).await.unwrap();
    start(&[]).await.unwrap();
    change("2", "20260601000000Z");
    start(&[]).await.unwrap();
    // The old one, with its old signature; the same version with an older date; the same date.
    for (version, date, wanted) in [
        ("1", "20260101000000Z", "version 1 is older than 2"),
        ("2", "20260501000000Z", "not after"),
        ("3", "20260601000000Z", "not after"),
    ] {
        change(version, date);
        let error = start(&[]).await.unwrap_err();
        assert!(error.contains(wanted), "{error}");
        assert!(
            error.contains("ravelin serve --accept-older ALDER"),
            "{error}"
        );
        // Naming another policy opens nothing.
        assert!(start(&["BIRCH"]).await.is_err());
    }
    // An operator may mean it.
    change("1", "20260101000000Z");
    start(&["ALDER"]).await.unwrap();
    start(&[]).await.unwrap();
    let told = std::fs::read_to_string(folder.dir.path().join("audit/alder.jsonl")).unwrap();
    let rolled = told.lines().filter(|line| line.contains("\"rolled-back\""));
    assert_eq!(rolled.count(), 1, "{told}");
    let started: Vec<&str> = told.lines().filter(|l| l.contains("\"started\"")).collect();
    assert_eq!(started.len(), 5, "{told}");
    assert!(started[2].contains("policy-ALDER") && started[2].contains("version 2"));
}

/// The command of README, by the program that people have.
#[tokio::test]
async fn openssl_signs_a_policy() {
    let folder = Folder::signed().await;
    let pki = folder.dir.path().join("pki/alder");
    let mut command = std::process::Command::new("openssl");
    command
        .args(["cms", "-sign", "-binary", "-outform", "DER", "-in"])
        .arg(folder.at("alder.xml"))
        .arg("-signer")
        .arg(pki.join("officer.pem"))
        .arg("-inkey")
        .arg(pki.join("officer.key.pem"))
        .arg("-out")
        .arg(folder.at("alder.p7s"));
    let Ok(done) = command.output() else {
        eprintln!("skipped: no openssl program here");
        return;
    };
    assert!(done.status.success(), "{done:?}");
    let config = folder.load().unwrap_or_else(|error| panic!("{error}"));
    assert!(config.is_signed(config.policy()));
    folder.edit("alder.xml", "#007A33", "#007A34");
    folder.refused("policy.signature", "not the one that was signed");
}
