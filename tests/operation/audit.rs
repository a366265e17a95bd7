//! The audit chain of a switch that runs: checkpoints, witness, an older store, collectors.

use std::fs;

use ravelin::audit::checkpoint::Checkpoint;
use ravelin::cli::serve::{self, Start};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const BIRCH: &str = "reader@birch.example";
const CHECKPOINTS: &str = "witness = \"../audit/heads.jsonl\"\ncheckpoint-events = 4\n";

fn verify(dir: &Path, more: &[&str]) -> (i32, serde_json::Value) {
    let chain = path(dir, "audit/alder.jsonl");
    let mut arguments = vec!["audit", "verify", &chain, "--format", "json"];
    arguments.extend(more);
    let (code, out, err) = ravelin(&arguments);
    let value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    (code, value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_party_proves_the_chain_with_the_file_and_the_certificate_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut world = world(dir, CHECKPOINTS, "").await;
    world.wake_alder().await.unwrap();
    for _ in 0..3 {
        assert_eq!(send(&world, BIRCH, Precedence::Routine).await.0, 250);
    }
    // While the switch runs, its export is shown.
    let chain = path(dir, "audit/alder.jsonl");
    let (code, out, err) = ravelin(&["audit", "show", &chain, "--act", "accepted"]);
    assert!(
        code == 0 && out.matches("drafter@alder.example").count() >= 3,
        "{out}{err}"
    );
    world.end().await;

    let (gate, birch) = (
        path(dir, "pki/alder/border-sign.pem"),
        path(dir, "pki/birch/border-sign.pem"),
    );
    let heads = path(dir, "audit/heads.jsonl");
    let whole = ["--certificate", &gate, "--witness", &heads, "--complete"];
    let (code, found) = verify(dir, &whole);
    assert_eq!(code, 0, "{found}");
    assert_eq!(
        (&found["unsigned"], &found["missing"]),
        (&0.into(), &serde_json::Value::Null)
    );
    assert!(found["checkpoints"].as_u64() >= Some(2), "{found}");
    assert_eq!(found["checkpoints"], found["witnessed"], "{found}");
    assert_eq!(found["switch"], world_host());
    // Another signer: the line of the first checkpoint is named.
    let (code, found) = verify(dir, &["--certificate", &birch]);
    let lines: Vec<String> = fs::read_to_string(&chain)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let first = lines
        .iter()
        .position(|line| line.contains("\"act\":\"checkpoint\""))
        .unwrap()
        + 1;
    assert_eq!(
        (code, found["line"].as_u64().unwrap()),
        (1, first as u64),
        "{found}"
    );
    // What was cut off is seen by the witness alone, and by who asks for a complete chain.
    let whole_text = fs::read_to_string(&chain).unwrap();
    fs::write(&chain, lines[..first].join("\n") + "\n").unwrap();
    assert_eq!(verify(dir, &["--certificate", &gate]).0, 0);
    let (code, found) = verify(dir, &["--certificate", &gate, "--witness", &heads]);
    assert_eq!(
        (code, found["line"].as_u64().unwrap()),
        (1, first as u64),
        "{found}"
    );
    fs::write(&chain, lines[..first + 1].join("\n") + "\n").unwrap();
    let (code, found) = verify(dir, &["--certificate", &gate, "--complete"]);
    let [records, signed, unsigned] =
        ["records", "signed", "unsigned"].map(|name| found[name].as_u64().unwrap());
    // Others may have come while the checkpoint was made.
    assert!(code == 1 && unsigned > 0, "{found}");
    assert_eq!(unsigned, records - signed, "{found}");
    // A chain without any checkpoint is vouched for by nobody.
    fs::write(&chain, lines[..1].join("\n") + "\n").unwrap();
    assert_eq!(verify(dir, &["--certificate", &gate]).0, 1);
    assert_eq!(verify(dir, &[]).0, 0);
    fs::write(&chain, whole_text).unwrap();
    filters_and_forms(dir, &chain, lines.len());
    openssl_agrees(dir, &lines[first - 1]);
}

fn world_host() -> serde_json::Value {
    // The name that the demo gives it; the chain says it, and nobody else.
    "switch.alder.example".into()
}

fn filters_and_forms(dir: &Path, chain: &str, lines: usize) {
    let shown = |more: &[&str]| {
        let mut arguments = vec!["audit", "show", chain, "--format", "json"];
        arguments.extend(more);
        let (code, out, err) = ravelin(&arguments);
        assert_eq!(code, 0, "{err}");
        let found: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
        found.len()
    };
    assert_eq!(shown(&[]), lines);
    assert_eq!(shown(&["--act", "accepted"]), 3);
    assert_eq!(
        shown(&["--act", "accepted", "--subject", "DRAFTER@alder.example"]),
        3
    );
    assert_eq!(
        shown(&["--act", "accepted", "--subject", "clerk@alder.example"]),
        0
    );
    assert!(shown(&["--subject", BIRCH]) >= 3);
    let text = fs::read_to_string(chain).unwrap();
    let accepted = text
        .lines()
        .find(|line| line.contains("\"act\":\"accepted\""));
    let accepted: serde_json::Value = serde_json::from_str(accepted.unwrap()).unwrap();
    let (message, at) = (&accepted["message"], &accepted["at"]);
    let (message, at) = (message.as_str().unwrap(), at.as_str().unwrap());
    let of_message = text.matches(&format!("\"message\":\"{message}\"")).count();
    assert!(of_message >= 2, "accepted and queued at least");
    assert_eq!(shown(&["--message", message]), of_message);
    assert_eq!(shown(&["--message", message, "--act", "accepted"]), 1);
    assert_eq!(shown(&["--message", "0123456789abcdef0123456789abcdef"]), 0);
    assert_eq!(shown(&["--act", "accepted", "--act", "stopped"]), 4);
    assert_eq!(shown(&["--decision", "hold"]), 0);
    // From a moment on, and before it: together all there is.
    assert_eq!(shown(&["--from", at]) + shown(&["--to", at]), lines);
    assert!(shown(&["--from", at, "--act", "accepted"]) >= 1);
    let wrong = ravelin(&["audit", "show", chain, "--from", "yesterday"]);
    assert_eq!(wrong.0, 2, "{}", wrong.2);
    assert_eq!(shown(&["--decision", "pass"]), 3);
    assert_eq!(shown(&["--from", "2020-01-01T00:00:00Z"]), lines);
    assert_eq!(shown(&["--to", "2020-01-01T00:00:00Z"]), 0);
    for (format, begin) in [("syslog", "<1"), ("cef", "CEF:0|"), ("jsonl", "{\"seq\":")] {
        let out = path(dir, format);
        let (code, _, err) =
            ravelin(&["audit", "export", chain, "--format", format, "--out", &out]);
        assert_eq!(code, 0, "{err}");
        let text = fs::read_to_string(&out).unwrap();
        assert_eq!(
            text.lines().filter(|line| line.starts_with(begin)).count(),
            lines
        );
    }
    read_by_collectors(dir, &text);
    let config = path(dir, "config/alder.toml");
    let (code, out, err) = ravelin(&["audit", "export", "--config", &config, "--format", "syslog"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.lines().count() >= lines && out.contains(" ravelin - accepted [ravelin@"),
        "{out}"
    );
}

/// Other people's parsers find in the two forms what the chain says, and no more.
fn read_by_collectors(dir: &Path, chain: &str) {
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/setup");
    let folder = Command::new(setup).args(["collectors", "--built"]).output();
    let Some(folder) = folder.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: no parsers of syslog and CEF; interop/setup collectors gets them");
        return;
    };
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operation/collectors.py");
    let read = |syslog: &str, cef: &str| {
        Command::new("python3")
            .args([program, syslog, cef])
            .env("PYTHONPATH", String::from_utf8_lossy(&folder.stdout).trim())
            .output()
            .unwrap()
    };
    let (syslog, cef) = (path(dir, "syslog"), path(dir, "cef"));
    let found = read(&syslog, &cef);
    let error = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success(), "{error}");
    let text = String::from_utf8(found.stdout).unwrap();
    let said: Vec<(u64, String, String)> = serde_json::from_str(&text).unwrap();
    let wanted: Vec<(u64, String, String)> = chain
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            (event["seq"].as_u64().unwrap(), text("act"), text("hash"))
        })
        .collect();
    assert_eq!(said, wanted);
    // The negative twin: a line that is none is not passed over.
    let broken = path(dir, "broken");
    let text = fs::read_to_string(&syslog).unwrap();
    fs::write(
        &broken,
        text.replacen("ravelin@32473 seq=", "ravelin@32473 seq", 1),
    )
    .unwrap();
    assert!(!read(&broken, &cef).status.success());
}

