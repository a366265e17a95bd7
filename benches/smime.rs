//! How fast layers are made and opened: `cargo bench --bench smime [-- --cases C,… --sizes N,…]`.
//!
//! One thread, all in memory, whole MIME entities in base64, P-384 and SHA-384, three recipients;
//! verifying includes the signer's path. `primitives` are the operations of a triple wrap alone, on
//! octets of the same lengths: two signatures, one ephemeral key with three agreements, derivations
//! and wraps, one cipher, the digests. The peers are `benches/vs-openssl/peer.c` over each libcrypto that
//! `benches/vs-openssl/build` finds: a process fed with the same keys and contents, doing the same
//! work in turns with ours. Before anything is measured each opens what the other has made.
//!
//! Time is processor time, as the kernel tells it of a thread: neighbours disturb it least. Each
//! figure is the median of the rounds. For people a table, then one JSON line a figure.
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use ravelin::clock::{Clock, Timestamp};
use ravelin::crypto::algorithm::{ContentCipher, Curve, Digest, KeyWrap, Mode};
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::sign::Signer;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::provider;
use ravelin::crypto::trust::{RevocationCheck, TrustStore};
use ravelin::label::Policies;
use ravelin::message::mime::{Limits, Transfer};
use ravelin::open::{self, LayerKind, Opener, Piece};
use ravelin::seal::layers::{self, Wrapping};

type Trouble = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Asked {
    /// The cases to run; all unless told
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "sign,verify,envelope,open,triple-wrap,triple-unwrap,envelope-cbc,open-cbc,triple-wrap-cbc,triple-unwrap-cbc"
    )]
    cases: Vec<String>,
    /// How large the contents are, in octets
    #[arg(long, value_delimiter = ',', default_value = "10240,1048576")]
    sizes: Vec<usize>,
    /// How often each case is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long one round of one case takes
    #[arg(long, default_value_t = 300)]
    milliseconds: u64,
    /// Leave the peers out
    #[arg(long)]
    alone: bool,
    /// Said by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Trouble> {
    let asked = Asked::parse();
    let folder = tempfile::tempdir()?;
    let scene = Scene::found(folder.path())?;
    let mut peers = Vec::new();
    if !asked.alone {
        for (name, program) in programs()? {
            peers.push(Peer::start(name, &program, folder.path())?);
        }
    }
    let mut lines = Vec::new();
    for size in &asked.sizes {
        let content = content(*size);
        std::fs::write(folder.path().join(format!("content-{size}")), &content)?;
        for peer in &mut peers {
            for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc] {
                agree(&scene, peer, folder.path(), *size, cipher)?;
            }
        }
    }
    println!(
        "{:<28}{:>12}{:>12}{}",
        "case",
        "ravelin/s",
        "ms",
        peers
            .iter()
            .map(|peer| format!("{:>16}{:>8}", format!("{}/s", peer.name), "ratio"))
            .collect::<String>()
    );
    for size in &asked.sizes {
        for case in &asked.cases {
            let case = Case::named(case)?;
            measured(&asked, &scene, &mut peers, case, *size, &mut lines)?;
        }
    }
    println!();
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// What is measured, and with which cipher.
#[derive(Clone, Copy)]
struct Case {
    what: What,
    cipher: ContentCipher,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Envelope,
    Open,
    Primitives,
    Sign,
    TripleUnwrap,
    TripleWrap,
    Verify,
}

impl Case {
    fn named(name: &str) -> Result<Self, Trouble> {
        let (what, cipher) = match name.strip_suffix("-cbc") {
            Some(what) => (what, ContentCipher::Aes256Cbc),
            None => (name, ContentCipher::Aes256Gcm),
        };
        let what = match what {
            "envelope" => What::Envelope,
            "open" => What::Open,
            "sign" => What::Sign,
            "triple-unwrap" => What::TripleUnwrap,
            "triple-wrap" => What::TripleWrap,
            "verify" => What::Verify,
            _ => return Err(format!("there is no case {name}").into()),
        };
        Ok(Self { what, cipher })
    }

