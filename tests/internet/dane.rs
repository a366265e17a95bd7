//! DANE: who opens at a host matches its signed TLSA records, and what the link pins besides.

use hickory_resolver::proto::rr::RecordType;
use ravelin::cli::demo::World;
use ravelin::config::Config;
use ravelin::crypto::algorithm::Digest;
use ravelin::crypto::provider;

use super::bench::{Bench, GOOD, Scene};
use super::support::dns::{Entry, How, a, cname, mx, tlsa};

/// The MX of BIRCH is this host, and it has TLSA records.
pub fn published(host: &str, tlsa: impl Fn(&World, &str) -> Vec<Entry> + 'static) -> Scene {
    let host = host.to_owned();
    Scene::with(move |world| {
        let port = world.birch.ports.relay.port();
        let mut records = tlsa(world, &format!("_{port}._tcp.{host}"));
        records.push(mx("birch.example", 10, &host));
        records.push(a(&host, GOOD));
        records
    })
    .signed()
}

/// DANE-EE(3) SPKI(1) SHA2-256(1) of the certificate that this switch shows.
fn key_of(config: &Config, owner: &str) -> Entry {
    let key = config.keys.tls.certificate().spki_der().to_vec();
    let digest = provider::default().digest(Digest::Sha256, &[&key]);
    tlsa(owner, (3, 1, 1), digest)
}

pub fn of_birch(world: &World, owner: &str) -> Vec<Entry> {
    vec![key_of(&world.birch_config, owner)]
}

pub fn of_alder(world: &World, owner: &str) -> Vec<Entry> {
    vec![key_of(&world.alder_config, owner)]
}

const DANE: &str = "authentication = [\"dane\"]\n";
const PEER_AND_DANE: &str = "peer = \"switch.birch.example\"\nauthentication = [\"dane\"]\n";
const MAIL: &str = "mail.birch.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_record_vouches_for_the_key_that_it_names_and_no_other() {
    for lines in [DANE, PEER_AND_DANE] {
        Bench::delivers(published(MAIL, of_birch).authenticated_by(lines)).await;
        let wrong = published(MAIL, of_alder).authenticated_by(lines);
        Bench::does_not(wrong, "deferred", "no TLSA record speaks").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_never_opens_what_the_link_pins() {
    // Whoever holds BIRCH's zone publishes another key, and opens with it.
    let scene = published(MAIL, of_alder).opened_by(|world| world.alder_config.clone());
    Bench::delivers(scene.authenticated_by(DANE)).await;
    let scene = published(MAIL, of_alder).opened_by(|world| world.alder_config.clone());
    Bench::does_not(scene.authenticated_by(PEER_AND_DANE), "deferred", MAIL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_vouches_for_names_below_it() {
    let authority = |world: &World, owner: &str| {
        let whole = world.birch.authority.certificate().der().to_vec();
        vec![tlsa(owner, (2, 0, 0), whole)]
    };
    let scene = published("switch.birch.example", authority);
    Bench::delivers(scene.authenticated_by(DANE)).await;
    let scene = published(MAIL, authority).authenticated_by(DANE);
    Bench::does_not(scene, "deferred", "is for none of").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_signed_record_nobody_vouches_and_the_peer_alone_does() {
    let none = |_: &World, _: &str| Vec::new();
    let unusable = |world: &World, owner: &str| {
        let whole = world.birch_config.keys.tls.certificate().der().to_vec();
        vec![tlsa(owner, (1, 0, 0), whole)]
    };
    // Below elm.example nothing is signed.
    let elm = "mail.elm.example";
    for scene in [
        published(MAIL, none),
        published(MAIL, unusable),
        published(elm, of_birch),
    ] {
        let scene = scene.authenticated_by(DANE);
        Bench::does_not(scene, "deferred", "4.7.5").await;
    }
    for scene in [
        published(MAIL, none),
        published(MAIL, unusable),
        published(elm, of_alder),
    ] {
        Bench::delivers(scene.authenticated_by(PEER_AND_DANE)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hides_the_record_gets_no_message() {
    for lies in [
        &[("*", RecordType::TLSA, How::BadSignature)][..],
        &[("*", RecordType::TLSA, How::Strips)],
        &[("*", RecordType::TLSA, How::DeniesAbroad)],
        &[("*", RecordType::TLSA, How::Fails)],
        &[("*", RecordType::AAAA, How::Fails)],
    ] {
        let scene = published(MAIL, of_birch).authenticated_by(PEER_AND_DANE);
        Bench::does_not(scene.with_lies(lies), "deferred", "4.4.3").await;
    }
    // What is not signed and stands beside the answer does not make that unsigned.
    for lies in [
        &[("*", RecordType::TLSA, How::SaysMore)][..],
        &[("*", RecordType::A, How::SaysMore)],
        &[("*", RecordType::MX, How::SaysMore)],
    ] {
        let scene = published(MAIL, of_alder).authenticated_by(PEER_AND_DANE);
        let words = "no TLSA record speaks";
        Bench::does_not(scene.with_lies(lies), "deferred", words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_shows_another_key_is_passed_over() {
    let scene = Scene::with(|world| {
        let port = world.birch.ports.relay.port();
        let owner = |host: &str| format!("_{port}._tcp.{host}");
        vec![
            mx("birch.example", 10, "evil.birch.example"),
            mx("birch.example", 20, MAIL),
            a("evil.birch.example", GOOD),
            cname(MAIL, "host.birch.example"),
            a("host.birch.example", GOOD),
            key_of(&world.alder_config, &owner("evil.birch.example")),
            key_of(&world.birch_config, &owner("host.birch.example")),
        ]
    });
    Bench::delivers(scene.signed().authenticated_by(DANE)).await;
}
