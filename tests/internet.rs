//! Next hops that DNS names, with a DNS server of our own on loopback: the order of preferences, hosts
//! that are away, domains that take no mail; and that DNS decides where we knock, never who opens.
#![cfg(feature = "internet")]

mod support;

use std::path::Path;
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use ravelin::cli::demo::World;
use ravelin::config::Config;
use ravelin::message::address::Address;
use support::dns::{Dns, Entry, How, Lie, a, aaaa, cname, mx};
use support::sink::{Keep, Sink};

const GOOD: [u8; 4] = [127, 0, 0, 1];
/// Nobody listens there.
const AWAY: [u8; 4] = [127, 0, 0, 9];

/// What differs from one bench to the next.
struct Scene {
    records: Vec<Entry>,
    lies: &'static [Lie],
    /// Whether the zone is signed, and its key an anchor of the switch.
    is_signed: bool,
    /// Who opens at the far end.
    who: fn(&World) -> Config,
}

impl Scene {
    fn of(records: Vec<Entry>) -> Self {
        Self {
            records,
            lies: &[],
            is_signed: false,
            who: |world| world.birch_config.clone(),
        }
    }

    fn with_lies(self, lies: &'static [Lie]) -> Self {
        Self { lies, ..self }
    }

    fn signed(self) -> Self {
        Self {
            is_signed: true,
            ..self
        }
    }

    fn opened_by(self, who: fn(&World) -> Config) -> Self {
        Self { who, ..self }
    }
}

/// ALDER, whose way to BIRCH DNS knows, with one message under way.
struct Bench {
    world: World,
    sink: Sink,
    _dns: Dns,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn new(scene: Scene) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dns = match scene.is_signed {
            true => Dns::signed(scene.records, scene.lies).await,
            false => Dns::unsigned(scene.records, scene.lies).await,
        };
        let mut rest = format!("\n[internet]\nresolvers = [\"{}\"]\n", dns.address);
        if scene.is_signed {
            std::fs::write(dir.path().join("dnssec.key"), &dns.anchors).unwrap();
            rest.push_str("dnssec-anchors = \"../dnssec.key\"\n");
        }
        let mut world = support::world(dir.path(), &[], &rest).await;
        let relay = world.birch.ports.relay;
        let (old, new) = (
            format!("address = \"{relay}\""),
            format!("address = \"mx:birch.example:{}\"", relay.port()),
        );
        rewrite(&mut world, dir.path(), &old, &new);
        let who = (scene.who)(&world);
        let sink = Sink::open(&who, relay, Keep::Count).await.unwrap();
        world.wake_alder().await.unwrap();
        let drafter = world.alder.person("drafter").unwrap();
        let to = [Address::parse("reader@birch.example").unwrap()];
        let label = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
        let label = world.label("CONFIDENTIAL", &label).unwrap();
        let message = world.compose(&drafter.address, &to, Some(&label), &drafter.sign);
        let outcome = world.submit(drafter, &to, &message.unwrap()).await.unwrap();
        assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
        Self {
            world,
            sink,
            _dns: dns,
            dir,
        }
    }

    /// Waits until the chain tells of an act, which must have these words.
    async fn told(&self, act: &str, words: &str) {
        let act = format!("\"act\":\"{act}\"");
        for _ in 0..3_000 {
            let chain = chain(self.dir.path());
            if let Some(line) = chain.lines().find(|line| line.contains(&act)) {
                assert!(line.contains(words), "{line}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {act} in {}", chain(self.dir.path()));
    }

    async fn end(self, arrived: usize) {
        assert_eq!(self.sink.count(), arrived);
        self.world.end().await;
    }

    async fn delivers(scene: Scene) {
        let bench = Self::new(scene).await;
        bench.told("delivered", "reader@birch.example").await;
        bench.end(1).await;
    }

    async fn does_not(scene: Scene, act: &str, words: &str) {
        let bench = Self::new(scene).await;
        bench.told(act, words).await;
        bench.end(0).await;
    }
}

/// Changes ALDER's configuration, and reads it again.
fn rewrite(world: &mut World, dir: &Path, old: &str, new: &str) {
    let file = dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(old), "{old} in {text}");
    std::fs::write(&file, text.replacen(old, new, 1)).unwrap();
    world.alder_config = ravelin::config::load(&file).unwrap();
}

fn chain(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap()
}

