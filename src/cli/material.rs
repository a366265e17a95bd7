//! Files that a person names on a command line or in a small configuration: anchors, revocation
//! lists, keys, label policies, passwords.
//!
//! Promises: PEM and DER are told apart by what is in the file; an error names the file, where it
//! was named, and what would mend it; a password comes from a file or the environment only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::answer::{Trouble, chain};
use crate::config::ConfigError;
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::decrypt::SharedKey;
use crate::crypto::keys::{self, Identity, KeyError, PrivateKey, Secret, Source};
use crate::crypto::revocation::{RevocationList, RevocationListError};
use crate::crypto::token::{self, TokenError, TokenUri};
use crate::crypto::trust::{RevocationCheck, TrustStore};
use crate::label::{Policies, Policy};

pub(super) use crate::crypto::keys::is_pem;

/// Where a password stands when no file is named.
pub(super) const PASSWORD: &str = "RAVELIN_PASSWORD";

/// Where systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A path, and where somebody named it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) place: Place,
}

/// Where something was said.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In a configuration.
    File {
        file: PathBuf,
        line: usize,
        key: String,
    },
    /// On the command line.
    Option(&'static str),
}

impl Place {
    pub(super) fn trouble(&self, text: impl Into<String>, remedy: &str) -> Trouble {
        match self {
            Self::File { file, line, key } => ConfigError {
                file: file.clone(),
                line: Some(*line),
                key: key.clone(),
                text: text.into(),
                remedy: remedy.to_owned(),
            }
            .into(),
            Self::Option(name) => Trouble::usage(format!("{name}: {}", text.into()), remedy),
        }
    }
}

impl Named {
    /// Paths that were given with an option.
    pub(super) fn all(option: &'static str, paths: &[PathBuf]) -> Vec<Self> {
        paths
            .iter()
            .map(|path| Self {
                path: path.clone(),
                place: Place::Option(option),
            })
            .collect()
    }

    /// The name of a token, or of a key on it, if it is none of a file.
    pub(super) fn token(&self) -> Result<Option<TokenUri>, Trouble> {
        if !token::is_token(&self.path) {
            return Ok(None);
        }
        let uri = TokenUri::parse(&self.path.to_string_lossy());
        uri.map(Some).map_err(|error| {
            let remedy = "write it as pkcs11:token=…;object=…?module-path=/path/of/the/module.so";
            self.place.trouble(chain(&error), remedy)
        })
    }

    /// What is wrong with this file.
    pub(super) fn trouble(&self, text: impl Into<String>, remedy: &str) -> Trouble {
        let text = format!("{}: {}", self.path.display(), text.into());
        self.place.trouble(text, remedy)
    }

    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        read(&self.path).map_err(|text| self.trouble(text, "check the name and the permissions"))
    }

    /// The file, or every file of the folder, in the order of names.
    pub(super) fn files(&self) -> Result<Vec<Self>, Trouble> {
        if !self.path.is_dir() {
            return Ok(vec![self.clone()]);
        }
        let wrong = |error: std::io::Error| {
            self.trouble(
                format!("cannot be read: {error}"),
                "check the name and the permissions",
            )
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths
            .into_iter()
            .map(|path| Self {
                path,
                place: self.place.clone(),
            })
            .collect())
    }
}

/// Certificates in PEM or DER. In a folder, files without a certificate are passed over.
pub(super) fn certificates(named: &[Named]) -> Result<Vec<Certificate>, Trouble> {
    let remedy = "give PEM or DER files with X.509 certificates";
    let mut all = Vec::new();
    for name in named {
        for file in name.files()? {
            let octets = file.read()?;
            let found = if is_pem(&octets) {
                Certificate::from_pem_many(&octets).map_err(|e| file.trouble(chain(&e), remedy))?
            } else {
                match Certificate::from_der(&octets) {
                    Ok(certificate) => vec![certificate],
                    Err(_) if name.path.is_dir() => Vec::new(),
                    Err(error) => return Err(file.trouble(chain(&error), remedy)),
                }
            };
            if found.is_empty() && !name.path.is_dir() {
                return Err(file.trouble("holds no certificate", remedy));
            }
            all.extend(found);
        }
    }
    Ok(all)
}

