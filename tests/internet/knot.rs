//! The same with a DNS server by other hands: it signs, and it denies by NSEC and by NSEC3.

use super::bench::{Bench, GOOD, Scene, World};
use super::dane::{of_alder, of_birch, published};
use super::support::dns::{Entry, a};
use super::support::knot::{Denial, is_there};

const DANE: &str = "authentication = [\"dane\"]\n";
const PEER_AND_DANE: &str = "peer = \"switch.birch.example\"\nauthentication = [\"dane\"]\n";

/// The two ways of denying; none where there is no such server.
fn denials() -> &'static [Denial] {
    if is_there() {
        return &[Denial::Nsec, Denial::Nsec3];
    }
    eprintln!("skipped: no Knot DNS (tests/internet/fetch)");
    &[]
}

fn none(_: &World, _: &str) -> Vec<Entry> {
    Vec::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_records_vouch_for_the_key_that_they_name() {
    for denial in denials() {
        let mail = "mail.birch.example";
        let scene = published(mail, of_birch).served_by_knot(*denial);
        Bench::delivers(scene.authenticated_by(DANE)).await;
        let scene = published(mail, of_alder).served_by_knot(*denial);
        let scene = scene.authenticated_by(PEER_AND_DANE);
        Bench::does_not(scene, "deferred", "no TLSA record speaks").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_denials_are_believed() {
    for denial in denials() {
        for host in ["mail.birch.example", "mail.elm.example"] {
            let scene = published(host, none).served_by_knot(*denial);
            Bench::does_not(scene.authenticated_by(DANE), "deferred", "4.7.5").await;
            let scene = published(host, none).served_by_knot(*denial);
            Bench::delivers(scene.authenticated_by(PEER_AND_DANE)).await;
        }
        let elm = published("mail.elm.example", of_alder).served_by_knot(*denial);
        Bench::delivers(elm.authenticated_by(PEER_AND_DANE)).await;
        let nobody = Scene::of(vec![a("other.example", GOOD)]).served_by_knot(*denial);
        Bench::does_not(nobody, "failed", "5.1.2").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_than_its_own_is_no_anchor() {
    for denial in denials() {
        let scene = published("mail.birch.example", of_birch).served_by_knot(*denial);
        let scene = scene.anchored_elsewhere().authenticated_by(PEER_AND_DANE);
        Bench::does_not(scene, "deferred", "4.4.3").await;
    }
}
