//! What those who run the switch rely on, each promise in a file of its own under `operation/`:
//!
//! | promise | file |
//! |---|---|
//! | what is late alarms the postmaster, once | `alarms` |
//! | a third party proves the audit chain; an older store is seen; collectors get every event | `audit` |
//! | a drain: the urgent still leaves, the rest waits | `drain` |
//! | less is taken when room is scarce, the most urgent longest | `head_room` |
//! | packets carry the mark of their precedence | `marks` |
//! | a stop is in order; the service manager is told; the log tells nothing of what messages say | `stop` |
//! | metrics, health, readiness; the unit file | `metrics` |
//! | whatever fails of ours, the peer keeps its message, and nothing is lost or passed | `faults` |

mod support;

#[path = "operation/alarms.rs"]
mod alarms;
#[path = "operation/audit.rs"]
mod audit;
#[path = "operation/drain.rs"]
mod drain;
#[path = "operation/faults.rs"]
mod faults;
#[path = "operation/head_room.rs"]
mod head_room;
#[allow(dead_code, reason = "another test takes the rest")]
#[path = "power/machine.rs"]
mod machine;
#[path = "operation/marks.rs"]
mod marks;
#[path = "operation/metrics.rs"]
mod metrics;
#[path = "operation/stop.rs"]
mod stop;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::label;
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use support::source::Source;

/// No answer within this is no answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where more of `[audit]` can stand.
const AUDIT: &str = "file = \"../audit/alder.jsonl\"\n";
const TEXT: &str = "The convoy passes the northern strait at first light.\r\n";
const SUBJECT: &str = "Passage of the northern strait";

/// ALDER's world, with more in `[audit]` and at the end.
async fn world(dir: &Path, audit: &str, rest: &str) -> World {
    support::world(dir, &[(AUDIT, audit)], rest).await
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// What the drafter writes to `to`.
fn message(world: &World, to: &Address, classification: &str, precedence: Precedence) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let categories = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    let label = world.label(classification, &categories).unwrap();
    let composition = Composition {
        from: &drafter.address,
        to: std::slice::from_ref(to),
        subject: SUBJECT,
        text: TEXT,
        precedence,
        label: Some(&label::ess::encode(&label).unwrap()),
    };
    compose(&composition, &drafter.sign, &Clock::system()).unwrap()
}

/// Hands it in over a connection of its own; the code of the reply, and its text.
async fn send(world: &World, to: &str, precedence: Precedence) -> (u16, String) {
    send_as(world, to, "CONFIDENTIAL", precedence).await
}

async fn send_as(world: &World, to: &str, class: &str, precedence: Precedence) -> (u16, String) {
    let to = address(to);
    let message = message(world, &to, class, precedence);
    let drafter = world.alder.person("drafter").unwrap();
    let (port, host) = (world.alder.ports.submission, world.alder.host());
    let trust = Arc::clone(&world.alder_config.trust);
    let mut source = Source::new(port, host, trust, drafter).unwrap();
    let said = source.submit(&[to], precedence, message.into()).await;
    let said = said.unwrap();
    let reply = said.outcome.reply();
    (reply.code, reply.text())
}

fn ravelin(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(arguments)
        .env_remove("RAVELIN_LOG")
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

/// Whether a program is there; a test that needs one that is not says so.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    let is_there = found.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("skipped: there is no {program}");
    }
    is_there
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
