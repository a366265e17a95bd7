//! The people of the fuzz targets: demo keys below `seeds/keys`, made by `seeds` and read by every target, so
//! that the layers among the seeds can be opened and verified.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use ravelin::clock::Timestamp;
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::attribute::AttributeDer;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::trust::{RevocationCheck, TrustStore};
use ravelin::label::{Policies, Policy};
use ravelin::message::mime::Limits;
use ravelin::open::{Opener, Piece};

/// Where seeds and keys are.
pub fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

/// The one demo signer and the one demo recipient, and who vouches for both.
pub struct Scene {
    /// Who signs.
    pub signer: Identity,
    /// Who opens.
    pub recipient: Vec<Identity>,
    /// Who vouches.
    pub trust: TrustStore,
    /// No label policies: labels are read as far as their syntax tells.
    pub policies: Policies,
    /// When everything is decided.
    pub at: Timestamp,
}

/// The scene that `seeds` has left.
pub static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let keys = seeds().join("keys");
    let identity = |name: &str| {
        let file = |suffix: &str| keys.join(format!("{name}.{suffix}"));
        Identity::load_pem(&file("pem"), &file("key.pem"), None).expect("a demo identity")
    };
    let anchors = std::fs::read(keys.join("authority.pem")).expect("the demo authority");
    let anchors = Certificate::from_pem_many(&anchors).expect("a certificate");
    let signer = identity("signer");
    Scene {
        policies: Policies::default(),
        at: signer.certificate().not_before(),
        signer,
        recipient: vec![identity("recipient")],
        trust: TrustStore::new(anchors, Vec::new(), Vec::new())
            .with_revocation(RevocationCheck::Optional),
    }
});

/// The policies of `labels/`: what enumerated privileges and names mean, they say.
pub static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../labels");
    let files = std::fs::read_dir(folder).expect("the label policies");
    let policies = files.filter_map(|file| {
        let path = file.expect("a file").path();
        let spif = path.extension().is_some_and(|end| end == "xml");
        let name = path.file_name().and_then(|name| name.to_str());
        let read = || std::fs::read(&path).expect("a policy");
        let load = |name| Policy::from_spif(&read(), name).expect("a policy of labels/ loads");
        name.filter(|_| spif).map(load)
    });
    Policies::new(policies.collect()).expect("one policy for each identifier")
});

impl Scene {
    /// An opener with the recipient's key.
    pub fn opener(&self) -> Opener<'_> {
        Opener {
            keys: (&self.recipient).into(),
            trust: &self.trust,
            policies: &self.policies,
            at: self.at,
            limits: Limits::default(),
        }
    }
}

/// The octets as something that can be opened.
pub fn piece(octets: &[u8]) -> Piece {
    Piece::whole(Arc::new(octets.to_vec()))
}

/// The one value of an attribute.
pub fn value(attribute: &AttributeDer) -> &[u8] {
    let inside = contents(attribute.der());
    let oid = 2 + usize::from(inside[1]);
    contents(&inside[oid..])
}

/// A DER element with these parts.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len().to_be_bytes();
    let zeros = length.iter().take_while(|octet| **octet == 0).count();
    let length = &length[zeros.min(length.len() - 1)..];
    let mut out = vec![tag];
    if contents.len() >= 0x80 {
        out.push(0x80 | u8::try_from(length.len()).expect("a short length"));
    }
    out.extend_from_slice(length);
    out.extend(contents);
    out
}

/// What stands in the DER element at the beginning of `der`.
fn contents(der: &[u8]) -> &[u8] {
    let long = usize::from(der[1].saturating_sub(0x80));
    &der[2 + long..]
}
