//! Revocation on the line: what is fetched, what a status that is not known does to a message, what
//! the audit chain tells of it, and that no place on the network can stop the switch.

mod support;

use std::path::Path;
use std::sync::Arc;

use der::Encode;
use der::asn1::Ia5String;
use jiff::SignedDuration;
use ravelin::cli::demo::{self, Person, World};
use ravelin::clock::{Clock, Timestamp};
use ravelin::config;
use ravelin::crypto::certificate::{Certificate, Extension};
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::label::naming;
use ravelin::message::address::Address;
use support::place::{Manner, Places};
use tokio::sync::Notify;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax};

const REQUIRED: &str = "revocation = \"required\"\n";
const BIRCH: &str = "[[link]]\nname = \"birch\"\n";

fn uri(place: &str) -> GeneralName {
    GeneralName::UniformResourceIdentifier(Ia5String::new(place).unwrap())
}

fn points_to(place: &str) -> Extension {
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri(place)])),
        reasons: None,
        crl_issuer: None,
    };
    Extension {
        oid: "2.5.29.31".parse().unwrap(),
        critical: false,
        value: vec![point].to_der().unwrap(),
    }
}

fn responder_at(place: &str) -> Extension {
    let access = AccessDescription {
        access_method: "1.3.6.1.5.5.7.48.1".parse().unwrap(),
        access_location: uri(place),
    };
    Extension {
        oid: "1.3.6.1.5.5.7.1.1".parse().unwrap(),
        critical: false,
        value: AuthorityInfoAccessSyntax(vec![access]).to_der().unwrap(),
    }
}

fn ago(days: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * days)
}

/// ALDER's switch, with more in `[trust]`, in its link to BIRCH, and at the end of its configuration.
async fn world(dir: &Path, trust: &str, link: &str, rest: &str) -> World {
    let mut world = World::found(dir, Clock::system(), rest).await.unwrap();
    let file = dir.join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replacen(REQUIRED, &format!("{REQUIRED}{trust}"), 1);
    let text = text.replacen(BIRCH, &format!("{BIRCH}{link}"), 1);
    std::fs::write(&file, text).unwrap();
    world.alder_config = config::load(&file).unwrap();
    world.wake_alder().await.unwrap();
    world
}

/// Whom BIRCH's switch signs as.
const DOMAIN: &str = "domain-signing-authority@birch.example";

/// An authority in the field, of which no file has a list, and a key that it issued.
struct Field {
    authority: Authority,
    signer: Identity,
}

fn field(root: &Authority, email: &str, extension: Extension) -> Field {
    let now = Timestamp::now();
    let authority = root.subordinate("Field CA", Some(0), now).unwrap();
    let usage = Usage::SignAndClient;
    // RFC 3183 §3.1.1: who signs for a domain has the name of one.
    let name = match email.split_once('@') {
        Some((authority @ "domain-signing-authority", _)) => authority,
        _ => "Signer in the field",
    };
    let request = Request::new(name, usage, now).extension(extension);
    let signer = authority.issue(request.email(email)).unwrap();
    Field { authority, signer }
}

fn reader() -> Vec<Address> {
    vec!["reader@alder.example".parse().unwrap()]
}

/// What ALDER's drafter signs in the field.
fn drafted(world: &World, signer: &Identity) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let label = world.label("RESTRICTED", &[]).unwrap();
    world
        .compose(&drafter.address, &reader(), Some(&label), signer)
        .unwrap()
}

/// The reply to a message that the drafter hands in.
async fn submitted(world: &World, message: &[u8]) -> String {
    let drafter = world.alder.person("drafter").unwrap();
    let outcome = world.submit(drafter, &reader(), message).await.unwrap();
    String::from_utf8(outcome.reply().to_bytes()).unwrap()
}

