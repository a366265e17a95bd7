//! MTA-STS: the policy of the far domain, from DNS and the web, and what was seen of it before.

use ravelin::clock::Clock;

use super::bench::{Bench, GOOD, Scene};
use super::dane::{of_alder, of_birch, published};
use super::support::dns::{Entry, a, mx, txt};
use super::support::web::Manner;

const STS: &str = "authentication = [\"mta-sts\"]\n";
const PEER_AND_STS: &str = "peer = \"switch.birch.example\"\nauthentication = [\"mta-sts\"]\n";
const BOTH: &str = "authentication = [\"dane\", \"mta-sts\"]\n";
const WEB: &str = "mta-sts.birch.example";
/// The name in the certificate of BIRCH's switch.
const SWITCH: &str = "switch.birch.example";

fn policy(mode: &str, host: &str) -> String {
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {host}\r\nmax_age: 86400\r\n")
}

fn hands(mode: &str, host: &str) -> Manner {
    Manner::Hands(policy(mode, host))
}

/// The MX of BIRCH is this host, and there is a policy.
fn at(host: &str) -> Scene {
    Scene::of(records(host))
}

fn records(host: &str) -> Vec<Entry> {
    vec![
        mx("birch.example", 10, host),
        a(host, GOOD),
        txt("_mta-sts.birch.example", "v=STSv1; id=20261121;"),
        a(WEB, GOOD),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_enforced_vouches_for_the_hosts_that_it_names() {
    for pattern in [SWITCH, "*.birch.example"] {
        let scene = at(SWITCH).authenticated_by(STS);
        let bench = Bench::new(scene.with_policy(hands("enforce", pattern), WEB)).await;
        bench.told("delivered", "reader@birch.example").await;
        let kept = std::fs::read_to_string(bench.dir.path().join("sts/birch.example.json"));
        assert!(kept.unwrap().contains("20261121"));
        bench.end(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_it_does_not_name_gets_nothing_nor_one_with_another_certificate() {
    for lines in [STS, PEER_AND_STS] {
        let scene = at(SWITCH).authenticated_by(lines);
        let scene = scene.with_policy(hands("enforce", "other.birch.example"), WEB);
        Bench::does_not(scene, "deferred", "no host that the policy names").await;
        let scene = at("mail.birch.example").authenticated_by(lines);
        let scene = scene.with_policy(hands("enforce", "*.birch.example"), WEB);
        Bench::does_not(scene, "deferred", "is not for mail.birch.example").await;
    }
    // The right name, by another authority than the link's.
    let scene = at("switch.alder.example.birch.example").authenticated_by(STS);
    let scene = scene.opened_by(|world| world.alder_config.clone());
    let scene = scene.with_policy(hands("enforce", "switch.alder.example.birch.example"), WEB);
    Bench::does_not(scene, "deferred", "4.4.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_not_enforced_vouches_for_nobody_and_the_peer_alone_does() {
    for mode in ["testing", "none"] {
        let scene = at(SWITCH).authenticated_by(STS);
        let scene = scene.with_policy(hands(mode, "other.birch.example"), WEB);
        Bench::does_not(scene, "deferred", "4.7.5").await;
        let scene = at("mail.birch.example").authenticated_by(PEER_AND_STS);
        let scene = scene.with_policy(hands(mode, "other.birch.example"), WEB);
        Bench::delivers(scene).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_comes_from_its_own_host_as_it_should_or_not_at_all() {
    let good = policy("enforce", SWITCH);
    let long = format!("{good}x: {}\r\n", "y".repeat(70_000));
    for (manner, name, why) in [
        (hands("enforce", SWITCH), "www.birch.example", "certificate"),
        (Manner::Redirects, WEB, "302"),
        (
            Manner::HandsAs("text/html", good.clone()),
            WEB,
            "text/plain",
        ),
        (Manner::Lacks(good.clone()), WEB, "404"),
        (Manner::Hands(long), WEB, "limit"),
        (Manner::Hands("mode: enforce\r\n".into()), WEB, "version"),
        (Manner::HangsUp, WEB, "https://mta-sts.birch.example"),
    ] {
        let scene = at(SWITCH).authenticated_by(STS);
        Bench::does_not(scene.with_policy(manner, name), "deferred", why).await;
    }
    let nothing = vec![mx("birch.example", 10, SWITCH), a(SWITCH, GOOD)];
    let scene = Scene::of(nothing).authenticated_by(STS);
    Bench::does_not(scene, "deferred", "publishes no MTA-STS policy").await;
}

/// A policy that was fetched so many hours ago.
fn seen(hours: i64, host: &str) -> String {
    let fetched = Clock::system().now() - jiff::SignedDuration::from_hours(hours);
    let policy = policy("enforce", host).replace("\r\n", "\\n");
    format!(r#"{{"domain":"birch.example","id":"1","fetched":"{fetched}","policy":"{policy}"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_was_seen_counts_whatever_is_hidden_now() {
    let hidden = || vec![mx("birch.example", 10, SWITCH), a(SWITCH, GOOD)];
    // Nothing in DNS any more: what was seen still forbids, and still vouches.
    let scene = Scene::of(hidden()).authenticated_by(PEER_AND_STS);
    let scene = scene.that_saw(seen(1, "other.birch.example"));
    Bench::does_not(scene, "deferred", "no host that the policy names").await;
    let scene = Scene::of(hidden()).authenticated_by(STS);
    Bench::delivers(scene.that_saw(seen(1, SWITCH))).await;
    // A newer one is told of, and its host does not hand it out.
    let scene = at(SWITCH).authenticated_by(PEER_AND_STS);
    let scene = scene.with_policy(Manner::HangsUp, WEB);
    let scene = scene.that_saw(seen(1, "other.birch.example"));
    Bench::does_not(scene, "deferred", "no host that the policy names").await;
    // A newer one that can be had takes its place.
    let scene = at(SWITCH).authenticated_by(STS);
    let scene = scene.with_policy(hands("enforce", SWITCH), WEB);
    Bench::delivers(scene.that_saw(seen(1, "other.birch.example"))).await;
    // What is too old is gone.
    let scene = Scene::of(hidden()).authenticated_by(PEER_AND_STS);
    Bench::delivers(scene.that_saw(seen(25, "other.birch.example"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_before_policies() {
    let with = |tlsa: fn(&super::bench::World, &str) -> Vec<Entry>| {
        published(SWITCH, move |world, owner| {
            let mut all = tlsa(world, owner);
            all.push(txt("_mta-sts.birch.example", "v=STSv1; id=1;"));
            all.push(a(WEB, GOOD));
            all
        })
        .authenticated_by(BOTH)
    };
    let scene = with(of_birch).with_policy(hands("enforce", "other.birch.example"), WEB);
    Bench::delivers(scene).await;
    let scene = with(of_alder).with_policy(hands("enforce", SWITCH), WEB);
    Bench::does_not(scene, "deferred", "no TLSA record speaks").await;
    let scene = with(|_, _| Vec::new()).with_policy(hands("enforce", SWITCH), WEB);
    Bench::delivers(scene).await;
}
