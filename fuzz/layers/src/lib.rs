//! What the targets share: one signer and recipient, made at start.

use std::sync::LazyLock;

use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::trust::TrustStore;
use ravelin::message::header::Limits;
use ravelin::open::{self, Facts, Opener, Piece};

/// Somebody who signs, and somebody who decrypts.
pub struct Lab {
    pub signer: Identity,
    pub recipient: Identity,
    pub trust: TrustStore,
    pub at: jiff::Timestamp,
}

/// The one lab of this run.
pub static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let at = "2026-06-01T00:00:00Z".parse().expect("a time");
    let authority = Authority::new("CN=Fuzz CA", at).expect("an authority");
    let issue = |usage| {
        let request = Request::new("CN=Fuzz", usage, at).email("a@x.example");
        authority.issue(request).expect("an identity")
    };
    Lab {
        signer: issue(Usage::Sign),
        recipient: issue(Usage::Encrypt),
        trust: TrustStore::new(
            vec![authority.certificate().clone()],
            Vec::new(),
            Vec::new(),
        ),
        at,
    }
});

/// What a message says, if it can be read.
pub fn facts(message: Vec<u8>) -> Option<Facts> {
    let opener = Opener {
        keys: std::slice::from_ref(&LAB.recipient),
        trust: &LAB.trust,
        at: LAB.at,
        limits: Limits::default(),
    };
    open::facts(&opener, Piece::whole(std::sync::Arc::new(message))).ok()
}
