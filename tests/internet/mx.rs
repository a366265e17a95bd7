//! MX: the order of preferences, hosts that are away, domains that take no mail; and that DNS decides
//! where we knock, never who opens.

use hickory_resolver::proto::rr::RecordType;

use super::bench::{AWAY, Bench, GOOD, Scene};
use super::support;
use super::support::dns::{Entry, How, Lie, a, aaaa, cname, mx};

/// One host, which is there.
fn one_host() -> Vec<Entry> {
    vec![
        mx("birch.example", 10, "mail.birch.example"),
        a("mail.birch.example", GOOD),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preferred_host_is_asked_first_and_the_next_one_when_it_is_away() {
    Bench::delivers(Scene::of(vec![
        mx("birch.example", 20, "mail.birch.example"),
        mx("birch.example", 10, "away.birch.example"),
        mx("birch.example", 5, "nowhere.birch.example"),
        a("away.birch.example", AWAY),
        a("mail.birch.example", GOOD),
    ]))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_lead_on_and_an_answer_that_is_cut_is_asked_for_again_over_tcp() {
    let records = vec![
        cname("birch.example", "post.birch.example"),
        mx("post.birch.example", 10, "mail.birch.example"),
        cname("mail.birch.example", "host.birch.example"),
        a("host.birch.example", GOOD),
    ];
    let lies: &[Lie] = &[("birch.example", RecordType::MX, How::Truncates)];
    Bench::delivers(Scene::of(records).with_lies(lies)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_without_mx_is_its_own_host() {
    Bench::delivers(Scene::of(vec![
        a("birch.example", GOOD),
        aaaa("birch.example", "::ffff:127.0.0.9"),
    ]))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_takes_no_mail_fails_at_once() {
    let null = vec![mx("birch.example", 0, "."), a("birch.example", GOOD)];
    Bench::does_not(Scene::of(null), "failed", "5.1.10").await;
    let nobody = Scene::of(vec![a("other.example", GOOD)]);
    Bench::does_not(nobody, "failed", "5.1.2").await;
    // There are MX records: the address of the domain itself counts for nothing.
    let nowhere = vec![
        mx("birch.example", 10, "nowhere.birch.example"),
        a("birch.example", GOOD),
    ];
    Bench::does_not(Scene::of(nowhere), "failed", "5.4.4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_leads_back_here_fails_at_once() {
    let back = vec![
        mx("birch.example", 10, "switch.alder.example"),
        mx("birch.example", 20, "mail.birch.example"),
        a("mail.birch.example", GOOD),
    ];
    Bench::does_not(Scene::of(back), "failed", "5.4.6").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_says_where_and_never_who() {
    // Somebody leads us to a host with another's good certificate.
    let records = vec![
        mx("birch.example", 10, "evil.example"),
        a("evil.example", GOOD),
    ];
    let scene = Scene::of(records).opened_by(|world| world.alder_config.clone());
    Bench::does_not(scene, "deferred", "evil.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_the_message_waits() {
    let mx: &[Lie] = &[("birch.example", RecordType::MX, How::Fails)];
    let address: &[Lie] = &[("mail.birch.example", RecordType::A, How::Fails)];
    for lies in [mx, address] {
        let scene = Scene::of(one_host()).with_lies(lies);
        Bench::does_not(scene, "deferred", "4.4.3").await;
    }
    let nobody = Scene::of(one_host()).served_by_nobody();
    Bench::does_not(nobody, "deferred", "4.4.3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_answer_is_validated_and_a_forged_one_is_none() {
    Bench::delivers(Scene::of(one_host()).signed()).await;
    for lies in [
        &[("*", RecordType::MX, How::BadSignature)][..],
        &[("*", RecordType::MX, How::Strips)],
        &[("*", RecordType::MX, How::DeniesAbroad)],
    ] {
        let scene = Scene::of(one_host()).signed().with_lies(lies);
        Bench::does_not(scene, "deferred", "4.4.3").await;
    }
    // A denial that is signed is believed.
    let nobody = Scene::of(vec![a("other.example", GOOD)]).signed();
    Bench::does_not(nobody, "failed", "5.1.2").await;
}

#[tokio::test]
async fn a_next_hop_from_dns_needs_tls_and_resolvers() {
    let resolvers = "\n[internet]\nresolvers = [\"127.0.0.1:53\"]\n";
    let bad_anchors = format!("{resolvers}dnssec-anchors = \"alder.toml\"\n");
    for (rest, address, wrong) in [
        (
            "",
            "address = \"mx:birch.example\"",
            "nobody is named who answers for DNS",
        ),
        (
            resolvers,
            "address = \"mx:birch.example\"\ntls = \"never\"",
            "must do STARTTLS",
        ),
        (resolvers, "address = \"mx:birch..example\"", "not a domain"),
        (
            &bad_anchors,
            "address = \"mx:birch.example\"",
            "internet.dnssec-anchors",
        ),
        (
            resolvers,
            "address = \"mx:birch.example\"\nauthentication = [\"dane\"]",
            "DANE is nothing without DNSSEC anchors",
        ),
        (
            resolvers,
            "address = \"127.0.0.1:25\"\nauthentication = [\"dane\"]",
            "who is not found by DNS",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = support::world(dir.path(), &[], "").await;
        let file = dir.path().join("config/alder.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let old = format!("address = \"{}\"", world.birch.ports.relay);
        std::fs::write(&file, text.replacen(&old, address, 1) + rest).unwrap();
        let error = ravelin::config::load(&file).err().unwrap().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}
