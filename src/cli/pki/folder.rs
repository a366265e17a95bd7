//! The folder of a laboratory: authorities, what they issued, and what became of it.
//!
//! ```text
//! pki.json              the record: numbers of lists, every certificate, every revocation
//! authorities/NAME.pem  certificate and those above it; NAME.key.pem, mode 0600
//! issued/SERIAL.pem     every certificate
//! crl/NAME.crl.pem      the newest list; NAME.delta.crl.pem
//! ```
//!
//! Promises: one command at a time (a lock); the record is written beside and renamed, so that a fault
//! half-way leaves the old one; a certificate is on record before anybody gets it.
//! Refuses: a record of another version, a name that would leave the folder.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::answer::{Trouble, chain};
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Identity;
use crate::crypto::lab::Authority;
use crate::crypto::{pbes2, pem};

/// The version of the record that is written here.
const VERSION: u16 = 1;

/// What is on record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) version: u16,
    pub(super) crl_url: Option<String>,
    pub(super) ocsp_url: Option<String>,
    pub(super) authorities: Vec<Office>,
    pub(super) certificates: Vec<Issued>,
}

/// An authority and its lists.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Office {
    pub(super) name: String,
    /// The number of its newest list, complete or delta.
    pub(super) list_number: u64,
    /// The newest complete list.
    pub(super) complete: Option<Complete>,
}

/// A complete list, which delta lists go with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Complete {
    pub(super) number: u64,
    pub(super) made: Timestamp,
}

/// A certificate that was issued.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issued {
    /// In hexadecimal, as other tools print it.
    pub(super) serial: String,
    /// The name of the authority.
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) not_after: Timestamp,
    pub(super) revoked: Option<Revoked>,
    /// When it was last taken off hold.
    pub(super) released: Option<Timestamp>,
}

/// That a certificate is revoked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoked {
    /// From when on it counts as revoked.
    pub(super) since: Timestamp,
    /// CRLReason.
    pub(super) reason: u8,
    /// When that was put on record.
    pub(super) recorded: Timestamp,
}

/// An open folder. Others wait until it is dropped.
pub(super) struct Folder {
    dir: PathBuf,
    pub(super) record: Record,
    _lock: File,
}

impl Folder {
    /// A new folder with an empty record.
    pub(super) fn create(
        dir: &Path,
        crl_url: Option<String>,
        ocsp_url: Option<String>,
    ) -> Result<Self, Trouble> {
        for part in ["", "authorities", "issued", "crl"] {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(|error| failed("make", &path, &error))?;
        }
        let lock = lock(dir)?;
        if dir.join("pki.json").exists() {
            return Err(Trouble::usage(
                format!("{}: there is a laboratory already", dir.display()),
                "name another folder",
            ));
        }
        Ok(Self {
            dir: dir.to_owned(),
            record: Record {
                version: VERSION,
                crl_url,
                ocsp_url,
                authorities: Vec::new(),
                certificates: Vec::new(),
            },
            _lock: lock,
        })
    }

    /// An existing folder.
    pub(super) fn open(dir: &Path) -> Result<Self, Trouble> {
        let path = dir.join("pki.json");
        let wrong = |text: String| {
            Trouble::usage(
                format!("{}: {text}", path.display()),
                "name the folder that `ravelin pki init` made, with --dir",
            )
        };
        if !path.exists() {
            return Err(wrong("there is no laboratory".to_owned()));
        }
        let lock = lock(dir)?;
        let text = fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let record: Record =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if record.version != VERSION {
            return Err(wrong(format!("version {} is not known", record.version)));
        }
        Ok(Self {
            dir: dir.to_owned(),
            record,
            _lock: lock,
        })
    }

    /// Writes the record: beside first, then in its place.
    pub(super) fn keep(&self) -> Result<(), Trouble> {
        let mut text = serde_json::to_vec_pretty(&self.record)
            .map_err(|error| Trouble::Fault(format!("write the record: {error}")))?;
        text.push(b'\n');
        self.replace(&self.dir.join("pki.json"), &text)
    }

