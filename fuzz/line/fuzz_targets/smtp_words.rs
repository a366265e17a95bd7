//! The small parsers of the wire: a command line, a reply, the headers of PROXY, xtext, addresses, SASL. What
//! is read is what its grammar says: an address or a path that is written again reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::xtext::Xtext;
use ravelin::smtp::command::{Command, Recipient};
use ravelin::smtp::proxy;
use ravelin::smtp::reply::Replies;
use ravelin::smtp::sasl::{Exchange, Passwords};
use ravelin::smtp::session::Mechanism;

fuzz_target!(|input: &[u8]| {
    let [kind, octets @ ..] = input else {
        return;
    };
    match kind % 5 {
        0 => command(octets),
        1 => reply(octets),
        2 => proxied(octets),
        3 => words(octets),
        _ => login(octets),
    }
});

fn command(line: &[u8]) {
    match Command::parse(line) {
        Err(reply) => {
            assert!((500..600).contains(&reply.code));
            let said = reply.to_bytes();
            assert!(said.ends_with(b"\r\n") && said.is_ascii());
        }
        Ok(Command::Mail(from, _)) => {
            let again = ReversePath::parse(&from.to_string()).expect("a path");
            assert_eq!(again, from);
        }
        Ok(Command::Rcpt(Recipient::Mailbox(to), _)) => {
            assert_eq!(Address::parse(&to.to_string()).expect("an address"), to);
        }
        Ok(_) => assert!(!line.contains(&b'\r') && !line.contains(&b'\n') && !line.contains(&0)),
    }
}

fn reply(octets: &[u8]) {
    let mut replies = Replies::default();
    replies.feed(octets);
    while let Ok(Some(reply)) = replies.next_reply() {
        assert!((200..600).contains(&reply.code));
        assert!(reply.lines.len() <= 128);
    }
}

fn proxied(octets: &[u8]) {
    let _ = proxy::line(octets);
    if let Some((second, rest)) = octets.split_first_chunk::<{ proxy::SECOND }>() {
        let _ = proxy::binary(*second, rest);
        if let Ok(length) = proxy::rest(*second) {
            assert!(length <= proxy::REST);
        }
    }
    if let Some((first, _)) = octets.split_first_chunk::<{ proxy::FIRST }>() {
        let _ = proxy::version(first);
    }
}

fn words(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    if let Ok(xtext) = Xtext::parse(text) {
        assert_eq!(xtext.to_string(), text);
        let _ = xtext.decoded();
    }
    if let Ok(address) = Address::parse(text) {
        assert_eq!(Address::parse(&address.to_string()), Ok(address));
    }
}

fn login(octets: &[u8]) {
    let nobody = format!("decoy {}=\n", "A".repeat(43));
    let passwords = Passwords::parse(&nobody).expect("a file of no users");
    for (mechanism, binding) in [
        (Mechanism::ScramSha256, None),
        (Mechanism::ScramSha256Plus, Some(vec![7; 32])),
    ] {
        let Ok(mut exchange) = Exchange::new(mechanism, binding) else {
            return;
        };
        for response in octets.split(|b| *b == b'\n') {
            let turn = exchange.respond(&passwords, Some(response));
            // Nobody has a password here.
            assert!(!matches!(turn, ravelin::smtp::sasl::Turn::Known(_)));
        }
    }
}
