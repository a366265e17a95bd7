//! Next hops that DNS names, with a DNS server of our own on loopback: the order of preferences, hosts
//! that are away, domains that take no mail; and that DNS decides where we knock, never who opens.
#![cfg(feature = "internet")]

mod support;

use std::path::Path;
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use ravelin::cli::demo::World;
use ravelin::config::Config;
use ravelin::crypto::algorithm::Digest;
use ravelin::crypto::provider;
use ravelin::message::address::Address;
use support::dns::{Dns, Entry, How, Lie, a, aaaa, cname, mx, tlsa};
use support::sink::{Keep, Sink};

const GOOD: [u8; 4] = [127, 0, 0, 1];
/// Nobody listens there.
const AWAY: [u8; 4] = [127, 0, 0, 9];

/// What differs from one bench to the next.
struct Scene {
    records: Box<dyn Fn(&World) -> Vec<Entry>>,
    lies: &'static [Lie],
    /// Whether the zone is signed, and its key an anchor of the switch.
    is_signed: bool,
    /// What stands in the place of the link's `peer`; without it, that stays.
    authentication: Option<&'static str>,
    /// Who opens at the far end.
    who: fn(&World) -> Config,
}

impl Scene {
    fn of(records: Vec<Entry>) -> Self {
        Self::with(move |_| records.clone())
    }

