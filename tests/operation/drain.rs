//! A drain: nothing new is taken, who is sending finishes, what is urgent still leaves, and the rest
//! waits for the next start.

use std::fs::{self, File};
use std::process::Stdio;

use ravelin::cli::demo::Person;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::metrics::ask;
use super::*;
use crate::support::wire::{Tls, Wire};

const HOME: &str = "reader@alder.example";
const CLERK: &str = "certificate = \"../pki/alder/clerk-encrypt.pem\"\n";

/// ALDER's world with a clerk who operates it.
async fn operated(dir: &Path) -> World {
    let after = [(CLERK, "roles = [\"operator\"]\n")];
    support::world(dir, &after, "[metrics]\naddress = \"127.0.0.1:0\"\n").await
}

/// A session that has sent half of its message.
struct Half {
    wire: Wire,
    rest: Vec<u8>,
}

impl Half {
    async fn send(world: &World, drafter: &Person, precedence: Precedence) -> Self {
        let anchor = support::anchor(&world.dir);
        let tls = Tls {
            anchor: &anchor,
            host: &world.alder.host(),
            identity: Some(&drafter.sign),
            is_old: false,
        };
        let (mut wire, _) = Wire::starttls(world.alder.ports.submission, &tls).await;
        for (say, hear) in [
            ("MAIL FROM:<drafter@alder.example>", "250"),
            (&format!("RCPT TO:<{HOME}>"), "250"),
            ("DATA", "354"),
        ] {
            let said = wire.ask(say).await;
            assert!(said.starts_with(hear), "{say}: {said}");
        }
        let message = message(world, &address(HOME), "CONFIDENTIAL", precedence);
        let (first, rest) = message.split_at(message.len() / 2);
        wire.send(first).await;
        let rest = rest.to_vec();
        Self { wire, rest }
    }

