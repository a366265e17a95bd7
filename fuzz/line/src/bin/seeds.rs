//! Writes demo keys, and the seeds of every target, below `seeds/`: made here at run time, small, and never
//! in the repository. Keys that are there stay: a corpus is worth nothing without its keys.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use ravelin::clock::Clock;
use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::cms::read::{self, ContentInfo};
use ravelin::crypto::cms::receipt;
use ravelin::crypto::cms::sign::{Form, SignOrder, Signer, sign};
use ravelin::crypto::cms::{countersign, envelope, oid, verify};
use ravelin::crypto::ess::{
    Canonicalisation, FieldStatus, ReceiptRequest, ReceiptsFrom, SecureField, SecureHeaderFields,
};
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::attributes::{AttributeOrder, no_revocation};
use ravelin::crypto::lab::clearances::constraints;
use ravelin::crypto::lab::{self, Authority, Request, Usage};
use ravelin::crypto::{pkcs12, request};
use ravelin::label::cases::{self, Question};
use ravelin::label::{Clearance, Policy, clearance, naming};
use ravelin::message::mime::{Transfer, pkcs7_mime};
use ravelin::message::protection::Dialect;
use ravelin::seal::layers::{clear_signed, enveloped, opaque_signed};
use ravelin::seal::protect::{LegacyDisplay, Protection, Secrecy, protect};
use ravelin_fuzz_line::{POLICIES, SCENE, element, seeds, value};

type Trouble = Box<dyn Error>;

const LETTER: &str = "From: Anna Berg <anna@alder.example>\r\nTo: desk@birch.example\r\n\
    Subject: Convoy 17\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\nMessage-ID: <1@alder.example>\r\n\
    MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSails at dawn.\r\n";

const PARTS: &str = "Subject: =?utf-8?q?Parts?=\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\
    Content-Type: text/plain; charset*=utf-8''x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    a=3Db=\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nx\r\n--b\r\n\
    Content-Type: application/octet-stream; name=\"x.p7m\"\r\nContent-Transfer-Encoding: base64\r\n\
    Content-Disposition: attachment; filename*0=\"a\"; filename*1=\"b\"\r\n\r\nAAEC\r\n--b--\r\nend\r\n";

const MILITARY: &str = "MMHS-Exempted-Address: a@x.example, B <b@x.example>\r\n\
    MMHS-Extended-Authorisation-Info: Mon, 1 Jun 2026 10:00:00 +0000\r\n\
    MMHS-Subject-Indicator-Codes: ABC; DEF\r\nMMHS-Handling-Instructions: by hand\r\n\
    MMHS-Message-Instructions: read; burn\r\nMMHS-Codress-Message-Indicator: 3\r\n\
    MMHS-Originator-Reference: ref 1\r\nMMHS-Primary-Precedence: 4 (flash)\r\n\
    MMHS-Copy-Precedence: routine\r\nMMHS-Message-Type: 1 (operation); identifier=\"dawn\"\r\n\
    MMHS-Other-Recipients-Indicator-To: FLEET\r\nMMHS-Other-Recipients-Indicator-CC: PORT\r\n\
    MMHS-Acp127-Message-Identifier: RUABC 1\r\nMMHS-Originator-PLAD: ALDER\r\n\
    MMHS-Authorizing-Users: o@x.example\r\n\r\n";

const DELIVERY: &str = "Original-Envelope-Id: QQ+314\r\nReporting-MTA: dns; switch.birch.example\r\n\r\n\
    Original-Recipient: rfc822;reader@birch.example\r\nFinal-Recipient: utf-8; reader@birch.example\r\n\
    Action: delivered\r\nStatus: 2.0.0\r\n";

const DISPOSITION: &str = "Final-Recipient: rfc822; reader@birch.example\r\n\
    Original-Message-ID: <1@alder.example>\r\n\
    Disposition: manual-action/MDN-sent-manually; displayed\r\n";