/// The reply to a message that BIRCH's switch hands in, signed by `signer` as BIRCH.
async fn relayed(world: &World, signer: &Identity) -> String {
    let now = Timestamp::now();
    let host = world.birch.host();
    let request = Request::new(&host, Usage::ServerAndClient, now).dns(&host);
    let tls = world.birch.authority.issue(request).unwrap();
    let peer = Person {
        address: "reader@birch.example".parse().unwrap(),
        sign: tls.clone(),
        encrypt: tls,
    };
    let categories = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    let label = naming::label(world.birch_config.policy(), "LIMITED", &categories).unwrap();
    // In its own words: nobody's else would be signed by whom they are of.
    let domain: Address = DOMAIN.parse().unwrap();
    let message = world
        .compose(&domain, &reader(), Some(&label), signer)
        .unwrap();
    let (address, trust) = (world.alder.ports.relay, &world.alder_config.trust);
    let host = world.alder.host();
    let to = reader();
    let sent = demo::submit(address, &host, trust, &peer, &to, &message, &world.clock);
    String::from_utf8(sent.await.unwrap().reply().to_bytes()).unwrap()
}

/// The last event of this kind.
fn last(world: &World, act: &str) -> serde_json::Value {
    let chain = std::fs::read_to_string(world.dir.join("audit/alder.jsonl")).unwrap();
    let mut lines = chain
        .lines()
        .rev()
        .map(|line| serde_json::from_str(line).unwrap());
    lines
        .find(|event: &serde_json::Value| event["act"] == act)
        .unwrap()
}

fn crl(
    authority: &Authority,
    revoked: &[&Certificate],
    from: Timestamp,
    until: Timestamp,
) -> Manner {
    Manner::Hands(authority.crl_until(revoked, from, until).unwrap())
}

/// What the place of a case hands out, and how the reply begins.
type Case<'a> = (&'a str, &'a dyn Fn(&Field) -> Option<Manner>, &'a str);

const GOOD: &dyn Fn(&Field) -> Option<Manner> =
    &|field| Some(crl(&field.authority, &[], ago(1), ago(-1)));
const REVOKED: &dyn Fn(&Field) -> Option<Manner> = &|field| {
    let gone = field.signer.certificate();
    Some(crl(&field.authority, &[gone], ago(1), ago(-1)))
};
const STALE: &dyn Fn(&Field) -> Option<Manner> =
    &|field| Some(crl(&field.authority, &[], ago(3), ago(1)));
