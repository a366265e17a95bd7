//! Head-room through the real line: readings are put in, replies come out.

use std::sync::Mutex;

use ravelin::cli::serve::{self, Start};
use ravelin::switch::Readings;

use super::metrics::{ask, value};
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

/// What each measure says when there is so much room, in hundredths.
fn at(measure: &str, percent: u8) -> Readings {
    let (room, left) = (u64::from(percent), u64::from(100 - percent));
    match measure {
        "disk" => Readings { disk: room, ..GOOD },
        "inodes" => Readings {
            inodes: room,
            ..GOOD
        },
        "memory" => Readings {
            memory: room,
            ..GOOD
        },
        "commit" => Readings {
            commit: Duration::from_secs(left),
            ..GOOD
        },
        _ => Readings {
            queue: usize::try_from(left).unwrap(),
            ..GOOD
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_scarce_routine_is_shed_first_and_flash_last() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "[head-room]\ndisk = [\"0B\", \"100B\"]\ninodes = [\"0%\", \"100%\"]\n\
        memory = [\"0%\", \"100%\"]\ncommit = [\"100s\", \"0s\"]\nqueue = [100, 0]\n\
        [metrics]\naddress = \"127.0.0.1:0\"\n";
    let mut world = world(dir.path(), "", rules).await;
    let readings = Arc::new(Mutex::new(GOOD));
    let given = Arc::clone(&readings);
    let how = Start {
        readings: Some(Box::new(move || *given.lock().unwrap())),
        ..Start::default()
    };
    let config = world.alder_config.clone();
    world.alder_switch = Some(serve::start_as(config, Clock::system(), how).await.unwrap());
    let running = world.running().unwrap();
    let (switch, metrics) = (Arc::clone(&running.switch), running.metrics.unwrap());
    for measure in ["disk", "inodes", "memory", "commit", "queue"] {
        for (percent, routine, flash, ready) in [
            (39, 452, 250, 200),
            (4, 452, 452, 200),
            (0, 452, 452, 503),
            (90, 250, 250, 200),
        ] {
            let now = at(measure, percent);
            *readings.lock().unwrap() = now;
            switch.measured(&now).await;
            for (precedence, wanted) in [(Precedence::Routine, routine), (Precedence::Flash, flash)]
            {
                let (code, text) = send(&world, BIRCH, precedence).await;
                assert_eq!(code, wanted, "{measure} {percent}: {precedence} {text}");
            }
            let (code, why) = ask(metrics, "GET", "/readyz").await;
            assert_eq!(code, ready, "{measure} {percent}: {why}");
            assert_eq!(code == 503, why.contains("no head-room"), "{why}");
            let (_, page) = ask(metrics, "GET", "/metrics").await;
            let series = format!("ravelin_head_room_measure{{measure=\"{measure}\"}}");
            let told = (value(&page, &series), value(&page, "ravelin_head_room"));
            let room = f64::from(percent);
            assert_eq!(told, (room, room), "{measure} {percent}");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_measured_is_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "", "").await;
    // Who is given readings takes none: the longest commit is ours to look at.
    let how = Start {
        readings: Some(Box::new(|| Readings {
            disk: u64::MAX,
            ..GOOD
        })),
        ..Start::default()
    };
    let config = world.alder_config.clone();
    world.alder_switch = Some(serve::start_as(config, Clock::system(), how).await.unwrap());
    let switch = Arc::clone(&world.running().unwrap().switch);
    let before = switch.readings();
    assert_eq!(before.queue, 0);
    assert!(before.disk > 0 && before.inodes <= 100 && before.memory <= 100);
    assert_eq!(send(&world, BIRCH, Precedence::Routine).await.0, 250);
    let after = switch.readings();
    assert_eq!(after.queue, 1);
    assert!(after.commit > Duration::ZERO, "{after:?}");
    world.end().await;
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