/// One host, which is there.
fn one_host() -> Vec<Entry> {
    vec![
        mx("birch.example", 10, "mail.birch.example"),
        a("mail.birch.example", GOOD),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preferred_host_is_asked_first_and_the_next_one_when_it_is_away() {
    Bench::delivers(Scene::of(vec![
        mx("birch.example", 20, "mail.birch.example"),
        mx("birch.example", 10, "away.birch.example"),
        mx("birch.example", 5, "nowhere.birch.example"),
        a("away.birch.example", AWAY),
        a("mail.birch.example", GOOD),
    ]))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_lead_on_and_an_answer_that_is_cut_is_asked_for_again_over_tcp() {
    let records = vec![
        cname("birch.example", "post.birch.example"),
        mx("post.birch.example", 10, "mail.birch.example"),
        cname("mail.birch.example", "host.birch.example"),
        a("host.birch.example", GOOD),
    ];
    let lies: &[Lie] = &[("birch.example", RecordType::MX, How::Truncates)];
    Bench::delivers(Scene::of(records).with_lies(lies)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_without_mx_is_its_own_host() {
    Bench::delivers(Scene::of(vec![
        a("birch.example", GOOD),
        aaaa("birch.example", "::ffff:127.0.0.9"),
    ]))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_takes_no_mail_fails_at_once() {
    let null = vec![mx("birch.example", 0, "."), a("birch.example", GOOD)];
    Bench::does_not(Scene::of(null), "failed", "5.1.10").await;
    let nobody = Scene::of(vec![a("other.example", GOOD)]);
    Bench::does_not(nobody, "failed", "5.1.2").await;
    // There are MX records: the address of the domain itself counts for nothing.
    let nowhere = vec![
        mx("birch.example", 10, "nowhere.birch.example"),
        a("birch.example", GOOD),
    ];
    Bench::does_not(Scene::of(nowhere), "failed", "5.4.4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_leads_back_here_fails_at_once() {
    let back = vec![
        mx("birch.example", 10, "switch.alder.example"),
        mx("birch.example", 20, "mail.birch.example"),
        a("mail.birch.example", GOOD),
    ];
    Bench::does_not(Scene::of(back), "failed", "5.4.6").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_says_where_and_never_who() {
    // Somebody leads us to a host with another's good certificate.
    let records = vec![
        mx("birch.example", 10, "evil.example"),
        a("evil.example", GOOD),
    ];
    let scene = Scene::of(records).opened_by(|world| world.alder_config.clone());
    Bench::does_not(scene, "deferred", "evil.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_the_message_waits() {
    let mx: &[Lie] = &[("birch.example", RecordType::MX, How::Fails)];
    let address: &[Lie] = &[("mail.birch.example", RecordType::A, How::Fails)];
    for lies in [mx, address] {
        let scene = Scene::of(one_host()).with_lies(lies);
        Bench::does_not(scene, "deferred", "4.4.3").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_answer_is_validated_and_a_forged_one_is_none() {
    Bench::delivers(Scene::of(one_host()).signed()).await;
    for how in [How::BadSignature, How::Strips, How::DeniesAbroad] {
        let mx: &[Lie] = match how {
            How::BadSignature => &[("birch.example", RecordType::MX, How::BadSignature)],
            How::Strips => &[("birch.example", RecordType::MX, How::Strips)],
            _ => &[("birch.example", RecordType::MX, How::DeniesAbroad)],
        };
        let scene = Scene::of(one_host()).signed().with_lies(mx);
        Bench::does_not(scene, "deferred", "4.4.3").await;
    }
    // A denial that is signed is believed.
    let nobody = Scene::of(vec![a("other.example", GOOD)]).signed();
    Bench::does_not(nobody, "failed", "5.1.2").await;
}

#[tokio::test]
async fn a_next_hop_from_dns_needs_tls_and_resolvers() {
    let resolvers = "\n[internet]\nresolvers = [\"127.0.0.1:53\"]\n";
    let no_anchors = format!("{resolvers}dnssec-anchors = \"alder.toml\"\n");
    for (rest, address, wrong) in [
        (
            "",
            "address = \"mx:birch.example\"",
            "nobody is named who answers for DNS",
        ),
        (
            resolvers,
            "address = \"mx:birch.example\"\ntls = \"never\"",
            "must do STARTTLS",
        ),
        (resolvers, "address = \"mx:birch..example\"", "not a domain"),
        (
            &no_anchors,
            "address = \"mx:birch.example\"",
            "internet.dnssec-anchors",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = support::world(dir.path(), &[], "").await;
        let file = dir.path().join("config/alder.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let old = format!("address = \"{}\"", world.birch.ports.relay);
        std::fs::write(&file, text.replacen(&old, address, 1) + rest).unwrap();
        let error = ravelin::config::load(&file).err().unwrap().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}
