//! A link says in which dialect it protects header fields and which it takes: two switches, each
//! dialect, and the twin that is refused.

use std::path::Path;

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config;
use ravelin::message::address::Address;
use ravelin::message::header::Limits;
use ravelin::open::{self, Facts, Opener, Piece};

/// Both nations up: ALDER seals with `seal`, BIRCH takes what `arrives` says and asks for no release.
async fn world(dir: &Path, seal: &str, arrives: &str) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    let change = |name: &str, old: &str, new: &str| {
        let path = dir.join("config").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old:?} is not in {name}");
        std::fs::write(&path, text.replacen(old, new, 1)).unwrap();
        config::load(&path).unwrap()
    };
    let cipher = "cipher = \"aes-256-gcm\"\n";
    world.alder_config = change("alder.toml", cipher, &format!("{cipher}{seal}\n"));
    let owed = "release-owed = [\"HIDDEN\", \"SEALED\"]\n";
    world.birch_config = change("birch.toml", owed, &format!("{arrives}\n"));
    world.wake_alder().await.unwrap();
    world.wake_birch().await.unwrap();
    world
}

async fn sent(world: &World) {
    let drafter = world.alder.person("drafter").unwrap();
    let to = vec![Address::parse("reader@birch.example").unwrap()];
    let releasable = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    let label = world.label("SECRET", &releasable).unwrap();
    let message = world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap();
    let outcome = world.submit(drafter, &to, &message).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
}

fn facts(world: &World, message: &[u8]) -> Facts {
    let reader = world.birch.person("reader").unwrap();
    let keys = std::slice::from_ref(&reader.encrypt);
    let opener = Opener {
        policies: &Default::default(),
        keys: keys.into(),
        trust: &world.alder_config.trust,
        at: Timestamp::now(),
        limits: Limits::default(),
    };
    open::facts(&opener, Piece::whole(std::sync::Arc::new(message.to_vec()))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_dialect_crosses_the_border_and_hides_the_subject() {
    for (seal, dialect) in [
        ("header-protection = \"rfc7508\"", "rfc7508"),
        ("header-protection = \"rfc8551\"", "rfc8551"),
        (
            "header-protection = \"rfc9788\"\nheader-confidentiality = \"shy\"\ninner-encoding = \"binary\"",
            "rfc9788",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let arrives = format!("header-protection = [\"{dialect}\"]");
        let mut world = world(dir.path(), seal, &arrives).await;
        sent(&world).await;
        let is_it = |octets: &[u8]| octets.windows(10).any(|w| w == b"pkcs7-mime");
        let arrived = world.birch_mail.wait_for(is_it).await;
        let chain = std::fs::read_to_string(dir.path().join("audit/birch.jsonl")).unwrap();
        let (_, octets) = arrived.unwrap_or_else(|_| panic!("{dialect} did not arrive: {chain}"));
        assert!(!octets.windows(6).any(|w| w == b"strait"), "{dialect}");
        let facts = facts(&world, &octets);
        assert!(
            facts.conflicts.is_empty(),
            "{dialect}: {:?}",
            facts.conflicts
        );
        assert_eq!(facts.protected[0].dialect.name(), dialect);
        let subject = facts.field("Subject").unwrap();
        assert_eq!(subject, "Passage of the northern strait", "{dialect}");
        let signed = facts.layers.iter().flat_map(|layer| layer.signers());
        assert!(signed.into_iter().all(|signer| signer.report.is_good()));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialect_that_the_link_does_not_take_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let seal = "header-protection = \"rfc7508\"";
    let mut world = world(
        dir.path(),
        seal,
        "header-protection = [\"rfc9788\", \"rfc8551\"]",
    )
    .await;
    sent(&world).await;
    let report = |octets: &[u8]| String::from_utf8_lossy(octets).contains("delivery-status");
    let (_, octets) = world.alder_mail.wait_for(report).await.unwrap();
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("(header.protection-refused)"), "{text}");
    world.end().await;
}
