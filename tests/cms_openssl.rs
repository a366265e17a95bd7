//! CMS layers against the `openssl` program: it reads what we make, we read what it makes, and
//! neither accepts what was damaged. Skips aloud where the program is absent.

#[path = "cms_openssl/enveloped.rs"]
mod enveloped;
#[path = "cms_openssl/lab.rs"]
mod lab;
#[path = "cms_openssl/parallel.rs"]
mod parallel;
#[path = "cms_openssl/receipts.rs"]
mod receipts;
#[path = "cms_openssl/settings.rs"]
mod settings;
#[path = "cms_openssl/signed.rs"]
mod signed;
#[path = "cms_openssl/vectors.rs"]
mod vectors;

use lab::CONTENT;
use ravelin::clock::Timestamp;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::decrypt::{DecryptError, decrypt};
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::read::{ContentInfo, Limits, SignedData, parse};
use ravelin::crypto::cms::sign::{Form, SignOrder, Signer, sign};
use ravelin::crypto::cms::verify::{self, SignerReport};
use ravelin::crypto::keys::Identity;

fn now() -> Timestamp {
    Timestamp::now()
}

fn signed(cms: &[u8]) -> SignedData<'_> {
    match parse(cms, &Limits::default()) {
        Ok(ContentInfo::Signed(signed)) => signed,
        other => panic!("not SignedData: {other:?}"),
    }
}

fn reports(cms: &[u8], detached: Option<&[u8]>, more: &[Certificate]) -> Vec<SignerReport> {
    let signed = signed(cms);
    let mut certificates = verify::certificates(&signed);
    certificates.extend_from_slice(more);
    verify::verify(&signed, detached, &certificates)
}

fn all_good(reports: &[SignerReport]) -> bool {
    !reports.is_empty() && reports.iter().all(SignerReport::is_good)
}

fn make(signers: &[Signer<'_>], form: Form) -> Vec<u8> {
    sign(&SignOrder {
        content: CONTENT,
        content_type: oid::DATA,
        form,
        signers,
        signing_time: now(),
        extra_certificates: &[],
    })
    .unwrap()
}

/// `input` with one bit flipped in the first place where `part` stands.
fn damaged(input: &[u8], part: &[u8]) -> Vec<u8> {
    let at = input
        .windows(part.len())
        .position(|window| window == part)
        .expect("the part is there");
    let mut out = input.to_vec();
    out[at + part.len() / 2] ^= 1;
    out
}

fn open(cms: &[u8], identities: &[Identity]) -> Result<Vec<u8>, DecryptError> {
    match parse(cms, &Limits::default()).expect("the layer parses") {
        ContentInfo::Enveloped(data) => decrypt(&data, identities),
        ContentInfo::AuthEnveloped(data) => decrypt(&data, identities),
        other => panic!("{other:?}"),
    }
    .map(|content| content.to_vec())
}