fn main() -> Result<(), Trouble> {
    found()?;
    let mut count = 0;
    let mut write = |target: &str, octets: &[u8]| -> std::io::Result<()> {
        let folder = seeds().join(target);
        fs::create_dir_all(&folder)?;
        count += 1;
        fs::write(folder.join(format!("{count:03}")), octets)
    };
    for (target, octets) in wire()? {
        write(target, &octets)?;
    }
    let recipients = [SCENE.recipient[0].certificate().clone()];
    let signer = Signer::new(&SCENE.signer, Vec::new());
    let at = SCENE.at;

    for octets in [LETTER, PARTS] {
        write("mime", octets.as_bytes())?;
    }
    write("mmhs", MILITARY.as_bytes())?;
    for line in MILITARY.lines().filter(|line| !line.is_empty()) {
        write("mmhs", format!("{line}\r\n\r\n").as_bytes())?;
    }

    // Every content type, bare.
    let signed = sign(&order(LETTER.as_bytes(), Form::Attached, &[signer.clone()]))?;
    let two = [signer.clone(), signer.clone().by_key_identifier()];
    let ContentInfo::Signed(layer) = read::parse(&signed, &read::Limits::default())? else {
        return Err("not signed".into());
    };
    let first = layer.signers.first().ok_or("nobody signed")?;
    let counter = countersign::make(&first.signature, &SCENE.signer, at)?;
    write("cms", &countersign::add(&signed, 0, &counter, &[])?)?;
    write(
        "cms",
        &sign(&order(LETTER.as_bytes(), Form::Attached, &two))?,
    )?;
    write(
        "cms",
        &sign(&order(LETTER.as_bytes(), Form::Detached, &two))?,
    )?;
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes128Cbc] {
        let inner = opaque_signed(LETTER.into(), &[signer.clone()], at, Transfer::Base64)?;
        write("cms", &envelope::envelope(&inner, &recipients, cipher)?)?;
    }
    let compressed = compressed(LETTER.as_bytes())?;
    write("cms", &compressed)?;
    write("cms", &signed)?;

    // Whole messages, in every dialect.
    let fields: Vec<(String, String)> = ["From", "To", "Subject"]
        .iter()
        .zip(["anna@alder.example", "desk@birch.example", "Convoy 17"])
        .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
        .collect();
    let hidden = [("Subject".to_owned(), "[...]".to_owned())];
    for dialect in [Dialect::Rfc7508, Dialect::Rfc8551, Dialect::Rfc9788] {
        for secrecy in [Secrecy::Clear, Secrecy::Encrypted] {
            let protected = protect(
                LETTER.as_bytes(),
                &Protection {
                    dialect,
                    inside: &fields,
                    outside: &hidden,
                    secrecy,
                    legacy_display: LegacyDisplay::Written,
                },
            )?;
            let signer = Signer::new(&SCENE.signer, protected.attribute.into_iter().collect());
            let mut entity = match secrecy {
                Secrecy::Clear => clear_signed(&protected.entity, &[signer], at)?,
                Secrecy::Encrypted => {
                    let inner = opaque_signed(protected.entity, &[signer], at, Transfer::Base64)?;
                    enveloped(
                        inner,
                        &recipients,
                        ContentCipher::Aes256Gcm,
                        Transfer::Base64,
                    )?
                }
            };
            let mut message = b"From: anna@alder.example\r\nSubject: [...]\r\n".to_vec();
            message.append(&mut entity);
            write("header_protection", &message)?;
        }
    }
    let attribute = SecureHeaderFields {
        canonicalisation: Canonicalisation::Relaxed,
        fields: vec![SecureField {
            name: "Subject".to_owned(),
            value: "Convoy 17".to_owned(),
            status: FieldStatus::Modified,
        }],
    };
    write("header_protection", value(&attribute.attribute()))?;
    write(
        "header_protection",
        &pkcs7_mime("compressed-data", &compressed)?,
    )?;

    // A request, what is asked for, and the answer.
    let request = ReceiptRequest {
        content_identifier: b"1@alder.example".to_vec(),
        from: ReceiptsFrom::All,
        to: vec![vec![ravelin::crypto::ess::GeneralName::Email(
            "anna@alder.example".to_owned(),
        )]],
    };
    write("receipts", value(&request.attribute()))?;
    write("status", DELIVERY.as_bytes())?;
    write("status", DISPOSITION.as_bytes())?;
    let asks = Signer::new(&SCENE.signer, vec![request.attribute()]);
    let asking = sign(&order(LETTER.as_bytes(), Form::Attached, &[asks]))?;
    write("receipts", &asking)?;
    let ContentInfo::Signed(layer) = read::parse(&asking, &read::Limits::default())? else {
        return Err("not signed".into());
    };
    let reports = verify::verify(&layer, None, &verify::certificates(&layer));
    let report = reports.first().ok_or("nobody signed")?;
    let answer = receipt::make(report, &signer, at)?;
    write("receipts", &answer)?;
    write(
        "receipts",
        &receipt::Expectation::of(report)?.reference.receipt_der(),
    )?;

    // What the trust room reads.
    for identity in std::iter::once(&SCENE.signer).chain(&SCENE.recipient) {
        write("certificate", identity.certificate().der())?;
    }
    let other = Authority::new("CN=Fuzz Lists", at)?;
    write("certificate", other.certificate().der())?;
    write("crl", &other.crl(&[SCENE.signer.certificate()], at)?)?;
    // Clearances in both ways of writing, by themselves and one of each policy together.
    let holders = holders()?;
    let mut held = Vec::new();
    for (policy, holder) in &holders {
        held.push(clearance::encode(holder)?);
        held.extend(clearance::encode_missi(policy, holder));
    }
    for one in &held {
        write("clearance_constraints", &constraints(true, &[one]).value)?;
        let order = AttributeOrder::new(SCENE.recipient[0].certificate(), at)?.clearance(one);
        write("attribute_certificate", &order.sign(&SCENE.signer)?)?;
    }
    let largest = |policy: &Policy| {
        let own = holders.iter().filter(|(one, _)| one.oid() == policy.oid());
        own.filter_map(|(_, holder)| clearance::encode(holder).ok())
            .max_by_key(Vec::len)
    };
    let together: Vec<Vec<u8>> = POLICIES.iter().filter_map(largest).collect();
    let together: Vec<&[u8]> = together.iter().map(Vec::as_slice).collect();
    write("clearance_constraints", &constraints(true, &together).value)?;
    let holder = SCENE.recipient[0].certificate();
    let plain = AttributeOrder::new(holder, at)?.clearance(held.first().ok_or("no clearance")?);
    for order in [
        plain.clone().extension(no_revocation()),
        plain.clone().target("border.alder.example")?,
        plain.target("elsewhere.example")?.digest_of(holder),
    ] {
        write("attribute_certificate", &order.sign(&SCENE.signer)?)?;
    }
    if let Some(key) = SCENE.signer.pkcs8_der() {
        write("pkcs12", key.as_bytes())?;
    }
    let identities = [SCENE.signer.clone(), SCENE.recipient[0].clone()];
    write("pkcs12", &pkcs12::write_all(&identities, "password")?)?;
    match legacy(&SCENE.signer) {
        Ok(file) => write("pkcs12", &file)?,
        Err(trouble) => eprintln!("skipped: no legacy PKCS #12 file ({trouble})"),
    }
    let key = SCENE.signer.key();
    let emails = ["anna@alder.example".to_owned()];
    let wanted = lab::requested_extensions(key.public_spki(), Usage::Sign, &emails, &[])?;
    let subject = lab::name_der("CN=Anna,O=Alder")?;
    write("request", &request::make(key.as_ref(), &subject, &wanted)?)?;
    println!("{count} seeds");
    Ok(())
}