/// Revocation lists in PEM or DER. In a folder, files without a list are passed over.
pub(super) fn revocation_lists(named: &[Named]) -> Result<Vec<RevocationList>, Trouble> {
    let remedy = "give PEM or DER files with X.509 revocation lists";
    let mut all = Vec::new();
    for name in named {
        for file in name.files()? {
            let octets = file.read()?;
            let found = if is_pem(&octets) {
                RevocationList::from_pem_many(&octets)
                    .map_err(|e| file.trouble(chain(&e), remedy))?
            } else {
                match RevocationList::from_der(&octets) {
                    Ok(list) => vec![list],
                    Err(_) if name.path.is_dir() => Vec::new(),
                    Err(error) => return Err(file.trouble(chain(&error), remedy)),
                }
            };
            if found.is_empty() && !name.path.is_dir() {
                return Err(file.trouble("holds no revocation list", remedy));
            }
            all.extend(found);
        }
    }
    Ok(all)
}

/// As [`revocation_lists`], but a list that may not be used (RFC 5280 §5.2: unknown and critical) is
/// left out, with a warning: the status that it tells is unknown then.
pub(super) fn usable_lists(named: &[Named]) -> Result<Vec<RevocationList>, Trouble> {
    let mut all = Vec::new();
    for name in named {
        for file in name.files()? {
            let octets = file.read()?;
            if !is_pem(&octets)
                && let Err(error @ RevocationListError::UnknownCritical(_)) =
                    RevocationList::from_der(&octets)
            {
                tracing::warn!("{}: {error}; it is left out", file.path.display());
                continue;
            }
            // A file of a folder may be something else; one that was named may not.
            match revocation_lists(std::slice::from_ref(&file)) {
                Ok(lists) => all.extend(lists),
                Err(_) if name.path.is_dir() => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }
    Ok(all)
}

/// The anchors and CRLs that a person names. Without a CRL none is asked for; with one, each
/// certificate needs one.
pub(super) fn trust(
    anchors: &[PathBuf],
    lists: &[PathBuf],
) -> Result<(TrustStore, RevocationCheck), Trouble> {
    let anchors = certificates(&Named::all("--trust", anchors))?;
    let lists = revocation_lists(&Named::all("--crl", lists))?;
    let check = match lists.is_empty() {
        true => RevocationCheck::Optional,
        false => RevocationCheck::Required,
    };
    let store = TrustStore::new(anchors, Vec::new(), lists).with_revocation(check);
    Ok((store, check))
}

/// The keys that a person opens messages with, all under one password.
pub(super) fn openers(
    keys: &[PathBuf],
    certificates: &[PathBuf],
    password: Option<&str>,
) -> Result<Vec<Identity>, Trouble> {
    let certificates = Named::all("--cert", certificates);
    let mut all = Vec::new();
    for (index, key) in Named::all("--key", keys).iter().enumerate() {
        all.extend(identities(key, certificates.get(index), password)?);
    }
    Ok(all)
}

/// Label policies (SPIF).
pub(super) fn policies(named: &[Named]) -> Result<Policies, Trouble> {
    let mut all = Vec::new();
    for file in named {
        let xml = file.read()?;
        let source = file.path.display().to_string();
        all.push(Policy::from_spif(&xml, &source).map_err(|error| {
            file.place
                .trouble(error.to_string(), "mend the policy at the place named")
        })?);
    }
    Policies::new(all).map_err(|error| Trouble::usage(error, "name each label policy only once"))
}

/// The identities in a PKCS #12 file, or the one of a PEM key or a token and its certificate. Without
/// a certificate file, the certificate stands in the file of the key, or beside it on the token.
pub(super) fn identities(
    key: &Named,
    certificate: Option<&Named>,
    password: Option<&str>,
) -> Result<Vec<Identity>, Trouble> {
    let certificates = certificate.map(Named::read).transpose()?;
    let certificates = certificates.as_ref().map(|octets| octets.as_slice());
    if let Some(uri) = key.token()? {
        let pin = pin(&uri, password)?;
        let pin = pin.as_ref().map(|pin| pin.as_str());
        return keys::identities(&Source::Token(uri), certificates, pin)
            .map_err(|error| key_trouble(key, &error));
    }
    let octets = key.read()?;
    keys::identities(&Source::File(&octets), certificates, password)
        .map_err(|error| key_trouble(key, &error))
}

/// A private key by itself: PEM, or on a token.
pub(super) fn private_key(
    key: &Named,
    password: Option<&str>,
) -> Result<Arc<dyn PrivateKey>, Trouble> {
    let found = match key.token()? {
        Some(uri) => {
            let pin = pin(&uri, password)?;
            token::key(&uri, pin.as_ref().map(|pin| pin.as_str())).map_err(KeyError::from)
        }
        None => keys::key_from_pem(&key.read()?, password),
    };
    found.map_err(|error| key_trouble(key, &error))
}

/// What is wrong with a key: a token that does not answer is a fault, everything else a mistake.
pub(super) fn key_trouble(key: &Named, error: &KeyError) -> Trouble {
    let away = matches!(
        error,
        KeyError::Token(TokenError::Away(_) | TokenError::NoToken | TokenError::Module { .. })
    );
    if away {
        return Trouble::Fault(format!("{}: {}", key.path.display(), chain(error)));
    }
    let remedy = match error {
        KeyError::Token(_) => {
            format!("give the name of a key, and its PIN with --password-file or {PASSWORD}")
        }
        KeyError::NoPassword | KeyError::Password(_) => {
            format!("name a file with --password-file, or set {PASSWORD}")
        }
        _ => {
            "give the key and its certificate, in PEM, PKCS #12 or on a token, and the password if \
              it has one"
                .to_owned()
        }
    };
    key.trouble(chain(error), &remedy)
}

/// The PIN of a token: what was given as a password, or else the file that the name says.
pub(super) fn pin(
    uri: &TokenUri,
    password: Option<&str>,
) -> Result<Option<Zeroizing<String>>, Trouble> {
    if let Some(password) = password {
        return Ok(Some(Zeroizing::new(password.to_owned())));
    }
    let Some(path) = uri.pin_source() else {
        return Ok(None);
    };
    let file = Named {
        path: path.to_owned(),
        place: Place::Option("pin-source"),
    };
    self::password(Some(&file))
}

/// One identity for each key: the first one in a PKCS #12 file.
pub(super) fn signers(
    keys: &[Named],
    certificates: &[Named],
    password: Option<&str>,
) -> Result<Vec<Identity>, Trouble> {
    keys.iter()
        .enumerate()
        .map(|(index, key)| {
            identities(key, certificates.get(index), password)?
                .into_iter()
                .next()
                .ok_or_else(|| key.trouble("holds no key", "give a key with its certificate"))
        })
        .collect()
}

/// The password in the file of `--password-file`, or else of the environment.
pub(super) fn password_of(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Trouble> {
    password(
        file.map(|path| Named {
            path: path.to_owned(),
            place: Place::Option("--password-file"),
        })
        .as_ref(),
    )
}

/// What systemd gave this service with `LoadCredential=ravelin-password:…`, unless the environment
/// has a password of its own.
fn credential() -> Option<Named> {
    if std::env::var_os(PASSWORD).is_some() {
        return None;
    }
    let path = Path::new(&std::env::var_os(CREDENTIALS)?).join("ravelin-password");
    path.exists().then_some(Named {
        path,
        place: Place::Option(CREDENTIALS),
    })
}

/// A password: the first line of a file, or else the environment's, or else a systemd credential.
pub(super) fn password(file: Option<&Named>) -> Result<Option<Zeroizing<String>>, Trouble> {
    let credential = credential();
    let Some(file) = file.or(credential.as_ref()) else {
        return Ok(std::env::var(PASSWORD).ok().map(Zeroizing::new));
    };
    let octets = file.read()?;
    let text = std::str::from_utf8(&octets)
        .map_err(|_| file.trouble("is not UTF-8", "the file holds the password as one line"))?;
    Ok(Some(Zeroizing::new(
        text.lines().next().unwrap_or_default().to_owned(),
    )))
}

// RFC 5652 §6.2.4
/// Passwords that messages are encrypted with: the first line of each file.
pub(super) fn message_passwords(files: &[Named]) -> Result<Vec<Secret>, Trouble> {
    let first_line = |file| {
        let line = password(Some(file))?.unwrap_or_default();
        Ok(Secret::new(line.as_bytes().to_vec()))
    };
    files.iter().map(first_line).collect()
}

// RFC 5652 §6.2.3
/// Keys that sender and recipient hold beforehand: one line `IDENTIFIER:KEY` in each file.
pub(super) fn shared_keys(files: &[Named]) -> Result<Vec<SharedKey>, Trouble> {
    let shared_key = |file: &Named| {
        let line = password(Some(file))?.unwrap_or_default();
        let pair = line.trim().split_once(':');
        let octets = pair.and_then(|(name, key)| Some((unhex(name)?, unhex(key)?)));
        let (identifier, key) = octets.ok_or_else(|| {
            let remedy = "write one line IDENTIFIER:KEY, both in hexadecimal";
            file.trouble("is not a shared key", remedy)
        })?;
        let key = Secret::new(key);
        Ok(SharedKey { identifier, key })
    };
    files.iter().map(shared_key).collect()
}

/// Octets that are written as pairs of hexadecimal digits; at least one.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    let pair = |pair: &[u8]| pair.iter().fold(0, |octet: u8, digit| octet << 4 | digit);
    Some(digits.chunks(2).map(pair).collect())
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("cannot be read: {error}"))
}
