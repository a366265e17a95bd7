//! Head-room through the real line: readings are put in, replies come out.

use std::sync::Mutex;

use ravelin::cli::serve::{self, Start};
use ravelin::switch::Readings;

use super::*;
use crate::support::wire::{Tls, Wire};

const BIRCH: &str = "reader@birch.example";

const GOOD: Readings = Readings {
    disk: 90,
    inodes: 90,
    memory: 90,
    commit: Duration::from_millis(1),
    queue: 0,
};

#[tokio::test(flavor = "multi_thread")]
async fn routine_is_shed_first_and_flash_last_and_each_change_is_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "[head-room]\ndisk = [\"0B\", \"100B\"]\nshed = [[\"override\", \"2%\"]]\n";
    let mut world = world(dir.path(), "", rules).await;
    let readings = Arc::new(Mutex::new(GOOD));
    let given = Arc::clone(&readings);
    let how = Start {
        readings: Some(Box::new(move || *given.lock().unwrap())),
        ..Start::default()
    };
    let config = world.alder_config.clone();
    world.alder_switch = Some(serve::start_as(config, Clock::system(), how).await.unwrap());
    let switch = Arc::clone(&world.running().unwrap().switch);
    let disk = async |disk: u64| {
        let now = Readings { disk, ..GOOD };
        *readings.lock().unwrap() = now;
        switch.measured(&now).await;
    };
    let all = [
        Precedence::Routine,
        Precedence::Immediate,
        Precedence::Flash,
    ];
    let mut accepted = 0;
    for (free, codes) in [
        (90, [250, 250, 250]),
        (39, [452, 250, 250]),
        (14, [452, 452, 250]),
        (4, [452, 452, 452]),
        (1, [452, 452, 452]),
        (44, [452, 250, 250]),
        (45, [250, 250, 250]),
    ] {
        disk(free).await;
        for (precedence, wanted) in all.into_iter().zip(codes) {
            let (code, text) = send(&world, BIRCH, precedence).await;
            assert_eq!(code, wanted, "{precedence} with {free}: {text}");
            assert!(code == 250 || text.contains("no room"), "{text}");
            accepted += usize::from(code == 250);
        }
    }
    // Without a number in MAIL the field of the message decides, once it is there.
    disk(39).await;
    for (precedence, wanted) in [
        (Precedence::Routine, "452 4.3.1"),
        (Precedence::Flash, "250 "),
    ] {
        let said = by_field(&world, precedence).await;
        assert!(said.starts_with(wanted), "{precedence}: {said}");
        accepted += usize::from(wanted == "250 ");
    }
    assert_eq!(world.running().unwrap().queue.len(), accepted);
    assert!(switch.shed(Precedence::Routine) > 0);
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    assert_eq!(chain.matches("\"act\":\"head-room\"").count(), 7, "{chain}");
    assert_eq!(chain.matches("\"act\":\"accepted\"").count(), accepted);
}

/// Sends without MT-PRIORITY; what the final dot is answered.
async fn by_field(world: &World, precedence: Precedence) -> String {
    let drafter = world.alder.person("drafter").unwrap();
    let anchor = support::anchor(&world.dir);
    let tls = Tls {
        anchor: &anchor,
        host: &world.alder.host(),
        identity: Some(&drafter.sign),
        is_old: false,
    };
    let (mut wire, _) = Wire::starttls(world.alder.ports.submission, &tls).await;
    assert!(
        wire.ask("MAIL FROM:<drafter@alder.example>")
            .await
            .starts_with("250")
    );
    assert!(
        wire.ask(&format!("RCPT TO:<{BIRCH}>"))
            .await
            .starts_with("250")
    );
    assert!(wire.ask("DATA").await.starts_with("354"));
    let message = message(world, &address(BIRCH), "CONFIDENTIAL", precedence);
    wire.send(&message).await;
    wire.ask(".").await
}
