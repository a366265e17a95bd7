//! Another configuration in place of the one in force, while the switch runs.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::label::Label;
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use ravelin::store::EntryRow;
use ravelin::switch::ReloadError;
use support::process;
use support::source::Source;
use support::wire::{Tls, Wire};

const SECRET: &str = "[\"UNCLASSIFIED\", \"RESTRICTED\", \"CONFIDENTIAL\", \"SECRET\"]";
const HANGS: Duration = Duration::from_secs(20);

fn file(dir: &Path, name: &str) -> PathBuf {
    dir.join("config").join(name)
}

/// Changes the first place where `from` stands after `mark`.
fn edit(file: &Path, mark: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let (before, after) = text.split_once(mark).unwrap_or_else(|| panic!("no {mark}"));
    assert!(after.contains(from), "no {from}");
    let after = after.replacen(from, to, 1);
    std::fs::write(file, format!("{before}{mark}{after}")).unwrap();
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn written(world: &World, to: &[Address], label: &Label) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    world
        .compose(&drafter.address, to, Some(label), &drafter.sign)
        .unwrap()
}

fn chain(world: &World) -> String {
    std::fs::read_to_string(world.dir.join("audit/alder.jsonl")).unwrap()
}

/// The events of an act.
fn acts(world: &World, act: &str) -> usize {
    let act = format!("\"act\":\"{act}\"");
    chain(world).lines().filter(|l| l.contains(&act)).count()
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(HANGS, found).await;
    found.unwrap_or_else(|_| panic!("{what} did not happen"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_sessions_and_changes_what_they_may_send() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let config = file(dir.path(), "alder.toml");
    let drafter = world.alder.person("drafter").unwrap();
    let trust = Arc::clone(&world.alder_config.trust);
    let ports = world.alder.ports;
    let mut session = Source::new(ports.submission, world.alder.host(), trust, drafter).unwrap();
    let to = [address("reader@alder.example")];
    let label = world.label("SECRET", &[]).unwrap();
    let switch = &world.running().unwrap().switch;
    let reader = "address = \"reader@alder.example\"";
    for (step, wanted) in [("before", "250"), ("lowered", "550"), ("raised", "250")] {
        match step {
            "lowered" => edit(&config, reader, SECRET, "[\"RESTRICTED\"]"),
            "raised" => edit(&config, reader, "[\"RESTRICTED\"]", SECRET),
            _ => {}
        }
        switch.reload("test").await.unwrap();
        let message = written(&world, &to, &label);
        // An error here means that the connection did not live through the reload.
        let said = session
            .submit(&to, Precedence::Routine, message.into())
            .await
            .unwrap();
        let reply = said.outcome.reply();
        assert_eq!(reply.code.to_string(), wanted, "{step}: {}", reply.text());
    }
    assert_eq!(acts(&world, "reloaded"), 3);
    let told = chain(&world);
    let line = told.lines().find(|line| line.contains("\"reloaded\""));
    let line = line.unwrap();
    for part in [
        "\"policy-ALDER\":\"version 1, sha384 ",
        "judged-under",
        "not signed",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_the_middle_of_a_message_ends_nothing_and_counts_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let (config, policy) = (
        file(dir.path(), "alder.toml"),
        file(dir.path(), "alder.xml"),
    );
    let drafter = world.alder.person("drafter").unwrap();
    let anchor = support::anchor(&world.dir);
    let tls = Tls {
        anchor: &anchor,
        host: &world.alder.host(),
        identity: Some(&drafter.sign),
        is_old: false,
    };
    let (mut wire, _) = Wire::starttls(world.alder.ports.submission, &tls).await;
    let label = world.label("SECRET", &[]).unwrap();
    let message = written(&world, &[address("reader@alder.example")], &label);
    let (first, rest) = message.split_at(message.len() / 2);
    let switch = Arc::clone(&world.running().unwrap().switch);
    let reader = "address = \"reader@alder.example\"";
    // The configuration, then a label policy, then a reload that is refused: one session.
    for (step, wanted) in [
        ("lowered", "550 "),
        ("raised", "250 "),
        ("a newer policy", "250 "),
        ("broken", "250 "),
    ] {
        for (say, hear) in [
            ("MAIL FROM:<drafter@alder.example>", "250"),
            ("RCPT TO:<reader@alder.example>", "250"),
            ("DATA", "354"),
        ] {
            let said = wire.ask(say).await;
            assert!(said.starts_with(hear), "{step}: {say}: {said}");
        }
        wire.send(first).await;
        match step {
            "lowered" => edit(&config, reader, SECRET, "[\"RESTRICTED\"]"),
            "raised" => edit(&config, reader, "[\"RESTRICTED\"]", SECRET),
            "broken" => edit(&config, "[switch]\n", "name", "nome"),
            _ => {
                edit(&policy, "schemaVersion", "version=\"1\"", "version=\"2\"");
                edit(&policy, "<SPIF", "20260101000000Z", "20260601000000Z");
            }
        }
        let reloaded = switch.reload("test").await;
        assert_eq!(reloaded.is_err(), step == "broken", "{step}");
        // The rest of the message, and the reply under the rules of its last dot.
        wire.send(rest).await;
        let said = wire.ask(".").await;
        assert!(said.starts_with(wanted), "{step}: {said}");
    }
    assert!(wire.ask("NOOP").await.starts_with("250 "));
    let under = |act: &str| {
        let told = chain(&world);
        let lines = told.lines().filter(|line| line.contains(act));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(under("\"act\":\"accepted\"").len(), 3);
    assert_eq!(
        (acts(&world, "reloaded"), acts(&world, "reload-refused")),
        (3, 1)
    );
    // The entries say which rules they were judged under: the newer policy is another set.
    let entries = under("\"act\":\"queued\"");
    let rules: Vec<&str> = entries
        .iter()
        .map(|line| line.split("\"judged-under\":\"").nth(1).unwrap())
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(
        rules.len() == 3 && rules[0] != rules[1] && rules[1] == rules[2],
        "{rules:?}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let switch = Arc::clone(&world.running().unwrap().switch);
    let before = switch.reload("test").await.unwrap();
    let (config, policy) = (
        file(dir.path(), "alder.toml"),
        file(dir.path(), "alder.xml"),
    );
    let kept = [&config, &policy].map(|file| (file, std::fs::read(file).unwrap()));
    let cases = file(dir.path(), "alder.cases");
    let port = world.alder.ports.relay.to_string();
    type Wrong<'a> = (&'a str, Box<dyn Fn() + 'a>, &'a str);
    let wrongs: [Wrong<'_>; 6] = [
        (
            "an older version",
            Box::new(|| edit(&policy, "schemaVersion", "version=\"1\"", "version=\"0\"")),
            "older than 1",
        ),
        (
            "the same date",
            Box::new(|| edit(&policy, "schemaVersion", "version=\"1\"", "version=\"2\"")),
            "not after",
        ),
        (
            "no policy at all",
            Box::new(|| edit(&policy, "<SPIF", "tagType=\"restrictive\"", "tagType=\"x\"")),
            "alder.xml:",
        ),
        (
            "a case that fails",
            Box::new(|| std::fs::write(&cases, "RESTRICTED | SECRET | permit\n").unwrap()),
            "alder.cases:1",
        ),
        (
            "what cannot change",
            Box::new(|| edit(&config, "name = \"relay\"", &port, "127.0.0.1:1")),
            "cannot change while the switch runs",
        ),
        (
            "a policy less",
            Box::new(|| edit(&config, "", "[[policy]]\nfile = \"birch.xml\"\n", "")),
            "",
        ),
    ];
    for (what, spoil, wanted) in &wrongs {
        spoil();
        let Err(ReloadError::Refused(error)) = switch.reload("test").await else {
            panic!("{what} was put in force")
        };
        let text = error.to_string();
        assert!(text.contains(wanted), "{what}: {text}");
        assert!(!error.key.is_empty() && !error.remedy.is_empty(), "{text}");
        for (file, octets) in &kept {
            std::fs::write(file, octets).unwrap();
        }
        let _ = std::fs::remove_file(&cases);
    }
    assert_eq!(acts(&world, "reload-refused"), wrongs.len());
    assert!(chain(&world).contains("listen"));
    // The one in force is the first one, and good for work.
    let after = switch.reload("test").await.unwrap();
    assert_eq!(before.judged_under(), after.judged_under());
    assert_eq!(before.provenance, after.provenance);
    // And a good change does come into force.
    edit(&policy, "schemaVersion", "version=\"1\"", "version=\"2\"");
    edit(&policy, "<SPIF", "20260101000000Z", "20260601000000Z");
    let newer = switch.reload("test").await.unwrap();
    assert_eq!(newer.policy().version(), 2);
    assert_ne!(newer.judged_under(), after.judged_under());
    world.end().await;
}

/// BIRCH is away; a message for it waits. Then the rules change.
async fn waiting(world: &World) -> EntryRow {
    let drafter = world.alder.person("drafter").unwrap();
    let to = [address("reader@birch.example")];
    let label = world
        .label(
            "CONFIDENTIAL",
            &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
        )
        .unwrap();
    let message = written(world, &to, &label);
    let outcome = world.submit(drafter, &to, &message).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
    let queue = &world.running().unwrap().queue;
    until("a first attempt", || {
        let rows = queue.list().unwrap();
        rows.into_iter().find(|row| row.attempts > 0)
    })
    .await
}

/// The changed rules come into force, BIRCH is back, and the message that waits is tried at once.
async fn reload_and_retry(world: &mut World, row: &EntryRow) {
    let running = world.running().unwrap();
    let now = running.switch.reload("test").await.unwrap();
    assert_ne!(row.judged_under, now.judged_under());
    world.wake_birch().await.unwrap();
    let queue = &world.running().unwrap().queue;
    // It may be on its way already: BIRCH is awake.
    let _ = queue.retry_now(row.id, "test", "BIRCH is back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_is_judged_again_when_the_rules_change() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let config = file(dir.path(), "alder.toml");
    let row = waiting(&world).await;
    edit(&config, "name = \"birch\"", SECRET, "[\"RESTRICTED\"]");
    reload_and_retry(&mut world, &row).await;
    let report = |octets: &[u8]| String::from_utf8_lossy(octets).contains("delivery-status");
    let (_, octets) = world.alder_mail.wait_for(report).await.unwrap();
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("To: drafter@alder.example"), "{text}");
    assert!(text.contains("Action: failed\r\nStatus: 5.7.1"), "{text}");
    assert!(text.contains("(clearance.insufficient)"), "{text}");
    assert!(!text.contains("CONFIDENTIAL"), "{text}");
    assert_eq!(acts(&world, "forbidden"), 1);
    let told = chain(&world);
    let line = told.lines().find(|l| l.contains("\"forbidden\"")).unwrap();
    assert!(line.contains("link birch") && line.contains("CONFIDENTIAL"));
    let is_delivered = |l: &str| l.contains("\"delivered\"") && l.contains("birch");
    assert!(!told.lines().any(is_delivered), "{told}");
    let queue = &world.running().unwrap().queue;
    until("the end of it", || queue.is_empty().then_some(())).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_goes_when_the_new_rules_permit_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let config = file(dir.path(), "alder.toml");
    let row = waiting(&world).await;
    let clerk = "address = \"clerk@alder.example\"";
    edit(&config, clerk, "[\"UNCLASSIFIED\", \"RESTRICTED\"]", SECRET);
    reload_and_retry(&mut world, &row).await;
    world.birch_mail.wait_for(|_| true).await.unwrap();
    assert_eq!(acts(&world, "forbidden"), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reloads_at_the_desk_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    let config = file(dir.path(), "alder.toml");
    let clerk = world.desk("clerk").unwrap();
    let error = clerk.reload().await.err().unwrap().to_string();
    assert!(error.contains("(role.missing)"), "{error}");
    // The signal's way: the role comes into force by a reload too.
    let mark = "certificate = \"../pki/alder/clerk-encrypt.pem\"\n";
    edit(&config, mark, "", "roles = [\"operator\"]\n");
    world
        .running()
        .unwrap()
        .switch
        .reload("signal")
        .await
        .unwrap();
    let now = clerk.reload().await.unwrap();
    let names: Vec<&str> = now.policies.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["ALDER", "BIRCH"]);
    edit(&config, mark, "roles", "rules");
    let error = clerk.reload().await.err().unwrap().to_string();
    assert!(error.contains("(configuration)"), "{error}");
    assert!(
        error.contains("alder.toml:") && error.contains("rules"),
        "{error}"
    );
    assert_eq!(
        (acts(&world, "reloaded"), acts(&world, "reload-refused")),
        (2, 1)
    );
    world.end().await;
}

/// The real process: SIGHUP reloads, and does not end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_signal_reloads() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    let config = process::with_any_ports(&world.alder, dir.path()).unwrap();
    let process::Start::Up(switch) = process::start(&config, None).await.unwrap() else {
        panic!("the switch did not start")
    };
    let hang_up = || {
        let pid = switch.id().to_string();
        let told = std::process::Command::new("kill")
            .args(["-HUP", &pid])
            .status();
        assert!(told.unwrap().success());
    };
    hang_up();
    until("a reload", || (acts(&world, "reloaded") == 1).then_some(())).await;
    edit(&config, "[switch]\n", "name", "nome");
    hang_up();
    until("a refusal", || {
        (acts(&world, "reload-refused") == 1).then_some(())
    })
    .await;
    edit(&config, "[switch]\n", "nome", "name");
    hang_up();
    until("a reload", || (acts(&world, "reloaded") == 2).then_some(())).await;
}
