//! SMTP smuggling: no false end of data ends a message, in or out; no command hides in content.
//!
//! The full product {CR, LF, CRLF, none, CRCRLF, ...} x dot x {CR, LF, CRLF, CRCRLF, ...} goes
//! through the server's session (whole, and split at every octet), through the writer, and through
//! the client's dialogue. Behind each stands a second transaction; in no case may its MAIL be
//! taken as a command before the true end of the first message, and a message with any line end
//! other than CRLF is refused and the connection closed. The same by BDAT, where a number frames the
//! message; binary parts go on by BDAT or not at all.

use std::sync::Arc;

use proptest::prelude::*;
use ravelin::message::Precedence;
use ravelin::message::address::{Address, ReversePath};
use ravelin::smtp::Reply;
use ravelin::smtp::dialogue::{Dialogue, Move, Outcome, Protocol, TlsNeed, Transaction};
use ravelin::smtp::line::{Data, Progress, stuff};
use ravelin::smtp::session::{Extension, Question, Session, Settings, Step};

const ENDS: [&str; 11] = [
    "", "\r", "\n", "\r\n", "\r\r\n", "\n\r", "\r\n\r", "\n\n", "\r\r", "\r\0\n", "\0\r\n",
];
const DOTS: [&str; 5] = [".", "..", "\0.", ". ", ".\t"];
const SMUGGLED: &str =
    "MAIL FROM:<smuggled@evil.example>\r\nRCPT TO:<victim@y>\r\nDATA\r\nX: y\r\n";

/// Everything that happened on one connection.
#[derive(Debug, Default)]
struct Seen {
    said: Vec<u8>,
    senders: Vec<String>,
    messages: Vec<Vec<u8>>,
    closed: bool,
}

fn turn(session: &mut Session, seen: &mut Seen) {
    loop {
        match session.next() {
            Step::Ask(question) => {
                if let Question::Sender(from) = question {
                    seen.senders.push(from.to_string());
                }
                session.answer(Reply::new(250, (2, 1, 0), "ok"));
            }
            Step::Close => {
                seen.closed = true;
                return;
            }
            Step::Mail(_, bytes) => {
                seen.messages.push(bytes);
                session.answer(Reply::new(250, (2, 0, 0), "taken"));
            }
            Step::NeedInput => return,
            Step::Send(bytes) => seen.said.extend(bytes),
            Step::StartTls => panic!("not offered"),
        }
    }
}

/// A session that waits for content.
fn in_data() -> (Session, Seen) {
    let mut session = Session::new(Settings::default());
    let mut seen = Seen::default();
    session.greeting();
    for line in ["EHLO p", "MAIL FROM:<first@x>", "RCPT TO:<b@y>", "DATA"] {
        turn(&mut session, &mut seen);
        session.feed(format!("{line}\r\n").as_bytes());
    }
    turn(&mut session, &mut seen);
    assert!(seen.said.ends_with(b"354 end with CRLF . CRLF\r\n"));
    seen.said.clear();
    (session, seen)
}

/// Feeds the pieces, each with all its steps.
fn content(pieces: &[&[u8]]) -> Seen {
    let (mut session, mut seen) = in_data();
    for piece in pieces {
        session.feed(piece);
        turn(&mut session, &mut seen);
    }
    seen
}

/// All sequences of the product, with what stands before and after in the content.
fn product() -> Vec<String> {
    let mut found = Vec::new();
    for before in ENDS {
        for dot in DOTS {
            for after in ENDS {
                found.push(format!("{before}{dot}{after}"));
            }
        }
    }
    found
}

fn has_only_crlf(text: &str) -> bool {
    let rest = text.replace("\r\n", "");
    !rest.contains(['\r', '\n', '\0'])
}

/// The one true end, found the slow way. `None`: the content never ends.
fn true_end(stream: &str) -> Option<usize> {
    let with_command_end = format!("\r\n{stream}");
    with_command_end.find("\r\n.\r\n").map(|at| at + 3)
}

