//! A stop in order, what the service manager hears of a switch's life, and what its log does not say.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use tokio::net::TcpStream;

use super::*;
use crate::support::wire::{Tls, Wire};

const BIRCH: &str = "reader@birch.example";

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_message_may_finish_it_and_who_is_silent_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "", "").await;
    world.wake_alder().await.unwrap();
    let drafter = world.alder.person("drafter").unwrap();
    let anchor = support::anchor(&world.dir);
    let host = world.alder.host();
    let tls = Tls {
        anchor: &anchor,
        host: &host,
        identity: Some(&drafter.sign),
        is_old: false,
    };
    let port = world.alder.ports.submission;
    let (mut silent, _) = Wire::starttls(port, &tls).await;
    let (mut sending, _) = Wire::starttls(port, &tls).await;
    assert!(
        sending
            .ask("MAIL FROM:<drafter@alder.example>")
            .await
            .starts_with("250")
    );
    assert!(
        sending
            .ask(&format!("RCPT TO:<{BIRCH}>"))
            .await
            .starts_with("250")
    );
    assert!(sending.ask("DATA").await.starts_with("354"));
    let message = message(&world, &address(BIRCH), "CONFIDENTIAL", Precedence::Routine);
    let (first, rest) = message.split_at(message.len() / 2);
    sending.send(first).await;
    let running = world.alder_switch.take().unwrap();
    let switch = Arc::clone(&running.switch);
    // An operator asks, and whoever runs the switch stops it.
    switch
        .ask_to_stop("clerk@alder.example", Some("a new disk"))
        .await
        .unwrap();
    switch.stop_asked().await;
    let stopping = tokio::spawn(running.stop());
    assert!(silent.hear().await.starts_with("421 4.3.2 "));
    assert_eq!(silent.hear().await, "");
    until("the listener closing", || {
        std::net::TcpStream::connect(port).is_err().then_some(())
    })
    .await;
    sending.send(rest).await;
    let said = sending.ask(".").await;
    assert!(said.starts_with("250 "), "{said}");
    assert!(sending.hear().await.starts_with("421 4.3.2 "));
    stopping.await.unwrap();
    drop(switch);
    let chain = fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let acts: Vec<&str> = chain
        .lines()
        .filter_map(|line| line.split("\"act\":\"").nth(1))
        .collect();
    let acts: Vec<&str> = acts
        .iter()
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(acts[acts.len() - 2..], ["stopped", "checkpoint"]);
    let at = |act: &str| acts.iter().position(|found| *found == act);
    assert!(at("draining") < at("accepted"), "{acts:?}");
    assert!(chain.contains("\"reason\":\"a new disk\""));
    // What was answered 250 is there.
    let config = path(dir.path(), "config/alder.toml");
    let (_, out, err) = ravelin(&["queue", "list", "--config", &config, "--format", "json"]);
    assert!(out.contains(BIRCH), "{out}{err}");
}

fn heard(socket: &UnixDatagram, begin: &str) -> String {
    let mut octets = [0; 1024];
    loop {
        let length = socket.recv(&mut octets).expect("a word in time");
        let text = String::from_utf8(octets[..length].to_vec()).unwrap();
        if text.starts_with(begin) {
            return text;
        }
    }
}

fn tell(process: u32, signal: &str) {
    let told = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(told.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_of_it_and_the_log_tells_nothing_of_what_messages_say() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), "", ravelin::cli::demo::RELEASE_RULE).await;
    let name = dir.path().join("notify");
    let socket = UnixDatagram::bind(&name).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let log = dir.path().join("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(["serve", "--config", &path(dir.path(), "config/alder.toml")])
        .env("RAVELIN_LOG", "trace")
        .env("RAVELIN_LOG_FORMAT", "json")
        .env("NOTIFY_SOCKET", &name)
        .env("WATCHDOG_USEC", "2000000")
        .env_remove("WATCHDOG_PID")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let socket = tokio::task::spawn_blocking(move || {
        let ready = heard(&socket, "READY=1");
        assert!(ready.contains("STATUS=serving; "), "{ready}");
        socket
    });
    let socket = socket.await.unwrap();
    // The story: passed home, passed abroad, held for release, refused for its label.
    for (to, class, code) in [
        ("reader@alder.example", "SECRET", 250),
        (BIRCH, "CONFIDENTIAL", 250),
        (BIRCH, "SECRET", 250),
        ("clerk@alder.example", "SECRET", 550),
    ] {
        let (said, text) = send_as(&world, to, class, Precedence::Immediate).await;
        assert_eq!(said, code, "{to} {class}: {text}");
    }
    let process = child.id();
    let ended = tokio::task::spawn_blocking(move || {
        assert!(heard(&socket, "WATCHDOG=1").contains("\nSTATUS="));
        tell(process, "-HUP");
        assert!(heard(&socket, "RELOADING=1\nMONOTONIC_USEC=").len() > 28);
        heard(&socket, "READY=1");
        tell(process, "-TERM");
        heard(&socket, "STOPPING=1");
        child.wait().unwrap()
    });
    assert!(ended.await.unwrap().success());
    assert!(
        TcpStream::connect(world.alder.ports.submission)
            .await
            .is_err()
    );
    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
    // It is in the audit chain, whose readers are cleared for it, and not in the log.
    let chain = fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    assert!(chain.contains("SECRET"));
    for secret in [
        SUBJECT,
        "northern",
        "convoy",
        "SECRET",
        "CONFIDENTIAL",
        "Releasable",
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}
