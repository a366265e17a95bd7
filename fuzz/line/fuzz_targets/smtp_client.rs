//! The client's side of a connection: whatever a server says, every recipient has one outcome, what is said
//! are lines, and the message goes out octet for octet or not at all.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ravelin::clock::Timestamp;
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::service::Terms;
use ravelin::message::{Precedence, line};
use ravelin::smtp::dialogue::{Dialogue, Move, Protocol, TlsNeed, Transaction};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.begins with a dot\r\n..\r\n";

fuzz_target!(|input: &[u8]| {
    let [way, cut, stream @ ..] = input else {
        return;
    };
    let transaction = Transaction {
        from: ReversePath::Null,
        recipients: ["a@x.example", "b@x.example", "c@x.example"]
            .map(|to| Address::parse(to).expect("an address"))
            .into(),
        bytes: Arc::from(MESSAGE),
        precedence: Precedence::Flash,
        terms: Terms::default(),
        at: Timestamp::UNIX_EPOCH,
    };
    let protocol = if way & 1 != 0 {
        Protocol::Lmtp
    } else {
        Protocol::Smtp
    };
    let tls = if way & 2 != 0 {
        TlsNeed::Required
    } else {
        TlsNeed::Never
    };
    let mut dialogue = Dialogue::new(protocol, "us.example", tls, transaction.clone());
    let (mut said, mut done, mut is_secured) = (Vec::new(), 0, false);
    let mut asked = 1;
    for piece in stream.chunks(usize::from(*cut).max(1)) {
        dialogue.feed(piece);
        turn(&mut dialogue, &mut said, &mut done, &mut is_secured);
        if done == asked && asked < 3 {
            asked += 1;
            dialogue.again(transaction.clone());
            turn(&mut dialogue, &mut said, &mut done, &mut is_secured);
        }
    }
    dialogue.lost("the end of the input");
    turn(&mut dialogue, &mut said, &mut done, &mut is_secured);
    assert_eq!(done, asked, "each transaction ends once");
    line::check(&said).expect("lines");
    if tls == TlsNeed::Required && !is_secured {
        let text = String::from_utf8_lossy(&said);
        assert!(!text.contains("MAIL") && !text.contains("begins"), "{text}");
    }
});

fn turn(dialogue: &mut Dialogue, said: &mut Vec<u8>, done: &mut usize, is_secured: &mut bool) {
    loop {
        match dialogue.next() {
            Move::Done(outcomes) => {
                assert_eq!(outcomes.len(), 3, "one outcome for each recipient");
                *done += 1;
            }
            Move::Send(octets) => said.extend_from_slice(octets.as_ref()),
            Move::StartTls => {
                *is_secured = true;
                dialogue.secured();
            }
            Move::Close | Move::NeedInput => return,
        }
    }
}
