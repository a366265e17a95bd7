//! `/metrics`, `/healthz`, `/readyz`, and the unit file.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use ravelin::cli::demo::RELEASE_RULE;
use ravelin::switch::Readings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

pub(super) async fn ask(to: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (code, body.to_owned())
}

/// The page, once all of this stands in it: an event is in the exported chain before it is counted.
pub(super) async fn page_with(to: SocketAddr, parts: &[&str]) -> String {
    let begun = Instant::now();
    loop {
        let (_, page) = ask(to, "GET", "/metrics").await;
        if parts.iter().all(|part| page.contains(part)) {
            return page;
        }
        assert!(begun.elapsed() < PATIENCE, "no {parts:?} in\n{page}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) fn value(page: &str, series: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{page}"));
    line.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted_from_events_and_readiness_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "", "[metrics]\naddress = \"127.0.0.1:0\"\n").await;
    world.wake_alder().await.unwrap();
    let running = world.running().unwrap();
    let to = running.metrics.unwrap();
    for _ in 0..2 {
        let (code, text) = send(&world, "reader@birch.example", Precedence::Flash).await;
        assert_eq!(code, 250, "{text}");
    }
    let (code, _) = send_as(&world, "clerk@alder.example", "SECRET", Precedence::Routine).await;
    assert_eq!(code, 550);
    let (code, page) = ask(to, "GET", "/metrics").await;
    assert_eq!(code, 200);
    for (series, wanted) in [
        ("ravelin_messages_accepted_total{precedence=\"FLASH\"}", 2.0),
        ("ravelin_events_total{act=\"queued\"}", 2.0),
        ("ravelin_faults_total", 0.0),
        ("ravelin_queue_entries", 2.0),
        (
            "ravelin_queue_depth{next_hop=\"birch\",precedence=\"FLASH\"}",
            2.0,
        ),
        (
            "ravelin_queue_depth{next_hop=\"birch\",precedence=\"ROUTINE\"}",
            0.0,
        ),
        (
            "ravelin_queue_depth{next_hop=\"mailboxes\",precedence=\"FLASH\"}",
            0.0,
        ),
        ("ravelin_queue_window{next_hop=\"mailboxes\"}", 5.0),
        ("ravelin_queue_held{next_hop=\"birch\"}", 0.0),
        ("ravelin_queue_minimized{next_hop=\"birch\"}", 0.0),
        ("ravelin_queue_oldest_seconds{precedence=\"ROUTINE\"}", 0.0),
        ("ravelin_minimize_orders", 0.0),
        ("ravelin_store_open", 1.0),
        ("ravelin_ready", 1.0),
        ("ravelin_takes{precedence=\"DEFERRED\"}", 1.0),
    ] {
        assert!(
            (value(&page, series) - wanted).abs() < 0.1,
            "{series}:\n{page}"
        );
    }
    let refused = "ravelin_messages_refused_total{reason=\"";
    assert!(page.lines().any(|line| line.starts_with(refused)), "{page}");
    let commits = value(&page, "ravelin_commit_seconds_count");
    assert!(
        commits >= 4.0 && commits == value(&page, "ravelin_commit_seconds_bucket{le=\"+Inf\"}")
    );
    let expiry = "ravelin_certificate_expiry_seconds{use=\"";
    assert!(
        page.lines().filter(|line| line.starts_with(expiry)).count() >= 3,
        "{page}"
    );
    assert!(value(&page, "ravelin_audit_records") >= 5.0);

    assert_eq!(
        ask(to, "GET", "/healthz").await,
        (200, "alive\n".to_owned())
    );
    assert_eq!(ask(to, "GET", "/readyz").await.0, 200);
    assert_eq!(ask(to, "POST", "/metrics").await.0, 405);
    assert_eq!(ask(to, "GET", "/v1/queue").await.0, 404);
    running.switch.ask_to_stop("test", None).await.unwrap();
    let (code, why) = ask(to, "GET", "/readyz").await;
    assert!(
        code == 503 && why.contains("the switch stops"),
        "{code}: {why}"
    );
    let none = Readings {
        disk: 0,
        inodes: 90,
        memory: 90,
        commit: Duration::ZERO,
        queue: 0,
    };
    running.switch.measured(&none).await;
    let (_, why) = ask(to, "GET", "/readyz").await;
    assert!(why.contains("no head-room"), "{why}");
    world.end().await;
}

/// What README says that there is: name and labels.
fn documented() -> BTreeSet<String> {
    let readme = include_str!("../../README.md");
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `ravelin_"));
    let named = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`'));
    let mut all = BTreeSet::new();
    for one in named.filter(|text| text.starts_with("ravelin_")) {
        assert!(all.insert(one.to_owned()), "{one} stands there twice");
    }
    all
}

