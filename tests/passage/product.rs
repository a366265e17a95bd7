//! The whole product: every oddity of lines, in every form of a message, by every way in, through every
//! way of sealing, out by every way out. Each cell is one of two things: refused in session with the
//! reason that the table names, or one message for each next hop, in clean lines.

use super::*;

/// What may be wrong with lines, and what only looks so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oddity {
    BareCr,
    BareLf,
    LfDotLf,
    CrDotCr,
    CrlfDotLf,
    LfDotCrlf,
    Nul,
    LongLine,
    Dots,
}

const ODDITIES: [Oddity; 9] = [
    Oddity::BareCr,
    Oddity::BareLf,
    Oddity::LfDotLf,
    Oddity::CrDotCr,
    Oddity::CrlfDotLf,
    Oddity::LfDotCrlf,
    Oddity::Nul,
    Oddity::LongLine,
    Oddity::Dots,
];

impl Oddity {
    fn text(self) -> String {
        let odd = match self {
            Self::BareCr => "a\rb",
            Self::BareLf => "a\nb",
            Self::LfDotLf => "a\n.\n",
            Self::CrDotCr => "a\r.\r",
            Self::CrlfDotLf => "a\r\n.\n",
            Self::LfDotCrlf => "a\n.\r\n",
            Self::Nul => "a\0b",
            Self::LongLine => &"a".repeat(999),
            Self::Dots => "a\r\n.\r\n..\r\n.b",
        };
        format!("text{odd}\r\n{SMUGGLED}.\r\n")
    }
}

/// How the text lies in what is handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// multipart/signed: every octet is on the wire.
    ClearSigned,
    /// Inside a signature, in base64.
    OpaqueSigned,
    /// multipart/signed, inside an envelope that the switch takes off.
    Enveloped,
    /// Inside a signature, inside such an envelope.
    OpaqueEnveloped,
    /// Inside a signature, such an envelope, and another signature.
    TripleWrapped,
}

const FORMS: [Form; 5] = [
    Form::ClearSigned,
    Form::OpaqueSigned,
    Form::Enveloped,
    Form::OpaqueEnveloped,
    Form::TripleWrapped,
];

impl Form {
    fn message(self, passage: &Passage, text: &str) -> Vec<u8> {
        let opaque = || {
            let (_, part) = passage.part("7bit", text);
            let cms = passage.signed(part.as_bytes(), sign::Form::Attached, "RESTRICTED");
            passage.layer("signed-data", &cms)
        };
        match self {
            Self::ClearSigned => passage.written(text),
            Self::OpaqueSigned => opaque(),
            Self::Enveloped => passage.hidden(text),
            Self::OpaqueEnveloped => passage.enveloped(&opaque()),
            Self::TripleWrapped => {
                let inside = passage.hidden(text);
                let at = inside.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
                let body = &inside[at..];
                let mut entity = b"Content-Type: application/pkcs7-mime; \
                    smime-type=authEnveloped-data\r\nContent-Transfer-Encoding: base64"
                    .to_vec();
                entity.extend_from_slice(body);
                let cms = passage.signed(&entity, sign::Form::Attached, "RESTRICTED");
                passage.layer("signed-data", &cms)
            }
        }
    }

    /// The table: what a cell comes to, whichever way it came in.
    fn verdict(self, oddity: Oddity) -> &'static str {
        match (self, oddity) {
            (_, Oddity::Dots) => "250 ",
            (Self::ClearSigned, Oddity::LongLine) => "550 5.6.0 a line is longer",
            (Self::ClearSigned, _) => "550 5.5.2 ",
            // What was in base64 stays in base64: nobody outside sees a line of it.
            (Self::OpaqueSigned | Self::OpaqueEnveloped, _) => "250 ",
            (Self::Enveloped | Self::TripleWrapped, Oddity::LongLine) => {
                "550 5.6.3 a line of the message is longer than the next hop takes \
                 (message.line-too-long)"
            }
            (Self::Enveloped | Self::TripleWrapped, _) => {
                "550 5.6.0 the message is malformed (message.malformed)"
            }
        }
    }
}

