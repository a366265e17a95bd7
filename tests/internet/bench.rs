//! ALDER, whose way to BIRCH DNS knows: what DNS and the web say of it, who opens, what became of it.

use std::any::Any;
use std::path::Path;
use std::time::Duration;

pub use ravelin::cli::demo::World;
use ravelin::config::Config;
use ravelin::crypto::lab::{Request, Usage};
use ravelin::message::address::Address;

use super::support;
use super::support::dns::{Dns, Entry, Lie};
use super::support::knot::{Denial, Knot};
use super::support::sink::{Keep, Sink};
use super::support::web::{Manner, Web};

/// Who vouches for the hosts of policies, and where these are kept.
const ANCHORS: &str = "anchors = [\"../pki/birch/ca.pem\"]\ncrls = [\"../pki/birch/ca.crl.pem\"]\npolicies = \"../sts\"\n";

pub const GOOD: [u8; 4] = [127, 0, 0, 1];
/// Nobody listens there.
pub const AWAY: [u8; 4] = [127, 0, 0, 9];

/// What DNS says, once it is known who is there.
trait Published {
    fn records(&self, world: &World) -> Vec<Entry>;
}

impl<F: Fn(&World) -> Vec<Entry>> Published for F {
    fn records(&self, world: &World) -> Vec<Entry> {
        self(world)
    }
}

/// What differs from one bench to the next.
pub struct Scene {
    records: Box<dyn Published>,
    lies: &'static [Lie],
    /// Whether the zone is signed, and its key an anchor of the switch.
    is_signed: bool,
    /// What stands in the place of the link's `peer`; without it, that stays.
    authentication: Option<&'static str>,
    /// Who opens at the far end.
    who: fn(&World) -> Config,
    /// How the host answers that hands out BIRCH's policy, and the name in its certificate.
    policy: Option<(Manner, &'static str)>,
    /// A policy that was seen before, as it stands in the folder.
    seen: Option<String>,
    /// Who answers for DNS.
    server: Server,
    /// Whether the anchor of the switch is another key than that of the zone.
    is_anchored_elsewhere: bool,
}

/// Who answers for DNS.
#[derive(Clone, Copy)]
enum Server {
    /// Nobody any more.
    Away,
    /// Knot DNS, which signs.
    Knot(Denial),
    /// Our own, which lies.
    Own,
}

impl Scene {
    pub fn of(records: Vec<Entry>) -> Self {
        Self::with(move |_| records.clone())
    }

    /// With records that depend on who is there.
    pub fn with(records: impl Fn(&World) -> Vec<Entry> + 'static) -> Self {
        Self {
            records: Box::new(records),
            lies: &[],
            is_signed: false,
            authentication: None,
            who: |world| world.birch_config.clone(),
            policy: None,
            seen: None,
            server: Server::Own,
            is_anchored_elsewhere: false,
        }
    }

    /// Knot DNS answers.
    pub fn served_by_knot(self, denial: Denial) -> Self {
        Self {
            server: Server::Knot(denial),
            ..self.signed()
        }
    }

    /// Nobody answers.
    pub fn served_by_nobody(self) -> Self {
        Self {
            server: Server::Away,
            ..self
        }
    }

    /// The anchor of the switch is another key than that of the zone.
    pub fn anchored_elsewhere(self) -> Self {
        Self {
            is_anchored_elsewhere: true,
            ..self
        }
    }

    /// The host of BIRCH's policy, by this name in its certificate, answers like this.
    pub fn with_policy(self, manner: Manner, name: &'static str) -> Self {
        Self {
            policy: Some((manner, name)),
            ..self
        }
    }

    /// This stands in the folder of policies.
    pub fn that_saw(self, kept: String) -> Self {
        Self {
            seen: Some(kept),
            ..self
        }
    }

    pub fn with_lies(self, lies: &'static [Lie]) -> Self {
        Self { lies, ..self }
    }

    pub fn signed(self) -> Self {
        Self {
            is_signed: true,
            ..self
        }
    }