/// What there is: name and labels of each family; of a counter of what did not happen yet, which has no
/// series, the labels that README says.
fn shown(page: &str) -> BTreeSet<String> {
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    families
        .map(|family| {
            let (name, kind) = family.split_once(' ').unwrap();
            let own = |line: &&str| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            };
            let Some(series) = page.lines().find(own).filter(|_| kind != "histogram") else {
                let documented = documented().into_iter();
                let mut of_it = documented.filter(|one| one.split('{').next() == Some(name));
                assert_ne!(kind, "gauge", "{name} has no series in\n{page}");
                return of_it.next().unwrap_or_else(|| name.to_owned());
            };
            let Some((_, labels)) = series.split_once('{') else {
                return name.to_owned();
            };
            let labels = labels
                .split("=\"")
                .filter_map(|part| part.rsplit(['"', ',']).next());
            let labels: Vec<&str> = labels.collect();
            format!("{name}{{{}}}", labels[..labels.len() - 1].join(","))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_documented_and_every_documented_one_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rules = "[queue]\noverdue = [[\"flash\", \"1s\"]]\n[metrics]\naddress = \"127.0.0.1:0\"\n\
        [[audit.forward]]\nname = \"away\"\naddress = \"127.0.0.1:1\"\ntls = \"never\"\n";
    let mut world = world(dir, "", &format!("{rules}{RELEASE_RULE}")).await;
    world.wake_alder().await.unwrap();
    let to = world.running().unwrap().metrics.unwrap();
    // Delivered, deferred and overdue, held, refused; and one that the next hop refuses for good.
    for (whom, class, code) in [
        ("reader@alder.example", "SECRET", 250),
        ("reader@birch.example", "CONFIDENTIAL", 250),
        ("reader@birch.example", "SECRET", 250),
        ("clerk@alder.example", "SECRET", 550),
    ] {
        let (said, text) = send_as(&world, whom, class, Precedence::Flash).await;
        assert_eq!(said, code, "{whom}: {text}");
    }
    let page = page_with(
        to,
        &[
            "ravelin_overdue_total{",
            "ravelin_recipients_delivered_total{",
            "ravelin_deliveries_deferred_total{",
        ],
    )
    .await;
    // Nobody has refused for good here, and no report came or is late: of those the family stands
    // without a series.
    let page = [
        ("ravelin_recipients_failed_total", "next_hop=\"x\""),
        ("ravelin_reports_matched_total", "kind=\"x\",result=\"x\""),
        ("ravelin_reports_not_matched_total", "why=\"x\""),
        ("ravelin_reports_overdue_total", "precedence=\"x\""),
    ]
    .into_iter()
    .fold(page, |page, (name, labels)| {
        let family = format!("# TYPE {name} counter\n");
        assert!(page.contains(&family), "{name}");
        let series = format!("{family}{name}{{{labels}}} 0\n");
        page.replacen(&family, &series, 1)
    });
    assert_eq!(shown(&page), documented());
    parsed_by_python(&page);
    world.end().await;
}

/// The parser of Prometheus' own client takes the page, and finds in it what README says.
fn parsed_by_python(page: &str) {
    let program = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as f\n\
        for m in f(sys.stdin.read()):\n\
        \x20   assert m.documentation, m\n\
        \x20   labels = [l for l in m.samples[0].labels if l != 'le'] if m.samples else ['*']\n\
        \x20   name = m.name + ('_total' if m.type == 'counter' else '')\n\
        \x20   print(name + ('{' + ','.join(labels) + '}' if labels else ''))\n";
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/setup");
    let folder = Command::new(setup).args(["prometheus", "--built"]).output();
    let Some(folder) = folder.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: there is no prometheus-client; interop/setup prometheus gets it");
        return;
    };
    let mut python = Command::new("python3")
        .args(["-c", program])
        .env(
            "PYTHONPATH",
            String::from_utf8(folder.stdout).unwrap().trim(),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let found: Vec<&str> = text.lines().collect();
    let wanted = documented();
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for one in found {
        let is_there = match one.strip_suffix("{*}") {
            None => wanted.contains(one),
            Some(name) => wanted.iter().any(|one| one.split('{').next() == Some(name)),
        };
        assert!(is_there, "{one} is not documented");
    }
}

#[test]
fn metrics_for_another_machine_are_refused_with_the_configuration() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(world(dir.path(), "", ""));
    let file = dir.path().join("config/alder.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (wrong, key) in [
        ("[metrics]\naddress = \"0.0.0.0:9100\"\n", "metrics.address"),
        (
            "[head-room]\ndisk = [\"2GiB\", \"5MiB\"]\n",
            "head-room.disk",
        ),
        (
            "[head-room]\ncommit = [\"1s\", \"5s\"]\n",
            "head-room.commit",
        ),
        (
            "[head-room]\nshed = [[\"flash\", \"60%\"]]\n",
            "head-room.shed",
        ),
        (
            "[[audit.forward]]\nname = \"x\"\naddress = \"127.0.0.1:1\"\n",
            "audit.forward.peer",
        ),
    ] {
        std::fs::write(&file, format!("{good}{wrong}")).unwrap();
        let error = ravelin::config::load(&file).err().expect(wrong);
        assert_eq!(error.key, key, "{error}");
        assert!(!error.remedy.is_empty(), "{error}");
    }
}

#[test]
fn the_unit_file_is_understood_and_leaves_little_open() {
    if !is_there("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/ravelin.service");
    let text = std::fs::read_to_string(unit).unwrap();
    let text = text.replace("/usr/bin/ravelin", env!("CARGO_BIN_EXE_ravelin"));
    let copy = path(dir.path(), "ravelin.service");
    std::fs::write(&copy, text).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    };
    let complaints = analyze(&["verify", "--man=no", &copy]);
    let own = complaints
        .lines()
        .find(|line| line.contains("ravelin.service"));
    assert_eq!(own, None, "{complaints}");
    let found = analyze(&["security", "--no-pager", "--offline=true", &copy]);
    let (_, level) = found
        .split_once("exposure level for ravelin.service: ")
        .unwrap();
    let level: f32 = level.split(' ').next().unwrap().parse().unwrap();
    assert!(level <= 2.0, "{found}");
}
