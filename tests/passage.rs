//! Smuggling, through the whole switch: what comes in by DATA or BDAT, in one piece or in many, goes
//! through store and seal (as received, enveloped, triple-wrapped) and out by DATA, BDAT or LMTP, and
//! on the outgoing sockets there is CRLF only, and one message for one message.
//!
//! The odd line ends come twice: on the wire, where the session refuses them, and inside an envelope
//! for the switch, where no session sees them and seal takes the envelope off.

mod support;

#[path = "passage/product.rs"]
mod product;
#[path = "passage/words.rs"]
mod words;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ravelin::cli::demo::World;
use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::cms::envelope::envelope;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::ess::security_label;
use ravelin::label::ess;
use support::anchor;
use support::tap::{Heard, Speaks, Tap};
use support::wire::{Tls, Wire};

const ENDS: [&str; 11] = [
    "", "\r", "\n", "\r\n", "\r\r\n", "\n\r", "\r\n\r", "\n\n", "\r\r", "\r\0\n", "\0\r\n",
];
const DOTS: [&str; 5] = [".", "..", "\0.", ". ", ".\t"];
const SMUGGLED: &str =
    "MAIL FROM:<smuggled@evil.example>\r\nRCPT TO:<victim@y>\r\nDATA\r\nX: y\r\n";
const TO: [&str; 5] = [
    "reader@alder.example",
    "reader@data.example",
    "reader@enveloped.example",
    "reader@wrapped.example",
    "reader@binary.example",
];

/// ALDER, whose five ways out all lead to taps.
struct Passage {
    world: World,
    taps: Vec<Tap>,
    wire: Wire,
    /// Where it is connected, and with which word.
    at: SocketAddr,
    hello: &'static str,
    dir: tempfile::TempDir,
}

/// A link in the clear.
fn link(name: &str, to: &Tap, seal: &str) -> String {
    let clearance = r#"{ policy = "ALDER", classifications = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL"], categories = [["Releasable To", "ALDER"]] }"#;
    format!(
        r#"
[[subject]]
address = "reader@{name}.example"
clearance = {clearance}
certificate = "../pki/alder/reader-encrypt.pem"

[[link]]
name = "{name}"
domains = ["{name}.example"]
address = "{}"
tls = "never"
clearance = {clearance}
{seal}"#,
        to.address
    )
}

fn wrap(more: &str) -> String {
    format!(
        r#"anchors = ["../pki/birch/ca.pem"]
crls = ["../pki/birch/ca.crl.pem"]
[link.seal]
profile = "triple-wrap"
certificate = "../pki/birch/border-encrypt.pem"
relay-label = {{ policy = "ALDER", classification = "UNCLASSIFIED", categories = [["Releasable To", "ALDER"]] }}
{more}"#
    )
}

async fn passage() -> Passage {
    passage_with("").await
}

/// With more at the end of the configuration.
async fn passage_with(more: &str) -> Passage {
    let dir = tempfile::tempdir().unwrap();
    let mut taps = Vec::new();
    for speaks in [
        Speaks::Lmtp,
        Speaks::Smtp,
        Speaks::Smtp,
        Speaks::Smtp,
        Speaks::SmtpChunking,
    ] {
        taps.push(Tap::open(speaks).await);
    }
    let rest = [
        link("data", &taps[1], ""),
        link(
            "enveloped",
            &taps[2],
            "[link.seal]\nprofile = \"enveloped\"\n",
        ),
        link("wrapped", &taps[3], &wrap("inner-encoding = \"binary\"\n")),
        link("binary", &taps[4], ""),
        more.to_owned(),
    ]
    .concat();
    // The tap is asked first; the mailbox server of the demo is its alternative.
    let mailboxes = format!("address = \"{}\"\nalternatives = [", taps[0].address);
    let mut world = support::world(dir.path(), &[], &rest).await;
    let file = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let old = format!("address = \"{}\"", world.alder_mail.address);
    let new = format!("{mailboxes}\"{}\"]", world.alder_mail.address);
    assert!(text.contains(&old));
    std::fs::write(&file, text.replacen(&old, &new, 1)).unwrap();
    world.alder_config = ravelin::config::load(&file).unwrap();
    world.wake_alder().await.unwrap();
    let wire = connect(&world, dir.path(), world.alder.ports.submission, "EHLO").await;
    Passage {
        at: world.alder.ports.submission,
        hello: "EHLO",
        world,
        taps,
        wire,
        dir,
    }
}