/// A PKCS #12 file under 3DES and RC2, which the switch reads and never writes: OpenSSL makes it.
fn legacy(identity: &Identity) -> Result<Vec<u8>, Trouble> {
    let keys = seeds().join("keys");
    let made = Command::new("openssl")
        .args(["pkcs12", "-export", "-legacy", "-passout", "pass:password"])
        .args(["-in", "signer.pem", "-inkey", "signer.key.pem"])
        .args(["-out", "legacy.p12"])
        .current_dir(&keys)
        .output()?;
    let file = fs::read(keys.join("legacy.p12"))?;
    let opened = pkcs12::open(&file, "password")?;
    let ours = opened
        .identities
        .iter()
        .all(|one| one.certificate() == identity.certificate());
    match made.status.success() && ours && opened.legacy.is_some() {
        true => Ok(file),
        false => Err("openssl did not make it".into()),
    }
}

/// Makes the keys, if there are none.
fn found() -> Result<(), Trouble> {
    let keys = seeds().join("keys");
    if keys.join("authority.pem").exists() {
        return Ok(());
    }
    fs::create_dir_all(&keys)?;
    let now = Clock::system().now();
    let authority = Authority::new("CN=Fuzz Authority", now)?;
    let person = |name: &str, usage| {
        let request = Request::new(&format!("CN={name}"), usage, now);
        authority.issue(request.email(&format!("{name}@alder.example")))
    };
    write_identity(&keys, "signer", &person("signer", Usage::Sign)?)?;
    write_identity(&keys, "recipient", &person("recipient", Usage::Encrypt)?)?;
    fs::write(keys.join("authority.pem"), authority.certificate().to_pem())?;
    Ok(())
}

