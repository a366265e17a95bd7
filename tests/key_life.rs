//! The life of the switch's own keys: successors that take over, ends that are told of, secrets that
//! leave no trace.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ravelin::cli::demo::World;
use ravelin::cli::serve;
use ravelin::clock::{Clock, Timestamp};
use ravelin::config::{self, Config};
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::pkcs12;
use support::process;

const DAY: u64 = 86_400;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn later(start: Timestamp, days: i64) -> Timestamp {
    start
        .checked_add(jiff::SignedDuration::from_hours(24 * days))
        .unwrap()
}

/// A world whose ALDER has this text in the place of its signing key.
async fn world(dir: &Path, sign: &str) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    let file = dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("sign = "));
    let text = text.replace(line.unwrap(), &format!("sign = {sign}"));
    std::fs::write(&file, text).unwrap();
    world.alder_config = config::load(&file).unwrap();
    world
}

/// Signing keys of `CN=a`, `CN=b`, …, each valid for these days, as PEM beside the configuration.
fn write_keys(dir: &Path, root: &Authority, valid: &[(&str, Timestamp, u64)]) {
    std::fs::create_dir_all(dir.join("config")).unwrap();
    for (name, from, days) in valid {
        let life = Duration::from_secs(days * DAY);
        let request = Request::new(&format!("CN={name}"), Usage::Sign, *from).valid(*from, life);
        let identity = root.issue(request).unwrap();
        let text = identity.certificate().to_pem() + &identity.key_to_pem().unwrap();
        std::fs::write(dir.join(format!("config/{name}.pem")), text).unwrap();
    }
}

