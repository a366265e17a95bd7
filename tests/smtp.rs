//! Text dialogues against session (server) and dialogue (client), without sockets.
//!
//! Each file of tests/dialogues is one connection. `C:` is what the client says, `S:` what the
//! server says, both in full and in order. Lines that stand together go together (pipelining);
//! `\r`, `\n`, `\0`, `\xNN` are those octets; `\c` at the end leaves the CRLF away. `@` lines set the
//! scene or expect something: they are all in `Scene::act` below. `#` is a comment.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ravelin::message::Precedence;
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::envelope::{Envelope, Identity, Protection};
use ravelin::message::service::Terms;
use ravelin::smtp::Reply;
use ravelin::smtp::dialogue::{Dialogue, Move, Outcome, Protocol, TlsNeed, Transaction};
use ravelin::smtp::session::{
    Binding, ClientCertificate, Extension, Language, Mechanism, PriorityOffer, Question,
    RequireTls, Session, Settings, StartTls, Step,
};

#[test]
fn every_dialogue_goes_as_written() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dialogues"));
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 15, "the dialogues are there");
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if name.starts_with("server-") {
            Server::default().run(&name, &text);
        } else {
            Client::default().run(&name, &text);
        }
    }
}

/// One line of a file: who says it, and what.
fn lines(text: &str) -> impl Iterator<Item = (usize, char, &str)> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let who = line.chars().next().filter(|c| *c != '#')?;
        let rest = line[1..].trim_start_matches(':');
        Some((number + 1, who, rest.strip_prefix(' ').unwrap_or(rest)))
    })
}

fn octets(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.to_string().bytes());
            continue;
        }
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('0') => out.push(0),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            Some('c') => return out,
            other => panic!("unknown escape {other:?} in {line:?}"),
        }
    }
    out.extend(b"\r\n");
    out
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\r\\n", "\n")
}

/// `550 5.7.1 text`
fn reply(text: &str) -> Reply {
    let mut words = text.splitn(3, ' ');
    let code = words.next().unwrap().parse().unwrap();
    let status: Vec<u16> = words
        .next()
        .unwrap()
        .split('.')
        .map(|n| n.parse().unwrap())
        .collect();
    let class = u8::try_from(status[0]).unwrap();
    Reply::new(code, (class, status[1], status[2]), words.next().unwrap())
}

fn extension(name: &str) -> Extension {
    match name {
        "BINARYMIME" => Extension::BinaryMime,
        "CHUNKING" => Extension::Chunking,
        "DELIVERBY" => Extension::DeliverBy,
        "DSN" => Extension::Dsn,
        "FUTURERELEASE" => Extension::FutureRelease,
        "LIMITS" => Extension::Limits,
        "REQUIRETLS" => Extension::RequireTls,
        "SMTPUTF8" => Extension::SmtpUtf8,
        "XCLIENT" => Extension::XClient,
        other => panic!("{other} is no extension"),
    }
}

#[derive(Default)]
struct Server {
    settings: Settings,
    ceiling: Option<i8>,
    own_size: Option<u64>,
    own_lines: Option<usize>,
    session: Option<Session>,
    said: Vec<u8>,
    answers: VecDeque<Reply>,
    mail: Option<(Envelope, Vec<u8>)>,
    client: Option<IpAddr>,
    is_bound: bool,
    step: Option<Step>,
}

impl Server {
    fn run(mut self, name: &str, text: &str) {
        let mut spoken: Vec<u8> = Vec::new();
        let mut last = '@';
        for (number, who, line) in lines(text) {
            let at = format!("{name}:{number}");
            if last == 'C' && who != 'C' {
                self.feed(&std::mem::take(&mut spoken));
            }
            match who {
                'C' => spoken.extend(octets(line)),
                'S' => {
                    self.start();
                    let expected = octets(line);
                    let found: Vec<u8> = self.said.iter().copied().take(expected.len()).collect();
                    assert_eq!(
                        shown(&found),
                        shown(&expected),
                        "{at}: {}",
                        shown(&self.said)
                    );
                    self.said.drain(..expected.len());
                }
                '@' => self.act(&at, line),
                other => panic!("{at}: {other:?} begins no line"),
            }
            last = who;
        }
        if last == 'C' {
            self.feed(&spoken);
        }
        assert_eq!(shown(&self.said), "", "{name}: said and not expected");
    }

    /// Whoever says "sesame" is in.
    fn log_in(response: &[u8], session: &mut Session) {
        match response {
            b"sesame" => session.logged_in(Identity::Link("logged in".into())),
            b"more" => session.challenge(b"and?"),
            _ => session.answer(Reply::new(535, (5, 7, 8), "no")),
        }
    }

    fn start(&mut self) -> &mut Session {
        if self.session.is_none() {
            let mut session = Session::new(self.settings.clone());
            session.tick("2026-11-21T12:00:00Z".parse().unwrap());
            if let Some(ceiling) = self.ceiling {
                session.cap_priority(ceiling);
            }
            if let Some(octets) = self.own_size {
                session.cap_size(octets);
            }
            if let Some(octets) = self.own_lines {
                session.allow_lines(octets);
            }
            if self.settings.protection == Protection::Tls {
                session.secured(None, Identity::Nobody);
            }
            if self.is_bound {
                session.can_bind(Binding::Exporter);
            }
            session.greeting();
            self.session = Some(session);
            self.turn();
        }
        self.session.as_mut().unwrap()
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.start().feed(bytes);
        self.turn();
    }

