//! Exchanges: the published one, and every way to say it wrong.

use super::*;
use crate::crypto::algorithm::Digest;
use crate::crypto::provider;

const NONCE_OF_CLIENT: &str = "rOprNGfwEbeRWgbNEkqO";

fn passwords() -> Passwords {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let written = Verifier::of("pencil", &salt, 4096).unwrap().written();
    let secret = STANDARD.encode([7; 32]);
    Passwords::parse(&format!("# users\n\ndecoy {secret}\nuser@x {}\n", *written)).unwrap()
}

/// The client's side, by the book.
fn answer(password: &str, bare: &str, challenge: &[u8], bound: &[u8]) -> Vec<u8> {
    let challenge = std::str::from_utf8(challenge).unwrap();
    let parts: Vec<&str> = challenge.split(',').map(|part| &part[2..]).collect();
    let salt = STANDARD.decode(parts[1]).unwrap();
    let rounds = parts[2].parse().unwrap();
    let provider = provider::default();
    let salted = provider
        .pbkdf2(Digest::Sha256, password.as_bytes(), &salt, rounds, 32)
        .unwrap();
    let client_key = provider.hmac(Digest::Sha256, salted.as_bytes(), &[b"Client Key"]);
    let stored_key = provider.digest(Digest::Sha256, &[&client_key]);
    let unproven = format!("c={},r={}", STANDARD.encode(bound), parts[0]);
    let message = format!("{bare},{challenge},{unproven}");
    let signature = provider.hmac(Digest::Sha256, &stored_key, &[message.as_bytes()]);
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    format!("{unproven},p={}", STANDARD.encode(proof)).into_bytes()
}

/// A whole login: `header` and user as the client says them, and what it binds to.
fn log_in(
    mechanism: Mechanism,
    offered: Option<&[u8]>,
    header: &str,
    user: &str,
    password: &str,
    bound: &[u8],
) -> Turn {
    let passwords = passwords();
    let mut exchange = Exchange::new(mechanism, offered.map(<[u8]>::to_vec)).unwrap();
    let bare = format!("n={user},r={NONCE_OF_CLIENT}");
    let turn = exchange.respond(&passwords, Some(format!("{header}{bare}").as_bytes()));
    let Turn::Challenge(challenge) = turn else {
        return turn;
    };
    let said = [header.as_bytes(), bound].concat();
    let turn = exchange.respond(
        &passwords,
        Some(&answer(password, &bare, &challenge, &said)),
    );
    match turn {
        Turn::Challenge(last) => {
            assert!(last.starts_with(b"v="));
            exchange.respond(&passwords, Some(b""))
        }
        other => other,
    }
}

fn user() -> Turn {
    Turn::Known(Address::parse("user@x").unwrap())
}

