//! A next hop that falls silent, at each point of a dialogue: it is waited for as long as RFC 5321
//! section 4.5.3.2 has it, and no longer; who has no answer by then is deferred. The time is not that of
//! the machine: it passes while everything waits.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::trust::TrustStore;
use crate::message::Precedence;
use crate::message::address::ReversePath;
use crate::message::service::Terms;

fn transaction(to: &[&str], octets: usize) -> Transaction {
    let to = to.iter().map(|address| Address::parse(address).unwrap());
    let line = b"Wind north, 4; sea slight.\r\n";
    let text: Vec<u8> = line.iter().copied().cycle().take(octets).collect();
    Transaction {
        from: ReversePath::parse("<a@x.example>").unwrap(),
        recipients: to.collect(),
        bytes: Arc::from([&b"Subject: x\r\n\r\n"[..], &text, b"\r\n"].concat()),
        precedence: Precedence::Routine,
        terms: Terms::default(),
        at: Timestamp::UNIX_EPOCH,
    }
}

/// A next hop that says the first, takes the message and says the second, and then nothing more. What
/// came of it, after how many seconds.
async fn silent_after(
    protocol: Protocol,
    (first, second): (&[&str], &[&str]),
    transaction: Transaction,
) -> (Vec<(Address, Outcome)>, u64) {
    let (mut ours, mut theirs) = duplex(1 << 16);
    let (first, second) = (first.concat(), second.concat());
    let peer = tokio::spawn(async move {
        theirs.write_all(first.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n.\r\n") {
            if theirs.read_buf(&mut heard).await.unwrap() == 0 {
                return theirs;
            }
        }
        theirs.write_all(second.as_bytes()).await.unwrap();
        std::future::pending().await
    });
    let spoken = spoken(protocol, transaction, &mut ours).await;
    peer.abort();
    spoken
}

async fn spoken(
    protocol: Protocol,
    transaction: Transaction,
    to: &mut DuplexStream,
) -> (Vec<(Address, Outcome)>, u64) {
    let need = dialogue::TlsNeed::Never;
    let mut dialogue = Dialogue::new(protocol, "us.example", need, transaction);
    let began = Instant::now();
    match converse(to, &mut dialogue).await.unwrap() {
        End::Done(outcomes) => (outcomes, began.elapsed().as_secs()),
        End::StartTls => panic!("STARTTLS was not offered"),
    }
}

fn is_put_off(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(Cause::Local(reply)) if reply.status() == (4, 4, 2))
}

#[tokio::test(start_paused = true)]
async fn silence_at_each_command_defers_the_message() {
    let says = [
        "220 far.example\r\n",
        "250-far.example\r\n250 8BITMIME\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go on\r\n",
    ];
    // Banner, EHLO, MAIL, RCPT, DATA, final dot.
    for (count, wanted) in [60, 60, 300, 300, 120, 600].into_iter().enumerate() {
        let message = transaction(&["b@y.example"], 100);
        let says = (&says[..count], &[][..]);
        let (outcomes, seconds) = silent_after(Protocol::Smtp, says, message).await;
        assert_eq!(outcomes.len(), 1);
        assert!(is_put_off(&outcomes[0].1), "after {count}: {outcomes:?}");
        assert_eq!(seconds, wanted, "after {count}");
    }
    // The twin: one that answers to the end has the message.
    let message = transaction(&["b@y.example"], 100);
    let says = (&says[..], &["250 2.0.0 taken\r\n"][..]);
    let (outcomes, seconds) = silent_after(Protocol::Smtp, says, message).await;
    assert!(
        matches!(outcomes[0].1, Outcome::Delivered(_)),
        "{outcomes:?}"
    );
    assert_eq!(seconds, 0);
}

#[tokio::test(start_paused = true)]
async fn silence_of_lmtp_after_one_recipient_defers_the_other_alone() {
    let says = [
        "220 store\r\n",
        "250 store\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go on\r\n",
    ];
    let message = transaction(&["b@y.example", "c@y.example"], 100);
    let says = (&says[..], &["250 2.0.0 taken\r\n"][..]);
    let (outcomes, seconds) = silent_after(Protocol::Lmtp, says, message).await;
    assert!(
        matches!(outcomes[0].1, Outcome::Delivered(_)),
        "{outcomes:?}"
    );
    assert!(is_put_off(&outcomes[1].1), "{outcomes:?}");
    assert_eq!(seconds, 600);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_the_message_does_not_get_it() {
    let says = [
        "220 far.example\r\n",
        "250 far.example\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go on\r\n",
    ];
    let message = transaction(&["b@y.example"], 1 << 20);
    let (mut ours, mut theirs) = duplex(4096);
    theirs.write_all(says.concat().as_bytes()).await.unwrap();
    let (outcomes, seconds) = spoken(Protocol::Smtp, message, &mut ours).await;
    assert!(is_put_off(&outcomes[0].1), "{outcomes:?}");
    assert_eq!(seconds, WRITE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn silence_in_the_handshake_ends_it() {
    let at = crate::clock::Clock::system().now();
    let authority = Authority::new("CN=Test CA", at).unwrap();
    let request = Request::new("CN=us", Usage::ServerAndClient, at).dns("us.example");
    let identity = authority.issue(request).unwrap();
    let anchors = vec![authority.certificate().clone()];
    let trust = TrustStore::new(anchors, Vec::new(), Vec::new());
    let link = NextHop {
        address: "",
        protocol: LinkProtocol::Smtp,
        tls: TlsNeed::Required,
        peer: Some("far.example"),
        trust: &trust,
        longest_line: 998,
    };
    let (ours, _theirs) = duplex(1 << 16);
    let began = Instant::now();
    let shaken = handshake((&link, None), &identity, at, ours).await;
    assert_eq!(shaken.err().unwrap().kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed(), HANDSHAKE);
}