    /// A file in the folder: beside first, then in its place.
    pub(super) fn replace(&self, path: &Path, octets: &[u8]) -> Result<(), Trouble> {
        let beside = path.with_extension("new");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(octets)?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|error| failed("write", path, &error))
    }

    /// Where the list of an authority is.
    pub(super) fn list_path(&self, name: &str, delta: bool) -> PathBuf {
        let kind = if delta { "delta.crl.pem" } else { "crl.pem" };
        self.dir.join("crl").join(format!("{name}.{kind}"))
    }

    /// Puts an authority and its key into the folder.
    pub(super) fn add_authority(
        &mut self,
        name: &str,
        authority: &Identity,
        password: Option<&str>,
    ) -> Result<(), Trouble> {
        checked(name)?;
        if self
            .record
            .authorities
            .iter()
            .any(|office| office.name == name)
        {
            return Err(Trouble::usage(
                format!("there is an authority {name} already"),
                "give it another name",
            ));
        }
        let place = self.dir.join("authorities");
        let all = std::iter::once(authority.certificate()).chain(authority.chain());
        let text: String = all.map(Certificate::to_pem).collect();
        secret(
            &place.join(format!("{name}.key.pem")),
            key_pem(authority, password)?.as_bytes(),
        )?;
        self.replace(&place.join(format!("{name}.pem")), text.as_bytes())?;
        self.record.authorities.push(Office {
            name: name.to_owned(),
            list_number: 0,
            complete: None,
        });
        Ok(())
    }

    /// An authority of the folder, with its key.
    pub(super) fn authority(
        &self,
        name: &str,
        password: Option<&str>,
    ) -> Result<Authority, Trouble> {
        self.office(name)?;
        let place = self.dir.join("authorities");
        let read = |file: String| {
            let path = place.join(file);
            fs::read(&path)
                .map(Zeroizing::new)
                .map_err(|error| failed("read", &path, &error))
        };
        let certificate = read(format!("{name}.pem"))?;
        let key = read(format!("{name}.key.pem"))?;
        let identity = Identity::from_pem(&certificate, &key, password).map_err(|error| {
            Trouble::usage(
                format!("the key of {name}: {}", chain(&error)),
                "give the authorities' password with --password-file",
            )
        })?;
        Ok(Authority::from_identity(identity))
    }

    /// The certificate of an authority.
    pub(super) fn certificate_of(&self, name: &str) -> Result<Certificate, Trouble> {
        let path = self.dir.join("authorities").join(format!("{name}.pem"));
        let text = fs::read(&path).map_err(|error| failed("read", &path, &error))?;
        let found = Certificate::from_pem_many(&text);
        let first = found.ok().and_then(|all| all.into_iter().next());
        first.ok_or_else(|| Trouble::Fault(format!("{}: no certificate", path.display())))
    }

    fn office(&self, name: &str) -> Result<&Office, Trouble> {
        let known = self.record.authorities.iter();
        known
            .clone()
            .find(|office| office.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = known.map(|office| office.name.as_str()).collect();
                Trouble::usage(
                    format!("there is no authority {name}"),
                    format!("name one of: {}", names.join(", ")),
                )
            })
    }

    pub(super) fn office_mut(&mut self, name: &str) -> Result<&mut Office, Trouble> {
        self.office(name)?;
        let found = self
            .record
            .authorities
            .iter_mut()
            .find(|one| one.name == name);
        found.ok_or_else(|| Trouble::Fault(format!("the authority {name} is gone")))
    }

    /// Puts a certificate on record.
    pub(super) fn add(&mut self, certificate: &Certificate, issuer: &str) -> Result<(), Trouble> {
        let serial = certificate.serial_hex();
        let path = self.dir.join("issued").join(format!("{serial}.pem"));
        self.replace(&path, certificate.to_pem().as_bytes())?;
        self.record.certificates.push(Issued {
            serial,
            issuer: issuer.to_owned(),
            subject: certificate.subject(),
            not_after: certificate.not_after(),
            revoked: None,
            released: None,
        });
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<File, Trouble> {
    let path = dir.join("lock");
    let open = || {
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    };
    open().map_err(|error: std::io::Error| failed("lock", &path, &error))
}

/// A private key in PEM, encrypted if there is a password.
pub(super) fn key_pem(
    identity: &Identity,
    password: Option<&str>,
) -> Result<Zeroizing<String>, Trouble> {
    let own = identity
        .pkcs8_der()
        .ok_or_else(|| Trouble::Fault("the key does not leave its place".to_owned()))?;
    let Some(password) = password else {
        return Ok(Zeroizing::new(pem::encode("PRIVATE KEY", own.as_bytes())));
    };
    let sealed = pbes2::seal_pkcs8(own.as_bytes(), password)
        .map_err(|error| Trouble::Fault(format!("encrypt a key: {error}")))?;
    Ok(Zeroizing::new(pem::encode(
        "ENCRYPTED PRIVATE KEY",
        &sealed,
    )))
}

/// Writes a new file that only its owner reads.
pub(super) fn secret(path: &Path, octets: &[u8]) -> Result<(), Trouble> {
    create(path, octets, 0o600)
}

/// Writes a new file that everybody may read.
pub(super) fn public(path: &Path, octets: &[u8]) -> Result<(), Trouble> {
    create(path, octets, 0o644)
}

fn create(path: &Path, octets: &[u8], mode: u32) -> Result<(), Trouble> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(octets)?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| {
        Trouble::usage(
            format!("{}: cannot be written: {error}", path.display()),
            "name a file that does not exist yet, in a folder that you may write to",
        )
    })
}

/// A name of an authority, which is also that of its files.
fn checked(name: &str) -> Result<(), Trouble> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !name.is_empty() && name.len() <= 64 && name.chars().all(is_part) {
        true => Ok(()),
        false => Err(Trouble::usage(
            format!("{name:?} is no name of an authority"),
            "use letters, digits, - and _",
        )),
    }
}

fn failed(act: &str, path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::Fault(format!("{act} {}: {error}", path.display()))
}
