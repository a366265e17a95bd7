//! A releasing officer's own settings: which desk, whom to trust, which key.
//!
//! The settings stand on the command line, or in a small file (README, chapter "Releasing"):
//!
//! ```toml
//! server = "desk.alder.example:8443"    # host and port of the desk
//! name = "switch.alder.example"         # the DNS name in the switch's certificate
//! trust = ["ca.pem"]                    # who vouches for the switch and for signers
//! crls = ["ca.crl"]                     # their revocation lists
//! key = "officer.p12"                   # the officer's own key, or "pkcs11:…" on a token; it stays
//!                                       # on this machine
//! certificate = "officer.pem"           # where it does not stand beside the key
//! password-file = "officer.password"    # otherwise the environment's RAVELIN_PASSWORD
//! policies = ["alder.xml"]              # label policies, for markings
//! revocation = "required"               # or "if-present"
//! ```
//!
//! Promises: paths are relative to the file; unknown keys are errors; what stands on the command
//! line wins over the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Deserialize;
use toml::Spanned;

use super::answer::Trouble;
use super::desk::Desk;
use super::material::{self, Named, Place};
use crate::clock::Clock;
use crate::config::{ConfigError, Revocation, key_at, line_of};
use crate::crypto::keys::Identity;
use crate::crypto::token::is_token;
use crate::crypto::trust::{RevocationCheck, TrustStore};
use crate::label::Policies;

/// Which desk, whom to trust, which key.
#[derive(Args, Debug, Default)]
pub(super) struct Settings {
    /// A file with these settings, such as officer.toml; an option wins over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Host and port of the desk
    #[arg(long, global = true, value_name = "HOST:PORT")]
    server: Option<String>,
    /// The DNS name in the switch's certificate; without it, the host of --server
    #[arg(long, global = true, value_name = "DNS")]
    name: Option<String>,
    /// Who vouches for the switch and for signers: PEM or DER, a file or a folder
    #[arg(long, global = true, value_name = "FILE|DIR")]
    trust: Vec<PathBuf>,
    /// Revocation lists: PEM or DER, a file or a folder
    #[arg(long, global = true, value_name = "FILE|DIR")]
    crl: Vec<PathBuf>,
    /// The officer's key: PKCS #12, PEM with its certificate in the same file, or pkcs11:… on a token
    #[arg(long, global = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The certificate of a key on a token, where it is not there; or of a PEM key
    #[arg(long = "cert", global = true, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// A file with the password of the key; otherwise the environment's RAVELIN_PASSWORD
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Label policies (SPIF), for markings
    #[arg(long, global = true, value_name = "FILE")]
    policy: Vec<PathBuf>,
}

/// An officer who can go to the desk.
pub(super) struct Officer {
    pub(super) desk: Desk,
    pub(super) policies: Policies,
    pub(super) revocation: RevocationCheck,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    server: Option<String>,
    name: Option<String>,
    #[serde(default)]
    trust: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    crls: Vec<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    certificate: Option<Spanned<PathBuf>>,
    password_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    policies: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    revocation: Revocation,
}

impl Settings {
    /// Those that a file names.
    pub(super) fn of(file: &Path) -> Self {
        Self {
            config: Some(file.to_owned()),
            ..Self::default()
        }
    }