#[test]
fn nothing_but_crlf_dot_crlf_ends_a_message_coming_in() {
    let sequences = product();
    assert_eq!(sequences.len(), 605);
    let mut ends = 0;
    for sequence in sequences {
        for head in ["A: b\r\n\r\ntext", ""] {
            let stream = format!("{head}{sequence}{SMUGGLED}\r\n.\r\nQUIT\r\n");
            let end = true_end(&stream).unwrap();
            let first = &stream[..end];
            let is_early = end < head.len() + sequence.len() + 1;
            ends += usize::from(is_early);
            let is_clean = has_only_crlf(first);

            let mut ways: Vec<Vec<&[u8]>> = vec![vec![stream.as_bytes()]];
            for at in 1..stream.len() {
                let (left, right) = stream.as_bytes().split_at(at);
                ways.push(vec![left, right]);
            }
            ways.push(stream.as_bytes().chunks(1).collect());
            for way in ways {
                let seen = content(&way);
                let shown = || format!("{:?} as {way:?}: {seen:?}", stream);
                let is_smuggled = seen.senders.iter().any(|s| s.contains("smuggled"));
                if is_clean {
                    // The very end is a real one: then what is behind it are commands by right.
                    let is_command = is_early && stream[end..].starts_with("MAIL");
                    assert_eq!(is_smuggled, is_command, "{}", shown());
                    assert!(!seen.messages.is_empty(), "{}", shown());
                } else {
                    assert!(!is_smuggled, "{}", shown());
                    assert!(seen.messages.is_empty(), "{}", shown());
                    assert!(seen.closed, "{}", shown());
                    assert!(seen.said.starts_with(b"550 5.5.2 "), "{}", shown());
                    assert_eq!(seen.said.iter().filter(|b| **b == b'\n').count(), 1);
                }
            }
        }
    }
    // Of all of them only CRLF . CRLF (and DATA's own CRLF . CRLF) really end a message.
    assert!(ends > 0 && ends < 60, "{ends}");
}

