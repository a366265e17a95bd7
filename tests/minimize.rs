//! MINIMIZE on a running switch: an operator imposes it, traffic waits or is refused, and goes on.

use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use ravelin::store::{Exempt, MinimizeAct};
use ravelin::switch::MinimizeOrder;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// ALDER's world with a clerk who operates it.
async fn world(dir: &std::path::Path) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
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