fn write_identity(folder: &Path, name: &str, identity: &Identity) -> Result<(), Trouble> {
    let key = identity.key_to_pem().ok_or("the key cannot be written")?;
    fs::write(folder.join(format!("{name}.key.pem")), key.as_bytes())?;
    let certificate = identity.certificate().to_pem();
    Ok(fs::write(folder.join(format!("{name}.pem")), certificate)?)
}

fn order<'a>(content: &'a [u8], form: Form, signers: &'a [Signer<'a>]) -> SignOrder<'a> {
    SignOrder {
        content,
        content_type: oid::DATA,
        form,
        signers,
        signing_time: SCENE.at,
        extra_certificates: &[],
    }
}

// RFC 3274 §1.1
/// CompressedData, which the switch reads and never makes.
fn compressed(content: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(content)?;
    let octets = element(0x04, &[&zlib.finish()?]);
    let data = element(0x06, &[&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 1]]);
    let kind = element(
        0x06,
        &[&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 1, 9]],
    );
    let zlib = element(
        0x06,
        &[&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 3, 8]],
    );
    let inside = element(0x30, &[&data, &element(0xA0, &[&octets])]);
    let body = element(0x30, &[&[2, 1, 0], &element(0x30, &[&zlib]), &inside]);
    Ok(element(0x30, &[&kind, &element(0xA0, &[&body])]))
}

/// What the dialogues of the tests say, either side; and single words.
fn wire() -> Result<Vec<(&'static str, Vec<u8>)>, Trouble> {
    let mut all = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogues");
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let is_server = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("server-"));
        // Whose words the target reads: those of the other side.
        let (target, other, flags) = match is_server {
            true => ("smtp_server", "C: ", [0x1d, 0x0c, 0x1f]),
            false => ("smtp_client", "S: ", [0x00, 0x01, 0x02]),
        };
        let text = fs::read_to_string(&path)?;
        let said = text.lines().filter_map(|line| line.strip_prefix(other));
        let mut octets = Vec::new();
        for line in said {
            octets.extend_from_slice(line.as_bytes());
            octets.extend_from_slice(b"\r\n");
            if is_server {
                all.push(("smtp_words", [b"\0", line.as_bytes()].concat()));
            } else {
                all.push(("smtp_words", [b"\x01", line.as_bytes(), b"\r\n"].concat()));
            }
        }
        for flag in flags {
            all.push((target, [&[flag, 7], &octets[..]].concat()));
        }
    }
    for (kind, word) in [
        (2, "PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n"),
        (2, "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"),
        (2, "!\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x19\0\x19"),
        (3, "a+2Bb"),
        (3, "\"a b\"@x.example"),
        (3, "anna@[192.0.2.1]"),
        (4, "n,,n=user,r=fyko\nc=biws,r=fyko,p=AAAA"),
        (4, "p=tls-exporter,,n=a=2Cb,r=fyko\nc=biws,r=fyko,p=AAAA"),
    ] {
        all.push(("smtp_words", [&[kind], word.as_bytes()].concat()));
    }
    Ok(all)
}

/// The clearances of the cases of `labels/`, each once, with their policies.
fn holders() -> Result<Vec<(&'static Policy, Clearance)>, Trouble> {
    let labels = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../labels");
    let mut all = Vec::new();
    for policy in POLICIES.iter() {
        let text = fs::read_to_string(labels.join(policy.file()).with_extension("cases"))?;
        for case in cases::parse(&text, policy.file())? {
            if let Question::Access { clearance, .. } = case.question {
                let holder = naming::parse_clearance(policy, &clearance)?;
                if !all.iter().any(|(_, known)| *known == holder) {
                    all.push((policy, holder));
                }
            }
        }
    }
    Ok(all)
}
