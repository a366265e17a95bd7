//! The peak memory of opening and wrapping one large message: `cargo bench --bench memory`.
//!
//! Each case runs in a process of its own, which reads the message from a file as the line gets it
//! (one buffer), does its work, and says its peak (VmHWM). From that the peak of a process that
//! does nothing is taken. One JSON line each; `times` is by the size of the message.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use ravelin::clock::{Clock, Timestamp};
use ravelin::crypto::algorithm::ContentCipher;
use ravelin::crypto::cms::sign::Signer;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::trust::{RevocationCheck, TrustStore};
use ravelin::label::Policies;
use ravelin::message::header::Limits;
use ravelin::message::mime::Transfer;
use ravelin::message::protection::{Confidentiality, Dialect};
use ravelin::open::{self, Opener, Piece};
use ravelin::seal::protect::LegacyDisplay;
use ravelin::seal::{Order, Profile, composed};

const MESSAGE: usize = 50 << 20;
/// Tells a child what to do.
const CASE: &str = "RAVELIN_BENCH_MEMORY";

fn main() -> ExitCode {
    let done = match std::env::var(CASE) {
        Ok(case) => child(&case),
        Err(_) => parent(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memory: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done<T> = Result<T, Box<dyn std::error::Error>>;

fn parent() -> Done<()> {
    let folder = tempfile::tempdir()?;
    let at = Clock::system().now();
    let authority = Authority::new("CN=Bench CA", at)?;
    for (name, usage) in [("sign", Usage::Sign), ("encrypt", Usage::Encrypt)] {
        let request = Request::new(&format!("CN={name}"), usage, at).email("a@x.example");
        let identity = authority.issue(request)?;
        let key = identity.key_to_pem().ok_or("a key without PEM")?;
        let text = format!("{}{}", *key, identity.certificate().to_pem());
        std::fs::write(folder.path().join(name), text)?;
    }
    std::fs::write(folder.path().join("ca"), authority.certificate().to_pem())?;
    let keys = Keys::read(folder.path())?;
    // What is sealed grows by a third in each layer that is base64.
    let third = MESSAGE / 64 * 27;
    for (name, size, profile, transfer) in [
        ("clear", MESSAGE, Profile::ClearSigned, Transfer::Base64),
        (
            "wrapped",
            third - (third / 64),
            Profile::TripleWrap,
            Transfer::Base64,
        ),
        (
            "wrapped-binary",
            MESSAGE / 4 * 3 - MESSAGE / 32,
            Profile::TripleWrap,
            Transfer::Binary,
        ),
    ] {
        let sealed = keys.seal(&plain(size), profile, transfer)?;
        std::fs::write(folder.path().join(name), sealed)?;
    }
    let idle = peak(folder.path(), "idle")?;
    for case in [
        "open/wrapped",
        "open/wrapped-binary",
        "wrap-base64/clear",
        "wrap-binary/clear",
    ] {
        let file = folder
            .path()
            .join(case.split('/').next_back().unwrap_or(case));
        let size = std::fs::metadata(file)?.len();
        let octets = peak(folder.path(), case)?.saturating_sub(idle);
        println!(
            "{{\"bench\":\"memory\",\"case\":\"{case}\",\"message_octets\":{size},\"peak_octets\":{octets},\
             \"times\":{:.2}}}",
            octets as f64 / size as f64
        );
    }
    Ok(())
}

/// A message of about that many octets, in lines.
fn plain(size: usize) -> Vec<u8> {
    let mut text = b"From: a@x.example\r\nTo: b@x.example\r\nSubject: large\r\n\
        Content-Type: text/plain; charset=us-ascii\r\n\r\n"
        .to_vec();
    text.reserve_exact(size);
    while text.len() < size {
        text.extend_from_slice(
            b"Sixty-four octets in every line, so that it is text like other.\r\n",
        );
    }
    text
}

fn peak(folder: &Path, case: &str) -> Done<u64> {
    let output = Command::new(std::env::current_exe()?)
        .current_dir(folder)
        .env(CASE, case)
        .output()?;
    if !output.status.success() {
        return Err(format!("{case}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn child(case: &str) -> Done<()> {
    let folder = std::env::current_dir()?;
    let keys = Keys::read(&folder)?;
    if let Some((work, file)) = case.split_once('/') {
        let received: Arc<[u8]> = {
            // Read into its place at once: a vector would be copied.
            let size = usize::try_from(std::fs::metadata(folder.join(file))?.len())?;
            let mut buffer: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
            let space = Arc::get_mut(&mut buffer).ok_or("shared already")?;
            std::io::Read::read_exact(&mut std::fs::File::open(folder.join(file))?, space)?;
            buffer
        };
        let facts = open::facts(
            &keys.opener(),
            Piece::whole(Arc::new(Arc::clone(&received))),
        )
        .map_err(|refusal| format!("{refusal:?}"))?;
        let good = facts
            .layers
            .iter()
            .all(|layer| layer.signers().iter().all(|signer| signer.is_good()));
        if facts.is_closed() || !good {
            return Err("a layer is not good".into());
        }
        if let Some(encoding) = work.strip_prefix("wrap-") {
            let transfer = match encoding {
                "binary" => Transfer::Binary,
                _ => Transfer::Base64,
            };
            let sealed = keys.seal(&received, Profile::TripleWrap, transfer)?;
            if sealed.len() < received.len() {
                return Err("nothing was sealed".into());
            }
        }
    }
    println!("{}", high_water()?);
    Ok(())
}

/// VmHWM of this process, in octets.
fn high_water() -> Done<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("this system does not tell VmHWM")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

struct Keys {
    sign: Identity,
    encrypt: Vec<Identity>,
    trust: TrustStore,
    policies: Policies,
    at: Timestamp,
}

impl Keys {
    fn read(folder: &Path) -> Done<Self> {
        let identity =
            |name: &str| Identity::load_pem(&folder.join(name), &folder.join(name), None);
        let anchors = std::fs::read(folder.join("ca"))?;
        let anchors = ravelin::crypto::certificate::Certificate::from_pem_many(&anchors)?;
        Ok(Self {
            sign: identity("sign")?,
            encrypt: vec![identity("encrypt")?],
            trust: TrustStore::new(anchors, Vec::new(), Vec::new())
                .with_revocation(RevocationCheck::Optional),
            policies: Policies::default(),
            at: Clock::system().now(),
        })
    }

    fn opener(&self) -> Opener<'_> {
        Opener {
            keys: (&self.encrypt).into(),
            trust: &self.trust,
            policies: &self.policies,
            at: self.at,
            limits: Limits::default(),
        }
    }

    fn seal(&self, message: &[u8], profile: Profile, transfer: Transfer) -> Done<Vec<u8>> {
        let recipients = [self.encrypt[0].certificate().clone()];
        let order = Order {
            profile,
            signers: vec![Signer::new(&self.sign, Vec::new())],
            outer: vec![Signer::new(&self.sign, Vec::new())],
            recipients: match profile {
                Profile::TripleWrap => &recipients,
                _ => &[],
            },
            cipher: ContentCipher::Aes256Gcm,
            protection: Some(Dialect::Rfc9788),
            confidentiality: Confidentiality::Baseline,
            legacy_display: LegacyDisplay::Without,
            transfer,
            at: self.at,
        };
        Ok(composed(order, message)?)
    }
}