    fn turn(&mut self) {
        let session = self.session.as_mut().unwrap();
        loop {
            match session.next() {
                Step::Send(bytes) => self.said.extend(bytes),
                Step::Ask(Question::Login(_, response)) => match response {
                    Some(response) => Self::log_in(&response, session),
                    None => session.challenge(b"say"),
                },
                Step::Ask(Question::Response(response)) => Self::log_in(&response, session),
                Step::Ask(Question::Client(client)) => {
                    self.client = client.address;
                    let welcome = session.welcome();
                    session.answer(self.answers.pop_front().unwrap_or(welcome));
                }
                Step::Ask(_) => {
                    let taken = Reply::new(250, (2, 1, 0), "ok");
                    session.answer(self.answers.pop_front().unwrap_or(taken));
                }
                Step::Mail(envelope, bytes) => {
                    self.mail = Some((envelope, bytes));
                    let taken = Reply::new(250, (2, 0, 0), "taken");
                    session.answer(self.answers.pop_front().unwrap_or(taken));
                }
                other => {
                    self.step = Some(other);
                    return;
                }
            }
        }
    }

    fn act(&mut self, at: &str, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "starttls" => self.settings.starttls = StartTls::Offered,
            "require-tls" => self.settings.require_tls = RequireTls::Yes,
            "require-certificate" => {
                self.settings.client_certificate = ClientCertificate::Required;
            }
            "priority" => self.settings.priority = PriorityOffer::Always,
            "require-login" => self.settings.client_certificate = ClientCertificate::OrLogin,
            "implicit-tls" => self.settings.protection = Protection::Tls,
            "lmtp" => self.settings.language = Language::Lmtp,
            // What the owner allows this client, and no other.
            "own-size" => self.own_size = Some(rest.parse().unwrap()),
            "own-lines" => self.own_lines = Some(rest.parse().unwrap()),
            "ceiling" => self.ceiling = Some(rest.parse().unwrap()),
            "extensions" => self.settings.extensions = rest.split(' ').map(extension).collect(),
            "mechanisms" => {
                let named = |name| Mechanism::ALL.into_iter().find(|m| m.name() == name);
                self.settings.mechanisms = rest.split(' ').map(|m| named(m).unwrap()).collect();
            }
            // The connection has something to bind a login to.
            "bound" => self.is_bound = true,
            // For whom a proxy said that it speaks.
            "client" => assert_eq!(self.client, Some(rest.parse().unwrap()), "{at}"),
            "size-at" => {
                let (precedence, limit) = rest.split_once(' ').unwrap();
                let limit = (precedence.parse().unwrap(), limit.parse().unwrap());
                self.settings.size_limits.push(limit);
            }
            "size" => self.settings.size_limit = rest.parse().unwrap(),
            "recipients" => self.settings.recipients_limit = rest.parse().unwrap(),
            "messages" => self.settings.messages_limit = rest.parse().unwrap(),
            // The next question or message is answered so, not with 250.
            "answer" => self.answers.push_back(reply(rest)),
            // The handshake is made, with or without a certificate.
            "secured" => {
                assert_eq!(self.step, Some(Step::StartTls), "{at}");
                let session = self.session.as_mut().unwrap();
                let certificate = (rest == "certificate").then(|| vec![0x30]);
                session.secured(certificate, Identity::Nobody);
                assert_eq!(session.protection(), Protection::Tls);
                assert_eq!(session.helo(), "");
                self.turn();
            }
            "closed" => assert_eq!(self.step, Some(Step::Close), "{at}"),
            "open" => assert_eq!(self.step, Some(Step::NeedInput), "{at}"),
            // The last message: envelope, or content.
            "mail" => {
                let (envelope, _) = self.mail.as_ref().expect(at);
                let recipients: Vec<_> =
                    envelope.recipients.iter().map(Address::to_string).collect();
                let found = format!("{} {}", envelope.from, recipients.join(","));
                assert_eq!(found, rest, "{at}");
            }
            "content" => {
                let (_, bytes) = self.mail.as_ref().expect(at);
                assert_eq!(shown(bytes), shown(&octets(rest)), "{at}");
            }
            // What is asked of those who carry the last message, as the store keeps it.
            "service" => {
                let service = &self.mail.as_ref().expect(at).0.service;
                assert_eq!(serde_json::to_string(service).unwrap(), rest, "{at}");
            }
            "body" => {
                let body = self.mail.as_ref().expect(at).0.body;
                assert_eq!(format!("{body:?}"), rest, "{at}");
            }
            "no-mail" => assert!(self.mail.is_none(), "{at}"),
            "mt-priority" => {
                let found = self.mail.as_ref().expect(at).0.priority;
                assert_eq!(found, Some(rest.parse().unwrap()), "{at}");
            }
            other => panic!("{at}: unknown line @ {other}"),
        }
    }
}