    /// What the peer calls it.
    const fn verb(self) -> &'static str {
        match self.what {
            What::Envelope => "envelope",
            What::Open => "open",
            What::Primitives => "primitives",
            What::Sign => "sign",
            What::TripleUnwrap => "triple-unwrap",
            What::TripleWrap => "triple-wrap",
            What::Verify => "verify",
        }
    }

    fn name(self, size: usize) -> String {
        let cbc = match self.cipher.mode() {
            Mode::Cbc => "-cbc",
            Mode::Gcm => "",
        };
        format!("{}{cbc}/{}", self.verb(), size_name(size))
    }
}

fn cipher_name(cipher: ContentCipher) -> &'static str {
    match cipher.mode() {
        Mode::Cbc => "aes-256-cbc",
        Mode::Gcm => "aes-256-gcm",
    }
}

/// One case, we and the peers in turns.
fn measured(
    asked: &Asked,
    scene: &Scene,
    peers: &mut [Peer],
    case: Case,
    size: usize,
    lines: &mut Vec<String>,
) -> Result<(), Trouble> {
    let primitives = (case.what == What::TripleWrap).then_some(Case {
        what: What::Primitives,
        ..case
    });
    let work = Work::prepare(scene, case, size)?;
    let primitive_work = primitives
        .map(|primitives| Work::prepare(scene, primitives, size))
        .transpose()?;
    let round = Duration::from_millis(asked.milliseconds);
    let mut ours = Vec::new();
    let mut of_primitives = Vec::new();
    let mut theirs = vec![Vec::new(); peers.len()];
    for _ in 0..asked.rounds {
        ours.push(work.rate(scene, round)?);
        if let Some(work) = &primitive_work {
            of_primitives.push(work.rate(scene, round)?);
        }
        for (peer, rates) in peers.iter_mut().zip(&mut theirs) {
            rates.push(peer.rate(case, size, round)?);
        }
    }
    let name = case.name(size);
    let own = median(&mut ours);
    let mut row = format!("{name:<28}{own:>12.1}{:>12.3}", 1000.0 / own);
    lines.push(line(&name, "ravelin", own, "1/s"));
    for (peer, rates) in peers.iter().zip(&mut theirs) {
        let rate = median(rates);
        row += &format!("{rate:>16.1}{:>8.2}", own / rate);
        lines.push(line(&name, &peer.name, rate, "1/s"));
        lines.push(line(
            &format!("{name}/ratio"),
            &format!("ravelin:{}", peer.name),
            own / rate,
            "x",
        ));
    }
    println!("{row}");
    if let Some(primitives) = primitives {
        let rate = median(&mut of_primitives);
        let name_of_it = primitives.name(size);
        println!(
            "{name_of_it:<28}{rate:>12.1}{:>12.3}   a wrap takes {:.3} times its primitives",
            1000.0 / rate,
            rate / own
        );
        lines.push(line(&name_of_it, "ravelin", rate, "1/s"));
        lines.push(line(
            &format!("{name}/over-primitives"),
            "ravelin",
            rate / own,
            "x",
        ));
    }
    Ok(())
}