/// Feeds one chunk after RCPT, in these pieces: the message, and NOOP behind it.
fn chunk(body: &str, message: &str, pieces: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Seen {
    let mut session = Session::new(Settings {
        extensions: vec![Extension::Chunking, Extension::BinaryMime],
        ..Settings::default()
    });
    let mut seen = Seen::default();
    session.greeting();
    for line in [
        "EHLO p",
        &format!("MAIL FROM:<first@x>{body}"),
        "RCPT TO:<b@y>",
    ] {
        turn(&mut session, &mut seen);
        session.feed(format!("{line}\r\n").as_bytes());
    }
    turn(&mut session, &mut seen);
    seen.said.clear();
    let stream = format!("BDAT {} LAST\r\n{message}NOOP\r\n", message.len());
    for piece in pieces(stream.as_bytes()) {
        session.feed(&piece);
        turn(&mut session, &mut seen);
    }
    seen
}

#[test]
fn no_octet_of_a_chunk_is_a_command_and_every_one_is_checked() {
    let whole = |stream: &[u8]| vec![stream.to_vec()];
    let single = |stream: &[u8]| stream.iter().map(|octet| vec![*octet]).collect();
    for sequence in product() {
        for body in ["", " BODY=BINARYMIME"] {
            let message = format!("A: b\r\n\r\ntext{sequence}{SMUGGLED}");
            for seen in [chunk(body, &message, whole), chunk(body, &message, single)] {
                assert_eq!(seen.senders, ["<first@x>"], "{message:?}");
                if has_only_crlf(&message) {
                    assert_eq!(seen.messages, [message.as_bytes()], "{message:?}");
                    assert!(seen.said.ends_with(b"250 2.0.0 here\r\n"), "{message:?}");
                } else {
                    // Not in a part that says binary: the number that frames it excuses nothing.
                    assert!(seen.messages.is_empty() && seen.closed, "{message:?}");
                    assert!(seen.said.starts_with(b"550 5.5.2 "), "{message:?}");
                }
            }
        }
    }
}

#[test]
fn what_came_as_binary_leaves_as_binary_or_not_at_all() {
    for sequence in product() {
        let head = "Content-Transfer-Encoding: binary\r\n\r\ntext";
        let message = format!("{head}{sequence}{SMUGGLED}");
        let seen = chunk(" BODY=BINARYMIME", &message, |stream| vec![stream.to_vec()]);
        // In a binary part anything goes, and nothing of it is a command.
        assert_eq!(seen.messages, [message.as_bytes()], "{message:?}");
        assert_eq!(seen.senders, ["<first@x>"], "{message:?}");
        // The next hop of `sent` takes lines only: it gets the whole as lines, or nothing.
        let (said, done) = sent(&message);
        match has_only_crlf(&message) {
            true => assert!(matches!(done[0].1, Outcome::Delivered(_)), "{message:?}"),
            false => {
                assert!(matches!(done[0].1, Outcome::Failed(_)), "{message:?}");
                assert!(!said.windows(4).any(|w| w == b"text"), "{message:?}");
            }
        }
    }
}

#[test]
fn the_reply_to_a_faulty_message_waits_for_its_true_end() {
    let seen = content(&[b"A: b\r\n\r\nx\n.\nMAIL FROM:<smuggled@x>\r\n"]);
    assert!(seen.said.is_empty() && !seen.closed, "{seen:?}");
    let seen = content(&[
        b"A: b\r\n\r\nx\n.\nMAIL FROM:<smuggled@x>\r\n",
        b".",
        b"\r",
        b"\n",
    ]);
    assert!(
        seen.said.starts_with(b"550 5.5.2") && seen.closed,
        "{seen:?}"
    );
}

#[test]
fn commands_cannot_hide_in_commands() {
    for separator in [
        "\n", "\r", "\0", "\r\r\n", "\n\r\n", "\r\0\n", "\u{b}\r", "\r \n",
    ] {
        for carrier in [
            "NOOP x",
            "RSET",
            "EHLO p",
            "MAIL FROM:<a@x>",
            "RCPT TO:<a@x>",
            "VRFY x",
        ] {
            let stream = format!("EHLO p\r\n{carrier}{separator}MAIL FROM:<smuggled@x>\r\n");
            let (greeting, rest) = stream.as_bytes().split_at(8);
            for at in 0..rest.len() {
                let mut session = Session::new(Settings::default());
                let mut seen = Seen::default();
                session.greeting();
                let (left, right) = rest.split_at(at);
                for piece in [greeting, left, right] {
                    turn(&mut session, &mut seen);
                    session.feed(piece);
                }
                turn(&mut session, &mut seen);
                assert!(
                    !seen.senders.iter().any(|s| s.contains("smuggled")),
                    "{stream:?} split at {at}"
                );
                assert!(seen.closed, "{stream:?} split at {at}");
            }
        }
    }
}

#[test]
fn nothing_that_could_end_a_message_early_goes_out() {
    for sequence in product() {
        let message = format!("A: b\r\n\r\ntext{sequence}{SMUGGLED}");
        match stuff(message.as_bytes(), 998) {
            Err(_) => assert!(!has_only_crlf(&message), "{message:?}"),
            Ok(stuffed) => {
                assert!(has_only_crlf(&message), "{message:?}");
                let stream = format!("{}.\r\n", String::from_utf8_lossy(&stuffed));
                // Only the last dot ends it, for a strict reader and for the laxest one.
                assert_eq!(true_end(&stream), Some(stream.len()), "{message:?}");
                let lax = format!("\n{}", stream.replace("\r\n", "\n").replace('\r', "\n"));
                assert_eq!(lax.find("\n.\n"), Some(lax.len() - 3), "{message:?}");
            }
        }
    }
}

/// What the dialogue writes after 354, and the outcome.
fn sent(message: &str) -> (Vec<u8>, Vec<(Address, Outcome)>) {
    let transaction = Transaction {
        from: ReversePath::Null,
        recipients: vec![Address::parse("b@y").unwrap()],
        bytes: Arc::from(message.as_bytes()),
        precedence: Precedence::Routine,
        terms: Default::default(),
        at: Default::default(),
    };
    let mut dialogue = Dialogue::new(Protocol::Smtp, "us", TlsNeed::Never, transaction);
    let mut said = Vec::new();
    let mut done = Vec::new();
    let mut replies = [
        "220 a\r\n",
        "250 b\r\n",
        "250 c\r\n",
        "250 d\r\n",
        "354 e\r\n",
        "250 f\r\n",
    ]
    .into_iter();
    loop {
        match dialogue.next() {
            Move::Send(bytes) => said.extend(bytes.as_ref()),
            Move::NeedInput => match replies.next() {
                Some(reply) => {
                    if reply.starts_with("354") {
                        said.clear();
                    }
                    dialogue.feed(reply.as_bytes());
                }
                None => return (said, done),
            },
            Move::Done(outcomes) => {
                done = outcomes;
                return (said, done);
            }
            Move::Close | Move::StartTls => panic!("not asked for"),
        }
    }
}

#[test]
fn the_dialogue_sends_a_message_whole_or_not_at_all() {
    for sequence in product() {
        let message = format!("A: b\r\n\r\ntext{sequence}{SMUGGLED}");
        let (said, done) = sent(&message);
        let outcome = &done[0].1;
        if has_only_crlf(&message) {
            assert!(matches!(outcome, Outcome::Delivered(_)), "{message:?}");
            let mut data = Data::new(10_000, 998, None);
            assert_eq!(
                data.feed(&said),
                (said.len(), Progress::Ended),
                "{message:?}"
            );
            assert_eq!(data.finish().unwrap(), message.as_bytes());
        } else {
            assert!(matches!(outcome, Outcome::Failed(_)), "{message:?}");
            assert!(!said.windows(4).any(|w| w == b"text"), "{message:?}");
        }
    }
}

/// Text that is rich in what matters here.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b".".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"MAIL FROM:<a@x>\r\n".to_vec()),
        Just(b"RCPT TO:<b@y>\r\n".to_vec()),
        Just(b"DATA\r\n".to_vec()),
        Just(b"EHLO p\r\n".to_vec()),
        Just(b"STARTTLS\r\n".to_vec()),
        Just(b"RSET\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn stuffed_content_comes_back(lines in prop::collection::vec("[.a\u{e4} -]{0,6}", 0..12)) {
        let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut stream = stuff(message.as_bytes(), 998).unwrap().into_owned();
        stream.extend_from_slice(b".\r\nQUIT");
        let mut data = Data::new(10_000, 998, None);
        prop_assert_eq!(data.feed(&stream), (stream.len() - 4, Progress::Ended));
        prop_assert_eq!(data.finish().unwrap(), message.into_bytes());
    }

    #[test]
    fn a_split_changes_nothing(stream in wild(), at in any::<prop::sample::Index>()) {
        let whole = content(&[&stream]);
        let at = at.index(stream.len() + 1);
        let (left, right) = stream.split_at(at);
        // What is content is content, however it arrives. (Whether commands behind the end came
        // before their turn depends on the split: so only the content is compared.)
        let split = content(&[left, right]);
        prop_assert_eq!(whole.messages.first(), split.messages.first());
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        let single = content(&single);
        prop_assert_eq!(whole.messages.first(), single.messages.first());
    }

    #[test]
    fn a_session_never_panics(pieces in prop::collection::vec(wild(), 0..4)) {
        let mut session = Session::new(Settings::default());
        let mut seen = Seen::default();
        session.greeting();
        for piece in &pieces {
            turn(&mut session, &mut seen);
            session.feed(piece);
        }
        turn(&mut session, &mut seen);
        // Whatever was said, it was said in whole lines of printable ASCII.
        prop_assert!(seen.said.ends_with(b"\r\n"));
        prop_assert!(seen.said.iter().all(|b| matches!(b, b'\r' | b'\n' | b' '..=b'~')));
        for message in &seen.messages {
            let text: String = message.iter().copied().map(char::from).collect();
            prop_assert!(has_only_crlf(&text));
        }
    }

    #[test]
    fn a_dialogue_never_panics_and_always_ends(pieces in prop::collection::vec(wild(), 0..4)) {
        let transaction = Transaction {
            from: ReversePath::Null,
            recipients: vec![Address::parse("b@y").unwrap()],
            bytes: Arc::from(&b"A: b\r\n\r\nx\r\n"[..]),
            precedence: Precedence::Routine,
            terms: Default::default(),
            at: Default::default(),
        };
        let mut dialogue = Dialogue::new(Protocol::Lmtp, "us", TlsNeed::Never, transaction);
        let mut done = 0;
        let mut turn = |dialogue: &mut Dialogue| loop {
            match dialogue.next() {
                Move::Done(outcomes) => {
                    assert_eq!(outcomes.len(), 1);
                    done += 1;
                }
                Move::Send(_) => {}
                Move::Close | Move::NeedInput | Move::StartTls => return,
            }
        };
        for piece in &pieces {
            turn(&mut dialogue);
            dialogue.feed(b"250 ok\r\n");
            turn(&mut dialogue);
            dialogue.feed(piece);
        }
        turn(&mut dialogue);
        dialogue.lost("end of test");
        turn(&mut dialogue);
        prop_assert_eq!(done, 1);
    }
}