async fn connect(world: &World, dir: &Path, at: SocketAddr, hello: &str) -> Wire {
    let drafter = &world.alder.person("drafter").unwrap().sign;
    let tls = Tls {
        anchor: &anchor(dir),
        host: &world.alder.host(),
        identity: Some(drafter),
        is_old: false,
    };
    Wire::starttls_as(at, &tls, hello).await.0
}

impl Passage {
    /// What the drafter writes and signs, whatever stands in it.
    fn written(&self, text: &str) -> Vec<u8> {
        self.encoded("7bit", text)
    }

    /// The entity that is signed: header fields, a kind of text, a body.
    fn part(&self, encoding: &str, text: &str) -> (String, String) {
        let fields = format!(
            "From: drafter@alder.example\r\nTo: {}\r\nSubject: Passage\r\n",
            TO.join(", ")
        );
        let part = format!(
            "{fields}Content-Type: text/plain; charset=us-ascii; hp=\"clear\"\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{text}"
        );
        (fields, part)
    }

    /// The drafter's signature over it, beside it or around it.
    fn signed(&self, content: &[u8], form: Form, class: &str) -> Vec<u8> {
        let drafter = self.world.alder.person("drafter").unwrap();
        let label = [("Releasable To", "ALDER")];
        let label = ess::encode(&self.world.label(class, &label).unwrap()).unwrap();
        sign::sign(&SignOrder {
            content,
            content_type: oid::DATA,
            form,
            signers: &[Signer::new(&drafter.sign, vec![security_label(&label)])],
            signing_time: self.world.clock.now(),
            extra_certificates: &[],
        })
        .unwrap()
    }

    fn encoded(&self, encoding: &str, text: &str) -> Vec<u8> {
        self.labelled(encoding, text, "RESTRICTED")
    }

    fn labelled(&self, encoding: &str, text: &str, class: &str) -> Vec<u8> {
        let (fields, part) = self.part(encoding, text);
        let signature = self.signed(part.as_bytes(), Form::Detached, class);
        // By hand: the library would not put odd line ends into a message.
        format!(
            "{fields}MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=\"between\";\r\n \
             protocol=\"application/pkcs7-signature\"; micalg=sha-384\r\n\r\n--between\r\n{part}\r\n\
             --between\r\nContent-Type: application/pkcs7-signature\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--between--\r\n",
            lines(&signature)
        )
        .into_bytes()
    }

    /// The same inside an envelope for the switch.
    fn hidden(&self, text: &str) -> Vec<u8> {
        self.enveloped(&self.written(text))
    }

    fn enveloped(&self, message: &[u8]) -> Vec<u8> {
        let ours = self.world.alder.border_certificate().clone();
        let cms = envelope(message, &[ours], ContentCipher::Aes256Gcm).unwrap();
        self.layer("authEnveloped-data", &cms)
    }

    /// A message that is one layer.
    fn layer(&self, kind: &str, cms: &[u8]) -> Vec<u8> {
        format!(
            "From: drafter@alder.example\r\nTo: {}\r\nSubject: Passage\r\nMIME-Version: 1.0\r\n\
             Content-Type: application/pkcs7-mime; smime-type={kind}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            TO.join(", "),
            lines(cms)
        )
        .into_bytes()
    }

    async fn envelope(&mut self) {
        self.envelope_to("", &TO).await;
    }

    async fn envelope_to(&mut self, more: &str, to: &[&str]) {
        let from = format!("MAIL FROM:<drafter@alder.example>{more}");
        assert!(self.wire.ask(&from).await.starts_with("250 "));
        for to in to {
            let reply = self.wire.ask(&format!("RCPT TO:<{to}>")).await;
            assert!(reply.starts_with("250 "), "{reply}");
        }
    }