/// OpenSSL verifies a checkpoint from the event, the certificate of the authority, and the README.
fn openssl_agrees(dir: &Path, line: &str) {
    let version = Command::new("openssl").arg("version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let details = &event["details"];
    let text = format!(
        "{{\"switch\":{},\"records\":{},\"head\":{},\"at\":{}}}",
        details["switch"],
        details["records"].as_str().unwrap(),
        details["head"],
        event["at"]
    );
    let point = Checkpoint::of_line(line).unwrap().unwrap();
    assert_eq!(point.statement.text(), text);
    let (signature, content) = (path(dir, "point.der"), path(dir, "point.txt"));
    fs::write(&signature, &point.signature).unwrap();
    for (text, is_good) in [
        (text.clone(), true),
        (text.replace("records\":", "records\":1"), false),
    ] {
        fs::write(&content, text).unwrap();
        let verified = Command::new("openssl")
            .args([
                "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any",
            ])
            .args(["-in", &signature, "-content", &content, "-out", "/dev/null"])
            .args(["-CAfile", &path(dir, "pki/alder/ca.pem")])
            .output()
            .unwrap();
        assert_eq!(verified.status.success(), is_good, "{verified:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_store_does_not_start_against_its_witness_unless_that_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut world = world(dir, CHECKPOINTS, "").await;
    world.wake_alder().await.unwrap();
    world.alder_switch.take().unwrap().stop().await;
    let copy = dir.join("older.redb");
    let store = dir.join("store/alder/ravelin.redb");
    fs::copy(&store, &copy).unwrap();
    world.wake_alder().await.unwrap();
    assert_eq!(send(&world, BIRCH, Precedence::Routine).await.0, 250);
    world.alder_switch.take().unwrap().stop().await;
    // The same store starts again.
    world.wake_alder().await.unwrap();
    world.alder_switch.take().unwrap().stop().await;
    fs::copy(&copy, &store).unwrap();
    let config = world.alder_config.clone();
    let refused = serve::start(config.clone(), Clock::system()).await.err();
    let refused = refused.unwrap().chain();
    assert!(refused.contains("an older store was put back"), "{refused}");
    let how = Start {
        accept_rollback: true,
        ..Start::default()
    };
    let running = serve::start_as(config.clone(), Clock::system(), how).await;
    running.unwrap().stop().await;
    let chain = fs::read_to_string(dir.join("audit/alder.jsonl")).unwrap();
    assert_eq!(chain.matches("\"act\":\"rolled-back\"").count(), 1);
    assert!(dir.join("audit/heads.jsonl.different-1").exists());
    // From here on it is the new witness that counts.
    serve::start(config, Clock::system())
        .await
        .unwrap()
        .stop()
        .await;
}

/// One frame of a collector: its octets were counted.
async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut length = 0;
    loop {
        match stream.read_u8().await.ok()? {
            b' ' => break,
            digit => {
                assert!(digit.is_ascii_digit(), "{digit}");
                length = length * 10 + usize::from(digit - b'0');
            }
        }
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await.ok()?;
    Some(String::from_utf8(text).unwrap())
}

fn sequence(message: &str) -> u64 {
    let (_, rest) = message.split_once(" seq=\"").unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_every_event_in_order_also_when_its_connection_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let forward = format!(
        "[[audit.forward]]\nname = \"collector\"\naddress = \"{address}\"\ntls = \"never\"\n"
    );
    let mut world = world(dir.path(), "", &forward).await;
    world.wake_alder().await.unwrap();
    let running = world.running().unwrap();
    let mut seen = Vec::new();
    for round in 0..2 {
        assert_eq!(send(&world, BIRCH, Precedence::Flash).await.0, 250);
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = running.store.heads().borrow().sequence;
        loop {
            let next = tokio::time::timeout(PATIENCE, frame(&mut stream))
                .await
                .unwrap();
            let message = next.unwrap();
            assert!(
                message.starts_with('<') && message.contains(" switch.alder.example ravelin - ")
            );
            seen.push(sequence(&message));
            if seen.last() >= Some(&head) {
                break;
            }
        }
        if round == 0 {
            // A record that is sent now may be on the way when the connection goes; nobody reads it.
            assert_eq!(send(&world, BIRCH, Precedence::Flash).await.0, 250);
            drop(stream);
        }
    }
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let expected: Vec<u64> = (sorted[0]..=*sorted.last().unwrap()).collect();
    assert_eq!(sorted, expected, "something is missing in {seen:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_reads_nothing_holds_nobody_up_and_one_with_tls_is_who_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let stuck = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wrong = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let section = |name: &str, listener: &TcpListener, rest: &str| {
        let address = listener.local_addr().unwrap();
        format!("[[audit.forward]]\nname = \"{name}\"\naddress = \"{address}\"\n{rest}\n")
    };
    let forwards = [
        section("stuck", &stuck, "tls = \"never\""),
        section(
            "tls",
            &tls,
            "peer = \"switch.alder.example\"\nformat = \"cef\"",
        ),
        section("wrong", &wrong, "peer = \"collector.alder.example\""),
    ]
    .concat();
    let mut world = world(dir.path(), "", &forwards).await;
    world.wake_alder().await.unwrap();
    let held = tokio::spawn(async move { stuck.accept().await });
    for _ in 0..5 {
        assert_eq!(send(&world, BIRCH, Precedence::Routine).await.0, 250);
    }
    let acceptor = TlsAcceptor::from(ravelin::tls::server(&world.alder_config).unwrap());
    let (stream, _) = tls.accept().await.unwrap();
    let mut stream = acceptor.accept(stream).await.unwrap();
    let first = tokio::time::timeout(PATIENCE, frame(&mut stream))
        .await
        .unwrap();
    let first = first.unwrap();
    assert!(first.contains(" - \u{feff}CEF:0|Ravelin|"), "{first}");
    // The name in the certificate is not the one that the configuration names: not one frame.
    let (stream, _) = wrong.accept().await.unwrap();
    let refused = acceptor.accept(stream).await;
    match refused {
        Err(_) => {}
        Ok(mut stream) => assert_eq!(frame(&mut stream).await, None),
    }
    world.end().await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_leaves_one_event_for_a_session_and_none_of_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "", "").await;
    world.wake_alder().await.unwrap();
    let anchor = support::anchor(&world.dir);
    let host = world.alder.host();
    let stranger = world.birch.person("reader").unwrap();
    let tls = support::wire::Tls {
        anchor: &anchor,
        host: &host,
        identity: Some(&stranger.sign),
        is_old: false,
    };
    let port = world.alder.ports.submission;
    let (mut wire, _) = support::wire::Wire::starttls(port, &tls).await;
    for _ in 0..3 {
        let said = wire.ask("MAIL FROM:<drafter@alder.example>").await;
        assert!(said.starts_with("550 5.7.1 "), "{said}");
    }
    drop(wire);
    world.end().await;
    let chain = fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let told: Vec<&str> = chain
        .lines()
        .filter(|line| line.contains("turned-away"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [
        "unknown peer 127.0.0.1",
        "550 5.7.1",
        "\"listener\":\"submission\"",
        "\"certificate\":",
    ] {
        assert!(told[0].contains(part), "no {part} in {}", told[0]);
    }
}
