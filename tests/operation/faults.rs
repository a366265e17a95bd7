//! Faults of ours, through SMTP: the peer keeps its message (4xx), and nothing is lost or passed.

use ravelin::cli::serve::{self, Running, Start};
use ravelin::clock::Timestamp;
use ravelin::store::Store;
use ravelin::store::engine::{Assurance, Engine, LastStop};
use ravelin::store::redb::Redb;

use super::metrics::ask;
use super::*;
use crate::machine::{Chance, Lie, Machine, Survives, Trouble};

const BIRCH: &str = "reader@birch.example";

fn store(world: &World, machine: &Machine) -> Store {
    let on = machine.clone();
    let make = move |last: LastStop| {
        let last = match last {
            LastStop::Failed => last,
            _ => LastStop::Unclean,
        };
        let engine = Redb::on(on.clone(), Assurance::Standard, last)?;
        Ok(Box::new(engine) as Box<dyn Engine>)
    };
    let settings = world.alder_config.store_settings();
    Store::open_with(settings, Clock::system(), make, Arc::new(machine.clone())).unwrap()
}

async fn start(world: &World, machine: &Machine) -> Running {
    let how = Start {
        store: Some(store(world, machine)),
        ..Start::default()
    };
    let config = world.alder_config.clone();
    serve::start_as(config, Clock::system(), how).await.unwrap()
}

/// Through trouble and out of it; what was acknowledged is in the queue, also after the power went.
async fn through(trouble: Trouble) -> (usize, usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "", "[metrics]\naddress = \"127.0.0.1:0\"\n").await;
    let machine = Machine::new(Lie::None);
    world.alder_switch = Some(start(&world, &machine).await);
    let (mut kept, mut faults) = (0, 0);
    let mut count = |code: u16, text: &str| match code {
        250 => kept += 1,
        451 => faults += 1,
        _ => panic!("{code} {text}"),
    };
    let (code, text) = send(&world, BIRCH, Precedence::Routine).await;
    count(code, &text);
    machine.trouble(trouble);
    for _ in 0..4 {
        let (code, text) = send(&world, BIRCH, Precedence::Routine).await;
        count(code, &text);
    }
    let switch = Arc::clone(&world.running().unwrap().switch);
    let readiness = || ravelin::admin::metrics::readiness(&switch);
    if world.running().unwrap().store.closed().is_some() {
        let why = readiness().why.join("; ");
        assert!(why.contains("the store is closed"), "{why}");
    }
    let metrics = world.running().unwrap().metrics.unwrap();
    assert_eq!(ask(metrics, "GET", "/healthz").await.0, 200, "it lives");
    machine.trouble(Trouble::None);
    until("readiness", || readiness().ready.then_some(())).await;
    let (code, text) = send(&world, BIRCH, Precedence::Routine).await;
    assert_eq!(code, 250, "after the trouble: {text}");
    count(code, &text);
    // A commit that failed may have happened all the same: its sender sends again.
    let queued = world.running().unwrap().queue.len();
    assert!(
        (kept..=kept + faults).contains(&queued),
        "{queued} of {kept} and {faults}"
    );
    drop(switch);
    world.alder_switch.take().unwrap().stop().await;
    machine.restart(Survives::Nothing, &mut Chance::new(1));
    let running = start(&world, &machine).await;
    assert_eq!(running.queue.len(), queued, "{trouble:?}");
    running.stop().await;
    let chain = std::fs::read(dir.path().join("audit/alder.jsonl")).unwrap();
    ravelin::audit::verify(&chain[..]).unwrap();
    (kept, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_451_until_there_is_room_again() {
    let (kept, faults) = through(Trouble::Full(20_000)).await;
    assert!(kept >= 2 && faults > 0, "{kept}, {faults}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_is_451_until_the_disk_takes_writes_again() {
    let (kept, faults) = through(Trouble::SyncFails(1)).await;
    assert!(kept >= 2 && faults > 0, "{kept}, {faults}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_is_only_slow() {
    let slow = Trouble::Slow(Duration::from_millis(60));
    assert_eq!(through(slow).await, (6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_clock_is_wrong_nothing_passes_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "checkpoint-events = 2\n", "").await;
    let now = Timestamp::now();
    let clock = Clock::fixed(now);
    let config = world.alder_config.clone();
    world.alder_switch = Some(serve::start(config, clock.clone()).await.unwrap());
    assert_eq!(send(&world, BIRCH, Precedence::Routine).await.0, 250);
    let day = Duration::from_secs(86_400);
    // Ten days on every revocation list is out of date: our own means do not let us judge.
    clock.set(now + 10 * day);
    let (code, text) = send(&world, "reader@alder.example", Precedence::Flash).await;
    assert!((400..500).contains(&code), "{code} {text}");
    // A year back nothing that the peers show is valid yet.
    clock.set(now - 365 * day);
    let (code, text) = send(&world, "reader@alder.example", Precedence::Flash).await;
    assert_ne!(code, 250, "{text}");
    let accepted = || {
        let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
        chain.matches("\"act\":\"accepted\"").count()
    };
    assert_eq!(accepted(), 1);
    clock.set(now);
    assert_eq!(send(&world, BIRCH, Precedence::Flash).await.0, 250);
    assert_eq!(accepted(), 2);
    world.end().await;
    // The chain tells of times that go back, and is whole and signed all the same.
    let chain = path(dir.path(), "audit/alder.jsonl");
    let gate = path(dir.path(), "pki/alder/border-sign.pem");
    let (code, out, err) = ravelin(&["audit", "verify", &chain]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = ravelin(&[
        "audit",
        "verify",
        &chain,
        "--certificate",
        &gate,
        "--complete",
    ]);
    assert_eq!(code, 0, "{out}{err}");
}