    /// With records that depend on who is there.
    fn with(records: impl Fn(&World) -> Vec<Entry> + 'static) -> Self {
        Self {
            records: Box::new(records),
            lies: &[],
            is_signed: false,
            authentication: None,
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

    /// These lines in place of the link's `peer = "…"`.
    fn authenticated_by(self, lines: &'static str) -> Self {
        Self {
            authentication: Some(lines),
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
        let mut world = support::world(dir.path(), &[], "").await;
        let records = (scene.records)(&world);
        let dns = match scene.is_signed {
            true => Dns::signed(records, scene.lies).await,
            false => Dns::unsigned(records, scene.lies).await,
        };
        let mut section = format!("[internet]\nresolvers = [\"{}\"]\n", dns.address);
        if scene.is_signed {
            std::fs::write(dir.path().join("dnssec.key"), &dns.anchors).unwrap();
            section.push_str("dnssec-anchors = \"../dnssec.key\"\n");
        }
        let relay = world.birch.ports.relay;
        let old = format!("address = \"{relay}\"\n");
        let new = format!("address = \"mx:birch.example:{}\"\n", relay.port());
        let mut changes = vec![(old, new)];
        if let Some(lines) = scene.authentication {
            let peer = format!("peer = \"{}\"\n", world.birch.host());
            changes.push((peer, lines.to_owned()));
        }
        rewrite(&mut world, dir.path(), &changes, &section);
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

/// Changes ALDER's configuration, adds a section to it, and reads it again.
fn rewrite(world: &mut World, dir: &Path, changes: &[(String, String)], section: &str) {
    let file = dir.join("config/alder.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old} in {text}");
        text = text.replacen(old, new, 1);
    }
    std::fs::write(&file, format!("{text}\n{section}")).unwrap();
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
    for lies in [
        &[("*", RecordType::MX, How::BadSignature)][..],
        &[("*", RecordType::MX, How::Strips)],
        &[("*", RecordType::MX, How::DeniesAbroad)],
    ] {
        let scene = Scene::of(one_host()).signed().with_lies(lies);
        Bench::does_not(scene, "deferred", "4.4.3").await;
    }
    // A denial that is signed is believed.
    let nobody = Scene::of(vec![a("other.example", GOOD)]).signed();
    Bench::does_not(nobody, "failed", "5.1.2").await;
}

/// The MX of BIRCH is this host, and it has TLSA records.
fn published(host: &str, tlsa: impl Fn(&World, &str) -> Vec<Entry> + 'static) -> Scene {
    let host = host.to_owned();
    Scene::with(move |world| {
        let port = world.birch.ports.relay.port();
        let mut records = tlsa(world, &format!("_{port}._tcp.{host}"));
        records.push(mx("birch.example", 10, &host));
        records.push(a(&host, GOOD));
        records
    })
    .signed()
}

/// DANE-EE(3) SPKI(1) SHA2-256(1) of the certificate that this switch shows.
fn key_of(config: &Config, owner: &str) -> Entry {
    let key = config.keys.tls.certificate().spki_der().to_vec();
    let digest = provider::default().digest(Digest::Sha256, &[&key]);
    tlsa(owner, (3, 1, 1), digest)
}

fn of_birch(world: &World, owner: &str) -> Vec<Entry> {
    vec![key_of(&world.birch_config, owner)]
}

fn of_alder(world: &World, owner: &str) -> Vec<Entry> {
    vec![key_of(&world.alder_config, owner)]
}

const DANE: &str = "authentication = [\"dane\"]\n";
const PEER_AND_DANE: &str = "peer = \"switch.birch.example\"\nauthentication = [\"dane\"]\n";
const MAIL: &str = "mail.birch.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_record_vouches_for_the_key_that_it_names_and_no_other() {
    for lines in [DANE, PEER_AND_DANE] {
        Bench::delivers(published(MAIL, of_birch).authenticated_by(lines)).await;
        let wrong = published(MAIL, of_alder).authenticated_by(lines);
        Bench::does_not(wrong, "deferred", "no TLSA record speaks").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_never_opens_what_the_link_pins() {
    // Whoever holds BIRCH's zone publishes another key, and opens with it.
    let scene = published(MAIL, of_alder).opened_by(|world| world.alder_config.clone());
    Bench::delivers(scene.authenticated_by(DANE)).await;
    let scene = published(MAIL, of_alder).opened_by(|world| world.alder_config.clone());
    Bench::does_not(scene.authenticated_by(PEER_AND_DANE), "deferred", MAIL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_vouches_for_names_below_it() {
    let authority = |world: &World, owner: &str| {
        let whole = world.birch.authority.certificate().der().to_vec();
        vec![tlsa(owner, (2, 0, 0), whole)]
    };
    let scene = published("switch.birch.example", authority);
    Bench::delivers(scene.authenticated_by(DANE)).await;
    let scene = published(MAIL, authority).authenticated_by(DANE);
    Bench::does_not(scene, "deferred", "is for none of").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_signed_record_nobody_vouches_and_the_peer_alone_does() {
    let none = |_: &World, _: &str| Vec::new();
    let unusable = |world: &World, owner: &str| {
        let whole = world.birch_config.keys.tls.certificate().der().to_vec();
        vec![tlsa(owner, (1, 0, 0), whole)]
    };
    // Below elm.example nothing is signed.
    let elm = "mail.elm.example";
    for scene in [
        published(MAIL, none),
        published(MAIL, unusable),
        published(elm, of_birch),
    ] {
        let scene = scene.authenticated_by(DANE);
        Bench::does_not(scene, "deferred", "4.7.5").await;
    }
    for scene in [
        published(MAIL, none),
        published(MAIL, unusable),
        published(elm, of_alder),
    ] {
        Bench::delivers(scene.authenticated_by(PEER_AND_DANE)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hides_the_record_gets_no_message() {
    for lies in [
        &[("*", RecordType::TLSA, How::BadSignature)][..],
        &[("*", RecordType::TLSA, How::Strips)],
        &[("*", RecordType::TLSA, How::DeniesAbroad)],
        &[("*", RecordType::TLSA, How::Fails)],
        &[("*", RecordType::AAAA, How::Fails)],
    ] {
        let scene = published(MAIL, of_birch).authenticated_by(PEER_AND_DANE);
        Bench::does_not(scene.with_lies(lies), "deferred", "4.4.3").await;
    }
    // What is not signed and stands beside the answer does not make that unsigned.
    for lies in [
        &[("*", RecordType::TLSA, How::SaysMore)][..],
        &[("*", RecordType::A, How::SaysMore)],
        &[("*", RecordType::MX, How::SaysMore)],
    ] {
        let scene = published(MAIL, of_alder).authenticated_by(PEER_AND_DANE);
        let words = "no TLSA record speaks";
        Bench::does_not(scene.with_lies(lies), "deferred", words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_shows_another_key_is_passed_over() {
    let scene = Scene::with(|world| {
        let port = world.birch.ports.relay.port();
        let owner = |host: &str| format!("_{port}._tcp.{host}");
        vec![
            mx("birch.example", 10, "evil.birch.example"),
            mx("birch.example", 20, MAIL),
            a("evil.birch.example", GOOD),
            cname(MAIL, "host.birch.example"),
            a("host.birch.example", GOOD),
            key_of(&world.alder_config, &owner("evil.birch.example")),
            key_of(&world.birch_config, &owner("host.birch.example")),
        ]
    });
    Bench::delivers(scene.signed().authenticated_by(DANE)).await;
}

#[tokio::test]
async fn a_next_hop_from_dns_needs_tls_and_resolvers() {
    let resolvers = "\n[internet]\nresolvers = [\"127.0.0.1:53\"]\n";
    let bad_anchors = format!("{resolvers}dnssec-anchors = \"alder.toml\"\n");
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
            &bad_anchors,
            "address = \"mx:birch.example\"",
            "internet.dnssec-anchors",
        ),
        (
            resolvers,
            "address = \"mx:birch.example\"\nauthentication = [\"dane\"]",
            "DANE is nothing without DNSSEC anchors",
        ),
        (
            resolvers,
            "address = \"127.0.0.1:25\"\nauthentication = [\"dane\"]",
            "who is not found by DNS",
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