// RFC 7677 §3
#[test]
fn the_published_exchange() {
    // The name there is no address: the same verifier under the name that stands in the exchange.
    let mut exchange = Exchange::with_nonce(
        Mechanism::ScramSha256,
        None,
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
    );
    let passwords = passwords();
    assert_eq!(exchange.respond(&passwords, None), Turn::Challenge(vec![]));
    let first = b"n,,n=user@x,r=rOprNGfwEbeRWgbNEkqO";
    let Turn::Challenge(challenge) = exchange.respond(&passwords, Some(first)) else {
        panic!("no challenge");
    };
    assert_eq!(
        String::from_utf8(challenge).unwrap(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
}

#[test]
fn who_knows_the_password_is_known_and_nobody_else() {
    let plain = |user, password| log_in(Mechanism::ScramSha256, None, "n,,", user, password, b"");
    assert_eq!(plain("user@x", "pencil"), user());
    assert_eq!(plain("user@x", "Pencil"), Turn::No);
    assert_eq!(plain("other@x", "pencil"), Turn::No);
    assert_eq!(plain("user", "pencil"), Turn::No);
    let scram = |header| {
        log_in(
            Mechanism::ScramSha256,
            None,
            header,
            "user@x",
            "pencil",
            b"",
        )
    };
    assert_eq!(scram("n,a=user@x,"), user());
    assert_eq!(scram("n,a=other@x,"), Turn::No);
    assert_eq!(scram("n,b=user@x,"), Turn::No);
}

#[test]
fn a_binding_is_that_of_the_connection() {
    let plus = |header, bound: &[u8]| {
        let offered = Some(&b"ours"[..]);
        let mechanism = Mechanism::ScramSha256Plus;
        log_in(mechanism, offered, header, "user@x", "pencil", bound)
    };
    assert_eq!(plus("p=tls-exporter,,", b"ours"), user());
    assert_eq!(plus("p=tls-exporter,,", b"another's"), Turn::No);
    assert_eq!(plus("p=tls-unique,,", b"ours"), Turn::No);
    assert_eq!(plus("n,,", b""), Turn::No);
    assert_eq!(plus("y,,", b""), Turn::No);
}

#[test]
fn an_offer_that_was_cut_short_is_found_out() {
    let scram = |offered, header| {
        log_in(
            Mechanism::ScramSha256,
            offered,
            header,
            "user@x",
            "pencil",
            b"",
        )
    };
    // The client could have bound and says that it was not offered. It was.
    assert_eq!(scram(Some(&b"ours"[..]), "y,,"), Turn::No);
    assert_eq!(scram(None, "y,,"), user());
    // A client that cannot bind is let in by whoever lists the mechanism.
    assert_eq!(scram(Some(&b"ours"[..]), "n,,"), user());
    assert_eq!(scram(Some(&b"ours"[..]), "p=tls-exporter,,"), Turn::No);
}

#[test]
fn who_is_not_known_is_asked_the_same_each_time() {
    let passwords = passwords();
    let challenge = |name: &str| {
        let mut exchange = Exchange::with_nonce(Mechanism::ScramSha256, None, "server".into());
        exchange.respond(&passwords, Some(format!("n,,n={name},r=c").as_bytes()))
    };
    let Turn::Challenge(one) = challenge("nobody@x") else {
        panic!("told that the name is not known");
    };
    assert_eq!(challenge("nobody@x"), Turn::Challenge(one.clone()));
    assert_ne!(challenge("noone@x"), Turn::Challenge(one.clone()));
    let text = String::from_utf8(one).unwrap();
    let salt = text.split(',').nth(1).unwrap();
    assert_eq!(STANDARD.decode(&salt[2..]).unwrap().len(), 16);
}

#[test]
fn what_the_grammar_does_not_allow_fails() {
    let passwords = passwords();
    for first in [
        "",
        "n",
        "n,,",
        "n,,n=user@x",
        "n,,n=user@x,r=",
        "n,,n=user@x,r=a b",
        "n,,n=user@x,r=c,x=y",
        "n,,m=x,n=user@x,r=c",
        "n,,n=user=40x,r=c",
        "n,,n=user@x=2,r=c",
        "z,,n=user@x,r=c",
    ] {
        let mut exchange = Exchange::new(Mechanism::ScramSha256, None).unwrap();
        assert_eq!(
            exchange.respond(&passwords, Some(first.as_bytes())),
            Turn::No,
            "{first}"
        );
        // It is over: what comes later is not heard.
        let good = b"n,,n=user@x,r=c";
        assert_eq!(
            exchange.respond(&passwords, Some(good)),
            Turn::No,
            "{first}"
        );
    }
    for last in [
        "",
        "c=biws",
        "c=biws,r=c",
        "c=biws,r=c,p=%",
        "r=c,c=biws,p=AA==",
        "c=biws,r=c,x=y,p=AA==",
    ] {
        let mut exchange = Exchange::with_nonce(Mechanism::ScramSha256, None, "s".into());
        let first = exchange.respond(&passwords, Some(b"n,,n=user@x,r=c"));
        assert!(matches!(first, Turn::Challenge(_)));
        assert_eq!(
            exchange.respond(&passwords, Some(last.as_bytes())),
            Turn::No,
            "{last}"
        );
    }
    assert_eq!(decoded("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
}

// RFC 4616 §4
#[test]
fn plain_is_name_and_password() {
    let passwords = passwords();
    let said = |response: &[u8]| {
        let mut exchange = Exchange::new(Mechanism::Plain, None).unwrap();
        exchange.respond(&passwords, Some(response))
    };
    assert_eq!(said(b"\0user@x\0pencil"), user());
    assert_eq!(said(b"user@x\0user@x\0pencil"), user());
    for wrong in [
        &b"other@x\0user@x\0pencil"[..],
        b"\0user@x\0Pencil",
        b"\0user@x\0",
        b"\0nobody@x\0pencil",
        b"user@x\0pencil",
        b"\0user@x\0pencil\0",
        b"\0user@x\0pen\xffcil",
        b"",
    ] {
        assert_eq!(said(wrong), Turn::No, "{wrong:?}");
    }
}

#[test]
fn the_file_comes_back_as_it_was_written() {
    let mut passwords = passwords();
    let written = passwords.written();
    assert_eq!(*Passwords::parse(&written).unwrap().written(), *written);
    assert!(!written.contains("pencil"));
    let anna = Address::parse("anna@x").unwrap();
    passwords.set(anna.clone(), "secret").unwrap();
    assert_eq!(passwords.users().count(), 2);
    assert!(passwords.of("anna@x").1.is_password("secret"));
    assert_eq!(passwords.remove(&anna), Some(()));
    assert_eq!(passwords.remove(&anna), None);
    let user = written.lines().last().unwrap();
    assert_eq!(Passwords::parse(user).err(), Some(PasswordsError::NoDecoy));
    let twice = format!("{}{user}\n", *written);
    assert_eq!(
        Passwords::parse(&twice).err(),
        Some(PasswordsError::Twice(4))
    );
    for wrong in ["user@x", "user@x pencil", "decoy AAAA", "no-address SCRAM"] {
        let text = format!("{}{wrong}\n", *written);
        assert_eq!(
            Passwords::parse(&text).err(),
            Some(PasswordsError::Line(4)),
            "{wrong}"
        );
    }
}