struct Client {
    protocol: Protocol,
    tls: TlsNeed,
    transaction: Transaction,
    dialogue: Option<Dialogue>,
    said: Vec<u8>,
    outcomes: Vec<(Address, Outcome)>,
    step: &'static str,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            protocol: Protocol::Smtp,
            tls: TlsNeed::Never,
            transaction: Transaction {
                from: ReversePath::parse("<a@x.example>").unwrap(),
                recipients: vec![Address::parse("b@y.example").unwrap()],
                bytes: Arc::from(&b"Subject: hi\r\n\r\nbody\r\n"[..]),
                precedence: Precedence::Flash,
                terms: Terms::default(),
                at: "2026-11-21T12:00:00Z".parse().unwrap(),
            },
            dialogue: None,
            said: Vec::new(),
            outcomes: Vec::new(),
            step: "",
        }
    }
}

impl Client {
    fn run(mut self, name: &str, text: &str) {
        let mut spoken: Vec<u8> = Vec::new();
        let mut last = '@';
        for (number, who, line) in lines(text) {
            let at = format!("{name}:{number}");
            if last == 'S' && who != 'S' {
                self.feed(&std::mem::take(&mut spoken));
            }
            match who {
                'S' => {
                    assert_eq!(shown(&self.said), "", "{at}: said and not expected");
                    spoken.extend(octets(line));
                }
                'C' => {
                    let expected = octets(line);
                    let found: Vec<u8> = self.said.iter().copied().take(expected.len()).collect();
                    assert_eq!(
                        shown(&found),
                        shown(&expected),
                        "{at}: {}",
                        shown(&self.said)
                    );
                    self.said.drain(..expected.len());
                }
                '@' => self.act(&at, line),
                other => panic!("{at}: {other:?} begins no line"),
            }
            last = who;
        }
        if last == 'S' {
            self.feed(&spoken);
        }
        assert_eq!(shown(&self.said), "", "{name}: said and not expected");
        assert!(
            self.outcomes.is_empty(),
            "{name}: not expected: {:?}",
            self.outcomes
        );
    }

    fn dialogue(&mut self) -> &mut Dialogue {
        let transaction = self.transaction.clone();
        let (protocol, tls) = (self.protocol, self.tls);
        self.dialogue
            .get_or_insert_with(|| Dialogue::new(protocol, "us.example", tls, transaction))
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.dialogue().feed(bytes);
        self.turn();
    }

    fn turn(&mut self) {
        loop {
            match self.dialogue().next() {
                Move::Send(bytes) => self.said.extend(bytes.as_ref()),
                Move::Done(outcomes) => self.outcomes.extend(outcomes),
                Move::Close => return self.step = "close",
                Move::NeedInput => return self.step = "input",
                Move::StartTls => return self.step = "starttls",
            }
        }
    }

    fn act(&mut self, at: &str, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "lmtp" => self.protocol = Protocol::Lmtp,
            "implicit-tls" => {
                self.tls = TlsNeed::Required;
                self.dialogue().secured();
            }
            "tls" => self.tls = TlsNeed::Required,
            "from" => self.transaction.from = ReversePath::parse(rest).unwrap(),
            "to" => {
                self.transaction.recipients = rest
                    .split(',')
                    .map(|a| Address::parse(a).unwrap())
                    .collect();
            }
            "message" => self.transaction.bytes = octets(rest).into(),
            // What the envelope asks for, as the store keeps it.
            "terms" => self.transaction.terms = serde_json::from_str(rest).unwrap(),
            "onward" => {
                assert_eq!(format!("{:?}", self.dialogue().onward()), rest, "{at}");
            }
            // Octets as they are, without a line end behind them.
            "octets" => self.transaction.bytes = octets(&format!("{rest}\\c")).into(),
            "again" => {
                let transaction = self.transaction.clone();
                self.dialogue().again(transaction);
                self.turn();
            }
            "quit" => {
                self.dialogue().quit();
                self.turn();
            }
            "lost" => {
                self.dialogue().lost("the connection broke");
                self.turn();
            }
            "secured" => {
                assert_eq!(self.step, "starttls", "{at}");
                self.dialogue().secured();
                self.turn();
            }
            "closed" => assert_eq!(self.step, "close", "{at}"),
            "open" => assert_eq!(self.step, "input", "{at}"),
            // The next outcome: address, what became of it, enhanced code.
            "outcome" => {
                assert!(!self.outcomes.is_empty(), "{at}: no outcome");
                let (address, outcome) = self.outcomes.remove(0);
                let word = match &outcome {
                    Outcome::Deferred(_) => "deferred",
                    Outcome::Delivered(_) => "delivered",
                    Outcome::Failed(_) => "failed",
                };
                let (class, subject, detail) = outcome.reply().status();
                let found = format!("{address} {word} {class}.{subject}.{detail}");
                assert_eq!(found, rest, "{at}: {outcome:?}");
            }
            other => panic!("{at}: unknown line @ {other}"),
        }
    }
}
