//! ALDER's switch with further listeners, and who speaks to them.

use std::net::SocketAddr;

use ravelin::cli::demo::World;
use ravelin::crypto::certificate::Certificate;
use ravelin::message::address::Address;

use super::wire::Tls;
use super::{anchor, header};

/// A switch with these further listeners.
pub struct Bench {
    pub world: World,
    pub anchor: Certificate,
    pub host: String,
    pub dir: tempfile::TempDir,
}

impl Bench {
    pub async fn new(after: &[(&str, &str)], listeners: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = |(number, more): (usize, &&str)| {
            format!("\n[[listen]]\nname = \"more-{number}\"\naddress = \"127.0.0.1:0\"\n{more}\n")
        };
        let rest: String = listeners.iter().enumerate().map(listener).collect();
        let mut world = super::world(dir.path(), after, &rest).await;
        world.wake_alder().await.unwrap();
        Self::of(world, dir)
    }

    /// With a switch that runs already.
    pub fn of(world: World, dir: tempfile::TempDir) -> Self {
        Self {
            anchor: anchor(dir.path()),
            host: world.alder.host(),
            world,
            dir,
        }
    }

    /// The one of this number among the further ones.
    pub fn listener(&self, number: usize) -> SocketAddr {
        // Submission and relay come first.
        self.world.running().unwrap().listeners[2 + number]
    }

    pub fn tls<'a>(&'a self, person: Option<&str>) -> Tls<'a> {
        let person = person.map(|local| &self.world.alder.person(local).unwrap().sign);
        Tls {
            anchor: &self.anchor,
            host: &self.host,
            identity: person,
            is_old: false,
        }
    }

    pub fn message(&self, to: &[&str]) -> Vec<u8> {
        let drafter = self.world.alder.person("drafter").unwrap();
        let to: Vec<_> = to.iter().map(|to| Address::parse(to).unwrap()).collect();
        let label = self
            .world
            .label("RESTRICTED", &[("Releasable To", "ALDER")]);
        self.world
            .compose(&drafter.address, &to, Some(&label.unwrap()), &drafter.sign)
            .unwrap()
    }

    /// Waits for a message that came so.
    pub async fn came(&mut self, from: &str) {
        let so = |octets: &[u8]| {
            header(octets, "Received").is_some_and(|received| received.contains(from))
        };
        self.world.alder_mail.wait_for(so).await.unwrap();
    }

    /// Ends the switch; what is left is its chain.
    pub async fn end(self) -> Chain {
        self.world.end().await;
        Chain(self.dir)
    }
}

/// What a switch that has ended left.
pub struct Chain(tempfile::TempDir);

impl Chain {
    /// The lines that tell of this act.
    pub fn told(&self, act: &str) -> Vec<String> {
        let chain = std::fs::read_to_string(self.0.path().join("audit/alder.jsonl")).unwrap();
        let act = format!("\"act\":\"{act}\"");
        let told = chain.lines().filter(|line| line.contains(&act));
        told.map(str::to_owned).collect()
    }
}