fn signer(config: &Config, at: Timestamp) -> String {
    match config.keys.signer(at) {
        Ok(identity) => identity.certificate().subject(),
        Err(fault) => fault.chain(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_valid_key_signs_and_a_successor_takes_over_on_its_day() {
    let dir = tempfile::tempdir().unwrap();
    let start = at("2026-11-21T12:00:00Z");
    let root = Authority::new("Root", start).unwrap();
    let keys = [
        ("a", start, 30),
        ("b", later(start, 20), 30),
        ("c", later(start, 60), 10),
    ];
    write_keys(dir.path(), &root, &keys);
    let list =
        r#"[{ certificate = "b.pem", key = "b.pem" }, { key = "a.pem" }, { key = "c.pem" }]"#;
    let world = world(dir.path(), list).await;
    let config = &world.alder_config;
    assert_eq!(config.keys.sign.len(), 3);
    for (day, wanted) in [
        (1, "CN=a"),
        (19, "CN=a"),
        (21, "CN=b"),
        (49, "CN=b"),
        (65, "CN=c"),
    ] {
        assert_eq!(signer(config, later(start, day)), wanted, "day {day}");
    }
    // With none that is valid nothing is signed: our fault, 451.
    for day in [-1, 55, 71] {
        let fault = signer(config, later(start, day));
        assert!(fault.starts_with("cannot sign"), "day {day}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_pkcs12_each_for_its_use() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let root = Authority::new("Root", now).unwrap();
    let issue = |name: &str, usage| root.issue(Request::new(name, usage, now)).unwrap();
    let all = [
        issue("CN=sign", Usage::Sign),
        issue("CN=open", Usage::Encrypt),
        issue("CN=old", Usage::Encrypt),
    ];
    std::fs::create_dir_all(dir.path().join("config")).unwrap();
    let file = pkcs12::write_all(&all, "correct horse").unwrap();
    std::fs::write(dir.path().join("config/all.p12"), file).unwrap();
    let secret = dir.path().join("config/secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o600);
    let entry = r#"{ key = "all.p12", password-file = "secret" }"#;
    let world = world(dir.path(), entry).await;
    assert_eq!(signer(&world.alder_config, now), "CN=sign");
    assert_eq!(world.alder_config.keys.sign.len(), 1);
    let config = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let decrypt = text.lines().find(|line| line.starts_with("decrypt = "));
    let both = text.replace(decrypt.unwrap(), &format!("decrypt = [{entry}]"));
    std::fs::write(&config, &both).unwrap();
    let keys = config::load(&config).unwrap().keys;
    let names = |keys: &[ravelin::crypto::keys::Identity]| -> Vec<String> {
        keys.iter().map(|key| key.certificate().subject()).collect()
    };
    assert_eq!(names(&keys.decrypt), ["CN=open", "CN=old"]);
    // A password that others may read, or none, or a wrong one.
    mode(0o644);
    let wrong = |text: &str| {
        std::fs::write(&config, text).unwrap();
        config::load(&config).map(drop).unwrap_err().to_string()
    };
    assert!(wrong(&both).contains("chmod 600"));
    mode(0o600);
    let none = both.replace(", password-file = \"secret\"", "");
    assert!(wrong(&none).contains("needs its password"));
    std::fs::write(&secret, "wrong horse").unwrap();
    let said = wrong(&both);
    assert!(
        said.contains("password") && !said.contains("wrong horse"),
        "{said}"
    );
    assert!(wrong(&both.replace("[{ key", "[{ kye")).contains("kye"));
    assert!(wrong(&text.replace("sign = {", "sign = 1 # {")).contains("keys.sign"));
}

/// The events that tell of an end.
fn told(dir: &Path) -> Vec<serde_json::Value> {
    std::fs::read_to_string(dir.join("audit/alder.jsonl"))
        .unwrap_or_default()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["act"] == "expiring")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_told_once_for_each_warning_and_to_the_postmaster() {
    let dir = tempfile::tempdir().unwrap();
    let start = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let root = Authority::new("Root", start).unwrap();
    // The others of the demo last for a year.
    write_keys(dir.path(), &root, &[("ending", start, 100)]);
    let mut world = world(dir.path(), r#"{ key = "ending.pem" }"#).await;
    let clock = Clock::fixed(start);
    let day = |days: u64| clock.advance(Duration::from_secs(days * DAY));
    let config = world.alder_config.clone();
    let found: Vec<_> = config
        .holdings()
        .into_iter()
        .map(|one| (one.days_left(start), one.purpose))
        .collect();
    assert!(found.contains(&(100, "keys.sign".to_owned())), "{found:?}");
    for purpose in [
        "keys.decrypt",
        "keys.tls",
        "trust.anchors",
        "link.birch.seal.certificate",
    ] {
        assert!(found.iter().any(|(_, found)| found == purpose), "{purpose}");
    }
    let running = serve::start(config, clock.clone()).await.unwrap();
    let switch = std::sync::Arc::clone(&running.switch);
    assert_eq!(switch.tell_of_expiry().await.unwrap(), 0);
    assert!(told(dir.path()).is_empty());
    let mut expected = 0;
    // Day 10, 11, 70, 71, 93, 93 again, 94, 101.
    for (more, events, warning) in [
        (10, 1, 90),
        (1, 0, 90),
        (59, 1, 30),
        (1, 0, 30),
        (22, 1, 7),
        (0, 0, 7),
        (1, 1, 7),
        (7, 1, 0),
    ] {
        day(more);
        assert_eq!(switch.tell_of_expiry().await.unwrap(), events, "{warning}");
        expected += events;
        let told = told(dir.path());
        assert_eq!(told.len(), expected);
        let last = &told.last().unwrap()["details"];
        assert_eq!(last["warning"], warning.to_string());
        assert_eq!(last["purpose"], "keys.sign");
        assert_eq!(last["subject"], "CN=ending");
    }
    let notices = running.store.entries().unwrap();
    assert!(!notices.is_empty(), "the postmaster was not told");
    running.stop().await;
    world.alder_switch = None;
    world.end().await;
}

/// Ends a process of `sh -c SCRIPT` by SIGABRT, where core files are allowed. Says whether one was
/// dumped, and what was seen of the process before.
fn aborted(dir: &Path, script: &str, arguments: &[&str], look: impl FnOnce(u32)) -> bool {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -c unlimited; {script}"), "sh"])
        .args(arguments)
        .current_dir(dir)
        .env("RAVELIN_LOG", "ravelin=info")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let up = log
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("is open"));
    assert!(up, "it did not start");
    look(child.id());
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-ABRT", &id]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6));
    status.core_dumped()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_leaves_no_core_file_and_no_secret_where_others_look() {
    let dir = tempfile::tempdir().unwrap();
    // Where this system dumps nothing of anybody, the switch proves nothing.
    let twin = "echo all is open >&2; exec sleep 60";
    match aborted(dir.path(), twin, &[], |_| {}) {
        true => {}
        false => eprintln!("skipped: no core file of any process on this system"),
    }
    let world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    let config = process::with_any_ports(&world.alder, dir.path()).unwrap();
    // A password in a file is nowhere else.
    let secret = dir.path().join("config/secret");
    std::fs::write(&secret, "correct horse battery").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let sign = dir.path().join("pki/alder");
    let pair = ravelin::crypto::keys::Identity::load_pem(
        &sign.join("border-sign.pem"),
        &sign.join("border-sign.key.pem"),
        None,
    )
    .unwrap();
    let file = pkcs12::write(&pair, "correct horse battery").unwrap();
    std::fs::write(dir.path().join("config/sign.p12"), file).unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("sign = "))
        .unwrap();
    let to = "sign = { key = \"sign.p12\", password-file = \"secret\" }";
    std::fs::write(&config, text.replace(line, to)).unwrap();

    let program = env!("CARGO_BIN_EXE_ravelin");
    let config = config.display().to_string();
    let script = "exec \"$1\" serve --config \"$2\"";
    let dumped = aborted(dir.path(), script, &[program, &config], |pid| {
        let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
        let limits = String::from_utf8(read("limits")).unwrap();
        let core = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max core file size"))
            .unwrap();
        let values: Vec<&str> = core.split_whitespace().take(2).collect();
        assert_eq!(values, ["0", "0"]);
        let cmdline = String::from_utf8_lossy(&read("cmdline")).into_owned();
        assert!(cmdline.contains("serve") && !cmdline.contains("horse"));
        assert!(!String::from_utf8_lossy(&read("environ")).contains("horse"));
    });
    assert!(!dumped, "a core file was dumped");
    let files = std::fs::read_dir(dir.path()).unwrap();
    let names: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    let cores = names
        .iter()
        .filter(|name| name.to_string_lossy().starts_with("core"))
        .count();
    // At most that of the twin.
    assert!(cores <= 1, "{names:?}");
}
