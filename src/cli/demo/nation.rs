//! One nation of the demo: its people, its PKI, its policy and the configuration of its switch.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{Person, Trouble};
use crate::clock::Timestamp;
use crate::crypto::algorithm::{Curve, KeyKind};
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::pkcs12;
use crate::store::StoreKey;

/// The password of every PKCS#12 file of the demo.
pub const PASSWORD: &str = "demo";

/// What tells one nation from the other.
pub struct Profile {
    /// `alder` or `birch`: folder, domain and host names come from it.
    pub name: &'static str,
    /// The local parts of its people; each gets a signing and an encryption certificate.
    pub people: &'static [&'static str],
}

/// The ports of one nation, all on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Its people submit here.
    pub submission: SocketAddr,
    /// The other switch connects here.
    pub relay: SocketAddr,
    /// Releasing officers connect here.
    pub desk: SocketAddr,
}

/// A nation with its keys.
pub struct Nation {
    /// What tells it from the other.
    pub profile: Profile,
    /// Its authority.
    pub authority: Authority,
    /// Its people, by local part.
    pub people: BTreeMap<&'static str, Person>,
    /// Where its switch listens.
    pub ports: Ports,
    border_sign: Identity,
    border_encrypt: Identity,
    tls: Identity,
}

impl Nation {
    /// Makes authority, people, border and TLS keys.
    ///
    /// # Errors
    /// When a key cannot be made, or no port is free.
    pub fn found(profile: Profile, now: Timestamp) -> Result<Self, Trouble> {
        let nation = profile.name.to_uppercase();
        let domain = format!("{}.example", profile.name);
        let authority = Authority::lasting(
            &format!("CN={nation} Demo CA,O={nation}"),
            now,
            KeyKind::Ec(Curve::P384),
            Duration::from_secs(3650 * 24 * 60 * 60),
        )?;
        let issue = |name: &str, usage, local: &str| {
            let request = Request::new(&format!("CN={name},O={nation}"), usage, now);
            authority.issue(request.email(&format!("{local}@{domain}")))
        };
        // RFC 3183 §3.1.1: the names of those who act for a domain
        let signer = "domain-signing-authority";
        let confidant = "domain-confidentiality-authority";
        let border_sign = issue(signer, Usage::Sign, signer)?;
        let border_encrypt = issue(confidant, Usage::Encrypt, confidant)?;
        let host = format!("switch.{domain}");
        let tls = authority.issue(
            Request::new(
                &format!("CN={host},O={nation}"),
                Usage::ServerAndClient,
                now,
            )
            .dns(&host),
        )?;
        let mut people = BTreeMap::new();
        for local in profile.people {
            let person = Person {
                address: format!("{local}@{domain}").parse()?,
                sign: issue(local, Usage::SignAndClient, local)?,
                encrypt: issue(local, Usage::Encrypt, local)?,
            };
            people.insert(*local, person);
        }
        Ok(Self {
            profile,
            authority,
            people,
            ports: Ports::free()?,
            border_sign,
            border_encrypt,
            tls,
        })
    }

    /// The person with this local part.
    ///
    /// # Errors
    /// When the demo has no such person.
    pub fn person(&self, local: &str) -> Result<&Person, Trouble> {
        self.people
            .get(local)
            .ok_or_else(|| format!("nobody is called {local}").into())
    }

    /// The host name of its switch.
    pub fn host(&self) -> String {
        format!("switch.{}.example", self.profile.name)
    }

    /// The certificate that others encrypt for.
    pub fn border_certificate(&self) -> &Certificate {
        self.border_encrypt.certificate()
    }

    /// Writes `pki/NATION`: certificates and keys as PEM, people's signing keys as PKCS#12 too.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_pki(&self, dir: &Path, now: Timestamp) -> Result<(), Trouble> {
        let dir = dir.join("pki").join(self.profile.name);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("ca.pem"), self.authority.certificate().to_pem())?;
        fs::write(dir.join("ca.crl.pem"), self.authority.crl_pem(&[], now)?)?;
        let identities = [
            ("border-sign".to_owned(), &self.border_sign),
            ("border-encrypt".to_owned(), &self.border_encrypt),
            ("tls".to_owned(), &self.tls),
        ];
        let of_people = self.people.iter().flat_map(|(local, person)| {
            [
                ((*local).to_owned(), &person.sign),
                (format!("{local}-encrypt"), &person.encrypt),
            ]
        });
        for (name, identity) in identities.into_iter().chain(of_people) {
            fs::write(
                dir.join(format!("{name}.pem")),
                identity.certificate().to_pem(),
            )?;
            let key = identity
                .key_to_pem()
                .ok_or("a key of the demo is no software key")?;
            write_secret(&dir.join(format!("{name}.key.pem")), key.as_bytes())?;
        }
        for (local, person) in &self.people {
            let file = pkcs12::write(&person.sign, PASSWORD)?;
            write_secret(&dir.join(format!("{local}.p12")), &file)?;
        }
        write_secret(&dir.join("password.txt"), PASSWORD.as_bytes())?;
        StoreKey::create(&dir.join("store.key"))?;
        Ok(())
    }

    /// Writes `config/NATION.toml` and gives back its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_config(&self, dir: &Path, rest: &str) -> Result<PathBuf, Trouble> {
        let dir = dir.join("config");
        fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{}.toml", self.profile.name));
        fs::write(&path, format!("{}{rest}", self.head()))?;
        Ok(path)
    }

    /// The sections that both nations write alike.
    fn head(&self) -> String {
        let name = self.profile.name;
        let (domain, pki) = (format!("{name}.example"), format!("../pki/{name}"));
        format!(
            r#"# The switch of {nation}, as `ravelin demo` made it. Its keys are demo keys.
[switch]
name = "{host}"
domains = ["{domain}"]
postmaster = "postmaster@{domain}"

[store]
directory = "../store/{name}"
key = "{pki}/store.key"

[keys]
sign = {{ certificate = "{pki}/border-sign.pem", key = "{pki}/border-sign.key.pem" }}
decrypt = [{{ certificate = "{pki}/border-encrypt.pem", key = "{pki}/border-encrypt.key.pem" }}]
tls = {{ certificate = "{pki}/tls.pem", key = "{pki}/tls.key.pem" }}

[trust]
anchors = ["{pki}/ca.pem"]
crls = ["{pki}/ca.crl.pem"]
revocation = "required"

[[listen]]
name = "submission"
address = "{submission}"
role = "submission"

[[listen]]
name = "relay"
address = "{relay}"
role = "relay"

[audit]
file = "../audit/{name}.jsonl"

[admin]
address = "{desk}"
"#,
            nation = name.to_uppercase(),
            host = self.host(),
            submission = self.ports.submission,
            relay = self.ports.relay,
            desk = self.ports.desk,
        )
    }
}

impl Ports {
    /// Ports that nobody listens on.
    fn free() -> Result<Self, Trouble> {
        Ok(Self {
            submission: free_port()?,
            relay: free_port()?,
            desk: free_port()?,
        })
    }
}

/// A port below those that systems give to connections, so that no connection takes it before its
/// listener does; no two calls of one process give the same.
fn free_port() -> Result<SocketAddr, Trouble> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT))?.wrapping_mul(7);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + begin.wrapping_add(step) % COUNT;
        if let Ok(free) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(free.local_addr()?);
        }
    }
    Err("no port is free on this machine".into())
}

/// Writes a file that only its owner reads.
fn write_secret(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(octets)
}