const STALE_AND_REVOKED: &dyn Fn(&Field) -> Option<Manner> = &|field| {
    let gone = field.signer.certificate();
    Some(crl(&field.authority, &[gone], ago(3), ago(1)))
};
const OF_A_STRANGER: &dyn Fn(&Field) -> Option<Manner> = &|_| {
    let stranger = Authority::new("Field CA", ago(5)).unwrap();
    Some(crl(&stranger, &[], ago(1), ago(-1)))
};
const NOBODY: &dyn Fn(&Field) -> Option<Manner> = &|_| None;

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_status_that_is_not_known_is_our_fault_unless_the_rule_says_otherwise() {
    let rules: [(&str, &[Case<'_>]); 3] = [
        (
            // The default inside is hold.
            "fetch = [\"crl\"]\n",
            &[
                ("good", GOOD, "250 "),
                ("revoked", REVOKED, "550 5.7."),
                ("stale", STALE, "451 "),
                ("stale-and-revoked", STALE_AND_REVOKED, "550 5.7."),
                ("of-a-stranger", OF_A_STRANGER, "451 "),
                ("nobody", NOBODY, "451 "),
            ],
        ),
        (
            "fetch = [\"crl\"]\nstale = \"refuse\"\n",
            &[
                ("good", GOOD, "250 "),
                ("stale", STALE, "550 5.7."),
                ("nobody", NOBODY, "451 "),
            ],
        ),
        (
            "fetch = [\"crl\"]\nstale = \"accept-until 4d\"\n",
            &[
                ("stale", STALE, "250 "),
                ("stale-and-revoked", STALE_AND_REVOKED, "550 5.7."),
                ("nobody", NOBODY, "451 "),
            ],
        ),
    ];
    for (trust, cases) in rules {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open().await.unwrap();
        let world = world(dir.path(), trust, "", "").await;
        for (name, manner, wanted) in cases {
            let extension = points_to(&places.url(name));
            let field = field(&world.alder.authority, "drafter@alder.example", extension);
            if let Some(manner) = manner(&field) {
                places.put(name, manner);
            }
            let said = submitted(&world, &drafted(&world, &field.signer)).await;
            assert!(said.starts_with(wanted), "{trust} {name}: {said}");
            assert_eq!(places.count(name), 1, "{name}");
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_link_what_is_stale_is_refused_unless_the_rule_says_otherwise() {
    let rules: [(&str, &[Case<'_>]); 3] = [
        (
            // The default outside is refuse.
            "fetch = [\"crl\"]\n",
            &[
                ("good", GOOD, "250 "),
                ("revoked", REVOKED, "550 5.7."),
                ("stale", STALE, "550 5.7."),
                ("of-a-stranger", OF_A_STRANGER, "451 "),
                ("nobody", NOBODY, "451 "),
            ],
        ),
        (
            "fetch = [\"crl\"]\nstale = \"hold\"\n",
            &[("stale", STALE, "451 ")],
        ),
        (
            "fetch = [\"crl\"]\nstale = \"accept-until 4d\"\n",
            &[
                ("stale", STALE, "250 "),
                ("stale-and-revoked", STALE_AND_REVOKED, "550 5.7."),
            ],
        ),
    ];
    for (link, cases) in rules {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open().await.unwrap();
        let world = world(dir.path(), "", link, "").await;
        for (name, manner, wanted) in cases {
            let field = field(&world.birch.authority, DOMAIN, points_to(&places.url(name)));
            if let Some(manner) = manner(&field) {
                places.put(name, manner);
            }
            let said = relayed(&world, &field.signer).await;
            assert!(said.starts_with(wanted), "{link} {name}: {said}");
            assert_eq!(places.count(name), 1, "{name}");
        }
        world.end().await;
    }
    // What [trust] fetches, a link with anchors of its own does not.
    let dir = tempfile::tempdir().unwrap();
    let places = Places::open().await.unwrap();
    let world = world(dir.path(), "fetch = [\"crl\", \"ocsp\"]\n", "", "").await;
    let field = field(
        &world.birch.authority,
        DOMAIN,
        points_to(&places.url("good")),
    );
    places.put("good", GOOD(&field).unwrap());
    let said = relayed(&world, &field.signer).await;
    assert!(
        said.starts_with("451 ") && places.count("good") == 0,
        "{said}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_who_its_certificate_says_once_its_status_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::open().await.unwrap();
    let world = world(dir.path(), "fetch = [\"crl\"]\n", "", "").await;
    let drafter = world.alder.person("drafter").unwrap();
    let cases: [Case<'_>; 4] = [
        ("good", GOOD, "250 "),
        ("revoked", REVOKED, "550 5.7."),
        ("stale", STALE, "451 4.7.0 "),
        ("nobody", NOBODY, "451 4.7.0 "),
    ];
    for (name, manner, wanted) in cases {
        let extension = points_to(&places.url(name));
        let field = field(&world.alder.authority, "drafter@alder.example", extension);
        if let Some(manner) = manner(&field) {
            places.put(name, manner);
        }
        let peer = Person {
            address: drafter.address.clone(),
            sign: field.signer,
            encrypt: drafter.encrypt.clone(),
        };
        // The message itself is signed with a key whose status a file tells.
        let message = drafted(&world, &drafter.sign);
        let outcome = world.submit(&peer, &reader(), &message).await.unwrap();
        let said = String::from_utf8(outcome.reply().to_bytes()).unwrap();
        assert!(said.starts_with(wanted), "{name}: {said}");
        assert_eq!(places.count(name), 1, "{name}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_hop_is_who_its_certificate_says_once_its_status_is_fetched() {
    for (name, manner, good) in [("good", GOOD, true), ("revoked", REVOKED, false)] {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open().await.unwrap();
        let mut world = world(dir.path(), "", "fetch = [\"crl\"]\n", "").await;
        // BIRCH's switch shows a certificate whose status no file tells.
        let now = Timestamp::now();
        let root = &world.birch.authority;
        let authority = root.subordinate("Field CA", Some(0), now).unwrap();
        let host = world.birch.host();
        let request = Request::new("Switch in the field", Usage::ServerAndClient, now).dns(&host);
        let request = request.extension(points_to(&places.url(name)));
        let signer = authority.issue(request).unwrap();
        let chain = [signer.certificate(), authority.certificate()].map(Certificate::to_pem);
        let pki = dir.path().join("pki/birch");
        std::fs::write(pki.join("tls.pem"), chain.concat()).unwrap();
        std::fs::write(
            pki.join("tls.key.pem"),
            signer.key_to_pem().unwrap().as_bytes(),
        )
        .unwrap();
        places.put(name, manner(&Field { authority, signer }).unwrap());
        world.birch_config = config::load(&dir.path().join("config/birch.toml")).unwrap();
        world.wake_birch().await.unwrap();
        let drafter = world.alder.person("drafter").unwrap();
        let to: Vec<Address> = vec!["reader@birch.example".parse().unwrap()];
        let categories = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
        let label = world.label("RESTRICTED", &categories).unwrap();
        let message = world
            .compose(&drafter.address, &to, Some(&label), &drafter.sign)
            .unwrap();
        let outcome = world.submit(drafter, &to, &message).await.unwrap();
        assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
        if good {
            world.birch_mail.wait_for(|_| true).await.unwrap();
        } else {
            let chain = dir.path().join("audit/alder.jsonl");
            let deferred = || {
                std::fs::read_to_string(&chain)
                    .unwrap()
                    .contains("\"deferred\"")
            };
            while !deferred() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let event = last(&world, "deferred").to_string();
            assert!(
                event.contains("Switch in the field: revoked since"),
                "{event}"
            );
            assert_eq!(world.birch_mail.count(), 0);
        }
        assert_eq!(places.count(name), 1, "{name}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_tells_for_which_time_and_by_what_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::open().await.unwrap();
    let mut world = world(dir.path(), "fetch = [\"crl\"]\n", "", "").await;
    let sent = |name: &str, manner: &dyn Fn(&Field) -> Option<Manner>| {
        let extension = points_to(&places.url(name));
        let field = field(&world.alder.authority, "drafter@alder.example", extension);
        if let Some(manner) = manner(&field) {
            places.put(name, manner);
        }
        drafted(&world, &field.signer)
    };
    let good = sent("good", GOOD);
    for (message, act, wanted) in [
        (
            good.clone(),
            "accepted",
            "not revoked, says CN=Field CA, thisUpdate 2",
        ),
        (
            sent("revoked", REVOKED),
            "refused",
            "says the CRL of CN=Field CA, 2",
        ),
        (sent("stale", STALE), "fault", "was to be renewed by 2"),
        (
            sent("nobody", NOBODY),
            "fault",
            "/nobody: the answer is not 200",
        ),
    ] {
        let before = Timestamp::now();
        submitted(&world, &message).await;
        let event = last(&world, act);
        let details = event["details"].as_object().unwrap();
        let judged: Timestamp = details["judged-at"].as_str().unwrap().parse().unwrap();
        assert!(before <= judged && judged <= Timestamp::now(), "{event}");
        let told = |part: &str| {
            let statuses = details
                .iter()
                .filter(|(name, _)| name.starts_with("status-"));
            statuses
                .filter(|(_, text)| text.as_str().unwrap().contains(part))
                .count()
        };
        assert_eq!(told(wanted), 1, "{act} {wanted}: {event}");
        assert_eq!(told("CN=Signer in the field: "), 1, "{event}");
        // What is given out names certificate, rule and remedy.
        if act != "accepted" {
            let text = event.to_string();
            assert!(text.contains("RFC 5280 §6.3"), "{text}");
        }
    }
    let event = last(&world, "accepted");
    assert!(event.to_string().contains("nextUpdate 2"), "{event}");
    // The next start still knows, although nobody answers any more.
    drop(places);
    world.alder_switch.take().unwrap().stop().await;
    world.wake_alder().await.unwrap();
    let said = submitted(&world, &good).await;
    assert!(said.starts_with("250 "), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_somebody_drops_into_the_folder_counts_without_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::found(dir.path(), Clock::system(), "").await.unwrap();
    let lists = dir.path().join("config/lists");
    std::fs::create_dir(&lists).unwrap();
    let file = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let own = "crls = [\"../pki/alder/ca.crl.pem\"]";
    assert!(text.contains(own));
    let both = "crls = [\"../pki/alder/ca.crl.pem\", \"lists\"]";
    std::fs::write(&file, text.replacen(own, both, 1)).unwrap();
    world.alder_config = config::load(&file).unwrap();
    world.wake_alder().await.unwrap();
    let nowhere = points_to("http://127.0.0.1:1/ca.crl");
    let field = field(&world.alder.authority, "drafter@alder.example", nowhere);
    let message = drafted(&world, &field.signer);
    let gone = field.signer.certificate();
    let list = |revoked: &[&Certificate]| field.authority.crl(revoked, Timestamp::now()).unwrap();
    let switch = Arc::clone(&world.running().unwrap().switch);
    let dropped = lists.join("field.crl");
    let steps: [(Option<Vec<u8>>, usize, &str); 4] = [
        (None, 0, "451 "),
        (Some(list(&[])), 1, "250 "),
        // Half a file takes nothing away.
        (Some(list(&[gone])[..40].to_vec()), 0, "250 "),
        (Some(list(&[gone])), 1, "550 5.7."),
    ];
    for (octets, changed, wanted) in steps {
        if let Some(octets) = octets {
            std::fs::write(&dropped, octets).unwrap();
        }
        assert_eq!(switch.reread_lists().await.unwrap().len(), changed);
        let said = submitted(&world, &message).await;
        assert!(said.starts_with(wanted), "{said}");
    }
    let event = last(&world, "lists-read");
    assert!(
        event["details"]["file-01"]
            .as_str()
            .unwrap()
            .ends_with("lists/field.crl")
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_answers_badly_costs_a_bounded_time_and_lets_nothing_pass() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::open().await.unwrap();
    let short = "\n[revocation]\ntime = \"1s\"\nwait = \"4s\"\n";
    let world = world(dir.path(), "fetch = [\"crl\", \"ocsp\"]\n", "", short).await;
    let world = Arc::new(world);
    let garbage = (0..5000u32)
        .map(|n| (n * 7919 % 251) as u8)
        .collect::<Vec<_>>();
    let elsewhere = places.url("elsewhere");
    let manners = [
        ("stalls", Manner::Stalls),
        ("drips", Manner::Drips),
        ("garbage", Manner::Hands(garbage.clone())),
        ("no-http", Manner::Says(garbage)),
        ("long", Manner::Long(10 << 20)),
        ("endless-head", Manner::Says(vec![b'x'; 10 << 20])),
        ("redirects", Manner::Redirects(elsewhere)),
        ("drops", Manner::Drops),
    ];
    let mut asking = tokio::task::JoinSet::new();
    for (name, manner) in &manners {
        type Naming = fn(&str) -> Extension;
        for (kind, naming) in [
            ("crl", points_to as Naming),
            ("ocsp", responder_at as Naming),
        ] {
            let place = format!("{kind}-{name}");
            let url = places.put(&place, manner.clone());
            let field = field(
                &world.alder.authority,
                "drafter@alder.example",
                naming(&url),
            );
            let message = drafted(&world, &field.signer);
            let world = Arc::clone(&world);
            asking.spawn(async move { (place, submitted(&world, &message).await) });
        }
    }
    while let Some(asked) = asking.join_next().await {
        let (place, said) = asked.unwrap();
        assert!(said.starts_with("451 "), "{place}: {said}");
        assert_eq!(places.count(&place), 1, "{place}");
    }
    assert_eq!(places.count("elsewhere"), 0);
    Arc::into_inner(world).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wait_for_one_question_and_nobody_else_waits() {
    const MANY: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let places = Places::open().await.unwrap();
    let long = "\n[revocation]\ntime = \"10m\"\nwait = \"10m\"\n";
    let world = world(dir.path(), "fetch = [\"crl\"]\n", "", long).await;
    let world = Arc::new(world);
    let extension = points_to(&places.url("held"));
    let held = field(&world.alder.authority, "drafter@alder.example", extension);
    let go = Arc::new(Notify::new());
    let list = held.authority.crl(&[], ago(1)).unwrap();
    places.put("held", Manner::Held(list, Arc::clone(&go)));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let (world, message) = (Arc::clone(&world), drafted(&world, &held.signer));
        waiting.spawn(async move { submitted(&world, &message).await });
    }
    places.asked("held").await;
    // Many more than there are permits wait; who needs nothing from there does not.
    let drafter = world.alder.person("drafter").unwrap();
    for _ in 0..5 {
        let said = submitted(&world, &drafted(&world, &drafter.sign)).await;
        assert!(said.starts_with("250 "), "{said}");
    }
    assert!(waiting.try_join_next().is_none());
    go.notify_one();
    while let Some(said) = waiting.join_next().await {
        let said = said.unwrap();
        assert!(said.starts_with("250 "), "{said}");
    }
    assert_eq!(places.count("held"), 1);
    Arc::into_inner(world).unwrap().end().await;
}
