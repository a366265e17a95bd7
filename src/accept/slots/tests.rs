//! Places and sources, with a clock that stands still until it is told.

use super::*;

fn slots(places: usize, reserved: usize, per_source: usize, per_minute: usize) -> Slots {
    Slots(Arc::new(Mutex::new(State {
        clock: Clock::fixed(Timestamp::UNIX_EPOCH),
        places,
        reserved,
        per_source,
        per_minute,
        arrivals: 0,
        held: BTreeMap::new(),
        strangers: BTreeSet::new(),
        leaving: 0,
        sources: HashMap::new(),
    })))
}

fn advance(slots: &Slots, by: Duration) {
    slots.lock().clock.advance(by);
}

fn place(slots: &Slots, address: &str) -> Place {
    match slots.admit(address.parse().unwrap(), Counted::Now) {
        Admission::Place(place) => place,
        Admission::Refused(hit) => panic!("{hit:?}"),
    }
}

fn is_turned_away(slots: &Slots, address: &str) -> bool {
    let admission = slots.admit(address.parse().unwrap(), Counted::Now);
    !matches!(admission, Admission::Place(_))
}

/// Whether it has to go.
async fn is_told(place: &Place) -> bool {
    tokio::time::timeout(Duration::from_millis(1), place.is_needed())
        .await
        .is_ok()
}

#[tokio::test]
async fn the_stranger_that_came_first_has_to_go_and_a_known_peer_never() {
    let slots = slots(3, 1, 9, 99);
    let known = place(&slots, "192.0.2.1");
    known.is_known();
    let stranger = place(&slots, "192.0.2.2");
    assert!(!is_told(&stranger).await);
    let next = place(&slots, "192.0.2.3");
    assert!(is_told(&stranger).await);
    assert!(!is_told(&known).await && !is_told(&next).await);
    // It is one that goes already: the next one has to go, too.
    let last = place(&slots, "192.0.2.4");
    assert!(is_told(&next).await && !is_told(&last).await);
    assert!(!last.is_for_the_urgent());
}

#[tokio::test]
async fn reserved_places_are_for_the_urgent_until_others_are_free() {
    let slots = slots(3, 1, 9, 99);
    let first = place(&slots, "192.0.2.1");
    first.is_known();
    let second = place(&slots, "192.0.2.2");
    second.is_known();
    let third = place(&slots, "192.0.2.3");
    third.is_known();
    assert!(third.is_for_the_urgent() && third.is_crowded());
    assert!(!first.is_for_the_urgent() && !second.is_for_the_urgent());
    let admission = slots.admit("192.0.2.4".parse().unwrap(), Counted::Now);
    let full = Hit {
        limit: Limit::Places,
        told: Some(0),
    };
    assert!(matches!(admission, Admission::Refused(hit) if hit == full));
    drop(first);
    assert!(!third.is_for_the_urgent());
}

#[tokio::test]
async fn a_source_has_so_many_at_once_and_so_many_in_a_minute() {
    let slots = slots(99, 1, 2, 4);
    let one = place(&slots, "2001:db8::1");
    let two = place(&slots, "2001:db8::ffff:2");
    assert!(is_turned_away(&slots, "2001:db8::3"));
    drop(place(&slots, "2001:db8:0:1::3"));
    drop((one, two));
    drop(place(&slots, "2001:db8::4"));
    drop(place(&slots, "2001:db8::5"));
    assert!(is_turned_away(&slots, "2001:db8::6"));
    advance(&slots, MINUTE);
    drop(place(&slots, "2001:db8::7"));
    // An IPv4 address in IPv6 clothes is the IPv4 address.
    let one = place(&slots, "192.0.2.1");
    let two = place(&slots, "::ffff:192.0.2.1");
    assert!(is_turned_away(&slots, "192.0.2.1"));
    drop((one, two));
}

#[tokio::test]
async fn a_proxy_counts_for_whom_it_speaks() {
    let slots = slots(99, 1, 1, 99);
    let proxy = "192.0.2.9".parse().unwrap();
    let through = || match slots.admit(proxy, Counted::Later) {
        Admission::Place(place) => place,
        _ => panic!("a proxy was turned away"),
    };
    let (mut one, mut two) = (through(), through());
    assert!(one.speaks_for("192.0.2.1".parse().unwrap()).is_ok());
    assert!(two.speaks_for("192.0.2.1".parse().unwrap()).is_err());
    assert!(is_turned_away(&slots, "192.0.2.1"));
    drop(two);
    assert!(is_turned_away(&slots, "192.0.2.1"));
    drop(one);
    drop(place(&slots, "192.0.2.1"));
}

#[tokio::test]
async fn a_source_that_guesses_has_to_wait() {
    let slots = slots(99, 1, 9, 99);
    let guesser = place(&slots, "192.0.2.1");
    let other = place(&slots, "192.0.2.2");
    for _ in 0..FAILED {
        assert!(guesser.may_log_in());
        guesser.login_failed();
    }
    drop(guesser);
    let guesser = place(&slots, "192.0.2.1");
    assert!(!guesser.may_log_in() && other.may_log_in());
    advance(&slots, FAILURES);
    assert!(guesser.may_log_in());
}

#[tokio::test]
async fn a_source_that_goes_on_trying_is_told_of_once_in_a_minute() {
    let slots = slots(99, 1, 1, 2);
    let hit = |slots: &Slots| match slots.admit("192.0.2.1".parse().unwrap(), Counted::Now) {
        Admission::Refused(hit) => (hit.limit, hit.told),
        Admission::Place(_) => panic!("it had enough"),
    };
    let first = place(&slots, "192.0.2.1");
    assert_eq!(hit(&slots), (Limit::Connections, Some(0)));
    for _ in 0..7 {
        assert_eq!(hit(&slots), (Limit::Connections, None));
    }
    drop(first);
    drop(place(&slots, "192.0.2.1"));
    assert_eq!(hit(&slots), (Limit::NewConnections, None));
    advance(&slots, MINUTE);
    let first = place(&slots, "192.0.2.1");
    assert_eq!(hit(&slots), (Limit::Connections, Some(8)));
    // Each source for itself.
    assert_eq!(first.hit(Limit::Logins).told, None);
    let other = place(&slots, "192.0.2.2");
    assert_eq!(other.hit(Limit::Logins).told, Some(0));
}

#[tokio::test]
async fn sources_at_rest_are_forgotten() {
    let slots = slots(9, 1, 9, 99);
    for n in 0..u32::try_from(SOURCES).unwrap() {
        let address = std::net::Ipv4Addr::from_bits(n).to_string();
        drop(place(&slots, &address));
    }
    let stays = place(&slots, "192.0.2.1");
    advance(&slots, MINUTE);
    let last = place(&slots, "192.0.2.2");
    assert_eq!(slots.lock().sources.len(), 2);
    drop((stays, last));
}
