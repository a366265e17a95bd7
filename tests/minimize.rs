//! MINIMIZE on a running switch: an operator imposes it, traffic waits or is refused, and goes on.

mod support;

use std::time::Duration;

use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use ravelin::store::{Exempt, MinimizeAct};
use ravelin::switch::MinimizeOrder;
use support::written::{Fields, written};

/// What does not happen in this time does not happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// ALDER's world with a clerk who operates it.
async fn world(dir: &std::path::Path) -> World {
    world_at(dir, Clock::system()).await
}

async fn world_at(dir: &std::path::Path, clock: Clock) -> World {
    let mut world = World::found(dir, clock, "").await.unwrap();
    let config = dir.join("config/alder.toml");
    let clerk = "certificate = \"../pki/alder/clerk-encrypt.pem\"\n";
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(clerk), "{text}");
    let text = text.replacen(clerk, &format!("{clerk}roles = [\"operator\"]\n"), 1);
    std::fs::write(&config, text).unwrap();
    world.alder_config = ravelin::config::load(&config).unwrap();
    world.wake_alder().await.unwrap();
    world
}

/// The reply to what the drafter sends to the reader at home.
async fn send(world: &World, precedence: Precedence) -> (u16, String) {
    let drafter = world.alder.person("drafter").unwrap();
    let to = [address("reader@alder.example")];
    let label = world
        .label("RESTRICTED", &[("Releasable To", "ALDER")])
        .unwrap();
    let label = ravelin::label::ess::encode(&label).unwrap();
    let composition = Composition {
        from: &drafter.address,
        to: &to,
        subject: "Orders",
        text: "Weigh anchor.\r\n",
        precedence,
        label: Some(&label),
    };
    let message = compose(&composition, &drafter.sign, &world.clock).unwrap();
    let outcome = world.submit(drafter, &to, &message).await.unwrap();
    (outcome.reply().code, outcome.reply().text())
}

