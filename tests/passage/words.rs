//! What the switch writes of its own accord, out of what others said: a report that quotes a next hop's
//! words and the message that it is about; and a draft that an officer released.

use ravelin::message::DraftId;
use ravelin::open::{Opener, Piece, facts};

use super::*;

/// What a next hop says to RCPT.
const REPLIES: [&[u8]; 8] = [
    b"550 5.1.1 nobody\r\n",
    b"550-5.1.1 .\r\n550-5.1.1 ..\r\n550 5.1.1 .\r\n",
    b"550 5.1.1 a\rb\r\n",
    b"550 5.1.1 a\nb\r\n",
    b"550 5.1.1 a\n.\nMAIL FROM:<smuggled@evil.example>\n\r\n",
    b"550 5.1.1 a\0b\r\n",
    b"550-5.1.1 a\r\n.\r\nMAIL FROM:<smuggled@evil.example>\r\n",
    &[b'5'; 5000],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_quotes_a_next_hop_and_the_original_is_one_clean_message() {
    let mut peers = Vec::new();
    // The second attempt comes soon, and tells the sender that the deadline has passed.
    let mut more = "[queue]\nretry = [[\"routine\", \"1s\"]]\n".to_owned();
    for (number, reply) in REPLIES.into_iter().enumerate() {
        let tap = Tap::with(Speaks::Smtp, reply).await;
        more.push_str(&link(&format!("odd-{number}"), &tap, ""));
        peers.push(tap);
    }
    let mut passage = passage_with(&more).await;
    let message = passage.written(&format!("a\r\n.\r\n{SMUGGLED}.\r\n"));
    for number in 0..REPLIES.len() {
        let to = format!("reader@odd-{number}.example");
        passage.envelope_to(" BY=1;N", &[&to]).await;
        assert!(passage.wire.ask("DATA").await.starts_with("354 "));
        let text = String::from_utf8(message.clone()).unwrap();
        passage
            .wire
            .send(text.replace("\r\n.", "\r\n..").as_bytes())
            .await;
        let reply = passage.wire.ask(".").await;
        assert!(reply.starts_with("250 "), "{number}: {reply}");
    }
    // The first two were refused for good, the others are tried again, and delayed.
    let told = |number: usize| {
        let about = format!("reader@odd-{number}.example");
        let heard = passage.taps[0].messages();
        let about = |heard: &Heard| contains(&heard.octets, about.as_bytes());
        heard.into_iter().filter(about).collect::<Vec<_>>()
    };
    for number in 0..REPLIES.len() {
        for _ in 0..6_000 {
            if !told(number).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let reports = told(number);
        assert_eq!(reports.len(), 1, "one report about {number}");
        let text = String::from_utf8_lossy(&reports[0].octets);
        let action = if number < 2 { "failed" } else { "delayed" };
        assert!(text.contains(&format!("Action: {action}")), "{text}");
        assert!(text.contains("Subject: Passage"), "the original: {text}");
    }
    for tap in passage.taps.iter().take(1).chain(&peers) {
        for line in tap.commands() {
            assert!(is_crlf_only(&line) && line.ends_with(b"\r\n"), "{line:?}");
            assert!(!contains(&line, b"smuggled"), "{line:?}");
        }
    }
    for heard in passage.taps[0].messages() {
        assert!(is_crlf_only(&heard.octets));
        let text = String::from_utf8_lossy(&heard.octets);
        let lax = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(lax.find("\n.\n"), Some(lax.len() - 3), "{text}");
    }
    // RFC 2920 §3.1: who took no recipient and waits for a message nevertheless gets nothing
    for heard in peers.iter().flat_map(Tap::messages) {
        assert_eq!(heard.octets, b".\r\n");
    }
    assert_eq!(passage.taps[0].messages().len(), REPLIES.len());
    passage.world.end().await;
}

const RULE: &str = r#"
[[review.rule]]
name = "confidential"
classifications = ["CONFIDENTIAL"]
links = ["data"]
role = "releasing-officer"
officers = 1
"#;

impl Passage {
    /// Hands it in for the link that needs a release; the reply.
    async fn draft(&mut self, message: &[u8]) -> String {
        self.envelope_to("", &["reader@data.example"]).await;
        assert!(self.wire.ask("DATA").await.starts_with("354 "));
        let mut stuffed = message.to_vec();
        let mut at = 0;
        while let Some(found) = stuffed[at..].windows(3).position(|w| w == b"\r\n.") {
            at += found + 3;
            stuffed.insert(at - 1, b'.');
        }
        self.wire.send(&stuffed).await;
        self.wire.send(b".\r\n").await;
        self.reply().await
    }

    /// The officer releases the one draft that there is; what the desk says.
    async fn release(&self) -> Result<(), String> {
        let drafts = self.world.running().unwrap().store.drafts().unwrap();
        let ids: Vec<DraftId> = drafts.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), 1);
        let desk = self.world.desk("officer").unwrap();
        let octets = desk.message(ids[0]).await.map_err(|e| e.to_string())?;
        let opener = Opener {
            keys: Default::default(),
            trust: &self.world.alder_config.trust,
            policies: &self.world.alder_config.policies,
            at: self.world.clock.now(),
            limits: ravelin::message::mime::Limits::default(),
        };
        let piece = Piece::whole(std::sync::Arc::new(octets.to_vec()));
        let facts = facts(&opener, piece).map_err(|stop| stop.to_string())?;
        let (layer, _) = facts.drafted().ok_or("nothing was drafted")?;
        let report = &facts.layers[layer].signers()[0].report;
        let release = desk.sign(0, report).map_err(|error| error.to_string())?;
        let approved = desk.approve(ids[0], &release).await;
        approved.map(drop).map_err(|error| error.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_draft_is_one_clean_message_or_none() {
    let mut passage = passage_with(RULE).await;
    let good = format!("a\r\n.\r\n..\r\n{SMUGGLED}.\r\n");
    let message = passage.labelled("7bit", &good, "CONFIDENTIAL");
    let reply = passage.draft(&message).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(
        passage.taps[1].messages().is_empty(),
        "it waits for release"
    );
    passage.release().await.unwrap();
    passage.tap_has(1, 1).await;
    // What no session saw is refused before it is held: nobody releases it.
    for odd in ["a\rb", "a\nb", "a\n.\n", "a\r\n.\n", "a\n.\r\n", "a\0b"] {
        let text = format!("{odd}\r\n{SMUGGLED}.\r\n");
        let clear = passage.labelled("7bit", &text, "CONFIDENTIAL");
        let reply = passage.draft(&clear).await;
        assert!(reply.starts_with("550 5.5.2 "), "{odd:?}: {reply}");
        let hidden = passage.enveloped(&clear);
        let reply = passage.draft(&hidden).await;
        assert!(
            reply.starts_with("550 5.6.0 the message is malformed"),
            "{odd:?}: {reply}"
        );
        assert!(
            passage
                .world
                .running()
                .unwrap()
                .store
                .drafts()
                .unwrap()
                .is_empty()
        );
    }
    let long = format!("{}\r\n", "a".repeat(999));
    let hidden = passage.enveloped(&passage.labelled("7bit", &long, "CONFIDENTIAL"));
    let reply = passage.draft(&hidden).await;
    assert!(reply.starts_with("550 5.6.3 "), "{reply}");
    let heard = passage.taps[1].messages();
    assert_eq!(heard.len(), 1);
    assert!(is_crlf_only(&heard[0].octets));
    let text = String::from_utf8_lossy(&heard[0].octets);
    assert!(
        text.ends_with("\r\n.\r\n") && text.contains("\r\n..\r\n...\r\n"),
        "{text}"
    );
    passage.world.end().await;
}