    /// These lines in place of the link's `peer = "…"`.
    pub fn authenticated_by(self, lines: &'static str) -> Self {
        Self {
            authentication: Some(lines),
            ..self
        }
    }

    pub fn opened_by(self, who: fn(&World) -> Config) -> Self {
        Self { who, ..self }
    }
}

/// ALDER, whose way to BIRCH DNS knows, with one message under way.
pub struct Bench {
    world: World,
    sink: Sink,
    _dns: Option<Box<dyn Any>>,
    _web: Option<Web>,
    pub dir: tempfile::TempDir,
}

impl Bench {
    pub async fn new(scene: Scene) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = support::world(dir.path(), &[], "").await;
        let records = scene.records.records(&world);
        let own = match scene.is_signed {
            true => Dns::signed(records.clone(), scene.lies).await,
            false => Dns::unsigned(records.clone(), scene.lies).await,
        };
        let (mut address, mut anchors) = (own.address, own.anchors.clone());
        let dns: Option<Box<dyn Any>> = match scene.server {
            Server::Away => {
                drop(own);
                None
            }
            Server::Knot(denial) => {
                // BIRCH's switch does not run: nobody else listens there.
                address = world.birch.ports.submission;
                let knot = Knot::open(dir.path(), address, &records, denial);
                if !scene.is_anchored_elsewhere {
                    anchors.clone_from(&knot.anchors);
                }
                Some(Box::new(knot))
            }
            Server::Own => Some(Box::new(own)),
        };
        let mut section = format!("[internet]\nresolvers = [\"{address}\"]\n");
        if scene.is_signed {
            std::fs::write(dir.path().join("dnssec.key"), &anchors).unwrap();
            section.push_str("dnssec-anchors = \"../dnssec.key\"\n");
        }
        let web = match scene.policy {
            Some((manner, name)) => {
                let request = Request::new("CN=web", Usage::Server, world.clock.now()).dns(name);
                let identity = world.birch.authority.issue(request).unwrap();
                let web = Web::open(&identity, manner).await;
                let port = web.address.port();
                section.push_str(&format!("policy-port = {port}\n{ANCHORS}"));
                Some(web)
            }
            None => None,
        };
        if let Some(kept) = scene.seen {
            std::fs::create_dir_all(dir.path().join("sts")).unwrap();
            std::fs::write(dir.path().join("sts/birch.example.json"), kept).unwrap();
            if web.is_none() {
                section.push_str(ANCHORS);
            }
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
            _web: web,
            dir,
        }
    }

    /// Waits until the chain tells of an act, which must have these words.
    pub async fn told(&self, act: &str, words: &str) {
        let act = format!("\"act\":\"{act}\"");
        for _ in 0..6_000 {
            let chain = chain(self.dir.path());
            if let Some(line) = chain.lines().find(|line| line.contains(&act)) {
                assert!(line.contains(words), "{line}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {act} in {}", chain(self.dir.path()));
    }

    pub async fn end(self, arrived: usize) {
        assert_eq!(self.sink.count(), arrived);
        self.world.end().await;
    }

    pub async fn delivers(scene: Scene) {
        let bench = Self::new(scene).await;
        bench.told("delivered", "reader@birch.example").await;
        bench.end(1).await;
    }

    pub async fn does_not(scene: Scene, act: &str, words: &str) {
        let bench = Self::new(scene).await;
        bench.told(act, words).await;
        bench.end(0).await;
    }
}

/// Changes ALDER's configuration, adds a section to it, and reads it again.
pub fn rewrite(world: &mut World, dir: &Path, changes: &[(String, String)], section: &str) {
    let file = dir.join("config/alder.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old} in {text}");
        text = text.replacen(old, new, 1);
    }
    std::fs::write(&file, format!("{text}\n{section}")).unwrap();
    world.alder_config = ravelin::config::load(&file).unwrap();
}

pub fn chain(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap()
}
