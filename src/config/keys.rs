//! The switch's own keys: from PEM, PKCS #12 or a token, with passwords from where they are safe.
//!
//! Promises: a password comes from a file that only its owner reads, the environment, or a credential
//! of the service manager; of several signing keys the newest valid one signs, so that a successor
//! takes over at its notBefore without a new start.
//! Refuses: two sources of one password; a key without its certificate.

use std::path::{Path, PathBuf};

use toml::Spanned;
use zeroize::Zeroizing;

use super::ConfigError;
use super::meant::Keys;
use super::resolve::Place;
use super::written::{self, KeyFiles};
use crate::clock::Timestamp;
use crate::crypto::certificate::KeyUsage;
use crate::crypto::keys::{self, Identity, Source};
use crate::crypto::token::{TokenUri, is_token};
use crate::decision::Fault;

/// Where the service manager puts credentials (systemd.exec, `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

impl Keys {
    /// The key that signs at this time: of those whose certificates are valid then, the one that
    /// became valid last.
    ///
    /// # Errors
    /// A fault when none is valid: nobody would believe the signature.
    pub fn signer(&self, at: Timestamp) -> Result<&Identity, Fault> {
        self.sign
            .iter()
            .filter(|identity| {
                let certificate = identity.certificate();
                certificate.not_before() <= at && at <= certificate.not_after()
            })
            .max_by_key(|identity| identity.certificate().not_before())
            .ok_or_else(|| {
                let hint = "none of keys.sign is valid now: add its successor, and reload";
                Fault::new("sign", hint)
            })
    }
}

/// What a key must be good for, when several stand in one file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Decrypt,
    Sign,
}

impl Use {
    // RFC 5280 §4.2.1.3: without keyUsage every use is allowed.
    fn allows(self, usage: Option<KeyUsage>) -> bool {
        usage.is_none_or(|usage| match self {
            Self::Decrypt => usage.key_agreement() || usage.key_encipherment(),
            Self::Sign => usage.digital_signature() || usage.non_repudiation(),
        })
    }
}