    /// By DATA, in these pieces.
    async fn data(&mut self, message: &[u8], cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> String {
        self.envelope().await;
        assert!(self.wire.ask("DATA").await.starts_with("354 "));
        let mut stuffed = Vec::new();
        for (at, octet) in message.iter().enumerate() {
            if *octet == b'.' && (at == 0 || message[..at].ends_with(b"\r\n")) {
                stuffed.push(b'.');
            }
            stuffed.push(*octet);
        }
        stuffed.extend_from_slice(b".\r\n");
        for piece in cut(&stuffed) {
            self.wire.send(&piece).await;
        }
        self.reply().await
    }

    /// By BDAT, in these chunks.
    async fn bdat(&mut self, message: &[u8], cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> String {
        self.envelope().await;
        self.chunks(message, cut).await
    }

    async fn chunks(&mut self, message: &[u8], cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> String {
        for piece in cut(message) {
            let head = format!("BDAT {}\r\n", piece.len());
            self.wire.send(&[head.as_bytes(), &piece].concat()).await;
            assert!(self.wire.hear().await.starts_with("250 "));
        }
        self.wire.send(b"BDAT 0 LAST\r\n").await;
        self.reply().await
    }

    /// The reply to a message; where the session closed, another one is opened.
    async fn reply(&mut self) -> String {
        let reply = self.wire.hear().await;
        if self.hello == "LHLO" {
            // One for each recipient, and all are the same here.
            for _ in 1..TO.len() {
                assert_eq!(self.wire.hear().await, reply);
            }
        }
        if !self.wire.ask("NOOP").await.starts_with("250 ") {
            self.connect_to(self.at, self.hello).await;
        }
        reply
    }

    async fn connect_to(&mut self, at: SocketAddr, hello: &'static str) {
        (self.at, self.hello) = (at, hello);
        self.wire = connect(&self.world, self.dir.path(), at, hello).await;
    }

    /// Waits until this tap has so many messages.
    async fn tap_has(&self, tap: usize, count: usize) {
        for _ in 0..2_000 {
            if self.taps[tap].messages().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until every tap has this many, then looks at every octet.
    async fn heard(&self, count: usize) {
        for (number, (tap, to)) in self.taps.iter().zip(TO).enumerate() {
            self.tap_has(number, count).await;
            let messages = tap.messages();
            assert_eq!(messages.len(), count, "{to}");
            let commands = tap.commands();
            let mails = commands
                .iter()
                .filter(|line| line.starts_with(b"MAIL FROM:<drafter@"));
            assert_eq!(mails.count(), count, "{to}");
            for line in &commands {
                assert!(
                    is_crlf_only(line) && line.ends_with(b"\r\n"),
                    "{to}: {line:?}"
                );
                assert!(!contains(line, b"smuggled"), "{to}: {line:?}");
            }
            for message in &messages {
                assert_eq!(message.by, "DATA", "{to}");
                assert!(is_crlf_only(&message.octets), "{to}");
                // Not even somebody to whom every CR and LF is a line end finds another end.
                let text = String::from_utf8_lossy(&message.octets);
                let lax = text.replace("\r\n", "\n").replace('\r', "\n");
                assert_eq!(lax.find("\n.\n"), Some(lax.len() - 3), "{to}: {text}");
                let longest = message.octets.split(|b| *b == b'\n').map(<[u8]>::len).max();
                assert!(longest <= Some(1000), "{to}: {longest:?}");
            }
        }
    }
}

fn is_crlf_only(octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets).replace("\r\n", "");
    !text.contains(['\r', '\n', '\0'])
}

fn contains(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len()).any(|window| window == needle)
}

/// Base64 in lines.
fn lines(octets: &[u8]) -> String {
    let text = STANDARD.encode(octets);
    let lines = text.as_bytes().chunks(64);
    let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
    lines.join("\r\n")
}

fn whole(octets: &[u8]) -> Vec<Vec<u8>> {
    vec![octets.to_vec()]
}

/// Every CRLF is cut in two.
fn between(octets: &[u8]) -> Vec<Vec<u8>> {
    octets
        .split_inclusive(|b| *b == b'\r')
        .map(<[u8]>::to_vec)
        .collect()
}

fn single(octets: &[u8]) -> Vec<Vec<u8>> {
    octets.iter().map(|octet| vec![*octet]).collect()
}

/// Bodies that look like an end and are none, in good lines.
fn good() -> Vec<String> {
    let mut bodies = vec![
        ".\r\n".to_owned(),
        format!("a\r\n.\r\n{SMUGGLED}.\r\n"),
        format!("..\r\n. \r\n.\t\r\n...\r\n.{SMUGGLED}"),
        format!("{}\r\n.{}\r\n", "a".repeat(998), "b".repeat(997)),
        "BDAT 5 LAST\r\nQUIT\r\n.\r\n.".to_owned() + "\r\n",
        "\r\n\r\n.\r\n\r\n".to_owned(),
    ];
    for dot in [".", "..", ". ", ".\t"] {
        bodies.push(format!("text\r\n{dot}\r\n{SMUGGLED}"));
    }
    bodies
}

/// The product of odd line ends around dots.
fn odd() -> Vec<String> {
    let mut found = Vec::new();
    for before in ENDS {
        for dot in DOTS {
            for after in ENDS {
                let text = format!("text{before}{dot}{after}{SMUGGLED}");
                if !is_crlf_only(text.as_bytes()) {
                    found.push(text);
                }
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_in_is_one_message_out_whatever_it_looks_like() {
    let mut passage = passage().await;
    let mut count = 0;
    for text in good() {
        let (clear, hidden) = (passage.written(&text), passage.hidden(&text));
        for message in [&clear, &hidden] {
            let reply = passage.data(message, between).await;
            assert!(reply.starts_with("250 "), "{text:?}: {reply}");
            let reply = passage.bdat(message, whole).await;
            assert!(reply.starts_with("250 "), "{text:?}: {reply}");
            count += 2;
        }
    }
    let last = passage.written(&format!("a\r\n.\r\n{SMUGGLED}.\r\n"));
    assert!(passage.data(&last, single).await.starts_with("250 "));
    assert!(passage.bdat(&last, between).await.starts_with("250 "));
    passage.heard(count + 2).await;
    // Where nothing is taken off or put on, the signed octets stand there as they came.
    let heard = passage.taps[1].messages().pop().unwrap().octets;
    let text = String::from_utf8(heard).unwrap().replace("\r\n..", "\r\n.");
    let part = String::from_utf8(last).unwrap();
    let part = part
        .split("\r\n\r\n")
        .skip(1)
        .collect::<Vec<_>>()
        .join("\r\n\r\n");
    assert!(text.contains(part.trim_end()), "{text}");
    passage.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_line_ends_go_nowhere_neither_openly_nor_inside_an_envelope() {
    let mut passage = passage().await;
    let odd = odd();
    assert!(odd.len() > 500, "{}", odd.len());
    for (number, text) in odd.iter().enumerate() {
        // On the wire: `tests/smuggling.rs` has the whole product; here a tenth, and both ways.
        if number % 10 == 0 {
            let message = passage.written(text);
            let reply = passage.data(&message, whole).await;
            assert!(reply.starts_with("550 5.5.2 "), "{text:?}: {reply}");
            let reply = passage.bdat(&message, whole).await;
            assert!(reply.starts_with("550 5.5.2 "), "{text:?}: {reply}");
        }
        // Inside, where only seal meets them.
        if number % 3 == 0 {
            let message = passage.hidden(text);
            let reply = passage.data(&message, whole).await;
            assert!(reply.starts_with("550 5.6.0 "), "{text:?}: {reply}");
        }
    }
    // What is good still goes, and it is all that went.
    let message = passage.written("text\r\n");
    assert!(passage.data(&message, whole).await.starts_with("250 "));
    passage.heard(1).await;
    passage.world.end().await;
}