const LMTP: &str = "\n[[listen]]\nname = \"lmtp\"\naddress = \"127.0.0.1:0\"\nrole = \"lmtp\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_is_refused_by_its_reason_or_is_one_clean_message() {
    let mut passage = passage_with(LMTP).await;
    let listeners = passage.world.running().unwrap().listeners.clone();
    let ways = [
        ("submission", listeners[0], "EHLO"),
        ("relay", listeners[1], "EHLO"),
        ("lmtp", *listeners.last().unwrap(), "LHLO"),
    ];
    let (mut count, mut cells, mut refused) = (0, 0, 0);
    for (way, at, hello) in ways {
        passage.connect_to(at, hello).await;
        for form in FORMS {
            for oddity in ODDITIES {
                let message = form.message(&passage, &oddity.text());
                for by in ["DATA", "BDAT"] {
                    let reply = match by {
                        "DATA" => passage.data(&message, whole).await,
                        _ => passage.bdat(&message, whole).await,
                    };
                    let cell = format!("{way} {by} {form:?} {oddity:?}");
                    let verdict = form.verdict(oddity);
                    assert!(reply.starts_with(verdict), "{cell}: {reply}");
                    cells += 1;
                    match reply.starts_with("250 ") {
                        true => count += 1,
                        false => refused += 1,
                    }
                }
            }
        }
    }
    assert_eq!((cells, count + refused), (270, 270));
    assert!(
        count > 100 && refused > 100,
        "{count} taken, {refused} refused"
    );
    passage.heard(count).await;
    passage.world.end().await;
}

/// Dots at the beginning of a line, and every place where the octets around them may be cut: in the
/// stream of DATA, and between two chunks.
#[tokio::test(flavor = "multi_thread")]
async fn a_dot_is_the_same_dot_wherever_the_stream_is_cut() {
    let mut passage = passage().await;
    let message = passage.written(&Oddity::Dots.text());
    let dots = message.windows(5).position(|w| w == b"\r\n.\r\n").unwrap();
    let mut count = 0;
    for at in dots..dots + 12 {
        let two = |octets: &[u8]| vec![octets[..at].to_vec(), octets[at..].to_vec()];
        assert!(
            passage.data(&message, two).await.starts_with("250 "),
            "{at}"
        );
        assert!(
            passage.bdat(&message, two).await.starts_with("250 "),
            "{at}"
        );
        count += 2;
    }
    passage.heard(count).await;
    // Each of them is the one message, octet for octet below its trace.
    let bodies: std::collections::HashSet<Vec<u8>> = passage.taps[1]
        .messages()
        .into_iter()
        .map(|heard| {
            let at = heard.octets.windows(8).position(|w| w == b"\r\nFrom: ");
            heard.octets[at.unwrap()..].to_vec()
        })
        .collect();
    assert_eq!(bodies.len(), 1);
    passage.world.end().await;
}

/// A line that a peer may send and another may not get: taken, where the link says so, and never
/// wrapped; refused, where it does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_goes_where_the_link_takes_it_and_nowhere_else() {
    let long = Tap::open(Speaks::Smtp).await;
    let more = link("long", &long, "longest-line = \"2KiB\"\n");
    let mut passage = passage_with(&more).await;
    let text = |length: usize| format!("{}\r\n.\r\n", "a".repeat(length));
    for (length, to, verdict) in [
        (998, "reader@data.example", "250 "),
        (999, "reader@data.example", "550 5.6.3 "),
        (2048, "reader@long.example", "250 "),
        (2049, "reader@long.example", "550 5.6.3 "),
    ] {
        // Where no session sees it, only seal can say.
        let message = passage.hidden(&text(length));
        passage.envelope_to("", &[to]).await;
        assert!(passage.wire.ask("DATA").await.starts_with("354 "));
        // Base64: no line begins with a dot.
        passage.wire.send(&message).await;
        let reply = passage.wire.ask(".").await;
        assert!(reply.starts_with(verdict), "{length} {to}: {reply}");
    }
    for _ in 0..3_000 {
        if !long.messages().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let heard = long.messages();
    assert_eq!(heard.len(), 1);
    let longest = heard[0].octets.split(|b| *b == b'\n').map(<[u8]>::len);
    assert_eq!(longest.max(), Some(2049), "the line and its CR");
    passage.world.end().await;
}