fn order(act: MinimizeAct) -> MinimizeOrder {
    MinimizeOrder {
        act,
        below: Precedence::Immediate,
        links: vec![],
        domains: vec!["Alder.example".into()],
        addresses: vec![],
        from: None,
        until: None,
        exempt: vec![],
        exempt_domains: vec![],
        exempt_sics: vec![],
        considered: Exempt::No,
        reason: "operation".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn held_traffic_waits_and_goes_on_when_the_order_is_lifted() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    let (clerk, drafter) = (world.desk("clerk").unwrap(), world.desk("drafter").unwrap());
    let error = drafter
        .impose_minimize(&order(MinimizeAct::Hold))
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("(role.missing)"), "{error}");
    let imposed = clerk
        .impose_minimize(&order(MinimizeAct::Hold))
        .await
        .unwrap();
    assert_eq!((imposed.number, &*imposed.by), (1, "clerk@alder.example"));
    assert_eq!(clerk.minimize().await.unwrap(), [imposed]);

    assert_eq!(send(&world, Precedence::Routine).await.0, 250);
    assert_eq!(send(&world, Precedence::Immediate).await.0, 250);
    let urgent =
        |octets: &[u8]| String::from_utf8_lossy(octets).contains("MMHS-Primary-Precedence: 3");
    world.alder_mail.wait_for(urgent).await.unwrap();
    // The next hop has it before the queue knows.
    let waiting = loop {
        let (waiting, next) = clerk.entries(&Default::default(), None).await.unwrap();
        assert_eq!(next, None);
        if waiting.len() == 1 {
            break waiting;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(waiting[0].row.precedence, Precedence::Routine);
    assert_eq!(waiting[0].minimize, Some(1));

    let error = clerk.lift_minimize(1, " ").await.err().unwrap();
    assert!(error.to_string().contains("give a reason"), "{error}");
    let error = clerk.lift_minimize(2, "over").await.err().unwrap();
    assert!(error.to_string().contains("there is no order 2"), "{error}");
    clerk.lift_minimize(1, "over").await.unwrap();
    world
        .alder_mail
        .wait_for(|octets| !urgent(octets))
        .await
        .unwrap();
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    for act in ["minimize-imposed", "minimize-lifted"] {
        assert_eq!(
            chain.matches(&format!("\"act\":\"{act}\"")).count(),
            1,
            "{act}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_traffic_has_its_own_reason_and_who_is_exempt_is_not_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let clerk = world.desk("clerk").unwrap();
    let unknown = MinimizeOrder {
        links: vec!["nowhere".into()],
        ..order(MinimizeAct::Refuse)
    };
    let error = clerk.impose_minimize(&unknown).await.err().unwrap();
    assert!(error.to_string().contains("no link nowhere"), "{error}");
    let imposed = clerk
        .impose_minimize(&order(MinimizeAct::Refuse))
        .await
        .unwrap();
    let (code, text) = send(&world, Precedence::Priority).await;
    assert_eq!(code, 550, "{text}");
    assert!(
        text.contains("(minimize.in-force)") && text.contains("reader@alder.example"),
        "{text}"
    );
    assert!(
        !text.contains("operation"),
        "the reason of the order stays inside: {text}"
    );
    assert_eq!(send(&world, Precedence::Flash).await.0, 250);
    clerk.lift_minimize(imposed.number, "over").await.unwrap();
    let exempt = MinimizeOrder {
        exempt: vec![address("drafter@alder.example")],
        ..order(MinimizeAct::Refuse)
    };
    clerk.impose_minimize(&exempt).await.unwrap();
    assert_eq!(send(&world, Precedence::Routine).await.0, 250);
    world.end().await;
}

/// The reply to a ROUTINE message to the reader about this subject.
async fn about(world: &World, sic: &str, are: Fields) -> (u16, String) {
    let drafter = world.alder.person("drafter").unwrap();
    let fields = [
        ("To", "reader@alder.example"),
        ("MMHS-Primary-Precedence", "1"),
        ("MMHS-Subject-Indicator-Codes", sic),
    ];
    let message = written(world, &fields, are);
    let to = [address("reader@alder.example")];
    let outcome = world.submit(drafter, &to, &message).await.unwrap();
    (outcome.reply().code, outcome.reply().text())
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
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("{what} did not happen"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_exempt_where_its_code_was_signed_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let clerk = world.desk("clerk").unwrap();
    let no_code = MinimizeOrder {
        exempt_sics: vec!["M".into()],
        ..order(MinimizeAct::Refuse)
    };
    let error = clerk.impose_minimize(&no_code).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("no subject indicator code"), "{text}");
    // What nobody signed is as urgent as the envelope says: IMMEDIATE.
    let order = MinimizeOrder {
        below: Precedence::Flash,
        exempt_sics: vec!["MED".into()],
        ..order(MinimizeAct::Refuse)
    };
    let imposed = clerk.impose_minimize(&order).await.unwrap();
    assert_eq!(imposed.exempt_sics, ["MED"]);
    for (sic, are, wanted) in [
        ("MED", Fields::Signed, 250),
        ("ABC; MED", Fields::Signed, 250),
        ("MEDA", Fields::Signed, 550),
        ("ABC", Fields::Signed, 550),
        ("MED", Fields::Unsigned, 550),
    ] {
        let (code, text) = about(&world, sic, are).await;
        assert_eq!(code, wanted, "{sic}: {text}");
        assert!(
            code == 250 || text.contains("(minimize.in-force)"),
            "{text}"
        );
    }
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let refused = chain
        .lines()
        .filter(|line| line.contains("\"act\":\"refused\""));
    let refused: Vec<&str> = refused.collect();
    assert_eq!(refused.len(), 3);
    for line in refused {
        assert!(
            line.contains("\"decision\":\"minimize.in-force\""),
            "{line}"
        );
        assert!(line.contains("order 1 of clerk@alder.example"), "{line}");
    }
    let imposed = chain.lines().find(|line| line.contains("minimize-imposed"));
    assert!(imposed.unwrap().contains("\"exempt-sics\":\"MED\""));
}

fn ravelin(arguments: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ravelin"))
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

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_imposes_lists_and_lifts_by_command_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let [clerk, reader] = ["clerk", "reader"].map(|who| support::settings(&world, who));
    let impose = |desk: &str, below: &str, sic: &str| {
        ravelin(&[
            "minimize",
            "impose",
            "--below",
            below,
            "--domain",
            "alder.example",
            "--becomes",
            "refuse",
            "--for",
            "6h",
            "--exempt-sic",
            sic,
            "--considered",
            "--reason",
            "line is cut",
            "--desk",
            desk,
            "--format",
            "json",
        ])
    };
    for (desk, below, sic, why) in [
        (&reader, "flash", "MED", "role.missing"),
        (&clerk, "flash", "M", "no subject indicator code"),
        (&clerk, "override", "MED", "below FLASH at most"),
    ] {
        let (code, _, err) = impose(desk, below, sic);
        assert!(code == 1 && err.contains(why), "{code} {err}");
    }
    assert_eq!(impose(&clerk, "urgent", "MED").0, 2);
    let (code, out, err) = impose(&clerk, "flash", "MED");
    assert_eq!(code, 0, "{err}");
    let order: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&order["number"], &order["act"]),
        (&1.into(), &"refuse".into())
    );
    assert_eq!(order["exempt-sics"], serde_json::json!(["MED"]));
    let time = |name: &str| order[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let span = time("until").duration_since(time("from")).as_secs();
    assert!((6 * 3600 - 60..=6 * 3600).contains(&span), "{span}");
    let (code, out, err) = ravelin(&["minimize", "list", "--desk", &clerk]);
    assert_eq!(code, 0, "{err}");
    for part in [
        "FLASH",
        "refuse",
        "alder.example",
        "MED considered",
        "line is cut",
    ] {
        assert!(out.contains(part), "no {part} in {out}");
    }
    assert_eq!(about(&world, "ABC", Fields::Signed).await.0, 550);
    assert_eq!(about(&world, "MED", Fields::Signed).await.0, 250);
    let lift = [
        "minimize",
        "lift",
        "1",
        "--reason",
        "it is back",
        "--desk",
        &clerk,
    ];
    let (code, _, err) = ravelin(&lift);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = ravelin(&lift);
    assert!(code == 1 && err.contains("no order 1"), "{code} {err}");
    assert_eq!(about(&world, "ABC", Fields::Signed).await.0, 250);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_survives_a_restart_says_what_it_holds_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(Timestamp::now());
    let mut world = world_at(dir.path(), clock.clone()).await;
    let clerk = world.desk("clerk").unwrap();
    let hour = Duration::from_secs(3600);
    let order = MinimizeOrder {
        until: Some(clock.now() + hour),
        exempt_sics: vec!["MED".into()],
        ..order(MinimizeAct::Hold)
    };
    let imposed = clerk.impose_minimize(&order).await.unwrap();
    for sic in ["ABC", "MED"] {
        let (code, text) = about(&world, sic, Fields::Signed).await;
        assert_eq!(code, 250, "{text}");
    }
    let of = |sic: &'static str| {
        move |octets: &[u8]| {
            let field = format!("MMHS-Subject-Indicator-Codes: {sic}");
            String::from_utf8_lossy(octets).contains(&field)
        }
    };
    world.alder_mail.wait_for(of("MED")).await.unwrap();
    world.alder_switch.take().unwrap().stop().await;
    // The event of the entry says which order holds it, and of the other one that none does.
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let queued = chain
        .lines()
        .filter(|line| line.contains("\"act\":\"queued\""));
    let held: Vec<bool> = queued.map(|l| l.contains("\"minimize\":\"1\"")).collect();
    assert_eq!(held, [true, false]);

    world.wake_alder().await.unwrap();
    assert_eq!(clerk.minimize().await.unwrap(), [imposed]);
    let (waiting, _) = clerk.entries(&Default::default(), None).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].minimize, Some(1));
    assert_eq!(waiting[0].row.sics, ["ABC"]);
    let arrived = world.alder_mail.count();
    // Until its last moment it holds; then nobody has to do anything.
    clock.advance(hour - Duration::from_secs(1));
    let running = world.running().unwrap();
    assert_eq!(running.switch.end_minimize().await.unwrap(), 0);
    running.queue.wake();
    assert_eq!(about(&world, "WX1", Fields::Signed).await.0, 250);
    assert_eq!(world.alder_mail.count(), arrived);
    clock.advance(Duration::from_secs(1));
    let queue = &world.running().unwrap().queue;
    until("the end of the queue", || {
        queue.wake();
        queue.is_empty().then_some(())
    })
    .await;
    assert_eq!(world.alder_mail.count(), arrived + 2);
    // The switch may have forgotten it by itself already; once in any case.
    running.switch.end_minimize().await.unwrap();
    assert!(clerk.minimize().await.unwrap().is_empty());
    world.end().await;
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let ended = chain
        .lines()
        .filter(|line| line.contains("minimize-lifted"));
    let ended: Vec<&str> = ended.collect();
    assert!(
        ended.len() == 1 && ended[0].contains("its time is over"),
        "{ended:?}"
    );
}