impl Place<'_> {
    pub(super) fn keys(&self, written: &written::Keys) -> Result<Keys, ConfigError> {
        let all = |key, files: &[KeyFiles], wanted| {
            let mut all = Vec::new();
            for files in files {
                all.extend(self.fit(key, files, wanted)?);
            }
            Ok::<_, ConfigError>(all)
        };
        let sign = all("keys.sign", &written.sign.0, Use::Sign)?;
        if sign.is_empty() {
            return Err(self.whole(
                "keys.sign",
                "no signing key is named",
                "name one key, or a list of keys that take over from each other",
            ));
        }
        let decrypt = all("keys.decrypt", &written.decrypt, Use::Decrypt)?;
        let tls = self.fit("keys.tls", &written.tls, Use::Sign)?;
        Ok(Keys {
            sign,
            decrypt_pkcs1: decrypt
                .iter()
                .cloned()
                .map(Identity::reading_pkcs1)
                .collect(),
            decrypt,
            tls: tls.into_iter().next().ok_or_else(|| {
                self.error(
                    written.tls.key.span(),
                    "keys.tls",
                    "no key in it may sign",
                    "name a key whose certificate allows signatures",
                )
            })?,
        })
    }

    /// The keys for one use; the only one of a file is taken as it is.
    fn fit(&self, key: &str, files: &KeyFiles, wanted: Use) -> Result<Vec<Identity>, ConfigError> {
        let mut found = self.identities(key, files)?;
        if found.len() > 1 {
            found.retain(|identity| wanted.allows(identity.certificate().key_usage()));
        }
        if found.is_empty() {
            return Err(self.error(
                files.key.span(),
                key,
                "none of its keys may be used for this",
                "name a key whose certificate has the key usage",
            ));
        }
        Ok(found)
    }

    /// Every key of one source, with its certificate.
    pub(super) fn identities(
        &self,
        key: &str,
        files: &KeyFiles,
    ) -> Result<Vec<Identity>, ConfigError> {
        let certificates = match &files.certificate {
            Some(path) => Some(self.read(&format!("{key}.certificate"), path)?),
            None => None,
        };
        let wrong = |error: &dyn std::error::Error, remedy: &str| {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text.push_str(": ");
                text.push_str(&error.to_string());
                cause = error.source();
            }
            self.error(files.key.span(), key, text, remedy)
        };
        let password = self.key_password(key, files)?;
        let octets;
        let source = if is_token(files.key.get_ref()) {
            let name = files.key.get_ref().to_string_lossy();
            let remedy = "write it as pkcs11:token=…;object=…?module-path=…";
            Source::Token(TokenUri::parse(&name).map_err(|error| wrong(&error, remedy))?)
        } else {
            octets = Zeroizing::new(self.read(&format!("{key}.key"), &files.key)?);
            Source::File(&octets)
        };
        let password = match (&password, &source) {
            (None, Source::Token(uri)) => match uri.pin_source() {
                Some(path) => Some(self.secret(key, files.key.span(), path, 0o077)?),
                None => None,
            },
            _ => password,
        };
        let password = password.as_ref().map(|password| password.as_str());
        keys::identities(&source, certificates.as_deref(), password).map_err(|error| {
            let remedy = match source {
                Source::File(_) => {
                    "name a PEM key and its certificate, or PKCS #12, and the password if it has one"
                }
                Source::Token(_) => {
                    "check token, key, certificate and PIN (password-file, password-credential or \
                     password-variable)"
                }
            };
            wrong(&error, remedy)
        })
    }

    fn key_password(
        &self,
        key: &str,
        files: &KeyFiles,
    ) -> Result<Option<Zeroizing<String>>, ConfigError> {
        let given = (
            &files.password_file,
            &files.password_credential,
            &files.password_variable,
        );
        match given {
            (None, None, None) => Ok(None),
            (Some(file), None, None) => {
                let path = self.path(file.get_ref());
                let key = format!("{key}.password-file");
                self.secret(&key, file.span(), &path, 0o077).map(Some)
            }
            (None, Some(name), None) => {
                let key = format!("{key}.password-credential");
                let path = self.credential(&key, name)?;
                // The folder is the service's own; an access list shows as the group's right.
                self.secret(&key, name.span(), &path, 0o007).map(Some)
            }
            (None, None, Some(name)) => match std::env::var(name.get_ref()) {
                Ok(password) => Ok(Some(Zeroizing::new(password))),
                Err(_) => Err(self.error(
                    name.span(),
                    &format!("{key}.password-variable"),
                    format!("the environment has no {}", name.get_ref()),
                    "set it where the switch is started",
                )),
            },
            _ => Err(self.error(
                files.key.span(),
                key,
                "the password is named twice",
                "set one of password-file, password-credential and password-variable",
            )),
        }
    }

    /// The first line of a file that nobody else may read.
    fn secret(
        &self,
        key: &str,
        span: std::ops::Range<usize>,
        path: &Path,
        others: u32,
    ) -> Result<Zeroizing<String>, ConfigError> {
        use std::os::unix::fs::PermissionsExt;
        let wrong = |text: String, remedy| self.error(span.clone(), key, text, remedy);
        let unreadable = |error: std::io::Error| {
            let text = format!("{} cannot be read: {error}", path.display());
            wrong(text, "check name and permissions")
        };
        let mode = std::fs::metadata(path)
            .map_err(unreadable)?
            .permissions()
            .mode();
        if mode & others != 0 {
            let text = format!("others than its owner may read {}", path.display());
            return Err(wrong(text, "`chmod 600` mends that"));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        Ok(Zeroizing::new(
            text.lines().next().unwrap_or_default().to_owned(),
        ))
    }

    /// Where a credential of the service manager lies.
    pub(super) fn credential(
        &self,
        key: &str,
        name: &Spanned<String>,
    ) -> Result<PathBuf, ConfigError> {
        let folder = self.credentials(key, name.span())?;
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.get_ref().starts_with('.') || !name.get_ref().chars().all(is_letter) {
            return Err(self.error(
                name.span(),
                key,
                "a credential has a name of letters, digits, dots, dashes and underscores",
                "name it as LoadCredential= does",
            ));
        }
        Ok(folder.join(name.get_ref()))
    }

    /// The folder of credentials.
    pub(super) fn credentials(
        &self,
        key: &str,
        span: std::ops::Range<usize>,
    ) -> Result<PathBuf, ConfigError> {
        std::env::var_os(CREDENTIALS)
            .map(PathBuf::from)
            .ok_or_else(|| {
                self.error(
                    span,
                    key,
                    "no service manager handed credentials over",
                    "start the switch as a systemd service with LoadCredential= or \
                 LoadCredentialEncrypted=, or name a file",
                )
            })
    }
}
