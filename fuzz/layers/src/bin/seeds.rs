//! Writes the seeds of every target below `seeds/`: small, made here, and never in the repository.

use std::fs;
use std::path::Path;

use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::cms::countersign;
use ravelin::crypto::cms::envelope::envelope;
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::read::{ContentInfo, Limits, parse};
use ravelin::crypto::cms::receipt;
use ravelin::crypto::cms::sign::{self, Form, SignOrder, Signer};
use ravelin::crypto::cms::verify;
use ravelin::crypto::ess::{
    self, Canonicalisation, ContentReference, FieldStatus, GeneralName, ReceiptRequest,
    ReceiptsFrom, SecureField, SecureHeaderFields,
};
use ravelin_fuzz_layers::LAB;

const PART: &[u8] = b"From: a@x.example\r\nSubject: plan\r\nHP-Outer: Subject: [...]\r\n\
    Content-Type: text/plain; hp=\"cipher\"; hp-legacy-display=\"1\"\r\n\r\nSubject: plan\r\n\r\nText\r\n";
const WRAPPED: &[u8] = b"Content-Type: message/rfc822; forwarded=no\r\n\r\nFrom: a@x.example\r\n\
    Subject: plan\r\n\r\nText\r\n";
const MIME: &[u8] =
    b"Content-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\n--b 1\r\n\r\none\r\n--b 1\r\n\
    Content-Type: message/rfc822\r\n\r\nBcc: x@y.example\r\n\r\ntwo\r\n--b 1\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--b 1--\r\n";
const MMHS: &[u8] = b"MMHS-Primary-Precedence: 4\r\nMMHS-Copy-Precedence: 2\r\n\
    MMHS-Message-Type: 2; identifier=alpha\r\nMMHS-Subject-Indicator-Codes: SIC1, SIC2\r\n\
    MMHS-Authorizing-Users: a@x.example\r\nMMHS-Extended-Authorisation-Info: Sat, 21 Nov 2026 \
    08:30:00 +0000\r\nMMHS-Handling-Instructions: h\r\nMMHS-Originator-Reference: r\r\n\
    MMHS-Exempted-Address: b@x.example\r\nMMHS-Codress-Message-Indicator: 7\r\n\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = ReceiptRequest {
        content_identifier: b"id".to_vec(),
        from: ReceiptsFrom::All,
        to: vec![vec![GeneralName::Email("a@x.example".to_owned())]],
    };
    let secure = SecureHeaderFields {
        canonicalisation: Canonicalisation::Relaxed,
        fields: vec![SecureField {
            name: "Subject".to_owned(),
            value: "plan".to_owned(),
            status: FieldStatus::Modified,
        }],
    };
    let label = [0x31, 0x06, 0x02, 0x01, 0x03, 0x06, 0x01, 0x29];
    let attributes = vec![
        request.attribute(),
        ess::security_label(&label),
        secure.attribute(),
    ];
    let signed = sign::sign(&SignOrder {
        content: PART,
        content_type: oid::DATA,
        form: Form::Attached,
        signers: &[Signer::new(&LAB.signer, attributes)],
        signing_time: LAB.at,
        extra_certificates: &[],
    })?;
    let ContentInfo::Signed(data) = parse(&signed, &Limits::default())? else {
        return Err("SignedData".into());
    };
    let reports = verify::verify(&data, None, &verify::certificates(&data));
    let report = reports.first().ok_or("one signer")?;
    let by = countersign::make(&report.signature, &LAB.signer, LAB.at)?;
    let countersigned = countersign::add(&signed, 0, &by, &[])?;
    let signed_receipt = receipt::make(report, &Signer::new(&LAB.signer, Vec::new()), LAB.at)?;
    let reference = ContentReference {
        content_type: oid::DATA,
        content_identifier: b"id".to_vec(),
        originator_signature: report.signature.clone(),
    };
    for (name, octets) in [
        ("signed", &signed),
        ("countersigned", &countersigned),
        ("receipt", &signed_receipt),
    ] {
        write("cms_signed", name, octets)?;
    }
    let recipients = [LAB.recipient.certificate().clone()];
    for (name, cipher) in [
        ("cbc", ContentCipher::Aes256Cbc),
        ("gcm", ContentCipher::Aes256Gcm),
    ] {
        write("cms_enveloped", name, &envelope(PART, &recipients, cipher)?)?;
    }
    // RFC 3274: version, zlib, id-data with a stored block of zlib.
    let compressed: &[u8] = b"\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09\xa0\x80\x30\x80\
        \x02\x01\x00\x30\x0d\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08\x30\x80\x06\x09\x2a\x86\
        \x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x04\x0e\x78\x01\x01\x03\x00\xfc\xffabc\x02\x4d\x01\x27\x00\x00\
        \x00\x00\x00\x00\x00\x00";
    write("cms_compressed", "stored", compressed)?;
    write("header_protection", "payload", PART)?;
    write("header_protection", "wrapped", WRAPPED)?;
    write(
        "header_protection",
        "attribute",
        value(secure.attribute().der()),
    )?;
    write("receipt", "request", value(request.attribute().der()))?;
    write("receipt", "receipt", &reference.receipt_der())?;
    write("mime", "mixed", MIME)?;
    write("mime", "wrapped", WRAPPED)?;
    write("mmhs", "all", MMHS)?;
    Ok(())
}

/// The value inside a short attribute of ours: behind the headers of SEQUENCE, type and SET.
fn value(attribute: &[u8]) -> &[u8] {
    let set = attribute.iter().skip(15).position(|octet| *octet == 0x31);
    set.and_then(|at| attribute.get(15 + at + 2..))
        .unwrap_or(attribute)
}

fn write(target: &str, name: &str, octets: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), octets)
}