    /// Reads everything that the settings name.
    pub(super) fn officer(&self) -> Result<Officer, Trouble> {
        let source = match &self.config {
            Some(file) => Source::read(file)?,
            None => Source::default(),
        };
        let written = &source.written;
        let address = self
            .server
            .clone()
            .or_else(|| written.server.clone())
            .ok_or_else(|| missing("server", "the host and port of the desk"))?;
        let host = address
            .rsplit_once(':')
            .map(|(host, _)| host.to_owned())
            .ok_or_else(|| {
                Trouble::usage(
                    format!("server: {address:?} has no port"),
                    "write it as host:port, such as desk.alder.example:8443",
                )
            })?;
        let key = self
            .one(
                "--key",
                self.key.as_ref(),
                &source,
                "key",
                written.key.as_ref(),
            )
            .ok_or_else(|| missing("key", "the officer's key (.p12)"))?;
        let certificate = self.one(
            "--cert",
            self.certificate.as_ref(),
            &source,
            "certificate",
            written.certificate.as_ref(),
        );
        let password_file = self.one(
            "--password-file",
            self.password_file.as_ref(),
            &source,
            "password-file",
            written.password_file.as_ref(),
        );
        let password = material::password(password_file.as_ref())?;
        let identities = material::identities(
            &key,
            certificate.as_ref(),
            password.as_ref().map(|text| text.as_str()),
        )?;
        let officer = identities.into_iter().find(may_sign).ok_or_else(|| {
            key.trouble(
                "holds no key whose certificate allows signatures",
                "give the officer's signing key",
            )
        })?;
        let trust = self.many("--trust", &self.trust, &source, "trust", &written.trust);
        if trust.is_empty() {
            return Err(missing("trust", "the anchors that vouch for the switch"));
        }
        let lists = self.many("--crl", &self.crl, &source, "crls", &written.crls);
        let policies = self.many(
            "--policy",
            &self.policy,
            &source,
            "policies",
            &written.policies,
        );
        let revocation = match written.revocation {
            Revocation::IfPresent => RevocationCheck::Optional,
            Revocation::Required => RevocationCheck::Required,
        };
        let trust = TrustStore::new(
            material::certificates(&trust)?,
            Vec::new(),
            material::revocation_lists(&lists)?,
        )
        .with_revocation(revocation);
        Ok(Officer {
            desk: Desk {
                address,
                name: self
                    .name
                    .clone()
                    .or_else(|| written.name.clone())
                    .unwrap_or(host),
                trust: Arc::new(trust),
                officer,
                clock: Clock::system(),
            },
            policies: material::policies(&policies)?,
            revocation,
        })
    }

    fn one(
        &self,
        option: &'static str,
        given: Option<&PathBuf>,
        source: &Source,
        key: &str,
        written: Option<&Spanned<PathBuf>>,
    ) -> Option<Named> {
        match given {
            Some(path) => Some(Named {
                path: path.clone(),
                place: Place::Option(option),
            }),
            None => written.map(|path| source.named(key, path)),
        }
    }

    fn many(
        &self,
        option: &'static str,
        given: &[PathBuf],
        source: &Source,
        key: &str,
        written: &[Spanned<PathBuf>],
    ) -> Vec<Named> {
        if given.is_empty() {
            written.iter().map(|path| source.named(key, path)).collect()
        } else {
            Named::all(option, given)
        }
    }
}

/// The file, as read.
#[derive(Default)]
struct Source {
    file: PathBuf,
    text: String,
    written: Written,
}

impl Source {
    fn read(file: &Path) -> Result<Self, Trouble> {
        let error = |line: Option<usize>, key: String, text: String, remedy: &str| {
            Trouble::from(ConfigError {
                file: file.to_owned(),
                line,
                key,
                text,
                remedy: remedy.to_owned(),
            })
        };
        let text = std::fs::read_to_string(file).map_err(|found| {
            let text = format!("cannot be read: {found}");
            error(
                None,
                String::new(),
                text,
                "name the officer's settings with --config",
            )
        })?;
        let written = toml::from_str(&text).map_err(|found: toml::de::Error| {
            error(
                found.span().map(|span| line_of(&text, span.start)),
                found
                    .span()
                    .map(|span| key_at(&text, span.start))
                    .unwrap_or_default(),
                found.message().trim().to_owned(),
                "the keys are server, name, trust, crls, key, certificate, password-file, policies, \
                 revocation",
            )
        })?;
        Ok(Self {
            file: file.to_owned(),
            text,
            written,
        })
    }

    fn named(&self, key: &str, path: &Spanned<PathBuf>) -> Named {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        Named {
            path: match is_token(path.get_ref()) {
                true => path.get_ref().clone(),
                false => folder.join(path.get_ref()),
            },
            place: Place::File {
                file: self.file.clone(),
                line: line_of(&self.text, path.span().start),
                key: key.to_owned(),
            },
        }
    }
}

/// RFC 5280 section 4.2.1.3: without keyUsage every use is allowed.
fn may_sign(identity: &Identity) -> bool {
    identity
        .certificate()
        .key_usage()
        .is_none_or(|usage| usage.digital_signature() || usage.non_repudiation())
}

fn missing(setting: &str, what: &str) -> Trouble {
    Trouble::usage(
        format!("{setting} is not given: {what}"),
        format!("use --{setting}, or {setting} in the file that --config names"),
    )
}