    async fn finish(&mut self) -> String {
        self.wire.send(&self.rest).await;
        self.wire.ask(".").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_stops_a_flash_still_leaves_and_a_routine_waits_for_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = operated(dir.path()).await;
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let mut routine = Half::send(&world, drafter, Precedence::Routine).await;
    let mut flash = Half::send(&world, drafter, Precedence::Flash).await;
    let (clerk, officer) = (world.desk("clerk").unwrap(), world.desk("officer").unwrap());
    for (error, wanted) in [
        (officer.drain("mine").await.err(), "(role.missing)"),
        (clerk.drain(" ").await.err(), "give a reason"),
    ] {
        let error = error.unwrap().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let running = world.alder_switch.take().unwrap();
    assert_eq!(running.switch.stop_asked_by(), None);
    let metrics = running.metrics.unwrap();
    assert_eq!(ask(metrics, "GET", "/readyz").await.0, 200);
    clerk.drain("a new disk").await.unwrap();
    running.switch.stop_asked().await;
    let (code, why) = ask(metrics, "GET", "/readyz").await;
    assert!(code == 503 && why.contains("the switch stops"), "{why}");
    assert_eq!(ask(metrics, "GET", "/healthz").await.0, 200);
    // Who asks again is not the one who is remembered.
    clerk.drain("again").await.unwrap();
    let by = running.switch.stop_asked_by();
    assert_eq!(by.as_deref(), Some("clerk@alder.example"));
    let port = world.alder.ports.submission;
    let stopping = tokio::spawn(running.stop());
    until("the listener closing", || {
        std::net::TcpStream::connect(port).is_err().then_some(())
    })
    .await;
    for half in [&mut routine, &mut flash] {
        let said = half.finish().await;
        assert!(said.starts_with("250 "), "{said}");
        assert!(half.wire.hear().await.starts_with("421 4.3.2 "));
    }
    stopping.await.unwrap();
    let delivered = world.alder_mail.after(0);
    assert_eq!(delivered.len(), 1);
    let text = fs::read_to_string(&delivered[0]).unwrap();
    assert!(text.contains("MMHS-Primary-Precedence: 4"), "{text}");
    let config = path(dir.path(), "config/alder.toml");
    let (_, out, err) = ravelin(&["queue", "list", "--config", &config, "--format", "json"]);
    let left: Vec<serde_json::Value> = serde_json::from_str(&out).expect(&err);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["precedence"], "routine");
    assert_eq!(left[0]["attempts"], 0, "nobody began it");
    let chain = fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let drains = chain.lines().filter(|l| l.contains("\"act\":\"draining\""));
    let drains: Vec<&str> = drains.collect();
    assert_eq!(drains.len(), 1, "{drains:?}");
    assert!(drains[0].contains("\"reason\":\"a new disk\""));

    // Who starts it again means that it serves: nothing of the drain is left.
    world.wake_alder().await.unwrap();
    until("the routine message", || {
        (world.alder_mail.count() == 2).then_some(())
    })
    .await;
    assert_eq!(send(&world, HOME, Precedence::Routine).await.0, 250);
    world.end().await;
}

/// A gate before the mailboxes: who connects waits until it opens.
async fn gate(to: std::net::SocketAddr) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, opened) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut opened = opened.clone();
            tokio::spawn(async move {
                if opened.wait_for(|open| *open).await.is_ok() {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    (address, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_leaves_also_when_it_is_more_than_goes_at_once() {
    const MANY: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let mut world = operated(dir.path()).await;
    let mailboxes = world.alder_mail.address;
    let (address, open) = gate(mailboxes).await;
    let config = dir.path().join("config/alder.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace(&mailboxes.to_string(), &address.to_string());
    fs::write(&config, text).unwrap();
    world.alder_config = ravelin::config::load(&config).unwrap();
    world.wake_alder().await.unwrap();
    for _ in 0..MANY {
        assert_eq!(send(&world, HOME, Precedence::Flash).await.0, 250);
    }
    let running = world.alder_switch.take().unwrap();
    let queue = running.queue.clone();
    until("deliveries", || (queue.in_flight() > 0).then_some(())).await;
    assert!(queue.in_flight() < MANY, "they all go at once");
    let port = world.alder.ports.submission;
    let stopping = tokio::spawn(running.stop());
    until("the listener closing", || {
        std::net::TcpStream::connect(port).is_err().then_some(())
    })
    .await;
    // Nothing more can come; most of it has not begun.
    tokio::time::sleep(Duration::from_millis(200)).await;
    open.send_replace(true);
    stopping.await.unwrap();
    assert_eq!(world.alder_mail.count(), MANY);
    assert!(queue.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_drains_the_process_by_command_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let world = operated(dir.path()).await;
    let config = path(dir.path(), "config/alder.toml");
    let log = dir.path().join("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(["serve", "--config", &config])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    until("the desk", || {
        let text = fs::read_to_string(&log).unwrap();
        text.contains("the desk is open").then_some(())
    })
    .await;
    let [clerk, reader] = ["clerk", "reader"].map(|who| support::settings(&world, who));
    let drain = |desk: &str, reason: &str| ravelin(&["drain", "--desk", desk, "--reason", reason]);
    let (code, _, err) = drain(&reader, "mine");
    assert!(code == 1 && err.contains("role.missing"), "{code} {err}");
    let (code, _, err) = drain(&clerk, "");
    assert!(code == 1 && err.contains("give a reason"), "{code} {err}");
    assert_eq!(ravelin(&["drain", "--desk", &clerk]).0, 2);
    assert_eq!(child.try_wait().unwrap(), None, "it serves on");
    let (code, text) = send(&world, HOME, Precedence::Routine).await;
    assert_eq!(code, 250, "{text}");
    let (code, out, err) = drain(&clerk, "a new disk");
    assert_eq!(code, 0, "{out}{err}");
    let ended = until("the end", || child.try_wait().unwrap()).await;
    assert_eq!(ended.code(), Some(0));
    let chain = path(dir.path(), "audit/alder.jsonl");
    let gate = path(dir.path(), "pki/alder/border-sign.pem");
    let whole = ["--certificate", &gate, "--complete"];
    let (code, out, err) = ravelin(&[&["audit", "verify", &chain], &whole[..]].concat());
    assert_eq!(code, 0, "{out}{err}");
    let (_, out, _) = ravelin(&["audit", "show", &chain, "--act", "draining"]);
    let who = "clerk@alder.example";
    assert!(out.contains(who) && out.contains("a new disk"), "{out}");
    // Where nobody serves, nobody can be asked.
    let (code, _, err) = drain(&clerk, "twice");
    assert!(
        code == 3 && err.contains("cannot be reached"),
        "{code} {err}"
    );
}