fn line(case: &str, of: &str, value: f64, unit: &str) -> String {
    format!(r#"{{"bench":"smime","case":"{case}","of":"{of}","value":{value:.3},"unit":"{unit}"}}"#)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn size_name(octets: usize) -> String {
    match octets {
        octets if octets.is_multiple_of(1 << 20) => format!("{}MiB", octets >> 20),
        octets if octets.is_multiple_of(1 << 10) => format!("{}KiB", octets >> 10),
        octets => format!("{octets}B"),
    }
}

/// A MIME entity of about that many octets.
fn content(size: usize) -> Vec<u8> {
    const LINE: &[u8] = b"The convoy passes the northern strait at first light; keep dark.\r\n";
    let mut content = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n".to_vec();
    while content.len() + LINE.len() <= size {
        content.extend_from_slice(LINE);
    }
    content
}

/// Who signs, for whom, and who vouches.
struct Scene {
    at: Timestamp,
    signer: Identity,
    recipients: Vec<Certificate>,
    opening: Vec<Identity>,
    trust: TrustStore,
}

impl Scene {
    /// Makes keys and certificates, and writes them down for the peers.
    fn found(folder: &Path) -> Result<Self, Trouble> {
        let at = Clock::system().now();
        let authority = Authority::new("CN=Bench CA,O=ALDER", at)?;
        let signer = authority.issue(
            Request::new("CN=signer,O=ALDER", Usage::Sign, at).email("signer@alder.example"),
        )?;
        let mut recipients = Vec::new();
        for number in 0..3 {
            recipients.push(
                authority.issue(
                    Request::new(&format!("CN=recipient{number},O=ALDER"), Usage::Encrypt, at)
                        .email(&format!("recipient{number}@alder.example")),
                )?,
            );
        }
        let write = |name: String, text: &str| std::fs::write(folder.join(name), text);
        write("ca.pem".into(), &authority.certificate().to_pem())?;
        write_identity(folder, "signer", &signer)?;
        for (number, recipient) in recipients.iter().enumerate() {
            write_identity(folder, &format!("recipient{number}"), recipient)?;
        }
        Self::load(folder)
    }

    /// What [`Scene::found`] wrote.
    fn load(folder: &Path) -> Result<Self, Trouble> {
        let identity = |name: &str| {
            Identity::load_pem(
                &folder.join(format!("{name}.pem")),
                &folder.join(format!("{name}.key.pem")),
                None,
            )
        };
        let anchors = Certificate::from_pem_many(&std::fs::read(folder.join("ca.pem"))?)?;
        let recipients: Vec<Identity> = (0..3)
            .map(|number| identity(&format!("recipient{number}")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            at: Clock::system().now(),
            signer: identity("signer")?,
            opening: recipients.iter().take(1).cloned().collect(),
            recipients: recipients
                .iter()
                .map(|recipient| recipient.certificate().clone())
                .collect(),
            trust: TrustStore::new(anchors, Vec::new(), Vec::new())
                .with_revocation(RevocationCheck::Optional),
        })
    }

    fn signers(&self) -> [Signer<'_>; 1] {
        [Signer::new(&self.signer, Vec::new())]
    }

    fn sign(&self, content: &[u8]) -> Result<Vec<u8>, Trouble> {
        let signers = self.signers();
        Ok(layers::opaque_signed(
            content.to_vec(),
            &signers,
            self.at,
            Transfer::Base64,
        )?)
    }

    fn envelope(&self, content: &[u8], cipher: ContentCipher) -> Result<Vec<u8>, Trouble> {
        Ok(layers::enveloped(
            content.to_vec(),
            &self.recipients,
            cipher,
            Transfer::Base64,
        )?)
    }

    fn triple_wrap(&self, content: &[u8], cipher: ContentCipher) -> Result<Vec<u8>, Trouble> {
        let signers = self.signers();
        let wrapping = Wrapping {
            inner: &signers,
            recipients: &self.recipients,
            cipher,
            outer: &signers,
            at: self.at,
            transfer: Transfer::Base64,
        };
        Ok(layers::triple_wrapped(content.to_vec(), &wrapping)?)
    }

    /// Walks through all layers as the switch does, and wants every one good.
    fn open(&self, message: Vec<u8>) -> Result<Piece, Trouble> {
        let opener = Opener {
            keys: (&self.opening).into(),
            trust: &self.trust,
            policies: &Policies::default(),
            at: self.at,
            limits: Limits::default(),
        };
        let facts = open::facts(&opener, Piece::whole(Arc::new(message)))
            .map_err(|refusal| format!("{refusal:?}"))?;
        for layer in &facts.layers {
            let good = match &layer.kind {
                LayerKind::Signed(signed) => signed
                    .signers
                    .iter()
                    .all(|signer| signer.is_good() && signer.report.problems.is_empty()),
                LayerKind::Compressed => true,
                LayerKind::Enveloped(envelope) => envelope.opened,
            };
            if !good {
                return Err("a layer is not good".into());
            }
        }
        Ok(facts.payload)
    }
}

fn write_identity(folder: &Path, name: &str, identity: &Identity) -> Result<(), Trouble> {
    let key = identity.key_to_pem().ok_or("the key cannot be written")?;
    std::fs::write(folder.join(format!("{name}.key.pem")), key.as_bytes())?;
    std::fs::write(
        folder.join(format!("{name}.pem")),
        identity.certificate().to_pem(),
    )?;
    Ok(())
}

/// One case with its input.
struct Work {
    case: Case,
    input: Vec<u8>,
    /// What the outer signature of a triple wrap is over.
    middle: Vec<u8>,
}

impl Work {
    fn prepare(scene: &Scene, case: Case, size: usize) -> Result<Self, Trouble> {
        let content = content(size);
        let mut middle = Vec::new();
        let input = match case.what {
            What::Envelope | What::Sign | What::TripleWrap => content,
            What::Open => scene.envelope(&content, case.cipher)?,
            What::Primitives => {
                let inner = scene.sign(&content)?;
                middle = scene.envelope(&inner, case.cipher)?;
                inner
            }
            What::TripleUnwrap => scene.triple_wrap(&content, case.cipher)?,
            What::Verify => scene.sign(&content)?,
        };
        Ok(Self {
            case,
            input,
            middle,
        })
    }

    fn once(&self, scene: &Scene) -> Result<(), Trouble> {
        match self.case.what {
            What::Envelope => {
                black_box(scene.envelope(&self.input, self.case.cipher)?);
            }
            What::Open | What::TripleUnwrap | What::Verify => {
                black_box(scene.open(self.input.clone())?);
            }
            What::Primitives => self.primitives(scene)?,
            What::Sign => {
                black_box(scene.sign(&self.input)?);
            }
            What::TripleWrap => {
                black_box(scene.triple_wrap(&self.input, self.case.cipher)?);
            }
        }
        Ok(())
    }

    /// The operations of a triple wrap and nothing else. `input` is what is encrypted.
    fn primitives(&self, scene: &Scene) -> Result<(), Trouble> {
        // What ECDSA signs here is about as long as the signed attributes.
        const ATTRIBUTES: usize = 350;
        let provider = provider::default();
        let wrap = KeyWrap::Aes256;
        let mut key = [0; 32];
        let mut nonce = [0; 16];
        let attributes = self.input.get(..ATTRIBUTES).unwrap_or(&self.input);
        // The inner digest is over the content: three quarters of its base64.
        let inner = self
            .input
            .get(..self.input.len() / 4 * 3)
            .unwrap_or_default();
        for content in [inner, self.middle.as_slice()] {
            black_box(provider.digest(Digest::Sha384, &[content]));
            black_box(provider.digest(Digest::Sha384, &[scene.signer.certificate().der()]));
            black_box(scene.signer.sign(attributes)?);
        }
        provider.random(&mut key)?;
        provider.random(&mut nonce)?;
        let points: Vec<&[u8]> = scene
            .recipients
            .iter()
            .filter_map(|recipient| match recipient.public_key() {
                ravelin::crypto::certificate::PublicKey::Ec(_, point) => Some(point.as_slice()),
                _ => None,
            })
            .collect();
        let (_, secrets) = provider.agree_ephemeral_each(Curve::P384, &points)?;
        for secret in &secrets {
            let kek = provider.digest(Digest::Sha384, &[secret.as_bytes(), &[0; 27]]);
            let kek = kek.get(..32).unwrap_or_default();
            black_box(provider.wrap_key(wrap, kek, &key)?);
        }
        match self.case.cipher.mode() {
            Mode::Cbc => {
                black_box(provider.cbc_encrypt(self.case.cipher, &key, &nonce, &self.input)?);
            }
            Mode::Gcm => {
                let nonce = nonce.get(..12).unwrap_or_default();
                black_box(provider.gcm_seal(self.case.cipher, &key, nonce, &[], &self.input)?);
            }
        }
        Ok(())
    }

    /// How often a second, by the time that this thread was on a processor.
    fn rate(&self, scene: &Scene, round: Duration) -> Result<f64, Trouble> {
        self.once(scene)?;
        let began = Processor::now();
        let mut count = 0_u32;
        loop {
            // The kernel counts in ticks: it is asked seldom, and a round has many of them.
            self.once(scene)?;
            count += 1;
            let took = began.elapsed();
            if took >= round {
                return Ok(f64::from(count) / took.as_secs_f64());
            }
        }
    }
}

/// Time of this thread on a processor; by the clock on the wall where the kernel does not tell.
struct Processor {
    thread: Option<Duration>,
    wall: Instant,
}

impl Processor {
    fn now() -> Self {
        Self {
            thread: Self::of_thread(),
            wall: Instant::now(),
        }
    }

    fn elapsed(&self) -> Duration {
        let thread = self.thread.zip(Self::of_thread());
        thread.map_or_else(
            || self.wall.elapsed(),
            |(then, now)| now.saturating_sub(then),
        )
    }

    fn of_thread() -> Option<Duration> {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let nanoseconds = stat.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }
}

/// Names and programs of the peers that can be built here.
fn programs() -> Result<Vec<(String, PathBuf)>, Trouble> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/vs-openssl/build");
    let out = Command::new(build).stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8(out.stdout)?;
    Ok(said
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, path)| (name.to_owned(), PathBuf::from(path)))
        .collect())
}

