//! `ravelin key`: the keys of a switch or of a person, from their making to their archive.
//!
//! Promises: a private key is written with mode 0600 and never over another file; a password comes
//! from a file, the environment or a systemd credential, never from the command line; nothing
//! secret is printed. Refuses: a request that its own key did not sign, a pair that is none.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::answer::{Answer, Trouble, chain};
use super::material::{self, Named, Place};
use super::print;
use crate::crypto::algorithm::{ContentCipher, Curve, KeyKind};
use crate::crypto::cms::envelope;
use crate::crypto::keys::Identity;
use crate::crypto::{lab, pbes2, pem, pkcs12, provider, request, token};

mod held;

/// The commands of `ravelin key`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin key generate --out sign.key.pem && \\\n  \
    ravelin key request --key sign.key.pem --subject 'CN=Switch,O=Alder' --out sign.csr"
)]
pub(super) struct Key {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Keep an old decryption key: add it to an archive (PKCS #12)
    #[command(
        after_help = "Example:\n  ravelin key archive --archive old.p12 --password-file \
        old.password decrypt-2025.pem decrypt-2025.key.pem"
    )]
    Archive {
        /// The archive; it is made if it is not there
        #[arg(long, value_name = "FILE")]
        archive: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// What expires: 90, 30 and 7 days ahead
    #[command(
        after_help = "Example:\n  ravelin key expiry --config ravelin.toml --format json\n\n\
        Exit code 0: nothing within 90 days; 1: something."
    )]
    Expiry(held::Held),
    /// Write a key and its certificates as PKCS #12, encrypted with AES-256
    #[command(
        after_help = "Example:\n  ravelin key export --out anna.p12 --password-file \
        anna.password anna.pem anna.key.pem"
    )]
    Export {
        /// The PKCS #12 file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Make a private key
    #[command(after_help = "Example:\n  ravelin key generate --kind p384 --out sign.key.pem")]
    Generate {
        #[arg(long, value_enum, default_value_t)]
        kind: Kind,
        /// The private key, in PEM; or pkcs11:token=…;object=… for a key that is made on a token
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        password: Password,
    },
    /// Take keys out of PKCS #12 into PEM, as configurations name them
    #[command(
        after_help = "Example:\n  ravelin key import --out sign --password-file p12.password \
        from-the-authority.p12\n\nWrites sign.pem and sign.key.pem; further entries are \
        sign-2.pem and so on."
    )]
    Import {
        /// The name of the files, without .pem
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Show what keys and certificates there are
    #[command(after_help = "Example:\n  ravelin key list pki/ --format json")]
    List(held::Held),
    /// Ask an authority to certify a key (PKCS #10)
    #[command(
        after_help = "Example:\n  ravelin key request --key sign.key.pem --subject \
        'CN=Switch,O=Alder' \\\n    --email domain-signing-authority@alder.example --usage sign \
        --out sign.csr"
    )]
    Request(Order),
    /// Wrap the key of a store up for the certificate of a key that is kept elsewhere, such as on a
    /// token
    #[command(
        after_help = "Example:\n  ravelin key wrap --for token.pem --out store.key.p7m\n\nWithout \
        KEY it makes a new one. Then: [store] key = \"store.key.p7m\", wrapping-key = { key = \
        \"pkcs11:…\", certificate = \"token.pem\" }."
    )]
    Wrap {
        /// The key of a store: 32 octets
        #[arg(value_name = "KEY")]
        key: Option<PathBuf>,
        /// The certificate, in PEM or DER
        #[arg(long = "for", value_name = "CERT")]
        recipient: PathBuf,
        /// Where the wrapped key goes: CMS in DER
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// A password, from where it is safe.
#[derive(Args, Debug)]
struct Password {
    /// A file with the password; otherwise the environment's RAVELIN_PASSWORD, or the systemd
    /// credential ravelin-password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Password {
    fn read(&self) -> Result<Option<Zeroizing<String>>, Trouble> {
        material::password(self.password_file.as_deref().map(named_password).as_ref())
    }
}

/// A key with its certificates.
#[derive(Args, Debug)]
struct Source {
    /// PKCS #12; or PEM certificates, then the PEM key if it is in a file of its own
    #[arg(value_name = "FILE", num_args = 1..=2, required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    password: Password,
    /// The password of FILE, if it is another one
    #[arg(long, value_name = "FILE")]
    source_password_file: Option<PathBuf>,
}

impl Source {
    fn read(&self) -> Result<Vec<Identity>, Trouble> {
        let password = match &self.source_password_file {
            Some(path) => material::password(Some(&named_password(path)))?,
            None => self.password.read()?,
        };
        let files = Named::all("FILE", &self.files);
        let (key, certificates) = match files.as_slice() {
            [certificates, key] => (key, Some(certificates)),
            [one] => (one, None),
            _ => return Err(Trouble::usage("no file is named", "name one or two")),
        };
        let password = password.as_ref().map(|password| password.as_str());
        material::identities(key, certificates, password)
    }
}

/// What an authority is asked for.
#[derive(Args, Debug)]
struct Order {
    /// The private key, in PEM; or pkcs11:token=…;object=… on a token
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The name that is asked for, such as CN=Switch,O=Alder
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// A mail address that is asked for
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// A host name that is asked for
    #[arg(long, value_name = "HOST")]
    dns: Vec<String>,
    /// What the certificate is to be used for
    #[arg(long, value_enum, default_value_t)]
    usage: Usage,
    /// The request, in PEM; without it, the standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    password: Password,
}

/// The kinds of key that can be made.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Kind {
    P256,
    #[default]
    P384,
    P521,
    Rsa3072,
    Rsa4096,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Usage {
    Encrypt,
    #[default]
    Sign,
    Tls,
}

pub(super) fn run(key: &Key) -> Result<Answer, Trouble> {
    match &key.act {
        Act::Archive { archive, source } => add_to_archive(archive, source),
        Act::Expiry(held) => held::expiry(held),
        Act::Export { out, source } => {
            let identities = source.read()?;
            let password = needed(source.password.read()?)?;
            secret(out, &packed(&identities, &password)?)?;
            said(out)
        }
        Act::Generate {
            kind,
            out,
            password,
        } => generate(*kind, out, password),
        Act::Import { out, source } => import(out, source),
        Act::List(held) => held::list(held),
        Act::Request(order) => ask(order),
        Act::Wrap {
            key,
            recipient,
            out,
        } => wrap(key.as_deref(), recipient, out),
    }
}

fn generate(kind: Kind, out: &Path, password: &Password) -> Result<Answer, Trouble> {
    let kind = match kind {
        Kind::P256 => KeyKind::Ec(Curve::P256),
        Kind::P384 => KeyKind::Ec(Curve::P384),
        Kind::P521 => KeyKind::Ec(Curve::P521),
        Kind::Rsa3072 => KeyKind::Rsa(3072),
        Kind::Rsa4096 => KeyKind::Rsa(4096),
    };
    let named = Named {
        path: out.to_owned(),
        place: Place::Option("--out"),
    };
    if let Some(uri) = named.token()? {
        let password = password.read()?;
        let pin = material::pin(&uri, password.as_ref().map(|password| password.as_str()))?;
        token::generate(&uri, pin.as_ref().map(|pin| pin.as_str()), kind)
            .map_err(|error| material::key_trouble(&named, &error.into()))?;
        return said(out);
    }
    let fault = |error| Trouble::Fault(format!("make a key: {error}"));
    let key = provider::default().generate_key(kind).map_err(fault)?;
    let own = key
        .pkcs8()
        .ok_or_else(|| Trouble::Fault("the key does not leave its place".to_owned()))?;
    let text = match password.read()? {
        Some(password) => {
            let sealed = pbes2::seal_pkcs8(own.as_bytes(), &password).map_err(fault)?;
            pem::encode("ENCRYPTED PRIVATE KEY", &sealed)
        }
        None => pem::encode("PRIVATE KEY", own.as_bytes()),
    };
    secret(out, Zeroizing::new(text).as_bytes())?;
    said(out)
}

fn ask(order: &Order) -> Result<Answer, Trouble> {
    let file = Named {
        path: order.key.clone(),
        place: Place::Option("--key"),
    };
    let password = order.password.read()?;
    let password = password.as_ref().map(|password| password.as_str());
    let key = material::private_key(&file, password)?;
    let subject = lab::name_der(&order.subject)
        .map_err(|error| Trouble::usage(chain(&error), "write it like CN=Anna Berg,O=Alder"))?;
    let usage = match order.usage {
        Usage::Encrypt => lab::Usage::Encrypt,
        Usage::Sign => lab::Usage::Sign,
        Usage::Tls => lab::Usage::ServerAndClient,
    };
    let wanted = lab::requested_extensions(key.public_spki(), usage, &order.email, &order.dns)
        .map_err(|error| Trouble::usage(chain(&error), "give addresses and hosts in ASCII"))?;
    let der = request::make(key.as_ref(), &subject, &wanted).map_err(|error| {
        file.trouble(
            chain(&error),
            "such a key is certified by other means than PKCS #10",
        )
    })?;
    // What goes out is what its reader will see.
    request::CertificateRequest::from_der(&der)
        .map_err(|error| Trouble::Fault(format!("read the request back: {}", chain(&error))))?;
    let text = pem::encode("CERTIFICATE REQUEST", &der);
    match &order.out {
        Some(out) => {
            write(out, text.as_bytes(), 0o644)?;
            said(out)
        }
        None => print::out(&text).map(|()| Answer::Yes),
    }
}

fn wrap(key: Option<&Path>, recipient: &Path, out: &Path) -> Result<Answer, Trouble> {
    let certificates = material::certificates(&Named::all(
        "--for",
        std::slice::from_ref(&recipient.to_owned()),
    ))?;
    let key = match key {
        Some(path) => Named {
            path: path.to_owned(),
            place: Place::Option("KEY"),
        }
        .read()?,
        None => {
            let mut key = Zeroizing::new(vec![0; 32]);
            provider::default()
                .random(&mut key)
                .map_err(|error| Trouble::Fault(format!("make a key: {error}")))?;
            key
        }
    };
    if key.len() != 32 {
        return Err(Trouble::usage(
            format!("KEY: it has {} octets", key.len()),
            "the key of a store has 32 octets",
        ));
    }
    let [recipient, ..] = certificates.as_slice() else {
        return Err(Trouble::usage("--for: no certificate", "name one"));
    };
    let wrapped = envelope::envelope(
        &key,
        std::slice::from_ref(recipient),
        ContentCipher::Aes256Gcm,
    )
    .map_err(|error| Trouble::usage(chain(&error), "give a certificate to encrypt for"))?;
    write(out, &wrapped, 0o600)?;
    said(out)
}

fn import(out: &Path, source: &Source) -> Result<Answer, Trouble> {
    let identities = source.read()?;
    for (identity, number) in identities.iter().zip(1usize..) {
        let name = match number {
            1 => out.display().to_string(),
            _ => format!("{}-{number}", out.display()),
        };
        let key = identity
            .key_to_pem()
            .ok_or_else(|| Trouble::Fault("the key does not leave its place".to_owned()))?;
        let (certificates, private) = (format!("{name}.pem"), format!("{name}.key.pem"));
        secret(Path::new(&private), key.as_bytes())?;
        let all = std::iter::once(identity.certificate()).chain(identity.chain());
        let text: String = all.map(|certificate| certificate.to_pem()).collect();
        write(Path::new(&certificates), text.as_bytes(), 0o644)?;
        print::out(&format!(
            "{certificates}, {private}: {}\n",
            print::clean(&identity.certificate().subject())
        ))?;
    }
    Ok(Answer::Yes)
}

fn add_to_archive(archive: &Path, source: &Source) -> Result<Answer, Trouble> {
    let password = needed(source.password.read()?)?;
    let file = Named {
        path: archive.to_owned(),
        place: Place::Option("--archive"),
    };
    let mut kept = match archive.exists() {
        true => pkcs12::read(&file.read()?, &password)
            .map_err(|error| file.trouble(chain(&error), "give the password of the archive"))?,
        false => Vec::new(),
    };
    for identity in source.read()? {
        let there = kept
            .iter()
            .any(|other| other.certificate() == identity.certificate());
        if there {
            return Err(file.trouble(
                format!("{} is in it already", identity.certificate().subject()),
                "nothing is to be done",
            ));
        }
        kept.push(identity);
    }
    // Beside it first, then in its place: a fault half-way leaves the old archive.
    let beside = archive.with_extension("new");
    secret(&beside, &packed(&kept, &password)?)?;
    std::fs::rename(&beside, archive)
        .map_err(|error| Trouble::Fault(format!("replace {}: {error}", archive.display())))?;
    print::out(&format!("{}: {} keys\n", archive.display(), kept.len()))?;
    Ok(Answer::Yes)
}

fn packed(identities: &[Identity], password: &str) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    pkcs12::write_all(identities, password)
        .map(Zeroizing::new)
        .map_err(|error| Trouble::usage(chain(&error), "export software keys only"))
}

fn needed(password: Option<Zeroizing<String>>) -> Result<Zeroizing<String>, Trouble> {
    password.ok_or_else(|| {
        Trouble::usage(
            "a PKCS #12 file needs a password",
            format!(
                "name a file with --password-file, or set {}",
                material::PASSWORD
            ),
        )
    })
}

fn named_password(path: &Path) -> Named {
    Named {
        path: path.to_owned(),
        place: Place::Option("--password-file"),
    }
}

/// Writes a new file that only its owner reads.
fn secret(path: &Path, octets: &[u8]) -> Result<(), Trouble> {
    write(path, octets, 0o600)
}

fn write(path: &Path, octets: &[u8], mode: u32) -> Result<(), Trouble> {
    let wrong = |error: std::io::Error| {
        Trouble::usage(
            format!("{}: cannot be written: {error}", path.display()),
            "name a file that does not exist yet, in a folder that you may write to",
        )
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(wrong)?;
    file.write_all(octets)
        .and_then(|()| file.sync_all())
        .map_err(wrong)
}

fn said(path: &Path) -> Result<Answer, Trouble> {
    print::out(&format!("{}\n", path.display()))?;
    Ok(Answer::Yes)
}
