//! The server's side of a connection: whatever a client says, in whatever pieces, every reply is whole lines
//! of printable ASCII, every message has CRLF lines only (but for binary parts), and one message is one
//! message however the octets were cut. Commands, parameters, DATA, BDAT, logins, XCLIENT.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::message::binary;
use ravelin::message::envelope::{Body, Envelope, Identity, Protection};
use ravelin::message::line;
use ravelin::smtp::Reply;
use ravelin::smtp::session::{
    Binding, Extension, Language, Mechanism, PriorityOffer, Question, Session, Settings, StartTls,
    Step,
};

const EXTENSIONS: [Extension; 9] = [
    Extension::BinaryMime,
    Extension::Chunking,
    Extension::DeliverBy,
    Extension::Dsn,
    Extension::FutureRelease,
    Extension::Limits,
    Extension::RequireTls,
    Extension::SmtpUtf8,
    Extension::XClient,
];

#[derive(Default)]
struct Seen {
    said: Vec<u8>,
    messages: Vec<(Envelope, Vec<u8>)>,
    is_closed: bool,
}

fuzz_target!(|input: &[u8]| {
    let [way, cut, stream @ ..] = input else {
        return;
    };
    let whole = run(*way, &[stream]);
    let size = usize::from(*cut).max(1);
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    let cut = run(*way, &pieces);
    // Whether a command came before its turn depends on the pieces; what is a message does not.
    assert_eq!(whole.messages.first(), cut.messages.first());
    for seen in [whole, cut] {
        assert!(seen.said.ends_with(b"\r\n"));
        let is_printable = |b: &u8| matches!(b, b'\r' | b'\n' | b' '..=b'~');
        assert!(seen.said.iter().all(is_printable));
        line::check(&seen.said).expect("whole lines");
        for (envelope, octets) in &seen.messages {
            assert!(!envelope.recipients.is_empty());
            match envelope.body {
                Body::BinaryMime => binary::check(octets).expect("lines, but for binary parts"),
                _ => line::check_within(octets, 998).expect("lines"),
            }
            assert!(octets.len() <= 10_000);
        }
    }
});

fn run(way: u8, pieces: &[&[u8]]) -> Seen {
    let is_tls = way & 1 != 0;
    let mut session = Session::new(Settings {
        language: if way & 2 != 0 {
            Language::Lmtp
        } else {
            Language::Smtp
        },
        protection: if is_tls {
            Protection::Tls
        } else {
            Protection::Clear
        },
        starttls: if way & 4 != 0 {
            StartTls::Offered
        } else {
            StartTls::Not
        },
        priority: PriorityOffer::Always,
        extensions: if way & 8 != 0 {
            EXTENSIONS.to_vec()
        } else {
            Vec::new()
        },
        mechanisms: if way & 16 != 0 {
            Mechanism::ALL.to_vec()
        } else {
            Vec::new()
        },
        size_limit: 10_000,
        ..Settings::default()
    });
    if is_tls {
        session.secured(Some(vec![0x30]), Identity::Nobody);
        session.can_bind(Binding::Exporter);
    }
    session.greeting();
    let mut seen = Seen::default();
    turn(&mut session, &mut seen);
    for piece in pieces {
        session.feed(piece);
        turn(&mut session, &mut seen);
    }
    seen
}

fn turn(session: &mut Session, seen: &mut Seen) {
    loop {
        match session.next() {
            Step::Ask(Question::Login(_, None)) => session.challenge(b"go on"),
            Step::Ask(Question::Login(_, Some(response)) | Question::Response(response)) => {
                match response.first() {
                    Some(b'+') => session.logged_in(Identity::Link("x".into())),
                    Some(b'?') => session.challenge(&response),
                    _ => session.answer(Reply::new(535, (5, 7, 8), "no")),
                }
            }
            Step::Ask(Question::Client(_)) => {
                let welcome = session.welcome();
                session.answer(welcome);
            }
            Step::Ask(_) => session.answer(Reply::new(250, (2, 1, 0), "ok")),
            Step::Close => {
                seen.is_closed = true;
                return;
            }
            Step::Mail(envelope, octets) => {
                assert!(!seen.is_closed, "nothing comes after the end");
                seen.messages.push((envelope, octets));
                session.answer(Reply::new(250, (2, 0, 0), "taken"));
            }
            Step::NeedInput => return,
            Step::Send(octets) => seen.said.extend(octets),
            Step::StartTls => session.secured(None, Identity::Nobody),
        }
    }
}