/// A `peer.c` that runs.
struct Peer {
    name: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(name: String, program: &Path, folder: &Path) -> Result<Self, Trouble> {
        let mut child = Command::new(program)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no pipe")?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let mut version = String::new();
        output.read_line(&mut version)?;
        println!("{name}: {}", version.trim());
        Ok(Self {
            name,
            child,
            input,
            output,
        })
    }

    fn ask(&mut self, question: &str) -> Result<(String, f64), Trouble> {
        writeln!(self.input, "{question}")?;
        self.input.flush()?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        let (what, number) = answer
            .trim()
            .split_once(' ')
            .ok_or_else(|| format!("{} failed: {question}", self.name))?;
        Ok((what.to_owned(), number.parse()?))
    }

    fn rate(&mut self, case: Case, size: usize, round: Duration) -> Result<f64, Trouble> {
        let (count, nanoseconds) = self.ask(&format!(
            "{} {} {size} {}",
            case.verb(),
            cipher_name(case.cipher),
            round.as_millis()
        ))?;
        Ok(count.parse::<f64>()? * 1e9 / nanoseconds)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each opens what the other has made: what is measured is the same work.
fn agree(
    scene: &Scene,
    peer: &mut Peer,
    folder: &Path,
    size: usize,
    cipher: ContentCipher,
) -> Result<(), Trouble> {
    let file = folder.join("wrapped");
    let content = content(size);
    let ask = |peer: &mut Peer, verb: &str| {
        let (cipher, file) = (cipher_name(cipher), file.display());
        peer.ask(&format!("{verb} {cipher} {size} {file}"))
    };
    std::fs::write(&file, scene.triple_wrap(&content, cipher)?)?;
    ask(peer, "check")?;
    ask(peer, "make")?;
    let opened = scene.open(std::fs::read(&file)?)?;
    if opened.bytes() != content {
        return Err(format!("{} made something else", peer.name).into());
    }
    Ok(())
}
