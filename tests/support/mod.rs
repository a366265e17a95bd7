//! What the crash test and the bench share: the switch as a process, and its two neighbours.
//!
//! - `bench`: a switch with further listeners.
//! - `dns`: a DNS server that signs, and lies.
//! - `engine`: which engine the store has.
//! - `knot`: a DNS server by other hands.
//! - `place`: a web server that hands revocation data out, well or badly.
//! - `process`: the real binary, `ravelin serve`, started and killed.
//! - `source`: people's mail programs: many messages over one connection.
//! - `tap`: a next hop in the clear that keeps every octet.
//! - `web`: a host that hands out one file over HTTPS.
//! - `wire`: a client that says what it is told to.
//! - `sink`: the far nation's switch, as far as ours sees it: takes everything over SMTP and TLS.
//! - `written`: a signed message with header fields of the test's own.

#![allow(dead_code, reason = "each user takes a part")]

pub mod bench;
#[cfg(feature = "internet")]
pub mod dns;
pub mod engine;
#[cfg(feature = "internet")]
pub mod knot;
pub mod place;
pub mod process;
pub mod sink;
pub mod source;
pub mod tap;
#[cfg(feature = "internet")]
pub mod web;
pub mod wire;
pub mod written;

use std::path::Path;

use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::crypto::certificate::Certificate;

/// The two nations; in ALDER's configuration each text follows its mark, and `rest` ends it.
pub async fn world(dir: &Path, after: &[(&str, &str)], rest: &str) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    let file = dir.join("config/alder.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (mark, more) in after {
        assert!(text.contains(mark), "{mark} in {text}");
        text = text.replacen(mark, &format!("{mark}{more}"), 1);
    }
    std::fs::write(&file, text + rest).unwrap();
    world.alder_config = ravelin::config::load(&file).unwrap();
    world
}

/// The settings of one of ALDER's people, for the commands that go to its desk.
pub fn settings(world: &World, local: &str) -> String {
    let file = world.dir.join(format!("{local}.toml"));
    let text = format!(
        "server = \"{}\"\nname = \"{}\"\ntrust = [\"pki/alder/ca.pem\"]\ncrls = \
         [\"pki/alder/ca.crl.pem\"]\nkey = \"pki/alder/{local}.p12\"\npassword-file = \
         \"pki/alder/password.txt\"\n",
        world.alder.ports.desk,
        world.alder.host(),
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The authority of ALDER.
pub fn anchor(dir: &Path) -> Certificate {
    let file = std::fs::read(dir.join("pki/alder/ca.pem")).unwrap();
    Certificate::from_pem_many(&file).unwrap().remove(0)
}

/// The value of a header field that stands in one line.
pub fn header(message: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    text.split("\r\n")
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .map(str::to_owned)
}
